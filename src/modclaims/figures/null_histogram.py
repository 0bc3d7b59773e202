"""What chance does at one cell, as a histogram, and where the observed value lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import count, number, significant
from modclaims.drawing.rows import Table, rounded
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Paper

Floats = NDArray[np.float64]
LEFT = 34.0
"""Where the axes begin, in points."""
MOST_BARS = 40


@dataclass(frozen=True)
class NullHistogram(FigureData):
    """The distribution of a statistic under chance, and where the observed value lies."""

    shows_chance: ClassVar[bool] = True
    null: Annotated[NDArray[np.floating], Axes("arrangement")]
    """The statistic under every arrangement, the observed one included."""
    observed: Annotated[float, Axes()]
    """The statistic as it was observed."""
    statistic: str = "statistic"
    """What the statistic is called."""
    cell: str = ""
    """Where it was tested."""
    action: str = ""
    """What chance did."""
    exact: str = "0"
    """1 where every distinct arrangement was enumerated, 0 where some were drawn."""

    def draw(self) -> Figure:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        from modclaims.drawing import paper as kit

        null, wide = self._known(), kit.HALF - 44
        paper = kit.Paper.of(kit.HALF, 170)
        axes = paper.axes(LEFT, 30, wide, 104)
        limits = kit.span(null, self.observed, margin=0.08)
        chance = _without_identity(null, self.observed)
        counts, edges = np.histogram(chance, bins=bar_edges(chance, limits[1] - limits[0]))
        axes.stairs(counts, edges, fill=True, color=kit.colour_of("chance"))
        axes.stairs(counts, edges, fill=False, color=kit.colour_of("twin"), linewidth=0.8)
        axes.set(xlim=limits, ylim=(0, counts.max() * 1.05))
        kit.tidy_numbers(axes, "x", 5)
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v))))
        axes.set_xlabel(kit.fitted(self.statistic, kit.TEXT, wide), labelpad=3)
        every = f"all {number(len(null))} distinct arrangements"
        drawn = f"{number(len(null))} arrangements, the observed one included"
        paper.say(4, paper.height - 10, every if self.exact == "1" else drawn)
        if np.isfinite(self.observed):
            axes.axvline(self.observed, color=kit.colour_of("threshold"), linewidth=1.5, ymax=1.0)
            self._say_observed(paper, LEFT + (self.observed - limits[0]) / (limits[1] - limits[0]) * wide)
        return paper.figure

    def _say_observed(self, paper: Paper, at: float) -> None:
        """The observed value in numbers, above its line but on the paper."""
        from modclaims.drawing.paper import HALF, SMALL, text_width

        text = f"observed {significant(self.observed, 3)}"
        half = text_width(text, SMALL) / 2
        paper.say(min(max(at, 4 + half), HALF - 2 - half), 140, text, colour="threshold", ha="center")

    def _known(self) -> Floats:
        """The finite entries of the null sample. Raises `ValueError` where there are none."""
        if not (null := finite(self.null)).size:
            raise ValueError("the null sample is empty")
        return null

    def table(self) -> Table:
        null = self._known()
        quantiles = np.quantile(null, (0, 0.05, 0.5, 0.95, 1))
        labels = ("lowest under chance", "5 % quantile", "median", "95 % quantile", "highest under chance")
        rows = [("observed", rounded(self.observed))]
        rows += [(label, rounded(q)) for label, q in zip(labels, quantiles, strict=True)]
        rows.append(("arrangements", number(int(self.null.size))))
        missing = int(self.null.size) - null.size
        left = f"{count(missing, 'arrangement')} without a finite value." if missing else ""
        return Table((self.statistic, "value"), tuple(rows), left_out=left)


def bar_edges(values: Floats, room: float) -> Floats:
    """Edges of the bars: as many as the sample carries, or bars as wide as the steps of what moves in steps.

    A share of so and so many units takes few values, evenly apart; bars that do not keep step with them would show gaps.
    """
    low, high = float(values.min()), float(values.max())
    bins = int(min(MOST_BARS, max(8, 2 * len(values) ** (1 / 3))))
    gaps = np.diff(np.unique(values))
    gaps = gaps[gaps > (high - low) * 1e-6]
    if gaps.size:
        step = float(gaps.min())
        steps = round((high - low) / step)
        if steps < MOST_BARS and np.allclose(gaps / step, np.rint(gaps / step), atol=1e-3):
            return np.asarray(low + step * (np.arange(steps + 2) - 0.5))
    pad = (high - low) * 1e-6 or room * 0.02
    return np.linspace(low - pad, high + pad, bins + 1)


def _without_identity(null: Floats, observed: float) -> Floats:
    """The null sample less the one arrangement that is the observed one: it would stretch the bars' range."""
    if not np.isfinite(observed) or len(null) < 2:
        return null
    nearest = int(np.abs(null - observed).argmin())
    same = abs(null[nearest] - observed) <= 1e-5 * max(abs(observed), 1e-12)
    return np.delete(null, nearest) if same else null
