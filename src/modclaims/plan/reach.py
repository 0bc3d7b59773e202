"""Which outcomes claims can reach: `judge` itself is asked, with every claim at the smallest levels it can attain.

What is said to be out of reach is so whatever the network does, since correction over claims lets no level fall where
another rises.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.plan.sketches import Counted, Sketch
from modclaims.settings import Settings
from modclaims.stats.quantifiers import InFraction
from modclaims.verdict import Outcome, Weighed, judge

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One outcome of one claim: the smallest level that leads to it, and whether that is small enough."""

    level: float
    corrected: float
    """After correction, all other claims being at their smallest too."""
    alone: float
    """After correction, no other claim being settled."""
    reachable: bool
    why: str = ""
    """What stands in the way ..."""
    remedy: str = ""
    """... and what would help."""


@dataclass(frozen=True)
class _Level:
    """A level that a claim can attain, where it lies for sure, and what it is counted by."""

    value: float
    interval: tuple[float, float]
    by: Counted
    factor: int
    """By what the quantifier multiplies what is counted."""

    @classmethod
    def of(cls, value: float, by: Counted, factor: int) -> _Level:
        low, high = by.interval(value)
        return cls(min(1.0, factor * value), (min(1.0, factor * low), min(1.0, factor * high)), by, factor)


@dataclass(frozen=True)
class _Floor:
    """The smallest level of one side, and what other levels may decide instead."""

    level: _Level
    sources: tuple[Counted, ...]
    """Of p, if it plays a part, and of bounds."""

    def above(self, others: list[float], settings: Settings) -> _Level | None:
        """A larger level that settles the claim where the smallest, for its Monte Carlo interval, does not.

        There may be one: correction multiplies a level less, the more others lie below it; and of p and the bound's
        level the larger decides and lends its interval, which for an enumerated p is a point.
        """
        factor, alpha, start = self.level.factor, settings.alpha, self.level.value / self.level.factor
        for by in self.sources:
            values = by.levels(start, alpha / factor)
            if by is not self.level.by and by is self.sources[-1]:  # of equals p decides
                values = values[values > start]
            corrected = _among(factor * values, others, settings)
            sure = by.uppermost(values) * corrected / np.maximum(values, 1e-300)
            if (found := np.flatnonzero((corrected <= alpha) & (sure <= alpha))).size:
                return _Level.of(float(values[found[0]]), by, factor)
        return None


def sides(sketches: Mapping[str, Sketch], settings: Settings) -> dict[str, tuple[Side, Side]]:
    """(SUPPORTED, REFUTED) of every claim among the others."""
    supported = _sides({name: _upward(made) for name, made in sketches.items()}, settings, Outcome.SUPPORTED)
    refuted = _sides({name: _downward(made) for name, made in sketches.items()}, settings, Outcome.REFUTED)
    return {name: (supported[name], refuted[name]) for name in sketches}


def _upward(made: Sketch) -> _Floor:
    """Where a claim may first be supported: the larger of p and the bound's level, p among equals."""
    factor = made.cells - made.needed + 1 if isinstance(made.holds, InFraction) else 1
    sources = (made.bounds,) if made.test is None else (made.test, made.bounds)
    by = max(sources, key=lambda source: source.floor)
    return _Floor(_Level.of(by.floor, by, factor), sources)


def _downward(made: Sketch) -> _Floor:
    """Where a claim may first be refuted."""
    factor = made.needed if isinstance(made.holds, InFraction) else 1
    return _Floor(_Level.of(made.bounds.floor, made.bounds, factor), (made.bounds,))


def _sides(floors: Mapping[str, _Floor], settings: Settings, outcome: Outcome) -> dict[str, Side]:
    levels = {name: floor.level for name, floor in floors.items()}
    judged, alone = _judged(levels, settings, outcome), _alone(len(floors), settings)
    found = {}
    for name, floor in floors.items():
        level, (reached, corrected) = floor.level, judged[name]
        if not reached and corrected <= settings.alpha:
            others = [other.value for key, other in levels.items() if key != name]
            if (above := floor.above(others, settings)) is not None:
                level, (reached, corrected) = above, _judged({**levels, name: above}, settings, outcome)[name]
        side = Side(level.value, corrected, min(1.0, alone * level.value), reached)
        found[name] = side if reached else _explained(side, level, alone, len(floors), settings, outcome)
    return found


