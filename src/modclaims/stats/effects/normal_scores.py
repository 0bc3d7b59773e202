"""omega^2 of normal scores: how far categories tell apart the ranks of one response, and bounds that outliers leave alone.

Responses are ranked, less their stratum's median where there are strata (aligned ranks: Hodges & Lehmann 1962), and ranks
turned into normal quantiles (van der Waerden's scores), so that neither the scale of a response nor its tails matter. Ranks
inside each stratum would not do: of four texts, one per category, they leave no spread where the order is clear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.cluster_sums import ClusterSums
from modclaims.stats.bounds.log_ratios import log_ratio
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.bounds.second_bounds import NoncentralF, StudentT
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import degrees_of_freedom, f_null
from modclaims.stats.effects.omega_squared import log_one_plus_f2, omega2_of_log
from modclaims.stats.ties import tolerance

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SMOOTHING = 0.3
"""How much of a standard error is what homoscedastic normal responses have, on the scale where that hangs on n alone."""


JOINT_FACTOR = 1.03
"""By what the band of many cells is widened: resamples vary a little less than samples do, which over many cells adds up."""


def doubled_midranks(responses: Floats, ties: Floats) -> Floats:
    """(unit, cell) twice the mid-ranks inside each column, whole numbers; neighbours within `ties` (cell,) have one rank."""
    y = np.asarray(responses, dtype=np.float64)
    order = np.argsort(y, axis=0, kind="stable")
    ordered = np.take_along_axis(y, order, axis=0)
    place = np.arange(len(y))[:, None]
    opens = np.ones(y.shape, dtype=bool)
    opens[1:] = np.diff(ordered, axis=0) > ties
    closes = np.ones(y.shape, dtype=bool)
    closes[:-1] = opens[1:]
    first = np.maximum.accumulate(np.where(opens, place, 0), axis=0)
    last = np.minimum.accumulate(np.where(closes, place, len(y))[::-1], axis=0)[::-1]
    ranks = np.empty(y.shape)
    np.put_along_axis(ranks, order, first + last + 2.0, axis=0)
    return ranks


def ranked_inside(responses: Floats, design: Design) -> Floats:
    """(unit, cell) doubled mid-ranks inside each stratum."""
    y = np.asarray(responses, dtype=np.float64)
    ties, ranks = tolerance(y), np.empty(y.shape)
    for h in np.unique(design.strata):
        where = design.strata == h
        ranks[where] = doubled_midranks(y[where], ties)
    return ranks


def aligned(responses: Floats, design: Design) -> Floats:
    """(unit, cell) responses less the median of their stratum."""
    y = np.array(responses, dtype=np.float64)
    for h in np.unique(design.strata):
        where = design.strata == h
        y[where] -= np.median(y[where], axis=0)
    return y


def normal_scores(responses: Floats, design: Design) -> Floats:
    """(unit, cell) normal quantiles of rank / (n + 1), of responses aligned by strata; 0 throughout where they do not vary.

    Exchange of labels inside strata leaves them as they are.
    """
    from scipy.special import ndtri

    ranks = doubled_midranks(aligned(responses, design), tolerance(responses))
    return np.asarray(ndtri(ranks / (2 * (len(ranks) + 1))))


@dataclass(frozen=True)
class RootScale:
    """The scale on which the standard error of f hangs on n alone, were responses normal and of one spread.

    h = sqrt 2 asinh sqrt((f^2 + df1 / n) / 2), from the delta method with Var(f) = (1 + f^2 / 2) / n; df1 / n is what f^2 of
    a sample has beyond that of its population, so that h is defined down to F = 0. Without it cells that answer nothing,
    whose omega^2 barely varies, have t* with tails so long that they set the band of the one that answers: of 60 cells at 48
    texts one of omega^2 .5 was SUPPORTED in .32 to .53 of data sets on the scale of log(1 + f^2), .68 to .82 on this one.
    """

    shift: float
    """df1 / n."""

    def of_f2(self, f2: Floats) -> Floats:
        """h of f^2."""
        return np.asarray(np.sqrt(2) * np.arcsinh(np.sqrt(np.maximum(f2 + self.shift, 0.0) / 2)))

    def slope(self, f2: Floats) -> Floats:
        """dh / d f^2."""
        u = np.sqrt(np.maximum(f2 + self.shift, 1e-12) / 2)
        return np.asarray(np.sqrt(2) / (4 * u * np.sqrt(1 + u * u)))

    def forward(self, omega2: Floats) -> Floats:
        """h of omega^2."""
        with np.errstate(divide="ignore"):
            return self.of_f2(np.asarray(omega2) / (1 - np.asarray(omega2)))

    def backward(self, h: Floats) -> Floats:
        """omega^2 of h; below h = 0 that of F = 0."""
        f2 = 2 * np.sinh(np.clip(h, 0.0, 300.0) / np.sqrt(2)) ** 2 - self.shift
        return np.asarray(f2 / (1 + f2))


@dataclass(frozen=True)
class ScoreBounds(Bounds):
    """Bounds of omega^2 of normal scores: a cell's own on the scale of log(1 + f^2), lower bands on that of `RootScale` too.

    A cell's own bound errs least where the scale is that of log(1 + f^2) (upper ones in up to .2 on the other, near 0); the
    largest t* of many cells is told best where all vary alike. A band clears where both do. No population has an omega^2
    below 0, so that no limit lies there. `noncentral` tells how many texts would decide, and takes no part in bounds: of
    scores it errs in up to .177 of samples.
    """

    stable: Bounds | None = None
    """The same effects on the scale of `RootScale`."""

    @property
    def _laws(self) -> list[NoncentralF | StudentT]:
        return []

    @property
    def _stable(self) -> Bounds:
        assert self.stable is not None, "made by `score_bounds`"
        return self.stable

    def _largest(self, cells: Indices) -> Floats:
        """(R,) the largest t* over those of `cells` that have a bound; an undefined one counts as its cell's largest."""
        found = np.full(len(self.t), -np.inf)
        for _, t in self._stable.columns(cells[self.varies[cells]]):
            known = np.isfinite(t)
            most = np.where(known, t, -np.inf).max(axis=0, initial=-np.inf)
            np.maximum(found, np.where(known, t, most).max(axis=1, initial=-np.inf), out=found)
        return found

    def _p_lower(self, smallest: float, cells: Indices | None) -> Floats:
        own = super()._p_lower(smallest, None)
        if cells is None:
            return own
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (self._stable.theta - self._stable.forward(np.array(smallest))) / (JOINT_FACTOR * self._stable.se)
        return np.where(self.varies, np.maximum(own, self._at_least(self._largest(cells), z)), 1.0)

    def _lower(self, level: float, cells: Indices | None) -> Floats:
        own = np.maximum(super()._lower(level, None), 0.0)
        if cells is None:
            return own
        t = JOINT_FACTOR * self._band(self._largest(cells), level)
        with np.errstate(invalid="ignore"):
            return np.maximum(np.minimum(own, self._stable.backward(self._stable.theta - t * self._stable.se)), 0.0)

    def _upper(self, level: float, cells: Indices | None) -> Floats:
        return np.maximum(super()._upper(level, cells), 0.0)


