"""What a design can find: the effect that it would support in 4 runs of 5, by a small simulation of what decides.

Texts of normal activations (or normal responses) are made with the design's own category x stratum sizes, and their
effects are given the bounds that a run would give them. Cells are taken as independent, and the permutation p, which decides among fewer than some 100 arrangements, is
left out.

Measured on planted data, 18 to 100 texts, 1 to 36 cells that share half of their noise: at the effect named here 71 to 97
of 100 runs were SUPPORTED, which puts its distance from the smallest effect between a tenth too short and a fifth too
long. The share that is refuted lay within .1 of the truth for a single cell and below it for several, by up to .3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.delta_bounds import delta_bounds
from modclaims.stats.bounds.end_of_scale import EndLaw
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs, indicator_gram
from modclaims.stats.effects.normal_scores import JOINT_FACTOR as SCORES_FACTOR
from modclaims.stats.effects.normal_scores import ScoreBounds, score_bounds
from modclaims.stats.effects.pair_effects import cliffs_delta
from modclaims.stats.effects.superiority import JOINT_FACTOR, SuperiorityBounds, superiority_bounds
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
Counts = tuple[tuple[int, ...], ...]
"""(category, stratum) numbers of units: all that the simulation knows of a design."""
Effect = Literal["delta", "omega^2", "superiority"]
"""Of superiority that of the category whose row comes first."""
POWER = 0.8
STEPS = (0.04, 0.1, 0.18, 0.28, 0.4, 0.54, 0.7, 0.85)
"""Effects that are simulated, as shares of the way from the smallest that matters to 1."""
WIDTH = 16
"""Dimensions of simulated activations. Real ones that differ in more directions vary less: at 64, delta's distance from
the smallest effect comes out about a sixth shorter."""
CROWD = 20_000
SMOOTHING = 0.35
"""In standard errors: how far from the edge a bound counts in part."""
MOST_PAIRS = 1200
"""Designs with more pairs are simulated with fewer texts, and their errors shrunk by the root of the ratio."""


@dataclass(frozen=True)
class Requirement:
    """What the cells must show for one outcome."""

    level: float
    """Of a cell's own bound, or of bounds that are simultaneous over the cells."""
    cells: int = 1
    band: bool = False
    """Whether bounds are simultaneous."""
    needed: int = 1
    """How many cells' bounds must clear the smallest effect, or fall below it."""


@dataclass(frozen=True)
class Found:
    """What a design would find."""

    effect: float | None
    """The effect that is supported in `POWER` of the runs; None if none is."""
    best: float
    """The largest share of runs in which any effect was supported."""
    refuted: float
    """The share of runs in which the claim was refuted, the effect being 0 in every cell."""


def detectable(design: Design, effect: Effect, smallest: float, support: Requirement, refute: Requirement) -> Found:
    """What would be found of a claim with this smallest effect, `needed` of whose cells have the effect that is asked for.

    Raises `ValueError` for designs of clusters: how much texts of one are alike nobody knows beforehand.
    """
    if design.members:
        raise ValueError("clusters cannot be simulated")
    counts: Counts = tuple(tuple(int(n) for n in row) for row in design.counts)
    absent, *present = _simulated(effect, counts, round(float(smallest), 9))
    refuted = absent.share(smallest, refute, -1.0)
    power = np.array([one.share(smallest, support, 1.0, absent) for one in present])
    effects, best = np.array([one.effect for one in present]), float(power.max())
    above = np.flatnonzero(power >= POWER)
    if not len(above):
        return Found(None, best, refuted)
    k = int(above[0])
    if k == 0:
        return Found(float(effects[0]), best, refuted)
    low, high = _probit(power[k - 1]), _probit(power[k])
    at = (_probit(POWER) - low) / (high - low)
    return Found(float(effects[k - 1] + at * (effects[k] - effects[k - 1])), best, refuted)


def _probit(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(np.clip(share, 1e-4, 1 - 1e-4)))


def _effects(smallest: float) -> Floats:
    """No effect, and those beyond the smallest that matters."""
    return np.concatenate([[0.0], smallest + (1 - smallest) * np.array(STEPS)])


