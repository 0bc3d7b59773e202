"""Retrieval: how many of a vocabulary's vectors lie closer to a guess than the one that was meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.permutation import chunks

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Codes = NDArray[np.int64]
TIED = 1e-6
"""Cosines nearer than this are equal, in single precision."""


@dataclass(frozen=True)
class Vocabulary:
    """Vectors of all tokens, as directions from their common mean."""

    centre: Floats
    """(unit,) mean over the vocabulary."""
    units: Singles
    """(token, unit) centred vectors of length 1; a token at the centre stays zero."""

    @classmethod
    def of(cls, embedding: NDArray[np.floating]) -> Vocabulary:
        """From (token, unit) vectors."""
        centre = embedding.mean(axis=0, dtype=np.float64)
        return cls(centre, _directions((embedding - centre.astype(embedding.dtype)).astype(np.float32, copy=False)))

    def closer(self, guesses: Floats, meant: Codes) -> Codes:
        """(row,) how many other tokens lie at least as close to (row, unit) guesses as the token that was meant.

        By the cosine of what guesses and vectors are from the vocabulary's mean; ties count as closer, so that a guess
        at the mean itself finds nothing.
        """
        rows = _directions((guesses - self.centre).astype(np.float32))
        out = np.empty(len(rows), dtype=np.int64)
        for part in chunks(len(rows), len(self.units)):
            cosines = rows[part] @ self.units.T
            own = cosines[np.arange(len(cosines)), meant[part]]
            out[part] = (cosines >= own[:, None] - np.float32(TIED)).sum(axis=1) - 1
        return out


def _directions(vectors: Singles) -> Singles:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0))


def one_cycle(size: int, rng: np.random.Generator) -> Codes:
    """(item,) a permutation that leaves none in its place: each goes to the next in one random order of all."""
    order = rng.permutation(size)
    out = np.empty(size, dtype=np.int64)
    out[order] = np.roll(order, -1)
    return out
