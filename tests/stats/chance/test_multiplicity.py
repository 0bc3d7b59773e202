"""Many cells and many claims: step-down maxT, partial conjunction, corrections, Monte Carlo intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from modclaims.stats.chance.multiplicity import (
    adjust,
    clopper_pearson,
    combined,
    partial_conjunction,
    tail_counts,
    weigh_cells,
)

Floats = NDArray[np.float64]


def random_null(rows: int, cells: int, seed: int, shift: float = 0.0) -> Floats:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(rows, 1))
    null = (shared + rng.normal(size=(rows, cells))) * rng.uniform(0.2, 5, cells) + rng.uniform(-3, 3, cells)
    null[0] += shift * rng.integers(0, 2, cells)
    return np.asarray(null)


def slow_step_down(z: Floats) -> NDArray[np.int64]:
    """Westfall & Young (1993), algorithm 4.1: counts of max over the cells not yet rejected, made monotone."""
    order = sorted(range(z.shape[1]), key=lambda c: -z[0, c])
    counts, so_far = np.zeros(z.shape[1], dtype=np.int64), 0
    for rank, cell in enumerate(order):
        left = order[rank:]
        so_far = max(so_far, sum(max(row[c] for c in left) >= z[0, cell] for row in z))
        counts[cell] = so_far
    return counts


# ---- bad input


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_a_cell_that_is_not_finite_is_named_and_harms_no_other(poison: float) -> None:
    null = random_null(50, 4, 1)
    clean = weigh_cells(null[:, [0, 1, 3]])
    null[7, 2] = poison
    tests = weigh_cells(null)
    assert tests.degenerate == (2,)
    assert tests.p[2] == tests.p_adjusted[2] == 1
    np.testing.assert_array_equal(tests.exceed[[0, 1, 3]], clean.exceed)
    np.testing.assert_array_equal(tests.exceed_adjusted[[0, 1, 3]], clean.exceed_adjusted)


def test_a_cell_that_never_varies_is_named() -> None:
    null = random_null(50, 3, 1)
    null[:, 1] = 0.1 + 0.2
    tests = weigh_cells(null, np.full(3, 1e-13))
    assert tests.degenerate == (1,)
    assert tests.p[1] == 1


def test_cells_without_any_that_vary_give_no_p_below_one() -> None:
    tests = weigh_cells(np.ones((10, 3)))
    assert tests.p.tolist() == tests.p_adjusted.tolist() == [1, 1, 1]
    assert tests.degenerate == (0, 1, 2)


def test_a_constant_null_unlike_the_observed_is_no_degenerate_cell() -> None:
    null = np.zeros((20, 1))
    null[0] = 1.0
    tests = weigh_cells(null)
    assert tests.degenerate == ()
    assert tests.p[0] == 1 / 20


def test_no_claims_have_no_adjusted_p() -> None:
    assert len(adjust(np.array([]), "holm")) == 0


# ---- by hand


def test_step_down_by_hand() -> None:
    # both cells have mean 0 and variance 2, so z is the statistic over sqrt 2; maxima by row are 2, 2, 1, 0, 1
    null = np.array([[2.0, 1.0], [-2.0, 2.0], [1.0, -1.0], [0.0, -2.0], [-1.0, 0.0]])
    np.testing.assert_allclose(null.mean(axis=0), 0)
    np.testing.assert_allclose(null.var(axis=0), 2)
    tests = weigh_cells(null)
    assert tests.exceed.tolist() == [1, 2]
    # first cell: rows whose maximum reaches 2 are the first two; second, alone: 1 and 2 reach 1
    assert tests.exceed_adjusted.tolist() == [2, 2]
    assert tests.p_adjusted.tolist() == [0.4, 0.4]
    np.testing.assert_allclose(tests.max_null, np.array([2, 2, 1, 0, 0]) / np.sqrt(2))


def test_a_tie_within_the_tolerance_counts_as_extreme() -> None:
    null = np.array([[1.0], [1 - 1e-15], [0.0], [-1.0]])
    assert weigh_cells(null).exceed[0] == 1
    assert weigh_cells(null, np.array([1e-14])).exceed[0] == 2
    assert weigh_cells(null, np.array([1e-14])).exceed_adjusted[0] == 2


def test_a_wide_null_does_not_win_by_width() -> None:
    rng = np.random.default_rng(0)
    null = rng.normal(size=(1000, 2)) * [1.0, 100.0]
    null[0] = [6.0, 150.0]  # six and one and a half standard deviations
    assert weigh_cells(null).p_adjusted[0] == 1 / 1000
    assert slow_step_down(null)[0] > 50  # unstandardised, the narrow cell would take the p of the wide one


def test_partial_conjunction_by_hand() -> None:
    p = np.array([0.04, 0.001, 0.2, 0.01])
    assert partial_conjunction(p, 1) == pytest.approx(4 * 0.001)
    assert partial_conjunction(p, 2) == pytest.approx(3 * 0.01)
    assert partial_conjunction(p, 3) == pytest.approx(2 * 0.04)
    assert partial_conjunction(p, 4) == pytest.approx(0.2)
    assert partial_conjunction(np.array([0.5, 0.9]), 1) == 1


# ---- witnesses


@pytest.mark.parametrize("seed", range(6))
def test_step_down_equals_the_slow_algorithm(seed: int) -> None:
    null = random_null(60, 7, seed, shift=4.0 if seed % 2 else 0.0)
    z = (null - null.mean(axis=0)) / null.std(axis=0)
    np.testing.assert_array_equal(weigh_cells(null).exceed_adjusted, slow_step_down(z))


def slow_min_p(null: Floats) -> tuple[list[float], list[float]]:
    """Raw p and Westfall & Young's (1993) algorithm 4.2, arrangement by arrangement and subset by subset."""
    rows, cells = null.shape
    p = np.array([[np.mean(null[:, c] >= null[b, c]) for c in range(cells)] for b in range(rows)])
    order, adjusted, so_far = sorted(range(cells), key=lambda c: p[0, c]), [0.0] * cells, 0.0
    for rank, cell in enumerate(order):
        left = order[rank:]
        so_far = max(so_far, float(np.mean([min(p[b, c] for c in left) <= p[0, cell] for b in range(rows)])))
        adjusted[cell] = so_far
    return p[0].tolist(), adjusted


