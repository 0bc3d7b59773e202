"""Claims about scale: do models of a run differ in how alike texts of one category are, and does it grow with their size?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.category_clustering import null_histogram
from modclaims.families.units import Units
from modclaims.families.within_versus_style import minus
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import (
    LAYER_SITES,
    Activations,
    ModelShape,
    Recording,
    Request,
    for_model,
    for_variant,
)
from modclaims.stats.bootstrap import Bounds, Replicates, Resamples, bootstrap_t, resample
from modclaims.stats.depths import between_layers, relative_depths
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.pair_effects import cliffs_delta
from modclaims.stats.permutation import Pairs
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.similarity import SIMILARITIES, text_similarity
from modclaims.stats.streams import stream
from modclaims.stats.trend import Trend, exchanged_slopes

Floats = NDArray[np.float64]
ENDS = (-1.0, 1.0)
CEILING = 0.95
"""Delta from which on the scale has hardly any room left."""
FEWEST = 5
"""Models below which a claim with models as units settles nothing: of 4, no p falls below 1/24, nor survives a second claim."""


@dataclass(frozen=True)
class Compared:
    """The texts as all models of a claim see them: one design, one set of resamples."""

    units: Units
    pairs: Pairs
    resamples: Resamples

    def few(self) -> Compared:
        """The same with as many resamples as controls need."""
        fewer = Resamples(self.resamples.times[: controls.CONTROL_RESAMPLES + 1], self.resamples.groups)
        return replace(self, resamples=fewer)

    def delta(self, similarities: Floats, weights: Floats) -> Replicates:
        """Cliff's delta at relative depths under every resample, from (pair, layer) similarities."""
        return cliffs_delta(similarities, self.units.design, self.pairs, self.resamples).weighted(weights)


class _AcrossModels(Hypothesis):
    """What claims about several models share: Cliff's delta of a category, at equal relative depths of all of them."""

    site: str = "resid_post"
    """attn_out, mlp_out, resid_pre, resid_post or mlp_act."""
    similarity: str = "cosine"
    """One of `modclaims.stats.similarity.SIMILARITIES`."""
    depths: tuple[float, ...] | None = None
    """Relative depths, from 0 to 1, at which models are compared; None for those of the layers of the one with fewest."""
    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    twins: int = controls.TWINS
    """Untrained twins of each model shown beside the claim; 0 for none."""

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
        if self.twins != 0 and self.twins < 5:
            raise ClaimError(f"twins = {self.twins}: a twin comparison needs at least 5 seeds, or 0 for none.")

    def check(self, corpus: Corpus) -> None:
        Units.of(corpus, self.label, self.within)

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
        """The models that untrained twins and shared words are asked of."""
        return shape.models

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        depths, found = self.grid(shape), list[Request]()
        for model in shape.models:
            mine, beside = self._request(model, depths), [controls.EMBED]
            beside += [Activations(mine.site, mine.layers, variant=v) for v in controls.twin_variants(self.twins)]
            name = None if model.name == shape.name else model.name
            found += [for_model(one, name) for one in (mine, *(beside if model in self.twinned(shape) else ()))]
        return tuple(found)

    def _request(self, model: ModelShape, depths: Floats) -> Activations:
        used = np.flatnonzero(between_layers(model.layers, depths).any(axis=1))
        return Activations(self.site, tuple(used.tolist()))

    def _similarities(self, one: Recording, depths: Floats, compared: Compared, variant: str | None = None) -> Floats:
        """(pair, layer) similarities of one model's recording, at the layers next to the depths."""
        request = self._request(one.shape, depths)
        asked = for_variant(request, variant)
        per_layer = [text_similarity(one.array(asked, layer), self.similarity) for layer in request.layers or ()]
        return compared.pairs.matrix([compared.units.similarity(s.values) for s in per_layer])

    def _weights(self, model: ModelShape, depths: Floats) -> Floats:
        """(layer, depth) weights of those layers."""
        return between_layers(model.layers, depths)[list(self._request(model, depths).layers or ())]

    def _delta(self, one: Recording, depths: Floats, compared: Compared, variant: str | None = None) -> Replicates:
        """One model's delta at the relative depths."""
        similarities = self._similarities(one, depths, compared, variant)
        return compared.delta(similarities, self._weights(one.shape, depths))

    def _beyond_words(self, one: Recording, depths: Floats, compared: Compared, weighing: Weighing) -> Replicates:
        """One model's delta of what is left after shared words."""
        similarities = self._similarities(one, depths, compared)
        name = type(self).__name__
        taken = controls.beyond_words(one, compared.units, compared.pairs, similarities, name, weighing, 1)
        return compared.delta(taken.adjusted, self._weights(one.shape, depths))

    def _flat(self, one: Recording, depths: Floats, compared: Compared) -> NDArray[np.bool_]:
        """(depth,) where similarities of a layer that takes part do not vary."""
        similarities = self._similarities(one, depths, compared)
        finite = np.isfinite(similarities).all(axis=0)
        flat = ~finite | (np.ptp(np.where(finite, similarities, 0.0), axis=0) <= 1e-12)
        return np.asarray((self._weights(one.shape, depths) != 0)[flat].any(axis=0))

    def _compared(self, recording: Recording, weighing: Weighing, count: int) -> Compared:
        units = Units.of(recording.corpus, self.label, self.within)
        rng = stream(weighing.seed, type(self).__name__, units.design.digest, "resamples")
        return Compared(units, Pairs.of(units.design), resample(units.design, count=count, rng=rng))


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


