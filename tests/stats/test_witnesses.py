"""Agreement with other software, where no test beside it has it yet: recorded numbers of R, and libraries run live."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit
from scipy.stats import binom, bootstrap, false_discovery_control, permutation_test
from sklearn.datasets import load_iris

from modclaims.hypothesis import Hypothesis
from modclaims.measured import Measured
from modclaims.outcome import Outcome
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.replicates import Replicates, standard_errors
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import (
    Arrangements,
    Design,
    count_arrangements,
    index_permutations,
    relabellings,
    sign_flips,
)
from modclaims.stats.chance.multiplicity import adjust, clopper_pearson, combined, weigh_cells
from modclaims.stats.chance.permutation import ROUNDED, Pairs, anosim_null, delta_null, f_null, gap_null
from modclaims.stats.effects.pair_effects import cliffs_delta, gap
from modclaims.stats.effects.rivals import category_ss, distances_to_centroid, freedman_lane, permanova, pseudo_f2_null
from modclaims.stats.effects.superiority import superior
from modclaims.stats.evidence import Cell, Evidence, NullTest
from modclaims.stats.nulls.null_objects import mean_replicates
from modclaims.summaries import summarise
from modclaims.verdict import judge

Floats = NDArray[np.float64]


def distances(x: Floats) -> Floats:
    return np.asarray(np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2)))


def observed(a: Design) -> Arrangements:
    return Arrangements(a.labels[None].astype(np.int16), True, 1)


def permanova_null(squared: Floats, pairs: Pairs, a: Design, arrangements: Arrangements) -> Floats:
    """(arrangement, cell) pseudo-F, from our sums of squares inside categories."""
    within = category_ss(squared, pairs, a, arrangements.labels)[0].sum(axis=1)
    return np.asarray((squared.sum(axis=0) / a.n - within) / within)


def p_of(null: Floats) -> float:
    """p of row 0 of one cell, ties within 1e-9."""
    return float(weigh_cells(null.reshape(-1, 1), np.full(1, 1e-9)).p[0])


def agree(p: float, q: float, draws: int, others: int) -> bool:
    """Whether two Monte Carlo p-values differ by no more than their errors allow."""
    mean = (p + q) / 2
    return abs(p - q) <= 4 * math.sqrt(mean * (1 - mean) * (1 / draws + 1 / others)) + 2 / min(draws, others)


# ---- recorded: vegan 2.6-4 under R 4.2.2


def r_normals(seed: int, count: int) -> Floats:
    """What `set.seed(seed); rnorm(count)` gives in R: Mersenne Twister, by inversion of 2^27 steps."""
    word, words = seed, []
    for _ in range(50 + 625):
        word = (69069 * word + 1) % 2**32
        words.append(word)
    twister = np.random.MT19937()
    twister.state = {"bit_generator": "MT19937", "state": {"key": np.array(words[51:], np.uint32), "pos": 624}}
    uniform = twister.random_raw(2 * count) * 2.3283064365386963e-10
    return np.asarray(ndtri((np.floor(2.0**27 * uniform[::2]) + uniform[1::2]) / 2.0**27))


@lru_cache
def made(name: str) -> tuple[Floats, Design]:
    """Coordinates, one row per text, and categories, as R makes them."""
    if name == "spread only":  # set.seed(1): 30 texts around one place in 20 dimensions, the first 6 of them of sd 3
        sd = np.repeat([3.0, 1.0], [6, 24])
        return r_normals(1, 600).reshape(20, 30).T * sd[:, None], Design.of(["a"] * 6 + ["b"] * 24)
    # set.seed(4): 40 texts of sd 1 around one place in 10 dimensions
    return r_normals(4, 400).reshape(10, 40).T, Design.of([c for c in "abcd" for _ in range(10)])


def test_normal_numbers_are_those_of_r() -> None:
    np.testing.assert_allclose(r_normals(1, 3), [-0.626453810742332, 0.183643324222082, -0.835628612410047], rtol=1e-12)


@pytest.mark.parametrize(
    ("name", "f", "r2", "ss", "omega2", "f2"),
    # adonis2(dist(x) ~ group): F, R2, SumOfSqs; from these and its parts omega^2 and F2 (Anderson, Walsh & Clarke 2017)
    [
        (
            "spread only",
            3.46699885295518,
            0.110178885160177,
            (176.417425619635, 1424.7734501381, 1601.19087575773),
            0.075984813506427,
            1.10562083358001,
        ),
        (
            "nothing",
            0.509695857346881,
            0.0407440646966281,
            (14.8209176192029, 348.935563958087, 363.75648157729),
            -0.0381766743167505,
            0.509695857346882,
        ),
    ],
)
def test_multivariate_effects_are_vegans(
    name: str, f: float, r2: float, ss: tuple[float, float, float], omega2: float, f2: float
) -> None:
    x, a = made(name)
    pairs = Pairs.of(a)
    squared = pairs.matrix([distances(x) ** 2])
    found = permanova(squared, pairs, a)
    within, total = float(category_ss(squared, pairs, a, observed(a).labels)[0].sum()), float(squared.sum()) / a.n
    assert found.f[0] == pytest.approx(f, rel=1e-9)
    assert found.r2[0] == pytest.approx(r2, rel=1e-9)
    assert found.omega2[0] == pytest.approx(omega2, rel=1e-9)
    np.testing.assert_allclose((total - within, within, total), ss, rtol=1e-9)
    assert pseudo_f2_null(squared, pairs, a, observed(a))[0][0, 0] == pytest.approx(f2, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "f", "means"),
    # betadisper(dist(x), group, type = "centroid")
    [
        ("spread only", 192.728786842379, (12.4948829257211, 4.28689597127051)),
        ("nothing", 0.840333155710931, (2.9826653914958, 2.99441812542635, 2.95600304742524, 2.60213764672664)),
    ],
)
def test_distances_to_centroids_are_vegans(name: str, f: float, means: tuple[float, ...]) -> None:
    x, a = made(name)
    found = distances_to_centroid([distances(x) ** 2], a)
    np.testing.assert_allclose([found[a.labels == c].mean() for c in range(a.k)], means, rtol=1e-9)
    assert f_null(found, a, observed(a))[0][0, 0] == pytest.approx(f, rel=1e-9)


@pytest.mark.parametrize(("name", "r"), [("spread only", 0.911702940053456), ("nothing", -0.0589444444444445)])
def test_pooled_delta_is_vegans_anosim_r(name: str, r: float) -> None:
    x, a = made(name)
    pairs = Pairs.of(a)
    one = Resamples(np.ones((1, a.n)), a.cells)
    found = cliffs_delta(pairs.matrix([-distances(x)]), a, pairs, one, pooled=True)
    assert found.value[0, 0] == pytest.approx(r, rel=1e-9)


def test_sums_of_squares_of_flowers_are_vegans() -> None:
    x, species = load_iris(return_X_y=True)
    a = Design.of([str(s) for s in species])
    pairs = Pairs.of(a)
    squared = pairs.matrix([distances(x) ** 2])
    within, total = float(category_ss(squared, pairs, a, observed(a).labels)[0].sum()), float(squared.sum()) / a.n
    # adonis2(dist(iris[, 1:4]) ~ Species)$SumOfSqs
    np.testing.assert_allclose((total - within, within, total), (592.0732, 89.2974, 681.3706), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "between", "within"),
    # mean of dist(x) between groups, and mrpp(dist(x), group)$classdelta; of its weights none is ours at unequal sizes
    [
        ("flowers", 3.32259258618565, (0.696816879083905, 0.997360673311613, 1.17678080105286)),
        ("spread only", 14.5890779192375, (19.4396665588719, 6.19162174378297)),
    ],
)
def test_the_gap_is_the_mean_between_less_the_plain_mean_of_vegans_class_deltas(
    name: str, between: float, within: tuple[float, ...]
) -> None:
    if name == "flowers":
        x, species = load_iris(return_X_y=True)
        a = Design.of([str(s) for s in species])
    else:
        x, a = made(name)
    pairs = Pairs.of(a)
    vector = pairs.vector(distances(x))
    assert gap(-vector[:, None], a, pairs)[0] == pytest.approx(between - np.mean(within), rel=1e-9)
    same, first = a.labels[pairs.i] == a.labels[pairs.j], a.labels[pairs.i]
    parts = [gap(np.where(same & (first == c), vector, 0.0)[:, None], a, pairs)[0] for c in range(a.k)]
    np.testing.assert_allclose(np.array(parts) * a.k, within, rtol=1e-9)


def test_the_gap_of_nothing_is_the_mean_between_less_vegans_delta() -> None:
    x, a = made("nothing")
    pairs = Pairs.of(a)
    found = gap(pairs.matrix([-distances(x)]), a, pairs)[0]
    assert found == pytest.approx(4.19163044417936 - 4.30810287733686, rel=1e-9)  # mrpp(dist(x), group)$delta


@pytest.mark.parametrize(
    ("name", "anosim", "adonis", "mrpp"),
    # p of anosim and adonis2 from 99,999 draws, of mrpp from 9,999
    [("spread only", 1e-5, 0.00062, None), ("nothing", 0.96463, 0.98818, 0.9942)],
)
def test_drawn_p_are_vegans_within_monte_carlo_error(
    name: str, anosim: float, adonis: float, mrpp: float | None
) -> None:
    x, a = made(name)
    pairs, drawn = Pairs.of(a), relabellings(a, budget=9999, rng=rng(1))
    similarities = pairs.matrix([-distances(x)])
    assert agree(p_of(anosim_null(similarities, pairs, a, drawn)), anosim, 9999, 99_999)
    assert agree(p_of(permanova_null(similarities**2, pairs, a, drawn)), adonis, 9999, 99_999)
    if mrpp is not None:
        assert agree(p_of(gap_null(similarities, pairs, a, drawn)[0]), mrpp, 9999, 9999)


# ---- recorded: p.adjust, binom.test and permp (statmod 1.5.0) under R 4.2.2


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (
            (0.01, 0.01, 0.01, 0.04, 0.04, 0.5, 0.5, 1),
            {
                "holm": (0.08, 0.08, 0.08, 0.2, 0.2, 1, 1, 1),
                "bh": (0.08 / 3, 0.08 / 3, 0.08 / 3, 0.064, 0.064, 0.571428571428571, 0.571428571428571, 1),
                "by": (0.0724761904761905, 0.0724761904761905, 0.0724761904761905, 0.173942857142857, 0.173942857142857, 1, 1, 1),
            },
        ),
        ((0.03,), {"holm": (0.03,), "bh": (0.03,), "by": (0.03,)}),
    ],
)  # fmt: skip
def test_corrections_of_tied_p_and_of_a_single_one_are_those_of_r(
    p: tuple[float, ...], expected: dict[Any, tuple[float, ...]]
) -> None:
    for correction, adjusted in expected.items():
        np.testing.assert_allclose(adjust(np.array(p), correction), adjusted, rtol=1e-12)


@pytest.mark.parametrize(
    ("count", "draws", "low", "high"),
    [
        (10, 999, 0.00481033119529022, 0.0183314973998465),
        (50, 999, 0.0373729991994692, 0.065455410795348),
        (499, 999, 0.468034218809044, 0.530967737585402),
        (0, 9999, 0, 0.000368856793495189),
        (1, 9999, 2.53203079623378e-06, 0.000557092694482776),
        (48, 9999, 0.00354155302100477, 0.0063597589050092),
        (999, 9999, 0.0940992945376829, 0.105954876359216),
    ],
)
def test_further_monte_carlo_intervals_are_those_of_r(count: int, draws: int, low: float, high: float) -> None:
    np.testing.assert_allclose(clopper_pearson(count, draws, 0.95), (low, high), rtol=1e-12)


@pytest.mark.parametrize(
    ("exceeding", "draws", "first", "second", "exact"),
    [
        (0, 99, 4, 4, 0.00170888539017212),
        (5, 99, 4, 4, 0.0457413847516082),
        (1, 999, 4, 4, 2.30152225856475e-13),
        (0, 999, 6, 4, 4.07816255872639e-05),
        (50, 999, 6, 4, 0.048619047619042),
        (5, 999, 10, 4, 0.00550050329288547),
        (50, 99, 20, 4, 0.50995294560512),
    ],
)
def test_p_of_draws_is_never_below_that_of_statmod_which_knows_the_partitions(
    exceeding: int, draws: int, first: int, second: int, exact: float
) -> None:
    partitions = count_arrangements(Design.of(["a"] * first + ["b"] * second), blind="jointly")
    averaged = binom.cdf(exceeding, draws, np.arange(1, partitions + 1) / partitions).mean()
    assert averaged == pytest.approx(exact, rel=1e-9)
    null = np.zeros((draws + 1, 1))
    null[0], null[1 : exceeding + 1] = 1.0, 2.0
    assert weigh_cells(null).p[0] == (exceeding + 1) / (draws + 1) >= exact


@pytest.mark.parametrize(
    ("first", "second", "labellings", "partitions"),
    [
        (10, 10, 184_756, 92_378),
        (10, 20, 30_045_015, 30_045_015),
        (20, 20, 137_846_528_820, 68_923_264_410),
    ],
)
def test_counts_too_large_to_list_are_those_of_statmod(
    first: int, second: int, labellings: int, partitions: int
) -> None:
    design = Design.of(["a"] * first + ["b"] * second)
    assert count_arrangements(design) == labellings
    assert count_arrangements(design, blind="jointly") == partitions


# ---- live: scikit-bio


def clouds(seed: int, labels: str, shift: float = 0.45, dimensions: int = 12) -> tuple[Floats, Design]:
    a = Design.of(list(labels))
    x = rng(seed).normal(size=(a.n, dimensions))
    return x + shift * np.eye(a.k, dimensions)[a.labels], a


@pytest.mark.parametrize("labels", ["aaaaaaaabbbbbbbbcccccccc", "aaaaaaaaaaaabbbbbbbbcccc"])
def test_drawn_p_are_scikit_bios_within_monte_carlo_error(labels: str) -> None:
    from skbio.stats.distance import DistanceMatrix, anosim
    from skbio.stats.distance import permanova as witness

    for seed in range(3):
        x, a = clouds(seed, labels)
        pairs, drawn = Pairs.of(a), relabellings(a, budget=4999, rng=rng(seed))
        matrix = distances(x)
        theirs = [
            float(test(DistanceMatrix(matrix), list(labels), permutations=4999, seed=seed)["p-value"])
            for test in (anosim, witness)
        ]
        ours = [
            p_of(anosim_null(pairs.matrix([-matrix]), pairs, a, drawn)),
            p_of(permanova_null(pairs.matrix([matrix**2]), pairs, a, drawn)),
        ]
        for p, q in zip(ours, theirs, strict=True):
            assert agree(p, q, 4999, 4999)


def test_spread_in_all_dimensions_is_scikit_bios_once_its_ordination_keeps_them() -> None:
    from skbio.stats.distance import DistanceMatrix, permdisp

    labels = "aaaaaaaabbbbbbcccccc"
    x, a = clouds(5, labels, dimensions=30)
    matrix = distances(x)
    ours = f_null(distances_to_centroid([matrix**2], a), a, observed(a))[0][0, 0]
    whole, cut = (
        permdisp(DistanceMatrix(matrix), list(labels), test="centroid", permutations=0, dimensions=d)["test statistic"]
        for d in (a.n, 10)
    )
    assert ours == pytest.approx(whole, rel=1e-9)
    assert ours != pytest.approx(cut, rel=1e-2)


def test_pooled_delta_without_a_text_is_scikit_bios_r_of_the_others() -> None:
    from skbio.stats.distance import DistanceMatrix, anosim

    labels = "aaaabbbbbccc"
    x, a = clouds(6, labels)
    pairs, matrix = Pairs.of(a), distances(x)
    left_out = Resamples(np.concatenate([np.ones((1, a.n)), 1 - np.eye(a.n)]), a.cells)
    found = cliffs_delta(pairs.matrix([-matrix]), a, pairs, left_out, pooled=True).value[1:, 0]
    for i, delta in enumerate(found):
        others = np.delete(np.arange(a.n), i)
        r = anosim(DistanceMatrix(matrix[np.ix_(others, others)]), a.labels[others], permutations=0)["test statistic"]
        assert delta == pytest.approx(r, rel=1e-12)


def test_without_a_proxy_what_is_left_beyond_it_is_mantels_r_with_the_categories() -> None:
    from skbio.stats.distance import DistanceMatrix, mantel

    x, a = clouds(7, "aaaabbb", shift=1.0)
    pairs, matrix = Pairs.of(a), distances(x)
    unlike = (a.labels[:, None] != a.labels).astype(float)
    r = mantel(DistanceMatrix(matrix), DistanceMatrix(unlike), permutations=0)[0]
    every = np.array(list(permutations(range(7))))
    t = freedman_lane(pairs.matrix([-matrix]), [], pairs, a, every).null
    assert t[0, 0] == pytest.approx(r * math.sqrt((len(pairs) - 2) / (1 - r**2)), rel=1e-9)

    def statistic(first: Floats, second: Floats) -> float:
        groups = [g.astype(int) for g in (first, second)]
        inside = [matrix[np.ix_(g, g)][np.triu_indices(len(g), 1)] for g in groups]
        return float(matrix[np.ix_(*groups)].mean() - np.concatenate(inside).mean())

    # the p of scikit-bio 0.7.4, .044, loses ties to rounding: each labelling comes in 144 of the 5,040 orders
    witness = permutation_test(
        (np.arange(4.0), np.arange(4.0, 7.0)), statistic, vectorized=False, n_resamples=np.inf, alternative="greater"
    )
    assert p_of(t) == pytest.approx(witness.pvalue) == 2 / 35
    drawn = index_permutations(a, draws=9999, rng=rng(2))
    p = p_of(freedman_lane(pairs.matrix([-matrix]), [], pairs, a, drawn).null)
    assert abs(p - 2 / 35) <= 4 * math.sqrt(2 / 35 * 33 / 35 / 9999) + 2 / 9999


# ---- live: scipy


@pytest.mark.parametrize("null", [delta_null, anosim_null])
def test_the_exact_delta_null_is_scipys(null: Callable[..., Floats]) -> None:
    a = Design.of(list("aaaabbb"))
    pairs = Pairs.of(a)
    matrix = np.round(distances(clouds(8, "aaaabbb", shift=1.0)[0]), 1)  # with ties
    i, j = np.triu_indices(7, 1)

    def statistic(first: Floats, second: Floats) -> float:
        labels = np.zeros(7, dtype=int)
        labels[second.astype(int)] = 1
        between = matrix[i, j][labels[i] != labels[j]]
        within = [matrix[i, j][(labels[i] == k) & (labels[j] == k)] for k in (0, 1)]
        if null is anosim_null:
            within = [np.concatenate(within)]
        return float(np.mean([np.sign(between[:, None] - one).mean() for one in within]))

    witness = permutation_test(
        (np.arange(4.0), np.arange(4.0, 7.0)),
        statistic,
        permutation_type="independent",
        vectorized=False,
        n_resamples=np.inf,
        alternative="greater",
    )
    found = null(pairs.matrix([-matrix]), pairs, a, relabellings(a, budget=99, rng=rng()))
    np.testing.assert_allclose(np.sort(found[:, 0]), np.sort(witness.null_distribution), atol=1e-13)
    tests = weigh_cells(found, np.array([ROUNDED]))
    assert tests.p[0] == pytest.approx((witness.null_distribution >= witness.statistic - ROUNDED).mean())


def test_the_exact_null_of_sign_flips_is_scipys() -> None:
    differences = rng(9).normal(size=8) + 0.5
    witness = permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="greater"
    )
    signs, exact = sign_flips(8, budget=999, rng=rng())
    null = signs @ differences / 8
    assert exact
    np.testing.assert_allclose(np.sort(null), np.sort(witness.null_distribution), atol=1e-13)
    assert p_of(null) == pytest.approx(witness.pvalue)


def test_the_first_step_of_maxt_is_scipys_test_of_the_largest_standardised_statistic() -> None:
    a = Design.of(list("aaaabbbb"))
    y = rng(10).normal(size=(8, 5)) * [1, 1, 5, 1, 0.2] + np.outer(a.labels, [0, 1.2, 0, 0, 0.1])

    def means(first: Floats, second: Floats, axis: int) -> Floats:
        return np.asarray((second.mean(axis=axis) - first.mean(axis=axis)) ** 2)

    each = permutation_test((y[:4], y[4:]), means, n_resamples=np.inf, axis=0, alternative="greater")
    centre, spread = each.null_distribution.mean(axis=0), each.null_distribution.std(axis=0)

    def largest(first: Floats, second: Floats) -> float:
        t = means(y[first.astype(int)], y[second.astype(int)], 0)
        return float(((t - centre) / spread).max())

    whole = permutation_test(
        (np.arange(4.0), np.arange(4.0, 8.0)), largest, vectorized=False, n_resamples=np.inf, alternative="greater"
    )
    every = relabellings(a, budget=99, rng=rng())
    null = np.stack([means(y[row == 0], y[row == 1], 0) for row in every.labels])
    tests = weigh_cells(null, 1e-12 * null.max(axis=0))
    np.testing.assert_allclose(tests.p, each.pvalue)
    assert tests.p_adjusted.min() == pytest.approx(whole.pvalue)
    np.testing.assert_allclose(np.sort(tests.max_null), np.sort(whole.null_distribution), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_false_discovery_rates_are_scipys(seed: int) -> None:
    p = np.round(rng(seed).beta(0.5, 3, size=144), 3).clip(1e-3)  # with ties
    np.testing.assert_allclose(adjust(p, "bh"), false_discovery_control(p, method="bh"), rtol=1e-12)
    np.testing.assert_allclose(adjust(p, "by"), false_discovery_control(p, method="by"), rtol=1e-12)


def test_the_complete_bootstrap_of_a_mean_has_the_closed_standard_error() -> None:
    x = np.array([2.1, 3.4, 1.9, 7.7, 4.2])
    picks = np.array(list(product(range(5), repeat=5)))
    times = np.stack([np.bincount(row, minlength=5) for row in picks]).astype(float)
    resamples = Resamples(np.concatenate([np.ones((1, 5)), times]), np.zeros(5, dtype=np.int64))
    found = mean_replicates(x[:, None], resamples)
    values, influence = found.value[1:, 0], found.influence[0, :, 0]
    # R 4.2.2 over all 3,125 resamples: standard error, acceleration, type 7 quantiles
    assert values.std() == pytest.approx(0.938338957946434, rel=1e-12)
    assert standard_errors(found, resamples)[0, 0] == pytest.approx(0.938338957946434 * math.sqrt(5 / 4), rel=1e-12)
    assert (influence**3).sum() / (6 * (influence**2).sum() ** 1.5) == pytest.approx(0.0703370561789759, rel=1e-12)
    np.testing.assert_allclose(np.quantile(values, (0.025, 0.975)), (2.28, 5.88), rtol=1e-12)


def test_the_standard_error_of_a_difference_of_means_is_scipys_bootstraps() -> None:
    x, y = rng(11).exponential(size=14), rng(12).normal(size=9)
    groups = np.repeat([0, 1], [14, 9])
    sample = Resamples(np.ones((1, 23)), groups)
    first, second = (mean_replicates(v[:, None], Resamples(np.ones((1, len(v))), groups)) for v in (x, y))
    influence = np.concatenate([first.influence, -second.influence], axis=1)
    both = Replicates(first.value - second.value, influence, first.centre - second.centre)
    ours = standard_errors(both, sample)[0, 0]
    unbiased = math.sqrt(x.var(ddof=1) / 14 + y.var(ddof=1) / 9)  # a resample's variance is (n - 1) / n of it
    theirs = bootstrap(
        (x, y), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), n_resamples=20_000, rng=rng(13)
    ).standard_error
    plug_in = math.sqrt(x.var() / 14 + y.var() / 9)
    assert ours == pytest.approx(unbiased, rel=1e-12)
    assert theirs == pytest.approx(plug_in, rel=0.03)
    assert theirs == pytest.approx(ours * plug_in / unbiased, rel=0.03)


def test_at_one_standard_error_for_all_resamples_bounds_are_scipys_basic_interval() -> None:
    x = rng(14).exponential(size=30)
    theirs = bootstrap((x,), np.mean, method="basic", confidence_level=0.9, n_resamples=1999, rng=rng(15))
    drawn = np.sort(theirs.bootstrap_distribution)
    bounds = Bounds(np.array([x.mean()]), np.ones(1), (drawn - x.mean())[:, None])
    # theirs lies between two order statistics, ours is the outer one of them
    assert bounds.lower(0.05)[0] == pytest.approx(2 * x.mean() - drawn[1899])
    assert bounds.lower(0.05)[0] <= theirs.confidence_interval.low <= 2 * x.mean() - drawn[1898]
    assert bounds.upper(0.05)[0] == pytest.approx(2 * x.mean() - drawn[99])
    assert 2 * x.mean() - drawn[100] <= theirs.confidence_interval.high <= bounds.upper(0.05)[0]


# ---- live: pingouin


def student_bounds(difference: float, se: float, df: float) -> Bounds:
    """Bounds whose t* are the quantiles of Student's law, as Gaussian data would have them."""
    return Bounds(np.array([difference]), np.array([se]), stdtrit(df, np.arange(1, 20_000) / 20_000)[:, None])


