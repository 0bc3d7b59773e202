"""Known answers of claims that texts of one category are alike: directions of categories, and spreads without any."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from modclaims.families.categories.category_clustering import CategoryClustering
from modclaims.families.common import controls
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known, words
from modclaims.planting.family import (
    CATEGORISED,
    MANY,
    MIDDLE,
    MIXED,
    SPLITTABLE,
    Family,
    Plant,
    Question,
    by_law,
    exchanges,
    labelled,
    nothing,
    places,
    with_power,
)
from modclaims.planting.known import FLAT_DELTA, LAWS, LAYERS, WIDTH, Layout
from modclaims.planting.scenarios import (
    ALPHAS,
    BESIDE,
    EDGE,
    EVENTS,
    FLAT,
    NONE,
    PERMUTATIONS,
    SIZE,
    SIZE_CELLS,
    WRONG,
    Scenario,
)
from modclaims.recording import Activations, Recording
from modclaims.stats.chance.actions import relabellings
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.quantifiers import along_depth, everywhere, in_fraction

Floats = NDArray[np.float64]
ALONG, ONE_CELL = "rises along depth", "one cell of 24"
EVERYWHERE, HALF, SMALLEST = "everywhere", "in half of the layers", "by minP"
SPREAD, SCALED, DISTANCES = "location by cosines", "location by scaled cosines", "location by distances"
ONE_MASSIVE, THREE_MASSIVE = "location beside a massive coordinate", "location beside three massive coordinates"
NEAR_END = {0.8: "delta .8 at stake", 0.9: "delta .9 at stake", 0.95: "delta .95 at stake"}
"""Questions in which the smallest effect lies near the end of delta's scale."""
MISPLACED = {0.02: "2 % in the wrong category", 0.05: "5 % in the wrong category"}
"""Questions in which this share of texts bears another category's label, and all else is separated perfectly."""
TOGETHER = {
    "": "somewhere, layers alike",
    EVERYWHERE: "everywhere, layers alike",
    HALF: "in half of the layers, layers alike",
}
"""Questions in which layers share almost all of their noise."""
SHARED = 0.95
"""Correlation of the layers' noise in these."""
APART_FOR_SURE = 9.0
BEYOND, NOISY = "beyond shared words", "beyond a noisy proxy of shared words"
GAP_TRUTH = ".75 sd in one cell"
GAP = 0.75
WIDE_CELLS, WIDE_WIDTH, PLANTED = 24, 64, 5
"""The search in which one cell alone differs: so many layers, so wide, and at which of them."""
STRONG = 0.6
"""Cliff's delta of layers that are above any doubt, where a claim speaks of several."""
CENTRE = 1.0
"""Where all categories stand that differ in spread alone, in every coordinate."""
UNEVEN = ("30 (24/6)", "30 (6/24)", "72 (60/12)", "72 (12/60)")
APART, AWAY = "a centre 2 apart", 2.0
"""How far off the others' the last category's centre stands on one coordinate where it does, noise having variance 1."""
MASSIVE_SIZE, MASSIVE_SPREAD = 3000.0, 1000.0
"""Mean and spread of massive coordinates, which know no category."""


# ---- categories that differ in direction


