"""Drawings of one quantity along depth: its band, the chunks that it is divided into, and where resamples divide it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from modclaims.report.exhibits import floats, word
from modclaims.report.paper import (
    DEPTH_LEFT,
    TEXT,
    WIDTH,
    Entry,
    Paper,
    colour_of,
    fitted,
    grid,
    layer_axis,
    span,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
LEFT = DEPTH_LEFT
LANE = 34.0
"""Height of the lane of change points, in points."""


def curve_by_depth(exhibit: Exhibit) -> Figure:
    """The curve with its band; levels of its chunks, the straight line, twins; below, where resamples begin the chunks."""
    depth, layer, mean, low, high = (floats(exhibit, key, 1) for key in ("depth", "layer", "mean", "low", "high"))
    given = exhibit.arrays
    line = floats(exhibit, "line", 1) if "line" in given else None
    twins = floats(exhibit, "twin", 2) if "twin" in given else None
    level = floats(exhibit, "level", 1) if "level" in given else None
    begins = floats(exhibit, "begins", 2) if "begins" in given else None
    quantity = word(exhibit, "quantity", "mean")
    entries: list[Entry] = [
        ("o", "effect", "mean over texts"),
        ("band", "chance", word(exhibit, "interval", "band over all layers")),
    ]
    if level is not None:
        entries.append(("line", "bound", "mean of each chunk"))
    if line is not None:
        entries.append(("dashes", "threshold", "straight line"))
    if twins is not None:
        entries.append(("line", "twin", "untrained twins"))
    if begins is not None:
        entries += [
            ("tick", "category-1", "the middle begins, share of resamples"),
            ("tick", "category-2", "the last chunk begins"),
        ]
    lane = LANE + 8 if begins is not None else 0.0
    paper = Paper.of(WIDTH, 226 + lane)
    top = paper.height - 10 - paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    axes = paper.axes(LEFT, 30 + lane, WIDTH - LEFT - 10, top - 30 - lane - 22)
    grid(axes)
    _band(axes, depth, low, high)
    for curve in () if twins is None else twins:
        axes.plot(depth, curve, color=colour_of("twin"), linewidth=0.8)
    if line is not None:
        axes.plot(depth, line, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    if level is not None:
        for start, stop in _runs(np.asarray(given["chunk"])):
            room = 0.35 / max(len(depth) - 1, 1)
            ends = [depth[start] - room, depth[stop - 1] + room]
            axes.plot(ends, [level[start]] * 2, color=colour_of("bound"), linewidth=2.2, solid_capstyle="round")
    axes.plot(depth, mean, color=colour_of("effect"), marker="o", markersize=4, linewidth=1.1)
    shown = [values for values in (mean, low, high, line, level, twins) if values is not None]
    axes.set_ylim(*span(*shown))
    tidy_numbers(axes, "y")
    layer_axis(paper, axes, depth, layer, top - 22)
    if begins is not None:
        below = paper.axes(LEFT, 30, WIDTH - LEFT - 10, LANE)
        below.sharex(axes)
        below.set_xlabel(axes.get_xlabel(), labelpad=3)
        axes.set_xlabel("")
        axes.tick_params(labelbottom=False)
        grid(below)
        below.set_ylim(0, 1.05)
        below.set_yticks([0, 1], ["0", "1"])
        between = 0.5 / max(len(depth) - 1, 1)
        for row, (shares, colour) in enumerate(zip(begins, ("category-1", "category-2"), strict=True)):
            there = shares > 0
            at = depth[there] - between + (row - 0.5) * 0.006
            below.vlines(at, 0, shares[there], color=colour_of(colour), linewidth=3)
    name = fitted(quantity, TEXT, top - 30 - lane)
    paper.say(8, 30 + lane + (top - 52 - lane) / 2, name, rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure


def _band(axes: Axes, depth: Floats, low: Floats, high: Floats) -> None:
    """The band where it is known; a bar where no layer beside it has one."""
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
