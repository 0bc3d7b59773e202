"""How much heads attend like induction heads."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.entries import INDUCTION, Entry
from modclaims.recording.reading import Reading
from modclaims.recording.requests.request import RandomTokens, Request


@dataclass(frozen=True)
class InductionScores(Request):
    """Ask how much each head attends like an induction head, on random tokens that come twice (causal models only).

    No text of the corpus takes part. A sequence is the leading special tokens, `period` different ordinary tokens drawn at
    random, and the same ones again. The answer is (sequence, head) by layer: attention that a query of the second half pays
    to the token after the earlier occurrence of its own token, the mean over the second half.
    """

    sequences: int = 24
    period: int = 32
    """Tokens before they come again."""
    seed: int = 0
    layers: tuple[int, ...] | None = None
    """Layers, negative ones counted from the end; None for all."""
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.sequences < 1 or self.period < 2:
            raise ClaimError(
                f"sequences = {self.sequences} and period = {self.period}: induction needs at least 1 sequence of period 2."
            )

    @property
    def subject(self) -> str:
        return "induction scores"

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        return ()

    @property
    def in_corpus_order(self) -> bool:
        return False

    @property
    def drawn(self) -> tuple[RandomTokens, ...]:
        return tuple(RandomTokens(self.period, self.seed, number) for number in range(self.sequences))

    def entry(self, layer: int, reading: Reading) -> Entry:
        start = reading.leading + self.period
        second = tuple(range(start, start + self.period))
        return Entry(INDUCTION, self._from_first(layer, reading.shape), second, "mean")

    def size(self, reading: Reading, length: int) -> int:
        return reading.number * reading.shape.heads

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        shape = reading.shape
        if not shape.causal:
            raise ClaimError(
                f"Model {shape.name!r} is not causal: its tokens also see what comes after them, so what follows an earlier "
                "occurrence tells nothing new. Leave this claim out, or choose a causal model."
            )
        if (needed := self.drawn[0].length(reading.leading)) > shape.context:
            raise ClaimError(
                f"period = {self.period}: sequences of {needed} tokens do not fit into model {shape.name!r}, which reads "
                f"at most {shape.context}; lower period."
            )
