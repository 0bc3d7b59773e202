"""FirstTokenAttention and AttentionSinks on planted shares, whose answer is known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, before, planted_corpus
from weighed import judging

from modclaims import AttentionSinks, FirstTokenAttention, everywhere
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.look import TestSettings
from modclaims.recording import MemorySource, ModelShape, Recording
from modclaims.runs.weighing import weigh
from modclaims.stats.effects.chunks import Division
from modclaims.verdict import judge

LAYERS, HEADS = 8, 3
SHAPE = ModelShape("planted", LAYERS, HEADS, HEADS, 12, 4, 48, 512)
POSITIONS = (3, 35, 39)
WEIGHING = TestSettings(resamples=999, permutations=999)
CORPUS = planted_corpus(topics=2, styles=2, texts=4)
CHUNKED = np.array([0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.2])
FLAT = np.full(LAYERS, 0.4)


def recorded(claim, curve=CHUNKED, corpus=CORPUS, positions=POSITIONS, twin=0.05, noise=0.03):
    """Shares about a curve; what the early position says must not matter, and untrained networks attend evenly."""
    arrays = {}
    for request in claim.requests(SHAPE):
        for layer in range(LAYERS):
            rows = []
            for text in corpus.texts:
                key = [layer, *(request.variant or "").encode(), *text.id.encode()]
                rng = np.random.default_rng(key)
                mean = (curve[layer] if request.variant is None else twin) + noise * rng.normal()
                count = 64 if request.positions else len(positions)
                share = np.clip(mean + np.linspace(-0.02, 0.02, HEADS) + 0.01 * rng.normal(size=(count, HEADS)), 0, 1)
                if not request.positions and positions[0] < 32:
                    share[0] = 1.0
                rows.append(share)
            arrays[request, layer] = np.array(rows)
    return Recording(corpus, SHAPE, positions, tuple(t.body for t in corpus.texts), MemorySource(arrays))


outcome = judging(recorded, WEIGHING)


class Parked(FirstTokenAttention):
    """The middle parks its attention on the first token."""


class Sinks(AttentionSinks):
    """Many heads are sinks."""


def test_planted_chunks_are_supported_and_named():
    verdict, weighed, (exhibit,) = outcome(Parked())
    assert verdict.outcome.word == "supported"
    assert weighed.best == {"layer": 2, "head": None, "axis": None, "last_layer": 6}
    assert weighed.best_words == "layers 2 to 6"
    assert weighed.effect == pytest.approx(0.3, abs=0.03)
    assert weighed.action == "flipping the signs of each text's contrasts"
    assert weighed.n_cells == 4 * 2
    assert exhibit.kind == "curve_by_depth"
    np.testing.assert_allclose(exhibit.arrays["mean"], CHUNKED, atol=0.03)
    low, high = (exhibit.arrays[key] - exhibit.arrays["mean"] for key in ("low", "high"))
    assert (low < 0).all() and (high > 0).all()
    assert 2 < np.mean(high - low) / (0.03 / np.sqrt(16)) < 8  # wider than two standard errors, being over all layers
    assert exhibit.arrays["begins"][0, 2] > 0.9
    assert "takes 0.1" in verdict.sentence and "in layers 2 to 6" in verdict.sentence


def test_a_flat_curve_is_refuted():
    verdict, weighed, _ = outcome(Parked(), curve=FLAT)
    assert verdict.outcome.word == "refuted"
    assert abs(weighed.effect) < 0.03


def test_a_rise_alone_is_no_chunk_at_both_ends():
    """The last layers must spread their attention again; with `ends` early nothing is asked of them."""
    risen = np.where(np.arange(LAYERS) < 2, 0.1, 0.5)
    verdict, weighed, _ = outcome(Parked(), curve=risen)
    assert verdict.outcome.word == "refuted"
    assert weighed.p > 0.05
    early = type("Early", (Parked,), {"ends": "early"})()
    assert outcome(early, curve=risen)[0].outcome.word == "supported"
    last = type("Last", (Parked,), {"ends": "last"})()
    assert outcome(last, curve=risen)[0].outcome.word == "refuted"
    assert outcome(last, curve=1 - risen[::-1])[0].outcome.word == "refuted"
    assert outcome(last, curve=risen[::-1])[0].outcome.word == "supported"


def test_effect_and_p_are_those_made_by_hand():
    claim = type("Named", (Parked,), {"named": (2, 6), "untrained": 0})()
    recording = recorded(claim).by_id()
    evidence = claim.weigh(recording, WEIGHING)
    request = claim.requests(SHAPE)[0]
    curve = np.stack([recording.array(request, i)[:, 1:].mean(axis=(1, 2)) for i in range(LAYERS)], axis=1)
    early = curve[:, 2:7].mean(axis=1) - curve[:, :2].mean(axis=1)
    last = curve[:, 2:7].mean(axis=1) - curve[:, 7]
    assert evidence.bounds.effect[0] == pytest.approx(min(early.mean(), last.mean()))
    assert evidence.test.joint.observed == pytest.approx([early.mean(), last.mean()])
    assert evidence.test.p[0] == pytest.approx(1 / 1000)
    assert [c.name for c in evidence.controls] == []


def test_six_texts_are_flipped_in_all_ways():
    few = Corpus("few", CORPUS.texts[:6])
    _, weighed, _ = outcome(Parked(), corpus=few)
    assert weighed.exact and weighed.draws == 64
    assert weighed.p == pytest.approx(1 / 64)


def test_what_was_picked_is_also_measured_apart_and_in_untrained_baselines():
    controls = {c["name"]: c for c in outcome(Parked())[1].controls}
    assert controls["held_out"]["numbers"]["median"] == pytest.approx(0.3, abs=0.03)
    assert controls["held_out"]["numbers"]["same"] == 20
    twin = controls["untrained_baseline"]["numbers"]
    assert len(twin["untrained"]) == 5 and max(map(abs, twin["untrained"])) < 0.03
    assert twin["low"] > 0.2 and "training adds to it" in controls["untrained_baseline"]["sentence"]


def test_sinks_stand_beside_the_contrast():
    secondary = {row["name"]: row["value"] for row in outcome(Parked())[1].secondary}
    assert secondary["heads above 0.3, early"] == secondary["heads above 0.3, last"] == 0
    assert secondary["heads above 0.3, middle"] == 1
    assert secondary["share of attention on the first token, middle"] == pytest.approx(0.5, abs=0.02)


def test_order_of_texts_and_neighbours_change_nothing():
    backwards = Corpus(CORPUS.name, CORPUS.texts[::-1])
    assert outcome(Parked())[1].as_dict() == outcome(Parked(), corpus=backwards)[1].as_dict()


def test_blocks_are_units():
    blocked = replace(CORPUS, texts=tuple(replace(t, block=f"b{i // 2}") for i, t in enumerate(CORPUS.texts)))
    _, weighed, _ = outcome(Parked(), corpus=blocked)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 8, 16)
    assert weighed.action == "flipping the signs of each block's contrasts"
    assert any("8 blocks" in w for w in weighed.warnings)


def test_bare_decides_alike():
    assert_bare_decides_alike(Parked(), recorded(Parked()).by_id(), WEIGHING)
    assert_bare_decides_alike(Sinks(), recorded(Sinks()).by_id(), WEIGHING)


def test_curves_without_spread_settle_nothing_and_are_counted():
    claim = type("Still", (Parked,), {"untrained": 0})()
    request = claim.requests(SHAPE)[0]
    arrays = {(request, i): np.full((len(CORPUS), 3, HEADS), 1 / 3) for i in range(LAYERS)}
    recording = replace(recorded(claim), source=MemorySource(arrays))
    weighed, _ = weigh(claim, recording, WEIGHING)
    assert judge({"c": weighed}, alpha=0.05, correction="holm")["c"].outcome.word == "inconclusive"
    assert len(weighed.degenerate) == weighed.n_cells
    assert not weighed.bounded


def test_divisions_of_a_network():
    assert Parked().divisions(SHAPE)[:3] == (Division(1, 6), Division(1, 7), Division(2, 6))
    named = {"both": (2, 5), "early": (2, 5), "last": (2, 5)}
    found = {e: type("N", (Parked,), {"named": m, "ends": e})().divisions(SHAPE) for e, m in named.items()}
    assert found == {"both": (Division(2, 6),), "early": (Division(2, 8),), "last": (Division(0, 6),)}
    assert type("N", (Parked,), {"named": (1, -2)})().divisions(SHAPE) == (Division(1, 7),)


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"ends": "middle"}, "ends = 'middle' is unknown; choose one of both, early, last"),
        ({"early_most": 0}, "early_most = 0 must be a share of the layers"),
        ({"last_most": 1.5}, "last_most = 1.5 must be a share"),
        ({"named": (3,)}, "named = (3,) must be the first and the last layer of the middle"),
        ({"untrained": 2}, "untrained = 2: a comparison with untrained networks needs at least 5 seeds"),
        ({"holds": everywhere()}, "FirstTokenAttention speaks of all layers together; leave holds as it is"),
        ({"smallest_effect": 1.0}, "the end of the scale of lesser contrast"),
    ],
)
def test_constants_that_mean_nothing_are_refused(constants, message):
    with pytest.raises(ClaimError, match=re.escape(message)):
        type("Claim", (FirstTokenAttention,), constants)().validate()


def test_networks_and_corpora_that_cannot_carry_it_are_refused():
    with pytest.raises(ClaimError, match="has 2 layers; FirstTokenAttention needs at least 3"):
        Parked().requests(replace(SHAPE, layers=2))
    with pytest.raises(ClaimError, match="leaves no layer to compare the middle with"):
        type("Claim", (Parked,), {"named": (0, 3)})().requests(SHAPE)
    with pytest.raises(ClaimError, match="it needs at least 6"):
        Parked().check(before(Corpus("few", CORPUS.texts[:5])))
    with pytest.raises(ClaimError, match=re.escape("leaves out the first 32 tokens, and the run reads nothing after")):
        Parked().weigh(recorded(Parked(), positions=(3, 30, 31)).by_id(), WEIGHING)
    with pytest.raises(ClaimError, match="reads 64 tokens, and model 'planted' at most 32"):
        Sinks().requests(replace(SHAPE, context=32))


# ---- AttentionSinks


def test_heads_above_the_threshold_are_counted():
    curve = np.array([0.1, 0.1, 0.3, 0.3, 0.6, 0.6, 0.3, 0.1])
    claim = Sinks()
    recording = recorded(claim, curve=curve)
    verdict, weighed, (exhibit,) = outcome(claim, curve=curve)
    request = claim.requests(SHAPE)[0]
    assert request.positions.resolve(64) == tuple(range(64))
    by_hand = np.mean([(recording.array(request, i).mean(axis=1) > 0.3).mean() for i in range(LAYERS)])
    assert weighed.effect == pytest.approx(by_hand) == pytest.approx(0.44, abs=0.1)
    assert verdict.outcome.word == "supported"
    assert weighed.p is None and weighed.action == "resampling texts"
    assert exhibit.arrays["mean"][5] == 1 and exhibit.arrays["mean"][0] == 0
    assert "0 % are sinks" in weighed.controls[0]["sentence"]


def test_heads_that_look_at_near_tokens_are_told_from_sinks():
    claim = type("Near", (Sinks,), {"untrained": 0})()
    recording = recorded(claim, curve=FLAT)
    near = np.where(np.arange(64) < 32, 1.9, 0.1)[None, :, None]
    arrays = {key: array * near for key, array in recording.source.arrays.items()}
    weighed, _ = weigh(claim, replace(recording, source=MemorySource(arrays)), WEIGHING)
    assert weighed.effect == pytest.approx(1, abs=0.05)
    assert [row["value"] for row in weighed.secondary] == [0]
    assert "alone, to which the first token is no neighbour, 0 % of all heads" in weighed.detail


def test_few_sinks_are_refuted():
    curve = np.r_[0.31, np.full(LAYERS - 1, 0.05)]
    claim = type("Half", (Sinks,), {"smallest_effect": 0.3})()
    assert outcome(claim, curve=curve)[0].outcome.word == "refuted"
