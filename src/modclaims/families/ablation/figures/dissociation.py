"""Who loses what: a matrix of modules taken out by categories of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import number
from modclaims.drawing.rows import Table, cut
from modclaims.drawing.values import finite

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure

    from modclaims.drawing.paper import Paper

Floats = NDArray[np.float64]
MOST_NAME = 110.0
"""Room for the longest name of a category beside its row."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


@dataclass(frozen=True)
class Dissociation(FigureData):
    """A panel per size: a row per module taken out, a column per category of texts; a module's own texts are framed."""

    maps: Annotated[Floats, Axes("panel", "module", "category")]
    """What texts of a category lose without a module, or gain with it alone, in nats."""
    panels: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    """The category that each module answers."""
    categories: tuple[str, ...] = ()
    """Of the texts."""
    quantity: str = "change"

    def draw(self) -> Figure:
        from matplotlib.colors import Normalize

        from modclaims.drawing import paper as kit

        cells = self._cells()
        known = finite(self.maps)
        if not known.size:
            raise ValueError("no finite value to draw")
        reach = float(np.abs(known).max()) or 1.0
        scale, colours = Normalize(-reach, reach), kit.diverging()
        panels = labels_for(len(self.maps), self.panels, "panels of dissociation")
        rows = -(-len(panels) // cells.columns)
        paper = kit.Paper.of(kit.WIDTH, rows * (cells.box + 54) + 18)
        for p, values in enumerate(self.maps):
            row, column = divmod(p, cells.columns)
            left = cells.margin + column * (cells.width + cells.margin + 14)
            bottom = paper.height - row * (cells.box + 54) - 20 - cells.box
            paper.picture(values, (left, bottom, cells.width, cells.box), colours, scale)
            title = kit.fitted(panels[p], kit.TEXT, cells.width)
            paper.say(left, bottom + cells.box + 6, title, size=kit.TEXT, colour="ink")
            cells.fill(paper, (left, bottom), values, _light(values, colours, scale))
            cells.name_columns(paper, (left, bottom), self.quantity)
        end = cells.margin + cells.columns * cells.width + (cells.columns - 1) * (cells.margin + 14)
        tall = max(cells.box, 48.0)
        paper.colour_bar(min(kit.WIDTH - 46, end + 14), paper.height - 20 - tall, tall, colours, scale)
        return paper.figure

    def _cells(self) -> _Cells:
        """Where the cells of every panel are, and what their rows and columns are called."""
        from modclaims.drawing.paper import SMALL, WIDTH, text_width

        panels, rows, columns = self.maps.shape
        modules = labels_for(rows, self.modules, "modules of dissociation")
        categories = labels_for(columns, self.categories, "categories of dissociation")
        margin = 16 + min(MOST_NAME, max(text_width(name, SMALL) for name in modules))
        abreast = 1 if panels == 1 else 2
        room = (WIDTH - 56 - abreast * margin - 14 * (abreast - 1)) / abreast
        wide = min(52.0, room / columns)
        return _Cells(modules, categories, abreast, margin, wide, min(22.0, max(8.0, 0.5 * wide)))

    def table(self) -> Table:
        panels, rows, columns = self.maps.shape
        modules = labels_for(rows, self.modules, "modules of dissociation")
        categories = labels_for(columns, self.categories, "categories of dissociation")
        titles = labels_for(panels, self.panels, "panels of dissociation")
        lines, left_out = cut(
            (
                (panel, module, *(number(float(v)) for v in line))
                for panel, values in zip(titles, self.maps, strict=True)
                for module, line in zip(modules, values, strict=True)
            ),
            "modules",
        )
        head = ("panel", "module of", *(f"texts of {c}" for c in categories))
        return Table(head, lines, words=(0, 1), left_out=left_out)


@dataclass(frozen=True)
class _Cells:
    """The cells of a panel: their names, and how large they are, in points."""

    modules: list[str]
    categories: list[str]
    columns: int
    """Panels side by side."""
    margin: float
    """Left of a panel, for the names of its rows."""
    wide: float
    tall: float

    @property
    def width(self) -> float:
        """Of a panel."""
        return self.wide * len(self.categories)

    @property
    def box(self) -> float:
        """Height of a panel."""
        return self.tall * len(self.modules)

    def fill(self, paper: Paper, corner: tuple[float, float], values: Floats, light: NDArray[np.bool_]) -> None:
        """Names of the rows, numbers where there is room, and frames around modules' own texts."""
        from modclaims.drawing.paper import SMALL, colour_of, fitted

        left, bottom = corner
        for i, module in enumerate(self.modules):
            at = bottom + self.box - (i + 1) * self.tall
            paper.say(left - 5, at + self.tall / 2 - 2.5, fitted(module, SMALL, self.margin - 16), ha="right")
            for j, category in enumerate(self.categories):
                x = left + j * self.wide
                if self.wide >= 24:
                    ink, place = "#111111" if light[i, j] else "#ffffff", (x + self.wide / 2, at + self.tall / 2 - 2.5)
                    paper.say(*place, number(float(values[i, j])), ha="center", colour=ink)
                if category == module:
                    paper.over.plot(
                        [x, x + self.wide, x + self.wide, x, x],
                        [at, at, at + self.tall, at + self.tall, at],
                        color=colour_of("threshold"),
                        linewidth=1.6,
                    )

    def name_columns(self, paper: Paper, corner: tuple[float, float], quantity: str) -> None:
        """Names of the columns, and what rows and columns are."""
        from modclaims.drawing.paper import SMALL, fitted

        left, bottom = corner
        for j, category in enumerate(self.categories):
            paper.say(left + (j + 0.5) * self.wide, bottom - 11, fitted(category, SMALL, self.wide - 3), ha="center")
        words = f"texts of (columns), module of (rows); {quantity}"
        paper.say(left, bottom - 24, fitted(words, SMALL, self.width + self.margin), size=SMALL)


def _light(values: Floats, colours: Colormap, scale: Normalize) -> NDArray[np.bool_]:
    """Cells that are painted so light that dark ink is read on them."""
    shades = colours(scale(np.nan_to_num(values)))
    return np.where(np.isfinite(values), shades[..., :3] @ LUMINANCE >= 0.5, True)
