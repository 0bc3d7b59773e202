"""What each claim would be weighed by: units, cells, what chance does, and the smallest levels that can be counted.

No data bring a level below its floor. A permutation p counts the observed arrangement, a bound the resamples in which no
text varies: those are drawn here, by the same streams as in a run. How families count is said here once more and not
asked of them, because they count arrays, which nobody has yet; tests hold the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.ablation_specificity import AblationSpecificity
from modclaims.families.axes_against_rotations import AxesAgainstRotations
from modclaims.families.axis_streams import LEARNED, AxisStreams
from modclaims.families.category_clustering import GIVEN, CategoryClustering
from modclaims.families.chunk_contrasts import ChunkContrast
from modclaims.families.depth_curves import AFTER, beyond
from modclaims.families.first_token_attention import AttentionSinks, FirstTokenAttention
from modclaims.families.head_magnitudes import HeadMagnitudes
from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.families.heavy_tails import HeavyTails
from modclaims.families.induction import UNIT as SEQUENCE
from modclaims.families.induction import InductionHeads
from modclaims.families.input_outside_unembedding import InputOutsideUnembedding
from modclaims.families.input_reconstruction import InputReconstruction
from modclaims.families.leading_values import LeadingValues
from modclaims.families.low_rank_similarity import LowRankSimilarity
from modclaims.families.models_differ import ModelsDiffer
from modclaims.families.residual_phases import ResidualPhases
from modclaims.families.scale_trend import ScaleTrend, sizes_of, too_few
from modclaims.families.similarity_levels import SimilarityLevels, check_positions
from modclaims.families.subspace_separation import SubspaceSeparation
from modclaims.families.targeted_ablation import TargetedAblation
from modclaims.families.tight_pass import TighterThanAttention, TightestAt, TightPass
from modclaims.families.units import Sample, Units
from modclaims.families.weight_claims import UNIT, WeightClaim
from modclaims.families.within_versus_style import WithinVersusStyle
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.plan.power import Effect
from modclaims.recording import HEAD_SITES, Jacobian, ModelShape
from modclaims.stats.actions import Design, count_arrangements
from modclaims.stats.bootstrap import Resamples, resample
from modclaims.stats.effects import ClusterSums
from modclaims.stats.evidence import Cell
from modclaims.stats.matched_sets import most_images
from modclaims.stats.multiplicity import clopper_pearson
from modclaims.stats.permutation import Pairs
from modclaims.stats.quantifiers import AlongDepth, Everywhere, Holds, InFraction, slope_weights
from modclaims.stats.splits import FACTOR, halves, part, smallest_half
from modclaims.stats.streams import stream
from modclaims.stats.trend import count_orders, is_enumerated

NEVER = 1e-9
"""Fewer resamples than this are expected never to occur, and are not looked for."""


@dataclass(frozen=True)
class Counted:
    """Levels that are counted among draws: which of them can be attained, and how sure a counted one is."""

    rows: int
    """Draws and the observed; or all arrangements."""
    exact: bool
    """Whether these are all there are, so that nothing is left to chance."""
    raised_by: str
    """The option, or the claim's constant, that says how many are drawn."""
    least: float = 1.0
    """Rows that count whatever the data, the observed included; the median over splits."""
    factor: float = 1.0
    """By what a counted level is multiplied (2 for medians over splits)."""

    @property
    def floor(self) -> float:
        """The smallest level."""
        return min(1.0, self.factor * self.least / self.rows)

    @property
    def draws(self) -> int:
        """Draws; 0 where all arrangements are enumerated."""
        return 0 if self.exact else self.rows - 1

    def interval(self, level: float) -> tuple[float, float]:
        """Where the level lies (99 %), the draws being some of many."""
        if self.exact:
            return level, level
        count = max(0, min(self.draws, round(level / self.factor * self.rows) - 1))
        low, high = clopper_pearson(count, self.draws)
        return min(1.0, self.factor * low), min(1.0, self.factor * high)

    def decisive(self, alpha: float) -> float:
        """The largest level, before the factor, whose interval does not reach beyond alpha; the smallest if none does."""
        low, high = 1, max(1, math.floor(alpha * self.rows))
        while low < high:
            middle = (low + high + 1) // 2
            reaches = clopper_pearson(middle - 1, self.rows - 1)[1]
            low, high = (middle, high) if reaches <= alpha else (low, middle - 1)
        return low / self.rows

    def __str__(self) -> str:
        return f"exact, {self.rows:,}" if self.exact else f"{self.draws:,} draws"


