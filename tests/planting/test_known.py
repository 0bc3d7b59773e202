"""What is planted is what it is said to be: effects, noise, blocks and strata."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from modclaims.calibration import grid
from modclaims.families.axes import known_answers as rotations
from modclaims.families.categories import known_clustering as clustering
from modclaims.planting import known, responses
from modclaims.planting.known import LAWS, LAYOUTS, Layout
from modclaims.planting.scenarios import (
    EDGE,
    FLAT,
    NONE,
    Scenario,
)
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import Pairs, f_null
from modclaims.stats.effects.normal_scores import normal_scores
from modclaims.stats.effects.omega_squared import omega_squared
from modclaims.stats.effects.pair_effects import cliffs_delta
from modclaims.stats.effects.similarity import text_similarity
from modclaims.stats.effects.superiority import superior
from modclaims.stats.nulls.rotations import gaussian_kurtosis, kurtosis
from modclaims.stats.streams import stream

MIDDLE = LAYOUTS["48 (4 x 12)"]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("block", [1, 2])
def test_omega_squared_of_many_units_is_the_one_planted(law: str, block: int) -> None:
    layout, wanted = Layout("big", (12000, 9000, 6000, 3000), block=block), np.array([0.0, 0.1, 0.4])
    y = responses.responses(stream(1, law), layout, law, wanted).mean(axis=1)
    y = y.reshape(-1, block, 3).mean(axis=1)
    groups = np.split(y, np.cumsum(layout.sizes)[:-1])
    share = np.array(layout.sizes) / sum(layout.sizes)
    means = np.stack([g.mean(axis=0) for g in groups])
    between = share @ (means - share @ means) ** 2
    within = share @ np.stack([g.var(axis=0) for g in groups])
    tolerance = 0.03 if law == "heavy tails" else 0.01
    assert between / (between + within) == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("law", [*LAWS, responses.SKEWED, responses.SILENT, "3 % outliers", responses.WIDER])
def test_omega_squared_of_normal_scores_of_many_texts_is_the_one_planted(law: str) -> None:
    """The library's own effect of one large data set, an independent route to the same numbers."""
    layout, large = LAYOUTS["100 unequal"], Layout("large", (4000, 3000, 1800, 1200))
    raw = responses.raw_of_scores(layout, law, 0.2, 3)
    y = responses.responses(stream(31, law), large, law, np.array(raw)).mean(axis=1)
    design = Design.of([str(k) for k in large.category])
    f = f_null(normal_scores(y, design), design, Arrangements(design.labels[None].astype(np.int16), True, 1))[0][0]
    np.testing.assert_allclose(omega_squared(f, 3, design.n), 0.2, atol=0.03)


@pytest.mark.parametrize("law", [*LAWS, responses.SILENT, "1 % outliers"])
def test_superiority_of_many_texts_is_the_one_planted(law: str) -> None:
    layout, large = LAYOUTS["100 unequal"], Layout("large", (4000, 3000, 1800, 1200))
    means = np.array(responses.superior_means(layout, law, 0.2, 3))
    y = responses.planted(stream(32, law), large, law, means).mean(axis=1)
    design = Design.of([str(k) for k in large.category])
    np.testing.assert_allclose(2 * superior(y, design, "0").theta[0] - 1, 0.2, atol=0.025)


def test_scores_inside_strata_of_the_layout_s_size_have_the_effect_planted() -> None:
    for name in ("64 crossed", "48 in mixed blocks"):
        layout = LAYOUTS[name]
        raw = responses.raw_of_scores(layout, "normal", 0.2, 2)
        if layout.mixed:
            large = replace(layout, sizes=(3000, 3000))
            design = Design.of([str(k) for k in large.category], known.corpus(large).blocks())
        else:
            large = Layout("large", (3200,) * 4, strata=800)
            design = Design.of([str(k) for k in large.category], [str(h) for h in large.stratum])
        means = responses.category_means(large, "normal", np.array(raw))
        y = known.noise(stream(33, name), large, "normal", 2, 1)[..., 0].mean(axis=1) + means[large.category]
        scores = normal_scores(y, design)
        groups = [scores[large.category == k] for k in range(len(large.sizes))]
        between = np.var([g.mean(axis=0) for g in groups], axis=0)
        within = np.mean([g.var(axis=0) for g in groups], axis=0)
        np.testing.assert_allclose(between / (between + within), 0.2, atol=0.03)


