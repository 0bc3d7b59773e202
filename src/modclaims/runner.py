"""Judge: record once what all claims need, weigh each, and read the outcomes. Knows a Recorder, never torch."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from modclaims import __version__, asking, numerics, workers
from modclaims.claim_set import ClaimSet, Kept
from modclaims.corpus import Corpus, largest_overlap, overlaps, shown
from modclaims.errors import ClaimCodeError, ClaimError, CorpusError, InputError, NothingSelected, UsageError
from modclaims.hypothesis import EXPECTATIONS, Hypothesis
from modclaims.lineup import Lineup, check_beside, check_requests
from modclaims.look import CHECKPOINTS, Weighing
from modclaims.outcome import Outcome
from modclaims.planning.context import PlanContext
from modclaims.recording import Activations, ModelShape, Positions, Recorder, Recording, Request
from modclaims.runs.collect import Collected, collect_file
from modclaims.runs.run_folder import ClaimRecord, Run, RunFolder, dump_json
from modclaims.runs.run_log import RunLog
from modclaims.runs.settings import Settings
from modclaims.stats.chance.multiplicity import adjust
from modclaims.stats.checkpoints import Deciding, fits
from modclaims.stats.evidence import Evidence, Exhibit
from modclaims.verdict import Verdict, judge
from modclaims.weighed import Weighed, summarise

NEAR_DUPLICATE = 0.2
Render = Callable[[Run], Mapping[str, bytes]]


@dataclass
class Progress:
    """What a door wants to hear while a run goes on; the defaults hear nothing."""

    recording: Callable[[int, int, str], None] | None = None
    """(texts done, texts in all, what)"""
    weighing: Callable[[int, int, str], None] | None = None
    """(claims done, claims in all, id)"""


@dataclass(frozen=True)
class Planned:
    """One claim before anything is recorded: what it asks for, or why it cannot be weighed."""

    collected: Collected
    requests: tuple[Request, ...] = ()
    outcome: Outcome | None = None
    message: str = ""


@dataclass(frozen=True)
class Finished:
    """A run that ended, and where it lies."""

    run: Run
    folder: Path | None
    verdicts: Mapping[str, Verdict]
    weighed: Mapping[str, Weighed] = field(default_factory=dict)


def context(corpus: Corpus, shape: ModelShape, settings: Settings) -> PlanContext:
    """What is known of a run before any pass; texts sorted by id, as they are when claims are weighed."""
    by_id = corpus.select(sorted(range(len(corpus)), key=lambda i: corpus.texts[i].id))
    return PlanContext(by_id, shape, settings.resolved_positions(), settings.weighing, settings.tokens)


def prepare(collected: Sequence[Collected], before: PlanContext) -> list[Planned]:
    """Check every claim against what is known before any pass. Raises `NothingSelected` for no claim at all."""
    if not collected:
        raise NothingSelected("No claim is selected; see `modclaims list` for what there is.")
    return [_prepare(one, before) for one in collected]


def _prepare(one: Collected, before: PlanContext) -> Planned:
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
    asked = [r for r in plan.requests if isinstance(r, Activations) and r.positions is not None]
    declared = {(r.positions, r.model) for r in asked if r.positions is not None}
    try:
        for positions, model in sorted(declared, key=str):
            if not isinstance(recorder, Lineup):
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
        return replace(plan, outcome=Outcome.ERROR, message=_of_claim(plan, fault))
    return plan


def _of_claim(plan: Planned, fault: BaseException, what: str = "recording the requests") -> str:
    """What came out of something that was done for a claim, with its name."""
    claim = plan.collected.claim
    return asking.told(fault, what, Hypothesis if claim is None else type(claim))


def run_digest(
    collected: Sequence[Collected],
    corpus: Corpus,
    shape: ModelShape,
    settings: Settings,
    unselected: Sequence[Collected] = (),
) -> str:
    """SHA-256 of resolved settings, claims, corpus, model and versions of the arithmetic.

    On one machine, read in batches of one size, two runs with the same one have the same numbers to the bit, whatever the
    order, the neighbours or the workers. With another batch size, on another processor, or with other builds of numpy,
    scipy and torch the last digits differ: outcomes are equal, effects and limits within `numerics.SAME_WITHIN`, p-values
    and levels within `numerics.SAME_DRAWS` draws. Where a level stands that near to alpha the outcome may be another one.
    Claims that were collected and not selected are part of it: a run of some claims is another run than that of all.
    """
    return settings.digest(
        corpus.digest,
        numerics.identity(),
        *_provenance(shape),
        *(f"beside {_network(other)}" for other in shape.models if shape.beside),
        *(f"{one.id}={_pinned(one)}" for one in collected),
        *(f"unselected {one.id}={_pinned(one)}" for one in unselected),
    )


def _pinned(one: Collected) -> str:
    return one.claim.digest() if one.claim is not None else one.fault


def corrected_together(planned: Sequence[Planned]) -> int:
    """How many claims are corrected together, from the plans of all that were collected; known before any pass.

    What is SKIPPED stands outside. What cannot be weighed counts, a file that does not load as one claim.
    """
    return sum(one.outcome is not Outcome.SKIPPED for one in planned)


def level_key(plan: Planned, corpus: Corpus, shape: ModelShape, settings: Settings) -> str:
    """SHA-256 of all that the levels of one claim depend on, by which the log keeps them for runs that leave it out.

    Correction comes after levels; models beside the run's own count only for claims that read them.
    """
    assert plan.collected.claim is not None
    read = shape
    if plan.collected.claim.models() == 1:
        read, settings = replace(shape, beside=()), replace(settings, beside=())
    numbers = run_digest((), corpus, read, replace(settings, correction="holm"))
    return hashlib.sha256("\n".join([__version__, _network(shape), _noted(plan, shape), numbers]).encode()).hexdigest()


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


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread, so that statistics are bitwise the same whatever the number of cores or workers."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def weigh(
    claim: Hypothesis, recording: Recording, weighing: Weighing, deciding: Deciding | None = None
) -> tuple[Weighed, tuple[Exhibit, ...]]:
    """One claim's evidence, summarised, and its figures. Raises `ClaimError` for whatever goes wrong on the way.

    Where the Monte Carlo error of a level leaves open whether it would be `deciding`, the claim is weighed anew at the
    next checkpoint, if so many draws can be kept; None for one checkpoint. Claims about weights alone draw what they declare.
    """

    def read(evidence: Evidence) -> Weighed:
        return asking.ask(
            claim, "reading the evidence", lambda: summarise(claim, evidence, weighing.alpha, weighing.claims)
        )

    with one_thread():
        texts, now = recording.by_id(), weighing
        first = evidence = asking.weigh(claim, texts, now)
        found = read(evidence)
        while (
            deciding is not None
            and (deciding.left_open_by(found.mc_plus) or deciding.left_open_by(found.mc_minus))
            and first.n_texts  # null objects of weights alone take a network's worth of arithmetic each
            and now.checkpoint + 1 < len(CHECKPOINTS)
            and fits(first, CHECKPOINTS[now.checkpoint + 1])
        ):
            now = weighing.at(now.checkpoint + 1)
            evidence = asking.weigh(claim, texts, now)
            found = read(evidence)
        found = replace(found, checkpoint=now.checkpoint)
        asking.ask(claim, "writing the evidence", lambda: _refuse_unwritable(found, evidence.exhibits))
        return found, tuple(evidence.exhibits)


def _refuse_unwritable(found: Weighed, exhibits: Sequence[Exhibit]) -> None:
    """Raise what writing would raise after all claims are weighed, and for levels that would spoil the neighbours' correction."""
    dump_json(found.as_dict()).encode()
    for name in ("p_plus", "p_minus", "mc_plus", "mc_minus"):
        levels = np.asarray(getattr(found, name), dtype=np.float64)
        if not ((levels >= 0) & (levels <= 1)).all():
            raise ClaimError(f"The evidence gives {name} = {getattr(found, name)}, and a level lies between 0 and 1.")
    texts: dict[str, object] = {name: getattr(found, name) for name in _TEXTS}
    texts |= {f"warning {i + 1}": words for i, words in enumerate(found.warnings)}
    for one in exhibits:
        texts |= {f"{name} of a figure": getattr(one, name) for name in ("kind", "title", "description")}
        dump_json({name: words if isinstance(words, str) else [*words] for name, words in one.labels.items()}).encode()
        if unfit := [name for name, array in one.arrays.items() if np.asarray(array).dtype.hasobject]:
            raise ClaimError(
                f"Figure {one.title!r} has an array {unfit[0]!r} of objects; arrays hold numbers or texts."
            )
    for name, words in texts.items():
        if not isinstance(words, str):
            raise ClaimError(f"The evidence gives {words!r} for {name}, which is a text.")


