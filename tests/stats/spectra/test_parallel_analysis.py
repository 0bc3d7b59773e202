"""Parallel analysis: what permuting coordinates keeps and breaks, ranks, and the share beyond chance of texts unseen."""

import numpy as np
import pytest

from modclaims.stats.bounds.resamples import resample, resample_groups
from modclaims.stats.chance.actions import Design
from modclaims.stats.effects.similarity import text_similarity
from modclaims.stats.spectra.parallel_analysis import (
    LowRank,
    centred_directions,
    coordinate_orders,
    permuted,
    rank,
    ratio_of_sums,
    shares,
)

ONE = Design.of(["a", "b"] * 10)
TWO = Design.of(["a", "b"] * 10, [f"s{i // 10}" for i in range(20)])


def tokens(seed=0, factor=0.0, width=6, positions=3, n=20):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, positions, width)) + rng.standard_normal((n, 1, width))
    return x + factor * rng.standard_normal((n, 1, 1)) * np.ones(width)


def test_without_strata_products_are_centred_cosines_centred_once_more():
    x = tokens()
    found = centred_directions(x, ONE).reshape(20, -1)
    cosines = text_similarity(x, "centred_cosine").values
    centre = np.eye(20) - 1 / 20
    np.testing.assert_allclose(found @ found.T, centre @ cosines @ centre, atol=1e-12)


@pytest.mark.parametrize("design", [ONE, TWO], ids=["free", "strata"])
def test_a_permuted_coordinate_keeps_its_values_in_its_stratum_and_positions_together(design):
    x = centred_directions(tokens(), design)
    orders = coordinate_orders(design, 6, np.random.default_rng(1))
    moved = permuted(x, orders)
    for j in range(6):
        np.testing.assert_array_equal(moved[:, :, j], x[orders[j], :, j])
        np.testing.assert_array_equal(design.strata[orders[j]], design.strata)
    np.testing.assert_allclose((moved**2).sum(), (x**2).sum())
    assert not np.array_equal(orders[0], orders[1])


def test_moving_whole_rows_leaves_the_spectrum_and_permuting_coordinates_does_not():
    x = centred_directions(tokens(factor=3.0), ONE)
    order = np.random.default_rng(2).permutation(20)
    np.testing.assert_allclose(shares(x[order]), shares(x), atol=1e-12)
    orders = coordinate_orders(ONE, 6, np.random.default_rng(3))
    assert shares(permuted(x, orders))[0] < shares(x)[0] - 0.2


def test_shares_are_those_of_a_singular_value_decomposition():
    x = centred_directions(tokens(4), ONE)
    squares = np.linalg.svd(x.reshape(20, -1), compute_uv=False) ** 2
    np.testing.assert_allclose(shares(x)[: len(squares)], squares / squares.sum(), atol=1e-12)
    np.testing.assert_array_equal(shares(np.zeros((3, 2, 2))), np.zeros(3))


@pytest.mark.parametrize(
    ("own", "expected"), [([0.5, 0.4, 0.1], 2), ([0.5, 0.2, 0.3], 1), ([0.3, 0.6, 0.1], 0), ([0.5, 0.4, 0.35], 3)]
)
def test_components_count_until_the_first_that_does_not_exceed(own, expected):
    null = np.tile([0.4, 0.3, 0.3], (19, 1)) - np.linspace(0, 0.1, 19)[:, None]
    assert rank(np.array(own), null, 0.05) == expected


def test_the_threshold_is_the_largest_of_19_draws_and_the_fifth_of_99():
    null = np.arange(99)[:, None] / 100.0
    for count, edge in ((19, 0.18), (99, 0.94)):
        assert rank(np.array([edge + 0.001]), null[:count], 0.05) == 1
        assert rank(np.array([edge]), null[:count], 0.05) == 0


@pytest.mark.parametrize("design", [ONE, TWO], ids=["free", "strata"])
def test_what_permuted_coordinates_give_is_the_mean_over_permutations(design):
    x = centred_directions(tokens(5, factor=1.0), design)
    components = LowRank.of(centred_directions(tokens(6, factor=1.0), design), 2)
    axes = components.axes.reshape(-1, 2)
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-12)
    above, below = components.excess(x)
    along = ((x.reshape(20, -1) @ axes) ** 2).sum(axis=1)
    rng = np.random.default_rng(7)
    drawn = [((permuted(x, coordinate_orders(design, 6, rng)).reshape(20, -1) @ axes) ** 2).sum() for _ in range(4000)]
    np.testing.assert_allclose((along - above).sum(), np.mean(drawn), atol=4 * np.std(drawn) / np.sqrt(4000))
    np.testing.assert_allclose(below, (x**2).sum(axis=(1, 2)))


def test_the_excess_of_one_factor_by_hand():
    design = Design.of(["a", "a", "b", "b"])
    x = np.array([1.0, -1, 2, -2])[:, None, None] * np.ones((1, 1, 2)) / np.sqrt(2)
    above, below = LowRank(np.full((1, 2, 1), 1 / np.sqrt(2))).excess(x)
    np.testing.assert_allclose(above, np.array([1, 1, 4, 4]) / 2)  # half is each coordinate's own
    np.testing.assert_allclose(below, [1, 1, 4, 4])
    drawn = resample_groups(design.cells, count=5, rng=np.random.default_rng(0))
    np.testing.assert_allclose(ratio_of_sums(above[:, None], below[:, None], design, drawn).value, 0.5)


@pytest.mark.parametrize("clusters", [False, True])
def test_influences_of_the_ratio_are_derivatives_by_multiplicity(clusters):
    design = Design.of(["a", "b"] * 10, None, [f"b{i // 4}" for i in range(20)]) if clusters else ONE
    rng = np.random.default_rng(8)
    above, below = rng.standard_normal((20, 2)), rng.uniform(1, 2, (20, 2))
    drawn = resample(design, count=2, rng=rng)
    found = ratio_of_sums(above, below, design, drawn)
    np.testing.assert_allclose(found.value[0], above.sum(axis=0) / below.sum(axis=0))
    unit = int(np.flatnonzero(drawn.times[1])[0])
    values = []
    for step in (-1e-6, 1e-6):
        times = drawn.times[[1]].copy()
        times[0, unit] += step
        values.append(ratio_of_sums(above, below, design, type(drawn)(times, drawn.groups)).value[0])
    np.testing.assert_allclose(found.influence[1, unit], (values[1] - values[0]) / 2e-6, rtol=1e-5)


def test_components_of_noise_hold_nothing_of_other_noise_beyond_chance():
    design, found = Design.of(["a", "b"] * 20), []
    for seed in range(60):
        both = [centred_directions(tokens(2 * seed + i, width=8, n=40), design) for i in range(2)]
        above, below = LowRank.of(both[0], 1).excess(both[1])
        found.append(above.sum() / below.sum())
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(60)
    assert np.std(found) < 0.05
