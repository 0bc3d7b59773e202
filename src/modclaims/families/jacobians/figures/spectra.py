"""Singular values on a log axis, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.decades import DECADES
from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import number, power_of_ten, significant
from modclaims.drawing.rows import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
LEAST_DECADES = 3
ENTRIES = [
    ("line", "effect", "sigma / sigma 1"),
    ("o", "bound", "counted: above a tenth of the first"),
    ("dashes", "threshold", "effective rank"),
    ("band", "chance", "below the noise floor"),
]
"""The key: what each mark is."""


@dataclass(frozen=True)
class Spectra(FigureData):
    """One panel per layer: sigma / sigma_1 by rank order, the tenth and the noise floor as lines, counted values heavy."""

    values: Annotated[Floats, Axes("layer", "rank")]
    """Singular values relative to the first."""
    floor: Annotated[Floats, Axes("layer")]
    """Below it values are noise; relative to the first, too."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    above_tenth: Annotated[Floats, Axes("layer")]
    """How many values are above a tenth of the first."""
    effective_rank: Annotated[Floats, Axes("layer")]
    block: str = ""
    """The block whose Jacobians these are of: mlp or attention."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        lowest, left_edge = self._lowest(), kit.DEPTH_LEFT
        columns = kit.columns_for(len(self.layer))
        rows = -(-len(self.layer) // columns)
        wide = (kit.WIDTH - left_edge - 10 - 14 * (columns - 1)) / columns
        high = min(0.78 * wide, 150.0)
        taken = 12.0 + 8
        paper = kit.Paper.of(kit.WIDTH, taken + rows * (high + 34) + 6)
        paper.key(left_edge, paper.height - 10, ENTRIES, kit.WIDTH - 50)
        for i in range(len(self.values)):
            row, column = divmod(i, columns)
            left, bottom = left_edge + column * (wide + 14), paper.height - taken - (row + 1) * (high + 34) + 26
            axes = paper.axes(left, bottom, wide, high)
            self._panel(axes, i, lowest)
            if column:
                axes.tick_params(labelleft=False)
            rank = f"effective rank {self.effective_rank[i]:.0f} of {self.values.shape[1]}"
            words = f"layer {float(self.layer[i]):.0f}: {rank}"
            paper.say(left, bottom + high + 5, kit.fitted(words, kit.SMALL, wide), size=kit.SMALL, colour="ink")
        name = "relative to the largest, log scale"
        paper.say_upwards(8, paper.height / 2, name)
        return paper.figure

    def _lowest(self) -> int:
        """The power of ten that the axes reach down to. Raises `ValueError` where nothing can be drawn."""
        known = self.values[np.isfinite(self.values) & (self.values > 0)]
        if not known.size:
            raise ValueError("no positive singular value to draw")
        return min(math.floor(math.log10(max(float(known.min()), 10.0**-DECADES))), -LEAST_DECADES)

    def _panel(self, axes: Plot, i: int, lowest: int) -> None:
        """The values of one layer."""
        from matplotlib.ticker import FixedLocator, FuncFormatter

        from modclaims.drawing.paper import colour_of, grid

        curve, floor, size = self.values[i], float(self.floor[i]), self.values.shape[1]
        grid(axes)
        axes.set(xlim=(-0.02 * size, 1.02 * size), ylim=(lowest - 0.3, 0.3))
        at = math.log10(max(floor, 10.0**-DECADES)) if np.isfinite(floor) else -math.inf
        if at > lowest - 0.3:
            axes.axhspan(lowest - 0.3, at, color=colour_of("chance"), linewidth=0)
        good = np.flatnonzero(np.isfinite(curve) & (curve > 10.0 ** (lowest - 1)))
        axes.plot(good, np.log10(curve[good]), color=colour_of("effect"), linewidth=1.1)
        counted = good[good < round(float(self.above_tenth[i]))]
        axes.plot(counted, np.log10(curve[counted]), color=colour_of("bound"), linewidth=2.4, solid_capstyle="round")
        if np.isfinite(self.effective_rank[i]):
            rank = float(self.effective_rank[i])
            axes.axvline(rank, color=colour_of("threshold"), linewidth=1.0, linestyle=(0, (4, 2)))
        step = max(1, -(-(1 - lowest) // 6))
        axes.yaxis.set_major_locator(FixedLocator(list(range(0, lowest - 1, -step))))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: power_of_ten(round(v))))
        axes.xaxis.set_major_locator(FixedLocator([0, size / 2, size]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v))))

    def table(self) -> Table:
        """Counts and the curve at a few places, a row per layer."""
        layer, size = self.layer.astype(np.float64), self.values.shape[1]
        places = sorted({0, size // 10, size // 4, size // 2, (3 * size) // 4, size - 1})
        head = ["layer", "effective rank", "above a tenth", "noise floor", *(f"value {place + 1}" for place in places)]
        rows = [
            (
                number(round(float(layer[i]))),
                number(float(self.effective_rank[i]), 1),
                number(float(self.above_tenth[i]), 1),
                significant(float(self.floor[i]), 2),
                *(significant(float(self.values[i, place]), 2) for place in places),
            )
            for i in range(len(layer))
        ]
        left = f"Values are relative to the largest; the other {size - len(places)} of each layer are not listed here."
        return Table(tuple(head), tuple(rows), words=(), left_out=left)
