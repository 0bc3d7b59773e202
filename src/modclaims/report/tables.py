"""The register of tables: what stands beside a figure of each kind. Kinds and their arrays: `figures.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modclaims.drawing.figure import kind_of
from modclaims.drawing.numerals import plain
from modclaims.drawing.rows import Table
from modclaims.report.effect_tables import effect_by_depth, forest, null_histogram, splits
from modclaims.report.induction_tables import raw_and_partial
from modclaims.report.selectivity_tables import head_map, strip, volcano
from modclaims.report.similarity_tables import heat_maps, levels_by_depth, text_map
from modclaims.report.subspace_tables import principal_angles, scree, two_effects_by_depth
from modclaims.stats.evidence import Exhibit


def exhibit_table(exhibit: Exhibit) -> Table:
    """The table beside a figure; for an unknown kind, or arrays that do not fit theirs, the shapes of the arrays."""
    try:
        if (kind := kind_of(exhibit.kind)) is not None:
            return kind.from_exhibit(exhibit).table()
        return _TABLES.get(exhibit.kind, shapes)(exhibit)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return shapes(exhibit)


def shapes(exhibit: Exhibit) -> Table:
    """Names, shapes and types of an exhibit's arrays."""
    arrays = sorted(exhibit.arrays.items())
    rows = tuple((plain(k), " x ".join(map(str, np.shape(v))) or "single", str(np.asarray(v).dtype)) for k, v in arrays)
    return Table(("array", "shape", "type"), rows, words=(0, 1, 2))


_TABLES: dict[str, Callable[[Exhibit], Table]] = {
    "effect_by_depth": effect_by_depth,
    "forest": forest,
    "head_map": head_map,
    "heat_maps": heat_maps,
    "levels_by_depth": levels_by_depth,
    "null_histogram": null_histogram,
    "principal_angles": principal_angles,
    "raw_and_partial": raw_and_partial,
    "scree": scree,
    "splits": splits,
    "strip": strip,
    "text_map": text_map,
    "two_effects_by_depth": two_effects_by_depth,
    "volcano": volcano,
}


def is_drawn(kind: str) -> bool:
    """Whether exhibits of this kind are known: each has a table and a drawing."""
    return kind in _TABLES or kind_of(kind) is not None
