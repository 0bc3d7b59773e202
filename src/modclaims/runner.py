"""Judge: record once what all claims need, weigh each, and read the outcomes. Knows a Recorder, never torch."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from modclaims import workers
from modclaims.collect import Collected, collect_file
from modclaims.corpus import Corpus, largest_overlap, overlaps, shown
from modclaims.errors import ClaimError, CorpusError, InputError, NothingSelected
from modclaims.hypothesis import CHECKPOINTS, Hypothesis, Weighing
from modclaims.lineup import Lineup, check_beside
from modclaims.recording import Activations, ModelShape, Positions, Recorder, Recording, Request
from modclaims.run_folder import ClaimRecord, Run, RunFolder
from modclaims.run_log import RunLog
from modclaims.settings import Settings
from modclaims.stats.checkpoints import Deciding, fits
from modclaims.stats.evidence import Exhibit
from modclaims.stats.multiplicity import adjust
from modclaims.verdict import Outcome, Verdict, Weighed, judge, summarise

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


def prepare(collected: Sequence[Collected], corpus: Corpus, shape: ModelShape) -> list[Planned]:
    """Check every claim against corpus and model, before any pass. Raises `NothingSelected` for no claim at all."""
    if not collected:
        raise NothingSelected("No claim is selected; see `modclaims list` for what there is.")
    return [_prepare(one, corpus, shape) for one in collected]


def _prepare(one: Collected, corpus: Corpus, shape: ModelShape) -> Planned:
    """One claim's requests. What is wrong with a claim is ERROR; a shipped one that this corpus or model cannot carry is
    SKIPPED, since its user did not write it."""
    if one.claim is None:
        return Planned(one, outcome=Outcome.ERROR, message=one.fault)
    unfit = Outcome.ERROR
    try:
        one.claim.validate()
        if one.is_shipped:
            unfit = Outcome.SKIPPED
            if lacking := [c for c in one.claim.columns() if c not in corpus.columns]:
                has = ", ".join(corpus.columns) or "none"
                raise ClaimError(
                    f"Corpus {corpus.name!r} has no column {', '.join(map(repr, lacking))}; it has: {has}."
                )
        if (fewest := one.claim.models()) > len(shape.models):
            return Planned(
                one,
                outcome=Outcome.SKIPPED,
                message=f"{one.claim.family()} compares at least {fewest} models, and this run reads {shape.name} alone; "
                "give others with --beside MODEL, which may be said several times.",
            )
        one.claim.check(corpus)
        return Planned(one, one.claim.requests(shape))
    except ClaimError as fault:
        return Planned(one, outcome=unfit, message=str(fault))
    except Exception as fault:  # a constant of a kind that nobody foresaw is this claim's fault alone
        return Planned(one, outcome=Outcome.ERROR, message=f"{type(fault).__name__}: {fault}")


def _readable(plan: Planned, corpus: Corpus, recorder: Recorder, settings: Settings) -> Planned:
    """The plan, or ERROR (SKIPPED where shipped) where the claim declares positions at which these texts cannot be read."""
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
    except InputError as fault:
        unfit = Outcome.SKIPPED if plan.collected.is_shipped else Outcome.ERROR
        return replace(plan, outcome=unfit, message=str(fault))
    return plan


def run_digest(collected: Sequence[Collected], corpus: Corpus, shape: ModelShape, settings: Settings) -> str:
    """SHA-256 of resolved settings, claims, corpus and model: two runs with the same one have the same numbers."""
    return settings.digest(
        corpus.digest,
        *_provenance(shape),
        *(f"beside {_network(other)}" for other in shape.models if shape.beside),
        *(f"{one.id}={one.claim.digest() if one.claim is not None else one.fault}" for one in collected),
    )


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
    """Hold BLAS to one thread, so that statistics are bitwise the same whatever the machine or the workers."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield


