"""Known answers of claims about induction heads: networks whose heads score what was planted, beside their null objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.induction.induction_heads import InductionHeads
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import (
    UNCATEGORISED,
    Family,
    effect_alone,
    places,
)
from modclaims.planting.known import HEADS, LAWS, LAYERS, WIDTH, Layout
from modclaims.planting.scenarios import EDGE, NONE, Scenario
from modclaims.recording import InductionScores, Recording, Request

Floats = NDArray[np.float64]
LITTLE = 0.02
"""Induction score of a head that looks for nothing."""
SPREAD, NULL_SPREAD = 0.1, 0.005
"""How a head's score varies over sequences, and over null objects."""


def scored(
    rng: np.random.Generator, asked: InductionScores, draws: int, law: str, layout: Layout, effect: float
) -> Recording:
    """Scores of a network whose heads all lie `effect` above null objects, which differ a little; every answer of both."""
    own = known.deviations(rng, law, (asked.sequences, LAYERS * HEADS))
    null = NULL_SPREAD * known.deviations(rng, "normal", (draws, 1, LAYERS * HEADS))
    null = null + SPREAD / 10 * known.deviations(rng, "normal", (draws, asked.sequences, LAYERS * HEADS))
    arrays: dict[tuple[Request, int], Floats] = {}
    for seed, found in ((None, LITTLE + effect + SPREAD * own), *enumerate(LITTLE + null)):
        request = asked if seed is None else replace(asked, variant=f"untrained:{seed}")
        arrays |= {(request, i): found[:, HEADS * i : HEADS * (i + 1)] for i in range(LAYERS)}
    return known.recording(layout, arrays, WIDTH)


def _scored(scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    assert isinstance(claim, InductionHeads)
    asked = InductionScores(claim.sequences, claim.period)
    return scored(rng, asked, claim.draws, scenario.law, scenario.texts, strengths[0])


INDUCTION_HEADS = Family(
    InductionHeads,
    lambda scenario: {"sequences": scenario.texts.texts},
    _scored,
    effect_alone,
    places(UNCATEGORISED[1:], LAWS, (NONE, EDGE)),
)