@pytest.mark.parametrize("seed", range(4))
def test_superiority_is_pingouins_common_language_effect_size(seed: int) -> None:
    from pingouin import compute_effsize

    x, y = np.round(rng(seed).normal(size=11), 1), np.round(rng(seed + 9).normal(size=17) + 0.4, 1)  # with ties
    design = Design.of(["x"] * len(x) + ["y"] * len(y))
    theta = superior(np.concatenate([x, y])[:, None], design, "x").theta[0, 0]
    assert theta == pytest.approx(float(compute_effsize(x, y, eftype="CLES")), rel=1e-12)


@pytest.mark.parametrize("bound", [0.1, 0.3, 0.5])
def test_an_effect_inside_two_one_sided_bounds_is_equivalent_to_pingouin(bound: float) -> None:
    from pingouin import tost, ttest

    x, species = load_iris(return_X_y=True)
    versicolor, virginica = x[species == 1, 1], x[species == 2, 1]
    row = ttest(versicolor, virginica, correction=True).iloc[0]
    difference = float(versicolor.mean() - virginica.mean())
    bounds = student_bounds(difference, difference / float(row["T"]), float(row["dof"]))
    p = float(tost(versicolor, virginica, bound=bound, correction=True)["pval"].iloc[0])
    # refuted are both "at least `bound`" and its mirror image, "at most -bound"
    assert max(bounds.p_upper(bound)[0], bounds.p_lower(-bound)[0]) == pytest.approx(p, abs=1e-4)


