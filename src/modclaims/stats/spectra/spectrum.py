"""Ranks and spectra of matrices, each number with its error; of operators see `estimated_spectra`.

A *rank* counts what is above a stated floor; an *effective rank* says over how many directions the squared singular
values spread. Axes are in the order (matrix, block, row, column).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from modclaims.errors import ClaimError
from modclaims.stats.spectra.quadrature import x_ln_x
from modclaims.stats.spectra.spectral_sketch import Estimate, Sketch

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spectrum:
    """What is known of the singular values of one m x n matrix J.

    No number depends on the scale of J but the singular values themselves. All numbers of a zero matrix are 0.
    """

    shape: tuple[int, int]
    exact: bool
    """Whether `values` are all singular values, from a decomposition."""
    values: Floats
    """(value,) singular values, largest first: all min(m, n), or the leading ones of an operator (Ritz values, which
    never exceed the truth)."""
    errors: Floats
    """(value,) how much larger each one may be; 0 where exact."""
    effective_rank: float
    """exp of the entropy of p_i = sigma_i^2 / sum of squares, in nats."""
    effective_rank_error: float
    stable_rank: float
    """||J||_F^2 / ||J||_2^2."""
    stable_rank_error: float
    rank_at_least: int
    rank_at_most: int
    """The numerical rank lies between the two; it is determined where they are equal."""
    floor: float
    """max(m, n) eps, in units of the largest singular value: values at or below it are rounding noise."""
    method: str
    """How the numbers were found, as part of a sentence."""
    sketch: Sketch | None = None
    """What the counts of an operator are read from."""

    @property
    def largest(self) -> float:
        """sigma_1."""
        return float(self.values[0])

    @property
    def largest_error(self) -> float:
        """How much larger sigma_1 may be."""
        return float(self.errors[0])

    @property
    def rank(self) -> int | None:
        """The numerical rank where it is determined, else None."""
        return self.rank_at_least if self.rank_at_least == self.rank_at_most else None

    @property
    def values_or_floor(self) -> Floats:
        """(value,) the singular values with noise replaced by the floor that it cannot be told from."""
        return np.maximum(self.values, self.floor * self.largest)

    def above(self, tau: float) -> Estimate:
        """How many singular values exceed tau sigma_1.

        Raises `ClaimError` where tau lies below the floor (noise would be counted), and for an operator below
        `SMALLEST_TAU`.
        """
        if not self.floor <= tau < np.inf:
            raise ClaimError(
                f"Singular values above {tau:g} of the largest cannot be counted: the rounding floor of a "
                f"{sides(self.shape)} matrix in this precision is {self.floor:.2g}. Ask for a larger share."
            )
        if self.sketch is not None:
            return self.sketch.above(tau, self.rank_at_most)
        return Estimate(float((self.values > tau * self.largest).sum()), 0.0)

    @property
    def above_tenth(self) -> float:
        """How many singular values exceed a tenth of the largest; a whole number where they are known one by one."""
        return self.above(0.1).value

    @property
    def above_tenth_error(self) -> float:
        """Half the width of the interval around `above_tenth`."""
        return self.above(0.1).error


def exact_spectrum(matrix: NDArray[np.generic], *, computed_in: DTypeLike | None = None) -> Spectrum:
    """The spectrum of a dense real matrix (row, column), by a singular value decomposition in float64.

    The floor is that of the matrix' own dtype, or of `computed_in` where that is coarser: float32 numbers that were
    widened keep float32's noise, about 1e-7 sigma_1, and a rank that counts it means nothing. Integers count as
    float64. Raises `ClaimError` for an array that is empty, complex, not two-dimensional or not finite.
    """
    matrix = np.asarray(matrix)
    check_entries(matrix, 2, "row, column")
    floor = max(matrix.shape) * spacing(matrix.dtype, computed_in)
    values = np.linalg.svd(np.asarray(matrix, dtype=np.float64), compute_uv=False)
    return _exact(values, matrix.shape, floor, "singular value decomposition")


def spectrum_of_values(
    values: NDArray[np.number], shape: tuple[int, int], *, computed_in: DTypeLike | None = None
) -> Spectrum:
    """The spectrum of a matrix of this shape all of whose singular values are known, in any order.

    Raises `ClaimError` unless there are min(m, n) of them, finite and not negative.
    """
    values = np.asarray(values)
    check_entries(values, 1, "value")
    if len(values) != min(shape) or (values < 0).any():
        raise ClaimError(
            f"A {sides(shape)} matrix has {min(shape)} singular values, none negative; "
            f"{len(values)} were given, the smallest {values.min():g}."
        )
    floor = max(shape) * spacing(values.dtype, computed_in)
    return _exact(values.astype(np.float64), shape, floor, "known singular values")


def gram_values(grams: NDArray[np.generic]) -> Floats:
    """(matrix, value) singular values of matrices J, largest first, from their Gram matrices J J' (matrix, row, row).

    Some three times as fast as a decomposition of J, and all that is left where J was only summed up. An eigenvalue of J J' is
    wrong by up to a few n eps times the largest however small it is, so a singular value below about sqrt(n eps) of the
    first, 4e-7 at n = 768, is noise: far below float32's floor n eps, 9e-5, and so without a say in what is counted
    above that one. Raises `ClaimError` for input that is not finite.
    """
    grams = np.asarray(grams)
    check_entries(grams, 3, "matrix, row, row")
    squares = np.linalg.eigvalsh(np.asarray(grams, dtype=np.float64))[:, ::-1]
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def gram_spectrum(matrix: NDArray[np.generic]) -> Spectrum:
    """The spectrum of a dense matrix (row, column) above float32's floor, by `gram_values`.

    Values below the floor are told as they are found, and are noise.
    """
    whole: Floats = np.asarray(matrix, dtype=np.float64)
    check_entries(whole, 2, "row, column")
    narrow = whole if len(whole) <= len(whole.T) else whole.T
    values = gram_values((narrow @ narrow.T)[None])[0]
    return spectrum_of_values(values, (len(whole), len(whole.T)), computed_in=np.float32)


def _exact(values: Floats, shape: tuple[int, ...], floor: float, method: str) -> Spectrum:
    values = np.sort(values)[::-1].copy()
    rows, columns = shape
    effective = stable = 0.0
    rank = 0
    if values[0] > 0:
        relative = values / values[0]
        squares = relative**2
        stable = float(squares.sum())
        effective = float(np.exp(_entropy(squares / stable)))
        rank = int((relative > floor).sum())
    return Spectrum(
        shape=(rows, columns),
        exact=True,
        values=values,
        errors=np.zeros_like(values),
        effective_rank=effective,
        effective_rank_error=0.0,
        stable_rank=stable,
        stable_rank_error=0.0,
        rank_at_least=rank,
        rank_at_most=rank,
        floor=floor,
        method=method,
    )


def _entropy(shares: Floats) -> float:
    """Entropy in nats, 0 ln 0 being 0."""
    return -float(x_ln_x(shares).sum())


def spacing(dtype: DTypeLike, computed_in: DTypeLike | None) -> float:
    """Relative spacing of the coarser of the two; integers and unnamed dtypes count as float64."""
    kinds = [np.dtype(kind) for kind in (dtype, computed_in) if kind is not None]
    return max([float(np.finfo(np.float64).eps)] + [float(np.finfo(k).eps) for k in kinds if k.kind == "f"])


def check_entries(array: NDArray[np.generic], axes: int, names: str) -> None:
    """Raises `ClaimError` for an array that has no spectrum: other axes than these, none, or entries that are no real numbers."""
    if array.ndim != axes or array.size == 0 or array.dtype.kind not in "fiub":
        raise ClaimError(
            f"A spectrum needs real numbers with axes ({names}), none empty; "
            f"found {array.dtype} with shape {array.shape}."
        )
    wrong = int(array.size - np.isfinite(array).sum())
    if wrong:
        raise ClaimError(
            f"{wrong} of {array.size} entries of the matrix are not finite, so it has no spectrum; "
            "look for overflow in what produced it."
        )


def sides(shape: tuple[int, ...]) -> str:
    """`2,048 x 512`."""
    return " x ".join(f"{side:,}" for side in shape)
