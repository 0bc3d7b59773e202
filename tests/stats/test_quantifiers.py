"""What a claim says of its cells, and how far evidence with known p and bounds carries it each way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from modclaims.errors import ClaimError
from modclaims.stats.bootstrap import Bounds, NoncentralF
from modclaims.stats.evidence import Cell, Evidence, NullTest
from modclaims.stats.multiplicity import clopper_pearson, weigh_cells
from modclaims.stats.omega_squared import log_one_plus_f2, omega2_of_log
from modclaims.stats.quantifiers import (
    Holds,
    InFraction,
    along_depth,
    at,
    everywhere,
    in_fraction,
    somewhere,
)

Floats = NDArray[np.float64]
GRID = np.arange(-499.0, 500) / 100
"""999 values of t*, shared by all cells, so that a band over cells is each cell's own bound."""


def clears(p: float) -> float:
    """The estimate (of standard error 1) whose lower bound clears 0 at levels from `p` on; `-clears(p)` falls below."""
    return (501 - round(1000 * p)) / 100 - 0.005


def null_test(raw: list[float], adjusted: list[float], *, exact: bool = False, arrangements: int = 10_000) -> NullTest:
    p, q = np.array(raw), np.array(adjusted)
    counts = [np.rint(v * arrangements).astype(np.int64) for v in (p, q)]
    null = np.zeros((2, len(p)))
    return NullTest(
        "gap", null[0], null, p, q, *counts, arrangements, exact, "exchanging topic", np.zeros(len(p)), null[:, 0]
    )


def evidence(theta: list[float], test: NullTest | None = None, t: Floats | None = None, n: int = 64) -> Evidence:
    cells = tuple(Cell(layer=i) for i in range(len(theta)))
    grid = np.repeat(GRID[:, None], len(theta), axis=1) if t is None else t
    return Evidence(cells, "delta", Bounds(np.array(theta), np.ones(len(theta)), grid), test, n)


def random_evidence(seed: int, cells: int, rows: int = 199) -> Evidence:
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=cells) + 1
    null = rng.normal(size=(rows + 1, cells))
    null[0] = 2 * theta
    test = NullTest.of("gap", null, np.zeros(cells), exact=False, action="exchanging topic")
    return evidence(theta.tolist(), test, rng.normal(size=(rows, cells)))


# ---- bad input


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.1])
def test_a_fraction_of_the_cells_lies_between_none_and_all(fraction: float) -> None:
    with pytest.raises(ClaimError, match=r"outside \(0, 1\]"):
        in_fraction(fraction)


def test_depth_is_risen_or_fallen_along() -> None:
    with pytest.raises(ClaimError, match="'grows'"):
        along_depth("grows")


@pytest.mark.parametrize("layers", [(4,), (0, 9), (-5,), ()])
def test_layers_that_the_cells_lack_are_refused(layers: tuple[int, ...]) -> None:
    with pytest.raises(ClaimError, match="the cells have layers 0, 1, 2, 3"):
        at(*layers).levels(evidence([1.0] * 4), 0.0, 0.05)


def test_a_named_layer_that_was_not_looked_at_is_not_passed_over() -> None:
    cells = tuple(Cell(layer=layer) for layer in (0, 2, 3))
    with pytest.raises(ClaimError, match="the cells have layers 0, 2, 3"):
        at(1, 2).chosen(cells)
    assert at(0, -1).chosen(cells).tolist() == [0, 2]
    assert at(3, -1).chosen(cells).tolist() == [2]


def test_a_cell_without_a_bound_can_carry_no_claim_and_no_refutation_of_all() -> None:
    test = null_test([0.001, 0.001], [0.001, 0.001])
    found = evidence([clears(0.002), np.nan], test)
    assert somewhere().levels(found, 0.0, 0.05).p_plus == pytest.approx(0.002)
    assert somewhere().levels(found, 0.0, 0.05).p_minus == 1
    assert everywhere().levels(found, 0.0, 0.05).p_plus == 1
    nothing = evidence([np.nan], null_test([1.0], [1.0]))
    for holds in (somewhere(), everywhere(), in_fraction(0.5)):
        levels = holds.levels(nothing, 0.1, 0.05)
        assert (levels.p_plus, levels.p_minus) == (1, 1)
        assert np.isnan([levels.low, levels.high]).all()


# ---- by hand


def test_the_made_bounds_clear_and_fall_where_they_should() -> None:
    bounds = evidence([clears(0.05), -clears(0.05), clears(0.004)]).bounds
    np.testing.assert_allclose(bounds.p_lower(0.0)[[0, 2]], [0.05, 0.004])
    np.testing.assert_allclose(bounds.p_upper(0.0)[1], 0.05)
    np.testing.assert_allclose(bounds.p_lower(0.0, np.arange(3)), bounds.p_lower(0.0))