@dataclass(frozen=True)
class _Simulated:
    """Bounds of many data sets of one effect."""

    bounds: Bounds
    """A data set a cell."""
    shift: Floats
    """(data set,) what its estimate is moved by, on the bootstrap's scale, for texts that were left out ..."""
    shrink: float
    """... and the factor of its standard error."""
    effect: float
    """The effect, as the claim's scale has it."""

    @classmethod
    def of(cls, bounds: Bounds, truth: float, shrink: float = 1.0) -> _Simulated:
        """`truth` is the effect that was planted."""
        return cls(bounds, (1 - shrink) * (float(bounds.forward(np.array(truth))) - bounds.theta), shrink, truth)

    def share(self, smallest: float, asked: Requirement, side: float, beside: _Simulated | None = None) -> float:
        """Share of runs in which enough cells' lower bounds clear `smallest`, or upper ones fall below it (side -1).

        The other cells of a band are like those of `beside`; else like the cell itself.
        """
        from scipy.special import ndtr

        # each data set's step is smoothed, since shares of so few of them are coarse
        margin = self._margin(smallest, asked, side, self if beside is None else beside)
        return float(np.nan_to_num(ndtr(margin / SMOOTHING), nan=0.0).mean() ** asked.needed)

    def _end(self, end: EndLaw, smallest: float, side: float) -> tuple[Floats, Floats]:
        """(data set,) levels by the law at the end of the scale, and the smallest that a perfect sample has."""
        moved = np.clip(self.bounds.theta + self.shift, *end.ends)
        law = EndLaw.of(moved, b=end.b / self.shrink**2, ends=end.ends, fewest=end.fewest)
        level = law.p_lower if side > 0 else law.p_upper
        return level(np.ones(len(moved)), smallest), level(np.zeros(len(moved)), smallest)

    def _margin(self, smallest: float, asked: Requirement, side: float, beside: _Simulated) -> Floats:
        """(data set,) standard errors by which a cell's bound clears; less than 0 where it does not."""
        from scipy.special import ndtri

        tail = 1 - (1 - asked.level) ** (1 / (asked.cells if asked.band else 1))
        if isinstance(self.bounds, SuperiorityBounds):
            one = np.ones(len(self.bounds.theta))
            return self._by_law(self.bounds, smallest, asked, side, self._limit(beside.bounds.t, side, tail, one))
        own = self._by_resamples(self.bounds, smallest, side, asked.level if side > 0 else tail)
        if side > 0 and asked.band and isinstance(self.bounds, ScoreBounds) and self.bounds.stable is not None:
            stable, width = self.bounds.stable, np.full(len(self.bounds.theta), SCORES_FACTOR)
            return np.minimum(own, self._by_resamples(stable, smallest, side, tail, width))
        margin = self._by_resamples(self.bounds, smallest, side, tail)
        if not isinstance(self.bounds.end, EndLaw):
            return margin
        cells = asked.cells if asked.band else 1
        law_alone, perfect = (
            ndtri(asked.level / cells) - ndtri(np.clip(p, 1e-300, 1.0))
            for p in self._end(self.bounds.end, smallest, side)
        )
        return np.asarray(np.fmax(law_alone, np.fmin(margin, perfect)))

    def _by_resamples(
        self, bounds: Bounds, smallest: float, side: float, tail: float, width: Floats | None = None
    ) -> Floats:
        edge = float(bounds.forward(np.array(smallest)))
        se = np.where(bounds.bounded & (bounds.se > 0), bounds.se, np.nan) * self.shrink
        return np.asarray(side * (bounds.theta + self.shift - edge) / se - self._limit(bounds.t, side, tail, width))

    def _by_law(
        self, bounds: SuperiorityBounds, smallest: float, asked: Requirement, side: float, largest: Floats
    ) -> Floats:
        """Of bounds that have a law of their own, beside which the largest T* stands where they are simultaneous."""
        from scipy.special import ndtri

        p = bounds.p_lower(smallest) if side > 0 else bounds.p_upper(smallest)
        margin = ndtri(asked.level) - ndtri(np.clip(p, 1e-300, 1.0))
        if asked.band and asked.cells > 1:
            margin = np.minimum(margin, side * bounds.z(smallest) / JOINT_FACTOR - largest)
        return np.asarray(margin)

    def _limit(self, t: Floats, side: float, tail: float, width: Floats | None = None) -> Floats:
        """(data set,) what a cell's studentised distance must exceed: t* in units of its own upper 5 % point, as bands
        have it, at the upper `tail` point of all data sets; beyond the outermost few of them by an exponential tail."""
        t = np.where(np.isfinite(t), side * t, np.inf)
        if width is None:
            width = np.clip(np.quantile(np.minimum(t, 1e300), 0.95, axis=0), 0.5, 1e6)
        scaled = np.sort((t / width).ravel())
        reliable = max(tail, 20 / len(scaled))
        point = float(scaled[math.ceil((1 - reliable) * len(scaled)) - 1])
        if reliable > tail and np.isfinite(point):
            point += float(np.mean(scaled[scaled > point] - point)) * math.log(reliable / tail)
        return np.asarray(point * width)


@lru_cache(maxsize=64)
def _simulated(effect: Effect, counts: Counts, smallest: float) -> tuple[_Simulated, ...]:
    effects = _effects(smallest)
    if effect == "omega^2":
        return _responses(counts, effects)
    return _outranking(counts, effects) if effect == "superiority" else _activations(counts, effects)


