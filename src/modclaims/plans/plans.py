"""The plan of a run: every claim with what it can reach, the costs, and all of it in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from modclaims import asking, memory
from modclaims.claim_set import corrected_over
from modclaims.corpus import Corpus, some
from modclaims.entries import JsonObject
from modclaims.errors import ClaimError
from modclaims.lm.effort import LONG, REMEDY, seconds, told_seconds
from modclaims.outcome import Outcome
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.planning.power import POWER, Found, Requirement, detectable
from modclaims.plans.cost import Cost, cost
from modclaims.plans.reach import Others, Reach, sides
from modclaims.recording import ModelShape, Reading, Recorder, Request
from modclaims.runs.collect import Collected
from modclaims.runs.planned import Planned, context, prepare, readable
from modclaims.runs.settings import Settings
from modclaims.stats.chance.multiplicity import at_most
from modclaims.workers import cores

RARE = 0.05
"""Where fewer simulated runs than this end, an outcome is hardly within reach."""


@dataclass(frozen=True)
class ClaimPlan:
    """One claim of a plan: how it would be weighed and what it can reach, or why it cannot be weighed."""

    id: str
    family: str | None
    effect_name: str = ""
    smallest_effect: float = 0.0
    expect: str | None = None
    plan: TestPlan | None = None
    supported: Reach | None = None
    refuted: Reach | None = None
    found: Found | None = None
    """What would be found before correction; None where nothing sensible can be said."""
    further_passes: int = 0
    """The most passes that it may ask for once it sees the first recording."""
    outcome: Outcome | None = None
    """ERROR or SKIPPED."""
    message: str = ""

    @property
    def reaches(self) -> tuple[str, ...]:
        """Of `supported` and `refuted`, those within reach."""
        both = (("supported", self.supported), ("refuted", self.refuted))
        return tuple(word for word, side in both if side is not None and side.reachable)

    @property
    def hardly(self) -> tuple[str, ...]:
        """Those within reach where next to no simulated runs end."""
        if self.found is None:
            return ()
        shares = {"supported": self.found.best, "refuted": self.found.refuted}
        return tuple(word for word in self.reaches if shares[word] < RARE)

    def as_dict(self) -> JsonObject:
        """Plain JSON values."""
        body: JsonObject = {
            "id": self.id,
            "family": self.family,
            "expect": self.expect,
            "outcome": None if self.outcome is None else self.outcome.word,
            "message": self.message,
        }
        if (made := self.plan) is None:
            return body
        test, many = made.test, made.arrangements
        return body | {
            "reachable": list(self.reaches),
            "hardly": list(self.hardly),
            "p_plus": None if self.supported is None else asdict(self.supported),
            "p_minus": None if self.refuted is None else asdict(self.refuted),
            "unit": made.unit,
            "n_units": made.units,
            "n_texts": made.texts,
            "n_clusters": made.clusters or None,
            "label": made.label,
            "smallest_category": made.smallest,
            "holds": made.holds.words,
            "n_cells": made.cells,
            "action": made.action,
            # beyond 2^53 readers of JSON round
            "arrangements": many if many is not None and many < 2**53 else None,
            "arrangements_log10": None if many is None else math.log10(many),
            "exact": test is not None and test.exact,
            "draws": None if test is None else test.draws,
            "most_draws": None if test is None else test.most,
            "resamples": made.bounds.draws,
            "most_resamples": made.bounds.most,
            "smallest_attainable_p": made.least_bound if test is None else test.floor,
            "bound_floor": made.least_bound,
            "largest_lower_limit": made.largest_lower,
            "effect_name": self.effect_name,
            "smallest_effect": self.smallest_effect,
            "detectable_effect": None if self.found is None else self.found.effect,
            "largest_power": None if self.found is None else self.found.best,
            "refuted_without_effect": None if self.found is None else self.found.refuted,
        }


@dataclass(frozen=True)
class Plan:
    """What a run would take, and what each of its claims can reach."""

    claims: tuple[ClaimPlan, ...]
    requests: tuple[Request, ...]
    """What would be recorded."""
    cost: Cost
    alpha: float
    correction: str
    corpus: str
    model: str
    models: tuple[ModelShape, ...] = ()
    """All models of the run, by number of parameters."""
    further_passes: int = 0
    """The most passes that claims may ask for once they see the first recording."""
    unselected: int = 0
    """Claims that were collected with these and not selected: they count in the correction."""

    @property
    def weighable(self) -> tuple[ClaimPlan, ...]:
        """Claims that would be weighed."""
        return tuple(c for c in self.claims if c.plan is not None)

    @property
    def corrected_over(self) -> int:
        """Claims that would be corrected together: those not SKIPPED, selected or not."""
        return sum(c.outcome is not Outcome.SKIPPED for c in self.claims) + self.unselected

    @property
    def draws(self) -> int:
        """The most that a claim may draw, or enumerates, of one kind."""
        made = [c.plan for c in self.claims if c.plan is not None]
        counted = [by for one in made for by in (one.test, one.bounds) if by is not None]
        return max((by.rows if by.exact else by.most for by in counted), default=0)

    @property
    def refused(self) -> str:
        """Why there is no sense in running this; empty where every claim can reach an outcome."""
        stuck = [c for c in self.weighable if not c.reaches]
        if not stuck:
            return ""
        names = some([c.id.rpartition("::")[2] for c in stuck])
        barred = [side for c in stuck for side in (c.supported, c.refuted) if side is not None]
        whys = list(dict.fromkeys(side.why for side in barred))
        remedies = list(dict.fromkeys(word for side in barred for word in side.remedy.split(", or ")))
        count = f"{len(stuck)} of {len(self.weighable)} claims" if len(self.weighable) > 1 else "The claim"
        return (
            f"{count} can reach no outcome but INCONCLUSIVE: {names}. {whys[0]}"
            + (f"; {whys[1]}" if len(whys) > 1 else "")
            + f"; at most {self.alpha:g} is needed. {_capital(', or '.join(remedies))}."
        )

    @property
    def summary(self) -> str:
        """One sentence: how many claims can come out how."""
        total, rest = len(self.weighable), len(self.claims) - len(self.weighable)
        said = []
        for word, verb in (("supported", "can be SUPPORTED"), ("refuted", "REFUTED")):
            hardly = sum(word in c.hardly for c in self.weighable)
            reached = sum(word in c.reaches for c in self.weighable)
            said.append(f"{reached} {verb}" + (f" ({hardly} of them hardly ever)" if hardly else ""))
        said.append(f"{sum(not c.reaches for c in self.weighable)} nothing but INCONCLUSIVE")
        missed = sum(c.expect in ("supported", "refuted") and c.expect not in c.reaches for c in self.weighable)
        return (
            f"Of {_counted(total, 'claim')} {', '.join(said)}"
            + (f"; {missed} cannot become what {'it expects' if missed == 1 else 'they expect'}" if missed else "")
            + (f"; {rest} cannot be weighed here." if rest else ".")
        )

    def as_dict(self) -> JsonObject:
        """Plain JSON values."""
        return {
            "corpus": self.corpus,
            "model": self.model,
            "models": [{"name": one.name, "layers": one.layers, "parameters": one.parameters} for one in self.models],
            "alpha": self.alpha,
            "correction": self.correction,
            "corrected_over": self.corrected_over,
            "claims": [c.as_dict() for c in self.claims],
            **asdict(self.cost),
            "jacobian_seconds": seconds(self.cost.operations),
            "further_passes": self.further_passes,
            "largest_draws": self.draws,
            "summary": self.summary,
            "refused": self.refused or None,
        }

    def lines(self) -> list[str]:
        """As a terminal shows it: a head line, a claim in two lines or more, what the columns mean, costs, the summary."""
        width = max(len(c.id) for c in self.claims)
        told = [line for c in self.claims for line in _told(c, width, self)]
        if not self.weighable:
            return [*told, "", self.summary]
        heads = "".join(f"{word:>10}" for word in ("p+ from", "corrected", "p- from", "corrected"))
        over = f", and after {self.correction} over all claims" if self.correction != "none" else ""
        cost = self.cost
        further = f"at most {self.further_passes:,} further ones for ablation, " if self.further_passes else ""
        return [
            f"{'claim':{width}}  {'can become':25} {heads}  finds",
            *told,
            "",
            f"p+ and p- from: the smallest levels that these texts and draws attain{over}; a claim is settled by at most "
            f"{self.alpha:g}. Finds, simulated before correction with cells as if independent: the effect that would be "
            f"SUPPORTED in {100 * POWER:.0f} % of runs; and the share of runs that would end in REFUTED if there were no effect.",
            *(
                [f"Models by number of parameters: {', '.join(f'{m.name} ({m.parameters:,})' for m in self.models)}."]
                if len(self.models) > 1
                else []
            ),
            f"{cost.passes:,} forward passes ({_counted(cost.texts, 'text')}, {_counted(cost.networks, 'network')}), "
            f"{further}{cost.tokens:,} tokens, about {memory.told(cost.bytes)} of recordings, less what earlier runs have left; at most "
            f"{self.draws:,} draws of a kind per claim, where those that were asked for leave it open.",
            *self._jacobians(),
            *self._correction(),
            self.summary,
        ]

    def _jacobians(self) -> list[str]:
        """What Jacobians take, where any are asked for."""
        cost = self.cost
        if not cost.jacobians:
            return []
        told = f"{cost.jacobians:,} Jacobians of single blocks, {told_seconds(seconds(cost.operations))} on {_counted(cores(), 'core')} with {memory.told(cores() * cost.memory + cost.shared)} at work"
        long = f" {REMEDY}" if seconds(cost.operations) > LONG else ""
        return [f"{told}, less what earlier runs have left.{long}"]

    def _correction(self) -> list[str]:
        """What correction is over, where that is not what is weighed."""
        if self.correction == "none" or self.corrected_over == len(self.weighable):
            return []
        words = f"Corrected over {corrected_over(self.corrected_over, len(self.weighable), 0).replace('were', 'would be').replace('was', 'would be')}"
        if not self.unselected:
            return [f"{words}: a claim that cannot be weighed counts as p = 1."]
        return [
            f"{words}. What is not selected counts as p = 1, or with the levels that an earlier run of the same recording, "
            "seed and claim left; here it is taken as settled, which is the most that could be."
        ]


def make_plan(
    collected: Sequence[Collected],
    corpus: Corpus,
    reading: Reading,
    settings: Settings,
    recorder: Recorder | None = None,
    unselected: Sequence[Collected] = (),
) -> Plan:
    """Plan every claim, and ask of each what it can reach among the others. Raises `NothingSelected` for no claim.

    A claim that asks for what `recorder` cannot give is ERROR, as it would be in a run; None asks nobody. Claims that are
    `unselected` count in the correction. What an earlier run left of them is not known before weights are read, so they are
    taken as settled: what is said to be out of reach is so whatever that was.
    """
    before = replace(context(corpus, reading.shape, settings), positions=reading.positions, tokens=reading.tokens)
    planned = prepare(collected, before)
    if recorder is not None:
        planned = [one if one.outcome else readable(one, corpus, recorder, settings) for one in planned]
    claims = [_planned(one, before) for one in planned]
    left = prepare(unselected, before) if unselected else []
    others = Others(
        settled=sum(one.outcome is None for one in left),
        lost=[*(one.outcome for one in claims), *(one.outcome for one in left)].count(Outcome.ERROR),
    )
    reached = sides({c.id: c.plan for c in claims if c.plan is not None}, settings, others)
    requests = tuple(dict.fromkeys(r for p in planned if p.outcome is None for r in p.requests))
    return Plan(
        tuple(
            c
            if c.plan is None
            else replace(
                c,
                supported=reached[c.id][0],
                refuted=reached[c.id][1],
                found=_found(c.plan, c.smallest_effect, settings.alpha),
            )
            for c in claims
        ),
        requests,
        cost(requests, corpus, reading),
        settings.alpha,
        settings.correction,
        corpus.name,
        reading.shape.name,
        reading.shape.models,
        sum(c.further_passes for c in claims),
        sum(one.outcome is not Outcome.SKIPPED for one in left),
    )


def _planned(one: Planned, before: PlanContext) -> ClaimPlan:
    claim = one.collected.claim
    if claim is None or one.outcome is not None:
        family = None if claim is None else claim.family()
        return ClaimPlan(one.collected.id, family, outcome=one.outcome or Outcome.ERROR, message=one.message)
    name = claim.effect_name
    if claim.holds.contrasts:
        name = f"rise of {name}"
    made = ClaimPlan(one.collected.id, claim.family(), name, float(claim.smallest_effect), claim.expect)
    try:
        return replace(
            made,
            plan=asking.plan(claim, before),
            further_passes=asking.further_passes(claim, before.corpus, before.shape),
        )
    except ClaimError as fault:  # what a run finds out when it weighs
        return replace(made, outcome=Outcome.ERROR, message=asking.text_of(fault))


def _found(made: TestPlan, smallest: float, alpha: float) -> Found | None:
    if made.simulated is None:
        return None
    level, cells, needed = made.bounds.decisive(alpha), made.cells, made.needed
    others = cells - needed + 1  # as many speak against the claim, or leave it without enough
    if made.holds.any_of:
        return detectable(
            *made.simulated,
            smallest,
            Requirement(level, others, True, needed),
            Requirement(level, needed, True, others),
        )
    support, refute = (Requirement(level, cells, count == 1, count) for count in (needed, others))
    return detectable(*made.simulated, smallest, support, refute)


# ---- in words


def _told(one: ClaimPlan, width: int, plan: Plan) -> list[str]:
    made, supported, refuted = one.plan, one.supported, one.refuted
    if made is None or supported is None or refuted is None:
        return [f"{one.id:{width}}  {(one.outcome or Outcome.ERROR).word.upper():25}  {one.message}"]
    numbers = "".join(f"{v:10.2g}" for side in (supported, refuted) for v in (side.level, side.corrected))
    fewest = f" in {made.clusters:,} blocks" if made.clusters else ""
    if made.smallest is not None:
        fewest += f" ({made.smallest:,} in the smallest {made.label})"
    drawn = "" if made.test is None else f": {made.test}"
    if made.test is not None and made.arrangements is not None and not made.test.exact:
        drawn += f" of {_many(made.arrangements)}"
    lines = [
        f"{one.id:{width}}  {_becomes(one):25} {numbers}  {_finds(one)}",
        f"    {one.family}, {made.holds.words}: {_counted(made.units, made.unit)}{fewest}, "
        f"{_counted(made.cells, 'cell')}; {made.action}{drawn}",
    ]
    if made.largest_lower is not None:
        lines.append(
            f"    no lower limit of {one.effect_name} above {made.largest_lower:.2f}, however strong the effect: a perfect sample of so many {made.unit}s says no more"
        )
    for word, side in (("SUPPORTED", supported), ("REFUTED", refuted)):
        if not side.reachable:
            lines.append(f"    not {word}: {side.why}; {side.remedy}")
        elif not at_most(side.alone, plan.alpha):
            lines.append(f"    {word} only where other claims are too: else {side.alone:.2g} after {plan.correction}")
    return lines


def _becomes(one: ClaimPlan) -> str:
    """The outcomes within reach, the likelier first."""
    if len(one.hardly) == 2:
        return "hardly either"
    words = sorted(one.reaches, key=lambda word: word in one.hardly)
    said = [f"hardly {w.upper()}" if w in one.hardly else w.upper() for w in words]
    return (", " if one.hardly else " or ").join(said) or "nothing"


def _finds(one: ClaimPlan) -> str:
    if one.found is None:
        return "-"
    effect, refuted = one.found.effect, f"{100 * one.found.refuted:.0f} % REFUTED"
    if "supported" not in one.reaches:
        return f"none, {refuted}"
    if effect is None:
        return f"none ({100 * one.found.best:.0f} % at best), {refuted}"
    return f"{one.effect_name} {effect:.2f}, {refuted}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _many(count: int) -> str:
    return f"{count:,}" if count < 10**9 else f"10^{math.log10(count):.0f}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
