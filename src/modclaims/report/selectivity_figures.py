"""Drawings of cells that tell categories apart: a map of heads, responses of texts, effects against their p."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from modclaims.drawing.exhibits import finite, floats, groups_in_order, names, scalar, word
from modclaims.drawing.numerals import number, p_value
from modclaims.drawing.paper import (
    SMALL,
    TEXT,
    WIDTH,
    Paper,
    category_style,
    colour_of,
    diverging,
    fitted,
    grid,
    sequential,
    span,
    text_width,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]


def head_map(exhibit: Exhibit) -> Figure:
    """A row a layer, a column a head; those that pass are outlined."""
    effect = floats(exhibit, "effect", 2)
    layers, heads = effect.shape
    marked = np.asarray(exhibit.arrays.get("significant", np.zeros(effect.shape)), dtype=bool)
    if marked.shape != effect.shape:
        raise ValueError("the marks of a head map do not fit its effects")
    name, unit = word(exhibit, "effect_name", "effect"), word(exhibit, "unit", "head").replace("_", " ")
    wide = min(46.0, (WIDTH - 90) / heads)
    tall = min(20.0, max(2.5, 430.0 / layers)) if wide >= 6 else min(16.0, max(2.5, 300.0 / layers))
    width, height = wide * heads, tall * layers
    paper = Paper.of(WIDTH, max(height, 70) + 62)
    bottom = 32 + max(0.0, (70 - height) / 2)
    axes = paper.axes(34, bottom, width, height)
    flat = finite(effect)
    if not flat.size:
        raise ValueError("no finite effect to draw")
    low, high = float(flat.min()), float(flat.max())
    signed = low < 0 and -low > 0.3 * high
    reach = max(abs(low), abs(high)) or 1.0
    scale = (
        Normalize(-reach, reach)
        if signed
        else Normalize(min(low, 0.0), high if high > min(low, 0.0) else min(low, 0.0) + 1)
    )
    colours = diverging() if signed else sequential()
    axes.imshow(
        effect,
        cmap=colours,
        norm=scale,
        interpolation="none",
        aspect="auto",
        origin="lower",
        extent=(-0.5, heads - 0.5, -0.5, layers - 0.5),
    )
    axes.set(xlim=(-0.5, heads - 0.5), ylim=(-0.5, layers - 0.5))
    every = -(-heads // max(1, int(width // 16)))
    axes.set_xticks(range(0, heads, every))
    axes.set_yticks(range(0, layers, -(-layers // max(1, int(height // 9)))))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel(unit, labelpad=3)
    paper.say(10, bottom + height / 2, "layer", rotation=90, ha="center", size=TEXT, colour="ink")
    shades = colours(scale(np.nan_to_num(effect)))
    light = np.where(np.isfinite(effect), shades[..., :3] @ np.array([0.2126, 0.7152, 0.0722]) >= 0.5, True)
    if wide >= 20 and tall >= 10 and effect.size <= 1200:
        _numbers_in_cells(axes, effect, light)
    _mark_cells(axes, marked, light, (wide, tall))
    paper.colour_bar(34 + width + 16, bottom, height if height >= 40 else 60, colours, scale)
    what = word(exhibit, "marked", "adjusted p at most the level")
    key = f"outlined: {what} ({int(marked.sum())} of {marked.size})"
    if not (wide >= 8 and tall >= 7):
        key = key.replace("outlined", "dot")
    paper.say(34, paper.height - 10, f"{name};  {key}")
    return paper.figure


def _numbers_in_cells(axes: Axes, effect: Floats, light: NDArray[np.bool_]) -> None:
    for row, column in np.ndindex(effect.shape):
        value = effect[row, column]
        if np.isfinite(value):
            text = number(float(value)).replace("0.", ".", 1)
            ink = "#111111" if light[row, column] else "#ffffff"
            axes.text(column, row, text, ha="center", va="center", size=6.3, color=ink)


def _mark_cells(axes: Axes, marked: NDArray[np.bool_], light: NDArray[np.bool_], cell: tuple[float, float]) -> None:
    """Outlines just inside the cells (white on dark cells, dark on light ones), or dots where cells are small."""
    wide, tall = cell
    for mine, ink in ((marked & ~light, "#ffffff"), (marked & light, "#111111")):
        rows, columns = np.nonzero(mine)
        if not len(rows):
            continue
        if wide < 8 or tall < 7:
            axes.plot(columns, rows, linestyle="none", marker="o", markersize=2.2, color=ink, markeredgewidth=0)
            continue
        dx, dy = 0.5 - 1.6 / wide, 0.5 - 1.6 / tall
        xs = np.stack(
            [columns - dx, columns + dx, columns + dx, columns - dx, columns - dx, np.full(len(rows), np.nan)], axis=1
        )
        ys = np.stack([rows - dy, rows - dy, rows + dy, rows + dy, rows - dy, np.full(len(rows), np.nan)], axis=1)
        axes.plot(xs.ravel(), ys.ravel(), color=ink, linewidth=1.0)


def strip(exhibit: Exhibit) -> Figure:
    """A panel of responses, a lane a category, with medians."""
    responses = floats(exhibit, "responses", 2)
    n = responses.shape[1]
    panels, category = names(exhibit, "panels", len(responses)), np.array(names(exhibit, "categories", n))
    kinds = groups_in_order(category.tolist())
    margin = min(max(text_width(k, SMALL) for k in kinds), 110.0) + 8
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    lane = 16.0 if len(kinds) <= 8 else 12.0
    width, height = (WIDTH - margin - 16 * (columns - 1) - 6) / columns, lane * len(kinds) + 6
    width = min(width, 330.0)
    paper = Paper.of(WIDTH, rows * (height + 42) + 16)
    for i, (name, values) in enumerate(zip(panels, responses, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = margin + column * (width + 16), paper.height - (row + 1) * (height + 42) + 22
        axes = paper.axes(left, bottom, width, height)
        grid(axes, "x")
        for k, kind in enumerate(kinds):
            _lane(axes, values[category == kind], len(kinds) - 1 - k, *category_style(k), dense=n > 600)
        axes.set(xlim=span(values) if finite(values).size else (0, 1), ylim=(-0.6, len(kinds) - 0.4))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        tidy_numbers(axes, "x", 3)
        paper.say(left, bottom + height + 5, fitted(name, TEXT, width), size=TEXT, colour="ink")
        if column == 0:
            for k, kind in enumerate(kinds):
                y = bottom + height * (len(kinds) - 1 - k + 0.6) / len(kinds)
                paper.say(left - 6, y - 2.5, fitted(kind, SMALL, 110), ha="right")
    paper.say(
        margin,
        10,
        fitted(f"response: {word(exhibit, 'response', 'length')}", TEXT, WIDTH - margin),
        size=TEXT,
        colour="ink",
    )
    return paper.figure


def _lane(axes: Axes, values: Floats, lane: int, colour: str, marker: str, *, dense: bool) -> None:
    """One category's points, spread over the lane by a fixed pattern, and a line at their median."""
    shown = np.sort(finite(values))
    if not shown.size:
        return
    offset = (np.arange(len(shown)) * 0.618034 % 1 - 0.5) * 0.5
    axes.plot(
        shown,
        lane + offset,
        linestyle="none",
        marker=marker,
        markersize=3.2,
        color=colour_of(colour),
        markeredgewidth=0,
        alpha=0.75,
        rasterized=dense,
    )
    axes.vlines(float(np.median(shown)), lane - 0.38, lane + 0.38, color=colour_of("ink"), linewidth=1.3)


