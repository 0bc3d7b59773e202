"""InputReconstruction and InputOutsideUnembedding on planted streams that hold the input at a known strength."""

from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, before, planted_corpus, shuffled
from weighed import judging

from modclaims import InputOutsideUnembedding, InputReconstruction, along_depth, at, everywhere, somewhere
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.common.units import Sample
from modclaims.families.tokens.decoded import Decoded, Tried, others_mean
from modclaims.families.tokens.token_maps import Spread, Tokens, bounds_of_means, learning_factor
from modclaims.look import Look, TestSettings
from modclaims.planning.context import PlanContext
from modclaims.planting.family import claim_of
from modclaims.recording import Activations, MemorySource, ModelShape, Recording, TokenIds, Weights
from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.resamples import resample_groups
from modclaims.stats.nulls.null_objects import mean_replicates

LAYERS, WIDTH, TYPES = 4, 16, 60
SHAPE = ModelShape("planted", LAYERS, 2, 2, WIDTH, 8, 32, 64)
POSITIONS = (5, 6, 7, 9)
CORPUS = planted_corpus(topics=4, styles=4, texts=2)
WEIGHING = TestSettings(resamples=499, permutations=499)
FALLING, FLAT = (2.0, 1.2, 0.8, 0.4), (0.9,) * LAYERS


def recorded(claim, strengths=FALLING, corpus=CORPUS, aim=None, tied=False, seed=0):
    """Noise of variance 1, and the embedding at a strength per layer; all numbers of a text hang on its id alone."""
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((TYPES, WIDTH))
    half = np.arange(WIDTH) < WIDTH // 2
    if aim is not None:  # two strong directions, in the half that the unembedding cares about or in the other
        embedding[:, 2:] *= 0.2
    way = np.eye(WIDTH) if aim is None else np.eye(WIDTH)[:, np.argsort(half if aim else ~half, kind="stable")]
    cared = rng.standard_normal((TYPES, WIDTH)) * np.where(half, 1.0, 0.2)
    ids, streams = [], []
    for text in corpus.texts:
        mine = np.random.default_rng([seed, *text.id.encode()])
        ids.append(mine.choice(TYPES, size=10, p=np.r_[np.full(20, 0.03), np.full(40, 0.01)]))
        noise = mine.standard_normal((LAYERS, len(POSITIONS), WIDTH))
        read = embedding[ids[-1][list(POSITIONS)]]
        streams.append(noise + np.array(strengths)[:, None, None] * (read @ way.T))
    arrays = {(TokenIds(10), 0): np.array(ids)}
    for request in claim.requests(SHAPE):
        for layer in SHAPE.resolve_layers(request):
            if isinstance(request, Weights):
                found = embedding if request.matrix == "embedding" or tied else cared
            else:
                found = np.array([s[layer] for s in streams])
                if request.variant:
                    found = np.array([s[0] for s in streams])
            arrays[request, layer] = found
    return Recording(corpus, SHAPE, POSITIONS, tuple(t.body for t in corpus.texts), MemorySource(arrays))


outcome = judging(recorded, WEIGHING)


def told(**constants):
    return claim_of(InputReconstruction, **({"nearest": 3} | constants))


def aside(**constants):
    return claim_of(InputOutsideUnembedding, **({"dimensions": 2, "draws": 199} | constants))


CLAIMS = {"falls": told(), "somewhere": told(holds=somewhere()), "outside": aside()}


# ---- what is asked for, and refused


