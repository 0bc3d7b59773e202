"""Replicates: an effect and each unit's influence on it under every resample, and the standard errors that follow."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.resamples import Resamples

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Replicates:
    """An effect under every resample."""

    value: Floats
    """(1 + R, cell); not a number where a resample leaves the effect undefined."""
    influence: Floats
    """(1 + R, unit, cell) derivative of the value by a unit's multiplicity; zero for units not drawn. Or (1, unit, cell), where
    that of the sample stands for all resamples."""
    centre: Floats
    """(cell,) the effect of the empirical distribution that is resampled: what a resample's value estimates.

    The sample's own value for estimators that resampling leaves unbiased; for bias-corrected ones the plain
    plug-in value, since inside small groups a resample's spread is smaller than the sample's."""

    def weighted(self, weights: Floats) -> Replicates:
        """Linear combinations of cells: `weights` is (cell, contrast)."""
        return Replicates(self.value @ weights, self.influence @ weights, self.centre @ weights)


def standard_errors(replicates: Replicates, resamples: Resamples) -> Floats:
    """(1 + R, cell) Hajek-projection standard errors: spread of the influences inside each resampling group.

    With n_g draws from a group, Var = sum over groups of n_g / (n_g - 1) x sum of squared centred influences.
    A group with one unit adds nothing, so its category's own spread is unseen.
    """
    times, variance = resamples.times, np.zeros_like(replicates.value)
    for g in np.unique(resamples.groups):
        where = np.flatnonzero(resamples.groups == g)
        if len(where) < 2:
            continue
        part, drawn = replicates.influence[:, where], times[:, where, None]
        if len(part) < len(drawn):  # held for all resamples: sums are matrix products
            mean = times[:, where] @ part[0] / len(where)
            terms = times[:, where] @ part[0] ** 2
        else:
            mean = (drawn * part).sum(axis=1) / len(where)
            terms = (drawn * part**2).sum(axis=1)
        squares = terms - len(where) * mean**2
        # no more than rounding is no spread, which must not pass for a tiny one
        variance += len(where) / (len(where) - 1) * np.where(squares > 1e-13 * terms, squares, 0.0)
    return np.sqrt(variance)


def share_of_fixed(replicates: Replicates, resamples: Resamples) -> Floats | None:
    """(cell,) what the fixed groups bring of the sample's own variance; None where all units are texts."""
    if not resamples.fixed:
        return None
    sample = Replicates(replicates.value[:1], replicates.influence[:1], replicates.centre)
    which = np.isin(resamples.groups, resamples.fixed)
    part = replace(sample, influence=sample.influence * which[None, :, None])
    one = Resamples(resamples.times[:1], resamples.groups)
    with np.errstate(invalid="ignore"):
        return np.asarray((standard_errors(part, one) / standard_errors(sample, one))[0] ** 2)


def minus(first: Replicates, second: Replicates) -> Replicates:
    """One effect less another under the same resamples."""
    return Replicates(first.value - second.value, first.influence - second.influence, first.centre - second.centre)
