"""Superiority against hand-worked cases, scipy's Brunner-Munzel and brute force; its bounds against their own law."""

from itertools import product

import numpy as np
import pytest
from draws import rng
from numpy.typing import NDArray
from scipy import stats

from modclaims.errors import ClaimError
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.effects.superiority import (
    JOINT_FACTOR,
    SuperiorityBounds,
    comparisons,
    rank_contrast,
    superior,
    superiority_bounds,
)
from modclaims.stats.evidence import Cell, Evidence
from modclaims.stats.quantifiers import somewhere

Floats = NDArray[np.float64]


def design(sizes: tuple[int, ...], strata: int = 1) -> Design:
    labels = [f"c{k}" for k, n in enumerate(sizes) for _ in range(n * strata)]
    return Design.of(labels, [f"s{i % strata}" for i in range(len(labels))] if strata > 1 else None)


def theta_by_hand(y: Floats, d: Design, category: str) -> float:
    """Mean over strata of the mean over other categories of the share of pairs that are won."""
    k, strata = d.names.index(category), []
    for h in np.unique(d.strata):
        mine = y[(d.labels == k) & (d.strata == h)]
        shares = []
        for other in range(d.k):
            theirs = y[(d.labels == other) & (d.strata == h)]
            if other != k and len(theirs):
                shares.append(np.mean([0.5 + 0.5 * np.sign(a - b) for a, b in product(mine, theirs)]))
        if len(mine) and shares:
            strata.append(np.mean(shares))
    return float(np.mean(strata))


def test_two_against_two_by_hand() -> None:
    """3 and 5 against 1 and 4: three of four pairs are won; placements .5 and 1 on either side, of variance .125."""
    found = superior(np.array([[3.0], [5.0], [1.0], [4.0]]), design((2, 2)), "c0")
    assert found.theta[0, 0] == 0.75
    assert found.variance[0, 0] == pytest.approx(0.125 / 2 + 0.125 / 2)
    assert found.blocks == 2


def test_the_variance_is_that_of_brunner_and_munzel() -> None:
    d = design((9, 14))
    y = rng(1).normal(size=(23, 3))
    y[:9] += 0.5
    y[5, 0] = y[17, 0]  # a tie
    found = superior(y, d, "c0")
    for c in range(3):
        witness = stats.brunnermunzel(y[9:, c], y[:9, c]).statistic
        assert (found.theta[0, c] - 0.5) / np.sqrt(found.variance[0, c]) == pytest.approx(witness, rel=1e-9)


def test_degrees_of_freedom_are_nearly_those_of_brunner_and_munzel() -> None:
    y = rng(2).normal(size=(23, 1)) * np.repeat([1.0, 4.0], [9, 14])[:, None]
    first, second = y[:9, 0], y[9:, 0]
    found = superior(y, design((9, 14)), "c0")
    whole = stats.rankdata(np.concatenate([first, second]))
    placed = [whole[:9] - stats.rankdata(first), whole[9:] - stats.rankdata(second)]
    parts = [np.var(p, ddof=1) / n / m**2 for p, n, m in zip(placed, (9, 14), (14, 9), strict=True)]
    df = sum(parts) ** 2 / (parts[0] ** 2 / 8 + parts[1] ** 2 / 13)
    assert found.variance[0, 0] == pytest.approx(sum(parts))
    assert found.freedom[0] == pytest.approx(df, rel=0.02)  # every group has a little variance besides


@pytest.mark.parametrize(("sizes", "strata"), [((4, 3, 5), 1), ((3, 4), 2), ((5, 2, 2, 3), 3)])
def test_theta_is_the_mean_share_of_pairs_won_over_categories_and_strata(sizes: tuple[int, ...], strata: int) -> None:
    d = design(sizes, strata)
    y = np.round(rng(3).normal(size=(d.n, 4)), 1)  # with ties
    for name in d.names:
        found = superior(y, d, name).theta[0]
        np.testing.assert_allclose(found, [theta_by_hand(y[:, c], d, name) for c in range(4)])


