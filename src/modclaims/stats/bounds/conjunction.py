"""Several bounds or tests as one: of cells that hold where all of several statements do, and of one effect twice estimated.

The effect of a conjunction is the least of its parts, and its null hypothesis the union of theirs. It is therefore
tested by the weakest part (intersection-union: Berger 1982), searched over all parts of all cells at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.evidence import NullTest

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def _flat(cells: Indices, parts: int, count: int) -> Indices:
    """Indices of all parts of some cells among (part, cell) ones laid flat, part by part."""
    return np.asarray((np.arange(parts)[:, None] * count + cells).ravel())


@dataclass(frozen=True)
class ConjoinedBounds(Bounds):
    """Bounds of the least of several effects in each cell.

    The lower limit is the least of the parts' lower limits: the part that truly is the least errs no more often than
    its own limit. The upper limit is the least of the parts' upper limits, each at its share of the level (Bonferroni, so
    that a part without much spread widens no other's). Its own `theta`, `se` and `t` are those of the part that was found
    to be the least.
    """

    joint: Bounds | None = None
    """Bounds of (part, cell) effects laid flat, part by part."""
    conjuncts: int = 1

    @classmethod
    def of(cls, joint: Bounds, parts: int) -> ConjoinedBounds:
        """From bounds of (part, cell) effects laid flat, all on one scale."""
        theta = joint.theta.reshape(parts, -1)
        count = theta.shape[1]
        least = np.argmin(np.where(np.isfinite(theta), theta, -np.inf), axis=0) * count + np.arange(count)
        return cls(
            joint.theta[least],
            joint.se[least],
            joint.t[:, least],
            joint.forward,
            joint.backward,
            ends=joint.ends,
            joint=joint,
            conjuncts=parts,
        )

    @property
    def _joint(self) -> Bounds:
        assert self.joint is not None, "made by `of`"
        return self.joint

    def _apart(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """(part, cell) from what is laid flat."""
        return values.reshape(self.conjuncts, -1)

    def _among(self, cells: Indices) -> Indices:
        return _flat(cells, self.conjuncts, len(self.theta))

    def _searched(self, cells: Indices | None) -> Indices | None:
        """What a lower limit is paid for: nothing where a single cell is meant, since all of its parts must hold."""
        return None if cells is None or len(cells) == 1 else self._among(cells)

    def least_part(self, cell: int) -> int:
        """Which of a cell's parts is the least."""
        return int(np.argmin(self._joint.theta.reshape(self.conjuncts, -1)[:, cell]))

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """(cell,) whether any part has a bound: one part that is too small refutes a cell, all are needed to support it."""
        return np.asarray(self._apart(self._joint.bounded).any(axis=0))

    def sparse(self, alpha: float) -> NDArray[np.bool_]:
        """(cell,) whether every part is sparse: one that is not may be what refutes the cell."""
        return np.asarray(self._apart(self._joint.sparse(alpha)).all(axis=0))

    def z(self, smallest: float) -> Floats:
        """(cell,) how far the effect lies above `smallest`, in one unit for all cells: their largest standard error.

        So that of cells whose levels are equal the one of largest effect is named, not the one whose least part varies least.
        """
        se = float(np.max(self.se, initial=0.0, where=self.bounded))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.bounded, (self.theta - self.forward(np.array(smallest))) / se, np.nan))

    def _p_lower(self, smallest: float, cells: Indices | None) -> Floats:
        found = self._joint.p_lower(smallest, self._searched(cells))
        return np.asarray(found.reshape(self.conjuncts, -1).max(axis=0))

    def _lower(self, level: float, cells: Indices | None) -> Floats:
        found = self._joint.lower(level, self._searched(cells))
        return np.asarray(found.reshape(self.conjuncts, -1).min(axis=0))  # not a number where a part has no bound

    def _p_upper(self, smallest: float, cells: Indices | None) -> Floats:
        found = self._joint.p_upper(smallest, None if cells is None else self._among(cells))
        times = self.conjuncts if cells is None else 1
        return np.asarray(np.minimum(1.0, times * found.reshape(self.conjuncts, -1).min(axis=0)))

    def _upper(self, level: float, cells: Indices | None) -> Floats:
        share = level / self.conjuncts if cells is None else level
        found = self._joint.upper(share, None if cells is None else self._among(cells)).reshape(self.conjuncts, -1)
        return np.where(self.bounded, np.fmin.reduce(found, axis=0), np.nan)


