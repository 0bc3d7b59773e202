"""Table: rows of text under a head, at most some twenty of them, and what is said of those left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from modclaims.drawing.numerals import count, number, significant

MOST_ROWS = 20
MOST_PANELS = 4


@dataclass(frozen=True)
class Table:
    """Rows of text under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    words: tuple[int, ...] = (0,)
    """Columns that hold words; the others hold numbers and are set flush right."""
    left_out: str = ""
    """A sentence that counts what is not shown; empty where everything is."""


def cut(rows: Iterable[tuple[str, ...]], what: str) -> tuple[tuple[tuple[str, ...], ...], str]:
    """The first `MOST_ROWS` rows, and a sentence that counts the others; all where there are hardly more."""
    every = tuple(rows)
    if len(every) <= MOST_ROWS + 2:
        return every, ""
    return every[:MOST_ROWS], f"{count(len(every) - MOST_ROWS, 'further row')} left out ({what})."


def panels_left_out(labels: Sequence[str]) -> str:
    """A sentence that counts the panels beyond `MOST_PANELS`; empty where there are none."""
    return f"{count(len(labels) - MOST_PANELS, 'further panel')} left out." if len(labels) > MOST_PANELS else ""


def rounded(value: float) -> str:
    """With two decimals, or two significant digits where little would be left."""
    return (
        number(float(value))
        if np.isfinite(value) and (abs(value) >= 0.01 or value == 0)
        else significant(float(value), 2)
    )
