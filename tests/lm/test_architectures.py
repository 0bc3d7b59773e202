"""Every architecture against a witness of its own: plain hooks on the same weights under eager attention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from lm.rounding import of_network
from lm.tiny_architectures import CONTEXT, HEADS, LAYERS, MAX_HEAD, MLP, TINY, WIDTH, Tiny, Witness, ids, save, witness
from lm.tiny_opt import texts
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.lm.anatomy import ANATOMIES
from modclaims.lm.extract import extract
from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.network import Network
from modclaims.recording import HEAD_SITES, LAYER_SITES, SITES, Activations, Entry, Loss, Positions
from modclaims.recording.entries import LOSS

IDS = ids()
TEXTS, TOKENS = IDS.shape
AT = (2, 11, 17, 23)
EVERYWHERE = tuple(range(TOKENS))


def everything(positions: tuple[int, ...] = AT) -> list[Entry]:
    return [Entry("embed", 0, positions)] + [
        Entry(site, layer, positions) for site in (*LAYER_SITES, *HEAD_SITES) for layer in range(LAYERS)
    ]


class Case:
    """One tiny network: what modclaims records of it, and what the witness saw."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.tiny: Tiny = TINY[name]
        self.model: LanguageModel = load_model(str(folder), device="cpu")
        self.network: Network = self.model.network(head=self.model.shape.causal)
        self.values: dict[Entry, NDArray[Any]] = extract(self.network, IDS, everything())
        self.seen: Witness = witness(folder, name, IDS)

    def at(self, site: str, layer: int) -> torch.Tensor:
        return torch.from_numpy(self.values[Entry(site, layer, AT)])

    def part(self, layer: int, path: str) -> torch.nn.Module:
        return self.network.part(layer, path)


@pytest.fixture(scope="module", params=sorted(TINY))
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, save(tmp_path_factory.mktemp("tiny"), request.param))


ROUNDING = of_network(layers=LAYERS, width=WIDTH, mlp=MLP, heads=HEADS, head_width=MAX_HEAD, tokens=TOKENS)


def agree(found: Any, expected: Any, tolerance: float = ROUNDING) -> None:
    """Within the tolerance of the largest value (at least of one)."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale)


def test_every_known_architecture_is_tried_here() -> None:
    tried = {name.split()[0] for name in TINY}
    assert tried == set(ANATOMIES) - {"opt", "gemma3"}, "these two have their own tests"


def test_parameters_are_counted_as_trunk_and_head_hold_them_once(case: Case) -> None:
    head = () if case.network.head is None else case.network.head.parameters()
    distinct = {id(p): p.numel() for p in (*case.network.trunk.parameters(), *head)}
    assert case.model.shape.parameters == sum(distinct.values())


def test_the_shape_is_that_of_the_network(case: Case) -> None:
    shape = case.model.shape
    mlp = 4 * WIDTH if case.name == "gpt2" else MLP
    assert (shape.layers, shape.heads, shape.width, shape.mlp_width) == (LAYERS, HEADS, WIDTH, mlp)
    assert (shape.kv_heads, shape.head_width, shape.context) == (case.tiny.kv_heads, case.tiny.head_width, CONTEXT)
    assert shape.causal is not (case.tiny.encoder or "both ways" in case.name)


@pytest.mark.parametrize("site", SITES)
def test_a_site_equals_what_plain_hooks_and_eager_attention_give(site: str, case: Case) -> None:
    for layer in range(1 if site == "embed" else LAYERS):
        found = case.values[Entry(site, layer, AT)]
        assert found.dtype == np.float32
        agree(found, case.seen.sites[site][layer][:, list(AT)])
        assert np.abs(found).max() > 1e-3, "a site of zeros would agree with anything"


def test_the_residual_stream_is_transformers_hidden_states(case: Case) -> None:
    """The last hidden state stands after the final norm, where there is one; `resid_post` before."""
    states = [state[:, list(AT)] for state in case.seen.states]
    assert len(states) == LAYERS + 1
    agree(case.at("embed", 0), states[0])
    for layer in range(LAYERS):
        agree(case.at("resid_pre", layer), states[layer])
    for layer in range(LAYERS - 1):
        agree(case.at("resid_post", layer), states[layer + 1])
    last = case.at("resid_post", LAYERS - 1)
    with torch.no_grad():
        agree(case.seen.last(last), states[-1])
        for path in case.network.anatomy.final:
            last = case.network.trunk.get_submodule(path)(last)
    agree(last, states[-1])


def test_attention_and_mlp_add_up_to_the_residual_stream(case: Case) -> None:
    """Pre-norm and parallel: pre + attn + mlp = post. Post-norm: post = LN2(LN1(pre + attn) + mlp)."""
    anatomy, config = case.network.anatomy, case.network.trunk.config
    assert anatomy.is_pre_norm(config) is (case.tiny.family not in ("bert", "roberta"))
    for layer in range(LAYERS):
        pre, attn, mlp, post = (case.at(site, layer) for site in ("resid_pre", "attn_out", "mlp_out", "resid_post"))
        if anatomy.is_pre_norm(config):
            total = pre + attn + mlp
        else:
            first, second = (case.part(layer, anatomy.norms[name]) for name in ("attention", "mlp"))
            with torch.no_grad():
                total = second(first(pre + attn) + mlp)
        agree(total, post)


def test_head_writes_and_the_bias_add_up_to_attention_before_any_sandwich_norm(case: Case) -> None:
    anatomy = case.network.anatomy
    biased = 0
    for layer in range(LAYERS):
        total = case.at("head_write", layer).sum(dim=2)
        bias = case.network.bias(layer, "o")
        if bias is not None:
            assert bias.abs().max() > 0.01
            total, biased = total + bias, biased + 1
        with torch.no_grad():
            if "attention" in anatomy.sandwich:
                total = case.part(layer, anatomy.sandwich["attention"])(total)
        agree(total, case.at("attn_out", layer))
    assert biased in (0, LAYERS)


def test_queries_read_the_keys_and_values_of_their_group(case: Case) -> None:
    """Query head h reads key-value head h // (H / H_kv)."""
    shape = case.model.shape
    reads = np.arange(shape.heads) // (shape.heads // shape.kv_heads)
    for layer in range(LAYERS):
        kept = extract(case.network, IDS, [Entry(site, layer, EVERYWHERE) for site in ("k", "v")])
        k, v = (kept[Entry(site, layer, EVERYWHERE)] for site in ("k", "v"))
        assert k.shape == v.shape == (TEXTS, TOKENS, shape.kv_heads, shape.head_width)
        q, pattern = case.at("q", layer).numpy(), case.at("attn_pattern", layer).numpy()
        np.testing.assert_allclose(pattern.sum(axis=-1), 1, atol=ROUNDING)
        agree(np.einsum("tphk,tkhu->tphu", pattern, v[:, :, reads]), case.at("head_z", layer))
        scores = np.einsum("tphu,tkhu->tphk", q, k[:, :, reads])
        if (cap := case.tiny.sizes.get("attn_logit_softcapping")) is not None:
            scores = cap * np.tanh(scores / cap)
        weights = np.where(pattern > 0, np.exp(scores), 0)
        agree(weights / weights.sum(axis=-1, keepdims=True), pattern)


