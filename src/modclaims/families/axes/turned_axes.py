"""TurnedAxes: the axes of every layer beside those of random bases, and the best one picked on one half of the texts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common.units import Units
from modclaims.stats.bounds.splits import MedianBounds
from modclaims.stats.chance.actions import Design
from modclaims.stats.evidence import NullTest
from modclaims.stats.nulls.rotations import (
    BasisEffects,
    Scale,
    Turning,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reachable(MedianBounds):
    """Bounds that refute nothing where rivals leave no room: a difference that no axis could have is not a small one."""

    beyond: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """(layer,) whether rivals tell so much that the smallest effect that matters lies beyond a perfect axis."""

    def _p_upper(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        return np.where(self.beyond, 1.0, super()._p_upper(smallest, cells))


@dataclass(frozen=True)
class PickedAxes:
    """What was picked on one half of the units and measured on the other, over the splits."""

    bounds: Reachable
    """Of the axis' omega^2 minus the mean one of its rivals."""
    axes: list[list[int]]
    """(split, layer)."""
    omega2: Floats
    """(axis and mean of its rivals, layer) median over splits."""

    def favourite(self, layer: int) -> tuple[int, int]:
        """The axis picked most often at a layer, the first one picked among equals, and in how many splits."""
        found = [axes[layer] for axes in self.axes]
        best = max(dict.fromkeys(found), key=found.count)
        return best, found.count(best)


@dataclass(frozen=True)
class TurnedAxes:
    """The axes of every layer, beside those of random bases of the same space."""

    data: UnitVectors
    """What is turned."""
    own: BasisEffects
    """(layer, axis) omega^2 of the coordinate axes."""
    at: Floats
    """(point,) ascending omega^2 at which shares of directions are counted."""
    shares: tuple[Floats, ...]
    """By rotation, (layer, point) shares of directions whose omega^2 is at least so large."""
    test: NullTest
    """The claim's summary of the axes, against that of turned ones."""
    picked: PickedAxes
    """The best axis of one half of the units, on the other."""
    warnings: tuple[str, ...]
    """One for each layer that cannot be weighed, and for each that leaves no room above random directions."""


@dataclass(frozen=True)
class UnitVectors:
    """Vectors of units by layer, and the scale that all units together give their coordinates."""

    vectors: Floats
    """(layer, unit, coordinate); 0 in a layer that cannot be weighed, of which nothing is known then."""
    units: Units
    scale: Scale
    eps: float
    """What a value is known to, in parts of itself."""

    @classmethod
    def of(cls, vectors: Floats, units: Units, dtype: np.dtype[np.floating]) -> UnitVectors:
        """From vectors that were recorded as `dtype`."""
        eps = float(np.finfo(dtype).eps)
        scale = Scale.of(vectors, units.design, eps)
        whole = np.asarray(~scale.perfect.any(axis=1, keepdims=True))
        return cls(np.where(whole[:, None], vectors, 0.0), units, replace(scale, kept=scale.kept & whole), eps)

    def at(self, layer: int, coordinates: NDArray[np.int64]) -> UnitVectors:
        """Some coordinates of one layer."""
        scale = self.scale
        parts = (m[layer, coordinates][None] for m in (scale.spread, scale.kept, scale.perfect))
        return UnitVectors(self.vectors[layer][None][:, :, coordinates], self.units, Scale(*parts), self.eps)

    def turning(self) -> Turning:
        """All units in their own scale, ready to be turned."""
        return Turning.of(self.scale.scaled(self.vectors), self.scale.kept, self.units.design)

    def scale_of(self, vectors: Floats, design: Design) -> Scale:
        """The scale that some of the units give."""
        return Scale.of(vectors, design, self.eps)
