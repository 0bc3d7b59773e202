"""One level from those of many splits of the same texts, and the limits that belong to it.

The splits are drawn alike, so that, given the data, their levels are exchangeable, however much they resemble each other.
Of exchangeable levels each of which is at most a with chance a or less, the smallest of twice the lower medians of the
first k, over any k chosen beforehand, is such a level again: whether half of those seen so far lie at or below a / 2 may
be asked after every split, by the exchangeable Markov inequality (Ramdas & Manole 2024; Gasparin, Wang & Ramdas 2025). Of
all of them alone it is twice the median (Rueger 1978; Meinshausen, Meier & Buehlmann 2009). It is asked from half of the
splits on: asking earlier would gain power too, and hang on the first few splits.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FACTOR = 2.0
"""At least half of the splits seen have to err together, and so a level counts twice."""


def merged_levels(levels: Sequence[Floats] | Floats) -> Floats:
    """(...) one level from (split, ...) levels of exchangeable splits, at most 1."""
    return np.asarray(np.minimum(1.0, FACTOR * least_middle(levels)))


def least_middle(values: Sequence[Floats] | Floats) -> Floats:
    """(...) of (split, ...) values the smallest lower median of the first splits, from half of them to all: what a merged level
    is twice of."""
    return np.asarray(_middles(np.asarray(values, dtype=np.float64)).min(axis=0))


def merged_lower(limits: Sequence[Floats]) -> Floats:
    """(cell,) the lower limit that belongs to `merged_levels`, from (split, cell) lower limits at level / `FACTOR`.

    A missing limit counts as none at all; missing where too few splits have one.
    """
    return -_limits([-limit for limit in limits])


def merged_upper(limits: Sequence[Floats]) -> Floats:
    """(cell,) the upper limit that belongs to `merged_levels`; as `merged_lower`."""
    return _limits(limits)


def _limits(limits: Sequence[Floats]) -> Floats:
    found = _middles(np.nan_to_num(limits, nan=np.inf, posinf=np.inf, neginf=-np.inf)).min(axis=0)
    return np.where(np.isfinite(found), found, np.nan)


def _middles(values: Floats) -> Floats:
    """(k, ...) lower medians of the first splits, from half of them to all."""
    splits = len(values)
    return np.stack([np.sort(values[:k], axis=0)[(k + 1) // 2 - 1] for k in range((splits + 1) // 2, splits + 1)])
