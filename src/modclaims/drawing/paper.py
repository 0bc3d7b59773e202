"""Paper to draw on: a figure measured in points, its axes, words, keys and colours. Wherever ink goes is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from modclaims.drawing.numerals import shortened, tick
from modclaims.drawing.svg import COLOURS
from modclaims.drawing.values import finite

WIDTH, HALF = 532.0, 258.0
TEXT, SMALL = 8.0, 7.0
MARKERS = "osD^vPX*"

RC: dict[Any, Any] = {  # Any: as matplotlib declares its parameters
    "svg.fonttype": "none",
    "svg.hashsalt": "modclaims",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "text.color": COLOURS["ink"][0],
    "axes.labelcolor": COLOURS["ink"][0],
    "axes.edgecolor": COLOURS["rule"][0],
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.labelsize": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "figure.dpi": 72,
    "savefig.facecolor": "none",
    "savefig.dpi": 144,
    "xtick.color": COLOURS["rule"][0],
    "ytick.color": COLOURS["rule"][0],
    "xtick.labelcolor": COLOURS["soft"][0],
    "ytick.labelcolor": COLOURS["soft"][0],
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.major.pad": 3,
    "ytick.major.pad": 3,
    "image.composite_image": False,
    "lines.linewidth": 1.4,
    "path.simplify": True,
}


Entry = tuple[str, str, str]
"""One entry of a key: what is shown (`line`, `dashes`, `bar`, `band`, `tick` or a marker), its colour, its words."""


@dataclass(frozen=True)
class Paper:
    """A figure measured in points from its lower left corner."""

    figure: Figure
    width: float
    height: float
    over: Axes
    """An axes over the whole paper, in points, for words and keys."""

    @classmethod
    def of(cls, width: float, height: float) -> Paper:
        """An empty sheet."""
        figure = Figure(figsize=(width / 72, height / 72))
        over = figure.add_axes((0, 0, 1, 1), zorder=5)
        over.set_axis_off()
        over.set(xlim=(0, width), ylim=(0, height))
        return cls(figure, width, height, over)

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes at a place."""
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def say(
        self, x: float, y: float, text: str, *, size: float = SMALL, colour: str = "soft", ha: str = "left"
    ) -> None:
        """Words at a place."""
        self.over.text(x, y, text, size=size, color=colour_of(colour), ha=ha, va="baseline", weight="normal")

    def say_upwards(self, x: float, y: float, text: str) -> None:
        """Words that are read from below, such as the name of a vertical axis, about the middle of a place."""
        self.over.text(
            x,
            y,
            text,
            size=TEXT,
            color=colour_of("ink"),
            ha="center",
            va="baseline",
            weight="normal",
            rotation=90,
            rotation_mode="anchor",
        )

    def key(self, x: float, y: float, entries: Sequence[Entry], most: float) -> float:
        """Draw a key from its first line's place on down; gives the height that it took."""
        lines = _key_lines(entries, most)
        for i, line in enumerate(lines):
            left = x
            for entry in line:
                kind, colour, words = entry
                self._sample(kind, colour, left, y - 12 * i + 2.4, _sample_width(kind))
                self.say(left + _sample_width(kind) + 4, y - 12 * i, words)
                left += _key_room(entry) + 14
        return 12.0 * len(lines)

    def _sample(self, kind: str, colour: str, x: float, y: float, wide: float) -> None:
        ink = colour_of(colour)
        if kind == "band":
            self.over.add_patch(Rectangle((x, y - 3), wide, 6, facecolor=ink, edgecolor="none"))
        elif kind in ("line", "dashes"):
            line = Line2D([x, x + wide], [y, y], color=ink, linewidth=1.3)
            if kind == "dashes":
                line.set_dashes((4, 2))
            self.over.add_line(line)
        elif kind == "bar":
            self.over.add_line(Line2D([x, x + wide], [y, y], color=ink, linewidth=1.3))
            self.over.add_line(Line2D([x + wide / 2], [y], color=ink, marker="o", markersize=4))
        elif kind == "tick":
            self.over.add_line(Line2D([x + wide / 2] * 2, [y - 4, y + 4], color=ink, linewidth=1.6))
        else:
            hollow = kind.endswith(" hollow")
            self.over.add_line(
                Line2D(
                    [x + wide / 2],
                    [y],
                    color=ink,
                    marker=kind.split()[0],
                    markersize=5,
                    markerfacecolor="none" if hollow else ink,
                )
            )

    def picture(
        self, values: NDArray[np.floating], box: tuple[float, float, float, float], colours: Colormap, scale: Normalize
    ) -> None:
        """A matrix painted into a box (left, bottom, width, height), its first row on top."""
        left, bottom, width, height = box
        self.over.imshow(
            values,
            cmap=colours,
            norm=scale,
            interpolation="none",
            aspect="auto",
            extent=(left, left + width, bottom, bottom + height),
        )

    def colour_bar(self, x: float, y: float, height: float, colours: Colormap, scale: Normalize) -> None:
        """A colour bar with its numbers on the right."""
        low, high = float(scale.vmin or 0), float(scale.vmax or 0)
        self.picture(np.linspace(high, low, 64)[:, None], (x, y, 8, height), colours, scale)
        for value in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high):
            if low - 1e-9 <= value <= high + 1e-9:
                at = y + (value - low) / (high - low) * height
                self.over.plot([x + 8, x + 11], [at, at], color=colour_of("rule"), linewidth=0.8)
                self.say(x + 14, at - 2.4, tick(float(value)))