class ModelsDiffer(_AcrossModels):
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
        smaller, larger = (_mean([self._delta(one, depths, compared) for one in group]) for group in groups)
        effect = bootstrap_t(minus(larger, smaller), compared.resamples, ends=(-2.0, 2.0))
        bare = Evidence(cells, self.effect_name, effect, None, len(recording.corpus), n_units=units.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, alpha).cell
        own = [bootstrap_t(side, compared.resamples, ends=ENDS) for side in (larger, smaller)]
        words = [_named(end) for end in reversed(ends_of(recording.shape))]
        few, where = compared.few(), str(cells[named])
        rivals = [_each(own, words, named, where, alpha)]
        each = {model.name: self._delta(recording.of(model.name), depths, few) for model in recording.shape.models}
        if len(each) > 2:
            rivals.append(_pairs(recording.shape.models, each, few.resamples, named, where, alpha))

        def difference(found: list[list[Replicates]]) -> Replicates:
            return minus(_mean(found[1]), _mean(found[0]))

        beyond = difference([[self._beyond_words(one, depths, few, weighing) for one in group] for group in groups])
        rivals.append(_beyond(bootstrap_t(beyond, few.resamples, ends=(-2.0, 2.0)), named, where, alpha))
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
                _by_depth(
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
                *_tokenizers(recording.shape),
                *_ceiling(words, np.array([bounds.effect[named] for bounds in own])),
            ),
            note=f"similarity {self.similarity}, site {self.site}; {words[0]} minus {words[1]}{units.note}",
            detail=" ".join(
                f"Delta of {word} at {where} is {bounds.effect[named]:.2f}."
                for word, bounds in zip(words, own, strict=True)
            ),
        )


