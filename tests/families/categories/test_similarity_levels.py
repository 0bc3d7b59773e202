"""SimilarityLevels on planted activations, whose levels are known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, before, planted_corpus, shuffled
from weighed import judged

from modclaims import SimilarityLevels, along_depth, at, everywhere, in_fraction, somewhere
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.common.units import Units
from modclaims.look import TestSettings
from modclaims.recording import Activations, MemorySource, ModelShape, Recording
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.pair_effects import gap
from modclaims.stats.effects.similarity import SIMILARITIES, apart_similarity, token_similarity

LAYERS, WIDTH, POSITIONS = 5, 24, 3
SHAPE = ModelShape("planted", LAYERS, 2, 2, WIDTH, WIDTH // 2, 4 * WIDTH, 512)
WEIGHING = TestSettings(resamples=999, permutations=99)
CORPUS = planted_corpus(texts=3)
COMMON = (3.0, 0.5, 0.0, 0.5, 3.0)
"""Strength of the direction that all texts share, by layer."""
STYLE = (0.0, 0.0, 0.0, 3.0, 3.0)
"""And of one that those of a style share."""


def activations(corpus, request, layer, common=COMMON, style=STYLE, positions=POSITIONS):
    """(text, position, unit): a common direction, a style's, a text's own and a token's; untrained networks have the last two."""
    out = []
    for text in corpus.texts:  # keyed by text, so that the order of rows changes nothing
        rng = np.random.default_rng([layer, *(request.variant or "").encode(), *text.id.encode()])
        x = rng.standard_normal((positions, WIDTH)) + rng.standard_normal(WIDTH)
        if request.variant is None:
            x[:, 0] += common[layer]
            x[:, 1 + int(text.labels["style"][-1])] += style[layer]
        out.append(x)
    return np.stack(out)


def recorded(claim, corpus=CORPUS, made=activations, shape=SHAPE, positions=POSITIONS, **options):
    arrays = {
        (request, layer): made(corpus, request, layer, positions=positions, **options)
        for request in claim.requests(shape)
        for layer in shape.resolve_layers(request)
    }
    bodies = tuple(t.body for t in corpus.texts)
    return Recording(corpus, shape, tuple(range(positions)), bodies, MemorySource(arrays))


class Alike(SimilarityLevels):
    """Different texts are alike in at least one layer."""

    label, untrained = "style", 0


