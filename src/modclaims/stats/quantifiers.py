"""What a claim says of its cells, and the levels at which the evidence carries it or its contrary.

`p_plus` is the smallest level at which the claim is supported, `p_minus` the smallest at which it is refuted;
both before correction over claims.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.bounds.texts_needed import needed as _texts
from modclaims.stats.evidence import Cell, Evidence
from modclaims.stats.sides import Levels, Sides, between, drawn_between

Floats = NDArray[np.float64]


class Holds(ABC):
    """How a claim quantifies over its cells."""

    @property
    @abstractmethod
    def words(self) -> str:
        """Such as `in at least half of the layers`."""

    def check(self) -> None:
        """Raise `ClaimError` for what no claim can say; not when it is written, so that it is one claim's fault and not its file's."""
        return

    @property
    def layered(self) -> bool:
        """Whether it speaks of one network's layers, by number or in their order."""
        return False

    def chosen(self, cells: tuple[Cell, ...]) -> NDArray[np.int64]:
        """Indices of the cells that the claim speaks of."""
        return np.arange(len(cells))

    def together(self, cells: int) -> tuple[int, int]:
        """Of so many cells, how many are bounded together where it is supported, and where it is refuted."""
        return cells, 1

    def needed(self, cells: int) -> int:
        """How many of so many cells must have the effect for the claim to hold."""
        return 1

    @property
    def any_of(self) -> bool:
        """Whether it takes several cells, whichever they are, so that bounds hold for all of them at once."""
        return False

    def contrast(self, layers: Sequence[int]) -> Floats | None:
        """(layer, 1) weights of the one contrast of layers that the claim is about; None where it is about cells."""
        return None

    @property
    def contrasts(self) -> bool:
        """Whether it is about one contrast of layers."""
        return False

    def named(self, evidence: Evidence, smallest: float, alpha: float, claims: int = 1) -> int:
        """The cell that is named, as `levels` has it."""
        return self.levels(evidence, smallest, alpha, claims).cell

    @abstractmethod
    def levels(self, evidence: Evidence, smallest: float, alpha: float, claims: int = 1) -> Levels:
        """Both levels, the named cell and its interval; `claims` are corrected together, which says what carries one."""


def _carrying(levels: Floats, claims: int, alpha: float) -> NDArray[np.bool_]:
    """Which levels carry a claim among so many: those that no correction can undo, or else the smallest ones."""
    return np.asarray(levels <= max(alpha / claims, float(levels.min(initial=1.0))) * (1 + 1e-9))


def _within(layers: tuple[int, ...] | None, cells: tuple[Cell, ...]) -> NDArray[np.int64]:
    """Indices of the cells at some layers. Raises `ClaimError` for a layer that the cells lack."""
    if layers is None:
        return np.arange(len(cells))
    _check_layers(layers)
    present = {c.layer or 0 for c in cells}
    depth = 1 + max(present)
    wanted = {layer + depth if layer < 0 else layer for layer in layers}
    if not wanted or not wanted <= present:
        have = ", ".join(str(layer) for layer in sorted(present))
        raise ClaimError(f"Layers {list(layers)} were named, but the cells have layers {have}.")
    return np.array([i for i, c in enumerate(cells) if (c.layer or 0) in wanted], dtype=np.int64)


def _check_layers(layers: tuple[int, ...] | None) -> None:
    """Raises `ClaimError` for what is no layer's number."""
    if layers == ():
        raise ClaimError("at() names no layer; write at(0), at(3, -1), or somewhere().")
    for layer in layers or ():
        if isinstance(layer, bool) or not isinstance(layer, (int, np.integer)):
            raise ClaimError(
                f"{layer!r} is no layer. Write whole numbers, such as at(3, -1); negative ones count from the last layer."
            )


