"""Spectra of operators that only offer products, each number with its error.

Matrices are decomposed (`spectra`), operators are sketched: a block Krylov basis finds the leading values, random
probes weigh what is left, and the rank itself comes from a certificate or not at all. Vectors are held as stacks,
(vector, component).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from modclaims.errors import ClaimError
from modclaims.stats.spectra.krylov import Leading, MemoryPlan, leading_triples, random_directions
from modclaims.stats.spectra.products import Products
from modclaims.stats.spectra.quadrature import Bidiagonals, bidiagonalise
from modclaims.stats.spectra.spectral_sketch import Estimate, Sketch
from modclaims.stats.spectra.spectrum import Spectrum, check_entries, sides, spacing


@dataclass(frozen=True)
class Effort:
    """How much is computed for an estimate. Raises `ClaimError` for too little."""

    leading: int = 50
    """Singular values that are found each by itself, the largest ones."""
    probes: int = 16
    """Random vectors that weigh what is left; at least 2."""
    steps: int = 60
    """Steps of bidiagonalisation that each of them takes; at least 2."""

    def __post_init__(self) -> None:
        for name, value, least in (("leading", self.leading, 1), ("probes", self.probes, 2), ("steps", self.steps, 2)):
            if value < least:
                raise ClaimError(f"{name} = {value}: an estimated spectrum needs at least {least}.")


USUAL = Effort()


def estimated_spectrum(
    operator: object,
    *,
    rng: np.random.Generator,
    max_memory: float,
    effort: Effort = USUAL,
    diagonal_blocks: Iterable[NDArray[np.generic]] | None = None,
    rank_at_most: int | None = None,
    computed_in: DTypeLike | None = None,
) -> Spectrum:
    """The spectrum of a real m x n operator from its products alone (matmat and rmatmat, many columns at a time).

    `operator` is anything that scipy's `aslinearoperator` takes. First come the `effort.leading` singular values, from a
    randomised block Krylov basis that grows until their residuals are below `CONVERGED`, or until memory or `DEEPEST`
    ends it (Halko, Martinsson & Tropp 2011, section 4.5, with all power iterates kept; Musco & Musco 2015). The
    directions that converged are set apart, and `effort.probes` random vectors in their complement take `effort.steps` steps of
    Golub-Kahan bidiagonalisation each, with full re-orthogonalisation: they give trace J'J and trace (J'J ln J'J),
    hence the effective rank, and the counts. Columns multiplied: 2 (leading + 10) at each of some 8 depths, then
    2 probes steps.

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
    products = Products(operator)
    shape = products.shape
    if rank_at_most is not None and not 0 <= rank_at_most <= min(shape):
        raise ClaimError(f"rank_at_most = {rank_at_most}: a {sides(shape)} operator has a rank from 0 to {min(shape)}.")
    floor = max(shape) * spacing(products.dtype, computed_in)
    plan = MemoryPlan.within(max_memory, products.rows, products.columns, **asdict(effort))
    rounding = 1e3 * spacing(products.dtype, computed_in)

    found = leading_triples(products, plan, rng, rounding)
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
            f"with {effort.probes} probes of {plan.steps} steps beyond {len(found.directions)} directions set apart"
        ),
        sketch=sketch,
    )


def _sketch(products: Products, plan: MemoryPlan, rng: np.random.Generator, found: Leading) -> Sketch | None:
    """Weigh with probes, a few at a time, what lies beyond the directions that converged. None for a zero operator."""
    largest = float(found.values[0])
    if largest == 0:
        return None
    apart, left, sampled = len(found.directions), products.columns - len(found.directions), None
    if left:
        starts = random_directions(rng, plan.probes, found.directions)
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


def _certified_rank(
    leading: int, blocks: Iterable[NDArray[np.generic]] | None, most: int, shape: tuple[int, int], threshold: float
) -> tuple[int, int]:
    """Bounds of the numerical rank: the better of the leading values and the diagonal blocks, and what the caller knows."""
    rows = columns = rank = 0
    for block in () if blocks is None else blocks:
        block = np.asarray(block)
        check_entries(block, 2, "row, column")
        rows, columns = rows + block.shape[0], columns + block.shape[1]
        rank += int((np.linalg.svd(np.asarray(block, dtype=np.float64), compute_uv=False) > threshold).sum())
    if rows > shape[0] or columns > shape[1]:
        raise ClaimError(
            f"The diagonal blocks fill {sides((rows, columns))}, more than the {sides(shape)} operator that they belong to."
        )
    least = max(leading, rank)
    if least > most:
        raise ClaimError(
            f"At least {least} singular values lie above the floor, but the rank is said to be at most {most}; "
            "one of the two certificates is wrong."
        )
    return least, most
