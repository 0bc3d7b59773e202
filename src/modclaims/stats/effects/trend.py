"""Trend: a straight line through a few units' values, its slope under exchange of the values, and Student's bounds of it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.second_bounds import StudentT

Floats = NDArray[np.float64]
ENUMERATED = 8
"""Units up to which all orders are counted, whatever the budget: 40,320."""


@dataclass(frozen=True)
class Trend:
    """The least-squares line through (at, value), a unit each."""

    slope: float
    intercept: float
    se: float
    """Of the slope, from the residuals; not a number for two units, 0 where all lie on the line."""
    df: int
    """n - 2."""

    @classmethod
    def of(cls, at: Floats, values: Floats) -> Trend:
        """Raises `ValueError` where all units stand at one place."""
        centred = at - at.mean()
        spread = float(centred @ centred)
        if spread <= 1e-12 * max(1.0, float(at @ at)):
            raise ValueError("all units stand at one place, so no line has a slope")
        slope = float(centred @ values) / spread
        intercept = float(values.mean() - slope * at.mean())
        left = values - intercept - slope * at
        df = len(at) - 2
        squares = float(left @ left)
        around = values - values.mean()
        # no more than rounding is no spread
        squares = squares if squares > 1e-24 * max(float(values @ values), float(around @ around)) else 0.0
        se = math.sqrt(squares / df / spread) if df > 0 else math.nan
        return cls(slope, intercept, se, df)

    def bounds(self, levels: int) -> Bounds:
        """One-sided bounds of the slope by Student's t with n - 2 degrees of freedom, levels counted in 1 / (levels + 1).

        Valid where units scatter about the line normally, with one variance and independently; nothing is drawn.
        """
        from scipy.special import stdtrit

        grid = np.arange(1, levels + 1) / (levels + 1)
        t = np.asarray(stdtrit(max(self.df, 1), grid))
        place = np.array([self.slope]), np.array([self.se])
        return Bounds(*place, t[:, None], student=StudentT(*place, np.array([float(max(self.df, 1))])), drawn=False)


def count_orders(at: Floats) -> int:
    """How many distinct ways there are to give the values to the places; values at equal places are not told apart."""
    return math.factorial(len(at)) // math.prod(math.factorial(n) for n in Counter(at.tolist()).values())


def is_enumerated(units: int, budget: int) -> bool:
    """Whether all orders of so many units are counted."""
    return units <= ENUMERATED or math.factorial(units) <= budget


def exchanged_slopes(
    at: Floats, values: Floats, *, budget: int, rng: np.random.Generator
) -> tuple[Floats, Floats, bool]:
    """(order,) slopes with the values exchanged among the places, the observed one first; what counts as a tie; whether
    these are all distinct orders, or `budget` draws.

    Exchangeable under the null: the units' values, whatever their places.
    """
    n = len(at)
    exact = is_enumerated(n, budget)
    if exact:
        orders = np.array(list(permutations(range(n))), dtype=np.int64)
        for place in np.unique(at):  # of orders that differ among equal places alone, the ascending one
            there = orders[:, at == place]
            orders = orders[(np.diff(there, axis=1) > 0).all(axis=1)]
        first = int(np.flatnonzero((orders == np.arange(n)).all(axis=1))[0])
        orders[[0, first]] = orders[[first, 0]]
    else:
        orders = rng.permuted(np.tile(np.arange(n), (budget + 1, 1)), axis=1)
        orders[0] = np.arange(n)
    centred = at - at.mean()
    weights = centred / float(centred @ centred)
    around = values - values.mean()
    tolerance = 100 * np.finfo(np.float64).eps * float(np.abs(weights).sum() * np.abs(around).max(initial=0.0))
    return around[orders] @ weights, np.array([tolerance]), exact
