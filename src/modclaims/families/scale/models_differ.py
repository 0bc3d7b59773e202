"""ModelsDiffer: does the larger model set categories further apart than the smaller one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common import controls
from modclaims.families.common.plan_parts import drawn, labelled
from modclaims.families.common.units import Units
from modclaims.families.scale.across_models import (
    AcrossModels,
    ModelComparison,
    OneModel,
    between,
    by_depth,
    ceiling,
    ends_of,
    tokenizers,
)
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_pairs
from modclaims.planning.perfect_samples import of_sums
from modclaims.planning.plan import TestPlan, counted_bounds
from modclaims.recording import ModelShape
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.delta_bounds import Part, combined_bounds, delta_bounds
from modclaims.stats.bounds.replicates import Replicates, minus
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Design
from modclaims.stats.evidence import Control, Exhibit

Floats = NDArray[np.float64]


class ModelsDiffer(AcrossModels):
    """The larger model sets categories further apart than the smaller one.

    The effect is Cliff's delta of same-category over different-category similarities (2 P(same >
    different) - 1, as in `CategoryClustering`) in the largest of the run's models, minus that in the
    smallest, at equal relative depth, layer / (layers - 1), interpolated linearly between layers. Between
    -2 and 2, positive when the larger model sets them further apart. Cells are relative depths. Models
    are those of `--model` and `--beside`.

    A contrast of two effects, which no exchange of labels or of models leaves alone: nothing is exchanged,
    and p is read off the bootstrap bound, the same texts being drawn anew for both models together. What is
    said holds for new texts of these categories and for these models, not for others of their sizes.
    Several models of the largest (or smallest) size enter by their mean. Near delta 1 a larger model can
    hardly show more: a warning says so.

    Attributes
    ----------
    holds : Holds, default somewhere()
        At which relative depths: somewhere(), everywhere() or in_fraction(0.5). Layers have no place here:
        name `depths`.
    smallest_effect : float, default 0.1
        Difference of two deltas, from 0 to below 2.

    References
    ----------
    Cliff (1993), Dominance statistics: ordinal analyses to answer ordinal questions. Zou & Donner
    (2008), Construction of confidence limits about effect measures: a general approach.

    Examples
    --------
    >>> from modclaims import ModelsDiffer
    >>> from modclaims.calibration.examples import planted
    >>> class LargerIsClearer(ModelsDiffer):
    ...     "The larger model sets categories further apart."
    >>> print(planted(LargerIsClearer, 3))
    SUPPORTED  delta difference 0.34 [0.18, 0.52] at relative depth 0
    >>> print(planted(LargerIsClearer, 0))
    INCONCLUSIVE  delta difference -0.03 [-0.22, 0.14] at relative depth 0.25
    """

    effect_name: ClassVar[str] = "delta difference"
    largest_effect: ClassVar[float] = 2.0
    _without_effect: ClassVar[Mapping[str, str]] = {"adjust": "p is read off the bound"}

    def validate(self) -> None:
        super().validate()
        if self.holds.layered:
            raise ClaimError(
                f"{self.holds.words!r} is about layers of one model; models are compared at relative depths: name some with "
                "depths = (0.5, 1.0), and holds = somewhere(), everywhere() or in_fraction(...)."
            )

    def gridders(self, shape: ModelShape) -> tuple[ModelShape, ...]:
        return self.twinned(shape)

    def twinned(self, shape: ModelShape) -> tuple[ModelShape, ...]:
        smallest, largest = ends_of(shape)
        return (*smallest, *largest)

    def plan(self, before: PlanContext) -> TestPlan:
        units, streams = Units.of(before.corpus, self.label, self.within), before.streams(type(self).__name__)
        spent = degenerate_pairs(units.design, before.weighing.resamples, lambda: drawn(units.design, streams))
        made = replace(
            labelled(self, units, before),
            action=f"resampling {units.resampled}, the same for all models",
            bounds=counted_bounds(before, [spent]),
            cells=len(self.cells(before.shape)),
        )
        parts = [(units.design, np.array([[sign]])) for sign in (1.0, -1.0)]
        return of_sums(made, parts, self.smallest_effect)

    def measure(self, look: Look) -> Measured:
        depths, compared = self.grid(look.shape), self._compared(look, look.settings.resamples)
        smallest, largest = (
            tuple(self._read(look.recording.of(model.name), depths, compared) for model in end)
            for end in ends_of(look.shape)
        )
        found, units = Ends(compared, depths, smallest, largest), compared.units
        return Measured(
            self.cells(look.shape),
            self.effect_name,
            in_parts(found.difference, compared.resamples),
            None,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=() if look.settings.bare else found.flat,
            payload=found,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found, where, alpha = measured.kept(Ends), str(measured.cells[named]), look.alpha
        models, few = look.shape.models, found.compared.few()
        each = {m.name: self._read(look.recording.of(m.name), found.depths, few).delta(few) for m in models}
        curves = np.stack([each[model.name].value[0] for model in models])
        rivals = [RivalResult(_each(found.own, _sides(look.shape), named, where, alpha), by_model=curves)]
        if len(each) > 2:
            rivals.append(RivalResult(_pairs(models, each, few, named, where, alpha)))
        less, more = (_mean([self._beyond_words(look, one, few) for one in end]) for end in found.both)
        bounds = _difference(more, less, few.units.design, few.resamples)
        rivals.append(RivalResult(_beyond(bounds, named, where, alpha)))
        if self.untrained:
            rivals.append(RivalResult(self._untrained(look, found, each, named, where)))
        return rivals

    def _untrained(self, look: Look, found: Ends, each: dict[str, Replicates], named: int, where: str) -> Control:
        """The difference at the named depth, against that between the untrained networks of the same models."""
        few, untrained = found.compared.few(), []
        for variant in controls.untrained_variants(self.untrained):
            smaller, larger = (
                _mean([self._read(one.recording, found.depths, few, variant).delta(few) for one in end])
                for end in found.both
            )
            untrained.append(minus(larger, smaller))
        smaller, larger = (_mean([each[one.name] for one in end]) for end in found.both)
        rng = look.lasting_rng("twin seeds", design=few.units.design.digest)
        bounds = controls.trained_minus_untrained(minus(larger, smaller), untrained, few.resamples, rng)
        theirs = [float(one.value[0, named]) for one in untrained]
        return controls.untrained_control(bounds, theirs, named, look.alpha, f"the difference at {where}")

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        depths, sides = measured.kept(Ends).depths, _sides(look.shape)
        curves = next(rival.by_model for rival in rivals if rival.by_model is not None)
        return (by_depth(self, look.shape.models, depths, curves, sides, measured.bounds, look.alpha),)

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found, sides, where = measured.kept(Ends), _sides(look.shape), str(measured.cells[named])
        units, each = found.compared.units, list(zip(sides, found.own, strict=True))
        return Words(
            note=f"similarity {self.similarity}, site {self.site}; {sides[0]} minus {sides[1]}{units.note}",
            detail=" ".join(f"Delta of {side} at {where} is {bounds.effect[named]:.2f}." for side, bounds in each),
            warnings=(
                *units.warnings,
                *tokenizers(look.shape),
                *ceiling(sides, np.array([bounds.effect[named] for bounds in found.own])),
            ),
            secondary={f"delta of {side}": bounds.effect for side, bounds in each},
        )


@dataclass(frozen=True)
class Ends:
    """The smallest and the largest of the models, on the same texts at the same relative depths."""

    compared: ModelComparison
    """The texts, and their resamples, which are the same for all models."""
    depths: Floats
    """(depth,) ascending."""
    smallest: tuple[OneModel, ...]
    """Several where they have equally many parameters, which enter by their mean; likewise ..."""
    largest: tuple[OneModel, ...]
    """... the largest."""

    @property
    def both(self) -> tuple[tuple[OneModel, ...], ...]:
        """The smallest, and the largest."""
        return self.smallest, self.largest

    def _delta(self, end: tuple[OneModel, ...], drawn: Resamples) -> Replicates:
        """The mean delta of models of one size under some resamples."""
        texts = replace(self.compared, resamples=drawn)
        return _mean([one.delta(texts) for one in end])

    def difference(self, drawn: Resamples) -> Bounds:
        """Bounds of the largest model's delta minus the smallest one's, at every depth."""
        smaller, larger = (self._delta(end, drawn) for end in self.both)
        return _difference(larger, smaller, self.compared.units.design, drawn)

    def _alone(self, end: tuple[OneModel, ...], drawn: Resamples) -> Bounds:
        return delta_bounds(self._delta(end, drawn), self.compared.units.design, drawn)

    @cached_property
    def own(self) -> list[Bounds]:
        """The largest model's delta by itself, and the smallest one's."""
        return [in_parts(partial(self._alone, end), self.compared.resamples) for end in reversed(self.both)]

    @property
    def flat(self) -> tuple[int, ...]:
        """Depths at which similarities of one of them do not vary."""
        flat = np.any([one.flat(self.compared.pairs) for end in self.both for one in end], axis=0)
        return tuple(np.flatnonzero(flat).tolist())


def _mean(sides: list[Replicates]) -> Replicates:
    """The mean of effects under the same resamples."""
    if len(sides) == 1:
        return sides[0]
    parts = zip(*((side.value, side.influence, side.centre) for side in sides), strict=True)
    return Replicates(*(np.mean(part, axis=0) for part in parts))


def _named(models: tuple[ModelShape, ...]) -> str:
    """Such as `opt-125m`, or `the mean of a and b`."""
    names = [model.name for model in models]
    return names[0] if len(names) == 1 else f"the mean of {', '.join(names[:-1])} and {names[-1]}"


def _sides(shape: ModelShape) -> list[str]:
    """The largest model's name, and the smallest one's."""
    return [_named(end) for end in reversed(ends_of(shape))]


def _each(own: list[Bounds], words: list[str], cell: int, where: str, alpha: float) -> Control:
    """Both models by themselves."""
    told, numbers = [], dict[str, float]()
    for bounds, word, side in zip(own, words, ("larger", "smaller"), strict=True):
        effect, low, high = between(bounds, cell, alpha)
        told.append(f"{word} reaches delta {effect:.2f} [{low:.2f}, {high:.2f}]")
        numbers |= {f"delta_{side}": effect, f"low_{side}": low, f"high_{side}": high}
    return Control("each_model", f"At {where}, {told[0]}; {told[1]}.", numbers)


def _difference(larger: Replicates, smaller: Replicates, design: Design, resamples: Resamples) -> Bounds:
    """Bounds of one model's deltas minus another's, on the same texts."""
    every = np.eye(len(larger.centre))
    return combined_bounds([Part(larger, design, every), Part(smaller, design, -every)], resamples)


def _pairs(
    models: tuple[ModelShape, ...],
    each: dict[str, Replicates],
    compared: ModelComparison,
    cell: int,
    where: str,
    alpha: float,
) -> Control:
    """Every two models, the larger minus the smaller."""
    told, numbers = [], dict[str, float]()
    for i, small in enumerate(models):
        for large in models[i + 1 :]:
            bounds = _difference(each[large.name], each[small.name], compared.units.design, compared.resamples)
            effect, low, high = between(bounds, cell, alpha)
            told.append(f"{large.name} - {small.name} {effect:.2f} [{low:.2f}, {high:.2f}]")
            pair = f"{large.name} - {small.name}"
            numbers |= {pair: effect, f"{pair}, low": low, f"{pair}, high": high}
    more = f"; {len(told) - 10} further pairs are among the numbers" if len(told) > 10 else ""
    return Control(
        "all_pairs",
        f"Of every two models at {where}, not corrected over pairs: {'; '.join(told[:10])}{more}.",
        numbers,
    )


def _beyond(bounds: Bounds, cell: int, where: str, alpha: float) -> Control:
    effect, low, high = between(bounds, cell, alpha)
    return Control(
        "shared_words",
        f"Beyond these proxies (TF-IDF and each model's input embeddings, cubic splines) the difference at {where} is "
        f"{effect:.2f} [{low:.2f}, {high:.2f}].",
        {"difference": effect, "low": low, "high": high},
    )
