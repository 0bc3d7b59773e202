"""What a verdict says: the numbers that decided it, and why nothing is settled."""

from __future__ import annotations

from typing import Any

import pytest
from weighed import weighed

from modclaims.outcome import Outcome
from modclaims.summaries import TestSummary
from modclaims.verdict import judge

ALPHA = 0.05

SETS = {"null_objects": 200, "null_words": "matched sets"}
NO_TEXTS = {"texts_to_support": None}


def test_what_null_objects_rule_is_not_asked_of_texts() -> None:
    def message(**more: Any) -> str:
        one = weighed(0.2, 0.3, texts_to_refute=None, **{"texts_to_support": None} | SETS | more)
        return judge({"a": one}, alpha=ALPHA, correction="holm")["a"].message

    assert message(draws_to_refute=400) == (
        "About 400 matched sets (200 more than now, sets = 400; no number of texts alone would) would refute it were the "
        "effect 0; it cannot be said how many texts would support it were it twice the smallest that matters (before "
        "correction over claims)."
    )
    both = message(texts_to_support=900, draws_to_support=500)
    assert "about 900 texts and about 500 matched sets (300 more than now, sets = 500) would support it" in both
    bases = message(draws_to_refute=91, null_objects=20, null_words="random bases")
    assert "About 91 random bases (71 more than now; no number of texts alone would) would refute it" in bases


def test_so_few_texts_that_resamples_leave_no_bound_settle_nothing_and_say_so() -> None:
    def message(**more: Any) -> str:
        return judge({"a": weighed(0.2, 0.3, **more)}, alpha=ALPHA, correction="holm")["a"].message

    enough = {"texts_to_refute": 10, "texts_to_support": 10}
    assert "would have settled an effect of 0" in message(**enough)
    few = message(bound_floor=0.11, **enough)
    assert few.startswith("So few texts settle nothing, whatever the effect: in 11 % of the resamples")
    assert "would have settled" not in few
    assert "in 6 % of the resamples" in message(bound_floor=0.12, splits=20, **enough)


def test_a_claim_without_a_bound_says_so() -> None:
    verdict = judge({"a": weighed(1.0, 1.0, bounded=False)}, alpha=ALPHA, correction="holm")["a"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.message.startswith("No bound")


def test_an_inconclusive_claim_says_how_many_texts_would_decide() -> None:
    message = judge({"a": weighed(0.2, 0.3)}, alpha=ALPHA, correction="holm")["a"].message
    assert "About 200 texts would refute it were the effect 0" in message
    assert "about 150 texts would support it were it twice" in message
    unknown = judge({"a": weighed(0.2, 0.3, texts_to_refute=None)}, alpha=ALPHA, correction="holm")["a"].message
    assert unknown.startswith("It cannot be said how many texts would refute it were the effect 0; about 150 texts")
    near = judge({"a": weighed(0.2, 0.3, texts_to_refute=60, texts_to_support=50)}, alpha=ALPHA, correction="holm")["a"]
    assert "too close to the smallest that matters" in near.message
    assert near.reason == "too close to the smallest effect to call"
    far = judge({"a": weighed(0.2, 0.3, texts_to_refute=65, texts_to_support=50)}, alpha=ALPHA, correction="holm")["a"]
    assert far.reason == "about 65 texts would decide, were the effect 0 or twice 0.2"


def test_a_claim_that_correction_alone_undid_says_so() -> None:
    claims = {f"c{i}": weighed(1.0, 0.019) for i in range(10)}
    verdict = judge(claims, alpha=ALPHA, correction="holm")["c0"]
    assert verdict.reason == "lost to correction over 10 claims"
    assert "Alone it would be refuted (.019)" in verdict.message


def test_a_design_that_cannot_reach_alpha_says_so() -> None:
    claims = {f"c{i}": weighed(0.02, 1.0, smallest_attainable_p=0.02) for i in range(4)}
    message = judge(claims, alpha=ALPHA, correction="holm")["c0"].message
    assert "With 4 claims the smallest level that this design and these draws attain, .02, cannot pass" in message


def test_the_sentence_bears_the_numbers_that_decided() -> None:
    sentence = judge({"a": weighed(0.001, 1.0, adjusted=True)}, alpha=ALPHA, correction="holm")["a"].sentence
    for part in (
        "Exchanging topic (9,999 draws) gave delta = 0.31 at layer 3",
        "90 % interval [0.12, 0.47]",
        "adjusted p = .001",
        "The claim (somewhere; smallest effect that matters 0.2)",
        "differ in location (F2 agrees)",
    ):
        assert part in sentence
    spread = judge({"a": weighed(0.001, 1.0, location=False)}, alpha=ALPHA, correction="holm")["a"].sentence
    assert "possibly only in spread" in spread
    refuted = judge({"a": weighed(1.0, 0.001)}, alpha=ALPHA, correction="holm")["a"].sentence
    assert "location" not in refuted
    exact = judge({"a": weighed(0.02, 1.0, exact=True, draws=2100)}, alpha=ALPHA, correction="holm")["a"].sentence
    assert "exact, N = 2,100" in exact
    words = judge({"a": weighed(0.001, 1.0, statistic="t beyond shared words")}, alpha=ALPHA, correction="holm")["a"]
    assert "not beyond every proxy" in words.sentence


@pytest.mark.parametrize(
    ("claim", "others", "reason"),
    [
        (weighed(1.0, 1.0, bounded=False), 0, "no bound where nothing varies"),
        (weighed(0.02, 1.0), 3, "lost to correction over 4 claims"),
        (weighed(1.0, 0.02), 3, "lost to correction over 4 claims"),
        (weighed(0.2, 0.3, texts_to_refute=64, texts_to_support=64), 0, "too close to the smallest effect to call"),
        (
            weighed(0.2, 0.3, texts_to_refute=65, texts_to_support=10),
            0,
            "about 65 texts would decide, were the effect 0 or twice 0.2",
        ),
        (weighed(0.2, 0.3, texts_to_refute=None, texts_to_support=10), 0, "about 10 texts would support twice 0.2"),
        (weighed(0.2, 0.3, texts_to_refute=90, texts_to_support=None), 0, "about 90 texts would refute an effect of 0"),
        (weighed(0.2, 0.3, texts_to_refute=None, texts_to_support=None), 0, "more texts may decide"),
        (weighed(0.2, 0.3, bound_floor=0.11), 0, "so few texts settle nothing"),
        (
            weighed(0.2, 0.3, texts_to_refute=None, draws_to_refute=600, texts_to_support=60, **SETS),
            0,
            "about 64 texts and about 600 matched sets would decide, were the effect 0 or twice 0.2",
        ),
        (
            weighed(0.2, 0.3, texts_to_refute=None, draws_to_refute=600, draws_to_support=900, **SETS | NO_TEXTS),
            0,
            "about 900 matched sets would decide, were the effect 0 or twice 0.2",
        ),
        (weighed(0.001, 1.0), 0, ""),
        (weighed(1.0, 0.001), 0, ""),
    ],
)
def test_a_claim_that_settles_nothing_says_why_in_a_few_words(claim: TestSummary, others: int, reason: str) -> None:
    claims = {"a": claim} | {f"b{i}": weighed(0.9, 0.9) for i in range(others)}
    verdict = judge(claims, alpha=ALPHA, correction="holm")["a"]
    assert verdict.reason == reason
    assert bool(verdict.message) == bool(reason)
