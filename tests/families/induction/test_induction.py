"""InductionHeads on planted scores, InductionExplanation on planted copies, and what is copied by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import assert_bare_decides_alike
from weighed import judged

from modclaims import (
    CategoryClustering,
    InductionExplanation,
    InductionHeads,
    WithinVersusStyle,
    along_depth,
    at,
    everywhere,
)
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.categories import known_copies as copies
from modclaims.families.common.copying import COUNTED, PAID, READ, SCORES, Copying, shared_followers
from modclaims.families.induction import known_answers
from modclaims.look import TestSettings
from modclaims.planting import known
from modclaims.planting.known import HEADS, LAYERS, LAYOUTS
from modclaims.recording import Activations, MemorySource, ModelShape, Recording
from modclaims.stats.streams import stream

WEIGHING = TestSettings(resamples=499, permutations=499)
SHAPE = ModelShape("planted", LAYERS, HEADS, HEADS, 16, 4, 64, 512)
LAYOUT = LAYOUTS["64 crossed"]


class Heads(InductionHeads):
    """Some head copies."""

    sequences = 12


class Beyond(InductionExplanation):
    """Texts of a category are alike beyond copies."""

    layers = copies.LOOKED


class Raw(CategoryClustering):
    """Texts of a category are alike."""

    layers = copies.LOOKED
    untrained = 0


def outcome(claim, recording):
    return judged(claim, recording, WEIGHING)


def dressed(recording, seed=0):
    """The same recording with the embeddings and untrained networks that stand beside the claim."""
    rng, arrays = np.random.default_rng(seed), dict(recording.source.arrays)
    arrays[Activations("embed"), 0] = rng.standard_normal((len(recording.corpus), 4, 8))
    for twin in range(5):
        for layer in copies.LOOKED:
            request = Activations("attn_out", copies.LOOKED, variant=f"untrained:{twin}")
            arrays[request, layer] = rng.standard_normal((len(recording.corpus), 4, 8))
    words = tuple(" ".join(f"w{v}" for v in rng.integers(0, 300, 40)) for _ in recording.read)
    return replace(recording, source=MemorySource(arrays), read=words)


def copied(effect=0.0, seed=3, share=copies.SHARE):
    rng = stream(seed, "copied")
    tokens, paid = copies.copied(rng, LAYOUT, share)
    return dressed(copies.recorded(LAYOUT, copies.activations(rng, LAYOUT, tokens, paid, effect), tokens, paid))


def scored(effect, claim=None, seed=4):
    claim = claim or Heads()
    return known_answers.scored(
        stream(seed, "scored"), claim._request(), claim.draws, "normal", LAYOUTS["12 texts"], effect
    )


# ---- what is copied


def test_followers_are_shared_as_counted_by_hand():
    ids = np.array(
        [
            [1, 5, 1, 6, 1],  # 1 was followed by 5 and by 6
            [1, 5, 2, 6, 1],  # 1 was followed by 5
            [1, 6, 2, 5, 2],  # 2 was followed by 5
            [1, 5, 2, 6, 3],  # 3 is new
            [2, 2, 2, 7, 2],  # 2 was followed by 2, 2 and 7
        ]
    )
    (found,) = shared_followers(ids, [4])
    expected = [[0.5, 0.5, 0.5, 0, 0], [0.5, 1, 1, 0, 0], [0.5, 1, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 5 / 9]]
    np.testing.assert_allclose(found, expected, atol=1e-15)
    assert not shared_followers(ids, [0, 1])[:, :4].any(), "the first two tokens have nothing before them to copy"


@given(st.integers(0, 2**20), st.integers(2, 6), st.integers(2, 9))
def test_neither_the_names_of_tokens_nor_what_comes_later_changes_what_is_shared(seed, texts, tokens):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 4, (texts, tokens))
    found = shared_followers(ids, range(tokens))
    renamed = rng.permutation(50)[:4][ids]
    np.testing.assert_allclose(shared_followers(renamed, range(tokens)), found, atol=1e-15)
    cut = ids.copy()
    cut[:, tokens // 2 + 1 :] = rng.integers(0, 4, cut[:, tokens // 2 + 1 :].shape)
    np.testing.assert_allclose(shared_followers(cut, range(tokens // 2 + 1)), found[: tokens // 2 + 1], atol=1e-15)
    own = np.einsum("ptt->pt", found)
    assert (found >= 0).all() and (found <= np.sqrt(own[:, :, None] * own[:, None]) + 1e-12).all()


def test_how_much_is_copied_is_attention_weighted_by_scores_over_the_layers_so_far():
    paid = np.array([[[0.5], [0.0]], [[0.2], [0.4]]])  # (layer, text, position)
    scores = np.array([[0.9, 0.05], [0.05, 0.5]])
    corpus = known.corpus(LAYOUTS["12 texts"]).select([0, 1])
    shape = replace(SHAPE, layers=2, heads=2, kv_heads=2)
    arrays = {(SCORES, layer): scores[[layer]] for layer in (0, 1)}
    arrays |= {(PAID, layer): np.repeat(paid[layer][:, :, None], 2, axis=2) for layer in (0, 1)}
    arrays[READ, 0] = np.array([[7, 8, 7], [7, 8, 7]])
    copying = Copying.of(Recording(corpus, shape, (2,), ("", ""), MemorySource(arrays)))
    np.testing.assert_array_equal(copying.counted, [[True, False], [False, True]])
    np.testing.assert_allclose(copying.counts(0), [0.45, 0])
    np.testing.assert_allclose(copying.counts(1), [0.45 + 0.1, 0.2])
    np.testing.assert_allclose(copying.similarity(1), np.outer([0.55, 0.2], [0.55, 0.2]))
    assert [copying.reached(layer, "attn_out") for layer in (0, 1)] == [0, 1]
    assert [copying.reached(layer, "resid_pre") for layer in (0, 1)] == [-1, 0]


# ---- InductionExplanation


def test_likeness_by_copies_alone_is_refuted_though_texts_are_alike():
    recording = copied()
    assert outcome(Raw(), recording)[0].outcome.word == "supported"
    verdict, weighed, exhibits = outcome(Beyond(), recording)
    assert verdict.outcome.word == "refuted"
    assert weighed.statistic == "t beyond induction"
    assert weighed.action == "exchanging category given what induction heads copy"
    induction = weighed.controls[0]
    assert induction["name"] == "induction" and induction["numbers"]["heads_counted"] == 1
    assert induction["numbers"]["share_left"] < 0.3 < induction["numbers"]["delta"]
    assert "the best head (layer 0, head 0) pays 0.90" in induction["sentence"]
    assert {c["name"] for c in weighed.controls} >= {"shared_words", "plain_measures", "untrained_baseline"}
    both, scores = exhibits[:2]
    assert (both.kind, scores.kind) == ("raw_and_partial", "head_map")
    np.testing.assert_allclose(both.arrays["effect"][0, 0], outcome(Raw(), recording)[2][0].arrays["effect"][0])
    assert (both.arrays["share_left"] < 0.4).all() and (both.arrays["effect"][1] < both.arrays["effect"][0] - 0.1).all()
    assert scores.arrays["significant"].sum() == 1 and scores.arrays["effect"][0, 0] == pytest.approx(copies.SCORE)


def test_likeness_beside_copies_is_left():
    verdict, weighed, _ = outcome(Beyond(), copied(effect=0.05))
    assert verdict.outcome.word == "supported"
    assert {row["name"] for row in weighed.secondary} >= {
        "delta, nothing taken out",
        "share of the gap beyond induction",
        "variance of pairs that copying explains",
    }


def test_where_no_head_counts_the_partial_effect_is_the_raw_one():
    recording = copied()
    arrays = dict(recording.source.arrays)
    for layer in range(LAYERS):
        arrays[SCORES, layer] = np.full((SCORES.sequences, HEADS), 0.99 * COUNTED)
    recording = replace(recording, source=MemorySource(arrays))
    raw, beyond = (outcome(claim, recording)[1] for claim in (Raw(), Beyond()))
    assert beyond.effect == raw.effect
    assert beyond.controls[0]["numbers"]["share_left"] == pytest.approx(1)
    assert "so nothing was taken out there: delta is" in beyond.controls[0]["sentence"]
    assert any("No head that copies reaches layer" in warning for warning in beyond.warnings)
    assert not outcome(Beyond(), copied())[1].warnings


def test_a_layer_before_the_head_that_copies_is_left_as_it_is():
    recording = copied()
    arrays = dict(recording.source.arrays)
    for request in (SCORES, PAID):
        arrays[request, 0], arrays[request, 1] = arrays[request, 1], arrays[request, 0]
    moved = replace(recording, source=MemorySource(arrays))
    found, before = (outcome(Beyond(), r)[2][0].arrays["share_left"] for r in (moved, recording))
    np.testing.assert_allclose(found[0], 1)
    assert found[1] == pytest.approx(before[1])


def test_order_of_texts_and_neighbours_change_nothing():
    recording = copied()
    order = np.random.default_rng(1).permutation(len(recording.corpus)).tolist()
    arrays = {
        key: values if key[0] == SCORES else np.asarray(values)[order]
        for key, values in recording.source.arrays.items()
    }
    shuffled = replace(
        recording,
        corpus=recording.corpus.select(order),
        read=tuple(recording.read[i] for i in order),
        source=MemorySource(arrays),
    )
    assert outcome(Beyond(), recording)[1].as_dict() == outcome(Beyond(), shuffled)[1].as_dict()


def test_bare_decides_alike():
    assert_bare_decides_alike(Beyond(), copied(), WEIGHING)
    assert_bare_decides_alike(Heads(), scored(0.3), WEIGHING)


def test_what_copies_explain_is_about_what_a_straight_line_does():
    """The share of variance against a straight line, which is what copies make here."""
    claim, recording = Beyond(), copied(effect=0.05)
    evidence = claim.weigh(recording, WEIGHING)
    copying = Copying.of(recording)
    assert evidence.secondary["variance of pairs that copying explains"].min() > 0.1
    x = recording.array(Activations("attn_out", copies.LOOKED), 1)
    inner = np.einsum("tpu,vpu->tv", x, x) / x.shape[1]
    i, j = np.triu_indices(len(x), 1)
    known_part = np.corrcoef(copying.similarity(1)[i, j], inner[i, j])[0, 1] ** 2
    assert evidence.secondary["variance of pairs that copying explains"][1] == pytest.approx(known_part, abs=0.12)


def test_blocks_are_units():
    recording = copied()
    blocked = Corpus(
        recording.corpus.name, tuple(replace(t, block=f"b{i // 2}") for i, t in enumerate(recording.corpus.texts))
    )
    _, weighed, _ = outcome(Beyond(), replace(recording, corpus=blocked))
    assert (weighed.unit, weighed.n_units) == ("block", 32)


def test_the_claim_may_rise_along_depth_and_be_of_heads():
    rising = type("Rising", (Beyond,), {"holds": along_depth("rises"), "layers": None})()
    recording = copied()
    arrays = dict(recording.source.arrays)
    whole = [Activations("attn_out", variant=v) for v in (None, *(f"untrained:{i}" for i in range(5)))]
    for request in whole:
        for layer in range(LAYERS):
            mine = replace(request, layers=copies.LOOKED)
            arrays[request, layer] = recording.array(mine, layer % 2)
    rng = np.random.default_rng(2)
    by_head = [Activations("head_z", (1,), variant=v) for v in (None, *(f"untrained:{i}" for i in range(5)))]
    arrays |= {(request, 1): rng.standard_normal((64, 4, HEADS, 3)) for request in by_head}
    recording = replace(recording, source=MemorySource(arrays))
    _, weighed, exhibits = outcome(rising, recording)
    assert weighed.effect_name == "rise of delta" and weighed.n_cells == 1 and exhibits[0].kind == "raw_and_partial"
    heads = type("OfHeads", (Beyond,), {"site": "head_z", "layers": (1,)})()
    _, weighed, exhibits = outcome(heads, recording)
    assert weighed.n_cells == HEADS and [e.kind for e in exhibits[:2]] == ["head_map", "head_map"]


def test_two_crossed_factors_are_compared_beyond_copies():
    recording = copied()
    names = {"label": "category", "within": "topic", "layers": copies.LOOKED, "untrained": 0}
    raw, beyond = (
        type("Crossed", (WithinVersusStyle,), {**names, "beyond": b})().weigh(recording, replace(WEIGHING, bare=True))
        for b in (None, "induction")
    )
    assert (raw.bounds.effect > 0.2).all() and (np.abs(beyond.bounds.effect) < 0.15).all()


@pytest.mark.parametrize(
    ("base", "constants", "message"),
    [
        (InductionExplanation, {"beyond": None}, "leave beyond as it is"),
        (InductionExplanation, {"beyond": "shared_words"}, "leave beyond as it is"),
        (CategoryClustering, {"beyond": "copies"}, "choose None or 'shared_words' or 'induction'"),
        (
            InductionHeads,
            {"null": "shuffled"},
            "Null 'shuffled' is unknown; choose one of gaussian, permuted, untrained",
        ),
        (InductionHeads, {"draws": 5}, "draws = 5: a bound over null objects needs at least 20"),
        (InductionHeads, {"sequences": 5}, "sequences = 5: a bound over sequences needs at least 12"),
        (InductionHeads, {"period": 1}, "induction needs at least 1 sequence of period 2"),
        (InductionHeads, {"holds": along_depth("rises")}, "InductionHeads has none of"),
        (InductionHeads, {"smallest_effect": 1.0}, "the end of the scale of score above null"),
    ],
)
def test_constants_that_mean_nothing_are_refused(base, constants, message):
    with pytest.raises(ClaimError, match=re.escape(message)):
        type("Claim", (base,), constants)().validate()


@pytest.mark.parametrize("claim", [Heads(), Beyond()])
def test_encoders_and_short_contexts_are_refused_before_anything_is_recorded(claim):
    assert SCORES in (*claim.requests(SHAPE), SCORES)
    with pytest.raises(ClaimError, match="is not causal: its tokens also see what comes after them"):
        claim.requests(replace(SHAPE, causal=False))
    with pytest.raises(ClaimError, match="sequences of 64 tokens and more, and model 'planted' reads at most 64"):
        claim.requests(replace(SHAPE, context=64))


# ---- InductionHeads


def test_heads_that_score_are_supported_and_others_refuted():
    verdict, weighed, (exhibit,) = outcome(Heads(), scored(0.6))
    assert verdict.outcome.word == "supported"
    assert weighed.n_cells == LAYERS * HEADS and weighed.unit == "sequence" and weighed.n_units == 12
    assert weighed.p is None and weighed.action == "resampling sequences and null objects"
    assert {c["name"] for c in weighed.controls} == {"even_spread", "null_objects"}
    assert exhibit.kind == "head_map" and exhibit.arrays["significant"].all()
    verdict, _, (exhibit,) = outcome(Heads(), scored(0.05))
    assert verdict.outcome.word == "refuted"
    assert not exhibit.arrays["significant"].any()
    verdict, _, _ = outcome(Heads(), scored(0.3))
    assert verdict.outcome.word == "inconclusive"
    told = f"{verdict.sentence} {verdict.reason} {verdict.message}"
    assert "sequences" in told and "texts" not in told


def test_the_effect_is_the_score_less_the_mean_of_the_null_objects():
    claim, recording = Heads(), scored(0.4)
    evidence = claim.weigh(recording, WEIGHING)
    own = np.concatenate([recording.array(claim._request(), i) for i in range(LAYERS)], axis=1)
    null = [
        np.concatenate([recording.array(claim._request(f"untrained:{s}"), i) for i in range(LAYERS)], axis=1)
        for s in range(claim.draws)
    ]
    np.testing.assert_allclose(evidence.bounds.effect, own.mean(axis=0) - np.mean(null, axis=(0, 1)))
    assert [str(c) for c in evidence.cells[:5]] == [f"layer 0, head {h}" for h in range(HEADS)] + ["layer 1, head 0"]


def test_layers_that_are_named_and_other_quantifiers():
    recording = scored(0.6)
    assert outcome(type("Named", (Heads,), {"holds": at(1)})(), recording)[1].best["layer"] == 1
    assert outcome(type("All", (Heads,), {"holds": everywhere()})(), recording)[0].outcome.word == "supported"


def test_the_corpus_plays_no_part():
    first = scored(0.4)
    other = replace(first, corpus=first.corpus.select(range(3)), read=first.read[:3])
    assert outcome(Heads(), first)[1].as_dict() == outcome(Heads(), other)[1].as_dict()
    assert Heads().columns() == ()
