"""Drawings: one SVG a figure, from the arrays of its exhibit. Nothing is computed here but where ink goes.

Kinds and their arrays (further labels in brackets):
    heat_maps        maps (panel, row, row)             [panels; categories, one a row; note]
    effect_by_depth  depth, layer, effect, low, high, band_low, null_low, null_high (layer,); smallest_effect;
                     twin (seed, layer) where there is one                              [effect_name]
    levels_by_depth  depth, layer, same_text, same_category, different_category (layer,)          [similarity]
    text_map         xy (panel, text, 2)                [panels; categories; ids]
    null_histogram   null (arrangement,), observed      [statistic; cell; action; exact: 1 or 0]
    head_map         effect, significant, p_adjusted (layer, head)   [effect_name; unit; marked: what is outlined, if not p]
    strip            responses (panel, text)            [panels; categories; ids; response]
    volcano          effect, p_adjusted (cell,), alpha  [cells; effect_name]
    splits           effect, low, high (split,), smallest_effect                        [picks; effect_name]
    forest           effect, low, high, smallest (claim,)     [claims; outcomes; effect_names; interval]
    spectra          values (layer, rank), relative to the first; floor, above_tenth, effective_rank, layer (layer,) [block]
    rank_by_depth    depth, layer (layer,); rank, low, high (block, layer); null_low, null_high, null_mean, marked
                     (layer,) where there are any                                       [blocks; null]
    stream           values (line, layer); text (line,), an index; depth, layer (layer,)
                                                                      [categories; ids: one a text; coordinate; site]
    two_distributions  at (point,); axes, random, random_low, random_high (panel, point), shares of directions;
                     summary_axes, p_adjusted (panel,); summary_random (panel, 3) = 5 %, median, 95 %
                                                                                 [panels; summary; effect_name; note]
    curve_by_depth   depth, layer, mean, low, high (layer,); level, chunk (layer,) where it is divided; begins (2, layer), how
                     often resamples begin the middle and the last chunk there; line (layer,); twin (seed, layer)
                                                                                                  [quantity; interval]
    principal_angles  depth, layer, effect, low, high, observed, null_low, null_mean, null_high (layer,), the last four mean
                     squared sines; angles (layer, pair, axis) in degrees; smallest_effect        [pairs; effect_name]
    accuracy_by_depth  depth, layer, unseen (layer,); mean, low, high (curve, layer), the last curve selectivity
                                                                                                  [curves; interval]
    input_angles     depth, layer, mean, low, high, null_low, null_high, null_mean (layer,); cosines (layer, axis), squared
                                                                                                          [interval]
    scree            share, null_low, null_median, null_high (panel, component); rank, effect (panel,)
                                                                                          [panels; effect_name]
    two_effects_by_depth  depth, layer (layer,); effect, low, high (3, layer): two sides and the first minus the second;
                     smallest_effect; twin (seed, layer) where there is one               [sides; effect_name]
    raw_and_partial  depth, layer, share_left (layer,); effect, low, high (2, layer): as it is, and with a rival explanation
                     taken out; smallest_effect                                           [sides; effect_name]
    kurtosis_by_depth  depth, layer, own, low, high, rotated_mean, rotated_low, rotated_high, first (layer,); gaussian
                                                                                                               [site]
    models_by_depth  depth (depth,); effect (model, depth); parameters (model,); difference, low, high (depth,) and
                     smallest_effect where two sides are compared                [models; sides; effect_name]
    effect_by_parameters  parameters, effect, low, high, line (model,)           [models; effect_name]
    against_draws    depth, layer, own, null_mean, null_low, null_high (layer,)        [of; null]
    by_clusters      clusters (count,), layer (layer,), effect (layer, count); stated, smallest        [effect_name]
    by_frequency     rank (bin,), layer (layer,), relative (layer, bin)                [of]
    dissociation     maps (panel, module, category)                           [panels; modules; categories; quantity]
    dose_curve       size (size,); own, matched, matched_low, matched_high, effect (category, size)  [categories; unit]

Colours are names. In a file of its own a drawing is dark ink on white paper; inlined in a page the same names are
CSS variables, so that the page's light or dark scheme decides. All lengths are in points.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from modclaims.report.ablation_figures import dissociation, dose_curve
from modclaims.report.curve_figures import curve_by_depth
from modclaims.report.induction_figures import raw_and_partial
from modclaims.report.numerals import NOTHING, interval, number, p_value, said, shortened, significant
from modclaims.report.paper import (
    DEPTH_LEFT,
    HALF,
    RC,
    SMALL,
    TEXT,
    WIDTH,
    Paper,
    category_style,
    colour_of,
    columns_for,
    diverging,
    fitted,
    grid,
    key_height,
    layer_axis,
    sequential,
    span,
    text_width,
    tidy_numbers,
)
from modclaims.report.reconstruction_figures import accuracy_by_depth, input_angles
from modclaims.report.scale_figures import effect_by_parameters, models_by_depth
from modclaims.report.spectral_figures import rank_by_depth, spectra
from modclaims.report.stream_figures import kurtosis_by_depth, stream, two_distributions
from modclaims.report.subspace_figures import principal_angles, scree, two_effects_by_depth
from modclaims.report.svg import Drawing
from modclaims.report.tables import finite, floats, groups_in_order, names, scalar, word
from modclaims.report.weight_figures import against_draws, by_clusters, by_frequency
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]


def identity(exhibit: Exhibit) -> str:
    """A hash of everything that a picture is drawn from."""
    parts = [exhibit.kind, exhibit.title, exhibit.description, repr(sorted(exhibit.labels.items()))]
    sha = hashlib.sha256("\x1f".join(parts).encode())
    for name in sorted(exhibit.arrays):
        array = np.asarray(exhibit.arrays[name])
        sha.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return sha.hexdigest()


def draw(exhibit: Exhibit, *, limit: int = 128) -> Drawing:
    """The drawing of an exhibit; matrices of more than `limit` rows are averaged in squares before they are painted.

    Raises `LookupError`, `TypeError` or `ValueError` where the kind is unknown or its arrays do not fit.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a reader's own matplotlibrc must not change the report
        mpl.rcParams.update(RC)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _heat_maps(exhibit, limit) if exhibit.kind == "heat_maps" else _KINDS[exhibit.kind](exhibit)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        width, height = (float(v) * 72 for v in figure.get_size_inches())
    return Drawing.of(out.getvalue(), width, height, said(exhibit.title), said(exhibit.description))


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