@pytest.mark.parametrize("strata", [1, 2])
def test_a_resample_has_the_theta_and_variance_of_the_texts_that_it_drew(strata: int) -> None:
    d = design((4, 6, 3), strata)
    y = rng(4).normal(size=(d.n, 2))
    resamples = resample(d, count=5, rng=rng(5))
    found = superior(y, d, "c1", resamples)
    for b, times in enumerate(resamples.times):
        drawn = np.repeat(np.arange(d.n), times.astype(int))
        new = Design(d.labels[drawn], d.strata[drawn], d.names)
        own = superior(y[drawn], new, "c1")
        np.testing.assert_allclose(found.theta[b], own.theta[0])
        np.testing.assert_allclose(found.variance[b], own.variance[0], atol=1e-14)


def test_a_lone_text_varies_as_others_of_its_category_do_in_other_strata() -> None:
    labels, strata = list("aaabbbabbb"), list("0000001111")
    d = Design.of(labels, strata)
    y = np.array([2.0, 0.0, 5.0, 1.0, 3.0, 4.0, 2.0, 1.0, 3.0, 0.0])[:, None]
    spread = np.var([1 / 3, 0, 1], ddof=1)  # of a's placements in the first stratum, where it has more than one text
    others = np.var([2 / 3, 1 / 3, 1 / 3], ddof=1), np.var([1, 0, 1], ddof=1)
    expected = (spread / 3 + others[0] / 3 + spread + others[1] / 3) / 4  # two strata, each weighing a half
    assert superior(y, d, "a").variance[0, 0] == pytest.approx(expected)
    lonely = Design.of(list("abbb"))
    y = np.array([[0.5], [0.0], [1.0], [2.0]])  # one text of a: no placement can vary more than by a quarter
    assert superior(y, lonely, "a").variance[0, 0] == pytest.approx(0.25 + np.var([1, 0, 0], ddof=1) / 3)


def test_sums_that_should_be_equal_tie() -> None:
    y = np.array([[0.1 + 0.2], [1.0], [0.3], [0.3]])
    assert superior(y, design((2, 2)), "c0").theta[0, 0] == 0.75


