"""A run as a neutral document: every sentence, number and table of the report, and which figure stands where.

All wording lives here, once; `markdown.py` and `html.py` only set it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modclaims.report.numerals import (
    NOTHING,
    count,
    decimals_for,
    interval,
    is_number,
    number,
    p_value,
    plain,
    said,
    series,
    significant,
)
from modclaims.report.rows import Table
from modclaims.report.tables import DRAWN, exhibit_table
from modclaims.run_folder import Run, dump_json
from modclaims.stats.evidence import Exhibit

OUTCOMES = ("supported", "refuted", "inconclusive", "error", "skipped")
JUDGED = OUTCOMES[:3]
RAW_FILES = (
    ("run.json", "every number of this page, with settings and provenance"),
    ("cells.csv", "one row a tested cell: effect, bounds, p"),
    ("nulls.npz", "null samples and the arrays behind the figures, as claim/figure/array, counted from 0"),
    ("junit.xml", "the verdicts for a test runner"),
)
IMAGE_BYTES = 1_500_000
"""What all heat maps of a page may weigh together; their pictures are averaged to stay below it."""
MOST_ROWS = 128
"""Rows of a matrix that a heat map paints at most."""


@dataclass(frozen=True)
class Figure:
    """A picture, the words with it, and the table beside it."""

    name: str
    """Path inside the run folder."""
    exhibit: Exhibit
    title: str
    description: str
    table: Table
    notes: tuple[str, ...] = ()
    limit: int = MOST_ROWS
    """Rows that a heat map paints at most."""
    drawn: bool = True
    """False where there is only the table."""

    @property
    def narrow(self) -> bool:
        """Whether the picture takes half a page's width."""
        return self.exhibit.kind == "null_histogram"


@dataclass(frozen=True)
class Control:
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
    sentence: str
    message: tuple[str, ...]
    """Why it is undecided, or what went wrong, line by line."""
    warnings: tuple[str, ...]
    numbers: tuple[Table, ...]
    figures: tuple[Figure, ...]
    controls: tuple[Control, ...]
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
class Document:
    """The report."""

    title: str
    lead: str
    """What was tested on which model and corpus, in one sentence."""
    tally: tuple[str, ...]
    """How many of which outcome, and how many as expected."""
    forest: Figure | None
    reading: tuple[tuple[str, str], ...]
    """How to read the page: terms and what they mean."""
    claims: tuple[Claim, ...]
    tested: Table
    scope: tuple[tuple[str, str], ...]
    """What the tests cover: degenerate cells, lock, population."""
    provenance: tuple[Table, ...]
    command: str
    interval_name: str
    correction_name: str
    raw: tuple[tuple[str, str], ...] = field(default=RAW_FILES)

    @classmethod
    def of(cls, run: Run) -> Document:
        """The document of a run; the same for a run at hand and for one read back from its folder."""
        facts = json.loads(dump_json({k: v for k, v in run.facts.items() if k != "made"}))
        summaries = [json.loads(dump_json(dict(c.summary))) for c in run.claims]
        terms = _Terms.of(facts)
        limit = _image_rows([e for c in run.claims for e in c.exhibits])
        taken: set[str] = set()
        claims = tuple(
            _claim(i, summary, _figures(i, summary, record.exhibits, limit, taken), terms)
            for i, (summary, record) in enumerate(zip(summaries, run.claims, strict=True))
        )
        model, corpus = _name(facts, "model"), _name(facts, "corpus")
        return cls(
            title=f"Claims about {model}, weighed on {corpus}",
            lead=_lead(facts, len(claims)),
            tally=_tally(claims),
            forest=_forest(claims, summaries, terms),
            reading=_reading(claims, terms, facts),
            claims=claims,
            tested=_tested(facts, claims, summaries),
            scope=_scope(facts, claims, summaries),
            provenance=_provenance(facts),
            command=plain(facts.get("command") or ""),
            interval_name=terms.interval,
            correction_name=terms.correction,
        )

    def figures(self) -> tuple[Figure, ...]:
        """All figures that have a picture, in the order of the page."""
        every = [*([self.forest] if self.forest else []), *(f for c in self.claims for f in (*c.figures, *c.null))]
        return tuple(f for f in every if f.drawn)

    def without_picture(self, name: str, fault: Exception) -> Document:
        """The same document with that figure's table alone, and a line that says why."""
        note = f"This figure could not be drawn from its arrays ({plain(fault) or type(fault).__name__}); they are in nulls.npz."

        def mended(figure: Figure) -> Figure:
            return replace(figure, drawn=False, notes=(*figure.notes, note)) if figure.name == name else figure

        return replace(
            self,
            forest=mended(self.forest) if self.forest else None,
            claims=tuple(
                replace(c, figures=tuple(map(mended, c.figures)), null=tuple(map(mended, c.null))) for c in self.claims
            ),
        )