def test_levels_and_bounds_of_sepal_widths_are_those_of_rs_one_sided_tests() -> None:
    # t.test(versicolor, virginica) on iris$Sepal.Width, R 4.2.2: Welch, limits -.3 and .3
    bounds = student_bounds(-0.204, -0.204 / ((1.50859329422203 - 7.92011479466568) / 2), 97.9268266997934)
    np.testing.assert_allclose(
        (bounds.lower(0.05)[0], bounds.upper(0.05)[0]), (-0.309670663033593, -0.0983293369664069), rtol=1e-9
    )
    assert bounds.p_lower(-0.3)[0] == pytest.approx(0.0673112001776358, abs=1e-4)
    assert bounds.p_lower(-0.1)[0] == pytest.approx(0.947297614162381, abs=1e-4)
    assert bounds.p_upper(0.3)[0] == pytest.approx(1.88472075958201e-12, abs=1e-4)


# ---- three-sided verdicts (Goeman, Solari & Stijnen 2010)


class AtLeast(Hypothesis):
    """The effect is at least a tenth."""

    smallest_effect = 0.1

    def requests(self, shape: Any) -> tuple[Any, ...]:
        return ()

    def measure(self, look: Any) -> Measured:
        raise AssertionError("summarised from evidence at hand; never weighed")


