"""TestSummary: what one claim's evidence says before the other claims of a run are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.entries import LATER, JsonFields, JsonObject
from modclaims.hypothesis import Hypothesis
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.evidence import Cell, Control, Evidence

ALWAYS_NAMED = ("layer", "head", "axis")
"""What of a place is told even where it is None."""


@dataclass(frozen=True)
class Secondary:
    """A further statistic of the named cell, which decides nothing."""

    name: str
    value: float


@dataclass(frozen=True, kw_only=True)
class CellRow:
    """What cells.csv says of one cell: a row per cell that was tested or shown, then rows of single categories."""

    site: str
    layer: int | None = None
    last_layer: int | None = None
    head: int | None = None
    axis: int | None = None
    category: str | None = None
    size: int | None = None
    """Units of a module that is claimed about."""
    depth: float | None = None
    """Relative depth, where models are compared."""
    statistic: str
    """What `effect` is."""
    effect: float | None
    effect_low: float | None = None
    """Lower bound at the run's alpha, of this cell alone."""
    effect_high: float | None = None
    p: float | None = None
    """Permutation p of this cell alone."""
    p_adjusted: float | None = None
    """The same, corrected over the cells that the claim speaks of; None for other cells."""
    status: Literal["tested", "shown", "sparse", "degenerate", "secondary"]
    """`shown` where the claim does not speak of the cell, `secondary` for a single category."""


@dataclass(frozen=True, kw_only=True)
class ClaimNumbers:
    """What run.json says of a claim that was weighed; its fields are null, or empty lists, where it was not."""

    effect: float
    """Of the named cell; the median over splits where cells are splits."""
    effect_name: str
    effect_low: float
    effect_high: float
    interval: str
    """Which interval effect_low and effect_high make."""
    smallest_effect: float
    """The smallest effect that matters, as the claim declares it."""
    p: float | None
    """Permutation p over the claim's cells; null where the bounds alone decide."""
    p_cell: float | None = None
    """Permutation p of the named cell itself, adjusted where others were searched with it; null as for `p`."""
    carrying: int | None = None
    """Cells each of which carries the claim by itself; null where the claim needs several."""
    p_plus: float
    """Smallest level at which the claim is supported, before correction over claims."""
    p_minus: float
    """Smallest level at which it is refuted, before correction over claims."""
    draws: int
    """Arrangements enumerated, or draws after the observed one."""
    resamples: Annotated[int, LATER] = 0
    """Resamples behind the bounds; 0 where a law gives them."""
    checkpoint: Annotated[int, LATER] = 0
    """How often draws went on, since fewer left a level too close to where it would decide: 0 where what was asked for was
    drawn, 1 or 2 where draws went on to 5 or 20 times that."""
    exact: bool
    """Whether every arrangement was enumerated."""
    smallest_attainable_p: float
    statistic: str
    """What chance moved, or how the bound was found."""
    action: str
    """What chance did, in words."""
    holds: str
    """How the claim quantifies over its cells, in words."""
    n_texts: int
    """Texts that were read; 0 where weights alone speak."""
    n_units: int
    """What was relabelled and resampled, counted ..."""
    unit: str
    """... and in words."""
    n_cells: int
    """Cells that the claim speaks of."""
    splits: Annotated[int, LATER] = 0
    """Splits of the texts in halves that the effect is the median of, and interval and levels are merged from; 0 for none."""
    intersection: Annotated[Mapping[str, float], LATER] = field(default_factory=dict)
    """p of the hypothesis that no cell has an effect, by Fisher's, Tippett's and Stouffer's combinations; empty where there
    is none."""
    best: Annotated[Mapping[str, int | float | str | None], Cell, {"required": list(ALWAYS_NAMED)}]
    """The named cell; of what else a cell may have, that which it has."""
    best_words: str
    """The named cell, in words."""
    controls: Sequence[Annotated[JsonFields, Control]] = ()
    """Rival explanations, weighed."""
    secondary: Sequence[Annotated[JsonFields, Secondary]] = ()
    degenerate: Sequence[str] = ()
    """Cells that could not be tested."""
    location: bool | None
    """Whether the difference may be called one of location; null where the question does not arise."""
    texts_to_refute: int | None
    """Texts that would refute an effect of 0, before correction over claims; null where that cannot be said."""
    texts_to_support: int | None
    """Texts that would support an effect of twice the smallest that matters."""
    draws_to_refute: Annotated[int | None, LATER] = None
    """Null objects that it would take, in all, where those at hand forbid it however many texts there are."""
    draws_to_support: Annotated[int | None, LATER] = None
    note: str = ""
    """What was looked at, in words."""


