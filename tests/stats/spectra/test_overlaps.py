"""Overlaps of subspaces against scipy's principal angles, random ones against their law, and the jackknife."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles
from scipy.stats import beta, kstest

from modclaims.stats.spectra import overlaps
from modclaims.stats.spectra.overlaps import jackknifed, leading_directions, overlap, random_overlaps


def frame(units, axes, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((units, axes)))[0]


@pytest.mark.parametrize(("inner", "outer"), [(2, 5), (5, 2), (3, 3)])
def test_overlap_is_the_mean_squared_cosine_of_principal_angles(inner, outer):
    a, b = frame(9, inner), frame(9, outer, 1)
    assert overlap(a, b) == pytest.approx((np.cos(subspace_angles(a, b)) ** 2).mean())


def test_overlap_at_its_ends():
    axes = np.eye(6)
    assert overlap(axes[:, :2], axes[:, :4]) == pytest.approx(1)
    assert overlap(axes[:, :2], axes[:, 2:]) == 0


def test_one_random_direction_follows_the_beta_law():
    found = random_overlaps([frame(10, 1)], 4, 4000, np.random.default_rng(3))[:, 0]
    assert kstest(found, beta(2, 3).cdf).pvalue > 1e-3


def test_random_overlaps_lie_about_the_share_of_dimensions():
    found = random_overlaps([frame(24, 4), frame(24, 4, 1)], 6, 3000, np.random.default_rng(4))
    np.testing.assert_allclose(found.mean(axis=0), 0.25, atol=0.01)


def test_one_subspace_a_draw_serves_all_spaces():
    a = frame(12, 3)
    turned = a @ frame(3, 3, 2)
    found = random_overlaps([a, frame(12, 3, 1), turned], 5, 50, np.random.default_rng(5))
    np.testing.assert_allclose(found[:, 0], found[:, 2])
    assert not np.allclose(found[:, 0], found[:, 1])


def test_how_many_are_drawn_together_changes_no_draw(monkeypatch):
    spaces = [frame(12, 3), frame(12, 3, 1)]
    whole = random_overlaps(spaces, 5, 37, np.random.default_rng(6))
    monkeypatch.setattr(overlaps, "TOGETHER", 5 * 12 * 6)
    np.testing.assert_allclose(random_overlaps(spaces, 5, 37, np.random.default_rng(6)), whole, rtol=1e-12)


def test_leading_directions_are_those_of_the_centred_matrix():
    rng = np.random.default_rng(7)
    matrix = 10 + rng.standard_normal((300, 6)) * np.array([5.0, 4, 3, 1, 1, 1])
    found, share = leading_directions(matrix, 3)
    values, right = np.linalg.svd(matrix - matrix.mean(axis=0))[1:]
    assert overlap(found, right[:3].T) == pytest.approx(1)
    assert share == pytest.approx((values[:3] ** 2).sum() / (values**2).sum())


def test_of_a_mean_the_jackknife_gives_back_what_each_group_adds():
    values = np.random.default_rng(8).standard_normal((9, 2))
    without = (values.sum(axis=0) - values) / 8
    np.testing.assert_allclose(jackknifed(values.mean(axis=0), without), values)
    biased = jackknifed(np.zeros(2), without)
    np.testing.assert_allclose(biased.mean(axis=0), 0, atol=1e-12)
