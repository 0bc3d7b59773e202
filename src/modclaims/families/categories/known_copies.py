"""Known answers of claims beyond induction: texts into which one induction head copies tokens.

A text opens with pairs of tokens, one a position that is read: the first comes again at that position, so that the second
is what an induction head copies there. It is drawn from a category's own tokens or from common ones. A text's vector at a
position holds the copied token, as strongly as the head pays attention to it, beside noise of its own.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.categories import known_clustering as clustering
from modclaims.families.categories.induction_explanation import InductionExplanation
from modclaims.families.common.copying import PAID, READ, SCORES
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import (
    CROSSED,
    Family,
    Question,
    by_law,
    labelled,
    places,
)
from modclaims.planting.known import HEADS, LAWS, LAYERS, POSITIONS, WIDTH, Layout
from modclaims.planting.scenarios import EDGE, NONE, Scenario
from modclaims.recording import Activations, Recording, Request

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
COPIED, BESIDE_COPIES = "beyond induction", "beside copied tokens"


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


def _copied(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Similarity made of copied tokens, and of whatever is planted beside them."""
    tokens, paid = copied(rng, layout, SHARE)
    return recorded(layout, activations(rng, layout, tokens, paid, strengths[0]), tokens, paid)


def _not_copied(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Similarity of categories; the tokens that are copied are of no category, and no part of what is similar."""
    tokens, paid = copied(rng, layout, 0.0)
    return recorded(layout, known.activations(rng, layout, law, strengths[: len(LOOKED)], WIDTH), tokens, paid)


def _beside(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (BESIDE if scenario.truth == BESIDE_COPIES else 0.0,)


EXPLANATION = Family(
    InductionExplanation,
    labelled(layers=LOOKED),
    by_law(_not_copied),
    clustering.alike,
    [
        *places(CROSSED[1:], LAWS[:1], (NONE, BESIDE_COPIES), COPIED),
        *places(CROSSED[1:], LAWS, (NONE, EDGE)),
        *places(CROSSED[1:], LAWS[:1], ("2 s",)),
    ],
    {COPIED: Question(plant=by_law(_copied), strengths=_beside, supported=True)},
    costly=True,
)
