"""Rival explanations: spread instead of location, and shared words."""

from __future__ import annotations

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.datasets import load_iris

from modclaims.stats.chance.actions import Arrangements, Design, index_permutations, relabellings
from modclaims.stats.chance.multiplicity import weigh_cells
from modclaims.stats.chance.permutation import Pairs, f_null
from modclaims.stats.effects.rivals import (
    category_ss,
    distances_to_centroid,
    freedman_lane,
    permanova,
    pseudo_f2_null,
    spline_basis,
    tfidf_similarity,
)
from modclaims.stats.effects.similarity import text_similarity

Floats = NDArray[np.float64]


def squared_distances(x: Floats) -> Floats:
    return np.asarray(((x[:, None] - x[None]) ** 2).sum(axis=2))


def observed(a: Design) -> Arrangements:
    return Arrangements(a.labels[None].astype(np.int16), True, 1)


def points(a: Design, seed: int = 0, dimensions: int = 4) -> Floats:
    return rng(seed).normal(size=(a.n, dimensions)) + 0.5 * a.labels[:, None]


def ss_by_category(x: Floats, labels: NDArray[np.integer], k: int) -> list[float]:
    """Sums of squares around category means, from coordinates."""
    return [
        float(((x[labels == c] - x[labels == c].mean(axis=0)) ** 2).sum()) if (labels == c).any() else 0.0
        for c in range(k)
    ]


def slow_f2(x: Floats, labels: NDArray[np.integer], strata: NDArray[np.integer], k: int) -> float:
    """Anderson, Walsh & Clarke (2017), equation 4, from coordinates; strata summed above and below."""
    above = below = 0.0
    for h in np.unique(strata):
        here, lab = x[strata == h], labels[strata == h]
        n, total = len(here), ((here - here.mean(axis=0)) ** 2).sum()
        ss = ss_by_category(here, lab, k)
        above += total - sum(ss)
        for c in range(k):
            size = (lab == c).sum()
            if size > 1:
                below += (1 - size / n) * ss[c] / (size - 1)
    return float(above / below)


# ---- bad input


def test_a_proxy_that_does_not_vary_explains_nothing() -> None:
    assert spline_basis(np.full(20, 0.3)).shape == (20, 0)


def test_a_proxy_that_knows_the_categories_leaves_no_effect_to_test() -> None:
    a = Design.of(list("aaabbbccc"))
    pairs = Pairs.of(a)
    same = (a.labels[pairs.i] == a.labels[pairs.j]).astype(float)
    found = freedman_lane(rng().normal(size=(36, 2)), [same], pairs, a, index_permutations(a, draws=20, rng=rng()))
    assert not found.null.any()
    assert weigh_cells(found.null).p.tolist() == [1, 1]
    assert found.share_left.tolist() == [0, 0]


def test_similarities_that_do_not_vary_have_no_t() -> None:
    a = Design.of(list("aaabbbccc"))
    pairs = Pairs.of(a)
    found = freedman_lane(
        np.full((36, 1), 0.4), [rng().normal(size=36)], pairs, a, index_permutations(a, draws=9, rng=rng())
    )
    assert weigh_cells(found.null).p[0] == 1
    assert not found.null.any()
    assert np.isnan(found.share_left[0]) and np.isnan(found.r2[0])
    assert np.ptp(found.adjusted) == 0


@pytest.mark.parametrize("size", [1e-6, 0.4, 3e8])
def test_rounding_of_equal_similarities_is_no_difference_however_large_they_are(size: float) -> None:
    a = Design.of(list("aaabbbccc"))
    pairs, draws = Pairs.of(a), index_permutations(a, draws=99, rng=rng())
    wobble = size * (1 + np.finfo(float).eps * rng(1).integers(-4, 5, size=(36, 3)))
    found = freedman_lane(wobble, [rng().normal(size=36)], pairs, a, draws)
    assert weigh_cells(found.null).p.tolist() == [1, 1, 1]


