"""Brackets: names of categories beside the rows of a matrix, and lines between them inside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from matplotlib.lines import Line2D

from modclaims.drawing.paper import Paper, colour_of, fitted, text_width

SIZE, BETWEEN = 6.5, " / "
"""Of the names; what stands between an inner and an outer one."""
WIDEST = 92.0


@dataclass(frozen=True)
class Brackets:
    """The categories of a matrix's rows, of which each runs over neighbours."""

    category: Sequence[str]
    """One a row; `inner / outer` where the outer ones stand together."""

    @cached_property
    def runs(self) -> list[tuple[str, int, int]]:
        """Runs of one category among the rows: name, first row, row after the last."""
        return _runs(self.category)

    @cached_property
    def outer_runs(self) -> list[tuple[str, int, int]]:
        """The same of outer categories; none where names do not read `inner / outer`, or outer ones lie apart."""
        if not all(name.count(BETWEEN) == 1 for name in self.category):
            return []
        found = _runs([name.split(BETWEEN)[1] for name in self.category])
        return found if len({name for name, _, _ in found}) == len(found) < len(self.runs) else []

    @cached_property
    def _widest(self) -> float:
        return max(text_width(self._inner(name), SIZE) for name in set(self.category))

    def _inner(self, name: str) -> str:
        return name.split(BETWEEN)[0] if self.outer_runs else name

    @property
    def room(self) -> float:
        """What the names take on the left, in points."""
        lines = [text_width(line, SIZE) for name, _, _ in self.outer_runs for line in _halved(name)]
        outer = max(lines) + 10 if lines else 0.0
        return min(self._widest, WIDEST) + min(outer, 70.0) + 10

    def lines(self, paper: Paper, left: float, bottom: float, size: float) -> None:
        """Thin white lines between categories: they read on every colour of a map."""
        edges = [end for _, _, end in self.runs[:-1]]
        outer = {end for _, _, end in self.outer_runs}
        for width, ends in (
            (0.4 if outer else 0.5, [e for e in edges if e not in outer]),
            (1.1, [e for e in edges if e in outer]),
        ):
            if ends and len(edges) < 60:
                at = np.repeat(np.array(ends) / len(self.category) * size, 3)
                across = np.tile([0, size, np.nan], len(ends))
                xs, ys = np.concatenate([at, across]) + left, bottom + size - np.concatenate([across, at])
                paper.over.plot(xs, ys, color="#ffffff", linewidth=width, solid_capstyle="butt")

    def beside(self, paper: Paper, left: float, bottom: float, size: float) -> None:
        """Names and brackets on the left of a square; names that would touch their neighbour are left away."""
        n, last = len(self.category), math.inf
        for name, first, end in self.runs:
            top, low = bottom + size * (1 - first / n), bottom + size * (1 - end / n)
            paper.over.add_line(
                Line2D([left - 3.5] * 2, [low + 0.8, top - 0.8], color=colour_of("soft"), linewidth=0.9)
            )
            middle = (top + low) / 2
            if last - middle >= 6.8:
                paper.say(left - 6, middle - 2.3, fitted(self._inner(name), SIZE, WIDEST), size=SIZE, ha="right")
                last = middle
        at = left - 10 - min(WIDEST, self._widest)
        for name, first, end in self.outer_runs:
            top, low = bottom + size * (1 - first / n), bottom + size * (1 - end / n)
            paper.over.add_line(Line2D([at - 1] * 2, [low + 1.5, top - 1.5], color=colour_of("rule"), linewidth=0.9))
            lines = _halved(name) if top - low >= 15 else [name]
            for i, line in enumerate(lines if top - low >= 7 else ()):
                height = (top + low) / 2 - 2.3 + 4 * (len(lines) - 1) - 8 * i
                paper.say(at - 4, height, fitted(line, SIZE, 66), size=SIZE, ha="right", colour="ink")


def _runs(category: Sequence[str]) -> list[tuple[str, int, int]]:
    found, at = [], 0
    for name, members in groupby(category):
        length = len(list(members))
        found.append((name, at, at + length))
        at += length
    return found


def _halved(name: str) -> list[str]:
    """A name on at most two lines of like length."""
    words = name.split(" ")
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return list(min(cuts, key=lambda c: max(map(len, c)))) if cuts else words
