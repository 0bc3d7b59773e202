"""Conjunctions: the weakest part decides, and a search over all parts is paid for."""

import numpy as np
import pytest

from modclaims.stats.bounds.conjunction import ConjoinedBounds, ConjoinedTest, WidestBounds
from modclaims.stats.bounds.resamples import resample_groups
from modclaims.stats.chance.actions import sign_flips
from modclaims.stats.effects.chunks import mean_bounds
from modclaims.stats.evidence import NullTest

UNITS, CELLS = 12, 3


def values(seed=0, means=(0.5, 0.5, 0.5, 0.5, 0.5, 0.0)):
    """(unit, part x cell): the last cell lacks its second part."""
    rng = np.random.default_rng(seed)
    return np.array(means) + 0.2 * rng.normal(size=(UNITS, len(means))) + 0.1 * rng.normal(size=(UNITS, 1))


def joint_bounds(x):
    drawn = resample_groups(np.zeros(len(x), dtype=np.int64), count=999, rng=np.random.default_rng(1))
    return mean_bounds(x, drawn, (-5.0, 5.0))


def joint_test(x):
    signs, exact = sign_flips(len(x), budget=9999, rng=np.random.default_rng(0))
    return NullTest.of("mean", signs @ x / len(x), np.full(x.shape[1], 1e-12), exact=exact, action="flipping")


def test_the_effect_is_the_least_part():
    x = values()
    bounds = ConjoinedBounds.of(joint_bounds(x), 2)
    np.testing.assert_allclose(bounds.effect, x.mean(axis=0).reshape(2, CELLS).min(axis=0))
    assert bounds.least_part(2) == 1
    np.testing.assert_array_equal(np.argsort(bounds.z(0.3)), np.argsort(bounds.effect))
    assert bounds.bounded.all()


def test_lower_limits_are_the_least_of_the_parts_and_levels_the_largest():
    joint = joint_bounds(values())
    bounds, cells = ConjoinedBounds.of(joint, 2), np.array([0, 2])
    np.testing.assert_array_equal(bounds.lower(0.05), joint.lower(0.05).reshape(2, -1).min(axis=0))
    np.testing.assert_array_equal(bounds.p_lower(0.2), joint.p_lower(0.2).reshape(2, -1).max(axis=0))
    both = np.array([0, 2, 3, 5])
    np.testing.assert_array_equal(
        bounds.p_lower(0.2, cells)[cells], joint.p_lower(0.2, both).reshape(2, -1).max(axis=0)[cells]
    )


def test_upper_limits_are_the_least_of_the_parts_at_their_share_of_the_level():
    joint = joint_bounds(values())
    bounds, every = ConjoinedBounds.of(joint, 2), np.arange(CELLS)
    np.testing.assert_array_equal(bounds.upper(0.05), joint.upper(0.025).reshape(2, -1).min(axis=0))
    np.testing.assert_allclose(bounds.p_upper(0.5), np.minimum(1, 2 * joint.p_upper(0.5).reshape(2, -1).min(axis=0)))
    assert (bounds.upper(0.05, every) >= joint.upper(0.05).reshape(2, -1).min(axis=0)).all()


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_levels_and_limits_agree(level):
    bounds = ConjoinedBounds.of(joint_bounds(values()), 2)
    for cells in (None, np.arange(CELLS)):
        for cell in range(CELLS):
            low, high = bounds.lower(level, cells)[cell], bounds.upper(level, cells)[cell]
            assert bounds.p_lower(low - 1e-6, cells)[cell] <= level < bounds.p_lower(low + 1e-6, cells)[cell]
            assert bounds.p_upper(high + 1e-6, cells)[cell] <= level + 1e-12
            assert level < bounds.p_upper(high - 1e-6, cells)[cell]


def test_a_part_without_spread_can_be_no_support_and_leaves_the_others_to_refute():
    x = values()
    x[:, 4] = 0.5
    joint = joint_bounds(x)
    bounds = ConjoinedBounds.of(joint, 2)
    assert bounds.bounded.all()
    assert np.isnan(bounds.lower(0.05)[1]) and bounds.p_lower(-4.0)[1] == 1
    assert bounds.upper(0.05)[1] == joint.upper(0.025)[1]
    assert bounds.p_upper(2.0)[1] == 2 * joint.p_upper(2.0)[1] < 0.05
    x[:, 1] = 0.5
    still = ConjoinedBounds.of(joint_bounds(x), 2)
    assert still.bounded.tolist() == [True, False, True]
    assert np.isnan(still.upper(0.05)[1]) and still.p_upper(2.0)[1] == 1


def test_p_is_that_of_the_weakest_part_and_corrected_over_all():
    joint = joint_test(values())
    test = ConjoinedTest.conjoined(joint, 2)
    np.testing.assert_array_equal(test.p, joint.p.reshape(2, -1).max(axis=0))
    np.testing.assert_array_equal(test.p_adjusted, joint.p_adjusted.reshape(2, -1).max(axis=0))
    assert test.p_adjusted[2] > 0.05 > test.p_adjusted[0]
    np.testing.assert_array_equal(test.null[0], test.observed)
    np.testing.assert_array_equal(test.observed[2], joint.observed[5])
    np.testing.assert_array_equal(test.adjusted_among(np.array([2])), test.p[[2]])
    pair = joint.adjusted_among(np.array([0, 2, 3, 5])).reshape(2, -1).max(axis=0)
    np.testing.assert_array_equal(test.adjusted_among(np.array([0, 2])), pair)
    np.testing.assert_array_equal(test.adjusted_among(np.arange(CELLS)), test.p_adjusted)


def test_one_strong_part_does_not_carry_the_other():
    """Were flips taken of the lesser statistic, a strong part would make room for one that is null."""
    hits = []
    for seed in range(400):
        rng = np.random.default_rng([7, seed])
        x = rng.normal([3.0, 0.0], 1.0, (10, 2))
        hits.append(ConjoinedTest.conjoined(joint_test(x), 2).p_adjusted[0] <= 0.05)
    assert np.mean(hits) < 0.09


def test_the_widest_of_bounds_errs_on_no_side():
    x = values()
    narrow, shifted = joint_bounds(x), joint_bounds(x + np.array([0.1, -0.1, 0, 0, 0, 0]))
    widest = WidestBounds.of(narrow, shifted)
    np.testing.assert_array_equal(widest.effect, narrow.effect)
    np.testing.assert_array_equal(widest.lower(0.05), np.minimum(narrow.lower(0.05), shifted.lower(0.05)))
    np.testing.assert_array_equal(widest.upper(0.05), np.maximum(narrow.upper(0.05), shifted.upper(0.05)))
    np.testing.assert_array_equal(widest.p_lower(0.3), np.maximum(narrow.p_lower(0.3), shifted.p_lower(0.3)))
    np.testing.assert_array_equal(widest.p_upper(0.6), np.maximum(narrow.p_upper(0.6), shifted.p_upper(0.6)))
