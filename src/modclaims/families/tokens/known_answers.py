"""Known answers of maps back to the tokens read: streams that keep their input behind noise, or along known directions.

What a map tells depends on how many texts it is learned from, so that effects are those of the layout itself: means over many
data sets, from the same noise at every strength.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common.units import Sample
from modclaims.families.tokens.decoded import Decoded, Tried, others_mean
from modclaims.families.tokens.input_outside_unembedding import FOLDS as PENALTY_FOLDS
from modclaims.families.tokens.input_outside_unembedding import InputOutsideUnembedding
from modclaims.families.tokens.input_reconstruction import InputReconstruction
from modclaims.families.tokens.token_maps import EMBEDDING, Tokens
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import UNCATEGORISED, Family, Question, by_law, places, unlabelled
from modclaims.planting.known import LAWS, LAYERS, POSITIONS, WIDTH, Layout
from modclaims.planting.scenarios import EDGE, NONE, PERMUTATIONS, Scenario
from modclaims.recording import Activations, Recording, TokenIds, Weights
from modclaims.stats.maps.retrieval import Vocabulary, one_cycle
from modclaims.stats.maps.ridge import Inputs, Ridge, best_penalty, cross_fitted, folds_of, leading_inputs
from modclaims.stats.quantifiers import somewhere
from modclaims.stats.spectra.overlaps import leading_directions, overlap
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
TOLD = "told at a layer"
OFFSETS, OFFSET = "texts set apart", 2.0
"""A law under which each text's stream lies off by a vector of its own, which its tokens share, and how far: its length varies as
Student's t of three degrees of freedom does, so that some texts lie far out."""
TYPES = 32
"""Tokens of the vocabulary."""
NEAREST, FOLDS = 2, 3
"""Of the claims that are calibrated."""
KEPT = 1.5
"""Strength of the input in a stream that keeps it to the middle of its depth; its noise is of variance 1 a unit."""
STEEPEST = 1.2
"""The largest tilt of strengths along depth, as the logarithm of a factor."""
STRENGTHS = {
    "share": np.geomspace(KEPT * np.exp(-STEEPEST / 2), KEPT * np.exp(STEEPEST / 2), 7),
    "selectivity": np.geomspace(0.2, 1.2, 7),
}
"""Strengths at which it is worked out what is found."""
READ, PLAIN = 2, 0.3
"""Directions that a token is told from, and strength of the embedding's others beside them."""
LOOKED_AT = 2
"""Layers of a claim about directions."""
SETS = 300
"""Data sets that an effect is worked out from."""
FIRST = 5
"""Position of the first token read."""


def _typed(rng: np.random.Generator, layout: Layout) -> Codes:
    """(text, position) ids, every type alike frequent."""
    return rng.integers(0, TYPES, size=(layout.texts, POSITIONS))


@lru_cache(maxsize=1)
def _embedding() -> Floats:
    """(token, unit) the network's embedding, which is the same in all data sets: claims are about one network."""
    return stream(0, "embedding").standard_normal((TYPES, WIDTH))


def _recorded(layout: Layout, ids: Codes, embedding: Floats, x: Floats, unembedding: Floats | None) -> Recording:
    """Planted streams as a recorder would answer with them; x is (text, position, layer, unit)."""
    layers, every = x.shape[2], Activations("resid_post")
    told = np.concatenate([np.zeros((len(ids), FIRST)), ids], axis=1)
    arrays = known.by_layer(every, x)
    arrays |= {(EMBEDDING, 0): embedding, (TokenIds(FIRST + POSITIONS), 0): told}
    if unembedding is not None:
        arrays[Weights("unembedding"), 0] = unembedding
    return known.recording(layout, arrays, x.shape[-1], layers)


# ---- tokens told along depth, or at any layer


def behind_noise(
    rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]
) -> tuple[Codes, Floats, Floats]:
    """Ids, the embedding, and (text, position, layer, unit) streams that hold it at a strength per layer, behind noise."""
    ids, embedding = _typed(rng, layout), _embedding()
    x = known.noise(rng, layout, law, len(strengths), WIDTH)
    x += embedding[ids][:, :, None] * np.array(strengths)[:, None]
    if law == OFFSETS:
        far = OFFSET * rng.standard_t(3, (layout.texts, 1, 1, 1))
        x += far * rng.standard_normal((layout.texts, 1, 1, WIDTH))
    return ids, embedding, x


