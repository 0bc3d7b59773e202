"""OVDirections: do the singular directions of a network's matrices speak of tokens that belong together?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import p_word
from modclaims.errors import ClaimError
from modclaims.families.weights.weight_claims import NullComparison, WeightClaim, WeightMeasurement, by_depth, matrix
from modclaims.figures.head_map import HeadMap
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.recording import ModelShape, Request, Weights
from modclaims.stats.evidence import Control, Exhibit, NullTest
from modclaims.stats.maps.token_directions import (
    TokenSpace,
    coherent_shares,
    haar,
    row_directions,
    singular_directions,
    turned_coherence,
)

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
MATRICES = {"ov": ("v", "o"), "qk": ("q", "k"), "mlp_in": ("mlp_in",), "mlp_out": ("mlp_out",)}
SIDES = {"ov": ("write", "read"), "qk": ("read", "write"), "mlp_in": ("read",), "mlp_out": ("write",)}
TITLES = {
    ("ov", "write"): "what heads write (OV)",
    ("ov", "read"): "what heads read by values (OV)",
    ("qk", "read"): "what heads ask for (QK, queries)",
    ("qk", "write"): "what heads answer to (QK, keys)",
    ("mlp_in", "read"): "what neurons read",
    ("mlp_out", "write"): "what neurons write",
}


class OVDirections(WeightClaim):
    """Singular directions of what heads write speak of tokens that belong together, more often than random directions do.

    A direction is read through the unembedding (the final norm's gain left out): its `tokens` largest
    logits at either end. Its coherence is the mean pairwise cosine of these tokens' embeddings, centred
    over the vocabulary, at the end where it is larger; coherent is a direction above the `level` quantile
    of random directions of the same subspace. The effect is the share of a layer's directions that are
    coherent minus the mean share in random bases; between -1 and 1, positive when the network's own
    directions are coherent more often. Cells are layers.

    p counts random bases at least as extreme. Exchangeable under the null: the singular basis of each
    head's subspace and a Haar-random one, drawn whole. The interval is the Monte Carlo error of the null
    objects' mean; nothing is said beyond this network. Tokens that are equally frequent have similar
    embeddings whatever they mean: `beyond = "frequency"` takes that off, and needs a tokenizer whose order
    is that of frequency.

    Attributes
    ----------
    matrix : str, default 'ov'
        Whose directions. One of 'ov' and 'qk' (by head), 'mlp_in' and 'mlp_out' (of the whole MLP).
    side : str | None, default None
        Which of the matrix' singular vectors: None (write of 'ov' and 'mlp_out', read of 'qk' and
        'mlp_in'), or one of 'write' and 'read'. An MLP matrix has one side only.
    tokens : int, default 10
        Tokens that a direction is read as, at either end: at least 2.
    level : float, default 0.95
        The quantile of random directions' coherence above which a direction is coherent; from 0.5 to
        below 1.
    beyond : str | None, default None
        None, or one of 'frequency': each pair's cosine less that of pairs as frequent.
    smallest_effect : float, default 0.1
        Share of directions, from 0 to below 1.

    References
    ----------
    Millidge & Black (2022), The singular value decompositions of transformer weight matrices are highly
    interpretable.

    Examples
    --------
    >>> from modclaims import OVDirections
    >>> from modclaims.calibration.examples import planted
    >>> class HeadsWriteTopics(OVDirections):
    ...     "What heads write speaks of tokens that belong together."
    >>> print(planted(HeadsWriteTopics, 0))
    REFUTED  excess of coherent directions -0.02 [-0.03, -0.01] at layer 0
    """

    matrix: str = "ov"
    side: str | None = None
    tokens: int = 10
    level: float = 0.95
    beyond: str | None = None
    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "excess of coherent directions"
    largest_effect: ClassVar[float] = 1.0

    @property
    def action(self) -> str:
        return "turning each subspace's basis at random"

    def validate(self) -> None:
        super().validate()
        if self.matrix not in MATRICES:
            raise ClaimError(f"Matrix {self.matrix!r} is unknown; choose one of {', '.join(MATRICES)}.")
        if self.side is not None and self.side not in SIDES[self.matrix]:
            raise ClaimError(f"side = {self.side!r}: {self.matrix} has {' and '.join(SIDES[self.matrix])}.")
        if self.tokens < 2:
            raise ClaimError(f"tokens = {self.tokens}: at least 2 have a cosine.")
        if not 0.5 <= self.level < 1:
            raise ClaimError(f"level = {self.level:g} must be at least .5 and below 1.")
        if self.beyond not in (None, "frequency"):
            raise ClaimError(f'beyond = {self.beyond!r} is unknown; write beyond = "frequency", or leave it out.')

    def _matrices(self) -> tuple[Weights, ...]:
        return tuple(Weights(name, self.layers) for name in MATRICES[self.matrix])

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        if not shape.causal:
            raise ClaimError(f"Model {shape.name!r} is an encoder and has no unembedding to read directions through.")
        found = self._matrices()
        shape.resolve_layers(found[0])
        return (*found, Weights("embedding"), Weights("unembedding"))

    @property
    def _side(self) -> str:
        return self.side or SIDES[self.matrix][0]

    @property
    def _which(self) -> int:
        """Where the claim's own coherence stands: 0 as it is, 1 beyond frequency."""
        return 0 if self.beyond is None else 1

    def _compared(self, look: Look) -> DirectionCoherence:
        recording, shape, requests = look.recording, look.shape, self._matrices()
        layers = shape.resolve_layers(requests[0])
        embedding, unembedding = (matrix(recording, Weights(name)) for name in ("embedding", "unembedding"))
        if len(unembedding) < 4 * self.tokens or len(embedding) != len(unembedding):
            raise ClaimError(
                f"Model {shape.name!r} embeds {len(embedding)} tokens and unembeds {len(unembedding)}; this claim needs the same "
                f"tokens in both, and at least {4 * self.tokens} of them."
            )
        space = TokenSpace.of(embedding, unembedding)
        found = []
        for layer in layers:
            subspaces = [
                space.logits(basis) for basis in self._bases([matrix(recording, r, layer) for r in requests], shape)
            ]
            found.append(_Layer.of(space, subspaces, self.tokens, self.level, _turns(look, self.draws)))
        beside = self._beside(layers, [f.shares[self._which] for f in found])
        return DirectionCoherence(beside, self._resamples(look, beside.null), tuple(found))

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(DirectionCoherence)
        other = self._beside(found.beside.layers, [f.shares[1 - self._which] for f in found.bases])
        return [RivalResult(self._frequency(other, self._shown(found, named)))]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(DirectionCoherence)
        return (
            by_depth(
                found.beside,
                look.shape.layers,
                title=f"Coherent directions by relative depth: {TITLES[self.matrix, self._side]}",
                of="share of coherent directions",
                null=f"{len(found.beside.null):,} random bases, 5 % to 95 %",
                description=f"Share of singular directions whose {self.tokens} tokens are more alike than those of "
                f"{100 * self.level:g} % of random directions of the same subspace.",
            ),
            *self._heads(found.beside.layers, [f.by_subspace[self._which] for f in found.bases]),
            *self._histogram(measured, self._shown(found, named)),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(DirectionCoherence)
        beside, at = found.beside, self._shown(found, named)
        random = np.array([f.mean[1:].mean(axis=0) for f in found.bases])  # (layer, measure)
        own = np.array([f.mean[0] for f in found.bases])
        return Words(
            note=f"{TITLES[self.matrix, self._side]}, {self.tokens} tokens at either end, coherent above the {100 * self.level:g} % "
            "quantile of random directions; frequency by the tokenizer's order; without norms, in this network",
            detail=f"At layer {beside.layers[at]}, {100 * beside.own[at]:.0f} % of the singular directions are coherent, "
            f"{100 * beside.null[:, at].mean():.0f} % in random bases; their mean coherence is {own[at, 0]:.3f} and "
            f"{random[at, 0]:.3f}.",
            secondary={}
            if self.holds.contrasts
            else {
                "share of coherent directions": beside.own,
                "mean coherence": own[:, 0],
                "mean coherence, random bases": random[:, 0],
                "mean coherence beyond frequency": own[:, 1],
                "mean coherence beyond frequency, random bases": random[:, 1],
                "z": beside.z(),
            },
        )

    def _bases(self, matrices: list[NDArray[np.floating]], shape: ModelShape) -> Iterator[Floats]:
        """(direction, width) singular directions of each subspace of one layer: heads, or the whole MLP."""
        if self.matrix in ("mlp_in", "mlp_out"):
            (found,) = matrices
            yield row_directions(found if self.matrix == "mlp_in" else found.T)
            return
        share = shape.heads // shape.kv_heads
        of_head = {"v": share, "k": share, "q": 1, "o": 1}
        first, second = MATRICES[self.matrix]
        for head in range(shape.heads):
            one, other = (
                (m.T if name == "o" else m)[
                    (at := head // of_head[name]) * shape.head_width : (at + 1) * shape.head_width
                ]
                for name, m in zip((first, second), matrices, strict=True)
            )  # (head unit, width)
            # ov writes by o what it reads by v; qk asks by q and is answered by k
            left, right = (
                singular_directions(other.T, one) if self.matrix == "ov" else singular_directions(one.T, other)
            )
            yield left if self._side == SIDES[self.matrix][0] else right

    def _beside(self, layers: tuple[int, ...], shares: list[Floats]) -> NullComparison:
        found = np.stack(shares, axis=1)
        return NullComparison(
            layers,
            found[0],
            found[1:],
            "difference",
            "share of coherent directions",
            ends=(-1.0, 1.0),
        )

    def _frequency(self, other: NullComparison, named: int) -> Control:
        """The same claim with, or without, what tokens have in common by being as frequent."""
        adjusted = other.test(self).p_adjusted
        p = float(adjusted[named])
        effect = float(other.own[named] - other.null[:, named].mean())
        words = "Beyond token frequency (the tokenizer's order)" if self._which == 0 else "With what frequency explains"
        return Control(
            "token_frequency",
            f"{words}, at layer {other.layers[named]}, the {self.effect_name} is {effect:.2f} ({p_word(len(adjusted))} = {p:.2g}).",
            {"effect": effect, "p_adjusted": p},
        )

    def _heads(self, layers: tuple[int, ...], shares: list[Floats]) -> tuple[Exhibit, ...]:
        """Which heads have coherent directions; nothing where the subspace is the layer's own."""
        if self.matrix in ("mlp_in", "mlp_out"):
            return ()
        found = np.concatenate(shares, axis=1)  # (1 + draw, layer x head)
        test = NullTest.of("share of coherent directions", found, 1e-9 * found[0], exact=False, action=self.action)
        size = (len(layers), found.shape[1] // len(layers))
        effect = (found[0] - found[1:].mean(axis=0)).reshape(size)
        best = np.unravel_index(int(effect.argmax()), size)
        return (
            HeadMap(
                f"Excess of coherent directions by head: {TITLES[self.matrix, self._side]}",
                f"Share of coherent directions minus that of random bases, every head of every layer; largest at layer "
                f"{layers[best[0]]}, head {best[1]} ({effect[best]:.2f}). {int((test.p_adjusted <= 0.05).sum())} of {effect.size} heads have "
                "an adjusted p of at most .05.",
                effect=effect,
                p_adjusted=test.p_adjusted.reshape(size),
                significant=(test.p_adjusted <= 0.05).reshape(size),
                effect_name=self.effect_name,
                unit="head",
            ).exhibit(),
        )


class QKDirections(OVDirections):
    """Singular directions of what heads ask for speak of tokens that belong together, more often than random directions do.

    The negative control of `OVDirections`, expected to be refuted: queries and keys meet each other and
    not the vocabulary. The effect is the same: the share of a layer's directions that are coherent (mean
    pairwise cosine of their `tokens` largest logits' embeddings above the `level` quantile of random
    directions), minus the mean share in random bases; positive when the network's own are coherent more
    often. p counts random bases at least as extreme; exchangeable under the null: the singular basis of
    each head's subspace and a Haar-random one. The interval is the Monte Carlo error of the null objects'
    mean. Rotary positions, which act between queries and keys, are left out: in a network that has them
    the matrix is not the one that it attends by.

    Attributes
    ----------
    matrix : str, default 'qk'
        Whose directions. One of 'ov' and 'qk' (by head), 'mlp_in' and 'mlp_out' (of the whole MLP).
    expect : str, default 'refuted'
        The outcome with which the claim passes. One of 'supported', 'refuted' and 'inconclusive'.

    References
    ----------
    Millidge & Black (2022), The singular value decompositions of transformer weight matrices are highly
    interpretable.

    Examples
    --------
    >>> from modclaims import QKDirections
    >>> class QueriesSpeakNoTopics(QKDirections):
    ...     "What heads ask for speaks of tokens that belong together."
    >>> QueriesSpeakNoTopics().validate()
    >>> print(QueriesSpeakNoTopics.expect)
    refuted
    """

    matrix: str = "qk"
    expect: str = "refuted"


@dataclass(frozen=True)
class _Layer:
    """One layer's directions, in its own basis (row 0) and in random ones."""

    shares: tuple[Floats, Floats]
    """(1 + draw,) share of coherent directions; and beyond frequency."""
    by_subspace: tuple[Floats, Floats]
    """(1 + draw, subspace)"""
    mean: Floats
    """(1 + draw, measure) mean coherence."""

    @classmethod
    def of(
        cls,
        space: TokenSpace,
        subspaces: list[Singles],
        tokens: int,
        level: float,
        turns: Iterator[np.random.Generator],
    ) -> _Layer:
        own = [turned_coherence(space, s, None, tokens) for s in subspaces]
        rows = [own, *([turned_coherence(space, s, haar(len(s), rng), tokens) for s in subspaces] for rng in turns)]
        weights = np.array([len(s) for s in subspaces], dtype=np.float64)
        by_measure = []
        for measure in range(2):
            shares = [
                coherent_shares(np.stack([row[at][:, measure] for row in rows]), level) for at in range(len(subspaces))
            ]
            by_measure.append(np.stack(shares, axis=1))
        mean = np.array([np.concatenate(row).mean(axis=0) for row in rows], dtype=np.float64)
        first, second = ((found @ weights) / weights.sum() for found in by_measure)
        return cls((first, second), (by_measure[0], by_measure[1]), mean)


@dataclass(frozen=True)
class DirectionCoherence(WeightMeasurement):
    """Coherence of the singular directions and of random ones."""

    bases: tuple[_Layer, ...]
    """One a layer."""


def _turns(look: Look, draws: int) -> Iterator[np.random.Generator]:
    """A stream for each draw, the same for every layer."""
    shape = look.shape
    for draw in range(draws):
        yield look.rng("bases", str(draw), design=f"{shape.heads} x {shape.head_width} of {shape.width}")
