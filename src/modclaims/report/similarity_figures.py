"""Drawings of similarity between texts: its maps, its levels along depth, and texts as places on a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from modclaims.drawing.exhibits import finite, floats, groups_in_order, names, word
from modclaims.drawing.numerals import shortened
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    TEXT,
    WIDTH,
    Paper,
    category_style,
    colour_of,
    columns_for,
    fitted,
    grid,
    key_height,
    layer_axis,
    sequential,
    span,
    text_width,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]


def heat_maps(exhibit: Exhibit, limit: int) -> Figure:
    """A panel a similarity matrix, larger ones averaged; names and brackets of the categories on the left."""
    maps = floats(exhibit, "maps", 3)
    n = maps.shape[1]
    if maps.shape[2] != n:
        raise ValueError("a heat map is not square")
    panels, category = names(exhibit, "panels", len(maps)), names(exhibit, "categories", n)
    scale = _similarity_scale(maps)
    colours = sequential()
    columns = columns_for(len(maps))
    rows = -(-len(maps) // columns)
    margin = _bracket_room(category)
    size = min((WIDTH - margin - 50 - 12 * (columns - 1)) / columns, 190.0 if columns > 1 else 250.0)
    paper = Paper.of(WIDTH, rows * (size + 20) + 14)
    for i, (name, values) in enumerate(zip(panels, maps, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = margin + column * (size + 12), paper.height - (row + 1) * (size + 20) - 2
        paper.picture(averaged(values, limit), (left, bottom, size, size), colours, scale)
        paper.say(left, bottom + size + 5, fitted(name, TEXT, size), size=TEXT, colour="ink")
        _category_lines(paper, category, left, bottom, size)
        if column == 0:
            _brackets(paper, category, left, bottom, size)
    used = margin + min(columns, len(maps)) * (size + 12)
    bar = min(size * 0.8, 130)
    paper.colour_bar(used + 2, paper.height - 22 - size + (size - bar) - 10, bar, colours, scale)
    return paper.figure


def averaged(matrix: Floats, limit: int) -> Floats:
    """A square matrix of at most `limit` rows: means over squares of neighbours, not-finite entries left out."""
    n = len(matrix)
    step = -(-n // limit)
    if step == 1:
        return matrix
    starts = np.arange(0, n, step)
    known = np.isfinite(matrix)
    total = np.add.reduceat(np.add.reduceat(np.where(known, matrix, 0.0), starts, axis=0), starts, axis=1)
    times = np.add.reduceat(np.add.reduceat(known.astype(float), starts, axis=0), starts, axis=1)
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)


def _similarity_scale(maps: Floats) -> Normalize:
    """One scale for all panels, from the 1 % to the 99 % quantile off the diagonal."""
    other = ~np.eye(maps.shape[1], dtype=bool)
    values = finite(maps[:, other])
    values = values if values.size else finite(maps)
    if not values.size:
        raise ValueError("no finite similarity to draw")
    low, high = (float(v) for v in np.quantile(values, (0.01, 0.99)))
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high, clip=True)


def _runs(category: Sequence[str]) -> list[tuple[str, int, int]]:
    """Runs of one category among the rows: name, first row, row after the last."""
    found, at = [], 0
    for name, members in groupby(category):
        length = len(list(members))
        found.append((name, at, at + length))
        at += length
    return found


def _two_level(category: Sequence[str]) -> bool:
    """Whether names read `inner / outer` and the outer ones stand together."""
    if not all(name.count(" / ") == 1 for name in category):
        return False
    outer = [name.split(" / ")[1] for name in category]
    return len(_runs(outer)) == len(set(outer)) < len(_runs(category))


def _inner(name: str, nested: bool) -> str:
    return name.split(" / ")[0] if nested else name


def _outer(name: str) -> list[str]:
    """The outer name of `inner / outer` on at most two lines of like length."""
    words = name.split(" / ")[1].split(" ")
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return list(min(cuts, key=lambda c: max(map(len, c)))) if cuts else words


def _bracket_room(category: Sequence[str]) -> float:
    nested = _two_level(category)
    widest = max(text_width(_inner(name, nested), 6.5) for name in set(category))
    outer = max(text_width(line, 6.5) for name in set(category) for line in _outer(name)) + 10 if nested else 0.0
    return min(widest, 92.0) + min(outer, 70.0) + 10


def _category_lines(paper: Paper, category: Sequence[str], left: float, bottom: float, size: float) -> None:
    """Thin white lines between categories: they read on every colour of the map."""
    edges = [end for _, _, end in _runs(category)[:-1]]
    outer = {end for _, _, end in _runs([name.split(" / ")[1] for name in category])} if _two_level(category) else set()
    for width, ends in (
        (0.4 if outer else 0.5, [e for e in edges if e not in outer]),
        (1.1, [e for e in edges if e in outer]),
    ):
        if ends and len(edges) < 60:
            at = np.repeat(np.array(ends) / len(category) * size, 3)
            across = np.tile([0, size, np.nan], len(ends))
            xs, ys = np.concatenate([at, across]) + left, bottom + size - np.concatenate([across, at])
            paper.over.plot(xs, ys, color="#ffffff", linewidth=width, solid_capstyle="butt")


def _brackets(paper: Paper, category: Sequence[str], left: float, bottom: float, size: float) -> None:
    """Names and brackets of the categories on the left; names that would touch their neighbour are left away."""
    nested, n, last = _two_level(category), len(category), math.inf
    for name, first, end in _runs(category):
        top, low = bottom + size * (1 - first / n), bottom + size * (1 - end / n)
        paper.over.add_line(Line2D([left - 3.5] * 2, [low + 0.8, top - 0.8], color=colour_of("soft"), linewidth=0.9))
        middle = (top + low) / 2
        if last - middle >= 6.8:
            paper.say(left - 6, middle - 2.3, fitted(_inner(name, nested), 6.5, 92), size=6.5, ha="right")
            last = middle
    if nested:
        at = left - 10 - min(92.0, max(text_width(_inner(name, True), 6.5) for name in set(category)))
        for name, first, end in _runs([c.split(" / ")[1] for c in category]):
            top, low = bottom + size * (1 - first / n), bottom + size * (1 - end / n)
            paper.over.add_line(Line2D([at - 1] * 2, [low + 1.5, top - 1.5], color=colour_of("rule"), linewidth=0.9))
            lines = _outer(f"inner / {name}") if top - low >= 15 else [name]
            for i, line in enumerate(lines if top - low >= 7 else ()):
                height = (top + low) / 2 - 2.3 + 4 * (len(lines) - 1) - 8 * i
                paper.say(at - 4, height, fitted(line, 6.5, 66), size=6.5, ha="right", colour="ink")


def levels_by_depth(exhibit: Exhibit) -> Figure:
    """Similarity of a text to itself, to its own category and to others, by relative depth."""
    depth = floats(exhibit, "depth", 1)
    layer = floats(exhibit, "layer", 1) if "layer" in exhibit.arrays else np.arange(len(depth), dtype=float)
    keys = (
        ("same_text", "category-1", "o"),
        ("same_category", "category-2", "s"),
        ("different_category", "category-3", "D"),
    )
    levels = {key: floats(exhibit, key, 1) for key, _, _ in keys}
    paper = Paper.of(WIDTH, 200)
    shown = [(key, colour, marker) for key, colour, marker in keys if finite(levels[key]).size]
    entries = [(marker, colour, key.replace("_", " ")) for key, colour, marker in shown]
    top = paper.height - 10 - paper.key(40, paper.height - 10, entries, WIDTH - 50)
    axes = paper.axes(DEPTH_LEFT, 30, WIDTH - DEPTH_LEFT - 10, top - 30 - 22)
    grid(axes)
    for key, colour, marker in shown:
        axes.plot(depth, levels[key], color=colour_of(colour), marker=marker, markersize=4)
    axes.set_ylim(*span(*levels.values()))
    tidy_numbers(axes, "y", 5)
    layer_axis(paper, axes, depth, layer, top - 22)
    words = word(exhibit, "similarity", "similarity").replace("_", " ")
    paper.say(8, 30 + (top - 52) / 2, fitted(words, TEXT, top - 40), rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure


def text_map(exhibit: Exhibit) -> Figure:
    """A panel a map of texts, by marks of their categories, with names where there is room."""
    xy = floats(exhibit, "xy", 3)
    n = xy.shape[1]
    if xy.shape[2] != 2:
        raise ValueError("a text map needs two coordinates")
    panels, category, ids = names(exhibit, "panels", len(xy)), names(exhibit, "categories", n), names(exhibit, "ids", n)
    kinds = groups_in_order(category)
    columns = columns_for(len(xy))
    rows = -(-len(xy) // columns)
    size = min((WIDTH - 2 - 12 * (columns - 1)) / columns, 200.0 if columns > 1 else 260.0)
    entries = [(category_style(i)[1], category_style(i)[0], shortened(k, 36)) for i, k in enumerate(kinds)]
    taken = key_height(entries, WIDTH - 4)
    paper = Paper.of(WIDTH, rows * (size + 20) + taken + 6)
    paper.key(1, paper.height - 10, entries, WIDTH - 4)
    places = np.full(xy.shape, np.nan)
    for i, (name, points) in enumerate(zip(panels, xy, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = 1 + column * (size + 12), paper.height - taken - 4 - (row + 1) * (size + 20) + 1
        paper.over.add_patch(
            Rectangle((left, bottom), size, size, fill=False, edgecolor=colour_of("rule"), linewidth=0.8)
        )
        paper.say(left, bottom + size + 5, fitted(name, TEXT, size), size=TEXT, colour="ink")
        if finite(points[:, 0]).size and finite(points[:, 1]).size:
            places[i] = _in_square(points, left, bottom, size, margin=0.12 if n <= 14 else 0.06)
            _name_points(paper, places[i], ids if n <= 14 else [], left + size)
    for k, kind in enumerate(kinds):
        colour, marker = category_style(k)
        mine = places[:, np.array(category) == kind].reshape(-1, 2)
        paper.over.plot(
            *mine[np.isfinite(mine).all(axis=1)].T,
            linestyle="none",
            marker=marker,
            markersize=4.2 if n <= 120 else 3,
            color=colour_of(colour),
            markeredgewidth=0,
            alpha=0.85,
            rasterized=xy.shape[0] * n > 2400,
        )
    return paper.figure


def _in_square(points: Floats, left: float, bottom: float, size: float, margin: float) -> Floats:
    """(text, 2) places on the paper of points, both directions on one scale."""
    (x0, x1), (y0, y1) = span(points[:, 0], margin=margin), span(points[:, 1], margin=margin)
    scale = size / max(x1 - x0, y1 - y0)
    middle = np.array([left + size / 2, bottom + size / 2])
    return np.asarray(middle + (points - np.array([(x0 + x1) / 2, (y0 + y1) / 2])) * scale)


def _name_points(paper: Paper, places: Floats, labels: Sequence[str], right: float) -> None:
    """Names beside points, each left away where it would lie on another."""
    placed: list[tuple[float, float, float]] = []
    for (x, y), label in zip(places, labels, strict=False):
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        words = fitted(label, 6, 60)
        wide = text_width(words, 6)
        at = x + 4 if x + 4 + wide <= right else x - 4 - wide
        if all(at + wide < a or at > b or abs(y - 2 - h) > 6.5 for a, b, h in placed):
            paper.say(at, y - 2, words, size=6)
            placed.append((at, at + wide, y - 2))