@dataclass(frozen=True)
class Sketch:
    """What one claim would be weighed by."""

    unit: str
    """`text` or `block`."""
    units: int
    """How many are exchanged, or resampled where nothing is."""
    texts: int
    holds: Holds
    action: str
    """What chance does, in words."""
    bounds: Counted
    cells: int = 1
    """Cells that the claim speaks of."""
    label: str | None = None
    """What the categories are; None where they play no part."""
    smallest: int | None = None
    """Units of the smallest category."""
    test: Counted | None = None
    """None where the bounds alone decide."""
    arrangements: int | None = None
    """How many distinct ones there are, in the half that has fewest; None where there is no end of them."""
    clusters: int = 0
    """Blocks that are resampled whole while texts are exchanged inside them; 0 where there are none."""
    undecided: str = ""
    """Why it settles nothing by design, whatever its levels; empty where it may."""
    simulated: tuple[Design, Effect] | None = None
    """What `power` is told; None where nothing sensible can be said of the effect that would be found."""

    @property
    def needed(self) -> int:
        """How many cells must have the effect for the claim to hold."""
        if isinstance(self.holds, InFraction):
            return max(1, math.ceil(self.holds.fraction * self.cells - 1e-9))
        return self.cells if isinstance(self.holds, Everywhere) else 1


@dataclass(frozen=True)
class Before:
    """What is known of a run before anything is recorded."""

    corpus: Corpus
    """Texts sorted by id, as they are when claims are weighed."""
    shape: ModelShape
    positions: tuple[int, ...]
    """The run's positions, resolved."""
    weighing: Weighing

    def layers(self, claim: Hypothesis) -> tuple[int, ...]:
        """Layers of the claim's own request, which comes first."""
        return self.shape.resolve_layers(claim.requests(self.shape)[0])

    def cells(self, claim: Hypothesis, places: int = 1) -> int:
        """How many of layers x places a claim speaks of. Raises `ClaimError` for a layer that is not among them."""
        return places * len(claim.holds.chosen(tuple(Cell(layer=layer) for layer in self.layers(claim))))


@singledispatch
def sketch(claim: Hypothesis, before: Before) -> Sketch:
    """What a claim would be weighed by. Raises `ClaimError` for what weighing it would find wrong with its cells."""
    raise ClaimError(f"Nothing is known of how claims of family {claim.family()} are weighed.")


@sketch.register
def _(claim: CategoryClustering, before: Before) -> Sketch:
    units = Units.of(before.corpus, claim.label, claim.within)
    design, shape = units.design, before.shape
    made = replace(
        _labelled(claim, units, before),
        bounds=_bounds(before, [_spent_pairs(before, design, type(claim).__name__, design.digest, "resamples")]),
    )
    if isinstance(claim.holds, AlongDepth):
        slope_weights(claim.holds, before.layers(claim))
        return replace(made, action=f"resampling {units.resampled}")
    heads = shape.kv_heads if claim.site in ("k", "v") else shape.heads if claim.site in HEAD_SITES else 1
    made = replace(made, cells=before.cells(claim, heads))
    if claim.beyond:  # rows of residuals are exchanged, which no swap of names leaves as they are
        test = Counted(before.weighing.permutations + 1, False, "--permutations")
        return replace(made, action=f"{made.action} given {GIVEN[claim.beyond]}", test=test)
    total = count_arrangements(design, blind="within_strata")
    return replace(
        made,
        test=_exchanged([total], before),
        arrangements=total,
        simulated=None if design.members else (design, "delta"),
    )


