"""What is asked of a network, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Self

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.ablation import Ablation
from modclaims.recording.entries import Entry
from modclaims.recording.positions import Positions
from modclaims.recording.reading import Reading
from modclaims.recording.shape import ModelShape

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
        if not self.layers:
            raise ClaimError(f"layers = () names no layer of {self.subject}; leave it out for all of them.")
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
    def of_one_block(self) -> bool:
        """Whether it is worked out block by block, at what enters those of the model itself, whatever the variant."""
        return False

    def loads(self, reading: Reading) -> str:
        """The variant of the network that must be loaded for it; empty for the weights as they are."""
        return reading.own if self.variant is None else self.variant

    def operations(self, reading: Reading) -> float:
        """Floating-point operations that one text and layer take beyond a pass, about; 0 where a pass is all."""
        return 0.0

    def shared_bytes(self, reading: Reading) -> int:
        """What is held while several of one kind are worked out, which share it; 0 where nothing is."""
        return 0

    def working_bytes(self, reading: Reading) -> int:
        """Memory that one text and layer take while that is worked out, about."""
        return 0

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
