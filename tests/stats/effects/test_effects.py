"""Effect sizes: their values and every text's influence, under every resample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pingouin import compute_effsize
from sklearn.datasets import load_iris

from modclaims.errors import ClaimError
from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.cluster_sums import ClusterSums
from modclaims.stats.bounds.log_ratios import ClusterLogRatio, LogRatio, log_ratio
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance import permutation
from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import Pairs, degrees_of_freedom, delta_null, f_null, gap_null
from modclaims.stats.effects.omega_squared import (
    log_one_plus_f2,
    omega2_of_log,
    omega_squared,
    omega_squared_bounds,
    omega_squared_replicates,
)
from modclaims.stats.effects.pair_effects import cliffs_delta, cohens_d, constant, gap, same_pairs
from modclaims.stats.effects.superiority import superior
from modclaims.stats.effects.two_groups import hedges_g
from modclaims.stats.ties import tolerance

Floats = NDArray[np.float64]

DESIGNS = {
    "equal": ("aaaabbbbcccc", "xxxxxxxxxxxx"),
    "unequal": ("aaaaabbbbccc", "xxxxxxxxxxxx"),
    "strata": ("aaabbbaaaabbb", "xxxxxxyyyyyyy"),
    "unequal strata": ("abbacabccbaaab", "xyxyxyxyxyxyxx"),
}


CLUSTERED = {
    "even": (*["aabb"] * 5,),
    "three": (*["aabbcc"] * 3, "aabc", "ccbba"),
    "unequal": ("aaabb", "abbcc", "aabccc", "bbcca", "abc", "acacac", "aab"),
    "strata": ("aabb|aaabb", "abab|bbab", "aabbb|ab", "abb|aab", "aabb|abb"),
}
"""Clusters by their categories, and by strata inside them."""


def clustered(name: str) -> Design:
    """Clusters of `CLUSTERED`, their units in a mixed order."""
    every = [
        (label, str(stratum), str(cluster))
        for cluster, kinds in enumerate(CLUSTERED[name])
        for stratum, labels in enumerate(kinds.split("|"))
        for label in labels
    ]
    labels, strata, clusters = zip(*(every[i] for i in rng(17).permutation(len(every))), strict=True)
    return Design.of(labels, strata, clusters)


def copied(a: Design, times: Floats) -> tuple[Design | None, NDArray[np.int64]]:
    """The sample that a resample of clusters stands for, copies of one as so many clusters; its design and units."""
    copies = [(c, copy) for c in range(len(a.members)) for copy in range(int(times[c]))]
    units = np.concatenate([a.members[c] for c, _ in copies])
    names = [f"{c} again {copy}" for c, copy in copies for _ in a.members[c]]
    try:
        return Design.of([str(k) for k in a.labels[units]], [str(h) for h in a.strata[units]], names), units
    except ClaimError:
        return None, units


def design(name: str) -> Design:
    labels, strata = DESIGNS[name]
    return Design.of(list(labels), list(strata))


def similarities(a: Design, cells: int, seed: int = 0, decimals: int | None = None) -> Floats:
    values = rng(seed).normal(size=(len(Pairs.of(a)), cells))
    return values if decimals is None else np.round(values, decimals)


def slow_delta(column: Floats, a: Design, pairs: Pairs, times: Floats, pooled: bool = False) -> float:
    """2 AUC - 1 with pair i, j weighing m_i m_j: of each category over each pair of categories, stratum by stratum."""
    found = []
    for where in pairs.slices:
        weight = times[pairs.i[where]] * times[pairs.j[where]]
        kinds = [tuple(sorted(pair)) for pair in zip(a.labels[pairs.i[where]], a.labels[pairs.j[where]], strict=True)]
        if pooled:
            kinds = [(0, 0) if one == other else (0, 1) for one, other in kinds]
        parts: dict[tuple[int, int], tuple[Floats, Floats]] = {}
        for kind in sorted(set(kinds)):
            mine = np.array([k == kind for k in kinds])
            if weight[mine].sum() > 0:
                parts[kind] = column[where][mine], weight[mine] / weight[mine].sum()
        deltas = [
            (w[:, None] * b[None, :] * np.sign(x[:, None] - y[None, :])).sum()
            for (k, same), (x, w) in parts.items()
            for (m, n), (y, b) in parts.items()
            if k == same and m != n
        ]
        if deltas:
            found.append(np.mean(deltas))
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
    df1 = slow_df1(a)
    df2 = a.n - len(np.unique(a.strata)) - df1
    f = (total - error) / df1 / (error / df2)
    return float(np.log((df1 * (f - 1) + a.n) / a.n))


def slow_df1(a: Design) -> int:
    """What the categories add to the rank of the strata."""
    return np.linalg.matrix_rank(
        np.concatenate(
            [
                (a.strata[:, None] == np.unique(a.strata)).astype(float),
                (a.labels[:, None] == np.unique(a.labels)).astype(float),
            ],
            axis=1,
        )
    ) - len(np.unique(a.strata))


# ---- bad input


def test_delta_of_a_cell_that_is_not_finite_is_no_number() -> None:
    a = design("equal")
    values = similarities(a, 3)
    values[5, 1] = np.nan
    found = cliffs_delta(values, a, Pairs.of(a), resample(a, count=20, rng=rng()))
    assert np.isnan(found.value[:, 1]).all()
    assert np.isfinite(found.value[:, [0, 2]]).all()


@pytest.mark.parametrize("a", [*map(design, DESIGNS), *map(clustered, CLUSTERED)])
@pytest.mark.parametrize("level", [1.0, -3e-7, 1e9])
def test_similarities_that_differ_by_rounding_are_constant_and_have_delta_0(a: Design, level: float) -> None:
    pairs, resamples = Pairs.of(a), resample(a, count=50, rng=rng(3))
    shake = rng(4).uniform(-40, 40, size=(len(pairs), 1)) * np.finfo(float).eps
    values = np.concatenate([level * (1 + shake), level * (1 + 1e3 * shake)], axis=1)
    found = cliffs_delta(values, a, pairs, resamples)
    assert constant(values, pairs).tolist() == [True, False]
    defined = np.isfinite(found.value[:, 0])
    np.testing.assert_array_equal(found.value[defined, 0], 0)
    assert not found.influence[:, :, 0].any()
    assert found.influence[:, :, 1].any()


def test_a_cell_is_constant_where_each_stratum_is() -> None:
    a = design("strata")
    pairs = Pairs.of(a)
    values = np.zeros((len(pairs), 2))
    values[pairs.slices[0]], values[pairs.slices[1]] = 0.3, 0.8
    values[0, 1] = 0.9
    assert constant(values, pairs).tolist() == [True, False]


def test_what_is_left_of_similarities_is_constant_by_what_they_were() -> None:
    a = design("equal")
    pairs = Pairs.of(a)
    left = 1e-15 * similarities(a, 1)
    assert not constant(left, pairs)[0]
    assert constant(left, pairs, tolerance(np.full((1, 1), 0.9)))[0]
    found = cliffs_delta(left, a, pairs, resample(a, count=5, rng=rng()), slack=np.array([1e-13]))
    assert not found.value.any() and not found.influence.any()


def test_two_similarities_tie_by_their_size_and_not_by_their_range() -> None:
    # within .5 (ab would be .5 + 1e-15): level with one pair between, above the other; the range is 2e-15
    a = Design.of(list("aab"))
    values = np.array([[0.5], [0.5 + 1e-15], [0.5 - 1e-12]])
    one = Resamples(np.ones((1, 3)), a.cells)
    assert cliffs_delta(values, a, Pairs.of(a), one).value[0, 0] == 0.5
    assert cliffs_delta(values, a, Pairs.of(a), one, slack=np.zeros(1)).value[0, 0] == 0


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


def test_delta_lets_every_category_weigh_the_same() -> None:
    # within a .9, within b .1, between .3: one exceeds, one is exceeded; pooled, 3 of 4 pairs within exceed
    a = Design.of(list("aaabb"))
    pairs, one = Pairs.of(a), Resamples(np.ones((1, 5)), np.zeros(5, dtype=np.int64))
    same = a.labels[pairs.i] == a.labels[pairs.j]
    values = np.where(same, np.where(a.labels[pairs.i] == 0, 0.9, 0.1), 0.3)[:, None]
    assert cliffs_delta(values, a, pairs, one).value[0, 0] == 0
    assert cliffs_delta(values, a, pairs, one, pooled=True).value[0, 0] == 0.5


def test_delta_lets_every_pair_of_categories_weigh_the_same() -> None:
    # within .5; a-b (4 pairs) .9, a-c and b-c (2 pairs each) .1: (-1 + 1 + 1) / 3, pooled (-4 + 2 + 2) / 8
    a = Design.of(list("aabbc"))
    pairs, one = Pairs.of(a), Resamples(np.ones((1, 5)), np.zeros(5, dtype=np.int64))
    first, second = a.labels[pairs.i], a.labels[pairs.j]
    values = np.where(first == second, 0.5, np.where(second == 2, 0.1, 0.9))[:, None]
    assert cliffs_delta(values, a, pairs, one).value[0, 0] == pytest.approx(1 / 3)
    assert cliffs_delta(values, a, pairs, one, pooled=True).value[0, 0] == 0


def test_a_category_whose_draws_are_all_one_text_is_left_out_of_that_resample() -> None:
    # b is drawn as two copies of text 3: what is left is a's pairs .9 (one, twice as heavy: m = 2, 1, 0) over a-b .3
    a = Design.of(list("aaabb"))
    pairs = Pairs.of(a)
    same = a.labels[pairs.i] == a.labels[pairs.j]
    values = np.where(same, np.where(a.labels[pairs.i] == 0, 0.9, 0.1), 0.3)[:, None]
    times = np.array([[1.0, 1, 1, 1, 1], [2, 1, 0, 2, 0], [3, 0, 0, 1, 1], [3, 0, 0, 2, 0]])
    found = cliffs_delta(values, a, pairs, Resamples(times, a.cells))
    np.testing.assert_array_equal(found.value[:3, 0], [0, 1, -1])
    assert np.isnan(found.value[3, 0])
    assert not found.influence[1:].any()


def test_the_gap_lets_every_category_weigh_the_same() -> None:
    a = Design.of(list("aaabb"))
    pairs = Pairs.of(a)
    same = a.labels[pairs.i] == a.labels[pairs.j]
    values = np.where(same, np.where(a.labels[pairs.i] == 0, 0.9, 0.1), 0.3)
    assert gap(values[:, None], a, pairs)[0] == pytest.approx((0.9 + 0.1) / 2 - 0.3)  # pooled pairs would say .4


def test_cohens_d_over_pairs_is_pingouins_inside_each_stratum() -> None:
    rng = np.random.default_rng(31)
    for design in (Design.of(list("aabbb")), Design.of(list("aabbbaabb"), list("xxxxxyyyy"))):
        pairs = Pairs.of(design)
        similarities = rng.normal(size=(len(pairs), 2))
        similarities[:, 1] = 0.1 * (1 + 20 * np.finfo(float).eps * rng.random(len(pairs)))  # no more than rounding
        same = same_pairs(design, pairs)
        expected = [
            compute_effsize(similarities[w, 0][same[w]], similarities[w, 0][~same[w]], eftype="cohen")
            for w in pairs.slices
        ]
        assert cohens_d(similarities, design, pairs) == pytest.approx([np.mean(expected), 0.0])


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
@pytest.mark.parametrize("pooled", [False, True])
def test_delta_equals_brute_force_under_every_resample(name: str, decimals: int | None, pooled: bool) -> None:
    a = design(name)
    pairs, values = Pairs.of(a), similarities(a, 2, decimals=decimals)
    resamples = resample(a, count=30, rng=rng(1))
    found = cliffs_delta(values, a, pairs, resamples, pooled=pooled)
    for row, times in enumerate(resamples.times):
        for c in range(2):
            assert found.value[row, c] == pytest.approx(
                slow_delta(values[:, c], a, pairs, times, pooled), abs=1e-12, nan_ok=True
            )


@pytest.mark.parametrize("decimals", [None, 0])
@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize("pooled", [False, True])
def test_the_influence_on_delta_is_its_derivative_by_multiplicity(
    name: str, decimals: int | None, pooled: bool
) -> None:
    a = design(name)
    pairs, values = Pairs.of(a), similarities(a, 1, decimals=decimals)
    resamples = resample(a, count=6, rng=rng(2))
    found = cliffs_delta(values, a, pairs, resamples, pooled=pooled)
    for row, times in enumerate(resamples.times):
        if np.isnan(found.value[row, 0]):
            continue
        for i in np.flatnonzero(times):
            step = np.zeros(a.n)
            step[i] = 1e-5
            up, down = (slow_delta(values[:, 0], a, pairs, times + s, pooled) for s in (step, -step))
            assert found.influence[row, i, 0] == pytest.approx((up - down) / 2e-5, abs=1e-7)
        assert not found.influence[row, times == 0].any()


@pytest.mark.parametrize("chunk", [64, 4096])
def test_delta_in_small_chunks_is_the_same_to_the_last_bit(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    a = design("unequal strata")
    pairs, values, resamples = Pairs.of(a), similarities(a, 2), resample(a, count=40, rng=rng(5))
    whole = cliffs_delta(values, a, pairs, resamples)
    monkeypatch.setattr(permutation, "CHUNK_BYTES", chunk)
    parts = cliffs_delta(values, a, pairs, resamples)
    np.testing.assert_array_equal(whole.value, parts.value)
    np.testing.assert_array_equal(whole.influence, parts.influence)


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
    value, se, t = fast.studentised()
    every = np.concatenate([part.value for part in fast.parts()])
    np.testing.assert_allclose(value, bounds.theta, rtol=1e-9)
    np.testing.assert_allclose(fast.centre, slow.centre, rtol=1e-9)
    np.testing.assert_allclose(se, bounds.se, rtol=1e-9)
    # a resample that leaves a perfect fit has no standard error but rounding, in either way
    ordinary = np.isfinite(bounds.t) & (np.abs(bounds.t) < 1e6) & (every[1:] < 20)
    assert ordinary.mean() > 0.8
    np.testing.assert_allclose(t[ordinary], bounds.t[ordinary], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", DESIGNS)
def test_influences_through_moments_differ_by_a_constant_of_the_group(name: str) -> None:
    a = design(name)
    y = rng(7).normal(size=(a.n, 3))
    drawn = resample(a, count=20, rng=rng(8))
    slow, fast = omega_squared_replicates(y, a, drawn).influence, LogRatio.of(y, a, drawn)
    value = np.concatenate([part.value for part in fast.parts()])
    influence = np.stack(
        [np.concatenate([p.influence(np.broadcast_to(one, p.value.shape)) for p in fast.parts()]) for one in np.eye(3)],
        axis=2,
    )
    for g in np.unique(a.cells):
        where = np.flatnonzero(a.cells == g)
        apart = np.where(drawn.times[:, where, None] > 0, influence[:, where] - slow[:, where], np.nan)
        ordinary = np.isfinite(value) & (value < 10)
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


def test_hedges_g_and_superiority_of_flowers() -> None:
    x, species = load_iris(return_X_y=True)
    versicolor, virginica = x[species == 1, 1], x[species == 2, 1]
    # R 4.2.2: hedges_g() -0.636230722190504 with the exact gamma correction; pingouin's 1 - 3 / (4 n - 9) differs by 3e-6
    assert hedges_g(versicolor, virginica) == pytest.approx(-0.636230722190504, rel=1e-5)
    spread = np.sqrt((versicolor.var(ddof=1) + virginica.var(ddof=1)) / 2)
    by_hand = (versicolor.mean() - virginica.mean()) / spread * (1 - 3 / (4 * 100 - 9))
    assert hedges_g(versicolor, virginica) == pytest.approx(by_hand, rel=1e-12)
    together = np.concatenate([versicolor, virginica])[:, None]
    theta = superior(together, Design.of(["versicolor"] * 50 + ["virginica"] * 50), "versicolor").theta[0, 0]
    assert theta == pytest.approx(0.3364, rel=1e-12)  # R 4.2.2: (1 + rank_biserial()) / 2
    wins = np.mean([(v > w) + (v == w) / 2 for v in versicolor for w in virginica])
    assert theta == pytest.approx(wins)


# ---- clusters


def test_the_delta_of_clusters_by_hand() -> None:
    # of the first cluster 1 (one stratum), of the second 1 and -1 (two strata): 1/3 once each; 3/4 with the first 5 times
    a = Design.of(list("aabaabaab"), list("xxxxxxyyy"), list("pppqqqqqq"))
    values = np.array([[9.0], [1], [2], [9], [1], [2], [0], [1], [2]])
    times = np.array([[1.0, 1], [5, 1], [2, 0], [0, 2]])
    found = cliffs_delta(values, a, Pairs.of(a), Resamples(times, np.zeros(2, dtype=np.int64)))
    np.testing.assert_allclose(found.value[:, 0], [1 / 3, 5 / 7, 1, 0])
    # by the first cluster's multiplicity: (1 - value) / strata drawn; by the second's: (0 - 2 value) / strata drawn
    np.testing.assert_allclose(found.influence[0, :, 0], [2 / 9, -2 / 9])
    np.testing.assert_allclose(found.influence[1, :, 0], [2 / 49, -10 / 49])
    np.testing.assert_allclose(found.influence[2:, :, 0], 0)


def test_a_cell_of_clusters_that_is_not_finite_is_no_number_and_leaves_the_others() -> None:
    a = clustered("even")
    values = similarities(a, 3)
    values[5, 1] = np.inf
    found = cliffs_delta(values, a, Pairs.of(a), resample(a, count=20, rng=rng()))
    assert np.isnan(found.value[:, 1]).all()
    assert np.isfinite(found.value[:, [0, 2]]).all()


def test_a_resample_without_a_stratum_that_can_be_compared_is_no_number() -> None:
    a = Design.of(list("aabbab"), None, list("ppppqq"))
    resamples = Resamples(np.array([[1.0, 1], [2, 0], [0, 2]]), np.zeros(2, dtype=np.int64))
    found = cliffs_delta(similarities(a, 1), a, Pairs.of(a), resamples)
    assert np.isnan(found.value[:, 0]).tolist() == [False, False, True]
    assert not np.isfinite(bootstrap_t(found, resamples).t[1, 0])


@pytest.mark.parametrize("name", CLUSTERED)
def test_delta_of_clusters_is_that_of_the_sample_which_a_resample_stands_for(name: str) -> None:
    a = clustered(name)
    matrix = rng(1).normal(size=(a.n, a.n))
    matrix = np.round(matrix + matrix.T, 1)
    resamples = resample(a, count=40, rng=rng(2))
    found = cliffs_delta(Pairs.of(a).matrix([matrix]), a, Pairs.of(a), resamples)
    for times, value in zip(resamples.times, found.value[:, 0], strict=True):
        b, units = copied(a, times)
        slow = np.nan
        if b is not None:
            pairs = Pairs.of(b)
            slow = slow_delta(pairs.vector(matrix[np.ix_(units, units)]), b, pairs, np.ones(b.n))
        assert value == pytest.approx(slow, abs=1e-12, nan_ok=True)
    assert np.isfinite(found.value).mean() > 0.9
    alone = replace(a, clusters=None)
    plain = cliffs_delta(Pairs.of(a).matrix([matrix]), alone, Pairs.of(a), resample(alone, count=1, rng=rng()))
    assert found.value[0, 0] == pytest.approx(plain.value[0, 0])


@pytest.mark.parametrize("name", CLUSTERED)
def test_the_influence_of_a_cluster_on_delta_is_the_derivative_by_its_multiplicity(name: str) -> None:
    a = clustered(name)
    pairs, values = Pairs.of(a), similarities(a, 1)
    resamples = resample(a, count=6, rng=rng(3))
    found = cliffs_delta(values, a, pairs, resamples)
    home = np.array([a.clusters[m[0]] for m in pairs.members])

    def value(times: Floats) -> float:
        deltas = np.array([slow_delta(values[where, 0], a, one, np.ones(a.n)) for where, one in alone])
        return float(times[home] @ deltas / times[home].sum())

    alone = [
        (where, Pairs(pairs.i[where], pairs.j[where], (m,), (slice(0, where.stop - where.start),)))
        for where, m in zip(pairs.slices, pairs.members, strict=True)
    ]
    for row, times in enumerate(resamples.times):
        for c in np.flatnonzero(times):
            step = 1e-5 * np.eye(len(times))[c]
            slope = (value(times + step) - value(times - step)) / 2e-5
            assert found.influence[row, c, 0] == pytest.approx(slope, abs=1e-7)
        assert not found.influence[row, times == 0].any()


@pytest.mark.parametrize("name", CLUSTERED)
def test_log_f2_of_clusters_is_that_of_the_sample_which_a_resample_stands_for(name: str) -> None:
    a = clustered(name)
    y = rng(4).normal(size=(a.n, 2)) + 0.7 * a.labels[:, None] + 3 * a.clusters[:, None]
    df1, df2 = slow_df1(a), a.n - len(np.unique(a.strata)) - slow_df1(a)
    resamples = resample(a, count=40, rng=rng(5))
    found = omega_squared_replicates(y, a, resamples)
    told = 0
    for times, values in zip(resamples.times, found.value, strict=True):
        units = np.concatenate([np.tile(m, int(m_b)) for m, m_b in zip(a.members, times, strict=True)])
        names = [f"{c} {k}" for c, m in enumerate(a.members) for k in range(int(times[c])) for _ in m]
        strata = [f"{n} {h}" for n, h in zip(names, a.strata[units], strict=True)]
        b = Design(a.labels[units], np.unique(strata, return_inverse=True)[1], a.names)
        if slow_df1(b) < df1:  # a category is gone, or can no longer be told from another
            assert np.isnan(values).all()
            continue
        told += 1
        for c in range(2):
            total, error = slow_sums(y[units, c], b, np.ones(b.n))
            ratio = df2 * (total - error) / error
            assert values[c] == pytest.approx(np.log((ratio - df1 + a.n) / a.n), rel=1e-8, abs=1e-10)
    assert told > 30
    np.testing.assert_allclose(found.value[0], [slow_log_f2(y[:, c], a, np.ones(a.n)) for c in range(2)], rtol=1e-9)


@pytest.mark.parametrize("name", CLUSTERED)
def test_the_influence_of_a_cluster_on_log_f2_is_the_derivative_by_its_multiplicity(name: str) -> None:
    a = clustered(name)
    y = rng(6).normal(size=(a.n, 1)) + 0.7 * a.labels[:, None]
    resamples = resample(a, count=4, rng=rng(7))
    found = omega_squared_replicates(y, a, resamples)
    for row, times in enumerate(resamples.times):
        if not np.isfinite(found.value[row, 0]):
            continue
        for c in np.flatnonzero(times):
            step = 1e-5 * np.eye(len(times))[c]
            up, down = (slow_log_f2(y[:, 0], a, (times + s)[a.clusters]) for s in (step, -step))
            assert found.influence[row, c, 0] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-6)
        assert not found.influence[row, times == 0].any()


def test_a_category_that_a_resample_lacks_leaves_no_number() -> None:
    a = Design.of(list("aabb" * 4 + "aacc"), None, np.repeat(list("pqrst"), 4).tolist())
    resamples = Resamples(np.array([[1.0, 1, 1, 1, 1], [1, 1, 1, 2, 0]]), np.zeros(5, dtype=np.int64))
    found = omega_squared_replicates(rng().normal(size=(20, 2)), a, resamples)
    assert np.isfinite(found.value[0]).all()
    assert np.isnan(found.value[1]).all()
    assert not np.isfinite(bootstrap_t(found, resamples).t).any()


@pytest.mark.parametrize("name", CLUSTERED)
def test_a_resample_of_clusters_is_measured_from_the_effect_of_very_many_of_them(name: str) -> None:
    a = clustered(name)
    y, many = rng(8).normal(size=(a.n, 2)) + a.labels[:, None], 3000
    found = ClusterLogRatio.of(y, a, resample(a, count=1, rng=rng()))
    df1, df2 = degrees_of_freedom(a)
    for c in range(2):
        total, error = slow_sums(y[:, c], a, np.ones(a.n))
        ratio = ((df1 + df2) * many - df1) * (total - error) / error
        assert found.centre[c] == pytest.approx(np.log((ratio - df1 + many * a.n) / (many * a.n)), abs=2e-3)
        assert abs(found.centre[c] - np.log(total / error)) > 0.01  # that of texts drawn by themselves


def test_resamples_of_clusters_lie_off_their_centre_as_samples_lie_off_the_truth() -> None:
    # an interaction makes omega^2 of 12 clusters too large, by as much as that of their resamples
    a = Design.of(list("aabb" * 12), None, np.repeat(np.arange(12).astype(str), 4).tolist())
    effect, interaction, off = 1.0, 1.5, []
    truth = np.log1p(effect**2 / 4 / (1 + 2 / 3 * interaction**2))
    for seed in range(600):
        g = rng(seed)
        y = g.normal(size=(12, 4)) + np.repeat(interaction * g.normal(size=(12, 2)), 2, axis=1) + [0, 0, effect, effect]
        found = ClusterLogRatio.of(y.reshape(-1, 1), a, resample(a, count=50, rng=g))
        off.append((found.value[0, 0] - truth, np.nanmean(found.value[1:, 0]) - found.centre[0]))
    own, theirs = np.mean(off, axis=0)
    assert own == pytest.approx(theirs, abs=0.012)
    assert own > 0.015


def test_many_cells_of_clusters_have_the_bounds_that_each_has_alone() -> None:
    a = clustered("unequal")
    y = rng(9).normal(size=(a.n, 7)) * 10.0 ** np.arange(-3, 4) + 1e4 * np.arange(7)
    resamples = resample(a, count=99, rng=rng(10))
    together = omega_squared_bounds(y, a, resamples)
    for c in range(7):
        alone = omega_squared_bounds(y[:, [c]], a, resamples)
        np.testing.assert_allclose(alone.t[:, 0], together.t[:, c], rtol=1e-6, equal_nan=True)
        np.testing.assert_allclose(alone.lower(0.05)[0], together.lower(0.05)[c], atol=1e-8)
        np.testing.assert_allclose(alone.upper(0.05)[0], together.upper(0.05)[c], atol=1e-8)
    slow = bootstrap_t(omega_squared_replicates(y, a, resamples), resamples)
    np.testing.assert_allclose(slow.t, together.t, rtol=1e-6, equal_nan=True)
    np.testing.assert_allclose(slow.se, together.se, rtol=1e-6)
    f = f_null(y, a, Arrangements(a.labels[None].astype(np.int16), True, 1))[0][0]
    df1, _ = degrees_of_freedom(a)
    np.testing.assert_allclose(together.effect, omega_squared(f, df1, a.n), rtol=1e-8)


def test_influences_of_clusters_add_up_over_cells() -> None:
    a = clustered("even")
    y, resamples = rng(11).normal(size=(a.n, 3)), resample(a, count=15, rng=rng(12))
    found, weights = log_ratio(y, a, resamples), rng(13).normal(size=(16, 3))
    slow = omega_squared_replicates(y, a, resamples).influence
    np.testing.assert_allclose(found.influence(weights), (slow * weights[:, None]).sum(axis=2), rtol=1e-12)
    b = design("equal")
    assert isinstance(found, ClusterLogRatio)
    assert isinstance(log_ratio(rng().normal(size=(12, 1)), b, resample(b, count=1, rng=rng())), LogRatio)


def test_clusters_vary_by_the_mean_square_of_their_interaction() -> None:
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    a = Design.of(list("aaabbbccc" * 6), None, np.repeat(np.arange(6).astype(str), 9).tolist())
    y = rng(14).normal(size=(a.n, 2)) + rng(15).normal(size=(6, 3))[a.clusters, a.labels][:, None]
    _, df2 = degrees_of_freedom(a)
    inflation = ClusterSums.of(y, a).inflation(df2)
    for c in range(2):
        frame = pd.DataFrame({"y": y[:, c], "b": a.clusters, "g": a.labels})
        interaction = anova_lm(ols("y ~ C(b) * C(g)", frame).fit()).loc["C(b):C(g)"]
        additive = ols("y ~ C(b) + C(g)", frame).fit()
        assert interaction["df"] == 10
        assert inflation[c] == pytest.approx(interaction["sum_sq"] / 10 / (additive.ssr / additive.df_resid), rel=1e-9)
    bounds = omega_squared_bounds(y, a, resample(a, count=19, rng=rng()))
    assert bounds.noncentral is not None
    np.testing.assert_array_equal(bounds.noncentral.inflation, inflation)


def test_clusters_whose_responses_do_not_vary_or_fit_perfectly_are_weighed_without_a_fault() -> None:
    a = clustered("even")
    y = np.stack([np.full(a.n, 0.1), 2.0 * a.labels + a.clusters, rng().normal(size=a.n)], axis=1)
    bounds = omega_squared_bounds(y, a, resample(a, count=99, rng=rng()))
    assert bounds.bounded.tolist() == [False, False, True]
    assert bounds.effect[:2] == pytest.approx([0, 1])
    assert np.isnan(bounds.lower(0.05)[:2]).all()
    assert bounds.p_lower(0.0)[0] == bounds.p_upper(0.9)[0] == 1


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
