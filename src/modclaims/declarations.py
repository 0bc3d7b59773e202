"""Declarations: which names a claim's class may set and to which kinds of values, and what is wrong with those it sets."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import math
import textwrap
import types
import typing
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from modclaims.errors import ClaimCodeError, ClaimError
from modclaims.own_code import is_code, is_library, own_classes

Hint = Any  # Any: hints have no type of their own there
"""A type hint as `typing` takes it apart."""
MARKS = "pytestmark"
"""The one public name that is not modclaims' own and may stand in any claim."""
FIXED = ("sentence", "family", "family_class", "declared", "digest")
"""What modclaims says of a claim, which the claim itself may not."""
_INNARDS = ("__getattribute__", "__getattr__", "__setattr__", "__new__")
"""What would let a claim be weighed by other constants than those that it shows."""
RENAMED = {"twins": "untrained"}
"""Constants by the names that they had, and have now; the old ones go with the next release but one."""
_NEAR = 0.6
"""How alike a name must be to be suggested, as difflib counts."""
LARGEST = 2**63
"""Whole numbers from here on are none that a claim declares."""
_DEEPEST = 8
"""Collections inside each other."""


@dataclasses.dataclass(frozen=True)
class Name:
    """A public name that a claim may set."""

    family: type
    """The class that declares it."""
    is_method: bool
    is_fixed: bool = False
    """Whether only a family may set it (`ClassVar`)."""
    is_final: bool = False
    """Whether it is a method of modclaims' own (`@final`), which families and claims alike leave as it is."""
    hint: Hint = Any
    """The type of a constant."""


@functools.cache
def known_names(cls: type) -> dict[str, Name]:
    """Every public name that a claim of this class may set, by name: those of modclaims' classes and of families of one's
    own, of which only annotated constants and abstract methods count."""
    found: dict[str, Name] = {}
    for base in reversed(cls.__mro__):
        if is_library(base):
            found |= _names_of(base, all_of_them=True)
        elif is_family(base):
            found |= {name: one for name, one in _names_of(base).items() if name not in found}
    return found


def is_family(cls: type) -> bool:
    """Whether a class of one's own is a family: it says itself what is recorded or how it is weighed, or is abstract."""
    return not is_library(cls) and (bool({"measure", "requests"} & set(vars(cls))) or inspect.isabstract(cls))


def _names_of(base: type, all_of_them: bool = False) -> dict[str, Name]:
    hints = _hints(base)
    found = {}
    for name, value in vars(base).items():
        if _is_public(name) and is_code(value) and (all_of_them or getattr(value, "__isabstractmethod__", False)):
            found[name] = Name(base, True, is_final=bool(getattr(value, "__final__", False)))
        elif _is_public(name) and not is_code(value) and all_of_them:
            found[name] = Name(base, False)
    for name, hint in hints.items():
        if _is_public(name) and not is_code(vars(base).get(name)):
            fixed = _origin(hint) is typing.ClassVar or hint is typing.ClassVar
            found[name] = Name(base, False, fixed, hint=hint)
    return found


def _is_public(name: str) -> bool:
    return not name.startswith("_") and name != MARKS


def _annotations(base: type) -> dict[str, Hint]:
    """As they are written; empty where Python cannot say."""
    try:
        return dict(inspect.get_annotations(base))
    except Exception:  # they may be any code of the user's, which Python 3.14 runs only now
        return {}


def _hints(base: type) -> dict[str, Hint]:
    """What the class' own annotations mean; `Any` where that cannot be told."""
    try:
        meant = typing.get_type_hints(base)
    except Exception:  # so may be names in them that nobody has defined
        meant = {}
    return {name: meant.get(name, Any) for name in _annotations(base)}


def constants(cls: type) -> dict[str, object]:
    """The constants that make a claim, by name, as Python values."""
    known = known_names(cls)
    names = {name for name, one in known.items() if not one.is_method}
    return {
        name: value
        for base in reversed(cls.__mro__)
        for name, value in vars(base).items()
        if name in names and not is_code(value)
    }


