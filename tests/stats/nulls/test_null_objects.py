"""Effects against null objects: texts and draws resampled, crossed."""

import numpy as np
import pytest

from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.replicates import Replicates, standard_errors
from modclaims.stats.bounds.resamples import resample_groups
from modclaims.stats.nulls.null_objects import (
    against_null,
    draw_bounds,
    mean_replicates,
    resample_draws,
    resample_texts_and_draws,
    side_by_side_null,
)


def crossed(rng, texts=12, draws=20, cells=2, effect=0.1, by_text=0.03, by_draw=0.02, both=0.01):
    """Measured (text, cell) and null (draw, text, cell), with texts, draws and their pairs varying."""
    text = by_text * rng.standard_normal((texts, cells))
    measured = 0.5 + text - by_text * rng.standard_normal((texts, cells)) / 2
    null = 0.5 + effect + text + by_draw * rng.standard_normal((draws, 1, cells))
    return measured, null + both * rng.standard_normal((draws, texts, cells))


def test_by_hand():
    """Two texts, two draws: differences of 3 and 1 by text, and draw means of 3.5 and 4.5."""
    measured = np.array([[1.0], [3.0]])
    null = np.array([[[3.0], [4.0]], [[5.0], [4.0]]])
    resamples = resample_texts_and_draws(2, 2, count=50, rng=np.random.default_rng(0))
    found = against_null(measured, null, resamples)
    assert found.value[0, 0] == pytest.approx(2.0)
    assert found.influence[0, :, 0] == pytest.approx([(3 - 2) / 2, (1 - 2) / 2, (3.5 - 4) / 2, (4.5 - 4) / 2])
    # variance of the mean: 2 / 2 over texts (1 and -1), 0.5 / 2 over draws (-0.5 and 0.5)
    assert standard_errors(found, resamples)[0, 0] == pytest.approx(np.sqrt(1.0 + 0.25))


def test_every_resample_equals_the_statistic_made_from_the_rows_that_were_drawn():
    rng = np.random.default_rng(1)
    measured, null = crossed(rng, texts=5, draws=4, cells=3)
    resamples = resample_texts_and_draws(5, 4, count=30, rng=rng)
    found = against_null(measured, null, resamples)
    for b in range(31):
        i = np.repeat(np.arange(5), resamples.times[b, :5].astype(int))
        r = np.repeat(np.arange(4), resamples.times[b, 5:].astype(int))
        expected = null[r][:, i].mean(axis=(0, 1)) - measured[i].mean(axis=0)
        np.testing.assert_allclose(found.value[b], expected, rtol=0, atol=1e-12)


def test_influences_are_derivatives_by_multiplicity():
    rng = np.random.default_rng(2)
    measured, null = crossed(rng, texts=5, draws=4, cells=1)
    resamples = resample_texts_and_draws(5, 4, count=3, rng=rng)
    found = against_null(measured, null, resamples)
    w, v = resamples.times[2, :5], resamples.times[2, 5:]

    def statistic(w, v):
        return (v @ null[:, :, 0] @ w) / v.sum() / w.sum() - measured[:, 0] @ w / w.sum()

    step = 1e-6
    for unit in range(9):
        up = np.eye(9)[unit] * step
        slope = (statistic(w + up[:5], v + up[5:]) - statistic(w, v)) / step
        assert found.influence[2, unit, 0] == pytest.approx(slope, abs=1e-5)


def test_texts_and_draws_are_resampled_apart():
    resamples = resample_texts_and_draws(6, 20, count=200, rng=np.random.default_rng(0))
    assert (resamples.times[:, :6].sum(axis=1) == 6).all()
    assert (resamples.times[:, 6:].sum(axis=1) == 20).all()


def test_means_of_units_are_means():
    rng = np.random.default_rng(3)
    values = rng.standard_normal((7, 2))
    resamples = resample_groups(np.zeros(7, dtype=np.int64), count=20, rng=rng)
    found = mean_replicates(values, resamples)
    np.testing.assert_allclose(found.value[0], values.mean(axis=0))
    np.testing.assert_allclose(standard_errors(found, resamples)[0], values.std(axis=0, ddof=1) / np.sqrt(7))


