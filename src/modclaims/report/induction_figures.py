"""A drawing of what copying explains: an effect before and after it is taken out, and the share that is left."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter
from numpy.typing import NDArray

from modclaims.drawing.exhibits import floats, names, scalar, word
from modclaims.drawing.numerals import number
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
    layer_axis,
    span,
    tidy_numbers,
)
from modclaims.report.subspace_figures import with_bounds
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
LEFT, BELOW = DEPTH_LEFT, 30.0
UPPER, LOWER, GAP = 132.0, 62.0, 12.0
"""Heights of the axes of effects and of shares, and what lies between them."""
STYLES = (("category-1", "o"), ("category-2", "s"))


def raw_and_partial(exhibit: Exhibit) -> Figure:
    """An effect as it is and beyond a rival explanation, with bounds, by relative depth; below, the share that is left."""
    depth, layer, share = (floats(exhibit, key, 1) for key in ("depth", "layer", "share_left"))
    effect, low, high = (floats(exhibit, key, 2) for key in ("effect", "low", "high"))
    if any(values.shape != (2, len(depth)) for values in (effect, low, high)) or not len(depth) == len(layer) == len(
        share
    ):
        raise ValueError("raw_and_partial needs two effects and a share, a value a layer")
    smallest, name = scalar(exhibit, "smallest_effect"), word(exhibit, "effect_name", "effect")
    entries: list[Entry] = [
        (marker, colour, fitted(side, SMALL, 180))
        for side, (colour, marker) in zip(names(exhibit, "sides", 2), STYLES, strict=True)
    ]
    entries += [
        ("bar", "effect", "own bounds"),
        ("dashes", "threshold", f"smallest that matters, {number(smallest)}"),
        ("D", "bound", "share of the gap that is left"),
    ]
    wide = WIDTH - LEFT - 10
    top = BELOW + LOWER + GAP + UPPER
    paper = Paper.of(WIDTH, top + 24 + key_height(entries, wide) + 10)
    paper.key(LEFT, paper.height - 10, entries, wide)
    upper, lower = paper.axes(LEFT, BELOW + LOWER + GAP, wide, UPPER), paper.axes(LEFT, BELOW, wide, LOWER)
    for axes in (upper, lower):
        grid(axes)
    upper.set_ylim(*span(effect, low, high, smallest, 0.0))
    upper.axhline(0, color=colour_of("rule"), linewidth=0.8)
    upper.axhline(smallest, color=colour_of("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    shift = min(0.006, 0.1 / len(depth))  # so that bounds of equal effects do not hide each other
    for i, style in enumerate(STYLES):
        with_bounds(upper, depth + shift * (2 * i - 1), effect[i], low[i], high[i], *style)
    # the share of a gap near nothing says nothing, and would set the scale for all others
    lower.set_ylim(-0.08, 1.08)
    lower.plot(depth, np.clip(share, 0.0, 1.0), color=colour_of("bound"), marker="D", markersize=3.6, linewidth=0.9)
    lower.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    lower.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.0f}\u00a0%"))
    tidy_numbers(upper, "y", 5)
    layer_axis(paper, lower, depth, layer, top)
    upper.set_xlim(lower.get_xlim())
    upper.xaxis.set_major_locator(FixedLocator(lower.get_xticks().tolist()))
    upper.tick_params(labelbottom=False)
    for words, bottom, tall in ((name, BELOW + LOWER + GAP, UPPER), ("share left", BELOW, LOWER)):
        paper.say(
            8, bottom + tall / 2, fitted(words, TEXT, tall + GAP), rotation=90, ha="center", size=TEXT, colour="ink"
        )
    return paper.figure