def settle(cls: type) -> None:
    """Make tuples of the lists among a claim's constants, numpy's too, and Python's numbers of numpy's; names that constants had
    before become those that they have."""
    for base in own_classes(cls):
        for old, new in RENAMED.items():
            if old in vars(base) and hasattr(cls, new) and not any(old in _annotations(one) for one in cls.__mro__):
                warnings.warn(
                    f"{base.__name__} sets {old}, which is now called {new}.", DeprecationWarning, stacklevel=4
                )
                setattr(base, new, vars(base)[old])
                delattr(base, old)
        for name, value in list(vars(base).items()):
            if not _is_public(name) or is_code(value) or inspect.getattr_static(cls, name) is not value:
                continue
            try:
                settled = _settled(value)
            except RecursionError:  # a list inside itself, which `refuse_undeclared` names
                continue
            if settled is not value:
                setattr(cls, name, settled)


def _settled(value: object) -> object:
    if isinstance(value, (list, range)):
        return tuple(_settled(one) for one in value)
    if isinstance(value, tuple) and type(value) is tuple:
        settled = tuple(_settled(one) for one in value)
        return value if all(a is b for a, b in zip(settled, value, strict=True)) else settled
    if isinstance(value, np.ndarray):
        return _settled(value.tolist())
    return value.item() if isinstance(value, np.generic) else value


# ── what is wrong ──


def refuse_overruled(cls: type) -> None:
    """Raise `ClaimError` where a claim's own class would speak for modclaims, so that nothing it says could be trusted."""
    for base in own_classes(cls):
        for name in (*FIXED, *_INNARDS):
            if name in vars(base):
                raise ClaimError(
                    f"{cls.__name__} defines {name} ({_where(base, name)}), which modclaims itself needs to tell claims apart and what "
                    "they declare; take it out. The claim in words is the first paragraph of its docstring."
                )


def refuse_undeclared(cls: type) -> None:
    """Raise `ClaimError`, naming all of them, for names that no family declares and for values of a wrong kind."""
    faults = list(dict.fromkeys(_faults(cls)))
    told, known, family = " ".join(faults), known_names(cls), _family_of(cls).__name__
    if "is no constant of" in told:
        told += f" Constants of {family}: {', '.join(_allowed(known, is_method=False))}."
    if "overrides no method of" in told:
        told += f" Methods that may be overridden: {', '.join(_allowed(known, is_method=True))}."
    if "is no constant of" in told or "overrides no method of" in told:
        told += " What is for your own use begins with an underscore."
    if faults:
        raise ClaimError(told)


def refuse_set(claim: object) -> None:
    """Raise `ClaimError` where a claim's own code has set constants on the object, so that others are shown than are weighed."""
    cls: type = type(claim)
    known = known_names(cls)
    for name, value in vars(claim).items():
        if _is_public(name) and (name not in known or value is not inspect.getattr_static(cls, name, None)):
            raise ClaimError(
                f"{cls.__name__} sets self.{name} = {shown(value)} in a method, where nobody sees it; a constant is declared "
                f"in the class: {name} = ... . What a method needs for itself is called _{name}."
            )


def junk(cls: type, method: str, found: object, allowed: str, among: str = "") -> ClaimCodeError:
    """That a claim's method gave something else than it must, and where the claim's own class defines it."""
    return ClaimCodeError(f"{method}(){_defined(cls, method)} gives {among}{shown(found)}; it must give {allowed}.")


def _defined(cls: type, method: str) -> str:
    """Where a claim's own class defines a method."""
    for base in own_classes(cls):
        code = getattr(inspect.unwrap(vars(base).get(method, cls)), "__code__", None)
        if code is not None:
            return f" ({written(Path(code.co_filename).name)}, line {code.co_firstlineno})"
    return ""


