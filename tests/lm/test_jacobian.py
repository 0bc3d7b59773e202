"""Jacobians of blocks against automatic differentiation of the architecture's own modules, and against algebra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from lm.tiny_architectures import LAYERS, MLP, PATHS, TINY, WIDTH, save
from lm.tiny_architectures import ids as some_ids
from lm.tiny_opt import STYLES, save_model
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch.overrides import TorchFunctionMode

from modclaims.errors import ClaimError, ModelError
from modclaims.lm import jacobian
from modclaims.lm.block_inputs import BlockInput, block_inputs
from modclaims.lm.extract import extract
from modclaims.lm.jacobian import BlockJacobian, block_jacobian
from modclaims.lm.model import load_model
from modclaims.lm.network import Network
from modclaims.lm.variants import Variant
from modclaims.recording import BLOCKS, Entry

TOKENS = 12  # more than the 9 of sliding windows
IDS = some_ids(1, TOKENS)[0]
LAYER = LAYERS - 1

LLAMA = {
    "attention": ("input_layernorm", "self_attn"),
    "mlp": ("post_attention_layernorm", "mlp"),
}
GEMMA = {
    "attention": ("input_layernorm", "self_attn", "post_attention_layernorm"),
    "mlp": ("pre_feedforward_layernorm", "mlp", "post_feedforward_layernorm"),
}
BERT = {"attention": ("", "attention.self", "attention.output.dense"), "mlp": ("", "intermediate", "output.dense")}
CHAINS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "opt pre-norm": {
        "attention": ("self_attn_layer_norm", "self_attn"),
        "mlp": ("final_layer_norm", "fc1", "activation_fn", "fc2"),
    },
    "opt post-norm": {"attention": ("", "self_attn"), "mlp": ("", "fc1", "activation_fn", "fc2")},
    "gpt2": {"attention": ("ln_1", "attn"), "mlp": ("ln_2", "mlp")},
    "gpt_neox": {"attention": ("input_layernorm", "attention"), "mlp": ("post_attention_layernorm", "mlp")},
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma"), LLAMA),
    **dict.fromkeys(("gemma2", "gemma3"), GEMMA),
    **dict.fromkeys(("bert", "roberta"), BERT),
}
"""From a block: what its stream runs through, in order; the first is its normalisation, or nothing in a post-norm block."""


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Matrices this small are slower on several."""
    with threadpool_limits(1):
        yield


