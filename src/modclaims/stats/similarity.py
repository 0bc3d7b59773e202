"""Similarities between texts: text by text, the mean over positions of one similarity between activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.chunks import ROUNDING

Floats = NDArray[np.float64]

INNER_PRODUCTS = ("cosine", "scaled_cosine", "correlation", "centred_cosine", "centred_scaled_cosine")
SIMILARITIES = (*INNER_PRODUCTS, "magnitude_aware", "euclidean")


@dataclass(frozen=True)
class Similarity:
    """Similarities of n texts at one cell."""

    values: Floats
    """(text, text), larger when texts are more alike."""
    squared_distance: Floats | None
    """(text, text) squared Euclidean distance where the similarity has one, so that location can be spoken of; 0 where it
    is no more than rounding of what it is the difference of."""
    vectors: Floats | None = None
    """(text, dimension) rows whose inner products are the similarity, where there are such."""


def _prepared(x: Floats, kind: str) -> Floats:
    """Vectors whose inner products are the similarity, or the raw vectors for distances."""
    if kind not in SIMILARITIES:
        raise ClaimError(f"Similarity {kind!r} is unknown; choose one of {', '.join(SIMILARITIES)}.")
    whole = np.sqrt((x * x).sum(axis=-1)).max(initial=0.0)
    if kind.startswith("centred"):
        x = x - x.mean(axis=0, keepdims=True)  # the direction that all texts share, position by position
    if kind == "correlation":
        x = x - x.mean(axis=-1, keepdims=True)
    lengths = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    if kind != "cosine":  # what centring leaves of equal vectors is rounding, and has no direction
        x = np.where(lengths > ROUNDING * whole, x, 0.0)
        lengths = np.where(lengths > ROUNDING * whole, lengths, 0.0)
    if kind in ("cosine", "centred_cosine", "correlation"):
        return np.asarray(np.divide(x, lengths, out=np.zeros_like(x), where=lengths > 0))
    longest = lengths.max(initial=0.0)
    if kind == "euclidean" or longest == 0:
        return x
    return np.asarray(x / longest)


def text_similarity(activations: NDArray[np.floating], kind: str = "cosine") -> Similarity:
    """Similarity of every two texts: the mean over positions of the similarity at the same position.

    `activations` is (text, position, unit). `cosine`; `scaled_cosine` divides by the longest vector of the layer
    instead of each vector's own length; `magnitude_aware` is 1 - ||x - y|| / (2 max ||.||); `euclidean` is
    -||x - y||; `correlation` removes each vector's own mean; `centred_*` first remove the mean over texts.
    Raises `ClaimError` for an unknown kind.
    """
    x = _prepared(np.asarray(activations, dtype=np.float64), kind)
    n, positions, _ = x.shape
    flat = np.ascontiguousarray(x.reshape(n, -1))
    inner = flat @ flat.T / positions
    inner = (inner + inner.T) / 2
    diagonal = np.diag(inner)
    both = diagonal[:, None] + diagonal[None, :]
    squared = both - 2 * inner
    squared[squared <= ROUNDING * both] = 0.0
    np.fill_diagonal(squared, 0.0)
    if kind in INNER_PRODUCTS:
        return Similarity(inner, squared, flat / np.sqrt(positions))
    distance = np.zeros((n, n))
    for p in range(positions):
        distance += _distances(x[:, p])
    distance /= positions
    if kind == "euclidean":
        return Similarity(-distance, squared)
    return Similarity(1 - distance / 2, None)


def apart_similarity(activations: NDArray[np.floating], kind: str = "cosine") -> Floats:
    """(text, text) mean similarity of activations at different positions; on the diagonal, that of a text with itself.

    `activations` is (text, position, unit) with at least two positions. `centred_*` and what is divided by the longest
    vector refer to the mean and the longest vector of these texts.
    """
    x = _prepared(np.asarray(activations, dtype=np.float64), kind)
    n, positions, _ = x.shape
    if kind in INNER_PRODUCTS:
        whole, flat = x.sum(axis=1), np.ascontiguousarray(x.reshape(n, -1))
        total = whole @ whole.T - flat @ flat.T
    else:
        total = np.zeros((n, n))
        for i in range(n):
            for p in range(positions):
                distance = np.sqrt(((x - x[i, p]) ** 2).sum(axis=-1))
                total[i] += distance.sum(axis=1) - distance[:, p]
    found = (total + total.T) / (2 * positions * (positions - 1))
    if kind in INNER_PRODUCTS:
        return np.asarray(found)
    return np.asarray(-found if kind == "euclidean" else 1 - found / 2)


def _distances(x: Floats) -> Floats:
    """(text, text) Euclidean distances, by differences so that near-equal vectors keep their digits."""
    out = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        out[i] = np.sqrt(((x - x[i]) ** 2).sum(axis=1))
    return out


def token_similarity(activations: NDArray[np.floating], kind: str = "cosine") -> Floats:
    """(text x position, text x position) similarity of every two activations, for the study's heat maps."""
    x = np.asarray(activations, dtype=np.float64)
    rows = _prepared(x, kind).reshape(x.shape[0] * x.shape[1], -1)
    if kind in INNER_PRODUCTS:
        return np.asarray(rows @ rows.T)
    distance = _distances(rows)
    return -distance if kind == "euclidean" else 1 - distance / 2
