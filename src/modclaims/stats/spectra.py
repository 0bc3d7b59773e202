"""Ranks and spectra of matrices, and of operators that only offer products, each number with its error.

A *rank* counts what is above a stated floor; an *effective rank* says over how many directions the squared singular
values spread. Matrices are decomposed. Operators are sketched: a block Krylov basis finds the leading values, random
probes weigh what is left, and the rank itself comes from a certificate or not at all. Axes are in the order
(matrix, block, row, column); matrices held as stacks of vectors are (vector, component).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from modclaims.errors import ClaimError

Floats = NDArray[np.float64]

CONFIDENCE = 0.99
"""Two-sided level of the sampling part of every error."""
SMALLEST_TAU = 1e-4
"""Counts of an operator above a smaller share of the largest singular value are refused: J'J squares it."""
SURPLUS = 10
"""Start vectors beyond the leading values asked for (Halko, Martinsson & Tropp 2011, section 4.2, speak of 5 to 10)."""
DEEPEST, SHALLOWEST = 16, 3
"""Blocks of the Krylov basis at most, and at least where memory is short."""
CONVERGED = 1e-2
"""Residual over value of a leading singular value that is good enough; the value itself is then good to about 1e-4."""
NORM_PROBES, NORM_STEPS, NORM_FAILURE = 4, 20, 1e-3
"""How the norm of the remainder is bounded, and the probability that it is not (see `Sketch.rest`)."""


@dataclass(frozen=True)
class Estimate:
    """A number, and half the width of the interval around it: 0 where it is known, `CONFIDENCE` where sampled."""

    value: float
    error: float


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
                f"{_by(self.shape)} matrix in this precision is {self.floor:.2g}. Ask for a larger share."
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


# ---- matrices


def exact_spectrum(matrix: NDArray[Any], *, computed_in: DTypeLike | None = None) -> Spectrum:
    """The spectrum of a dense real matrix (row, column), by a singular value decomposition in float64.

    The floor is that of the matrix' own dtype, or of `computed_in` where that is coarser: float32 numbers that were
    widened keep float32's noise, about 1e-7 sigma_1, and a rank that counts it means nothing. Integers count as
    float64. Raises `ClaimError` for an array that is empty, complex, not two-dimensional or not finite.
    """
    matrix = np.asarray(matrix)
    _check_entries(matrix, 2, "row, column")
    floor = max(matrix.shape) * _epsilon(matrix.dtype, computed_in)
    values = np.linalg.svd(np.asarray(matrix, dtype=np.float64), compute_uv=False)
    return _exact(values, matrix.shape, floor, "singular value decomposition")


def block_spectrum(blocks: NDArray[Any], *, computed_in: DTypeLike | None = None) -> Spectrum:
    """The spectrum of the block-diagonal matrix with these diagonal blocks (block, row, column), block by block.

    Its singular values are those of all blocks together. Shape and floor are the whole matrix', T a x T b for T
    blocks a x b, and sigma_1 is the largest of all. Each block alone would allow a floor T times lower, but then one
    matrix would have two ranks, depending on whether its zeros were stored. Dtypes and errors as `exact_spectrum`.
    """
    blocks = np.asarray(blocks)
    _check_entries(blocks, 3, "block, row, column")
    count, rows, columns = blocks.shape
    floor = count * max(rows, columns) * _epsilon(blocks.dtype, computed_in)
    values = np.linalg.svd(np.asarray(blocks, dtype=np.float64), compute_uv=False)
    shape = (count * rows, count * columns)
    return _exact(values.ravel(), shape, floor, f"singular value decomposition of {count} diagonal blocks")


def spectrum_of_values(values: NDArray[Any], shape: tuple[int, int], *, computed_in: DTypeLike = "float64") -> Spectrum:
    """The spectrum of a matrix of this shape all of whose singular values are known, in any order.

    Raises `ClaimError` unless there are min(m, n) of them, finite and not negative.
    """
    values = np.asarray(values)
    _check_entries(values, 1, "value")
    if len(values) != min(shape) or (values < 0).any():
        raise ClaimError(
            f"A {_by(shape)} matrix has {min(shape)} singular values, none negative; "
            f"{len(values)} were given, the smallest {values.min():g}."
        )
    floor = max(shape) * _epsilon(values.dtype, computed_in)
    return _exact(values.astype(np.float64), shape, floor, "known singular values")


