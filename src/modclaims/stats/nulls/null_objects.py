"""Effects against null objects: networks of other weights, measured on the same texts, few because each is costly.

The unit of chance is the draw of a null object, that of sampling the text; both are resampled, crossed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples, resample_groups
from modclaims.stats.bounds.second_bounds import StudentT
from modclaims.stats.chance.permutation import chunks
from modclaims.stats.ties import ROUNDING, tolerance

Floats = NDArray[np.float64]
MIN_DRAWS = 20
"""Fewer null objects than this carry no bound."""


def resample_texts_and_draws(texts: int, draws: int, *, count: int, rng: np.random.Generator) -> Resamples:
    """`count` resamples of texts and, independently, of null objects: units are the texts first, then the draws."""
    drawn = resample_groups(np.repeat([0, 1], [texts, draws]), count=count, rng=rng)
    return replace(drawn, fixed=(1,))


def against_null(measured: Floats, null: Floats, resamples: Resamples) -> Replicates:
    """Mean over null objects minus the measured quantity, averaged over texts, under every resample.

    `measured` is (text, cell) of the network itself, `null` (draw, text, cell) of the null objects at the same texts;
    positive where the network's own is smaller. Exchangeable under resampling: the texts, and the null objects, each
    among themselves. The influence of a text is its own difference, averaged over the draws of the resample; that of a
    draw its mean over the resample's texts; so the standard error adds what texts and draws vary by, and resampling both
    also holds what varies by text and draw together (Owen 2007, the pigeonhole bootstrap, on the safe side).
    """
    draws, texts, cells = null.shape
    w, v = resamples.times[:, :texts] / texts, resamples.times[:, texts:] / draws
    value = np.empty((len(w), cells))
    influence = np.empty((len(w), texts + draws, cells))
    for c in range(cells):
        by_text = v @ null[:, :, c] - measured[:, c]  # (resample, text): each text's difference
        by_draw = w @ null[:, :, c].T  # (resample, draw)
        value[:, c] = (w * by_text).sum(axis=1)
        influence[:, :texts, c] = (by_text - value[:, c, None]) / texts
        influence[:, texts:, c] = (by_draw - (v * by_draw).sum(axis=1)[:, None]) / draws
        # texts and draws that all agree have no influence but what their sums round to, which is none
        rounding = ROUNDING * max(np.abs(null[:, :, c]).max(), np.abs(measured[:, c]).max())
        for part, count in ((influence[:, :texts, c], texts), (influence[:, texts:, c], draws)):
            part[np.abs(part) <= rounding / count] = 0.0
    return Replicates(value, influence, value[0])


def side_by_side_null(measured: Floats, null: Floats, resamples: Resamples, ends: tuple[float, float]) -> Bounds:
    """Bounds of `against_null`, means with Student's t beside them, some cells at a time: where there are a thousand, the
    influences of all of them in every resample would not fit into memory."""
    parts = [
        bootstrap_t(against_null(measured[:, c], null[:, :, c], resamples), resamples, means=True, ends=ends)
        for c in chunks(measured.shape[1], resamples.times.size)
    ]
    laws = [part.student for part in parts if part.student is not None]
    return Bounds(
        np.concatenate([part.theta for part in parts]),
        np.concatenate([part.se for part in parts]),
        np.concatenate([part.t for part in parts], axis=1),
        ends=ends,
        fixed_share=np.concatenate([part.fixed_share for part in parts if part.fixed_share is not None]),
        null_objects=resamples.null_objects,
        student=StudentT(*(np.concatenate([getattr(law, key) for law in laws]) for key in ("theta", "se", "df"))),
    )


def mean_replicates(values: Floats, resamples: Resamples) -> Replicates:
    """The mean over units of (unit, cell) values under every resample; influences (value - mean) / n.

    Values within `ROUNDING` of each other are one value: what their sums round to is no spread.
    """
    units, apart = len(values), values - values[0]
    apart[:, np.abs(apart).max(axis=0) <= ROUNDING * np.abs(values).max(axis=0)] = 0.0
    moved = resamples.times @ apart / units
    mean = values[0] + moved
    return Replicates(mean, (apart[None] - moved[:, None]) / units, mean[0])


def resample_draws(draws: int, *, count: int, rng: np.random.Generator) -> Resamples:
    """`count` resamples of null objects alone, where no text takes part."""
    return resample_groups(np.zeros(draws, dtype=np.int64), count=count, rng=rng)


def draw_bounds(
    own: Floats,
    null: Floats,
    resamples: Resamples,
    *,
    change: Literal["drop", "rise", "difference"],
    weights: Floats | None = None,
    ends: tuple[float, float] = (-np.inf, np.inf),
) -> Bounds:
    """Bounds of what a network's own number is beside the mean of its null objects, no text taking part.

    `own` is (cell,), exact; `null` (draw, cell). `drop` is 1 - own / mean, `rise` own / mean - 1, `difference` own - mean;
    `weights` (cell, contrast) makes linear combinations of them. The interval is the Monte Carlo error of the null mean: the
    draws are resampled, an effect's standard error is the spread of their influences (the change's derivative by the mean,
    times a draw's own deviation), and nothing is said of other networks. Exchangeable under resampling: the draws.
    """
    draws, cells = null.shape
    spread = null - null.mean(axis=0)
    # deviations that are rounding are none, so that null objects that all agree carry no bound
    spread[:, np.abs(spread).max(axis=0) <= tolerance(null)] = 0.0
    middle = null.mean(axis=0)
    mix = np.eye(cells) if weights is None else weights
    value, se = np.empty((len(resamples.times), mix.shape[1])), np.empty((len(resamples.times), mix.shape[1]))
    for rows in chunks(len(value), draws * (cells + mix.shape[1])):
        share = resamples.times[rows] / draws
        moved = share @ spread
        mean = middle + moved
        if change == "difference":
            effect, slope = own - mean, np.full_like(mean, -1.0)
        else:
            sign = 1.0 if change == "drop" else -1.0
            with np.errstate(divide="ignore", invalid="ignore"):
                effect, slope = sign * (1 - own / mean), sign * own / mean**2
        influence = ((spread[None] - moved[:, None]) * slope[:, None]) @ mix
        value[rows] = effect @ mix
        se[rows] = np.sqrt((share[:, :, None] * influence**2).sum(axis=1) / (draws - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        deviation = value[1:] - value[0]
        t = np.where(deviation == 0, 0.0, deviation / se[1:])
    return Bounds(value[0], se[0], t, ends=ends)
