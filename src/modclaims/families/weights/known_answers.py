"""Known answers of claims about weights: one layer's matrices, with modules or neurons that point at tokens."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.families.weights.token_directions import OVDirections
from modclaims.families.weights.token_neuron_congruence import TokenNeuronCongruence
from modclaims.families.weights.weight_clusterability import WeightClusterability
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import ALONE, Family, places, unlabelled
from modclaims.planting.known import LAWS, root
from modclaims.planting.scenarios import EDGE, NONE, Scenario
from modclaims.recording import EMBEDDINGS, Recording, Request, Weights
from modclaims.stats.maps.token_directions import largest_products, random_units
from modclaims.stats.maps.weight_graphs import WeightGraph, clustered, shuffled
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
WIDTH, TOKENS, LARGEST, PARTS = 8, 64, 1, 3
"""Of networks of one layer: their width, vocabulary, largest dot products a neuron, parts of their weight graph."""
ENDLESS, SOME = 4000, 400
"""Null objects whose mean stands for that of endlessly many; and for its slope."""
AT_ONCE = 20
"""As many of those that are cheap stand for each."""
DRAWN = 119
"""Null objects of the claims: levels are multiples of 1/120."""


def matrices(family: str, rng: np.random.Generator | None, strength: float) -> dict[str, Floats]:
    """Matrices that claims of a family read, by name: noise, with modules or neurons that point at tokens of some strength.

    Without `rng` always those of one network, so that its effect is a continuous function of the strength.
    """
    draw = stream(0, "weights", family) if rng is None else rng
    width, neurons = WIDTH, 4 * WIDTH
    if family == "WeightClusterability":
        inside = np.arange(neurons)[:, None] % PARTS == np.arange(width) % PARTS
        reads, writes = (draw.standard_normal((neurons, width)) * np.where(inside, 1 + strength, 1) for _ in range(2))
        return {"mlp_in": reads, "mlp_out": writes.T}
    tokens = draw.standard_normal((TOKENS, width))
    if family == "TokenNeuronCongruence":
        aimed = tokens[draw.permutation(TOKENS)[:neurons]]
        noise = draw.standard_normal((neurons, width))
        return {"embedding": tokens, "mlp_in": noise + strength * aimed}
    square = {name: draw.standard_normal((width, width)) for name in ("v", "o")}
    return {"embedding": tokens, "unembedding": draw.standard_normal((TOKENS, width)), **square}


def _effect(family: str, strength: float, draws: int) -> float:
    """The effect that so many null objects give, the same ones whatever the strength."""
    rng, found = stream(0, "null objects", family), matrices(family, None, strength)
    if family == "WeightClusterability":
        mlp = tuple(np.abs(m).astype(np.float32) for m in (found["mlp_out"].T, found["mlp_in"]))

        def cut(*sides: NDArray[np.generic]) -> float:
            return float(clustered(WeightGraph.of(*sides), (PARTS,))[0, 0])

        null = [cut(*(shuffled(m, rng.permutation(m.size), "matrix") for m in mlp)) for _ in range(draws)]
        return 1 - cut(*mlp) / float(np.mean(null))
    tokens = (found["embedding"] - found["embedding"].mean(axis=0)).astype(np.float32)
    lengths = np.linalg.norm(found["mlp_in"], axis=1)
    count, width, mean = len(lengths), tokens.shape[1], np.zeros(len(lengths))
    for _ in range(draws):  # cheap enough to take many at a time
        drawn = random_units(AT_ONCE * count, width, rng)
        mean += largest_products(drawn, tokens, LARGEST).reshape(AT_ONCE, count).mean(axis=0) / draws
    return float(largest_products(found["mlp_in"], tokens, LARGEST).mean() / (lengths * mean).mean() - 1)


@lru_cache(maxsize=16)
def strength_of(family: str, effect: float) -> float:
    """The strength at which a network's effect is `effect`: by bisection among some null objects, then a step among many."""
    near = root(lambda strength: _effect(family, strength, SOME) - effect, 30.0)
    step = 0.02
    slope = (_effect(family, near + step, SOME) - _effect(family, near - step, SOME)) / (2 * step)
    return near - (_effect(family, near, ENDLESS) - effect) / slope


def _planted(
    scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]
) -> Recording:
    """One layer's matrices: noise, or a fixed network of one strength where there is an effect, whose null objects vary."""
    found = matrices(scenario.family, rng if scenario.truth == NONE else None, strengths[0])
    arrays: dict[tuple[Request, int], Floats] = {
        (Weights(name, None if name in EMBEDDINGS else (0,)), 0): values for name, values in found.items()
    }
    return known.recording(scenario.texts, arrays, WIDTH, 1)


def _strengths(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    effect = scenario.effect(claim)
    return (strength_of(scenario.family, effect) if effect else 0.0,)


BY_WEIGHTS = places((ALONE,), LAWS[:1], (NONE, EDGE, "2 s"))

DIRECTIONS = Family(
    OVDirections,
    unlabelled(layers=(0,), draws=DRAWN, tokens=4),
    _planted,
    lambda scenario, claim: (0.0,),
    places((ALONE,), LAWS[:1], (NONE,)),
    tested=True,
)
CONGRUENCE = Family(
    TokenNeuronCongruence,
    unlabelled(layers=(0,), draws=DRAWN, largest=LARGEST),
    _planted,
    _strengths,
    BY_WEIGHTS,
    tested=True,
)
CLUSTERABILITY = Family(
    WeightClusterability,
    unlabelled(layers=(0,), draws=DRAWN, clusters=PARTS, others=(), smallest_effect=0.2),
    _planted,
    _strengths,
    BY_WEIGHTS,
    tested=True,
    costly=True,
)
