"""TokenNeuronCongruence: do neurons' weights point at tokens, more than vectors of the same length would?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.weights.figures.by_frequency import ByFrequency
from modclaims.families.weights.weight_claims import NullComparison, WeightClaim, WeightMeasurement, by_depth, matrix
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.recording import ModelShape, Recording, Request, Weights
from modclaims.stats.evidence import Control, Exhibit
from modclaims.stats.maps.token_directions import RANKS, frequency_bins, largest_products, random_units

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
TITLES = {"mlp_in": "what neurons read by", "mlp_gate": "what neurons are gated by", "mlp_out": "what neurons write"}
OTHER_DRAWS = 20
"""Null objects of the other kind, and those that sizes by frequency are compared with."""


class TokenNeuronCongruence(WeightClaim):
    """Neurons' weights have larger dot products with some tokens' embeddings than random weights of their length would.

    Of every neuron the `largest` dot products over the vocabulary are averaged, and these means over
    neurons. The effect (relative rise) is own / mean of the null objects - 1; positive when weights point
    at tokens, and 0.1 says 10 % more than at random. Embeddings are the network's own, also in later
    layers, where the stream still holds them among what was added; norms are left out. Cells are layers.

    p counts null objects at least as extreme. Exchangeable under the null: each neuron's weights and a
    vector of the same length in a random direction. The interval is the Monte Carlo error of the null
    objects' mean; nothing is said beyond this network. Embeddings that spread unequally over directions
    give large products to any weights along them: the neuron's own weights in another order are a control.

    Attributes
    ----------
    matrix : str, default 'mlp_in'
        Whose weights. One of 'mlp_in' (what neurons read by), 'mlp_gate' (are gated by; gated MLPs only)
        and 'mlp_out' (write).
    largest : int, default 10
        Tokens of each neuron whose dot products count: at least 1.
    centred : bool, default True
        Whether the embeddings' mean over the vocabulary is taken off first, so that a shift that all
        tokens share counts as nothing.
    smallest_effect : float, default 0.1
        Share of the null objects' mean, at least 0.

    References
    ----------
    Dar, Geva, Gupta & Berant (2023), Analyzing transformers in embedding space.

    Examples
    --------
    >>> from modclaims import TokenNeuronCongruence
    >>> from modclaims.calibration.examples import planted
    >>> class NeuronsPointAtTokens(TokenNeuronCongruence):
    ...     "What neurons read by points at tokens."
    >>> print(planted(NeuronsPointAtTokens, 0))
    REFUTED  relative rise 0.009 [0.005, 0.014] at layer 0
    """

    matrix: str = "mlp_in"
    largest: int = 10
    centred: bool = True
    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "relative rise"

    @property
    def action(self) -> str:
        return "drawing each neuron's weights anew, at their length"

    def validate(self) -> None:
        super().validate()
        if self.matrix not in TITLES:
            raise ClaimError(f"Matrix {self.matrix!r} is unknown; choose one of {', '.join(TITLES)}.")
        if self.largest < 1:
            raise ClaimError(f"largest = {self.largest}: at least 1 token is needed.")

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        if self.matrix == "mlp_gate" and not shape.gated:
            raise ClaimError(f"The MLPs of model {shape.name!r} have no gate; choose mlp_in or mlp_out.")
        mine = Weights(self.matrix, self.layers)
        shape.resolve_layers(mine)
        return (mine, Weights("embedding"))

    def _compared(self, look: Look) -> Congruence:
        recording, shape, mine = look.recording, look.shape, Weights(self.matrix, self.layers)
        layers = shape.resolve_layers(mine)
        embedding = matrix(recording, Weights("embedding")).astype(np.float64)
        if len(embedding) <= self.largest:
            raise ClaimError(
                f"Model {shape.name!r} has {len(embedding)} tokens, and the largest {self.largest} are asked for."
            )
        tokens = (embedding - embedding.mean(axis=0) if self.centred else embedding).astype(np.float32)
        neurons = tuple(self._neurons(recording, mine, layer) for layer in layers)
        lengths = np.stack([np.linalg.norm(w, axis=1) for w in neurons])  # (layer, neuron)
        own = np.array([largest_products(w, tokens, self.largest).mean() for w in neurons])
        rng = look.rng("directions", design=str(neurons[0].shape))
        null, size = np.empty((self.draws, len(layers))), (len(neurons[0]), neurons[0].shape[1])
        for draw in range(len(null)):  # a direction's products grow with its length, so that one serves all layers
            found = largest_products(random_units(*size, rng), tokens, self.largest)
            null[draw] = (lengths * found).mean(axis=1)
        beside = NullComparison(
            layers, own, null, "rise", f"mean of the {self.largest} largest dot products", rounding=1e-6
        )
        return Congruence(beside, self._resamples(look, null), neurons, tokens)

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Congruence)
        at = self._shown(found, named)
        layer, neurons, own = found.beside.layers[at], found.neurons[at], found.beside.own[at]
        rng = look.lasting_rng("permuted", design=found.design)
        return [
            RivalResult(self._permuted(neurons, found.tokens, own, layer, rng)),
            RivalResult(_by_frequency_words(neurons, found.tokens, self.largest, layer)),
        ]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Congruence)
        draws = len(found.beside.null)
        return (
            by_depth(
                found.beside,
                look.shape.layers,
                title=f"Largest dot products with tokens by relative depth: {TITLES[self.matrix]}",
                of=f"mean of the {self.largest} largest dot products",
                null=f"{draws:,} null objects, 5 % to 95 %",
                description=f"Mean over neurons of the {self.largest} largest dot products with token embeddings, and of "
                f"random vectors of the neurons' lengths ({draws:,} draws).",
            ),
            _by_frequency(
                found.neurons, found.tokens, found.beside.layers, look.lasting_rng("sizes", design=found.design)
            ),
            *self._histogram(measured, self._shown(found, named)),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Congruence)
        beside, at = found.beside, self._shown(found, named)
        return Words(
            note=f"{TITLES[self.matrix]} ({self.matrix}), {self.largest} largest of {len(found.tokens):,} tokens, embeddings "
            + ("centred" if self.centred else "not centred")
            + ", without norms; in this network",
            detail=f"At layer {beside.layers[at]} the mean of a neuron's {self.largest} largest dot products is {beside.own[at]:.3f}, "
            f"{beside.null[:, at].mean():.3f} for random vectors of the same lengths.",
            secondary={}
            if self.holds.contrasts
            else {
                f"mean of the {self.largest} largest dot products": beside.own,
                "the same of random vectors": beside.null.mean(axis=0),
                "z": beside.z(),
            },
        )

    def _neurons(self, recording: Recording, request: Weights, layer: int) -> Singles:
        """(neuron, width)"""
        found = matrix(recording, request, layer).astype(np.float32, copy=False)
        return np.ascontiguousarray(found.T) if self.matrix == "mlp_out" else found

    def _permuted(self, neurons: Singles, tokens: Singles, own: float, layer: int, rng: np.random.Generator) -> Control:
        """Each neuron's own weights in another order: the same entries, pointing elsewhere."""
        found = np.array(
            [largest_products(rng.permuted(neurons, axis=1), tokens, self.largest).mean() for _ in range(OTHER_DRAWS)]
        )
        effect = float(own / found.mean() - 1)
        return Control(
            "permuted_null",
            f"Against {OTHER_DRAWS} null objects by putting each neuron's own weights in another order, at layer {layer}, the relative "
            f"rise is {effect:.2f}: {own:.3f} against {from_to(found, 3)}.",
            {"effect": effect, "own": float(own), "lowest": float(found.min()), "highest": float(found.max())},
        )


