"""Levels of similarity: by hand, by lists of drawn copies, by finite differences, and what leaves them as they are."""

import re
from itertools import combinations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from modclaims.errors import ClaimError
from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.permutation import Pairs
from modclaims.stats.effects.levels import LEVELS, compared, level_replicates
from modclaims.stats.effects.pair_effects import gap

UNEVEN = Design.of(list("aaaabbbcc"))
STRATA = Design.of(list("aaabbbaabbcc"), list("xxxxxxyyyyyy"))
CLUSTERS = Design.of(list("aabbaabbaaabab"), None, [f"b{i // 4}" for i in range(12)] + ["b3", "b3"])
DESIGNS = {"free": UNEVEN, "strata": STRATA, "clusters": CLUSTERS}


def similarities(n, cells=2, seed=0):
    x = np.random.default_rng(seed).normal(size=(cells, n, 5))
    found = x @ x.transpose(0, 2, 1)
    return [m + np.diag(np.random.default_rng(seed + 1).normal(size=n)) for m in found]


def copies(similarity, design, level, category, times):
    """The level from an explicit list of the copies that were drawn: pairs of different units of one stratum."""
    if design.members:
        drawn = [(u, copy) for c, t in enumerate(times) for copy in range(int(t)) for u in design.members[c]]
    else:
        drawn = [(u, copy) for u, t in enumerate(times) for copy in range(int(t))]
    sizes = np.array([[((design.labels == k) & (design.strata == h)).sum() for k in range(design.k)] for h in range(9)])
    names, total, weight = design.names, 0.0, 0.0

    def counts(h):
        """How many kinds of pairs a stratum of the sample holds."""
        pairs = [(k, k) for k in range(design.k) if sizes[h, k] > 1]
        if level == "different_category":
            pairs = [(k, m) for k, m in combinations(range(design.k), 2) if sizes[h, k] and sizes[h, m]]
        return len([p for p in pairs if category is None or category in (names[p[0]], names[p[1]])])

    if level == "same_text":
        values = [similarity[u, u] for u, _ in drawn if category in (None, names[design.labels[u]])]
        return np.mean(values)
    for (i, a), (j, b) in combinations(drawn, 2):
        if i == j or design.strata[i] != design.strata[j] or (design.members and a != b):
            continue
        k, m, h = design.labels[i], design.labels[j], design.strata[i]
        if category is not None and category not in (names[k], names[m]):
            continue
        if (level == "same_category" and k != m) or (level == "different_category" and k == m):
            continue
        w = 1.0
        if level == "same_category":
            w = 1 / (counts(h) * sizes[h, k] * (sizes[h, k] - 1) / 2)
        if level == "different_category":
            w = 1 / (counts(h) * sizes[h, k] * sizes[h, m])
        total, weight = total + w * similarity[i, j], weight + w
    return total / weight if weight else np.nan


def test_a_case_worked_by_hand():
    design = Design.of(["a", "a", "a", "b", "b"])
    s = np.array(
        [
            [9.0, 0.5, 0.7, 0.1, 0.2],
            [0.5, 8.0, 0.6, 0.3, 0.0],
            [0.7, 0.6, 7.0, 0.2, 0.1],
            [0.1, 0.3, 0.2, 6.0, 0.4],
            [0.2, 0.0, 0.1, 0.4, 5.0],
        ]
    )
    found = {}
    for level in LEVELS:
        drawn = Resamples(np.array([[1.0] * 5, [2, 1, 0, 1, 1]]), design.cells)
        found[level] = level_replicates([s], compared(design, level), design, drawn).value[:, 0]
    assert_allclose(found["same_text"], [7.0, (9 + 9 + 8 + 6 + 5) / 5])
    # the three pairs of a weigh together as much as the one of b; drawn, the pair (0, 1) twice a third, and b's one once
    assert_allclose(found["same_category"], [(0.6 + 0.4) / 2, (2 * 0.5 / 3 + 0.4) / (2 / 3 + 1)])
    assert_allclose(found["different_category"], [0.9 / 6, (2 * 0.3 + 0.3) / 6])
    assert_allclose(found["other_text"], [(1.8 + 0.9 + 0.4) / 10, (2 * 0.5 + 2 * 0.3 + 0.3 + 0.4) / 9])


def test_of_one_category_only_pairs_with_it_count():
    design = Design.of(["a", "a", "b", "b", "c"])
    assert_allclose(compared(design, "same_text", "b"), np.diag([0, 0, 1, 1, 0]))
    other = compared(design, "other_text", "c")
    assert other.sum() == 8 and (other[4, :4] == 1).all() and other[4, 4] == 0
    assert (compared(design, "different_category", "c")[:4, :4] == 0).all()
    assert_allclose(np.argwhere(compared(design, "same_category", "b")), [[2, 3], [3, 2]])


