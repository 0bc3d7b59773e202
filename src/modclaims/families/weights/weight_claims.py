"""What claims have in common that look at weights alone: no text is read, and null objects are the unit of chance."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.null_histograms import null_histogram
from modclaims.families.weights.figures.against_draws import AgainstDraws
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import CountedLevel, TestPlan, counted_bounds
from modclaims.recording import Recording, Weights
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.evidence import Cell, Exhibit, NullTest
from modclaims.stats.nulls.null_objects import draw_bounds, resample_draws
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]
LEAST_DRAWS = 99
UNIT = "null object"
"""What is counted and resampled, in words."""


class WeightClaim(Hypothesis):
    """A claim about one network's weights, weighed against null objects that are drawn.

    The network's own number is exact. p counts null objects at least as extreme (ties included) and
    cannot fall below 1 / (draws + 1); the interval of the effect is the Monte Carlo error of the null
    objects' mean, from resampling the draws. Nothing is said beyond this network. Along depth the
    effects' slope takes its level from that interval alone.

    Attributes
    ----------
    draws : int, default 199
        Null objects: at least 99. No p falls below 1 / (draws + 1), so larger suites need more.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1), or
        along_depth("rises") and along_depth("falls"): the slope over relative depth, whose p is read off
        its bound.
    """

    draws: int = 199
    layers: tuple[int, ...] | None = None
    holds: Holds = somewhere()
    _takes_slopes: ClassVar[bool] = True
    _without_effect: ClassVar[Mapping[str, str]] = {"label": "no text is read", "within": "no text is read"}

    def plan(self, before: PlanContext) -> TestPlan:
        bounds = replace(counted_bounds(before, [0]), goes_on=False)
        made = TestPlan(UNIT, self.draws, 0, self.holds, f"resampling {UNIT}s", bounds)
        request = self.requests(before.shape)[0]
        if self.holds.contrast(before.shape.resolve_layers(request)) is not None:
            return made
        test = CountedLevel(self.draws + 1, False, "draws", goes_on=False)
        return replace(made, action=self.action, cells=before.cells(self.holds, request), test=test)

    def validate(self) -> None:
        super().validate()
        if self.draws < LEAST_DRAWS:
            raise ClaimError(
                f"draws = {self.draws}: p cannot fall below 1 / {self.draws + 1}; take {LEAST_DRAWS} or more."
            )

    def columns(self) -> tuple[str, ...]:
        """None: no text is read."""
        return ()

    def check(self, before: PlanContext) -> None:
        before.cells(self.holds, self.requests(before.shape)[0])

    @property
    @abstractmethod
    def action(self) -> str:
        """What makes a null object of the network, in words."""

    @abstractmethod
    def _compared(self, look: Look) -> WeightMeasurement:
        """The network's number beside its null objects', with what the family needs later."""

    def _quantity(self) -> str:
        """The effect at one layer, in words."""
        return self.effect_name

    def _effect(self) -> str:
        """What the claim is about, in words: the effect, or its rise."""
        return f"rise of {self._quantity()}" if self.holds.contrasts else self._quantity()

    def measure(self, look: Look) -> Measured:
        compared = self._compared(look)
        beside, contrast = compared.beside, self.holds.contrast(compared.beside.layers)
        if contrast is None:
            cells, bounds, test = beside.cells, compared.by_layer, beside.test(self)
            degenerate = tuple(np.flatnonzero(np.ptp(beside.null, axis=0) == 0).tolist())
        else:
            cells, bounds, test, degenerate = (Cell(),), compared.slope(contrast), None, ()
        return Measured(
            cells,
            self._effect(),
            bounds,
            test,
            0,
            len(beside.null),
            unit=UNIT,
            resampled=f"{UNIT}s",
            degenerate=degenerate,
            payload=compared,
        )

    def _resamples(self, look: Look, null: Floats) -> Resamples:
        """Draws of (draw, layer) null objects anew."""
        rng = look.rng("resamples", design=f"{len(null)} null objects")
        return resample_draws(len(null), count=look.settings.resamples, rng=rng)

    def _shown(self, compared: WeightMeasurement, named: int) -> int:
        """The layer that rivals and words are about: the named one, or of a contrast the one of the largest effect."""
        return int(np.argmax(compared.by_layer.effect)) if self.holds.contrasts else named

    def _histogram(self, measured: Measured, cell: int) -> tuple[Exhibit, ...]:
        """What chance does there; nothing where no null object is counted."""
        return () if measured.test is None else (null_histogram(measured.test, cell, measured.cells),)


@dataclass(frozen=True)
class NullComparison:
    """A number of the network at some layers, and of its null objects."""

    layers: tuple[int, ...]
    own: Floats
    """(layer,)"""
    null: Floats
    """(draw, layer)"""
    change: Literal["drop", "rise", "difference"]
    """What the effect is: 1 - own / mean, own / mean - 1, or own - mean over the null objects."""
    statistic: str
    rounding: float = 1e-9
    """Differences of this share of the network's number are ties."""
    ends: tuple[float, float] = (-np.inf, np.inf)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """One a layer."""
        return tuple(Cell(layer=layer) for layer in self.layers)

    def z(self) -> Floats:
        """(layer,) standard deviations of the null objects between their mean and the network, positive where the effect is."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = (self.own - self.null.mean(axis=0)) / self.null.std(axis=0, ddof=1)
        return np.asarray(-found if self.change == "drop" else found)

    def test(self, claim: WeightClaim) -> NullTest:
        """How extreme the network is among its null objects; less is more extreme where the effect is a drop."""
        sign = -1.0 if self.change == "drop" else 1.0
        return NullTest.of(
            self.statistic if sign > 0 else f"{self.statistic}, sign reversed",
            sign * np.concatenate([self.own[None], self.null]),
            self.rounding * np.abs(self.own),
            exact=False,
            action=claim.action,
            by=claim.adjust,
        )


@dataclass(frozen=True)
class WeightMeasurement:
    """What a claim about weights leaves of its measuring; each family adds what it needs later."""

    beside: NullComparison
    resamples: Resamples
    """Of the null objects."""

    @cached_property
    def by_layer(self) -> Bounds:
        """The effect at every layer."""
        b = self.beside
        return draw_bounds(b.own, b.null, self.resamples, change=b.change, ends=b.ends)

    def slope(self, contrast: Floats) -> Bounds:
        """A (layer, 1) contrast of the effects, such as their slope over relative depth."""
        b = self.beside
        return draw_bounds(b.own, b.null, self.resamples, change=b.change, weights=contrast)


def matrix(recording: Recording, request: Weights, layer: int = 0) -> NDArray[np.floating]:
    """One of the network's matrices, as it was recorded."""
    return np.asarray(recording.array(request, layer))


def by_depth(beside: NullComparison, depth: int, *, title: str, of: str, null: str, description: str) -> Exhibit:
    """The network's number by relative depth, with the range and mean of its null objects."""
    low, high = np.quantile(beside.null, (0.05, 0.95), axis=0)
    spread = float((high - low).max())
    digits = max(0, 1 - math.floor(math.log10(spread))) if spread > 0 else 3
    told = "; ".join(
        f"layer {layer}: {own:.{digits}f}, null objects {mean:.{digits}f} [{a:.{digits}f}, {b:.{digits}f}]"
        for layer, own, mean, a, b in zip(beside.layers, beside.own, beside.null.mean(axis=0), low, high, strict=True)
    )
    return AgainstDraws(
        title,
        f"{description} By layer, with 5 % and 95 % of the null objects: {told}.",
        depth=np.array(beside.layers) / max(depth - 1, 1),
        layer=np.array(beside.layers),
        own=beside.own,
        null_mean=beside.null.mean(axis=0),
        null_low=low,
        null_high=high,
        of=of,
        null=null,
    ).exhibit()
