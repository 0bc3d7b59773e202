"""omega^2 of categories given strata: its value, and its bounds where responses are normal and of one spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.cluster_sums import ClusterSums
from modclaims.stats.bounds.log_ratios import ClusterLogRatio, log_ratio
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.bounds.second_bounds import NoncentralF
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import (
    between_ss_null,
    chunks,
    degrees_of_freedom,
    f_null,
    indicator_gram,
    unvarying,
)

Floats = NDArray[np.float64]


def omega_squared(f: Floats, df1: int, n: int) -> Floats:
    """Partial omega^2 from F: df1 (F - 1) / (df1 (F - 1) + n) (Hays 1963; Olejnik & Algina 2003)."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(f), 1.0, df1 * (f - 1) / (df1 * (f - 1) + n))


def log_one_plus_f2(omega2: Floats) -> Floats:
    """log(1 + f^2) = -log(1 - omega^2): the scale on which omega^2 is bootstrapped."""
    return np.asarray(-np.log1p(-np.asarray(omega2)))


def omega2_of_log(theta: Floats) -> Floats:
    """The inverse of `log_one_plus_f2`; minus infinity for limits that lie beyond any number."""
    with np.errstate(over="ignore"):
        return np.asarray(-np.expm1(-np.asarray(theta)))


def omega_squared_replicates(responses: Floats, design: Design, resamples: Resamples) -> Replicates:
    """log(1 + f^2) of category given strata, one cell per column of `responses` (unit, cell).

    1 + f^2 = (df1 F - df1 + n) / n. With r the stratum-centred and e the full model's residual, d SSE = e_i^2 and
    d SSA = r_i^2 - e_i^2 by text i's multiplicity, from which its influence follows; a cluster's is the same summed
    over its texts.
    """
    if design.members:
        return ClusterLogRatio.of(responses, design, resamples).replicates
    times = resamples.times
    y = np.asarray(responses, dtype=np.float64)
    y = y - y.mean(axis=0)
    strata = [np.flatnonzero(design.strata == h) for h in np.unique(design.strata)]
    hot = (design.labels[:, None] == np.arange(design.k)).astype(np.float64)
    centred_hot = hot.copy()
    for where in strata:
        centred_hot[where] -= hot[where].mean(axis=0)
    inverse = np.linalg.pinv(indicator_gram(design))
    df1, df2 = degrees_of_freedom(design)
    rows, cells = len(times), y.shape[1]
    value, influence, centre = np.empty((rows, cells)), np.empty((rows, design.n, cells)), np.zeros(cells)
    for block in chunks(rows, design.n * cells):
        m = times[block]
        residual = np.broadcast_to(y, (len(m), *y.shape)).copy()
        for where in strata:
            mean = (m[:, where] @ y[where]) / len(where)
            residual[:, where] -= mean[:, None, :]
        sums = np.einsum("bn,nk,bnm->bkm", m, centred_hot, residual, optimize=True)
        coefficients = np.einsum("kl,blm->bkm", inverse, sums)
        error = residual - np.einsum("nk,bkm->bnm", centred_hot, coefficients)
        sst = np.einsum("bn,bnm->bm", m, residual**2)
        sse = np.einsum("bn,bnm->bm", m, error**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = df2 * (sst - sse) / sse
            if block.start == 0:
                centre = np.log(sst[0] / sse[0])
            value[block] = np.log((ratio - df1 + design.n) / design.n)
            scale = df2 / (sse * (ratio - df1 + design.n))
            slope = scale[:, None] * (residual**2 - error**2 * (sst / sse)[:, None])
        influence[block] = np.where(m[:, :, None] > 0, slope, 0.0)
    return Replicates(value, influence, centre)


def omega_squared_bounds(responses: Floats, design: Design, resamples: Resamples) -> Bounds:
    """omega^2 of every cell with the wider of two bounds: noncentral-F inversion, and bootstrap-t on log(1 + f^2).

    `responses` is (unit, cell). Resampled are units inside each category x stratum, or whole clusters.
    """
    observed = Arrangements(design.labels[None].astype(np.int16), True, 1)
    f = f_null(responses, design, observed)[0][0]
    df1, df2 = degrees_of_freedom(design)
    step = max(1, 2**21 // (len(resamples.times) * (len(design.members) or len(np.unique(design.cells)))))
    parts = [
        log_ratio(responses[:, start : start + step], design, resamples).studentised()
        for start in range(0, responses.shape[1], step)
    ]
    theta, se, t = (np.concatenate(found, axis=-1) for found in zip(*parts, strict=True))
    flat = unvarying(responses, between_ss_null(responses, design, observed)[1])
    return Bounds(
        np.where(flat, 0.0, theta),
        np.where(flat, 0.0, se),
        t,
        log_one_plus_f2,
        omega2_of_log,
        NoncentralF(
            f, df1, df2, design.n, ClusterSums.of(responses, design).inflation(df2) if design.members else None
        ),
        (-np.inf, 1.0),
    )