def test_similarities_that_proxies_explain_to_the_last_digit_leave_no_t() -> None:
    a = Design.of(list("aaabbbccc"))
    pairs, draws = Pairs.of(a), index_permutations(a, draws=99, rng=rng())
    proxy = rng().normal(size=36)
    found = freedman_lane(0.3 + 2 * proxy[:, None], [proxy], pairs, a, draws)
    assert weigh_cells(found.null).p[0] == 1
    assert (found.share_left[0], found.r2[0]) == (0, pytest.approx(1))


def test_a_perfect_effect_beyond_proxies_is_the_most_extreme_there_is() -> None:
    a = Design.of(list("aaaabbbbcccc"))
    pairs, draws = Pairs.of(a), index_permutations(a, draws=999, rng=rng())
    same = (a.labels[pairs.i] == a.labels[pairs.j]).astype(float)
    found = freedman_lane(same[:, None], [rng().normal(size=len(pairs))], pairs, a, draws)
    assert found.null[0, 0] == found.null.max() > 100
    assert weigh_cells(found.null).p[0] < 0.01


def test_orders_that_only_swap_names_tie_with_what_was_observed() -> None:
    a = Design.of(list("aabb"))
    pairs = Pairs.of(a)
    orders = np.array([[0, 1, 2, 3], [1, 0, 2, 3], [0, 1, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0], [0, 2, 1, 3]])
    found = freedman_lane(rng().normal(size=(6, 5)), [], pairs, a, orders)
    assert (found.null[:5] == found.null[0]).all()
    assert (found.null[5] != found.null[0]).all()


def test_equal_texts_have_no_f2_and_no_distance_to_their_centre() -> None:
    a = Design.of(list("aaaabbbb"))
    x = rng().normal(size=(1, 2, 50)).repeat(8, axis=0) * (1 + 1e-16 * rng(1).normal(size=(8, 1, 1)))
    squared = text_similarity(x).squared_distance
    assert squared is not None
    f2, _ = pseudo_f2_null(Pairs.of(a).matrix([squared]), Pairs.of(a), a, observed(a))
    assert f2.tolist() == [[0]]
    assert not distances_to_centroid([squared], a).any()


def test_categories_of_one_point_each_have_a_finite_f2_larger_than_any_other() -> None:
    a = Design.of(list("aaaabbbb"))
    squared = squared_distances(np.array([[0.0]] * 4 + [[1.0]] * 4))
    arrangements = relabellings(a, budget=100, rng=rng())
    f2, tolerance = pseudo_f2_null(Pairs.of(a).matrix([squared]), Pairs.of(a), a, arrangements)
    assert np.isfinite(f2).all()
    assert weigh_cells(f2, tolerance).exceed[0] == 2, "itself, and with the names swapped"


# ---- by hand


def test_f2_of_four_numbers_by_hand() -> None:
    # 0, 2 | 4, 8: category means 1 and 6 around 3.5, SSA = 25; V = 2 and 8; F2 = 25 / (1/2 x 2 + 1/2 x 8)
    a = Design.of(list("aabb"))
    squared = squared_distances(np.array([[0.0], [2], [4], [8]]))
    f2, _ = pseudo_f2_null(Pairs.of(a).matrix([squared]), Pairs.of(a), a, observed(a))
    assert f2[0, 0] == pytest.approx(5)


def test_distances_to_the_centroid_of_three_numbers_by_hand() -> None:
    a = Design.of(list("aaabb"))
    found = distances_to_centroid([squared_distances(np.array([[0.0], [3], [6], [1], [2]]))], a)
    np.testing.assert_allclose(found[:, 0], [3, 0, 3, 0.5, 0.5])


def test_texts_share_words_as_far_as_their_rare_words_meet() -> None:
    found = tfidf_similarity(("the cat sat", "the cat sat", "dog", "the dog ran"))
    assert found[0, 1] == pytest.approx(1)
    assert found[0, 2] == 0
    assert 0 < found[0, 3] < found[2, 3] < 1
    np.testing.assert_allclose(np.diag(found), 1)


