"""How much memory there is, and what does not fit into it."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

from modclaims.errors import ClaimError

CGROUP = Path("/sys/fs/cgroup")
MEMINFO = Path("/proc/meminfo")
SPARED = 0.9
"""The share of what is free that one claim may take."""


def memory_free() -> float:
    """Bytes that may still be used: what the machine has free, or what this process' group is allowed, whichever is less."""
    return min(_machine(), _group())


def _machine() -> float:
    try:
        (line,) = (line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
        return 1024.0 * int(line.split()[1])
    except (OSError, ValueError):
        if not hasattr(os, "sysconf"):
            return float("inf")
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))


def _group() -> float:
    """Of a container (Linux, cgroup 2): its limit, less what its processes hold."""
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return float("inf") if limit == "max" else max(0.0, float(limit) - float(used))
    except (OSError, ValueError):
        return float("inf")


def check_fits(needed: float, what: str, remedy: Callable[[float], str]) -> None:
    """Raises `ClaimError` where so many bytes are not there. `what` says what takes them; `remedy` what would fit, from the
    share of them that is there."""
    room = SPARED * memory_free()
    if needed > room:
        raise ClaimError(
            f"{what} takes about {told(needed)} of memory, and {told(room)} can be had. {remedy(room / needed)}"
        )


def told(number: float) -> str:
    """Bytes, to be read by people."""
    for unit, each in (("GB", 1e9), ("MB", 1e6)):
        if number >= each:
            return f"{number / each:,.1f} {unit}"
    return f"{math.ceil(number / 1000):,} kB"