@dataclass(frozen=True)
class Somewhere(Holds):
    """At least one cell: p and band at the same cell. Refuted when every cell's own bound falls below.

    Supported, it names the largest effect among the cells that carry the claim; refuted, the largest upper limit; else the
    cell that sets p+.
    """

    layers: tuple[int, ...] | None = None
    """Only these layers, named in advance; None for all."""

    def check(self) -> None:
        _check_layers(self.layers)

    @property
    def words(self) -> str:
        if self.layers is None:
            return "somewhere"
        if len(self.layers) == 1:
            return f"at layer {self.layers[0]}"
        return "at one or more of layers " + ", ".join(str(layer) for layer in self.layers)

    @property
    def layered(self) -> bool:
        return self.layers is not None

    def chosen(self, cells: tuple[Cell, ...]) -> NDArray[np.int64]:
        return _within(self.layers, cells)

    def levels(self, evidence: Evidence, smallest: float, alpha: float, claims: int = 1) -> Levels:
        cells, bounds = self.chosen(evidence.cells), evidence.bounds
        s = Sides(evidence, cells, smallest, alpha)
        minus = s.below.max(axis=1)
        plus, least, carrying, p_cell = np.ones(3), None, 0, None
        if len(s.able):
            each, p = s.together(s.able), s.p(s.able)
            plus, least = each.min(axis=1), None if p is None else p.min(axis=1)
            carry = _carrying(each[1], claims, alpha)
            carrying, cell = int(carry.sum()), s.largest(s.able[carry] if carry.any() else s.able)
        else:
            cell, p = s.largest(cells), None
            least = None if evidence.test is None else np.ones(3)
        if minus[1] <= alpha and minus[1] < plus[1]:
            cell = int(cells[np.argmax(np.nan_to_num(bounds.upper(alpha)[cells], nan=np.inf))])
        if evidence.test is not None:
            p_cell = 1.0 if p is None or cell not in s.able else float(p[1][s.able == cell][0])
        return Levels(
            None if least is None else float(least[1]),
            float(plus[1]),
            float(minus[1]),
            cell,
            float(bounds.lower(alpha, s.able)[cell]) if cell in s.able else float("nan"),
            float(bounds.upper(alpha)[cell]),
            _interval_words(alpha, len(s.able), bounds.splits, band="lower"),
            drawn_between(evidence, least),
            between(plus),
            between(minus),
            *_texts(evidence, cells, smallest, alpha, need_support=1, need_refute=len(cells)),
            p_cell,
            carrying,
            len(s.able) > 1,
        )


@dataclass(frozen=True)
class Everywhere(Holds):
    """Every cell (intersection-union): the largest raw p and each cell's own bound. Refuted by one cell's band.

    Supported, it names the smallest effect; refuted, the smallest among the cells that refute it; else the cell that sets p+.
    """

    layers: tuple[int, ...] | None = None
    """Only these layers, named in advance; None for all."""

    def check(self) -> None:
        _check_layers(self.layers)

    def together(self, cells: int) -> tuple[int, int]:
        return 1, cells

    @property
    def words(self) -> str:
        if self.layers is None:
            return "everywhere"
        return "at every one of layers " + ", ".join(str(layer) for layer in self.layers)

    def needed(self, cells: int) -> int:
        return cells

    @property
    def layered(self) -> bool:
        return self.layers is not None

    def chosen(self, cells: tuple[Cell, ...]) -> NDArray[np.int64]:
        return _within(self.layers, cells)

    def levels(self, evidence: Evidence, smallest: float, alpha: float, claims: int = 1) -> Levels:
        cells, bounds = self.chosen(evidence.cells), evidence.bounds
        s = Sides(evidence, cells, smallest, alpha)
        each, below = s.alone, s.below_together(cells)
        plus, minus = each.max(axis=1), below.min(axis=1)
        if plus[1] <= alpha:
            cell = s.least(cells)
        elif minus[1] <= alpha:
            cell = s.least(cells[_carrying(below[1], claims, alpha)])
        else:
            cell = s.least(cells[each[1] >= plus[1]])
        most = None if s.raw is None else s.raw.max(axis=1)
        return Levels(
            None if most is None else float(most[1]),
            float(plus[1]),
            float(minus[1]),
            cell,
            float(bounds.lower(alpha)[cell]),
            s.upper(cell, cells),
            _interval_words(alpha, len(s.able), bounds.splits, band="upper"),
            drawn_between(evidence, most),
            between(plus),
            between(minus),
            *_texts(evidence, cells, smallest, alpha, need_support=len(cells), need_refute=1),
            None if s.raw is None else float(s.raw[1][cells == cell][0]),
        )


ALL_SETS = 12
"""Cells up to which a partial conjunction is searched over all sets of its size."""


