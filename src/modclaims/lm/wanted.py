"""What the requests of a recording want: texts and random tokens to read, and what to keep of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from modclaims.corpus import Corpus
from modclaims.lm.store import NO_TEXT, text_key
from modclaims.lm.tokens import ReadText
from modclaims.lm.variants import Variant
from modclaims.recording import Entry, RandomTokens, Reading, Request

Draw = Callable[[Sequence[RandomTokens]], Sequence[ReadText]]
"""Gives random tokens as the network reads them."""


@dataclass
class Wanted:
    """What requests want of the networks of one model, collected request by request."""

    reading: Reading
    texts: dict[str, ReadText]
    """By key, the texts of the corpus, and the random tokens that requests ask about."""
    names: dict[str, str]
    """By key, what messages call each."""
    rows: dict[Request, tuple[str, ...]] = field(default_factory=dict)
    """Keys of the rows of requests whose rows are not the corpus in its order."""
    entries: dict[Variant | None, dict[str, set[Entry]]] = field(default_factory=dict)
    """By network and key, what must be kept."""
    asked: dict[Entry, Request] = field(default_factory=dict)
    """Of each entry, a request that asks for it."""

    @classmethod
    def of_texts(cls, corpus: Corpus, reading: Reading, read: Sequence[ReadText]) -> Wanted:
        """Nothing yet, of these texts as they are read."""
        keys = [reading.keys[text.id] for text in corpus.texts]
        names = {key: text.id for key, text in zip(keys, corpus.texts, strict=True)} | {NO_TEXT: "(weights)"}
        return cls(reading, dict(zip(keys, read, strict=True)), names)

    def collect(self, requests: Iterable[Request], corpus: Corpus, draw: Draw) -> None:
        """What further requests want, whose random tokens `draw` gives. Raises what `Request.check` and `Request.entries` raise."""
        for request in requests:
            request.check(corpus, self.reading)
            entries = request.entries(self.reading)
            keys = [self.reading.keys[corpus.texts[i].id] for i in request.chosen(corpus)]
            keys += self._drawn(request, draw)
            if not request.in_corpus_order:
                self.rows[request] = tuple(keys or [NO_TEXT])
            self.asked.update(dict.fromkeys(entries, request))
            of_network = self.entries.setdefault(variant_of(request, self.reading), {})
            for key in keys or [NO_TEXT]:
                of_network.setdefault(key, set()).update(entries)

    def _drawn(self, request: Request, draw: Draw) -> list[str]:
        """Keys of the random tokens that a request is about, which are read as texts are."""
        sequences = draw(request.drawn) if request.drawn else ()
        keys = [text_key(sequence.ids) for sequence in sequences]
        for number, (key, sequence) in enumerate(zip(keys, sequences, strict=True)):
            self.texts.setdefault(key, sequence)
            self.names.setdefault(key, f"(random tokens {number})")
        return keys


def variant_of(request: Request, reading: Reading) -> Variant | None:
    """The variant that a request is put to. Raises `ClaimError` for one that nobody knows."""
    if request.variant is not None:
        return Variant.parse(request.variant)
    return Variant.parse(reading.own) if reading.own else None