def test_somewhere_takes_p_and_band_at_one_cell() -> None:
    # the first cell has the smallest p but no bound to go with it; the third clears by more, with a larger p
    test = null_test([0.001, 0.01, 0.02], [0.001, 0.03, 0.04])
    levels = somewhere().levels(evidence([clears(0.2), clears(0.02), clears(0.01)], test), 0.0, 0.05)
    assert levels.cell == 1
    assert levels.p_plus == pytest.approx(0.03)
    assert levels.p == 0.001
    assert levels.p_minus > 0.95
    assert "lower limit simultaneous over 3 cells" in levels.interval


def test_somewhere_is_refuted_by_every_cells_own_bound() -> None:
    levels = somewhere().levels(
        evidence([-clears(0.01), -clears(0.04), -clears(0.002)], null_test([1] * 3, [1] * 3)), 0.0, 0.05
    )
    assert levels.p_minus == pytest.approx(0.04)
    assert levels.p_plus == 1


def test_somewhere_names_the_cell_that_clears_by_most_among_equals() -> None:
    test = null_test([0.001] * 3, [0.001] * 3)
    levels = somewhere().levels(evidence([clears(0.001), clears(0.001) + 2, clears(0.001) + 1], test), 0.0, 0.05)
    assert levels.cell == 1


def test_everywhere_takes_the_largest_raw_p_and_each_cells_own_bound() -> None:
    test = null_test([0.001, 0.01, 0.02], [0.9, 0.9, 0.9])
    levels = everywhere().levels(evidence([clears(0.03), clears(0.01), clears(0.001)], test), 0.0, 0.05)
    assert levels.p_plus == pytest.approx(0.03)
    assert levels.cell == 0
    assert levels.p == 0.02
    assert "upper limit simultaneous over 3 cells" in levels.interval


def test_everywhere_is_refuted_by_one_cells_band() -> None:
    found = evidence([clears(0.001), -clears(0.002), clears(0.001)], null_test([0.001, 1, 0.001], [0.001, 1, 0.001]))
    levels = everywhere().levels(found, 0.0, 0.05)
    assert levels.p_minus == pytest.approx(0.002)
    assert levels.p_plus == 1


def test_in_half_of_five_cells_counts_three_by_partial_conjunction() -> None:
    theta = [clears(p) for p in (0.01, 0.2, 0.001, 0.5, 0.004)]
    test = null_test([0.01, 0.2, 0.012, 0.5, 0.004], [1] * 5)
    levels = in_fraction(0.5).levels(evidence(theta, test), 0.0, 0.05)
    # at each cell the larger of p and bound: .01, .2, .012, .5, .004; the third smallest is .012
    assert levels.p_plus == pytest.approx((5 - 3 + 1) * 0.012)
    assert levels.p == pytest.approx(3 * 0.012)
    assert levels.cell == 2
    assert "ranked 3 of 5" in levels.interval


def test_in_half_of_five_cells_is_refuted_by_three_that_fall_below() -> None:
    theta = [-clears(p) for p in (0.01, 0.3, 0.001, 0.4, 0.004)]
    levels = in_fraction(0.5).levels(evidence(theta, null_test([1] * 5, [1] * 5)), 0.0, 0.05)
    # M - u + 1 = 3 cells whose upper bound at alpha / u falls below: the third smallest level is .01, times u = 3
    assert levels.p_minus == pytest.approx(3 * 0.01)


@pytest.mark.parametrize(
    ("fraction", "cells", "needed"), [(1 / 3, 3, 1), (0.34, 3, 2), (0.5, 4, 2), (1.0, 4, 4), (1e-6, 4, 1)]
)
def test_fractions_round_up_to_whole_cells(fraction: float, cells: int, needed: int) -> None:
    theta = [clears(0.001 * (i + 1)) for i in range(cells)]
    levels = in_fraction(fraction).levels(evidence(theta), 0.0, 0.05)
    assert f"ranked {needed} of {cells}" in levels.interval
    assert levels.p_plus == pytest.approx((cells - needed + 1) * 0.001 * needed)


def test_named_layers_are_corrected_for_themselves_alone() -> None:
    found = random_evidence(3, 6)
    assert found.test is not None
    levels = at(1, -1).levels(found, 0.2, 0.05)
    pair = np.array([1, 5])
    expected = np.maximum(weigh_cells(found.test.null[:, pair]).p_adjusted, found.bounds.p_lower(0.2, pair)[pair])
    assert levels.p_plus == expected.min()
    assert levels.cell == pair[expected.argmin()]
    assert levels.p == weigh_cells(found.test.null[:, pair]).p_adjusted.min()
    assert levels.p_minus == found.bounds.p_upper(0.2)[pair].max()


