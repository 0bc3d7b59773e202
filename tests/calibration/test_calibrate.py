"""`modclaims calibrate`: what is planted is what it is said to be, and counting it depends on nothing but the seed."""

from __future__ import annotations

import csv
import importlib
import io
import json
import pkgutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from planted import before
from scipy.stats import binomtest
from terminal import call

from modclaims import cli, families, numerics
from modclaims.calibration import grid, pages, rates
from modclaims.calibration.grid import FAMILIES
from modclaims.calibration.rates import BROKEN, HOLDS, SHOWN, WARNING, CalibrationRates, Rate, measure
from modclaims.errors import RunFolderError
from modclaims.families.axes import known_answers as rotations
from modclaims.families.categories import known_clustering as clustering
from modclaims.families.categories.known_clustering import GAP_TRUTH, ONE_CELL
from modclaims.families.depth import known_answers as curves
from modclaims.families.depth.residual_phases import ResidualStream
from modclaims.families.responses.known_answers import NAMED
from modclaims.planting import known, responses, shuffled, words
from modclaims.planting.family import Family
from modclaims.planting.known import LAWS, LAYOUTS, Layout
from modclaims.planting.scenarios import (
    BESIDE,
    EDGE,
    FLAT,
    LOWER,
    LOWER_CELLS,
    NONE,
    PLACED,
    POWER,
    POWER_P,
    SIZE,
    SIZE_CELLS,
    UPPER,
    WRONG,
    Scenario,
)
from modclaims.recording import Activations
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import Pairs, f_null
from modclaims.stats.effects.chunks import Shares, contrasts
from modclaims.stats.effects.normal_scores import normal_scores
from modclaims.stats.effects.omega_squared import omega_squared
from modclaims.stats.effects.pair_effects import cliffs_delta
from modclaims.stats.effects.phases import Phases, out_of_sample
from modclaims.stats.effects.rivals import tfidf_similarity
from modclaims.stats.effects.similarity import text_similarity
from modclaims.stats.effects.superiority import superior
from modclaims.stats.nulls.rotations import gaussian_kurtosis, kurtosis
from modclaims.stats.streams import stream

MIDDLE = LAYOUTS["48 (4 x 12)"]
QUICK = [
    Scenario("TightestAt", "12 texts", "normal", FLAT),
    Scenario("TighterThanAttention", "6 texts", "heavy tails", EDGE),
    Scenario("HeadSelectivity", "10 (4/3/3)", "normal", NONE),
]


# ---- what is planted


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


# ---- shared words