@pytest.mark.parametrize("category", [None, "a"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", DESIGNS)
def test_values_are_those_of_lists_of_drawn_copies(name, level, category):
    design = DESIGNS[name]
    drawn = resample(design, count=25, rng=np.random.default_rng(3))
    s = similarities(design.n)
    found = level_replicates(s, compared(design, level, category), design, drawn)
    by_hand = [[copies(m, design, level, category, times) for m in s] for times in drawn.times]
    assert_allclose(found.value, by_hand, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("category", [None, "a"])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", DESIGNS)
def test_influences_are_derivatives_by_multiplicities(name, level, category):
    design, step = DESIGNS[name], 1e-5
    weights, s = compared(design, level, category), similarities(design.n)
    drawn = resample(design, count=4, rng=np.random.default_rng(5))
    found = level_replicates(s, weights, design, drawn)
    for unit in range(drawn.times.shape[1]):
        sides = []
        for sign in (1, -1):
            moved = drawn.times.copy()
            moved[:, unit] += sign * step
            sides.append(level_replicates(s, weights, design, Resamples(moved, drawn.groups)).value)
        slope = (sides[0] - sides[1]) / (2 * step)
        held = (drawn.times[:, unit] > 0) & np.isfinite(found.value[:, 0])
        assert_allclose(found.influence[held, unit], slope[held], atol=1e-6)
        assert (found.influence[drawn.times[:, unit] == 0, unit] == 0).all()


@pytest.mark.parametrize("name", ["free", "strata"])
def test_same_minus_different_category_is_the_gap(name):
    """The project's own gap, from pairs and not from matrices."""
    design = Design.of(list("aaaabbbcc")) if name == "free" else Design.of(list("aaabbbaabbcc"), list("xxxxxxyyyyyy"))
    s, pairs = similarities(design.n, 3), Pairs.of(design)
    only = resample(design, count=0, rng=np.random.default_rng(0))
    same, other = (
        level_replicates(s, compared(design, level), design, only).value[0]
        for level in ("same_category", "different_category")
    )
    assert_allclose(same - other, gap(pairs.matrix(s), design, pairs))


def test_unequal_sizes_make_no_effect_of_unequal_spread():
    """Where a pair's similarity is the sum of what its texts' categories bring, categories differ in spread alone."""
    design = Design.of(["a"] * 8 + ["b"] * 3 + ["c"] * 2)
    own = np.array([0.4, -0.3, 0.05])[design.labels]
    s = [own[:, None] + own]
    only = resample(design, count=0, rng=np.random.default_rng(0))
    same, other = (
        level_replicates(s, compared(design, level), design, only).value[0, 0]
        for level in ("same_category", "different_category")
    )
    assert same == pytest.approx(other)


@pytest.mark.parametrize("level", LEVELS)
def test_the_centre_is_what_resamples_come_out_at(level):
    """Pairs inside a category are drawn less often than others, which moves a level of both."""
    design = Design.of(list("aaabbbccc"))
    alike = (design.labels[:, None] == design.labels).astype(float)
    s = [alike + 0.3 * similarities(9)[0]]
    drawn = resample(design, count=40_000, rng=np.random.default_rng(1))
    found = level_replicates(s, compared(design, level), design, drawn)
    error = np.nanstd(found.value[1:]) / 200
    assert abs(np.nanmean(found.value[1:, 0]) - found.centre[0]) < 4 * error + 0.005
    if level == "other_text":
        assert found.value[0, 0] - found.centre[0] > 0.03


@pytest.mark.parametrize("level", LEVELS)
def test_order_of_units_and_scale_change_nothing(level):
    order = np.random.default_rng(2).permutation(STRATA.n)
    s, drawn = similarities(STRATA.n), resample(STRATA, count=30, rng=np.random.default_rng(4))
    plain = bootstrap_t(level_replicates(s, compared(STRATA, level), STRATA, drawn), drawn)
    names = np.array(STRATA.names)[STRATA.labels]
    turned = Design.of(names[order].tolist(), STRATA.strata[order].astype(str).tolist())
    moved = Resamples(drawn.times[:, order], turned.cells)
    again = level_replicates([m[np.ix_(order, order)] for m in s], compared(turned, level), turned, moved)
    other = bootstrap_t(again, moved)
    assert_allclose(other.theta, plain.theta)
    assert_allclose(other.t, plain.t, rtol=1e-8)
    scaled = bootstrap_t(level_replicates([5 * m + 3 for m in s], compared(STRATA, level), STRATA, drawn), drawn)
    assert_allclose(scaled.theta, 5 * plain.theta + 3)
    assert_allclose(scaled.t, plain.t, rtol=1e-6)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", DESIGNS)
def test_similarities_that_differ_by_rounding_have_no_spread(name, level):
    design = DESIGNS[name]
    s = [1 + 1e-16 * np.random.default_rng(0).integers(-4, 5, size=(design.n, design.n))]
    drawn = resample(design, count=50, rng=np.random.default_rng(0))
    found = bootstrap_t(level_replicates(s, compared(design, level), design, drawn), drawn)
    assert found.se[0] == 0 and not found.bounded[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("same_author",),
            "Level 'same_author' is unknown; choose one of same_text, same_category, different_category",
        ),
        (("same_text", "z"), "Category 'z' is none of those compared: a, b"),
        (("same_category", "b"), "No texts of one category can be compared inside one stratum"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments, message):
    with pytest.raises(ClaimError, match=re.escape(message)):
        compared(Design.of(["a", "a", "b"]), *arguments)