def ended(low: float, high: float, significant: bool) -> Outcome:
    """How the claim ends where its 90 % interval is (low, high), draws taken to be without error."""
    t = ndtri(np.arange(1, 10_000) / 10_000)[:, None]
    bounds = Bounds(np.array([(low + high) / 2]), np.array([(high - low) / 2 / float(ndtri(0.95))]), t)
    assert bounds.lower(0.05)[0] == pytest.approx(low)
    assert bounds.upper(0.05)[0] == pytest.approx(high)
    null = np.zeros((1000, 1))
    null[0], null[1 : 1 if significant else 500] = 1.0, 2.0
    test = NullTest.of("gap", null, np.zeros(1), exact=True, action="exchanging topic")
    found = summarise(AtLeast(), Evidence((Cell(),), "effect", bounds, test, 48), 0.05)
    sure = replace(found, mc_plus=(found.p_plus,) * 2, mc_minus=(found.p_minus,) * 2)
    return judge({"AtLeast": sure}, alpha=0.05, correction="none")["AtLeast"].outcome


SUPPORTED, REFUTED, INCONCLUSIVE = Outcome.SUPPORTED, Outcome.REFUTED, Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("low", "high", "significant", "outcome", "mirrored"),
    [
        pytest.param(0.3, 0.5, True, SUPPORTED, REFUTED, id="all of the interval matters"),
        pytest.param(0.101, 0.3, True, SUPPORTED, REFUTED, id="just all of it"),
        pytest.param(0.3, 0.5, False, INCONCLUSIVE, REFUTED, id="it matters, yet chance explains it"),
        pytest.param(0.02, 0.08, True, REFUTED, REFUTED, id="real, too small to matter"),
        pytest.param(-0.05, 0.06, False, REFUTED, REFUTED, id="equivalent to nothing"),
        pytest.param(0.05, 0.25, True, INCONCLUSIVE, REFUTED, id="real, of a size that may or may not matter"),
        pytest.param(-0.05, 0.15, False, INCONCLUSIVE, REFUTED, id="nothing is settled"),
        pytest.param(-0.02, 0.11, False, INCONCLUSIVE, REFUTED, id="just not equivalent"),
        pytest.param(-0.11, 0.02, False, REFUTED, INCONCLUSIVE, id="just not equivalent, on the other side"),
        pytest.param(-0.3, -0.15, True, REFUTED, SUPPORTED, id="the opposite matters"),
        pytest.param(-0.2, 0.2, False, INCONCLUSIVE, INCONCLUSIVE, id="anything goes"),
    ],
)
def test_an_interval_and_its_mirror_image_end_where_a_three_sided_test_says(
    low: float, high: float, significant: bool, outcome: Outcome, mirrored: Outcome
) -> None:
    assert ended(low, high, significant) is outcome
    assert ended(-high, -low, significant) is mirrored


