"""Texts whose similarity inside a network is made of the words that they share, and of nothing else unless planted.

Words are drawn from a category's own vocabulary or from a common one. A text's vector is a point whose inner products
are a link of the texts' TF-IDF similarity, beside noise of its own and, where an effect is planted, its category's own
direction. What is recorded as read may be a corrupted copy, so that the proxy is noisy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common import controls
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.known import LAYERS, POSITIONS, Layout
from modclaims.planting.scenarios import BESIDE, Scenario
from modclaims.recording import Activations, Recording
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.rivals import spline_basis, tfidf_similarity

Floats = NDArray[np.float64]
LENGTH, COMMON, OWN, STRANGE = 60, 200, 25, 400
"""Words a text; size of the common vocabulary, of a category's own, and of the one that corrupts."""
SHARE = 0.3
"""Share of a text's words that come from its category's own vocabulary."""
NOISE, NOISE_WIDTH = 0.3, 32
"""Share of a text's vector that is its own, and in how many directions."""
EMBEDDED = 32
CURVE = 4.0
LINKS: Mapping[str, Callable[[Floats], Floats]] = {
    "straight link": lambda similarity: similarity,
    "curved link": lambda similarity: np.asarray(np.expm1(CURVE * similarity) / np.expm1(CURVE)),
}
"""How similarity inside the network follows from that of the words; both keep inner products what they are (Schur)."""
REAL = 0.02
"""Inner product that two texts of a category have beside that of their words."""
MISREAD = {f"{100 * share:g} % of words misread": share for share in (0.0, 0.1, 0.2, 0.5, 1.0)}
"""Laws under which the proxy reads a share of the words wrongly, and that share; the link is curved."""


def written(rng: np.random.Generator, layout: Layout) -> NDArray[np.int64]:
    """(text, word) words of every text."""
    own = COMMON + OWN * layout.category[:, None] + rng.integers(0, OWN, (layout.texts, LENGTH))
    common = rng.integers(0, COMMON, (layout.texts, LENGTH))
    return np.where(rng.random((layout.texts, LENGTH)) < SHARE, own, common)


def corrupted(rng: np.random.Generator, words: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """The same texts with a share of their words replaced by others that mean nothing."""
    strange = 10_000 + rng.integers(0, STRANGE, words.shape)
    return np.where(rng.random(words.shape) < share, strange, words)


def said(words: NDArray[np.int64]) -> tuple[str, ...]:
    """Texts as strings."""
    return tuple(" ".join(f"w{word}" for word in row) for row in words)


def embedded(words: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """(text, 1, unit) mean of random embeddings, one a word."""
    _, which = np.unique(words, return_inverse=True)
    table = rng.standard_normal((int(which.max()) + 1, EMBEDDED))
    return np.asarray(table[which.reshape(words.shape)].mean(axis=1, keepdims=True))


def activations(
    rng: np.random.Generator, layout: Layout, words: NDArray[np.int64], link: str, effect: float, layers: int
) -> Floats:
    """(text, position, layer, unit) whose cosines are the link of shared words, plus `effect` inside categories."""
    similarity = LINKS[link](tfidf_similarity(said(words)))
    values, vectors = np.linalg.eigh((similarity + similarity.T) / 2)
    shared = vectors * np.sqrt(np.maximum(values, 0.0))
    category = np.eye(len(layout.sizes))[layout.category]
    n = layout.texts
    own = rng.standard_normal((n, 1, layers, NOISE_WIDTH)) + rng.standard_normal((n, POSITIONS, layers, NOISE_WIDTH))
    own /= np.sqrt((own**2).sum(axis=-1, keepdims=True))

    def everywhere(x: Floats) -> Floats:
        return np.broadcast_to(x[:, None, None], (n, POSITIONS, layers, x.shape[1]))

    parts = (
        np.sqrt(1 - NOISE - effect) * everywhere(shared),
        np.sqrt(effect) * everywhere(category),
        np.sqrt(NOISE) * own,
    )
    return np.concatenate(parts, axis=-1)


def collinearity(rng: np.random.Generator, layout: Layout) -> float:
    """R^2 of "same category" on the spline of shared words, over pairs of texts: how much of it words could stand for."""
    design = Design.of([str(k) for k in layout.category])
    pairs = Pairs.of(design)
    proxy = pairs.vector(tfidf_similarity(said(written(rng, layout))))
    same = (design.labels[pairs.i] == design.labels[pairs.j]).astype(np.float64)
    basis = np.column_stack([np.ones(len(proxy)), spline_basis(proxy)])
    left = same - basis @ np.linalg.lstsq(basis, same, rcond=None)[0]
    return float(1 - left @ left / ((same - same.mean()) ** 2).sum())


def effect_and_share(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """(effect beside the words, share of words that the proxy reads wrongly)."""
    return (REAL if scenario.truth == BESIDE else 0.0, MISREAD.get(scenario.law, 0.0))


def planted(scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """Similarity made of shared words, read as they are or corrupted by the share in `strengths`."""
    layout, (effect, share) = scenario.texts, strengths
    text = written(rng, layout)
    link = "curved link" if scenario.law in MISREAD else scenario.law
    x = activations(rng, layout, text, link, effect, LAYERS)
    seen = corrupted(rng, text, share)
    arrays = known.by_layer(Activations("attn_out"), x)
    arrays[controls.EMBED, 0] = embedded(seen, rng)
    return replace(known.recording(layout, arrays, x.shape[-1]), read=said(seen))