def cosines(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return text_similarity(x).values[np.triu_indices(len(x), 1)]


@pytest.mark.parametrize("link", list(words.LINKS))
def test_similarity_is_the_link_of_shared_words_beside_noise_of_a_texts_own(link: str) -> None:
    rng = stream(15, link)
    layout = LAYOUTS["48 (4 x 12)"]
    text = words.written(rng, layout)
    similarity = tfidf_similarity(words.said(text))[np.triu_indices(48, 1)]
    x = words.activations(rng, layout, text, link, 0.0, 200)
    mean = np.mean([cosines(x[:, :, layer]) for layer in range(200)], axis=0)
    assert mean == pytest.approx((1 - words.NOISE) * words.LINKS[link](similarity), abs=0.02)


def test_a_real_effect_adds_to_pairs_of_one_category_alone() -> None:
    layout = LAYOUTS["48 (4 x 12)"]
    text = words.written(stream(16, "words"), layout)
    same = (layout.category[:, None] == layout.category)[np.triu_indices(48, 1)]
    bare, real = (
        np.mean(
            [
                cosines(words.activations(stream(17, "x"), layout, text, "straight link", e, 50)[:, :, i])
                for i in range(50)
            ],
            axis=0,
        )
        for e in (0.0, 0.1)
    )
    gained = real - bare * (1 - words.NOISE - 0.1) / (1 - words.NOISE)
    assert gained[same] == pytest.approx(0.1, abs=0.03)
    assert gained[~same] == pytest.approx(0.0, abs=0.03)


def test_a_corrupted_text_keeps_the_words_that_are_not_misread() -> None:
    text = words.written(stream(18, "words"), LAYOUTS["48 (4 x 12)"])
    rng = stream(19, "misread")
    assert (words.corrupted(rng, text, 0.3) == text).mean() == pytest.approx(0.7, abs=0.03)
    assert not set(words.corrupted(rng, text, 1.0).ravel().tolist()) & set(text.ravel().tolist())


def test_words_could_stand_for_most_of_same_category_and_for_nothing_where_none_is_a_categorys_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layout = LAYOUTS["48 (4 x 12)"]
    assert 0.7 < words.collinearity(stream(20, "x"), layout) < 0.95
    monkeypatch.setattr(words, "SHARE", 0.0)
    assert words.collinearity(stream(20, "x"), layout) < 0.02


# ---- real activations, labels exchanged


def test_exchanged_labels_stay_in_their_stratum_and_texts_with_their_activations() -> None:
    rng = stream(21, "x")
    layout = LAYOUTS["64 crossed"]
    mine = known.recording(layout, {(Activations("attn_out"), 0): rng.normal(size=(64, 4, 3))}, 3, 1)
    moved = shuffled.exchanged(mine, "category", "topic", rng)
    assert moved.corpus.values("category") != mine.corpus.values("category")
    assert moved.corpus.values("topic") == mine.corpus.values("topic")
    before, after = (
        Counter(zip(r.corpus.values("topic"), r.corpus.values("category"), strict=True)) for r in (mine, moved)
    )
    assert before == after
    assert moved.array(Activations("attn_out"), 0) is mine.array(Activations("attn_out"), 0)
    assert [text.id for text in moved.corpus.texts] == [text.id for text in mine.corpus.texts]


def test_the_embedded_models_recording_serves_every_scenario_that_exchanges_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODCLAIMS_HOME", str(tmp_path))
    mine = [one for one in grid.scenarios() if one.recorded]
    assert {one.family for one in mine} == {"AxisStreams", "CategoryClustering", "HeadSelectivity"}
    recording = cli.embedded_recording()
    alone = measure(mine, sets=2, seed=1, out=None, recording=recording)
    assert {rate.standing for rate in alone.rates} == {HOLDS}
    assert counts(measure(mine, sets=2, seed=1, out=None, workers=2, recording=recording)) == counts(alone)
    drawn = [grid.weighed(mine[0], stream(22, str(i)), ())[1].bounds.theta for i in range(2)]
    assert not np.array_equal(drawn[0], drawn[1])


# ---- curves along depth


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("effect", [0.0, 0.2, 0.6])
def test_phases_of_many_texts_reduce_the_lines_error_by_what_was_planted(law: str, effect: float) -> None:
    layout = Layout("large", (20000,))
    planted = curves.streamed(stream(8, law), layout, law, curves.of_reduction(effect, law))
    cosines = ResidualStream.of(planted, None, "ResidualPhases").cosines()
    divisions = Shares(0.5, 0.25, 0.25).divisions(curves.PHASED_LAYERS, "both")
    phases = Phases(divisions, curves.PHASED_LAYERS)
    found = out_of_sample(cosines, np.ones((1, 20000)), {"phases": phases.drawing, **phases.rivals()})
    mean = {name: errors.mean() for name, errors in found.items()}
    assert 1 - mean.pop("phases") / min(mean.values()) == pytest.approx(effect, abs=0.02)


def test_every_admissible_division_has_the_contrast_planted() -> None:
    layout, effect = Layout("large", (20000,)), 0.2
    planted = curves.attended(stream(9, "curve"), layout, "normal", curves.of_contrast(effect))
    request = Activations("attn_pattern", None, "first")
    mean = np.array([planted.array(request, i).mean() for i in range(known.LAYERS)])
    divisions = Shares(0.5, 0.25, 0.25).divisions(known.LAYERS, "both")
    found = np.tensordot(mean, contrasts(divisions, known.LAYERS, "both"), axes=1)
    assert len(divisions) == 2
    np.testing.assert_allclose(found.min(axis=0), effect, atol=0.005)
    one = np.tensordot(np.array(curves.RISEN), contrasts(divisions, known.LAYERS, "both"), axes=1)
    assert one.min(axis=0).max() == pytest.approx(0, abs=1e-12)
    assert one.max(axis=0).min() > 0.1


# ---- the grid


def test_every_scenario_has_a_name_of_its_own_and_a_valid_claim_that_its_corpus_carries() -> None:
    every = grid.scenarios()
    assert len({one.name for one in every}) == len(every)
    for one in every:
        claim = FAMILIES[one.family].claim(one)
        claim.validate()
        if not one.recorded:
            claim.check(before(known.corpus(one.texts), positions=(40, 44, 48)))


def test_every_family_of_every_room_is_in_the_grid() -> None:
    rooms = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(families.__path__, f"{families.__name__}.")
        if found.name.rpartition(".")[2].startswith("known_")
    ]
    entries = {id(one) for room in rooms for one in vars(room).values() if isinstance(one, Family)}
    assert entries == {id(one) for one in FAMILIES.values()}


def test_the_grid_holds_what_was_promised() -> None:
    mine = grid.scenarios(("CategoryClustering",))
    designs = {"10 (4/3/3)", "12 (4/4/4)", "48 (4 x 12)", "64 crossed", "100 unequal", "96 in blocks"}
    for truth in (NONE, EDGE):
        found = {(one.layout, one.law) for one in mine if one.truth == truth and not one.question}
        assert found >= {(design, law) for design in designs for law in LAWS}
    assert {one.question for one in mine} >= {
        clustering.BEYOND,
        clustering.NOISY,
        clustering.SPREAD,
        clustering.SCALED,
        clustering.DISTANCES,
        clustering.ONE_MASSIVE,
        clustering.THREE_MASSIVE,
    }
    assert {one.question for one in mine} >= {
        clustering.ALONG,
        clustering.EVERYWHERE,
        clustering.HALF,
        clustering.SMALLEST,
    }
    assert Scenario("CategoryClustering", MIDDLE.name, "normal", GAP_TRUTH, ONE_CELL) in mine
    assert {one.family for one in grid.scenarios()} == set(FAMILIES)


def test_the_grid_holds_responses_that_are_no_bell_and_sizes_that_are_no_match() -> None:
    mine = [one for one in grid.scenarios(("HeadSelectivity",)) if one.truth == EDGE]
    for question in ("", NAMED):
        found = {(one.layout, one.law) for one in mine if one.question == question}
        for law in ("1 % outliers", "3 % outliers", responses.SKEWED, responses.SILENT, known.HEAVIEST):
            assert ("48 (4 x 12)", law) in found
        assert {(layout, responses.WIDER) for layout in ("72 (60/12)", "132 (120/12)")} <= found
        assert {("24 (2 x 12)", "normal"), ("144 (12 x 12)", "normal")} <= found
    promised = FAMILIES["HeadSelectivity"]
    assert all(promised.promises(one, rate) for one in mine for rate in (LOWER, UPPER))


@pytest.mark.parametrize(
    ("family", "layout", "question"),
    [
        ("CategoryClustering", "12 (4/4/4)", ""),
        ("CategoryClustering", "12 (4/4/4)", clustering.ALONG),
        ("HeadSelectivity", "12 (4/4/4)", ""),
        ("HeadSelectivity", "48 (4 x 12)", NAMED),
        ("TightPass", "6 texts", ""),
    ],
)
def test_levels_are_those_of_the_claims_quantifier(family: str, layout: str, question: str) -> None:
    null = FLAT if question == clustering.ALONG else NONE
    for truth in (null, EDGE, "3 s"):
        scenario = Scenario(family, layout, "normal", truth, question)
        claim, evidence = grid.weighed(scenario, stream(10, scenario.name), grid.strengths_of(scenario))
        found = grid.levels_of(scenario, claim, evidence)
        levels = claim.holds.levels(evidence, claim.smallest_effect, 0.05)
        if truth == null:
            at_zero = levels.p if levels.p is not None else claim.holds.levels(evidence, 0.0, 0.05).p_plus
            assert found[SIZE].tolist() == [at_zero]
        elif truth == EDGE:
            assert found[UPPER].tolist() == [levels.p_minus]
            assert found[LOWER][0] <= levels.p_plus
        else:
            assert found[POWER].tolist() == [levels.p_plus]


@pytest.mark.parametrize("question", [clustering.EVERYWHERE, clustering.HALF])
def test_claims_about_several_layers_are_read_off_their_own_quantifier(question: str) -> None:
    scenario = Scenario("CategoryClustering", "12 (4/4/4)", "normal", NONE, question)
    edge = replace(scenario, truth=EDGE)
    for one in (scenario, edge):
        claim, evidence = grid.weighed(one, stream(23, one.name), grid.strengths_of(one))
        levels = claim.holds.levels(evidence, 0.2, 0.05)
        found = grid.levels_of(one, claim, evidence)
        expected = {SIZE: [levels.p]} if one is scenario else {LOWER: [levels.p_plus], UPPER: [levels.p_minus]}
        assert {name: values.tolist() for name, values in found.items()} == expected


def test_location_is_claimed_where_f2_finds_it_too() -> None:
    scenario = Scenario("CategoryClustering", "72 (60/12)", "unequal spread", NONE, clustering.ONE_MASSIVE)
    claim, evidence = grid.weighed(scenario, stream(24, "x"), grid.strengths_of(scenario))
    found = grid.levels_of(scenario, claim, evidence)
    assert found[WRONG] <= 0.05 < found[PLACED]  # its cosines do differ
    assert found[PLACED][0] in evidence.secondary[grid.LOCATION]
    away = replace(scenario, truth=clustering.APART)
    claim, evidence = grid.weighed(away, stream(24, "x"), grid.strengths_of(away))
    assert grid.levels_of(away, claim, evidence) == {POWER_P: [evidence.secondary[grid.LOCATION].min()]}
    assert evidence.secondary[grid.LOCATION].min() <= 0.05


def test_each_cell_is_counted_beside_the_claim() -> None:
    scenario = Scenario("HeadSelectivity", "12 (4/4/4)", "normal", NONE)
    claim, evidence = grid.weighed(scenario, stream(11, "x"), grid.strengths_of(scenario))
    assert grid.levels_of(scenario, claim, evidence)[SIZE_CELLS].shape == (16,)
    edge = replace(scenario, truth=EDGE)
    assert grid.levels_of(edge, claim, evidence)[LOWER_CELLS].shape == (16,)


# ---- counting


def counts(measured: CalibrationRates) -> list[tuple[Any, ...]]:
    return [(rate.scenario.name, rate.name, rate.alpha, rate.hits, rate.trials) for rate in measured.rates]


def test_counts_are_those_of_the_levels_data_set_by_data_set() -> None:
    scenario = QUICK[2]
    by_hand = {(name, alpha): 0 for name in (SIZE, SIZE_CELLS) for alpha in (0.05, 0.01)}
    for number in range(5):
        claim, evidence = grid.weighed(scenario, stream(12, scenario.name, str(number)), grid.strengths_of(scenario))
        for name, levels in grid.levels_of(scenario, claim, evidence).items():
            for alpha in (0.05, 0.01):
                by_hand[name, alpha] += int((levels < alpha + 1e-9).sum())
    found = measure([scenario], sets=5, seed=12, out=None)
    assert {(r.name, r.alpha): r.hits for r in found.rates} == by_hand
    assert {r.name: r.trials for r in found.rates} == {SIZE: 5, SIZE_CELLS: 80}


def test_neither_workers_nor_neighbours_change_a_count() -> None:
    alone = measure(QUICK[:1], sets=5, seed=1, out=None)
    together = measure(QUICK, sets=5, seed=1, out=None)
    assert counts(together)[: len(alone.rates)] == counts(alone)
    assert counts(measure(QUICK, sets=5, seed=1, out=None, workers=2)) == counts(together)


def test_an_interrupted_calibration_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "CHUNK", 2)
    whole = measure(QUICK, sets=5, seed=1, out=None)

    def stop(done: int, total: int, what: str) -> None:
        assert total == 15
        if done >= 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(QUICK, sets=5, seed=1, out=tmp_path, progress=stop)
    progress = tmp_path / rates.PROGRESS
    lines = progress.read_text().splitlines()
    assert len(lines) == 5  # a head, three chunks of the first scenario and one of the second (5 + 2 >= 6)
    progress.write_text("\n".join(lines) + '\n{"scenario": "half a li')
    made: list[int] = []
    original = rates.counted

    def noted(*args: Any) -> dict[str, Any]:
        made.append(args[4])
        return original(*args)

    monkeypatch.setattr(rates, "counted", noted)
    resumed = measure(QUICK, sets=5, seed=1, out=tmp_path)
    assert sum(made) == 15 - 7
    assert counts(resumed) == counts(whole)
    made.clear()
    assert counts(measure(QUICK, sets=5, seed=1, out=tmp_path)) == counts(whole)
    assert made == []


def test_sums_of_what_was_counted_go_on_without_the_lines_that_they_were_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates, "CHUNK", 2)
    measure(QUICK[:2], sets=4, seed=1, out=tmp_path)
    head, *lines = [json.loads(line) for line in (tmp_path / rates.COUNTS).read_text().splitlines()]
    assert head["statistics"] == numerics.STATISTICS
    assert [(line["scenario"], line["first"], line["sets"]) for line in lines] == [(s.name, 0, 4) for s in QUICK[:2]]
    (tmp_path / rates.PROGRESS).unlink()  # what is under version control stays
    made: list[int] = []
    original = rates.counted

    def noted(*args: Any) -> dict[str, Any]:
        made.append(args[4])
        return original(*args)

    monkeypatch.setattr(rates, "counted", noted)
    assert counts(measure(QUICK[:2], sets=4, seed=1, out=tmp_path)) == counts(
        measure(QUICK[:2], sets=4, seed=1, out=None)
    )
    assert sum(made) == 8  # those of the run without a folder alone
    made.clear()
    more = measure(QUICK, sets=6, seed=1, out=tmp_path)
    assert sum(made) == 2 + 2 + 6
    assert counts(more) == counts(measure(QUICK, sets=6, seed=1, out=None))
    made.clear()
    fewer = measure(QUICK[:1], sets=2, seed=1, out=tmp_path)  # what was counted stands
    assert made == []
    assert counts(fewer) == counts(measure(QUICK[:1], sets=6, seed=1, out=None))
    (tmp_path / rates.COUNTS).write_text("damaged")
    two = measure(QUICK[:1], sets=2, seed=1, out=tmp_path)
    assert counts(two) == counts(measure(QUICK[:1], sets=2, seed=1, out=None))
    monkeypatch.setattr(numerics, "STATISTICS", numerics.STATISTICS + 1)
    made.clear()
    (tmp_path / rates.PROGRESS).unlink()
    measure(QUICK[:1], sets=2, seed=1, out=tmp_path)  # of other arithmetic: no sums
    assert sum(made) == 2


def test_progress_of_another_seed_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    measure(QUICK[:1], sets=1, seed=1, out=tmp_path)
    with pytest.raises(RunFolderError, match="begun with other settings"):
        measure(QUICK[:1], sets=1, seed=2, out=tmp_path)
    (tmp_path / rates.PROGRESS).write_text("no json\n")
    with pytest.raises(RunFolderError, match="damaged"):
        measure(QUICK[:1], sets=1, seed=1, out=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="is a file"):
        measure(QUICK[:1], sets=1, seed=1, out=tmp_path / "file")


def rate(name: str, hits: int, sets: int, alpha: float = 0.05, trials: int | None = None, **changes: str) -> Rate:
    scenario = replace(Scenario("CategoryClustering", MIDDLE.name, "normal", NONE), **changes)
    return Rate(scenario, name, alpha, hits, trials or sets, sets)


def test_intervals_are_clopper_and_pearsons() -> None:
    for hits in (0, 3, 20):
        exact = binomtest(hits, 20).proportion_ci(0.95, method="exact")
        assert rate(SIZE, hits, 20).interval == pytest.approx((exact.low, exact.high))
    assert rate(SIZE, 0, 10).limit(0.05, upper=True) == pytest.approx(1 - 0.05**0.1)
    assert rate(SIZE, 10, 10).limit(0.001, upper=False) == pytest.approx(0.001**0.1)
    # 12 of 80 cells in 20 data sets are as uncertain as 3 of 20
    assert rate(SIZE_CELLS, 12, 20, trials=80).interval == pytest.approx(rate(SIZE, 3, 20).interval)


@pytest.mark.parametrize(
    ("found", "standing"),
    [
        (rate(SIZE, 9, 100), HOLDS),
        (rate(SIZE, 20, 100), BROKEN),
        (rate(SIZE, 9, 100, 0.01), BROKEN),
        (rate(SIZE, 90, 100, family="HeadSelectivity", law="unequal spread"), SHOWN),
        (rate(LOWER, 12, 100), HOLDS),
        (rate(LOWER, 30, 100), BROKEN),
        (rate(LOWER, 170, 2000), BROKEN),
        (rate(LOWER, 150, 2000), HOLDS),
        (rate(LOWER, 30, 100, 0.01), SHOWN),
        (rate(UPPER, 30, 100, layout="12 (4/4/4)"), WARNING),
        (rate(UPPER, 9, 100, layout="12 (4/4/4)"), SHOWN),
        (rate(POWER, 0, 100), SHOWN),
        (rate(POWER_P, 75, 100), HOLDS),
        (rate(POWER_P, 60, 100), BROKEN),
        (rate(POWER_P, 1599, 2000), BROKEN),
        (rate(POWER, 60, 100, truth=BESIDE, question=clustering.BEYOND), BROKEN),
        (rate(SIZE, 90, 100, question=clustering.DISTANCES), SHOWN),
        (rate(WRONG, 90, 100, question=clustering.SPREAD), SHOWN),
        (rate(WRONG, 90, 100, question=clustering.DISTANCES), BROKEN),
        (rate(PLACED, 90, 100, question=clustering.DISTANCES), BROKEN),
        (rate(SIZE, 90, 100, question=clustering.BEYOND), SHOWN),
        (rate(WRONG, 90, 100, question=clustering.BEYOND), BROKEN),
        (rate(WRONG, 90, 100, question=clustering.NOISY), SHOWN),
        (rate(LOWER, 30, 100, family="HeadSelectivity", law=known.HEAVIEST), BROKEN),
    ],
)
def test_a_promise_is_broken_only_beyond_doubt_and_where_it_was_made(found: Rate, standing: str) -> None:
    assert found.standing == standing


# ---- pages and the command


def test_the_table_has_its_columns_and_a_row_a_rate() -> None:
    found = list(csv.DictReader(io.StringIO(pages.rates_csv([rate(SIZE, 1, 20), rate(LOWER, 2, 20, 0.01)]))))
    assert tuple(found[0]) == pages.COLUMNS
    assert found[0] | {"low": "", "high": ""} == {
        "family": "CategoryClustering",
        "question": "",
        "design": "48 (4 x 12)",
        "texts": "48",
        "smallest_category": "12",
        "law": "normal",
        "truth": "none",
        "rate": "p at effect 0",
        "part": "i",
        "alpha": "0.05",
        "data_sets": "20",
        "trials": "20",
        "hits": "1",
        "estimate": "0.05",
        "low": "",
        "high": "",
        "limit": "0.05",
        "standing": "holds",
        "mean_effect": "nan",
    }
    assert float(found[0]["low"]) == pytest.approx(0.00127, abs=1e-5)
    assert (found[1]["limit"], found[1]["standing"]) == ("", "no promise")


def test_pages_tell_what_was_broken_and_draw_power() -> None:
    found = CalibrationRates((rate(SIZE, 90, 100), rate(POWER, 60, 100, truth="2 s")), 100, 0, 120.0)
    files = pages.write(found, "modclaims calibrate")
    assert set(files) == {"rates.csv", "report.md", "report.html", pages.FIGURE}
    told, page = files["report.md"].decode(), files["report.html"].decode()
    assert "1 promise: 0 held, 1 broken" in told
    assert "It took 2 processor minutes, 1 on two cores." in told
    assert "Broken promises and warnings" in page
    assert "<script" not in page
    assert 'id="power-words"' in page
    assert pages.write(found, "modclaims calibrate") == files
    assert pages.FIGURE not in pages.write(replace(found, rates=found.rates[:1]), "x")


def test_the_bias_of_a_noisy_proxy_is_drawn_and_told() -> None:
    found = tuple(
        replace(rate(name, hits, 100, question=clustering.NOISY, law=law), effect=0.25)
        for law, hits in (("0 % of words misread", 4), ("50 % of words misread", 80))
        for name in (SIZE, WRONG)
    )
    files = pages.write(CalibrationRates(found, 100, 0, 60.0), "modclaims calibrate")
    assert set(files) == {"rates.csv", "report.md", "report.html", pages.BIAS}
    page = files["report.html"].decode().replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert "p at most .05: 0.04 at 0 %, 0.80 at 50 %" in page
    assert "It explains about 8" in page
    assert "0 promises" in files["report.md"].decode()


@pytest.fixture
def corner(corner: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(grid, "scenarios", lambda families: [s for s in QUICK if not families or s.family in families])
    return corner


def test_the_command_writes_its_pages_and_ends_with_zero(
    corner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = call(monkeypatch, capsys, "calibrate", "TightestAt", "--sets", "2")
    folder = corner / "reports" / "calibration"
    assert code == 0
    assert "promise" in out and "reports/calibration/report.html" in out
    assert "weighing 2/2" in err
    assert {p.name for p in folder.iterdir()} == {
        "progress.jsonl",
        "counts.jsonl",
        "rates.csv",
        "report.md",
        "report.html",
    }
    assert "modclaims calibrate TightestAt --sets 2" in (folder / "report.md").read_text()
    head, *lines = map(json.loads, (folder / "progress.jsonl").read_text().splitlines())
    assert head["seed"] == 0 and [line["sets"] for line in lines] == [2]


def test_a_broken_promise_ends_with_one_and_is_named(
    corner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = CalibrationRates((rate(SIZE, 90, 100),), 100, 0, 1.0)
    monkeypatch.setattr(rates, "measure", lambda *args, **options: broken)
    code, out, _ = call(monkeypatch, capsys, "calibrate")
    assert code == 1
    assert "broken   CategoryClustering / 48 (4 x 12) / normal / none: p at effect 0 at alpha 0.05: 0.9 [" in out


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["Nonsense"],
            "Family 'Nonsense' is unknown; there are: ",
        ),
        (["--full", "--sets", "3"], "--full is 2,000 data sets; leave --sets out, or --full."),
        (["--sets", "0"], "0 is not in the range"),
        (["-n", "0"], "0 is not in the range"),
    ],
)
def test_wrong_usage_is_one_sentence_and_four(
    corner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str], sentence: str
) -> None:
    code, out, err = call(monkeypatch, capsys, "calibrate", *args)
    assert code == 4
    assert sentence in out + err
    assert not (corner / "reports").exists()


def test_importing_the_calibration_costs_numpy_and_the_reports_template_only() -> None:
    heavy = ("torch", "transformers", "scipy", "statsmodels", "pandas", "matplotlib", "sklearn")
    script = f"import sys, modclaims.calibration.pages\nprint(*sorted(set(sys.modules) & set({heavy!r})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