def claim_with(base=Alike, **constants):
    claim = type(base.__name__, (base,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    return claim


def outcome(claim=None, weighing=WEIGHING, corpus=CORPUS, **options):
    claim = claim or claim_with()
    claim.check(before(corpus, SHAPE))
    return judged(claim, recorded(claim, corpus, **options), weighing)


def by_pairs(kind, layer, keep, recording):
    """A level from an explicit list of pairs of activations at different positions."""
    x = recording.array(Activations("attn_out"), layer)
    texts, found = recording.corpus.texts, []
    token = token_similarity(x, kind).reshape(len(texts), POSITIONS, len(texts), POSITIONS)
    for i, a in enumerate(texts):
        for j, b in enumerate(texts):
            if keep(i, j, a, b):
                found += [token[i, p, j, q] for p in range(POSITIONS) for q in range(POSITIONS) if p != q]
    return np.mean(found)


KEPT = {
    "same_text": lambda i, j, a, b: i == j,
    "same_category": lambda i, j, a, b: i != j and a.labels["style"] == b.labels["style"],
    "different_category": lambda i, j, a, b: a.labels["style"] != b.labels["style"],
    "other_text": lambda i, j, a, b: i != j,
}


@pytest.mark.parametrize("kind", SIMILARITIES)
@pytest.mark.parametrize("level", KEPT)
def test_levels_are_means_over_pairs_of_different_positions(level, kind):
    claim = claim_with(level=level, similarity=kind)
    recording = recorded(claim).by_id()
    evidence = claim.weigh(recording, replace(WEIGHING, bare=True))
    by_hand = [by_pairs(kind, layer, KEPT[level], recording) for layer in range(LAYERS)]
    np.testing.assert_allclose(evidence.bounds.effect, by_hand, rtol=1e-9, atol=1e-12)
    assert evidence.test is None


def test_captions_name_the_layer_that_they_read():
    exhibits = claim_with(layers=(-3, -2)).weigh(recorded(claim_with(layers=(-3, -2))).by_id(), WEIGHING).exhibits
    levels = next(e for e in exhibits if e.kind == "levels_by_depth")
    assert "At layer 3: " in levels.description
    assert not any("last layer" in e.description for e in exhibits)


def test_inside_strata_pairs_of_other_strata_do_not_count():
    claim = claim_with(within="topic", level="different_category")
    recording = recorded(claim).by_id()

    def kept(i, j, a, b):
        return KEPT["different_category"](i, j, a, b) and a.labels["topic"] == b.labels["topic"]

    effect = claim.weigh(recording, WEIGHING).bounds.effect
    assert effect[3] == pytest.approx(by_pairs("cosine", 3, kept, recording))


def test_of_one_category_only_its_pairs_count():
    claim = claim_with(category="style1")
    recording = recorded(claim).by_id()

    def kept(i, j, a, b):
        return i != j and "style1" in (a.labels["style"], b.labels["style"])

    assert claim.weigh(recording, WEIGHING).bounds.effect[4] == pytest.approx(by_pairs("cosine", 4, kept, recording))
    assert "in pairs with 'style1'" in outcome(claim)[0].sentence


def test_a_level_against_another_is_the_gap():
    claim = claim_with(level="same_category", against="different_category")
    recording = recorded(claim).by_id()
    evidence = claim.weigh(recording, WEIGHING)
    design = Units.of(recording.corpus, "style", None).design
    pairs = Pairs.of(design)
    matrices = [apart_similarity(recording.array(Activations("attn_out"), i)) for i in range(LAYERS)]
    np.testing.assert_allclose(evidence.bounds.effect, gap(pairs.matrix(matrices), design, pairs))
    assert evidence.effect_name == "similarity difference"


# ---- quantifiers


@pytest.mark.parametrize(
    ("holds", "expected", "named"),
    [
        (somewhere(), "supported", (0, 4)),
        (everywhere(), "refuted", (1, 2)),
        (in_fraction(0.4), "supported", None),
        (in_fraction(0.8), "refuted", None),
        (at(0, -1), "supported", (0, 4)),
        (at(2), "refuted", (2,)),
    ],
    ids=str,
)
def test_quantifiers_over_layers(holds, expected, named):
    verdict, weighed, _ = outcome(claim_with(holds=holds))
    assert verdict.outcome.word == expected, verdict.sentence
    if named is not None:
        assert weighed.best["layer"] in named
    assert weighed.p is None and weighed.action == "resampling texts"


def test_layers_looked_at_are_those_asked_for():
    _, weighed, (curve, levels) = outcome(claim_with(layers=(1, -1)))
    assert weighed.n_cells == 2
    assert curve.arrays["layer"].tolist() == levels.arrays["layer"].tolist() == [1, 4]
    assert curve.arrays["depth"].tolist() == [0.25, 1]


def test_a_rise_is_the_slope_over_relative_depth_and_a_fall_its_contrary():
    rising = (0.0, 0.5, 1.0, 2.0, 3.0)
    claims = {word: claim_with(holds=along_depth(word)) for word in ("rises", "falls")}
    found = {word: outcome(claim, common=rising, style=(0,) * 5) for word, claim in claims.items()}
    assert [found[word][0].outcome.word for word in ("rises", "falls")] == ["supported", "refuted"]
    assert found["rises"][1].effect == pytest.approx(-found["falls"][1].effect)
    assert found["rises"][1].effect_name == "rise of similarity"
    curve = found["rises"][2][0].arrays["mean"]
    assert found["rises"][1].effect == pytest.approx(np.polyfit(np.linspace(0, 1, 5), curve, 1)[0])
    assert found["rises"][1].n_cells == 1


# ---- named layers


def named_effect(**constants):
    claim = claim_with(**constants)
    weighed, (curve, *_) = outcome(claim)[1:]
    return weighed, curve.arrays["mean"]


def test_named_layers_are_held_against_the_rest_or_those_said():
    weighed, curve = named_effect(named=(0, -1))
    assert weighed.effect == pytest.approx((curve[0] + curve[4]) / 2 - curve[1:4].mean())
    assert weighed.effect_name == "similarity difference" and weighed.n_cells == 1
    weighed, curve = named_effect(named=(0, 4), rest="middle")
    assert weighed.effect == pytest.approx((curve[0] + curve[4]) / 2 - curve[1:4].mean())
    weighed, curve = named_effect(named=(0,), rest=(2, -2))
    assert weighed.effect == pytest.approx(curve[0] - curve[2:4].mean())
    assert "in layer 0 and" in weighed.detail and "in layers 2, 3." in weighed.detail
    weighed, curve = named_effect(named="middle")
    assert weighed.effect == pytest.approx(curve[1:4].mean() - (curve[0] + curve[4]) / 2)


def test_the_middle_lies_between_a_quarter_and_three_quarters_of_the_depth():
    claim = claim_with(named="middle")
    parts = {count: claim.parts(replace(SHAPE, layers=count))[0] for count in (3, 6, 12)}
    assert parts == {3: (1,), 6: (2, 3), 12: (3, 4, 5, 6, 7, 8)}


def test_named_layers_of_planted_levels_are_supported_and_their_contrary_refuted():
    assert outcome(claim_with(named=(0, -1)))[0].outcome.word == "supported"
    assert outcome(claim_with(named="middle"))[0].outcome.word == "refuted"


# ---- what is refused


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"site": "head_z"}, "Site 'head_z' is unknown; choose one of attn_out"),
        ({"similarity": "dot"}, "Similarity 'dot' is unknown; choose one of cosine"),
        ({"level": "same_author"}, "Level 'same_author' is unknown; choose one of same_text, same_category"),
        ({"against": "nothing"}, "Level 'nothing' is unknown"),
        ({"against": "other_text"}, "level and against are both 'other_text'; their difference is nothing"),
        ({"named": (0,), "holds": everywhere()}, "named = ... makes one contrast of layers; leave holds as it is"),
        ({"rest": (0,)}, "rest = ... says what named layers are held against; name them with named = ..."),
        ({"untrained": 2}, "untrained = 2: a comparison with untrained networks needs at least 5 seeds, or 0 for none"),
        ({"named": "last"}, "named = 'last' is unknown; write layers in numbers, such as (0, -1), or 'middle'"),
        ({"named": (0,), "rest": 3}, "rest = 3 is unknown"),
        ({"smallest_effect": 1.0}, "must be below 1, the end of the scale of similarity."),
        ({"smallest_effect": 2.0, "named": (0,)}, "must be below 2, the end of the scale of similarity difference."),
    ],
)
def test_constants_that_mean_nothing_are_refused(constants, message):
    with pytest.raises(ClaimError, match=re.escape(message)):
        claim_with(**constants)


