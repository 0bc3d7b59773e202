"""Normal scores against scipy's ranks, their omega^2 against F, and bands of many cells against a plain count."""

import numpy as np
import pytest
from draws import rng
from numpy.typing import NDArray
from scipy import stats

from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import degrees_of_freedom, f_null
from modclaims.stats.effects.normal_scores import (
    JOINT_FACTOR,
    RootScale,
    ScoreBounds,
    doubled_midranks,
    normal_scores,
    ranked_inside,
    score_bounds,
    tolerance,
)
from modclaims.stats.effects.omega_squared import omega_squared, omega_squared_bounds, omega_squared_replicates
from modclaims.stats.evidence import Cell, Evidence
from modclaims.stats.quantifiers import somewhere

Floats = NDArray[np.float64]


def design(sizes: tuple[int, ...], strata: int = 1) -> Design:
    labels = [f"c{k}" for k, n in enumerate(sizes) for _ in range(n * strata)]
    return Design.of(labels, [f"s{i % strata}" for i in range(len(labels))] if strata > 1 else None)


def f_of(y: Floats, d: Design) -> Floats:
    return f_null(y, d, Arrangements(d.labels[None].astype(np.int16), True, 1))[0][0]


def test_doubled_mid_ranks_are_twice_those_of_scipy() -> None:
    y = np.round(rng().normal(size=(30, 7)), 1)
    found = doubled_midranks(y, np.zeros(7))
    np.testing.assert_array_equal(found, 2 * stats.rankdata(y, axis=0))


def test_rounding_breaks_no_tie() -> None:
    y = np.array([[0.1 + 0.2, 1e-13], [0.3, 1.0], [0.5, 0.0], [0.3, 2.0]])
    found = doubled_midranks(y, tolerance(y))
    np.testing.assert_array_equal(found[:, 0], [4, 4, 8, 4])
    np.testing.assert_array_equal(found[:, 1], [4, 6, 2, 8])  # 1e-13 is more than rounding beside 2


def test_ranks_inside_strata_are_those_of_scipy() -> None:
    d = design((3, 4), 2)
    y = rng(1).normal(size=(14, 3)) + 9 * d.strata[:, None]
    for h in (0, 1):
        here = d.strata == h
        np.testing.assert_array_equal(ranked_inside(y, d)[here], 2 * stats.rankdata(y[here], axis=0))


def test_scores_are_normal_quantiles_of_ranks_of_what_is_left_of_strata() -> None:
    d = design((3, 4), 2)
    y = rng(1).normal(size=(14, 3))
    left = y - np.where(
        d.strata[:, None] == 0, np.median(y[d.strata == 0], axis=0), np.median(y[d.strata == 1], axis=0)
    )
    expected = stats.norm.ppf(stats.rankdata(left, axis=0) / 15)
    np.testing.assert_allclose(normal_scores(y, d), expected)
    np.testing.assert_allclose(normal_scores(y + 9 * d.strata[:, None], d), expected)


