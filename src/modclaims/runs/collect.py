"""Find the claims in hypothesis files: one loader for the command line and for pytest."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from modclaims.asking import text_of
from modclaims.claim_files import claim_files
from modclaims.declarations import lacks_values, refuse_overruled, refuse_set, refuse_undeclared, settle, written
from modclaims.errors import ClaimError, ModclaimsError, UsageError
from modclaims.hypothesis import Hypothesis
from modclaims.shipped import shipped


@dataclass(frozen=True)
class Collected:
    """A claim that was found, or the fault of a file that could not be loaded."""

    id: str
    path: Path
    claim: Hypothesis | None
    fault: str = ""
    is_shipped: bool = False

    @property
    def name(self) -> str:
        """The class name, or the file's where it could not be loaded."""
        return self.id.rsplit("::", 1)[-1]


def load_module(path: Path) -> ModuleType:
    """The file as a module under a private name made from its path; each file is loaded once."""
    resolved = path.resolve()
    name = "_modclaims_" + hashlib.sha256(os.fsencode(resolved)).hexdigest()[:16]
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, resolved)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be loaded as Python.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def identity(path: Path, cwd: Path) -> tuple[str, bool]:
    """The file's part of a claim's id, and whether it is a shipped one."""
    resolved, own = path.resolve(), shipped("hypotheses").resolve()
    if resolved.parent == own and (cwd / "hypotheses").resolve() != own:
        return f"modclaims:{resolved.name}", True
    here = cwd.resolve()
    inside = resolved.relative_to(here) if resolved.is_relative_to(here) else resolved
    return written(inside.as_posix()), resolved.parent == own  # a name that is not UTF-8 could not be written


def collect_file(path: Path, cwd: Path, only: str | None = None) -> list[Collected]:
    """Concrete claims defined in one file, in the order of definition; a fault of the file is one faulty entry."""
    label, own = identity(path, cwd)
    try:
        module = load_module(path)
        stated = _stated(path)
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # whatever a user's file raises, SystemExit too, is that file's ERROR
        return [Collected(label, path, None, _one_line(fault, path), own)]
    found = []
    for name, value in list(vars(module).items()):
        if (
            inspect.isclass(value)
            and issubclass(value, Hypothesis)
            and value.__module__ == module.__name__
            and not _is_own_family(value)
            and not name.startswith("_")
            and value.__name__ == name
        ):
            if only is not None and name != only:
                continue
            claim, wrong = _made(value, path)
            if len(lines := stated.get(name, ())) > 1:
                claim, wrong = (
                    None,
                    f"{path.name} states {name} in lines {' and '.join(map(str, lines))}; name one of them anew.",
                )
            found.append(Collected(f"{label}::{name}", path, claim, wrong, own))
    if only is not None and not found:
        raise UsageError(f"{path} has no claim {only!r}.")
    return found


def _stated(path: Path) -> dict[str, list[int]]:
    """Lines in which a file states each class: of two by one name Python keeps the last, and nobody would miss the other."""
    found: dict[str, list[int]] = {}
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.ClassDef):
            found.setdefault(node.name, []).append(node.lineno)
    return found


def _is_own_family(cls: type) -> bool:
    """Whether a class is a family and no claim: it says what its claims must define, or leaves something to those that it has."""
    own = any(getattr(value, "__isabstractmethod__", False) for value in vars(cls).values())
    if inspect.isabstract(cls) and own:
        return True
    return bool(cls.__subclasses__()) and (inspect.isabstract(cls) or lacks_values(cls))


def _made(cls: type[Hypothesis], path: Path) -> tuple[Hypothesis | None, str]:
    """The claim that a class states, or why there is none."""
    try:
        settle(cls)
        refuse_overruled(cls)
        if lacking := sorted(getattr(cls, "__abstractmethods__", ())):
            refuse_undeclared(cls)
            raise ClaimError(
                f"{cls.__name__} defines no {' and no '.join(lacking)}, which its family needs; define it, or begin the name of a "
                "class that states no claim with an underscore."
            )
        claim = cls()
        refuse_set(claim)
        try:
            claim.digest()
        except Exception:  # of constants that have no end, which this names
            refuse_undeclared(cls)
            raise
    except KeyboardInterrupt:
        raise
    except BaseException as fault:  # whatever a user's class raises, SystemExit too, is that claim's ERROR
        return None, _one_line(fault, path)
    return claim, ""


