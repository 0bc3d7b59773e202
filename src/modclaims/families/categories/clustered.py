"""Clustered: what similarities of texts say at every cell, and what rivals and figures are shown on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common import controls
from modclaims.families.common.units import Units
from modclaims.look import Look
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.delta_bounds import delta_bounds
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Arrangements
from modclaims.stats.chance.permutation import (
    Pairs,
    cheaper_by_vectors,
    gap_null,
    gap_null_from_vectors,
)
from modclaims.stats.effects.pair_effects import cliffs_delta
from modclaims.stats.effects.rivals import Beyond, permanova
from modclaims.stats.effects.similarity import Similarity
from modclaims.stats.evidence import Cell, NullTest

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Clustered:
    """What similarities say at every cell, and what they were compared with."""

    units: Units
    pairs: Pairs
    cells: tuple[Cell, ...]
    """Layers, or heads of layers."""
    per_cell: tuple[Similarity, ...]
    """(text, text) similarities of each cell; none where there are very many units."""
    similarities: Floats
    """(pair, cell) of units, as they are."""
    slack: Floats
    """(cell,) differences of these that are rounding."""
    compared: Floats
    """(pair, cell) with what the claim is beyond taken out."""
    taken: Beyond | None
    """What that left; None where nothing is taken out."""
    flat: NDArray[np.int64]
    """Cells in which similarities do not vary."""
    resamples: Resamples
    arrangements: Arrangements
    test: NullTest
    """That of every cell."""
    by_cell: Bounds
    """Delta at every cell."""
    spread: Mapping[str, Floats]
    """(cell,) secondary numbers of how units spread."""

    _aside: list[Aside] = field(default_factory=list, init=False, repr=False, compare=False)

    def aside(self, worked_out: Callable[[], Aside]) -> Aside:
        """What rivals and figures are shown on, worked out once."""
        if not self._aside:
            self._aside.append(worked_out())
        return self._aside[0]

    @property
    def few(self) -> Resamples:
        """The first resamples, which suffice for what stands beside the claim."""
        return Resamples(self.resamples.times[: controls.CONTROL_RESAMPLES + 1], self.resamples.groups)

    @cached_property
    def raw(self) -> Bounds:
        """Delta at every cell with nothing taken out."""
        return bounds_of_delta(self.similarities, self.units, self.pairs, self.slack, self.resamples)

    def delta(self, resamples: Resamples) -> Replicates:
        """Cliff's delta of what is compared under every resample."""
        return cliffs_delta(self.compared, self.units.design, self.pairs, resamples, slack=self.slack)


@dataclass(frozen=True)
class Aside:
    """The texts on which rival explanations and figures are shown: all, or of very many some of each category."""

    look: Look
    units: Units
    pairs: Pairs
    per_cell: tuple[Similarity, ...]
    similarities: Floats
    """(pair, cell)."""
    arrangements: Arrangements
    few: Resamples
    note: str = ""
    """What is added to the place where something was found, if not all texts were looked at."""


def spread_of(per_cell: Sequence[Similarity], units: Units, pairs: Pairs) -> dict[str, Floats]:
    """(cell,) PERMANOVA and silhouettes, where similarities have squared distances."""
    squared = [s.squared_distance for s in per_cell if s.squared_distance is not None]
    if len(squared) < len(per_cell):
        return {}
    unit_squared = [units.squared_distance(s) for s in squared]
    analysis = permanova(pairs.matrix(unit_squared), pairs, units.design)
    return {
        "PERMANOVA F": analysis.f,
        "PERMANOVA omega^2": analysis.omega2,
        "silhouette": _silhouettes(unit_squared, units),
    }


def gap_null_of(
    per_cell: Sequence[Similarity], similarities: Floats, units: Units, pairs: Pairs, arrangements: Arrangements
) -> tuple[Floats, Floats]:
    """The gap under every arrangement, through pairs or through sums over categories, whichever costs less."""
    design, strata = units.design, len(pairs.slices)
    vectors = [s.vectors for s in per_cell if s.vectors is not None]
    if units.groups is None and vectors and len(vectors) == len(per_cell):
        dimensions = max(v.shape[1] for v in vectors)
        if len(pairs.members[0]) == design.n and cheaper_by_vectors(design.n, dimensions, design.k, strata):
            return gap_null_from_vectors(vectors, similarities, pairs, design, arrangements)
    return gap_null(similarities, pairs, design, arrangements)


def bounds_of_delta(
    values: Floats,
    units: Units,
    pairs: Pairs,
    slack: Floats,
    resamples: Resamples,
    flat: NDArray[np.int64] | None = None,
) -> Bounds:
    """Bounds of Cliff's delta of (pair, cell) similarities that tie within `slack`; `flat` are cells that do not vary."""
    return in_parts(
        lambda drawn: delta_bounds(
            cliffs_delta(values, units.design, pairs, drawn, slack=slack), units.design, drawn, flat=flat
        ),
        resamples,
    )


def _silhouettes(squared: list[Floats], units: Units) -> Floats:
    """(cell,) mean silhouette of the categories, from distances (scikit-learn)."""
    from sklearn.metrics import silhouette_score

    labels = units.design.labels
    return np.array([float(silhouette_score(np.sqrt(m), labels, metric="precomputed")) for m in squared])
