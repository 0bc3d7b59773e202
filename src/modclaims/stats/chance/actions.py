"""What chance may do: exchange labels among units (freely, within strata, by whole blocks), or flip signs.

Row 0 of every set of arrangements is what was observed, so that counting rows at least as extreme gives
p = #{T* >= T} / N when all are enumerated, and p = (b + 1) / (B + 1) when B are drawn (Phipson & Smyth 2010).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError

Codes = NDArray[np.int64]
Blind = Literal["no", "jointly", "within_strata"]
MIN_BLOCKS = 4
"""Fewer blocks than this, of a category or with it, say too little of how much blocks vary."""


def codes(values: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    """Integer codes by first appearance (so that renaming a category changes no draw), and the names in that order."""
    names = tuple(dict.fromkeys(values))
    index = {name: code for code, name in enumerate(names)}
    return np.array([index[value] for value in values], dtype=np.int64), names


@dataclass(frozen=True)
class Design:
    """Which label each unit bears, and inside which stratum chance may exchange it."""

    labels: Codes
    """(unit,) category codes 0 ... K - 1."""
    strata: Codes
    """(unit,) stratum codes; all zero where exchange is free."""
    names: tuple[str, ...]
    """Category names, by code."""
    clusters: Codes | None = None
    """(unit,) what is resampled and split as one, where that is more than a unit; every stratum lies inside a cluster."""

    @classmethod
    def of(
        cls, labels: Sequence[str], strata: Sequence[str] | None = None, clusters: Sequence[str] | None = None
    ) -> Design:
        """From label values; strata are those inside each cluster.

        Raises `ClaimError` where fewer than two categories meet in every stratum.
        """
        lab, names = codes(labels)
        st = codes(strata)[0] if strata is not None else np.zeros(len(lab), dtype=np.int64)
        whole = None if clusters is None else codes(clusters)[0]
        if whole is not None:
            st = codes([f"{c},{s}" for c, s in zip(whole, st, strict=True)])[0]
        design = cls(lab, st, names, whole)
        if not design.usable_strata:
            raise ClaimError(
                "No stratum holds two categories of which one has two texts, so within and between cannot be compared; "
                "choose another label or another within=."
            )
        return design

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.labels)

    @property
    def k(self) -> int:
        """Number of categories."""
        return len(self.names)

    @cached_property
    def counts(self) -> Codes:
        """(category, stratum) number of units."""
        table = np.zeros((self.k, int(self.strata.max()) + 1), dtype=np.int64)
        np.add.at(table, (self.labels, self.strata), 1)
        return table

    @cached_property
    def usable_strata(self) -> tuple[int, ...]:
        """Strata with at least two categories, one of them with at least two units."""
        present = self.counts
        return tuple(
            int(h) for h in range(present.shape[1]) if (present[:, h] > 0).sum() >= 2 and present[:, h].max() >= 2
        )

    @cached_property
    def cells(self) -> Codes:
        """(unit,) code of its category x stratum: the groups inside which units are resampled."""
        return codes([f"{a},{b}" for a, b in zip(self.labels, self.strata, strict=True)])[0]

    @cached_property
    def members(self) -> tuple[Codes, ...]:
        """Units of each cluster; none where units are drawn by themselves."""
        return (
            () if self.clusters is None else tuple(np.flatnonzero(self.clusters == c) for c in np.unique(self.clusters))
        )

    @cached_property
    def digest(self) -> str:
        """Hash of labels and strata, part of the key of every random stream.

        Relabelling hangs on these alone, so that p is the same whether strata lie inside clusters or not.
        """
        return hashlib.sha256(self.labels.tobytes() + b"|" + self.strata.tobytes()).hexdigest()


@dataclass(frozen=True)
class Arrangements:
    """Relabellings of one design, made once a claim and used at every cell."""

    labels: NDArray[np.int16]
    """(arrangement, unit) category codes; row 0 is the observed labelling."""
    exact: bool
    """Whether these are all the distinct arrangements."""
    total: int
    """How many distinct arrangements there are."""

    @property
    def floor(self) -> float:
        """The smallest p that can be attained."""
        return 1 / len(self.labels)


def _classes(groups: Codes, labels: Codes) -> list[tuple[Codes, Codes]]:
    """For each exchange class: indices of its units, and their labels."""
    return [(np.flatnonzero(groups == g), labels[groups == g]) for g in np.unique(groups)]


def _swappable(classes: list[tuple[Codes, Codes]]) -> dict[int, int]:
    """Category -> its set of interchangeable categories: those with equal counts in every class."""
    signature: dict[int, tuple[int, ...]] = {}
    for label in sorted({int(v) for _, lab in classes for v in lab}):
        signature[label] = tuple(int((lab == label).sum()) for _, lab in classes)
    kinds = {s: i for i, s in enumerate(dict.fromkeys(signature.values()))}
    return {label: kinds[s] for label, s in signature.items()}


@dataclass(frozen=True)
class _Home:
    """Exchange classes whose category names may be swapped only together."""

    units: Codes
    """(place,) the units of all its classes, one class after the other."""
    labels: Codes
    """(place,) their labels."""
    classes: tuple[Codes, ...]
    """The labels of each class."""
    swappable: dict[int, int] | None
    """Which categories may swap names without changing the statistic; None where it sees names."""

    @property
    def count(self) -> int:
        """How many labellings `orders` yields: a swap of names leaves no labelling as it is."""
        total = 1
        for labels in self.classes:
            total *= math.factorial(len(labels))
            for size in Counter(labels.tolist()).values():
                total //= math.factorial(size)
        if self.swappable is not None:
            for kind in Counter(self.swappable.values()).values():
                total //= math.factorial(kind)
        return total

    def orders(self) -> Iterator[tuple[int, ...]]:
        """Distinct labellings of the places; one for each set that only swaps names among equals.

        Of such a set the one in which interchangeable categories first appear in the order of their codes.
        """
        left = [Counter(labels.tolist()) for labels in self.classes]
        class_of = [i for i, labels in enumerate(self.classes) for _ in labels]
        chosen: list[int] = []
        opened: list[int] = []  # categories in the order of their first appearance

        def extend() -> Iterator[tuple[int, ...]]:
            if len(chosen) == len(class_of):
                yield tuple(chosen)
                return
            here = left[class_of[len(chosen)]]
            for label in sorted(here):
                fresh = label not in opened
                if not here[label] or (fresh and self._comes_later(label, opened)):
                    continue
                here[label] -= 1
                chosen.append(label)
                if fresh:
                    opened.append(label)
                yield from extend()
                if fresh:
                    opened.pop()
                chosen.pop()
                here[label] += 1

        return extend()

    def _comes_later(self, label: int, opened: list[int]) -> bool:
        """Whether an interchangeable category with a smaller code must appear first."""
        kinds = self.swappable
        return kinds is not None and any(
            other not in opened and other < label and kinds[other] == kinds[label] for other in kinds
        )

    def canonical(self) -> Codes:
        """The observed labelling under the names by which `orders` yields it."""
        if self.swappable is None:
            return self.labels
        pool: dict[int, list[int]] = {}
        for label in sorted(self.swappable):
            pool.setdefault(self.swappable[label], []).append(label)
        renamed: dict[int, int] = {}
        for label in self.labels.tolist():
            if label not in renamed:
                renamed[label] = pool[self.swappable[label]].pop(0)
        return np.array([renamed[label] for label in self.labels.tolist()])


def _homes(groups: Codes, labels: Codes, strata: Codes, blind: Blind) -> list[_Home]:
    """Exchange classes, put together where names are swapped in all of them at once: everywhere (`jointly`), or in one
    stratum."""
    classes = _classes(groups, labels)
    if blind == "no":
        homes = list(range(len(classes)))
    else:
        homes = [0 if blind == "jointly" else int(strata[where[0]]) for where, _ in classes]
    found = []
    for home in dict.fromkeys(homes):
        inside = [c for c, h in zip(classes, homes, strict=True) if h == home]
        units, held = np.concatenate([where for where, _ in inside]), tuple(lab for _, lab in inside)
        found.append(_Home(units, np.concatenate(held), held, None if blind == "no" else _swappable(inside)))
    return found


def count_arrangements(design: Design, *, blind: Blind = "no") -> int:
    """Number of distinct relabellings of texts, within strata; `blind` to category names counts partitions."""
    return math.prod(home.count for home in _homes(design.strata, design.labels, design.strata, blind))


def relabellings(
    design: Design,
    *,
    budget: int,
    rng: np.random.Generator,
    blocks: Sequence[str] | None = None,
    blind: Blind = "no",
) -> Arrangements:
    """Distinct relabellings: all of them where they number at most `budget`, else `budget` draws after the observed.

    Exchangeable under the null: the labels of units inside a stratum. With `blocks`, labels constant in every
    block move as whole blocks among blocks of equal size (and stratum), and labels that vary inside blocks are
    exchanged inside each block. `blind` says what the statistic cannot see: nothing (`no`), a renaming of
    categories everywhere (`jointly`), or a renaming in each stratum alone (`within_strata`); arrangements that
    differ only in that way are one.

    Raises `ClaimError` where labels vary inside some blocks and not in others, or a block spans strata.
    """
    groups, labels, strata = design.strata, design.labels, design.strata
    members: list[Codes] | None = None
    if blocks is not None:
        which = codes(list(blocks))[0]
        varies = [len(set(labels[which == b])) > 1 for b in range(which.max() + 1)]
        if all(varies):
            groups = codes([f"{s},{b}" for s, b in zip(groups, which, strict=True)])[0]
        elif any(varies):
            raise ClaimError(
                "Labels vary inside some blocks and are constant in others, so chance has no single unit; "
                "split the mixed blocks or leave them out."
            )
        else:
            members = [np.flatnonzero(which == b) for b in range(which.max() + 1)]
            if any(len(set(groups[m])) > 1 for m in members):
                raise ClaimError("A block spans several strata; within= and block cannot be combined for this corpus.")
            labels = np.array([labels[m[0]] for m in members])
            strata = np.array([strata[m[0]] for m in members])
            groups = codes([f"{groups[m[0]]},{len(m)}" for m in members])[0]
    homes = _homes(groups, labels, strata, blind)
    total = math.prod(home.count for home in homes)
    exact = total <= budget
    if exact:
        rows, observed = np.empty((total, len(labels)), dtype=np.int16), np.empty(len(labels), dtype=np.int16)
        for row, combination in zip(rows, product(*[list(home.orders()) for home in homes]), strict=True):
            for home, order in zip(homes, combination, strict=True):
                row[home.units] = order
        for home in homes:
            observed[home.units] = home.canonical()
        first = int(np.flatnonzero((rows == observed).all(axis=1))[0])
        rows[[0, first]] = rows[[first, 0]]
        rows[0] = labels  # the same partition, under its own names
    else:
        rows = np.empty((budget + 1, len(labels)), dtype=np.int16)
        rows[0] = labels
        for where, lab in _classes(groups, labels):
            rows[1:, where] = rng.permuted(np.tile(lab.astype(np.int16), (budget, 1)), axis=1)
    if members is not None:
        wide = np.empty((len(rows), design.n), dtype=np.int16)
        for block, where in enumerate(members):
            wide[:, where] = rows[:, [block]]
        rows = wide
    return Arrangements(rows, exact, total)


def index_permutations(design: Design, *, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(1 + draws, unit) orders of the units inside their strata; row 0 is the identity.

    For statistics that move whole rows of a residual matrix (Freedman & Lane 1983) rather than labels.
    """
    rows = np.tile(np.arange(design.n), (draws + 1, 1))
    for h in np.unique(design.strata):
        where = np.flatnonzero(design.strata == h)
        rows[1:, where] = rng.permuted(rows[1:, where], axis=1)
    return rows


def sign_flips(n: int, *, budget: int, rng: np.random.Generator) -> tuple[NDArray[np.int8], bool]:
    """(arrangement, text) signs for per-text paired differences; row 0 keeps them all. True where all 2^n are given.

    Exchangeable under the null: the sign of each text's difference, so its law must be symmetric about 0.
    """
    if n <= 62 and 2**n <= budget:
        bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return (1 - 2 * bits).astype(np.int8), True
    signs = rng.integers(0, 2, size=(budget + 1, n), dtype=np.int8) * 2 - 1
    signs[0] = 1
    return signs, False
