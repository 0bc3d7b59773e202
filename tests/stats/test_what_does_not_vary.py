"""Equal texts: what arithmetic leaves of their differences is rounding, and no statistic may take it for variation.

Each case holds for numbers of any size, since 0.3 and 3e8 leave other digits behind, and for whatever kernels sum them.
"""

from __future__ import annotations

import numpy as np
import pytest
from draws import rng
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.resamples import resample_groups
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.effects.similarity import text_similarity
from modclaims.stats.maps.ridge import cross_fitted, folds_of
from modclaims.stats.maps.token_directions import TokenSpace
from modclaims.stats.nulls.null_objects import against_null, mean_replicates, resample_texts_and_draws
from modclaims.stats.spectra.parallel_analysis import centred_directions, shares
from modclaims.stats.spectra.subspaces import separation_null, spherical

SIZES = pytest.mark.parametrize("size", [1e-7, 0.3, 3e8])


def equal(size: float, texts: int = 12, positions: int = 3, width: int = 50) -> NDArray[np.float64]:
    """(text, position, unit) the same vectors in every text, but for the last bit."""
    one = size * rng().normal(size=(1, positions, width))
    return one * (1 + np.finfo(float).eps * rng(1).integers(-1, 2, size=(texts, positions, width)))


@SIZES
@pytest.mark.parametrize("kind", ["centred_cosine", "centred_scaled_cosine"])
def test_equal_texts_have_no_direction_once_they_are_centred(kind: str, size: float) -> None:
    assert not text_similarity(equal(size), kind).values.any()


@SIZES
@pytest.mark.parametrize("kind", ["cosine", "scaled_cosine", "correlation", "euclidean"])
def test_equal_texts_lie_at_no_distance(kind: str, size: float) -> None:
    squared = text_similarity(equal(size), kind).squared_distance
    assert squared is not None
    assert not squared.any()


@SIZES
def test_vectors_of_one_number_have_no_correlation(size: float) -> None:
    assert not text_similarity(np.full((6, 2, 50), size), "correlation").values.any()


def test_texts_that_differ_by_little_more_than_rounding_keep_their_directions() -> None:
    x = equal(0.3) + 1e-11 * rng(2).normal(size=(12, 3, 50))
    assert text_similarity(x, "centred_cosine").values.diagonal() == pytest.approx(np.ones(12))


@SIZES
@pytest.mark.parametrize("centre", ["own", "common"])
def test_equal_texts_span_no_subspaces(centre: str, size: float) -> None:
    a = Design.of(list("aaaaaabbbbbb"))
    vectors = equal(size)[:, 0]
    assert not spherical(vectors, a, centre).any()
    orders = np.stack([rng(i).permutation(a.labels) for i in range(20)]).astype(np.int16)
    null, _ = separation_null([vectors], a, Arrangements(orders, False, 20), dimensions=2, centre=centre)
    assert np.ptp(null) == 0


@SIZES
def test_equal_texts_have_no_components(size: float) -> None:
    a = Design.of(list("aaaaaabbbbbb"))
    x = centred_directions(equal(size), a)
    assert not x.any()
    assert not shares(x).any()


@SIZES
def test_a_unit_that_never_varies_foretells_nothing(size: float) -> None:
    x, y = equal(size, texts=60)[:, 0], rng(2).normal(size=(60, 2))
    folds = folds_of(60, 5, rng())
    (found,) = cross_fitted(x, [y], folds)
    for fold in range(5):
        np.testing.assert_allclose(found.foretold[folds == fold], y[folds != fold].mean(axis=0)[None].repeat(12, 0))


@SIZES
def test_a_mean_of_equal_numbers_has_no_standard_error(size: float) -> None:
    resamples = resample_groups(np.zeros(12, dtype=np.int64), count=199, rng=rng())
    values = equal(size, width=4)[:, 0]
    bounds = bootstrap_t(mean_replicates(values, resamples), resamples, means=True)
    assert not bounds.se.any()
    assert not bounds.bounded.any()


@SIZES
def test_null_objects_that_all_agree_carry_no_bound(size: float) -> None:
    resamples = resample_texts_and_draws(12, 20, count=199, rng=rng())
    own = equal(size, width=4)[:, 0]
    null = 2 * equal(size, texts=240, width=4)[:, 0].reshape(20, 12, 4)
    bounds = bootstrap_t(against_null(own, null, resamples), resamples, means=True)
    assert not bounds.se.any()
    assert not bounds.bounded.any()


@SIZES
def test_equal_tokens_lie_nowhere(size: float) -> None:
    rows = equal(size, texts=64)[:, 0]
    assert not TokenSpace.of(rows, rows).units.any()