def volcano(exhibit: Exhibit) -> Figure:
    """Effects against adjusted p, the strongest cells by name."""
    effect, p = floats(exhibit, "effect", 1), floats(exhibit, "p_adjusted", 1)
    alpha, cells = scalar(exhibit, "alpha"), names(exhibit, "cells", len(effect))
    if len(p) != len(effect):
        raise ValueError("effects and p-values of a volcano differ in number")
    height = -np.log10(np.clip(p, 1e-300, 1))
    below = np.nan_to_num(p, nan=2.0) <= alpha
    paper = Paper.of(WIDTH * 0.78, 230)
    axes = paper.axes(44, 32, paper.width - 56, 166)
    grid(axes, "both")
    for mine, colour, marker in ((~below, "twin", "o"), (below, "effect", "D")):
        axes.plot(
            effect[mine],
            height[mine],
            linestyle="none",
            marker=marker,
            markersize=3.6,
            color=colour_of(colour),
            markeredgewidth=0,
            alpha=0.8,
            rasterized=len(effect) > 1500,
        )
    level = -math.log10(alpha) if 0 < alpha < 1 else float("nan")
    x, (_, top) = span(effect), span(height, level, 0.0, margin=0.12)
    axes.set(xlim=x, ylim=(-top * 0.04, top))
    if np.isfinite(level):
        axes.axhline(level, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    decades = range(0, math.ceil(top) + 1, max(1, math.ceil(top / 6)))
    axes.set_yticks([d for d in decades if d <= top], [p_value(10.0**-d) for d in decades if d <= top])
    tidy_numbers(axes, "x")
    axes.set_xlabel(word(exhibit, "effect_name", "effect"), labelpad=3)
    paper.say(9, 32 + 83, "adjusted p", rotation=90, ha="center", size=TEXT, colour="ink")
    entries = [
        ("D", "effect", "at most the level"),
        ("o", "twin", "above it"),
        ("dashes", "threshold", f"level {p_value(alpha)}"),
    ]
    paper.key(44, paper.height - 10, entries, paper.width - 50)
    best = np.lexsort((-np.nan_to_num(effect, nan=-np.inf), np.nan_to_num(p, nan=2.0)))[:6]
    places = np.stack(
        [(effect - x[0]) / (x[1] - x[0]) * (paper.width - 56) + 44, (height / top + 0.04) / 1.04 * 166 + 32], axis=1
    )
    _name_cells(paper, places, [i for i in best if below[i]], cells, (44, 32, paper.width - 4, 32 + 166))
    return paper.figure


def _name_cells(
    paper: Paper, points: Floats, chosen: Sequence[int], cells: Sequence[str], box: tuple[float, float, float, float]
) -> None:
    """Names of the strongest cells beside their points, each left away where it would lie on a point or on another name.

    `points` (cell, 2) and `box` (left, bottom, right, top) are in points of the paper.
    """
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in points if np.isfinite(x) and np.isfinite(y)]
    for i in chosen:
        words = fitted(cells[i], 6.3, 110)
        wide, (x, y) = text_width(words, 6.3), points[i]
        for left, low in ((x - wide - 6, y - 2.3), (x + 6, y - 2.3), (x - wide / 2, y + 5), (x - wide / 2, y - 10)):
            mine = (left, low - 1, left + wide, low + 6)
            inside = box[0] <= mine[0] and mine[2] <= box[2] and box[1] <= mine[1] and mine[3] <= box[3]
            if inside and all(mine[2] < t[0] or mine[0] > t[2] or mine[3] < t[1] or mine[1] > t[3] for t in taken):
                paper.say(left, low, words, size=6.3, colour="ink")
                taken.append(mine)
                break
