"""The attention implementation: sdpa's numbers, and patterns for the queries asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from lm.rounding import rounding
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, AutoModel

from modclaims.lm import attention, extract
from modclaims.lm.attention import Product
from modclaims.lm.model import load_model

TOKENS = 9
ROUNDING = rounding(5 + 2 * TOKENS)
"""Of scores in 5 dimensions, a softmax and a mix."""


def product(mask: torch.Tensor | None, *, causal: bool, groups: int = 1, scale: float = 0.3) -> Product:
    draws = torch.Generator().manual_seed(0)
    query = torch.randn(2, 4, TOKENS, 5, generator=draws)
    key, value = torch.randn(2, 2, 4 // groups, TOKENS, 5, generator=draws)
    return Product(query, key, value, mask, scale, causal)


def mask(kind: str) -> torch.Tensor | None:
    window = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril().triu(-3).expand(2, 1, TOKENS, TOKENS)
    if kind == "window":
        return window
    return torch.where(window, 0.1 * torch.arange(TOKENS), -torch.inf) if kind == "bias" else None


@pytest.mark.parametrize("groups", [1, 2], ids=["own keys", "shared keys"])
@pytest.mark.parametrize("kind", ["causal", "everything", "window", "bias"])
def test_patterns_are_what_sdpa_mixes_values_by(kind: str, groups: int) -> None:
    """Values that are the identity come out as the pattern."""
    made = product(mask(kind), causal=kind != "everything", groups=groups)
    queries = torch.tensor([0, 4, 8])
    expected = scaled_dot_product_attention(
        made.query,
        made.key.repeat_interleave(groups, dim=1),
        torch.eye(TOKENS).expand(2, 4, TOKENS, TOKENS),
        attn_mask=made.mask,
        is_causal=kind == "causal",
        scale=made.scale,
    )[:, :, queries]
    torch.testing.assert_close(made.pattern(queries), expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("groups", [1, 2], ids=["own keys", "shared keys"])
@pytest.mark.parametrize("kind", ["causal", "everything", "window", "bias"])
def test_without_a_cap_values_are_mixed_as_sdpa_mixes_them(
    kind: str, groups: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = product(mask(kind), causal=kind != "everything", groups=groups)
    keys, values = (part.repeat_interleave(groups, dim=1) for part in (made.key, made.value))
    expected = scaled_dot_product_attention(
        made.query, keys, values, attn_mask=made.mask, is_causal=kind == "causal", scale=made.scale
    ).transpose(1, 2)
    torch.testing.assert_close(made.mixed(), expected, rtol=0, atol=ROUNDING * float(expected.abs().max()))
    monkeypatch.setattr(attention, "SCORES_AT_ONCE", 200)
    torch.testing.assert_close(made.mixed(), expected, rtol=0, atol=ROUNDING * float(expected.abs().max()))


def test_scores_are_squashed_below_the_cap_before_the_mask() -> None:
    """By hand: two keys with scores 3 and 1 under a cap of 2; a third one is masked."""
    query, key = torch.ones(1, 1, 1, 1), torch.tensor([3.0, 1.0, 9.0]).view(1, 1, 3, 1)
    seen = torch.tensor([[[[True, True, False]]]])
    made = Product(query, key, key, seen, 1.0, False, cap=2.0)
    weights = torch.exp(2 * torch.tanh(torch.tensor([1.5, 0.5])))
    first, second = (weights / weights.sum()).tolist()
    assert made.pattern(torch.tensor([0])).flatten().tolist() == pytest.approx([first, second, 0])
    assert made.mixed().flatten().tolist() == pytest.approx([3 * first + second])


def test_queries_are_taken_times_the_scale_that_is_still_to_come() -> None:
    made, queries = product(None, causal=True, scale=0.3), torch.tensor([2, 7])
    rows = {site: take(made, queries) for site, take in extract._PRODUCT_ROWS.items()}
    torch.testing.assert_close(rows["q"], 0.3 * made.query[:, :, queries].transpose(1, 2))
    for site, whole in (("k", made.key), ("v", made.value)):
        assert torch.equal(rows[site], whole[:, :, queries].transpose(1, 2))
    scores = torch.einsum("tphu,thku->tphk", rows["q"], made.key)
    masked = scores.masked_fill(torch.arange(TOKENS) > queries[:, None, None], -torch.inf)
    torch.testing.assert_close(rows["attn_pattern"], masked.softmax(dim=-1))


def test_the_network_gives_bare_sdpas_numbers_to_the_bit(folder: Path) -> None:
    bare = AutoModel.from_pretrained(folder, attn_implementation="sdpa", dtype=torch.float32).eval()
    ids = torch.arange(2, 42).view(2, 20)
    ours = load_model(str(folder), device="cpu").network().trunk
    with torch.inference_mode():
        assert torch.equal(ours(ids, use_cache=False).last_hidden_state, bare(ids, use_cache=False).last_hidden_state)


def test_no_mask_is_made_where_causality_is_all_there_is(plain: Path) -> None:
    """Without one sdpa takes its fast path."""
    network, products = load_model(str(plain), device="cpu").network(), []
    with torch.inference_mode(), attention.tapped(network.part(1, network.anatomy.attention), products.append):
        network.trunk(torch.arange(2, 22).view(1, 20), use_cache=False)
    (one,) = products
    assert one.mask is None
    assert one.causal
    assert one.scale == 1.0, "OPT multiplies its queries by the scale itself"


def test_importing_registers_nothing_and_registering_twice_is_harmless() -> None:
    assert attention.register() == attention.register() == attention.NAME
    assert attention.NAME in AttentionInterface()
    assert attention.NAME in AttentionMaskInterface()
