"""Directions read as tokens: by hand, against numpy, and their symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from modclaims.stats.maps.token_directions import (
    TokenSpace,
    coherent_shares,
    frequency_bins,
    haar,
    largest,
    largest_products,
    random_units,
    row_directions,
    singular_directions,
    turned_coherence,
)


def space(tokens=60, width=6, seed=0):
    rng = np.random.default_rng(seed)
    return TokenSpace.of(rng.standard_normal((tokens, width)), rng.standard_normal((tokens, width)))


def by_hand(found, direction, count):
    """Coherence of both ends, pair by pair."""
    ends = []
    logits = found.unembedding @ direction
    for order in (np.argsort(logits)[-count:], np.argsort(logits)[:count]):
        pairs = [(a, b) for a in order for b in order if a != b]
        cosine = np.mean([found.units[a] @ found.units[b] for a, b in pairs])
        expected = np.mean([found.alike[found.ranks[a], found.ranks[b]] for a, b in pairs])
        ends.append((cosine, cosine - expected))
    return np.max(ends, axis=0)


def test_coherence_is_that_of_all_pairs():
    found = space()
    directions = np.random.default_rng(1).standard_normal((5, 6))
    expected = [by_hand(found, d.astype(np.float32), 4) for d in directions]
    assert found.coherence(found.logits(directions), 4) == pytest.approx(np.array(expected), abs=1e-5)


def test_tokens_of_one_cluster_are_wholly_coherent():
    embedding = np.concatenate([np.repeat([[5.0, 0, 0]], 4, axis=0), np.random.default_rng(0).standard_normal((60, 3))])
    embedding[4:, 0] = np.minimum(embedding[4:, 0], 3)
    found = TokenSpace.of(embedding, embedding)
    assert found.coherence(found.logits(np.array([[1.0, 0, 0]])), 4)[0, 0] == pytest.approx(1, abs=1e-5)


def test_expected_cosines_are_means_over_pairs_of_different_tokens():
    found = space(tokens=64)
    cosines = (found.units @ found.units.T).astype(float)
    for a, b in ((0, 0), (0, 1), (5, 20)):
        first, second = np.flatnonzero(found.ranks == a), np.flatnonzero(found.ranks == b)
        pairs = [cosines[i, j] for i in first for j in second if i != j]
        assert found.alike[a, b] == pytest.approx(np.mean(pairs), abs=1e-5)


def test_embeddings_are_centred_and_a_common_shift_changes_nothing():
    rng = np.random.default_rng(0)
    embedding, unembedding = rng.standard_normal((2, 60, 6))
    one, other = (TokenSpace.of(e, unembedding) for e in (embedding, embedding + 7.0))
    assert one.units == pytest.approx(other.units, abs=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_directions_sign_and_length_do_not_matter(seed):
    found = space(seed=seed)
    directions = np.random.default_rng(seed).standard_normal((3, 6))
    one = found.coherence(found.logits(directions), 4)
    assert found.coherence(found.logits(-2 * directions), 4) == pytest.approx(one, abs=1e-5)


@pytest.mark.parametrize("size", [15, 40, 101, 1000, 4096])
def test_the_largest_are_those_of_a_sort(size):
    values = np.random.default_rng(size).standard_normal((7, size))
    assert np.array_equal(np.sort(largest(values, 10)), np.sort(np.argsort(values, axis=1)[:, -10:]))


def test_bins_are_even_and_in_order():
    bins = frequency_bins(100, 32)
    assert (np.diff(bins) >= 0).all()
    assert set(np.bincount(bins)) <= {3, 4}
    assert frequency_bins(5, 32).tolist() == [0, 0, 0, 1, 1]


def test_singular_directions_are_those_of_the_product():
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal((9, 3)), rng.standard_normal((3, 9))
    left, right = singular_directions(first, second)
    u, _, vt = np.linalg.svd(first @ second)
    assert left.shape == right.shape == (3, 9)
    assert np.abs((left * u[:, :3].T).sum(axis=1)) == pytest.approx(1)
    assert np.abs((right * vt[:3]).sum(axis=1)) == pytest.approx(1)


def test_directions_without_size_are_left_out():
    rng = np.random.default_rng(4)
    first = rng.standard_normal((9, 3))
    first[:, 2] = first[:, 0]
    assert len(singular_directions(first, rng.standard_normal((3, 9)))[0]) == 2
    matrix = rng.standard_normal((20, 2)) @ rng.standard_normal((2, 6))
    found = row_directions(matrix)
    assert found.shape == (2, 6)
    assert found @ found.T == pytest.approx(np.eye(2))


def test_random_bases_are_orthogonal_and_as_scipys_in_law():
    rng = np.random.default_rng(5)
    mine = np.stack([haar(3, rng) for _ in range(4000)])
    assert np.einsum("nij,nkj->nik", mine, mine) == pytest.approx(np.broadcast_to(np.eye(3), mine.shape), abs=1e-12)
    theirs = ortho_group.rvs(3, size=4000, random_state=1)
    for power in (1, 2, 4):
        assert (mine**power).mean(axis=0) == pytest.approx((theirs**power).mean(axis=0), abs=0.05)
    assert np.mean([np.trace(m) ** 2 for m in mine]) == pytest.approx(1, abs=0.1)


def test_turned_directions_are_read_by_turned_logits():
    found = space()
    basis = np.linalg.qr(np.random.default_rng(2).standard_normal((6, 3)))[0].T
    turn = haar(3, np.random.default_rng(3))
    expected = found.coherence(found.logits(turn @ basis), 4)
    assert turned_coherence(found, found.logits(basis), turn, 4) == pytest.approx(expected, abs=1e-5)


def test_shares_meet_one_threshold_to_which_every_basis_contributes():
    values = np.random.default_rng(0).random((40, 10)).astype(np.float32)
    shares = coherent_shares(values, 0.9)
    assert shares.mean() == pytest.approx(0.1, abs=1e-9)
    order = np.random.default_rng(1).permutation(40)
    assert np.array_equal(coherent_shares(values[order], 0.9), shares[order])
    assert (coherent_shares(np.ones((4, 5), dtype=np.float32), 0.9) == 0).all()


def test_largest_products_by_hand_and_for_any_number_of_vectors():
    rng = np.random.default_rng(0)
    vectors, tokens = rng.standard_normal((300, 5)), rng.standard_normal((50, 5)).astype(np.float32)
    expected = np.sort(vectors @ tokens.T, axis=1)[:, -7:].mean(axis=1)
    assert largest_products(vectors, tokens, 7) == pytest.approx(expected, abs=1e-5)
    assert largest_products(3 * vectors, tokens, 7) == pytest.approx(3 * expected, abs=1e-4)


def test_random_units_have_length_1_and_no_preferred_direction():
    drawn = random_units(20_000, 4, np.random.default_rng(0))
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(20_000), abs=1e-5)
    assert drawn.mean(axis=0) == pytest.approx(np.zeros(4), abs=0.02)
    assert drawn.T @ drawn / 20_000 == pytest.approx(np.eye(4) / 4, abs=0.01)
