"""What a sample near the end of a bounded scale can say, by the law of a few odd units: valid up to the end itself.

The bootstrap fails there both ways. A sample in which every pair is ordered perfectly has no spread to resample, so it had
no bound at all; one that is nearly so has a spread that a few odd texts, none of which was drawn, would have made larger.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.actions import Design

Floats = NDArray[np.float64]
STEPS = 50
"""Halvings of an interval: the last is as narrow as rounding allows."""


def bernoulli_divergence(u: Floats, q: Floats) -> Floats:
    """Kullback-Leibler divergence of a Bernoulli law with chance `u` from one with chance `q`; infinite where q forbids u."""
    from scipy.special import rel_entr

    u, q = np.broadcast_arrays(np.asarray(u, dtype=np.float64), np.asarray(q, dtype=np.float64))
    return np.asarray(rel_entr(u, q) + rel_entr(1 - u, 1 - q))


def comparisons(design: Design) -> float:
    """b, the number of independent comparisons that a design is worth near the end of delta's scale; fixed by its sizes.

    K n_min / 2 in each stratum, summed over strata, which weigh the same: as many strata times the smallest. Where
    clusters are drawn, the strata of one hang together and clusters are the independent parts: of means of bounded parts
    that weigh unequally, the sum of the weights over the largest (Hoeffding 1963, theorem 1, with Jensen's inequality).
    Assumes that of each category a share of texts may sit in the wrong place: no odd text among n / 2 then has at most
    chance theta^(n / 2). `disjoint_comparisons` assumes nothing.
    """
    if design.members:
        strata = _compared_strata(design)
        return float(strata.sum() / strata.max())
    worth = [_present(design, h).size * int(_present(design, h).min()) / 2 for h in design.usable_strata]
    return len(worth) * min(worth)


def _compared_strata(design: Design) -> NDArray[np.int64]:
    """For each cluster that is compared at all, in how many of its strata within and between can be."""
    usable = np.array(design.usable_strata)
    strata = np.array([np.isin(np.unique(design.strata[m]), usable).sum() for m in design.members])
    return np.asarray(strata[strata > 0])


def disjoint_comparisons(design: Design) -> int:
    """b from comparisons no two of which share a text, so that it holds under any law: the assumption-free option.

    Of two categories the largest b with 3 ceil(b / 2) + floor(b / 2) <= n_min (a comparison takes a pair of one category
    and a text of the other, or a pair within and a pair between them), of more floor(K n_min / 4); in the smallest
    stratum, times the number of strata.
    """
    worth = []
    for h in design.usable_strata:
        sizes = _present(design, h)
        n, k = int(sizes.min()), sizes.size
        worth.append(max(b for b in range(n + 1) if 3 * -(-b // 2) + b // 2 <= n) if k == 2 else k * n // 4)
    return len(worth) * min(worth)


def _present(design: Design, stratum: int) -> NDArray[np.int64]:
    """Sizes of the categories that a stratum holds."""
    sizes = design.counts[:, stratum]
    return np.asarray(sizes[sizes > 0])


def chernoff_limit(u: Floats, b: Floats | float, level: Floats | float) -> Floats:
    """The largest q at most u with exp(-b KL(u || q)) at most `level`, by bisection; all three may be arrays."""
    u, b, level = np.broadcast_arrays(np.asarray(u, dtype=np.float64), b, level)
    low, high = np.zeros_like(u), np.array(u)
    with np.errstate(invalid="ignore"):
        enough = -np.log(level) / b
        for _ in range(STEPS):
            middle = (low + high) / 2
            cleared = bernoulli_divergence(u, middle) >= enough
            low, high = np.where(cleared, middle, low), np.where(cleared, high, middle)
    return low


@dataclass(frozen=True)
class EndLaw:
    """A law of effects on a bounded scale that holds at its ends, beside the bootstrap-t, which does not.

    With u and q the places of estimate and smallest effect between the ends, and b independent comparisons, a sample so
    large has chance at most exp(-b KL(u || q)) (Chernoff's bound), and no sample beats a perfect one, whose chance is q^b.
    So the level of a lower bound is min(exp(-b KL), max(bootstrap, q^b)), of an upper one the mirror image. For means over
    b units of bounded numbers the law is exact (Hoeffding 1963); at the end itself it is Clopper and Pearson's.
    """

    share: Floats
    """(cell,) u: where the estimate lies between the ends, from 0 to 1; not a number where it is undefined."""
    b: float
    """Independent comparisons, or units."""
    ends: tuple[float, float]
    fewest: int
    """Units of the smallest category, of which every one would have to be silent were a constant cell's effect not 0."""
    capped: bool = True
    """Whether no bound may be bolder than a perfect sample's; else the law speaks only where the bootstrap does not."""

    @classmethod
    def of(cls, effect: Floats, *, b: float, ends: tuple[float, float], fewest: int) -> EndLaw:
        """From effects on their own scale."""
        low, high = ends
        return cls((np.asarray(effect, dtype=np.float64) - low) / (high - low), b, ends, fewest)

    @classmethod
    def of_means(cls, mean: Floats, *, units: int, ends: tuple[float, float]) -> EndLaw:
        """Of means over units of numbers between `ends`: exact, and needed only where all of them are alike.

        There the bootstrap has no spread; elsewhere it and Student's t know more of the numbers than that they are bounded.
        """
        return replace(cls.of(mean, b=units, ends=ends, fewest=units), capped=False)

    @classmethod
    def of_delta(cls, delta: Floats, design: Design) -> EndLaw:
        """Of Cliff's delta over pairs of units of a design."""
        if design.members:
            fewest = len(_compared_strata(design))
        else:
            fewest = min(int(_present(design, h).min()) for h in design.usable_strata)
        return cls.of(delta, b=comparisons(design), ends=(-1.0, 1.0), fewest=fewest)

    def _place(self, effect: float) -> float:
        low, high = self.ends
        return float(np.clip((effect - low) / (high - low), 0.0, 1.0))

    def p_lower(self, bootstrap: Floats, smallest: float, times: int = 1) -> Floats:
        """(cell,) levels of lower bounds, from those of the bootstrap (not a number where it has none); `times` as many cells
        are bounded together."""
        return self._level(bootstrap, self.share, self._place(smallest), times)

    def p_upper(self, bootstrap: Floats, smallest: float, times: int = 1) -> Floats:
        """(cell,) levels of upper bounds: the mirror image."""
        return self._level(bootstrap, 1 - self.share, 1 - self._place(smallest), times)

    def _level(self, bootstrap: Floats, u: Floats, q: float, times: int) -> Floats:
        with np.errstate(invalid="ignore", under="ignore"):
            chernoff = np.where(u > q, np.exp(-self.b * bernoulli_divergence(u, np.array(q))), 1.0)
        if not self.capped:
            return np.where(np.isnan(bootstrap), np.minimum(1.0, times * chernoff), bootstrap)
        perfect = q**self.b
        return np.asarray(
            np.minimum(np.minimum(1.0, times * chernoff), np.maximum(bootstrap, min(1.0, times * perfect)))
        )

    def lower(self, bootstrap: Floats, level: float, times: int = 1) -> Floats:
        """(cell,) lower limits on the effect's own scale, from those of the bootstrap."""
        return self._to_effect(self._limit((bootstrap - self.ends[0]) / self._width, self.share, level / times))

    def upper(self, bootstrap: Floats, level: float, times: int = 1) -> Floats:
        """(cell,) upper limits."""
        return self._to_effect(1 - self._limit((self.ends[1] - bootstrap) / self._width, 1 - self.share, level / times))

    @property
    def _width(self) -> float:
        return self.ends[1] - self.ends[0]

    def _to_effect(self, share: Floats) -> Floats:
        return self.ends[0] + self._width * share

    def _limit(self, bootstrap: Floats, u: Floats, level: float) -> Floats:
        law = chernoff_limit(u, self.b, level)
        if not self.capped:
            return np.where(np.isnan(bootstrap), law, bootstrap)
        found = np.maximum(law, np.minimum(bootstrap, level ** (1 / self.b)))
        return np.where(np.isfinite(u), found, np.nan)

    def least(self, smallest: float, drawn: float, times: int = 1) -> tuple[float, float]:
        """The smallest levels at which any data bound an effect from below, and from above.

        A perfect sample's; where nothing caps the bootstrap, whose levels are at least `drawn`, either's. Data that are all
        alike have an upper bound as well.
        """
        q = self._place(smallest)
        lower, upper = (min(1.0, times * place**self.b) for place in (q, 1 - q))
        if not self.capped:
            return min(lower, drawn), min(upper, drawn)
        return lower, min(upper, times * self.p_upper_of_constant(smallest))

    def largest_lower(self, level: float) -> float:
        """The largest lower limit that so many units allow, however strong the effect: 2 level^(1 / b) - 1 of delta."""
        return float(self._to_effect(np.array(level ** (1 / self.b))))

    def p_upper_of_constant(self, smallest: float) -> float:
        """The level at which a cell whose numbers are all alike falls below `smallest`: (1 - s)^n_min.

        A share s of a category's texts would have to differ, were the effect s above none, and none of n_min does.
        """
        return float((1 - min(1.0, max(0.0, smallest))) ** self.fewest)

    def upper_of_constant(self, level: float) -> float:
        """The upper limit of such a cell."""
        return float(1 - level ** (1 / self.fewest))


@dataclass(frozen=True)
class CombinedEnds:
    """The same for sums and differences of effects, each on a bounded scale of its own.

    Limits of the parts combine to a limit of the whole (Zou & Donner 2008). By Chernoff's bounds of the parts, whose distances
    from the estimates are added, as if the parts erred together (they share texts, and near the end nothing tells how); and
    no sample beats perfect parts, whose distances meet at right angles. The bootstrap lies between these two, as for one part.
    Where it has nothing to say, as of perfect parts, the parts err together.
    """

    laws: tuple[EndLaw, ...]
    """One for each kind of part, cells in the same order; all on scales of one width."""
    weights: tuple[Floats, ...]
    """For each kind (part, cell): by what its parts enter each cell's sum."""
    capped: bool = True

    @property
    def effect(self) -> Floats:
        """(cell,) the sums."""
        parts = [(law.ends[0] + law._width * law.share) @ w for law, w in zip(self.laws, self.weights, strict=True)]
        return np.asarray(np.sum(parts, axis=0))

    def _far(self, level: Floats, *, down: bool, perfect: bool) -> Floats:
        """(cell,) how far below (above) the estimate the limits at (cell,) levels lie."""
        apart = np.zeros_like(level)
        for law, weights in zip(self.laws, self.weights, strict=True):
            part, cell = np.nonzero(weights)
            w = weights[part, cell]
            # what enters positively falls where the sum falls, what enters negatively rises
            u = np.where((w > 0) == down, law.share[part], 1 - law.share[part])
            each = level[cell]
            limit = np.minimum(u, each ** (1 / law.b)) if perfect else chernoff_limit(u, law.b, each)
            moved = np.abs(w) * law._width * (u - limit)
            apart = apart + np.bincount(cell, moved**2 if perfect else moved, minlength=len(level))
        return np.sqrt(apart) if perfect else apart

    def _level(self, distance: Floats, *, down: bool, perfect: bool) -> Floats:
        """(cell,) the smallest level whose limit is no farther than `distance`, by bisection; 1 where none is."""
        low, high = np.full(distance.shape, -700.0), np.zeros(distance.shape)
        for _ in range(STEPS):
            middle = (low + high) / 2
            near = self._far(np.exp(middle), down=down, perfect=perfect) <= distance
            low, high = np.where(near, low, middle), np.where(near, middle, high)
        return np.where(distance > 0, np.exp(high), 1.0)

    def _levels(self, bootstrap: Floats, distance: Floats, times: int, *, down: bool) -> Floats:
        law = np.minimum(1.0, times * self._level(distance, down=down, perfect=False))
        perfect = np.minimum(1.0, times * self._level(distance, down=down, perfect=True))
        return np.minimum(law, np.maximum(bootstrap, perfect))

    def p_lower(self, bootstrap: Floats, smallest: float, times: int = 1) -> Floats:
        """(cell,) levels of lower bounds, from those of the bootstrap; `times` as many cells are bounded together."""
        return self._levels(bootstrap, self.effect - smallest, times, down=True)

    def p_upper(self, bootstrap: Floats, smallest: float, times: int = 1) -> Floats:
        """(cell,) levels of upper bounds."""
        return self._levels(bootstrap, smallest - self.effect, times, down=False)

    def lower(self, bootstrap: Floats, level: float, times: int = 1) -> Floats:
        """(cell,) lower limits, from those of the bootstrap."""
        each = np.full(bootstrap.shape, level / times)
        law, perfect = (self.effect - self._far(each, down=True, perfect=p) for p in (False, True))
        return np.maximum(law, np.minimum(bootstrap, perfect))

    def upper(self, bootstrap: Floats, level: float, times: int = 1) -> Floats:
        """(cell,) upper limits."""
        each = np.full(bootstrap.shape, level / times)
        law, perfect = (self.effect + self._far(each, down=False, perfect=p) for p in (False, True))
        return np.minimum(law, np.maximum(bootstrap, perfect))

    def least(self, smallest: float, drawn: float, times: int = 1) -> tuple[float, float]:
        """The smallest levels at which any data bound one of the sums from below, and from above.

        Where all parts are perfect the law speaks alone, elsewhere the bootstrap has a say, whose levels are at least `drawn`.
        """
        found = []
        for sign in (1.0, -1.0):
            each = [self._perfect(cell, sign)._least(smallest, drawn, times, sign) for cell in range(len(self.effect))]
            found.append(min(each, default=1.0))
        return found[0], found[1]

    def _perfect(self, cell: int, sign: float) -> CombinedEnds:
        """One of the sums, as large as it can be, or as small."""
        weights = tuple(w[:, [cell]] for w in self.weights)
        laws = [
            replace(law, share=(1 + sign * np.sign(w[:, 0])) / 2) for law, w in zip(self.laws, weights, strict=True)
        ]
        return CombinedEnds(tuple(laws), weights)

    def _least(self, smallest: float, drawn: float, times: int, sign: float) -> float:
        """Of one sum of perfect parts."""
        distance = sign * (self.effect - smallest)
        law, perfect = (
            min(1.0, times * float(self._level(distance, down=sign > 0, perfect=p)[0])) for p in (False, True)
        )
        return min(law, max(drawn, perfect))

    def p_upper_of_constant(self, smallest: float) -> float:
        """A sum of which nothing varies is bounded by its parts' laws alone."""
        return 1.0

    def upper_of_constant(self, level: float) -> float:
        """None."""
        return float("nan")
