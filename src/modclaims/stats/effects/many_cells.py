"""Bounds of so many cells that no table of resamples by cells is held: it is worked out again where something new is asked.

What a verdict asks of all cells is answered in one pass, some cells at a time: each cell's own levels and limits, and of what is
simultaneous the largest statistic of every resample. All of it is what the held table would give.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.multiplicity import AT_ONCE
from modclaims.stats.effects.normal_scores import ScoreBounds, score_bounds
from modclaims.stats.effects.superiority import SuperiorityBounds, superiority_bounds

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Answers = dict[Hashable, Floats]
SIDES = (1.0, -1.0)


@dataclass(frozen=True)
class Asked:
    """What is known beforehand to be asked of all cells."""

    smallest: float
    """Smallest effect that matters."""
    alpha: float


def _some_at_a_time(cells: Indices, draws: int) -> Iterator[Indices]:
    step = max(1, AT_ONCE // (8 * (draws + 1)))
    for start in range(0, len(cells), step):
        yield cells[start : start + step]


@dataclass(frozen=True)
class ManyScores(ScoreBounds):
    """`ScoreBounds` of very many cells; `t`, and that of `stable`, have no columns."""

    of_cells: Callable[[Indices], ScoreBounds] | None = None
    """Works out the bounds of some cells."""
    shares: Floats = field(default_factory=lambda: np.empty(0))
    """(cell,) of the resamples, those that leave an effect or its spread undefined."""
    answers: Answers = field(default_factory=dict, compare=False, repr=False)

    held: ClassVar[bool] = False

    @property
    def undefined(self) -> Floats:
        return self.shares

    def _parts(self, cells: Indices) -> Iterator[tuple[Indices, ScoreBounds]]:
        assert self.of_cells is not None, "made by `many_scores`"
        for some in _some_at_a_time(cells, len(self.t)):
            yield some, self.of_cells(some)

    def columns(self, cells: Indices | None = None) -> Iterator[tuple[Indices, Floats]]:
        for some, part in self._parts(np.arange(len(self.theta)) if cells is None else cells):
            yield some, part.t

    def _counted(self, z: Floats, side: float) -> Floats:
        return _kept(self.answers, ("counted", side, z.tobytes()), lambda: super(ManyScores, self)._counted(z, side))

    def _own_point(self, level: float, side: float) -> Floats:
        return _kept(self.answers, ("point", side, level), lambda: super(ManyScores, self)._own_point(level, side))

    def _largest(self, cells: Indices) -> Floats:
        def found() -> Floats:
            most = np.full(len(self.t), -np.inf)
            for some, part in self._parts(cells):
                np.maximum(most, part._largest(np.arange(len(some))), out=most)
            return most

        return _kept(self.answers, ("largest", cells.tobytes()), found)


def many_scores(responses: Floats, design: Design, resamples: Resamples, asked: Asked) -> ManyScores:
    """`score_bounds` of very many (unit, cell) responses."""

    def of_cells(cells: Indices) -> ScoreBounds:
        return score_bounds(responses[:, cells], design, resamples)

    every = np.arange(responses.shape[1])
    parts, largest = list[ScoreBounds](), np.full(resamples.count, -np.inf)
    counted, points = {side: list[Floats]() for side in SIDES}, {side: list[Floats]() for side in SIDES}
    z, able, shares = list[Floats](), list[Indices](), list[Floats]()
    for some in _some_at_a_time(every, resamples.count):
        part = of_cells(some)
        z.append(part.z(asked.smallest))
        for side in SIDES:
            counted[side].append(part._counted(z[-1], side))
            points[side].append(part._own_point(asked.alpha, side))
        here = np.flatnonzero(~(part.sparse(asked.alpha) | part.silent))
        np.maximum(largest, part._largest(here), out=largest)
        able.append(some[here])
        shares.append(part.undefined)
        parts.append(_without_table(part))
    answers: Answers = {("largest", np.concatenate(able).tobytes()): largest}
    for side in SIDES:
        answers["counted", side, np.concatenate(z).tobytes()] = np.concatenate(counted[side])
        answers["point", side, asked.alpha] = np.concatenate(points[side])
    first, none = parts[0], np.empty((resamples.count, 0))
    stable, law = [part._stable for part in parts], [part.noncentral for part in parts if part.noncentral is not None]
    inflation = [one.inflation for one in law if one.inflation is not None]
    silent = np.concatenate([part.silent for part in parts])
    return ManyScores(
        _joined(parts, "theta"),
        _joined(parts, "se"),
        none,
        first.forward,
        first.backward,
        replace(
            law[0],
            f=np.concatenate([one.f for one in law]),
            inflation=np.concatenate(inflation) if inflation else None,
        ),
        first.ends,
        stable=replace(stable[0], theta=_joined(stable, "theta"), se=_joined(stable, "se"), t=none),
        constant=silent if silent.any() else None,
        of_cells=of_cells,
        shares=np.concatenate(shares),
        answers=answers,
    )


def _without_table(part: ScoreBounds) -> ScoreBounds:
    """The same but for t*, which are done with."""
    none = np.empty((len(part.t), 0))
    return replace(part, t=none, stable=replace(part._stable, t=none))


@dataclass(frozen=True)
class ManySuperior(SuperiorityBounds):
    """`SuperiorityBounds` of very many cells; `t` has no columns."""

    of_cells: Callable[[Indices], SuperiorityBounds] | None = None
    """Works out the bounds of some cells."""
    answers: Answers = field(default_factory=dict, compare=False, repr=False)

    held: ClassVar[bool] = False

    @property
    def undefined(self) -> Floats:
        return np.zeros(len(self.theta))

    def columns(self, cells: Indices | None = None) -> Iterator[tuple[Indices, Floats]]:
        assert self.of_cells is not None, "made by `many_superior`"
        for some in _some_at_a_time(np.arange(len(self.theta)) if cells is None else cells, len(self.t)):
            yield some, self.of_cells(some).t

    def _largest(self, cells: Indices | None, sign: float) -> Floats | None:
        if cells is None or len(cells) == 1:
            return None
        key = ("largest", sign, cells.tobytes())
        if key not in self.answers:
            found = super()._largest(cells, sign)
            assert found is not None, "of several cells"
            self.answers[key] = found
        return self.answers[key]


def many_superior(
    responses: Floats, design: Design, resamples: Resamples, category: str, answers: str, asked: Asked
) -> ManySuperior:
    """`superiority_bounds` of very many (unit, cell) responses."""

    def of_cells(cells: Indices) -> SuperiorityBounds:
        return superiority_bounds(responses[:, cells], design, resamples, category, answers)

    parts, able = list[SuperiorityBounds](), list[Indices]()
    largest = {side: np.full(resamples.count, -np.inf) for side in SIDES}
    for some in _some_at_a_time(np.arange(responses.shape[1]), resamples.count):
        part = of_cells(some)
        here = np.flatnonzero(~(part.sparse(asked.alpha) | part.silent))
        bounded = here[part.bounded[here]]
        for side in SIDES:
            t = np.abs(part.t) if part.signless else side * part.t
            np.maximum(largest[side], t[:, bounded].max(axis=1, initial=-np.inf), out=largest[side])
        able.append(some[here])
        parts.append(replace(part, t=np.empty((resamples.count, 0))))
    first, silent = parts[0], np.concatenate([part.silent for part in parts])
    key = np.concatenate(able).tobytes()
    return ManySuperior(
        _joined(parts, "theta"),
        _joined(parts, "se"),
        first.t,
        first.forward,
        first.backward,
        ends=first.ends,
        relative=_joined(parts, "relative"),
        freedom=_joined(parts, "freedom"),
        blocks=first.blocks,
        varied=np.concatenate([part.varied for part in parts]),
        signless=first.signless,
        still=_joined(parts, "still"),
        constant=silent if silent.any() else None,
        of_cells=of_cells,
        answers={("largest", side, key): np.sort(largest[side]) for side in SIDES},
    )


def _joined(parts: Sequence[Bounds], name: str) -> Floats:
    """(cell,) numbers of all parts, one after the other."""
    return np.concatenate([getattr(part, name) for part in parts])


def _kept(answers: Answers, key: Hashable, work_out: Callable[[], Floats]) -> Floats:
    """What was answered before, or is worked out now."""
    if key not in answers:
        answers[key] = work_out()
    return answers[key]
