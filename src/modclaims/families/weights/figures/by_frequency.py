"""Sizes of dot products by how frequent a token is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import number
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
BOTTOM, HEIGHT = 30.0, 150.0


@dataclass(frozen=True)
class ByFrequency(FigureData):
    """Sizes relative to random vectors by token frequency, a line per layer; frequent tokens on the left."""

    rank: Annotated[Floats, Axes("bin")]
    """Mean place of a bin's tokens in the tokenizer's order, frequent ones first."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    relative: Annotated[Floats, Axes("layer", "bin")]
    """The size over that of random vectors."""
    of: str = "size"
    """What the sizes are."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.layer_lines import layer_entries, layer_lines

        if self.relative.shape != (len(self.layer), len(self.rank)):
            raise ValueError("the sizes have other layers or bins than their axes")
        entries = layer_entries(self.layer.astype(np.float64))
        entries.append(("dashes", "threshold", "random vectors of these lengths"))
        left, wide = kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        paper = kit.Paper.of(kit.WIDTH, BOTTOM + HEIGHT + 20 + kit.key_height(entries, wide))
        top = paper.height - 10 - paper.key(left, paper.height - 10, entries, wide) - 4
        axes = paper.axes(left, BOTTOM, wide, top - BOTTOM)
        kit.grid(axes)
        axes.axhline(1.0, color=kit.colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        layer_lines(axes, self.rank, self.relative, marked=len(self.rank) <= 8)
        axes.set(xlim=kit.span(self.rank, margin=0.02), ylim=kit.span(self.relative, [1.0]))
        kit.tidy_numbers(axes, "x")
        kit.tidy_numbers(axes, "y")
        axes.set_xlabel("token, in the tokenizer's order (frequent first)", labelpad=3)
        name = kit.fitted(self.of, kit.TEXT, top - BOTTOM + 20)
        paper.say_upwards(8, BOTTOM + (top - BOTTOM) / 2, name)
        return paper.figure

    def table(self) -> Table:
        """Sizes at a few ranks, a row per layer."""
        places = sorted({round(share * (len(self.rank) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})
        rows = [
            (number(round(float(at))), *(number(float(row[p])) for p in places))
            for at, row in zip(self.layer.astype(np.float64), self.relative, strict=True)
        ]
        kept, left = cut(rows, "layers")
        told = (f"about token {number(round(float(self.rank[p])))}" for p in places)
        return Table(("layer", *told), kept, words=(), left_out=left)
