"""What a claim says of its cells, and the levels at which the evidence carries it or its contrary.

`p_plus` is the smallest level at which the claim is supported, `p_minus` the smallest at which it is refuted;
both before correction over claims.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.evidence import Cell, Evidence
from modclaims.stats.multiplicity import clopper_pearson, partial_conjunction
from modclaims.stats.texts_needed import needed as _texts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Levels:
    """How far the evidence of one claim goes, each way."""

    p: float | None
    """Permutation p of the claim over its cells; None where the bounds alone decide."""
    p_plus: float
    p_minus: float
    cell: int
    """The cell that is named: the strongest for `somewhere`, the weakest for `everywhere`."""
    low: float
    high: float
    """Interval of the named cell's effect at the run's alpha."""
    interval: str
    """In words, what that interval is."""
    mc_p: tuple[float, float] | None
    """Monte Carlo (99 %) interval of p; None where nothing was drawn for it."""
    mc_plus: tuple[float, float]
    mc_minus: tuple[float, float]
    """Monte Carlo (99 %) intervals of the two levels."""
    texts_to_refute: int | None
    texts_to_support: int | None
    """How many texts would decide, were the effect 0, or twice the smallest that matters."""
    draws_to_refute: int | None = None
    draws_to_support: int | None = None
    """How many null objects that would take, where those at hand forbid it however many texts there were."""


@dataclass(frozen=True)
class _Sides:
    """The pieces of both levels by cell, each worked out when it is asked for."""

    evidence: Evidence
    cells: NDArray[np.int64]
    smallest: float

    @cached_property
    def raw(self) -> Floats | None:
        """Raw permutation p."""
        return None if self.evidence.test is None else self.evidence.test.p[self.cells]

    @cached_property
    def adjusted(self) -> Floats | None:
        """Permutation p corrected for what was named: a part of the cells takes its own maxT."""
        test = self.evidence.test
        if test is None:
            return None
        whole = len(self.cells) == len(self.evidence.cells)
        return test.p_adjusted[self.cells] if whole else test.adjusted_among(self.cells)

    @cached_property
    def lower(self) -> Floats:
        """Smallest levels whose own lower bound clears."""
        return self.evidence.bounds.p_lower(self.smallest)[self.cells]

    @cached_property
    def lower_band(self) -> Floats:
        """The same of simultaneous bounds."""
        return self.evidence.bounds.p_lower(self.smallest, self.cells)[self.cells]

    @cached_property
    def upper(self) -> Floats:
        """Smallest levels whose own upper bound falls below."""
        return self.evidence.bounds.p_upper(self.smallest)[self.cells]

    @cached_property
    def upper_band(self) -> Floats:
        """The same of simultaneous bounds."""
        return self.evidence.bounds.p_upper(self.smallest, self.cells)[self.cells]


def _counted(levels: Floats, draws: int, factor: float) -> Floats:
    """(3, cell) levels that are `factor` x a share of draws, between the limits (99 %) that so many draws leave them.

    The levels themselves three times where nothing was drawn. What is done to levels is done to their limits as well:
    both only rise with a level, so that a smaller p never turns a sure outcome into an unsure one.
    """
    if draws == 0:
        return np.stack([levels] * 3)
    count = np.clip(np.rint(levels / factor * (draws + 1)) - 1, 0, draws)
    low, high = clopper_pearson(count, draws)
    return np.stack([np.minimum(1.0, factor * low), levels, np.minimum(1.0, factor * high)])


def _of_test(evidence: Evidence, p: Floats | None) -> Floats | None:
    """(3, cell) permutation p between their limits; None where p plays no part."""
    if p is None or evidence.test is None:
        return None
    test = evidence.test
    return _counted(p, 0 if test.exact else test.arrangements - 1, test.factor)


def _of_bounds(evidence: Evidence, levels: Floats) -> Floats:
    """(3, cell) levels of bounds between their limits, as if resamples alone had set them."""
    draws = len(evidence.bounds.t) if evidence.bounds.drawn else 0
    return _counted(levels, draws, evidence.bounds.factor)


def _between(level: Floats) -> tuple[float, float]:
    return float(level[0]), float(level[2])


def _drawn(evidence: Evidence, level: Floats | None) -> tuple[float, float] | None:
    """The limits of the claim's permutation p; None where arrangements were enumerated or p is not used."""
    if level is None or evidence.test is None or evidence.test.exact:
        return None
    return _between(level)


