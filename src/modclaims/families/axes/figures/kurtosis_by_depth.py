"""Kurtosis of a network's coordinates along depth, against rotated ones and the Gaussian value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.decades import logs
from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import interval, number, power_of_ten, significant, tick
from modclaims.drawing.rows import Table, cut
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class KurtosisByDepth(FigureData):
    """Kurtosis over coordinates by relative depth: the network's own axes, rotated ones, the Gaussian value."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    own: Annotated[Floats, Axes("layer")]
    """Of the network's own axes, the mean over texts ..."""
    low: Annotated[Floats, Axes("layer")]
    """... the lowest text ..."""
    high: Annotated[Floats, Axes("layer")]
    """... and the highest."""
    rotated_mean: Annotated[Floats, Axes("layer")]
    """Of rotated axes, the mean over draws ..."""
    rotated_low: Annotated[Floats, Axes("layer")]
    """... the lowest draw ..."""
    rotated_high: Annotated[Floats, Axes("layer")]
    """... and the highest."""
    first: Annotated[Floats, Axes("layer")]
    """Of the network's own axes at the first token; not a number where it is not known."""
    gaussian: Annotated[float, Axes()] = math.nan
    """What Gaussian coordinates have."""
    site: str = "the stream"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        found = self._logs()
        limits = kit.span(*found.values(), logs(np.array([self.gaussian])))
        paper, left, wide = kit.Paper.of(kit.WIDTH, 246), kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        top = paper.height - 10 - paper.key(left, paper.height - 10, self._entries(), wide)
        axes = paper.axes(left, 30, wide, top - 30 - 22)
        kit.grid(axes)
        self._plot(axes, found)
        axes.set_ylim(*limits)
        _log_axis(axes, *limits)
        kit.layer_axis(paper, axes, self.depth, self.layer.astype(np.float64), top - 22)
        name = kit.fitted(f"kurtosis of {self.site}, log scale", kit.TEXT, top - 30)
        paper.say_upwards(8, 30 + (top - 52) / 2, name)
        return paper.figure

    def _logs(self) -> dict[str, Floats]:
        """Decimal logarithms of every curve. Raises `ValueError` where curves do not fit."""
        curves = {
            "own": self.own,
            "low": self.low,
            "high": self.high,
            "rotated_mean": self.rotated_mean,
            "rotated_low": self.rotated_low,
            "rotated_high": self.rotated_high,
            "first": self.first,
        }
        if any(len(v) != len(self.depth) for v in (self.layer, *curves.values())):
            raise ValueError("the curves of a kurtosis by depth differ in layers")
        return {name: logs(values) for name, values in curves.items()}

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        entries: list[Entry] = [("bar", "effect", "own axes, mean and range over texts")]
        if finite(self.first).size:
            entries.append(("o hollow", "effect", "own axes, first token"))
        entries += [("line", "twin", "rotated axes, mean"), ("band", "chance", "rotated axes, lowest to highest draw")]
        if self._has_gaussian():
            entries.append(("dashes", "threshold", f"Gaussian, {number(self.gaussian)}"))
        return entries

    def _has_gaussian(self) -> bool:
        """Whether the Gaussian value has a place on a log axis."""
        return bool(np.isfinite(self.gaussian)) and self.gaussian > 0

    def _plot(self, axes: Plot, found: dict[str, Floats]) -> None:
        """Rotated axes, the Gaussian value, and the network's own axes, on a log axis."""
        from modclaims.drawing.bands import band_and_mean
        from modclaims.drawing.paper import colour_of

        band_and_mean(axes, self.depth, found["rotated_low"], found["rotated_mean"], found["rotated_high"])
        if self._has_gaussian():
            gaussian = float(logs(np.array([self.gaussian]))[0])
            axes.axhline(gaussian, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        low, high = found["low"], found["high"]
        both = np.isfinite(low) & np.isfinite(high)
        axes.vlines(self.depth[both], low[both], high[both], color=colour_of("effect"), linewidth=0.9)
        axes.plot(self.depth, found["own"], color=colour_of("effect"), marker="o", markersize=4)
        axes.plot(
            self.depth,
            found["first"],
            linestyle="none",
            color=colour_of("effect"),
            marker="o",
            markersize=5,
            markerfacecolor="none",
            markeredgewidth=1.1,
        )

    def table(self) -> Table:
        """Kurtosis of own and of rotated axes, a row per layer."""
        layer = self.layer.astype(np.float64)
        rows = [
            (
                significant(float(layer[i])),
                number(float(self.depth[i])),
                number(float(self.own[i])),
                interval(float(self.low[i]), float(self.high[i])),
                number(float(self.rotated_mean[i])),
                interval(float(self.rotated_low[i]), float(self.rotated_high[i])),
                number(float(self.first[i])),
            )
            for i in range(len(layer))
        ]
        kept, left = cut(rows, "layers")
        head = (
            "layer",
            "relative depth",
            "own axes, mean",
            "lowest and highest text",
            "rotated axes, mean",
            "lowest and highest draw",
            "first token",
        )
        known = bool(np.isfinite(self.gaussian))
        told = f"The value of Gaussian coordinates is {number(self.gaussian)}." if known else ""
        return Table(head, kept, words=(), left_out=f"{told} {left}".strip())


def _log_axis(axes: Plot, low: float, high: float) -> None:
    """Ticks of a log axis from 10^low to 10^high."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    axes.yaxis.set_major_locator(FixedLocator([math.log10(v) for v in _log_ticks(low, high)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _log_tick(v)))


def _log_ticks(low: float, high: float) -> list[float]:
    """Values for the ticks of a log axis from 10^low to 10^high: powers of ten, 1-2-5, or even steps on a short one."""
    from matplotlib.ticker import MaxNLocator

    powers = range(math.floor(low), math.ceil(high) + 1)
    every = -(-len(powers) // 8)
    candidates = [
        [10.0**k for k in powers[::every]],
        [factor * 10.0**k for k in powers for factor in (1, 2, 5)],
    ]
    if high - low < 3:
        candidates.reverse()
    for values in candidates:
        inside = [v for v in values if low <= math.log10(v) <= high]
        if 3 <= len(inside) <= 8:
            return inside
    even = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(10.0**low, 10.0**high)
    return [float(v) for v in even if v > 0 and low <= math.log10(v) <= high]


def _log_tick(exponent: float) -> str:
    whole = round(exponent)
    if whole >= 5 and math.isclose(exponent, whole):
        return power_of_ten(whole)
    return tick(float(f"{10.0**exponent:.6g}"))
