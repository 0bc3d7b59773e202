"""What chance may do: relabellings (free, in strata, by blocks), orders and sign flips."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from draws import rng
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.stats.chance.actions import (
    Design,
    codes,
    count_arrangements,
    index_permutations,
    relabellings,
    sign_flips,
)


def partition(row: NDArray[np.integer]) -> tuple[int, ...]:
    """A labelling without its names: categories numbered by first appearance."""
    seen: dict[int, int] = {}
    return tuple(seen.setdefault(int(v), len(seen)) for v in row)


def partitions_within(row: NDArray[np.integer], strata: NDArray[np.integer]) -> tuple[tuple[int, ...], ...]:
    """A labelling without its names in each stratum alone."""
    return tuple(partition(row[strata == h]) for h in np.unique(strata))


def slow_labellings(labels: NDArray[np.integer], groups: NDArray[np.integer]) -> set[tuple[int, ...]]:
    """Every distinct labelling that keeps each group's labels, by brute force."""
    places = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    found = set()
    for combination in product(*(set(permutations(labels[p].tolist())) for p in places)):
        row = np.empty(len(labels), dtype=int)
        for where, order in zip(places, combination, strict=True):
            row[where] = order
        found.add(tuple(row.tolist()))
    return found


def rows_of(labels: NDArray[np.integer]) -> list[tuple[int, ...]]:
    return [tuple(row) for row in labels.tolist()]


# ---- bad input


@pytest.mark.parametrize(
    ("labels", "strata"),
    [
        ("aaaa", None),  # one category
        ("ab", None),  # nobody has a companion
        ("aabb", "xxyy"),  # each stratum holds one category
        ("abab", "xxyy"),  # two categories, each with a single text
    ],
)
def test_a_design_without_both_kinds_of_pairs_is_refused(labels: str, strata: str | None) -> None:
    with pytest.raises(ClaimError, match="within and between cannot be compared"):
        Design.of(list(labels), None if strata is None else list(strata))


def test_blocks_of_which_only_some_vary_are_refused() -> None:
    with pytest.raises(ClaimError, match="no single unit"):
        relabellings(Design.of(list("aaabab")), budget=99, rng=rng(), blocks=list("111222"))


def test_whole_blocks_that_span_strata_are_refused() -> None:
    design = Design.of(list("aabbaabb"), list("xyxyxyxy"))
    with pytest.raises(ClaimError, match="spans several strata"):
        relabellings(design, budget=99, rng=rng(), blocks=list("11223344"))


# ---- by hand


def test_codes_follow_the_first_appearance() -> None:
    found, names = codes(["news", "code", "news", "law"])
    assert found.tolist() == [0, 1, 0, 2]
    assert names == ("news", "code", "law")


def test_two_and_two_texts_have_six_labellings_and_three_partitions() -> None:
    design = Design.of(list("aabb"))
    every = relabellings(design, budget=99, rng=rng())
    assert every.exact
    assert sorted(rows_of(every.labels)) == [
        (0, 0, 1, 1),
        (0, 1, 0, 1),
        (0, 1, 1, 0),
        (1, 0, 0, 1),
        (1, 0, 1, 0),
        (1, 1, 0, 0),
    ]
    blind = relabellings(design, budget=99, rng=rng(), blind="jointly")
    assert sorted(rows_of(blind.labels)) == [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0)]
    assert blind.floor == pytest.approx(1 / 3)


def test_four_three_three_texts_have_4200_labellings_and_2100_partitions() -> None:
    design = Design.of(list("aaaabbbccc"))
    for blind, count in (("no", 4200), ("jointly", 2100), ("within_strata", 2100)):
        every = relabellings(design, budget=9999, rng=rng(), blind=blind)
        assert every.exact
        assert every.total == count_arrangements(design, blind=blind) == len(set(rows_of(every.labels))) == count
        assert len({partition(row) for row in every.labels}) == 2100


def test_three_blocks_of_two_and_two_have_216_labellings() -> None:
    labels, blocks = list("aabbabababba"), list("111122223333")
    every = relabellings(Design.of(labels), budget=999, rng=rng(), blocks=blocks)
    assert len(set(rows_of(every.labels))) == every.total == 216


@pytest.mark.parametrize("blind", ["jointly", "within_strata"])
def test_names_swap_in_all_blocks_of_a_stratum_at_once(blind: str) -> None:
    labels, blocks = list("aabbabababba"), list("111122223333")
    every = relabellings(Design.of(labels), budget=999, rng=rng(), blocks=blocks, blind=blind)
    assert len({partition(row) for row in every.labels}) == every.total == 108


def test_names_may_swap_in_each_stratum_alone_where_strata_are_never_compared() -> None:
    design = Design.of(list("aabbaabb"), list("xxxxyyyy"))
    assert count_arrangements(design) == 36
    assert count_arrangements(design, blind="jointly") == 18
    assert count_arrangements(design, blind="within_strata") == 9


