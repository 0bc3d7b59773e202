"""Known answers of claims that turn a basis at random: directions that no basis prefers, and tokens with a spike."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.calibration import known
from modclaims.calibration.family import (
    MIDDLE,
    UNCATEGORISED,
    Family,
    by_law,
    labelled,
    nothing,
    places,
    unlabelled,
)
from modclaims.calibration.known import AXES, CROWD, LAWS, LAYERS, POSITIONS, WIDTH, Layout
from modclaims.calibration.scenarios import EDGE, NONE, PERMUTATIONS, Scenario
from modclaims.families.axes_against_rotations import AxesAgainstRotations
from modclaims.families.heavy_tails import FIRST, HeavyTails
from modclaims.hypothesis import Hypothesis
from modclaims.recording import Activations, Recording
from modclaims.stats.rotations import gaussian_kurtosis, kurtosis
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]


def _turned(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Categories differ, along directions that no basis prefers."""
    x = known.noise(rng, layout, law, LAYERS, AXES)
    x += 0.5 * rng.standard_normal((len(layout.sizes), LAYERS, AXES))[layout.category][:, None]
    return known.recording(layout, known.by_layer(Activations("resid_post"), x), AXES)


AGAINST_ROTATIONS = Family(
    AxesAgainstRotations,
    labelled(rotations=PERMUTATIONS, splits=5, outliers=None),
    by_law(_turned),
    nothing,
    places((MIDDLE, "64 crossed"), LAWS[:2], (NONE,)),
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
