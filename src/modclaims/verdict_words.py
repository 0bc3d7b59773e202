"""The English of a verdict: its sentence, and why nothing is settled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modclaims.claim_set import ClaimSet
from modclaims.decimals import decimals_of_effect, level_words, rounded
from modclaims.outcome import Outcome
from modclaims.stats.chance.multiplicity import at_most
from modclaims.stats.evidence import Cell
from modclaims.summaries import TestSummary


@dataclass(frozen=True)
class Corrected:
    """The levels of one claim after correction, and what they were corrected over."""

    p_plus: float
    p_minus: float
    alpha: float
    together: ClaimSet
    weighed: int
    """How many claims of the set were weighed."""

    def words(self) -> str:
        """What stands after "over"."""
        if self.weighed == self.together.size:
            return f"the {self.weighed} claims of this run"
        return f"{self.together.words(self.weighed)},"

    def advice(self) -> str:
        """What would help, where others of the set may still be weighed."""
        if self.weighed + len(self.together.kept) == self.together.size:
            return ""
        return " What is not weighed, or could not be, counts as p = 1; weighed together with it, the others might settle it."


@dataclass(frozen=True)
class VerdictWords:
    """What a verdict says; `reason` and `message` are empty where it is settled."""

    sentence: str
    reason: str
    message: str


def words_of(w: TestSummary, outcome: Outcome, over: Corrected) -> VerdictWords:
    """The result in words, and why nothing is settled: in a few words, and in sentences."""
    reason, message = ("", "") if outcome is not Outcome.INCONCLUSIVE else _why(w, over)
    return VerdictWords(*(_of_unit(words, w) for words in (_sentence(w, outcome), reason, message)))


def _of_unit(words: str, w: TestSummary) -> str:
    """The same words where no text was read, but random tokens in sequences."""
    return words.replace("texts", "sequences") if w.unit == "sequence" else words


def _why(w: TestSummary, over: Corrected) -> tuple[str, str]:
    """Why nothing is settled: in a few words, and in sentences."""
    if w.undecided:
        return w.undecided.split(":")[0], w.undecided
    if not w.bounded:
        return _without_bound(w)
    if w.bound_floor > over.alpha and w.n_texts:
        return "so few texts settle nothing", (
            f"So few {w.unit}s settle nothing, whatever the effect: in {50 * w.bound_floor if w.splits else 100 * w.bound_floor:.0f} % of the resamples it, or its spread, is "
            f"not defined, as where one {w.unit} of a category is drawn throughout, and these count against any bound. More "
            f"{w.unit}s of the smallest category would help."
        )
    if w.perfect is not None and min(w.perfect) > over.alpha:
        return "so few texts settle nothing", (
            f"So few {w.unit}s settle nothing, whatever the effect: a perfect sample of so many supports at {_p(w.perfect[0])}, and "
            f"refutes at {_p(w.perfect[1])}."
        )
    return _what_would_decide(w, over)


def _without_bound(w: TestSummary) -> tuple[str, str]:
    """The same where the named cell has no bound."""
    if w.unit == "model":
        return "no bound where models do not vary", (
            "No bound: the models' effects lie on one line, or are all the same, so they say nothing of how others would vary."
        )
    if w.n_texts == 0:
        return "no bound where null objects do not vary", (
            "No bound: the null objects all have one value, or the effect stands at the end of its scale, so the draws say nothing of it."
        )
    if w.constant:
        return "no bound where nothing varies", (
            "Nothing varies there, which carries no claim; that so many texts agree does not yet refute it. More texts would."
        )
    return "no bound where nothing varies", (
        "No bound: the effect stands at the end of its scale or does not vary between texts, so the bootstrap says "
        "nothing of it. More texts would."
    )


def _what_would_decide(w: TestSummary, over: Corrected) -> tuple[str, str]:
    """The same where more texts, null objects or models, or a smaller correction, would settle it."""
    floor, claims = max(w.smallest_attainable_p, w.bound_floor), over.together.size
    known = ""
    if not at_most(floor * claims, over.alpha):
        known = f" With {claims} claims the smallest level that this design and these draws attain, {_p(floor)}, cannot pass."
    if at_most(min(w.p_plus, w.p_minus), over.alpha):
        supports = w.p_plus < w.p_minus
        side, raw, after = ("supported", w.p_plus, over.p_plus) if supports else ("refuted", w.p_minus, over.p_minus)
        return f"lost to correction over {claims} claims", (
            f"Alone it would be {side} ({_p(raw)}); corrected over {over.words()} it is not ({_p(after)}).{over.advice()}{known}"
        )
    if w.n_texts == 0:
        return "more null objects would decide", (
            f"No text takes part: the effect lies within the Monte Carlo error of the {w.n_units:,} null objects from the smallest that "
            f"matters, or too many of them are as extreme. More of them (draws = ...) would tell which.{known}"
        )
    if w.unit == "model":
        return "more models would decide", (
            f"The models are the units here, and {w.n_units} of them settle nothing. More of them (--beside) may; more texts "
            f"only tell each model's effect better.{known}"
        )
    refute = _Taking(w, w.texts_to_refute, w.draws_to_refute)
    support = _Taking(w, w.texts_to_support, w.draws_to_support)
    if refute.is_there and support.is_there:
        return "too close to the smallest effect to call", (
            f"The effect lies too close to the smallest that matters ({w.smallest_effect:g}) to call: these {w.n_texts} texts would "
            "have settled an effect of 0, or of twice that."
        )
    return _brief(refute, support, w.smallest_effect), (
        f"{_capital(refute.would('refute it'))} were the effect 0; {support.would('support it')} were it twice the smallest that "
        f"matters (before correction over claims).{known}"
    )


@dataclass(frozen=True)
class _Taking:
    """What one outcome would take: texts, null objects or both; neither where that cannot be said."""

    w: TestSummary
    texts: int | None
    draws: int | None

    @property
    def is_known(self) -> bool:
        return self.texts is not None or self.draws is not None

    @property
    def is_there(self) -> bool:
        """Whether these texts and null objects are enough."""
        return self.draws is None and self.texts is not None and self.texts <= self.w.n_texts

    def with_(self, other: _Taking) -> _Taking:
        """What takes care of both."""
        texts = [n for n in (self.texts, other.texts) if n is not None]
        draws = [n for n in (self.draws, other.draws) if n is not None]
        if len(texts) == 1 and draws:  # the other one keeps its texts
            texts.append(self.w.n_texts)
        return _Taking(self.w, max(texts, default=None), max(draws, default=None))

    def __str__(self) -> str:
        counts = [] if self.texts is None else [f"about {self.texts:,} texts"]
        if self.draws is not None:
            counts.append(f"about {self.draws:,} {self.w.null_words}")
        return " and ".join(counts)

    def would(self, do: str) -> str:
        """Such as `about 603 texts would refute it`; and by which constant null objects become more."""
        if not self.is_known:
            return f"it cannot be said how many texts would {do}"
        if self.draws is None:
            return f"{self} would {do}"
        told = f"{self.draws - self.w.null_objects:,} more than now"
        constant = CONSTANTS.get(self.w.null_words)
        told += f", {constant} = {self.draws}" if constant else ""
        alone = "; no number of texts alone would" if self.texts is None else ""
        return f"{self} ({told}{alone}) would {do}"


CONSTANTS = {"matched sets": "sets", "null objects": "draws", "rotations": "draws"}
"""The constant of a claim that says how many null objects of a kind there are."""


def _brief(refute: _Taking, support: _Taking, smallest: float) -> str:
    """What would decide in a few words, and for which effects that is said."""
    if refute.is_known and support.is_known:
        return f"{refute.with_(support)} would decide, were the effect 0 or twice {smallest:g}"
    if refute.is_known:
        return f"{refute} would refute an effect of 0"
    if support.is_known:
        return f"{support} would support twice {smallest:g}"
    return "more texts may decide"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _p(value: float) -> str:
    return level_words(value)


def _of_models(outcome: Outcome, w: TestSummary) -> str:
    """An outcome's sentence where texts take part, and perhaps models are the units."""
    return (
        outcome.sentence.replace("these texts settle", "these models settle") if w.unit == "model" else outcome.sentence
    )


