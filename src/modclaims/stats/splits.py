"""Choosing and testing on disjoint texts: halves of the units, and what many seeded splits say together.

One split is a lottery, so a claim that picks something is weighed in many, and a level of all is twice the median of
their levels (Meinshausen, Meier & Buehlmann 2009): at least half of the splits would have to err together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.actions import Design
from modclaims.stats.bootstrap import Bounds
from modclaims.stats.evidence import NullTest

Floats = NDArray[np.float64]
FACTOR = 2.0


def halves(design: Design, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two halves of the units, split inside each category x stratum; odd ones go to either side by chance."""
    first: list[int] = []
    for g in np.unique(design.cells):
        where = rng.permutation(np.flatnonzero(design.cells == g))
        take = len(where) // 2 + (len(where) % 2 and int(rng.integers(2)))
        first.extend(where[:take].tolist())
    mask = np.zeros(design.n, dtype=bool)
    mask[first] = True
    return np.flatnonzero(mask), np.flatnonzero(~mask)


def part(design: Design, where: NDArray[np.int64]) -> Design:
    """The design of some of the units."""
    return Design(design.labels[where], design.strata[where], design.names)


def too_small_to_split(design: Design) -> tuple[str, ...]:
    """Categories with a stratum of fewer than 4 units: a half of one has no spread."""
    return tuple(design.names[k] for k in range(design.k) if any(0 < c < 4 for c in design.counts[k]))


@dataclass(frozen=True)
class MedianBounds(Bounds):
    """Bounds of the same cells in many splits, as one: medians of limits at half the level, twice the median of levels.

    Its own `theta`, `se` and `t` are those of a typical split.
    """

    parts: tuple[Bounds, ...] = ()
    """The bounds of each split."""

    @classmethod
    def of(cls, parts: Sequence[Bounds]) -> MedianBounds:
        """From one `Bounds` a split."""
        theta = np.stack([p.theta for p in parts])
        median = np.median(theta, axis=0)
        typical = parts[int(np.argmin(np.nan_to_num(np.abs(theta - median), nan=np.inf).sum(axis=1)))]
        return cls(
            median,
            np.median([p.se for p in parts], axis=0),
            typical.t,
            typical.forward,
            typical.backward,
            typical.noncentral,
            typical.ends,
            factor=FACTOR,
            splits=len(parts),
            parts=tuple(parts),
        )

    @property
    def bounded(self) -> NDArray[np.bool_]:
        return np.asarray(np.mean([p.bounded for p in self.parts], axis=0) > 0.5)

    def p_lower(self, smallest: float, cells: NDArray[np.int64] | None = None) -> Floats:
        return np.minimum(1.0, FACTOR * np.median([p.p_lower(smallest, cells) for p in self.parts], axis=0))

    def p_upper(self, smallest: float, cells: NDArray[np.int64] | None = None) -> Floats:
        return np.minimum(1.0, FACTOR * np.median([p.p_upper(smallest, cells) for p in self.parts], axis=0))

    def lower(self, level: float, cells: NDArray[np.int64] | None = None) -> Floats:
        return _middle([p.lower(level / FACTOR, cells) for p in self.parts], -np.inf)

    def upper(self, level: float, cells: NDArray[np.int64] | None = None) -> Floats:
        return _middle([p.upper(level / FACTOR, cells) for p in self.parts], np.inf)


def _middle(limits: list[Floats], missing: float) -> Floats:
    """(cell,) medians of limits, a missing one counted as none at all; blank where the middle ones are missing."""
    with np.errstate(invalid="ignore"):
        found = np.median(np.nan_to_num(limits, nan=missing, posinf=np.inf, neginf=-np.inf), axis=0)
    return np.where(np.isfinite(found), found, np.nan)


def median_test(tests: Sequence[NullTest], typical: int) -> NullTest:
    """Tests of the same cells in many splits, as one: twice the median of their p; the rest is that of one split."""

    def middle(values: list[Floats]) -> Floats:
        return np.minimum(1.0, FACTOR * np.median(values, axis=0))

    return replace(
        tests[typical],
        observed=np.median([t.observed for t in tests], axis=0),
        p=middle([t.p for t in tests]),
        p_adjusted=middle([t.p_adjusted for t in tests]),
        exact=all(t.exact for t in tests),
        intersection={
            name: min(1.0, FACTOR * float(np.median([t.intersection[name] for t in tests])))
            for name in tests[typical].intersection
        },
        factor=FACTOR,
        parts=tuple(tests),
    )
