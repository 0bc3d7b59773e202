"""CategoryClustering on planted activations: every similarity, quantifier and control."""

from dataclasses import replace

import numpy as np
import pytest
from planted import PlantedRecorder, assert_bare_decides_alike, before, planted_corpus

from modclaims import CategoryClustering, along_depth, everywhere, in_fraction
from modclaims.errors import ClaimError
from modclaims.families.common import controls
from modclaims.look import TestSettings
from modclaims.recording import Activations, Positions
from modclaims.stats.effects.similarity import SIMILARITIES
from modclaims.summaries import summarise

WEIGHING = TestSettings(seed=1, permutations=199, resamples=399)


def in_books(topics=6, texts=3):
    """Texts of four styles in each of so many books, which are blocks."""
    corpus = planted_corpus(topics=topics, texts=texts)
    return replace(corpus, texts=tuple(replace(t, block=t.labels["topic"]) for t in corpus.texts))


class Planted(CategoryClustering):
    """Same-style texts are alike at the planted layer."""

    label, within, untrained = "style", "topic", 0


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


@pytest.mark.parametrize("similarity", SIMILARITIES)
def test_a_difference_of_centroids_is_one_of_location_whatever_the_similarity(similarity):
    assert weigh(similarity=similarity)[1].location is True


class Clouds(PlantedRecorder):
    """Categories of one centre in every coordinate, the last three times as wide; `massive` coordinates besides."""

    def __init__(self, massive=0, apart=0.0, **settings):
        super().__init__(effect=0.0, **settings)
        self.massive, self.apart = massive, apart

    def _array(self, corpus, request, layer):
        x = np.random.default_rng(layer).normal(size=(len(corpus), 3, 16))
        last = np.array([t.labels["style"] == "style1" for t in corpus.texts])
        x[last] *= 3
        x += 1.0
        x[last, :, 0] += self.apart
        if self.massive:
            x[:, :, -self.massive :] = 3000 * x[:, :, -self.massive :]
        return x


def uneven_corpus(few=12, many=60):
    """Texts of two styles, of the second fewer."""
    corpus = planted_corpus(topics=1, styles=2, texts=many)
    kept, second = [], 0
    for text in corpus.texts:
        second += text.labels["style"] == "style1"
        if text.labels["style"] == "style0" or second <= few:
            kept.append(text)
    return replace(corpus, texts=tuple(kept))


@pytest.mark.parametrize("massive", [0, 1, 3])
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_a_wider_category_about_the_same_centre_is_never_one_of_location(similarity, massive):
    constants = {"within": None, "similarity": similarity, "layers": (0,)}
    _, evidence = weigh(Clouds(massive), uneven_corpus(), **constants)
    assert evidence.location is False
    spread = next(c for c in evidence.controls if c.name == "spread")
    assert spread.numbers["p_adjusted"] > 0.05
    assert spread.numbers["permdisp_p"] <= 0.05
    assert spread.numbers["spread_ratio"] > 2
    assert "each coordinate divided by its sd" in spread.sentence


@pytest.mark.parametrize("massive", [0, 1, 3])
def test_a_place_that_differs_is_found_beside_massive_coordinates(massive):
    _, evidence = weigh(Clouds(massive, apart=8.0), uneven_corpus(), within=None, layers=(0,))
    assert evidence.location is True


def test_categories_that_differ_in_size_and_in_spread_carry_a_warning():
    _, evidence = weigh(Clouds(), uneven_corpus(), within=None, layers=(0,))
    assert any(
        w.startswith("Categories of style differ in size (style1 has 12 texts, style0 60)") for w in evidence.warnings
    )
    _, evidence = weigh(Clouds(), uneven_corpus(few=40), within=None, layers=(0,))
    assert not any("differ in size" in w for w in evidence.warnings)
    _, evidence = weigh(PlantedRecorder(), uneven_corpus(), within=None, layers=(0,))
    assert not any("differ in size" in w for w in evidence.warnings)


