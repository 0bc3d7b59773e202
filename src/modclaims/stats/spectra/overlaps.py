"""How much of one subspace lies in another: mean squared cosines of principal angles, against subspaces at random."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.permutation import chunks

Floats = NDArray[np.float64]
TOGETHER = 2**20
"""Numbers of random frames that are drawn at a time."""


def leading_directions(matrix: NDArray[np.floating], count: int) -> tuple[Floats, float]:
    """(unit, axis) the leading right singular directions of a (row, unit) matrix less its mean row, and the share of its
    squares that they hold."""
    from scipy.linalg import eigh

    width = matrix.shape[1]
    mean = matrix.mean(axis=0, dtype=np.float64)
    gram = np.zeros((width, width))
    for rows in chunks(len(matrix), width):
        part = np.asarray(matrix[rows], dtype=np.float64) - mean
        gram += part.T @ part
    values, vectors = eigh(gram, subset_by_index=(width - count, width - 1))
    total = float(np.trace(gram))
    return np.ascontiguousarray(vectors[:, ::-1]), float(values.sum()) / total if total > 0 else np.nan


def overlap(inner: Floats, outer: Floats) -> float:
    """The mean squared cosine of the principal angles between two subspaces, given by (unit, axis) orthonormal directions.

    Of the smaller one, the share that lies in the larger: 0 where they are orthogonal, 1 where it is part of it.
    """
    return float(((outer.T @ inner) ** 2).sum() / min(inner.shape[1], outer.shape[1]))


def random_overlaps(spaces: Sequence[Floats], dimensions: int, draws: int, rng: np.random.Generator) -> Floats:
    """(draw, space) overlaps of given subspaces with one Haar subspace a draw, the same for all of them.

    `spaces` are (unit, axis) orthonormal directions of no more than `dimensions` axes each. Mean dimensions / units. Only
    the coordinates that the given subspaces span are turned: G (G'G)^-1/2 of a Gaussian G is a Haar frame.
    """
    units = spaces[0].shape[0]
    span, sizes, _ = np.linalg.svd(np.hstack(spaces), full_matrices=False)
    span = span[:, sizes > 1e-9 * sizes[0]]
    inside = [span.T @ space for space in spaces]
    out = np.empty((draws, len(spaces)))
    step = max(1, TOGETHER // span.size)
    for start in range(0, draws, step):
        frames = rng.standard_normal((min(step, draws - start), units, span.shape[1]))
        lower = np.linalg.cholesky(frames.transpose(0, 2, 1) @ frames)
        half = np.linalg.solve(lower, frames[:, :dimensions].transpose(0, 2, 1))  # (draw, axis of the span, dimension)
        for s, axes in enumerate(inside):
            out[start : start + step, s] = ((axes.T @ half) ** 2).sum(axis=(1, 2)) / axes.shape[1]
    return out


def jackknifed(whole: Floats, without: Floats) -> Floats:
    """(group, cell) what each group of units adds to a statistic, on average the statistic itself.

    `whole` is (cell,) the statistic of all, `without` (group, cell) that without each group. Deviations are those of the
    pseudo-values (Tukey 1958), so that their mean's standard error is the jackknife's; they are put about the statistic of
    all, which is not corrected for bias.
    """
    groups = len(without)
    return np.asarray(whole + (groups - 1) * (without.mean(axis=0) - without))
