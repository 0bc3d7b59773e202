"""One claim, told: its verdict in a sentence, the numbers behind it, its figures, controls and constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modclaims.claim_set import corrected_over
from modclaims.decimals import decimals_for, decimals_of_effect
from modclaims.drawing.numerals import (
    NOTHING,
    count,
    interval,
    is_number,
    number,
    p_value,
    plain,
    said,
    significant,
)
from modclaims.drawing.rows import Table
from modclaims.entries import JsonFields
from modclaims.report.pictures import Figure
from modclaims.report.values import as_text, class_name, exactly, spoken

OUTCOMES = ("supported", "refuted", "inconclusive", "error", "skipped")
JUDGED = OUTCOMES[:3]


@dataclass(frozen=True)
class RivalSection:
    """A rival explanation."""

    name: str
    sentence: str
    numbers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Claim:
    """One claim, told."""

    number: int
    anchor: str
    name: str
    """Its class."""
    id: str
    family: str
    claim: str
    """What it says."""
    outcome: str
    standing: str
    """Against its expectation, in words: `as expected`, `expected: refuted`, ..."""
    met: bool | None
    """Whether it came out as expected; None where nothing was judged."""
    effect_name: str
    effect: str
    interval: str
    smallest: str
    p_plus: str
    p_minus: str
    levels: str
    """Both, before correction and after, and what it was over."""
    sentence: str
    message: tuple[str, ...]
    """Why it is undecided, or what went wrong, line by line."""
    warnings: tuple[str, ...]
    numbers: tuple[Table, ...]
    figures: tuple[Figure, ...]
    controls: tuple[RivalSection, ...]
    null: tuple[Figure, ...]
    more: tuple[Table, ...]
    """Secondary statistics and declared constants."""

    @property
    def against(self) -> bool:
        """Whether it was decided against its expectation; an undecided claim is against nothing."""
        return self.met is False and self.outcome != "inconclusive"

    @property
    def verdict(self) -> str:
        """The outcome as a word in capitals."""
        return self.outcome.upper()


@dataclass(frozen=True)
class Terms:
    """Words that depend on the settings."""

    alpha: float
    interval: str
    correction: str
    adjusted: str
    """Head of a p-value's column."""
    over: str
    """What levels were corrected over, in words that follow "over"; empty where nothing was, or a run does not say."""

    @classmethod
    def of(cls, facts: JsonFields) -> Terms:
        """The words of a run, from its facts in run.json."""
        settings = facts.get("settings") or {}
        alpha = settings.get("alpha")
        alpha = float(alpha) if is_number(alpha) else 0.05
        correction = plain(settings.get("correction") or "holm")
        corrections = {
            "holm": "after Holm's correction",
            "bh": "after Benjamini and Hochberg's correction",
            "by": "after Benjamini and Yekutieli's correction",
            "none": "without correction",
        }
        return cls(
            alpha,
            f"{100 * (1 - 2 * alpha):g} % interval",
            corrections.get(correction, f"after correction ({correction})"),
            "uncorrected" if correction == "none" else "corrected",
            "" if correction == "none" else _over(facts.get("tests") or {}),
        )

    @property
    def corrected(self) -> str:
        """`after Holm's correction over 22 claims, of which 3 were weighed`."""
        return f"{self.correction} over {self.over}" if self.over else self.correction


def _over(tests: JsonFields) -> str:
    """From the counts of run.json; runs of old say only how many were weighed."""
    weighed = tests.get("weighed")
    size = tests.get("corrected_over", weighed)
    if not is_number(weighed) or not is_number(size):
        return ""
    earlier = tests.get("from_earlier_runs")
    return corrected_over(int(size), int(weighed), int(earlier) if is_number(earlier) else 0)


