"""The register of tables: what stands beside a figure of each kind. Kinds and their arrays: `figures.py`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from modclaims.drawing.figure import kind_of
from modclaims.drawing.numerals import plain
from modclaims.drawing.rows import Table
from modclaims.report.ablation_tables import dissociation, dose_curve
from modclaims.report.reconstruction_tables import accuracy_by_depth, input_angles
from modclaims.report.scale_tables import effect_by_parameters, models_by_depth
from modclaims.report.spectral_tables import rank_by_depth, spectra
from modclaims.report.stream_tables import kurtosis_by_depth, stream, two_distributions
from modclaims.report.weight_tables import against_draws, by_clusters, by_frequency
from modclaims.stats.evidence import Exhibit


def exhibit_table(exhibit: Exhibit) -> Table:
    """The table beside a figure; for an unknown kind, or arrays that do not fit theirs, the shapes of the arrays."""
    try:
        if (kind := kind_of(exhibit.kind)) is not None:
            return kind.of(exhibit).table()
        return _TABLES.get(exhibit.kind, shapes)(exhibit)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return shapes(exhibit)


def shapes(exhibit: Exhibit) -> Table:
    """Names, shapes and types of an exhibit's arrays."""
    arrays = sorted(exhibit.arrays.items())
    rows = tuple((plain(k), " x ".join(map(str, np.shape(v))) or "single", str(np.asarray(v).dtype)) for k, v in arrays)
    return Table(("array", "shape", "type"), rows, words=(0, 1, 2))


_TABLES: dict[str, Callable[[Exhibit], Table]] = {
    "accuracy_by_depth": accuracy_by_depth,
    "against_draws": against_draws,
    "by_clusters": by_clusters,
    "by_frequency": by_frequency,
    "dissociation": dissociation,
    "dose_curve": dose_curve,
    "effect_by_parameters": effect_by_parameters,
    "input_angles": input_angles,
    "kurtosis_by_depth": kurtosis_by_depth,
    "models_by_depth": models_by_depth,
    "rank_by_depth": rank_by_depth,
    "spectra": spectra,
    "stream": stream,
    "two_distributions": two_distributions,
}


def is_drawn(kind: str) -> bool:
    """Whether exhibits of this kind are known: each has a table and a drawing."""
    return kind in _TABLES or kind_of(kind) is not None
