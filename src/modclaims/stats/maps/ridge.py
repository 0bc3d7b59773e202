"""Ridge regression in closed form, cross-fitted over groups of rows: every row is foretold by a map that never saw its group.

The smaller of two Gram matrices is diagonalised, so that one eigendecomposition serves every penalty and all targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
PENALTIES = 10.0 ** np.arange(-6, 3)
"""Penalties that are compared, in units of the mean eigenvalue of the centred inputs' Gram matrix."""
ROUNDING = 1e-12
"""Eigenvalues below this share of the largest are none."""
CONSTANT = 100 * float(np.finfo(np.float64).eps)
"""A unit that varies by no more than this share of its largest value does not vary."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of a linear map, diagonalised: of n rows and d units what min(n, d) components hold."""

    centre: Floats
    """(unit,) mean of the rows."""
    axes: Floats
    """(unit, component) orthonormal directions in which the rows vary."""
    roots: Floats
    """(component,) their sums of squares; none is zero."""
    scores: Floats
    """(row, component) the centred rows in these directions."""

    @classmethod
    def of(cls, x: Floats) -> Inputs:
        """From (row, unit) inputs, by units or by rows, whichever are fewer."""
        centre = x.mean(axis=0)
        rows = x - centre
        # what centring leaves of a unit that never varies is rounding, and foretells whatever it happens to resemble
        rows[:, np.abs(rows).max(axis=0, initial=0.0) <= CONSTANT * np.abs(x).max(axis=0, initial=0.0)] = 0.0
        by_units = rows.shape[1] <= rows.shape[0]
        roots, vectors = np.linalg.eigh(rows.T @ rows if by_units else rows @ rows.T)
        kept = roots > ROUNDING * max(float(roots[-1]), 0.0)
        roots, vectors = roots[kept], vectors[:, kept]
        axes = vectors if by_units else rows.T @ vectors / np.sqrt(roots)
        return cls(centre, axes, roots, rows @ axes)

    def seen_by(self, x: Floats) -> Floats:
        """(row, component) other rows in the same directions."""
        return np.asarray((x - self.centre) @ self.axes)

    def penalty(self, relative: float) -> float:
        """A penalty in units of the mean eigenvalue."""
        return relative * float(self.roots.mean()) if len(self.roots) else relative


@dataclass(frozen=True)
class Ridge:
    """The maps from some inputs to one target, for every penalty: coefficients and intercept by least squares, the
    coefficients' squares being penalised and the intercept not (Hoerl & Kennard 1970)."""

    inputs: Inputs
    centre: Floats
    """(target unit,) mean of the target."""
    products: Floats
    """(component, target unit) products of the inputs' components with the centred target."""

    @classmethod
    def of(cls, inputs: Inputs, y: Floats) -> Ridge:
        """The maps to (row, target unit) targets."""
        centre = y.mean(axis=0)
        return cls(inputs, centre, inputs.scores.T @ (y - centre))

    def coefficients(self, relative: float) -> Floats:
        """(component, target unit) in the inputs' own directions; `inputs.axes` times them is (unit, target unit)."""
        return np.asarray(self.products / (self.inputs.roots + self.inputs.penalty(relative))[:, None])

    def errors(self, seen: Floats, y: Floats) -> Floats:
        """(penalty,) squared error of each of `PENALTIES` in foretelling other (row, target unit) targets."""
        left = y - self.centre
        return np.array([((left - seen @ self.coefficients(relative)) ** 2).sum() for relative in PENALTIES])

    def foretold(self, seen: Floats, relative: float) -> Floats:
        """(row, target unit) from rows as `Inputs.seen_by` has them."""
        return np.asarray(self.centre + seen @ self.coefficients(relative))


@dataclass(frozen=True)
class CrossFit:
    """A target foretold row by row, and how."""

    foretold: Floats
    """(row, target unit)"""
    penalties: Floats
    """(fold,) the relative penalty of the map that foretold each fold."""


def folds_of(groups: int, folds: int, rng: np.random.Generator) -> Codes:
    """(group,) folds of nearly equal size, dealt at random."""
    out = np.empty(groups, dtype=np.int64)
    out[rng.permutation(groups)] = np.arange(groups) % folds
    return out


def cross_fitted(x: Floats, targets: Sequence[Floats], folds: Codes) -> tuple[CrossFit, ...]:
    """Each of several (row, target unit) targets, foretold from (row, unit) inputs by maps that never saw a row's fold.

    The penalty of a fold's map is chosen among the other folds alone: each of them is foretold by a map learned on the rest
    of them, and the penalty of least squared error in all is taken, the largest among equals. Rows of one text (or block)
    must share a fold, or what is foretold was partly seen. Needs 3 folds.
    """
    count = int(folds.max()) + 1
    if count < 3:
        raise ValueError(f"{count} folds leave nothing to choose a penalty on; 3 are needed.")
    errors = np.zeros((len(targets), count, len(PENALTIES)))
    for pair in combinations(range(count), 2):
        learned = ~np.isin(folds, pair)
        inputs = Inputs.of(x[learned])
        seen = [inputs.seen_by(x[folds == fold]) for fold in pair]
        for t, y in enumerate(targets):
            ridge = Ridge.of(inputs, y[learned])
            for k, rows in enumerate(seen):  # a map without folds a and b is asked of a on behalf of b
                errors[t, pair[1 - k]] += ridge.errors(rows, y[folds == pair[k]])
    chosen = len(PENALTIES) - 1 - errors[:, :, ::-1].argmin(axis=2)
    out = [np.empty_like(y, dtype=np.float64) for y in targets]
    for fold in range(count):
        inputs = Inputs.of(x[folds != fold])
        rows = inputs.seen_by(x[folds == fold])
        for t, y in enumerate(targets):
            out[t][folds == fold] = Ridge.of(inputs, y[folds != fold]).foretold(rows, PENALTIES[chosen[t, fold]])
    return tuple(CrossFit(y, PENALTIES[best]) for y, best in zip(out, chosen, strict=True))


def best_penalty(x: Floats, y: Floats, folds: Codes) -> float:
    """The relative penalty of least squared error, each fold being foretold by the others; the largest among equals."""
    errors = np.zeros(len(PENALTIES))
    for fold in range(int(folds.max()) + 1):
        inputs = Inputs.of(x[folds != fold])
        errors += Ridge.of(inputs, y[folds != fold]).errors(inputs.seen_by(x[folds == fold]), y[folds == fold])
    return float(PENALTIES[len(PENALTIES) - 1 - errors[::-1].argmin()])


def leading_inputs(inputs: Inputs, coefficients: Floats, dimensions: int) -> tuple[Floats, float]:
    """(unit, axis) orthonormal leading singular directions, on the inputs' side, of (component, target unit) coefficients,
    and the share of their squares along these. Of `Ridge.coefficients`: the directions that a map reads most from."""
    from scipy.linalg import eigh

    if not len(coefficients):
        return inputs.axes, np.nan
    gram = coefficients @ coefficients.T
    last = len(gram) - 1
    values, vectors = eigh(gram, subset_by_index=(max(0, last + 1 - dimensions), last))
    total = float(np.trace(gram))
    share = float(np.maximum(values, 0.0).sum()) / total if total > 0 else np.nan
    return np.asarray(inputs.axes @ vectors[:, ::-1]), share
