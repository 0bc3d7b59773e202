"""One level from those of many splits of the same texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from modclaims.stats.chance.merging import FACTOR, merged_levels, merged_lower, merged_upper

Floats = NDArray[np.float64]
LEVELS = st.lists(st.integers(0, 20).map(lambda k: k / 20), min_size=1, max_size=9)


def column(*values: float) -> Floats:
    return np.array(values)[:, None]


def half_of_some_first_ones(levels: list[float], level: float) -> bool:
    """By the words of the rule: whether, after some split from half of them on, half of those seen lie at level / 2."""
    half = -(-len(levels) // 2)
    return any(2 * sum(p <= level / 2 for p in levels[:k]) >= k for k in range(half, len(levels) + 1))


@pytest.mark.parametrize(
    ("levels", "merged"),
    [
        ((0.02,), 0.04),
        ((0.02, 0.3), 0.04),  # the first alone, and the lower of two: as Bonferroni has it
        ((0.3, 0.3, 0.02), 0.6),  # the lower median of the first two, and the median of all
        ((0.01, 0.3, 0.02, 0.001, 0.4), 0.02),  # .02 of three, .01 of four, .02 of five
        ((0.6, 0.7, 0.9), 1.0),
    ],
)
def test_the_merged_level_is_twice_the_smallest_lower_median(levels: tuple[float, ...], merged: float) -> None:
    assert merged_levels([np.array([p]) for p in levels])[0] == pytest.approx(merged)
    assert float(merged_levels([np.float64(p) for p in levels])) == pytest.approx(merged)


@given(LEVELS, st.integers(1, 19).map(lambda k: k / 20))
def test_it_is_reached_where_half_of_the_splits_seen_so_far_lie_at_half_of_it(
    levels: list[float], level: float
) -> None:
    assert bool(merged_levels(column(*levels))[0] <= level) is half_of_some_first_ones(levels, level)


@given(LEVELS)
def test_it_is_at_most_twice_the_median(levels: list[float]) -> None:
    assert merged_levels(column(*levels))[0] <= min(1.0, 2 * float(np.median(levels))) + 1e-12


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=9), st.floats(-3, 3), st.integers(1, 19).map(lambda k: k / 20))
def test_limits_say_what_levels_say(theta: list[float], smallest: float, level: float) -> None:
    found = column(*theta)
    lower, upper = found - norm.isf(level / FACTOR), found + norm.isf(level / FACTOR)
    above, below = norm.sf(found - smallest), norm.cdf(found - smallest)
    for clears, by_level in (
        (merged_lower(list(lower))[0] - smallest, merged_levels(above)[0] - level),
        (smallest - merged_upper(list(upper))[0], merged_levels(below)[0] - level),
    ):
        if min(abs(clears), abs(by_level)) > 1e-9:
            assert (clears > 0) is (by_level < 0)


def test_a_missing_limit_is_none_at_all() -> None:
    nan = np.nan
    assert merged_lower([np.array([0.3, nan, nan]), np.array([nan, nan, 0.1]), np.array([0.2, nan, nan])]).tolist() == [
        pytest.approx(0.3),
        pytest.approx(nan, nan_ok=True),
        pytest.approx(0.1),
    ]
    assert np.isnan(merged_upper([np.array([nan]), np.array([nan]), np.array([0.2])]))[0]


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9, 1.0])
def test_exchangeable_levels_err_no_more_often_than_the_level_says(alike: float) -> None:
    """Sets of 20 splits whose scores are normal, of any likeness: .05 is not passed, and the splits' order shows nowhere."""
    rng, sets = np.random.default_rng(0), 20_000
    shared, own = rng.standard_normal(sets), rng.standard_normal((20, sets))
    found = merged_levels(norm.sf(np.sqrt(alike) * shared + np.sqrt(1 - alike) * own))
    assert np.mean(found <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / sets)
    twice = np.minimum(1, 2 * np.median(norm.sf(np.sqrt(alike) * shared + np.sqrt(1 - alike) * own), axis=0))
    assert np.mean(found <= 0.05) >= np.mean(twice <= 0.05)


def test_levels_that_conspire_still_err_no_more_often() -> None:
    """The least favourable law of twice the median: of the 20 levels, in random order, 10 are as small as they may be."""
    rng, sets, level = np.random.default_rng(1), 20_000, 0.2
    small = rng.uniform(size=sets) < level
    levels = np.where(small[:, None], np.repeat([0.5 * level, 1.0], 10), rng.uniform(0.5 * level, 1, (sets, 20)))
    levels = rng.permuted(levels, axis=1)
    assert np.mean(levels <= level / 2) == pytest.approx(level / 2, abs=0.005)  # each split's own level is exact
    assert np.mean(merged_levels(levels.T) <= level) <= level + 3 * np.sqrt(level * (1 - level) / sets)