def test_a_clear_order_in_strata_of_few_texts_has_a_bound() -> None:
    """Eight strata of five texts in one order, far apart: ranks inside strata would leave hardly any spread."""
    labels, strata = list("aabcd") * 8, [str(i // 5) for i in range(40)]
    y = rng(2).normal(size=(40, 1)) + 4 * np.tile([0.0, 0, 1, 2, 3], 8)[:, None]
    d = Design.of(labels, strata, strata)  # whole strata are drawn: single texts of a category could not be drawn anew
    found = score_bounds(y, d, resample(d, count=199, rng=rng(3)))
    assert found.bounded[0]
    assert found.p_lower(0.1)[0] <= 0.05


def test_constant_responses_score_nothing() -> None:
    np.testing.assert_array_equal(normal_scores(np.full((6, 1), 0.3), design((3, 3))), 0.0)


def test_three_against_three_by_hand() -> None:
    """Scores of ranks 1 to 6 are -1.0676, -.5659, -.1800 and the same with plus: 4, 5, 6 against 1, 2, 3."""
    y = np.array([[7.0], [8.0], [9.0], [1.0], [2.0], [3.0]])
    s = np.array([0.18001236979270496, 0.5659488219328631, 1.0675705238781414])
    mean, ssw = s.mean(), 2 * ((s - s.mean()) ** 2).sum()
    f = 6 * mean**2 / (ssw / 4)
    d = design((3, 3))
    found = score_bounds(y, d, resample(d, count=9, rng=rng()))
    assert found.effect[0] == pytest.approx((f - 1) / (f - 1 + 6))


@pytest.mark.parametrize(("sizes", "strata"), [((8, 6, 9), 1), ((5, 4), 3)])
def test_the_effect_and_a_cell_s_own_bounds_are_those_of_the_bootstrap_t_of_scores(
    sizes: tuple[int, ...], strata: int
) -> None:
    d = design(sizes, strata)
    y = rng(2).normal(size=(d.n, 4)) + 0.7 * d.labels[:, None]
    resamples = resample(d, count=199, rng=rng(3))
    found, scores = score_bounds(y, d, resamples), normal_scores(y, d)
    df1, _ = degrees_of_freedom(d)
    np.testing.assert_allclose(found.effect, omega_squared(f_of(scores, d), df1, d.n))
    slow = bootstrap_t(
        omega_squared_replicates(scores, d, resamples), resamples, forward=found.forward, backward=found.backward
    )
    np.testing.assert_allclose(found.p_lower(0.1), slow.p_lower(0.1))
    np.testing.assert_allclose(found.upper(0.05), slow.upper(0.05))
    assert found.noncentral is not None  # which tells how many texts would decide, and nothing of bounds
    np.testing.assert_allclose(found.noncentral.f, f_of(scores, d))


def test_the_root_scale_goes_there_and_back_and_rises() -> None:
    scale = RootScale(3 / 48)
    omega2 = np.linspace(-0.06, 0.95, 200)
    np.testing.assert_allclose(scale.backward(scale.forward(omega2)), omega2)
    assert (np.diff(scale.forward(omega2)) > 0).all()
    f2 = np.linspace(0.01, 3, 50)
    slope = (scale.of_f2(f2 + 1e-6) - scale.of_f2(f2 - 1e-6)) / 2e-6
    np.testing.assert_allclose(scale.slope(f2), slope, rtol=1e-6)


def test_f_has_one_standard_error_wherever_it_is_on_the_root_scale() -> None:
    """Sd of h over many normal samples of 100 texts is about 1 / 10 at omega^2 .1 as at .6."""
    d = design((25, 25, 25, 25))
    scale = RootScale(3 / 100)
    for omega2 in (0.1, 0.3, 0.6):
        means = np.array([1.0, -1, 1, -1]) * np.sqrt(omega2 / (1 - omega2))
        y = rng(4).normal(size=(100, 2000)) + means[d.labels][:, None]
        h = scale.forward(omega_squared(f_of(y, d), 3, 100))
        assert h.std() == pytest.approx(0.1, rel=0.08)


def test_a_band_is_counted_among_the_largest_t_on_the_root_scale_and_never_below_own_levels() -> None:
    d = design((8, 8, 8))
    y = rng(5).normal(size=(24, 6)) + np.linspace(0, 4, 6) * (d.labels[:, None] == 0)
    found = score_bounds(y, d, resample(d, count=399, rng=rng(6)))
    assert isinstance(found, ScoreBounds) and found.stable is not None
    cells, stable = np.arange(6), found.stable
    z = (stable.theta - stable.forward(np.array(0.1))) / stable.se / JOINT_FACTOR
    counted = (1 + (stable.t.max(axis=1)[:, None] >= z).sum(axis=0)) / 400
    np.testing.assert_allclose(found.p_lower(0.1, cells), np.maximum(counted, found.p_lower(0.1)))
    low = found.lower(0.05, cells)
    assert (low > 0).sum() >= 2
    for c in np.flatnonzero(low > 0):
        assert found.p_lower(low[c] - 1e-9, cells)[c] <= 0.05 < found.p_lower(low[c] + 1e-9, cells)[c]
    assert (low <= found.lower(0.05)).all()


def test_neither_scale_nor_outliers_move_scores() -> None:
    d = design((10, 10))
    y = rng(7).normal(size=(20, 3))
    far = y.copy()
    far[np.argmax(y, axis=0), np.arange(3)] *= 1e6 * np.sign(y.max(axis=0))
    resamples = resample(d, count=99, rng=rng(8))
    plain, other = score_bounds(y, d, resamples), score_bounds(np.exp(far / 1e6), d, resamples)
    np.testing.assert_array_equal(plain.t, score_bounds(far, d, resamples).t)
    np.testing.assert_array_equal(plain.theta, other.theta)


def test_cells_weighed_together_are_each_as_if_alone() -> None:
    d = design((6, 6, 6))
    y = rng(9).normal(size=(18, 5))
    resamples = resample(d, count=99, rng=rng(10))
    whole = score_bounds(y, d, resamples)
    for c in range(5):
        np.testing.assert_allclose(whole.t[:, c], score_bounds(y[:, [c]], d, resamples).t[:, 0], rtol=1e-9)


def test_a_constant_cell_has_no_bound_and_leaves_the_others_theirs() -> None:
    d = design((8, 8))
    y = rng(11).normal(size=(16, 3))
    y[:, 1] = 2.0
    resamples = resample(d, count=99, rng=rng(12))
    found, rest = score_bounds(y, d, resamples), score_bounds(y[:, [0, 2]], d, resamples)
    assert found.bounded.tolist() == [True, False, True]
    assert found.effect[1] == 0
    assert found.p_lower(0.1, np.arange(3))[1] == 1
    np.testing.assert_array_equal(found.p_lower(0.1, np.arange(3))[[0, 2]], rest.p_lower(0.1, np.arange(2)))


def test_neurons_that_hardly_a_text_excites_do_not_hide_one_that_answers() -> None:
    """64 texts, 60 neurons, three of which one text each excites, one at omega^2 .7."""
    d, draw, cells = design((16, 16, 16, 16)), rng(16), np.arange(60)
    found = []
    for _ in range(8):
        y = draw.normal(size=(64, 60))
        y[:, 0] += np.array([1.0, 1, -1, -1])[d.labels] * np.sqrt(7 / 3)
        y[:, 1:4] = 0.0
        y[[5, 20, 40], [1, 2, 3]] = 1.0
        bounds = score_bounds(y, d, resample(d, count=399, rng=draw))
        assert bounds.sparse(0.05)[1:4].all()
        levels = somewhere().levels(
            Evidence(tuple(Cell(axis=i) for i in cells), "omega^2", bounds, None, 64), 0.1, 0.05
        )
        assert levels.p_minus == 1
        assert levels.cell == 0
        found.append(levels.p_plus <= 0.05)
    assert sum(found) >= 7


def test_one_cell_of_sixty_is_supported_far_more_often_than_by_raw_omega_squared() -> None:
    """48 texts, 60 cells that share half of their noise, omega^2 .5 in one: of 300 data sets .33 before, .7 now."""
    d, draw, cells = design((12, 12, 12, 12)), rng(13), np.arange(60)
    now = before = 0
    for _ in range(20):
        y = (draw.normal(size=(48, 60)) + draw.normal(size=(48, 1))) / np.sqrt(2)
        y[:, 0] += np.array([1.0, 1, -1, -1])[d.labels]
        resamples = resample(d, count=399, rng=draw)
        now += score_bounds(y, d, resamples).p_lower(0.1, cells)[0] <= 0.05
        before += omega_squared_bounds(y, d, resamples).p_lower(0.1, cells)[0] <= 0.05
    assert now >= before + 4
    assert now >= 12


@pytest.mark.parametrize("law", ["normal", "outliers", "lognormal"])
def test_new_texts_lie_beyond_bounds_no_more_often_than_promised(law: str) -> None:
    """At omega^2 of scores exactly .1, 500 data sets as cells: at level .05 either limit errs in at most .08."""

    def noise(draw: np.random.Generator, shape: tuple[int, ...]) -> Floats:
        y = draw.normal(size=shape)
        if law == "outliers":
            return np.where(draw.random(shape) < 0.03, 10 * y, y)
        return np.exp(y) if law == "lognormal" else y

    crowd, pattern = noise(rng(14), (4, 20_000)), np.array([1.0, 0.2, -0.2, -1.0])

    def population(length: float) -> float:
        y = crowd + length * pattern[:, None]
        scores = stats.norm.ppf((stats.rankdata(y) - 0.5) / y.size).reshape(4, -1)
        return float(scores.mean(axis=1).var() / scores.var())

    lengths = np.linspace(0, 2, 41)
    length = float(np.interp(0.1, [population(v) for v in lengths], lengths))
    d, draw = design((12, 12, 12, 12)), rng(15)
    y = noise(draw, (48, 500)) + length * pattern[d.labels][:, None]
    found = score_bounds(y, d, resample(d, count=399, rng=draw))
    assert (found.p_lower(0.1) <= 0.05).mean() <= 0.08
    assert (found.p_upper(0.1) <= 0.05).mean() <= 0.08
