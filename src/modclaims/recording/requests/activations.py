"""What the sites of a network hold while it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.recording.entries import Entry
from modclaims.recording.positions import Positions
from modclaims.recording.reading import Reading
from modclaims.recording.requests.request import Request
from modclaims.recording.shape import ModelShape

Reduce = Literal["none", "norm", "mean", "first", "induction"]

HEAD_SITES = ("head_z", "head_write", "q", "k", "v", "attn_pattern")
LAYER_SITES = ("attn_out", "mlp_out", "mlp_act", "resid_pre", "resid_post")
SITES = ("embed", *LAYER_SITES, *HEAD_SITES)
"""Sites of a request. `embed` has the single layer 0; all others one entry for each layer."""


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