def test_superiority_inside_mixed_blocks_is_the_one_planted() -> None:
    layout = LAYOUTS["48 in mixed blocks"]
    large = replace(layout, sizes=(3000, 3000))
    means = np.array(responses.superior_means(layout, "heavy tails", 0.2, 2))
    y = responses.planted(stream(35, "mixed"), large, "heavy tails", means).mean(axis=1)
    design = Design.of([str(k) for k in large.category], known.corpus(large).blocks())
    np.testing.assert_allclose(2 * superior(y, design, "0").theta[0] - 1, 0.2, atol=0.04)


def test_four_texts_of_five_are_silent() -> None:
    layout = Layout("large", (20000,))
    y = responses.planted(stream(34, "silent"), layout, responses.SILENT, np.zeros((1, 1))).mean(axis=1)
    assert (y == 10).mean() == pytest.approx(0.8, abs=0.01)


def test_strata_shift_responses_and_leave_the_effect_given_them() -> None:
    layout = Layout("crossed", (8000, 8000), strata=2)
    y = responses.responses(stream(2, "strata"), layout, "normal", np.array([0.2])).mean(axis=(1, 2))
    high, low = (y[layout.stratum == h].mean() for h in (1, 0))
    assert high - low == pytest.approx(0.5, abs=0.05)
    centred = y - np.where(layout.stratum == 1, high, low)
    between = np.var([centred[layout.category == k].mean() for k in (0, 1)])
    assert between / centred.var() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", ["48 (4 x 12)", "100 unequal", "96 in blocks"])
def test_delta_in_the_population_is_the_one_asked_for(law: str, name: str) -> None:
    layout = LAYOUTS[name]
    strength = known.strength_of_delta(layout, law, 0.2)
    assert strength > 0.5
    assert known.population_delta(layout, law, strength) == pytest.approx(0.2, abs=1e-3)
    assert known.population_delta(layout, law, 0.0) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_delta_of_many_texts_is_the_one_planted(law: str) -> None:
    """The library's own delta of one large data set, an independent route to the same number."""
    layout = Layout("large", (90, 90, 90, 90))
    strength = known.strength_of_delta(layout, law, 0.4)
    x = known.activations(stream(3, law), layout, law, (strength,), known.WIDTH)
    design = Design.of([str(k) for k in layout.category])
    pairs = Pairs.of(design)
    none = resample(design, count=0, rng=stream(0, "none"))
    values = pairs.matrix([text_similarity(x[:, :, 0]).values])
    assert cliffs_delta(values, design, pairs, none).value[0, 0] == pytest.approx(0.4, abs=0.04)


def test_positions_of_one_text_correlate_by_half_and_layers_by_a_quarter() -> None:
    x = known.noise(stream(4, "noise"), Layout("large", (20000,)), "normal", 2, 1)[..., 0]
    assert x.var() == pytest.approx(1, abs=0.02)
    assert np.corrcoef(x[:, 0, 0], x[:, 1, 0])[0, 1] == pytest.approx(0.5, abs=0.02)
    assert np.corrcoef(x[:, 0, 0], x[:, 1, 1])[0, 1] == pytest.approx(0.25, abs=0.02)


def test_blocks_share_half_of_what_is_a_texts_own() -> None:
    x = known.noise(stream(5, "noise"), Layout("large", (20000,), block=2), "normal", 1, 1)[..., 0, 0]
    first, second = x[0::2, 0], x[1::2, 0]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.25, abs=0.02)
    assert x.reshape(20000, -1).mean(axis=1).var() == pytest.approx(
        responses.noise_of_means(Layout("large", (20000,), block=2), "normal"), abs=0.01
    )


def test_the_last_category_is_three_times_as_wide_and_heavy_tails_are_a_texts_own() -> None:
    layout = Layout("large", (20000, 20000))
    wide = known.noise(stream(6, "wide"), layout, "unequal spread", 1, 1)
    assert wide[20000:].std() / wide[:20000].std() == pytest.approx(3, abs=0.05)
    heavy = known.noise(stream(7, "heavy"), layout, "heavy tails", 1, 8)[:, 0, 0]
    lengths = (heavy**2).sum(axis=1)
    assert np.corrcoef(np.log((heavy[:, :4] ** 2).sum(axis=1)), np.log((heavy[:, 4:] ** 2).sum(axis=1)))[0, 1] > 0.3
    assert lengths.max() > 15 * np.median(lengths)


def test_a_gap_of_three_quarters_of_a_standard_deviation_is_one() -> None:
    strength = clustering.strength_of_gap(MIDDLE, "normal", 0.75, 64)
    ((_, inside),), ((_, outside),) = known.pair_similarities(MIDDLE, "normal", strength, 64)
    assert (inside.mean() - outside.mean()) / inside.std() == pytest.approx(0.75, abs=1e-3)


