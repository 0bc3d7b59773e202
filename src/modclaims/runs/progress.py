"""Progress: what a door wants to hear while a run goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Progress:
    """What a door wants to hear while a run goes on; the defaults hear nothing."""

    recording: Callable[[int, int, str], None] | None = None
    """(texts done, texts in all, what)"""
    weighing: Callable[[int, int, str], None] | None = None
    """(claims done, claims in all, id)"""
