"""Known answers of claims about one number a text: responses of heads, of blocks and along axes, and omega^2 of each.

Responses of unequal spread differ by category though their means do not, so that nothing is promised of p there; nor of
bounds of omega^2 where a sample variance has no variance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.calibration import known
from modclaims.calibration.family import (
    CATEGORISED,
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
from modclaims.calibration.known import AXES, FREEDOM, HEADS, HEAVIEST, LAWS, LAYERS, POSITIONS, WIDTH, Layout
from modclaims.calibration.scenarios import EDGE, EVENTS, FLAT, NONE, SIZE, SIZE_CELLS, Scenario
from modclaims.calibration.shuffled import LAST
from modclaims.families.axis_streams import AxisStreams
from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.hypothesis import Hypothesis
from modclaims.recording import Activations, Recording
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
OF_BLOCKS = 0.3
"""omega^2 of blocks, beside which heads have theirs."""
AT_LAST, LEARNED = "in the last layer", "components in splits"


# ---- omega^2, in closed form


def noise_of_means(layout: Layout, law: str) -> float:
    """Variance of a unit's mean response inside its category, averaged over units; inside mixed blocks, of a text's."""
    block, text = (0.25, 0.25) if layout.block > 1 else (0.0, 0.5)
    variance = block + (text + 0.5 / POSITIONS) / layout.block
    if layout.mixed:
        variance = text + 0.5 / POSITIONS
    share = np.array(layout.sizes) / sum(layout.sizes)
    heavy = FREEDOM[law] / (FREEDOM[law] - 2) if law in FREEDOM else 1.0
    return float(variance * heavy * share @ known.spread(layout, law) ** 2)


def category_means(layout: Layout, law: str, omega2: Floats) -> Floats:
    """(category, cell) means whose omega^2 = between / (between + within) is `omega2` in every cell, units weighing alike."""
    share = np.array(layout.sizes) / sum(layout.sizes)
    means = stream(0, "means").standard_normal((8, len(omega2)))[: len(share)]
    means = means - share @ means
    between = omega2 / (1 - omega2) * noise_of_means(layout, law)
    return np.asarray(means * np.sqrt(between / (share @ means**2)))


def responses(rng: np.random.Generator, layout: Layout, law: str, omega2: Floats) -> Floats:
    """(text, position, cell) responses about 10 whose omega^2 over categories, given strata, is `omega2` (cell,)."""
    y = 10 + known.noise(rng, layout, law, len(omega2), 1)[..., 0]
    y += category_means(layout, law, omega2)[layout.category][:, None]
    return np.asarray(y + 0.5 * (layout.stratum - (layout.strata - 1) / 2)[:, None, None])


# ---- heads, and blocks beside them


def _heads(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    y = responses(rng, layout, law, np.array(strengths))
    heads, blocks = y[:, :, : LAYERS * HEADS], y[:, :, LAYERS * HEADS :]
    arrays = known.by_layer(Activations("head_z", None, "norm"), heads.reshape(*y.shape[:2], LAYERS, HEADS))
    return known.recording(layout, arrays | known.by_layer(Activations("attn_out", None, "norm"), blocks), WIDTH)


def _of_heads(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (scenario.effect(claim),) * (LAYERS * HEADS)


def _contrasted(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """omega^2 of all heads, then of all blocks."""
    return (OF_BLOCKS + scenario.effect(claim),) * (LAYERS * HEADS) + (OF_BLOCKS,) * LAYERS


SELECTIVITY = Family(
    HeadSelectivity,
    labelled(),
    by_law(_heads),
    _of_heads,
    [
        *with_power(CATEGORISED),
        *places((MIXED,), LAWS[:2], (NONE, EDGE)),
        *places(SPLITTABLE, (HEAVIEST,), (EDGE,)),
        *exchanges(),
    ],
    unpromised={"unequal spread": (SIZE, SIZE_CELLS), HEAVIEST: EVENTS},
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


def _axes(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    y = responses(rng, layout, law, np.array(strengths))
    arrays = known.by_layer(Activations("resid_post"), y.reshape(*y.shape[:2], LAYERS, AXES))
    return known.recording(layout, arrays, AXES)


def _of_axes(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (scenario.effect(claim),) * (LAYERS * AXES)


STREAMS = Family(
    AxisStreams,
    labelled(),
    by_law(_axes),
    _of_axes,
    [
        *places(("12 (4/4/4)", MIDDLE, "64 crossed"), LAWS[:2], (NONE, EDGE)),
        *places((MIDDLE,), LAWS[:2], (NONE,), LEARNED),
        *exchanges(AT_LAST),
    ],
    {AT_LAST: Question({"layers": (LAST,)}), LEARNED: Question({"basis": "pca", "components": 3, "splits": 5})},
    unpromised={"unequal spread": (SIZE, SIZE_CELLS)},
    tested=True,
)