class ScaleTrend(_AcrossModels):
    """The larger a model, the further apart it sets categories.

    The unit is the model. Its effect is Cliff's delta of same-category over different-category similarities (as in
    `CategoryClustering`), averaged over the relative depths of the model with fewest layers; the claim's is the
    least-squares slope of these effects on log10 of the number of parameters: delta per factor of ten. Exchangeable
    under the null: the models' effects, whatever their sizes; p counts all k! orders (those that differ among models of
    one size are one), so that it cannot fall below 1/k!. Bounds are those of Student's t with k - 2 degrees of freedom:
    they hold where models scatter about the line alike and independently of one another, as models of one family that
    share data and seeds hardly do. Below 5 models nothing is settled, by design. The texts are those of the run: how
    surely they tell each model's own effect is shown beside it.
    """

    effect_name: ClassVar[str] = "delta per factor of ten"

    def validate(self) -> None:
        super().validate()
        if self.holds != somewhere():
            raise ClaimError(
                f"{self.holds.words!r}: a trend over models is one number; leave holds out, and name depths = (...) to look at "
                "some relative depths only."
            )

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        ends_of(shape)
        return super().requests(shape)

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        models, depths = recording.shape.models, self.grid(recording.shape)
        ends_of(recording.shape)
        compared = self._compared(recording, weighing, 0 if weighing.bare else weighing.resamples)
        units, alpha, name = compared.units, weighing.alpha, type(self).__name__
        sizes = sizes_of(models)
        over = np.full((len(depths), 1), 1 / len(depths))
        deltas, own = [], []
        for model in models:
            delta = self._delta(recording.of(model.name), depths, compared)
            deltas.append(delta.value[0])
            own.append(bootstrap_t(delta.weighted(over), compared.resamples, ends=ENDS))
        effects = np.array([float(bounds.theta[0]) for bounds in own])
        line = Trend.of(sizes, effects)
        rng = stream(weighing.seed, name, str(len(models)), "orders")
        slopes, tie, exact = exchanged_slopes(sizes, effects, budget=weighing.permutations, rng=rng)
        action = "exchanging the models' effects among their sizes"
        test = NullTest.of("slope over log10 of parameters", slopes[:, None], tie, exact=exact, action=action)
        bare = Evidence(
            (Cell(),),
            self.effect_name,
            line.bounds(weighing.resamples),
            test,
            len(recording.corpus),
            unit="model",
            n_units=len(models),
            resampled="models",
            undecided=too_few(len(models)),
        )
        if weighing.bare:
            return bare
        alone = replace(compared, resamples=Resamples(compared.resamples.times[:1], compared.resamples.groups))
        rivals = [_each_model(models, own, alpha)]
        beyond = [
            float((self._beyond_words(recording.of(m.name), depths, alone, weighing).value[0] @ over)[0])
            for m in models
        ]
        rivals.append(_slope_beyond(line.slope, Trend.of(sizes, np.array(beyond)).slope, beyond))
        if self.twins:
            untrained = [
                [
                    float((self._delta(recording.of(m.name), depths, alone, variant).value[0] @ over)[0])
                    for variant in controls.twin_variants(self.twins)
                ]
                for m in models
            ]
            slope = Trend.of(sizes, np.mean(untrained, axis=1)).slope
            rivals.append(_slope_of_twins(line.slope, slope, untrained, self.twins))
        return replace(
            bare,
            controls=tuple(rivals),
            secondary={"Kendall's tau": np.array([_kendall(sizes, effects)])},
            exhibits=(
                _by_parameters(self, models, own, line, alpha),
                _by_depth(self, models, depths, np.stack(deltas), [], None, alpha),
                replace(null_histogram(test, 0, (Cell(),)), title="Slope over log10 of parameters under chance"),
            ),
            warnings=(
                *units.warnings,
                *_tokenizers(recording.shape),
                *_ceiling([model.name for model in models], effects),
            ),
            note=f"similarity {self.similarity}, site {self.site}, mean over {len(depths)} relative depths; "
            f"{len(models)} models of {_count(models[0])} to {_count(models[-1])} parameters{units.note}",
            detail=f"The bounds are Student's, with {line.df} degrees of freedom." if line.df > 0 else "",
        )


def too_few(models: int) -> str:
    """Why so few models settle nothing; empty for enough."""
    if models >= FEWEST:
        return ""
    return (
        f"fewer than {FEWEST} models: with models as units {models} of them settle nothing, by design. Give at least "
        f"{FEWEST - models} more with --beside; whether the largest and the smallest differ is a claim of ModelsDiffer."
    )


