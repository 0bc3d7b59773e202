"""WithinVersusStyle on planted activations: which of two crossed factors similarity is about."""

from dataclasses import replace

import numpy as np
import pytest
from planted import PlantedRecorder, assert_bare_decides_alike, before, planted_corpus

from modclaims import CategoryClustering, WithinVersusStyle, along_depth
from modclaims.errors import ClaimError
from modclaims.look import TestSettings
from modclaims.recording import Activations, Positions
from modclaims.summaries import summarise

WEIGHING = TestSettings(seed=1, permutations=199, resamples=399)
CORPUS = planted_corpus(topics=3, styles=3, texts=5)


class Planted(WithinVersusStyle):
    """Similarity is more about style than about topic."""

    label, within, untrained = "style", "topic", 0


def recorded(claim, recorder=None, corpus=CORPUS):
    recorder = recorder or PlantedRecorder()
    requests = claim.requests(recorder.shape)
    return recorder.record(corpus, requests, tokens=64, positions=Positions("0,1,2")).by_id()


def weigh(base=Planted, recorder=None, corpus=CORPUS, weighing=WEIGHING, **constants):
    claim = type("Variation", (base,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    claim.check(before(corpus))
    return claim, claim.weigh(recorded(claim, recorder, corpus), weighing)


def test_the_factor_that_was_planted_outweighs_the_other_where_it_was():
    claim, evidence = weigh()
    found = summarise(claim, evidence, 0.05)
    assert found.p_plus <= 0.01
    assert str(evidence.cells[1]) == "layer 1"
    assert evidence.bounds.lower(0.05)[1] > 0.5
    assert evidence.test is None
    assert evidence.note.endswith("style within topic minus topic within style")


def test_swapped_factors_give_the_negative_and_are_refuted():
    _, evidence = weigh()
    swapped, other = weigh(label="topic", within="style", layers=(1,))
    np.testing.assert_allclose(other.bounds.effect, -evidence.bounds.effect[1:2], atol=1e-12)
    assert summarise(swapped, other, 0.05).p_minus <= 0.01


def test_the_difference_is_that_of_two_clustering_claims():
    _, evidence = weigh()
    style, topic = (
        weigh(type("CrossedFactor", (CategoryClustering,), {"__doc__": "S.", "untrained": 0}), label=a, within=b)[1]
        for a, b in (("style", "topic"), ("topic", "style"))
    )
    np.testing.assert_allclose(evidence.bounds.effect, style.bounds.effect - topic.bounds.effect, atol=1e-12)
    np.testing.assert_allclose(evidence.secondary["delta of style within topic"], style.bounds.effect, atol=1e-12)
    np.testing.assert_allclose(evidence.secondary["delta of topic within style"], topic.bounds.effect, atol=1e-12)


def test_four_texts_by_hand():
    """Two topics crossed with two styles, two texts each, on a line: pairs of one cell are the closest, styles part least."""

    class Line(PlantedRecorder):
        def _array(self, corpus, request, layer):
            turn = {"topic0": 0.0, "topic1": 1.2}
            angle = [
                turn[t.labels["topic"]] + 0.3 * (t.labels["style"] == "style1") + 0.2 * (t.id[-1] == "1")
                for t in corpus.texts
            ]
            return np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None].repeat(3, axis=1)

    corpus = planted_corpus(topics=2, styles=2, texts=2)
    _, evidence = weigh(recorder=Line(), corpus=corpus, layers=(0,), label="topic", within="style")
    # styles: pairs of one cell are 0.2 apart; of two styles 0.1, 0.3, 0.3 and 0.5: 3 of 4 exceed, 2 * 0.75 - 1 = 0.5
    assert evidence.secondary["delta of topic within style"][0] == pytest.approx(1.0)
    assert evidence.secondary["delta of style within topic"][0] == pytest.approx(0.5)
    assert evidence.bounds.effect[0] == pytest.approx(0.5)


def test_both_sides_are_resampled_together():
    """The standard error of the difference is that of the summed influences, not that of independent sides."""
    _, evidence = weigh()
    sides = [
        weigh(type("Variation", (CategoryClustering,), {"__doc__": "S.", "untrained": 0}), label=a, within=b)[
            1
        ].bounds.se
        for a, b in (("style", "topic"), ("topic", "style"))
    ]
    apart = np.sqrt(sides[0] ** 2 + sides[1] ** 2)
    assert (np.abs(evidence.bounds.se / apart - 1) > 0.02).any()


def test_head_sites_have_a_cell_a_head_and_a_map():
    _, evidence = weigh(site="head_z")
    assert len(evidence.cells) == 6
    assert [e.kind for e in evidence.exhibits] == ["head_map"]
    assert evidence.exhibits[0].arrays["significant"].sum() == 1


def test_a_rise_along_depth_is_one_contrast():
    class Rising(PlantedRecorder):
        def _array(self, corpus, request, layer):
            return PlantedRecorder(at=layer, effect=0.7 * layer)._array(corpus, request, layer)

    claim, evidence = weigh(recorder=Rising(), holds=along_depth("rises"))
    assert summarise(claim, evidence, 0.05).p_plus <= 0.05
    assert evidence.effect_name == "rise of delta difference"


def test_controls_speak_of_both_sides():
    _, evidence = weigh(untrained=5)
    found = {c.name: c for c in evidence.controls}
    assert list(found) == [
        "each_side",
        "shared_words",
        "plain_measures_style",
        "plain_measures_topic",
        "untrained_baseline",
    ]
    assert found["each_side"].numbers["p_style"] <= 0.01 < 0.05 < found["each_side"].numbers["p_topic"]
    assert found["shared_words"].numbers["low"] > 0.5
    assert found["untrained_baseline"].numbers["low"] > 0.2
    assert evidence.exhibits[0].kind == "two_effects_by_depth"
    assert evidence.exhibits[0].arrays["twin"].shape == (5, 3)


def test_beyond_words_both_sides_are_taken_after_them():
    _, evidence = weigh(beyond="shared_words")
    assert evidence.bounds.lower(0.05)[1] > 0.5


def test_blocks_that_hold_one_cell_are_units_and_blocks_that_hold_all_are_drawn_whole():
    pairs = replace(
        CORPUS, texts=tuple(replace(t, block=f"{t.id[:3]}-{int(t.id[-1]) // 2}") for t in planted_corpus(2, 2, 8).texts)
    )
    _, evidence = weigh(corpus=pairs)
    assert (evidence.unit, evidence.n_units, evidence.resampled) == ("block", 16, "blocks")
    books = replace(CORPUS, texts=tuple(replace(t, block=f"b{t.id[-1]}") for t in CORPUS.texts))
    with pytest.raises(ClaimError, match="within and between cannot be compared"):
        weigh(corpus=books)  # one text of each cell a book
    twice = tuple(replace(t, block=f"b{int(t.id[-1]) // 2}") for t in planted_corpus(2, 2, 8).texts)
    _, evidence = weigh(corpus=replace(CORPUS, texts=twice))
    assert (evidence.unit, evidence.n_units, evidence.resampled) == ("text", 32, "blocks")


def test_blocks_of_one_style_and_all_topics_are_refused():
    mixed = replace(CORPUS, texts=tuple(replace(t, block=f"{t.labels['style']}-{t.id[-1]}") for t in CORPUS.texts))
    with pytest.raises(ClaimError, match="several values of 'topic'"):
        Planted().check(before(mixed))


def test_a_constant_layer_is_named():
    class Flat(PlantedRecorder):
        def _array(self, corpus, request, layer):
            array = super()._array(corpus, request, layer)
            return np.ones_like(array) if layer == 2 and isinstance(request, Activations) else array

    _, evidence = weigh(recorder=Flat())
    assert evidence.degenerate == (2,)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"within": None}, "second factor"),
        ({"within": "style"}, "nothing to exchange"),
        ({"smallest_effect": 2.0}, "below 2"),
        ({"site": "nowhere"}, "Site"),
    ],
)
def test_constants_are_checked(constants, message):
    with pytest.raises(ClaimError, match=message):
        type("Wrong", (Planted,), {"__doc__": "Wrong.", **constants})().validate()


@pytest.mark.parametrize("constants", [{}, {"beyond": "shared_words"}, {"holds": along_depth("rises")}])
def test_bare_evidence_decides_alike(constants):
    claim = type("Bare", (Planted,), {"__doc__": "B.", **constants})()
    assert_bare_decides_alike(claim, recorded(claim), WEIGHING)
