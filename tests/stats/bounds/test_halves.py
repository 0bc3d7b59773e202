"""Half-samples: standard errors of numbers whose units are also learned from."""

from __future__ import annotations

import numpy as np
import pytest
from draws import rng

from modclaims.stats.bounds.halves import half_sample_errors, halvings


def test_a_case_worked_by_hand() -> None:
    """Differences of 2 and 4: the mean square is 10, a quarter of it 2.5."""
    pairs = [(np.array([3.0, 1.0]), np.array([1.0, 1.0])), (np.array([0.0, 1.0]), np.array([4.0, 1.0]))]
    np.testing.assert_allclose(half_sample_errors(pairs), [np.sqrt(2.5), 0.0])


@pytest.mark.parametrize("units", [6, 7, 24])
def test_halves_share_no_unit_and_are_of_one_size(units: int) -> None:
    found = halvings(units, 50, rng())
    assert len(found) == 50
    for first, second in found:
        assert len(first) == len(second) == units // 2
        assert not set(first) & set(second)
        assert set(first) | set(second) <= set(range(units))
        assert (np.diff(first) > 0).all()
    left = [set(range(units)) - set(a) - set(b) for a, b in found]
    assert {len(one) for one in left} == {units % 2}


def test_of_a_mean_it_is_the_standard_error_of_a_mean() -> None:
    values = rng(1).standard_normal((24, 40))
    pairs = [(values[a].mean(axis=0), values[b].mean(axis=0)) for a, b in halvings(24, 4000, rng(2))]
    np.testing.assert_allclose(half_sample_errors(pairs), values.std(axis=0, ddof=1) / np.sqrt(24), rtol=0.06)


def test_it_sees_what_all_units_share_in_learning_from_each_other() -> None:
    """Each unit is held against the mean of the others, squared: half the error is the learned mean's, which moves all alike."""
    truth, plain, halves = [], [], []
    for seed in range(300):
        x = rng(seed).standard_normal(20)

        def loss(some: np.ndarray) -> np.ndarray:
            others = (some.sum() - some) / (len(some) - 1)
            return np.sign(some) * np.sign(others)

        truth.append(loss(x).mean())
        plain.append(loss(x).var(ddof=1) / 20)
        pairs = [(np.array([loss(x[a]).mean()]), np.array([loss(x[b]).mean()])) for a, b in halvings(20, 16, rng(seed))]
        halves.append(half_sample_errors(pairs)[0] ** 2)
    assert np.mean(plain) < 0.8 * np.var(truth)
    assert np.mean(halves) > 0.8 * np.var(truth)
