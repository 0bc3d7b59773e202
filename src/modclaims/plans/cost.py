"""What it takes to record the requests of a suite: forward passes, tokens and bytes on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from modclaims.corpus import Corpus
from modclaims.recording import Entry, RandomTokens, Reading, Request

HEADER = 96
"""Bytes that the description of a stored array takes, about."""
Row = int | RandomTokens | None
"""A text, by index, a sequence, or nothing that is read."""


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
    """One pass per text and network serves all requests, and what two of them ask for is kept once."""
    asked = list(requests)
    found = [_cost([one for one in asked if one.model is None], corpus, reading)]
    for other in reading.beside:
        mine = [one.for_model(None) for one in asked if one.model == other.shape.name]
        found.append(_cost(mine, corpus, other))
    return Cost(
        max(one.texts for one in found),
        *(sum(getattr(one, name) for one in found) for name in ("networks", "passes", "tokens", "bytes")),
    )


def _cost(requests: Iterable[Request], corpus: Corpus, reading: Reading) -> Cost:
    """The cost of one model."""
    stored: dict[tuple[str, Row], dict[Entry, int]] = {}
    read: dict[tuple[str, Row], int] = {}
    texts: set[int] = set()
    for request in requests:
        variant = reading.own if request.variant is None else request.variant
        entries = request.entries(reading)
        for row, length in _rows(request, corpus, reading):
            size = request.size(reading, length)
            stored.setdefault((variant, row), {}).update(dict.fromkeys(entries, size))
            if (seen := request.reads(length)) > 0:
                read[variant, row] = max(seen, read.get((variant, row), 0))
        if request.reads(1):
            texts.update(request.chosen(corpus))
    sizes = [size for held in stored.values() for size in held.values()]
    return Cost(
        len(texts),
        len({variant for variant, _ in stored}),
        len(read),
        sum(read.values()),
        sum(sizes) + HEADER * len(sizes),
    )


def _rows(request: Request, corpus: Corpus, reading: Reading) -> Iterator[tuple[Row, int]]:
    """What an answer has a row for, with the tokens that are read of it; where it has no rows, one for the network."""
    for text in request.chosen(corpus):
        yield text, reading.lengths[text]
    for sequence in request.drawn:
        yield sequence, sequence.length(reading.leading)
    if not request.has_rows:
        yield None, 0
