"""Verdict: what the evidence of each claim amounts to, once all claims of a run stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modclaims.claim_set import ClaimSet
from modclaims.outcome import Outcome
from modclaims.stats.chance.multiplicity import Correction, at_most
from modclaims.summaries import TestSummary
from modclaims.verdict_words import Corrected, words_of


@dataclass(frozen=True)
class Verdict:
    """How one claim ended among the others."""

    outcome: Outcome
    as_expected: bool | None
    p_plus_adjusted: float | None = None
    p_minus_adjusted: float | None = None
    sentence: str = ""
    """The result in words."""
    reason: str = ""
    """Why it is inconclusive, in a few words."""
    message: str = ""
    """Why it is inconclusive, an error or skipped."""
    warnings: tuple[str, ...] = field(default=())


def judge(
    weighed: Mapping[str, TestSummary], *, alpha: float, correction: Correction, together: ClaimSet | None = None
) -> dict[str, Verdict]:
    """Correct over claims on each side apart, and read every outcome; `together` are those weighed unless it is given.

    SUPPORTED where p+ after correction is at most alpha, REFUTED where p- after correction is (three-sided testing:
    Goeman, Solari & Stijnen 2010). A level that was drawn decides as it stands: whoever weighs goes on drawing while its
    Monte Carlo error leaves open on which side it lies (`stats.checkpoints`). A smaller level never undoes an outcome.
    """
    names = list(weighed)
    together = together or ClaimSet(len(names))
    plus = together.corrected([weighed[n].p_plus for n in names], lambda kept: kept.p_plus, correction)
    minus = together.corrected([weighed[n].p_minus for n in names], lambda kept: kept.p_minus, correction)
    verdicts = {}
    for (name, w), up, down in zip(weighed.items(), plus, minus, strict=True):
        outcome = Outcome.INCONCLUSIVE
        if at_most(up, alpha):
            outcome = Outcome.SUPPORTED
        elif at_most(down, alpha):
            outcome = Outcome.REFUTED
        words = words_of(w, outcome, Corrected(up, down, alpha, together, len(names)))
        verdicts[name] = Verdict(
            outcome, outcome.word == w.expect, up, down, words.sentence, words.reason, words.message, tuple(w.warnings)
        )
    return verdicts
