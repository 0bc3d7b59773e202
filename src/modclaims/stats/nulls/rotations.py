"""Random rotations of the coordinate axes: is the basis privileged, or would any orthonormal one do as well?

Under the null the law of the coordinates, each divided by its spread inside categories, does not change with a rotation
of the axes, so that rotated data are drawn as the data were. A rotation is the same for all cells of a draw.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import degrees_of_freedom, indicator_gram

Floats = NDArray[np.float64]
Drawn = TypeVar("Drawn")
REFLECTORS = 64
ROWS = 256
WORKERS = 2
AT_ONCE = 16
"""Draws that a thread takes at a time."""


@dataclass(frozen=True)
class Coordinates:
    """Rows of vectors in as few coordinates as span them, ready to be rotated.

    `rows` is (row, m), m the smaller of rows and width; with m x width orthonormal rows it gives the vectors back. Turned
    at random, these are the first m rows of a Haar matrix, so that width directions meet width directions.
    """

    rows: Floats
    width: int

    @classmethod
    def of(cls, vectors: Floats) -> Coordinates:
        """From (row, width) vectors."""
        if len(vectors) >= vectors.shape[1]:
            return cls(np.ascontiguousarray(vectors, dtype=np.float64), vectors.shape[1])
        return cls(np.ascontiguousarray(np.asarray(np.linalg.qr(vectors.T, mode="r")).T), vectors.shape[1])

    def turned(self, rng: np.random.Generator, *, single: bool = False) -> Floats:
        """(row, width) vectors times a Haar-random orthogonal matrix.

        The matrix is a product of Householder reflections of independent Gaussian vectors (Stewart 1980), applied in
        blocks I - V T V' and never formed. Reflections that would meet nothing but zeros are left out. In `single`
        precision it takes half the time and each row is off by some 1e-6 of its length.
        """
        from scipy.linalg import lapack

        used, width, precision = self.rows.shape[1], self.width, np.float32 if single else np.float64
        v = np.tril(rng.standard_normal((width, used)))
        diagonal = np.arange(used)
        sign = np.where(v[diagonal, diagonal] < 0, -1.0, 1.0)
        v[diagonal, diagonal] += sign * np.sqrt(np.einsum("ij,ij->j", v, v))
        v = v.astype(precision, copy=False)
        out = np.zeros((len(self.rows), width), dtype=precision)
        out[:, :used] = self.rows * -sign  # each column's own sign, so that the product is Haar and not a coset of it
        blocks = []
        for start in range((used - 1) // REFLECTORS * REFLECTORS, -1, -REFLECTORS):
            block = v[start:, start : start + REFLECTORS]
            # H_k ... H_1 = I - V T' V', T the inverse of the upper triangle of V'V with its diagonal halved
            triangle = block.T @ block
            triangle[np.diag_indices_from(triangle)] /= 2
            inverse = np.triu((lapack.strtri if single else lapack.dtrtri)(triangle)[0])
            blocks.append((start, block @ inverse.T, np.ascontiguousarray(block.T)))
        for at in range(0, len(out), ROWS):  # so few rows at a time stay in the processor's cache
            for start, left, right in blocks:
                part = out[at : at + ROWS, start:]
                part -= (part @ left) @ right
        return np.asarray(out, dtype=np.float64)


def draws(count: int, rng: np.random.Generator, one: Callable[[np.random.Generator], Drawn]) -> list[Drawn]:
    """`one` for so many draws, each with a stream of its own, in order; two at a time."""
    streams = rng.spawn(count)

    def several(start: int) -> list[Drawn]:
        return [one(stream) for stream in streams[start : start + AT_ONCE]]

    with ThreadPoolExecutor(WORKERS) as pool:
        return [drawn for part in pool.map(several, range(0, count, AT_ONCE)) for drawn in part]


@dataclass(frozen=True)
class BasisEffects:
    """omega^2 of category given strata, of every direction of one basis."""

    omega2: Floats
    """(layer, direction)."""
    varies: NDArray[np.bool_]
    """(layer, direction) whether units differ along it, by more than rounding; omega^2 is 0 where they do not."""


SUMMARIES = ("largest", "upper", "count")
"""Of the omega^2 of a layer's directions: the largest, the 99th percentile, the share of directions above a threshold."""


def summarised(directions: BasisEffects, summary: str, threshold: float) -> Floats:
    """(layer,) one of `SUMMARIES` over the directions that vary; not a number where none does."""
    out = []
    for omega2, mask in zip(directions.omega2, directions.varies, strict=True):
        values = omega2[mask]
        if not len(values):
            out.append(np.nan)
        elif summary == "largest":
            out.append(values.max())
        elif summary == "upper":
            out.append(np.quantile(values, 0.99))
        else:
            out.append((values >= threshold).mean())
    return np.array(out, dtype=np.float64)