def claim_of(
    at: int, summary: JsonFields, figures: tuple[tuple[Figure, ...], tuple[Figure, ...]], terms: Terms
) -> Claim:
    """A claim from its object in run.json and its figures, null histograms apart; `at` counts from 0."""
    outcome = summary.get("outcome") if summary.get("outcome") in OUTCOMES else "error"
    expect, met = summary.get("expect"), summary.get("as_expected")
    if outcome not in JUDGED:
        met = None
    elif met is None and expect:
        met = expect == outcome
    standing = "" if met is None or not expect else "as expected" if met else f"expected: {plain(expect)}"
    decimals = decimals_of_effect(*(summary.get(key) for key in ("smallest_effect", "effect_low", "effect_high")))
    identity = plain(summary.get("id") or f"claim {at + 1}")
    shown, null = figures
    return Claim(
        number=at + 1,
        anchor=f"claim-{at + 1}",
        name=class_name(identity),
        id=identity,
        family=plain(summary.get("family") or ""),
        claim=said(summary.get("claim") or class_name(identity)),
        outcome=str(outcome),
        standing=standing,
        met=met,
        effect_name=said(summary.get("effect_name") or ""),
        effect=number(_real(summary.get("effect")), decimals),
        interval=interval(summary.get("effect_low"), summary.get("effect_high"), decimals),
        smallest=_smallest(summary),
        p_plus=p_value(summary.get("p_plus_adjusted")),
        p_minus=p_value(summary.get("p_minus_adjusted")),
        levels=_levels(summary, terms),
        sentence=said(summary.get("sentence") or _sentence(summary, terms, decimals)),
        message=tuple(line for line in map(said, str(summary.get("message") or "").splitlines()) if line),
        warnings=tuple(said(w) for w in summary.get("warnings") or () if w),
        numbers=_numbers(summary, terms, decimals) if outcome in JUDGED else (),
        figures=shown,
        controls=tuple(_control(c) for c in summary.get("controls") or ()),
        null=null,
        more=_more(summary),
    )


def _smallest(summary: JsonFields) -> str:
    smallest = _real(summary.get("smallest_effect"))
    return number(smallest, decimals_for(smallest))


def _real(value: object) -> float | None:
    return float(value) if is_number(value) else None


def _sentence(summary: JsonFields, terms: Terms, decimals: int) -> str:
    """The result in words, for a summary that brings none."""
    if not is_number(summary.get("effect")):
        return ""
    action = plain(summary.get("action") or "chance")
    parts = f"{action[:1].upper()}{action[1:]} ({_draws(summary)}) gave {summary.get('effect_name') or 'an effect'}"
    parts += f" = {number(_real(summary['effect']), decimals)}"
    found = interval(summary.get("effect_low"), summary.get("effect_high"), decimals)
    parts += f", {terms.interval} {found}" if found != NOTHING else ""
    word = "p" if summary.get("n_cells") == 1 else "p over cells"
    return parts + (f", {word} = {p_value(summary['p'])}." if is_number(summary.get("p")) else ".")


def _draws(summary: JsonFields) -> str:
    draws = summary.get("draws")
    if not is_number(draws):
        return "draws not given"
    return f"exact, N = {number(draws)}" if summary.get("exact") else count(int(draws), "draw")


