"""Known answers of claims about scale: what is planted is what many texts, or many models, show."""

from __future__ import annotations

import numpy as np
import pytest

from modclaims.calibration import grid
from modclaims.calibration.grid import family, strengths_of
from modclaims.families.scale import known_answers as scale
from modclaims.look import TestSettings
from modclaims.planting.known import LAYOUTS
from modclaims.planting.scenarios import EDGE, FLAT, NONE, Scenario

CROSSED = LAYOUTS["64 crossed"]
BARE = TestSettings(resamples=9, permutations=99, bare=True)


def effects(scenario: Scenario, sets: int) -> np.ndarray:
    """(data set, cell) effects of a scenario."""
    strengths, found = strengths_of(scenario), []
    for i in range(sets):
        claim = family(scenario).claim(scenario)
        recording = family(scenario).planted(scenario, claim, np.random.default_rng([5, i]), strengths)
        found.append(claim.weigh(recording, BARE).bounds.effect)
    return np.array(found)


@pytest.mark.parametrize(("truth", "expected"), [(FLAT, 0.0), (EDGE, 0.1), ("3 s", 0.3)])
def test_two_models_differ_by_what_was_planted_at_layers_and_between_them(truth: str, expected: float) -> None:
    found = effects(Scenario("ModelsDiffer", CROSSED.name, "normal", truth), 60)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert found.shape[1] == 2
    assert (np.abs(found.mean(axis=0) - expected) < 4 * error).all()


@pytest.mark.parametrize(("truth", "expected"), [(NONE, 0.0), (EDGE, 0.1), ("2 s", 0.2)])
def test_slopes_of_many_ladders_are_the_one_planted(truth: str, expected: float) -> None:
    found = effects(Scenario("ScaleTrend", CROSSED.name, "normal", truth), 120)[:, 0]
    assert abs(found.mean() - expected) < 4 * found.std(ddof=1) / np.sqrt(len(found))


def test_models_share_half_of_what_is_a_texts_own_and_are_ordered_by_size() -> None:
    recording = scale.pair(np.random.default_rng(0), CROSSED, "normal", (0.0, 0.0))
    assert [m.parameters for m in recording.shape.models] == [10**6, 10**7]
    first, second = (recording.of(m.name) for m in recording.shape.models)
    request = next(iter(first.source.arrays))[0]
    a, b = (one.array(request, 0).mean(axis=1)[:, 8:].ravel() for one in (first, second))
    assert (
        0.3 < np.corrcoef(a, b)[0, 1] < 0.5
    )  # a quarter of each position's variance, of .5 + .5 / 4 in a mean of four
    assert {one.family for one in grid.scenarios(("ModelsDiffer", "ScaleTrend"))} == {"ModelsDiffer", "ScaleTrend"}
