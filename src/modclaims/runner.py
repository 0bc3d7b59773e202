"""Judge: record once what all claims need, weigh each, and read the outcomes. Knows a Recorder, never torch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from modclaims import asking
from modclaims.claim_set import ClaimSet
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError, InputError
from modclaims.hypothesis import Hypothesis
from modclaims.outcome import Outcome
from modclaims.recording import ModelShape, Positions, Recorder, Recording, Request
from modclaims.runs.collect import Collected
from modclaims.runs.digests import run_digest
from modclaims.runs.facts import ClaimCounts, CorpusFacts, Spent, facts_of
from modclaims.runs.history import History
from modclaims.runs.planned import (
    Planned,
    context,
    corrected_together,
    fault_of,
    plan_of,
    prepare,
    readable,
    refuse_near_duplicates,
)
from modclaims.runs.progress import Progress
from modclaims.runs.run_folder import ClaimRecord, Run, RunFolder
from modclaims.runs.run_json import cell_rows, summary
from modclaims.runs.run_log import RunLog
from modclaims.runs.settings import Settings
from modclaims.runs.weighing import one_thread, weigh_all
from modclaims.stats.checkpoints import Deciding
from modclaims.stats.evidence import Exhibit
from modclaims.summaries import TestSummary
from modclaims.verdict import Verdict, judge

Render = Callable[[Run], Mapping[str, bytes]]


@dataclass(frozen=True)
class Finished:
    """A run that ended, and where it lies."""

    run: Run
    folder: Path | None
    verdicts: Mapping[str, Verdict]
    weighed: Mapping[str, TestSummary] = field(default_factory=dict)


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
    progress, started, shape = progress or Progress(), time.time(), recorder.shape
    before = context(corpus, shape, settings)
    planned = [readable(plan, corpus, recorder, settings) for plan in prepare(collected, before)]
    others = [readable(plan_of(one, before), corpus, recorder, settings) for one in unselected]
    recorder.check(corpus, settings.tokens, Positions(settings.positions))
    read = CorpusFacts.of(corpus, refuse_near_duplicates(corpus))
    digest = run_digest(collected, corpus, shape, settings, unselected)
    history = History.of(log, [*planned, *others], corpus, shape, settings)
    together = ClaimSet(corrected_together([*planned, *others]), history.kept(others))
    folder = None if out is None else RunFolder(out, digest)

    claims = _Claims.of(planned, folder)
    if claims.waiting:
        claims.record_waiting(corpus, recorder, settings, progress)
        deciding = Deciding.of(settings.alpha, together.size, settings.correction)
        claims.weigh_waiting(settings, deciding, cwd, progress)

    weighed = claims.weighed_in_order()
    verdicts = judge(weighed, alpha=settings.alpha, correction=settings.correction, together=together)
    verdicts |= {n: Verdict(p.outcome or Outcome.ERROR, None, message=p.message) for n, p in claims.faults.items()}
    records = [claims.record_of(plan.collected, verdicts[plan.collected.id], shape) for plan in planned]
    told = facts_of(
        read,
        shape,
        settings,
        tests=ClaimCounts.of([one.summary for one in records], together, history.before()),
        spent=Spent(started, claims.passes, claims.ablation_passes),
        command=command,
        cwd=cwd,
    )
    run = Run(told, tuple(records))
    if folder is not None:
        folder.finish(run, render(run) if render is not None else {})
    history.note(weighed, verdicts)
    return Finished(run, out, {p.collected.id: verdicts[p.collected.id] for p in planned}, claims.weighed)


@dataclass
class _Claims:
    """How far each claim of a run has come, by its id."""

    planned: Sequence[Planned]
    folder: RunFolder | None
    weighed: dict[str, TestSummary] = field(default_factory=dict)
    exhibits: dict[str, tuple[Exhibit, ...]] = field(default_factory=dict)
    faults: dict[str, Planned] = field(default_factory=dict)
    """What cannot be weighed, with the reason."""
    recording: Recording | None = None
    passes: int = 0
    ablation_passes: int = 0

    @classmethod
    def of(cls, planned: Sequence[Planned], folder: RunFolder | None) -> _Claims:
        """With what an interrupted run left in the folder."""
        claims = cls(planned, folder, faults={p.collected.id: p for p in planned if p.outcome is not None})
        for name in [p.collected.id for p in planned if p.outcome is None]:
            if folder is not None and folder.has(name):
                state, claims.exhibits[name] = folder.read_claim(name)
                claims.weighed[name] = TestSummary.from_dict(state)
        return claims

    @property
    def waiting(self) -> list[Planned]:
        """What is still to be weighed."""
        return [p for p in self.planned if p.collected.id not in self.weighed and p.collected.id not in self.faults]

    def weighed_in_order(self) -> dict[str, TestSummary]:
        """What was weighed, in the order of the claims."""
        return {p.collected.id: self.weighed[p.collected.id] for p in self.planned if p.collected.id in self.weighed}

    def record_waiting(self, corpus: Corpus, recorder: Recorder, settings: Settings, progress: Progress) -> None:
        """Record what waits, and what answers call for."""
        positions = Positions(settings.positions)

        def record(asked: Sequence[Request]) -> Recording:
            return recorder.record(
                corpus, asked, tokens=settings.tokens, positions=positions, progress=progress.recording
            )

        asked = {plan.collected.id: plan.requests for plan in self.waiting}
        recording = self._union(asked, record)
        further, lost = _further(self.waiting, recording, settings)
        self.faults |= lost
        if any(further.values()):
            recording = self._union({name: (*mine, *further.get(name, ())) for name, mine in asked.items()}, record)
        self.recording = recording

    def _union(
        self, asked: Mapping[str, Sequence[Request]], record: Callable[[Sequence[Request]], Recording]
    ) -> Recording:
        recording, failed = _record(self.waiting, asked, record)
        self.faults |= failed
        self.passes += recording.passes
        self.ablation_passes += recording.ablation_passes
        return recording

    def weigh_waiting(self, settings: Settings, deciding: Deciding, cwd: Path, progress: Progress) -> None:
        """Weigh what waits on the recording, and keep each claim in the folder as soon as it is done."""
        assert self.recording is not None  # recorded before
        for plan, result in weigh_all(self.waiting, self.recording, settings, deciding, cwd, progress):
            name = plan.collected.id
            if isinstance(result, ClaimError):
                self.faults[name] = replace(plan, outcome=Outcome.ERROR, message=asking.text_of(result))
                continue
            self.weighed[name], self.exhibits[name] = result
            if self.folder is not None:
                self.folder.write_claim(name, self.weighed[name].as_dict(), self.exhibits[name])
                # as it will be read back, so that a resumed run is the same to the byte
                self.weighed[name] = TestSummary.from_dict(self.folder.read_claim(name)[0])

    def record_of(self, one: Collected, verdict: Verdict, shape: ModelShape) -> ClaimRecord:
        """What the run keeps of a claim."""
        weighed = self.weighed.get(one.id)
        return ClaimRecord(
            summary(one, verdict, weighed), cell_rows(one, shape.name, weighed), self.exhibits.get(one.id, ())
        )


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
            failed[plan.collected.id] = replace(plan, outcome=Outcome.ERROR, message=fault_of(plan, fault))
    if len(failed) == len(waiting) and isinstance(first, InputError):
        raise first
    whole = [plan for plan in waiting if plan.collected.id not in failed]
    return record(list(dict.fromkeys(r for p in whole for r in asked[p.collected.id]))), failed


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