def test_distances_have_no_end():
    claim_with(similarity="euclidean", smallest_effect=40.0)
    claim_with(smallest_effect=1.5, holds=along_depth("falls"))


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"named": ()}, "named = () gives layers [] and rest = None"),
        ({"named": (0, 1), "rest": (1, 2)}, "gives layers [0, 1] and rest = (1, 2) layers [1, 2] of model 'planted'"),
        ({"named": (0, 1, 2, 3, 4)}, "layers []"),
        ({"named": (0,), "layers": (1, 2)}, "Layers [0] are not among those looked at, [1, 2]"),
        ({"named": (7,)}, "Layer 7 of site 'attn_out' does not exist"),
        ({"holds": along_depth("falls"), "layers": (0, 1)}, "along_depth needs at least 3 layers, and 2 were asked"),
    ],
)
def test_layers_that_a_network_lacks_are_refused_before_anything_is_recorded(constants, message):
    with pytest.raises(ClaimError, match=re.escape(message)):
        claim_with(**constants).requests(SHAPE)


def test_corpora_without_a_pair_of_the_level_are_refused():
    lonely = Corpus("lonely", tuple(t for t in CORPUS.texts if t.labels["topic"] == "topic0" and t.id[-1] == "0"))
    with pytest.raises(ClaimError, match="has a single text"):
        claim_with(level="same_category").check(before(lonely))
    with pytest.raises(ClaimError, match="Category 'style9' is none of those compared"):
        claim_with(category="style9").check(before(CORPUS))
    uneven = Corpus("uneven", tuple(t for t in CORPUS.texts if t.labels["style"] != "style0" or t.id[-1] == "0"))
    with pytest.raises(ClaimError, match=re.escape("No texts of one category can be compared inside one stratum")):
        claim_with(level="same_category", category="style0", within="topic").check(before(uneven))