@dataclass(frozen=True)
class _Terms:
    """Words that depend on the settings."""

    alpha: float
    interval: str
    correction: str
    adjusted: str
    """Head of a p-value's column."""

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> _Terms:
        settings = facts.get("settings") or {}
        alpha = settings.get("alpha")
        alpha = float(alpha) if is_number(alpha) else 0.05
        correction = plain(settings.get("correction") or "holm")
        spoken = {
            "holm": "after Holm's correction",
            "bh": "after Benjamini and Hochberg's correction",
            "by": "after Benjamini and Yekutieli's correction",
            "none": "without correction",
        }
        return cls(
            alpha,
            f"{100 * (1 - 2 * alpha):g} % interval",
            spoken.get(correction, f"after correction ({correction})"),
            "uncorrected" if correction == "none" else "corrected",
        )


def _name(facts: Mapping[str, Any], what: str) -> str:
    found = facts.get(what)
    value = (found.get("name") or found.get("id")) if isinstance(found, Mapping) else found
    return plain(value) if value else f"an unnamed {what}"


def _lead(facts: Mapping[str, Any], claims: int) -> str:
    model, corpus = facts.get("model") or {}, facts.get("corpus") or {}
    built = [
        count(model[key], word) if word != "width" else f"width {model[key]}"
        for key, word in (("layers", "layer"), ("heads", "head"), ("width", "width"))
        if isinstance(model.get(key), int)
    ]
    kind = "an encoder" if model.get("causal") is False else "a language model"
    network = f"{_name(facts, 'model')}" + (f" ({kind} of {', '.join(built)})" if built else "")
    beside = [
        f"{plain(one['name'])}" + (f" ({one['parameters']:,} parameters)" if is_number(one.get("parameters")) else "")
        for one in facts.get("models") or []
        if one.get("name") != model.get("name")
    ]
    if beside:
        network += f" beside {series(beside)}"
    texts = count(corpus["texts"], "text") if isinstance(corpus.get("texts"), int) else "texts"
    counts = {k: v for k, v in (corpus.get("counts") or {}).items() if isinstance(v, Mapping)}
    labelled = series(f"{plain(k)} ({len(v)})" for k, v in counts.items() if len(v) > 1)
    ending = f", labelled by {labelled}" if labelled else ""
    return f"{count(claims, 'modularity claim')} about {network}, tested on the {texts} of {_name(facts, 'corpus')}{ending}."


def _tally(claims: Sequence[Claim]) -> tuple[str, ...]:
    found = [c.outcome for c in claims]
    words = [f"{found.count(o)} {o}" for o in (*JUDGED, *(o for o in OUTCOMES[3:] if o in found))]
    judged = sum(c.met is not None for c in claims)
    met = f"{sum(c.met is True for c in claims)} of {count(judged, 'judged claim')} as expected, "
    met += f"{sum(c.against for c in claims)} against expectation"
    return (*words, met)


def _class_name(claim_id: str) -> str:
    return plain(claim_id.rsplit("::", 1)[-1])