def test_categories_of_unequal_size_swap_no_names() -> None:
    assert count_arrangements(Design.of(list("aaabb")), blind="jointly") == math.comb(5, 2)


def test_whole_blocks_move_only_among_blocks_of_their_size() -> None:
    labels, blocks = list("aabbaaabbb"), list("1122333444")
    every = relabellings(Design.of(labels), budget=99, rng=rng(), blocks=blocks)
    assert sorted("".join(str(v) for v in row) for row in every.labels.tolist()) == [
        "0011000111",
        "0011111000",
        "1100000111",
        "1100111000",
    ]
    # names swap in blocks of both sizes at once, or the two would be torn apart
    blind = relabellings(Design.of(labels), budget=99, rng=rng(), blocks=blocks, blind="within_strata")
    assert blind.total == 2


def test_three_sign_flips_are_all_eight() -> None:
    signs, exact = sign_flips(3, budget=8, rng=rng())
    assert exact
    assert signs[0].tolist() == [1, 1, 1]
    assert {tuple(row) for row in signs.tolist()} == set(product((-1, 1), repeat=3))


def test_sign_flips_beyond_the_budget_are_drawn_after_the_observed() -> None:
    signs, exact = sign_flips(40, budget=500, rng=rng())
    assert not exact
    assert signs.shape == (501, 40)
    assert (signs[0] == 1).all()
    assert set(np.unique(signs).tolist()) == {-1, 1}
    assert abs(signs[1:].mean()) < 4 / math.sqrt(500 * 40)


def test_orders_stay_inside_their_stratum_and_start_with_the_identity() -> None:
    design = Design.of(list("aabbab"), list("xyxyxy"))
    orders = index_permutations(design, draws=50, rng=rng())
    assert orders[0].tolist() == list(range(6))
    for row in orders:
        assert sorted(row) == list(range(6))
        np.testing.assert_array_equal(design.strata[row], design.strata)
    assert len({tuple(row) for row in orders.tolist()}) > 20


def test_strata_lie_inside_clusters() -> None:
    design = Design.of(list("aabbabab"), list("xxxxxyxy"), list("ppppqqqq"))
    assert design.strata.tolist() == [0, 0, 0, 0, 1, 2, 1, 2]
    assert [m.tolist() for m in design.members] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert Design.of(list("aabb")).members == ()