def test_tokens_are_asked_for_as_far_as_positions_go():
    claim = told()
    assert claim.further(recorded(claim), WEIGHING) == (TokenIds(10),)
    assert claim.requests(SHAPE) == (Activations("resid_post"), Weights("embedding"))
    assert aside().requests(SHAPE)[2] == Weights("unembedding")
    ids = claim.tokens(recorded(claim))
    np.testing.assert_array_equal(ids, recorded(claim).array(TokenIds(10))[:, list(POSITIONS)])


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (told(site="mlp_out"), "not the stream"),
        (told(nearest=0), "nearest = 0"),
        (told(folds=2), "folds = 2"),
        (told(untrained=2), "at least 5 seeds"),
        (aside(dimensions=0), "dimensions = 0"),
        (aside(leading=1.0), "leading = 1.0"),
        (aside(leading=True), "leading = True"),
        (aside(draws=20), "draws = 20"),
        (aside(holds=along_depth("falls")), "single layers"),
    ],
)
def test_constants_are_checked(claim, message):
    with pytest.raises(ClaimError, match=message):
        claim.validate()


def test_few_texts_and_few_layers_are_refused():
    with pytest.raises(ClaimError, match="4 texts"):
        told().check(before(planted_corpus(topics=2, styles=2, texts=1)))
    with pytest.raises(ClaimError, match="at least 3 layers"):
        told(layers=(0, 1)).requests(SHAPE)
    assert told(layers=(0, 1), holds=somewhere()).requests(SHAPE)
    with pytest.raises(ClaimError, match="encoder"):
        aside().requests(replace(SHAPE, causal=False))
    with pytest.raises(ClaimError, match="dimensions = 9"):
        aside(dimensions=9).requests(SHAPE)


def test_one_token_everywhere_tells_nothing():
    for claim in CLAIMS.values():
        found = recorded(claim)
        arrays = dict(found.source.arrays)
        arrays[TokenIds(10), 0] = np.full((len(CORPUS), 10), 7)
        with pytest.raises(ClaimError, match="One and the same token"):
            claim.weigh(replace(found, source=MemorySource(arrays)), WEIGHING)


# ---- tokens told along depth


def test_a_stream_that_loses_its_input_is_found_to():
    verdict, weighed, (curves,) = outcome(told())
    assert verdict.outcome.word == "supported", verdict.sentence
    assert weighed.effect > 0.3 and weighed.effect_name == "fall of accuracy at 3"
    assert (weighed.action, weighed.p) == ("resampling texts", None)
    assert (weighed.n_texts, weighed.n_units, weighed.unit) == (32, 32, "text")
    assert curves.kind == "accuracy_by_depth"
    at_three, at_one, control, selectivity = curves.arrays["mean"]
    assert (np.diff(at_three) < 0).all() and (at_one <= at_three).all()
    assert (control < at_three).all() and selectivity[0] > 0.2
    assert {c["name"] for c in weighed.controls} == {"control_task", "unseen_types", "commonest_tokens"}


def test_a_rise_is_a_fall_with_its_sign_turned():
    rise = outcome(told(holds=along_depth("rises")))
    assert rise[0].outcome.word == "refuted"
    assert rise[1].effect < -0.3


def test_what_stays_as_it_is_does_not_fall():
    verdict, weighed, _ = outcome(told(), strengths=FLAT)
    assert verdict.outcome.word != "supported" and abs(weighed.effect) < 0.1


def test_a_text_that_tells_all_to_the_end_has_no_slope_that_rounding_could_pass_for():
    verdict, weighed, _ = outcome(told(), strengths=(99.0,) * LAYERS)
    assert verdict.outcome.word == "inconclusive"
    assert weighed.effect == pytest.approx(0, abs=1e-9)


def test_effects_and_p_are_those_made_by_hand():
    claim = told()
    found = recorded(claim).by_id()
    evidence = claim.weigh(found, WEIGHING)
    curves = evidence.exhibits[0].arrays["mean"][0]
    assert evidence.bounds.effect[0] == pytest.approx(-np.polyfit(np.linspace(0, 1, LAYERS), curves, 1)[0])
    assert evidence.test is None, "texts share the maps that they were tried with, so that signs are not flipped"
    evidence = told(holds=somewhere()).weigh(found, WEIGHING)
    null = evidence.test.null[:, 0]
    assert evidence.test.p[0] == pytest.approx((null >= null[0] - 1e-9).mean())
    assert evidence.test.arrangements == 500


