"""Claims before anything is recorded: what each asks for, or why it cannot be weighed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from modclaims import asking
from modclaims.corpus import Corpus, largest_overlap, overlaps, shown
from modclaims.errors import ClaimCodeError, ClaimError, CorpusError, InputError, NothingSelected
from modclaims.hypothesis import Hypothesis
from modclaims.model_set import ModelSet, check_beside, check_requests
from modclaims.outcome import Outcome
from modclaims.planning.context import PlanContext
from modclaims.recording import ModelShape, Recorder, Request
from modclaims.runs.collect import Collected
from modclaims.runs.settings import Settings

NEAR_DUPLICATE = 0.2


@dataclass(frozen=True)
class Planned:
    """One claim before anything is recorded: what it asks for, or why it cannot be weighed."""

    collected: Collected
    requests: tuple[Request, ...] = ()
    outcome: Outcome | None = None
    message: str = ""


def context(corpus: Corpus, shape: ModelShape, settings: Settings) -> PlanContext:
    """What is known of a run before any pass; texts sorted by id, as they are when claims are weighed."""
    by_id = corpus.select(sorted(range(len(corpus)), key=lambda i: corpus.texts[i].id))
    return PlanContext(by_id, shape, settings.resolved_positions(), settings.weighing, settings.tokens)


def prepare(collected: Sequence[Collected], before: PlanContext) -> list[Planned]:
    """Check every claim against what is known before any pass. Raises `NothingSelected` for no claim at all."""
    if not collected:
        raise NothingSelected("No claim is selected; see `modclaims list` for what there is.")
    return [plan_of(one, before) for one in collected]


def plan_of(one: Collected, before: PlanContext) -> Planned:
    """One claim's requests. What is wrong with a claim is ERROR; a shipped one that this corpus or model cannot carry is
    SKIPPED, since its user did not write it."""
    if one.claim is None:
        return Planned(one, outcome=Outcome.ERROR, message=one.fault)
    claim, unfit, corpus, shape = one.claim, Outcome.ERROR, before.corpus, before.shape
    try:
        asking.examine(claim)
        if one.is_shipped:
            unfit = Outcome.SKIPPED
            if lacking := [c for c in asking.columns(claim) if c not in corpus.columns]:
                has = ", ".join(corpus.columns) or "none"
                raise ClaimError(
                    f"Corpus {corpus.name!r} has no column {', '.join(map(repr, lacking))}; it has: {has}."
                )
        if (fewest := asking.models(claim)) > len(shape.models):
            return Planned(
                one,
                outcome=Outcome.SKIPPED,
                message=f"{claim.family()} compares at least {fewest} models, and this run reads {shape.name} alone; "
                "give others with --beside MODEL, which may be said several times.",
            )
        asking.check(claim, before)
        return Planned(one, asking.requests(claim, shape))
    except ClaimCodeError as fault:
        return Planned(one, outcome=Outcome.ERROR, message=str(fault))
    except ClaimError as fault:
        return Planned(one, outcome=unfit, message=asking.text_of(fault))


def readable(plan: Planned, corpus: Corpus, recorder: Recorder, settings: Settings) -> Planned:
    """The plan, or ERROR (SKIPPED where shipped) where the claim asks for what these texts or this network cannot give: at
    positions that a text lacks, of more tokens than there are, of a matrix that is not there."""
    declared = {(r.positions, r.model) for r in plan.requests if r.positions is not None}
    try:
        for positions, model in sorted(declared, key=str):
            if not isinstance(recorder, ModelSet):
                recorder.check(corpus, settings.tokens, positions)
            elif model is None:
                recorder.own.check(corpus, settings.tokens, positions)
            else:
                check_beside(model, recorder.of(model), corpus, settings.tokens, positions)
        check_requests(recorder, corpus, plan.requests, settings.tokens)
    except (InputError, ClaimError) as fault:
        unfit = Outcome.SKIPPED if plan.collected.is_shipped else Outcome.ERROR
        return replace(plan, outcome=unfit, message=asking.text_of(fault))
    except Exception as fault:  # a request that holds what no request can is this claim's fault alone
        return replace(plan, outcome=Outcome.ERROR, message=fault_of(plan, fault))
    return plan


def fault_of(plan: Planned, fault: BaseException, what: str = "recording the requests") -> str:
    """What came out of something that was done for a claim, with its name."""
    claim = plan.collected.claim
    return asking.told(fault, what, Hypothesis if claim is None else type(claim))


def corrected_together(planned: Sequence[Planned]) -> int:
    """How many claims are corrected together, from the plans of all that were collected; known before any pass.

    What is SKIPPED stands outside. What cannot be weighed counts, a file that does not load as one claim.
    """
    return sum(one.outcome is not Outcome.SKIPPED for one in planned)


def refuse_near_duplicates(corpus: Corpus) -> float:
    """The largest 8-gram overlap of two texts. Raises `CorpusError` where near-duplicates are not of one block."""
    bodies = [t.body for t in corpus.texts]
    for first, second, share in overlaps(bodies, threshold=NEAR_DUPLICATE):
        a, b = corpus.texts[first], corpus.texts[second]
        if a.block is None or a.block != b.block:
            raise CorpusError(
                f"Texts {shown(a.id)} and {shown(b.id)} of corpus {corpus.name!r} share {100 * share:.0f} % of their 8-word "
                "sequences, so they are not independent; leave one out, or give both the same `block`."
            )
    return largest_overlap(bodies).share if len(bodies) > 1 else 0.0
