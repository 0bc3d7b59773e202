"""Spectra of one block's Jacobians as claims see them: by unit and layer, all tokens together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common.units import Sample
from modclaims.families.jacobians.measured_spectra import TITLES, by_text, drawn_spectra
from modclaims.recording import SPECTRUM, Jacobian, Recording
from modclaims.stats.evidence import Cell, Exhibit

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class WholeSpectra:
    """Spectra of all tokens of a window together, summed up by unit and layer."""

    request: Jacobian
    """The one that asks for the summaries."""
    sample: Sample
    layers: tuple[int, ...]
    quantities: Floats
    """(unit, layer, quantity) those of `SPECTRUM`, in its order."""

    @classmethod
    def of(cls, recording: Recording, request: Jacobian) -> WholeSpectra:
        """What was recorded of a block, at the texts that the request chooses."""
        sample = Sample.of(recording.corpus, request.chosen(recording.corpus))
        layers = recording.shape.resolve_layers(request)
        return cls(request, sample, layers, sample.units(by_text(recording, request, layers)))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """One per layer."""
        return tuple(Cell(layer=layer) for layer in self.layers)

    def quantity(self, name: str) -> Floats:
        """(unit, layer) one of `SPECTRUM`."""
        return self.quantities[:, :, SPECTRUM.index(name)]

    def exhibit(self, recording: Recording) -> Exhibit:
        """Singular values by layer on a log axis, relative to the first, with the noise floor and what was counted."""
        counted = self.quantity("above_tenth").mean(axis=0)
        return drawn_spectra(
            recording,
            replace(self.request, answer="values"),
            self.layers,
            self.quantity,
            f"Singular values of the {TITLES[self.request.block]}'s Jacobian",
            f"Singular values relative to the largest, all tokens together, median over {self.sample.texts} texts, one line per "
            f"layer; those above a tenth are marked ({', '.join(f'{c:.0f}' for c in counted)}), and nothing is counted below the "
            "noise floor.",
        )
