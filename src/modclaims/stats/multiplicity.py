"""Many cells and many claims: studentised step-down maxT, partial conjunction; Holm, BH, BY through statsmodels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Correction = Literal["holm", "bh", "by", "none"]


@dataclass(frozen=True)
class CellTests:
    """Raw and adjusted p of every cell, with the counts behind them."""

    p: Floats
    p_adjusted: Floats
    exceed: NDArray[np.int64]
    exceed_adjusted: NDArray[np.int64]
    degenerate: tuple[int, ...]
    max_null: Floats
    """(arrangement,) largest standardised statistic over the cells."""


def weigh_cells(null: Floats, tolerance: Floats | None = None) -> CellTests:
    """Raw p, and Westfall-Young step-down maxT p, of every cell from one joint null.

    `null` is (arrangement, cell) with the observed values in row 0; larger is more extreme. Statistics are
    standardised by their own relabelling mean and sd, identity included, so that a cell with a wide null does not
    win by width. `tolerance` (cell,): values within it of the observed are ties and count as extreme. Strong
    family-wise control where the joint law of the true-null cells is free of the labels, spread included
    (Westfall & Young 1993, algorithm 4.1). Cells that are constant or not finite are degenerate: p = 1.
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
    if len(where):
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


def partial_conjunction(p: Floats, at_least: int) -> float:
    """p that at least `at_least` of the cells are non-null, by Bonferroni: (M - u + 1) p_(u) (Benjamini & Heller 2008)."""
    ordered = np.sort(p)
    return float(min(1.0, (len(p) - at_least + 1) * ordered[at_least - 1]))


def adjust(p: Floats, correction: Correction) -> Floats:
    """p-values corrected over claims: Holm (family-wise), BH or BY (false discovery rate), or none."""
    if len(p) == 0 or correction == "none":
        return np.asarray(p, dtype=np.float64)
    from statsmodels.stats.multitest import multipletests

    method = {"holm": "holm", "bh": "fdr_bh", "by": "fdr_by"}[correction]
    return np.asarray(multipletests(p, method=method)[1], dtype=np.float64)


def clopper_pearson(count: int, draws: int, level: float = 0.99) -> tuple[float, float]:
    """Exact binomial interval of a Monte Carlo p from `count` exceedances in `draws` (identity not counted)."""
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(beta.ppf(tail, count, draws - count + 1))
    high = 1.0 if count == draws else float(beta.ppf(1 - tail, count + 1, draws - count))
    return low, high
