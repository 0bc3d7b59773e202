"""Null distributions of many cells at once, as matrix products with bounded memory.

Similarities enter as *pair vectors*: the pairs of one stratum lie together, those of one text in one contiguous
run, so that the weights of a relabelling are built by slices. Chunk shapes depend only on the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.ties import codes, tolerance

Floats = NDArray[np.float64]
CHUNK_BYTES = 32 * 2**20
RANKED_BYTES = 256 * 2**20
"""Of the ranks of pairs that are held at once."""
ROUNDED = 1e-12
"""By how much deltas that are equal may differ: sums of as many weights as there are pairs. Two deltas of 1,024 texts that
are not equal differ by 1e-11 and more."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of units that may be compared: those inside one stratum, i before j."""

    i: NDArray[np.int64]
    j: NDArray[np.int64]
    members: tuple[NDArray[np.int64], ...]
    """Units of each usable stratum."""
    slices: tuple[slice, ...]
    """Where each stratum's pairs lie."""

    @classmethod
    def of(cls, design: Design) -> Pairs:
        """Pairs of the strata in which within and between can be compared."""
        first, second, members, slices, at = [], [], [], [], 0
        for h in design.usable_strata:
            units = np.flatnonzero(design.strata == h)
            a, b = np.triu_indices(len(units), 1)
            first.append(units[a])
            second.append(units[b])
            members.append(units)
            slices.append(slice(at, at + len(a)))
            at += len(a)
        return cls(np.concatenate(first), np.concatenate(second), tuple(members), tuple(slices))

    def __len__(self) -> int:
        return len(self.i)

    def vector(self, matrix: Floats) -> Floats:
        """(pair,) entries of a symmetric (unit, unit) matrix."""
        return np.asarray(matrix[self.i, self.j])

    def matrix(self, matrices: list[Floats]) -> Floats:
        """(pair, cell) entries of many symmetric matrices."""
        return np.stack([self.vector(m) for m in matrices], axis=1)


@dataclass(frozen=True)
class GapWeights:
    """Weights that turn pair similarities into mean within - mean between, every category and pair of categories alike."""

    within: tuple[Floats, ...]
    """For each usable stratum, (category,) weight of one within pair."""
    between: tuple[float, ...]
    """For each usable stratum, the number c of: weight of a between pair = -c / (n_k n_l)."""
    inverse_sizes: tuple[Floats, ...]
    """For each usable stratum, (category,) 1 / n_k."""

    @classmethod
    def of(cls, design: Design) -> GapWeights:
        """The weights of a design; they depend on category sizes only, which relabelling keeps."""
        within, between, inverse = [], [], []
        share = 1 / len(design.usable_strata)
        for h in design.usable_strata:
            sizes = design.counts[:, h].astype(float)
            paired = sizes >= 2
            pairs = np.where(paired, sizes * (sizes - 1) / 2, np.inf)
            within.append(share * np.where(paired, 1 / (paired.sum() * pairs), 0.0))
            k = int((sizes > 0).sum())
            between.append(share / (k * (k - 1) / 2))
            inverse.append(np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > 0))
        return cls(tuple(within), tuple(between), tuple(inverse))


def same_category(labels: NDArray[np.int16], members: NDArray[np.int64], out: NDArray[np.bool_]) -> None:
    """Write, for each arrangement, whether each pair of one stratum shares its category (row slices, no gather)."""
    local = np.ascontiguousarray(labels[:, members])
    at, size = 0, len(members)
    for a in range(size - 1):
        width = size - 1 - a
        np.equal(local[:, a : a + 1], local[:, a + 1 :], out=out[:, at : at + width])
        at += width


