"""Relative depth: weights of layers by hand, and numpy's interpolation as a witness."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modclaims.stats.effects.depths import between_layers, relative_depths


def test_three_layers_by_hand():
    np.testing.assert_array_equal(relative_depths(3), [0, 0.5, 1])
    np.testing.assert_allclose(
        between_layers(3, np.array([0.0, 0.25, 0.5, 1.0])).T, [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40))
def test_values_are_interpolated_as_numpy_does(layers, others):
    values = np.random.default_rng(layers).standard_normal(layers)
    depths = relative_depths(others)
    weights = between_layers(layers, depths)
    np.testing.assert_allclose(values @ weights, np.interp(depths, relative_depths(layers), values), atol=1e-9)
    np.testing.assert_allclose(weights.sum(axis=0), 1)
    assert ((weights != 0).sum(axis=0) <= 2).all()


@pytest.mark.parametrize("layers", range(2, 50))
def test_a_networks_own_depths_are_its_own_layers_exactly(layers):
    np.testing.assert_array_equal(between_layers(layers, relative_depths(layers)), np.eye(layers))
