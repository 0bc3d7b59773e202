"""Every site against a witness: plain hooks on the same weights under eager attention."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lm.rounding import of_network
from lm.tiny_opt import CONTEXT, HEADS, LAYERS, WIDTH, texts
from numpy.typing import NDArray
from transformers import AutoModel, OPTForCausalLM

from modclaims.lm import attention
from modclaims.lm import extract as extract_module
from modclaims.lm.extract import extract, next_token_loss
from modclaims.lm.model import load_model
from modclaims.recording import HEAD_SITES, LAYER_SITES, SITES, Activations, Entry, Loss, Positions
from modclaims.recording.entries import LOSS

TOKENS = 48
ROUNDING = of_network(tokens=TOKENS)
AT = (5, 17, 30, 47)
IDS = np.random.default_rng(0).integers(2, 250, size=(8, TOKENS))
IDS[:, 0] = 0


def witness(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[dict[str, list[NDArray[Any]]], Any]:
    """Every site at all tokens, a layer at a time, and the network's own output; by eager attention and plain hooks."""
    model = AutoModel.from_pretrained(folder, attn_implementation="eager", dtype=dtype).eval()
    blocks = model.decoder.layers
    seen: dict[str, list[torch.Tensor]] = {site: [] for site in SITES}
    heads = (len(IDS), TOKENS, HEADS, WIDTH // HEADS)

    def watch(module: torch.nn.Module, into: str | None, out_of: str | None) -> None:
        def hook(_: torch.nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if into:
                seen[into].append(args[0].reshape(len(IDS), TOKENS, -1))
            if out_of:
                seen[out_of].append((output[0] if isinstance(output, tuple) else output).reshape(len(IDS), TOKENS, -1))

        module.register_forward_hook(hook)

    watch(blocks[0], "embed", None)
    for block in blocks:
        watch(block, "resid_pre", "resid_post")
        watch(block.self_attn.out_proj, "head_z", "attn_out")
        watch(block.fc2, "mlp_act", "mlp_out")
        for name in "qkv":
            watch(getattr(block.self_attn, f"{name}_proj"), None, name)
    with torch.no_grad():
        output = model(torch.from_numpy(IDS), use_cache=False, output_attentions=True, output_hidden_states=True)
    for name in ("head_z", "q", "k", "v"):
        seen[name] = [values.view(heads) for values in seen[name]]
    seen["q"] = [values * (WIDTH // HEADS) ** -0.5 for values in seen["q"]]
    for block, z in zip(blocks, seen["head_z"], strict=True):
        columns = block.self_attn.out_proj.weight.split(WIDTH // HEADS, dim=1)
        seen["head_write"].append(torch.stack([z[:, :, h] @ columns[h].T for h in range(HEADS)], dim=2))
    seen["attn_pattern"] = patterns(output.attentions)
    return {site: [values.detach().numpy() for values in layers] for site, layers in seen.items()}, output


def patterns(attentions: Sequence[torch.Tensor] | None) -> list[torch.Tensor]:
    """(text, query, head, key) of each layer; fails where a network gave none."""
    assert attentions
    assert len(attentions) == LAYERS
    assert all(layer is not None for layer in attentions)
    return [layer.transpose(1, 2) for layer in attentions]


def everything(positions: tuple[int, ...] = AT, reduce: str = "none") -> list[Entry]:
    return [Entry("embed", 0, positions, reduce)] + [
        Entry(site, layer, positions, reduce) for site in (*LAYER_SITES, *HEAD_SITES) for layer in range(LAYERS)
    ]


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, list[NDArray[Any]]]:
    return witness(folder)[0]


@pytest.fixture(scope="module")
def network(folder: Path) -> Any:
    return load_model(str(folder), device="cpu").network(head=True)


@pytest.fixture(scope="module")
def values(network: Any) -> dict[Entry, NDArray[Any]]:
    return extract(network, IDS, everything())


@pytest.mark.parametrize("site", SITES)
def test_a_site_equals_what_plain_hooks_and_eager_attention_give(
    site: str, seen: dict[str, list[NDArray[Any]]], values: dict[Entry, NDArray[Any]]
) -> None:
    for layer in range(1 if site == "embed" else LAYERS):
        found = values[Entry(site, layer, AT)]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, seen[site][layer][:, list(AT)], rtol=ROUNDING, atol=ROUNDING, strict=True)
        assert np.abs(found).max() > 1e-3, "a site of zeros would agree with anything"


def test_in_float64_sites_agree_as_far_as_eager_attention_goes(folder: Path) -> None:
    """Its softmax is made in float32, whatever the network's dtype."""
    seen, _ = witness(folder, torch.float64)
    found = extract(load_model(str(folder), dtype="float64", device="cpu").network(), IDS, everything())
    for entry, values in found.items():
        np.testing.assert_allclose(
            values, seen[entry.site][entry.layer][:, list(AT)], rtol=0, atol=ROUNDING, strict=True
        )


def test_the_comparison_fails_on_an_empty_attentions() -> None:
    for nothing in (None, (), (None,) * LAYERS):
        with pytest.raises(AssertionError):
            patterns(nothing)


@pytest.mark.parametrize("site", SITES)
def test_reductions_equal_those_of_the_unreduced_values(
    site: str, network: Any, values: dict[Entry, NDArray[Any]]
) -> None:
    layer = 0 if site == "embed" else LAYERS - 1
    norm, mean = Entry(site, layer, AT, "norm"), Entry(site, layer, AT, "mean")
    found, plain = extract(network, IDS, [norm, mean]), values[Entry(site, layer, AT)]
    np.testing.assert_allclose(found[norm], np.linalg.norm(plain, axis=-1), rtol=1e-5, atol=0, strict=True)
    np.testing.assert_allclose(found[mean], plain.mean(axis=1), rtol=ROUNDING, atol=ROUNDING, strict=True)


def test_the_residual_stream_is_transformers_hidden_states(folder: Path, values: dict[Entry, NDArray[Any]]) -> None:
    """The last hidden state stands after the final norm and projection; `resid_post` before."""
    _, output = witness(folder)
    states = [state.numpy()[:, list(AT)] for state in output.hidden_states]
    assert len(states) == LAYERS + 1
    np.testing.assert_allclose(values[Entry("embed", 0, AT)], states[0], rtol=ROUNDING, atol=ROUNDING, strict=True)
    for layer in range(LAYERS):
        pre = values[Entry("resid_pre", layer, AT)]
        np.testing.assert_allclose(pre, states[layer], rtol=ROUNDING, atol=ROUNDING, strict=True)
    for layer in range(LAYERS - 1):
        post = values[Entry("resid_post", layer, AT)]
        np.testing.assert_allclose(post, states[layer + 1], rtol=ROUNDING, atol=ROUNDING, strict=True)

    network = load_model(str(folder), device="cpu").network()
    last = torch.from_numpy(values[Entry("resid_post", LAYERS - 1, AT)])
    for path in network.anatomy.final:
        try:
            last = network.trunk.get_submodule(path)(last)
        except AttributeError:  # OPT-350m has no final norm, the others no projection
            continue
    np.testing.assert_allclose(last.numpy(), states[-1], rtol=ROUNDING, atol=ROUNDING, strict=True)


def test_attention_and_mlp_add_up_to_the_residual_stream(network: Any, values: dict[Entry, NDArray[Any]]) -> None:
    """Pre-norm: pre + attn + mlp = post. Post-norm: post = LN2(LN1(pre + attn) + mlp)."""
    config = network.trunk.config
    assert network.anatomy.is_pre_norm(config) is config.do_layer_norm_before
    for layer in range(LAYERS):
        pre, attn, mlp, post = (
            torch.from_numpy(values[Entry(site, layer, AT)])
            for site in ("resid_pre", "attn_out", "mlp_out", "resid_post")
        )
        if network.anatomy.is_pre_norm(config):
            total = pre + attn + mlp
        else:
            first, second = (network.part(layer, network.anatomy.norms[name]) for name in ("attention", "mlp"))
            total = second(first(pre + attn) + mlp)
        np.testing.assert_allclose(total, post, rtol=ROUNDING, atol=ROUNDING)


def test_head_writes_and_the_bias_add_up_to_the_attention_output(
    network: Any, values: dict[Entry, NDArray[Any]]
) -> None:
    for layer in range(LAYERS):
        bias = network.bias(layer, "o").numpy()
        assert np.abs(bias).max() > 0.01
        writes = values[Entry("head_write", layer, AT)]
        np.testing.assert_allclose(
            writes.sum(axis=2) + bias, values[Entry("attn_out", layer, AT)], rtol=ROUNDING, atol=ROUNDING
        )


def test_the_first_tokens_share_is_the_first_column_of_the_pattern(
    network: Any, values: dict[Entry, NDArray[Any]], seen: dict[str, list[NDArray[Any]]]
) -> None:
    entries = [Entry("attn_pattern", layer, AT, "first") for layer in range(LAYERS)]
    found = extract(network, IDS, entries)
    for layer, entry in enumerate(entries):
        assert found[entry].shape == (len(IDS), len(AT), HEADS)
        np.testing.assert_array_equal(found[entry], values[Entry("attn_pattern", layer, AT)][..., 0])
        np.testing.assert_allclose(
            found[entry], seen["attn_pattern"][layer][:, list(AT)][..., 0], rtol=0, atol=ROUNDING
        )


def test_mixing_values_by_patterns_gives_head_z(network: Any, values: dict[Entry, NDArray[Any]]) -> None:
    everywhere = tuple(range(TOKENS))
    for layer in range(LAYERS):
        v = extract(network, IDS, [Entry("v", layer, everywhere)])[Entry("v", layer, everywhere)]
        pattern = values[Entry("attn_pattern", layer, AT)]
        np.testing.assert_allclose(pattern.sum(axis=-1), 1, rtol=ROUNDING, atol=ROUNDING)
        mixed = np.einsum("tphk,tkhu->tphu", pattern, v)
        np.testing.assert_allclose(mixed, values[Entry("head_z", layer, AT)], rtol=ROUNDING, atol=ROUNDING)


def test_a_batch_of_one_agrees_with_a_batch_of_eight(network: Any, values: dict[Entry, NDArray[Any]]) -> None:
    """Within 1e-5 of the site's RMS."""
    alone = [extract(network, IDS[row : row + 1], everything()) for row in range(len(IDS))]
    for entry, together in values.items():
        apart = np.concatenate([part[entry] for part in alone])
        assert np.abs(apart - together).max() <= 1e-5 * np.sqrt(np.mean(together.astype(float) ** 2)), entry


def test_positions_are_taken_one_by_one_and_in_their_order(network: Any, values: dict[Entry, NDArray[Any]]) -> None:
    whole = values[Entry("attn_out", 1, AT)]
    single = [Entry("attn_out", 1, (position,)) for position in AT]
    found = extract(network, IDS, single)
    for index, entry in enumerate(single):
        np.testing.assert_array_equal(found[entry][:, 0], whole[:, index])


@pytest.mark.parametrize(
    ("entry", "blocks", "attentions", "mlps"),
    [
        (Entry("embed", 0, AT), 0, 0, 0),
        (Entry("resid_pre", 1, AT), 1, 1, 1),
        (Entry("attn_pattern", 1, AT), 1, 1, 1),
        (Entry("head_z", 1, AT), 1, 1, 1),
        (Entry("attn_out", 1, AT), 1, 2, 1),
        (Entry("mlp_act", 1, AT), 1, 2, 1),
        (Entry("resid_post", 1, AT), 2, 2, 2),
        (Entry("resid_post", LAYERS - 1, AT), LAYERS, LAYERS, LAYERS),
    ],
)
def test_nothing_runs_after_the_last_thing_needed(
    entry: Entry, blocks: int, attentions: int, mlps: int, network: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted: blocks, attentions and MLPs that were run to their end, and what follows the last block."""
    finished = {"block": 0, "attention": 0, "mlp": 0, "after": 0}

    def count(what: str) -> Any:
        return lambda *_: finished.update({what: finished[what] + 1})

    handles = []
    for layer, block in enumerate(network.blocks):
        handles.append(block.register_forward_hook(count("block")))
        handles.append(
            network.part(layer, network.anatomy.write("attention")).register_forward_hook(count("attention"))
        )
        handles.append(network.part(layer, network.anatomy.write("mlp")).register_forward_hook(count("mlp")))
    for name, module in network.trunk.named_modules():
        if name in network.anatomy.final:
            handles.append(module.register_forward_hook(count("after")))
    try:
        extract(network, IDS, [entry])
    finally:
        for handle in handles:
            handle.remove()
    assert finished == {"block": blocks, "attention": attentions, "mlp": mlps, "after": 0}


def test_no_hook_or_tap_is_left_behind(network: Any) -> None:
    extract(network, IDS, everything())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.trunk.modules())
    assert not attention._taps


def test_the_loss_is_that_of_the_language_model(folder: Path, network: Any) -> None:
    model = OPTForCausalLM.from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    with torch.no_grad():
        expected = [float(model(ids, labels=ids).loss) for ids in torch.from_numpy(IDS)[:, None]]
    found = extract(network, IDS, [Entry(LOSS)])[Entry(LOSS)]
    assert found.dtype == np.float64
    assert found.shape == (len(IDS),)
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_the_loss_holds_only_some_logits_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    head, rows = torch.nn.Linear(6, 100, bias=False), []
    head.register_forward_hook(lambda _, args, __: rows.append(len(args[0])))
    hidden, ids = torch.randn(3, 20, 6), torch.randint(100, (3, 20))
    whole = next_token_loss(hidden, head, ids)
    assert rows == [19] * 3
    rows.clear()
    monkeypatch.setattr(extract_module, "LOGITS_AT_ONCE", 700)
    torch.testing.assert_close(next_token_loss(hidden, head, ids), whole)
    assert rows == [7, 7, 5] * 3


def test_asking_for_the_loss_changes_no_activation(network: Any, values: dict[Entry, NDArray[Any]]) -> None:
    found = extract(network, IDS, [*everything(), Entry(LOSS)])
    assert set(found) == {*everything(), Entry(LOSS)}
    for entry, expected in values.items():
        np.testing.assert_array_equal(found[entry], expected)


@pytest.mark.parametrize(("dtype", "kept"), [("float64", np.float64), ("bfloat16", np.float32)])
def test_other_dtypes_are_kept_as_float32_or_float64(plain: Path, dtype: str, kept: type) -> None:
    network = load_model(str(plain), dtype=dtype, device="cpu").network()
    exact = load_model(str(plain), device="cpu").network()
    entries = everything()
    found, near = extract(network, IDS, entries), extract(exact, IDS, entries)
    for entry in entries:
        assert found[entry].dtype == kept
        scale = np.sqrt(np.mean(near[entry] ** 2))
        assert np.abs(found[entry] - near[entry]).max() < (0.2 if dtype == "bfloat16" else 1e-5) * scale


def test_recordings_of_a_corpus_have_the_axes_that_the_seam_promises(folder: Path) -> None:
    corpus = texts(CONTEXT, CONTEXT + 9, CONTEXT)
    requests = [*(Activations(site) for site in SITES), Activations("head_z", reduce="norm"), Loss()]
    recording = load_model(str(folder), device="cpu").record(
        corpus, requests, tokens=CONTEXT, positions=Positions("last:5:2")
    )
    assert recording.positions == (55, 57, 59, 61, 63)
    inner = WIDTH // HEADS
    expected = {
        "embed": (WIDTH,), "resid_pre": (WIDTH,), "resid_post": (WIDTH,), "attn_out": (WIDTH,), "mlp_out": (WIDTH,),
        "mlp_act": (40,), "head_z": (HEADS, inner), "head_write": (HEADS, WIDTH), "q": (HEADS, inner), "k": (HEADS, inner),
        "v": (HEADS, inner), "attn_pattern": (HEADS, CONTEXT),
    }  # fmt: skip
    for site, units in expected.items():
        assert recording.array(Activations(site), 0).shape == (3, 5, *units)
    assert recording.array(Activations("head_z", reduce="norm"), 1).shape == (3, 5, HEADS)
    assert recording.array(Loss()).shape == (3,)