def _claim(
    at: int, summary: Mapping[str, Any], figures: tuple[tuple[Figure, ...], tuple[Figure, ...]], terms: _Terms
) -> Claim:
    outcome = summary.get("outcome") if summary.get("outcome") in OUTCOMES else "error"
    expect, met = summary.get("expect"), summary.get("as_expected")
    if outcome not in JUDGED:
        met = None
    elif met is None and expect:
        met = expect == outcome
    standing = "" if met is None or not expect else "as expected" if met else f"expected: {plain(expect)}"
    decimals = decimals_for(summary.get("smallest_effect"))
    identity = plain(summary.get("id") or f"claim {at + 1}")
    shown, null = figures
    return Claim(
        number=at + 1,
        anchor=f"claim-{at + 1}",
        name=_class_name(identity),
        id=identity,
        family=plain(summary.get("family") or ""),
        claim=said(summary.get("claim") or _class_name(identity)),
        outcome=str(outcome),
        standing=standing,
        met=met,
        effect_name=said(summary.get("effect_name") or ""),
        effect=number(_real(summary.get("effect")), decimals),
        interval=interval(summary.get("effect_low"), summary.get("effect_high"), decimals),
        smallest=number(_real(summary.get("smallest_effect")), decimals),
        p_plus=p_value(summary.get("p_plus_adjusted")),
        p_minus=p_value(summary.get("p_minus_adjusted")),
        sentence=said(summary.get("sentence") or _sentence(summary, terms, decimals)),
        message=tuple(line for line in map(said, str(summary.get("message") or "").splitlines()) if line),
        warnings=tuple(said(w) for w in summary.get("warnings") or () if w),
        numbers=_numbers(summary, terms, decimals) if outcome in JUDGED else (),
        figures=shown,
        controls=tuple(_control(c) for c in summary.get("controls") or ()),
        null=null,
        more=_more(summary),
    )


def _real(value: Any) -> Any:
    return float(value) if is_number(value) else None


def _sentence(summary: Mapping[str, Any], terms: _Terms, decimals: int) -> str:
    """The result in words, for a summary that brings none."""
    if not is_number(summary.get("effect")):
        return ""
    action = plain(summary.get("action") or "chance")
    parts = f"{action[:1].upper()}{action[1:]} ({_draws(summary)}) gave {summary.get('effect_name') or 'an effect'}"
    parts += f" = {number(_real(summary['effect']), decimals)}"
    found = interval(summary.get("effect_low"), summary.get("effect_high"), decimals)
    parts += f", {terms.interval} {found}" if found != NOTHING else ""
    return parts + (f", p over cells = {p_value(summary['p'])}." if is_number(summary.get("p")) else ".")


def _draws(summary: Mapping[str, Any]) -> str:
    draws = summary.get("draws")
    if not is_number(draws):
        return "draws not given"
    return f"exact, N = {number(draws)}" if summary.get("exact") else count(int(draws), "draw")


def _numbers(summary: Mapping[str, Any], terms: _Terms, decimals: int) -> tuple[Table, ...]:
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
        ("smallest effect that matters", number(_real(get("smallest_effect")), decimals)),
        ("where", plain(place or "")),
        ("claimed to hold", plain(get("holds") or "")),
        (f"{plain(get('unit') or 'text')}s weighed" if get("n_units") else "", number(get("n_units"))),
        ("texts", number(get("n_texts")) if get("n_texts") else "none; weights alone speak" if get("n_units") else ""),
        ("cells tested", number(get("n_cells"))),
        ("cells that could not be tested", number(len(get("degenerate") or ())) if get("degenerate") else ""),
    ]
    if get("n_units") == get("n_texts"):
        same = "texts" if get("unit") == "sequence" else "s weighed"
        effect = [row for row in effect if not row[0].endswith(same)]
    chance = [
        ("p+, to support it", _both(get("p_plus"), get("p_plus_adjusted"), terms)),
        ("p−, to refute it", _both(get("p_minus"), get("p_minus_adjusted"), terms)),
        ("p over cells, of any effect", p_value(get("p"))),
        ("p over all cells together", _combined(get("intersection"))),
        ("chance", plain(get("action") or "")),
        ("arrangements", _draws(summary)),
        ("smallest p attainable", p_value(get("smallest_attainable_p"))),
        ("statistic", said(get("statistic") or "")),
    ]
    if get("outcome") == "inconclusive":
        chance += [
            ("texts to refute it, were the effect 0", _about(get("texts_to_refute"))),
            ("texts to support it, were it twice the smallest", _about(get("texts_to_support"))),
        ]
    tables = []
    for caption, rows in (("Effect", effect), ("Test", chance)):
        kept = tuple((a, b) for a, b in rows if b and b != NOTHING)
        if kept:
            tables.append(Table((caption, ""), kept, caption, words=(0, 1)))
    return tuple(tables)


