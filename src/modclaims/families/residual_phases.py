"""ResidualPhases: is the stream reshaped early, refined in the middle, and mapped once more at the end?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.controls import EMBED, twin_variants
from modclaims.families.depth_curves import DepthCurve, beyond, changes_spelt, chunks_spelt, curve_exhibit
from modclaims.families.units import Sample
from modclaims.look import Weighing
from modclaims.recording import Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.actions import sign_flips
from modclaims.stats.bootstrap import Resamples
from modclaims.stats.chunks import change_frequencies
from modclaims.stats.conjunction import ConjoinedBounds, ConjoinedTest
from modclaims.stats.evidence import Cell, Control, Evidence, NullTest
from modclaims.stats.phases import (
    Errors,
    Phases,
    in_sample,
    out_of_sample,
    polynomial,
    polynomial_fit,
    reduced,
    reduction,
    reduction_bounds,
)
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
PHASES = "phases"
LARGEST = 3
"""Coordinates without which the cosines are taken once more."""


class ResidualPhases(DepthCurve):
    """The stream is reshaped in an early chunk of layers, refined in the middle, and mapped once more at the end.

    The curve is the cosine between the stream before and after each layer, a number a text and layer: the mean over the
    positions after the first token. Phases are a level for each of three chunks of layers, the middle one the highest,
    fitted by least squares over all divisions that `early_most`, `last_most` and `middle_least` admit. Any slope rejects
    constancy, so phases are held against a straight line along relative depth: both are fitted to the mean curve of some
    texts and measured on the curves of others, in 10 folds of texts (whole blocks). A large step at one end alone would beat
    a line too, so phases must also foretell better than two phases do, without the last and without the early one (with
    `ends` early or last, the line is the only rival). The effect (error reduction) is the share of a rival's squared error,
    out of sample, that is gone with phases, against the rival where it is least: 0 where phases foretell other texts as well
    as that rival does, 1 where they leave nothing, negative where the rival is better.

    p by flipping the signs of the texts' differences in error, rival minus phases, the weakest rival deciding. Exchangeable under the null: a difference
    and its negative, so their law must be symmetric about 0; given both fits such a difference is linear in the text's curve,
    hence symmetric where texts vary symmetrically. Bounds from texts resampled, all copies of a text in one fold, phases
    fitted and divided anew in every resample, on the logarithm of the ratio of errors. Layers are not left out: the claim is
    about those of this network. Change points are descriptive. Beside it stand a parabola, which has as many coefficients as there are levels, the cosines
    without the largest coordinates, and untrained twins.

    Source: the remark that cosines of the stream between blocks show three phases in residual networks.
    """

    smallest_effect: float = 0.2
    effect_name: ClassVar[str] = "error reduction"
    largest_effect: ClassVar[float] = 1.0
    least_layers: ClassVar[int] = 5

    def validate(self) -> None:
        super().validate()
        if self.smallest_effect <= 0:
            raise ClaimError(
                "smallest_effect = 0: where the curve is flat, phases and a line foretell it equally well and their difference "
                "has no spread to speak of; say how much less phases must err, such as 0.2."
            )

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        self.divisions(shape)
        asked = (Activations("resid_post"), EMBED)
        return (*asked, *(for_variant(r, v) for v in twin_variants(self.twins) for r in asked))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus)
        layers = recording.shape.layers
        states = Stream.of(recording, None, self.family())
        curves = sample.units(states.cosines())
        phases = Phases(self.divisions(recording.shape), layers)
        resamples = self._resamples(sample, weighing)
        rivals = phases.rivals()
        drawings = {PHASES: phases.drawing, **rivals}
        if not weighing.bare:
            drawings |= {"parabola": polynomial_fit(layers, 2), "constant": polynomial_fit(layers, 0)}
        errors, fitted = (found(curves, resamples.times, drawings) for found in (out_of_sample, in_sample))
        joint = reduction_bounds(errors, fitted, PHASES, list(rivals), resamples)
        bounds = ConjoinedBounds.of(joint, len(rivals))
        test = self._flipped({name: errors[name][0] for name in drawings}, list(rivals), sample, weighing)
        bare = Evidence((Cell(),), self.effect_name, bounds, test, sample.texts, n_units=sample.n)
        if weighing.bare:
            return bare
        mean = curves.mean(axis=0)
        division = phases.divisions[int(phases.fit(mean[None])[1][0])]
        picked = phases.fit(resamples.times[1:] @ curves / sample.n)[1]
        frequencies = change_frequencies(picked, phases.divisions, layers)
        twins = [sample.units(Stream.of(recording, v, self.family()).cosines()) for v in twin_variants(self.twins)]
        few = Resamples(resamples.times[:1], resamples.groups)
        return replace(
            bare,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            controls=(
                _parabola(errors, fitted, resamples, weighing.alpha),
                _without_largest(states, sample, phases, few, bounds.effect[0]),
                *([_twins(twins, phases, few, float(bounds.effect[0]))] if twins else []),
            ),
            exhibits=(
                curve_exhibit(
                    "Cosine of the stream before and after each layer, by relative depth",
                    "cosine before and after",
                    curves,
                    resamples,
                    weighing.alpha,
                    ends=(-1.0, 1.0),
                    division=division,
                    frequencies=frequencies if len(phases.divisions) > 1 else None,
                    line=polynomial(layers, 1) @ mean,
                    twins=np.array([t.mean(axis=0) for t in twins]) if twins else None,
                ),
            ),
            secondary={
                **{f"error reduction against {name}": joint.effect[[i]] for i, name in enumerate(rivals)},
                **{f"out-of-sample error, {name}": found[[0]].mean(axis=1) for name, found in errors.items()},
            },
            warnings=sample.warnings,
            note=f"cosine between the stream before and after each of {layers} layers, positions after the first token; "
            f"{len(phases.divisions)} division{'s' if len(phases.divisions) > 1 else ''}, in this network",
            detail=self._weakest(bounds, list(rivals))
            + f"The cosine is {chunks_spelt(division, mean)}. "
            + (
                changes_spelt(frequencies, division)
                if len(phases.divisions) > 1
                else "The division was named in advance."
            ),
        )

    @staticmethod
    def _weakest(bounds: ConjoinedBounds, rivals: list[str]) -> str:
        """Against what the effect is, in words."""
        against = {
            "line": "a straight line",
            "no last phase": "two phases without the last",
            "no early phase": "two without the early one",
        }
        return (
            f"The least reduction is that against {against[rivals[bounds.least_part(0)]]}. " if len(rivals) > 1 else ""
        )

    def _flipped(self, errors: dict[str, Floats], rivals: list[str], sample: Sample, weighing: Weighing) -> NullTest:
        """Sign flips of the units' differences in error, rival minus phases; the weakest rival decides."""
        differences = np.stack([errors[name] - errors[PHASES] for name in rivals], axis=1)
        size = max(float(errors[name].max()) for name in rivals)
        rng = weighing.rng(type(self).__name__, sample.design(0), "flips")
        signs, exact = sign_flips(sample.n, budget=weighing.permutations, rng=rng)
        joint = NullTest.of(
            "mean paired difference in error" + (", the weakest of three" if len(rivals) > 1 else ""),
            signs.astype(np.float64) @ differences / sample.n,
            np.full(len(rivals), ROUNDING * size),
            exact=exact,
            action=f"flipping the signs of each {sample.unit}'s difference in error",
            by=self.adjust,
        )
        return ConjoinedTest.conjoined(joint, len(rivals))


