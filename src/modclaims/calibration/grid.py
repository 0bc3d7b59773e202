"""The grid: which claims are weighed on which planted data, and which rates are read off them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.calibration import (
    ablations,
    copies,
    curves,
    known,
    levels,
    reconstruction,
    scale,
    shuffled,
    spaces,
    words,
)
from modclaims.calibration.known import HEADS, HEAVIEST, LAWS, LAYERS, LAYOUTS, WIDTH
from modclaims.calibration.scenarios import (
    ALONG,
    ALPHAS,
    AT_LAST,
    AXES,
    BESIDE,
    BESIDE_COPIES,
    BEYOND,
    CENTRE,
    COPIED,
    CORRUPTED,
    DISTANCES,
    DRAW_SPREAD,
    EDGE,
    EVERYWHERE,
    FLAT,
    FLAT_DELTA,
    FLAT_OMEGA,
    GAP,
    GAP_TRUTH,
    HALF,
    LAST,
    LEARNED,
    LOWER,
    LOWER_CELLS,
    MULTIPLES,
    NAMED,
    NOISY,
    NONE,
    ONE_CELL,
    ONE_END,
    PERMUTATIONS,
    PLACED,
    PLANTED,
    POWER,
    POWER_P,
    RANK,
    REAL,
    RECORDED_LAYOUTS,
    RESAMPLES,
    SAME_MINUS_DIFFERENT,
    SHUFFLED,
    SIZE,
    SIZE_CELLS,
    SMALLEST,
    SPREAD,
    STEP_SPREAD,
    STRONG,
    TEXT_SPREAD,
    TOLD,
    UPPER,
    UPPER_CELLS,
    WIDE_CELLS,
    WIDE_WIDTH,
    WRONG,
    Scenario,
)
from modclaims.families import controls
from modclaims.families.axes_against_rotations import AxesAgainstRotations
from modclaims.families.axis_streams import AxisStreams
from modclaims.families.category_clustering import CategoryClustering
from modclaims.families.first_token_attention import AttentionSinks, FirstTokenAttention
from modclaims.families.head_magnitudes import HeadMagnitudes, QuietMiddle
from modclaims.families.head_selectivity import HeadsAgainstBlocks, HeadSelectivity
from modclaims.families.heavy_tails import FIRST, HeavyTails
from modclaims.families.induction import InductionExplanation, InductionHeads
from modclaims.families.input_outside_unembedding import InputOutsideUnembedding
from modclaims.families.input_reconstruction import InputReconstruction
from modclaims.families.leading_values import LeadingValues
from modclaims.families.low_rank_similarity import LowRankSimilarity
from modclaims.families.residual_phases import ResidualPhases
from modclaims.families.scale import ModelsDiffer, ScaleTrend
from modclaims.families.similarity_levels import SimilarityLevels
from modclaims.families.subspace_separation import SubspaceSeparation
from modclaims.families.targeted_ablation import AblationSpecificity, AblationSufficiency, TargetedAblation
from modclaims.families.tight_pass import TighterThanAttention, TightestAt, TightPass
from modclaims.families.token_directions import OVDirections
from modclaims.families.token_neuron_congruence import TokenNeuronCongruence
from modclaims.families.units import Units
from modclaims.families.weight_clusterability import WeightClusterability
from modclaims.families.within_versus_style import WithinVersusStyle
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import (
    EMBEDDINGS,
    SPECTRUM,
    Activations,
    InductionScores,
    Jacobian,
    Recording,
    Request,
    Weights,
)
from modclaims.stats.actions import relabellings
from modclaims.stats.evidence import Evidence
from modclaims.stats.permutation import Pairs
from modclaims.stats.quantifiers import along_depth, everywhere, in_fraction, somewhere
from modclaims.stats.similarity import text_similarity

Floats = NDArray[np.float64]
Rates = dict[str, NDArray[np.float64]]
Plant = Callable[[Scenario, np.random.Generator, tuple[float, ...]], Recording]
Strengths = Callable[[Scenario], tuple[float, ...]]


FEWER = 500
"""Data sets of the families that take longest, of which others have more."""


@dataclass(frozen=True)
class Family:
    """How a family's known answers are made."""

    claim: Callable[[Scenario], Hypothesis]
    plant: Plant
    strengths: Strengths
    """What is planted, by layer or cell; worked out once a scenario, before any data set."""
    scenarios: Callable[[str], list[Scenario]]
    others: Mapping[str, tuple[Plant, Strengths]] = field(default_factory=dict)
    """Questions whose data are made in another way."""
    dear: bool = False
    """Whether one data set takes so long that at most `FEWER` are counted."""

    def plant_for(self, scenario: Scenario) -> Plant:
        """What makes a data set of this scenario."""
        return _exchanged if scenario.recorded else self.others.get(scenario.question, (self.plant, None))[0]

    def strengths_for(self, scenario: Scenario) -> tuple[float, ...]:
        """What is planted in this scenario."""
        return () if scenario.recorded else self.others.get(scenario.question, (None, self.strengths))[1](scenario)


@dataclass
class _Recorded:
    """What the embedded model was recorded to do, in this process; None where no scenario needs it."""

    recording: Recording | None = None


_recorded = _Recorded()


def share(recording: Recording | None) -> None:
    """Hand the embedded model's recording to this process."""
    _recorded.recording = recording


