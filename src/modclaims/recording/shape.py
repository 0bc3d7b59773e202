"""The dimensions of a network, and what identifies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol


class Layered(Protocol):
    """What can tell which layers of a network it is about, as requests can."""

    def layers_in(self, shape: ModelShape) -> tuple[int, ...]:
        """Ascending indices of the layers. Raises `ClaimError` for a layer that the network lacks."""
        ...


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
    """Resolved id, revision, SHA-256 of weights and tokenizer, computed and stored dtype, attention implementation."""
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

    def resolve_layers(self, request: Layered) -> tuple[int, ...]:
        """Ascending layer indices of a request. Raises `ClaimError` for a layer that the model lacks."""
        return request.layers_in(self)
