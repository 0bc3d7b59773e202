"""Bounds by the bootstrap-t: resample units inside each category x stratum, studentise by a closed-form error.

Effects come as *replicates*: a value and each unit's influence under every resample, row 0 being the sample
itself. Sums and differences of effects are then sums and differences of values and influences, so a contrast
gets its bound from the same resamples on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.actions import Codes, Design

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Resamples:
    """How often each unit was drawn; made once a claim and used at every cell."""

    times: Floats
    """(1 + R, unit) multiplicities; row 0 is all ones."""
    groups: Codes
    """(unit,) group inside which units were resampled (category x stratum)."""

    @property
    def count(self) -> int:
        """R, the number of resamples."""
        return len(self.times) - 1


def resample(design: Design, *, count: int, rng: np.random.Generator) -> Resamples:
    """`count` resamples of the units, with replacement, inside each category x stratum of the design."""
    return resample_groups(design.cells, count=count, rng=rng)


def resample_groups(groups: Codes, *, count: int, rng: np.random.Generator) -> Resamples:
    """`count` resamples of the units, with replacement, inside each group."""
    times = np.ones((count + 1, len(groups)))
    for g in np.unique(groups):
        where = np.flatnonzero(groups == g)
        picks = rng.integers(0, len(where), size=(count, len(where)))
        flat = (picks + len(where) * np.arange(count)[:, None]).ravel()
        times[1:, where] = np.bincount(flat, minlength=count * len(where)).reshape(count, len(where))
    return Resamples(times, groups)


@dataclass(frozen=True)
class Replicates:
    """An effect under every resample."""

    value: Floats
    """(1 + R, cell); not a number where a resample leaves the effect undefined."""
    influence: Floats
    """(1 + R, unit, cell) derivative of the value by a unit's multiplicity; zero for units not drawn."""
    centre: Floats
    """(cell,) the effect of the empirical distribution that is resampled: what a resample's value estimates.

    The sample's own value for estimators that resampling leaves unbiased; for bias-corrected ones the plain
    plug-in value, since inside small groups a resample's spread is smaller than the sample's."""

    def weighted(self, weights: Floats) -> Replicates:
        """Linear combinations of cells: `weights` is (cell, contrast)."""
        return Replicates(self.value @ weights, self.influence @ weights, self.centre @ weights)


def standard_errors(replicates: Replicates, resamples: Resamples) -> Floats:
    """(1 + R, cell) Hajek-projection standard errors: spread of the influences inside each resampling group.

    With n_g draws from a group, Var = sum over groups of n_g / (n_g - 1) x sum of squared centred influences.
    A group with one unit adds nothing, so its category's own spread is unseen.
    """
    times, variance = resamples.times, np.zeros_like(replicates.value)
    for g in np.unique(resamples.groups):
        where = np.flatnonzero(resamples.groups == g)
        if len(where) < 2:
            continue
        part, drawn = replicates.influence[:, where], times[:, where, None]
        mean = (drawn * part).sum(axis=1) / len(where)
        squares = (drawn * part**2).sum(axis=1) - len(where) * mean**2
        variance += len(where) / (len(where) - 1) * np.maximum(squares, 0.0)
    return np.sqrt(variance)


def _identity(value: Floats) -> Floats:
    return value


