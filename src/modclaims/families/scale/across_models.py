"""What claims about several models share: one category's effect, at equal relative depths of all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common import controls
from modclaims.families.common.units import Units
from modclaims.families.scale.figures.models_by_depth import ModelsByDepth
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.planning.context import PlanContext
from modclaims.recording import LAYER_SITES, Activations, ModelShape, Recording, Request, for_model, for_variant
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.depths import between_layers, relative_depths
from modclaims.stats.effects.pair_effects import cliffs_delta, unweighable
from modclaims.stats.effects.similarity import SIMILARITIES, text_similarity
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.ties import tolerance

Floats = NDArray[np.float64]
ENDS = (-1.0, 1.0)
CEILING = 0.95
"""Delta from which on the scale has hardly any room left."""


@dataclass(frozen=True)
class ModelComparison:
    """The texts as all models of a claim see them: one design, one set of resamples."""

    units: Units
    pairs: Pairs
    resamples: Resamples

    def few(self) -> ModelComparison:
        """The same with as many resamples as controls need."""
        fewer = Resamples(self.resamples.times[: controls.CONTROL_RESAMPLES + 1], self.resamples.groups)
        return replace(self, resamples=fewer)

    def delta(self, similarities: Floats, weights: Floats, slack: Floats | None = None) -> Replicates:
        """Cliff's delta at relative depths under every resample, from (pair, layer) similarities that tie within `slack`."""
        delta = cliffs_delta(similarities, self.units.design, self.pairs, self.resamples, slack=slack)
        return delta.weighted(weights)


@dataclass(frozen=True)
class OneModel:
    """Similarities of the texts in one model, at the layers next to the relative depths."""

    recording: Recording
    """The model's own."""
    similarities: Floats
    """(pair, layer)"""
    weights: Floats
    """(layer, depth) that interpolate between these layers."""

    @property
    def name(self) -> str:
        """The model's."""
        return self.recording.shape.name

    def delta(self, compared: ModelComparison) -> Replicates:
        """Cliff's delta at the relative depths under every resample."""
        return compared.delta(self.similarities, self.weights)

    def flat(self, pairs: Pairs) -> NDArray[np.bool_]:
        """(depth,) where similarities of a layer that takes part do not vary."""
        return np.asarray((self.weights != 0)[unweighable(self.similarities, pairs)].any(axis=0))


class AcrossModels(Hypothesis):
    """What claims about several models share: Cliff's delta of a category, at equal relative depths of all of them.

    Attributes
    ----------
    site : str, default 'resid_post'
        Where to look. One of 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre' and 'resid_post'.
    similarity : str, default 'cosine'
        Similarity of two activations. One of 'cosine', 'centred_cosine' (less the texts' mean),
        'scaled_cosine' (dot product over the longest vector's squared length), 'centred_scaled_cosine',
        'magnitude_aware' (1 - distance over twice the longest vector), 'euclidean' (minus the
        distance) and 'correlation' (over coordinates).
    depths : tuple[float, ...] | None, default None
        Relative depths, from 0 (first layer) to 1 (last), each once, at which models are compared; None
        for those of the layers of the model with fewest.
    label : str, default 'category'
        Column of the corpus whose values are the categories.
    within : str | None, default None
        Column inside whose values (strata) pairs of texts are compared; None for all pairs. Another
        column than `label`.
    untrained : int, default 5
        Untrained networks of each model that the effect is compared with: 0 for none, or at least 5.
    """

    site: str = "resid_post"
    similarity: str = "cosine"
    depths: tuple[float, ...] | None = None
    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    untrained: int = controls.UNTRAINED

    def models(self) -> int:
        return 2

    def validate(self) -> None:
        super().validate()
        if self.site not in LAYER_SITES:
            raise ClaimError(
                f"Site {self.site!r} has no counterpart in another model; choose one of {', '.join(LAYER_SITES)}."
            )
        if self.similarity not in SIMILARITIES:
            raise ClaimError(f"Similarity {self.similarity!r} is unknown; choose one of {', '.join(SIMILARITIES)}.")
        if self.depths is not None and (
            not self.depths
            or len(set(self.depths)) < len(self.depths)
            or not all(isinstance(d, (int, float)) and 0 <= d <= 1 for d in self.depths)
        ):
            raise ClaimError(
                f"depths = {self.depths!r} must be different numbers from 0 (first layer) to 1 (last), or None."
            )
        controls.check_untrained(self.untrained)

    def check(self, before: PlanContext) -> None:
        Units.of(before.corpus, self.label, self.within)

    def gridders(self, shape: ModelShape) -> tuple[ModelShape, ...]:
        """The models whose layers set the relative depths."""
        return shape.models

    def grid(self, shape: ModelShape) -> Floats:
        """Relative depths at which models are compared, ascending. Raises `ClaimError` for a model of one layer."""
        for model in shape.models:
            if model.layers < 2:
                raise ClaimError(f"Model {model.name!r} has one layer, which lies at no relative depth.")
        if self.depths is not None:
            return np.array(sorted(float(depth) for depth in self.depths))
        return relative_depths(min(model.layers for model in self.gridders(shape)))

    def cells(self, shape: ModelShape) -> tuple[Cell, ...]:
        """A place a relative depth."""
        return tuple(Cell(depth=float(depth)) for depth in self.grid(shape))

    def twinned(self, shape: ModelShape) -> tuple[ModelShape, ...]:
        """The models that untrained networks and shared words are asked of."""
        return shape.models

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        depths, found = self.grid(shape), list[Request]()
        for model in shape.models:
            mine, beside = self._request(model, depths), [controls.EMBED]
            beside += [
                Activations(mine.site, mine.layers, variant=v) for v in controls.untrained_variants(self.untrained)
            ]
            name = None if model.name == shape.name else model.name
            found += [for_model(one, name) for one in (mine, *(beside if model in self.twinned(shape) else ()))]
        return tuple(found)

    def _request(self, model: ModelShape, depths: Floats) -> Activations:
        used = np.flatnonzero(between_layers(model.layers, depths).any(axis=1))
        return Activations(self.site, tuple(used.tolist()))

    def _read(self, one: Recording, depths: Floats, compared: ModelComparison, variant: str | None = None) -> OneModel:
        """One model, or one of its variants, as its recording has it."""
        request = self._request(one.shape, depths)
        asked, layers = for_variant(request, variant), request.layers or ()
        per_layer = [text_similarity(one.array(asked, layer), self.similarity) for layer in layers]
        similarities = compared.pairs.matrix([compared.units.similarity(s.values) for s in per_layer])
        return OneModel(one, similarities, between_layers(one.shape.layers, depths)[list(layers)])

    def _beyond_words(self, look: Look, one: OneModel, compared: ModelComparison) -> Replicates:
        """One model's delta of what is left after shared words."""
        units, pairs = compared.units, compared.pairs
        taken = controls.beyond_words(one.recording, units, pairs, one.similarities, look.claim, look.settings, 1)
        return compared.delta(taken.adjusted, one.weights, tolerance(one.similarities))

    def _compared(self, look: Look, count: int) -> ModelComparison:
        """The texts, and so many resamples of them."""
        units = Units.of(look.corpus, self.label, self.within)
        rng = look.rng("resamples", design=units.design.digest)
        return ModelComparison(units, Pairs.of(units.design), resample(units.design, count=count, rng=rng))