_TEXTS = tuple(one.name for one in fields(Weighed) if one.type == "str")
"""What of a weighed claim is told in words."""


def _weigh_in_worker(
    path: Path, name: str, digest: str, cwd: Path, recording: Recording, weighing: Weighing, deciding: Deciding
) -> tuple[Weighed, tuple[Exhibit, ...]] | ClaimError:
    """In a process of its own; what a claim raises is handed back by its words, for it may be of the claim's own kind."""
    try:
        (one,) = collect_file(path, cwd, name)
        if one.claim is None:
            return ClaimError(one.fault)
        if one.claim.digest() != digest:
            return ClaimError(f"{path.name} changed while the claims were weighed; run it again.")
        return weigh(one.claim, recording, weighing, deciding)
    except UsageError as fault:
        return ClaimError(str(fault))
    except ClaimError as fault:
        return ClaimError(asking.text_of(fault))


def execute(
    collected: Sequence[Collected],
    *,
    corpus: Corpus,
    recorder: Recorder,
    settings: Settings,
    cwd: Path,
    out: Path | None,
    render: Render | None = None,
    progress: Progress | None = None,
    command: str = "",
    log: RunLog | None = None,
    unselected: Sequence[Collected] = (),
) -> Finished:
    """Run claims: check, record the union of their requests once, then what answers call for, weigh, judge, write.

    `out` is the run folder, or None to keep the run in memory. Claims that an interrupted run of the same settings
    left in the folder are not weighed again. A claim that fails is ERROR and its neighbours go on. `log` tells how many
    other claims were weighed on this corpus and model before, and learns of these. Claims that are `unselected` were
    collected with these: they are not weighed, and count in the correction with the levels that `log` has of them,
    else as p = 1.
    Raises `InputError` before any pass, and `KeyboardInterrupt` after what was weighed has been kept.
    """
    progress, started = progress or Progress(), time.time()
    shape = recorder.shape
    positions, before = Positions(settings.positions), context(corpus, shape, settings)
    planned = [readable(plan, corpus, recorder, settings) for plan in prepare(collected, before)]
    others = [readable(_prepare(one, before), corpus, recorder, settings) for one in unselected]
    recorder.check(corpus, settings.tokens, positions)
    overlap = refuse_near_duplicates(corpus)
    digest = run_digest(collected, corpus, shape, settings, unselected)
    together = ClaimSet(corrected_together([*planned, *others]), _kept(log, others, corpus, shape, settings))
    folder = None if out is None else RunFolder(out, digest)

    weighed: dict[str, Weighed] = {}
    exhibits: dict[str, tuple[Exhibit, ...]] = {}
    faults = {p.collected.id: p for p in planned if p.outcome is not None}
    waiting: list[Planned] = []
    for plan in planned:
        if plan.outcome is not None:
            continue
        if folder is not None and folder.has(plan.collected.id):
            state, kept = folder.read_claim(plan.collected.id)
            weighed[plan.collected.id], exhibits[plan.collected.id] = Weighed.from_dict(state), kept
        else:
            waiting.append(plan)
    passes = ablation_passes = 0
    if waiting:

        def record(asked: Sequence[Request]) -> Recording:
            return recorder.record(
                corpus, asked, tokens=settings.tokens, positions=positions, progress=progress.recording
            )

        asked = {plan.collected.id: plan.requests for plan in waiting}
        recording, failed = _record(waiting, asked, record)
        passes, ablation_passes = recording.passes, recording.ablation_passes
        further, lost = _further([p for p in waiting if p.collected.id not in failed], recording, settings)
        failed |= lost
        if any(further.values()):
            asked = {name: (*mine, *further.get(name, ())) for name, mine in asked.items() if name not in failed}
            recording, lost = _record([p for p in waiting if p.collected.id in asked], asked, record)
            failed |= lost
            passes += recording.passes
            ablation_passes += recording.ablation_passes
        faults |= failed
        waiting = [plan for plan in waiting if plan.collected.id not in failed]
        deciding = Deciding.of(settings.alpha, together.size, settings.correction)
        for plan, result in _weigh_all(waiting, recording, settings, deciding, cwd, progress):
            name = plan.collected.id
            if isinstance(result, ClaimError):
                faults[name] = replace(plan, outcome=Outcome.ERROR, message=asking.text_of(result))
                continue
            weighed[name], exhibits[name] = result
            if folder is not None:
                folder.write_claim(name, weighed[name].as_dict(), exhibits[name])
                # as it will be read back, so that a resumed run is the same to the byte
                weighed[name] = Weighed.from_dict(folder.read_claim(name)[0])

    ordered = {p.collected.id: weighed[p.collected.id] for p in planned if p.collected.id in weighed}
    verdicts = judge(ordered, alpha=settings.alpha, correction=settings.correction, together=together)
    for name, plan in faults.items():
        outcome = plan.outcome or Outcome.ERROR
        verdicts[name] = Verdict(outcome, None, message=plan.message)
    records = [
        ClaimRecord(
            summary(p.collected, verdicts[p.collected.id], weighed.get(p.collected.id)),
            _cell_rows(p.collected, weighed.get(p.collected.id), shape),
            exhibits.get(p.collected.id, ()),
        )
        for p in planned
    ]
    hashes = {p.collected.id: _noted(p, shape) for p in (*planned, *others) if p.collected.claim is not None}
    network = _network(shape)
    others_before = 0 if log is None else log.others(corpus.digest, network, hashes.values())
    known = [p for p in (*planned, *others) if p.outcome is None]
    keys = {p.collected.id: level_key(p, corpus, shape, settings) for p in known}
    reruns = 0 if log is None else log.reruns(corpus.digest, network, [hashes[name] for name in keys], keys.values())
    run = Run(
        facts(
            *(corpus, shape, settings, records, overlap, command, passes, started, cwd, others_before, ablation_passes),
            together=together,
            reruns=reruns,
        ),
        tuple(records),
    )
    if folder is not None:
        folder.finish(run, render(run) if render is not None else {})
    if log is not None:
        log.add(
            corpus.digest,
            network,
            {hashes[name]: verdicts[name].outcome.word for name in ordered},
            {keys[name]: Kept(w.p_plus, w.p_minus, w.mc_plus[1], w.mc_minus[1]) for name, w in ordered.items()},
        )
    return Finished(run, out, {p.collected.id: verdicts[p.collected.id] for p in planned}, weighed)