def _combined(found: Any) -> str:
    """An intersection test says that some cell has an effect, not which."""
    if not isinstance(found, Mapping) or not found:
        return ""
    told = ", ".join(f"{plain(name).capitalize()} {p_value(value)}" for name, value in found.items())
    return f"{told} (that some cell has an effect, not which)"


def _about(value: Any) -> str:
    return f"about {number(value)}" if is_number(value) else ""


def _both(raw: Any, adjusted: Any, terms: _Terms) -> str:
    if not is_number(adjusted):
        return p_value(raw)
    if not is_number(raw) or terms.adjusted == "uncorrected":
        return p_value(adjusted)
    return f"{p_value(adjusted)} corrected, {p_value(raw)} before"


def _spoken(key: str) -> str:
    return said(key).replace("_", " ")


def _control(body: Mapping[str, Any]) -> Control:
    numbers = tuple((_spoken(k), _told(v, k)) for k, v in sorted((body.get("numbers") or {}).items()))
    name = _spoken(body.get("name") or "control")
    return Control(name[:1].upper() + name[1:], said(body.get("sentence") or ""), numbers)


def _told(value: Any, key: str = "") -> str:
    """Any value of run.json in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_number(value):
        return p_value(value) if re.search(r"(^|_)p($|_)", key) else significant(value)
    if value is None or value == "":
        return NOTHING
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(k)}: {_told(v)}" for k, v in sorted(value.items())) or NOTHING
    if isinstance(value, list):
        shown = ", ".join(_told(v) for v in value[:8])
        return f"{shown}, and {len(value) - 8} more" if len(value) > 8 else shown or NOTHING
    return plain(value)


def _more(summary: Mapping[str, Any]) -> tuple[Table, ...]:
    secondary = tuple((said(s.get("name") or ""), significant(s.get("value"))) for s in summary.get("secondary") or ())
    constants = tuple((plain(k), _exactly(v)) for k, v in sorted((summary.get("constants") or {}).items()))
    note = said(summary.get("note") or "")
    tables = []
    if secondary:
        tables.append(
            Table(("secondary, at the same place", "value"), secondary, "Secondary statistics, without a verdict")
        )
    if constants:
        tables.append(Table(("constant", "declared"), constants, "Declared by the claim", words=(0, 1), left_out=note))
    return tuple(tables)


# --- figures -------------------------------------------------------------------------------------------------------


def _image_rows(exhibits: Iterable[Exhibit]) -> int:
    """Rows that each heat map may paint, so that all of them together stay light: six bits a dot, in base64."""
    panels = sum(
        np.shape(e.arrays["maps"])[0]
        for e in exhibits
        if e.kind == "heat_maps" and np.ndim(e.arrays.get("maps", np.zeros(0))) == 3
    )
    return max(16, min(MOST_ROWS, int((IMAGE_BYTES / max(1, panels)) ** 0.5)))


def _figures(
    at: int, summary: Mapping[str, Any], exhibits: Sequence[Exhibit], limit: int, taken: set[str]
) -> tuple[tuple[Figure, ...], tuple[Figure, ...]]:
    """A claim's figures, and apart from them its null histograms."""
    owner = _slug(_class_name(str(summary.get("id") or ""))) or f"claim-{at + 1}"
    shown: list[Figure] = []
    null: list[Figure] = []
    for j, exhibit in enumerate(exhibits):
        stem, name, again = f"figures/{owner}-{_slug(exhibit.kind) or 'figure'}", "", 1
        while not name or name.lower() in taken:
            name = f"{stem}{'' if again == 1 else f'-{again}'}.svg"
            again += 1
        taken.add(name.lower())
        figure = Figure(
            name,
            exhibit,
            said(exhibit.title) or _spoken(exhibit.kind),
            said(exhibit.description),
            exhibit_table(exhibit),
            (*_notes(exhibit, limit), f"Arrays: nulls.npz, {at}/{j}/."),
            limit,
            drawn=exhibit.kind in DRAWN,
        )
        (null if exhibit.kind == "null_histogram" else shown).append(figure)
    return tuple(shown), tuple(null)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:60]


