"""The one seam between models and statistics: a `Recorder` answers requests with a `Recording`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.positions import Positions
from modclaims.recording.requests import Request
from modclaims.recording.shape import ModelShape

Array = NDArray[np.floating]


class Source(Protocol):
    """Where a recording's arrays come from: a store on disk, or memory."""

    def array(self, request: Request, layer: int) -> Array: ...


@dataclass(frozen=True)
class Recording:
    """Answers to the requests of a suite for one corpus and model.

    `array` gives (text, position, unit) or (text, position, head, unit); without the unit axis after `norm`, `first` and
    `induction`, without the position axis after `mean`; one number per text for `Loss` and `LogOdds`; (text, token) for
    `TokenIds`; (sequence, head) for `InductionScores`; (text, quantity) or (text, singular value) for `Jacobian`; (output unit, input unit) for `Weights`.
    """

    corpus: Corpus
    shape: ModelShape
    positions: tuple[int, ...]
    """The run's positions, resolved."""
    read: tuple[str, ...]
    """Of each text, the part that the network saw (up to the last token kept)."""
    source: Source
    passes: int = 0
    """Forward passes (texts times networks, and what ablation needs) that were made for it; the rest came from the store."""
    ablation_passes: int = 0
    """Of these, passes for ablation: of networks without some parts, and of those that values are taken from."""
    beside: Mapping[str, Recording] = field(default_factory=dict)
    """Recordings of the same texts by the models beside this one, by name."""

    def array(self, request: Request, layer: int = 0) -> Array:
        """The recorded values as float32 or float64, texts in the corpus' order."""
        if request.model is not None:
            return self.of(request.model).array(request.for_model(None), layer)
        return self.source.array(request, layer)

    def of(self, name: str) -> Recording:
        """What one of the run's models made of the texts, as if it were the run's own and alone."""
        if name == self.shape.name:
            return replace(self, shape=replace(self.shape, beside=()), beside={})
        if name not in self.beside:
            have = ", ".join(repr(other) for other in (self.shape.name, *self.beside))
            raise ClaimError(f"Model {name!r} is none of those that this run reads: {have}.")
        return self.beside[name]

    def by_id(self) -> Recording:
        """The same recording with its texts sorted by id, so that the order of rows in a file changes no bit."""
        return self.select(sorted(range(len(self.corpus)), key=lambda i: self.corpus.texts[i].id))

    def select(self, rows: Sequence[int]) -> Recording:
        """The same recording of some of its texts alone, in this order."""
        return replace(
            self,
            corpus=self.corpus.select(list(rows)),
            read=tuple(self.read[i] for i in rows),
            source=_Reordered(self.source, tuple(rows)),
            beside={name: other.select(rows) for name, other in self.beside.items()},
        )


@dataclass(frozen=True)
class _Reordered:
    """Another source, its texts in another order, or some of them alone."""

    source: Source
    order: tuple[int, ...]

    def array(self, request: Request, layer: int) -> Array:
        array = self.source.array(request, layer)
        return array[list(self.order)] if request.in_corpus_order else array


class Recorder(Protocol):
    """Answers requests: a language model, or planted arrays in a test."""

    @property
    def shape(self) -> ModelShape:
        """The network's dimensions and identity."""
        ...

    def check(self, corpus: Corpus, tokens: int, positions: Positions) -> None:
        """Raise `InputError` if the corpus cannot be read at these positions (too short, beyond the context)."""
        ...

    def record(
        self,
        corpus: Corpus,
        requests: Sequence[Request],
        *,
        tokens: int,
        positions: Positions,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Recording:
        """One pass per text and network for the union of the requests, and one more a text for each ablation.
        `progress(done, total, what)`."""
        ...


@dataclass(frozen=True)
class MemorySource:
    """Arrays held in memory, keyed by (request, layer): for planted data and small jobs."""

    arrays: Mapping[tuple[Request, int], Array]

    def array(self, request: Request, layer: int) -> Array:
        try:
            return self.arrays[(request, layer)]
        except KeyError:
            raise ClaimError(f"Nothing was recorded for {request} at layer {layer}.") from None
