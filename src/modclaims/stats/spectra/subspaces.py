"""Subspaces of categories: principal angles between them, under relabelling, and how much of new texts they hold.

A category's subspace is spanned by the leading directions in which its units vary. Every unit enters by its direction
alone (spherical principal components, Locantore et al. 1999), so that neither a long vector nor a wide category makes a
subspace by itself, and categories that differ in spread alone have the same subspaces.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import chunks, indicator_gram, stratum_centred
from modclaims.stats.spectra.parallel_analysis import columns
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
CENTRES = ("own", "common")
"""What units are centred on: their category's centre (given strata), or the centre of all categories in their stratum."""
STEPS = 20


def centred(vectors: Floats, design: Design, centre: str) -> Floats:
    """(unit, dimension) vectors less what their stratum, and with `own` their category, says of them.

    By least absolute distances, so that in every stratum and category the directions of what is left sum to zero (the
    spatial median, where there is one stratum). A mean would do the contrary: one far text moves it, and gives all others
    of its category the same deviation, which is a direction of the category's own. Weiszfeld's iteration, `STEPS` times.
    What is left of equal vectors is rounding, and counts as nothing: it would be a direction of the processor's own.
    """
    strata = np.eye(int(design.strata.max()) + 1)[design.strata]
    model = strata if centre == "common" else np.hstack([strata, np.eye(design.k)[design.labels]])
    left = vectors - model @ (np.linalg.pinv(model) @ vectors)
    for _ in range(STEPS):
        lengths = np.sqrt((left * left).sum(axis=1, keepdims=True))
        root = 1 / np.sqrt(np.maximum(lengths, 1e-6 * lengths.max(initial=0.0) + 1e-300))
        left = vectors - model @ (np.linalg.pinv(root * model) @ (root * vectors))
    longest = np.sqrt((vectors * vectors).sum(axis=1)).max(initial=0.0)
    return np.asarray(np.where(np.sqrt((left * left).sum(axis=1, keepdims=True)) > ROUNDING * longest, left, 0.0))


def recentred(rows: Floats, design: Design, centre: str) -> Floats:
    """(unit, dimension) directions less what is left of their means after an exchange of labels (least squares)."""
    y = stratum_centred(rows, design)
    if centre == "common":
        return rows
    hot = stratum_centred(np.eye(design.k)[design.labels], design)
    return np.asarray(y - hot @ (np.linalg.pinv(indicator_gram(design)) @ (hot.T @ y)))


def directions(vectors: Floats) -> Floats:
    """(unit, dimension) vectors of unit length; those that are no more than rounding beside the longest stay zero."""
    lengths = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    some = lengths > 1e-12 * lengths.max(initial=0.0)
    return np.asarray(np.divide(vectors, lengths, out=np.zeros_like(vectors), where=some))


def spherical(vectors: Floats, design: Design, centre: str) -> Floats:
    """(unit, dimension) directions that subspaces are made of: centred, and with `own` centred once more as directions."""
    rows = directions(centred(vectors, design, centre))
    return rows if centre == "common" else directions(recentred(rows, design, centre))


def bases(rows: Floats, design: Design, dimensions: int) -> list[Floats]:
    """For each category (dimension, axis) orthonormal leading directions of its units' (unit, dimension) directions."""
    found = []
    for k in range(design.k):
        right = np.linalg.svd(rows[design.labels == k], full_matrices=False)[2]
        found.append(np.ascontiguousarray(right[:dimensions].T))
    return found


def angles(spaces: list[Floats]) -> Floats:
    """(pair of categories, axis) principal angles in radians, largest first (scipy); pairs as `combinations` has them."""
    from scipy.linalg import subspace_angles

    return np.array([subspace_angles(a, b) for a, b in combinations(spaces, 2)])