class KeptInFloat64(TorchFunctionMode):
    """Makes float64 of the float32 that architectures round to on the way, in RMSNorm and in eager attention."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        args = tuple(torch.float64 if value is torch.float32 else value for value in args)
        kwargs = {
            name: torch.float64 if value is torch.float32 else value for name, value in dict(kwargs or {}).items()
        }
        return (torch.Tensor.double if function is torch.Tensor.float else function)(*args, **kwargs)


class Case:
    """One tiny network, its blocks' Jacobians, and a witness for them: its own modules, differentiated."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        if name.startswith("opt"):
            save_model(folder, name.removeprefix("opt "))
            self.family, self.blocks, attention = name, "decoder.layers", "self_attn"
        else:
            save(folder, name)
            self.family = TINY[name].family
            self.blocks, attention = (PATHS[self.family][part] for part in ("blocks", "attention"))
        self.attention = attention
        self.windowed = name == "mistral" or "sliding" in name or name.startswith(("gemma2", "gemma3"))
        self.taken = int(name == "opt pre-norm" or name.startswith("gpt"))
        self.post_norm = name == "opt post-norm" or "bert" in name
        self.chains = CHAINS[self.family]
        self.network: Network = load_model(str(folder), device="cpu").network()
        options = {"add_pooling_layer": False} if "bert" in name else {}
        self.plain = transformers.AutoModel.from_pretrained(
            folder, attn_implementation="eager", dtype=torch.float64, **options
        ).requires_grad_(False)
        self.plain.eval()
        self.inputs = {block: block_inputs(self.network, IDS, [LAYER], block)[LAYER] for block in BLOCKS}
        self.found = {
            (block, normalised): block_jacobian(self.network, self.inputs[block], normalised=normalised)
            for block in BLOCKS
            for normalised in (True, False)
        }
        self.dense = {which: found.dense() for which, found in self.found.items()}

    @cached_property
    def called(self) -> dict[str, Any]:
        """What else the attention module is called with."""
        calls: list[dict[str, Any]] = []
        attention = self.part(self.attention)
        hook = attention.register_forward_pre_hook(
            lambda _, args, kwargs: calls.append({k: v for k, v in kwargs.items() if k != "hidden_states"}),
            with_kwargs=True,
        )
        with torch.no_grad():
            self.plain(torch.from_numpy(IDS)[None], use_cache=False)
        hook.remove()
        return calls[0]

    def part(self, path: str) -> torch.nn.Module:
        if not path:
            return torch.nn.Identity()
        block: torch.nn.Module = self.plain.get_submodule(self.blocks)[LAYER]
        return block.get_submodule(path)

    def run(self, block: str, states: torch.Tensor, *, after_norm: bool = False) -> torch.Tensor:
        """What the block adds to the residual, (token, unit), by its own modules in float64."""
        states, called = states[None], self.called
        with KeptInFloat64():
            for path in self.chains[block][1 if after_norm else 0 :]:
                part = self.part(path)
                states = part(states, **called)[0] if path == self.attention else part(states)
        return states[0]

    @cached_property
    def witness(self) -> dict[tuple[str, bool], NDArray[np.float64]]:
        """Jacobians, by block and whether normalised."""
        made = {}
        for block in BLOCKS:
            stream = self.inputs[block].stream.double()
            with torch.no_grad(), KeptInFloat64():
                normed = self.part(self.chains[block][0])(stream[None])[0]
            for normalised, at in ((True, stream), (False, normed)):

                def run(states: torch.Tensor, block: str = block, normalised: bool = normalised) -> torch.Tensor:
                    return self.run(block, states, after_norm=not normalised)

                whole = torch.autograd.functional.jacobian(run, at, vectorize=True)
                made[block, normalised] = whole.reshape(TOKENS * WIDTH, TOKENS * WIDTH).numpy()
        return made


@pytest.fixture(scope="module", params=[*(f"opt {style}" for style in sorted(STYLES)), *sorted(TINY)])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(request.param, tmp_path_factory.mktemp("tiny"))


def agree(found: Any, expected: Any, tolerance: float = 1e-11) -> None:
    """Within the tolerance of the largest value."""
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def blocks_of(whole: NDArray[np.float64], tokens: int = TOKENS) -> NDArray[np.float64]:
    """(output token, input token, output unit, input unit)"""
    return whole.reshape(tokens, WIDTH, tokens, WIDTH).transpose(0, 2, 1, 3)


