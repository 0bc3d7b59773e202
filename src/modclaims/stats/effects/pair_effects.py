"""Effect sizes over pairs of texts, Cliff's delta with every text's influence under every resample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.first_order import many_texts
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Codes, Design
from modclaims.stats.chance.permutation import GapWeights, Pairs, chunks
from modclaims.stats.ties import alike, codes, tolerance

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
DECIMALS, NOTHING = 13, 1e-15
"""What a sum of weights leaves beyond these decimals of delta, and an influence of a text up to this, is rounding: one pair
that changes places moves delta by 1e-11 in 1,024 texts. So equal deltas are equal, and none is a hair below 1."""
TAKEN = 8
"""Cells, about, that are taken together where pairs are sorted out, so that little is copied at a time."""


def same_pairs(design: Design, pairs: Pairs) -> NDArray[np.bool_]:
    """(pair,) whether the two texts share their category."""
    return np.asarray(design.labels[pairs.i] == design.labels[pairs.j])


def gap(similarities: Floats, design: Design, pairs: Pairs) -> Floats:
    """(cell,) mean similarity within - mean between, every category and every pair of categories weighing the same.

    `similarities` is (pair, cell). Positive when same-category texts are more alike.
    """
    weights, out = GapWeights.of(design), np.zeros(similarities.shape[1])
    same = same_pairs(design, pairs)
    for where, win, c, inverse in zip(
        pairs.slices, weights.within, weights.between, weights.inverse_sizes, strict=True
    ):
        a, b = design.labels[pairs.i[where]], design.labels[pairs.j[where]]
        w = np.where(same[where], win[a], -c * inverse[a] * inverse[b])
        out += w @ similarities[where]
    return out


def cohens_d(similarities: Floats, design: Design, pairs: Pairs) -> Floats:
    """(cell,) Cohen's d of same-category over other pairs, spreads pooled inside each stratum and averaged over strata.

    `similarities` is (pair, cell). For show: pairs that share a text are not independent, so d gets no interval here
    (one over pairs, said to cover 95 %, covered 60 % at 60 texts). 0 where nothing varies but for rounding.
    """
    same, slack = same_pairs(design, pairs), tolerance(similarities)
    found = np.zeros((len(pairs.slices), similarities.shape[1]))
    few = np.array_split(np.arange(similarities.shape[1]), max(1, similarities.shape[1] // TAKEN))
    for h, where in enumerate(pairs.slices):
        for cells in (slice(some[0], some[-1] + 1) for some in few if some.size):
            block = similarities[where, cells]
            inside, outside = block[same[where]], block[~same[where]]
            squares = sum(((part - part.mean(axis=0)) ** 2).sum(axis=0) for part in (inside, outside))
            sd = np.sqrt(squares / max(len(block) - 2, 1))
            difference = inside.mean(axis=0) - outside.mean(axis=0)
            found[h, cells] = np.divide(difference, sd, out=np.zeros_like(sd), where=sd > slack[cells])
    return np.asarray(found.mean(axis=0))


def constant(similarities: Floats, pairs: Pairs, slack: Floats | None = None) -> NDArray[np.bool_]:
    """(cell,) whether all pairs that are compared, those of each stratum, are equally similar but for rounding.

    `similarities` is (pair, cell). Such a cell has delta 0 and no spread. `slack`, (cell,), is what rounding may make
    of them: 100 eps max|S| where not given; give it where something has been taken from the similarities before.
    """
    slack = tolerance(similarities) if slack is None else slack
    found = [alike(similarities[where], slack) for where in pairs.slices]
    return np.asarray(np.logical_and.reduce(found))


def unweighable(similarities: Floats, pairs: Pairs, slack: Floats | None = None) -> Indices:
    """Cells in which nothing can be weighed: `constant` ones, and those with a value that is not finite."""
    return np.flatnonzero(constant(similarities, pairs, slack) | ~np.isfinite(similarities).all(axis=0))


def cliffs_delta(
    similarities: Floats,
    design: Design,
    pairs: Pairs,
    resamples: Resamples,
    *,
    pooled: bool = False,
    slack: Floats | None = None,
) -> Replicates:
    """Cliff's delta of within-category over between-category similarities, 2 AUC - 1, averaged over strata.

    `similarities` is (pair, cell). Positive when same-category texts are more alike. The pairs within each category
    weigh the same together, and those between each two categories: delta is the mean, over categories and pairs of
    categories, of the delta of the ones over the others. Where all pairs weigh the same (`pooled`) it is ANOSIM's R, and
    both are one number where categories are of one size. Two copies of one text are no pair; a pair drawn m_i m_j times
    weighs that much. The influence of text i is the derivative by m_i. Where a resample leaves a category no pair within
    (all its draws are copies of one text), or two categories none between, the others are averaged; a stratum without
    any is left out of that replicate's average. Where whole clusters are drawn, a copy of one brings its own pairs
    again: each of its strata weighs as often as the cluster was drawn. Similarities tie within `slack`, (cell,), which
    is 100 eps max|S| where not given. A constant cell has delta 0 and no influence. Of many texts (`many_texts`) a resample's
    delta is that of the sample and what its texts' influences there add up to, and they are held for all resamples: all
    pairs are ranked once instead of once a resample, at the same bounds to two digits or more.
    """
    slack = tolerance(similarities) if slack is None else slack
    made = _delta_of_clusters if design.members else _delta_to_first_order if many_texts(design) else _delta_of_texts
    found = made(similarities, design, pairs, resamples, pooled, slack)
    found.influence[:, :, constant(similarities, pairs, slack)] = 0.0
    found.influence[np.abs(found.influence) <= NOTHING] = 0.0
    value = np.round(found.value, DECIMALS)
    return Replicates(value, found.influence, value[0])


def _delta_to_first_order(
    similarities: Floats, design: Design, pairs: Pairs, resamples: Resamples, pooled: bool, slack: Floats
) -> Replicates:
    """`cliffs_delta` with the influences of the sample in all resamples, (1, text, cell)."""
    cells, strata = similarities.shape[1], len(pairs.slices)
    influence, delta = np.zeros((1, design.n, cells)), np.zeros(cells)
    for members, where in zip(pairs.members, pairs.slices, strict=True):
        kinds, size = _Kinds.of(design.labels[members], pooled), len(members)
        once = _Weight.of(np.ones((1, size)), kinds)
        for c in range(cells):
            auc, slope = once.auc(_Places.of(similarities[where, c][kinds.order], kinds.within, slack[c]))
            delta[c] += (2 * auc[0] - 1) / strata
            first, second = (np.bincount(texts, slope[0], size) for texts in (kinds.first, kinds.second))
            influence[0, members, c] = 2 * (first + second) / strata
    delta[~np.isfinite(similarities).all(axis=0)] = np.nan
    value = delta + (resamples.times - 1) @ influence[0]
    return Replicates(value, influence, delta)


def _delta_of_texts(
    similarities: Floats, design: Design, pairs: Pairs, resamples: Resamples, pooled: bool, slack: Floats
) -> Replicates:
    times = resamples.times
    rows, cells = len(times), similarities.shape[1]
    influence = np.zeros((rows, design.n, cells))
    total, defined = np.zeros((rows, cells)), np.zeros((rows, 1))
    widest = max(s.stop - s.start for s in pairs.slices)
    for members, where in zip(pairs.members, pairs.slices, strict=True):
        kinds = _Kinds.of(design.labels[members], pooled)
        ordered = similarities[where][kinds.order]
        places = [_Places.of(column, kinds.within, s) for column, s in zip(ordered.T, slack, strict=True)]
        for block in chunks(rows, widest):
            m = times[block][:, members]
            weight = _Weight.of(m, kinds)
            defined[block, 0] += weight.good
            per_text = np.divide(1.0, m, out=np.zeros_like(m), where=m > 0) * weight.good[:, None]
            for c, place in enumerate(places):
                auc, slope = weight.auc(place)
                total[block, c] += np.where(weight.good, 2 * auc - 1, 0.0)
                influence[block, members, c] = 2 * per_text * slope[:, kinds.of_text].sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where((defined > 0) & np.isfinite(similarities).all(axis=0), total / defined, np.nan)
        influence /= np.maximum(defined, 1)[:, :, None]
    return Replicates(value, influence, value[0])


def _delta_of_clusters(
    similarities: Floats, design: Design, pairs: Pairs, resamples: Resamples, pooled: bool, slack: Floats
) -> Replicates:
    """`cliffs_delta` where clusters are drawn: the mean over strata of what is fixed in each, influences by cluster."""
    finite, times = np.isfinite(similarities).all(axis=0), resamples.times
    sums, strata = np.zeros((len(design.members), similarities.shape[1])), np.zeros(len(design.members))
    home = {int(unit): c for c, units in enumerate(design.members) for unit in units}
    for members, where in zip(pairs.members, pairs.slices, strict=True):
        cluster, kinds = home[int(members[0])], _Kinds.of(design.labels[members], pooled)
        values, once = (
            np.where(finite, similarities[where], 0.0)[kinds.order],
            _Weight.of(np.ones((1, len(members))), kinds),
        )
        places = [_Places.of(column, kinds.within, s) for column, s in zip(values.T, slack, strict=True)]
        sums[cluster] += [2 * float(once.auc(place)[0][0]) - 1 for place in places]
        strata[cluster] += 1
    drawn = (times @ strata)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(finite, times @ sums / drawn, np.nan)
        influence = (sums - strata[:, None] * value[:, None]) / drawn[:, None]
    return Replicates(value, np.where(times[:, :, None] > 0, influence, 0.0), value[0])


@dataclass(frozen=True)
class _Kinds:
    """The pairs of one stratum by kind: those within each category first, then those between each two."""

    first: Indices
    """(pair,) texts of each pair, in the order of kinds."""
    second: Indices
    order: Indices
    """(pair,) where these pairs lie among the stratum's."""
    slices: tuple[slice, ...]
    """Where the pairs of each kind lie."""
    categories: int
    """How many of the kinds, the first, are within a category."""
    within: int
    """How many pairs are."""
    size: int
    """Texts of the stratum."""

    @classmethod
    def of(cls, labels: Codes, pooled: bool) -> _Kinds:
        """Of a stratum's (text,) labels; `pooled`: two kinds, within and between."""
        size, k = len(labels), int(labels.max()) + 1
        first, second = np.triu_indices(size, 1)
        low, high = (pick(labels[first], labels[second]).astype(np.int64) for pick in (np.minimum, np.maximum))
        apart = low != high
        kind = apart * k * k if pooled else apart * k * k + low * k + high
        order = np.argsort(kind, kind="stable")
        starts = np.flatnonzero(np.diff(kind[order], prepend=-1))
        slices = tuple(slice(a, b) for a, b in zip(starts.tolist(), [*starts[1:].tolist(), len(order)], strict=True))
        within = int((~apart).sum())
        return cls(first[order], second[order], order, slices, int((starts < within).sum()), within, size)

    @cached_property
    def of_text(self) -> Indices:
        """(text, other text) the pairs of each text."""
        size, place = self.size, np.zeros((self.size, self.size), dtype=np.int64)
        place[self.first, self.second] = place[self.second, self.first] = np.arange(len(self.order))
        return place[~np.eye(size, dtype=bool)].reshape(size, size - 1)


