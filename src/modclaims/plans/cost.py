"""What it takes to record the requests of a suite: forward passes, tokens and bytes on disk."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from modclaims.corpus import Corpus
from modclaims.recording import (
    EMBEDDINGS,
    HEAD_SITES,
    SPECTRUM,
    InductionScores,
    Jacobian,
    LogOdds,
    Loss,
    ModelShape,
    Request,
    TokenIds,
    Weights,
    for_model,
    model_of,
)

HEADER = 96
"""Bytes that the description of a stored array takes, about."""


@dataclass(frozen=True)
class Reading:
    """How a network would read the texts, as far as that is known before it is loaded."""

    shape: ModelShape
    lengths: tuple[int, ...]
    """(text,) tokens read of each text."""
    tokens: int
    """Tokens kept of each text."""
    positions: tuple[int, ...]
    """The run's positions, resolved."""
    number: int = 4
    """Bytes of a recorded activation."""
    vocabulary: int = 0
    """Rows of the embedding."""
    own: str = ""
    """The variant that the model itself is, such as `untrained:0`; empty for the weights as they are."""
    leading: int = 1
    """Special tokens that open every text."""
    beside: tuple[Reading, ...] = ()
    """The same of the models beside it."""


@dataclass(frozen=True)
class Cost:
    """What recording would take, were nothing kept of earlier runs."""

    texts: int
    networks: int
    passes: int
    """Texts, and sequences of random tokens, times networks; matrices that are only read off a network are none."""
    tokens: int
    """Tokens read in all passes; where a text is read for Jacobians alone, those that they are taken at."""
    bytes: int
    """On disk, about."""


def cost(requests: Iterable[Request], corpus: Corpus, reading: Reading) -> Cost:
    """One pass a text and network serves all requests, and what two of them ask for is kept once."""
    asked = list(requests)
    found = [_cost([one for one in asked if model_of(one) is None], corpus, reading)]
    for other in reading.beside:
        mine = [for_model(one, None) for one in asked if model_of(one) == other.shape.name]
        found.append(_cost(mine, corpus, other))
    return Cost(
        max(one.texts for one in found),
        *(sum(getattr(one, name) for one in found) for name in ("networks", "passes", "tokens", "bytes")),
    )


def _cost(requests: Iterable[Request], corpus: Corpus, reading: Reading) -> Cost:
    """The cost of one model."""
    arrays: dict[tuple[str, int | str | None], dict[tuple[str, int], int]] = {}
    read: dict[tuple[str, int | str], int] = {}
    for request in requests:
        variant = reading.own if request.variant is None else request.variant
        if isinstance(request, Weights):
            arrays.setdefault((variant, None), {}).update(_arrays(request, 0, reading))
            continue
        if isinstance(request, InductionScores):
            for number in range(request.sequences):
                drawn = f"random tokens {request.seed} {request.period} {number}"
                arrays.setdefault((variant, drawn), {}).update(_arrays(request, 0, reading))
                read[variant, drawn] = reading.leading + 2 * request.period
            continue
        for text in request.chosen(corpus) if isinstance(request, (Jacobian, Loss, LogOdds)) else range(len(corpus)):
            length = reading.lengths[text]
            arrays.setdefault((variant, text), {}).update(_arrays(request, length, reading))
            if isinstance(request, TokenIds):
                continue
            seen = request.tokens if isinstance(request, Jacobian) else length
            read[variant, text] = max(seen, read.get((variant, text), 0))
    stored = [size for held in arrays.values() for size in held.values()]
    return Cost(
        len({text for _, text in read if isinstance(text, int)}),
        len({variant for variant, _ in arrays}),
        len(read),
        sum(read.values()),
        sum(stored) + HEADER * len(stored),
    )


def _arrays(request: Request, length: int, reading: Reading) -> dict[tuple[str, int], int]:
    """Bytes of each array, by what identifies it, that answers a request for one text of so many tokens."""
    shape, number = reading.shape, reading.number
    if isinstance(request, (Loss, LogOdds)):
        return {(repr(replace(request, variant=None, texts=None)), 0): 8}
    if isinstance(request, TokenIds):
        tokens = request.tokens or reading.tokens
        return {(f"token ids {tokens}", 0): 8 * tokens}
    layers = shape.resolve_layers(request)
    if isinstance(request, InductionScores):
        return {("induction", layer): number * shape.heads for layer in layers}
    if isinstance(request, Jacobian):
        numbers = {"summary": len(SPECTRUM), "effective_rank": 1, "values": request.tokens * shape.width}
        asked = f"{request.block} {request.tokens} {request.normalised} {request.answer}"
        return {(asked, layer): 8 * numbers[request.answer] for layer in layers}
    if isinstance(request, Weights):
        return {(request.matrix, layer): number * _entries(request.matrix, reading) for layer in layers}
    positions = reading.positions if request.positions is None else request.positions.resolve(reading.tokens)
    heads, units = _width(request.site, length, shape)
    rows = len(positions) * heads
    each = {"none": rows * units, "norm": rows, "mean": heads * units, "first": rows, "induction": rows}
    asked = f"{request.site} {request.reduce} {positions}"
    return {(asked, layer): number * each[request.reduce] for layer in layers}


def _width(site: str, length: int, shape: ModelShape) -> tuple[int, int]:
    """(heads, units of each) of a site at one position."""
    if site == "attn_pattern":
        return shape.heads, length
    if site == "head_write":
        return shape.heads, shape.width
    if site in HEAD_SITES:
        return shape.kv_heads if site in ("k", "v") else shape.heads, shape.head_width
    return 1, shape.mlp_width if site == "mlp_act" else shape.width


def _entries(matrix: str, reading: Reading) -> int:
    """How many numbers one of the network's matrices holds."""
    shape = reading.shape
    if matrix in EMBEDDINGS:
        return reading.vocabulary * shape.width
    heads = {"q": shape.heads, "o": shape.heads, "k": shape.kv_heads, "v": shape.kv_heads}.get(matrix)
    return shape.width * (shape.mlp_width if heads is None else heads * shape.head_width)