def _among(values: Floats, others: list[float], settings: Settings) -> Floats:
    """Each of these levels after correction among the others; as `adjust` has it, which takes them one at a time."""
    count, out = len(others) + 1, np.empty(len(values))
    if settings.correction == "none":
        return values
    harmonic = float((1 / np.arange(1, count + 1)).sum()) if settings.correction == "by" else 1.0
    for i, value in enumerate(values):
        ordered = np.sort([*others, value])
        if settings.correction == "holm":
            steps = np.maximum.accumulate(ordered * (count - np.arange(count)))
            out[i] = steps[np.searchsorted(ordered, value, "right") - 1]
        else:
            steps = np.minimum.accumulate((ordered * count * harmonic / np.arange(1, count + 1))[::-1])[::-1]
            out[i] = steps[np.searchsorted(ordered, value, "left")]
    return np.minimum(out, 1.0)


def _judged(levels: Mapping[str, _Level], settings: Settings, outcome: Outcome) -> dict[str, tuple[bool, float]]:
    """Whether `judge` gives the outcome at these levels, nothing speaking for the contrary; and the levels corrected."""
    plus = outcome is Outcome.SUPPORTED
    weighed = {name: _weighed(level, plus) for name, level in levels.items()}
    verdicts = judge(weighed, alpha=settings.alpha, correction=settings.correction)
    return {
        name: (v.outcome is outcome, float((v.p_plus_adjusted if plus else v.p_minus_adjusted) or 0.0))
        for name, v in verdicts.items()
    }


def _weighed(level: _Level, plus: bool) -> Weighed:
    """Evidence of which nothing is known but one level."""
    this, other = (level.value, level.interval), (1.0, (1.0, 1.0))
    up, down = (this, other) if plus else (other, this)
    return Weighed(
        effect=math.nan,
        effect_name="",
        effect_low=math.nan,
        effect_high=math.nan,
        interval="",
        smallest_effect=0.0,
        expect="",
        observed=None,
        p=None,
        p_interval=None,
        p_plus=up[0],
        p_minus=down[0],
        mc_plus=up[1],
        mc_minus=down[1],
        bounded=True,
        best={},
        best_words="",
        draws=0,
        exact=False,
        smallest_attainable_p=0.0,
        bound_floor=0.0,
        statistic="",
        action="",
        holds="",
        n_texts=0,
        n_units=0,
        unit="",
        n_cells=1,
        location=None,
        texts_to_refute=None,
        texts_to_support=None,
    )


def _alone(claims: int, settings: Settings) -> float:
    """By what correction multiplies the level of a claim if no other one is settled."""
    tiny = 1e-9
    return float(_among(np.array([tiny]), [1.0] * (claims - 1), settings)[0]) / tiny


def _explained(side: Side, level: _Level, alone: float, claims: int, settings: Settings, outcome: Outcome) -> Side:
    """What stands in the way, and what would help."""
    by, alpha = level.by, settings.alpha
    name = "p+" if outcome is Outcome.SUPPORTED else "p-"
    spent = round(by.least - 1) if by.raised_by == "--resamples" else 0
    drawn = f"{by}, in {spent:,} of which nothing varies" if spent else str(by)
    twice = f", {by.factor:g} x the median over splits" if by.factor > 1 else ""
    after = (
        f", {side.corrected:.2g} after {settings.correction} over {claims} claims"
        if side.corrected > side.level
        else ""
    )
    if side.corrected > alpha:
        why = f"{name} cannot fall below {side.level:.2g} ({drawn}{twice}){after}"
    else:
        sure = min(1.0, level.interval[1] * side.corrected / side.level)
        why = f"{name} of {side.level:.2g} ({drawn}{twice}){after} may be {sure:.2g} by its 99 % interval"
    if by.exact or by.least > 1 + 1e-9:
        remedies = ["add texts"]
    else:
        # so many that the smallest level lies below alpha for sure, whatever becomes of the other claims
        draws = math.ceil(math.log(0.005) / math.log1p(-alpha / (level.factor * by.factor * alone)))
        remedies = [f"raise {by.raised_by} to {1000 * math.ceil((draws + 1) / 1000) - 1}"]
    if claims > 1 and side.level <= alpha < side.corrected:
        remedies.append("weigh fewer claims together")
    return replace(side, why=why, remedy=", or ".join(remedies))
