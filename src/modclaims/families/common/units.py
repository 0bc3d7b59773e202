"""Units: the texts (or blocks) of a recording as one claim sees them, in an order that no file decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.stats.bounds.splits import too_small_to_split
from modclaims.stats.chance.actions import MIN_BLOCKS, Design, codes

Floats = NDArray[np.float64]
MIN_UNITS = 6
"""Units below which nothing is said of how much they vary, where a claim compares no categories."""
ENOUGH = 12
"""Texts (or blocks) of the smallest category from which on error rates of bounds are promised, and calibrated."""


def too_few(count: int, of: str, unit: str) -> tuple[str, ...]:
    """The warning that stands with a verdict on fewer than `ENOUGH` units."""
    if count >= ENOUGH:
        return ()
    return (f"{of} has {count} {unit}s; below {ENOUGH} the error rates of bounds are measured but not promised.",)


@dataclass(frozen=True)
class Units:
    """What is relabelled, resampled and split, and how text-level arrays become unit-level ones.

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
        block: texts are units, exchanged inside their block, and whole blocks are resampled and split.
        """
        found = cls._of(corpus, label, within)
        return replace(found, warnings=(*found.warnings, *found._too_few(label)))

    @classmethod
    def _of(cls, corpus: Corpus, label: str, within: str | None) -> Units:
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
            _check_blocks(label, labels, blocks)
            return cls(Design.of(labels, strata, blocks), "text", None, ())
        if any(varies):
            mixed = [n for n, v in zip(names, varies, strict=True) if v][:3]
            raise ClaimError(
                f"Label {label!r} varies inside some blocks (such as {', '.join(mixed)}) and is constant in others, "
                "so chance has no single unit; split the mixed blocks or leave them out."
            )
        if strata is not None and any(len({strata[i] for i in g}) > 1 for g in groups):
            raise ClaimError(f"A block spans several values of {within!r}; within= and block cannot be combined here.")
        _check_blocks(label, labels, blocks)
        design = Design.of([labels[g[0]] for g in groups], None if strata is None else [strata[g[0]] for g in groups])
        if all(len(g) == 1 for g in groups):
            return cls(design, "block", None, ())
        return cls(design, "block", groups, ())

    def _too_few(self, label: str) -> tuple[str, ...]:
        design = self.design
        held = [design.labels[list(m)] for m in design.members] or [np.array([k]) for k in design.labels]
        counts = [sum(k in units for units in held) for k in range(design.k)]
        smallest = int(np.argmin(counts))
        return too_few(counts[smallest], f"The smallest {label}, {design.names[smallest]},", self.resampled[:-1])

    @property
    def n(self) -> int:
        """Number of units."""
        return self.design.n

    @property
    def resampled(self) -> str:
        """What the bootstrap draws anew, and splits keep whole: `texts` or `blocks`."""
        return "blocks" if self.unit == "block" or self.design.members else "texts"

    @property
    def note(self) -> str:
        """A further word on what was looked at, where what is resampled is not what is exchanged."""
        return f"; bounds from resampling {len(self.design.members)} whole blocks" if self.design.members else ""

    def action(self, label: str, within: str | None) -> str:
        """What chance does to these units, in words."""
        words = f"exchanging {label}" + (f" within {within}" if within else "")
        return words + (
            " among whole blocks" if self.unit == "block" else " inside each block" if self.design.members else ""
        )

    def check_halves(self, label: str) -> None:
        """Raises `ClaimError` where halves of the units would be too small to pick on and to test on."""
        if not (small := too_small_to_split(self.design)):
            return
        has = f"{', '.join(small)} has fewer. Add"
        if self.design.members:
            raise ClaimError(f"Splitting in halves needs {2 * MIN_BLOCKS} blocks with each {label}; {has} blocks.")
        raise ClaimError(
            f"Splitting in halves needs 4 {self.unit}s of each {label} in every stratum; {has} texts, or leave within= out."
        )

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

    def texts(self, which: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices of the texts of some units, unit by unit."""
        return which if self.groups is None else np.concatenate([self.groups[i] for i in which])

    def some_texts(self, most: int, rng: np.random.Generator) -> NDArray[np.int64] | None:
        """Texts of about `most` units drawn at random, as many of each category and stratum as there are more of it; ascending.

        Whole clusters are drawn where texts lie in such. None where there are no more than `most` units, and so nothing to draw.
        """
        design = self.design
        if design.n <= most:
            return None
        share = most / design.n
        groups = [np.arange(len(design.members))] if design.members else _groups(design.cells)
        picked = np.concatenate([rng.permutation(g)[: max(2, round(share * len(g)))] for g in groups])
        units = np.concatenate([design.members[c] for c in picked]) if design.members else picked
        return np.sort(self.texts(np.sort(units)))

    def pooled(self, values: Floats, which: NDArray[np.int64]) -> Floats:
        """(unit, cell) responses of some units from (text, cell) ones of their texts, in the order of `texts`."""
        if self.groups is None:
            return values
        ends = np.cumsum([len(self.groups[i]) for i in which])
        return np.stack([part.mean(axis=0) for part in np.split(values, ends[:-1])])


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
            few = too_few(len(which), "The sample", "text")
            return cls(tuple(np.array([i]) for i in range(len(which))), "text", few)
        mine = [blocks[i] for i in which]
        names = dict.fromkeys(mine)
        groups = tuple(np.array([i for i, b in enumerate(mine) if b == name]) for name in names)
        return cls(groups, "block", too_few(len(groups), "The sample", "block"))

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.groups)

    @property
    def texts(self) -> int:
        """Number of texts."""
        return sum(len(g) for g in self.groups)

    def require(self, least: int, corpus: Corpus, why: str = "to say how much texts vary. Add texts.") -> None:
        """Raises `ClaimError` where fewer than `least` units carry a claim."""
        if self.n < least:
            raise ClaimError(
                f"{self.n} {self.unit}s of corpus {corpus.name!r} carry this claim; it needs at least {least} {why}"
            )

    def units(self, values: Floats) -> Floats:
        """(unit, ...) from (text, ...): means inside blocks."""
        return np.stack([values[g].mean(axis=0) for g in self.groups])

    def design(self, draws: int) -> str:
        """What draws of the bootstrap hang on."""
        return f"{self.n} {self.unit}s x {draws} null objects"


def _groups(codes: NDArray[np.integer]) -> list[NDArray[np.int64]]:
    """Where each code stands."""
    return [np.flatnonzero(codes == code) for code in np.unique(codes)]


def _check_blocks(label: str, labels: Sequence[str], blocks: Sequence[str]) -> None:
    """Every category in enough blocks."""
    held = {name: len({b for b, v in zip(blocks, labels, strict=True) if v == name}) for name in dict.fromkeys(labels)}
    if few := [f"{name} has {count}" for name, count in held.items() if count < MIN_BLOCKS]:
        raise ClaimError(
            f"Blocks are the unit of chance and each {label} needs at least {MIN_BLOCKS}; {', '.join(few)}. "
            "Add blocks, or leave the category out."
        )


def _check(corpus: str, label: str, labels: list[str]) -> None:
    names = sorted(set(labels))
    if len(names) < 2:
        raise ClaimError(f"Corpus {corpus!r} has one {label} only ({names[0]}); a claim about categories needs two.")
    lonely = [n for n in names if labels.count(n) < 2]
    if lonely:
        raise ClaimError(
            f"{label} {', '.join(map(repr, lonely))} of corpus {corpus!r} has a single text; each needs two."
        )
