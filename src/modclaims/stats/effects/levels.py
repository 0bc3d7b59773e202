"""Levels of similarity - of one text with itself, of texts of one category, of two, of any two - and what they vary by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import chunks
from modclaims.stats.ties import alike, tolerance

Floats = NDArray[np.float64]
LEVELS = {
    "same_text": "positions of one text",
    "same_category": "texts of one category",
    "different_category": "texts of different categories",
    "other_text": "different texts",
}
"""Which pairs a level is the mean over, in words."""


def compared(design: Design, level: str, category: str | None = None) -> Floats:
    """(unit, unit) how much a pair weighs in a level: pairs inside one stratum, a unit with itself for `same_text`.

    Every pair weighs the same in `same_text` and `other_text`. Of the other two, each category (of two units or more)
    and each pair of categories weighs the same in every stratum that holds one, so that their difference is the gap of
    `pair_effects.gap` and unequal sizes make no effect of unequal spread. With `category`, only pairs with a unit of it.
    Raises `ClaimError` for an unknown level or category, and where no pair counts.
    """
    if level not in LEVELS:
        raise ClaimError(f"Level {level!r} is unknown; choose one of {', '.join(LEVELS)}.")
    if category is not None and category not in design.names:
        raise ClaimError(f"Category {category!r} is none of those compared: {', '.join(design.names)}.")
    itself, alike = np.eye(design.n, dtype=bool), design.labels[:, None] == design.labels
    together = design.strata[:, None] == design.strata
    counted = {
        "same_text": itself,
        "same_category": together & alike & ~itself,
        "different_category": together & ~alike,
        "other_text": together & ~itself,
    }[level]
    if category is not None:
        mine = design.labels == design.names.index(category)
        counted = counted & (mine[:, None] | mine)
    if not counted.any():
        raise ClaimError(f"No {LEVELS[level]} can be compared inside one stratum, so that level {level!r} is nothing.")
    weights: Floats = np.asarray(counted, dtype=np.float64)
    if level in ("same_text", "other_text"):
        return weights
    low, high = (pick(design.labels[:, None], design.labels) for pick in (np.minimum, np.maximum))
    kind = (design.strata[:, None] * design.k + low) * design.k + high
    _, which, pairs = np.unique(kind[counted], return_inverse=True, return_counts=True)
    stratum = (design.strata[:, None] + 0 * kind)[counted]
    # every stratum weighs the same, and every kind of pair in it
    first = np.unique(which, return_index=True)[1]
    kinds = np.bincount(stratum[first], minlength=int(design.strata.max()) + 1)
    weights[counted] = 1 / (pairs[which] * kinds[stratum])
    return weights


def level_replicates(
    similarities: Sequence[Floats], weights: Floats, design: Design, resamples: Resamples
) -> Replicates:
    """The weighted mean similarity of pairs of units, at each cell under every resample.

    `similarities` holds a symmetric (unit, unit) matrix a cell, with the similarity of each unit's own positions on its
    diagonal; `weights` are those of `compared`. Two copies of one unit are no pair; a pair drawn m_i m_j times weighs
    that much more. Pairs inside one group are thereby drawn less often than others, by (n - 1) / n, which the centre
    heeds. The influence of a unit is the derivative by m_i; none where similarities differ by rounding alone. Where whole
    clusters are drawn, a cluster's pairs come again with each of its copies.
    """
    if design.members:
        found = _of_clusters(similarities, weights, design, resamples)
    elif (own := np.diag(weights)).any():
        found = _of_means(np.stack([np.diag(m) for m in similarities], axis=1), own, resamples)
    else:
        found = _of_pairs(similarities, weights, resamples)
    for c, similarity in enumerate(similarities):
        values = similarity[weights > 0][:, None]
        if alike(values, tolerance(values))[0]:
            found.influence[..., c] = 0.0
            found.value[:, c] = np.where(np.isfinite(found.value[:, c]), found.centre[c], np.nan)
    return found


def _of_pairs(similarities: Sequence[Floats], weights: Floats, resamples: Resamples) -> Replicates:
    times, groups = resamples.times, resamples.groups
    n = len(weights)
    value, influence = np.empty((len(times), len(similarities))), np.empty((len(times), n, len(similarities)))
    for rows in chunks(len(times), 4 * n):
        m = times[rows]
        beside = m @ weights  # (resample, unit): the weight of the partners that each unit meets
        pairs = (beside * m).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            for c, similarity in enumerate(similarities):
                met = m @ (weights * similarity)
                value[rows, c] = (met * m).sum(axis=1) / pairs
                slope = 2 * (met - value[rows, c, None] * beside) / pairs[:, None]
                influence[rows, :, c] = np.where(m > 0, slope, 0.0)
    size = np.bincount(groups)[groups]
    expected = weights * np.where(groups[:, None] == groups, (size - 1) / size, 1.0)
    centre = np.array([(expected * similarity).sum() for similarity in similarities]) / expected.sum()
    return Replicates(value, influence, centre)


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
