"""Curves along depth whose answer is known: shares of attention, sinks, magnitudes of heads, and streams that turn."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common.controls import EMBED
from modclaims.families.common.depth_curves import AFTER
from modclaims.families.depth.first_token_attention import SINK, SINK_TOKENS, SITE, AttentionSinks, FirstTokenAttention
from modclaims.families.depth.head_magnitudes import HeadMagnitudes, QuietMiddle
from modclaims.families.depth.residual_phases import ResidualPhases
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import (
    UNCATEGORISED,
    Family,
    Question,
    by_law,
    effect_alone,
    places,
    unlabelled,
    with_power,
)
from modclaims.planting.known import FREEDOM, HEADS, LAWS, LAYERS, POSITIONS, WIDE, Layout
from modclaims.planting.scenarios import EDGE, FLAT, NONE, Scenario
from modclaims.recording import Activations, Positions, Recording, Request
from modclaims.stats.effects.chunks import Shares
from modclaims.stats.effects.phases import Drawing, Phases

Floats = NDArray[np.float64]
ONE_END = "one end alone"
"""A curve that rises early and stays, so that of the two contrasts one alone is there."""
RISEN = (0.0, 0.4, 0.4, 0.4)
"""A curve that is lower at one end alone: no division has a contrast above 0 with both."""
SHARE, SHARE_SPREAD = 0.4, 0.08
"""Share of attention on the first token in a flat curve, and how texts vary about a curve in each layer."""
QUIET_SPREAD, RATIO_SPREAD = 0.3, 0.04
"""How texts vary: in log2 magnitude about a curve, in each layer and in all; and in the share that lies between layers."""
PHASED_LAYERS = 6
STEP = (0.0, 0.0, 1.0, 1.0, 1.0, 0.0)
"""Phases of a stream: where its cosine is higher."""
COSINE, COSINE_SPREAD = 0.5, 0.03
"""The cosine where it is lowest, and how texts vary in each layer."""


def of_contrast(effect: float) -> tuple[float, ...]:
    """(layer,) a curve in whose admissible divisions, middle 1 to 2 and middle 2, the lesser contrast is `effect`."""
    return (0.0, 2 * effect / 3, 4 * effect / 3, 0.0)


def attended(rng: np.random.Generator, layout: Layout, law: str, curve: tuple[float, ...]) -> Recording:
    """Shares of attention on the first token about a curve; heads and positions differ without changing their mean."""
    n = layout.texts
    common, own = (known.deviations(rng, law, (n, layers)) for layers in (1, LAYERS))
    mean = SHARE + np.array(curve) + SHARE_SPREAD * (common + own)
    around = np.linspace(-0.1, 0.1, HEADS)[None, None, :, None] * np.ones((n, POSITIONS, 1, 1))
    shares = mean[:, None, None, :] + around
    request = Activations(SITE, None, "first")
    found = known.recording(layout, {(request, i): shares[..., i] for i in range(LAYERS)}, known.WIDTH)
    return replace(found, positions=tuple(range(AFTER, AFTER + POSITIONS)))


def quiet(rng: np.random.Generator, layout: Layout, law: str, curve: tuple[float, ...]) -> Recording:
    """Magnitudes of heads whose logarithm lies below 0 by a curve; heads differ without changing their mean."""
    n = layout.texts
    common, own = (known.deviations(rng, law, (n, layers)) for layers in (1, LAYERS))
    mean = QUIET_SPREAD * (common + own) - np.array(curve)
    return _magnitudes(layout, mean[:, :, None] + np.linspace(-1, 1, HEADS))


def alike_in_layers(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Magnitudes of heads of whose variance this share, give or take a text's own, lies between layers."""
    shares = strengths[0] + RATIO_SPREAD * known.deviations(rng, law, (layout.texts,))
    shares = np.clip(shares, 0.001 - 1 / (HEADS - 1), 0.999)
    between = np.sqrt((1 + (HEADS - 1) * shares) / (HEADS * (1 - shares)))  # over what heads of a layer spread by
    layers, heads = (np.linspace(-1, 1, count) for count in (LAYERS, HEADS))
    layers, heads = (values / values.std(ddof=1) for values in (layers, heads))
    return _magnitudes(layout, between[:, None, None] * layers[:, None] + heads)


def _magnitudes(layout: Layout, logarithms: Floats) -> Recording:
    """Norms of (text, layer, head) binary logarithms, the same at every position."""
    norms, request = 2.0**logarithms, Activations("head_z", None, "norm")
    arrays: dict[tuple[Request, int], Floats] = {
        (request, i): np.repeat(norms[:, None, i], POSITIONS, axis=1) for i in range(LAYERS)
    }
    return known.recording(layout, arrays, known.WIDTH)


