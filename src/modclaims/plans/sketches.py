"""The register of sketches: what each claim would be weighed by before anything runs.

That is units, cells, what chance does, and the smallest levels that can be counted. No data bring a level below its floor.
A permutation p counts the observed arrangement, a bound the resamples in which no text varies. How families count is said
here once more and not asked of them, because they count arrays, which nobody has yet; tests hold the two together.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch

from modclaims.errors import ClaimError
from modclaims.hypothesis import Hypothesis
from modclaims.planning.plan import PlanContext, TestPlan
from modclaims.plans.category_sketches import (
    ablation_specificity,
    axes_against_rotations,
    axis_streams,
    category_clustering,
    head_selectivity,
    heads_against_blocks,
    low_rank_similarity,
    similarity_levels,
    subspace_separation,
    targeted_ablation,
    within_versus_style,
)
from modclaims.plans.network_sketches import (
    chunk_contrast,
    heavy_tails,
    induction_heads,
    input_outside_unembedding,
    input_reconstruction,
    leading_values,
    residual_phases,
    sinks_or_magnitudes,
    tight_pass,
    tighter_than_attention,
    tightest_at,
    weight_claim,
)
from modclaims.plans.scale_sketches import models_differ, scale_trend


@singledispatch
def sketch(claim: Hypothesis, before: PlanContext) -> TestPlan:
    """What a claim would be weighed by. Raises `ClaimError` for what weighing it would find wrong with its cells."""
    raise ClaimError(f"Nothing is known of how claims of family {claim.family()} are weighed.")


_SKETCHES: tuple[Callable[..., TestPlan], ...] = (
    ablation_specificity,
    axes_against_rotations,
    axis_streams,
    category_clustering,
    chunk_contrast,
    head_selectivity,
    heads_against_blocks,
    heavy_tails,
    induction_heads,
    input_outside_unembedding,
    input_reconstruction,
    leading_values,
    low_rank_similarity,
    models_differ,
    residual_phases,
    scale_trend,
    similarity_levels,
    sinks_or_magnitudes,
    subspace_separation,
    targeted_ablation,
    tight_pass,
    tighter_than_attention,
    tightest_at,
    weight_claim,
    within_versus_style,
)

for made in _SKETCHES:
    sketch.register(made)
