"""Many cells and many claims: step-down maxT and minP, combinations, partial conjunction; Holm, BH, BY."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Correction = Literal["holm", "bh", "by", "none"]
Adjustment = Literal["maxT", "minP"]
ADJUSTMENTS = ("maxT", "minP")


MOST_HELD = 2**28
"""Bytes of a table of draws by cells that is held; a larger one is worked out again, some cells at a time."""
AT_ONCE = 2**25
"""Bytes of what is worked out at once of such a table."""


@dataclass(frozen=True)
class ManyCells:
    """A joint null of so many cells that it is not held: its columns are worked out when they are asked for, and are the same
    each time."""

    work_out: Callable[[Indices], tuple[Floats, Floats]]
    """From the indices of some cells: (arrangement, cell) statistics, and (cell,) differences that count as ties."""
    rows: int
    """Arrangements, the observed one first."""
    count: int
    """Cells."""

    def parts(self, cells: Indices) -> Iterator[tuple[Indices, Floats, Floats]]:
        """Some cells at a time, in this order: which, their statistics and ties."""
        for start in range(0, len(cells), step := max(1, AT_ONCE // (8 * self.rows))):
            some = cells[start : start + step]
            yield some, *self.work_out(some)


def held(rows: int, cells: int) -> bool:
    """Whether a table of so many draws and cells is held."""
    return 8 * rows * cells <= MOST_HELD


@dataclass(frozen=True)
class CellTests:
    """Raw and adjusted p of every cell, with the counts behind them."""

    p: Floats
    p_adjusted: Floats
    exceed: NDArray[np.int64]
    exceed_adjusted: NDArray[np.int64]
    degenerate: tuple[int, ...]
    max_null: Floats
    """(arrangement,) largest standardised statistic over the cells; for minP, minus log10 of the smallest p."""
    combined: Mapping[str, float] = field(default_factory=dict)
    """Of many cells, what `combined` gives; empty where that is asked by itself."""
    observed: Floats = field(default_factory=lambda: np.empty(0))
    """Of many cells, the observed statistics ..."""
    tolerance: Floats = field(default_factory=lambda: np.empty(0))
    """... and the differences that count as ties."""


def weigh_cells(null: Floats, tolerance: Floats | None = None, by: Adjustment = "maxT") -> CellTests:
    """Raw p, and Westfall-Young step-down p, of every cell from one joint null.

    `null` is (arrangement, cell) with the observed values in row 0; larger is more extreme. By `maxT` statistics are
    standardised by their own relabelling mean and sd, identity included, so that a cell with a wide null does not
    win by width. By `minP` they are replaced by their own raw p under each arrangement, so that cells whose nulls
    differ in shape meet as equals (Westfall & Young 1993, algorithm 4.2; Ge, Dudoit & Speed 2003): never above
    Bonferroni on the same draws, but coarse, since no p falls below 1 / arrangements in any cell.
    `tolerance` (cell,): values within it of the observed are ties and count as extreme. Strong family-wise control
    where the joint law of the true-null cells is free of the labels, spread included (Westfall & Young 1993,
    algorithm 4.1). Cells that are constant or not finite are degenerate: p = 1.
    """
    rows, cells = null.shape
    tolerance = np.zeros(cells) if tolerance is None else tolerance
    finite = np.isfinite(null).all(axis=0)
    safe = np.where(finite, null, 0.0)
    mean, sd = safe.mean(axis=0), safe.std(axis=0)
    alive = finite & (sd > np.maximum(tolerance, 1e-14 * np.abs(mean)))
    exceed = np.full(cells, rows, dtype=np.int64)
    exceed[alive] = (safe[:, alive] >= safe[0, alive] - tolerance[alive]).sum(axis=0)
    adjusted = np.full(cells, rows, dtype=np.int64)
    max_null = np.full(rows, -np.inf)
    where = np.flatnonzero(alive)
    if by == "minP":
        counts = tail_counts(safe[:, where], tolerance[where])
        adjusted[where], smallest = _successive_minima(counts)
        if len(where):
            max_null = -np.log10(smallest / rows)
    elif len(where):
        z = (safe[:, where] - mean[where]) / sd[where]
        slack = tolerance[where] / sd[where]
        order = np.argsort(-z[0], kind="stable")
        running = np.full(rows, -np.inf)
        counts = np.empty(len(where), dtype=np.int64)
        for rank in range(len(order) - 1, -1, -1):  # successive maxima, from the least extreme cell upwards
            cell = order[rank]
            np.maximum(running, z[:, cell], out=running)
            counts[rank] = int((running >= z[0, cell] - slack[cell]).sum())
        adjusted[where[order]] = np.maximum.accumulate(counts)
        max_null = running
    return CellTests(
        exceed / rows, adjusted / rows, exceed, adjusted, tuple(int(c) for c in np.flatnonzero(~alive)), max_null
    )


def weigh_many(null: ManyCells, by: Adjustment = "maxT", cells: Indices | None = None) -> CellTests:
    """What `weigh_cells` and `combined` give of some or all of very many cells, without a table of them all.

    Columns are worked out twice: for each cell by itself, and once more from the least extreme cell upwards, so that of the
    successive maxima only the last is kept.
    """
    cells = np.arange(null.count) if cells is None else cells
    size, rows = len(cells), null.rows
    observed, tolerance, mean, sd = (np.zeros(size) for _ in range(4))
    first, alive = np.zeros(size), np.zeros(size, dtype=bool)
    exceed, adjusted = np.full(size, rows, dtype=np.int64), np.full(size, rows, dtype=np.int64)
    together, at = _Combining.of(rows), 0
    for some, values, ties in null.parts(cells):
        part = slice(at, at := at + len(some))
        finite = np.isfinite(values).all(axis=0)
        safe = np.where(finite, values, 0.0)
        observed[part], tolerance[part] = values[0], ties
        mean[part], sd[part] = safe.mean(axis=0), safe.std(axis=0)
        alive[part] = lives = finite & (sd[part] > np.maximum(ties, 1e-14 * np.abs(mean[part])))
        counts = tail_counts(safe[:, lives], ties[lives])
        exceed[part][lives] = counts[0]
        with np.errstate(divide="ignore", invalid="ignore"):
            first[part] = counts_of(counts[0], lives) if by == "minP" else (mean[part] - safe[0]) / sd[part]
        varying = finite & (np.ptp(safe, axis=0) > ties)
        together.add(counts if np.array_equal(varying, lives) else tail_counts(safe[:, varying], ties[varying]))
    where = np.flatnonzero(alive)
    order = where[np.argsort(first[where], kind="stable")][::-1]  # the least extreme first
    running, at = np.full(rows, -np.inf), 0
    found = np.empty(len(order), dtype=np.int64)
    for some, values, ties in null.parts(cells[order]):
        here = order[at : at + len(some)]
        if by == "minP":  # the smallest count is the largest of their negatives
            extreme, own, slack = -tail_counts(values, ties).astype(np.float64), -exceed[here], np.zeros(len(some))
        else:
            extreme, slack = (values - mean[here]) / sd[here], ties / sd[here]
            own = extreme[0].copy()
        np.maximum(extreme[:, 0], running, out=extreme[:, 0])
        np.maximum.accumulate(extreme, axis=1, out=extreme)
        found[at : at + len(some)] = (extreme >= own - slack).sum(axis=0)
        running, at = extreme[:, -1].copy(), at + len(some)
    adjusted[order[::-1]] = np.maximum.accumulate(found[::-1])
    max_null = -np.log10(-running / rows) if by == "minP" and len(order) else running
    untestable = tuple(int(c) for c in np.flatnonzero(~alive))
    return CellTests(
        exceed / rows, adjusted / rows, exceed, adjusted, untestable, max_null, together.levels, observed, tolerance
    )


def counts_of(counts: NDArray[np.int64], where: NDArray[np.bool_]) -> Floats:
    """(cell,) counts of those cells that have one; infinite elsewhere."""
    found = np.full(len(where), np.inf)
    found[where] = counts
    return found


def tail_counts(null: Floats, tolerance: Floats) -> NDArray[np.int64]:
    """(arrangement, cell) how many arrangements are at least as extreme as each one, itself and its ties included."""
    rows, cells = null.shape
    out = np.empty((cells, rows), dtype=np.int64)
    for c, column in enumerate(np.ascontiguousarray(null.T)):
        order = np.argsort(column)
        ordered = column[order]
        out[c, order] = rows - np.searchsorted(ordered, ordered - tolerance[c], side="left")
    return out.T


def _successive_minima(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Step-down counts (cell,) behind minP, and (arrangement,) the smallest count of each arrangement."""
    rows, cells = counts.shape
    order = np.argsort(counts[0], kind="stable")
    running = np.full(rows, rows, dtype=np.int64)
    found = np.empty(cells, dtype=np.int64)
    for rank in range(cells - 1, -1, -1):  # successive minima, from the least extreme cell upwards
        np.minimum(running, counts[:, order[rank]], out=running)
        found[rank] = int((running <= counts[0, order[rank]]).sum())
    adjusted = np.empty(cells, dtype=np.int64)
    adjusted[order] = np.maximum.accumulate(found)
    return adjusted, running


