"""One effect along depth as it is, and with a rival explanation taken out; below, the share that is left."""

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
TALL = (132.0, 62.0)
"""Heights of the plots of effects and of shares, in points."""


@dataclass(frozen=True)
class RawAndPartial(FigureData):
    """An effect as it is and beyond a rival explanation, with bounds, by relative depth; below, the share that is left."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    effect: Annotated[Floats, Axes("side", "layer")]
    """As it is, and with a rival explanation taken out."""
    low: Annotated[Floats, Axes("side", "layer")]
    """Lower bound of each layer's own, on the effect's scale ..."""
    high: Annotated[Floats, Axes("side", "layer")]
    """... and upper one."""
    share_left: Annotated[Floats, Axes("layer")]
    """Share of the gap within - between that is left beyond the rival explanation."""
    smallest_effect: Annotated[float, Axes()]
    """The smallest effect that matters."""
    sides: tuple[str, ...] = ()
    """What the two effects are called."""
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.two_plots import TwoPlots, side_by_side

        n = len(self.depth)
        if any(values.shape != (2, n) for values in (self.effect, self.low, self.high)) or not n == len(
            self.layer
        ) == len(self.share_left):
            raise ValueError("raw_and_partial needs two effects and a share, a value per layer")
        plots = TwoPlots.of(self._entries(), TALL)
        upper = plots.upper
        upper.set_ylim(*kit.span(self.effect, self.low, self.high, self.smallest_effect, 0.0))
        upper.axhline(0, color=kit.colour_of("rule"), linewidth=0.8)
        dashes = (0, (4, 2))
        upper.axhline(self.smallest_effect, color=kit.colour_of("threshold"), linewidth=1.1, linestyle=dashes)
        side_by_side(upper, self.depth, self.effect, self.low, self.high)
        self._shares(plots.lower)
        kit.tidy_numbers(upper, "y", 5)
        plots.by_depth(self.depth, self.layer.astype(np.float64))
        plots.say(self.effect_name, "share left")
        return plots.paper.figure

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        from modclaims.drawing.paper import SMALL, fitted
        from modclaims.drawing.two_plots import SIDES

        entries: list[Entry] = [
            (marker, colour, fitted(side, SMALL, 180))
            for side, (colour, marker) in zip(self._sides(), SIDES, strict=True)
        ]
        return [
            *entries,
            ("bar", "effect", "own bounds"),
            ("dashes", "threshold", f"smallest that matters, {number(self.smallest_effect)}"),
            ("D", "bound", "share of the gap that is left"),
        ]

    def _shares(self, axes: Plot) -> None:
        """The share that is left, within 0 to 1: that of a gap near nothing says nothing, and would set the scale for all."""
        from matplotlib.ticker import FixedLocator, FuncFormatter

        from modclaims.drawing.paper import colour_of

        axes.set_ylim(-0.08, 1.08)
        share = np.clip(self.share_left, 0.0, 1.0)
        axes.plot(self.depth, share, color=colour_of("bound"), marker="D", markersize=3.6, linewidth=0.9)
        axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.0f}\u00a0%"))

    def _sides(self) -> list[str]:
        return labels_for(2, self.sides, "sides of raw_and_partial")

    def table(self) -> Table:
        rows = []
        for i in range(len(self.layer)):
            told = [
                f"{number(float(self.effect[k, i]))} {interval(float(self.low[k, i]), float(self.high[k, i]))}"
                for k in range(2)
            ]
            share = number(float(self.share_left[i]))
            rows.append((significant(float(self.layer[i])), number(float(self.depth[i])), *told, share))
        kept, left = cut(rows, "layers")
        return Table(("layer", "relative depth", *self._sides(), "share left"), kept, words=(), left_out=left)
