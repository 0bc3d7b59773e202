"""Resamples: how often the bootstrap drew each unit, inside each category x stratum, or each of whole clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.actions import Codes, Design

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resamples:
    """How often each unit was drawn; made once a claim and used at every cell."""

    times: Floats
    """(1 + R, unit) multiplicities, or (1 + R, cluster); row 0 is all ones."""
    groups: Codes
    """(unit,) group inside which units were resampled (category x stratum); all zero for clusters."""
    fixed: tuple[int, ...] = ()
    """Groups that are no texts, so that more texts leave what they vary by: null objects, matched sets, random bases."""

    @property
    def null_objects(self) -> int:
        """How many units of those groups there are."""
        return int(np.isin(self.groups, self.fixed).sum())

    @property
    def count(self) -> int:
        """R, the number of resamples."""
        return len(self.times) - 1


def resample(design: Design, *, count: int, rng: np.random.Generator) -> Resamples:
    """`count` resamples, with replacement: of units inside each category x stratum, or of whole clusters among them all.

    Clusters are one group even where a column is constant in each of them: what its values differ by then counts as
    spread, which widens bounds, and few clusters a value would leave too few to draw from.
    """
    groups = np.zeros(len(design.members), dtype=np.int64) if design.members else design.cells
    return resample_groups(groups, count=count, rng=rng)


def resample_groups(groups: Codes, *, count: int, rng: np.random.Generator) -> Resamples:
    """`count` resamples of the units, with replacement, inside each group."""
    times = np.ones((count + 1, len(groups)))
    for g in np.unique(groups):
        where = np.flatnonzero(groups == g)
        picks = rng.integers(0, len(where), size=(count, len(where)))
        flat = (picks + len(where) * np.arange(count)[:, None]).ravel()
        times[1:, where] = np.bincount(flat, minlength=count * len(where)).reshape(count, len(where))
    return Resamples(times, groups)