def test_along_depth_has_no_permutation_p() -> None:
    for direction in ("rises", "falls"):
        holds = along_depth(direction)
        assert holds.words == f"{direction} along depth"
        up, down = (holds.levels(evidence([theta]), 0.0, 0.05) for theta in (clears(0.03), -clears(0.03)))
        assert up.p is None
        assert up.p_plus == down.p_minus == pytest.approx(0.03)


@pytest.mark.parametrize(
    ("holds", "words"),
    [
        (somewhere(), "somewhere"),
        (everywhere(), "everywhere"),
        (in_fraction(0.5), "in at least 50 % of the cells"),
        (at(0, -1), "at layer 0, -1"),
    ],
)
def test_quantifiers_say_what_they_mean(holds: Holds, words: str) -> None:
    assert holds.words == words


# ---- Monte Carlo error


def test_a_level_that_relabellings_set_has_their_monte_carlo_error() -> None:
    test = null_test([0.02], [0.02])
    for holds in (somewhere(), everywhere(), in_fraction(1.0), at(0)):
        levels = holds.levels(evidence([clears(0.001)], test), 0.0, 0.05)
        assert levels.p_plus == pytest.approx(0.02)
        assert levels.mc_plus == pytest.approx(clopper_pearson(199, 9999))  # (199 + 1) / (9999 + 1)


def test_a_level_that_resamples_set_has_theirs() -> None:
    test = null_test([0.001], [0.001])
    for holds in (somewhere(), everywhere(), in_fraction(1.0), at(0)):
        levels = holds.levels(evidence([clears(0.02)], test), 0.0, 0.05)
        assert levels.mc_plus == pytest.approx(clopper_pearson(19, 999))


def test_a_level_from_all_arrangements_has_no_monte_carlo_error() -> None:
    test = null_test([0.02], [0.02], exact=True, arrangements=50)
    for holds in (somewhere(), everywhere(), in_fraction(1.0), at(0)):
        assert holds.levels(evidence([clears(0.001)], test), 0.0, 0.05).mc_plus == (0.02, 0.02)


def test_where_p_and_bound_are_near_each_other_the_vaguer_one_says_how_sure_the_level_is() -> None:
    # p sets the level, its limit by 9,999 draws being .0234; that of the bound by 999 resamples is larger
    test = null_test([0.02], [0.02])
    for holds in (somewhere(), everywhere(), in_fraction(1.0), at(0)):
        levels = holds.levels(evidence([clears(0.019)], test), 0.0, 0.05)
        assert levels.p_plus == pytest.approx(0.02)
        assert levels.mc_plus == pytest.approx((clopper_pearson(199, 9999)[0], clopper_pearson(18, 999)[1]))


@given(st.integers(0, 500), st.integers(1, 4), st.sampled_from(["p", "bound"]))
def test_limits_of_levels_fall_with_what_they_are_made_of(seed: int, cells: int, what: str) -> None:
    rng = np.random.default_rng(seed)
    p, own = rng.integers(1, 800, cells) / 10_000, rng.integers(1, 80, cells) / 1000
    at = int(rng.integers(cells))
    less_p, less_own = p.copy(), own.copy()
    if what == "p":
        less_p[at] = rng.integers(1, 1 + round(10_000 * p[at])) / 10_000
    else:
        less_own[at] = rng.integers(1, 1 + round(1000 * own[at])) / 1000
    for holds in (somewhere(), everywhere(), in_fraction(0.5)):
        more, less = (
            holds.levels(evidence([clears(b) for b in bound], null_test(raw, raw)), 0.0, 0.05)
            for raw, bound in ((list(p), list(own)), (list(less_p), list(less_own)))
        )
        assert less.p_plus <= more.p_plus
        assert less.mc_plus[1] <= more.mc_plus[1]
        assert less.p_minus >= more.p_minus


def test_monte_carlo_error_grows_with_the_factor_of_the_partial_conjunction() -> None:
    test = null_test([0.01, 0.012, 0.2, 0.5], [1] * 4)
    found = evidence([clears(0.001)] * 4, test)
    levels = in_fraction(0.5).levels(found, 0.0, 0.05)
    assert levels.mc_plus == pytest.approx([3 * v for v in clopper_pearson(119, 9999)])
    down = in_fraction(0.5).levels(evidence([-clears(p) for p in (0.01, 0.02, 0.03, 0.3)], test), 0.0, 0.05)
    assert down.p_minus == pytest.approx(2 * 0.03)
    assert down.mc_minus == pytest.approx([2 * v for v in clopper_pearson(29, 999)])


