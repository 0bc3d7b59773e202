"""Spectra of one block's Jacobians as claims see them: by unit and layer, each token's output by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common.units import Sample
from modclaims.families.jacobians.figures.active_neurons import ActiveNeurons
from modclaims.families.jacobians.figures.rank_by_depth import RankByDepth
from modclaims.families.jacobians.figures.rank_by_tokens import RankByTokens
from modclaims.families.jacobians.figures.spectra import Spectra
from modclaims.recording import BY_TOKEN, Jacobian, Recording
from modclaims.stats.evidence import Cell, Control, Exhibit

Floats = NDArray[np.float64]
TITLES = {"mlp": "MLP", "attention": "attention block"}
QUANTITIES = {
    "numerical_rank": "numerical rank",
    "effective_rank": "effective rank",
    "above_tenth": "values above a tenth of the first",
    "stable_rank": "stable rank",
}
"""What may be counted of a spectrum, and what it is called."""
ENDS = (-1.0, 1.0)
"""Of a difference of fractions of the width."""
ALGEBRA = "nearly all that is possible, whatever the weights: algebra, not evidence"
MANY_TOKENS = 8
"""From so many tokens on the rank is drawn against their number."""


@dataclass(frozen=True)
class MeasuredSpectra:
    """Spectra of one block, by unit, layer and token."""

    request: Jacobian
    """The one that asks for them."""
    counted: str
    """One of `QUANTITIES`, which the claim is about."""
    sample: Sample
    layers: tuple[int, ...]
    width: int
    """The most directions that a token's output could have."""
    by_text: Floats
    """(text, layer, token, quantity) those of `BY_TOKEN`, in its order."""

    @classmethod
    def of(cls, recording: Recording, request: Jacobian, counted: str) -> MeasuredSpectra:
        """What was recorded of a block, at the texts that the request chooses."""
        sample = Sample.of(recording.corpus, request.chosen(recording.corpus))
        layers = recording.shape.resolve_layers(request)
        return cls(request, counted, sample, layers, recording.shape.width, by_text(recording, request, layers))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """One per layer."""
        return tuple(Cell(layer=layer) for layer in self.layers)

    def of_texts(self, name: str) -> Floats:
        """(text, layer) a quantity of `BY_TOKEN`, mean over tokens."""
        return shares(self.by_text, name, 1)

    def quantity(self, name: str) -> Floats:
        """(unit, layer) a quantity of `BY_TOKEN`, mean over tokens and the texts of a unit."""
        return self.sample.units(self.of_texts(name))

    @property
    def shares(self) -> Floats:
        """(unit, layer) what the claim counts, as a fraction of the width."""
        return np.asarray(self.quantity(self.counted) / self.width)

    def secondary(self) -> dict[str, Floats]:
        """(layer,) all that is counted of a spectrum, as fractions of the width, means over units."""
        return {f"{words} / width": self.quantity(name).mean(axis=0) / self.width for name, words in QUANTITIES.items()}

    def detail(self, at: int) -> str:
        """Rank and counts at one of the layers, in words."""
        rank, spread = (float(self.quantity(name)[:, at].mean()) for name in ("numerical_rank", "effective_rank"))
        full = self.request.block == "attention" and rank > self.width - 3
        return (
            f"Of the {self.width} directions of a token's output {rank:.0f} lie above the noise floor"
            + (f" ({ALGEBRA})" if full else "")
            + f", and their energy spreads over {spread:.0f} (effective rank)."
        )

    def exhibit(self, recording: Recording) -> Exhibit:
        """Singular values by layer on a log axis, relative to the first, with the noise floor and what was counted."""
        counted, rank = (self.quantity(name).mean(axis=0) for name in ("above_tenth", "numerical_rank"))
        return drawn_spectra(
            recording,
            replace(self.request, answer="token_values"),
            self.layers,
            self.quantity,
            f"Singular values of the {TITLES[self.request.block]}'s Jacobian, token by token",
            f"Singular values relative to a token's largest, median over tokens and {self.sample.texts} texts, one line per "
            f"layer; those above a tenth are marked ({', '.join(f'{c:.0f}' for c in counted)}), and nothing is counted below "
            f"the noise floor, that of float32. Numerical rank: {', '.join(f'{r:.0f}' for r in rank)}.",
        )

    # ---- what explains it

    def active(self, at: int) -> Control:
        """How far the neurons that are active explain the rank, at one of the layers. Only of an MLP."""
        return self.active_in((self.layers[at],))

    def active_in(self, layers: Sequence[int]) -> Control:
        """The same of some layers."""
        rows = self.by_text[:, [self.layers.index(layer) for layer in layers]]
        rank, active, most = (
            rows[..., BY_TOKEN.index(name)].ravel() for name in ("numerical_rank", "active", "explained")
        )
        close = int((np.abs(rank - most) <= 1).sum())
        fewer = int((active < self.width - 2).sum())
        told = (
            f"a token has {_spread(active)} active neurons, fewer than the width of {self.width} at {fewer} of {len(active)} tokens. "
            f"The numerical rank is their number, or what the norm leaves of the width where that is less, to within 1 at {close} "
            f"of {len(active)}"
        )
        return Control(
            "active_neurons",
            f"At layer{'s' if len(layers) > 1 else ''} {listed(layers)} {told}. A rank that active neurons explain tells how many the inputs switch on, "
            "which matrices, biases and activation function decide together; null objects keep biases and norms.",
            {
                "active": float(active.mean()),
                "rank": float(rank.mean()),
                "explained": close / len(active),
                "fewer_than_width": fewer / len(active),
            },
        )

    def active_exhibit(self) -> Exhibit:
        """Numerical rank against active neurons, a point per text and token. Only of an MLP."""
        rank, active = (self.by_text[..., BY_TOKEN.index(name)] for name in ("numerical_rank", "active"))
        by_layer = [values.transpose(1, 0, 2).reshape(len(self.layers), -1) for values in (active, rank)]
        return ActiveNeurons(
            "The MLP's numerical rank against its active neurons",
            f"A point per text and token, a panel per layer: neurons whose slope lies above the noise floor, and how many of the "
            f"{self.width} directions of the output they let through. On the line every active neuron brings a direction.",
            active=by_layer[0],
            rank=by_layer[1],
            layer=np.array(self.layers),
            width=float(self.width),
        ).exhibit()

    def tokens_exhibit(self) -> Exhibit | None:
        """Numerical rank of the first tokens of the window together against their number; None where they are few. Only of
        an MLP, whose tokens add up."""
        if self.request.tokens < MANY_TOKENS:
            return None
        summed = self.by_text[..., BY_TOKEN.index("numerical_rank")].cumsum(axis=2)
        return RankByTokens(
            "The MLP's numerical rank against the number of tokens",
            f"Singular values above the noise floor, of the first tokens of the window together (an MLP's tokens add up), a line "
            f"per layer, mean over texts; a full rank would be {self.width} per token.",
            tokens=np.arange(1, self.request.tokens + 1),
            rank=summed.mean(axis=0),
            layer=np.array(self.layers),
            width=float(self.width),
        ).exhibit()