@contextmanager
def held_fast(claim: object) -> Iterator[None]:
    """While a claim's own code runs, its constants stay as they were declared: what it changes of its classes is undone, for
    neighbours share them. Raises `ClaimError` that names it, and what `refuse_set` raises."""
    cls = type(claim)
    before = {base: {k: v for k, v in vars(base).items() if _is_public(k)} for base in own_classes(cls)}
    changed = []
    try:
        yield
    finally:
        for base, names in before.items():
            now = {k: v for k, v in vars(base).items() if _is_public(k)}
            for name in sorted(names.keys() | now.keys()):
                if name not in names:
                    delattr(base, name)
                elif now.get(name, _ABSENT) is not names[name]:
                    setattr(base, name, names[name])
                else:
                    continue
                changed.append(f"{base.__name__}.{name}")
    refuse_set(claim)
    if changed:
        raise ClaimError(
            f"{cls.__name__} sets {', '.join(changed)} in a method; a constant is declared in the class, once."
        )


def _faults(cls: type) -> Iterator[str]:
    known = known_names(cls)
    family = _family_of(cls).__name__
    if surrogate := _unwritable(inspect.cleandoc(cls.__doc__ or "") + cls.__name__):
        yield f"The docstring of {cls.__name__} holds {surrogate}, which no file can be written with; take it out."
    for base in reversed(own_classes(cls)):
        own_family = is_family(base)
        for name, value in vars(base).items():
            if not _is_public(name) or name in FIXED:
                continue
            if name not in known:
                yield _unknown(name, is_code(value), known, family, base)
            elif known[name].is_final:
                yield (
                    f"{name} ({_where(base, name)}) is modclaims' own, the same for every claim, and cannot be overridden; take it "
                    "out. What a family weighs its claims by is its measure(self, look)."
                )
            elif known[name].is_method:
                if not is_code(value):
                    yield (
                        f"{name} = {shown(value)} ({_where(base, name)}): {name} is a method of {family} and no constant; "
                        f"take the line out, or write def {name}(self, ...)."
                    )
            elif known[name].is_fixed and not own_family:
                yield (
                    f"{name} = {shown(value)} ({_where(base, name)}): {name} belongs to the family {known[name].family.__name__}, "
                    "and a claim cannot set it; take the line out."
                )
            else:
                yield from _wrong_value(name, value, known[name].hint, base)
                yield from _without_effect(name, value, cls, base)
        if not own_family:
            yield from _only_annotated(base, known, family)
    for name, one in known.items():
        if _has_no_value(cls, name, one):
            yield f"{name}, a constant that {one.family.__name__} declares, has no value; write {name} = ... in {cls.__name__}."


_ABSENT = object()


def _has_no_value(cls: type, name: str, one: Name) -> bool:
    return not one.is_method and inspect.getattr_static(cls, name, _ABSENT) is _ABSENT


def lacks_values(cls: type) -> bool:
    """Whether a constant that a class declares has no value in it, so that each claim must give it."""
    return any(_has_no_value(cls, name, one) for name, one in known_names(cls).items())


def _family_of(cls: type) -> type:
    """The nearest class that declares names: modclaims', or a family of one's own."""
    return next(base for base in cls.__mro__ if is_library(base) or is_family(base))


def _unknown(name: str, is_method: bool, known: Mapping[str, Name], family: str, base: type) -> str:
    """That a name is unknown, and which is nearest to it."""
    near = get_close_matches(name.lower(), _allowed(known, is_method), 1, _NEAR)
    what = "overrides no method" if is_method else "is no constant"
    hint = f"; did you mean {near[0]}?" if near else "."
    return f"{name} ({_where(base, name)}) {what} of {family}{hint}"


def _allowed(known: Mapping[str, Name], is_method: bool) -> list[str]:
    """Names that a claim may set to values, or override as methods."""
    return sorted(
        name
        for name, one in known.items()
        if one.is_method == is_method and not one.is_fixed and not one.is_final and name not in FIXED
    )


