"""Bands along depth, and the width that curves have where there is a single layer."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from modclaims.drawing.paper import colour_of

Floats = NDArray[np.float64]
HALF = 0.1
"""Half of the width of a single layer, in relative depth."""


def band(axes: Axes, depth: Floats, low: Floats, high: Floats) -> None:
    """The band where it is known; a bar where there is a single layer."""
    if len(depth) == 1:
        axes.fill_between(widened(depth), [low[0]] * 2, [high[0]] * 2, color=colour_of("chance"))
        return
    known = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(depth, low, high, where=known.tolist(), color=colour_of("chance"), linewidth=0)


def band_and_mean(axes: Axes, depth: Floats, low: Floats, mean: Floats, high: Floats) -> None:
    """A band with the mean of what it spans, to the width of a single layer where there is one."""
    at = widened(depth)
    low, mean, high = (np.resize(values, len(at)) for values in (low, mean, high))
    axes.fill_between(at, low, high, color=colour_of("chance"), linewidth=0)
    axes.plot(at, mean, color=colour_of("twin"), linewidth=0.9)


def widened(depth: Floats) -> Floats:
    """Depths of a curve: both ends of a single layer, which has no width of its own."""
    return depth if len(depth) > 1 else np.array([depth[0] - HALF, depth[0] + HALF])
