"""Second bounds: the noncentral F law for omega^2, and Student's t for means."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from resampled import clustered, in_clusters, means
from scipy.special import betainc
from scipy.stats import ncf, poisson, ttest_1samp, ttest_ind

from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import resample, resample_groups
from modclaims.stats.bounds.second_bounds import NoncentralF, StudentT
from modclaims.stats.effects.omega_squared import log_one_plus_f2, omega2_of_log, omega_squared_bounds

LEVELS = st.sampled_from((0.005, 0.01, 0.025, 0.05, 0.1, 0.3))


# ---- witnesses


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


@given(st.integers(0, 60), LEVELS, st.floats(0.0, 0.9))
def test_a_bound_that_noncentral_f_widens_clears_an_effect_where_p_is_at_most_the_level(
    seed: int, level: float, smallest: float
) -> None:
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
