"""One effect in many splits of the texts: what was picked on one half, and measured on the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import interval, shortened
from modclaims.drawing.rows import Table, cut, rounded

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from modclaims.drawing.effect_rows import EffectRow
    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
PITCH = 13.0
"""Height of a row, in points."""


@dataclass(frozen=True)
class Splits(FigureData):
    """A row per split: its effect and bounds, and the smallest effect that matters."""

    effect: Annotated[Floats, Axes("split")]
    low: Annotated[Floats, Axes("split")]
    """Lower bound of each split's own, on the effect's scale ..."""
    high: Annotated[Floats, Axes("split")]
    """... and upper one."""
    smallest_effect: Annotated[float, Axes()]
    """The smallest effect that matters."""
    picks: tuple[str, ...] = ()
    """What was picked, one a split."""
    effect_name: str = "effect"

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.effect_rows import effect_rows

        rows = self._rows()
        margin = max(kit.text_width(row.words, 7) for row in rows) + 14
        height = PITCH * len(rows)
        paper = kit.Paper.of(kit.WIDTH, height + 60)
        entries: list[Entry] = [
            ("bar", "effect", "one split, own bounds"),
            ("tick", "threshold", "smallest that matters"),
        ]
        paper.key(margin, paper.height - 10, entries, kit.WIDTH - margin)
        effect_rows(paper, rows, (margin, 32, kit.WIDTH - margin - 96, height), self.effect_name, pitch=PITCH)
        return paper.figure

    def _rows(self) -> list[EffectRow]:
        from modclaims.drawing.effect_rows import EffectRow

        words = [f"{i + 1}  {shortened(pick, 34)}" for i, pick in enumerate(self._picks())]
        return [
            EffectRow(said, float(effect), float(low), float(high), self.smallest_effect, "effect", "o")
            for said, effect, low, high in zip(words, self.effect, self.low, self.high, strict=True)
        ]

    def _picks(self) -> list[str]:
        return labels_for(len(self.effect), self.picks, "picks of splits")

    def table(self) -> Table:
        rows = [
            (str(i + 1), pick, rounded(self.effect[i]), interval(float(self.low[i]), float(self.high[i])))
            for i, pick in enumerate(self._picks())
        ]
        kept, left = cut(rows, "splits")
        return Table(("split", "picked", self.effect_name, "bounds"), kept, words=(1,), left_out=left)