def _heat_maps(exhibit: Exhibit, limit: int) -> Figure:
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


def _effect_by_depth(exhibit: Exhibit) -> Figure:
    depth, layer, effect, low, high, band, null_low, null_high = (
        floats(exhibit, k, 1) for k in ("depth", "layer", "effect", "low", "high", "band_low", "null_low", "null_high")
    )
    twins = floats(exhibit, "twin", 2) if "twin" in exhibit.arrays else np.empty((0, len(depth)))
    smallest, name = scalar(exhibit, "smallest_effect"), word(exhibit, "effect_name", "effect")
    entries = [
        ("bar", "effect", f"{name}, own bounds"),
        ("line", "bound", "simultaneous lower bound"),
        ("band", "chance", "range of chance"),
        ("dashes", "threshold", f"smallest that matters, {number(smallest)}"),
    ]
    entries += [("line", "twin", f"untrained twins ({len(twins)})")] if len(twins) else []
    paper = Paper.of(WIDTH, 246)
    top = paper.height - 10 - paper.key(40, paper.height - 10, entries, WIDTH - 50)
    axes = paper.axes(DEPTH_LEFT, 30, WIDTH - DEPTH_LEFT - 10, top - 30 - 22)
    grid(axes)
    if len(depth) > 1:
        axes.fill_between(depth, null_low, null_high, color=colour_of("chance"), linewidth=0)
    else:
        axes.fill_between(
            [depth[0] - 0.1, depth[0] + 0.1],
            [null_low[0]] * 2,
            [null_high[0]] * 2,
            color=colour_of("chance"),
            linewidth=0,
        )
    for twin in twins:
        axes.plot(depth, twin, color=colour_of("twin"), linewidth=0.7, marker="." if len(depth) == 1 else None)
    axes.axhline(0, color=colour_of("rule"), linewidth=0.8)
    if np.isfinite(smallest):
        axes.axhline(smallest, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    half = min(0.016, 0.3 / len(depth))
    axes.hlines(band, depth - half, depth + half, color=colour_of("bound"), linewidth=1.6)
    limits = span(effect, low, high, null_low, null_high, twins, band, smallest, 0.0)
    ends = np.where(np.isfinite(low), low, limits[0]), np.where(np.isfinite(high), high, limits[1])
    known = np.isfinite(effect)
    axes.vlines(depth[known], ends[0][known], ends[1][known], color=colour_of("effect"), linewidth=1.1)
    axes.plot(depth, effect, color=colour_of("effect"), marker="o", markersize=4)
    axes.set_ylim(*limits)
    tidy_numbers(axes, "y")
    layer_axis(paper, axes, depth, layer, top - 22)
    paper.say(8, 30 + (top - 52) / 2, name, rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure


def _levels_by_depth(exhibit: Exhibit) -> Figure:
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


def _text_map(exhibit: Exhibit) -> Figure:
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


def _null_histogram(exhibit: Exhibit) -> Figure:
    null, observed = finite(exhibit.arrays["null"]), scalar(exhibit, "observed")
    if not null.size:
        raise ValueError("the null sample is empty")
    paper = Paper.of(HALF, 170)
    axes = paper.axes(34, 30, HALF - 44, 104)
    limits = span(null, observed, margin=0.08)
    chance = _without_identity(null, observed)
    low, high = float(chance.min()), float(chance.max())
    pad = (high - low) * 1e-6 or (limits[1] - limits[0]) * 0.02
    bins = int(min(40, max(8, 2 * len(chance) ** (1 / 3))))
    counts, edges = np.histogram(chance, bins=bins, range=(low - pad, high + pad))
    axes.stairs(counts, edges, fill=True, color=colour_of("chance"))
    axes.stairs(counts, edges, fill=False, color=colour_of("twin"), linewidth=0.8)
    axes.set(xlim=limits, ylim=(0, counts.max() * 1.05))
    tidy_numbers(axes, "x", 5)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v))))
    axes.set_xlabel(fitted(word(exhibit, "statistic", "statistic"), TEXT, HALF - 44), labelpad=3)
    kind = (
        "all {} distinct arrangements"
        if word(exhibit, "exact") == "1"
        else "{} arrangements, the observed one included"
    )
    paper.say(4, paper.height - 10, kind.format(number(len(null))))
    if np.isfinite(observed):
        axes.axvline(observed, color=colour_of("threshold"), linewidth=1.5, ymax=1.0)
        at = 34 + (observed - limits[0]) / (limits[1] - limits[0]) * (HALF - 44)
        text = f"observed {significant(observed, 3)}"
        half = text_width(text, SMALL) / 2
        middle = min(max(at, 4 + half), HALF - 2 - half)
        paper.say(middle, 140, text, colour="threshold", ha="center")
    return paper.figure


