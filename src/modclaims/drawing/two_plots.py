"""Two plots by relative depth, one above the other, under one key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from modclaims.drawing.paper import (
    DEPTH_LEFT,
    TEXT,
    WIDTH,
    Entry,
    Paper,
    colour_of,
    fitted,
    grid,
    key_height,
    layer_axis,
)

Floats = NDArray[np.float64]
BELOW, GAP = 30.0, 12.0
"""What lies below the lower plot, and between the two, in points."""
SIDES = (("category-1", "o"), ("category-2", "s"))
"""Colours and markers of two effects that stand beside each other."""


@dataclass(frozen=True)
class TwoPlots:
    """Two plots by relative depth on one sheet; `tall` are their heights, the upper one's first."""

    paper: Paper
    upper: Axes
    lower: Axes
    tall: tuple[float, float]

    @classmethod
    def of(cls, entries: Sequence[Entry], tall: tuple[float, float]) -> TwoPlots:
        """A sheet with its key and two empty plots."""
        wide, (above, below) = WIDTH - DEPTH_LEFT - 10, tall
        paper = Paper.of(WIDTH, 10 + key_height(entries, wide) + 24 + above + GAP + below + BELOW)
        paper.key(DEPTH_LEFT, paper.height - 10, entries, wide)
        upper = paper.axes(DEPTH_LEFT, BELOW + below + GAP, wide, above)
        lower = paper.axes(DEPTH_LEFT, BELOW, wide, below)
        for axes in (upper, lower):
            grid(axes)
        return cls(paper, upper, lower, tall)

    def by_depth(self, depth: Floats, layer: Floats) -> None:
        """One axis of depth for both."""
        layer_axis(self.paper, self.lower, depth, layer, BELOW + self.tall[1] + GAP + self.tall[0])
        self.upper.set_xlim(self.lower.get_xlim())
        self.upper.xaxis.set_major_locator(FixedLocator(self.lower.get_xticks().tolist()))
        self.upper.tick_params(labelbottom=False)

    def say(self, upper: str, lower: str) -> None:
        """What the two plots measure, on their left."""
        above, below = self.tall
        for words, bottom, tall in ((upper, BELOW + below + GAP, above), (lower, BELOW, below)):
            words = fitted(words, TEXT, tall + GAP)
            self.paper.say_upwards(8, bottom + tall / 2, words)


def with_bounds(axes: Axes, x: Floats, effect: Floats, low: Floats, high: Floats, colour: str, marker: str) -> None:
    """An effect a layer with its bounds; where there is none, to the edge of the axes."""
    limits = axes.get_ylim()
    ends = np.where(np.isfinite(low), low, limits[0]), np.where(np.isfinite(high), high, limits[1])
    known = np.isfinite(effect)
    axes.vlines(x[known], ends[0][known], ends[1][known], color=colour_of(colour), linewidth=1.1)
    axes.plot(x, effect, color=colour_of(colour), marker=marker, markersize=4)


def side_by_side(axes: Axes, depth: Floats, effect: Floats, low: Floats, high: Floats) -> None:
    """Two effects, (2, layer), with their bounds, moved apart so that bounds of equal effects do not hide each other."""
    shift = min(0.006, 0.1 / len(depth))
    for i, (colour, marker) in enumerate(SIDES):
        with_bounds(axes, depth + shift * (2 * i - 1), effect[i], low[i], high[i], colour, marker)


def zero_and_smallest(axes: Axes, smallest: float) -> None:
    """Lines at no effect, and at the smallest that matters where it is known."""
    axes.axhline(0, color=colour_of("rule"), linewidth=0.8)
    if np.isfinite(smallest):
        axes.axhline(smallest, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
