"""Copying: what induction heads bring to each text, and what is left of a category effect beyond it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.controls import Comparison, Removable
from modclaims.families.common.units import Units
from modclaims.figures.head_map import HeadMap
from modclaims.figures.raw_and_partial import RawAndPartial
from modclaims.look import Look
from modclaims.measured import RivalResult
from modclaims.recording import HEAD_SITES, Activations, InductionScores, ModelShape, Recording, Request, TokenIds
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.chance.actions import index_permutations
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.rivals import Beyond, freedman_lane
from modclaims.stats.evidence import Cell, Control, Exhibit

Floats = NDArray[np.float64]
SCORES = InductionScores()
PAID = Activations("attn_pattern", None, "induction")
READ = TokenIds()
COUNTED = 0.1
"""Heads of a lesser induction score copy nothing here: an even spread scores about .02, an induction head .3 and more."""
BEFORE_ATTENTION = ("resid_pre", "q", "k", "v", "attn_pattern")
"""Sites that a layer's own attention has not reached."""


def requests(shape: ModelShape) -> tuple[Request, ...]:
    """What copying is read off. Raises `ClaimError` for a model that has no induction heads by its kind or size."""
    check_shape(shape, SCORES.period)
    return (SCORES, PAID, READ)


def check_shape(shape: ModelShape, period: int) -> None:
    """Raise `ClaimError` for a model that cannot read random tokens that come twice, or sees what comes after them."""
    if not shape.causal:
        raise ClaimError(
            f"Model {shape.name!r} is not causal: its tokens also see what comes after them, and it has no induction heads. "
            "Choose a causal model."
        )
    if 2 * period >= shape.context:
        raise ClaimError(
            f"Induction scores take sequences of {2 * period} tokens and more, and model {shape.name!r} reads at most {shape.context}."
        )


@dataclass(frozen=True)
class Copying:
    """What induction heads bring to the positions that are read of each text.

    A position's *followers* are the tokens before it that stand right after an earlier occurrence of its own token: what
    an induction head there looks at and copies. At each position the attention that counted heads pay to followers, each
    head's weighted by its induction score, is how much is copied; the followers' tokens, all alike, are what. Both are
    summed over heads of the layers up to one. A text's induction-weighted repeat count is the mean over its positions of how
    much is copied.
    """

    scores: Floats
    """(layer, head) mean induction scores on random tokens that come twice."""
    paid: Floats
    """(layer, text, position) score-weighted attention to followers, by heads of this layer and those before."""
    shared: Floats
    """(position, text, text) overlap of what two texts would copy there: the sum over tokens of the products of their shares
    among the followers of each."""

    @classmethod
    def of(cls, recording: Recording) -> Copying:
        """From induction scores, token ids, and the attention that was paid to followers."""
        layers = range(recording.shape.layers)
        scores = np.stack([np.asarray(recording.array(SCORES, i), dtype=np.float64).mean(axis=0) for i in layers])
        weights = np.where(scores >= COUNTED, scores, 0.0)
        paid = np.zeros((len(layers), len(recording.corpus), len(recording.positions)))
        for i in layers:
            if weights[i].any():
                paid[i] = np.asarray(recording.array(PAID, i), dtype=np.float64) @ weights[i]
        ids = np.asarray(recording.array(READ), dtype=np.int64)
        return cls(scores, paid.cumsum(axis=0), shared_followers(ids, recording.positions))

    @property
    def counted(self) -> NDArray[np.bool_]:
        """(layer, head) whether a head counts as one that copies."""
        return np.asarray(self.scores >= COUNTED)

    def reached(self, layer: int, site: str) -> int:
        """The last layer with a counted head whose output a site of this layer may hold; -1 for none."""
        last = layer - (site in BEFORE_ATTENTION)
        found = np.flatnonzero(self.counted[: last + 1].any(axis=1))
        return int(found[-1]) if len(found) else -1

    def counts(self, layer: int) -> Floats:
        """(text,) induction-weighted repeat counts: the mean over positions of how much is copied up to a layer."""
        return np.asarray(self.paid[layer].mean(axis=1))

    def similarity(self, layer: int) -> Floats:
        """(text, text) likeness of what is copied: the mean over positions of the overlap, times how much in either text."""
        paid = self.paid[layer]
        return np.asarray(np.einsum("tp,up,ptu->tu", paid, paid, self.shared, optimize=True) / paid.shape[1])

    def proxies(self, layer: int, units: Units, pairs: Pairs) -> list[Floats]:
        """(pair,) similarities that copying alone would give: of what is copied, and of how much."""
        count = units.responses(self.counts(layer)[:, None])[:, 0]
        return [pairs.vector(units.similarity(self.similarity(layer))), -np.abs(count[pairs.i] - count[pairs.j])]