def sunk(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Heads of which this share gives half of its attention to the first token, in each text on its own.

    Under `unequal spread` the heads of a layer do so together in every other text, whose share then varies more.
    """
    drawn = rng.random((layout.texts, LAYERS, HEADS))
    if law == "unequal spread":
        drawn[1::2] = drawn[1::2, :, :1]
    sink = drawn < strengths[0]
    shares = np.where(sink, SINK + 0.2, SINK - 0.2)
    request = Activations(SITE, None, "first", Positions(f"0:{SINK_TOKENS}:1"))
    arrays: dict[tuple[Request, int], Floats] = {
        (request, i): np.repeat(shares[:, None, i], SINK_TOKENS, axis=1) for i in range(LAYERS)
    }
    return known.recording(layout, arrays, known.WIDTH)


def _variance(law: str) -> float:
    """Of a text's deviations in one layer, mean over texts."""
    if law == "unequal spread":
        return COSINE_SPREAD**2 * (1 + WIDE**2) / 2
    return COSINE_SPREAD**2 * (FREEDOM[law] / (FREEDOM[law] - 2) if law in FREEDOM else 1.0)


@lru_cache(maxsize=16)
def of_reduction(effect: float, law: str) -> tuple[float, ...]:
    """(layer,) cosines of which phases foretell others with `effect` less squared error than their best rival, in a large
    sample.

    With an effect the curve is phases themselves, high enough that the best rival's misfit is its share of the error;
    without one it is phases on a slope at which they fit as ill as a line.
    """
    step, slope = np.array(STEP), np.linspace(-0.5, 0.5, PHASED_LAYERS)
    phases = Phases(Shares(0.5, 0.25, 0.25).divisions(PHASED_LAYERS, "both"), PHASED_LAYERS)

    def misfit(curve: Floats, drawing: Drawing) -> float:
        return float(((curve - drawing(curve[None])[0]) ** 2).mean())

    if effect > 0:
        best = min(misfit(step, rival) for rival in phases.rivals().values())
        return tuple(COSINE + np.sqrt(_variance(law) * effect / (1 - effect) / best) * step)
    line = misfit(step, phases.rivals()["line"])

    from scipy.optimize import brentq

    tilt = brentq(lambda t: misfit(step + t * slope, phases.drawing) - line, 0.0, 10.0, xtol=1e-12)
    return tuple(COSINE + np.sqrt(_variance(law) / line) * (step + tilt * slope) / 2)


def of_one_end(law: str) -> tuple[float, ...]:
    """(layer,) cosines that rise after an early phase and stay, so that the last phase of three foretells nothing."""
    return tuple(COSINE - 0.2 + 8 * np.sqrt(_variance(law)) * (np.arange(PHASED_LAYERS) >= STEP.index(1.0)))


def streamed(rng: np.random.Generator, layout: Layout, law: str, curve: tuple[float, ...]) -> Recording:
    """A stream in the plane that turns in each layer by the angle whose cosine is the curve's, give or take a text's own."""
    n, layers = layout.texts, len(curve)
    cosines = np.clip(np.array(curve) + COSINE_SPREAD * known.deviations(rng, law, (n, layers)), -1, 1)
    angle = np.cumsum(np.pad(np.arccos(cosines), ((0, 0), (1, 0))), axis=1)
    states = np.stack([np.cos(angle), np.sin(angle)], axis=-1)  # (text, 1 + layer, unit)
    request = Activations("resid_post")
    arrays: dict[tuple[Request, int], Floats] = {(request, i): states[:, None, i + 1] for i in range(layers)}
    arrays[EMBED, 0] = states[:, None, 0]
    return replace(known.recording(layout, arrays, 2, layers), positions=(AFTER,))


# ---- the families


def _contrast(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return of_contrast(scenario.effect(claim))


def _reduction(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return of_reduction(scenario.effect(claim), scenario.law)


BY_CONTRAST = [*with_power(UNCATEGORISED), *places(UNCATEGORISED, LAWS[:1], (NONE,), ONE_END)]
AT_ONE_END = {ONE_END: Question(strengths=lambda scenario, claim: RISEN)}

FIRST_TOKEN = Family(FirstTokenAttention, unlabelled(untrained=0), by_law(attended), _contrast, BY_CONTRAST, AT_ONE_END)
QUIET_MIDDLE = Family(QuietMiddle, unlabelled(untrained=0), by_law(quiet), _contrast, BY_CONTRAST, AT_ONE_END)
SINKS = Family(
    AttentionSinks,
    unlabelled(untrained=0),
    by_law(sunk),
    effect_alone,
    places(UNCATEGORISED, LAWS[::2], (EDGE,)) + places(UNCATEGORISED, LAWS[:1], ("2 s",)),
)
MAGNITUDES = Family(
    HeadMagnitudes,
    unlabelled(untrained=0, smallest_effect=0.3),
    by_law(alike_in_layers),
    effect_alone,
    places(UNCATEGORISED, LAWS, (EDGE,)) + places(UNCATEGORISED, LAWS[:1], ("2 s",)),
)
PHASES = Family(
    ResidualPhases,
    unlabelled(untrained=0),
    by_law(streamed),
    _reduction,
    [*with_power(UNCATEGORISED, FLAT), *places(UNCATEGORISED, LAWS[:1], (NONE,), ONE_END)],
    {ONE_END: Question(strengths=lambda scenario, claim: of_one_end(scenario.law))},
)
