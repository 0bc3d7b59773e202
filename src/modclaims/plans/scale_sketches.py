"""What claims about several models would be weighed by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from modclaims.families.models_differ import ModelsDiffer
from modclaims.families.scale_trend import ScaleTrend, sizes_of, too_few
from modclaims.families.units import Units
from modclaims.planning.degenerate import degenerate_pairs
from modclaims.planning.perfect_samples import of_sums
from modclaims.planning.plan import CountedLevel, PlanContext, TestPlan, bounds, labelled
from modclaims.stats.trend import count_orders, is_enumerated


def models_differ(claim: ModelsDiffer, before: PlanContext) -> TestPlan:
    units = Units.of(before.corpus, claim.label, claim.within)
    spent = degenerate_pairs(before, units.design, type(claim).__name__, units.design.digest, "resamples")
    made = replace(
        labelled(claim, units, before),
        action=f"resampling {units.resampled}, the same for all models",
        bounds=bounds(before, [spent]),
        cells=len(claim.cells(before.shape)),
    )
    parts = [(units.design, np.array([[sign]])) for sign in (1.0, -1.0)]
    return of_sums(made, parts, claim.smallest_effect)


def scale_trend(claim: ScaleTrend, before: PlanContext) -> TestPlan:
    models = before.shape.models
    claim.requests(before.shape)
    count, budget = len(models), before.weighing.permutations
    orders, exact = count_orders(sizes_of(models)), is_enumerated(len(models), budget)
    return TestPlan(
        "model",
        count,
        len(before.corpus),
        claim.holds,
        "exchanging the models' effects among their sizes",
        CountedLevel(before.weighing.resamples + 1, True, "--beside"),
        label=claim.label,
        test=CountedLevel(orders if exact else budget + 1, exact, "--beside" if exact else "--permutations"),
        arrangements=orders,
        undecided=too_few(count),
    )