@dataclass(frozen=True)
class InFraction(Holds):
    """At least u = ceil(f M) of M cells, by partial conjunction (Benjamini & Heller 2008).

    At least u of M cells carry it unless some M - u + 1 of them all do not, so that its level is the largest that any set of
    so many has by maxT and band over these alone. Up to 12 cells all sets are looked at, beyond that the one of the least
    extreme cells. Refuted, likewise: some u cells would all have to reach the smallest effect. The cell of rank u is named.
    """

    fraction: float

    def check(self) -> None:
        if isinstance(self.fraction, bool) or not isinstance(self.fraction, (int, float)) or not 0 < self.fraction <= 1:
            raise ClaimError(
                f"in_fraction({self.fraction!r}) is outside (0, 1]; write in_fraction(0.5) for half of the cells."
            )

    @property
    def words(self) -> str:
        return f"in at least {100 * self.fraction:g} % of the cells"

    def rank(self, cells: int) -> int:
        """u, the fewest of so many cells that carry it."""
        return max(1, math.ceil(self.fraction * cells - 1e-9))

    def needed(self, cells: int) -> int:
        return self.rank(cells)

    @property
    def any_of(self) -> bool:
        return True

    def together(self, cells: int) -> tuple[int, int]:
        return cells - self.rank(cells) + 1, self.rank(cells)

    def levels(self, evidence: Evidence, smallest: float, alpha: float, claims: int = 1) -> Levels:
        cells, bounds = self.chosen(evidence.cells), evidence.bounds
        s = Sides(evidence, cells, smallest, alpha)
        m = len(cells)
        u = self.rank(m)
        order = cells[
            np.lexsort((-np.nan_to_num(bounds.effect[cells], nan=-np.inf), s.alone[1]))
        ]  # the most extreme first
        able = order[np.isin(order, s.able)]
        plus, part, rest = np.ones(3), None if evidence.test is None else np.ones(3), able[u - 1 :]
        if len(rest):
            sets = _sets(able, len(rest))
            plus = np.max([s.together(among).min(axis=1) for among in sets], axis=0)
            ps = [p.min(axis=1) for among in sets if (p := s.p(among)) is not None]
            part = np.max(ps, axis=0) if ps else None
        # u cells that all reach the smallest effect must be ruled out: hardest to rule out are the largest ones
        rising = cells[np.argsort(s.below[1], kind="stable")]
        minus = np.max([s.below_together(among).min(axis=1) for among in _sets(rising, u)], axis=0)
        cell = int(rest[0]) if len(rest) else int(order[u - 1])
        p_cell = None if evidence.test is None else 1.0
        if len(rest) and (p := s.p(np.sort(rest))) is not None:
            p_cell = float(p[1][np.sort(rest) == cell][0])
        hardest = rising[-u:] if cell in rising[-u:] else np.array([cell])
        return Levels(
            None if part is None else float(part[1]),
            float(plus[1]),
            float(minus[1]),
            cell,
            float(bounds.lower(alpha, np.sort(rest))[cell]) if cell in rest else float("nan"),
            s.upper(cell, hardest),
            _interval_words(alpha, len(rest), bounds.splits, band="lower", other=len(hardest))
            + f" (the cell ranked {u} of {m})",
            drawn_between(evidence, part),
            between(plus),
            between(minus),
            *_texts(evidence, cells, smallest, alpha, need_support=u, need_refute=m - u + 1),
            p_cell,
            adjusted=len(rest) > 1,
        )