def effective_ranks(matrices: NDArray[Any]) -> Floats:
    """(matrix,) effective ranks of many small matrices (matrix, row, column), the fast way.

    With a fourth axis, (matrix, block, row, column), each matrix is block-diagonal. From the eigenvalues of the Gram
    matrices, up to twice as fast as singular values. An eigenvalue is wrong by up to a few n eps lambda_1
    however small it is, and -x ln x carries that over: the effective rank is good to 1e-9 (relative, float64, n below
    1000), while all singular values below about 1e-7 sigma_1 are noise. Unfit for ranks, floors and counts: use
    `exact_spectrum`. 0 for a zero matrix. Raises `ClaimError` for input that is not finite.
    """
    matrices = np.asarray(matrices)
    if matrices.ndim == 3:
        matrices = matrices[:, None]
    _check_entries(matrices, 4, "matrix, block, row, column")
    out = np.empty(len(matrices))
    for i, matrix in enumerate(np.asarray(matrices, dtype=np.float64)):
        peak = np.abs(matrix).max()
        if peak == 0:
            out[i] = 0.0
            continue
        scaled = matrix / peak  # squares of the entries can then neither overflow nor all vanish
        flipped = scaled.swapaxes(-1, -2)
        gram = flipped @ scaled if scaled.shape[-2] >= scaled.shape[-1] else scaled @ flipped
        squares = np.maximum(np.linalg.eigvalsh(gram), 0.0)
        out[i] = np.exp(_entropy(squares / squares.sum()))
    return out


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
    return -float(_x_ln_x(shares).sum())


def _x_ln_x(x: Floats) -> Floats:
    return np.asarray(x * np.log(np.where(x > 0, x, 1.0)))


def _epsilon(dtype: DTypeLike, computed_in: DTypeLike | None) -> float:
    """Relative spacing of the coarser of the two; integers and unnamed dtypes count as float64."""
    kinds = [np.dtype(kind) for kind in (dtype, computed_in) if kind is not None]
    return max([float(np.finfo(np.float64).eps)] + [float(np.finfo(k).eps) for k in kinds if k.kind == "f"])


def _check_entries(array: NDArray[Any], axes: int, names: str) -> None:
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


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(f"{side:,}" for side in shape)


# ---- operators


def estimated_spectrum(
    operator: Any,
    *,
    rng: np.random.Generator,
    max_memory: float,
    leading: int = 50,
    probes: int = 16,
    steps: int = 60,
    diagonal_blocks: Iterable[NDArray[Any]] | None = None,
    rank_at_most: int | None = None,
    computed_in: DTypeLike | None = None,
) -> Spectrum:
    """The spectrum of a real m x n operator from its products alone (matmat and rmatmat, many columns at a time).

    `operator` is anything that scipy's `aslinearoperator` takes. First come the `leading` singular values, from a
    randomised block Krylov basis that grows until their residuals are below `CONVERGED`, or until memory or `DEEPEST`
    ends it (Halko, Martinsson & Tropp 2011, section 4.5, with all power iterates kept; Musco & Musco 2015). The
    directions that converged are set apart, and `probes` random vectors in their complement take `steps` steps of
    Golub-Kahan bidiagonalisation each, with full re-orthogonalisation: they give trace J'J and trace (J'J ln J'J),
    hence the effective rank, and the counts. Columns multiplied: 2 (`leading` + 10) at each of some 8 depths, then
    2 `probes` `steps`.

    Errors of the effective rank, the stable rank and the counts are half widths of intervals at `CONFIDENCE`, and
    include what finitely many steps leave open (see `Sketch`). They assume that J x and J'y are products with one
    matrix, right to rounding, and that `rng` is independent of that matrix: probes from the very stream that a
    Gaussian matrix was drawn from are its own rows, and mislead.

    The numerical rank is only ever certified. `diagonal_blocks` are the diagonal blocks of a block-triangular operator
    (any iterable; one is held at a time): their ranks add up to a lower bound of the operator's, each counted above the
    floor of the whole operator, which is the higher one. `rank_at_most` is what the caller knows, such as from a null
    space. These are bounds of the rank in exact arithmetic, as far as a floor can tell it.

    `max_memory` is in bytes and bounds all that is held here, but not what the operator and its blocks hold. The
    working set is planned before anything is computed; where memory is short the basis grows less deep (which its
    errors say) and fewer probes run at a time. The same `rng`, arguments and BLAS threads give the same bits.
    Floor and `computed_in` as in `exact_spectrum`. Raises `ClaimError` where not even one probe fits (with what would),
    for arguments out of range, products that are not finite, and certificates that contradict each other.
    """
    products = _Products(operator)
    shape = products.shape
    _check_arguments(leading, probes, steps, rank_at_most, shape)
    floor = max(shape) * _epsilon(products.dtype, computed_in)
    plan = _Plan.within(max_memory, products.rows, products.columns, leading=leading, probes=probes, steps=steps)
    rounding = 1e3 * _epsilon(products.dtype, computed_in)

    found = _leading(products, plan, rng, rounding)
    least, most = _certified_rank(
        int((found.values > floor * found.upper[0]).sum()),
        diagonal_blocks,
        0 if found.values[0] == 0 else min(shape) if rank_at_most is None else rank_at_most,
        shape,
        floor * float(found.upper[0]),
    )
    sketch = _sketch(products, plan, rng, found)
    if sketch is None:
        effective = stable = Estimate(0.0, 0.0)
    else:
        effective, stable = sketch.effective_rank(most, rounding), sketch.stable_rank(rounding)
    return Spectrum(
        shape=shape,
        exact=False,
        values=found.values[: plan.leading],
        errors=(found.upper - found.values)[: plan.leading],
        effective_rank=effective.value,
        effective_rank_error=effective.error,
        stable_rank=stable.value,
        stable_rank_error=stable.error,
        rank_at_least=least,
        rank_at_most=most,
        floor=floor,
        method=(
            f"leading {plan.leading} of {len(found.values)} Ritz values of a random block Krylov basis; Lanczos quadrature "
            f"with {probes} probes of {plan.steps} steps beyond {len(found.directions)} directions set apart"
        ),
        sketch=sketch,
    )


