"""Halves of the units, and what many splits say together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.bounds.splits import (
    Half,
    MedianBounds,
    halves,
    median_test,
    part,
    picked_and_measured,
    smallest_half,
    too_small_to_split,
)
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.merging import merged_levels, merged_lower
from modclaims.stats.chance.multiplicity import clopper_pearson
from modclaims.stats.evidence import Cell, Evidence, NullTest
from modclaims.stats.quantifiers import at, everywhere, somewhere

Floats = NDArray[np.float64]
GRID = np.arange(-499.0, 500) / 100
"""999 values of t*."""


def clears(p: float) -> float:
    """The estimate (of standard error 1) whose lower bound clears 0 at levels from `p` on; `-clears(p)` falls below."""
    return (501 - round(1000 * p)) / 100 - 0.005


def bounds(*theta: float, ends: tuple[float, float] = (-np.inf, np.inf)) -> Bounds:
    t = np.repeat(GRID[:, None], len(theta), axis=1)
    return Bounds(np.array(theta), np.ones(len(theta)), t, ends=ends)


def one_cell(*theta: float) -> Evidence:
    return Evidence((Cell(),), "difference", MedianBounds.of([bounds(v) for v in theta]), None, 64)


# ---- halves


def test_halves_are_disjoint_whole_and_balanced_in_every_group() -> None:
    design = Design.of(list("aabb" * 8) + ["a"] * 3, list("xyxy" * 8) + ["x"] * 3)
    sizes = set()
    for seed in range(20):
        first, second = halves(design, np.random.default_rng(seed))
        assert sorted([*first.tolist(), *second.tolist()]) == list(range(design.n))
        for g in np.unique(design.cells):
            inside = [int((design.cells[side] == g).sum()) for side in (first, second)]
            assert abs(inside[0] - inside[1]) <= 1
        sizes.add(len(first))
    assert sizes == {17, 18}  # the odd text goes to either side


@pytest.mark.parametrize("grouped", [False, True])
def test_what_picks_and_what_measures_are_given_one_half_each(grouped: bool) -> None:
    design = Design.of(list("aabb" * 4))
    texts = np.arange(32 if grouped else 16)[:, None] * np.ones(3)

    def rows(units: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack([2 * units, 2 * units + 1], axis=1).ravel()

    def pick(half: Half) -> tuple[set[float], int]:
        return set(half.arrays[0][:, 0].tolist()), half.design.n

    def measure(half: Half, picked: tuple[set[float], int]) -> set[float]:
        assert half.design.n + picked[1] == design.n
        assert (rows(half.units) if grouped else half.units).tolist() == half.arrays[0][:, 0].tolist()
        return set(half.arrays[0][:, 0].tolist())

    (first, _), second = picked_and_measured(
        [texts], design, np.random.default_rng(3), pick, measure, rows=rows if grouped else None
    )
    assert not first & second
    assert first | second == set(texts[:, 0])


def test_a_part_keeps_its_units_labels_and_the_names() -> None:
    design = Design.of(list("abababab"), list("xxxxyyyy"))
    half = part(design, np.array([1, 4]))
    assert [half.names[k] for k in half.labels] == ["b", "a"]
    assert half.strata.tolist() == [design.strata[1], design.strata[4]]
    assert part(design, np.array([4, 5, 6, 7])).counts.tolist() == [[2], [2]]  # the other stratum is gone


def test_categories_with_fewer_than_four_of_a_stratum_are_too_small() -> None:
    assert too_small_to_split(Design.of(list("aaaabbb"), None)) == ("b",)
    assert too_small_to_split(Design.of(list("aaaabbbb" * 2), list("x" * 8 + "y" * 8))) == ()


def clustered(*kinds: str) -> Design:
    """A cluster a string, a category a letter; the clusters' units lie apart from each other."""
    names = [
        (label, f"c{c}") for i in range(max(map(len, kinds))) for c, k in enumerate(kinds) for label in k[i : i + 1]
    ]
    return Design.of([label for label, _ in names], None, [cluster for _, cluster in names])


def test_a_half_of_units_drawn_by_themselves_is_what_it_was() -> None:
    first, second = halves(Design.of(list("aabb" * 3)), np.random.default_rng(0))
    assert first.tolist() == [3, 4, 5, 9, 10, 11]
    assert second.tolist() == [0, 1, 2, 6, 7, 8]


def test_no_cluster_lies_in_both_halves_and_each_has_half_of_those_with_its_categories() -> None:
    design = clustered(*["aabb"] * 5, *["bbcc"] * 4, *["aabbcc"] * 4)
    kinds = np.repeat([0, 1, 2], [5, 4, 4])
    sizes, seen = set(), set()
    for seed in range(30):
        first, second = halves(design, np.random.default_rng(seed))
        assert sorted([*first.tolist(), *second.tolist()]) == list(range(design.n))
        mine, others = (np.unique(design.clusters[side]) for side in (first, second))
        assert not set(mine.tolist()) & set(others.tolist())
        assert all(abs((kinds[mine] == k).sum() - (kinds[others] == k).sum()) <= 1 for k in range(3))
        sizes.add(len(mine))
        seen.add(tuple(mine.tolist()))
    assert sizes == {6, 7}  # the odd cluster goes to either side
    assert len(seen) > 25


