"""When two numbers are one but for rounding: ties of similarities, and cells in which nothing varies.

One rule for all: within 100 eps max|S|, S as it was before anything was taken from it. The range of the values is no
measure of their rounding: where all vectors point one way the range *is* rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDING = 100 * float(np.finfo(np.float64).eps)
"""Numbers that differ by no more than this share of the largest among them differ by rounding.

A cosine of two rows is a sum of d products, whose rounding grows like sqrt(d) eps at most: of 36 collinear vectors of 768
coordinates cosines range over 6 eps where they are recorded in float32 and over 4 eps in float64.
"""


def tolerance(values: Floats) -> Floats:
    """(cell,) by how much (row, cell) values may differ by rounding alone; values that are not finite aside."""
    largest, least = values.max(axis=0, initial=0.0), values.min(axis=0, initial=0.0)
    if np.isfinite(largest).all() and np.isfinite(least).all():
        return np.asarray(ROUNDING * np.maximum(largest, -least))
    size = np.abs(values)
    return np.asarray(ROUNDING * np.where(np.isfinite(size), size, 0.0).max(axis=0, initial=0.0))


def codes(values: Floats, slack: float) -> NDArray[np.int64]:
    """(value,) ascending whole numbers, equal where values tie: where neighbours in order are at most `slack` apart."""
    order = np.argsort(values, kind="stable")
    found = np.empty(len(values), dtype=np.int64)
    found[order] = np.concatenate([[0], np.cumsum(np.diff(values[order]) > slack)])[: len(values)]
    return found


def alike(values: Floats, slack: Floats) -> NDArray[np.bool_]:
    """(cell,) whether all (row, cell) values are finite and at most `slack` (cell,) apart."""
    with np.errstate(invalid="ignore"):
        largest, least = values.max(axis=0), values.min(axis=0)
        return np.asarray(np.isfinite(largest) & np.isfinite(least) & (largest - least <= slack))
