"""Drawings of claims about scale: a line a model by relative depth, and each model's effect against its size."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from modclaims.drawing.exhibits import floats, names, scalar, word
from modclaims.drawing.numerals import tick
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    SMALL,
    TEXT,
    WIDTH,
    Entry,
    Paper,
    colour_of,
    fitted,
    grid,
    key_height,
    span,
    text_width,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
SHADES = 6
"""Sizes that are told apart by shade: of more models, neighbours share one."""


def models_by_depth(exhibit: Exhibit) -> Figure:
    """A line a model, darker for larger ones; below, the largest minus the smallest with its bounds, if it is there."""
    depth, effect, parameters = (
        floats(exhibit, "depth", 1),
        floats(exhibit, "effect", 2),
        floats(exhibit, "parameters", 1),
    )
    if effect.shape != (len(parameters), len(depth)):
        raise ValueError(
            f"effect of models_by_depth is {effect.shape}, for {len(parameters)} models, {len(depth)} depths"
        )
    shade = shades(len(parameters))
    entries = _models_key(names(exhibit, "models", len(parameters)), shade)
    difference = floats(exhibit, "difference", 1) if "difference" in exhibit.arrays else None
    under = [] if difference is None else _difference_key(exhibit)
    most = WIDTH - DEPTH_LEFT - 10
    above, below = key_height(entries, most), 0.0 if difference is None else 108 + key_height(under, most) + 12
    paper = Paper.of(WIDTH, 168 + above + below)
    paper.key(DEPTH_LEFT, paper.height - 10, entries, most)
    axes = paper.axes(DEPTH_LEFT, 30 + below, most, paper.height - 52 - above - below + 12)
    grid(axes)
    for values, number in zip(effect, shade, strict=True):
        axes.plot(depth, values, color=colour_of(f"size-{number}"), marker="o", markersize=3.2, linewidth=1.3)
    axes.set_ylim(*span(effect))
    tidy_numbers(axes, "y")
    _depth_axis(axes, named=difference is None)
    _side(paper, word(exhibit, "effect_name", "effect"), 30 + below, paper.height - 40 - above - below)
    if difference is not None:
        low, high = floats(exhibit, "low", 1), floats(exhibit, "high", 1)
        paper.key(DEPTH_LEFT, below - 4, under, most)
        beneath = paper.axes(DEPTH_LEFT, 30, most, 86)
        grid(beneath)
        beneath.axhline(0, color=colour_of("rule"), linewidth=0.8)
        smallest = scalar(exhibit, "smallest_effect")
        if np.isfinite(smallest):
            beneath.axhline(smallest, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
        limits = span(difference, low, high, 0.0, smallest)
        ends = [np.where(np.isfinite(end), end, edge) for end, edge in zip((low, high), limits, strict=True)]
        known = np.isfinite(difference)
        beneath.vlines(depth[known], ends[0][known], ends[1][known], color=colour_of("effect"), linewidth=1.1)
        beneath.plot(depth, difference, color=colour_of("effect"), marker="o", markersize=4, linewidth=0)
        beneath.set_ylim(*limits)
        tidy_numbers(beneath, "y", 4)
        _depth_axis(beneath, named=True)
        _side(paper, "difference", 30, 86)
    return paper.figure


def effect_by_parameters(exhibit: Exhibit) -> Figure:
    """Each model's effect with its interval over texts, on a log axis of parameters, and the line through them."""
    parameters, effect, low, high, line = (
        floats(exhibit, key, 1) for key in ("parameters", "effect", "low", "high", "line")
    )
    if len({len(values) for values in (parameters, effect, low, high, line)}) > 1 or not (parameters > 0).all():
        raise ValueError("effect_by_parameters needs one number a model in every array, and sizes above 0")
    entries: list[Entry] = [
        ("bar", "effect", "a model, with its own interval over texts"),
        ("dashes", "bound", "least-squares line, a model a unit"),
    ]
    paper = Paper.of(WIDTH, 216)
    most = WIDTH - DEPTH_LEFT - 10
    top = paper.height - 10 - paper.key(DEPTH_LEFT, paper.height - 10, entries, most)
    axes = paper.axes(DEPTH_LEFT, 32, most, top - 32)
    grid(axes)
    at = np.log10(parameters)
    order = np.argsort(at, kind="stable")
    axes.plot(at[order], line[order], color=colour_of("bound"), linewidth=1.2, linestyle=(0, (4, 2)))
    limits = span(effect, low, high, line, margin=0.14)
    ends = [np.where(np.isfinite(end), end, effect) for end in (low, high)]
    axes.vlines(at, ends[0], ends[1], color=colour_of("effect"), linewidth=1.1)
    axes.plot(at, effect, color=colour_of("effect"), marker="o", markersize=4.5, linewidth=0)
    axes.set_ylim(*limits)
    room = max(0.15, 0.08 * float(np.ptp(at)))
    axes.set_xlim(float(at.min()) - room, float(at.max()) + room)
    _parameter_axis(axes)
    tidy_numbers(axes, "y")
    _model_names(paper, axes, at, ends[1], names(exhibit, "models", len(at)), (DEPTH_LEFT, 32, most, top - 32))
    _side(paper, word(exhibit, "effect_name", "effect"), 32, top - 32)
    return paper.figure


