"""Bounds by the bootstrap-t: resamples, standard errors, own and simultaneous limits, the noncentral F."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import ncf, poisson, ttest_1samp, ttest_ind

from modclaims.stats.bounds.bootstrap import (
    Bounds,
    NoncentralF,
    Replicates,
    Resamples,
    StudentT,
    bootstrap_t,
    resample,
    resample_groups,
    standard_errors,
)
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.omega_squared import (
    log_one_plus_f2,
    omega2_of_log,
    omega_squared_bounds,
    omega_squared_replicates,
)
from modclaims.stats.effects.pair_effects import cliffs_delta

Floats = NDArray[np.float64]


def means(y: Floats, resamples: Resamples) -> Replicates:
    """The plain mean as an effect: its influence by a unit's multiplicity is (y - mean) / n."""
    value = resamples.times @ y / len(y)
    influence = (y[None] - value[:, None]) / len(y) * (resamples.times[:, :, None] > 0)
    return Replicates(value, influence, value[0])


def made(theta: list[float], t: Floats, **further: object) -> Bounds:
    return Bounds(np.array(theta), np.ones(len(theta)), t, **further)


def clustered(clusters: int) -> tuple[Design, Pairs]:
    """Clusters of two texts of each of two categories."""
    a = Design.of(list("aabb" * clusters), None, np.repeat(np.arange(clusters).astype(str), 4).tolist())
    return a, Pairs.of(a)


def in_clusters(generator: np.random.Generator, clusters: int, effect: float, interaction: float, width: int) -> Floats:
    """(unit, width) of `clustered`: categories `effect` apart along the first axis, and in every cluster in its own way."""
    x = generator.normal(size=(clusters, 4, width)) + generator.normal(size=(clusters, 1, width))
    x += np.repeat(interaction * generator.normal(size=(clusters, 2, width)), 2, axis=1)
    x[:, 2:, 0] += effect
    return np.asarray(x.reshape(-1, width))


# ---- bad input


@pytest.mark.parametrize(
    ("theta", "se"),
    [(1.0, 0.1), (-1.0, 0.1), (1 - 1e-14, 0.1), (0.3, 0.0), (np.nan, 0.1), (np.inf, 0.1), (0.3, np.nan), (0.3, np.inf)],
)
def test_an_effect_at_its_end_or_without_spread_has_no_bound(theta: float, se: float) -> None:
    bounds = Bounds(np.array([theta]), np.array([se]), rng().normal(size=(99, 1)), ends=(-1.0, 1.0))
    assert not bounds.bounded[0]
    for cells in (None, np.array([0])):
        assert np.isnan([bounds.lower(0.05, cells)[0], bounds.upper(0.05, cells)[0]]).all()
        assert bounds.p_lower(-0.9, cells)[0] == bounds.p_upper(0.9, cells)[0] == 1
    assert np.isnan(bounds.z(0.0)[0])


def test_a_smallest_effect_that_is_no_number_supports_and_refutes_nothing() -> None:
    bounds = made([0.3], rng().normal(size=(99, 1)))
    assert bounds.p_lower(float("nan"))[0] == bounds.p_upper(float("nan"))[0] == 1


def test_resamples_in_which_an_effect_is_undefined_count_against_both_bounds() -> None:
    t = np.zeros((99, 1))
    t[:10] = np.nan
    bounds = made([5.0], t)
    assert bounds.p_lower(0.0)[0] == bounds.p_upper(10.0)[0] == 11 / 100
    assert bounds.lower(0.05)[0] == -np.inf
    assert bounds.upper(0.05)[0] == np.inf
    assert bounds.lower(0.2)[0] == bounds.upper(0.2)[0] == 5


def test_a_cell_without_a_bound_widens_no_band() -> None:
    t = rng().normal(size=(99, 2))
    t[:, 1] = 1e9
    bounds = Bounds(np.array([0.3, 1.0]), np.array([0.1, 0.1]), t, ends=(-1.0, 1.0))
    both = np.array([0, 1])
    assert bounds.lower(0.05, both)[0] == pytest.approx(bounds.lower(0.05)[0])
    assert bounds.p_lower(0.0, both)[0] == bounds.p_lower(0.0)[0]


