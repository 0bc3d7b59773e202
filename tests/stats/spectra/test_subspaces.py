"""Subspaces of categories: angles by hand and by scipy, exchange of labels, shares of texts unseen."""

from itertools import combinations

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from modclaims.stats.bounds.replicates import standard_errors
from modclaims.stats.bounds.resamples import resample, resample_groups
from modclaims.stats.chance.actions import Arrangements, Design, relabellings
from modclaims.stats.spectra.subspaces import (
    angles,
    bases,
    centred,
    directions,
    held,
    log_ratio_of_means,
    recentred,
    separation_null,
    spherical,
)


def design_of(*sizes, strata=1):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return Design.of([f"c{k}" for k in labels], [f"s{i % strata}" for i in range(len(labels))])


def observed(design):
    return Arrangements(design.labels[None].astype(np.int16), True, 1)


def along(axes, design, size=3.0, noise=0.01, seed=0):
    """Units that vary along the axes of their category, in 8 dimensions."""
    rng = np.random.default_rng(seed)
    x = noise * rng.standard_normal((design.n, 8))
    for k, mine in enumerate(axes):
        where = np.flatnonzero(design.labels == k)
        x[np.ix_(where, mine)] += size * rng.standard_normal((len(where), len(mine)))
    return x


def test_two_lines_at_30_degrees_are_30_degrees_apart():
    design = design_of(4, 4)
    turn = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6), 0.0])
    x = np.outer([2, 1, -1, -2, 2, 1, -1, -2], np.zeros(3))
    x[:4, 0] = [2, 1, -1, -2]
    x[4:] = np.outer([2, 1, -1, -2], turn)
    x[4:] += np.array([0, 0, 7.0])  # where a category lies is not what its subspace is
    rows = spherical(x, design, "own")
    np.testing.assert_allclose(np.degrees(angles(bases(rows, design, 1))), [[30.0]])
    null, _ = separation_null([x], design, observed(design), dimensions=1, centre="own")
    np.testing.assert_allclose(null, [[0.25]])


@pytest.mark.parametrize("centre", ["own", "common"])
@pytest.mark.parametrize("design", [design_of(6, 9, 7), design_of(12, 8, 10, strata=2)], ids=["free", "strata"])
def test_the_statistic_is_the_mean_squared_sine_of_scipys_angles_under_every_arrangement(design, centre):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((design.n, 10)) * np.linspace(1, 3, 10)
    arrangements = relabellings(design, budget=5, rng=rng)
    null, _ = separation_null([x, x[:, :5]], design, arrangements, dimensions=2, centre=centre)
    rows = directions(centred(x, design, centre))
    for labels, found in zip(arrangements.labels, null[:, 0], strict=True):
        moved = Design(labels.astype(np.int64), design.strata, design.names)
        again = directions(recentred(rows, moved, "own")) if centre == "own" else rows
        spaces = [np.linalg.svd(again[labels == k])[2][:2].T for k in range(3)]
        sines = [np.sin(subspace_angles(a, b)) ** 2 for a, b in combinations(spaces, 2)]
        np.testing.assert_allclose(found, np.mean(sines), rtol=1e-9)
    np.testing.assert_allclose(null[0, 0], (np.sin(angles(bases(spherical(x, design, centre), design, 2))) ** 2).mean())


def test_scale_of_texts_and_turns_of_the_axes_change_nothing():
    design, rng = design_of(8, 8), np.random.default_rng(2)
    x = rng.standard_normal((16, 6))
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    arrangements = relabellings(design, budget=20, rng=rng)
    plain, turned = (
        separation_null([v], design, arrangements, dimensions=2, centre="own")[0] for v in (x, 5 * x @ turn)
    )
    np.testing.assert_allclose(plain, turned, atol=1e-9)
    wide = x.copy()
    wide[design.labels == 1] *= 4  # a wide category
    spread = separation_null([wide], design, arrangements, dimensions=2, centre="own")[0]
    np.testing.assert_allclose(plain, spread, atol=1e-9)


def test_directions_sum_to_nothing_in_every_category_and_stratum():
    design = design_of(16, 12, 14, strata=2)
    x = np.random.default_rng(3).standard_normal((42, 10)) + 5 * np.eye(10)[design.labels]
    rows = directions(centred(x, design, "own"))
    model = np.hstack([np.eye(3)[design.labels], np.eye(2)[design.strata]])
    np.testing.assert_allclose(model.T @ rows, 0.0, atol=0.05)
    again = recentred(rows, design, "own")
    np.testing.assert_allclose(again, rows - model @ np.linalg.lstsq(model, rows, rcond=None)[0], atol=1e-12)


