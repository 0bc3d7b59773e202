"""Known answers of claims about one number a text: responses of heads, of blocks and along axes.

Planted are means of categories whose omega^2 of raw responses is known in closed form. What is claimed of them is told by
ranks: which means make omega^2 of normal scores, or the superiority of a category, what it is said to be is found on large
samples of a fixed seed, each category weighing as it does in the layout (superiority: all alike). Responses of unequal
spread differ by category though their means do not, so that nothing is promised of p there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from modclaims.calibration import known
from modclaims.calibration.family import (
    CATEGORISED,
    LARGEST,
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
from modclaims.calibration.scenarios import EDGE, FLAT, NONE, SIZE, SIZE_CELLS, Scenario
from modclaims.calibration.shuffled import LAST
from modclaims.families.axis_streams import AxisStreams
from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.hypothesis import Hypothesis
from modclaims.recording import Activations, Recording
from modclaims.stats.normal_scores import doubled_midranks
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
OF_BLOCKS = 0.3
"""omega^2 of blocks, beside which heads have theirs."""
AT_LAST, LEARNED = "in the last layer", "components in splits"
NAMED = "a named category"
OUTLYING = {"1 % outliers": 0.01, "3 % outliers": 0.03}
"""Shares of texts whose deviations are `OUT` times as large."""
OUT = 10.0
SKEWED, WIDER, SILENT = "lognormal", "spread 1:5", "80 % silent"
SILENCE = 0.67
"""What a text's mean response must exceed to be any: .84 of its standard deviations, which are .79."""
UNEQUAL, FEW_AND_MANY = ("72 (60/12)", "132 (120/12)"), ("24 (2 x 12)", "144 (12 x 12)")
CROWD = 48_000
"""Texts drawn to find a population's effect."""


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
    means = stream(0, "means").standard_normal((max(8, len(share)), len(omega2)))[: len(share)]
    means = means - share @ means
    between = omega2 / (1 - omega2) * noise_of_means(layout, law)
    return np.asarray(means * np.sqrt(between / (share @ means**2)))


def responses(rng: np.random.Generator, layout: Layout, law: str, omega2: Floats) -> Floats:
    """(text, position, cell) responses about 10 whose omega^2 over categories, given strata, is `omega2` (cell,)."""
    return planted(rng, layout, law, category_means(layout, law, omega2))


def planted(rng: np.random.Generator, layout: Layout, law: str, means: Floats) -> Floats:
    """(text, position, cell) responses about 10 with these (category, cell) means, and a shift of each stratum."""
    y = distorted(rng, layout, law, known.noise(rng, layout, law, means.shape[1], 1)[..., 0])
    y += means[layout.category][:, None]
    y = np.asarray(y + 0.5 * (layout.stratum - (layout.strata - 1) / 2)[:, None, None])
    if law == SILENT:  # at all positions of a text, or at none
        y = np.broadcast_to(np.maximum(y.mean(axis=1, keepdims=True) - SILENCE, 0.0), y.shape)
    return np.asarray(10 + y)


def distorted(rng: np.random.Generator, layout: Layout, law: str, noise: Floats) -> Floats:
    """(text, ...) noise as a law has it, text by text: of single ones far out, skewed, or of a last category five times as wide."""
    factor = np.ones(layout.texts)
    if law in OUTLYING:
        factor = np.where(rng.random(layout.texts) < OUTLYING[law], OUT, 1.0)
    if law == WIDER:
        factor = np.where(layout.category == len(layout.sizes) - 1, 5.0, 1.0)
    if law == SKEWED:
        return np.asarray((np.exp(noise) - np.exp(0.5)) / 2)
    return np.asarray(noise * factor.reshape(-1, *[1] * (noise.ndim - 1)))


# ---- effects of ranks, on large samples