COMBINATIONS = ("fisher", "tippett", "stouffer")


def combined(null: Floats, tolerance: Floats | None = None) -> dict[str, float]:
    """p of the intersection hypothesis "no effect in any cell", by combining the cells' own p (Pesarin 2001).

    Cells are combined anew under every arrangement, so that their dependence is kept: Fisher sums -2 log p, Tippett
    takes the smallest p, Stouffer sums normal scores. It says that some cell has an effect, never which. Degenerate
    cells are left out; 1 where no other is there.
    """
    rows, cells = null.shape
    tolerance = np.zeros(cells) if tolerance is None else tolerance
    finite = np.isfinite(null).all(axis=0)
    spread = np.where(finite, np.ptp(np.where(finite, null, 0.0), axis=0), 0.0)
    where = np.flatnonzero(finite & (spread > tolerance))
    together = _Combining.of(rows)
    together.add(tail_counts(null[:, where], tolerance[where]))
    return together.levels


@dataclass
class _Combining:
    """Combinations of cells' own p under every arrangement, as cells are added."""

    fisher: Floats
    smallest: Floats
    stouffer: Floats
    cells: int = 0

    @classmethod
    def of(cls, rows: int) -> _Combining:
        """Of no cell yet."""
        return cls(np.zeros(rows), np.ones(rows), np.zeros(rows))

    def add(self, counts: NDArray[np.int64]) -> None:
        """Some cells, by (arrangement, cell) counts of arrangements at least as extreme."""
        from scipy.special import ndtri

        if not counts.shape[1]:
            return
        # p is a count over the arrangements, so that there are but so many logarithms and quantiles of it
        p = np.arange(1, len(counts) + 1) / len(counts)
        self.fisher += (-2 * np.log(p))[counts - 1].sum(axis=1)
        np.minimum(self.smallest, counts.min(axis=1) / len(counts), out=self.smallest)
        self.stouffer -= ndtri(p * len(counts) / (len(counts) + 1))[counts - 1].sum(axis=1)
        self.cells += counts.shape[1]

    @property
    def levels(self) -> dict[str, float]:
        """p of each combination; 1 where no cell is in it."""
        if not self.cells:
            return dict.fromkeys(COMBINATIONS, 1.0)
        scores = {"fisher": self.fisher, "tippett": -self.smallest, "stouffer": self.stouffer}
        # sums of the same numbers in another order differ by rounding
        return {name: float((s >= s[0] - 1e-9 * max(1.0, abs(float(s[0])))).mean()) for name, s in scores.items()}