# ---- witnesses


def test_permanova_of_flowers_is_vegans() -> None:
    x, species = load_iris(return_X_y=True)
    a = Design.of([str(s) for s in species])
    pairs = Pairs.of(a)
    found = permanova(pairs.matrix([squared_distances(x)]), pairs, a)
    # adonis2(dist(iris[, 1:4]) ~ Species), R 4.2.2, vegan 2.6-4; omega^2 from its sums of squares
    assert found.f[0] == pytest.approx(487.3308763749, rel=1e-12)
    assert found.r2[0] == pytest.approx(0.868944448146134, rel=1e-12)
    assert found.omega2[0] == pytest.approx(0.866388963877502, rel=1e-12)
    f2, _ = pseudo_f2_null(pairs.matrix([squared_distances(x)]), pairs, a, observed(a))
    assert f2[0, 0] == pytest.approx(487.3308763749, rel=1e-12)  # equal sizes: the same number


def test_distances_to_the_centroid_of_flowers_are_vegans() -> None:
    x, species = load_iris(return_X_y=True)
    a = Design.of([str(s) for s in species])
    found = distances_to_centroid([squared_distances(x)], a)
    # betadisper(dist(iris[, 1:4]), Species, type = "centroid"), R 4.2.2, vegan 2.6-4
    means = [found[species == k, 0].mean() for k in range(3)]
    np.testing.assert_allclose(means, [0.481705236463268, 0.706870204015219, 0.81933940763489], rtol=1e-10)
    assert f_null(found, a, observed(a))[0][0, 0] == pytest.approx(11.3467569266709, rel=1e-10)


def test_permanovas_f_is_scikit_bios() -> None:
    from skbio.stats.distance import DistanceMatrix
    from skbio.stats.distance import permanova as witness

    for labels in ("aaaabbbbcccc", "aaaaaabbbbcc"):
        a = Design.of(list(labels))
        pairs = Pairs.of(a)
        distance = np.sqrt(squared_distances(points(a)))
        found = permanova(pairs.matrix([distance**2]), pairs, a)
        theirs = witness(DistanceMatrix(distance), list(labels), permutations=0)["test statistic"]
        assert found.f[0] == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    ("labels", "strata"),
    [
        ("aaabbbccc", "xxxxxxxxx"),
        ("aaaabbbcc", "xxxxxxxxx"),
        ("aaaabbbbc", "xxxxxxxxx"),
        ("aaabbaabbbb", "xxxxxyyyyyy"),
    ],
)
def test_f2_and_sums_of_squares_equal_those_of_coordinates_under_every_arrangement(labels: str, strata: str) -> None:
    a = Design.of(list(labels), list(strata))
    pairs, drawn = Pairs.of(a), relabellings(a, budget=25, rng=rng())
    x = [points(a, seed) for seed in range(2)]
    squared = pairs.matrix([squared_distances(v) for v in x])
    f2, _ = pseudo_f2_null(squared, pairs, a, drawn)
    parts = category_ss(squared, pairs, a, drawn.labels)
    for row, lab in enumerate(drawn.labels):
        for c in range(2):
            assert f2[row, c] == pytest.approx(slow_f2(x[c], lab, a.strata, a.k), rel=1e-9)
            for h, part in enumerate(parts):
                here = a.strata == h
                np.testing.assert_allclose(part[row, :, c], ss_by_category(x[c][here], lab[here], a.k), atol=1e-10)


def test_distances_to_centroids_equal_those_of_coordinates() -> None:
    a = Design.of(list("aaabbaabbbbc"), list("xxxxxyyyyyyy"))
    x = points(a)
    expected = np.empty(a.n)
    for cell in np.unique(a.cells):
        where = a.cells == cell
        expected[where] = np.linalg.norm(x[where] - x[where].mean(axis=0), axis=1)
    np.testing.assert_allclose(distances_to_centroid([squared_distances(x)], a)[:, 0], expected, atol=1e-7)


