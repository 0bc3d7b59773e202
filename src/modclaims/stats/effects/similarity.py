"""Similarities between texts: text by text, the mean over positions of one similarity between activations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]

INNER_PRODUCTS = ("cosine", "scaled_cosine", "correlation", "centred_cosine", "centred_scaled_cosine")
SIMILARITIES = (*INNER_PRODUCTS, "magnitude_aware", "euclidean")


@dataclass(frozen=True)
class Similarity:
    """Similarities of n texts at one cell."""

    values: Floats
    """(text, text), larger when texts are more alike."""
    squared_distance: Floats | None
    """(text, text) squared Euclidean distance where the similarity has one; 0 where it is no more than rounding."""
    vectors: Floats | None = None
    """(text, dimension) rows whose inner products are the similarity, where there are such."""


def recorded_eps(activations: NDArray[np.generic]) -> float:
    """The spacing of numbers at 1 in which activations were recorded, float32 or float64; coarser ones count as float32."""
    fine = activations.dtype == np.float64 or activations.dtype.kind != "f"
    return float(np.finfo(np.float64 if fine else np.float32).eps)


def _prepared(activations: NDArray[np.floating], kind: str) -> Floats:
    """Vectors whose inner products are the similarity, or the raw vectors for distances.

    A vector of which taking away a mean leaves no more than rounding, 100 eps of its length, is none.
    """
    if kind not in SIMILARITIES:
        raise ClaimError(f"Similarity {kind!r} is unknown; choose one of {', '.join(SIMILARITIES)}.")
    x = np.asarray(activations, dtype=np.float64)
    whole = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    if kind.startswith("centred"):
        x = x - x.mean(axis=0, keepdims=True)  # the direction that all texts share, position by position
    if kind == "correlation":
        x = x - x.mean(axis=-1, keepdims=True)
    lengths = np.sqrt((x * x).sum(axis=-1, keepdims=True))
    if kind.startswith("centred") or kind == "correlation":
        left = lengths > 100 * recorded_eps(activations) * whole
        x, lengths = np.where(left, x, 0.0), np.where(left, lengths, 0.0)
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
    Similarities of different texts that differ by rounding alone (`_settled`) are made equal.
    Raises `ClaimError` for an unknown kind.
    """
    x = _prepared(activations, kind)
    n, positions, _ = x.shape
    flat = np.ascontiguousarray(x.reshape(n, -1))
    inner = flat @ flat.T / positions
    inner = (inner + inner.T) / 2
    diagonal = np.diag(inner)
    squared = np.maximum(diagonal[:, None] + diagonal[None, :] - 2 * inner, 0.0)
    squared[squared <= ROUNDING * diagonal.max(initial=0.0)] = 0.0
    np.fill_diagonal(squared, 0.0)
    if kind in INNER_PRODUCTS:
        settled = _settled(inner, x, kind, recorded_eps(activations))
        return Similarity(settled, squared, flat / np.sqrt(positions) if settled is inner else None)
    distance = np.zeros((n, n))
    for p in range(positions):
        distance += _distances(x[:, p])
    distance /= positions
    values = _settled(-distance if kind == "euclidean" else 1 - distance / 2, x, kind, recorded_eps(activations))
    return Similarity(values, squared if kind == "euclidean" else None)


def _settled(values: Floats, prepared: Floats, kind: str, eps: float) -> Floats:
    """(text, text) similarities, those of different texts made equal where they are constant but for rounding.

    What was recorded is wrong by `eps` of a vector's length or so. Inner products of vectors that are not of length 1 are then
    constant within 100 eps of the largest, and distances within 100 eps of the longest vector. Cosines of vectors that all
    point one way fall short of 1 by half the *square* of such an angle: they are constant within (100 eps)^2, 1.4e-10 in
    float32, or 100 eps of float64, in which they are summed. (Of 36 such vectors of 768 coordinates they range over 6 eps
    of float64 where float32 recorded them exactly, and over 2,000 where what was recorded is wrong by 10 eps of float32.)
    """
    if len(values) < 2:
        return values
    apart = ~np.eye(len(values), dtype=bool)
    others = values[apart]
    if kind in ("cosine", "centred_cosine", "correlation"):
        slack = max(ROUNDING, (100 * eps) ** 2)
    elif kind in INNER_PRODUCTS:
        slack = 100 * eps * float(np.abs(others).max())
    else:
        slack = 100 * eps * float(np.sqrt((prepared * prepared).sum(axis=-1).max()))
    if not np.ptp(others) <= slack:
        return values
    return np.where(apart, others.mean(), values)


def apart_similarity(activations: NDArray[np.floating], kind: str = "cosine") -> Floats:
    """(text, text) mean similarity of activations at different positions; on the diagonal, that of a text with itself.

    `activations` is (text, position, unit) with at least two positions. `centred_*` and what is divided by the longest
    vector refer to the mean and the longest vector of these texts.
    """
    x = _prepared(activations, kind)
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
    if kind not in INNER_PRODUCTS:
        found = -found if kind == "euclidean" else 1 - found / 2
    return _settled(np.asarray(found), x, kind, recorded_eps(activations))


def _distances(x: Floats) -> Floats:
    """(text, text) Euclidean distances, by differences so that near-equal vectors keep their digits."""
    out = np.zeros((len(x), len(x)))
    for i in range(len(x)):
        out[i] = np.sqrt(((x - x[i]) ** 2).sum(axis=1))
    return out


def token_similarity(activations: NDArray[np.floating], kind: str = "cosine") -> Floats:
    """(text x position, text x position) similarity of every two activations, for the study's heat maps."""
    x = _prepared(activations, kind)
    rows = x.reshape(x.shape[0] * x.shape[1], -1)
    if kind in INNER_PRODUCTS:
        return np.asarray(rows @ rows.T)
    distance = _distances(rows)
    return -distance if kind == "euclidean" else 1 - distance / 2
