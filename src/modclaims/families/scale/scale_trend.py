"""ScaleTrend: do models set categories the further apart, the larger they are?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common import controls
from modclaims.families.common.null_histograms import null_histogram
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
from modclaims.families.scale.figures.effect_by_parameters import EffectByParameters
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import CountedLevel, TestPlan
from modclaims.recording import ModelShape, Request
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.delta_bounds import delta_bounds
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.effects.trend import Trend, count_orders, exchanged_slopes, is_enumerated
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.quantifiers import somewhere

Floats = NDArray[np.float64]
FEWEST = 5
"""Models below which a claim with models as units settles nothing: of 4, no p falls below 1/24, nor survives a second claim."""


class ScaleTrend(AcrossModels):
    """The larger a model, the further apart it sets categories.

    The unit is the model. Its own effect is Cliff's delta of same-category over different-category
    similarities (2 P(same > different) - 1, as in `CategoryClustering`), averaged over relative depths; the
    claim's effect is the least-squares slope of these on log10 of the number of parameters: delta per
    factor of ten, positive when larger models set categories further apart. There is one cell. Models are
    those of `--model` and `--beside`.

    p counts the orders of the models' effects among their sizes, all k! of them up to 8 models, so that it
    cannot fall below 1 / k!. Exchangeable under the null: the models' effects, whatever their sizes. Bounds
    are those of Student's t with k - 2 degrees of freedom: they hold where models scatter about the line
    alike and independently of one another, as models of one family that share data and seeds hardly do.
    Below 5 models nothing is settled, by design. The texts are those of the run: how surely they tell each
    model's own effect is shown, and enters no bound.

    Attributes
    ----------
    holds : Holds, default somewhere()
        Only somewhere(): a trend over models is one number.
    smallest_effect : float, default 0.1
        Delta per factor of ten in size, at least 0.

    References
    ----------
    Cliff (1993), Dominance statistics: ordinal analyses to answer ordinal questions.

    Examples
    --------
    >>> from modclaims import ScaleTrend
    >>> from modclaims.calibration.examples import planted
    >>> class LargerIsMoreModular(ScaleTrend):
    ...     "Every factor of ten in size sets categories further apart."
    >>> print(planted(LargerIsMoreModular, 3))  # five models
    SUPPORTED  delta per factor of ten 0.29 [0.19, 0.39] at the whole network
    """

    effect_name: ClassVar[str] = "delta per factor of ten"
    _without_effect: ClassVar[Mapping[str, str]] = {"adjust": "there is one cell"}

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

    def plan(self, before: PlanContext) -> TestPlan:
        models = before.shape.models
        self.requests(before.shape)
        count, budget = len(models), before.weighing.permutations
        orders, exact = count_orders(sizes_of(models)), is_enumerated(len(models), budget)
        return TestPlan(
            "model",
            count,
            len(before.corpus),
            self.holds,
            "exchanging the models' effects among their sizes",
            CountedLevel(before.weighing.resamples + 1, True, "--beside"),
            label=self.label,
            test=CountedLevel(orders if exact else budget + 1, exact, "--beside" if exact else "--permutations"),
            arrangements=orders,
            undecided=too_few(count),
        )

    def measure(self, look: Look) -> Measured:
        models, depths = look.shape.models, self.grid(look.shape)
        ends_of(look.shape)
        compared = self._compared(look, 0 if look.settings.bare else look.settings.resamples)
        sizes, over = sizes_of(models), np.full((len(depths), 1), 1 / len(depths))
        read = tuple(self._read(look.recording.of(model.name), depths, compared) for model in models)
        deltas, own = [], []
        for one in read:
            delta = one.delta(compared)
            deltas.append(delta.value[0])
            own.append(delta_bounds(delta.weighted(over), compared.units.design, compared.resamples))
        effects = np.array([float(bounds.theta[0]) for bounds in own])
        line = Trend.of(sizes, effects)
        rng = look.rng("orders", design=str(len(models)))
        slopes, tie, exact = exchanged_slopes(sizes, effects, budget=look.settings.permutations, rng=rng)
        action = "exchanging the models' effects among their sizes"
        test = NullTest.of("slope over log10 of parameters", slopes[:, None], tie, exact=exact, action=action)
        return Measured(
            (Cell(),),
            self.effect_name,
            line.bounds(look.settings.resamples),
            test,
            len(look.corpus),
            len(models),
            unit="model",
            resampled="models",
            undecided=too_few(len(models)),
            payload=Ladder(compared, depths, read, np.stack(deltas), tuple(own), sizes, effects, line, test),
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Ladder)
        slope, sizes, alone = found.line.slope, found.sizes, found.alone
        beyond = [found.mean(self._beyond_words(look, one, alone)) for one in found.models]
        rivals = [
            _each_model(look.shape.models, found.own, look.alpha),
            _slope_beyond(slope, Trend.of(sizes, np.array(beyond)).slope, beyond),
        ]
        if self.untrained:
            untrained = [
                [
                    found.mean(self._read(one.recording, found.depths, alone, variant).delta(alone))
                    for variant in controls.untrained_variants(self.untrained)
                ]
                for one in found.models
            ]
            theirs = Trend.of(sizes, np.mean(untrained, axis=1)).slope
            rivals.append(_slope_untrained(slope, theirs, untrained, self.untrained))
        return [RivalResult(control) for control in rivals]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found, models, alpha = measured.kept(Ladder), look.shape.models, look.alpha
        return (
            _by_parameters(self, models, found.own, found.line, alpha),
            by_depth(self, models, found.depths, found.deltas, [], None, alpha),
            replace(null_histogram(found.test, 0, (Cell(),)), title="Slope over log10 of parameters under chance"),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found, models = measured.kept(Ladder), look.shape.models
        units, df = found.compared.units, found.line.df
        return Words(
            note=f"similarity {self.similarity}, site {self.site}, mean over {len(found.depths)} relative depths; "
            f"{len(models)} models of {_count(models[0])} to {_count(models[-1])} parameters{units.note}",
            detail=f"The bounds are Student's, with {df} degrees of freedom." if df > 0 else "",
            warnings=(
                *units.warnings,
                *tokenizers(look.shape),
                *ceiling([model.name for model in models], found.effects),
            ),
            secondary={"Kendall's tau": np.array([_kendall(found.sizes, found.effects)])},
        )


@dataclass(frozen=True)
class Ladder:
    """Models by size, with the effect of each: the mean of its delta over relative depths."""

    compared: ModelComparison
    """The texts, which are the same for all models, and their resamples."""
    depths: Floats
    """(depth,) ascending."""
    models: tuple[OneModel, ...]
    """Ascending in size."""
    deltas: Floats
    """(model, depth) Cliff's delta."""
    own: tuple[Bounds, ...]
    """Bounds of each model's effect, over texts; of no resample where the weighing is bare."""
    sizes: Floats
    """(model,) log10 of the number of parameters."""
    effects: Floats
    """(model,) what the line is drawn through."""
    line: Trend
    """Through effects by sizes."""
    test: NullTest
    """Its slope, the effects being exchanged."""

    @property
    def alone(self) -> ModelComparison:
        """The texts as they are, without a resample."""
        drawn = self.compared.resamples
        return replace(self.compared, resamples=Resamples(drawn.times[:1], drawn.groups))

    def mean(self, delta: Replicates) -> float:
        """A delta's mean over relative depths, of the texts as they are."""
        return float((delta.value[0] @ np.full((len(self.depths), 1), 1 / len(self.depths)))[0])


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


