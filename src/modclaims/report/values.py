"""What run.json holds, in words: any value, as found or as it was given, and the names of keys and claims."""

from __future__ import annotations

import re
from collections.abc import Mapping

from modclaims.drawing.numerals import NOTHING, is_number, p_value, plain, said, significant


def as_text(value: object, key: str = "") -> str:
    """Any value of run.json in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if is_number(value):
        return p_value(value) if re.search(r"(^|_)p($|_)", key) else significant(value)
    if value is None or value == "":
        return NOTHING
    if isinstance(value, Mapping):
        return ", ".join(f"{plain(k)}: {as_text(v)}" for k, v in sorted(value.items())) or NOTHING
    if isinstance(value, list):
        shown = ", ".join(as_text(v) for v in value[:8])
        return f"{shown}, and {len(value) - 8} more" if len(value) > 8 else shown or NOTHING
    return plain(value)


def exactly(value: object) -> str:
    """A setting as it was given: numbers are not rounded."""
    return str(value) if is_number(value) else as_text(value)


def spoken(key: str) -> str:
    """A key as words."""
    return said(key).replace("_", " ")


def class_name(claim_id: str) -> str:
    """The last part of a claim's id: its class."""
    return plain(claim_id.rsplit("::", 1)[-1])
