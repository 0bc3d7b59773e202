"""A claim weighed and judged alone, as tests of families need it, and one of which only the levels matter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from modclaims.hypothesis import Hypothesis
from modclaims.look import TestSettings
from modclaims.recording import Recording
from modclaims.runs.weighing import weigh
from modclaims.stats.evidence import Exhibit
from modclaims.summaries import TestSummary
from modclaims.verdict import Verdict, judge


def judged(
    claim: Hypothesis, recording: Recording, weighing: TestSettings, alpha: float = 0.05
) -> tuple[Verdict, TestSummary, Sequence[Exhibit]]:
    """The claim's verdict with nothing to correct for, what it is read from, and its figures."""
    weighed, exhibits = weigh(claim, recording, weighing)
    return judge({"claim": weighed}, alpha=alpha, correction="holm")["claim"], weighed, exhibits


def weighed(p_plus: float, p_minus: float, **changes: Any) -> TestSummary:
    """A claim with these levels, as if it had been weighed."""
    plain = TestSummary(
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


def judging(
    recorded: Callable[..., Recording], weighing: TestSettings
) -> Callable[..., tuple[Verdict, TestSummary, Sequence[Exhibit]]]:
    """`judged` of a claim on what `recorded(claim, **options)` makes for it."""

    def outcome(claim: Hypothesis, **options: Any) -> tuple[Verdict, TestSummary, Sequence[Exhibit]]:
        return judged(claim, recorded(claim, **options), weighing)

    return outcome
