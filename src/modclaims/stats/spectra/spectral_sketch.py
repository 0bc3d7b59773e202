"""Sketches: what an operator's products told of its spectrum, and the numbers read off it, each with its error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.spectra.quadrature import Bidiagonals, x_ln_x

Floats = NDArray[np.float64]

CONFIDENCE = 0.99
"""Two-sided level of the sampling part of every error."""
SMALLEST_TAU = 1e-4
"""Counts of an operator above a smaller share of the largest singular value are refused: J'J squares it."""


@dataclass(frozen=True)
class Estimate:
    """A number, and half the width of the interval around it: 0 where it is known, `CONFIDENCE` where sampled."""

    value: float
    error: float


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
        low = float(x_ln_x(squares).sum())
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
        error = self._sampling_error(draws, lambda x: slope * x - x_ln_x(x) / tau)
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
