"""What is read off a network, and the one seam between models and statistics.

Claims ask with *requests*; a `Recorder` (a language model, or planted arrays in a test) answers all of them with
one `Recording`. Axes are always in the order (text, position, head, unit).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError, UsageError

Array = NDArray[np.floating]
Reduce = Literal["none", "norm", "mean", "first", "induction"]

HEAD_SITES = ("head_z", "head_write", "q", "k", "v", "attn_pattern")
LAYER_SITES = ("attn_out", "mlp_out", "mlp_act", "resid_pre", "resid_post")
SITES = ("embed", *LAYER_SITES, *HEAD_SITES)
"""Sites of a request. `embed` has the single layer 0; all others one entry a layer."""


@dataclass(frozen=True)
class Positions:
    """Token positions read in every text, counted from 0 with the leading special tokens included.

    `last:N:S` is N positions with stride S that end at the last token kept (`last:10:4` of 512 tokens is
    475, 479, ..., 511); `START:STOP:STEP` is Python's range; `475,479` names them.
    """

    spec: str = "last:10:4"

    def resolve(self, tokens: int) -> tuple[int, ...]:
        """The positions as ascending indices below `tokens`. Raises `UsageError` if one lies outside."""
        spec = self.spec.strip()
        wrong = UsageError(
            f"Positions {spec!r} are not understood; write last:N:STRIDE (such as last:10:4), "
            "START:STOP:STEP (such as 475:512:4) or single positions (such as 475,479)."
        )
        try:
            if spec.startswith("last:"):
                count, stride = (int(part) for part in spec.removeprefix("last:").split(":"))
                if count < 1 or stride < 1:
                    raise wrong
                found = tuple(tokens - 1 - stride * k for k in reversed(range(count)))
            elif ":" in spec:
                found = tuple(range(*(int(part) for part in spec.split(":"))))
            else:
                found = tuple(sorted({int(part) for part in spec.split(",")}))
        except (ValueError, TypeError):
            raise wrong from None
        if not found or min(found) < 0:
            raise UsageError(
                f"Positions {spec!r} of {tokens} tokens give {list(found)}: none may be negative and at least one is needed."
            )
        if max(found) >= tokens:
            raise UsageError(
                f"Position {max(found)} of {spec!r} lies beyond the {tokens} tokens kept of each text; "
                "raise --tokens or name earlier positions."
            )
        return found


@dataclass(frozen=True)
class Activations:
    """Ask for one site at some layers of the model, or of one of its variants."""

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


PARTS = ("head", "neuron", "mlp_block", "attn_block")
"""Units that can be ablated."""
REMOVALS = ("zero", "mean", "resample")
"""What stands in place of an ablated unit's output."""


