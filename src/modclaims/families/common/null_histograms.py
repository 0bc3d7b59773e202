"""Null histograms: what chance does at the cell that a claim names, beside what was observed."""

from __future__ import annotations

import numpy as np

from modclaims.figures.null_histogram import NullHistogram
from modclaims.stats.evidence import Cell, Exhibit, NullTest


def null_histogram(test: NullTest, cell: int, cells: tuple[Cell, ...]) -> Exhibit:
    """The named cell's null sample with the observed value."""
    return NullHistogram(
        f"{test.statistic[:1].upper()}{test.statistic[1:]} under chance, {cells[cell]}",
        f"{test.arrangements:,} arrangements by {test.action}; {int(test.exceed[cell]):,} of them, the observed one included, "
        "are at least as large as what was observed.",
        null=test.column(cell).astype(np.float32),
        observed=test.observed[cell],
        statistic=test.statistic,
        cell=str(cells[cell]),
        action=test.action,
        exact="1" if test.exact else "0",
    ).exhibit()
