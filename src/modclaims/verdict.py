"""Outcome and Verdict: what the evidence of each claim amounts to, once all claims of a run stand beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.claim_set import ClaimSet
from modclaims.decimals import decimals_of_effect, level_words, rounded
from modclaims.hypothesis import Hypothesis
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.end_of_scale import EndLaw
from modclaims.stats.chance.multiplicity import Correction, at_most
from modclaims.stats.evidence import Cell, Evidence


class Outcome(Enum):
    """How a claim ended; each with its sentence."""

    SUPPORTED = ("supported", "the effect exceeds the smallest that matters, more than chance explains")
    REFUTED = ("refuted", "the effect lies below the smallest that matters")
    INCONCLUSIVE = ("inconclusive", "these texts settle it neither way")
    ERROR = ("error", "the claim could not be weighed")
    SKIPPED = ("skipped", "the corpus lacks a column, the run the models, or the network a part, that the claim needs")

    def __init__(self, word: str, sentence: str) -> None:
        self.word, self.sentence = word, sentence


@dataclass(frozen=True)
class Weighed:
    """What one claim's evidence says before the other claims are known; survives a kill as JSON."""

    effect: float
    effect_name: str
    effect_low: float
    effect_high: float
    interval: str
    smallest_effect: float
    expect: str
    observed: float | None
    """The permutation statistic at the named cell."""
    p: float | None
    p_interval: tuple[float, float] | None
    """Clopper-Pearson interval (99 %) of p where arrangements were drawn."""
    p_plus: float
    p_minus: float
    mc_plus: tuple[float, float]
    mc_minus: tuple[float, float]
    bounded: bool
    best: Mapping[str, int | None]
    best_words: str
    draws: int
    exact: bool
    smallest_attainable_p: float
    bound_floor: float
    """The smallest level that the resamples attain."""
    statistic: str
    action: str
    holds: str
    n_texts: int
    n_units: int
    unit: str
    n_cells: int
    location: bool | None
    texts_to_refute: int | None
    texts_to_support: int | None
    degenerate: Sequence[str] = ()
    warnings: Sequence[str] = ()
    controls: Sequence[Mapping[str, Any]] = ()
    secondary: Sequence[Mapping[str, Any]] = ()
    note: str = ""
    detail: str = ""
    cells: Sequence[Mapping[str, Any]] = ()
    """Rows for cells.csv, without claim and model."""
    intersection: Mapping[str, float] = field(default_factory=dict)
    """p of "no effect in any cell" by three combinations; empty where there is none."""
    p_cell: float | None = None
    """p of the named cell itself, adjusted where others were searched with it; None as for `p`."""
    carrying: int | None = None
    """Cells each of which carries the claim by itself; None where it needs several."""
    adjusted: bool = False
    """Whether `p_cell` is corrected for other cells."""
    constant: int = 0
    """How many of the claim's cells are constant: nothing varies there."""
    perfect: tuple[float, float] | None = None
    """The smallest levels at which a perfect sample supports, and refutes; None where no law says so."""
    splits: int = 0
    """Splits of the texts that the effect is the median of, and interval and levels are merged from; 0 for none."""
    undecided: str = ""
    """Why nothing can be settled by design, whatever the numbers; empty where it can."""
    resamples: int = 0
    """Resamples behind the bounds; 0 where a law gives them."""
    draws_to_refute: int | None = None
    draws_to_support: int | None = None
    """Null objects that it would take, in all, where those at hand forbid it however many texts there are."""
    null_objects: int = 0
    """Null objects that were resampled beside texts, of which more texts say nothing; 0 for none ..."""
    null_words: str = ""
    """... and what they are."""
    checkpoint: int = 0
    """How often draws went on, since fewer left a level too close to where it would decide."""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> Weighed:
        """The inverse of `as_dict`; a number that was not finite comes back as NaN."""
        values = dict(body)
        for name in ("effect", "effect_low", "effect_high"):
            values[name] = float("nan") if values[name] is None else values[name]
        for name in ("mc_plus", "mc_minus"):
            values[name] = tuple(values[name])
        values["perfect"] = None if values.get("perfect") is None else tuple(values["perfect"])
        values["p_interval"] = None if values["p_interval"] is None else tuple(values["p_interval"])
        return cls(**values)