def on_the_diagonal(whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return blocks_of(whole)[np.arange(TOKENS), np.arange(TOKENS)]


def some(*shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).standard_normal(shape)


def test_the_jacobian_is_that_of_the_architectures_own_modules(case: Case) -> None:
    for which, expected in case.witness.items():
        assert case.dense[which].dtype == np.float64
        assert np.abs(expected).max() > 1e-3, "zeros would agree with anything"
        agree(case.dense[which], expected)
    assert case.post_norm is all(np.array_equal(case.dense[b, True], case.dense[b, False]) for b in BLOCKS)


def test_the_stream_is_what_enters_the_block_and_the_output_what_leaves_it(case: Case) -> None:
    sites = ("resid_pre", "attn_out", "mlp_out")
    entries = {site: Entry(site, LAYER, tuple(range(TOKENS))) for site in sites}
    values = extract(case.network, IDS[None], entries.values())
    pre, attn, mlp = (torch.from_numpy(values[entries[site]][0]) for site in sites)
    between = pre if case.name == "gpt_neox parallel" else pre + attn
    if case.post_norm:
        between = case.network.part(LAYER, case.network.anatomy.norms["attention"])(between)
    agree(case.inputs["attention"].stream.numpy(), pre.numpy(), 0)
    agree(case.inputs["mlp"].stream.numpy(), between.numpy(), 1e-6)
    for block, written in (("attention", attn), ("mlp", mlp)):
        for normalised in (True, False):
            agree(case.found[block, normalised].output, written.numpy().astype(float), 2e-6)


def test_one_pass_serves_several_layers_and_leaves_no_hook_behind(case: Case) -> None:
    before = [len(module._forward_pre_hooks) for module in case.network.trunk.modules()]
    for block in BLOCKS:
        found = block_inputs(case.network, IDS, [LAYER, 0], block)
        assert list(found) == [0, LAYER]
        assert [inputs.layer for inputs in found.values()] == [0, LAYER]
        assert torch.equal(found[LAYER].stream, case.inputs[block].stream)
        assert not torch.equal(found[0].stream, found[LAYER].stream)
    assert [len(module._forward_pre_hooks) for module in case.network.trunk.modules()] == before


def test_the_operator_multiplies_by_the_same_matrix(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    size = TOKENS * WIDTH
    columns, vector = some(size, 7), some(size)
    for which, found in case.found.items():
        monkeypatch.setattr(jacobian, "BATCH_MEMORY", 4 * found.core.column_bytes(TOKENS))  # three columns at a time
        operator, expected = found.operator(), case.dense[which]
        assert (operator.shape, operator.dtype) == ((size, size), np.float64)
        agree(operator @ columns, expected @ columns)
        agree(operator.H @ columns, expected.T @ columns)
        agree(operator.matvec(vector), expected @ vector)
        agree(operator.rmatvec(vector), expected.T @ vector)
        agree(operator.matmat(np.asfortranarray(columns[:, :1])), expected @ columns[:, :1])
        assert operator.matmat(columns[:, :0]).shape == (size, 0)


def test_the_operator_and_its_adjoint_agree(case: Case) -> None:
    """<J v, u> = <v, J' u>"""
    right, left = some(2, TOKENS * WIDTH)
    for found in case.found.values():
        operator = found.operator()
        forwards, backwards = operator.matvec(right), operator.rmatvec(left)
        scale = np.linalg.norm(forwards) * np.linalg.norm(left)
        assert abs(forwards @ left - right @ backwards) <= 1e-12 * scale


def test_diagonal_blocks_are_those_of_the_whole(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for which, found in case.found.items():
        monkeypatch.setattr(jacobian, "BATCH_MEMORY", 6 * found.core.column_bytes(TOKENS))  # 5 of 16 columns at a time
        blocks = found.diagonal_blocks()
        assert blocks.dtype == np.float64
        agree(blocks, on_the_diagonal(case.witness[which]))
        if found.tokenwise:
            agree(found.blocks(), blocks, 0)


def test_a_window_of_a_text_is_the_text_with_earlier_tokens_held_still(case: Case) -> None:
    """Rows and columns of the last tokens in the Jacobian of the whole text."""
    held = TOKENS - 3
    if not case.network.shape.causal:
        held = 5
    for (block, normalised), whole in case.witness.items():
        inputs = block_inputs(case.network, IDS, [LAYER], block, held=held)[LAYER]
        kept: dict[int, torch.Tensor] = {}
        expected = blocks_of(whole)[held:, held:]
        expected = expected.transpose(0, 2, 1, 3).reshape(2 * ((TOKENS - held) * WIDTH,))
        for _ in range(2):  # the second time by what was kept
            found = block_jacobian(case.network, inputs, normalised=normalised, kept=kept)
            assert found.tokens == TOKENS - held
            agree(found.dense(), expected)
            agree(found.operator() @ np.eye(len(expected)), expected)
            agree(found.operator().H @ np.eye(len(expected)), expected.T)
            rows = expected.reshape(TOKENS - held, WIDTH, -1)
            agree(found.grams(), rows @ rows.transpose(0, 2, 1))
        assert bool(kept) is (block == "attention" and not case.network.anatomy.head_norms)


def test_an_mlp_joins_no_tokens_and_attention_only_those_before(case: Case) -> None:
    """Exactly: what is zero is not small."""
    later, other = np.triu_indices(TOKENS, 1), ~np.eye(TOKENS, dtype=bool)
    for (block, _), found in case.found.items():
        for whole in (case.dense[block, _], found.operator() @ np.eye(TOKENS * WIDTH)):
            blocks = blocks_of(whole)
            if block == "mlp":
                assert found.tokenwise and found.triangular
                assert not blocks[other].any()
            else:
                assert not found.tokenwise
                assert found.triangular is case.network.shape.causal
                assert blocks[later].any() is np.bool_(not found.triangular)
                if not case.windowed:
                    assert blocks[np.tril_indices(TOKENS)].any(axis=(1, 2)).all()


def test_algebra_bounds_the_rank_and_attention_reaches_it(case: Case) -> None:
    """From below, the ranks of the diagonal blocks of a triangular matrix add up to no more than its own."""
    shape = case.network.shape
    for (block, normalised), found in case.found.items():
        most, dense = found.rank_at_most, case.dense[block, normalised]
        if block == "attention" and shape.causal and shape.kv_heads < shape.heads:  # two values serve four heads
            first = shape.kv_heads * shape.head_width
            assert most == sum(min(WIDTH, first + 2 * token) for token in range(TOKENS)) < TOKENS * WIDTH
        else:
            assert most == TOKENS * (WIDTH - case.taken * normalised)
        assert np.linalg.matrix_rank(dense) <= most
        if block == "attention" and found.triangular:
            assert np.linalg.matrix_rank(on_the_diagonal(dense)).sum() == most


def test_derivatives_are_those_of_finite_differences(plain: Path, tmp_path: Path) -> None:
    step = 1e-5
    for folder in (plain, save(tmp_path, "gemma2")):
        network = load_model(str(folder), device="cpu").network()
        for block in BLOCKS:
            inputs = block_inputs(network, IDS, [1], block)[1]
            direction = torch.from_numpy(some(TOKENS, WIDTH))
            moved = [
                block_jacobian(network, replace(inputs, stream=inputs.stream.double() + sign * step * direction)).output
                for sign in (1, -1)
            ]
            found = block_jacobian(network, inputs).operator().matvec(direction.numpy().ravel())
            agree(found.reshape(TOKENS, WIDTH), (moved[0] - moved[1]) / (2 * step), 1e-6)


# ---- what a norm leaves


@pytest.fixture
def network(plain: Path) -> Network:
    """A pre-norm OPT, whose weights a test may change."""
    return load_model(str(plain), device="cpu").network()


def standardised(network: Network, inputs: BlockInput) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], float]:
    """By hand: the stream less its mean, its variance, the norm's Jacobian by token, and eps."""
    norm: Any = network.part(inputs.layer, network.anatomy.norms[inputs.block])
    stream = inputs.stream.double().numpy()
    centred = stream - stream.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1)
    jacobians = []
    for x, v in zip(centred, variance, strict=True):
        s = np.sqrt(v + norm.eps)
        projected = np.eye(WIDTH) - 1 / WIDTH - np.outer(x, x) / (WIDTH * s**2)
        jacobians.append(norm.weight.double().numpy()[:, None] * projected / s)
    return centred, variance, np.array(jacobians), norm.eps


