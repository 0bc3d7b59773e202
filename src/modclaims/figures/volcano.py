"""Effects of many cells against their adjusted p."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import p_value
from modclaims.drawing.rows import Table, cut, rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry, Paper

Floats = NDArray[np.float64]
LEFT, BELOW, TALL = 44.0, 32.0, 166.0
"""Where the axes lie, and how tall they are, in points."""
NAMED = 6
"""Cells that are named at most."""


@dataclass(frozen=True)
class Volcano(FigureData):
    """Effects against adjusted p, a point per cell, the strongest cells by name."""

    effect: Annotated[Floats, Axes("cell")]
    p_adjusted: Annotated[Floats, Axes("cell")]
    alpha: Annotated[float, Axes()]
    """The level."""
    cells: tuple[str, ...] = ()
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        cells = self._cells()
        if len(self.p_adjusted) != len(self.effect):
            raise ValueError("effects and p-values of a volcano differ in number")
        height = -np.log10(np.clip(self.p_adjusted, 1e-300, 1))
        below = np.nan_to_num(self.p_adjusted, nan=2.0) <= self.alpha
        paper = kit.Paper.of(kit.WIDTH * 0.78, 230)
        wide = paper.width - 56
        axes = paper.axes(LEFT, BELOW, wide, TALL)
        kit.grid(axes, "both")
        self._points(axes, height, below)
        level = -math.log10(self.alpha) if 0 < self.alpha < 1 else float("nan")
        x, (_, top) = kit.span(self.effect), kit.span(height, level, 0.0, margin=0.12)
        axes.set(xlim=x, ylim=(-top * 0.04, top))
        if np.isfinite(level):
            axes.axhline(level, color=kit.colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        decades = [d for d in range(0, math.ceil(top) + 1, max(1, math.ceil(top / 6))) if d <= top]
        axes.set_yticks(decades, [p_value(10.0**-d) for d in decades])
        kit.tidy_numbers(axes, "x")
        axes.set_xlabel(self.effect_name, labelpad=3)
        paper.say_upwards(9, BELOW + TALL / 2, "adjusted p")
        paper.key(LEFT, paper.height - 10, self._entries(), paper.width - 50)
        across = (self.effect - x[0]) / (x[1] - x[0]) * wide + LEFT
        places = np.stack([across, (height / top + 0.04) / 1.04 * TALL + BELOW], axis=1)
        chosen = [int(i) for i in self._order()[:NAMED] if below[i]]
        _name_cells(paper, places, chosen, cells, (LEFT, BELOW, paper.width - 4, BELOW + TALL))
        return paper.figure

    def _points(self, axes: Plot, height: Floats, below: NDArray[np.bool_]) -> None:
        """A point per cell, by whether it lies below the level."""
        from modclaims.drawing.paper import colour_of

        for mine, colour, marker in ((~below, "twin", "o"), (below, "effect", "D")):
            axes.plot(
                self.effect[mine],
                height[mine],
                linestyle="none",
                marker=marker,
                markersize=3.6,
                color=colour_of(colour),
                markeredgewidth=0,
                alpha=0.8,
                rasterized=len(self.effect) > 1500,
            )

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        return [
            ("D", "effect", "at most the level"),
            ("o", "twin", "above it"),
            ("dashes", "threshold", f"level {p_value(self.alpha)}"),
        ]

    def _order(self) -> NDArray[np.int64]:
        """Cells by rising p, the largest effects first."""
        return np.lexsort((-np.nan_to_num(self.effect, nan=-np.inf), np.nan_to_num(self.p_adjusted, nan=2.0)))

    def _cells(self) -> list[str]:
        return labels_for(len(self.effect), self.cells, "cells of volcano")

    def table(self) -> Table:
        cells = self._cells()
        rows = [(cells[i], rounded(self.effect[i]), p_value(float(self.p_adjusted[i]))) for i in self._order()]
        kept, left = cut(rows, "larger p")
        return Table(("cell", self.effect_name, "adjusted p"), kept, left_out=left)


def _name_cells(
    paper: Paper, points: Floats, chosen: Sequence[int], cells: Sequence[str], box: tuple[float, float, float, float]
) -> None:
    """Names of the strongest cells beside their points, each left away where it would lie on a point or on another name.

    `points` (cell, 2) and `box` (left, bottom, right, top) are in points of the paper.
    """
    from modclaims.drawing.paper import fitted, text_width

    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in points if np.isfinite(x) and np.isfinite(y)]
    for i in chosen:
        words = fitted(cells[i], 6.3, 110)
        wide, (x, y) = text_width(words, 6.3), points[i]
        for left, low in ((x - wide - 6, y - 2.3), (x + 6, y - 2.3), (x - wide / 2, y + 5), (x - wide / 2, y - 10)):
            mine = (left, low - 1, left + wide, low + 6)
            inside = box[0] <= mine[0] and mine[2] <= box[2] and box[1] <= mine[1] and mine[3] <= box[3]
            if inside and all(mine[2] < t[0] or mine[0] > t[2] or mine[3] < t[1] or mine[1] > t[3] for t in taken):
                paper.say(left, low, words, size=6.3, colour="ink")
                taken.append(mine)
                break
