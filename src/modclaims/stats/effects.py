"""Effect sizes, each with what the bootstrap needs: its value and every text's influence under every resample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.actions import Arrangements, Design
from modclaims.stats.bootstrap import Bounds, NoncentralF, Replicates, Resamples, bootstrap_t
from modclaims.stats.permutation import (
    GapWeights,
    Pairs,
    between_ss_null,
    chunks,
    degrees_of_freedom,
    doubled_midranks,
    f_null,
    indicator_gram,
    stratum_centred,
    unvarying,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.floating]
"""Weights of pairs: whole numbers and halves, exact in float32 too."""


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
    (one over pairs, said to cover 95 %, covered 60 % at 60 texts). 0 where nothing varies.
    """
    same, parts = same_pairs(design, pairs), []
    for where in pairs.slices:
        inside, outside = similarities[where][same[where]], similarities[where][~same[where]]
        squares = sum(((part - part.mean(axis=0)) ** 2).sum(axis=0) for part in (inside, outside))
        sd = np.sqrt(squares / max(len(inside) + len(outside) - 2, 1))
        difference = inside.mean(axis=0) - outside.mean(axis=0)
        parts.append(np.divide(difference, sd, out=np.zeros_like(sd), where=sd > 0))
    return np.asarray(np.mean(parts, axis=0))


