"""Drawings of singular values: spectra on a log axis, and effective rank along depth."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from modclaims.drawing.exhibits import floats, names, word
from modclaims.drawing.numerals import number, power_of_ten
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    SMALL,
    TEXT,
    WIDTH,
    Paper,
    colour_of,
    columns_for,
    fitted,
    grid,
    layer_axis,
    span,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
LEFT = DEPTH_LEFT
LEAST_DECADES = 3
DECADES = 18
BLOCK_TITLES = {"mlp": "MLP", "attention": "attention"}
BLOCK_STYLES = {"mlp": ("category-1", "o"), "attention": ("category-2", "s")}


def spectra(exhibit: Exhibit) -> Figure:
    """One panel a layer: sigma / sigma_1 by rank order, the tenth and the noise floor as lines, counted values heavy."""
    values, layer = floats(exhibit, "values", 2), floats(exhibit, "layer", 1)
    floor, tenth, effective = (floats(exhibit, key, 1) for key in ("floor", "above_tenth", "effective_rank"))
    size = values.shape[1]
    known = values[np.isfinite(values) & (values > 0)]
    if not known.size:
        raise ValueError("no positive singular value to draw")
    lowest = math.floor(math.log10(max(float(known.min()), 10.0**-DECADES)))
    lowest = min(lowest, -LEAST_DECADES)
    columns = columns_for(len(layer))
    rows = -(-len(layer) // columns)
    wide = (WIDTH - LEFT - 10 - 14 * (columns - 1)) / columns
    high = min(0.78 * wide, 150.0)
    entries = [
        ("line", "effect", "sigma / sigma 1"),
        ("o", "bound", "counted: above a tenth of the first"),
        ("dashes", "threshold", "effective rank"),
        ("band", "chance", "below the noise floor"),
    ]
    taken = 12.0 + 8
    paper = Paper.of(WIDTH, taken + rows * (high + 34) + 6)
    paper.key(LEFT, paper.height - 10, entries, WIDTH - 50)
    for i, curve in enumerate(values):
        row, column = divmod(i, columns)
        left, bottom = LEFT + column * (wide + 14), paper.height - taken - (row + 1) * (high + 34) + 26
        axes = paper.axes(left, bottom, wide, high)
        grid(axes)
        axes.set(xlim=(-0.02 * size, 1.02 * size), ylim=(lowest - 0.3, 0.3))
        at = math.log10(max(float(floor[i]), 10.0**-DECADES)) if np.isfinite(floor[i]) else -math.inf
        if at > lowest - 0.3:
            axes.axhspan(lowest - 0.3, at, color=colour_of("chance"), linewidth=0)
        good = np.flatnonzero(np.isfinite(curve) & (curve > 10.0 ** (lowest - 1)))
        axes.plot(good, np.log10(curve[good]), color=colour_of("effect"), linewidth=1.1)
        counted = good[good < round(float(tenth[i]))]
        axes.plot(counted, np.log10(curve[counted]), color=colour_of("bound"), linewidth=2.4, solid_capstyle="round")
        if np.isfinite(effective[i]):
            axes.axvline(float(effective[i]), color=colour_of("threshold"), linewidth=1.0, linestyle=(0, (4, 2)))
        step = max(1, -(-(1 - lowest) // 6))
        axes.yaxis.set_major_locator(FixedLocator(list(range(0, lowest - 1, -step))))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: power_of_ten(round(v))))
        if column:
            axes.tick_params(labelleft=False)
        axes.xaxis.set_major_locator(FixedLocator([0, size / 2, size]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v))))
        words = f"layer {layer[i]:.0f}: effective rank {effective[i]:.0f} of {size}"
        paper.say(left, bottom + high + 5, fitted(words, SMALL, wide), size=SMALL, colour="ink")
    paper.say(
        8, paper.height / 2, "relative to the largest, log scale", rotation=90, ha="center", size=TEXT, colour="ink"
    )
    return paper.figure


def rank_by_depth(exhibit: Exhibit) -> Figure:
    """Effective rank over tokens x width by relative depth, a line a block kind, with the band of the null objects."""
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    ranks, low, high = (floats(exhibit, key, 2) for key in ("rank", "low", "high"))
    blocks = names(exhibit, "blocks", len(ranks))
    styles = [BLOCK_STYLES.get(block, ("effect", "o")) for block in blocks]
    entries = [
        (marker, colour, f"{BLOCK_TITLES.get(block, block)}, mean and range over texts")
        for block, (colour, marker) in zip(blocks, styles, strict=True)
    ]
    null = "null_low" in exhibit.arrays
    if null:
        entries.append(("band", "chance", word(exhibit, "null", "null objects")))
    marked = np.asarray(exhibit.arrays.get("marked", np.zeros(len(depth))), dtype=bool)
    if marked.any():
        entries.append(("tick", "threshold", "named layers"))
    paper = Paper.of(WIDTH, 220)
    top = paper.height - 10 - paper.key(LEFT, paper.height - 10, entries, WIDTH - 50)
    axes = paper.axes(LEFT, 30, WIDTH - LEFT - 10, top - 30 - 22)
    grid(axes)
    limits: list[Floats] = [ranks, low, high, np.zeros(1)]
    if null:
        lower, upper = floats(exhibit, "null_low", 1), floats(exhibit, "null_high", 1)
        limits += [lower, upper]
        if len(depth) > 1:
            axes.fill_between(depth, lower, upper, color=colour_of("chance"), linewidth=0)
        else:
            axes.fill_between(
                [depth[0] - 0.1, depth[0] + 0.1], [lower[0]] * 2, [upper[0]] * 2, color=colour_of("chance")
            )
        axes.plot(depth, floats(exhibit, "null_mean", 1), color=colour_of("twin"), linewidth=0.9)
    for rank, least, most, (colour, marker) in zip(ranks, low, high, styles, strict=True):
        axes.vlines(depth, least, most, color=colour_of(colour), linewidth=0.9)
        axes.plot(depth, rank, color=colour_of(colour), marker=marker, markersize=4)
    bottom, ceiling = span(*limits)
    axes.set_ylim(max(bottom, 0.0), ceiling)
    for x in depth[marked]:
        axes.plot(
            [x, x],
            [max(bottom, 0.0), max(bottom, 0.0) + 0.04 * (ceiling - bottom)],
            color=colour_of("threshold"),
            linewidth=2,
        )
    tidy_numbers(axes, "y")
    layer_axis(paper, axes, depth, layer, top - 22)
    paper.say(
        8, 30 + (top - 52) / 2, "effective rank / (tokens x width)", rotation=90, ha="center", size=TEXT, colour="ink"
    )
    return paper.figure
