"""What plans of claims of one kind share: those about categories, and those about networks."""

from __future__ import annotations

from modclaims.families.common.units import Sample, Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Streams
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_fits
from modclaims.planning.plan import TestPlan, counted_bounds
from modclaims.recording import HEAD_SITES, ModelShape, Request
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.bounds.splits import halves, part
from modclaims.stats.chance.actions import Design


def drawn(design: Design, streams: Streams, *key: str) -> Resamples:
    """The resamples that a claim reads bounds off; `key` sets them apart from its other ones, if there are several."""
    return resample(design, count=streams.settings.resamples, rng=streams.rng("resamples", *key, design=design.digest))


def measured_halves(design: Design, streams: Streams, splits: int) -> list[Design]:
    """The half of each split that a claim is tested on, what it picks or learns being picked on the other."""
    rngs = (streams.lasting_rng("split", str(split), design=design.digest) for split in range(splits))
    return [part(design, halves(design, rng)[1]) for rng in rngs]


def degenerate_halves(claim: Hypothesis, units: Units, before: PlanContext, splits: int) -> list[int]:
    """Degenerate resamples of each half that is tested; of whole blocks none is foretold."""
    streams, found = before.streams(type(claim).__name__), list[int]()
    for split, half in enumerate(measured_halves(units.design, streams, splits)):

        def resamples(half: Design = half, key: str = str(split)) -> Resamples:
            rng = streams.rng("split", key, half.digest, "resamples")
            return resample(half, count=streams.settings.resamples, rng=rng)

        found.append(0 if half.members else degenerate_fits(half, before.weighing.resamples, resamples))
    return found


def heads_at(shape: ModelShape, site: str) -> int:
    """Cells of one layer at a site: heads where it has any."""
    return shape.kv_heads if site in ("k", "v") else shape.heads if site in HEAD_SITES else 1


def labelled(claim: Hypothesis, units: Units, before: PlanContext) -> TestPlan:
    """What claims about categories share: one cell, and no test."""
    return TestPlan(
        units.unit,
        units.n,
        len(before.corpus),
        claim.holds,
        units.action(claim.label, claim.within),
        counted_bounds(before, [0]),
        label=claim.label,
        smallest=int(units.design.counts.sum(axis=1).min()),
        clusters=len(units.design.members),
    )


def unlabelled(claim: Hypothesis, sample: Sample, before: PlanContext, request: Request, beside: str = "") -> TestPlan:
    """What claims about networks share: a cell per layer of their request, and no test."""
    words = f"resampling {sample.unit}s{beside}"
    cells = before.cells(claim.holds, request)
    return TestPlan(sample.unit, sample.n, sample.texts, claim.holds, words, counted_bounds(before, [0]), cells)