@pytest.mark.parametrize("knots", [0, 3, 6])
def test_the_spline_spans_every_cubic(knots: int) -> None:
    proxy = rng(1).beta(2, 5, size=200)
    basis = np.column_stack([np.ones(200), spline_basis(proxy, knots)])
    assert basis.shape[1] == np.linalg.matrix_rank(basis) == 4 + knots
    cubics = np.stack([proxy**power for power in range(4)], axis=1)
    fit = np.linalg.lstsq(basis, cubics, rcond=None)[0]
    np.testing.assert_allclose(basis @ fit, cubics, atol=1e-12)


def test_the_spline_bends_where_a_cubic_cannot() -> None:
    proxy = np.linspace(0, 1, 300)
    target = np.abs(proxy - 0.5)
    basis = np.column_stack([np.ones(300), spline_basis(proxy)])
    cubic = np.vander(proxy, 4)
    left = [((target - b @ np.linalg.lstsq(b, target, rcond=None)[0]) ** 2).sum() for b in (basis, cubic)]
    assert left[0] < left[1] / 4


def beyond_case(
    seed: int = 0, labels: str = "aaaabbbbccc", strata: str = "xxxxxxxxxxx"
) -> tuple[Design, Pairs, Floats, list[Floats]]:
    a = Design.of(list(labels), list(strata))
    pairs = Pairs.of(a)
    proxies = [rng(seed + 1).uniform(size=len(pairs)), rng(seed + 2).normal(size=len(pairs))]
    same = (a.labels[pairs.i] == a.labels[pairs.j]).astype(float)
    noise = rng(seed + 3).normal(size=(len(pairs), 2))
    return a, pairs, np.sin(4 * proxies[0])[:, None] + 0.4 * same[:, None] * [0, 1] + 0.3 * noise, proxies


@pytest.mark.parametrize(("labels", "strata"), [("aaaabbbbccc", "xxxxxxxxxxx"), ("aaabbbaabbb", "xxxxxxyyyyy")])
def test_freedman_lane_is_an_explicit_refit_of_every_permuted_residual_matrix(labels: str, strata: str) -> None:
    a, pairs, similarities, proxies = beyond_case(labels=labels, strata=strata)
    orders = index_permutations(a, draws=12, rng=rng())
    found = freedman_lane(similarities, proxies, pairs, a, orders)
    stratum = (a.strata[pairs.i][:, None] == np.unique(a.strata)).astype(float)
    reduced = np.concatenate([stratum, *[spline_basis(p) for p in proxies]], axis=1)
    same = (a.labels[pairs.i] == a.labels[pairs.j]).astype(float)
    full = np.concatenate([same[:, None], reduced], axis=1)
    df = len(pairs) - np.linalg.matrix_rank(full)
    inverse = np.linalg.pinv(full.T @ full)
    for c in range(2):
        y = similarities[:, c]
        fit = reduced @ np.linalg.lstsq(reduced, y, rcond=None)[0]
        matrix = np.zeros((a.n, a.n))
        matrix[pairs.i, pairs.j] = matrix[pairs.j, pairs.i] = y - fit
        for row, order in enumerate(orders):
            back = np.argsort(order)  # which text now stands in each place
            again = fit + matrix[np.ix_(back, back)][pairs.i, pairs.j]
            beta = np.linalg.lstsq(full, again, rcond=None)[0]
            s2 = ((again - full @ beta) ** 2).sum() / df
            assert found.null[row, c] == pytest.approx(beta[0] / np.sqrt(s2 * inverse[0, 0]), rel=1e-8)


