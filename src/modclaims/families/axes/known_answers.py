"""Known answers of claims about axes: responses along them, directions that no basis prefers, and tokens with a spike."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.families.axes.axes_against_rotations import AxesAgainstRotations
from modclaims.families.axes.axis_streams import AxisStreams
from modclaims.families.axes.heavy_tails import FIRST, HeavyTails
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import (
    MIDDLE,
    UNCATEGORISED,
    Family,
    Question,
    by_law,
    exchanges,
    labelled,
    nothing,
    places,
    unlabelled,
)
from modclaims.planting.known import AXES, CROWD, LAWS, LAYERS, POSITIONS, WIDTH, Layout
from modclaims.planting.responses import (
    noise_of_means,
    raw_of_scores,
    responses,
)
from modclaims.planting.scenarios import EDGE, NONE, PERMUTATIONS, SIZE, SIZE_CELLS, Scenario
from modclaims.planting.shuffled import LAST
from modclaims.recording import Activations, Recording
from modclaims.stats.nulls.rotations import gaussian_kurtosis, kurtosis
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]


def _turned(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Categories differ, along directions that no basis prefers."""
    x = known.noise(rng, layout, law, LAYERS, AXES)
    x += 0.5 * rng.standard_normal((len(layout.sizes), LAYERS, AXES))[layout.category][:, None]
    return known.recording(layout, known.by_layer(Activations("resid_post"), x), AXES)


MASSIVE = {"one massive coordinate": 1, "three massive coordinates": 3}
"""Laws under which coordinates are of unequal size, and so many of them massive and unrelated to categories."""
SCALED, HUGE = 64, 30.0
"""Coordinates under these laws, and how large the massive ones are beside the median one."""
AN_AXIS, AWAY = "an axis six sd out", 6.0
"""What an axis tells beyond random directions is twice the smallest effect there, and less further out, where they tell all."""


def _unequal(x: Floats, rng: np.random.Generator, law: str) -> Floats:
    """The same data in other units, each coordinate in its own; massive ones come last."""
    size = np.exp(rng.standard_normal(x.shape[-1]))
    size[x.shape[-1] - MASSIVE.get(law, 0) :] = HUGE
    return np.asarray(x * size)


def _unrelated(rng: np.random.Generator, layout: Layout, law: str) -> Recording:
    """Categories differ along directions that no basis of the other coordinates prefers, and not where massive ones lie."""
    x = known.noise(rng, layout, "normal", LAYERS, SCALED)
    centres = 0.5 * rng.standard_normal((len(layout.sizes), LAYERS, SCALED))
    centres[..., SCALED - MASSIVE[law] :] = 0
    x += centres[layout.category][:, None]
    return known.recording(layout, known.by_layer(Activations("resid_post"), _unequal(x, rng, law)), SCALED)


def _nowhere(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    return _unrelated(rng, layout, law) if law in MASSIVE else _turned(rng, layout, law, strengths)


def _on_an_axis(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Categories stand in a row along the first coordinate, so many standard deviations of texts' means from its middle."""
    x = known.noise(rng, layout, "normal", LAYERS, SCALED)
    row = np.arange(len(layout.sizes)) - (len(layout.sizes) - 1) / 2
    away = strengths[0] * np.sqrt(noise_of_means(layout, "normal")) * row / row.std()
    x[..., 0] += away[layout.category][:, None, None]
    return known.recording(layout, known.by_layer(Activations("resid_post"), _unequal(x, rng, law)), SCALED)


AGAINST_ROTATIONS = Family(
    AxesAgainstRotations,
    labelled(rotations=PERMUTATIONS, splits=5),
    by_law(_nowhere),
    nothing,
    places((MIDDLE, "64 crossed"), LAWS[:2], (NONE,))
    + places((MIDDLE,), tuple(MASSIVE), (NONE,))
    + places((MIDDLE,), (LAWS[0], *MASSIVE), ("2 s",), AN_AXIS),
    {AN_AXIS: Question(plant=by_law(_on_an_axis), strengths=lambda scenario, claim: (AWAY,))},
    tested=True,
)


def tokens(rng: np.random.Generator, texts: int, layers: int, width: int, spike: float) -> Floats:
    """(text, 1 + position, layer, unit) tokens alike in all directions but for `spike` on the first coordinate.

    Their lengths do not matter: kurtosis over a token's coordinates knows none.
    """
    x = rng.standard_normal((texts, 1 + POSITIONS, layers, width))
    x[..., 0] += spike
    return np.asarray(x)


@lru_cache(maxsize=8)
def spike_of_kurtosis(above: float, width: int) -> float:
    """The spike at which a token's kurtosis lies `above` that of its rotations, 3 (d - 1) / (d + 1) whatever the token."""
    crowd = stream(0, "tokens", str(width)).standard_normal((4 * CROWD, width))

    def miss(spike: float) -> float:
        x = crowd.copy()
        x[:, 0] += spike
        return float(kurtosis(x).mean()) - gaussian_kurtosis(width) - above

    # noise of the crowd lies well below `above` at spike 0, and kurtosis rises from there
    return known.root(miss)


def _spiked(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    x = tokens(rng, layout.texts, LAYERS, WIDTH, strengths[0])
    every = known.by_layer(Activations("resid_post"), x[:, 1:])
    return known.recording(layout, every | known.by_layer(Activations("resid_post", positions=FIRST), x[:, :1]), WIDTH)


def _spike(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    effect = scenario.effect(claim)
    return (spike_of_kurtosis(effect, WIDTH) if effect else 0.0,)


HEAVY_TAILS = Family(HeavyTails, unlabelled(), by_law(_spiked), _spike, places(UNCATEGORISED, LAWS[:1], (NONE, EDGE)))


AT_LAST, LEARNED = "in the last layer", "components in splits"


def _axes(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    y = responses(rng, layout, law, np.array(strengths))
    arrays = known.by_layer(Activations("resid_post"), y.reshape(*y.shape[:2], LAYERS, AXES))
    return known.recording(layout, arrays, AXES)


def _of_axes(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return raw_of_scores(scenario.texts, scenario.law, scenario.effect(claim), LAYERS * AXES)


STREAMS = Family(
    AxisStreams,
    labelled(),
    by_law(_axes),
    _of_axes,
    [
        *places(("12 (4/4/4)", MIDDLE, "64 crossed"), LAWS[:2], (NONE, EDGE)),
        *places((MIDDLE,), LAWS[:2], (NONE,), LEARNED),
        *exchanges(AT_LAST),
    ],
    {AT_LAST: Question({"layers": (LAST,)}), LEARNED: Question({"basis": "pca", "components": 3, "splits": 5})},
    unpromised={"unequal spread": (SIZE, SIZE_CELLS)},
    tested=True,
)
