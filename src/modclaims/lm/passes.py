"""The passes and Jacobians of one recording: network by network, batch by batch and block by block, each soon in the store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modclaims.errors import ModelError
from modclaims.lm.block_spectra import BlockSpectra, OwnInputs, Task, is_drawn, tasks_of
from modclaims.lm.effort import LONG, REMEDY, seconds, told_seconds
from modclaims.lm.intervene import Replacements
from modclaims.lm.jobs import Job, passes_apart
from modclaims.lm.measures import Batch
from modclaims.lm.network import Network
from modclaims.lm.pace import Pace
from modclaims.lm.trials import tried
from modclaims.lm.variants import Variant
from modclaims.lm.wanted import Wanted
from modclaims.recording import Array, Entry

log = logging.getLogger(__name__)
FEWEST_PROBED = 20
"""Jacobians below which nobody asks how long they take."""
Progress = Callable[[int, int, str], None]


class Passes:
    """Makes what jobs lack, and counts the passes."""

    def __init__(
        self,
        wanted: Wanted,
        inputs: OwnInputs,
        jobs: Sequence[Job],
        batch_size: int,
        dtype: str,
        progress: Progress | None,
    ) -> None:
        self.wanted = wanted
        self.inputs = inputs
        self.batch_size = batch_size
        self.dtype = dtype
        """What networks are run in, for messages."""
        self.progress = progress
        self.tasks = {job.variant: tasks_of(job, wanted.asked, wanted.reading) for job in jobs}
        self.pace = Pace()
        self.total = sum(job.passes for job in jobs)
        """Passes of all jobs; those for values in the place of parts, and those that show what enters blocks, are added as
        they are made."""
        self.for_ablation = 0
        """Of these, passes of networks without some parts, and for such values."""
        self.pace.expect("pass", self.total)
        all_tasks = [task for tasks in self.tasks.values() for task in tasks]
        for task in all_tasks:
            self.pace.expect(_kind(task))
        self._warn_of(all_tasks)

    def _warn_of(self, tasks: Sequence[Task]) -> None:
        """Say before anything is made that Jacobians will take long, and what would take less."""
        requests = [[self.wanted.asked[entry] for entry in task.answers.values()] for task in tasks]
        operations = sum(max(one.operations(self.wanted.reading) for one in some) for some in requests)
        if len(tasks) > FEWEST_PROBED and (needed := seconds(operations)) > LONG:
            log.warning(
                "%s Jacobians of single blocks will take %s. %s", f"{len(tasks):,}", told_seconds(needed), REMEDY
            )

    def make(self, job: Job, network: Callable[[], Network], name: str) -> None:
        """Everything that a job lacks, but for what `make_drawn` makes. `network` loads what it is about, and is asked once."""
        tasks = [] if is_drawn(job.variant) else self.tasks[job.variant]
        if not (job.missing or job.apart or tasks):
            return
        self._tell(name)
        loaded = network()
        self._together(job, loaded, name)
        self._apart(job, loaded, name)
        self._of_blocks(tasks, lambda: loaded, lambda _: name)

    def make_drawn(self, learned: Callable[[], Network], called: Callable[[Variant | None], str]) -> None:
        """The Jacobians of null blocks, of all jobs. `learned` gives the network that they are drawn from, `called` what a
        variant is called."""
        tasks = [task for variant, some in self.tasks.items() if is_drawn(variant) for task in some]
        if tasks:
            loaded = learned()
            tasks.sort(key=lambda task: task.key)  # what enters the blocks of one text serves all
            self._of_blocks(tasks, None, lambda task: called(task.job.variant), lambda: loaded)

    def _of_blocks(
        self,
        tasks: Sequence[Task],
        network: Callable[[], Network] | None,
        called: Callable[[Task], str],
        learned: Callable[[], Network] | None = None,
    ) -> None:
        """Jacobians, block by block."""
        before = self.inputs.passes

        def tell(task: Task, seconds: float) -> None:
            self.pace.took(_kind(task), seconds)
            self._tell(f"{called(task)}, {task.words}")

        spectra = BlockSpectra(self.inputs, learned, tell)
        try:
            for task, arrays in spectra.make(tasks, network):
                self._check_finite({e: value[None] for e, value in arrays.items()}, [task.key], called(task))
                spectra.keep(task, arrays)
        finally:
            spectra.flush()
        self.total += self.inputs.passes - before

    def _together(self, job: Job, network: Network, name: str) -> None:
        """What one pass for each text serves."""
        for keys in job.batches(self.wanted.texts, self.batch_size):
            started = time.monotonic()
            batch = Batch(network, keys, self.wanted.texts)
            values = batch.measured(job.missing[keys[0]], self.wanted.asked)
            self._check_finite(values, keys, name)
            for row, key in enumerate(keys):
                job.keep(key, {entry: array[row] for entry, array in values.items()})
            self.pace.took("pass", time.monotonic() - started, len(keys))
            self._tell(name)

    def _apart(self, job: Job, network: Network, name: str) -> None:
        """What takes passes of its own."""
        ids = {key: text.ids for key, text in self.wanted.texts.items()}
        replacements = Replacements(network, ids, self.wanted.reading.keys)
        for keys in job.batches_apart(self.wanted.texts, self.batch_size):
            started = time.monotonic()
            for key, values in tried(network, keys, job.apart, self.wanted.asked, replacements).items():
                self._check_finite({entry: value[None] for entry, value in values.items()}, [key], name)
                job.keep(key, values)
            made = sum(passes_apart(job.apart[key], self.wanted.asked) for key in keys)
            self.pace.took("pass", time.monotonic() - started, made)
            self.for_ablation += made
            self._tell(name)
        self.for_ablation += replacements.passes
        self.total += replacements.passes

    def _tell(self, name: str) -> None:
        if self.progress is not None:
            left = self.pace.words
            self.progress(self.pace.done, self.pace.total, f"{name}; {left}" if left else name)

    def _check_finite(self, values: Mapping[Entry, Array], keys: Sequence[str], name: str) -> None:
        for entry, array in values.items():
            # singular values that were only estimated together are not numbers
            wrong = np.isinf(array) if entry.reduce == "values" else ~np.isfinite(array)
            if wrong.any():
                bad = next(self.wanted.names[key] for key, row in zip(keys, wrong, strict=True) if row.any())
                raise ModelError(
                    f"Model {name!r} gives values that are not finite for {entry.site} of layer {entry.layer} in text {bad!r}; "
                    f"it was run in {self.dtype}, try --dtype float32."
                )


def _kind(task: Task) -> str:
    """Jacobians that take about as long as each other."""
    return f"{task.asked.block} {task.asked.tokens} {' '.join(sorted(task.answers))} {is_drawn(task.job.variant)}"
