"""What is asked of a network. A kind of request is one class, which says all that its answer depends on short of the numbers.

Axes of answers are always in the order (text, position, head, unit).
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.ablation import Ablation
from modclaims.recording.entries import (
    ABLATED,
    INDUCTION,
    JACOBIAN,
    KEY_LENGTH,
    LOG_ODDS,
    LOSS,
    TOKENS,
    WEIGHTS,
    Entry,
)
from modclaims.recording.positions import Positions
from modclaims.recording.reading import Reading
from modclaims.recording.shape import ModelShape

Array = NDArray[np.floating]
Reduce = Literal["none", "norm", "mean", "first", "induction"]

HEAD_SITES = ("head_z", "head_write", "q", "k", "v", "attn_pattern")
LAYER_SITES = ("attn_out", "mlp_out", "mlp_act", "resid_pre", "resid_post")
SITES = ("embed", *LAYER_SITES, *HEAD_SITES)
"""Sites of a request. `embed` has the single layer 0; all others one entry for each layer."""
BYTES = 8
"""Bytes of a recorded number, other than those whose precision is the network's (`Reading.number`)."""


@dataclass(frozen=True)
class RandomTokens:
    """A sequence that is no text of a corpus: different ordinary tokens drawn at random, and the same ones again."""

    period: int
    """Tokens before they come again."""
    seed: int
    number: int
    """Which of the sequences of this period and seed."""

    def length(self, leading: int) -> int:
        """Tokens of it, the special ones that open it included."""
        return leading + 2 * self.period


@dataclass(frozen=True)
class Request(ABC):
    """What is asked of one network: an array for each of some layers.

    The rows of an array are texts of the corpus (`chosen`) or random tokens (`drawn`); a matrix of weights has none
    (`has_rows`).
    """

    @property
    @abstractmethod
    def variant(self) -> str | None:
        """None for the model itself, else such as `untrained:0`."""

    @property
    @abstractmethod
    def subject(self) -> str:
        """What it is about, as messages say it: `site 'attn_out'`."""

    @property
    def model(self) -> str | None:
        """None for the run's own model, else the name of one of those beside it."""
        return None

    @property
    def layers(self) -> tuple[int, ...] | None:
        """Layers asked for, negative ones counted from the end; None for all."""
        return None

    @property
    def positions(self) -> Positions | None:
        """Positions of its own; None for those of the run, or none at all."""
        return None

    # ---- which layers

    def depth(self, shape: ModelShape) -> int:
        """In how many layers of a network it is found; 1 for what a network has once."""
        return shape.layers

    def layers_in(self, shape: ModelShape) -> tuple[int, ...]:
        """Ascending indices of the layers asked for. Raises `ClaimError` for a layer that the model lacks."""
        count = self.depth(shape)
        if self.layers is None:
            return tuple(range(count))
        for layer in self.layers:
            if not -count <= layer < count:
                raise ClaimError(
                    f"Layer {layer} of {self.subject} does not exist: model {shape.name!r} has layers 0 to {count - 1}."
                )
        return tuple(sorted({layer % count for layer in self.layers}))

    def _from_first(self, layer: int, shape: ModelShape) -> int:
        """A layer, perhaps counted from the end, counted from the first."""
        if self.depth(shape) == 1:
            return max(layer, 0)
        return layer + shape.layers if layer < 0 else layer

    # ---- which rows

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        """Indices of the texts that are answered for, in the order of rows; none where rows are no texts.

        Raises `ClaimError` for a text that the corpus lacks.
        """
        return tuple(range(len(corpus)))

    @property
    def in_corpus_order(self) -> bool:
        """Whether rows are all texts of the corpus, in its order."""
        return True

    @property
    def drawn(self) -> tuple[RandomTokens, ...]:
        """Sequences of random tokens, in the order of rows, where rows are no texts."""
        return ()

    @property
    def has_rows(self) -> bool:
        """Whether the answer's first axis is texts or sequences; else it is of the network alone."""
        return True

    # ---- what is kept

    @abstractmethod
    def entry(self, layer: int, reading: Reading) -> Entry:
        """What answers it at one layer, for one text; `layer` may count from the end.

        Different requests that one array answers have the same entry. Raises `UsageError` for positions beyond the
        tokens kept.
        """

    def entries(self, reading: Reading) -> tuple[Entry, ...]:
        """All that it asks for, by layer ascending. Raises what `layers_in` and `entry` raise."""
        return tuple(self.entry(layer, reading) for layer in self.layers_in(reading.shape))

    @abstractmethod
    def size(self, reading: Reading, length: int) -> int:
        """Bytes of what answers it at one layer, for one text of which `length` tokens are read."""

    # ---- what it takes

    def reads(self, length: int) -> int:
        """Tokens that a pass must read of a text of which `length` are read at most; 0 where no pass is needed."""
        return length

    @property
    def ablation(self) -> Ablation | None:
        """What is taken out of the network; None for the network as it is."""
        return None

    @property
    def passes_apart(self) -> bool:
        """Whether it takes passes of its own, of a network without some parts or at fewer tokens."""
        return False

    @property
    def needs_head(self) -> bool:
        """Whether the language-model head is needed."""
        return False

    def check(self, corpus: Corpus, reading: Reading) -> None:
        """Raise what makes it impossible to ask of a network that reads a corpus like this; layers are left to `layers_in`.

        `ClaimError` for what the network or the corpus lacks, `CorpusError` for texts that are too short, `UsageError` for
        positions beyond the tokens kept.
        """
        if self.model is not None:
            raise ClaimError(f"Model {reading.shape.name!r} is read alone, and something was asked of {self.model!r}.")

    # ---- the same of another network

    def for_variant(self, variant: str | None) -> Self:
        """The same request, put to a variant of the model (None: to the model itself)."""
        changed = {"variant": variant}  # a field of every class, and so of none that is known here
        return replace(self, **changed)

    def for_model(self, model: str | None) -> Self:
        """The same request, put to one of the models beside the run's own (None: to that one).

        Raises `ClaimError` for what is asked of the run's own model only.
        """
        if model is None:
            return self
        raise ClaimError(f"Only activations are asked of models beside the run's own, and {self} is not about them.")