def sizes_of(models: tuple[ModelShape, ...]) -> Floats:
    """(model,) log10 of the number of parameters."""
    return np.log10([float(model.parameters or 1) for model in models])


def _mean(sides: list[Replicates]) -> Replicates:
    """The mean of effects under the same resamples."""
    if len(sides) == 1:
        return sides[0]
    parts = zip(*((side.value, side.influence, side.centre) for side in sides), strict=True)
    return Replicates(*(np.mean(part, axis=0) for part in parts))


def _count(model: ModelShape) -> str:
    """A number of parameters, such as 125M."""
    value = float(model.parameters or 0)
    for letter, power in (("B", 9), ("M", 6), ("k", 3)):
        if value >= 10**power:
            return f"{value / 10**power:.3g}{letter}"
    return f"{value:.0f}"


def _named(models: tuple[ModelShape, ...]) -> str:
    """Such as `opt-125m`, or `the mean of a and b`."""
    names = [model.name for model in models]
    return names[0] if len(names) == 1 else f"the mean of {', '.join(names[:-1])} and {names[-1]}"


def _tokenizers(shape: ModelShape) -> tuple[str, ...]:
    """The warning where models read texts in tokens of their own."""
    found = {model.provenance.get("tokenizer_sha256", "") for model in shape.models}
    if len(found) == 1:
        return ()
    return (
        f"The {len(shape.models)} models have {len(found)} different tokenizers: texts are the same, but positions are those of "
        "each model's own tokens, so they are read up to different words.",
    )


def _ceiling(names: list[str], effects: Floats) -> tuple[str, ...]:
    """The warning where models stand so near the end of the scale that they can hardly differ any more."""
    there = [name for name, effect in zip(names, effects, strict=True) if effect > CEILING]
    if not there:
        return ()
    return (
        f"Delta is above {CEILING:g} in {', '.join(there)}: near the end of its scale what is larger can hardly show.",
    )


def _between(bounds: Bounds, cell: int, alpha: float) -> tuple[float, float, float]:
    return float(bounds.effect[cell]), float(bounds.lower(alpha)[cell]), float(bounds.upper(alpha)[cell])


def _each(own: list[Bounds], words: list[str], cell: int, where: str, alpha: float) -> Control:
    """Both models by themselves."""
    told, numbers = [], dict[str, float]()
    for bounds, word, side in zip(own, words, ("larger", "smaller"), strict=True):
        effect, low, high = _between(bounds, cell, alpha)
        told.append(f"{word} reaches delta {effect:.2f} [{low:.2f}, {high:.2f}]")
        numbers |= {f"delta_{side}": effect, f"low_{side}": low, f"high_{side}": high}
    return Control("each_model", f"At {where}, {told[0]}; {told[1]}.", numbers)


def _pairs(
    models: tuple[ModelShape, ...],
    each: dict[str, Replicates],
    resamples: Resamples,
    cell: int,
    where: str,
    alpha: float,
) -> Control:
    """Every two models, the larger minus the smaller."""
    told, numbers = [], dict[str, float]()
    for i, small in enumerate(models):
        for large in models[i + 1 :]:
            bounds = bootstrap_t(minus(each[large.name], each[small.name]), resamples, ends=(-2.0, 2.0))
            effect, low, high = _between(bounds, cell, alpha)
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
    effect, low, high = _between(bounds, cell, alpha)
    return Control(
        "shared_words",
        f"Beyond these proxies (TF-IDF and each model's input embeddings, cubic splines) the difference at {where} is "
        f"{effect:.2f} [{low:.2f}, {high:.2f}].",
        {"difference": effect, "low": low, "high": high},
    )


