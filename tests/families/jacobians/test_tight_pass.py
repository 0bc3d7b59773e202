"""TightPass and its two companions on planted spectra, whose answer is known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, before, planted_corpus
from weighed import judged

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.jacobians.tight_pass import TighterThanAttention, TightestAt, TightPass
from modclaims.look import TestSettings
from modclaims.recording import SPECTRUM, Jacobian, MemorySource, ModelShape, Recording
from modclaims.stats.quantifiers import everywhere
from modclaims.summaries import summarise

LAYERS, WIDTH = 4, 16
WEIGHING = TestSettings(resamples=999, permutations=999)
SHAPE = ModelShape("planted", LAYERS, 2, 2, WIDTH, 8, 64, 512)


def fraction(request, layer):
    """The planted effective rank over tokens x width: the MLP tight at layer 1, attention nowhere."""
    if request.variant is not None:
        return 0.6
    if request.block == "mlp":
        return 0.4 if layer == 1 else 0.58
    return 0.6


def recorded(claim, corpus=None, planted=fraction, seed=0):
    """What a claim asks for, each text and null object a little different."""
    corpus = corpus or planted_corpus()
    arrays = {}
    for request in claim.requests(SHAPE):
        chosen = request.chosen(corpus)
        size = request.tokens * WIDTH
        for layer in SHAPE.resolve_layers(request):
            key = [seed, layer, request.block == "mlp"]
            network = np.random.default_rng([*key, *(request.variant or "").encode()]).standard_normal()
            rows = []
            for index in chosen:
                text = np.random.default_rng([*key, *corpus.texts[index].id.encode()]).standard_normal()
                share = planted(request, layer) + 0.01 * text + 0.01 * network * (request.variant is not None)
                rank = share * size
                if request.answer == "effective_rank":
                    rows.append(rank)
                elif request.answer == "values":
                    rows.append(np.exp(-np.arange(size) / 10))
                else:
                    rows.append([rank, 0.0, rank / 2, rank / 3, size - 1, size - 1, 1.0, 1e-14][: len(SPECTRUM)])
            array = np.array(rows)
            if request.answer == "summary" and array.shape[1] < len(SPECTRUM):
                array = np.concatenate([array[:, :4], np.zeros((len(array), 1)), array[:, 4:]], axis=1)
            arrays[request, layer] = array
    return Recording(corpus, SHAPE, (0,), tuple(t.body for t in corpus.texts), MemorySource(arrays))


def outcome(claim, **options):
    return judged(claim, recorded(claim, **options), WEIGHING)[:2]


class Mlp(TightPass):
    """The MLP passes less than noise of the same size would."""


class Attention(TightPass):
    """Attention passes less than noise of the same size would."""

    block = "attention"
    expect = "refuted"


class Early(TightestAt):
    """The MLP is tightest in layer 1."""

    named = (1,)


class Paired(TighterThanAttention):
    """The MLP is tighter than attention."""


def test_a_planted_tight_layer_is_supported_and_named():
    verdict, weighed = outcome(Mlp())
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == 1
    assert weighed.effect == pytest.approx(0.2, abs=0.02)
    assert weighed.effect_low < 0.2 < weighed.effect_high
    assert weighed.action == "resampling texts and null objects"
    assert (weighed.n_texts, weighed.unit) == (6, "text")
    assert weighed.p is None
    assert "effective rank uses" in verdict.sentence
    assert "at layer 1" in verdict.sentence


def test_a_block_like_its_null_is_refuted_as_expected():
    verdict, _ = outcome(Attention())
    assert verdict.outcome.word == "refuted"
    assert verdict.as_expected


def test_named_layers_are_contrasted_with_the_others():
    verdict, weighed = outcome(Early())
    assert verdict.outcome.word == "supported"
    assert weighed.effect == pytest.approx(0.18, abs=0.02)
    assert outcome(type("Late", (Early,), {"named": (3,)})())[0].outcome.word == "refuted"


def test_the_mlp_is_paired_with_attention_by_sign_flips():
    verdict, weighed = outcome(Paired())
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == 1
    assert weighed.action == "flipping the signs of paired differences"
    assert weighed.p == pytest.approx(1 / 1000, abs=0.003)


def test_many_texts_are_flipped_by_draws():
    claim = type("Many", (Paired,), {"texts": None})()
    _, weighed = outcome(claim)
    assert not weighed.exact
    assert weighed.draws == 999
    assert weighed.p == pytest.approx(1 / 1000)


def test_effects_equal_means_made_by_hand():
    claim = Mlp()
    recording = recorded(claim).by_id()
    evidence = claim.weigh(recording, WEIGHING)
    mine = Jacobian("mlp", 3, texts=6)
    for cell, effect in zip(evidence.cells, evidence.bounds.effect, strict=True):
        own = recording.array(mine, cell.layer)[:, 0].mean()
        null = np.mean(
            [
                recording.array(replace(mine, answer="effective_rank", variant=f"gaussian:{k}"), cell.layer)
                for k in range(20)
            ]
        )
        assert effect == pytest.approx((null - own) / 48)


def test_other_nulls_stand_beside_the_claim():
    evidence = Mlp().weigh(recorded(Mlp()).by_id(), WEIGHING)
    assert [control.name for control in evidence.controls] == ["permuted_null", "untrained_null"]
    assert evidence.controls[0].numbers["tighter_than"] == 5
    assert "at 2 texts, the block at layer 1 is tighter than all 5" in evidence.controls[0].sentence


def test_the_order_of_texts_changes_nothing():
    corpus = planted_corpus()
    backwards = Corpus(corpus.name, corpus.texts[::-1])
    assert outcome(Mlp())[1].as_dict() == outcome(Mlp(), corpus=backwards)[1].as_dict()


def test_blocks_of_texts_are_units():
    corpus = planted_corpus()
    blocked = replace(corpus, texts=tuple(replace(t, block=f"b{i // 2}") for i, t in enumerate(corpus.texts)))
    claim = type("Whole", (Mlp,), {"texts": None})()
    _, weighed = outcome(claim, corpus=blocked)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 24, 48)
    assert weighed.action == "resampling blocks and null objects"
    claim = type("WholeAt", (Early,), {"texts": None})()
    assert outcome(claim, corpus=blocked)[1].action == "resampling blocks"


def test_no_effect_is_not_supported_and_half_an_effect_settles_nothing_here():
    """At an effect of exactly the smallest that matters neither side may be taken for granted."""

    def same(request, layer):
        return 0.6 if request.variant is not None else 0.55

    verdicts = [outcome(Mlp(), planted=same, seed=seed)[0].outcome.word for seed in range(8)]
    assert verdicts.count("inconclusive") >= 7


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"block": "head"}, "Block 'head' is unknown"),
        ({"null": "shuffled"}, "Null 'shuffled' is unknown; choose one of gaussian, permuted, untrained"),
        ({"draws": 5}, "draws = 5: a bound over null objects needs at least 20"),
        ({"tokens": 0}, "tokens = 0"),
        ({"texts": 1}, "texts = 1"),
        ({"smallest_effect": 2.0}, "below 1, the end of the scale of narrowing"),
    ],
)
def test_constants_that_mean_nothing_are_refused(constants, message):
    with pytest.raises(ClaimError, match=re.escape(message)):
        type("Claim", (TightPass,), constants)().validate()


def test_companions_refuse_what_has_no_place_in_them():
    with pytest.raises(ClaimError, match="named = \\(\\)"):
        type("Claim", (TightestAt,), {"named": ()})().validate()
    with pytest.raises(ClaimError, match="leave holds as it is"):
        type("Claim", (TightestAt,), {"holds": everywhere()})().validate()
    with pytest.raises(ClaimError, match="leave block as it is"):
        type("Claim", (TighterThanAttention,), {"block": "attention"})().validate()
    with pytest.raises(ClaimError, match="nothing to compare with"):
        type("Claim", (TightestAt,), {"named": (0, 1, 2, 3)})().requests(SHAPE)
    with pytest.raises(ClaimError, match="Layer 9"):
        type("Claim", (TightestAt,), {"named": (9,)})().requests(SHAPE)


def test_too_few_texts_are_refused_before_anything_is_recorded():
    small = planted_corpus().select(range(5))
    with pytest.raises(ClaimError, match="5 texts of corpus 'planted' carry this claim; it needs at least 6"):
        Mlp().check(before(small))


def test_a_claim_about_networks_needs_no_label():
    assert Mlp().columns() == ()


def test_estimated_ranks_warn_of_their_error():
    claim = Mlp()
    recording = recorded(claim)
    mine = Jacobian("mlp", 3, texts=6)
    recording.source.arrays[mine, 0][:, SPECTRUM.index("effective_rank_error")] = 2.0
    evidence = claim.weigh(recording.by_id(), WEIGHING)
    assert "numerical error reaches 0.042" in evidence.warnings[-1]


def test_the_summary_of_every_claim_can_be_told():
    for claim in (Mlp(), Attention(), Early(), Paired()):
        evidence = claim.weigh(recorded(claim).by_id(), WEIGHING)
        told = summarise(claim, evidence, 0.05)
        assert np.isfinite([told.effect, told.effect_low, told.effect_high]).all()
        kinds = {exhibit.kind for exhibit in evidence.exhibits}
        assert kinds == {"spectra", "rank_by_depth"}


@pytest.mark.parametrize("claim", [Mlp(), Early(), Paired()])
def test_bare_evidence_decides_alike(claim):
    assert_bare_decides_alike(claim, recorded(claim).by_id(), WEIGHING)
