"""One effect of every head, or other unit of a layer, as a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import number, p_value
from modclaims.drawing.rows import Table, cut, rounded
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Plot
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
LEFT = 34.0
"""Where the map begins, in points."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
"""Of red, green and blue."""


@dataclass(frozen=True)
class HeadMap(FigureData):
    """A row per layer, a column per head, a colour an effect; those that pass are outlined."""

    effect: Annotated[Floats, Axes("layer", "head")]
    p_adjusted: Annotated[Floats, Axes("layer", "head")] | None = None
    """Adjusted p of each head."""
    significant: Annotated[NDArray[np.generic], Axes("layer", "head")] | None = None
    """Which heads are outlined."""
    effect_name: str = "effect"
    unit: str | None = None
    """What stands in a column: `head`, `mlp_block`, ..."""
    marked: str | None = None
    """What is outlined, where that is not an adjusted p of at most the level."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        marks, (wide, tall) = self._marks(), self._cell()
        layers, heads = self.effect.shape
        width, height = wide * heads, tall * layers
        paper = kit.Paper.of(kit.WIDTH, max(height, 70) + 62)
        bottom = 32 + max(0.0, (70 - height) / 2)
        axes = paper.axes(LEFT, bottom, width, height)
        scale, signed = self._scale()
        colours = kit.diverging() if signed else kit.sequential()
        extent = (-0.5, heads - 0.5, -0.5, layers - 0.5)
        axes.imshow(
            self.effect, cmap=colours, norm=scale, interpolation="none", aspect="auto", origin="lower", extent=extent
        )
        axes.set(xlim=extent[:2], ylim=extent[2:])
        axes.set_xticks(range(0, heads, -(-heads // max(1, int(width // 16)))))
        axes.set_yticks(range(0, layers, -(-layers // max(1, int(height // 9)))))
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_xlabel((self.unit or "head").replace("_", " "), labelpad=3)
        paper.say_upwards(10, bottom + height / 2, "layer")
        shades = colours(scale(np.nan_to_num(self.effect)))
        light = np.where(np.isfinite(self.effect), shades[..., :3] @ LUMINANCE >= 0.5, True)
        if wide >= 20 and tall >= 10 and self.effect.size <= 1200:
            self._numbers(axes, light)
        _mark_cells(axes, marks, light, (wide, tall))
        paper.colour_bar(LEFT + width + 16, bottom, height if height >= 40 else 60, colours, scale)
        key = f"outlined: {self.marked or 'adjusted p at most the level'} ({int(marks.sum())} of {marks.size})"
        if not (wide >= 8 and tall >= 7):
            key = key.replace("outlined", "dot")
        paper.say(LEFT, paper.height - 10, f"{self.effect_name};  {key}")
        return paper.figure

    def _marks(self) -> NDArray[np.bool_]:
        """Which cells are outlined. Raises `ValueError` where these are not the cells that have an effect."""
        if self.significant is None:
            return np.zeros(self.effect.shape, dtype=bool)
        if self.significant.shape != self.effect.shape:
            raise ValueError("the marks of a head map do not fit its effects")
        return self.significant.astype(bool)

    def _cell(self) -> tuple[float, float]:
        """Width and height of a cell, in points."""
        from modclaims.drawing.paper import WIDTH

        layers, heads = self.effect.shape
        wide = min(46.0, (WIDTH - 90) / heads)
        return wide, min(20.0, max(2.5, 430.0 / layers)) if wide >= 6 else min(16.0, max(2.5, 300.0 / layers))

    def _scale(self) -> tuple[Normalize, bool]:
        """The scale of colours, and whether it has two signs. Raises `ValueError` where no effect is finite."""
        from matplotlib.colors import Normalize

        flat = finite(self.effect)
        if not flat.size:
            raise ValueError("no finite effect to draw")
        low, high = float(flat.min()), float(flat.max())
        if low < 0 and -low > 0.3 * high:
            reach = max(abs(low), abs(high)) or 1.0
            return Normalize(-reach, reach), True
        least = min(low, 0.0)
        return Normalize(least, high if high > least else least + 1), False

    def _numbers(self, axes: Plot, light: NDArray[np.bool_]) -> None:
        """Effects in their cells."""
        for row, column in np.ndindex(self.effect.shape):
            value = self.effect[row, column]
            if np.isfinite(value):
                text = number(float(value)).replace("0.", ".", 1)
                ink = "#111111" if light[row, column] else "#ffffff"
                axes.text(column, row, text, ha="center", va="center", size=6.3, color=ink)

    def table(self) -> Table:
        unknown = np.full(self.effect.shape, np.nan)
        p = unknown if self.p_adjusted is None else self.p_adjusted
        marked = np.zeros(self.effect.shape) if self.significant is None else self.significant
        order = np.argsort(-np.nan_to_num(self.effect.ravel(), nan=-np.inf), kind="stable")
        at = [np.unravel_index(i, self.effect.shape) for i in order]
        rows = [
            (
                str(r),
                str(c),
                rounded(float(self.effect[r, c])),
                p_value(float(p[r, c])),
                "yes" if marked[r, c] else "no",
            )
            for r, c in at
        ]
        kept, left = cut(rows, "smaller effects")
        head = ("layer", self.unit or "unit", self.effect_name, "adjusted p", "marked")
        return Table(head, kept, words=(4,), left_out=left)


def _mark_cells(axes: Plot, marked: NDArray[np.bool_], light: NDArray[np.bool_], cell: tuple[float, float]) -> None:
    """Outlines just inside the cells (white on dark cells, dark on light ones), or dots where cells are small."""
    wide, tall = cell
    for mine, ink in ((marked & ~light, "#ffffff"), (marked & light, "#111111")):
        rows, columns = np.nonzero(mine)
        if not len(rows):
            continue
        if wide < 8 or tall < 7:
            axes.plot(columns, rows, linestyle="none", marker="o", markersize=2.2, color=ink, markeredgewidth=0)
            continue
        dx, dy = 0.5 - 1.6 / wide, 0.5 - 1.6 / tall
        xs = np.stack(
            [columns - dx, columns + dx, columns + dx, columns - dx, columns - dx, np.full(len(rows), np.nan)], axis=1
        )
        ys = np.stack([rows - dy, rows - dy, rows + dy, rows + dy, rows - dy, np.full(len(rows), np.nan)], axis=1)
        axes.plot(xs.ravel(), ys.ravel(), color=ink, linewidth=1.0)
