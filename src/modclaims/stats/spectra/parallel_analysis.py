"""Parallel analysis: how many components of a similarity matrix stand above those of permuted coordinates.

Each coordinate is permuted across units by itself, which leaves its own values and breaks what coordinates have to do
with each other. (Permuting whole rows would leave the spectrum as it is.) Horn 1965; Buja & Eyuboglu 1992.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import stratum_centred
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]


def centred_directions(tokens: Floats, design: Design) -> Floats:
    """(unit, position, coordinate) vectors whose inner products are centred cosines, averaged over positions.

    Each position is centred on its stratum's mean, scaled to unit length, and centred once more, so that permuting a
    coordinate inside strata leaves its mean at zero. What centring leaves of equal vectors is rounding, and zero here.
    """
    n, positions, width = tokens.shape
    x = stratum_centred(tokens.reshape(n, -1), design).reshape(tokens.shape)
    lengths = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    longest = np.sqrt((tokens * tokens).sum(axis=-1)).max(initial=0.0)
    some = lengths > np.maximum(1e-12 * lengths.max(initial=0.0), ROUNDING * longest)
    x = np.divide(x, lengths * np.sqrt(positions), out=np.zeros_like(x), where=some)
    return stratum_centred(x.reshape(n, -1), design).reshape(n, positions, width)


def coordinate_orders(design: Design, width: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(coordinate, unit) an order of the units inside their strata for each coordinate."""
    orders = np.tile(np.arange(design.n), (width, 1))
    for h in np.unique(design.strata):
        where = np.flatnonzero(design.strata == h)
        orders[:, where] = rng.permuted(orders[:, where], axis=1)
    return orders


def permuted(x: Floats, orders: NDArray[np.int64]) -> Floats:
    """(unit, position, coordinate) with each coordinate's units in an order of their own, positions of a unit together."""
    return np.take_along_axis(x, orders.T[:, None, :], axis=0)


def shares(x: Floats) -> Floats:
    """(component,) shares of variance of the components of (unit, position, coordinate) vectors, largest first.

    Eigenvalues of the matrix of their inner products over its trace; zeros where nothing varies.
    """
    flat = x.reshape(len(x), -1)
    gram = flat @ flat.T
    total = float(np.trace(gram))
    if total <= 0:
        return np.zeros(len(x))
    return np.asarray(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0) / total)


def rank(own: Floats, null: Floats, level: float) -> int:
    """How many leading components exceed, one by one, the upper `level` point of (draw, component) permuted ones.

    A strong component leaves less for the others than in permuted data, so that the rank is rather too small.
    """
    count = len(null)
    at = count - max(1, int(np.floor(level * (count + 1) + 1e-9)))  # so many draws lie at or above the threshold
    above = own > np.sort(null, axis=0)[max(0, at)]
    return int(len(own) if above.all() else np.argmin(above))


@dataclass(frozen=True)
class LowRank:
    """Leading components, learned from some units."""

    axes: Floats
    """(position, coordinate, component) orthonormal axes."""

    @classmethod
    def of(cls, x: Floats, components: int) -> LowRank:
        """From (unit, position, coordinate) vectors."""
        n, positions, width = x.shape
        right = np.linalg.svd(x.reshape(n, -1), full_matrices=False)[2][:components]
        return cls(np.ascontiguousarray(right.T).reshape(positions, width, -1))

    def excess(self, x: Floats) -> tuple[Floats, Floats]:
        """Of other units: (unit,) squared length along the axes beyond what permuted coordinates give, and in all.

        With each coordinate permuted by itself, products of different coordinates cancel on average over orders, so that
        the expected squared length along an axis is the sum over coordinates of each one's own: no draw is needed.
        """
        by_coordinate = np.einsum("npw,pwc->nwc", x, self.axes, optimize=True)
        along = (by_coordinate.sum(axis=1) ** 2).sum(axis=1)
        return along - (by_coordinate**2).sum(axis=(1, 2)), (x * x).sum(axis=(1, 2))


def columns(times: Floats, values: Floats) -> Floats:
    """(row, cell) products of (row, unit) and (unit, cell), a cell at a time: its bits do not hang on how many there are."""
    return np.stack([times @ np.ascontiguousarray(values[:, c]) for c in range(values.shape[1])], axis=1)


def ratio_of_sums(above: Floats, below: Floats, design: Design, resamples: Resamples) -> Replicates:
    """Sum of (unit, cell) `above` over that of `below` under every resample of units, or of clusters of them."""
    if design.members:
        above, below = (np.stack([values[m].sum(axis=0) for m in design.members]) for values in (above, below))
    times = resamples.times
    total = columns(times, below)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = columns(times, above) / total
        influence = (above - value[:, None] * below) / total[:, None]
    return Replicates(value, np.where(times[:, :, None] > 0, influence, 0.0), value[0])
