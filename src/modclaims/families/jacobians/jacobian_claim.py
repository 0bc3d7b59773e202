"""JacobianClaim: what claims about the Jacobian of one kind of block share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import MIN_UNITS, Sample
from modclaims.families.jacobians.measured_spectra import QUANTITIES, MeasuredSpectra
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.planning.context import PlanContext
from modclaims.planning.perfect_samples import of_medians
from modclaims.planning.plan import TestPlan
from modclaims.recording import BLOCKS, Jacobian
from modclaims.stats.evidence import Exhibit
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]


class JacobianClaim(Hypothesis):
    """A claim about J = d block(x) / d x, without the residual, at a window of tokens of some texts.

    Attributes
    ----------
    block : str, default 'mlp'
        Whose Jacobian. One of 'mlp' and 'attention'.
    tokens : int, default 3
        Tokens of the window at which J is taken: at least 1. Costs grow with it, of attention with its square.
    ends_at : int | None, default None
        The window's last token, from 0: tokens - 1 is the start of the text, and the least (at least 2 for 3
        tokens). None for the first of the run's positions. Earlier tokens are held still, as keys and values.
    texts : int | None, default 16
        The most texts, spread evenly over the corpus, at which J is taken: at least 2, or None for all; 6 must be
        there.
    normalised : bool, default True
        Whether the block's own normalisation is part of it.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    """

    block: str = "mlp"
    tokens: int = 3
    ends_at: int | None = None
    texts: int | None = 16
    normalised: bool = True
    layers: tuple[int, ...] | None = None
    holds: Holds = somewhere()
    _without_effect: ClassVar[Mapping[str, str]] = {
        "label": "no categories are compared",
        "within": "no categories are compared",
        "adjust": "p is read off the bound",
    }

    def validate(self) -> None:
        super().validate()
        if self.block not in BLOCKS:
            raise ClaimError(f"Block {self.block!r} is unknown; choose one of {', '.join(BLOCKS)}.")
        self._request()

    def columns(self) -> tuple[str, ...]:
        """None: the claim compares networks, not categories."""
        return ()

    def check(self, before: PlanContext) -> None:
        before.cells(self.holds, self._request())
        self._request().window(before.positions)
        sample = Sample.of(before.corpus, self._request().chosen(before.corpus))
        sample.require(MIN_UNITS, before.corpus, "to say how much texts vary. Add texts, or raise texts = ...")

    def _request(self, block: str | None = None) -> Jacobian:
        return Jacobian(block or self.block, self.tokens, self.layers, self.normalised, self.texts, last=self.ends_at)

    def _planned(self, before: PlanContext, beside: str = "", cells: int | None = None) -> TestPlan:
        """What claims about Jacobians share: a cell per layer unless so many are said, and no test; units are the texts at
        which they are taken."""
        request = self._request()
        made = unlabelled(self, Sample.of(before.corpus, request.chosen(before.corpus)), before, request)
        cells = made.cells if cells is None else cells
        return of_medians(replace(made, cells=cells, action=f"taking the median over {made.unit}s{beside}"))

    def _window(self, look: Look) -> str:
        window = self._request().window(look.recording.positions)
        return f"tokens {window[0]} to {window[-1]}" if len(window) > 1 else f"token {window[0]}"


class CountedClaim(JacobianClaim):
    """A claim about how many directions of a token's output a block lets through.

    Attributes
    ----------
    quantity : str, default 'numerical_rank'
        What is counted. One of 'numerical_rank' (singular values above float32's noise floor, width x
        1.2e-7, in units of the largest), 'effective_rank' (exp of the entropy of sigma^2 / sum(sigma^2): over
        how many directions the energy spreads), 'above_tenth' (values above a tenth of the largest) and
        'stable_rank' (sum(sigma^2) / sigma_1^2).
    """

    quantity: str = "numerical_rank"
    smallest_effect: float = 0.05
    effect_name: ClassVar[str] = "narrowing"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.quantity not in QUANTITIES:
            raise ClaimError(f"Quantity {self.quantity!r} is unknown; choose one of {', '.join(QUANTITIES)}.")

    def _passed(self, look: Look, block: str | None = None) -> MeasuredSpectra:
        return MeasuredSpectra.of(look.recording, self._request(block), self.quantity)

    def _explained(self, passed: MeasuredSpectra) -> list[Exhibit]:
        """Of MLPs: the rank against active neurons, and against tokens where there are many."""
        if passed.request.block != "mlp":
            return []
        return [one for one in (passed.active_exhibit(), passed.tokens_exhibit()) if one is not None]