def test_the_attention_of_one_token_is_its_way_through_value_and_output(network: Network) -> None:
    """A softmax over one key is constant."""
    inputs = block_inputs(network, IDS[:1], [1], "attention")[1]
    found = block_jacobian(network, inputs)
    assert found.tokens == 1
    value, output = (network.matrix(1, name).double().numpy() for name in "vo")
    expected = output @ value @ standardised(network, inputs)[2][0]
    for made in (found.dense(), found.diagonal_blocks()[0]):
        agree(made, expected)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_layer_norm_costs_the_mean_and_all_but_a_little_of_its_inputs_direction(block: str, network: Network) -> None:
    """That little is eps / (variance + eps)."""
    inputs = block_inputs(network, IDS, [1], block)[1]
    centred, variance, _, eps = standardised(network, inputs)
    whole = block_jacobian(network, inputs).operator()
    bare = block_jacobian(network, inputs, normalised=False).operator()
    weight = network.part(1, network.anatomy.norms[block]).weight.double().numpy()
    for token in range(TOKENS):
        mean, own, through = np.zeros((3, TOKENS, WIDTH))
        mean[token], own[token] = 1, centred[token]
        through[token] = weight * centred[token] / np.sqrt(variance[token] + eps)
        scale = np.linalg.norm(bare @ through.ravel())
        assert np.linalg.norm(whole @ mean.ravel()) < 1e-13 * scale
        left = eps / (variance[token] + eps)
        assert 1e-7 < left < 1e-3
        np.testing.assert_allclose(whole @ own.ravel(), left * (bare @ through.ravel()), rtol=0, atol=1e-13 * scale)


