"""Matrices without what they learned: the `gaussian` and `permuted` variants of a loaded network."""

from __future__ import annotations

import hashlib

import torch

from modclaims.lm.network import Network
from modclaims.lm.variants import Variant


def scramble(network: Network, variant: Variant) -> None:
    """Replace the matrices inside the blocks, in place, as `gaussian` or `permuted` says.

    Weights of more than two axes are stacks of matrices, each scrambled by itself.
    """
    with torch.no_grad():
        for name, weight in network.blocks.named_parameters():
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
