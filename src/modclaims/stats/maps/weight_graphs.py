"""Weight graphs: units joined by the sizes of the weights between them, their partitions, and how well these cut them.

The units of one MLP are its inputs, its neurons and its outputs. Edges join neighbouring layers of units only, so the
graph has two sides: neurons on one, inputs and outputs on the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Labels = NDArray[np.int64]
SCORES = ("n_cut", "modularity")
ROUNDS = 20
"""Of k-means; later ones move few units."""
ROUNDING = 1e-6
"""Cuts smaller than this, a part, are those of parts that no edge joins."""


@dataclass(frozen=True)
class WeightGraph:
    """An undirected graph with two sides and no edge inside either."""

    edges: Singles
    """(unit of one side, unit of the other) sizes, none negative."""

    @classmethod
    def of(cls, writes: NDArray[np.generic], *reads: NDArray[np.generic]) -> WeightGraph:
        """The graph of an MLP from sizes of weights, all (neuron, input or output); what it reads by is added up."""
        inputs = sum(reads[1:], start=reads[0])
        return cls(np.concatenate([inputs.T, writes.T]).astype(np.float32, copy=False))

    def joined(self) -> WeightGraph:
        """The same graph without the units that no edge reaches."""
        rows, columns = self.edges.any(axis=1), self.edges.any(axis=0)
        return self if rows.all() and columns.all() else WeightGraph(self.edges[rows][:, columns])

    def embedding(self, parts: int) -> tuple[Singles, Singles]:
        """Leading eigenvectors of the normalised adjacency D^-1/2 A D^-1/2, which are the lowest of the normalised Laplacian.

        (unit, eigenvector) for each side, largest eigenvalue first; fewer than `parts` where a side has fewer units. On a
        graph with two sides they are the singular vectors of its normalised edges (Dhillon 2001), so the smaller side's Gram
        matrix serves.
        """
        from scipy.linalg import eigh

        edges = self.edges if self.edges.shape[0] <= self.edges.shape[1] else self.edges.T
        rows, columns = edges.sum(axis=1), edges.sum(axis=0)
        scaled = edges * _inverse_root(rows)[:, None] * _inverse_root(columns)
        size, wanted = len(scaled), min(parts, len(scaled))
        values, vectors = eigh(scaled @ scaled.T, subset_by_index=[size - wanted, size - 1], check_finite=False)
        first = vectors[:, ::-1]
        # below this a singular value is rounding, and its vector on the other side arbitrary
        known = values[::-1] > 1e-6
        second = (scaled.T @ first) * np.where(known, 1 / np.sqrt(np.where(known, values[::-1], 1.0)), 0.0)
        pair = np.ascontiguousarray(first, dtype=np.float32), np.ascontiguousarray(second, dtype=np.float32)
        return pair if self.edges.shape[0] <= self.edges.shape[1] else pair[::-1]

    def scores(self, first: Labels, second: Labels) -> tuple[float, float]:
        """n-cut and modularity of a partition, given by the part of each unit on either side."""
        parts = 1 + int(max(first.max(), second.max()))
        inside = np.zeros(parts)
        rows, columns = self.edges.sum(axis=1, dtype=np.float64), self.edges.sum(axis=0, dtype=np.float64)
        volume = np.zeros(parts)
        np.add.at(volume, first, rows)
        np.add.at(volume, second, columns)
        # (unit of the first side, part): what each unit sends into each part of the other side
        into = self.edges @ (second[:, None] == np.arange(parts)).astype(np.float32)
        np.add.at(inside, first, 2.0 * into[np.arange(len(first)), first])
        return n_cut(inside, volume), modularity(inside, volume)


def _inverse_root(degrees: Singles) -> Singles:
    return np.where(degrees > 0, 1 / np.sqrt(np.where(degrees > 0, degrees, 1)), 0).astype(np.float32)


def n_cut(inside: Floats, volume: Floats) -> float:
    """Normalised cut: the sum over parts of the share of its edges' ends that lead out of it (Shi & Malik 2000).

    `inside` is (part,) twice the weight of edges inside, `volume` (part,) the sum of its units' degrees. Between 0 and the
    number of parts; a part without edges counts as wholly cut, so that empty parts make no cut look better.
    """
    share = np.divide(inside, volume, out=np.zeros(len(volume)), where=volume > 0)
    cut = float(len(volume) - share.sum())
    return cut if cut > ROUNDING * len(volume) else 0.0


def modularity(inside: Floats, volume: Floats) -> float:
    """Newman's Q: the share of edges inside parts, minus what degrees alone would put there (Newman 2006)."""
    total = float(volume.sum())
    return float((inside / total - (volume / total) ** 2).sum()) if total > 0 else 0.0


def parts_of(embedding: tuple[Singles, Singles], parts: int) -> tuple[Labels, Labels]:
    """The part of every unit: k-means in the first `parts` eigenvectors, begun where pivoted QR puts the parts.

    The units that stand most apart are picked as the parts' first members, the eigenvectors are turned towards them, and
    each unit joins the one that it leans to (Damle, Minden & Ying 2019); from there k-means goes on for `ROUNDS` rounds.
    Nothing is drawn: the same graph always has the same parts, so that a cut has no error of its algorithm's.
    """
    from scipy.cluster.vq import kmeans2
    from scipy.linalg import qr

    rows = np.concatenate(embedding)[:, :parts].astype(np.float64)
    pivots = qr(rows.T, pivoting=True, mode="r", check_finite=False)[1][: rows.shape[1]]
    left, _, right = np.linalg.svd(rows[pivots].T)
    labels = np.abs(rows @ (left @ right)).argmax(axis=1)
    centres = rows[pivots]
    for part in np.unique(labels):
        centres[part] = rows[labels == part].mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # units that are all alike make fewer parts than asked for
        labels = kmeans2(rows, centres, iter=ROUNDS, minit="matrix", check_finite=False)[1].astype(np.int64)
    return labels[: len(embedding[0])], labels[len(embedding[0]) :]


def clustered(graph: WeightGraph, counts: Sequence[int]) -> Floats:
    """(count, score) `SCORES` of the spectral partition into each number of parts; units without any edge belong to none."""
    graph = graph.joined()
    if not graph.edges.size:
        return np.array([(float(count), 0.0) for count in counts])
    embedding = graph.embedding(max(counts))
    return np.array([graph.scores(*parts_of(embedding, count)) for count in counts])


def shuffled(reads: NDArray[np.generic], orders: NDArray[np.int64], kind: str) -> NDArray[np.generic]:
    """A matrix (neuron, other unit) with its entries exchanged: all, those that are not zero, or inside each neuron.

    `orders` is a random order of its entries. Entries that are zero stay where they are under `nonzero`, so that a matrix
    without any is shuffled as under `matrix`.
    """
    if kind == "neuron":
        return np.asarray(np.take_along_axis(reads, np.argsort(orders.reshape(reads.shape), axis=1), axis=1))
    flat = reads.ravel()
    if kind == "matrix" or flat.all():
        return flat[orders].reshape(reads.shape)
    out, there = np.zeros_like(flat), flat != 0
    out[there] = flat[orders[there[orders]]]
    return out.reshape(reads.shape)