def score_bounds(responses: Floats, design: Design, resamples: Resamples) -> ScoreBounds:
    """omega^2 of normal scores with bounds by the bootstrap-t alone, for every cell.

    `responses` is (unit, cell), ranked once: a resample draws texts with the scores that they have in the sample. Resampled
    are units inside each category x stratum, or whole clusters. On `RootScale` standard errors are smoothed towards what
    normal responses of one spread would have, since those of a few texts are sometimes far too small.
    """
    scores = normal_scores(responses, design)
    df1, df2 = degrees_of_freedom(design)
    observed = Arrangements(design.labels[None].astype(np.int16), True, 1)
    scale = RootScale(df1 / design.n)
    usual = 1 / (len(design.members) or design.n)
    step = max(1, 2**21 // (len(resamples.times) * (len(design.members) or len(np.unique(design.cells)))))
    theta, error, h, se = (np.empty(scores.shape[1]) for _ in range(4))
    t, stable = (np.empty((resamples.count, scores.shape[1])) for _ in range(2))
    for start in range(0, scores.shape[1], step):
        some = slice(start, start + step)
        ratio = log_ratio(scores[:, some], design, resamples)
        value, spread = ratio.estimates()
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            apart = value[1:] - ratio.centre
            t[:, some] = np.where(apart == 0, 0.0, apart / spread[1:])
            f2 = np.expm1(value)
            own = (spread * (1 + f2) * scale.slope(f2)) ** 2
            smoothed = np.sqrt((own + SMOOTHING * usual) / (1 + SMOOTHING))
            root = scale.of_f2(f2)
            stable[:, some] = (root[1:] - scale.of_f2(np.expm1(ratio.centre))) / smoothed[1:]
        theta[some], error[some], h[some], se[some] = value[0], spread[0], root[0], smoothed[0]
    flat, ends = np.ptp(scores, axis=0) == 0, (-np.inf, 1.0)
    return ScoreBounds(
        np.where(flat, 0.0, theta),
        np.where(flat, 0.0, error),
        t,
        log_one_plus_f2,
        omega2_of_log,
        ends=ends,
        noncentral=NoncentralF(
            f_null(scores, design, observed)[0][0],
            df1,
            df2,
            design.n,
            ClusterSums.of(scores, design).inflation(df2) if design.members else None,
        ),
        stable=Bounds(h, se, stable, scale.forward, scale.backward, ends=ends),
        constant=flat if flat.any() else None,
    )
