"""ResidualPhases: is the stream reshaped early, refined in the middle, and mapped once more at the end?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common.controls import EMBED, untrained_variants
from modclaims.families.common.depth_curves import (
    DepthCurve,
    Overlay,
    beyond,
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
from modclaims.recording import Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.bounds.conjunction import ConjoinedBounds, ConjoinedTest
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import sign_flips
from modclaims.stats.effects.chunks import Division, change_frequencies
from modclaims.stats.effects.phases import (
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
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
PHASES = "phases"
LARGEST = 3
"""Coordinates without which the cosines are taken once more."""


class ResidualPhases(DepthCurve):
    """The stream is reshaped in an early chunk of layers, refined in the middle, and mapped once more at the end.

    The curve is the cosine between the stream before and after each layer, one number per text and
    layer, mean over the positions after the first token. Phases are one level for each of three chunks of
    layers, the middle one highest, fitted by least squares over all divisions that `early_most`,
    `last_most` and `middle_least` admit. Any slope rejects constancy, so phases are held against a
    straight line, and against two phases (without the early, and without the last one): all are fitted to
    the mean curve of some texts and measured on others, in 10 folds. The effect (error reduction) is the
    share of a rival's squared error that is gone with phases, against the rival where it is least; at
    most 1, 0 where phases predict other texts as well as that rival, negative where the rival is better.
    There is one cell, the whole network.

    p is that of flipping the signs of the texts' differences in error, rival minus phases, the weakest
    rival deciding. Exchangeable under the null: a difference and its negative, so their law must be
    symmetric about 0, as it is where texts vary symmetrically about their mean curve. Bounds come from
    texts resampled, all copies of a text in one fold, phases fitted anew in every resample, on the
    logarithm of the ratio of errors. The claim is about the layers of this network; where phases begin is
    descriptive.

    Attributes
    ----------
    smallest_effect : float, default 0.2
        Share of squared error, above 0 and below 1.

    Notes
    -----
    Source: the remark that cosines of the stream between blocks show three phases in residual networks.
    A parabola, which has as many coefficients as there are levels, and the cosines without the largest
    coordinates are reported and decide nothing.

    References
    ----------
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling (phases must beat every
    rival).

    Examples
    --------
    >>> from modclaims import ResidualPhases
    >>> from modclaims.calibration.examples import planted
    >>> class ThreePhases(ResidualPhases):
    ...     "Reshaped, refined, mapped once more."
    >>> print(planted(ThreePhases, 3))
    SUPPORTED  error reduction 0.52 [0.46, 0.64] at the whole network
    """

    smallest_effect: float = 0.2
    effect_name: ClassVar[str] = "error reduction"
    largest_effect: ClassVar[float] = 1.0
    least_layers: ClassVar[int] = 5

    def check(self, before: PlanContext) -> None:
        super().check(before)
        beyond(before.positions, 1, self.family())

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
        return (*asked, *(for_variant(r, v) for v in untrained_variants(self.untrained) for r in asked))

    def plan(self, before: PlanContext) -> TestPlan:
        request = self.requests(before.shape)[0]
        made = flipped(unlabelled(self, Sample.of(before.corpus), before, request), before)
        return replace(made, action=f"flipping the signs of each {made.unit}'s difference in error", cells=1)

    def measure(self, look: Look) -> Measured:
        sample = Sample.of(look.corpus)
        states = ResidualStream.of(look.recording, None, self.family())
        curves = sample.units(states.cosines())
        phases = Phases(self.divisions(look.shape), look.shape.layers)
        resamples = self._resamples(look, sample)
        rivals = phases.rivals()
        drawings = {PHASES: phases.drawing, **rivals}
        outside, inside = (found(curves, resamples.times, drawings) for found in (out_of_sample, in_sample))
        joint = reduction_bounds(outside, inside, PHASES, list(rivals), resamples)
        bounds = ConjoinedBounds.of(joint, len(rivals))
        return Measured(
            (Cell(),),
            self.effect_name,
            bounds,
            self._flipped(look, sample, {name: errors[0] for name, errors in outside.items()}, list(rivals)),
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            payload=Phased(sample, states, curves, phases, resamples, outside, inside, bounds),
        )

    def _flipped(self, look: Look, sample: Sample, errors: Errors, rivals: list[str]) -> NullTest:
        """Sign flips of the units' differences in error, rival minus phases; the weakest rival decides.

        `errors` are (unit,) squared errors of each drawing.
        """
        differences = np.stack([errors[name] - errors[PHASES] for name in rivals], axis=1)
        size = max(float(errors[name].max()) for name in rivals)
        rng = look.rng("flips", design=sample.design(0))
        signs, exact = sign_flips(sample.n, budget=look.settings.permutations, rng=rng)
        joint = NullTest.of(
            "mean paired difference in error" + (", the weakest of three" if len(rivals) > 1 else ""),
            signs.astype(np.float64) @ differences / sample.n,
            np.full(len(rivals), ROUNDING * size),
            exact=exact,
            action=f"flipping the signs of each {sample.unit}'s difference in error",
            by=self.adjust,
        )
        return ConjoinedTest.conjoined(joint, len(rivals))

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Phased)
        controls = [RivalResult(_parabola(found, look.alpha)), RivalResult(_without_largest(found))]
        if self.untrained:
            controls.append(self._untrained(look, found))
        return controls

    def _untrained(self, look: Look, found: Phased) -> RivalResult:
        """The error reduction in untrained networks."""
        streams = (
            ResidualStream.of(look.recording, variant, self.family()) for variant in untrained_variants(self.untrained)
        )
        untrained = [found.sample.units(states.cosines()) for states in streams]
        own, theirs = found.effect, [found.reduction_of(curves) for curves in untrained]
        return RivalResult(
            Control(
                "untrained_baseline",
                f"In {len(untrained)} untrained networks the error reduction is {from_to(theirs, 2)}, here {own:.2f}.",
                {"own": own, "untrained": theirs},
            ),
            untrained=np.array([curves.mean(axis=0) for curves in untrained]),
        )

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Phased)
        line = polynomial(found.phases.layers, 1) @ found.mean
        return (
            curve_exhibit(
                "Cosine of the stream before and after each layer, by relative depth",
                "cosine before and after",
                found.curves,
                found.resamples,
                look.alpha,
                ends=(-1.0, 1.0),
                overlay=Overlay(found.division, found.frequencies, line, untrained_curves(rivals)),
            ),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Phased)
        divisions, reductions, frequencies = found.phases.divisions, found.reductions, found.frequencies
        errors = {**found.outside, **found.bends_outside}
        return Words(
            note=f"cosine between the stream before and after each of {found.phases.layers} layers, positions after the first token; "
            f"{len(divisions)} division{'s' if len(divisions) > 1 else ''}, in this network",
            detail=_weakest(found)
            + f"The cosine is {chunks_spelt(found.division, found.mean)}. "
            + (
                "The division was named in advance."
                if frequencies is None
                else changes_spelt(frequencies, found.division)
            ),
            warnings=found.sample.warnings,
            secondary={
                **{f"error reduction against {name}": reductions[[i]] for i, name in enumerate(found.rivals)},
                **{f"out-of-sample error, {name}": one[[0]].mean(axis=1) for name, one in errors.items()},
            },
        )


@dataclass(frozen=True)
class ResidualStream:
    """The residual stream of all texts, as it enters the first layer and as it leaves each one."""

    states: tuple[Floats, ...]
    """(text, position, unit), the input first."""

    @classmethod
    def of(cls, recording: Recording, variant: str | None, family: str) -> ResidualStream:
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


@dataclass(frozen=True)
class Phased:
    """Curves of cosines, and how well phases and their rivals foretell them."""

    sample: Sample
    """The texts, or blocks, that the curves are of."""
    states: ResidualStream
    """What the cosines are of."""
    curves: Floats
    """(unit, layer) cosines before and after each layer."""
    phases: Phases
    resamples: Resamples
    outside: Errors
    """(1 + R, unit) errors of phases and of their rivals, fitted to the units of other folds ..."""
    inside: Errors
    """... and fitted to all units."""
    bounds: ConjoinedBounds
    """Of the least reduction of error, that against the rival which phases beat by least."""

    @property
    def rivals(self) -> list[str]:
        """Names of the rivals."""
        return [name for name in self.outside if name != PHASES]

    @property
    def mean(self) -> Floats:
        """(layer,) the mean curve."""
        return np.asarray(self.curves.mean(axis=0))

    @property
    def effect(self) -> float:
        """The least reduction of error."""
        return float(self.bounds.effect[0])

    @property
    def reductions(self) -> Floats:
        """(rival,) the reduction of error against each."""
        assert self.bounds.joint is not None, "made by `of`"
        return self.bounds.joint.effect

    @cached_property
    def division(self) -> Division:
        """The chunks of the mean curve."""
        return self.phases.divisions[int(self.phases.fit(self.mean[None])[1][0])]

    @cached_property
    def frequencies(self) -> Floats | None:
        """(2, layer) how often resamples begin the middle, and the last chunk, at each layer; None of a single division."""
        if len(self.phases.divisions) == 1:
            return None
        picked = self.phases.fit(self.resamples.times[1:] @ self.curves / self.sample.n)[1]
        return change_frequencies(picked, self.phases.divisions, self.phases.layers)

    @cached_property
    def bends_outside(self) -> Errors:
        """As `outside`, of a parabola and of a constant, which decide nothing."""
        drawings = {
            "parabola": polynomial_fit(self.phases.layers, 2),
            "constant": polynomial_fit(self.phases.layers, 0),
        }
        return out_of_sample(self.curves, self.resamples.times, drawings)

    @cached_property
    def bend_inside(self) -> Errors:
        """As `inside`, of the parabola alone."""
        return in_sample(self.curves, self.resamples.times, {"parabola": polynomial_fit(self.phases.layers, 2)})

    def reduction_of(self, curves: Floats) -> float:
        """The least reduction of error of other (unit, layer) curves of the same units, nothing resampled."""
        once = Resamples(self.resamples.times[:1], self.resamples.groups)
        rivals = self.phases.rivals()
        errors = out_of_sample(curves, once.times, {PHASES: self.phases.drawing, **rivals})
        return float(reduced(reduction(errors[PHASES], [errors[name] for name in rivals], once).value[0]).min())


def _weakest(found: Phased) -> str:
    """Against what the effect is, in words; nothing where there is one rival."""
    against = {
        "line": "a straight line",
        "no last phase": "two phases without the last",
        "no early phase": "two without the early one",
    }
    if len(found.rivals) == 1:
        return ""
    return f"The least reduction is that against {against[found.rivals[found.bounds.least_part(0)]]}. "


def _parabola(found: Phased, alpha: float) -> Control:
    """Whether phases also foretell other texts better than a smooth bend does."""
    outside, inside = {**found.outside, **found.bends_outside}, {**found.inside, **found.bend_inside}
    bounds = reduction_bounds(outside, inside, PHASES, ["parabola"], found.resamples)
    bend = 1 - float(outside["parabola"][0].mean() / outside["line"][0].mean())
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


def _without_largest(found: Phased) -> Control:
    """The same without the coordinates that make most of every cosine."""
    states, sample = found.states, found.sample
    out = states.largest(LARGEST)
    kept = [u for u in range(states.states[0].shape[2]) if u not in out]
    curves = sample.units(states.cosines(kept))
    if not np.isfinite(curves).all():
        words = "leave nothing of the stream at some position, so that no direction can be compared."
        return Control("largest_coordinates", f"Its {len(out)} largest coordinates {words}", {"coordinates": out})
    without = found.reduction_of(curves)
    return Control(
        "largest_coordinates",
        f"Without the {len(out)} largest coordinates of the stream ({', '.join(map(str, out))}) the error reduction is {without:.2f} "
        f"instead of {found.effect:.2f}.",
        {"without": without, "coordinates": out},
    )
