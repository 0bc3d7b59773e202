"""Rates: how often each event happened over many data sets, with its interval, against what was promised of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, as_completed, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from modclaims import __version__, numerics
from modclaims import workers as processes
from modclaims.calibration import grid, own_families
from modclaims.entries import JsonFields, JsonObject
from modclaims.errors import RunFolderError
from modclaims.families.common.units import ENOUGH
from modclaims.planting import shuffled
from modclaims.planting.scenarios import ALPHAS, BESIDE, PART, PERMUTATIONS, POWER_P, RESAMPLES, Scenario
from modclaims.recording import Recording
from modclaims.runs.weighing import one_thread
from modclaims.stats.chance.multiplicity import clopper_pearson
from modclaims.stats.streams import stream

CHUNK = 25
"""Data sets a line of progress.jsonl."""
BRIEF, FULL = 150, 2000
"""Data sets a scenario: by default, and for the rates that are committed."""
MOST, MOST_AT = 0.08, 0.05
"""What a bound's error rate may reach, and at which alpha."""
LEAST_POWER = 0.8
CERTAIN = 0.001
"""A promise is broken where even the one-sided limit at this level lies beyond it."""
HOLDS, BROKEN, WARNING, SHOWN = "holds", "broken", "warning", "no promise"
PROGRESS, COUNTS = "progress.jsonl", "counts.jsonl"


@dataclass(frozen=True)
class Rate:
    """How often one event of one scenario happened at one alpha."""

    scenario: Scenario
    name: str
    """Which event: a key of `scenarios.PART`, or one of power."""
    alpha: float
    hits: int
    trials: int
    """Data sets, times cells where each cell is counted."""
    sets: int
    """Data sets."""
    effect: float = float("nan")
    """Mean over data sets, and over the cells of each, of the effect that was estimated."""

    @property
    def estimate(self) -> float:
        """The rate."""
        return self.hits / self.trials

    def limit(self, level: float, *, upper: bool) -> float:
        """One-sided Clopper-Pearson limit at `level`.

        Cells of one data set are not independent: their mean counts as one trial, which is on the safe side.
        """
        return clopper_pearson(self.estimate * self.sets, self.sets, 1 - 2 * level)[upper]

    @property
    def interval(self) -> tuple[float, float]:
        """Two-sided 95 % limits."""
        return self.limit(0.025, upper=False), self.limit(0.025, upper=True)

    @property
    def part(self) -> str:
        """`i`, `ii`, `iii` or `power`."""
        return PART.get(self.name, "power")

    @property
    def bound(self) -> float | None:
        """What the rate is held against, promised here or not; None where there is nothing."""
        if self.part == "i":
            return self.alpha
        if self.alpha != MOST_AT:
            return None
        if self.part in ("ii", "iii"):
            return MOST
        return LEAST_POWER if self.name == POWER_P or self.scenario.truth == BESIDE else None

    @property
    def promised(self) -> bool:
        """Whether the bound is a promise here."""
        if self.bound is None or not grid.family(self.scenario).promises(self.scenario, self.name):
            return False
        return self.part in ("i", "power") or self.scenario.texts.smallest >= ENOUGH

    @property
    def standing(self) -> str:
        """`holds`, `broken`, `warning` (too few texts for a promise, and above what it would be) or `no promise`.

        (i) is broken where the one-sided 99.9 % lower limit exceeds alpha. A bound's error rate, and power, are held
        to their figure itself from 2,000 data sets on; with fewer, to the figure within the same limit.
        """
        if self.bound is None:
            return SHOWN
        exact = self.sets >= FULL and self.part != "i"
        if self.part == "power":
            missed = (self.estimate if exact else self.limit(CERTAIN, upper=True)) < self.bound
        else:
            missed = (self.estimate if exact else self.limit(CERTAIN, upper=False)) > self.bound
        if self.promised:
            return BROKEN if missed else HOLDS
        return WARNING if missed and self.part in ("ii", "iii") else SHOWN


@dataclass(frozen=True)
class CalibrationRates:
    """All rates of a calibration, in the order of its scenarios."""

    rates: tuple[Rate, ...]
    sets: int
    seed: int
    seconds: float
    """Processor time of all data sets together, in seconds, resumed parts included."""
    kept: tuple[str, ...] = ()
    """Families whose rates are those of an earlier calibration."""

    def of(self, standing: str) -> tuple[Rate, ...]:
        """Rates of one standing."""
        return tuple(rate for rate in self.rates if rate.standing == standing)


