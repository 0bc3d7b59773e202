"""Divisions of layers into chunks, by hand, and bounds of their contrasts against the general machinery."""

import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from modclaims.errors import ClaimError
from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.resamples import resample_groups
from modclaims.stats.effects.chunks import (
    Division,
    Shares,
    best_division,
    change_frequencies,
    contrasts,
    held_out,
    mean_bounds,
)
from modclaims.stats.nulls.null_objects import mean_replicates

SHARES = Shares(0.5, 0.25, 0.25)
DIVISIONS = SHARES.divisions(12, "both")


def resampled(units, count=499, seed=0):
    return resample_groups(np.zeros(units, dtype=np.int64), count=count, rng=np.random.default_rng(seed))


def test_admissible_divisions_of_six_layers_are_these():
    assert SHARES.divisions(6, "both") == (Division(1, 5), Division(2, 5), Division(3, 5))
    assert SHARES.divisions(6, "early") == (Division(1, 6), Division(2, 6), Division(3, 6))
    assert SHARES.divisions(6, "last") == (Division(0, 5),)
    assert len(DIVISIONS) == 18


def test_chunks_are_neither_longer_nor_shorter_than_was_said():
    for layers in range(3, 50):
        for division in SHARES.divisions(layers, "both"):
            early, middle, last = (len(chunk) for chunk in division.chunks(layers))
            assert early + middle + last == layers
            assert 1 <= early <= max(1, layers / 2)
            assert 1 <= last <= max(1, layers / 4)
            assert middle >= layers / 4


def test_too_few_layers_cannot_be_divided():
    with pytest.raises(ClaimError, match="2 layers cannot be divided: the early chunk takes at most"):
        SHARES.divisions(2, "both")


def test_contrasts_by_hand():
    curve = np.array([1.0, 3.0, 10.0, 12.0, 14.0, 5.0])
    weights = contrasts((Division(2, 5), Division(1, 5)), 6, "both")
    np.testing.assert_allclose(curve @ weights[:, 0], [12 - 2, 9.75 - 1])
    np.testing.assert_allclose(curve @ weights[:, 1], [12 - 5, 9.75 - 5])
    assert contrasts((Division(2, 6),), 6, "early").shape == (6, 1, 1)


def test_a_contrast_knows_no_level():
    weights = contrasts(DIVISIONS, 12, "both")
    np.testing.assert_allclose(weights.sum(axis=0), 0, atol=1e-15)


def test_bounds_from_sums_are_those_of_the_bootstrap_t():
    values = np.random.default_rng(1).normal(0.3, [0.1, 1.0, 3.0], (15, 3))
    drawn = resampled(15)
    quick, general = mean_bounds(values, drawn, (-9, 9)), bootstrap_t(mean_replicates(values, drawn), drawn, means=True)
    np.testing.assert_allclose(quick.theta, general.theta, rtol=1e-12)
    np.testing.assert_allclose(quick.se, general.se, rtol=1e-10)
    np.testing.assert_allclose(quick.t, general.t, rtol=1e-8, atol=1e-10)
    every = np.arange(3)
    for cells in (None, every):
        np.testing.assert_allclose(quick.lower(0.05, cells), general.lower(0.05, cells), rtol=1e-8)
        np.testing.assert_allclose(quick.upper(0.05, cells), general.upper(0.05, cells), rtol=1e-8)
        np.testing.assert_allclose(quick.p_lower(0.1, cells), general.p_lower(0.1, cells), rtol=1e-8)
        np.testing.assert_allclose(quick.p_upper(0.1, cells), general.p_upper(0.1, cells), rtol=1e-8)


def test_no_bound_of_a_mean_is_narrower_than_students_t():
    values = np.random.default_rng(4).normal(size=(8, 2)) * np.array([[1.0], [4.0]] * 4)
    found = mean_bounds(values, resampled(8), (-np.inf, np.inf))
    mean, se = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(8)
    assert (found.lower(0.05) <= mean - t.isf(0.05, 7) * se + 1e-12).all()
    assert (found.upper(0.05) >= mean + t.isf(0.05, 7) * se - 1e-12).all()
    at_once = np.arange(2)
    assert (found.lower(0.05, at_once) <= mean - t.isf(0.025, 7) * se + 1e-12).all()
    p = ttest_1samp(values, 0.2, alternative="greater").pvalue
    assert (found.p_lower(0.2) >= p - 1e-12).all() and (
        found.p_lower(0.2, at_once) >= np.minimum(1, 2 * p) - 1e-12
    ).all()


def test_rounding_is_no_spread():
    values = np.random.default_rng(2).normal(size=(9, 1)) * 1e-17
    assert not mean_bounds(values, resampled(9), (-1, 1), size=0.5).bounded.any()
    assert mean_bounds(values, resampled(9), (-1, 1)).bounded.all()


def test_the_best_division_is_where_the_chunks_are():
    curve = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0, 0], dtype=float)
    weights = contrasts(DIVISIONS, 12, "both")
    (found,) = best_division(curve[None], weights)
    assert DIVISIONS[found] == Division(3, 10)


def test_halves_pick_and_measure_apart():
    rng = np.random.default_rng(3)
    weights = contrasts(DIVISIONS, 12, "both")
    noise = rng.normal(size=(20, 12))
    effects, picked = held_out(noise, weights, 40, rng)
    same = np.array([(noise.mean(axis=0) @ weights[:, :, d]).min() for d in best_division(noise, weights)])
    assert np.median(effects) < np.quantile(same, 0.9)
    assert len(set(picked.tolist())) > 1
    planted = noise * 0.01 + (np.arange(12) >= 3) * (np.arange(12) < 10)
    effects, picked = held_out(planted, weights, 20, rng)
    assert {DIVISIONS[d] for d in picked} == {Division(3, 10)}
    np.testing.assert_allclose(effects, 1, atol=0.02)


def test_changes_are_counted_where_chunks_begin():
    picked = np.array([DIVISIONS.index(Division(3, 10))] * 3 + [DIVISIONS.index(Division(4, 11))])
    begins = change_frequencies(picked, DIVISIONS, 12)
    assert begins[0, 3] == 0.75 and begins[0, 4] == 0.25
    assert begins[1, 10] == 0.75 and begins[1, 11] == 0.25
    assert begins.sum() == 2
    assert change_frequencies(np.zeros(5, dtype=int), (Division(0, 12),), 12).sum() == 0
