"""One quantity along depth: its band, the chunks that it is divided into, and where resamples divide it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import interval, number, significant
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry, Paper

Floats = NDArray[np.float64]
LANE = 34.0
"""Height of the lane of change points, in points."""
CHUNKS = ("early", "middle", "last")


@dataclass(frozen=True)
class CurveByDepth(FigureData):
    """The mean of one quantity at every layer with a band for all of them; levels of its chunks, a straight line, untrained
    networks; below, where resamples begin the chunks."""

    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    mean: Annotated[Floats, Axes("layer")]
    low: Annotated[Floats, Axes("layer")]
    high: Annotated[Floats, Axes("layer")]
    level: Annotated[Floats, Axes("layer")] | None = None
    """Mean of the chunk that a layer is in, where the curve is divided."""
    chunk: Annotated[NDArray[np.generic], Axes("layer")] | None = None
    """0 early, 1 middle, 2 last."""
    begins: Annotated[Floats, Axes("chunk", "layer")] | None = None
    """Share of resamples in which the middle, and the last chunk, begins there."""
    line: Annotated[Floats, Axes("layer")] | None = None
    """A straight line."""
    twin: Annotated[Floats, Axes("seed", "layer")] | None = None
    """The same quantity in untrained networks."""
    quantity: str = "mean"
    interval: str = "band over all layers"
    """What the band is."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        left, lane = kit.DEPTH_LEFT, LANE + 8 if self.begins is not None else 0.0
        paper = kit.Paper.of(kit.WIDTH, 226 + lane)
        top = paper.height - 10 - paper.key(left, paper.height - 10, self._entries(), kit.WIDTH - left - 10)
        axes = paper.axes(left, 30 + lane, kit.WIDTH - left - 10, top - 30 - lane - 22)
        kit.grid(axes)
        _band(axes, self.depth, self.low, self.high)
        for curve in () if self.twin is None else self.twin:
            axes.plot(self.depth, curve, color=kit.colour_of("twin"), linewidth=0.8)
        if self.line is not None:
            axes.plot(self.depth, self.line, color=kit.colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        if self.level is not None and self.chunk is not None:
            for start, stop in _runs(self.chunk):
                room = 0.35 / max(len(self.depth) - 1, 1)
                ends = [self.depth[start] - room, self.depth[stop - 1] + room]
                at = [self.level[start]] * 2
                axes.plot(ends, at, color=kit.colour_of("bound"), linewidth=2.2, solid_capstyle="round")
        axes.plot(self.depth, self.mean, color=kit.colour_of("effect"), marker="o", markersize=4, linewidth=1.1)
        every = (self.mean, self.low, self.high, self.line, self.level, self.twin)
        axes.set_ylim(*kit.span(*(values for values in every if values is not None)))
        kit.tidy_numbers(axes, "y")
        kit.layer_axis(paper, axes, self.depth, self.layer.astype(np.float64), top - 22)
        if self.begins is not None:
            self._lane(paper, axes, self.begins)
        name = kit.fitted(self.quantity, kit.TEXT, top - 30 - lane)
        paper.say_upwards(8, 30 + lane + (top - 52 - lane) / 2, name)
        return paper.figure

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        entries: list[Entry] = [("o", "effect", "mean over texts"), ("band", "chance", self.interval)]
        if self.level is not None:
            entries.append(("line", "bound", "mean of each chunk"))
        if self.line is not None:
            entries.append(("dashes", "threshold", "straight line"))
        if self.twin is not None:
            entries.append(("line", "twin", "untrained networks"))
        if self.begins is not None:
            entries += [
                ("tick", "category-1", "the middle begins, share of resamples"),
                ("tick", "category-2", "the last chunk begins"),
            ]
        return entries

    def _lane(self, paper: Paper, above: Plot, begins: Floats) -> None:
        """Where resamples begin the chunks, below the curve."""
        from modclaims.drawing import paper as kit

        below = paper.axes(kit.DEPTH_LEFT, 30, kit.WIDTH - kit.DEPTH_LEFT - 10, LANE)
        below.sharex(above)
        below.set_xlabel(above.get_xlabel(), labelpad=3)
        above.set_xlabel("")
        above.tick_params(labelbottom=False)
        kit.grid(below)
        below.set_ylim(0, 1.05)
        below.set_yticks([0, 1], ["0", "1"])
        between = 0.5 / max(len(self.depth) - 1, 1)
        for row, (shares, colour) in enumerate(zip(begins, ("category-1", "category-2"), strict=True)):
            there = shares > 0
            at = self.depth[there] - between + (row - 0.5) * 0.006
            below.vlines(at, 0, shares[there], color=kit.colour_of(colour), linewidth=3)

    def table(self) -> Table:
        head = ["layer", "relative depth", f"{self.quantity}, mean", self.interval]
        further: list[Floats] = []
        if self.chunk is not None:
            head += ["chunk", "mean of the chunk"]
        if self.begins is not None:
            head += ["middle begins here, % of resamples", "last chunk begins here, % of resamples"]
            further += list(100 * self.begins)
        if self.line is not None:
            head.append("straight line")
            further.append(self.line)
        if self.twin is not None:
            head.append("untrained networks, mean")
            further.append(self.twin.mean(axis=0))
        rows = []
        for i in range(len(self.layer)):
            row = [significant(float(self.layer[i])), number(float(self.depth[i])), number(float(self.mean[i]))]
            row.append(interval(float(self.low[i]), float(self.high[i])))
            if self.chunk is not None and self.level is not None:
                row += [CHUNKS[int(self.chunk[i])], number(float(self.level[i]))]
            rows.append((*row, *(number(float(values[i])) for values in further)))
        kept, left = cut(rows, "layers")
        return Table(tuple(head), kept, words=(4,) if self.chunk is not None else (), left_out=left)


def _band(axes: Plot, depth: Floats, low: Floats, high: Floats) -> None:
    """The band where it is known; a bar where no layer beside it has one."""
    from modclaims.drawing.paper import colour_of

    known = np.isfinite(low) & np.isfinite(high)
    around = np.pad(known, 1)
    alone = known & ~around[:-2] & ~around[2:]
    axes.fill_between(depth, low, high, where=(known & ~alone).tolist(), color=colour_of("chance"), linewidth=0)
    half = 0.1 if len(depth) == 1 else 0.15 / (len(depth) - 1)
    for i in np.flatnonzero(alone):
        ends = [depth[i] - half, depth[i] + half]
        axes.fill_between(ends, [low[i]] * 2, [high[i]] * 2, color=colour_of("chance"), linewidth=0)


def _runs(chunk: NDArray[np.generic]) -> list[tuple[int, int]]:
    """Start and stop of each run of equal entries."""
    edges = [0, *(np.flatnonzero(chunk[1:] != chunk[:-1]) + 1).tolist(), len(chunk)]
    return list(pairwise(edges))
