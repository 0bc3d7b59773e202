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
    jacobians: int = 0
    """Texts times layers and blocks, of this network and of null objects, at which Jacobians are worked out."""
    operations: float = 0.0
    """Floating-point operations that they take, about."""
    memory: int = 0
    """Bytes that one of them takes while it is worked out, at most, about ..."""
    shared: int = 0
    """... and what is held beside for all that are worked out together."""


def cost(requests: Iterable[Request], corpus: Corpus, reading: Reading) -> Cost:
    """One pass per text and network serves all requests, and what two of them ask for is kept once."""
    asked = list(requests)
    found = [_cost([one for one in asked if one.model is None], corpus, reading)]
    for other in reading.beside:
        mine = [one.for_model(None) for one in asked if one.model == other.shape.name]
        found.append(_cost(mine, corpus, other))
    return Cost(
        texts=max(one.texts for one in found),
        networks=sum(one.networks for one in found),
        passes=sum(one.passes for one in found),
        tokens=sum(one.tokens for one in found),
        bytes=sum(one.bytes for one in found),
        jacobians=sum(one.jacobians for one in found),
        operations=sum(one.operations for one in found),
        memory=max(one.memory for one in found),
        shared=max(one.shared for one in found),
    )


def _cost(requests: Iterable[Request], corpus: Corpus, reading: Reading) -> Cost:
    """The cost of one model."""
    stored: dict[tuple[str, Row], dict[Entry, int]] = {}
    read: dict[object, int] = {}
    work: dict[object, float] = {}
    networks: set[str] = set()
    texts: set[int] = set()
    memory = shared = 0
    for request in requests:
        variant = reading.own if request.variant is None else request.variant
        networks.add(request.loads(reading))
        entries = request.entries(reading)
        for row, length in _rows(request, corpus, reading):
            size = request.size(reading, length)
            stored.setdefault((variant, row), {}).update(dict.fromkeys(entries, size))
            # what enters a block takes a pass of the model itself
            own = (
                {(entry.site, entry.positions, row) for entry in entries} if request.of_one_block else {(variant, row)}
            )
            if (seen := request.reads(length)) > 0:
                for one in own:
                    read[one] = max(seen, read.get(one, 0))
            if request.of_one_block:
                memory = max(memory, request.working_bytes(reading))
                shared = max(shared, request.shared_bytes(reading))
                for entry in entries:
                    asked = (variant, row, entry.site, entry.layer, entry.positions)
                    work[asked] = max(work.get(asked, 0.0), request.operations(reading))
        if request.reads(1):
            texts.update(request.chosen(corpus))
    sizes = [size for held in stored.values() for size in held.values()]
    bytes_on_disk = sum(sizes) + HEADER * len(sizes)
    passes, tokens = len(read), sum(read.values())
    return Cost(len(texts), len(networks), passes, tokens, bytes_on_disk, len(work), sum(work.values()), memory, shared)


def _rows(request: Request, corpus: Corpus, reading: Reading) -> Iterator[tuple[Row, int]]:
    """What an answer has a row for, with the tokens that are read of it; where it has no rows, one for the network."""
    for text in request.chosen(corpus):
        yield text, reading.lengths[text]
    for sequence in request.drawn:
        yield sequence, sequence.length(reading.leading)
    if not request.has_rows:
        yield None, 0