def alike(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """The effect in every layer."""
    return known.strengths_of_deltas(scenario.texts, scenario.law, (scenario.effect(claim),) * LAYERS)


def _last_of_all(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    deltas = (*(STRONG,) * (LAYERS - 1), scenario.effect(claim))
    return known.strengths_of_deltas(scenario.texts, scenario.law, deltas)


def _first_aside(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    deltas = (STRONG, *(scenario.effect(claim),) * (LAYERS - 1))
    return known.strengths_of_deltas(scenario.texts, scenario.law, deltas)


def _rising(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """From the first layer to the last delta rises by the effect, flat at effect 0."""
    deltas = FLAT_DELTA + scenario.effect(claim) * (np.arange(LAYERS) / (LAYERS - 1) - 0.5)
    return known.strengths_of_deltas(scenario.texts, scenario.law, deltas.tolist())


@lru_cache(maxsize=8)
def strength_of_gap(layout: Layout, law: str, gap: float, width: int) -> float:
    """The strength at which mean within - mean between is `gap` standard deviations of within-category similarities."""

    def miss(strength: float) -> float:
        ((_, inside),), ((_, outside),) = known.pair_similarities(layout, law, strength, width)
        return float((inside.mean() - outside.mean()) / inside.std()) - gap

    return known.root(miss)


def _in_one_cell(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    one = strength_of_gap(scenario.texts, scenario.law, GAP, WIDE_WIDTH)
    return tuple(one if layer == PLANTED else 0.0 for layer in range(WIDE_CELLS))


# ---- near the end of the scale, and layers that are almost one


def misplaced_delta(share: float, categories: int) -> float:
    """Cliff's delta where categories never overlap and a share of texts truly belongs to another one, any alike.

    A pair is alike or not: delta is the chance that two texts of one category are, less that of two texts of two.
    """
    other = categories - 1
    within = (1 - share) ** 2 + share**2 / other
    between = 2 * (1 - share) * share / other + share**2 * (categories - 2) / other**2
    return within - between


def _misplaced(share: float) -> Plant:
    def plant(
        scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]
    ) -> Recording:
        layout = scenario.texts
        truly = layout.category.copy()
        odd = rng.random(layout.texts) < share
        truly[odd] = (truly[odd] + rng.integers(1, len(layout.sizes), int(odd.sum()))) % len(layout.sizes)
        x = known.noise(rng, layout, scenario.law, LAYERS, WIDTH)
        x[np.arange(layout.texts), :, :, truly] += APART_FOR_SURE
        return known.recording(layout, known.by_layer(Activations("attn_out"), x), WIDTH)

    return plant


def _layers_alike(
    scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]
) -> Recording:
    """Categories' directions in noise that layers share but for a little."""
    layout = scenario.texts
    own, one = (known.noise(rng, layout, scenario.law, layers, WIDTH) for layers in (LAYERS, 1))
    x = np.sqrt(SHARED) * one + np.sqrt(1 - SHARED) * own
    x[np.arange(layout.texts), :, :, layout.category] += np.array(strengths)
    return known.recording(layout, known.by_layer(Activations("attn_out"), x), WIDTH)


# ---- categories that differ in spread alone


def _apart(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """How far the last category's centre stands off, in its own spreads."""
    return (AWAY * known.spread(scenario.texts, scenario.law)[-1] * (scenario.truth == APART),)


def _spread(
    rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...], massive: int = 0
) -> Recording:
    """Categories about one centre, or all but the last; under `unequal spread` the last is three times as wide."""
    x = CENTRE + known.noise(rng, layout, law, LAYERS, WIDTH)
    x[layout.category == len(layout.sizes) - 1, :, :, 0] += strengths[0]
    x[..., WIDTH - massive :] = MASSIVE_SIZE + MASSIVE_SPREAD * x[..., WIDTH - massive :]
    return known.recording(layout, known.by_layer(Activations("attn_out"), x), WIDTH)


def _location(claim: Hypothesis, recording: Recording, rng: np.random.Generator) -> Floats:
    """(cell,) adjusted p of F2, as stands beside the claim when it is weighed whole."""
    assert isinstance(claim, CategoryClustering)
    units = Units.of(recording.corpus, claim.label, claim.within)
    arrangements = relabellings(units.design, budget=PERMUTATIONS, rng=rng, blind="within_strata")
    apart = controls.activation_distances(recording, Activations("attn_out"), units)
    comparison = controls.Comparison(units, Pairs.of(units.design), np.zeros((0, len(apart))), 0, "")
    return controls.UnequalSpread(apart, arrangements).found(comparison, ALPHAS[0]).p_location


def _location_by(similarity: str, massive: int = 0, unpromised: tuple[str, ...] = (SIZE, SIZE_CELLS)) -> Question:
    """Whether what is supported by a similarity is one of location; p of the gap knows spread from location in no way."""
    return Question(
        {"similarity": similarity},
        by_law(partial(_spread, massive=massive)),
        _apart,
        supported=True,
        location=_location,
        unpromised=unpromised,
    )


# ---- the family

QUESTIONS = {
    ALONG: Question({"holds": along_depth("rises")}, strengths=_rising),
    EVERYWHERE: Question({"holds": everywhere()}, strengths=_last_of_all, several=True),
    HALF: Question({"holds": in_fraction(0.5)}, strengths=_first_aside, several=True),
    SMALLEST: Question({"adjust": "minP"}),
    **{word: Question({"smallest_effect": delta}) for delta, word in NEAR_END.items()},
    **{
        word: Question({"smallest_effect": round(misplaced_delta(share, 4), 6)}, _misplaced(share), nothing)
        for share, word in MISPLACED.items()
    },
    TOGETHER[""]: Question(plant=_layers_alike),
    TOGETHER[EVERYWHERE]: Question({"holds": everywhere()}, _layers_alike, _last_of_all, several=True),
    TOGETHER[HALF]: Question({"holds": in_fraction(0.5)}, _layers_alike, _first_aside, several=True),
    ONE_CELL: Question(plant=by_law(partial(known.categories, width=WIDE_WIDTH)), strengths=_in_one_cell, cell=PLANTED),
    # p of the gap is not kept where categories spread unequally: that of distances rejects always, but their delta, in
    # which categories weigh the same, supports nothing. Cosines do know a wider category about the same centre, by its
    # directions (delta .2), and support the claim; that is no difference of location
    SPREAD: _location_by("cosine", unpromised=(SIZE, SIZE_CELLS, WRONG)),
    SCALED: _location_by("scaled_cosine"),
    DISTANCES: _location_by("euclidean"),
    ONE_MASSIVE: _location_by("cosine", 1, unpromised=(SIZE, SIZE_CELLS, WRONG)),
    THREE_MASSIVE: _location_by("cosine", 3, unpromised=(SIZE, SIZE_CELLS, WRONG)),
    # words that are taken out by a fit are not known exactly, so that p is a guide; nothing holds where they are misread
    BEYOND: Question(
        {"beyond": "shared_words"}, words.planted, words.effect_and_share, supported=True, unpromised=(SIZE, SIZE_CELLS)
    ),
    NOISY: Question(
        {"beyond": "shared_words"}, words.planted, words.effect_and_share, supported=True, unpromised=EVENTS
    ),
}
CLUSTERING = Family(
    CategoryClustering,
    labelled(),
    by_law(known.categories),
    alike,
    [
        *with_power(CATEGORISED),
        *places((MIXED,), LAWS[:2], (NONE, EDGE)),
        *places(("12 (4/4/4)", *SPLITTABLE[:2]), LAWS[:1], (FLAT, EDGE), ALONG),
        *places((MIDDLE,), LAWS[1:], (FLAT, EDGE), ALONG),
        *places(MANY, LAWS, (EDGE,)),
        *places(MANY[:1], LAWS[:1], (FLAT, EDGE), ALONG),
        *places(MANY[:1], LAWS[:1], (EDGE,), MISPLACED[0.02]),
        *places((MIDDLE,), LAWS[:1], (NONE, EDGE), EVERYWHERE),
        *places((MIDDLE,), LAWS[:1], (NONE, EDGE), HALF),
        *places((MIDDLE,), LAWS[:1], (NONE,), SMALLEST),
        *(
            one
            for word in (*NEAR_END.values(), *MISPLACED.values())
            for one in places((MIDDLE,), LAWS[:1], (EDGE,), word)
        ),
        *(one for word in TOGETHER.values() for one in places((MIDDLE,), LAWS[:1], (NONE, EDGE), word)),
        *places((MIDDLE,), LAWS[:1], (GAP_TRUTH,), ONE_CELL),
        *places(UNEVEN[2:], ("unequal spread",), (NONE, EDGE)),
        *places(UNEVEN, ("unequal spread",), (NONE,), SPREAD),
        *places(UNEVEN[:2], ("unequal spread",), (NONE,), SCALED),
        *places(UNEVEN, ("unequal spread",), (NONE,), DISTANCES),
        *places(UNEVEN[2:], ("unequal spread",), (NONE, APART), ONE_MASSIVE),
        *places(UNEVEN[2:], ("unequal spread",), (NONE, APART), THREE_MASSIVE),
        *places((MIDDLE,), LAWS[:1], (APART,), SPREAD),
        *places((MIDDLE,), LAWS[:1], (NONE, APART), ONE_MASSIVE),
        *places((MIDDLE,), LAWS[:1], (NONE, APART), THREE_MASSIVE),
        *places((MIDDLE,), tuple(words.LINKS), (NONE, BESIDE), BEYOND),
        *places((MIDDLE,), tuple(words.MISREAD), (NONE,), NOISY),
        *exchanges(),
    ],
    QUESTIONS,
    tested=True,
)
