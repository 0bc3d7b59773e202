"""PlanContext: what is known of a run before anything is recorded."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.corpus import Corpus
from modclaims.look import PlannedStreams, TestSettings
from modclaims.recording import ModelShape, Request
from modclaims.stats.evidence import Cell
from modclaims.stats.quantifiers import Holds


@dataclass(frozen=True)
class PlanContext:
    """What is known of a run before anything is recorded."""

    corpus: Corpus
    """Texts sorted by id, as they are when claims are weighed."""
    shape: ModelShape
    positions: tuple[int, ...]
    """The run's positions, resolved."""
    weighing: TestSettings
    tokens: int = 0
    """How many tokens of each text are kept; 0 where that is not asked."""

    def cells(self, holds: Holds, request: Request, places: int = 1) -> int:
        """How many of a request's layers x places a claim speaks of. Raises `ClaimError` for a layer that is not among them,
        and for a slope over too few."""
        layers = self.shape.resolve_layers(request)
        holds.contrast(layers)
        return places * len(holds.chosen(tuple(Cell(layer=layer) for layer in layers)))

    def streams(self, claim: str) -> PlannedStreams:
        """The random streams that a claim of this class name will draw from."""
        return PlannedStreams(claim, self.weighing)
