"""Effects of several models along depth, and the difference of two of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import count, interval, number, tick
from modclaims.drawing.rows import MOST_PANELS, Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry, Paper

Floats = NDArray[np.float64]
SHADES = 6
"""Sizes that are told apart by shade: of more models, neighbours share one."""
LOWER = 86.0
"""Height of the plot of the difference, in points."""


@dataclass(frozen=True)
class ModelsByDepth(FigureData):
    """A line per model, darker for larger ones; below, the largest minus the smallest with its bounds, if it is there."""

    depth: Annotated[Floats, Axes("depth")]
    """Relative depth, 0 to 1."""
    effect: Annotated[Floats, Axes("model", "depth")]
    parameters: Annotated[Floats, Axes("model")]
    """Numbers of parameters, smallest first."""
    difference: Annotated[Floats, Axes("depth")] | None = None
    """The effect of the first side minus that of the second ..."""
    low: Annotated[Floats, Axes("depth")] | None = None
    high: Annotated[Floats, Axes("depth")] | None = None
    """... with its bounds."""
    smallest_effect: Annotated[float, Axes()] | None = None
    """The smallest difference that matters."""
    models: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    """The two models that are compared."""
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        if self.effect.shape != (len(self.parameters), len(self.depth)):
            sizes = f"for {len(self.parameters)} models, {len(self.depth)} depths"
            raise ValueError(f"effect of models_by_depth is {self.effect.shape}, {sizes}")
        shade, compared = shades(len(self.parameters)), self._compared()
        entries = _models_key(labels_for(len(shade), self.models, "models of models_by_depth"), shade)
        under = [] if compared is None else self._difference_key()
        left, most = kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        above, below = kit.key_height(entries, most), 0.0
        if compared is not None:
            below = 108 + kit.key_height(under, most) + 12
        paper = kit.Paper.of(kit.WIDTH, 168 + above + below)
        paper.key(left, paper.height - 10, entries, most)
        axes = paper.axes(left, 30 + below, most, paper.height - 52 - above - below + 12)
        kit.grid(axes)
        for values, own in zip(self.effect, shade, strict=True):
            ink = kit.colour_of(f"size-{own}")
            axes.plot(self.depth, values, color=ink, marker="o", markersize=3.2, linewidth=1.3)
        axes.set_ylim(*kit.span(self.effect))
        kit.tidy_numbers(axes, "y")
        _depth_axis(axes, named=compared is None)
        _side(paper, self.effect_name, 30 + below, paper.height - 40 - above - below)
        if compared is not None:
            paper.key(left, below - 4, under, most)
            self._difference(paper.axes(left, 30, most, LOWER), compared)
            _side(paper, "difference", 30, LOWER)
        return paper.figure

    def _compared(self) -> tuple[Floats, Floats, Floats] | None:
        """The difference with its bounds; None where no two sides are compared."""
        if self.difference is None:
            return None
        if self.low is None or self.high is None:
            raise LookupError("the difference of models_by_depth has no bounds")
        return self.difference, self.low, self.high

    def _difference(self, axes: Plot, compared: tuple[Floats, Floats, Floats]) -> None:
        """The difference of two models; bounds that are not known reach to the edge."""
        from modclaims.drawing import paper as kit

        difference, low, high = compared
        kit.grid(axes)
        axes.axhline(0, color=kit.colour_of("rule"), linewidth=0.8)
        smallest = np.nan if self.smallest_effect is None else self.smallest_effect
        if np.isfinite(smallest):
            axes.axhline(smallest, color=kit.colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        limits = kit.span(difference, low, high, 0.0, smallest)
        ends = [np.where(np.isfinite(end), end, edge) for end, edge in zip((low, high), limits, strict=True)]
        known = np.isfinite(difference)
        ink = kit.colour_of("effect")
        axes.vlines(self.depth[known], ends[0][known], ends[1][known], color=ink, linewidth=1.1)
        axes.plot(self.depth, difference, color=ink, marker="o", markersize=4, linewidth=0)
        axes.set_ylim(*limits)
        kit.tidy_numbers(axes, "y", 4)
        _depth_axis(axes, named=True)

    def _difference_key(self) -> list[Entry]:
        from modclaims.drawing.paper import SMALL, fitted

        larger, smaller = labels_for(2, self.sides, "sides of models_by_depth")
        return [
            ("bar", "effect", fitted(f"{larger} minus {smaller}, with bounds", SMALL, 300)),
            ("dashes", "threshold", "smallest that matters"),
        ]

    def table(self) -> Table:
        """Every model's effect and the difference of two, a row a relative depth."""
        models = labels_for(len(self.effect), self.models, "models of models_by_depth")
        shown = list(range(len(models)))
        if len(models) > 2 * MOST_PANELS:  # the largest and the smallest
            shown = [*shown[:MOST_PANELS], *shown[-MOST_PANELS:]]
        head = ["relative depth", *(models[m] for m in shown)]
        if (compared := self._compared()) is not None:
            head.append(" minus ".join(labels_for(2, self.sides, "sides of models_by_depth")))
        rows = []
        for i in range(len(self.depth)):
            row = [number(float(self.depth[i])), *(number(float(self.effect[m, i])) for m in shown)]
            if compared is not None:
                difference, low, high = (float(values[i]) for values in compared)
                row.append(f"{number(difference)} {interval(low, high)}")
            rows.append(tuple(row))
        kept, left = cut(rows, "depths")
        gone = len(models) - len(shown)
        told = f"{count(gone, 'model')} of middling size left out." if gone else ""
        return Table(tuple(head), kept, words=(), left_out=f"{told} {left}".strip())


def shades(models: int) -> list[int]:
    """(model,) number of each one's shade, from 1, models by size."""
    if models <= SHADES:
        chosen = np.linspace(1, SHADES, models) if models > 1 else np.array([SHADES])
        return [round(float(v)) for v in chosen]
    return [1 + SHADES * i // models for i in range(models)]


def _models_key(models: list[str], shade: list[int]) -> list[Entry]:
    """A shade an entry: its model, or the first and the last of several."""
    from modclaims.drawing.paper import SMALL, fitted

    entries: list[Entry] = []
    for own in dict.fromkeys(shade):
        mine = [model for model, other in zip(models, shade, strict=True) if other == own]
        words = mine[0] if len(mine) == 1 else f"{mine[0]} to {mine[-1]}"
        entries.append(("line", f"size-{own}", fitted(words, SMALL, 150)))
    return entries


def _depth_axis(axes: Plot, *, named: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter

    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(v))))
    if named:
        axes.set_xlabel("relative depth", labelpad=3)


def _side(paper: Paper, words: str, bottom: float, height: float) -> None:
    """What a plot's upright axis is."""
    from modclaims.drawing.paper import TEXT, fitted

    paper.say_upwards(8, bottom + height / 2, fitted(words, TEXT, height))
