"""The effects of all claims with their intervals, a panel per kind of effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import decimals_of_effect
from modclaims.drawing.figure import Axes, FigureData
from modclaims.drawing.labels import labels_for
from modclaims.drawing.numerals import interval, number, said
from modclaims.drawing.rows import Table, rounded
from modclaims.drawing.values import groups_in_order

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from modclaims.drawing.effect_rows import EffectRow
    from modclaims.drawing.paper import Entry

Floats = NDArray[np.float64]
PITCH, APART = 18.0, 40.0
"""Height of a row, and what lies between two panels, in points."""
OUTCOMES = {"supported": ("supported", "o"), "refuted": ("refuted", "s"), "inconclusive": ("inconclusive", "D hollow")}
"""Colours and markers."""


@dataclass(frozen=True)
class Forest(FigureData):
    """A row per claim: its effect, its interval and the smallest effect that matters; a panel per kind of effect."""

    effect: Annotated[Floats, Axes("claim")]
    low: Annotated[Floats, Axes("claim")]
    """Where the interval begins, on the effect's scale ..."""
    high: Annotated[Floats, Axes("claim")]
    """... and ends."""
    smallest: Annotated[Floats, Axes("claim")]
    """The smallest effect that matters."""
    claims: tuple[str, ...] = ()
    """Numbers and names."""
    outcomes: tuple[str, ...] = ()
    """`supported`, `refuted` or `inconclusive`, one per claim."""
    effect_names: tuple[str, ...] = ()
    """What each claim's effect is called: claims of one name share a panel."""
    interval: str = "interval"
    """What the interval is."""

    def draw(self) -> Figure:
        from modclaims.drawing import paper as kit
        from modclaims.drawing.effect_rows import AT_BOUNDS, effect_rows

        rows, scales = self._rows(), [said(name) for name in self._labels()[2]]
        panels = {s: [row for row, own in zip(rows, scales, strict=True) if own == s] for s in groups_in_order(scales)}
        margin = max(kit.text_width(row.words, kit.TEXT) for row in rows) + 12
        right = max(108.0, AT_BOUNDS + max(kit.text_width(row.told()[1], kit.TEXT) for row in rows) + 4)
        paper = kit.Paper.of(kit.WIDTH, 24 + sum(PITCH * len(members) + APART for members in panels.values()))
        paper.key(2, paper.height - 10, self._entries(), kit.WIDTH - 4)
        top = paper.height - 24
        for scale, members in panels.items():
            height = PITCH * len(members)
            effect_rows(paper, members, (margin, top - height, kit.WIDTH - margin - right, height), scale, pitch=PITCH)
            top -= height + APART
        return paper.figure

    def _rows(self) -> list[EffectRow]:
        from modclaims.drawing.effect_rows import EffectRow
        from modclaims.drawing.paper import TEXT, fitted

        claims, outcomes, _ = self._labels()
        return [
            EffectRow(
                fitted(claim, TEXT, 205),
                float(effect),
                float(low),
                float(high),
                float(smallest),
                *OUTCOMES.get(outcome, ("inconclusive", "o hollow")),
            )
            for claim, outcome, effect, low, high, smallest in zip(
                claims, outcomes, self.effect, self.low, self.high, self.smallest, strict=True
            )
        ]

    def _entries(self) -> list[Entry]:
        """The key: what each mark is."""
        found = self._labels()[1]
        entries: list[Entry] = [(marker, colour, name) for name, (colour, marker) in OUTCOMES.items() if name in found]
        return [*entries, ("line", "soft", self.interval), ("tick", "threshold", "smallest effect that matters")]

    def _labels(self) -> tuple[list[str], list[str], list[str]]:
        """Claims, outcomes and names of effects. Raises `ValueError` where there are not as many as claims."""
        n = len(self.effect)
        return (
            labels_for(n, self.claims, "claims of forest"),
            labels_for(n, self.outcomes, "outcomes of forest"),
            labels_for(n, self.effect_names, "effect_names of forest"),
        )

    def table(self) -> Table:
        rows = []
        for i, (claim, outcome, scale) in enumerate(zip(*self._labels(), strict=True)):
            low, high, smallest = (float(values[i]) for values in (self.low, self.high, self.smallest))
            decimals = decimals_of_effect(smallest, low, high)
            told = number(float(self.effect[i]), decimals), interval(low, high, decimals)
            rows.append((claim, outcome, scale, *told, rounded(smallest)))
        return Table(
            ("claim", "verdict", "effect named", "effect", "interval", "smallest that matters"),
            tuple(rows),
            words=(0, 1, 2),
        )
