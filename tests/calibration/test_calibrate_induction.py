"""Planted copies and induction scores have the effects that they are said to have."""

from __future__ import annotations

import numpy as np
import pytest

from modclaims.calibration import grid
from modclaims.families.categories import known_copies as copies
from modclaims.families.categories.category_clustering import CategoryClustering
from modclaims.families.common.copying import Copying
from modclaims.look import TestSettings
from modclaims.planting import known
from modclaims.planting.family import claim_of
from modclaims.planting.known import LAYOUTS
from modclaims.planting.scenarios import EDGE, NONE, Scenario
from modclaims.stats.streams import stream

LAYOUT = LAYOUTS["64 crossed"]


def mean_effect(scenario: Scenario, sets: int) -> tuple[float, float]:
    """Mean and standard error of the estimated effects of some data sets."""
    strengths = grid.strengths_of(scenario)
    found = [
        grid.weighed(scenario, stream(41, scenario.name, str(i)), strengths)[1].bounds.effect.mean()
        for i in range(sets)
    ]
    return float(np.mean(found)), float(np.std(found) / np.sqrt(sets))


@pytest.mark.parametrize(
    ("family", "layout", "sets"), [("InductionExplanation", "64 crossed", 40), ("InductionHeads", "12 texts", 20)]
)
def test_estimates_lie_about_the_effect_that_was_planted(family: str, layout: str, sets: int) -> None:
    scenario = Scenario(family, layout, "normal", EDGE)
    smallest = grid.family(scenario).claim(scenario).smallest_effect
    mean, error = mean_effect(scenario, sets)
    assert abs(mean - smallest) < 3 * error + 0.02


def test_copies_make_texts_of_a_category_alike_and_nothing_is_left_beyond_them() -> None:
    scenario = Scenario("InductionExplanation", "64 crossed", "normal", NONE, copies.COPIED)
    mean, error = mean_effect(scenario, 25)
    assert abs(mean) < 3 * error + 0.02
    raw = claim_of(CategoryClustering, within="topic", layers=copies.LOOKED)
    weighing = TestSettings(permutations=9, resamples=9, bare=True)
    mine = grid.family(scenario)
    made = [mine.planted(scenario, mine.claim(scenario), stream(42, str(i)), (0.0,)) for i in range(10)]
    assert np.mean([raw.weigh(one, weighing).bounds.effect for one in made]) > 0.3


def test_likeness_of_planted_copies_is_that_of_the_vectors() -> None:
    """Cosines are attention times attention where the same token is copied, beside noise of mean 0."""
    rng, found = stream(43, "cosines"), []
    for _ in range(15):
        tokens, paid = copies.copied(rng, LAYOUT, copies.SHARE)
        x = copies.activations(rng, LAYOUT, tokens, paid, 0.0)
        np.testing.assert_allclose((x**2).sum(axis=-1), 1)
        copying = Copying.of(copies.recorded(LAYOUT, x, tokens, paid))
        inner = np.einsum("tpu,vpu->tv", x[:, :, 1], x[:, :, 1]) / known.POSITIONS
        i, j = np.triu_indices(LAYOUT.texts, 1)
        found.append((inner - copying.similarity(0) / copies.SCORE**2)[i, j].mean())
    assert abs(np.mean(found)) < 0.005
