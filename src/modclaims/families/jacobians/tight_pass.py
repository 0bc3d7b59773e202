"""TightPass: does a block let through fewer directions than it could?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common.null_networks import NULLS
from modclaims.families.jacobians.jacobian_claim import CountedClaim
from modclaims.families.jacobians.measured_spectra import (
    ENDS,
    QUANTITIES,
    MeasuredSpectra,
    by_depth,
    by_text,
    shares,
)
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.recording import Jacobian, ModelShape, Recording, Request
from modclaims.stats.bounds.order_statistics import medians
from modclaims.stats.evidence import Control, Exhibit
from modclaims.stats.nulls.null_objects import MIN_DRAWS

Floats = NDArray[np.float64]
OTHER_DRAWS = 6
"""Null objects of each kind but the claim's own, which are controls."""


class TightPass(CountedClaim):
    """A block lets through fewer directions than the same block with other weights.

    J_t = d block(x)_t / d x, without the residual, of each token t of a window of `tokens` tokens, with respect to
    all of them, earlier ones being held still as keys and values; in float64, at real inputs. Of its `width`
    possible directions those are counted that `quantity` names, as a fraction of the width, and the mean is
    taken over tokens. The effect (narrowing) is the mean over a text's null objects minus the network's own,
    and of that the median over texts; positive when the trained block is tighter. Null objects are blocks whose matrices
    have other weights, with the biases and norms that were learned (not so 'untrained'), at the same inputs,
    each at one text: every text is compared with null objects of its own. Cells are layers.

    Nothing is exchanged: p is read off the order statistics of the texts, as are the bounds, exact under any law
    of texts that are independent, as are their null objects. The median is what a typical text shows: texts of another
    kind, were they fewer than half, do not. A normalisation alone removes one or two
    dimensions per token: it is algebra, and null objects have it too. In an MLP a neuron that is not active
    lets nothing through, so the neurons that are stand beside every claim on one, as what may explain it.

    Attributes
    ----------
    null : str, default 'gaussian'
        The null objects' weights. One of 'gaussian' (noise of each matrix' Frobenius norm), 'permuted'
        (each matrix' own entries in another order) and 'untrained' (the architecture, initialised).
    draws : int, default 24
        Null objects in all, which take turns at the texts: at least 20, and 1 for each text.
    smallest_effect : float, default 0.05
        Fraction of the width, from 0 to below 1.

    Notes
    -----
    For ReLU the numerical rank of a token's J is min(active neurons, width - 2) in all texts that were looked at
    (a LayerNorm removes the mean, and all but eps / (variance + eps) of its own input's direction). Numerical and
    effective rank may contradict each other: nearly all directions pass, and nearly all energy in a few of them.
    No level falls below 2^-texts. Of several layers, up to 16 texts, a text's sides of the smallest effect are
    exchanged with the opposite ones in all layers together; of more texts the level is multiplied by the layers.
    An encoder reads a text up to the window's end, and what follows takes no part.

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality (there of sigma, here
    of sigma^2).

    Examples
    --------
    >>> from modclaims import TightPass
    >>> from modclaims.calibration.examples import planted
    >>> class MLPIsTight(TightPass):
    ...     "Some MLP lets through fewer directions than random weights would."
    ...
    ...     smallest_effect = 0.1
    >>> print(planted(MLPIsTight, 3))
    SUPPORTED  narrowing 0.31 [0.15, 0.36] at layer 1
    >>> print(planted(MLPIsTight, 0))
    INCONCLUSIVE  narrowing 0.03 [-0.09, 0.10] at layer 1
    """

    null: str = "gaussian"
    draws: int = 24

    def validate(self) -> None:
        super().validate()
        if self.null not in NULLS:
            raise ClaimError(f"Null {self.null!r} is unknown; choose one of {', '.join(NULLS)}.")
        if self.draws < MIN_DRAWS:
            raise ClaimError(f"draws = {self.draws}: a bound over null objects needs at least {MIN_DRAWS} of them.")

    def check(self, before: PlanContext) -> None:
        super().check(before)
        self._check_draws(len(self._request().chosen(before.corpus)))

    def _check_draws(self, texts: int) -> None:
        """Raises `ClaimError` where there are fewer null objects than texts."""
        if self.draws < texts:
            raise ClaimError(
                f"draws = {self.draws} null objects for {texts} texts: each text needs one of its own. Raise draws to {texts}, "
                f"or lower texts = ... to {self.draws}."
            )

    def _null(self, kind: str, draw: int) -> Jacobian:
        """One null object, at one text: they take turns."""
        return replace(self._request(), variant=f"{kind}:{draw}", only=draw)

    def _nulls(self, kind: str) -> list[Jacobian]:
        """Null objects of one kind."""
        return [self._null(kind, draw) for draw in range(self.draws if kind == self.null else OTHER_DRAWS)]

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        values = replace(mine, answer="token_values")
        return (mine, values, *(request for kind in NULLS for request in self._nulls(kind)))

    def plan(self, before: PlanContext) -> TestPlan:
        return self._planned(before, f", each with some of {self.draws} null objects")

    def measure(self, look: Look) -> Measured:
        passed = self._passed(look)
        narrowed = Narrowed(passed, self._by_draw(look.recording, self.null, passed))
        return Measured(
            passed.cells,
            self.effect_name,
            medians(narrowed.differences(self.quantity), ENDS, texts=passed.sample.texts),
            None,
            passed.sample.texts,
            passed.sample.n,
            unit=passed.sample.unit,
            resampled=f"{passed.sample.unit}s, each with null objects of its own",
            payload=narrowed,
        )

    def _by_draw(self, recording: Recording, kind: str, passed: MeasuredSpectra) -> Floats:
        """(draw, layer, token, quantity) what null objects of a kind let through."""
        return np.concatenate([by_text(recording, request, passed.layers) for request in self._nulls(kind)])

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        passed = measured.kept(Narrowed).passed
        found = [RivalResult(passed.active(named))] if self.block == "mlp" else []
        for kind in NULLS:
            if kind != self.null:
                null = shares(self._by_draw(look.recording, kind, passed), self.quantity, passed.width)[:, named]
                found.append(RivalResult(self._other_null(kind, passed, named, null)))
        return found

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        narrowed = measured.kept(Narrowed)
        passed = narrowed.passed
        drawn = by_depth(
            self.quantity,
            [passed],
            look.shape.layers,
            null=shares(narrowed.null, self.quantity, passed.width),
            null_name=f"{self.draws} {self.null} null objects",
        )
        return (passed.exhibit(look.recording), drawn, *self._explained(passed))

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        narrowed = measured.kept(Narrowed)
        passed = narrowed.passed
        others = {
            f"narrowing in {words}": narrowed.differences(name).mean(axis=0)
            for name, words in QUANTITIES.items()
            if name != self.quantity
        }
        return Words(
            note=f"block {self.block}, {self._window(look)}, null {self.null}, "
            + ("with" if self.normalised else "without")
            + f" its normalisation; narrowing is {QUANTITIES[self.quantity]} over width, the null's minus the network's own",
            detail=passed.detail(named),
            warnings=passed.sample.warnings,
            secondary=passed.secondary() | others,
        )

    def _other_null(self, kind: str, passed: MeasuredSpectra, at: int, null: Floats) -> Control:
        """Another kind of null object beside the claim's own, at the named layer; each draw at a text of its own."""
        own = passed.of_texts(self.quantity)[:, at] / passed.width
        at_theirs = own[np.arange(len(null)) % len(own)]
        tighter, where = int((at_theirs < null).sum()), str(passed.cells[at])
        words = {"gaussian": "Gaussian weights", "permuted": "permuted weights", "untrained": "untrained networks"}[
            kind
        ]
        return Control(
            f"{kind}_null",
            f"Against {len(null)} blocks of {words}, each at one text, the block at {where} is tighter than "
            f"{f'all {tighter}' if tighter == len(null) else tighter or 'none'}: its {QUANTITIES[self.quantity]} is "
            f"{from_to(own, 3)} of the width, theirs {from_to(null, 3)}.",
            {
                "own": float(own.mean()),
                "lowest": float(null.min()),
                "highest": float(null.max()),
                "tighter_than": tighter,
            },
        )


@dataclass(frozen=True)
class Narrowed:
    """One block's Jacobians in the network and in its null objects."""

    passed: MeasuredSpectra
    """The network's own."""
    null: Floats
    """(draw, layer, token, quantity) of the null objects of the claim's kind; draw k is at text k, round and round."""

    def differences(self, quantity: str) -> Floats:
        """(unit, layer) mean over a text's null objects minus the network's own, as fractions of the width."""
        own = self.passed.of_texts(quantity) / self.passed.width
        null = shares(self.null, quantity, self.passed.width)
        means = np.stack([null[k :: len(own)].mean(axis=0) for k in range(len(own))])
        return self.passed.sample.units(means - own)
