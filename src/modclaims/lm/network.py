"""A loaded network seen through its anatomy: its blocks, parts and matrices."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from modclaims.errors import ClaimError, ModelError
from modclaims.lm.anatomy import Anatomy, Fused
from modclaims.lm.untyped import Untyped
from modclaims.recording import ModelShape


@dataclass(frozen=True, eq=False)
class Network:
    """A loaded network seen through its anatomy. Raises `ModelError` if the paths lead nowhere."""

    trunk: torch.nn.Module
    """Called with token ids (text, token); blocks, and what follows them."""
    anatomy: Anatomy
    shape: ModelShape
    head: torch.nn.Module | None = None
    """From the trunk's last hidden state to logits, if the loss was asked for."""
    logit_cap: float | None = None
    """Logits are squashed below it by a tanh."""

    def __post_init__(self) -> None:
        try:
            for path in (
                self.anatomy.attention,
                self.anatomy.activation,
                *(self.anatomy.path(name) for name in self.anatomy.matrices),
                *self.anatomy.norms.values(),
                *self.anatomy.sandwich.values(),
                *self.anatomy.head_norms,
            ):
                self.part(0, path)
        except AttributeError as fault:
            raise self._unlike_its_anatomy(fault) from None

    def _unlike_its_anatomy(self, fault: AttributeError) -> ModelError:
        return ModelError(
            f"The architecture of model {self.shape.name!r} is not as modclaims/lm/anatomy.py describes it: {fault}."
        )

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

    def activation(self, layer: int) -> torch.nn.Module:
        """What the MLP bends its units by, one by one. Raises `ModelError` if its path leads nowhere."""
        try:  # here, since only Jacobians need it
            return self.part(layer, self.anatomy.activation)
        except AttributeError as fault:
            raise self._unlike_its_anatomy(fault) from None

    def matrix(self, layer: int, name: str) -> torch.Tensor:
        """One of the anatomy's matrices, (output unit, input unit)."""
        where = self.anatomy.matrices[name]
        weight = self.part(layer, self.anatomy.path(name)).weight
        assert isinstance(weight, torch.Tensor)
        return _part_of(weight.T if self.anatomy.transposed else weight, where, self.shape.heads)

    def bias(self, layer: int, name: str) -> torch.Tensor | None:
        """What the module of a matrix adds to its output, (output unit,), if anything."""
        where = self.anatomy.matrices[name]
        bias = getattr(self.part(layer, self.anatomy.path(name)), "bias", None)
        assert bias is None or isinstance(bias, torch.Tensor)
        return None if bias is None else _part_of(bias, where, self.shape.heads)

    def embedding(self) -> torch.Tensor:
        """(token, width) rows that tokens enter with, before positions."""
        embeddings: Untyped = self.trunk
        weight = embeddings.get_input_embeddings().weight
        assert isinstance(weight, torch.Tensor)
        return self._as_wide(weight, "embeds its tokens")

    def unembedding(self) -> torch.Tensor:
        """(token, width): the residual after the final norm, times its transpose, is the logits, up to any cap and bias.

        The network must have been loaded with its head.
        """
        assert self.head is not None
        weight: torch.Tensor = max((p for p in self.head.parameters() if p.ndim == 2), key=len)
        for path in self.anatomy.final:
            try:
                module = self.trunk.get_submodule(path)
            except AttributeError:
                continue
            if isinstance(module, torch.nn.Linear):
                weight = weight @ module.weight
        return self._as_wide(weight, "reads its logits")

    def _as_wide(self, weight: torch.Tensor, does: str) -> torch.Tensor:
        if weight.shape[1] != self.shape.width:
            raise ClaimError(
                f"Model {self.shape.name!r} {does} in {weight.shape[1]} dimensions, not in the {self.shape.width} of its residual."
            )
        return weight


def _part_of(outputs: torch.Tensor, where: str | Fused, heads: int) -> torch.Tensor:
    """The rows, by output unit, that are one of several matrices."""
    if isinstance(where, str):
        return outputs
    if not where.by_head:
        return outputs.chunk(where.of)[where.index]
    return outputs.reshape(heads, where.of, -1, *outputs.shape[1:])[:, where.index].flatten(0, 1)