def _notes(exhibit: Exhibit, limit: int) -> tuple[str, ...]:
    if exhibit.kind not in DRAWN:
        return (f"No picture is known for {plain(exhibit.kind)!r}; the table lists its arrays.",)
    notes = []
    found = exhibit.labels.get("note", "")
    if isinstance(found, str) and found:
        notes.append(f"{said(found)}.")
    if exhibit.kind == "heat_maps" and np.ndim(exhibit.arrays.get("maps", np.zeros(0))) == 3:
        rows = np.shape(exhibit.arrays["maps"])[1]
        step = -(-rows // limit)
        notes.append(
            "One colour scale for all panels, from the 1 % to the 99 % quantile off the diagonal; what lies beyond is cut."
        )
        if step > 1:
            notes.append(f"Painted as means over squares of {step} x {step} of the {rows} x {rows} values.")
    return tuple(notes)


def _forest(claims: Sequence[Claim], summaries: Sequence[Mapping[str, Any]], terms: _Terms) -> Figure | None:
    chosen = [
        (c, s) for c, s in zip(claims, summaries, strict=True) if c.outcome in JUDGED and is_number(s.get("effect"))
    ]
    if not chosen:
        return None

    def column(key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([float(s[key]) if is_number(s.get(key)) else np.nan for _, s in chosen])

    scales = [c.effect_name or "effect" for c, _ in chosen]
    exhibit = Exhibit(
        "forest",
        f"Effects with their {terms.interval}s",
        f"One row a claim: its effect, its {terms.interval} and the smallest effect that matters. An interval wholly beyond that tick "
        "speaks for the claim, one wholly short of it against the claim; verdicts also take the correction over claims into account."
        + (" Effects of different kinds stand in panels of their own." if len(set(scales)) > 1 else ""),
        {
            "effect": column("effect"),
            "low": column("effect_low"),
            "high": column("effect_high"),
            "smallest": column("smallest_effect"),
        },
        {
            "claims": [f"{c.number}  {c.name}" for c, _ in chosen],
            "outcomes": [c.outcome for c, _ in chosen],
            "effect_names": scales,
            "interval": terms.interval,
        },
    )
    missing = len(claims) - len(chosen)
    notes = (
        (f"{count(missing, 'claim')} without an effect {'is' if missing == 1 else 'are'} not drawn.",)
        if missing
        else ()
    )
    return Figure("figures/forest.svg", exhibit, exhibit.title, exhibit.description, exhibit_table(exhibit), notes)


# --- the frame -----------------------------------------------------------------------------------------------------


def _reading(claims: Sequence[Claim], terms: _Terms, facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    level = p_value(terms.alpha)
    drawn = "whole blocks of texts" if (facts.get("corpus") or {}).get("blocks") else "texts"
    lines = [
        (
            "SUPPORTED",
            f"The effect exceeds the smallest effect that matters, and more than chance explains: p+ is at most {level} {terms.correction}.",
        ),
        (
            "REFUTED",
            f"The effect lies below the smallest effect that matters: p− is at most {level} {terms.correction}. "
            "A large p alone never refutes.",
        ),
        ("INCONCLUSIVE", "Neither. The claim's section says what would settle it."),
    ]
    found = {c.outcome for c in claims}
    if "error" in found:
        lines.append(
            ("ERROR", "The claim could not be weighed; its section says why. The other claims are not touched by it.")
        )
    if "skipped" in found:
        lines.append(
            (
                "SKIPPED",
                "The corpus lacks a column, a category or enough texts, or the run the models, that the claim needs; nothing was weighed.",
            )
        )
    lines += [
        (
            terms.interval,
            f"Two one-sided bounds, each at level {level}, from a bootstrap over {drawn} (and over null objects, where a claim has some). Where many places were searched, the claim's "
            "numbers say which limit holds for all of them at once."
            + (
                " Where models are the units, they are those of Student's t."
                if len(facts.get("models") or []) > 1
                else ""
            ),
        ),
        (
            "p+ and p−",
            "The smallest levels at which the claim would be supported, and refuted. "
            + (
                "They are not corrected over the claims of this run."
                if terms.adjusted == "uncorrected"
                else f"Each side is corrected over all {count(_family(claims), 'weighed claim')} of this run."
            ),
        ),
        (
            "Expectation",
            "What the claim's file declared beforehand. A verdict against expectation is a result, not a fault of the run.",
        ),
    ]
    return tuple(lines)


def _family(claims: Sequence[Claim]) -> int:
    return sum(c.outcome in JUDGED for c in claims)


def _many(value: Any) -> int | None:
    if isinstance(value, (list, Mapping)):
        return len(value)
    return int(value) if is_number(value) else None


def _tested(facts: Mapping[str, Any], claims: Sequence[Claim], summaries: Sequence[Mapping[str, Any]]) -> Table:
    tests = facts.get("tests") or {}
    outcomes = [c.outcome for c in claims]
    fallback = {
        "claims": len(claims),
        "cells": sum(int(s["n_cells"]) for s in summaries if is_number(s.get("n_cells"))),
        "skipped": outcomes.count("skipped"),
        "degenerate": sum(len(s.get("degenerate") or ()) for s in summaries),
    }
    rows = [
        ("claims in this run", _first(_many(tests.get("claims")), fallback["claims"])),
        ("claims weighed", _family(claims)),
        ("claims skipped, for want of a column or of models", _first(_many(tests.get("skipped")), fallback["skipped"])),
        ("claims that could not be weighed", outcomes.count("error")),
        ("cells tested (layers, heads, axes)", _first(_many(tests.get("cells")), fallback["cells"])),
        (
            "degenerate cells: constant or not finite, so not tested",
            _first(_many(tests.get("degenerate")), fallback["degenerate"]),
        ),
    ]
    before = _many(tests.get("weighed_before"))
    if before is not None:
        rows.append(
            ("other claims weighed on this corpus and model before, on this machine (not in the correction)", before)
        )
    return Table(("counted", "number"), tuple((a, number(b)) for a, b in rows))


def _first(value: int | None, fallback: int) -> int:
    return fallback if value is None else value


def _scope(
    facts: Mapping[str, Any], claims: Sequence[Claim], summaries: Sequence[Mapping[str, Any]]
) -> tuple[tuple[str, str], ...]:
    lines = []
    for word, outcome in (("Skipped", "skipped"), ("Not weighed", "error")):
        named = [f"{c.number} {c.name}" for c in claims if c.outcome == outcome]
        if named:
            lines.append((word, f"{', '.join(named)}."))
    degenerate = [
        f"{c.number} {c.name}: {_listed(s['degenerate'])}"
        for c, s in zip(claims, summaries, strict=True)
        if s.get("degenerate")
    ]
    if degenerate:
        lines.append(("Degenerate cells", ". ".join(degenerate) + "."))
    locked = plain(facts.get("locked") or "exploratory")
    if locked == "locked":
        text = "Locked. Claims, corpus, model, level, smallest effects and seed were fixed in claims.lock.json before this run."
    elif locked == "exploratory":
        text = (
            "Exploratory. Nothing pinned the claims, their smallest effects or the corpus before this run, so nothing here shows that they "
            "were not chosen after a look at the numbers."
        )
    else:
        text = f"{locked}."
    lines.append(("Locked or exploratory", text))
    lines.append(
        (
            "For what it holds",
            f"New texts of these categories, for {_networks(facts)}; not new categories, training seeds or authors. Repeating a run until a "
            "claim passes makes its p-values worthless.",
        )
    )
    return tuple(lines)


def _networks(facts: Mapping[str, Any]) -> str:
    """Whom the claims are about, in words."""
    if len(facts.get("models") or []) < 2:
        return "this network"
    return f"{_name(facts, 'model')} and, where claims compare models, for these ones"


def _listed(items: Sequence[Any], most: int = 12) -> str:
    shown = "; ".join(plain(i) for i in items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown


_MODEL_ORDER = (
    "name",
    "id",
    "model",
    "revision",
    "variant",
    "weights_sha256",
    "config_sha256",
    "tokenizer_sha256",
    "dtype",
    "attention",
    "device",
    "layers",
    "heads",
    "kv_heads",
    "width",
    "head_width",
    "mlp_width",
    "context",
    "causal",
    "parameters",
)
_CORPUS_ORDER = (
    "name",
    "sha256",
    "texts",
    "columns",
    "blocks",
    "counts",
    "largest_overlap",
    "note",
)
_SETTINGS_ORDER = (
    "model",
    "beside",
    "corpus",
    "text",
    "label",
    "alpha",
    "correction",
    "permutations",
    "resamples",
    "seed",
    "tokens",
    "positions",
    "dtype",
    "device",
)
_WORDS = {
    "weights_sha256": "SHA-256 of weights",
    "config_sha256": "SHA-256 of configuration",
    "tokenizer_sha256": "SHA-256 of tokenizer",
    "sha256": "SHA-256",
    "largest_overlap": "largest 8-gram overlap of two texts",
}


def _provenance(facts: Mapping[str, Any]) -> tuple[Table, ...]:
    corpus = dict(facts.get("corpus") or {})
    corpus |= {f"counts of {k}": v for k, v in (corpus.pop("counts", None) or {}).items()}
    corpus |= corpus.pop("facts", None) or {}
    found = (
        ("Model", _ordered(facts.get("model") or {}, _MODEL_ORDER)),
        *(
            (f"Model beside it: {plain(one['name'])}", _ordered(one, _MODEL_ORDER))
            for one in facts.get("models") or []
            if one.get("name") != (facts.get("model") or {}).get("name")
        ),
        ("Corpus", _ordered(corpus, _CORPUS_ORDER)),
        ("Settings", _ordered(facts.get("settings") or {}, _SETTINGS_ORDER)),
        ("Versions", _ordered(facts.get("versions") or {}, ["modclaims", "python"])),
    )
    return tuple(Table((name, ""), rows, name, words=(0, 1)) for name, rows in found if rows)


def _ordered(body: Any, order: Sequence[str]) -> tuple[tuple[str, str], ...]:
    if not isinstance(body, Mapping):
        return (("name", plain(body)),)
    keys = [*(k for k in order if k in body), *sorted(k for k in body if k not in order)]
    rows = [(_WORDS.get(k, _spoken(k)), _exactly(body[k])) for k in keys]
    return tuple((a, b) for a, b in rows if b != NOTHING)


def _exactly(value: Any) -> str:
    """A setting as it was given: numbers are not rounded."""
    return str(value) if is_number(value) else _told(value)
