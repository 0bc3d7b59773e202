"""Variants: deterministic, and what is taken from the weights is what was promised."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
import torch
from lm.tiny_opt import texts

from modclaims.errors import ClaimError
from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.scrambling import scramble
from modclaims.lm.variants import KINDS, Variant
from modclaims.recording import Activations, Positions


def weights(model: LanguageModel, variant: str | None, *, head: bool = False) -> dict[str, torch.Tensor]:
    network = model.network(None if variant is None else Variant.parse(variant), head=head)
    return dict(network.trunk.named_parameters())


def is_scrambled(name: str, weight: torch.Tensor) -> bool:
    return ".layers." in name and weight.ndim == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_variant_is_the_same_every_time_and_seeds_differ(kind: str, load: Callable[..., LanguageModel]) -> None:
    model = load()
    first, again, other = (weights(model, f"{kind}:{seed}") for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    for name, weight in first.items():
        if is_scrambled(name, weight):
            assert not torch.equal(weight, other[name]), name


@pytest.mark.parametrize("kind", KINDS)
def test_a_variant_is_the_same_with_and_without_the_head(kind: str, load: Callable[..., LanguageModel]) -> None:
    bare, headed = weights(load(), f"{kind}:3"), weights(load(), f"{kind}:3", head=True)
    assert all(torch.equal(bare[name], headed[name]) for name in bare)


@pytest.mark.parametrize("kind", KINDS)
def test_a_variant_leaves_the_global_random_stream_alone(kind: str, load: Callable[..., LanguageModel]) -> None:
    model, state = load(), torch.random.get_rng_state()
    weights(model, f"{kind}:0")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_gaussian_matrices_have_the_learned_norms(load: Callable[..., LanguageModel]) -> None:
    model = load()
    learned, drawn = weights(model, None), weights(model, "gaussian:0")
    for name, weight in learned.items():
        if is_scrambled(name, weight):
            torch.testing.assert_close(drawn[name].norm(), weight.norm(), rtol=1e-5, atol=0)
            assert abs(torch.corrcoef(torch.stack([drawn[name].flatten(), weight.flatten()]))[0, 1]) < 0.25
        else:
            assert torch.equal(drawn[name], weight), name


@pytest.mark.parametrize("kind", ["gaussian", "permuted"])
def test_no_two_matrices_are_scrambled_alike(kind: str, plain: Path) -> None:
    """Given the same weights, they come out different."""
    network = load_model(str(plain), device="cpu").network()
    same = [network.matrix(layer, name) for layer in (0, 1) for name in ("q", "k")]
    for matrix in same[1:]:
        matrix.copy_(same[0])
    scramble(network, Variant(kind))
    for first, second in combinations(same, 2):
        assert abs(torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1]) < 0.4


def test_permuted_matrices_have_the_learned_entries(load: Callable[..., LanguageModel]) -> None:
    model = load()
    learned, drawn = weights(model, None), weights(model, "permuted:0")
    for name, weight in learned.items():
        if is_scrambled(name, weight):
            assert torch.equal(drawn[name].flatten().sort().values, weight.flatten().sort().values)
            assert not torch.equal(drawn[name], weight)
        else:
            assert torch.equal(drawn[name], weight), name


def test_an_untrained_network_has_the_architectures_own_initial_weights(load: Callable[..., LanguageModel]) -> None:
    drawn = weights(load(), "untrained:0")
    for name, weight in drawn.items():
        if name.endswith("bias"):
            assert not weight.any(), name
        elif "layer_norm" in name:
            assert (weight == 1).all(), name
        else:
            assert 0.01 < weight.std() < 0.03, name  # init_std is .02


@pytest.mark.parametrize("kind", KINDS)
def test_variants_do_not_depend_on_the_dtype_beyond_rounding(kind: str, load: Callable[..., LanguageModel]) -> None:
    single, double = weights(load(), f"{kind}:0"), weights(load(dtype="float64"), f"{kind}:0")
    for name, weight in single.items():
        torch.testing.assert_close(double[name].float(), weight, rtol=1e-6, atol=1e-7)


def test_a_spec_with_a_variant_answers_as_the_request_for_that_variant(load: Callable[..., LanguageModel]) -> None:
    corpus, run = texts(20, 20), {"tokens": 20, "positions": Positions("10,19")}
    base = load().record(corpus, [Activations("mlp_out"), Activations("mlp_out", variant="permuted:2")], **run)
    own = load("#permuted:2")
    assert own.shape.name.endswith("#permuted:2")
    assert own.shape.provenance["variant"] == "permuted:2"
    recording = own.record(corpus, [Activations("mlp_out")], **run)
    assert base.passes == 4
    assert recording.passes == 0
    asked = base.array(Activations("mlp_out", variant="permuted:2"), 1)
    assert (recording.array(Activations("mlp_out"), 1) == asked).all()
    assert (base.array(Activations("mlp_out"), 1) != asked).any()


@pytest.mark.parametrize(
    "word", ["trained", "untrained:", "untrained:-1", "untrained:x", "untrained:1:2", "", "gaussian:²"]
)
def test_an_unknown_variant_is_refused(word: str) -> None:
    with pytest.raises(ClaimError, match="untrained, gaussian, permuted"):
        Variant.parse(word)


def test_variants_are_written_as_they_are_read() -> None:
    assert str(Variant.parse("gaussian")) == "gaussian:0"
    assert Variant.parse("untrained:12") == Variant("untrained", 12)
