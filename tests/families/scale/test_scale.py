"""Claims about scale on planted activations: several models, one after the other, compared at equal relative depth."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from planted import PlantedRecorder, assert_bare_decides_alike, before, planted_corpus
from scipy.stats import kendalltau, linregress

from modclaims import CategoryClustering, ModelsDiffer, ScaleTrend, along_depth, at, everywhere
from modclaims.errors import ClaimError
from modclaims.look import TestSettings
from modclaims.model_set import ModelSet
from modclaims.recording import Activations, Positions
from modclaims.stats.quantifiers import Holds
from modclaims.summaries import summarise
from modclaims.verdict import judge

WEIGHING = TestSettings(seed=1, permutations=199, resamples=399)
CORPUS = planted_corpus(topics=3, styles=3, texts=5)


class Model(PlantedRecorder):
    """A planted network of some size, in which categories part in every layer alike."""

    def __init__(self, name, parameters, effect, layers=3, tokenizer="one", seed=0):
        super().__init__(layers=layers, effect=effect, seed=seed)
        origin = {"model": f"models/{name}", "weights_sha256": name, "tokenizer_sha256": tokenizer}
        self.shape = replace(self.shape, name=name, parameters=parameters, provenance=origin)
        self.let_go = 0

    def _array(self, corpus, request, layer):
        self.at = layer
        return super()._array(corpus, request, layer)

    def release(self):
        self.let_go += 1


class Differ(ModelsDiffer):
    """The larger one parts styles further."""

    label, within, untrained = "style", "topic", 0


class Trend(ScaleTrend):
    """Larger models part styles further."""

    label, within, untrained = "style", "topic", 0


def ladder(effects, sizes=None, **options):
    """Models of growing size with these planted strengths."""
    sizes = sizes or [10**6 * 3**i for i in range(len(effects))]
    made = [
        Model(f"m{i}", size, effect, **options) for i, (size, effect) in enumerate(zip(sizes, effects, strict=True))
    ]
    return ModelSet(made[0], made[1:])


def recorded(claim, recorder, corpus=CORPUS):
    requests = claim.requests(recorder.shape)
    return recorder.record(corpus, requests, tokens=64, positions=Positions("0,1,2")).by_id()


def weigh(base, recorder, corpus=CORPUS, weighing=WEIGHING, **constants):
    claim = type("Variation", (base,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    claim.check(before(corpus))
    return claim, claim.weigh(recorded(claim, recorder, corpus), weighing)


def outcome(claim, evidence):
    return judge({"it": summarise(claim, evidence, 0.05)}, alpha=0.05, correction="holm")["it"]


# ---- two models


def test_a_planted_difference_is_supported_and_its_contrary_refuted():
    claim, evidence = weigh(Differ, ladder([0.0, 0.6]))
    assert outcome(claim, evidence).outcome.word == "supported"
    claim, evidence = weigh(Differ, ladder([0.6, 0.0]))
    assert outcome(claim, evidence).outcome.word == "refuted"


def test_models_alike_are_never_supported_and_refuted_where_texts_suffice():
    many = planted_corpus(topics=3, styles=3, texts=14)
    claim, evidence = weigh(
        Differ, ModelSet(Model("a", 10, 0.4), [Model("b", 20, 0.4, seed=3)]), many, smallest_effect=0.3
    )
    assert outcome(claim, evidence).outcome.word == "refuted"


def test_the_difference_is_that_of_two_clustering_claims_and_of_models_not_of_the_order_given():
    small, large = Model("s", 10, 0.2), Model("l", 20, 0.5)
    deltas = []
    for one in (large, small):
        claim = type(
            "Side", (CategoryClustering,), {"__doc__": "S.", "untrained": 0, "label": "style", "within": "topic"}
        )()
        claim.site = "resid_post"
        deltas.append(claim.weigh(recorded(claim, one), replace(WEIGHING, bare=True)).bounds.effect)
    for lineup in (ModelSet(small, [large]), ModelSet(large, [small])):
        _, evidence = weigh(Differ, lineup)
        np.testing.assert_allclose(evidence.bounds.effect, deltas[0] - deltas[1], atol=1e-12)
        assert list(evidence.secondary) == ["delta of l", "delta of s"]


def test_depth_is_matched_by_interpolation_on_the_layers_of_the_shallower_model():
    deep, flat = Model("deep", 20, 0.5, layers=6), Model("flat", 10, 0.2, layers=3)
    claim, evidence = weigh(Differ, ModelSet(deep, [flat]))
    assert [cell.depth for cell in evidence.cells] == [0.0, 0.5, 1.0]
    asked = {r.model: r.layers for r in claim.requests(ModelSet(deep, [flat]).shape) if r.site == "resid_post"}
    assert asked == {None: (0, 2, 3, 5), "flat": (0, 1, 2)}
    alone = type(
        "Side", (CategoryClustering,), {"__doc__": "S.", "untrained": 0, "label": "style", "within": "topic"}
    )()
    alone.site = "resid_post"
    delta = alone.weigh(recorded(alone, deep), replace(WEIGHING, bare=True)).bounds.effect
    np.testing.assert_allclose(evidence.secondary["delta of deep"], [delta[0], (delta[2] + delta[3]) / 2, delta[5]])


def test_both_models_texts_are_drawn_together():
    """With one and the same network on both sides the difference is 0 in every resample; the deltas' own laws bound it."""
    twin = Model("b", 20, 0.4)
    _, evidence = weigh(Differ, ModelSet(Model("a", 10, 0.4), [twin]))
    np.testing.assert_array_equal(evidence.bounds.effect, 0)
    np.testing.assert_array_equal(evidence.bounds.t, 0)
    low, high = evidence.bounds.lower(0.05), evidence.bounds.upper(0.05)
    assert (low < -0.1).all()
    assert (high > 0.1).all()


