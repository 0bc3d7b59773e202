"""Rows of effects with intervals: words on the left, numbers on the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from modclaims.decimals import decimals_of_effect
from modclaims.drawing.numerals import NOTHING, interval, number
from modclaims.drawing.paper import TEXT, Paper, colour_of, grid, span, tidy_numbers

AT_BOUNDS = 41
"""Points from a plot of rows to the intervals that stand beside it."""


@dataclass(frozen=True)
class EffectRow:
    """One line of a plot of effects with intervals."""

    words: str
    effect: float
    low: float
    high: float
    smallest: float
    colour: str
    marker: str

    def told(self) -> tuple[str, str]:
        """The effect and its interval, as they stand beside the row."""
        decimals = decimals_of_effect(self.smallest, self.low, self.high)
        bounds = interval(self.low, self.high, decimals)
        return number(self.effect, decimals), "no bound" if bounds == NOTHING else bounds

    def mark(self, axes: Axes, y: float, edges: tuple[float, float]) -> None:
        """Interval, tick at the smallest effect, and effect; an interval without an end runs to the edge."""
        if np.isfinite(self.smallest):
            axes.vlines(self.smallest, y - 0.36, y + 0.36, color=colour_of("threshold"), linewidth=1.6)
        if np.isfinite(self.low) or np.isfinite(self.high):
            ends = [
                self.low if np.isfinite(self.low) else edges[0],
                self.high if np.isfinite(self.high) else edges[1],
            ]
            axes.plot(ends, [y, y], color=colour_of(self.colour), linewidth=1.5)
        hollow = self.marker.endswith(" hollow")
        axes.plot(
            [self.effect],
            [y],
            color=colour_of(self.colour),
            marker=self.marker.split()[0],
            markersize=5.2,
            markeredgewidth=1.3,
            markerfacecolor=colour_of("paper") if hollow else colour_of(self.colour),
        )


def effect_rows(
    paper: Paper, rows: Sequence[EffectRow], box: tuple[float, float, float, float], label: str, *, pitch: float
) -> None:
    """Rows of effect, interval and tick at the smallest effect, in a box (left, bottom, width, height) of a paper."""
    left, bottom, width, height = box
    axes = paper.axes(left, bottom, width, height)
    grid(axes, "x")
    edges = span(*([r.effect, r.low, r.high, r.smallest] for r in rows), 0.0)
    axes.axvline(0, color=colour_of("rule"), linewidth=0.9)
    size = min(TEXT, pitch * 0.5)
    for i, row in enumerate(rows):
        row.mark(axes, len(rows) - 1 - i, edges)
        at = bottom + height * (len(rows) - 1 - i + 0.5) / len(rows) - 2.5
        told, bounds = row.told()
        paper.say(left - 8, at, row.words, ha="right", size=size, colour="ink")
        paper.say(left + width + AT_BOUNDS - 5, at, told, ha="right", size=size, colour="ink")
        paper.say(left + width + AT_BOUNDS, at, bounds, size=size, colour="ink")
    axes.set(xlim=edges, ylim=(-0.5, len(rows) - 0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    tidy_numbers(axes, "x", 6)
    axes.set_xlabel(label, labelpad=3)
