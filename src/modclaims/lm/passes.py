"""The passes of one recording: network by network and batch by batch, each in the store before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modclaims.errors import ModelError
from modclaims.lm.intervene import Replacements
from modclaims.lm.jobs import Job, passes_apart
from modclaims.lm.measures import Batch, OwnInputs
from modclaims.lm.network import Network
from modclaims.lm.trials import tried
from modclaims.lm.wanted import Wanted
from modclaims.recording import Array, Entry

Progress = Callable[[int, int, str], None]


class Passes:
    """Makes what jobs lack, and counts the passes."""

    def __init__(
        self, wanted: Wanted, inputs: OwnInputs, planned: int, batch_size: int, dtype: str, progress: Progress | None
    ) -> None:
        self.wanted = wanted
        self.inputs = inputs
        self.batch_size = batch_size
        self.dtype = dtype
        """What networks are run in, for messages."""
        self.progress = progress
        self.done = 0
        self.total = planned
        """Passes of all jobs; those for values in the place of parts are added as they are made."""
        self.for_ablation = 0
        """Of these, passes of networks without some parts, and for such values."""

    def make(self, job: Job, network: Callable[[], Network], name: str) -> None:
        """Everything that a job lacks. `network` loads what it is about, and is asked once."""
        if job.is_done:
            return
        self._tell(name)
        loaded = network()
        self._together(job, loaded, name)
        self._apart(job, loaded, name)

    def _together(self, job: Job, network: Network, name: str) -> None:
        """What one pass for each text serves."""
        for keys in job.batches(self.wanted.texts, self.batch_size):
            batch = Batch(network, keys, self.wanted.texts, self.inputs)
            values = batch.measured(job.missing[keys[0]], self.wanted.asked)
            self._check_finite(values, keys, name)
            for row, key in enumerate(keys):
                job.keep(key, {entry: array[row] for entry, array in values.items()})
            self.done += len(keys)
            self._tell(name)

    def _apart(self, job: Job, network: Network, name: str) -> None:
        """What takes passes of its own."""
        ids = {key: text.ids for key, text in self.wanted.texts.items()}
        replacements = Replacements(network, ids, self.wanted.reading.keys)
        for keys in job.batches_apart(self.wanted.texts, self.batch_size):
            for key, values in tried(network, keys, job.apart, self.wanted.asked, replacements).items():
                self._check_finite({entry: value[None] for entry, value in values.items()}, [key], name)
                job.keep(key, values)
            made = sum(passes_apart(job.apart[key], self.wanted.asked) for key in keys)
            self.done += made
            self.for_ablation += made
            self._tell(name)
        self.for_ablation += replacements.passes
        self.total += replacements.passes
        self.done += replacements.passes

    def _tell(self, name: str) -> None:
        if self.progress is not None:
            self.progress(self.done, self.total, name)

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