def counted(scenario: Scenario, strengths: tuple[float, ...], seed: int, first: int, count: int) -> JsonObject:
    """One line of progress.jsonl: events of data sets `first` ... `first + count - 1`, each keyed by its own number."""
    hits: dict[str, dict[str, int]] = {}
    trials: dict[str, int] = {}
    effect = 0.0
    started = time.process_time()
    with one_thread():
        for number in range(first, first + count):
            rng = stream(seed, scenario.name, str(number))
            claim, evidence = grid.weighed(scenario, rng, strengths)
            effect += float(np.mean(evidence.bounds.effect))
            for name, levels in grid.levels_of(scenario, claim, evidence).items():
                trials[name] = trials.get(name, 0) + len(levels)
                row = hits.setdefault(name, {f"{alpha:g}": 0 for alpha in ALPHAS})
                for alpha in ALPHAS:
                    row[f"{alpha:g}"] += int((levels <= alpha + 1e-12).sum())
    return {
        "scenario": scenario.name,
        "first": first,
        "sets": count,
        "hits": hits,
        "trials": trials,
        "effect": round(effect, 9),
        "seconds": round(time.process_time() - started, 3),
        **_code(scenario.family),
    }


def _code(family: str) -> dict[str, str]:
    """Under which code a family of one's own was counted; nothing of shipped ones, whose arithmetic has a version."""
    own = grid.OWN.get(family)
    return {} if own is None else {"code": own.code}


Chunk = tuple[str, int, int]


class _Progress:
    """progress.jsonl: what was counted so far, appended chunk by chunk, so that a kill loses the chunks in hand; and counts.jsonl:
    the same added up, a line per scenario, which is small enough to be kept under version control and goes on as well."""

    def __init__(self, folder: Path | None, seed: int) -> None:
        """Open the file, or begin it. Raises `RunFolderError` where other settings are in the way."""
        self.lines: dict[Chunk, JsonObject] = {}
        self.sums: dict[str, JsonObject] = {}
        self.path = None if folder is None else folder / PROGRESS
        if folder is None or self.path is None:
            return
        if folder.exists() and not folder.is_dir():
            raise RunFolderError(f"{folder} is a file; give --out a folder.")
        folder.mkdir(parents=True, exist_ok=True)
        head = {
            "modclaims": __version__,
            "extractor": numerics.EXTRACTOR,
            "statistics": numerics.STATISTICS,
            "seed": seed,
            "permutations": PERMUTATIONS,
            "resamples": RESAMPLES,
        }
        self.head = head
        self.sums = self._added_up(folder / COUNTS)
        if not self.path.exists() or not self.path.read_bytes().strip():
            self.path.write_text(json.dumps(head) + "\n", "utf-8")
            return
        whole, _, rest = self.path.read_bytes().rpartition(b"\n")
        if rest:  # a line that was being written when the process was killed
            self.path.write_bytes(whole + b"\n" if whole else b"")
        try:
            found, *lines = [json.loads(line) for line in whole.decode("utf-8").splitlines()]
            lines = [line for line in lines if grid.current(line)]
            self.lines = {(str(line["scenario"]), int(line["first"]), int(line["sets"])): line for line in lines}
        except (ValueError, KeyError, TypeError):
            raise RunFolderError(f"{self.path} is damaged; remove it or give another --out.") from None
        if found != head:
            raise RunFolderError(
                f"{self.path} was begun with other settings ({json.dumps(found)}, now {json.dumps(head)}); remove it or "
                "give another --out."
            )

    def _added_up(self, path: Path) -> dict[str, JsonObject]:
        """Sums that this arithmetic left; none where there is no file, or one of other arithmetic, or one that is damaged."""
        try:
            found, *lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
            return {str(line["scenario"]): line for line in lines if grid.current(line)} if found == self.head else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def at_least(self, scenario: str, sets: int) -> int:
        """So many data sets, or as many as were counted of a scenario already: what was counted stands."""
        summed = self.sums.get(scenario)
        return sets if summed is None or summed["sets"] % CHUNK else max(sets, int(summed["sets"]))

    def of(self, scenario: str, sets: int) -> list[JsonObject]:
        """The lines that make up so many data sets of a scenario, as far as they were counted."""
        summed = self.sums.get(scenario)
        start = 0 if summed is None or summed["sets"] > sets or summed["sets"] % CHUNK else int(summed["sets"])
        chunks = ((scenario, first, count) for first, count in _chunks(sets) if first >= start)
        found = [self.lines[chunk] for chunk in chunks if chunk in self.lines]
        return found if summed is None or not start else [summed, *found]

    def add_up(self) -> None:
        """Write counts.jsonl: of every scenario the chunks from the first on, as far as none is missing."""
        if self.path is None:
            return
        names = dict.fromkeys([*self.sums, *(name for name, _, _ in self.lines)])
        sums = []
        for name in names:
            lines = [self.sums[name]] if name in self.sums else []
            while (after := (name, sum(line["sets"] for line in lines), CHUNK)) in self.lines:
                lines.append(self.lines[after])
            if lines:
                sums.append(_added(lines))
        text = "".join(json.dumps(line) + "\n" for line in (self.head, *sums))
        (self.path.parent / COUNTS).write_text(text, "utf-8")

    def keep(self, line: JsonObject) -> None:
        """Remember one chunk, on disk too."""
        self.lines[line["scenario"], line["first"], line["sets"]] = line
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")


