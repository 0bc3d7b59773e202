"""Which outcomes claims can reach: `judge` itself is asked, with every claim at the smallest levels it can attain.

What is said to be out of reach is so whatever the network does and however far draws go on: a level that rises lets none
fall after correction, its own or another's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from modclaims.claim_set import ClaimSet, KeptLevels
from modclaims.look import CHECKPOINTS
from modclaims.outcome import Outcome
from modclaims.planning.plan import CountedLevel, TestPlan
from modclaims.runs.settings import Settings
from modclaims.stats.chance.multiplicity import adjust, at_most
from modclaims.summaries import TestSummary
from modclaims.verdict import judge


@dataclass(frozen=True)
class Reach:
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
class Others:
    """Claims corrected together with those that are planned: such as may be settled, and such as count as p = 1."""

    settled: int = 0
    lost: int = 0


@dataclass(frozen=True)
class _Level:
    """The smallest level of one side at the last checkpoint, and what it is counted by."""

    value: float
    sources: tuple[CountedLevel, ...]
    """Of p, if it plays a part, and of bounds; the larger level decides."""

    @classmethod
    def of(cls, *sources: CountedLevel) -> _Level:
        """The largest of these smallest levels."""
        return cls(min(1.0, max(source.lowest for source in sources)), sources)

    @property
    def widest(self) -> CountedLevel:
        """What sets the level."""
        return max(self.sources, key=lambda source: source.lowest)


def sides(
    plans: Mapping[str, TestPlan], settings: Settings, others: Others = Others()
) -> dict[str, tuple[Reach, Reach]]:
    """(SUPPORTED, REFUTED) of every claim among these, and among `others` that are not planned."""
    supported = _sides({name: _upward(made) for name, made in plans.items()}, settings, Outcome.SUPPORTED, others)
    refuted = _sides({name: _downward(made) for name, made in plans.items()}, settings, Outcome.REFUTED, others)
    barred = {name: _barred(made) for name, made in plans.items() if made.barred}
    return {name: barred.get(name, (supported[name], refuted[name])) for name in plans}


def _barred(made: TestPlan) -> tuple[Reach, Reach]:
    """Neither outcome, by design."""
    why, _, rest = made.barred.partition(": ")
    side = Reach(1.0, 1.0, 1.0, False, why, "give more models with --beside" if made.unit == "model" else rest)
    return side, side


def _upward(made: TestPlan) -> _Level:
    """Where a claim may first be supported: p, if it plays a part, and the bound's level."""
    if made.barred:
        return _Level(1.0, (made.bounds,))
    bound = made.bounds if made.perfect is None else made.perfect[0]
    return _Level.of(bound) if made.test is None else _Level.of(made.test, bound)


def _downward(made: TestPlan) -> _Level:
    """Where a claim may first be refuted."""
    if made.barred:
        return _Level(1.0, (made.bounds,))
    return _Level.of(made.bounds if made.perfect is None else made.perfect[1])


def _sides(levels: Mapping[str, _Level], settings: Settings, outcome: Outcome, others: Others) -> dict[str, Reach]:
    together = ClaimSet(len(levels) + others.settled + others.lost, (KeptLevels(0.0, 0.0, 0.0, 0.0),) * others.settled)
    judged, alone = _judged(levels, settings, outcome, together), _alone(together.size, settings)
    found = {}
    for name, level in levels.items():
        reached, corrected = judged[name]
        side = Reach(level.value, corrected, min(1.0, alone * level.value), reached)
        found[name] = side if reached else _explained(side, level, levels, settings, outcome, together)
    return found


def _judged(
    levels: Mapping[str, _Level], settings: Settings, outcome: Outcome, together: ClaimSet
) -> dict[str, tuple[bool, float]]:
    """Whether `judge` gives the outcome at these levels, nothing speaking for the contrary; and the levels corrected."""
    plus = outcome is Outcome.SUPPORTED
    weighed = {name: _weighed(level, plus) for name, level in levels.items()}
    verdicts = judge(weighed, alpha=settings.alpha, correction=settings.correction, together=together)
    return {
        name: (v.outcome is outcome, float((v.p_plus_adjusted if plus else v.p_minus_adjusted) or 0.0))
        for name, v in verdicts.items()
    }


def _weighed(level: _Level, plus: bool) -> TestSummary:
    """Evidence of which nothing is known but one level."""
    up, down = (level.value, 1.0) if plus else (1.0, level.value)
    return TestSummary(
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
        p_plus=up,
        p_minus=down,
        mc_plus=(up, up),
        mc_minus=(down, down),
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
    return float(adjust(np.array([tiny] + [1.0] * (claims - 1)), settings.correction)[0]) / tiny


def _explained(
    side: Reach,
    level: _Level,
    levels: Mapping[str, _Level],
    settings: Settings,
    outcome: Outcome,
    together: ClaimSet,
) -> Reach:
    """What stands in the way, and what would help."""
    alpha, claims = settings.alpha, together.size
    by = level.widest
    alone = _alone(claims, settings)
    name = "p+" if outcome is Outcome.SUPPORTED else "p-"
    spent = (by.least - 1) / by.draws if by.raised_by == "--resamples" else 0
    drawn = f"{by}, in {100 * spent:.2g} % of which nothing varies" if spent else str(by)
    twice = f", {by.factor:g} x the middle of the splits" if by.factor > 1 else ""
    after = (
        f", {side.corrected:.2g} after {settings.correction} over {claims} claims"
        if side.corrected > side.level
        else ""
    )
    why = f"{name} cannot fall below {side.level:.2g} ({drawn}{twice}){after}"
    if by.raised_by == "sets":
        remedies = ["raise sets, or name larger sizes of modules"]
    elif by.raised_by == "--beside":
        remedies = ["give more models with --beside"]
    elif by.exact or by.least > 1 + 1e-9 or (by.arrangements and by.arrangements <= by.most):
        remedies = ["add texts"]
    else:
        # so many that the smallest level of the last checkpoint decides, whatever becomes of the other claims
        draws = math.ceil((by.factor * alone / alpha - 1) / (CHECKPOINTS[-1] if by.goes_on else 1))
        remedies = [f"raise {by.raised_by} to {1000 * math.ceil((draws + 1) / 1000) - 1}"]
    if claims > 1 and at_most(side.level, alpha) and not at_most(side.corrected, alpha):
        remedies.append("state fewer claims together")
    return replace(side, why=why, remedy=", or ".join(remedies))
