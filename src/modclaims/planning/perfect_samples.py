"""What a perfect sample of a design would reach, where a law bounds effects at the ends of their scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.planning.plan import CountedLevel, TestPlan
from modclaims.stats.bounds.end_of_scale import CombinedEnds, EndLaw
from modclaims.stats.bounds.order_statistics import least_level
from modclaims.stats.chance.actions import Design


def of_delta(made: TestPlan, design: Design, smallest: float, alpha: float) -> TestPlan:
    """The plan of a claim about delta, with what the law at the ends of delta's scale lets it reach."""
    law = EndLaw.of_delta(np.zeros(1), design)
    return replace(
        bounded(made, law, smallest), largest_lower=law.largest_lower(alpha / made.holds.together(made.cells)[0])
    )


def of_sums(made: TestPlan, parts: Sequence[tuple[Design, NDArray[np.float64]]], smallest: float) -> TestPlan:
    """The same of a claim about sums of deltas, from the weights (part, cell) of each design's; one cell stands for all."""
    laws = tuple(EndLaw.of_delta(np.zeros(len(weights)), design) for design, weights in parts)
    return bounded(made, CombinedEnds(laws, tuple(weights for _, weights in parts)), smallest)


def of_medians(made: TestPlan) -> TestPlan:
    """The plan of a claim about medians, whose levels are those of as many tosses as there are units."""
    levels = [least_level(made.units, times) for times in made.holds.together(made.cells)]
    words = f"that of {made.units} {made.unit}s which all lie beyond"
    up, down = (CountedLevel.by_law(level, words) for level in levels)
    return replace(made, bounds=up, perfect=(up, down), bound_floor=min(levels))


def bounded(made: TestPlan, law: EndLaw | CombinedEnds, smallest: float) -> TestPlan:
    """A plan with the smallest levels that any data reach by this law, or by the bootstrap where it has a say."""
    first, last = (
        [law.least(smallest, drawn, times)[side] for side, times in enumerate(made.holds.together(made.cells))]
        for drawn in (made.bounds.floor, made.bounds.lowest)
    )
    up, down = (
        made.bounds
        if level == made.bounds.lowest
        else CountedLevel.by_law(level, f"that of a perfect sample of so many {made.unit}s")
        for level in last
    )
    return replace(made, perfect=(up, down), bound_floor=min(first))