def test_a_part_keeps_its_clusters_which_are_drawn_and_split_again() -> None:
    design = clustered(*["aabb"] * 9)
    first, _ = halves(design, np.random.default_rng(1))
    half = part(design, first)
    assert [len(m) for m in half.members] == [4] * len(half.members)
    assert len(half.members) in (4, 5)
    assert resample(half, count=3, rng=np.random.default_rng(0)).times.shape == (4, len(half.members))
    for side in halves(half, np.random.default_rng(2)):
        assert part(half, side).n == 4 * len(part(half, side).members)


def test_categories_in_fewer_than_eight_clusters_are_too_small_to_split() -> None:
    assert too_small_to_split(clustered(*["aabb"] * 8)) == ()
    assert too_small_to_split(clustered(*["aabb"] * 7)) == ("a", "b")
    assert too_small_to_split(clustered(*["aabb"] * 7, "aaac")) == ("b", "c")


@pytest.mark.parametrize(
    "design", [clustered(*["aabb"] * 3, *["aabbbb"] * 4, "aab"), Design.of(list("aaabbbbb"), list("xxxxxyyy"))]
)
def test_no_half_is_smaller_than_the_smallest(design: Design) -> None:
    sizes = [min(map(len, halves(design, np.random.default_rng(seed)))) for seed in range(50)]
    assert min(sizes) >= smallest_half(design) > 0


# ---- medians


def test_levels_are_those_of_the_splits_merged() -> None:
    up = somewhere().levels(one_cell(*(clears(p) for p in (0.01, 0.3, 0.02, 0.001, 0.4))), 0.0, 0.05)
    assert up.p is None
    assert up.p_plus == pytest.approx(2 * 0.01)  # of the first four: the lower of the middle two
    down = somewhere().levels(one_cell(*(-clears(p) for p in (0.01, 0.3, 0.02, 0.001))), 0.0, 0.05)
    assert down.p_minus == pytest.approx(2 * 0.01)
    assert somewhere().levels(one_cell(0.0, 0.0, 0.0), 0.0, 0.05).p_plus == 1


def test_a_split_without_an_effect_leaves_that_of_the_others_and_speaks_for_neither_side() -> None:
    rng = np.random.default_rng(0)
    t = rng.standard_normal((999, 1))
    parts = [Bounds(np.array([0.9]), np.array([0.05]), t, ends=(-1.0, 1.0)) for _ in range(19)]
    missing = Bounds(np.array([np.nan]), np.array([np.nan]), t, ends=(-1.0, 1.0))
    found = MedianBounds.of([missing, *parts])
    assert found.effect[0] == pytest.approx(0.9)
    assert found.lower(0.05)[0] <= 0.9 <= found.upper(0.05)[0]
    assert found.p_lower(0.95)[0] == 1  # an effect of .9 clears no .95, whatever some splits say
    most = MedianBounds.of([missing] * 11 + parts[:9])
    assert (most.p_lower(0.1)[0], most.p_upper(0.95)[0]) == (1, 1)
    assert np.isnan(most.lower(0.05)[0])


def test_degenerate_resamples_of_splits_are_merged_as_their_levels_are() -> None:
    spent = [0.2, 0.0, 0.0, 0.3, 0.3, 0.3]
    parts = []
    for share in spent:
        t = np.random.default_rng(1).standard_normal((1000, 1))
        t[: round(1000 * share)] = np.nan
        parts.append(Bounds(np.array([1.0]), np.array([0.1]), t))
    found = MedianBounds.of(parts)
    assert found.undefined[0] == pytest.approx(0.0)  # the first three: 0, 0 and .2
    assert found.sparse(0.05)[0]  # four of six


def test_no_limit_lies_beyond_the_effect() -> None:
    """The first three splits agree on 3, most of all five say 0: the limit of the first stops at what is shown."""
    found = MedianBounds.of([bounds(v) for v in (9.0, 9.0, 0.0, 0.0, 0.0)])
    assert float(found.lower(0.2)[0]) == float(found.effect[0]) == 0.0
    assert found.p_lower(0.1)[0] == 1
    assert found.p_lower(0.0)[0] < 0.2
    low, high = found.lower(0.2)[0], found.upper(0.2)[0]
    assert low <= high


def test_limits_agree_with_levels() -> None:
    found = MedianBounds.of([bounds(v) for v in (0.3, 1.2, 2.5, 3.1, 0.9)])
    for level in (0.01, 0.05, 0.2):
        low, high = float(found.lower(level)[0]), float(found.upper(level)[0])
        assert found.p_lower(low - 1e-9)[0] <= level < found.p_lower(low + 1e-9)[0]
        assert found.p_upper(high + 1e-9)[0] <= level < found.p_upper(high - 1e-9)[0]