@dataclass(frozen=True)
class Stream:
    """The residual stream of all texts, as it enters the first layer and as it leaves each one."""

    states: tuple[Floats, ...]
    """(text, position, unit), the input first."""

    @classmethod
    def of(cls, recording: Recording, variant: str | None, family: str) -> Stream:
        """Of the network or a variant of it, at the run's positions after the first token."""
        rows = beyond(recording.positions, 1, family)
        post, embed = for_variant(Activations("resid_post"), variant), for_variant(EMBED, variant)
        asked = [(embed, 0), *((post, layer) for layer in range(recording.shape.layers))]
        return cls(tuple(np.asarray(recording.array(r, at), dtype=np.float64)[:, rows] for r, at in asked))

    def cosines(self, kept: Sequence[int] | None = None) -> Floats:
        """(text, layer) cosine before and after each layer, mean over positions; of some coordinates, None for all.

        Not a number where a state is zero, which has no direction; `ClaimError` where that is so of all coordinates.
        """
        states = [s if kept is None else s[:, :, kept] for s in self.states]
        lengths = [np.sqrt((s**2).sum(axis=2)) for s in states]
        if any((length == 0).any() for length in lengths):
            if kept is not None:
                return np.full((len(states[0]), len(states) - 1), np.nan)
            raise ClaimError("The residual stream is zero at some position, where it has no direction to compare.")
        found = [
            ((a * b).sum(axis=2) / (m * n)).mean(axis=1)
            for a, b, m, n in zip(states, states[1:], lengths, lengths[1:], strict=False)
        ]
        return np.stack(found, axis=1)

    def largest(self, count: int) -> list[int]:
        """The coordinates of largest mean square over all layers, each layer weighing the same."""
        size = np.zeros(self.states[0].shape[2])
        for state in self.states:
            square = (state**2).mean(axis=(0, 1))
            size += square / square.sum()
        return sorted(np.argsort(-size, kind="stable")[:count].tolist())


