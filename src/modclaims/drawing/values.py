"""Small things that several figures do with their values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def finite(values: NDArray[np.generic]) -> Floats:
    """The finite entries, flat."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return flat[np.isfinite(flat)]


def groups_in_order(values: Sequence[str]) -> list[str]:
    """The distinct values in the order in which they first come."""
    return list(dict.fromkeys(values))
