"""How many directions reach an effect: coordinate axes against random directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import decimals_for
from modclaims.drawing.decades import DECADES, logs
from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import interval, number, p_value, significant
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
TOP = 0.15
"""Where the log axis of shares ends, above the share 1."""


@dataclass(frozen=True)
class TwoDistributions(FigureData):
    """One panel per layer: the share of directions that reach an effect, coordinate axes against random directions."""

    at: Annotated[Floats, Axes("point")]
    """Effects at which shares are read."""
    axes: Annotated[Floats, Axes("panel", "point")]
    """Share of coordinate axes whose effect is at least so large."""
    random: Annotated[Floats, Axes("panel", "point")]
    """The same of random directions, the mean over rotations ..."""
    random_low: Annotated[Floats, Axes("panel", "point")]
    """... their 5 % quantile ..."""
    random_high: Annotated[Floats, Axes("panel", "point")]
    """... and the 95 % one."""
    summary_axes: Annotated[Floats, Axes("panel")]
    """The summary that is tested, of coordinate axes."""
    summary_random: Annotated[Floats, Axes("panel", "quantile")]
    """The 5 % quantile, the median and the 95 % quantile of the summary over rotations."""
    p_adjusted: Annotated[Floats, Axes("panel")]
    panels: tuple[str, ...] = ()
    summary: str = "summary"
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        self._check()
        panels = labels_for(len(self.axes), self.panels, "panels of two_distributions")
        bottom, limits, entries = self._bottom(), self._limits(), self._entries()
        columns, left_edge = kit.columns_for(len(panels)), kit.DEPTH_LEFT
        rows = -(-len(panels) // columns)
        wide = (kit.WIDTH - left_edge - 10 - 14 * (columns - 1)) / columns
        tall = min(0.78 * wide, 150.0)
        titles, remark = _panel_titles(panels, self.p_adjusted, wide)
        above = 10.0 + 9 * (max(map(len, titles)) - 1)
        taken = kit.key_height(entries, kit.WIDTH - left_edge - 10) + 8
        paper = kit.Paper.of(kit.WIDTH, taken + rows * (tall + above + 24) + 18)
        paper.key(left_edge, paper.height - 10, entries, kit.WIDTH - left_edge - 10)
        for i in range(len(panels)):
            row, column = divmod(i, columns)
            left = left_edge + column * (wide + 14)
            base = paper.height - taken - (row + 1) * (tall + above + 24) + 18
            axes = paper.axes(left, base, wide, tall)
            axes.set_xlim(limits)
            self._panel(axes, i, bottom, tall)
            kit.tidy_numbers(axes, "x", 6 if columns < 3 else 4 if columns == 3 else 3)
            if column:
                axes.tick_params(labelleft=False)
            for k, line in enumerate(reversed(titles[i])):
                paper.say(left, base + tall + 5 + 9 * k, line, size=kit.SMALL, colour="ink")
        below = kit.fitted(self.effect_name, kit.TEXT, kit.WIDTH - 160) + (f";  {remark}" if remark else "")
        paper.say((kit.WIDTH + left_edge) / 2, 8, below, ha="center", size=kit.TEXT, colour="ink")
        middle, words = 18 + (paper.height - taken - 18) / 2, "share of directions, log scale"
        paper.say_upwards(8, middle, words)
        return paper.figure

    def _check(self) -> None:
        """Raises `ValueError` where arrays do not fit."""
        n, shape = len(self.axes), (len(self.axes), len(self.at))
        if any(a.shape != shape for a in (self.axes, self.random, self.random_low, self.random_high)):
            raise ValueError("the shares of axes and of random directions differ in panels or points")
        if not len(self.summary_axes) == len(self.p_adjusted) == n or self.summary_random.shape != (n, 3):
            raise ValueError(f"summaries and p-values do not fit {n} panels")

    def _bottom(self) -> float:
        """The decimal logarithm of half of one axis' share."""
        for shares in (self.axes, self.random_high, self.random):  # that of random directions is a mean over rotations
            known = shares[np.isfinite(shares) & (shares > 0)]
            if known.size:
                return math.log10(max(float(known.min()) / 2, 10.0**-DECADES))
        raise ValueError("no positive share to draw")

    def _limits(self) -> tuple[float, float]:
        """Effects that some direction reaches."""
        from modclaims.drawing.paper import span

        reached = self.at[((self.axes > 0) | (self.random_high > 0)).any(axis=0)]
        return span(reached, self.summary_axes, self.summary_random, margin=0.04)

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        from modclaims.drawing.paper import SMALL, fitted

        return [
            ("line", "effect", "coordinate axes"),
            ("line", "twin", "random directions, mean"),
            ("band", "chance", "random directions, 5\u00a0% to 95\u00a0% of rotations"),
            ("D", "effect", fitted(f"{self.summary}: axes", SMALL, 200)),
            ("tick", "twin", fitted(f"{self.summary}: median of rotations", SMALL, 240)),
        ]

    def _panel(self, axes: Plot, i: int, bottom: float, tall: float) -> None:
        """Both distributions above a line at half of one axis, and below it their summaries in a lane."""
        from matplotlib.patches import Rectangle
        from matplotlib.ticker import FixedLocator, FuncFormatter

        from modclaims.drawing.paper import colour_of, grid

        lane = min(16.0, 0.2 * tall)
        room = (TOP - bottom) * lane / (tall - lane)
        grid(axes)
        axes.set_ylim(bottom - room, TOP)
        x0, x1 = axes.get_xlim()
        window = Rectangle((x0, bottom), x1 - x0, TOP - bottom, transform=axes.transData)
        low, high = (logs(ends[i], bottom - 1) for ends in (self.random_low, self.random_high))
        known = self.random_high[i] > 0
        band = axes.fill_between(self.at, low, high, where=known, color=colour_of("chance"), linewidth=0)
        band.set_clip_path(window)
        alone = "." if len(self.at) == 1 else None
        for curve, colour in ((self.random[i], "twin"), (self.axes[i], "effect")):
            drawn = axes.plot(self.at, logs(curve), color=colour_of(colour), linewidth=1.2, marker=alone)
            drawn[0].set_clip_path(window)
        axes.axhline(bottom, color=colour_of("rule"), linewidth=0.6)
        middle, half = bottom - room / 2, 0.36 * room
        least, median, most = self.summary_random[i]
        axes.hlines(middle, least, most, color=colour_of("chance"), linewidth=0.38 * lane)
        axes.vlines(median, middle - half, middle + half, color=colour_of("twin"), linewidth=1.6)
        own = self.summary_axes[i]
        axes.plot(own, middle, color=colour_of("effect"), marker="D", markersize=4, markeredgewidth=0)
        step = max(1, -(-math.ceil(-bottom) // 5))
        axes.yaxis.set_major_locator(FixedLocator(list(range(0, math.ceil(bottom) - 1, -step))))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: significant(10.0 ** round(v), 1)))

    def table(self) -> Table:
        """Summaries of both distributions and the adjusted p, a row per panel."""
        panels = labels_for(len(self.summary_axes), self.panels, "panels of two_distributions")
        arrays = (self.summary_axes, self.summary_random, self.p_adjusted)
        rows = []
        for name, mine, (low, middle, high), level in zip(panels, *arrays, strict=True):
            decimals = decimals_for(high - low if np.isfinite(high - low) else None)
            within = f"{number(float(middle), decimals)} {interval(low, high, decimals)}"
            rows.append((name, number(float(mine), decimals), within, p_value(float(level))))
        kept, left = cut(rows, "panels")
        random = f"{self.summary}, random directions: median [5\u00a0%, 95\u00a0%]"
        return Table(("panel", f"{self.summary}, axes", random, "adjusted p"), kept, left_out=left)


def _panel_titles(panels: Sequence[str], p: Floats, wide: float) -> tuple[list[tuple[str, ...]], str]:
    """Each panel's name and adjusted p, on one line where all fit, else on two; and a remark on what p is."""
    from modclaims.drawing.paper import SMALL, fitted, text_width

    levels = [f"p\u00a0=\u00a0{p_value(float(v))}".replace("=\u00a0<", "<") if np.isfinite(v) else "" for v in p]
    full = [f"adjusted {level}" if level else "" for level in levels]
    one = [f"{panel}: {level}" if level else panel for panel, level in zip(panels, full, strict=True)]
    if all(text_width(title, SMALL) <= wide for title in one) or not any(levels):
        return [(fitted(title, SMALL, wide),) for title in one], ""
    fits = all(text_width(level, SMALL) <= wide for level in full)
    second = full if fits else levels
    titles = [(fitted(panel, SMALL, wide), level) for panel, level in zip(panels, second, strict=True)]
    return [tuple(title) for title in titles], "" if fits else "p is adjusted"
