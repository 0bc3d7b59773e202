"""How a claim may end."""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """How a claim ended: the word that files and tables have for it, and its sentence."""

    SUPPORTED = ("supported", "the effect exceeds the smallest that matters, more than chance explains")
    REFUTED = ("refuted", "the effect lies below the smallest that matters")
    INCONCLUSIVE = ("inconclusive", "these texts settle it neither way")
    ERROR = ("error", "the claim could not be weighed")
    SKIPPED = ("skipped", "the corpus lacks a column, the run the models, or the network a part, that the claim needs")

    word: str
    sentence: str

    def __new__(cls, word: str, sentence: str) -> Outcome:
        one = object.__new__(cls)
        one._value_ = one.word = word
        one.sentence = sentence
        return one
