"""Where each architecture keeps its blocks, heads and matrices, as data: one entry an architecture.

Paths are dotted, from the trunk (the network without its language-model head) to its blocks, and from a block to its
parts. To support another architecture, write its entry in `ANATOMIES`; `tests/lm` then shows whether it is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from modclaims.errors import ModelError
from modclaims.recording import ModelShape


@dataclass(frozen=True)
class Anatomy:
    """One architecture, for networks whose blocks are attention and then an MLP, each added to the residual."""

    blocks: str
    """From the trunk: the list of blocks."""
    attention: str
    """From a block: the module that calls the attention function."""
    attention_write: str
    """From a block: the module whose output attention adds to the residual."""
    mlp_write: str
    """From a block: the module whose output the MLP adds to the residual."""
    matrices: Mapping[str, str]
    """From a block, by `q`, `k`, `v`, `o` (head_z enters it), `mlp_in`, `mlp_out` (mlp_act enters it)."""
    norms: Mapping[str, str]
    """From a block, by `attention` and `mlp`: before each in a pre-norm block, after each sum in a post-norm block."""
    final: tuple[str, ...]
    """From the trunk: what follows the last block, in order; some networks lack some of it."""
    sizes: Mapping[str, str]
    """Names in the configuration of `layers`, `heads`, `width`, `mlp_width` and `context`."""
    norm_first: str | bool = True
    """Whether blocks are pre-norm, or the name in the configuration that says so."""
    causal: bool = True

    def is_pre_norm(self, config: Any) -> bool:
        """Whether pre + attn + mlp = post; otherwise post = LN2(LN1(pre + attn) + mlp)."""
        return bool(getattr(config, self.norm_first)) if isinstance(self.norm_first, str) else self.norm_first

    def shape(self, config: Any, name: str, provenance: Mapping[str, str]) -> ModelShape:
        """The network's dimensions, read off its configuration. Raises `ModelError` if one is not a positive integer."""

        def size(what: str) -> int:
            value = getattr(config, self.sizes[what], None)
            if not isinstance(value, int) or value < 1:
                raise ModelError(
                    f"The configuration of model {name!r} has {self.sizes[what]} = {value!r}; it must be at least 1."
                )
            return value

        heads, width = size("heads"), size("width")
        if width % heads:
            raise ModelError(f"Model {name!r} has width {width}, which its {heads} heads do not divide.")
        return ModelShape(
            name=name,
            layers=size("layers"),
            heads=heads,
            kv_heads=heads,
            width=width,
            head_width=width // heads,
            mlp_width=size("mlp_width"),
            context=size("context"),
            causal=self.causal,
            provenance=provenance,
        )


ANATOMIES: Mapping[str, Anatomy] = {
    "opt": Anatomy(
        blocks="decoder.layers",
        attention="self_attn",
        attention_write="self_attn.out_proj",
        mlp_write="fc2",
        matrices={
            "q": "self_attn.q_proj",
            "k": "self_attn.k_proj",
            "v": "self_attn.v_proj",
            "o": "self_attn.out_proj",
            "mlp_in": "fc1",
            "mlp_out": "fc2",
        },
        norms={"attention": "self_attn_layer_norm", "mlp": "final_layer_norm"},
        final=("decoder.final_layer_norm", "decoder.project_out"),
        sizes={
            "layers": "num_hidden_layers",
            "heads": "num_attention_heads",
            "width": "hidden_size",
            "mlp_width": "ffn_dim",
            "context": "max_position_embeddings",
        },
        norm_first="do_layer_norm_before",
    ),
}
"""By `model_type` of the configuration."""


def anatomy_of(config: Any, name: str) -> Anatomy:
    """The anatomy of a configuration. Raises `ModelError` for an architecture without an entry."""
    try:
        return ANATOMIES[config.model_type]
    except KeyError:
        raise ModelError(
            f"Model {name!r} is of architecture {config.model_type!r}, which modclaims does not know yet; it knows: "
            f"{', '.join(sorted(ANATOMIES))}. To add it, write ANATOMIES[{config.model_type!r}] in modclaims/lm/anatomy.py."
        ) from None


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network seen through its anatomy. Raises `ModelError` if the paths lead nowhere."""

    trunk: torch.nn.Module
    """Called with token ids (text, token); blocks, and what follows them."""
    anatomy: Anatomy
    shape: ModelShape
    head: torch.nn.Module | None = None
    """From the trunk's last hidden state to logits, if the loss was asked for."""

    def __post_init__(self) -> None:
        try:
            for path in (
                self.anatomy.attention,
                self.anatomy.attention_write,
                self.anatomy.mlp_write,
                *self.anatomy.matrices.values(),
                *self.anatomy.norms.values(),
            ):
                self.part(0, path)
        except AttributeError as fault:
            raise ModelError(
                f"The architecture of model {self.shape.name!r} is not as modclaims/lm/anatomy.py describes it: {fault}."
            ) from None

    @property
    def device(self) -> torch.device:
        """Where token ids must lie."""
        return next(self.trunk.parameters()).device

    @property
    def blocks(self) -> torch.nn.ModuleList:
        """The blocks, first to last."""
        blocks = self.trunk.get_submodule(self.anatomy.blocks)
        assert isinstance(blocks, torch.nn.ModuleList)
        return blocks

    def part(self, layer: int, path: str) -> torch.nn.Module:
        """A module of one block."""
        return self.blocks[layer].get_submodule(path)

    def matrix(self, layer: int, name: str) -> torch.Tensor:
        """One of the anatomy's matrices, (output unit, input unit)."""
        weight = self.part(layer, self.anatomy.matrices[name]).weight
        assert isinstance(weight, torch.Tensor)
        return weight
