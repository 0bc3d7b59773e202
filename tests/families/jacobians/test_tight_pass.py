"""TightPass and its two companions on planted spectra, whose answer is known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, before, planted_corpus
from weighed import judged

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.jacobians.tight_pass import TightPass
from modclaims.families.jacobians.tighter_than_attention import TighterThanAttention
from modclaims.families.jacobians.tightest_at import TightestAt
from modclaims.look import TestSettings
from modclaims.recording import BY_TOKEN, Jacobian, MemorySource, ModelShape, Recording
from modclaims.stats.quantifiers import everywhere
from modclaims.summaries import summarise

LAYERS, WIDTH = 4, 16
WEIGHING = TestSettings(resamples=999, permutations=999)
SHAPE = ModelShape("planted", LAYERS, 2, 2, WIDTH, 8, 64, 512)


def fraction(request, layer):
    """The planted rank over the width: the MLP tight at layer 1, attention nowhere."""
    if request.variant is not None:
        return 0.6
    if request.block == "mlp":
        return 0.4 if layer == 1 else 0.58
    return 0.6


def recorded(claim, corpus=None, planted=fraction, seed=0, noise=0.01):
    """What a claim asks for, each text and null object a little different; ranks are the planted share of the width."""
    corpus = corpus or planted_corpus()
    arrays = {}
    for request in claim.requests(SHAPE):
        chosen = request.chosen(corpus)
        for layer in SHAPE.resolve_layers(request):
            key = [seed, layer, request.block == "mlp"]
            network = np.random.default_rng([*key, *(request.variant or "").encode()]).standard_normal()
            rows = []
            for index in chosen:
                text = np.random.default_rng([*key, *corpus.texts[index].id.encode()]).standard_normal()
                share = planted(request, layer) + noise * text + noise * network * (request.variant is not None)
                rank = share * WIDTH
                if request.answer == "token_values":
                    rows.append(np.tile(np.exp(-np.arange(WIDTH) / 10), (request.tokens, 1)))
                else:
                    active = -1.0 if request.block == "attention" else np.ceil(rank)
                    of_token = dict.fromkeys(BY_TOKEN, rank) | {
                        "effective_rank": rank / 2,
                        "largest": 1.0,
                        "floor": 2e-6,
                        "active": active,
                        "explained": min(active, WIDTH - 2),
                    }
                    rows.append([list(of_token.values())] * request.tokens)
            arrays[request, layer] = np.array(rows, dtype=np.float64)
    return Recording(corpus, SHAPE, (40,), tuple(t.body for t in corpus.texts), MemorySource(arrays))


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
    assert weighed.action == "taking the median over texts, each with null objects of its own"
    assert (weighed.n_texts, weighed.unit, weighed.exact, weighed.resamples) == (16, "text", True, 0)
    assert weighed.p is None
    assert "Of the 16 directions of a token's output 6 lie above the noise floor" in verdict.sentence
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


def test_the_mlp_is_paired_with_attention():
    verdict, weighed = outcome(Paired())
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == 1
    assert (weighed.p, weighed.action) == (None, "taking the median over texts")
    assert 1 / 2**16 < weighed.p_plus <= 4 / 2**16, "all sixteen texts, at one of four layers"


@pytest.mark.parametrize("quantity", ["numerical_rank", "effective_rank"])
def test_effects_equal_medians_made_by_hand(quantity):
    """24 null objects take turns at twelve texts, so each text is held against two."""
    claim = type("Mlp", (Mlp,), {"quantity": quantity, "texts": 12})()
    recording = recorded(claim).by_id()
    evidence = claim.weigh(recording, WEIGHING)
    mine, at = Jacobian("mlp", 3, texts=12), BY_TOKEN.index(quantity)
    assert [len(replace(mine, only=k).chosen(recording.corpus)) for k in (0, 5, 23)] == [1, 1, 1]
    for cell, effect in zip(evidence.cells, evidence.bounds.effect, strict=True):
        own = recording.array(mine, cell.layer)[:, 0, at]
        drawn = [replace(mine, variant=f"gaussian:{k}", only=k) for k in range(24)]
        null = np.array([recording.array(request, cell.layer)[0, 0, at] for request in drawn])
        differences = [null[[k, k + 12]].mean() - own[k] for k in range(12)]
        assert effect == pytest.approx(np.median(differences) / WIDTH)
        assert evidence.bounds.lower(0.05)[cell.layer] == pytest.approx(np.sort(differences)[2] / WIDTH)


def test_a_rank_that_is_the_same_everywhere_is_told_by_as_many_texts_as_agree():
    """Not no bound, and not more certainty than so many texts allow."""

    def full(request, layer):
        return 14 / 16

    verdict, weighed = outcome(Mlp(), planted=full, noise=0.0)
    assert (weighed.effect, weighed.effect_low, weighed.effect_high) == (0, 0, 0)
    assert weighed.p_minus == pytest.approx(2.0**-16)
    assert verdict.outcome.word == "refuted"


def test_active_neurons_are_told_and_drawn():
    evidence = Mlp().weigh(recorded(Mlp()).by_id(), WEIGHING)
    (told,) = [control for control in evidence.controls if control.name == "active_neurons"]
    assert "At layer 1 a token has 6 to 7 active neurons" in told.sentence
    assert told.numbers["explained"] == 1.0
    kinds = [exhibit.kind for exhibit in evidence.exhibits]
    assert kinds == ["spectra", "rank_by_depth", "active_neurons"]
    many = type("Many", (Mlp,), {"tokens": 34, "ends_at": 33, "layers": (0,)})()
    exhibits = many.weigh(recorded(many).by_id(), WEIGHING).exhibits
    assert [exhibit.kind for exhibit in exhibits][-1] == "rank_by_tokens"
    np.testing.assert_allclose(np.diff(exhibits[-1].arrays["rank"][0]), exhibits[-1].arrays["rank"][0, 0])
    attention = Attention().weigh(recorded(Attention()).by_id(), WEIGHING)
    assert "active_neurons" not in [control.name for control in attention.controls]


def test_every_text_needs_a_null_object_of_its_own():
    claim = type("All", (Mlp,), {"texts": None})()
    with pytest.raises(ClaimError, match=r"24 null objects for 48 texts: .* Raise draws to 48, or lower texts"):
        claim.check(before(planted_corpus()))


def test_other_nulls_stand_beside_the_claim():
    evidence = Mlp().weigh(recorded(Mlp()).by_id(), WEIGHING)
    assert [control.name for control in evidence.controls] == ["active_neurons", "permuted_null", "untrained_null"]
    assert evidence.controls[1].numbers["tighter_than"] == 6
    assert "each at one text, the block at layer 1 is tighter than all 6" in evidence.controls[1].sentence


def test_the_order_of_texts_changes_nothing():
    corpus = planted_corpus()
    backwards = Corpus(corpus.name, corpus.texts[::-1])
    assert outcome(Mlp())[1].as_dict() == outcome(Mlp(), corpus=backwards)[1].as_dict()


def test_blocks_of_texts_are_units():
    corpus = planted_corpus()
    blocked = replace(corpus, texts=tuple(replace(t, block=f"b{i // 2}") for i, t in enumerate(corpus.texts)))
    claim = type("Whole", (Mlp,), {"texts": None, "draws": 96})()
    _, weighed = outcome(claim, corpus=blocked)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 24, 48)
    assert weighed.action == "taking the median over blocks, each with null objects of its own"
    claim = type("WholeAt", (Early,), {"texts": None})()
    assert outcome(claim, corpus=blocked)[1].action == "taking the median over blocks"


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
        ({"quantity": "rank"}, "Quantity 'rank' is unknown; choose one of numerical_rank, effective_rank, above_tenth"),
        ({"tokens": 0}, "tokens = 0"),
        ({"ends_at": 1}, "ends_at = 1: a window of 3 tokens ends at token 2 or later"),
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


def test_the_summary_of_every_claim_can_be_told():
    for claim in (Mlp(), Attention(), Early(), Paired()):
        evidence = claim.weigh(recorded(claim).by_id(), WEIGHING)
        told = summarise(claim, evidence, 0.05)
        assert np.isfinite([told.effect, told.effect_low, told.effect_high]).all()
        kinds = {exhibit.kind for exhibit in evidence.exhibits}
        assert kinds - {"active_neurons"} == {"spectra", "rank_by_depth"}


@pytest.mark.parametrize("claim", [Mlp(), Early(), Paired()])
def test_bare_evidence_decides_alike(claim):
    assert_bare_decides_alike(claim, recorded(claim).by_id(), WEIGHING)
