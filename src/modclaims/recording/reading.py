"""How one network reads the texts of a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modclaims.corpus import Corpus
from modclaims.errors import CorpusError, UsageError
from modclaims.recording.positions import Positions
from modclaims.recording.shape import ModelShape

NAMED_AT_MOST = 5
"""Texts that an error names; the rest is counted."""


@dataclass(frozen=True)
class Reading:
    """How one network reads the texts of a corpus: what a request must know to say what it asks for, and what that takes.

    All of it is known from a model's configuration and tokenizer, before its weights are read.
    """

    shape: ModelShape
    lengths: tuple[int, ...]
    """(text,) tokens read of each text."""
    tokens: int
    """Tokens kept of each text, at most."""
    positions: tuple[int, ...] = ()
    """The run's positions, resolved; requests without positions of their own mean these."""
    number: int = 4
    """Bytes of a recorded activation."""
    vocabulary: int = 0
    """Rows of the embedding."""
    own: str = ""
    """The variant that the model itself is, such as `untrained:0`; empty for the weights as they are."""
    leading: int = 1
    """Special tokens that open every text."""
    beside: tuple[Reading, ...] = ()
    """The same of the models beside it."""
    matrices: tuple[str, ...] = ()
    """Matrices that each layer has."""
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By text id, what tells texts apart by the tokens that are read of them."""

    def check(self, corpus: Corpus, positions: Positions) -> None:
        """Raise `InputError` if the corpus cannot be read at these positions.

        `UsageError` for more tokens than the network can read, or positions beyond them; `CorpusError`, naming the
        texts, where one is too short.
        """
        if self.tokens > self.shape.context:
            raise UsageError(
                f"--tokens is {self.tokens}, and model {self.shape.name!r} reads at most {self.shape.context}; lower --tokens, "
                "and --positions with it if they lie beyond."
            )
        last = max(positions.resolve(self.tokens))
        self.check_length(corpus, last + 1, f"position {last}")

    def check_length(
        self, corpus: Corpus, needed: int, what: str, remedy: str = "choose earlier --positions or fewer --tokens"
    ) -> None:
        """Raise `CorpusError`, naming the texts, where fewer tokens than needed are read of one."""
        short = [(text.id, length) for text, length in zip(corpus.texts, self.lengths, strict=True) if length < needed]
        if not short:
            return
        named = ", ".join(f"{name!r} ({length})" for name, length in short[:NAMED_AT_MOST])
        more = f" and {len(short) - NAMED_AT_MOST} more" if len(short) > NAMED_AT_MOST else ""
        raise CorpusError(
            f"Corpus {corpus.name!r} has {len(short)} of {len(corpus.texts)} texts too short for {what}, which takes {needed} "
            f"tokens; their lengths in tokens: {named}{more}. Leave them out, or {remedy} "
            f"(the shortest text has {min(length for _, length in short)})."
        )
