"""Effects of pairs resampled to first order, where there are many texts."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from draws import rng
from numpy.typing import NDArray

from modclaims.stats.bounds import first_order
from modclaims.stats.bounds.delta_bounds import delta_bounds
from modclaims.stats.bounds.first_order import many_texts
from modclaims.stats.bounds.replicates import standard_errors
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.pair_effects import cliffs_delta
from modclaims.stats.effects.superiority import above, placements, superior, superiority_bounds

Floats = NDArray[np.float64]


def design(sizes: tuple[int, ...], strata: int = 1, clusters: bool = False) -> Design:
    """So many texts of each category in each stratum."""
    labels = [str(k) for k, size in enumerate(sizes) for _ in range(size)] * strata
    where = [str(h) for h in range(strata) for _ in range(sum(sizes))]
    return Design.of(labels, where if strata > 1 and not clusters else None, where if clusters else None)


def all_exact() -> mock._patch[int]:
    """No number of texts is many."""
    return mock.patch.object(first_order, "MANY", 10**9)


@pytest.mark.parametrize(
    ("sizes", "strata", "many"),
    [((64, 64), 1, True), ((63, 64), 1, False), ((104, 24), 1, True), ((105, 23), 1, False), ((64, 64), 3, True)],
)
def test_many_are_128_texts_of_each_stratum_and_24_of_each_category(
    sizes: tuple[int, ...], strata: int, many: bool
) -> None:
    assert many_texts(design(sizes, strata)) == many


def test_clusters_are_resampled_whole_however_many_there_are() -> None:
    assert not many_texts(design((64, 64), 4, clusters=True))


@pytest.mark.parametrize("strata", [1, 2])
def test_delta_and_its_bounds_are_those_of_every_resample_by_itself(strata: int) -> None:
    d = design((44, 44, 40), strata)
    x = rng(1).standard_t(4, (d.n, 12))
    x[np.arange(d.n), d.labels] += 1.5
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    pairs = Pairs.of(d)
    similarities = np.round(pairs.matrix([x @ x.T]), 2)  # with ties
    drawn = resample(d, count=999, rng=rng(2))
    ours = cliffs_delta(similarities, d, pairs, drawn)
    with all_exact():
        theirs = cliffs_delta(similarities, d, pairs, drawn)
    assert ours.influence.shape == (1, d.n, 1)
    np.testing.assert_allclose(ours.value[0], theirs.value[0], atol=1e-12)
    np.testing.assert_allclose(ours.influence[0], theirs.influence[0], atol=1e-13)
    np.testing.assert_allclose(standard_errors(ours, drawn)[0], standard_errors(theirs, drawn)[0])
    first, second = (delta_bounds(one, d, drawn) for one in (ours, theirs))
    for level in (0.05, 0.01):
        width = second.upper(level) - second.lower(level)
        assert abs(first.lower(level) - second.lower(level)) < 0.08 * width
        assert abs(first.upper(level) - second.upper(level)) < 0.08 * width


def test_a_constant_cell_has_delta_0_and_no_influence() -> None:
    d = design((64, 64))
    pairs = Pairs.of(d)
    found = cliffs_delta(np.ones((len(pairs), 1)), d, pairs, resample(d, count=9, rng=rng()))
    assert np.array_equal(found.value, np.zeros((10, 1)))
    assert not found.influence.any()


@pytest.mark.parametrize("seed", range(4))
def test_placements_are_those_of_pairs_ties_counting_half(seed: int) -> None:
    y = np.round(rng(seed).normal(size=(40, 3)), 1)
    mine, rest = np.arange(15), np.arange(15, 40)
    share = rng(seed).dirichlet(np.ones(25))
    placed, exceeded = placements(y, mine, rest, share)
    wins = above(y, mine, rest)  # (cell, mine, rest)
    np.testing.assert_allclose(placed, (wins @ share).T)
    np.testing.assert_allclose(exceeded, wins.mean(axis=1).T)


@pytest.mark.parametrize("strata", [1, 2])
def test_superiority_is_that_of_every_resample_by_itself(strata: int) -> None:
    d = design((44, 44, 40), strata)
    y = np.round(rng(3).standard_t(4, (d.n, 4)), 1)
    y[d.labels == 0] += 0.5
    drawn = resample(d, count=999, rng=rng(4))
    ours, bounds = superior(y, d, "0", drawn), superiority_bounds(y, d, drawn, "0")
    with all_exact():
        theirs, exact = superior(y, d, "0", drawn), superiority_bounds(y, d, drawn, "0")
    np.testing.assert_allclose(ours.theta[0], theirs.theta[0])
    np.testing.assert_allclose(ours.variance[0], theirs.variance[0])
    np.testing.assert_allclose(ours.freedom, theirs.freedom)
    assert np.corrcoef(ours.theta[1:, 0], theirs.theta[1:, 0])[0, 1] > 0.99
    np.testing.assert_allclose(
        bounds.lower(0.05), exact.lower(0.05), atol=1e-9
    )  # of a cell alone: the sample's own law
    every = np.arange(4)
    np.testing.assert_allclose(bounds.lower(0.05, every), exact.lower(0.05, every), atol=0.02)
