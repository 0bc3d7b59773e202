"""What a family leaves of its measuring: cells with their test and bounds, rivals weighed, and words on the named cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.evidence import CategoryRow, Cell, Control, Evidence, Exhibit, NullTest

Floats = NDArray[np.float64]
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class RivalResult:
    """A rival explanation, weighed: its control, and what it adds to the evidence beside it."""

    control: Control
    secondary: Mapping[str, Floats] = field(default_factory=dict)
    """Further statistics, one value per cell."""
    warnings: tuple[str, ...] = ()
    figures: tuple[Exhibit, ...] = ()
    location: bool | None = None
    """Whether the difference may be called one of location; None where this rival does not say."""
    untrained: Floats | None = None
    """(network, layer or cell) what untrained networks show, which the family's own figures draw beside the effect."""
    by_model: Floats | None = None
    """(model, cell) what each model of the run shows, likewise."""


@dataclass(frozen=True)
class Words:
    """What is said of the named cell, and the numbers that stand beside the effect without deciding."""

    note: str = ""
    """What was looked at: site, similarity, unit, response."""
    detail: str = ""
    """A sentence on the named cell that belongs to the result: which category a head prefers."""
    warnings: tuple[str, ...] = ()
    secondary: Mapping[str, Floats] = field(default_factory=dict)
    """Further statistics, one value per cell."""
    categories: tuple[CategoryRow, ...] = ()
    """How the categories differ at some cells."""


@dataclass(frozen=True)
class Measured:
    """Cells with their effects, bounds and test: all that decides, and what the family needs later.

    The parameters of `Evidence` of the same names say what each is.
    """

    cells: tuple[Cell, ...]
    effect_name: str
    bounds: Bounds
    test: NullTest | None
    n_texts: int
    n_units: int
    unit: str = "text"
    resampled: str = "texts"
    degenerate: tuple[int, ...] = ()
    undecided: str = ""
    payload: object = None
    """What the family's own later steps need: whatever `kept` is asked for."""

    def kept(self, kind: type[Kind]) -> Kind:
        """The payload. Raises `TypeError` where it is of another kind: each family leaves one kind and asks for it."""
        if not isinstance(self.payload, kind):
            raise TypeError(f"{kind.__name__} was asked for, and measure() left {type(self.payload).__name__}.")
        return self.payload

    def evidence(
        self, rivals: Sequence[RivalResult] = (), exhibits: Sequence[Exhibit] = (), words: Words | None = None
    ) -> Evidence:
        """What a verdict is read from; without arguments what decides, and nothing beside it."""
        said = Words() if words is None else words
        secondary = dict(said.secondary)
        for rival in rivals:
            secondary |= rival.secondary
        locations = [rival.location for rival in rivals if rival.location is not None]
        return Evidence(
            cells=self.cells,
            effect_name=self.effect_name,
            bounds=self.bounds,
            test=self.test,
            n_texts=self.n_texts,
            unit=self.unit,
            n_units=self.n_units,
            resampled=self.resampled,
            degenerate=self.degenerate,
            controls=tuple(rival.control for rival in rivals),
            exhibits=(*(figure for rival in rivals for figure in rival.figures), *exhibits),
            secondary=secondary,
            categories=said.categories,
            location=locations[0] if locations else None,
            warnings=said.warnings + tuple(warning for rival in rivals for warning in rival.warnings),
            note=said.note,
            undecided=self.undecided,
            detail=said.detail,
        )