def _sets(ordered: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Sets of `size` cells to look at, each in ascending order: all of few cells, else the last ones of `ordered`."""
    if len(ordered) <= ALL_SETS:
        return [np.array(one) for one in combinations(np.sort(ordered).tolist(), size)]
    return [np.sort(ordered[len(ordered) - size :])]


@dataclass(frozen=True)
class AlongDepth(Holds):
    """A contrast of effects: the slope over relative depth, which takes its p from the text bootstrap alone."""

    direction: Literal["rises", "falls"]

    def check(self) -> None:
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

    @property
    def contrasts(self) -> bool:
        return True

    def contrast(self, layers: Sequence[int]) -> Floats | None:
        return _slope(layers, -1.0 if self.direction == "falls" else 1.0)

    def named(self, evidence: Evidence, smallest: float, alpha: float, claims: int = 1) -> int:
        return 0

    def levels(self, evidence: Evidence, smallest: float, alpha: float, claims: int = 1) -> Levels:
        return Somewhere().levels(evidence, smallest, alpha, claims)


def _interval_words(alpha: float, cells: int, splits: int, band: str | None = None, other: int = 1) -> str:
    """What an interval is: one limit of a band over so many cells, the other the cell's own, or of a band itself."""
    words = f"{100 * (1 - 2 * alpha):g} % interval"
    if (cells > 1 or other > 1) and band is not None:
        own = "upper" if band == "lower" else "lower"
        kinds = [
            f"{limit} limit simultaneous over {count} cells" if count > 1 else f"{limit} limit the cell's own"
            for limit, count in ((band, cells), (own, other))
        ]
        words += f", {' and '.join(kinds)}"
    if splits:
        words += f": merged from {splits} splits' limits at level {alpha / 2:g}"
    return words


def _listed(layers: tuple[object, ...]) -> tuple[int, ...]:
    """Layers one by one, or in one list; what is none is told when the claim is checked."""
    inside = layers[0] if len(layers) == 1 and isinstance(layers[0], (list, tuple, range)) else layers
    return tuple(inside)


def somewhere() -> Holds:
    """The claim holds in at least one of its cells (layers, heads, coordinates, ...).

    SUPPORTED where one and the same cell has an adjusted p and a simultaneous lower bound that clear
    their levels: the search is paid for in both. REFUTED where the upper bound of every cell by itself
    lies below the smallest effect.

    Returns
    -------
    Holds
        For a claim's `holds`; the default of nearly every family.

    References
    ----------
    Westfall & Young (1993), Resampling-Based Multiple Testing.

    Examples
    --------
    >>> from modclaims import somewhere
    >>> somewhere().words
    'somewhere'
    """
    return Somewhere()


def everywhere(*layers: int) -> Holds:
    """The claim holds in every one of its cells, or in all of those at these layers.

    SUPPORTED where every cell's own p and lower bound clear their levels (intersection-union, so nothing is
    corrected over cells). REFUTED where the upper bound of one of them, simultaneous over all, falls
    below the smallest effect.

    Parameters
    ----------
    *layers : int
        Layers named in advance, from 0, negative ones counted from the last; none for all cells.

    Returns
    -------
    Holds
        For a claim's `holds`.

    References
    ----------
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling.

    Examples
    --------
    >>> from modclaims import everywhere
    >>> everywhere().words
    'everywhere'
    >>> everywhere(0, -1).words
    'at every one of layers 0, -1'
    """
    return Everywhere(_listed(layers) or None)


def in_fraction(fraction: float) -> Holds:
    """The claim holds in at least this fraction of its cells.

    With u = ceil(fraction x cells), SUPPORTED where every set of so many cells that fewer than u would be
    left has one that carries the claim, each set tested by step-down maxT and simultaneous bounds (all sets
    up to 12 cells, beyond that the set of the least extreme ones).

    Parameters
    ----------
    fraction : float
        Above 0, at most 1.

    Returns
    -------
    Holds
        For a claim's `holds`.

    References
    ----------
    Benjamini & Heller (2008), Screening for partial conjunction hypotheses.

    Examples
    --------
    >>> from modclaims import in_fraction
    >>> in_fraction(0.5).words
    'in at least 50 % of the cells'
    >>> in_fraction(0.5).rank(7)  # of 7 layers
    4
    """
    return InFraction(fraction)


def at(*layers: int) -> Holds:
    """The claim holds at one or more of these layers, named in advance.

    As `somewhere()`, over the cells of these layers alone: p and bounds are corrected for what was named and
    nothing else. For all of several layers write `everywhere(3, 5)`.

    Parameters
    ----------
    *layers : int
        Layers from 0, negative ones counted from the last.

    Returns
    -------
    Holds
        For a claim's `holds`.

    Examples
    --------
    >>> from modclaims import at
    >>> at(-1).words
    'at layer -1'
    >>> at(3, 5).words
    'at one or more of layers 3, 5'
    """
    return Somewhere(_listed(layers))


def along_depth(direction: Literal["rises", "falls"]) -> Holds:
    """The effect rises (falls) with depth, by at least the smallest effect from the first layer looked at to the last.

    The effect becomes the least-squares slope of the layers' effects over relative depth (0 at the first
    layer looked at, 1 at the last), signed so that the direction that is claimed is positive. A contrast of effects: no exchange of labels leaves it alone,
    and p is read off the bootstrap bound. Only families with one value per layer take it, at 3 layers or
    more: `CategoryClustering`, `WithinVersusStyle`, `SimilarityLevels`, `InputReconstruction`, and claims
    about weights.

    Parameters
    ----------
    direction : {'rises', 'falls'}
        Which way.

    Returns
    -------
    Holds
        For a claim's `holds`.

    Examples
    --------
    >>> from modclaims import along_depth
    >>> along_depth("rises").words
    'rises along depth'
    """
    return AlongDepth(direction)


SLOPE_LAYERS = 3
"""Fewest layers that a slope along depth is taken over."""


def slope_weights(holds: Holds, layers: Sequence[int]) -> Floats:
    """(layer, 1) weights of the least-squares slope over relative depth, positive where the claim's direction is met."""
    contrast = holds.contrast(layers)
    return _slope(layers, 1.0) if contrast is None else contrast


def _slope(layers: Sequence[int], sign: float) -> Floats:
    if len(layers) < SLOPE_LAYERS:
        raise ClaimError(f"along_depth needs at least {SLOPE_LAYERS} layers, and {len(layers)} were asked for.")
    depth = (np.array(layers) - layers[0]) / (layers[-1] - layers[0])
    centred = depth - depth.mean()
    return np.asarray((sign * centred / (centred @ centred))[:, None])
