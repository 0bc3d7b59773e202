"""How numbers are written: p-values as .0012, effects with two decimals, a true minus sign, a dash for nothing.

What is too small or too large for decimals is written as 2.5 x 10⁻¹³.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TypeGuard

from modclaims.decimals import level_words

NOTHING = "–"
_JOINERS = "\u200c\u200d"
_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number (truth values are none)."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: object, decimals: int = 2) -> str:
    """A number with `decimals` decimals; whole numbers with separators of thousands; a dash where there is none."""
    if not is_number(value):
        return NOTHING
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def significant(value: object, digits: int = 3) -> str:
    """A number of unknown scale with `digits` significant digits."""
    if not is_number(value):
        return NOTHING
    if isinstance(value, int) or float(value).is_integer():
        return number(int(value))
    size = math.floor(math.log10(abs(value)))
    if size < -5 or size > 7:
        return _scaled(value, digits)
    text = number(float(value), max(0, digits - 1 - size))
    exact = math.isclose(round(value, max(0, digits - 1 - size)), value, rel_tol=1e-9)
    return text.rstrip("0").rstrip(".") if exact and "." in text else text


def tick(value: float) -> str:
    """A number on an axis, without trailing zeros."""
    text = f"{value:.6g}"
    return _scaled(value, 6) if "e" in text else text.replace("-", "−")


def power_of_ten(exponent: int) -> str:
    """`10⁻³`; 1 for the exponent 0."""
    return f"10{str(exponent).translate(_RAISED)}" if exponent else "1"


def _scaled(value: float, digits: int) -> str:
    """`2.5 x 10⁻¹³`, unbroken; without zeros that say nothing, and without a factor that is one."""
    factor, exponent = f"{value:.{digits - 1}e}".split("e")
    if math.isclose(float(f"{factor}e{exponent}"), value, rel_tol=1e-9) and "." in factor:
        factor = factor.rstrip("0").rstrip(".")
    power = power_of_ten(int(exponent))
    if factor in ("1", "-1"):
        return f"{factor[:-1]}{power}".replace("-", "−")
    return f"{factor}\u00a0×\u00a0{power}".replace("-", "−")


def p_value(value: object) -> str:
    """A p-value with two significant digits and no leading zero; more digits where two would hide a side of .05."""
    if not is_number(value):
        return NOTHING
    return _scaled(value, 2) if 0 < value < 1e-6 else level_words(value)


def interval(low: object, high: object, decimals: int = 2) -> str:
    """`[0.29, 0.52]`; with one end only, in words; a dash with none."""
    if is_number(low) and is_number(high):
        return f"[{number(float(low), decimals)}, {number(float(high), decimals)}]"
    if is_number(low):
        return f"{number(float(low), decimals)} or more"
    if is_number(high):
        return f"{number(float(high), decimals)} or less"
    return NOTHING


def count(n: int, one: str, many: str | None = None) -> str:
    """`1 claim`, `3 claims`."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def series(items: Iterable[str]) -> str:
    """`a, b and c`."""
    words = list(items)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def plain(value: object) -> str:
    """Any text as one line without control characters (an XML file cannot hold them)."""
    allowed = (c if c.isprintable() or c in _JOINERS else " " if c.isspace() else "�" for c in str(value))
    return " ".join("".join(allowed).split())


def said(value: object) -> str:
    """A sentence or name of ours as one line, with the signs that plain letters stand for, unbroken before `%`."""
    text = plain(value).replace("omega^2", "ω²").replace(" - ", " − ")
    text = re.sub(r"(?<![\w.)-])-(?=\.?\d)", "−", text)
    return re.sub(r"(?<=\d) %", "\u00a0%", re.sub(r"\b([pN]) = ", "\\1\u00a0=\u00a0", text))


def shortened(text: str, most: int) -> str:
    """A text cut to `most` characters, with an ellipsis where something is missing."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
