"""A run as a neutral document: every sentence, number and table of the report, and which figure stands where.

All wording lives here and in the rooms that this one puts together (`claims`, `pictures`, `provenance`), once;
`markdown.py` and `html.py` only set it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.numerals import count, is_number, number, p_value, plain, series
from modclaims.drawing.rows import Table
from modclaims.entries import JsonFields
from modclaims.figures.forest import Forest
from modclaims.report.claims import JUDGED, OUTCOMES, Claim, Terms, claim_of
from modclaims.report.pictures import Figure, figures_of, image_rows
from modclaims.report.provenance import provenance_of
from modclaims.report.tables import exhibit_table
from modclaims.runs.run_folder import Run, dump_json

RAW_FILES = (
    ("run.json", "every number of this page, with settings and provenance"),
    ("cells.csv", "one row per tested cell: effect, bounds, p"),
    ("nulls.npz", "null samples and the arrays behind the figures, as claim/figure/array, counted from 0"),
    ("junit.xml", "the verdicts for a test runner"),
)


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
        terms = Terms.of(facts)
        limit = image_rows([e for c in run.claims for e in c.exhibits])
        taken: set[str] = set()
        claims = tuple(
            claim_of(i, summary, figures_of(i, summary, record.exhibits, limit, taken), terms)
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
            provenance=provenance_of(facts),
            command=plain(facts.get("command") or ""),
            interval_name=terms.interval,
            correction_name=terms.corrected,
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


def _name(facts: JsonFields, what: str) -> str:
    found = facts.get(what)
    value = (found.get("name") or found.get("id")) if isinstance(found, Mapping) else found
    return plain(value) if value else f"an unnamed {what}"


def _lead(facts: JsonFields, claims: int) -> str:
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


def _forest(claims: Sequence[Claim], summaries: Sequence[JsonFields], terms: Terms) -> Figure | None:
    chosen = [
        (c, s) for c, s in zip(claims, summaries, strict=True) if c.outcome in JUDGED and is_number(s.get("effect"))
    ]
    if not chosen:
        return None

    def column(key: str) -> NDArray[np.float64]:
        return np.array([float(s[key]) if is_number(s.get(key)) else np.nan for _, s in chosen])

    scales = [c.effect_name or "effect" for c, _ in chosen]
    exhibit = Forest(
        f"Effects with their {terms.interval}s",
        f"One row per claim: its effect, its {terms.interval} and the smallest effect that matters. An interval wholly beyond that tick "
        "speaks for the claim, one wholly short of it against the claim; verdicts also take the correction over claims into account."
        + (" Effects of different kinds stand in panels of their own." if len(set(scales)) > 1 else ""),
        effect=column("effect"),
        low=column("effect_low"),
        high=column("effect_high"),
        smallest=column("smallest_effect"),
        claims=tuple(f"{c.number}  {c.name}" for c, _ in chosen),
        outcomes=tuple(c.outcome for c, _ in chosen),
        effect_names=tuple(scales),
        interval=terms.interval,
    ).exhibit()
    missing = len(claims) - len(chosen)
    notes = (
        (f"{count(missing, 'claim')} without an effect {'is' if missing == 1 else 'are'} not drawn.",)
        if missing
        else ()
    )
    return Figure("figures/forest.svg", exhibit, exhibit.title, exhibit.description, exhibit_table(exhibit), notes)


def _reading(claims: Sequence[Claim], terms: Terms, facts: JsonFields) -> tuple[tuple[str, str], ...]:
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
                else f"Each side is corrected over {terms.over or 'the claims of this run'}: all that were collected together, but "
                "for skipped ones. What was not selected counts with the levels that an earlier run left; without such, and where a "
                "claim could not be weighed, p is 1."
            ),
        ),
        (
            "draws",
            "Where Monte Carlo error left open on which side of a deciding value a level lies, draws went on to 5 and 20 times as "
            "many, each time afresh; after the last of them the level decides as it stands. Such claims say how many were drawn.",
        ),
        (
            "Expectation",
            "What the claim's file declared beforehand. A verdict against expectation is a result, not a fault of the run.",
        ),
    ]
    return tuple(lines)


def _family(claims: Sequence[Claim]) -> int:
    return sum(c.outcome in JUDGED for c in claims)


def _many(value: object) -> int | None:
    if isinstance(value, (list, Mapping)):
        return len(value)
    return int(value) if is_number(value) else None


def _tested(facts: JsonFields, claims: Sequence[Claim], summaries: Sequence[JsonFields]) -> Table:
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
        *_together(tests),
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
    if again := _many(tests.get("other_settings_before")):
        rows.append(("other settings or versions under which some of these claims were weighed before, here", again))
    return Table(("counted", "number"), tuple((a, number(b)) for a, b in rows))


def _together(tests: JsonFields) -> list[tuple[str, int]]:
    """What correction was over; nothing for a run that does not say."""
    size, earlier = _many(tests.get("corrected_over")), _many(tests.get("from_earlier_runs"))
    rows = [] if size is None else [("claims corrected together, weighed or not", size)]
    return rows + ([("of these with the levels that an earlier run left", earlier)] if earlier else [])


def _first(value: int | None, fallback: int) -> int:
    return fallback if value is None else value


def _scope(facts: JsonFields, claims: Sequence[Claim], summaries: Sequence[JsonFields]) -> tuple[tuple[str, str], ...]:
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


def _networks(facts: JsonFields) -> str:
    """Whom the claims are about, in words."""
    if len(facts.get("models") or []) < 2:
        return "this network"
    return f"{_name(facts, 'model')} and, where claims compare models, for these ones"


def _listed(items: Sequence[object], most: int = 12) -> str:
    shown = "; ".join(plain(i) for i in items[:most])
    return f"{shown} and {len(items) - most} more" if len(items) > most else shown
