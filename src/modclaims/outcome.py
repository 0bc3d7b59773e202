"""How a claim may end."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """How a claim ended; each with its sentence."""

    SUPPORTED = ("supported", "the effect exceeds the smallest that matters, more than chance explains")
    REFUTED = ("refuted", "the effect lies below the smallest that matters")
    INCONCLUSIVE = ("inconclusive", "these texts settle it neither way")
    ERROR = ("error", "the claim could not be weighed")
    SKIPPED = ("skipped", "the corpus lacks a column, the run the models, or the network a part, that the claim needs")

    def __init__(self, word: str, sentence: str) -> None:
        self.word, self.sentence = word, sentence
