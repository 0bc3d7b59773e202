"""SubspaceSeparation on planted activations: texts that vary in subspaces of their category's own, and in common ones."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from planted import PlantedRecorder, assert_bare_decides_alike, before, planted_corpus, shuffled
from scipy.linalg import subspace_angles

from modclaims import SubspaceSeparation, along_depth
from modclaims.errors import ClaimError
from modclaims.families.common.units import Units
from modclaims.look import TestSettings
from modclaims.recording import Activations, Positions
from modclaims.stats.spectra.subspaces import bases, spherical
from modclaims.summaries import summarise

WEIGHING = TestSettings(seed=1, permutations=199, resamples=399)
CORPUS = planted_corpus(topics=2, styles=3, texts=8)


class Varying(PlantedRecorder):
    """At layer 1 texts vary most along two axes of their style's own, at layer 2 along two that all have; styles lie apart."""

    def _array(self, corpus, request, layer):
        x = PlantedRecorder(effect=0.0, seed=self.seed)._array(corpus, request, layer)
        for i, text in enumerate(corpus.texts):
            rng = np.random.default_rng([layer, *text.id.encode()])
            style = int(text.labels["style"][-1])
            first = {1: 2 * style, 2: 0}.get(layer)
            if first is not None and request.variant is None:
                x[i, :, first : first + 2] += 4 * rng.standard_normal(2)
            x[i, :, 10 + style] += 3
        return x


class Planted(SubspaceSeparation):
    """Texts of different styles vary in different subspaces."""

    label, untrained, splits, relabellings = "style", 0, 5, 199


def recorded(claim, corpus=CORPUS, recorder=None):
    recorder = recorder or Varying()
    requests = claim.requests(recorder.shape)
    return recorder.record(corpus, requests, tokens=64, positions=Positions("0,1,2")).by_id()


def weigh(corpus=CORPUS, recorder=None, weighing=WEIGHING, **constants):
    claim = type("Variation", (Planted,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    claim.check(before(corpus))
    return claim, claim.weigh(recorded(claim, corpus, recorder), weighing)


@pytest.mark.parametrize("within", [None, "topic"])
def test_subspaces_of_their_own_are_found_and_common_ones_are_not(within):
    claim, evidence = weigh(within=within)
    found = summarise(claim, evidence, 0.05)
    assert found.p_plus <= 0.05
    assert found.best == {"layer": 1, "head": None, "axis": None}
    assert evidence.bounds.effect[1] > 0.6
    assert evidence.test.p_adjusted[1] <= 0.05
    assert evidence.test.p_adjusted[2] > 0.1  # categories lie apart there, which is no other subspace
    assert abs(evidence.bounds.effect[2]) < 0.2


def test_common_subspaces_are_refuted_by_their_own_bound():
    claim, evidence = weigh(layers=(2,), smallest_effect=0.4)
    assert summarise(claim, evidence, 0.05).p_minus <= 0.05


def test_places_belong_to_subspaces_about_the_common_mean():
    _, evidence = weigh(centre="common")
    assert evidence.test.p_adjusted[0] <= 0.01
    control = next(c for c in evidence.controls if c.name == "other_centre")
    assert "inside categories alone" in control.sentence


def test_the_statistic_and_the_figure_show_scipys_principal_angles():
    claim, evidence = weigh()
    units = Units.of(CORPUS, "style", None)
    for layer in range(3):
        vectors = recorded(claim).array(Activations("resid_post"), layer).mean(axis=1)
        spaces = bases(spherical(vectors, units.design, "own"), units.design, 2)
        found = np.array([subspace_angles(a, b) for a, b in combinations(spaces, 2)])
        np.testing.assert_allclose(evidence.test.observed[layer], (np.sin(found) ** 2).mean(), rtol=1e-9)
        np.testing.assert_allclose(evidence.exhibits[0].arrays["angles"][layer], np.degrees(found), rtol=1e-6)
    assert [e.kind for e in evidence.exhibits] == ["principal_angles", "null_histogram"]
    assert "degrees" in evidence.detail


def test_no_copy_of_a_text_meets_itself():
    """Subspaces of twice the same texts would look alike by that alone; halves are disjoint, so the effect stays about 0."""
    _, evidence = weigh(recorder=PlantedRecorder(effect=0.0), dimensions=3, splits=20)
    assert np.abs(evidence.bounds.effect).max() < 0.35


def test_subspaces_that_hold_no_more_than_chance_are_warned_of():
    _, evidence = weigh(recorder=PlantedRecorder(effect=0.0))
    assert any("hardly known" in w for w in evidence.warnings)
    assert not any("hardly known" in w for w in weigh(layers=(1,))[1].warnings)


def test_untrained_baselines_stand_beside():
    _, evidence = weigh(untrained=5)
    twin = next(c for c in evidence.controls if c.name == "untrained_baseline")
    assert len(twin.numbers["separation"]) == 5
    assert "none reaches that" in twin.sentence


def test_the_order_of_texts_and_cells_left_out_change_nothing():
    _, evidence = weigh()
    _, other = weigh(shuffled(CORPUS))
    np.testing.assert_array_equal(evidence.test.null, other.test.null)
    np.testing.assert_array_equal(evidence.bounds.t, other.bounds.t)
    _, alone = weigh(layers=(1,))
    np.testing.assert_array_equal(evidence.test.null[:, 1], alone.test.null[:, 0])
    np.testing.assert_array_equal(evidence.bounds.theta[1], alone.bounds.theta[0])


def test_relabellings_are_at_most_those_of_the_run():
    assert weigh()[1].test.arrangements == 200
    assert weigh(relabellings=99)[1].test.arrangements == 100
    _, few = weigh(weighing=TestSettings(seed=1, permutations=49, resamples=99))
    assert few.test.arrangements == 50


def test_too_few_texts_to_learn_from_are_refused_before_any_pass():
    few = planted_corpus(topics=1, styles=3, texts=6)
    with pytest.raises(ClaimError, match="needs 4 to be learned from"):
        Planted().check(before(few))
    type("One", (Planted,), {"__doc__": "O.", "dimensions": 1})().check(before(few))
    with pytest.raises(ClaimError, match="exceed the 16"):
        type("Many", (Planted,), {"__doc__": "M.", "dimensions": 17})().requests(PlantedRecorder().shape)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"site": "head_z"}, "Site"),
        ({"centre": "median"}, "centre"),
        ({"dimensions": 0}, "at least 1"),
        ({"relabellings": 9}, "at least 99"),
        ({"splits": 1}, "lottery"),
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