@dataclass(frozen=True)
class Ablation:
    """Which units of a network are taken out of it, and what stands in their place, at every token.

    A head's output is what enters attention's output matrix, a neuron's what enters the MLP's; a block's is what it adds
    to the residual. In its place stands 0 (`zero`); its mean over all tokens read of the texts of `source`, whatever the
    position (`mean`); or its output at the same position of one text of `source` (`resample`): another one than the text
    itself, chosen by a hash of what both say, its tokens from the first again where it is the shorter.
    """

    unit: str
    """One of `PARTS`."""
    places: tuple[tuple[int, int], ...]
    """(layer, index) of each unit; the index of a block is 0."""
    how: str = "zero"
    """One of `REMOVALS`."""
    source: tuple[str, ...] = ()
    """Ids of the texts that values are taken from."""
    keep: bool = False
    """Whether these units are the ones left, all others of their kind, in all layers, being ablated."""

    def __post_init__(self) -> None:
        if self.unit not in PARTS:
            raise ClaimError(f"Unit {self.unit!r} cannot be ablated; choose one of {', '.join(PARTS)}.")
        if self.how not in REMOVALS:
            raise ClaimError(f"Ablation by {self.how!r} is unknown; choose one of {', '.join(REMOVALS)}.")
        needed = {"zero": 0, "mean": 1, "resample": 2}[self.how]
        if len(set(self.source)) < needed or (self.how == "zero" and self.source):
            raise ClaimError(
                f"Ablation by {self.how!r} takes its values from {'no texts' if not needed else f'{needed} texts or more'}; "
                f"source names {len(set(self.source))}."
            )
        object.__setattr__(self, "places", tuple(sorted(set(self.places))))
        object.__setattr__(self, "source", tuple(sorted(set(self.source))))

    def by_layer(self, shape: ModelShape) -> dict[int, tuple[int, ...]]:
        """Indices of the ablated units, layer by layer. Raises `ClaimError` for a unit that the model lacks."""
        count = shape.parts(self.unit)
        for layer, index in self.places:
            if not (0 <= layer < shape.layers and 0 <= index < count):
                raise ClaimError(
                    f"Model {shape.name!r} has no {self.unit} {index} in layer {layer}; it has layers 0 to "
                    f"{shape.layers - 1} with {count} each."
                )
        named: dict[int, set[int]] = {}
        for layer, index in self.places:
            named.setdefault(layer, set()).add(index)
        if self.keep:
            named = {layer: set(range(count)) - named.get(layer, set()) for layer in range(shape.layers)}
        return {layer: tuple(sorted(units)) for layer, units in sorted(named.items()) if units}


@dataclass(frozen=True)
class Loss:
    """Ask for the mean next-token loss of each text in nats (causal models only)."""

    variant: str | None = None
    ablation: Ablation | None = None
    """What is taken out of the network; None for the network as it is."""
    tokens: int | None = None
    """Only so many tokens of each text are read; None for all that the run reads."""
    texts: tuple[str, ...] | None = None
    """Ids of the texts that are answered for, in this order; None for all."""

    def __post_init__(self) -> None:
        _check_read(self.tokens, self.texts)

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        """Indices of the texts that are answered for."""
        return _indices(corpus, self.texts)


@dataclass(frozen=True)
class LogOdds:
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
        _check_read(self.tokens, self.texts)

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        """Indices of the texts that are answered for."""
        return _indices(corpus, self.texts)


@dataclass(frozen=True)
class TokenIds:
    """Ask for the token ids that are read of each text, (text, token): -1 behind the end of a shorter text."""

    tokens: int | None = None
    """So many from the start, leading special ones included; None for as many as the run reads."""
    variant: str | None = None
    """Of no account: all variants read the same tokens."""

    def __post_init__(self) -> None:
        _check_read(self.tokens, None)


@dataclass(frozen=True)
class InductionScores:
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


def _check_read(tokens: int | None, texts: tuple[str, ...] | None) -> None:
    if tokens is not None and tokens < 2:
        raise ClaimError(f"tokens = {tokens}: a next-token loss needs at least 2.")
    if texts is not None and (not texts or len(set(texts)) < len(texts)):
        raise ClaimError("texts names no text, or one twice; leave it None for all.")