def _each_model(models: tuple[ModelShape, ...], own: Sequence[Bounds], alpha: float) -> Control:
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


def _slope_untrained(slope: float, untrained: float, effects: list[list[float]], seeds: int) -> Control:
    return Control(
        "untrained_baseline",
        f"Over the models' untrained networks ({seeds} seeds each, their mean) the slope is {untrained:.2f}; over the trained models "
        f"it is {slope:.2f}.",
        {"slope": slope, "slope_untrained": untrained, "untrained": [float(np.mean(each)) for each in effects]},
    )


def _kendall(sizes: Floats, effects: Floats) -> float:
    """Kendall's tau-b."""
    from scipy.stats import kendalltau

    return float(kendalltau(sizes, effects).statistic)


def _by_parameters(
    claim: AcrossModels, models: tuple[ModelShape, ...], own: Sequence[Bounds], line: Trend, alpha: float
) -> Exhibit:
    """Each model's mean delta against its size, with the line."""
    effect, low, high = (np.array(part) for part in zip(*(between(b, 0, alpha) for b in own), strict=True))
    parameters = np.array([float(model.parameters or 0) for model in models])
    listed = "; ".join(f"{m.name} {_count(m)} {e:.2f}" for m, e in zip(models, effect, strict=True))
    return EffectByParameters(
        f"Cliff's delta of {claim.label} against the number of parameters, {claim.site}",
        f"Mean delta over relative depths of {len(models)} models with {100 * (1 - 2 * alpha):g} % intervals over texts, and the "
        f"least-squares line, {line.slope:.2f} a factor of ten. {listed}.",
        parameters=parameters,
        effect=effect,
        low=low,
        high=high,
        line=line.intercept + line.slope * np.log10(parameters),
        models=tuple(model.name for model in models),
        effect_name="mean delta",
    ).exhibit()
