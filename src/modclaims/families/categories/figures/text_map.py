"""Texts as places in a plane, a panel per layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import shortened, significant
from modclaims.drawing.rows import MOST_PANELS, Table, cut, panels_left_out
from modclaims.drawing.values import finite, groups_in_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Entry, Paper

Floats = NDArray[np.float64]
FEW, MANY, CROWD = 14, 120, 2400
"""Texts of which each is named; texts beyond which marks are smaller; marks beyond which they are dots of a picture."""


@dataclass(frozen=True)
class TextMap(FigureData):
    """A panel a map of texts, by marks of their categories, with names where there is room."""

    xy: Annotated[NDArray[np.floating], Axes("panel", "text", "direction")]
    """Places in two directions."""
    panels: tuple[str, ...] = ()
    """What each map shows."""
    categories: tuple[str, ...] = ()
    """One a text."""
    ids: tuple[str, ...] = ()
    """One a text."""

    def draw(self) -> Figure:
        from matplotlib.patches import Rectangle

        from modclaims.drawing import paper as kit

        if self.xy.shape[2] != 2:
            raise ValueError("a text map needs two coordinates")
        panels, category, ids = self._labels()
        kinds, columns = groups_in_order(category), kit.columns_for(len(self.xy))
        size = min((kit.WIDTH - 2 - 12 * (columns - 1)) / columns, 200.0 if columns > 1 else 260.0)
        entries: list[Entry] = [(*kit.category_style(i)[::-1], shortened(k, 36)) for i, k in enumerate(kinds)]
        taken = kit.key_height(entries, kit.WIDTH - 4)
        paper = kit.Paper.of(kit.WIDTH, -(-len(self.xy) // columns) * (size + 20) + taken + 6)
        paper.key(1, paper.height - 10, entries, kit.WIDTH - 4)
        places, few = np.full(self.xy.shape, np.nan), len(ids) <= FEW
        for i, (name, points) in enumerate(zip(panels, self.xy, strict=True)):
            row, column = divmod(i, columns)
            left, bottom = 1 + column * (size + 12), paper.height - taken - 4 - (row + 1) * (size + 20) + 1
            frame = Rectangle((left, bottom), size, size, fill=False, edgecolor=kit.colour_of("rule"), linewidth=0.8)
            paper.over.add_patch(frame)
            paper.say(left, bottom + size + 5, kit.fitted(name, kit.TEXT, size), size=kit.TEXT, colour="ink")
            if finite(points[:, 0]).size and finite(points[:, 1]).size:
                places[i] = _in_square(points, left, bottom, size, margin=0.12 if few else 0.06)
                _name_points(paper, places[i], ids if few else [], left + size)
        for k, kind in enumerate(kinds):
            _mark_points(paper, places[:, np.array(category) == kind], *kit.category_style(k), of=places.shape)
        return paper.figure

    def _labels(self) -> tuple[list[str], list[str], list[str]]:
        """Names of panels, and of each text its category and its own. Raises `ValueError` where they are not as many."""
        panels, n, _ = self.xy.shape
        return (
            labels_for(panels, self.panels, "panels of text_map"),
            labels_for(n, self.categories, "categories of text_map"),
            labels_for(n, self.ids, "ids of text_map"),
        )

    def table(self) -> Table:
        panels, category, ids = self._labels()
        shown = self.xy[:MOST_PANELS]
        rows = [
            (
                ids[i],
                category[i],
                *(f"{significant(float(p[i, 0]), 2)}, {significant(float(p[i, 1]), 2)}" for p in shown),
            )
            for i in range(len(ids))
        ]
        kept, left = cut(rows, "texts")
        return Table(
            ("text", "category", *panels[:MOST_PANELS]),
            kept,
            words=(0, 1),
            left_out=f"{left} {panels_left_out(panels)}".strip(),
        )


def _in_square(
    points: NDArray[np.floating], left: float, bottom: float, size: float, margin: float
) -> NDArray[np.floating]:
    """(text, 2) places on the paper of points, both directions on one scale."""
    from modclaims.drawing.paper import span

    (x0, x1), (y0, y1) = span(points[:, 0], margin=margin), span(points[:, 1], margin=margin)
    scale = size / max(x1 - x0, y1 - y0)
    middle = np.array([left + size / 2, bottom + size / 2])
    return np.asarray(middle + (points - np.array([(x0 + x1) / 2, (y0 + y1) / 2])) * scale)


def _mark_points(paper: Paper, places: Floats, colour: str, marker: str, *, of: tuple[int, ...]) -> None:
    """Marks of one category's texts in all panels, (panel, text, 2) among the places of all texts, whose shape `of` is."""
    from modclaims.drawing.paper import colour_of

    mine = places.reshape(-1, 2)
    paper.over.plot(
        *mine[np.isfinite(mine).all(axis=1)].T,
        linestyle="none",
        marker=marker,
        markersize=4.2 if of[1] <= MANY else 3,
        color=colour_of(colour),
        markeredgewidth=0,
        alpha=0.85,
        rasterized=of[0] * of[1] > CROWD,
    )


def _name_points(paper: Paper, places: Floats, labels: Sequence[str], right: float) -> None:
    """Names beside points, each left away where it would lie on another."""
    from modclaims.drawing.paper import fitted, text_width

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
