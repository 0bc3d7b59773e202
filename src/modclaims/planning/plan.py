"""What one claim would be weighed by, and the levels that are counted for it.

That is units, cells, what chance does, and the smallest levels that can be counted. No data bring a level below its floor:
a permutation p counts the observed arrangement, a bound the resamples in which nothing varies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from modclaims.look import CHECKPOINTS
from modclaims.planning.context import PlanContext
from modclaims.planning.power import Effect
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.merging import least_middle
from modclaims.stats.quantifiers import Holds


@dataclass(frozen=True)
class CountedLevel:
    """Levels that are counted among draws: which of them can be attained, and how sure a counted one is."""

    rows: int
    """Draws and the observed; or all arrangements."""
    exact: bool
    """Whether these are all there are, so that nothing is left to chance."""
    raised_by: str
    """The option, or the claim's constant, that says how many are drawn."""
    least: float = 1.0
    """Rows that count whatever the data, the observed included; of splits, what merging leaves of theirs."""
    factor: float = 1.0
    """By what a counted level is multiplied (2 for levels merged over splits)."""

    goes_on: bool = True
    """Whether more are drawn where these leave a level open; null objects of weights alone are not."""
    words: str = ""
    """What sets the level, where it is a law and nothing is counted."""
    arrangements: int | None = None
    """Distinct arrangements that draws are made from, which are enumerated once there are as many draws; None for no end."""
    last: float | None = None
    """The smallest level at the last checkpoint, before the factor, where it is not what `least` says."""
    sparse: bool = False
    """Whether so many resamples have no spread, whatever the data, that a run takes the cell for sparse."""

    @property
    def floor(self) -> float:
        """The smallest level that these draws attain."""
        return min(1.0, self.factor * self.least / self.rows)

    @property
    def lowest(self) -> float:
        """The smallest level at the last checkpoint, to which draws go on where they decide nothing before."""
        if self.exact or not self.goes_on:
            return self.floor
        if self.last is not None:
            return min(1.0, self.factor * self.last)
        drawn = (1 + (self.least - 1) * CHECKPOINTS[-1]) / (self.most + 1)
        return min(1.0, self.factor * max(drawn, 1 / self.arrangements if self.arrangements else 0.0))

    @property
    def draws(self) -> int:
        """Draws; 0 where all arrangements are enumerated."""
        return 0 if self.exact else self.rows - 1

    @property
    def most(self) -> int:
        """Draws of the last checkpoint; 0 where all arrangements are enumerated."""
        return (CHECKPOINTS[-1] if self.goes_on else 1) * self.draws

    def decisive(self, alpha: float) -> float:
        """The largest level, before the factor, that is at most alpha; the smallest one if none is."""
        rows = self.rows if self.exact else self.most + 1
        return max(1, math.floor(alpha * rows)) / rows

    @classmethod
    def by_law(cls, level: float, words: str) -> CountedLevel:
        """A smallest level that a law gives, whatever is drawn."""
        return cls(1, True, "texts", level, words=words)

    def __str__(self) -> str:
        if self.words:
            return self.words
        if not self.exact and not self.goes_on:
            return f"{self.draws:,} draws"
        return f"exact, {self.rows:,}" if self.exact else f"{self.draws:,} to {self.most:,} draws"


@dataclass(frozen=True)
class TestPlan:
    """What one claim would be weighed by."""

    __test__: ClassVar[bool] = False
    """No test of pytest's."""

    unit: str
    """`text` or `block`."""
    units: int
    """How many are exchanged, or resampled where nothing is."""
    texts: int
    holds: Holds
    action: str
    """What chance does, in words."""
    bounds: CountedLevel
    cells: int = 1
    """Cells that the claim speaks of."""
    label: str | None = None
    """What the categories are; None where they play no part."""
    smallest: int | None = None
    """Units of the smallest category."""
    test: CountedLevel | None = None
    """None where the bounds alone decide."""
    arrangements: int | None = None
    """How many distinct ones there are, in the half that has fewest; None where there is no end of them."""
    clusters: int = 0
    """Blocks that are resampled whole while texts are exchanged inside them; 0 where there are none."""
    undecided: str = ""
    """Why it settles nothing by design, whatever its levels; empty where it may."""
    perfect: tuple[CountedLevel, CountedLevel] | None = None
    """Where a law bounds effects at the ends of their scale: the smallest levels of bounds that support, and refute."""
    bound_floor: float | None = None
    """The smaller of these with the draws that were asked for, if a law has a say in them; None where none does."""
    largest_lower: float | None = None
    """The largest lower limit that so many texts allow, however strong the effect; None where nothing caps it."""
    simulated: tuple[Design, Effect] | None = None
    """What `power` is told; None where nothing sensible can be said of the effect that would be found."""

    @property
    def barred(self) -> str:
        """Why it settles nothing by design, a colon and what would help; empty where it may."""
        if self.undecided or not self.bounds.sparse or self.perfect is not None:
            return self.undecided
        of = " of most halves" if self.bounds.factor > 1 else ""
        return f"in too many of the resamples{of} of so few {self.unit}s nothing varies, so that no limit is known: add texts"

    @property
    def least_bound(self) -> float:
        """The smallest level of a bound, whatever the data, with the draws that were asked for."""
        return self.bounds.floor if self.bound_floor is None else self.bound_floor

    @property
    def needed(self) -> int:
        """How many cells must have the effect for the claim to hold."""
        return self.holds.needed(self.cells)


def exchanged(found: Sequence[int], before: PlanContext, factor: float = 1.0) -> CountedLevel:
    """From the arrangements of each split: enumerated where they are few, else drawn."""
    budget = before.weighing.permutations
    exact = all(total <= budget for total in found)
    now, last = (
        float(least_middle(np.array([1 / (total if total <= most else most + 1) for total in found])))
        for most in (budget, CHECKPOINTS[-1] * budget)
    )
    rows = min(max(found), budget + (not exact))
    most = None if exact else max(found)
    return CountedLevel(
        rows, exact, "--permutations", now * rows, factor, arrangements=most, last=None if exact else last
    )


def counted_bounds(before: PlanContext, spent: Sequence[float], factor: float = 1.0) -> CountedLevel:
    """Of bounds, from how many resamples of each split count against any effect."""
    resamples, shares = before.weighing.resamples, np.array(spent, dtype=np.float64) / before.weighing.resamples
    sparse = bool(np.mean(shares > before.weighing.alpha / 2 / factor) > 0.5)  # as `Bounds.sparse` has it
    least = 1 + float(least_middle(np.array(spent, dtype=np.float64)))
    return CountedLevel(resamples + 1, False, "--resamples", least, factor, sparse=sparse)


def flipped(made: TestPlan, before: PlanContext) -> TestPlan:
    """The same where p comes from flipping the signs of its units."""
    budget = before.weighing.permutations
    exact = made.units <= 62 and 2**made.units <= budget  # as `sign_flips` has it
    return replace(
        made,
        test=CountedLevel(
            2**made.units if exact else budget + 1,
            exact,
            "--permutations",
            arrangements=None if exact else 2**made.units,
        ),
        arrangements=2**made.units,
    )