def test_a_spike_lifts_kurtosis_by_what_was_asked_for() -> None:
    spike = rotations.spike_of_kurtosis(1.0, known.WIDTH)
    x = rotations.tokens(stream(8, "tokens"), 2000, 4, known.WIDTH, spike)
    assert kurtosis(x).mean() - gaussian_kurtosis(known.WIDTH) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("name", ["TightPass", "TighterThanAttention", "TightestAt"])
def test_effects_of_ranks_are_those_planted(name: str) -> None:
    found = []
    scenario = Scenario(name, "24 texts", "normal", "2 s")
    strengths = grid.strengths_of(scenario)
    for number in range(12):
        _, evidence = grid.weighed(scenario, stream(9, name, str(number)), strengths)
        found.append(evidence.bounds.effect.mean())
    assert np.mean(found) == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("truth", [NONE, "2 s"])
def test_effects_of_weights_are_those_planted(truth: str) -> None:
    scenario = Scenario("TokenNeuronCongruence", "weights alone", "normal", truth)
    strengths = grid.strengths_of(scenario)
    found = [
        grid.weighed(scenario, stream(9, "weights", str(number)), strengths)[1].bounds.effect[0] for number in range(25)
    ]
    assert np.mean(found) == pytest.approx(0.2 if truth == "2 s" else 0.0, abs=0.02)


def test_heads_exceed_their_blocks_by_what_was_planted() -> None:
    scenario = Scenario("HeadsAgainstBlocks", "100 unequal", "normal", EDGE)
    strengths = np.array(grid.strengths_of(scenario))
    means = responses.category_means(scenario.texts, "normal", strengths)
    found = [responses.omega2_of_scores(scenario.texts, "normal", means[:, c]) for c in (0, 15, 16, 19)]
    assert found == pytest.approx([0.4, 0.4, 0.3, 0.3], abs=1e-3)


def test_flat_deltas_are_flat_and_a_slope_rises_by_its_smallest_effect() -> None:
    flat, slope = (
        grid.strengths_of(Scenario("CategoryClustering", MIDDLE.name, "normal", truth, clustering.ALONG))
        for truth in (FLAT, EDGE)
    )
    assert len(set(flat)) == 1
    deltas = [known.population_delta(MIDDLE, "normal", strength) for strength in slope]
    assert deltas == pytest.approx(np.linspace(0.3, 0.5, 4), abs=2e-3)


def test_texts_have_ids_in_order_and_the_labels_of_their_layout() -> None:
    corpus = known.corpus(LAYOUTS["64 crossed"])
    ids = [text.id for text in corpus.texts]
    assert ids == sorted(ids)
    pairs = list(zip(corpus.values("category"), corpus.values("topic"), strict=True))
    assert {pairs.count(pair) for pair in pairs} == {4}
    blocks = known.corpus(LAYOUTS["96 in blocks"]).blocks()
    assert blocks is not None and len(set(blocks)) == 48


def test_mixed_blocks_hold_two_texts_of_each_category_and_share_their_noise() -> None:
    layout = LAYOUTS["48 in mixed blocks"]
    corpus = known.corpus(layout)
    blocks = corpus.blocks()
    assert blocks is not None
    found = Counter(zip(blocks, corpus.values("category"), strict=True))
    assert len(found) == 24 and set(found.values()) == {2}
    assert layout.smallest == 12
    many = replace(layout, sizes=(20000, 20000))
    x = known.noise(stream(14, "mixed"), many, "normal", 1, 1)[:, 0, 0, 0].reshape(-1, 4)
    assert np.corrcoef(x.T)[np.triu_indices(4, 1)].mean() == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("law", LAWS[:2])
def test_effects_inside_mixed_blocks_are_those_planted(law: str) -> None:
    """The library's own delta and omega^2 of one large data set, an independent route to the same numbers."""
    layout = replace(LAYOUTS["48 in mixed blocks"], sizes=(1500, 1500))
    strength = known.strength_of_delta(LAYOUTS["48 in mixed blocks"], law, 0.3)
    x = known.activations(stream(25, law), layout, law, (strength,), known.WIDTH)
    blocks = known.corpus(layout).blocks()
    assert blocks is not None
    design = Design.of([str(k) for k in layout.category], blocks)
    pairs = Pairs.of(design)
    none = resample(design, count=0, rng=stream(0, "none"))
    values = pairs.matrix([text_similarity(x[:, :, 0]).values])
    assert cliffs_delta(values, design, pairs, none).value[0, 0] == pytest.approx(0.3, abs=0.04)
    y = responses.responses(stream(26, law), layout, law, np.array([0.3])).mean(axis=1)
    f = f_null(y, design, Arrangements(design.labels[None].astype(np.int16), True, 1))[0][0]
    assert omega_squared(f, 1, design.n) == pytest.approx(0.3, abs=0.06)
