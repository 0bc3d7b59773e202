"""A network's number beside its null objects, along depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import decimals_for
from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import interval, number
from modclaims.drawing.rows import Table, cut
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
BOTTOM, HEIGHT = 30.0, 150.0


@dataclass(frozen=True)
class AgainstDraws(FigureData):
    """The network's number by relative depth, and the band of its null objects."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    own: Annotated[Floats, Axes("layer")]
    """The network's number."""
    null_mean: Annotated[Floats, Axes("layer")]
    """That of the null objects, their mean ..."""
    null_low: Annotated[Floats, Axes("layer")]
    null_high: Annotated[Floats, Axes("layer")]
    """... and where most of them are."""
    of: str = "value"
    """What the number is."""
    null: str = "null objects"
    """What the null objects are, and which of them the band holds."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.bands import band_and_mean

        curves = (self.own, self.null_mean, self.null_low, self.null_high)
        if len({len(values) for values in (self.depth, self.layer, *curves)}) != 1:
            raise ValueError("the curves beside null objects differ in layers")
        entries: list[Entry] = [
            ("o", "effect", "this network"),
            ("line", "twin", "mean of the null objects"),
            ("band", "chance", self.null),
        ]
        left, wide = kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        paper = kit.Paper.of(kit.WIDTH, BOTTOM + HEIGHT + 40 + kit.key_height(entries, wide))
        top = paper.height - 10 - paper.key(left, paper.height - 10, entries, wide) - 22
        axes = paper.axes(left, BOTTOM, wide, top - BOTTOM)
        kit.grid(axes)
        band_and_mean(axes, self.depth, self.null_low, self.null_mean, self.null_high)
        axes.plot(self.depth, self.own, color=kit.colour_of("effect"), marker="o", markersize=4)
        axes.set_ylim(*kit.span(self.own, self.null_low, self.null_high, self.null_mean))
        kit.tidy_numbers(axes, "y")
        kit.layer_axis(paper, axes, self.depth, self.layer.astype(np.float64), top)
        name = kit.fitted(self.of, kit.TEXT, top - BOTTOM + 20)
        paper.say_upwards(8, BOTTOM + (top - BOTTOM) / 2, name)
        return paper.figure

    def table(self) -> Table:
        decimals = decimals_for(float(np.ptp(finite(np.concatenate([self.own, self.null_low, self.null_high])))))
        curves = (self.depth, self.own, self.null_mean, self.null_low, self.null_high)
        rows = [
            (
                number(round(float(at))),
                number(float(place)),
                number(float(mine), decimals),
                number(float(mean), decimals),
                interval(float(low), float(high), decimals),
            )
            for at, place, mine, mean, low, high in zip(self.layer.astype(np.float64), *curves, strict=True)
        ]
        kept, left = cut(rows, "layers")
        return Table(
            ("layer", "relative depth", self.of, "null objects, mean", self.null), kept, words=(), left_out=left
        )