def shared_followers(ids: NDArray[np.int64], positions: Sequence[int]) -> Floats:
    """(position, text, text) sums over tokens of the products of two texts' shares of followers; `ids` is (text, token)."""
    from scipy.sparse import csr_array

    out = np.zeros((len(positions), len(ids), len(ids)))
    _, codes = np.unique(ids, return_inverse=True)
    codes = codes.reshape(ids.shape)
    for p, position in enumerate(positions):
        # a follower stands at j, before the query, where j - 1 holds the query's own token
        text, before = np.nonzero(ids[:, : max(position - 1, 0)] == ids[:, [position]])
        tokens = codes[text, before + 1]
        share = 1 / np.bincount(text, minlength=len(ids))[text]
        table = csr_array((share, (text, tokens)), shape=(len(ids), int(codes.max()) + 1))
        out[p] = (table @ table.T).toarray()
    return out


@dataclass(frozen=True)
class Left:
    """What a claim weighed with copying taken out: before and after."""

    taken: Beyond
    raw: Bounds
    """Delta with nothing taken out."""
    beyond: Bounds
    """Delta of what is left."""
    label: str
    smallest_effect: float


@dataclass(frozen=True)
class Induction(Removable):
    """Texts are alike because induction heads copy the same tokens into them."""

    copying: Copying
    site: str
    cells: tuple[Cell, ...]
    left: Left | None = None
    """What taking it out left, where the rival is weighed with the claim."""

    def take_out(self, look: Look, comparison: Comparison, draws: int) -> Beyond:
        """Category effect beyond what induction heads copy, by Freedman-Lane on pairs.

        Every cell has the proxies of the layers up to its own; one that no counted head reaches has none. The same
        permutations are used in all of them.
        """
        units, pairs, similarities = comparison.units, comparison.pairs, comparison.similarities
        rng = look.settings.rng(look.claim, units.design.digest, "beyond")
        orders = index_permutations(units.design, draws=draws, rng=rng)
        reached = np.array([self.copying.reached(cell.layer or 0, self.site) for cell in self.cells])
        null, adjusted = np.empty((len(orders), len(self.cells))), np.empty_like(similarities)
        share, r2 = np.empty(len(self.cells)), np.empty(len(self.cells))
        for layer in np.unique(reached):
            here = np.flatnonzero(reached == layer)
            proxies = [] if layer < 0 else self.copying.proxies(int(layer), units, pairs)
            found = freedman_lane(similarities[:, here], proxies, pairs, units.design, orders)
            null[:, here], adjusted[:, here] = found.null, found.adjusted
            share[here], r2[here] = found.share_left, found.r2
        return Beyond(null, adjusted, share, r2)

    def against(self, look: Look, comparison: Comparison) -> RivalResult:
        assert self.left is not None, "nothing was taken out"
        cell, left = comparison.cell, self.left
        raw, beyond = float(left.raw.effect[cell]), float(left.beyond.effect[cell])
        warnings: tuple[str, ...] = ()
        if self.copying.reached(self.cells[cell].layer or 0, self.site) < 0:
            warnings = (
                f"No head that copies reaches {self.cells[cell]}: nothing was taken out there. Name later layers, holds = at(...).",
            )
        words = f"heads that count as copying, {COUNTED:g} and more"
        scores = score_map(self.copying.scores, self.copying.counted, words)
        figures = (scores,) if self.site in HEAD_SITES else (self._before_and_after(look, left), scores)
        return RivalResult(
            control(self.copying, left.taken, raw, beyond, self.site, cell, self.cells),
            warnings=warnings,
            figures=figures,
        )

    def _before_and_after(self, look: Look, left: Left) -> Exhibit:
        """Effects before and after by layer, with the share that is left."""
        alpha, sides = look.alpha, (left.raw, left.beyond)
        layers = np.array([c.layer or 0 for c in self.cells])
        told = "; ".join(
            f"layer {layer}: {a:.2f} and {b:.2f}"
            for layer, a, b in zip(layers.tolist(), left.raw.effect, left.beyond.effect, strict=True)
        )
        return RawAndPartial(
            f"Cliff's delta of {left.label}, raw and beyond induction, by relative depth, {self.site}",
            f"Above, both deltas with their own {100 * (1 - 2 * alpha):g} % bounds; below, the share of the gap within - between "
            f"that is left. Raw and beyond induction: {told}.",
            depth=layers / max(1, look.shape.layers - 1),
            layer=layers,
            effect=np.stack([b.effect for b in sides]),
            low=np.stack([b.lower(alpha) for b in sides]),
            high=np.stack([b.upper(alpha) for b in sides]),
            share_left=left.taken.share_left,
            smallest_effect=left.smallest_effect,
            sides=("raw", "beyond induction"),
            effect_name="delta",
        ).exhibit()


