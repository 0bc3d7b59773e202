"""TighterThanAttention: does the MLP let through fewer directions than attention?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.jacobians.jacobian_claim import CountedClaim
from modclaims.families.jacobians.measured_spectra import (
    ENDS,
    QUANTITIES,
    MeasuredSpectra,
    by_depth,
)
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.recording import ModelShape, Request
from modclaims.stats.bounds.order_statistics import medians
from modclaims.stats.evidence import Exhibit


class TighterThanAttention(CountedClaim):
    """The MLP lets through fewer directions than the attention block of the same layer.

    Of each token's Jacobian those directions are counted that `quantity` names, as a fraction of the width (see
    `TightPass`). Token by token: attention's output at one token has as many dimensions as the MLP's, and
    what it mixes from earlier ones counts neither for it nor against it. The effect (narrowing) is attention's
    minus the MLP's, paired by text, and of that the median over texts; positive when the MLP is tighter. Cells
    are layers.

    Nothing is exchanged: p is read off the order statistics of the texts' differences, as are the bounds, exact under
    any law of independent texts. The two blocks differ in more than training: an MLP acts token by token, and lets nothing through
    its neurons that are not active, which stand beside.

    Attributes
    ----------
    block : str, default 'mlp'
        Leave it: only 'mlp' is allowed here.
    smallest_effect : float, default 0.05
        Fraction of the width, from 0 to below 1.

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality (there of sigma, here
    of sigma^2).

    Examples
    --------
    >>> from modclaims import TighterThanAttention
    >>> from modclaims.calibration.examples import planted
    >>> class MLPBelowAttention(TighterThanAttention):
    ...     "Some MLP is tighter than the attention block of its layer."
    >>> print(planted(MLPBelowAttention, 3))
    SUPPORTED  narrowing 0.16 [0.07, 0.20] at layer 3
    >>> print(planted(MLPBelowAttention, 0))
    INCONCLUSIVE  narrowing 0.03 [-0.12, 0.11] at layer 3
    """

    def validate(self) -> None:
        super().validate()
        if self.block != "mlp":
            raise ClaimError("TighterThanAttention compares the MLP with attention; leave block as it is.")

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        pair = (self._request("mlp"), self._request("attention"))
        shape.resolve_layers(pair[0])
        return (*pair, *(replace(request, answer="token_values") for request in pair))

    def plan(self, before: PlanContext) -> TestPlan:
        return self._planned(before)

    def measure(self, look: Look) -> Measured:
        pair = Pair(
            self._passed(look, "mlp"),
            self._passed(look, "attention"),
        )
        sample = pair.mlp.sample
        return Measured(
            pair.mlp.cells,
            self.effect_name,
            medians(pair.differences, ENDS, texts=sample.texts),
            None,
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            payload=pair,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return [RivalResult(measured.kept(Pair).mlp.active(named))]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        both = measured.kept(Pair).both
        return (
            by_depth(self.quantity, both, look.shape.layers),
            *(passed.exhibit(look.recording) for passed in both),
            *self._explained(both[0]),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        pair = measured.kept(Pair)
        return Words(
            note=f"{self._window(look)}; attention's {QUANTITIES[self.quantity]} minus the MLP's, over width, paired by text",
            warnings=pair.mlp.sample.warnings,
            secondary={
                f"{passed.request.block}: {word}": values
                for passed in pair.both
                for word, values in passed.secondary().items()
            },
        )


@dataclass(frozen=True)
class Pair:
    """Both blocks' Jacobians at the same texts."""

    mlp: MeasuredSpectra
    attention: MeasuredSpectra

    @property
    def differences(self) -> NDArray[np.float64]:
        """(unit, layer) attention's share minus the MLP's."""
        return self.attention.shares - self.mlp.shares

    @property
    def both(self) -> tuple[MeasuredSpectra, MeasuredSpectra]:
        """As they are shown."""
        return self.mlp, self.attention
