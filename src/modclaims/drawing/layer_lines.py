"""Lines of a figure that has one per layer: their key, their colours and markers."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from modclaims.drawing.numerals import tick
from modclaims.drawing.paper import MARKERS, Entry, colour_of

Floats = NDArray[np.float64]
MOST_NAMED = 8
"""Lines with a colour and a marker of their own; further ones are drawn thin and grey."""


def layer_entries(layer: Floats) -> list[Entry]:
    """An entry of the key for each layer; one for all of them where they are too many."""
    if len(layer) > MOST_NAMED:
        return [("line", "twin", f"layers {tick(float(layer[0]))} to {tick(float(layer[-1]))}")]
    return [
        (marker, colour, f"layer {tick(float(at))}")
        for at, (colour, marker) in zip(layer, (_style(i, len(layer)) for i in range(len(layer))), strict=True)
    ]


def layer_lines(axes: Axes, x: Floats, lines: Floats, *, marked: bool = True) -> None:
    """(layer, x) lines, with a marker at every point, or at some eight."""
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


def _style(i: int, lines: int) -> tuple[str, str]:
    """Colour and marker of the i-th of so many lines."""
    if lines > MOST_NAMED:
        return "twin", ""
    return f"category-{i + 1}", MARKERS[i]
