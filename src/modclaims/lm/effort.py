"""How long Jacobians will take on this machine, from a probe of a moment."""

from __future__ import annotations

import time
from functools import lru_cache

import numpy as np

from modclaims.workers import cores

PROBE = 384
"""Rows of the matrices of a probe."""
BESIDE = 1.5
"""By how much more a Jacobian takes than its products and decompositions alone: weights are copied, norms applied, noise drawn."""
LONG = 600.0
"""Seconds from which a run warns."""


REMEDY = "To take less time, lower draws, texts or tokens of claims on Jacobians, name their layers, or leave them out with -k."


def told_seconds(number: float) -> str:
    """About how long, to be read by people."""
    if number < 90:
        return f"about {max(1, round(number))} s"
    minutes = number / 60
    return f"about {minutes:.0f} min" if minutes < 90 else f"about {minutes / 60:.1f} h"


@lru_cache
def operations_per_second() -> float:
    """Of matrix products in float64 on one processor, decompositions among them, by its own time: other processes do not count."""
    from threadpoolctl import threadpool_limits

    matrix = np.random.default_rng(0).standard_normal((PROBE, PROBE))
    with threadpool_limits(1):
        best = np.inf
        for _ in range(3):
            started = time.thread_time()
            gram = matrix @ matrix.T
            np.linalg.eigvalsh(gram)
            best = min(best, time.thread_time() - started)
    return 6 * PROBE**3 / best


def seconds(operations: float) -> float:
    """How long so many operations take on all processors, one block on each."""
    return BESIDE * operations / operations_per_second() / cores() if operations else 0.0
