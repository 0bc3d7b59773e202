"""Relative depth: what layers of unlike networks have in common, and effects between two layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def relative_depths(layers: int) -> Floats:
    """(layer,) layer / (layers - 1), from 0 at the first layer to 1 at the last; at least 2 layers are needed."""
    return np.arange(layers) / (layers - 1)


def between_layers(layers: int, depths: Floats) -> Floats:
    """(layer, depth) weights by which values of layers give those at relative depths, linearly between neighbours.

    Depths lie from 0 to 1. Every column sums to 1 and has at most two entries that are not 0.
    """
    at = np.asarray(depths, dtype=np.float64) * (layers - 1)
    at = np.where(np.abs(at - np.rint(at)) < 1e-9, np.rint(at), at)  # a layer of its own, whatever the division left
    below = np.clip(np.floor(at).astype(np.int64), 0, layers - 2)
    share, columns = at - below, np.arange(len(at))
    weights = np.zeros((layers, len(at)))
    weights[below, columns] = 1 - share
    weights[below + 1, columns] += share
    return weights