# ---- tokens told at a layer


def test_a_layer_that_holds_the_input_is_told_from_one_that_does_not():
    one, corpus = (1.2, 0, 0, 0), planted_corpus(topics=4, styles=4, texts=5)
    verdict, weighed, _ = outcome(told(holds=at(0)), strengths=one, corpus=corpus)
    assert verdict.outcome.word == "supported", verdict.sentence
    assert weighed.effect_name == "selectivity"
    verdict, weighed, _ = outcome(told(holds=at(1, 2, 3), nearest=8), strengths=one, corpus=corpus)
    assert verdict.outcome.word != "supported" and weighed.effect < 0.1, verdict.sentence
    verdict, *_ = outcome(told(holds=everywhere()), strengths=(1.2,) * LAYERS, corpus=corpus)
    assert verdict.outcome.word == "supported", verdict.sentence


def test_what_any_wide_stream_can_learn_by_heart_is_not_selective():
    """Types that are coordinates of their own tell any target, the control task's as well."""
    claim = told(holds=somewhere())
    found = recorded(claim)
    arrays = dict(found.source.arrays)
    few = arrays[TokenIds(10), 0] % 8
    arrays[TokenIds(10), 0] = few
    for layer in range(LAYERS):
        arrays[Activations("resid_post"), layer] = np.eye(WIDTH)[few[:, list(POSITIONS)]]
    evidence = claim.weigh(replace(found, source=MemorySource(arrays)), WEIGHING)
    np.testing.assert_allclose(evidence.secondary["accuracy at 3"], 1)
    np.testing.assert_allclose(evidence.secondary["accuracy at 3, control task"], 1)
    np.testing.assert_allclose(evidence.bounds.effect, 0)


def test_selectivity_is_over_types_learned_from_and_leaves_out_texts_without_any():
    sample = Sample.of(CORPUS, range(4))
    ids = np.array([[1, 2], [1, 3], [4, 5], [3, 6]])
    tokens = Tokens.of(sample, ids, np.array([0, 1, 2, 0]))
    np.testing.assert_array_equal(tokens.seen, [[1, 0], [1, 1], [0, 0], [1, 0]])
    own, none = np.array([[0, 0], [0, 9], [0, 0], [9, 0]]), np.full((4, 2), 9)
    found = Decoded(tokens, Tried(own[..., None], none), Tried(none[..., None], none), 10)
    np.testing.assert_allclose(found.selectivity(1), [[1], [0.5], [0]])
    known = np.array([[9, 9], [0, 9], [9, 9], [9, 9]])  # a token that a guess without the stream finds
    for task, control in ((known, none), (none, known)):
        guessed = Decoded(tokens, Tried(own[..., None], task), Tried(none[..., None], control), 10)
        np.testing.assert_allclose(guessed.selectivity(1), [[1], [0], [0]])
        np.testing.assert_array_equal(guessed.compared(1), [[1, 0], [0, 1], [0, 0], [1, 0]])
    np.testing.assert_allclose(found.curve(1), [[1], [0.5], [1], [0.5]])
    np.testing.assert_allclose(found.among(False, 1), [1])
    np.testing.assert_array_equal(tokens.commonest(1), [[1, 0], [1, 0], [0, 0], [0, 0]])


def test_the_mean_of_the_others_knows_no_fold_of_its_own():
    found = others_mean(np.array([[1.0], [2], [6]]), np.array([0, 1, 1]))
    np.testing.assert_allclose(found, [[4], [1], [1]])


def test_twins_are_told_beside():
    weighed = outcome(told(untrained=5))[1]
    (twin,) = (c for c in weighed.controls if c["name"] == "untrained_baseline")
    assert "none shows as much" in twin["sentence"]  # every layer of theirs is the first
    assert max(abs(v) for v in twin["numbers"]["untrained"]) < 1e-9


