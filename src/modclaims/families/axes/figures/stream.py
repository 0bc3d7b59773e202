"""One coordinate of the residual stream, followed through the layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import decimals_for
from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import NOTHING, count, number, shortened, significant
from modclaims.drawing.rows import MOST_PANELS, Table, cut
from modclaims.drawing.values import finite, groups_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry, Paper

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
MOST_LINES = 600
MOST_POINTS = 7_200
"""Points of all lines of a panel together: what keeps a drawing below some 300 kB."""
MOST_PATHS = 64
"""Texts with a path each; the texts of a category that share a shade share a path where there are more."""
SHADES = (0.95, 0.5, 0.75, 0.35)
"""Opacities that the texts of a category take in turn: neighbours are a quarter apart."""
HUES = 8
"""Categories whose colours differ; further ones differ in their marker."""
HEIGHT, AROUND = 150.0, 22 + 34.0
"""Of a panel, and of what stands above and below it, in points."""


@dataclass(frozen=True)
class Stream(FigureData):
    """Value against layer, one line per position, zoomed and whole; hue by category, shade by text."""

    values: Annotated[NDArray[np.floating], Axes("line", "layer")]
    """The coordinate at one position of a text."""
    text: Annotated[NDArray[np.generic], Axes("line")]
    """Index of each line's text."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    depth: Annotated[Floats, Axes("layer")]
    """Relative depth, 0 to 1."""
    categories: tuple[str, ...] = ()
    """One a text."""
    ids: tuple[str, ...] = ()
    """One a text."""
    coordinate: str = "coordinate"
    site: str = "the stream"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        lines, layers = self._lines(), self.layer.astype(np.float64)
        if not len(self.depth) == len(layers) == lines.values.shape[1]:
            found = f"{len(layers)} layers and {len(self.depth)} depths"
            raise ValueError(f"a stream of {lines.values.shape[1]} layers has {found}")
        drawn, thin = thinned(lines.text, lines.category, min(MOST_LINES, max(1, MOST_POINTS // len(self.depth))))
        told = "; ".join(note for note in (thin, lines.lost()) if note)
        entries, left, wide = lines.entries(), kit.DEPTH_LEFT, kit.WIDTH - kit.DEPTH_LEFT - 10
        keyed = kit.key_height(entries, wide)
        taken = 12 + keyed + (12 if told else 0)
        paper = kit.Paper.of(kit.WIDTH, taken + 2 * (HEIGHT + AROUND) - 4)
        paper.key(left, paper.height - 10, entries, wide)
        if told:
            paper.say(left, paper.height - 10 - keyed, kit.fitted(told, kit.SMALL, wide))
        panels = (
            ("zoomed: the 1\u00a0% to the 99\u00a0% quantile", kit.span(*lines.quantiles(0.01, 0.99))),
            ("whole: lowest to highest", kit.span(lines.values)),
        )
        for i, (title, limits) in enumerate(panels):
            top = paper.height - taken - i * (HEIGHT + AROUND)
            axes = paper.axes(left, top - 22 - HEIGHT, wide, HEIGHT)
            kit.grid(axes)
            lines.plot(axes, self.depth, drawn)
            axes.set_ylim(*limits)
            kit.tidy_numbers(axes, "y", 5)
            kit.layer_axis(paper, axes, self.depth, layers, top - 22)
            paper.say(left, top - 22 + 15, title, size=kit.TEXT, colour="ink")
            self._name(paper, top - 22 - HEIGHT / 2)
        return paper.figure

    def _name(self, paper: Paper, middle: float) -> None:
        """What is followed, beside a panel."""
        from modclaims.drawing.paper import TEXT, fitted

        name = fitted(f"{self.coordinate} of {self.site}", TEXT, HEIGHT + 30)
        paper.say_upwards(8, middle, name)

    def _lines(self) -> _Lines:
        """The lines with what each text is. Raises `ValueError` where arrays or labels do not fit."""
        values, text = self.values.astype(np.float64), self.text.astype(np.float64)
        if len(text) != len(values) or not np.isfinite(text).all() or text.min() < 0:
            raise ValueError(f"text of stream has no index for each of {len(values)} lines")
        texts = max(int(text.max()) + 1, len(self.categories), len(self.ids))
        category = labels_for(texts, self.categories, "categories of stream")
        return _Lines(values, text.astype(np.int64), category, labels_for(texts, self.ids, "ids of stream"))

    def table(self) -> Table:
        """Spread over all lines and the median of each category, a row per layer."""
        lines, layer = self._lines(), self.layer.astype(np.float64)
        low, high = lines.quantiles(0.01, 0.99)
        decimals = decimals_for(high - low)
        kinds = groups_in_order(lines.category)
        rows = [
            (significant(float(layer[i])), number(float(self.depth[i])), *lines.spread(i, kinds, decimals))
            for i in range(lines.values.shape[1])
        ]
        kept, left = cut(rows, "layers")
        head = ["layer", "relative depth", "lowest", "median", "highest"]
        head += [*(f"median, {kind}" for kind in kinds[:MOST_PANELS]), "text with the highest"]
        more = len(kinds) - MOST_PANELS
        ends = f"{number(low, decimals)} and {number(high, decimals)}"
        told = [
            f"{count(len(lines.text), 'line')} of {count(len(set(lines.text.tolist())), 'text')}; "
            f"the 1\u00a0% and the 99\u00a0% quantile of all values are {ends}.",
            f"{count(more, 'further category', 'further categories')} left out." if more > 0 else "",
            left,
        ]
        return Table(tuple(head), kept, words=(len(head) - 1,), left_out=" ".join(filter(None, told)))


@dataclass(frozen=True)
class _Lines:
    """One coordinate at one position of a text, followed through the layers; arrays and labels fit."""

    values: Floats
    """(line, layer)"""
    text: Whole
    """(line,) index of each line's text."""
    category: list[str]
    """One a text."""
    ids: list[str]
    """One a text."""

    def quantiles(self, *levels: float) -> list[float]:
        """Quantiles of all finite values. Raises `ValueError` where there are none."""
        known = finite(self.values)
        if not known.size:
            raise ValueError("no finite value to draw")
        return [float(v) for v in np.quantile(known, levels)]

    def lost(self) -> str:
        """How many values are not finite; empty where all are."""
        lost = self.values.size - finite(self.values).size
        return f"{number(lost)} of {number(self.values.size)} values are not finite" if lost else ""

    def spread(self, layer: int, kinds: Sequence[str], decimals: int) -> list[str]:
        """Lowest, median and highest value at a layer, the medians of categories, and the text with the highest."""
        values = self.values[:, layer]
        known = np.isfinite(values)
        if not known.any():
            return [NOTHING] * (4 + len(kinds[:MOST_PANELS]))
        highest = int(np.where(known, values, -np.inf).argmax())
        row = [float(values[known].min()), float(np.median(values[known])), float(values[highest])]
        category = np.array(self.category)[self.text]
        mine = [values[known & (category == kind)] for kind in kinds[:MOST_PANELS]]
        medians = [number(float(np.median(v)), decimals) if v.size else NOTHING for v in mine]
        return [*(number(v, decimals) for v in row), *medians, self.ids[self.text[highest]]]

    def entries(self) -> list[Entry]:
        """The key: the categories, by colour, and by marker where they are too many for that."""
        from modclaims.drawing.paper import category_style

        kinds = groups_in_order(self.category)
        styles = [category_style(k) for k in range(len(kinds))]
        return [
            (marker if len(kinds) > HUES else "line", colour, shortened(kind, 36))
            for kind, (colour, marker) in zip(kinds, styles, strict=True)
        ]

    def plot(self, axes: Plot, depth: Floats, drawn: Whole) -> None:
        """One path per text, or of many texts one per category and shade; categories in turn, so that none lies on top."""
        values, text = self.values[drawn], self.text[drawn]
        width = 0.9 if len(values) <= 60 else 0.6 if len(values) <= 240 else 0.45
        kinds = {kind: k for k, kind in enumerate(groups_in_order(self.category))}
        texts = sorted(set(text.tolist()))
        turns = _ranks([self.category[t] for t in texts]) % (len(texts) if len(texts) <= MOST_PATHS else len(SHADES))
        group = {t: (int(turn), kinds[self.category[t]]) for t, turn in zip(texts, turns, strict=True)}
        of_line = [group[t] for t in text.tolist()]
        for turn, kind in sorted(set(of_line)):
            mine = values[[found == (turn, kind) for found in of_line]]
            path = _Path(kind, SHADES[turn % len(SHADES)], width, marked=len(kinds) > HUES)
            path.plot(axes, depth, np.where(np.isfinite(mine), mine, np.nan))


@dataclass(frozen=True)
class _Path:
    """How lines that are drawn as one path look."""

    kind: int
    """Which category they are of."""
    opacity: float
    width: float
    marked: bool
    """Whether the end of the first line has its category's marker."""

    def plot(self, axes: Plot, depth: Floats, lines: Floats) -> None:
        """(line, layer) lines, one after the other; a line of one layer is a dash."""
        from modclaims.drawing.bands import widened
        from modclaims.drawing.paper import category_style, colour_of

        colour, marker = category_style(self.kind)
        at = widened(depth)
        if len(depth) == 1:
            lines = np.repeat(lines, 2, axis=1)
        breaks = np.full((len(lines), 1), np.nan)
        axes.plot(
            np.tile(np.append(at, np.nan), len(lines)),
            np.hstack([lines, breaks]).ravel(),
            color=colour_of(colour),
            linewidth=self.width,
            alpha=self.opacity,
        )
        if self.marked and np.isfinite(lines[0]).any():
            end = int(np.flatnonzero(np.isfinite(lines[0]))[-1])
            axes.plot(at[end], lines[0, end], color=colour_of(colour), marker=marker, markersize=3.4)


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