# ---- how many texts


def normal_t(rows: int = 1999) -> Floats:
    return np.asarray(norm.ppf(np.arange(1, rows + 1) / (rows + 1))[:, None])


def test_texts_needed_for_one_normal_cell_are_the_textbooks() -> None:
    found = Evidence(
        (Cell(),), "delta", Bounds(np.array([0.1]), np.array([0.1]), normal_t(), ends=(-1.0, 1.0)), None, 64
    )
    levels = somewhere().levels(found, 0.2, 0.05)
    # power .8 at level .05, one-sided: standard error shrunk to .2 / (1.645 + .842) from either side
    expected = 64 / (0.2 / (norm.ppf(0.95) + norm.ppf(0.8)) / 0.1) ** 2
    assert levels.texts_to_refute == pytest.approx(expected, rel=0.03)
    assert levels.texts_to_support == pytest.approx(expected, rel=0.03)


def test_texts_needed_do_not_look_at_the_observed_effect() -> None:
    found = [
        Evidence((Cell(),), "delta", Bounds(np.array([theta]), np.array([0.1]), normal_t(), ends=(-1.0, 1.0)), None, 64)
        for theta in (-0.3, 0.6)
    ]
    one, other = (somewhere().levels(e, 0.2, 0.05) for e in found)
    assert (one.texts_to_refute, one.texts_to_support) == (other.texts_to_refute, other.texts_to_support)


def test_texts_needed_are_unknown_without_a_smallest_effect_or_a_bound() -> None:
    assert somewhere().levels(evidence([1.0]), 0.0, 0.05).texts_to_refute is None
    assert somewhere().levels(evidence([np.nan]), 0.2, 0.05).texts_to_support is None


def test_texts_needed_for_omega_squared_come_from_the_noncentral_f() -> None:
    omega2 = np.array([0.1])
    bounds = Bounds(
        log_one_plus_f2(omega2),
        np.array([0.1]),
        normal_t(),
        log_one_plus_f2,
        omega2_of_log,
        NoncentralF(np.array([3.0]), 3, 60, 64),
        (-np.inf, 1.0),
    )
    levels = somewhere().levels(Evidence((Cell(),), "omega^2", bounds, None, 64), 0.1, 0.05)
    assert bounds.noncentral is not None
    expected = bounds.noncentral.texts_needed(0.1, 0.05, cells=1, refute=1, support=1)
    assert (levels.texts_to_refute, levels.texts_to_support) == expected


# ---- properties

EVERY = st.sampled_from((somewhere(), everywhere(), in_fraction(0.5), in_fraction(1.0), at(0)))


@given(EVERY, st.integers(0, 500), st.integers(1, 5), st.floats(-1, 3))
def test_levels_lie_in_range_and_never_carry_both_sides(holds: Holds, seed: int, cells: int, smallest: float) -> None:
    levels = holds.levels(random_evidence(seed, cells), smallest, 0.05)
    assert 0 < levels.p_plus <= 1
    assert 0 < levels.p_minus <= 1
    assert max(levels.p_plus, levels.p_minus) > 0.05
    for level, interval in ((levels.p_plus, levels.mc_plus), (levels.p_minus, levels.mc_minus)):
        assert interval[0] <= level + 1 / 200
        assert interval[1] >= min(1, level) - 1 / 200 or interval[1] == 1


@given(EVERY, st.integers(0, 500), st.integers(1, 5), st.floats(-1, 3))
def test_a_larger_smallest_effect_is_harder_to_support_and_easier_to_refute(
    holds: Holds, seed: int, cells: int, smallest: float
) -> None:
    found = random_evidence(seed, cells)
    less, more = holds.levels(found, smallest, 0.05), holds.levels(found, smallest + 0.7, 0.05)
    assert more.p_plus >= less.p_plus
    assert more.p_minus <= less.p_minus


@given(st.integers(0, 500), st.integers(1, 6), st.floats(-1, 2))
def test_one_cell_reads_alike_under_every_quantifier_and_all_is_the_hardest_fraction(
    seed: int, cells: int, smallest: float
) -> None:
    one = random_evidence(seed, 1)
    assert (
        len({q.levels(one, smallest, 0.05).p_plus for q in (somewhere(), everywhere(), in_fraction(1.0), at(0))}) == 1
    )
    many = random_evidence(seed, cells)
    every = everywhere().levels(many, smallest, 0.05)
    assert InFraction(1.0).levels(many, smallest, 0.05).p_plus == every.p_plus
    # any one cell, by Bonferroni, is never easier than by step-down and band
    assert in_fraction(1e-9).levels(many, smallest, 0.05).p_plus <= 1
