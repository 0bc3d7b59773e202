"""What a claim says of its cells, and how far evidence with known p and bounds carries it each way."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from modclaims.errors import ClaimError
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.end_of_scale import EndLaw
from modclaims.stats.bounds.second_bounds import NoncentralF
from modclaims.stats.chance.multiplicity import clopper_pearson, weigh_cells
from modclaims.stats.effects.omega_squared import log_one_plus_f2, omega2_of_log
from modclaims.stats.evidence import Cell, Evidence, NullTest
from modclaims.stats.quantifiers import Holds, InFraction, along_depth, at, everywhere, in_fraction, somewhere

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


def shared_null(raw: list[float], arrangements: int = 10_000) -> NullTest:
    """A test in which chance moves all cells alike, so that no cell is corrected for another."""
    base = np.arange(1.0, arrangements)
    null = np.repeat(np.concatenate([[0.0], base])[:, None], len(raw), axis=1)
    null[0] = [arrangements - round(p * arrangements) + 0.5 for p in raw]
    return NullTest.of("gap", null, np.zeros(len(raw)), exact=False, action="exchanging topic")


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
        in_fraction(fraction).check()


def test_depth_is_risen_or_fallen_along() -> None:
    with pytest.raises(ClaimError, match="'grows'"):
        along_depth("grows").check()


@pytest.mark.parametrize("layers", [(4,), (0, 9), (-5,)])
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
    found = evidence([clears(0.2), clears(0.02), clears(0.01)], test)
    levels = somewhere().levels(found, 0.0, 0.05, claims=22)
    assert levels.cell == 1
    assert levels.p_plus == pytest.approx(0.03)
    assert levels.p == 0.001
    assert levels.p_cell == 0.03
    assert levels.carrying == 1
    assert levels.p_minus > 0.95
    assert "lower limit simultaneous over 3 cells" in levels.interval


def test_somewhere_is_refuted_by_every_cells_own_bound() -> None:
    levels = somewhere().levels(
        evidence([-clears(0.01), -clears(0.04), -clears(0.002)], null_test([1] * 3, [1] * 3)), 0.0, 0.05
    )
    assert levels.p_minus == pytest.approx(0.04)
    assert levels.p_plus == 1


def test_somewhere_supported_names_the_largest_effect_among_the_cells_that_carry_it() -> None:
    # the second cell has the smallest level of all; the third, of the largest effect, carries the claim no less
    test = null_test([0.001, 0.001, 0.002, 0.3], [0.004, 0.001, 0.02, 0.4])
    found = evidence([clears(0.004), clears(0.001), clears(0.001) + 2, clears(0.001) + 9], test)
    levels = somewhere().levels(found, 0.0, 0.05)
    assert (levels.cell, levels.carrying) == (2, 3)
    assert levels.p == 0.001
    assert levels.p_cell == 0.02
    assert levels.low == pytest.approx(found.bounds.lower(0.05, np.arange(4))[2])
    # among 22 claims a level of .02 carries nothing: .05 / 22 is .0023
    among = somewhere().levels(found, 0.0, 0.05, claims=22)
    assert (among.cell, among.carrying, among.p_cell) == (1, 1, 0.001)
    # a claim that is lost to correction names the cell that sets p+
    lost = somewhere().levels(found, 0.0, 0.05, claims=1000)
    assert (lost.cell, lost.carrying) == (1, 1)


def test_somewhere_refuted_names_the_largest_upper_limit() -> None:
    bounds = Bounds(np.array([-9.0, -5.0, -12.0]), np.array([1.0, 1.0, 2.0]), np.repeat(GRID[:, None], 3, axis=1))
    found = Evidence(tuple(Cell(layer=i) for i in range(3)), "delta", bounds, null_test([1.0] * 3, [1.0] * 3), 64)
    levels = somewhere().levels(found, 0.0, 0.05)
    upper = bounds.upper(0.05)
    assert levels.p_minus <= 0.05
    assert levels.cell == int(np.argmax(upper)) == 1
    assert levels.high == upper[1]


def test_a_cell_whose_effect_or_bound_is_not_known_is_never_named_best() -> None:
    unknown = evidence([clears(0.3), np.nan, clears(0.4)], null_test([1.0, 0.001, 1.0], [1.0, 0.001, 1.0]))
    for holds in (somewhere(), at(0, 1, 2), in_fraction(1 / 3)):
        assert holds.levels(unknown, 0.0, 0.05).cell != 1
    # everywhere names what stands in its way
    blocked = evidence([clears(0.01), np.nan, clears(0.01)], null_test([0.01] * 3, [0.01] * 3))
    assert everywhere().levels(blocked, 0.0, 0.05).cell == 1


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
    test = shared_null([0.01, 0.2, 0.012, 0.5, 0.004])
    levels = in_fraction(0.5).levels(evidence(theta, test), 0.0, 0.05)
    # at each cell the larger of p and bound: .01, .2, .012, .5, .004; of any three, the least is at most the third smallest
    assert levels.p_plus == pytest.approx(0.012, abs=2e-4)
    assert levels.p == pytest.approx(0.012, abs=2e-4)
    assert levels.cell == 2
    assert levels.p_cell == levels.p
    assert "ranked 3 of 5" in levels.interval


def test_in_half_of_five_cells_is_refuted_by_three_that_fall_below() -> None:
    theta = [-clears(p) for p in (0.01, 0.3, 0.001, 0.4, 0.004)]
    levels = in_fraction(0.5).levels(evidence(theta, null_test([1] * 5, [1] * 5)), 0.0, 0.05)
    # any u = 3 cells must hold one that falls below: the third smallest level, where one band serves all cells alike
    assert levels.p_minus == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("fraction", "cells", "needed"), [(1 / 3, 3, 1), (0.34, 3, 2), (0.5, 4, 2), (1.0, 4, 4), (1e-6, 4, 1)]
)
def test_fractions_round_up_to_whole_cells(fraction: float, cells: int, needed: int) -> None:
    theta = [clears(0.001 * (i + 1)) for i in range(cells)]
    levels = in_fraction(fraction).levels(evidence(theta), 0.0, 0.05)
    assert f"ranked {needed} of {cells}" in levels.interval
    assert levels.p_plus == pytest.approx(0.001 * needed)


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
        (at(3), "at layer 3"),
        (at(0, -1), "at one or more of layers 0, -1"),
        (everywhere(0, -1), "at every one of layers 0, -1"),
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


def test_monte_carlo_error_of_a_partial_conjunction_is_that_of_its_level() -> None:
    test = shared_null([0.01, 0.012, 0.2, 0.5])
    levels = in_fraction(0.5).levels(evidence([clears(0.001)] * 4, test), 0.0, 0.05)
    assert levels.mc_plus == pytest.approx(clopper_pearson(round(10_000 * levels.p_plus) - 1, 9999))
    assert levels.p_plus == pytest.approx(0.012, abs=2e-4)
    down = in_fraction(0.5).levels(evidence([-clears(p) for p in (0.01, 0.02, 0.03, 0.3)], test), 0.0, 0.05)
    assert down.p_minus == pytest.approx(0.03)
    assert down.mc_minus == pytest.approx(clopper_pearson(29, 999))


# ---- several cells at once


@given(st.integers(0, 300), st.integers(2, 6), st.integers(1, 6))
def test_a_partial_conjunction_is_the_worst_of_all_sets_that_could_be_null(seed: int, cells: int, u: int) -> None:
    u = min(u, cells)
    found = random_evidence(seed, cells)
    assert found.test is not None
    worst = 0.0
    for among in map(np.array, combinations(range(cells), cells - u + 1)):
        p = weigh_cells(found.test.null[:, among]).p_adjusted
        worst = max(worst, float(np.maximum(p, found.bounds.p_lower(0.2, among)[among]).min()))
    assert InFraction(u / cells).levels(found, 0.2, 0.05).p_plus == worst


def test_beyond_twelve_cells_the_least_extreme_ones_stand_for_all_sets() -> None:
    found = random_evidence(5, 14)
    levels = in_fraction(0.5).levels(found, 0.2, 0.05)
    assert found.test is not None
    own = np.maximum(found.test.p, found.bounds.p_lower(0.2))
    rest = np.sort(np.lexsort((-found.bounds.effect, own))[6:])
    p = weigh_cells(found.test.null[:, rest]).p_adjusted
    assert levels.p_plus == np.maximum(p, found.bounds.p_lower(0.2, rest)[rest]).min()


def test_three_strong_cells_of_six_do_not_refute_that_half_of_them_are() -> None:
    theta = [9.0, 9.0, 9.0, -9.0, -9.0, -9.0]
    levels = in_fraction(0.5).levels(evidence(theta, shared_null([0.001] * 3 + [1.0] * 3)), 0.0, 0.05)
    assert levels.p_plus == pytest.approx(0.001, abs=2e-4)
    assert levels.p_minus == 1
    assert in_fraction(0.6).levels(evidence(theta, shared_null([0.001] * 3 + [1.0] * 3)), 0.0, 0.05).p_minus < 0.01


def test_every_one_of_some_layers_is_not_one_of_them() -> None:
    found = evidence([9.0, -9.0, 9.0, 9.0], shared_null([0.001, 1.0, 0.001, 0.001]))
    assert everywhere(0, -1).levels(found, 0.0, 0.05).p_plus == pytest.approx(0.001)
    assert everywhere(0, 1).levels(found, 0.0, 0.05).p_plus == 1
    assert at(0, 1).levels(found, 0.0, 0.05).p_plus == pytest.approx(0.001, abs=2e-4)
    with pytest.raises(ClaimError, match="the cells have layers 0, 1, 2, 3"):
        everywhere(7).levels(found, 0.0, 0.05)


@pytest.mark.parametrize("layers", [("last",), ([0], 1), (1.5,), (True,)])
def test_a_layer_is_named_by_a_whole_number(layers: tuple[object, ...]) -> None:
    for quantifier in (at, everywhere):
        with pytest.raises(ClaimError, match="is no layer"):
            quantifier(*layers).check()


def test_layers_in_one_list_are_those_layers_and_no_layer_is_none() -> None:
    assert at([0, 1]) == at(0, 1)
    assert everywhere(range(2)) == everywhere(0, 1)
    at(0, -1).check()
    with pytest.raises(ClaimError, match=r"at\(\) names no layer"):
        at().check()


# ---- sparse and constant cells


def sparse_evidence(undefined: int, theta: list[float], rows: int = 999) -> Evidence:
    """Cells with normal t*, apart from each other, of which so many of the first's are undefined."""
    t = np.random.default_rng(1).normal(size=(rows, len(theta)))
    t[:undefined, 0] = np.inf
    return evidence(theta, shared_null([0.001] * len(theta)), t)


