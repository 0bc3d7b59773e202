"""HeadSelectivity: do single heads (neurons, blocks) light up or go dark for a category?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common import controls
from modclaims.families.common.plan_parts import labelled, measured_halves
from modclaims.families.common.responses import responses
from modclaims.families.common.selectivity import Answers, Cells, Selectivity, observed_f
from modclaims.families.common.units import Units
from modclaims.families.responses.figures.splits import Splits
from modclaims.figures.head_map import HeadMap
from modclaims.look import Look, Streams
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_fits
from modclaims.planning.plan import TestPlan, counted_bounds
from modclaims.recording import Activations, ModelShape, Request, for_variant
from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.bounds.splits import Half, MedianBounds, picked_and_measured
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.merging import FACTOR
from modclaims.stats.effects.normal_scores import normal_scores
from modclaims.stats.effects.omega_squared import omega_squared_replicates
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.quantifiers import somewhere

Floats = NDArray[np.float64]
UNITS = ("head", "neuron", "mlp_block", "attn_block")
RESPONSES = ("norm", "projection")
ALL_EXPLAINED = 30.0
"""log(1 + f^2) beyond which f^2 is one over rounding."""
DIFFERENCE = "difference of omega^2 of normal scores"


class HeadSelectivity(Selectivity):
    """Single heads answer a category more, or less, than the others.

    A text's response is the length of a unit's output, averaged over positions, or its signed projection
    on the unit's first singular direction over all texts and positions. Cells are layers x units. With
    a `category` the effect is superiority, delta = 2 theta - 1, theta being the chance that a text of it
    responds more than one of another category, every other category weighing the same: positive when
    its texts respond as `answers` says. Without one it is omega^2 of normal scores over categories, the
    share of the variance of ranks that categories explain: between 0 and 1, and without a direction.

    p is that of mean ranks (superiority) or of F of the scores (omega^2) under exchange of labels,
    step-down over all cells. Exchangeable under the null: the responses of texts, inside strata. Bounds
    are those of a score by Student's t, never narrower than a perfect order of so many texts would allow
    (superiority), or of the bootstrap-t (omega^2); the lower limit holds for all cells searched. The
    number is wrong where texts are not independent, and speaks of rank and not of use: a head may light
    up for code and do nothing for it (see `TargetedAblation`).

    Attributes
    ----------
    unit : str, default 'head'
        What responds. One of 'head', 'neuron', 'mlp_block' and 'attn_block'. With neurons name few
        `layers`: the lower limit holds for all cells at once.
    site : str, default 'head_z'
        Of heads alone, what is read. One of 'head_z' (what a head reads out) and 'head_write' (what it
        writes to the stream).
    response : str, default 'norm'
        One of 'norm' (length of the output) and 'projection' (on the first singular direction). Of a
        neuron it is its mean activation, whatever is set.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.

    References
    ----------
    Brunner & Munzel (2000), The nonparametric Behrens-Fisher problem. van der Waerden (1952), Order
    tests for the two-sample problem and their power (normal scores). Hays (1963), Statistics for
    Psychologists (omega^2).

    Examples
    --------
    >>> from modclaims import HeadSelectivity
    >>> from modclaims.calibration.examples import planted
    >>> class SomeHeadKnowsTopics(HeadSelectivity):
    ...     "Some head tells topics apart."
    >>> print(planted(SomeHeadKnowsTopics, 3))
    SUPPORTED  omega^2 of normal scores 0.51 [0.23, 0.62] at layer 0, head 1
    >>> class SomeHeadLightsUp(HeadSelectivity):
    ...     "Some head lights up for category c0."
    ...
    ...     category = "c0"
    ...     answers = "more"
    ...     smallest_effect = 0.2  # c0 outranks others in 60 % of pairs
    >>> SomeHeadLightsUp().validate()
    >>> print(SomeHeadLightsUp().effect)
    superiority of 'c0'
    """

    unit: str = "head"
    site: str = "head_z"
    response: str = "norm"
    layers: tuple[int, ...] | None = None

    def validate(self) -> None:
        super().validate()
        if self.unit not in UNITS:
            raise ClaimError(f"Unit {self.unit!r} is unknown; choose one of {', '.join(UNITS)}.")
        if self.site not in ("head_z", "head_write"):
            raise ClaimError(f"Site {self.site!r} is unknown for heads; choose head_z or head_write.")
        if self.response not in RESPONSES:
            raise ClaimError(f"Response {self.response!r} is unknown; choose one of {', '.join(RESPONSES)}.")

    def _request(self, unit: str | None = None) -> Activations:
        unit = unit or self.unit
        if unit == "neuron":
            return Activations("mlp_act", self.layers, "mean")
        site = {"head": self.site, "mlp_block": "mlp_out", "attn_block": "attn_out"}[unit]
        return Activations(site, self.layers, "norm" if self.response == "norm" else "none")

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        return (mine, controls.EMBED, *(for_variant(mine, v) for v in controls.untrained_variants(self.untrained)))

    def places(self, shape: ModelShape) -> int:
        return {"head": shape.heads, "neuron": shape.mlp_width}.get(self.unit, 1)

    def responses(self, look: Look, variant: str | None = None) -> tuple[Cells, Floats]:
        return responses(look.recording, replace(self._request(), variant=variant), self.unit)

    def _told(self) -> tuple[str, str, str]:
        return self.unit, self.response, f"response {self.response}, unit {self.unit}"

    def _pictures(self, look: Look, found: Answers, named: int) -> tuple[Exhibit, ...]:
        if self.unit == "neuron":
            return ()
        alpha, cells, test = look.alpha, found.cells, found.test
        effect, marked = found.bounds.effect, test.p_adjusted <= alpha
        layers = len({c.layer for c in cells})
        shape = (layers, len(cells) // layers)
        return (
            HeadMap(
                f"{self.effect}: {self.label} by {self.unit.replace('_', ' ')}",
                f"{shape[0]} layers x {shape[1]} units; {int(marked.sum())} of {len(cells)} are marked: adjusted p at most {alpha:g}. "
                f"The largest {self.effect} is {float(effect.max()):.2f} at {cells[int(effect.argmax())]}.",
                effect=effect.reshape(shape),
                p_adjusted=test.p_adjusted.reshape(shape),
                significant=marked.reshape(shape),
                effect_name=self.effect,
                unit=self.unit,
            ).exhibit(),
        )


class HeadsAgainstBlocks(HeadSelectivity):
    """The best single head distinguishes the categories better than the attention block it sits in.

    The effect is omega^2 of normal scores (the share of the variance of ranks that categories explain)
    of the best head, minus that of its whole block; between -1 and 1, positive when the head tells
    categories apart better. The head is picked on one half of the texts, and both are measured on the
    other, in `splits` seeded splits; the effect is the median over splits. The block's response is that of
    the whole attention output, taken as `response` says.

    A contrast of two effects, which no exchange of labels leaves alone: nothing is exchanged, and p is
    read off the bootstrap-t bound, both sides of a split's contrast being resampled together; levels are
    merged over splits. Picking and testing on the same texts would make the best of 8 equal heads beat
    its block by 0.16: the halves must not share texts of one author or book (give them one `block`).

    Attributes
    ----------
    unit : str, default 'head'
        Leave it: only 'head' is allowed here.
    holds : Holds, default somewhere()
        Only somewhere(): the claim is one contrast.
    category : str | None, default None
        Only None: the claim compares how far all categories are told apart.
    answers : str, default 'either'
        Leave it: only 'either' is allowed here.
    label : str, default 'category'
        Column of the corpus whose values are the categories.
    within : str | None, default None
        Column whose values are strata, given which omega^2 is taken; None for none. Another column than
        `label`.
    smallest_effect : float, default 0.1
        Difference of two omega^2, from 0 to below 1.
    splits : int, default 20
        Splits of the texts in halves: at least 5.

    References
    ----------
    Gasparin, Wang & Ramdas (2025), Combining exchangeable p-values. Hays (1963), Statistics for
    Psychologists (omega^2).

    Examples
    --------
    >>> from modclaims import HeadsAgainstBlocks
    >>> from modclaims.calibration.examples import planted
    >>> class HeadsAreTheUnit(HeadsAgainstBlocks):
    ...     "The best head knows categories better than its block."
    >>> print(planted(HeadsAreTheUnit, 3))
    SUPPORTED  difference of omega^2 of normal scores 0.33 [0.11, 0.88] at the whole network
    """

    smallest_effect: float = 0.1
    splits: int = 20
    untrained: int = 0
    effect_name: ClassVar[str] = DIFFERENCE
    _without_effect: ClassVar[Mapping[str, str]] = {
        "adjust": "p is read off the bound",
        "untrained": "two parts of one network are compared",
    }

    def validate(self) -> None:
        super().validate()
        if self.unit != "head":
            raise ClaimError(f"HeadsAgainstBlocks compares heads with blocks; unit = {self.unit!r} has no place in it.")
        if self.holds != somewhere():
            raise ClaimError("HeadsAgainstBlocks is one contrast of effects; leave holds as it is.")
        if self.category is not None:
            raise ClaimError(
                f"HeadsAgainstBlocks compares how far all categories are told apart; category = {self.category!r} has no place in it."
            )
        if self.splits < 5:
            raise ClaimError(f"splits = {self.splits}: one split is a lottery, at least 5 are needed.")

    def check(self, before: PlanContext) -> None:
        Units.of(before.corpus, self.label, self.within).check_halves(self.label)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        heads = self._request("head")
        shape.resolve_layers(heads)
        return (heads, self._request("attn_block"))

    def plan(self, before: PlanContext) -> TestPlan:
        units = Units.of(before.corpus, self.label, self.within)
        design, streams, spent = units.design, before.streams(type(self).__name__), list[float]()
        for split, half in enumerate(measured_halves(design, streams, self.splits)):

            def resamples(half: Design = half, key: str = str(split)) -> Resamples:
                return self._of_half(half, design, streams, key)

            spent.append(0 if half.members else degenerate_fits(half, before.weighing.resamples, resamples))
        return replace(
            labelled(self, units, before),
            action=f"resampling {units.resampled} of halves",
            bounds=counted_bounds(before, spent, FACTOR),
        )

    @staticmethod
    def _of_half(half: Design, design: Design, streams: Streams, key: str) -> Resamples:
        """Resamples of the half of one split that heads and blocks are measured on."""
        rng = streams.rng("resamples", key, design=design.digest)
        return resample(half, count=streams.settings.resamples, rng=rng)

    def measure(self, look: Look) -> Measured:
        units = Units.of(look.corpus, self.label, self.within)
        design = units.design
        cells, head_values = responses(look.recording, self._request("head"), "head")
        block_cells, block_values = responses(look.recording, self._request("attn_block"), "attn_block")
        of_blocks = units.responses(block_values)
        block_of = {c.layer: i for i, c in enumerate(block_cells)}
        arrays = (
            units.responses(head_values),
            of_blocks[:, [block_of[c.layer] for c in cells]],
        )  # of each head, its block
        picked: list[int] = []
        parts: list[Bounds] = []
        for split in range(self.splits):

            def contrast(half: Half, head: int, key: str = str(split)) -> Bounds:
                return _contrast(half, head, self._of_half(half.design, design, look, key))

            rng = look.lasting_rng("split", str(split), design=design.digest)
            head, bounds_of_split = picked_and_measured(arrays, design, rng, _best_head, contrast)
            picked.append(head)
            parts.append(bounds_of_split)
        return Measured(
            (Cell(),),
            DIFFERENCE,
            MedianBounds.of(parts),
            None,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            payload=Picked(units, tuple(str(cells[c]) for c in picked), tuple(parts)),
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return ()

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Picked)
        return (
            Splits(
                "Best head minus its block, split by split",
                f"{self.splits} splits: the head picked on one half, the {DIFFERENCE} on the other with its own bounds. "
                f"{len(set(found.picked))} different heads were picked.",
                effect=np.concatenate([p.effect for p in found.parts]),
                low=np.concatenate([p.lower(look.alpha) for p in found.parts]),
                high=np.concatenate([p.upper(look.alpha) for p in found.parts]),
                smallest_effect=self.smallest_effect,
                picks=found.picked,
                effect_name=DIFFERENCE,
            ).exhibit(),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Picked)
        names = found.picked
        favourite = max(dict.fromkeys(names), key=names.count)
        return Words(
            note=f"response {self.response}; the effect is the median over splits{found.units.note}",
            detail=f"Picked most often, in {names.count(favourite)} of {self.splits} splits: {favourite}.",
            warnings=found.units.warnings,
        )


@dataclass(frozen=True)
class Picked:
    """What was picked on one half of the texts and measured on the other, split by split."""

    units: Units
    picked: tuple[str, ...]
    """The head of each split, in words."""
    parts: tuple[Bounds, ...]
    """Of each split, head minus block."""


def _best_head(half: Half) -> int:
    """Of (unit, head) responses, the head with the largest omega^2 of normal scores."""
    heads, _ = half.arrays
    return int(np.argmax(observed_f(normal_scores(heads, half.design), half.design)))


def _contrast(half: Half, head: int, resamples: Resamples) -> Bounds:
    """omega^2 of normal scores of one head minus that of its block, from (unit, head) responses of both."""
    both = normal_scores(np.stack([array[:, head] for array in half.arrays], axis=1), half.design)
    replicates = _on_omega_scale(omega_squared_replicates(both, half.design, resamples))
    return bootstrap_t(replicates.weighted(np.array([[1.0], [-1.0]])), resamples, ends=(-1.0, 1.0))


def _on_omega_scale(replicates: Replicates) -> Replicates:
    """From log(1 + f^2) to omega^2 = 1 - exp(-log(1 + f^2)), influences by the chain rule.

    Where nothing but rounding is left of the spread inside categories, omega^2 is not a number: two such sides would differ
    by 0, as if that were known.
    """
    value = np.where(replicates.value > ALL_EXPLAINED, np.nan, replicates.value)
    slope = np.exp(-value)
    return Replicates(1 - slope, replicates.influence * slope[:, None, :], 1 - np.exp(-replicates.centre))
