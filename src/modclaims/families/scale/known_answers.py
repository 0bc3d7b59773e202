"""Known answers of claims about scale: models that read the same texts, and hold categories as strongly as planted.

What is a text's own is half shared by all layers of all models, as it is by the layers of one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.scale.models_differ import ModelsDiffer
from modclaims.families.scale.scale_trend import ScaleTrend
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import CROSSED, Family, by_law, labelled, places
from modclaims.planting.known import FLAT_DELTA, LAWS, WIDTH, Layout
from modclaims.planting.scenarios import EDGE, FLAT, NONE, Scenario
from modclaims.recording import Activations, Recording, Request

Floats = NDArray[np.float64]
PAIR = (2, 3)
"""Layers of the smaller and of the larger model."""
DEPTHS = (0.0, 0.25)
"""Relative depths at which they are compared: at their first layers, and between layers of both."""
SIZES = tuple(10 ** (6 + i / 2) for i in range(5))
"""Parameters of models of a trend: two factors of ten from the first to the last."""
MIDDLE = 0.45
"""Delta in the middle of a trend, so far from both ends of the scale that no model reaches them."""
SCATTER = 0.05
"""How models' deltas vary about the line."""
LADDER = tuple(np.linspace(0, 0.9, 13).tolist())
"""Deltas at which strengths are worked out; between them they are interpolated."""


def pair(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Two models with these strengths, the smaller one first."""
    return _recorded(rng, layout, law, strengths, (10**6, 10**7), PAIR)


def ladder(rng: np.random.Generator, layout: Layout, law: str, slope: float, strengths: tuple[float, ...]) -> Recording:
    """Models of `SIZES` of two layers, whose deltas scatter about a line; `strengths` are those of `LADDER`."""
    sizes = np.log10(SIZES)
    deltas = MIDDLE + slope * (sizes - sizes.mean()) + SCATTER * rng.standard_normal(len(sizes))
    each = np.interp(np.clip(deltas, LADDER[0], LADDER[-1]), LADDER, strengths)
    return _recorded(rng, layout, law, tuple(each.tolist()), tuple(round(size) for size in SIZES), (2,) * len(SIZES))


def _recorded(
    rng: np.random.Generator,
    layout: Layout,
    law: str,
    strengths: tuple[float, ...],
    parameters: tuple[int, ...],
    layers: tuple[int, ...],
) -> Recording:
    """What models of these strengths, sizes and layers made of the texts in their first two layers; the first is the run's own."""
    x = known.activations(rng, layout, law, tuple(s for s in strengths for _ in range(2)), WIDTH)
    asked, made = Activations("resid_post", (0, 1)), list[Recording]()
    for number, (count, depth) in enumerate(zip(parameters, layers, strict=True)):
        arrays: dict[tuple[Request, int], Floats] = {(asked, i): x[:, :, 2 * number + i] for i in range(2)}
        one = known.recording(layout, arrays, WIDTH, depth)
        made.append(replace(one, shape=replace(one.shape, name=f"model {number}", parameters=count)))
    others = {one.shape.name: one for one in made[1:]}
    return replace(made[0], shape=replace(made[0].shape, beside=tuple(one.shape for one in made[1:])), beside=others)


# ---- the families


def _apart(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    deltas = (FLAT_DELTA, FLAT_DELTA + scenario.effect(claim))
    return known.strengths_of_deltas(scenario.texts, scenario.law, deltas)


DIFFER = Family(
    ModelsDiffer,
    labelled(depths=DEPTHS, untrained=0),
    by_law(pair),
    _apart,
    places(CROSSED, LAWS[:2], (FLAT, EDGE)) + places(CROSSED, LAWS[:1], ("2 s", "3 s")),
    costly=True,
)


def _ladder(scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return ladder(rng, scenario.texts, scenario.law, scenario.effect(claim), strengths)


def _rungs(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return known.strengths_of_deltas(scenario.texts, scenario.law, LADDER)


TREND = Family(
    ScaleTrend,
    labelled(depths=(0.5,), untrained=0),
    _ladder,
    _rungs,
    places(CROSSED[1:], LAWS[:2], (NONE, EDGE)) + places(CROSSED[1:], LAWS[:1], ("2 s", "3 s")),
    costly=True,
)