def test_a_sparse_cell_does_not_set_the_band_of_the_others() -> None:
    with_it, without = sparse_evidence(200, [2.0, 6.0, 6.0]), sparse_evidence(0, [2.0, 6.0, 6.0])
    assert with_it.bounds.sparse(0.05).tolist() == [True, False, False]
    assert somewhere().levels(with_it, 0.0, 0.05).p_plus <= 0.01
    pair = np.array([1, 2])
    assert somewhere().levels(with_it, 0.0, 0.05).p_plus == pytest.approx(
        with_it.bounds.p_lower(0.0, pair)[pair].min(), abs=1e-12
    )
    assert somewhere().levels(without, 0.0, 0.05).p_plus <= 0.01


def test_a_sparse_cell_carries_nothing_and_blocks_refutation() -> None:
    alone = sparse_evidence(200, [9.0])
    assert somewhere().levels(alone, 0.0, 0.05).p_plus == 1
    assert everywhere().levels(sparse_evidence(200, [9.0, 9.0]), 0.0, 0.05).p_plus == 1
    down = sparse_evidence(200, [-9.0, -9.0])
    assert somewhere().levels(down, 0.0, 0.05).p_minus == 1
    assert everywhere().levels(down, 0.0, 0.05).p_minus <= 0.01  # the other cell is enough


