"""Probability of superiority: how often a text of one category responds more than one of another, with its bounds.

delta = 2 theta - 1, where theta is the chance that the response of a text of the category exceeds that of a text of
another one, ties half; every other category weighs the same, and every stratum that holds both. It knows no unit, and no
outlier moves it by more than its own pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.first_order import many_texts
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import chunks
from modclaims.stats.effects.normal_scores import ranked_inside

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SMOOTHING = 0.02
"""How much of the end of the scale is taken for a sample that saw too little: variance .02 / b beside theta (1 - theta) of .02."""
FREEDOM_SMOOTHING = 0.002
"""Variance that every group has when degrees of freedom are counted, so that those of a perfect order are those of its texts."""
FEWEST_FREEDOM = 2.0
HALVINGS = 50
"""Of the interval in which a limit is sought."""
JOINT_FACTOR = 1.1
"""By what the joint law of many cells is widened: resamples of 12 texts vary a little less than samples do, which over
many cells adds up (without it .07 to .08 of data sets err at level .05)."""


@dataclass(frozen=True)
class Superior:
    """theta of one category against all others at every cell, in the sample or under every resample."""

    theta: Floats
    """(row, cell), row 0 being the sample itself."""
    variance: Floats
    """(row, cell) of theta, from the placements of texts (Brunner & Munzel 2000), or of clusters."""
    freedom: Floats
    """(cell,) degrees of freedom of the sample's variance."""
    blocks: float
    """b: comparisons that share no text, as far as sizes allow."""


@dataclass(frozen=True)
class _Side:
    """One stratum: texts of the category, and those of each other category."""

    mine: Indices
    others: tuple[Indices, ...]

    @property
    def rest(self) -> Indices:
        """Texts of all others, category by category."""
        return np.concatenate(self.others)

    @property
    def share(self) -> Floats:
        """(text of another category,) weight of each, so that every category weighs the same."""
        return np.concatenate([np.full(len(o), 1 / (len(o) * len(self.others))) for o in self.others])

    @property
    def blocks(self) -> int:
        return min(len(self.mine), len(self.others) * min(map(len, self.others)))


def compares(design: Design, category: str) -> bool:
    """Whether some stratum holds the category and another one."""
    if category not in design.names:
        return False
    present = design.counts > 0
    return bool((present[design.names.index(category)] & (present.sum(axis=0) > 1)).any())


def check_compared(design: Design, category: str) -> None:
    """Raises `ClaimError` where no stratum holds the category and another one."""
    if category not in design.names:
        raise ClaimError(f"Category {category!r} is none of those compared: {', '.join(sorted(design.names))}.")
    if not compares(design, category):
        raise ClaimError(f"No stratum holds {category!r} and another category, so that they cannot be compared.")


def _sides(design: Design, category: str) -> tuple[_Side, ...]:
    """The strata that hold the category and another one. Raises `ClaimError` where none does."""
    check_compared(design, category)
    k, found = design.names.index(category), []
    for h in np.unique(design.strata):
        here = design.strata == h
        others = tuple(np.flatnonzero(here & (design.labels == o)) for o in range(design.k) if o != k)
        present = tuple(o for o in others if len(o))
        mine = np.flatnonzero(here & (design.labels == k))
        if len(mine) and present:
            found.append(_Side(mine, present))
    return tuple(found)


def comparisons(design: Design, category: str) -> float:
    """b: comparisons that share no text, as far as sizes allow. No level is below q^b.

    Of clusters, the strata of one of which hang together, the sum of their weights over the largest (see
    `end_of_scale.comparisons`).
    """
    sides = _sides(design, category)
    if design.members:
        cluster = np.asarray(design.clusters)
        strata = np.bincount([int(cluster[side.mine[0]]) for side in sides])
        return float(strata.sum() / strata.max())
    return float(len(sides) * min(side.blocks for side in sides))


def above(responses: Floats, mine: Indices, rest: Indices) -> Floats:
    """(cell, text of mine, text of the rest) 1 where the first responds more, 0 where less, 1/2 where they tie.

    Responses (unit, cell) within 100 eps of the largest in size tie, since sums that should be equal differ by so much.
    """
    y = np.asarray(responses, dtype=np.float64)
    tolerance = 100 * np.finfo(np.float64).eps * np.abs(y).max(axis=0, initial=0.0)
    apart = y[mine].T[:, :, None] - y[rest].T[:, None, :]
    exceeds, ties_or_exceeds = apart > tolerance[:, None, None], apart >= -tolerance[:, None, None]
    return np.asarray((exceeds.astype(np.float64) + ties_or_exceeds) / 2)


