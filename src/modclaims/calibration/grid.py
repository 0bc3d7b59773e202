"""The grid: which claims are weighed on which planted data, and which rates are read off them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import numpy as np
from numpy.typing import NDArray

from modclaims import families
from modclaims.hypothesis import Hypothesis
from modclaims.look import TestSettings
from modclaims.planting.family import Family
from modclaims.planting.scenarios import (
    ALPHAS,
    EDGE,
    FLAT,
    LOWER,
    LOWER_CELLS,
    NONE,
    PERMUTATIONS,
    PLACED,
    POWER,
    POWER_P,
    RESAMPLES,
    SIZE,
    SIZE_CELLS,
    UPPER,
    UPPER_CELLS,
    WRONG,
    Scenario,
)
from modclaims.planting.shuffled import LAST
from modclaims.recording import Activations, Request
from modclaims.stats.evidence import Evidence

Rates = dict[str, NDArray[np.float64]]

FEWER = 500
"""Data sets of the families that are costly, of which others have more."""
FEW = 9
"""Resamples where no bound is looked at."""
LOCATION = "adjusted p of F2"


def _shipped() -> Iterator[Family]:
    """The families that known answers of the topics hold, in the order of their names."""
    rooms = [found.name for found in walk_packages(families.__path__, f"{families.__name__}.")]
    known = [import_module(room) for room in rooms if room.rpartition(".")[2].startswith("known_")]
    found = [value for room in known for value in vars(room).values() if isinstance(value, Family)]
    yield from sorted({id(one): one for one in found}.values(), key=lambda one: one.base.__name__.lower())


FAMILIES: Mapping[str, Family] = {family.base.__name__: family for family in _shipped()}
"""By library class, in the order in which pages show them."""
OWN: dict[str, Own] = {}
"""Families of one's own that were added, by name."""


def family(scenario: Scenario) -> Family:
    """How a scenario's data are made."""
    own = OWN.get(scenario.family)
    return FAMILIES[scenario.family] if own is None else own.family


def scenarios(families: tuple[str, ...] = ()) -> list[Scenario]:
    """All scenarios of some families, of all shipped ones for none; in a fixed order."""
    found = [entry for name, entry in FAMILIES.items() if not families or name in families]
    found += [entry.family for name, entry in OWN.items() if name in families]
    return [one for entry in found for one in entry.scenarios()]


@dataclass(frozen=True)
class Own:
    """A family of one's own, and where it was found."""

    family: Family
    node: str
    """`FILE.py::Class`."""
    cwd: Path
    code: str
    """Digest of the files that define it, under which its counts are kept."""


def current(line: Mapping[str, object]) -> bool:
    """Whether counts were made by the code at hand; those of a family of one's own that was not added are left alone."""
    own = OWN.get(str(line["scenario"]).partition(" / ")[0])
    return own is None or line.get("code") == own.code


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
    mine = family(scenario)
    claim, question = mine.claim(scenario), mine.question(scenario)
    recording = mine.planted(scenario, claim, rng, strengths)
    weighing = TestSettings(
        seed=int(rng.integers(2**62)),
        permutations=PERMUTATIONS,
        resamples=FEW if _by_test_alone(scenario) else RESAMPLES,
        alpha=ALPHAS[0],
        bare=True,
    )
    evidence = claim.weigh(recording, weighing)
    if question.location is not None:
        evidence = replace(evidence, secondary={LOCATION: question.location(claim, recording, rng)})
    return claim, evidence


def _by_test_alone(scenario: Scenario) -> bool:
    """Whether all that is counted is p of a test, so that bounds need not be worked out well."""
    mine, question = family(scenario), family(scenario).question(scenario)
    if question.cell is not None:
        return True
    return scenario.truth == NONE and mine.tested and not (question.several or question.supported)


def levels_of(scenario: Scenario, claim: Hypothesis, evidence: Evidence) -> Rates:
    """The levels at which each of a scenario's events happens, one per claim or one per cell: it happens where level <= alpha.

    Those that `claim.holds.levels` gives for one contrast or for `somewhere`, without the limits that it also works out.
    """
    question = family(scenario).question(scenario)
    bounds, test, s = evidence.bounds, evidence.test, claim.smallest_effect
    cells = claim.holds.chosen(evidence.cells)
    if question.several:
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
        if question.supported:
            found[WRONG] = plus.min(keepdims=True)
        if question.location is not None:
            here = int(np.argmin(plus))
            found[PLACED] = np.maximum(plus[[here]], evidence.secondary[LOCATION][[here]])
        return found
    if question.location is not None:  # where it is to be found
        return {POWER_P: evidence.secondary[LOCATION].min(keepdims=True)}
    if question.cell is not None:
        assert test is not None
        return {POWER_P: test.p_adjusted[[question.cell]]}
    if scenario.truth == EDGE:
        below = bounds.p_upper(s)[cells]
        found = {LOWER: band.min(keepdims=True), UPPER: below.max(keepdims=True)}
        return found | ({LOWER_CELLS: bounds.p_lower(s)[cells], UPPER_CELLS: below} if len(cells) > 1 else {})
    return {POWER: plus.min(keepdims=True)}