def test_too_few_resamples_for_a_level_give_no_limit() -> None:
    bounds = made([0.3], rng().normal(size=(10, 1)), ends=(-1.0, 1.0))
    assert bounds.lower(0.05)[0] == -1
    assert bounds.upper(0.05)[0] == 1


# ---- by hand


def test_bounds_of_ninety_nine_values_by_hand() -> None:
    t = np.arange(1.0, 100)[rng().permutation(99)][:, None]
    bounds = made([200.0], t)
    # at level .05 four values may reach beyond: the fifth largest is 95, the fifth smallest 5
    assert bounds.lower(0.05)[0] == 200 - 95
    assert bounds.upper(0.05)[0] == 200 - 5
    assert bounds.p_lower(104.0)[0] == 0.05  # 4 of 99 reach 96
    assert bounds.p_lower(105.0)[0] == 0.06  # 5 reach 95
    assert bounds.p_upper(196.0)[0] == 0.05
    assert bounds.p_upper(195.0)[0] == 0.06


def test_a_band_by_hand_is_set_by_the_largest_of_both_cells() -> None:
    t = np.stack([np.arange(1.0, 100), np.arange(99.0, 0, -1)], axis=1)  # equal widths; maxima 99, 98, ... 50, ... 99
    bounds = made([200.0, 200.0], t)
    both = np.array([0, 1])
    # each of 99, 98, ... is the maximum of two resamples: four may reach beyond, so the band stops at 97
    np.testing.assert_allclose(bounds.lower(0.05, both), [103, 103])
    np.testing.assert_allclose(bounds.p_lower(102.9, both), [0.05, 0.05])
    np.testing.assert_allclose(bounds.p_lower(103.1, both), [0.07, 0.07])
    np.testing.assert_allclose(bounds.upper(0.05, both), [200 - 3, 200 - 3])


def test_the_standard_error_of_a_mean_by_hand() -> None:
    y = np.array([[1.0], [2.0], [4.0], [9.0]])
    resamples = Resamples(np.array([[1.0, 1, 1, 1], [2, 0, 0, 2]]), np.zeros(4, dtype=np.int64))
    se = standard_errors(means(y, resamples), resamples)
    assert se[0, 0] == pytest.approx(y.std(ddof=1) / 2)
    assert se[1, 0] == pytest.approx(np.std([1, 1, 9, 9], ddof=1) / 2)


def test_a_group_with_one_unit_adds_nothing() -> None:
    y = np.array([[1.0], [2.0], [4.0], [9.0]])
    resamples = Resamples(np.ones((1, 4)), np.array([0, 0, 0, 1]))
    influence = y[None] / 4
    se = standard_errors(Replicates(influence.sum(axis=1), influence, influence[0].sum(axis=0)), resamples)
    assert se[0, 0] == pytest.approx(np.sqrt(3) * np.std([1, 2, 4], ddof=1) / 4)


def test_draws_of_units_are_what_they_were() -> None:
    a = Design.of(list("abcabbac"), list("xxxxyyyy"))
    drawn = resample(a, count=3, rng=rng(0))
    assert drawn.times[1:].tolist() == [[0, 1, 1, 2, 2, 0, 1, 1], [1] * 8, [2, 1, 1, 0, 0, 2, 1, 1]]
    np.testing.assert_array_equal(drawn.groups, a.cells)


def test_clusters_are_drawn_whole_and_all_among_each_other() -> None:
    a = Design.of(list("aabb" * 6), list("xxxxyyyyzzzz" * 2), list("ppppqqqqrrrrssssttttuuuu"))
    drawn = resample(a, count=4000, rng=rng(0))
    assert (drawn.times[0] == 1).all()
    assert (drawn.times.sum(axis=1) == 6).all()
    assert set(drawn.groups.tolist()) == {0}
    np.testing.assert_allclose(np.cov(drawn.times[1:].T), np.eye(6) - 1 / 6, atol=0.07)


