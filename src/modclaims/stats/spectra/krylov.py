"""The leading singular triples of an operator, from a block Krylov basis in a memory that is planned beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.spectra.products import Products
from modclaims.stats.spectra.quadrature import bidiagonalise
from modclaims.stats.spectra.spectrum import sides

Floats = NDArray[np.float64]

SURPLUS = 10
"""Start vectors beyond the leading values asked for (Halko, Martinsson & Tropp 2011, section 4.2, speak of 5 to 10)."""
DEEPEST, SHALLOWEST = 16, 3
"""Blocks of the Krylov basis at most, and at least where memory is short."""
CONVERGED = 1e-2
"""Residual over value of a leading singular value that is good enough; the value itself is then good to about 1e-4."""
NORM_PROBES, NORM_STEPS, NORM_FAILURE = 4, 20, 1e-3
"""How the norm of the remainder is bounded, and the probability that it is not (see `spectral_sketch.Sketch.rest`)."""


@dataclass(frozen=True)
class MemoryPlan:
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
    def within(cls, allowed: float, rows: int, columns: int, *, leading: int, probes: int, steps: int) -> MemoryPlan:
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
                f"The {k} leading values of {sides((rows, columns))} take {_size(needed)} and {_size(allowed)} are allowed; "
                + (f"leading = {fits} would fit." if fits else "not even one would fit. Allow more memory.")
            )
        apart = min(2 * width, columns)
        held = fixed + 8 * apart * columns + 48 * (steps_taken + 1) ** 2
        one = 8 * (rows + columns) * (steps_taken + 4)
        if held + one > allowed:
            spare = allowed - fixed - 8 * apart * columns
            fits = _largest(lambda n: 8 * (rows + columns) * (n + 4) + 48 * (n + 1) ** 2 <= spare, steps_taken)
            raise ClaimError(
                f"One probe of {steps_taken} steps through {sides((rows, columns))} takes {_size(held + one)} and "
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


@dataclass(frozen=True)
class Leading:
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


def leading_triples(products: Products, plan: MemoryPlan, rng: np.random.Generator, rounding: float) -> Leading:
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
                return Leading(nothing, nothing, nothing, 0.0, np.empty((0, products.columns)))
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
    return Leading(
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


def _norm_beyond(products: Products, basis: Floats, rng: np.random.Generator) -> float:
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

    starts = random_directions(rng, NORM_PROBES, basis)
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


def random_directions(rng: np.random.Generator, count: int, basis: Floats) -> Floats:
    """(vector, component) unit vectors, uniform on the sphere of the complement of `basis`."""
    drawn = rng.standard_normal((count, basis.shape[1]))
    for _ in range(2):
        drawn -= (drawn @ basis.T) @ basis
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn
