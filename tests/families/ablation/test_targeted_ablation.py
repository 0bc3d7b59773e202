"""Claims that ablate, on planted effects: what they ask for, what they pick, and what they make of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, before

from modclaims import AblationSpecificity, AblationSufficiency, TargetedAblation, everywhere
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.ablation import known_answers as ablations
from modclaims.look import TestSettings
from modclaims.planning.context import PlanContext
from modclaims.planting import known
from modclaims.planting.family import claim_of
from modclaims.planting.known import LAYERS, LAYOUTS
from modclaims.recording import Ablation, LogOdds, Loss, ModelShape

LAYOUT = LAYOUTS["48 (4 x 12)"]
WEIGHING = TestSettings(permutations=199, resamples=399)
SHAPE = ModelShape("m", LAYERS, 8, 8, 32, 4, 64, 512)
ALL = {"c0", "c1", "c2", "c3"}


def claim(base=TargetedAblation, **constants):
    given = {"how": "zero", "sizes": (1,), "tokens": ablations.TOKENS, "sets": 40 if base is TargetedAblation else 21}
    return claim_of(base, **{**given, **constants})


def planted(effect=0.2, seed=0, everywhere=False, scale=0.05):
    return ablations.planted(np.random.default_rng(seed), LAYOUT, "normal", effect, scale, everywhere)


@pytest.fixture(scope="module")
def recording():
    return planted()


# ---- what is picked, and what is asked for


def test_the_unit_that_answers_a_category_is_picked_on_one_half_and_its_texts_are_tested_on_the_other(recording):
    modules = claim(sizes=(1, 2)).picked(recording, WEIGHING)
    assert len(modules.splits) == 5
    for split in modules.splits:
        assert sorted([*split.first, *split.second]) == list(range(48))
        for k in range(4):
            assert split.modules[f"c{k}", 1] == ((k, 0),)
            assert (k, 0) in split.modules[f"c{k}", 2], "larger modules hold the smaller ones"
            own = modules.of_category(split, f"c{k}")
            assert {recording.corpus.values("category")[i] for i in own} == {f"c{k}"}
            assert not set(own) & set(split.first)


def test_labels_of_the_test_half_pick_nothing(recording):
    """Other labels for the texts of the second half leave the picks of that split as they are."""
    one = claim()
    before = one.picked(recording, WEIGHING).splits[0]
    texts = list(recording.corpus.texts)
    for i in before.second:  # every category still has as many texts, so that the split is the same
        other = before.second[(list(before.second).index(i) + 6) % len(before.second)]
        texts[i] = replace(recording.corpus.texts[i], labels=recording.corpus.texts[other].labels)
    labels = np.array([t.labels["category"] for t in texts])
    assert (labels != np.array(recording.corpus.values("category"))).any()
    found = one.picked(replace(recording, corpus=Corpus("c", tuple(texts))), WEIGHING)
    for split in found.splits:
        if set(split.first) == set(before.first):
            assert split.modules == before.modules


def test_importance_reads_own_texts_alone_and_specificity_all_of_the_half(recording):
    for base, texts in ((TargetedAblation, 12), (AblationSpecificity, 48)):
        one = claim(base)
        asked = one.further(recording, WEIGHING)
        own = [r for r in asked if r.ablation.places == ((2, 0),)]
        assert len(own) == 1, "a set that several splits take out is asked for once"
        assert len(own[0].texts) <= texts
        assert len({r.ablation for r in asked}) == len(asked)
        passes = sum(len(r.texts) for r in asked)
        assert passes <= one.further_passes(recording.corpus, recording.shape)
        assert all(isinstance(r, Loss) and r.tokens == ablations.TOKENS for r in asked)


def test_matched_sets_are_of_the_same_layers_distinct_and_of_like_magnitude(recording):
    one = claim(sizes=(3,))
    modules = one.picked(recording, WEIGHING)
    for split in modules.splits:
        for places in split.modules.values():
            sets = one.held_against(modules, places)
            assert sets[0] == places
            assert len(set(sets)) == len(sets) == 40
            assert all([a for a, _ in s] == [a for a, _ in places] for s in sets)


def test_values_of_mean_ablation_come_from_texts_spread_over_the_corpus(recording):
    (first, *_) = claim(how="mean", sources=6).further(recording, WEIGHING)
    assert first.ablation.how == "mean"
    assert first.ablation.source == tuple(f"t{i:03d}" for i in range(0, 48, 8))


def test_sufficiency_keeps_the_module_and_asks_for_tokens_typical_of_its_category():
    recording = planted(everywhere=True)
    asked = claim(AblationSufficiency, typical=1).further(recording, WEIGHING)
    assert all(isinstance(r, LogOdds) and (r.ablation is None or r.ablation.keep) for r in asked)
    own = {r.among for r in asked if r.ablation is not None and r.ablation.places == ((3, 0),)}
    assert own == {(3,)}, "tokens of category c3 are planted as 3"


# ---- what it amounts to


def test_the_effect_of_a_split_is_what_own_texts_lose_beyond_matched_sets_by_hand(recording):
    one = claim(splits=5)
    modules = one.picked(recording, WEIGHING)
    evidence = one.weigh(recording, WEIGHING)
    effects = recording.source.effects
    by_split = []
    for split in modules.splits:
        own = modules.of_category(split, "c1")
        images = modules.moves.others(((1, 0),))
        others = np.mean([effects[a, u, own].mean() for ((a, u),) in images])
        by_split.append(effects[1, 0, own].mean() - others)
    assert evidence.cells[1].category == "c1"
    assert evidence.bounds.effect[1] == pytest.approx(np.median(by_split))


def test_p_is_the_rank_of_the_module_among_its_matched_sets_by_hand():
    recording = planted(effect=0.0, seed=3)
    one = claim()
    modules, evidence = one.picked(recording, WEIGHING), one.weigh(recording, WEIGHING)
    effects = recording.source.effects
    for k in range(4):
        total = np.zeros(40)
        for split in modules.splits:
            own = modules.of_category(split, f"c{k}")
            total += [effects[a, u, own].mean() for ((a, u),) in modules.moves.images(((k, 0),))]
        assert evidence.test.p[k] == (total >= total[0]).mean()
    assert evidence.test.exact
    assert evidence.test.arrangements == 40


def test_an_effect_on_own_texts_is_important_and_specific(recording):
    for base in (TargetedAblation, AblationSpecificity):
        one = claim(base, holds=everywhere())
        evidence = one.weigh(recording, WEIGHING)
        levels = one.holds.levels(evidence, 0.02, 0.05)
        assert levels.p_plus <= 0.05
        assert {c.category for c in evidence.cells} == ALL
        assert evidence.bounds.effect == pytest.approx(0.2, abs=0.08)


def test_an_effect_on_all_texts_is_important_and_not_specific():
    recording = planted(everywhere=True)
    important, specific = claim(), claim(AblationSpecificity, smallest_effect=0.1)
    assert important.holds.levels(important.weigh(recording, WEIGHING), 0.02, 0.05).p_plus <= 0.05
    levels = specific.holds.levels(specific.weigh(recording, WEIGHING), 0.1, 0.05)
    assert levels.p_plus > 0.05
    assert levels.p_minus <= 0.05


def test_modules_that_raise_the_log_odds_of_all_texts_suffice():
    one = claim(AblationSufficiency, holds=everywhere(), smallest_effect=0.1)
    for effect, settled in ((0.5, "p_plus"), (0.0, "p_minus")):
        evidence = one.weigh(planted(effect, everywhere=True), WEIGHING)
        assert getattr(one.holds.levels(evidence, 0.1, 0.05), settled) <= 0.05
        assert evidence.secondary["share of texts whose log-odds rise"].shape == (4,)


@pytest.mark.parametrize("base", [TargetedAblation, AblationSpecificity, AblationSufficiency])
def test_weighed_bare_it_decides_alike(base, recording):
    assert_bare_decides_alike(claim(base), planted(everywhere=base is AblationSufficiency), WEIGHING)


@pytest.mark.parametrize("base", [TargetedAblation, AblationSpecificity])
def test_a_loss_counted_from_elsewhere_or_in_other_units_changes_nothing_but_the_unit(base, recording):
    source = recording.source
    other = replace(recording, source=replace(source, whole=source.whole + 5, effects=4 * source.effects))
    one = claim(base)
    a, b = (one.weigh(r, replace(WEIGHING, bare=True)) for r in (recording, other))
    np.testing.assert_allclose(4 * a.bounds.effect, b.bounds.effect, rtol=1e-9)
    np.testing.assert_allclose(4 * a.bounds.lower(0.05), b.bounds.lower(0.05), rtol=1e-7)
    if a.test is not None:
        np.testing.assert_array_equal(a.test.p_adjusted, b.test.p_adjusted)


def test_controls_say_how_modules_rank_are_matched_and_agree(recording):
    evidence = claim().weigh(recording, WEIGHING)
    numbers = {c.name: c.numbers for c in evidence.controls}
    assert set(numbers) == {"matched_sets", "magnitude", "stability"}
    assert numbers["matched_sets"]["rank"] == [1] * 5
    assert numbers["stability"]["agreement"] == 1.0
    assert 0.5 < numbers["magnitude"]["ratio"] < 2


def test_named_modules_alone_are_weighed(recording):
    evidence = claim(modules=("c2",)).weigh(recording, WEIGHING)
    assert [c.category for c in evidence.cells] == ["c2"]
    with pytest.raises(ClaimError, match="modules names 'c9'"):
        claim(modules=("c9",)).check(before(recording.corpus))


@pytest.mark.parametrize(
    "wrong",
    [
        {"unit": "layer"},
        {"how": "noise"},
        {"sizes": ()},
        {"sizes": (2, 1)},
        {"modules": ()},
        {"tokens": 2},
        {"sets": 1},
        {"splits": 2},
        {"sources": 1},
    ],
)
def test_a_constant_that_cannot_be_is_refused(wrong):
    with pytest.raises(ClaimError):
        claim(**wrong).validate()


def test_bounds_over_matched_sets_need_twenty_of_them():
    with pytest.raises(ClaimError, match="sets = 20"):
        claim(AblationSpecificity, sets=20).validate()


def test_a_module_of_most_units_and_an_encoder_are_refused():
    with pytest.raises(ClaimError, match="at most half"):
        claim(unit="head", sizes=(17,)).requests(SHAPE)
    with pytest.raises(ClaimError, match="not causal"):
        claim().requests(replace(SHAPE, causal=False))


# ---- before anything runs


def known_before():
    return PlanContext(known.corpus(LAYOUT), SHAPE, (5,), TestSettings())


def test_the_floor_of_a_single_head_is_one_over_the_heads_of_its_layer():
    one, two = (claim(unit="head", sizes=(m,)).plan(known_before()) for m in (1, 2))
    assert one.test.floor == pytest.approx(1 / 8)
    assert two.test.floor == pytest.approx(1 / 64)
    assert claim(unit="neuron").plan(known_before()).test.floor == pytest.approx(1 / 40)
    assert claim(unit="head", sizes=(1, 2), holds=everywhere()).plan(known_before()).test.floor == pytest.approx(1 / 64)
    assert one.test.exact


def test_the_sketch_has_the_cells_that_weighing_has(recording):
    for base in (TargetedAblation, AblationSpecificity, AblationSufficiency):
        one = claim(base, sizes=(1, 2))
        made = one.plan(PlanContext(recording.corpus, recording.shape, (5,), WEIGHING))
        evidence = one.weigh(planted(everywhere=True), replace(WEIGHING, bare=True))
        assert made.cells == len(evidence.cells)
        assert (made.test is None) == (evidence.test is None)
        if made.test is not None:
            assert made.test.rows == evidence.test.arrangements
            assert evidence.test.p.min() >= made.test.floor - 1e-12


def test_an_ablation_is_the_same_in_whatever_order_its_units_are_named():
    assert Ablation("head", ((1, 0), (0, 2), (1, 0))) == Ablation("head", ((0, 2), (1, 0)))
