"""How alike every two activations are, as matrices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.rows import Table, cut, rounded
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
MOST_PAINTED = 128
"""Rows of a matrix that are painted at most, where nothing else is asked for."""


@dataclass(frozen=True)
class HeatMaps(FigureData):
    """A panel a similarity matrix, on one scale of colours; names and brackets of the categories on the left."""

    maps: Annotated[NDArray[np.floating], Axes("panel", "row", "row")]
    """Similarities; rows of one category stand together."""
    panels: tuple[str, ...] = ()
    """What each matrix shows."""
    categories: tuple[str, ...] = ()
    """One a row; `inner / outer` where categories lie inside others."""
    note: str = ""
    """What rows are."""

    def draw(self) -> Figure:
        return self.painted(MOST_PAINTED)

    def images(self) -> int:
        return len(self.maps)

    def remarks(self, most: int) -> tuple[str, ...]:
        rows = self.maps.shape[1]
        step = -(-rows // most)
        scale = "One colour scale for all panels, from the 1 % to the 99 % quantile off the diagonal; what lies beyond is cut."
        means = f"Painted as means over squares of {step} x {step} of the {rows} x {rows} values."
        return (scale, means) if step > 1 else (scale,)

    def painted(self, most: int) -> Figure:
        """The picture; matrices of more than `most` rows are averaged in squares."""
        from modclaims.drawing import paper as kit
        from modclaims.drawing.brackets import Brackets

        panels, category = self._panels(), Brackets(self._categories())
        scale, colours, columns = self._scale(), kit.sequential(), kit.columns_for(len(self.maps))
        margin = category.room
        size = min((kit.WIDTH - margin - 50 - 12 * (columns - 1)) / columns, 190.0 if columns > 1 else 250.0)
        paper = kit.Paper.of(kit.WIDTH, -(-len(self.maps) // columns) * (size + 20) + 14)
        for i, (name, values) in enumerate(zip(panels, self.maps, strict=True)):
            row, column = divmod(i, columns)
            left, bottom = margin + column * (size + 12), paper.height - (row + 1) * (size + 20) - 2
            paper.picture(averaged(values, most), (left, bottom, size, size), colours, scale)
            paper.say(left, bottom + size + 5, kit.fitted(name, kit.TEXT, size), size=kit.TEXT, colour="ink")
            category.lines(paper, left, bottom, size)
            if column == 0:
                category.beside(paper, left, bottom, size)
        used = margin + min(columns, len(self.maps)) * (size + 12)
        bar = min(size * 0.8, 130)
        paper.colour_bar(used + 2, paper.height - 22 - size + (size - bar) - 10, bar, colours, scale)
        return paper.figure

    def _panels(self) -> list[str]:
        return labels_for(len(self.maps), self.panels, "panels of heat_maps")

    def _categories(self) -> list[str]:
        return labels_for(self.maps.shape[1], self.categories, "categories of heat_maps")

    def _scale(self) -> Normalize:
        """One scale for all panels, from the 1 % to the 99 % quantile off the diagonal.

        Raises `ValueError` where a matrix is not square, or no similarity finite.
        """
        from matplotlib.colors import Normalize

        if self.maps.shape[1] != self.maps.shape[2]:
            raise ValueError("a heat map is not square")
        values = finite(self.maps[:, ~np.eye(self.maps.shape[1], dtype=bool)])
        values = values if values.size else finite(self.maps)
        if not values.size:
            raise ValueError("no finite similarity to draw")
        low, high = (float(v) for v in np.quantile(values, (0.01, 0.99)))
        if high - low < 1e-9:
            low, high = low - 0.5, high + 0.5
        return Normalize(low, high, clip=True)

    def table(self) -> Table:
        category = np.array(self._categories())
        same = category[:, None] == category[None, :]
        other = ~np.eye(len(category), dtype=bool)
        rows = []
        for name, values in zip(self._panels(), self.maps, strict=True):
            alike, unlike, off = (finite(values[mask]) for mask in (same & other, ~same, other))
            cells = [float(v.mean()) if v.size else np.nan for v in (alike, unlike)]
            cells += [float(off.min()) if off.size else np.nan, float(off.max()) if off.size else np.nan]
            rows.append((name, *(rounded(c) for c in cells)))
        kept, left = cut(rows, "panels")
        several = f"{len(self.maps)} x {self.maps.shape[1]} x {self.maps.shape[2]}"
        return Table(
            ("panel", "mean, same category", "mean, different category", "lowest", "highest"),
            kept,
            left_out=f"The diagonal is not counted in these means; the {several} single values are not listed here. {left}".strip(),
        )


def averaged(matrix: NDArray[np.floating], limit: int) -> NDArray[np.floating]:
    """A square matrix of at most `limit` rows: means over squares of neighbours, not-finite entries left out."""
    n = len(matrix)
    step = -(-n // limit)
    if step == 1:
        return matrix
    starts = np.arange(0, n, step)
    known = np.isfinite(matrix)
    total = np.add.reduceat(np.add.reduceat(np.where(known, matrix, 0.0), starts, axis=0), starts, axis=1)
    times = np.add.reduceat(np.add.reduceat(known.astype(float), starts, axis=0), starts, axis=1)
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)
