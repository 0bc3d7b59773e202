"""The Jacobians of one recording: block by block, side by side, each in the store soon after it was made.

Answers to what several claims ask about one block at one text are worked out together. What enters the blocks is what the
model itself makes; null blocks are drawn one by one, from the model's own matrices, and no null network is made.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from modclaims.lm.block_inputs import BlockInput, block_inputs
from modclaims.lm.jobs import Job
from modclaims.lm.network import Network
from modclaims.lm.scrambling import scrambled_block
from modclaims.lm.spectra import question, spectra
from modclaims.lm.tokens import ReadText
from modclaims.lm.untyped import Untyped
from modclaims.lm.variants import Variant
from modclaims.recording import BLOCKS, DRAWN, Array, Entry, Jacobian, Reading
from modclaims.workers import cores

TEXTS_AT_ONCE = 16
"""Texts, at most, that are gone through layer by layer, so that what their Jacobians share is made once."""
KEPT_BYTES = 2**29
"""Of what enters blocks, kept for later, and so of what Jacobians of one block share, beyond the latest block."""
SECONDS_UNKEPT = 1.0
"""What is made is in the store after so long at most, or once it is made."""


@dataclass(frozen=True)
class Task:
    """What is asked about one block of one network at one text."""

    job: Job
    key: str
    """The text's."""
    layer: int
    asked: Jacobian
    """What all its answers have in common."""
    window: tuple[int, ...]
    """Tokens at which the Jacobian is taken."""
    answers: Mapping[str, Entry]

    @property
    def words(self) -> str:
        """As a progress bar says it."""
        name = "the MLP" if self.asked.block == "mlp" else "attention"
        return f"Jacobian of {name}, layer {self.layer}"


