"""Activations on one scale, and distances between them."""

from __future__ import annotations

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from scipy.stats import zscore

from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.chance.multiplicity import weigh_cells
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.rivals import pseudo_f2_null
from modclaims.stats.effects.standardised import squared_distances, standardised

TWO = Design.of(list("aaaabbbb"))
STRATA = Design.of(list("aabbaabb"), list("xxxxyyyy"))


def test_coordinates_that_do_not_vary_are_left_out() -> None:
    x = rng().normal(size=(8, 4))
    x[:, 1] = 0.1
    x[:, 2] = 3000 + 1e-4 * rng(1).normal(size=8)
    assert standardised(x, TWO).shape == (8, 3)
    assert standardised(x, TWO, float(np.finfo(np.float32).eps)).shape == (8, 2)  # float32 holds 3000 to 2e-4
    x[:4, 3], x[4:, 3] = 1.0, 2.0
    assert standardised(x, STRATA).shape == (8, 2)  # what only strata differ by


def test_without_any_coordinate_that_varies_nothing_lies_apart_and_no_place_differs() -> None:
    apart = squared_distances(standardised(np.ones((8, 3)), TWO))
    assert not apart.any()
    null, slack = pseudo_f2_null(
        Pairs.of(TWO).matrix([apart]), Pairs.of(TWO), TWO, relabellings(TWO, budget=99, rng=rng())
    )
    assert weigh_cells(null, slack).p_adjusted[0] == 1


def test_distances_of_three_texts_by_hand() -> None:
    # coordinates 0, 0, 3 and 10, 20, 30 have variances 3 and 100
    a = Design.of(list("aab"))
    apart = squared_distances(standardised(np.array([[0.0, 10], [0, 20], [3, 30]]), a))
    np.testing.assert_allclose(apart, [[0, 1, 7], [1, 0, 4], [7, 4, 0]], atol=1e-14)


def test_one_stratum_is_scipys_z_score() -> None:
    x = rng(2).normal(size=(8, 5)) * [1, 10, 1e3, 1e-3, 1]
    np.testing.assert_allclose(standardised(x, TWO), zscore(x, axis=0, ddof=1), atol=1e-12)
    np.testing.assert_allclose(squared_distances(x), cdist(x, x, "sqeuclidean"), rtol=1e-9, atol=1e-9)


@given(st.integers(0, 30), st.sampled_from([TWO, STRATA]))
def test_no_scale_no_origin_and_no_exchange_of_labels_changes_distances(seed: int, a: Design) -> None:
    x = rng(seed).normal(size=(8, 6))
    here = squared_distances(standardised(x, a))
    moved = x * rng(seed + 1).uniform(0.01, 100, size=6) + rng(seed + 2).normal(size=6)
    moved[a.strata == 0] += 5
    moved[:, 0] *= -1
    order = relabellings(a, budget=20, rng=rng(seed)).labels[-1]
    other = Design.of([str(k) for k in order], [str(h) for h in a.strata])
    expected = here if len(np.unique(a.strata)) == 1 else squared_distances(standardised(moved, a))
    np.testing.assert_allclose(squared_distances(standardised(moved, a)), expected, rtol=1e-7, atol=1e-7)
    np.testing.assert_array_equal(squared_distances(standardised(x, other)), here)


def test_a_massive_coordinate_weighs_as_much_as_another() -> None:
    x = rng(3).normal(size=(8, 5))
    plain = squared_distances(standardised(x, TWO))
    x[:, 4] = 3000 + 1e3 * x[:, 4]
    assert squared_distances(standardised(x, TWO)) == pytest.approx(plain, rel=1e-9)