# ---- properties that the statistics share

Null = Callable[[Floats, Design, Arrangements], Floats]


def _delta(x: Floats, a: Design, arrangements: Arrangements) -> Floats:
    pairs = Pairs.of(a)
    return delta_null(pairs.matrix([-distances(x)]), pairs, a, arrangements)


def _f(x: Floats, a: Design, arrangements: Arrangements) -> Floats:
    return f_null(x[:, :1], a, arrangements)[0]


def _f2(x: Floats, a: Design, arrangements: Arrangements) -> Floats:
    pairs = Pairs.of(a)
    return pseudo_f2_null(pairs.matrix([distances(x) ** 2]), pairs, a, arrangements)[0]


def _spread(x: Floats, a: Design, arrangements: Arrangements) -> Floats:
    return f_null(distances_to_centroid([distances(x) ** 2], a), a, arrangements)[0]


STATISTICS: dict[str, Null] = {"delta": _delta, "F": _f, "F2": _f2, "spread": _spread}
DESIGNS = ("aaabbbcc", "aaaabbb", "abcabcab", "aabbbbba")


def count(statistic: str, x: Floats, a: Design, arrangements: Arrangements) -> int:
    """Arrangements at least as extreme as the observed; ties within 1e-8 of it."""
    null = STATISTICS[statistic](x, a, arrangements)
    return int(weigh_cells(null, 1e-8 * np.maximum(1, np.abs(null[0]))).exceed[0])


