"""LowRankSimilarity on planted activations: a few components, and none."""

from dataclasses import replace

import numpy as np
import pytest
from planted import PlantedRecorder, assert_bare_decides_alike, before, planted_corpus, shuffled
from scipy.linalg import subspace_angles

from modclaims import LowRankSimilarity, along_depth
from modclaims.errors import ClaimError
from modclaims.look import TestSettings
from modclaims.recording import Positions
from modclaims.summaries import summarise

WEIGHING = TestSettings(seed=1, permutations=199, resamples=399)
CORPUS = planted_corpus(topics=2, styles=3, texts=8)


class Factors(PlantedRecorder):
    """At layer 1 two factors move all coordinates of a text; at layer 2 styles lie apart, in two dimensions."""

    def _array(self, corpus, request, layer):
        x = PlantedRecorder(effect=0.0, seed=self.seed)._array(corpus, request, layer)
        directions = np.linalg.qr(np.random.default_rng(9).standard_normal((16, 3)))[0].T
        for i, text in enumerate(corpus.texts):
            rng = np.random.default_rng([layer, *text.id.encode()])
            if layer == 1 and request.variant is None:
                x[i] += 5 * rng.standard_normal(2) @ directions[:2]
            if layer == 2 and request.variant is None:
                x[i] += 6 * directions[int(text.labels["style"][-1])]
        return x


class Planted(LowRankSimilarity):
    """Similarity is diagonal plus low rank."""

    label, untrained, splits, draws = "style", 0, 5, 99


def recorded(claim, corpus=CORPUS, recorder=None):
    recorder = recorder or Factors()
    requests = claim.requests(recorder.shape)
    return recorder.record(corpus, requests, tokens=64, positions=Positions("0,1,2")).by_id()


def weigh(corpus=CORPUS, recorder=None, weighing=WEIGHING, **constants):
    claim = type("Variation", (Planted,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    claim.check(before(corpus))
    return claim, claim.weigh(recorded(claim, corpus, recorder), weighing)


@pytest.mark.parametrize("within", [None, "topic"])
def test_two_factors_are_two_components_and_noise_is_none(within):
    claim, evidence = weigh(within=within)
    found = summarise(claim, evidence, 0.05)
    assert found.p_plus <= 0.05
    np.testing.assert_array_equal(evidence.secondary["components above permuted coordinates"], [0, 2, 2])
    assert evidence.test.p_adjusted[0] > 0.1
    assert evidence.test.p_adjusted[1] <= 0.01
    assert evidence.bounds.lower(0.05)[1] > 0.2
    assert abs(evidence.bounds.effect[0]) < 0.05


def test_noise_is_refuted():
    claim, evidence = weigh(layers=(0,))
    assert summarise(claim, evidence, 0.05).p_minus <= 0.05


def test_the_excess_share_is_known_where_coordinates_are():
    """One factor along the diagonal of d coordinates: its share, less the d-th part of it that is the coordinates' own."""

    class Diagonal(PlantedRecorder):
        def _array(self, corpus, request, layer):
            z = [np.random.default_rng([3, *t.id.encode()]).standard_normal() for t in corpus.texts]
            return np.array(z)[:, None, None] * np.ones((1, 3, self.shape.width))

    _, evidence = weigh(recorder=Diagonal())
    np.testing.assert_allclose(evidence.bounds.effect, 1 - 1 / 16, rtol=1e-6)
    np.testing.assert_allclose(evidence.test.observed, 1.0)


def test_agreement_with_categories_is_that_of_scipys_angles():
    _, evidence = weigh(layers=(2,))
    control = next(c for c in evidence.controls if c.name == "category_agreement")
    assert control.numbers["mean_squared_cosine"] > 0.9
    assert control.numbers["p"] <= 0.01
    np.testing.assert_allclose(
        np.mean(np.cos(np.radians(control.numbers["angles"])) ** 2), control.numbers["mean_squared_cosine"], rtol=1e-9
    )
    _, evidence = weigh(layers=(1,))
    control = next(c for c in evidence.controls if c.name == "category_agreement")
    assert control.numbers["p"] > 0.05
    a, b = np.eye(3)[:, :2], np.array([[1.0, 0], [0, 0], [0, 1]])
    np.testing.assert_allclose(np.sort(np.degrees(subspace_angles(a, b))), [0, 90], atol=1e-6)


def test_figures_and_numbers_say_what_they_show():
    _, evidence = weigh(untrained=5)
    assert [e.kind for e in evidence.exhibits] == ["scree", "null_histogram"]
    scree = evidence.exhibits[0]
    np.testing.assert_array_equal(scree.arrays["rank"], [0, 2, 2])
    assert scree.arrays["share"].shape == scree.arrays["null_high"].shape == (3, 24)
    twin = next(c for c in evidence.controls if c.name == "untrained_baseline")
    assert max(twin.numbers["excess_share"]) < 0.1
    assert "components stand above 99 permutations" in evidence.detail


def test_the_order_of_texts_and_cells_left_out_change_nothing():
    _, evidence = weigh()
    _, other = weigh(shuffled(CORPUS))
    np.testing.assert_array_equal(evidence.test.null, other.test.null)
    np.testing.assert_array_equal(evidence.bounds.t, other.bounds.t)
    _, alone = weigh(layers=(1,))
    np.testing.assert_array_equal(evidence.test.null[:, 1], alone.test.null[:, 0])
    np.testing.assert_array_equal(evidence.bounds.theta[1], alone.bounds.theta[0])


def test_a_constant_layer_is_named():
    class Flat(PlantedRecorder):
        def _array(self, corpus, request, layer):
            array = super()._array(corpus, request, layer)
            return np.ones_like(array) if layer == 2 else array

    _, evidence = weigh(recorder=Flat())
    assert evidence.degenerate == (2,)
    assert evidence.test.p_adjusted[2] == 1
    assert not evidence.bounds.bounded[2]


def test_too_few_texts_for_halves_are_refused():
    with pytest.raises(ClaimError, match="Splitting in halves"):
        Planted().check(before(planted_corpus(topics=1, styles=3, texts=3)))


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"site": "head_z"}, "Site"),
        ({"draws": 19}, "at least 99"),
        ({"splits": 2}, "lottery"),
        ({"untrained": 2}, "at least 5"),
        ({"holds": along_depth("rises")}, "along_depth"),
        ({"smallest_effect": 1.0}, "below 1"),
    ],
)
def test_constants_are_checked(constants, message):
    with pytest.raises(ClaimError, match=message):
        type("Wrong", (Planted,), {"__doc__": "Wrong.", **constants})().validate()


def test_bare_evidence_decides_alike():
    claim = Planted()
    assert_bare_decides_alike(claim, recorded(claim), WEIGHING)


def in_blocks(block):
    corpus = planted_corpus(topics=2, styles=2, texts=20)
    return replace(corpus, texts=tuple(replace(t, block=block(t, int(t.id.rpartition("-")[2]))) for t in corpus.texts))


def test_blocks_of_one_style_enter_by_their_means_and_mixed_ones_are_drawn_whole():
    _, evidence = weigh(in_blocks(lambda t, i: f"{t.labels['style']}-{i // 2}"))
    assert (evidence.unit, evidence.n_units, evidence.resampled) == ("block", 20, "blocks")
    assert evidence.bounds.bounded.all()
    _, evidence = weigh(in_blocks(lambda t, i: f"b{i // 2}"))
    assert (evidence.unit, evidence.n_units, evidence.resampled) == ("text", 80, "blocks")
    assert evidence.bounds.bounded.all()
    assert "10 whole blocks" in evidence.note