def colour_of(name: str) -> str:
    return COLOURS[name][0] if name in COLOURS else name


DEPTH_LEFT = 40.0
"""Where the axes of figures by depth begin."""


def layer_axis(paper: Paper, axes: Axes, depth: NDArray[np.floating], layer: NDArray[np.floating], top: float) -> None:
    """Relative depth below, layers above the axes, whose upper edge is at `top`."""
    x0, x1 = (-0.03, 1.03) if len(depth) > 1 else (depth[0] - 0.5, depth[0] + 0.5)
    axes.set_xlim(x0, x1)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1] if len(depth) > 1 else [float(depth[0])]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(v))))
    axes.set_xlabel("relative depth", labelpad=3)
    left, width = DEPTH_LEFT, WIDTH - DEPTH_LEFT - 10
    for i in range(0, len(layer), -(-len(layer) // 16)):
        at = left + (depth[i] - x0) / (x1 - x0) * width
        paper.over.plot([at, at], [top, top + 2.5], color=colour_of("rule"), linewidth=0.8)
        paper.say(at, top + 6, tick(float(layer[i])), ha="center")
    paper.say(left + width / 2, top + 15, "layer", ha="center", size=TEXT, colour="ink")


def key_height(entries: Sequence[Entry], most: float) -> float:
    """The height that a key takes."""
    return 12.0 * len(_key_lines(entries, most))


def _sample_width(kind: str) -> float:
    return 12.0 if kind in ("line", "dashes", "bar", "band") else 7.0


def _key_room(entry: Entry) -> float:
    return _sample_width(entry[0]) + 4 + text_width(entry[2], SMALL)


def _key_lines(entries: Sequence[Entry], most: float) -> list[list[Entry]]:
    lines: list[list[Entry]] = [[]]
    left = 0.0
    for entry in entries:
        room = _key_room(entry)
        if lines[-1] and left + room > most:
            lines.append([])
            left = 0.0
        lines[-1].append(entry)
        left += room + 14
    return lines


def text_width(text: str, size: float) -> float:
    """The width of a text, as measured in the font that comes with matplotlib (wider than most)."""
    if not text:
        return 0.0
    return float(
        text_to_path.get_text_width_height_descent(text, FontProperties(family="DejaVu Sans", size=size), ismath=False)[
            0
        ]
    )


def fitted(text: str, size: float, most: float) -> str:
    """A text cut so that it is at most so wide."""
    length = len(text)
    while length > 2 and text_width(shortened(text, length), size) > most:
        length -= 1
    return shortened(text, length)


def span(*values: NDArray[np.floating] | Sequence[float] | float, margin: float = 0.06) -> tuple[float, float]:
    """Limits that hold all finite values, with a margin. Raises `ValueError` where there are none."""
    flat = np.concatenate([finite(np.asarray(v, dtype=float)) for v in values])
    if not flat.size:
        raise ValueError("no finite value to draw")
    low, high = float(flat.min()), float(flat.max())
    pad = (high - low) * margin or max(abs(high), 1e-3) * 0.1
    return low - pad, high + pad


def grid(axes: Axes, axis: Literal["x", "y", "both"] = "y") -> None:
    axes.grid(True, axis=axis, color=colour_of("faint"), linewidth=0.7)


def tidy_numbers(axes: Axes, which: str, most: int = 6) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(v))))


def columns_for(panels: int) -> int:
    return {1: 1, 2: 2, 4: 2}.get(panels, 3 if panels <= 9 else 4 if panels <= 16 else 6)


def category_style(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th category: the first eight differ in both."""
    return f"category-{i % 8 + 1}", MARKERS[(i + i // 8) % len(MARKERS)]


def sequential() -> Colormap:
    """Dark to light, perceptually even; what is not finite is grey."""
    return mpl.colormaps["viridis"].resampled(64).with_extremes(bad=colour_of("rule"))


def diverging() -> Colormap:
    """Brown below, blue above; what is not finite is grey."""
    colours = ["#8c3a12", "#d98a5f", "#f3f1ee", "#6d9fd1", "#174a83"]
    return LinearSegmentedColormap.from_list("signed", colours, N=64).with_extremes(bad=colour_of("rule"))
