"""Outcomes: what the evidence of each claim amounts to, once all claims of a run stand beside it."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from modclaims.errors import ClaimError
from modclaims.hypothesis import Hypothesis
from modclaims.measured import Measured
from modclaims.outcome import Outcome
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.chance.multiplicity import Correction, clopper_pearson
from modclaims.stats.evidence import CategoryRow, Cell, Evidence, NullTest
from modclaims.stats.quantifiers import at, somewhere
from modclaims.verdict import judge
from modclaims.weighed import Weighed, place_of, summarise

ALPHA = 0.05


@pytest.fixture(autouse=True, scope="module")
def frozen_garbage() -> Iterator[None]:
    """statsmodels collects garbage at every Holm: what stood before these tests need not be looked through each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def weighed(p_plus: float, p_minus: float, **changes: Any) -> Weighed:
    plain = Weighed(
        effect=0.31,
        effect_name="delta",
        effect_low=0.12,
        effect_high=0.47,
        interval="90 % interval, lower limit simultaneous over 6 cells and upper limit the cell's own",
        smallest_effect=0.2,
        expect="supported",
        observed=0.02,
        p=p_plus,
        p_interval=None,
        p_plus=p_plus,
        p_minus=p_minus,
        mc_plus=(p_plus, p_plus),
        mc_minus=(p_minus, p_minus),
        bounded=True,
        best={"layer": 3, "head": None, "axis": None},
        best_words="layer 3",
        draws=9999,
        exact=False,
        smallest_attainable_p=1e-4,
        statistic="gap within - between",
        action="exchanging topic",
        holds="somewhere",
        bound_floor=1e-4,
        n_texts=64,
        n_units=64,
        unit="text",
        n_cells=6,
        location=True,
        texts_to_refute=200,
        texts_to_support=150,
    )
    return replace(plain, **changes)


def outcomes(claims: Mapping[str, Weighed], **settings: Any) -> dict[str, Outcome]:
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


def test_a_claim_about_layers_that_are_not_there_cannot_be_summarised() -> None:
    claim = Claim()
    claim.holds = at(7)
    with pytest.raises(ClaimError, match="the cells have layers 0, 1"):
        summarise(claim, evidence(), ALPHA)


# ---- the three outcomes


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
    def drawn(count: int) -> Weighed:
        return weighed((count + 1) / 1000, 1.0, mc_plus=clopper_pearson(count, 999))

    at = data.draw(st.integers(0, len(counts) - 1))
    fewer = data.draw(st.integers(0, counts[at]))
    before = judge({str(i): drawn(c) for i, c in enumerate(counts)}, alpha=ALPHA, correction=correction)
    counts[at] = fewer
    after = judge({str(i): drawn(c) for i, c in enumerate(counts)}, alpha=ALPHA, correction=correction)
    for name, verdict in before.items():
        assert verdict.outcome is not Outcome.SUPPORTED or after[name].outcome is Outcome.SUPPORTED


# ---- what is said

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
def test_a_claim_that_settles_nothing_says_why_in_a_few_words(claim: Weighed, others: int, reason: str) -> None:
    claims = {"a": claim} | {f"b{i}": weighed(0.9, 0.9) for i in range(others)}
    verdict = judge(claims, alpha=ALPHA, correction="holm")["a"]
    assert verdict.reason == reason
    assert bool(verdict.message) == bool(reason)


def test_every_outcome_has_a_word_and_a_sentence() -> None:
    assert [o.word for o in Outcome] == ["supported", "refuted", "inconclusive", "error", "skipped"]
    assert all(o.sentence for o in Outcome)


# ---- from evidence to what is weighed


class Claim(Hypothesis):
    """Texts of one topic look alike."""

    smallest_effect = 0.2

    def requests(self, shape: Any) -> tuple[Any, ...]:
        return ()

    def measure(self, look: Any) -> Measured:
        raise AssertionError("summarised from evidence at hand; never weighed")


