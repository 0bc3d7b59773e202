"""Textbook effect sizes of one category's responses against the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def hedges_g(inside: Floats, outside: Floats) -> float:
    """Hedges' g of one category's responses against the rest, positive when the category responds more (pingouin)."""
    from pingouin import compute_effsize

    return float(compute_effsize(inside, outside, eftype="hedges"))
