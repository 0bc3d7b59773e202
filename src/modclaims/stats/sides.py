"""How far the evidence of a claim goes, each way: levels of its cells with what so many draws leave open.

Sides are those of one claim: what supports it, and what refutes it. Which cells must have the effect, and so how their levels are
put together, is the quantifier's (`modclaims.stats.quantifiers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.multiplicity import clopper_pearson
from modclaims.stats.evidence import Evidence

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """How far the evidence of one claim goes, each way."""

    p: float | None
    """Permutation p of the claim over its cells; None where the bounds alone decide."""
    p_plus: float
    p_minus: float
    cell: int
    """The cell that is named: see each quantifier."""
    low: float
    high: float
    """Interval of the named cell's effect at the run's alpha."""
    interval: str
    """In words, what that interval is."""
    mc_p: tuple[float, float] | None
    """Monte Carlo (99 %) interval of p; None where nothing was drawn for it."""
    mc_plus: tuple[float, float]
    mc_minus: tuple[float, float]
    """Monte Carlo (99 %) intervals of the two levels."""
    texts_to_refute: int | None
    texts_to_support: int | None
    """How many texts would decide, were the effect 0, or twice the smallest that matters."""
    draws_to_refute: int | None = None
    draws_to_support: int | None = None
    """How many null objects that would take, where those at hand forbid it however many texts there were."""
    p_cell: float | None = None
    """Permutation p of the named cell itself, adjusted where others were searched with it; None as for `p`."""
    carrying: int | None = None
    """Cells each of which carries the claim by itself, corrected for the search; None where the claim needs several."""
    adjusted: bool = False
    """Whether `p_cell` is corrected for other cells."""


@dataclass(frozen=True)
class Sides:
    """The pieces of both levels, by cell or for some cells together, each with its Monte Carlo limits: (3, cell) arrays.

    Sparse cells (`Bounds.sparse`) and constant ones stand outside bands and maxima and carry nothing: their level is 1.
    Sparse ones refute nothing either; constant ones have an upper bound of their own.
    """

    evidence: Evidence
    cells: NDArray[np.int64]
    """Those that the claim speaks of."""
    smallest: float
    alpha: float

    @cached_property
    def able(self) -> NDArray[np.int64]:
        """Cells that may carry the claim."""
        bounds = self.evidence.bounds
        out = bounds.sparse(self.alpha) | bounds.silent
        return self.cells[~out[self.cells]]

    def p(self, among: NDArray[np.int64]) -> Floats | None:
        """Permutation p of some cells, corrected for these alone (step-down maxT); None where p plays no part."""
        test = self.evidence.test
        if test is None:
            return None
        whole = len(among) == len(self.evidence.cells)
        return _of_test(self.evidence, test.p_adjusted if whole else test.adjusted_among(among))

    @cached_property
    def raw(self) -> Floats | None:
        """Raw permutation p of every cell."""
        return None if self.evidence.test is None else _of_test(self.evidence, self.evidence.test.p[self.cells])

    def together(self, among: NDArray[np.int64]) -> Floats:
        """Levels at which each of some able cells carries the claim, all of them searched and bounded together."""
        band = _of_bounds(self.evidence, self.evidence.bounds.p_lower(self.smallest, among)[among])
        return at_least(self.p(among), band)

    @cached_property
    def alone(self) -> Floats:
        """Levels at which each cell carries the claim by its own p and bound, nothing searched."""
        own = _of_bounds(self.evidence, self.evidence.bounds.p_lower(self.smallest)[self.cells])
        found = at_least(self.raw, own)
        return np.where(np.isin(self.cells, self.able), found, 1.0)

    @cached_property
    def below(self) -> Floats:
        """Levels at which each cell's own upper bound falls below."""
        bounds = self.evidence.bounds
        found = _of_bounds(self.evidence, bounds.p_upper(self.smallest)[self.cells])
        found = np.where(bounds.silent[self.cells], bounds.p_upper(self.smallest)[self.cells], found)
        return np.where(bounds.sparse(self.alpha)[self.cells], 1.0, found)

    def below_together(self, among: NDArray[np.int64]) -> Floats:
        """Levels at which the upper bound of each of some cells falls below, all of them bounded together.

        Constant cells have no resample to join a band: where some do, each kind of cell has half of the level.
        """
        bounds, levels = self.evidence.bounds, np.ones((3, len(among)))
        silent, able = bounds.silent[among], np.isin(among, self.able)
        halves = 2.0 if silent.any() and able.any() else 1.0
        if able.any():
            band = bounds.p_upper(self.smallest, among[able])[among[able]]
            levels[:, able] = np.minimum(1.0, halves * _of_bounds(self.evidence, band))
        if silent.any():
            own = bounds.p_upper(self.smallest, among[silent])[among[silent]]
            levels[:, silent] = np.minimum(1.0, halves * own)
        return levels

    def upper(self, cell: int, among: NDArray[np.int64]) -> float:
        """The upper limit of one of some cells, all of them bounded together as in `below_together`."""
        bounds = self.evidence.bounds
        silent, able = among[bounds.silent[among]], among[np.isin(among, self.able)]
        level = self.alpha / 2 if len(silent) and len(able) else self.alpha
        mine = silent if cell in silent else able
        return float(bounds.upper(level, np.sort(mine))[cell]) if cell in mine else float("nan")

    def largest(self, among: NDArray[np.int64]) -> int:
        """The cell of the largest effect among some; one whose effect is not known comes last."""
        return int(among[np.argmax(np.nan_to_num(self.evidence.bounds.effect[among], nan=-np.inf))])

    def least(self, among: NDArray[np.int64]) -> int:
        """The cell of the smallest effect among some; one whose effect is not known comes last."""
        return int(among[np.argmin(np.nan_to_num(self.evidence.bounds.effect[among], nan=np.inf))])


def _counted(levels: Floats, draws: int, factor: float) -> Floats:
    """(3, cell) levels that are `factor` x a share of draws, between the limits (99 %) that so many draws leave them.

    The levels themselves three times where nothing was drawn. What is done to levels is done to their limits as well:
    both only rise with a level, so that a smaller p never turns a sure outcome into an unsure one.
    """
    if draws == 0:
        return np.stack([levels] * 3)
    count = np.clip(np.rint(levels / factor * (draws + 1)) - 1, 0, draws)
    low, high = clopper_pearson(count, draws)
    return np.stack([np.minimum(1.0, factor * low), levels, np.minimum(1.0, factor * high)])


def _of_test(evidence: Evidence, p: Floats | None) -> Floats | None:
    """(3, cell) permutation p between their limits; None where p plays no part."""
    if p is None or evidence.test is None:
        return None
    test = evidence.test
    return _counted(p, 0 if test.exact else test.arrangements - 1, test.factor)


def _of_bounds(evidence: Evidence, levels: Floats) -> Floats:
    """(3, cell) levels of bounds between their limits, as if resamples alone had set them."""
    draws = len(evidence.bounds.t) if evidence.bounds.drawn else 0
    return _counted(levels, draws, evidence.bounds.factor)


def between(level: Floats) -> tuple[float, float]:
    return float(level[0]), float(level[2])


def drawn_between(evidence: Evidence, level: Floats | None) -> tuple[float, float] | None:
    """The limits of the claim's permutation p; None where arrangements were enumerated or p is not used."""
    if level is None or evidence.test is None or evidence.test.exact:
        return None
    return between(level)


def at_least(p: Floats | None, bound: Floats) -> Floats:
    return bound if p is None else np.maximum(p, bound)
