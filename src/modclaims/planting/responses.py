"""Planted responses, one number per text for each of some cells, whose effect is known.

Planted are means of categories whose omega^2 of raw responses is known in closed form. What is claimed of them is told by
ranks: which means make omega^2 of normal scores, or the superiority of a category, what it is said to be is found on large
samples of a fixed seed, each category weighing as it does in the layout (superiority: all alike). Responses of unequal
spread differ by category though their means do not, so that nothing is promised of p there.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from modclaims.planting import known
from modclaims.planting.known import FREEDOM, POSITIONS, Layout
from modclaims.stats.effects.normal_scores import doubled_midranks
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]


OUTLYING = {"1 % outliers": 0.01, "3 % outliers": 0.03}
"""Shares of texts whose deviations are `OUT` times as large."""
OUT = 10.0
SKEWED, WIDER, SILENT = "lognormal", "spread 1:5", "80 % silent"
SILENCE = 0.67
"""What a text's mean response must exceed to be any: .84 of its standard deviations, which are .79."""
CROWD = 48_000
"""Texts drawn to find a population's effect."""


def noise_of_means(layout: Layout, law: str) -> float:
    """Variance of a unit's mean response inside its category, averaged over units; inside mixed blocks, of a text's."""
    block, text = (0.25, 0.25) if layout.block > 1 else (0.0, 0.5)
    variance = block + (text + 0.5 / POSITIONS) / layout.block
    if layout.mixed:
        variance = text + 0.5 / POSITIONS
    share = np.array(layout.sizes) / sum(layout.sizes)
    heavy = FREEDOM[law] / (FREEDOM[law] - 2) if law in FREEDOM else 1.0
    return float(variance * heavy * share @ known.spread(layout, law) ** 2)


def category_means(layout: Layout, law: str, omega2: Floats) -> Floats:
    """(category, cell) means whose omega^2 = between / (between + within) is `omega2` in every cell, units weighing alike."""
    share = np.array(layout.sizes) / sum(layout.sizes)
    means = stream(0, "means").standard_normal((max(8, len(share)), len(omega2)))[: len(share)]
    means = means - share @ means
    between = omega2 / (1 - omega2) * noise_of_means(layout, law)
    return np.asarray(means * np.sqrt(between / (share @ means**2)))


def responses(rng: np.random.Generator, layout: Layout, law: str, omega2: Floats) -> Floats:
    """(text, position, cell) responses about 10 whose omega^2 over categories, given strata, is `omega2` (cell,)."""
    return planted(rng, layout, law, category_means(layout, law, omega2))


def planted(rng: np.random.Generator, layout: Layout, law: str, means: Floats) -> Floats:
    """(text, position, cell) responses about 10 with these (category, cell) means, and a shift of each stratum."""
    y = distorted(rng, layout, law, known.noise(rng, layout, law, means.shape[1], 1)[..., 0])
    y += means[layout.category][:, None]
    y = np.asarray(y + 0.5 * (layout.stratum - (layout.strata - 1) / 2)[:, None, None])
    if law == SILENT:  # at all positions of a text, or at none
        y = np.broadcast_to(np.maximum(y.mean(axis=1, keepdims=True) - SILENCE, 0.0), y.shape)
    return np.asarray(10 + y)


def distorted(rng: np.random.Generator, layout: Layout, law: str, noise: Floats) -> Floats:
    """(text, ...) noise as a law has it, text by text: of single ones far out, skewed, or of a last category five times as wide."""
    factor = np.ones(layout.texts)
    if law in OUTLYING:
        factor = np.where(rng.random(layout.texts) < OUTLYING[law], OUT, 1.0)
    if law == WIDER:
        factor = np.where(layout.category == len(layout.sizes) - 1, 5.0, 1.0)
    if law == SKEWED:
        return np.asarray((np.exp(noise) - np.exp(0.5)) / 2)
    return np.asarray(noise * factor.reshape(-1, *[1] * (noise.ndim - 1)))


@lru_cache(maxsize=128)
def _unit_responses(layout: Layout, law: str) -> tuple[Layout, Floats]:
    """A layout of many units, strata as they are, and (unit,) their mean responses of one cell, all means being 0."""
    many = max(1, CROWD // sum(layout.sizes))
    large = replace(layout, name="crowd", sizes=tuple(size * many for size in layout.sizes))
    rng = stream(0, "crowd of responses", layout.name, law)
    y = distorted(rng, large, law, known.noise(rng, large, law, 1, 1)[..., 0])[..., 0].mean(axis=1)
    return large, y


def omega2_of_scores(layout: Layout, law: str, means: Floats) -> float:
    """omega^2 of normal scores in the population, of one cell whose categories have these means.

    Aligned by strata of the layout's own size, of which there are many.
    """
    from scipy.special import ndtri

    large, noise = _unit_responses(layout, law)
    category, y = large.category, noise + means[large.category]
    if law == SILENT:
        y = np.maximum(y - SILENCE, 0.0)
    if large.mixed:  # each block is a stratum
        y = y.reshape(-1, large.block)
        y = (y - np.median(y, axis=1, keepdims=True)).ravel()
    elif large.block > 1:
        y, category = y.reshape(-1, large.block).mean(axis=1), category[:: large.block]
    if layout.strata > 1:
        each = [_split(np.flatnonzero(category == k), n // layout.strata) for k, n in enumerate(layout.sizes)]
        rows = np.concatenate(each, axis=1)
        y, category = (y[rows] - np.median(y[rows], axis=1, keepdims=True)).ravel(), category[rows].ravel()
    scores = ndtri(doubled_midranks(y[:, None], np.zeros(1))[:, 0] / (2 * (len(y) + 1)))
    share = np.array(layout.sizes) / sum(layout.sizes)
    groups = [scores[category == k] for k in range(len(share))]
    mean = np.array([g.mean() for g in groups])
    between = share @ (mean - share @ mean) ** 2
    return float(between / (between + share @ np.array([g.var() for g in groups])))


def _split(where: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """(stratum, unit of the category) as many whole strata as there are units for."""
    return where[: len(where) // size * size].reshape(-1, size)


@lru_cache(maxsize=512)
def raw_of_scores(layout: Layout, law: str, omega2: float, cells: int) -> tuple[float, ...]:
    """(cell,) omega^2 of raw responses at which that of normal scores is `omega2`."""
    if omega2 == 0:
        return (0.0,) * cells
    pattern = category_means(layout, law, np.full(cells, 0.5))  # whose omega^2 / (1 - omega^2) is 1

    def miss(length: float, c: int) -> float:
        return omega2_of_scores(layout, law, length * pattern[:, c]) - omega2

    lengths = [known.root(partial(miss, c=c), 6.0) for c in range(cells)]
    return tuple(length**2 / (1 + length**2) for length in lengths)


def delta_of_first(layout: Layout, law: str, means: Floats) -> float:
    """delta of the first category in the population, all others weighing the same, where categories have these means."""
    large, noise = _unit_responses(layout, law)
    category, y = large.category, noise + means[large.category]
    if law == SILENT:
        y = np.maximum(y - SILENCE, 0.0)
    if large.mixed:  # texts are held against those of their own block
        y, category = y.reshape(-1, large.block), category[: large.block]
        wins = np.sign(y[:, category == 0][:, :, None] - y[:, category != 0][:, None, :])
        return float(wins.mean())
    if large.block > 1:
        y, category = y.reshape(-1, large.block).mean(axis=1), category[:: large.block]
    mine, found = np.sort(y[category == 0]), []
    for k in range(1, len(layout.sizes)):
        other = y[category == k]
        below = np.searchsorted(mine, other, "left") + np.searchsorted(mine, other, "right")
        found.append(1 - float(below.mean()) / len(mine))
    return float(np.mean(found))


@lru_cache(maxsize=64)
def superior_means(layout: Layout, law: str, delta: float, cells: int) -> tuple[tuple[float, ...], ...]:
    """(category, cell) means at which delta of the first category is `delta`; those of the others lie .3 apart or so."""
    means = 0.3 * stream(0, "superior").standard_normal((len(layout.sizes), cells))

    def miss(shift: float, c: int) -> float:
        return delta_of_first(layout, law, np.concatenate([[shift - 3], means[1:, c]])) - delta

    for c in range(cells):
        means[0, c] = known.root(partial(miss, c=c), 20.0) - 3
    return tuple(map(tuple, means))
