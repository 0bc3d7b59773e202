"""HeadSelectivity and HeadsAgainstBlocks on planted activations."""

from dataclasses import replace

import numpy as np
import pytest
from planted import PlantedRecorder, assert_bare_decides_alike, before, planted_corpus

from modclaims import HeadsAgainstBlocks, HeadSelectivity
from modclaims.errors import ClaimError
from modclaims.families.common import controls
from modclaims.families.common.responses import projections
from modclaims.look import TestSettings
from modclaims.recording import Positions
from modclaims.stats.bounds import splits
from modclaims.summaries import summarise

WEIGHING = TestSettings(seed=1, permutations=199, resamples=399)


class Planted(HeadSelectivity):
    """One head answers style."""

    label, within, untrained = "style", "topic", 0


def weigh(base=Planted, recorder=None, corpus=None, **constants):
    claim = type("Variation", (base,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    recorder, corpus = recorder or PlantedRecorder(), corpus or planted_corpus(texts=4)
    claim.check(before(corpus))
    recording = recorder.record(corpus, claim.requests(recorder.shape), tokens=64, positions=Positions("0,1,2"))
    return claim, claim.weigh(recording.by_id(), WEIGHING)


@pytest.mark.parametrize("response", ["norm", "projection"])
@pytest.mark.parametrize("site", ["head_z", "head_write"])
def test_the_planted_head_and_no_other_is_found(response, site):
    _, evidence = weigh(response=response, site=site)
    best = int(np.argmax(evidence.bounds.effect))
    assert str(evidence.cells[best]) == "layer 1, head 1"
    assert [i for i, p in enumerate(evidence.test.p_adjusted) if p <= 0.01] == [best]


@pytest.mark.parametrize(("unit", "cells"), [("neuron", 48), ("mlp_block", 3), ("attn_block", 3)])
def test_other_units_have_their_own_cells(unit, cells):
    _, evidence = weigh(unit=unit)
    assert len(evidence.cells) == cells
    assert evidence.cells[int(np.argmax(evidence.bounds.effect))].layer == 1


def test_the_preferred_category_is_named():
    _, evidence = weigh()
    rows = [r for r in evidence.categories if str(evidence.cells[r.cell]) == "layer 1, head 1"]
    strongest = max(rows, key=lambda r: r.hedges_g)
    assert strongest.category == "style3"  # planted the longest
    assert strongest.superiority > 0.7
    share = f"{50 + 50 * strongest.superiority:.0f}"
    assert evidence.detail.startswith(
        f"It answers most to 'style3' (outranking others in {share} % of pairs, Hedges' g "
    )


def test_what_is_shown_beside_omega_squared_of_normal_scores_decides_nothing():
    _, evidence = weigh()
    assert evidence.effect_name == "omega^2 of normal scores"
    assert set(evidence.secondary) == {"F of style on normal scores", "omega^2 of raw responses"}
    assert not evidence.warnings


@pytest.mark.parametrize(
    ("category", "answers", "found"),
    [("style3", "more", True), ("style3", "less", False), ("style0", "less", True), ("style3", "either", True)],
)
def test_a_named_category_is_answered_the_way_that_was_planted(category, answers, found):
    corpus = planted_corpus(texts=8)
    claim, evidence = weigh(corpus=corpus, category=category, answers=answers, smallest_effect=0.2)
    weighed = summarise(claim, evidence, 0.05)
    assert (weighed.p_plus <= 0.05) == found
    word = {"more": "superiority", "less": "inferiority", "either": "superiority or inferiority"}[answers]
    assert weighed.effect_name == f"{word} of {category!r}"
    if found:
        assert weighed.best_words == "layer 1, head 1"
        row = next(
            r
            for r in evidence.categories
            if r.category == category and str(evidence.cells[r.cell]) == "layer 1, head 1"
        )
        assert weighed.effect == pytest.approx(
            {"more": 1, "less": -1, "either": np.sign(row.superiority)}[answers] * row.superiority
        )
        share = f"{50 + 50 * row.superiority:.0f} % of pairs"
        assert weighed.detail.startswith(f"Texts of {category!r} outrank others in {share} (Hedges' g ")
    assert {"omega^2 of normal scores", "omega^2 of raw responses"} <= set(evidence.secondary)


def test_a_named_category_has_twins_and_strata_and_books_of_its_own():
    _, evidence = weigh(untrained=5, category="style3", answers="more")
    twin = next(c for c in evidence.controls if c.name == "untrained_baseline")
    assert "of the untrained networks (5 seeds) reaches superiority of 'style3' " in twin.sentence
    _, evidence = weigh(corpus=in_books(), within=None, category="style3", answers="more")
    best = int(np.argmax(evidence.bounds.effect))
    assert str(evidence.cells[best]) == "layer 1, head 1"
    assert evidence.bounds.blocks == 10
    assert 0.2 < evidence.bounds.lower(0.05)[best] < evidence.bounds.effect[best]


def test_a_category_that_the_corpus_lacks_is_refused_before_any_pass():
    with pytest.raises(ClaimError, match="none of those compared: style0, style1"):
        weigh(category="style9", answers="more")


def test_twins_that_learned_nothing_are_shown_beside():
    _, evidence = weigh(untrained=5)
    twin = next(c for c in evidence.controls if c.name == "untrained_baseline")
    assert "no untrained network reaches that" in twin.sentence
    assert len(twin.numbers["effect"]) == 5


def test_projections_do_not_hang_on_the_sign_of_a_direction():
    x = np.random.default_rng(0).standard_normal((6, 3, 2, 4)) + 2
    assert np.allclose(projections(x), projections(x[::-1])[::-1])
    assert projections(x).shape == (6, 2)


def test_a_head_that_beats_its_block_is_supported_and_one_that_does_not_is_not():
    class Better(PlantedRecorder):
        def _array(self, corpus, request, layer):
            if request.site == "attn_out":
                return PlantedRecorder(effect=0.0)._array(corpus, request, layer)
            return super()._array(corpus, request, layer)

    corpus = planted_corpus(texts=8)
    base = type("Base", (HeadsAgainstBlocks,), {"__doc__": "B.", "label": "style", "within": "topic"})
    claim, evidence = weigh(base, Better(effect=2.0), corpus)
    found = summarise(claim, evidence, 0.05)
    assert found.effect > 0.3
    assert found.p_plus <= 0.05
    assert found.p is None
    claim, evidence = weigh(base, PlantedRecorder(effect=0.0), corpus)
    assert summarise(claim, evidence, 0.05).p_plus > 0.05


def test_heads_and_blocks_are_compared_by_all_categories():
    with pytest.raises(ClaimError, match="has no place in it"):
        type("W", (HeadsAgainstBlocks,), {"__doc__": "W.", "label": "style", "category": "style3"})().validate()


def test_resamples_without_spread_do_not_say_that_head_and_block_are_alike():
    from modclaims.families.responses.head_selectivity import _on_omega_scale
    from modclaims.stats.bounds.bootstrap import bootstrap_t
    from modclaims.stats.bounds.resamples import resample
    from modclaims.stats.chance.actions import Design
    from modclaims.stats.effects.omega_squared import omega_squared_replicates

    design = Design.of(list("aabbcc"))
    scores = np.array([[-1.1, -0.6], [-0.6, -1.1], [-0.2, -0.2], [0.2, 0.2], [0.6, 1.1], [1.1, 0.6]])
    resamples = resample(design, count=199, rng=np.random.default_rng(0))
    single = (resamples.times[1:].reshape(199, 3, 2).max(axis=2) == 2).all(axis=1)
    assert single.sum() > 10
    bounds = bootstrap_t(
        _on_omega_scale(omega_squared_replicates(scores, design, resamples)).weighted(np.array([[1.0], [-1.0]])),
        resamples,
    )
    assert not np.isfinite(bounds.t[single]).any()


def test_limits_of_a_difference_stay_on_its_scale():
    base = type("Base", (HeadsAgainstBlocks,), {"__doc__": "B.", "label": "style", "within": "topic"})
    _, evidence = weigh(base, PlantedRecorder(effect=0.0), planted_corpus(texts=4))
    for level in (0.05, 1e-4):
        assert evidence.bounds.lower(level)[0] >= -1 or np.isnan(evidence.bounds.lower(level)[0])
        assert evidence.bounds.upper(level)[0] <= 1 or np.isnan(evidence.bounds.upper(level)[0])


def test_picking_and_testing_never_see_the_same_texts(monkeypatch):
    seen = []
    original = splits.halves

    def halves(design, rng):
        first, second = original(design, rng)
        seen.append((set(first.tolist()), set(second.tolist())))
        return first, second

    monkeypatch.setattr(splits, "halves", halves)
    weigh(HeadsAgainstBlocks, corpus=planted_corpus(texts=4), label="style", within="topic")
    assert len(seen) == 20
    assert all(not a & b and len(a | b) == 64 for a, b in seen)


def in_books(topics=10, texts=2):
    """Texts of four styles in each of so many books, which are blocks."""
    corpus = planted_corpus(topics=topics, texts=texts)
    return replace(corpus, texts=tuple(replace(t, block=t.labels["topic"]) for t in corpus.texts))


def test_books_in_which_styles_vary_are_drawn_whole():
    _, evidence = weigh(corpus=in_books(), within=None)
    _, texts = weigh(corpus=planted_corpus(topics=10, texts=2), within="topic")
    np.testing.assert_array_equal(evidence.test.null, texts.test.null)
    np.testing.assert_allclose(evidence.bounds.effect, texts.bounds.effect)
    assert not np.allclose(evidence.bounds.t, texts.bounds.t)
    assert evidence.bounds.noncentral.inflation.shape == (6,)
    best = int(np.argmax(evidence.bounds.effect))
    assert str(evidence.cells[best]) == "layer 1, head 1"
    assert 0.2 < evidence.bounds.lower(0.05)[best] < evidence.bounds.effect[best] < evidence.bounds.upper(0.05)[best]
    assert evidence.note.endswith("; bounds from resampling 10 whole blocks")


def test_no_book_is_picked_on_and_tested_on(monkeypatch):
    corpus, seen = in_books(), []
    original, books = splits.halves, [t.block for t in sorted(corpus.texts, key=lambda t: t.id)]

    def halves(design, rng):
        first, second = original(design, rng)
        seen.append(({books[i] for i in first}, {books[i] for i in second}))
        return first, second

    monkeypatch.setattr(splits, "halves", halves)
    claim, evidence = weigh(HeadsAgainstBlocks, corpus=corpus, label="style", within=None)
    assert len(seen) == 20
    assert all(not a & b and len(a) == len(b) == 5 for a, b in seen)
    assert summarise(claim, evidence, 0.05).action == "resampling blocks"
    assert all(p.t.shape == (399, 1) and np.isfinite(p.se).all() for p in evidence.bounds.parts)


def test_too_few_books_to_split_are_refused_before_any_pass():
    claim = type("Few", (HeadsAgainstBlocks,), {"__doc__": "F.", "label": "style"})()
    claim.check(before(in_books(topics=8)))
    with pytest.raises(ClaimError, match="needs 8 blocks with each style"):
        claim.check(before(in_books(topics=7)))


def test_too_few_texts_to_split_are_refused_before_any_pass():
    claim = type("Few", (HeadsAgainstBlocks,), {"__doc__": "F.", "label": "style", "within": "topic"})()
    with pytest.raises(ClaimError, match="Splitting in halves needs 4"):
        claim.check(before(planted_corpus(texts=3)))


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"unit": "column"}, "Unit"),
        ({"site": "attn_out"}, "heads"),
        ({"response": "max"}, "Response"),
        ({"untrained": 1}, "5"),
        ({"answers": "up"}, "more, less, either"),
        ({"answers": "more"}, "needs a category"),
        ({"category": 3}, "must name one style"),
    ],
)
def test_constants_are_checked(constants, message):
    with pytest.raises(ClaimError, match=message):
        type("Wrong", (Planted,), {"__doc__": "Wrong.", **constants})().validate()


@pytest.mark.parametrize("family", [HeadSelectivity, HeadsAgainstBlocks])
def test_bare_evidence_decides_alike(family):
    claim = type("Bare", (family,), {"__doc__": "B.", "label": "style", "within": "topic", "untrained": 0})()
    recorder = PlantedRecorder()
    corpus = planted_corpus(texts=4)
    recording = recorder.record(corpus, claim.requests(recorder.shape), tokens=64, positions=Positions("0,1,2"))
    assert_bare_decides_alike(claim, recording.by_id(), WEIGHING)


def test_of_many_texts_rivals_are_weighed_on_some_and_all_that_decides_is_as_it_was(monkeypatch):
    _, whole = weigh()
    monkeypatch.setattr(controls, "MOST_ASIDE", 12)
    _, some = weigh()
    np.testing.assert_array_equal(some.bounds.t, whole.bounds.t)
    np.testing.assert_array_equal(some.test.null, whole.test.null)
    told = {control.name: control.sentence for control in some.controls}
    assert all("texts)" in told[name] for name in ("shared_words", "plain_measures", "spread"))
    assert not any("texts)" in control.sentence for control in whole.controls)