@dataclass(frozen=True)
class Verdict:
    """How one claim ended among the others."""

    outcome: Outcome
    as_expected: bool | None
    p_plus_adjusted: float | None = None
    p_minus_adjusted: float | None = None
    sentence: str = ""
    """The result in words."""
    reason: str = ""
    """Why it is inconclusive, in a few words."""
    message: str = ""
    """Why it is inconclusive, an error or skipped."""
    warnings: tuple[str, ...] = field(default=())


def summarise(claim: Hypothesis, evidence: Evidence, alpha: float, claims: int = 1) -> Weighed:
    """Read both levels, the named cell and its interval off the evidence. Raises `ClaimError` for cells it lacks."""
    levels = claim.holds.levels(evidence, claim.smallest_effect, alpha, claims)
    bounds, test, cell = evidence.bounds, evidence.test, evidence.cells[levels.cell]
    chosen = claim.holds.chosen(evidence.cells)
    effect = float(bounds.effect[levels.cell])
    if test is not None:
        exact, draws = test.exact, test.arrangements if test.exact else test.arrangements - 1
        floor = test.floor
    else:
        exact, draws = False, len(bounds.t)
        floor = _least_bound(claim, bounds, chosen)
    if evidence.undecided:
        levels = replace(levels, p_plus=1.0, p_minus=1.0, mc_plus=(1.0, 1.0), mc_minus=(1.0, 1.0))
    return Weighed(
        effect=effect,
        effect_name=evidence.effect_name,
        effect_low=levels.low,
        effect_high=levels.high,
        interval=levels.interval,
        smallest_effect=float(claim.smallest_effect),
        expect=claim.expect,
        observed=None if test is None else float(test.observed[levels.cell]),
        p=levels.p,
        p_interval=levels.mc_p,
        p_cell=levels.p_cell,
        carrying=levels.carrying,
        adjusted=levels.adjusted,
        constant=int(bounds.silent[chosen].sum()),
        perfect=_perfect(claim, bounds, chosen),
        p_plus=levels.p_plus,
        p_minus=levels.p_minus,
        mc_plus=levels.mc_plus,
        mc_minus=levels.mc_minus,
        bounded=bool(bounds.bounded[levels.cell]),
        best={"layer": cell.layer, "head": cell.head, "axis": cell.axis}
        | ({} if cell.last_layer is None else {"last_layer": cell.last_layer}),
        best_words=str(cell),
        draws=draws,
        exact=exact,
        smallest_attainable_p=floor,
        bound_floor=_bound_floor(bounds, chosen),
        statistic=test.statistic if test is not None else "bootstrap-t bound",
        action=test.action if test is not None else f"resampling {evidence.resampled}",
        holds=claim.holds.words,
        n_texts=evidence.n_texts,
        n_units=evidence.n_units or evidence.n_texts,
        unit=evidence.unit,
        n_cells=len(chosen),
        intersection=dict(test.intersection) if test is not None else {},
        splits=bounds.splits,
        undecided=evidence.undecided,
        location=evidence.location,
        texts_to_refute=levels.texts_to_refute,
        texts_to_support=levels.texts_to_support,
        degenerate=[str(evidence.cells[c]) for c in evidence.degenerate],
        warnings=[*evidence.warnings, *_sparse(claim, evidence, alpha)],
        controls=[{"name": c.name, "sentence": c.sentence, "numbers": dict(c.numbers)} for c in evidence.controls],
        secondary=[{"name": name, "value": float(values[levels.cell])} for name, values in evidence.secondary.items()],
        note=evidence.note,
        detail=evidence.detail,
        cells=_rows(claim, evidence, alpha),
        resamples=len(bounds.t) if bounds.drawn else 0,
        draws_to_refute=levels.draws_to_refute,
        draws_to_support=levels.draws_to_support,
        null_objects=bounds.null_objects,
        null_words=evidence.resampled.rpartition(" and ")[2] if bounds.null_objects else "",
    )