def _numbers(summary: JsonFields, terms: Terms, decimals: int) -> tuple[Table, ...]:
    get = summary.get
    best = get("best") or {}
    place = get("best_words") or ", ".join(
        f"{key} {best[key]}" for key in ("layer", "head", "axis") if best.get(key) is not None
    )
    label, _, detail = plain(get("interval") or terms.interval).partition(",")
    if ":" in label:
        label, _, detail = plain(get("interval")).partition(":")
    effect = [
        (said(get("effect_name") or "effect"), number(_real(get("effect")), decimals)),
        (label, interval(get("effect_low"), get("effect_high"), decimals)),
        ("", detail.strip() if is_number(get("effect_low")) or is_number(get("effect_high")) else ""),
        ("smallest effect that matters", _smallest(summary)),
        ("where", plain(place or "")),
        ("claimed to hold", plain(get("holds") or "")),
        (f"{plain(get('unit') or 'text')}s weighed" if get("n_units") else "", number(get("n_units"))),
        ("texts", number(get("n_texts")) if get("n_texts") else "none; weights alone speak" if get("n_units") else ""),
        ("cells tested", number(get("n_cells"))),
        ("cells that carry the claim", number(get("carrying")) if get("outcome") == "supported" else ""),
        ("cells that could not be tested", number(len(get("degenerate") or ())) if get("degenerate") else ""),
    ]
    if get("n_units") == get("n_texts"):
        same = "texts" if get("unit") == "sequence" else "s weighed"
        effect = [row for row in effect if not row[0].endswith(same)]
    chance = [
        ("p+, to support it", _both(get("p_plus"), get("p_plus_adjusted"), terms)),
        ("p−, to refute it", _both(get("p_minus"), get("p_minus_adjusted"), terms)),
        ("p, of any effect" if get("n_cells") == 1 else "p over cells, of any effect", p_value(get("p"))),
        ("p of the named cell", p_value(get("p_cell")) if (get("n_cells") or 0) > 1 else ""),
        ("p over all cells together", _combined(get("intersection"))),
        ("chance", plain(get("action") or "")),
        ("arrangements", _draws(summary)),
        ("resamples, after draws had gone on", number(get("resamples")) if get("checkpoint") else ""),
        ("smallest p attainable", p_value(get("smallest_attainable_p"))),
        ("statistic", said(get("statistic") or "")),
    ]
    if get("outcome") == "inconclusive":
        chance += [
            ("texts to refute it, were the effect 0", _about(get("texts_to_refute"))),
            ("texts to support it, were it twice the smallest", _about(get("texts_to_support"))),
            ("null objects to refute it, were the effect 0", _about(get("draws_to_refute"))),
            ("null objects to support it, were it twice the smallest", _about(get("draws_to_support"))),
        ]
    tables = []
    for caption, rows in (("Effect", effect), ("Test", chance)):
        kept = tuple((a, b) for a, b in rows if b and b != NOTHING)
        if kept:
            tables.append(Table((caption, ""), kept, caption, words=(0, 1)))
    return tuple(tables)


def _combined(found: object) -> str:
    """An intersection test says that some cell has an effect, not which."""
    if not isinstance(found, Mapping) or not found:
        return ""
    named = ", ".join(f"{plain(name).capitalize()} {p_value(value)}" for name, value in found.items())
    return f"{named} (that some cell has an effect, not which)"


def _about(value: object) -> str:
    return f"about {number(value)}" if is_number(value) else ""


def _levels(summary: JsonFields, terms: Terms) -> str:
    plus, minus = (p_value(summary.get(f"{side}_adjusted")) for side in ("p_plus", "p_minus"))
    words = f"p+ {plus}, p- {minus}"
    if terms.adjusted == "uncorrected" or not is_number(summary.get("p_plus")):
        return words
    alone = " and ".join(p_value(summary.get(side)) for side in ("p_plus", "p_minus"))
    return f"{words} (alone {alone}; corrected over {terms.over or 'the claims of this run'})"


def _both(raw: object, adjusted: object, terms: Terms) -> str:
    if not is_number(adjusted):
        return p_value(raw)
    if not is_number(raw) or terms.adjusted == "uncorrected":
        return p_value(adjusted)
    over = f"corrected over {terms.over}" if terms.over else "corrected"
    return f"alone {p_value(raw)}; {over}: {p_value(adjusted)}"


def _control(body: JsonFields) -> RivalSection:
    numbers = tuple((spoken(k), as_text(v, k)) for k, v in sorted((body.get("numbers") or {}).items()))
    name = spoken(body.get("name") or "control")
    return RivalSection(name[:1].upper() + name[1:], said(body.get("sentence") or ""), numbers)


def _more(summary: JsonFields) -> tuple[Table, ...]:
    secondary = tuple((said(s.get("name") or ""), significant(s.get("value"))) for s in summary.get("secondary") or ())
    constants = tuple((plain(k), exactly(v)) for k, v in sorted((summary.get("constants") or {}).items()))
    note = said(summary.get("note") or "")
    tables = []
    if secondary:
        tables.append(
            Table(("secondary, at the same place", "value"), secondary, "Secondary statistics, without a verdict")
        )
    if constants:
        tables.append(Table(("constant", "declared"), constants, "Declared by the claim", words=(0, 1), left_out=note))
    return tuple(tables)