@dataclass(frozen=True)
class _Places:
    """Where pairs within lie among those between, and the other way round, at one cell."""

    outside: Indices
    """Pairs between, from the least to the most alike."""
    inside: Indices
    """Pairs within, likewise."""
    under: Indices
    """(pair within,) how many pairs between lie below it, and how many below it or level with it."""
    upto: Indices
    over: Indices
    """(pair between,) how many pairs within lie below it, and how many below it or level with it."""
    beyond: Indices

    @classmethod
    def of(cls, values: Floats, within: int, slack: float) -> _Places:
        """Of one cell's similarities in the order of kinds."""
        ranks = codes(values, slack)
        mine, others = ranks[:within], ranks[within:]
        inside, outside = np.argsort(mine, kind="stable"), np.argsort(others, kind="stable")
        under, upto = (np.searchsorted(others[outside], mine, side) for side in ("left", "right"))
        over, beyond = (np.searchsorted(mine[inside], others, side) for side in ("left", "right"))
        return cls(outside, inside, under, upto, over, beyond)


@dataclass(frozen=True)
class _Weight:
    """What the pairs of one stratum weigh under some resamples."""

    kinds: _Kinds
    share: Floats
    """(resample, pair) weights that add up to 1 over pairs within and over pairs between, each kind as heavy as another."""
    defined: tuple[Floats, Floats]
    """(resample, 1) how many kinds of pairs within, and between, were drawn at all."""

    @classmethod
    def of(cls, m: Floats, kinds: _Kinds) -> _Weight:
        """Of (resample, text) multiplicities."""
        share = m[:, kinds.first]
        share *= m[:, kinds.second]
        totals = np.stack([share[:, s].sum(axis=1) for s in kinds.slices], axis=1)
        parts = totals[:, : kinds.categories] > 0, totals[:, kinds.categories :] > 0
        inside, outside = (part.sum(axis=1, keepdims=True).astype(np.float64) for part in parts)
        number = np.where(np.arange(totals.shape[1]) < kinds.categories, inside, outside)
        for s, total, count in zip(kinds.slices, totals.T, number.T, strict=True):
            share[:, s] *= np.divide(1.0, total * count, out=np.zeros_like(total), where=total > 0)[:, None]
        return cls(kinds, share, (inside, outside))

    @property
    def good(self) -> NDArray[np.bool_]:
        """(resample,) whether pairs within and between were drawn."""
        return np.asarray(((self.defined[0] > 0) & (self.defined[1] > 0))[:, 0])

    def auc(self, places: _Places) -> tuple[Floats, Floats]:
        """(resample,) AUC of pairs within over pairs between, and (resample, pair) weight x d AUC / d weight."""
        count, kinds = self.kinds.within, self.kinds
        slope = np.empty_like(self.share)
        first, second = slope[:, :count], slope[:, count:]
        first[:] = _below(self.share[:, count:], places.outside, places.under, places.upto)
        second[:] = self.defined[0] > 0
        second -= _below(self.share[:, :count], places.inside, places.over, places.beyond)
        slope *= self.share
        auc = first.sum(axis=1)
        for kind, s in enumerate(kinds.slices):
            number = self.defined[0 if kind < kinds.categories else 1][:, 0]
            mean = slope[:, s].sum(axis=1) * number  # what pairs of this kind exceed, or are exceeded by, on average
            slope[:, s] -= self.share[:, s] * mean[:, None]
        return auc, slope


def _below(weight: Floats, order: Indices, under: Indices, upto: Indices) -> Floats:
    """(resample, place) the weight of what lies below each place, and half of what is level with it."""
    summed = np.zeros((len(weight), weight.shape[1] + 1))
    np.cumsum(weight[:, order], axis=1, out=summed[:, 1:])
    found = summed[:, under]
    if not np.array_equal(under, upto):
        found += summed[:, upto]
        found /= 2
    return np.asarray(found)