def test_one_position_is_refused():
    claim = claim_with()
    with pytest.raises(ClaimError, match="compare different positions, and the run reads one; choose more --positions"):
        claim.weigh(recorded(claim, positions=1).by_id(), WEIGHING)


# ---- blocks, order, untrained networks


def test_blocks_of_one_style_are_units_and_their_texts_are_not_compared():
    texts = tuple(replace(t, block=f"{t.labels['style']} {t.labels['topic']}") for t in CORPUS.texts)
    blocked = replace(CORPUS, texts=texts)
    claim = claim_with(level="other_text")
    _, weighed, _ = outcome(claim, corpus=blocked)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 16, 48)
    recording = recorded(claim, blocked).by_id()

    def kept(i, j, a, b):
        return a.block != b.block

    effect = claim.weigh(recording, WEIGHING).bounds.effect
    assert effect[4] == pytest.approx(by_pairs("cosine", 4, kept, recording))
    own = claim_with(level="same_text").weigh(recording, WEIGHING).bounds.effect
    assert own[4] == pytest.approx(by_pairs("cosine", 4, KEPT["same_text"], recording))


def test_blocks_in_which_styles_vary_are_drawn_whole():
    """And texts of one block are compared with each other alone."""
    books = planted_corpus(topics=8, texts=2)
    mixed = replace(books, texts=tuple(replace(t, block=t.labels["topic"]) for t in books.texts))
    _, weighed, _ = outcome(claim_with(), corpus=mixed)
    assert (weighed.unit, weighed.n_units, weighed.action) == ("text", 64, "resampling blocks")
    assert any("8 blocks" in w for w in weighed.warnings)
    assert "bounds from resampling 8 whole blocks" in weighed.note
    recording = recorded(claim_with(), mixed).by_id()

    def kept(i, j, a, b):
        return i != j and a.block == b.block

    effect = claim_with().weigh(recording, WEIGHING).bounds.effect
    assert effect[4] == pytest.approx(by_pairs("cosine", 4, kept, recording))


def test_order_of_texts_and_neighbours_change_nothing():
    claim = claim_with(untrained=5)
    assert outcome(claim)[1].as_dict() == outcome(claim, corpus=shuffled(CORPUS))[1].as_dict()
    alone = claim_with(layers=(4,)).weigh(recorded(claim_with(layers=(4,))).by_id(), WEIGHING)
    among = claim_with().weigh(recorded(claim_with()).by_id(), WEIGHING)
    np.testing.assert_array_equal(alone.bounds.theta, among.bounds.theta[4:])
    np.testing.assert_array_equal(alone.bounds.t, among.bounds.t[:, 4:])


