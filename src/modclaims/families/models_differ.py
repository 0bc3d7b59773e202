"""ModelsDiffer: does the larger model set categories further apart than the smaller one?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.across_models import AcrossModels, Compared, between, by_depth, ceiling, ends_of, tokenizers
from modclaims.families.within_versus_style import minus
from modclaims.look import Weighing
from modclaims.recording import ModelShape, Recording
from modclaims.stats.actions import Design
from modclaims.stats.bootstrap import Bounds, Replicates, Resamples
from modclaims.stats.delta_bounds import Part, combined_bounds, delta_bounds
from modclaims.stats.evidence import Control, Evidence
from modclaims.stats.resample_parts import in_parts
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]


class ModelsDiffer(AcrossModels):
    """The larger model sets categories further apart than the smaller one.

    The effect is Cliff's delta of same-category over different-category similarities (as in `CategoryClustering`) in the
    largest of the run's models minus that in the smallest, at equal relative depth, layer / (layers - 1): between layers
    it is interpolated linearly, on the relative depths of the model with fewer layers. Between -2 and 2, and free of any
    model's scale; a cell a relative depth. It is a contrast of effects, which no exchange of labels or of models leaves
    alone: p is read off the bootstrap bound, the same texts drawn anew for both models together. Several models of the
    largest or smallest size enter by their mean. All pairs of models stand beside the claim and decide nothing. What is
    said holds for new texts of these categories and for these models, not for others of their sizes.
    """

    effect_name: ClassVar[str] = "delta difference"
    largest_effect: ClassVar[float] = 2.0

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

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        depths, cells = self.grid(recording.shape), self.cells(recording.shape)
        compared = self._compared(recording, weighing, weighing.resamples)
        units, alpha = compared.units, weighing.alpha
        groups = [[recording.of(model.name) for model in end] for end in ends_of(recording.shape)]

        def ends(drawn: Resamples) -> list[Replicates]:
            texts = replace(compared, resamples=drawn)
            return [_mean([self._delta(one, depths, texts) for one in group]) for group in groups]

        def differ(drawn: Resamples) -> Bounds:
            smaller, larger = ends(drawn)
            return _difference(larger, smaller, units.design, drawn)

        def alone(end: int, drawn: Resamples) -> Bounds:
            return delta_bounds(ends(drawn)[end], units.design, drawn)

        effect = in_parts(differ, compared.resamples)
        bare = Evidence(cells, self.effect_name, effect, None, len(recording.corpus), n_units=units.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, alpha, weighing.claims).cell
        own = [in_parts(partial(alone, end), compared.resamples) for end in (1, 0)]
        words = [_named(end) for end in reversed(ends_of(recording.shape))]
        few, where = compared.few(), str(cells[named])
        rivals = [_each(own, words, named, where, alpha)]
        each = {model.name: self._delta(recording.of(model.name), depths, few) for model in recording.shape.models}
        if len(each) > 2:
            rivals.append(_pairs(recording.shape.models, each, few, named, where, alpha))

        def difference(found: list[list[Replicates]]) -> Replicates:
            return minus(_mean(found[1]), _mean(found[0]))

        less, more = (_mean([self._beyond_words(one, depths, few, weighing) for one in group]) for group in groups)
        rivals.append(_beyond(_difference(more, less, units.design, few.resamples), named, where, alpha))
        if self.twins:
            untrained = [
                difference([[self._delta(one, depths, few, variant) for one in group] for group in groups])
                for variant in controls.twin_variants(self.twins)
            ]
            trained = difference([[each[one.shape.name] for one in group] for group in groups])
            rng = stream(weighing.seed, type(self).__name__, units.design.digest, "twin seeds")
            bounds = controls.trained_minus_untrained(trained, untrained, few.resamples, rng)
            theirs = [float(one.value[0, named]) for one in untrained]
            rivals.append(controls.untrained_twin(bounds, theirs, named, alpha, f"the difference at {where}"))
        flat = np.any([self._flat(one, depths, compared) for group in groups for one in group], axis=0)
        return replace(
            bare,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=tuple(np.flatnonzero(flat).tolist()),
            controls=tuple(rivals),
            secondary={f"delta of {word}": bounds.effect for word, bounds in zip(words, own, strict=True)},
            exhibits=(
                by_depth(
                    self,
                    recording.shape.models,
                    depths,
                    np.stack([each[m.name].value[0] for m in recording.shape.models]),
                    words,
                    effect,
                    alpha,
                ),
            ),
            warnings=(
                *units.warnings,
                *tokenizers(recording.shape),
                *ceiling(words, np.array([bounds.effect[named] for bounds in own])),
            ),
            note=f"similarity {self.similarity}, site {self.site}; {words[0]} minus {words[1]}{units.note}",
            detail=" ".join(
                f"Delta of {word} at {where} is {bounds.effect[named]:.2f}."
                for word, bounds in zip(words, own, strict=True)
            ),
        )


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
    compared: Compared,
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
