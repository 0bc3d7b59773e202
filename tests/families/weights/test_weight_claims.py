"""Claims about weights alone, on planted matrices: what they refuse, what they ask for, and what changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, planted_corpus, shuffled
from weighed import judging

from modclaims import (
    OVDirections,
    QKDirections,
    TokenNeuronCongruence,
    WeightClusterability,
    along_depth,
    at,
    everywhere,
)
from modclaims.errors import ClaimError
from modclaims.families.weights.weight_claims import NullComparison
from modclaims.look import TestSettings
from modclaims.planning.context import PlanContext
from modclaims.planting.family import claim_of
from modclaims.recording import MemorySource, ModelShape, Recording, Weights
from modclaims.stats.maps.weight_graphs import WeightGraph, clustered

SHAPE = ModelShape("planted", 3, 4, 2, 8, 2, 16, 64)
TOKENS = 90
SMALL = {
    WeightClusterability: {"clusters": 3, "others": (2,)},
    OVDirections: {"tokens": 4},
    QKDirections: {"tokens": 4},
    TokenNeuronCongruence: {"largest": 3},
}
FAMILIES = tuple(SMALL)
WEIGHING = TestSettings(resamples=299, permutations=299)


def small(family, **constants):
    return claim_of(family, **({"draws": 119} | SMALL[family] | constants))


def recorded(claim, shape=SHAPE, corpus=None, seed=0, change=None):
    """Noise for every matrix that the claim asks for; `change(request, layer, array)` may plant something in it."""
    corpus = corpus or planted_corpus()
    kv = shape.kv_heads * shape.head_width
    sizes = {
        **dict.fromkeys(("embedding", "unembedding"), (TOKENS, shape.width)),
        **dict.fromkeys(("mlp_in", "mlp_gate"), (shape.mlp_width, shape.width)),
        "mlp_out": (shape.width, shape.mlp_width),
        "q": (shape.heads * shape.head_width, shape.width),
        "o": (shape.width, shape.heads * shape.head_width),
        **dict.fromkeys(("k", "v"), (kv, shape.width)),
    }
    arrays = {}
    for request in claim.requests(shape):
        for layer in shape.resolve_layers(request):
            drawn = np.random.default_rng([seed, layer, *request.matrix.encode()]).standard_normal(
                sizes[request.matrix]
            )
            arrays[request, layer] = drawn if change is None else change(request, layer, drawn)
    return Recording(corpus, shape, (0,), tuple(t.body for t in corpus.texts), MemorySource(arrays))


outcome = judging(recorded, WEIGHING)


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_supports_nothing(family):
    verdict, weighed, exhibits = outcome(small(family))
    assert verdict.outcome.word != "supported"
    assert (weighed.n_texts, weighed.n_units, weighed.unit) == (0, 119, "null object")
    assert weighed.texts_to_refute is weighed.texts_to_support is None
    assert {"against_draws", "null_histogram"} <= {e.kind for e in exhibits}
    assert weighed.controls
    assert "in this network" in verdict.sentence


@pytest.mark.parametrize("family", FAMILIES)
def test_bare_decides_alike(family):
    claim = small(family)
    assert_bare_decides_alike(claim, recorded(claim), WEIGHING)


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_and_their_order_play_no_part(family):
    claim = small(family)
    corpus = planted_corpus(texts=2)
    one, other = (outcome(claim, corpus=c)[1] for c in (planted_corpus(), shuffled(corpus)))
    assert one == other


@pytest.mark.parametrize("family", FAMILIES)
def test_other_layers_change_no_draw(family):
    everything, two = small(family), small(family, layers=(0, 2))
    first, second = (c.weigh(recorded(c), replace(WEIGHING, bare=True)) for c in (everything, two))
    np.testing.assert_array_equal(first.test.null[:, [0, 2]], second.test.null)
    np.testing.assert_array_equal(first.bounds.theta[[0, 2]], second.bounds.theta)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_seed_or_a_name_gives_other_draws(family):
    claim = small(family)
    found = recorded(claim)
    bare = replace(WEIGHING, bare=True)
    named = type("Other", (type(claim),), {})()
    nulls = [c.weigh(found, w).test.null[1:] for c, w in ((claim, bare), (claim, replace(bare, seed=1)), (named, bare))]
    assert not np.array_equal(nulls[0], nulls[1])
    assert not np.array_equal(nulls[0], nulls[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_plans_say_how_claims_are_weighed(family):
    for holds in (None, at(1), along_depth("rises")):
        claim = small(family) if holds is None else small(family, holds=holds)
        before = PlanContext(planted_corpus(), SHAPE, (0,), WEIGHING)
        made, weighed = claim.plan(before), outcome(claim)[1]
        assert (made.units, made.unit, made.texts, made.cells) == (119, weighed.unit, 0, weighed.n_cells)
        assert made.action == weighed.action
        assert (made.test is None) == (weighed.p is None)
        assert made.bounds.floor == weighed.bound_floor
        if made.test is not None:
            assert made.test.floor == weighed.smallest_attainable_p == 1 / 120
            assert made.test.raised_by == "draws"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_slope_needs_three_layers(family):
    claim = small(family, holds=along_depth("rises"), layers=(0, 2))
    with pytest.raises(ClaimError, match="at least 3 layers, and 2"):
        claim.weigh(recorded(claim), WEIGHING)
    with pytest.raises(ClaimError, match="at least 3 layers"):
        claim.plan(PlanContext(planted_corpus(), SHAPE, (0,), WEIGHING))


def test_along_depth_is_the_slope_of_the_effects_by_layer():
    found = {}
    for direction in ("rises", "falls"):
        claim = small(TokenNeuronCongruence, holds=along_depth(direction))
        found[direction] = claim.weigh(recorded(claim), WEIGHING)
    each = small(TokenNeuronCongruence, holds=everywhere())
    effect = each.weigh(recorded(each), WEIGHING).bounds.effect
    slope = np.polyfit([0, 0.5, 1], effect, 1)[0]
    assert found["rises"].bounds.effect[0] == pytest.approx(slope)
    assert found["falls"].bounds.effect[0] == pytest.approx(-slope)
    assert found["rises"].effect_name == "rise of relative rise"


@pytest.mark.parametrize(
    ("family", "constants", "message"),
    [
        (WeightClusterability, {"draws": 50}, "draws = 50"),
        (WeightClusterability, {"score": "cut"}, "Score 'cut' is unknown"),
        (WeightClusterability, {"null": "rows"}, "Null 'rows' is unknown"),
        (WeightClusterability, {"clusters": 1}, "at least 2 parts"),
        (OVDirections, {"matrix": "vo"}, "Matrix 'vo' is unknown"),
        (OVDirections, {"matrix": "mlp_in", "side": "write"}, "mlp_in has read"),
        (OVDirections, {"tokens": 1}, "at least 2 have a cosine"),
        (OVDirections, {"level": 0.2}, "at least .5 and below 1"),
        (OVDirections, {"beyond": "words"}, "beyond = 'words' is unknown"),
        (TokenNeuronCongruence, {"matrix": "q"}, "Matrix 'q' is unknown"),
        (TokenNeuronCongruence, {"largest": 0}, "at least 1 token"),
    ],
)
def test_impossible_constants_are_refused(family, constants, message):
    with pytest.raises(ClaimError, match=message):
        small(family, **constants).validate()


@pytest.mark.parametrize(
    ("claim", "shape", "message"),
    [
        (small(WeightClusterability, clusters=17), SHAPE, "have at most 16 parts"),
        (small(WeightClusterability, layers=(7,)), SHAPE, "Layer 7 of matrix 'mlp_in' does not exist"),
        (small(OVDirections), replace(SHAPE, causal=False), "is an encoder and has no unembedding"),
        (small(TokenNeuronCongruence, matrix="mlp_gate"), SHAPE, "have no gate"),
    ],
)
def test_what_a_network_lacks_is_refused_before_it_is_read(claim, shape, message):
    with pytest.raises(ClaimError, match=message):
        claim.requests(shape)


def test_small_vocabularies_are_refused():
    for claim in (small(OVDirections, tokens=30), small(TokenNeuronCongruence, largest=TOKENS)):
        with pytest.raises(ClaimError, match="planted"):
            claim.weigh(recorded(claim), WEIGHING)


def test_gated_mlps_are_joined_by_both_matrices():
    gated = replace(SHAPE, gated=True)
    claim = small(WeightClusterability)
    assert [r.matrix for r in claim.requests(gated)] == ["mlp_in", "mlp_gate", "mlp_out"]
    found = recorded(claim, gated)
    evidence = claim.weigh(found, replace(WEIGHING, bare=True))
    reads, gate, writes = (np.abs(found.array(Weights(n), 1)) for n in ("mlp_in", "mlp_gate", "mlp_out"))
    by_hand = clustered(WeightGraph.of(writes.T, reads, gate), (3,))[0, 0]
    assert evidence.test.observed[1] == pytest.approx(-by_hand, abs=1e-5)


def test_equal_weights_are_all_ties():
    """Every shuffle is the network itself, so that all are as extreme, and nothing is settled."""
    claim = small(WeightClusterability)
    verdict, weighed, _ = outcome(claim, change=lambda request, layer, drawn: np.ones_like(drawn))
    assert weighed.p == 1.0
    assert not weighed.bounded
    assert verdict.outcome.word == "inconclusive"
    assert weighed.degenerate == ["layer 0", "layer 1", "layer 2"]


def test_shuffles_that_keep_zeros_in_place_explain_sparse_modules():
    """Weights that differ little but for zeros: where the zeros are is all there is, and no cut of theirs can drop."""

    def blocks(request, layer, drawn):
        rows, columns = (np.arange(n) % 2 for n in drawn.shape)
        return np.where(rows[:, None] == columns, 1.0, 0.0) * (1 + 0.1 * np.abs(drawn))

    free, kept = (small(WeightClusterability, clusters=2, null=null) for null in ("matrix", "nonzero"))
    assert outcome(free, change=blocks)[1].p == 1 / 120
    verdict, weighed, _ = outcome(kept, change=blocks)
    assert verdict.outcome.word == "inconclusive"
    assert not weighed.bounded
    assert weighed.p == 1.0
    controls = {c["name"]: c["numbers"] for c in outcome(free, change=blocks)[1].controls}
    assert controls["nonzero_null"]["zeros"] > 0
    assert controls["nonzero_null"]["effect"] == 0


def test_grouped_heads_read_by_the_values_of_their_group():
    """Query heads 0 and 1 share key-value head 0, so that what head 1 writes into is fed by it."""
    claim = small(OVDirections)
    found = recorded(claim)
    matrices = [np.asarray(found.array(Weights(name), 0)) for name in ("v", "o")]
    bases = list(claim._bases(matrices, SHAPE))
    assert len(bases) == SHAPE.heads
    values, output = matrices
    for head, basis in enumerate(bases):
        product = output[:, 2 * head : 2 * head + 2] @ values[2 * (head // 2) : 2 * (head // 2) + 2]
        u = np.linalg.svd(product)[0][:, :2]
        assert np.abs(np.sum(basis * u.T, axis=1)) == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("matrix", "side", "expected"),
    [
        ("ov", "read", "right"),
        ("qk", None, "left"),
        ("qk", "write", "right"),
        ("mlp_in", None, "in"),
        ("mlp_out", None, "out"),
    ],
)
def test_sides_are_the_singular_vectors_that_face_the_stream(matrix, side, expected):
    shape = replace(SHAPE, kv_heads=4)
    claim = small(OVDirections, matrix=matrix, side=side)
    requests = claim._matrices()
    found = recorded(claim, shape)
    arrays = [np.asarray(found.array(r, 0)) for r in requests]
    basis = next(claim._bases(arrays, shape))
    if expected in ("in", "out"):
        u, _, vt = np.linalg.svd(arrays[0], full_matrices=False)
        reference = vt if expected == "in" else u.T
    else:
        first, second = (a.T if r.matrix == "o" else a for a, r in zip(arrays, requests, strict=True))
        product = second[:2].T @ first[:2] if matrix == "ov" else first[:2].T @ second[:2]
        u, _, vt = np.linalg.svd(product)
        reference = u[:, :2].T if expected == "left" else vt[:2]
    assert np.abs(np.sum(basis * reference, axis=1)) == pytest.approx(np.ones(len(basis)))


def test_a_shift_that_all_tokens_share_counts_for_nothing_unless_asked_for():
    def shifted(request, layer, drawn):
        return drawn + 5 if request.matrix == "embedding" else np.abs(drawn)

    centred, raw = (small(TokenNeuronCongruence, centred=c) for c in (True, False))
    assert outcome(raw, change=shifted)[1].effect > 1
    assert abs(outcome(centred, change=shifted)[1].effect) < 0.2


def test_lengths_of_neurons_are_those_of_their_null_objects():
    """Longer weights have larger products, and so do random ones of their length."""
    claim = small(TokenNeuronCongruence)
    one, ten = (
        claim.weigh(
            recorded(claim, change=lambda r, layer, x, f=f: x if r.matrix == "embedding" else f * x),
            replace(WEIGHING, bare=True),
        )
        for f in (1, 10)
    )
    assert ten.bounds.effect == pytest.approx(one.bounds.effect, abs=1e-4)
    assert ten.test.p == pytest.approx(one.test.p, abs=0.01)


def test_less_is_more_extreme_where_the_effect_is_a_drop():
    null = np.linspace(1, 2, 119)[:, None]
    claim = small(WeightClusterability)
    low = NullComparison((0,), np.array([0.9]), null, "drop", "n-cut")
    assert low.test(claim).p[0] == 1 / 120
    assert low.z()[0] > 0
    assert replace(low, change="difference").test(claim).p[0] == 1.0
    assert replace(low, own=np.array([1.0])).test(claim).p[0] == 2 / 120  # a tie counts


def test_the_negative_control_expects_to_be_refuted():
    assert QKDirections().expect == "refuted"
    assert QKDirections().matrix == "qk"
    assert QKDirections.family() == "QKDirections"
