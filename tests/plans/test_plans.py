"""The plan: what it says to be out of reach is so whatever the data, what it says to be within reach can be reached."""

from __future__ import annotations

import gc
import json
import math
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from planned import POSITIONS, SHAPE, claims, clustering, heads, only, planned, reading_of, sizes, texts
from planted import PlantedRecorder, planted_corpus
from terminal import call
from test_front_door import loaded_after

from modclaims import (
    AblationSufficiency,
    AxesAgainstRotations,
    AxisStreams,
    CategoryClustering,
    FirstTokenAttention,
    HeadMagnitudes,
    HeadsAgainstBlocks,
    HeadSelectivity,
    HeavyTails,
    LeadingValues,
    LowRankSimilarity,
    ModelsDiffer,
    QuietMiddle,
    ResidualPhases,
    ScaleTrend,
    SimilarityLevels,
    SubspaceSeparation,
    TighterThanAttention,
    TightPass,
    WithinVersusStyle,
    along_depth,
    at,
    everywhere,
    in_fraction,
    somewhere,
)
from modclaims.calibration import grid
from modclaims.corpus import Corpus, Text
from modclaims.corpus_files import read_corpus
from modclaims.errors import ModelError
from modclaims.families.categories.known_clustering import ONE_CELL
from modclaims.families.common.plan_parts import measured_halves
from modclaims.families.common.units import Units
from modclaims.lm.model import load_model
from modclaims.lm.outline import read_outline
from modclaims.look import CHECKPOINTS, PlannedStreams, TestSettings
from modclaims.outcome import Outcome
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import CountedLevel
from modclaims.plans import plans
from modclaims.plans.plans import make_plan
from modclaims.plans.reach import sides
from modclaims.planting.family import claim_of
from modclaims.recording import (
    Activations,
    MemorySource,
    Positions,
    Reading,
    Recording,
)
from modclaims.runner import execute
from modclaims.runs.collect import Collected, collect
from modclaims.runs.settings import Settings
from modclaims.stats.bounds.splits import halves, part
from modclaims.stats.chance.actions import count_arrangements
from modclaims.stats.chance.merging import merged_levels
from modclaims.stats.effects.levels import LEVELS
from modclaims.stats.effects.superiority import comparisons


