"""Look: one recording as one claim sees it, with the settings and the random streams that it is weighed by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from modclaims.corpus import Corpus
from modclaims.recording import ModelShape, Recording
from modclaims.stats.streams import stream

CHECKPOINTS = (1, 5, 20)
"""How many times what was asked for is drawn, where fewer draws leave a level too close to where it would decide."""


@dataclass(frozen=True)
class TestSettings:
    """How hard to weigh: the settings of a run that statistics depend on."""

    __test__: ClassVar[bool] = False

    seed: int = 0
    permutations: int = 9999
    """Relabellings drawn where they cannot all be enumerated; also the most that are enumerated."""
    resamples: int = 9999
    alpha: float = 0.05
    claims: int = 1
    """How many claims are corrected together, which says what carries one whatever the others show."""
    bare: bool = False
    """Test and bounds only, without what decides nothing: rivals, figures, secondary numbers."""
    checkpoint: int = 0
    """Which of `CHECKPOINTS` this is; `permutations` and `resamples` are already multiplied."""

    def at(self, checkpoint: int) -> TestSettings:
        """The same with as many draws as the checkpoint has, from streams of its own."""
        times, now = CHECKPOINTS[checkpoint], CHECKPOINTS[self.checkpoint]
        return replace(
            self,
            permutations=self.permutations // now * times,
            resamples=self.resamples // now * times,
            checkpoint=checkpoint,
        )

    def drawn(self, count: int) -> int:
        """How many null objects are drawn where a claim asks for `count` and they cost no forward pass."""
        return count * CHECKPOINTS[self.checkpoint]

    def rng(self, *key: str) -> np.random.Generator:
        """The generator of what is drawn anew at every checkpoint; `key` says what for (claim, design, purpose).

        What is not drawn to count levels - splits, folds, the rivals that a bound compares with - takes its stream from
        `stream(seed, ...)` and stays the same.
        """
        return stream(self.seed, *key, *((f"checkpoint {self.checkpoint}",) if self.checkpoint else ()))


class Streams:
    """The random streams of one claim.

    A stream hangs on the run's seed, the claim's class name, a design and a purpose, and on nothing else, so that neither
    neighbours nor order move a draw, and a plan draws what a run will draw. Each call gives a fresh generator.
    """

    claim: str
    """Name of the claim's class."""
    settings: TestSettings

    def rng(self, *purpose: str, design: str | None = None) -> np.random.Generator:
        """For what is drawn to count levels, anew at every checkpoint: relabellings, resamples."""
        return self.settings.rng(self.claim, *(() if design is None else (design,)), *purpose)

    def lasting_rng(self, *purpose: str, design: str | None = None) -> np.random.Generator:
        """For what stays the same at every checkpoint: splits, folds, whatever stands beside the claim."""
        return stream(self.settings.seed, self.claim, *(() if design is None else (design,)), *purpose)


@dataclass(frozen=True)
class PlannedStreams(Streams):
    """The streams of a claim that is not weighed yet."""

    claim: str
    settings: TestSettings


@dataclass(frozen=True)
class Look(Streams):
    """What one claim is weighed on: a recording, the settings of the run, and random streams of its own."""

    claim: str
    recording: Recording
    settings: TestSettings

    @property
    def corpus(self) -> Corpus:
        """The texts that were read."""
        return self.recording.corpus

    @property
    def shape(self) -> ModelShape:
        """What the network looks like."""
        return self.recording.shape

    @property
    def alpha(self) -> float:
        """Level of the run's intervals."""
        return self.settings.alpha

    def at(self, texts: Sequence[int]) -> Look:
        """The same of some of the texts alone."""
        return replace(self, recording=self.recording.select(texts))


Weighing = TestSettings
"""What `TestSettings` was called; goes with the next release but one."""