def _sparse(claim: Hypothesis, evidence: Evidence, alpha: float) -> list[str]:
    """The warning where few units differ in some cells, of which so many resamples hold none."""
    chosen = claim.holds.chosen(evidence.cells)
    count = int(evidence.bounds.sparse(alpha)[chosen].sum())
    if not count:
        return []
    factor = evidence.bounds.factor
    return [
        f"{count:,} of {len(chosen):,} cells are sparse: effect or spread is undefined in more than {100 * alpha / 2 / factor:g} % of the "
        f"resamples{' of most splits' if evidence.bounds.splits else ''}. "
        "They stand outside the search, carry nothing, and refute nothing."
    ]


def _bound_floor(bounds: Bounds, cells: NDArray[np.int64]) -> float:
    """The smallest level that the resamples attain in any of these cells: those that leave an effect or its spread
    undefined, as where one text is drawn throughout, count against every bound."""
    if bounds.end is not None:  # a law, which is not counted among resamples
        return 0.0
    return _spent(bounds, cells)


def _spent(bounds: Bounds, cells: NDArray[np.int64]) -> float:
    """The same of resamples alone."""
    spent = float(bounds.undefined[cells].min()) * len(bounds.t)
    return min(1.0, bounds.factor * (1 + spent) / (len(bounds.t) + 1))


def _least_bound(claim: Hypothesis, bounds: Bounds, cells: NDArray[np.int64]) -> float:
    """The smallest level at which bounds of these cells support or refute a claim, whatever the data."""
    if bounds.end is None:
        return _bound_floor(bounds, cells)
    drawn = _spent(bounds, cells)
    return min(
        bounds.end.least(float(claim.smallest_effect), drawn, times)[side]
        for side, times in enumerate(claim.holds.together(len(cells)))
    )


def _perfect(claim: Hypothesis, bounds: Bounds, cells: NDArray[np.int64]) -> tuple[float, float] | None:
    """The smallest levels that support and refute where a law caps bounds."""
    if not isinstance(bounds.end, EndLaw) or not bounds.end.capped:
        return None
    up, down = claim.holds.together(len(cells))
    law, smallest = bounds.end, float(claim.smallest_effect)
    return law.least(smallest, 0.0, up)[0], law.least(smallest, 0.0, down)[1]


def _rows(claim: Hypothesis, evidence: Evidence, alpha: float) -> list[dict[str, Any]]:
    """One row a tested cell, then one a category and listed cell."""
    bounds, test = evidence.bounds, evidence.test
    effect, low, high = bounds.effect, bounds.lower(alpha), bounds.upper(alpha)
    cells = claim.holds.chosen(evidence.cells)
    chosen = set(cells.tolist())
    adjusted: dict[int, float] = {}
    if test is not None:  # corrected over the cells that the claim speaks of, and blank elsewhere
        able = cells[~(bounds.sparse(alpha) | bounds.silent)[cells]]
        adjusted = dict.fromkeys(cells.tolist(), 1.0)
        adjusted |= dict(zip(able.tolist(), test.adjusted_among(able).tolist(), strict=True)) if len(able) else {}
    site = getattr(claim, "site", "")
    rows, degenerate, sparse = [], set(evidence.degenerate), bounds.sparse(alpha)
    for i, cell in enumerate(evidence.cells):
        status = "degenerate" if i in degenerate else "sparse" if sparse[i] else "tested" if i in chosen else "shown"
        rows.append(
            {
                "site": site,
                "layer": cell.layer,
                "last_layer": cell.last_layer,
                "head": cell.head,
                "axis": cell.axis,
                "category": cell.category,
                "statistic": evidence.effect_name
                + ("" if cell.size is None else f", {cell.size} units")
                + ("" if cell.depth is None else f" at {cell}"),
                "effect": float(effect[i]),
                "effect_low": float(low[i]),
                "effect_high": float(high[i]),
                "p": None if test is None else float(test.p[i]),
                "p_adjusted": adjusted.get(i),
                "status": status,
            }
        )
    for row in evidence.categories:
        cell = evidence.cells[row.cell]
        for statistic, value in (("hedges_g", row.hedges_g), ("superiority", row.superiority)):
            rows.append(
                {
                    "site": site,
                    "layer": cell.layer,
                    "head": cell.head,
                    "axis": cell.axis,
                    "category": row.category,
                    "statistic": statistic,
                    "effect": value,
                    "status": "secondary",
                }
            )
    return rows


