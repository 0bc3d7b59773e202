"""Tiny random networks of every architecture, and what plain hooks and eager attention see in them.

Paths are written here a second time, beside those of `modclaims.lm.anatomy`, so that one can witness for the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from lm.tiny_opt import save_tokenizer
from numpy.typing import NDArray

from modclaims.recording import SITES

CONTEXT = 64
LAYERS, HEADS, WIDTH, MLP = 3, 4, 16, 40
COMMON = {
    "hidden_size": WIDTH,
    "intermediate_size": MLP,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "max_position_embeddings": CONTEXT,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
GROUPED = {"num_key_value_heads": 2}
ROTARY = ("q_proj", "k_proj", "v_proj")


@dataclass(frozen=True)
class Tiny:
    """One configuration of one architecture."""

    kind: str
    """Prefix of the classes of transformers."""
    sizes: Mapping[str, Any] = field(default_factory=dict)
    head_width: int = WIDTH // HEADS
    kv_heads: int = HEADS
    tail: str = "ForCausalLM"

    @property
    def family(self) -> str:
        """The module of transformers that it is in."""
        return {"GPT2": "gpt2", "GPTNeoX": "gpt_neox", "Gemma3Text": "gemma3"}.get(self.kind, self.kind.lower())

    @property
    def encoder(self) -> bool:
        return self.tail == "ForMaskedLM"


MAX_HEAD = 6
"""The widest head of any of them."""
WIDE = {"head_dim": MAX_HEAD, **GROUPED}
SLIDING = ["sliding_attention", "full_attention", "sliding_attention"]
GEMMA = {**WIDE, "sliding_window": 9, "layer_types": SLIDING, "query_pre_attn_scalar": 7}
TINY: Mapping[str, Tiny] = {
    "gpt2": Tiny("GPT2", {"n_inner": None}, tail="LMHeadModel"),
    "gpt2 scaled by layer": Tiny("GPT2", {"n_inner": MLP, "scale_attn_by_inverse_layer_idx": True}, tail="LMHeadModel"),
    "gpt_neox parallel": Tiny("GPTNeoX", {"use_parallel_residual": True, "rotary_pct": 0.5}),
    "gpt_neox in a row": Tiny("GPTNeoX", {"use_parallel_residual": False, "tie_word_embeddings": True}),
    "llama": Tiny("Llama", {"attention_bias": True, "mlp_bias": True}),
    "llama grouped, tied": Tiny("Llama", {**GROUPED, "tie_word_embeddings": True}, kv_heads=2),
    "mistral": Tiny("Mistral", {**WIDE, "sliding_window": 9}, head_width=6, kv_heads=2),
    "qwen2": Tiny("Qwen2", GROUPED, kv_heads=2),
    "qwen2 sliding": Tiny(
        "Qwen2", {**GROUPED, "use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}, kv_heads=2
    ),
    "qwen3": Tiny("Qwen3", {**WIDE, "attention_bias": True}, head_width=6, kv_heads=2),
    "gemma": Tiny("Gemma", WIDE, head_width=6, kv_heads=2),
    "gemma2": Tiny(
        "Gemma2", {**GEMMA, "attn_logit_softcapping": 0.7, "final_logit_softcapping": 3.0}, head_width=6, kv_heads=2
    ),
    "gemma3_text": Tiny("Gemma3Text", GEMMA, head_width=6, kv_heads=2, tail="ForCausalLM"),
    "gemma3_text both ways": Tiny(
        "Gemma3Text", {**GEMMA, "use_bidirectional_attention": True}, head_width=6, kv_heads=2
    ),
    "bert": Tiny("Bert", tail="ForMaskedLM"),
    "bert decoder": Tiny("Bert", {"is_decoder": True}, tail="LMHeadModel"),
    "roberta": Tiny("Roberta", {"max_position_embeddings": CONTEXT + 2}, tail="ForMaskedLM"),
}
"""By a name that begins with the `model_type`."""


def save(folder: Path, name: str, seed: int = 0, **changes: Any) -> Path:
    """A random network, with biases and norms unlike their initial values, and a tokenizer of bytes."""
    tiny = TINY[name]
    vocabulary = save_tokenizer(folder)
    sizes = {**COMMON, "vocab_size": vocabulary, **tiny.sizes, **changes}
    if tiny.kind == "GPT2":
        del sizes["intermediate_size"]
    config = getattr(transformers, f"{tiny.kind}Config")(**sizes)
    model_class = getattr(transformers, f"{tiny.kind.removesuffix('Text')}{tiny.tail}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.15 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


LLAMA_PATHS = {
    "blocks": "layers",
    "attention": "self_attn",
    "o": "self_attn.o_proj",
    "attn_out": "self_attn.o_proj",
    "mlp_act": "mlp.down_proj",
    "mlp_out": "mlp.down_proj",
    "last": "norm",
}
GEMMA_PATHS = {**LLAMA_PATHS, "attn_out": "post_attention_layernorm", "mlp_out": "post_feedforward_layernorm"}
BERT_PATHS = {
    "blocks": "encoder.layer",
    "attention": "attention.self",
    "o": "attention.output.dense",
    "attn_out": "attention.output.dense",
    "mlp_act": "output.dense",
    "mlp_out": "output.dense",
    "last": "",
}
PATHS: Mapping[str, Mapping[str, str]] = {
    "gpt2": {
        "blocks": "h",
        "attention": "attn",
        "o": "attn.c_proj",
        "attn_out": "attn.c_proj",
        "mlp_act": "mlp.c_proj",
        "mlp_out": "mlp.c_proj",
        "last": "ln_f",
    },
    "gpt_neox": {
        "blocks": "layers",
        "attention": "attention",
        "o": "attention.dense",
        "attn_out": "attention.dense",
        "mlp_act": "mlp.dense_4h_to_h",
        "mlp_out": "mlp.dense_4h_to_h",
        "last": "final_layer_norm",
    },
    **dict.fromkeys(("llama", "mistral", "qwen2", "qwen3", "gemma"), LLAMA_PATHS),
    **dict.fromkeys(("gemma2", "gemma3"), GEMMA_PATHS),
    **dict.fromkeys(("bert", "roberta"), BERT_PATHS),
}


def products(tiny: Tiny, attention: Any, hidden: torch.Tensor, rotation: Any) -> dict[str, torch.Tensor]:
    """q times the scale, k and v as they enter the product, (text, token, head, unit), from the attention's input."""
    shape = (*hidden.shape[:2], -1, tiny.head_width)
    if tiny.family == "gpt2":
        q, k, v = (part.view(shape) for part in attention.c_attn(hidden).split(WIDTH, dim=2))
    elif tiny.family == "gpt_neox":
        fused = attention.query_key_value(hidden).view(*hidden.shape[:2], HEADS, 3, tiny.head_width)
        q, k, v = fused.unbind(3)
    elif tiny.family in ("bert", "roberta"):
        q, k, v = (getattr(attention, name)(hidden).view(shape) for name in ("query", "key", "value"))
    else:
        q, k, v = (getattr(attention, name)(hidden).view(shape) for name in ROTARY)
        if tiny.family in ("qwen3", "gemma3"):
            q, k = attention.q_norm(q), attention.k_norm(k)
    if rotation is not None:
        rotate = import_module(f"transformers.models.{tiny.family}.modeling_{tiny.family}").apply_rotary_pos_emb
        q, k = (turned.transpose(1, 2) for turned in rotate(q.transpose(1, 2), k.transpose(1, 2), *rotation))
    scale = 7**-0.5 if tiny.family in ("gemma2", "gemma3") else tiny.head_width**-0.5
    if "scale_attn_by_inverse_layer_idx" in tiny.sizes:
        scale /= attention.layer_idx + 1
    return {"q": q * scale, "k": k, "v": v}