def _record(
    waiting: Sequence[Planned],
    asked: Mapping[str, Sequence[Request]],
    record: Callable[[Sequence[Request]], Recording],
) -> tuple[Recording, dict[str, Planned]]:
    """The recording of the union of what claims ask for, and the claims for which it fails.

    Where the union fails, each claim's requests are tried by themselves, so that one's fault is told as its own; what was
    recorded on the way lies in the store. Raises what came first where none can be recorded, for then it is not the claims'.
    """
    try:
        return record(list(dict.fromkeys(r for p in waiting for r in asked[p.collected.id]))), {}
    except Exception as fault:
        if not waiting or (len(waiting) == 1 and isinstance(fault, InputError)):
            raise
        first, failed = fault, {}
    for plan in waiting:
        try:
            record(list(dict.fromkeys(asked[plan.collected.id])))
        except Exception as fault:
            failed[plan.collected.id] = replace(plan, outcome=Outcome.ERROR, message=_of_claim(plan, fault))
    if len(failed) == len(waiting) and isinstance(first, InputError):
        raise first
    whole = [plan for plan in waiting if plan.collected.id not in failed]
    return record(list(dict.fromkeys(r for p in whole for r in asked[p.collected.id]))), failed


def _kept(
    log: RunLog | None, others: Sequence[Planned], corpus: Corpus, shape: ModelShape, settings: Settings
) -> tuple[Kept, ...]:
    """What earlier runs left of claims that this one could weigh and does not."""
    keys = [level_key(plan, corpus, shape, settings) for plan in others if plan.outcome is None]
    if log is None or not keys:
        return ()
    found = log.levels(keys)
    return tuple(found[key] for key in keys if key in found)


