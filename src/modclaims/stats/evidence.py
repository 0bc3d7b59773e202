"""Evidence: what one claim's weighing leaves behind. Arrays and words only; no model, corpus or file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.chance.merging import least_middle, merged_levels
from modclaims.stats.chance.multiplicity import Adjustment, ManyCells, combined, weigh_cells, weigh_many

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """One place where a claim was tested, and the secondary numbers shown beside its effect."""

    layer: int | None = None
    """A layer, or the first of a chunk."""
    head: int | None = None
    axis: int | None = None
    category: str | None = None
    """Of claims about modules: the category that one is picked for ..."""
    size: int | None = None
    """... and how many units it has."""
    last_layer: int | None = None
    """The last layer of a chunk; None for a single layer."""
    depth: float | None = None
    """Relative depth, where models of unlike numbers of layers are compared."""

    def __str__(self) -> str:
        if self.last_layer is not None and self.last_layer != self.layer:
            return f"layers {self.layer} to {self.last_layer}"
        named = (("layer", self.layer), ("head", self.head), ("axis", self.axis))
        words = [f"{word} {value}" for word, value in named if value is not None]
        if self.depth is not None:
            words.append(f"relative depth {self.depth:.2g}")
        if self.size is not None:
            words.append(f"{self.size} unit{'' if self.size == 1 else 's'} for {self.category!r}")
        return ", ".join(words) or "the whole network"


@dataclass(frozen=True)
class NullTest:
    """The permutation side of the evidence, a value per cell.

    `observed` and `null` (arrangement, cell) are on the statistic's own scale; row 0 of `null` is the identity.
    """

    statistic: str
    """Name of the statistic, such as `gap within - between`."""
    observed: Floats
    null: Floats
    p: Floats
    """Raw p of each cell, (count of at least as extreme, identity included) / (arrangements)."""
    p_adjusted: Floats
    """Step-down maxT, or minP, over the cells."""
    exceed: NDArray[np.int64]
    """Count behind each raw p."""
    exceed_adjusted: NDArray[np.int64]
    """Count behind each adjusted p."""
    arrangements: int
    """Rows of the null, identity included."""
    exact: bool
    """Whether every distinct arrangement was enumerated."""
    action: str
    """What chance did, in words: `exchanging topic within style`."""
    tolerance: Floats
    """(cell,) differences that count as ties."""
    max_null: Floats
    """(arrangement,) largest standardised statistic over the cells."""
    by: Adjustment = "maxT"
    """How p is adjusted over the cells."""
    intersection: Mapping[str, float] = field(default_factory=dict)
    """p of "no effect in any cell" by Fisher's, Tippett's and Stouffer's combinations; empty for a single cell."""
    factor: float = 1.0
    """By what a counted p is multiplied (2 for levels merged over splits)."""
    parts: tuple[NullTest, ...] = ()
    """The tests of the splits, where this one is their median."""
    many: ManyCells | None = None
    """Works out the statistics of so many cells that `null` holds none of them."""
    untestable: tuple[int, ...] = ()
    """Of many cells, those that do not vary or are not numbers."""

    @classmethod
    def of(
        cls,
        statistic: str,
        null: Floats,
        tolerance: Floats,
        *,
        exact: bool,
        action: str,
        by: Adjustment = "maxT",
    ) -> NullTest:
        """Raw and step-down adjusted p of a joint null (arrangement, cell) whose row 0 was observed."""
        tests = weigh_cells(null, tolerance, by)
        return cls(
            statistic,
            null[0],
            null,
            tests.p,
            tests.p_adjusted,
            tests.exceed,
            tests.exceed_adjusted,
            len(null),
            exact,
            action,
            tolerance,
            tests.max_null,
            by,
            combined(null, tolerance) if null.shape[1] > 1 else {},
        )

    @classmethod
    def of_many(cls, statistic: str, null: ManyCells, *, exact: bool, action: str, by: Adjustment = "maxT") -> NullTest:
        """The same of so many cells that no table of them is held."""
        tests = weigh_many(null, by)
        return cls(
            statistic,
            tests.observed,
            np.empty((null.rows, 0)),
            tests.p,
            tests.p_adjusted,
            tests.exceed,
            tests.exceed_adjusted,
            null.rows,
            exact,
            action,
            tests.tolerance,
            tests.max_null,
            by,
            tests.combined,
            many=null,
            untestable=tests.degenerate,
        )

    def column(self, cell: int) -> Floats:
        """(arrangement,) statistics of one cell, the observed one first."""
        return self.null[:, cell] if self.many is None else self.many.work_out(np.array([cell]))[0][:, 0]

    @property
    def unvarying(self) -> tuple[int, ...]:
        """Cells whose statistics are all alike, or no numbers."""
        if self.many is not None:
            return self.untestable
        finite = np.isfinite(self.null).all(axis=0)
        return tuple(np.flatnonzero(~finite | (np.ptp(self.null, axis=0) == 0)).tolist())

    @property
    def floor(self) -> float:
        """The smallest p that so many arrangements attain."""
        if self.parts:
            return min(1.0, self.factor * float(least_middle(np.array([1 / t.arrangements for t in self.parts]))))
        return min(1.0, self.factor / self.arrangements)

    def adjusted_among(self, cells: NDArray[np.int64]) -> Floats:
        """Adjusted p of some of the cells, corrected for these alone."""
        if self.parts:
            return merged_levels([t.adjusted_among(cells) for t in self.parts])
        if self.many is not None:
            return (
                self.p_adjusted if len(cells) == self.many.count else weigh_many(self.many, self.by, cells).p_adjusted
            )
        return weigh_cells(self.null[:, cells], self.tolerance[cells], self.by).p_adjusted