def test_chance_does_the_same_whether_strata_lie_inside_clusters_or_not() -> None:
    clustered = Design.of(list("aabbab" * 4), None, [str(i // 6) for i in range(24)])
    plain = Design.of(list("aabbab" * 4), [str(i // 6) for i in range(24)])
    assert clustered.digest == plain.digest
    for blind in ("no", "jointly", "within_strata"):
        here, there = (relabellings(d, budget=99, rng=rng(), blind=blind) for d in (clustered, plain))
        np.testing.assert_array_equal(here.labels, there.labels)


def test_the_key_of_the_draws_of_a_design_is_what_it_was() -> None:
    assert Design.of(list("aabbab"), list("xyxyxy")).digest.startswith("5420b55dbd3c7107")


def test_draws_are_as_many_as_asked_and_come_after_the_observed() -> None:
    design = Design.of(list("aabbcc") * 4)
    drawn = relabellings(design, budget=99, rng=rng(), blind="jointly")
    assert not drawn.exact
    assert drawn.labels.shape == (100, 24)
    assert drawn.floor == 1 / 100
    np.testing.assert_array_equal(drawn.labels[0], design.labels)


# ---- witnesses


@pytest.mark.parametrize(
    ("first", "second", "labellings", "partitions"),
    # columns total_twosided and total_perm_used of permp(), R 4.2.2, statmod 1.5.0
    [
        (4, 4, 70, 35),
        (6, 4, 210, 210),
        (10, 4, 1001, 1001),
        (6, 6, 924, 462),
        (10, 6, 8008, 8008),
        (20, 6, 230230, 230230),
    ],
)
def test_counts_of_two_groups_are_those_of_statmod(first: int, second: int, labellings: int, partitions: int) -> None:
    design = Design.of(["a"] * first + ["b"] * second)
    assert count_arrangements(design) == labellings
    assert count_arrangements(design, blind="jointly") == partitions


@pytest.mark.parametrize(
    ("labels", "strata"),
    [
        ("abcbca", "xxxxxx"),
        ("aabbccc", "xxxxxxx"),
        ("aabbabab", "xxxxyyyy"),
        ("acbabcabc", "xxxyyyyyy"),
        ("cbacbaacb", "yxyyyxyxy"),
        ("aababbc", "xxxyyyy"),
    ],
)
def test_enumeration_equals_brute_force(labels: str, strata: str) -> None:
    design = Design.of(list(labels), list(strata))
    slow = slow_labellings(design.labels, design.strata)
    every = relabellings(design, budget=99999, rng=rng())
    assert len(every.labels) == every.total == len(slow)
    assert set(rows_of(every.labels)) == slow


@pytest.mark.parametrize("seed", range(12))
def test_joint_partitions_are_distinct_whatever_the_order_of_texts(seed: int) -> None:
    # the first stratum may show its categories in another order than the corpus does
    strata = rng(seed).permutation(list("xxxyyyyyy"))
    labels = np.empty(9, dtype="<U1")
    labels[strata == "x"], labels[strata == "y"] = (
        rng(seed + 1).permutation(list("abc")),
        rng(seed + 2).permutation(list("aabbcc")),
    )
    design = Design.of(labels.tolist(), strata.tolist())
    joint = relabellings(design, budget=999, rng=rng(), blind="jointly")
    assert joint.total == 6 * 90 // 6
    assert {partition(row) for row in joint.labels} == {
        partition(np.array(row)) for row in slow_labellings(design.labels, design.strata)
    }


# ---- properties

DESIGNS = st.integers(4, 8).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from("abc"), min_size=n, max_size=n),
        st.lists(st.sampled_from("xy"), min_size=n, max_size=n),
    )
)


def made(labels: list[str], strata: list[str]) -> Design:
    try:
        return Design.of(labels, strata)
    except ClaimError:
        assume(False)
        raise


@given(DESIGNS)
def test_each_arrangement_comes_once_and_the_observed_first(values: tuple[list[str], list[str]]) -> None:
    design = made(*values)
    for blind in ("no", "jointly", "within_strata"):
        every = relabellings(design, budget=99999, rng=rng(), blind=blind)
        np.testing.assert_array_equal(every.labels[0], design.labels)
        rows = rows_of(every.labels)
        assert len(rows) == len(set(rows)) == every.total == count_arrangements(design, blind=blind)
        assert set(rows) <= slow_labellings(design.labels, design.strata)


@given(DESIGNS)
def test_what_a_blind_enumeration_leaves_out_differs_in_names_only(values: tuple[list[str], list[str]]) -> None:
    design = made(*values)
    slow = [np.array(row) for row in slow_labellings(design.labels, design.strata)]
    joint = relabellings(design, budget=99999, rng=rng(), blind="jointly").labels
    # every labelling can be renamed into one that is listed, and none into two
    classes = [partition(row) for row in joint]
    assert len(set(classes)) == len(classes)
    assert set(classes) == {partition(row) for row in slow}
    alone = relabellings(design, budget=99999, rng=rng(), blind="within_strata").labels
    apart = [partitions_within(row, design.strata) for row in alone]
    assert set(apart) == {partitions_within(row, design.strata) for row in slow}


def test_categories_that_no_stratum_shows_together_swap_names_pair_by_pair() -> None:
    design = Design.of(list("aabbaabbccddccdd"), list("xxxxyyyyzzzzwwww"))
    every = relabellings(design, budget=9999, rng=rng(), blind="jointly")
    assert every.total == count_arrangements(design, blind="jointly") == 6**4 // 4
    assert len({partition(row) for row in every.labels}) == every.total
    assert count_arrangements(design, blind="within_strata") == 3**4


@given(st.lists(st.sampled_from("abcd"), min_size=12, max_size=20), st.permutations("abcd"), st.integers(0, 99))
def test_renaming_categories_changes_no_draw(labels: list[str], names: list[str], seed: int) -> None:
    assume(len(set(labels)) > 1)
    renamed = [dict(zip("abcd", names, strict=True))[v] for v in labels]
    here = relabellings(Design.of(labels), budget=50, rng=rng(seed), blind="jointly")
    there = relabellings(Design.of(renamed), budget=50, rng=rng(seed), blind="jointly")
    np.testing.assert_array_equal(here.labels, there.labels)


@given(DESIGNS, st.integers(0, 99))
def test_draws_keep_the_labels_of_every_stratum(values: tuple[list[str], list[str]], seed: int) -> None:
    design = made(*values)
    for row in relabellings(design, budget=2, rng=rng(seed)).labels:
        again = Design(row.astype(np.int64), design.strata, design.names)
        np.testing.assert_array_equal(again.counts, design.counts)


def test_draws_are_uniform_over_the_labellings() -> None:
    design = Design.of(list("aabbb"))
    drawn = relabellings(design, budget=9, rng=rng())  # 10 labellings, so 9 is one too few to enumerate
    assert not drawn.exact
    many = [relabellings(design, budget=9, rng=rng(seed)).labels[1:] for seed in range(400)]
    counts = np.unique(np.concatenate(many), axis=0, return_counts=True)[1]
    assert len(counts) == 10
    expected = 3600 / 10
    assert ((counts - expected) ** 2 / expected).sum() < 27.9  # chi^2 with 9 df, .999
