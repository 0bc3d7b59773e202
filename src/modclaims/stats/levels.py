"""Levels of similarity - of one text with itself, of texts of one category, of two, of any two - and what they vary by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.actions import Design
from modclaims.stats.bootstrap import Replicates, Resamples
from modclaims.stats.permutation import chunks

Floats = NDArray[np.float64]
LEVELS = {
    "same_text": "positions of one text",
    "same_category": "texts of one category",
    "different_category": "texts of different categories",
    "other_text": "different texts",
}
"""Which pairs a level is the mean over, in words."""


def compared(design: Design, level: str, category: str | None = None) -> Floats:
    """(unit, unit) 1 where a pair counts towards a level: pairs inside one stratum, a unit with itself for `same_text`.

    With `category`, only pairs with a unit of that category. Raises `ClaimError` for an unknown level or category, and
    where no pair counts.
    """
    if level not in LEVELS:
        raise ClaimError(f"Level {level!r} is unknown; choose one of {', '.join(LEVELS)}.")
    if category is not None and category not in design.names:
        raise ClaimError(f"Category {category!r} is none of those compared: {', '.join(design.names)}.")
    itself = np.eye(design.n, dtype=bool)
    counted = itself
    if level != "same_text":
        alike = design.labels[:, None] == design.labels
        counted = (design.strata[:, None] == design.strata) & ~itself
        if level != "other_text":
            counted &= alike if level == "same_category" else ~alike
    if category is not None:
        mine = design.labels == design.names.index(category)
        counted = counted & (mine[:, None] | mine)
    if not counted.any():
        raise ClaimError(f"There are no two {LEVELS[level]} in one stratum, so that level {level!r} is nothing.")
    return np.asarray(counted, dtype=np.float64)


def level_replicates(
    similarities: Sequence[Floats], counted: Floats, design: Design, resamples: Resamples
) -> Replicates:
    """The mean similarity of the pairs that count, every pair weighing the same, at each cell under every resample.

    `similarities` holds a symmetric (unit, unit) matrix a cell, with the similarity of each unit's own positions on its
    diagonal; `counted` is what `compared` says of them. Two copies of one unit are no pair; a pair drawn m_i m_j times weighs that much. The influence of a unit is
    the derivative by m_i. Where whole clusters are drawn, a cluster's pairs come again with each of its copies.
    """
    if design.members:
        return _of_clusters(similarities, counted, design, resamples)
    if (own := np.diag(counted)).any():
        return _of_means(np.stack([np.diag(m) for m in similarities], axis=1), own, resamples)
    times = resamples.times
    value = np.empty((len(times), len(similarities)))
    influence = np.empty((len(times), design.n, len(similarities)))
    for rows in chunks(len(times), 4 * design.n):
        m = times[rows]
        beside = m @ counted  # (resample, unit): how many partners each unit meets
        pairs = (beside * m).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            for c, similarity in enumerate(similarities):
                met = m @ (counted * similarity)
                value[rows, c] = (met * m).sum(axis=1) / pairs
                slope = 2 * (met - value[rows, c, None] * beside) / pairs[:, None]
                influence[rows, :, c] = np.where(m > 0, slope, 0.0)
    return Replicates(value, influence, value[0])


def _of_means(values: Floats, counted: Floats, resamples: Resamples) -> Replicates:
    """The mean of those (unit, cell) values that count; every resample draws as many of each group."""
    times = resamples.times * counted
    drawn = times.sum(axis=1)[:, None]
    mean = times @ values / drawn
    influence = counted[:, None] * (values[None] - mean[:, None]) / drawn[:, None]
    return Replicates(mean, np.where(resamples.times[:, :, None] > 0, influence, 0.0), mean[0])


def _of_clusters(similarities: Sequence[Floats], counted: Floats, design: Design, resamples: Resamples) -> Replicates:
    """Sums over the pairs of each cluster, none of which reaches into another."""
    member = np.zeros((len(design.members), design.n))
    for c, units in enumerate(design.members):
        member[c, list(units)] = 1.0
    pairs = np.einsum("cn,nm,cm->c", member, counted, member, optimize=True)
    sums = np.stack(
        [np.einsum("cn,nm,cm->c", member, counted * s, member, optimize=True) for s in similarities], axis=1
    )
    times = resamples.times
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = (times @ pairs)[:, None]
        value = times @ sums / drawn
        influence = (sums[None] - value[:, None] * pairs[:, None]) / drawn[:, None]
    return Replicates(value, np.where(times[:, :, None] > 0, influence, 0.0), value[0])