@dataclass(frozen=True)
class Control:
    """A rival explanation, weighed: one sentence, and the numbers behind it."""

    name: str
    """`shared_words`, `spread`, `untrained_baseline`, ..."""
    sentence: str
    numbers: Mapping[str, float | int | str | Sequence[float]]


@dataclass(frozen=True)
class Exhibit:
    """A figure as data: what kind it is, what it says in words, and the arrays that the report draws.

    Kinds and their arrays are classes of `modclaims.drawing.figure.FigureData`, which draw them too.
    """

    kind: str
    title: str
    description: str
    """Read aloud in place of the picture: what is plotted, and what it shows."""
    arrays: Mapping[str, NDArray[np.generic]]
    labels: Mapping[str, Sequence[str] | str] = field(default_factory=dict)


@dataclass(frozen=True)
class CategoryRow:
    """One category against the rest at one cell (secondary: no correction of its own)."""

    cell: int
    """Index into the evidence's cells."""
    category: str
    hedges_g: float
    superiority: float
    """delta = 2 theta - 1, theta being the chance that a text of it responds more than one of another category."""


@dataclass(frozen=True)
class Evidence:
    """Everything a verdict is read from."""

    cells: tuple[Cell, ...]
    effect_name: str
    bounds: Bounds
    """Effects with their bootstrap-t bounds, cells in the same order."""
    test: NullTest | None
    """None where the claim takes its p from the bounds alone (contrasts of effects)."""
    n_texts: int
    """Texts that were read; 0 where weights alone speak."""
    unit: str = "text"
    """What was relabelled and resampled: `text` or `block`; `null object` where weights alone speak, `model` where models
    are compared by their size."""
    n_units: int = 0
    resampled: str = "texts"
    """What the bootstrap drew anew, in words."""
    degenerate: tuple[int, ...] = ()
    """Indices of cells that could not be tested (constant or not finite)."""
    controls: tuple[Control, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()
    secondary: Mapping[str, Floats] = field(default_factory=dict)
    """Further statistics, one value per cell, labelled secondary."""
    categories: tuple[CategoryRow, ...] = ()
    location: bool | None = None
    """Whether the difference may be called one of location (None: the question does not arise)."""
    warnings: tuple[str, ...] = ()
    note: str = ""
    """What was looked at, in words: site, similarity, unit, response."""
    undecided: str = ""
    """Why this design settles nothing, whatever its numbers: a few words, a colon and the rest; empty where it may."""
    detail: str = ""
    """A sentence on the named cell that belongs to the result: which category a head prefers."""