def evidence(seed: int = 1) -> Evidence:
    rng = np.random.default_rng(seed)
    null = rng.normal(size=(200, 2))
    null[0] = (1.0, 5.0)
    test = NullTest.of("gap", null, np.zeros(2), exact=False, action="exchanging topic")
    bounds = Bounds(np.array([0.05, 0.6]), np.array([0.1, 0.1]), rng.normal(size=(399, 2)), ends=(-1.0, 1.0))
    return Evidence(
        (Cell(layer=0), Cell(layer=1)),
        "delta",
        bounds,
        test,
        48,
        secondary={"gap": np.array([0.01, 0.2])},
        categories=(CategoryRow(1, "law", 0.4, 0.6),),
        degenerate=(0,),
        location=True,
        warnings=("few texts",),
    )


def test_a_summary_carries_the_levels_the_named_cell_and_its_interval() -> None:
    claim, found = Claim(), evidence()
    levels = somewhere().levels(found, 0.2, ALPHA)
    summary = summarise(claim, found, ALPHA)
    assert (summary.p_plus, summary.p_minus, summary.p) == (levels.p_plus, levels.p_minus, levels.p)
    assert levels.cell == 1
    assert summary.best == {"layer": 1, "head": None, "axis": None}
    assert summary.effect == pytest.approx(0.6)
    assert summary.effect_low == found.bounds.lower(ALPHA, np.arange(2))[1]
    assert summary.effect_high == found.bounds.upper(ALPHA)[1]
    assert found.test is not None
    assert summary.observed == found.test.observed[1]
    assert summary.p is not None
    assert summary.p_interval == pytest.approx(clopper_pearson(round(200 * summary.p) - 1, 199))
    assert (summary.draws, summary.exact, summary.smallest_attainable_p) == (199, False, 1 / 200)
    assert summary.secondary == [{"name": "gap", "value": 0.2}]
    assert summary.degenerate == ["layer 0"]
    assert [row.status for row in summary.cells] == ["degenerate", "tested", "secondary", "secondary"]
    assert summary.n_units == summary.n_texts == 48
    assert judge({"Claim": summary}, alpha=ALPHA, correction="holm")["Claim"].outcome is Outcome.SUPPORTED


@pytest.mark.parametrize(
    ("cell", "more"),
    [
        (Cell(layer=3, head=1), {"layer": 3, "head": 1}),
        (Cell(layer=2, last_layer=4), {"layer": 2, "last_layer": 4}),
        (Cell(category="code", size=64), {"category": "code", "size": 64}),
        (Cell(depth=0.4), {"depth": 0.4}),
        (Cell(), {}),
    ],
    ids=str,
)
def test_a_place_has_all_that_names_it(cell: Cell, more: Mapping[str, Any]) -> None:
    assert place_of(cell) == {"layer": None, "head": None, "axis": None} | more


def test_a_summary_survives_json() -> None:
    summary = summarise(Claim(), evidence(), ALPHA)
    again = Weighed.from_dict(json.loads(json.dumps(summary.as_dict())))
    assert again.as_dict() == summary.as_dict()
    blank = Weighed.from_dict(json.loads(json.dumps(summary.as_dict() | {"effect_low": None})))
    assert np.isnan(blank.effect_low)


def test_a_contrast_is_summarised_from_its_bounds_alone() -> None:
    bounds = Bounds(np.array([0.6]), np.array([0.1]), np.random.default_rng(0).normal(size=(399, 1)))
    summary = summarise(Claim(), Evidence((Cell(),), "rise of delta", bounds, None, 48), ALPHA)
    assert summary.p is summary.p_interval is summary.observed is None
    assert summary.statistic == "bootstrap-t bound"
    assert summary.smallest_attainable_p == 1 / 400
    assert summary.p_plus == bounds.p_lower(0.2)[0]
    assert " p = " not in judge({"a": summary}, alpha=ALPHA, correction="holm")["a"].sentence


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
