"""Bounds of a median by order statistics: exact under any law, for as few units as costly measurements allow.

A mean of a dozen numbers has no such bounds: one unit in ten of another kind may move it by more than all the others vary, and
is missing from a dozen in three samples of ten. A median asks what is typical, and units that are rarer than half cannot
undo that; where all agree, so many agree.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.second_bounds import first_enough

Floats = NDArray[np.float64]
POWER = 0.8
"""How often as many texts as are said to decide do so."""


def medians(
    values: Floats, ends: tuple[float, float] = (-np.inf, np.inf), *, texts: int | None = None
) -> TypicalBounds:
    """Median over units of (unit, cell) values, with bounds that order statistics give.

    Exchangeable: nothing; units are independent and of one law. No value lies beyond `ends`;
    the units hold so many `texts`, where they are not texts themselves.
    """
    middle = np.median(values, axis=0)
    none = np.empty((0, values.shape[1]))
    return TypicalBounds(
        middle, np.zeros(len(middle)), none, ends=ends, drawn=False, values=values, texts=texts or len(values)
    )


@dataclass(frozen=True)
class TypicalBounds(Bounds):
    """Bounds of medians over units: levels are those of the sign test, limits the order statistics that invert it.

    Were the median at most s, a unit would lie above s with chance at most 1/2, so that the level of a lower bound is the chance
    of as many heads in as many tosses. Limits for many cells at once are each cell's own at a level divided by their number
    (Bonferroni). Thompson (1936), On confidence ranges for the median.
    """

    values: Floats | None = None
    """(unit, cell)."""
    texts: int = 0
    """That the units hold."""

    @property
    def _values(self) -> Floats:
        assert self.values is not None, "made by `medians`"
        return self.values

    @cached_property
    def _ordered(self) -> Floats:
        """(unit, cell), each cell's smallest first."""
        return np.sort(self._values, axis=0)

    @property
    def units(self) -> int:
        """How many units there are."""
        return len(self._values)

    @property
    def varies(self) -> NDArray[np.bool_]:
        """(cell,) whether there is a bound: wherever all values are numbers."""
        return np.asarray(np.isfinite(self.theta))

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """The same."""
        return self.varies

    @property
    def capped(self) -> bool:
        """Always: by as many units as there are."""
        return True

    def _p_lower(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._level((self._values > smallest).sum(axis=0), cells)

    def _p_upper(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._level((self._values < smallest).sum(axis=0), cells)

    def _level(self, beyond: NDArray[np.int64], cells: NDArray[np.int64] | None) -> Floats:
        times = 1 if cells is None else len(cells)
        return np.where(self.varies, np.minimum(1.0, times * at_least(beyond, self.units)), 1.0)

    def _lower(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._limit_at(self._ordered, self.ends[0], level, cells)

    def _upper(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._limit_at(self._ordered[::-1], self.ends[1], level, cells)

    def _limit_at(self, ordered: Floats, end: float, level: float, cells: NDArray[np.int64] | None) -> Floats:
        """(cell,) the most inward value beyond which so many lie that they clear the level; the scale's end where none is."""
        left_out = np.arange(self.units)
        clear = at_least(self.units - left_out, self.units) <= level * (1 + 1e-9) / (1 if cells is None else len(cells))
        rank = int(clear.sum()) - 1
        limit = np.full(len(self.theta), end) if rank < 0 else ordered[rank]
        return np.where(self.varies, limit, np.nan)

    def least(self, smallest: float, cells: NDArray[np.int64], together: tuple[int, int]) -> tuple[float, float]:
        up, down = together
        return least_level(self.units, up), least_level(self.units, down)

    def floor(self, cells: NDArray[np.int64]) -> float:
        return least_level(self.units, 1)

    @property
    def told_by(self) -> str:
        return "units beyond the smallest effect, and order statistics"

    def texts_needed(
        self, smallest: float, alpha: float, cells: NDArray[np.int64], *, refute: int, support: int
    ) -> tuple[int | None, int | None] | None:
        """From how the values of each cell lie about their median: how many of them would lie beyond the smallest effect, were
        the median 0, or twice that effect."""
        around = self._values[:, cells] - self.theta[cells]
        m, twice = len(cells), min(2 * smallest, (smallest + self.ends[1]) / 2)
        below, above = np.sort((around < smallest).sum(axis=0)), np.sort((around + twice > smallest).sum(axis=0))
        return (
            self._texts(int(below[m - refute]), alpha / (1 if refute == m else m - refute + 1)),
            self._texts(int(above[m - support]), alpha / (m if support == 1 else m - support + 1)),
        )

    def _texts(self, beyond: int, level: float) -> int | None:
        """The fewest texts of whose units enough lie beyond in 4 runs of 5, the same share as here doing so; None for no end of them."""
        from scipy.special import bdtrc

        share = (beyond + 0.5) / (self.units + 1)
        if share <= 0.5:
            return None

        def enough(n: int) -> bool:
            must = n - int((at_least(n - np.arange(n + 1), n) <= level).sum()) + 1
            return must <= n and float(bdtrc(must - 1, n, share)) >= POWER

        return math.ceil(first_enough(enough, 2) * self.texts / self.units)


def at_least(count: NDArray[np.int64], units: int) -> Floats:
    """Chance of at least so many heads in so many tosses of a fair coin."""
    from scipy.special import bdtrc

    return np.asarray(np.where(count <= 0, 1.0, bdtrc(np.maximum(count, 1) - 1.0, units, 0.5)))


def least_level(units: int, times: int) -> float:
    """The smallest level that so many units attain, all of them lying beyond, of `times` cells bounded together."""
    return min(1.0, times * 0.5**units)
