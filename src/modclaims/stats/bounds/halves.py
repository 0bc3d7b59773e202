"""Standard errors by half-samples, for numbers that depend on how the units were learned from, and not on each unit alone.

Two halves of the units share none, so that what is worked out in each, learning included, is independent of the other. Half
of their squared difference estimates the variance of what a half gives, and a quarter of it that of what all units give, where
variance falls as units grow in number (McCarthy 1969). Where more is learned from more units it falls faster, and the
error is too large rather than too small. One halving says little; over several at random the mean is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def halvings(units: int, count: int, rng: np.random.Generator) -> list[tuple[Codes, Codes]]:
    """So many random divisions of the units in two halves, ascending; of an odd number one unit is left out of each."""
    half, found = units // 2, []
    for _ in range(count):
        order = rng.permutation(units)
        found.append((np.sort(order[:half]), np.sort(order[half : 2 * half])))
    return found


def half_sample_errors(pairs: Sequence[tuple[Floats, Floats]]) -> Floats:
    """(cell,) standard errors of what all units give, from (cell,) values of both halves of several halvings."""
    squares = [(first - second) ** 2 for first, second in pairs]
    return np.asarray(np.sqrt(np.mean(squares, axis=0)) / 2)