def cliffs_delta(similarities: Floats, design: Design, pairs: Pairs, resamples: Resamples) -> Replicates:
    """Cliff's delta of within-category over between-category similarities, 2 AUC - 1, averaged over strata.

    `similarities` is (pair, cell); the same number as ANOSIM's R. Positive when same-category texts are more
    alike. Two copies of one text are no pair; a pair drawn m_i m_j times weighs that much. The influence of text
    i is the derivative by m_i. A stratum whose resample has no within or no between pair is left out of that
    replicate's average. Where whole clusters are drawn, a copy of one brings its own pairs again: each of its strata
    weighs as often as the cluster was drawn.
    """
    if design.members:
        return _delta_of_clusters(similarities, design, pairs, resamples)
    times = resamples.times
    rows, cells = len(times), similarities.shape[1]
    influence = np.zeros((rows, design.n, cells))
    same = same_pairs(design, pairs)
    total, defined = np.zeros((rows, cells)), np.zeros((rows, 1))
    widest = max(s.stop - s.start for s in pairs.slices)
    for members, where in zip(pairs.members, pairs.slices, strict=True):
        size = len(members)
        first, second = np.triu_indices(size, 1)
        order = np.argsort(~same[where], kind="stable")  # within pairs first
        first, second, count = first[order], second[order], int(same[where].sum())
        ordered = similarities[where][order]
        incidence = np.zeros((len(first), size))
        incidence[np.arange(len(first)), first] = incidence[np.arange(len(first)), second] = 1.0
        # Few pairs: which of them exceed which, as a matrix. Many: sort, and cumulate weights.
        kernels = [
            _exceeds(column[:count], column[count:]) if count * (len(first) - count) <= KERNEL else None
            for column in ordered.T
        ]
        for block in chunks(rows, widest):
            m = times[block][:, members]
            weight = m[:, first] * m[:, second]
            within, between = weight[:, :count].sum(axis=1), weight[:, count:].sum(axis=1)
            good = (within > 0) & (between > 0)
            defined[block, 0] += good
            per_text = np.divide(1.0, m, out=np.zeros_like(m), where=m > 0)
            # Counts of pairs and their halves: float32 holds them exactly below 2^23, in half the memory traffic.
            counted: Counts = weight.astype(np.float32) if size**2 < 2**23 else weight
            above: Counts
            below: Counts
            for c, kernel in enumerate(kernels):
                if kernel is not None:
                    exceeds = kernel.astype(counted.dtype)
                    above, below = counted[:, count:] @ exceeds.T, counted[:, :count] @ exceeds
                else:
                    above, below = _by_sorting(counted, count, ordered[:, c])
                auc, slope = _weighted_auc(weight, count, above, below, within, between)
                total[block, c] += np.where(good, 2 * auc - 1, 0.0)
                influence[block, members, c] = 2 * np.where(good[:, None], (slope @ incidence) * per_text, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where((defined > 0) & np.isfinite(similarities).all(axis=0), total / defined, np.nan)
        influence /= np.maximum(defined, 1)[:, :, None]
    return Replicates(value, influence, value[0])


def _delta_of_clusters(similarities: Floats, design: Design, pairs: Pairs, resamples: Resamples) -> Replicates:
    """`cliffs_delta` where clusters are drawn: the mean over strata of what is fixed in each, influences by cluster."""
    finite, same, times = np.isfinite(similarities).all(axis=0), same_pairs(design, pairs), resamples.times
    sums, strata = np.zeros((len(design.members), similarities.shape[1])), np.zeros(len(design.members))
    home = {int(unit): c for c, units in enumerate(design.members) for unit in units}
    for members, where in zip(pairs.members, pairs.slices, strict=True):
        inside, cluster = int(same[where].sum()), home[int(members[0])]
        values = np.where(finite, similarities[where], 0.0)
        ranks = np.stack([doubled_midranks(column) for column in values.T], axis=1)
        above = ranks[same[where]].sum(axis=0) - inside * (inside + 1)
        sums[cluster] += above / (inside * (len(values) - inside)) - 1
        strata[cluster] += 1
    drawn = (times @ strata)[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(finite, times @ sums / drawn, np.nan)
        influence = (sums - strata[:, None] * value[:, None]) / drawn[:, None]
    return Replicates(value, np.where(times[:, :, None] > 0, influence, 0.0), value[0])


KERNEL = 60_000
"""Within pairs x between pairs up to which a comparison matrix is faster than sorting."""


def _exceeds(inside: Floats, outside: Floats) -> Floats:
    """(within pair, between pair) 1 where the first is larger, 1/2 where they tie (within 1e-12 of the range)."""
    difference = inside[:, None] - outside[None, :]
    span = max(float(inside.max()), float(outside.max())) - min(float(inside.min()), float(outside.min()))
    tie = np.abs(difference) <= 1e-12 * span
    return np.where(tie, 0.5, (difference > 0).astype(np.float64))


def _by_sorting(weight: Counts, count: int, values: Floats) -> tuple[Counts, Counts]:
    """For each within pair the weight of between pairs below it, and for each between pair that of within pairs above it."""
    order = np.argsort(values, kind="stable")
    back = np.argsort(order, kind="stable")
    inside = order < count
    sorted_weight = np.take(weight, order, axis=1)
    outer = _mid_cumulative(sorted_weight * ~inside, values[order])
    inner = _mid_cumulative(sorted_weight * inside, values[order])
    within = weight[:, :count].sum(axis=1)
    return np.take(outer, back[:count], axis=1), within[:, None] - np.take(inner, back[count:], axis=1)


def _weighted_auc(
    weight: Floats, count: int, above: Counts, below: Counts, within: Floats, between: Floats
) -> tuple[Floats, Floats]:
    """AUC of within over between pairs (within pairs first), and each pair's share weight x d AUC / d weight.

    `above` (resample, within pair) is the weight of between pairs that a within pair exceeds, `below` (resample,
    between pair) that of within pairs that exceed a between pair. Gives (resample,) and (resample, pair).
    """
    inside, outside = np.where(within > 0, within, 1.0), np.where(between > 0, between, 1.0)
    slope = np.empty_like(weight)
    first, second = slope[:, :count], slope[:, count:]
    np.multiply(weight[:, :count], above, out=first)
    auc = first.sum(axis=1) / (inside * outside)
    first /= outside[:, None]
    first -= weight[:, :count] * auc[:, None]
    first /= inside[:, None]
    np.divide(below, inside[:, None], out=second)
    second -= auc[:, None]
    second *= weight[:, count:]
    second /= outside[:, None]
    return auc, slope


def _mid_cumulative(weight: Counts, ordered: Floats) -> Counts:
    """For each pair, the weight of smaller values plus half that of equal ones (ties within 1e-12 of the range)."""
    upto = np.cumsum(weight, axis=1)
    span = float(ordered[-1] - ordered[0]) if len(ordered) else 0.0
    breaks = np.flatnonzero(np.diff(ordered) > 1e-12 * span) + 1
    if len(breaks) == len(ordered) - 1:
        return np.asarray(upto - weight / 2)
    starts = np.concatenate([[0], breaks])
    ends = np.concatenate([breaks, [len(ordered)]]) - 1
    which = np.searchsorted(starts, np.arange(len(ordered)), side="right") - 1
    before = np.where(starts > 0, upto[:, starts - 1], 0.0)
    return np.asarray((before + upto[:, ends])[:, which] / 2)


def omega_squared(f: Floats, df1: int, n: int) -> Floats:
    """Partial omega^2 from F: df1 (F - 1) / (df1 (F - 1) + n) (Hays 1963; Olejnik & Algina 2003)."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(f), 1.0, df1 * (f - 1) / (df1 * (f - 1) + n))


def log_one_plus_f2(omega2: Floats) -> Floats:
    """log(1 + f^2) = -log(1 - omega^2): the scale on which omega^2 is bootstrapped."""
    return np.asarray(-np.log1p(-np.asarray(omega2)))


def omega2_of_log(theta: Floats) -> Floats:
    """The inverse of `log_one_plus_f2`; minus infinity for limits that lie beyond any number."""
    with np.errstate(over="ignore"):
        return np.asarray(-np.expm1(-np.asarray(theta)))


def omega_squared_replicates(responses: Floats, design: Design, resamples: Resamples) -> Replicates:
    """log(1 + f^2) of category given strata, one cell a column of `responses` (unit, cell).

    1 + f^2 = (df1 F - df1 + n) / n. With r the stratum-centred and e the full model's residual, d SSE = e_i^2 and
    d SSA = r_i^2 - e_i^2 by text i's multiplicity, from which its influence follows; a cluster's is the same summed
    over its texts.
    """
    if design.members:
        return ClusterLogRatio.of(responses, design, resamples).replicates
    times = resamples.times
    y = np.asarray(responses, dtype=np.float64)
    y = y - y.mean(axis=0)
    strata = [np.flatnonzero(design.strata == h) for h in np.unique(design.strata)]
    hot = (design.labels[:, None] == np.arange(design.k)).astype(np.float64)
    centred_hot = hot.copy()
    for where in strata:
        centred_hot[where] -= hot[where].mean(axis=0)
    inverse = np.linalg.pinv(indicator_gram(design))
    df1, df2 = degrees_of_freedom(design)
    rows, cells = len(times), y.shape[1]
    value, influence, centre = np.empty((rows, cells)), np.empty((rows, design.n, cells)), np.zeros(cells)
    for block in chunks(rows, design.n * cells):
        m = times[block]
        residual = np.broadcast_to(y, (len(m), *y.shape)).copy()
        for where in strata:
            mean = (m[:, where] @ y[where]) / len(where)
            residual[:, where] -= mean[:, None, :]
        sums = np.einsum("bn,nk,bnm->bkm", m, centred_hot, residual, optimize=True)
        coefficients = np.einsum("kl,blm->bkm", inverse, sums)
        error = residual - np.einsum("nk,bkm->bnm", centred_hot, coefficients)
        sst = np.einsum("bn,bnm->bm", m, residual**2)
        sse = np.einsum("bn,bnm->bm", m, error**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = df2 * (sst - sse) / sse
            if block.start == 0:
                centre = np.log(sst[0] / sse[0])
            value[block] = np.log((ratio - df1 + design.n) / design.n)
            scale = df2 / (sse * (ratio - df1 + design.n))
            slope = scale[:, None] * (residual**2 - error**2 * (sst / sse)[:, None])
        influence[block] = np.where(m[:, :, None] > 0, slope, 0.0)
    return Replicates(value, influence, centre)


def omega_squared_bounds(responses: Floats, design: Design, resamples: Resamples) -> Bounds:
    """omega^2 of every cell with the wider of two bounds: noncentral-F inversion, and bootstrap-t on log(1 + f^2).

    `responses` is (unit, cell). Resampled are units inside each category x stratum, or whole clusters.
    """
    observed = Arrangements(design.labels[None].astype(np.int16), True, 1)
    f = f_null(responses, design, observed)[0][0]
    df1, df2 = degrees_of_freedom(design)
    step = max(1, 2**21 // (len(resamples.times) * (len(design.members) or len(np.unique(design.cells)))))
    parts = [
        log_ratio(responses[:, start : start + step], design, resamples).studentised()
        for start in range(0, responses.shape[1], step)
    ]
    theta, se, t = (np.concatenate(found, axis=-1) for found in zip(*parts, strict=True))
    flat = unvarying(responses, between_ss_null(responses, design, observed)[1])
    return Bounds(
        np.where(flat, 0.0, theta),
        np.where(flat, 0.0, se),
        t,
        log_one_plus_f2,
        omega2_of_log,
        NoncentralF(
            f, df1, df2, design.n, ClusterSums.of(responses, design).inflation(df2) if design.members else None
        ),
        (-np.inf, 1.0),
    )


@dataclass(frozen=True)
class Moments:
    """log(1 + f^2) under some of the resamples, and what its influences are made of: linear u + square u^2 but for a
    constant of the group."""

    rows: slice
    """Which resamples; the first of all is the sample itself."""
    value: Floats
    """(row, cell)."""
    ratio: LogRatio
    linear: Floats
    """(group, row, cell)."""
    square: Floats
    """(row, cell)."""
    first: Floats
    """(group, row, cell) sums of u over what was drawn."""
    second: Floats
    """(group, row, cell) sums of u^2."""

    def error(self) -> Floats:
        """(row, cell) standard errors: Hajek's projection inside groups, as `bootstrap_t` has it."""
        variance, square, times = np.zeros_like(self.value), self.square, self.ratio.resamples.times[self.rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            twice, squared = 2 * square, square * square
            for g, (where, powers) in enumerate(zip(self.ratio.groups, self.ratio.powers, strict=True)):
                if (size := len(where)) < 2:
                    continue
                drawn, linear = times[:, where], self.linear[g]
                # sum of squares of the influences, less the square of their sum over the size
                terms = linear * linear
                terms *= self.second[g]
                terms += squared * (drawn @ powers[3])
                mean = linear * self.first[g]
                mean += square * self.second[g]
                mean *= mean
                mean /= size
                part = drawn @ powers[2]
                part *= linear
                part *= twice
                part += terms
                part -= mean
                variance += size / (size - 1) * _at_least_rounding(part, terms)
            return np.sqrt(variance)

    def influence(self, weights: Floats) -> Floats:
        """(row, unit) influences on the sum over cells of weights (row, cell) x value, but for a constant a group."""
        out = np.empty((len(self.value), len(self.ratio.deviation)))
        with np.errstate(invalid="ignore"):
            square = weights * self.square
            for g, (where, powers) in enumerate(zip(self.ratio.groups, self.ratio.powers, strict=True)):
                out[:, where] = (weights * self.linear[g]) @ powers[0].T + square @ powers[1].T
        return out


@dataclass(frozen=True)
class LogRatio:
    """log(1 + f^2) of category given strata under every resample, of many cells at once.

    The same numbers as `omega_squared_replicates`, without an influence a unit and resample in memory: a residual is a
    unit's deviation u from its group's sample mean (group: category x stratum) plus a constant of the resample, so an
    influence is linear u + square u^2 but for a constant of the group, and all sums are those of u, u^2, u^3 and u^4 in
    a group, which are matrix products. They come a block of resamples at a time, which stays in the processor's cache.
    """

    resamples: Resamples
    groups: tuple[NDArray[np.int64], ...]
    """Units of each group."""
    deviation: Floats
    """(unit, cell) u."""
    mean: Floats
    """(group, cell) means of the sample."""
    centring: Floats
    """(group, group) takes a stratum's mean from group means ..."""
    leaving: Floats
    """... and what the full model leaves of them."""
    df: tuple[int, int]

    @classmethod
    def of(cls, responses: Floats, design: Design, resamples: Resamples) -> LogRatio:
        """From (unit, cell) responses; resampled are units inside each category x stratum."""
        y = np.asarray(responses, dtype=np.float64)
        y = y - y.mean(axis=0)
        groups = tuple(np.flatnonzero(design.cells == g) for g in np.unique(design.cells))
        size = np.array([len(g) for g in groups], dtype=np.float64)
        stratum, category = (np.array([of[g[0]] for g in groups]) for of in (design.strata, design.labels))
        share = (stratum[:, None] == stratum) * size
        share = share / share.sum(axis=1)[:, None]  # (group, group): the mean of a group's stratum
        hot = (category[:, None] == np.arange(design.k)).astype(np.float64)
        centred = hot - share @ hot
        fit = centred @ np.linalg.pinv(indicator_gram(design)) @ (centred * size[:, None]).T
        mean = np.stack([y[g].mean(axis=0) for g in groups])
        for where, m in zip(groups, mean, strict=True):
            y[where] -= m
        every = np.eye(len(groups))
        leaving = (every - fit) @ (every - share)
        return cls(resamples, groups, y, mean, every - share, leaving, degrees_of_freedom(design))

    @cached_property
    def powers(self) -> tuple[tuple[Floats, Floats, Floats, Floats], ...]:
        """For each group (unit, cell) u, u^2, u^3 and u^4."""
        found = (self.deviation[where] for where in self.groups)
        return tuple((u, u * u, u * u * u, (u * u) ** 2) for u in found)

    @cached_property
    def centre(self) -> Floats:
        """(cell,) the plug-in value that a resample's value estimates."""
        sst, sse = self._squares(slice(0, 1), self._room([np.empty(self.mean.size) for _ in range(6)], 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.log(sst / sse)[0])

    def parts(self) -> Iterator[Moments]:
        """Blocks of resamples, in order; each is overwritten by the next, so that no memory is asked for anew."""
        n, (df1, df2) = len(self.deviation), self.df
        blocks = list(chunks(len(self.resamples.times), 32 * len(self.groups) * self.deviation.shape[1]))
        store = [np.empty(self.mean.size * blocks[0].stop) for _ in range(6)]
        for rows in blocks:
            room = self._room(store, rows.stop - rows.start)
            one, two, _, from_mean, left, _ = room
            sst, sse = self._squares(rows, room)
            with np.errstate(divide="ignore", invalid="ignore"):
                c = sst / sse
                ratio = df2 * (sst - sse) / sse
                value = np.log((ratio - df1 + n) / n)
                scale = df2 / (sse * (ratio - df1 + n))
                # d SST = (a + u)^2 and d SSE = (b + u)^2 by a unit's multiplicity, a + u and b + u being its residuals
                left *= c
                from_mean -= left
                from_mean *= 2 * scale
                yield Moments(rows, value, self, from_mean, scale * (1 - c), one, two)

    def _room(self, store: list[Floats], rows: int) -> tuple[Floats, ...]:
        """Arrays (group, row, cell) to work in."""
        shape = (len(self.groups), rows, self.deviation.shape[1])
        return tuple(memory[: math.prod(shape)].reshape(shape) for memory in store)

    def _squares(self, rows: slice, room: tuple[Floats, ...]) -> tuple[Floats, Floats]:
        """SST and SSE (row, cell); `room` gets sums of u, of u^2, means of u, a and b but for these means, and nothing."""
        times, size = self.resamples.times[rows], np.array([len(g) for g in self.groups], dtype=np.float64)
        one, two, average, centred, left, apart = room
        for g, (where, powers) in enumerate(zip(self.groups, self.powers, strict=True)):
            drawn = times[:, where]
            np.matmul(drawn, powers[0], out=one[g])
            np.matmul(drawn, powers[1], out=two[g])
        np.multiply(one, (1 / size)[:, None, None], out=average)
        # stratum-centred group means, and what the full model leaves of them
        for matrix, found in ((self.centring, centred), (self.leaving, left)):
            np.matmul(matrix, average.reshape(len(size), -1), out=found.reshape(len(size), -1))
            found += (matrix @ self.mean)[:, None]
        np.multiply(one, average, out=apart)
        np.subtract(two, apart, out=apart)
        inside = _at_least_rounding(apart.sum(axis=0), two.sum(axis=0))
        sst = inside + np.einsum("grc,grc,g->rc", centred, centred, size)
        sse = inside + np.einsum("grc,grc,g->rc", left, left, size)
        centred -= average
        left -= average
        return sst, sse

    def studentised(self) -> tuple[Floats, Floats, Floats]:
        """Values (cell,), standard errors (cell,) and t* (R, cell)."""
        value, error = (np.empty((len(self.resamples.times), self.deviation.shape[1])) for _ in range(2))
        for part in self.parts():
            value[part.rows], error[part.rows] = part.value, part.error()
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = value[1:] - self.centre
            return value[0], error[0], np.where(apart == 0, 0.0, apart / error[1:])


@dataclass(frozen=True)
class ClusterSums:
    """What each cluster adds to the fit of category given strata, all of whose strata lie inside clusters.

    With r a cluster's stratum-centred responses and A its stratum-centred categories, in a basis of what the design can
    tell of them: a copy of a cluster adds r'r, A'A and A'r again.
    """

    gram: Floats
    """(cluster, df1, df1) A'A."""
    moment: Floats
    """(cluster, df1, cell) A'r."""
    total: Floats
    """(cluster, cell) r'r."""
    own: Floats
    """(cluster, df1, cell) the cluster's own fit."""
    error: Floats
    """(cluster, cell) sum of squares that its own fit leaves."""

    @classmethod
    def of(cls, responses: Floats, design: Design) -> ClusterSums:
        """From (unit, cell) responses."""
        y = np.asarray(responses, dtype=np.float64)
        y = stratum_centred(y - y.mean(axis=0), design)
        df1, _ = degrees_of_freedom(design)
        basis = np.linalg.eigh(indicator_gram(design))[1][:, design.k - df1 :]
        a = stratum_centred(basis[design.labels], design)
        own = [np.linalg.lstsq(a[c], y[c], rcond=1e-9)[0] for c in design.members]
        error = [((y[c] - a[c] @ b) ** 2).sum(axis=0) for c, b in zip(design.members, own, strict=True)]
        return cls(
            np.stack([a[c].T @ a[c] for c in design.members]),
            np.stack([a[c].T @ y[c] for c in design.members]),
            np.stack([(y[c] ** 2).sum(axis=0) for c in design.members]),
            np.stack(own),
            np.stack(error),
        )

    def fit(self, times: Floats) -> Floats:
        """(row, df1, cell) joint fit of (row, cluster) multiplicities; not a number where categories that the design
        tells apart can no longer be told."""
        gram = np.tensordot(times, self.gram, 1)
        sizes = np.linalg.eigvalsh(gram)
        lost = sizes[:, 0] <= 1e-9 * sizes[:, -1]
        gram[lost] = np.eye(gram.shape[1])
        found = np.asarray(np.linalg.solve(gram, np.tensordot(times, self.moment, 1)), dtype=np.float64)
        found[lost] = np.nan
        return found

    def left(self, fit: Floats) -> Floats:
        """(row, cluster, cell) sum of squares that a joint fit leaves of each cluster."""
        out = np.empty((len(fit), *self.total.shape))
        for c, (gram, own, error) in enumerate(zip(self.gram, self.own, self.error, strict=True)):
            apart = fit - own
            out[:, c] = error + (apart * (gram @ apart)).sum(axis=1)
        return out

    def inflation(self, df2: int) -> Floats:
        """(cell,) how much more clusters vary, in what they say of categories, than their texts alone would make them.

        The mean square between clusters over the residual one; with as many texts of each category in every cluster it
        is the mean square of their interaction. 1 where nothing is left to compare.
        """
        clusters, df1, _ = self.moment.shape
        fit = self.fit(np.ones((1, clusters)))
        apart = self.moment - self.gram @ fit[0]
        between = (apart * np.linalg.solve(self.gram.sum(axis=0), apart)).sum(axis=(0, 1)) * clusters / (clusters - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = between / df1 / (self.left(fit)[0].sum(axis=0) / df2)
        return np.asarray(np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0), dtype=np.float64)


@dataclass(frozen=True)
class ClusterLogRatio:
    """log(1 + f^2) of category given strata where whole clusters are drawn; it answers what `LogRatio` answers.

    By a cluster's multiplicity, d SST is its own sum of squares, and d SSE what the joint fit leaves of it. n and degrees
    of freedom are the sample's.
    """

    replicates: Replicates
    resamples: Resamples

    @classmethod
    def of(cls, responses: Floats, design: Design, resamples: Resamples) -> ClusterLogRatio:
        """From (unit, cell) responses; resampled are the clusters of the design."""
        sums, times, n = ClusterSums.of(responses, design), resamples.times, design.n
        df1, df2 = degrees_of_freedom(design)
        left = sums.left(sums.fit(times))
        sst, sse = times @ sums.total, np.einsum("rc,rcm->rm", times, left)
        sse = np.where(sse <= 1e-24 * sst, 0.0, sse)  # no more than what rounding leaves
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = df2 * (sst - sse) / sse
            value = np.log((ratio - df1 + n) / n)
            scale = df2 / (sse * (ratio - df1 + n))
            influence = scale[:, None] * (sums.total - left * (sst / sse)[:, None])
            # of many more such clusters: each brings strata, at a degree of freedom each, and no further category
            centre = np.log1p((df1 + df2) / n * (sst[0] - sse[0]) / sse[0])
        return cls(Replicates(value, np.where(times[:, :, None] > 0, influence, 0.0), centre), resamples)

    @property
    def rows(self) -> slice:
        """All resamples."""
        return slice(0, len(self.replicates.value))

    @property
    def value(self) -> Floats:
        """(1 + R, cell)."""
        return self.replicates.value

    @property
    def centre(self) -> Floats:
        """(cell,) the plug-in value that a resample's value estimates."""
        return self.replicates.centre

    def parts(self) -> Iterator[ClusterLogRatio]:
        """All resamples at once: clusters are few."""
        yield self

    def studentised(self) -> tuple[Floats, Floats, Floats]:
        """Values (cell,), standard errors (cell,) and t* (R, cell)."""
        bounds = bootstrap_t(self.replicates, self.resamples)
        return bounds.theta, bounds.se, bounds.t

    def influence(self, weights: Floats) -> Floats:
        """(1 + R, cluster) influences on the sum over cells of weights (1 + R, cell) x value."""
        return np.asarray(np.einsum("rcm,rm->rc", self.replicates.influence, weights))


def log_ratio(responses: Floats, design: Design, resamples: Resamples) -> LogRatio | ClusterLogRatio:
    """log(1 + f^2) of (unit, cell) responses under every resample, of units or of clusters as the design has it."""
    kind = ClusterLogRatio if design.members else LogRatio
    return kind.of(responses, design, resamples)


def _at_least_rounding(difference: Floats, terms: Floats) -> Floats:
    """A difference that cannot be negative; 0 where it is no more than what rounding leaves of its terms."""
    return np.where(difference > 1e-13 * terms, difference, 0.0)


def excess_kurtosis(responses: Floats, design: Design) -> Floats:
    """(cell,) excess kurtosis of the responses inside category x stratum: large where omega^2's bounds are doubtful.

    A text that stands alone there has no residual, and is left out.
    """
    residual = np.asarray(responses, dtype=np.float64).copy()
    together = np.zeros(design.n, dtype=bool)
    for g in np.unique(design.cells):
        where = design.cells == g
        residual[where] -= residual[where].mean(axis=0)
        together |= where & (where.sum() > 1)
    residual = residual[together]
    if not len(residual):
        return np.zeros(residual.shape[1])
    variance = (residual**2).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(variance > 0, (residual**4).mean(axis=0) / variance**2 - 3, 0.0)


def hedges_g(inside: Floats, outside: Floats) -> float:
    """Hedges' g of one category's responses against the rest, positive when the category responds more (pingouin)."""
    from pingouin import compute_effsize

    return float(compute_effsize(inside, outside, eftype="hedges"))


def auc(inside: Floats, outside: Floats) -> Floats:
    """Chance that a text of the category responds more than one of the rest, ties half (scipy's Mann-Whitney U).

    Of (text,) responses, or (cell,) such chances of (text, cell) responses.
    """
    from scipy.stats import mannwhitneyu

    u = mannwhitneyu(inside, outside, method="asymptotic", axis=0).statistic
    return np.asarray(u / (len(inside) * len(outside)))