def _further(
    waiting: Sequence[Planned], recording: Recording, settings: Settings
) -> tuple[dict[str, tuple[Request, ...]], dict[str, Planned]]:
    """What each claim asks for once it sees the first recording, and the claims that cannot be weighed on it."""
    found: dict[str, tuple[Request, ...]] = {}
    failed: dict[str, Planned] = {}
    ordered = recording.by_id()
    with one_thread():
        for plan in waiting:
            claim, name = plan.collected.claim, plan.collected.id
            if claim is None or type(claim).further is Hypothesis.further:
                continue
            try:
                found[name] = asking.further(claim, ordered, settings.weighing)
            except ClaimError as fault:  # one claim's fault; its neighbours go on
                failed[name] = replace(plan, outcome=Outcome.ERROR, message=asking.text_of(fault))
    return found, failed


Result = tuple[Weighed, tuple[Exhibit, ...]] | ClaimError


def _weigh_all(
    waiting: Sequence[Planned],
    recording: Recording,
    settings: Settings,
    deciding: Deciding,
    cwd: Path,
    progress: Progress,
) -> Iterator[tuple[Planned, Result]]:
    total = len(waiting)
    if settings.workers == 1 or total == 1:
        for done, plan in enumerate(waiting):
            if progress.weighing:
                progress.weighing(done, total, plan.collected.id)
            try:
                if plan.collected.claim is None:
                    raise ClaimError(plan.message)
                weighing = replace(settings.weighing, claims=deciding.claims)
                result: Result = weigh(plan.collected.claim, recording, weighing, deciding)
            except ClaimError as fault:  # one claim's fault; its neighbours are weighed
                result = fault
            yield plan, result
    else:
        found = _in_workers(waiting, min(settings.workers, total), recording, settings, deciding, cwd)
        for done, (plan, result) in enumerate(found):
            if progress.weighing:
                progress.weighing(done, total, plan.collected.id)
            yield plan, result
    if progress.weighing:
        progress.weighing(total, total, "")


