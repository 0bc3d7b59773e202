"""Outcomes: what the evidence of each claim amounts to, once all claims of a run stand beside it."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from weighed import weighed

from modclaims.outcome import Outcome
from modclaims.stats.chance.multiplicity import Correction, clopper_pearson
from modclaims.summaries import TestSummary
from modclaims.verdict import judge

ALPHA = 0.05


@pytest.fixture(autouse=True, scope="module")
def frozen_garbage() -> Iterator[None]:
    """statsmodels collects garbage at every Holm: what stood before these tests need not be looked through each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def outcomes(claims: Mapping[str, TestSummary], **settings: Any) -> dict[str, Outcome]:
    options = {"alpha": ALPHA, "correction": "holm"} | settings
    return {name: verdict.outcome for name, verdict in judge(claims, **options).items()}


def slow_holm(p: Sequence[float]) -> list[float]:
    order, found, highest = sorted(range(len(p)), key=lambda i: p[i]), [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        found[i] = highest
    return found


# ---- bad input


def test_no_claims_have_no_verdicts() -> None:
    assert judge({}, alpha=ALPHA, correction="holm") == {}


# ---- the three outcomes


def test_every_outcome_has_a_word_and_a_sentence() -> None:
    assert [o.word for o in Outcome] == ["supported", "refuted", "inconclusive", "error", "skipped"]
    assert all(o.sentence for o in Outcome)


def test_a_claim_alone_is_read_at_alpha() -> None:
    assert outcomes({"a": weighed(0.05, 0.9)}) == {"a": Outcome.SUPPORTED}
    assert outcomes({"a": weighed(0.9, 0.05)}) == {"a": Outcome.REFUTED}
    assert outcomes({"a": weighed(0.051, 0.2)}) == {"a": Outcome.INCONCLUSIVE}


def test_a_large_p_never_refutes() -> None:
    assert outcomes({"a": weighed(1.0, 0.4)}) == {"a": Outcome.INCONCLUSIVE}


def test_each_side_is_corrected_for_all_claims() -> None:
    claims = {
        "strong": weighed(0.01, 1.0),
        "less strong": weighed(0.02, 1.0),  # 3 x .02 > alpha: supported alone, not among four
        "refuted": weighed(1.0, 0.0125),
        "not refuted": weighed(1.0, 0.03),  # 3 x .03 > alpha
    }
    found = judge(claims, alpha=ALPHA, correction="holm")
    assert [found[name].outcome for name in claims] == [
        Outcome.SUPPORTED,
        Outcome.INCONCLUSIVE,
        Outcome.REFUTED,
        Outcome.INCONCLUSIVE,
    ]
    assert found["strong"].p_plus_adjusted == pytest.approx(0.04)
    assert found["less strong"].p_plus_adjusted == pytest.approx(0.06)
    assert found["refuted"].p_minus_adjusted == pytest.approx(0.05)
    assert found["not refuted"].p_minus_adjusted == pytest.approx(0.09)
    # the sides do not share one correction: eight p-values in one would leave nothing
    assert found["strong"].p_minus_adjusted == 1


def test_corrections_differ_as_they_should() -> None:
    claims = {f"c{i}": weighed(p, 1.0) for i, p in enumerate((0.01, 0.02, 0.03, 0.04))}
    supported = {
        correction: [o is Outcome.SUPPORTED for o in outcomes(claims, correction=correction).values()]
        for correction in ("none", "bh", "holm", "by")
    }
    assert supported["none"] == [True] * 4
    assert supported["bh"] == [True] * 4  # 4 / i x p_i = .04 throughout
    assert supported["holm"] == [True, False, False, False]
    assert supported["by"] == [False] * 4  # .04 x (1 + 1/2 + 1/3 + 1/4)


@pytest.mark.parametrize(
    ("expect", "p_plus", "p_minus", "as_expected"),
    [
        ("supported", 0.001, 1.0, True),
        ("supported", 1.0, 0.001, False),
        ("supported", 0.4, 0.4, False),
        ("refuted", 1.0, 0.001, True),
        ("refuted", 0.001, 1.0, False),
        ("inconclusive", 0.4, 0.4, True),
        ("inconclusive", 0.001, 1.0, False),
    ],
)
def test_a_claim_passes_where_its_outcome_is_the_expected_one(
    expect: str, p_plus: float, p_minus: float, as_expected: bool
) -> None:
    verdict = judge({"a": weighed(p_plus, p_minus, expect=expect)}, alpha=ALPHA, correction="holm")["a"]
    assert verdict.as_expected is as_expected


# ---- Monte Carlo error


def test_a_level_decides_as_it_stands_wherever_its_interval_reaches() -> None:
    one = weighed(0.045, 1.0, mc_plus=(0.03, 0.06))
    assert outcomes({"a": one}) == {"a": Outcome.SUPPORTED}
    assert outcomes({"a": weighed(0.055, 1.0, mc_plus=(0.03, 0.06))}) == {"a": Outcome.INCONCLUSIVE}
    assert outcomes({"a": weighed(1.0, 0.045, mc_minus=(0.03, 0.06))}) == {"a": Outcome.REFUTED}
    four = {"a": weighed(0.012, 1.0, mc_plus=(0.01, 0.014))} | {f"b{i}": weighed(0.9, 0.9) for i in range(3)}
    assert outcomes(four)["a"] is Outcome.SUPPORTED  # 4 x .012


def test_a_claim_whose_draws_went_on_says_how_many_there_were() -> None:
    def said(**more: Any) -> str:
        one = weighed(0.045, 1.0, **more)
        return judge({"a": one}, alpha=ALPHA, correction="holm")["a"].sentence

    assert "went on" not in said(resamples=9999)
    assert "went on to 49,995 arrangements and 49,995 resamples." in said(checkpoint=1, draws=49995, resamples=49995)
    assert "went on to all 2,100 arrangements and 49,995 resamples." in said(
        checkpoint=1, draws=2100, exact=True, resamples=49995
    )
    assert "went on to 199,980 resamples." in said(checkpoint=2, p=None, draws=199980, resamples=199980)
    assert "went on to 3,980 arrangements." in said(checkpoint=2, draws=3980, resamples=0)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.data(), st.sampled_from(["holm", "bh", "by", "none"]))
