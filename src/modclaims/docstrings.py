"""Docstrings: the numpydoc text of a family, whose Attributes section also tells the constants that it inherits.

Each class documents the constants that it adds, or means differently; what its bases say of the others is appended when the
class is made, with the class' own defaults, and why some of them are without effect in it. So `help()` shows every constant, and nothing is written twice.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace

from modclaims.own_code import is_library

ATTRIBUTES = "Attributes"
REQUIRED = "required"
IDLE = "Without effect here"
"""How the entry of a constant begins that nothing hangs on."""
_WIDTH = 96
_HEADER = re.compile(r"(\w+) : (.+?), (?:default (.+)|required)")
_QUOTED = re.compile(r"'(\w+)'")


@dataclass(frozen=True)
class Entry:
    """One constant in an Attributes section."""

    name: str
    kind: str
    """Its type, as one writes it."""
    default: str | None
    """As one writes it; None where every claim must give it."""
    meaning: tuple[str, ...]
    """Lines, without their indentation."""

    def __str__(self) -> str:
        ending = REQUIRED if self.default is None else f"default {self.default}"
        lines = (f"    {line}".rstrip() for line in self.meaning)
        return "\n".join((f"{self.name} : {self.kind}, {ending}", *lines))

    @property
    def told(self) -> str:
        """The meaning on one line."""
        return " ".join(" ".join(self.meaning).split())

    @property
    def allowed(self) -> tuple[str, ...]:
        """The words that it names as allowed: those in quotes after "one of" or "only", up to the end of the sentence."""
        found = re.search(r"\b(?:[Oo]ne of|only) ('.*?)\.(?:\s|$)", self.told)
        return tuple(_QUOTED.findall(found[1])) if found else ()


def sections(text: str) -> dict[str, str]:
    """The sections of a docstring by title, in order; what stands before the first one has the title ""."""
    lines = inspect.cleandoc(text).split("\n")
    rules = [at for at, line in enumerate(lines) if line.startswith("--") and line == "-" * len(lines[at - 1])]
    starts, titles = [0, *(at + 1 for at in rules)], ["", *(lines[at - 1] for at in rules)]
    ends = [*(at - 1 for at in rules), len(lines)]
    return {
        title: "\n".join(lines[start:end]).strip("\n") for title, start, end in zip(titles, starts, ends, strict=True)
    }


def entries(text: str | None) -> dict[str, Entry]:
    """The constants of a docstring's Attributes section, by name; none where it has no such section."""
    return _listed(sections(text or ""))


def _listed(parts: Mapping[str, str]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    name = ""
    for line in parts.get(ATTRIBUTES, "").split("\n"):
        if header := _HEADER.fullmatch(line):
            name = header[1]
            found[name] = Entry(name, header[2], header[3], ())
        elif name and line.strip():
            found[name] = replace(found[name], meaning=(*found[name].meaning, line.strip()))
    return found


def written(parts: Mapping[str, str]) -> str:
    """A docstring from its sections: the inverse of `sections`."""
    titled = (body if not title else f"{title}\n{'-' * len(title)}\n{body}" for title, body in parts.items())
    return "\n\n".join(titled)


def tell_inherited(cls: type, without_effect: Mapping[str, str]) -> None:
    """Append to the Attributes of one of modclaims' own classes those that its base tells of, with the class' defaults.

    Of constants `without_effect` it says so, and why: the reason that the mapping gives.
    Claims and families of one's own keep the docstring that they were given, and so does a Python that was told to drop them.
    """
    text = vars(cls).get("__doc__")
    if not text or not is_library(cls):
        return
    parts = sections(text)
    own = _listed(parts)
    told = {name: _as_set(one, cls) for name, one in entries(cls.__base__.__doc__).items() if name not in own}
    inherited = [_idle(one, without_effect[name]) if name in without_effect else one for name, one in told.items()]
    if not inherited:
        return
    listed = "\n".join(map(str, (*own.values(), *inherited)))
    after = {title: body for title, body in parts.items() if title not in ("", ATTRIBUTES)}
    cls.__doc__ = written({"": parts[""], ATTRIBUTES: listed, **after})


def _as_set(entry: Entry, cls: type) -> Entry:
    """What a base tells of a constant, with the value that the class gives it."""
    return replace(entry, default=repr(vars(cls)[entry.name])) if entry.name in vars(cls) else entry


def _idle(entry: Entry, reason: str) -> Entry:
    """The entry of a constant that nothing hangs on."""
    return replace(entry, meaning=tuple(textwrap.wrap(f"{IDLE}: {reason}. A claim leaves it as it is.", _WIDTH)))