def told(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Such streams as a recording."""
    ids, embedding, x = behind_noise(rng, layout, law, strengths)
    return _recorded(layout, ids, embedding, x, None)


def falling(tilt: float) -> tuple[float, ...]:
    """(layer,) strengths that fall along depth, by a factor of exp(tilt)."""
    return tuple((KEPT * np.exp(-tilt * (np.arange(LAYERS) / (LAYERS - 1) - 0.5))).tolist())


def _found(layout: Layout, law: str, strength: float, number: int, what: str) -> float:
    """Of one data set, the share of tokens found at a layer, or the selectivity there."""
    selective = what == "selectivity"
    rng = stream(0, "told", layout.name, law, str(number))
    ids, embedding, x = behind_noise(rng, layout, law, (strength,))
    sample = Sample.of(known.corpus(layout))
    tokens = Tokens.of(sample, ids, folds_of(sample.n, FOLDS, rng))
    types, which = np.unique(ids.ravel(), return_inverse=True)
    meant = [ids.ravel(), types[one_cycle(len(types), rng)][which]][: 1 + selective]
    fitted = cross_fitted(x.reshape(-1, WIDTH), [embedding[m] for m in meant], tokens.row_folds)
    vocabulary = Vocabulary.of(embedding)
    tried = [
        Tried(
            vocabulary.closer(fit.foretold, m).reshape(*ids.shape, 1),
            vocabulary.closer(others_mean(embedding[m], tokens.row_folds), m).reshape(ids.shape),
        )
        for fit, m in zip(fitted, meant, strict=True)
    ]
    if not selective:
        return float((tried[0].found < NEAREST).mean())
    return float(Decoded(tokens, tried[0], tried[1], TYPES).selectivity(NEAREST).mean())


@lru_cache(maxsize=16)
def population_found(layout: Layout, law: str, what: str) -> Floats:
    """(strength,) for `STRENGTHS`, the mean share of tokens found at a layer, or the mean selectivity."""
    found = [[_found(layout, law, strength, n, what) for n in range(SETS)] for strength in STRENGTHS[what]]
    return np.asarray(np.mean(found, axis=1))


@lru_cache(maxsize=16)
def falling_by(layout: Layout, law: str, effect: float) -> tuple[float, ...]:
    """(layer,) strengths at which the mean slope of the share found falls by `effect` over the whole depth."""
    if effect == 0:
        return falling(0.0)

    from scipy.interpolate import PchipInterpolator

    found = PchipInterpolator(np.log(STRENGTHS["share"]), population_found(layout, law, "share"))
    depth = np.arange(LAYERS) / (LAYERS - 1) - 0.5

    def miss(tilt: float) -> float:
        return float(-(depth @ found(np.log(falling(tilt)))) / (depth @ depth)) - effect

    return falling(known.root(miss, high=STEEPEST))


@lru_cache(maxsize=16)
def strength_of_selectivity(layout: Layout, law: str, effect: float) -> float:
    """The strength at which selectivity is `effect`."""
    if effect == 0:
        return 0.0

    from scipy.interpolate import PchipInterpolator

    selective = PchipInterpolator(
        np.log(STRENGTHS["selectivity"]), population_found(layout, law, "selectivity") - effect
    )
    return float(np.exp(min(root for root in selective.roots(extrapolate=False))))


def _falling(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return falling_by(scenario.texts, scenario.law, round(scenario.effect(claim), 9))


def _selective(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    return (strength_of_selectivity(scenario.texts, scenario.law, round(scenario.effect(claim), 9)),) * LAYERS


RECONSTRUCTION = Family(
    InputReconstruction,
    unlabelled(nearest=NEAREST, folds=FOLDS),
    by_law(told),
    _falling,
    [
        *places(UNCATEGORISED, LAWS[:2], (NONE, EDGE)),
        *places(UNCATEGORISED, LAWS[:1], ("2 s", "3 s")),
        *places(UNCATEGORISED[1:], LAWS[:1], (NONE, EDGE), TOLD),
        *places(UNCATEGORISED[1:], (OFFSETS,), (NONE, EDGE)),
    ],
    {TOLD: Question({"holds": somewhere()}, strengths=_selective)},
    costly=True,
)


# ---- directions that tokens are told from


def _aimed(rng: np.random.Generator, avoidance: float | None) -> Floats:
    """(axis, unit) directions of which half of 1 - avoidance lies in the first half of the coordinates; any where None."""
    if avoidance is None:
        return np.linalg.qr(rng.standard_normal((WIDTH, READ)))[0].T
    inside, outside = (np.linalg.qr(rng.standard_normal((WIDTH // 2, READ)))[0].T for _ in range(2))
    share = np.clip((1 - avoidance) / 2, 0.0, 1.0)
    return np.hstack([np.sqrt(share) * inside, np.sqrt(1 - share) * outside])


def _unembedding() -> Floats:
    """(token, unit) a matrix whose leading directions are the first half of the coordinates."""
    half = np.diag(np.where(np.arange(WIDTH) < WIDTH // 2, 2.0, 1.0))
    return np.concatenate([half, -half])


def aimed(
    rng: np.random.Generator, layout: Layout, law: str, avoidance: float | None, layers: int
) -> tuple[Codes, Floats, Floats]:
    """Ids, the embedding, and (text, position, layer, unit) streams that hold two of its directions along such ones."""
    ids, embedding = _typed(rng, layout), _embedding() * np.where(np.arange(WIDTH) < READ, 1.0, PLAIN)
    x = known.noise(rng, layout, law, layers, WIDTH)
    for layer in range(layers):
        x[:, :, layer] += 2 * KEPT * embedding[ids][..., :READ] @ _aimed(rng, avoidance)
    return ids, embedding, x


def outside(rng: np.random.Generator, layout: Layout, law: str, strengths: tuple[float, ...]) -> Recording:
    """Such streams as a recording, whose directions lie anywhere where no strength is given."""
    ids, embedding, x = aimed(rng, layout, law, strengths[0] if strengths else None, LOOKED_AT)
    return _recorded(layout, ids, embedding, x, _unembedding())


def population_avoidance(layout: Layout, law: str, avoidance: float) -> float:
    """Mean avoidance of maps learned from a layout's texts."""
    outer, _ = leading_directions(_unembedding(), WIDTH // 2)
    found = []
    for number in range(SETS):
        rng = stream(0, "outside", layout.name, law, str(number))
        ids, embedding, x = aimed(rng, layout, law, avoidance, 1)
        rows, target = x.reshape(-1, WIDTH), embedding[ids.ravel()]
        folds = np.repeat(folds_of(layout.texts, min(PENALTY_FOLDS, layout.texts), rng), POSITIONS)
        inputs = Inputs.of(rows)
        coefficients = Ridge.of(inputs, target).coefficients(best_penalty(rows, target, folds))
        found.append(overlap(leading_inputs(inputs, coefficients, READ)[0], outer))
    return 1 - 2 * float(np.mean(found))


@lru_cache(maxsize=16)
def avoidance_of(layout: Layout, law: str, effect: float) -> float:
    """How far directions must be aimed for maps to avoid the unembedding by `effect`."""
    return known.root(lambda aim: population_avoidance(layout, law, aim) - effect, high=1.0)


def _avoiding(scenario: Scenario, claim: Hypothesis) -> tuple[float, ...]:
    """How far directions avoid the unembedding; nothing where they lie anywhere."""
    effect = round(scenario.effect(claim), 9)
    return (avoidance_of(scenario.texts, scenario.law, effect),) if effect else ()


OUTSIDE = Family(
    InputOutsideUnembedding,
    unlabelled(dimensions=READ, draws=PERMUTATIONS),
    by_law(outside),
    _avoiding,
    places(UNCATEGORISED, LAWS[:2], (NONE, EDGE)),
    tested=True,
    costly=True,
)
