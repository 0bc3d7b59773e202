"""Figures of benchmarks: printed as they come, each with its target, and kept for `results.py` where that asked for them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

KEPT = "MODCLAIMS_BENCH_FIGURES"
"""The environment variable that names a file to which figures are added, a line each."""


@dataclass(frozen=True)
class Figure:
    """One number, and what it should be."""

    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    machine: bool = False
    """Whether it is a matter of the machine, such as seconds; not so ratios of one run, bytes, exponents."""

    @property
    def by(self) -> float:
        """What it is of its target: 1 and less is reached."""
        if self.at_most is not None:
            return self.value / self.at_most
        return self.at_least / self.value if self.at_least is not None else 0.0

    @property
    def target(self) -> str:
        """In words."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}"
        return f"at least {self.at_least:g}" if self.at_least is not None else ""

    @property
    def standing(self) -> str:
        """In a word."""
        if not self.target:
            return ""
        return "reached" if self.by <= 1 else "missed" if self.by <= 1.5 else "missed by half"

    def __str__(self) -> str:
        told = f"{self.what}: {self.value:.3g}{f' {self.unit}' if self.unit else ''}"
        return f"{told} (target {self.target}: {self.standing})" if self.target else told


def figure(
    what: str,
    value: float,
    unit: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    machine: bool = False,
) -> None:
    """Print one, and keep it where that is asked."""
    made = Figure(what, float(value), unit, at_most, at_least, machine)
    print(made, flush=True)
    if path := os.environ.get(KEPT):
        with Path(path).open("a", encoding="utf-8") as kept:
            kept.write(json.dumps(asdict(made)) + "\n")