def shares(directions: BasisEffects, at: Floats) -> Floats:
    """(layer, point) share of the directions that vary whose omega^2 is at least `at`; 0 where none does."""
    rows = []
    for omega2, mask in zip(directions.omega2, directions.varies, strict=True):
        values = np.sort(omega2[mask])
        rows.append(1 - np.searchsorted(values, at, side="left") / len(values) if len(values) else np.zeros(len(at)))
    return np.stack(rows)


@dataclass(frozen=True)
class UnitBasis:
    """An orthonormal basis of the units' space in which sums of squares are sums of squared rows.

    Rows of `matrix` (unit, unit): the categories given strata, the residual, the strata's means, in this order.
    """

    matrix: Floats
    df1: int
    strata: int

    @classmethod
    def of(cls, design: Design) -> UnitBasis:
        """The basis of a design."""
        df1, _ = degrees_of_freedom(design)
        stratum = (design.strata[:, None] == np.unique(design.strata)).astype(np.float64)
        hot = (design.labels[:, None] == np.arange(design.k)).astype(np.float64)
        centred = hot - stratum @ ((stratum.T @ hot) / stratum.sum(axis=0)[:, None])
        values, axes = np.linalg.eigh(indicator_gram(design))
        keep = np.argsort(values)[::-1][:df1]
        categories = centred @ axes[:, keep] / np.sqrt(values[keep])
        means = stratum / np.sqrt(stratum.sum(axis=0))
        named = np.hstack([categories, means])
        rest = np.linalg.qr(named, mode="complete")[0][:, named.shape[1] :]
        return cls(np.ascontiguousarray(np.hstack([categories, rest, means]).T), df1, stratum.shape[1])

    def rows(self, vectors: Floats) -> Floats:
        """(layer, unit, direction) vectors in this basis."""
        return np.asarray(self.matrix @ vectors)

    def directions(self, rows: Floats) -> BasisEffects:
        """omega^2 of every direction from (layer, row, direction) vectors in this basis."""
        n = len(self.matrix)
        squares = rows * rows
        category = squares[:, : self.df1].sum(axis=1)
        error = squares[:, self.df1 : n - self.strata].sum(axis=1)
        whole = category + error + squares[:, n - self.strata :].sum(axis=1)
        varies = category + error > 1e3 * np.finfo(np.float64).eps * whole
        df2 = n - self.strata - self.df1
        with np.errstate(divide="ignore", invalid="ignore"):
            # df1 (F - 1) / (df1 (F - 1) + n) with F = (category / df1) / (error / df2)
            excess = df2 * category - self.df1 * error
            omega2 = np.where(varies, excess / (excess + n * error), 0.0)
        return BasisEffects(omega2, varies)

    def explained_and_left(self, rows: Floats) -> tuple[Floats, Floats]:
        """(layer, direction) root mean square of what categories explain given strata, and sd of what they leave."""
        n, df1 = len(self.matrix), self.df1
        squares = rows * rows
        df2 = n - self.strata - df1
        return (
            np.sqrt(squares[:, :df1].sum(axis=1) / n),
            np.sqrt(squares[:, df1 : n - self.strata].sum(axis=1) / df2),
        )


ULPS = 100
"""Roundings of the largest value within which a coordinate does not vary."""


@dataclass(frozen=True)
class Scale:
    """The unit in which each coordinate is measured: the spread of its values inside categories (given strata).

    It is what the coordinate's own omega^2 divides by, so that all axes have the same error and a direction is made of
    what coordinates tell and not of how large they are. Their total spread would not do, since it shrinks the coordinate
    that tells categories apart; nor would the root mean square, which knows how far they lie from 0.

    What does not vary inside categories, within `ULPS` roundings of its largest value, has no such unit. Where it is the same
    in all units it is no direction of the space (`kept` is false). Where it differs between categories it tells them
    apart without error (`perfect`), which no unit can be found for: of that layer nothing can be said, since whatever
    is added to such a coordinate would tell as much.
    """

    spread: Floats
    """(layer, coordinate)."""
    kept: NDArray[np.bool_]
    """(layer, coordinate) whether it varies inside categories."""
    perfect: NDArray[np.bool_]
    """(layer, coordinate) whether it varies between categories only."""

    @classmethod
    def of(cls, vectors: Floats, design: Design, eps: float = float(np.finfo(np.float64).eps)) -> Scale:
        """From (layer, unit, coordinate) vectors, known to `eps` of their size."""
        basis = UnitBasis.of(design)
        between, inside = basis.explained_and_left(basis.rows(vectors))
        rounding = ULPS * eps * np.abs(vectors).max(axis=1)
        kept = inside > rounding
        return cls(inside, kept, ~kept & (between > rounding))

    def scaled(self, vectors: Floats) -> Floats:
        """(layer, unit, coordinate) vectors in these units; 0 along coordinates that have none."""
        units = np.where(self.kept, self.spread, 1.0)[:, None]
        return np.where(self.kept[:, None], vectors / units, 0.0)

    @property
    def still(self) -> NDArray[np.bool_]:
        """(layer, coordinate) whether it is the same in all units."""
        return ~self.kept & ~self.perfect

    def outlying(self, times: float) -> NDArray[np.bool_]:
        """(layer, coordinate) whether its spread exceeds so many times the median one of the layer's."""
        each = zip(self.spread, self.kept, strict=True)
        limit = np.array([times * np.median(s[k]) if k.any() else 0.0 for s, k in each])
        return np.asarray(self.kept & (self.spread > limit[:, None]))


