"""Sets of units against other sets of as many units of the same layers and of like magnitude; claims that hold of all of
several effects.

Chance moves units: those of a layer, ordered by magnitude, are cut into groups of neighbours, and every unit goes the
same number of places on in its group, round and round, in all groups at once. Such moves are a group, so that a set and
its images are exchangeable where a unit's effect has nothing to do with why it was picked, and p = #{T* >= T} / N over
all N moves is exact. A unit goes where it goes in every set that holds it: sets of several sizes, of several splits of
the texts and of several categories move together, and one p may be read off their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design

Floats = NDArray[np.float64]
Place = tuple[int, int]
Places = tuple[Place, ...]


@dataclass(frozen=True)
class Moves:
    """What chance does with units: (layer, index) of a unit to that of another."""

    slots: Mapping[Place, tuple[int, int, int]]
    """By unit: its layer (0 where layers themselves are exchanged), its group there, its slot in the group."""
    units: Mapping[tuple[int, int, int], Place]
    """And back."""
    size: int
    """Units in a group."""
    turns: int
    """How many ways there are for layers to move apart: 1 where groups are large enough that they need not."""

    @classmethod
    def of(
        cls,
        magnitude: Mapping[Place, float],
        wanted: int,
        *,
        neighbours: int | None = None,
        among_layers: bool = False,
        apart: bool = True,
    ) -> Moves:
        """At least `wanted` moves, if there are so many, inside groups of `neighbours` in magnitude (None: of `wanted`) in
        every layer, or, where layers have fewer units, of all of these.

        The smallest units, of which no group is left, take no part. Where groups are small, layers move apart: layer l
        by i + l j (size / turns) places, for all i and j; not so without `apart`, since single units gain nothing by it. With `among_layers` all units are exchanged as if of one layer.
        """
        layers: dict[int, list[Place]] = {}
        for place in sorted(magnitude, key=lambda p: (-magnitude[p], p)):
            layers.setdefault(0 if among_layers else place[0], []).append(place)
        fewest = min(len(units) for units in layers.values())
        size = min(fewest, wanted, neighbours or wanted)
        turns = 1
        if apart and size < wanted and len(layers) > 1:
            turns = min((g for g in range(1, size + 1) if size % g == 0 and size * g >= wanted), default=size)
        slots = {
            place: (layer, rank // size, rank % size)
            for layer, units in layers.items()
            for rank, place in enumerate(units[: len(units) // size * size])
        }
        return cls(slots, {slot: place for place, slot in slots.items()}, size, turns)

    @property
    def count(self) -> int:
        """How many moves there are; number 0 leaves every unit where it is."""
        return self.size * self.turns

    def image(self, places: Places, move: int) -> Places:
        """Where a set goes, units ascending."""
        i, j = divmod(move, self.turns)
        found = []
        for place in places:
            layer, group, slot = self.slots[place]
            step = i + layer * j * (self.size // self.turns)
            found.append(self.units[layer, group, (slot + step) % self.size])
        return tuple(sorted(found))

    def images(self, places: Places) -> tuple[Places, ...]:
        """By move; the first is the set itself."""
        return tuple(self.image(places, move) for move in range(self.count))

    def others(self, places: Places) -> tuple[Places, ...]:
        """Distinct images other than the set itself, in the order of the moves."""
        return tuple(dict.fromkeys(found for found in self.images(places) if found != tuple(sorted(places))))


def most_images(size: int, turns: int, layers: int, units: int) -> int:
    """The most distinct images that a set of so many units may have, or several sets together, themselves among them."""
    return min(size * turns, int(size ** min(units, layers)))


@dataclass(frozen=True)
class TextsAndSets:
    """Resamples of texts, or of whole clusters of them, and of matched sets: crossed."""

    resamples: Resamples
    share: Floats
    """(resampled unit, unit) which units each resampled one stands for: the identity, or membership of clusters."""
    labels: NDArray[np.int64]
    """(unit,) category codes."""
    k: int

    @classmethod
    def of(cls, texts: Resamples, sets: Resamples | None, design: Design) -> TextsAndSets:
        """From independent resamples of both; `sets` is None where nothing is compared with sets."""
        share = np.eye(design.n)
        if design.members:
            share = np.zeros((len(design.members), design.n))
            for c, members in enumerate(design.members):
                share[c, members] = 1
        both = texts
        if sets is not None:
            both = Resamples(
                np.concatenate([texts.times, sets.times], axis=1),
                np.concatenate([texts.groups, sets.groups + texts.groups.max() + 1]),
                fixed=(int(texts.groups.max()) + 1,),  # sets are one group
            )
        return cls(both, share, design.labels, design.k)

    def contrast(self, own: Floats, others: Floats, weights: Floats) -> Replicates:
        """Sum over categories of weight x mean over its units of (own - mean over others), under every resample.

        `own` is (unit,), `others` (set, unit), with no sets where nothing is taken off; `weights` (category,). The
        influence of a text is its own difference, averaged over the sets of the resample; that of a set its mean over
        the resample's texts; so the standard error adds what both vary by.
        """
        count, sets = len(self.share), len(others)
        times, drawn = self.resamples.times[:, :count], self.resamples.times[:, count:]
        by_unit = times @ self.share  # (resample, unit)
        net = np.broadcast_to(own, by_unit.shape)
        if sets:
            net = net - (drawn / sets) @ others
        value = np.zeros(len(times))
        influence = np.zeros((len(times), count + sets))
        spread = np.zeros_like(by_unit)
        with np.errstate(divide="ignore", invalid="ignore"):
            for k in np.flatnonzero(weights):
                mine = self.labels == k
                total = by_unit[:, mine].sum(axis=1)
                mean = (by_unit[:, mine] * net[:, mine]).sum(axis=1) / total
                value += weights[k] * mean
                influence[:, :count] += (
                    weights[k] * ((net[:, mine] - mean[:, None]) / total[:, None]) @ self.share[:, mine].T
                )
                spread[:, mine] = weights[k] * by_unit[:, mine] / total[:, None]
        if sets:
            by_set = spread @ others.T
            influence[:, count:] = -(by_set - (drawn / sets * by_set).sum(axis=1)[:, None]) / sets
        return Replicates(value[:, None], influence[:, :, None], value[:1])


def side_by_side(bounds: Sequence[Bounds]) -> Bounds:
    """Bounds of single cells, from the same resamples, as those of many."""
    theta, se = (np.concatenate([getattr(b, name) for b in bounds]) for name in ("theta", "se"))
    drawn = any(b.null_objects for b in bounds)
    shares = [np.zeros(len(b.theta)) if b.fixed_share is None else b.fixed_share for b in bounds]
    return Bounds(
        theta,
        se,
        np.concatenate([b.t for b in bounds], axis=1),
        ends=bounds[0].ends,
        fixed_share=np.concatenate(shares) if drawn else None,
        null_objects=max(b.null_objects for b in bounds),
    )


@dataclass(frozen=True)
class WeakestBounds(Bounds):
    """Bounds of the smallest of several effects each (intersection-union): all must clear, one below is enough.

    Lower limits are the smallest of the members' own, with no correction for their number; upper limits those of the
    members' simultaneous ones. Its own `theta`, `se` and `t` are those of the weakest member.
    """

    whole: Bounds | None = None
    """Bounds of all members."""
    groups: tuple[NDArray[np.int64], ...] = ()
    """Members of each cell."""

    @classmethod
    def of(cls, whole: Bounds, groups: Sequence[NDArray[np.int64]]) -> WeakestBounds:
        """From bounds of all members."""
        theta = np.nan_to_num(whole.theta, nan=-np.inf)
        weakest = np.array([group[int(np.argmin(theta[group]))] for group in groups])
        return cls(
            whole.theta[weakest],
            whole.se[weakest],
            whole.t[:, weakest],
            ends=whole.ends,
            factor=whole.factor,
            splits=whole.splits,
            fixed_share=None if whole.fixed_share is None else whole.fixed_share[weakest],
            null_objects=whole.null_objects,
            whole=whole,
            groups=tuple(groups),
        )

    def _of_all(self) -> Bounds:
        assert self.whole is not None
        return self.whole

    @property
    def bounded(self) -> NDArray[np.bool_]:
        members = self._of_all().bounded
        return np.array([bool(members[group].all()) for group in self.groups])

    def sparse(self, alpha: float) -> NDArray[np.bool_]:
        members = self._of_all().sparse(alpha)
        return np.array([bool(members[group].any()) for group in self.groups])

    def _members(self, cells: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.sort(np.concatenate([self.groups[int(c)] for c in cells]))

    def _each(self, take: Callable[[Floats], float], values: Callable[[NDArray[np.int64]], Floats]) -> Floats:
        return np.array([take(values(group)[group]) for group in self.groups], dtype=np.float64)

    def _p_lower(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        among = None if cells is None else self._members(cells)
        found = self._of_all().p_lower(smallest, among)
        return self._each(lambda v: float(v.max()), lambda _: found)

    def _p_upper(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        whole = self._of_all()
        if cells is not None:
            found = whole.p_upper(smallest, self._members(cells))
            return self._each(lambda v: float(v.min()), lambda _: found)
        return self._each(lambda v: float(v.min()), lambda group: whole.p_upper(smallest, group))

    def _lower(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        among = None if cells is None else self._members(cells)
        found = self._of_all().lower(level, among)
        return self._each(lambda v: float(v.min()), lambda _: found)

    def _upper(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        whole = self._of_all()
        if cells is not None:
            found = whole.upper(level, self._members(cells))
            return self._each(_least, lambda _: found)
        return self._each(_least, lambda group: whole.upper(level, group))


def _least(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.min()) if known.size else float("nan")


def typical_tokens(ids: NDArray[np.int64], own: NDArray[np.bool_], count: int) -> tuple[int, ...]:
    """The tokens that stand most for some texts among others: largest z of the log-odds-ratio, each token's prior being
    how often it occurs in all of them (Monroe, Colaresi & Quinn 2008, equations 16 and 22). At most `count`, z above 0.

    `ids` is (text, token), negative where there is none; `own` (text,).
    """
    vocabulary = int(ids.max()) + 1
    mine, theirs = (
        np.bincount(part[part >= 0], minlength=vocabulary).astype(np.float64) for part in (ids[own], ids[~own])
    )
    both = mine + theirs
    prior = both / both.sum() * min(mine.sum(), theirs.sum()) + 1e-12
    odds = [np.log((part + prior) / (part.sum() + prior.sum() - part - prior)) for part in (mine, theirs)]
    z = (odds[0] - odds[1]) / np.sqrt(1 / (mine + prior) + 1 / (theirs + prior))
    z[both == 0] = -np.inf
    order = np.lexsort((np.arange(vocabulary), -z))[:count]
    return tuple(sorted(int(token) for token in order if z[token] > 0))
