"""Asking a claim: whatever its own code does or its constants cause ends here, as `ClaimError`, and never a run.

Everything that runs a claim's methods goes through these functions. `KeyboardInterrupt` alone goes through.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from modclaims.corpus import Corpus
from modclaims.declarations import held_fast, junk, refuse_undeclared, shown, written
from modclaims.errors import ClaimCodeError, ClaimError, ModclaimsError
from modclaims.hypothesis import Hypothesis
from modclaims.look import TestSettings
from modclaims.memory import check_fits
from modclaims.own_code import own_classes
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.recording import REQUESTS, ModelShape, Recording, Request
from modclaims.stats.evidence import Evidence

T = TypeVar("T")
_LONGEST = 600
"""Letters of a foreign error's text that are told."""


def ask(claim: Hypothesis, what: str, call: Callable[[], T]) -> T:
    """What a call that runs a claim's code gives; `what` says in words what it was for.

    Raises `ClaimError` as the claim raises it, and `ClaimCodeError` for all else that comes out of it, the end of the
    program included.
    """
    try:
        with held_fast(claim):
            answer = call()
    except (KeyboardInterrupt, ClaimError):
        raise
    except BaseException as fault:  # SystemExit too, and what test frameworks raise to end a test
        raise ClaimCodeError(told(fault, what, type(claim))) from fault
    return answer


def examine(claim: Hypothesis) -> None:
    """Raise `ClaimError` for what is wrong with a claim whatever corpus and network it meets."""
    refuse_undeclared(type(claim))
    ask(claim, "validate()", claim.validate)
    columns(claim)
    models(claim)
    words = ask(claim, "holds.words", lambda: claim.holds.words)
    if not isinstance(words, str):
        raise ClaimCodeError(f"The words of holds = {shown(claim.holds)} are {shown(words)}, which is no text.")


def columns(claim: Hypothesis) -> tuple[str, ...]:
    """Labels that the corpus must have."""
    found = ask(claim, "columns()", claim.columns)
    if not isinstance(found, (tuple, list)) or not all(isinstance(name, str) for name in found):
        raise junk(type(claim), "columns", found, "a tuple of names of labels, such as (self.label,)")
    return tuple(found)


def models(claim: Hypothesis) -> int:
    """The fewest models that the run must read."""
    found = ask(claim, "models()", claim.models)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise junk(type(claim), "models", found, "a whole number from 1")
    return found


def check(claim: Hypothesis, before: PlanContext) -> None:
    """Raise `ClaimError` where corpus, network, positions or tokens cannot carry the claim."""
    ask(claim, "check()", lambda: claim.check(before))
    needed = ask(claim, "memory()", lambda: float(claim.memory(before)))
    texts = len(before.corpus)
    check_fits(
        needed,
        f"Weighing {claim.family()} on {texts:,} texts",
        # what grows most grows with pairs of texts
        lambda share: f"About {int(texts * share**0.5):,} texts would fit; or name fewer layers (layers = ...).",
    )


def plan(claim: Hypothesis, before: PlanContext) -> TestPlan:
    """What the claim would be weighed by."""
    found = ask(claim, "plan()", lambda: claim.plan(before))
    if not isinstance(found, TestPlan):
        raise junk(type(claim), "plan", found, "a TestPlan")
    return found


def requests(claim: Hypothesis, shape: ModelShape) -> tuple[Request, ...]:
    """What must be recorded, each of it such that this network may be asked for it."""
    return _requests(claim, "requests", shape, lambda: claim.requests(shape))


def further(claim: Hypothesis, recording: Recording, weighing: TestSettings) -> tuple[Request, ...]:
    """What must be recorded besides, once the first answers are known."""
    return _requests(claim, "further", recording.shape, lambda: claim.further(recording, weighing))


def further_passes(claim: Hypothesis, corpus: Corpus, shape: ModelShape) -> int:
    """The most forward passes that `further` may take."""
    found = ask(claim, "further_passes()", lambda: claim.further_passes(corpus, shape))
    if not isinstance(found, int) or found < 0:
        raise junk(type(claim), "further_passes", found, "a whole number from 0")
    return int(found)


def weigh(claim: Hypothesis, recording: Recording, weighing: TestSettings) -> Evidence:
    """The evidence of one recording."""
    return ask(claim, "weigh()", lambda: claim.weigh(recording, weighing))


def _requests(
    claim: Hypothesis, name: str, shape: ModelShape, call: Callable[[], tuple[Request, ...]]
) -> tuple[Request, ...]:
    found = ask(claim, f"{name}()", call)
    allowed = "a tuple of requests, such as (Activations('attn_out'),)"
    if not isinstance(found, (tuple, list)):
        raise junk(type(claim), name, found, allowed)
    for one in found:
        if type(one) not in REQUESTS:  # a class of one's own that extends a request would bring its own code
            raise junk(type(claim), name, one, allowed, "among others ")
        ask(claim, f"the request {shown(one)}", partial(_resolved, one, shape))
    return tuple(found)


def _resolved(request: Request, shape: ModelShape) -> tuple[int, tuple[int, ...]]:
    """What fails where a request holds values that it cannot."""
    name = request.model
    of = next((other for other in shape.beside if other.name == name), None) if name is not None else shape
    if of is None:
        raise ClaimError(f"Model {name!r} is none of those that this run reads.")
    return hash(request), of.resolve_layers(request)


# ── what came out of code that is not ours ──


def told(fault: BaseException, what: str, cls: type) -> str:
    """A fault on one line: where in the claim's own code, or that one of its constants caused it in modclaims', and what."""
    if isinstance(fault, ModclaimsError):
        return text_of(fault)
    said = f"{type(fault).__name__}: {text_of(fault)}".removesuffix(": ")
    frames = traceback.extract_tb(fault.__traceback__)
    own = [frame for frame in frames if Path(frame.filename) in _files(cls)]
    if own:
        place = f"{written(Path(own[-1].filename).name)}, line {own[-1].lineno}, in {own[-1].name}"
        if isinstance(fault, SystemExit):
            return f"{place}: {said}: it would end the run, which no claim may; let it raise an exception, or return."
        return f"{place}: {said}"
    at = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return (
        f"{what} of {cls.__name__} failed inside modclaims{at}: {said}. Most likely one of the claim's constants is of a kind "
        "that nobody foresaw; if all are as they should be, this is a fault of modclaims."
    )


def text_of(fault: BaseException) -> str:
    """The text of an exception on one line, whatever its `__str__` does."""
    try:
        text = str(fault)
    except Exception:  # a user's class may do anything when it is asked for words
        return "(its text cannot be had)"
    if isinstance(fault, ModclaimsError):
        return written(text)
    text = " ".join(written(text).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _files(cls: type) -> set[Path]:
    """Files of a claim's own classes."""
    found: set[Path] = set()
    for base in own_classes(cls):
        try:
            found.add(Path(inspect.getfile(base)))
        except (OSError, TypeError):  # made by `type` or `exec`
            continue
    return found
