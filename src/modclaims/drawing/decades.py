"""Decimal logarithms, for axes that are drawn in decades."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DECADES = 18
"""How far below 1 such an axis reaches at most."""


def logs(values: Floats, floor: float = math.nan) -> Floats:
    """Decimal logarithms; `floor` for what has none."""
    good = np.isfinite(values) & (values > 0)
    return np.where(good, np.log10(np.where(good, values, 1.0)), floor)
