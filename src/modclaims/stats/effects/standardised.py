"""Activations of texts with every coordinate on one scale, and how far texts lie apart then."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import stratum_centred
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]


def standardised(vectors: Floats, design: Design, eps: float | None = None) -> Floats:
    """(unit, coordinate) activations less their stratum's mean, each coordinate divided by its sd; those that vary only.

    `vectors` is (unit, coordinate). The sd is that of all units about their stratum's mean, whatever their category: an
    exchange of labels leaves it alone, so that a test by exchange stays exact. (About each category's own mean it would
    be smallest for the labels observed: F2 rejected .45 of null data sets of 2 x 12 texts with 400 coordinates, against .06
    here, and .12 against .05 of 60 and 12 texts about one centre, spread 1:3. Power is the same beside none, one and three
    massive coordinates, .71 at 2 x 20 texts 1.5 sd apart on one of 16 coordinates; undivided it falls from .87 to .06.)
    A coordinate that varies by no more than 100 eps of its largest value is left out; `eps` is that of
    what was recorded, of float64 where not given.
    """
    centred = stratum_centred(vectors, design)
    freedom = max(design.n - len(np.unique(design.strata)), 1)
    sd = np.sqrt((centred * centred).sum(axis=0) / freedom)
    rounding = ROUNDING if eps is None else 100 * eps
    varies = sd > rounding * np.abs(vectors).max(axis=0, initial=0.0)
    return np.asarray(centred[:, varies] / sd[varies])


def squared_distances(vectors: Floats) -> Floats:
    """(unit, unit) squared Euclidean distances of (unit, coordinate) vectors; all 0 where there is no coordinate."""
    inner = vectors @ vectors.T
    length = np.diag(inner)
    squared = np.maximum(length[:, None] + length[None, :] - (inner + inner.T), 0.0)
    np.fill_diagonal(squared, 0.0)
    return np.asarray(squared)
