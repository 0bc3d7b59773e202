"""Retrieval among a vocabulary, and permutations without a fixed point."""

import numpy as np
import pytest

from modclaims.stats.chance import permutation
from modclaims.stats.maps.retrieval import Vocabulary, one_cycle


def test_by_hand():
    """Around the mean (1, 1) four tokens lie in the four directions; a guess lies between two of them."""
    vocabulary = Vocabulary.of(np.array([[2.0, 1], [1, 2], [0, 1], [1, 0]]))
    guesses = np.array([[3.0, 2]])
    for token, closer in enumerate((0, 1, 3, 2)):
        assert vocabulary.closer(guesses, np.array([token])) == [closer]


def test_a_vector_itself_is_the_closest_and_length_plays_no_part():
    rng = np.random.default_rng(0)
    embedding = rng.standard_normal((50, 8)).astype(np.float32) + 3
    vocabulary, every = Vocabulary.of(embedding), np.arange(50)
    assert not vocabulary.closer(embedding.astype(float), every).any()
    longer = vocabulary.centre + 7 * (embedding - vocabulary.centre)
    assert not vocabulary.closer(longer, every).any()


def test_ties_and_guesses_at_the_mean_count_against():
    embedding = np.array([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    vocabulary = Vocabulary.of(embedding)
    assert vocabulary.closer(embedding, np.arange(4)).tolist() == [1, 1, 1, 1]
    assert vocabulary.closer(np.zeros((1, 2)), np.array([0])).tolist() == [3]


def test_parts_of_the_guesses_are_ranked_alike(monkeypatch):
    rng = np.random.default_rng(1)
    embedding, guesses = rng.standard_normal((200, 6)), rng.standard_normal((60, 6))
    meant = rng.integers(0, 200, 60)
    whole = Vocabulary.of(embedding).closer(guesses, meant)
    cosines = np.einsum("gu,tu->gt", guesses - embedding.mean(0), embedding - embedding.mean(0))
    cosines /= np.linalg.norm(embedding - embedding.mean(0), axis=1)
    np.testing.assert_array_equal(whole, (cosines > cosines[np.arange(60), meant][:, None]).sum(axis=1))
    monkeypatch.setattr(permutation, "CHUNK_BYTES", 8 * 200 * 8)
    np.testing.assert_array_equal(Vocabulary.of(embedding).closer(guesses, meant), whole)


@pytest.mark.parametrize("size", [2, 3, 17])
def test_one_cycle_leaves_nothing_in_its_place(size):
    step = one_cycle(size, np.random.default_rng(size))
    assert sorted(step) == list(range(size))
    at, seen = 0, set()
    for _ in range(size):
        at = int(step[at])
        seen.add(at)
    assert seen == set(range(size))
