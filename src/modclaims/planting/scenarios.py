"""Scenario: one claim on planted data of one kind, what is asked and true there, and which events are counted of it."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.hypothesis import Hypothesis
from modclaims.planting.known import LAYOUTS, Layout

ALPHAS = (0.05, 0.01)
PERMUTATIONS, RESAMPLES = 199, 399
"""Levels are (b + 1) / (B + 1): multiples of .005 and .0025, so that both alphas, and half of each, are attained."""

SIZE, SIZE_CELLS = "p at effect 0", "p at effect 0, each cell"
LOWER, LOWER_CELLS = "lower bound above s", "lower bound above s, each cell"
UPPER, UPPER_CELLS = "upper bound below s", "upper bound below s, each cell"
WRONG, PLACED = "supported at effect 0", "supported as location at effect 0"
POWER, POWER_P = "supported", "adjusted p of the cell"
PART = {
    SIZE: "i",
    SIZE_CELLS: "i",
    WRONG: "i",
    PLACED: "i",
    LOWER: "ii",
    LOWER_CELLS: "ii",
    UPPER: "iii",
    UPPER_CELLS: "iii",
}
"""Which of the three promised rates each one is; the others are power."""
EVENTS = (*PART, POWER, POWER_P)
"""All that is counted."""

NONE, FLAT, EDGE = "none", "flat", "exactly s"
MULTIPLES = {NONE: 0.0, FLAT: 0.0, EDGE: 1.0, "2 s": 2.0, "3 s": 3.0}
BESIDE = "beside shared words"
SHUFFLED = "embedded model, labels exchanged"


@dataclass(frozen=True)
class Scenario:
    """One claim on data of one kind."""

    family: str
    """Name of the library class."""
    layout: str
    """One of `LAYOUTS`."""
    law: str
    """One of `LAWS`."""
    truth: str
    """`none`; `flat`: a contrast of equal effects; `exactly s`, the claim's smallest effect; `2 s`, `3 s`."""
    question: str = ""
    """What is asked where a family has several questions: `rises along depth`, `one cell of 24`."""

    @property
    def name(self) -> str:
        """Unique; random streams hang on it."""
        return " / ".join(part for part in (self.family, self.question, self.layout, self.law, self.truth) if part)

    @property
    def texts(self) -> Layout:
        """The layout itself."""
        return LAYOUTS["64 crossed" if self.recorded else self.layout]

    @property
    def recorded(self) -> bool:
        """Whether activations are those of the embedded model, its labels exchanged."""
        return self.law == SHUFFLED

    def effect(self, claim: Hypothesis) -> float:
        """The population effect, on the claim's own scale."""
        return MULTIPLES[self.truth] * claim.smallest_effect
