"""Phases against a straight line: which of two drawings of a curve along depth foretells the curves of other texts better.

Any bend or slope rejects a constant, so a level for each of three chunks is held against a line. Both are fitted to the
mean curve of some units and measured on others (10 folds of units; all copies that a resample holds of a unit are in one
fold), so that what a fit owes to its own texts counts for nothing. Layers are not left out: they are those of this network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.conjunction import WidestBounds
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.permutation import chunks
from modclaims.stats.effects.chunks import Division

Floats = NDArray[np.float64]
FOLDS = 10
ROUNDING = 1e-10
"""Differences of errors, relative to their means, that are no more than rounding of curves and fits."""


@dataclass(frozen=True)
class Phases:
    """Fits of three levels, the middle the highest, to curves along depth."""

    divisions: tuple[Division, ...]
    layers: int

    def drawing(self, curves: Floats) -> Floats:
        """The fitted levels of (curve, layer) curves."""
        return self.fit(curves)[0]

    def rivals(self) -> dict[str, Drawing]:
        """What phases must foretell other texts better than: a line, and fewer phases where both ends are set apart."""
        found = {"line": polynomial_fit(self.layers, 1)}
        if all(d.start > 0 and d.stop < self.layers for d in self.divisions):
            fewer = {
                "no last phase": [Division(d.start, self.layers) for d in self.divisions],
                "no early phase": [Division(0, d.stop) for d in self.divisions],
            }
            found |= {n: Phases(tuple(dict.fromkeys(ds)), self.layers).drawing for n, ds in fewer.items()}
        return found

    def fit(self, curves: Floats) -> tuple[Floats, NDArray[np.int64]]:
        """(curve, layer) levels of least squared error over divisions, and the division of each (the first among equals).

        `curves` is (curve, layer). An end that lies above the middle takes one level with it (isotonic regression on the
        order early <= middle >= last), so that a curve of another shape gains nothing by being cut.
        """
        levels = np.empty((len(curves), 3))
        picked = np.empty(len(curves), dtype=np.int64)
        for rows in chunks(len(curves), 24 * len(self.divisions)):
            levels[rows], picked[rows] = self._fit(curves[rows])
        which = np.stack([self._chunk_of(d) for d in self.divisions])[picked]
        return np.take_along_axis(levels, which, axis=1), picked

    def _chunk_of(self, division: Division) -> NDArray[np.int64]:
        layer = np.arange(self.layers)
        return (layer >= division.start).astype(np.int64) + (layer >= division.stop)

    def _fit(self, curves: Floats) -> tuple[Floats, NDArray[np.int64]]:
        start, stop = (np.array([getattr(d, key) for d in self.divisions]) for key in ("start", "stop"))
        size = np.stack([start, stop - start, self.layers - stop])  # (chunk, division)
        centre = curves.mean(axis=1, keepdims=True)
        ends = np.cumsum(np.pad(curves - centre, ((0, 0), (1, 0))), axis=1)
        total = np.stack([ends[:, start], ends[:, stop] - ends[:, start], ends[:, -1:] - ends[:, stop]])
        known = np.maximum(size, 1)[:, None]
        mean = np.where(size[:, None] > 0, total / known, -np.inf)  # (chunk, curve, division)
        # the higher end joins the middle first, if it lies above it; then the lower one, if it lies above both
        first = np.where(mean[0] >= mean[2], 0, 2)[None]
        higher, lower = np.maximum(mean[0], mean[2]), np.minimum(mean[0], mean[2])
        sizes = np.broadcast_to(size[:, None], total.shape)
        n_high, sum_high = (np.take_along_axis(a, first, axis=0)[0] for a in (sizes, total))
        joins = higher > mean[1]
        n = sizes[1] + np.where(joins, n_high, 0)
        top = (total[1] + np.where(joins, sum_high, 0.0)) / n
        follows = lower > top
        n_low, sum_low = (np.take_along_axis(a, 2 - first, axis=0)[0] for a in (sizes, total))
        top = np.where(follows, (top * n + np.where(follows, sum_low, 0.0)) / (n + n_low), top)
        level = np.stack([np.minimum(mean[0], top), top, np.minimum(mean[2], top)])
        explained = (sizes * np.where(sizes > 0, level, 0.0) ** 2).sum(axis=0)
        picked = explained.argmax(axis=1)
        chosen = np.take_along_axis(level, picked[None, :, None], axis=2)[:, :, 0]
        return chosen.T + centre, picked


def polynomial(layers: int, degree: int) -> Floats:
    """(layer, layer) the matrix that turns a curve into its least-squares polynomial of relative depth."""
    basis = np.linalg.qr(np.vander(np.linspace(-1, 1, layers), degree + 1))[0]
    return np.asarray(basis @ basis.T)


Drawing = Callable[[Floats], Floats]
"""Turns (curve, layer) curves into fitted ones, each by itself."""
Errors = dict[str, Floats]
"""By drawing, (1 + R, unit) squared error on the curve of each unit, mean over layers."""


def polynomial_fit(layers: int, degree: int) -> Drawing:
    """The drawing that is a polynomial of relative depth."""
    matrix = polynomial(layers, degree)
    return lambda curves: np.asarray(curves @ matrix.T)


def out_of_sample(curves: Floats, times: Floats, drawings: Mapping[str, Drawing]) -> Errors:
    """Errors of each unit's curve under every resample of `times` (1 + R, unit), fitted to the units of other folds.

    `curves` is (unit, layer). Folds are dealt in the order of units. Not a number where a resample leaves no other fold.
    """
    return _errors(curves, times, drawings, min(FOLDS, len(curves)))


def in_sample(curves: Floats, times: Floats, drawings: Mapping[str, Drawing]) -> Errors:
    """The same of drawings fitted to all units of a resample, those that they are measured on included."""
    return _errors(curves, times, drawings, 0)


def _errors(curves: Floats, times: Floats, drawings: Mapping[str, Drawing], folds: int) -> Errors:
    n, layers = curves.shape
    middle = curves.mean(axis=0)
    off = curves - middle
    fold_of = np.arange(n) % max(1, folds)
    inside = (fold_of == np.arange(max(1, folds))[:, None]).astype(np.float64)  # (fold, unit)
    used = 1 - inside if folds else inside
    parts = (used[:, :, None] * off).transpose(1, 0, 2).reshape(n, -1)  # (unit, fold x layer)
    errors = {name: np.empty((len(times), n)) for name in drawings}
    for rows in chunks(len(times), 8 * len(used) * layers + n * layers):
        left = times[rows] @ used.T
        total = (times[rows] @ parts).reshape(-1, len(used), layers)
        train = middle + total / np.maximum(left, 1)[:, :, None]
        for name, drawing in drawings.items():
            missed = drawing(train.reshape(-1, layers)).reshape(train.shape) - middle
            missed[left == 0] = np.nan
            errors[name][rows] = (
                (off**2).mean(axis=1)
                - 2 * np.einsum("rtl,tl->rt", missed[:, fold_of], off) / layers
                + (missed**2).mean(axis=2)[:, fold_of]
            )
    return {name: np.maximum(found, 0.0) for name, found in errors.items()}


def reduction(error: Floats, references: Sequence[Floats], resamples: Resamples) -> Replicates:
    """By how much less one drawing errs than others, a cell a reference, as log(reference's mean error / own).

    Errors are (1 + R, unit). Exchangeable under resampling: the units. The influence of a unit is its share of the mean
    errors, (r / mean r - e / mean e) / n; what it adds through the fits is of second order, since a fit stands where its
    error is least.
    """
    n = error.shape[1]
    values, influences = [], []
    with np.errstate(divide="ignore", invalid="ignore"):
        own = (resamples.times * error).sum(axis=1, keepdims=True) / n
        for reference in references:
            other = (resamples.times * reference).sum(axis=1, keepdims=True) / n
            values.append(np.log(other) - np.log(own))
            apart = reference / other - error / own
            spread = (resamples.times > 0) & ~(np.abs(apart) < ROUNDING)  # not a number stays what it is
            influences.append(np.where(spread, apart / n, 0.0))
    value = np.concatenate(values, axis=1)
    return Replicates(value, np.stack(influences, axis=2), value[0])


def reduced(value: Floats) -> Floats:
    """The share of the reference's error that is gone, from the logarithm of the ratio: 1 - own / reference."""
    return np.asarray(-np.expm1(-value))


def log_ratio(share: Floats) -> Floats:
    """The inverse of `reduced`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.log1p(-np.asarray(share)))


def reduction_bounds(
    outside: Errors, inside: Errors, own: str, references: Sequence[str], resamples: Resamples
) -> WidestBounds:
    """Bounds of the share of each reference's error that is gone with the drawing `own`, a cell a reference.

    The effect is that of errors out of sample. Drawings made from few units err more than the best ones would, those of
    more freedom most, which would make it too easy to refute; errors in sample flatter by as much, and the mean of both is
    that of the best drawings. Limits are the widest of the bootstrap-t of either, and of the plain bootstrap of the former,
    which does not divide by standard errors that few units leave uncertain. Where a resample leaves both drawings the same,
    as levels that are pooled do, it has no standard error of its own and is given the sample's.
    """
    middle = {name: (outside[name] + inside[name]) / 2 for name in (own, *references)}
    found: list[Bounds] = []
    for errors in (outside, middle):
        replicates = reduction(errors[own], [errors[name] for name in references], resamples)
        bounds = bootstrap_t(replicates, resamples, forward=log_ratio, backward=reduced, ends=(-np.inf, 1.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = (replicates.value[1:] - replicates.centre) / bounds.se
        found += [replace(bounds, t=np.where(np.isinf(bounds.t), plain, bounds.t)), replace(bounds, t=plain)]
    return WidestBounds.of(*found[:3])
