"""Scenario: one claim on planted data of one kind, what is asked and true there, and which rates are promised of it."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.calibration.known import HEAVIEST, LAYOUTS, Layout

ALPHAS = (0.05, 0.01)
PERMUTATIONS, RESAMPLES = 199, 399
"""Levels are (b + 1) / (B + 1): multiples of .005 and .0025, so that both alphas, and half of each, are attained."""
AXES = 8
WIDE_CELLS, WIDE_WIDTH, PLANTED = 24, 64, 5
"""The search in which one cell alone differs: so many layers, so wide, and at which of them."""
GAP = 0.75
FLAT_DELTA, FLAT_OMEGA = 0.4, 0.3
"""What is the same on both sides of a contrast."""
TEXT_SPREAD, DRAW_SPREAD, RANK = 0.08, 0.08, 0.6
"""Of planted effective ranks over tokens x width: how texts and networks vary, and about what."""
STEP_SPREAD = 0.5
"""How texts vary in orders of magnitude of a step in a spectrum."""

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

ALONG, ONE_CELL, LEARNED = "rises along depth", "one cell of 24", "components in splits"
EVERYWHERE, HALF, SMALLEST, AT_LAST = "everywhere", "in half of the layers", "by minP", "in the last layer"
SPREAD, DISTANCES = "location by inner products", "location by distances"
TOLD = "told at a layer"
SAME_MINUS_DIFFERENT, NAMED = "same minus different category", "named layers"
BEYOND, NOISY = "beyond shared words", "beyond a noisy proxy of shared words"
COPIED = "beyond induction"
NONE, FLAT, EDGE = "none", "flat", "exactly s"
MULTIPLES = {NONE: 0.0, FLAT: 0.0, EDGE: 1.0, "2 s": 2.0, "3 s": 3.0}
ONE_END = "one end alone"
"""A curve that rises early and stays, so that of the two contrasts one alone is there."""
GAP_TRUTH, BESIDE = ".75 sd in one cell", "beside shared words"
BESIDE_COPIES = "beside copied tokens"
STRONG = 0.6
"""Cliff's delta of layers that are above any doubt, where a claim speaks of several."""
CENTRE = 1.0
"""Where all categories stand that differ in spread alone, in every coordinate."""
REAL = 0.02
"""Inner product that two texts of a category have beside that of their words."""
CORRUPTED = (0.0, 0.1, 0.2, 0.5, 1.0)
"""Shares of words that the proxy reads wrongly."""
LAST = 5
"""The embedded model's last layer."""
SHUFFLED = "embedded model, labels exchanged"
RECORDED_LAYOUTS = {"64 crossed, topic": ("topic", "style"), "64 crossed, style": ("style", "topic")}
"""Labels of the recorded texts, and the strata that they are exchanged in."""


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

    def promises(self, rate: str) -> bool:
        """Whether the framework promises anything of this rate here, given enough texts.

        Not of p where, at effect 0, chance may not do what the test lets it do: responses of unequal spread differ by
        category though their means do not (cosines know no spread, and contrasts are not tested by exchange);
        so do inner products and distances where categories of unequal size spread unequally, which is why location is
        asked for; and words that are taken out by a fit are not known. Nothing where the proxy of the words is noisy, and no bound of omega^2 where
        a sample variance has no variance.
        """
        if self.question == NOISY or self.law == HEAVIEST:
            return False
        if rate in (SIZE, SIZE_CELLS):
            return self.question not in (BEYOND, SPREAD, DISTANCES) and not (
                self.family in ("HeadSelectivity", "AxisStreams") and self.law == "unequal spread"
            )
        return not (self.question == DISTANCES and rate == WRONG)
