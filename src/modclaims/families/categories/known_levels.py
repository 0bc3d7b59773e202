"""Levels of similarity whose answer is known: activations with a direction in common, of all texts or of a category's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.families.categories.similarity_levels import SimilarityLevels
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import (
    CATEGORISED,
    MIDDLE,
    SPLITTABLE,
    Family,
    Question,
    by_law,
    labelled,
    places,
)
from modclaims.planting.known import LAWS, LAYERS, STRATUM, WIDTH, Layout
from modclaims.planting.scenarios import EDGE, FLAT, Scenario
from modclaims.recording import Activations, Recording
from modclaims.stats.effects.levels import compared

Floats = NDArray[np.float64]
LEVEL = 0.3
"""Where layers stand whose difference is asked for."""
SAME_MINUS_DIFFERENT, NAMED = "same minus different category", "named layers"
HIGHER = (1, 2)
"""Layers that are named."""


def alike(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Noise, and one direction that all texts share, of one strength per layer."""
    x = known.noise(rng, layout, law, len(strengths), WIDTH)
    x[..., -1] += np.array(strengths)
    return known.recording(layout, known.by_layer(Activations("attn_out"), x), WIDTH)


def population(layout: Layout, law: str, strength: float, level: str, of_category: bool) -> float:
    """A level of mean cosines: texts being independent, the product of their mean directions, weighted as pairs are.

    The direction is that of all texts, or with `of_category` one per category, beside one per stratum.
    """
    factor, half = known.spread(layout, law), known.crowd(law)
    crowd = np.concatenate([half, -half])  # noise that is symmetric, so that its mean is none
    mean = np.empty((len(factor), WIDTH))
    for category, wide in enumerate(factor):
        x = crowd * wide
        x[..., category if of_category else -1] += strength
        if of_category and layout.strata > 1:
            x[..., len(factor)] += STRATUM * wide
        mean[category] = (x / np.linalg.norm(x, axis=-1, keepdims=True)).mean(axis=(0, 1))
    design = Units.of(known.corpus(layout), "category", "topic" if layout.strata > 1 else None).design
    weights = compared(design, level)
    return float((weights * (mean @ mean.T)[np.ix_(design.labels, design.labels)]).sum() / weights.sum())


@lru_cache(maxsize=64)
def strength_of_level(layout: Layout, law: str, level: float) -> float:
    """The strength at which the level of different texts is `level`."""
    if level == 0:
        return 0.0
    return known.root(lambda strength: population(layout, law, strength, "other_text", False) - level)


@lru_cache(maxsize=64)
def strength_of_gap(layout: Layout, law: str, gap: float) -> float:
    """The strength at which the level of one category lies `gap` above that of different ones."""
    if gap == 0:
        return 0.0

    def miss(strength: float) -> float:
        same, other = (population(layout, law, strength, f"{kind}_category", True) for kind in ("same", "different"))
        return same - other - gap

    return known.root(miss)


# ---- the family


def _everywhere(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (strength_of_level(scenario.texts, scenario.law, scenario.effect(claim)),) * LAYERS


def _named(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    by_layer = [LEVEL + (scenario.effect(claim) if layer in HIGHER else 0.0) for layer in range(LAYERS)]
    return tuple(strength_of_level(scenario.texts, scenario.law, level) for level in by_layer)


def _apart(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (strength_of_gap(scenario.texts, scenario.law, scenario.effect(claim)),) * LAYERS


LEVELS = Family(
    SimilarityLevels,
    labelled(untrained=0),
    by_law(alike),
    _everywhere,
    [
        *places(CATEGORISED, LAWS, (EDGE,)),
        *places(CATEGORISED[:4], LAWS[:1], ("2 s",)),
        *places(SPLITTABLE, LAWS, (EDGE,), SAME_MINUS_DIFFERENT),
        *places(SPLITTABLE[:1], LAWS[:1], ("2 s",), SAME_MINUS_DIFFERENT),
        *places((MIDDLE,), LAWS, (FLAT, EDGE), NAMED),
    ],
    {
        SAME_MINUS_DIFFERENT: Question(
            {"level": "same_category", "against": "different_category"}, by_law(known.categories), _apart
        ),
        NAMED: Question({"named": HIGHER}, strengths=_named),
    },
)
