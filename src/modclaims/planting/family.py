"""Family: what the grid holds for one library class: its claim, what is planted for it and how, and where.

A room of planted data ends in the entries of its families; what they have in common is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.hypothesis import Hypothesis
from modclaims.planting import shuffled
from modclaims.planting.known import LAWS, LAYOUTS, Layout
from modclaims.planting.scenarios import EDGE, NONE, SHUFFLED, Scenario
from modclaims.recording import Recording

Constant = Any  # Any: constants are of the kinds that a claim may declare
Plant = Callable[[Scenario, Hypothesis, np.random.Generator, tuple[float, ...]], Recording]
"""Makes one data set for a scenario and its claim; last comes what its strengths are."""
Strengths = Callable[[Scenario, Hypothesis], tuple[float, ...]]
"""What is planted for a scenario and its claim, by layer or cell; worked out before any data set."""
Constants = Callable[[Scenario], Mapping[str, Constant]]
"""Constants of a claim on a scenario's texts."""
Place = tuple[str, str, str, str]
"""Layout, law, truth and question of a scenario."""


@dataclass(frozen=True)
class Question:
    """What a family is asked beside its plain question, as far as it differs from that."""

    constants: Mapping[str, Constant] = field(default_factory=dict)
    """Of the claim."""
    plant: Plant | None = None
    strengths: Strengths | None = None
    several: bool = False
    """Whether the claim speaks of several layers together, so that levels are those of its quantifier itself."""
    supported: bool = False
    """Whether it is counted how often the claim is supported where there is no effect, beside p."""
    location: Callable[[Hypothesis, Recording, np.random.Generator], NDArray[np.float64]] | None = None
    """(cell,) adjusted p of what must be found too where categories are to differ in location."""
    cell: int | None = None
    """The one cell that has an effect, of which alone p is counted."""
    unpromised: tuple[str, ...] = ()
    """Rates of which nothing is promised."""


PLAIN = Question()


@dataclass(frozen=True)
class Family:
    """How a family's known answers are made, and where its claims are weighed."""

    base: type[Hypothesis]
    constants: Constants
    plant: Plant
    strengths: Strengths
    places: list[Place]
    questions: Mapping[str, Question] = field(default_factory=dict)
    unpromised: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Laws, and rates of which nothing is promised under each."""
    tested: bool = False
    """Whether at effect 0 all that is counted is p of a test, so that bounds need not be worked out well."""
    costly: bool = False
    """Whether one data set takes so long that fewer are counted."""

    def scenarios(self) -> list[Scenario]:
        """All of them, in a fixed order."""
        return [Scenario(self.base.__name__, *place) for place in self.places]

    def question(self, scenario: Scenario) -> Question:
        """What is asked in this scenario."""
        return self.questions.get(scenario.question, PLAIN)

    def claim(self, scenario: Scenario) -> Hypothesis:
        """The claim that is weighed in this scenario."""
        return claim_of(self.base, **{**self.constants(scenario), **self.question(scenario).constants})

    def planted(
        self, scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]
    ) -> Recording:
        """One data set of this scenario."""
        if scenario.recorded:
            return shuffled.planted(scenario.layout, rng)
        return (self.question(scenario).plant or self.plant)(scenario, claim, rng, strengths)

    def strengths_for(self, scenario: Scenario) -> tuple[float, ...]:
        """What is planted in this scenario."""
        if scenario.recorded:
            return ()
        return (self.question(scenario).strengths or self.strengths)(scenario, self.claim(scenario))

    def promises(self, scenario: Scenario, rate: str) -> bool:
        """Whether the framework promises anything of this rate here, given enough texts."""
        return rate not in (*self.unpromised.get(scenario.law, ()), *self.question(scenario).unpromised)


# ---- claims


def claim_of(base: type[Hypothesis], **constants: Constant) -> Hypothesis:
    """A claim of a family with these constants."""
    made: Hypothesis = type(base.__name__, (base,), {"__doc__": "A claim whose answer is known.", **constants})()
    return made


def labelled(**constants: Constant) -> Constants:
    """These constants, and the label and strata of a scenario's texts."""

    def of(scenario: Scenario) -> Mapping[str, Constant]:
        label, within = "category", "topic" if scenario.texts.strata > 1 else None
        if scenario.recorded:
            label, within = shuffled.RECORDED_LAYOUTS[scenario.layout]
        return {"label": label, "within": within, **constants}

    return of


def unlabelled(**constants: Constant) -> Constants:
    """These constants alone."""
    return lambda scenario: constants


# ---- plants and strengths


def by_law(made: Callable[[np.random.Generator, Layout, str, tuple[float, ...]], Recording]) -> Plant:
    """A plant that needs of its scenario the texts and the law alone."""
    return lambda scenario, claim, rng, strengths: made(rng, scenario.texts, scenario.law, strengths)


def effect_alone(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """The effect itself, where data are made to have it."""
    return (scenario.effect(claim),)


def nothing(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """No strength: data are made in one way only."""
    return ()


# ---- places

MIDDLE, LARGEST, MIXED = "48 (4 x 12)", "100 unequal", "48 in mixed blocks"
CATEGORISED = ("10 (4/3/3)", "12 (4/4/4)", MIDDLE, "64 crossed", LARGEST, "96 in blocks")
MANY = ("128 (4 x 32)", "168 (120/24/24)")
"""Just enough texts for effects of pairs to be resampled to first order."""
SPLITTABLE = (MIDDLE, "64 crossed", LARGEST)
CROSSED = ("48 crossed (2 x 4)", "64 crossed")
ALONE = "weights alone"
UNCATEGORISED = tuple(name for name, layout in LAYOUTS.items() if len(layout.sizes) == 1 and name != ALONE)


def places(layouts: tuple[str, ...], laws: tuple[str, ...], truths: tuple[str, ...], question: str = "") -> list[Place]:
    """Each layout with each law and each truth."""
    return [(layout, law, truth, question) for truth in truths for layout in layouts for law in laws]


def with_power(layouts: tuple[str, ...], null: str = NONE) -> list[Place]:
    """No effect and the smallest one everywhere, and larger ones where there is power left to measure."""
    small = tuple(layout for layout in layouts if layout != LARGEST)
    return places(layouts, LAWS, (null, EDGE)) + places(small, LAWS[:1], ("2 s", "3 s"))


def exchanges(question: str = "") -> list[Place]:
    """The embedded model's own activations, labels exchanged."""
    return places(tuple(shuffled.RECORDED_LAYOUTS), (SHUFFLED,), (NONE,), question)