def _of_weights(outcome: Outcome) -> str:
    """An outcome's sentence where no text takes part."""
    return outcome.sentence.replace("these texts settle", "these null objects settle")


def _among_carrying(carrying: int, cells: int) -> str:
    """How many cells carry a claim that one of them is named for."""
    if carrying == 1:
        return f", the only one of {cells:,} cells that carries the claim"
    return f", the largest effect of the {carrying:,} cells of {cells:,} that carry the claim"


def _drawn(w: TestSummary) -> str:
    """What was drawn at the last checkpoint, in words."""
    kinds = [f"{w.resamples:,} resamples"] if w.resamples else []
    if w.p is not None:
        kinds.insert(0, f"all {w.draws:,} arrangements" if w.exact else f"{w.draws:,} arrangements")
    return " and ".join(kinds)


def _sentence(w: TestSummary, outcome: Outcome) -> str:
    """The result in words, with the numbers that decided it."""
    how = f"{w.draws:,} draws" if not w.exact else f"exact, N = {w.draws:,}" if w.draws else "exact"
    where = f" at {w.best_words}" if w.best_words != str(Cell()) and w.n_cells > 1 else ""
    if where and outcome is Outcome.SUPPORTED and w.carrying:
        where += _among_carrying(w.carrying, w.n_cells)
    if w.splits:
        where += f", the median of {w.splits} splits"
    decimals = decimals_of_effect(w.smallest_effect, w.effect_low, w.effect_high)
    first = f"{w.action[:1].upper()}{w.action[1:]} ({how}) gave {w.effect_name} = {rounded(w.effect, decimals)}{where}"
    if np.isfinite(w.effect_low) or np.isfinite(w.effect_high):
        first += f", {w.interval.split(',')[0].split(':')[0]} [{rounded(w.effect_low, decimals)}, {rounded(w.effect_high, decimals)}]"
    if w.p is not None:
        here = w.p if w.p_cell is None else w.p_cell
        word = "adjusted p" if w.adjusted else "p"
        first += f", {word} = {_p(here)}"
        if w.n_cells > 1 and _p(w.p) != _p(here):
            first += f"; the claim's own p = {_p(w.p)}"
    parts = [first + "."]
    said = _of_models(outcome, w) if w.n_texts else f"{_of_weights(outcome)}, in this network"
    if w.checkpoint:
        parts.append(f"Fewer draws had left its level too close to a deciding value; they went on to {_drawn(w)}.")
    parts.append(f"The claim ({w.holds}; smallest effect that matters {w.smallest_effect:g}): {said}.")
    if outcome is Outcome.SUPPORTED and w.location is not None:
        parts.append(
            "The categories differ in location (F2 agrees)."
            if w.location
            else "The categories differ, possibly only in spread."
        )
    if outcome is Outcome.REFUTED and w.constant:
        parts.append(
            f"In {w.constant:,} of {w.n_cells:,} cells nothing varies." if w.n_cells > 1 else "Nothing varies there."
        )
    if w.detail:
        parts.append(w.detail)
    if "shared words" in w.statistic:
        parts.append("This is beyond these proxies of shared words, not beyond every proxy.")
    return " ".join(parts)