class Holds(ABC):
    """How a claim quantifies over its cells."""

    @property
    @abstractmethod
    def words(self) -> str:
        """Such as `in at least half of the layers`."""

    @property
    def layered(self) -> bool:
        """Whether it speaks of one network's layers, by number or in their order."""
        return False

    def chosen(self, cells: tuple[Cell, ...]) -> NDArray[np.int64]:
        """Indices of the cells that the claim speaks of."""
        return np.arange(len(cells))

    @abstractmethod
    def levels(self, evidence: Evidence, smallest: float, alpha: float) -> Levels:
        """Both levels, the named cell and its interval."""


def _at_least(p: Floats | None, bound: Floats) -> Floats:
    return bound if p is None else np.maximum(p, bound)


def _part_of(each: Floats, at_least: int) -> Floats:
    """(3,) the partial conjunction of levels, and of their limits."""
    return np.array([partial_conjunction(row, at_least) for row in each])


@dataclass(frozen=True)
class Somewhere(Holds):
    """At least one cell: p and band at the same, named cell. Refuted when every cell's own bound falls below."""

    layers: tuple[int, ...] | None = None
    """Only these layers, named in advance; None for all."""

    @property
    def words(self) -> str:
        if self.layers is None:
            return "somewhere"
        return "at layer " + ", ".join(str(layer) for layer in self.layers)

    @property
    def layered(self) -> bool:
        return self.layers is not None

    def chosen(self, cells: tuple[Cell, ...]) -> NDArray[np.int64]:
        if self.layers is None:
            return np.arange(len(cells))
        present = {c.layer or 0 for c in cells}
        depth = 1 + max(present)
        wanted = {layer + depth if layer < 0 else layer for layer in self.layers}
        if not wanted or not wanted <= present:
            have = ", ".join(str(layer) for layer in sorted(present))
            raise ClaimError(f"Layers {list(self.layers)} were named, but the cells have layers {have}.")
        return np.array([i for i, c in enumerate(cells) if (c.layer or 0) in wanted], dtype=np.int64)

    def levels(self, evidence: Evidence, smallest: float, alpha: float) -> Levels:
        cells = self.chosen(evidence.cells)
        s = _Sides(evidence, cells, smallest)
        p = _of_test(evidence, s.adjusted)
        each = _at_least(p, _of_bounds(evidence, s.lower_band))
        plus, minus = each.min(axis=1), _of_bounds(evidence, s.upper).max(axis=1)
        bounds = evidence.bounds
        # among equals the cell whose band clears by most, then the larger effect
        z = np.nan_to_num(bounds.z(smallest)[cells], nan=-np.inf)
        first = each[1] if p is None else p[1]
        cell = int(cells[np.lexsort((-bounds.effect[cells], -z, first, each[1]))[0]])
        least = None if p is None else p.min(axis=1)
        return Levels(
            None if least is None else float(least[1]),
            float(plus[1]),
            float(minus[1]),
            cell,
            float(bounds.lower(alpha, cells)[cell]),
            float(bounds.upper(alpha)[cell]),
            _interval_words(alpha, len(cells), bounds.splits, band="lower"),
            _drawn(evidence, least),
            _between(plus),
            _between(minus),
            *_texts(evidence, cells, smallest, alpha, need_support=1, need_refute=len(cells)),
        )


@dataclass(frozen=True)
class Everywhere(Holds):
    """Every cell (intersection-union): the largest raw p and each cell's own bound. Refuted by one cell's band."""

    @property
    def words(self) -> str:
        return "everywhere"

    def levels(self, evidence: Evidence, smallest: float, alpha: float) -> Levels:
        cells = self.chosen(evidence.cells)
        s = _Sides(evidence, cells, smallest)
        p = _of_test(evidence, s.raw)
        each = _at_least(p, _of_bounds(evidence, s.lower))
        plus, minus = each.max(axis=1), _of_bounds(evidence, s.upper_band).min(axis=1)
        bounds = evidence.bounds
        named = int(np.lexsort((bounds.effect[cells], -each[1]))[0])
        cell = int(cells[named])
        most = None if p is None else p.max(axis=1)
        return Levels(
            None if most is None else float(most[1]),
            float(plus[1]),
            float(minus[1]),
            cell,
            float(bounds.lower(alpha)[cell]),
            float(bounds.upper(alpha, cells)[cell]),
            _interval_words(alpha, len(cells), bounds.splits, band="upper"),
            _drawn(evidence, most),
            _between(plus),
            _between(minus),
            *_texts(evidence, cells, smallest, alpha, need_support=len(cells), need_refute=1),
        )


