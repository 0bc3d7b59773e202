"""Separation of the subspaces of categories along depth, and the principal angles between them."""

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
TALL = (128.0, 104.0)
"""Heights of the plots of separation and of angles, in points."""


@dataclass(frozen=True)
class PrincipalAngles(FigureData):
    """Separation with its bounds by relative depth, above principal angles with their band under exchange of labels."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    effect: Annotated[Floats, Axes("layer")]
    """Separation on texts unseen."""
    low: Annotated[Floats, Axes("layer")]
    """Lower bound of each layer's own, on the effect's scale ..."""
    high: Annotated[Floats, Axes("layer")]
    """... and upper one."""
    smallest_effect: Annotated[float, Axes()]
    """The smallest separation that matters."""
    angles: Annotated[Floats, Axes("layer", "pair", "axis")]
    """Principal angles between the subspaces of every two categories, in degrees."""
    observed: Annotated[Floats, Axes("layer")]
    """Mean squared sine of these angles."""
    null_low: Annotated[Floats, Axes("layer")]
    """Where it lies under exchange of labels: the lower end of its range ..."""
    null_mean: Annotated[Floats, Axes("layer")]
    """... its middle ..."""
    null_high: Annotated[Floats, Axes("layer")]
    """... and the upper end."""
    pairs: tuple[str, ...] = ()
    """Which two categories a pair is."""
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.two_plots import TwoPlots, with_bounds, zero_and_smallest

        self._check()
        plots = TwoPlots.of(self._entries(), TALL)
        upper = plots.upper
        upper.set_ylim(*kit.span(self.effect, self.low, self.high, self.smallest_effect, 0.0))
        zero_and_smallest(upper, self.smallest_effect)
        with_bounds(upper, self.depth, self.effect, self.low, self.high, "effect", "o")
        kit.tidy_numbers(upper, "y", 5)
        self._angles(plots.lower)
        plots.by_depth(self.depth, self.layer.astype(np.float64))
        plots.say(self.effect_name, "principal angle")
        return plots.paper.figure

    def _check(self) -> None:
        """Raises `ValueError` where arrays differ in their number of layers."""
        of_effects = (self.layer, self.effect, self.low, self.high)
        every = (*of_effects, self.observed, self.null_low, self.null_mean, self.null_high)
        if any(len(values) != len(self.depth) for values in every):
            raise ValueError("the arrays of principal_angles differ in layers")
        if len(self.angles) != len(self.depth):
            raise ValueError("principal_angles has angles of another number of layers")

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        return [
            ("bar", "effect", f"{self.effect_name}, own bounds"),
            ("dashes", "threshold", f"smallest that matters, {number(self.smallest_effect)}"),
            ("D", "bound", "angle of the mean squared sine"),
            (".", "twin", "angles of single pairs"),
            ("band", "chance", "the former under exchanged labels"),
        ]

    def _angles(self, axes: Plot) -> None:
        """Angles of single pairs, and the angle of the mean squared sine with its range under exchange of labels."""
        from matplotlib.ticker import FixedLocator, FuncFormatter

        from modclaims.drawing.paper import colour_of, span

        depth, low, middle, high = self.depth, *map(_degrees, (self.null_low, self.null_mean, self.null_high))
        if len(depth) == 1:
            depth = np.array([depth[0] - 0.1, depth[0] + 0.1])
            low, middle, high = (np.repeat(values, 2) for values in (low, middle, high))
        axes.fill_between(depth, low, high, color=colour_of("chance"), linewidth=0)
        axes.plot(depth, middle, color=colour_of("twin"), linewidth=0.9)
        flat = self.angles.reshape(len(self.depth), -1)
        axes.plot(np.repeat(self.depth, flat.shape[1]), flat.ravel(), ".", color=colour_of("twin"), markersize=3)
        axes.plot(self.depth, _degrees(self.observed), "D", color=colour_of("bound"), markersize=4.5)
        axes.set_ylim(min(span(flat, low)[0], 85.0), 92)
        axes.yaxis.set_major_locator(FixedLocator([0, 15, 30, 45, 60, 75, 90]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}°"))

    def table(self) -> Table:
        rows = [
            (
                significant(float(self.layer[i])),
                number(float(self.depth[i])),
                f"{number(float(self.effect[i]))} {interval(float(self.low[i]), float(self.high[i]))}",
                number(float(self.observed[i])),
                f"{number(float(self.null_mean[i]))} {interval(float(self.null_low[i]), float(self.null_high[i]))}",
                f"{number(float(self.angles[i].min()), 0)} to {number(float(self.angles[i].max()), 0)}",
            )
            for i in range(len(self.layer))
        ]
        kept, left = cut(rows, "layers")
        head = ("layer", "relative depth", self.effect_name)
        further = ("mean squared sine", "under exchanged labels", "principal angles, degrees")
        return Table(head + further, kept, words=(), left_out=left)


def _degrees(squared_sine: Floats) -> Floats:
    return np.asarray(np.degrees(np.arcsin(np.sqrt(np.clip(squared_sine, 0.0, 1.0)))))
