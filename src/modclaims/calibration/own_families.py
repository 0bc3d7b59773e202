"""Families of one's own in a calibration: found in a file of claims, and held to the known answers that stand beside them."""

from __future__ import annotations

import hashlib
import inspect
import traceback
from pathlib import Path
from types import ModuleType

from modclaims.calibration import grid
from modclaims.errors import UsageError
from modclaims.hypothesis import Hypothesis
from modclaims.planting import shuffled
from modclaims.planting.family import Family
from modclaims.recording import Recording
from modclaims.runs.collect import load_module

HOW = "FILE.py::Class"


def add(node: str, cwd: Path) -> str:
    """Enter the family of `FILE.py::Class` into the grid, and give its name.

    The class may be a family or a claim; its family is the nearest class that defines `measure`, and its known answers are the
    `Family` in the same file, or in the one that defines the family, whose `base` is that class. A claim of a shipped family gives
    that family. Raises `UsageError` where there is no such file, class or `Family`, or where the file cannot be run.
    """
    name, _, wanted = node.partition("::")
    path = (cwd / name).resolve()
    if not path.is_file():
        raise UsageError(f"{name} is no file; write {HOW}, or the name of a shipped family.")
    module = _loaded(path, name)
    cls = vars(module).get(wanted)
    if not (isinstance(cls, type) and issubclass(cls, Hypothesis)):
        claims = [
            one for one, value in vars(module).items() if isinstance(value, type) and issubclass(value, Hypothesis)
        ]
        have = ", ".join(claims) or "no claims"
        raise UsageError(f"{name} has no claim or family {wanted!r}; it has: {have}.")
    family = cls.family_class()
    if family.__name__ in grid.FAMILIES and grid.FAMILIES[family.__name__].base is family:
        return family.__name__
    if family.__name__ in grid.FAMILIES:
        raise UsageError(f"{family.__name__} in {name} is called as a shipped family is; rename it.")
    homes = (vars(module), vars(inspect.getmodule(family) or module))
    known = [value for home in homes for value in home.values() if isinstance(value, Family) and value.base is family]
    if not known:
        raise UsageError(
            f"{name} holds no known answers of {family.__name__}: nothing says what is planted for it. Add a "
            f"modclaims.planting.family.Family whose base is {family.__name__} (docs/new-family.md shows one)."
        )
    grid.OWN[family.__name__] = grid.Own(known[0], node, cwd, _digest(path, family))
    return family.__name__


def prepare(recording: Recording | None, own: tuple[tuple[str, Path], ...]) -> None:
    """What a process needs before it counts: the embedded model's recording, and families of one's own, by node and folder."""
    shuffled.share(recording)
    for node, cwd in own:
        add(node, cwd)


def _loaded(path: Path, name: str) -> ModuleType:
    try:
        return load_module(path)
    except UsageError:
        raise
    except Exception as fault:
        last = traceback.extract_tb(fault.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        raise UsageError(f"{name} cannot be run: {type(fault).__name__}: {fault} ({where}).") from fault


def _digest(path: Path, family: type[Hypothesis]) -> str:
    """SHA-256 of the file that was named and of the one that defines the family, its first 16 digits."""
    files = {path, Path(inspect.getfile(family)).resolve()}
    text = b"".join(file.read_bytes() for file in sorted(files))
    return hashlib.sha256(text).hexdigest()[:16]
