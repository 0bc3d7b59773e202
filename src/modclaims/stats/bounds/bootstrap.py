"""Bounds by the bootstrap-t: resample units inside each category x stratum, or whole clusters, and studentise in closed form.

Effects come as *replicates*: a value and each unit's influence under every resample, row 0 being the sample
itself. Where clusters are drawn, they stand wherever a unit is spoken of here. Sums and differences of effects are then
sums and differences of values and influences, so a contrast gets its bound from the same resamples on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.end_of_scale import CombinedEnds, EndLaw
from modclaims.stats.bounds.replicates import Replicates, share_of_fixed, standard_errors
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.bounds.second_bounds import NoncentralF, StudentT
from modclaims.stats.chance.permutation import chunks

Floats = NDArray[np.float64]


def _identity(value: Floats) -> Floats:
    return value


@dataclass(frozen=True)
class Bounds:
    """Effects of many cells with one-sided bounds, by cell and simultaneous over cells.

    `theta`, `se` and `t` live on the scale on which the bootstrap-t was run; `forward` and `backward` lead from
    the effect's own scale to that one and back (both increasing).
    """

    theta: Floats
    """(cell,) estimates."""
    se: Floats
    """(cell,) closed-form standard errors."""
    t: Floats
    """(R, cell) studentised deviations (theta* - centre) / se*."""
    forward: Callable[[Floats], Floats] = field(default=_identity)
    backward: Callable[[Floats], Floats] = field(default=_identity)
    noncentral: NoncentralF | None = None
    ends: tuple[float, float] = (-np.inf, np.inf)
    """The ends of the effect's scale; an effect there has no bound but that of `end`."""
    factor: float = 1.0
    """By what a level counted off `t` is multiplied (2 for levels merged over splits)."""
    splits: int = 0
    """Splits of the texts that these bounds are merged from; 0 for none."""
    student: StudentT | None = None
    """A second bound, of means."""
    drawn: bool = True
    """Whether `t` was drawn, so that levels counted off it have a Monte Carlo error; false where it is a law's quantiles."""
    end: EndLaw | CombinedEnds | None = None
    """The law at and near the ends of the scale; None where there is none."""
    constant: NDArray[np.bool_] | None = None
    """(cell,) whether all that a cell's effect is read from is alike, but for rounding; None where no cell is."""
    fixed_share: Floats | None = None
    """(cell,) share of the squared standard error that more texts would leave; None for none of it."""
    null_objects: int = 0
    """How many null objects it comes from."""
    held: ClassVar[bool] = True
    """Whether `t` holds all cells' deviations; else they are worked out again where they are asked for (`columns`)."""
    _kept: dict[tuple[str, float, bytes | None], Floats] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """Levels and limits that were worked out, since a claim, its figures and its table ask for the same."""

    def _once(self, what: str, at: float, cells: NDArray[np.int64] | None, work_out: Callable[[], Floats]) -> Floats:
        key = (what, float(at), None if cells is None else cells.tobytes())
        if key not in self._kept:
            self._kept[key] = work_out()
        return self._kept[key].copy()

    @property
    def _laws(self) -> list[NoncentralF | StudentT]:
        """What gives a second bound; the wider one counts."""
        return [law for law in (self.noncentral, self.student) if law is not None]

    @property
    def effect(self) -> Floats:
        """(cell,) estimates on the effect's own scale."""
        return self.backward(self.theta)

    @property
    def silent(self) -> NDArray[np.bool_]:
        """(cell,) whether a cell is constant: it has an upper bound at most."""
        return np.zeros(len(self.theta), dtype=bool) if self.constant is None else self.constant

    @property
    def varies(self) -> NDArray[np.bool_]:
        """(cell,) whether the bootstrap gives a bound: finite, some spread, and not at the end of its scale."""
        effect = self.effect
        inside = (effect > self.ends[0] + 1e-12) & (effect < self.ends[1] - 1e-12)
        return np.asarray(np.isfinite(self.theta) & np.isfinite(self.se) & (self.se > 0) & inside & ~self.silent)

    @property
    def bounded(self) -> NDArray[np.bool_]:
        """(cell,) whether a bound exists, by the bootstrap or by the law at the end of the scale."""
        if self.end is None:
            return self.varies
        return np.asarray(np.isfinite(self.theta) & ~self.silent)

    def least(self, smallest: float, cells: NDArray[np.int64], together: tuple[int, int]) -> tuple[float, float]:
        """The smallest levels at which bounds of these cells support or refute a claim, whatever the data, so many cells being
        bounded `together` on either side."""
        drawn = self._spent(cells)
        if self.end is None:
            return drawn, drawn
        up, down = (self.end.least(smallest, drawn, times)[side] for side, times in enumerate(together))
        return up, down

    def floor(self, cells: NDArray[np.int64]) -> float:
        """The smallest level that is counted in any of these cells; 0 where a law has a say, which is not counted."""
        return 0.0 if self.end is not None else self._spent(cells)

    def _spent(self, cells: NDArray[np.int64]) -> float:
        """The smallest level among resamples: those that leave an effect or its spread undefined, as where one text is drawn
        throughout, count against every bound."""
        spent = float(self.undefined[cells].min()) * len(self.t)
        return min(1.0, self.factor * (1 + spent) / (len(self.t) + 1))

    @property
    def told_by(self) -> str:
        """What levels are read off, in words."""
        return "bootstrap-t bound"

    def texts_needed(
        self, smallest: float, alpha: float, cells: NDArray[np.int64], *, refute: int, support: int
    ) -> tuple[int | None, int | None] | None:
        """Units that would refute, and support, by a law that says so at once; None where resamples must tell."""
        if self.noncentral is None:
            return None  # the standard error of omega^2 depends on omega^2 itself
        return self.noncentral.texts_needed(smallest, alpha, cells=len(cells), refute=refute, support=support)

    @property
    def capped(self) -> bool:
        """Whether a law says how small levels may be at most, whatever is drawn."""
        return isinstance(self.end, EndLaw) and self.end.capped

    @property
    def comparisons(self) -> float | None:
        """b, where no bound may be bolder than that of a perfect sample of so many comparisons; None where nothing caps them."""
        return self.end.b if isinstance(self.end, EndLaw) and self.end.capped else None

    def sparse(self, alpha: float) -> NDArray[np.bool_]:
        """(cell,) whether effect or spread is undefined in more than alpha / 2 of the resamples, and no law helps.

        Such cells stand outside bands and carry no claim; nor do they refute one.
        """
        if self.end is not None:
            return np.zeros(len(self.theta), dtype=bool)
        return np.asarray((self.undefined > alpha / 2) & self.bounded)

    def z(self, smallest: float) -> Floats:
        """(cell,) standard errors between the estimate and `smallest`; not a number where there is no bound."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(self.varies, (self.theta - self.forward(np.array(smallest))) / self.se, np.nan))

    def columns(self, cells: NDArray[np.int64] | None = None) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """All cells, or some, a block at a time: which, and their (R, cell) t*. All at once where these are held."""
        yield (np.arange(len(self.theta)), self.t) if cells is None else (cells, self.t[:, cells])

    @cached_property
    def undefined(self) -> Floats:
        """(cell,) share of the resamples that leave an effect, or its spread, undefined: large where few units differ."""
        return self._of_blocks(lambda cells, t: (~np.isfinite(t)).mean(axis=0))

    def _of_blocks(
        self, found: Callable[[NDArray[np.int64], Floats], Floats], cells: NDArray[np.int64] | None = None
    ) -> Floats:
        """(cell,) numbers of each cell's t*, block by block."""
        return np.concatenate([found(some, t) for some, t in self.columns(cells)])

    @cached_property
    def _widths(self) -> tuple[Floats, Floats]:
        """(cell,) upper 5 % points of each cell's own t* and -t*: in units of them, a cell with long tails does not set
        the band of all others (Beran 1988), for the reason for which maxT standardises its statistics."""
        large = np.finfo(np.float64).max

        def points(cells: NDArray[np.int64], t: Floats) -> Floats:
            return np.stack([np.quantile(_with(t, large, sign), 0.95, axis=0) for sign in (1.0, -1.0)], axis=1)

        first, second = np.clip(self._of_blocks(points), 0.5, 1e6).T
        return first, second

    def _extreme(self, upwards: bool, cells: NDArray[np.int64]) -> Floats:
        """(R,) the largest t*, or -t*, in units of its width over those of `cells` that have a bound.

        Where one is undefined it counts as infinite for its own cell (`_own`), and for the others as the largest that this
        cell's t* ever are: otherwise one cell in which few units differ would set the band of all.
        """
        use, sign = cells[self.varies[cells]], 1.0 if upwards else -1.0
        found, widths = np.full(len(self.t), -np.inf), self._widths[0 if upwards else 1]
        if not len(use):
            return found
        for some, t in self.columns(use):
            width = widths[some]
            most = _with(t, -np.inf, sign).max(axis=0) / width
            for rows in chunks(len(t), len(some)):
                scaled = np.where(np.isfinite(t[rows]), t[rows] / (sign * width), most)
                np.maximum(found[rows], scaled.max(axis=1), out=found[rows])
        return found

    def _at_least(self, extreme: Floats, z: Floats) -> Floats:
        """(cell,) levels counted among the values of a band; a cell's own undefined resamples count against it."""
        ordered = np.sort(extreme)
        count = len(ordered) - np.searchsorted(ordered, z, side="left")
        some_are = np.flatnonzero(self.undefined > 0)
        if len(some_are):
            count[some_are] = count[some_are] + self._of_blocks(
                lambda cells, t: (~np.isfinite(t) & ~(extreme[:, None] >= z[cells])).sum(axis=0), some_are
            )
        return (1 + count) / (1 + len(self.t))

    def _band(self, extreme: Floats, level: float) -> Floats:
        """(cell,) the value of a band at a level, in units of each cell's width."""
        found = np.repeat(-_order_statistic(-extreme[:, None], level), len(self.theta))
        some_are = np.flatnonzero(self.undefined > 0)
        if len(some_are):
            found[some_are] = self._of_blocks(
                lambda cells, t: -_order_statistic(-np.where(np.isfinite(t), extreme[:, None], np.inf), level), some_are
            )
        return found

    def _counted(self, z: Floats, side: float) -> Floats:
        """(cell,) levels of each cell's own bound, counted among its t*; undefined ones count against it."""

        def beyond(cells: NDArray[np.int64], t: Floats) -> Floats:
            found = _with(t, side * np.inf)
            return np.asarray(((found >= z[cells]) if side > 0 else (found <= z[cells])).sum(axis=0))

        return (1 + self._of_blocks(beyond)) / (1 + len(self.t))

    def _own_point(self, level: float, side: float) -> Floats:
        """(cell,) the t* at which each cell's own lower bound (side 1) or upper one (-1) has a level."""

        def point(cells: NDArray[np.int64], t: Floats) -> Floats:
            return side * -_order_statistic(_with(t, -np.inf, -side), level)

        return self._of_blocks(point)

    def p_lower(self, smallest: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) smallest level whose lower bound clears `smallest`; simultaneous over `cells` where given.

        Resamples in which an effect is undefined count against the bound. 1 where there is no bound.
        """
        return self._once("p_lower", smallest, cells, lambda: self._p_lower(smallest, cells))

    def _p_lower(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        z = self.z(smallest)
        p = self._counted(z, 1.0) if cells is None else self._at_least(self._extreme(True, cells), z / self._widths[0])
        times = 1 if cells is None else len(cells)
        for law in self._laws:
            p = np.maximum(p, np.minimum(1.0, law.p_lower(smallest) * times))
        if self.end is None:
            return np.where(np.isnan(z), 1.0, p)
        p = self.end.p_lower(self._or_end(p, z, 1), smallest, times)
        return np.where(self.bounded, p, 1.0)

    def p_upper(self, smallest: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) smallest level whose upper bound falls below `smallest`; simultaneous over `cells` where given."""
        return self._once("p_upper", smallest, cells, lambda: self._p_upper(smallest, cells))

    def _p_upper(self, smallest: float, cells: NDArray[np.int64] | None) -> Floats:
        z = self.z(smallest)
        p = (
            self._counted(z, -1.0)
            if cells is None
            else self._at_least(self._extreme(False, cells), -z / self._widths[1])
        )
        times = 1 if cells is None else len(cells)
        for law in self._laws:
            p = np.maximum(p, np.minimum(1.0, law.p_upper(smallest) * times))
        if self.end is None:
            return np.where(np.isnan(z), 1.0, p)
        p = self.end.p_upper(self._or_end(p, z, 0), smallest, times)
        p = np.where(self.bounded, p, 1.0)
        return np.where(self.silent, min(1.0, times * self.end.p_upper_of_constant(smallest)), p)

    def _at(self, which: int) -> NDArray[np.bool_]:
        """(cell,) whether the effect stands at the lower (0) or the upper (1) end of its scale, where no sample beats it.

        Never of sums: the law of their parts speaks alone where the bootstrap has nothing to say.
        """
        if isinstance(self.end, CombinedEnds):
            return np.zeros(len(self.theta), dtype=bool)
        return np.asarray((np.abs(self.effect - self.ends[which]) <= 1e-12) & ~self.silent)

    def _or_end(self, p: Floats, z: Floats, which: int) -> Floats:
        """(cell,) levels of the bootstrap as the law at the end takes them: where it has none, 0 at the end that favours
        the bound and 1 elsewhere; or not a number, where the law speaks alone."""
        if self.end is not None and not self.end.capped:
            return np.where(np.isnan(z), np.nan, p)
        return np.where(self._at(which), 0.0, np.where(np.isnan(z), 1.0, p))

    def _or_scale(self, limit: Floats, which: int) -> Floats:
        """(cell,) limits, likewise: where the bootstrap has none, the end that the bound would reach at most or at least."""
        if self.end is not None and not self.end.capped:
            return np.where(self.varies, limit, np.nan)
        return np.where(self.varies, limit, np.where(self._at(which), self.ends[which], self.ends[1 - which]))

    def lower(self, level: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) one-sided lower bounds at `level` each, or simultaneous over `cells`; blank where there is none."""
        return self._once("lower", level, cells, lambda: self._lower(level, cells))

    def _lower(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        if cells is None:
            t = self._own_point(level, 1.0)
        else:
            t = self._band(self._extreme(True, cells), level) * self._widths[0]
        times, limit = 1 if cells is None else len(cells), self._limit(t)
        for law in self._laws:
            limit = np.minimum(limit, law.limit(1 - level / times))
        if self.end is not None:
            limit = self.end.lower(self._or_scale(limit, 1), level, times)
        return np.where(self.bounded, limit, np.nan)

    def upper(self, level: float, cells: NDArray[np.int64] | None = None) -> Floats:
        """(cell,) one-sided upper bounds at `level` each, or simultaneous over `cells`; blank where there is none."""
        return self._once("upper", level, cells, lambda: self._upper(level, cells))

    def _upper(self, level: float, cells: NDArray[np.int64] | None) -> Floats:
        if cells is None:
            t = self._own_point(level, -1.0)
        else:
            t = -self._band(self._extreme(False, cells), level) * self._widths[1]
        times, limit = 1 if cells is None else len(cells), self._limit(t)
        for law in self._laws:
            limit = np.maximum(limit, law.limit(level / times))
        if self.end is None:
            return np.where(self.bounded, limit, np.nan)
        limit = np.where(self.bounded, self.end.upper(self._or_scale(limit, 0), level, times), np.nan)
        return np.where(self.silent, self.end.upper_of_constant(level / times), limit)

    def _limit(self, t: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            limit = self.backward(self.theta - t * self.se)
        low, high = self.ends
        return np.asarray(np.clip(limit, low if self.noncentral is None else 0.0, high))


def _with(t: Floats, value: float, sign: float = 1.0) -> Floats:
    """(R, cell) sign x t*, or `value` where it is undefined."""
    signed, defined = t if sign > 0 else -t, np.isfinite(t)
    return signed if defined.all() else np.where(defined, signed, value)


def _order_statistic(t: Floats, level: float) -> Floats:
    """(cell,) the quantile that agrees with counting: below it lie floor(level (R + 1)) - 1 of the R values, else -inf."""
    rank = int(np.floor(level * (1 + len(t)) + 1e-9)) - 1
    if rank < 0:
        return np.full(t.shape[1], -np.inf)
    return np.asarray(np.partition(t, rank, axis=0)[rank] if rank < len(t) else np.full(t.shape[1], np.inf))


def bootstrap_t(
    replicates: Replicates,
    resamples: Resamples,
    *,
    forward: Callable[[Floats], Floats] = _identity,
    backward: Callable[[Floats], Floats] = _identity,
    noncentral: NoncentralF | None = None,
    means: bool = False,
    ends: tuple[float, float] = (-np.inf, np.inf),
) -> Bounds:
    """Bounds from replicates whose values lie on the bootstrap's scale.

    A resample whose standard error is zero gives t = 0 where it equals the estimate and infinity elsewhere, so it
    widens the interval. Of `means`, sums of what each unit adds, Student's t gives a second bound. Efron & Tibshirani (1993), section 12.5, with the standard error of Hajek's projection.
    """
    se = standard_errors(replicates, resamples)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = replicates.value[1:] - replicates.centre
        t = np.where(deviation == 0, 0.0, deviation / se[1:])
    student = StudentT.of(replicates, resamples) if means else None
    return Bounds(
        replicates.value[0],
        se[0],
        t,
        forward,
        backward,
        noncentral,
        ends,
        student=student,
        fixed_share=share_of_fixed(replicates, resamples),
        null_objects=resamples.null_objects,
    )
