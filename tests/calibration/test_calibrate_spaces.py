"""Planted factors, subspaces and components have the effects that they are said to have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from modclaims.calibration import grid
from modclaims.families.categories import known_spaces as spaces
from modclaims.planting import known
from modclaims.planting.known import LAYOUTS
from modclaims.planting.scenarios import EDGE, NONE, Scenario
from modclaims.stats.streams import stream

MIDDLE, CROSSED = LAYOUTS["48 (4 x 12)"], LAYOUTS["48 crossed (2 x 4)"]


def mean_effect(scenario: Scenario, sets: int) -> tuple[float, float]:
    """Mean and standard error of the estimated effects of some data sets."""
    strengths = grid.strengths_of(scenario)
    found = [
        grid.weighed(scenario, stream(31, scenario.name, str(i)), strengths)[1].bounds.effect.mean()
        for i in range(sets)
    ]
    return float(np.mean(found)), float(np.std(found) / np.sqrt(sets))


@pytest.mark.parametrize(
    ("family", "layout", "sets"),
    [("WithinVersusStyle", CROSSED, 40), ("SubspaceSeparation", MIDDLE, 25), ("LowRankSimilarity", MIDDLE, 15)],
)
def test_estimates_lie_about_the_effect_that_was_planted(
    family: str, layout: known.Layout, sets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "SETS", 40)
    scenario = Scenario(family, layout.name, "normal", EDGE)
    smallest = grid.family(scenario).claim(scenario).smallest_effect
    mean, error = mean_effect(scenario, sets)
    assert abs(mean - smallest) < 3 * error + 0.02


def test_two_factors_of_one_strength_do_not_differ() -> None:
    assert abs(spaces.population_difference("normal", spaces.SECOND)) < 0.01
    assert spaces.population_difference("normal", 2.5) > 0.2


def test_subspaces_that_all_share_are_not_separate_and_no_factor_is_no_excess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spaces, "SETS", 40)
    layout = replace(MIDDLE, name="small", sizes=(12, 12))
    assert abs(spaces.population_separation(layout, "normal", 1.0)) < 0.05
    assert spaces.population_separation(layout, "normal", 0.0) > 0.5
    assert abs(spaces.population_excess(layout, "normal", 0.0)) < 0.01
    assert spaces.population_excess(layout, "normal", 5.0) > 0.2


def test_nothing_is_planted_where_there_is_no_effect() -> None:
    for family, expected in (("SubspaceSeparation", 1.0), ("LowRankSimilarity", 0.0)):
        assert grid.strengths_of(Scenario(family, MIDDLE.name, "normal", NONE)) == (expected, expected)


def test_one_factor_moves_all_coordinates_alike() -> None:
    x = spaces.factored(np.random.default_rng(0), MIDDLE, "normal", (50.0,))[:, :, 0].mean(axis=1)
    values = np.linalg.svd(x - x.mean(axis=0), compute_uv=False) ** 2
    assert values[0] / values.sum() > 0.99
    axis = np.linalg.svd(x - x.mean(axis=0))[2][0]
    np.testing.assert_allclose(np.abs(axis), 0.25, atol=0.02)
