"""Drawings of subspaces: principal angles along depth, components above chance, and two effects with their difference."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from modclaims.drawing.exhibits import finite, floats, names, scalar, word
from modclaims.drawing.numerals import number
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    SMALL,
    TEXT,
    WIDTH,
    Entry,
    Paper,
    colour_of,
    columns_for,
    fitted,
    grid,
    key_height,
    layer_axis,
    span,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
LEFT = DEPTH_LEFT
UPPER, LOWER, GAP = 128.0, 104.0, 12.0
"""Heights of two axes one above the other, and what lies between them."""
BELOW = 30.0
STYLES = (("category-1", "o"), ("category-2", "s"))


def _of_layers(exhibit: Exhibit, *keys: str) -> list[Floats]:
    """Arrays with a value a layer. Raises `ValueError` where their lengths differ."""
    found = [floats(exhibit, key, 1) for key in keys]
    if len({len(values) for values in found}) > 1:
        raise ValueError(f"the arrays of {exhibit.kind} differ in layers")
    return found


def _two_axes(entries: list[Entry]) -> tuple[Paper, Axes, Axes, float]:
    """Paper with a key and two axes above each other, and the upper edge of the upper one."""
    taken = key_height(entries, WIDTH - LEFT - 10)
    paper = Paper.of(WIDTH, 10 + taken + 24 + UPPER + GAP + LOWER + BELOW)
    paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    upper = paper.axes(LEFT, BELOW + LOWER + GAP, WIDTH - LEFT - 10, UPPER)
    lower = paper.axes(LEFT, BELOW, WIDTH - LEFT - 10, LOWER)
    for axes in (upper, lower):
        grid(axes)
    return paper, upper, lower, BELOW + LOWER + GAP + UPPER


def _depths(paper: Paper, upper: Axes, lower: Axes, depth: Floats, layer: Floats, top: float) -> None:
    """One axis of depth for both."""
    layer_axis(paper, lower, depth, layer, top)
    upper.set_xlim(lower.get_xlim())
    upper.xaxis.set_major_locator(FixedLocator(lower.get_xticks().tolist()))
    upper.tick_params(labelbottom=False)


def _beside(paper: Paper, upper: str, lower: str) -> None:
    """What the two axes measure, on their left."""
    for words, bottom, tall in ((upper, BELOW + LOWER + GAP, UPPER), (lower, BELOW, LOWER)):
        words = fitted(words, TEXT, tall + GAP)
        paper.say(8, bottom + tall / 2, words, rotation=90, ha="center", size=TEXT, colour="ink")


def with_bounds(axes: Axes, x: Floats, effect: Floats, low: Floats, high: Floats, colour: str, marker: str) -> None:
    """An effect a layer with its bounds; where there is none, to the edge of the axes."""
    limits = axes.get_ylim()
    ends = np.where(np.isfinite(low), low, limits[0]), np.where(np.isfinite(high), high, limits[1])
    known = np.isfinite(effect)
    axes.vlines(x[known], ends[0][known], ends[1][known], color=colour_of(colour), linewidth=1.1)
    axes.plot(x, effect, color=colour_of(colour), marker=marker, markersize=4)


def _smallest(axes: Axes, smallest: float) -> None:
    axes.axhline(0, color=colour_of("rule"), linewidth=0.8)
    if np.isfinite(smallest):
        axes.axhline(smallest, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))


def _band(axes: Axes, depth: Floats, low: Floats, high: Floats, middle: Floats) -> None:
    """The range of chance by depth, and its middle."""
    if len(depth) == 1:
        depth = np.array([depth[0] - 0.1, depth[0] + 0.1])
        low, high, middle = (np.repeat(v, 2) for v in (low, high, middle))
    axes.fill_between(depth, low, high, color=colour_of("chance"), linewidth=0)
    axes.plot(depth, middle, color=colour_of("twin"), linewidth=0.9)


def principal_angles(exhibit: Exhibit) -> Figure:
    """Separation with its bounds by relative depth, above principal angles with their band under exchange of labels."""
    depth, layer, effect, low, high, observed, least, middle, most = _of_layers(
        exhibit, "depth", "layer", "effect", "low", "high", "observed", "null_low", "null_mean", "null_high"
    )
    angles, smallest = floats(exhibit, "angles", 3), scalar(exhibit, "smallest_effect")
    if len(angles) != len(depth):
        raise ValueError("principal_angles has angles of another number of layers")
    name = word(exhibit, "effect_name", "effect")
    entries = [
        ("bar", "effect", f"{name}, own bounds"),
        ("dashes", "threshold", f"smallest that matters, {number(smallest)}"),
        ("D", "bound", "angle of the mean squared sine"),
        (".", "twin", "angles of single pairs"),
        ("band", "chance", "the former under exchanged labels"),
    ]
    paper, upper, lower, top = _two_axes(entries)
    upper.set_ylim(*span(effect, low, high, smallest, 0.0))
    _smallest(upper, smallest)
    with_bounds(upper, depth, effect, low, high, "effect", "o")
    tidy_numbers(upper, "y", 5)
    _band(lower, depth, _degrees(least), _degrees(most), _degrees(middle))
    flat = angles.reshape(len(depth), -1)
    lower.plot(np.repeat(depth, flat.shape[1]), flat.ravel(), ".", color=colour_of("twin"), markersize=3)
    lower.plot(depth, _degrees(observed), "D", color=colour_of("bound"), markersize=4.5)
    lower.set_ylim(min(span(flat, _degrees(least))[0], 85.0), 92)
    lower.yaxis.set_major_locator(FixedLocator([0, 15, 30, 45, 60, 75, 90]))
    lower.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}°"))
    _depths(paper, upper, lower, depth, layer, top)
    _beside(paper, name, "principal angle")
    return paper.figure


def _degrees(squared_sine: Floats) -> Floats:
    return np.asarray(np.degrees(np.arcsin(np.sqrt(np.clip(squared_sine, 0.0, 1.0)))))


def two_effects_by_depth(exhibit: Exhibit) -> Figure:
    """Two effects with their bounds by relative depth, above the first minus the second."""
    depth, layer = _of_layers(exhibit, "depth", "layer")
    effect, low, high = (floats(exhibit, key, 2) for key in ("effect", "low", "high"))
    if any(values.shape != (3, len(depth)) for values in (effect, low, high)):
        raise ValueError("two_effects_by_depth needs two effects and their difference, a value a layer")
    twins = floats(exhibit, "twin", 2) if "twin" in exhibit.arrays else np.empty((0, len(depth)))
    smallest, name = scalar(exhibit, "smallest_effect"), word(exhibit, "effect_name", "effect")
    sides = names(exhibit, "sides", 2)
    entries: list[Entry] = [
        (marker, colour, fitted(side, SMALL, 180)) for side, (colour, marker) in zip(sides, STYLES, strict=True)
    ]
    entries += [
        ("bar", "effect", "first minus second, own bounds"),
        ("dashes", "threshold", f"smallest that matters, {number(smallest)}"),
    ]
    entries += [("line", "twin", f"untrained twins ({len(twins)})")] if len(twins) else []
    paper, upper, lower, top = _two_axes(entries)
    upper.set_ylim(*span(effect[:2], low[:2], high[:2], 0.0))
    upper.axhline(0, color=colour_of("rule"), linewidth=0.8)
    shift = min(0.006, 0.1 / len(depth))  # so that bounds of equal effects do not hide each other
    for i, (colour, marker) in enumerate(STYLES):
        with_bounds(upper, depth + shift * (2 * i - 1), effect[i], low[i], high[i], colour, marker)
    lower.set_ylim(*span(effect[2], low[2], high[2], twins, smallest, 0.0))
    for twin in twins:
        lower.plot(depth, twin, color=colour_of("twin"), linewidth=0.7, marker="." if len(depth) == 1 else None)
    _smallest(lower, smallest)
    with_bounds(lower, depth, effect[2], low[2], high[2], "effect", "o")
    for axes in (upper, lower):
        tidy_numbers(axes, "y", 5)
    _depths(paper, upper, lower, depth, layer, top)
    _beside(paper, name, "difference")
    return paper.figure


def scree(exhibit: Exhibit) -> Figure:
    """One panel a layer: shares of variance of the leading components, those above permuted coordinates heavy."""
    share, low, middle, high = (floats(exhibit, key, 2) for key in ("share", "null_low", "null_median", "null_high"))
    rank, effect = _of_layers(exhibit, "rank", "effect")
    if any(values.shape != share.shape for values in (low, middle, high)) or len(rank) != len(share):
        raise ValueError("the shares of a scree differ in layers or components")
    panels, name = names(exhibit, "panels", len(share)), word(exhibit, "effect_name", "excess share")
    if not finite(share).size:
        raise ValueError("no finite share to draw")
    columns = columns_for(len(share))
    rows = -(-len(share) // columns)
    wide = (WIDTH - LEFT - 10 - 14 * (columns - 1)) / columns
    tall = min(0.78 * wide, 150.0)
    entries: list[Entry] = [
        ("o", "bound", "components above permuted coordinates"),
        ("o hollow", "effect", "other components"),
        ("line", "twin", "permuted coordinates, median"),
        ("band", "chance", "permuted coordinates, 5\u00a0% to 95\u00a0%"),
    ]
    taken = key_height(entries, WIDTH - LEFT - 10) + 8
    paper = Paper.of(WIDTH, taken + rows * (tall + 34) + 14)
    paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    top = span(share, high, 0.0)[1]
    at = np.arange(1, share.shape[1] + 1)
    for i in range(len(share)):
        row, column = divmod(i, columns)
        left, bottom = LEFT + column * (wide + 14), paper.height - taken - (row + 1) * (tall + 34) + 18
        axes = paper.axes(left, bottom, wide, tall)
        grid(axes)
        axes.set(xlim=(0.3, share.shape[1] + 0.7), ylim=(0, top))
        axes.fill_between(at, low[i], high[i], color=colour_of("chance"), linewidth=0)
        axes.plot(at, middle[i], color=colour_of("twin"), linewidth=0.9)
        counted = at <= rank[i]
        axes.plot(
            at[~counted],
            share[i, ~counted],
            "o",
            color=colour_of("effect"),
            markersize=3,
            markerfacecolor="none",
            markeredgewidth=0.8,
        )
        axes.plot(at[counted], share[i, counted], "o", color=colour_of("bound"), markersize=3.6)
        tidy_numbers(axes, "y", 5)
        axes.xaxis.set_major_locator(FixedLocator(sorted({1, round(share.shape[1] / 2), share.shape[1]})))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}"))
        if column:
            axes.tick_params(labelleft=False)
        words = f"{panels[i]}: rank {rank[i]:.0f}, {name} {number(float(effect[i]))}"
        paper.say(left, bottom + tall + 5, fitted(words, SMALL, wide), size=SMALL, colour="ink")
    paper.say((WIDTH + LEFT) / 2, 5, "component", ha="center", size=TEXT, colour="ink")
    paper.say(8, paper.height / 2, "share of variance", rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure
