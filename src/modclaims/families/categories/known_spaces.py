"""Known answers of crossed factors, of subspaces and of low rank: planted activations, and the effect of each.

What subspaces and components tell depends on how many texts they are learned from, so that their effects are those of the
layout itself: means over many data sets of the texts learned from and of others, from the same noise at every strength.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.families.categories.low_rank_similarity import IN_HALF, LEVEL, LowRankSimilarity
from modclaims.families.categories.subspace_separation import SubspaceSeparation
from modclaims.families.categories.within_versus_style import WithinVersusStyle
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import CROSSED, SPLITTABLE, Family, Plant, by_law, labelled, places
from modclaims.planting.known import LAWS, STRATUM, WIDTH, Layout
from modclaims.planting.scenarios import EDGE, FLAT, NONE, Scenario
from modclaims.recording import Activations, Recording
from modclaims.stats.bounds.splits import halves, part
from modclaims.stats.spectra.parallel_analysis import (
    LowRank,
    centred_directions,
    coordinate_orders,
    permuted,
    rank,
    shares,
)
from modclaims.stats.spectra.subspaces import bases, held, spherical
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
SECOND = 1.5
"""Strength of the second of two crossed factors."""
DIMENSIONS = 2
"""Of a category's subspace."""
ALONG = 2.5
"""How far texts vary along their category's subspace."""
PLACE = 1.5
"""How far categories lie apart, which subspaces of variation do not know."""
SETS = 120
"""Data sets that an effect is worked out from."""
MANY = 25
"""How many times its texts a layout's crowd has, on which is measured what was learned."""
LOOKED = (0, 1)
"""Layers that claims look at, of which each takes its time; both are planted alike."""


def _units(layout: Layout) -> Units:
    return Units.of(known.corpus(layout), "category", "topic" if layout.strata > 1 else None)


def _crowd(layout: Layout) -> Layout:
    """The layout with many times its texts."""
    return replace(layout, name=f"{MANY} x {layout.name}", sizes=tuple(MANY * size for size in layout.sizes))


def _recorded(site: str, of: Callable[[np.random.Generator, Layout, str, tuple[float, ...]], Floats]) -> Plant:
    def made(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
        x = of(rng, layout, law, strengths)
        return known.recording(layout, known.by_layer(Activations(site, LOOKED), x), WIDTH)

    return by_law(made)


# ---- crossed factors


def crossed(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Floats:
    """(text, position, layer, unit): noise, a direction a category of one strength per layer, and one per stratum."""
    x = known.noise(rng, layout, law, len(strengths), WIDTH)
    where = np.arange(layout.texts)
    x[where, :, :, layout.category] += np.array(strengths)
    x[where, :, :, len(layout.sizes) + layout.stratum] += SECOND
    return x


def population_difference(law: str, strength: float) -> float:
    """Cliff's delta of the category within strata minus that of the stratum within categories."""
    crowd = known.crowd(law)

    def unit(category: int, stratum: int) -> Floats:
        x = crowd.copy()
        x[..., category] += strength
        x[..., 4 + stratum] += SECOND
        x /= np.sqrt((x * x).sum(axis=-1, keepdims=True))
        return np.asarray(x.reshape(len(x), -1))

    here = unit(0, 0)
    cosines = [
        np.sort(np.concatenate([np.einsum("ud,ud->u", here, np.roll(other, k, axis=0)) for k in range(1, 5)]))
        for other in (here, unit(1, 0), unit(0, 1))
    ]
    below = [np.searchsorted(cosines[0], other).mean() / len(cosines[0]) for other in cosines[1:]]
    return float(2 * (below[1] - below[0]))


@lru_cache(maxsize=16)
def strength_of_difference(law: str, difference: float) -> float:
    """The category's strength at which the population's difference of deltas is `difference`."""
    if difference == 0:  # both factors are alike
        return SECOND
    return known.root(lambda strength: population_difference(law, strength) - difference)


def _difference(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (strength_of_difference(scenario.law, round(scenario.effect(claim), 9)),) * len(LOOKED)


WITHIN_VERSUS_STYLE = Family(
    WithinVersusStyle,
    labelled(layers=LOOKED),
    _recorded("attn_out", crossed),
    _difference,
    places(CROSSED, LAWS[:2], (FLAT, EDGE)) + places(CROSSED, LAWS[:1], ("2 s", "3 s")),
    costly=True,
)


# ---- subspaces


def varied(rng: np.random.Generator, layout: Layout, law: str, common: tuple[float, ...]) -> Floats:
    """(text, position, layer, unit): texts vary along axes that all categories have, by the share `common` of their
    variance along axes, and along axes of their category's own; categories, and strata, lie apart."""
    x = known.noise(rng, layout, law, len(common), WIDTH)
    texts, categories = np.arange(layout.texts), len(layout.sizes)
    along = ALONG * rng.standard_normal((layout.blocks, 1, len(common), DIMENSIONS))
    along *= (known.tails(rng, law, layout.blocks))[:, None, None, None]
    along = np.repeat(along, layout.block, axis=0) * known.spread(layout, law)[layout.category][:, None, None, None]
    share = np.array(common)
    for axis in range(DIMENSIONS):
        x[..., axis] += np.sqrt(share) * along[..., axis]
        x[texts, :, :, DIMENSIONS * (1 + layout.category) + axis] += np.sqrt(1 - share) * along[..., axis]
    x[texts, :, :, WIDTH - 1 - layout.category] += PLACE
    x[..., DIMENSIONS * (1 + categories)] += STRATUM * layout.stratum[:, None, None]
    return x


def population_separation(layout: Layout, law: str, common: float) -> float:
    """1 - share that others' subspaces hold / share that the own one holds, of texts that were not learned from."""
    units, many = _units(layout), _units(_crowd(layout))
    drawn = varied(stream(0, "separation", layout.name, law), _crowd(layout), law, (common,))
    rows = spherical(many.responses(drawn[:, :, 0].mean(axis=1)), many.design, "own")
    own, other = 0.0, 0.0
    for number in range(SETS):
        rng = stream(0, "separation", layout.name, law, str(number))
        first = halves(units.design, rng)[0]
        vectors = units.responses(varied(rng, layout, law, (common,))[:, :, 0].mean(axis=1))
        learning = part(units.design, first)
        mine, theirs = held(rows, many.design, bases(spherical(vectors[first], learning, "own"), learning, DIMENSIONS))
        for k in range(learning.k):
            own += float(mine[many.design.labels == k].mean())
            other += float(theirs[many.design.labels == k].mean())
    return 1 - other / own


@lru_cache(maxsize=32)
def common_of_separation(layout: Layout, law: str, separation: float) -> float:
    """The share of variance along common axes at which the separation is `separation`."""
    if separation == 0:
        return 1.0
    return known.root(lambda common: separation - population_separation(layout, law, common), high=1.0)


def _separation(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (common_of_separation(scenario.texts, scenario.law, round(scenario.effect(claim), 9)),) * len(LOOKED)


SEPARATION = Family(
    SubspaceSeparation,
    labelled(relabellings=99, layers=LOOKED, splits=5),
    _recorded("resid_post", varied),
    _separation,
    [
        *places(SPLITTABLE[:1], LAWS, (NONE, EDGE)),
        *places(SPLITTABLE[:1], LAWS[:1], ("2 s", "3 s")),
        *places(SPLITTABLE[1:2], LAWS[:1], (NONE, EDGE)),
    ],
    tested=True,
    costly=True,
)


# ---- low rank


def factored(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Floats:
    """(text, position, layer, unit): noise, and one factor a layer that moves all coordinates of a text."""
    x = known.noise(rng, layout, law, len(strengths), WIDTH)
    factor = rng.standard_normal((layout.blocks, 1, len(strengths), 1)) * np.array(strengths)[:, None]
    factor = factor * known.tails(rng, law, layout.blocks)[:, None, None, None]
    factor = np.repeat(factor, layout.block, axis=0) * known.spread(layout, law)[layout.category][:, None, None, None]
    x += factor / np.sqrt(WIDTH) * np.where(np.arange(WIDTH) % 2, -1.0, 1.0)
    x += STRATUM * (layout.stratum[:, None, None, None] == np.arange(WIDTH))
    return x


def population_excess(layout: Layout, law: str, strength: float) -> float:
    """Share of variance of unseen texts along the components found, beyond that of permuted coordinates."""
    units, many = _units(layout), _units(_crowd(layout))
    drawn = factored(stream(0, "excess", layout.name, law), _crowd(layout), law, (strength,))
    unseen = centred_directions(many.responses(drawn[:, :, 0]), many.design)
    above, below = 0.0, 0.0
    for number in range(SETS // 4):  # one factor is soon known
        rng = stream(0, "excess", layout.name, law, str(number))
        first = halves(units.design, rng)[0]
        tokens = units.responses(factored(rng, layout, law, (strength,))[:, :, 0])
        learning = part(units.design, first)
        x = centred_directions(tokens[first], learning)
        null = np.stack([shares(permuted(x, coordinate_orders(learning, WIDTH, rng))) for _ in range(IN_HALF)])
        along, total = LowRank.of(x, max(1, rank(shares(x), null, LEVEL))).excess(unseen)
        above += float(along.sum())
        below += float(total.sum())
    return above / below


@lru_cache(maxsize=32)
def strength_of_excess(layout: Layout, law: str, excess: float) -> float:
    """The factor's strength at which the excess share is `excess`."""
    if excess == 0:
        return 0.0
    return known.root(lambda strength: population_excess(layout, law, strength) - excess, high=8.0)


def _excess(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (strength_of_excess(scenario.texts, scenario.law, round(scenario.effect(claim), 9)),) * len(LOOKED)


LOW_RANK = Family(
    LowRankSimilarity,
    labelled(draws=99, layers=LOOKED, splits=5),
    _recorded("resid_post", factored),
    _excess,
    [
        *places(SPLITTABLE[:1], LAWS, (NONE, EDGE)),
        *places(SPLITTABLE[:1], LAWS[:1], ("2 s",)),
        *places(SPLITTABLE[1:2], LAWS[:1], (NONE, EDGE)),
    ],
    tested=True,
    costly=True,
)
