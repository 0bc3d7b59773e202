"""What is measured of texts that one network reads together: for each kind of request, the function that computes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modclaims.lm.block_inputs import BlockInput, block_inputs
from modclaims.lm.extract import extract
from modclaims.lm.network import Network
from modclaims.lm.spectra import Inputs, spectra
from modclaims.lm.tokens import ReadText
from modclaims.recording import (
    EMBEDDINGS,
    Activations,
    Array,
    Entry,
    InductionScores,
    Jacobian,
    Loss,
    Request,
    TokenIds,
    Weights,
)


class OwnInputs:
    """What enters the blocks of the model itself, text by text, kept while a recording is made."""

    def __init__(self, network: Callable[[], Network], texts: Mapping[str, ReadText]) -> None:
        self.network = network
        """Gives the model's own network, as its weights are."""
        self.texts = texts
        """By key."""
        self._kept: dict[tuple[str, str, int], Mapping[int, BlockInput]] = {}

    def of(self, key: str) -> Inputs:
        """For one text: the inputs, by layer, that a request is about."""

        def find(request: Jacobian) -> Mapping[int, BlockInput]:
            place = (key, request.block, request.tokens)
            if place not in self._kept:
                network = self.network()
                ids = self.texts[key].ids[: request.tokens]
                self._kept[place] = block_inputs(network, ids, range(network.shape.layers), request.block)
            return self._kept[place]

        return find


@dataclass(frozen=True)
class Batch:
    """Texts with the same number of tokens, which one network reads together; where a matrix is read off it, none."""

    network: Network
    keys: Sequence[str]
    texts: Mapping[str, ReadText]
    """By key, these and others."""
    inputs: OwnInputs

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


def of_jacobians(batch: Batch, asked: Mapping[Entry, Jacobian]) -> dict[Entry, Array]:
    """Spectra at what enters the model's own blocks."""
    return spectra(batch.network, asked, asked, [batch.inputs.of(key) for key in batch.keys])


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
    Jacobian: of_jacobians,
    Weights: matrices,
}
"""By kind of request, what computes it. Those that take passes of their own are in `trials`."""