def _added(lines: Sequence[JsonFields]) -> JsonObject:
    """Lines of one scenario as one."""
    names = lines[0]["hits"]
    return {
        "scenario": lines[0]["scenario"],
        "first": 0,
        "sets": sum(line["sets"] for line in lines),
        "hits": {n: {a: sum(line["hits"][n][a] for line in lines) for a in names[n]} for n in names},
        "trials": {n: sum(line["trials"][n] for line in lines) for n in names},
        "effect": round(sum(line["effect"] for line in lines), 9),
        "seconds": round(sum(line["seconds"] for line in lines), 3),
        **({"code": lines[0]["code"]} if "code" in lines[0] else {}),
    }


def _chunks(sets: int) -> Iterator[tuple[int, int]]:
    for first in range(0, sets, CHUNK):
        yield first, min(CHUNK, sets - first)


def measure(
    scenarios: Sequence[Scenario],
    *,
    sets: int,
    seed: int,
    out: Path | None,
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
    recording: Recording | None = None,
) -> CalibrationRates:
    """Count every scenario's events over `sets` data sets at least (`grid.FEWER` of families that are costly), going on where
    an earlier call with this folder stopped.

    Counts depend on seed, scenario and number of data sets alone: neither on workers nor on interruptions, nor on
    which other scenarios are measured. `progress(data sets done, in all, scenario)`. `recording` is the embedded model's,
    where scenarios exchange its labels (`grid.requests`). Raises `RunFolderError` where
    the folder holds progress of another seed or version (of the arithmetic, too), and `KeyboardInterrupt` after what was counted has been kept.
    """
    kept = _Progress(out, seed)
    wanted = {one.name: min(sets, grid.FEWER) if grid.family(one).costly else sets for one in scenarios}
    counts = {name: kept.at_least(name, number) for name, number in wanted.items()}
    have = {one.name: kept.of(one.name, counts[one.name]) for one in scenarios}
    waiting = {
        (one.name, *chunk): one
        for one in scenarios
        for chunk in _chunks(counts[one.name])
        if not any(line["first"] <= chunk[0] < line["first"] + line["sets"] for line in have[one.name])
    }
    total = sum(counts.values())
    done = total - sum(count for _, _, count in waiting)
    if progress:
        progress(done, total, "")
    try:
        for line in _counted(waiting, seed, workers, recording):
            kept.keep(line)
            done += line["sets"]
            if progress:
                progress(done, total, line["scenario"])
    finally:
        kept.add_up()
    mine = {one.name: kept.of(one.name, counts[one.name]) for one in scenarios}
    return CalibrationRates(
        tuple(rate for one in scenarios for rate in _rates(one, mine[one.name], counts[one.name])),
        sets,
        seed,
        sum(float(line["seconds"]) for lines in mine.values() for line in lines),
    )


def _counted(
    waiting: Mapping[Chunk, Scenario], seed: int, workers: int, recording: Recording | None
) -> Iterator[JsonObject]:
    workers = min(workers, len(waiting))
    shuffled.share(recording)
    if workers <= 1:
        for (_, first, count), one in waiting.items():
            yield counted(one, grid.strengths_of(one), seed, first, count)
        return
    own = tuple((one.node, one.cwd) for one in grid.OWN.values())
    with processes.pool(workers, partial(own_families.prepare, recording, own)) as pool:
        try:
            jobs: set[Future[JsonObject]] = set()
            last = None
            for (_, first, count), one in waiting.items():
                jobs.add(pool.submit(counted, one, grid.strengths_of(one), seed, first, count))
                if one is not last:  # what is planted took its time; nothing that was counted meanwhile may be lost
                    ended, jobs = wait(jobs, timeout=0)
                    yield from (job.result() for job in ended)
                last = one
            for job in as_completed(jobs):
                yield job.result()
        finally:  # interrupted or failed: what has not begun is not begun
            pool.shutdown(wait=True, cancel_futures=True)


def _rates(scenario: Scenario, lines: Sequence[JsonFields], sets: int) -> Iterator[Rate]:
    effect = sum(line["effect"] for line in lines) / sets
    for name in lines[0]["hits"]:
        for alpha in ALPHAS:
            hits = sum(line["hits"][name][f"{alpha:g}"] for line in lines)
            yield Rate(scenario, name, alpha, hits, sum(line["trials"][name] for line in lines), sets, effect)