@pytest.mark.parametrize(
    "constants",
    [
        {},
        {"level": "same_text", "against": "other_text", "holds": everywhere()},
        {"holds": along_depth("falls")},
        {"named": (0, -1)},
        {"within": "topic", "level": "same_category", "holds": in_fraction(0.5)},
    ],
)
def test_bare_decides_alike(constants):
    claim = claim_with(untrained=5, **constants)
    assert_bare_decides_alike(claim, recorded(claim).by_id(), WEIGHING)


def test_untrained_baselines_stand_beside_the_claim():
    _, weighed, (curve, _) = outcome(claim_with(untrained=5))
    (control,) = weighed.controls
    assert control["name"] == "untrained_baseline" and "training adds to it" in control["sentence"]
    assert max(map(abs, control["numbers"]["untrained"])) < 0.1 < control["numbers"]["low"]
    assert curve.arrays["twin"].shape == (5, LAYERS)
    euclidean = outcome(claim_with(untrained=5, similarity="euclidean"))[1].controls[0]["numbers"]
    assert np.isfinite([euclidean["low"], euclidean["high"]]).all()


def test_all_levels_stand_beside_the_one_asked_for():
    _, weighed, (curve, levels) = outcome()
    assert (curve.kind, levels.kind) == ("curve_by_depth", "levels_by_depth")
    shown = {row["name"]: row["value"] for row in weighed.secondary}
    assert len(shown) == 4
    named = weighed.best["layer"]
    assert shown["similarity, texts of one category"] == pytest.approx(levels.arrays["same_category"][named])
    assert shown["similarity, different texts"] == pytest.approx(weighed.effect)
    assert levels.arrays["same_text"][3] > levels.arrays["same_category"][3] > levels.arrays["different_category"][3]


# ---- layers of which nothing can be said


def test_a_layer_of_equal_vectors_is_at_the_end_of_the_scale_and_settles_nothing():
    def equal(corpus, request, layer, **options):
        x = activations(corpus, request, layer, **options)
        return np.broadcast_to(np.arange(1.0, WIDTH + 1) / 7, x.shape) if layer == 0 else x

    claim = claim_with(holds=at(0))
    recording = recorded(claim, made=equal).by_id()
    evidence = claim.weigh(recording, WEIGHING)
    assert evidence.bounds.effect[0] == pytest.approx(1)
    assert not evidence.bounds.bounded[0] and evidence.bounds.bounded[1:].all()
    assert evidence.degenerate == (0,)
    assert outcome(claim, made=equal)[0].outcome.word == "inconclusive"
    assert outcome(claim_with(), made=equal)[0].outcome.word == "supported"
    against = claim_with(level="same_text", against="other_text", holds=at(0))
    assert outcome(against, made=equal)[0].outcome.word == "inconclusive"


def test_layers_that_are_copies_differ_by_nothing_and_settle_nothing():
    def copied(corpus, request, layer, **options):
        return activations(corpus, request, 0, **options)

    verdict, weighed, _ = outcome(claim_with(named=(0, 1, 4)), made=copied)
    assert weighed.effect == pytest.approx(0, abs=1e-12) and not weighed.bounded
    assert verdict.outcome.word == "inconclusive"


def test_a_silent_layer_has_cosine_zero_and_settles_nothing():
    def silent(corpus, request, layer, **options):
        return activations(corpus, request, layer, **options) * (layer != 2)

    verdict, weighed, _ = outcome(claim_with(holds=at(2)), made=silent)
    assert weighed.effect == 0 and verdict.outcome.word == "inconclusive"
    verdict, weighed, _ = outcome(claim_with(holds=at(2), similarity="magnitude_aware"), made=silent)
    assert weighed.effect == 1 and verdict.outcome.word == "inconclusive"
