"""Drawings of single coordinates of the residual stream: followed through the layers, against random directions, and
the kurtosis of all of them along depth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from modclaims.drawing.exhibits import finite, floats, groups_in_order, names, scalar, word
from modclaims.drawing.numerals import number, p_value, power_of_ten, shortened, significant, tick
from modclaims.drawing.paper import (
    DEPTH_LEFT,
    SMALL,
    TEXT,
    WIDTH,
    Entry,
    Paper,
    category_style,
    colour_of,
    columns_for,
    fitted,
    grid,
    key_height,
    layer_axis,
    span,
    text_width,
    tidy_numbers,
)
from modclaims.report.stream_tables import Lines
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
LEFT = DEPTH_LEFT
MOST_LINES = 600
MOST_POINTS = 7_200
"""Points of all lines of a panel together: what keeps a drawing below some 300 kB."""
MOST_PATHS = 64
"""Texts with a path each; the texts of a category that share a shade share a path where there are more."""
SHADES = (0.95, 0.5, 0.75, 0.35)
"""Opacities that the texts of a category take in turn: neighbours are a quarter apart."""
HUES = 8
"""Categories whose colours differ; further ones differ in their marker."""
DECADES = 18
TOP = 0.15
"""Where the log axis of shares ends, above the share 1."""


def stream(exhibit: Exhibit) -> Figure:
    """Value against layer, one line a position, zoomed and whole; hue by category, shade by text."""
    lines = Lines.of(exhibit)
    values, text, category = lines.values, lines.text, lines.category
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    if not len(depth) == len(layer) == values.shape[1]:
        raise ValueError(f"a stream of {values.shape[1]} layers has {len(layer)} layers and {len(depth)} depths")
    kinds = groups_in_order(category)
    drawn, said = thinned(text, category, min(MOST_LINES, max(1, MOST_POINTS // len(depth))))
    lost = values.size - finite(values).size
    notes = [said, f"{number(lost)} of {number(values.size)} values are not finite" if lost else ""]
    told = "; ".join(note for note in notes if note)
    marked = len(kinds) > HUES
    entries: list[Entry] = []
    for k, kind in enumerate(kinds):
        colour, marker = category_style(k)
        entries.append((marker if marked else "line", colour, shortened(kind, 36)))
    keyed = key_height(entries, WIDTH - LEFT - 10)
    taken = 12 + keyed + (12 if told else 0)
    high, around = 150.0, 22 + 34.0
    paper = Paper.of(WIDTH, taken + 2 * (high + around) - 4)
    paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    if told:
        paper.say(LEFT, paper.height - 10 - keyed, fitted(told, SMALL, WIDTH - LEFT - 10))
    name = f"{word(exhibit, 'coordinate', 'coordinate')} of {word(exhibit, 'site', 'the stream')}"
    panels = (
        ("zoomed: the 1 % to the 99 % quantile", span(*lines.quantiles(0.01, 0.99))),
        ("whole: lowest to highest", span(values)),
    )
    for i, (title, limits) in enumerate(panels):
        top = paper.height - taken - i * (high + around)
        bottom = top - 22 - high
        axes = paper.axes(LEFT, bottom, WIDTH - LEFT - 10, high)
        grid(axes)
        _lines(axes, depth, values[drawn], text[drawn], category, marked=marked)
        axes.set_ylim(*limits)
        tidy_numbers(axes, "y", 5)
        layer_axis(paper, axes, depth, layer, top - 22)
        paper.say(LEFT, top - 22 + 15, title.replace(" %", "\u00a0%"), size=TEXT, colour="ink")
        paper.say(
            8, bottom + high / 2, fitted(name, TEXT, high + 30), rotation=90, ha="center", size=TEXT, colour="ink"
        )
    return paper.figure


def thinned(text: Whole, category: Sequence[str], most: int) -> tuple[Whole, str]:
    """Which of the lines are drawn, some `most` at most, and a sentence where they are not all: one position in k of
    every text, its first one always; where that is still too many, of one text in m of every category."""
    if len(text) <= most:
        return np.arange(len(text)), ""
    position = _ranks(text.tolist())
    known = np.unique(text)
    place = dict(zip(known.tolist(), _ranks([category[t] for t in known]), strict=True))
    of_text = np.array([place[t] for t in text.tolist()])
    furthest, last = int(position.max()) + 1, int(of_text.max()) + 1
    for every, apart in [*((k, 1) for k in range(2, furthest)), *((furthest, m) for m in range(1, last + 1))]:
        kept = np.flatnonzero((position % every == 0) & (of_text % apart == 0))
        if len(kept) <= most:
            break
    whose = "every text" if apart == 1 else f"one text in {number(apart)}"
    which = f"one position in {number(every)} of {whose}" if every > 1 else whose
    return kept, f"{number(len(kept))} of {number(len(text))} lines are drawn: {which}"


def _ranks(values: Sequence[object]) -> Whole:
    """How many equal entries come before each."""
    seen: dict[object, int] = {}
    found = []
    for value in values:
        found.append(seen.get(value, 0))
        seen[value] = found[-1] + 1
    return np.array(found, dtype=np.int64)


def _lines(
    axes: Axes,
    depth: Floats,
    values: Floats,
    text: Whole,
    category: Sequence[str],
    *,
    marked: bool,
) -> None:
    """One path a text, or of many texts one a category and shade; categories in turn, so that none lies on top."""
    width = 0.9 if len(values) <= 60 else 0.6 if len(values) <= 240 else 0.45
    kinds = {kind: k for k, kind in enumerate(groups_in_order(category))}
    drawn = sorted(set(text.tolist()))
    turns = _ranks([category[t] for t in drawn]) % (len(drawn) if len(drawn) <= MOST_PATHS else len(SHADES))
    group = {t: (int(turn), kinds[category[t]]) for t, turn in zip(drawn, turns, strict=True)}
    of_line = [group[t] for t in text.tolist()]
    for turn, kind in sorted(set(of_line)):
        mine = values[[found == (turn, kind) for found in of_line]]
        mine = np.where(np.isfinite(mine), mine, np.nan)
        colour, marker = category_style(kind)
        if len(depth) == 1:
            xs, mine = np.array([depth[0] - 0.1, depth[0] + 0.1]), np.repeat(mine, 2, axis=1)
        else:
            xs = depth
        breaks = np.full((len(mine), 1), np.nan)
        axes.plot(
            np.tile(np.append(xs, np.nan), len(mine)),
            np.hstack([mine, breaks]).ravel(),
            color=colour_of(colour),
            linewidth=width,
            alpha=SHADES[turn % len(SHADES)],
        )
        if marked and np.isfinite(mine[0]).any():
            at = int(np.flatnonzero(np.isfinite(mine[0]))[-1])
            axes.plot(xs[at], mine[0, at], color=colour_of(colour), marker=marker, markersize=3.4)


@dataclass(frozen=True)
class _Shares:
    """The arrays of a `two_distributions`, of fitting shapes."""

    at: Floats
    own: Floats
    random: Floats
    low: Floats
    high: Floats
    summary: Floats
    chance: Floats
    p: Floats

    @classmethod
    def of(cls, exhibit: Exhibit) -> _Shares:
        at, own = floats(exhibit, "at", 1), floats(exhibit, "axes", 2)
        random, low, high = (floats(exhibit, key, 2) for key in ("random", "random_low", "random_high"))
        summary, p = floats(exhibit, "summary_axes", 1), floats(exhibit, "p_adjusted", 1)
        chance = floats(exhibit, "summary_random", 2)
        if any(a.shape != (len(own), len(at)) for a in (own, random, low, high)):
            raise ValueError("the shares of axes and of random directions differ in panels or points")
        if not len(summary) == len(p) == len(own) or chance.shape != (len(own), 3):
            raise ValueError(f"summaries and p-values do not fit {len(own)} panels")
        return cls(at, own, random, low, high, summary, chance, p)

    def bottom(self) -> float:
        """The decimal logarithm of half of one axis' share."""
        for shares in (self.own, self.high, self.random):  # a share of random directions is a mean over rotations
            known = shares[np.isfinite(shares) & (shares > 0)]
            if known.size:
                return math.log10(max(float(known.min()) / 2, 10.0**-DECADES))
        raise ValueError("no positive share to draw")


