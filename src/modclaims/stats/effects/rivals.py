"""Rival explanations of a difference between categories: spread instead of location, and shared words.

All work on *pair vectors* (see `permutation`), so that the same code serves similarities of texts and, through
squared differences, one number per text.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import Pairs, chunks
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]


def category_ss(squared: Floats, pairs: Pairs, design: Design, labels: NDArray[np.int16]) -> list[Floats]:
    """For each usable stratum, (arrangement, category, cell) sum of squares inside each category.

    `squared` is (pair, cell) squared Euclidean distances; SS_k = (sum over pairs of k) / n_k.
    """
    out = []
    for members, where, h in zip(pairs.members, pairs.slices, design.usable_strata, strict=True):
        block, sizes = squared[where], design.counts[:, h]
        first, second = np.triu_indices(len(members), 1)
        sums = np.zeros((len(labels), design.k, squared.shape[1]))
        for rows in chunks(len(labels), len(block)):
            local = labels[rows][:, members]
            for k in np.flatnonzero(sizes >= 2):
                is_k = local == k
                sums[rows, k] = (is_k[:, first] & is_k[:, second]).astype(np.float64) @ block / sizes[k]
        out.append(sums)
    return out


def pseudo_f2_null(squared: Floats, pairs: Pairs, design: Design, arrangements: Arrangements) -> tuple[Floats, Floats]:
    """Behrens-Fisher pseudo-F at every cell under every arrangement: a test of location that unequal spread does not fool.

    F2 = SSA / sum over categories of (1 - n_k / N) V_k with V_k = SS_k / (n_k - 1); summed over strata above and
    below (Anderson, Walsh & Clarke 2017, equation 4). `squared` is (pair, cell). Where nothing varies it is 0; where
    nothing but rounding is left inside categories they count as spread by 1e-11 of the total, so that it stays finite, is
    larger than any other and ties with its like. Returns it with ties' tolerances.
    """
    above = np.zeros((len(arrangements.labels), squared.shape[1]))
    below, total = np.zeros_like(above), np.zeros(squared.shape[1])
    parts = category_ss(squared, pairs, design, arrangements.labels)
    for ss, where, h in zip(parts, pairs.slices, design.usable_strata, strict=True):
        sizes = design.counts[:, h].astype(float)
        n = sizes.sum()
        total += squared[where].sum(axis=0) / n
        above += squared[where].sum(axis=0) / n - ss.sum(axis=1)
        share = np.where(sizes >= 2, (1 - sizes / n) / np.maximum(sizes - 1, 1), 0.0)
        below += np.einsum("k,bkm->bm", share, ss)
    with np.errstate(divide="ignore", invalid="ignore"):
        f2 = np.where(total == 0, 0.0, above / np.maximum(below, 1e-11 * total))
    return f2, 1e-10 * np.where(np.isfinite(f2[0]), np.abs(f2[0]), 0.0)


@dataclass(frozen=True)
class Permanova:
    """One-way (within strata, each stratum with its own category effect) permutational analysis of variance on squared distances, a value per cell."""

    f: Floats
    r2: Floats
    omega2: Floats


def permanova(squared: Floats, pairs: Pairs, design: Design) -> Permanova:
    """Pseudo-F, R^2 and omega^2 = (SSA - df1 MSW) / (SST + MSW) of category, sums of squares summed over strata."""
    parts = category_ss(squared, pairs, design, design.labels[None].astype(np.int16))
    total, within, df1, df2 = np.zeros(squared.shape[1]), np.zeros(squared.shape[1]), 0, 0
    for ss, where, h in zip(parts, pairs.slices, design.usable_strata, strict=True):
        sizes = design.counts[:, h]
        total += squared[where].sum(axis=0) / sizes.sum()
        within += ss[0].sum(axis=0)
        df1 += int((sizes > 0).sum()) - 1
        df2 += int(sizes.sum() - (sizes > 0).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = within / df2
        return Permanova(
            (total - within) / df1 / mean, (total - within) / total, (total - within - df1 * mean) / (total + mean)
        )


def distances_to_centroid(squared: list[Floats], design: Design) -> Floats:
    """(unit, cell) distance of every text to the centroid of its category x stratum, in all dimensions.

    From squared distances alone: d^2(i, g) = mean over j in g of D^2_ij - SS_g / n_g. PERMDISP's response.
    """
    out = np.zeros((design.n, len(squared)))
    for c, matrix in enumerate(squared):
        for g in np.unique(design.cells):
            where = np.flatnonzero(design.cells == g)
            inside = matrix[np.ix_(where, where)]
            out[where, c] = np.sqrt(np.maximum(inside.mean(axis=1) - inside.mean() / 2, 0.0))
    return out


def spline_basis(proxy: Floats, knots: int = 3) -> Floats:
    """(pair, column) cubic B-spline of a proxy, with interior knots at its quantiles and the intercept left out."""
    from scipy.interpolate import BSpline

    low, high = float(proxy.min()), float(proxy.max())
    if high <= low:
        return np.zeros((len(proxy), 0))
    x = (proxy - low) / (high - low)
    inner = np.unique(np.quantile(x, np.arange(1, knots + 1) / (knots + 1)))
    inner = inner[(inner > 1e-9) & (inner < 1 - 1e-9)]
    full = np.concatenate([np.zeros(4), inner, np.ones(4)])
    return np.asarray(BSpline.design_matrix(np.clip(x, 0.0, 1.0), full, 3).toarray()[:, 1:])


@dataclass(frozen=True)
class Beyond:
    """What is left of a category effect once proxies have been taken out."""

    null: Floats
    """(permutation, cell) t of the same-category indicator; row 0 observed, and what ties with it but for rounding is
    equal to it. 0 where proxies leave nothing that varies."""
    adjusted: Floats
    """(pair, cell) similarities less the part that the proxies explain (fitted beside the category indicator)."""
    share_left: Floats
    """(cell,) coefficient of the indicator with proxies over that without; not a number where that is none."""
    r2: Floats
    """(cell,) share of the pair similarities' variance that the proxies explain; not a number where nothing varies."""


