"""Levels of similarity along depth: in one text, in one category, and beyond."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import number, significant
from modclaims.drawing.rows import Table, cut, rounded
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
STYLES = {
    "same text": ("category-1", "o"),
    "same category": ("category-2", "s"),
    "different category": ("category-3", "D"),
}
"""Colours and markers of the levels."""


@dataclass(frozen=True)
class LevelsByDepth(FigureData):
    """Mean similarity of a text to itself, to its own category and to others, by relative depth."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    same_text: Annotated[Floats, Axes("layer")]
    """Similarity at different positions of one text."""
    same_category: Annotated[Floats, Axes("layer")]
    """Of two texts of one category."""
    different_category: Annotated[Floats, Axes("layer")]
    """Of two texts of two categories."""
    layer: Annotated[NDArray[np.generic], Axes("layer")] | None = None
    """Counted from 0 where it is left out."""
    similarity: str = "similarity"
    """What similarity is measured by."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        paper = kit.Paper.of(kit.WIDTH, 200)
        levels = [(self._levels()[name], name, *style) for name, style in STYLES.items()]
        shown = [one for one in levels if finite(one[0]).size]
        entries = [(marker, colour, name) for _, name, colour, marker in shown]
        top = paper.height - 10 - paper.key(40, paper.height - 10, entries, kit.WIDTH - 50)
        axes = paper.axes(kit.DEPTH_LEFT, 30, kit.WIDTH - kit.DEPTH_LEFT - 10, top - 30 - 22)
        kit.grid(axes)
        for values, _, colour, marker in shown:
            axes.plot(self.depth, values, color=kit.colour_of(colour), marker=marker, markersize=4)
        axes.set_ylim(*kit.span(*(values for values, *_ in levels)))
        kit.tidy_numbers(axes, "y", 5)
        kit.layer_axis(paper, axes, self.depth, self._layers(), top - 22)
        words = kit.fitted(self.similarity.replace("_", " "), kit.TEXT, top - 40)
        paper.say_upwards(8, 30 + (top - 52) / 2, words)
        return paper.figure

    def _levels(self) -> dict[str, Floats]:
        """The three levels by their names."""
        levels = (self.same_text, self.same_category, self.different_category)
        return dict(zip(STYLES, levels, strict=True))

    def _layers(self) -> Floats:
        return np.arange(len(self.depth), dtype=np.float64) if self.layer is None else self.layer.astype(np.float64)

    def table(self) -> Table:
        levels, layer = self._levels(), self._layers()
        rows = [
            (significant(float(layer[i])), number(float(depth)), *(rounded(level[i]) for level in levels.values()))
            for i, depth in enumerate(self.depth)
        ]
        kept, left = cut(rows, "layers")
        return Table(("layer", "relative depth", *levels), kept, words=(), left_out=left)