def test_a_smaller_level_never_undoes_an_outcome(
    counts: list[int], data: st.DataObject, correction: Correction
) -> None:
    def drawn(count: int) -> TestSummary:
        return weighed((count + 1) / 1000, 1.0, mc_plus=clopper_pearson(count, 999))

    at = data.draw(st.integers(0, len(counts) - 1))
    fewer = data.draw(st.integers(0, counts[at]))
    before = judge({str(i): drawn(c) for i, c in enumerate(counts)}, alpha=ALPHA, correction=correction)
    counts[at] = fewer
    after = judge({str(i): drawn(c) for i, c in enumerate(counts)}, alpha=ALPHA, correction=correction)
    for name, verdict in before.items():
        assert verdict.outcome is not Outcome.SUPPORTED or after[name].outcome is Outcome.SUPPORTED


# ---- properties

LEVELS = st.lists(st.tuples(st.floats(1e-4, 1), st.floats(1e-4, 1)), min_size=1, max_size=10)


@settings(deadline=None, derandomize=True, max_examples=12)
@given(LEVELS, st.sampled_from((0.01, 0.05, 0.2)))
def test_outcomes_are_read_from_holm_on_each_side(levels: list[tuple[float, float]], alpha: float) -> None:
    claims = {f"c{i}": weighed(plus, minus) for i, (plus, minus) in enumerate(levels)}
    found = judge(claims, alpha=alpha, correction="holm")
    plus, minus = (slow_holm([level[side] for level in levels]) for side in (0, 1))
    for i, name in enumerate(claims):
        verdict = found[name]
        assert verdict.p_plus_adjusted == pytest.approx(plus[i])
        assert verdict.p_minus_adjusted == pytest.approx(minus[i])
        expected = (
            Outcome.SUPPORTED if plus[i] <= alpha else Outcome.REFUTED if minus[i] <= alpha else Outcome.INCONCLUSIVE
        )
        if min(abs(plus[i] - alpha), abs(minus[i] - alpha)) > 1e-12:
            assert verdict.outcome is expected
    witness = multipletests([level[0] for level in levels], alpha=alpha, method="holm")[1]
    np.testing.assert_allclose([found[name].p_plus_adjusted for name in claims], witness)


@settings(deadline=None, derandomize=True, max_examples=12)
@given(LEVELS, st.randoms(use_true_random=False))
def test_the_order_of_claims_changes_no_verdict(levels: list[tuple[float, float]], random: Any) -> None:
    claims = {f"c{i}": weighed(plus, minus) for i, (plus, minus) in enumerate(levels)}
    shuffled = list(claims)
    random.shuffle(shuffled)
    assert outcomes(claims) == outcomes({name: claims[name] for name in shuffled})


@settings(deadline=None, derandomize=True, max_examples=12)
@given(LEVELS)
def test_a_further_claim_never_turns_the_others_into_a_result(levels: list[tuple[float, float]]) -> None:
    claims = {f"c{i}": weighed(plus, minus) for i, (plus, minus) in enumerate(levels)}
    before, after = outcomes(claims), outcomes(claims | {"new": weighed(0.5, 0.5)})
    for name, outcome in before.items():
        assert after[name] in (outcome, Outcome.INCONCLUSIVE)
