"""Trend: the slope by hand and by scipy, its exchange by scipy's permutation test, and Student's bounds."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, permutation_test, t

from modclaims.stats.effects.trend import Trend, count_orders, exchanged_slopes, is_enumerated
from modclaims.stats.streams import stream

RNG = np.random.default_rng(2)


def slopes(at, values, budget=9999):
    return exchanged_slopes(np.asarray(at, float), np.asarray(values, float), budget=budget, rng=stream(0, "orders"))


def p_of(at, values, budget=9999):
    found, tie, _ = slopes(at, values, budget)
    return float((found >= found[0] - tie).mean())


def test_three_units_by_hand():
    """(0, 1), (1, 3), (2, 4): slope 3/2, residuals -1/6, 1/3, -1/6, so se^2 = (1/6) / 1 / 2."""
    line = Trend.of(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 4.0]))
    assert (line.slope, line.intercept, line.df) == pytest.approx((1.5, 7 / 6, 1))
    assert line.se == pytest.approx(math.sqrt(1 / 12))
    assert p_of([0, 1, 2], [1, 3, 4]) == pytest.approx(1 / 6)


def test_line_and_bounds_are_those_of_scipy():
    at, values = RNG.standard_normal((2, 7))
    line, other = Trend.of(at, values), linregress(at, values)
    assert (line.slope, line.intercept, line.se) == pytest.approx(
        (other.slope, other.intercept, other.stderr), rel=1e-9
    )
    bounds = line.bounds(9999)
    for level in (0.05, 0.01):
        reach = t.isf(level, 5) * other.stderr
        assert bounds.lower(level)[0] == pytest.approx(other.slope - reach, rel=1e-9)
        assert bounds.upper(level)[0] == pytest.approx(other.slope + reach, rel=1e-9)
    assert bounds.p_lower(0.1)[0] == pytest.approx(t.sf((other.slope - 0.1) / other.stderr, 5), abs=1e-4)
    assert bounds.p_upper(0.1)[0] == pytest.approx(t.cdf((other.slope - 0.1) / other.stderr, 5), abs=1e-4)


def test_p_is_that_of_scipys_permutation_test():
    at, values = RNG.standard_normal((2, 6))
    expected = permutation_test(
        (values,),
        lambda v: linregress(at, v).slope,
        permutation_type="pairings",
        vectorized=False,
        n_resamples=np.inf,
        alternative="greater",
    )
    assert p_of(at, values) == pytest.approx(expected.pvalue, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=3, max_size=6), st.data())
def test_equal_places_leave_p_as_it_is_over_all_orders(values, data):
    at = data.draw(st.lists(st.integers(0, 3), min_size=len(values), max_size=len(values)))
    if len(set(at)) == 1:
        return
    found, _, exact = slopes(at, values)
    assert exact
    assert len(found) == count_orders(np.array(at, float))
    # the same p as with places a hair apart, where all k! orders are told apart and ties are ties no more
    centred = np.array(at) - np.mean(at)
    orders = [np.array(values)[list(o)] @ centred for o in itertools.permutations(range(len(at)))]
    assert p_of(at, values) == pytest.approx(np.mean(np.array(orders) >= orders[0] - 1e-9))


def test_many_units_are_drawn_and_the_observed_order_comes_first():
    at, values = np.arange(9.0), RNG.standard_normal(9)
    found, _, exact = slopes(at, values, budget=499)
    assert (exact, len(found)) == (False, 500)
    assert found[0] == pytest.approx(linregress(at, values).slope)
    assert is_enumerated(8, 99)
    assert not is_enumerated(9, 9999)


def test_places_that_are_all_one_have_no_slope_and_a_perfect_line_no_bound():
    with pytest.raises(ValueError, match="one place"):
        Trend.of(np.full(4, 6.3), np.arange(4.0))
    line = Trend.of(np.log10([1e6, 3e6, 1e7, 5e7]), 0.1 + 0.2 * np.log10([1e6, 3e6, 1e7, 5e7]))
    assert line.se == 0
    assert not line.bounds(99).bounded[0]
    assert not Trend.of(np.array([0.0, 1.0]), np.array([1.0, 2.0])).bounds(99).bounded[0]


def test_exchangeable_units_are_rejected_as_often_as_said():
    at = np.arange(5.0)
    levels = np.array([p_of(at, values) for values in RNG.standard_normal((600, 5))])
    assert (levels <= 0.05).mean() < 0.08
    assert 0.44 < levels.mean() < 0.56