@dataclass(frozen=True)
class Space:
    """Vectors by layer in the space of each layer's own coordinates, ready to be turned.

    As many directions meet as many axes: coordinates that are left out are gone before anything is turned. Layers with
    the same coordinates, which is nearly always all of them, are turned alike.
    """

    parts: tuple[tuple[NDArray[np.int64], Coordinates], ...]
    """Layers with the same coordinates, and their rows."""
    shape: tuple[int, int, int]
    """(layer, row, coordinate), those left out included."""

    @classmethod
    def of(cls, vectors: Floats, kept: NDArray[np.bool_]) -> Space:
        """From (layer, row, coordinate) vectors and the (layer, coordinate) mask of those that make each layer's space."""
        alike: dict[bytes, list[int]] = {}
        for layer, mask in enumerate(kept):
            if mask.any():
                alike.setdefault(mask.tobytes(), []).append(layer)
        groups = [np.array(layers) for layers in alike.values()]
        rows = [vectors[layers][:, :, kept[layers[0]]] for layers in groups]
        return cls(
            tuple((layers, Coordinates.of(r.reshape(-1, r.shape[2]))) for layers, r in zip(groups, rows, strict=True)),
            vectors.shape,
        )

    def turned(self, rng: np.random.Generator, *, single: bool = False) -> Floats:
        """(layer, row, direction) the same vectors along random directions; 0 beyond as many as a layer has coordinates."""
        layers, rows, width = self.shape
        if len(self.parts) == 1 and self.parts[0][1].width == width and len(self.parts[0][0]) == layers:
            return self.parts[0][1].turned(rng, single=single).reshape(self.shape)
        out = np.zeros(self.shape)
        for where, coordinates in self.parts:
            found = coordinates.turned(rng, single=single)
            out[where, :, : coordinates.width] = found.reshape(len(where), rows, coordinates.width)
        return out


@dataclass(frozen=True)
class Turning:
    """Scaled vectors of units by layer, whose axes are turned at random, in all layers alike.

    What chance does is exact where the scaled coordinates' law is the same in every basis, given the scale: coordinates as
    alike and unrelated inside categories as Gaussian noise is, with whatever differences between categories, along
    any direction. The scale is the sample's own and the same in every rotation. So every axis has error 1 by
    construction and a direction at random has it on average only, which gives random directions the longer tail: p errs to
    the safe side, the more so the fewer units there are (P(p <= .05) was .02 to .04 on the known answers).
    """

    basis: UnitBasis
    vectors: Floats
    """(layer, unit, width) in that basis."""
    space: Space

    @classmethod
    def of(cls, vectors: Floats, kept: NDArray[np.bool_], design: Design) -> Turning:
        """From scaled (layer, unit, width) vectors, 0 along coordinates that are not `kept` (layer, width)."""
        basis = UnitBasis.of(design)
        rows = basis.rows(vectors)
        return cls(basis, rows, Space.of(rows, kept))

    def axes(self) -> BasisEffects:
        """Of the coordinate axes."""
        return self.basis.directions(self.vectors)

    def turned(self, rng: np.random.Generator) -> BasisEffects:
        """Of the axes turned at random, in single precision: a draw among many needs no more.

        What units share was taken apart by the basis before, so that it costs what they differ by no digits.
        """
        return self.basis.directions(self.space.turned(rng, single=True))


def kurtosis(vectors: Floats) -> Floats:
    """(...,) kurtosis over coordinates of (..., width) vectors, about their mean: d sum y^4 / (sum y^2)^2.

    A vector turned at random has 3 (d - 1) / (d + 1) on average, whatever it was: centred, it is uniform on a sphere of
    d - 1 dimensions. Not a number for a constant vector.
    """
    y = vectors - vectors.mean(axis=-1, keepdims=True)
    squares = y * y
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(vectors.shape[-1] * (squares * squares).sum(axis=-1) / squares.sum(axis=-1) ** 2)


def gaussian_kurtosis(width: int) -> float:
    """The mean kurtosis over the coordinates of a random direction: 3 (d - 1) / (d + 1)."""
    return 3 * (width - 1) / (width + 1)
