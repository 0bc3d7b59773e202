"""Bounds at and near the end of a bounded scale: a law of a few odd units, alone and combined, beside the bootstrap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import beta, entropy

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.delta_bounds import Part, combined_bounds, delta_bounds, lower_limits_under_any_law
from modclaims.stats.bounds.end_of_scale import (
    CombinedEnds,
    EndLaw,
    bernoulli_divergence,
    chernoff_limit,
    comparisons,
    disjoint_comparisons,
)
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.pair_effects import cliffs_delta

Floats = NDArray[np.float64]


def two(n: int) -> Design:
    return Design.of(["a"] * n + ["b"] * n)


def texts(design: Design, strength: float, rng: np.random.Generator, noise: float = 0.35) -> Floats:
    """(text, coordinate) with a coordinate for each category."""
    x = noise * rng.standard_normal((design.n, 16))
    x[np.arange(design.n), design.labels] += strength
    return x


def similarities(x: Floats, pairs: Pairs) -> Floats:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return pairs.matrix([unit @ unit.T])


def bounds_of(x: Floats, design: Design, resamples: Resamples) -> Bounds:
    pairs = Pairs.of(design)
    return delta_bounds(cliffs_delta(similarities(x, pairs), design, pairs, resamples), design, resamples)


# ---- by hand


def test_the_divergence_is_that_of_two_coins() -> None:
    for u, q in ((0.9, 0.6), (0.2, 0.7), (0.5, 0.5)):
        expected = entropy([u, 1 - u], [q, 1 - q])
        assert bernoulli_divergence(np.array(u), np.array(q)) == pytest.approx(expected)
    assert bernoulli_divergence(np.array(1.0), np.array(0.6)) == pytest.approx(-np.log(0.6))
    assert bernoulli_divergence(np.array(0.5), np.array(0.0)) == np.inf


@pytest.mark.parametrize(("n", "limit"), [(20, 0.72), (32, 0.82), (128, 0.95)])
def test_no_lower_limit_exceeds_what_a_perfect_sample_tells(n: int, limit: float) -> None:
    law = EndLaw.of_delta(np.array([1.0]), two(n))
    assert law.b == n
    assert law.largest_lower(0.05) == pytest.approx(limit, abs=0.005)
    assert law.lower(np.array([1.0]), 0.05)[0] == pytest.approx(2 * 0.05 ** (1 / n) - 1)
    assert law.p_lower(np.array([0.0]), 0.2)[0] == pytest.approx(0.6**n)


def test_comparisons_are_counted_in_the_smallest_stratum_times_their_number() -> None:
    crossed = Design.of(["a", "b"] * 8 + ["a", "b"] * 4, ["x"] * 16 + ["y"] * 8)
    assert comparisons(crossed) == 2 * (2 * 4 / 2)
    three = Design.of(["a"] * 12 + ["b"] * 4 + ["c"] * 9)
    assert comparisons(three) == 3 * 4 / 2
    # three clusters of 2, 1 and 1 strata: the mean over strata has parts of weights 2, 1 and 1
    labels, strata = ["a", "b"] * 12, ["s"] * 6 + ["t"] * 6 + ["s"] * 12
    clusters = ["p"] * 12 + ["q"] * 6 + ["r"] * 6
    assert comparisons(Design.of(labels, strata, clusters)) == 4 / 2


def test_disjoint_comparisons_share_no_text() -> None:
    # 3 ceil(b / 2) + floor(b / 2) of each category: 3, 4, 7, 8 texts for 1, 2, 3, 4 comparisons
    for n, b in ((3, 1), (4, 2), (6, 2), (7, 3), (8, 4), (20, 10)):
        assert disjoint_comparisons(two(n)) == b
    assert disjoint_comparisons(Design.of(list("aaaaabbbbbccccc"))) == 3 * 5 // 4


def test_the_limit_that_assumes_nothing_lies_below_the_one_that_does() -> None:
    design = two(20)
    free = lower_limits_under_any_law(np.array([1.0, 0.5, np.nan]), design, 0.05)
    assert free is not None
    assert free[0] == pytest.approx(2 * 0.05 ** (1 / 10) - 1)
    assert free[1] < EndLaw.of_delta(np.array([0.5]), design).lower(np.array([0.5]), 0.05)[0]
    assert np.isnan(free[2])
    assert lower_limits_under_any_law(np.array([1.0]), two(2), 0.05) is None


def test_the_law_of_means_is_that_of_clopper_and_pearson_at_the_end() -> None:
    law = EndLaw.of_means(np.array([1.0, 0.0]), units=30, ends=(0.0, 1.0))
    none = np.array([np.nan, np.nan])
    assert law.lower(none, 0.05)[0] == pytest.approx(beta.ppf(0.05, 30, 1))
    assert law.upper(none, 0.05)[1] == pytest.approx(beta.ppf(0.95, 1, 30))
    # elsewhere it is no bolder than Clopper and Pearson's, and the bootstrap's limit stands as it is
    some = EndLaw.of_means(np.array([0.8]), units=30, ends=(0.0, 1.0))
    assert chernoff_limit(np.array([0.8]), 30, 0.05)[0] < beta.ppf(0.05, 24, 7)
    assert some.lower(np.array([0.75]), 0.05)[0] == 0.75


def test_the_law_is_exact_for_means_of_bounded_numbers() -> None:
    rng = np.random.default_rng(0)
    sums = rng.binomial(20, 0.6, 200_000)
    law = EndLaw.of_means(sums / 20, units=20, ends=(0.0, 1.0))
    levels = law.p_lower(np.full(len(sums), np.nan), 0.6)
    for alpha in (0.2, 0.05, 0.01):
        assert (levels <= alpha).mean() <= alpha


# ---- properties


@given(st.floats(0, 1), st.floats(1, 200), st.floats(0.001, 0.5), st.integers(1, 30))
def test_limits_and_levels_of_the_law_are_inverse(u: float, b: float, level: float, times: int) -> None:
    law = EndLaw.of(np.array([2 * u - 1]), b=b, ends=(-1.0, 1.0), fewest=5)
    low = float(law.lower(np.array([2 * u - 1.0]), level, times)[0])
    assert low <= 2 * u - 1 + 1e-9
    if low > -1 + 1e-6:
        assert law.p_lower(np.array([0.0]), low - 1e-6, times)[0] <= level * (1 + 1e-3)
    if low + 1e-4 < 2 * u - 1:
        assert law.p_lower(np.array([0.0]), low + 1e-4, times)[0] >= level * (1 - 1e-3)


@given(st.floats(0, 1), st.floats(0.01, 0.3))
def test_upper_limits_mirror_lower_ones(u: float, level: float) -> None:
    one, other = (EndLaw.of(np.array([2 * v - 1]), b=12, ends=(-1.0, 1.0), fewest=5) for v in (u, 1 - u))
    up = one.upper(np.array([1.0]), level)[0]
    assert up == pytest.approx(-other.lower(np.array([-1.0]), level)[0])
    assert one.p_upper(np.array([1.0]), 0.2)[0] == pytest.approx(other.p_lower(np.array([1.0]), -0.2)[0])


@given(st.floats(0.5, 1), st.floats(0.5, 1), st.floats(-0.5, 0.9))
def test_a_larger_estimate_never_has_a_larger_level_of_the_law(first: float, second: float, smallest: float) -> None:
    low, high = sorted((first, second))
    law = EndLaw.of(np.array([low, high]), b=20, ends=(-1.0, 1.0), fewest=5)
    levels = law.p_lower(np.zeros(2), smallest)
    assert levels[1] <= levels[0] + 1e-12


# ---- of samples


def test_a_perfect_sample_has_a_bound_and_supports() -> None:
    design = two(20)
    resamples = resample(design, count=999, rng=np.random.default_rng(1))
    x = np.zeros((40, 16))
    x[np.arange(40), design.labels] = 1.0
    x += 1e-3 * np.random.default_rng(2).standard_normal(x.shape)
    bounds = bounds_of(x, design, resamples)
    assert bounds.effect[0] == 1
    assert bounds.bounded[0]
    assert bounds.lower(0.05)[0] == pytest.approx(2 * 0.05 ** (1 / 20) - 1)
    assert bounds.upper(0.05)[0] == 1
    assert bounds.p_lower(0.2)[0] == pytest.approx(0.6**20)
    assert bounds.p_lower(0.2)[0] <= 0.05 / 22


def test_one_text_on_the_wrong_side_still_supports_and_no_more_than_a_perfect_sample() -> None:
    design, rng = two(20), np.random.default_rng(3)
    resamples = resample(design, count=999, rng=np.random.default_rng(4))
    x = texts(design, 2.0, rng)
    whole = bounds_of(x, design, resamples)
    x[0, [0, 1]] = x[0, [1, 0]]
    odd = bounds_of(x, design, resamples)
    assert 0.8 < odd.effect[0] < 0.95 < whole.effect[0]
    assert odd.p_lower(0.2)[0] <= 0.05
    assert whole.p_lower(0.2)[0] <= odd.p_lower(0.2)[0]
    assert odd.lower(0.05)[0] <= whole.lower(0.05)[0]


def test_levels_along_a_planted_path_of_one_text_never_cross_alpha_upwards() -> None:
    """One text moves from the other category to its own, at fixed draws (STATISTICS: monotone evidence)."""
    design, rng = two(12), np.random.default_rng(5)
    resamples = resample(design, count=499, rng=np.random.default_rng(6))
    for smallest in (0.2, 0.5):
        for sample in range(3):
            x = texts(design, 1.2, rng, 0.3 + 0.1 * sample)
            levels = []
            for share in np.linspace(0, 1, 9):
                x[0, :2] = (1.2 * share, 1.2 * (1 - share))
                levels.append(float(bounds_of(x, design, resamples).p_lower(smallest)[0]))
            crossed = [b > 0.05 >= a for a, b in pairwise(levels)]
            assert not any(crossed), levels


def test_power_does_not_fall_as_the_effect_grows() -> None:
    design = two(12)
    rates = []
    for strength in (0.5, 0.8, 1.2, 3.0):
        hits = 0
        for number in range(30):
            rng = np.random.default_rng([7, number])
            resamples = resample(design, count=199, rng=rng)
            bounds = bounds_of(texts(design, strength, rng), design, resamples)
            hits += bounds.p_lower(0.2)[0] <= 0.05
        rates.append(hits / 30)
    assert all(b >= a - 0.1 for a, b in pairwise(rates)), rates
    assert rates[-1] == 1


# ---- sums and differences


def difference(first: Floats, second: Floats, design: Design, resamples: Resamples) -> Bounds:
    pairs = Pairs.of(design)
    one, other = (cliffs_delta(similarities(x, pairs), design, pairs, resamples) for x in (first, second))
    return combined_bounds([Part(one, design, np.eye(1)), Part(other, design, -np.eye(1))], resamples)


def test_two_perfect_samples_have_a_difference_with_bounds() -> None:
    design = two(40)
    resamples = resample(design, count=499, rng=np.random.default_rng(8))
    rng = np.random.default_rng(9)
    bounds = difference(texts(design, 9.0, rng), texts(design, 9.0, rng), design, resamples)
    reach = 1 - (2 * 0.05 ** (1 / 40) - 1)
    assert bounds.effect[0] == 0
    assert bounds.lower(0.05)[0] == pytest.approx(-reach)
    assert bounds.upper(0.05)[0] == pytest.approx(reach)
    assert bounds.p_upper(2 * reach)[0] < 0.05 < bounds.p_upper(reach / 2)[0]


def rise(n: int, strengths: tuple[float, ...]) -> Bounds:
    """The delta of the last of some layers minus that of the first; a negative strength sets categories together."""
    design = two(n)
    pairs, same = Pairs.of(design), np.equal.outer(design.labels, design.labels)
    noise = np.random.default_rng(12).uniform(0, 0.1, (len(strengths), 2 * n, 2 * n))
    tables = [strength * same + one + one.T for strength, one in zip(strengths, noise, strict=True)]
    resamples = resample(design, count=499, rng=np.random.default_rng(13))
    delta = cliffs_delta(pairs.matrix(tables), design, pairs, resamples)
    return combined_bounds([Part(delta, design, np.array([[-1.0], [0.0], [1.0]]))], resamples)


def test_a_rise_from_one_end_to_the_other_has_the_level_of_parts_that_err_together() -> None:
    for n in (3, 6, 12):
        bounds = rise(n, (-1.0, 0.0, 1.0))
        assert bounds.effect[0] == 2
        # each of two parts falls by 2 (1 - q), to .2 in all
        assert bounds.p_lower(0.2)[0] == pytest.approx(0.55**n)
        assert bounds.lower(0.05)[0] == pytest.approx(2 - 4 * (1 - 0.05 ** (1 / n)))


@pytest.mark.parametrize("n", [2, 3, 6, 12])
@pytest.mark.parametrize("drawn", [0.0, 1 / 500, 1 / 10_000])
def test_no_sums_levels_fall_below_what_their_law_says_is_the_least(n: int, drawn: float) -> None:
    law = rise(n, (-1.0, 0.0, 1.0)).end
    assert isinstance(law, CombinedEnds)
    least = law.least(0.2, drawn)
    together, apart = 0.55**n, max(0.0, 1 - 0.9 / 2**0.5) ** n  # 1.8 are 4 (1 - q), or 2 sqrt(2) (1 - q)
    assert least[0] == pytest.approx(min(together, max(drawn, apart)))
    for strengths in ((-1.0, 0.0, 1.0), (-0.1, 0.0, 1.0), (0.0, 0.0, 0.2), (1.0, 0.0, -1.0), (0.1, 0.0, -1.0)):
        bounds = rise(n, strengths)
        assert bounds.p_lower(0.2)[0] >= law.least(0.2, 1 / 500)[0] * (1 - 1e-6)
        assert bounds.p_upper(0.2)[0] >= law.least(0.2, 1 / 500)[1] * (1 - 1e-6)


def test_the_least_levels_of_delta_are_a_perfect_samples_or_those_of_texts_that_do_not_vary() -> None:
    design = two(5)
    law = EndLaw.of_delta(np.zeros(1), design)
    assert law.least(0.2, 0.0) == pytest.approx((0.6**5, 0.4**5))
    assert law.least(0.2, 0.0, times=3) == pytest.approx((3 * 0.6**5, 3 * 0.4**5))
    assert law.least(0.2, 0.5) == law.least(0.2, 0.0), "no matter what is drawn"
    few = EndLaw(np.zeros(1), 1.5, (-1.0, 1.0), 9)
    assert few.least(0.5, 0.0)[1] == pytest.approx(0.5**9)
    means = EndLaw.of_means(np.zeros(1), units=5, ends=(0.0, 1.0))
    assert means.least(0.1, 1 / 500) == pytest.approx((0.1**5, 1 / 500))


def test_a_difference_never_leaves_its_scale() -> None:
    design = two(6)
    resamples = resample(design, count=499, rng=np.random.default_rng(10))
    for seed in range(8):
        rng = np.random.default_rng(seed)
        bounds = difference(texts(design, 5.0, rng), texts(design, 0.2, rng), design, resamples)
        for level in (0.2, 0.05, 0.001):
            low, high = bounds.lower(level)[0], bounds.upper(level)[0]
            assert -2 <= low <= bounds.effect[0] <= high <= 2


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 200), st.floats(0.01, 0.3), st.integers(1, 6))
def test_limits_and_levels_of_a_combination_are_inverse(seed: int, level: float, times: int) -> None:
    rng = np.random.default_rng(seed)
    laws = tuple(
        EndLaw.of(rng.uniform(-1, 1, 3), b=float(b), ends=(-1.0, 1.0), fewest=5) for b in rng.integers(4, 60, 2)
    )
    ends = CombinedEnds(laws, (np.eye(3), -np.eye(3)))
    low = ends.lower(ends.effect, level, times)
    assert (low <= ends.effect + 1e-9).all()
    zero = np.zeros(3)
    for c in range(3):
        assert ends.p_lower(zero, float(low[c]) - 1e-6, times)[c] <= level * (1 + 1e-3)
        if low[c] + 1e-4 < ends.effect[c]:
            assert ends.p_lower(zero, float(low[c]) + 1e-4, times)[c] >= level * (1 - 1e-3)


def test_clusters_that_compare_nothing_are_worth_nothing() -> None:
    """Ten blocks of one text of each category hold no pair within one; four of two and two do."""
    labels, clusters = ["a", "b"] * 10, [f"s{i // 2}" for i in range(20)]
    labels += ["a", "a", "b", "b"] * 4
    clusters += [f"l{i // 4}" for i in range(16)]
    design = Design.of(labels, None, clusters)
    assert comparisons(design) == 4
    assert EndLaw.of_delta(np.array([1.0]), design).fewest == 4
