"""What a session knows of its claims: those it selected, and the verdict on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from modclaims.runs.collect import Collected

EXPECTED, AGAINST, INCONCLUSIVE, ERROR, SKIPPED = (
    "as expected",
    "against expectation",
    "inconclusive",
    "error",
    "skipped",
)
STANDINGS = (EXPECTED, AGAINST, INCONCLUSIVE, ERROR, SKIPPED)
"""How a claim may stand to what was expected of it."""
NUMBERS = (
    *("outcome", "expect", "effect_name", "effect", "effect_low", "effect_high", "smallest_effect", "best_words"),
    *("p", "p_plus_adjusted", "p_minus_adjusted", "draws", "exact", "n_texts", "n_cells"),
)
"""What an item keeps of its claim in `user_properties`, named as in run.json."""
Summary = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True)
class SelectedClaim:
    """One claim that the session selected, and the model to weigh it on."""

    collected: Collected
    model: str | None
    """None for the model of the settings."""


@dataclass(frozen=True)
class Judged:
    """A claim's verdict among the claims that were weighed with it."""

    claim: Summary
    """Its object in run.json."""
    over: str
    """What levels were corrected over, in words that follow "over"."""
    correction: str
    strict: bool
    """Whether staying inconclusive fails."""

    @property
    def standing(self) -> str:
        """One of `STANDINGS`."""
        outcome = self.claim["outcome"]
        if outcome in (ERROR, SKIPPED):
            return str(outcome)
        if self.claim["as_expected"]:
            return EXPECTED
        return INCONCLUSIVE if outcome == INCONCLUSIVE else AGAINST

    def told(self) -> str:
        """The numbers on one line, then the claim and its verdict in words."""
        from modclaims.drawing.numerals import interval, number, p_value

        c = self.claim
        if c["effect"] is None:
            return str(c["message"])
        where = f" at {c['best_words']}" if c["n_cells"] > 1 else ""
        first = (
            f"{str(c['outcome']).upper()}, {c['expect']} was expected: "
            f"{c['effect_name']} {number(c['effect'])} {interval(c['effect_low'], c['effect_high'])}{where}, "
            f"smallest that matters {c['smallest_effect']:g}; "
            f"p+ {p_value(c['p_plus_adjusted'])}, p- {p_value(c['p_minus_adjusted'])} "
            f"({self._corrected()})"
        ).replace("−", "-")  # as in the sentence below, and found by who searches a log
        return "\n".join(part for part in (first, str(c["claim"]), str(c["sentence"]), str(c["message"])) if part)

    def _corrected(self) -> str:
        """Both levels before correction, and what it was over."""
        from modclaims.drawing.numerals import p_value

        if self.correction == "none":
            return "without correction"
        return (
            f"alone {p_value(self.claim['p_plus'])} and {p_value(self.claim['p_minus'])}; "
            f"{self.correction} over {self.over}"
        )


Verdicts = dict[tuple[str | None, str], Judged]
"""By model and claim id."""


class Claims(Protocol):
    """A hypothesis file with its claims."""

    @property
    def path(self) -> Path: ...

    @property
    def collected(self) -> Sequence[Collected]: ...


@dataclass
class State:
    """What one session knows of its claims."""

    judged: Verdicts | None = None
    """None until they are there."""
    files: list[Claims] = field(default_factory=list)
    """Hypothesis files that were met while pytest collected, asked for or not."""
    reports: list[Path] = field(default_factory=list)
    handover: Path | None = None
    """Folder shared by an xdist controller and its workers."""


STATE = pytest.StashKey[State]()


def properties_of(claim: Summary, model: str | None) -> list[tuple[str, object]]:
    """Numbers of a claim that there are, and the model where it was chosen."""
    found: list[tuple[str, object]] = [(name, claim[name]) for name in NUMBERS if claim.get(name) is not None]
    return found if model is None else [("model", model), *found]


def undecided(judged: Judged) -> str:
    return f"INCONCLUSIVE: {judged.claim['message'] or judged.claim['sentence']}"
