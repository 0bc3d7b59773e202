"""Effect sizes: their values and every text's influence, under every resample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from modclaims.stats import effects
from modclaims.stats.actions import Arrangements, Design
from modclaims.stats.bootstrap import Resamples, bootstrap_t, resample
from modclaims.stats.effects import (
    LogRatio,
    auc,
    cliffs_delta,
    excess_kurtosis,
    gap,
    hedges_g,
    log_one_plus_f2,
    omega2_of_log,
    omega_squared,
    omega_squared_bounds,
    omega_squared_replicates,
)
from modclaims.stats.permutation import Pairs, delta_null, f_null, gap_null

Floats = NDArray[np.float64]

DESIGNS = {
    "equal": ("aaaabbbbcccc", "xxxxxxxxxxxx"),
    "unequal": ("aaaaabbbbccc", "xxxxxxxxxxxx"),
    "strata": ("aaabbbaaaabbb", "xxxxxxyyyyyyy"),
    "unequal strata": ("abbacabccbaaab", "xyxyxyxyxyxyxx"),
}


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def design(name: str) -> Design:
    labels, strata = DESIGNS[name]
    return Design.of(list(labels), list(strata))


def similarities(a: Design, cells: int, seed: int = 0, decimals: int | None = None) -> Floats:
    values = rng(seed).normal(size=(len(Pairs.of(a)), cells))
    return values if decimals is None else np.round(values, decimals)


def slow_delta(column: Floats, a: Design, pairs: Pairs, times: Floats) -> float:
    """2 AUC - 1 with pair i, j weighing m_i m_j, stratum by stratum."""
    found = []
    for where in pairs.slices:
        weight = times[pairs.i[where]] * times[pairs.j[where]]
        same = a.labels[pairs.i[where]] == a.labels[pairs.j[where]]
        values = column[where]
        w, b = weight[same], weight[~same]
        if w.sum() > 0 and b.sum() > 0:
            sign = np.sign(values[same][:, None] - values[~same][None, :])
            found.append((w[:, None] * b[None, :] * sign).sum() / (w.sum() * b.sum()))
    return float(np.mean(found)) if found else float("nan")


def slow_sums(y: Floats, a: Design, times: Floats) -> tuple[float, float]:
    """Weighted residual sums of squares without and with category, strata in both."""
    strata = (a.strata[:, None] == np.unique(a.strata)).astype(float)
    full = np.concatenate([strata, (a.labels[:, None] == np.unique(a.labels)).astype(float)], axis=1)
    root = np.sqrt(times)
    found = []
    for columns in (strata, full):
        fit = np.linalg.lstsq(columns * root[:, None], y * root, rcond=None)[0]
        found.append(float((times * (y - columns @ fit) ** 2).sum()))
    return found[0], found[1]


def slow_log_f2(y: Floats, a: Design, times: Floats) -> float:
    total, error = slow_sums(y, a, times)
    df1 = np.linalg.matrix_rank(
        np.concatenate(
            [
                (a.strata[:, None] == np.unique(a.strata)).astype(float),
                (a.labels[:, None] == np.unique(a.labels)).astype(float),
            ],
            axis=1,
        )
    ) - len(np.unique(a.strata))
    df2 = a.n - len(np.unique(a.strata)) - df1
    f = (total - error) / df1 / (error / df2)
    return float(np.log((df1 * (f - 1) + a.n) / a.n))


# ---- bad input


def test_delta_of_a_cell_that_is_not_finite_is_no_number() -> None:
    a = design("equal")
    values = similarities(a, 3)
    values[5, 1] = np.nan
    found = cliffs_delta(values, a, Pairs.of(a), resample(a, count=20, rng=rng()))
    assert np.isnan(found.value[:, 1]).all()
    assert np.isfinite(found.value[:, [0, 2]]).all()


def test_responses_that_do_not_vary_have_no_bounds_and_no_effect() -> None:
    a = design("equal")
    bounds = omega_squared_bounds(
        np.stack([np.full(12, 0.1), rng().normal(size=12)], axis=1), a, resample(a, count=99, rng=rng())
    )
    assert bounds.effect[0] == 0
    assert bounds.bounded.tolist() == [False, True]
    assert np.isnan(bounds.lower(0.05)[0])
    assert bounds.p_lower(0.0)[0] == bounds.p_upper(0.9)[0] == 1


def test_equal_category_means_have_a_negative_omega_squared() -> None:
    # F = 0 exactly, although responses vary: omega^2 = -df1 / (n - df1)
    a = design("equal")
    y = np.tile([1.0, 2.0, 3.0, 4.0], 3)[:, None]
    bounds = omega_squared_bounds(y, a, resample(a, count=99, rng=rng()))
    assert bounds.effect[0] == pytest.approx(-2 / 10)


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-9, 1e-6, 1e-4])
def test_a_nearly_perfect_unit_is_weighed_without_a_fault(noise: float) -> None:
    a = design("equal")
    y = (np.array([1.0, 2.0, 5.0])[a.labels] + noise * rng().normal(size=12))[:, None]
    bounds = omega_squared_bounds(y, a, resample(a, count=99, rng=rng()))
    low, high = bounds.lower(0.05)[0], bounds.upper(0.05)[0]
    if bounds.bounded[0]:
        assert 0.9 < low <= bounds.effect[0] <= high <= 1
    else:
        assert np.isnan([low, high]).all()
    assert bounds.effect[0] == pytest.approx(1, abs=1e-6)


# ---- by hand


def test_delta_of_three_texts_by_hand_with_one_drawn_twice() -> None:
    # aab: within .5 (pair 01); between .2 (02), .7 (12). Text 1 twice, text 0 gone: no within pair is left
    a = Design.of(list("aab"))
    values = np.array([[0.5], [0.2], [0.7]])
    times = np.array([[1.0, 1, 1], [0, 2, 1], [2, 2, 1]])
    found = cliffs_delta(values, a, Pairs.of(a), Resamples(times, a.cells))
    assert found.value[0, 0] == pytest.approx(0)
    assert np.isnan(found.value[1, 0])
    assert found.value[2, 0] == pytest.approx(0)  # between weights 2 and 2


def test_the_gap_lets_every_category_weigh_the_same() -> None:
    a = Design.of(list("aaabb"))
    pairs = Pairs.of(a)
    same = a.labels[pairs.i] == a.labels[pairs.j]
    values = np.where(same, np.where(a.labels[pairs.i] == 0, 0.9, 0.1), 0.3)
    assert gap(values[:, None], a, pairs)[0] == pytest.approx((0.9 + 0.1) / 2 - 0.3)  # pooled pairs would say .4


def test_omega_squared_by_hand() -> None:
    # F = 7 with 2 and 3 degrees of freedom, n = 6: (28 - 2 x 2) / (34 + 2)
    assert omega_squared(np.array(7.0), 2, 6) == pytest.approx(24 / 36)
    assert omega_squared(np.array(np.inf), 2, 6) == 1
    assert omega_squared(np.array(0.0), 2, 6) == pytest.approx(-2 / 4)


def test_the_bootstraps_scale_leads_back() -> None:
    omega2 = np.array([-0.2, 0.0, 0.3, 0.99])
    np.testing.assert_allclose(omega2_of_log(log_one_plus_f2(omega2)), omega2, atol=1e-15)
    np.testing.assert_allclose(log_one_plus_f2(np.array([0.5])), np.log(2))


# ---- witnesses


@pytest.mark.parametrize("decimals", [None, 0])
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("kernel", [0, 60_000])
def test_delta_equals_brute_force_under_every_resample(
    name: str, decimals: int | None, kernel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "KERNEL", kernel)  # by sorting, and by comparing all with all
    a = design(name)
    pairs, values = Pairs.of(a), similarities(a, 2, decimals=decimals)
    resamples = resample(a, count=30, rng=rng(1))
    found = cliffs_delta(values, a, pairs, resamples)
    for row, times in enumerate(resamples.times):
        for c in range(2):
            assert found.value[row, c] == pytest.approx(
                slow_delta(values[:, c], a, pairs, times), abs=1e-12, nan_ok=True
            )


@pytest.mark.parametrize("decimals", [None, 0])
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("kernel", [0, 60_000])
def test_the_influence_on_delta_is_its_derivative_by_multiplicity(
    name: str, decimals: int | None, kernel: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "KERNEL", kernel)
    a = design(name)
    pairs, values = Pairs.of(a), similarities(a, 1, decimals=decimals)
    resamples = resample(a, count=6, rng=rng(2))
    found = cliffs_delta(values, a, pairs, resamples)
    for row, times in enumerate(resamples.times):
        if np.isnan(found.value[row, 0]):
            continue
        for i in np.flatnonzero(times):
            step = np.zeros(a.n)
            step[i] = 1e-5
            up, down = (slow_delta(values[:, 0], a, pairs, times + s) for s in (step, -step))
            assert found.influence[row, i, 0] == pytest.approx((up - down) / 2e-5, abs=1e-7)
        assert not found.influence[row, times == 0].any()


@pytest.mark.parametrize("name", DESIGNS)
def test_delta_and_gap_are_the_observed_rows_of_their_nulls(name: str) -> None:
    a = design(name)
    pairs, values = Pairs.of(a), similarities(a, 3, decimals=1)
    observed = Arrangements(a.labels[None].astype(np.int16), True, 1)
    delta = cliffs_delta(values, a, pairs, resample(a, count=1, rng=rng()))
    np.testing.assert_allclose(delta.value[0], delta_null(values, pairs, a, observed)[0], atol=1e-14)
    np.testing.assert_allclose(gap(values, a, pairs), gap_null(values, pairs, a, observed)[0][0], atol=1e-14)


@pytest.mark.parametrize("name", DESIGNS)
def test_log_f2_equals_a_slow_weighted_fit_under_every_resample(name: str) -> None:
    a = design(name)
    y = rng(3).normal(size=(a.n, 2)) + a.labels[:, None]
    resamples = resample(a, count=15, rng=rng(4))
    found = omega_squared_replicates(y, a, resamples)
    for row, times in enumerate(resamples.times):
        for c in range(2):
            if np.isfinite(found.value[row, c]):
                assert found.value[row, c] == pytest.approx(slow_log_f2(y[:, c], a, times), rel=1e-9, abs=1e-11)
    total, error = slow_sums(y[:, 0], a, np.ones(a.n))
    assert found.centre[0] == pytest.approx(np.log(total / error))


@pytest.mark.parametrize("name", DESIGNS)
def test_the_influence_on_log_f2_is_its_derivative_by_multiplicity(name: str) -> None:
    a = design(name)
    y = rng(5).normal(size=(a.n, 1)) + a.labels[:, None]
    resamples = resample(a, count=4, rng=rng(6))
    found = omega_squared_replicates(y, a, resamples)
    for row, times in enumerate(resamples.times):
        if not np.isfinite(found.value[row, 0]):
            continue
        for i in np.flatnonzero(times):
            step = np.zeros(a.n)
            step[i] = 1e-5
            up, down = (slow_log_f2(y[:, 0], a, times + s) for s in (step, -step))
            assert found.influence[row, i, 0] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-6)


def test_omega_squared_of_flowers_is_that_of_statsmodels_sums_of_squares() -> None:
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    x, species = load_iris(return_X_y=True)
    a = Design.of([str(s) for s in species])
    bounds = omega_squared_bounds(x, a, resample(a, count=199, rng=rng()))
    for c in range(4):
        rows = anova_lm(ols("y ~ C(g)", pd.DataFrame({"y": x[:, c], "g": species})).fit())
        (between, within), (df1, df2) = rows["sum_sq"], rows["df"]
        mean = within / df2
        assert bounds.effect[c] == pytest.approx((between - df1 * mean) / (between + within + mean), rel=1e-9)
    assert (bounds.lower(0.05) < bounds.effect).all()
    assert (bounds.upper(0.05) > bounds.effect).all()


def test_omega_squared_takes_the_wider_of_its_two_bounds() -> None:
    a = design("equal")
    y = rng(7).normal(size=(12, 5)) + 2 * a.labels[:, None]
    bounds = omega_squared_bounds(y, a, resample(a, count=199, rng=rng(8)))
    parametric = bounds.noncentral
    assert parametric is not None
    assert (bounds.lower(0.05) <= parametric.limit(0.95) + 1e-12).all()
    assert (bounds.upper(0.05) >= parametric.limit(0.05) - 1e-12).all()
    assert (bounds.p_lower(0.1) >= parametric.p_lower(0.1)).all()
    assert (bounds.p_upper(0.1) >= parametric.p_upper(0.1)).all()


@pytest.mark.parametrize("name", DESIGNS)
def test_many_cells_through_moments_are_those_through_influences(name: str) -> None:
    a = design(name)
    y = rng(5).normal(size=(a.n, 6)) * np.array([1e-6, 1, 1e6, 1, 1, 1]) + np.array([0, 0, 1e7, 1e3, 0, -5])
    drawn = resample(a, count=299, rng=rng(6))
    slow = omega_squared_replicates(y, a, drawn)
    bounds = bootstrap_t(slow, drawn)
    fast = LogRatio.of(y, a, drawn)
    se, t = fast.studentised()
    np.testing.assert_allclose(fast.value[0], bounds.theta, rtol=1e-9)
    np.testing.assert_allclose(fast.centre, slow.centre, rtol=1e-9)
    np.testing.assert_allclose(se, bounds.se, rtol=1e-9)
    # a resample that leaves a perfect fit has no standard error but rounding, in either way
    ordinary = np.isfinite(bounds.t) & (np.abs(bounds.t) < 1e6) & (fast.value[1:] < 20)
    assert ordinary.mean() > 0.8
    np.testing.assert_allclose(t[ordinary], bounds.t[ordinary], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", DESIGNS)
def test_influences_through_moments_differ_by_a_constant_of_the_group(name: str) -> None:
    a = design(name)
    y = rng(7).normal(size=(a.n, 3))
    drawn = resample(a, count=20, rng=rng(8))
    slow, fast = omega_squared_replicates(y, a, drawn).influence, LogRatio.of(y, a, drawn)
    every = [np.broadcast_to(one, fast.value.shape) for one in np.eye(3)]
    influence = np.stack([fast.influence(one) for one in every], axis=2)
    for g in np.unique(a.cells):
        where = np.flatnonzero(a.cells == g)
        apart = np.where(drawn.times[:, where, None] > 0, influence[:, where] - slow[:, where], np.nan)
        ordinary = np.isfinite(fast.value) & (fast.value < 10)
        spread = np.nanmax(apart, axis=1) - np.nanmin(apart, axis=1)
        np.testing.assert_allclose(spread[ordinary], 0, atol=1e-7)


def test_many_cells_have_the_bounds_that_each_has_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    a = design("unequal")
    y = rng(9).normal(size=(12, 7))
    resamples = resample(a, count=40, rng=rng(10))
    together = omega_squared_bounds(y, a, resamples)
    for c in range(7):
        alone = omega_squared_bounds(y[:, [c]], a, resamples)
        np.testing.assert_allclose(alone.t[:, 0], together.t[:, c], rtol=1e-9)
        np.testing.assert_allclose(alone.lower(0.05)[0], together.lower(0.05)[c], atol=1e-10)


def test_hedges_g_and_auc_of_flowers() -> None:
    x, species = load_iris(return_X_y=True)
    versicolor, virginica = x[species == 1, 1], x[species == 2, 1]
    # R 4.2.2: hedges_g() -0.636230722190504 with the exact gamma correction; pingouin's 1 - 3 / (4 n - 9) differs by 3e-6
    assert hedges_g(versicolor, virginica) == pytest.approx(-0.636230722190504, rel=1e-5)
    spread = np.sqrt((versicolor.var(ddof=1) + virginica.var(ddof=1)) / 2)
    by_hand = (versicolor.mean() - virginica.mean()) / spread * (1 - 3 / (4 * 100 - 9))
    assert hedges_g(versicolor, virginica) == pytest.approx(by_hand, rel=1e-12)
    assert auc(versicolor, virginica) == pytest.approx(0.3364, rel=1e-12)  # R 4.2.2: (1 + rank_biserial()) / 2
    wins = np.mean([(v > w) + (v == w) / 2 for v in versicolor for w in virginica])
    assert auc(versicolor, virginica) == pytest.approx(wins)


def test_excess_kurtosis_is_that_of_the_residuals() -> None:
    from scipy.stats import kurtosis

    a = design("unequal strata")
    y = rng(11).standard_t(4, size=(a.n, 3))
    residual = y.copy()
    for cell in np.unique(a.cells):
        residual[a.cells == cell] -= y[a.cells == cell].mean(axis=0)
    np.testing.assert_allclose(excess_kurtosis(y, a), kurtosis(residual, axis=0))
    assert excess_kurtosis(np.ones((a.n, 1)), a)[0] == 0


# ---- properties


@given(st.sampled_from(sorted(DESIGNS)), st.integers(0, 50))
def test_delta_lies_between_its_ends_and_knows_only_order(name: str, seed: int) -> None:
    a = design(name)
    pairs, values = Pairs.of(a), similarities(a, 1, seed=seed, decimals=1)
    resamples = resample(a, count=10, rng=rng(seed))
    here = cliffs_delta(values, a, pairs, resamples)
    there = cliffs_delta(np.exp(values / 2), a, pairs, resamples)
    turned = cliffs_delta(-values, a, pairs, resamples)
    np.testing.assert_allclose(here.value, there.value, atol=1e-12)
    np.testing.assert_allclose(here.value, -turned.value, atol=1e-12)
    assert np.nanmax(np.abs(here.value)) <= 1 + 1e-12


@given(st.sampled_from(sorted(DESIGNS)), st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 50))
def test_omega_squared_knows_no_unit_and_no_origin(name: str, scale: float, shift: float, seed: int) -> None:
    a = design(name)
    y = rng(seed).normal(size=(a.n, 1))
    resamples = resample(a, count=10, rng=rng(seed))
    here = omega_squared_replicates(y, a, resamples)
    there = omega_squared_replicates(scale * y + shift, a, resamples)
    finite = np.isfinite(here.value)
    np.testing.assert_allclose(there.value[finite], here.value[finite], rtol=1e-5, atol=1e-6)


@given(st.sampled_from(sorted(DESIGNS)), st.integers(0, 50))
def test_influences_balance_where_doubling_every_text_changes_nothing(name: str, seed: int) -> None:
    # an effect of proportions only: scaling all multiplicities of a stratum leaves it, so influences sum to zero
    a = design(name)
    found = cliffs_delta(similarities(a, 1, seed=seed), a, Pairs.of(a), resample(a, count=5, rng=rng(seed)))
    times = resample(a, count=5, rng=rng(seed)).times
    np.testing.assert_allclose((times[:, :, None] * found.influence).sum(axis=1), 0, atol=1e-10)


@given(st.integers(0, 50))
def test_the_order_of_texts_and_the_names_of_categories_change_no_effect(seed: int) -> None:
    labels, strata = (np.array(list(part)) for part in DESIGNS["unequal strata"])
    n = len(labels)
    matrix, y = rng(seed).normal(size=(n, n)), rng(seed).normal(size=(n, 1))
    matrix = matrix + matrix.T
    order = rng(seed + 1).permutation(n)
    renamed = np.array([{"a": "c", "b": "a", "c": "b"}[v] for v in labels])
    found = []
    for o, names in ((np.arange(n), labels), (order, renamed)):
        a = Design.of(list(names[o]), list(strata[o]))
        pairs, one = Pairs.of(a), Resamples(np.ones((1, n)), a.cells)
        values = pairs.matrix([matrix[np.ix_(o, o)]])
        observed = Arrangements(a.labels[None].astype(np.int16), True, 1)
        found.append(
            [
                gap(values, a, pairs)[0],
                cliffs_delta(values, a, pairs, one).value[0, 0],
                f_null(y[o], a, observed)[0][0, 0],
            ]
        )
    np.testing.assert_allclose(found[0], found[1], rtol=1e-10)
