"""How many texts would decide, or how many null objects where these rule what is not known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.end_of_scale import bernoulli_divergence
from modclaims.stats.evidence import Evidence

Floats = NDArray[np.float64]
MANY = 1e9
"""A standard error need not shrink that may grow so many times."""
LEAST = 1e-4
"""A standard error that would have to shrink to less than this share of itself is beyond what can be said."""


class Needed(NamedTuple):
    """What would decide in 4 runs of 5, in all and not on top of what there is; in the order in which `Levels` has it.

    Texts alone, where draws are None; draws alone, where texts are None; both where neither alone would do; None and
    None where it cannot be said.
    """

    texts_to_refute: int | None
    texts_to_support: int | None
    draws_to_refute: int | None = None
    draws_to_support: int | None = None


NOTHING = Needed(None, None)


def needed(
    evidence: Evidence, cells: NDArray[np.int64], smallest: float, alpha: float, *, need_support: int, need_refute: int
) -> Needed:
    """What would refute at effect 0, and support at twice the smallest effect, in 4 runs of 5.

    By simulation from the observed spread: an estimate at the assumed effect is drawn as that effect plus t* times
    its standard error; the factor by which this must shrink for enough cells' bounds to clear is found draw by draw.
    Texts shrink their own part of the variance, as 1 / n, and leave that of null objects (matched sets, rotations)
    which are drawn beside them. Observed effects are not used.
    """
    bounds = evidence.bounds
    if evidence.n_texts == 0 or evidence.unit == "model":  # more texts would say nothing of weights, or of other models
        return NOTHING
    alpha = alpha / bounds.factor
    use = cells[bounds.bounded[cells] & ~bounds.silent[cells]]
    need_refute = max(
        1, need_refute - int(bounds.silent[cells].sum())
    )  # constant cells are told by as many texts as agree
    if smallest <= 0 or not len(use):
        return NOTHING
    if (by_law := bounds.texts_needed(smallest, alpha, cells, refute=need_refute, support=need_support)) is not None:
        return Needed(*by_law)
    if not bounds.held:
        return NOTHING
    t = bounds.t[:, use]
    t = t[np.isfinite(t).all(axis=1)]
    if len(t) < 100:
        return NOTHING
    zero, edge, twice = (float(bounds.forward(np.array(v))) for v in (0.0, smallest, double(smallest, bounds.ends[1])))
    m = len(cells)
    single = need_support == 1
    q_high = (
        np.quantile(t.max(axis=1), 1 - alpha) if single else np.quantile(t, 1 - alpha / (m - need_support + 1), axis=0)
    )
    q_low = (
        np.quantile(t.min(axis=1), alpha) if need_refute == 1 else np.quantile(t, alpha / (m - need_refute + 1), axis=0)
    )
    # shrink factors at which each cell decides, in each draw
    with np.errstate(divide="ignore"):
        refute = (edge - zero) / np.maximum(bounds.se[use] * (t - q_low), 1e-300)
        support = (twice - edge) / np.maximum(bounds.se[use] * (q_high - t), 1e-300)
    parts = _Parts.of(bounds, use, evidence.n_texts)
    texts_refute, draws_refute = parts.taken(refute, need_refute) if need_refute <= len(use) else (None, None)
    texts_support, draws_support = parts.taken(support, need_support) if need_support <= len(use) else (None, None)
    if bounds.comparisons is not None:
        end = _EndTexts(bounds.comparisons / evidence.n_texts, bounds.ends)
        searched = [m if single else m - need_support + 1, m if need_refute == 1 else m - need_refute + 1]
        texts_support = end.texts(texts_support, double(smallest, bounds.ends[1]), smallest, alpha / searched[0])
        texts_refute = end.texts(texts_refute, 0.0, smallest, alpha / searched[1])
    return Needed(texts_refute, texts_support, draws_refute, draws_support)


@dataclass(frozen=True)
class _EndTexts:
    """What the law at the ends of a scale has to say of how many texts would decide."""

    each: float
    """Comparisons that a text is worth."""
    ends: tuple[float, float]

    def texts(self, bootstrap: int | None, effect: float, smallest: float, level: float) -> int:
        """As many as a perfect sample needs at least; beyond that the fewer of what the bootstrap and the law need."""
        low, high = max(self.ends[0], -1.0), self.ends[1]
        u, q = ((value - low) / (high - low) for value in (effect, smallest))
        perfect = -math.log(q if u > q else 1 - q)
        apart = float(bernoulli_divergence(np.array(u), np.array(q)))
        law, least = (math.ceil(-math.log(level) / (self.each * worth)) for worth in (apart, perfect))
        return max(4, least, law if bootstrap is None else min(bootstrap, law))


@dataclass(frozen=True)
class _Parts:
    """The two parts of the cells' variance, and how many units either comes from."""

    fixed: Floats
    """(cell,) share of the variance that null objects bring."""
    texts: int
    draws: int

    @classmethod
    def of(cls, bounds: Bounds, cells: NDArray[np.int64], texts: int) -> _Parts:
        fixed = np.zeros(len(cells)) if bounds.fixed_share is None else bounds.fixed_share[cells]
        return cls(fixed, texts, bounds.null_objects)

    def taken(self, shrink: Floats, count: int) -> tuple[int | None, int | None]:
        """Texts, and null objects, at which `count` cells' standard errors shrink to these (draw, cell) factors.

        Fewest is tried first: texts alone; null objects alone; both, each then being given half of the variance.
        """
        texts = fewest(self.texts, _at(_of_part(shrink, 1 - self.fixed), count))
        if texts is not None or not self.draws:
            return texts, None
        draws = fewest(self.draws, _at(_of_part(shrink, self.fixed), count))
        if draws is not None:
            return None, draws
        halves = [
            np.minimum(shrink, MANY) / np.sqrt(np.maximum(2 * share, 1 / MANY))
            for share in (1 - self.fixed, self.fixed)
        ]
        both = fewest(self.texts, _at(halves[0], count)), fewest(self.draws, _at(halves[1], count))
        return both if None not in both else (None, None)


def _of_part(shrink: Floats, share: Floats) -> Floats:
    """By what the standard error of a part with this share of the variance must shrink, the rest staying as it is, for
    the whole to shrink so; 0 where the rest alone is too much."""
    left = np.maximum(np.minimum(shrink, MANY) ** 2 - (1 - share), 0.0)
    return np.asarray(np.sqrt(left / np.maximum(share, 1 / MANY)))


def _at(shrink: Floats, count: int) -> float:
    """The factor at which so many cells decide in 4 draws of 5."""
    return float(np.quantile(np.sort(shrink, axis=1)[:, shrink.shape[1] - count], 0.2))


def double(smallest: float, end: float) -> float:
    """Twice the smallest effect, or half-way to the end of the scale where that is nearer."""
    return min(2 * smallest, (smallest + end) / 2)


def fewest(units: int, shrink: float) -> int | None:
    """How many units have a standard error so many times that of `units`; at least 4, None where it cannot be said."""
    if not np.isfinite(shrink) or shrink < LEAST:
        return None
    return max(4, math.ceil(units / min(shrink, float(units)) ** 2))
