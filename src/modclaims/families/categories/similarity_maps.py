"""Similarity maps: how alike every two activations of a site are, and the texts by it, layer by layer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.families.categories.figures.heat_maps import HeatMaps
from modclaims.families.categories.figures.levels_by_depth import LevelsByDepth
from modclaims.families.categories.figures.text_map import TextMap
from modclaims.recording import Activations, Recording
from modclaims.stats.effects.similarity import Similarity, token_similarity
from modclaims.stats.evidence import Cell, Exhibit

Floats = NDArray[np.float64]
HEAT_MAP_ROWS = 160


def similarity_maps(
    recording: Recording,
    cells: tuple[Cell, ...],
    per_cell: list[Similarity],
    depth: int,
    request: Activations,
    measure: str,
    label: str,
    within: str | None,
) -> list[Exhibit]:
    """Heat maps of texts x positions, similarity levels by depth, and a map of the texts, layer by layer."""
    corpus = recording.corpus
    category = corpus.values(label)
    stratum = corpus.values(within) if within else ("",) * len(corpus)
    order = sorted(range(len(category)), key=lambda i: (stratum[i], category[i]))
    texts = np.array(order)
    positions = len(recording.positions)
    groups = np.array_split(np.arange(positions), min(positions, max(1, HEAT_MAP_ROWS // len(category))))
    maps, levels, xy = [], [], []
    same_label = np.array([category[i] for i in order])[:, None] == np.array([category[i] for i in order])[None, :]
    for cell, similarity in zip(cells, per_cell, strict=True):
        array = np.asarray(recording.array(request, cell.layer or 0))[texts]
        token = token_similarity(array, measure)
        maps.append(_pooled(token, len(texts), positions, groups).astype(np.float32))
        levels.append(_levels(token, len(texts), positions, same_label))
        xy.append(_principal_plane(similarity.values[np.ix_(texts, texts)]))
    names = [category[i] + (f" / {stratum[i]}" if within else "") for i in order]
    panels = tuple(str(c) for c in cells)
    level = np.array(levels)
    layers = np.array([c.layer or 0 for c in cells])
    pooled = (
        f"{positions} positions a text"
        if len(groups) == positions
        else f"{positions} positions a text pooled into {len(groups)}"
    )
    ordered = f"{within}, then {label}" if within else label
    read = (
        f"brackets mark each {within} and, inside it, each {label}. Compared are pairs inside one {within}: "
        f"there, small blocks along the diagonal are values of {label} that look alike."
        if within
        else "brackets mark categories. Blocks along the diagonal are categories that look alike."
    )
    figures = (
        HeatMaps(
            f"Similarity of every two activations ({measure}, {request.site}), texts ordered by {ordered}",
            f"{len(texts)} texts with {pooled}, one panel a layer; {read}",
            maps=np.stack(maps).astype(np.float16),
            panels=panels,
            categories=tuple(n for n in names for _ in groups),
            note=f"{len(texts)} texts x {pooled}",
        ),
        LevelsByDepth(
            "Same text, same category, different category",
            "Mean similarity by layer between activations at different positions of one text, of two texts of one category, "
            f"and of two categories. At {panels[-1]}: {level[-1, 0]:.2f}, {level[-1, 1]:.2f}, {level[-1, 2]:.2f}.",
            depth=layers / depth,
            layer=layers,
            same_text=level[:, 0],
            same_category=level[:, 1],
            different_category=level[:, 2],
            similarity=measure,
        ),
        TextMap(
            f"Texts in the plane of their two main directions ({measure})",
            f"Principal coordinates of the {len(texts)} texts, one panel a layer; colour and marker give the {label}. "
            "A picture, not a test.",
            xy=np.stack(xy).astype(np.float32),
            panels=panels,
            categories=tuple(category[i] for i in order),
            ids=tuple(corpus.texts[i].id for i in texts),
        ),
    )
    return [figure.exhibit() for figure in figures]


def _pooled(token: Floats, n: int, positions: int, groups: list[NDArray[np.int64]]) -> Floats:
    """(text x group, text x group) means of token similarities over groups of positions."""
    if len(groups) == positions:
        return token
    share = np.zeros((len(groups), positions))
    for g, members in enumerate(groups):
        share[g, members] = 1 / len(members)
    blocks = token.reshape(n, positions, n, positions)
    pooled = np.einsum("gp,ipjq,hq->igjh", share, blocks, share, optimize=True)
    return np.asarray(pooled.reshape(n * len(groups), n * len(groups)))


def _levels(token: Floats, n: int, positions: int, same_label: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Mean similarity at different positions: of one text, of two texts of a category, of two categories."""
    if positions < 2:
        return float("nan"), float("nan"), float("nan")
    blocks = token.reshape(n, positions, n, positions)
    total = blocks.sum(axis=(1, 3))
    aligned = np.einsum("ipjp->ij", blocks)
    mean = (total - aligned) / (positions * (positions - 1))
    other = ~np.eye(n, dtype=bool)
    return (
        float(np.diag(mean).mean()),
        float(mean[same_label & other].mean()),
        float(mean[~same_label].mean()),
    )


def _principal_plane(similarity: Floats) -> Floats:
    """(text, 2) principal coordinates of a similarity matrix; the sign makes each axis' largest entry positive."""
    n = len(similarity)
    centre = np.eye(n) - 1 / n
    values, vectors = np.linalg.eigh(centre @ similarity @ centre)
    plane = vectors[:, ::-1][:, :2] * np.sqrt(np.maximum(values[::-1][:2], 0.0))
    signs = np.sign(plane[np.abs(plane).argmax(axis=0), np.arange(2)])
    return np.asarray(plane * np.where(signs == 0, 1.0, signs))