def test_bounds_of_means_are_those_of_the_bootstrap():
    values = np.random.default_rng(0).normal(0.3, 0.1, (14, 2))
    resamples = resample_groups(np.zeros(14, dtype=int), count=400, rng=np.random.default_rng(1))
    ours = bounds_of_means(values, resamples, (-1.0, 1.0))
    theirs = bootstrap_t(mean_replicates(values, resamples), resamples, means=True, ends=(-1.0, 1.0))
    for one, other in ((ours.lower(0.05), theirs.lower(0.05)), (ours.upper(0.05), theirs.upper(0.05))):
        np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(ours.p_lower(0.25), theirs.p_lower(0.25))
    wide = bounds_of_means(values, resamples, (-1.0, 1.0), Spread.of(values, (), 5))
    for one, other in ((wide.lower(0.05), ours.lower(0.05)), (wide.upper(0.05), ours.upper(0.05))):
        np.testing.assert_allclose(one - ours.effect, 1.5 * (other - ours.effect))
    assert learning_factor(5) == pytest.approx(1.5)


def test_the_spread_of_halves_counts_and_never_falls_below_that_of_units():
    values = np.random.default_rng(0).normal(0.3, 0.1, (14, 2))
    own = values.std(axis=0, ddof=1) / np.sqrt(14)
    found = Spread.of(values, [(np.array([0.5, 0.3]), np.array([0.1, 0.3]))], 5)
    np.testing.assert_allclose(found.se, [0.2, own[1]])
    assert found.df == 6


def test_learning_from_texts_that_lie_far_apart_shows_in_the_error():
    """The maps hang on a few texts: how far apart texts lie says nothing in the texts' own shares, and all in halves'."""
    claim = told(holds=somewhere(), folds=5)
    recording = recorded(claim, strengths=(1.0,) * LAYERS)
    x = recording.source.array(Activations("resid_post"), 0)
    rng, arrays = np.random.default_rng(4), dict(recording.source.arrays)
    far = 3 * rng.standard_t(3, (len(x), 1, 1)) * rng.standard_normal((len(x), 1, WIDTH))
    for layer in range(LAYERS):
        arrays[Activations("resid_post"), layer] = arrays[Activations("resid_post"), layer] + far
    near, apart = (
        claim.measure(Look("told", one, WEIGHING)).payload
        for one in (recording, replace(recording, source=MemorySource(arrays)))
    )
    ratios = []
    for found in (near, apart):
        own = found.values.std(axis=0, ddof=1) / np.sqrt(len(found.values))
        ratios.append(float((found.spread(lambda some: some.values).se / own).mean()))
    assert ratios[1] > 1.2 * ratios[0]


def test_few_texts_have_no_halves_and_a_wider_error():
    small = planted_corpus(topics=1, styles=5, texts=1)
    claim = told(folds=3)
    found = claim.measure(Look("told", recorded(claim, corpus=small, strengths=(3.0,) * LAYERS), WEIGHING)).payload
    assert found.halves == []
    own = found.values.std(axis=0, ddof=1) / np.sqrt(5)
    np.testing.assert_allclose(found.spread(lambda some: some.values).se, own * np.sqrt(2.5))


# ---- where tokens are told from


def test_the_half_that_the_token_was_put_in_is_found():
    away, into = (outcome(aside(), strengths=(3.0,) * LAYERS, aim=aim) for aim in (True, False))
    assert away[0].outcome.word == "supported", away[0].sentence
    assert away[1].effect > 0.8
    assert into[0].outcome.word == "refuted", into[0].sentence
    assert into[1].effect < -0.8
    angles, histogram = away[2]
    assert (angles.kind, histogram.kind) == ("input_angles", "null_histogram")
    assert angles.arrays["cosines"].shape == (LAYERS, 2)
    np.testing.assert_allclose(angles.arrays["cosines"].mean(axis=1), angles.arrays["mean"])
    assert (angles.arrays["low"] <= angles.arrays["mean"]).all()
    assert {c["name"] for c in away[1].controls} == {"pattern", "control_task"}


