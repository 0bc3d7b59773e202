"""Positions and layers: what is asked for, resolved."""

import pytest

from modclaims.errors import ClaimError, UsageError
from modclaims.recording import Activations, ModelShape, Positions

SHAPE = ModelShape("m", layers=4, heads=2, kv_heads=2, width=8, head_width=4, mlp_width=16, context=64)


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("last:10:4", tuple(range(475, 512, 4))),
        ("475:512:4", tuple(range(475, 512, 4))),
        ("475,479", (475, 479)),
        ("479, 475, 475", (475, 479)),
        ("0", (0,)),
    ],
)
def test_positions_resolve(spec, found):
    assert Positions(spec).resolve(512) == found


@pytest.mark.parametrize("spec", ["last:10", "last:a:b", "last:0:4", "last:200:4", "512", "-1", "5:5", "a", ""])
def test_positions_that_cannot_be_are_refused(spec):
    with pytest.raises(UsageError):
        Positions(spec).resolve(512)


def test_layers_count_from_the_end_too():
    assert SHAPE.resolve_layers(Activations("attn_out", (-1, 0))) == (0, 3)
    assert SHAPE.resolve_layers(Activations("attn_out")) == (0, 1, 2, 3)
    assert SHAPE.resolve_layers(Activations("embed")) == (0,)


def test_a_layer_that_the_model_lacks_is_the_claims_fault():
    with pytest.raises(ClaimError, match="layers 0 to 3"):
        SHAPE.resolve_layers(Activations("attn_out", (4,)))


def test_only_attention_has_a_first_token_to_attend_to():
    assert Activations("attn_pattern", reduce="first").reduce == "first"
    with pytest.raises(ClaimError, match="'resid_post' has no first token to attend to"):
        Activations("resid_post", reduce="first")


def test_an_unknown_site_names_those_that_exist():
    with pytest.raises(ClaimError, match="resid_post"):
        Activations("residual")
