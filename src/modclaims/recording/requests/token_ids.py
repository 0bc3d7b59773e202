"""Which tokens are read."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.recording.entries import TOKENS, Entry
from modclaims.recording.reading import Reading
from modclaims.recording.requests.next_token import check_tokens
from modclaims.recording.requests.request import BYTES, Request
from modclaims.recording.shape import ModelShape


@dataclass(frozen=True)
class TokenIds(Request):
    """Ask for the token ids that are read of each text, (text, token): -1 behind the end of a shorter text."""

    tokens: int | None = None
    """So many from the start, leading special ones included; None for as many as the run reads."""
    variant: str | None = None
    """Of no account: all variants read the same tokens."""

    def __post_init__(self) -> None:
        check_tokens(self.tokens)

    @property
    def subject(self) -> str:
        return "token ids"

    def depth(self, shape: ModelShape) -> int:
        return 1

    def entry(self, layer: int, reading: Reading) -> Entry:
        return Entry(TOKENS, 0, (self._kept(reading),))

    def size(self, reading: Reading, length: int) -> int:
        return BYTES * self._kept(reading)

    def _kept(self, reading: Reading) -> int:
        return self.tokens or reading.tokens

    def reads(self, length: int) -> int:
        return 0