@pytest.mark.parametrize("shift", [0.0, -1.5, -3.0])
def test_a_relu_mlp_has_no_more_rank_than_active_neurons_nor_than_the_norm_leaves(
    shift: float, network: Network
) -> None:
    bias = network.bias(1, "mlp_in")
    assert bias is not None
    bias += shift
    inputs = block_inputs(network, IDS, [1], "mlp")[1]
    with torch.no_grad():
        normed = network.part(1, "final_layer_norm")(inputs.stream)
        active = (network.part(1, "fc1")(normed) > 0).sum(dim=1).numpy()
    blocks = block_jacobian(network, inputs).blocks()
    bare = block_jacobian(network, inputs, normalised=False).blocks()
    ranks = np.linalg.matrix_rank(blocks)
    np.testing.assert_array_equal(ranks, np.minimum(active, WIDTH - 1))
    np.testing.assert_array_equal(np.linalg.matrix_rank(bare), np.minimum(active, WIDTH))
    assert (ranks < WIDTH - 1).any() is np.bool_(shift < 0)


@pytest.mark.parametrize("name", ["opt", "llama"])
def test_without_eps_a_norm_takes_its_inputs_direction_too(name: str, plain: Path, tmp_path: Path) -> None:
    """A rank of d - 1 after a LayerNorm is owed to eps; an RMSNorm takes nothing but for this."""
    folder, taken = (plain, 1) if name == "opt" else (save(tmp_path, name), 0)
    network = load_model(str(folder), device="cpu").network()
    norm: Any = network.part(1, network.anatomy.norms["mlp"])
    for eps, more in ((1e-5, 0), (0.0, 1)):
        setattr(norm, "eps" if name == "opt" else "variance_epsilon", eps)
        inputs = block_inputs(network, IDS, [1], "mlp")[1]
        found = block_jacobian(network, inputs)
        assert found.rank_at_most == TOKENS * (WIDTH - taken - more)
        assert (np.linalg.matrix_rank(found.blocks()) == WIDTH - taken - more).all()


def test_an_mlp_has_no_more_rank_at_a_token_than_its_first_matrix(plain: Path) -> None:
    network = load_model(str(plain), device="cpu", dtype="float64").network()
    network.matrix(1, "mlp_in").copy_(torch.from_numpy(some(MLP, 5) @ some(5, WIDTH)))
    inputs = block_inputs(network, IDS, [1], "mlp")[1]
    assert (np.linalg.matrix_rank(block_jacobian(network, inputs).blocks()) == 5).all()


