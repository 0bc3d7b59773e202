"""Tables: what stands beside a figure of each kind."""

from __future__ import annotations

import numpy as np

from modclaims.drawing.figure import figure_of
from modclaims.drawing.numerals import plain
from modclaims.drawing.rows import Table
from modclaims.stats.evidence import Exhibit


def exhibit_table(exhibit: Exhibit) -> Table:
    """The table beside a figure; for an unknown kind, or arrays that do not fit theirs, the shapes of the arrays."""
    try:
        return figure_of(exhibit).table()
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return shapes(exhibit)


def shapes(exhibit: Exhibit) -> Table:
    """Names, shapes and types of an exhibit's arrays."""
    arrays = sorted(exhibit.arrays.items())
    rows = tuple((plain(k), " x ".join(map(str, np.shape(v))) or "single", str(np.asarray(v).dtype)) for k, v in arrays)
    return Table(("array", "shape", "type"), rows, words=(0, 1, 2))