def _only_annotated(base: type, known: Mapping[str, Name], family: str) -> Iterator[str]:
    """Annotations that set nothing, such as `smallest_effect: 0.5`."""
    for name, hint in _annotations(base).items():
        if not _is_public(name) or name in vars(base):
            continue
        if name not in known:
            yield _unknown(name, False, known, family, base)
        else:
            told = hint if isinstance(hint, str) else shown(hint)
            yield f"{name}: {told} ({_where(base, name)}) is an annotation and sets nothing; write {name} = ... ."


def _wrong_value(name: str, value: object, hint: Hint, base: type) -> Iterator[str]:
    """What is wrong with the value of one constant, if anything is."""
    here = f"({_where(base, name)})"
    if is_code(value):
        what = f"the function {value.__name__}" if hasattr(value, "__name__") else f"a {type(value).__name__}"
        brackets = f" It lacks its brackets: write {name} = {_called(value)}." if _makes_it(value, hint) else ""
        yield f"{name} {here} is {what}, and must be {described(hint)}.{brackets}"
    elif reason := _strange(value):
        yield f"{name} = {shown(value)} {here} {reason}."
    elif not _fits(value, hint):
        single = any(_fits((value,), one) for one in _choices(hint) if _origin(one) is tuple)
        instead = f"; write {shown((value,))}" if single else ""
        yield f"{name} = {shown(value)} {here} must be {described(hint)}{instead}."
    elif dataclasses.is_dataclass(value):
        hints = _hints(type(value))
        for field in dataclasses.fields(value):
            part, allowed = getattr(value, field.name), hints.get(field.name, Any)
            if not _fits(part, allowed):
                yield f"{name} {here}: its {field.name} must be {described(allowed)}, and not {shown(part)}."


def without_effect(cls: type) -> Mapping[str, str]:
    """Constants that the class' family inherits and no verdict of it hangs on, each with the reason: its `_without_effect`."""
    reasons = getattr(cls, "_without_effect", {})
    return reasons if isinstance(reasons, Mapping) else {}  # a claim's own class may have made anything of it


def _without_effect(name: str, value: object, cls: type, base: type) -> Iterator[str]:
    """That a constant is set to another value than its family's, though nothing hangs on it there."""
    if name not in without_effect(cls):
        return
    default = next((vars(one)[name] for one in cls.__mro__ if is_library(one) and name in vars(one)), _ABSENT)
    if default is _ABSENT or (type(value), value) != (type(default), default):
        yield (
            f"{name} = {shown(value)} ({_where(base, name)}) has no effect in {_family_of(cls).__name__}: "
            f"{without_effect(cls)[name]}. Take the line out, so that the claim says what it is weighed by."
        )


def _makes_it(value: object, hint: Hint) -> bool:
    """Whether a function, once called, gives what the constant must be."""
    try:
        return typing.get_type_hints(value).get("return") in _choices(hint)
    except Exception:  # annotations of a user's function may be any code
        return False


def _called(function: object) -> str:
    """A call of the function as one would write it."""
    name, takes = getattr(function, "__name__", ""), callable(function) and inspect.signature(function).parameters
    return f"{name}({'...' if takes else ''})"


def _strange(value: object, depth: int = 0) -> str:
    """Why a value can be no constant at all; empty where it can."""
    if depth > _DEEPEST:
        return f"lies more than {_DEEPEST} collections deep"
    if isinstance(value, str):
        found = _unwritable(value)
        return f"holds {found}, which no file can be written with" if found else ""
    if isinstance(value, float) and math.isnan(value):
        return "is not a number"
    if isinstance(value, int) and abs(value) >= LARGEST:
        return "is too large a number"
    if isinstance(value, (bool, int, float, type(None))):
        return ""
    if isinstance(value, (tuple, list)):
        parts: Iterable[object] = value
    elif isinstance(value, Mapping):
        parts = [part for pair in value.items() for part in pair]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name) for field in dataclasses.fields(value)]
    else:
        return (
            f"is of a kind ({type(value).__name__}) that cannot be declared; constants are text, numbers, True, False, None, "
            "and tuples of these"
        )
    return next((reason for part in parts if (reason := _strange(part, depth + 1))), "")