def _indices(corpus: Corpus, texts: tuple[str, ...] | None) -> tuple[int, ...]:
    if texts is None:
        return tuple(range(len(corpus)))
    at = {text.id: i for i, text in enumerate(corpus.texts)}
    if unknown := [name for name in texts if name not in at]:
        raise ClaimError(f"Corpus {corpus.name!r} has no text {unknown[0]!r}.")
    return tuple(at[name] for name in texts)


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
class Jacobian:
    """Ask for the singular values of d block(x) / d x, without the residual, at real inputs, in float64.

    x is the block's input stream at the first `tokens` tokens of each text as the model itself makes it, also where the
    block's weights are those of a variant. With `normalised` the block's own normalisation is part of it. Rows of the
    answer are the texts of `chosen`, in that order.
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

    def chosen(self, corpus: Corpus) -> tuple[int, ...]:
        """Indices of the texts that are answered for: all, or so many spread evenly over the corpus, by id ascending."""
        order = sorted(range(len(corpus)), key=lambda i: corpus.texts[i].id)
        count = len(order) if self.texts is None else min(self.texts, len(order))
        return tuple(order[k * len(order) // count] for k in range(count))


EMBEDDINGS = ("embedding", "unembedding")
MATRICES = (*EMBEDDINGS, "q", "k", "v", "o", "mlp_in", "mlp_gate", "mlp_out")
"""Matrices of a network: the first two once, (token, width), the others one a layer, (output unit, input unit)."""


@dataclass(frozen=True)
class Weights:
    """Ask for one matrix of the network itself, which has no text axis."""

    matrix: str
    """One of `MATRICES`."""
    layers: tuple[int, ...] | None = None
    """Layers, negative ones counted from the end; None for all."""
    variant: str | None = None

    def __post_init__(self) -> None:
        if self.matrix not in MATRICES:
            raise ClaimError(f"Matrix {self.matrix!r} is unknown; choose one of {', '.join(MATRICES)}.")


Request = Activations | Loss | LogOdds | TokenIds | InductionScores | Jacobian | Weights


@dataclass(frozen=True)
class ModelShape:
    """What a claim must know of a network before anything is read off it, and what identifies it afterwards."""

    name: str
    layers: int
    heads: int
    kv_heads: int
    width: int
    head_width: int
    mlp_width: int
    context: int
    """Largest number of tokens the network can read."""
    causal: bool = True
    provenance: Mapping[str, str] = field(default_factory=dict)
    """Resolved id, revision, SHA-256 of weights and tokenizer, dtype, attention implementation."""
    gated: bool = False
    """Whether its MLPs have a matrix `mlp_gate` beside `mlp_in`."""
    parameters: int | None = None
    """How many numbers were learned, those that several parts share counted once; None where nobody can tell."""
    beside: tuple[ModelShape, ...] = ()
    """The further models of a run, which claims about scale read beside this one."""

    @property
    def models(self) -> tuple[ModelShape, ...]:
        """This model and those beside it, each by itself: by number of parameters, those of one size by name."""
        every = (replace(self, beside=()), *self.beside)
        return tuple(sorted(every, key=lambda shape: (shape.parameters or 0, shape.name)))

    def parts(self, unit: str) -> int:
        """How many units of a kind of `PARTS` a layer has."""
        return {"head": self.heads, "neuron": self.mlp_width}.get(unit, 1)

    def resolve_layers(self, request: Request) -> tuple[int, ...]:
        """Ascending layer indices of a request. Raises `ClaimError` for a layer that the model lacks."""
        if isinstance(request, (Loss, LogOdds, TokenIds)):
            return (0,)
        if isinstance(request, Activations):
            what, single = f"site {request.site!r}", request.site == "embed"
        elif isinstance(request, Jacobian):
            what, single = f"block {request.block!r}", False
        elif isinstance(request, InductionScores):
            what, single = "induction scores", False
        else:
            what, single = f"matrix {request.matrix!r}", request.matrix in EMBEDDINGS
        count = 1 if single else self.layers
        if request.layers is None:
            return tuple(range(count))
        found = []
        for layer in request.layers:
            if not -count <= layer < count:
                raise ClaimError(
                    f"Layer {layer} of {what} does not exist: model {self.name!r} has layers 0 to {count - 1}."
                )
            found.append(layer % count)
        return tuple(sorted(set(found)))


class Source(Protocol):
    """Where a recording's arrays come from: a store on disk, or memory."""

    def array(self, request: Request, layer: int) -> Array: ...


