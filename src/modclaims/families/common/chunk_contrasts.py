"""ChunkContrast: claims that a curve along depth lies higher in the middle layers than in an early or a last chunk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.families.common.controls import trained_minus_untrained, untrained_control, untrained_variants
from modclaims.families.common.depth_curves import (
    DepthCurve,
    Overlay,
    cell_of,
    changes_spelt,
    chunks_spelt,
    curve_exhibit,
    untrained_curves,
)
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import Sample
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan, flipped
from modclaims.recording import ModelShape, Recording, Request
from modclaims.stats.bounds.conjunction import ConjoinedBounds, ConjoinedTest
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import sign_flips
from modclaims.stats.effects.chunks import Division, best_division, change_frequencies, contrasts, held_out, mean_bounds
from modclaims.stats.evidence import Control, Exhibit, NullTest
from modclaims.stats.nulls.null_objects import mean_replicates
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
SPLITS = 20
TWIN_RESAMPLES = 999
"""The most resamples by which untrained networks are held against the network."""


class ChunkContrast(DepthCurve):
    """A curve, one number per text and layer, lies higher in the middle than at both ends (or lower, for `_sign` -1).

    The layers are divided into an early chunk, a middle one and a last one, in every way that
    `early_most`, `last_most` and `middle_least` admit; a cell is a division, and its effect the lesser of
    two contrasts: the middle's mean against the early chunk's, and against the last chunk's (one contrast
    with `ends` early or last). Both must hold, so p of a division is that of its weaker contrast.

    p by flipping the sign of each text's whole vector of contrasts. Exchangeable under the null: a text's
    contrasts and their negatives, so that the joint law of those that are null must be symmetric about 0;
    step-down maxT over both contrasts of all admissible divisions. Dividing by the flips' own spread or
    studentising every flip orders them alike, since a sum of squares knows no sign. The search is paid
    for in the bounds too: the lower limit is that of a simultaneous band, over both contrasts of all
    divisions, from the wider of bootstrap-t and Student's t over texts. Change points are descriptive.
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
        return (self.request(), *(self.request(variant) for variant in untrained_variants(self.untrained)))

    def plan(self, before: PlanContext) -> TestPlan:
        request = self.requests(before.shape)[0]
        made = flipped(unlabelled(self, Sample.of(before.corpus), before, request), before)
        action = f"flipping the signs of each {made.unit}'s contrasts"
        return replace(made, action=action, cells=len(self.divisions(before.shape)))

    def measure(self, look: Look) -> Measured:
        sample = Sample.of(look.corpus)
        curves = sample.units(self.curve(look.recording, None))
        layers = curves.shape[1]
        divisions = self.divisions(look.shape)
        weights = self._sign * contrasts(divisions, layers, self.ends)
        parts = weights.shape[1]
        values = curves @ weights.reshape(layers, -1)  # (unit, part x division)
        resamples = self._resamples(look, sample)
        size = float(np.abs(curves).max())
        bounds = ConjoinedBounds.of(mean_bounds(values, resamples, self._contrast_ends, size), parts)
        flat = (np.ptp(values, axis=0) <= ROUNDING * size).reshape(parts, -1).any(axis=0)
        return Measured(
            tuple(cell_of(d) for d in divisions),
            self.effect_name,
            bounds,
            self._flipped(look, sample, values, size, parts),
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            degenerate=tuple(int(cell) for cell in np.flatnonzero(flat)),
            payload=Contrasted(sample, curves, divisions, weights, resamples, bounds),
        )

    def _flipped(self, look: Look, sample: Sample, values: Floats, size: float, parts: int) -> NullTest:
        """Sign flips of the units' contrasts, all parts of all divisions together; `size` is that of the curves."""
        rng = look.rng("flips", design=sample.design(0))
        signs, exact = sign_flips(sample.n, budget=look.settings.permutations, rng=rng)
        joint = NullTest.of(
            "mean paired contrast" + (", the weaker of two" if parts > 1 else ""),
            signs.astype(np.float64) @ values / sample.n,
            np.full(values.shape[1], ROUNDING * size),
            exact=exact,
            action="flipping the signs of each " + sample.unit + "'s contrasts",
            by=self.adjust,
        )
        return ConjoinedTest.conjoined(joint, parts)

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Contrasted)
        out = []
        if len(found.divisions) > 1:
            out.append(RivalResult(_held_out(look, found, named)))
        if self.untrained:
            out.append(self._untrained(look, found, named))
        return out

    def _untrained(self, look: Look, found: Contrasted, named: int) -> RivalResult:
        """The weaker contrast of the named division in untrained networks, and what training adds to it."""
        sample = found.sample
        untrained = [
            sample.units(self.curve(look.recording, variant)) for variant in untrained_variants(self.untrained)
        ]
        weight = found.weights[:, [found.bounds.least_part(named)], named]
        resamples = self._resamples(look, sample, TWIN_RESAMPLES)
        theirs = [curves @ weight for curves in untrained]  # (unit, 1) each
        bounds = trained_minus_untrained(
            mean_replicates(found.curves @ weight, resamples),
            [mean_replicates(values, resamples) for values in theirs],
            resamples,
            look.lasting_rng("twins", design=sample.design(0)),
            ends=(-np.inf, np.inf),
        )
        return RivalResult(
            untrained_control(
                bounds, [float(values.mean()) for values in theirs], 0, look.alpha, "the lesser contrast"
            ),
            untrained=np.array([curves.mean(axis=0) for curves in untrained]),
        )

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Contrasted)
        return (
            curve_exhibit(
                f"{self._quantity[:1].upper()}{self._quantity[1:]} by relative depth",
                self._quantity,
                found.curves,
                found.resamples,
                look.alpha,
                ends=self._curve_ends,
                overlay=Overlay(found.divisions[named], found.frequencies, untrained=untrained_curves(rivals)),
            ),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Contrasted)
        divisions, mean, frequencies = found.divisions, found.mean, found.frequencies
        return Words(
            note=f"{self.told(look.recording)}; {len(divisions)} division{'s' if len(divisions) > 1 else ''} of "
            f"{len(mean)} layers",
            detail=f"{self.sentence_of(chunks_spelt(divisions[named], mean))} "
            + (
                "The division was named in advance."
                if frequencies is None
                else changes_spelt(frequencies, divisions[named])
            ),
            warnings=found.sample.warnings,
            secondary=by_chunk(self._quantity, mean, divisions) | self.beside(look.recording, found.sample, divisions),
        )


