"""Matrices without what they learned: the `gaussian` and `permuted` variants of a loaded network."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import torch

from modclaims.lm.network import Network
from modclaims.lm.variants import Variant


def scramble(network: Network, variant: Variant) -> None:
    """Replace the matrices inside the blocks, in place, as `gaussian` or `permuted` says.

    Weights of more than two axes are stacks of matrices, each scrambled by itself.
    """
    _scrambled(network.blocks.named_parameters(), variant)


def _scrambled(weights: Iterable[tuple[str, torch.nn.Parameter]], variant: Variant) -> None:
    """In place; names are from the list of blocks on."""
    with torch.no_grad():
        for name, weight in weights:
            if weight.ndim < 2:
                continue
            seed = hashlib.sha256(f"{variant}/{name}".encode()).digest()
            draws = torch.Generator().manual_seed(int.from_bytes(seed[:8], "little"))
            for matrix in weight.view(-1, *weight.shape[-2:]):
                learned = matrix.float().cpu() if matrix.dtype != torch.float64 else matrix.cpu()
                if variant.kind == "permuted":
                    drawn = learned.flatten()[torch.randperm(learned.numel(), generator=draws)].view_as(learned)
                else:
                    drawn = torch.randn(learned.shape, generator=draws).to(learned.dtype)
                    drawn *= torch.linalg.vector_norm(learned.double()) / torch.linalg.vector_norm(drawn.double())
                matrix.copy_(drawn)


@dataclass(frozen=True, eq=False)
class OneBlock(Network):
    """A network of which nobody asks for more than one layer: the rest is as it was."""

    copied: torch.nn.Module = field(default_factory=torch.nn.Identity)
    """The layer."""

    def __post_init__(self) -> None:
        """The network that it was made from has shown its parts."""

    def part(self, layer: int, path: str) -> torch.nn.Module:
        return self.copied.get_submodule(path)


def scrambled_block(network: Network, variant: Variant, layer: int, block: str) -> Network:
    """What `scramble` makes of the matrices of one block, `attention` or `mlp`, of a network that is left as it is."""
    copied = copy.deepcopy(network.blocks[layer])
    names = ("q", "k", "v", "o") if block == "attention" else ("mlp_in", "mlp_gate", "mlp_out")
    paths = {network.anatomy.path(name) for name in names if name in network.anatomy.matrices}
    _scrambled(
        ((f"{layer}.{name}", weight) for name, weight in copied.named_parameters() if name.rpartition(".")[0] in paths),
        variant,
    )
    return OneBlock(network.trunk, network.anatomy, network.shape, copied=copied)