def _without_identity(null: Floats, observed: float) -> Floats:
    """The null sample less the one arrangement that is the observed one: it would stretch the bars' range."""
    if not np.isfinite(observed) or len(null) < 2:
        return null
    nearest = int(np.abs(null - observed).argmin())
    same = abs(null[nearest] - observed) <= 1e-5 * max(abs(observed), 1e-12)
    return np.delete(null, nearest) if same else null


def _head_map(exhibit: Exhibit) -> Figure:
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


def _strip(exhibit: Exhibit) -> Figure:
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


def _volcano(exhibit: Exhibit) -> Figure:
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


@dataclass(frozen=True)
class Row:
    """One line of a plot of effects with intervals."""

    words: str
    effect: float
    low: float
    high: float
    smallest: float
    colour: str
    marker: str


def _rows_plot(
    paper: Paper, rows: Sequence[Row], box: tuple[float, float, float, float], label: str, *, pitch: float
) -> None:
    """Rows of effect, interval and tick at the smallest effect; words on the left, numbers on the right."""
    left, bottom, width, height = box
    axes = paper.axes(left, bottom, width, height)
    grid(axes, "x")
    x0, x1 = span(*([r.effect, r.low, r.high, r.smallest] for r in rows), 0.0)
    axes.axvline(0, color=colour_of("rule"), linewidth=0.9)
    for i, row in enumerate(rows):
        y = len(rows) - 1 - i
        if np.isfinite(row.smallest):
            axes.vlines(row.smallest, y - 0.36, y + 0.36, color=colour_of("threshold"), linewidth=1.6)
        if np.isfinite(row.low) or np.isfinite(row.high):
            ends = [row.low if np.isfinite(row.low) else x0, row.high if np.isfinite(row.high) else x1]
            axes.plot(ends, [y, y], color=colour_of(row.colour), linewidth=1.5)
        hollow = row.marker.endswith(" hollow")
        axes.plot(
            [row.effect],
            [y],
            color=colour_of(row.colour),
            marker=row.marker.split()[0],
            markersize=5.2,
            markeredgewidth=1.3,
            markerfacecolor=colour_of("paper") if hollow else colour_of(row.colour),
        )
        at = bottom + height * (y + 0.5) / len(rows) - 2.5
        paper.say(left - 8, at, row.words, ha="right", size=min(TEXT, pitch * 0.5), colour="ink")
        bounds = interval(row.low, row.high)
        size = min(TEXT, pitch * 0.5)
        paper.say(left + width + 36, at, number(row.effect), ha="right", size=size, colour="ink")
        paper.say(left + width + 41, at, "no bound" if bounds == NOTHING else bounds, size=size, colour="ink")
    axes.set(xlim=(x0, x1), ylim=(-0.5, len(rows) - 0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    tidy_numbers(axes, "x", 6)
    axes.set_xlabel(label, labelpad=3)


def _splits(exhibit: Exhibit) -> Figure:
    effect, low, high = (floats(exhibit, k, 1) for k in ("effect", "low", "high"))
    smallest, picks = scalar(exhibit, "smallest_effect"), names(exhibit, "picks", len(effect))
    words = [f"{i + 1}  {shortened(p, 34)}" for i, p in enumerate(picks)]
    rows = [
        Row(w, float(e), float(a), float(b), smallest, "effect", "o")
        for w, e, a, b in zip(words, effect, low, high, strict=True)
    ]
    margin = max(text_width(w, 7) for w in words) + 14
    height = 13.0 * len(rows)
    paper = Paper.of(WIDTH, height + 60)
    entries = [("bar", "effect", "one split, own bounds"), ("tick", "threshold", "smallest that matters")]
    paper.key(margin, paper.height - 10, entries, WIDTH - margin)
    _rows_plot(paper, rows, (margin, 32, WIDTH - margin - 96, height), word(exhibit, "effect_name", "effect"), pitch=13)
    return paper.figure


_OUTCOMES = {"supported": ("supported", "o"), "refuted": ("refuted", "s"), "inconclusive": ("inconclusive", "D hollow")}


def _forest(exhibit: Exhibit) -> Figure:
    effect, low, high, smallest = (floats(exhibit, k, 1) for k in ("effect", "low", "high", "smallest"))
    n = len(effect)
    claims, outcomes, scales = (names(exhibit, k, n) for k in ("claims", "outcomes", "effect_names"))
    scales = [said(s) for s in scales]
    words = [fitted(c, TEXT, 205) for c in claims]
    panels = {s: [i for i in range(n) if scales[i] == s] for s in groups_in_order(scales)}
    margin, right, pitch = max(text_width(w, TEXT) for w in words) + 12, 108.0, 18.0
    paper = Paper.of(WIDTH, 24 + sum(pitch * len(m) + 40 for m in panels.values()))
    entries = [(_OUTCOMES[o][1], _OUTCOMES[o][0], o) for o in _OUTCOMES if o in outcomes]
    entries += [
        ("line", "soft", word(exhibit, "interval", "interval")),
        ("tick", "threshold", "smallest effect that matters"),
    ]
    paper.key(2, paper.height - 10, entries, WIDTH - 4)
    top = paper.height - 24
    for scale, members in panels.items():
        height = pitch * len(members)
        rows = [
            Row(
                words[i],
                float(effect[i]),
                float(low[i]),
                float(high[i]),
                float(smallest[i]),
                *_OUTCOMES.get(outcomes[i], ("inconclusive", "o hollow")),
            )
            for i in members
        ]
        _rows_plot(paper, rows, (margin, top - height, WIDTH - margin - right, height), scale, pitch=pitch)
        top -= height + 40
    return paper.figure


_KINDS: dict[str, Callable[[Exhibit], Figure]] = {
    "accuracy_by_depth": accuracy_by_depth,
    "against_draws": against_draws,
    "by_clusters": by_clusters,
    "by_frequency": by_frequency,
    "dissociation": dissociation,
    "dose_curve": dose_curve,
    "curve_by_depth": curve_by_depth,
    "effect_by_depth": _effect_by_depth,
    "effect_by_parameters": effect_by_parameters,
    "forest": _forest,
    "head_map": _head_map,
    "input_angles": input_angles,
    "kurtosis_by_depth": kurtosis_by_depth,
    "levels_by_depth": _levels_by_depth,
    "models_by_depth": models_by_depth,
    "null_histogram": _null_histogram,
    "principal_angles": principal_angles,
    "rank_by_depth": rank_by_depth,
    "raw_and_partial": raw_and_partial,
    "scree": scree,
    "spectra": spectra,
    "splits": _splits,
    "stream": stream,
    "strip": _strip,
    "text_map": _text_map,
    "two_distributions": two_distributions,
    "two_effects_by_depth": two_effects_by_depth,
    "volcano": _volcano,
}