def test_a_few_undefined_resamples_count_against_their_own_cell_alone() -> None:
    found = sparse_evidence(20, [6.0, 6.0])  # 2 % of them: fewer than alpha / 2
    assert not found.bounds.sparse(0.05).any()
    both = np.arange(2)
    levels = found.bounds.p_lower(0.0, both)
    assert levels[0] == pytest.approx(21 / 1000, abs=0.002)
    assert levels[1] <= 0.002
    limits = found.bounds.lower(0.05, both)
    assert limits[0] <= limits[1]
    assert found.bounds.lower(0.01, both)[0] == -np.inf


def test_constant_cells_carry_nothing_and_are_refuted_by_how_many_texts_agree() -> None:
    t = np.random.default_rng(2).normal(size=(999, 3))
    effect = np.array([0.0, -0.6, -0.7])
    constant = np.array([True, False, False])
    bounds = Bounds(
        effect,
        np.array([0.0, 0.1, 0.1]),
        t,
        ends=(-1.0, 1.0),
        end=EndLaw.of(effect, b=24, ends=(-1.0, 1.0), fewest=12),
        constant=constant,
    )
    found = Evidence(tuple(Cell(layer=i) for i in range(3)), "delta", bounds, shared_null([1.0] * 3), 48)
    levels = somewhere().levels(found, 0.3, 0.05)
    assert levels.p_plus == 1
    assert levels.p_minus == pytest.approx(0.7**12)  # .014: twelve texts of a category that all agree
    assert somewhere().levels(found, 0.2, 0.05).p_minus == pytest.approx(0.8**12)  # .069
    assert bounds.upper(0.05)[0] == pytest.approx(1 - 0.05 ** (1 / 12))
    assert np.isnan(bounds.lower(0.05)[0])


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