def ends_of(shape: ModelShape) -> tuple[tuple[ModelShape, ...], tuple[ModelShape, ...]]:
    """The smallest and the largest of the run's models; several where they have equally many parameters.

    Raises `ClaimError` where all models are of one size.
    """
    sizes = [model.parameters or 0 for model in shape.models]
    if min(sizes) == max(sizes):
        names = ", ".join(repr(model.name) for model in shape.models)
        raise ClaimError(
            f"Models {names} have {sizes[0]:,} parameters each, so none is larger than another; give models of other sizes "
            "with --beside."
        )
    smallest, largest = (
        tuple(model for model, size in zip(shape.models, sizes, strict=True) if size == end)
        for end in (min(sizes), max(sizes))
    )
    return smallest, largest


def tokenizers(shape: ModelShape) -> tuple[str, ...]:
    """The warning where models read texts in tokens of their own."""
    found = {model.provenance.get("tokenizer_sha256", "") for model in shape.models}
    if len(found) == 1:
        return ()
    return (
        f"The {len(shape.models)} models have {len(found)} different tokenizers: texts are the same, but positions are those of "
        "each model's own tokens, so they are read up to different words.",
    )


def ceiling(names: list[str], effects: Floats) -> tuple[str, ...]:
    """The warning where models stand so near the end of the scale that they can hardly differ any more."""
    there = [name for name, effect in zip(names, effects, strict=True) if effect > CEILING]
    if not there:
        return ()
    return (
        f"Delta is above {CEILING:g} in {', '.join(there)}: near the end of its scale what is larger can hardly show.",
    )


def between(bounds: Bounds, cell: int, alpha: float) -> tuple[float, float, float]:
    """A cell's effect with its own limits."""
    return float(bounds.effect[cell]), float(bounds.lower(alpha)[cell]), float(bounds.upper(alpha)[cell])


def by_depth(
    claim: AcrossModels,
    models: tuple[ModelShape, ...],
    depths: Floats,
    effect: Floats,
    sides: list[str],
    difference: Bounds | None,
    alpha: float,
) -> Exhibit:
    """Each model's delta by relative depth, and the difference of the largest and smallest."""
    told = f"Delta of {len(models)} models at {len(depths)} relative depths, a line per model."
    if difference is not None:
        every = ", ".join(f"{value:.2f} at {d:.2g}" for value, d in zip(difference.effect, depths, strict=True))
        told += f" Below, {sides[0]} minus {sides[1]} with its own {100 * (1 - 2 * alpha):g} % bounds: {every}."
    return ModelsByDepth(
        f"Cliff's delta of {claim.label} by relative depth, {claim.site}, a line per model",
        told,
        depth=depths,
        effect=effect,
        parameters=np.array([float(model.parameters or 0) for model in models]),
        difference=None if difference is None else difference.effect,
        low=None if difference is None else difference.lower(alpha),
        high=None if difference is None else difference.upper(alpha),
        smallest_effect=None if difference is None else claim.smallest_effect,
        models=tuple(model.name for model in models),
        sides=tuple(sides),
        effect_name="delta",
    ).exhibit()
