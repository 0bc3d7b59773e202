"""What effect a claim would find, simulated: it is supported about as often as it is said, and more texts find less."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest
from planned import POSITIONS, SHAPE, claims, clustering, heads, only, planned, sizes, texts
from scipy.special import ndtri

from modclaims import (
    AxesAgainstRotations,
    AxisStreams,
    HeadsAgainstBlocks,
    HeavyTails,
    TightPass,
    along_depth,
)
from modclaims.families.common.units import Units
from modclaims.families.responses import known_answers as responses
from modclaims.look import TestSettings
from modclaims.planning.power import Requirement, detectable
from modclaims.plans.plans import make_plan
from modclaims.planting import known
from modclaims.planting.family import claim_of
from modclaims.planting.known import Layout
from modclaims.planting.responses import noise_of_means
from modclaims.recording import (
    Activations,
    Reading,
)
from modclaims.runs.settings import Settings


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """statsmodels collects garbage at each correction, which takes longer than all else."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


def supported_in(claim, layout, plant, sets):
    """The share of planted data sets whose claim is supported at level .05."""
    hits, rng = 0, np.random.default_rng(11)
    for seed in range(sets):
        evidence = claim.weigh(plant(layout, rng), TestSettings(seed=seed, permutations=99, resamples=399, bare=True))
        hits += claim.holds.levels(evidence, claim.smallest_effect, 0.05).p_plus <= 0.05
    return hits / sets


def test_the_detectable_delta_is_supported_in_about_4_runs_of_5():
    layout = Layout("crossed", (12, 12, 12, 12), strata=4)
    design = Units.of(known.corpus(layout), "category", "topic").design
    found = detectable(design, "delta", 0.2, Requirement(0.05), Requirement(0.05))
    strength = known.strength_of_delta(layout, "normal", found.effect)

    def plant(layout, rng):
        x = known.activations(rng, layout, "normal", (strength,), known.WIDTH)
        return known.recording(layout, {(Activations("attn_out"), 0): x[:, :, 0]}, known.WIDTH, 1)

    assert 0.7 < supported_in(clustering(within="topic"), layout, plant, 80) < 0.97


@pytest.mark.parametrize("cells", [1, 16])
def test_the_detectable_omega2_is_supported_in_about_4_runs_of_5(cells):
    layout = Layout("free", (12, 12, 12, 12))
    design = Units.of(known.corpus(layout), "category", None).design
    found = detectable(design, "omega^2", 0.1, Requirement(0.05, cells, True), Requirement(0.05, cells, needed=cells))
    raw = responses.raw_of_scores(layout, "normal", round(found.effect, 4), cells)[0]

    def plant(layout, rng):
        y = responses.responses(rng, layout, "normal", np.array([raw, *[0.0] * (cells - 1)]))
        return known.recording(layout, {(Activations("head_z", None, "norm"), 0): y}, known.WIDTH, 1)

    assert 0.62 < supported_in(heads(), layout, plant, 60) < 0.96


@pytest.mark.parametrize("cells", [1, 16])
def test_the_detectable_superiority_is_supported_in_about_4_runs_of_5(cells):
    layout = Layout("free", (12, 12, 12, 12))
    design = Units.of(known.corpus(layout), "category", None).design
    found = detectable(
        design, "superiority", 0.2, Requirement(0.05, cells, True), Requirement(0.05, cells, needed=cells)
    )
    means = np.zeros((4, cells))
    means[0, 0] = np.sqrt(2 * noise_of_means(layout, "normal")) * ndtri((1 + found.effect) / 2)

    def plant(layout, rng):
        y = responses.planted(rng, layout, "normal", means)
        return known.recording(layout, {(Activations("head_z", None, "norm"), 0): y}, known.WIDTH, 1)

    claim = heads(category="c0", answers="more", smallest_effect=0.2)
    assert 0.62 < supported_in(claim, layout, plant, 60) < 0.99


def test_a_named_category_settles_nothing_that_a_perfect_order_would_not():
    claim = heads(category="c0", answers="more", smallest_effect=0.2)
    few, enough = (only(claim, sizes(n, n, n)).plan for n in (4, 12))
    assert few.bounds.floor == pytest.approx(0.6**4)
    assert enough.bounds.floor == pytest.approx(0.6**12)
    assert only(claim, sizes(4, 4, 4)).refuted.level == pytest.approx(0.4**4)  # ordered the other way round
    assert enough.arrangements == math.comb(36, 12) * math.comb(24, 12)  # a name tells its category from the others
    learned = claim_of(AxisStreams, untrained=0, basis="pca", components=2, category="c0", smallest_effect=0.2)
    assert only(learned, sizes(12, 12, 12)).plan.bounds.floor == pytest.approx(2 * 0.6**6)


def test_more_texts_find_less_and_more_cells_need_more():
    def effect(count, cells=1):
        design = Units.of(sizes(count, count, count), "category", None).design
        return detectable(
            design, "omega^2", 0.1, Requirement(0.05, cells, True), Requirement(0.05, needed=cells)
        ).effect

    assert effect(10) > effect(24) > 0.1
    assert effect(24, 12) > effect(24)


def test_ten_texts_hardly_settle_what_they_could_by_counting():
    corpus, made = sizes(4, 3, 3), claims(clustering(), heads(), heads(unit="neuron"))
    plan = make_plan(made, corpus, Reading(SHAPE, (512,) * 10, 512, POSITIONS), Settings())
    assert not plan.refused
    assert {one.plan.test.floor for one in plan.claims} == {1 / 2100}
    clusters, *answers = plan.claims
    # 3 categories of at least 3 texts are worth 4.5 comparisons
    assert clusters.supported.level == pytest.approx(3 * 0.6**4.5)
    assert clusters.refuted.level == pytest.approx(0.4**4.5)
    assert clusters.reaches == ("refuted",)
    assert all(one.reaches == ("supported", "refuted") for one in answers)
    assert all(one.found.effect is None for one in plan.claims)
    assert [one.hardly for one in plan.claims] == [("refuted",), ("refuted",), ("supported", "refuted")]
    assert plan.summary.startswith(
        "Of 3 claims 2 can be SUPPORTED (1 of them hardly ever), 3 REFUTED (3 of them hardly ever)"
    )
    told = [line for line in plan.lines() if line.startswith("t.py")]
    assert "hardly REFUTED " in told[0] and "SUPPORTED" not in told[0]
    assert "SUPPORTED, hardly REFUTED" in told[1]
    assert "hardly either" in told[2]


def test_nothing_is_said_of_effects_of_which_nothing_is_known():
    silent = [
        clustering(beyond="shared_words"),
        clustering(holds=along_depth("rises")),
        claim_of(HeadsAgainstBlocks),
        claim_of(AxesAgainstRotations),
        claim_of(TightPass),
        claim_of(HeavyTails),
    ]
    plan = planned(silent, sizes(12, 12))
    assert all(c.found is None and c.as_dict()["detectable_effect"] is None for c in plan.claims)
    mixed = Units.of(texts([(16,), (16,)], lambda i: f"b{i % 8}"), "category", None).design
    with pytest.raises(ValueError, match="clusters"):
        detectable(mixed, "delta", 0.2, Requirement(0.05), Requirement(0.05))