def test_the_effect_is_the_median_and_the_interval_says_so() -> None:
    found = one_cell(1.0, 3.0, 2.0)
    assert found.bounds.effect.tolist() == [2.0]
    levels = somewhere().levels(found, 0.0, 0.05)
    assert levels.interval == "90 % interval: merged from 3 splits' limits at level 0.025"


def test_bands_are_merged_from_the_splits_own_bands() -> None:
    rng = np.random.default_rng(0)
    parts = [Bounds(rng.normal(size=3) + 2, np.ones(3), rng.normal(size=(999, 3))) for _ in range(5)]
    found, cells = MedianBounds.of(parts), np.arange(3)
    np.testing.assert_array_equal(found.p_lower(0.5, cells), merged_levels([p.p_lower(0.5, cells) for p in parts]))
    np.testing.assert_array_equal(found.lower(0.1, cells), merged_lower([p.lower(0.05, cells) for p in parts]))


def test_splits_of_which_some_have_no_bound_are_still_weighed() -> None:
    found = one_cell(*[clears(0.01)] * 4, np.nan)
    assert somewhere().levels(found, 0.0, 0.05).p_plus == pytest.approx(0.02)
    nothing = MedianBounds.of([bounds(0.5), bounds(np.nan), bounds(np.nan)])
    assert not nothing.bounded[0]
    assert np.isnan(nothing.lower(0.05)[0])
    assert nothing.p_lower(0.0)[0] == 1


def test_effects_at_the_end_of_the_scale_in_most_splits_have_no_bound() -> None:
    ends = (-1.0, 1.0)
    found = MedianBounds.of([bounds(1.0, ends=ends), bounds(1.0, ends=ends), bounds(0.5, ends=ends)])
    assert not found.bounded[0]


def test_the_monte_carlo_error_is_that_of_a_counted_level_twice() -> None:
    levels = somewhere().levels(one_cell(*[clears(0.02)] * 3), 0.0, 0.05)
    assert levels.p_plus == pytest.approx(0.04)
    assert levels.mc_plus == pytest.approx([2 * v for v in clopper_pearson(19, 999)])


def test_texts_needed_are_those_of_half_the_level() -> None:
    rng = np.random.default_rng(1)
    one = Bounds(np.array([0.1]), np.array([0.1]), rng.normal(size=(1999, 1)), ends=(-1.0, 1.0))
    split = Evidence((Cell(),), "delta", MedianBounds.of([one] * 3), None, 64)
    alone = Evidence((Cell(),), "delta", one, None, 64)
    assert somewhere().levels(split, 0.2, 0.05).texts_to_refute == somewhere().levels(alone, 0.2, 0.025).texts_to_refute


# ---- tests of splits


def made_tests(count: int = 5) -> list[NullTest]:
    rng = np.random.default_rng(2)
    made = []
    for _ in range(count):
        null = rng.normal(size=(200, 3))
        null[0] = (4.0, 2.0, 0.0)
        made.append(NullTest.of("F", null, np.zeros(3), exact=False, action="exchanging topic"))
    return made


def test_p_is_that_of_the_splits_merged() -> None:
    made = made_tests()
    found = median_test(made, 0)
    np.testing.assert_array_equal(found.p, merged_levels([t.p for t in made]))
    np.testing.assert_array_equal(found.p_adjusted, merged_levels([t.p_adjusted for t in made]))
    assert found.p.max() <= 1
    assert found.observed.tolist() == [4.0, 2.0, 0.0]


def test_some_cells_are_corrected_for_these_alone_in_every_split() -> None:
    made = made_tests()
    found, cells = median_test(made, 0), np.array([1])
    expected = merged_levels([t.adjusted_among(cells) for t in made])
    np.testing.assert_allclose(found.adjusted_among(cells), expected)
    evidence = Evidence(
        tuple(Cell(layer=i) for i in range(3)), "omega^2", MedianBounds.of([bounds(5.0, 5.0, 5.0)] * 5), found, 64
    )
    assert at(1).levels(evidence, 0.0, 0.05).p == pytest.approx(float(expected[0]))
    assert everywhere().levels(evidence, 0.0, 0.05).p == pytest.approx(float(found.p.max()))


def test_a_p_that_splits_share_has_twice_the_monte_carlo_error() -> None:
    found = median_test(made_tests(), 0)
    evidence = Evidence(
        tuple(Cell(layer=i) for i in range(3)), "omega^2", MedianBounds.of([bounds(9.0, 0.0, 0.0)] * 5), found, 64
    )
    levels = somewhere().levels(evidence, 0.0, 0.05)
    assert levels.p == pytest.approx(2 / 200)
    assert levels.mc_p is not None
    assert levels.mc_p == pytest.approx([2 * v for v in clopper_pearson(0, 199)])
