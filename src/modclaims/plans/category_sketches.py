"""What claims about categories would be weighed by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modclaims.families.ablation_specificity import AblationSpecificity
from modclaims.families.axes_against_rotations import AxesAgainstRotations
from modclaims.families.axis_streams import LEARNED, AxisStreams
from modclaims.families.category_clustering import GIVEN, CategoryClustering
from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.families.low_rank_similarity import LowRankSimilarity
from modclaims.families.similarity_levels import SimilarityLevels, check_positions
from modclaims.families.subspace_separation import SubspaceSeparation
from modclaims.families.targeted_ablation import TargetedAblation
from modclaims.families.units import Units
from modclaims.families.within_versus_style import WithinVersusStyle
from modclaims.planning.degenerate import degenerate_fits, degenerate_levels, degenerate_pairs
from modclaims.planning.perfect_samples import of_delta, of_sums
from modclaims.planning.plan import CountedLevel, PlanContext, TestPlan, bounds, exchanged, labelled
from modclaims.planning.power import Effect
from modclaims.recording import HEAD_SITES
from modclaims.stats.actions import Blind, Design, count_arrangements
from modclaims.stats.levels import compared
from modclaims.stats.matched_sets import most_images
from modclaims.stats.merging import FACTOR
from modclaims.stats.quantifiers import AlongDepth, Everywhere, slope_weights
from modclaims.stats.splits import halves, part, smallest_half
from modclaims.stats.streams import stream
from modclaims.stats.superiority import comparisons


def category_clustering(claim: CategoryClustering, before: PlanContext) -> TestPlan:
    units = Units.of(before.corpus, claim.label, claim.within)
    design, shape = units.design, before.shape
    made = replace(
        labelled(claim, units, before),
        bounds=bounds(before, [degenerate_pairs(before, design, type(claim).__name__, design.digest, "resamples")]),
    )
    if isinstance(claim.holds, AlongDepth):
        weights = slope_weights(claim.holds, before.layers(claim))
        made = replace(made, action=f"resampling {units.resampled}")
        return of_sums(made, [(design, weights)], claim.smallest_effect)
    heads = shape.kv_heads if claim.site in ("k", "v") else shape.heads if claim.site in HEAD_SITES else 1
    made = replace(made, cells=before.cells(claim, heads))
    made = of_delta(made, design, claim.smallest_effect, before.weighing.alpha)
    if claim.beyond:  # rows of residuals are exchanged, which no swap of names leaves as they are
        test = CountedLevel(before.weighing.permutations + 1, False, "--permutations")
        return replace(made, action=f"{made.action} given {GIVEN[claim.beyond]}", test=test)
    total = count_arrangements(design, blind="within_strata")
    return replace(
        made,
        test=exchanged([total], before),
        arrangements=total,
        simulated=None if design.members else (design, "delta"),
    )


def similarity_levels(claim: SimilarityLevels, before: PlanContext) -> TestPlan:
    check_positions(before.positions)
    units = Units.of(before.corpus, claim.label, claim.within)
    key = (type(claim).__name__, units.design.digest, "resamples")
    weights = [compared(units.design, level, claim.category) for level in claim.levels]
    return replace(
        labelled(claim, units, before),
        action=f"resampling {units.resampled}",
        bounds=bounds(before, [degenerate_levels(before, units.design, weights, *key)]),
        cells=len(claim.holds.chosen(claim.weights(before.shape)[0])),
    )


def within_versus_style(claim: WithinVersusStyle, before: PlanContext) -> TestPlan:
    assert claim.within is not None
    sides = [Units.of(before.corpus, *pair) for pair in ((claim.label, claim.within), (claim.within, claim.label))]
    units, shape = sides[0], before.shape
    key = (type(claim).__name__, units.design.digest, "resamples")
    spent = max(degenerate_pairs(before, side.design, *key) for side in sides)
    cells, weights = 1, np.eye(1)
    if not isinstance(claim.holds, AlongDepth):
        heads = shape.kv_heads if claim.site in ("k", "v") else shape.heads if claim.site in HEAD_SITES else 1
        cells = before.cells(claim, heads)
    else:
        weights = slope_weights(claim.holds, before.layers(claim))
    made = replace(
        labelled(claim, units, before),
        action=f"resampling {units.resampled}",
        bounds=bounds(before, [spent]),
        cells=cells,
    )
    parts = [(side.design, sign * weights) for side, sign in zip(sides, (1.0, -1.0), strict=True)]
    return of_sums(made, parts, claim.smallest_effect)


def head_selectivity(claim: HeadSelectivity, before: PlanContext) -> TestPlan:
    return _selectivity(
        claim, before, {"head": before.shape.heads, "neuron": before.shape.mlp_width}.get(claim.unit, 1)
    )


def heads_against_blocks(claim: HeadsAgainstBlocks, before: PlanContext) -> TestPlan:
    units = Units.of(before.corpus, claim.label, claim.within)
    key, spent = (type(claim).__name__, units.design.digest, "resamples"), []
    for split, half in enumerate(_halves(claim, before, units.design)):
        spent.append(0 if half.members else degenerate_fits(before, half, *key, str(split)))
    return replace(
        labelled(claim, units, before),
        action=f"resampling {units.resampled} of halves",
        bounds=bounds(before, spent, FACTOR),
    )


def axis_streams(claim: AxisStreams, before: PlanContext) -> TestPlan:
    width = before.shape.mlp_width if claim.site == "mlp_act" else before.shape.width
    if claim.basis not in LEARNED:
        return _selectivity(claim, before, width if claim.axes is None else len(claim.axes))
    units = Units.of(before.corpus, claim.label, claim.within)
    name = type(claim).__name__
    found, spent, tested = [], [], []
    for split, half in enumerate(_halves(claim, before, units.design)):
        found.append(count_arrangements(half, blind=_blind(claim)))
        if claim.category is None:
            spent.append(degenerate_fits(before, half, name, "split", str(split), half.digest, "resamples"))
        tested.append(half)
    made = labelled(claim, units, before)
    count = min(claim.components, width, len(before.positions) * smallest_half(units.design))
    made = replace(
        made,
        action=f"{made.action} in halves",
        bounds=bounds(before, spent, FACTOR)
        if claim.category is None
        else _least_of_order(claim, before, tested, FACTOR),
        cells=before.cells(claim, count),
        test=exchanged(found, before, FACTOR),
        arrangements=min(found),
    )
    return replace(made, perfect=_refuting(claim, made, tested, FACTOR))


def axes_against_rotations(claim: AxesAgainstRotations, before: PlanContext) -> TestPlan:
    return replace(
        labelled(claim, Units.of(before.corpus, claim.label, claim.within), before),
        action="turning the scaled coordinate axes at random",
        bounds=bounds(before, [0], FACTOR),
        cells=before.cells(claim),
        test=CountedLevel(claim.rotations + 1, False, "rotations"),
    )


def subspace_separation(claim: SubspaceSeparation, before: PlanContext) -> TestPlan:
    units = Units.of(before.corpus, claim.label, claim.within)
    total = count_arrangements(units.design, blind="jointly")
    budget = min(before.weighing.permutations, claim.relabellings)
    own = claim.relabellings < before.weighing.permutations
    exact = total <= budget
    return replace(
        labelled(claim, units, before),
        bounds=bounds(before, _spent_halves(claim, before, units.design), FACTOR),
        cells=before.cells(claim),
        test=CountedLevel(total if exact else budget + 1, exact, "relabellings" if own else "--permutations"),
        arrangements=total,
    )


def low_rank_similarity(claim: LowRankSimilarity, before: PlanContext) -> TestPlan:
    units = Units.of(before.corpus, claim.label, claim.within)
    return replace(
        labelled(claim, units, before),
        action="permuting every coordinate across texts",
        bounds=bounds(before, _spent_halves(claim, before, units.design), FACTOR),
        cells=before.cells(claim),
        test=CountedLevel(claim.draws + 1, False, "draws"),
    )


def targeted_ablation(claim: TargetedAblation, before: PlanContext) -> TestPlan:
    made, (size, turns) = _ablation(claim, before), claim.moves_of(before.shape)
    layers, rows = len(before.layers(claim)), size * turns
    units = claim.sizes[0] if isinstance(claim.holds, Everywhere) else claim.sizes[-1]
    # further moves repeat these images, and tie with them; splits that pick in different layers have more together
    images = most_images(size, turns, layers, units * claim.splits)
    return replace(
        made,
        action="moving units to others of their layer and magnitude",
        test=CountedLevel(rows, True, "sets", rows / images),
        arrangements=images,
    )


def ablation_specificity(claim: AblationSpecificity, before: PlanContext) -> TestPlan:
    return _ablation(claim, before)


def _ablation(claim: TargetedAblation, before: PlanContext) -> TestPlan:
    units = Units.of(before.corpus, claim.label, claim.within)
    made = labelled(claim, units, before)
    categories = len(claim.modules or units.design.names)
    return replace(
        made,
        action=f"resampling {units.resampled} of halves and matched sets",
        bounds=bounds(before, [0], FACTOR),
        cells=categories * len(claim.sizes),
    )


def _selectivity(claim: HeadSelectivity | AxisStreams, before: PlanContext, places: int) -> TestPlan:
    units = Units.of(before.corpus, claim.label, claim.within)
    design, total = units.design, count_arrangements(units.design, blind=_blind(claim))
    made = replace(
        labelled(claim, units, before),
        cells=before.cells(claim, places),
        test=exchanged([total], before),
        arrangements=total,
    )
    if claim.category is None:
        spent = degenerate_fits(before, design, type(claim).__name__, design.digest, "resamples")
        simulated: tuple[Design, Effect] | None = None if design.members else (design, "omega^2")
        return replace(made, bounds=bounds(before, [spent]), simulated=simulated)
    made = replace(
        made,
        bounds=_least_of_order(claim, before, [design]),
        simulated=None if design.members else (_first(design, claim.category), "superiority"),
    )
    return replace(made, perfect=_refuting(claim, made, [design]))


def _blind(claim: HeadSelectivity | AxisStreams) -> Blind:
    """What p cannot see: a renaming of all categories, unless one is named."""
    return "jointly" if claim.category is None else "no"


def _least_of_order(
    claim: HeadSelectivity | AxisStreams, before: PlanContext, designs: list[Design], factor: float = 1.0
) -> CountedLevel:
    """Levels of superiority's bounds, none of which is less than that of a perfect order of so few texts."""
    assert claim.category is not None
    rows = before.weighing.resamples + 1
    least = [((1 + claim.smallest_effect) / 2) ** comparisons(design, claim.category) * rows for design in designs]
    return bounds(before, [max(0.0, value - 1) for value in least], factor)


