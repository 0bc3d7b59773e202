"""Rival explanations that stand beside category claims."""

from types import SimpleNamespace

import numpy as np
import pytest

from modclaims.families.common.controls import (
    Comparison,
    Spread,
    UnequalSpread,
    activation_distances,
    measures,
    plain_measures,
    trained_minus_untrained,
)
from modclaims.families.common.units import Units
from modclaims.look import TestSettings
from modclaims.recording import Activations
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.pair_effects import cliffs_delta
from modclaims.stats.evidence import Control

TEXTS = 40
WEIGHING = TestSettings(seed=0)


def pieces(lengths, categories):
    recording = SimpleNamespace(read=tuple("a" * int(n) for n in lengths))
    units = Units(Design.of(list(categories)), "text", None, ())
    return recording, units, Pairs.of(units.design)


def test_measures_are_length_and_shares_of_punctuation_and_digits():
    found = measures(["ab, 12!", "x = 1 + 2", "", "٣"])
    assert found["length"].tolist() == [7, 9, 1, 1]
    assert found["punctuation"] == pytest.approx([2 / 7, 2 / 9, 0, 0])
    assert found["digits"] == pytest.approx([2 / 7, 2 / 9, 0, 1])


def test_a_difference_that_is_all_length_is_not_left_beyond_length():
    rng = np.random.default_rng(0)
    lengths = np.concatenate([rng.integers(100, 500, TEXTS // 2), rng.integers(300, 700, TEXTS // 2)])
    recording, units, pairs = pieces(lengths, "a" * (TEXTS // 2) + "b" * (TEXTS // 2))
    apart = np.abs(lengths[pairs.i] - lengths[pairs.j])
    alike = -np.sqrt(apart) + rng.normal(size=len(pairs))
    control = plain_measures(recording, units, pairs, alike, "Claim", WEIGHING, "at layer 1")
    assert control.numbers["p"] > 0.05
    assert control.numbers["share_left"] < 0.3
    assert control.numbers["omega2_length"] > 0.2
    assert control.numbers["r2_measures"] > 0.8
    assert control.numbers["omega2_digits"] == pytest.approx(0, abs=0.05)


def test_a_difference_of_its_own_is_left_beyond_measures():
    rng = np.random.default_rng(1)
    lengths = rng.integers(100, 500, TEXTS)
    recording, units, pairs = pieces(lengths, "ab" * (TEXTS // 2))
    same = units.design.labels[pairs.i] == units.design.labels[pairs.j]
    alike = same + rng.normal(size=len(pairs))
    control = plain_measures(recording, units, pairs, alike, "Claim", WEIGHING, "at layer 1")
    assert control.numbers["p"] == pytest.approx(1 / 1000)
    assert control.numbers["share_left"] == pytest.approx(1, abs=0.15)
    assert "of the difference at layer 1 is left (p 0.001)" in control.sentence


def test_blocks_enter_by_the_means_of_their_texts():
    lengths = [100, 300, 200, 200, 400, 600, 500, 500] * 2
    recording = SimpleNamespace(read=tuple("a" * n for n in lengths))
    groups = tuple(np.array([2 * b, 2 * b + 1]) for b in range(8))
    units = Units(Design.of(list("aabbaabb")), "block", groups, ())
    pairs = Pairs.of(units.design)
    control = plain_measures(
        recording, units, pairs, np.random.default_rng(2).normal(size=len(pairs)), "C", WEIGHING, "x"
    )
    assert control.numbers["omega2_length"] == pytest.approx(1)  # blocks of a category have one mean length


def test_twins_and_whole_clusters_are_drawn_as_two_factors():
    """Deltas of clusters by themselves, trained less the mean twin: their spread over clusters, and that of the twins."""
    rng = np.random.default_rng(2)
    design = Design.of(list("aabb" * 8), None, np.repeat(np.arange(8).astype(str), 4).tolist())
    pairs = Pairs.of(design)
    resamples = resample(design, count=199, rng=rng)
    trained, *twins = (
        cliffs_delta(rng.normal(size=(len(pairs), 1)) + shift, design, pairs, resamples)
        for shift in (np.where(design.labels[pairs.i] == design.labels[pairs.j], 2.0, 0.0)[:, None], *[0.0] * 5)
    )
    bounds = trained_minus_untrained(trained, twins, resamples, rng)
    # a cluster's own delta is its influence, in clusters, on top of the mean
    each = [8 * r.influence[0, :, 0] + r.value[0, 0] for r in (trained, *twins)]
    apart = each[0] - np.mean(each[1:], axis=0)
    assert bounds.effect[0] == pytest.approx(apart.mean())
    seeds = np.var([r.value[0, 0] for r in twins], ddof=1) / 5
    assert bounds.se[0] == pytest.approx(np.sqrt(apart.var(ddof=1) / 8 + seeds))
    assert bounds.t.shape == (199, 1)
    assert bounds.lower(0.05)[0] > 0.2


def recorded(array, site="attn_out"):
    """A recording that answers one request with one array, (text, position, ..., unit), at every layer."""
    shape = SimpleNamespace(resolve_layers=lambda request: (0, 1))
    return SimpleNamespace(shape=shape, array=lambda request, layer: array * (1 + layer)), Activations(site)


def test_texts_lie_apart_by_their_means_over_positions_each_coordinate_over_its_sd():
    x = np.random.default_rng(3).normal(size=(6, 4, 5)) * [1, 10, 100, 1, 1]
    x[:, :, 4] = 7.0
    units = Units(Design.of(list("aaabbb")), "text", None, ())
    means = x.mean(axis=1)[:, :4]
    scaled = means / means.std(axis=0, ddof=1)
    by_hand = ((scaled[:, None] - scaled) ** 2).sum(axis=2)
    found = activation_distances(*recorded(x), units)
    assert len(found) == 2
    assert np.allclose(found, by_hand)  # twice as large at layer 1, and no farther apart


def test_heads_lie_apart_one_by_one_and_blocks_by_the_means_of_their_texts():
    x = np.random.default_rng(4).normal(size=(8, 2, 3, 5))
    groups = tuple(np.array([2 * b, 2 * b + 1]) for b in range(4))
    units = Units(Design.of(list("aabb")), "block", groups, ())
    means = x.mean(axis=1).reshape(4, 2, 3, 5).mean(axis=1)[:, 2]
    scaled = means / means.std(axis=0, ddof=1)
    found = activation_distances(*recorded(x, "head_z"), units)
    assert len(found) == 6
    assert np.allclose(found[2], ((scaled[:, None] - scaled) ** 2).sum(axis=2))


def test_a_coordinate_that_varies_by_rounding_of_what_was_recorded_is_left_out():
    x = np.random.default_rng(5).normal(size=(6, 2, 3))
    units = Units(Design.of(list("aaabbb")), "text", None, ())
    still = np.concatenate([x, 3000 * (1 + 1e-7 * x[:, :, :1])], axis=2).astype(np.float32)
    here, there = activation_distances(*recorded(still), units)[0], activation_distances(*recorded(x), units)[0]
    assert np.allclose(here, there, rtol=1e-5)


def spread_of(ratio, p, sizes):
    units = Units(Design.of(["a"] * sizes[0] + ["b"] * sizes[1]), "text", None, ())
    return Spread(Control("spread", "", {}), np.array([0.5]), ratio, p).warnings(units, "style", "at layer 0", 0.05)


@pytest.mark.parametrize(
    ("ratio", "p", "sizes", "warned"),
    [(1.5, 0.05, (12, 6), True), (1.49, 0.01, (12, 6), False), (3, 0.06, (12, 6), False), (3, 0.01, (11, 6), False)],
)
def test_a_warning_stands_where_size_and_spread_are_both_uneven(ratio, p, sizes, warned):
    found = spread_of(ratio, p, sizes)
    assert bool(found) == warned
    assert all("(b has 6 texts, a 12)" in w and f"({ratio:.1f} times at layer 0" in w for w in found)


def test_f2_says_nothing_of_location_where_it_was_not_asked():
    x = np.random.default_rng(6).normal(size=(12, 2, 3))
    x[6:] += 5
    units = Units(Design.of(list("a" * 6 + "b" * 6)), "text", None, ())
    arrangements = relabellings(units.design, budget=99, rng=np.random.default_rng(0), blind="within_strata")
    apart = activation_distances(*recorded(x), units)
    comparison = Comparison(units, Pairs.of(units.design), np.zeros((0, len(apart))), 0, "at layer 0")
    asked, unasked = (
        UnequalSpread(apart, arrangements, asked=is_asked).found(comparison, 0.05) for is_asked in (True, False)
    )
    assert asked.control.numbers == unasked.control.numbers
    assert "the difference is one of location" in asked.control.sentence
    assert "nothing taken out" in unasked.control.sentence
    assert "one of location" not in unasked.control.sentence
    assert f"spreads {asked.ratio:.2f} times" in asked.control.sentence