def _sketch(products: _Products, plan: _Plan, rng: np.random.Generator, found: _Leading) -> Sketch | None:
    """Weigh with probes, a few at a time, what lies beyond the directions that converged. None for a zero operator."""
    largest = float(found.values[0])
    if largest == 0:
        return None
    apart, left, sampled = len(found.directions), products.columns - len(found.directions), None
    if left:
        starts = _random_directions(rng, plan.probes, found.directions)
        parts = [
            bidiagonalise(products.forward, products.adjoint, starts[i : i + plan.at_once], plan.steps)
            for i in range(0, plan.probes, plan.at_once)
        ]
        unit = largest * products.scale
        alpha, beta = (np.concatenate([getattr(part, name) for part in parts]) / unit for name in ("alpha", "beta"))
        sampled = Bidiagonals(alpha, beta)
    return Sketch(
        found.values / largest, found.upper / largest, found.residual, found.rest / largest, apart, left, sampled
    )


def _check_arguments(leading: int, probes: int, steps: int, rank_at_most: int | None, shape: tuple[int, int]) -> None:
    for name, value, least in (("leading", leading, 1), ("probes", probes, 2), ("steps", steps, 2)):
        if value < least:
            raise ClaimError(f"{name} = {value}: an estimated spectrum needs at least {least}.")
    if rank_at_most is not None and not 0 <= rank_at_most <= min(shape):
        raise ClaimError(f"rank_at_most = {rank_at_most}: a {_by(shape)} operator has a rank from 0 to {min(shape)}.")


def _certified_rank(
    leading: int, blocks: Iterable[NDArray[Any]] | None, most: int, shape: tuple[int, int], threshold: float
) -> tuple[int, int]:
    """Bounds of the numerical rank: the better of the leading values and the diagonal blocks, and what the caller knows."""
    rows = columns = rank = 0
    for block in () if blocks is None else blocks:
        block = np.asarray(block)
        _check_entries(block, 2, "row, column")
        rows, columns = rows + block.shape[0], columns + block.shape[1]
        rank += int((np.linalg.svd(np.asarray(block, dtype=np.float64), compute_uv=False) > threshold).sum())
    if rows > shape[0] or columns > shape[1]:
        raise ClaimError(
            f"The diagonal blocks fill {_by((rows, columns))}, more than the {_by(shape)} operator that they belong to."
        )
    least = max(leading, rank)
    if least > most:
        raise ClaimError(
            f"At least {least} singular values lie above the floor, but the rank is said to be at most {most}; "
            "one of the two certificates is wrong."
        )
    return least, most


class _Products:
    """An operator whose products are checked and scaled, turned so that it has no more columns than rows.

    Vectors are rows here, (vector, component). `scale` is a power of two, so that squares stay in range and scaling
    the operator by a power of two changes no bit of what is relative.
    """

    def __init__(self, operator: Any) -> None:
        from scipy.sparse.linalg import aslinearoperator

        try:
            self.operator = aslinearoperator(operator)
        except TypeError:
            raise ClaimError(
                f"{type(operator).__name__} offers no products; a spectrum is estimated of a matrix or of an object with "
                "shape, matvec and rmatvec."
            ) from None
        rows, columns = (int(side) for side in self.operator.shape)
        self.shape = (rows, columns)
        self.dtype = self.operator.dtype
        if not rows or not columns or (self.dtype is not None and np.dtype(self.dtype).kind not in "fiub"):
            raise ClaimError(
                f"A spectrum needs a real operator that is not empty; found {self.dtype}, {_by(self.shape)}."
            )
        self.turned = rows < columns
        self.rows, self.columns = max(self.shape), min(self.shape)
        self.scale = 1.0

    def forward(self, x: Floats) -> Floats:
        """(vector, row) J x for each of the vectors (vector, column)."""
        return self._product(x, "rmatmat" if self.turned else "matmat", self.rows)

    def adjoint(self, y: Floats) -> Floats:
        """(vector, column) J' y for each of the vectors (vector, row)."""
        return self._product(y, "matmat" if self.turned else "rmatmat", self.columns)

    def _product(self, x: Floats, name: str, side: int) -> Floats:
        try:
            found = np.asarray(getattr(self.operator, name)(x.T))
        except (NotImplementedError, TypeError) as fault:  # scipy's way of saying that there is no such product
            raise ClaimError(
                f"The {_by(self.shape)} operator has no {name} ({fault}); both J x and J'y are needed."
            ) from fault
        if found.shape != (side, len(x)):
            raise ClaimError(
                f"{name} of the {_by(self.shape)} operator gave shape {found.shape}, not {(side, len(x))}."
            )
        wrong = int(found.size - np.isfinite(found).sum())
        if wrong:
            raise ClaimError(
                f"The {_by(self.shape)} operator has no spectrum: {wrong} of {found.size} numbers are not finite in its "
                f"products with {len(x)} finite vectors. Look for overflow or division by zero in what it linearises."
            )
        out = np.array(found.T, dtype=np.float64, order="C")
        out *= self.scale
        return out