# ---- claims


def claim_of(base: type[Hypothesis], **constants: Any) -> Hypothesis:
    """A claim of a family with these constants."""
    made: Hypothesis = type(base.__name__, (base,), {"__doc__": "A claim whose answer is known.", **constants})()
    return made


QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    ALONG: {"holds": along_depth("rises")},
    EVERYWHERE: {"holds": everywhere()},
    HALF: {"holds": in_fraction(0.5)},
    SMALLEST: {"adjust": "minP"},
    AT_LAST: {"layers": (LAST,)},
    LEARNED: {"basis": "pca", "components": 3, "splits": 5},
    SPREAD: {"similarity": "scaled_cosine"},
    DISTANCES: {"similarity": "euclidean"},
    BEYOND: {"beyond": "shared_words"},
    NOISY: {"beyond": "shared_words"},
    TOLD: {"holds": somewhere()},
    SAME_MINUS_DIFFERENT: {"level": "same_category", "against": "different_category"},
    NAMED: {"named": (1, 2)},
}
"""Constants of a family's claim by what is asked."""


def _labelled(base: type[Hypothesis], **constants: Any) -> Callable[[Scenario], Hypothesis]:
    def made(scenario: Scenario) -> Hypothesis:
        label, within = "category", "topic" if scenario.texts.strata > 1 else None
        if scenario.recorded:
            label, within = RECORDED_LAYOUTS[scenario.layout]
        return claim_of(base, label=label, within=within, **constants, **QUESTIONS.get(scenario.question, {}))

    return made


def _unlabelled(base: type[Hypothesis], **constants: Any) -> Callable[[Scenario], Hypothesis]:
    return lambda scenario: claim_of(base, **constants)


def _effect(scenario: Scenario) -> float:
    """The population effect, on the claim's own scale."""
    return MULTIPLES[scenario.truth] * family(scenario).claim(scenario).smallest_effect


# ---- activations whose pairs are alike


def _clustering_strengths(scenario: Scenario) -> tuple[float, ...]:
    layout, law = scenario.texts, scenario.law
    if scenario.question == ONE_CELL:
        one = known.strength_of_gap(layout, law, GAP, WIDE_WIDTH)
        return tuple(one if layer == PLANTED else 0.0 for layer in range(WIDE_CELLS))
    effect = _effect(scenario)
    deltas: Floats = np.full(LAYERS, effect)
    if scenario.question == EVERYWHERE:
        deltas[:-1] = STRONG
    if scenario.question == HALF:
        deltas[0] = STRONG
    if scenario.question == ALONG:  # from the first layer to the last delta rises by the effect, flat at effect 0
        deltas = FLAT_DELTA + effect * (np.arange(LAYERS) / (LAYERS - 1) - 0.5)
    return tuple(known.strength_of_delta(layout, law, float(delta)) for delta in deltas)