@sketch.register
def _(claim: HeadSelectivity, before: Before) -> Sketch:
    return _selectivity(
        claim, before, {"head": before.shape.heads, "neuron": before.shape.mlp_width}.get(claim.unit, 1)
    )


@sketch.register
def _(claim: AxisStreams, before: Before) -> Sketch:
    width = before.shape.mlp_width if claim.site == "mlp_act" else before.shape.width
    if claim.basis not in LEARNED:
        return _selectivity(claim, before, width if claim.axes is None else len(claim.axes))
    units = Units.of(before.corpus, claim.label, claim.within)
    name = type(claim).__name__
    found, spent = [], []
    for split, half in enumerate(_halves(claim, before, units.design)):
        found.append(count_arrangements(half, blind="jointly"))
        spent.append(_spent_fits(before, half, name, "split", str(split), half.digest, "resamples"))
    made = _labelled(claim, units, before)
    count = min(claim.components, width, len(before.positions) * smallest_half(units.design))
    return replace(
        made,
        action=f"{made.action} in halves",
        bounds=_bounds(before, spent, FACTOR),
        cells=before.cells(claim, count),
        test=_exchanged(found, before, FACTOR),
        arrangements=min(found),
    )


@sketch.register
def _(claim: HeadsAgainstBlocks, before: Before) -> Sketch:
    units = Units.of(before.corpus, claim.label, claim.within)
    key, spent = (type(claim).__name__, units.design.digest, "resamples"), []
    for split, half in enumerate(_halves(claim, before, units.design)):
        spent.append(0 if half.members else _spent_fits(before, half, *key, str(split)))
    return replace(
        _labelled(claim, units, before),
        action=f"resampling {units.resampled} of halves",
        bounds=_bounds(before, spent, FACTOR),
    )


@sketch.register
def _(claim: AxesAgainstRotations, before: Before) -> Sketch:
    return replace(
        _labelled(claim, Units.of(before.corpus, claim.label, claim.within), before),
        action="turning the coordinate axes at random",
        bounds=_bounds(before, [0], FACTOR),
        cells=before.cells(claim),
        test=Counted(claim.rotations + 1, False, "rotations"),
    )


@sketch.register
def _(claim: HeavyTails, before: Before) -> Sketch:
    if not any(before.positions):
        raise ClaimError("The run reads the first token alone; HeavyTails needs further --positions.")
    return _unlabelled(claim, Sample.of(before.corpus), before, f" and {claim.draws} rotations")


@sketch.register
def _(claim: TightPass, before: Before) -> Sketch:
    return _unlabelled(claim, _chosen(claim, before), before, f" and {claim.draws} null objects")


@sketch.register
def _(claim: LeadingValues, before: Before) -> Sketch:
    return _unlabelled(claim, _chosen(claim, before), before)


@sketch.register
def _(claim: TightestAt, before: Before) -> Sketch:
    return replace(_unlabelled(claim, _chosen(claim, before), before), cells=1)


@sketch.register
def _(claim: TighterThanAttention, before: Before) -> Sketch:
    made = _flipped(_unlabelled(claim, _chosen(claim, before), before), before)
    return replace(made, action="flipping the signs of paired differences")


@sketch.register
def _(claim: ChunkContrast, before: Before) -> Sketch:
    if isinstance(claim, FirstTokenAttention):
        beyond(before.positions, AFTER, claim.family())
    made = _flipped(_unlabelled(claim, Sample.of(before.corpus), before), before)
    action = f"flipping the signs of each {made.unit}'s contrasts"
    return replace(made, action=action, cells=len(claim.divisions(before.shape)))


@sketch.register
def _(claim: ResidualPhases, before: Before) -> Sketch:
    beyond(before.positions, 1, claim.family())
    made = _flipped(_unlabelled(claim, Sample.of(before.corpus), before), before)
    return replace(made, action=f"flipping the signs of each {made.unit}'s difference in error", cells=1)


