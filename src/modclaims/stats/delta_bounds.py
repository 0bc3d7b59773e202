"""Bounds of Cliff's delta, and of sums and differences of several: bootstrap-t, with a law at the ends of the scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.actions import Design
from modclaims.stats.bootstrap import Bounds, Replicates, Resamples, bootstrap_t
from modclaims.stats.end_of_scale import CombinedEnds, EndLaw

Floats = NDArray[np.float64]
ENDS = (-1.0, 1.0)


def delta_bounds(
    delta: Replicates, design: Design, resamples: Resamples, *, constant: NDArray[np.bool_] | None = None
) -> Bounds:
    """Bounds of Cliff's delta over pairs of units of a design, a value for each cell, valid to the end of the scale.

    `constant` (cell,): where all similarities are alike but for rounding.
    """
    bounds = bootstrap_t(delta, resamples, ends=ENDS)
    return replace(bounds, end=EndLaw.of_delta(delta.value[0], design), constant=constant)


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
        np.sum([w.influence for w in whole], axis=0),
        np.sum([w.centre for w in whole], axis=0),
    )
    reach = float(np.sum([np.abs(part.weights).sum(axis=0) for part in parts], axis=0).max())
    laws = tuple(EndLaw.of_delta(part.delta.value[0], part.design) for part in parts)
    end = CombinedEnds(laws, tuple(part.weights for part in parts))
    return replace(bootstrap_t(total, resamples, ends=(-reach, reach)), end=end)