def shades(models: int) -> list[int]:
    """(model,) number of each one's shade, from 1, models by size."""
    if models <= SHADES:
        chosen = np.linspace(1, SHADES, models) if models > 1 else np.array([SHADES])
        return [round(float(v)) for v in chosen]
    return [1 + SHADES * i // models for i in range(models)]


def _models_key(models: list[str], shade: list[int]) -> list[Entry]:
    """A shade an entry: its model, or the first and the last of several."""
    entries: list[Entry] = []
    for number in dict.fromkeys(shade):
        mine = [model for model, own in zip(models, shade, strict=True) if own == number]
        words = mine[0] if len(mine) == 1 else f"{mine[0]} to {mine[-1]}"
        entries.append(("line", f"size-{number}", fitted(words, SMALL, 150)))
    return entries


def _difference_key(exhibit: Exhibit) -> list[Entry]:
    larger, smaller = names(exhibit, "sides", 2)
    return [
        ("bar", "effect", fitted(f"{larger} minus {smaller}, with bounds", SMALL, 300)),
        ("dashes", "threshold", "smallest that matters"),
    ]


def _depth_axis(axes: Axes, *, named: bool) -> None:
    axes.set_xlim(-0.03, 1.03)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(v))))
    if named:
        axes.set_xlabel("relative depth", labelpad=3)


def _parameter_axis(axes: Axes) -> None:
    """Ticks at powers of ten, and at 2 and 5 of each where there are few of those."""
    low, high = axes.get_xlim()
    powers = range(math.floor(low), math.ceil(high) + 1)
    steps = (1,) if high - low > 3 else (1, 2, 5) if high - low > 0.6 else (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)
    places = [math.log10(step) + power for power in powers for step in steps]
    axes.xaxis.set_major_locator(FixedLocator([p for p in places if low <= p <= high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: short(10 ** float(v))))
    axes.set_xlabel("parameters (log scale)", labelpad=3)


def short(value: float) -> str:
    """A number of parameters, such as 125M."""
    for letter, power in (("T", 12), ("B", 9), ("M", 6), ("k", 3)):
        if value >= 0.9995 * 10**power:
            return f"{value / 10**power:.3g}{letter}"
    return f"{value:.3g}"


def _model_names(
    paper: Paper, axes: Axes, at: Floats, top: Floats, models: list[str], box: tuple[float, float, float, float]
) -> None:
    """Names above the intervals, those that would run into one already written left out."""
    left, bottom, width, height = box
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    taken: list[tuple[float, float, float]] = []
    for place, upper, model in zip(at, top, models, strict=True):
        if not np.isfinite(upper):
            continue
        text = fitted(model, SMALL, 110)
        half = text_width(text, SMALL) / 2
        x = left + (float(place) - x0) / (x1 - x0) * width
        x = min(max(x, left + half), left + width - half)
        y = bottom + (float(upper) - y0) / (y1 - y0) * height + 4
        if any(abs(x - other) < half + wide + 3 and abs(y - tall) < 10 for other, tall, wide in taken):
            continue
        taken.append((x, y, half))
        paper.say(x, y, text, ha="center")


def _side(paper: Paper, words: str, bottom: float, height: float) -> None:
    paper.say(8, bottom + height / 2, fitted(words, TEXT, height), rotation=90, ha="center", size=TEXT, colour="ink")
