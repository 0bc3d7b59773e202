"""Two effects along depth, and the first minus the second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import interval, number, significant
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
TALL = (128.0, 104.0)
"""Heights of the plots of effects and of their difference, in points."""


@dataclass(frozen=True)
class TwoEffectsByDepth(FigureData):
    """Two effects with their bounds by relative depth, above the first minus the second."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    effect: Annotated[Floats, Axes("side", "layer")]
    """Two effects, and the first minus the second."""
    low: Annotated[Floats, Axes("side", "layer")]
    """Lower bound of each layer's own, on the effect's scale ..."""
    high: Annotated[Floats, Axes("side", "layer")]
    """... and upper one."""
    smallest_effect: Annotated[float, Axes()]
    """The smallest difference that matters."""
    twin: Annotated[Floats, Axes("seed", "layer")] | None = None
    """The difference in untrained networks."""
    sides: tuple[str, ...] = ()
    """What the two effects are called."""
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.two_plots import TwoPlots, side_by_side

        n = len(self.depth)
        if len(self.layer) != n:
            raise ValueError("the arrays of two_effects_by_depth differ in layers")
        if any(values.shape != (3, n) for values in (self.effect, self.low, self.high)):
            raise ValueError("two_effects_by_depth needs two effects and their difference, a value per layer")
        plots = TwoPlots.of(self._entries(), TALL)
        upper = plots.upper
        upper.set_ylim(*kit.span(self.effect[:2], self.low[:2], self.high[:2], 0.0))
        upper.axhline(0, color=kit.colour_of("rule"), linewidth=0.8)
        side_by_side(upper, self.depth, self.effect, self.low, self.high)
        self._difference(plots.lower)
        for axes in (upper, plots.lower):
            kit.tidy_numbers(axes, "y", 5)
        plots.by_depth(self.depth, self.layer.astype(np.float64))
        plots.say(self.effect_name, "difference")
        return plots.paper.figure

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        from modclaims.drawing.paper import SMALL, fitted
        from modclaims.drawing.two_plots import SIDES

        entries: list[Entry] = [
            (marker, colour, fitted(side, SMALL, 180))
            for side, (colour, marker) in zip(self._sides(), SIDES, strict=True)
        ]
        entries += [
            ("bar", "effect", "first minus second, own bounds"),
            ("dashes", "threshold", f"smallest that matters, {number(self.smallest_effect)}"),
        ]
        if self.twin is not None:
            entries.append(("line", "twin", f"untrained networks ({len(self.twin)})"))
        return entries

    def _difference(self, axes: Plot) -> None:
        """The first effect minus the second, and the same in untrained networks."""
        from modclaims.drawing.paper import colour_of, span
        from modclaims.drawing.two_plots import with_bounds, zero_and_smallest

        untrained = np.empty((0, len(self.depth))) if self.twin is None else self.twin
        axes.set_ylim(*span(self.effect[2], self.low[2], self.high[2], untrained, self.smallest_effect, 0.0))
        alone = "." if len(self.depth) == 1 else None
        for other in untrained:
            axes.plot(self.depth, other, color=colour_of("twin"), linewidth=0.7, marker=alone)
        zero_and_smallest(axes, self.smallest_effect)
        with_bounds(axes, self.depth, self.effect[2], self.low[2], self.high[2], "effect", "o")

    def _sides(self) -> list[str]:
        return labels_for(2, self.sides, "sides of two_effects_by_depth")

    def table(self) -> Table:
        rows = []
        for i in range(len(self.layer)):
            told = [
                f"{number(float(self.effect[k, i]))} {interval(float(self.low[k, i]), float(self.high[k, i]))}"
                for k in range(3)
            ]
            rows.append((significant(float(self.layer[i])), number(float(self.depth[i])), *told))
        kept, left = cut(rows, "layers")
        return Table(("layer", "relative depth", *self._sides(), "difference"), kept, words=(), left_out=left)