@dataclass(frozen=True)
class _Plan:
    """What is held at once, decided before anything is computed."""

    leading: int
    width: int
    """Vectors of a block of the Krylov basis."""
    depth: int
    """Blocks at most."""
    apart: int
    """Directions set apart at most."""
    probes: int
    at_once: int
    """Probes that run together."""
    steps: int

    @classmethod
    def within(cls, allowed: float, rows: int, columns: int, *, leading: int, probes: int, steps: int) -> _Plan:
        """The deepest basis and the most probes at a time that fit. Raises `ClaimError` where none does."""
        k = min(leading, columns)
        width = min(k + SURPLUS, columns)
        enough = -(-columns // width)
        shallow = min(SHALLOWEST, enough)
        steps_taken = min(steps, columns)
        fixed = 16 * probes * columns
        depth = min(DEEPEST, enough)
        while depth > shallow and fixed + _krylov_bytes(rows, columns, width, depth) > allowed:
            depth -= 1
        needed = fixed + _krylov_bytes(rows, columns, width, depth)
        if needed > allowed:
            fits = _largest(
                lambda n: fixed + _krylov_bytes(rows, columns, min(n + SURPLUS, columns), shallow) <= allowed, k
            )
            raise ClaimError(
                f"The {k} leading values of {_by((rows, columns))} take {_size(needed)} and {_size(allowed)} are allowed; "
                + (f"leading = {fits} would fit." if fits else "not even one would fit. Allow more memory.")
            )
        apart = min(2 * width, columns)
        held = fixed + 8 * apart * columns + 48 * (steps_taken + 1) ** 2
        one = 8 * (rows + columns) * (steps_taken + 4)
        if held + one > allowed:
            spare = allowed - fixed - 8 * apart * columns
            fits = _largest(lambda n: 8 * (rows + columns) * (n + 4) + 48 * (n + 1) ** 2 <= spare, steps_taken)
            raise ClaimError(
                f"One probe of {steps_taken} steps through {_by((rows, columns))} takes {_size(held + one)} and "
                f"{_size(allowed)} are allowed; "
                + (f"steps = {fits} would fit." if fits > 1 else "not even two would fit. Allow more memory.")
            )
        at_once = min(probes, int((allowed - held) // one))
        return cls(k, width, depth, apart, probes, at_once, steps_taken)


def _krylov_bytes(rows: int, columns: int, width: int, depth: int) -> int:
    """Both bases and their coefficients, a few blocks in flight; the directions set apart, or the norm's probes."""
    size = min(width * depth, columns)
    bases = size * rows + min(size + width, columns) * columns + 10 * size**2
    flight = 5 * width * rows
    after = max(2 * width * columns, NORM_PROBES * (NORM_STEPS + 6) * (rows + columns))
    return 8 * (bases + max(flight, after))


def _largest(fits: Callable[[int], bool], below: int) -> int:
    """The largest n < `below` that fits, else 0."""
    return next((n for n in range(below - 1, 0, -1) if fits(n)), 0)


def _size(count: float) -> str:
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= unit:
            return f"{count / unit:.3g} {name}"
    return f"{count:.0f} bytes"


# ---- leading values


@dataclass(frozen=True)
class _Leading:
    """Singular triples of J compressed to a Krylov basis, and what the basis leaves out."""

    values: Floats
    """(basis,) Ritz values, largest first, each at most the singular value of the same index."""
    upper: Floats
    """(basis,) what the singular value of the same index is at most."""
    residual: Floats
    """(basis,) ||J'u - sigma v|| in units of sigma."""
    rest: float
    """What ||J|| is at most outside of the basis."""
    directions: Floats
    """(direction, column) the right Ritz vectors that converged, to be set apart."""


def _leading(products: _Products, plan: _Plan, rng: np.random.Generator, rounding: float) -> _Leading:
    """Ritz values from the block Krylov space of J'J over random start vectors, fully orthogonalised.

    Orthonormal V and U (vector, component) with J V' = U' L' to rounding, L being known entry by entry, so that
    Ritz values come from L and squares are never formed. J'u - sigma v lies in the block beyond V alone, which makes
    residuals cheap. `rounding` (relative to sigma_1) is added to the upper bounds.
    """
    size = min(plan.width * plan.depth, products.columns)
    v = np.empty((min(size + plan.width, products.columns), products.columns))
    u = np.empty((size, products.rows))
    lower = np.zeros((size, size))
    start, used = 0, plan.width
    v[:used] = np.linalg.qr(rng.standard_normal((products.columns, used)))[0].T
    while True:
        image = products.forward(v[start:used])
        if start == 0:
            peak = float(np.abs(image).max())
            if peak == 0:  # random vectors are in no null space but that of the zero matrix
                nothing = np.zeros(used)
                return _Leading(nothing, nothing, nothing, 0.0, np.empty((0, products.columns)))
            factor = 0.5 ** float(np.clip(np.frexp(peak)[1], -1000, 1000))
            products.scale *= factor
            image *= factor
        lower[start:used, :start], u[start:used], lower[start:used, start:used] = _orthonormalise(
            image, u[:start], used - start
        )
        image = products.adjoint(u[start:used])
        room = min(used - start, len(v) - used, products.columns - used)
        _, v[used : used + room], beyond = _orthonormalise(image, v[:used], room)
        del image
        z, values, x = np.linalg.svd(lower[:used, :used])
        residual = x[:, start:] @ beyond  # (value, vector beyond the basis)
        norms = np.sqrt((residual**2).sum(axis=1))
        noise = products.rows * float(np.finfo(np.float64).eps) * values[0]
        done = (norms <= np.maximum(CONVERGED * values, noise))[: plan.leading].all()
        if done or used + room > size or room < 1:
            break
        start, used = used, used + room
    rest = _norm_beyond(products, v[:used], rng)
    upper = _upper_values(values, residual, rest) + rounding * values[0]
    relative = np.divide(norms, values, out=np.full_like(norms, np.inf), where=values > noise)
    poor = np.flatnonzero(relative > CONVERGED)
    apart = min(plan.apart, int(poor[0]) if len(poor) else used)
    return _Leading(
        values / products.scale,
        upper / products.scale,
        relative,
        rest / products.scale,
        np.ascontiguousarray(z[:, :apart].T @ v[:used]),
    )


def _orthonormalise(block: Floats, basis: Floats, room: int) -> tuple[Floats, Floats, Floats]:
    """`block` as coefficients @ basis + triangle @ new, with `new` (at most `room`) orthonormal and orthogonal to basis.

    Twice is enough for the projections (Giraud, Langou & Rozloznik 2005); a block that has lost rank leaves rounding
    noise for the factorisation to normalise, so what it returns is projected again.
    """
    coefficients = block @ basis.T
    block = block - coefficients @ basis
    again = block @ basis.T
    block -= again @ basis
    new = np.linalg.qr(block.T)[0].T[:room]
    for _ in range(2):
        new = new - (new @ basis.T) @ basis
        new = np.linalg.qr(new.T)[0].T
    return coefficients + again, new, block @ new.T


def _norm_beyond(products: _Products, basis: Floats, rng: np.random.Generator) -> float:
    """What ||J|| is at most on the complement of `basis`, but for a chance of `NORM_FAILURE`.

    The largest Ritz value xi of k Lanczos steps from a uniformly random unit vector falls short of lambda_1 by the
    share e with a probability of at most 1.648 sqrt(n) exp(-sqrt(e) (2k - 1)), whatever the eigenvalues (Kuczynski &
    Wozniakowski 1992); all of r independent vectors do with at most that to the power of r.
    """
    left = products.columns - len(basis)
    if not left:
        return 0.0

    def outside(x: Floats) -> Floats:
        return np.asarray(x - (x @ basis.T) @ basis)

    starts = _random_directions(rng, NORM_PROBES, basis)
    steps = min(NORM_STEPS, left)
    found = bidiagonalise(lambda x: products.forward(outside(x)), lambda y: outside(products.adjoint(y)), starts, steps)
    largest = float(found.gauss()[0].max())
    short = (np.log(1.648 * np.sqrt(left)) - np.log(NORM_FAILURE) / NORM_PROBES) / (2 * steps - 1)
    return float(np.sqrt(largest / (1 - (0.0 if steps == left else short**2))))


def _upper_values(values: Floats, residual: Floats, rest: float) -> Floats:
    """(basis,) what each singular value is at most, given the residuals (value, component) and the norm of the rest.

    In the Ritz basis J'J is [[D, E'], [E, N]] with D = diag(sigma^2), E'E = D^(1/2) R R' D^(1/2) for residuals R and
    N <= nu = rest^2. By Haynsworth's inertia formula no more eigenvalues of J'J exceed c > nu than those of
    D + E'E / (c - nu), hence lambda_i <= max(lambda_i(D + E'E / h), nu + h) for every h > 0: the error is of second
    order in the residual wherever a value stands clear of the rest. A handful of h is tried.
    """
    squares, nu = values**2, rest**2
    coupling = (values[:, None] * residual) @ (values[:, None] * residual).T
    size = float(np.sqrt(np.abs(coupling).max()))
    if size == 0:
        return np.sqrt(np.maximum(squares, nu))
    gaps = (squares - nu)[np.unique(np.linspace(0, len(squares) - 1, 9).astype(int))]
    best = np.full(len(values), np.inf)
    for h in {*gaps[gaps > 1e-12 * squares[0]].tolist(), size, size / 4}:
        bound = np.linalg.eigvalsh(np.diag(squares) + coupling / h)[::-1]
        best = np.minimum(best, np.maximum(bound, nu + h))
    return np.asarray(np.sqrt(np.maximum(best, squares)))


def _random_directions(rng: np.random.Generator, count: int, basis: Floats) -> Floats:
    """(vector, component) unit vectors, uniform on the sphere of the complement of `basis`."""
    drawn = rng.standard_normal((count, basis.shape[1]))
    for _ in range(2):
        drawn -= (drawn @ basis.T) @ basis
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


# ---- quadrature


@dataclass(frozen=True)
class Bidiagonals:
    """Golub-Kahan bidiagonalisations of J, one a start vector v: J V = U B and J'U = V B' + beta_k v_(k+1) e_k'.

    Each knows 2k + 1 moments of the measure mu of J'J at v, whose mass on an eigenvalue is the squared length of v
    there: the nodes of a quadrature rule are eigenvalues of a tridiagonal matrix, its weights squared first components
    (Golub & Meurant 2010, chapters 3 and 6).
    """

    alpha: Floats
    """(vector, step) diagonal of B."""
    beta: Floats
    """(vector, step) above the diagonal of B; the last lies beyond it."""

    def gauss(self) -> tuple[Floats, Floats]:
        """Nodes (vector, node), ascending, and weights of the Gauss rules, from the k x k bidiagonals.

        Their sum of x ln x is at most the integral, all even derivatives being positive.
        """
        return self._rules(lambda b: _squared(b[:, :-1])[:2])

    def radau(self) -> tuple[Floats, Floats]:
        """The same for the Gauss-Radau rules with a node at 0 (which is left out), from the k x (k + 1) bidiagonals.

        Their sum of x ln x is at least the integral, all odd derivatives from the third on being negative.
        """
        return self._rules(lambda b: _squared(b)[:2])

    def through(self, c: float) -> tuple[Floats, Floats]:
        """The same for rules of k + 1 nodes with one at c: the last diagonal entry is c + a^2 e'(T - c)^-1 e (Golub 1973).

        Where c lies next to a Gauss node, that entry would be huge and swamp the others. It is kept in bounds, and the
        rule, though still one of these moments, then has no node at c.
        """

        def rule(bidiagonal: Floats) -> tuple[Floats, Floats]:
            nodes, _, last = _squared(bidiagonal[:, :-1])
            tridiagonal = bidiagonal.T @ bidiagonal
            limit = 100 * nodes[-1]
            shift = (tridiagonal[-1, -2] ** 2 * last / np.where(nodes == c, c * 1e-16, nodes - c)).sum()
            tridiagonal[-1, -1] = np.clip(c + shift, -limit, limit)
            found, vectors = np.linalg.eigh(tridiagonal)
            return found, vectors[0] ** 2

        return self._rules(rule)

    def _rules(self, rule: Callable[[Floats], tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """One rule a vector, from its k x (k + 1) bidiagonal; one at a time, to hold one square matrix and not many."""
        steps = self.alpha.shape[1]
        at = np.arange(steps)
        found = []
        for alpha, beta in zip(self.alpha, self.beta, strict=True):
            bidiagonal = np.zeros((steps, steps + 1))
            bidiagonal[at, at], bidiagonal[at, at + 1] = alpha, beta
            found.append(rule(bidiagonal))
        return np.stack([nodes for nodes, _ in found]), np.stack([weights for _, weights in found])

    def x_ln_x(self) -> tuple[Floats, Floats]:
        """(vector,) what the integral of x ln x is at least, and at most."""
        low, high = ((_x_ln_x(nodes) * weights).sum(axis=1) for nodes, weights in (self.gauss(), self.radau()))
        return low, np.maximum(low, high)

    def mass_above(self, c: float) -> tuple[Floats, Floats]:
        """(vector,) what the mass of eigenvalues above c > 0 is at least, and at most.

        By the Chebyshev-Markov-Stieltjes inequalities the mass up to a node lies between the sums of weights without
        and with that node. A rule with a node at c is as tight as these moments allow; the Gauss rule has nodes on
        either side. Both hold, so the better one is taken.
        """
        low, high = _mass_bounds(*self.gauss(), c)
        low_at, high_at = _mass_bounds(*self.through(c), c)
        return np.maximum(low, low_at), np.minimum(high, high_at)


def _squared(bidiagonal: Floats) -> tuple[Floats, Floats, Floats]:
    """Squared singular values, ascending, and squared first and last components of the right singular vectors."""
    _, values, right = np.linalg.svd(bidiagonal, full_matrices=False)
    return values[::-1] ** 2, right[::-1, 0] ** 2, right[::-1, -1] ** 2


def _mass_bounds(nodes: Floats, weights: Floats, c: float) -> tuple[Floats, Floats]:
    """(vector,) bounds of the mass above c from any rule (vector, node), nodes ascending, weights of sum 1."""
    at = np.abs(nodes - c) <= 1e-6 * c
    above, below = (nodes > c) & ~at, (nodes < c) & ~at
    mass, there = (weights * above).sum(axis=1), (weights * at).sum(axis=1)
    first = np.take_along_axis(weights, above.argmax(axis=1)[:, None], axis=1)[:, 0]
    last = np.take_along_axis(weights, (below.sum(axis=1) - 1)[:, None], axis=1)[:, 0]
    hit = at.any(axis=1)
    low = np.where(hit, mass, np.where(above.any(axis=1), mass - first, 0.0))
    high = np.where(hit, mass + there, np.where(below.any(axis=1), mass + last, 1.0))
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def bidiagonalise(
    forward: Callable[[Floats], Floats], adjoint: Callable[[Floats], Floats], starts: Floats, steps: int
) -> Bidiagonals:
    """`steps` steps of Golub-Kahan bidiagonalisation from each of the unit vectors `starts` (vector, column).

    `forward` and `adjoint` take and give stacks of vectors, so that an operator can treat all of them at once; each
    vector's recursion is its own. Every new vector is made orthogonal to all before it, again where the first time
    cancelled half of it (Golub & Kahan 1965; Daniel, Gragg, Kaufman & Stewart 1976). A recursion that has found an
    invariant subspace goes on with zeros, which add nothing to its rule.
    """
    count, columns = starts.shape
    right = np.empty((count, steps, columns))
    left = np.empty((0, 0, 0))
    alpha, beta = np.zeros((count, steps)), np.zeros((count, steps))
    largest = np.zeros(count)
    v = starts
    for j in range(steps):
        right[:, j] = v
        u = forward(v)
        if j == 0:
            left = np.empty((count, steps, u.shape[1]))
        else:
            u -= beta[:, j - 1, None] * left[:, j - 1]
        alpha[:, j] = _orthogonal_and_unit(u, left[:, :j], largest)
        left[:, j] = u
        v = adjoint(u)
        v -= alpha[:, j, None] * right[:, j]
        beta[:, j] = _orthogonal_and_unit(v, right[:, : j + 1], largest)
    return Bidiagonals(alpha, beta)


def _orthogonal_and_unit(x: Floats, before: Floats, largest: Floats) -> Floats:
    """Make each row of x (vector, component) orthogonal to its own `before` (vector, step, component) and of length 1.

    In place; gives the lengths, 0 (and a row of zeros) where nothing is left but rounding. `largest` keeps the largest
    length that each vector has met.
    """
    lengths = np.zeros(len(x))
    for i, (row, basis) in enumerate(zip(x, before, strict=True)):
        whole = float(np.sqrt(row @ row))
        row -= (basis @ row) @ basis
        length = float(np.sqrt(row @ row))
        if length < whole / 2:
            row -= (basis @ row) @ basis
            length = float(np.sqrt(row @ row))
        largest[i] = max(largest[i], length)
        if length > len(row) * float(np.finfo(np.float64).eps) * largest[i]:
            row /= length
            lengths[i] = length
        else:
            row[:] = 0.0
    return lengths


@dataclass(frozen=True)
class Sketch:
    """What an operator's products told of its spectrum. All values are in units of the largest Ritz value.

    The trace of f(J'J) is that over the directions set apart, plus that over their complement, which the probes
    estimate without bias however inaccurate the directions are (Lin 2017; Meyer, Musco, Musco & Woodruff 2021). A
    direction v with value sigma and residual r sigma brackets its own share, by the rules of one step: v'f(J'J)v lies
    between f(x) and f(x) + x ln(1 + r^2) for f(x) = x ln x, x = sigma^2 (Jensen below, Gauss-Radau at 0 above).
    """

    values: Floats
    """(basis,) Ritz values, none above the singular value of its index; the first is 1."""
    upper: Floats
    """(basis,) what those singular values are at most."""
    residual: Floats
    """(basis,) residuals in units of the value."""
    rest: float
    """No singular value but the first len(values) exceeds this; nor does J outside of the basis."""
    apart: int
    """Directions set apart: the first of the basis."""
    left: int
    """Dimensions of their complement."""
    probes: Bidiagonals | None
    """One start vector a probe, uniform on the unit sphere of the complement; None where nothing is left."""

    def _squares(self) -> Floats:
        """(direction,) squares of the Ritz values that are set apart."""
        return self.values[: self.apart] ** 2

    def _trace(self) -> Floats:
        """(probe,) trace J'J as each probe alone would have it; one number where no probe was needed."""
        beyond = np.zeros(1) if self.probes is None else self.left * self.probes.alpha[:, 0] ** 2
        return np.asarray(self._squares().sum() + beyond)

    def _trace_of_x_ln_x(self) -> tuple[Floats, Floats]:
        """(probe,) what trace (J'J ln J'J) is at least, and at most, as each probe alone would have it."""
        squares = self._squares()
        low = float(_x_ln_x(squares).sum())
        high = low + float((squares * np.log1p(self.residual[: self.apart] ** 2)).sum())
        if self.probes is None:
            return np.array([low]), np.array([high])
        below, over = self.probes.x_ln_x()
        return low + self.left * below, high + self.left * over

    def _sampling_error(self, draws: Floats, weight: Callable[[Floats], Floats]) -> float:
        """Half the width of the interval at `CONFIDENCE` for the mean of draws (probe,) of trace f(J'J), f = `weight`.

        The wider of two: Student's, from how the draws vary; and the normal one, from how they must vary with what the
        probes saw of the spectrum. For w uniform on the unit sphere of D dimensions, D w'Aw has the variance
        2 (D trace A^2 - (trace A)^2) / (D + 2). A few probes that agree by luck then deceive less.
        """
        from scipy.special import ndtri, stdtrit

        if self.probes is None:
            return 0.0
        tail = (1 + CONFIDENCE) / 2
        seen = float(stdtrit(len(draws) - 1, tail)) ** 2 * float(draws.var(ddof=1))
        nodes, weights = self.probes.gauss()
        once, twice = (self.left * float((weights * weight(nodes) ** power).sum(axis=1).mean()) for power in (1, 2))
        expected = float(ndtri(tail)) ** 2 * 2 * (self.left * twice - once**2) / (self.left + 2)
        return float(np.sqrt(max(seen, expected, 0.0) / len(draws)))

    def effective_rank(self, most: int, rounding: float) -> Estimate:
        """exp(ln tau - g / tau) for tau = trace J'J and g = trace (J'J ln J'J), both from the same probes.

        The standard error of the ratio is the delta method's; a Student quantile stands for few probes, and half the
        bracket of g is added. `most` caps the value.
        """
        trace, (low, high) = self._trace(), self._trace_of_x_ln_x()
        tau, g = float(trace.mean()), float((low + high).mean() / 2)
        slope = 1 / tau + g / tau**2
        draws = slope * trace - (low + high) / (2 * tau)
        error = self._sampling_error(draws, lambda x: slope * x - _x_ln_x(x) / tau)
        error += float((high - low).mean()) / (2 * tau) + rounding
        value = float(np.exp(np.log(tau) - g / tau))
        return Estimate(min(value, float(most)), value * float(np.expm1(error)))

    def stable_rank(self, rounding: float) -> Estimate:
        """trace J'J over the square of the largest singular value, which lies between its Ritz value and its bound."""
        trace = self._trace()
        tau, error = float(trace.mean()), self._sampling_error(trace, lambda x: x)
        narrow = float(self.values[0] / self.upper[0]) ** 2
        low, high = (tau - error) * narrow * (1 - rounding), (tau + error) * (1 + rounding)
        return Estimate(max((low + high) / 2, 1.0), (high - low) / 2)

    def above(self, tau: float, most: int) -> Estimate:
        """How many singular values exceed tau sigma_1.

        Where tau sigma_1 exceeds `rest`, the leading values are counted; the error is half the number of those that
        may lie on either side. Else a direction's mass on the wrong side of the threshold is at most
        r^2 / (r^2 + d^2) for residual r and distance d of the squares (Cantelli), that of the probes is bounded by
        `Bidiagonals.mass_above`, and sampling comes on top.
        """
        if tau < SMALLEST_TAU:
            raise ClaimError(
                f"Singular values above {tau:g} of the largest cannot be counted from products: J'J squares it, and "
                f"{SMALLEST_TAU:g} is the smallest share that quadrature resolves."
            )
        lowest, highest = tau * float(self.values[0]), tau * float(self.upper[0])
        certain = int((self.values > highest).sum())
        if lowest >= self.rest or self.probes is None:
            possible = min(most, int((self.upper > lowest).sum()))
            return Estimate((certain + possible) / 2, (possible - certain) / 2)
        squares = self._squares()
        spread = (squares * self.residual[: self.apart]) ** 2
        low_part = np.where(squares > highest**2, 1 - _beyond(spread, squares - highest**2), 0.0).sum()
        high_part = np.where(squares > lowest**2, 1.0, _beyond(spread, lowest**2 - squares)).sum()
        low = low_part + self.left * self.probes.mass_above(highest**2)[0]
        high = high_part + self.left * self.probes.mass_above(lowest**2)[1]
        sampling = self._sampling_error((low + high) / 2, lambda x: (x > lowest * highest).astype(np.float64))
        sampling += 1e-10 * (self.apart + self.left)  # weights add up to 1 but for rounding
        least = max(float(low.mean()) - sampling, float(certain))
        greatest = min(float(high.mean()) + sampling, float(most))
        value = min(max(float((low + high).mean() / 2), least), greatest)
        return Estimate(value, max(value - least, greatest - value))


def _beyond(variance: Floats, distance: Floats) -> Floats:
    """Cantelli's bound of the mass further from the mean than `distance` on one side."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(variance > 0, variance / (variance + distance**2), 0.0))
