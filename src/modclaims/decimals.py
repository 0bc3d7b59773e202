"""How many decimals a number is written with, wherever it stands."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

Number = Any  # Any: a number of run.json, or none
FEWEST, MOST, MOST_OF_AN_EFFECT = 2, 6, 4
LEVELS = (0.2, 0.1, 0.05, 0.025, 0.02, 0.01, 0.005, 0.001)
"""Levels that something is held against: what only rounds to one of them is written with more digits."""


def decimals_for(scale: Number) -> int:
    """Decimals that keep one digit of `scale`: two, or more where the scale is below .01; two without a scale."""
    if not isinstance(scale, (int, float)) or not math.isfinite(scale) or scale == 0:
        return FEWEST
    return min(MOST, max(FEWEST, -math.floor(math.log10(abs(scale)))))


def decimals_of_effect(smallest: Number, low: Number, high: Number) -> int:
    """Decimals of an effect and its limits: those that keep one digit of the smallest effect that matters, and of the interval's width.

    So an interval that is narrower than .01 is not written as one number twice; of its width alone at most four are taken.
    """
    known = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high))
    return max(decimals_for(smallest), min(MOST_OF_AN_EFFECT, decimals_for(high - low if known else None)))


def rounded(value: float, decimals: int) -> str:
    """A number with so many decimals, without the sign of a zero."""
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text


def level_words(value: float) -> str:
    """A level or p-value in two digits without the leading zero; in more where two would hide a side of .05 and its like."""
    if value >= 1:
        return "1"
    if value <= 0:
        return "< .0001"
    size = math.floor(math.log10(value))
    if size < -6:
        return f"{value:.1e}"
    text = ""
    for digits in (2, 3, 4, 5, 6):
        text = f"{value:.{digits - 1 - size}f}"
        exact = math.isclose(float(text), value, rel_tol=1e-9)
        if exact:
            text = text.rstrip("0")  # exactly .05 or 1/10,000: nothing was rounded away
        if exact or float(text) not in LEVELS:
            break
    return "1" if float(text) >= 1 else text.lstrip("0")


def p_word(cells: int) -> str:
    """What a p over so many cells is called: over one cell there is nothing to adjust for."""
    return "adjusted p" if cells > 1 else "p"


def from_to(values: Iterable[float], decimals: int, unit: str = "") -> str:
    """`0.08 to 0.15`, the lowest and the highest value with a unit each; one number where both are written alike."""
    known = [float(v) for v in values]
    low, high = (f"{rounded(v, decimals)}{unit}" for v in (min(known), max(known)))
    return low if low == high else f"{low} to {high}"