def weigh(
    claim: Hypothesis, recording: Recording, weighing: Weighing, deciding: Deciding | None = None
) -> tuple[Weighed, tuple[Exhibit, ...]]:
    """One claim's evidence, summarised, and its figures.

    Where the Monte Carlo error of a level leaves open whether it would be `deciding`, the claim is weighed anew at the
    next checkpoint, if so many draws can be kept; None for one checkpoint.
    """
    with one_thread():
        texts, now = recording.by_id(), weighing
        first = evidence = claim.weigh(texts, now)
        found = summarise(claim, evidence, now.alpha)
        while (
            deciding is not None
            and (deciding.left_open_by(found.mc_plus) or deciding.left_open_by(found.mc_minus))
            and now.checkpoint + 1 < len(CHECKPOINTS)
            and fits(first, CHECKPOINTS[now.checkpoint + 1])
        ):
            now = weighing.at(now.checkpoint + 1)
            evidence = claim.weigh(texts, now)
            found = summarise(claim, evidence, now.alpha)
        return replace(found, checkpoint=now.checkpoint), evidence.exhibits


def _weigh_in_worker(
    path: Path, name: str, cwd: Path, recording: Recording, weighing: Weighing, deciding: Deciding
) -> tuple[Weighed, tuple[Exhibit, ...]]:
    (one,) = collect_file(path, cwd, name)
    if one.claim is None:
        raise ClaimError(one.fault)
    return weigh(one.claim, recording, weighing, deciding)


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
) -> Finished:
    """Run claims: check, record the union of their requests once, then what answers call for, weigh, judge, write.

    `out` is the run folder, or None to keep the run in memory. Claims that an interrupted run of the same settings
    left in the folder are not weighed again. A claim that fails is ERROR and its neighbours go on. `log` tells how many
    other claims were weighed on this corpus and model before, and learns of these.
    Raises `InputError` before any pass, and `KeyboardInterrupt` after what was weighed has been kept.
    """
    progress, started = progress or Progress(), time.time()
    shape = recorder.shape
    positions = Positions(settings.positions)
    planned = [_readable(plan, corpus, recorder, settings) for plan in prepare(collected, corpus, shape)]
    recorder.check(corpus, settings.tokens, positions)
    overlap = refuse_near_duplicates(corpus)
    digest = run_digest(collected, corpus, shape, settings)
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
        union = list(dict.fromkeys(r for p in waiting for r in p.requests))
        recording = recorder.record(
            corpus, union, tokens=settings.tokens, positions=positions, progress=progress.recording
        )
        passes, ablation_passes = recording.passes, recording.ablation_passes
        further, failed = _further(waiting, recording, settings)
        faults |= failed
        waiting = [plan for plan in waiting if plan.collected.id not in failed]
        if further:
            union += [r for r in further if r not in set(union)]
            recording = recorder.record(
                corpus, union, tokens=settings.tokens, positions=positions, progress=progress.recording
            )
            passes += recording.passes
            ablation_passes += recording.ablation_passes
        claims = sum(plan.outcome is not Outcome.SKIPPED for plan in planned)
        deciding = Deciding.of(settings.alpha, claims, settings.correction)
        for plan, result in _weigh_all(waiting, recording, settings, deciding, cwd, progress):
            name = plan.collected.id
            if isinstance(result, Exception):
                message = str(result) if isinstance(result, ClaimError) else f"{type(result).__name__}: {result}"
                faults[name] = replace(plan, outcome=Outcome.ERROR, message=message)
                continue
            weighed[name], exhibits[name] = result
            if folder is not None:
                folder.write_claim(name, weighed[name].as_dict(), exhibits[name])
                # as it will be read back, so that a resumed run is the same to the byte
                weighed[name] = Weighed.from_dict(folder.read_claim(name)[0])

    ordered = {p.collected.id: weighed[p.collected.id] for p in planned if p.collected.id in weighed}
    verdicts = judge(ordered, alpha=settings.alpha, correction=settings.correction)
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
    hashes = {p.collected.id: _noted(p, shape) for p in planned if p.collected.claim is not None}
    network = _network(shape)
    before = 0 if log is None else log.others(corpus.digest, network, hashes.values())
    run = Run(
        facts(corpus, shape, settings, records, overlap, command, passes, started, cwd, before, ablation_passes),
        tuple(records),
    )
    if folder is not None:
        folder.finish(run, render(run) if render is not None else {})
    if log is not None:
        log.add(corpus.digest, network, {hashes[name]: verdicts[name].outcome.word for name in ordered})
    return Finished(run, out, {p.collected.id: verdicts[p.collected.id] for p in planned}, weighed)


