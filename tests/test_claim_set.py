"""What is corrected together: claims that are not weighed count, and so no selection makes a verdict easier."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from modclaims.claim_set import ClaimSet, KeptLevels, corrected_over
from modclaims.decimals import level_words
from modclaims.stats.chance.multiplicity import Correction, at_most

CORRECTIONS: tuple[tuple[Correction, str], ...] = (("holm", "holm"), ("bh", "fdr_bh"), ("by", "fdr_by"))
LEVEL = st.floats(1e-6, 1)


@pytest.fixture(autouse=True, scope="module")
def frozen_garbage() -> Iterator[None]:
    """statsmodels collects garbage at every correction."""
    gc.freeze()
    yield
    gc.unfreeze()


def plus(kept: KeptLevels) -> float:
    return kept.p_plus


def kept(*levels: float) -> tuple[KeptLevels, ...]:
    return tuple(KeptLevels(level, 1.0, level, 1.0) for level in levels)


def test_more_levels_than_claims_are_a_fault() -> None:
    with pytest.raises(ValueError, match="3 levels are given of 2 claims"):
        ClaimSet(2, kept(0.1)).corrected([0.1, 0.2], plus, "holm")


def test_one_claim_of_22_is_corrected_over_22() -> None:
    assert ClaimSet(22).corrected([0.0095], plus, "holm") == pytest.approx([0.209])
    assert ClaimSet(22).corrected([0.0095], plus, "none") == [0.0095]
    assert ClaimSet(1).corrected([0.0095], plus, "holm") == [0.0095]


def test_levels_of_an_earlier_run_take_their_place_in_holms_order() -> None:
    # by hand: .001 x 4, .01 x 3, .02 x 2, 1
    assert ClaimSet(4, kept(0.001, 0.02)).corrected([0.01], plus, "holm") == pytest.approx([0.03])


@pytest.mark.parametrize(("correction", "theirs"), CORRECTIONS)
@settings(max_examples=25, deadline=None)
@given(levels=st.lists(LEVEL, min_size=1, max_size=6), earlier=st.lists(LEVEL, max_size=4), unknown=st.integers(0, 5))
def test_corrected_levels_are_those_of_statsmodels_with_ones_for_what_is_unknown(
    correction: Correction, theirs: str, levels: list[float], earlier: list[float], unknown: int
) -> None:
    together = ClaimSet(len(levels) + len(earlier) + unknown, kept(*earlier))
    witness = multipletests([*levels, *earlier, *[1.0] * unknown], method=theirs)[1][: len(levels)]
    assert together.corrected(levels, plus, correction) == pytest.approx(list(witness))


@pytest.mark.parametrize("correction", ["holm", "bh", "by"])
@settings(max_examples=25, deadline=None)
@given(levels=st.lists(LEVEL, min_size=2, max_size=8), cut=st.integers(1, 7))
def test_no_selection_makes_a_level_smaller_and_earlier_levels_make_it_what_it_was(
    correction: Correction, levels: list[float], cut: int
) -> None:
    chosen, others = levels[:cut], levels[cut:]
    whole = ClaimSet(len(levels)).corrected(levels, plus, correction)[:cut]
    alone = ClaimSet(len(levels)).corrected(chosen, plus, correction)
    assert all(a >= w * (1 - 1e-12) for a, w in zip(alone, whole, strict=True))
    assert ClaimSet(len(levels), kept(*others)).corrected(chosen, plus, correction) == pytest.approx(whole)


def test_what_a_correction_was_over_is_said_in_words() -> None:
    assert corrected_over(1, 1, 0) == "1 claim"
    assert corrected_over(22, 22, 0) == "22 claims"
    assert corrected_over(22, 1, 0) == "22 claims, of which 1 was weighed"
    assert ClaimSet(22, kept(0.1, 0.2)).words(3) == "22 claims, of which 3 were weighed and 2 taken from an earlier run"


def test_a_level_of_exactly_alpha_settles_whatever_floating_point_makes_of_the_product() -> None:
    assert 0.1 + 0.2 > 0.3  # what a sum of thirds does
    assert at_most(0.1 + 0.2, 0.3)
    assert at_most(500 / 10000, 0.05)


@given(draws=st.integers(100, 10**6), claims=st.integers(1, 100), data=st.data())
def test_a_level_of_so_many_draws_settles_exactly_where_whole_numbers_say_so(
    draws: int, claims: int, data: st.DataObject
) -> None:
    near = draws // (20 * claims)
    count = data.draw(st.integers(max(1, near - 2), near + 2))
    assert at_most(claims * np.float64(count / draws), 0.05) is (20 * claims * count <= draws)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.05, ".05"),
        (0.0500001, ".0500001"),
        (0.0504, ".0504"),
        (0.0496, ".0496"),
        (0.0251, ".0251"),
        (0.209, ".21"),
        (0.0095, ".0095"),
        (1.0, "1"),
        (0.9999, "1"),
        (0.0, "< .0001"),
        (3e-8, "3.0e-08"),
    ],
)
def test_words_never_hide_on_which_side_of_the_level_a_number_lies(value: float, words: str) -> None:
    assert level_words(value) == words
