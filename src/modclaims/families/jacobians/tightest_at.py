"""TightestAt: is a block tighter in named layers than in the others?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modclaims.errors import ClaimError
from modclaims.families.jacobians.jacobian_claim import CountedClaim
from modclaims.families.jacobians.measured_spectra import (
    ENDS,
    QUANTITIES,
    MeasuredSpectra,
    by_depth,
    listed,
)
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.recording import ModelShape, Request
from modclaims.stats.bounds.order_statistics import medians
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.quantifiers import somewhere


class TightestAt(CountedClaim):
    """A block is tighter in named layers than in the others.

    Of each token's Jacobian those directions are counted that `quantity` names, as a fraction of the width (see
    `TightPass`). The effect (narrowing) is their mean over all other layers minus their mean over the `named`
    ones, and of that the median over texts; positive when the named layers are tighter. There is one cell,
    the contrast.

    Nothing is exchanged and no null object takes part: p is read off the order statistics of the texts, as are
    the bounds, exact under any law of independent texts; the weights are those of this network. Name the layers before looking: a contrast chosen after the
    spectrum was seen says nothing.

    Attributes
    ----------
    named : tuple[int, ...], default (1, 2)
        Layers said to be tighter, from 0, negative ones counted from the last.
    holds : Holds, default somewhere()
        Only somewhere(): the claim is one contrast of layers.
    smallest_effect : float, default 0.05
        Fraction of the width, from 0 to below 1.

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality (there of sigma, here
    of sigma^2).

    Examples
    --------
    >>> from modclaims import TightestAt
    >>> from modclaims.calibration.examples import planted
    >>> class TightEarly(TightestAt):
    ...     "MLPs are tightest right after the first layer."
    ...
    ...     named = (1, 2)
    ...     smallest_effect = 0.1
    >>> print(planted(TightEarly, 3))
    SUPPORTED  narrowing 0.30 [0.17, 0.37] at the whole network
    >>> print(planted(TightEarly, 0))
    REFUTED  narrowing -0.01 [-0.08, 0.04] at the whole network
    """

    named: tuple[int, ...] = (1, 2)

    def validate(self) -> None:
        super().validate()
        if not self.named:
            raise ClaimError("named = () names no layer.")
        if self.holds != somewhere():
            raise ClaimError("TightestAt is one contrast of layers; leave holds as it is.")

    def _parts(self, shape: ModelShape) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Named layers and the others. Raises `ClaimError` if either are none."""
        layers = shape.resolve_layers(self._request())
        named = shape.resolve_layers(replace(self._request(), layers=self.named))
        others = tuple(layer for layer in layers if layer not in named)
        if not set(named) <= set(layers) or not others:
            raise ClaimError(f"named = {self.named} of the layers {list(layers)} leaves nothing to compare with.")
        return named, others

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        self._parts(shape)
        return (self._request(), replace(self._request(), answer="token_values"))

    def plan(self, before: PlanContext) -> TestPlan:
        return self._planned(before, cells=1)

    def measure(self, look: Look) -> Measured:
        passed = self._passed(look)
        named, others = self._parts(look.shape)
        weights = np.array([[-1 / len(named) if layer in named else 1 / len(others)] for layer in passed.layers])
        return Measured(
            (Cell(),),
            self.effect_name,
            medians(passed.shares @ weights, ENDS, texts=passed.sample.texts),
            None,
            passed.sample.texts,
            passed.sample.n,
            unit=passed.sample.unit,
            resampled=f"{passed.sample.unit}s",
            payload=passed,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return (
            [RivalResult(measured.kept(MeasuredSpectra).active_in(self._parts(look.shape)[0]))]
            if self.block == "mlp"
            else ()
        )

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        passed = measured.kept(MeasuredSpectra)
        tighter, _ = self._parts(look.shape)
        return (
            by_depth(self.quantity, [passed], look.shape.layers, marked=tighter),
            passed.exhibit(look.recording),
            *self._explained(passed),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        passed = measured.kept(MeasuredSpectra)
        tighter, others = self._parts(look.shape)
        return Words(
            note=f"block {self.block}, {self._window(look)}; {QUANTITIES[self.quantity]} over width; layers {listed(tighter)} against "
            f"{listed(others)}, in this network",
            warnings=passed.sample.warnings,
        )