def _each_model(models: tuple[ModelShape, ...], own: list[Bounds], alpha: float) -> Control:
    """Every model's effect with what texts leave open of it."""
    told, numbers = [], dict[str, float]()
    for model, bounds in zip(models, own, strict=True):
        effect, low, high = _between(bounds, 0, alpha)
        told.append(f"{model.name} ({_count(model)}) {effect:.2f} [{low:.2f}, {high:.2f}]")
        numbers |= {model.name: effect, f"{model.name}, low": low, f"{model.name}, high": high}
    return Control("each_model", f"Delta of each model, with its own interval over texts: {'; '.join(told)}.", numbers)


def _slope_beyond(slope: float, beyond: float, effects: list[float]) -> Control:
    return Control(
        "shared_words",
        f"Beyond these proxies (TF-IDF and each model's input embeddings, cubic splines) the slope is {beyond:.2f}; with shared "
        f"words it is {slope:.2f}.",
        {"slope": slope, "slope_beyond": beyond, "effects": effects},
    )


def _slope_of_twins(slope: float, untrained: float, effects: list[list[float]], seeds: int) -> Control:
    return Control(
        "untrained_twin",
        f"Over the models' untrained twins ({seeds} seeds each, their mean) the slope is {untrained:.2f}; over the trained models "
        f"it is {slope:.2f}.",
        {"slope": slope, "slope_untrained": untrained, "twins": [float(np.mean(each)) for each in effects]},
    )


def _kendall(sizes: Floats, effects: Floats) -> float:
    """Kendall's tau-b."""
    from scipy.stats import kendalltau

    return float(kendalltau(sizes, effects).statistic)


def _by_depth(
    claim: _AcrossModels,
    models: tuple[ModelShape, ...],
    depths: Floats,
    effect: Floats,
    sides: list[str],
    difference: Bounds | None,
    alpha: float,
) -> Exhibit:
    """Each model's delta by relative depth, and the difference of the largest and smallest."""
    arrays: dict[str, NDArray[np.generic]] = {
        "depth": depths,
        "effect": effect,
        "parameters": np.array([float(model.parameters or 0) for model in models]),
    }
    told = f"Delta of {len(models)} models at {len(depths)} relative depths, a line a model."
    if difference is not None:
        arrays |= {
            "difference": difference.effect,
            "low": difference.lower(alpha),
            "high": difference.upper(alpha),
            "smallest_effect": np.array(claim.smallest_effect),
        }
        told += (
            f" Below, {sides[0]} minus {sides[1]} with its own {100 * (1 - 2 * alpha):g} % bounds, largest "
            f"{np.nanmax(difference.effect):.2f} at relative depth {depths[int(np.nanargmax(difference.effect))]:.2g}."
        )
    labels = {"models": [model.name for model in models], "sides": sides, "effect_name": "delta"}
    title = f"Cliff's delta of {claim.label} by relative depth, {claim.site}, a line a model"
    return Exhibit("models_by_depth", title, told, arrays, labels)


def _by_parameters(
    claim: _AcrossModels, models: tuple[ModelShape, ...], own: list[Bounds], line: Trend, alpha: float
) -> Exhibit:
    """Each model's mean delta against its size, with the line."""
    effect, low, high = (np.array(part) for part in zip(*(_between(b, 0, alpha) for b in own), strict=True))
    parameters = np.array([float(model.parameters or 0) for model in models])
    listed = "; ".join(f"{m.name} {_count(m)} {e:.2f}" for m, e in zip(models, effect, strict=True))
    return Exhibit(
        "effect_by_parameters",
        f"Cliff's delta of {claim.label} against the number of parameters, {claim.site}",
        f"Mean delta over relative depths of {len(models)} models with {100 * (1 - 2 * alpha):g} % intervals over texts, and the "
        f"least-squares line, {line.slope:.2f} a factor of ten. {listed}.",
        {
            "parameters": parameters,
            "effect": effect,
            "low": low,
            "high": high,
            "line": line.intercept + line.slope * np.log10(parameters),
        },
        {"models": [model.name for model in models], "effect_name": "mean delta"},
    )
