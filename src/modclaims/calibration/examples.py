"""Examples: a claim weighed on one planted data set whose answer is known, as help() of every family shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from modclaims.calibration import grid
from modclaims.decimals import decimals_of_effect, rounded
from modclaims.declarations import constants
from modclaims.errors import ClaimError
from modclaims.families.common.units import ENOUGH
from modclaims.hypothesis import Hypothesis
from modclaims.look import TestSettings
from modclaims.own_code import is_library, own_classes
from modclaims.planting.family import Family
from modclaims.planting.scenarios import EDGE, FLAT, NONE, Scenario
from modclaims.runs.weighing import weigh
from modclaims.stats.streams import stream
from modclaims.verdict import judge

DRAWS = 999
"""Arrangements, and resamples, of an example."""
TRUTHS: Mapping[int, tuple[str, ...]] = {0: (NONE, FLAT), 1: (EDGE,), 2: ("2 s",), 3: ("3 s",)}
"""How a scenario calls it, by how many times the smallest effect that matters is planted."""


def planted(claim: type[Hypothesis], times: int = 3) -> str:
    """The verdict of a claim on a planted recording, weighed alone: outcome, effect, interval and place.

    Planted is the family's known answer: an effect of `times` (0 to 3) the smallest one that matters. Constants that the
    planted network needs, such as its single layer, are set where the claim does not set them itself. Takes no model, and
    about a second. Raises `ClaimError` for a claim of whose family no such answer is known, and what weighing raises.
    """
    if times not in TRUTHS:
        raise ClaimError(f"times = {times!r}: planted is 0, 1, 2 or 3 times the smallest effect that matters.")
    family, scenario = _scenario(claim, times)
    question = family.question(scenario)
    given = {name for base in own_classes(claim) for name in vars(base) if name in constants(claim)}
    offered = {**family.constants(scenario), **question.constants}
    needed = {name: value for name, value in offered.items() if name not in given}
    asked: Hypothesis = type(claim.__name__, (claim,), {"__doc__": claim.__doc__, **needed})()
    asked.validate()
    rng = stream(0, "example", scenario.name)
    try:
        strengths = (question.strengths or family.strengths)(scenario, asked)
    except ValueError as fault:  # a root is looked for where no strength has so large an effect
        raise ClaimError(
            f"{claim.__name__}: no strength makes an effect of {times} times the smallest, {times} x {asked.smallest_effect:g}; plant "
            "fewer times that, or lower smallest_effect."
        ) from fault
    recording = family.planted(scenario, asked, rng, strengths)
    found, _ = weigh(asked, recording, TestSettings(permutations=DRAWS, resamples=DRAWS, bare=True))
    (verdict,) = judge({claim.__name__: found}, alpha=0.05, correction="holm").values()
    decimals = decimals_of_effect(found.smallest_effect, found.effect_low, found.effect_high)
    effect, low, high = (rounded(x, decimals) for x in (found.effect, found.effect_low, found.effect_high))
    where = f" at {found.best_words}" if found.best_words else ""
    return f"{verdict.outcome.name}  {found.effect_name} {effect} [{low}, {high}]{where}"


def _scenario(claim: type[Hypothesis], times: int) -> tuple[Family, Scenario]:
    """The known answers of the nearest class that has any, and which of them: its plain question where there is one, at
    texts enough to learn from."""
    names = [base.__name__ for base in claim.__mro__ if is_library(base) and base.__name__ in grid.FAMILIES]
    if not names:
        raise ClaimError(f"{claim.__name__}: nothing is planted for claims of family {claim.family()}.")
    family = grid.FAMILIES[names[0]]
    known = [one for one in family.scenarios() if not one.recorded]
    # what is planted at the smallest effect is planted at any other in the same way
    edges = [replace(one, truth=TRUTHS[times][0]) for one in known if one.truth == EDGE]
    there = [*(one for one in known if one.truth in TRUTHS[times]), *edges]
    if not there:
        raise ClaimError(f"{claim.__name__}: no effect of {times} times the smallest is planted for {names[0]}.")
    return family, min(there, key=lambda one: (bool(one.question), one.texts.smallest < ENOUGH))
