"""What is measured of texts that one network reads together: for each kind of request, the function that computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modclaims.lm.extract import extract
from modclaims.lm.network import Network
from modclaims.lm.tokens import ReadText
from modclaims.recording import (
    EMBEDDINGS,
    Activations,
    Array,
    Entry,
    InductionScores,
    Loss,
    Request,
    TokenIds,
    Weights,
)


@dataclass(frozen=True)
class Batch:
    """Texts with the same number of tokens, which one network reads together; where a matrix is read off it, none."""

    network: Network
    keys: Sequence[str]
    texts: Mapping[str, ReadText]
    """By key, these and others."""

    def measured(self, entries: Iterable[Entry], asked: Mapping[Entry, Request]) -> dict[Entry, Array]:
        """Entries of the batch, each with a leading text axis (of 1, for weights), by what `asked` says they answer."""
        together: dict[Measure, dict[Entry, Request]] = {}
        for entry in entries:
            together.setdefault(MEASURES[type(asked[entry])], {})[entry] = asked[entry]
        return {entry: array for measure, some in together.items() for entry, array in measure(self, some).items()}

    @property
    def ids(self) -> list[NDArray[np.int64]]:
        """Token ids of each text."""
        return [self.texts[key].ids for key in self.keys]


def passed(batch: Batch, asked: Mapping[Entry, Request]) -> dict[Entry, Array]:
    """What one pass serves."""
    return extract(batch.network, np.stack(batch.ids), asked)


def token_ids(batch: Batch, asked: Mapping[Entry, TokenIds]) -> dict[Entry, Array]:
    """The first ids of each text as float64, (text, token), -1 where there are none."""
    found: dict[Entry, Array] = {}
    for entry in asked:
        rows = np.full((len(batch.keys), entry.positions[0]), -1.0)
        for row, ids in zip(rows, batch.ids, strict=True):
            row[: len(ids)] = ids[: len(row)]
        found[entry] = rows
    return found


def matrices(batch: Batch, asked: Mapping[Entry, Weights]) -> dict[Entry, Array]:
    """The network's matrices, (1, output unit, input unit)."""
    return {entry: matrix(batch.network, request.matrix, entry.layer)[None] for entry, request in asked.items()}


def matrix(network: Network, name: str, layer: int) -> Array:
    """One of the network's matrices, as float32 (float64 from a float64 network)."""
    if name in EMBEDDINGS:
        weight = network.embedding() if name == "embedding" else network.unembedding()
    else:
        weight = network.matrix(layer, name)
    return weight.detach().to(torch.promote_types(weight.dtype, torch.float32)).cpu().contiguous().numpy()


Measure = Callable[[Batch, Mapping[Entry, Any]], dict[Entry, Array]]  # Any: requests of the classes that it stands for
MEASURES: Mapping[type[Request], Measure] = {
    Activations: passed,
    InductionScores: passed,
    Loss: passed,
    TokenIds: token_ids,
    Weights: matrices,
}
"""By kind of request, what computes it. Those that take passes of their own are in `trials`, those of single blocks in
`block_spectra`."""
