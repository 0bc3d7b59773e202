"""Numerical rank against active neurons, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import number
from modclaims.drawing.rows import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
ENTRIES = [
    ("o", "effect", "one token of one text"),
    ("dashes", "threshold", "a direction per active neuron, up to the width"),
]
"""The key: what each mark is."""


@dataclass(frozen=True)
class ActiveNeurons(FigureData):
    """One panel per layer: directions let through by active neurons, a point per text and token."""

    active: Annotated[Floats, Axes("layer", "point")]
    """Active neurons of each text and token."""
    rank: Annotated[Floats, Axes("layer", "point")]
    """Numerical rank of each text and token."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    width: Annotated[float, Axes()]
    """The most directions that there could be."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        left_edge, columns = kit.DEPTH_LEFT, kit.columns_for(len(self.layer))
        rows = -(-len(self.layer) // columns)
        wide = (kit.WIDTH - left_edge - 10 - 14 * (columns - 1)) / columns
        high, taken = min(0.78 * wide, 150.0), 20.0
        paper = kit.Paper.of(kit.WIDTH, taken + rows * (high + 34) + 18)
        paper.key(left_edge, paper.height - 10, ENTRIES, kit.WIDTH - 50)
        most = float(max(self.active.max(), self.width)) * 1.04
        for i, layer in enumerate(self.layer.astype(np.float64)):
            row, column = divmod(i, columns)
            left, bottom = left_edge + column * (wide + 14), paper.height - taken - (row + 1) * (high + 34) + 26
            axes = paper.axes(left, bottom, wide, high)
            self._panel(axes, i, most)
            if column:
                axes.tick_params(labelleft=False)
            paper.say(left, bottom + high + 5, f"layer {layer:.0f}", size=kit.SMALL, colour="ink")
        paper.say(left_edge + (kit.WIDTH - left_edge) / 2 - 30, 4, "active neurons", size=kit.SMALL)
        paper.say_upwards(8, paper.height / 2, "numerical rank")
        return paper.figure

    def _panel(self, axes: Plot, i: int, most: float) -> None:
        """The points of one layer."""
        from modclaims.drawing.paper import colour_of, grid, tidy_numbers

        grid(axes, "both")
        axes.set(xlim=(0, most), ylim=(0, 1.06 * self.width))
        axes.plot(
            [0, self.width, most],
            [0, self.width, self.width],
            color=colour_of("threshold"),
            linewidth=1.0,
            linestyle=(0, (4, 2)),
        )
        axes.plot(self.active[i], self.rank[i], linestyle="none", marker="o", markersize=3, color=colour_of("effect"))
        for which in ("x", "y"):
            tidy_numbers(axes, which)

    def table(self) -> Table:
        """Both numbers, a row per layer."""
        rows = [
            (
                number(round(float(self.layer[i]))),
                number(float(self.active[i].min())),
                number(float(np.median(self.active[i])), 1),
                number(float(self.active[i].max())),
                number(float(self.rank[i].min())),
                number(float(np.median(self.rank[i])), 1),
                number(float(self.rank[i].max())),
            )
            for i in range(len(self.layer))
        ]
        head = ["layer"]
        for what in ("active neurons", "numerical rank"):
            head += [f"{what}, fewest", "median", "most"]
        return Table(tuple(head), tuple(rows))
