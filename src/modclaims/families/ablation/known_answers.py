"""Networks of which nothing is known but what taking a unit out does to each text: known answers for claims that ablate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.families.ablation.ablation_specificity import AblationSpecificity
from modclaims.families.ablation.ablation_sufficiency import AblationSufficiency
from modclaims.families.ablation.targeted_ablation import TargetedAblation
from modclaims.hypothesis import Hypothesis
from modclaims.planting import known
from modclaims.planting.family import MIDDLE, Constants, Family, Plant, effect_alone, labelled, places
from modclaims.planting.known import LAWS, LAYERS, WIDTH, Layout
from modclaims.planting.scenarios import EDGE, NONE, Scenario
from modclaims.recording import Activations, Array, Positions, Recording, Request, TokenIds

Floats = NDArray[np.float64]
NEURONS = 4 * WIDTH
"""Of a layer, as `known.recording` has it."""
TOKENS = 8
CLEAR = 6.0
"""How many standard deviations a category's own unit answers it more: which unit is picked is beyond doubt."""
OF_UNITS, OF_TEXTS = 0.2, 1.0
"""How units differ in what taking them out does, and how texts differ under each, in units of the claim's smallest effect."""


@dataclass(frozen=True)
class PlantedEffects:
    """A source whose losses, and log-odds, change by a sum over the units that are taken out, or kept."""

    corpus: Corpus
    arrays: Mapping[tuple[Request, int], Floats]
    """Answers that do not hang on what is taken out."""
    effects: Floats
    """(layer, unit, text)"""
    whole: Floats
    """(text,) loss, or log-odds, of the whole network."""

    def array(self, request: Request, layer: int) -> Array:
        if not request.passes_apart:
            return self.arrays[request, layer]
        found = self.whole
        if request.ablation is not None:
            layers, units = np.array(request.ablation.places).T
            found = found + self.effects[layers, units].sum(axis=0)
        return found[list(request.chosen(self.corpus))]


def planted(
    rng: np.random.Generator, layout: Layout, law: str, effect: float, scale: float, everywhere: bool
) -> Recording:
    """A unit a category, each in a layer of its own, that answers it; taking it out changes a loss by `effect`.

    At the category's own texts, or at all with `everywhere`. All other units, and under `effect` 0 these too, do what
    units do by chance. `scale` is what texts and units vary by: the claim's smallest effect.
    """
    texts, category = layout.texts, layout.category
    answers = 5 + known.deviations(rng, law, (texts, LAYERS, NEURONS))
    change = rng.normal(0, OF_UNITS * scale, (LAYERS, NEURONS, 1)) + OF_TEXTS * scale * np.moveaxis(
        known.deviations(rng, law, (texts, LAYERS, NEURONS)), 0, -1
    )
    ids = rng.integers(len(layout.sizes), len(layout.sizes) + 6, size=(texts, TOKENS)).astype(np.float64)
    for k in range(len(layout.sizes)):
        own = category == k
        answers[own, k % LAYERS, k // LAYERS] += CLEAR * (known.WIDE if law == "unequal spread" else 1.0)
        ids[own, : TOKENS // 2] = k
        if effect:
            where = np.ones(texts, dtype=bool) if everywhere else own
            shift = OF_TEXTS * scale * known.deviations(rng, law, (texts,))
            change[k % LAYERS, k // LAYERS] = np.where(where, effect + shift, shift)
    request = Activations("mlp_act", None, "mean", Positions(f"1:{TOKENS}"))
    arrays: dict[tuple[Request, int], Floats] = {(request, layer): answers[:, layer] for layer in range(LAYERS)}
    recording = known.recording(layout, {}, WIDTH)
    whole = rng.normal(3, 0.1, texts)
    source = PlantedEffects(recording.corpus, {**arrays, (TokenIds(TOKENS), 0): ids}, change, whole)
    return replace(recording, source=source)


# ---- the families


def _ablating(sets: int) -> Constants:
    return labelled(how="zero", sizes=(1,), tokens=TOKENS, sets=sets, splits=5)


def _taken_out(everywhere: bool) -> Plant:
    def made(
        scenario: Scenario, claim: Hypothesis, rng: np.random.Generator, strengths: tuple[float, ...]
    ) -> Recording:
        return planted(rng, scenario.texts, scenario.law, strengths[0], claim.smallest_effect, everywhere)

    return made


ABLATION = Family(
    TargetedAblation,
    _ablating(40),
    _taken_out(everywhere=False),
    effect_alone,
    places((MIDDLE,), LAWS[:2], (NONE, EDGE, "3 s")),
    costly=True,
)
SPECIFICITY = Family(
    AblationSpecificity,
    _ablating(21),
    _taken_out(everywhere=False),
    effect_alone,
    places((MIDDLE,), LAWS[:1], (NONE, EDGE, "3 s")),
    costly=True,
)
SUFFICIENCY = Family(
    AblationSufficiency,
    _ablating(21),
    _taken_out(everywhere=True),
    effect_alone,
    places((MIDDLE,), LAWS[:1], (NONE, EDGE, "3 s")),
    costly=True,
)
