"""Matrices of a network."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.entries import WEIGHTS, Entry
from modclaims.recording.reading import Reading
from modclaims.recording.requests.request import Request
from modclaims.recording.shape import ModelShape

EMBEDDINGS = ("embedding", "unembedding")
MATRICES = (*EMBEDDINGS, "q", "k", "v", "o", "mlp_in", "mlp_gate", "mlp_out")
"""Matrices of a network: the first two once, (token, width), the others one for each layer, (output unit, input unit)."""


@dataclass(frozen=True)
class Weights(Request):
    """Ask for one matrix of the network itself, (output unit, input unit), which has no text axis."""

    matrix: str
    """One of `MATRICES`."""
    layers: tuple[int, ...] | None = None
    """Layers, negative ones counted from the end; None for all."""
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.matrix not in MATRICES:
            raise ClaimError(f"Matrix {self.matrix!r} is unknown; choose one of {', '.join(MATRICES)}.")

    @property
    def subject(self) -> str:
        return f"matrix {self.matrix!r}"

    def depth(self, shape: ModelShape) -> int:
        return 1 if self.matrix in EMBEDDINGS else shape.layers

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        return ()

    @property
    def in_corpus_order(self) -> bool:
        return False

    @property
    def has_rows(self) -> bool:
        return False

    def entry(self, layer: int, reading: Reading) -> Entry:
        return Entry(WEIGHTS + self.matrix, self._from_first(layer, reading.shape))

    def size(self, reading: Reading, length: int) -> int:
        return reading.number * reading.shape.width * self._rows(reading)

    def _rows(self, reading: Reading) -> int:
        """Tokens or units on the side of the matrix that is not the residual."""
        shape = reading.shape
        if self.matrix in EMBEDDINGS:
            return reading.vocabulary
        heads = {"q": shape.heads, "o": shape.heads, "k": shape.kv_heads, "v": shape.kv_heads}.get(self.matrix)
        return shape.mlp_width if heads is None else heads * shape.head_width

    def reads(self, length: int) -> int:
        return 0

    @property
    def needs_head(self) -> bool:
        return self.matrix == "unembedding"

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        if self.matrix == "unembedding" and not reading.shape.causal:
            raise ClaimError(f"Model {reading.shape.name!r} is an encoder and has no unembedding.")
        if self.matrix not in (have := (*EMBEDDINGS, *reading.matrices)):
            raise ClaimError(f"Model {reading.shape.name!r} has no matrix {self.matrix!r}; it has: {', '.join(have)}.")