def judge(
    weighed: Mapping[str, Weighed], *, alpha: float, correction: Correction, together: ClaimSet | None = None
) -> dict[str, Verdict]:
    """Correct over claims on each side apart, and read every outcome; `together` are those weighed unless it is given.

    SUPPORTED where p+ after correction is at most alpha, REFUTED where p- after correction is (three-sided testing:
    Goeman, Solari & Stijnen 2010). A level that was drawn decides as it stands: whoever weighs goes on drawing while its
    Monte Carlo error leaves open on which side it lies (`stats.checkpoints`). A smaller level never undoes an outcome.
    """
    names = list(weighed)
    together = together or ClaimSet(len(names))
    plus = together.corrected([weighed[n].p_plus for n in names], lambda kept: kept.p_plus, correction)
    minus = together.corrected([weighed[n].p_minus for n in names], lambda kept: kept.p_minus, correction)
    verdicts = {}
    for i, name in enumerate(names):
        outcome = Outcome.INCONCLUSIVE
        if at_most(plus[i], alpha):
            outcome = Outcome.SUPPORTED
        elif at_most(minus[i], alpha):
            outcome = Outcome.REFUTED
        verdicts[name] = _verdict(weighed[name], outcome, plus[i], minus[i], alpha, _Corrected(together, len(names)))
    return verdicts


@dataclass(frozen=True)
class _Corrected:
    """What levels were corrected over."""

    together: ClaimSet
    weighed: int

    def words(self) -> str:
        """What stands after "over"."""
        if self.weighed == self.together.size:
            return f"the {self.weighed} claims of this run"
        return f"{self.together.words(self.weighed)},"

    def advice(self) -> str:
        """What would help, where others of the set may still be weighed."""
        if self.weighed + len(self.together.kept) == self.together.size:
            return ""
        return " What is not weighed, or could not be, counts as p = 1; weighed beside it, the others might settle it."


def _verdict(w: Weighed, outcome: Outcome, plus: float, minus: float, alpha: float, over: _Corrected) -> Verdict:
    reason, message = ("", "") if outcome is not Outcome.INCONCLUSIVE else _why(w, plus, minus, alpha, over)
    sentence, reason, message = (_of_unit(words, w) for words in (_sentence(w, outcome), reason, message))
    return Verdict(outcome, outcome.word == w.expect, plus, minus, sentence, reason, message, tuple(w.warnings))


def _of_unit(words: str, w: Weighed) -> str:
    """The same words where no text was read, but random tokens in sequences."""
    return words.replace("texts", "sequences") if w.unit == "sequence" else words