def _in_workers(
    waiting: Sequence[Planned],
    count: int,
    recording: Recording,
    settings: Settings,
    deciding: Deciding,
    cwd: Path,
) -> Iterator[tuple[Planned, Result]]:
    """Claims weighed in so many processes, as they are done. What ends its process, and that of its neighbours with it, is
    found by weighing those again that had no answer, each in a process of its own."""
    lost: list[Planned] = []
    with workers.pool(count) as pool:
        jobs = {
            pool.submit(
                _weigh_in_worker,
                plan.collected.path,
                plan.collected.name,
                plan.collected.claim.digest() if plan.collected.claim is not None else "",
                cwd,
                recording,
                replace(settings.weighing, claims=deciding.claims),
                deciding,
            ): plan
            for plan in waiting
        }
        adjust(np.ones(2), settings.correction)  # imports what it needs while the workers are busy
        for job in as_completed(jobs):
            try:
                result = job.result()
            except BrokenProcessPool:
                lost.append(jobs[job])
                continue
            except Exception as fault:  # what cannot be handed from one process to another
                result = ClaimCodeError(_of_claim(jobs[job], fault, "handing over what was weighed"))
            yield jobs[job], result
    for plan in lost if len(waiting) > 1 else ():
        _, result = next(_in_workers([plan], 1, recording, settings, deciding, cwd))
        yield plan, result
    if lost and len(waiting) == 1:
        yield (
            lost[0],
            ClaimCodeError(
                "The process that weighed it ended without an answer: it ran out of memory, or was ended from within."
            ),
        )


def summary(one: Collected, verdict: Verdict, w: Weighed | None) -> dict[str, Any]:
    """The claim's object in run.json."""
    claim = one.claim
    declared = claim.declared() if claim else {}
    body: dict[str, Any] = {
        "id": one.id,
        "family": claim.family() if claim else None,
        "claim": claim.sentence() if claim else one.id,
        "expect": declared["expect"] if declared.get("expect") in EXPECTATIONS else None,
        "outcome": verdict.outcome.word,
        "as_expected": verdict.as_expected,
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "message": verdict.message,
        "warnings": list(verdict.warnings),
        "constants": declared,
    }
    names = [
        "effect",
        "effect_name",
        "effect_low",
        "effect_high",
        "interval",
        "smallest_effect",
        "p",
        "p_cell",
        "carrying",
        "p_plus",
        "p_minus",
        "draws",
        "resamples",
        "checkpoint",
        "exact",
        "smallest_attainable_p",
        "statistic",
        "action",
        "holds",
        "n_texts",
        "n_units",
        "unit",
        "n_cells",
        "splits",
        "intersection",
        "best",
        "best_words",
        "controls",
        "secondary",
        "degenerate",
        "location",
        "texts_to_refute",
        "texts_to_support",
        "draws_to_refute",
        "draws_to_support",
        "note",
    ]
    for name in names:
        body[name] = (
            getattr(w, name) if w is not None else ([] if name in ("controls", "secondary", "degenerate") else None)
        )
    body["p_plus_adjusted"], body["p_minus_adjusted"] = verdict.p_plus_adjusted, verdict.p_minus_adjusted
    return body