def superior(responses: Floats, design: Design, category: str, resamples: Resamples | None = None) -> Superior:
    """theta and its variance, of (unit, cell) responses, in the sample and under every resample.

    A text's placement is the share of the other side that it exceeds (or that exceeds it); theta varies as the means of
    placements of each group (category x stratum) do. A group of one text takes the variance of its category's other groups,
    or the largest that a placement can have. Where whole clusters are drawn, all strata lie inside them, and theta varies as
    the sum of what each cluster adds. Of many texts (`many_texts`) placements are held as they are in the sample.
    """
    sides = _sides(design, category)
    times = np.ones((1, len(design.members) or design.n)) if resamples is None else resamples.times
    if design.members:
        return _of_clusters(responses, design, category, times)
    if resamples is not None and many_texts(design):
        theta, variance, freedom = _to_first_order(responses, sides, times)
        return Superior(theta, variance, freedom, comparisons(design, category))
    parts = [_of_texts(columns, sides, times) for columns in _columns(responses, sides, len(times))]
    theta, variance, freedom = (np.concatenate(found, axis=-1) for found in zip(*parts, strict=True))
    return Superior(theta, variance, freedom, comparisons(design, category))


def _columns(responses: Floats, sides: tuple[_Side, ...], rows: int) -> Iterator[Floats]:
    """Cells, so many at a time that pairs and placements stay in bounded memory."""
    width = max(max(len(s.mine) * len(s.rest), rows * (len(s.mine) + len(s.rest))) for s in sides)
    for some in chunks(responses.shape[1], width, 1):
        yield responses[:, some]


def _spread(values: Floats, times: Floats) -> Floats:
    """(cell, row) variances of (cell, row, text) values drawn (row, text) times."""
    size = values.shape[2]
    drawn = values * times
    mean = drawn.sum(axis=2) / size
    squares = np.einsum("crt,crt->cr", drawn, values)
    return np.asarray(np.maximum(squares - size * mean**2, 0.0) / (size - 1))


def _of_texts(responses: Floats, sides: tuple[_Side, ...], times: Floats) -> tuple[Floats, Floats, Floats]:
    """theta and variance (row, cell), freedom (cell,)."""
    cells, rows, strata = responses.shape[1], len(times), len(sides)
    theta = np.zeros((cells, rows))
    groups: list[tuple[int, int, float, Floats | None]] = []  # category, texts, weight and placements' variance
    for side in sides:
        wins = above(responses, side.mine, side.rest)
        placed = (times[:, side.rest] * side.share) @ wins.transpose(0, 2, 1)
        theta += (placed * times[:, side.mine]).sum(axis=2) / (len(side.mine) * strata)
        size = len(side.mine)
        groups.append((-1, size, 1 / strata, _spread(placed, times[:, side.mine]) if size > 1 else None))
        exceeded = (times[:, side.mine] / size) @ wins
        at = 0
        for which, other in enumerate(side.others):
            there = exceeded[:, :, at : at + len(other)]
            weight = 1 / (strata * len(side.others))
            found = _spread(there, times[:, other]) if len(other) > 1 else None
            groups.append((which, len(other), weight, found))
            at += len(other)
    variance, summed, squared = np.zeros((cells, rows)), np.zeros(cells), np.zeros(cells)
    for which, size, weight, found in groups:
        alike = [v for w, _, _, v in groups if w == which and v is not None]
        spread = found if found is not None else np.mean(alike, axis=0) if alike else np.full((cells, rows), 0.25)
        variance += weight**2 * spread / size
        part = weight**2 * (spread[:, 0] + FREEDOM_SMOOTHING) / size
        summed += part
        squared += part**2 / max(size - 1, 1)
    return np.clip(theta.T, 0.0, 1.0), variance.T, np.maximum(summed**2 / squared, FEWEST_FREEDOM)