def test_depths_may_be_named():
    _, evidence = weigh(Differ, ladder([0.0, 0.5]), depths=(1.0, 0.25))
    assert [str(cell) for cell in evidence.cells] == ["relative depth 0.25", "relative depth 1"]


def test_the_caption_of_a_difference_tells_every_depth_and_names_none_as_the_claims():
    _, evidence = weigh(Differ, ladder([0.0, 0.5]), depths=(1.0, 0.25))
    told = ", ".join(
        f"{effect:.2f} at {depth:g}" for effect, depth in zip(evidence.bounds.effect, (0.25, 1.0), strict=True)
    )
    assert evidence.exhibits[0].description.endswith(f" % bounds: {told}.")


def test_of_several_models_the_ends_are_compared_and_all_pairs_shown():
    claim, evidence = weigh(Differ, ladder([0.1, 0.6, 0.3]))
    pairs = next(c for c in evidence.controls if c.name == "all_pairs")
    cell = claim.holds.levels(evidence, claim.smallest_effect, 0.05).cell
    assert pairs.numbers["m2 - m0"] == pytest.approx(evidence.bounds.effect[cell])
    assert pairs.numbers["m2 - m1"] < 0 < pairs.numbers["m1 - m0"]
    assert evidence.exhibits[0].arrays["effect"].shape == (3, 3)


def test_models_of_one_size_enter_by_their_mean_and_none_is_larger_than_its_equal():
    sizes = [10, 30, 30]
    _, evidence = weigh(Differ, ladder([0.1, 0.6, 0.3], sizes))
    each = evidence.exhibits[0].arrays["effect"]
    np.testing.assert_allclose(evidence.bounds.effect, (each[1] + each[2]) / 2 - each[0], atol=1e-12)
    assert next(iter(evidence.secondary)) == "delta of the mean of m1 and m2"
    with pytest.raises(ClaimError, match="none is larger"):
        Differ().requests(ladder([0.1, 0.2], [10, 10]).shape)


