"""When enough was drawn: draws go on while their Monte Carlo error leaves open whether a level would decide.

A claim is weighed with B draws, and where those leave it open with 5 B and 20 B, each time afresh: the draws of a
checkpoint have a stream of their own, so that its level is what so many draws give and owes nothing to the look at fewer.
At the last checkpoint the level decides as it stands. Which claims go on hangs on the claim's own levels and on how many
claims are judged together, which is fixed beforehand; never on what became of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

import numpy as np

from modclaims.stats.chance.multiplicity import Correction
from modclaims.stats.evidence import Evidence

MOST_BYTES = 2**30
"""What a checkpoint's draws may take that are kept: multiplicities, studentised deviations and null statistics."""
Interval = tuple[float, float]


@dataclass(frozen=True)
class Deciding:
    """The values that a level may be held against, whatever the other claims come to."""

    values: tuple[float, ...]
    """Ascending: alpha / m ... alpha / 1 for Holm's step-down over m claims, and so for other corrections."""
    claims: int = 1
    """How many are corrected together; 1 where nothing is."""

    @classmethod
    def of(cls, alpha: float, claims: int, correction: Correction) -> Deciding:
        """For so many claims: Holm holds levels against alpha / k, BH against k alpha / m, BY against these divided by
        1 + 1/2 + ... + 1/m, for k from 1 to m; without correction there is alpha alone."""
        ranks = np.arange(1, max(1, claims) + 1)
        if correction == "none":
            found = np.array([alpha])
        elif correction == "holm":
            found = alpha / ranks
        else:
            found = alpha * ranks / len(ranks) / (float((1 / ranks).sum()) if correction == "by" else 1.0)
        return cls(tuple(np.sort(found).tolist()), len(found))

    def left_open_by(self, interval: Interval) -> bool:
        """Whether the level lies in this Monte Carlo interval (99 %), and may so lie on either side of what decides.

        Never where nothing was drawn, and the interval is a single value.
        """
        low, high = interval
        return low < high and any(low <= value <= high for value in self.values)


def fits(evidence: Evidence, times: int) -> bool:
    """Whether so many times the draws behind this evidence can be kept, `MOST_BYTES` being the most.

    A matter of the evidence's shapes alone, so that the answer is the same on every machine.
    """
    if not evidence.bounds.held:
        return False
    resampled = 8 * len(evidence.bounds.t) * max(evidence.n_units, evidence.n_texts)
    return times * (resampled + sum(_sizes(evidence.bounds)) + sum(_sizes(evidence.test))) <= MOST_BYTES


def _sizes(found: object) -> Iterator[int]:
    """Bytes of the tables, a row a draw, that bounds and tests keep, and so do their parts."""
    if isinstance(found, np.ndarray):
        if found.ndim > 1:
            yield found.nbytes
    elif isinstance(found, tuple):
        for one in found:
            yield from _sizes(one)
    elif is_dataclass(found) and not isinstance(found, type):
        for field in fields(found):
            if field.init:
                yield from _sizes(getattr(found, field.name))