@dataclass(frozen=True)
class Witness:
    """What plain hooks and eager attention saw at all tokens."""

    sites: Mapping[str, list[NDArray[Any]]]
    """A layer at a time, (text, token, ...)."""
    states: list[NDArray[Any]]
    """`hidden_states` of transformers: one more than there are layers."""
    last: Callable[[torch.Tensor], torch.Tensor]
    """What follows the last block."""
    weights: list[torch.Tensor]
    """Of attention's output by layer, (head, unit of the head, unit of the residual)."""
    biases: list[torch.Tensor | None]
    """Of attention's output by layer."""


def witness(folder: Path, name: str, ids: NDArray[Any], dtype: torch.dtype = torch.float32) -> Witness:
    """Run a network of `TINY` with eager attention, and look at it with plain hooks."""
    tiny, paths = TINY[name], PATHS[TINY[name].family]
    model = transformers.AutoModel.from_pretrained(
        folder, attn_implementation="eager", dtype=dtype, **({"add_pooling_layer": False} if "bert" in name else {})
    ).eval()
    blocks = model.get_submodule(paths["blocks"])
    seen: dict[str, list[torch.Tensor]] = {site: [] for site in SITES}

    def watch(module: torch.nn.Module, into: str | None, out_of: str | None) -> None:
        def hook(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if into:
                seen[into].append(args[0] if args else kwargs["hidden_states"])
            if out_of:
                seen[out_of].append(output[0] if isinstance(output, tuple) else output)

        module.register_forward_hook(hook, with_kwargs=True)

    def watch_attention(module: torch.nn.Module) -> None:
        def hook(_: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], __: Any) -> None:
            hidden = args[0] if args else kwargs["hidden_states"]
            for site, values in products(tiny, module, hidden, kwargs.get("position_embeddings")).items():
                seen[site].append(values)

        module.register_forward_hook(hook, with_kwargs=True)

    watch(blocks[0], "embed", None)
    for block in blocks:
        watch(block, "resid_pre", "resid_post")
        watch(block.get_submodule(paths["attn_out"]), None, "attn_out")
        watch(block.get_submodule(paths["o"]), "head_z", None)
        watch(block.get_submodule(paths["mlp_act"]), "mlp_act", None)
        watch(block.get_submodule(paths["mlp_out"]), None, "mlp_out")
        watch_attention(block.get_submodule(paths["attention"]))
    with torch.no_grad():
        output = model(torch.from_numpy(ids), use_cache=False, output_attentions=True, output_hidden_states=True)
    assert len(output.attentions) == LAYERS
    assert all(layer is not None for layer in output.attentions)
    seen["attn_pattern"] = [layer.transpose(1, 2) for layer in output.attentions]
    weights, biases = [], []
    seen["head_z"] = [z.unflatten(-1, (HEADS, tiny.head_width)) for z in seen["head_z"]]
    for block, z in zip(blocks, seen["head_z"], strict=True):
        module = block.get_submodule(paths["o"])
        matrix = (module.weight if tiny.family == "gpt2" else module.weight.T).detach()
        weights.append(matrix.unflatten(0, (HEADS, tiny.head_width)))
        biases.append(module.bias.detach() if getattr(module, "bias", None) is not None else None)
        seen["head_write"].append(torch.stack([z[:, :, h] @ weights[-1][h] for h in range(HEADS)], dim=2))
    last = model.get_submodule(paths["last"]) if paths["last"] else torch.nn.Identity()
    return Witness(
        {site: [values.detach().numpy() for values in layers] for site, layers in seen.items()},
        [state.detach().numpy() for state in output.hidden_states],
        last,
        weights,
        biases,
    )


def ids(texts: int = 5, tokens: int = 24) -> NDArray[np.int64]:
    """Token ids, (text, token), without padding or special tokens but the first."""
    drawn = np.random.default_rng(0).integers(2, 250, size=(texts, tokens))
    drawn[:, 0] = 0
    return drawn