def _cell_rows(one: Collected, w: Weighed | None, shape: ModelShape) -> list[dict[str, Any]]:
    return [] if w is None else [{"claim": one.id, "model": shape.name, **row} for row in w.cells]


def facts(
    corpus: Corpus,
    shape: ModelShape,
    settings: Settings,
    records: Sequence[ClaimRecord],
    overlap: float,
    command: str,
    passes: int,
    started: float,
    cwd: Path,
    before: int = 0,
    ablation_passes: int = 0,
    *,
    together: ClaimSet,
    reruns: int = 0,
) -> dict[str, Any]:
    """run.json without its claims. What differs between two runs of the same thing stands under `made` alone."""
    outcomes = [r.summary["outcome"] for r in records]
    return {
        "made": {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "host": platform.node(),
            "wall_seconds": round(time.time() - started, 2),
            "commit": _commit(cwd),
            "passes": passes,
            "ablation_passes": ablation_passes,
            "workers": settings.workers,
            "batch_size": settings.batch_size,
        },
        "versions": versions(),
        "numerics": numerics.versions(),
        "model": _facts_of(shape),
        "models": [_facts_of(other) for other in shape.models],
        "corpus": {
            "name": corpus.name,
            "sha256": corpus.digest,
            "texts": len(corpus),
            "columns": list(corpus.columns),
            "counts": {
                c: {v: corpus.values(c).count(v) for v in sorted(set(corpus.values(c)))}
                for c in corpus.columns
                if len(set(corpus.values(c))) <= 50
            },
            "blocks": len(set(corpus.blocks() or ())) or None,
            "note": corpus.note,
            "facts": dict(corpus.facts),
            "largest_overlap": overlap,
        },
        "settings": {
            k: v
            for k, v in settings.as_dict().items()
            if k not in ("workers", "batch_size", "out", "no_cache", "offline", "strict")
        },
        "command": command,
        "locked": "exploratory",
        "tests": {
            "claims": len(records),
            "weighed": sum(o not in ("error", "skipped") for o in outcomes),
            "skipped": outcomes.count("skipped"),
            "errors": outcomes.count("error"),
            "corrected_over": together.size,
            "from_earlier_runs": len(together.kept),
            "cells": sum(r.summary["n_cells"] or 0 for r in records),
            "degenerate": sum(len(r.summary["degenerate"]) for r in records),
            "weighed_before": before,
            "other_settings_before": reruns,
        },
    }


def _facts_of(shape: ModelShape) -> dict[str, Any]:
    """What run.json says of one model."""
    return {
        "name": shape.name,
        "layers": shape.layers,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "width": shape.width,
        "head_width": shape.head_width,
        "mlp_width": shape.mlp_width,
        "context": shape.context,
        "causal": shape.causal,
        "parameters": shape.parameters,
        **dict(shape.provenance),
    }


def _noted(plan: Planned, shape: ModelShape) -> str:
    """Hash of a claim as the log knows it: one that reads further models is another claim beside other ones."""
    assert plan.collected.claim is not None
    digest = plan.collected.claim.digest()
    if plan.outcome is Outcome.ERROR or plan.collected.claim.models() == 1:
        return digest
    return hashlib.sha256("\n".join([digest, *map(_network, shape.models)]).encode()).hexdigest()


def _network(shape: ModelShape) -> str:
    """SHA-256 of what a network is: its name and all that is known of where it came from."""
    return hashlib.sha256("\n".join([shape.name, *_provenance(shape)]).encode()).hexdigest()


def _provenance(shape: ModelShape) -> list[str]:
    return sorted(f"{k}={v}" for k, v in shape.provenance.items())


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("modclaims", "torch", "transformers", "numpy", "scipy", "scikit-learn", "statsmodels", "pingouin"):
        try:
            found[name] = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            if name == "modclaims":
                found[name] = str(sys.modules["modclaims"].__version__)
    return found


def _commit(cwd: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=cwd, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
