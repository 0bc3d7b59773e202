"""Figures of a claim: each a picture, the words with it, and the table beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modclaims.drawing.numerals import plain, said
from modclaims.drawing.rows import Table
from modclaims.report.tables import exhibit_table, is_drawn
from modclaims.report.values import class_name, spoken
from modclaims.stats.evidence import Exhibit

IMAGE_BYTES = 1_500_000
"""What all heat maps of a page may weigh together; their pictures are averaged to stay below it."""
MOST_PAINTED = 128
"""Rows of a matrix that a heat map paints at most."""


@dataclass(frozen=True)
class Figure:
    """A picture, the words with it, and the table beside it."""

    name: str
    """Path inside the run folder."""
    exhibit: Exhibit
    title: str
    description: str
    table: Table
    notes: tuple[str, ...] = ()
    limit: int = MOST_PAINTED
    """Rows that a heat map paints at most."""
    drawn: bool = True
    """False where there is only the table."""

    @property
    def narrow(self) -> bool:
        """Whether the picture takes half a page's width."""
        return self.exhibit.kind == "null_histogram"


def figures_of(
    at: int, summary: Mapping[str, Any], exhibits: Sequence[Exhibit], limit: int, taken: set[str]
) -> tuple[tuple[Figure, ...], tuple[Figure, ...]]:
    """A claim's figures, and apart from them its null histograms."""
    owner = _slug(class_name(str(summary.get("id") or ""))) or f"claim-{at + 1}"
    shown: list[Figure] = []
    null: list[Figure] = []
    for j, exhibit in enumerate(exhibits):
        stem, name, again = f"figures/{owner}-{_slug(exhibit.kind) or 'figure'}", "", 1
        while not name or name.lower() in taken:
            name = f"{stem}{'' if again == 1 else f'-{again}'}.svg"
            again += 1
        taken.add(name.lower())
        figure = Figure(
            name,
            exhibit,
            said(exhibit.title) or spoken(exhibit.kind),
            said(exhibit.description),
            exhibit_table(exhibit),
            (*_notes(exhibit, limit), f"Arrays: nulls.npz, {at}/{j}/."),
            limit,
            drawn=is_drawn(exhibit.kind),
        )
        (null if exhibit.kind == "null_histogram" else shown).append(figure)
    return tuple(shown), tuple(null)


def image_rows(exhibits: Iterable[Exhibit]) -> int:
    """Rows that each heat map may paint, so that all of them together stay light: six bits a dot, in base64."""
    panels = sum(
        np.shape(e.arrays["maps"])[0]
        for e in exhibits
        if e.kind == "heat_maps" and np.ndim(e.arrays.get("maps", np.zeros(0))) == 3
    )
    return max(16, min(MOST_PAINTED, int((IMAGE_BYTES / max(1, panels)) ** 0.5)))


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:60]


def _notes(exhibit: Exhibit, limit: int) -> tuple[str, ...]:
    if not is_drawn(exhibit.kind):
        return (f"No picture is known for {plain(exhibit.kind)!r}; the table lists its arrays.",)
    notes = []
    found = exhibit.labels.get("note", "")
    if isinstance(found, str) and found:
        notes.append(f"{said(found)}.")
    if exhibit.kind == "heat_maps" and np.ndim(exhibit.arrays.get("maps", np.zeros(0))) == 3:
        rows = np.shape(exhibit.arrays["maps"])[1]
        step = -(-rows // limit)
        notes.append(
            "One colour scale for all panels, from the 1 % to the 99 % quantile off the diagonal; what lies beyond is cut."
        )
        if step > 1:
            notes.append(f"Painted as means over squares of {step} x {step} of the {rows} x {rows} values.")
    return tuple(notes)