def every(a: Design, blind: Any = "no") -> Arrangements:
    return relabellings(a, budget=9999, rng=rng(), blind=blind)


@given(st.sampled_from(sorted(STATISTICS)), st.sampled_from(DESIGNS), st.permutations("abc"), st.integers(0, 99))
def test_neither_names_nor_order_of_texts_nor_scale_change_an_exact_count(
    statistic: str, labels: str, names: list[str], seed: int
) -> None:
    x, a = clouds(seed, labels, dimensions=3)
    here = count(statistic, x, a, every(a))
    renamed = Design.of([dict(zip("abc", names, strict=True))[v] for v in labels])
    assert count(statistic, x, renamed, every(renamed)) == here
    order = rng(seed + 1).permutation(a.n)
    shuffled = Design.of([labels[i] for i in order])
    assert count(statistic, x[order], shuffled, every(shuffled)) == here
    assert count(statistic, 2.0 ** (seed % 9 - 4) * x + 7, a, every(a)) == here


@given(st.sampled_from(("delta", "F2")), st.sampled_from(DESIGNS), st.integers(0, 99))
def test_partitions_give_the_p_of_all_labellings_to_delta_and_f2(statistic: str, labels: str, seed: int) -> None:
    x, a = clouds(seed, labels, dimensions=3)
    parts = every(a, blind="jointly")
    whole = count(statistic, x, a, every(a)) / count_arrangements(a)
    assert count(statistic, x, a, parts) / parts.total == pytest.approx(whole)