def two_distributions(exhibit: Exhibit) -> Figure:
    """One panel a layer: the share of directions that reach an effect, coordinate axes against random directions."""
    shares = _Shares.of(exhibit)
    n = len(shares.own)
    panels = names(exhibit, "panels", n)
    name, summary = word(exhibit, "effect_name", "effect"), word(exhibit, "summary", "summary")
    bottom = shares.bottom()
    reached = shares.at[((shares.own > 0) | (shares.high > 0)).any(axis=0)]
    limits = span(reached, shares.summary, shares.chance, margin=0.04)
    columns = columns_for(n)
    rows = -(-n // columns)
    wide = (WIDTH - LEFT - 10 - 14 * (columns - 1)) / columns
    tall = min(0.78 * wide, 150.0)
    titles, remark = _panel_titles(panels, shares.p, wide)
    above = 10.0 + 9 * (max(map(len, titles)) - 1)
    entries = [
        ("line", "effect", "coordinate axes"),
        ("line", "twin", "random directions, mean"),
        ("band", "chance", "random directions, 5\u00a0% to 95\u00a0% of rotations"),
        ("D", "effect", fitted(f"{summary}: axes", SMALL, 200)),
        ("tick", "twin", fitted(f"{summary}: median of rotations", SMALL, 240)),
    ]
    taken = key_height(entries, WIDTH - LEFT - 10) + 8
    paper = Paper.of(WIDTH, taken + rows * (tall + above + 24) + 18)
    paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    for i in range(n):
        row, column = divmod(i, columns)
        left = LEFT + column * (wide + 14)
        base = paper.height - taken - (row + 1) * (tall + above + 24) + 18
        axes = paper.axes(left, base, wide, tall)
        axes.set_xlim(limits)
        _share_panel(axes, shares, i, bottom, tall)
        tidy_numbers(axes, "x", 6 if columns < 3 else 4 if columns == 3 else 3)
        if column:
            axes.tick_params(labelleft=False)
        for k, line in enumerate(reversed(titles[i])):
            paper.say(left, base + tall + 5 + 9 * k, line, size=SMALL, colour="ink")
    below = fitted(name, TEXT, WIDTH - 160) + (f";  {remark}" if remark else "")
    paper.say((WIDTH + LEFT) / 2, 8, below, ha="center", size=TEXT, colour="ink")
    middle = 18 + (paper.height - taken - 18) / 2
    words = "share of directions, log scale"
    paper.say(8, middle, words, rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure


def _share_panel(axes: Axes, shares: _Shares, i: int, bottom: float, tall: float) -> None:
    """Both distributions above a line at half of one axis, and below it their summaries in a lane."""
    lane = min(16.0, 0.2 * tall)
    room = (TOP - bottom) * lane / (tall - lane)
    grid(axes)
    axes.set_ylim(bottom - room, TOP)
    x0, x1 = axes.get_xlim()
    window = Rectangle((x0, bottom), x1 - x0, TOP - bottom, transform=axes.transData)
    known = shares.high[i] > 0
    low, high = _logs(shares.low[i], bottom - 1), _logs(shares.high[i], bottom - 1)
    band = axes.fill_between(shares.at, low, high, where=known, color=colour_of("chance"), linewidth=0)
    band.set_clip_path(window)
    alone = "." if len(shares.at) == 1 else None
    for curve, colour in ((shares.random[i], "twin"), (shares.own[i], "effect")):
        drawn = axes.plot(shares.at, _logs(curve), color=colour_of(colour), linewidth=1.2, marker=alone)
        drawn[0].set_clip_path(window)
    axes.axhline(bottom, color=colour_of("rule"), linewidth=0.6)
    middle, half = bottom - room / 2, 0.36 * room
    least, median, most = shares.chance[i]
    axes.hlines(middle, least, most, color=colour_of("chance"), linewidth=0.38 * lane)
    axes.vlines(median, middle - half, middle + half, color=colour_of("twin"), linewidth=1.6)
    axes.plot(shares.summary[i], middle, color=colour_of("effect"), marker="D", markersize=4, markeredgewidth=0)
    step = max(1, -(-math.ceil(-bottom) // 5))
    axes.yaxis.set_major_locator(FixedLocator(list(range(0, math.ceil(bottom) - 1, -step))))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: significant(10.0 ** round(v), 1)))


def _panel_titles(panels: Sequence[str], p: Floats, wide: float) -> tuple[list[tuple[str, ...]], str]:
    """Each panel's name and adjusted p, on one line where all fit, else on two; and a remark on what p is."""
    levels = [f"p\u00a0=\u00a0{p_value(float(v))}".replace("=\u00a0<", "<") if np.isfinite(v) else "" for v in p]
    full = [f"adjusted {level}" if level else "" for level in levels]
    one = [f"{panel}: {level}" if level else panel for panel, level in zip(panels, full, strict=True)]
    if all(text_width(title, SMALL) <= wide for title in one) or not any(levels):
        return [(fitted(title, SMALL, wide),) for title in one], ""
    fits = all(text_width(level, SMALL) <= wide for level in full)
    second = full if fits else levels
    titles = [(fitted(panel, SMALL, wide), level) for panel, level in zip(panels, second, strict=True)]
    return [tuple(title) for title in titles], "" if fits else "p is adjusted"


def _logs(values: Floats, floor: float = math.nan) -> Floats:
    """Decimal logarithms; `floor` for what has none."""
    good = np.isfinite(values) & (values > 0)
    return np.where(good, np.log10(np.where(good, values, 1.0)), floor)


def kurtosis_by_depth(exhibit: Exhibit) -> Figure:
    """Kurtosis over coordinates by relative depth: the network's own axes, rotated ones, the Gaussian value."""
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    keys = ("own", "low", "high", "rotated_mean", "rotated_low", "rotated_high", "first")
    found = {key: floats(exhibit, key, 1) for key in keys}
    if any(len(v) != len(depth) for v in (layer, *found.values())):
        raise ValueError("the curves of a kurtosis by depth differ in layers")
    logs = {key: _logs(values) for key, values in found.items()}
    gaussian = _logs(np.array([scalar(exhibit, "gaussian")]))
    limits = span(*logs.values(), gaussian)
    entries: list[Entry] = [
        ("bar", "effect", "own axes, mean and range over texts"),
        ("o hollow", "effect", "own axes, first token"),
        ("line", "twin", "rotated axes, mean"),
        ("band", "chance", "rotated axes, lowest to highest draw"),
        ("dashes", "threshold", f"Gaussian, {number(scalar(exhibit, 'gaussian'))}"),
    ]
    if not finite(found["first"]).size:
        entries.pop(1)
    if not np.isfinite(gaussian[0]):
        entries.pop()
    paper = Paper.of(WIDTH, 246)
    top = paper.height - 10 - paper.key(LEFT, paper.height - 10, entries, WIDTH - LEFT - 10)
    axes = paper.axes(LEFT, 30, WIDTH - LEFT - 10, top - 30 - 22)
    grid(axes)
    xs, band = depth, (logs["rotated_low"], logs["rotated_high"])
    middle = logs["rotated_mean"]
    if len(depth) == 1:
        xs, middle = np.array([depth[0] - 0.1, depth[0] + 0.1]), np.repeat(middle, 2)
        band = np.repeat(band[0], 2), np.repeat(band[1], 2)
    axes.fill_between(xs, *band, color=colour_of("chance"), linewidth=0)
    axes.plot(xs, middle, color=colour_of("twin"), linewidth=0.9)
    if np.isfinite(gaussian[0]):
        axes.axhline(float(gaussian[0]), color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    both = np.isfinite(logs["low"]) & np.isfinite(logs["high"])
    axes.vlines(depth[both], logs["low"][both], logs["high"][both], color=colour_of("effect"), linewidth=0.9)
    axes.plot(depth, logs["own"], color=colour_of("effect"), marker="o", markersize=4)
    axes.plot(
        depth,
        logs["first"],
        linestyle="none",
        color=colour_of("effect"),
        marker="o",
        markersize=5,
        markerfacecolor="none",
        markeredgewidth=1.1,
    )
    axes.set_ylim(*limits)
    axes.yaxis.set_major_locator(FixedLocator([math.log10(v) for v in _log_ticks(*limits)]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _log_tick(v)))
    layer_axis(paper, axes, depth, layer, top - 22)
    name = fitted(f"kurtosis of {word(exhibit, 'site', 'the stream')}, log scale", TEXT, top - 30)
    paper.say(8, 30 + (top - 52) / 2, name, rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure


def _log_ticks(low: float, high: float) -> list[float]:
    """Values for the ticks of a log axis from 10^low to 10^high: powers of ten, 1-2-5, or even steps on a short one."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    every = -(-len(powers) // 8)
    candidates = [
        [10.0**k for k in powers[::every]],
        [factor * 10.0**k for k in powers for factor in (1, 2, 5)],
    ]
    if high - low < 3:
        candidates.reverse()
    for values in candidates:
        inside = [v for v in values if low <= math.log10(v) <= high]
        if 3 <= len(inside) <= 8:
            return inside
    even = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(10.0**low, 10.0**high)
    return [float(v) for v in even if v > 0 and low <= math.log10(v) <= high]


def _log_tick(exponent: float) -> str:
    whole = round(exponent)
    if whole >= 5 and math.isclose(exponent, whole):
        return power_of_ten(whole)
    return tick(float(f"{10.0**exponent:.6g}"))
