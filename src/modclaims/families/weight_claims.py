"""What claims have in common that look at weights alone: no text is read, and null objects are the unit of chance."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.hypothesis import Hypothesis
from modclaims.look import Weighing
from modclaims.recording import Recording, Weights
from modclaims.stats.bootstrap import Bounds
from modclaims.stats.evidence import Cell, Evidence, Exhibit, NullTest
from modclaims.stats.null_objects import draw_bounds, resample_draws
from modclaims.stats.quantifiers import AlongDepth, Holds, slope_weights, somewhere

Floats = NDArray[np.float64]
LEAST_DRAWS = 99
UNIT = "null object"
"""Fewer layers than this have no slope worth the name."""


class WeightClaim(Hypothesis):
    """A claim about one network's weights, weighed against null objects that are drawn.

    The network's own number is exact. p counts null objects at least as extreme (ties included) and cannot fall below
    1 / (draws + 1); the interval of the effect is the Monte Carlo error of the null objects' mean, from resampling the
    draws. Nothing is said beyond this network. Along depth the effects' slope takes its level from that interval alone.
    """

    draws: int = 199
    """Null objects."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    holds: Holds = somewhere()

    def validate(self) -> None:
        super().validate()
        if self.draws < LEAST_DRAWS:
            raise ClaimError(
                f"draws = {self.draws}: p cannot fall below 1 / {self.draws + 1}; take {LEAST_DRAWS} or more."
            )

    def columns(self) -> tuple[str, ...]:
        """None: no text is read."""
        return ()

    @property
    @abstractmethod
    def action(self) -> str:
        """What makes a null object of the network, in words."""


@dataclass(frozen=True)
class Beside:
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

    def bounds(self, claim: WeightClaim, weighing: Weighing, *, along: bool = False) -> Bounds:
        """Bounds of the effect by layer, or of its slope over relative depth from the first of these layers to the last."""
        design = f"{len(self.null)} null objects"
        rng = weighing.rng(type(claim).__name__, design, "resamples")
        resamples = resample_draws(len(self.null), count=weighing.resamples, rng=rng)
        weights = slope_weights(claim.holds, self.layers) if along else None
        ends = self.ends if weights is None else (-np.inf, np.inf)
        return draw_bounds(self.own, self.null, resamples, change=self.change, weights=weights, ends=ends)

    def evidence(self, claim: WeightClaim, weighing: Weighing) -> Evidence:
        """Test and bounds, without what decides nothing."""
        along = isinstance(claim.holds, AlongDepth)
        return Evidence(
            (Cell(),) if along else self.cells,
            f"rise of {claim.effect_name}" if along else claim.effect_name,
            self.bounds(claim, weighing, along=along),
            None if along else self.test(claim),
            n_texts=0,
            unit=UNIT,
            n_units=len(self.null),
            resampled=f"{UNIT}s",
            degenerate=() if along else tuple(np.flatnonzero(np.ptp(self.null, axis=0) == 0).tolist()),
        )

    def named(self, claim: WeightClaim, bare: Evidence, weighing: Weighing) -> int:
        """Index of the layer that controls and details are about: along depth, the one of the largest effect."""
        if isinstance(claim.holds, AlongDepth):
            return int(np.argmax(self.bounds(claim, weighing).effect))
        return claim.holds.levels(bare, claim.smallest_effect, weighing.alpha, weighing.claims).cell


def matrix(recording: Recording, request: Weights, layer: int = 0) -> NDArray[np.floating]:
    """One of the network's matrices, as it was recorded."""
    return np.asarray(recording.array(request, layer))


def by_depth(beside: Beside, depth: int, *, title: str, of: str, null: str, description: str) -> Exhibit:
    """The network's number by relative depth, with the range and mean of its null objects."""
    low, high = np.quantile(beside.null, (0.05, 0.95), axis=0)
    spread = float((high - low).max())
    digits = max(0, 1 - math.floor(math.log10(spread))) if spread > 0 else 3
    told = "; ".join(
        f"layer {layer}: {own:.{digits}f}, null objects {mean:.{digits}f} [{a:.{digits}f}, {b:.{digits}f}]"
        for layer, own, mean, a, b in zip(beside.layers, beside.own, beside.null.mean(axis=0), low, high, strict=True)
    )
    return Exhibit(
        "against_draws",
        title,
        f"{description} By layer, with 5 % and 95 % of the null objects: {told}.",
        {
            "depth": np.array(beside.layers) / max(depth - 1, 1),
            "layer": np.array(beside.layers),
            "own": beside.own,
            "null_mean": beside.null.mean(axis=0),
            "null_low": low,
            "null_high": high,
        },
        {"of": of, "null": null},
    )
