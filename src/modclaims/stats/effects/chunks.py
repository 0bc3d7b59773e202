"""Chunks of layers: a curve along depth divided into an early chunk, a middle one and a last one.

Arrays are (unit, layer): one curve per text, or a block. A division is *admissible* where its chunks are neither longer
nor shorter than was said before anything was measured; a search over divisions is a search over these, and paid for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.bounds.second_bounds import StudentT
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
ENDS = ("both", "early", "last")
"""Which ends are set apart from the middle."""


@dataclass(frozen=True)
class Division:
    """Layers 0 ... start - 1 are the early chunk, start ... stop - 1 the middle, and the rest the last; ends may be empty."""

    start: int
    stop: int

    def chunks(self, layers: int) -> tuple[range, range, range]:
        """Early, middle and last layers of so many."""
        return range(self.start), range(self.start, self.stop), range(self.stop, layers)


@dataclass(frozen=True)
class Shares:
    """Which divisions are admissible: of all layers, the most that either end may take and the least of the middle."""

    early_most: float
    last_most: float
    middle_least: float

    def divisions(self, layers: int, ends: str) -> tuple[Division, ...]:
        """All admissible divisions of so many layers, by start, then stop. An end that is set apart has at least one layer.

        Raises `ClaimError` where there is none.
        """
        early = self._sizes(self.early_most, layers, ends != "last")
        last = self._sizes(self.last_most, layers, ends != "early")
        least = max(1, math.ceil(self.middle_least * layers - 1e-9))
        found = [Division(e, layers - z) for e in early for z in reversed(last) if layers - e - z >= least]
        if not found:
            raise ClaimError(
                f"{layers} layers cannot be divided: the early chunk takes at most {self.early_most:g} of them, the last one "
                f"{self.last_most:g}, each one layer or more, and the middle at least {self.middle_least:g}."
            )
        return tuple(found)

    @staticmethod
    def _sizes(most: float, layers: int, apart: bool) -> range:
        return range(1, 1 + max(1, math.floor(most * layers + 1e-9))) if apart else range(1)


def contrasts(divisions: Sequence[Division], layers: int, ends: str) -> Floats:
    """(layer, part, division) weights of middle minus early, then of middle minus last, those of `ends`.

    Of a curve, the mean over the middle minus the mean over that end: positive where the middle lies higher.
    """
    parts = [end for end in ("early", "last") if ends in ("both", end)]
    out = np.zeros((layers, len(parts), len(divisions)))
    for d, division in enumerate(divisions):
        early, middle, last = division.chunks(layers)
        for p, part in enumerate(parts):
            end = early if part == "early" else last
            out[middle.start : middle.stop, p, d] = 1 / len(middle)
            out[end.start : end.stop, p, d] = -1 / len(end)
    return out


def mean_bounds(values: Floats, resamples: Resamples, ends: tuple[float, float], size: float = 0.0) -> Bounds:
    """Bounds of the mean over units of (unit, cell) values, the wider of bootstrap-t and Student's t over units of one group.

    What `bootstrap_t` makes of `mean_replicates` with `means`, from sums alone: with many cells the influences of every unit in every
    resample would not fit into memory. `size` is that of the numbers whose differences the values are, and says what is
    no more than rounding.
    """
    n, mean = len(values), values.mean(axis=0)
    centred = values - mean
    off = resamples.times @ centred / n
    terms = resamples.times @ centred**2
    squares = terms - n * off**2
    # no more than rounding is no spread, which must not pass for a tiny one
    floor = 1e-13 * terms + n * (ROUNDING * np.maximum(size, np.abs(mean))) ** 2
    se = np.sqrt(np.where(squares > floor, squares, 0.0) / (n * (n - 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(off[1:] == 0, 0.0, off[1:] / se[1:])
    student = StudentT(mean, se[0], np.full(len(mean), float(n - 1)))
    return Bounds(mean, se[0], t, ends=ends, student=student)


def best_division(curves: Floats, weights: Floats) -> NDArray[np.int64]:
    """(curve,) the division of the largest least contrast of (curve, layer) curves; the first among equals."""
    found = np.tensordot(curves, weights, axes=(1, 0))  # (curve, part, division)
    return np.asarray(found.min(axis=1).argmax(axis=1))


def held_out(
    curves: Floats, weights: Floats, splits: int, rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """(split,) the least contrast on one half of the units at the division picked on the other, and that division."""
    effects, picked = np.empty(splits), np.empty(splits, dtype=np.int64)
    for s in range(splits):
        order = rng.permutation(len(curves))
        mine, theirs = order[: len(order) // 2], order[len(order) // 2 :]
        (picked[s],) = best_division(curves[mine].mean(axis=0, keepdims=True), weights)
        effects[s] = (curves[theirs].mean(axis=0) @ weights[:, :, picked[s]]).min()
    return effects, picked


def change_frequencies(picked: NDArray[np.int64], divisions: Sequence[Division], layers: int) -> Floats:
    """(2, layer) how often the middle began at each layer, and how often the last chunk did, over (resample,) picks.

    Descriptive: a frequency under resampling of texts is not the probability of a change point.
    """
    out = np.zeros((2, layers))
    for division, times in zip(divisions, np.bincount(picked, minlength=len(divisions)), strict=True):
        if division.start > 0:
            out[0, division.start] += times
        if division.stop < layers:
            out[1, division.stop] += times
    return out / len(picked)