def _unwritable(text: str) -> str:
    """What in a text has no place in a file, in words; empty where there is nothing."""
    for letter in text:
        if "\ud800" <= letter <= "\udfff":
            return f"half a character ({letter!a}, a lone surrogate)"
        if letter < " " and letter not in "\t\n\r\f\v":
            return f"a control character ({letter!a})"
    return ""


def _origin(hint: Hint) -> object:
    """What a hint is made of: `tuple` of `tuple[int, ...]`."""
    return typing.get_origin(hint)


def _choices(hint: Hint) -> tuple[Hint, ...]:
    if _origin(hint) is typing.ClassVar:
        return _choices(typing.get_args(hint)[0]) if typing.get_args(hint) else (Any,)
    if _origin(hint) in (typing.Union, types.UnionType):
        return tuple(one for part in typing.get_args(hint) for one in _choices(part))
    return (hint,)


def _fits(value: object, hint: Hint) -> bool:
    """Whether a value is of the type of a constant; True where the type is beyond this."""
    return any(_fits_one(value, one) for one in _choices(hint))


def _fits_one(value: object, hint: Hint) -> bool:
    origin, inner = _origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(inner) == 2 and inner[1] is ...:
            return all(_fits(one, inner[0]) for one in value)
        return len(value) == len(inner) and all(_fits(a, b) for a, b in zip(value, inner, strict=True))
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) and origin is None else True


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "True or False", type(None): "None"}
_SEVERAL = {str: "texts", int: "whole numbers", float: "numbers"}


def described(hint: Hint) -> str:
    """A type in words: `a tuple of whole numbers or None`."""
    return " or ".join(_described(one) for one in _choices(hint))


def _described(hint: Hint) -> str:
    inner = typing.get_args(hint)
    if _origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(repr, inner))
    if _origin(hint) is tuple:
        several = _SEVERAL.get(inner[0], "values")
        return f"a tuple of {several}" if inner[-1] is ... else f"a tuple of {len(inner)} {several}"
    if getattr(hint, "__name__", "") == "Holds":
        return "a quantifier such as somewhere() or everywhere()"
    if hint in _WORDS:
        return _WORDS[hint]
    return "a plain value" if hint is Any else str(getattr(hint, "__name__", hint))


def shown(value: object) -> str:
    """A value on one line, short, without addresses, whatever its `__repr__` does."""
    try:
        words = repr(value)
    except Exception:  # a user's class may do anything when it is asked for words
        return f"a {type(value).__name__}"
    if " at 0x" in words:
        return f"a {type(value).__name__}"
    words = " ".join(written(words).split())
    return words if len(words) <= 80 else f"{words[:77]}..."


def written(text: str) -> str:
    """The text with what no file can hold spelt out."""
    if not _unwritable(text):
        return text
    return "".join(c if not _unwritable(c) else ascii(c)[1:-1] for c in text)


def _where(base: type, name: str | None = None) -> str:
    """File and line where a class sets a name, or begins; its own name where there is no file."""
    try:
        lines, first = inspect.getsourcelines(base)
        file = written(Path(inspect.getsourcefile(base) or "").name)
        body = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return f"class {base.__name__}"
    set_here = (node.lineno for node in getattr(body, "body", []) if name in _set_by(node))
    return f"{file}, line {first + next(set_here, 1) - 1}"


def _set_by(node: ast.stmt) -> set[str]:
    """Names that a statement in a class sets."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