@dataclass(frozen=True)
class Congruence(WeightMeasurement):
    """Neurons and the tokens that they may point at."""

    neurons: tuple[Singles, ...]
    """(neuron, width) weights of each layer."""
    tokens: Singles
    """(token, width) embeddings, centred where the claim says so."""

    @property
    def design(self) -> str:
        """What draws hang on: the size of a layer's weights."""
        return str(self.neurons[0].shape)


def _sizes(vectors: Singles, tokens: Singles, bins: NDArray[np.int64]) -> Floats:
    """(bin,) root mean square dot product of the vectors with the tokens of each bin."""
    gram = vectors.T.astype(np.float64) @ vectors / len(vectors)
    squares = np.einsum("tw,wv,tv->t", tokens, gram, tokens, optimize=True)
    return np.asarray(np.sqrt(np.bincount(bins, squares) / np.bincount(bins)))


def _by_frequency(
    neurons: Sequence[Singles], tokens: Singles, layers: tuple[int, ...], rng: np.random.Generator
) -> Exhibit:
    """Sizes of dot products by token frequency, a line per layer, relative to random vectors of the neurons' lengths."""
    bins = frequency_bins(len(tokens), RANKS)
    relative = []
    for weights in neurons:
        lengths = np.linalg.norm(weights, axis=1, keepdims=True)
        random = np.mean(
            [
                _sizes(lengths * random_units(len(weights), weights.shape[1], rng), tokens, bins)
                for _ in range(OTHER_DRAWS)
            ],
            axis=0,
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            relative.append(_sizes(weights, tokens, bins) / random)
    found = np.stack(relative)
    rank = np.array([np.flatnonzero(bins == b).mean() for b in range(bins[-1] + 1)])
    told = "; ".join(
        f"layer {layer}: {row[0]:.2f} for the most frequent, {row[-1]:.2f} for the rarest"
        for layer, row in zip(layers, found, strict=True)
    )
    return ByFrequency(
        "Sizes of dot products by token frequency",
        "Root mean square dot product of all neurons with the tokens of a bin, over that of random vectors of the neurons' lengths; "
        f"tokens in the tokenizer's order, which stands for frequency. {told}.",
        rank=rank,
        layer=np.array(layers),
        relative=found,
        of="size / size of random vectors",
    ).exhibit()


def _by_frequency_words(neurons: Singles, tokens: Singles, largest: int, layer: int) -> Control:
    """How large a token's dot products are, and how that goes with its frequency, in one number."""
    from scipy.stats import spearmanr

    gram = neurons.T.astype(np.float64) @ neurons / len(neurons)
    size = np.sqrt(np.einsum("tw,wv,tv->t", tokens, gram, tokens, optimize=True))
    length = np.linalg.norm(tokens, axis=1)
    order = np.arange(len(tokens))
    raw = float(spearmanr(order, size).statistic)
    relative = float(spearmanr(order, np.divide(size, length, out=np.zeros(len(size)), where=length > 0)).statistic)
    return Control(
        "token_frequency",
        f"At layer {layer} the rank correlation of a token's place in the tokenizer's order (rarer tokens come later) with the size of "
        f"its dot products is {raw:.2f}, and {relative:.2f} once they are divided by its embedding's length.",
        {"spearman": raw, "spearman over length": relative},
    )
