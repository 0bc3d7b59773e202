"""ChunkContrast: claims that a curve along depth lies higher in the middle layers than in an early or a last chunk."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.families.controls import trained_minus_untrained, twin_variants, untrained_twin
from modclaims.families.depth_curves import DepthCurve, cell_of, changes_spelt, chunks_spelt, curve_exhibit
from modclaims.families.units import Sample
from modclaims.look import Weighing
from modclaims.recording import ModelShape, Recording, Request
from modclaims.stats.actions import sign_flips
from modclaims.stats.bootstrap import Resamples
from modclaims.stats.chunks import (
    Division,
    best_division,
    change_frequencies,
    contrasts,
    held_out,
    mean_bounds,
)
from modclaims.stats.conjunction import ConjoinedBounds, ConjoinedTest
from modclaims.stats.evidence import Control, Evidence, NullTest
from modclaims.stats.null_objects import mean_replicates
from modclaims.stats.streams import stream
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
SPLITS = 20


class ChunkContrast(DepthCurve):
    """A curve, a number a text and layer, lies higher in the middle than at both ends (or lower, for `_sign` -1).

    The layers are divided into an early chunk, a middle one and a last one, in every way that `early_most`, `last_most` and
    `middle_least` admit; a cell is a division, and its effect the lesser of two contrasts, the middle's mean against the
    early chunk's and against the last chunk's (with `ends` early or last, one contrast against the rest). Both must hold,
    so p of a division is that of its weaker contrast.

    p by flipping the sign of each text's whole vector of contrasts. Exchangeable under the null: a text's contrasts and their
    negatives, so that the joint law of those that are null must be symmetric about 0; step-down maxT over both contrasts of
    all admissible divisions. Dividing by the flips' own spread or studentising every flip orders them alike, since a sum of
    squares knows no sign. The search is paid for in the bounds too: the lower limit is that of a simultaneous band, over both
    contrasts of all divisions, from the wider of bootstrap-t and Student's t over texts. Change points are descriptive.
    """

    effect_name: ClassVar[str] = "lesser contrast"
    _sign: ClassVar[float] = 1.0
    """-1 where the middle is said to lie lower."""
    _contrast_ends: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    """Ends of a contrast's scale ..."""
    _curve_ends: ClassVar[tuple[float, float]] = (0.0, 1.0)
    """... and of the curve's."""
    _quantity: ClassVar[str] = "mean"
    """What the curve is, in words."""

    @abstractmethod
    def curve(self, recording: Recording, variant: str | None) -> Floats:
        """(text, layer) of the network or of one of its variants."""

    @abstractmethod
    def request(self, variant: str | None = None) -> Request:
        """What the curve is made of."""

    @abstractmethod
    def told(self, recording: Recording) -> str:
        """What was looked at, for the evidence's note."""

    def beside(self, recording: Recording, sample: Sample, divisions: tuple[Division, ...]) -> dict[str, Floats]:
        """Secondary numbers of the family's own, one a division."""
        return {}

    def sentence_of(self, spelt: str) -> str:
        """A sentence on the curve's means by chunk."""
        return f"The {self._quantity} is {spelt}."

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        self.divisions(shape)
        return (self.request(), *(self.request(variant) for variant in twin_variants(self.twins)))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus)
        curves = sample.units(self.curve(recording, None))
        layers = curves.shape[1]
        divisions = self.divisions(recording.shape)
        cells = tuple(cell_of(d) for d in divisions)
        weights = self._sign * contrasts(divisions, layers, self.ends)
        parts = weights.shape[1]
        values = curves @ weights.reshape(layers, -1)  # (unit, part x division)
        resamples = self._resamples(sample, weighing)
        size = float(np.abs(curves).max())
        bounds = ConjoinedBounds.of(mean_bounds(values, resamples, self._contrast_ends, size), parts)
        test = self._flipped(values, size, parts, sample, weighing)
        flat = (np.ptp(values, axis=0) <= ROUNDING * size).reshape(parts, -1).any(axis=0)
        degenerate = tuple(int(cell) for cell in np.flatnonzero(flat))
        bare = Evidence(cells, self.effect_name, bounds, test, sample.texts, n_units=sample.n, degenerate=degenerate)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha, weighing.claims).cell
        division, mean = divisions[named], curves.mean(axis=0)
        picked = best_division(resamples.times[1:] @ curves / sample.n, weights)
        frequencies = change_frequencies(picked, divisions, layers)
        twins = [sample.units(self.curve(recording, v)) for v in twin_variants(self.twins)]
        return replace(
            bare,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            controls=self._controls(sample, curves, twins, weights, bounds, named, weighing),
            exhibits=(
                curve_exhibit(
                    f"{self._quantity[:1].upper()}{self._quantity[1:]} by relative depth",
                    self._quantity,
                    curves,
                    resamples,
                    weighing.alpha,
                    ends=self._curve_ends,
                    division=division,
                    frequencies=frequencies if len(divisions) > 1 else None,
                    twins=np.array([t.mean(axis=0) for t in twins]) if twins else None,
                ),
            ),
            secondary=by_chunk(self._quantity, mean, divisions) | self.beside(recording, sample, divisions),
            warnings=sample.warnings,
            note=f"{self.told(recording)}; {len(divisions)} division{'s' if len(divisions) > 1 else ''} of {layers} layers",
            detail=f"{self.sentence_of(chunks_spelt(division, mean))} "
            + (changes_spelt(frequencies, division) if len(divisions) > 1 else "The division was named in advance."),
        )

    def _flipped(self, values: Floats, size: float, parts: int, sample: Sample, weighing: Weighing) -> NullTest:
        """Sign flips of the units' contrasts, all parts of all divisions together; `size` is that of the curves."""
        name = type(self).__name__
        rng = weighing.rng(name, sample.design(0), "flips")
        signs, exact = sign_flips(sample.n, budget=weighing.permutations, rng=rng)
        joint = NullTest.of(
            "mean paired contrast" + (", the weaker of two" if parts > 1 else ""),
            signs.astype(np.float64) @ values / sample.n,
            np.full(values.shape[1], ROUNDING * size),
            exact=exact,
            action="flipping the signs of each " + sample.unit + "'s contrasts",
            by=self.adjust,
        )
        return ConjoinedTest.conjoined(joint, parts)

    def _controls(
        self,
        sample: Sample,
        curves: Floats,
        twins: list[Floats],
        weights: Floats,
        bounds: ConjoinedBounds,
        named: int,
        weighing: Weighing,
    ) -> tuple[Control, ...]:
        name, found = type(self).__name__, []
        if weights.shape[2] > 1:
            rng = stream(weighing.seed, name, sample.design(0), "halves")
            effects, picked = held_out(curves, weights, SPLITS, rng)
            again = int((picked == named).sum())
            found.append(
                Control(
                    "held_out",
                    f"Picked on one half of the {sample.unit}s and measured on the other, in {SPLITS} splits, the lesser contrast is "
                    f"{np.median(effects):.2f} ({from_to(effects, 2)}); {again} of them pick the same division.",
                    {
                        "median": float(np.median(effects)),
                        "lowest": float(effects.min()),
                        "highest": float(effects.max()),
                        "same": again,
                    },
                )
            )
        if twins:
            weight = weights[:, [bounds.least_part(named)], named]
            resamples = self._resamples(sample, replace(weighing, resamples=min(weighing.resamples, 999)))
            found.append(_twin_control(curves @ weight, [t @ weight for t in twins], resamples, name, sample, weighing))
        return tuple(found)


def by_chunk(what: str, curve: Floats, divisions: tuple[Division, ...]) -> dict[str, Floats]:
    """Means of a (layer,) curve in the chunks of every division; left out where an end is not set apart."""
    out: dict[str, Floats] = {}
    for c, chunk in enumerate(("early", "middle", "last")):
        layers = [d.chunks(len(curve))[c] for d in divisions]
        if all(len(found) for found in layers):
            out[f"{what}, {chunk}"] = np.array([curve[list(found)].mean() for found in layers])
    return out


def _twin_control(
    own: Floats, twins: list[Floats], resamples: Resamples, name: str, sample: Sample, weighing: Weighing
) -> Control:
    """The weaker contrast of the named division in untrained twins, (unit, 1) each, and what training adds to it."""
    bounds = trained_minus_untrained(
        mean_replicates(own, resamples),
        [mean_replicates(t, resamples) for t in twins],
        resamples,
        stream(weighing.seed, name, sample.design(0), "twins"),
        ends=(-np.inf, np.inf),
    )
    return untrained_twin(bounds, [float(t.mean()) for t in twins], 0, weighing.alpha, "the lesser contrast")
