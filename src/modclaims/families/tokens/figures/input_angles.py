"""Where the maps that tell the input read: principal angles along depth against random subspaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import interval, number, significant
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
BOTTOM, HEIGHT, GAP = 30.0, 150.0, 12.0


@dataclass(frozen=True)
class InputAngles(FigureData):
    """Squared cosines of principal angles by relative depth, their mean with bounds, and that of random subspaces."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    cosines: Annotated[Floats, Axes("layer", "angle")]
    """Squared cosines of the principal angles."""
    mean: Annotated[Floats, Axes("layer")]
    """Of the squared cosines ..."""
    low: Annotated[Floats, Axes("layer")]
    high: Annotated[Floats, Axes("layer")]
    """... with its bounds."""
    null_low: Annotated[Floats, Axes("layer")]
    null_high: Annotated[Floats, Axes("layer")]
    null_mean: Annotated[Floats, Axes("layer")]
    """The mean squared cosine of random subspaces."""
    interval: str = "bounds"
    """What the bounds are."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        self._check()
        entries, left, wide = self._entries(), kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        paper = kit.Paper.of(kit.WIDTH, BOTTOM + HEIGHT + 36 + kit.key_height(entries, wide))
        paper.key(left, paper.height - 10, entries, wide)
        axes = paper.axes(left, BOTTOM, wide, HEIGHT)
        kit.grid(axes)
        self._plot(axes)
        axes.set_ylim(-0.04, 1.04)
        kit.tidy_numbers(axes, "y", 5)
        kit.layer_axis(paper, axes, self.depth, self.layer.astype(np.float64), BOTTOM + HEIGHT)
        words = kit.fitted("squared cosine", kit.TEXT, HEIGHT + GAP)
        paper.say_upwards(8, BOTTOM + HEIGHT / 2, words)
        return paper.figure

    def _check(self) -> None:
        """Raises `ValueError` where arrays do not fit."""
        own, chance = (self.mean, self.low, self.high), (self.null_low, self.null_high, self.null_mean)
        if len({len(values) for values in (self.depth, self.layer, *own, *chance, self.cosines)}) != 1:
            raise ValueError("the arrays of input_angles differ in layers")

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        return [
            ("bar", "effect", f"mean, {self.interval}"),
            (".", "category-2", "single principal angles"),
            ("line", "twin", "random subspaces, mean"),
            ("band", "chance", "means of random subspaces"),
        ]

    def _plot(self, axes: Plot) -> None:
        """Chance, single angles, and their mean with its bounds, which run to the edge where they are not known."""
        from modclaims.drawing.bands import band, widened
        from modclaims.drawing.paper import colour_of

        band(axes, self.depth, self.null_low, self.null_high)
        wide = widened(self.depth)
        axes.plot(wide, np.resize(self.null_mean, len(wide)), color=colour_of("twin"), linewidth=0.9)
        at = np.repeat(self.depth, self.cosines.shape[1])
        axes.plot(at, self.cosines.ravel(), ".", color=colour_of("category-2"), markersize=3)
        low, high = (np.where(np.isfinite(ends), ends, edge) for ends, edge in ((self.low, -0.04), (self.high, 1.04)))
        axes.vlines(self.depth, low, high, color=colour_of("effect"), linewidth=1.3)
        axes.plot(self.depth, self.mean, "o", color=colour_of("effect"), markersize=4.5)

    def table(self) -> Table:
        layer = self.layer.astype(np.float64)
        rows = [
            (
                significant(float(layer[i])),
                number(float(self.depth[i])),
                f"{number(float(self.mean[i]))} {interval(float(self.low[i]), float(self.high[i]))}",
                f"{number(float(self.null_mean[i]))} {interval(float(self.null_low[i]), float(self.null_high[i]))}",
                f"{number(float(self.cosines[i].min()))} to {number(float(self.cosines[i].max()))}",
            )
            for i in range(len(layer))
        ]
        kept, left = cut(rows, "layers")
        head = ("layer", "relative depth", "mean squared cosine", "of random subspaces", "single angles")
        return Table(head, kept, words=(), left_out=left)