def freedman_lane(
    similarities: Floats, proxies: list[Floats], pairs: Pairs, design: Design, orders: NDArray[np.int64]
) -> Beyond:
    """Test a category effect on pair similarities beyond proxies (Freedman & Lane 1983, on pairs).

    `similarities` is (pair, cell), each proxy (pair,), `orders` (permutation, unit) with the identity first.
    Similarities are fitted on cubic splines of the proxies (and an intercept a stratum); rows and columns of the
    residual matrix are permuted together, the fit is added back, all is refitted, and t of the same-category
    indicator counts. Exchangeable under the null: texts inside strata, given the proxies' part. A proxy removes
    only its own share of what it stands for. What varies by no more than `ROUNDING` of the largest similarity does not
    vary, neither before proxies are taken out nor after: its t would be one of the processor's last digits.
    """
    same = (design.labels[pairs.i] == design.labels[pairs.j]).astype(np.float64)
    intercepts = np.zeros((len(pairs), len(pairs.slices)))
    for h, where in enumerate(pairs.slices):
        intercepts[where, h] = 1.0
    basis = np.concatenate([intercepts, *[spline_basis(p) for p in proxies]], axis=1)
    u, sizes, _ = np.linalg.svd(basis, full_matrices=False)
    q = u[:, sizes > 1e-10 * sizes[0]]
    centre = similarities.mean(axis=0)
    s, slack = similarities - centre, ROUNDING * np.abs(similarities).max(axis=0, initial=0.0)
    s[:, np.abs(s).max(axis=0) <= slack] = 0.0
    residual = s - q @ (q.T @ s)
    residual[:, np.abs(residual).max(axis=0) <= slack] = 0.0
    w = same - q @ (q.T @ same)
    ww = float(w @ w)
    df = len(pairs) - q.shape[1] - 1
    if ww < 1e-10 * len(pairs) or df < 1:
        cells = similarities.shape[1]
        return Beyond(np.zeros((len(orders), cells)), similarities, np.zeros(cells), np.ones(cells))
    place = np.full((design.n, design.n), -1, dtype=np.int64)
    place[pairs.i, pairs.j] = place[pairs.j, pairs.i] = np.arange(len(pairs))
    columns = np.concatenate([w[:, None], q], axis=1)
    energy = (residual**2).sum(axis=0)
    null = np.empty((len(orders), similarities.shape[1]))
    fewer = residual.shape[1] < columns.shape[1]  # whose rows are moved: either way, the others' being moved back
    ways = np.argsort(orders, axis=1) if fewer else orders
    for rows in chunks(len(orders), columns.size, 1):
        products = np.empty((rows.stop - rows.start, columns.shape[1], residual.shape[1]))
        for k, order in enumerate(ways[rows]):
            moved = place[order[pairs.i], order[pairs.j]]  # (pair,)
            if fewer:
                np.matmul(columns.T, residual[moved], out=products[k])
            else:
                np.matmul(columns[moved].T, residual, out=products[k])
        b = products[:, 0]
        # a perfect fit is the largest t there is, and not none
        rss = np.maximum(energy - (products[:, 1:] ** 2).sum(axis=1) - b**2 / ww, 1e-11 * energy)
        with np.errstate(divide="ignore", invalid="ignore"):
            null[rows] = np.where(energy > 0, b / np.sqrt(ww * rss / df), 0.0)
    first = np.abs(null[0])
    tied = ROUNDING * np.sqrt(df) + first * (1e-10 + 1e-14 * first**2 / df)
    null = np.where(np.abs(null - null[0]) <= tied, null[0], null)
    coefficient = (w @ residual) / ww
    bare = same.copy()
    for where in pairs.slices:
        bare[where] -= bare[where].mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = (bare @ s) / float(bare @ bare)
        share = np.where(np.abs(raw) > slack, coefficient / raw, np.nan)
        stratified = s.copy()
        for where in pairs.slices:
            stratified[where] -= stratified[where].mean(axis=0)
        stratified[:, np.abs(stratified).max(axis=0) <= slack] = 0.0
        r2 = 1 - energy / (stratified**2).sum(axis=0)
    left = s - q @ (q.T @ (s - np.outer(same, coefficient)))
    return Beyond(null, np.where(energy > 0, left, 0.0) + centre, share, r2)


@lru_cache(maxsize=4)
def tfidf_similarity(texts: tuple[str, ...]) -> Floats:
    """(text, text) cosine similarity of TF-IDF word counts (scikit-learn), the first proxy for shared words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(token_pattern=r"(?u)\w+", sublinear_tf=True).fit_transform(texts)
    return np.asarray((words @ words.T).toarray(), dtype=np.float64)
