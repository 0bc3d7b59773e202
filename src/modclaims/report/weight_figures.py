"""Drawings of weights alone: a network's own number beside its null objects, effects by clusters, sizes by frequency."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from modclaims.drawing.exhibits import floats, scalar, word
from modclaims.drawing.numerals import number, tick
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    MARKERS,
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
LEFT, BOTTOM, HIGH = DEPTH_LEFT, 30.0, 150.0
MOST_NAMED = 8
"""Lines with a colour and a marker of their own; further ones are drawn thin and grey."""


def against_draws(exhibit: Exhibit) -> Figure:
    """The network's number by relative depth, and the band of its null objects."""
    depth, layer, own, middle, low, high = (
        floats(exhibit, name, 1) for name in ("depth", "layer", "own", "null_mean", "null_low", "null_high")
    )
    if len({len(values) for values in (depth, layer, own, middle, low, high)}) != 1:
        raise ValueError("the curves beside null objects differ in layers")
    entries: list[Entry] = [
        ("o", "effect", "this network"),
        ("line", "twin", "mean of the null objects"),
        ("band", "chance", word(exhibit, "null", "null objects")),
    ]
    paper = Paper.of(WIDTH, BOTTOM + HIGH + 40 + key_height(entries, WIDTH - LEFT - 10))
    top = paper.height - 10 - paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10) - 22
    axes = paper.axes(DEPTH_LEFT, BOTTOM, WIDTH - DEPTH_LEFT - 10, top - BOTTOM)
    grid(axes)
    xs, band, mean = depth, (low, high), middle
    if len(depth) == 1:
        xs = np.array([depth[0] - 0.1, depth[0] + 0.1])
        band, mean = (np.repeat(low, 2), np.repeat(high, 2)), np.repeat(middle, 2)
    axes.fill_between(xs, *band, color=colour_of("chance"), linewidth=0)
    axes.plot(xs, mean, color=colour_of("twin"), linewidth=0.9)
    axes.plot(depth, own, color=colour_of("effect"), marker="o", markersize=4)
    axes.set_ylim(*span(own, low, high, middle))
    tidy_numbers(axes, "y")
    layer_axis(paper, axes, depth, layer, top)
    _name_y(paper, word(exhibit, "of", "value"), top)
    return paper.figure


def by_clusters(exhibit: Exhibit) -> Figure:
    """The effect by number of clusters, a line a layer, the stated number and the smallest effect that matters marked."""
    counts, layer, effect = floats(exhibit, "clusters", 1), floats(exhibit, "layer", 1), floats(exhibit, "effect", 2)
    if effect.shape != (len(layer), len(counts)):
        raise ValueError("the effects have other layers or numbers of clusters than their axes")
    stated, smallest = scalar(exhibit, "stated"), scalar(exhibit, "smallest")
    entries = _lines(layer)
    entries += [("dashes", "threshold", "smallest effect that matters"), ("tick", "threshold", "stated in advance")]
    paper = Paper.of(WIDTH, BOTTOM + HIGH + 20 + key_height(entries, WIDTH - LEFT - 10))
    top = paper.height - 10 - paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10) - 4
    axes = paper.axes(DEPTH_LEFT, BOTTOM, WIDTH - DEPTH_LEFT - 10, top - BOTTOM)
    grid(axes)
    places = np.arange(len(counts))  # numbers of clusters stand side by side, whatever lies between them
    known = np.isfinite(smallest)
    if known:
        axes.axhline(smallest, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    _draw_lines(axes, places.astype(float), effect)
    bottom, ceiling = span(effect, [smallest] if known else [0.0], [0.0])
    axes.set(xlim=(-0.3, len(counts) - 0.7), ylim=(bottom, ceiling))
    for place in places[counts == stated]:
        axes.plot(
            [place, place], [bottom, bottom + 0.05 * (ceiling - bottom)], color=colour_of("threshold"), linewidth=2
        )
    axes.xaxis.set_major_locator(FixedLocator([float(p) for p in places]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(float(counts[round(v)])))))
    axes.set_xlabel("clusters", labelpad=3)
    tidy_numbers(axes, "y")
    _name_y(paper, word(exhibit, "effect_name", "effect"), top)
    return paper.figure


def by_frequency(exhibit: Exhibit) -> Figure:
    """Sizes relative to random vectors by token frequency, a line a layer; frequent tokens on the left."""
    rank, layer, found = floats(exhibit, "rank", 1), floats(exhibit, "layer", 1), floats(exhibit, "relative", 2)
    if found.shape != (len(layer), len(rank)):
        raise ValueError("the sizes have other layers or bins than their axes")
    entries = [*_lines(layer), ("dashes", "threshold", "random vectors of these lengths")]
    paper = Paper.of(WIDTH, BOTTOM + HIGH + 20 + key_height(entries, WIDTH - LEFT - 10))
    top = paper.height - 10 - paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10) - 4
    axes = paper.axes(DEPTH_LEFT, BOTTOM, WIDTH - DEPTH_LEFT - 10, top - BOTTOM)
    grid(axes)
    axes.axhline(1.0, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    _draw_lines(axes, rank, found, marked=len(rank) <= 8)
    axes.set(xlim=span(rank, margin=0.02), ylim=span(found, [1.0]))
    tidy_numbers(axes, "x")
    tidy_numbers(axes, "y")
    axes.set_xlabel("token, in the tokenizer's order (frequent first)", labelpad=3)
    _name_y(paper, word(exhibit, "of", "size"), top)
    return paper.figure


def _style(i: int, lines: int) -> tuple[str, str]:
    """Colour and marker of the i-th of so many lines."""
    if lines > MOST_NAMED:
        return "twin", ""
    return f"category-{i + 1}", MARKERS[i]


def _lines(layer: Floats) -> list[Entry]:
    if len(layer) > MOST_NAMED:
        return [("line", "twin", f"layers {tick(float(layer[0]))} to {tick(float(layer[-1]))}")]
    return [
        (marker, colour, f"layer {tick(float(at))}")
        for at, (colour, marker) in zip(layer, (_style(i, len(layer)) for i in range(len(layer))), strict=True)
    ]


def _draw_lines(axes: Axes, x: Floats, lines: Floats, *, marked: bool = True) -> None:
    for i, values in enumerate(lines):
        colour, marker = _style(i, len(lines))
        step = 1 if marked else max(1, len(x) // 8)
        axes.plot(
            x,
            values,
            color=colour_of(colour),
            linewidth=1.1,
            marker=marker or None,
            markersize=4,
            markevery=(i % step, step),
        )


def _name_y(paper: Paper, name: str, top: float) -> None:
    middle = BOTTOM + (top - BOTTOM) / 2
    paper.say(8, middle, fitted(name, TEXT, top - BOTTOM + 20), rotation=90, ha="center", size=TEXT, colour="ink")
