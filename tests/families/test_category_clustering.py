"""CategoryClustering on planted activations: every similarity, quantifier and control."""

import numpy as np
import pytest
from planted import PlantedRecorder, assert_bare_decides_alike, planted_corpus

from modclaims import CategoryClustering, along_depth, everywhere, in_fraction
from modclaims.errors import ClaimError
from modclaims.hypothesis import Weighing
from modclaims.recording import Activations, Positions
from modclaims.stats.similarity import SIMILARITIES
from modclaims.verdict import summarise

WEIGHING = Weighing(seed=1, permutations=199, resamples=399)


class Planted(CategoryClustering):
    """Same-style texts are alike at the planted layer."""

    label, within, twins = "style", "topic", 0


def weigh(recorder=None, corpus=None, **constants):
    claim = type("Variation", (Planted,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    recorder, corpus = recorder or PlantedRecorder(), corpus or planted_corpus()
    recording = recorder.record(corpus, claim.requests(recorder.shape), tokens=64, positions=Positions("0,1,2"))
    return claim, claim.weigh(recording.by_id(), WEIGHING)


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_every_similarity_finds_the_planted_layer(similarity):
    _, evidence = weigh(similarity=similarity)
    assert int(np.argmax(evidence.bounds.effect)) == 1
    assert evidence.test.p_adjusted[1] <= 0.01
    assert min(evidence.test.p_adjusted[0], evidence.test.p_adjusted[2]) > 0.05


def test_head_sites_have_a_cell_a_head():
    _, evidence = weigh(site="head_z")
    assert len(evidence.cells) == 6
    assert str(evidence.cells[int(np.argmax(evidence.bounds.effect))]) == "layer 1, head 1"


def test_what_words_do_not_explain_is_left_beyond_them():
    _, evidence = weigh(beyond="shared_words")
    words = next(c for c in evidence.controls if c.name == "shared_words")
    assert words.numbers["share_left"] > 0.8
    assert evidence.test.p_adjusted[1] <= 0.05


def test_a_difference_of_centroids_is_one_of_location():
    assert weigh()[1].location is True
    assert weigh(similarity="magnitude_aware")[1].location is None


def test_a_difference_of_spread_alone_is_not_one_of_location():
    class SpreadOnly(PlantedRecorder):
        def _array(self, corpus, request, layer):
            noise = PlantedRecorder(effect=0.0)._array(corpus, request, layer)
            wide = np.array([4.0 if t.labels["style"] in ("style0", "style1") else 1.0 for t in corpus.texts])
            return noise * wide[:, None, None]

    _, evidence = weigh(SpreadOnly(), planted_corpus(texts=5), similarity="scaled_cosine")
    assert evidence.location is False


def test_trained_minus_untrained_is_large_where_only_training_planted_it():
    _, evidence = weigh(twins=5)
    twin = next(c for c in evidence.controls if c.name == "untrained_twin")
    assert twin.numbers["low"] > 0.2
    assert abs(np.mean(twin.numbers["twins"])) < 0.15


def test_twins_are_asked_for_as_variants():
    recorder = PlantedRecorder()
    requests = type("V", (Planted,), {"twins": 5, "__doc__": "V."})().requests(recorder.shape)
    assert {r.variant for r in requests} == {None, *(f"untrained:{s}" for s in range(5))}


def test_a_rise_along_depth_takes_no_relabelling_p():
    class Rising(PlantedRecorder):
        def _array(self, corpus, request, layer):
            return PlantedRecorder(layers=3, at=layer, effect=0.7 * layer)._array(corpus, request, layer)

    rises, evidence = weigh(Rising(), holds=along_depth("rises"), smallest_effect=0.1)
    assert evidence.test is None
    found = summarise(rises, evidence, 0.05)
    assert found.p is None
    assert found.effect > 0.5
    assert found.p_plus <= 0.05
    falls, evidence = weigh(Rising(), holds=along_depth("falls"), smallest_effect=0.1)
    assert summarise(falls, evidence, 0.05).p_minus <= 0.05


def test_every_layer_and_half_of_them_are_told_apart():
    every, evidence = weigh(holds=everywhere())
    assert summarise(every, evidence, 0.05).p_plus > 0.05
    third, evidence = weigh(holds=in_fraction(0.3))
    assert summarise(third, evidence, 0.05).p_plus <= 0.05


def test_a_constant_cell_is_named_as_degenerate():
    class Flat(PlantedRecorder):
        def _array(self, corpus, request, layer):
            array = super()._array(corpus, request, layer)
            return np.ones_like(array) if layer == 2 and isinstance(request, Activations) else array

    claim, evidence = weigh(Flat())
    assert evidence.degenerate == (2,)
    assert summarise(claim, evidence, 0.05).degenerate == ["layer 2"]
    assert evidence.test.p_adjusted[2] == 1


def test_a_constant_layer_is_named_beside_a_rise_along_depth():
    class Flat(PlantedRecorder):
        def _array(self, corpus, request, layer):
            array = super()._array(corpus, request, layer)
            return np.ones_like(array) if layer == 2 and request.site == "attn_out" else array

    claim, evidence = weigh(Flat(), holds=along_depth("rises"))
    assert summarise(claim, evidence, 0.05).warnings == ["Similarities do not vary at layer 2."]


def test_a_claim_beyond_words_leaves_location_unsaid():
    assert weigh(beyond="shared_words")[1].location is None


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"site": "nowhere"}, "Site"),
        ({"similarity": "dot"}, "Similarity"),
        ({"beyond": "style"}, "beyond"),
        ({"twins": 2}, "at least 5"),
        ({"site": "head_z", "holds": along_depth("rises")}, "one a head"),
        ({"expect": "true"}, "expect"),
        ({"within": "style"}, "nothing to exchange"),
        ({"smallest_effect": "big"}, "no number"),
        ({"smallest_effect": float("nan")}, "at least 0"),
        ({"smallest_effect": -0.1}, "at least 0"),
        ({"smallest_effect": 1.0}, "below 1"),
        ({"holds": "somewhere"}, "quantifier"),
    ],
)
def test_constants_are_checked(constants, message):
    with pytest.raises(ClaimError, match=message):
        type("Wrong", (Planted,), {"__doc__": "Wrong.", **constants})().validate()