def test_pooled_r_stands_beside_a_delta_in_which_every_category_weighs_the_same():
    _, evidence = weigh(Clouds(), uneven_corpus(), within=None, layers=(0,), similarity="euclidean")
    assert (
        abs(evidence.bounds.effect[0]) < 0.15
    )  # one category's pairs are closer than those between, the other's farther
    assert evidence.secondary["ANOSIM R (all pairs alike)"][0] > 0.5
    _, even = weigh(within=None)
    assert even.secondary["ANOSIM R (all pairs alike)"] == pytest.approx(even.bounds.effect)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_texts_whose_vectors_all_point_one_way_are_a_cell_that_cannot_be_weighed(dtype):
    class OneWay(PlantedRecorder):
        def _array(self, corpus, request, layer):
            x = super()._array(corpus, request, layer)
            if layer == 2 and isinstance(request, Activations) and request.site == "attn_out":
                length = np.random.default_rng(7).uniform(0.2, 5, size=(len(corpus), 1, 1))
                x = length * np.random.default_rng(8).normal(size=x.shape[1:])
            return x.astype(dtype)

    claim, evidence = weigh(OneWay())
    assert evidence.degenerate == (2,)
    assert evidence.bounds.effect[2] == 0
    assert evidence.bounds.se[2] == 0
    assert evidence.test.p_adjusted[2] == 1
    assert summarise(claim, evidence, 0.05).degenerate == ["layer 2"]


def test_a_difference_of_spread_alone_is_not_one_of_location():
    class SpreadOnly(PlantedRecorder):
        def _array(self, corpus, request, layer):
            noise = PlantedRecorder(effect=0.0)._array(corpus, request, layer)
            wide = np.array([4.0 if t.labels["style"] in ("style0", "style1") else 1.0 for t in corpus.texts])
            return noise * wide[:, None, None]

    _, evidence = weigh(SpreadOnly(), planted_corpus(texts=5), similarity="scaled_cosine")
    assert evidence.location is False


def test_trained_minus_untrained_is_large_where_only_training_planted_it():
    _, evidence = weigh(untrained=5)
    twin = next(c for c in evidence.controls if c.name == "untrained_baseline")
    assert twin.numbers["low"] > 0.2
    assert abs(np.mean(twin.numbers["untrained"])) < 0.15


def test_twins_are_asked_for_as_variants():
    recorder = PlantedRecorder()
    requests = type("V", (Planted,), {"untrained": 5, "__doc__": "V."})().requests(recorder.shape)
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


def deltas_by_book(evidence_of):
    """(book, layer) delta of each book by itself."""
    corpus = in_books()
    found = []
    for b in range(6):
        chosen = [i for i, t in enumerate(corpus.texts) if t.labels["topic"] == f"topic{b}"]
        alone = replace(corpus, texts=tuple(replace(corpus.texts[i], block=None) for i in chosen))
        found.append(evidence_of(corpus=alone, within=None).bounds.effect)
    return np.stack(found)


def test_books_in_which_styles_vary_are_drawn_whole():
    _, evidence = weigh(corpus=in_books(), within=None)
    _, texts = weigh(corpus=planted_corpus(topics=6), within="topic")
    np.testing.assert_array_equal(evidence.test.null, texts.test.null)  # chance does what it did
    np.testing.assert_array_equal(evidence.test.p_adjusted, texts.test.p_adjusted)
    each = deltas_by_book(lambda **c: weigh(**c)[1])
    np.testing.assert_allclose(evidence.bounds.effect, each.mean(axis=0))
    np.testing.assert_allclose(evidence.bounds.se, each.std(axis=0, ddof=1) / np.sqrt(6))
    assert not np.allclose(evidence.bounds.se, texts.bounds.se, rtol=0.02)
    assert (evidence.n_texts, evidence.n_units, evidence.unit, evidence.resampled) == (72, 72, "text", "blocks")
    assert evidence.test.action == "exchanging style inside each block"
    assert evidence.note == "similarity cosine, site attn_out; bounds from resampling 6 whole blocks"
    assert all("error rates of bounds" in warning for warning in evidence.warnings)


def test_a_rise_along_depth_resamples_whole_books():
    claim, evidence = weigh(corpus=in_books(), within=None, holds=along_depth("rises"))
    each = deltas_by_book(lambda **c: weigh(**c)[1])
    rise = each @ np.array([-1.0, 0.0, 1.0])
    np.testing.assert_allclose(evidence.bounds.effect, rise.mean())
    np.testing.assert_allclose(evidence.bounds.se, rise.std(ddof=1) / np.sqrt(6))
    assert summarise(claim, evidence, 0.05).action == "resampling blocks"