def test_the_standard_error_over_clusters_by_hand() -> None:
    # the deltas of the clusters are 1, 1, 0 and -1: their mean .25, and the sd of that mean
    values = [(9, 8, 1, 2, 3, 4), (9, 8, 1, 2, 3, 4), (9, 1, 2, 3, 8, 7), (1, 2, 9, 8, 7, 6)]
    a, pairs = clustered(4)
    similarities = np.zeros((len(pairs), 1))
    for where, (ab, cd, *between) in zip(pairs.slices, values, strict=True):
        similarities[where, 0] = [ab, *between, cd]
    one = Resamples(np.ones((1, 4)), np.zeros(4, dtype=np.int64))
    found = cliffs_delta(similarities, a, pairs, one)
    assert found.value[0, 0] == pytest.approx(0.25)
    assert standard_errors(found, one)[0, 0] == pytest.approx(np.std([1, 1, 0, -1], ddof=1) / 2)


# ---- witnesses


def test_the_bootstrap_t_of_a_mean_is_the_textbooks() -> None:
    y = rng(1).exponential(size=(9, 2))
    resamples = resample_groups(np.zeros(9, dtype=np.int64), count=199, rng=rng(2))
    bounds = bootstrap_t(means(y, resamples), resamples)
    for c in range(2):
        slow = []
        for times in resamples.times[1:]:
            drawn = np.repeat(y[:, c], times.astype(int))
            slow.append((drawn.mean() - y[:, c].mean()) / (drawn.std(ddof=1) / 3))
        np.testing.assert_allclose(bounds.t[:, c], slow, rtol=1e-9, atol=1e-9)
        low, high = y[:, c].mean() - np.sort(slow)[[189, 9]] * y[:, c].std(ddof=1) / 3
        assert bounds.lower(0.05)[c] == pytest.approx(low)
        assert bounds.upper(0.05)[c] == pytest.approx(high)


def test_a_resample_is_measured_from_the_effect_of_what_was_resampled() -> None:
    # omega^2 corrects for bias, so the sample's own value is not what a resample's value estimates
    a = Design.of(list("abc") * 5)
    resamples = resample(a, count=50, rng=rng(6))
    effect = omega_squared_replicates(rng(7).normal(size=(15, 2)), a, resamples)
    assert (effect.centre > effect.value[0]).all()
    t = (effect.value[1:] - effect.centre) / standard_errors(effect, resamples)[1:]
    np.testing.assert_allclose(bootstrap_t(effect, resamples).t, t)


def test_standard_errors_are_near_the_spread_of_new_samples() -> None:
    # 300 fresh samples of 3 x 12 texts: the sd of the effects over samples against the mean of their standard errors
    a = Design.of(list("abc") * 12)
    pairs, one = Pairs.of(a), Resamples(np.ones((1, 36)), a.cells)
    deltas, omegas = [], []
    for seed in range(300):
        x = rng(seed).normal(size=(36, 6)) + 0.8 * np.eye(3, 6)[a.labels]
        delta = cliffs_delta(pairs.matrix([x @ x.T]), a, pairs, one)
        omega = omega_squared_replicates(x[:, :1], a, one)
        deltas.append((delta.value[0, 0], standard_errors(delta, one)[0, 0]))
        omegas.append((omega.value[0, 0], standard_errors(omega, one)[0, 0]))
    for found in (np.array(deltas), np.array(omegas)):
        assert 0.85 < found[:, 1].mean() / found[:, 0].std(ddof=1) < 1.15


def test_standard_errors_over_clusters_are_near_the_spread_of_new_samples() -> None:
    # 300 fresh samples of 20 clusters, in each of which the categories differ in their own way
    (a, pairs), one = clustered(20), Resamples(np.ones((1, 20)), np.zeros(20, dtype=np.int64))
    old = Resamples(np.ones((1, a.n)), a.cells)
    deltas, omegas, within = [], [], []
    for seed in range(300):
        x = in_clusters(rng(seed), 20, 1.0, 1.0, 6)
        delta = cliffs_delta(pairs.matrix([x @ x.T]), a, pairs, one)
        omega = omega_squared_replicates(x[:, :1], a, one)
        deltas.append((delta.value[0, 0], standard_errors(delta, one)[0, 0]))
        omegas.append((omega.value[0, 0], standard_errors(omega, one)[0, 0]))
        plain = omega_squared_replicates(x[:, :1], replace(a, clusters=None), old)
        within.append((plain.value[0, 0], standard_errors(plain, old)[0, 0]))
    for found in (np.array(deltas), np.array(omegas)):
        assert 0.85 < found[:, 1].mean() / found[:, 0].std(ddof=1) < 1.15
    found = np.array(within)  # texts inside clusters say less of new clusters
    assert found[:, 1].mean() / found[:, 0].std(ddof=1) < 0.75