def _to_first_order(responses: Floats, sides: tuple[_Side, ...], times: Floats) -> tuple[Floats, Floats, Floats]:
    """What `_of_texts` gives, with the sample's placements in all resamples: sums over texts are matrix products."""
    cells, rows = responses.shape[1], len(times)
    theta, variance = np.zeros((rows, cells)), np.zeros((rows, cells))
    summed, squared = np.zeros(cells), np.zeros(cells)
    for side in sides:
        placed, exceeded = placements(responses, side.mine, side.rest, side.share)
        theta += placed.mean(axis=0) / len(sides)
        at, groups = 0, [(side.mine, placed, 1 / len(sides))]
        for other in side.others:
            groups.append((other, exceeded[at : at + len(other)], 1 / (len(sides) * len(side.others))))
            at += len(other)
        for texts, values, weight in groups:
            drawn, size = times[:, texts], len(texts)
            mean = drawn @ values / size
            theta += weight * (mean - values.mean(axis=0))
            spread = np.maximum(drawn @ values**2 - size * mean**2, 0.0) / (size - 1)
            variance += weight**2 * spread / size
            part = weight**2 * (spread[0] + FREEDOM_SMOOTHING) / size
            summed += part
            squared += part**2 / (size - 1)
    return np.clip(theta, 0.0, 1.0), variance, np.maximum(summed**2 / squared, FEWEST_FREEDOM)


def placements(responses: Floats, mine: Indices, rest: Indices, share: Floats) -> tuple[Floats, Floats]:
    """(text of mine, cell) weighted share of the rest that each exceeds, and (text of the rest, cell) share of mine that exceeds
    it; ties, as `above` has them, count half. By sorting, not by pairs."""
    y = np.asarray(responses, dtype=np.float64)
    tolerance = 100 * np.finfo(np.float64).eps * np.abs(y).max(axis=0, initial=0.0)
    placed, exceeded = np.empty((len(mine), y.shape[1])), np.empty((len(rest), y.shape[1]))
    for c, slack in enumerate(tolerance):
        first, second = y[mine, c], y[rest, c]
        order, sorted_first = np.argsort(second, kind="stable"), np.sort(first)
        sorted_second, weight = second[order], np.concatenate([[0.0], np.cumsum(share[order])])
        below = weight[np.searchsorted(sorted_second, first - slack, "left")]
        upto = weight[np.searchsorted(sorted_second, first + slack, "right")]
        placed[:, c] = (below + upto) / 2
        over = len(mine) - np.searchsorted(sorted_first, second + slack, "right")
        level = len(mine) - np.searchsorted(sorted_first, second - slack, "left")
        exceeded[:, c] = (over + level) / (2 * len(mine))
    return placed, exceeded


def _of_clusters(responses: Floats, design: Design, category: str, times: Floats) -> Superior:
    """theta as a ratio of what clusters add to it, and of how many strata each adds."""
    sides, cluster = _sides(design, category), np.asarray(design.clusters)
    which = np.unique(cluster, return_inverse=True)[1]
    sums = np.zeros((len(design.members), responses.shape[1]))
    strata = np.zeros(len(design.members))
    for side in sides:
        c = which[side.mine[0]]
        for some in chunks(responses.shape[1], len(side.mine) * len(side.rest), 1):
            wins = above(responses[:, some], side.mine, side.rest)
            sums[c, some] += np.einsum("cmr,r->c", wins, side.share) / len(side.mine)
        strata[c] += 1
    drawn = times @ strata
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = times @ sums / drawn[:, None]
        count = int((strata > 0).sum())
        # sum over clusters of (sum - theta strata)^2, without an array of all of them under every resample
        squares = (
            times @ sums**2 - 2 * theta * (times @ (sums * strata[:, None])) + theta**2 * (times @ strata**2)[:, None]
        )
        variance = np.maximum(squares, 0.0) * count / (count - 1) / drawn[:, None] ** 2
    freedom = np.full(responses.shape[1], max(FEWEST_FREEDOM, count - 1.0))
    return Superior(theta, variance, freedom, comparisons(design, category))