def _why(w: Weighed, plus: float, minus: float, alpha: float, over: _Corrected) -> tuple[str, str]:
    """Why nothing is settled: in a few words, and in sentences."""
    if w.undecided:
        return w.undecided.split(":")[0], w.undecided
    if not w.bounded and w.unit == "model":
        return "no bound where models do not vary", (
            "No bound: the models' effects lie on one line, or are all the same, so they say nothing of how others would vary."
        )
    if not w.bounded and w.n_texts == 0:
        return "no bound where null objects do not vary", (
            "No bound: the null objects all have one value, or the effect stands at the end of its scale, so the draws say nothing of it."
        )
    if not w.bounded and w.constant:
        return "no bound where nothing varies", (
            "Nothing varies there, which carries no claim; that so many texts agree does not yet refute it. More texts would."
        )
    if not w.bounded:
        return "no bound where nothing varies", (
            "No bound: the effect stands at the end of its scale or does not vary between texts, so the bootstrap says "
            "nothing of it. More texts would."
        )
    if w.bound_floor > alpha and w.n_texts:
        return "so few texts settle nothing", (
            f"So few {w.unit}s settle nothing, whatever the effect: in {50 * w.bound_floor if w.splits else 100 * w.bound_floor:.0f} % of the resamples it, or its spread, is "
            f"not defined, as where one {w.unit} of a category is drawn throughout, and these count against any bound. More "
            f"{w.unit}s of the smallest category would help."
        )
    if w.perfect is not None and min(w.perfect) > alpha:
        return "so few texts settle nothing", (
            f"So few {w.unit}s settle nothing, whatever the effect: a perfect sample of so many supports at {_p(w.perfect[0])}, and "
            f"refutes at {_p(w.perfect[1])}."
        )
    floor, claims = max(w.smallest_attainable_p, w.bound_floor), over.together.size
    known = ""
    if not at_most(floor * claims, alpha):
        known = f" With {claims} claims the smallest level that this design and these draws attain, {_p(floor)}, cannot pass."
    if at_most(min(w.p_plus, w.p_minus), alpha):
        side, raw, after = ("supported", w.p_plus, plus) if w.p_plus < w.p_minus else ("refuted", w.p_minus, minus)
        return f"lost to correction over {claims} claims", (
            f"Alone it would be {side} ({_p(raw)}); corrected over {over.words()} it is not ({_p(after)}).{over.advice()}{known}"
        )
    if w.n_texts == 0:
        return "more null objects would decide", (
            f"No text takes part: the effect lies within the Monte Carlo error of the {w.n_units:,} null objects from the smallest that "
            f"matters, or too many of them are as extreme. More of them (draws = ...) would tell which.{known}"
        )
    if w.unit == "model":
        return "more models would decide", (
            f"The models are the units here, and {w.n_units} of them settle nothing. More of them (--beside) may; more texts "
            f"only tell each model's effect better.{known}"
        )
    refute, support = (
        _Taking(w, w.texts_to_refute, w.draws_to_refute),
        _Taking(w, w.texts_to_support, w.draws_to_support),
    )
    if refute.is_there and support.is_there:
        return "too close to the smallest effect to call", (
            f"The effect lies too close to the smallest that matters ({w.smallest_effect:g}) to call: these {w.n_texts} texts would "
            "have settled an effect of 0, or of twice that."
        )
    return _brief(refute, support, w.smallest_effect), (
        f"{_capital(refute.would('refute it'))} were the effect 0; {support.would('support it')} were it twice the smallest that "
        f"matters (before correction over claims).{known}"
    )


@dataclass(frozen=True)
class _Taking:
    """What one outcome would take: texts, null objects or both; neither where that cannot be said."""

    w: Weighed
    texts: int | None
    draws: int | None

    @property
    def is_known(self) -> bool:
        return self.texts is not None or self.draws is not None

    @property
    def is_there(self) -> bool:
        """Whether these texts and null objects are enough."""
        return self.draws is None and self.texts is not None and self.texts <= self.w.n_texts

    def with_(self, other: _Taking) -> _Taking:
        """What takes care of both."""
        texts = [n for n in (self.texts, other.texts) if n is not None]
        draws = [n for n in (self.draws, other.draws) if n is not None]
        if len(texts) == 1 and draws:  # the other one keeps its texts
            texts.append(self.w.n_texts)
        return _Taking(self.w, max(texts, default=None), max(draws, default=None))

    def __str__(self) -> str:
        counts = [] if self.texts is None else [f"about {self.texts:,} texts"]
        if self.draws is not None:
            counts.append(f"about {self.draws:,} {self.w.null_words}")
        return " and ".join(counts)

    def would(self, do: str) -> str:
        """Such as `about 603 texts would refute it`; and by which constant null objects become more."""
        if not self.is_known:
            return f"it cannot be said how many texts would {do}"
        if self.draws is None:
            return f"{self} would {do}"
        told = f"{self.draws - self.w.null_objects:,} more than now"
        constant = CONSTANTS.get(self.w.null_words)
        told += f", {constant} = {self.draws}" if constant else ""
        alone = "; no number of texts alone would" if self.texts is None else ""
        return f"{self} ({told}{alone}) would {do}"