def test_a_spatial_median_is_not_moved_by_how_far_a_far_text_lies():
    design = design_of(5, 5)
    x = np.random.default_rng(4).standard_normal((10, 3))
    x[0] *= 100
    near, far = (directions(centred(x * np.r_[scale, np.ones(9)][:, None], design, "own")) for scale in (1, 50))
    np.testing.assert_allclose(near, far, atol=0.02)


def test_texts_that_do_not_differ_have_no_direction():
    x = np.zeros((3, 2))
    x[0, 0] = 5.0
    np.testing.assert_array_equal(directions(x), [[1, 0], [0, 0], [0, 0]])


def test_a_text_in_its_own_subspace_and_in_no_other():
    design = design_of(6, 6)
    rows = spherical(along([[0, 1], [2, 3]], design, noise=1e-9), design, "own")
    own, other = held(rows, design, bases(rows, design, 2))
    np.testing.assert_allclose(own, 1.0, atol=1e-6)
    np.testing.assert_allclose(other, 0.0, atol=1e-6)


def test_shares_in_other_subspaces_are_averaged_over_them():
    design = design_of(2, 2, 2)
    spaces = [np.eye(3)[:, [k]] for k in range(3)]
    rows = np.tile(np.sqrt([0.5, 0.3, 0.2]), (6, 1))
    own, other = held(rows, design, spaces)
    np.testing.assert_allclose(own, [0.5, 0.5, 0.3, 0.3, 0.2, 0.2])
    np.testing.assert_allclose(other, [0.25, 0.25, 0.35, 0.35, 0.4, 0.4])


def test_categories_weigh_the_same_whatever_their_size():
    design = design_of(2, 6)
    own = np.r_[np.full(2, 0.8), np.full(6, 0.4)][:, None]
    other = np.full((8, 1), 0.3)
    drawn = resample_groups(design.cells, count=3, rng=np.random.default_rng(0))
    found = log_ratio_of_means(own, other, design, drawn)
    np.testing.assert_allclose(found.value, np.log(0.6 / 0.3))


@pytest.mark.parametrize("clusters", [False, True])
def test_influences_are_derivatives_by_multiplicity(clusters):
    rng = np.random.default_rng(4)
    labels = [f"c{k}" for k in np.tile([0, 0, 1, 1], 6)]
    blocks = [f"b{i // 4}" for i in range(24)]
    design = Design.of(labels, None, blocks) if clusters else Design.of(labels)
    own, other = rng.uniform(0.2, 0.9, (2, 24, 2))
    drawn = resample(design, count=4, rng=rng)
    found = log_ratio_of_means(own, other, design, drawn)
    for row in range(5):
        for unit in np.flatnonzero(drawn.times[row])[:4]:
            moved = [drawn.times[[row]].copy() for _ in range(2)]
            for times, step in zip(moved, (-1e-6, 1e-6), strict=True):
                times[0, unit] += step
            low, high = (
                log_ratio_of_means(own, other, design, type(drawn)(times, drawn.groups)).value[0] for times in moved
            )
            np.testing.assert_allclose(found.influence[row, unit], (high - low) / 2e-6, rtol=1e-5, atol=1e-7)
    assert (standard_errors(found, drawn) > 0).all()


def test_labels_that_mean_nothing_are_found_in_about_one_of_twenty_and_other_subspaces_always():
    design, hits = design_of(10, 10, 10), 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        x = along([[0, 1]] * 3, design, size=1.5, noise=1.0, seed=seed)
        x += 3 * np.eye(8)[5 + design.labels] + np.where(design.labels[:, None] == 2, 2 * x, 0)  # places and spread
        arrangements = relabellings(design, budget=99, rng=rng, blind="jointly")
        null, tolerance = separation_null([x], design, arrangements, dimensions=2, centre="own")
        hits += (null >= null[0] - tolerance).mean() <= 0.05
    assert hits <= 14
    x = along([[0, 1], [2, 3], [4, 5]], design, noise=1.0)
    null, _ = separation_null([x], design, relabellings(design, budget=99, rng=rng), dimensions=2, centre="own")
    assert (null[1:] < null[0]).all()