@dataclass(frozen=True, kw_only=True)
class TestSummary(ClaimNumbers):
    """What one claim's evidence says before the other claims are known; survives a kill as JSON."""

    __test__: ClassVar[bool] = False

    expect: str
    observed: float | None
    """The permutation statistic at the named cell."""
    p_interval: tuple[float, float] | None
    """Clopper-Pearson interval (99 %) of p where arrangements were drawn."""
    mc_plus: tuple[float, float]
    """Monte Carlo interval (99 %) of p_plus."""
    mc_minus: tuple[float, float]
    bounded: bool
    """Whether the named cell has a bound."""
    bound_floor: float
    """The smallest level that the resamples attain."""
    warnings: Sequence[str] = ()
    detail: str = ""
    cells: Sequence[CellRow] = ()
    adjusted: bool = False
    """Whether `p_cell` is corrected for other cells."""
    constant: int = 0
    """How many of the claim's cells are constant: nothing varies there."""
    perfect: tuple[float, float] | None = None
    """The smallest levels at which a perfect sample supports, and refutes; None where no law says so."""
    undecided: str = ""
    """Why nothing can be settled by design, whatever the numbers; empty where it can."""
    null_objects: int = 0
    """Null objects that were resampled beside texts, of which more texts say nothing; 0 for none ..."""
    null_words: str = ""
    """... and what they are."""

    def as_dict(self) -> JsonObject:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, body: JsonFields) -> TestSummary:
        """The inverse of `as_dict`; a number that was not finite comes back as NaN, in rows of cells as None."""
        values = dict(body)
        for name in ("effect", "effect_low", "effect_high"):
            values[name] = float("nan") if values[name] is None else values[name]
        for name in ("mc_plus", "mc_minus"):
            values[name] = tuple(values[name])
        values["perfect"] = None if values.get("perfect") is None else tuple(values["perfect"])
        values["p_interval"] = None if values["p_interval"] is None else tuple(values["p_interval"])
        values["cells"] = [CellRow(**row) for row in values["cells"]]
        return cls(**values)


@dataclass(frozen=True)
class _Chance:
    """What chance was asked: of arrangements, or of resamples where the bounds alone decide."""

    statistic: str
    action: str
    exact: bool
    draws: int
    floor: float
    """The smallest level that so many attain."""

    @classmethod
    def of(cls, claim: Hypothesis, evidence: Evidence, chosen: NDArray[np.int64]) -> _Chance:
        test, bounds = evidence.test, evidence.bounds
        if test is None:
            floor = min(bounds.least(float(claim.smallest_effect), chosen, claim.holds.together(len(chosen))))
            action = (
                f"resampling {evidence.resampled}" if bounds.drawn else f"taking the median over {evidence.resampled}"
            )
            return cls(bounds.told_by, action, not bounds.drawn, len(bounds.t), floor)
        draws = test.arrangements if test.exact else test.arrangements - 1
        return cls(test.statistic, test.action, test.exact, draws, test.floor)


def summarise(claim: Hypothesis, evidence: Evidence, alpha: float, claims: int = 1) -> TestSummary:
    """Read both levels, the named cell and its interval off the evidence. Raises `ClaimError` for cells it lacks."""
    levels = claim.holds.levels(evidence, claim.smallest_effect, alpha, claims)
    bounds, test, cell = evidence.bounds, evidence.test, evidence.cells[levels.cell]
    chosen = claim.holds.chosen(evidence.cells)
    chance = _Chance.of(claim, evidence, chosen)
    if evidence.undecided:
        levels = replace(levels, p_plus=1.0, p_minus=1.0, mc_plus=(1.0, 1.0), mc_minus=(1.0, 1.0))
    return TestSummary(
        effect=float(bounds.effect[levels.cell]),
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
        best=place_of(cell),
        best_words=str(cell),
        draws=chance.draws,
        exact=chance.exact,
        smallest_attainable_p=chance.floor,
        bound_floor=bounds.floor(chosen),
        statistic=chance.statistic,
        action=chance.action,
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
        secondary=[asdict(Secondary(name, float(v[levels.cell]))) for name, v in evidence.secondary.items()],
        note=evidence.note,
        detail=evidence.detail,
        cells=_rows(claim, evidence, alpha),
        resamples=len(bounds.t) if bounds.drawn else 0,
        draws_to_refute=levels.draws_to_refute,
        draws_to_support=levels.draws_to_support,
        null_objects=bounds.null_objects,
        null_words=evidence.resampled.rpartition(" and ")[2] if bounds.null_objects else "",
    )


def place_of(cell: Cell) -> dict[str, int | float | str | None]:
    """A cell by what it has of layer, head, axis, size and the like; layer, head and axis stand there even if it has none."""
    return {name: value for name, value in asdict(cell).items() if value is not None or name in ALWAYS_NAMED}


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


def _perfect(claim: Hypothesis, bounds: Bounds, cells: NDArray[np.int64]) -> tuple[float, float] | None:
    """The smallest levels that support and refute where a law caps bounds."""
    if not bounds.capped:
        return None
    return bounds.least(float(claim.smallest_effect), cells, claim.holds.together(len(cells)))


def _rows(claim: Hypothesis, evidence: Evidence, alpha: float) -> list[CellRow]:
    """One row a tested cell, then one per category and listed cell."""
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
    degenerate, sparse = set(evidence.degenerate), bounds.sparse(alpha)
    rows = [
        CellRow(
            site=site,
            layer=cell.layer,
            last_layer=cell.last_layer,
            head=cell.head,
            axis=cell.axis,
            category=cell.category,
            size=cell.size,
            depth=cell.depth,
            statistic=evidence.effect_name,
            effect=float(effect[i]),
            effect_low=float(low[i]),
            effect_high=float(high[i]),
            p=None if test is None else float(test.p[i]),
            p_adjusted=adjusted.get(i),
            status="degenerate" if i in degenerate else "sparse" if sparse[i] else "tested" if i in chosen else "shown",
        )
        for i, cell in enumerate(evidence.cells)
    ]
    for row in evidence.categories:
        cell = evidence.cells[row.cell]
        place = {"layer": cell.layer, "head": cell.head, "axis": cell.axis}
        rows += [
            CellRow(site=site, **place, category=row.category, statistic=name, effect=value, status="secondary")
            for name, value in (("hedges_g", row.hedges_g), ("superiority", row.superiority))
        ]
    return rows


Weighed = TestSummary
"""What `TestSummary` was called; goes with the next release but one."""
