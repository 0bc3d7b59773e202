"""HeadMagnitudes and QuietMiddle on planted norms, whose answer is known."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pingouin
import pytest
from planted import assert_bare_decides_alike, before, planted_corpus, shuffled
from weighed import judging

from modclaims import HeadMagnitudes, QuietMiddle, everywhere
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.depth.head_magnitudes import between_layers, log_magnitudes
from modclaims.look import TestSettings
from modclaims.recording import Activations, MemorySource, ModelShape, Recording
from modclaims.runs.weighing import weigh
from modclaims.verdict import judge

LAYERS, HEADS, POSITIONS = 8, 3, 4
SHAPE = ModelShape("planted", LAYERS, HEADS, HEADS, 12, 4, 48, 512)
WEIGHING = TestSettings(resamples=999, permutations=999)
CORPUS = planted_corpus(topics=2, styles=2, texts=4)
QUIET = np.array([2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5])
FLAT = np.zeros(LAYERS)
OF_HEADS = np.linspace(-0.3, 0.3, HEADS)


def recorded(claim, curve=QUIET, heads=OF_HEADS, corpus=CORPUS, noise=0.1):
    """Norms whose binary logarithm is a curve, plus what a head of each layer has of its own; untrained networks are flat."""
    arrays = {}
    for request in claim.requests(SHAPE):
        for layer in range(LAYERS):
            rows = []
            for text in corpus.texts:
                rng = np.random.default_rng([layer, *(request.variant or "").encode(), *text.id.encode()])
                level = curve[layer] if request.variant is None else 0.0
                own = noise * rng.normal(size=(1, HEADS)) + 0.05 * rng.normal(size=(POSITIONS, HEADS))
                rows.append(2.0 ** (level + heads + own))
            arrays[request, layer] = np.array(rows)
    bodies = tuple(t.body for t in corpus.texts)
    return Recording(corpus, SHAPE, tuple(range(POSITIONS)), bodies, MemorySource(arrays))


class OfLayers(HeadMagnitudes):
    """How much a head puts out is a matter of its layer."""


class Quiet(QuietMiddle):
    """Middle layers put out less."""


def claim_with(base, **constants):
    return type(base.__name__, (base,), {"__doc__": "A variation.", **constants})()


outcome = judging(recorded, WEIGHING)


# ---- the share between layers


def test_a_case_worked_by_hand():
    """Means 1 and 3, and 1 to either side: MSB = 2 x 2, MSW = 2; and one in which the heads of each layer are alike."""
    values = np.array([[[0.0, 2.0], [2.0, 4.0]], [[1.0, 1.0], [5.0, 5.0]]])
    np.testing.assert_allclose(between_layers(values), [(4 - 2) / (4 + 2), 1.0])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin's own
@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_intraclass_correlation_of_pingouin(seed):
    rng = np.random.default_rng(seed)
    values = seed * rng.normal(size=(1, 6, 1)) + rng.normal(size=(3, 6, 5))
    for row, share in zip(values, between_layers(values), strict=True):
        table = pd.DataFrame([{"layer": i, "head": j, "value": row[i, j]} for i in range(6) for j in range(5)])
        found = pingouin.intraclass_corr(table, targets="layer", raters="head", ratings="value")
        assert found["Type"].iloc[0] in ("ICC1", "ICC(1,1)")
        assert share == pytest.approx(found["ICC"].iloc[0], abs=1e-9)


def test_it_knows_no_unit_and_lies_between_its_ends():
    values = np.random.default_rng(0).normal(size=(200, 4, 3))
    shares = between_layers(values)
    np.testing.assert_allclose(between_layers(-3 * values + 7), shares, atol=1e-10)
    assert (shares >= -1 / 2).all() and (shares <= 1).all()
    assert abs(shares.mean()) < 0.05  # corrected for chance
    opposed = np.array([[[1.0, -1.0], [-1.0, 1.0]]])
    np.testing.assert_allclose(between_layers(opposed), [-1.0])


def test_where_nothing_varies_nothing_is_said():
    values = np.full((2, 3, 4), 0.1)
    values[1] *= 1 + 1e-16 * np.arange(12).reshape(3, 4)
    assert np.isnan(between_layers(values)).all()


# ---- HeadMagnitudes


def test_magnitudes_that_differ_by_layer_are_supported():
    verdict, weighed, (exhibit,) = outcome(OfLayers())
    assert verdict.outcome.word == "supported", verdict.sentence
    claim = OfLayers()
    by_hand = between_layers(log_magnitudes(recorded(claim), None)).mean()
    assert weighed.effect == pytest.approx(by_hand) and 0.8 < weighed.effect < 1
    assert (weighed.p, weighed.n_cells, weighed.action) == (None, 1, "resampling texts")
    assert exhibit.kind == "curve_by_depth"
    np.testing.assert_allclose(exhibit.arrays["mean"], QUIET, atol=0.1)
    assert "of the variance lies between layers" in weighed.controls[0]["sentence"]
    assert max(weighed.controls[0]["numbers"]["untrained"]) < 0.1
    beside = {row["name"]: row["value"] for row in weighed.secondary}
    assert beside["spread between layers, log2"] == pytest.approx(QUIET.std(ddof=1), abs=0.1)
    assert beside["spread between heads of a layer, log2"] == pytest.approx(0.32, abs=0.05)


def test_magnitudes_that_differ_by_head_are_refuted():
    verdict, weighed, _ = outcome(OfLayers(), curve=FLAT, heads=np.linspace(-2, 2, HEADS))
    assert verdict.outcome.word == "refuted"
    assert weighed.effect == pytest.approx(-1 / (HEADS - 1), abs=0.05)


def test_heads_that_are_all_alike_settle_nothing():
    claim = claim_with(OfLayers, untrained=0)
    still = {key: np.ones_like(array) for key, array in recorded(claim).source.arrays.items()}
    weighed, _ = weigh(claim, replace(recorded(claim), source=MemorySource(still)), WEIGHING)
    assert judge({"c": weighed}, alpha=0.05, correction="holm")["c"].outcome.word == "inconclusive"
    assert not weighed.bounded


def test_a_head_that_puts_out_nothing_is_named():
    claim = claim_with(OfLayers, untrained=0)
    recording = recorded(claim)
    recording.source.arrays[Activations("head_z", None, "norm"), 2][3, :, 1] = 0
    with pytest.raises(ClaimError, match="Head 1 of layer 2 puts out nothing for some text"):
        claim.weigh(recording, WEIGHING)


# ---- QuietMiddle


def test_a_quiet_middle_is_supported_and_named():
    verdict, weighed, (exhibit,) = outcome(Quiet())
    assert verdict.outcome.word == "supported", verdict.sentence
    assert weighed.best == {"layer": 2, "head": None, "axis": None, "last_layer": 6}
    assert weighed.effect == pytest.approx(1.5, abs=0.15)  # the lesser: the last layer's
    assert weighed.action == "flipping the signs of each text's contrasts"
    assert exhibit.arrays["begins"][0, 2] > 0.9
    controls = {c["name"]: c["numbers"] for c in weighed.controls}
    assert controls["held_out"]["same"] == 20
    assert controls["untrained_baseline"]["low"] > 1 > max(map(abs, controls["untrained_baseline"]["untrained"]))
    beside = {row["name"]: row["value"] for row in weighed.secondary}
    assert beside["log2 magnitude of head outputs, early"] == pytest.approx(2, abs=0.1)


def test_contrasts_of_many_octaves_are_held_against_twins_too():
    controls = {c["name"]: c["numbers"] for c in outcome(Quiet(), curve=5 * QUIET)[1].controls}
    assert controls["untrained_baseline"]["low"] > 5


@pytest.mark.parametrize("curve", [FLAT, -QUIET, QUIET * (np.arange(LAYERS) < 2)], ids=["flat", "loud", "one end"])
def test_a_middle_that_is_not_quieter_than_both_ends_is_refuted(curve):
    assert outcome(Quiet(), curve=curve)[0].outcome.word == "refuted"


def test_the_effect_is_an_end_minus_the_middle_of_log2_magnitudes():
    claim = claim_with(Quiet, named=(2, 6), untrained=0)
    recording = recorded(claim).by_id()
    evidence = claim.weigh(recording, WEIGHING)
    norms = [recording.array(Activations("head_z", None, "norm"), i).mean(axis=1) for i in range(LAYERS)]
    curve = np.log2(norms).mean(axis=(1, 2))
    middle = curve[2:7].mean()
    assert evidence.bounds.effect[0] == pytest.approx(min(curve[:2].mean(), curve[7]) - middle)
    assert evidence.test.p[0] == pytest.approx(1 / 1000)


# ---- both


@pytest.mark.parametrize("base", [OfLayers, Quiet])
def test_blocks_are_units(base):
    blocked = replace(CORPUS, texts=tuple(replace(t, block=f"b{i // 2}") for i, t in enumerate(CORPUS.texts)))
    _, weighed, _ = outcome(base(), corpus=blocked)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 8, 16)
    assert any("8 blocks" in w for w in weighed.warnings)


@pytest.mark.parametrize("base", [OfLayers, Quiet])
def test_order_of_texts_changes_nothing_and_bare_decides_alike(base):
    assert outcome(base())[1].as_dict() == outcome(base(), corpus=shuffled(CORPUS))[1].as_dict()
    assert_bare_decides_alike(base(), recorded(base()).by_id(), WEIGHING)


@pytest.mark.parametrize("base", [HeadMagnitudes, QuietMiddle])
@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"untrained": 2}, "untrained = 2: a comparison with untrained networks needs at least 5 seeds"),
        ({"holds": everywhere()}, "speaks of all layers together; leave holds as it is"),
    ],
)
def test_constants_that_mean_nothing_are_refused(base, constants, message):
    with pytest.raises(ClaimError, match=re.escape(message)):
        claim_with(base, **constants).validate()


def test_networks_and_corpora_that_cannot_carry_it_are_refused():
    with pytest.raises(ClaimError, match="has 1 layers of 3 heads; variance between and within layers needs 2 of each"):
        OfLayers().requests(replace(SHAPE, layers=1))
    with pytest.raises(ClaimError, match="has 8 layers of 1 heads"):
        OfLayers().requests(replace(SHAPE, heads=1))
    with pytest.raises(ClaimError, match="has 2 layers; QuietMiddle needs at least 3"):
        Quiet().requests(replace(SHAPE, layers=2))
    for base in (OfLayers, Quiet):
        assert base().columns() == ()
        with pytest.raises(ClaimError, match="it needs at least 6"):
            base().check(before(Corpus("few", CORPUS.texts[:5])))
