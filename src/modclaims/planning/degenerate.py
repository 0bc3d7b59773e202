"""Degenerate resamples, which count against any effect, whatever the data: those in which no text varies.

`draw` gives the very resamples that the run will draw, by the claim's own function; it is called only where some of so many
may be degenerate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Floats
from modclaims.stats.bounds.cluster_sums import ClusterSums
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.levels import level_replicates

Draw = Callable[[], Resamples]
NEVER = 1e-9
"""Fewer resamples than this are expected never to occur, and are not looked for."""


def degenerate_pairs(design: Design, count: int, draw: Draw) -> int:
    """Resamples without a pair of different texts of one category: they have no Cliff's delta."""
    pairs = Pairs.of(design)
    units = np.concatenate(pairs.members)
    if not design.members:
        if _never(design, units, count):
            return 0
        return int(_collapsed(draw(), units).sum())
    compared = np.array([np.isin(cluster, units).any() for cluster in design.members])
    return int((draw().times[1:] @ compared == 0).sum())


def degenerate_fits(design: Design, count: int, draw: Draw) -> int:
    """Resamples in which responses do not vary inside categories, or categories cannot be told apart."""
    every = np.arange(design.n)
    if not design.members:
        if _never(design, every, count):
            return 0
        return int(_collapsed(draw(), every).sum())
    drawn = draw()
    return int(np.isnan(ClusterSums.of(np.zeros((design.n, 1)), design).fit(drawn.times[1:])[:, 0, 0]).sum())


def degenerate_levels(design: Design, weights: Sequence[Floats], count: int, draw: Draw) -> int:
    """Resamples that hold no pair for one of these levels of similarity, each given by its weights of pairs, or nothing
    that varies: as where a category has three texts, and one of them was drawn thrice."""
    sizes = [len(design.members)] if design.members else np.unique(design.cells, return_counts=True)[1]
    if math.log(count) - min((n - 1) * math.log(n) for n in sizes) < math.log(NEVER):
        return 0
    drawn, any_ = draw(), np.zeros((design.n, design.n))
    spent = np.zeros(drawn.count, dtype=bool)
    for one in weights:
        spent |= np.isnan(level_replicates([any_], one, design, drawn).value[1:, 0])
    if not design.members:
        spent |= _collapsed(drawn, np.arange(design.n))
    return int(spent.sum())


def _collapsed(drawn: Resamples, units: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(resample,) whether in every group of these units one and the same was drawn throughout, so that nothing varies."""
    times, groups = drawn.times[1:, units], drawn.groups[units]
    found = np.ones(len(times), dtype=bool)
    for g in np.unique(groups):
        inside = times[:, groups == g]
        found &= inside.max(axis=1) == inside.shape[1]
    return found


def _never(design: Design, units: NDArray[np.int64], count: int) -> bool:
    """Whether that is out of the question, and need not be looked for."""
    _, sizes = np.unique(design.cells[units], return_counts=True)
    return bool(math.log(count) - ((sizes - 1) * np.log(sizes)).sum() < math.log(NEVER))
