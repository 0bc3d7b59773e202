"""Quadrature from products: what a few steps from a vector tell of the spectrum there, as rules with bounds on either side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


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
        low, high = ((x_ln_x(nodes) * weights).sum(axis=1) for nodes, weights in (self.gauss(), self.radau()))
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


def x_ln_x(x: Floats) -> Floats:
    """x ln x, 0 ln 0 being 0."""
    return np.asarray(x * np.log(np.where(x > 0, x, 1.0)))
