"""Effects of several models against their numbers of parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import interval, number
from modclaims.drawing.rows import Table, cut

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry, Paper

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""Left, bottom, width and height, in points."""
ENTRIES: list[Entry] = [
    ("bar", "effect", "a model, with its own interval over texts"),
    ("dashes", "bound", "least-squares line, a model a unit"),
]
"""The key: what each mark is."""


@dataclass(frozen=True)
class EffectByParameters(FigureData):
    """Each model's effect with its interval over texts, on a log axis of parameters, and the line through them."""

    parameters: Annotated[Floats, Axes("model")]
    """Numbers of parameters, smallest first."""
    effect: Annotated[Floats, Axes("model")]
    low: Annotated[Floats, Axes("model")]
    """The effect's own interval over texts."""
    high: Annotated[Floats, Axes("model")]
    line: Annotated[Floats, Axes("model")]
    """The least-squares line at each model's size."""
    models: tuple[str, ...] = ()
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        arrays = (self.parameters, self.effect, self.low, self.high, self.line)
        if len({len(values) for values in arrays}) > 1 or not (self.parameters > 0).all():
            raise ValueError("effect_by_parameters needs one number per model in every array, and sizes above 0")
        paper, left, most = kit.Paper.of(kit.WIDTH, 216), kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        top = paper.height - 10 - paper.key(left, paper.height - 10, ENTRIES, most)
        box = (left, 32.0, most, top - 32)
        axes = paper.axes(*box)
        kit.grid(axes)
        self._plot(axes)
        _parameter_axis(axes)
        kit.tidy_numbers(axes, "y")
        self._name(paper, axes, box)
        words = kit.fitted(self.effect_name, kit.TEXT, top - 32)
        paper.say_upwards(8, 32 + (top - 32) / 2, words)
        return paper.figure

    def _ends(self) -> list[Floats]:
        """Both ends of every interval; the effect where an end is not known."""
        return [np.where(np.isfinite(end), end, self.effect) for end in (self.low, self.high)]

    def _plot(self, axes: Plot) -> None:
        """Effects with their intervals, and the line through them."""
        from modclaims.drawing.paper import colour_of, span

        at, (low, high) = np.log10(self.parameters), self._ends()
        order = np.argsort(at, kind="stable")
        axes.plot(at[order], self.line[order], color=colour_of("bound"), linewidth=1.2, linestyle=(0, (4, 2)))
        limits = span(self.effect, self.low, self.high, self.line, margin=0.14)
        axes.vlines(at, low, high, color=colour_of("effect"), linewidth=1.1)
        axes.plot(at, self.effect, color=colour_of("effect"), marker="o", markersize=4.5, linewidth=0)
        axes.set_ylim(*limits)
        room = max(0.15, 0.08 * float(np.ptp(at)))
        axes.set_xlim(float(at.min()) - room, float(at.max()) + room)

    def _name(self, paper: Paper, axes: Plot, box: Box) -> None:
        """Names above the intervals, those that would run into one already written left out."""
        from modclaims.drawing.paper import SMALL, fitted, text_width

        left, bottom, width, height = box
        (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
        models = labels_for(len(self.parameters), self.models, "models of effect_by_parameters")
        taken: list[tuple[float, float, float]] = []
        for place, upper, model in zip(np.log10(self.parameters), self._ends()[1], models, strict=True):
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

    def table(self) -> Table:
        """A row per model, by size."""
        models = labels_for(len(self.effect), self.models, "models of effect_by_parameters")
        arrays = (self.parameters, self.effect, self.low, self.high, self.line)
        rows = [
            (model, number(round(float(p))), number(float(e)), interval(float(a), float(b)), number(float(on)))
            for model, p, e, a, b, on in zip(models, *arrays, strict=True)
        ]
        kept, left = cut(rows, "larger models")
        head = ("model", "parameters", self.effect_name, "its own interval over texts", "on the line")
        return Table(head, kept, left_out=left)


def _parameter_axis(axes: Plot) -> None:
    """Ticks at powers of ten, and at 2 and 5 of each where there are few of those."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

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
