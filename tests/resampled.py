"""Effects of means and of clusters, as tests of bounds need them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs

Floats = NDArray[np.float64]


def means(y: Floats, resamples: Resamples) -> Replicates:
    """The plain mean as an effect: its influence by a unit's multiplicity is (y - mean) / n."""
    value = resamples.times @ y / len(y)
    influence = (y[None] - value[:, None]) / len(y) * (resamples.times[:, :, None] > 0)
    return Replicates(value, influence, value[0])


def made(theta: list[float], t: Floats, **further: object) -> Bounds:
    return Bounds(np.array(theta), np.ones(len(theta)), t, **further)


def clustered(clusters: int) -> tuple[Design, Pairs]:
    """Clusters of two texts of each of two categories."""
    a = Design.of(list("aabb" * clusters), None, np.repeat(np.arange(clusters).astype(str), 4).tolist())
    return a, Pairs.of(a)


def in_clusters(generator: np.random.Generator, clusters: int, effect: float, interaction: float, width: int) -> Floats:
    """(unit, width) of `clustered`: categories `effect` apart along the first axis, and in every cluster in its own way."""
    x = generator.normal(size=(clusters, 4, width)) + generator.normal(size=(clusters, 1, width))
    x += np.repeat(interaction * generator.normal(size=(clusters, 2, width)), 2, axis=1)
    x[:, 2:, 0] += effect
    return np.asarray(x.reshape(-1, width))
