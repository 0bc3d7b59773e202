"""Directions of the residual stream read as tokens: what they promote and suppress most, and how alike these are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
RANKS = 32
"""Bins of tokens by frequency."""
ROWS = 256
"""Directions that are read at a time."""
NEGLIGIBLE = 1e-6
"""Singular values below this share of the first are rounding, and their directions arbitrary."""


@dataclass(frozen=True)
class TokenSpace:
    """A vocabulary: how directions are read as tokens, and where tokens lie."""

    unembedding: Singles
    """(token, width): a direction's logits are its products with these rows."""
    units: Singles
    """(token, width) embeddings, centred over the vocabulary and of length 1."""
    ranks: NDArray[np.int64]
    """(token,) bin by frequency: neighbours in the tokenizer's order share one."""
    alike: Singles
    """(bin, bin) mean cosine of two different tokens of these bins."""

    @classmethod
    def of(cls, embedding: NDArray[np.floating], unembedding: NDArray[np.floating]) -> TokenSpace:
        """From the network's own (token, width) matrices, tokens in the tokenizer's order."""
        centred = np.asarray(embedding, dtype=np.float64) - np.mean(embedding, axis=0, dtype=np.float64)
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        some = length > ROUNDING * np.linalg.norm(embedding, axis=1).max()  # of equal rows centring leaves rounding
        units = np.divide(centred, length, out=np.zeros_like(centred), where=some)
        ranks = frequency_bins(len(units), RANKS)
        count = np.bincount(ranks).astype(np.float64)
        sums = np.stack([units[ranks == b].sum(axis=0) for b in range(len(count))])
        pairs = count[:, None] * count - np.diag(count)
        own = np.diag([(units[ranks == b] ** 2).sum() for b in range(len(count))])
        alike = np.divide(sums @ sums.T - own, pairs, out=np.zeros_like(pairs), where=pairs > 0)
        return cls(np.asarray(unembedding, dtype=np.float32), units.astype(np.float32), ranks, alike.astype(np.float32))

    def logits(self, directions: NDArray[np.floating]) -> Singles:
        """(direction, token)"""
        return np.asarray(directions.astype(np.float32) @ self.unembedding.T)

    def coherence(self, logits: Singles, tokens: int) -> Singles:
        """(direction, 2): mean pairwise cosine of the tokens that a direction speaks of most; and beyond their frequency.

        A direction's sign is arbitrary, so both of its ends are read and the larger number counts. Beyond frequency, each
        pair's cosine is taken less the mean of all pairs of as frequent tokens.
        """
        ends = np.stack([largest(logits, tokens), largest(-logits, tokens)])  # (end, direction, token)
        pairs = tokens * (tokens - 1)
        chosen = self.units[ends]
        lengths = np.einsum("edtw,edtw->ed", chosen, chosen)
        total = chosen.sum(axis=2)
        raw = (np.einsum("edw,edw->ed", total, total) - lengths) / pairs
        bins = self.ranks[ends]
        expected = self.alike[bins[..., :, None], bins[..., None, :]]
        matched = (expected.sum(axis=(2, 3)) - np.einsum("edtt->ed", expected)) / pairs
        return np.stack([raw.max(axis=0), (raw - matched).max(axis=0)], axis=1)


def largest(values: NDArray[np.generic], count: int) -> NDArray[np.int64]:
    """(row, count) places of the largest values of each row, in no order.

    They lie in those blocks whose maxima are largest, so that few of many values are looked at twice.
    """
    rows, size = values.shape
    step = math.isqrt(size)
    blocks = size // step
    if blocks <= 2 * count:
        return np.argpartition(values, size - count, axis=1)[:, size - count :]
    maxima = values[:, : blocks * step].reshape(rows, blocks, step).max(axis=2)
    best = np.argpartition(maxima, blocks - count, axis=1)[:, blocks - count :]
    inside = (best[:, :, None] * step + np.arange(step)).reshape(rows, -1)
    rest = np.broadcast_to(np.arange(blocks * step, size), (rows, size - blocks * step))
    places = np.concatenate([inside, rest], axis=1)
    found = np.take_along_axis(values, places, axis=1)
    top = np.argpartition(found, found.shape[1] - count, axis=1)[:, found.shape[1] - count :]
    return np.take_along_axis(places, top, axis=1)


def frequency_bins(tokens: int, bins: int) -> NDArray[np.int64]:
    """(token,) bins of nearly equal size, of at least 2 tokens each, in the tokenizer's order.

    Byte-pair and word-piece vocabularies grow by what is most frequent in the tokenizer's own texts, so that a token's place
    stands for its rank; no text of ours takes part.
    """
    bins = max(1, min(bins, tokens // 2))
    return np.arange(tokens) * bins // tokens


def singular_directions(first: NDArray[np.floating], second: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Left and right singular vectors (direction, width) of first @ second, largest singular value first.

    `first` is (width, inner), `second` (inner, width); the product is never formed, and directions of no size are left out.
    """
    q1, r1 = np.linalg.qr(np.asarray(first, dtype=np.float64))
    q2, r2 = np.linalg.qr(np.asarray(second, dtype=np.float64).T)
    left, values, right = np.linalg.svd(r1 @ r2.T)
    kept = values > NEGLIGIBLE * max(float(values[0]), 1e-300)
    return (q1 @ left).T[kept], (right @ q2.T)[kept]


def row_directions(matrix: NDArray[np.floating]) -> Floats:
    """(direction, width) right singular vectors of a (unit, width) matrix, largest singular value first."""
    _, values, right = np.linalg.svd(np.asarray(matrix, dtype=np.float64), full_matrices=False)
    return np.asarray(right[values > NEGLIGIBLE * max(float(values[0]), 1e-300)])


def haar(size: int, rng: np.random.Generator) -> Floats:
    """A Haar-random orthogonal matrix (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return np.asarray(q * np.where(np.diag(r) < 0, -1.0, 1.0))


def turned_coherence(space: TokenSpace, logits: Singles, turn: Floats | None, tokens: int) -> Singles:
    """(direction, 2) coherence of a subspace's directions, turned by an orthogonal matrix (None: as they are).

    `logits` is (direction, token) of an orthonormal basis of the subspace; a turned basis has turned logits.
    """
    found = []
    for start in range(0, len(logits), ROWS):
        rows = slice(start, start + ROWS)
        found.append(space.coherence(logits[rows] if turn is None else turn[rows].astype(np.float32) @ logits, tokens))
    return np.concatenate(found)


def coherent_shares(coherence: Singles, level: float) -> Floats:
    """(basis,) share of directions whose coherence lies above the `level` quantile of all bases' directions.

    `coherence` is (basis, direction), the network's own basis and random ones alike; every basis meets the same threshold, to
    which all contribute, so that under the null they are exchangeable.
    """
    return np.asarray((coherence > np.quantile(coherence, level)).mean(axis=1), dtype=np.float64)


def largest_products(vectors: NDArray[np.floating], tokens: Singles, count: int) -> Floats:
    """(vector,) mean of the largest dot products of each vector with the rows of `tokens`."""
    found = []
    for start in range(0, len(vectors), ROWS):
        products = vectors[start : start + ROWS].astype(np.float32) @ tokens.T
        found.append(np.take_along_axis(products, largest(products, count), axis=1).mean(axis=1, dtype=np.float64))
    return np.concatenate(found)


def random_units(count: int, width: int, rng: np.random.Generator) -> Singles:
    """(vector, width) directions of length 1, each as likely as any other."""
    drawn = rng.standard_normal((count, width), dtype=np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))
