"""What a causal model expects to come next: losses and log-odds, perhaps without some of its parts."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.ablation import Ablation
from modclaims.recording.entries import ABLATED, KEY_LENGTH, LOG_ODDS, LOSS, Entry
from modclaims.recording.reading import Reading
from modclaims.recording.requests.request import BYTES, Request
from modclaims.recording.shape import ModelShape


class NextToken(Request):
    """Ask for one number per text, (text,), about what a causal model expects to come next, perhaps without some parts."""

    @property
    @abstractmethod
    def tokens(self) -> int | None:
        """Only so many tokens of each text are read; None for all that the run reads."""

    @property
    @abstractmethod
    def texts(self) -> tuple[str, ...] | None:
        """Ids of the texts that are answered for, in this order; None for all."""

    def depth(self, shape: ModelShape) -> int:
        return 1

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        return tuple(range(len(corpus))) if self.texts is None else _indices(corpus, self.texts)

    @property
    def in_corpus_order(self) -> bool:
        return self.texts is None

    def size(self, reading: Reading, length: int) -> int:
        return BYTES

    @property
    def needs_head(self) -> bool:
        return True

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        shape = reading.shape
        if not shape.causal:
            raise ClaimError(
                f"Model {shape.name!r} is not causal: its tokens also see what comes after them, so it has no "
                "next-token loss. Leave this claim out, or choose a causal model."
            )
        reading.check_length(corpus, 2, "a next-token loss")
        self.chosen(corpus)
        if self.ablation is not None:
            self.ablation.by_layer(shape)
            _indices(corpus, self.ablation.source)

    def _check_read(self) -> None:
        check_tokens(self.tokens)
        if self.texts is not None and (not self.texts or len(set(self.texts)) < len(self.texts)):
            raise ClaimError("texts names no text, or one twice; leave it None for all.")

    def _apart(self, site: str, among: tuple[int, ...], reading: Reading) -> Entry:
        """What is kept where passes of its own are made: of so many tokens, under a digest of what is asked and taken out."""
        read = min(self.tokens or reading.tokens, reading.tokens)
        return Entry(site, 0, (read,), _digest(self.ablation, among, reading.keys))


@dataclass(frozen=True)
class Loss(NextToken):
    """Ask for the mean next-token loss of each text in nats, (text,) (causal models only)."""

    variant: str | None = None
    ablation: Ablation | None = None
    """What is taken out of the network; None for the network as it is."""
    tokens: int | None = None
    """Only so many tokens of each text are read; None for all that the run reads."""
    texts: tuple[str, ...] | None = None
    """Ids of the texts that are answered for, in this order; None for all."""

    def __post_init__(self) -> None:
        self._check_read()

    @property
    def subject(self) -> str:
        return "the loss"

    def entry(self, layer: int, reading: Reading) -> Entry:
        return self._apart(ABLATED, (), reading) if self.passes_apart else Entry(LOSS)

    @property
    def passes_apart(self) -> bool:
        return self.ablation is not None or self.tokens is not None


@dataclass(frozen=True)
class LogOdds(NextToken):
    """Ask for the log-odds of a set of next tokens, against all others, averaged over each text's tokens (causal models
    only): ln P(one of the set) - ln P(none of it), one number per text."""

    among: tuple[int, ...]
    """Ids of the tokens of the set."""
    variant: str | None = None
    ablation: Ablation | None = None
    """What is taken out of the network; None for the network as it is."""
    tokens: int | None = None
    """Only so many tokens of each text are read; None for all that the run reads."""
    texts: tuple[str, ...] | None = None
    """Ids of the texts that are answered for, in this order; None for all."""

    def __post_init__(self) -> None:
        if not self.among:
            raise ClaimError("Log-odds are those of a set of tokens; among = () names none.")
        object.__setattr__(self, "among", tuple(sorted(set(self.among))))
        self._check_read()

    @property
    def subject(self) -> str:
        return "log-odds"

    def entry(self, layer: int, reading: Reading) -> Entry:
        return self._apart(LOG_ODDS, self.among, reading)

    @property
    def passes_apart(self) -> bool:
        return True

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        if not 0 <= min(self.among) <= max(self.among) < reading.vocabulary:
            raise ClaimError(f"Model {reading.shape.name!r} has tokens 0 to {reading.vocabulary - 1} only.")


def _indices(corpus: Corpus, texts: tuple[str, ...]) -> tuple[int, ...]:
    at = {text.id: i for i, text in enumerate(corpus.texts)}
    if unknown := [name for name in texts if name not in at]:
        raise ClaimError(f"Corpus {corpus.name!r} has no text {unknown[0]!r}.")
    return tuple(at[name] for name in texts)


def check_tokens(tokens: int | None) -> None:
    """Raise `ClaimError` for fewer tokens than a next-token loss needs; None is as many as the run reads."""
    if tokens is not None and tokens < 2:
        raise ClaimError(f"tokens = {tokens}: a next-token loss needs at least 2.")


def _digest(ablation: Ablation | None, among: tuple[int, ...], keys: Mapping[str, str]) -> str:
    """What is asked of a network and what is taken out of it, texts being what they say and not what they are called."""
    gone = None
    if ablation is not None:
        source = sorted(keys.get(name, name) for name in ablation.source)
        gone = [ablation.unit, ablation.places, ablation.how, source, ablation.keep]
    return hashlib.sha256(json.dumps([gone, among]).encode()).hexdigest()[:KEY_LENGTH]