def _one_line(fault: BaseException, path: Path) -> str:
    """Type, message and the line of the file at fault."""
    if isinstance(fault, ModclaimsError):
        return text_of(fault)
    line = ""
    if isinstance(fault, SyntaxError) and fault.lineno:
        line = f", line {fault.lineno}"
    else:
        frames = [f for f in traceback.extract_tb(fault.__traceback__) if Path(f.filename) == path.resolve()]
        if frames:
            line = f", line {frames[-1].lineno}"
    return written(f"{path.name}{line}: {type(fault).__name__}: {text_of(fault)}")


@dataclass(frozen=True)
class Selection:
    """Claims that were collected together: those asked for, and the others, which count in the correction all the same."""

    chosen: tuple[Collected, ...]
    others: tuple[Collected, ...] = ()


def select(paths: Sequence[str], cwd: Path, expression: str = "") -> Selection:
    """All claims of the files that paths name or lie in, those apart that PATH::Class and `-k EXPRESSION` leave out.

    A file that cannot be loaded stands for all that is asked of it. Raises `UsageError` for a class that a file lacks.
    """
    every: dict[str, Collected] = {}
    chosen: dict[str, Collected] = {}
    for path, name in claim_files(paths, cwd):
        inside = collect_file(path, cwd)
        asked = [c for c in inside if name in (None, c.name) or "::" not in c.id]
        if not asked and name is not None:
            raise UsageError(f"{path} has no claim {name!r}.")
        every |= {c.id: every.get(c.id, c) for c in inside}
        chosen |= {c.id: every[c.id] for c in asked}
    if expression.strip():
        keep = Keyword(expression)
        chosen = {name: c for name, c in chosen.items() if keep.matches(name)}
    return Selection(tuple(chosen.values()), tuple(c for c in every.values() if c.id not in chosen))


def collect(paths: Sequence[str], cwd: Path, expression: str = "") -> list[Collected]:
    """All claims of the paths, those kept that match `-k EXPRESSION`."""
    return list(select(paths, cwd, expression).chosen)


class Keyword:
    """A `-k` expression: words joined by and, or, not and brackets; a word matches ids that contain it, case apart."""

    def __init__(self, expression: str) -> None:
        self._tokens = re.findall(r"\(|\)|[^\s()]+", expression)
        self._at, self._expression = 0, expression
        self._tree = self._either()
        if self._at != len(self._tokens):
            raise self._wrong()

    def matches(self, identifier: str) -> bool:
        """Whether the claim with this id is wanted."""
        return _holds(self._tree, identifier.lower())

    def _wrong(self) -> UsageError:
        return UsageError(f"-k {self._expression!r} is not understood; join words with and, or, not and brackets.")

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _either(self) -> tuple[object, ...]:
        parts = [self._both()]
        while self._peek() == "or":
            self._at += 1
            parts.append(self._both())
        return ("or", *parts)

    def _both(self) -> tuple[object, ...]:
        parts = [self._single()]
        while self._peek() == "and":
            self._at += 1
            parts.append(self._single())
        return ("and", *parts)

    def _single(self) -> tuple[object, ...]:
        token = self._peek()
        if token is None or token in ("and", "or", ")"):
            raise self._wrong()
        self._at += 1
        if token == "not":
            return ("not", self._single())
        if token == "(":
            inner = self._either()
            if self._peek() != ")":
                raise self._wrong()
            self._at += 1
            return inner
        return ("word", token.lower())


def _holds(node: tuple[object, ...], text: str) -> bool:
    kind, *rest = node
    if kind == "word":
        return str(rest[0]) in text
    parts = [_holds(part, text) for part in rest if isinstance(part, tuple)]
    return not parts[0] if kind == "not" else any(parts) if kind == "or" else all(parts)
