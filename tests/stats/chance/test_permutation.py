"""Null distributions of many cells: the gap, Cliff's delta and F under every arrangement."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from draws import rng
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import f_oneway, permutation_test
from sklearn.datasets import load_iris

from modclaims.stats.chance import permutation
from modclaims.stats.chance.actions import Arrangements, Design, relabellings
from modclaims.stats.chance.multiplicity import weigh_cells
from modclaims.stats.chance.permutation import (
    ROUNDED,
    Pairs,
    anosim_null,
    cheaper_by_vectors,
    degrees_of_freedom,
    delta_null,
    doubled_midranks,
    f_null,
    gap_null,
    gap_null_from_vectors,
)

Floats = NDArray[np.float64]

DESIGNS = {
    "equal": ("aaabbbccc", "xxxxxxxxx"),
    "unequal": ("aaaabbccc", "xxxxxxxxx"),
    "a lonely text": ("aaaabbbbc", "xxxxxxxxx"),
    "equal strata": ("aabbaabb", "xxxxyyyy"),
    "unequal strata": ("aabbbaaabcc", "xxxxxyyyyyy"),
    "scattered strata": ("abcabbcaabca", "xyxyxyxxyxyy"),
    "a stratum of one category": ("aabbaaa", "xxxxyyy"),
}


def design(name: str) -> Design:
    labels, strata = DESIGNS[name]
    return Design.of(list(labels), list(strata))


def random_similarities(n: int, cells: int, seed: int = 0, decimals: int | None = None) -> list[Floats]:
    found = []
    for matrix in rng(seed).normal(size=(cells, n, n)):
        both = (matrix + matrix.T) / 2
        found.append(both if decimals is None else np.round(both, decimals))
    return found


def all_of(a: Design, budget: int = 99999) -> Arrangements:
    return relabellings(a, budget=budget, rng=rng())


def slow_gap(matrix: Floats, labels: NDArray[np.integer], strata: NDArray[np.integer]) -> float:
    """Mean of category means within - mean of category-pair means between, averaged over strata that have both."""
    gaps = []
    for h in np.unique(strata):
        groups = [np.flatnonzero((strata == h) & (labels == k)) for k in np.unique(labels)]
        groups = [g for g in groups if len(g)]
        within = [np.mean([matrix[i, j] for i, j in combinations(g, 2)]) for g in groups if len(g) > 1]
        between = [matrix[np.ix_(g, h)].mean() for g, h in combinations(groups, 2)]
        if within and between:
            gaps.append(np.mean(within) - np.mean(between))
    return float(np.mean(gaps))


def slow_delta(matrix: Floats, labels: NDArray[np.integer], strata: NDArray[np.integer], pooled: bool = False) -> float:
    """P(within > between) - P(within < between), averaged over strata.

    In a stratum over all pairs of pairs (`pooled`), or averaged over categories and pairs of categories.
    """
    found = []
    for h in np.unique(strata):
        within: dict[tuple[int, ...], list[float]] = {}
        between: dict[tuple[int, ...], list[float]] = {}
        for i, j in combinations(np.flatnonzero(strata == h), 2):
            kind = () if pooled else tuple(sorted((labels[i], labels[j])))
            (within if labels[i] == labels[j] else between).setdefault(kind, []).append(matrix[i, j])
        if within and between:
            parts = [(w, b) for w in within.values() for b in between.values()]
            found.append(np.mean([np.mean([np.sign(x - y) for x in w for y in b]) for w, b in parts]))
    return float(np.mean(found))


# ---- bad input


def test_a_cell_that_is_not_finite_spoils_no_other() -> None:
    a = design("unequal")
    pairs, matrices = Pairs.of(a), random_similarities(9, 3)
    clean, _ = gap_null(pairs.matrix(matrices), pairs, a, all_of(a))
    matrices[1] = matrices[1].copy()
    matrices[1][0, 3] = matrices[1][3, 0] = np.nan
    spoiled, _ = gap_null(pairs.matrix(matrices), pairs, a, all_of(a))
    np.testing.assert_allclose(spoiled[:, [0, 2]], clean[:, [0, 2]], atol=1e-14)
    assert np.isnan(spoiled[:, 1]).all()


def test_similarities_that_do_not_vary_have_no_gap() -> None:
    a = design("unequal")
    pairs = Pairs.of(a)
    null, tolerance = gap_null(np.full((len(pairs), 1), 0.7), pairs, a, all_of(a))
    assert (np.abs(null) <= tolerance).all()


def test_responses_that_do_not_vary_have_no_f() -> None:
    a = design("unequal")
    null, tolerance = f_null(np.stack([np.full(9, 0.1), np.full(9, 1e9)], axis=1), a, all_of(a))
    assert not null.any()
    assert not tolerance.any()


def test_strata_in_which_nothing_can_be_compared_have_no_pairs() -> None:
    pairs = Pairs.of(design("a stratum of one category"))
    assert len(pairs) == 6
    assert len(pairs.members) == 1


# ---- by hand


def hand_matrix() -> tuple[Design, Floats]:
    matrix = np.zeros((4, 4))
    for (i, j), value in zip(combinations(range(4), 2), (9, 1, 2, 3, 4, 7), strict=True):
        matrix[i, j] = matrix[j, i] = value
    return Design.of(list("aabb")), matrix


def test_gap_and_delta_of_four_texts_by_hand() -> None:
    a, matrix = hand_matrix()
    pairs, every = Pairs.of(a), relabellings(a, budget=99, rng=rng(), blind="within_strata")
    similarities = pairs.matrix([matrix])
    gaps, _ = gap_null(similarities, pairs, a, every)
    deltas = delta_null(similarities, pairs, a, every)
    # aabb: within 9, 7; between 1, 2, 3, 4. abab: within 1, 4; between 9, 2, 3, 7. abba: within 2, 3; between 9, 1, 4, 7
    named = {tuple(row): i for i, row in enumerate(every.labels.tolist())}
    order = [named[0, 0, 1, 1], named[0, 1, 0, 1], named[0, 1, 1, 0]]
    np.testing.assert_allclose(gaps[order, 0], [8 - 2.5, 2.5 - 21 / 4, 2.5 - 21 / 4], atol=1e-14)
    np.testing.assert_array_equal(deltas[order, 0], [1, -1 / 2, -1 / 2])


def test_doubled_midranks_are_whole_and_share_ties() -> None:
    ranks = doubled_midranks(np.array([0.3, 0.1, 0.1 + 0.2, 0.7, 0.1]))
    assert ranks.tolist() == [7, 3, 7, 10, 3]  # .1 + .2 is .3 but for rounding
    assert doubled_midranks(1 + 1e-15 * np.arange(5)).tolist() == [6] * 5  # whose range is rounding


def test_f_of_six_texts_by_hand() -> None:
    # category means 1, 2, 6 around 3: SSA = 2 (4 + 1 + 9) = 28; SSE = 6 x 1 = 6; F = (28 / 2) / (6 / 3)
    a = Design.of(list("aabbcc"))
    null, _ = f_null(np.array([[0.0, 2.0, 1.0, 3.0, 5.0, 7.0]]).T, a, all_of(a))
    assert null[0, 0] == pytest.approx(7)
    assert degrees_of_freedom(a) == (2, 3)


def test_a_perfect_fit_is_the_largest_f_and_ties_with_its_like_only() -> None:
    a = Design.of(list("aaabbbccc"))
    every = relabellings(a, budget=9999, rng=rng(), blind="jointly")
    for offset in (0.0, 1.0, 1000.0):
        y = (np.array([0.1, 0.2, 0.7])[a.labels] + offset)[:, None]
        null, tolerance = f_null(y, a, every)
        tests = weigh_cells(null, tolerance)
        assert np.isfinite(null).all()
        assert null.argmax() == 0
        assert tests.exceed.tolist() == [1]
        assert tests.degenerate == ()


def test_category_sums_are_chosen_where_texts_are_many_and_dimensions_few() -> None:
    assert cheaper_by_vectors(units=2000, dimensions=64, categories=4, strata=1)
    assert not cheaper_by_vectors(units=100, dimensions=64, categories=4, strata=1)
    assert not cheaper_by_vectors(units=2000, dimensions=64, categories=4, strata=2)


# ---- witnesses


@pytest.mark.parametrize("name", DESIGNS)
def test_gap_and_delta_equal_brute_force_under_every_arrangement(name: str) -> None:
    a = design(name)
    pairs, every = Pairs.of(a), all_of(a)
    matrices = [*random_similarities(a.n, 2), *random_similarities(a.n, 1, seed=5, decimals=0)]
    similarities = pairs.matrix(matrices)
    gaps, tolerance = gap_null(similarities, pairs, a, every)
    deltas, pooled = delta_null(similarities, pairs, a, every), anosim_null(similarities, pairs, a, every)
    picked = rng(1).permutation(len(every.labels))[:40]
    for row in [0, *picked]:
        for c, matrix in enumerate(matrices):
            assert gaps[row, c] == pytest.approx(slow_gap(matrix, every.labels[row], a.strata), abs=1e-13)
            assert deltas[row, c] == pytest.approx(slow_delta(matrix, every.labels[row], a.strata), abs=1e-13)
            assert pooled[row, c] == pytest.approx(slow_delta(matrix, every.labels[row], a.strata, True), abs=1e-13)
    np.testing.assert_allclose(tolerance, 100 * np.finfo(float).eps * np.abs(similarities).max(axis=0))


@pytest.mark.parametrize("name", ["equal", "unequal", "scattered strata"])
def test_small_chunks_give_the_same_null(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    a = design(name)
    pairs, every = Pairs.of(a), all_of(a)
    similarities, responses = pairs.matrix(random_similarities(a.n, 2)), rng().normal(size=(a.n, 3))
    whole = (
        gap_null(similarities, pairs, a, every)[0],
        delta_null(similarities, pairs, a, every),
        f_null(responses, a, every)[0],
    )
    monkeypatch.setattr(permutation, "CHUNK_BYTES", 64)
    parts = (
        gap_null(similarities, pairs, a, every)[0],
        delta_null(similarities, pairs, a, every),
        f_null(responses, a, every)[0],
    )
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["equal", "unequal", "a lonely text"])
def test_category_sums_give_the_null_of_pairs_at_every_cell(name: str) -> None:
    a = design(name)
    pairs, every = Pairs.of(a), all_of(a)
    vectors = [rng(seed).normal(size=(a.n, 3)) for seed in range(3)]
    similarities = pairs.matrix([v @ v.T for v in vectors])
    slow, tolerance = gap_null(similarities, pairs, a, every)
    fast, same = gap_null_from_vectors(vectors, similarities, pairs, a, every)
    np.testing.assert_allclose(fast, slow, atol=1e-12)
    np.testing.assert_array_equal(same, tolerance)


def test_pooled_delta_is_scikit_bios_anosim_r() -> None:
    from skbio.stats.distance import DistanceMatrix, anosim

    for name in ("equal", "unequal", "a lonely text"):
        a = design(name)
        pairs = Pairs.of(a)
        for decimals in (None, 0):
            distance = np.abs(random_similarities(a.n, 1, seed=3, decimals=decimals)[0])
            np.fill_diagonal(distance, 0.0)
            witness = anosim(DistanceMatrix(distance), [str(v) for v in a.labels], permutations=0)
            ours = anosim_null(pairs.matrix([-distance]), pairs, a, all_of(a))[0, 0]
            assert ours == pytest.approx(witness["test statistic"], rel=1e-12)


def test_ties_between_distances_of_flowers_are_ties_whatever_rounding_says() -> None:
    from skbio.stats.distance import DistanceMatrix, anosim

    x, species = load_iris(return_X_y=True)
    a = Design.of([str(s) for s in species])
    pairs = Pairs.of(a)
    observed = Arrangements(a.labels[None].astype(np.int16), True, 1)
    tenths = np.rint(10 * x)  # whole numbers, so that equal distances are equal
    whole = ((tenths[:, None] - tenths[None]) ** 2).sum(axis=2)
    rounded = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
    exact = anosim(DistanceMatrix(whole), a.labels, permutations=0)["test statistic"]
    ours = delta_null(pairs.matrix([-rounded]), pairs, a, observed)[0, 0]
    assert ours == pytest.approx(exact, rel=1e-12)
    # vegan 2.6-4 (anosim on dist(iris[, 1:4])) and scikit-bio 0.7.4 rank the rounded distances and split ties
    assert ours == pytest.approx(0.879381551020408, rel=2e-4)


def test_counts_over_all_4200_labellings_are_twice_those_over_partitions() -> None:
    a = Design.of(list("aaaabbbccc"))
    pairs = Pairs.of(a)
    x = rng(4).normal(size=(10, 3)) + 1.1 * a.labels[:, None]
    distance = np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))
    similarities = pairs.matrix([-distance])
    every = relabellings(a, budget=9999, rng=rng())
    blind = relabellings(a, budget=9999, rng=rng(), blind="within_strata")
    slow = np.array([slow_delta(-distance, row, a.strata) for row in blind.labels])
    count = int((slow >= slow[0] - 1e-9).sum())
    assert 1 < count < 1000
    slack = np.array([ROUNDED])
    assert weigh_cells(delta_null(similarities, pairs, a, blind), slack).exceed[0] == count
    assert weigh_cells(delta_null(similarities, pairs, a, every), slack).exceed[0] == 2 * count
    gaps = [weigh_cells(*gap_null(similarities, pairs, a, some)).exceed[0] for some in (blind, every)]
    assert gaps[1] == 2 * gaps[0]


def test_the_exact_gap_null_is_scipys() -> None:
    a = Design.of(list("aaaabbbb"))
    pairs, matrix = Pairs.of(a), random_similarities(8, 1, seed=2)[0]
    matrix[:4, :4] += 0.6
    matrix[4:, 4:] += 0.6

    def statistic(first: Floats, second: Floats) -> float:
        labels = np.empty(8, dtype=int)
        labels[first.astype(int)], labels[second.astype(int)] = 0, 1
        return slow_gap(matrix, labels, a.strata)

    witness = permutation_test(
        (np.arange(4.0), np.arange(4.0, 8.0)),
        statistic,
        permutation_type="independent",
        vectorized=False,
        n_resamples=np.inf,
        alternative="greater",
    )
    null, tolerance = gap_null(pairs.matrix([matrix]), pairs, a, all_of(a))
    np.testing.assert_allclose(np.sort(null[:, 0]), np.sort(witness.null_distribution), atol=1e-13)
    assert weigh_cells(null, tolerance).p[0] == pytest.approx(witness.pvalue)
    assert 0 < witness.pvalue < 0.3


def test_the_exact_f_null_is_scipys() -> None:
    a = Design.of(list("aaabbbcc"))
    y = rng(6).normal(size=8) + 0.8 * a.labels
    witness = permutation_test(
        tuple(y[a.labels == k] for k in range(3)),
        lambda *groups: f_oneway(*groups).statistic,
        permutation_type="independent",
        vectorized=False,
        n_resamples=np.inf,
        alternative="greater",
    )
    null, tolerance = f_null(y[:, None], a, all_of(a))
    np.testing.assert_allclose(np.sort(null[:, 0]), np.sort(witness.null_distribution), rtol=1e-9)
    assert weigh_cells(null, tolerance).p[0] == pytest.approx(witness.pvalue)


def statsmodels_f(y: Floats, labels: NDArray[np.integer], strata: NDArray[np.integer]) -> tuple[float, float, float]:
    """F of category, and its degrees of freedom, in the additive model category + stratum."""
    import pandas as pd
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    table = pd.DataFrame({"y": y, "label": labels.astype(str), "stratum": strata.astype(str)})
    formula = "y ~ C(label)" + (" + C(stratum)" if len(np.unique(strata)) > 1 else "")
    row = anova_lm(ols(formula, table).fit(), typ=2)
    return float(row.loc["C(label)", "F"]), float(row.loc["C(label)", "df"]), float(row.loc["Residual", "df"])


@pytest.mark.parametrize(
    "name", ["equal", "unequal", "a lonely text", "equal strata", "unequal strata", "scattered strata"]
)
def test_f_is_that_of_statsmodels_under_every_arrangement(name: str) -> None:
    a = design(name)
    every, y = all_of(a), rng(8).normal(size=(a.n, 2)) + a.strata[:, None]
    null, _ = f_null(y, a, every)
    for row in [0, *rng(2).permutation(len(every.labels))[:6]]:
        for c in range(2):
            f, df1, df2 = statsmodels_f(y[:, c], every.labels[row], a.strata)
            assert null[row, c] == pytest.approx(f, rel=1e-9)
    assert degrees_of_freedom(a) == (df1, df2)


def test_ties_that_rounding_hides_count_as_extreme() -> None:
    # similarities in tenths: many arrangements have exactly the same gap, but their sums round apart
    a = Design.of(list("aaabbbb"))
    pairs, every = Pairs.of(a), all_of(a)
    hidden = 0
    for seed in range(20):
        tenths = rng(seed).integers(0, 4, size=len(pairs))
        null, tolerance = gap_null(tenths[:, None] / 10, pairs, a, every)
        exact = []
        for row in every.labels:
            groups: dict[tuple[int, int], list[int]] = {}
            for i, j, value in zip(pairs.i, pairs.j, tenths, strict=True):
                k, m = sorted((int(row[i]), int(row[j])))
                groups.setdefault((k, m), []).append(int(value))
            mean = {key: Fraction(sum(v), len(v)) for key, v in groups.items()}
            exact.append((mean[0, 0] + mean[1, 1]) / 2 - mean[0, 1])
        assert weigh_cells(null, tolerance).exceed[0] == sum(g >= exact[0] for g in exact)
        hidden += int((null[:, 0] >= null[0, 0]).sum()) != sum(g >= exact[0] for g in exact)
    assert hidden > 0  # without the tolerance some of these counts would be wrong


def test_f_ties_that_rounding_hides_count_as_extreme() -> None:
    a = Design.of(list("aaabbbcc"))
    every = all_of(a)
    for seed in range(10):
        whole = rng(seed).integers(0, 3, size=8)
        whole[0] = 5
        null, tolerance = f_null((whole / 10 + 7.3)[:, None], a, every)
        exact = []
        for row in every.labels:
            groups = [[int(v) for v in whole[row == k]] for k in range(3)]
            exact.append(sum(Fraction(sum(g) ** 2, len(g)) for g in groups))
        assert weigh_cells(null, tolerance).exceed[0] == sum(s >= exact[0] for s in exact)


# ---- properties


@given(st.sampled_from(sorted(DESIGNS)), st.floats(0.1, 50), st.floats(-50, 50), st.integers(0, 20))
def test_the_gap_scales_with_similarity_and_knows_no_origin(name: str, scale: float, shift: float, seed: int) -> None:
    a = design(name)
    pairs, every = Pairs.of(a), relabellings(a, budget=60, rng=rng(seed))
    similarities = pairs.matrix(random_similarities(a.n, 1, seed=seed))
    plain, tolerance = gap_null(similarities, pairs, a, every)
    moved, slack = gap_null(scale * similarities + shift, pairs, a, every)
    np.testing.assert_allclose(moved, scale * plain, atol=1e-11 * (scale + abs(shift)))
    assert weigh_cells(plain, tolerance).exceed.tolist() == weigh_cells(moved, slack).exceed.tolist()


@given(st.sampled_from(sorted(DESIGNS)), st.integers(0, 20))
def test_delta_knows_only_the_order_of_similarities(name: str, seed: int) -> None:
    a = design(name)
    pairs, every = Pairs.of(a), relabellings(a, budget=60, rng=rng(seed))
    similarities = pairs.matrix(random_similarities(a.n, 1, seed=seed, decimals=1))
    for null in (delta_null, anosim_null):
        here, there = (null(values, pairs, a, every) for values in (similarities, np.exp(similarities / 3)))
        np.testing.assert_array_equal(here, there)


@given(st.sampled_from(sorted(DESIGNS)), st.permutations("abc"), st.integers(0, 20))
def test_names_of_categories_change_no_p(name: str, names: str, seed: int) -> None:
    labels, strata = DESIGNS[name]
    here = Design.of(list(labels), list(strata))
    there = Design.of([dict(zip("abc", names, strict=True))[v] for v in labels], list(strata))
    matrix = random_similarities(here.n, 1, seed=seed)[0]
    counts = []
    for a in (here, there):
        pairs, every = Pairs.of(a), relabellings(a, budget=60, rng=rng(seed))
        counts.append(weigh_cells(*gap_null(pairs.matrix([matrix]), pairs, a, every)).exceed.tolist())
    assert counts[0] == counts[1]


@given(st.sampled_from(sorted(DESIGNS)), st.integers(0, 20))
def test_the_order_of_texts_changes_no_exact_p(name: str, seed: int) -> None:
    labels, strata = (np.array(list(part)) for part in DESIGNS[name])
    matrix, y = random_similarities(len(labels), 1, seed=seed)[0], rng(seed).normal(size=(len(labels), 1))
    order = rng(seed + 1).permutation(len(labels))
    found = []
    for o in (np.arange(len(labels)), order):
        a = Design.of(list(labels[o]), list(strata[o]))
        pairs = Pairs.of(a)
        blind = relabellings(a, budget=99999, rng=rng(), blind="within_strata")
        joint = relabellings(a, budget=99999, rng=rng(), blind="jointly")
        similarities = pairs.matrix([matrix[np.ix_(o, o)]])
        found.append(
            (
                weigh_cells(*gap_null(similarities, pairs, a, blind)).exceed.tolist(),
                weigh_cells(delta_null(similarities, pairs, a, blind), np.array([1e-12])).exceed.tolist(),
                weigh_cells(*f_null(y[o], a, joint)).exceed.tolist(),
                blind.total,
                joint.total,
            )
        )
    assert found[0] == found[1]


@given(st.sampled_from(sorted(DESIGNS)), st.integers(0, 30))
def test_blind_enumerations_give_the_p_of_full_ones(name: str, seed: int) -> None:
    a = design(name)
    pairs = Pairs.of(a)
    full = all_of(a)
    similarities, y = pairs.matrix(random_similarities(a.n, 1, seed=seed)), rng(seed).normal(size=(a.n, 1))
    alone = relabellings(a, budget=99999, rng=rng(), blind="within_strata")
    joint = relabellings(a, budget=99999, rng=rng(), blind="jointly")
    gap_p = [weigh_cells(*gap_null(similarities, pairs, a, some)).p[0] for some in (full, alone, joint)]
    f_p = [weigh_cells(*f_null(y, a, some)).p[0] for some in (full, joint)]
    assert gap_p == pytest.approx([gap_p[0]] * 3)
    assert f_p == pytest.approx([f_p[0]] * 2)


@given(st.integers(0, 200))
def test_p_is_never_zero_and_never_above_one(seed: int) -> None:
    a = design("unequal")
    pairs, every = Pairs.of(a), relabellings(a, budget=20, rng=rng(seed))
    tests = weigh_cells(*gap_null(pairs.matrix(random_similarities(9, 4, seed=seed)), pairs, a, every))
    for p in (tests.p, tests.p_adjusted):
        assert (p >= 1 / 21).all()
        assert (p <= 1).all()


def test_drawn_and_enumerated_p_agree() -> None:
    a = Design.of(list("aaabbbcccc"))
    pairs = Pairs.of(a)
    similarities, y = pairs.matrix(random_similarities(10, 6, seed=9)), rng(9).normal(size=(10, 6))
    exact, drawn = all_of(a), relabellings(a, budget=4000, rng=rng(3))
    assert exact.exact
    assert not drawn.exact
    for tests in (
        [weigh_cells(*gap_null(similarities, pairs, a, some)) for some in (exact, drawn)],
        [weigh_cells(*f_null(y, a, some)) for some in (exact, drawn)],
    ):
        for p, q in ((tests[0].p, tests[1].p), (tests[0].p_adjusted, tests[1].p_adjusted)):
            assert (np.abs(p - q) <= 4 * np.sqrt(p * (1 - p) / 4000) + 2 / 4000).all()


def test_adding_a_cell_changes_no_other_cells_null() -> None:
    a = Design.of(list("abcd") * 10)
    pairs, drawn = Pairs.of(a), relabellings(a, budget=99, rng=rng())
    similarities = pairs.matrix(random_similarities(a.n, 5))
    many = gap_null(similarities, pairs, a, drawn)[0]
    few = gap_null(similarities[:, :4], pairs, a, drawn)[0]
    np.testing.assert_allclose(many[:, :4], few, atol=1e-14)