def tasks_of(job: Job, asked: Mapping[Entry, Untyped], reading: Reading) -> list[Task]:
    """What a network's blocks are asked, layer by layer, of as many texts at a time as what enters them is kept of.

    `asked` holds, of entries of blocks, requests for Jacobians.
    """
    keys, found = list(job.of_blocks), list[Task]()
    entering = len(BLOCKS) * 4 * reading.shape.layers * reading.tokens * reading.shape.width
    at_once = min(TEXTS_AT_ONCE, max(1, KEPT_BYTES // entering))
    for start in range(0, len(keys), at_once):
        some = list[Task]()
        for key in keys[start : start + at_once]:
            together: dict[tuple[int, Jacobian, tuple[int, ...]], dict[str, Entry]] = {}
            for entry in sorted(job.of_blocks[key], key=lambda entry: entry.name):
                which = (entry.layer, question(asked[entry]), entry.positions)
                together.setdefault(which, {})[entry.reduce] = entry
            some += [Task(job, key, *which, answers) for which, answers in together.items()]
        found += sorted(some, key=lambda task: (task.layer, task.asked.block, task.window))
    return found


class OwnInputs:
    """What enters the blocks of the model itself, text by text; the latest are kept."""

    def __init__(self, network: Callable[[], Network], texts: Mapping[str, ReadText]) -> None:
        self.network = network
        """Gives the model's own network, as its weights are."""
        self.texts = texts
        """By key."""
        self.passes = 0
        """Made to see them."""
        self._kept: OrderedDict[tuple[str, str, tuple[int, ...]], dict[int, BlockInput]] = OrderedDict()

    def has(self, task: Task) -> bool:
        """Whether no pass is needed for a task."""
        return self._place(task) in self._kept

    def _place(self, task: Task) -> tuple[str, str, tuple[int, ...]]:
        return task.key, task.asked.block, task.window

    def of(self, task: Task) -> BlockInput:
        """What enters the block that a task is about."""
        place = self._place(task)
        if place not in self._kept:
            network, (first, *_, last) = self.network(), (*task.window, task.window[-1])
            ids = self.texts[task.key].ids[: last + 1]
            found = block_inputs(network, ids, range(network.shape.layers), task.asked.block, held=first)
            self.passes += 1
            self._kept[place] = found
            while len(self._kept) > 1 and sum(map(_bytes, self._kept.values())) > KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return self._kept[place][task.layer]


def _bytes(inputs: Mapping[int, BlockInput]) -> int:
    return sum(one.stream.nbytes for one in inputs.values())


def _bytes_shared(by_token: Mapping[int, torch.Tensor]) -> int:
    return sum(one.nbytes for one in list(by_token.values()))  # which workers may be adding to


class BlockSpectra:
    """Works tasks off, side by side."""

    def __init__(
        self, inputs: OwnInputs, learned: Callable[[], Network] | None, tell: Callable[[Task, float], None]
    ) -> None:
        self.inputs = inputs
        self.learned = learned
        """Gives the network whose matrices null blocks are drawn from, where any are."""
        self.tell = tell
        """Hears of each task that is done, and the seconds that it took."""
        self._shared: OrderedDict[object, dict[int, torch.Tensor]] = OrderedDict()
        self._unkept: dict[tuple[int, str], tuple[Job, dict[Entry, Array]]] = {}
        self._last = time.monotonic()

    def make(
        self, tasks: Iterable[Task], network: Callable[[], Network] | None
    ) -> Iterator[tuple[Task, dict[Entry, Array]]]:
        """Tasks of one network with what answers them, as they are done. `network` gives it; None where its blocks are drawn.

        What is made must be given to `keep`.
        """
        with _one_thread_each(cores()) as pool:
            running: dict[Future[tuple[dict[str, Array], float]], Task] = {}
            try:
                for task in tasks:
                    # a pass hangs hooks on the modules that workers copy, so it waits until they are done
                    while len(running) > (cores() if self.inputs.has(task) else 0):
                        yield from self._done(running)
                    shared = self._kept_for(task)
                    running[pool.submit(self._work, task, self.inputs.of(task), network, shared)] = task
                while running:
                    yield from self._done(running)
            finally:
                for future in running:
                    future.cancel()

    def _done(
        self, running: dict[Future[tuple[dict[str, Array], float]], Task]
    ) -> Iterator[tuple[Task, dict[Entry, Array]]]:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            found, seconds = future.result()
            yield task, {entry: found[answer] for answer, entry in task.answers.items()}
            self.tell(task, seconds)

    def _work(
        self,
        task: Task,
        inputs: BlockInput,
        network: Callable[[], Network] | None,
        shared: dict[int, torch.Tensor],
    ) -> tuple[dict[str, Array], float]:
        started = time.monotonic()
        variant = task.job.variant
        if network is None:
            assert variant is not None
            assert self.learned is not None
            own = scrambled_block(self.learned(), variant, task.layer, task.asked.block)
        else:
            own = network()
        found = spectra(own, task.asked, inputs, task.answers, shared)
        return found, time.monotonic() - started

    def _kept_for(self, task: Task) -> dict[int, torch.Tensor]:
        """What tasks about the same block share; of the latest blocks alone."""
        place = (task.job.variant, task.layer, task.asked)
        found = self._shared.setdefault(place, {})
        self._shared.move_to_end(place)
        while len(self._shared) > 1 and sum(map(_bytes_shared, self._shared.values())) > KEPT_BYTES:
            self._shared.popitem(last=False)
        return found

    def keep(self, task: Task, arrays: Mapping[Entry, Array]) -> None:
        """Put what was made into the store, now or with what comes next."""
        _, held = self._unkept.setdefault((id(task.job), task.key), (task.job, {}))
        held.update(arrays)
        if time.monotonic() - self._last > SECONDS_UNKEPT:
            self.flush()

    def flush(self) -> None:
        """Put all of it into the store."""
        for (_, key), (job, arrays) in self._unkept.items():
            job.keep(key, arrays)
        self._unkept.clear()
        self._last = time.monotonic()


def is_drawn(variant: Variant | None) -> bool:
    """Whether a network's blocks are drawn one by one."""
    return variant is not None and variant.kind in DRAWN


@contextmanager
def _one_thread_each(workers: int) -> Iterator[Executor]:
    """Blocks side by side, each on one thread: matrices of this size are decomposed no faster, often slower, on several."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1), ThreadPoolExecutor(workers) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)
