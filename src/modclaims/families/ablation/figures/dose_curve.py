"""What a module's texts lose by its size, with the range of sets like it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import interval, number, tick
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Paper

Floats = NDArray[np.float64]
LEFT = 40.0


@dataclass(frozen=True)
class DoseCurve(FigureData):
    """A panel per category: what its texts lose by size of the module, with the range and mean of matched sets."""

    size: Annotated[NDArray[np.generic], Axes("size")]
    """Units in the module."""
    own: Annotated[Floats, Axes("category", "size")]
    """What the category's texts lose without the module, in nats a token."""
    matched: Annotated[Floats, Axes("category", "size")]
    """What they lose without a matched set: the mean over sets ..."""
    matched_low: Annotated[Floats, Axes("category", "size")]
    """... the least ..."""
    matched_high: Annotated[Floats, Axes("category", "size")]
    """... and the most."""
    effect: Annotated[Floats, Axes("category", "size")]
    """The effect that the claim is weighed by; not drawn."""
    categories: tuple[str, ...] = ()
    unit: str = "units"
    """What a module is made of, in the plural."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        curves = (self.own, self.matched, self.matched_low, self.matched_high)
        if {curve.shape for curve in curves} != {(len(self.own), len(self.size))}:
            raise ValueError("the curves of a dose curve differ in shape")
        categories = labels_for(len(self.own), self.categories, "categories of dose_curve")
        columns = kit.columns_for(len(categories))
        rows = -(-len(categories) // columns)
        wide = (kit.WIDTH - LEFT - 10 - 14 * (columns - 1)) / columns
        paper = kit.Paper.of(kit.WIDTH, rows * 132 + 34)
        _key(paper)
        limits = kit.span(self.own, self.matched_low, self.matched_high, 0.0)
        for i, category in enumerate(categories):
            row, column = divmod(i, columns)
            left, bottom = LEFT + column * (wide + 14), paper.height - 28 - (row + 1) * 132 + 30
            axes = paper.axes(left, bottom, wide, 84)
            self._panel(axes, i, limits)
            if column:
                axes.tick_params(labelleft=False)
            paper.say(left, bottom + 89, kit.fitted(category, kit.TEXT, wide), size=kit.TEXT, colour="ink")
        middle = LEFT + (kit.WIDTH - LEFT - 10) / 2
        paper.say(middle, 6, f"{self.unit} in the module", ha="center", size=kit.TEXT, colour="ink")
        words = "change of loss, nats a token"
        paper.say_upwards(8, paper.height / 2, words)
        return paper.figure

    def _panel(self, axes: Plot, i: int, limits: tuple[float, float]) -> None:
        """The curve of one category."""
        from matplotlib.ticker import FixedLocator, FuncFormatter

        from modclaims.drawing import paper as kit

        x = np.log2(self.size.astype(np.float64))
        edge = 0.35 if len(x) == 1 else 0.08 * (x[-1] - x[0])
        kit.grid(axes)
        axes.set(xlim=(x[0] - edge, x[-1] + edge), ylim=limits)
        ends = np.array([x[0] - edge / 2, x[0] + edge / 2]) if len(x) == 1 else x
        low, middle, high = (
            np.resize(curve[i], len(ends)) for curve in (self.matched_low, self.matched, self.matched_high)
        )
        axes.fill_between(ends, low, high, color=kit.colour_of("chance"), linewidth=0)
        axes.plot(ends, middle, color=kit.colour_of("twin"), linewidth=1.0)
        axes.plot(x, self.own[i], color=kit.colour_of("effect"), marker=kit.category_style(0)[1], markersize=4)
        axes.xaxis.set_major_locator(FixedLocator(x.tolist()))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(round(2**v)))))
        kit.tidy_numbers(axes, "y", 4)

    def table(self) -> Table:
        categories = labels_for(len(self.own), self.categories, "categories of dose_curve")
        sizes = self.size.astype(np.float64)
        rows, left_out = cut(
            (
                (
                    category,
                    number(round(float(sizes[j]))),
                    number(float(self.own[i, j])),
                    number(float(self.matched[i, j])),
                    interval(float(self.matched_low[i, j]), float(self.matched_high[i, j])),
                )
                for i, category in enumerate(categories)
                for j in range(len(sizes))
            ),
            "modules",
        )
        head = ("module of", self.unit, "own texts lose", "without matched sets", "lowest and highest of them")
        return Table(head, rows, left_out=left_out)


def _key(paper: Paper) -> None:
    from modclaims.drawing.paper import WIDTH

    entries = [
        ("o", "effect", "without the module"),
        ("line", "twin", "without a matched set, mean"),
        ("band", "chance", "lowest to highest matched set"),
    ]
    paper.key(LEFT, paper.height - 10, entries, WIDTH - 50)