def score(theta: Floats, relative: Floats, q: float | Floats) -> Floats:
    """T: standard errors between theta and q, the variance being what it would be at q: relative x q (1 - q)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((theta - q) / np.sqrt(q * (1 - q) * relative))


def relative_variance(theta: Floats, variance: Floats, blocks: float) -> Floats:
    """r = (v + .02 / b) / (theta (1 - theta) + .02): v by its size at theta, and 1 / b at the ends of the scale."""
    return np.asarray((variance + SMOOTHING / blocks) / (theta * (1 - theta) + SMOOTHING))


@dataclass(frozen=True)
class SuperiorityBounds(Bounds):
    """Bounds of delta = 2 theta - 1 by its score T and Student's t; bands by the largest T* over resamples as well.

    `theta`, `se` and `t` are those of theta (or of the larger of theta and 1 - theta, where the claim has no sign); `t` holds
    each resample's T* about the estimate. No sample says more than a perfect order of b comparisons would: levels are at
    least q^b, and at most exp(-b KL(theta || q)), a law that is valid where single texts sit in the wrong category.
    """

    relative: Floats = field(default_factory=lambda: np.empty(0))
    """(cell,) r."""
    freedom: Floats = field(default_factory=lambda: np.empty(0))
    """(cell,)."""
    blocks: float = 1.0
    """b."""
    varied: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=bool))
    """(cell,) whether responses vary; where they do not there is no bound."""
    signless: bool = False
    """Whether the effect is |delta|."""
    still: Floats = field(default_factory=lambda: np.empty(0))
    """(cell,) share of the resamples in which no two responses that are compared differ."""

    @property
    def bounded(self) -> NDArray[np.bool_]:
        return np.asarray(self.varied & np.isfinite(self.theta) & np.isfinite(self.relative))

    @property
    def comparisons(self) -> float | None:
        return self.blocks

    def sparse(self, alpha: float) -> NDArray[np.bool_]:
        """(cell,) whether nothing differs in more than alpha / 2 of the resamples: too few texts answer at all."""
        return np.asarray(self.bounded & (self.still > alpha / 2))

    def z(self, smallest: float) -> Floats:
        return np.where(self.bounded, score(self.theta, self.relative, (1 + smallest) / 2), np.nan)

    @property
    def _least(self) -> float:
        """Where the effect's scale begins, as theta."""
        return 0.5 if self.signless else 0.0

    def _law(self, theta: Floats, q: Floats) -> Floats:
        """(cell,) level at which an estimate so large is told from q, by T or by the law of b comparisons."""
        from scipy.special import rel_entr, stdtr

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            p = stdtr(self.freedom, -score(theta, self.relative, q))
            apart = rel_entr(theta, q) + rel_entr(1 - theta, 1 - q)
            return np.asarray(np.where(theta > q, np.minimum(p, np.exp(-self.blocks * apart)), p))

    def _capped(self, p: Floats, q: Floats) -> Floats:
        """(cell,) levels, none below that of a perfect order."""
        return np.asarray(np.maximum(p, q**self.blocks))

    def _above(self, q: Floats, cells: Indices | None, largest: Floats | None) -> Floats:
        """(cell,) levels at which theta lies above q."""
        p = self._law(self.theta, q)
        own = self._capped(p, q)
        if self.signless:
            own = np.minimum(1.0, own + self._law(self.theta, 1 - q))
        return own if cells is None or largest is None else np.maximum(own, self._joint(p, largest))

    def _below(self, q: Floats, cells: Indices | None, largest: Floats | None) -> Floats:
        """(cell,) levels at which theta lies below q; of |delta| both sides must, of which this is the nearer."""
        p = self._law(1 - self.theta, 1 - q)
        own = self._capped(p, 1 - q)
        return own if cells is None or largest is None else np.maximum(own, self._joint(p, largest))

    def _joint(self, p: Floats, largest: Floats) -> Floats:
        """(cell,) levels simultaneous over cells, of the T that has level p by a cell's own law."""
        from scipy.special import stdtrit

        with np.errstate(invalid="ignore"):
            t = -stdtrit(self.freedom, np.clip(p, 1e-300, 1.0)) / JOINT_FACTOR
        return self._at_least(largest, t)

    def _largest(self, cells: Indices | None, sign: float) -> Floats | None:
        """(R,) sorted: the largest T*, or -T*, over those of `cells` that have a bound; None where one cell is meant."""
        if cells is None or len(cells) == 1:
            return None
        found = np.full(len(self.t), -np.inf)
        for _, t in self.columns(cells[self.bounded[cells]]):
            largest = (np.abs(t) if self.signless else sign * t).max(axis=1, initial=-np.inf)
            np.maximum(found, largest, out=found)
        return np.sort(found)

    def _p_lower(self, smallest: float, cells: Indices | None) -> Floats:
        q = np.full(len(self.theta), (1 + smallest) / 2)
        return np.where(self.bounded, self._above(q, cells, self._largest(cells, 1.0)), 1.0)

    def _p_upper(self, smallest: float, cells: Indices | None) -> Floats:
        q = np.full(len(self.theta), (1 + smallest) / 2)
        p = np.where(self.bounded, self._below(q, cells, self._largest(cells, -1.0)), 1.0)
        times = 1 if cells is None else len(cells)
        return np.where(self.silent, min(1.0, times * (1 - max(0.0, smallest)) ** self.blocks), p)

    def _lower(self, level: float, cells: Indices | None) -> Floats:
        largest = self._largest(cells, 1.0)
        low, high = np.full(len(self.theta), self._least), np.ones(len(self.theta))
        for _ in range(HALVINGS):  # levels rise with q
            middle = (low + high) / 2
            clears = self._above(middle, cells, largest) <= level
            low, high = np.where(clears, middle, low), np.where(clears, high, middle)
        return np.where(self.bounded, 2 * low - 1, np.nan)

    def _upper(self, level: float, cells: Indices | None) -> Floats:
        largest = self._largest(cells, -1.0)
        low, high = np.full(len(self.theta), self._least), np.ones(len(self.theta))
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            clears = self._below(middle, cells, largest) <= level
            low, high = np.where(clears, low, middle), np.where(clears, middle, high)
        share = level if cells is None else level / len(cells)
        return np.where(self.silent, 1 - share ** (1 / self.blocks), np.where(self.bounded, 2 * high - 1, np.nan))


