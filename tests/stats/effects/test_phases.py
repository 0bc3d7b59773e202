"""Phases against a line: fits against a general solver, errors by hand, and resamples that never test on their own copies."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear
from scipy.stats import linregress

from modclaims.stats.bounds.resamples import Resamples, resample_groups
from modclaims.stats.effects.chunks import ENDS, Division, Shares
from modclaims.stats.effects.phases import (
    Phases,
    in_sample,
    log_ratio,
    out_of_sample,
    polynomial,
    polynomial_fit,
    reduced,
    reduction,
    reduction_bounds,
)

LAYERS = 9


def phases(ends="both", layers=LAYERS):
    return Phases(Shares(0.5, 0.25, 0.25).divisions(layers, ends), layers)


def drawings():
    fits = phases()
    return {
        "phases": fits.drawing,
        **fits.rivals(),
        "parabola": polynomial_fit(LAYERS, 2),
        "constant": polynomial_fit(LAYERS, 0),
    }


def resampled(units, count=199, seed=0):
    return resample_groups(np.zeros(units, dtype=np.int64), count=count, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("ends", ENDS)
def test_the_fit_is_that_of_bounded_least_squares_over_all_divisions(ends):
    fits, rng = phases(ends), np.random.default_rng(4)
    curves = rng.normal(size=(30, LAYERS))
    found, picked = fits.fit(curves)
    for curve, fitted, which in zip(curves, found, picked, strict=True):
        costs = []
        for division in fits.divisions:
            early, _, last = division.chunks(LAYERS)
            drops = np.zeros((LAYERS, 3))
            drops[:, 0] = 1
            drops[list(early), 1] = -1
            drops[list(last), 2] = -1
            costs.append(2 * lsq_linear(drops, curve, ([-np.inf, 0, 0], np.inf), tol=1e-14).cost)
        assert ((curve - fitted) ** 2).sum() == pytest.approx(min(costs), abs=1e-9)
        assert costs[which] == pytest.approx(min(costs), abs=1e-9)


def test_a_curve_of_phases_is_fitted_without_error_and_the_other_way_up_as_a_constant():
    curve = np.array([0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.4])
    (found,), (which,) = phases().fit(curve[None])
    np.testing.assert_allclose(found, curve, atol=1e-15)
    assert phases().divisions[which] == Division(2, 8)
    (upside_down,), _ = phases().fit(1 - curve[None])
    np.testing.assert_allclose(upside_down, (1 - curve).mean())


def test_polynomials_are_those_of_numpy():
    curve, x = np.random.default_rng(5).normal(size=LAYERS), np.arange(LAYERS)
    for degree in (0, 1, 2):
        np.testing.assert_allclose(polynomial(LAYERS, degree) @ curve, np.polyval(np.polyfit(x, curve, degree), x))


def test_errors_of_ten_or_fewer_units_are_those_of_leaving_one_out():
    curves = np.random.default_rng(6).normal(np.sin(np.arange(LAYERS)), 0.3, (8, LAYERS))
    errors = out_of_sample(curves, np.ones((1, 8)), drawings())
    x = np.arange(LAYERS)
    for unit in range(8):
        mean = np.delete(curves, unit, axis=0).mean(axis=0)
        line = linregress(x, mean)
        fitted = phases().fit(mean[None])[0][0]
        assert errors["line"][0, unit] == pytest.approx(((curves[unit] - line.intercept - line.slope * x) ** 2).mean())
        assert errors["phases"][0, unit] == pytest.approx(((curves[unit] - fitted) ** 2).mean())
        assert errors["constant"][0, unit] == pytest.approx(((curves[unit] - mean.mean()) ** 2).mean())


def test_no_copy_of_a_unit_is_among_those_that_foretell_it():
    """With a unit drawn many times, its own error is that of a fit to the others alone."""
    curves = np.random.default_rng(7).normal(size=(6, LAYERS))
    times = np.array([[1.0] * 6, [4.0, 1.0, 1.0, 0.0, 0.0, 0.0]])
    errors = out_of_sample(curves, times, drawings())
    mean = curves[1:3].mean(axis=0)
    assert errors["line"][1, 0] == pytest.approx(((curves[0] - polynomial(LAYERS, 1) @ mean) ** 2).mean())
    every = (4 * curves[0] + curves[1] + curves[2]) / 6
    inside = in_sample(curves, times, drawings())
    assert inside["line"][1, 0] == pytest.approx(((curves[0] - polynomial(LAYERS, 1) @ every) ** 2).mean())


def test_many_units_are_left_out_in_ten_folds():
    curves = np.random.default_rng(8).normal(size=(23, LAYERS))
    errors = out_of_sample(curves, np.ones((1, 23)), drawings())
    mean = curves[[i for i in range(23) if i % 10 != 3]].mean(axis=0)
    assert errors["line"][0, 13] == pytest.approx(((curves[13] - polynomial(LAYERS, 1) @ mean) ** 2).mean())


def test_a_resample_of_one_unit_alone_foretells_nothing():
    curves = np.random.default_rng(9).normal(size=(6, LAYERS))
    errors = out_of_sample(curves, np.array([[1.0] * 6, [6.0, 0, 0, 0, 0, 0]]), drawings())
    assert np.isnan(errors["phases"][1, 0]) and np.isfinite(errors["phases"][0]).all()
    drawn = Resamples(np.array([[1.0] * 6, [6.0, 0, 0, 0, 0, 0]]), np.zeros(6, dtype=np.int64))
    assert np.isnan(reduction(errors["phases"], [errors["line"]], drawn).value[1, 0])


def test_reduction_is_the_share_of_the_lines_error_that_is_gone():
    drawn = resampled(12)
    own, reference = np.random.default_rng(10).uniform(0.5, 1.5, (2, 1, 12)).repeat(200, axis=1)
    found = reduction(own, [reference], drawn)
    assert reduced(found.value[0])[0] == pytest.approx(1 - own[0].mean() / reference[0].mean())
    np.testing.assert_allclose(log_ratio(reduced(found.value)), found.value)


def test_influences_are_the_derivative_of_the_value_by_a_units_multiplicity():
    """Of a reduction whose fits are held where they are."""
    own, reference = np.random.default_rng(11).uniform(0.5, 1.5, (2, 9))
    base = np.ones(9)

    def value(times):
        return np.log((times * reference).sum() / (times * own).sum())

    found = reduction(own[None], [reference[None]], Resamples(base[None], np.zeros(9, dtype=np.int64)))
    for unit in range(9):
        step = base.copy()
        step[unit] += 1e-6
        assert found.influence[0, unit, 0] == pytest.approx((value(step) - value(base)) / 1e-6, abs=1e-5)


def test_limits_are_no_narrower_than_those_of_the_bootstrap_t():
    curves = np.random.default_rng(12).normal(np.r_[0, 0, np.ones(6), 0] * 0.3, 0.2, (12, LAYERS))
    drawn = resampled(12, 499)
    out, inside = (measured(curves, drawn.times, drawings()) for measured in (out_of_sample, in_sample))
    bounds = reduction_bounds(out, inside, "phases", ["line", "no last phase"], drawn)
    for cell, name in enumerate(("line", "no last phase")):
        assert bounds.effect[cell] == pytest.approx(1 - out["phases"][0].mean() / out[name][0].mean())
    first = bounds.candidates[0]
    assert bounds.lower(0.05)[0] <= first.lower(0.05)[0] < bounds.effect[0] < first.upper(0.05)[0]
    assert bounds.upper(0.05)[0] >= first.upper(0.05)[0]


def test_scale_and_level_of_curves_do_not_matter():
    curves, drawn = np.random.default_rng(13).normal(size=(12, LAYERS)), np.ones((1, 12))
    first, second = (out_of_sample(c, drawn, drawings()) for c in (curves, 5 + 3 * curves))
    for name in drawings():
        np.testing.assert_allclose(9 * first[name], second[name], rtol=1e-9)


def test_fewer_phases_are_rivals_where_both_ends_are_set_apart():
    curve = np.array([0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.4])
    fitted = {name: drawing(curve[None])[0] for name, drawing in phases().rivals().items()}
    assert set(fitted) == {"line", "no last phase", "no early phase"}
    np.testing.assert_allclose(fitted["no last phase"], np.r_[0.2, 0.2, np.full(7, (6 * 0.9 + 0.4) / 7)])
    np.testing.assert_allclose(fitted["no early phase"], np.r_[np.full(8, (0.4 + 6 * 0.9) / 8), 0.4])
    for ends in ("early", "last"):
        assert set(phases(ends).rivals()) == {"line"}