@dataclass(frozen=True)
class NoncentralF:
    """A second bound for omega^2, by inverting the noncentral F law (homogeneous Gaussian residuals)."""

    f: Floats
    """(cell,) observed F."""
    df1: int
    df2: int
    n: int

    def _noncentrality(self, omega2: float) -> float:
        return self.n * omega2 / (1 - omega2)

    def p_lower(self, smallest: float) -> Floats:
        """(cell,) P(F at least as large as observed) were omega^2 = `smallest`."""
        from scipy.stats import f, ncf

        nc = self._noncentrality(max(smallest, 0.0))
        return np.asarray(f.sf(self.f, self.df1, self.df2) if nc < 1e-12 else ncf.sf(self.f, self.df1, self.df2, nc))

    def p_upper(self, smallest: float) -> Floats:
        """(cell,) P(F at most as large as observed) were omega^2 = `smallest`."""
        from scipy.stats import f, ncf

        nc = self._noncentrality(max(smallest, 0.0))
        return np.asarray(f.cdf(self.f, self.df1, self.df2) if nc < 1e-12 else ncf.cdf(self.f, self.df1, self.df2, nc))

    def texts_needed(self, smallest: float, alpha: float, *, cells: int, refute: int, support: int) -> tuple[int, int]:
        """Texts that would refute were omega^2 0 in all cells, and support were it twice `smallest`, in 4 runs of 5.

        `refute` cells' own bounds must fall below, `support` cells' bounds must clear (one: simultaneously over
        `cells`). From the central and noncentral F laws, cells taken as independent.
        """
        from scipy.stats import f, ncf

        lost, double = self.n - self.df2, min(2 * smallest, (1 + smallest) / 2)
        edge, twice = smallest / (1 - smallest), double / (1 - double)
        level_up = alpha / (cells - refute + 1)
        level_low = alpha / (cells if support == 1 else cells - support + 1)

        def refutes(n: int) -> bool:
            below = ncf.ppf(level_up, self.df1, n - lost, n * edge)
            return bool(f.cdf(below, self.df1, n - lost) ** refute >= 0.8)

        def supports(n: int) -> bool:
            above = ncf.isf(level_low, self.df1, n - lost, n * edge)
            return bool(ncf.sf(above, self.df1, n - lost, n * twice) ** support >= 0.8)

        return _first(refutes, lost + 4), _first(supports, lost + 4)

    def limit(self, probability: float) -> Floats:
        """(cell,) the omega^2 at which P(F at most as observed) equals `probability`; 0 where none is that small."""
        from scipy.optimize import brentq
        from scipy.stats import chi2, f, ncf

        out = np.zeros(len(self.f))
        for c, observed in enumerate(self.f):
            if not np.isfinite(observed) or f.cdf(observed, self.df1, self.df2) <= probability:
                continue
            if observed > 1e6:  # the numerator is all noncentrality: F = (nc / df1) / (chi2 / df2)
                nc = self.df1 * observed * chi2.isf(probability, self.df2) / self.df2
                out[c] = nc / (nc + self.n)
                continue

            def miss(nc: float, at: float = float(observed)) -> float:
                return float(ncf.cdf(at, self.df1, self.df2, nc)) - probability

            high = 10.0
            while miss(high) > 0:
                high *= 4
            nc = brentq(miss, 1e-12, high) if miss(1e-12) > 0 else 0.0
            out[c] = nc / (nc + self.n)
        return out


def _first(enough: Callable[[int], bool], start: int) -> int:
    """The smallest n from `start` on for which `enough` holds (it stays true from there), at most 2^20."""
    high = start
    while not enough(high) and high < 2**20:
        high *= 2
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high


