"""Drawings of what the stream tells of its input: tokens found by relative depth, and where the maps that find them read."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from modclaims.drawing.exhibits import floats, names, word
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    TEXT,
    WIDTH,
    Entry,
    Paper,
    colour_of,
    fitted,
    grid,
    key_height,
    layer_axis,
    span,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
LEFT, BOTTOM, GAP = DEPTH_LEFT, 30.0, 12.0
UPPER, LOWER, SINGLE = 140.0, 80.0, 150.0
STYLES = (("effect", "o"), ("category-2", "s"), ("twin", "D"), ("effect", "o"))


def accuracy_by_depth(exhibit: Exhibit) -> Figure:
    """Shares of tokens found by relative depth with their bands, those of the control task among them; selectivity below."""
    depth, layer, unseen = (floats(exhibit, key, 1) for key in ("depth", "layer", "unseen"))
    mean, low, high = (floats(exhibit, key, 2) for key in ("mean", "low", "high"))
    curves = names(exhibit, "curves", len(mean))
    if any(values.shape != (len(curves), len(depth)) for values in (mean, low, high)) or len(unseen) != len(depth):
        raise ValueError("the curves of accuracy_by_depth differ in layers")
    styles = [STYLES[0], *STYLES[1 : len(curves) - 2], *STYLES[2:]]
    entries: list[Entry] = [(marker, colour, name) for name, (colour, marker) in zip(curves[:-1], styles, strict=False)]
    if np.isfinite(unseen).any():
        entries.append(("dashes", "threshold", "types never learned from"))
    entries.append(("band", "chance", word(exhibit, "interval", "bounds of each layer")))
    taken = key_height(entries, WIDTH - LEFT - 10)
    paper = Paper.of(WIDTH, 10 + taken + 24 + UPPER + GAP + LOWER + BOTTOM)
    paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    upper = paper.axes(LEFT, BOTTOM + LOWER + GAP, WIDTH - LEFT - 10, UPPER)
    lower = paper.axes(LEFT, BOTTOM, WIDTH - LEFT - 10, LOWER)
    for axes, which in ((upper, range(len(curves) - 1)), (lower, range(len(curves) - 1, len(curves)))):
        grid(axes)
        for i in which:
            _banded(axes, depth, low[i], high[i])
        for i in which:
            colour, marker = styles[i]
            axes.plot(depth, mean[i], color=colour_of(colour), marker=marker, markersize=4, linewidth=1.1)
    if np.isfinite(unseen).any():
        upper.plot(depth, unseen, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    upper.set_ylim(-0.04, 1.04)
    lower.axhline(0, color=colour_of("rule"), linewidth=0.8)
    lower.set_ylim(*span(mean[-1], low[-1], high[-1], 0.0))
    for axes in (upper, lower):
        tidy_numbers(axes, "y", 5)
    layer_axis(paper, lower, depth, layer, BOTTOM + LOWER + GAP + UPPER)
    upper.set_xlim(lower.get_xlim())
    upper.xaxis.set_major_locator(FixedLocator(lower.get_xticks().tolist()))
    upper.tick_params(labelbottom=False)
    _name(paper, "share of tokens found", BOTTOM + LOWER + GAP, UPPER)
    _name(paper, curves[-1], BOTTOM, LOWER)
    return paper.figure


def input_angles(exhibit: Exhibit) -> Figure:
    """Squared cosines of principal angles by relative depth, their mean with bounds, and that of random subspaces."""
    depth, layer, mean, low, high, least, most, middle = (
        floats(exhibit, key, 1)
        for key in ("depth", "layer", "mean", "low", "high", "null_low", "null_high", "null_mean")
    )
    cosines = floats(exhibit, "cosines", 2)
    if len({len(values) for values in (depth, layer, mean, low, high, least, most, middle, cosines)}) != 1:
        raise ValueError("the arrays of input_angles differ in layers")
    entries: list[Entry] = [
        ("bar", "effect", f"mean, {word(exhibit, 'interval', 'bounds')}"),
        (".", "category-2", "single principal angles"),
        ("line", "twin", "random subspaces, mean"),
        ("band", "chance", "means of random subspaces"),
    ]
    paper = Paper.of(WIDTH, BOTTOM + SINGLE + 36 + key_height(entries, WIDTH - LEFT - 10))
    paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    axes = paper.axes(LEFT, BOTTOM, WIDTH - LEFT - 10, SINGLE)
    grid(axes)
    _banded(axes, depth, least, most)
    wide = depth if len(depth) > 1 else np.array([depth[0] - 0.1, depth[0] + 0.1])
    axes.plot(wide, np.resize(middle, len(wide)), color=colour_of("twin"), linewidth=0.9)
    axes.plot(np.repeat(depth, cosines.shape[1]), cosines.ravel(), ".", color=colour_of("category-2"), markersize=3)
    axes.vlines(
        depth,
        np.where(np.isfinite(low), low, -0.04),
        np.where(np.isfinite(high), high, 1.04),
        color=colour_of("effect"),
        linewidth=1.3,
    )
    axes.plot(depth, mean, "o", color=colour_of("effect"), markersize=4.5)
    axes.set_ylim(-0.04, 1.04)
    tidy_numbers(axes, "y", 5)
    layer_axis(paper, axes, depth, layer, BOTTOM + SINGLE)
    _name(paper, "squared cosine", BOTTOM, SINGLE)
    return paper.figure


def _banded(axes: Axes, depth: Floats, low: Floats, high: Floats) -> None:
    """The band where it is known; a bar where there is a single layer."""
    if len(depth) == 1:
        axes.fill_between([depth[0] - 0.1, depth[0] + 0.1], [low[0]] * 2, [high[0]] * 2, color=colour_of("chance"))
        return
    known = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(depth, low, high, where=known.tolist(), color=colour_of("chance"), linewidth=0)


def _name(paper: Paper, name: str, bottom: float, tall: float) -> None:
    paper.say(8, bottom + tall / 2, fitted(name, TEXT, tall + GAP), rotation=90, ha="center", size=TEXT, colour="ink")