@dataclass(frozen=True)
class Recording:
    """Answers to the requests of a suite for one corpus and model.

    `array` gives (text, position, unit) or (text, position, head, unit); without the unit axis after `norm`, `first` and
    `induction`, without the position axis after `mean`; one number a text for `Loss` and `LogOdds`; (text, token) for
    `TokenIds`; (sequence, head) for `InductionScores`; (text, quantity) or (text, singular value) for `Jacobian`; (output unit, input unit) for `Weights`.
    """

    corpus: Corpus
    shape: ModelShape
    positions: tuple[int, ...]
    """The run's positions, resolved."""
    read: tuple[str, ...]
    """Of each text, the part that the network saw (up to the last token kept)."""
    source: Source
    passes: int = 0
    """Forward passes (texts times networks, and what ablation needs) that were made for it; the rest came from the store."""
    ablation_passes: int = 0
    """Of these, passes for ablation: of networks without some parts, and of those that values are taken from."""
    beside: Mapping[str, Recording] = field(default_factory=dict)
    """Recordings of the same texts by the models beside this one, by name."""

    def array(self, request: Request, layer: int = 0) -> Array:
        """The recorded values as float32 or float64, texts in the corpus' order."""
        if (name := model_of(request)) is not None:
            return self.of(name).array(for_model(request, None), layer)
        return self.source.array(request, layer)

    def of(self, name: str) -> Recording:
        """What one of the run's models made of the texts, as if it were the run's own and alone."""
        if name == self.shape.name:
            return replace(self, shape=replace(self.shape, beside=()), beside={})
        if name not in self.beside:
            have = ", ".join(repr(other) for other in (self.shape.name, *self.beside))
            raise ClaimError(f"Model {name!r} is none of those that this run reads: {have}.")
        return self.beside[name]

    def by_id(self) -> Recording:
        """The same recording with its texts sorted by id, so that the order of rows in a file changes no bit."""
        order = sorted(range(len(self.corpus)), key=lambda i: self.corpus.texts[i].id)
        return replace(
            self,
            corpus=self.corpus.select(order),
            read=tuple(self.read[i] for i in order),
            source=_Reordered(self.source, tuple(order)),
            beside={name: other.by_id() for name, other in self.beside.items()},
        )


@dataclass(frozen=True)
class _Reordered:
    """Another source, its texts in another order."""

    source: Source
    order: tuple[int, ...]

    def array(self, request: Request, layer: int) -> Array:
        array = self.source.array(request, layer)
        itself = (
            isinstance(request, (Weights, Jacobian, InductionScores)) or getattr(request, "texts", None) is not None
        )
        return array if itself else array[list(self.order)]


class Recorder(Protocol):
    """Answers requests: a language model, or planted arrays in a test."""

    @property
    def shape(self) -> ModelShape:
        """The network's dimensions and identity."""
        ...

    def check(self, corpus: Corpus, tokens: int, positions: Positions) -> None:
        """Raise `InputError` if the corpus cannot be read at these positions (too short, beyond the context)."""
        ...

    def record(
        self,
        corpus: Corpus,
        requests: Sequence[Request],
        *,
        tokens: int,
        positions: Positions,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> Recording:
        """One pass a text and network for the union of the requests, and one more a text for each ablation.
        `progress(done, total, what)`."""
        ...


@dataclass(frozen=True)
class MemorySource:
    """Arrays held in memory, keyed by (request, layer): for planted data and small jobs."""

    arrays: Mapping[tuple[Request, int], Array]

    def array(self, request: Request, layer: int) -> Array:
        try:
            return self.arrays[(request, layer)]
        except KeyError:
            raise ClaimError(f"Nothing was recorded for {request} at layer {layer}.") from None


def for_variant(request: Request, variant: str | None) -> Request:
    """The same request, put to a variant of the model."""
    return replace(request, variant=variant)


def model_of(request: Request) -> str | None:
    """Name of the model that a request is put to; None for the run's own."""
    return request.model if isinstance(request, Activations) else None


def for_model(request: Request, model: str | None) -> Request:
    """The same request, put to one of the models beside the run's own (None: to that one).

    Raises `ClaimError` for what is asked of the run's own model only.
    """
    if isinstance(request, Activations):
        return replace(request, model=model)
    if model is None:
        return request
    raise ClaimError(f"Only activations are asked of models beside the run's own, and {request} is not about them.")
