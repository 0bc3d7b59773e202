"""Effects against null objects: networks of other weights, measured on the same texts, few because each is dear.

The unit of chance is the draw of a null object, that of sampling the text; both are resampled, crossed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.stats.bootstrap import Replicates, Resamples, resample_groups

Floats = NDArray[np.float64]
MIN_DRAWS = 20
"""Fewer null objects than this carry no bound."""


def resample_texts_and_draws(texts: int, draws: int, *, count: int, rng: np.random.Generator) -> Resamples:
    """`count` resamples of texts and, independently, of null objects: units are the texts first, then the draws."""
    return resample_groups(np.repeat([0, 1], [texts, draws]), count=count, rng=rng)


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
    return Replicates(value, influence, value[0])


def mean_replicates(values: Floats, resamples: Resamples) -> Replicates:
    """The mean over units of (unit, cell) values under every resample; influences (value - mean) / n."""
    units = len(values)
    mean = resamples.times @ values / units
    return Replicates(mean, (values[None] - mean[:, None]) / units, mean[0])
