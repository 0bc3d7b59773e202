"""InductionHeads: does some head look for what followed?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common.copying import check_shape, score_map
from modclaims.families.common.null_networks import NULLS
from modclaims.families.common.units import ENOUGH
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan, counted_bounds
from modclaims.recording import InductionScores, ModelShape, Recording, Request
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.evidence import Cell, Control, Exhibit
from modclaims.stats.nulls.null_objects import MIN_DRAWS, resample_texts_and_draws, side_by_side_null
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]
UNIT = "sequence"


class InductionHeads(Hypothesis):
    """Some head attends like an induction head: where a token comes again, to what followed it the first time.

    Read are random tokens that come twice, no text of the corpus: `period` different ordinary tokens, and
    the same again. A head's score on a sequence is the attention that the second half's queries pay to the
    token after the earlier occurrence of their own, mean over queries, between 0 and 1. The effect (score
    above null) is the network's score minus the mean of its null objects' at the same sequences; positive
    when the head looks for what followed. Cells are layers x heads.

    Nothing is exchanged: p is read off the bound of the bootstrap-t (or Student's t, whichever is wider),
    sequences and null objects being resampled, crossed; the lower limit holds for all heads. Nothing is
    said of what such a head does in a text, nor of other networks.

    Attributes
    ----------
    sequences : int, default 24
        Sequences of random tokens: at least 12.
    period : int, default 32
        Tokens before they come again: at least 2.
    null : str, default 'untrained'
        The null objects' weights. One of 'untrained' (the architecture, initialised), 'gaussian' (noise
        of each matrix' Frobenius norm) and 'permuted' (each matrix' own entries in another order).
    draws : int, default 20
        Null objects, each a network of its own: at least 20.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    holds : Holds, default somewhere()
        In which heads: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    smallest_effect : float, default 0.3
        Attention, from 0 to below 1.

    References
    ----------
    Olsson et al. (2022), In-context learning and induction heads (the prefix matching score). Owen
    (2007), The pigeonhole bootstrap.

    Examples
    --------
    >>> from modclaims import InductionHeads
    >>> from modclaims.calibration.examples import planted
    >>> class SomeHeadInduces(InductionHeads):
    ...     "There is an induction head."
    >>> print(planted(SomeHeadInduces, 2))
    SUPPORTED  score above null 0.65 [0.55, 0.70] at layer 3, head 3
    >>> print(planted(SomeHeadInduces, 0))
    REFUTED  score above null 0.06 [-0.06, 0.14] at layer 2, head 2
    """

    sequences: int = 24
    period: int = 32
    null: str = "untrained"
    draws: int = MIN_DRAWS
    layers: tuple[int, ...] | None = None
    holds: Holds = somewhere()
    smallest_effect: float = 0.3
    effect_name: ClassVar[str] = "score above null"
    largest_effect: ClassVar[float] = 1.0
    _without_effect: ClassVar[Mapping[str, str]] = {
        "label": "no text of the corpus takes part",
        "within": "no text of the corpus takes part",
        "adjust": "p is read off the bound",
    }

    def validate(self) -> None:
        super().validate()
        if self.null not in NULLS:
            raise ClaimError(f"Null {self.null!r} is unknown; choose one of {', '.join(NULLS)}.")
        if self.draws < MIN_DRAWS:
            raise ClaimError(f"draws = {self.draws}: a bound over null objects needs at least {MIN_DRAWS} of them.")
        if self.sequences < ENOUGH:
            raise ClaimError(f"sequences = {self.sequences}: a bound over sequences needs at least {ENOUGH} of them.")
        self._request()

    def columns(self) -> tuple[str, ...]:
        """None: no text of the corpus takes part."""
        return ()

    def check(self, before: PlanContext) -> None:
        """Every corpus will do."""
        before.cells(self.holds, self._request())

    def _request(self, variant: str | None = None) -> InductionScores:
        return InductionScores(self.sequences, self.period, layers=self.layers, variant=variant)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        check_shape(shape, self.period)
        shape.resolve_layers(mine)
        return (mine, *(self._request(f"{self.null}:{seed}") for seed in range(self.draws)))

    def plan(self, before: PlanContext) -> TestPlan:
        words, count = f"resampling {UNIT}s and {self.draws} null objects", self.sequences
        cells = before.cells(self.holds, self._request(), before.shape.heads)
        return TestPlan(UNIT, count, count, self.holds, words, counted_bounds(before, [0]), cells)

    def measure(self, look: Look) -> Measured:
        layers = look.shape.resolve_layers(self._request())
        own = self._scores(look.recording, None, layers)
        null = np.stack([self._scores(look.recording, f"{self.null}:{seed}", layers) for seed in range(self.draws)])
        found = Scores(layers, own, null)
        resamples = resample_texts_and_draws(
            self.sequences,
            self.draws,
            count=look.settings.resamples,
            rng=look.rng("resamples", design=f"{self.sequences} x {self.draws}"),
        )
        bounds = in_parts(lambda drawn: side_by_side_null(-own, -null, drawn, (-1.0, 1.0)), resamples)
        return Measured(
            tuple(Cell(layer=layer, head=head) for layer in layers for head in range(found.heads)),
            self.effect_name,
            bounds,
            None,
            self.sequences,
            self.sequences,
            unit=UNIT,
            resampled=f"{UNIT}s and null objects",
            degenerate=tuple(int(c) for c in np.flatnonzero(~np.isfinite(bounds.theta))),
            payload=found,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Scores)
        each = self._nulls(found.mean, found.null.mean(axis=1), named)
        return [RivalResult(self._even(found.mean[named])), RivalResult(each)]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found, every = measured.kept(Scores), np.arange(len(measured.cells))
        shape, level = (len(found.layers), found.heads), measured.bounds.p_lower(self.smallest_effect, every)
        marked = (level <= look.alpha).reshape(shape)
        words = f"simultaneous lower bound of the score above null clears {self.smallest_effect:g}"
        return [score_map(found.mean.reshape(shape), marked, words, level.reshape(shape))]

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Scores)
        return Words(
            note=f"{self.sequences} sequences of {self.period} random tokens that come twice, instead of texts; null {self.null}, "
            "in this network",
            detail=f"Its induction score is {float(found.mean[named]):.2f}.",
            secondary={"induction score": found.mean, "null objects, mean": found.null.mean(axis=(0, 1))},
        )

    def _scores(self, recording: Recording, variant: str | None, layers: tuple[int, ...]) -> Floats:
        """(sequence, layer x head) scores."""
        request = self._request(variant)
        return np.concatenate([np.asarray(recording.array(request, i), dtype=np.float64) for i in layers], axis=1)

    def _even(self, score: float) -> Control:
        """What attending to all tokens alike would score: the least that a leading special token leaves open."""
        even = float(np.mean(1 / (1 + np.arange(self.period, 2 * self.period))))
        return Control(
            "even_spread",
            f"A head that attends to everything before it alike would score {even:.3f} at most; this one scores {score:.2f}.",
            {"even": even, "score": float(score)},
        )

    def _nulls(self, scores: Floats, null: Floats, named: int) -> Control:
        """The same head in the null objects, and the best of all their heads; `null` is (draw, cell)."""
        here, best = null[:, named], null.max(axis=1)
        return Control(
            "null_objects",
            f"The same head scores {from_to(here, 3)} in {len(null)} {self.null} null objects, whose best heads "
            f"anywhere score {from_to(best, 3)}; {int((scores > best.max()).sum())} heads of this network score more.",
            {"lowest": float(here.min()), "highest": float(here.max()), "best": [float(v) for v in best]},
        )


@dataclass(frozen=True)
class Scores:
    """Induction scores of all heads, layer by layer, in the network and in its null objects."""

    layers: tuple[int, ...]
    own: Floats
    """(sequence, layer x head)"""
    null: Floats
    """(draw, sequence, layer x head)"""

    @property
    def heads(self) -> int:
        """Of each layer."""
        return int(self.own.shape[1]) // len(self.layers)

    @cached_property
    def mean(self) -> Floats:
        """(layer x head,) the network's, over sequences."""
        return np.asarray(self.own.mean(axis=0))
