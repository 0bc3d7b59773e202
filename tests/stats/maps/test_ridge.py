"""Ridge maps against scikit-learn, by either Gram matrix; and that nothing is foretold by what saw it."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Witness

from modclaims.stats.maps.ridge import (
    PENALTIES,
    Inputs,
    Ridge,
    best_penalty,
    cross_fitted,
    folds_of,
    leading_inputs,
)


def planted(rows, units, targets=3, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    x = 2 + rng.standard_normal((rows, units)) @ np.diag(1 / (1 + np.arange(units)))
    y = x @ rng.standard_normal((units, targets)) + noise * rng.standard_normal((rows, targets)) - 1
    return x, y


@pytest.mark.parametrize(("rows", "units"), [(40, 7), (12, 30), (20, 20)])
@pytest.mark.parametrize("relative", [1e-4, 1e-1, 10.0])
def test_maps_are_those_of_scikit_learn(rows, units, relative):
    x, y = planted(rows, units)
    inputs = Inputs.of(x)
    ridge = Ridge.of(inputs, y)
    witness = Witness(alpha=inputs.penalty(relative), solver="svd").fit(x, y)
    new = planted(5, units, seed=1)[0]
    np.testing.assert_allclose(
        ridge.foretold(inputs.seen_by(new), relative), witness.predict(new), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(inputs.axes @ ridge.coefficients(relative), witness.coef_.T, rtol=1e-6, atol=1e-9)


def test_by_hand():
    """One input, centred at 0 with sum of squares 2: the slope is xy / (2 + penalty), the mean eigenvalue 2."""
    x, y = np.array([[-1.0], [0.0], [1.0]]), np.array([[1.0], [2.0], [6.0]])
    inputs = Inputs.of(x)
    assert inputs.roots == pytest.approx([2.0])
    assert inputs.penalty(0.5) == pytest.approx(1.0)
    assert Ridge.of(inputs, y).foretold(inputs.seen_by(np.array([[3.0]])), 0.5)[0, 0] == pytest.approx(3 + 3 * 5 / 3)


def test_inputs_that_do_not_vary_foretell_the_mean():
    x, y = np.full((6, 4), 3.0), planted(6, 2)[1]
    inputs = Inputs.of(x)
    assert inputs.axes.shape == (4, 0)
    np.testing.assert_allclose(Ridge.of(inputs, y).foretold(inputs.seen_by(x[:1]), 1.0)[0], y.mean(axis=0))
    assert leading_inputs(inputs, Ridge.of(inputs, y).coefficients(1.0), 2)[0].shape == (4, 0)


@pytest.mark.parametrize(("rows", "units"), [(60, 5), (30, 40)])
def test_every_row_is_foretold_by_the_other_folds_with_a_penalty_chosen_among_these(rows, units):
    """The witness does all of it again, fold by fold, with scikit-learn."""
    x, y = planted(rows, units, noise=3.0)
    folds = np.arange(rows) % 4
    (fit,) = cross_fitted(x, [y], folds)
    for fold in range(4):
        errors = np.zeros(len(PENALTIES))
        for inner in set(range(4)) - {fold}:
            learned, asked = ~np.isin(folds, (fold, inner)), folds == inner
            for p, relative in enumerate(PENALTIES):
                witness = Witness(alpha=Inputs.of(x[learned]).penalty(relative), solver="svd").fit(
                    x[learned], y[learned]
                )
                errors[p] += ((witness.predict(x[asked]) - y[asked]) ** 2).sum()
        best = PENALTIES[errors.argmin()]
        assert fit.penalties[fold] == best
        learned = folds != fold
        witness = Witness(alpha=Inputs.of(x[learned]).penalty(best), solver="svd").fit(x[learned], y[learned])
        np.testing.assert_allclose(fit.foretold[~learned], witness.predict(x[~learned]), rtol=1e-7, atol=1e-7)


def test_what_a_fold_holds_changes_nothing_of_what_is_foretold_for_it():
    x, y = planted(40, 6)
    folds = np.repeat(np.arange(4), 10)
    other = y.copy()
    other[folds == 2] = 1e3 * np.random.default_rng(5).standard_normal((10, 3))
    one, two = (cross_fitted(x, [target], folds)[0] for target in (y, other))
    np.testing.assert_array_equal(one.foretold[folds == 2], two.foretold[folds == 2])
    assert one.penalties[2] == two.penalties[2]
    assert not np.allclose(one.foretold[folds == 1], two.foretold[folds == 1])


def test_targets_do_not_know_of_each_other():
    x, y = planted(40, 6)
    folds, other = np.arange(40) % 3, planted(40, 6, targets=2, seed=3)[1]
    alone, (first, second) = cross_fitted(x, [y], folds)[0], cross_fitted(x, [y, other], folds)
    np.testing.assert_array_equal(alone.foretold, first.foretold)
    assert second.foretold.shape == other.shape


def test_noise_is_shrunk_and_truth_is_not():
    x, truth = planted(90, 4, noise=0.01)
    noise, folds = np.random.default_rng(2).standard_normal((90, 3)), np.arange(90) % 3
    assert best_penalty(x, truth, folds) < 1e-2
    assert best_penalty(x, noise, folds) >= 1


def test_two_folds_are_refused():
    x, y = planted(10, 2)
    with pytest.raises(ValueError, match="3 are needed"):
        cross_fitted(x, [y], np.arange(10) % 2)


def test_folds_are_nearly_equal_and_drawn():
    one, other = (folds_of(23, 5, np.random.default_rng(seed)) for seed in (0, 1))
    assert sorted(np.bincount(one)) == [4, 4, 5, 5, 5]
    assert not np.array_equal(one, other)


def test_leading_inputs_are_the_maps_singular_directions():
    x, y = planted(50, 6, targets=4)
    inputs = Inputs.of(x)
    coefficients = Ridge.of(inputs, y).coefficients(0.01)
    left, values, _ = np.linalg.svd(inputs.axes @ coefficients)
    found, share = leading_inputs(inputs, coefficients, 2)
    np.testing.assert_allclose(np.abs((left[:, :2] * found).sum(axis=0)), 1, atol=1e-9)
    assert share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum())