def _clustering(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    width = WIDE_WIDTH if scenario.question == ONE_CELL else WIDTH
    x = known.activations(rng, scenario.texts, scenario.law, strengths, width)
    request = Activations("attn_out")
    return known.recording(
        scenario.texts, {(request, i): x[:, :, i] for i in range(len(strengths))}, width, len(strengths)
    )


def _worded(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """Similarity made of shared words, read as they are or corrupted by the share in `strengths`."""
    layout, (effect, share) = scenario.texts, strengths
    text = words.written(rng, layout)
    link = "curved link" if scenario.question == NOISY else scenario.law
    x = words.activations(rng, layout, text, link, effect, LAYERS)
    seen = words.corrupted(rng, text, share)
    request = Activations("attn_out")
    arrays: dict[tuple[Request, int], Floats] = {(request, i): x[:, :, i] for i in range(LAYERS)}
    arrays[controls.EMBED, 0] = words.embedded(seen, rng)
    return replace(known.recording(layout, arrays, x.shape[-1]), read=words.said(seen))


def _wording(scenario: Scenario) -> tuple[float, ...]:
    """(effect beside the words, share of words that the proxy reads wrongly)."""
    return (REAL if scenario.truth == BESIDE else 0.0, _CORRUPTED.get(scenario.law, 0.0))


_CORRUPTED = {f"{100 * share:g} % of words misread": share for share in CORRUPTED}


def _spread(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """Categories about one centre, one of them three times as wide."""
    layout = scenario.texts
    x = CENTRE + known.noise(rng, layout, scenario.law, LAYERS, WIDTH)
    request = Activations("attn_out")
    return known.recording(layout, {(request, i): x[:, :, i] for i in range(LAYERS)}, WIDTH)


def _alike(scenario: Scenario) -> tuple[float, ...]:
    return ()


def misread(scenario: Scenario) -> float:
    """Share of the words that the proxy reads wrongly."""
    return _CORRUPTED[scenario.law]


# ---- real activations


def _exchanged(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    assert _recorded.recording is not None, "the embedded model was not recorded"
    return shuffled.exchanged(_recorded.recording, *RECORDED_LAYOUTS[scenario.layout], rng)


# ---- one number a text


def _omega(scenario: Scenario) -> tuple[float, ...]:
    cells = LAYERS * (AXES if scenario.family == "AxisStreams" else HEADS)
    return (_effect(scenario),) * cells


def _contrasted(scenario: Scenario) -> tuple[float, ...]:
    """omega^2 of all heads, then of all blocks."""
    return (FLAT_OMEGA + _effect(scenario),) * (LAYERS * HEADS) + (FLAT_OMEGA,) * LAYERS


def _heads(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    y = known.responses(rng, scenario.texts, scenario.law, np.array(strengths))
    of_heads, of_blocks = Activations("head_z", None, "norm"), Activations("attn_out", None, "norm")
    count = LAYERS * HEADS
    arrays: dict[tuple[Request, int], Floats] = {
        (of_heads, i): y[:, :, HEADS * i : HEADS * (i + 1)] for i in range(LAYERS)
    }
    arrays |= {(of_blocks, i): y[:, :, count + i] for i in range(len(strengths) - count)}
    return known.recording(scenario.texts, arrays, WIDTH)


def _axes(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    y = known.responses(rng, scenario.texts, scenario.law, np.array(strengths))
    request = Activations("resid_post")
    return known.recording(
        scenario.texts, {(request, i): y[:, :, AXES * i : AXES * (i + 1)] for i in range(LAYERS)}, AXES
    )


# ---- bases turned at random


def _turned(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """Categories differ, along directions that no basis prefers."""
    layout = scenario.texts
    x = known.noise(rng, layout, scenario.law, LAYERS, AXES)
    x += 0.5 * rng.standard_normal((len(layout.sizes), LAYERS, AXES))[layout.category][:, None]
    request = Activations("resid_post")
    return known.recording(layout, {(request, i): x[:, :, i] for i in range(LAYERS)}, AXES)


def _spiked(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    x = known.tokens(rng, scenario.texts.texts, LAYERS, WIDTH, strengths[0])
    every, first = Activations("resid_post"), Activations("resid_post", positions=FIRST)
    arrays: dict[tuple[Request, int], Floats] = {(every, i): x[:, 1:, i] for i in range(LAYERS)}
    arrays |= {(first, i): x[:, :1, i] for i in range(LAYERS)}
    return known.recording(scenario.texts, arrays, WIDTH)


def _spike(scenario: Scenario) -> tuple[float, ...]:
    effect = _effect(scenario)
    return (known.spike_of_kurtosis(effect, WIDTH) if effect else 0.0,)


# ---- ranks


def _everywhere(scenario: Scenario) -> tuple[float, ...]:
    return (_effect(scenario),) * LAYERS


def _named(scenario: Scenario) -> tuple[float, ...]:
    """Layers 1 and 2 tighter than the others, all of them off the middle by different amounts."""
    other = (0.1, -0.1)
    return (other[0], _effect(scenario) + 0.05, _effect(scenario) - 0.05, other[1])


def _ranks(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """A summary for the MLP, tighter by `strengths`, and whatever the claim compares it with."""
    claim = family(scenario).claim(scenario)
    assert isinstance(claim, TightPass)  # of which TightestAt and TighterThanAttention are kinds
    n, law, tokens = scenario.texts.texts, scenario.law, claim.tokens
    size = tokens * WIDTH
    common = TEXT_SPREAD * known.deviations(rng, law, (n, LAYERS)) / np.sqrt(2)

    def own() -> Floats:
        return np.asarray(common + TEXT_SPREAD * known.deviations(rng, law, (n, LAYERS)) / np.sqrt(2))

    def summary(share: Floats) -> dict[int, Floats]:
        return {i: np.pad(size * share[:, [i]], ((0, 0), (0, len(SPECTRUM) - 1))) for i in range(LAYERS)}

    mine = Jacobian("mlp", tokens, None, True, claim.texts)
    arrays: dict[tuple[Request, int], Floats] = {
        (mine, i): found for i, found in summary(RANK - np.array(strengths) + own()).items()
    }
    if scenario.family == "TighterThanAttention":
        other = replace(mine, block="attention")
        arrays |= {(other, i): found for i, found in summary(RANK + own()).items()}
    if scenario.family == "TightPass":
        networks = DRAW_SPREAD * known.deviations(rng, "normal", (claim.draws, LAYERS))
        for seed, network in enumerate(networks):
            null = replace(mine, answer="effective_rank", variant=f"gaussian:{seed}")
            share = RANK + network + own()
            arrays |= {(null, i): size * share[:, i] for i in range(LAYERS)}
    return known.recording(scenario.texts, arrays, WIDTH)


def _leading(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """Spectra in two flat parts, apart by `strengths` orders of magnitude, give or take a text's own."""
    claim = family(scenario).claim(scenario)
    assert isinstance(claim, LeadingValues)
    n, size = scenario.texts.texts, claim.tokens * WIDTH
    common, own = (STEP_SPREAD * known.deviations(rng, scenario.law, (n, layers)) for layers in (1, LAYERS))
    steps = np.array(strengths) + (common + own) / np.sqrt(2)
    mine = Jacobian("mlp", claim.tokens, None, True, claim.texts)
    high = np.where(np.arange(size) < claim.leading, 1.0, 0.0)
    arrays: dict[tuple[Request, int], Floats] = {(mine, i): np.zeros((n, len(SPECTRUM))) for i in range(LAYERS)}
    arrays |= {(replace(mine, answer="values"), i): 10.0 ** (steps[:, [i]] * high) for i in range(LAYERS)}
    return known.recording(scenario.texts, arrays, WIDTH)


# ---- weights

NULLS_DRAWN = 119
"""Null objects of claims about weights: levels are multiples of 1/120."""


def _weights(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """One layer's matrices: noise, or a fixed network of one strength where there is an effect, whose null objects vary."""
    planted = known.weights(scenario.family, rng if scenario.truth == NONE else None, strengths[0])
    arrays: dict[tuple[Request, int], Floats] = {
        (Weights(name, None if name in EMBEDDINGS else (0,)), 0): values for name, values in planted.items()
    }
    return known.recording(scenario.texts, arrays, known.WEIGHT_WIDTH, 1)


def _planted(scenario: Scenario) -> tuple[float, ...]:
    effect = _effect(scenario)
    return (known.strength_of_weights(scenario.family, effect) if effect else 0.0,)


def _by_weights(name: str) -> list[Scenario]:
    return _crossed(name, (ALONE,), LAWS[:1], (NONE, EDGE, "2 s"))


# ---- curves along depth


def _effect_alone(scenario: Scenario) -> tuple[float, ...]:
    return (_effect(scenario),)


def _curve_of_chunks(scenario: Scenario) -> tuple[float, ...]:
    return curves.RISEN if scenario.question == ONE_END else curves.of_contrast(_effect(scenario))


def _first_token(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return curves.attended(rng, scenario.texts, scenario.law, strengths)


def _quiet(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return curves.quiet(rng, scenario.texts, scenario.law, strengths)


def _between_layers(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return curves.alike_in_layers(rng, scenario.texts, scenario.law, strengths[0])


def _sinks(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return curves.sunk(rng, scenario.texts, scenario.law, strengths[0])


def _curve_of_phases(scenario: Scenario) -> tuple[float, ...]:
    if scenario.question == ONE_END:
        return curves.of_one_end(scenario.law)
    return curves.of_reduction(_effect(scenario), scenario.law)


def _phased(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return curves.streamed(rng, scenario.texts, scenario.law, strengths)


# ---- induction


def _copied(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    """Similarity made of copied tokens, and of whatever is planted beside them."""
    layout = scenario.texts
    if scenario.question == COPIED:
        tokens, paid = copies.copied(rng, layout, copies.SHARE)
        return copies.recorded(layout, copies.activations(rng, layout, tokens, paid, strengths[0]), tokens, paid)
    tokens, paid = copies.copied(rng, layout, 0.0)  # of no category, and no part of what is similar
    x = known.activations(rng, layout, scenario.law, strengths[: len(copies.LOOKED)], WIDTH)
    return copies.recorded(layout, x, tokens, paid)


def _copying(scenario: Scenario) -> tuple[float, ...]:
    if scenario.question == COPIED:
        return (copies.BESIDE if scenario.truth == BESIDE_COPIES else 0.0,)
    return _clustering_strengths(scenario)


def _scored(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    claim = family(scenario).claim(scenario)
    assert isinstance(claim, InductionHeads)
    asked = InductionScores(claim.sequences, claim.period)
    return copies.scored(rng, asked, claim.draws, scenario.law, scenario.texts, strengths[0])


# ---- crossed factors, subspaces, low rank: the same in the two layers that are looked at


def _spaced(site: str, of: Callable[..., Floats]) -> Plant:
    def planted(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
        x = of(rng, scenario.texts, scenario.law, strengths)
        request = Activations(site, tuple(range(len(strengths))))
        arrays: dict[tuple[Request, int], Floats] = {(request, i): x[:, :, i] for i in range(len(strengths))}
        return known.recording(scenario.texts, arrays, WIDTH)

    return planted


def _difference(scenario: Scenario) -> tuple[float, ...]:
    return (spaces.strength_of_difference(scenario.law, round(_effect(scenario), 9)),) * 2


def _separation(scenario: Scenario) -> tuple[float, ...]:
    return (spaces.common_of_separation(scenario.texts, scenario.law, round(_effect(scenario), 9)),) * 2


def _excess(scenario: Scenario) -> tuple[float, ...]:
    return (spaces.strength_of_excess(scenario.texts, scenario.law, round(_effect(scenario), 9)),) * 2


# ---- maps back to the tokens read


def _mapping(base: type[Hypothesis], **constants: Any) -> Callable[[Scenario], Hypothesis]:
    return lambda scenario: claim_of(base, **constants, **QUESTIONS.get(scenario.question, {}))


def _told(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return reconstruction.told(rng, scenario.texts, scenario.law, strengths)


def _falling(scenario: Scenario) -> tuple[float, ...]:
    return reconstruction.falling_by(scenario.texts, scenario.law, round(_effect(scenario), 9))


def _selective(scenario: Scenario) -> tuple[float, ...]:
    effect = round(_effect(scenario), 9)
    return (reconstruction.strength_of_selectivity(scenario.texts, scenario.law, effect),) * LAYERS


def _outside(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return reconstruction.outside(rng, scenario.texts, scenario.law, *(strengths or (None,)))


def _aimed(scenario: Scenario) -> tuple[float, ...]:
    """How far directions avoid the unembedding; nothing where they lie anywhere."""
    effect = round(_effect(scenario), 9)
    return (reconstruction.avoidance_of(scenario.texts, scenario.law, effect),) if effect else ()


# ---- models of several sizes


def _two_models(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return scale.pair(rng, scenario.texts, scenario.law, strengths)


def _apart(scenario: Scenario) -> tuple[float, ...]:
    deltas = (FLAT_DELTA, FLAT_DELTA + _effect(scenario))
    return tuple(known.strength_of_delta(scenario.texts, scenario.law, delta) for delta in deltas)


def _ladder_of_models(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    return scale.ladder(rng, scenario.texts, scenario.law, _effect(scenario), strengths)


def _rungs(scenario: Scenario) -> tuple[float, ...]:
    return tuple(known.strength_of_delta(scenario.texts, scenario.law, delta) for delta in scale.LADDER)


# ---- levels of similarity


def _levels(scenario: Scenario) -> tuple[float, ...]:
    layout, law, effect = scenario.texts, scenario.law, _effect(scenario)
    if scenario.question == SAME_MINUS_DIFFERENT:
        return (levels.strength_of_gap(layout, law, effect),) * LAYERS
    if scenario.question == NAMED:
        by_layer = [levels.LEVEL + (effect if layer in (1, 2) else 0.0) for layer in range(LAYERS)]
        return tuple(levels.strength_of_level(layout, law, level) for level in by_layer)
    return (levels.strength_of_level(layout, law, effect),) * LAYERS


def _level(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    if scenario.question == SAME_MINUS_DIFFERENT:
        x = known.activations(rng, scenario.texts, scenario.law, strengths, WIDTH)
    else:
        x = levels.alike(rng, scenario.texts, scenario.law, strengths)
    request = Activations("attn_out")
    return known.recording(scenario.texts, {(request, i): x[:, :, i] for i in range(LAYERS)}, WIDTH)


def _level_scenarios(name: str) -> list[Scenario]:
    return [
        *_crossed(name, CATEGORISED, LAWS, (EDGE,)),
        *_crossed(name, CATEGORISED[:4], LAWS[:1], ("2 s",)),
        *_crossed(name, SPLITTABLE, LAWS, (EDGE,), SAME_MINUS_DIFFERENT),
        *_crossed(name, SPLITTABLE[:1], LAWS[:1], ("2 s",), SAME_MINUS_DIFFERENT),
        *_crossed(name, (MIDDLE,), LAWS, (FLAT, EDGE), NAMED),
    ]


# ---- the grid

MIDDLE, LARGEST, MIXED = "48 (4 x 12)", "100 unequal", "48 in mixed blocks"
UNEVEN = ("30 (24/6)", "30 (6/24)")
CATEGORISED = ("10 (4/3/3)", "12 (4/4/4)", MIDDLE, "64 crossed", LARGEST, "96 in blocks")
SPLITTABLE = (MIDDLE, "64 crossed", LARGEST)
ALONE = "weights alone"
UNCATEGORISED = tuple(name for name, layout in LAYOUTS.items() if len(layout.sizes) == 1 and name != ALONE)
CROSSED = ("48 crossed (2 x 4)", "64 crossed")
TWO = {"layers": (0, 1), "splits": 5}
"""Layers and splits of claims that take their time over each."""


def _crossed(
    name: str, layouts: tuple[str, ...], laws: tuple[str, ...], truths: tuple[str, ...], question: str = ""
) -> list[Scenario]:
    return [Scenario(name, layout, law, truth, question) for truth in truths for layout in layouts for law in laws]


def _with_power(name: str, layouts: tuple[str, ...], null: str = NONE) -> list[Scenario]:
    small = tuple(layout for layout in layouts if layout != LARGEST)  # where there is no power left to measure
    return _crossed(name, layouts, LAWS, (null, EDGE)) + _crossed(name, small, LAWS[:1], ("2 s", "3 s"))


def _clustering_scenarios(name: str) -> list[Scenario]:
    return [
        *_with_power(name, CATEGORISED),
        *_crossed(name, (MIXED,), LAWS[:2], (NONE, EDGE)),
        *_crossed(name, ("12 (4/4/4)", *SPLITTABLE[:2]), LAWS[:1], (FLAT, EDGE), ALONG),
        *_crossed(name, (MIDDLE,), LAWS[1:], (FLAT, EDGE), ALONG),
        *_crossed(name, (MIDDLE,), LAWS[:1], (NONE, EDGE), EVERYWHERE),
        *_crossed(name, (MIDDLE,), LAWS[:1], (NONE, EDGE), HALF),
        *_crossed(name, (MIDDLE,), LAWS[:1], (NONE,), SMALLEST),
        Scenario(name, MIDDLE, LAWS[0], GAP_TRUTH, ONE_CELL),
        *_crossed(name, UNEVEN, ("unequal spread",), (NONE,), SPREAD),
        *_crossed(name, UNEVEN, ("unequal spread",), (NONE,), DISTANCES),
        *_crossed(name, (MIDDLE,), tuple(words.LINKS), (NONE, BESIDE), BEYOND),
        *_crossed(name, (MIDDLE,), tuple(_CORRUPTED), (NONE,), NOISY),
        *_exchanges(name),
    ]


def _exchanges(name: str, question: str = "") -> list[Scenario]:
    return _crossed(name, tuple(RECORDED_LAYOUTS), (SHUFFLED,), (NONE,), question)


# ---- units taken out


def _ablating(base: type[Hypothesis], sets: int) -> Callable[[Scenario], Hypothesis]:
    return _labelled(base, how="zero", sizes=(1,), tokens=ablations.TOKENS, sets=sets, splits=5)


def _taken_out(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> Recording:
    scale = family(scenario).claim(scenario).smallest_effect
    everywhere = scenario.family == "AblationSufficiency"
    return ablations.planted(rng, scenario.texts, scenario.law, strengths[0], scale, everywhere)


def _one_effect(scenario: Scenario) -> tuple[float, ...]:
    return (_effect(scenario),)


FAMILIES: Mapping[str, Family] = {
    "AblationSpecificity": Family(
        _ablating(AblationSpecificity, 21),
        _taken_out,
        _one_effect,
        lambda name: _crossed(name, (MIDDLE,), LAWS[:1], (NONE, EDGE, "3 s")),
        dear=True,
    ),
    "AblationSufficiency": Family(
        _ablating(AblationSufficiency, 21),
        _taken_out,
        _one_effect,
        lambda name: _crossed(name, (MIDDLE,), LAWS[:1], (NONE, EDGE, "3 s")),
        dear=True,
    ),
    "AttentionSinks": Family(
        _unlabelled(AttentionSinks, twins=0),
        _sinks,
        _effect_alone,
        lambda name: [
            *_crossed(name, UNCATEGORISED, LAWS[::2], (EDGE,)),
            *_crossed(name, UNCATEGORISED, LAWS[:1], ("2 s",)),
        ],
    ),
    "AxesAgainstRotations": Family(
        _labelled(AxesAgainstRotations, rotations=PERMUTATIONS, splits=5, outliers=None),
        _turned,
        lambda scenario: (),
        lambda name: _crossed(name, (MIDDLE, "64 crossed"), LAWS[:2], (NONE,)),
    ),
    "AxisStreams": Family(
        _labelled(AxisStreams),
        _axes,
        _omega,
        lambda name: [
            *_crossed(name, ("12 (4/4/4)", MIDDLE, "64 crossed"), LAWS[:2], (NONE, EDGE)),
            *_crossed(name, (MIDDLE,), LAWS[:2], (NONE,), LEARNED),
            *_exchanges(name, AT_LAST),
        ],
    ),
    "CategoryClustering": Family(
        _labelled(CategoryClustering),
        _clustering,
        _clustering_strengths,
        _clustering_scenarios,
        {
            BEYOND: (_worded, _wording),
            NOISY: (_worded, _wording),
            SPREAD: (_spread, _alike),
            DISTANCES: (_spread, _alike),
        },
    ),
    "FirstTokenAttention": Family(
        _unlabelled(FirstTokenAttention, twins=0),
        _first_token,
        _curve_of_chunks,
        lambda name: [
            *_with_power(name, UNCATEGORISED),
            *_crossed(name, UNCATEGORISED, LAWS[:1], (NONE,), ONE_END),
        ],
    ),
    "HeadMagnitudes": Family(
        _unlabelled(HeadMagnitudes, twins=0, smallest_effect=0.3),
        _between_layers,
        _effect_alone,
        lambda name: [
            *_crossed(name, UNCATEGORISED, LAWS, (EDGE,)),
            *_crossed(name, UNCATEGORISED, LAWS[:1], ("2 s",)),
        ],
    ),
    "HeadSelectivity": Family(
        _labelled(HeadSelectivity),
        _heads,
        _omega,
        lambda name: [
            *_with_power(name, CATEGORISED),
            *_crossed(name, (MIXED,), LAWS[:2], (NONE, EDGE)),
            *_crossed(name, SPLITTABLE, (HEAVIEST,), (EDGE,)),
            *_exchanges(name),
        ],
    ),
    "HeadsAgainstBlocks": Family(
        _labelled(HeadsAgainstBlocks, splits=10),
        _heads,
        _contrasted,
        lambda name: [
            *_crossed(name, SPLITTABLE, LAWS[:2], (FLAT, EDGE)),
            *_crossed(name, SPLITTABLE, LAWS[:1], ("3 s",)),
        ],
    ),
    "HeavyTails": Family(
        _unlabelled(HeavyTails), _spiked, _spike, lambda name: _crossed(name, UNCATEGORISED, LAWS[:1], (NONE, EDGE))
    ),
    "InputOutsideUnembedding": Family(
        _unlabelled(InputOutsideUnembedding, dimensions=reconstruction.READ, draws=PERMUTATIONS),
        _outside,
        _aimed,
        lambda name: _crossed(name, UNCATEGORISED, LAWS[:2], (NONE, EDGE)),
        dear=True,
    ),
    "InputReconstruction": Family(
        _mapping(InputReconstruction, nearest=reconstruction.NEAREST, folds=reconstruction.FOLDS),
        _told,
        _falling,
        lambda name: [
            *_crossed(name, UNCATEGORISED, LAWS[:2], (NONE, EDGE)),
            *_crossed(name, UNCATEGORISED, LAWS[:1], ("2 s", "3 s")),
            *_crossed(name, UNCATEGORISED[1:], LAWS[:1], (NONE, EDGE), TOLD),
        ],
        {TOLD: (_told, _selective)},
        dear=True,
    ),
    "InductionExplanation": Family(
        _labelled(InductionExplanation, layers=copies.LOOKED),
        _copied,
        _copying,
        lambda name: [
            *_crossed(name, CROSSED[1:], LAWS[:1], (NONE, BESIDE_COPIES), COPIED),
            *_crossed(name, CROSSED[1:], LAWS, (NONE, EDGE)),
            *_crossed(name, CROSSED[1:], LAWS[:1], ("2 s",)),
        ],
        dear=True,
    ),
    "InductionHeads": Family(
        lambda scenario: claim_of(InductionHeads, sequences=scenario.texts.texts),
        _scored,
        _effect_alone,
        lambda name: _crossed(name, UNCATEGORISED[1:], LAWS, (NONE, EDGE)),
    ),
    "ModelsDiffer": Family(
        _labelled(ModelsDiffer, depths=scale.DEPTHS, twins=0),
        _two_models,
        _apart,
        lambda name: [
            *_crossed(name, CROSSED, LAWS[:2], (FLAT, EDGE)),
            *_crossed(name, CROSSED, LAWS[:1], ("2 s", "3 s")),
        ],
        dear=True,
    ),
    "OVDirections": Family(
        _unlabelled(OVDirections, layers=(0,), draws=NULLS_DRAWN, tokens=4),
        _weights,
        lambda scenario: (0.0,),
        lambda name: _crossed(name, (ALONE,), LAWS[:1], (NONE,)),
    ),
    "TargetedAblation": Family(
        _ablating(TargetedAblation, 40),
        _taken_out,
        _one_effect,
        lambda name: _crossed(name, (MIDDLE,), LAWS[:2], (NONE, EDGE, "3 s")),
        dear=True,
    ),
    "QuietMiddle": Family(
        _unlabelled(QuietMiddle, twins=0),
        _quiet,
        _curve_of_chunks,
        lambda name: [
            *_with_power(name, UNCATEGORISED),
            *_crossed(name, UNCATEGORISED, LAWS[:1], (NONE,), ONE_END),
        ],
    ),
    "ResidualPhases": Family(
        _unlabelled(ResidualPhases, twins=0),
        _phased,
        _curve_of_phases,
        lambda name: [
            *_with_power(name, UNCATEGORISED, FLAT),
            *_crossed(name, UNCATEGORISED, LAWS[:1], (NONE,), ONE_END),
        ],
    ),
    "LeadingValues": Family(
        _unlabelled(LeadingValues, texts=None), _leading, _everywhere, lambda name: _with_power(name, UNCATEGORISED)
    ),
    "LowRankSimilarity": Family(
        _labelled(LowRankSimilarity, draws=99, **TWO),
        _spaced("resid_post", spaces.factored),
        _excess,
        lambda name: [
            *_crossed(name, SPLITTABLE[:1], LAWS, (NONE, EDGE)),
            *_crossed(name, SPLITTABLE[:1], LAWS[:1], ("2 s",)),
            *_crossed(name, SPLITTABLE[1:2], LAWS[:1], (NONE, EDGE)),
        ],
        dear=True,
    ),
    "SimilarityLevels": Family(_labelled(SimilarityLevels, twins=0), _level, _levels, _level_scenarios),
    "SubspaceSeparation": Family(
        _labelled(SubspaceSeparation, relabellings=99, **TWO),
        _spaced("resid_post", spaces.varied),
        _separation,
        lambda name: [
            *_crossed(name, SPLITTABLE[:1], LAWS, (NONE, EDGE)),
            *_crossed(name, SPLITTABLE[:1], LAWS[:1], ("2 s", "3 s")),
            *_crossed(name, SPLITTABLE[1:2], LAWS[:1], (NONE, EDGE)),
        ],
        dear=True,
    ),
    "ScaleTrend": Family(
        _labelled(ScaleTrend, depths=(0.5,), twins=0),
        _ladder_of_models,
        _rungs,
        lambda name: (
            _crossed(name, CROSSED[1:], LAWS[:2], (NONE, EDGE)) + _crossed(name, CROSSED[1:], LAWS[:1], ("2 s", "3 s"))
        ),
        dear=True,
    ),
    "TightPass": Family(
        _unlabelled(TightPass, texts=None), _ranks, _everywhere, lambda name: _with_power(name, UNCATEGORISED)
    ),
    "TighterThanAttention": Family(
        _unlabelled(TighterThanAttention, texts=None),
        _ranks,
        _everywhere,
        lambda name: _with_power(name, UNCATEGORISED),
    ),
    "TightestAt": Family(
        _unlabelled(TightestAt, texts=None), _ranks, _named, lambda name: _with_power(name, UNCATEGORISED, FLAT)
    ),
    "TokenNeuronCongruence": Family(
        _unlabelled(TokenNeuronCongruence, layers=(0,), draws=NULLS_DRAWN, largest=known.LARGEST),
        _weights,
        _planted,
        _by_weights,
    ),
    "WeightClusterability": Family(
        _unlabelled(
            WeightClusterability, layers=(0,), draws=NULLS_DRAWN, clusters=known.PARTS, others=(), smallest_effect=0.2
        ),
        _weights,
        _planted,
        _by_weights,
        dear=True,
    ),
    "WithinVersusStyle": Family(
        _labelled(WithinVersusStyle, layers=(0, 1)),
        _spaced("attn_out", spaces.crossed),
        _difference,
        lambda name: [
            *_crossed(name, CROSSED, LAWS[:2], (FLAT, EDGE)),
            *_crossed(name, CROSSED, LAWS[:1], ("2 s", "3 s")),
        ],
        dear=True,
    ),
}


def family(scenario: Scenario) -> Family:
    """How a scenario's data are made."""
    return FAMILIES[scenario.family]


def scenarios(families: tuple[str, ...] = ()) -> list[Scenario]:
    """All scenarios of some families, of all for none; in a fixed order."""
    return [one for name in FAMILIES if not families or name in families for one in FAMILIES[name].scenarios(name)]


@lru_cache(maxsize=512)
def strengths_of(scenario: Scenario) -> tuple[float, ...]:
    """What a scenario plants, so that its truth is the one that it is said to be."""
    return family(scenario).strengths_for(scenario)


def requests() -> tuple[Request, ...]:
    """What the embedded model must be recorded to answer."""
    return (Activations("attn_out"), Activations("head_z", None, "norm"), Activations("resid_post", (LAST,)))


# ---- one data set


def weighed(scenario: Scenario, rng: np.random.Generator, strengths: tuple[float, ...]) -> tuple[Hypothesis, Evidence]:
    """A claim and its evidence on one planted data set; draws of chance are made anew for each."""
    claim = family(scenario).claim(scenario)
    recording = family(scenario).plant_for(scenario)(scenario, rng, strengths)
    weighing = Weighing(
        seed=int(rng.integers(2**62)),
        permutations=PERMUTATIONS,
        resamples=FEW if _by_test_alone(scenario) else RESAMPLES,
        alpha=ALPHAS[0],
        bare=True,
    )
    evidence = claim.weigh(recording, weighing)
    if scenario.question in (SPREAD, DISTANCES):
        evidence = replace(evidence, secondary={LOCATION: _location(claim, recording, rng)})
    return claim, evidence


FEW = 9
"""Resamples where no bound is looked at."""


def _by_test_alone(scenario: Scenario) -> bool:
    """Whether all that is counted is p of a test, so that bounds need not be worked out well."""
    tested = (
        "AxesAgainstRotations",
        "AxisStreams",
        "CategoryClustering",
        "HeadSelectivity",
        "InputOutsideUnembedding",
        "LowRankSimilarity",
        "OVDirections",
        "SubspaceSeparation",
        "TokenNeuronCongruence",
        "WeightClusterability",
    )
    bounded = (ALONG, BEYOND, NOISY, COPIED, SPREAD, DISTANCES, EVERYWHERE, HALF)
    if scenario.truth == GAP_TRUTH:
        return True
    return scenario.truth == NONE and scenario.family in tested and scenario.question not in bounded


LOCATION = "adjusted p of F2"


def _location(claim: Hypothesis, recording: Recording, rng: np.random.Generator) -> Floats:
    """(cell,) adjusted p of F2, as stands beside the claim when it is weighed whole."""
    assert isinstance(claim, CategoryClustering)
    units = Units.of(recording.corpus, claim.label, claim.within)
    arrangements = relabellings(units.design, budget=PERMUTATIONS, rng=rng, blind="within_strata")
    squared = [
        text_similarity(recording.array(Activations("attn_out"), layer), claim.similarity).squared_distance
        for layer in range(LAYERS)
    ]
    found = [units.squared_distance(matrix) for matrix in squared if matrix is not None]
    return controls.spread(found, units, Pairs.of(units.design), arrangements, 0, "", ALPHAS[0]).p_location


def levels_of(scenario: Scenario, claim: Hypothesis, evidence: Evidence) -> Rates:
    """The levels at which each of a scenario's events happens, one a claim or one a cell: it happens where level <= alpha.

    Those that `claim.holds.levels` gives for one contrast or for `somewhere`, without the limits that it also works out.
    """
    bounds, test, s = evidence.bounds, evidence.test, claim.smallest_effect
    cells = claim.holds.chosen(evidence.cells)
    if scenario.question in (EVERYWHERE, HALF):
        levels = claim.holds.levels(evidence, s, ALPHAS[0])
        assert levels.p is not None
        if scenario.truth == NONE:
            return {SIZE: np.array([levels.p])}
        return {LOWER: np.array([levels.p_plus]), UPPER: np.array([levels.p_minus])}
    band = bounds.p_lower(s, cells)[cells]
    plus = band if test is None else np.maximum(test.p_adjusted[cells], band)
    if scenario.truth in (NONE, FLAT):
        if test is None:
            return {SIZE: bounds.p_lower(0.0, cells)[cells].min(keepdims=True)}
        found: Rates = {SIZE: test.p_adjusted[cells].min(keepdims=True), SIZE_CELLS: test.p[cells]}
        if scenario.question in (BEYOND, NOISY, COPIED, SPREAD, DISTANCES):
            found[WRONG] = plus.min(keepdims=True)
        if scenario.question in (SPREAD, DISTANCES):
            here = int(np.argmin(plus))
            found[PLACED] = np.maximum(plus[[here]], evidence.secondary[LOCATION][[here]])
        return found
    if scenario.truth == GAP_TRUTH:
        assert test is not None
        return {POWER_P: test.p_adjusted[[PLANTED]]}
    if scenario.truth == EDGE:
        below = bounds.p_upper(s)[cells]
        found = {LOWER: band.min(keepdims=True), UPPER: below.max(keepdims=True)}
        return found | ({LOWER_CELLS: bounds.p_lower(s)[cells], UPPER_CELLS: below} if len(cells) > 1 else {})
    return {POWER: plus.min(keepdims=True)}