@pytest.mark.parametrize(("effect", "interaction"), [(1.1, 2.0), (1.5, 1.0)])
def test_bounds_of_omega_squared_over_clusters_miss_new_clusters_no_more_often_than_promised(
    effect: float, interaction: float
) -> None:
    # the true omega^2: a difference d of categories has sum of squares d^2 in a cluster of 2 + 2, and the residual of the
    # additive model that of three texts, of whose contrasts one bears the interaction
    (a, _), sets = clustered(12), 250
    f2 = effect**2 / 4 / (1 + 2 / 3 * interaction**2)
    missed = {}
    for design in (a, replace(a, clusters=None)):
        low = high = 0
        for seed in range(sets):
            bounds = omega_squared_bounds(
                in_clusters(rng(seed), 12, effect, interaction, 1), design, resample(design, count=199, rng=rng(seed))
            )
            low += bool(bounds.lower(0.05)[0] > f2 / (1 + f2))
            high += bool(bounds.upper(0.05)[0] < f2 / (1 + f2))
        missed[bool(design.members)] = low / sets, high / sets
    assert max(missed[True]) <= 0.08, missed
    assert missed[False][0] > 0.1 or missed[False][1] > 0.1, missed  # texts inside clusters speak of these alone


@pytest.mark.parametrize("each", [2, 4])
def test_bounds_of_delta_over_clusters_miss_new_clusters_no_more_often_than_promised(each: int) -> None:
    # every second cluster tells categories apart, the others do not: the true delta is that of very many clusters
    def drawn(generator: np.random.Generator, clusters: int) -> Floats:
        x = generator.normal(size=(clusters, 2 * each, 3))
        x[:, :each, 0] += np.where(generator.random(clusters) < 0.5, 4.0, 0.0)[:, None]
        return np.asarray(-np.linalg.norm(x[:, i] - x[:, j], axis=2))  # (cluster, pair)

    i, j = np.triu_indices(2 * each, 1)
    same = (i < each) == (j < each)
    many = drawn(rng(0), 10_000)
    truth = float(np.sign(many[:, same, None] - many[:, None, ~same]).mean())
    a = Design.of(list(("a" * each + "b" * each) * 12), None, np.repeat(np.arange(12).astype(str), 2 * each).tolist())
    pairs, sets, missed = Pairs.of(a), 200, {}
    for design in (a, replace(a, clusters=None)):
        low = high = 0
        for seed in range(1, sets + 1):
            resamples = resample(design, count=199, rng=rng(seed))
            values = drawn(rng(seed), 12).reshape(-1, 1)
            bounds = bootstrap_t(cliffs_delta(values, design, pairs, resamples), resamples, ends=(-1.0, 1.0))
            low += bool(bounds.lower(0.05)[0] > truth)
            high += bool(bounds.upper(0.05)[0] < truth)
        missed[bool(design.members)] = low / sets, high / sets
    assert max(missed[True]) <= 0.08, missed
    if (
        each > 2
    ):  # texts inside clusters speak of these alone; two of two leave so few pairs that bounds are wide for that
        assert max(missed[False]) > 0.15, missed


def test_standard_errors_are_near_the_spread_of_resamples_where_the_effect_is_large() -> None:
    # near an effect of 0 first-order errors vanish, and resamples of so few texts spread more than new samples do
    a = Design.of(list("abc") * 16)
    resamples, pairs = resample(a, count=500, rng=rng(3)), Pairs.of(a)
    x = rng(4).normal(size=(48, 6)) + 2 * np.eye(3, 6)[a.labels]
    for found in (
        cliffs_delta(pairs.matrix([x @ x.T]), a, pairs, resamples),
        omega_squared_replicates(x[:, :1], a, resamples),
    ):
        spread = found.value[1:, 0].std(ddof=1) * np.sqrt(16 / 15)  # a resample's spread is that of 15 of 16
        assert standard_errors(found, resamples)[0, 0] == pytest.approx(spread, rel=0.15)


