"""Weighed: what one claim's evidence says before the other claims of a run are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.hypothesis import Hypothesis
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.end_of_scale import EndLaw
from modclaims.stats.evidence import Evidence


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