@dataclass(frozen=True)
class WidestBounds(Bounds):
    """The widest of several bounds of the same effects, on the same scale; estimates are those of the first.

    Where each errs on another side, none may settle anything alone.
    """

    candidates: tuple[Bounds, ...] = ()

    @classmethod
    def of(cls, *candidates: Bounds) -> WidestBounds:
        """From bounds whose scales are alike."""
        first = candidates[0]
        return cls(
            first.theta,
            first.se,
            first.t,
            first.forward,
            first.backward,
            ends=first.ends,
            candidates=candidates,
        )

    @property
    def bounded(self) -> NDArray[np.bool_]:
        return np.asarray(np.all([b.bounded for b in self.candidates], axis=0))

    def sparse(self, alpha: float) -> NDArray[np.bool_]:
        return np.asarray(np.any([b.sparse(alpha) for b in self.candidates], axis=0))

    def _p_lower(self, smallest: float, cells: Indices | None) -> Floats:
        return np.asarray(np.max([b.p_lower(smallest, cells) for b in self.candidates], axis=0))

    def _p_upper(self, smallest: float, cells: Indices | None) -> Floats:
        return np.asarray(np.max([b.p_upper(smallest, cells) for b in self.candidates], axis=0))

    def _lower(self, level: float, cells: Indices | None) -> Floats:
        return np.asarray(np.min([b.lower(level, cells) for b in self.candidates], axis=0))

    def _upper(self, level: float, cells: Indices | None) -> Floats:
        return np.asarray(np.max([b.upper(level, cells) for b in self.candidates], axis=0))


@dataclass(frozen=True)
class ConjoinedTest(NullTest):
    """The test of cells that hold where all of their parts do: p of a cell is that of its weakest part.

    A cell is wrongly called where one of its parts is, so step-down maxT over all parts of all cells controls that too.
    The null sample shown is that of the weakest part.
    """

    joint: NullTest | None = None
    """The test of (part, cell) statistics laid flat, part by part."""
    conjuncts: int = 1

    @classmethod
    def conjoined(cls, joint: NullTest, parts: int) -> ConjoinedTest:
        """From a test of (part, cell) statistics laid flat, all under the same arrangements."""
        adjusted, raw = joint.p_adjusted.reshape(parts, -1), joint.p.reshape(parts, -1)
        cells = np.arange(raw.shape[1])
        if len(cells) == 1:  # all parts must hold, so that none is corrected for the others
            adjusted = raw
        weakest = np.lexsort((raw, adjusted), axis=0)[-1] * raw.shape[1] + cells
        return cls(
            joint.statistic,
            joint.observed[weakest],
            joint.null[:, weakest],
            raw.max(axis=0),
            adjusted.max(axis=0),
            joint.exceed.reshape(parts, -1).max(axis=0),
            (joint.exceed if len(cells) == 1 else joint.exceed_adjusted).reshape(parts, -1).max(axis=0),
            joint.arrangements,
            joint.exact,
            joint.action,
            joint.tolerance[weakest],
            joint.max_null,
            joint.by,
            joint=joint,
            conjuncts=parts,
        )

    def adjusted_among(self, cells: Indices) -> Floats:
        assert self.joint is not None, "made by `conjoined`"
        if len(cells) == 1:
            return self.p[cells]
        found = self.joint.adjusted_among(_flat(cells, self.conjuncts, len(self.p)))
        return np.asarray(found.reshape(self.conjuncts, -1).max(axis=0))
