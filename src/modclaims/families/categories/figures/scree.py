"""Shares of variance of leading components, against permuted coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import number
from modclaims.drawing.rows import MOST_PANELS, Table, cut
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
APART, AROUND = 14.0, 34.0
"""What lies between two panels beside each other, and what a panel takes beyond its axes, in points."""


@dataclass(frozen=True)
class Scree(FigureData):
    """One panel per layer: shares of variance of the leading components, those above permuted coordinates heavy."""

    share: Annotated[Floats, Axes("panel", "component")]
    """Shares of variance, largest first."""
    null_low: Annotated[Floats, Axes("panel", "component")]
    """The same of permuted coordinates: their 5 % point ..."""
    null_median: Annotated[Floats, Axes("panel", "component")]
    """... their median ..."""
    null_high: Annotated[Floats, Axes("panel", "component")]
    """... and their 95 % point."""
    rank: Annotated[NDArray[np.generic], Axes("panel")]
    """Components above permuted coordinates."""
    effect: Annotated[Floats, Axes("panel")]
    panels: tuple[str, ...] = ()
    """Where the components are from."""
    effect_name: str = "excess share"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        self._check()
        panels, columns = self._panels(), kit.columns_for(len(self.share))
        left, room = kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        wide = (room - APART * (columns - 1)) / columns
        tall = min(0.78 * wide, 150.0)
        taken = kit.key_height(self._entries(), room) + 8
        paper = kit.Paper.of(kit.WIDTH, taken + -(-len(self.share) // columns) * (tall + AROUND) + 14)
        paper.key(left, paper.height - 10, self._entries(), room)
        top = kit.span(self.share, self.null_high, 0.0)[1]
        for i, panel in enumerate(panels):
            row, column = divmod(i, columns)
            x, y = left + column * (wide + APART), paper.height - taken - (row + 1) * (tall + AROUND) + 18
            axes = paper.axes(x, y, wide, tall)
            self._panel(axes, i, top)
            if column:
                axes.tick_params(labelleft=False)
            words = f"{panel}: rank {float(self.rank[i]):.0f}, {self.effect_name} {number(float(self.effect[i]))}"
            paper.say(x, y + tall + 5, kit.fitted(words, kit.SMALL, wide), size=kit.SMALL, colour="ink")
        paper.say((kit.WIDTH + left) / 2, 5, "component", ha="center", size=kit.TEXT, colour="ink")
        across = paper.height / 2
        paper.say_upwards(8, across, "share of variance")
        return paper.figure

    def _check(self) -> None:
        """Raises `ValueError` where arrays do not fit each other, or no share is finite."""
        if len(self.rank) != len(self.effect):
            raise ValueError("the arrays of scree differ in layers")
        chance = (self.null_low, self.null_median, self.null_high)
        if any(values.shape != self.share.shape for values in chance) or len(self.rank) != len(self.share):
            raise ValueError("the shares of a scree differ in layers or components")
        if not finite(self.share).size:
            raise ValueError("no finite share to draw")

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        return [
            ("o", "bound", "components above permuted coordinates"),
            ("o hollow", "effect", "other components"),
            ("line", "twin", "permuted coordinates, median"),
            ("band", "chance", "permuted coordinates, 5\u00a0% to 95\u00a0%"),
        ]

    def _panel(self, axes: Plot, i: int, top: float) -> None:
        """One layer's components, on a scale up to `top`."""
        from matplotlib.ticker import FixedLocator, FuncFormatter

        from modclaims.drawing.paper import colour_of, grid, tidy_numbers

        share, components = self.share[i], self.share.shape[1]
        at = np.arange(1, components + 1)
        counted = at <= float(self.rank[i])
        grid(axes)
        axes.set(xlim=(0.3, components + 0.7), ylim=(0, top))
        axes.fill_between(at, self.null_low[i], self.null_high[i], color=colour_of("chance"), linewidth=0)
        axes.plot(at, self.null_median[i], color=colour_of("twin"), linewidth=0.9)
        axes.plot(
            at[~counted],
            share[~counted],
            "o",
            color=colour_of("effect"),
            markersize=3,
            markerfacecolor="none",
            markeredgewidth=0.8,
        )
        axes.plot(at[counted], share[counted], "o", color=colour_of("bound"), markersize=3.6)
        tidy_numbers(axes, "y", 5)
        axes.xaxis.set_major_locator(FixedLocator(sorted({1, round(components / 2), components})))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}"))

    def _panels(self) -> list[str]:
        return labels_for(len(self.share), self.panels, "panels of scree")

    def table(self) -> Table:
        shown = min(MOST_PANELS, self.share.shape[1])
        rows = []
        for i, panel in enumerate(self._panels()):
            each = zip(self.share[i, :shown], self.null_high[i, :shown], strict=True)
            told = (f"{number(float(own), 3)} ({number(float(chance), 3)})" for own, chance in each)
            rows.append((panel, number(float(self.rank[i]), 0), number(float(self.effect[i])), *told))
        kept, left = cut(rows, "panels")
        head = ("panel", "rank", self.effect_name, *(f"component {c + 1}" for c in range(shown)))
        words = "Of each component its share of variance, and in brackets the 95\u00a0% point of permuted coordinates."
        return Table(head, kept, left_out=f"{words} {left}".strip())
