"""Requests answer for themselves: layers, rows, what is kept under which name, what it takes, and what makes them impossible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from modclaims import recording
from modclaims.corpus import Corpus, Text
from modclaims.errors import ClaimError, CorpusError, UsageError
from modclaims.recording import (
    REQUESTS,
    Ablation,
    Activations,
    InductionScores,
    Jacobian,
    LogOdds,
    Loss,
    ModelShape,
    Positions,
    RandomTokens,
    Reading,
    Request,
    TokenIds,
    Weights,
    for_model,
    for_variant,
    model_of,
)

SHAPE = ModelShape("m", layers=3, heads=2, kv_heads=1, width=4, head_width=2, mlp_width=8, context=32)
READING = Reading(
    SHAPE, (8, 6, 8), 8, (3, 5), vocabulary=50, matrices=("q", "mlp_in"), keys={"c": "22", "a": "00ff", "b": "11ee"}
)
CORPUS = Corpus("c", tuple(Text(name, f"text {name}", {}) for name in ("c", "a", "b")))
ONE_OF_EACH: tuple[Request, ...] = (
    Activations("attn_out"),
    Loss(),
    LogOdds((1,)),
    TokenIds(),
    InductionScores(2, 4),
    Jacobian("mlp", 2),
    Weights("q"),
)


def test_a_kind_of_request_is_one_class_that_nothing_extends() -> None:
    assert tuple(type(one) for one in ONE_OF_EACH) == REQUESTS
    assert {one.__name__ for one in REQUESTS} <= set(recording.__all__)
    assert all(issubclass(one, Request) and not one.__subclasses__() for one in REQUESTS)
    with pytest.raises(TypeError, match="abstract"):
        Request()


# ---- layers


def test_layers_count_from_the_end_too() -> None:
    assert SHAPE.resolve_layers(Activations("attn_out", (-1, 0))) == (0, 2)
    assert SHAPE.resolve_layers(Activations("attn_out")) == (0, 1, 2)


@pytest.mark.parametrize("asked", [Activations("embed"), Weights("unembedding"), Loss(), LogOdds((1,)), TokenIds()])
def test_what_a_network_has_once_is_of_layer_0(asked: Request) -> None:
    assert asked.layers_in(SHAPE) == (0,)
    assert asked.entry(-1, READING) == asked.entry(0, READING)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Activations("attn_out", (3,)), "Layer 3 of site 'attn_out' does not exist: model 'm' has layers 0 to 2."),
        (Activations("embed", (1,)), "Layer 1 of site 'embed' does not exist: model 'm' has layers 0 to 0."),
        (Jacobian("mlp", layers=(-4,)), "Layer -4 of block 'mlp' does not exist"),
        (Jacobian("mlp", layers=()), "layers = () names no layer of block 'mlp'; leave it out for all of them"),
        (Activations("q", layers=()), "layers = () names no layer of site 'q'"),
        (InductionScores(layers=(5,)), "Layer 5 of induction scores does not exist"),
        (Weights("q", (3,)), "Layer 3 of matrix 'q' does not exist"),
    ],
)
def test_a_layer_that_the_model_lacks_is_the_claims_fault(asked: Request, said: str) -> None:
    with pytest.raises(ClaimError) as caught:
        SHAPE.resolve_layers(asked)
    assert said in str(caught.value)


# ---- rows


def test_rows_are_texts_random_tokens_or_none() -> None:
    rows = {type(one): one.chosen(CORPUS) for one in ONE_OF_EACH}
    every = (0, 1, 2)
    assert [rows[kind] for kind in (Activations, Loss, LogOdds, TokenIds)] == [every] * 4
    assert rows[Jacobian] == (1, 2, 0), "by id"
    assert rows[InductionScores] == rows[Weights] == ()
    assert InductionScores(2, 4, 7).drawn == (RandomTokens(4, 7, 0), RandomTokens(4, 7, 1))
    assert [type(one) for one in ONE_OF_EACH if one.drawn] == [InductionScores]
    assert [type(one) for one in ONE_OF_EACH if not one.has_rows] == [Weights]


@pytest.mark.parametrize("ask", [lambda **told: Loss(**told), lambda **told: LogOdds((1,), **told)])
def test_texts_are_answered_for_in_the_order_in_which_they_are_named(ask: Any) -> None:
    assert ask(texts=("b", "c")).chosen(CORPUS) == (2, 0)
    assert not ask(texts=("b", "c")).in_corpus_order
    assert ask().in_corpus_order
    with pytest.raises(ClaimError, match="Corpus 'c' has no text 'z'"):
        ask(texts=("z",)).chosen(CORPUS)


# ---- names in stores, which must stay what they are: what was recorded is found by them


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (Activations("embed"), ["embed/0/3,5/none"]),
        (Activations("attn_out", (0, -1)), ["attn_out/0/3,5/none", "attn_out/2/3,5/none"]),
        (Activations("q", (-1,), "norm", Positions("2:8:2")), ["q/2/2:7:2/norm"]),
        (Loss(), ["loss"]),
        (Loss(texts=("a",)), ["loss"]),
        (Loss(tokens=4), ["loss.ablated/0/4/b7f343d070bfc0ca75b9e2fb05594f93"]),
        (Loss(tokens=99), ["loss.ablated/0/8/b7f343d070bfc0ca75b9e2fb05594f93"]),
        (
            Loss(ablation=Ablation("head", ((0, 1), (2, 0)))),
            ["loss.ablated/0/8/7d9271a40616240dcb7a22ed2306f6a5"],
        ),
        (
            Loss(ablation=Ablation("neuron", ((0, 1),), "mean", ("b", "a"), keep=True)),
            ["loss.ablated/0/8/6bade805f7a1b83a3f9b2695165135ce"],
        ),
        (LogOdds((3, 1)), ["log_odds/0/8/698e1548f82fd604da1463fbfb6b8b1c"]),
        (
            LogOdds((1,), tokens=5, ablation=Ablation("mlp_block", ((1, 0),))),
            ["log_odds/0/5/dad2d783122ededd54d77ba85e48ee51"],
        ),
        (TokenIds(), ["token_ids/0/8/none"]),
        (TokenIds(12), ["token_ids/0/12/none"]),
        (InductionScores(2, 4, layers=(1,)), ["induction/1/5:9:1/mean"]),
        (Jacobian("mlp", 2, (0,)), ["jacobian.mlp/0/2,3/tokens"]),
        (Jacobian("attention", 3, (-1,), False, 2, "values"), ["jacobian.attention.bare/2/1:4:1/values"]),
        (Jacobian("mlp", 3, (1,), last=2, texts=2, only=1), ["jacobian.mlp/1/0:3:1/tokens"]),
        (Weights("embedding"), ["weights.embedding/0//none"]),
        (Weights("q", (-1,)), ["weights.q/2//none"]),
    ],
)
def test_an_entry_is_called_what_it_was_always_called(asked: Request, names: list[str]) -> None:
    assert [entry.name for entry in asked.entries(READING)] == names


def test_jacobians_name_whose_inputs_they_are_taken_at() -> None:
    (entry,) = Jacobian("mlp", 2, (0,)).entries(replace(READING, own="untrained:0"))
    assert entry.name == "jacobian.mlp@untrained:0/0/2,3/tokens"


def test_texts_that_values_are_taken_from_are_told_by_what_they_say() -> None:
    asked = Loss(ablation=Ablation("head", ((0, 1),), "mean", ("a",)))
    renamed = Loss(ablation=Ablation("head", ((0, 1),), "mean", ("x",)))
    assert asked.entries(READING) == renamed.entries(replace(READING, keys={"x": "00ff"}))
    assert asked.entries(READING) != renamed.entries(READING)


# ---- other networks


@pytest.mark.parametrize("asked", ONE_OF_EACH, ids=lambda one: type(one).__name__)
def test_the_same_is_asked_of_variants_and_activations_of_other_models(asked: Request) -> None:
    other = asked.for_variant("untrained:1")
    assert other == for_variant(asked, "untrained:1") == replace(asked, variant="untrained:1")
    assert other.for_variant(None) == asked
    assert asked.model is model_of(asked) is None
    assert asked.for_model(None) == asked
    if isinstance(asked, Activations):
        assert for_model(asked, "large").model == "large"
        assert for_model(asked, "large").for_model(None) == asked
        with pytest.raises(ClaimError, match="Model 'm' is read alone, and something was asked of 'large'"):
            asked.for_model("large").check(CORPUS, READING)
    else:
        with pytest.raises(ClaimError, match=r"Only activations are asked of models beside the run's own, and \w+\("):
            asked.for_model("large")


# ---- what cannot be


@pytest.mark.parametrize("asked", ONE_OF_EACH, ids=lambda one: type(one).__name__)
def test_what_a_network_can_answer_is_not_refused(asked: Request) -> None:
    asked.check(CORPUS, READING)


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        (Activations("q", positions=Positions("7")), CorpusError, "'a' (6)"),
        (Activations("q", positions=Positions("8")), UsageError, "lies beyond the 8 tokens"),
        (Jacobian("mlp", 7, last=6), CorpusError, "too short for a Jacobian at 7 tokens up to token 6"),
        (
            Jacobian("mlp", 5),
            ClaimError,
            "A window of 5 tokens cannot end at token 3, the first of the run's positions",
        ),
        (Weights("mlp_gate"), ClaimError, "has no matrix 'mlp_gate'; it has: embedding, unembedding, q, mlp_in."),
        (
            InductionScores(1, 16),
            ClaimError,
            "sequences of 33 tokens do not fit into model 'm', which reads at most 32",
        ),
        (Loss(texts=("z",)), ClaimError, "has no text 'z'"),
        (Loss(ablation=Ablation("head", ((0, 2),))), ClaimError, "has no head 2 in layer 0"),
        (Loss(ablation=Ablation("head", ((0, 1),), "mean", ("z",))), ClaimError, "has no text 'z'"),
        (LogOdds((50,)), ClaimError, "has tokens 0 to 49 only"),
    ],
)
def test_what_it_cannot_is_refused(asked: Request, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as caught:
        asked.check(CORPUS, READING)
    assert said in str(caught.value)


@pytest.mark.parametrize("asked", [Loss(), LogOdds((1,)), InductionScores(2, 4), Weights("unembedding")])
def test_an_encoder_predicts_nothing(asked: Request) -> None:
    with pytest.raises(ClaimError, match=r"is not causal|is an encoder"):
        asked.check(CORPUS, replace(READING, shape=replace(SHAPE, causal=False)))


def test_only_attention_has_a_first_token_to_attend_to() -> None:
    assert Activations("attn_pattern", reduce="first").reduce == "first"
    with pytest.raises(ClaimError, match="'resid_post' has no first token to attend to"):
        Activations("resid_post", reduce="first")


def test_an_unknown_site_names_those_that_exist() -> None:
    with pytest.raises(ClaimError, match="resid_post"):
        Activations("residual")