@pytest.fixture(autouse=True)
def no_collection(monkeypatch):
    """statsmodels collects garbage at each correction, which takes longer than all else."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


# ---- by hand


def test_ten_texts_have_4200_arrangements_and_2100_partitions():
    corpus = sizes(4, 3, 3)
    design = Units.of(corpus, "category", None).design
    assert count_arrangements(design) == 4200
    for claim in (clustering(), heads()):
        made = only(claim, corpus).plan
        assert (made.arrangements, str(made.test)) == (2100, "exact, 2,100")
        assert made.test.floor == 1 / 2100
        assert (made.units, made.unit, made.smallest) == (10, "text", 3)


def test_six_texts_in_two_categories_cannot_support_anything():
    one = only(heads(), sizes(3, 3))
    assert one.plan.test.floor == pytest.approx(0.1)
    assert one.supported.level == pytest.approx(0.1)
    assert one.reaches == ("refuted",)
    assert one.supported.why == "p+ cannot fall below 0.1 (exact, 10)"
    assert one.supported.remedy == "add texts"


def test_six_texts_in_two_categories_settle_nothing_about_delta_however_well_they_are_ordered():
    one = only(clustering(), sizes(3, 3))
    assert one.plan.test.floor == pytest.approx(0.1)
    # delta .2 is an order in 6 of 10 pairs; 3 texts in the smaller of 2 categories are worth 3 comparisons, at 3 layers
    assert one.supported.level == pytest.approx(3 * 0.6**3)
    assert one.refuted.level == pytest.approx(0.4**3)  # .8^3 were nothing to vary
    assert one.reaches == ()
    assert one.supported.why == "p+ cannot fall below 0.65 (that of a perfect sample of so many texts)"
    assert one.supported.remedy == "add texts"
    # 3 p^(1 / 3) - 1 at alpha / 3
    assert one.plan.largest_lower == pytest.approx(2 * (0.05 / 3) ** (1 / 3) - 1)
    assert "no lower limit of delta above -0.49, however strong" in "\n".join(
        planned([clustering()], sizes(3, 3)).lines()
    )


@pytest.mark.parametrize(
    ("holds", "up", "down"), [(somewhere(), 3, 1), (everywhere(), 1, 3), (in_fraction(0.5), 2, 2), (at(0, 2), 2, 1)]
)
def test_a_perfect_sample_reaches_the_less_the_more_cells_are_bounded_together(holds, up, down):
    one = only(clustering(holds=holds), sizes(9, 7))
    assert one.supported.level == pytest.approx(max(1 / 11_440, up * 0.6**7))
    assert one.refuted.level == pytest.approx(down * 0.4**7)


def test_clusters_whose_texts_are_all_alike_refute_more_than_a_perfect_sample_of_unequal_clusters():
    # one block holds four topics and five hold one, so that they are worth 9 / 4 comparisons: .25^2.25 = .044
    rows = [("b0", h) for h in range(4)] + [(f"b{i}", i % 4) for i in range(1, 6)]
    made = [
        Text(f"t{i}{k}", f"text {i} {k}", {"category": "abab"[k], "topic": f"s{topic}"}, block)
        for i, (block, topic) in enumerate(rows)
        for k in range(4)
    ]
    one = only(clustering(within="topic", smallest_effect=0.5), Corpus("texts", tuple(made)))
    assert one.plan.clusters == 6
    assert one.refuted.level == pytest.approx(0.5**6)  # were the effect .5, half of them would differ, and none does


def test_four_texts_can_settle_nothing_and_the_plan_is_refused():
    plan = planned([clustering()], sizes(2, 2))
    one = plan.claims[0]
    # in a quarter of the resamples each category is one text drawn twice, and no pair is left
    assert one.plan.bounds.floor == pytest.approx(1 / 4, abs=0.03)
    assert one.reaches == ()
    assert plan.refused.startswith(
        "The claim can reach no outcome but INCONCLUSIVE: CategoryClustering0. p+ cannot fall"
    )
    assert "at most 0.05 is needed. Add texts." in plan.refused
    assert (
        plan.summary
        == "Of 1 claim 0 can be SUPPORTED, 0 REFUTED, 1 nothing but INCONCLUSIVE; 1 cannot become what it expects."
    )


def test_halves_of_ten_texts_have_at_most_15_partitions():
    design = Units.of(sizes(4, 3, 3), "category", None).design
    for seed in range(20):
        for half in halves(design, np.random.default_rng(seed)):
            assert count_arrangements(part(design, half), blind="jointly") <= 15
    learned = claim_of(AxisStreams, untrained=0, basis="pca", components=2)
    for claim in (learned, claim_of(HeadsAgainstBlocks)):
        one = only(claim, sizes(4, 3, 3))  # what a run says of them
        assert one.outcome is Outcome.ERROR
        assert "needs 4 texts of each category" in one.message


def test_halves_of_twelve_texts_are_refused():
    for claim in (claim_of(AxisStreams, untrained=0, basis="pca", components=2), claim_of(HeadsAgainstBlocks)):
        plan = planned([claim], sizes(4, 4, 4))
        assert plan.claims[0].reaches == ()
        assert "in too many of the resamples of most halves of so few texts nothing varies" in plan.refused
        assert "Add texts" in plan.refused
    made = planned([claim_of(AxisStreams, untrained=0, basis="pca", components=2)], sizes(4, 4, 4)).claims[0].plan
    assert made.arrangements == 15
    assert made.test.floor == pytest.approx(2 / 15)
    assert made.cells == 3 * 2


LAST = 1 / 199_981
"""The smallest level of 20 times 9,999 draws, to which they go on where they decide nothing before."""


@pytest.mark.parametrize(("correction", "factor"), [("holm", 8), ("none", 1), ("bh", 1)])
def test_equal_floors_are_corrected_over_all_claims(correction, factor):
    plan = planned([clustering() for _ in range(8)], sizes(40, 40), correction=correction)
    for one in plan.claims:
        assert one.supported.level == LAST
        assert one.supported.corrected == pytest.approx(factor * LAST)
        assert one.supported.alone == pytest.approx((1 if correction == "none" else 8) * LAST)


def test_claims_that_cannot_be_weighed_count_in_the_correction():
    plan = planned([clustering(), clustering(), clustering(site="nowhere"), clustering(label="author")], sizes(40, 40))
    assert [c.outcome for c in plan.claims] == [None, None, Outcome.ERROR, Outcome.ERROR]
    assert plan.claims[0].supported.corrected == pytest.approx(4 * LAST)
    assert plan.corrected_over == 4
    assert "Corrected over 4 claims, of which 2 would be weighed: a claim that cannot be" in "\n".join(plan.lines())
    assert "no label 'author'" in plan.claims[3].message
    assert plan.summary.endswith("; 2 cannot be weighed here.")


def test_claims_that_are_not_selected_count_and_may_be_settled_already():
    reading = Reading(SHAPE, (512,) * 80, 512, POSITIONS)
    shipped = [replace(one, is_shipped=True) for one in claims(clustering(label="author"))]
    others = [*claims(clustering(), heads(), clustering(site="nowhere")), *shipped]
    with mock.patch.object(plans, "detectable", return_value=None):
        plan = make_plan(claims(clustering()), sizes(40, 40), reading, Settings(permutations=499), unselected=others)
    supported = plan.claims[0].supported
    assert plan.corrected_over == 4  # without the shipped claim, whose column is lacking
    # two of the others may stand settled in the log, the one that cannot be weighed never does
    assert (supported.level, supported.corrected, supported.alone) == pytest.approx(
        (1 / 9981, 2 / 9981, 4 / 9981)  # of 20 x 499 draws
    )
    lines = "\n".join(plan.lines())
    assert "Corrected over 4 claims, of which 1 would be weighed. What is not selected counts as p = 1, or" in lines
    assert plan.as_dict()["corrected_over"] == 4


def test_a_few_permutations_support_few_claims():
    def few(count, **options):
        return planned([clustering() for _ in range(count)], sizes(40, 40), **options).claims[0]

    assert few(6, permutations=99).reaches == ("supported", "refuted")  # 6 x 1 / (20 x 99 + 1) = .003
    six = few(6, permutations=99, alpha=0.001)
    assert six.reaches == ("refuted",)
    assert six.supported.why == "p+ cannot fall below 0.0005 (99 to 1,980 draws), 0.003 after holm over 6 claims"
    assert six.supported.remedy == "raise --permutations to 999, or state fewer claims together"
    assert few(6, permutations=999, alpha=0.001).reaches == ("supported", "refuted")
    one = few(1, permutations=99, alpha=0.0004)
    assert one.supported.why == "p+ cannot fall below 0.0005 (99 to 1,980 draws)"
    assert one.supported.remedy == "raise --permutations to 999"
    # there are no more draws than arrangements: of 126 the last checkpoint has all
    last = only(heads(), sizes(4, 5), permutations=99)
    assert (last.plan.test.draws, last.supported.level) == (99, 1 / 126)
    # all of them are no draws
    assert only(heads(), sizes(4, 4), permutations=99).supported.level == 1 / 35


def test_draws_that_cannot_go_far_enough_are_too_few():
    def few(count, **options):
        made = [claim_of(SimilarityLevels, holds=along_depth("falls"))] * count
        return planned(made, sizes(40, 40), resamples=199, **options).claims[0]

    assert few(4).reaches == ("supported", "refuted")
    four = few(4, alpha=0.001)
    assert four.reaches == ()
    assert four.supported.why == "p+ cannot fall below 0.00025 (199 to 3,980 draws), 0.001 after holm over 4 claims"
    assert four.supported.remedy == "raise --resamples to 999, or state fewer claims together"


@pytest.mark.parametrize("option", ["permutations", "resamples"])
def test_the_remedy_is_one(option):
    made = [clustering(), heads(holds=in_fraction(0.5)), claim_of(HeadsAgainstBlocks), heads(holds=everywhere())]
    before = planned(made * 5, sizes(40, 40), alpha=0.002, **{option: 299})
    stuck = [side for c in before.claims for side in (c.supported, c.refuted) if not side.reachable]
    assert stuck
    counts = {int(s.remedy.split(f"raise --{option} to ")[1].split(",")[0]) for s in stuck}
    after = planned(made * 5, sizes(40, 40), alpha=0.002, **{option: max(counts)})
    assert all(len(c.reaches) == 2 for c in after.claims)


def test_signs_and_rotations_and_slopes_have_floors_of_their_own_and_fractions_have_none():
    half = only(heads(holds=in_fraction(0.5)), sizes(12, 12))  # 3 of 6 heads
    assert (half.supported.level, half.refuted.level) == (LAST, LAST)
    paired = only(claim_of(TighterThanAttention), sizes(12, 12))
    assert (paired.plan.test, paired.plan.units, paired.plan.action) == (None, 16, "taking the median over texts")
    assert (paired.supported.level, paired.refuted.level) == (2**-16, 2**-16)
    few = only(claim_of(TighterThanAttention, texts=6), sizes(12, 12), alpha=0.01)
    assert "p+ cannot fall below 0.016 (that of 6 texts which all lie beyond)" in few.supported.why
    assert few.supported.remedy == "add texts"
    deep, later = replace(SHAPE, layers=12), (40, 44)
    chunks = only(claim_of(FirstTokenAttention), sizes(4, 4), shape=deep, positions=later).plan
    phases = only(claim_of(ResidualPhases), sizes(12, 12), shape=deep, positions=later).plan
    assert (chunks.cells, chunks.test.rows, chunks.test.exact) == (18, 2**8, True)
    assert (phases.cells, phases.test.exact, phases.arrangements) == (1, False, 2**24)
    turned = only(claim_of(AxesAgainstRotations, rotations=199), sizes(12, 12))
    assert (turned.plan.test.floor, turned.plan.bounds.floor) == (1 / 200, 2e-4)
    contrast = only(clustering(holds=along_depth("rises")), sizes(12, 12))
    assert contrast.plan.test is None
    # perfect parts at the first and the last of 3 layers, 1.8 above the smallest rise: 4 (1 - q) were they wrong together,
    # which is .55^12 = .0008; 2 sqrt(2) (1 - q) where the bootstrap says how far they are
    assert contrast.supported.level == pytest.approx((1 - 0.9 / math.sqrt(2)) ** 12)
    assert only(clustering(holds=along_depth("rises")), sizes(40, 40)).supported.level == pytest.approx(0.55**40)
    assert contrast.effect_name == "rise of delta"
    assert only(claim_of(HeadsAgainstBlocks), sizes(12, 12)).supported.level == 2 * LAST
    nulls = only(claim_of(TightPass, texts=6), sizes(12, 12))
    assert (nulls.plan.units, nulls.plan.texts, nulls.plan.cells) == (6, 6, 3)


def test_relabellings_of_subspaces_and_permutations_of_coordinates_are_the_claims_own():
    apart = only(claim_of(SubspaceSeparation, relabellings=199), sizes(12, 12))
    assert (apart.plan.test.floor, apart.plan.test.raised_by) == (1 / 200, "relabellings")
    apart = only(claim_of(SubspaceSeparation, relabellings=199), sizes(12, 12), permutations=99)
    assert (apart.plan.test.floor, apart.plan.test.raised_by) == (1 / 100, "--permutations")
    low = only(claim_of(LowRankSimilarity, draws=99), sizes(12, 12))
    assert (low.plan.test.floor, low.plan.test.raised_by) == (1 / 100, "draws")
    one = only(claim_of(WithinVersusStyle, label="category", within="topic"), texts([(6, 6), (6, 6)]))
    assert (one.plan.test, one.plan.action, one.plan.cells) == (None, "resampling texts", 3)
    rising = claim_of(WithinVersusStyle, label="category", within="topic", holds=along_depth("rises"))
    assert only(rising, texts([(6, 6), (6, 6)])).plan.cells == 1


def lined(count, **changes):
    """A shape beside so many more, each three times as large as the one before."""
    sized = [replace(SHAPE, name=f"m{i}", parameters=1000 * 3**i, layers=3 + i, **changes) for i in range(count)]
    return replace(sized[0], beside=tuple(sized[1:]))


def test_claims_about_scale_have_a_cell_a_depth_or_the_models_as_units():
    corpus, apart, trend = sizes(12, 12), claim_of(ModelsDiffer), claim_of(ScaleTrend)
    one = planned([apart], corpus, lined(3)).claims[0].plan
    assert (one.test, one.cells, one.units) == (None, 3, 24)
    many = planned([trend], corpus, lined(5)).claims[0]
    assert (many.plan.unit, many.plan.units, many.plan.test.floor) == ("model", 5, pytest.approx(1 / 120))
    assert many.reaches == ("supported", "refuted")
    drawn = planned([trend], corpus, lined(9)).claims[0].plan.test
    assert (drawn.exact, drawn.draws) == (False, 9999)
    same = replace(lined(2), beside=(replace(SHAPE, name="m1", parameters=1000),))
    assert "none is larger" in planned([trend], corpus, same).claims[0].message
    assert planned([apart, trend], corpus).claims[0].outcome is Outcome.SKIPPED


def test_a_trend_over_few_models_is_refused_with_its_reason():
    plan = planned([claim_of(ScaleTrend), clustering()], sizes(12, 12), lined(4))
    assert plan.claims[0].reaches == ()
    assert plan.claims[1].reaches == ("supported", "refuted")
    assert "fewer than 5 models" in plan.refused
    assert plan.refused.endswith("Give more models with --beside.")


def test_five_models_support_no_more_claims_than_their_orders_allow():
    trends = [claim_of(ScaleTrend, smallest_effect=0.1 + i / 100) for i in range(7)]
    few, many = (planned(trends[:n], sizes(12, 12), lined(5)).claims for n in (6, 7))
    assert all("supported" in one.reaches for one in few)
    assert not any("supported" in one.reaches for one in many)
    assert many[0].supported.remedy.startswith("give more models with --beside")


def test_levels_and_magnitudes_are_read_off_bounds_and_named_axes_are_the_only_cells():
    corpus = sizes(12, 12)
    levels = {holds: only(claim_of(SimilarityLevels, holds=holds), corpus).plan for holds in (somewhere(), at(0, 2))}
    assert [(one.cells, one.test, one.action) for one in levels.values()] == [
        (3, None, "resampling texts"),
        (2, None, "resampling texts"),
    ]
    assert only(claim_of(SimilarityLevels, named=(0,), rest=(2,)), corpus).plan.cells == 1
    assert only(claim_of(SimilarityLevels, holds=along_depth("falls")), corpus).plan.cells == 1
    assert "gives layers []" in only(claim_of(SimilarityLevels, named=()), corpus).message
    assert (
        "at least 3 layers"
        in only(claim_of(SimilarityLevels, holds=along_depth("falls"), layers=(0, 1)), corpus).message
    )
    assert "the run reads one" in only(claim_of(SimilarityLevels), corpus, positions=(5,)).message
    shares = only(claim_of(HeadMagnitudes), corpus).plan
    assert (shares.cells, shares.test, shares.units) == (1, None, 24)
    quiet = only(claim_of(QuietMiddle), sizes(4, 4)).plan
    assert (quiet.cells, str(quiet.test)) == (1, "exact, 256")
    first = only(claim_of(LeadingValues, leading=4), corpus).plan
    assert (first.cells, first.test, first.units, first.action) == (3, None, 16, "taking the median over texts")
    assert "has 16 singular values" in only(claim_of(LeadingValues), corpus).message
    assert only(claim_of(AxisStreams, axes=(1, 3)), corpus).plan.cells == 3 * 2
    assert "has coordinates 0 to 7" in only(claim_of(AxisStreams, axes=(8,)), corpus).message


def test_labels_that_no_stratum_shows_together_are_swapped_pair_by_pair():
    corpus = texts([(2, 0), (2, 0), (0, 2), (0, 2)])
    one = only(heads(within="topic"), corpus)
    assert one.plan.test.rows == one.plan.arrangements == 9
    assert one.plan.test.floor == pytest.approx(1 / 9)


def test_cells_are_those_that_a_claim_speaks_of():
    corpus = sizes(12, 12)
    assert only(clustering(site="head_z"), corpus).plan.cells == 6
    assert only(clustering(holds=at(0, -1)), corpus).plan.cells == 2
    assert only(heads(unit="neuron"), corpus).plan.cells == 3 * 32
    assert only(heads(unit="attn_block", layers=(1,)), corpus).plan.cells == 1
    assert only(claim_of(AxisStreams, site="embed"), corpus).plan.cells == 8
    assert only(claim_of(HeavyTails), corpus).plan.cells == 3
    assert only(claim_of(FirstTokenAttention), corpus).message.endswith("choose later --positions.")
    assert only(clustering(holds=at(7)), corpus).message.startswith("Layers [7] were named")
    assert "at least 3 layers" in only(clustering(holds=along_depth("rises"), layers=(0, 1)), corpus).message
    few = replace(SHAPE, heads=4, kv_heads=2, head_width=2)
    assert planned([clustering(site="k")], corpus, few).claims[0].plan.cells == 6


def test_blocks_are_the_units_where_they_are_exchanged_and_clusters_where_they_are_not():
    whole = only(clustering(), texts([(8,), (8,)], lambda i: f"b{i // 2}")).plan
    assert (whole.unit, whole.units, whole.texts, whole.smallest) == ("block", 8, 16, 4)
    mixed = only(clustering(), texts([(16,), (16,)], lambda i: f"b{i % 8}")).plan
    assert (mixed.unit, mixed.units, mixed.clusters, mixed.smallest) == ("text", 32, 8, 16)
    assert mixed.arrangements == 3**8  # two and two in each block
    assert mixed.simulated is None


def test_the_largest_decisive_level_is_the_largest_of_the_last_checkpoint_that_alpha_holds():
    for rows in (200, 1000, 10_000):
        counted = CountedLevel(rows, False, "--resamples")
        level = counted.decisive(0.05)
        assert level <= 0.05 < level + 1 / (20 * (rows - 1) + 1)
    assert CountedLevel(15, True, "--permutations").decisive(0.05) == 1 / 15


def test_a_category_of_three_texts_settles_no_level_of_its_own():
    made = claim_of(SimilarityLevels, level="same_category", category="c0", smallest_effect=0.1)
    three, four = (only(made, sizes(few, 7)) for few in (3, 4))
    # one of three is drawn thrice in 3 / 27 of the resamples, of four in 4 / 256
    assert three.plan.bounds.floor == pytest.approx(1 / 9, rel=0.1)
    assert three.reaches == ()
    assert "in too many of the resamples of so few texts nothing varies" in three.supported.why
    assert three.refuted.remedy == "add texts"
    assert four.plan.bounds.floor == pytest.approx(1 / 64, rel=0.3)
    assert four.reaches == ("supported", "refuted")


# ---- against what claims are weighed by

WEIGHED = {(s.family, s.layout, s.question): s for s in reversed(grid.scenarios()) if s.law == "normal"}
QUICK = [s for s in WEIGHED.values() if "100" not in s.layout and s.question != ONE_CELL]


@pytest.mark.parametrize("scenario", QUICK, ids=lambda s: s.name)
def test_a_sketch_has_the_cells_draws_and_floors_of_the_evidence(scenario):
    claim = grid.family(scenario).claim(scenario)
    planted = grid.family(scenario).planted
    recording = planted(scenario, claim, np.random.default_rng(3), grid.strengths_of(scenario)).by_id()
    weighing = TestSettings(seed=3, permutations=199, resamples=199, bare=True)
    assert_alike(claim, recording, weighing)


def assert_alike(claim, recording, weighing):
    """Cells, draws and floors of a sketch are those of the evidence; returns the sketch, and resamples without any t."""
    one = claim.plan(PlanContext(recording.corpus, recording.shape, recording.positions, weighing))
    evidence = claim.weigh(recording, weighing)
    assert one.cells == len(claim.holds.chosen(evidence.cells))
    assert (one.test is None) == (evidence.test is None)
    if one.test is not None:
        test = evidence.test
        assert (one.test.rows, one.test.exact, one.test.factor) == (test.arrangements, test.exact, test.factor)
    drawn = len(evidence.bounds.t) if evidence.bounds.drawn else 0
    assert (one.bounds.draws, one.bounds.factor) == (drawn, evidence.bounds.factor)
    parts = getattr(evidence.bounds, "parts", ()) or (evidence.bounds,)
    undefined = np.median([(~np.isfinite(p.t)).sum(axis=0).min() for p in parts])
    # a cell without any bound has no level either: what all of its resamples would say is nothing
    lost = np.median([(~(np.isfinite(p.t) & p.bounded)).sum(axis=0).min() for p in parts])
    assert one.bounds.least - 1 <= lost
    levels = claim.holds.levels(evidence, claim.smallest_effect, weighing.alpha)
    settings = Settings(seed=weighing.seed, permutations=weighing.permutations, resamples=weighing.resamples)
    supported, refuted = sides({"one": one}, settings)["one"]
    for side, level in ((supported, levels.p_plus), (refuted, levels.p_minus)):
        assert level >= side.level - 1e-12
        if not side.reachable:
            assert level > weighing.alpha
    return one, undefined


def rigged(corpus, strength, seed):
    """Noise, and categories apart by `strength`, at every site."""
    names = sorted({t.labels["category"] for t in corpus.texts})
    code = np.array([names.index(t.labels["category"]) for t in corpus.texts])
    rng, arrays = np.random.default_rng([seed, int(10 * strength)]), {}
    wide = [Activations("attn_out"), Activations("attn_out", None, "norm"), Activations("resid_post")]
    for request in (*wide, Activations("head_z", None, "norm")):
        for layer in range(SHAPE.layers):
            x = rng.standard_normal((len(corpus), 3, 8)) + rng.standard_normal((len(corpus), 1, 8))
            x[np.arange(len(corpus)), :, code] += strength * (1 + code[:, None])
            if request.site == "head_z":
                x = x.reshape(len(corpus), 3, 2, 4)
            arrays[request, layer] = x if request.reduce == "none" else np.sqrt((x * x).sum(axis=-1))
    read = tuple(t.body for t in corpus.texts)
    return Recording(corpus, SHAPE, POSITIONS, read, MemorySource(arrays)).by_id()


SMALL = {
    "2 + 2": [(2,), (2,)],
    "2 + 3": [(2,), (3,)],
    "3 + 3": [(3,), (3,)],
    "4 + 3 + 3": [(4,), (3,), (3,)],
    "5 + 4": [(5,), (4,)],
    "4 + 4 + 4": [(4,), (4,), (4,)],
    "2 x 2 in strata": [(2, 2), (2, 2)],
    "uneven strata": [(2, 1), (1, 2)],
    "strata apart": [(2, 0), (2, 0), (0, 2), (0, 2)],
    "4 and 5 in strata": [(4, 5), (5, 4)],
}


@pytest.mark.parametrize("name", SMALL)
def test_no_small_data_fall_below_a_floor_and_what_is_out_of_reach_stays_there(name):
    table = SMALL[name]
    corpus, within = texts(table), "topic" if len(table[0]) > 1 else None
    asked = [
        clustering(within=within),
        clustering(within=within, holds=everywhere()),
        clustering(within=within, holds=in_fraction(0.6)),
        clustering(within=within, holds=along_depth("falls")),
        heads(within=within),
        heads(within=within, holds=in_fraction(0.5)),
        claim_of(HeadsAgainstBlocks, within=within, splits=5),
        claim_of(AxisStreams, within=within, untrained=0, basis="pca", components=2, splits=5),
        claim_of(AxesAgainstRotations, within=within, rotations=99, splits=5, outliers=None),
        claim_of(LowRankSimilarity, within=within, draws=99, splits=5, untrained=0),
        *(claim_of(SimilarityLevels, within=within, untrained=0, level=level) for level in LEVELS),
        claim_of(SimilarityLevels, within=within, untrained=0, level="same_text", against="other_text", named=(0,)),
        claim_of(SimilarityLevels, within=within, untrained=0, holds=along_depth("falls")),
        claim_of(SimilarityLevels, within=within, untrained=0, holds=at(0, -1), category="c1"),
        claim_of(AxisStreams, within=within, untrained=0, axes=(6, 1)),
        claim_of(HeadMagnitudes, untrained=0),
        claim_of(QuietMiddle, untrained=0),
    ]
    if within:
        asked.append(claim_of(WithinVersusStyle, label="category", within=within, untrained=0))
    for claim in asked:
        if only(claim, corpus).plan is None:
            continue
        for seed, strength in enumerate((0, 2, 8)):
            recording = rigged(corpus, strength, seed)
            weighing = TestSettings(seed=seed, permutations=199, resamples=199, bare=True)
            made, undefined = assert_alike(claim, recording, weighing)
            if isinstance(claim, HeadSelectivity) and made.test is not None:
                assert made.bounds.least - 1 == undefined  # all of them are found


# ---- against a run


class Styles(CategoryClustering):
    """Same-style texts point the same way somewhere."""

    label, within, untrained = "style", "topic", 0


class Heads(HeadSelectivity):
    """A head answers style."""

    label, within, untrained = "style", "topic", 0


class Half(Styles):
    """Same-style texts point the same way in a third of the layers."""

    holds = in_fraction(0.3)


class Last(Styles):
    """Same-style texts point the same way in the last layer."""

    holds = at(-1)


class All(Styles):
    """Same-style texts point the same way everywhere."""

    holds = everywhere()


def run(classes, corpus, recorder, folder, **options):
    found = [Collected(f"t.py::{c.__name__}", None, c()) for c in classes]
    settings = Settings(**options)
    finished = execute(found, corpus=corpus, recorder=recorder, settings=settings, cwd=folder, out=None)
    reading = Reading(recorder.shape, (512,) * len(corpus), 512, settings.resolved_positions())
    with mock.patch.object(plans, "detectable", return_value=None):
        plan = make_plan(found, corpus, reading, settings)
    return {c.id: (c, finished.verdicts[c.id], finished.weighed[c.id]) for c in plan.claims}


def test_what_is_within_reach_is_reached_on_planted_data(tmp_path):
    corpus = planted_corpus(texts=3)
    options = {"permutations": 1999, "resamples": 1999}
    found = run((Styles, Heads, Half), corpus, PlantedRecorder(effect=1.5), tmp_path, **options)
    for plan, verdict, weighed in found.values():
        assert "supported" in plan.reaches
        assert verdict.outcome is Outcome.SUPPORTED
        assert weighed.p_plus >= plan.supported.level
    # and to the very floor
    plan, _, weighed = found["t.py::Styles"]
    assert weighed.p_plus == pytest.approx(plan.plan.test.floor)
    assert weighed.checkpoint == 0
    found = run((Last, All), planted_corpus(texts=6), PlantedRecorder(effect=0), tmp_path, **options)
    for plan, verdict, _ in found.values():
        assert "refuted" in plan.reaches
        assert verdict.outcome is Outcome.REFUTED


@pytest.mark.parametrize(
    ("effect", "options"),
    [(effect, {"permutations": 99, "alpha": 1e-4}) for effect in (0, 1.5, 6)] + [(1.5, {"alpha": 1e-5})],
)
def test_what_is_out_of_reach_is_reached_by_no_effect(tmp_path, effect, options):
    found = run(
        (Styles, Heads, Half, Last),
        planted_corpus(),
        PlantedRecorder(effect=effect),
        tmp_path,
        resamples=499,
        **options,
    )
    for plan, verdict, _ in found.values():
        assert "supported" not in plan.reaches
        assert verdict.outcome is not Outcome.SUPPORTED
        if "refuted" not in plan.reaches:
            assert verdict.outcome is Outcome.INCONCLUSIVE
    # a perfect sample is worth less than any draw, and refutes where it is bounded at its own layer
    refutable = {name for name, (c, _, _) in found.items() if "refuted" in c.reaches}
    assert refutable == {"t.py::Styles", "t.py::Half", "t.py::Last"}


def test_the_card_can_reach_what_its_committed_run_did():
    corpus, settings = read_corpus("embedded"), Settings()
    root = Path(__file__).parents[2]
    reading = reading_of("embedded", corpus, settings)
    with mock.patch.object(plans, "detectable", return_value=None):
        plan = make_plan(collect(["hypotheses/card.py"], root), corpus, reading, settings)
    committed = json.loads((root / "reports" / "card" / "run.json").read_text())
    floors = {c["id"]: c["smallest_attainable_p"] for c in committed["claims"]}
    went = {
        c["id"]: c["checkpoint"] for c in committed["claims"]
    }  # how often draws went on, which is not known beforehand

    def floor_of(one):
        by, times = one.plan.test, CHECKPOINTS[went[one.id]]
        if by is None:
            least = one.plan.least_bound
            return least if times == 1 else min(least, 1 / (times * one.plan.bounds.draws + 1))
        return by.floor if by.exact else 1 / (times * by.draws + 1)

    assert {c.id: floor_of(c) for c in plan.claims} == pytest.approx(floors, abs=1e-15)
    for one in committed["claims"]:
        reached = next(c for c in plan.claims if c.id == one["id"])
        assert one["outcome"] in (*reached.reaches, "inconclusive")
        assert one["n_cells"] == reached.plan.cells


# ---- the command


CLAIMS = '''
from modclaims import CategoryClustering, HeadSelectivity


class Alike(CategoryClustering):
    """Same-category texts point the same way."""


class AlikeHeads(HeadSelectivity):
    """A head answers a category."""


class Styled(CategoryClustering):
    """Same-style texts point the same way."""

    label, within = "style", "topic"


class Answered(HeadSelectivity):
    """A head answers a category."""

    label = "author"


class Broken(CategoryClustering):
    """At no known site."""

    site = "nowhere"
'''


def test_a_plan_as_lines_and_as_json(corner, monkeypatch, capsys):
    (corner / "claims.py").write_text(CLAIMS)
    (corner / "modclaims.toml").write_text('corpus = "study"\npermutations = 5000\n')
    code, out, err = call(monkeypatch, capsys, "plan", "claims.py::Alike")
    assert code == 4  # 6 x .6^4.5, and .4^4.5 x 4 of 5 claims, one of which cannot be weighed
    assert out.splitlines()[1].startswith("claims.py::Alike  nothing ")
    assert "10 texts (3 in the smallest category), 6 cells; exchanging category: exact, 2,100" in out
    assert "60 forward passes (10 texts, 6 networks), 30,720 tokens, about 2.9 MB of recordings" in out
    assert "no lower limit of delta above -0.31, however strong the effect" in out
    assert "p+ cannot fall below 0.6 (that of a perfect sample of so many texts)" in err
    code, out, _ = call(monkeypatch, capsys, "plan", "claims.py::AlikeHeads")
    assert code == 0
    assert out.splitlines()[1].startswith("claims.py::AlikeHeads  hardly either")
    assert "10 texts (3 in the smallest category), 36 cells; exchanging category: exact, 2,100" in out
    assert out.rstrip().endswith("0 nothing but INCONCLUSIVE.")
    args = ("claims.py", "-k", "not Alike", "--json", "--corpus", "crossed", "--seed", "4")
    code, out, _ = call(monkeypatch, capsys, "plan", *args)
    assert code == 3  # as a run
    body = json.loads(out)
    styled, answered, broken = body["claims"]
    assert (answered["outcome"], broken["outcome"]) == ("error", "error")
    assert "no label 'author'" in answered["message"]
    assert styled["reachable"] == ["supported", "refuted"]
    assert (styled["n_texts"], styled["smallest_category"], styled["n_cells"]) == (64, 16, 6)
    assert styled["arrangements"] is None
    strata = math.factorial(16) // math.factorial(4) ** 4 // math.factorial(4)
    assert styled["arrangements_log10"] == pytest.approx(4 * math.log10(strata))
    assert (styled["draws"], styled["exact"], styled["resamples"]) == (5000, False, 9999)
    assert 0.2 < styled["detectable_effect"] < 0.6
    assert (body["passes"], body["networks"], body["refused"]) == (64 * 6, 6, None)
    assert not (corner / "home").exists()
    assert not (corner / "reports").exists()


def test_a_run_takes_what_was_planned(corner, monkeypatch, capsys):
    (corner / "claims.py").write_text(CLAIMS)
    args = ("claims.py::Alike", "--corpus", "study", "--tokens", "64", "--permutations", "99", "--resamples", "199")
    body = json.loads(call(monkeypatch, capsys, "plan", *args, "--json")[1])
    assert call(monkeypatch, capsys, "run", *args, "--out", "out")[0] == 0
    made = json.loads((corner / "out" / "run.json").read_text())
    assert made["made"]["passes"] == body["passes"] == 60
    assert made["claims"][0]["smallest_attainable_p"] == body["claims"][0]["smallest_attainable_p"]
    on_disk = sum(path.stat().st_size for path in (corner / "home").rglob("*.safetensors"))
    assert body["bytes"] == pytest.approx(on_disk, rel=0.02)


def test_a_refused_plan_is_told_and_ends_with_four(corner, monkeypatch, capsys):
    words = " ".join(f"word{i % 97} of{i % 31}" for i in range(700))
    rows = [{"id": f"t{i}", "text": f"{i} " * 5 + words[7 * i :], "category": "ab"[i % 2]} for i in range(4)]
    (corner / "four.jsonl").write_text("".join(json.dumps(row | {"block": row["id"]}) + "\n" for row in rows))
    (corner / "claims.py").write_text(CLAIMS)
    four = ("plan", "claims.py::Alike", "--corpus", "four.jsonl")
    assert call(monkeypatch, capsys, *four)[0] == 4  # near-duplicates, as for a run
    (corner / "four.jsonl").write_text("".join(json.dumps(row) + "\n" for row in distinct(4)))
    code, out, err = call(monkeypatch, capsys, *four)
    assert code == 4
    assert "claims.py::Alike  nothing" in out
    assert err.startswith(
        "Error: The claim can reach no outcome but INCONCLUSIVE: Alike. p+ cannot fall below 1 (that of a perfect sample of so many texts); "
        "p- cannot fall below 0.16 (that of a perfect sample of so many texts), 0.64 after holm over 5 claims"
    )
    assert err.rstrip().endswith("Add texts.")
    code, out, _ = call(monkeypatch, capsys, *four, "--json")
    assert code == 4
    assert json.loads(out)["refused"] in err


def distinct(count):
    rng = np.random.default_rng(2)
    return [
        {"id": f"t{i}", "text": " ".join(f"w{v}" for v in rng.integers(0, 999, 400)), "category": "ab"[i % 2]}
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("args", "code", "sentence"),
    [
        (["--model", "./missing"], 4, "neither a folder"),
        (["--model", "empty"], 4, "no config.json"),
        (["--corpus", "nowhere.jsonl"], 4, "no corpus 'nowhere.jsonl'"),
        (["--tokens", "1024"], 4, "at most 512"),
        (["--corpus", "short.jsonl"], 4, "too short for position 511"),
        (["--alpha", "2"], 4, "alpha"),
        (["-k", "nothing_matches_this"], 5, "No claim is selected"),
        (["nowhere.py"], 4, "No hypothesis file or folder nowhere.py"),
        (["--corpus", "study", "-k", "StylesClusterInAttention"], 5, "SKIPPED"),
        (["broken.py"], 3, "ZeroDivisionError"),
        (["deep.py"], 3, "too short for a Jacobian at 600 tokens up to token 599"),
    ],
)
def test_bad_input_ends_as_it_does_for_a_run(corner, monkeypatch, capsys, args, code, sentence):
    (corner / "empty").mkdir()
    (corner / "broken.py").write_text("1 / 0\n")
    (corner / "deep.py").write_text(
        "from modclaims import TightPass\n\n\nclass Deep(TightPass):\n    '''At many tokens.'''\n\n    tokens = 600\n    ends_at = 599\n"
    )
    (corner / "short.jsonl").write_text(
        "".join(json.dumps(r | {"text": f"short {i}"}) + "\n" for i, r in enumerate(distinct(4)))
    )
    found, out, err = call(monkeypatch, capsys, "plan", *args)
    assert found == code
    assert sentence in out + err
    assert "Traceback" not in out + err


def test_an_outline_knows_what_the_model_knows_and_records_nothing():
    outline, model = read_outline(), load_model()
    assert replace(outline.shape, provenance={}) == replace(model.shape, provenance={})
    corpus = read_corpus("study")
    reading = outline.reading(corpus, 100, Positions("5"))
    assert reading == replace(model.reading(corpus, 100, Positions("5")), shape=outline.shape)
    assert (reading.number, reading.vocabulary, reading.own) == (4, 4096, "")
    assert (reading.lengths, reading.tokens, reading.positions) == ((100,) * 10, 100, (5,))
    wide = read_outline("embedded#untrained:3", dtype="float64").reading(corpus, 100)
    assert (wide.number, wide.own, wide.positions) == (8, "untrained:3", ())
    with pytest.raises(ModelError, match="only the outline"):
        outline.record(corpus, [], tokens=100, positions=Positions("5"))


@pytest.mark.parametrize(
    "code",
    [
        "import modclaims.plans.plans, modclaims.planning.power, modclaims.plans.cost",
        "sys.argv = ['modclaims', 'plan', '--help']\nimport modclaims.cli\ntry:\n    modclaims.cli.main()\nexcept SystemExit:\n    pass",
    ],
)
def test_importing_a_plan_costs_the_standard_library_and_numpy_only(code):
    assert loaded_after(code) == []


def test_a_claim_of_one_cell_alone_is_somewhere():
    assert only(clustering(holds=somewhere(), layers=(1,)), sizes(12, 12)).plan.needed == 1


# ---- what a run takes for sparse, and splits that are merged


def test_designs_that_a_run_takes_for_sparse_are_out_of_reach():
    """Six categories of four texts: in most halves more than alpha / 4 of the resamples have no spread."""
    claim = claim_of(HeadsAgainstBlocks)
    (one,) = planned([claim], sizes(4, 4, 4, 4, 4, 4)).claims
    assert one.plan.bounds.sparse
    assert not one.reaches
    assert "nothing varies" in one.supported.why
    (more,) = planned([claim], sizes(12, 12)).claims
    assert not more.plan.bounds.sparse
    assert more.reaches == ("supported", "refuted")


@pytest.mark.parametrize(("texts", "reached"), [(4, False), (6, False), (9, True)])
def test_sufficiency_knows_that_a_category_is_resampled_alone(texts, reached):
    claim = claim_of(AblationSufficiency, unit="head", sizes=(1,))
    (one,) = planned([claim], sizes(texts, texts)).claims
    assert bool(one.reaches) is reached


def test_floors_of_halves_are_merged_as_a_run_merges_them():
    """Nine texts of either category: halves of four and five, of which the run takes what the first ones say, too."""
    claim = claim_of(AxisStreams, untrained=0, basis="pca", components=2, category="c0", smallest_effect=0.2)
    (one,) = planned([claim], sizes(9, 9)).claims
    design = Units.of(sizes(9, 9), "category", None).design
    tested = measured_halves(design, PlannedStreams(type(claim).__name__, TestSettings()), claim.splits)
    least = [0.4 ** comparisons(half, "c0") for half in tested]
    assert one.refuted.level == pytest.approx(float(merged_levels(np.array(least))))


def test_levels_at_the_last_checkpoint_know_when_all_arrangements_are_enumerated():
    (signs,) = planned([claim_of(QuietMiddle)], sizes(6, 6), permutations=999).claims
    assert signs.plan.test.lowest == pytest.approx(1 / 2**12)
    spaces = claim_of(SubspaceSeparation, dimensions=1, relabellings=99, untrained=0)
    (apart,) = planned([spaces], sizes(6, 6)).claims
    assert apart.plan.test.lowest == pytest.approx(1 / apart.plan.arrangements)
