"""Moves of units, contrasts against matched sets, effects that must all hold, and tokens typical of texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.replicates import standard_errors
from modclaims.stats.bounds.resamples import Resamples, resample, resample_groups
from modclaims.stats.chance.actions import Design
from modclaims.stats.nulls.matched_sets import (
    Moves,
    TextsAndSets,
    WeakestBounds,
    most_images,
    side_by_side,
    typical_tokens,
)

DESIGN = Design.of(["a"] * 5 + ["b"] * 4 + ["c"] * 3)


def flat(layers, units, rng=None):
    rng = rng or np.random.default_rng(0)
    return {(layer, i): float(rng.random()) for layer in range(layers) for i in range(units)}


def test_units_of_a_layer_move_round_among_neighbours_in_magnitude():
    moves = Moves.of({(0, 0): 5.0, (0, 1): 4.0, (0, 2): 3.0, (0, 3): 2.0, (0, 4): 1.0}, 2)
    assert (moves.size, moves.turns, moves.count) == (2, 1, 2)
    assert moves.images(((0, 0), (0, 2))) == (((0, 0), (0, 2)), ((0, 1), (0, 3)))
    assert moves.images(((0, 2), (0, 3))) == (((0, 2), (0, 3)),) * 2, "a whole group moves onto itself"
    assert moves.others(((0, 2), (0, 3))) == ()
    assert (0, 4) not in moves.slots, "of the smallest unit no group is left"


@given(
    st.integers(1, 4),
    st.integers(2, 14),
    st.integers(2, 30),
    st.integers(2, 9) | st.none(),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_images_have_as_many_units_of_each_layer_and_moves_are_a_group(layers, units, wanted, neighbours, chosen, seed):
    rng = np.random.default_rng(seed)
    moves = Moves.of(flat(layers, units, rng), wanted, neighbours=neighbours)
    pool = sorted(moves.slots)
    places = tuple(sorted(pool[i] for i in rng.choice(len(pool), min(chosen, len(pool)), replace=False)))
    images = moves.images(places)
    assert images[0] == places
    assert len(images) == moves.count
    counts = [layer for layer, _ in places]
    assert all([layer for layer, _ in image] == counts and len(set(image)) == len(places) for image in images)
    # the orbit of an image is the orbit of the set: which of them was picked cannot be told from it
    other = images[int(rng.integers(len(images)))]
    assert sorted(moves.images(other)) == sorted(images)
    assert len(set(images)) <= most_images(moves.size, moves.turns, layers, len(places))


def test_a_single_head_of_eight_has_eight_images_and_two_of_different_layers_more():
    moves = Moves.of(flat(4, 8), 40)
    assert (moves.size, moves.turns) == (8, 8)
    assert len(set(moves.images(((1, 3),)))) == most_images(8, 8, 4, 1) == 8
    assert len(set(moves.images(((1, 3), (2, 5))))) == most_images(8, 8, 4, 2) == 64


def test_fewer_neighbours_are_better_matched_and_layers_move_apart_for_as_many_sets():
    rng = np.random.default_rng(6)
    magnitude = flat(4, 60, rng)
    wide, tight = Moves.of(magnitude, 36), Moves.of(magnitude, 36, neighbours=6)
    assert ((wide.size, wide.turns), (tight.size, tight.turns)) == ((36, 1), (6, 6))
    pool = sorted(p for p in tight.slots if p in wide.slots)
    places = tuple(sorted(pool[i] for i in rng.choice(len(pool), 8, replace=False)))
    assert len(set(tight.images(places))) == 36

    def spread(moves):
        return np.std([sum(magnitude[p] for p in image) for image in moves.images(places)])

    assert spread(tight) < spread(wide) / 2


def test_blocks_are_exchanged_among_layers():
    moves = Moves.of(flat(6, 1), 40, among_layers=True)
    assert set(moves.images(((2, 0),))) == {((layer, 0),) for layer in range(6)}


def test_ranks_among_images_are_uniform_where_effects_have_nothing_to_do_with_picks():
    rng = np.random.default_rng(4)
    found = []
    for _ in range(400):
        effect = flat(2, 24, rng)
        moves = Moves.of(flat(2, 24, rng), 12)
        pool = sorted(moves.slots)
        places = tuple(pool[i] for i in rng.choice(len(pool), 3, replace=False))
        values = np.array([sum(effect[p] for p in image) for image in moves.images(places)])
        found.append((values >= values[0] - 1e-12).mean())
    assert np.mean(np.array(found) <= 1 / 12 + 1e-9) == pytest.approx(1 / 12, abs=0.04)
    assert np.mean(np.array(found) <= 0.5 + 1e-9) == pytest.approx(0.5, abs=0.07)


# ---- contrasts


def drawn(count=200, sets=4):
    texts = resample(DESIGN, count=count, rng=np.random.default_rng(1))
    others = resample_groups(np.zeros(sets, dtype=np.int64), count=count, rng=np.random.default_rng(2))
    return TextsAndSets.of(texts, others, DESIGN)


def test_a_contrast_is_the_difference_of_means_net_of_matched_sets():
    rng = np.random.default_rng(0)
    own, others = rng.normal(size=12), rng.normal(size=(4, 12))
    net = own - others.mean(axis=0)
    found = drawn().contrast(own, others, np.array([1.0, 0, -1]))
    assert found.value[0, 0] == pytest.approx(net[:5].mean() - net[9:].mean())
    assert found.centre[0] == found.value[0, 0]


def test_every_replicate_is_what_the_drawn_texts_and_sets_give_written_out():
    rng = np.random.default_rng(3)
    own, others = rng.normal(size=12), rng.normal(size=(4, 12))
    both = drawn(20)
    found = both.contrast(own, others, np.array([1.0, -1, 0])).value[:, 0]
    for row, times in enumerate(both.resamples.times.astype(int)):
        texts, sets = np.repeat(np.arange(12), times[:12]), np.repeat(np.arange(4), times[12:])
        net = own[texts] - others[np.ix_(sets, texts)].mean(axis=0)
        labels = DESIGN.labels[texts]
        assert found[row] == pytest.approx(net[labels == 0].mean() - net[labels == 1].mean())


def test_influences_are_derivatives_by_multiplicity():
    rng = np.random.default_rng(5)
    own, others, weights = rng.normal(size=12), rng.normal(size=(4, 12)), np.array([1.0, -1, 0])
    both = drawn(3)
    influence = both.contrast(own, others, weights).influence[0, :, 0]
    step = 1e-6
    for unit in range(12):  # a category's mean divides by what was drawn of it
        times = np.ones((1, 16))
        times[0, unit] += step
        moved = TextsAndSets(Resamples(times, both.resamples.groups), both.share, both.labels, both.k)
        rise = (moved.contrast(own, others, weights).value - both.contrast(own, others, weights).value[:1]) / step
        assert rise[0, 0] == pytest.approx(influence[unit], abs=1e-5)


def test_the_standard_error_is_that_of_two_independent_means_where_nothing_is_taken_off():
    y = np.random.default_rng(6).normal(size=12)
    texts = resample(DESIGN, count=5, rng=np.random.default_rng(1))
    alone = TextsAndSets.of(texts, None, DESIGN)
    found = standard_errors(alone.contrast(y, np.empty((0, 12)), np.array([1.0, -1, 0])), alone.resamples)[0, 0]
    assert found == pytest.approx(np.sqrt(y[:5].var(ddof=1) / 5 + y[5:9].var(ddof=1) / 4))


def test_whole_clusters_are_drawn_where_texts_lie_in_them():
    design = Design.of(["a", "b"] * 6, clusters=[f"c{i // 4}" for i in range(12)])
    texts = resample(design, count=30, rng=np.random.default_rng(0))
    both = TextsAndSets.of(texts, None, design)
    y = np.random.default_rng(1).normal(size=12)
    found = both.contrast(y, np.empty((0, 12)), np.array([1.0, -1])).value[:, 0]
    for row, times in enumerate(texts.times.astype(int)):
        rows = np.concatenate([np.tile(np.arange(4 * c, 4 * c + 4), n) for c, n in enumerate(times)]).astype(int)
        assert found[row] == pytest.approx(y[rows][rows % 2 == 0].mean() - y[rows][rows % 2 == 1].mean())


# ---- all of several effects


def bounds_of(values):
    """Means over 12 texts of (text, cell) values."""
    texts = resample_groups(np.zeros(12, dtype=np.int64), count=999, rng=np.random.default_rng(0))
    one = Design(np.zeros(12, dtype=np.int64), np.zeros(12, dtype=np.int64), ("a",))
    both = TextsAndSets.of(texts, None, one)
    none = np.empty((0, 12))
    return side_by_side([bootstrap_t(both.contrast(y, none, np.ones(1)), texts) for y in values.T])


def test_the_weakest_of_several_effects_is_bounded_by_all_of_them():
    values = np.random.default_rng(2).normal([0.0, 1, 2, 3], 1, (12, 4))
    whole = bounds_of(values)
    pair = [np.array([0, 1]), np.array([2, 3])]
    weakest = WeakestBounds.of(whole, pair)
    np.testing.assert_array_equal(weakest.effect, whole.effect[[0, 2]])
    np.testing.assert_array_equal(weakest.p_lower(0.5), whole.p_lower(0.5)[[0, 2]])
    assert (weakest.p_lower(0.5, np.array([0, 1])) >= weakest.p_lower(0.5)).all()
    np.testing.assert_array_equal(weakest.lower(0.05), np.minimum(whole.lower(0.05)[[0, 2]], whole.lower(0.05)[[1, 3]]))
    for cell, group in enumerate(pair):
        assert weakest.p_upper(0.5)[cell] == whole.p_upper(0.5, group)[group].min()
        assert weakest.upper(0.05)[cell] == whole.upper(0.05, group)[group].min()
        assert weakest.upper(0.05, np.array([0, 1]))[cell] >= weakest.upper(0.05)[cell]


def test_an_effect_without_a_bound_leaves_all_of_them_without_one():
    values = np.random.default_rng(2).normal(size=(12, 2))
    values[:, 1] = 4.0
    weakest = WeakestBounds.of(bounds_of(values), [np.array([0, 1])])
    assert not weakest.bounded[0]
    assert weakest.p_lower(-9.0)[0] == 1.0


# ---- typical tokens


def test_tokens_that_only_some_texts_have_are_typical_of_them_and_those_of_all_are_not():
    ids = np.array([[1, 1, 2, 7], [1, 2, 2, 7], [3, 3, 4, 7], [3, 4, 3, 7]])
    own = np.array([True, True, False, False])
    assert typical_tokens(ids, own, 5) == (1, 2)
    assert typical_tokens(ids, ~own, 5) == (3, 4)
    assert len(typical_tokens(ids, own, 1)) == 1


def test_texts_that_are_all_alike_have_no_typical_tokens():
    assert typical_tokens(np.array([[1, 2], [2, 1]]), np.array([True, False]), 5) == ()
