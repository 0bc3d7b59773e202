"""Units: the texts (or blocks) of a recording as one claim sees them, in an order that no file decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.stats.actions import Design, codes

Floats = NDArray[np.float64]
MIN_BLOCKS = 4


@dataclass(frozen=True)
class Units:
    """What is relabelled and resampled, and how text-level arrays become unit-level ones.

    Units follow the order of the recording's texts, which a run sorts by id.
    """

    design: Design
    unit: str
    """`text` or `block`."""
    groups: tuple[NDArray[np.int64], ...] | None
    """For blocks: indices of each block's texts."""
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, corpus: Corpus, label: str, within: str | None) -> Units:
        """Units of a corpus for one label. Raises `ClaimError` where the corpus cannot carry the comparison.

        Labels constant in every block: blocks are units and enter by their means. Labels that vary inside every
        block: texts are units, exchanged inside their block.
        """
        labels = list(corpus.values(label))
        strata = None if within is None else list(corpus.values(within))
        blocks = corpus.blocks()
        _check(corpus.name, label, labels)
        if blocks is None:
            return cls(Design.of(labels, strata), "text", None, ())
        which, names = codes(blocks)
        groups = tuple(np.flatnonzero(which == b) for b in range(len(names)))
        varies = [len({labels[i] for i in g}) > 1 for g in groups]
        if all(varies):
            nested = [f"{b}|{s}" for b, s in zip(which, strata or [""] * len(which), strict=True)]
            note = "Labels vary inside blocks: texts are exchanged and resampled inside their block, so bounds speak of these blocks."
            return cls(Design.of(labels, nested), "text", None, (note,))
        if any(varies):
            mixed = [n for n, v in zip(names, varies, strict=True) if v][:3]
            raise ClaimError(
                f"Label {label!r} varies inside some blocks (such as {', '.join(mixed)}) and is constant in others, "
                "so chance has no single unit; split the mixed blocks or leave them out."
            )
        if strata is not None and any(len({strata[i] for i in g}) > 1 for g in groups):
            raise ClaimError(f"A block spans several values of {within!r}; within= and block cannot be combined here.")
        per_category: dict[str, int] = {}
        for g in groups:
            per_category[labels[g[0]]] = per_category.get(labels[g[0]], 0) + 1
        few = [f"{name} has {count}" for name, count in per_category.items() if count < MIN_BLOCKS]
        if few:
            raise ClaimError(
                f"Blocks are the unit of chance and each {label} needs at least {MIN_BLOCKS}; {', '.join(few)}. "
                "Add blocks, or leave the category out."
            )
        design = Design.of([labels[g[0]] for g in groups], None if strata is None else [strata[g[0]] for g in groups])
        if all(len(g) == 1 for g in groups):
            return cls(design, "block", None, ())
        return cls(design, "block", groups, ())

    @property
    def n(self) -> int:
        """Number of units."""
        return self.design.n

    def action(self, label: str, within: str | None) -> str:
        """What chance does to these units, in words."""
        words = f"exchanging {label}" + (f" within {within}" if within else "")
        return words + (" among whole blocks" if self.unit == "block" else "")

    def categories(self) -> list[str]:
        """The category of each unit."""
        return [self.design.names[k] for k in self.design.labels]

    def similarity(self, matrix: Floats) -> Floats:
        """(unit, unit) similarities from (text, text) ones: means over the pairs of two blocks."""
        return matrix if self.groups is None else self._block_means(matrix, self.groups)

    def squared_distance(self, matrix: Floats) -> Floats:
        """(unit, unit) squared distances from (text, text) ones: between blocks, those of the blocks' centroids."""
        if self.groups is None:
            return matrix
        means = self._block_means(matrix, self.groups)
        inside = np.diag(means)
        out = np.maximum(means - (inside[:, None] + inside[None, :]) / 2, 0.0)
        np.fill_diagonal(out, 0.0)
        return out

    @staticmethod
    def _block_means(matrix: Floats, groups: tuple[NDArray[np.int64], ...]) -> Floats:
        share = np.zeros((len(groups), len(matrix)))
        for b, g in enumerate(groups):
            share[b, g] = 1 / len(g)
        return np.asarray(share @ matrix @ share.T)

    def responses(self, values: Floats) -> Floats:
        """(unit, cell) responses from (text, cell) ones: block means where blocks are units."""
        return values if self.groups is None else np.stack([values[g].mean(axis=0) for g in self.groups])


@dataclass(frozen=True)
class Sample:
    """The units of a claim that compares no categories: texts, or the blocks that they belong to."""

    groups: tuple[NDArray[np.int64], ...]
    """Rows of text-level arrays that make each unit."""
    unit: str
    """`text` or `block`."""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, corpus: Corpus, chosen: Sequence[int] | None = None) -> Sample:
        """Units of the chosen texts of a corpus (None: all), rows in the order chosen."""
        which = range(len(corpus)) if chosen is None else chosen
        blocks = corpus.blocks()
        if blocks is None:
            return cls(tuple(np.array([i]) for i in range(len(which))), "text")
        mine = [blocks[i] for i in which]
        return cls(
            tuple(np.array([i for i, b in enumerate(mine) if b == name]) for name in dict.fromkeys(mine)), "block"
        )

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.groups)

    @property
    def texts(self) -> int:
        """Number of texts."""
        return sum(len(g) for g in self.groups)

    def units(self, values: Floats) -> Floats:
        """(unit, ...) from (text, ...): means inside blocks."""
        return np.stack([values[g].mean(axis=0) for g in self.groups])

    def design(self, draws: int) -> str:
        """What draws of the bootstrap hang on."""
        return f"{self.n} {self.unit}s x {draws} null objects"


def _check(corpus: str, label: str, labels: list[str]) -> None:
    names = sorted(set(labels))
    if len(names) < 2:
        raise ClaimError(f"Corpus {corpus!r} has one {label} only ({names[0]}); a claim about categories needs two.")
    lonely = [n for n in names if labels.count(n) < 2]
    if lonely:
        raise ClaimError(
            f"{label} {', '.join(map(repr, lonely))} of corpus {corpus!r} has a single text; each needs two."
        )
