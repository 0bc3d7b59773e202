"""What a network reads of each text: its first tokens, and the part of the body that they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError, ModelError
from modclaims.lm.untyped import Untyped
from modclaims.recording import RandomTokens
from modclaims.stats.streams import stream

CHARACTERS_AT_ONCE = 2**18
"""Of texts that are encoded in one call; an encoding takes some hundred bytes a token until it is cut."""


@dataclass(frozen=True, eq=False)
class ReadText:
    """One text as the network sees it."""

    ids: NDArray[np.int64]
    """Token ids, (token,): the leading special tokens, then the text, cut to the number asked for."""
    read: str
    """The part of the body that the kept tokens stand for."""


class TextReader:
    """Encodes texts with a tokenizer of transformers: leading special tokens, no trailing ones, nothing padded.

    Raises `ModelError` if the tokenizer does not put its special tokens around the text's own.
    """

    def __init__(self, tokenizer: Untyped, name: str) -> None:
        self.tokenizer = tokenizer
        probe = "a"
        bare = self._ids(probe, add_special_tokens=False)
        whole = self._ids(probe, add_special_tokens=True)
        starts = [start for start in range(len(whole)) if whole[start : start + len(bare)] == bare]
        if not bare or not starts:
            raise ModelError(
                f"The tokenizer of model {name!r} gives {whole} for {probe!r}, which does not hold its own {bare}."
            )
        self.leading: list[int] = whole[: starts[0]]
        """Special tokens that open every text."""

    def _ids(self, text: str, *, add_special_tokens: bool) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]
        return ids

    def ordinary(self, vocabulary: int) -> NDArray[np.int64]:
        """Ids below `vocabulary` of the tokens that are not special, ascending."""
        tokenizer = self.tokenizer
        special = {*tokenizer.all_special_ids, *self.leading}
        special |= {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
        known = set(tokenizer.get_vocab().values()) - special
        return np.array(sorted(i for i in known if 0 <= i < vocabulary), dtype=np.int64)

    def repeated(self, sequences: Sequence[RandomTokens], vocabulary: int) -> list[ReadText]:
        """Random tokens of this vocabulary that come twice: see `repeated`."""
        return repeated(sequences, self.leading, self.ordinary(vocabulary)) if sequences else []

    def read(self, bodies: Sequence[str], tokens: int) -> Iterator[ReadText]:
        """Each body's first `tokens` tokens, leading special ones included.

        The part read is a substring of the body up to the end of the last token; a slow tokenizer, which does not say
        where its tokens lie, gives its own spelling of them instead.
        """
        room = max(0, tokens - len(self.leading))
        for part in _parts(bodies):
            encoded = self.tokenizer(part, add_special_tokens=False, verbose=False)
            for index, (body, ids) in enumerate(zip(part, encoded["input_ids"], strict=True)):
                kept = ids[:room]
                if not kept or len(kept) == len(ids):
                    read = body if kept else ""
                elif encoded.encodings:
                    read = body[: encoded.encodings[index].token_to_chars(len(kept) - 1)[1]]
                else:
                    read = self.tokenizer.decode(kept, skip_special_tokens=True)
                yield ReadText(np.array([*self.leading, *kept], dtype=np.int64)[:tokens], read)


def repeated(sequences: Sequence[RandomTokens], leading: Sequence[int], ordinary: NDArray[np.int64]) -> list[ReadText]:
    """Random tokens that come twice, drawn from the ordinary ones; a further sequence changes none of the others.

    Raises `ClaimError` where the vocabulary has too few ordinary tokens.
    """
    if len(ordinary) < (period := max(one.period for one in sequences)):
        raise ClaimError(
            f"period = {period}: the vocabulary has only {len(ordinary)} ordinary tokens to draw from; lower period."
        )
    found = []
    for one in sequences:
        rng = stream(one.seed, "repeated tokens", str(one.period), str(one.number))
        drawn = rng.choice(ordinary, one.period, replace=False)
        found.append(ReadText(np.concatenate([leading, drawn, drawn]).astype(np.int64), ""))
    return found


def _parts(bodies: Sequence[str]) -> Iterator[list[str]]:
    """The bodies in order, a few at a time: as many as fit, at least one."""
    part: list[str] = []
    size = 0
    for body in bodies:
        if part and size + len(body) > CHARACTERS_AT_ONCE:
            yield part
            part, size = [], 0
        part.append(body)
        size += len(body)
    if part:
        yield part
