"""TestSettings the claims of a run, here or in processes of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from modclaims import asking, workers
from modclaims.errors import ClaimCodeError, ClaimError, UsageError
from modclaims.hypothesis import Hypothesis
from modclaims.look import CHECKPOINTS, TestSettings
from modclaims.recording import Recording
from modclaims.runs.collect import collect_file
from modclaims.runs.planned import Planned, fault_of
from modclaims.runs.progress import Progress
from modclaims.runs.run_folder import dump_json
from modclaims.runs.settings import Settings
from modclaims.stats.checkpoints import Deciding, fits
from modclaims.stats.evidence import Evidence, Exhibit
from modclaims.summaries import TestSummary, summarise


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold BLAS to one thread, so that statistics are bitwise the same whatever the number of cores or workers."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def weigh(
    claim: Hypothesis, recording: Recording, weighing: TestSettings, deciding: Deciding | None = None
) -> tuple[TestSummary, tuple[Exhibit, ...]]:
    """One claim's evidence, summarised, and its figures. Raises `ClaimError` for whatever goes wrong on the way.

    Where the Monte Carlo error of a level leaves open whether it would be `deciding`, the claim is weighed anew at the
    next checkpoint, if so many draws can be kept; None for one checkpoint. Claims about weights alone draw what they declare.
    """

    def read(evidence: Evidence) -> TestSummary:
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


def _refuse_unwritable(found: TestSummary, exhibits: Sequence[Exhibit]) -> None:
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


_TEXTS = tuple(one.name for one in fields(TestSummary) if one.type == "str")
"""What of a weighed claim is told in words."""


def _weigh_in_worker(
    path: Path, name: str, digest: str, cwd: Path, recording: Recording, weighing: TestSettings, deciding: Deciding
) -> tuple[TestSummary, tuple[Exhibit, ...]] | ClaimError:
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


Result = tuple[TestSummary, tuple[Exhibit, ...]] | ClaimError


def weigh_all(
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
        for job in as_completed(jobs):
            try:
                result = job.result()
            except BrokenProcessPool:
                lost.append(jobs[job])
                continue
            except Exception as fault:  # what cannot be handed from one process to another
                result = ClaimCodeError(fault_of(jobs[job], fault, "handing over what was weighed"))
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