CONSTANTS = {"matched sets": "sets", "null objects": "draws", "rotations": "draws"}
"""The constant of a claim that says how many null objects of a kind there are."""


def _brief(refute: _Taking, support: _Taking, smallest: float) -> str:
    """What would decide in a few words, and for which effects that is said."""
    if refute.is_known and support.is_known:
        return f"{refute.with_(support)} would decide, were the effect 0 or twice {smallest:g}"
    if refute.is_known:
        return f"{refute} would refute an effect of 0"
    if support.is_known:
        return f"{support} would support twice {smallest:g}"
    return "more texts may decide"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _p(value: float) -> str:
    return level_words(value)


def _of_models(outcome: Outcome, w: Weighed) -> str:
    """An outcome's sentence where texts take part, and perhaps models are the units."""
    return (
        outcome.sentence.replace("these texts settle", "these models settle") if w.unit == "model" else outcome.sentence
    )


def _of_weights(outcome: Outcome) -> str:
    """An outcome's sentence where no text takes part."""
    return outcome.sentence.replace("these texts settle", "these null objects settle")


def _among_carrying(carrying: int, cells: int) -> str:
    """How many cells carry a claim that one of them is named for."""
    if carrying == 1:
        return f", the only one of {cells:,} cells that carries the claim"
    return f", the largest effect of the {carrying:,} cells of {cells:,} that carry the claim"


def _drawn(w: Weighed) -> str:
    """What was drawn at the last checkpoint, in words."""
    kinds = [f"{w.resamples:,} resamples"] if w.resamples else []
    if w.p is not None:
        kinds.insert(0, f"all {w.draws:,} arrangements" if w.exact else f"{w.draws:,} arrangements")
    return " and ".join(kinds)


def _sentence(w: Weighed, outcome: Outcome) -> str:
    """The result in words, with the numbers that decided it."""
    how = f"exact, N = {w.draws:,}" if w.exact else f"{w.draws:,} draws"
    where = f" at {w.best_words}" if w.best_words != str(Cell()) and w.n_cells > 1 else ""
    if where and outcome is Outcome.SUPPORTED and w.carrying:
        where += _among_carrying(w.carrying, w.n_cells)
    if w.splits:
        where += f", the median of {w.splits} splits"
    decimals = decimals_of_effect(w.smallest_effect, w.effect_low, w.effect_high)
    first = f"{w.action[:1].upper()}{w.action[1:]} ({how}) gave {w.effect_name} = {rounded(w.effect, decimals)}{where}"
    if np.isfinite(w.effect_low) or np.isfinite(w.effect_high):
        first += f", {w.interval.split(',')[0].split(':')[0]} [{rounded(w.effect_low, decimals)}, {rounded(w.effect_high, decimals)}]"
    if w.p is not None:
        here = w.p if w.p_cell is None else w.p_cell
        word = "adjusted p" if w.adjusted else "p"
        first += f", {word} = {_p(here)}"
        if w.n_cells > 1 and _p(w.p) != _p(here):
            first += f"; the claim's own p = {_p(w.p)}"
    parts = [first + "."]
    said = _of_models(outcome, w) if w.n_texts else f"{_of_weights(outcome)}, in this network"
    if w.checkpoint:
        parts.append(f"Fewer draws had left its level too close to a deciding value; they went on to {_drawn(w)}.")
    parts.append(f"The claim ({w.holds}; smallest effect that matters {w.smallest_effect:g}): {said}.")
    if outcome is Outcome.SUPPORTED and w.location is not None:
        parts.append(
            "The categories differ in location (F2 agrees)."
            if w.location
            else "The categories differ, possibly only in spread."
        )
    if outcome is Outcome.REFUTED and w.constant:
        parts.append(
            f"In {w.constant:,} of {w.n_cells:,} cells nothing varies." if w.n_cells > 1 else "Nothing varies there."
        )
    if w.detail:
        parts.append(w.detail)
    if "shared words" in w.statistic:
        parts.append("This is beyond these proxies of shared words, not beyond every proxy.")
    return " ".join(parts)
