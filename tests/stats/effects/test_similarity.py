"""Similarities between texts, text by text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from modclaims.errors import ClaimError
from modclaims.stats.effects.similarity import (
    INNER_PRODUCTS,
    SIMILARITIES,
    apart_similarity,
    text_similarity,
    token_similarity,
)

Floats = NDArray[np.float64]


def activations(seed: int = 0, texts: int = 5, positions: int = 3, units: int = 7) -> Floats:
    return np.random.default_rng(seed).normal(size=(texts, positions, units)) + 0.5


def slow(x: Floats, kind: str) -> Floats:
    """The definition, pair of texts by pair of texts and position by position."""
    if kind.startswith("centred"):
        x = x - x.mean(axis=0)
    if kind == "correlation":
        x = x - x.mean(axis=2, keepdims=True)
    longest = max(np.linalg.norm(v) for text in x for v in text)

    def one(u: Floats, v: Floats) -> float:
        if kind in ("cosine", "centred_cosine", "correlation"):
            return float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
        if kind.endswith("scaled_cosine"):
            return float(u @ v / longest**2)
        if kind == "magnitude_aware":
            return float(1 - np.linalg.norm(u - v) / (2 * longest))
        return float(-np.linalg.norm(u - v))

    return np.array([[np.mean([one(u, v) for u, v in zip(a, b, strict=True)]) for b in x] for a in x])


def test_an_unknown_similarity_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClaimError, match=r"'angle' is unknown; choose one of cosine, scaled_cosine"):
        text_similarity(activations(), "angle")


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_vectors_of_length_zero_give_numbers_without_a_warning(kind: str) -> None:
    x = activations()
    x[1] = 0.0
    assert np.isfinite(text_similarity(x, kind).values).all()
    assert np.isfinite(text_similarity(np.zeros((3, 2, 4)), kind).values).all()


def test_two_texts_by_hand() -> None:
    x = np.array([[[3.0, 4.0]], [[4.0, 3.0]], [[0.0, 10.0]]])
    assert text_similarity(x, "cosine").values[0, 1] == pytest.approx(24 / 25)
    assert text_similarity(x, "scaled_cosine").values[0, 1] == pytest.approx(24 / 100)
    assert text_similarity(x, "euclidean").values[0, 1] == pytest.approx(-np.sqrt(2))
    assert text_similarity(x, "magnitude_aware").values[0, 1] == pytest.approx(1 - np.sqrt(2) / 20)
    assert text_similarity(x, "correlation").values[0, 1] == pytest.approx(-1)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_each_similarity_is_its_definition_averaged_over_positions(kind: str) -> None:
    x = activations()
    np.testing.assert_allclose(text_similarity(x, kind).values, slow(x, kind), atol=1e-12)


def test_cosine_and_correlation_are_scipys() -> None:
    x = activations(positions=1)
    for kind, metric in (("cosine", "cosine"), ("correlation", "correlation"), ("euclidean", "euclidean")):
        distance = cdist(x[:, 0], x[:, 0], metric)
        expected = -distance if kind == "euclidean" else 1 - distance
        np.testing.assert_allclose(text_similarity(x, kind).values, expected, atol=1e-12)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_squared_distances_belong_to_the_vectors_that_were_compared(kind: str) -> None:
    found = text_similarity(activations(), kind)
    if kind == "magnitude_aware":
        assert found.squared_distance is None
        return
    assert found.squared_distance is not None
    np.testing.assert_allclose(np.diag(found.squared_distance), 0)
    if kind in INNER_PRODUCTS:
        own = np.diag(found.values)
        np.testing.assert_allclose(found.squared_distance, own[:, None] + own[None] - 2 * found.values, atol=1e-12)
    else:
        one = text_similarity(activations(positions=1), kind)
        np.testing.assert_allclose(one.squared_distance, one.values**2, atol=1e-12)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_similarity_of_tokens_averages_to_similarity_of_texts(kind: str) -> None:
    x = activations()
    token = token_similarity(x, kind).reshape(5, 3, 5, 3)
    np.testing.assert_allclose(np.einsum("ipjp->ij", token) / 3, text_similarity(x, kind).values, atol=1e-12)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_similarity_apart_is_the_mean_of_tokens_at_different_positions(kind: str) -> None:
    x = activations()
    token = token_similarity(x, kind).reshape(5, 3, 5, 3)
    apart = [(p, q) for p in range(3) for q in range(3) if p != q]
    expected = np.mean([token[:, p, :, q] for p, q in apart], axis=0)
    found = apart_similarity(x, kind)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found, found.T)


@given(st.sampled_from(SIMILARITIES), st.integers(0, 99), st.floats(0.01, 100))
def test_similarities_are_symmetric_and_only_euclid_knows_the_unit(kind: str, seed: int, scale: float) -> None:
    x = activations(seed)
    here, there = text_similarity(x, kind).values, text_similarity(scale * x, kind).values
    np.testing.assert_array_equal(here, here.T)
    np.testing.assert_allclose(there, scale * here if kind == "euclidean" else here, atol=1e-10 * scale + 1e-10)


@given(st.sampled_from(SIMILARITIES), st.integers(0, 99))
def test_the_order_of_texts_only_reorders(kind: str, seed: int) -> None:
    x = activations(seed)
    order = np.random.default_rng(seed).permutation(5)
    here, there = text_similarity(x, kind).values, text_similarity(x[order], kind).values
    np.testing.assert_allclose(there, here[np.ix_(order, order)], atol=1e-12)