# ---- whose weights, and in which precision


def test_a_variants_weights_are_tried_at_the_models_own_inputs(plain: Path) -> None:
    model = load_model(str(plain), device="cpu")
    inputs = {block: block_inputs(model.network(), IDS, [1], block)[1] for block in BLOCKS}
    scrambled = model.network(Variant.parse("permuted:0"))
    for block, each in inputs.items():
        own, other = (block_jacobian(network, each) for network in (model.network(), scrambled))
        assert own.output.shape == other.output.shape
        assert not np.allclose(own.output, other.output)
        assert not torch.equal(block_inputs(scrambled, IDS, [1], block)[1].stream, each.stream)
    stream = inputs["mlp"].stream
    expected = torch.autograd.functional.jacobian(
        lambda states: scrambled.part(1, "fc2")(
            torch.relu(scrambled.part(1, "fc1")(scrambled.part(1, "final_layer_norm")(states)))
        ).sum(dim=0),
        stream,
    )
    agree(block_jacobian(scrambled, inputs["mlp"]).blocks(), expected.permute(1, 0, 2).double().numpy(), 1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_networks_of_any_precision_have_jacobians_in_float64(dtype: str, plain: Path) -> None:
    """Of the weights and inputs as they were rounded: beyond that, nothing is lost."""
    network = load_model(str(plain), device="cpu", dtype=dtype).network()
    kept = load_model(str(plain), device="cpu", dtype="float64").network()
    kept.trunk.load_state_dict(network.trunk.state_dict())
    for block in BLOCKS:
        inputs = block_inputs(network, IDS, [1], block)[1]
        assert str(inputs.stream.dtype) == f"torch.{dtype}"
        found = block_jacobian(network, inputs)
        assert found.dense().dtype == found.operator().dtype == np.float64
        agree(found.dense(), block_jacobian(kept, inputs).dense(), 1e-14)
        assert next(network.trunk.parameters()).dtype == inputs.stream.dtype, "only a copy was widened"


def test_the_network_is_left_as_it_was(plain: Path) -> None:
    network = load_model(str(plain), device="cpu").network()
    before = {name: value.clone() for name, value in network.trunk.state_dict().items()}
    implementation = network.part(1, "self_attn").config._attn_implementation
    for block in BLOCKS:
        block_jacobian(network, block_inputs(network, IDS, [1], block)[1]).dense()
    assert all(torch.equal(value, before[name]) for name, value in network.trunk.state_dict().items())
    assert network.part(1, "self_attn").config._attn_implementation == implementation
    assert all(parameter.grad is None for parameter in network.trunk.parameters())


# ---- refusals


def jacobian_of(network: Network, block: str, max_memory: int) -> BlockJacobian:
    return block_jacobian(network, block_inputs(network, IDS, [1], block)[1], max_memory=max_memory)


def test_what_would_not_fit_is_refused_with_what_would(network: Network) -> None:
    whole = 8 * (TOKENS * WIDTH) ** 2
    with pytest.raises(
        ClaimError,
        match=r"attention of layer 1 of model '.*' at 12 tokens of width 16 takes 408.6 kB as one matrix, and 294.9 kB are "
        r"allowed\. Use fewer tokens \(\d+ would fit\), allow more memory, or use operator\(\), which never holds it\.",
    ):
        jacobian_of(network, "attention", whole).dense()
    with pytest.raises(ClaimError, match=r"takes .* kB on its diagonal.*\(\d would fit\)"):
        jacobian_of(network, "attention", 50_000).diagonal_blocks()
    with pytest.raises(ClaimError, match=r"takes .* kB as a block a token, and 10.0 kB are allowed.*\(not even one"):
        jacobian_of(network, "mlp", 10_000).blocks()
    with pytest.raises(ClaimError, match=r"as one matrix.*or use blocks\(\), which leave out the zeros"):
        jacobian_of(network, "mlp", whole).dense()
    with pytest.raises(ClaimError, match=r"for one column alone.*allow more memory\.$"):
        jacobian_of(network, "attention", 10_000).operator()


@pytest.mark.parametrize("form", ["dense", "diagonal_blocks"])
@pytest.mark.parametrize("block", BLOCKS)
def test_what_is_said_to_fit_fits(block: str, form: str, network: Network) -> None:
    """The number of tokens in the refusal is the largest that is not refused, and the memory allowed changes no digit."""
    allowed = 60_000
    with pytest.raises(ClaimError) as refusal:
        getattr(jacobian_of(network, block, allowed), form)()
    fits = int(str(refusal.value).split("tokens (")[1].split()[0])
    assert 0 < fits < TOKENS
    for tokens in (fits, fits + 1):
        inputs = block_inputs(network, IDS[:tokens], [1], block)[1]
        narrow = block_jacobian(network, inputs, max_memory=allowed)
        if tokens > fits:
            with pytest.raises(ClaimError, match=rf"\({fits} would fit\)"):
                getattr(narrow, form)()
        else:
            agree(getattr(narrow, form)(), getattr(block_jacobian(network, inputs), form)())


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "qwen3"])
def test_columns_take_no_more_memory_than_they_are_said_to(name: str, tmp_path: Path) -> None:
    """Measured where tensors are allocated."""
    network = load_model(str(save(tmp_path, name, hidden_size=32)), device="cpu").network()
    columns = 24
    for tokens in (5, 50):
        for block in BLOCKS:
            ids = np.arange(4, 4 + tokens)
            found = block_jacobian(network, block_inputs(network, ids, [1], block)[1])
            said = found.core.column_bytes(tokens)
            operator = found.operator()
            vectors = some(tokens * found.width, columns)
            assert peak(operator.matvec, vectors[:, 0]) < 2 * said  # what is kept included
            for product in (operator.matmat, operator.rmatmat):
                assert 0.1 * columns * said < peak(product, vectors) < columns * said
            assert peak(found.diagonal_blocks) < (found.width + 1) * said