def chunks(rows: int, width: int, multiple: int = 8) -> Iterator[slice]:
    """Slices over `rows` such that float64 blocks of `width` stay near `CHUNK_BYTES`."""
    step = max(multiple, CHUNK_BYTES // (8 * max(1, width)) // multiple * multiple)
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def gap_null(similarities: Floats, pairs: Pairs, design: Design, arrangements: Arrangements) -> tuple[Floats, Floats]:
    """The gap within - between at every cell under every arrangement, and the tolerance that ties need.

    `similarities` is (pair, cell). Returns (arrangement, cell) gaps, positive when same-category texts are more
    alike, and (cell,) tolerances 100 eps max|S| taken before centring. Row 0 is what was observed.
    """
    slack = tolerance(similarities)
    mean = similarities.mean(axis=0)
    weights = GapWeights.of(design)
    labels = arrangements.labels
    null = np.zeros((len(labels), similarities.shape[1]))
    for members, where, win, c, inverse in zip(
        pairs.members, pairs.slices, weights.within, weights.between, weights.inverse_sizes, strict=True
    ):
        block = similarities[where] - mean
        sizes = np.unique(inverse[inverse > 0])
        equal, whole = len(sizes) == 1 and len(np.unique(win[win > 0])) == 1, block.sum(axis=0)
        for rows in chunks(len(labels), block.shape[0]):
            same = np.empty((rows.stop - rows.start, block.shape[0]), dtype=np.bool_)
            same_category(labels[rows], members, same)
            if equal:
                w, b = float(win.max()), c * float(sizes[0]) ** 2
                null[rows] += (w + b) * (same.astype(np.float64) @ block) - b * whole
            else:
                null[rows] += _unequal(same, labels[rows][:, members], win, c, inverse) @ block
    return null, slack


def _unequal(same: NDArray[np.bool_], local: NDArray[np.int16], win: Floats, c: float, inverse: Floats) -> Floats:
    """Pair weights where categories differ in size: -c u_i u_j, and for same-category pairs the within weight instead."""
    u, bonus = inverse[local], (win + c * inverse**2)[local]
    weights = np.empty(same.shape)
    at, size = 0, local.shape[1]
    for a in range(size - 1):
        width = size - 1 - a
        run = weights[:, at : at + width]
        np.multiply(same[:, at : at + width], bonus[:, a : a + 1], out=run)
        run -= (c * u[:, a : a + 1]) * u[:, a + 1 :]
        at += width
    return weights


def doubled_midranks(values: Floats, slack: float | None = None) -> Floats:
    """(pair,) twice the mid-rank of each value, whole numbers that sum exactly; values tie within 100 eps max|value|.

    Within `slack` where given.
    """
    slack = float(tolerance(values[:, None])[0]) if slack is None else slack
    ranks = codes(values, slack)
    counts = np.bincount(ranks)
    ends = np.cumsum(counts)
    return np.asarray((2 * ends - counts + 1)[ranks], dtype=np.float64)


def anosim_null(similarities: Floats, pairs: Pairs, design: Design, arrangements: Arrangements) -> Floats:
    """ANOSIM's R at every cell under every arrangement, averaged over strata: Cliff's delta in which every pair weighs the same.

    `similarities` is (pair, cell). Through doubled integer mid-ranks, so equal arrangements give equal values.
    """
    if similarities.shape[1] > 1 and similarities.nbytes > RANKED_BYTES:  # ranks of some cells at a time
        few = max(1, RANKED_BYTES // (8 * len(similarities)))
        parts = range(0, similarities.shape[1], few)
        return np.concatenate(
            [anosim_null(similarities[:, start : start + few], pairs, design, arrangements) for start in parts], axis=1
        )
    labels, slack = arrangements.labels, tolerance(similarities)
    null = np.zeros((len(labels), similarities.shape[1]))
    for members, where in zip(pairs.members, pairs.slices, strict=True):
        block = np.stack(
            [doubled_midranks(column, s) for column, s in zip(similarities[where].T, slack, strict=True)], axis=1
        )
        inside = int((design.labels[pairs.i[where]] == design.labels[pairs.j[where]]).sum())
        outside = block.shape[0] - inside
        for rows in chunks(len(labels), block.shape[0]):
            same = np.empty((rows.stop - rows.start, block.shape[0]), dtype=np.bool_)
            same_category(labels[rows], members, same)
            u2 = same.astype(np.float64) @ block - inside * (inside + 1)
            null[rows] += u2 / (inside * outside) - 1
    return null / len(pairs.members)


def delta_null(similarities: Floats, pairs: Pairs, design: Design, arrangements: Arrangements) -> Floats:
    """Cliff's delta (`pair_effects.cliffs_delta`) at every cell under every arrangement, averaged over strata.

    `similarities` is (pair, cell). Where categories are of one size it is ANOSIM's R, through whole numbers. Elsewhere
    equal arrangements give values that differ by rounding, at most `ROUNDED`.
    """
    weights = GapWeights.of(design)
    if all(len(np.unique(inverse[inverse > 0])) == 1 for inverse in weights.inverse_sizes):
        return anosim_null(similarities, pairs, design, arrangements)
    labels, slack = arrangements.labels, tolerance(similarities)
    null = np.zeros((len(labels), similarities.shape[1]))
    strata = len(pairs.members)
    for members, where, win, c, inverse in zip(
        pairs.members, pairs.slices, weights.within, weights.between, weights.inverse_sizes, strict=True
    ):
        ranks = [codes(column, s) for column, s in zip(similarities[where].T, slack, strict=True)]
        orders = [np.argsort(r, kind="stable") for r in ranks]
        ties = [
            np.searchsorted(r[o], r[o]) if len(np.unique(r)) < len(r) else None
            for r, o in zip(ranks, orders, strict=True)
        ]
        pairs_here = where.stop - where.start
        for rows in chunks(len(labels), pairs_here):
            same = np.empty((rows.stop - rows.start, pairs_here), dtype=np.bool_)
            same_category(labels[rows], members, same)
            signed = _unequal(same, labels[rows][:, members], win, c, inverse) * strata
            summed = np.zeros((len(signed), pairs_here + 1))
            for cell, (order, first) in enumerate(zip(orders, ties, strict=True)):
                ordered = signed[:, order]
                np.cumsum(np.minimum(ordered, 0.0), axis=1, out=summed[:, 1:])  # pairs between weigh less than nothing
                np.maximum(ordered, 0.0, out=ordered)
                below, upto = summed[:, :-1], summed[:, 1:]
                if first is not None:
                    below, upto = summed[:, first], summed[:, np.searchsorted(first, first, "right")]
                null[rows, cell] -= np.einsum("bp,bp->b", ordered, below) + np.einsum("bp,bp->b", ordered, upto) + 1
    return null / strata


def gap_null_from_vectors(
    vectors: list[Floats], similarities: Floats, pairs: Pairs, design: Design, arrangements: Arrangements
) -> tuple[Floats, Floats]:
    """`gap_null` for inner-product similarities of many texts in few dimensions, through sums over categories.

    `vectors` holds, for each cell, (unit, dimension) rows whose inner products are the similarity; the sum of a
    category's pairs is (||sum||^2 - sum of ||.||^2) / 2, so the cost grows with units x dimensions and not with
    pairs. Free relabelling only (one stratum). Same values as `gap_null` up to rounding.
    """
    weights = GapWeights.of(design)
    (members,), (win,), (c,), (inverse,) = pairs.members, weights.within, weights.between, weights.inverse_sizes
    labels = arrangements.labels[:, members]
    slack = tolerance(similarities)
    null = np.empty((len(labels), len(vectors)))
    k = design.k
    for cell, full in enumerate(vectors):
        x = np.ascontiguousarray(full[members])
        squares = (x * x).sum(axis=1)
        for rows in chunks(len(labels), k * (x.shape[1] + x.shape[0])):
            local = labels[rows]
            hot = (local[:, None, :] == np.arange(k)[None, :, None]).astype(np.float64)
            sums = hot @ x
            inside = ((sums * sums).sum(axis=2) - hot @ squares) / 2
            scaled = sums * inverse[None, :, None]
            total = scaled.sum(axis=1)
            across = ((total * total).sum(axis=1) - (scaled * scaled).sum(axis=(1, 2))) / 2
            null[rows, cell] = inside @ win - c * across
    return null, slack


def cheaper_by_vectors(units: int, dimensions: int, categories: int, strata: int) -> bool:
    """Whether category sums cost fewer operations than pairs: 2 K n D against n (n - 1) / 2 a relabelling and cell."""
    return strata == 1 and 2 * categories * dimensions < (units - 1) / 2


def between_ss_null(responses: Floats, design: Design, arrangements: Arrangements) -> tuple[Floats, Floats]:
    """Sum of squares between categories, strata removed, at every cell under every arrangement.

    `responses` is (unit, cell), one number per text. Exact for unequal counts too: with responses and category
    indicators centred in each stratum, SSA = s' A^- s with s the category sums and A fixed by the counts, which
    relabelling within strata keeps. Returns (arrangement, cell) SSA and the total SS (cell,) within strata.
    """
    y = stratum_centred(responses, design)
    total = (y * y).sum(axis=0)
    # s' A^- s is a sum of squares of (category) weights times s, so that each is one product of matrices
    size, along = np.linalg.eigh(np.linalg.pinv(indicator_gram(design)))
    weights = (along * np.sqrt(np.maximum(size, 0.0)))[:, size > 1e-10 * size.max()]
    labels = arrangements.labels
    null = np.zeros((len(labels), y.shape[1]))
    for rows in chunks(len(labels), 2 * y.shape[1] + design.n):
        local, found = labels[rows], null[rows]
        for weight in weights.T:
            part = weight[local] @ y
            part *= part
            found += part
    return null, total


def stratum_centred(responses: Floats, design: Design) -> Floats:
    """(unit, cell) responses less their stratum's mean."""
    y = np.array(responses, dtype=np.float64)
    for h in np.unique(design.strata):
        where = design.strata == h
        y[where] -= y[where].mean(axis=0)
    return y


def indicator_gram(design: Design) -> Floats:
    """(category, category) cross products of the stratum-centred category indicators."""
    counts = design.counts.astype(float)
    return np.asarray(np.diag(counts.sum(axis=1)) - (counts / counts.sum(axis=0)) @ counts.T)


def f_null(responses: Floats, design: Design, arrangements: Arrangements) -> tuple[Floats, Floats]:
    """F of category (given strata) at every cell under every arrangement, and tolerances for ties.

    `responses` is (unit, cell). Exchangeable under the null: responses of texts inside a stratum. A cell whose
    responses do not vary gives zeros. A perfect fit leaves nothing but rounding: its residual counts as 1e-11 of the
    total, so that F stays finite, is larger than any other and ties with its like.
    """
    between, total = between_ss_null(responses, design, arrangements)
    df1, df2 = degrees_of_freedom(design)
    with np.errstate(divide="ignore", invalid="ignore"):
        f = (between / df1) / (np.maximum(total - between, 1e-11 * total) / df2)
    f[:, unvarying(responses, total)] = 0.0
    first = np.where(np.isfinite(f[0]), np.abs(f[0]), 0.0)
    # the residual is a difference of sums: what rounding takes from it weighs more, the smaller it is
    return f, first * (1e-10 + 1e-14 * first * df1 / df2)


def unvarying(responses: Floats, total: Floats) -> NDArray[np.bool_]:
    """(cell,) whether responses (unit, cell) with this total SS vary by no more than what centring loses."""
    squares = (np.asarray(responses, dtype=np.float64) ** 2).sum(axis=0)
    return np.asarray(total <= 1e3 * np.finfo(np.float64).eps * squares)


def degrees_of_freedom(design: Design) -> tuple[int, int]:
    """(category, residual) degrees of freedom of the additive model category + stratum."""
    df1 = int(np.linalg.matrix_rank(indicator_gram(design)))
    strata = len(np.unique(design.strata))
    return df1, design.n - strata - df1
