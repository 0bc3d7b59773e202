"""Numerical rank against the number of tokens, a line per layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.numerals import number
from modclaims.drawing.rows import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
ENTRIES = [("line", "effect", "a layer, mean over texts"), ("dashes", "threshold", "all directions of every token")]
"""The key: what each mark is."""


@dataclass(frozen=True)
class RankByTokens(FigureData):
    """Directions that the first tokens of a window let through together, by their number, a line per layer."""

    tokens: Annotated[NDArray[np.generic], Axes("token")]
    """How many tokens."""
    rank: Annotated[Floats, Axes("layer", "token")]
    """Their numerical rank together, mean over texts."""
    layer: Annotated[NDArray[np.generic], Axes("layer")]
    width: Annotated[float, Axes()]
    """The most directions that a token could have."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit

        left = kit.DEPTH_LEFT + 14
        paper = kit.Paper.of(kit.WIDTH * 0.78, 220)
        axes = paper.axes(left, 32, paper.width - left - 46, 166)
        kit.grid(axes, "both")
        tokens = self.tokens.astype(np.float64)
        most = self.width * tokens[-1]
        axes.set(xlim=(0, tokens[-1] * 1.02), ylim=(0, 1.04 * most))
        axes.plot([0, tokens[-1]], [0, most], color=kit.colour_of("threshold"), linewidth=1.0, linestyle=(0, (4, 2)))
        for layer, rank in zip(self.layer.astype(np.float64), self.rank, strict=True):
            axes.plot(tokens, rank, color=kit.colour_of("effect"), linewidth=1.1)
            if layer in (self.layer[0], self.layer[-1]):
                axes.annotate(
                    f"layer {layer:.0f}",
                    (tokens[-1], rank[-1]),
                    xytext=(3, -2),
                    textcoords="offset points",
                    size=kit.SMALL,
                )
        kit.tidy_numbers(axes, "y")
        axes.set_xlabel("tokens", labelpad=3)
        paper.say_upwards(9, 32 + 166 / 2, "numerical rank")
        paper.key(left, paper.height - 10, ENTRIES, paper.width - 50)
        return paper.figure

    def table(self) -> Table:
        """The rank at a few numbers of tokens, a row per layer."""
        last = len(self.tokens) - 1
        places = sorted({0, last // 4, last // 2, (3 * last) // 4, last})
        head = ["layer", *(f"{self.tokens.astype(np.float64)[p]:.0f} tokens" for p in places), "of"]
        rows = [
            (
                number(round(float(self.layer.astype(np.float64)[i]))),
                *(number(float(self.rank[i, p]), 1) for p in places),
                number(self.width * float(self.tokens.astype(np.float64)[-1])),
            )
            for i in range(len(self.layer))
        ]
        return Table(tuple(head), tuple(rows))