def _refuting(
    claim: HeadSelectivity | AxisStreams, made: TestPlan, designs: list[Design], factor: float = 1.0
) -> tuple[CountedLevel, CountedLevel] | None:
    """Superiority's bounds where they support, and where they refute, which a perfect order the other way round does best."""
    if claim.category is None:
        return None
    least = [((1 - claim.smallest_effect) / 2) ** comparisons(design, claim.category) for design in designs]
    level = min(1.0, factor * float(np.median(least)))
    return made.bounds, CountedLevel.by_law(level, f"that of a perfect sample of so many {made.unit}s")


def _first(design: Design, category: str) -> Design:
    """The same design with one category's code before all others."""
    order = [category, *(name for name in design.names if name != category)]
    labels = np.array([order.index(design.names[k]) for k in design.labels])
    return replace(design, labels=labels, names=tuple(order))


def _spent_halves(claim: SubspaceSeparation | LowRankSimilarity, before: PlanContext, design: Design) -> list[int]:
    """Resamples of each half that is measured in which nothing varies."""
    name = type(claim).__name__
    return [
        0 if half.members else degenerate_fits(before, half, name, "split", str(split), half.digest, "resamples")
        for split, half in enumerate(_halves(claim, before, design))
    ]


def _halves(
    claim: AxisStreams | HeadsAgainstBlocks | SubspaceSeparation | LowRankSimilarity,
    before: PlanContext,
    design: Design,
) -> list[Design]:
    """The halves that the claim is tested on."""
    key = (type(claim).__name__, design.digest, "split")
    seed = before.weighing.seed
    return [part(design, halves(design, stream(seed, *key, str(split)))[1]) for split in range(claim.splits)]
