"""SimilarityLevels: how alike are activations of one text, of one category, of any two texts, and in which layers?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.categories.figures.levels_by_depth import LevelsByDepth
from modclaims.families.common import controls
from modclaims.families.common.depth_curves import layer_curve, untrained_curves
from modclaims.families.common.plan_parts import drawn, labelled
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_levels
from modclaims.planning.plan import TestPlan, counted_bounds
from modclaims.recording import LAYER_SITES, Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.effects.levels import LEVELS, compared, level_replicates
from modclaims.stats.effects.similarity import INNER_PRODUCTS, SIMILARITIES, apart_similarity
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
Layers = tuple[int, ...] | str
MIDDLE = "middle"
"""Layers between a quarter and three quarters of the depth."""


class SimilarityLevels(Hypothesis):
    """Activations are alike, or more alike than others, or in some layers more than in others.

    A level is a mean similarity of activations at different positions, over all pairs of one kind inside
    a stratum (`level`). The effect is a level, or its difference from the level `against`, on the
    similarity's own scale, positive when the pairs of `level` are more alike. It is asked for layer by
    layer (cells are layers), along depth, or, with `named`, as one contrast: the mean over the named
    layers minus the mean over `rest`.

    Nothing is exchanged: that two texts are alike is no question that an exchange of labels answers. p
    is read off the lower bound, the wider of bootstrap-t and Student's t on what each text adds, texts
    being resampled inside category x stratum. The level itself also holds what all activations of a
    layer share (in real models all cosines are high): compare it with `against`, with `named` layers or
    with untrained baselines, or use a centred similarity, before calling it large. Similarities that are
    centred, or relative to the longest vector, take these texts' mean or longest vector for given.

    Attributes
    ----------
    site : str, default 'attn_out'
        Where to look. One of 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre' and 'resid_post'.
    similarity : str, default 'cosine'
        Similarity of two activations. One of 'cosine', 'centred_cosine' (less the texts' mean),
        'scaled_cosine' (dot product over the longest vector's squared length), 'centred_scaled_cosine',
        'magnitude_aware' (1 - distance over twice the longest vector), 'euclidean' (minus the
        distance) and 'correlation' (over coordinates).
    level : str, default 'other_text'
        Which pairs. One of 'same_text' (positions of one text), 'same_category', 'different_category'
        and 'other_text' (any two texts).
    against : str | None, default None
        The level that is taken off: None for none, or one of 'same_text', 'same_category',
        'different_category' and 'other_text'. Another one than `level`.
    category : str | None, default None
        A value of `label` that one text at least of every pair must have; None for all pairs.
    named : tuple[int, ...] | str | None, default None
        Layers said to have the higher level, by number (negative ones counted from the last), or
        "middle" for those between a quarter and three quarters of the depth; None to ask layer by layer.
    rest : tuple[int, ...] | str | None, default None
        Layers that the named ones are held against, written alike; None for all others. Needs `named`.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1), or
        along_depth("rises") and along_depth("falls"): the slope over relative depth. With `named`,
        only somewhere().
    label : str, default 'category'
        Column of the corpus whose values are the categories.
    within : str | None, default None
        Column inside whose values (strata) pairs of texts lie; None for all pairs. Another column than
        `label`.
    smallest_effect : float, default 0.1
        In units of the similarity: from 0 to below 1, below 2 for a difference; any size for 'euclidean' and along depth.
    untrained : int, default 5
        Untrained networks that the effect is compared with: 0 for none, or at least 5.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap.

    Examples
    --------
    >>> from modclaims import SimilarityLevels
    >>> from modclaims.calibration.examples import planted
    >>> class TextsAreAlike(SimilarityLevels):
    ...     "Activations of any two texts point the same way."
    >>> print(planted(TextsAreAlike, 3))
    SUPPORTED  similarity 0.32 [0.28, 0.35] at layer 3
    >>> print(planted(TextsAreAlike, 0))
    REFUTED  similarity 0.01 [-0.01, 0.02] at layer 3
    """

    site: str = "attn_out"
    similarity: str = "cosine"
    level: str = "other_text"
    against: str | None = None
    category: str | None = None
    named: Layers | None = None
    rest: Layers | None = None
    layers: tuple[int, ...] | None = None
    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    untrained: int = controls.UNTRAINED
    _without_effect: ClassVar[Mapping[str, str]] = {"adjust": "p is read off the bound"}
    effect_name: ClassVar[str] = "similarity"
    _takes_slopes: ClassVar[bool] = True

    def validate(self) -> None:
        super().validate()
        if self.site not in LAYER_SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(LAYER_SITES)}.")
        if self.similarity not in SIMILARITIES:
            raise ClaimError(f"Similarity {self.similarity!r} is unknown; choose one of {', '.join(SIMILARITIES)}.")
        for level in (self.level, self.against):
            if level is not None and level not in LEVELS:
                raise ClaimError(f"Level {level!r} is unknown; choose one of {', '.join(LEVELS)}.")
        if self.against == self.level:
            raise ClaimError(f"level and against are both {self.level!r}; their difference is nothing.")
        single = self.against is None and self.named is None
        end = 1.0 if single else 2.0
        if self.similarity != "euclidean" and not self.holds.contrasts and self.smallest_effect >= end:
            raise ClaimError(
                f"smallest_effect = {self.smallest_effect!r} must be below {end:g}, the end of the scale of {self._effect_name()}."
            )
        for name, which in (("named", self.named), ("rest", self.rest)):
            numbers = isinstance(which, tuple) and all(isinstance(x, int) for x in which)
            if which not in (None, MIDDLE) and not numbers:
                raise ClaimError(
                    f"{name} = {which!r} is unknown; write layers in numbers, such as (0, -1), or {MIDDLE!r}."
                )
        if self.named is not None and self.holds != somewhere():
            raise ClaimError("named = ... makes one contrast of layers; leave holds as it is.")
        if self.rest is not None and self.named is None:
            raise ClaimError("rest = ... says what named layers are held against; name them with named = ...")
        controls.check_untrained(self.untrained)

    def check(self, before: PlanContext) -> None:
        check_positions(before.positions)
        design = Units.of(before.corpus, self.label, self.within).design
        self.holds.chosen(self.weights(before.shape)[0])
        for level in self.levels:
            compared(design, level, self.category)

    @property
    def levels(self) -> tuple[str, ...]:
        """The level, and the one that it is held against."""
        return (self.level,) if self.against is None else (self.level, self.against)

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def _layers(self, which: Layers, shape: ModelShape) -> tuple[int, ...]:
        """Layers of the network, in words or numbers. Raises `ClaimError` for one that is not looked at."""
        looked_at = shape.resolve_layers(self._request())
        if isinstance(which, str):
            depth = max(shape.layers - 1, 1)
            return tuple(layer for layer in looked_at if 0.25 <= layer / depth <= 0.75)
        found = shape.resolve_layers(replace(self._request(), layers=which)) if which else ()
        if not set(found) <= set(looked_at):
            raise ClaimError(f"Layers {list(found)} are not among those looked at, {list(looked_at)}.")
        return found

    def parts(self, shape: ModelShape) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Named layers and those that they are held against. Raises `ClaimError` if either are none, or both have one."""
        assert self.named is not None
        named = self._layers(self.named, shape)
        looked_at = shape.resolve_layers(self._request())
        rest = tuple(layer for layer in looked_at if layer not in named)
        if self.rest is not None:
            rest = self._layers(self.rest, shape)
        if not named or not rest or set(named) & set(rest):
            raise ClaimError(
                f"named = {self.named!r} gives layers {list(named)} and rest = {self.rest!r} layers {list(rest)} of model "
                f"{shape.name!r}; each needs one or more, and none may be in both."
            )
        return named, rest

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        self.weights(shape)
        return (mine, *(for_variant(mine, v) for v in controls.untrained_variants(self.untrained)))

    def weights(self, shape: ModelShape) -> tuple[tuple[Cell, ...], Floats]:
        """Cells, and the (layer, cell) weights that make them of the layers looked at.

        Raises `ClaimError` for layers that the model lacks, or that make no contrast.
        """
        layers = shape.resolve_layers(self._request())
        if self.named is not None:
            named, rest = self.parts(shape)
            column = [(x in named) / len(named) - (x in rest) / len(rest) for x in layers]
            return (Cell(),), np.array(column)[:, None]
        if (contrast := self.holds.contrast(layers)) is not None:
            return (Cell(),), contrast
        return tuple(Cell(layer=layer) for layer in layers), np.eye(len(layers))

    def plan(self, before: PlanContext) -> TestPlan:
        units, streams = Units.of(before.corpus, self.label, self.within), before.streams(type(self).__name__)
        weights = [compared(units.design, level, self.category) for level in self.levels]
        count = before.weighing.resamples
        spent = degenerate_levels(units.design, weights, count, lambda: drawn(units.design, streams))
        return replace(
            labelled(self, units, before),
            action=f"resampling {units.resampled}",
            bounds=counted_bounds(before, [spent]),
            cells=len(self.holds.chosen(self.weights(before.shape)[0])),
        )

    def measure(self, look: Look) -> Measured:
        check_positions(look.recording.positions)
        units = Units.of(look.corpus, self.label, self.within)
        cells, weights = self.weights(look.shape)
        rng = look.rng("resamples", design=units.design.digest)
        found = Curve(
            units,
            look.shape.resolve_layers(self._request()),
            self._similarities(look.recording, units, None),
            self.levels,
            self.category,
            weights,
            resample(units.design, count=look.settings.resamples, rng=rng),
        )
        bounds = in_parts(
            lambda drawn: bootstrap_t(_combined(found.effect(drawn), weights), drawn, means=True, ends=self._ends()),
            found.resamples,
        )
        by_layer = cells != (Cell(),) and not look.settings.bare
        return Measured(
            cells,
            self._effect_name(),
            bounds,
            None,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=_flat(found.shown) if by_layer else (),
            payload=found,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return (self._untrained(look, measured.kept(Curve), named, measured.cells[named]),) if self.untrained else ()

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found, words = measured.kept(Curve), self._words()
        bounds = in_parts(lambda drawn: bootstrap_t(found.effect(drawn), drawn), found.resamples)
        curve = layer_curve(
            f"{words[:1].upper()}{words[1:]} by relative depth, {self.site}",
            "similarity" if self.against is None else "difference of similarity",
            found.layers,
            look.shape.layers,
            bounds,
            look.alpha,
            untrained=untrained_curves(rivals),
        )
        return (curve.exhibit(), *self._all_levels(found, look.shape.layers))

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Curve)
        return Words(
            note=f"similarity {self.similarity}, site {self.site}, {len(look.recording.positions)} positions per text, different ones "
            f"compared{found.units.note}",
            detail=self._detail(found.shown.value[0], found.layers, look.shape),
            warnings=found.units.warnings,
            secondary={
                f"similarity, {LEVELS[kind]}": values @ found.weights for kind, values in found.every_level.items()
            },
        )

    def _words(self) -> str:
        """What the effect is, layer by layer."""
        words = f"similarity of {LEVELS[self.level]}"
        words = words if self.against is None else f"{words} minus that of {LEVELS[self.against]}"
        return words if self.category is None else f"{words} in pairs with {self.category!r}"

    def _effect_name(self) -> str:
        if self.holds.contrasts:  # `rises along depth` makes it a rise
            return f"{self.holds.words.split()[0].removesuffix('s')} of similarity"
        return "similarity" if self.against is None and self.named is None else "similarity difference"

    def _ends(self) -> tuple[float, float]:
        """Where the scale of a level ends, if it does; a similarity of 1 everywhere is an end, and has no bound."""
        contrast = self.against is not None or self.named is not None or self.holds.contrasts
        return (-1.0, 1.0) if self.similarity in INNER_PRODUCTS and not contrast else (-np.inf, np.inf)

    def _similarities(self, recording: Recording, units: Units, variant: str | None) -> list[Floats]:
        """A (unit, unit) matrix a layer: means over pairs of different positions; on the diagonal, those of one text."""
        request, found = for_variant(self._request(), variant), []
        for layer in recording.shape.resolve_layers(self._request()):
            texts = apart_similarity(recording.array(request, layer), self.similarity)
            whole, own = units.similarity(texts), units.responses(np.diag(texts)[:, None])[:, 0]
            np.fill_diagonal(whole, own)
            found.append(whole)
        return found

    def _untrained(self, look: Look, found: Curve, named: int, cell: Cell) -> RivalResult:
        """What untrained networks show at the same place."""
        alike = (
            self._similarities(look.recording, found.units, v) for v in controls.untrained_variants(self.untrained)
        )
        untrained = [replace(found, per_layer=per_layer).shown for per_layer in alike]
        column = found.weights[:, [named]]
        bounds = controls.trained_minus_untrained(
            _combined(found.shown, column),
            [_combined(other, column) for other in untrained],
            found.few,
            look.lasting_rng("twin seeds", design=found.units.design.digest),
            ends=(-np.inf, np.inf),
        )
        theirs = [float((other.value[0] @ column)[0]) for other in untrained]
        where = "" if cell == Cell() else f" in {cell}"
        control = controls.untrained_control(bounds, theirs, 0, look.alpha, f"the effect{where}")
        return RivalResult(control, untrained=np.array([other.value[0] for other in untrained]))

    def _all_levels(self, found: Curve, depth: int) -> tuple[Exhibit, ...]:
        """The three levels that the study looked at, where the corpus has them all, in a network of so many layers."""
        layers = found.layers
        three = {kind: values for kind, values in found.every_level.items() if kind != "other_text"}
        if len(three) < 3:
            return ()
        last = ", ".join(f"{values[-1]:.2f}" for values in three.values())
        return (
            LevelsByDepth(
                "Same text, same category, different category",
                "Mean similarity by layer between activations at different positions of one text, of two texts of one category, "
                f"and of two categories. At layer {layers[-1]}: {last}.",
                depth=np.array(layers) / max(depth - 1, 1),
                layer=np.array(layers),
                same_text=three["same_text"],
                same_category=three["same_category"],
                different_category=three["different_category"],
                similarity=self.similarity,
            ).exhibit(),
        )

    def _detail(self, curve: Floats, layers: tuple[int, ...], shape: ModelShape) -> str:
        words = f"The {self._words()}"
        if self.named is None:
            return f"{words} is {curve[0]:.2f} in layer {layers[0]} and {curve[-1]:.2f} in layer {layers[-1]}."
        named, rest = ([layers.index(x) for x in part] for part in self.parts(shape))
        here, there = (
            f"layer{'s' * (len(part) > 1)} {', '.join(str(layers[i]) for i in part)}" for part in (named, rest)
        )
        return f"{words} is {curve[named].mean():.2f} in {here} and {curve[rest].mean():.2f} in {there}."


@dataclass(frozen=True)
class Curve:
    """A level of similarity, or its difference from another, in every layer looked at."""

    units: Units
    """Texts, or blocks of them."""
    layers: tuple[int, ...]
    """Those looked at."""
    per_layer: list[Floats]
    """By layer, (unit, unit) similarities; on the diagonal those of a unit's own positions."""
    levels: tuple[str, ...]
    """The level, and the one that is taken off, if any."""
    category: str | None
    """The category of which one text at least is in every pair; None for all pairs."""
    weights: Floats
    """(layer, cell) that make cells of layers."""
    resamples: Resamples
    """Of units inside category x stratum."""

    def effect(self, resamples: Resamples) -> Replicates:
        """The level, or its difference from the one it is held against, at every layer under some resamples."""
        first, *second = (self._level(level, resamples) for level in self.levels)
        if not second:
            return first
        other = second[0]
        return Replicates(first.value - other.value, first.influence - other.influence, first.centre - other.centre)

    def _level(self, level: str, resamples: Resamples) -> Replicates:
        design = self.units.design
        return level_replicates(self.per_layer, compared(design, level, self.category), design, resamples)

    @property
    def few(self) -> Resamples:
        """The first resamples, which suffice for what stands beside the claim."""
        return Resamples(self.resamples.times[: controls.CONTROL_RESAMPLES + 1], self.resamples.groups)

    @cached_property
    def shown(self) -> Replicates:
        """The effect at every layer under these."""
        return self.effect(self.few)

    @cached_property
    def every_level(self) -> dict[str, Floats]:
        """(layer,) each level that the corpus has a pair for."""
        found = {}
        for level in LEVELS:
            with suppress(ClaimError):
                weights = compared(self.units.design, level, self.category)
                found[level] = np.array([(weights * s).sum() for s in self.per_layer]) / weights.sum()
        return found


def check_positions(positions: Sequence[int]) -> None:
    """Raises `ClaimError` where a text has no two positions to compare."""
    if len(positions) < 2:
        raise ClaimError(
            "Levels of similarity compare different positions, and the run reads one; choose more --positions."
        )


def _combined(effect: Replicates, weights: Floats) -> Replicates:
    """(layer, cell) combinations of layers; what is left by rounding, where layers are alike, is no influence."""
    found = effect.weighted(weights)
    size = (np.abs(effect.influence[0]).max(axis=0)[:, None] * (weights != 0)).max(axis=0)
    still = np.abs(found.influence[0]).max(axis=0) <= ROUNDING * size
    return replace(found, influence=np.where(still, 0.0, found.influence)) if still.any() else found


def _flat(effect: Replicates) -> tuple[int, ...]:
    """Layers in which no text says anything else than another."""
    value = effect.value[0]
    still = (effect.influence[0] == 0).all(axis=0)
    return tuple(int(c) for c in np.flatnonzero(still | ~np.isfinite(value)))
