"""Own code: what the methods say that a claim's class overrides or adds, as text that only their meaning changes."""

from __future__ import annotations

import ast
import functools
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any
from weakref import WeakKeyDictionary

Code = Any  # Any: a function, code or value of a user, of any type
LIBRARY = "modclaims"
_MADE_BY_PYTHON = frozenset(
    {
        *("__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__dict__", "__doc__"),
        *("__firstlineno__", "__module__", "__qualname__", "__static_attributes__", "__weakref__", "_abc_impl"),
    }
)
"""What every class has without its author's doing."""
_SLOTS = (types.GetSetDescriptorType, types.MemberDescriptorType)
_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_KNOWN: WeakKeyDictionary[type, list[list[str]]] = WeakKeyDictionary()
"""What classes said when they were first asked: later a run may have changed what their methods refer to."""


def is_library(cls: type) -> bool:
    """Whether modclaims itself defines the class."""
    return cls.__module__ == LIBRARY or cls.__module__.startswith(f"{LIBRARY}.")


def own_classes(cls: type) -> tuple[type, ...]:
    """The classes of a claim that are not modclaims' own, the claim itself first."""
    return tuple(base for base in cls.__mro__ if base is not object and not is_library(base))


def is_code(value: object) -> bool:
    """Whether an attribute of a class runs something: a method, a property, or anything else that can be called."""
    if isinstance(value, _SLOTS):
        return False
    return (
        callable(value) or isinstance(value, (property, classmethod, staticmethod)) or hasattr(type(value), "__get__")
    )


def own_code(cls: type) -> list[list[str]]:
    """[class, name, text] of all code in a claim's own classes, and of what it refers to; empty where there is none.

    The text is Python's own rendering of the syntax tree without docstrings, so that comments and layout do not show.
    Functions, classes and plain constants of the same file that methods name are followed, and so are constants of the
    classes whose names begin with an underscore. Where no source can be had, as for what was typed into `exec`, the
    compiled code stands for it, which the version of Python changes as well.
    """
    if cls not in _KNOWN:
        _KNOWN[cls] = _own_code(cls)
    return _KNOWN[cls]


def _own_code(cls: type) -> list[list[str]]:
    found: list[list[str]] = []
    hidden: list[list[str]] = []
    seen: set[int] = set()
    for base in own_classes(cls):
        for name, value in sorted(vars(base).items()):
            if name in _MADE_BY_PYTHON or isinstance(value, _SLOTS):
                continue
            if is_code(value) and not _inherited(cls, name, value):
                for part in _functions(value):
                    found += [[base.__qualname__, name, text] for text in _texts(part, seen)]
            elif name.startswith("_") and _is_plain(value):
                hidden.append([base.__qualname__, name, repr(value)])
    return found + hidden if found else []


def _inherited(cls: type, name: str, value: object) -> bool:
    """Whether the attribute only repeats what modclaims' own class would have given."""
    library = (base for base in cls.__mro__ if is_library(base) and name in vars(base))
    return any(vars(base)[name] is value for base in library)


def _functions(value: Code) -> Iterator[Code]:
    """What a descriptor runs."""
    if isinstance(value, property):
        yield from (one for one in (value.fget, value.fset, value.fdel) if one is not None)
    elif isinstance(value, functools.partial):
        yield from _functions(value.func)
        yield [value.args, sorted(value.keywords.items())]
    elif isinstance(value, (classmethod, staticmethod, functools.partialmethod, functools.cached_property)):
        yield from _functions(getattr(value, "__func__", None) or getattr(value, "func", None))
    else:
        yield value


def _texts(value: Code, seen: set[int]) -> Iterator[str]:
    """What a function or class says, and then what else of the same file it names."""
    if id(value) in seen:
        return
    seen.add(id(value))
    function = inspect.unwrap(value) if callable(value) else value
    if not isinstance(function, (types.FunctionType, type)):
        yield repr(value) if _is_plain(value) else f"{type(value).__module__}.{_name(value)}"
        return
    tree = _syntax(function)
    if tree is None:
        yield _compiled(getattr(function, "__code__", None), function)
        names = sorted(_names(getattr(function, "__code__", None)))
    else:
        yield ast.unparse(tree)
        names = sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)})
    around = _around(function)
    for name in names:
        if name in around:
            yield from _referred(name, around[name], function.__module__, seen)


def _referred(name: str, value: Code, module: str, seen: set[int]) -> Iterator[str]:
    if isinstance(value, types.FunctionType) or (isinstance(value, type) and not _states_claims(value)):
        if value.__module__ == module:
            yield from _texts(value, seen)
    elif _is_plain(value):
        yield f"{name} = {value!r}"


def _states_claims(value: type) -> bool:
    """Whether it descends from a class of modclaims: claims that stand in the same file are digested by themselves."""
    return any(is_library(base) for base in value.__mro__)


def _around(function: Code) -> dict[str, Code]:
    """What the names in a function mean."""
    if isinstance(function, type):
        return vars(sys.modules[function.__module__]) if function.__module__ in sys.modules else {}
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells if _filled(cell)}}


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # nothing was put into it yet
        return False


def _syntax(function: Code) -> ast.Module | None:
    """The syntax tree without docstrings; None where there is no source."""
    try:
        source = inspect.getsource(function)
        # indented code stands under an `if`, so that strings over several lines stay as they are
        tree = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return None
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _compiled(code: types.CodeType | None, function: Code) -> str:
    """Compiled code without where it stood."""
    if code is None:
        return f"{function.__module__}.{_name(function)}"
    constants = [_compiled(c, function) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    version = ".".join(map(str, sys.version_info[:2]))
    return repr([f"compiled by Python {version}", code.co_code.hex(), code.co_names, code.co_varnames, constants])


def _names(code: types.CodeType | None) -> set[str]:
    if code is None:
        return set()
    inner = [_names(c) for c in code.co_consts if isinstance(c, types.CodeType)]
    return {*code.co_names, *code.co_freevars}.union(*inner)


def _name(value: Code) -> str:
    return str(getattr(value, "__qualname__", None) or type(value).__qualname__)


def _is_plain(value: object) -> bool:
    """Whether a value is text, a number, or a collection of these, so that its representation says all of it."""
    if isinstance(value, (tuple, list)):
        return all(_is_plain(one) for one in value)
    if isinstance(value, dict):
        return all(_is_plain(one) for pair in value.items() for one in pair)
    return isinstance(value, _PLAIN)