@dataclass(frozen=True)
class InFraction(Holds):
    """At least u = ceil(f M) of M cells, by partial conjunction (Benjamini & Heller 2008)."""

    fraction: float

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ClaimError(
                f"in_fraction({self.fraction}) is outside (0, 1]; write in_fraction(0.5) for half of the cells."
            )

    @property
    def words(self) -> str:
        return f"in at least {100 * self.fraction:g} % of the cells"

    def levels(self, evidence: Evidence, smallest: float, alpha: float) -> Levels:
        cells = self.chosen(evidence.cells)
        s = _Sides(evidence, cells, smallest)
        m = len(cells)
        u = max(1, math.ceil(self.fraction * m - 1e-9))
        p = _of_test(evidence, s.raw)
        each = _at_least(p, _of_bounds(evidence, s.lower))
        plus = _part_of(each, u)
        minus = _part_of(_of_bounds(evidence, s.upper), m - u + 1)  # bounds so many below leave fewer than u cells
        part = None if p is None else _part_of(p, u)
        cell, bounds = int(cells[np.argsort(each[1], kind="stable")[u - 1]]), evidence.bounds
        return Levels(
            None if part is None else float(part[1]),
            float(plus[1]),
            float(minus[1]),
            cell,
            float(bounds.lower(alpha)[cell]),
            float(bounds.upper(alpha)[cell]),
            _interval_words(alpha, 1, bounds.splits) + f" (the cell ranked {u} of {m})",
            _drawn(evidence, part),
            _between(plus),
            _between(minus),
            *_texts(evidence, cells, smallest, alpha, need_support=u, need_refute=m - u + 1),
        )


@dataclass(frozen=True)
class AlongDepth(Holds):
    """A contrast of effects: the slope over relative depth, which takes its p from the text bootstrap alone."""

    direction: Literal["rises", "falls"]

    def __post_init__(self) -> None:
        if self.direction not in ("rises", "falls"):
            raise ClaimError(
                f'along_depth({self.direction!r}) is unknown; write along_depth("rises") or along_depth("falls").'
            )

    @property
    def words(self) -> str:
        return f"{self.direction} along depth"

    @property
    def layered(self) -> bool:
        return True

    def levels(self, evidence: Evidence, smallest: float, alpha: float) -> Levels:
        return Somewhere().levels(evidence, smallest, alpha)


def _interval_words(alpha: float, cells: int, splits: int, band: str | None = None) -> str:
    words = f"{100 * (1 - 2 * alpha):g} % interval"
    if cells > 1 and band is not None:
        other = "upper" if band == "lower" else "lower"
        words += f", {band} limit simultaneous over {cells} cells and {other} limit the cell's own"
    if splits:
        words += f": medians over {splits} splits of limits at level {alpha / 2:g}"
    return words


def somewhere() -> Holds:
    """The claim holds in at least one of its cells."""
    return Somewhere()


def everywhere() -> Holds:
    """The claim holds in every one of its cells."""
    return Everywhere()


def in_fraction(fraction: float) -> Holds:
    """The claim holds in at least this fraction of its cells."""
    return InFraction(fraction)


def at(*layers: int) -> Holds:
    """The claim holds at one or more of these layers, named in advance; negative ones count from the last."""
    return Somewhere(tuple(layers))


def along_depth(direction: Literal["rises", "falls"]) -> Holds:
    """The effect rises (falls) with relative depth, layer / (L - 1), by at least the smallest effect from end to end."""
    return AlongDepth(direction)


SLOPE_LAYERS = 3
"""Fewest layers that a slope along depth is taken over."""


def slope_weights(holds: Holds, layers: Sequence[int]) -> NDArray[np.float64]:
    """(layer, 1) weights of the least-squares slope over relative depth, positive where the claim's direction is met."""
    if len(layers) < SLOPE_LAYERS:
        raise ClaimError(f"along_depth needs at least {SLOPE_LAYERS} layers, and {len(layers)} were asked for.")
    depth = (np.array(layers) - layers[0]) / (layers[-1] - layers[0])
    centred = depth - depth.mean()
    sign = -1.0 if isinstance(holds, AlongDepth) and holds.direction == "falls" else 1.0
    return np.asarray((sign * centred / (centred @ centred))[:, None])