def _design(counts: Counts) -> Design:
    labels, strata = zip(
        *((f"{k}", f"{h}") for k, row in enumerate(counts) for h, n in enumerate(row) for _ in range(n)), strict=True
    )
    return Design.of(labels, strata)


def _responses(counts: Counts, effects: Floats, sets: int = 100, resamples: int = 999) -> tuple[_Simulated, ...]:
    """One number per text, normal about its category's mean, the same in every stratum."""
    design, rng = _design(counts), stream(0, "responses", str(counts))
    noise = rng.standard_normal((design.n, sets))
    means = rng.standard_normal((design.k, sets))
    # of all patterns of means the length that makes their noncentrality n omega^2 / (1 - omega^2)
    means /= np.sqrt(np.einsum("ks,kl,ls->s", means, indicator_gram(design), means) / design.n)
    drawn = resample(design, count=resamples, rng=rng)
    found = []
    for omega2 in effects:
        y = noise + means[design.labels] * np.sqrt(omega2 / (1 - omega2))
        bounds = score_bounds(y, design, drawn)
        # scores are drawn in where responses lie far apart, so that their omega^2 is less than that of the responses
        found.append(replace(_Simulated.of(bounds, float(omega2)), effect=float(np.median(bounds.effect))))
    return tuple(found)


def _outranking(counts: Counts, effects: Floats, sets: int = 200, resamples: int = 199) -> tuple[_Simulated, ...]:
    """One number per text, normal, those of the first category higher than all others."""
    from scipy.special import ndtri

    design, rng = _design(counts), stream(0, "outranking", str(counts))
    noise = rng.standard_normal((design.n, sets))
    drawn = resample(design, count=resamples, rng=rng)
    found = []
    for delta in effects:
        y = noise + np.where(design.labels == 0, np.sqrt(2) * ndtri((1 + delta) / 2), 0.0)[:, None]
        found.append(_Simulated.of(superiority_bounds(y, design, drawn, design.names[0]), float(delta)))
    return tuple(found)


def _activations(counts: Counts, deltas: Floats) -> tuple[_Simulated, ...]:
    """Normal activations about a direction a category, compared by their cosines."""
    fewer = _fewer(counts)
    design, rng = _design(fewer), stream(0, "activations", str(counts))
    shrink = float(np.sqrt(design.n / sum(map(sum, counts))))
    sets, resamples = (120, 499) if design.n <= 24 else (48, 199)
    pairs, drawn = Pairs.of(design), resample(design, count=resamples, rng=rng)
    width = max(WIDTH, design.k)
    noise = rng.standard_normal((sets, design.n, width))
    found = []
    for delta, strength in zip(deltas, _strengths(deltas, width), strict=True):
        x = noise.copy()
        x[:, np.arange(design.n), design.labels] += strength
        x /= np.sqrt((x * x).sum(axis=2, keepdims=True))
        cosines = np.einsum("spd,spd->ps", x[:, pairs.i], x[:, pairs.j])
        bounds = delta_bounds(cliffs_delta(cosines, design, pairs, drawn), design, drawn)
        found.append(_Simulated.of(bounds, float(delta), shrink))
    return tuple(found)


def _fewer(counts: Counts) -> Counts:
    """A design of the same proportions with at most `MOST_PAIRS` pairs, and at least 2 units where there were."""
    table = np.array(counts)
    pairs = (table.sum(axis=0) * (table.sum(axis=0) - 1) / 2).sum()
    ratio = min(1.0, float(np.sqrt(MOST_PAIRS / pairs)))
    smaller = np.maximum(np.rint(table * ratio).astype(int), np.minimum(table, 2))
    return tuple(tuple(int(n) for n in row) for row in smaller)


@lru_cache(maxsize=8)
def _ladder(width: int) -> tuple[Floats, Floats]:
    """Strengths of categories' directions, and Cliff's delta of independent pairs at each."""
    rng = stream(0, "crowd", str(width))
    first, second = rng.standard_normal((2, CROWD, width))
    strengths = np.linspace(0, 8, 41)
    deltas = []
    for strength in strengths:
        a, same, other = first.copy(), second.copy(), second.copy()
        a[:, 0] += strength
        same[:, 0] += strength
        other[:, 1] += strength
        lengths = [np.sqrt((v * v).sum(axis=1)) for v in (a, same, other)]
        inside = np.sort((a * same).sum(axis=1) / lengths[0] / lengths[1])
        outside = (a * other).sum(axis=1) / lengths[0] / lengths[2]
        deltas.append(1 - 2 * float(np.searchsorted(inside, outside).mean()) / CROWD)
    return strengths, np.maximum.accumulate(np.array(deltas))


def _strengths(deltas: Floats, width: int) -> Floats:
    strengths, found = _ladder(width)
    return np.asarray(np.interp(deltas, found, strengths))
