"""Hypothesis: one claim, declared with constants only: where to look, what would count, what is expected."""

from __future__ import annotations

import hashlib
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, ClassVar, TypeVar, final

from modclaims.corpus import Corpus
from modclaims.declarations import LARGEST, constants, junk, settle, shown, written
from modclaims.docstrings import tell_inherited
from modclaims.errors import ClaimError
from modclaims.look import Look, TestSettings
from modclaims.measured import Measured, RivalResult, Words
from modclaims.own_code import is_library, own_classes, own_code
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.recording import ModelShape, Recording, Request
from modclaims.stats.chance.multiplicity import ADJUSTMENTS, Adjustment
from modclaims.stats.evidence import Evidence, Exhibit
from modclaims.stats.quantifiers import Holds, somewhere

Constant = Any  # Any: constants are of the kinds that a claim may declare
Given = TypeVar("Given")
EXPECTATIONS = ("supported", "refuted", "inconclusive")


class Hypothesis(ABC):
    """A claim about a network: a class that sets constants, whose docstring's first paragraph is the claim.

    Subclass a family (`CategoryClustering`, `HeadSelectivity`, ...), say the claim in words, and set
    what the family's own default does not say. A claim is weighed by `modclaims run FILE` or in pytest,
    and ends SUPPORTED, REFUTED or INCONCLUSIVE. To make a family, extend this class itself: give it
    `requests` (what is recorded) and `measure` (cells, effects with bounds, a test).

    Two numbers decide. p+ is the larger of the claim's p-value (adjusted over its cells) and the
    smallest level at which the effect's lower bound clears `smallest_effect`; p- is the smallest level
    at which the upper bound falls below it. Holm's correction runs over all claims of the files that
    were named, on each side by itself. SUPPORTED: p+ <= alpha. REFUTED: p- <= alpha. The numbers are
    wrong where units (texts, unless a family says otherwise) are not independent: give texts of one
    author or book the same `block`.

    Attributes
    ----------
    label : str, default 'category'
        Column of the corpus whose values are compared, and which chance exchanges among texts.
    within : str | None, default None
        Column inside whose values (strata) labels are exchanged; None for free exchange. Another
        column than `label`.
    holds : Holds, default somewhere()
        In which of its cells (layers, heads, ...) the claim must hold: somewhere(), everywhere(),
        in_fraction(0.5), at(0, -1) for one or more of these layers, everywhere(0, -1) for all of them.
    adjust : str, default 'maxT'
        How p is adjusted over cells. One of 'maxT' (step-down over studentised statistics) and 'minP'
        (step-down over p-values, for cells whose null distributions differ in shape).
    smallest_effect : float, default 0.0
        The smallest effect that matters, in the effect's own unit; at least 0, and below the end of the
        effect's scale.
    expect : str, default 'supported'
        The outcome with which the claim passes. One of 'supported', 'refuted' and 'inconclusive'.

    Notes
    -----
    A claim sets only constants that its family knows; another name is that claim's ERROR, with the
    nearest name. Names for your own use begin with an underscore. Lists become tuples.

    References
    ----------
    Goeman, Solari & Stijnen (2010), Three-sided hypothesis testing: simultaneous testing of
    superiority, equivalence and inferiority. Westfall & Young (1993), Resampling-Based Multiple
    Testing. Phipson & Smyth (2010), Permutation p-values should never be zero.

    Examples
    --------
    >>> from modclaims import CategoryClustering, at
    >>> class TopicsClusterLate(CategoryClustering):
    ...     "Texts of one topic look alike in the last layer."
    ...
    ...     label = "topic"
    ...     holds = at(-1)
    >>> TopicsClusterLate.sentence()
    'Texts of one topic look alike in the last layer.'
    >>> TopicsClusterLate.family()
    'CategoryClustering'
    >>> TopicsClusterLate().validate()
    >>> TopicsClusterLate.smallest_effect
    0.2
    """

    label: str = "category"
    within: str | None = None
    holds: Holds = somewhere()
    adjust: Adjustment = "maxT"
    smallest_effect: float = 0.0
    expect: str = "supported"
    effect_name: ClassVar[str] = "effect"
    largest_effect: ClassVar[float] = float("inf")
    """Where the effect's scale ends."""
    _takes_slopes: ClassVar[bool] = False
    """Whether the family weighs slopes along depth."""
    _without_effect: ClassVar[Mapping[str, str]] = {}
    """Constants that nothing hangs on in this family, each with the reason in words, as `{"label": "no text is read"}`: a claim
    that sets one is an ERROR, and help() says why."""

    def __init_subclass__(cls, **options: Constant) -> None:
        """As soon as there is the class, lists among a claim's constants become tuples, and a family tells those it inherits."""
        super().__init_subclass__(**options)
        settle(cls)
        tell_inherited(cls, cls._without_effect)

    @classmethod
    def sentence(cls) -> str:
        """The claim in words: the first paragraph of the class' own docstring."""
        text = written(inspect.cleandoc(cls.__dict__.get("__doc__") or ""))
        return " ".join(text.split("\n\n")[0].split()) or cls.__name__

    @classmethod
    def family_class(cls) -> type[Hypothesis]:
        """The family that weighs the claim: the library class that it extends, or a nearer class of one's own with a `measure`.

        Where neither is there, the class furthest up that is not the library's.
        """
        for base in cls.__mro__:
            if (
                issubclass(base, Hypothesis)
                and base is not Hypothesis
                and (is_library(base) or "measure" in vars(base))
            ):
                return base
        own = [base for base in own_classes(cls) if issubclass(base, Hypothesis)]
        return own[-1] if own else cls

    @classmethod
    def family(cls) -> str:
        """Name of the family."""
        return cls.family_class().__name__

    @classmethod
    def declared(cls) -> dict[str, Constant]:
        """The constants that make the claim, by name, as plain JSON values."""
        return {name: _plain(value) for name, value in sorted(constants(cls).items())}

    @classmethod
    def digest(cls) -> str:
        """SHA-256 of name, family, sentence, constants and, where it has any, of the claim's own code: what a lock pins."""
        body = [cls.__name__, cls.family(), cls.sentence(), cls.declared(), *own_code(cls)]
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()

    @property
    def effect(self) -> str:
        """The effect by name, as the claim's constants make it."""
        return self.effect_name

    def validate(self) -> None:
        """Raise `ClaimError` for a constant that no value of its kind allows."""
        if self.expect not in EXPECTATIONS:
            raise ClaimError(f"expect = {self.expect!r} is unknown; choose one of {', '.join(EXPECTATIONS)}.")
        if not isinstance(self.holds, Holds):
            raise ClaimError(f"holds = {self.holds!r} is no quantifier; write holds = somewhere(), everywhere(), ...")
        self.holds.check()
        if self.holds.contrasts and not self._takes_slopes:
            raise ClaimError(
                f"along_depth({self.holds.words.split()[0]!r}) is about a slope along depth, which {self.family()} has none of: its claims "
                "are about single layers, heads or contrasts. Write somewhere(), everywhere(), in_fraction(...) or at(...)."
            )
        if self.adjust not in ADJUSTMENTS:
            raise ClaimError(f"adjust = {self.adjust!r} is unknown; choose one of {', '.join(ADJUSTMENTS)}.")
        if self.holds.contrasts and self.adjust != Hypothesis.adjust:
            raise ClaimError(
                f"adjust = {self.adjust!r} has no effect along depth: there is one slope, whose p is read off its bound. Take the line out."
            )
        if isinstance(self.smallest_effect, bool) or not isinstance(self.smallest_effect, (int, float)):
            raise ClaimError(f"smallest_effect = {self.smallest_effect!r} is no number.")
        if not 0 <= self.smallest_effect < self.largest_effect:
            raise ClaimError(
                f"smallest_effect = {self.smallest_effect!r} must be at least 0 and below {self.largest_effect:g}, "
                f"the end of the scale of {self.effect_name}."
            )
        if not isinstance(self.label, str) or not (self.within is None or isinstance(self.within, str)):
            raise ClaimError(f"label = {self.label!r} and within = {self.within!r} must name columns of the corpus.")
        if self.label == self.within:
            raise ClaimError(f"label and within are both {self.label!r}; chance would have nothing to exchange.")

    def columns(self) -> tuple[str, ...]:
        """Labels that the corpus must have."""
        return (self.label,) if self.within is None else (self.label, self.within)

    def models(self) -> int:
        """The fewest models that the run must read."""
        return 1

    def check(self, before: PlanContext) -> None:
        """Raise `ClaimError` for whatever corpus, network, positions and tokens show to be wrong with the claim.

        Asked before any forward pass, by a run and by a plan alike.
        """
        for column in self.columns():
            before.corpus.values(column)

    def memory(self, before: PlanContext) -> float:
        """Bytes that weighing takes, about, where that grows with texts or cells; 0 where it is little.

        Asked before any forward pass: a claim for which there is no room is refused then.
        """
        return 0.0

    @abstractmethod
    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        """What must be recorded. Raises `ClaimError` for a layer that the model lacks."""

    def further(self, recording: Recording, weighing: TestSettings) -> tuple[Request, ...]:
        """What must be recorded besides, once the answers to `requests` are known; texts sorted by id, as when weighed."""
        return ()

    def further_passes(self, corpus: Corpus, shape: ModelShape) -> int:
        """The most forward passes that `further` may take; known before anything is recorded."""
        return 0

    @final
    def weigh(self, recording: Recording, weighing: TestSettings) -> Evidence:
        """The evidence of one recording: the order in which every claim is weighed.

        First what decides, `measure`; then, unless the weighing is bare, what stands beside the cell that the quantifier
        names: rivals, figures, words. Raises `ClaimError` where the claim cannot be weighed on this corpus, or one of its
        methods gives what it must not. A class that overrides this is refused.
        """
        look = Look(type(self).__name__, recording, weighing)
        measured = self._given("measure", self.measure(look), Measured, "a Measured")
        bare = measured.evidence()
        if weighing.bare:
            return bare
        named = self.holds.named(bare, self.smallest_effect, weighing.alpha, weighing.claims)
        rivals = self._given("rivals", self.rivals(look, measured, named), Sequence, "a tuple of RivalResults")
        exhibits = self.exhibits(look, measured, named, rivals)
        exhibits = self._given("exhibits", exhibits, Sequence, "a tuple of Exhibits")
        return measured.evidence(
            rivals, exhibits, self._given("words", self.words(look, measured, named), Words, "Words")
        )

    def _given(self, method: str, found: Given, kind: type, allowed: str) -> Given:
        """What a method gave. Raises `ClaimCodeError` where it is of another kind than it must be."""
        if not isinstance(found, kind):
            raise junk(type(self), method, found, allowed)
        return found

    def plan(self, before: PlanContext) -> TestPlan:
        """What the claim would be weighed by: units, cells, what chance does, and the smallest levels that can be counted.

        Raises `ClaimError` for what weighing it would find wrong with its cells, and where the family has no plan.
        """
        raise ClaimError(f"Nothing is known of how claims of family {self.family()} are weighed.")

    @abstractmethod
    def measure(self, look: Look) -> Measured:
        """Cells with their effects, bounds and test, all that decides; and, as the payload, what is needed later."""

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        """Rival explanations of what the named cell shows, weighed."""
        return ()

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        """The family's figures; those of rivals stand before them."""
        return ()

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        """What is said of the named cell, and further numbers."""
        return Words()


def _plain(value: Constant) -> Constant:
    """A constant as JSON: dataclasses by class name and fields, tuples as lists; other kinds by their name, for no claim is
    weighed that has any."""
    if is_dataclass(value) and not isinstance(value, type):
        return {type(value).__name__: {field.name: _plain(getattr(value, field.name)) for field in fields(value)}}
    if isinstance(value, Mapping):
        return {written(str(k)): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, str):
        return written(value)
    if isinstance(value, int) and abs(value) >= LARGEST:
        return shown(value)
    return value if isinstance(value, (int, float, bool, type(None))) else shown(value)
