"""Claim files and their items, as pytest collects them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modclaims.pytest_plugin.handover import verdicts_of
from modclaims.pytest_plugin.judged import (
    ERROR,
    EXPECTED,
    INCONCLUSIVE,
    SKIPPED,
    Judged,
    SelectedClaim,
    properties_of,
    undecided,
)
from modclaims.pytest_plugin.weighing import models_of, usual_warnings

if TYPE_CHECKING:
    from modclaims.runs.collect import Collected


FOLDER = "hypotheses"
"""Name of the folders whose files are taken without being named."""


def may_hold_claims(path: Path, session: pytest.Session) -> bool:
    """Whether name, place and bytes say that this is a hypothesis file; `modclaims run` leaves out the same names."""
    named = session.isinitpath(path)
    if path.suffix != ".py" or path.name.startswith(("test_", "conftest")):
        return False
    if under_folder(path, session.config):
        if path.name.startswith("_") and not named:
            return False
    elif not named or any(path.match(pattern) for pattern in session.config.getini("python_files")):
        return False
    try:
        return b"modclaims" in path.read_bytes()
    except OSError:
        return False


def under_folder(path: Path, config: pytest.Config) -> bool:
    """Whether a folder called hypotheses holds the file; one that holds the whole project does not count."""
    root = config.rootpath if config.inipath is not None else config.rootpath.parent
    inside = path.relative_to(root) if path.is_relative_to(root) else path
    return FOLDER in inside.parent.parts


def claims_of(path: Path, config: pytest.Config) -> Sequence[Collected]:
    from modclaims.runs.collect import collect_file

    with usual_warnings():
        return collect_file(path, config.rootpath)


class ClaimFile(pytest.File):
    """A hypothesis file."""

    @cached_property
    def collected(self) -> Sequence[Collected]:
        """Its claims, or the one fault that kept it from being loaded."""
        return claims_of(self.path, self.config)

    def collect(self) -> Iterator[ClaimItem]:
        """One item per claim and model, in the order of definition."""
        models = models_of(self.config)
        for one in self.collected:
            for name in [one.name] if "::" in one.id else self._names_asked() or [self.path.name]:
                for model in models:
                    shown = f"{name}[{model}]" if len(models) > 1 else name
                    yield ClaimItem.from_parent(self, name=shown, asked=SelectedClaim(one, model))

    def _names_asked(self) -> list[str]:
        """Claims of this file that the command line names: what stands for them where the file cannot be loaded."""
        given = (arg.partition("::") for arg in self.config.args)
        here = self.config.invocation_params.dir
        mine = (name for file, _, name in given if name and (here / file).resolve() == self.path.resolve())
        return list(dict.fromkeys(mine))


class ClaimItem(pytest.Item):
    """One claim on one model; it reads the verdict that the session reached."""

    def __init__(self, *, asked: SelectedClaim, **options: Any) -> None:  # Any: pytest's own
        super().__init__(**options)
        self.asked = asked
        self.judged: Judged | None = None
        self.add_marker("claim")
        self.no_mark = ""
        if asked.collected.claim is not None:
            marks = list(_marks(type(asked.collected.claim)))
            self.own_markers.extend(one for one in marks if isinstance(one, pytest.Mark))
            self.no_mark = ", ".join(type(one).__name__ for one in marks if not isinstance(one, pytest.Mark))

    def setup(self) -> None:
        """Find the verdict. What cannot be weighed ends here: as an error, or skipped where a column is lacking."""
        if self.no_mark:
            pytest.fail(
                f"pytestmark holds a value of type {self.no_mark}; it holds marks, such as pytest.mark.xfail.",
                pytrace=False,
            )
        self.judged = verdicts_of(self.config).get((self.asked.model, self.asked.collected.id))
        if self.judged is None:
            pytest.fail(f"{self.asked.collected.id} was not among the claims that this session weighed.", pytrace=False)
        if not self.user_properties:
            self.user_properties += properties_of(self.judged.claim, self.asked.model)
        if self.judged.standing == ERROR:
            pytest.fail(str(self.judged.claim["message"]), pytrace=False)
        if self.judged.standing == SKIPPED:
            pytest.skip(str(self.judged.claim["message"]))

    def runtest(self) -> None:
        """Pass as expected, fail against expectation (with `--claims-strict` where undecided), else be undecided."""
        assert self.judged is not None  # set up, or never run
        if self.judged.standing == INCONCLUSIVE and not self.judged.strict:
            pytest.skip(undecided(self.judged))
        if self.judged.standing != EXPECTED:
            pytest.fail(self.judged.told(), pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the claim is stated."""
        return self.path, self._line, self.name

    @property
    def _line(self) -> int:
        import inspect

        claim = self.asked.collected.claim
        try:
            return max(0, inspect.getsourcelines(type(claim))[1] - 1) if claim is not None else 0
        except (OSError, TypeError):
            return 0


def _marks(claim: type) -> Iterator[object]:
    """Marks that the claim's file, its ancestors and the claim itself declare, and what stands in their place."""
    for holder in (sys.modules[claim.__module__], *reversed(claim.__mro__)):
        given = vars(holder).get("pytestmark", [])
        for one in given if isinstance(given, list) else [given]:
            yield one.mark if isinstance(one, pytest.MarkDecorator) else one


def file_of(item: ClaimItem) -> ClaimFile:
    assert isinstance(item.parent, ClaimFile)  # nothing else makes items of claims
    return item.parent