def _further(
    waiting: Sequence[Planned], recording: Recording, settings: Settings
) -> tuple[list[Request], dict[str, Planned]]:
    """The union of what claims ask for once they see the first recording, and the claims that cannot be weighed on it."""
    found: dict[Request, None] = {}
    failed: dict[str, Planned] = {}
    ordered = recording.by_id()
    with one_thread():
        for plan in waiting:
            claim = plan.collected.claim
            if claim is None or type(claim).further is Hypothesis.further:
                continue
            try:
                found |= dict.fromkeys(claim.further(ordered, settings.weighing))
            except Exception as fault:  # one claim's fault; its neighbours go on
                message = str(fault) if isinstance(fault, ClaimError) else f"{type(fault).__name__}: {fault}"
                failed[plan.collected.id] = replace(plan, outcome=Outcome.ERROR, message=message)
    return list(found), failed


def _weigh_all(
    waiting: Sequence[Planned],
    recording: Recording,
    settings: Settings,
    deciding: Deciding,
    cwd: Path,
    progress: Progress,
) -> Iterator[tuple[Planned, tuple[Weighed, tuple[Exhibit, ...]] | Exception]]:
    total = len(waiting)
    if settings.workers == 1 or total == 1:
        for done, plan in enumerate(waiting):
            if progress.weighing:
                progress.weighing(done, total, plan.collected.id)
            try:
                if plan.collected.claim is None:
                    raise ClaimError(plan.message)
                result: tuple[Weighed, tuple[Exhibit, ...]] | Exception = weigh(
                    plan.collected.claim, recording, settings.weighing, deciding
                )
            except Exception as fault:  # one claim's fault; its neighbours are weighed
                result = fault
            yield plan, result
    else:
        with workers.pool(min(settings.workers, total)) as pool:
            jobs = {
                pool.submit(
                    _weigh_in_worker, p.collected.path, p.collected.name, cwd, recording, settings.weighing, deciding
                ): p
                for p in waiting
            }
            adjust(np.ones(2), settings.correction)  # imports what it needs while the workers are busy
            for done, job in enumerate(as_completed(jobs)):
                if progress.weighing:
                    progress.weighing(done, total, jobs[job].collected.id)
                failed = job.exception()
                yield jobs[job], failed if isinstance(failed, Exception) else job.result()
    if progress.weighing:
        progress.weighing(total, total, "")


def summary(one: Collected, verdict: Verdict, w: Weighed | None) -> dict[str, Any]:
    """The claim's object in run.json."""
    claim = one.claim
    body: dict[str, Any] = {
        "id": one.id,
        "family": claim.family() if claim else None,
        "claim": claim.sentence() if claim else one.id,
        "expect": claim.expect if claim else None,
        "outcome": verdict.outcome.word,
        "as_expected": verdict.as_expected,
        "sentence": verdict.sentence,
        "reason": verdict.reason,
        "message": verdict.message,
        "warnings": list(verdict.warnings),
        "constants": claim.declared() if claim else {},
    }
    names = [
        "effect",
        "effect_name",
        "effect_low",
        "effect_high",
        "interval",
        "smallest_effect",
        "p",
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
            "cells": sum(r.summary["n_cells"] or 0 for r in records),
            "degenerate": sum(len(r.summary["degenerate"]) for r in records),
            "weighed_before": before,
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
    if plan.collected.claim.models() == 1:
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