def test_noncentral_limits_invert_the_poisson_mixture_of_beta_laws() -> None:
    f, df1, df2 = np.array([2.0, 9.0, 60.0]), 3, 44
    ours, j = NoncentralF(f, df1, df2, 48), np.arange(4000)
    for probability in (0.95, 0.05):
        omega2 = ours.limit(probability)
        for value, nc in zip(f, 48 * omega2 / (1 - omega2), strict=True):
            if nc > 0:
                mixed = poisson.pmf(j, nc / 2) * betainc(df1 / 2 + j, df2 / 2, df1 * value / (df1 * value + df2))
                assert mixed.sum() == pytest.approx(probability, abs=1e-8)


def test_noncentral_limits_are_near_those_of_statsmodels() -> None:
    from statsmodels.stats.oneway import confint_noncentrality  # its root is found to three or four digits

    f, df1, df2 = np.array([0.2, 2.0, 9.0, 60.0]), 3, 44
    ours = NoncentralF(f, df1, df2, 48)
    for c, value in enumerate(f):
        low, high = confint_noncentrality(value, (df1, df2), alpha=0.1)
        assert ours.limit(0.95)[c] == pytest.approx(max(low, 0) / (max(low, 0) + 48), abs=3e-4)
        assert ours.limit(0.05)[c] == pytest.approx(max(high, 0) / (max(high, 0) + 48), abs=3e-4)


@pytest.mark.parametrize("f", [0.5, 3.0, 40.0, 900.0])
def test_noncentral_limits_invert_p(f: float) -> None:
    one = NoncentralF(np.array([f]), 2, 21, 24)
    low, high = one.limit(0.95)[0], one.limit(0.05)[0]
    assert 0 <= low <= high < 1
    if low > 0:
        assert one.p_lower(low)[0] == pytest.approx(0.05, abs=1e-6)
    else:
        assert one.p_lower(0.0)[0] > 0.05
    if high > 0:
        assert one.p_upper(high)[0] == pytest.approx(0.05, abs=1e-6)
    assert one.p_lower(0.3)[0] == pytest.approx(ncf.sf(f, 2, 21, 24 * 0.3 / 0.7))


def test_noncentral_limits_of_very_large_f_join_smoothly_and_end_below_one() -> None:
    below, above = (NoncentralF(np.array([f]), 2, 9, 12) for f in (1e6 * (1 - 1e-9), 1e6 * (1 + 1e-9)))
    for probability in (0.95, 0.05):
        one, other = (1 - side.limit(probability)[0] for side in (below, above))
        assert one == pytest.approx(other, rel=1e-4)
    huge = NoncentralF(np.array([1e7, 1e9, 1e13, np.inf]), 2, 9, 12)
    assert (huge.limit(0.95)[:3] <= huge.limit(0.05)[:3]).all()
    assert (huge.limit(0.95)[:3] > 0.9999).all()


def test_clusters_that_vary_as_their_texts_do_change_no_noncentral_limit() -> None:
    plain = NoncentralF(np.array([3.0, 40.0]), 2, 21, 24)
    even = replace(plain, inflation=np.ones(2))
    for probability in (0.95, 0.05):
        np.testing.assert_array_equal(plain.limit(probability), even.limit(probability))
    for smallest in (0.0, 0.3):
        np.testing.assert_array_equal(plain.p_lower(smallest), even.p_lower(smallest))
        np.testing.assert_array_equal(plain.p_upper(smallest), even.p_upper(smallest))


def test_clusters_that_vary_more_count_as_so_many_fewer_texts() -> None:
    found = NoncentralF(np.array([12.0, 12.0]), 2, 21, 24, np.array([1.0, 3.0]))
    fewer = NoncentralF(np.array([4.0]), 2, 21, 8)
    for probability in (0.95, 0.05):
        assert found.limit(probability)[1] == pytest.approx(fewer.limit(probability)[0])
    assert found.p_lower(0.2)[1] == pytest.approx(fewer.p_lower(0.2)[0])
    assert found.p_upper(0.2)[1] == pytest.approx(fewer.p_upper(0.2)[0])
    assert found.limit(0.95)[1] < found.limit(0.95)[0]
    assert found.p_lower(found.limit(0.95)[1])[1] == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("smallest", [0.1, 0.5])