@dataclass(frozen=True)
class Contrasted:
    """Curves along depth, with the contrasts of every division of the layers that was searched."""

    sample: Sample
    """The texts, or blocks, that the curves are of."""
    curves: Floats
    """(unit, layer)"""
    divisions: tuple[Division, ...]
    """The claim's cells."""
    weights: Floats
    """(layer, part, division) weights of the contrasts with each end, positive where the curve bends as is claimed."""
    resamples: Resamples
    bounds: ConjoinedBounds
    """Of the lesser contrast of every division."""

    @property
    def mean(self) -> Floats:
        """(layer,) the mean curve."""
        return np.asarray(self.curves.mean(axis=0))

    @cached_property
    def frequencies(self) -> Floats | None:
        """(2, layer) how often resamples begin the middle, and the last chunk, at each layer; None of a single division."""
        if len(self.divisions) == 1:
            return None
        picked = best_division(self.resamples.times[1:] @ self.curves / self.sample.n, self.weights)
        return change_frequencies(picked, self.divisions, self.curves.shape[1])


def by_chunk(what: str, curve: Floats, divisions: tuple[Division, ...]) -> dict[str, Floats]:
    """Means of a (layer,) curve in the chunks of every division; left out where an end is not set apart."""
    out: dict[str, Floats] = {}
    for c, chunk in enumerate(("early", "middle", "last")):
        layers = [d.chunks(len(curve))[c] for d in divisions]
        if all(len(found) for found in layers):
            out[f"{what}, {chunk}"] = np.array([curve[list(found)].mean() for found in layers])
    return out


def _held_out(look: Look, found: Contrasted, named: int) -> Control:
    """What a division picked on one half of the units amounts to on the other."""
    rng = look.lasting_rng("halves", design=found.sample.design(0))
    effects, picked = held_out(found.curves, found.weights, SPLITS, rng)
    again = int((picked == named).sum())
    return Control(
        "held_out",
        f"Picked on one half of the {found.sample.unit}s and measured on the other, in {SPLITS} splits, the lesser contrast is "
        f"{np.median(effects):.2f} ({from_to(effects, 2)}); {again} of them pick the same division.",
        {
            "median": float(np.median(effects)),
            "lowest": float(effects.min()),
            "highest": float(effects.max()),
            "same": again,
        },
    )
