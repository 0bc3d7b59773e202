"""Resamples: how often each unit, or each of whole clusters, is drawn."""

from __future__ import annotations

import numpy as np
from draws import rng
from hypothesis import given
from hypothesis import strategies as st

from modclaims.stats.bounds.resamples import resample, resample_groups
from modclaims.stats.chance.actions import Design

# ---- by hand


def test_draws_of_units_are_what_they_were() -> None:
    a = Design.of(list("abcabbac"), list("xxxxyyyy"))
    drawn = resample(a, count=3, rng=rng(0))
    assert drawn.times[1:].tolist() == [[0, 1, 1, 2, 2, 0, 1, 1], [1] * 8, [2, 1, 1, 0, 0, 2, 1, 1]]
    np.testing.assert_array_equal(drawn.groups, a.cells)


def test_clusters_are_drawn_whole_and_all_among_each_other() -> None:
    a = Design.of(list("aabb" * 6), list("xxxxyyyyzzzz" * 2), list("ppppqqqqrrrrssssttttuuuu"))
    drawn = resample(a, count=4000, rng=rng(0))
    assert (drawn.times[0] == 1).all()
    assert (drawn.times.sum(axis=1) == 6).all()
    assert set(drawn.groups.tolist()) == {0}
    np.testing.assert_allclose(np.cov(drawn.times[1:].T), np.eye(6) - 1 / 6, atol=0.07)


# ---- properties


@given(st.lists(st.integers(0, 3), min_size=4, max_size=15), st.integers(0, 99))
def test_resamples_keep_the_size_of_every_group(groups: list[int], seed: int) -> None:
    labels = np.array(groups)
    found = resample_groups(labels, count=20, rng=rng(seed))
    assert (found.times[0] == 1).all()
    assert found.count == 20
    for g in np.unique(labels):
        np.testing.assert_array_equal(found.times[:, labels == g].sum(axis=1), (labels == g).sum())


def test_units_are_drawn_uniformly() -> None:
    found = resample_groups(np.array([0, 0, 0, 1, 1]), count=5000, rng=rng(5))
    np.testing.assert_allclose(found.times[1:].mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(found.times[1:].var(axis=0), [2 / 3] * 3 + [1 / 2] * 2, atol=0.06)
