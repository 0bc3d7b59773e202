"""What claims about networks would be weighed by: those that no category plays a part in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modclaims.errors import ClaimError
from modclaims.families.chunk_contrasts import ChunkContrast
from modclaims.families.depth_curves import AFTER, beyond
from modclaims.families.first_token_attention import AttentionSinks, FirstTokenAttention
from modclaims.families.head_magnitudes import HeadMagnitudes
from modclaims.families.heavy_tails import HeavyTails
from modclaims.families.induction import UNIT as SEQUENCE
from modclaims.families.induction import InductionHeads
from modclaims.families.input_outside_unembedding import InputOutsideUnembedding
from modclaims.families.input_reconstruction import InputReconstruction
from modclaims.families.leading_values import LeadingValues
from modclaims.families.residual_phases import ResidualPhases
from modclaims.families.tight_pass import TighterThanAttention, TightestAt, TightPass
from modclaims.families.units import Sample
from modclaims.families.weight_claims import UNIT, WeightClaim
from modclaims.planning.perfect_samples import bounded
from modclaims.planning.plan import CountedLevel, PlanContext, TestPlan, bounds, unlabelled
from modclaims.recording import Jacobian
from modclaims.stats.end_of_scale import EndLaw
from modclaims.stats.quantifiers import AlongDepth, slope_weights


def heavy_tails(claim: HeavyTails, before: PlanContext) -> TestPlan:
    if not any(before.positions):
        raise ClaimError("The run reads the first token alone; HeavyTails needs further --positions.")
    return unlabelled(claim, Sample.of(before.corpus), before, f" and {claim.draws} rotations")


def tight_pass(claim: TightPass, before: PlanContext) -> TestPlan:
    return unlabelled(claim, _chosen(claim, before), before, f" and {claim.draws} null objects")


def leading_values(claim: LeadingValues, before: PlanContext) -> TestPlan:
    return unlabelled(claim, _chosen(claim, before), before)


def tightest_at(claim: TightestAt, before: PlanContext) -> TestPlan:
    return replace(unlabelled(claim, _chosen(claim, before), before), cells=1)


def tighter_than_attention(claim: TighterThanAttention, before: PlanContext) -> TestPlan:
    made = _flipped(unlabelled(claim, _chosen(claim, before), before), before)
    return replace(made, action="flipping the signs of paired differences")


def chunk_contrast(claim: ChunkContrast, before: PlanContext) -> TestPlan:
    if isinstance(claim, FirstTokenAttention):
        beyond(before.positions, AFTER, claim.family())
    made = _flipped(unlabelled(claim, Sample.of(before.corpus), before), before)
    action = f"flipping the signs of each {made.unit}'s contrasts"
    return replace(made, action=action, cells=len(claim.divisions(before.shape)))


def residual_phases(claim: ResidualPhases, before: PlanContext) -> TestPlan:
    beyond(before.positions, 1, claim.family())
    made = _flipped(unlabelled(claim, Sample.of(before.corpus), before), before)
    return replace(made, action=f"flipping the signs of each {made.unit}'s difference in error", cells=1)


def induction_heads(claim: InductionHeads, before: PlanContext) -> TestPlan:
    words, count = f"resampling {SEQUENCE}s and {claim.draws} null objects", claim.sequences
    cells = before.cells(claim, before.shape.heads)
    return TestPlan(SEQUENCE, count, count, claim.holds, words, bounds(before, [0]), cells)


def sinks_or_magnitudes(claim: AttentionSinks | HeadMagnitudes, before: PlanContext) -> TestPlan:
    made = replace(unlabelled(claim, Sample.of(before.corpus), before), cells=1)
    ends = (0.0, 1.0) if isinstance(claim, AttentionSinks) else (-1.0, 1.0)
    law = EndLaw.of_means(np.zeros(1), units=made.units, ends=ends)
    return bounded(made, law, claim.smallest_effect)


def input_reconstruction(claim: InputReconstruction, before: PlanContext) -> TestPlan:
    made = unlabelled(claim, Sample.of(before.corpus), before)
    if claim.along:
        return replace(made, cells=1)
    return replace(_flipped(made, before), action=f"flipping the signs of each {made.unit}'s differences")


def input_outside_unembedding(claim: InputOutsideUnembedding, before: PlanContext) -> TestPlan:
    action = "putting the unembedding's leading subspace in random position"
    made = unlabelled(claim, Sample.of(before.corpus), before)
    return replace(made, action=action, test=CountedLevel(claim.draws + 1, False, "draws"))


def weight_claim(claim: WeightClaim, before: PlanContext) -> TestPlan:
    drawn = replace(bounds(before, [0]), goes_on=False)
    made = TestPlan(UNIT, claim.draws, 0, claim.holds, f"resampling {UNIT}s", drawn)
    layers = before.layers(claim)
    if isinstance(claim.holds, AlongDepth):
        slope_weights(claim.holds, layers)
        return made
    test = CountedLevel(claim.draws + 1, False, "draws", goes_on=False)
    return replace(made, action=claim.action, cells=before.cells(claim), test=test)


def _flipped(made: TestPlan, before: PlanContext) -> TestPlan:
    """A sketch whose p comes from sign flips of its units."""
    budget = before.weighing.permutations
    exact = made.units <= 62 and 2**made.units <= budget  # as `sign_flips` has it
    return replace(
        made,
        test=CountedLevel(2**made.units if exact else budget + 1, exact, "--permutations"),
        arrangements=2**made.units,
    )


def _chosen(claim: TightPass, before: PlanContext) -> Sample:
    """The texts at which Jacobians are taken."""
    request = claim.requests(before.shape)[0]
    assert isinstance(request, Jacobian)
    return Sample.of(before.corpus, request.chosen(before.corpus))
