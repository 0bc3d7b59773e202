"""Bounds of very many resamples, worked out some at a time: influences of all units in all of them would fill the memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples

TOGETHER = 10_000
"""Resamples whose influences are held at once: as many as are drawn by default."""


def in_parts(bounds_of: Callable[[Resamples], Bounds], resamples: Resamples) -> Bounds:
    """`bounds_of(resamples)`, of which no more than `TOGETHER` resamples are looked at together.

    What the sample itself says must not hang on the resamples, and what each of them says must be a row of `t`: so it is
    with the bootstrap-t, not with levels merged over splits, whose parts are to be made so instead.
    """
    if resamples.count <= TOGETHER:
        return bounds_of(resamples)
    found = [
        bounds_of(
            replace(resamples, times=np.concatenate([resamples.times[:1], resamples.times[start : start + TOGETHER]]))
        )
        for start in range(1, resamples.count + 1, TOGETHER)
    ]
    return replace(found[0], t=np.concatenate([part.t for part in found]))
