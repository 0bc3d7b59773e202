"""Singular values of what a block does to its input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.memory import SPARED, check_fits, memory_free
from modclaims.recording.entries import JACOBIAN, Entry
from modclaims.recording.reading import Reading
from modclaims.recording.requests.request import BYTES, Request

BLOCKS = ("mlp", "attention")
DRAWN = ("gaussian", "permuted")
"""Kinds of variants whose blocks are drawn from the matrices as they were learned, one by one, with no network of their own."""
BY_TOKEN = (
    "numerical_rank",
    "effective_rank",
    "stable_rank",
    "above_tenth",
    "largest",
    "floor",
    "active",
    "explained",
)
"""What is known of one token's Jacobian J_t = d block(x)_t / d x, width x (tokens x width), in this order: singular values
above the floor; exp of the entropy of sigma^2 / sum; ||J_t||_F^2 / sigma_1^2; values above a tenth of the first; sigma_1; the
noise floor, width x float32's eps, in units of sigma_1; the neurons whose slope lies above the floor, in units of the token's
largest; and the rank that so many neurons and the block's norms leave. The last two are -1 for attention."""
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
"""What a summary of the spectrum of all tokens together holds, in this order: exp of the entropy of sigma^2 / sum;
||J||_F^2 / sigma_1^2; how many singular values lie above a tenth of the first; the numerical rank (two numbers, equal where
it is determined); sigma_1; and the noise floor, in units of sigma_1, below which nothing is counted: float32's where the
matrix is decomposed, float64's where it is only estimated. Errors are 0 where the spectrum is exact."""
Answer = Literal["tokens", "token_values", "summary", "values"]


