"""Second bounds beside the bootstrap's: of omega^2 by the noncentral F law, of means by Student's t."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NoncentralF:
    """A second bound for omega^2, by inverting the noncentral F law (homogeneous Gaussian residuals).

    Where clusters are drawn, F and noncentrality are divided by how much more they vary than their texts alone would
    make them (first-order correction of Rao & Scott 1984).
    """

    f: Floats
    """(cell,) observed F."""
    df1: int
    df2: int
    n: int
    inflation: Floats | None = None
    """(cell,) mean square between clusters, of what they say of categories, over the residual one; None without."""

    @property
    def _f(self) -> Floats:
        return self.f if self.inflation is None else self.f / self.inflation

    @property
    def _n(self) -> float | Floats:
        return self.n if self.inflation is None else self.n / self.inflation

    def _noncentrality(self, omega2: float) -> float | Floats:
        return self._n * omega2 / (1 - omega2)

    def _df2(self, texts: int) -> float:
        """Residual degrees of freedom of so many texts; strata that lie in clusters grow in number with them."""
        if self.inflation is None:
            return texts - (self.n - self.df2)
        return texts * (self.df1 + self.df2) / self.n - self.df1

    def p_lower(self, smallest: float) -> Floats:
        """(cell,) P(F at least as large as observed) were omega^2 = `smallest`."""
        from scipy.stats import f, ncf

        nc = self._noncentrality(max(smallest, 0.0))
        none = np.all(nc < 1e-12)
        return np.asarray(f.sf(self._f, self.df1, self.df2) if none else ncf.sf(self._f, self.df1, self.df2, nc))

    def p_upper(self, smallest: float) -> Floats:
        """(cell,) P(F at most as large as observed) were omega^2 = `smallest`."""
        from scipy.stats import f, ncf

        nc = self._noncentrality(max(smallest, 0.0))
        none = np.all(nc < 1e-12)
        return np.asarray(f.cdf(self._f, self.df1, self.df2) if none else ncf.cdf(self._f, self.df1, self.df2, nc))

    def texts_needed(self, smallest: float, alpha: float, *, cells: int, refute: int, support: int) -> tuple[int, int]:
        """Texts that would refute were omega^2 0 in all cells, and support were it twice `smallest`, in 4 runs of 5.

        `refute` cells' own bounds must fall below, `support` cells' bounds must clear (one: simultaneously over
        `cells`). From the central and noncentral F laws, cells taken as independent.
        """
        from scipy.stats import f, ncf

        double = min(2 * smallest, (1 + smallest) / 2)
        less = 1.0 if self.inflation is None else float(np.median(self.inflation))
        edge, twice = smallest / (1 - smallest) / less, double / (1 - double) / less
        fewest = first_enough(lambda n: self._df2(n) >= 4, 1)
        level_up = alpha / (cells - refute + 1)
        level_low = alpha / (cells if support == 1 else cells - support + 1)

        def refutes(n: int) -> bool:
            below = ncf.ppf(level_up, self.df1, self._df2(n), n * edge)
            return bool(f.cdf(below, self.df1, self._df2(n)) ** refute >= 0.8)

        def supports(n: int) -> bool:
            above = ncf.isf(level_low, self.df1, self._df2(n), n * edge)
            return bool(ncf.sf(above, self.df1, self._df2(n), n * twice) ** support >= 0.8)

        return first_enough(refutes, fewest), first_enough(supports, fewest)

    def limit(self, probability: float) -> Floats:
        """(cell,) the omega^2 at which P(F at most as observed) equals `probability`; 0 where none is that small.

        By bisection of all cells at once, until the noncentrality's bracket is as narrow as rounding allows.
        """
        from scipy.stats import chi2, f, ncf

        at, n = np.asarray(self._f, dtype=np.float64), np.broadcast_to(self._n, self.f.shape)
        with np.errstate(invalid="ignore"):
            sought = np.isfinite(at) & (f.cdf(np.where(np.isfinite(at), at, 0.0), self.df1, self.df2) > probability)
        large = sought & (at > 1e6)  # the numerator is all noncentrality: F = (nc / df1) / (chi2 / df2)
        nc = np.zeros(len(at))
        nc[large] = self.df1 * at[large] * chi2.isf(probability, self.df2) / self.df2
        where = np.flatnonzero(sought & ~large)
        low, high = np.zeros(len(where)), np.full(len(where), 10.0)

        def above(value: Floats, cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
            return np.asarray(ncf.cdf(at[where[cells]], self.df1, self.df2, value) > probability)

        growing = np.ones(len(where), dtype=bool)
        while growing.any():
            growing[growing] = above(high[growing], growing)
            low[growing], high[growing] = high[growing], 4 * high[growing]
        for _ in range(60):
            wide = high - low > 4 * np.finfo(np.float64).eps * high
            if not wide.any():
                break
            middle = (low[wide] + high[wide]) / 2
            right = above(middle, wide)
            low[wide], high[wide] = np.where(right, middle, low[wide]), np.where(right, high[wide], middle)
        nc[where] = (low + high) / 2
        return np.asarray(nc / (nc + n))


@dataclass(frozen=True)
class StudentT:
    """A second bound for means, by Student's t: where units vary unequally the bootstrap-t alone is too narrow.

    (At 12 units, every other of which varies three times as much, its bound at level .05 errs in .07 to .09 of samples.)
    Degrees of freedom by Welch and Satterthwaite where several groups were resampled, such as texts and null objects.
    """

    theta: Floats
    """(cell,)."""
    se: Floats
    """(cell,)."""
    df: Floats
    """(cell,)."""

    @classmethod
    def of(cls, replicates: Replicates, resamples: Resamples) -> StudentT:
        """From the influences in the sample itself."""
        parts, freedom = [], []
        for g in np.unique(resamples.groups):
            influence = replicates.influence[0, resamples.groups == g]
            if (n := len(influence)) > 1:
                parts.append(n * influence.var(axis=0, ddof=1))
                freedom.append(n - 1)
        variance = np.array(parts)
        with np.errstate(divide="ignore", invalid="ignore"):
            df = variance.sum(axis=0) ** 2 / (variance**2 / np.array(freedom)[:, None]).sum(axis=0)
        return cls(replicates.value[0], np.sqrt(variance.sum(axis=0)), np.where(np.isfinite(df), df, 1.0))

    def _z(self, smallest: float) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.theta - smallest) / self.se)

    def p_lower(self, smallest: float) -> Floats:
        """(cell,) chance of an estimate at least so large were the mean `smallest`."""
        from scipy.special import stdtr

        return np.asarray(stdtr(self.df, -self._z(smallest)))

    def p_upper(self, smallest: float) -> Floats:
        """(cell,) chance of an estimate at most so large were the mean `smallest`."""
        from scipy.special import stdtr

        return np.asarray(stdtr(self.df, self._z(smallest)))

    def limit(self, probability: float) -> Floats:
        """(cell,) the mean at which an estimate at most so large has this probability."""
        from scipy.special import stdtrit

        return np.asarray(self.theta - stdtrit(self.df, probability) * self.se)


def first_enough(enough: Callable[[int], bool], start: int) -> int:
    """The smallest n from `start` on for which `enough` holds (it stays true from there), at most 2^20."""
    high = start
    while not enough(high) and high < 2**20:
        high *= 2
    low = max(start, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return high