def test_controls_speak_of_words_and_untrained_baselines():
    _, evidence = weigh(Differ, ladder([0.0, 0.6]), untrained=5)
    found = {c.name: c for c in evidence.controls}
    assert list(found) == ["each_model", "shared_words", "untrained_baseline"]
    assert found["shared_words"].numbers["low"] > 0.1
    assert len(found["untrained_baseline"].numbers["untrained"]) == 5
    assert max(np.abs(found["untrained_baseline"].numbers["untrained"])) < 0.2
    assert found["untrained_baseline"].numbers["low"] > 0.1


def test_other_tokenizers_are_a_warning():
    lineup = ModelSet(Model("a", 10, 0.1), [Model("b", 20, 0.5, tokenizer="two")])
    assert any("2 different tokenizers" in w for w in weigh(Differ, lineup)[1].warnings)
    assert not any("tokenizer" in w for w in weigh(Differ, ladder([0.1, 0.5]))[1].warnings)


def test_a_constant_layer_of_either_model_is_named():
    class Flat(Model):
        def _array(self, corpus, request, layer):
            array = super()._array(corpus, request, layer)
            return np.ones_like(array) if layer == 3 else array

    _, evidence = weigh(Differ, ModelSet(Model("a", 10, 0.2, layers=3), [Flat("b", 20, 0.5, layers=6)]))
    assert evidence.degenerate == (1,)


def test_blocks_are_drawn_whole():
    books = replace(CORPUS, texts=tuple(replace(t, block=f"{t.id[:3]}-{t.id[-1]}") for t in CORPUS.texts))
    _, evidence = weigh(Differ, ladder([0.0, 0.6]), books)
    assert (evidence.unit, evidence.resampled) == ("block", "blocks")


# ---- many models


def test_a_growing_ladder_is_supported_and_a_shuffled_or_flat_one_is_not():
    claim, evidence = weigh(Trend, ladder([0.1, 0.25, 0.4, 0.55, 0.7]))
    assert (evidence.test.arrangements, evidence.test.exact) == (120, True)
    assert evidence.test.p[0] == pytest.approx(1 / 120)
    assert outcome(claim, evidence).outcome.word == "supported"
    claim, evidence = weigh(Trend, ladder([0.4, 0.7, 0.1, 0.55, 0.25]))
    assert outcome(claim, evidence).outcome.word != "supported"
    claim, evidence = weigh(Trend, ladder([0.6, 0.5, 0.4, 0.3, 0.2]))
    assert outcome(claim, evidence).outcome.word == "refuted"


def test_slope_bounds_and_tau_are_those_of_scipy():
    _, evidence = weigh(Trend, ladder([0.1, 0.3, 0.2, 0.5, 0.4, 0.7]))
    drawn = next(e for e in evidence.exhibits if e.kind == "effect_by_parameters").arrays
    line = linregress(np.log10(drawn["parameters"]), drawn["effect"])
    assert evidence.bounds.effect[0] == pytest.approx(line.slope)
    assert evidence.bounds.se[0] == pytest.approx(line.stderr)
    np.testing.assert_allclose(drawn["line"], line.intercept + line.slope * np.log10(drawn["parameters"]))
    assert evidence.secondary["Kendall's tau"][0] == pytest.approx(
        kendalltau(drawn["parameters"], drawn["effect"]).statistic
    )


@pytest.mark.parametrize("count", [2, 3, 4])
def test_below_five_models_nothing_is_settled_by_design(count):
    claim, evidence = weigh(Trend, ladder(np.linspace(0.0, 0.8, count).tolist()))
    verdict = outcome(claim, evidence)
    assert verdict.outcome.word == "inconclusive"
    assert verdict.reason == "fewer than 5 models"
    assert f"at least {5 - count} more with --beside" in verdict.message
    assert summarise(claim, evidence, 0.05).smallest_attainable_p == pytest.approx(1 / [2, 6, 24][count - 2])