def peak(run: Any, *arguments: Any) -> int:
    """The most bytes that torch held at once while something ran, beyond what it held before."""
    with torch.autograd.profiler.profile(profile_memory=True) as profile:
        run(*arguments)
    changes = sorted(
        (event.start_ns(), event.nbytes()) for event in profile.kineto_results.events() if event.name() == "[memory]"
    )
    return int(np.cumsum([number for _, number in changes]).max())


def test_attention_has_more_than_its_blocks(network: Network) -> None:
    with pytest.raises(ClaimError, match=r"Tokens meet in the attention of layer 1.*operator\(\)"):
        jacobian_of(network, "attention", 2**30).blocks()


def test_unknown_blocks_activations_and_norms_are_named(network: Network) -> None:
    with pytest.raises(ClaimError, match=r"Block 'head' is unknown; choose one of mlp, attention"):
        block_inputs(network, IDS, [0], "head")
    inputs = block_inputs(network, IDS, [1], "mlp")[1]
    with pytest.raises(ModelError, match=r"not as modclaims/lm/anatomy.py describes it.*mlp"):
        replace(network, anatomy=replace(network.anatomy, activation="mlp.act"))
    network.blocks[1].final_layer_norm = torch.nn.GroupNorm(2, WIDTH)
    with pytest.raises(ModelError, match=r"final_layer_norm.*GroupNorm.*neither a LayerNorm nor an RMSNorm"):
        block_jacobian(network, inputs)


def test_values_that_are_not_finite_are_refused(network: Network) -> None:
    inputs = block_inputs(network, IDS, [1], "mlp")[1]
    with pytest.raises(ModelError, match=r"The mlp of layer 1 of model .* not finite; try --dtype float32"):
        block_jacobian(network, replace(inputs, stream=inputs.stream * torch.inf))
