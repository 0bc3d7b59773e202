"""Singular values of what a block does to its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.entries import JACOBIAN, Entry
from modclaims.recording.reading import Reading
from modclaims.recording.requests.request import BYTES, Request

BLOCKS = ("mlp", "attention")
SPECTRUM = (
    "effective_rank",
    "effective_rank_error",
    "stable_rank",
    "above_tenth",
    "above_tenth_error",
    "rank_at_least",
    "rank_at_most",
    "largest",
    "floor",
)
"""What a summary of a spectrum holds, in this order: exp of the entropy of sigma^2 / sum; ||J||_F^2 / sigma_1^2; how many
singular values lie above a tenth of the first; the numerical rank (two numbers, equal where it is determined); sigma_1;
and the noise floor, in units of sigma_1, below which nothing is counted. Errors are 0 where the spectrum is exact."""


@dataclass(frozen=True)
class Jacobian(Request):
    """Ask for the singular values of d block(x) / d x, without the residual, at real inputs, in float64.

    x is the block's input stream at the first `tokens` tokens of each text as the model itself makes it, also where the
    block's weights are those of a variant. With `normalised` the block's own normalisation is part of it. Rows of the
    answer are the texts of `chosen`, in that order: (text, quantity) or (text, singular value).
    """

    block: str
    """One of `BLOCKS`."""
    tokens: int = 4
    layers: tuple[int, ...] | None = None
    """Layers, negative ones counted from the end; None for all."""
    normalised: bool = True
    texts: int | None = None
    """At most so many texts; None for all."""
    answer: Literal["summary", "values", "effective_rank"] = "summary"
    """`summary` is the numbers of `SPECTRUM`, `effective_rank` the first of them alone, at less cost; `values` all singular
    values, largest first, not a number where they were only estimated together."""
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.block not in BLOCKS:
            raise ClaimError(f"Block {self.block!r} is unknown; choose one of {', '.join(BLOCKS)}.")
        if self.tokens < 1:
            raise ClaimError(f"tokens = {self.tokens}: a Jacobian needs at least 1.")
        if self.texts is not None and self.texts < 2:
            raise ClaimError(f"texts = {self.texts}: at least 2 are needed, or None for all.")

    @property
    def subject(self) -> str:
        return f"block {self.block!r}"

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        """Indices of the texts that are answered for: all, or so many spread evenly over the corpus, by id ascending."""
        order = sorted(range(len(corpus)), key=lambda i: corpus.texts[i].id)
        count = len(order) if self.texts is None else min(self.texts, len(order))
        return tuple(order[k * len(order) // count] for k in range(count))

    @property
    def in_corpus_order(self) -> bool:
        return False

    def entry(self, layer: int, reading: Reading) -> Entry:
        bare, own = "" if self.normalised else ".bare", f"@{reading.own}" if reading.own else ""
        site = f"{JACOBIAN}{self.block}{bare}{own}"
        return Entry(site, self._from_first(layer, reading.shape), tuple(range(self.tokens)), self.answer)

    def size(self, reading: Reading, length: int) -> int:
        numbers = {"summary": len(SPECTRUM), "effective_rank": 1, "values": self.tokens * reading.shape.width}
        return BYTES * numbers[self.answer]

    def reads(self, length: int) -> int:
        return self.tokens

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        what = f"a Jacobian at {self.tokens} tokens"
        reading.check_length(corpus, self.tokens, what, "lower tokens = ... of the claim")
