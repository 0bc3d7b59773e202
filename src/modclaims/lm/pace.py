"""Pace: how far a recording is, and about how long it still takes."""

from __future__ import annotations

import time

from modclaims.lm.effort import told_seconds
from modclaims.workers import cores

TOLD_FROM = 20.0
"""Seconds that must be left for them to be told."""


class Pace:
    """Counts what is done of several kinds of work, each with a pace of its own."""

    def __init__(self) -> None:
        self.expected: dict[str, int] = {}
        """How much there is of each kind."""
        self.made: dict[str, int] = {}
        self.spent: dict[str, float] = {}
        """Seconds that what is made of each kind took, each by itself."""
        self._started = time.monotonic()

    def expect(self, kind: str, count: int = 1) -> None:
        """There is so much more of a kind."""
        self.expected[kind] = self.expected.get(kind, 0) + count

    def took(self, kind: str, seconds: float, count: int = 1) -> None:
        """So much of a kind was made in so many seconds."""
        self.made[kind] = self.made.get(kind, 0) + count
        self.spent[kind] = self.spent.get(kind, 0.0) + seconds

    @property
    def done(self) -> int:
        """Pieces of work that are done, of all kinds."""
        return sum(self.made.values())

    @property
    def total(self) -> int:
        """Pieces of work in all."""
        return sum(max(count, self.made.get(kind, 0)) for kind, count in self.expected.items())

    @property
    def left(self) -> float | None:
        """About how many seconds are left; None before anything is done.

        A kind of which nothing is done yet counts as the slowest of the others. Work was done side by side as it will be.
        """
        each = {kind: self.spent[kind] / made for kind, made in self.made.items() if made}
        spent = sum(self.spent.values())
        if not spent:
            return None
        slowest = max(each.values())
        ahead = sum(
            (count - self.made.get(kind, 0)) * each.get(kind, slowest)
            for kind, count in self.expected.items()
            if count > self.made.get(kind, 0)
        )
        side_by_side = min(max(spent / max(time.monotonic() - self._started, 1e-9), 1.0), float(cores()))
        return ahead / side_by_side

    @property
    def words(self) -> str:
        """About how long it still takes; empty where that is not worth a word, or not known."""
        left = self.left
        if left is None or left < TOLD_FROM:
            return ""
        return f"{told_seconds(left)} left"