def test_what_is_left_beyond_proxies_is_that_of_statsmodels_regressions() -> None:
    import statsmodels.api as sm

    a, pairs, similarities, proxies = beyond_case()
    found = freedman_lane(similarities, proxies, pairs, a, index_permutations(a, draws=3, rng=rng()))
    same = (a.labels[pairs.i] == a.labels[pairs.j]).astype(float)
    basis = np.concatenate([np.ones((len(pairs), 1)), *[spline_basis(p) for p in proxies]], axis=1)
    for c in range(2):
        y = similarities[:, c]
        full = sm.OLS(y, np.column_stack([same, basis])).fit()
        bare = sm.OLS(y, np.column_stack([same, np.ones(len(y))])).fit()
        reduced = sm.OLS(y, basis).fit()
        assert found.null[0, c] == pytest.approx(full.tvalues[0], rel=1e-8)
        assert found.share_left[c] == pytest.approx(full.params[0] / bare.params[0], rel=1e-8)
        assert found.r2[c] == pytest.approx(1 - reduced.ssr / reduced.centered_tss, rel=1e-8)
        left = y - basis @ full.params[1:]
        np.testing.assert_allclose(found.adjusted[:, c] - found.adjusted[:, c].mean(), left - left.mean(), atol=1e-9)
        assert found.adjusted[:, c].mean() == pytest.approx(y.mean() + full.params[0] * same.mean(), abs=1e-9)


# ---- properties


def test_a_bent_proxy_that_categories_share_is_no_effect_and_a_real_one_is() -> None:
    curved, real, n_sets = 0, 0, 40
    for seed in range(n_sets):
        a = Design.of(list("abcd") * 6)
        words = rng(seed).normal(size=(a.n, 8)) + 0.6 * np.eye(4, 8)[a.labels]
        pairs = Pairs.of(a)
        proxy = pairs.vector(words @ words.T / 8)
        same = (a.labels[pairs.i] == a.labels[pairs.j]).astype(float)
        texts = rng(seed + 1000).normal(size=a.n)
        noise = 0.2 * (texts[pairs.i] + texts[pairs.j]) + 0.1 * rng(seed + 2000).normal(size=len(pairs))
        both = np.stack([np.exp(1.5 * proxy) + noise, np.exp(1.5 * proxy) + noise + 0.12 * same], axis=1)
        found = freedman_lane(both, [proxy], pairs, a, index_permutations(a, draws=99, rng=rng(seed)))
        p = weigh_cells(found.null).p
        curved, real = curved + (p[0] <= 0.05), real + (p[1] <= 0.05)
    assert curved <= 7  # binomial(40, .05) is beyond 7 in 1 of 1,000
    assert real >= 32


@given(st.integers(0, 99), st.floats(0.01, 100), st.floats(-10, 10))
def test_scale_and_origin_change_no_t_and_no_f2(seed: int, scale: float, shift: float) -> None:
    a, pairs, similarities, proxies = beyond_case(seed)
    orders = index_permutations(a, draws=5, rng=rng(seed))
    here = freedman_lane(similarities, proxies, pairs, a, orders)
    there = freedman_lane(scale * similarities + shift, proxies, pairs, a, orders)
    np.testing.assert_allclose(there.null, here.null, rtol=1e-5, atol=1e-6)
    x = points(a, seed)
    drawn = relabellings(a, budget=5, rng=rng(seed))
    one, other = (
        pseudo_f2_null(pairs.matrix([squared_distances(v)]), pairs, a, drawn)[0] for v in (x, scale * x + shift)
    )
    np.testing.assert_allclose(other, one, rtol=1e-6)


@given(st.integers(0, 99))
def test_a_proxys_own_scale_and_origin_change_no_t(seed: int) -> None:
    a, pairs, similarities, proxies = beyond_case(seed)
    orders = index_permutations(a, draws=5, rng=rng(seed))
    here = freedman_lane(similarities, proxies, pairs, a, orders)
    there = freedman_lane(similarities, [3 * p - 7 for p in proxies], pairs, a, orders)
    np.testing.assert_allclose(there.null, here.null, rtol=1e-6, atol=1e-8)