def _effect(curves: Floats, phases: Phases, few: Resamples) -> float:
    """The least error reduction of (unit, layer) curves as they are."""
    rivals = phases.rivals()
    errors = out_of_sample(curves, few.times, {PHASES: phases.drawing, **rivals})
    return float(reduced(reduction(errors[PHASES], [errors[name] for name in rivals], few).value[0]).min())


def _parabola(errors: Errors, fitted: Errors, resamples: Resamples, alpha: float) -> Control:
    """Whether phases also foretell other texts better than a smooth bend does."""
    bounds = reduction_bounds(errors, fitted, PHASES, ["parabola"], resamples)
    bend = 1 - float(errors["parabola"][0].mean() / errors["line"][0].mean())
    low, high, effect = float(bounds.lower(alpha)[0]), float(bounds.upper(alpha)[0]), float(bounds.effect[0])
    told = (
        "phases, not any bend" if low > 0 else "a smooth bend does as well" if high < 0 else "which is better is open"
    )
    return Control(
        "parabola",
        f"A parabola, with as many coefficients as there are levels, removes {100 * bend:.0f} % of the line's error; phases remove "
        f"{100 * effect:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of the parabola's: {told}.",
        {"parabola": bend, "phases_over_parabola": effect, "low": low, "high": high},
    )


def _without_largest(states: Stream, sample: Sample, phases: Phases, few: Resamples, effect: float) -> Control:
    """The same without the coordinates that make most of every cosine."""
    out = states.largest(LARGEST)
    kept = [u for u in range(states.states[0].shape[2]) if u not in out]
    curves = sample.units(states.cosines(kept))
    if not np.isfinite(curves).all():
        words = "leave nothing of the stream at some position, so that no direction can be compared."
        return Control("largest_coordinates", f"Its {len(out)} largest coordinates {words}", {"coordinates": out})
    found = _effect(curves, phases, few)
    return Control(
        "largest_coordinates",
        f"Without the {len(out)} largest coordinates of the stream ({', '.join(map(str, out))}) the error reduction is {found:.2f} "
        f"instead of {effect:.2f}.",
        {"without": found, "coordinates": out},
    )


def _twins(twins: list[Floats], phases: Phases, few: Resamples, effect: float) -> Control:
    """The error reduction in untrained twins."""
    found = [_effect(curves, phases, few) for curves in twins]
    return Control(
        "untrained_twin",
        f"In {len(twins)} untrained twins the error reduction is {from_to(found, 2)}, here {effect:.2f}.",
        {"own": effect, "twins": found},
    )