def test_random_subspaces_avoid_nothing_on_average():
    evidence = aside(draws=1999).weigh(recorded(aside()), WEIGHING)
    np.testing.assert_allclose(evidence.test.null[1:].mean(axis=0), 0, atol=0.03)
    null = evidence.test.null[:, 2]
    assert evidence.test.p[2] == pytest.approx((null >= null[0] - 1e-9).mean())


def test_tied_embeddings_are_warned_of():
    assert any("one matrix" in w for w in outcome(aside(), tied=True)[1].warnings)
    assert not any("one matrix" in w for w in outcome(aside())[1].warnings)


def test_a_stream_with_too_few_directions_is_refused():
    claim = aside()
    found = recorded(claim)
    arrays = dict(found.source.arrays)
    for layer in range(LAYERS):
        array = np.zeros((len(CORPUS), len(POSITIONS), WIDTH))
        array[..., 0] = arrays[Activations("resid_post"), layer][..., 0]
        arrays[Activations("resid_post"), layer] = array
    with pytest.raises(ClaimError, match="varies in 1 directions only"):
        claim.weigh(replace(found, source=MemorySource(arrays)), WEIGHING)


# ---- what all have in common


@pytest.mark.parametrize("name", CLAIMS)
def test_bare_decides_alike(name):
    assert_bare_decides_alike(CLAIMS[name], recorded(CLAIMS[name]), WEIGHING)


@pytest.mark.parametrize("name", CLAIMS)
def test_the_order_of_texts_changes_nothing(name):
    one, other = (outcome(CLAIMS[name], corpus=corpus)[1] for corpus in (CORPUS, shuffled(CORPUS)))
    assert one == other


@pytest.mark.parametrize("name", ["somewhere", "outside"])
def test_other_layers_change_no_number_of_a_layer(name):
    whole = CLAIMS[name]
    part = claim_of(
        type(whole).__mro__[1], **{k: getattr(whole, k) for k in vars(type(whole)) if k[0] != "_"} | {"layers": (1, 3)}
    )
    first, second = (c.weigh(recorded(c), replace(WEIGHING, bare=True)) for c in (whole, part))
    np.testing.assert_array_equal(first.bounds.theta[[1, 3]], second.bounds.theta)
    if name == "somewhere":
        np.testing.assert_array_equal(first.test.null[:, [1, 3]], second.test.null)


def test_blocks_are_units_and_are_never_parted():
    texts = tuple(replace(text, block=f"b{i // 2:02d}") for i, text in enumerate(CORPUS.texts))
    corpus = Corpus("blocks", texts)
    claim = told(holds=somewhere())
    evidence = claim.weigh(recorded(claim, corpus=corpus), WEIGHING)
    assert (evidence.unit, evidence.n_units, evidence.n_texts) == ("block", 16, 32)
    sample = Sample.of(corpus)
    tokens = Tokens.of(sample, np.zeros((32, 1), dtype=int), np.arange(16) % 5)
    assert all(len(set(tokens.folds[group])) == 1 for group in sample.groups)
    assert aside().weigh(recorded(aside(), corpus=corpus), WEIGHING).resampled == "blocks"


def test_plans_say_how_claims_are_weighed():
    known = PlanContext(CORPUS, SHAPE, POSITIONS, WEIGHING)
    for claim in (*CLAIMS.values(), told(holds=at(1))):
        made, weighed = claim.plan(known), outcome(claim)[1]
        assert made.action == weighed.action
        assert (made.units, made.texts) == (weighed.n_units, weighed.n_texts)
        assert (made.test is None) == (weighed.p is None)
        counted = made.test or made.bounds
        assert counted.draws == weighed.draws
        assert counted.floor == pytest.approx(weighed.smallest_attainable_p)
    assert CLAIMS["falls"].plan(known).cells == 1
    assert CLAIMS["somewhere"].plan(known).cells == LAYERS
