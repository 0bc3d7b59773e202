"""An effect by the number of clusters that weights are divided into."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import number
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
BOTTOM, HEIGHT = 30.0, 150.0


@dataclass(frozen=True)
class ByClusters(FigureData):
    """The effect by number of clusters, a line per layer, the stated number and the smallest effect that matters marked."""

    clusters: Annotated[NDArray[np.generic], Axes("count")]
    """Numbers of clusters."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    effect: Annotated[Floats, Axes("layer", "count")]
    stated: Annotated[float, Axes()] = math.nan
    """The number of clusters that was stated in advance."""
    smallest: Annotated[float, Axes()] = math.nan
    """The smallest effect that matters."""
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.layer_lines import layer_entries

        if self.effect.shape != (len(self.layer), len(self.clusters)):
            raise ValueError("the effects have other layers or numbers of clusters than their axes")
        entries = layer_entries(self.layer.astype(np.float64))
        entries += [("dashes", "threshold", "smallest effect that matters"), ("tick", "threshold", "stated in advance")]
        left, wide = kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        paper = kit.Paper.of(kit.WIDTH, BOTTOM + HEIGHT + 20 + kit.key_height(entries, wide))
        top = paper.height - 10 - paper.key(left, paper.height - 10, entries, wide) - 4
        axes = paper.axes(left, BOTTOM, wide, top - BOTTOM)
        self._plot(axes)
        name = kit.fitted(self.effect_name, kit.TEXT, top - BOTTOM + 20)
        paper.say_upwards(8, BOTTOM + (top - BOTTOM) / 2, name)
        return paper.figure

    def _plot(self, axes: Plot) -> None:
        """The lines; numbers of clusters stand side by side, whatever lies between them."""
        from matplotlib.ticker import FixedLocator, FuncFormatter

        from modclaims.drawing import paper as kit
        from modclaims.drawing.layer_lines import layer_lines

        counts = self.clusters.astype(np.float64)
        places, known, ink = np.arange(len(counts)), np.isfinite(self.smallest), kit.colour_of("threshold")
        kit.grid(axes)
        if known:
            axes.axhline(self.smallest, color=ink, linewidth=1.1, linestyle=(0, (4, 2)))
        layer_lines(axes, places.astype(float), self.effect)
        bottom, ceiling = kit.span(self.effect, [self.smallest] if known else [0.0], [0.0])
        axes.set(xlim=(-0.3, len(counts) - 0.7), ylim=(bottom, ceiling))
        for place in places[counts == self.stated]:
            axes.plot([place, place], [bottom, bottom + 0.05 * (ceiling - bottom)], color=ink, linewidth=2)
        axes.xaxis.set_major_locator(FixedLocator([float(p) for p in places]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(float(counts[round(v)])))))
        axes.set_xlabel("clusters", labelpad=3)
        kit.tidy_numbers(axes, "y")

    def table(self) -> Table:
        rows = [
            (number(round(float(at))), *(number(float(v), 3) for v in row))
            for at, row in zip(self.layer.astype(np.float64), self.effect, strict=True)
        ]
        kept, left = cut(rows, "layers")
        counts = self.clusters.astype(np.float64).tolist()
        told = (f"{number(round(c))} clusters" + (", stated" if c == self.stated else "") for c in counts)
        return Table(("layer", *told), kept, words=(), left_out=left)