@sketch.register
def _(claim: InductionHeads, before: Before) -> Sketch:
    words, count = f"resampling {SEQUENCE}s and {claim.draws} null objects", claim.sequences
    cells = before.cells(claim, before.shape.heads)
    return Sketch(SEQUENCE, count, count, claim.holds, words, _bounds(before, [0]), cells)


@sketch.register
def _(claim: AttentionSinks | HeadMagnitudes, before: Before) -> Sketch:
    return replace(_unlabelled(claim, Sample.of(before.corpus), before), cells=1)


@sketch.register
def _(claim: SimilarityLevels, before: Before) -> Sketch:
    check_positions(before.positions)
    units = Units.of(before.corpus, claim.label, claim.within)
    key = (type(claim).__name__, units.design.digest, "resamples")
    return replace(
        _labelled(claim, units, before),
        action=f"resampling {units.resampled}",
        bounds=_bounds(before, [0 if units.design.members else _spent_fits(before, units.design, *key)]),
        cells=len(claim.holds.chosen(claim.weights(before.shape)[0])),
    )


@sketch.register
def _(claim: InputReconstruction, before: Before) -> Sketch:
    made = _unlabelled(claim, Sample.of(before.corpus), before)
    if claim.along:
        return replace(made, cells=1)
    return replace(_flipped(made, before), action=f"flipping the signs of each {made.unit}'s differences")


@sketch.register
def _(claim: InputOutsideUnembedding, before: Before) -> Sketch:
    action = "putting the unembedding's leading subspace in random position"
    made = _unlabelled(claim, Sample.of(before.corpus), before)
    return replace(made, action=action, test=Counted(claim.draws + 1, False, "draws"))


def _flipped(made: Sketch, before: Before) -> Sketch:
    """A sketch whose p comes from sign flips of its units."""
    budget = before.weighing.permutations
    exact = made.units <= 62 and 2**made.units <= budget  # as `sign_flips` has it
    return replace(
        made,
        test=Counted(2**made.units if exact else budget + 1, exact, "--permutations"),
        arrangements=2**made.units,
    )


@sketch.register
def _(claim: WeightClaim, before: Before) -> Sketch:
    made = Sketch(UNIT, claim.draws, 0, claim.holds, f"resampling {UNIT}s", _bounds(before, [0]))
    layers = before.layers(claim)
    if isinstance(claim.holds, AlongDepth):
        slope_weights(claim.holds, layers)
        return made
    test = Counted(claim.draws + 1, False, "draws")
    return replace(made, action=claim.action, cells=before.cells(claim), test=test)


@sketch.register
def _(claim: TargetedAblation, before: Before) -> Sketch:
    made, (size, turns) = _ablation(claim, before), claim.moves_of(before.shape)
    layers, rows = len(before.layers(claim)), size * turns
    units = claim.sizes[0] if isinstance(claim.holds, Everywhere) else claim.sizes[-1]
    # further moves repeat these images, and tie with them; splits that pick in different layers have more together
    images = most_images(size, turns, layers, units * claim.splits)
    return replace(
        made,
        action="moving units to others of their layer and magnitude",
        test=Counted(rows, True, "sets", rows / images),
        arrangements=images,
    )


@sketch.register
def _(claim: AblationSpecificity, before: Before) -> Sketch:
    return _ablation(claim, before)


def _ablation(claim: TargetedAblation, before: Before) -> Sketch:
    units = Units.of(before.corpus, claim.label, claim.within)
    made = _labelled(claim, units, before)
    categories = len(claim.modules or units.design.names)
    return replace(
        made,
        action=f"resampling {units.resampled} of halves and matched sets",
        bounds=_bounds(before, [0], FACTOR),
        cells=categories * len(claim.sizes),
    )