def _spread(values: Floats) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low}" if low == high else f"{low} to {high}"


def by_text(recording: Recording, request: Jacobian, layers: Sequence[int]) -> Floats:
    """(text, layer, ...) what was recorded of each text."""
    return np.stack([np.asarray(recording.array(request, layer), dtype=np.float64) for layer in layers], axis=1)


def shares(rows: Floats, name: str, width: int) -> Floats:
    """(text, layer) a quantity of `BY_TOKEN`, mean over tokens, over the width."""
    return np.asarray(rows[..., BY_TOKEN.index(name)].mean(axis=2) / width)


def drawn_spectra(
    recording: Recording,
    values: Jacobian,
    layers: Sequence[int],
    quantity: Callable[[str], Floats],
    title: str,
    description: str,
) -> Exhibit:
    """Singular values by layer on a log axis, relative to the first, with the noise floor and what was counted.

    `values` asks for them, (text, ..., value); `quantity` gives (unit, layer) numbers of the spectra by name.
    """
    curves = []
    for layer in layers:
        found = np.asarray(recording.array(values, layer), dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            curves.append(np.median(found / found[..., :1], axis=tuple(range(found.ndim - 1))))
    return Spectra(
        title,
        description,
        values=np.stack(curves),
        floor=quantity("floor").max(axis=0),
        layer=np.array(layers),
        above_tenth=quantity("above_tenth").mean(axis=0),
        effective_rank=quantity("effective_rank").mean(axis=0),
        block=values.block,
    ).exhibit()


def by_depth(
    counted: str,
    blocks: Sequence[MeasuredSpectra],
    depth: int,
    *,
    null: Floats | None = None,
    null_name: str = "",
    marked: Sequence[int] = (),
) -> Exhibit:
    """What is counted as a fraction of the width, a line per block, with the band of (draw, layer) null objects.

    `depth` is how many layers the network has; `marked` are layers that stand out.
    """
    layers, ranks = np.array(blocks[0].layers), [passed.shares for passed in blocks]
    names = [passed.request.block for passed in blocks]
    words = [f"{name} {', '.join(f'{v:.2f}' for v in r.mean(axis=0))}" for name, r in zip(names, ranks, strict=True)]
    if null is not None:
        words.append(f"null {', '.join(f'{v:.2f}' for v in null.mean(axis=0))}")
    what = QUANTITIES[counted]
    whose = "both blocks' Jacobians" if len(blocks) > 1 else f"the {TITLES[names[0]]}'s Jacobian"
    return RankByDepth(
        f"{what[0].upper()}{what[1:]} of {whose} by relative depth",
        f"{what[0].upper()}{what[1:]} over the width, per token, mean over {blocks[0].sample.unit}s by layer, thin lines from the "
        f"lowest {blocks[0].sample.unit} to the highest: {'; '.join(words)}.",
        depth=layers / max(depth - 1, 1),
        layer=layers,
        rank=np.stack([r.mean(axis=0) for r in ranks]),
        low=np.stack([r.min(axis=0) for r in ranks]),
        high=np.stack([r.max(axis=0) for r in ranks]),
        marked=np.isin(layers, list(marked)),
        null_low=None if null is None else null.min(axis=0),
        null_high=None if null is None else null.max(axis=0),
        null_mean=None if null is None else null.mean(axis=0),
        blocks=tuple(names),
        null=null_name,
        counted=what,
    ).exhibit()


def listed(layers: Sequence[int]) -> str:
    """Layers in a row."""
    return ", ".join(map(str, layers))
