"""How many directions a block lets through along depth, of one block or both, against null objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import interval, number
from modclaims.drawing.rows import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
TITLES = {"mlp": "MLP", "attention": "attention"}
STYLES = {"mlp": ("category-1", "o"), "attention": ("category-2", "s")}
"""Colours and markers of the blocks."""


@dataclass(frozen=True)
class RankByDepth(FigureData):
    """Directions let through, over the width, by relative depth, a line per block kind, with the band of the null objects."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    rank: Annotated[Floats, Axes("block", "layer")]
    """What is counted over the width, mean over texts ..."""
    low: Annotated[Floats, Axes("block", "layer")]
    """... of the lowest text ..."""
    high: Annotated[Floats, Axes("block", "layer")]
    """... and of the highest."""
    marked: Annotated[NDArray[np.generic], Axes("layer")] | None = None
    """Whether a layer was named by the claim."""
    null_low: Annotated[Floats, Axes("layer")] | None = None
    """The same of null objects: the lowest ..."""
    null_high: Annotated[Floats, Axes("layer")] | None = None
    """... the highest ..."""
    null_mean: Annotated[Floats, Axes("layer")] | None = None
    """... and their mean."""
    blocks: tuple[str, ...] = ()
    null: str = "null objects"
    """What the null objects are."""
    counted: str = "effective rank"
    """What is counted."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        blocks, left = labels_for(len(self.rank), self.blocks, "blocks of rank_by_depth"), kit.DEPTH_LEFT
        styles = [STYLES.get(block, ("effect", "o")) for block in blocks]
        paper = kit.Paper.of(kit.WIDTH, 220)
        entries = self._entries(blocks, styles)
        top = paper.height - 10 - paper.key(left, paper.height - 10, entries, kit.WIDTH - 50)
        axes = paper.axes(left, 30, kit.WIDTH - left - 10, top - 30 - 22)
        self._plot(axes, styles)
        kit.tidy_numbers(axes, "y")
        kit.layer_axis(paper, axes, self.depth, self.layer.astype(np.float64), top - 22)
        name = f"{self.counted} / width"
        paper.say_upwards(8, 30 + (top - 52) / 2, name)
        return paper.figure

    def _null(self) -> tuple[Floats, Floats, Floats] | None:
        """Lowest, mean and highest of the null objects; None where there are none."""
        if self.null_low is None:
            return None
        if self.null_mean is None or self.null_high is None:
            raise LookupError("the null objects of rank_by_depth have no mean, or no highest")
        return self.null_low, self.null_mean, self.null_high

    def _named(self) -> NDArray[np.bool_]:
        """(layer,) whether a layer was named."""
        return np.zeros(len(self.depth), dtype=bool) if self.marked is None else self.marked.astype(bool)

    def _entries(self, blocks: list[str], styles: list[tuple[str, str]]) -> list[Entry]:
        """The key: what each mark is."""
        entries = [
            (marker, colour, f"{TITLES.get(block, block)}, mean and range")
            for block, (colour, marker) in zip(blocks, styles, strict=True)
        ]
        if self.null_low is not None:
            entries.append(("band", "chance", self.null))
        if self._named().any():
            entries.append(("tick", "threshold", "named layers"))
        return entries

    def _plot(self, axes: Plot, styles: list[tuple[str, str]]) -> None:
        """Chance, every block's line with its range, and ticks at the named layers."""
        from modclaims.drawing.bands import band
        from modclaims.drawing.paper import colour_of, grid, span

        grid(axes)
        limits = [self.rank, self.low, self.high, np.zeros(1)]
        if (null := self._null()) is not None:
            lower, mean, upper = null
            limits += [lower, upper]
            band(axes, self.depth, lower, upper)
            axes.plot(self.depth, mean, color=colour_of("twin"), linewidth=0.9)
        for rank, least, most, (colour, marker) in zip(self.rank, self.low, self.high, styles, strict=True):
            axes.vlines(self.depth, least, most, color=colour_of(colour), linewidth=0.9)
            axes.plot(self.depth, rank, color=colour_of(colour), marker=marker, markersize=4)
        bottom, ceiling = span(*limits)
        least, tall = max(bottom, 0.0), 0.04 * (ceiling - bottom)
        axes.set_ylim(least, ceiling)
        for x in self.depth[self._named()]:
            axes.plot([x, x], [least, least + tall], color=colour_of("threshold"), linewidth=2)

    def table(self) -> Table:
        """What is counted as a fraction, a row per layer."""
        head = ["layer", "relative depth"]
        for block in labels_for(len(self.rank), self.blocks, "blocks of rank_by_depth"):
            head += [f"{block}, mean", f"{block}, lowest and highest text"]
        null = self._null()
        if null is not None:
            head += ["null, mean", f"{self.null}, lowest and highest"]
        rows = []
        for i, at in enumerate(self.layer.astype(np.float64)):
            row = [number(round(float(at))), number(float(self.depth[i]))]
            for rank, low, high in zip(self.rank, self.low, self.high, strict=True):
                row += [number(float(rank[i])), interval(float(low[i]), float(high[i]))]
            if null is not None:
                least, mean, most = (float(values[i]) for values in null)
                row += [number(mean), interval(least, most)]
            rows.append(tuple(row))
        return Table(tuple(head), tuple(rows))