def test_more_texts_are_needed_where_clusters_vary_more(smallest: float) -> None:
    even, varied = (NoncentralF(np.ones(3), 1, 35, 48, np.full(3, v)) for v in (1.0, 2.5))
    some, more = (one.texts_needed(smallest, 0.05, cells=1, refute=1, support=1) for one in (even, varied))
    assert all(few < many for few, many in zip(some, more, strict=True))

    def refuted(n: int) -> bool:
        df2 = n * 36 / 48 - 1  # of the four texts of each cluster three say something; the category takes one of all
        critical = ncf.ppf(0.05, 1, df2, n / 2.5 * smallest / (1 - smallest))
        return bool(ncf.cdf(critical, 1, df2, 1e-12) >= 0.8)

    assert next(n for n in range(7, 999) if refuted(n)) == more[0]


def test_texts_needed_are_the_fewest_that_decide_four_times_in_five() -> None:
    one = NoncentralF(np.array([1.0]), 3, 44, 48)
    refute, support = one.texts_needed(0.1, 0.05, cells=1, refute=1, support=1)

    def refuted(n: int) -> float:
        critical = ncf.ppf(0.05, 3, n - 4, n * 0.1 / 0.9)
        return float(ncf.cdf(critical, 3, n - 4, 1e-12))

    def supported(n: int) -> float:
        critical = ncf.ppf(0.95, 3, n - 4, n * 0.1 / 0.9)
        return float(ncf.sf(critical, 3, n - 4, n * 0.2 / 0.8))

    assert refuted(refute) >= 0.8 > refuted(refute - 1)
    assert supported(support) >= 0.8 > supported(support - 1)
    more_cells = one.texts_needed(0.1, 0.05, cells=20, refute=20, support=1)
    assert more_cells[0] > refute
    assert more_cells[1] > support


# ---- properties

LEVELS = st.sampled_from((0.005, 0.01, 0.025, 0.05, 0.1, 0.3))
SMALLEST = st.floats(-2.5, 2.5)


def random_bounds(seed: int, cells: int, undefined: bool, skew: bool) -> Bounds:
    t = rng(seed).normal(size=(199, cells)) * rng(seed + 1).uniform(0.3, 3, cells)
    if skew:
        t = np.exp(t / 2) - 1
    t = np.round(t, 2)  # ties
    if undefined:
        t[rng(seed).integers(0, 199, 4), rng(seed + 2).integers(0, cells, 4)] = (np.nan, np.inf, -np.inf, np.nan)
    return Bounds(np.round(rng(seed).normal(size=cells), 2), np.full(cells, 0.25), t)


@given(st.integers(0, 999), st.integers(1, 5), st.booleans(), st.booleans(), LEVELS, SMALLEST)
def test_a_bound_clears_an_effect_exactly_where_p_is_at_most_the_level(
    seed: int, cells: int, undefined: bool, skew: bool, level: float, smallest: float
) -> None:
    bounds = random_bounds(seed, cells, undefined, skew)
    for chosen in (None, np.arange(cells), np.array([0])):
        low, high = bounds.lower(level, chosen), bounds.upper(level, chosen)
        clear = np.abs(low - smallest) > 1e-9  # apart from rounding at the limit itself
        np.testing.assert_array_equal(
            (low > smallest)[clear], (bounds.p_lower(smallest, chosen) <= level + 1e-12)[clear]
        )
        clear = np.abs(high - smallest) > 1e-9
        np.testing.assert_array_equal(
            (high < smallest)[clear], (bounds.p_upper(smallest, chosen) <= level + 1e-12)[clear]
        )