@pytest.mark.parametrize(
    ("by_text", "by_draw", "both"), [(0.03, 0.02, 0.01), (0.005, 0.03, 0.005), (0.03, 0.001, 0.03)]
)
def test_bounds_miss_about_as_often_as_they_say(by_text, by_draw, both):
    """At the true effect, each one-sided 5 % bound misses at most 8 % of 400 data sets."""
    rng = np.random.default_rng(11)
    missed = np.zeros(2)
    for _ in range(400):
        measured, null = crossed(rng, cells=1, by_text=by_text, by_draw=by_draw, both=both)
        resamples = resample_texts_and_draws(12, 20, count=399, rng=rng)
        bounds = bootstrap_t(against_null(measured, null, resamples), resamples)
        missed += [bounds.lower(0.05)[0] > 0.1, bounds.upper(0.05)[0] < 0.1]
    assert (missed / 400 <= 0.08).all(), missed / 400
    assert missed.sum() > 2, "bounds that never miss are too wide"


# ---- draws alone


def draws(rng, count=60, cells=3):
    return 2 + 0.1 * rng.standard_normal((count, cells))


@pytest.mark.parametrize("change", ["drop", "rise", "difference"])
def test_changes_beside_draws_are_what_they_are_called_under_every_resample(change):
    rng = np.random.default_rng(0)
    own, null = np.array([1.5, 2.0, 2.5]), draws(rng)
    resamples = resample_draws(60, count=40, rng=rng)
    found = draw_bounds(own, null, resamples, change=change)

    def effect(mean):
        return {"drop": 1 - own / mean, "rise": own / mean - 1, "difference": own - mean}[change]

    assert found.effect == pytest.approx(effect(null.mean(axis=0)))
    for b in (1, 7):
        picked = null[np.repeat(np.arange(60), resamples.times[b].astype(int))]
        # the delta method's standard error of a function of the mean
        value, middle = effect(picked.mean(axis=0)), picked.mean(axis=0)
        slope = {"drop": own / middle**2, "rise": own / middle**2, "difference": 1}[change]
        se = slope * picked.std(axis=0, ddof=1) / np.sqrt(60)
        assert found.t[b - 1] == pytest.approx((value - found.effect) / se, rel=1e-9)


def test_contrasts_of_changes_are_those_of_replicates():
    """The same slope through `Replicates`, whose standard errors come another way."""
    rng = np.random.default_rng(1)
    own, null, weights = np.array([1.5, 2.0, 2.5]), draws(rng), np.array([[-1.0], [0.0], [1.0]])
    resamples = resample_draws(60, count=40, rng=rng)
    found = draw_bounds(own, null, resamples, change="difference", weights=weights)
    mean = mean_replicates(null, resamples)
    theirs = bootstrap_t(Replicates(own - mean.value, -mean.influence, own - mean.centre).weighted(weights), resamples)
    assert found.effect == pytest.approx(theirs.effect)
    assert found.se == pytest.approx(theirs.se)
    assert found.t == pytest.approx(theirs.t, abs=1e-9)


def test_draws_that_all_agree_carry_no_bound():
    null = np.full((30, 2), 0.1) * np.array([1, 3])
    null[:, 1] += np.arange(30)
    found = draw_bounds(
        np.array([0.1, 0.2]), null, resample_draws(30, count=20, rng=np.random.default_rng(0)), change="drop"
    )
    assert found.bounded.tolist() == [False, True]
    assert found.effect[0] == pytest.approx(0)


def test_the_interval_is_the_monte_carlo_error_of_the_null_mean():
    """Of many sets of draws, a tenth of the intervals leave the effect out that endless draws would give."""
    rng = np.random.default_rng(2)
    truth, missed = 1 - 1.5 / 2, 0
    for _ in range(300):
        null = 2 + 0.2 * (rng.standard_exponential((99, 1)) - 1)
        found = draw_bounds(np.array([1.5]), null, resample_draws(99, count=399, rng=rng), change="drop")
        missed += not found.lower(0.05)[0] <= truth <= found.upper(0.05)[0]
    assert 0.05 <= missed / 300 <= 0.16


def test_many_cells_at_a_time_are_bounded_as_all_together(monkeypatch):
    rng = np.random.default_rng(8)
    measured, null = rng.normal(0.5, 0.1, (12, 20)), rng.normal(0.1, 0.02, (20, 12, 20))
    resamples = resample_texts_and_draws(12, 20, count=99, rng=rng)
    whole = bootstrap_t(against_null(measured, null, resamples), resamples, means=True, ends=(-1.0, 1.0))
    monkeypatch.setattr("modclaims.stats.chance.permutation.CHUNK_BYTES", 1)
    found = side_by_side_null(measured, null, resamples, (-1.0, 1.0))
    every = np.arange(20)
    for name in ("theta", "se", "t"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)
    for cells in (None, every):
        np.testing.assert_allclose(found.lower(0.05, cells), whole.lower(0.05, cells), rtol=1e-12)
        np.testing.assert_allclose(found.p_upper(-0.4, cells), whole.p_upper(-0.4, cells), rtol=1e-12)
    assert found.student is not None
