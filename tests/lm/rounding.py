"""What two computations of one number in float32 may differ by: tolerances that follow from the arithmetic."""

from __future__ import annotations

import math

UNIT = 2.0**-24
"""The largest relative error of one rounding in float32."""


def rounding(roundings: int) -> float:
    """As a share of the number's scale, where either computation rounds so many times, one after the other.

    n roundings of at most u add up to more than 4 sqrt(n) u in fewer than 7 of 10,000 cases (Higham & Mary 2019, theorem
    2.4), and there are two computations. In which order products are summed is the processor's affair: no tolerance below
    this is fair to all of them.
    """
    return 4 * math.sqrt(2 * roundings) * UNIT


def of_network(
    *, layers: int = 3, width: int = 16, mlp: int = 40, heads: int = 4, head_width: int = 6, tokens: int
) -> float:
    """The same for what a pre-norm transformer holds behind so many blocks: norm, projections, scores, softmax and mix of
    `tokens` values, output; norm, into the MLP and out of it. About 7e-6 for the tiny networks of these tests."""
    attention = 2 * width + head_width + 2 * tokens + heads * head_width
    return rounding(layers * (attention + 2 * width + mlp))
