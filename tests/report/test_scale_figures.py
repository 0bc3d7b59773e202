"""Figures of claims about scale: any number of models and depths, no more than six shades, a log axis."""

import numpy as np
import pytest
from report.conftest import effect_by_parameters, models_by_depth
from report.test_figures import drawn, with_arrays, words

from modclaims.families.scale.figures.effect_by_parameters import short
from modclaims.families.scale.figures.models_by_depth import SHADES, shades
from modclaims.report.figures import draw
from modclaims.report.tables import exhibit_table

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("models", [1, 2, 3, 6, 7, 12, 30])
def test_there_are_at_most_six_shades_darker_for_larger_models(models):
    found = shades(models)
    assert found == sorted(found)
    assert len(set(found)) == min(models, SHADES)
    assert {*found} <= set(range(1, SHADES + 1))
    assert found[-1] == SHADES


@pytest.mark.parametrize("difference", [True, False])
@pytest.mark.parametrize(("models", "depths"), [(2, 1), (2, 2), (5, 12), (12, 3)])
def test_models_are_drawn_by_depth_with_a_key_of_every_shade(models, depths, difference):
    exhibit = models_by_depth(RNG, models, depths, difference)
    said = words(drawn(exhibit))
    assert "relative depth" in said
    assert any(word.startswith("model-0") for word in said)
    assert ("smallest that matters" in said) == difference
    table = exhibit_table(exhibit)
    assert len(table.rows) == depths
    assert table.head[-1] == (f"model-{models - 1} minus model-0" if difference else f"model-{models - 1}")


def test_many_models_share_shades_and_the_table_counts_those_left_out():
    said = words(drawn(models_by_depth(RNG, 12, 4)))
    assert "model-0 to model-1" in said
    assert exhibit_table(models_by_depth(RNG, 12, 4)).left_out == "4 models of middling size left out."


def test_bounds_that_are_not_known_reach_to_the_edge():
    exhibit = models_by_depth(RNG)
    draw(with_arrays(exhibit, low=np.full(6, np.nan), high=np.full(6, np.inf)))


@pytest.mark.parametrize("models", [2, 5, 20])
def test_effects_are_drawn_against_sizes(models):
    exhibit = effect_by_parameters(RNG, models)
    said = words(drawn(exhibit))
    assert "parameters (log scale)" in said
    assert {"model-0", "100M"} <= set(said)
    assert len(exhibit_table(exhibit).rows) == models


def test_models_of_nearly_one_size_have_ticks_too():
    exhibit = with_arrays(effect_by_parameters(RNG, 3), parameters=np.array([1.2e8, 1.25e8, 1.3e8]))
    assert any(word.endswith("M") for word in words(drawn(exhibit)))


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="one number per model"):
        draw(with_arrays(effect_by_parameters(RNG), line=np.zeros(2)))
    with pytest.raises(ValueError, match="models_by_depth"):
        draw(with_arrays(models_by_depth(RNG), parameters=np.ones(7)))


@pytest.mark.parametrize(
    ("value", "told"), [(999, "999"), (1e3, "1k"), (1.25e8, "125M"), (2.7e9, "2.7B"), (1e12, "1T")]
)
def test_parameters_are_told_short(value, told):
    assert short(value) == told
