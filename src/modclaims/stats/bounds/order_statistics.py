"""Bounds of a median by order statistics: exact under any law, for as few units as costly measurements allow.

A mean of a dozen numbers has no such bounds: one unit in ten of another kind may move it by more than all the others vary, and
is missing from a dozen in three samples of ten. A median asks what is typical, and units that are rarer than half cannot
undo that; where all agree, so many agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.second_bounds import first_enough

Floats = NDArray[np.float64]
MOST_TURNED = 16
"""Units up to which the sides of all cells are turned together, in all ways."""
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
    of as many heads in as many tosses (Thompson 1936, On confidence ranges for the median). Of many cells at once, up to
    `MOST_TURNED` units: a unit's sides of s in all cells are exchanged with the opposite sides, all of them together, in each
    of the 2^n ways, and the most on one side in any cell is what a cell's number is held against. Cells that all say the same
    are so no search. Of more units a cell's own level is multiplied by the number of cells (Bonferroni), which is never less.
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
    def undefined(self) -> Floats:
        """(cell,) nothing is drawn."""
        return np.zeros(len(self.theta))

    @property
    def capped(self) -> bool:
        """Always: by as many units as there are."""
        return True

    def _p_lower(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._level(self._values > smallest, cells)

    def _p_upper(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._level(self._values < smallest, cells)

    def _level(self, beyond: NDArray[np.bool_], cells: NDArray[np.int64] | None) -> Floats:
        """(cell,) levels, from which (unit, cell) values lie beyond."""
        count = beyond.sum(axis=0)
        if cells is None or len(cells) == 1:
            p = at_least(count, self.units)
        elif self.units > MOST_TURNED:
            p = np.minimum(1.0, len(cells) * at_least(count, self.units))
        else:
            most = most_beyond(beyond[:, cells])
            p = (most[None] >= count[:, None]).mean(axis=1)
        return np.where(self.varies, p, 1.0)

    def _lower(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._limit_at(self._ordered, self.ends[0], level, cells, lambda s: self._values > s)

    def _upper(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        return self._limit_at(self._ordered[::-1], self.ends[1], level, cells, lambda s: self._values < s)

    def _limit_at(
        self,
        ordered: Floats,
        end: float,
        level: float,
        cells: NDArray[np.int64] | None,
        beyond: Callable[[float], NDArray[np.bool_]],
    ) -> Floats:
        """(cell,) the most inward value up to which so many lie `beyond` that they clear the level; the scale's end where
        none is. Limits for many cells lie between those by Bonferroni's inequality and each cell's own."""
        left_out = np.arange(self.units)
        clear = at_least(self.units - left_out, self.units) <= level * (1 + 1e-9) / (1 if cells is None else len(cells))
        rank = int(clear.sum()) - 1
        limit = np.full(len(self.theta), end) if rank < 0 else ordered[rank].copy()
        if cells is not None and len(cells) > 1 and self.units <= MOST_TURNED:
            inward = np.sign(ordered[-1] - ordered[0])
            for c in cells.tolist():
                for value in ordered[rank + 1 :, c].tolist():
                    # what lies just short of a value lies beyond by itself
                    short = value - inward[c] * 1e-12 * max(1.0, abs(value))
                    if self._level(beyond(short), cells)[c] > level * (1 + 1e-9):
                        break
                    limit[c] = value
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


def most_beyond(beyond: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(way,) the most units that lie beyond in any cell, in each of the 2^n ways to turn (unit, cell) sides around, a unit's in
    all cells together."""
    units = len(beyond)
    turned = ((np.arange(2**units)[:, None] >> np.arange(units)) & 1).astype(np.float32) * -2 + 1
    sides = np.where(beyond, 1, -1).astype(np.float32)
    return np.asarray(np.rint((units + (turned @ sides).max(axis=1)) / 2), dtype=np.int64)


def least_level(units: int, times: int) -> float:
    """The smallest level that so many units attain, all of them lying beyond, in all of `times` cells bounded together."""
    return min(1.0, (times if units > MOST_TURNED else 1) * 0.5**units)
