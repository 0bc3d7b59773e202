"""Variants of a network: what is left when learning is taken out of its weights, one way or another.

- `untrained[:SEED]`: the same configuration with fresh weights, drawn by the architecture's own initialisation.
- `gaussian[:SEED]`: every matrix inside the blocks replaced by Gaussian noise of the same Frobenius norm.
- `permuted[:SEED]`: the entries of every matrix inside the blocks put in random order.

The last two leave embeddings, their projections, the head, biases and norms as they were learned, so that the blocks
still read the same tokens. A matrix's noise depends on the seed and its name only: not on the device, on the dtype
(beyond rounding), or on whether the head was loaded too.
"""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.errors import ClaimError

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