def dead_among(theta: list[float], dead: list[int]) -> Evidence:
    """Cells of which some are constant."""
    t = np.random.default_rng(3).normal(size=(999, len(theta)))
    constant = np.isin(np.arange(len(theta)), dead)
    effect = np.where(constant, 0.0, theta)
    bounds = Bounds(
        effect,
        np.where(constant, 0.0, 0.1),
        t,
        ends=(-1.0, 1.0),
        end=EndLaw.of(effect, b=24, ends=(-1.0, 1.0), fewest=12),
        constant=constant,
    )
    cells = tuple(Cell(layer=i) for i in range(len(theta)))
    return Evidence(cells, "delta", bounds, shared_null([0.001] + [1.0] * (len(theta) - 1)), 48)


@pytest.mark.parametrize("fraction", [0.2, 0.5, 5 / 6, 1.0])
def test_a_fraction_is_weighed_whatever_cells_are_dead(fraction: float) -> None:
    found = dead_among([0.9, 0.0, -0.1, 0.0, 0.05, -0.05], [1, 4])
    levels = in_fraction(fraction).levels(found, 0.5, 0.05)
    assert 0 < levels.p_plus <= 1
    assert levels.p_cell is not None


def test_limits_and_levels_agree_beside_a_constant_cell() -> None:
    found = dead_among([0.0, 0.1, 0.2], [0])
    for smallest in np.linspace(0.15, 0.6, 30):
        for holds in (everywhere(), in_fraction(0.6)):
            levels = holds.levels(found, float(smallest), 0.05)
            if np.isfinite(levels.high) and levels.high < smallest:
                assert levels.p_minus <= 0.05 + 1e-9


def test_one_p_is_adjusted_only_where_cells_were_searched() -> None:
    found = evidence([clears(0.001)] * 4, shared_null([0.001] * 4))
    assert somewhere().levels(found, 0.0, 0.05).adjusted
    assert in_fraction(0.5).levels(found, 0.0, 0.05).adjusted
    for holds in (at(1), everywhere(), everywhere(0, 1), in_fraction(1.0)):
        assert not holds.levels(found, 0.0, 0.05).adjusted
