"""Known answers of claims about responses of heads and neurons, and of heads beside the blocks that hold them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.families.responses.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import (
    CATEGORISED,
    LARGEST,
    MANY,
    MIDDLE,
    MIXED,
    SPLITTABLE,
    Family,
    Question,
    by_law,
    exchanges,
    labelled,
    places,
    with_power,
)
from modclaims.planting.known import HEADS, HEAVIEST, LAWS, LAYERS, WIDTH, Layout
from modclaims.planting.responses import (
    OUTLYING,
    SILENT,
    SKEWED,
    WIDER,
    planted,
    raw_of_scores,
    responses,
    superior_means,
)
from modclaims.planting.scenarios import EDGE, FLAT, NONE, SIZE, SIZE_CELLS, Scenario
from modclaims.recording import Activations, Recording

Floats = NDArray[np.float64]
OF_BLOCKS = 0.3
"""omega^2 of blocks, beside which heads have theirs."""
NAMED = "a named category"
UNEQUAL, FEW_AND_MANY = ("72 (60/12)", "132 (120/12)"), ("24 (2 x 12)", "144 (12 x 12)")


def _heads(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    y = responses(rng, layout, law, np.array(strengths))
    heads, blocks = y[:, :, : LAYERS * HEADS], y[:, :, LAYERS * HEADS :]
    arrays = known.by_layer(Activations("head_z", None, "norm"), heads.reshape(*y.shape[:2], LAYERS, HEADS))
    return known.recording(layout, arrays | known.by_layer(Activations("attn_out", None, "norm"), blocks), WIDTH)


def _of_heads(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return raw_of_scores(scenario.texts, scenario.law, scenario.effect(claim), LAYERS * HEADS)


def _contrasted(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """Raw omega^2 of all heads, then of all blocks."""
    cells = LAYERS * HEADS + LAYERS  # patterns of means hang on how many there are
    heads, blocks = (
        raw_of_scores(scenario.texts, scenario.law, value, cells)
        for value in (OF_BLOCKS + scenario.effect(claim), OF_BLOCKS)
    )
    return heads[: LAYERS * HEADS] + blocks[LAYERS * HEADS :]


def _superior(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """(category, cell) means laid flat."""
    means = superior_means(scenario.texts, scenario.law, scenario.effect(claim), LAYERS * HEADS)
    return tuple(value for row in means for value in row)


def _outranking(
    scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]
) -> Recording:
    layout = scenario.texts
    y = planted(rng, layout, scenario.law, np.array(strengths).reshape(len(layout.sizes), -1))
    arrays = known.by_layer(Activations("head_z", None, "norm"), y.reshape(*y.shape[:2], LAYERS, HEADS))
    return known.recording(layout, arrays, WIDTH)


SELECTIVITY = Family(
    HeadSelectivity,
    labelled(),
    by_law(_heads),
    _of_heads,
    [
        *with_power(CATEGORISED),
        *places((MIXED,), LAWS[:2], (NONE, EDGE)),
        *places(SPLITTABLE, (HEAVIEST,), (EDGE,)),
        *places((MIDDLE, LARGEST), (*OUTLYING, SKEWED, SILENT), (EDGE,)),
        *places(UNEQUAL, (LAWS[0], WIDER), (EDGE,)),
        *places(FEW_AND_MANY, LAWS[:1], (EDGE,)),
        *places((MIDDLE, "64 crossed", LARGEST), LAWS, (EDGE,), NAMED),
        *places((MIDDLE, LARGEST), (HEAVIEST, *OUTLYING, SKEWED, SILENT), (EDGE,), NAMED),
        *places(UNEQUAL, (LAWS[0], WIDER), (EDGE,), NAMED),
        *places(FEW_AND_MANY, LAWS[:1], (EDGE,), NAMED),
        *places((MIXED,), LAWS[:2], (EDGE,), NAMED),
        *places(MANY, (*LAWS[:2], HEAVIEST), (EDGE,), NAMED),
        *places((MIDDLE,), LAWS[:1], (NONE, "2 s", "3 s"), NAMED),
        *exchanges(),
    ],
    {
        NAMED: Question(
            {"category": "c0", "answers": "more", "smallest_effect": 0.2}, plant=_outranking, strengths=_superior
        )
    },
    unpromised={"unequal spread": (SIZE, SIZE_CELLS)},
    tested=True,
)
AGAINST_BLOCKS = Family(
    HeadsAgainstBlocks,
    labelled(splits=10),
    by_law(_heads),
    _contrasted,
    places(SPLITTABLE, LAWS[:2], (FLAT, EDGE)) + places(SPLITTABLE, LAWS[:1], ("3 s",)),
)


# ---- axes
