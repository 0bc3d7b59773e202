"""Known answers of claims about Jacobians: effective ranks, and steps in a spectrum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.jacobians.jacobian_claim import CountedClaim
from modclaims.families.jacobians.leading_values import LeadingValues
from modclaims.families.jacobians.tight_pass import TightPass
from modclaims.families.jacobians.tighter_than_attention import TighterThanAttention
from modclaims.families.jacobians.tightest_at import TightestAt
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import UNCATEGORISED, Family, unlabelled, with_power
from modclaims.planting.known import LAYERS, WIDTH
from modclaims.planting.scenarios import FLAT, Scenario
from modclaims.recording import BY_TOKEN, SPECTRUM, Jacobian, Recording, Request

Floats = NDArray[np.float64]
TEXT_SPREAD, DRAW_SPREAD, RANK = 0.08, 0.08, 0.6
"""Of planted ranks over the width: how texts and networks vary, and about what."""
STEP_SPREAD = 0.5
"""How texts vary in orders of magnitude of a step in a spectrum."""
MOST_STEP = 5.0
"""Beyond it the rest of a spectrum would lie below float32's noise floor; some draw in ten thousand of the heaviest law does."""


def _everywhere(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (scenario.effect(claim),) * LAYERS


# ---- effective ranks


def _named(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """Layers 1 and 2 tighter than the others, all of them off the middle by different amounts."""
    other, effect = (0.1, -0.1), scenario.effect(claim)
    return (other[0], effect + 0.05, effect - 0.05, other[1])


def _ranks(scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """Ranks of the MLP, tighter by `strengths`, and whatever the claim compares it with."""
    assert isinstance(claim, CountedClaim)
    n, law, tokens = scenario.texts.texts, scenario.law, claim.tokens
    common = TEXT_SPREAD * known.deviations(rng, law, (n, LAYERS)) / np.sqrt(2)

    def own() -> Floats:
        return np.asarray(common + TEXT_SPREAD * known.deviations(rng, law, (n, LAYERS)) / np.sqrt(2))

    def by_token(share: Floats) -> dict[int, Floats]:
        return {i: np.tile(WIDTH * share[:, [i], None], (1, tokens, len(BY_TOKEN))) for i in range(LAYERS)}

    mine = Jacobian("mlp", tokens, None, True, claim.texts)
    arrays: dict[tuple[Request, int], Floats] = {
        (mine, i): found for i, found in by_token(RANK - np.array(strengths) + own()).items()
    }
    if isinstance(claim, TighterThanAttention):
        other = replace(mine, block="attention")
        arrays |= {(other, i): found for i, found in by_token(RANK + own()).items()}
    elif isinstance(claim, TightPass):
        networks = DRAW_SPREAD * known.deviations(rng, "normal", (claim.draws, LAYERS))
        shares = RANK + own()
        for draw, network in enumerate(networks):  # each at one text
            null = replace(mine, variant=f"gaussian:{draw}", only=draw)
            arrays |= {(null, i): found for i, found in by_token(shares[[draw % n]] + network).items()}
    return known.recording(scenario.texts, arrays, WIDTH)


TIGHT_PASS = Family(TightPass, unlabelled(texts=None), _ranks, _everywhere, with_power(UNCATEGORISED))
TIGHTER_THAN_ATTENTION = replace(TIGHT_PASS, base=TighterThanAttention)
TIGHTEST_AT = Family(TightestAt, unlabelled(texts=None), _ranks, _named, with_power(UNCATEGORISED, FLAT))


# ---- spectra


def _spectra(
    scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]
) -> Recording:
    """Spectra in two flat parts, apart by `strengths` orders of magnitude, give or take a text's own."""
    assert isinstance(claim, LeadingValues)
    n, size = scenario.texts.texts, claim.tokens * WIDTH
    common, own = (STEP_SPREAD * known.deviations(rng, scenario.law, (n, layers)) for layers in (1, LAYERS))
    steps = np.minimum(np.array(strengths) + (common + own) / np.sqrt(2), MOST_STEP)
    mine = Jacobian("mlp", claim.tokens, None, True, claim.texts)
    high = np.where(np.arange(size) < claim.leading, 1.0, 0.0)
    arrays: dict[tuple[Request, int], Floats] = {
        (replace(mine, answer="summary"), i): np.zeros((n, len(SPECTRUM))) for i in range(LAYERS)
    }
    arrays |= {(replace(mine, answer="values"), i): 10.0 ** (steps[:, [i]] * high) for i in range(LAYERS)}
    return known.recording(scenario.texts, arrays, WIDTH)


LEADING_VALUES = Family(LeadingValues, unlabelled(texts=None), _spectra, _everywhere, with_power(UNCATEGORISED))
