"""Choosing and testing on disjoint texts: halves of the units, and what many seeded splits say together.

One split is a lottery, so a claim that picks something is weighed in many, and a level of all is what `merging` makes of
theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.chance.actions import MIN_BLOCKS, Design
from modclaims.stats.chance.merging import FACTOR, least_middle, merged_levels, merged_lower, merged_upper
from modclaims.stats.evidence import NullTest

Floats = NDArray[np.float64]
Picked = TypeVar("Picked")
Measured = TypeVar("Measured")


def halves(design: Design, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two halves of the units, split inside each category x stratum; odd ones go to either side by chance.

    Clusters stay whole: those with the same categories are split in halves, and so are all together.
    """
    if design.members:
        return _halves_of_clusters(design, rng)
    first: list[int] = []
    for g in np.unique(design.cells):
        where = rng.permutation(np.flatnonzero(design.cells == g))
        take = len(where) // 2 + (len(where) % 2 and int(rng.integers(2)))
        first.extend(where[:take].tolist())
    mask = np.zeros(design.n, dtype=bool)
    mask[first] = True
    return np.flatnonzero(mask), np.flatnonzero(~mask)


def _halves_of_clusters(design: Design, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every other cluster, after shuffling those with the same categories among themselves."""
    order = rng.permutation(len(design.members))
    held = [np.unique(design.labels[m]).tolist() for m in design.members]
    dealt = sorted(order.tolist(), key=lambda c: held[c])[int(rng.integers(2)) :: 2]
    mask = np.zeros(design.n, dtype=bool)
    mask[np.concatenate([design.members[c] for c in dealt])] = True
    return np.flatnonzero(mask), np.flatnonzero(~mask)


@dataclass(frozen=True)
class Half:
    """What one side of a split is given: its own units, and nothing of the other side's."""

    design: Design
    units: NDArray[np.int64]
    """Their numbers."""
    arrays: tuple[Floats, ...]
    """(unit, ...) each; or (text, ...) where texts of one block are a unit."""


def picked_and_measured(
    arrays: Sequence[Floats],
    design: Design,
    rng: np.random.Generator,
    pick: Callable[[Half], Picked],
    measure: Callable[[Half, Picked], Measured],
    *,
    rows: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None,
) -> tuple[Picked, Measured]:
    """What is picked on one half of the units, and what is measured of it on the other.

    `arrays` have the units along their first axis, or whatever `rows` makes of some units' numbers. Each function is
    given one half only, so that what was picked cannot be measured on what it was picked from.
    """
    first, second = (
        Half(part(design, units), units, tuple(a[units if rows is None else rows(units)] for a in arrays))
        for units in halves(design, rng)
    )
    picked = pick(first)
    return picked, measure(second, picked)


def smallest_half(design: Design) -> int:
    """The fewest units that a half may have."""
    if design.members:
        return int(np.sort([len(m) for m in design.members])[: len(design.members) // 2].sum())
    return sum(int((design.cells == g).sum()) // 2 for g in np.unique(design.cells))


def part(design: Design, where: NDArray[np.int64]) -> Design:
    """The design of some of the units; strata and clusters without any of them are gone."""
    strata = np.unique(design.strata[where], return_inverse=True)[1]
    clusters = None if design.clusters is None else np.unique(design.clusters[where], return_inverse=True)[1]
    return Design(design.labels[where], strata, design.names, clusters)


def too_small_to_split(design: Design) -> tuple[str, ...]:
    """Categories with a stratum of fewer than 4 units, a half of which has no spread; or in fewer than 8 clusters."""
    if design.members:
        held = [sum(k in design.labels[m] for m in design.members) for k in range(design.k)]
        return tuple(name for name, count in zip(design.names, held, strict=True) if count < 2 * MIN_BLOCKS)
    return tuple(design.names[k] for k in range(design.k) if any(0 < c < 4 for c in design.counts[k]))


@dataclass(frozen=True)
class MedianBounds(Bounds):
    """Bounds of the same cells in many splits, as one: levels and limits merged, the effect is the median over splits.

    No limit lies beyond the effect, whatever the splits seen first say; levels agree with limits. Its own `theta`, `se` and `t` are those of a typical split.
    """

    parts: tuple[Bounds, ...] = ()
    """The bounds of each split."""

    @classmethod
    def of(cls, parts: Sequence[Bounds]) -> Self:
        """From one `Bounds` a split. The effect is the median over those splits that have one; where most have none there is
        no bound, and a split without one speaks for neither side."""
        theta = np.stack([p.theta for p in parts])
        median = _known_median(theta)
        typical = parts[int(np.argmin(np.nan_to_num(np.abs(theta - median), nan=1e300, posinf=1e300).sum(axis=1)))]
        return cls(
            median,
            _known_median(np.stack([p.se for p in parts])),
            typical.t,
            typical.forward,
            typical.backward,
            typical.noncentral,
            typical.ends,
            factor=FACTOR,
            splits=len(parts),
            fixed_share=None
            if typical.fixed_share is None
            else _known_median(np.array([p.fixed_share for p in parts], dtype=np.float64)),
            null_objects=typical.null_objects,
            parts=tuple(parts),
        )

    @property
    def bounded(self) -> NDArray[np.bool_]:
        return np.asarray(np.mean([p.bounded for p in self.parts], axis=0) > 0.5)

    @property
    def undefined(self) -> Floats:
        return least_middle([p.undefined for p in self.parts])

    @property
    def silent(self) -> NDArray[np.bool_]:
        return np.asarray(np.mean([p.silent for p in self.parts], axis=0) > 0.5)

    def sparse(self, alpha: float) -> NDArray[np.bool_]:
        return np.asarray(np.mean([p.sparse(alpha / FACTOR) for p in self.parts], axis=0) > 0.5)

    def _p_lower(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        merged = merged_levels([p.p_lower(smallest, cells) for p in self.parts])
        return np.where(self.bounded & ~(self.effect < smallest), merged, 1.0)

    def _p_upper(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        merged = merged_levels([p.p_upper(smallest, cells) for p in self.parts])
        return np.where((self.bounded | self.silent) & ~(self.effect > smallest), merged, 1.0)

    def _lower(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        merged = merged_lower([p.lower(level / FACTOR, cells) for p in self.parts])
        return np.where(self.bounded, np.where(merged > self.effect, self.effect, merged), np.nan)

    def _upper(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        merged = merged_upper([p.upper(level / FACTOR, cells) for p in self.parts])
        shown = np.where(merged < self.effect, self.effect, merged)
        return np.where(self.bounded | self.silent, shown, np.nan)


def _known_median(values: Floats) -> Floats:
    """(cell,) median over the splits in which a value is known; not a number where it is in none."""
    out = np.full(values.shape[1:], np.nan)
    known = np.isfinite(values).any(axis=0)
    if known.any():
        out[known] = np.nanmedian(np.where(np.isfinite(values), values, np.nan)[:, known], axis=0)
    return out


def median_test(tests: Sequence[NullTest], typical: int) -> NullTest:
    """Tests of the same cells in many splits, as one: their p merged; the rest is that of one split."""
    return replace(
        tests[typical],
        observed=np.median([t.observed for t in tests], axis=0),
        p=merged_levels([t.p for t in tests]),
        p_adjusted=merged_levels([t.p_adjusted for t in tests]),
        arrangements=max(t.arrangements for t in tests),
        exact=all(t.exact for t in tests),
        intersection={
            name: float(merged_levels(np.array([t.intersection[name] for t in tests])))
            for name in tests[typical].intersection
        },
        factor=FACTOR,
        parts=tuple(tests),
    )
