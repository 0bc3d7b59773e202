"""What rounding makes of numbers that are one."""

from __future__ import annotations

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import rankdata

from modclaims.stats.effects.similarity import SIMILARITIES, apart_similarity, text_similarity
from modclaims.stats.ties import ROUNDING, alike, codes, tolerance

Floats = NDArray[np.float64]
EPS32 = float(np.finfo(np.float32).eps)


def others(matrix: Floats) -> Floats:
    return matrix[np.triu_indices(len(matrix), 1)]


def one_way(dtype: type, wrong: float = 0.0, seed: int = 0) -> NDArray[np.floating]:
    """36 texts at 4 positions in 768 dimensions, whose vectors point one way at each position; `wrong` eps of float32 off."""
    x = rng(seed).uniform(0.2, 5, size=(36, 1, 1)) * rng(seed + 1).normal(size=(1, 4, 768))
    return (x * (1 + wrong * EPS32 * rng(seed + 2).normal(size=x.shape))).astype(dtype)


def test_what_is_not_finite_says_nothing_of_rounding() -> None:
    values = np.array([[1.0, 2], [np.nan, -4], [np.inf, 0]])
    np.testing.assert_allclose(tolerance(values), [ROUNDING, 4 * ROUNDING])
    assert alike(values, np.array([1e9, 1e9])).tolist() == [False, True]
    assert tolerance(np.zeros((0, 2))).tolist() == [0, 0]


def test_neighbours_within_the_slack_share_a_code() -> None:
    assert codes(np.array([0.3, 0.1, 0.35, 0.1, 2.0]), 0.06).tolist() == [1, 0, 1, 0, 2]
    assert codes(np.array([]), 0.0).tolist() == []


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30), st.integers(0, 9))
def test_codes_are_scipys_dense_ranks_and_rounding_changes_none(values: list[int], seed: int) -> None:
    exact = np.array(values, dtype=float) / 7
    shaken = exact * (1 + rng(seed).uniform(-5, 5, size=len(exact)) * np.finfo(float).eps)
    slack = float(tolerance(shaken[:, None])[0])
    np.testing.assert_array_equal(codes(shaken, slack) + 1, rankdata(values, "dense"))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("dtype", "wrong"), [(np.float64, 0), (np.float32, 0), (np.float32, 1), (np.float32, 100)])
@pytest.mark.parametrize("kind", ["cosine", "correlation"])
def test_texts_that_all_point_one_way_are_equally_alike(kind: str, dtype: type, wrong: float, seed: int) -> None:
    found = text_similarity(one_way(dtype, wrong, seed), kind)
    assert np.ptp(others(found.values)) == 0
    assert found.values[0, 1] == pytest.approx(1, abs=1e-9)
    assert found.vectors is None  # whose products would differ by rounding
    apart = apart_similarity(one_way(dtype, wrong, seed)[:, [0, 0, 0]], kind)
    assert np.ptp(others(apart)) == 0


def test_what_is_wrong_by_more_than_rounding_is_no_constant() -> None:
    assert np.ptp(others(text_similarity(one_way(np.float32, 1000)).values)) > 0
    assert np.ptp(others(text_similarity(one_way(np.float64, 10)).values)) > 0  # in float64 that is no rounding


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_one_text_again_and_again_is_equally_alike_by_every_similarity(kind: str) -> None:
    x = np.repeat(rng(3).normal(size=(1, 4, 768)), 36, axis=0)
    x = (x * (1 + EPS32 * rng(4).normal(size=x.shape))).astype(np.float32)
    assert np.ptp(others(text_similarity(x, kind).values)) == 0


def test_one_text_far_longer_than_all_others_makes_these_no_constant() -> None:
    x = rng(6).normal(size=(8, 1, 16)).astype(np.float32)
    x[0] *= 1e6
    x[0, 0, :] = [1e6, *[0] * 15]
    x[1:, 0, 0] = 0  # at a right angle to it
    found = text_similarity(x, "scaled_cosine").values
    assert np.abs(others(found)).max() < 1e-9
    assert np.ptp(others(found)) > 0


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_texts_that_differ_keep_their_similarities_to_the_last_bit(kind: str) -> None:
    x = rng(5).normal(size=(8, 3, 16)) + 50  # all point nearly one way, and differ
    found = text_similarity(x, kind).values
    assert len(np.unique(others(found))) == 28
    assert np.ptp(others(text_similarity(x.astype(np.float32), kind).values)) > 0
