"""Halves: what a claim learns on one half of the units and measures on the other, in many seeded splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.look import TestSettings
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.bounds.splits import halves, part
from modclaims.stats.chance.actions import Design
from modclaims.stats.streams import stream

FEWEST = 5


@dataclass(frozen=True)
class Halves:
    """One split of the units, and the resamples of those that are measured."""

    first: NDArray[np.int64]
    """Units that are learned from."""
    second: NDArray[np.int64]
    """Units that are measured."""
    learning: Design
    measuring: Design
    resamples: Resamples
    number: int
    """Which split it is."""

    @classmethod
    def all(cls, name: str, design: Design, splits: int, weighing: TestSettings) -> Iterator[Halves]:
        """The splits of one claim, in order."""
        for number in range(splits):
            first, second = halves(design, stream(weighing.seed, name, design.digest, "split", str(number)))
            measuring = part(design, second)
            key = (name, "split", str(number), measuring.digest, "resamples")
            drawn = resample(measuring, count=weighing.resamples, rng=weighing.rng(*key))
            yield cls(first, second, part(design, first), measuring, drawn, number)


def check_splits(splits: int) -> None:
    """Raises `ClaimError` for fewer splits than say anything together."""
    if splits < FEWEST:
        raise ClaimError(f"splits = {splits}: one split is a lottery, at least {FEWEST} are needed.")
