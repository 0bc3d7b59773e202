"""Planted streams tell of their input what they are said to tell."""

from __future__ import annotations

import numpy as np
import pytest

from modclaims.calibration import grid
from modclaims.families.tokens import known_answers as reconstruction
from modclaims.families.tokens.known_answers import TOLD
from modclaims.planting import known
from modclaims.planting.scenarios import EDGE, NONE, Scenario
from modclaims.stats.spectra.overlaps import leading_directions
from modclaims.stats.streams import stream

LAYOUT = known.LAYOUTS["12 texts"]


@pytest.mark.parametrize(
    ("family", "question"),
    [("InputReconstruction", ""), ("InputReconstruction", TOLD), ("InputOutsideUnembedding", "")],
)
def test_estimates_lie_about_the_effect_that_was_planted(
    family: str, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstruction, "SETS", 60)
    for cached in (
        reconstruction.population_found,
        reconstruction.falling_by,
        reconstruction.strength_of_selectivity,
        reconstruction.avoidance_of,
        grid.strengths_of,
    ):
        cached.cache_clear()
    scenario = Scenario(family, LAYOUT.name, "normal", EDGE, question)
    claim, strengths = grid.family(scenario).claim(scenario), grid.strengths_of(scenario)
    found = [
        grid.weighed(scenario, stream(31, scenario.name, str(i)), strengths)[1].bounds.effect.mean() for i in range(40)
    ]
    assert abs(np.mean(found) - claim.smallest_effect) < 3 * np.std(found) / np.sqrt(len(found)) + 0.03
    grid.strengths_of.cache_clear()


def test_without_an_effect_layers_are_alike_and_directions_lie_anywhere() -> None:
    falls = Scenario("InputReconstruction", LAYOUT.name, "normal", NONE)
    assert grid.strengths_of(falls) == (reconstruction.KEPT,) * known.LAYERS
    nothing = Scenario("InputReconstruction", LAYOUT.name, "normal", NONE, TOLD)
    assert grid.strengths_of(nothing) == (0.0,) * known.LAYERS
    assert grid.strengths_of(Scenario("InputOutsideUnembedding", LAYOUT.name, "normal", NONE)) == ()


@pytest.mark.parametrize("avoidance", [-1.0, 0.0, 0.4, 1.0])
def test_directions_are_aimed_as_far_as_was_asked(avoidance: float) -> None:
    outer, share = leading_directions(reconstruction._unembedding(), known.WIDTH // 2)
    aimed = reconstruction._aimed(np.random.default_rng(0), avoidance)
    np.testing.assert_allclose(aimed @ aimed.T, np.eye(reconstruction.READ), atol=1e-12)
    overlap = ((aimed @ outer) ** 2).sum() / reconstruction.READ
    assert 1 - 2 * overlap == pytest.approx(avoidance)
    assert share == pytest.approx(0.8)


def test_strengths_fall_by_their_tilt() -> None:
    strengths = reconstruction.falling(1.0)
    assert strengths[0] / strengths[-1] == pytest.approx(np.e)
    assert np.sqrt(strengths[0] * strengths[-1]) == pytest.approx(reconstruction.KEPT)
