"""Variants of a network: what is left when learning is taken out of its weights, one way or another.

- `untrained[:SEED]`: the same configuration with fresh weights, drawn by the architecture's own initialisation.
- `gaussian[:SEED]`: every matrix inside the blocks replaced by Gaussian noise of the same Frobenius norm.
- `permuted[:SEED]`: the entries of every matrix inside the blocks put in random order.

The last two leave embeddings, their projections, the head, biases and norms as they were learned, so that the blocks
still read the same tokens. A matrix's noise depends on the seed and its name only: not on the device, on the dtype
(beyond rounding), or on whether the head was loaded too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from modclaims.errors import ClaimError
from modclaims.lm.anatomy import Network

KINDS = ("untrained", "gaussian", "permuted")


@dataclass(frozen=True)
class Variant:
    """A kind and its seed."""

    kind: str
    """One of `KINDS`."""
    seed: int = 0

    @classmethod
    def parse(cls, word: str) -> Variant:
        """From `kind` or `kind:SEED`. Raises `ClaimError` for anything else."""
        kind, colon, seed = word.partition(":")
        if kind not in KINDS or (colon and not (seed.isascii() and seed.isdigit())):
            raise ClaimError(
                f"Variant {word!r} is unknown; choose one of {', '.join(KINDS)}, with a seed if you like: untrained:1."
            )
        return cls(kind, int(seed or 0))

    def __str__(self) -> str:
        return f"{self.kind}:{self.seed}"


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
