"""log(1 + f^2) of categories given strata under every resample, of units or of whole clusters, of many cells at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.cluster_sums import ClusterSums
from modclaims.stats.bounds.replicates import Replicates, standard_errors
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import chunks, degrees_of_freedom, indicator_gram

Floats = NDArray[np.float64]


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

    def estimates(self) -> tuple[Floats, Floats]:
        """Values and standard errors (1 + R, cell)."""
        value, error = (np.empty((len(self.resamples.times), self.deviation.shape[1])) for _ in range(2))
        for part in self.parts():
            value[part.rows], error[part.rows] = part.value, part.error()
        return value, error

    def studentised(self) -> tuple[Floats, Floats, Floats]:
        """Values (cell,), standard errors (cell,) and t* (R, cell)."""
        value, error = self.estimates()
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = value[1:] - self.centre
            return value[0], error[0], np.where(apart == 0, 0.0, apart / error[1:])


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

    def estimates(self) -> tuple[Floats, Floats]:
        """Values and standard errors (1 + R, cell)."""
        return self.replicates.value, standard_errors(self.replicates, self.resamples)

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
