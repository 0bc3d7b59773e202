"""What an exhibit holds, as its drawing and its table read it: arrays of a stated shape, labels, single words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.drawing.numerals import plain, said
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]


def floats(exhibit: Exhibit, name: str, ndim: int) -> Floats:
    """An array of an exhibit as float64 with `ndim` axes. Raises `ValueError` where it is empty or has another shape."""
    array = np.asarray(exhibit.arrays[name], dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name} of {exhibit.kind} has shape {array.shape}")
    return array


def scalar(exhibit: Exhibit, name: str) -> float:
    """A single number of an exhibit; not a number where it is absent."""
    array = np.asarray(exhibit.arrays.get(name, np.nan), dtype=np.float64).ravel()
    return float(array[0]) if array.size == 1 else float("nan")


def names(exhibit: Exhibit, key: str, n: int) -> list[str]:
    """`n` labels of an exhibit, each one line; numbered where the exhibit has none. Raises `ValueError` on a wrong count."""
    found = exhibit.labels.get(key, ())
    if isinstance(found, str) or not len(found):
        return [str(i) for i in range(n)]
    if len(found) != n:
        raise ValueError(f"{key} of {exhibit.kind} has {len(found)} entries for {n}")
    return [plain(name) for name in found]


def word(exhibit: Exhibit, key: str, default: str = "") -> str:
    """One label of an exhibit."""
    found = exhibit.labels.get(key, default)
    return said(found if isinstance(found, str) else ", ".join(found)) or default


def finite(values: NDArray[Any]) -> Floats:
    """The finite entries, flat."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return flat[np.isfinite(flat)]


def groups_in_order(values: Sequence[str]) -> list[str]:
    """The distinct values in the order in which they first come."""
    return list(dict.fromkeys(values))
