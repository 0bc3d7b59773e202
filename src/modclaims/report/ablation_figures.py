"""Drawings of ablations: who loses what without which module, and what a module's texts lose by its size."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from modclaims.drawing.exhibits import finite, floats, names, word
from modclaims.drawing.numerals import number, tick
from modclaims.drawing.paper import (
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
    span,
    text_width,
    tidy_numbers,
)
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
LEFT = 40.0
MOST_NAME = 110.0
"""Room for the longest name of a category beside its row."""


def dissociation(exhibit: Exhibit) -> Figure:
    """A panel a size: a row a module taken out, a column a category of texts; a module's own texts are framed."""
    maps = floats(exhibit, "maps", 3)
    modules, categories = names(exhibit, "modules", maps.shape[1]), names(exhibit, "categories", maps.shape[2])
    panels, quantity = names(exhibit, "panels", len(maps)), word(exhibit, "quantity", "change")
    known = finite(maps)
    if not known.size:
        raise ValueError("no finite value to draw")
    reach = float(np.abs(known).max()) or 1.0
    scale, colours = Normalize(-reach, reach), diverging()
    margin = 16 + min(MOST_NAME, max(text_width(name, SMALL) for name in modules))
    columns = 1 if len(maps) == 1 else 2
    rows = -(-len(maps) // columns)
    room = (WIDTH - 56 - columns * margin - 14 * (columns - 1)) / columns
    wide = min(52.0, room / len(categories))
    tall = min(22.0, max(8.0, 0.5 * wide))
    box = tall * len(modules)
    paper = Paper.of(WIDTH, rows * (box + 54) + 18)
    for p, values in enumerate(maps):
        row, column = divmod(p, columns)
        left = margin + column * (wide * len(categories) + margin + 14)
        bottom = paper.height - row * (box + 54) - 20 - box
        paper.picture(values, (left, bottom, wide * len(categories), box), colours, scale)
        paper.say(left, bottom + box + 6, fitted(panels[p], TEXT, wide * len(categories)), size=TEXT, colour="ink")
        shades = colours(scale(np.nan_to_num(values)))
        light = np.where(np.isfinite(values), shades[..., :3] @ np.array([0.2126, 0.7152, 0.0722]) >= 0.5, True)
        for i, module in enumerate(modules):
            at = bottom + box - (i + 1) * tall
            paper.say(left - 5, at + tall / 2 - 2.5, fitted(module, SMALL, margin - 16), ha="right")
            for j, category in enumerate(categories):
                x = left + j * wide
                if wide >= 24:
                    ink = "#111111" if light[i, j] else "#ffffff"
                    paper.say(x + wide / 2, at + tall / 2 - 2.5, number(float(values[i, j])), ha="center", colour=ink)
                if category == module:
                    paper.over.plot(
                        [x, x + wide, x + wide, x, x],
                        [at, at, at + tall, at + tall, at],
                        color=colour_of("threshold"),
                        linewidth=1.6,
                    )
        for j, category in enumerate(categories):
            paper.say(left + (j + 0.5) * wide, bottom - 11, fitted(category, SMALL, wide - 3), ha="center")
        axes_words = f"texts of (columns), module of (rows); {quantity}"
        paper.say(left, bottom - 24, fitted(axes_words, SMALL, wide * len(categories) + margin), size=SMALL)
    end = margin + columns * wide * len(categories) + (columns - 1) * (margin + 14)
    paper.colour_bar(min(WIDTH - 46, end + 14), paper.height - 20 - max(box, 48.0), max(box, 48.0), colours, scale)
    return paper.figure


def dose_curve(exhibit: Exhibit) -> Figure:
    """A panel a category: what its texts lose by size of the module, with the range and mean of matched sets."""
    size = floats(exhibit, "size", 1)
    own, matched, low, high = (floats(exhibit, key, 2) for key in ("own", "matched", "matched_low", "matched_high"))
    if not own.shape == matched.shape == low.shape == high.shape == (len(own), len(size)):
        raise ValueError("the curves of a dose curve differ in shape")
    categories, unit = names(exhibit, "categories", len(own)), word(exhibit, "unit", "units")
    columns = columns_for(len(own))
    rows = -(-len(own) // columns)
    wide = (WIDTH - LEFT - 10 - 14 * (columns - 1)) / columns
    paper = Paper.of(WIDTH, rows * 132 + 34)
    paper.key(
        LEFT,
        paper.height - 10,
        [
            ("o", "effect", "without the module"),
            ("line", "twin", "without a matched set, mean"),
            ("band", "chance", "lowest to highest matched set"),
        ],
        WIDTH - 50,
    )
    limits = span(own, low, high, 0.0)
    x = np.log2(size)
    edge = 0.35 if len(x) == 1 else 0.08 * (x[-1] - x[0])
    for i, category in enumerate(categories):
        row, column = divmod(i, columns)
        left, bottom = LEFT + column * (wide + 14), paper.height - 28 - (row + 1) * 132 + 30
        axes = paper.axes(left, bottom, wide, 84)
        grid(axes)
        axes.set(xlim=(x[0] - edge, x[-1] + edge), ylim=limits)
        ends = np.array([x[0] - edge / 2, x[0] + edge / 2]) if len(x) == 1 else x
        axes.fill_between(
            ends, np.resize(low[i], len(ends)), np.resize(high[i], len(ends)), color=colour_of("chance"), linewidth=0
        )
        axes.plot(ends, np.resize(matched[i], len(ends)), color=colour_of("twin"), linewidth=1.0)
        axes.plot(x, own[i], color=colour_of("effect"), marker=category_style(0)[1], markersize=4)
        axes.xaxis.set_major_locator(FixedLocator(x.tolist()))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(round(2**v)))))
        tidy_numbers(axes, "y", 4)
        if column:
            axes.tick_params(labelleft=False)
        paper.say(left, bottom + 89, fitted(category, TEXT, wide), size=TEXT, colour="ink")
    paper.say(LEFT + (WIDTH - LEFT - 10) / 2, 6, f"{unit} in the module", ha="center", size=TEXT, colour="ink")
    paper.say(8, paper.height / 2, "change of loss, nats a token", rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure
