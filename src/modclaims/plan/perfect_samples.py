"""What a perfect sample of a design would reach, where a law bounds effects at the ends of their scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.plan.sketch import Counted, Sketch
from modclaims.stats.actions import Design
from modclaims.stats.end_of_scale import CombinedEnds, EndLaw
from modclaims.stats.quantifiers import Everywhere, InFraction

PERFECT = "a perfect sample of so many texts"


def together(made: Sketch) -> tuple[int, int]:
    """How many cells are bounded together where a claim is supported, and where it is refuted."""
    if isinstance(made.holds, Everywhere):
        return 1, made.cells
    if isinstance(made.holds, InFraction):
        return made.cells - made.needed + 1, made.needed
    return made.cells, 1


def perfect(made: Sketch, design: Design, smallest: float, alpha: float) -> dict[str, Any]:
    """What the law at the ends of delta's scale lets a claim reach."""
    up, down = together(made)
    none = np.zeros(1)
    top, bottom = (EndLaw.of_delta(np.array([end]), design) for end in (1.0, -1.0))
    levels = float(top.p_lower(none, smallest, up)[0]), float(bottom.p_upper(none, smallest, down)[0])
    return {
        "perfect": tuple(Counted.by_law(level, PERFECT) for level in levels),
        "largest_lower": top.largest_lower(alpha / up),
    }


def combined(
    parts: Sequence[tuple[Design, NDArray[np.float64]]], smallest: float, up: int = 1, down: int = 1
) -> tuple[Counted, Counted]:
    """The same of sums of deltas, from the weights (part, 1) of each design's."""
    found = []
    for sign, times in ((1.0, up), (-1.0, down)):
        laws = tuple(EndLaw.of_delta(sign * np.sign(weights[:, 0]), design) for design, weights in parts)
        ends = CombinedEnds(laws, tuple(weights for _, weights in parts))
        level = ends.p_lower if sign > 0 else ends.p_upper
        found.append(Counted.by_law(float(level(np.zeros(1), smallest, times)[0]), PERFECT))
    return found[0], found[1]