@given(st.integers(0, 60), LEVELS, st.floats(0.0, 0.9))
def test_the_same_holds_where_noncentral_f_widens_the_bound(seed: int, level: float, smallest: float) -> None:
    omega2 = rng(seed).uniform(-0.05, 0.8, 3)
    f = 1 + 24 * omega2 / (1 - omega2) / 2
    bounds = Bounds(
        log_one_plus_f2(omega2),
        np.full(3, 0.3),
        rng(seed).normal(size=(199, 3)),
        log_one_plus_f2,
        omega2_of_log,
        NoncentralF(f, 2, 21, 24),
        (-np.inf, 1.0),
    )
    for chosen in (None, np.arange(3)):
        low, high = bounds.lower(level, chosen), bounds.upper(level, chosen)
        clear = np.abs(low - smallest) > 1e-6
        np.testing.assert_array_equal(
            (low > smallest)[clear], (bounds.p_lower(smallest, chosen) <= level + 1e-9)[clear]
        )
        clear = np.abs(high - smallest) > 1e-6
        np.testing.assert_array_equal(
            (high < smallest)[clear], (bounds.p_upper(smallest, chosen) <= level + 1e-9)[clear]
        )


@given(st.integers(0, 999), st.integers(2, 5), LEVELS, SMALLEST)
def test_p_is_never_zero_falls_with_the_distance_and_rises_with_the_cells(
    seed: int, cells: int, level: float, smallest: float
) -> None:
    bounds = random_bounds(seed, cells, undefined=False, skew=False)
    every = np.arange(cells)
    for p in (bounds.p_lower, bounds.p_upper):
        own, band = p(smallest), p(smallest, every)
        assert (own >= 1 / 200).all()
        assert (band >= own).all()
        assert (band <= 1).all()
    assert (bounds.p_lower(smallest) <= bounds.p_lower(smallest + 0.5)).all()
    assert (bounds.p_upper(smallest) >= bounds.p_upper(smallest + 0.5)).all()
    assert (bounds.lower(level, every) <= bounds.lower(level)).all()
    assert (bounds.upper(level, every) >= bounds.upper(level)).all()


@given(st.lists(st.integers(0, 3), min_size=4, max_size=15), st.integers(0, 99))
def test_resamples_keep_the_size_of_every_group(groups: list[int], seed: int) -> None:
    labels = np.array(groups)
    found = resample_groups(labels, count=20, rng=rng(seed))
    assert (found.times[0] == 1).all()
    assert found.count == 20
    for g in np.unique(labels):
        np.testing.assert_array_equal(found.times[:, labels == g].sum(axis=1), (labels == g).sum())


def test_units_are_drawn_uniformly() -> None:
    found = resample_groups(np.array([0, 0, 0, 1, 1]), count=5000, rng=rng(5))
    np.testing.assert_allclose(found.times[1:].mean(axis=0), 1, atol=0.06)
    np.testing.assert_allclose(found.times[1:].var(axis=0), [2 / 3] * 3 + [1 / 2] * 2, atol=0.06)


@given(st.integers(0, 200))
def test_contrasts_are_combinations_of_cells(seed: int) -> None:
    a = Design.of(list("aabbccabc"))
    resamples, pairs = resample(a, count=30, rng=rng(seed)), Pairs.of(a)
    effect = cliffs_delta(rng(seed).normal(size=(len(pairs), 2)), a, pairs, resamples)
    contrast = effect.weighted(np.array([[1.0, 0.5], [-1.0, 0.5]]))
    np.testing.assert_allclose(contrast.value[:, 0], effect.value[:, 0] - effect.value[:, 1], atol=1e-12)
    np.testing.assert_allclose(contrast.centre[1], effect.centre.mean(), atol=1e-12)
    own = standard_errors(effect, resamples)
    assert (standard_errors(contrast, resamples) <= own.sum(axis=1, keepdims=True) + 1e-12).all()


def test_what_rounding_leaves_of_equal_influences_is_no_spread() -> None:
    """Three copies of one text: t would be a huge number on one side, where there is none."""
    influence = np.full((2, 3, 1), 0.1)
    influence[0, :, 0] = [0.1, 0.4, 0.7]
    times = np.array([[1.0, 1.0, 1.0], [3.0, 0.0, 0.0]])
    replicates = Replicates(np.array([[0.5], [0.9]]), influence, np.array([0.5]))
    resamples = Resamples(times, np.zeros(3, dtype=np.int64))
    assert standard_errors(replicates, resamples)[1, 0] == 0.0
    assert np.isposinf(bootstrap_t(replicates, resamples).t[0, 0])