def test_twins_are_drawn_beside_whole_books():
    _, evidence = weigh(corpus=in_books(), within=None, untrained=5)
    twin = next(c for c in evidence.controls if c.name == "untrained_baseline")
    assert 0.2 < twin.numbers["low"] < twin.numbers["difference"] < twin.numbers["high"]


def test_beyond_words_books_are_drawn_whole():
    _, evidence = weigh(corpus=in_books(), within=None, beyond="shared_words")
    assert evidence.bounds.t.shape == (399, 3)
    assert evidence.resampled == "blocks"
    assert evidence.test.action == "exchanging style inside each block given the words"


def test_fewer_than_four_books_are_refused_before_any_pass():
    with pytest.raises(ClaimError, match="each style needs at least 4; style0 has 3"):
        type("Few", (Planted,), {"__doc__": "F.", "within": None})().check(before(in_books(topics=3)))


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
        ({"untrained": 2}, "at least 5"),
        ({"site": "head_z", "holds": along_depth("rises")}, "one per head"),
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
    _, evidence = weigh(untrained=5)
    kinds = [e.kind for e in evidence.exhibits]
    assert kinds == ["effect_by_depth", "heat_maps", "levels_by_depth", "text_map", "null_histogram"]
    assert all(e.description and e.arrays for e in evidence.exhibits)
    maps = evidence.exhibits[1]
    assert maps.arrays["maps"].shape[1] == len(maps.labels["categories"])


def test_captions_name_the_layer_that_they_read():
    _, evidence = weigh(layers=(-3, -2))
    levels = next(e for e in evidence.exhibits if e.kind == "levels_by_depth")
    assert "At layer 1: " in levels.description
    assert not any("last layer" in e.description for e in evidence.exhibits)


def test_many_texts_in_few_dimensions_take_the_cheaper_way_to_the_same_p(monkeypatch):
    from modclaims.families.categories import clustered

    corpus, few = planted_corpus(topics=4, styles=2, texts=14), PlantedRecorder(width=4, effect=0.3)
    taken = []
    original = clustered.gap_null_from_vectors
    monkeypatch.setattr(clustered, "gap_null_from_vectors", lambda *a: taken.append(True) or original(*a))
    constants = {"within": None, "similarity": "cosine"}
    _, cheap = weigh(few, corpus, **constants)
    assert taken
    monkeypatch.setattr(clustered, "cheaper_by_vectors", lambda *a: False)
    _, plain = weigh(few, corpus, **constants)
    assert np.allclose(cheap.test.null, plain.test.null, atol=1e-12)
    assert np.array_equal(cheap.test.exceed, plain.test.exceed)


@pytest.mark.parametrize("constants", [{}, {"beyond": "shared_words"}, {"holds": along_depth("rises")}])
def test_bare_evidence_decides_alike(constants):
    claim = type("Bare", (Planted,), {"__doc__": "B.", **constants})()
    recorder, corpus = PlantedRecorder(), planted_corpus()
    recording = recorder.record(corpus, claim.requests(recorder.shape), tokens=64, positions=Positions("0,1,2"))
    assert_bare_decides_alike(claim, recording.by_id(), WEIGHING)


def test_of_many_texts_rivals_and_figures_are_shown_on_some_and_all_that_decides_is_as_it_was(monkeypatch):
    _, whole = weigh(untrained=5)
    monkeypatch.setattr(controls, "MOST_ASIDE", 12)
    _, some = weigh(untrained=5)
    texts = len(planted_corpus())
    assert texts > 12
    for one in ("effect", "theta", "se", "t"):
        np.testing.assert_array_equal(getattr(some.bounds, one), getattr(whole.bounds, one))
    np.testing.assert_array_equal(some.test.null, whole.test.null)
    assert set(some.secondary) == set(whole.secondary)
    for name, values in whole.secondary.items():
        np.testing.assert_allclose(some.secondary[name], values)
    told = {control.name: control.sentence for control in some.controls}
    assert set(told) == {control.name for control in whole.controls}
    assert all(
        f"of {texts} texts)" in told[name]
        for name in ("shared_words", "plain_measures", "spread", "untrained_baseline")
    )
    assert not any("texts)" in control.sentence for control in whole.controls)
    assert [e.kind for e in some.exhibits] == [e.kind for e in whole.exhibits]
    shown = next(e for e in some.exhibits if e.kind == "text_map")
    assert 8 <= len(shown.labels["ids"]) < texts