def superiority_bounds(
    responses: Floats, design: Design, resamples: Resamples, category: str, answers: str = "more"
) -> SuperiorityBounds:
    """delta of one category at every cell: of texts that answer `more` than others, `less`, or `either` way (|delta|).

    `responses` is (unit, cell). Raises `ClaimError` for a category that the design lacks.
    """
    found = superior(responses, design, category, resamples)
    relative = relative_variance(found.theta, found.variance, found.blocks)
    theta, r = found.theta[0].copy(), relative[0].copy()  # not views, which would keep all resamples
    inside = theta * (1 - theta) > 1e-9  # at the end of the scale a resample says nothing
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(inside & np.isfinite(found.theta[1:]), score(found.theta[1:], relative[1:], theta), 0.0)
    se = np.sqrt(found.variance[0] + SMOOTHING / found.blocks)
    y = np.asarray(responses, dtype=np.float64)
    finite = np.isfinite(y).all(axis=0)
    known = np.where(finite, y, 0.0)
    silent = finite & (np.ptp(known, axis=0) <= 100 * np.finfo(np.float64).eps * np.abs(known).max(axis=0, initial=0.0))
    varied = finite & ~silent
    drawn, spread = found.theta[1:], found.variance[1:]
    # a perfect order does not vary either, and is no silence
    still = ((spread <= 1e-12) & (drawn * (1 - drawn) > 1e-9)).mean(axis=0) if len(drawn) else np.zeros(len(theta))
    if answers == "less" or answers == "either":
        turned = np.full(len(theta), True) if answers == "less" else theta < 0.5
        theta, t = np.where(turned, 1 - theta, theta), np.where(turned, -t, t)
    return SuperiorityBounds(
        theta,
        se,
        t,
        _as_theta,
        _as_delta,
        ends=(0.0 if answers == "either" else -1.0, 1.0),
        relative=r,
        freedom=found.freedom,
        blocks=found.blocks,
        varied=varied,
        signless=answers == "either",
        still=still,
        constant=silent if silent.any() else None,
    )


def _as_theta(delta: Floats) -> Floats:
    return np.asarray((1 + np.asarray(delta)) / 2)


def _as_delta(theta: Floats) -> Floats:
    return np.asarray(2 * np.asarray(theta) - 1)


def rank_contrast(
    responses: Floats, design: Design, category: str, arrangements: Arrangements, answers: str
) -> tuple[Floats, Floats]:
    """The category's mean rank less the mean of other categories' mean ranks, at every cell under every arrangement.

    `responses` is (unit, cell), ranked inside strata, each of which weighs the same. Between categories of one size it is
    delta but for a factor. Exchangeable under the null: responses inside a stratum, whatever their law. Returns
    (arrangement, cell) contrasts, with their sign turned or taken off as `answers` has it, and tolerances for ties (cell,).
    """
    ranks, k = ranked_inside(responses, design), design.names.index(category)
    labels = arrangements.labels
    null = np.zeros((len(labels), ranks.shape[1]))
    sides = _sides(design, category)
    for side in sides:
        here = np.flatnonzero(design.strata == design.strata[side.mine[0]])
        weight = np.zeros(design.k)
        for other in side.others:
            weight[design.labels[other[0]]] = -1 / (len(other) * len(side.others))
        weight[k] = 1 / len(side.mine)
        centred = (ranks[here] - ranks[here].mean(axis=0)) / (len(here) * len(sides))
        for rows in chunks(len(labels), len(here) + ranks.shape[1]):
            null[rows] += weight[labels[rows][:, here]] @ centred
    if answers != "more":
        null = np.abs(null) if answers == "either" else -null
    return null, np.full(ranks.shape[1], 1e-9)
