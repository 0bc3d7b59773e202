"""Tokens told from the stream along depth: accuracy, that of the control task, and selectivity."""

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
BOTTOM, GAP = 30.0, 12.0
UPPER, LOWER = 140.0, 80.0
STYLES = (("effect", "o"), ("category-2", "s"), ("twin", "D"), ("effect", "o"))
"""Colours and markers of the accuracies, the control task and selectivity."""


@dataclass(frozen=True)
class AccuracyByDepth(FigureData):
    """Shares of tokens found by relative depth with their bands, those of the control task among them; selectivity below."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    mean: Annotated[Floats, Axes("curve", "layer")]
    """Share of tokens found, mean over texts, of every task; the last curve is selectivity, the difference of two."""
    low: Annotated[Floats, Axes("curve", "layer")]
    high: Annotated[Floats, Axes("curve", "layer")]
    unseen: Annotated[Floats, Axes("layer")]
    """Share found among types of tokens that were never learned from; not a number where there are none."""
    curves: tuple[str, ...] = ()
    interval: str = "bounds of each layer"
    """What the bands are."""

    def draw(self) -> Figure:
        from matplotlib.ticker import FixedLocator

        from modclaims.drawing import paper as kit

        curves, left, wide = self._named(), kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        entries = self._entries(curves)
        taken = kit.key_height(entries, wide)
        paper = kit.Paper.of(kit.WIDTH, 10 + taken + 24 + UPPER + GAP + LOWER + BOTTOM)
        paper.key(left, paper.height - 10, entries, wide)
        upper = paper.axes(left, BOTTOM + LOWER + GAP, wide, UPPER)
        lower = paper.axes(left, BOTTOM, wide, LOWER)
        self._curves(upper, range(len(curves) - 1))
        self._curves(lower, range(len(curves) - 1, len(curves)))
        if np.isfinite(self.unseen).any():
            upper.plot(self.depth, self.unseen, color=kit.colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        upper.set_ylim(-0.04, 1.04)
        lower.axhline(0, color=kit.colour_of("rule"), linewidth=0.8)
        lower.set_ylim(*kit.span(self.mean[-1], self.low[-1], self.high[-1], 0.0))
        for axes in (upper, lower):
            kit.tidy_numbers(axes, "y", 5)
        kit.layer_axis(paper, lower, self.depth, self.layer.astype(np.float64), BOTTOM + LOWER + GAP + UPPER)
        upper.set_xlim(lower.get_xlim())
        upper.xaxis.set_major_locator(FixedLocator(lower.get_xticks().tolist()))
        upper.tick_params(labelbottom=False)
        for name, bottom, tall in (("share of tokens found", BOTTOM + LOWER + GAP, UPPER), (curves[-1], BOTTOM, LOWER)):
            words = kit.fitted(name, kit.TEXT, tall + GAP)
            paper.say_upwards(8, bottom + tall / 2, words)
        return paper.figure

    def _named(self) -> list[str]:
        """Names of the curves. Raises `ValueError` where arrays do not fit."""
        curves = labels_for(len(self.mean), self.curves, "curves of accuracy_by_depth")
        shape = (len(curves), len(self.depth))
        if any(v.shape != shape for v in (self.mean, self.low, self.high)) or len(self.unseen) != len(self.depth):
            raise ValueError("the curves of accuracy_by_depth differ in layers")
        return curves

    def _styles(self) -> list[tuple[str, str]]:
        """Colour and marker of every curve."""
        return [STYLES[0], *STYLES[1 : len(self.mean) - 2], *STYLES[2:]]

    def _entries(self, curves: list[str]) -> list[Entry]:
        """The key: what each mark is."""
        entries: list[Entry] = [
            (marker, colour, name) for name, (colour, marker) in zip(curves[:-1], self._styles(), strict=False)
        ]
        if np.isfinite(self.unseen).any():
            entries.append(("dashes", "threshold", "types never learned from"))
        entries.append(("band", "chance", self.interval))
        return entries

    def _curves(self, axes: Plot, which: range) -> None:
        """Some of the curves, with their bands below all of them."""
        from modclaims.drawing.bands import band
        from modclaims.drawing.paper import colour_of, grid

        grid(axes)
        for i in which:
            band(axes, self.depth, self.low[i], self.high[i])
        for i in which:
            colour, marker = self._styles()[i]
            axes.plot(self.depth, self.mean[i], color=colour_of(colour), marker=marker, markersize=4, linewidth=1.1)

    def table(self) -> Table:
        layer = self.layer.astype(np.float64)
        rows = [
            (
                significant(float(layer[i])),
                number(float(self.depth[i])),
                *(
                    f"{number(float(m[i]))} {interval(float(a[i]), float(b[i]))}"
                    for m, a, b in zip(self.mean, self.low, self.high, strict=True)
                ),
                number(float(self.unseen[i])),
            )
            for i in range(len(layer))
        ]
        kept, left = cut(rows, "layers")
        curves = labels_for(len(self.mean), self.curves, "curves of accuracy_by_depth")
        return Table(("layer", "relative depth", *curves, "types never learned from"), kept, words=(), left_out=left)