def test_figures_say_what_they_show():
    _, evidence = weigh(twins=5)
    kinds = [e.kind for e in evidence.exhibits]
    assert kinds == ["effect_by_depth", "heat_maps", "levels_by_depth", "text_map", "null_histogram"]
    assert all(e.description and e.arrays for e in evidence.exhibits)
    maps = evidence.exhibits[1]
    assert maps.arrays["maps"].shape[1] == len(maps.labels["categories"])


def test_many_texts_in_few_dimensions_take_the_cheaper_way_to_the_same_p(monkeypatch):
    from modclaims.families import category_clustering

    corpus, few = planted_corpus(topics=4, styles=2, texts=14), PlantedRecorder(width=4, effect=0.3)
    taken = []
    original = category_clustering.gap_null_from_vectors
    monkeypatch.setattr(category_clustering, "gap_null_from_vectors", lambda *a: taken.append(True) or original(*a))
    constants = {"within": None, "similarity": "cosine"}
    _, cheap = weigh(few, corpus, **constants)
    assert taken
    monkeypatch.setattr(category_clustering, "cheaper_by_vectors", lambda *a: False)
    _, plain = weigh(few, corpus, **constants)
    assert np.allclose(cheap.test.null, plain.test.null, atol=1e-12)
    assert np.array_equal(cheap.test.exceed, plain.test.exceed)


@pytest.mark.parametrize("constants", [{}, {"beyond": "shared_words"}, {"holds": along_depth("rises")}])
def test_bare_evidence_decides_alike(constants):
    claim = type("Bare", (Planted,), {"__doc__": "B.", **constants})()
    recorder, corpus = PlantedRecorder(), planted_corpus()
    recording = recorder.record(corpus, claim.requests(recorder.shape), tokens=64, positions=Positions("0,1,2"))
    assert_bare_decides_alike(claim, recording.by_id(), WEIGHING)