@pytest.mark.parametrize("seed", range(6))
def test_min_p_equals_the_slow_algorithm(seed: int) -> None:
    null = random_null(60, 7, seed, shift=4.0 if seed % 2 else 0.0)
    found = weigh_cells(null, by="minP")
    p, adjusted = slow_min_p(null)
    np.testing.assert_allclose(found.p, p)
    np.testing.assert_allclose(found.p_adjusted, adjusted)


def test_min_p_lets_cells_of_unlike_shape_meet_as_equals() -> None:
    rng = np.random.default_rng(0)
    null = np.stack([rng.normal(size=999), np.exp(0.8 * rng.normal(size=999))], axis=1)
    null[0] = np.quantile(null[:, 0], 0.99), 1.0
    by_t, by_p = weigh_cells(null), weigh_cells(null, by="minP")
    np.testing.assert_array_equal(by_t.p, by_p.p)
    assert by_p.p_adjusted[0] < 0.023
    assert by_t.p_adjusted[0] > 0.03  # the long tail of the other cell sets the band of maxT


def test_cells_that_cannot_be_tested_are_left_out_of_min_p_and_of_combinations() -> None:
    null = random_null(99, 3, 0, shift=3.0)
    spoilt = np.concatenate([null, np.full((99, 1), np.nan), np.ones((99, 1))], axis=1)
    found = weigh_cells(spoilt, by="minP")
    assert found.degenerate == (3, 4)
    assert found.p_adjusted[3:].tolist() == [1, 1]
    np.testing.assert_array_equal(found.p_adjusted[:3], weigh_cells(null, by="minP").p_adjusted)
    assert combined(spoilt) == combined(null)
    assert set(combined(spoilt[:, 3:]).values()) == {1.0}


