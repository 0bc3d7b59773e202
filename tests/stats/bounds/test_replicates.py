"""Replicates: contrasts of effects, and standard errors by hand and against the spread of new samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from resampled import clustered, in_clusters, means

from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.replicates import Replicates, standard_errors
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.omega_squared import omega_squared_replicates
from modclaims.stats.effects.pair_effects import cliffs_delta

# ---- by hand


def test_the_standard_error_of_a_mean_by_hand() -> None:
    y = np.array([[1.0], [2.0], [4.0], [9.0]])
    resamples = Resamples(np.array([[1.0, 1, 1, 1], [2, 0, 0, 2]]), np.zeros(4, dtype=np.int64))
    se = standard_errors(means(y, resamples), resamples)
    assert se[0, 0] == pytest.approx(y.std(ddof=1) / 2)
    assert se[1, 0] == pytest.approx(np.std([1, 1, 9, 9], ddof=1) / 2)


def test_a_group_with_one_unit_adds_nothing() -> None:
    y = np.array([[1.0], [2.0], [4.0], [9.0]])
    resamples = Resamples(np.ones((1, 4)), np.array([0, 0, 0, 1]))
    influence = y[None] / 4
    se = standard_errors(Replicates(influence.sum(axis=1), influence, influence[0].sum(axis=0)), resamples)
    assert se[0, 0] == pytest.approx(np.sqrt(3) * np.std([1, 2, 4], ddof=1) / 4)


def test_the_standard_error_over_clusters_by_hand() -> None:
    # the deltas of the clusters are 1, 1, 0 and -1: their mean .25, and the sd of that mean
    values = [(9, 8, 1, 2, 3, 4), (9, 8, 1, 2, 3, 4), (9, 1, 2, 3, 8, 7), (1, 2, 9, 8, 7, 6)]
    a, pairs = clustered(4)
    similarities = np.zeros((len(pairs), 1))
    for where, (ab, cd, *between) in zip(pairs.slices, values, strict=True):
        similarities[where, 0] = [ab, *between, cd]
    one = Resamples(np.ones((1, 4)), np.zeros(4, dtype=np.int64))
    found = cliffs_delta(similarities, a, pairs, one)
    assert found.value[0, 0] == pytest.approx(0.25)
    assert standard_errors(found, one)[0, 0] == pytest.approx(np.std([1, 1, 0, -1], ddof=1) / 2)


# ---- witnesses


def test_standard_errors_are_near_the_spread_of_new_samples() -> None:
    # 300 fresh samples of 3 x 12 texts: the sd of the effects over samples against the mean of their standard errors
    a = Design.of(list("abc") * 12)
    pairs, one = Pairs.of(a), Resamples(np.ones((1, 36)), a.cells)
    deltas, omegas = [], []
    for seed in range(300):
        x = rng(seed).normal(size=(36, 6)) + 0.8 * np.eye(3, 6)[a.labels]
        delta = cliffs_delta(pairs.matrix([x @ x.T]), a, pairs, one)
        omega = omega_squared_replicates(x[:, :1], a, one)
        deltas.append((delta.value[0, 0], standard_errors(delta, one)[0, 0]))
        omegas.append((omega.value[0, 0], standard_errors(omega, one)[0, 0]))
    for found in (np.array(deltas), np.array(omegas)):
        assert 0.85 < found[:, 1].mean() / found[:, 0].std(ddof=1) < 1.15


def test_standard_errors_over_clusters_are_near_the_spread_of_new_samples() -> None:
    # 300 fresh samples of 20 clusters, in each of which the categories differ in their own way
    (a, pairs), one = clustered(20), Resamples(np.ones((1, 20)), np.zeros(20, dtype=np.int64))
    old = Resamples(np.ones((1, a.n)), a.cells)
    deltas, omegas, within = [], [], []
    for seed in range(300):
        x = in_clusters(rng(seed), 20, 1.0, 1.0, 6)
        delta = cliffs_delta(pairs.matrix([x @ x.T]), a, pairs, one)
        omega = omega_squared_replicates(x[:, :1], a, one)
        deltas.append((delta.value[0, 0], standard_errors(delta, one)[0, 0]))
        omegas.append((omega.value[0, 0], standard_errors(omega, one)[0, 0]))
        plain = omega_squared_replicates(x[:, :1], replace(a, clusters=None), old)
        within.append((plain.value[0, 0], standard_errors(plain, old)[0, 0]))
    for found in (np.array(deltas), np.array(omegas)):
        assert 0.85 < found[:, 1].mean() / found[:, 0].std(ddof=1) < 1.15
    found = np.array(within)  # texts inside clusters say less of new clusters
    assert found[:, 1].mean() / found[:, 0].std(ddof=1) < 0.75


def test_standard_errors_are_near_the_spread_of_resamples_where_the_effect_is_large() -> None:
    # near an effect of 0 first-order errors vanish, and resamples of so few texts spread more than new samples do
    a = Design.of(list("abc") * 16)
    resamples, pairs = resample(a, count=500, rng=rng(3)), Pairs.of(a)
    x = rng(4).normal(size=(48, 6)) + 2 * np.eye(3, 6)[a.labels]
    for found in (
        cliffs_delta(pairs.matrix([x @ x.T]), a, pairs, resamples),
        omega_squared_replicates(x[:, :1], a, resamples),
    ):
        spread = found.value[1:, 0].std(ddof=1) * np.sqrt(16 / 15)  # a resample's spread is that of 15 of 16
        assert standard_errors(found, resamples)[0, 0] == pytest.approx(spread, rel=0.15)


# ---- properties


@given(st.integers(0, 200))
def test_contrasts_are_combinations_of_cells(seed: int) -> None:
    a = Design.of(list("aabbccabc"))
    resamples, pairs = resample(a, count=30, rng=rng(seed)), Pairs.of(a)
    effect = cliffs_delta(rng(seed).normal(size=(len(pairs), 2)), a, pairs, resamples)
    contrast = effect.weighted(np.array([[1.0, 0.5], [-1.0, 0.5]]))
    np.testing.assert_allclose(contrast.value[:, 0], effect.value[:, 0] - effect.value[:, 1], atol=1e-12)
    np.testing.assert_allclose(contrast.centre[1], effect.centre.mean(), atol=1e-12)
    own = standard_errors(effect, resamples)
    assert (standard_errors(contrast, resamples) <= own.sum(axis=1, keepdims=True) + 1e-12).all()


def test_what_rounding_leaves_of_equal_influences_is_no_spread() -> None:
    """Three copies of one text: t would be a huge number on one side, where there is none."""
    influence = np.full((2, 3, 1), 0.1)
    influence[0, :, 0] = [0.1, 0.4, 0.7]
    times = np.array([[1.0, 1.0, 1.0], [3.0, 0.0, 0.0]])
    replicates = Replicates(np.array([[0.5], [0.9]]), influence, np.array([0.5]))
    resamples = Resamples(times, np.zeros(3, dtype=np.int64))
    assert standard_errors(replicates, resamples)[1, 0] == 0.0
    assert np.isposinf(bootstrap_t(replicates, resamples).t[0, 0])
