"""Figures of a claim: each a picture, the words with it, and the table beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from modclaims.drawing.figure import FigureData, figure_of, kind_of
from modclaims.drawing.numerals import plain, said
from modclaims.drawing.rows import Table
from modclaims.entries import JsonFields
from modclaims.report.tables import exhibit_table
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

    narrow: bool = False
    """Whether the picture takes half a page's width."""


def figures_of(
    at: int, summary: JsonFields, exhibits: Sequence[Exhibit], limit: int, taken: set[str]
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
        kind = kind_of(exhibit.kind)
        chance = kind is not None and kind.shows_chance
        figure = Figure(
            name,
            exhibit,
            said(exhibit.title) or spoken(exhibit.kind),
            said(exhibit.description),
            exhibit_table(exhibit),
            (*_notes(exhibit, limit, summary), f"Arrays: nulls.npz, {at}/{j}/."),
            limit,
            drawn=kind is not None,
            narrow=chance,
        )
        (null if chance else shown).append(figure)
    return tuple(shown), tuple(null)


def image_rows(exhibits: Iterable[Exhibit]) -> int:
    """Rows that each heat map may paint, so that all of them together stay light: six bits a dot, in base64."""
    panels = sum(read.images() for exhibit in exhibits if (read := _read(exhibit)) is not None)
    return max(16, min(MOST_PAINTED, int((IMAGE_BYTES / max(1, panels)) ** 0.5)))


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:60]


def _read(exhibit: Exhibit) -> FigureData | None:
    """The figure; None where its kind is unknown, or its arrays do not fit."""
    try:
        return figure_of(exhibit)
    except (LookupError, TypeError, ValueError):
        return None


def _notes(exhibit: Exhibit, limit: int, summary: JsonFields) -> tuple[str, ...]:
    if kind_of(exhibit.kind) is None:
        file = plain(str(summary.get("id") or "").rpartition("::")[0])
        return (
            f"{plain(exhibit.kind)!r} is no figure of modclaims: {file or 'its file'} draws it, which is not here or cannot be loaded. "
            "The table lists its arrays.",
        )
    found, read = exhibit.labels.get("note", ""), _read(exhibit)
    noted = (f"{said(found)}.",) if isinstance(found, str) and found else ()
    return noted if read is None else (*noted, *read.remarks(limit))
