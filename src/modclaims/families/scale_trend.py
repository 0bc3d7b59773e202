"""ScaleTrend: do models set categories the further apart, the larger they are?"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.across_models import AcrossModels, between, by_depth, ceiling, ends_of, tokenizers
from modclaims.families.null_histograms import null_histogram
from modclaims.look import Weighing
from modclaims.recording import ModelShape, Recording, Request
from modclaims.stats.bootstrap import Bounds, Resamples
from modclaims.stats.delta_bounds import delta_bounds
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.quantifiers import somewhere
from modclaims.stats.trend import Trend, exchanged_slopes

Floats = NDArray[np.float64]
FEWEST = 5
"""Models below which a claim with models as units settles nothing: of 4, no p falls below 1/24, nor survives a second claim."""


class ScaleTrend(AcrossModels):
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
            own.append(delta_bounds(delta.weighted(over), units.design, compared.resamples))
        effects = np.array([float(bounds.theta[0]) for bounds in own])
        line = Trend.of(sizes, effects)
        rng = weighing.rng(name, str(len(models)), "orders")
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
                by_depth(self, models, depths, np.stack(deltas), [], None, alpha),
                replace(null_histogram(test, 0, (Cell(),)), title="Slope over log10 of parameters under chance"),
            ),
            warnings=(
                *units.warnings,
                *tokenizers(recording.shape),
                *ceiling([model.name for model in models], effects),
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


def _count(model: ModelShape) -> str:
    """A number of parameters, such as 125M."""
    value = float(model.parameters or 0)
    for letter, power in (("B", 9), ("M", 6), ("k", 3)):
        if value >= 10**power:
            return f"{value / 10**power:.3g}{letter}"
    return f"{value:.0f}"


def _each_model(models: tuple[ModelShape, ...], own: list[Bounds], alpha: float) -> Control:
    """Every model's effect with what texts leave open of it."""
    told, numbers = [], dict[str, float]()
    for model, bounds in zip(models, own, strict=True):
        effect, low, high = between(bounds, 0, alpha)
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


def _by_parameters(
    claim: AcrossModels, models: tuple[ModelShape, ...], own: list[Bounds], line: Trend, alpha: float
) -> Exhibit:
    """Each model's mean delta against its size, with the line."""
    effect, low, high = (np.array(part) for part in zip(*(between(b, 0, alpha) for b in own), strict=True))
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