@lru_cache(maxsize=128)
def _unit_responses(layout: Layout, law: str) -> tuple[Layout, Floats]:
    """A layout of many units, strata as they are, and (unit,) their mean responses of one cell, all means being 0."""
    many = max(1, CROWD // sum(layout.sizes))
    large = replace(layout, name="crowd", sizes=tuple(size * many for size in layout.sizes))
    rng = stream(0, "crowd of responses", layout.name, law)
    y = distorted(rng, large, law, known.noise(rng, large, law, 1, 1)[..., 0])[..., 0].mean(axis=1)
    return large, y


def omega2_of_scores(layout: Layout, law: str, means: Floats) -> float:
    """omega^2 of normal scores in the population, of one cell whose categories have these means.

    Aligned by strata of the layout's own size, of which there are many.
    """
    from scipy.special import ndtri

    large, noise = _unit_responses(layout, law)
    category, y = large.category, noise + means[large.category]
    if law == SILENT:
        y = np.maximum(y - SILENCE, 0.0)
    if large.mixed:  # each block is a stratum
        y = y.reshape(-1, large.block)
        y = (y - np.median(y, axis=1, keepdims=True)).ravel()
    elif large.block > 1:
        y, category = y.reshape(-1, large.block).mean(axis=1), category[:: large.block]
    if layout.strata > 1:
        each = [_split(np.flatnonzero(category == k), n // layout.strata) for k, n in enumerate(layout.sizes)]
        rows = np.concatenate(each, axis=1)
        y, category = (y[rows] - np.median(y[rows], axis=1, keepdims=True)).ravel(), category[rows].ravel()
    scores = ndtri(doubled_midranks(y[:, None], np.zeros(1))[:, 0] / (2 * (len(y) + 1)))
    share = np.array(layout.sizes) / sum(layout.sizes)
    groups = [scores[category == k] for k in range(len(share))]
    mean = np.array([g.mean() for g in groups])
    between = share @ (mean - share @ mean) ** 2
    return float(between / (between + share @ np.array([g.var() for g in groups])))


def _split(where: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(stratum, unit of the category) as many whole strata as there are units for."""
    return where[: len(where) // size * size].reshape(-1, size)


@lru_cache(maxsize=512)
def raw_of_scores(layout: Layout, law: str, omega2: float, cells: int) -> tuple[float, ...]:
    """(cell,) omega^2 of raw responses at which that of normal scores is `omega2`."""
    if omega2 == 0:
        return (0.0,) * cells
    pattern = category_means(layout, law, np.full(cells, 0.5))  # whose omega^2 / (1 - omega^2) is 1

    def miss(length: float, c: int) -> float:
        return omega2_of_scores(layout, law, length * pattern[:, c]) - omega2

    lengths = [known.root(partial(miss, c=c), 6.0) for c in range(cells)]
    return tuple(length**2 / (1 + length**2) for length in lengths)


def delta_of_first(layout: Layout, law: str, means: Floats) -> float:
    """delta of the first category in the population, all others weighing the same, where categories have these means."""
    large, noise = _unit_responses(layout, law)
    category, y = large.category, noise + means[large.category]
    if law == SILENT:
        y = np.maximum(y - SILENCE, 0.0)
    if large.mixed:  # texts are held against those of their own block
        y, category = y.reshape(-1, large.block), category[: large.block]
        wins = np.sign(y[:, category == 0][:, :, None] - y[:, category != 0][:, None, :])
        return float(wins.mean())
    if large.block > 1:
        y, category = y.reshape(-1, large.block).mean(axis=1), category[:: large.block]
    mine, found = np.sort(y[category == 0]), []
    for k in range(1, len(layout.sizes)):
        other = y[category == k]
        below = np.searchsorted(mine, other, "left") + np.searchsorted(mine, other, "right")
        found.append(1 - float(below.mean()) / len(mine))
    return float(np.mean(found))


@lru_cache(maxsize=64)
def superior_means(layout: Layout, law: str, delta: float, cells: int) -> tuple[tuple[float, ...], ...]:
    """(category, cell) means at which delta of the first category is `delta`; those of the others lie .3 apart or so."""
    means = 0.3 * stream(0, "superior").standard_normal((len(layout.sizes), cells))

    def miss(shift: float, c: int) -> float:
        return delta_of_first(layout, law, np.concatenate([[shift - 3], means[1:, c]])) - delta

    for c in range(cells):
        means[0, c] = known.root(partial(miss, c=c), 20.0) - 3
    return tuple(map(tuple, means))


# ---- heads, and blocks beside them


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


def _axes(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    y = responses(rng, layout, law, np.array(strengths))
    arrays = known.by_layer(Activations("resid_post"), y.reshape(*y.shape[:2], LAYERS, AXES))
    return known.recording(layout, arrays, AXES)


def _of_axes(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return raw_of_scores(scenario.texts, scenario.law, scenario.effect(claim), LAYERS * AXES)


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