@sketch.register
def _(claim: WithinVersusStyle, before: Before) -> Sketch:
    assert claim.within is not None
    sides = [Units.of(before.corpus, *pair) for pair in ((claim.label, claim.within), (claim.within, claim.label))]
    units, shape = sides[0], before.shape
    key = (type(claim).__name__, units.design.digest, "resamples")
    spent = max(_spent_pairs(before, side.design, *key) for side in sides)
    cells = 1
    if not isinstance(claim.holds, AlongDepth):
        heads = shape.kv_heads if claim.site in ("k", "v") else shape.heads if claim.site in HEAD_SITES else 1
        cells = before.cells(claim, heads)
    else:
        slope_weights(claim.holds, before.layers(claim))
    return replace(
        _labelled(claim, units, before),
        action=f"resampling {units.resampled}",
        bounds=_bounds(before, [spent]),
        cells=cells,
    )


@sketch.register
def _(claim: ModelsDiffer, before: Before) -> Sketch:
    units = Units.of(before.corpus, claim.label, claim.within)
    spent = _spent_pairs(before, units.design, type(claim).__name__, units.design.digest, "resamples")
    return replace(
        _labelled(claim, units, before),
        action=f"resampling {units.resampled}, the same for all models",
        bounds=_bounds(before, [spent]),
        cells=len(claim.cells(before.shape)),
    )


@sketch.register
def _(claim: ScaleTrend, before: Before) -> Sketch:
    models = before.shape.models
    claim.requests(before.shape)
    count, budget = len(models), before.weighing.permutations
    orders, exact = count_orders(sizes_of(models)), is_enumerated(len(models), budget)
    return Sketch(
        "model",
        count,
        len(before.corpus),
        claim.holds,
        "exchanging the models' effects among their sizes",
        Counted(before.weighing.resamples + 1, True, "--beside"),
        label=claim.label,
        test=Counted(orders if exact else budget + 1, exact, "--beside" if exact else "--permutations"),
        arrangements=orders,
        undecided=too_few(count),
    )


@sketch.register
def _(claim: SubspaceSeparation, before: Before) -> Sketch:
    units = Units.of(before.corpus, claim.label, claim.within)
    total = count_arrangements(units.design, blind="jointly")
    budget = min(before.weighing.permutations, claim.relabellings)
    own = claim.relabellings < before.weighing.permutations
    exact = total <= budget
    return replace(
        _labelled(claim, units, before),
        bounds=_bounds(before, _spent_halves(claim, before, units.design), FACTOR),
        cells=before.cells(claim),
        test=Counted(total if exact else budget + 1, exact, "relabellings" if own else "--permutations"),
        arrangements=total,
    )


@sketch.register
def _(claim: LowRankSimilarity, before: Before) -> Sketch:
    units = Units.of(before.corpus, claim.label, claim.within)
    return replace(
        _labelled(claim, units, before),
        action="permuting every coordinate across texts",
        bounds=_bounds(before, _spent_halves(claim, before, units.design), FACTOR),
        cells=before.cells(claim),
        test=Counted(claim.draws + 1, False, "draws"),
    )


def _selectivity(claim: HeadSelectivity | AxisStreams, before: Before, places: int) -> Sketch:
    units = Units.of(before.corpus, claim.label, claim.within)
    design, total = units.design, count_arrangements(units.design, blind="jointly")
    spent = _spent_fits(before, design, type(claim).__name__, design.digest, "resamples")
    return replace(
        _labelled(claim, units, before),
        bounds=_bounds(before, [spent]),
        cells=before.cells(claim, places),
        test=_exchanged([total], before),
        arrangements=total,
        simulated=None if design.members else (design, "omega^2"),
    )


def _labelled(claim: Hypothesis, units: Units, before: Before) -> Sketch:
    """What claims about categories share: one cell, and no test."""
    return Sketch(
        units.unit,
        units.n,
        len(before.corpus),
        claim.holds,
        units.action(claim.label, claim.within),
        _bounds(before, [0]),
        label=claim.label,
        smallest=int(units.design.counts.sum(axis=1).min()),
        clusters=len(units.design.members),
    )


def _unlabelled(claim: Hypothesis, sample: Sample, before: Before, beside: str = "") -> Sketch:
    """What claims about networks share: a cell a layer, and no test."""
    words = f"resampling {sample.unit}s{beside}"
    return Sketch(sample.unit, sample.n, sample.texts, claim.holds, words, _bounds(before, [0]), before.cells(claim))