@dataclass(frozen=True)
class Activations(Request):
    """Ask for one site at some layers of the model, or of one of its variants.

    (text, position, unit) or (text, position, head, unit); without the unit axis after `norm`, `first` and `induction`,
    without the position axis after `mean`.
    """

    site: str
    """One of `SITES`."""
    layers: tuple[int, ...] | None = None
    """Layers, negative ones counted from the end; None for all."""
    reduce: Reduce = "none"
    """`none` keeps every unit; `norm` is the Euclidean norm over units; `mean` the mean over positions. Of `attn_pattern`
    alone, `first` is what each query gives to the first token, and `induction` what it gives to the tokens before it that
    follow an earlier occurrence of its own token."""
    positions: Positions | None = None
    """None for the positions of the run."""
    variant: str | None = None
    """None for the model itself, else such as `untrained:0`."""
    model: str | None = None
    """None for the run's own model, else the name of one of those beside it."""

    def __post_init__(self) -> None:
        if self.site not in SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(SITES)}.")
        if self.reduce == "first" and self.site != "attn_pattern":
            raise ClaimError(f"Site {self.site!r} has no first token to attend to; reduce='first' is of attn_pattern.")
        if self.reduce == "induction" and self.site != "attn_pattern":
            raise ClaimError(f"Site {self.site!r} attends to nothing; reduce='induction' is of attn_pattern.")

    @property
    def subject(self) -> str:
        return f"site {self.site!r}"

    def depth(self, shape: ModelShape) -> int:
        return 1 if self.site == "embed" else shape.layers

    def entry(self, layer: int, reading: Reading) -> Entry:
        return Entry(self.site, self._from_first(layer, reading.shape), self._positions(reading), self.reduce)

    def size(self, reading: Reading, length: int) -> int:
        heads, units = self._width(reading.shape, length)
        rows = len(self._positions(reading)) * heads
        each = {"none": rows * units, "norm": rows, "mean": heads * units, "first": rows, "induction": rows}
        return reading.number * each[self.reduce]

    def _positions(self, reading: Reading) -> tuple[int, ...]:
        return reading.positions if self.positions is None else self.positions.resolve(reading.tokens)

    def _width(self, shape: ModelShape, length: int) -> tuple[int, int]:
        """(heads, units of each) at one position."""
        if self.site == "attn_pattern":
            return shape.heads, length
        if self.site == "head_write":
            return shape.heads, shape.width
        if self.site in HEAD_SITES:
            return shape.kv_heads if self.site in ("k", "v") else shape.heads, shape.head_width
        return 1, shape.mlp_width if self.site == "mlp_act" else shape.width

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        if self.positions is not None:
            reading.check(corpus, self.positions)

    def for_model(self, model: str | None) -> Self:
        return replace(self, model=model)


