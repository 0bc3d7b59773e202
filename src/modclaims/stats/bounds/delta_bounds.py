"""Bounds of Cliff's delta, and of sums and differences of several: bootstrap-t, with a law at the ends of the scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.end_of_scale import CombinedEnds, EndLaw, disjoint_comparisons
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design

Floats = NDArray[np.float64]
ENDS = (-1.0, 1.0)


def delta_bounds(
    delta: Replicates, design: Design, resamples: Resamples, *, flat: NDArray[np.int64] | None = None
) -> Bounds:
    """Bounds of Cliff's delta over pairs of units of a design, a value for each cell, valid to the end of the scale.

    `flat` are cells whose similarities are all alike but for rounding, or are not finite.
    """
    bounds = bootstrap_t(delta, resamples, ends=ENDS)
    constant = np.zeros(len(delta.centre), dtype=bool)
    if flat is not None:
        constant[flat] = True
    constant &= np.isfinite(delta.value[0])
    return replace(bounds, end=EndLaw.of_delta(delta.value[0], design), constant=constant if constant.any() else None)


def lower_limits_under_any_law(delta: Floats, design: Design, level: float) -> Floats | None:
    """(cell,) lower limits of delta from comparisons that share no text, which assume nothing of how texts vary.

    None where a design has too few texts for a single one, or where clusters are drawn.
    """
    if design.members or not (b := disjoint_comparisons(design)):
        return None
    law = EndLaw.of(delta, b=b, ends=ENDS, fewest=1)
    return law.lower(np.full(delta.shape, -1.0), level)


@dataclass(frozen=True)
class Part:
    """Deltas of one design that enter a sum, with their weights."""

    delta: Replicates
    design: Design
    weights: Floats
    """(part, cell)."""


def combined_bounds(parts: Sequence[Part], resamples: Resamples) -> Bounds:
    """Bounds of sums and differences of deltas, all resampled together; they never leave the scale of the sum."""
    whole = [part.delta.weighted(part.weights) for part in parts]
    total = Replicates(
        np.sum([w.value for w in whole], axis=0),
        reduce(np.add, [w.influence for w in whole]),
        np.sum([w.centre for w in whole], axis=0),
    )
    reach = float(np.sum([np.abs(part.weights).sum(axis=0) for part in parts], axis=0).max())
    laws = tuple(EndLaw.of_delta(part.delta.value[0], part.design) for part in parts)
    end = CombinedEnds(laws, tuple(part.weights for part in parts))
    return replace(bootstrap_t(total, resamples, ends=(-reach, reach)), end=end)