def test_tokens_attend_to_what_their_masks_allow(case: Case) -> None:
    queries, keys = np.array(AT)[:, None], np.arange(TOKENS)
    for layer in range(LAYERS):
        allowed = np.ones((len(AT), TOKENS), bool) if not case.model.shape.causal else keys <= queries
        config = case.network.trunk.config
        kinds = getattr(config, "layer_types", None) or [None] * LAYERS
        if kinds[layer] == "sliding_attention" or case.name == "mistral":
            reach = config.sliding_window
            near = np.abs(queries - keys) < reach
            allowed = allowed & near
            assert not near.all()
        pattern = case.at("attn_pattern", layer).numpy()
        if "both ways" not in case.name or kinds[layer] == "full_attention":  # how far it looks ahead is its own affair
            np.testing.assert_array_equal(
                pattern > 0, np.broadcast_to(allowed[:, None], pattern.shape[1:])[None].repeat(TEXTS, 0)
            )


def test_the_first_tokens_share_is_the_first_column_of_the_pattern(case: Case) -> None:
    """Against eager attention, at every query, and zero where a window hides the first token."""
    entries = [Entry("attn_pattern", layer, EVERYWHERE, "first") for layer in range(LAYERS)]
    found = extract(case.network, IDS, entries)
    for layer, entry in enumerate(entries):
        assert found[entry].shape == (TEXTS, TOKENS, HEADS)
        expected = case.seen.sites["attn_pattern"][layer][..., 0]
        np.testing.assert_allclose(found[entry], expected, rtol=0, atol=ROUNDING)
        if case.model.shape.causal:
            np.testing.assert_array_equal(found[entry][:, 0], 1)