def _chosen(claim: TightPass, before: Before) -> Sample:
    """The texts at which Jacobians are taken."""
    request = claim.requests(before.shape)[0]
    assert isinstance(request, Jacobian)
    return Sample.of(before.corpus, request.chosen(before.corpus))


def _spent_halves(claim: SubspaceSeparation | LowRankSimilarity, before: Before, design: Design) -> list[int]:
    """Resamples of each half that is measured in which nothing varies."""
    name = type(claim).__name__
    return [
        0 if half.members else _spent_fits(before, half, name, "split", str(split), half.digest, "resamples")
        for split, half in enumerate(_halves(claim, before, design))
    ]


def _halves(
    claim: AxisStreams | HeadsAgainstBlocks | SubspaceSeparation | LowRankSimilarity, before: Before, design: Design
) -> list[Design]:
    """The halves that the claim is tested on."""
    key = (type(claim).__name__, design.digest, "split")
    seed = before.weighing.seed
    return [part(design, halves(design, stream(seed, *key, str(split)))[1]) for split in range(claim.splits)]


# ---- arrangements, and resamples that count against any effect


def _exchanged(found: Sequence[int], before: Before, factor: float = 1.0) -> Counted:
    """From the arrangements of each split: enumerated where they are few, else drawn."""
    budget = before.weighing.permutations
    exact = all(total <= budget for total in found)
    shares = [1 / total if total <= budget else 1 / (budget + 1) for total in found]
    rows = min(found[0], budget + (not exact))
    return Counted(rows, exact, "--permutations", float(np.median(shares)) * rows, factor)


def _bounds(before: Before, spent: Sequence[int], factor: float = 1.0) -> Counted:
    """Of bounds, from how many resamples of each split count against any effect."""
    return Counted(before.weighing.resamples + 1, False, "--resamples", 1 + float(np.median(spent)), factor)


def _resamples(before: Before, design: Design, *key: str) -> Resamples:
    """The very resamples that a run would draw by this key."""
    return resample(design, count=before.weighing.resamples, rng=stream(before.weighing.seed, *key))


def _collapsed(drawn: Resamples, units: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(resample,) whether in every group of these units one and the same was drawn throughout, so that nothing varies."""
    times, groups = drawn.times[1:, units], drawn.groups[units]
    found = np.ones(len(times), dtype=bool)
    for g in np.unique(groups):
        inside = times[:, groups == g]
        found &= inside.max(axis=1) == inside.shape[1]
    return found


def _never(design: Design, units: NDArray[np.int64], before: Before) -> bool:
    """Whether that is out of the question, and need not be looked for."""
    _, sizes = np.unique(design.cells[units], return_counts=True)
    return bool(math.log(before.weighing.resamples) - ((sizes - 1) * np.log(sizes)).sum() < math.log(NEVER))


def _spent_pairs(before: Before, design: Design, *key: str) -> int:
    """Resamples without a pair of different texts of one category: they have no Cliff's delta."""
    pairs = Pairs.of(design)
    units = np.concatenate(pairs.members)
    if not design.members:
        if _never(design, units, before):
            return 0
        return int(_collapsed(_resamples(before, design, *key), units).sum())
    compared = np.array([np.isin(cluster, units).any() for cluster in design.members])
    return int((_resamples(before, design, *key).times[1:] @ compared == 0).sum())


def _spent_fits(before: Before, design: Design, *key: str) -> int:
    """Resamples in which responses do not vary inside categories, or categories cannot be told apart."""
    every = np.arange(design.n)
    if not design.members:
        if _never(design, every, before):
            return 0
        return int(_collapsed(_resamples(before, design, *key), every).sum())
    drawn = _resamples(before, design, *key)
    return int(np.isnan(ClusterSums.of(np.zeros((design.n, 1)), design).fit(drawn.times[1:])[:, 0, 0]).sum())