def test_of_clusters_theta_varies_as_what_they_add() -> None:
    labels, blocks = list("aabb") * 6, [str(i // 4) for i in range(24)]
    d = Design.of(labels, None, blocks)
    y = rng(7).normal(size=(24, 2)) + np.repeat(rng(8).normal(size=(6, 1)), 4, axis=0)
    resamples = resample(d, count=3, rng=rng(9))
    found = superior(y, d, "a", resamples)
    each = np.array([[theta_by_hand(y[m, c], Design.of(list("aabb")), "a") for c in range(2)] for m in d.members])
    for b, times in enumerate(resamples.times):
        drawn = np.repeat(each, times.astype(int), axis=0)
        np.testing.assert_allclose(found.theta[b], drawn.mean(axis=0))
        np.testing.assert_allclose(found.variance[b], drawn.var(axis=0, ddof=1) / 6, atol=1e-15)
    assert found.freedom[0] == 5
    assert found.blocks == 6


def bounds_of(y: Floats, d: Design, answers: str = "more", count: int = 199) -> SuperiorityBounds:
    return superiority_bounds(y, d, resample(d, count=count, rng=rng(10)), "c0", answers)


def test_the_level_is_that_of_student_s_t_of_the_score() -> None:
    d = design((12, 12, 12))
    y = rng(11).normal(size=(36, 1))
    y[:12] += 0.8
    b = bounds_of(y, d)
    theta, v, q = b.theta[0], superior(y, d, "c0").variance[0, 0], 0.6
    r = (v + 0.02 / 12) / (theta * (1 - theta) + 0.02)
    expected = stats.t.sf((theta - q) / np.sqrt(q * (1 - q) * r), b.freedom[0])
    assert expected > q**12
    assert b.p_lower(0.2)[0] == pytest.approx(expected)
    assert b.p_upper(0.2)[0] == pytest.approx(1 - expected)


@pytest.mark.parametrize("answers", ["more", "less", "either"])
@pytest.mark.parametrize("together", [False, True])
def test_limits_are_where_levels_cross(answers: str, together: bool) -> None:
    d = design((8, 8, 8))
    y = rng(12).normal(size=(24, 5)) + np.linspace(-2, 2, 5) * (np.arange(24) < 8)[:, None]
    b = bounds_of(y, d, answers)
    cells = np.arange(5) if together else None
    low, high = b.lower(0.05, cells), b.upper(0.05, cells)
    assert (low <= b.effect + 1e-12).all()
    assert (high >= b.effect - 1e-12).all()
    for c in range(5):
        if low[c] > b.ends[0] + 1e-6:
            assert b.p_lower(low[c] - 1e-6, cells)[c] <= 0.05 < b.p_lower(low[c] + 1e-6, cells)[c]
        if high[c] < 1 - 1e-6:
            assert b.p_upper(high[c] + 1e-6, cells)[c] <= 0.05 < b.p_upper(high[c] - 1e-6, cells)[c]


def test_levels_rise_with_the_effect_that_is_asked_for() -> None:
    y = rng(13).normal(size=(24, 20)) + np.linspace(0, 4, 20) * (np.arange(24) < 8)[:, None]
    b = bounds_of(y, design((8, 8, 8)))
    for cells in (None, np.arange(20)):
        levels = np.stack([b.p_lower(s, cells) for s in np.linspace(-0.9, 0.95, 60)])
        assert (np.diff(levels, axis=0) >= -1e-12).all()


def test_no_sample_says_more_than_a_perfect_order_and_that_one_says_the_rule_of_three() -> None:
    d = design((12, 12, 12, 12))
    y = np.arange(48.0)[::-1, None]  # c0 above all others
    b = bounds_of(y, d)
    assert b.effect[0] == 1
    assert b.p_lower(0.2)[0] == pytest.approx(0.6**12)
    assert b.lower(0.05)[0] == pytest.approx(2 * 0.05 ** (1 / 12) - 1, abs=1e-9)
    assert b.upper(0.05)[0] == 1
    assert comparisons(d, "c0") == 12
    noisy = rng(14).normal(size=(48, 300)) + 3 * (np.arange(48) < 12)[:, None]
    assert (bounds_of(noisy, d).p_lower(0.2) >= 0.6**12 - 1e-12).all()


def test_one_text_more_on_the_right_side_never_weakens_a_claim() -> None:
    d = design((10, 10))
    levels = []
    for wrong in range(6, -1, -1):
        y = np.concatenate([np.arange(10.0) + 20, np.arange(10.0)])
        y[:wrong] = -1 - np.arange(wrong)
        levels.append(bounds_of(y[:, None], d).p_lower(0.2)[0])
    assert (np.diff(levels) <= 1e-12).all()


def test_going_dark_is_lighting_up_upside_down() -> None:
    d = design((7, 9, 8))
    y = rng(15).normal(size=(24, 4))
    less, more = bounds_of(y, d, "less"), bounds_of(-y, d, "more")
    np.testing.assert_allclose(less.effect, more.effect)
    cells = np.arange(4)
    np.testing.assert_allclose(less.p_lower(0.1, cells), more.p_lower(0.1, cells))
    np.testing.assert_allclose(less.upper(0.05), more.upper(0.05))
    either = bounds_of(y, d, "either")
    np.testing.assert_allclose(either.effect, np.abs(less.effect))


def test_either_way_is_paid_for_at_no_effect_and_hardly_beyond_one() -> None:
    d = design((20, 20))
    y = rng(16).normal(size=(40, 1)) + 0.9 * (np.arange(40) < 20)[:, None]
    either, more = bounds_of(y, d, "either"), bounds_of(y, d, "more")
    assert either.p_lower(0.0)[0] == pytest.approx(2 * more.p_lower(0.0)[0])
    assert more.p_lower(0.2)[0] <= either.p_lower(0.2)[0] < 1.1 * more.p_lower(0.2)[0]
    np.testing.assert_allclose(either.p_upper(0.8), more.p_upper(0.8))


def test_simultaneous_levels_are_counted_among_the_largest_t() -> None:
    d = design((12, 12))
    y = rng(17).normal(size=(24, 6)) + 1.1 * (np.arange(24) < 12)[:, None]
    b = bounds_of(y, d, count=399)
    cells = np.arange(6)
    t = stats.t.isf(b.p_lower(0.2), b.freedom) / JOINT_FACTOR
    counted = (1 + (b.t.max(axis=1)[:, None] >= t).sum(axis=0)) / 400
    np.testing.assert_allclose(b.p_lower(0.2, cells), np.maximum(counted, b.p_lower(0.2)))
    np.testing.assert_array_equal(b.p_lower(0.2, np.array([2]))[2], b.p_lower(0.2)[2])


def test_constant_responses_have_an_upper_bound_alone_and_widen_no_other() -> None:
    d = design((8, 8))
    y = rng(18).normal(size=(16, 3))
    y[:, 1] = 0.1 + 0.2
    b = bounds_of(y, d)
    assert b.effect[1] == 0
    assert b.bounded.tolist() == [True, False, True]
    assert b.p_lower(0.1)[1] == 1
    assert b.p_upper(0.1)[1] == pytest.approx(0.9**8)  # eight texts of the category that all keep silent
    assert np.isnan(b.lower(0.05)[1])
    assert b.upper(0.05)[1] == pytest.approx(1 - 0.05 ** (1 / 8))
    np.testing.assert_allclose(
        b.p_lower(0.1, np.arange(3))[[0, 2]], bounds_of(y[:, [0, 2]], d).p_lower(0.1, np.arange(2))
    )


def test_a_monotone_change_of_scale_changes_nothing() -> None:
    d = design((8, 8, 8))
    y = rng(19).normal(size=(24, 3))
    for found, other in zip(
        (bounds_of(y, d), bounds_of(y, d, "either")),
        (bounds_of(np.exp(3 * y), d), bounds_of(np.exp(3 * y), d, "either")),
        strict=True,
    ):
        np.testing.assert_array_equal(found.theta, other.theta)
        np.testing.assert_array_equal(found.t, other.t)


def test_how_cells_are_taken_together_changes_no_bit() -> None:
    d = design((30, 30))
    y = rng(20).normal(size=(60, 40))
    whole = bounds_of(y, d, count=999)
    np.testing.assert_array_equal(whole.t[:, :3], bounds_of(y[:, :3], d, count=999).t)


def test_categories_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ClaimError, match="none of those compared"):
        superior(np.zeros((4, 1)), design((2, 2)), "c7")
    apart = Design.of(list("aabbc"), list("00001"))
    with pytest.raises(ClaimError, match="No stratum holds 'c'"):
        superior(np.zeros((5, 1)), apart, "c")


def test_a_stronger_answer_among_thirty_cells_is_not_less_supported() -> None:
    """48 texts; one of 30 cells that share half of their noise has delta .9 to 1: SUPPORTED in .95 to 1 of data sets."""
    d, cells = design((12, 12, 12, 12)), np.arange(30)
    for delta in (0.9, 0.97, 0.999, 1 - 1e-9):
        draw, found = rng(26), 0
        for _ in range(12):
            y = (draw.normal(size=(48, 30)) + draw.normal(size=(48, 1))) / np.sqrt(2)
            y[:12, 0] += np.sqrt(2) * stats.norm.ppf((1 + delta) / 2)
            bounds = superiority_bounds(y, d, resample(d, count=399, rng=draw), "c0")
            found += int(bounds.p_lower(0.2, cells)[0] <= 0.05)
        assert found >= 10


# ---- the statistic behind p


def test_between_two_categories_mean_ranks_tell_delta() -> None:
    d = design((5, 7))
    y = rng(21).normal(size=(12, 3))
    one = relabellings(d, budget=9, rng=rng(22))
    null, _ = rank_contrast(y, d, "c0", one, "more")
    for row, labels in zip(null, one.labels, strict=True):
        moved = Design(labels.astype(np.int64), d.strata, d.names)
        np.testing.assert_allclose(row, 2 * superior(y, moved, "c0").theta[0] - 1)


def test_the_contrast_of_mean_ranks_by_brute_force() -> None:
    d = design((3, 2, 4), 2)
    y = np.round(rng(23).normal(size=(18, 2)), 1)
    arrangements = relabellings(d, budget=20, rng=rng(24))
    null, _ = rank_contrast(y, d, "c1", arrangements, "more")
    for row, labels in zip(null, arrangements.labels, strict=True):
        expected = np.zeros(2)
        for h in (0, 1):
            here = d.strata == h
            ranks = stats.rankdata(y[here], axis=0)
            means = np.stack([ranks[labels[here] == k].mean(axis=0) for k in range(3)])
            expected += 2 * (means[1] - (means[0] + means[2]) / 2) / here.sum() / 2
        np.testing.assert_allclose(row, expected)
    np.testing.assert_allclose(rank_contrast(y, d, "c1", arrangements, "less")[0], -null)
    np.testing.assert_allclose(rank_contrast(y, d, "c1", arrangements, "either")[0], np.abs(null))


# ---- what is promised


@pytest.mark.parametrize("law", ["normal", "outliers", "silent"])
def test_new_texts_lie_beyond_bounds_no_more_often_than_promised(law: str) -> None:
    """At delta exactly .2, 600 data sets as cells: at level .05 either limit errs in at most .08."""
    draw, d = rng(25), design((12, 12, 12))

    def sample(n: int, shift: float) -> Floats:
        y = draw.normal(size=(n, 600))
        if law == "outliers":
            y = np.where(draw.random(y.shape) < 0.03, 10 * y, y)
        y = y + shift
        return np.maximum(y - 0.84, 0.0) if law == "silent" else y

    shifts = np.linspace(0, 1.5, 61)
    base = np.random.default_rng(1).normal(size=60_000)
    if law == "outliers":
        base = np.where(np.random.default_rng(2).random(60_000) < 0.03, 10 * base, base)
    deltas = []
    for shift in shifts:
        mine, theirs = base[:30_000] + shift, np.sort(base[30_000:])
        if law == "silent":
            mine, theirs = np.maximum(mine - 0.84, 0), np.sort(np.maximum(theirs - 0.84, 0))
        below = np.searchsorted(theirs, mine, "left") + np.searchsorted(theirs, mine, "right")
        deltas.append(below.mean() / 30_000 - 1)
    shift = float(np.interp(0.2, deltas, shifts))
    y = np.concatenate([sample(12, shift), sample(24, 0.0)])
    one = Resamples(np.ones((1, 36)), d.cells)
    b = superiority_bounds(y, d, one, "c0")
    assert (b.p_lower(0.2) <= 0.05).mean() <= 0.08
    assert (b.p_upper(0.2) <= 0.05).mean() <= 0.08


def test_silence_is_told_by_the_smaller_side_and_by_whole_clusters() -> None:
    """Where nothing varies, as well the others as the category may have gone dark: 4 texts tell less than 30."""
    d = Design.of(["a"] * 30 + ["b"] * 4)
    flat = np.zeros((34, 1))
    b = superiority_bounds(flat, d, resample(d, count=99, rng=rng(21)), "a")
    assert b.p_upper(0.2)[0] == pytest.approx(0.8**4)
    mixed = Design.of(["a"] * 5 + ["b"] * 5 + ["a"] * 5 + ["b"] * 5, None, ["x"] * 10 + ["y"] * 10)
    b = superiority_bounds(np.zeros((20, 1)), mixed, resample(mixed, count=99, rng=rng(22)), "a")
    assert b.p_upper(0.2)[0] == pytest.approx(0.8**2)


def test_a_cell_that_hardly_a_text_answers_refutes_nothing() -> None:
    """One text of 18 answers: in a third of the resamples none does. Were delta .2, that would come by in a tenth of samples."""
    d = Design.of(["a"] * 18 + ["b"] * 18)
    y = np.zeros((36, 2))
    y[0, 0] = 1.0
    y[:18, 1] = np.arange(18) + 100.0  # a perfect order varies no more, and is no silence
    b = superiority_bounds(y, d, resample(d, count=999, rng=rng(23)), "a")
    assert b.sparse(0.05).tolist() == [True, False]
    cells = tuple(Cell(axis=i) for i in range(2))
    levels = somewhere().levels(Evidence(cells, "delta", b, None, 36), 0.2, 0.05)
    assert (levels.cell, levels.p_minus) == (1, 1.0)
    assert levels.p_plus < 0.01


def test_what_is_not_finite_is_no_silence() -> None:
    d = Design.of(["a"] * 8 + ["b"] * 8)
    y = np.full((16, 1), np.nan)
    b = superiority_bounds(y, d, resample(d, count=99, rng=rng(24)), "a")
    assert b.p_upper(0.3)[0] == 1
