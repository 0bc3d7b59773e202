"""Labels of what a figure shows, one for each thing."""

from __future__ import annotations

from collections.abc import Sequence


def labels_for(n: int, found: Sequence[str], what: str) -> list[str]:
    """The labels of `n` things; numbered where there are none. Raises `ValueError` on a wrong count, in words of `what`."""
    if not found:
        return [str(i) for i in range(n)]
    if len(found) != n:
        raise ValueError(f"{what} has {len(found)} entries for {n}")
    return list(found)
