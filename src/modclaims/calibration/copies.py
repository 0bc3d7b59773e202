"""Texts into which one induction head copies tokens, and networks whose heads score what was planted.

A text opens with pairs of tokens, one a position that is read: the first comes again at that position, so that the second
is what an induction head copies there. It is drawn from a category's own tokens or from common ones. A text's vector at a
position holds the copied token, as strongly as the head pays attention to it, beside noise of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.calibration import known
from modclaims.calibration.known import HEADS, LAYERS, POSITIONS, Layout
from modclaims.families.copying import PAID, READ, SCORES
from modclaims.recording import Activations, InductionScores, Recording, Request

Floats = NDArray[np.float64]
COMMON, OWN = 20, 3
"""Tokens that all categories copy, and that each has for itself."""
SHARE, AGAIN = 0.75, 0.8
"""Share of copied tokens that are the category's own, and of positions whose token comes again."""
ATTENTION = (0.7, 0.95)
"""What the head pays to the token that it copies."""
NOISE_WIDTH = 32
LOOKED = (0, 1)
"""Layers that the claim looks at, after the one head that copies."""
BESIDE = 0.02
"""Inner product that two texts of a category have beside that of what is copied."""
SCORE, LITTLE = 0.9, 0.02
"""Induction scores of the head that copies and of all others."""
SPREAD, NULL_SPREAD = 0.1, 0.005
"""How a head's score varies over sequences, and over null objects."""


def copied(rng: np.random.Generator, layout: Layout, share: float) -> tuple[NDArray[np.int64], Floats]:
    """(text, position) tokens that are copied, and the attention that is paid to each, 0 where nothing came before."""
    shape = (layout.texts, POSITIONS)
    own = COMMON + OWN * layout.category[:, None] + rng.integers(0, OWN, shape)
    tokens = np.where(rng.random(shape) < share, own, rng.integers(0, COMMON, shape))
    return tokens, np.where(rng.random(shape) < AGAIN, rng.uniform(*ATTENTION, shape), 0.0)


def read_as(tokens: NDArray[np.int64], paid: Floats) -> NDArray[np.int64]:
    """(text, token) ids of the texts: pairs first, then the positions that are read."""
    queries = 1000 + np.arange(POSITIONS)
    opening = np.stack([np.broadcast_to(queries, tokens.shape), tokens], axis=2).reshape(len(tokens), -1)
    return np.concatenate([opening, np.where(paid > 0, queries, 2000 + queries)], axis=1)


def activations(
    rng: np.random.Generator, layout: Layout, tokens: NDArray[np.int64], paid: Floats, effect: float
) -> Floats:
    """(text, position, layer, unit) of length 1, whose cosines are those of copying, plus `effect` inside categories."""
    shape = (layout.texts, POSITIONS, len(LOOKED))
    noise = rng.standard_normal((*shape, NOISE_WIDTH))
    noise *= np.sqrt((1 - paid**2)[:, :, None, None] / (noise**2).sum(axis=-1, keepdims=True))
    brought = paid[:, :, None] * np.eye(COMMON + OWN * len(layout.sizes))[tokens]
    category = np.broadcast_to(np.eye(len(layout.sizes))[layout.category][:, None, None], (*shape, len(layout.sizes)))
    brought = np.broadcast_to(brought[:, :, None], (*shape, brought.shape[-1]))
    rest = np.sqrt(1 - effect)
    return np.concatenate([rest * brought, rest * noise, np.sqrt(effect) * category], axis=-1)


def recorded(layout: Layout, x: Floats, tokens: NDArray[np.int64], paid: Floats) -> Recording:
    """Activations (text, position, layer, unit) beside one head of the first layer that copies."""
    request = Activations("attn_out", LOOKED)
    arrays: dict[tuple[Request, int], Floats] = {(request, i): x[:, :, i] for i in LOOKED}
    for layer in range(LAYERS):
        scores, attention = np.full((SCORES.sequences, HEADS), LITTLE), np.full((*paid.shape, HEADS), LITTLE)
        if layer == 0:
            scores[:, 0], attention[:, :, 0] = SCORE, paid
        arrays |= {(SCORES, layer): scores, (PAID, layer): attention}
    arrays[READ, 0] = read_as(tokens, paid).astype(np.float64)
    positions = tuple(range(2 * POSITIONS, 3 * POSITIONS))
    return replace(known.recording(layout, arrays, x.shape[-1]), positions=positions)


def scored(
    rng: np.random.Generator, asked: InductionScores, draws: int, law: str, layout: Layout, effect: float
) -> Recording:
    """Scores of a network whose heads all lie `effect` above null objects, which differ a little; every answer of both."""
    own = known.deviations(rng, law, (asked.sequences, LAYERS * HEADS))
    null = NULL_SPREAD * known.deviations(rng, "normal", (draws, 1, LAYERS * HEADS))
    null = null + SPREAD / 10 * known.deviations(rng, "normal", (draws, asked.sequences, LAYERS * HEADS))
    arrays: dict[tuple[Request, int], Floats] = {}
    for seed, found in ((None, LITTLE + effect + SPREAD * own), *enumerate(LITTLE + null)):
        request = asked if seed is None else replace(asked, variant=f"untrained:{seed}")
        arrays |= {(request, i): found[:, HEADS * i : HEADS * (i + 1)] for i in range(LAYERS)}
    return known.recording(layout, arrays, known.WIDTH)