def control(
    copying: Copying, beyond: Beyond, raw: float, left: float, site: str, cell: int, cells: Sequence[Cell]
) -> Control:
    """What was taken out at a cell, in words; `raw` and `left` are the effects before and after."""
    best = np.unravel_index(int(copying.scores.argmax()), copying.scores.shape)
    top = float(copying.scores[best])
    reached = copying.reached(cells[cell].layer or 0, site)
    count = int(copying.counted[: reached + 1].sum())
    share = float(beyond.share_left[cell])
    kept = "none" if not np.isfinite(share) or share <= 0 else f"{100 * min(share, 1):.0f} %"
    told = (
        f"No head that reaches {cells[cell]} scores {COUNTED:g} or more, so nothing was taken out there: delta is {raw:.2f}."
        if not count
        else f"{count} head{'' if count == 1 else 's'} that reach{'es' if count == 1 else ''} {cells[cell]} score {COUNTED:g} or more. "
        f"Delta is {raw:.2f}, and {left:.2f} beyond what they copy (cubic splines of the likeness of copied tokens and of the "
        f"induction-weighted repeat counts), which explains {100 * float(beyond.r2[cell]):.0f} % of the variance between pairs; "
        f"{kept} of the difference is left."
    )
    return Control(
        "induction",
        f"On random tokens that come twice, the best head (layer {best[0]}, head {best[1]}) pays {top:.2f} of its attention to what "
        f"followed the first time. {told}",
        {
            "largest_score": top,
            "heads_counted": count,
            "delta": raw,
            "delta_beyond": left,
            "share_left": share,
            "r2_copying": float(beyond.r2[cell]),
        },
    )


def score_map(scores: Floats, marked: NDArray[np.bool_], marked_words: str, levels: Floats | None = None) -> Exhibit:
    """Induction scores of all heads, (layer, head), some of them outlined."""
    layers, heads = scores.shape
    layer, head = np.unravel_index(int(scores.argmax()), scores.shape)
    return HeadMap(
        "Induction score by head",
        f"Attention paid, on random tokens that come twice, to what followed the first time: {layers} layers x {heads} heads. "
        f"Largest in layer {layer}, head {head}: {float(scores.max()):.2f}. Outlined: {marked_words}, {int(marked.sum())} of {marked.size}.",
        effect=scores,
        p_adjusted=np.full(scores.shape, np.nan) if levels is None else levels,
        significant=marked,
        effect_name="induction score",
        unit="head",
        marked=marked_words,
    ).exhibit()