def separation_null(
    vectors: list[Floats], design: Design, arrangements: Arrangements, *, dimensions: int, centre: str
) -> tuple[Floats, Floats]:
    """Mean squared sine of the principal angles, over pairs of categories, at every cell under every arrangement.

    `vectors` is (unit, dimension) for each cell. What is exchanged are directions of centred vectors, with `own` centred
    anew after every exchange. Exchangeable under the null: with `common`, units inside a stratum; with `own`, the directions
    in which they lie from their categories' means, which are so but for what estimating a mean takes from them (Freedman
    & Lane 1983); how far they lie does not matter, so that a wide category is no other subspace.
    All from (unit, unit) products: with K the products of one category's directions and K = V L V', its basis is
    X' V L^-1/2. Returns (arrangement, cell) and (cell,) tolerances for ties.
    """
    n, labels = design.n, arrangements.labels
    sizes = np.bincount(design.labels, minlength=design.k)
    ends = np.cumsum(sizes)
    parts = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    share = (design.counts / np.maximum(design.counts.sum(axis=0), 1))[:, design.strata]  # (category, unit)
    inverse = np.linalg.pinv(indicator_gram(design))
    null = np.empty((len(labels), len(vectors)))
    for cell, values in enumerate(vectors):
        deviations = directions(centred(values, design, centre))
        if centre == "own":  # what strata say of directions is taken off for good, since exchange stays inside them
            deviations = stratum_centred(deviations, design)
        products = deviations @ deviations.T
        for rows in chunks(len(labels), 4 * n * n):
            local = labels[rows]
            gram = np.broadcast_to(products, (len(local), n, n))
            if centre == "own":
                hot = (local[:, None, :] == np.arange(design.k)[:, None]) - share
                left = inverse @ (hot @ products)  # coefficients of every unit's products on categories
                fitted = hot.transpose(0, 2, 1) @ left
                both = hot.transpose(0, 2, 1) @ (left @ hot.transpose(0, 2, 1) @ inverse @ hot)
                gram = products - fitted - fitted.transpose(0, 2, 1) + both
            order = np.argsort(local, axis=1, kind="stable")
            gram = np.take_along_axis(np.take_along_axis(gram, order[:, :, None], 1), order[:, None, :], 2)
            null[rows, cell] = _separation(_of_directions(gram), parts, dimensions)
    return null, np.full(len(vectors), 1e-9)


def _of_directions(gram: Floats) -> Floats:
    """(arrangement, unit, unit) products of directions from those of vectors."""
    squares = np.einsum("bii->bi", gram)
    some = squares > 1e-24 * squares.max(axis=1, initial=0.0, keepdims=True)
    scale = np.divide(1.0, np.sqrt(np.where(some, squares, 1.0)), where=some, out=np.zeros_like(squares))
    return np.asarray(gram * scale[:, :, None] * scale[:, None, :])


def _separation(gram: Floats, parts: list[slice], dimensions: int) -> Floats:
    """(arrangement,) mean squared sine over pairs of categories, whose units lie together."""
    weights = []
    for part in parts:
        values, axes = np.linalg.eigh(gram[:, part, part])
        values, axes = values[:, -dimensions:], axes[:, :, -dimensions:]
        some = values > 1e-10 * values[:, -1:]
        scale = np.divide(1.0, np.sqrt(np.where(some, values, 1.0)), where=some, out=np.zeros_like(values))
        weights.append(axes * scale[:, None, :])
    cosines = [
        ((weights[a].transpose(0, 2, 1) @ gram[:, parts[a], parts[b]] @ weights[b]) ** 2).sum(axis=(1, 2))
        for a, b in combinations(range(len(parts)), 2)
    ]
    return np.asarray(1 - np.mean(cosines, axis=0) / dimensions)


def held(rows: Floats, design: Design, spaces: list[Floats]) -> tuple[Floats, Floats]:
    """(unit,) squared cosines of each direction's angle with its own category's subspace, and, on average, with others'."""
    inside = np.stack([((rows @ space) ** 2).sum(axis=1) for space in spaces], axis=1)
    own = inside[np.arange(design.n), design.labels]
    return own, (inside.sum(axis=1) - own) / (design.k - 1)


def log_ratio_of_means(own: Floats, other: Floats, design: Design, resamples: Resamples) -> Replicates:
    """log(mean own / mean other) of (unit, cell) numbers, every category weighing the same, under every resample.

    A category that a resample of clusters leaves out leaves the value undefined. The influence of a unit (or cluster) is
    the derivative by its multiplicity.
    """
    times = resamples.times
    if design.members:
        home = np.empty(design.n, dtype=np.int64)
        for c, units in enumerate(design.members):
            home[units] = c
        times = times[:, home]
    value = np.zeros((len(times), own.shape[1]))
    influence = np.zeros((len(times), design.n, own.shape[1]))
    for numbers, sign in ((own, 1.0), (other, -1.0)):
        mean, slope = np.zeros_like(value), np.zeros_like(influence)
        for k in range(design.k):
            mine = np.flatnonzero(design.labels == k)
            drawn = times[:, mine]
            total = drawn.sum(axis=1, keepdims=True)
            with np.errstate(divide="ignore", invalid="ignore"):
                inside = columns(drawn, numbers[mine]) / total
                slope[:, mine] = (numbers[mine] - inside[:, None]) / total[:, None] / design.k
            mean += inside / design.k
        with np.errstate(divide="ignore", invalid="ignore"):
            value += sign * np.log(mean)
            influence += sign * slope / mean[:, None]
    influence = np.where(times[:, :, None] > 0, influence, 0.0)
    if design.members:
        influence = np.stack(
            [(influence * times[:, :, None])[:, units].sum(axis=1) for units in design.members], axis=1
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            influence = np.where(resamples.times[:, :, None] > 0, influence / resamples.times[:, :, None], 0.0)
    return Replicates(value, influence, value[0])