@dataclass(frozen=True)
class Jacobian(Request):
    """Ask for the singular values of d block(x) / d x, without the residual, at real inputs, in float64.

    x is the block's input stream at a window of `tokens` tokens of each text, as the model itself makes it, also where the
    block's weights are those of a variant; earlier tokens are held still, as keys and values. With `normalised` the block's
    own normalisation is part of it. Rows of the answer are the texts of `chosen`, in that order.
    """

    block: str
    """One of `BLOCKS`."""
    tokens: int = 4
    layers: tuple[int, ...] | None = None
    """Layers, negative ones counted from the end; None for all."""
    normalised: bool = True
    texts: int | None = None
    """At most so many texts; None for all."""
    answer: Answer = "tokens"
    """`tokens` is (text, token, `BY_TOKEN`): of each token's output by itself. `token_values` is (text, token, width), its
    singular values, largest first. `summary` is (text, `SPECTRUM`): of all tokens' outputs together; `values` (text,
    tokens x width), all their singular values, largest first, not a number where they were only estimated together."""
    variant: str | None = None
    last: int | None = None
    """The window's last token, from 0; None for the first of the run's positions."""
    only: int | None = None
    """Of the texts that would be chosen the one with this number alone, counted round and round from 0; None for all."""

    def __post_init__(self) -> None:
        if self.block not in BLOCKS:
            raise ClaimError(f"Block {self.block!r} is unknown; choose one of {', '.join(BLOCKS)}.")
        if self.tokens < 1:
            raise ClaimError(f"tokens = {self.tokens}: a Jacobian needs at least 1.")
        if self.texts is not None and self.texts < 2:
            raise ClaimError(f"texts = {self.texts}: at least 2 are needed, or None for all.")
        if self.last is not None and self.last < self.tokens - 1:
            raise ClaimError(
                f"ends_at = {self.last}: a window of {self.tokens} tokens ends at token {self.tokens - 1} or later, from 0."
            )

    @property
    def subject(self) -> str:
        return f"block {self.block!r}"

    @property
    def of_one_block(self) -> bool:
        return True

    def loads(self, reading: Reading) -> str:
        drawn = self.variant is not None and self.variant.partition(":")[0] in DRAWN
        return reading.own if drawn else super().loads(reading)

    def operations(self, reading: Reading) -> float:
        """Of matrix products; an eigenvalue decomposition of n rows takes as long as one of 4 n^3 operations."""
        width, tokens = float(reading.shape.width), self.tokens
        decomposed, product = 4 * width**3, 2 * width**3
        if self.block == "mlp":
            formed = 2 * width**2 * reading.shape.mlp_width * (2 if reading.shape.gated else 1)
            each = tokens * (formed + product + decomposed)
        else:
            inner = float(reading.shape.heads * reading.shape.head_width)
            pairs = tokens * (tokens + 1) / 2
            each = tokens * (6 * width**2 * inner + decomposed) + pairs * (2 * width**2 * inner + product)
            if self.answer in ("summary", "values"):
                each += 6 * (tokens * width) ** 3
        return each

    def working_bytes(self, reading: Reading) -> int:
        width, shape = reading.shape.width, reading.shape
        inner = (
            (2 if shape.gated else 1) * 3 * shape.mlp_width
            if self.block == "mlp"
            else 7 * shape.heads * shape.head_width
        )
        whole = (self.tokens * width) ** 2 if self.block == "attention" and self.answer in ("summary", "values") else 0
        return BYTES * (2 * whole + width * ((2 * self.tokens + 5) * width + inner))

    def shared_bytes(self, reading: Reading) -> int:
        shape = reading.shape
        if self.block == "mlp":
            return 0
        return BYTES * 3 * self.tokens * shape.width * shape.heads * shape.head_width

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        """Indices of the texts that are answered for: all, or so many spread evenly over the corpus, by id ascending."""
        order = sorted(range(len(corpus)), key=lambda i: corpus.texts[i].id)
        count = len(order) if self.texts is None else min(self.texts, len(order))
        spread = tuple(order[k * len(order) // count] for k in range(count))
        return spread if self.only is None else (spread[self.only % count],)

    @property
    def in_corpus_order(self) -> bool:
        return False

    def window(self, positions: tuple[int, ...]) -> tuple[int, ...]:
        """Its tokens, from 0, where the run's positions are these. Raises `ClaimError` where they begin too early for it."""
        last = positions[0] if self.last is None else self.last
        if last < self.tokens - 1:
            raise ClaimError(
                f"A window of {self.tokens} tokens cannot end at token {last}, the first of the run's positions; choose later "
                f"--positions, fewer tokens = ..., or ends_at = {self.tokens - 1}, the start of each text."
            )
        return tuple(range(last - self.tokens + 1, last + 1))

    def entry(self, layer: int, reading: Reading) -> Entry:
        bare, own = "" if self.normalised else ".bare", f"@{reading.own}" if reading.own else ""
        site = f"{JACOBIAN}{self.block}{bare}{own}"
        return Entry(site, self._from_first(layer, reading.shape), self.window(reading.positions), self.answer)

    def size(self, reading: Reading, length: int) -> int:
        width = reading.shape.width
        by_token = {"tokens": len(BY_TOKEN), "token_values": width, "values": width}
        return BYTES * (len(SPECTRUM) if self.answer == "summary" else self.tokens * by_token[self.answer])

    def reads(self, length: int) -> int:
        return length if self.last is None else self.last + 1

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        if self.last is not None or reading.positions:  # else the run's positions are checked by themselves
            last = self.window(reading.positions)[-1]
            what = f"a Jacobian at {self.tokens} tokens up to token {last}"
            reading.check_length(corpus, last + 1, what, "lower tokens = ... or ends_at = ... of the claim")
        block = "an MLP" if self.block == "mlp" else "attention"
        check_fits(
            self.working_bytes(reading) + self.shared_bytes(reading),
            f"The Jacobian of {block} at {self.tokens} tokens of width {reading.shape.width}",
            lambda _: f"{self._fitting(reading)}, or give it more memory.",
        )

    def _fitting(self, reading: Reading) -> str:
        """How many tokens there is room for."""
        room = SPARED * memory_free()
        each = (replace(self, tokens=n, last=None) for n in range(self.tokens - 1, 0, -1))
        most = next((one.tokens for one in each if one.working_bytes(reading) + one.shared_bytes(reading) <= room), 0)
        return f"Lower tokens = ... to {most}" if most else "Not even one token fits: choose a narrower network"
