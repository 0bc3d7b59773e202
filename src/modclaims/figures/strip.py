"""Responses of texts, category by category, a panel per unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import NOTHING
from modclaims.drawing.rows import Table, cut, rounded
from modclaims.drawing.values import finite, groups_in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
APART, AROUND = 16.0, 42.0
"""What lies between two panels beside each other, and what a panel takes beyond its axes, in points."""
WIDEST_NAME, WIDEST_PANEL = 110.0, 330.0
DENSE = 600
"""Texts from which points are dots of a picture."""


@dataclass(frozen=True)
class Strip(FigureData):
    """A panel per unit: responses of the texts in a lane per category, with medians."""

    responses: Annotated[Floats, Axes("panel", "text")]
    panels: tuple[str, ...] = ()
    """Whose responses a panel shows."""
    categories: tuple[str, ...] = ()
    """One a text, in the order of the lanes."""
    ids: tuple[str, ...] = ()
    """One a text."""
    response: str = "length"
    """What a response is."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        panels, category = self._panels(), self._categories()
        kinds = groups_in_order(category.tolist())
        margin = min(max(kit.text_width(k, kit.SMALL) for k in kinds), WIDEST_NAME) + 8
        columns = min(len(panels), 3)
        height = (16.0 if len(kinds) <= 8 else 12.0) * len(kinds) + 6
        width = min((kit.WIDTH - margin - APART * (columns - 1) - 6) / columns, WIDEST_PANEL)
        paper = kit.Paper.of(kit.WIDTH, -(-len(panels) // columns) * (height + AROUND) + 16)
        for i, (name, values) in enumerate(zip(panels, self.responses, strict=True)):
            row, column = divmod(i, columns)
            left = margin + column * (width + APART)
            bottom = paper.height - (row + 1) * (height + AROUND) + 22
            axes = paper.axes(left, bottom, width, height)
            _lanes(axes, values, category, kinds)
            paper.say(left, bottom + height + 5, kit.fitted(name, kit.TEXT, width), size=kit.TEXT, colour="ink")
            for k, kind in enumerate(kinds if column == 0 else ()):
                y = bottom + height * (len(kinds) - 1 - k + 0.6) / len(kinds)
                paper.say(left - 6, y - 2.5, kit.fitted(kind, kit.SMALL, WIDEST_NAME), ha="right")
        told = kit.fitted(f"response: {self.response}", kit.TEXT, kit.WIDTH - margin)
        paper.say(margin, 10, told, size=kit.TEXT, colour="ink")
        return paper.figure

    def _panels(self) -> list[str]:
        return labels_for(len(self.responses), self.panels, "panels of strip")

    def _categories(self) -> NDArray[np.str_]:
        return np.array(labels_for(self.responses.shape[1], self.categories, "categories of strip"))

    def table(self) -> Table:
        category = self._categories()
        ids = np.array(labels_for(len(category), self.ids, "ids of strip"))
        rows: list[tuple[str, ...]] = []
        for panel, values in zip(self._panels(), self.responses, strict=True):
            for name in groups_in_order(category.tolist()):
                kept_values = np.isfinite(values) & (category == name)
                if not kept_values.any():
                    rows.append((panel, name, "0", NOTHING, NOTHING, NOTHING, NOTHING))
                    continue
                mine, mine_ids = values[kept_values], ids[kept_values]
                spread = [rounded(v) for v in (mine.min(), float(np.median(mine)), mine.max())]
                rows.append((panel, name, str(len(mine)), *spread, str(mine_ids[int(mine.argmax())])))
        kept, left = cut(rows, "panels and categories")
        head = ("panel", "category", "texts", "lowest", "median", "highest", "text with the highest")
        return Table(head, kept, words=(0, 1, 6), left_out=left)


def _lanes(axes: Plot, values: Floats, category: NDArray[np.str_], kinds: list[str]) -> None:
    """One unit's responses, a lane per category, the first on top."""
    from modclaims.drawing.paper import category_style, grid, span, tidy_numbers

    grid(axes, "x")
    for k, kind in enumerate(kinds):
        mine = values[category == kind]
        _lane(axes, mine, len(kinds) - 1 - k, *category_style(k), dense=len(values) > DENSE)
    axes.set(xlim=span(values) if finite(values).size else (0, 1), ylim=(-0.6, len(kinds) - 0.4))
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    tidy_numbers(axes, "x", 3)


def _lane(axes: Plot, values: Floats, lane: int, colour: str, marker: str, *, dense: bool) -> None:
    """One category's points, spread over the lane by a fixed pattern, and a line at their median."""
    from modclaims.drawing.paper import colour_of

    shown = np.sort(finite(values))
    if not shown.size:
        return
    offset = (np.arange(len(shown)) * 0.618034 % 1 - 0.5) * 0.5
    axes.plot(
        shown,
        lane + offset,
        linestyle="none",
        marker=marker,
        markersize=3.2,
        color=colour_of(colour),
        markeredgewidth=0,
        alpha=0.75,
        rasterized=dense,
    )
    axes.vlines(float(np.median(shown)), lane - 0.38, lane + 0.38, color=colour_of("ink"), linewidth=1.3)