@dataclass(frozen=True)
class Bounds:
    """Effects of many cells with one-sided bounds, by cell and simultaneous over cells.

    `theta`, `se` and `t` live on the scale on which the bootstrap-t was run; `forward` and `backward` lead from
    the effect's own scale to that one and back (both increasing).
    """

    theta: Floats
    """(cell,) estimates."""
    se: Floats
    """(cell,) closed-form standard errors."""
    t: Floats
    """(R, cell) studentised deviations (theta* - centre) / se*."""
    forward: Callable[[Floats], Floats] = field(default=_identity)
    backward: Callable[[Floats], Floats] = field(default=_identity)
    noncentral: NoncentralF | None = None
    ends: tuple[float, float] = (-np.inf, np.inf)
    """The ends of the effect's scale; an effect there has no bound."""
    factor: float = 1.0
    """By what a level counted off `t` is multiplied (2 for medians over splits)."""
    splits: int = 0
    """Splits of the texts that these bounds are medians over; 0 for none."""

    @property
    def effect(self) -> Floats:
        """(cell,) estimates on the effect's own scale."""
        return self.backward(self.theta)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """(cell,) whether a bound exists: finite, some spread, and not at the end of its scale."""
        effect = self.effect
        inside = (effect > self.ends[0] + 1e-12) & (effect < self.ends[1] - 1e-12)
        return np.asarray(np.isfinite(self.theta) & np.isfinite(self.se) & (self.se > 0) & inside)

    def z(self, smallest: float) -> Floats:
        """(cell,) standard errors between the estimate and `smallest`; not a number where there is no bound."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.bounded, (self.theta - self.forward(np.array(smallest))) / self.se, np.nan))

    def _counted(self, extreme: NDArray[np.bool_]) -> Floats:
        return np.asarray((1 + extreme.sum(axis=0)) / (1 + len(self.t)))

    def _undefined(self) -> NDArray[np.bool_]:
        return np.asarray(~np.isfinite(self.t))

    def _widths(self, t: Floats) -> Floats:
        """(cell,) upper 5 % point of each cell's own t*: in units of it, a cell with long tails does not set the band
        of all others (Beran 1988), for the reason for which maxT standardises its statistics."""
        finite = np.where(np.isfinite(t), t, np.finfo(np.float64).max)
        return np.asarray(np.clip(np.quantile(finite, 0.95, axis=0), 0.5, 1e6))

    def _extreme(self, scaled: Floats, cells: NDArray[np.int64]) -> Floats:
        """(R, 1) largest of the scaled t* over those of `cells` that have a bound."""
        use = cells[self.bounded[cells]]
        return np.asarray(scaled[:, use].max(axis=1, initial=-np.inf)[:, None])

    def p_lower(self, smallest: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) smallest level whose lower bound clears `smallest`; simultaneous over `cells` where given.

        Resamples in which an effect is undefined count against the bound. 1 where there is no bound.
        """
        z = self.z(smallest)
        t = np.where(self._undefined(), np.inf, self.t)
        if cells is None:
            p = self._counted(t >= z)
        else:
            width = self._widths(t)
            p = self._counted(self._extreme(t / width, cells) >= z / width)
        if self.noncentral is not None:
            parametric = self.noncentral.p_lower(smallest)
            p = np.maximum(p, np.minimum(1.0, parametric * (1 if cells is None else len(cells))))
        return np.where(np.isnan(z), 1.0, p)

    def p_upper(self, smallest: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) smallest level whose upper bound falls below `smallest`; simultaneous over `cells` where given."""
        z = self.z(smallest)
        t = np.where(self._undefined(), -np.inf, self.t)
        if cells is None:
            p = self._counted(t <= z)
        else:
            width = self._widths(-t)
            p = self._counted(self._extreme(-t / width, cells) >= -z / width)
        if self.noncentral is not None:
            parametric = self.noncentral.p_upper(smallest)
            p = np.maximum(p, np.minimum(1.0, parametric * (1 if cells is None else len(cells))))
        return np.where(np.isnan(z), 1.0, p)

    def lower(self, level: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) one-sided lower bounds at `level` each, or simultaneous over `cells`; blank where there is none."""
        t = np.where(self._undefined(), np.inf, self.t)
        if cells is not None:
            width = self._widths(t)
            t = self._extreme(t / width, cells) * width
        limit = self._limit(-_order_statistic(-t, level))
        if self.noncentral is not None:
            share = level if cells is None else level / len(cells)
            limit = np.minimum(limit, self.noncentral.limit(1 - share))
        return np.where(self.bounded, limit, np.nan)

    def upper(self, level: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) one-sided upper bounds at `level` each, or simultaneous over `cells`; blank where there is none."""
        t = np.where(self._undefined(), -np.inf, self.t)
        if cells is not None:
            width = self._widths(-t)
            t = -self._extreme(-t / width, cells) * width
        limit = self._limit(_order_statistic(t, level))
        if self.noncentral is not None:
            share = level if cells is None else level / len(cells)
            limit = np.maximum(limit, self.noncentral.limit(share))
        return np.where(self.bounded, limit, np.nan)

    def _limit(self, t: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            limit = self.backward(self.theta - t * self.se)
        low, high = self.ends
        return np.asarray(np.clip(limit, low if self.noncentral is None else 0.0, high))


def _order_statistic(t: Floats, level: float) -> Floats:
    """(cell,) the quantile that agrees with counting: below it lie floor(level (R + 1)) - 1 of the R values, else -inf."""
    rank = int(np.floor(level * (1 + len(t)) + 1e-9)) - 1
    if rank < 0:
        return np.full(t.shape[1], -np.inf)
    return np.asarray(np.partition(t, rank, axis=0)[rank] if rank < len(t) else np.full(t.shape[1], np.inf))


def bootstrap_t(
    replicates: Replicates,
    resamples: Resamples,
    *,
    forward: Callable[[Floats], Floats] = _identity,
    backward: Callable[[Floats], Floats] = _identity,
    noncentral: NoncentralF | None = None,
    ends: tuple[float, float] = (-np.inf, np.inf),
) -> Bounds:
    """Bounds from replicates whose values lie on the bootstrap's scale.

    A resample whose standard error is zero gives t = 0 where it equals the estimate and infinity elsewhere, so it
    widens the interval. Efron & Tibshirani (1993), section 12.5, with the standard error of Hajek's projection.
    """
    se = standard_errors(replicates, resamples)
    deviation = replicates.value[1:] - replicates.centre
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(deviation == 0, 0.0, deviation / se[1:])
    return Bounds(replicates.value[0], se[0], t, forward, backward, noncentral, ends)
