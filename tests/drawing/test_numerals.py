"""Numbers as the report writes them."""

from __future__ import annotations

import math

import pytest

from modclaims.decimals import decimals_for, decimals_of_effect, from_to, rounded
from modclaims.drawing.numerals import (
    count,
    interval,
    number,
    p_value,
    plain,
    power_of_ten,
    said,
    series,
    shortened,
    significant,
    tick,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0012, ".0012"),
        (0.00017, ".00017"),
        (0.0001, ".0001"),
        (0.21, ".21"),
        (0.05, ".05"),
        (0.0504, ".0504"),
        (0.04996, ".04996"),
        (1.0, "1"),
        (0.998, "1"),
        (0.0, "< .0001"),
        (2.34e-9, "2.3\u00a0×\u00a010⁻⁹"),
        (9.99e-8, "1.0\u00a0×\u00a010⁻⁷"),
        (1e-7, "10⁻⁷"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_p_values_have_two_digits_and_no_leading_zero(value: float | None, text: str) -> None:
    assert p_value(value) == text


def test_a_p_value_on_either_side_of_the_level_is_seen_to_be_so() -> None:
    assert float(p_value(0.0501)) > 0.05 > float(p_value(0.0499))


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (0.4137, 2, "0.41"),
        (-0.4137, 2, "−0.41"),
        (-0.001, 2, "0.00"),
        (9999, 2, "9,999"),
        (12345.678, 1, "12,345.7"),
        (None, 2, "–"),
        (math.inf, 2, "–"),
        (True, 2, "–"),
    ],
)
def test_numbers_have_a_true_minus_and_no_minus_zero(value: float | None, decimals: int, text: str) -> None:
    assert number(value, decimals) == text


def test_decimals_grow_with_small_scales_only() -> None:
    assert [decimals_for(s) for s in (0.2, 0.05, 0.005, 0, None)] == [2, 2, 3, 2, 2]


@pytest.mark.parametrize(
    ("smallest", "low", "high", "decimals"),
    [
        (0.1, 0.29, 0.52, 2),
        (0.1, 0.9512, 0.9561, 3),  # .95 to .96 would hide half of its width
        (0.05, 0.0011, 0.0018, 4),
        (0.05, 0.00111, 0.00112, 4),  # no width asks for more than four
        (0.005, 0.2, 0.4, 3),  # the smallest effect that matters keeps its digit
        (0.1, 0.3, math.inf, 2),
        (0.1, None, None, 2),
        (0.1, 0.3, 0.3, 2),
    ],
)
def test_a_narrow_interval_is_not_written_as_one_number_twice(
    smallest: float, low: float | None, high: float | None, decimals: int
) -> None:
    assert decimals_of_effect(smallest, low, high) == decimals


def test_a_range_that_is_written_as_one_number_is_one() -> None:
    assert from_to([0.151, 0.08, 0.1], 2) == "0.08 to 0.15"
    assert from_to([-0.001, 0.002], 2) == "0.00"
    assert from_to([12.2, 38.9], 0, " %") == "12 % to 39 %"


def test_a_rounded_zero_has_no_sign() -> None:
    assert [rounded(v, 2) for v in (-0.001, 0.0, -0.006, 1.005)] == ["0.00", "0.00", "-0.01", "1.00"]


def test_significant_digits_keep_no_zeros_that_say_nothing() -> None:
    assert [significant(v) for v in (0.31, 0.1234, 1234.5, 9999, 1e-9, -0.05)] == [
        "0.31",
        "0.123",
        "1,234",
        "9,999",
        "10⁻⁹",
        "−0.05",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-13, "10⁻¹³"),
        (-1e-13, "−10⁻¹³"),
        (2e-14, "2\u00a0×\u00a010⁻¹⁴"),
        (2.5e-13, "2.5\u00a0×\u00a010⁻¹³"),
        (-2.547e-13, "−2.5\u00a0×\u00a010⁻¹³"),
        (9.97e-9, "1.0\u00a0×\u00a010⁻⁸"),
        (5e-324, "4.9\u00a0×\u00a010⁻³²⁴"),
        (1.5e9 + 0.5, "1.5\u00a0×\u00a010⁹"),
        (0.00003, "0.00003"),
    ],
)
def test_very_small_and_large_numbers_have_a_raised_power_of_ten(value: float, text: str) -> None:
    assert significant(value, 2) == text
    assert "e" not in tick(value) and "^" not in tick(value)


def test_powers_of_ten_are_raised() -> None:
    assert [power_of_ten(k) for k in (-12, 0, 1, 3)] == ["10⁻¹²", "1", "10¹", "10³"]
    assert [tick(v) for v in (2e-7, -1e-9, 1e7, 0.5)] == ["2\u00a0×\u00a010⁻⁷", "−10⁻⁹", "10⁷", "0.5"]


def test_intervals_may_be_open() -> None:
    assert interval(-0.02, 0.5) == "[−0.02, 0.50]"
    assert interval(0.2, None) == "0.20 or more"
    assert interval(math.nan, 0.2) == "0.20 or less"
    assert interval(None, None) == "–"


def test_words_are_counted_and_listed() -> None:
    assert (count(1, "claim"), count(3, "claim"), count(0, "entry", "entries")) == ("1 claim", "3 claims", "0 entries")
    assert (series([]), series(["a"]), series(["a", "b", "c"])) == ("", "a", "a, b and c")
    assert (shortened("abcdef", 4), shortened("abc", 4), tick(-0.5)) == ("abc…", "abc", "−0.5")


def test_a_text_becomes_one_printable_line() -> None:
    assert plain("a\x00b\n c\td\u202e\ufffe\ud800") == "a�b c d���"
    assert plain("भि\u200dक") == "भि\u200dक"


def test_our_sentences_get_their_signs() -> None:
    assert said("omega^2 = 0.4 [-0.1, 0.5], p = .02; trained - untrained of opt-125m") == (
        "ω² = 0.4 [−0.1, 0.5], p\u00a0=\u00a0.02; trained − untrained of opt-125m"
    )
    assert said("90 % interval") == "90\u00a0% interval"