# ---- Student's t beside the bootstrap of means


def test_the_second_bound_of_a_mean_is_students() -> None:
    y = rng(1).normal(size=(9, 3)) + np.array([0.0, 0.5, 2.0])
    drawn = resample_groups(np.zeros(9, dtype=np.int64), count=5, rng=rng(2))
    law = StudentT.of(means(y, drawn), drawn)
    np.testing.assert_allclose(law.df, 8)
    np.testing.assert_allclose(law.p_lower(0.3), ttest_1samp(y, 0.3, alternative="greater").pvalue)
    np.testing.assert_allclose(law.p_upper(0.3), ttest_1samp(y, 0.3, alternative="less").pvalue)
    interval = ttest_1samp(y, 0.0).confidence_interval(0.9)
    np.testing.assert_allclose(law.limit(0.95), interval.low)
    np.testing.assert_allclose(law.limit(0.05), interval.high)


def test_of_two_groups_it_is_welchs() -> None:
    one, other = rng(3).normal(size=(7, 2)), 3 * rng(4).normal(size=(15, 2)) + 1
    drawn = resample_groups(np.repeat([0, 1], [7, 15]), count=1, rng=rng(5))
    influence = np.concatenate([(one - one.mean(axis=0)) / 7, -(other - other.mean(axis=0)) / 15])
    difference = (one.mean(axis=0) - other.mean(axis=0))[None]
    law = StudentT.of(Replicates(np.repeat(difference, 2, axis=0), np.stack([influence] * 2), difference[0]), drawn)
    welch = ttest_ind(one, other, equal_var=False, alternative="less")
    np.testing.assert_allclose(law.p_upper(0.0), welch.pvalue)
    np.testing.assert_allclose(law.df, welch.df)


def test_bounds_of_means_are_the_wider_of_two() -> None:
    y = rng(6).normal(size=(10, 4)) + 0.4
    drawn = resample_groups(np.zeros(10, dtype=np.int64), count=499, rng=rng(7))
    plain, both = (bootstrap_t(means(y, drawn), drawn, means=flag) for flag in (False, True))
    assert both.student is not None
    cells = np.arange(4)
    for among, factor in ((None, 1), (cells, 4)):
        p = np.minimum(1, factor * both.student.p_lower(0.1))
        np.testing.assert_array_equal(both.p_lower(0.1, among), np.maximum(plain.p_lower(0.1, among), p))
        low = np.minimum(plain.lower(0.05, among), both.student.limit(1 - 0.05 / factor))
        np.testing.assert_array_equal(both.lower(0.05, among), low)
        high = np.maximum(plain.upper(0.05, among), both.student.limit(0.05 / factor))
        np.testing.assert_array_equal(both.upper(0.05, among), high)
    assert (both.p_upper(0.1) >= plain.p_upper(0.1)).all()


def test_units_of_unequal_spread_err_no_more_often_than_they_may() -> None:
    """A bootstrap-t alone errs in .07 to .08 of such samples at level .05."""
    generator, spread, missed = rng(8), np.where(np.arange(12) % 2, 3.0, 1.0)[:, None], 0
    for _ in range(40):
        y = generator.normal(size=(12, 25)) * spread  # 25 samples at once, of the same resamples
        drawn = resample_groups(np.zeros(12, dtype=np.int64), count=199, rng=generator)
        missed += int((bootstrap_t(means(y, drawn), drawn, means=True).p_lower(0.0) <= 0.05).sum())
    assert missed <= 70  # of 1,000: three standard errors above .05


def test_a_mean_that_does_not_vary_has_no_bound() -> None:
    drawn = resample_groups(np.zeros(6, dtype=np.int64), count=99, rng=rng(9))
    bounds = bootstrap_t(means(np.ones((6, 1)), drawn), drawn, means=True)
    assert not bounds.bounded[0]
    assert bounds.p_lower(0.0)[0] == bounds.p_upper(2.0)[0] == 1
