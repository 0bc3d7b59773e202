"""One effect along depth: its bounds, the range of chance, the smallest that matters, and untrained networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import NOTHING, count, interval, number, significant
from modclaims.drawing.rows import Table, cut, rounded
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class EffectByDepth(FigureData):
    """The effect with its bounds by relative depth, the range of chance, the smallest effect that matters, and untrained networks."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    effect: Annotated[Floats, Axes("layer")]
    low: Annotated[Floats, Axes("layer")]
    """Lower bound of each layer's own, on the effect's scale ..."""
    high: Annotated[Floats, Axes("layer")]
    """... and upper one."""
    band_low: Annotated[Floats, Axes("layer")]
    """Lower bound of all layers at once."""
    null_low: Annotated[Floats, Axes("layer")]
    """Where the range of chance begins ..."""
    null_high: Annotated[Floats, Axes("layer")]
    """... and ends."""
    smallest_effect: Annotated[float, Axes()]
    """The smallest effect that matters."""
    twin: Annotated[Floats, Axes("seed", "layer")] | None = None
    """The same effect in untrained networks."""
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        left, wide = kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        paper = kit.Paper.of(kit.WIDTH, 246)
        top = paper.height - 10 - paper.key(40, paper.height - 10, self._entries(), kit.WIDTH - 50)
        axes = paper.axes(left, 30, wide, top - 30 - 22)
        kit.grid(axes)
        self._chance(axes)
        axes.axhline(0, color=kit.colour_of("rule"), linewidth=0.8)
        if np.isfinite(self.smallest_effect):
            axes.axhline(self.smallest_effect, color=kit.colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        half = min(0.016, 0.3 / len(self.depth))
        axes.hlines(self.band_low, self.depth - half, self.depth + half, color=kit.colour_of("bound"), linewidth=1.6)
        self._effects(axes)
        kit.tidy_numbers(axes, "y")
        kit.layer_axis(paper, axes, self.depth, self.layer.astype(np.float64), top - 22)
        middle = 30 + (top - 52) / 2
        paper.say_upwards(8, middle, self.effect_name)
        return paper.figure

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        entries: list[Entry] = [
            ("bar", "effect", f"{self.effect_name}, own bounds"),
            ("line", "bound", "simultaneous lower bound"),
            ("band", "chance", "range of chance"),
            ("dashes", "threshold", f"smallest that matters, {number(self.smallest_effect)}"),
        ]
        if self.twin is not None:
            entries.append(("line", "twin", f"untrained networks ({len(self.twin)})"))
        return entries

    def _chance(self, axes: Plot) -> None:
        """The range of chance, and the effects of untrained networks."""
        from modclaims.drawing.paper import colour_of

        depth, low, high, alone = self.depth, self.null_low, self.null_high, len(self.depth) == 1
        if alone:
            depth, low, high = np.array([depth[0] - 0.1, depth[0] + 0.1]), np.repeat(low, 2), np.repeat(high, 2)
        axes.fill_between(depth, low, high, color=colour_of("chance"), linewidth=0)
        for twin in () if self.twin is None else self.twin:
            axes.plot(self.depth, twin, color=colour_of("twin"), linewidth=0.7, marker="." if alone else None)

    def _effects(self, axes: Plot) -> None:
        """Effects with their bounds; where there is none, to the edge of the axes, whose limits hold everything."""
        from modclaims.drawing.paper import colour_of, span

        untrained = () if self.twin is None else (self.twin,)
        drawn = (self.effect, self.low, self.high, self.null_low, self.null_high, *untrained, self.band_low)
        limits = span(*drawn, self.smallest_effect, 0.0)
        low = np.where(np.isfinite(self.low), self.low, limits[0])
        high = np.where(np.isfinite(self.high), self.high, limits[1])
        known = np.isfinite(self.effect)
        axes.vlines(self.depth[known], low[known], high[known], color=colour_of("effect"), linewidth=1.1)
        axes.plot(self.depth, self.effect, color=colour_of("effect"), marker="o", markersize=4)
        axes.set_ylim(*limits)

    def table(self) -> Table:
        head = ["layer", "relative depth", self.effect_name]
        head += ["own bounds", "simultaneous lower bound", "range of chance"]
        if self.twin is not None:
            head.append(f"{count(len(self.twin), 'untrained network')}, lowest to highest")
        rows = []
        for i in range(len(self.effect)):
            row = [
                significant(float(self.layer[i])),
                number(float(self.depth[i])),
                rounded(self.effect[i]),
                interval(float(self.low[i]), float(self.high[i])),
                rounded(float(self.band_low[i])),
                interval(float(self.null_low[i]), float(self.null_high[i])),
            ]
            if self.twin is not None:
                seeds = finite(self.twin[:, i])
                row.append(interval(float(seeds.min()), float(seeds.max())) if seeds.size else NOTHING)
            rows.append(tuple(row))
        kept, left = cut(rows, "layers")
        return Table(tuple(head), kept, words=(), left_out=left)
