"""Similarity maps: how alike every two activations of a site are, and the texts by it, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

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


@dataclass(frozen=True)
class SimilarityMaps:
    """What the three figures of a site's similarities are of, layer by layer.

    Texts stand in the order of `within`, where there is one, and of `label`.
    """

    recording: Recording
    request: Activations
    cells: tuple[Cell, ...]
    """A layer each."""
    per_cell: list[Similarity]
    """Similarity of the texts, a cell each."""
    measure: str
    """Name of the similarity."""
    label: str
    within: str | None

    @cached_property
    def category(self) -> tuple[str, ...]:
        """(text,) as the corpus has them."""
        return self.recording.corpus.values(self.label)

    @cached_property
    def stratum(self) -> tuple[str, ...]:
        """(text,) as the corpus has them; all alike where there are none."""
        corpus = self.recording.corpus
        return corpus.values(self.within) if self.within else ("",) * len(corpus)

    @cached_property
    def order(self) -> list[int]:
        """Texts as they are shown."""
        return sorted(range(len(self.category)), key=lambda i: (self.stratum[i], self.category[i]))

    @cached_property
    def groups(self) -> list[NDArray[np.int64]]:
        """Positions that a row of a heat map is the mean over."""
        positions = len(self.recording.positions)
        return np.array_split(np.arange(positions), min(positions, max(1, HEAT_MAP_ROWS // len(self.category))))

    def exhibits(self, depth: int) -> list[Exhibit]:
        """Heat maps of texts x positions, similarity levels by depth (`depth` layers are the whole of it), and a map of the
        texts."""
        texts, positions = np.array(self.order), len(self.recording.positions)
        shown = np.array([self.category[i] for i in self.order])
        same_label = shown[:, None] == shown[None, :]
        maps, levels, xy = [], [], []
        for cell, similarity in zip(self.cells, self.per_cell, strict=True):
            array = np.asarray(self.recording.array(self.request, cell.layer or 0))[texts]
            token = token_similarity(array, self.measure)
            maps.append(_pooled(token, len(texts), positions, self.groups).astype(np.float32))
            levels.append(_levels(token, len(texts), positions, same_label))
            xy.append(_principal_plane(similarity.values[np.ix_(texts, texts)]))
        figures = (self._heat_maps(maps), self._levels_by_depth(np.array(levels), depth), self._text_map(xy))
        return [figure.exhibit() for figure in figures]

    def _heat_maps(self, maps: list[NDArray[np.float32]]) -> HeatMaps:
        label, within, positions = self.label, self.within, len(self.recording.positions)
        names = [self.category[i] + (f" / {self.stratum[i]}" if within else "") for i in self.order]
        pooled = (
            f"{positions} positions per text"
            if len(self.groups) == positions
            else f"{positions} positions per text pooled into {len(self.groups)}"
        )
        ordered = f"{within}, then {label}" if within else label
        read = (
            f"brackets mark each {within} and, inside it, each {label}. Compared are pairs inside one {within}: "
            f"there, small blocks along the diagonal are values of {label} that look alike."
            if within
            else "brackets mark categories. Blocks along the diagonal are categories that look alike."
        )
        return HeatMaps(
            f"Similarity of every two activations ({self.measure}, {self.request.site}), texts ordered by {ordered}",
            f"{len(names)} texts with {pooled}, one panel per layer; {read}",
            maps=np.stack(maps).astype(np.float16),
            panels=tuple(map(str, self.cells)),
            categories=tuple(n for n in names for _ in self.groups),
            note=f"{len(names)} texts x {pooled}",
        )

    def _levels_by_depth(self, level: Floats, depth: int) -> LevelsByDepth:
        layers = np.array([c.layer or 0 for c in self.cells])
        return LevelsByDepth(
            "Same text, same category, different category",
            "Mean similarity by layer between activations at different positions of one text, of two texts of one category, "
            f"and of two categories. At {self.cells[-1]}: {level[-1, 0]:.2f}, {level[-1, 1]:.2f}, {level[-1, 2]:.2f}.",
            depth=layers / depth,
            layer=layers,
            same_text=level[:, 0],
            same_category=level[:, 1],
            different_category=level[:, 2],
            similarity=self.measure,
        )

    def _text_map(self, xy: list[Floats]) -> TextMap:
        return TextMap(
            f"Texts in the plane of their two main directions ({self.measure})",
            f"Principal coordinates of the {len(self.order)} texts, one panel per layer; colour and marker give the {self.label}. "
            "A picture, not a test.",
            xy=np.stack(xy).astype(np.float32),
            panels=tuple(map(str, self.cells)),
            categories=tuple(self.category[i] for i in self.order),
            ids=tuple(self.recording.corpus.texts[i].id for i in self.order),
        )


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