def partial_conjunction(p: Floats, at_least: int) -> float:
    """p that at least `at_least` of the cells are non-null, by Bonferroni: (M - u + 1) p_(u) (Benjamini & Heller 2008)."""
    ordered = np.sort(p)
    return float(min(1.0, (len(p) - at_least + 1) * ordered[at_least - 1]))


def at_most(level: float, alpha: float) -> bool:
    """Whether a level settles a claim at alpha: at most that, but for the rounding of quotients and products.

    3 x .05 / 3 lies above .05 in floating point. Levels are multiples of 1 / draws, so that no two that differ come so close.
    """
    return bool(level <= alpha * (1 + 1e-9))


def adjust(p: Floats, correction: Correction) -> Floats:
    """p-values corrected over claims: Holm (family-wise), BH or BY (false discovery rate), or none.

    Step by step in the order of statsmodels' `multipletests`, so that both give the same bits.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure. Benjamini & Hochberg (1995), Controlling the false
    discovery rate. Benjamini & Yekutieli (2001), The control of the false discovery rate under dependency.
    """
    if len(p) <= 1 or correction == "none":
        return np.asarray(p, dtype=np.float64)
    order = np.argsort(p)
    ascending, count = np.asarray(p, dtype=np.float64)[order], len(p)
    if correction == "holm":
        stepped = np.maximum.accumulate(ascending * np.arange(count, 0, -1))
    else:
        share = np.arange(1, count + 1) / float(count)
        if correction == "by":
            share = share / np.sum(1.0 / np.arange(1, count + 1))
        stepped = np.minimum.accumulate((ascending / share)[::-1])[::-1]
    corrected = np.empty(count)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


@overload
def clopper_pearson(count: float, draws: int, level: float = 0.99) -> tuple[float, float]: ...
@overload
def clopper_pearson(count: Floats, draws: int, level: float = 0.99) -> tuple[Floats, Floats]: ...
def clopper_pearson(
    count: float | Floats, draws: int, level: float = 0.99
) -> tuple[float, float] | tuple[Floats, Floats]:
    """Exact binomial interval (Clopper & Pearson 1934), of a Monte Carlo p from `count` exceedances in `draws` (identity
    not counted), or of a rate; `count` may be a mean over cells, or (cell,) counts of the same draws."""
    from scipy.special import betaincinv

    tail, counts = (1 - level) / 2, np.asarray(count, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        low = np.where(counts == 0, 0.0, betaincinv(counts, draws - counts + 1, tail))
        high = np.where(counts == draws, 1.0, betaincinv(counts + 1, draws - counts, 1 - tail))
    return (low, high) if counts.ndim else (float(low), float(high))
