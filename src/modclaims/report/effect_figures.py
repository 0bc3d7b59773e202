"""Drawings of effects with bounds: along depth, the observed one beside chance, in splits, and of all claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from modclaims.decimals import decimals_of_effect
from modclaims.drawing.exhibits import finite, floats, groups_in_order, names, scalar, word
from modclaims.drawing.numerals import NOTHING, interval, number, said, shortened, significant
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    HALF,
    SMALL,
    TEXT,
    WIDTH,
    Paper,
    colour_of,
    fitted,
    grid,
    layer_axis,
    span,
    text_width,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

MOST_BARS = 40
AT_BOUNDS = 41
"""Points from a plot of rows to the intervals that stand beside it."""

Floats = NDArray[np.float64]


def effect_by_depth(exhibit: Exhibit) -> Figure:
    """The effect with its bounds by relative depth, the range of chance, the smallest effect that matters, and twins."""
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


def null_histogram(exhibit: Exhibit) -> Figure:
    """The distribution under chance, and where the observed value lies."""
    null, observed = finite(exhibit.arrays["null"]), scalar(exhibit, "observed")
    if not null.size:
        raise ValueError("the null sample is empty")
    paper = Paper.of(HALF, 170)
    axes = paper.axes(34, 30, HALF - 44, 104)
    limits = span(null, observed, margin=0.08)
    chance = _without_identity(null, observed)
    counts, edges = np.histogram(chance, bins=bar_edges(chance, limits[1] - limits[0]))
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


def bar_edges(values: Floats, room: float) -> Floats:
    """Edges of the bars: as many as the sample carries, or bars as wide as the steps of what moves in steps.

    A share of so and so many units takes few values, evenly apart; bars that do not keep step with them would show gaps.
    """
    low, high = float(values.min()), float(values.max())
    bins = int(min(MOST_BARS, max(8, 2 * len(values) ** (1 / 3))))
    gaps = np.diff(np.unique(values))
    gaps = gaps[gaps > (high - low) * 1e-6]
    if gaps.size:
        step = float(gaps.min())
        steps = round((high - low) / step)
        if steps < MOST_BARS and np.allclose(gaps / step, np.rint(gaps / step), atol=1e-3):
            return np.asarray(low + step * (np.arange(steps + 2) - 0.5))
    pad = (high - low) * 1e-6 or room * 0.02
    return np.linspace(low - pad, high + pad, bins + 1)


def _without_identity(null: Floats, observed: float) -> Floats:
    """The null sample less the one arrangement that is the observed one: it would stretch the bars' range."""
    if not np.isfinite(observed) or len(null) < 2:
        return null
    nearest = int(np.abs(null - observed).argmin())
    same = abs(null[nearest] - observed) <= 1e-5 * max(abs(observed), 1e-12)
    return np.delete(null, nearest) if same else null


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
        told, bounds = _told(row.effect, row.low, row.high, row.smallest)
        size = min(TEXT, pitch * 0.5)
        paper.say(left + width + AT_BOUNDS - 5, at, told, ha="right", size=size, colour="ink")
        paper.say(left + width + AT_BOUNDS, at, bounds, size=size, colour="ink")
    axes.set(xlim=(x0, x1), ylim=(-0.5, len(rows) - 0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    tidy_numbers(axes, "x", 6)
    axes.set_xlabel(label, labelpad=3)


def _told(effect: float, low: float, high: float, smallest: float) -> tuple[str, str]:
    """An effect and its interval, as they stand beside a row."""
    decimals = decimals_of_effect(smallest, low, high)
    bounds = interval(low, high, decimals)
    return number(effect, decimals), "no bound" if bounds == NOTHING else bounds


def splits(exhibit: Exhibit) -> Figure:
    """A row a split: its effect and bounds."""
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


def forest(exhibit: Exhibit) -> Figure:
    """A row a claim: its effect and interval, a panel a scale."""
    effect, low, high, smallest = (floats(exhibit, k, 1) for k in ("effect", "low", "high", "smallest"))
    n = len(effect)
    claims, outcomes, scales = (names(exhibit, k, n) for k in ("claims", "outcomes", "effect_names"))
    scales = [said(s) for s in scales]
    words = [fitted(c, TEXT, 205) for c in claims]
    panels = {s: [i for i in range(n) if scales[i] == s] for s in groups_in_order(scales)}
    pitch, margin = 18.0, max(text_width(w, TEXT) for w in words) + 12
    bounds = [_told(float(e), *ends)[1] for e, *ends in zip(effect, low, high, smallest, strict=True)]
    right = max(108.0, AT_BOUNDS + max(text_width(words, TEXT) for words in bounds) + 4)
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