def test_an_unsettled_trend_asks_for_models_not_for_texts():
    claim, evidence = weigh(Trend, ladder([0.3, 0.5, 0.2, 0.6, 0.3]))
    verdict = outcome(claim, evidence)
    assert (verdict.outcome.word, verdict.reason) == ("inconclusive", "more models would decide")
    assert "texts would" not in verdict.message
    assert "these models settle it neither way" in verdict.sentence
    assert summarise(claim, evidence, 0.05).texts_to_support is None


def test_sizes_alike_leave_fewer_orders():
    _, evidence = weigh(Trend, ladder([0.1, 0.2, 0.3, 0.4, 0.5], [10, 10, 100, 1000, 1000]))
    assert evidence.test.arrangements == 30
    with pytest.raises(ClaimError, match="none is larger"):
        Trend().requests(ladder([0.1, 0.2], [10, 10]).shape)


def test_every_model_is_shown_with_an_interval_of_its_own():
    _, evidence = weigh(Trend, ladder([0.1, 0.25, 0.4, 0.55, 0.7]), untrained=5)
    found = {c.name: c for c in evidence.controls}
    assert list(found) == ["each_model", "shared_words", "untrained_baseline"]
    numbers = found["each_model"].numbers
    assert all(numbers[f"m{i}, low"] < numbers[f"m{i}"] < numbers[f"m{i}, high"] for i in range(5))
    assert (
        abs(found["untrained_baseline"].numbers["slope_untrained"]) < 0.1 < found["untrained_baseline"].numbers["slope"]
    )
    assert found["shared_words"].numbers["slope_beyond"] > 0.1
    assert [e.kind for e in evidence.exhibits] == ["effect_by_parameters", "models_by_depth", "null_histogram"]


def test_the_order_given_changes_nothing():
    models = [Model(f"m{i}", 10**6 * 3**i, 0.1 + 0.1 * i) for i in range(5)]
    one, other = (
        weigh(Trend, ModelSet(own, rest))[1]
        for own, rest in ((models[0], models[1:]), (models[3], models[2::-1] + models[4:]))
    )
    assert one.bounds.effect == other.bounds.effect
    assert one.test.p == other.test.p
    assert one.controls == other.controls


# ---- both


@pytest.mark.parametrize("base", [Differ, Trend])
def test_bare_evidence_decides_alike(base):
    claim = base()
    assert_bare_decides_alike(claim, recorded(claim, ladder([0.1, 0.3, 0.2, 0.5, 0.4])), WEIGHING)


@pytest.mark.parametrize("base", [Differ, Trend])
@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"site": "head_z"}, "no counterpart"),
        ({"similarity": "sympathy"}, "Similarity"),
        ({"depths": ()}, "depths"),
        ({"depths": (0.5, 0.5)}, "depths"),
        ({"depths": (1.5,)}, "depths"),
        ({"untrained": 2}, "at least 5"),
        ({"holds": at(1)}, "at layer 1"),
        ({"holds": along_depth("rises")}, "along depth"),
    ],
)
def test_constants_are_checked(base, constants, message):
    with pytest.raises(ClaimError, match=message):
        type("Wrong", (base,), {"__doc__": "Wrong.", **constants})().validate()


def test_a_trend_has_one_place_and_a_difference_may_hold_everywhere():
    with pytest.raises(ClaimError, match="one number"):
        type("Wrong", (Trend,), {"__doc__": "W.", "holds": everywhere()})().validate()
    type("Right", (Differ,), {"__doc__": "R.", "holds": everywhere()})().validate()
    assert isinstance(Differ.holds, Holds)


def test_one_layer_lies_at_no_relative_depth():
    with pytest.raises(ClaimError, match="one layer"):
        Differ().requests(ModelSet(Model("a", 10, 0.1, layers=1), [Model("b", 20, 0.1)]).shape)


def test_requests_of_other_claims_name_no_model():
    shape = ladder([0.1, 0.2]).shape
    claim = CategoryClustering()
    assert {getattr(r, "model", None) for r in claim.requests(shape)} == {None}
    assert Activations("attn_out") in claim.requests(shape)
    assert SimpleNamespace(**claim.declared()).site == "attn_out"
