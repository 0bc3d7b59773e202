"""LeadingValues: do the first singular values of a block's Jacobian stand above the rest?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.controls import untrained_variants
from modclaims.families.common.depth_curves import layer_curve
from modclaims.families.jacobians.jacobian_claim import JacobianClaim
from modclaims.families.jacobians.measured_spectra import TITLES
from modclaims.families.jacobians.whole_spectra import WholeSpectra
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.recording import Jacobian, ModelShape, Recording, Request
from modclaims.stats.bounds.order_statistics import medians
from modclaims.stats.evidence import Control, Exhibit

Floats = NDArray[np.float64]
OTHERS = ("gaussian", "untrained")
OTHER_DRAWS, OTHER_TEXTS = 5, 2
"""Networks with other weights of each kind, which are controls, and at how many texts."""


class LeadingValues(JacobianClaim):
    """The first singular values of a block's Jacobian stand an order of magnitude above the rest.

    J is d block(x) / d x of all tokens of a window together, (tokens x width) x (tokens x width), otherwise that of
    `TightPass`. The effect (orders of magnitude) is log10 of the geometric mean of the
    `leading` largest singular values over the median of the others that lie above the noise floor, one
    number per text and layer, the median over texts; 1 is an order of magnitude, 0 no step. Cells are layers.

    Nothing is exchanged: p is read off the order statistics of the texts, as are the bounds, exact under any law
    of independent texts. It is a statement on the size of a step in this network's spectra, and every spectrum
    falls: the same number is shown for networks with Gaussian and with untrained weights.

    Attributes
    ----------
    leading : int, default 10
        How many of the largest values are held against the others: at least 1.
    tokens : int, default 2
        Tokens at the start of a text at which J is taken: at least 1. Costly: size grows with it.
    ends_at : int | None, default None
        The window's last token, from 0: tokens - 1 is the start of the text, and the least (at least 1 for 2
        tokens). None for the first of the run's positions.
    smallest_effect : float, default 1.0
        Orders of magnitude, from 0 to below 7, where float32's noise begins.

    Notes
    -----
    With singular values s_1 >= s_2 >= ... and k = `leading`, the effect is log10 of (s_1 ... s_k)^(1/k) /
    median(s_j: j > k, above the noise floor: float32's, tokens x width x 1.2e-7, in units of s_1).

    Examples
    --------
    >>> from modclaims import LeadingValues
    >>> from modclaims.calibration.examples import planted
    >>> class AStepInTheSpectrum(LeadingValues):
    ...     "The first ten values stand an order of magnitude above the others."
    >>> print(planted(AStepInTheSpectrum, 3))
    SUPPORTED  orders of magnitude 3.07 [2.36, 3.50] at layer 2
    >>> print(planted(AStepInTheSpectrum, 0))
    REFUTED  orders of magnitude 0.11 [-0.20, 0.56] at layer 2
    """

    leading: int = 10
    tokens: int = 2
    smallest_effect: float = 1.0
    effect_name: ClassVar[str] = "orders of magnitude"
    largest_effect: ClassVar[float] = 7.0

    def validate(self) -> None:
        super().validate()
        if self.leading < 1:
            raise ClaimError(f"leading = {self.leading}: at least 1 value is needed.")

    def _values(self, variant: str | None = None) -> Jacobian:
        request = replace(self._request(), answer="values", variant=variant)
        return request if variant is None else replace(request, texts=OTHER_TEXTS)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = replace(self._request(), answer="summary")
        shape.resolve_layers(mine)
        if self.tokens * shape.width < 2 * self.leading:
            raise ClaimError(
                f"A Jacobian at {self.tokens} tokens of width {shape.width} has {self.tokens * shape.width} singular values, "
                f"too few to hold {self.leading} of them against the others."
            )
        return (
            mine,
            self._values(),
            *(self._values(f"{kind}:{seed}") for kind in OTHERS for seed in range(OTHER_DRAWS)),
        )

    def plan(self, before: PlanContext) -> TestPlan:
        return self._planned(before)

    def measure(self, look: Look) -> Measured:
        passed = WholeSpectra.of(look.recording, replace(self._request(), answer="summary"))
        sample, layers = passed.sample, passed.layers
        steps = np.stack([self._steps(look.recording, None, layer) for layer in layers], axis=1)
        if np.isnan(steps).any():
            raise ClaimError(
                f"In layer {layers[int(np.isnan(steps).any(axis=0).argmax())]} fewer than {self.leading + 1} singular values lie "
                "above the noise floor for some text; choose a smaller leading = ..."
            )
        return Measured(
            passed.cells,
            self.effect_name,
            medians(sample.units(steps), texts=sample.texts),
            None,
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            payload=passed,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        layer, own = measured.kept(WholeSpectra).layers[named], float(measured.bounds.effect[named])
        return [RivalResult(self._other(look.recording, kind, layer, own)) for kind in OTHERS]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        passed = measured.kept(WholeSpectra)
        twins = np.array(
            [
                [self._steps(look.recording, v, layer).mean() for layer in passed.layers]
                for v in untrained_variants(OTHER_DRAWS)
            ]
        )
        twins = twins[np.isfinite(twins).all(axis=1)]
        return (
            passed.exhibit(look.recording),
            layer_curve(
                f"How far the {self.leading} largest singular values of the {TITLES[self.block]}'s Jacobian stand above the others",
                "orders of magnitude",
                passed.layers,
                look.shape.layers,
                measured.bounds,
                look.alpha,
                untrained=twins if len(twins) else None,
            ).exhibit(),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        passed = measured.kept(WholeSpectra)
        times = 10 ** measured.bounds.effect[named]
        return Words(
            note=f"block {self.block}, {self._window(look)}; log10 of the geometric mean of the {self.leading} largest singular "
            "values over the median of the others above the noise floor",
            detail=f"The {self.leading} largest values stand {times:.1f} times above the median of the others.",
            warnings=passed.sample.warnings,
            secondary={"values above a tenth of the first": passed.quantity("above_tenth").mean(axis=0)},
        )

    def _steps(self, recording: Recording, variant: str | None, layer: int) -> Floats:
        """(text,) log10 of the leading values over the median of the others; not a number where too few rise above the floor."""
        found = np.asarray(recording.array(self._values(variant), layer), dtype=np.float64)
        if not np.isfinite(found).all():
            raise ClaimError(
                f"At {self.tokens} tokens not all singular values of layer {layer} are worked out one by one; choose fewer tokens."
            )
        above = found > np.finfo(np.float32).eps * found.shape[1] * found[:, :1]
        steps = np.full(len(found), np.nan)
        for i in np.flatnonzero(above[:, self.leading]):
            steps[i] = np.log10(found[i, : self.leading]).mean() - np.log10(
                np.median(found[i, above[i]][self.leading :])
            )
        return steps

    def _other(self, recording: Recording, kind: str, layer: int, own: float) -> Control:
        """The same number of networks with other weights, at few texts."""
        drawn = np.array([self._steps(recording, f"{kind}:{seed}", layer).mean() for seed in range(OTHER_DRAWS)])
        found = drawn[np.isfinite(drawn)]
        words = {"gaussian": "networks with Gaussian weights", "untrained": "untrained networks"}[kind]
        low, high = (float(found.min()), float(found.max())) if len(found) else (np.nan, np.nan)
        told = f"the step in layer {layer} is {low:.2f} to {high:.2f} orders of magnitude, here {own:.2f}"
        if len(found) < len(drawn):
            told += f"; {len(drawn) - len(found)} have too few values above the noise floor"
        return Control(
            f"{kind}_null",
            f"In {len(drawn)} {words}, at {OTHER_TEXTS} texts, {told}.",
            {"own": own, "lowest": low, "highest": high},
        )