@given(st.sampled_from(sorted(STATISTICS)), st.sampled_from(DESIGNS), st.integers(0, 99))
def test_a_drawn_count_is_never_none_and_agrees_with_the_exact_one(statistic: str, labels: str, seed: int) -> None:
    x, a = clouds(seed, labels, shift=1.5, dimensions=3)
    whole = every(a)
    exact = count(statistic, x, a, whole) / whole.total
    drawn = relabellings(a, budget=whole.total - 1, rng=rng(seed))
    rows = len(drawn.labels)
    found = count(statistic, x, a, drawn)
    assert not drawn.exact
    assert 1 <= found <= rows
    assert abs(found / rows - exact) <= 4.5 * math.sqrt(exact * (1 - exact) / rows) + 2 / rows


@given(st.integers(0, 9999), st.integers(2, 6))
def test_adjusted_p_by_minp_are_ordered_like_raw_ones(seed: int, cells: int) -> None:
    null = rng(seed).normal(size=(40, cells)) * rng(seed + 1).uniform(0.1, 9, cells)
    null[0] += rng(seed + 2).uniform(0, 3, cells) * null.std(axis=0)
    found = weigh_cells(null, by="minP")
    assert (np.diff(found.p_adjusted[np.argsort(found.p, kind="stable")]) >= 0).all()
    assert (found.p_adjusted >= found.p).all()
    assert found.p_adjusted.min() == pytest.approx(combined(null)["tippett"])  # one test, told of the same smallest p


@given(st.integers(0, 9999), st.integers(1, 6))
def test_combined_p_know_neither_scale_nor_order_of_cells(seed: int, cells: int) -> None:
    null = rng(seed).normal(size=(30, cells)) + rng(seed + 1).normal(size=(30, 1))
    order = rng(seed + 2).permutation(cells)
    here, there = combined(null), combined((np.exp(null) * 2.0 ** rng(seed + 3).integers(-5, 5, cells))[:, order])
    assert here == pytest.approx(there)
    assert all(1 / 30 <= p <= 1 for p in here.values())
    if cells == 1:
        assert set(here.values()) == {weigh_cells(null).p[0]}