class NextToken(Request):
    """Ask for one number a text, (text,), about what a causal model expects to come next, perhaps without some parts."""

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
        _check_tokens(self.tokens)
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
    only): ln P(one of the set) - ln P(none of it), one number a text."""

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


@dataclass(frozen=True)
class TokenIds(Request):
    """Ask for the token ids that are read of each text, (text, token): -1 behind the end of a shorter text."""

    tokens: int | None = None
    """So many from the start, leading special ones included; None for as many as the run reads."""
    variant: str | None = None
    """Of no account: all variants read the same tokens."""

    def __post_init__(self) -> None:
        _check_tokens(self.tokens)

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


EMBEDDINGS = ("embedding", "unembedding")
MATRICES = (*EMBEDDINGS, "q", "k", "v", "o", "mlp_in", "mlp_gate", "mlp_out")
"""Matrices of a network: the first two once, (token, width), the others one for each layer, (output unit, input unit)."""


@dataclass(frozen=True)
class Weights(Request):
    """Ask for one matrix of the network itself, (output unit, input unit), which has no text axis."""

    matrix: str
    """One of `MATRICES`."""
    layers: tuple[int, ...] | None = None
    """Layers, negative ones counted from the end; None for all."""
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.matrix not in MATRICES:
            raise ClaimError(f"Matrix {self.matrix!r} is unknown; choose one of {', '.join(MATRICES)}.")

    @property
    def subject(self) -> str:
        return f"matrix {self.matrix!r}"

    def depth(self, shape: ModelShape) -> int:
        return 1 if self.matrix in EMBEDDINGS else shape.layers

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        return ()

    @property
    def in_corpus_order(self) -> bool:
        return False

    @property
    def has_rows(self) -> bool:
        return False

    def entry(self, layer: int, reading: Reading) -> Entry:
        return Entry(WEIGHTS + self.matrix, self._from_first(layer, reading.shape))

    def size(self, reading: Reading, length: int) -> int:
        return reading.number * reading.shape.width * self._rows(reading)

    def _rows(self, reading: Reading) -> int:
        """Tokens or units on the side of the matrix that is not the residual."""
        shape = reading.shape
        if self.matrix in EMBEDDINGS:
            return reading.vocabulary
        heads = {"q": shape.heads, "o": shape.heads, "k": shape.kv_heads, "v": shape.kv_heads}.get(self.matrix)
        return shape.mlp_width if heads is None else heads * shape.head_width

    def reads(self, length: int) -> int:
        return 0

    @property
    def needs_head(self) -> bool:
        return self.matrix == "unembedding"

    def check(self, corpus: Corpus, reading: Reading) -> None:
        super().check(corpus, reading)
        if self.matrix == "unembedding" and not reading.shape.causal:
            raise ClaimError(f"Model {reading.shape.name!r} is an encoder and has no unembedding.")
        if self.matrix not in (have := (*EMBEDDINGS, *reading.matrices)):
            raise ClaimError(f"Model {reading.shape.name!r} has no matrix {self.matrix!r}; it has: {', '.join(have)}.")


REQUESTS: tuple[type[Request], ...] = (Activations, Loss, LogOdds, TokenIds, InductionScores, Jacobian, Weights)
"""All kinds of requests."""


def for_variant(request: Request, variant: str | None) -> Request:
    """The same request, put to a variant of the model: `Request.for_variant`."""
    return request.for_variant(variant)


def model_of(request: Request) -> str | None:
    """Name of the model that a request is put to; None for the run's own: `Request.model`."""
    return request.model


def for_model(request: Request, model: str | None) -> Request:
    """The same request, put to one of the models beside the run's own: `Request.for_model`."""
    return request.for_model(model)


def _check_tokens(tokens: int | None) -> None:
    if tokens is not None and tokens < 2:
        raise ClaimError(f"tokens = {tokens}: a next-token loss needs at least 2.")


def _indices(corpus: Corpus, texts: tuple[str, ...]) -> tuple[int, ...]:
    at = {text.id: i for i, text in enumerate(corpus.texts)}
    if unknown := [name for name in texts if name not in at]:
        raise ClaimError(f"Corpus {corpus.name!r} has no text {unknown[0]!r}.")
    return tuple(at[name] for name in texts)


def _digest(ablation: Ablation | None, among: tuple[int, ...], keys: Mapping[str, str]) -> str:
    """What is asked of a network and what is taken out of it, texts being what they say and not what they are called."""
    gone = None
    if ablation is not None:
        source = sorted(keys.get(name, name) for name in ablation.source)
        gone = [ablation.unit, ablation.places, ablation.how, source, ablation.keep]
    return hashlib.sha256(json.dumps([gone, among]).encode()).hexdigest()[:KEY_LENGTH]