def test_combinations_by_hand() -> None:
    # p by row: (1/3, 2/3), (2/3, 1), (1, 1/3); Fisher's products 2/9, 2/3, 1/3 and Tippett's minima 1/3, 2/3, 1/3
    null = np.array([[3.0, 2.0], [2.0, 1.0], [1.0, 3.0]])
    np.testing.assert_array_equal(tail_counts(null, np.zeros(2)), [[1, 2], [2, 3], [3, 1]])
    found = combined(null)
    assert found["fisher"] == pytest.approx(1 / 3)
    assert found["tippett"] == pytest.approx(2 / 3)
    assert found["stouffer"] == pytest.approx(1 / 3)


def test_many_small_effects_show_together_where_none_shows_alone() -> None:
    rng = np.random.default_rng(1)
    null = rng.normal(size=(1000, 30))
    null[0] = 1.0
    assert weigh_cells(null).p_adjusted.min() > 0.5
    assert combined(null)["fisher"] < 0.01
    assert combined(null)["stouffer"] < 0.01


def test_combinations_over_noise_are_small_no_more_often_than_promised() -> None:
    rng = np.random.default_rng(2)
    small = dict.fromkeys(("fisher", "tippett", "stouffer"), 0)
    for _ in range(400):
        shared = rng.normal(size=(100, 1))
        for name, p in combined(shared + rng.normal(size=(100, 5))).items():
            small[name] += p <= 0.05
    for count in small.values():
        assert clopper_pearson(count, 400, level=0.998)[0] <= 0.05


def test_statistics_of_one_mean_and_sd_step_down_like_multtest() -> None:
    # where every cell's null is a rearrangement of the same values, standardising changes no order, and the counts
    # are those of the unstandardised algorithm that multtest's mt.maxT runs
    rng = np.random.default_rng(3)
    half = rng.integers(1, 10**6, size=32)
    values = np.concatenate([half, -half]).astype(float)  # whole numbers around 0, so that means and sums are exact
    null = np.stack([rng.permutation(values) for _ in range(6)], axis=1)
    for cell in (0, 1):
        top = int(null[:, cell].argmax())
        null[[0, top], cell] = null[[top, 0], cell]
    np.testing.assert_array_equal(weigh_cells(null).exceed_adjusted, slow_step_down(null))


# p.adjust(p, "holm" | "BH" | "BY"), R 4.2.2
R_ADJUSTED = (
    (
        (0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.324, 0.4262, 0.5719, 0.6528, 0.759, 1),
        {
            "holm": (0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, 1, 1, 1, 1, 1, 1),
            "bh": (
                0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.0638571428571429, 0.0638571428571429, 0.0645, 0.0765, 0.486,
                0.581181818181818, 0.714875, 0.753230769230769, 0.813214285714286, 1,
            ),
            "by": (
                0.00497734348984349, 0.00995468697968698, 0.0315231754356754, 0.118211907883783, 0.200089208291708,
                0.211892622853337, 0.211892622853337, 0.21402577006327, 0.253844517982018, 1, 1, 1, 1, 1, 1,
            ),
        },
    ),
    (
        (0.2, 0.001, 0.04, 0.03, 0.9, 0.005, 0.049, 0.0499),
        {
            "holm": (0.4, 0.008, 0.2, 0.18, 0.9, 0.035, 0.2, 0.2),
            "bh": (0.228571428571429, 0.008, 0.0665333333333333, 0.0665333333333333, 0.9, 0.02, 0.0665333333333333, 0.0665333333333333),
        },
    ),
)  # fmt: skip


@pytest.mark.parametrize(("p", "expected"), R_ADJUSTED)
def test_corrections_are_those_of_r(p: tuple[float, ...], expected: dict[str, tuple[float, ...]]) -> None:
    for correction, adjusted in expected.items():
        np.testing.assert_allclose(adjust(np.array(p), correction), adjusted, rtol=1e-12)
    np.testing.assert_array_equal(adjust(np.array(p), "none"), p)


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh"), ("by", "fdr_by")])
def test_corrections_are_those_of_statsmodels_to_the_bit(correction: str, method: str) -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 22, 57):
        for p in (rng.random(size) ** 4, rng.integers(0, 9, size) / 1000):  # the second with ties
            np.testing.assert_array_equal(adjust(p, correction), multipletests(p, method=method)[1])


