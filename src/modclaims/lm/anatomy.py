"""Where each architecture keeps its blocks, heads and matrices, as data: one entry an architecture.

Paths are dotted, from the trunk (the network without its language-model head) to its blocks, and from a block to its
parts. To support another architecture, write its entry in `ANATOMIES`; `tests/lm` then shows whether it is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from modclaims.errors import ModelError
from modclaims.lm.untyped import Untyped
from modclaims.recording import ModelShape


@dataclass(frozen=True)
class Fused:
    """One of several matrices that share a module's weight."""

    path: str
    index: int
    of: int
    by_head: bool = False
    """Whether the matrices take turns head by head; otherwise one stands whole before the next."""


@dataclass(frozen=True)
class Anatomy:
    """One architecture, for networks whose blocks are attention and an MLP, each added to the residual."""

    blocks: str
    """From the trunk: the list of blocks."""
    attention: str
    """From a block: the module that calls the attention function."""
    matrices: Mapping[str, str | Fused]
    """From a block: `q`, `k`, `v`, `o` (head_z enters it), `mlp_in`, `mlp_out` (mlp_act enters it), `mlp_gate` if gated."""
    activation: str
    """From a block: the module between the MLP's matrices; in a gated MLP it acts on the gate."""
    norms: Mapping[str, str]
    """From a block, by `attention` and `mlp`: before each in a pre-norm block, after each sum in a post-norm block."""
    final: tuple[str, ...] = ()
    """From the trunk: what follows the last block, in order; some networks lack some of it."""
    sandwich: Mapping[str, str] = field(default_factory=dict)
    """From a block, by `attention` and `mlp`: a norm between its output matrix and the residual, if there is one."""
    head_norms: tuple[str, ...] = ()
    """From a block: what normalises the queries and keys of each head, if anything."""
    norm_offset: float = 0.0
    """What RMSNorms add to their weights."""
    sizes: Mapping[str, str] = field(default_factory=dict)
    """Names in the configuration, where they are not those of `SIZES`."""
    mlp_ratio: int | None = None
    """MLP units to a residual unit where the configuration leaves them open."""
    padding_first: bool = False
    """Whether positions are counted from behind the padding token's id, which shortens the context."""
    transposed: bool = False
    """Whether weights are kept as (input unit, output unit)."""
    norm_first: str | bool = True
    """Whether blocks are pre-norm, or the name in the configuration that says so."""
    causal: bool = True
    """Whether tokens attend to what is before them only ..."""
    causal_unless: str | None = None
    """... and the switch in the configuration that makes it the other way round."""
    head: str | None = None
    """From the language model: its head, where that is more than the output embeddings."""
    logit_cap: str | None = None
    """Name in the configuration of the number that logits are squashed below, if it is one."""
    options: Mapping[str, Untyped] = field(default_factory=dict)
    """What the trunk's class must be told to leave out parts that a checkpoint may lack."""
    trunk: str | None = None
    """From a network that reads more than text: its trunk."""

    @property
    def settings(self) -> frozenset[str]:
        """Names in the configuration of all that is asked about before a network is loaded."""
        switches = (self.causal_unless, self.norm_first if isinstance(self.norm_first, str) else None, self.logit_cap)
        names = ("vocab_size", "pad_token_id", *switches)
        return frozenset((*{**SIZES, **self.sizes}.values(), *(name for name in names if name)))

    def is_pre_norm(self, config: Untyped) -> bool:
        """Whether pre + attn + mlp = post; otherwise post = LN2(LN1(pre + attn) + mlp)."""
        return bool(getattr(config, self.norm_first)) if isinstance(self.norm_first, str) else self.norm_first

    def path(self, name: str) -> str:
        """From a block: the module that one of the matrices belongs to."""
        found = self.matrices[name]
        return found.path if isinstance(found, Fused) else found

    def write(self, name: str) -> str:
        """From a block, of `attention` or `mlp`: the module whose output is added to the residual."""
        return self.sandwich.get(name) or self.path({"attention": "o", "mlp": "mlp_out"}[name])

    def site(self, name: str) -> tuple[bool, str]:
        """Of a site that is a module's input (true) or output: the module, from a block."""
        return {
            "embed": (True, ""),
            "resid_pre": (True, ""),
            "resid_post": (False, ""),
            "attn_out": (False, self.write("attention")),
            "mlp_out": (False, self.write("mlp")),
            "mlp_act": (True, self.path("mlp_out")),
            "head_z": (True, self.path("o")),
            "head_write": (True, self.path("o")),
        }[name]

    def shape(self, config: Untyped, name: str, provenance: Mapping[str, str]) -> ModelShape:
        """The network's dimensions, read off its configuration. Raises `ModelError` if one is impossible."""

        def size(what: str, otherwise: int | None = None) -> int:
            key = self.sizes.get(what, SIZES[what])
            value = getattr(config, key, None)
            if value is None and otherwise is not None:
                return otherwise
            if not isinstance(value, int) or value < 1:
                raise ModelError(f"The configuration of model {name!r} has {key} = {value!r}; it must be at least 1.")
            return value

        heads, width = size("heads"), size("width")
        kv_heads = size("kv_heads", heads)
        head_width = size("head_width", width // heads)
        if head_width * heads != width and not getattr(config, self.sizes.get("head_width", SIZES["head_width"]), None):
            raise ModelError(f"Model {name!r} has width {width}, which its {heads} heads do not divide.")
        if heads % kv_heads:
            raise ModelError(f"Model {name!r} has {heads} heads, which its {kv_heads} key-value heads do not divide.")
        context = size("context")
        if self.padding_first:
            context -= config.pad_token_id + 1
        return ModelShape(
            name=name,
            layers=size("layers"),
            heads=heads,
            kv_heads=kv_heads,
            width=width,
            head_width=head_width,
            mlp_width=size("mlp_width", width * self.mlp_ratio if self.mlp_ratio else None),
            context=context,
            causal=self.causal != bool(self.causal_unless and getattr(config, self.causal_unless, False)),
            provenance=provenance,
            gated="mlp_gate" in self.matrices,
        )


ATTENTION = "modclaims_attention"
"""What the one attention implementation is registered as; transformers reads a name with `sdpa` in it as its own."""
ATTENTION_VERSION = f"{ATTENTION} 1"
"""Part of every recording's key; raised when the implementation changes its numbers."""
SIZES: Mapping[str, str] = {
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "width": "hidden_size",
    "head_width": "head_dim",
    "mlp_width": "intermediate_size",
    "context": "max_position_embeddings",
}
"""What most configurations call each size. Key-value heads and the heads' width may be missing: then every head has
its own keys, and the heads divide the width."""

_LLAMA = Anatomy(
    blocks="layers",
    attention="self_attn",
    matrices={
        "q": "self_attn.q_proj",
        "k": "self_attn.k_proj",
        "v": "self_attn.v_proj",
        "o": "self_attn.o_proj",
        "mlp_gate": "mlp.gate_proj",
        "mlp_in": "mlp.up_proj",
        "mlp_out": "mlp.down_proj",
    },
    activation="mlp.act_fn",
    norms={"attention": "input_layernorm", "mlp": "post_attention_layernorm"},
    final=("norm",),
)
_HEAD_NORMS = ("self_attn.q_norm", "self_attn.k_norm")
_GEMMA = replace(_LLAMA, norm_offset=1.0, causal_unless="use_bidirectional_attention")
_GEMMA_2 = replace(
    _GEMMA,
    norms={"attention": "input_layernorm", "mlp": "pre_feedforward_layernorm"},
    sandwich={"attention": "post_attention_layernorm", "mlp": "post_feedforward_layernorm"},
    logit_cap="final_logit_softcapping",
)
_GEMMA_3 = replace(_GEMMA_2, head_norms=_HEAD_NORMS)
_BERT = Anatomy(
    blocks="encoder.layer",
    attention="attention.self",
    matrices={
        "q": "attention.self.query",
        "k": "attention.self.key",
        "v": "attention.self.value",
        "o": "attention.output.dense",
        "mlp_in": "intermediate.dense",
        "mlp_out": "output.dense",
    },
    activation="intermediate.intermediate_act_fn",
    norms={"attention": "attention.output.LayerNorm", "mlp": "output.LayerNorm"},
    norm_first=False,
    causal=False,
    causal_unless="is_decoder",
    head="cls",
    options={"add_pooling_layer": False},
)

ANATOMIES: Mapping[str, Anatomy] = {
    "opt": Anatomy(
        blocks="decoder.layers",
        attention="self_attn",
        matrices={
            "q": "self_attn.q_proj",
            "k": "self_attn.k_proj",
            "v": "self_attn.v_proj",
            "o": "self_attn.out_proj",
            "mlp_in": "fc1",
            "mlp_out": "fc2",
        },
        activation="activation_fn",
        norms={"attention": "self_attn_layer_norm", "mlp": "final_layer_norm"},
        final=("decoder.final_layer_norm", "decoder.project_out"),
        sizes={"mlp_width": "ffn_dim"},
        norm_first="do_layer_norm_before",
    ),
    "gpt2": Anatomy(
        blocks="h",
        attention="attn",
        matrices={
            "q": Fused("attn.c_attn", 0, of=3),
            "k": Fused("attn.c_attn", 1, of=3),
            "v": Fused("attn.c_attn", 2, of=3),
            "o": "attn.c_proj",
            "mlp_in": "mlp.c_fc",
            "mlp_out": "mlp.c_proj",
        },
        activation="mlp.act",
        norms={"attention": "ln_1", "mlp": "ln_2"},
        final=("ln_f",),
        sizes={"mlp_width": "n_inner"},
        mlp_ratio=4,
        transposed=True,
    ),
    "gpt_neox": Anatomy(
        blocks="layers",
        attention="attention",
        matrices={
            "q": Fused("attention.query_key_value", 0, of=3, by_head=True),
            "k": Fused("attention.query_key_value", 1, of=3, by_head=True),
            "v": Fused("attention.query_key_value", 2, of=3, by_head=True),
            "o": "attention.dense",
            "mlp_in": "mlp.dense_h_to_4h",
            "mlp_out": "mlp.dense_4h_to_h",
        },
        activation="mlp.act",
        norms={"attention": "input_layernorm", "mlp": "post_attention_layernorm"},
        final=("final_layer_norm",),
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": replace(_LLAMA, head_norms=_HEAD_NORMS),
    "gemma": _GEMMA,
    "gemma2": _GEMMA_2,
    "gemma3_text": _GEMMA_3,
    "gemma3": replace(_GEMMA_3, trunk="language_model"),
    "bert": _BERT,
    "roberta": replace(_BERT, head="lm_head", padding_first=True),
}
"""By `model_type` of the configuration."""


def anatomy_of(config: Untyped, name: str) -> Anatomy:
    """The anatomy of a configuration. Raises `ModelError` for an architecture without an entry."""
    try:
        return ANATOMIES[config.model_type]
    except KeyError:
        raise ModelError(
            f"Model {name!r} is of architecture {config.model_type!r}, which modclaims does not know yet; it knows: "
            f"{', '.join(sorted(ANATOMIES))}. To add it, write ANATOMIES[{config.model_type!r}] in modclaims/lm/anatomy.py."
        ) from None