def test_matrices_make_what_the_sites_hold(case: Case) -> None:
    """q, k and v before norms and rotation; the MLP from its own input; attention's output by head."""
    network, shape = case.network, case.model.shape
    anatomy = network.anatomy
    inputs: dict[str, torch.Tensor] = {}
    outputs: dict[str, torch.Tensor] = {}

    def keep(path: str) -> Any:
        def hook(_: torch.nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> None:
            inputs[path], outputs[path] = args[0], output

        return hook

    paths = {anatomy.path(name) for name in anatomy.matrices}
    handles = [network.part(1, path).register_forward_hook(keep(path)) for path in paths]
    with torch.inference_mode():
        network.trunk(input_ids=torch.from_numpy(IDS), use_cache=False)
    for handle in handles:
        handle.remove()
    widths = {
        "q": (shape.heads * shape.head_width, WIDTH),
        "k": (shape.kv_heads * shape.head_width, WIDTH),
        "v": (shape.kv_heads * shape.head_width, WIDTH),
        "o": (WIDTH, shape.heads * shape.head_width),
        "mlp_in": (shape.mlp_width, WIDTH),
        "mlp_gate": (shape.mlp_width, WIDTH),
        "mlp_out": (WIDTH, shape.mlp_width),
    }
    for name in anatomy.matrices:
        assert network.matrix(1, name).shape == widths[name]
        bias = network.bias(1, name)
        path = anatomy.path(name)
        made = inputs[path] @ network.matrix(1, name).T + (0 if bias is None else bias)
        if name in "qkv" and case.tiny.family in ("gpt2", "gpt_neox"):
            whole = outputs[path]
            if case.tiny.family == "gpt2":
                expected = whole[..., WIDTH * "qkv".index(name) :][..., :WIDTH]
            else:
                expected = whole.unflatten(-1, (HEADS, 3, -1))[..., "qkv".index(name), :].flatten(-2)
        else:
            expected = outputs[path]
        agree(made, expected)
    if "mlp_gate" in anatomy.matrices:
        activate = network.part(1, "mlp").act_fn
        gate, up = (inputs[anatomy.path(name)] @ network.matrix(1, name).T for name in ("mlp_gate", "mlp_in"))
        gate, up = (
            part if (bias := network.bias(1, name)) is None else part + bias
            for part, name in ((gate, "mlp_gate"), (up, "mlp_in"))
        )
        agree((activate(gate) * up)[:, list(AT)], case.at("mlp_act", 1))


def test_the_loss_is_that_of_the_language_model(case: Case) -> None:
    if not case.model.shape.causal:
        with pytest.raises(ClaimError, match=r"not causal.*no next-token loss"):
            case.model.record(texts(TOKENS), [Loss()], tokens=TOKENS, positions=Positions("3"))
        return
    model = transformers.AutoModelForCausalLM.from_pretrained(case.folder, attn_implementation="eager").eval()
    with torch.no_grad():
        expected = [float(model(row, labels=row).loss) for row in torch.from_numpy(IDS)[:, None]]
    found = extract(case.network, IDS, [Entry(LOSS)])[Entry(LOSS)]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=ROUNDING)


def test_embeddings_are_tied_where_the_configuration_says_so(case: Case) -> None:
    if case.network.head is None:
        return
    config = case.network.trunk.config
    embeddings = case.network.trunk.get_input_embeddings().weight.data_ptr()
    shared = embeddings in {weight.data_ptr() for weight in case.network.head.parameters()}
    assert shared is bool(config.tie_word_embeddings)
    if "tie_word_embeddings" in case.tiny.sizes:
        assert shared


def test_a_batch_of_one_agrees_with_a_batch_of_five(case: Case) -> None:
    """Within 1e-5 of the site's RMS."""
    alone = [extract(case.network, IDS[row : row + 1], everything()) for row in range(TEXTS)]
    for entry, together in case.values.items():
        apart = np.concatenate([part[entry] for part in alone])
        assert np.abs(apart - together).max() <= 1e-5 * np.sqrt(np.mean(together.astype(float) ** 2)), entry


def test_variants_are_recorded_too(case: Case) -> None:
    requests = [Activations("attn_out", variant=word) for word in (None, "untrained:0", "gaussian:0", "permuted:0")]
    recording = case.model.record(texts(TOKENS, TOKENS), requests, tokens=TOKENS, positions=Positions("5,20"))
    found = [recording.array(request, 1) for request in requests]
    assert all(np.isfinite(values).all() for values in found)
    assert all(not np.allclose(found[i], found[j]) for i in range(4) for j in range(i))


def test_every_site_has_the_axes_that_the_seam_promises(case: Case) -> None:
    shape = case.model.shape
    units = {
        **dict.fromkeys(("embed", "resid_pre", "resid_post", "attn_out", "mlp_out"), (WIDTH,)),
        "mlp_act": (shape.mlp_width,),
        "head_z": (HEADS, shape.head_width),
        "head_write": (HEADS, WIDTH),
        "q": (HEADS, shape.head_width),
        **dict.fromkeys(("k", "v"), (shape.kv_heads, shape.head_width)),
        "attn_pattern": (HEADS, TOKENS),
    }
    recording = case.model.record(
        texts(TOKENS, TOKENS), [Activations(site) for site in SITES], tokens=TOKENS, positions=Positions("5,20")
    )
    for site in SITES:
        assert recording.array(Activations(site), 0).shape == (2, 2, *units[site])