@pytest.mark.parametrize(
    ("count", "draws", "low", "high"),
    # binom.test(b, m)$conf.int, R 4.2.2
    [
        (0, 999, 0, 0.00368576286573938),
        (1, 999, 2.53428300004834e-05, 0.00556447604071408),
        (48, 999, 0.0356361140477755, 0.063202813476376),
        (499, 9999, 0.0457186022096745, 0.0543559341026568),
        (999, 999, 0.996314237134261, 1),
    ],
)
def test_monte_carlo_intervals_are_those_of_r(count: int, draws: int, low: float, high: float) -> None:
    np.testing.assert_allclose(clopper_pearson(count, draws, 0.95), (low, high), rtol=1e-12)


def test_monte_carlo_intervals_are_those_of_statsmodels() -> None:
    from statsmodels.stats.proportion import proportion_confint

    for count in (0, 1, 37, 200):
        np.testing.assert_allclose(
            clopper_pearson(count, 200), proportion_confint(count, 200, 0.01, "beta"), rtol=1e-10
        )


# ---- properties

NULLS = st.builds(
    random_null, st.integers(5, 60), st.integers(1, 8), st.integers(0, 10_000), st.sampled_from((0.0, 5.0))
)


@given(NULLS)
def test_adjusted_p_rises_with_falling_statistics_and_is_never_below_raw(null: Floats) -> None:
    tests = weigh_cells(null)
    z = (null[0] - null.mean(axis=0)) / null.std(axis=0)
    ordered = tests.p_adjusted[np.argsort(-z, kind="stable")]
    assert (np.diff(ordered) >= 0).all()
    assert (tests.p_adjusted >= tests.p).all()
    assert (tests.p > 0).all()
    assert (tests.p_adjusted <= 1).all()
    assert (tests.p_adjusted <= len(z) * np.sort(tests.p).max() + 1e-12).all()


@given(NULLS)
def test_min_p_never_exceeds_bonferroni_on_the_same_draws(null: Floats) -> None:
    found = weigh_cells(null, by="minP")
    assert (found.p_adjusted <= np.minimum(1, null.shape[1] * found.p) + 1e-12).all()
    assert (found.p_adjusted >= found.p).all()


@given(NULLS)
def test_one_cell_needs_no_correction(null: Floats) -> None:
    tests = weigh_cells(null[:, :1])
    assert tests.p_adjusted.tolist() == tests.p.tolist()


@given(NULLS, st.integers(0, 99))
def test_scale_origin_and_order_of_cells_change_no_count(null: Floats, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(null.shape[1])
    moved = (null * 2.0 ** rng.integers(-5, 6, null.shape[1]))[:, order]
    here, there = weigh_cells(null), weigh_cells(moved)
    np.testing.assert_array_equal(here.exceed[order], there.exceed)
    np.testing.assert_array_equal(here.exceed_adjusted[order], there.exceed_adjusted)


@given(NULLS)
def test_a_further_cell_never_lowers_an_adjusted_p(null: Floats) -> None:
    few, many = weigh_cells(null[:, :-1]) if null.shape[1] > 1 else None, weigh_cells(null)
    if few is not None:
        assert (many.p_adjusted[:-1] >= few.p_adjusted).all()


@settings(max_examples=5)  # statsmodels collects garbage at every call of Holm
@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=12))
def test_corrected_p_are_ordered_like_raw_ones_and_never_below(p: list[float]) -> None:
    raw = np.array(p)
    for correction in ("holm", "bh", "by"):
        adjusted = adjust(raw, correction)
        assert (adjusted >= raw - 1e-15).all()
        assert (adjusted <= 1).all()
        assert (np.diff(adjusted[np.argsort(raw, kind="stable")]) >= -1e-15).all()


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=12))
def test_more_conjunctions_are_harder_to_claim(p: list[float]) -> None:
    values = [partial_conjunction(np.array(p), u) for u in range(1, len(p) + 1)]
    assert values[0] == pytest.approx(min(1.0, len(p) * min(p)))
    assert values[-1] == max(p)
    assert all(0 < v <= 1 for v in values)
