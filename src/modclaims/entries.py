"""Entries of files, from dataclasses: the object of JSON that an entry is, its column names, and its JSON Schema.

A field is written once, in its dataclass, and is described by the string below it. What its type does not say stands in
`Annotated`:

    FLAT       the fields of this dataclass, or the items of this mapping, stand among those of the entry itself; where there
               is None, each of them is null or, for a sequence, empty
    LATER      files of earlier versions lack the field
    a class    this mapping has the fields of that dataclass; those that may be None may be left out, unless `required` says so
    a dict     further keywords of JSON Schema
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

FLAT, LATER = "flat", "later"
JsonObject = dict[str, Any]  # Any: JSON is of many kinds, and what each of ours holds the schema says
"""An object of JSON, or of JSON Schema."""
JsonFields = Mapping[str, Any]  # Any: as of `JsonObject`
"""The same, read alone."""
Hint = Any  # Any: hints have no type of their own there
"""A type hint as `typing` takes it apart."""
UNIONS = (Union, UnionType)
SIMPLE = {bool: "boolean", int: "integer", str: "string", NoneType: "null"}


@dataclass(frozen=True)
class _Field:
    """One field of a dataclass, with what its annotation says of it in files."""

    name: str
    hint: Hint
    """Its type, bare of annotations."""
    marks: tuple[Hint, ...]

    @property
    def flat(self) -> tuple[Hint, bool] | None:
        """The class or mapping whose fields stand flat, and whether there may be None; None where this field stands itself."""
        if FLAT not in self.marks:
            return None
        if not self.may_be_none:
            return self.hint, False
        (inner,) = [one for one in get_args(self.hint) if one is not NoneType]
        return inner, True

    @property
    def may_be_none(self) -> bool:
        return NoneType in get_args(self.hint)


def _fields(kind: type) -> Iterator[_Field]:
    hints = get_type_hints(kind, include_extras=True)
    for one in fields(kind):
        hint = hints[one.name]
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        yield _Field(one.name, get_args(hint)[0] if marks else hint, marks)


def _is_sequence(hint: Hint) -> bool:
    origin: Hint = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Sequence)


# ---- what is written


def body_of(entry: object, kind: type | None = None) -> JsonObject:
    """The object of JSON that a dataclass is: its fields by name, those of `kind`, a base of its class, where given."""
    body: JsonObject = {}
    for one in _fields(kind or type(entry)):
        value = getattr(entry, one.name)
        if one.flat is None:
            body[one.name] = _plain(value)
        elif value is None:
            body |= {name: [] if is_list else None for name, is_list in _names(one.flat[0])}
        else:
            body |= value if isinstance(value, Mapping) else body_of(value, one.flat[0])
    return body


def _plain(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return body_of(value)
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def names_of(kind: type) -> tuple[str, ...]:
    """The names of an entry's fields, in order."""
    return tuple(name for name, _ in _names(kind))


def _names(kind: type) -> Iterator[tuple[str, bool]]:
    """Names, and whether each is a sequence's."""
    for one in _fields(kind):
        if one.flat is None:
            yield one.name, _is_sequence(one.hint)
        else:
            yield from _names(one.flat[0])


# ---- what is promised


def schema_of(kind: type) -> JsonObject:
    """The JSON Schema of an entry. Numbers may be null where they are floats: one that is not finite is written so."""
    body: JsonObject = {"type": "object", "required": [], "properties": {}}
    told = _descriptions(kind)
    for one in _fields(kind):
        if one.flat is None:
            schema = _marked(_of_hint(one.hint), one.marks)
            body["properties"][one.name] = schema | ({"description": told[one.name]} if one.name in told else {})
            body["required"] += [] if LATER in one.marks else [one.name]
            continue
        inner, optional = one.flat
        if is_dataclass(inner) and isinstance(inner, type):
            part = schema_of(inner)
            kept = [n for n, schema in part["properties"].items() if not optional or schema.get("type") == "array"]
            body["properties"] |= {n: s if n in kept else _or_null(s) for n, s in part["properties"].items()}
            body["required"] += part["required"]
        else:
            body["additionalProperties"] = _of_hint(get_args(inner)[1])
    return body


def _marked(schema: JsonObject, marks: Sequence[Hint]) -> JsonObject:
    """A schema with what annotations add to it."""
    for mark in marks:
        if isinstance(mark, type):
            required = [one.name for one in _fields(mark) if not one.may_be_none]
            schema = {"type": "object", "required": required, "properties": schema_of(mark)["properties"]}
        elif isinstance(mark, dict):
            schema = schema | mark
    return schema


def _or_null(schema: JsonObject) -> JsonObject:
    """The same, of a value that may be null as well."""
    if "enum" in schema:
        return schema | {"enum": list(dict.fromkeys([*schema["enum"], None]))}
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return schema | {"type": list(dict.fromkeys([*kinds, "null"]))} if kinds else schema


def _of_hint(hint: Hint) -> JsonObject:
    origin: Hint = get_origin(hint)
    inside = get_args(hint)
    if origin is Annotated:
        return _marked(_of_hint(inside[0]), inside[1:])
    if hint in (Any, object):
        return {}
    if hint is float:
        return {"type": ["number", "null"]}
    if isinstance(hint, type) and hint in SIMPLE:
        return {"type": SIMPLE[hint]}
    if origin in UNIONS:
        return _any_of([_of_hint(one) for one in inside])
    if origin is Literal:
        return {"enum": list(inside)}
    if _is_sequence(hint):
        pair = {"minItems": len(inside), "maxItems": len(inside)} if origin is tuple and Ellipsis not in inside else {}
        return {"type": "array", "items": _of_hint(inside[0])} | pair
    if isinstance(origin, type) and issubclass(origin, Mapping):
        items = _of_hint(inside[1])
        return {"type": "object"} | ({"additionalProperties": items} if items else {})
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"enum": [one.value for one in hint]}
    if is_dataclass(hint) and isinstance(hint, type):
        return schema_of(hint)
    raise TypeError(f"{hint!r} has no place in a file of JSON.")


def _any_of(schemas: Sequence[JsonObject]) -> JsonObject:
    if all(set(one) == {"type"} for one in schemas):
        kinds = [kind for one in schemas for kind in ([one["type"]] if isinstance(one["type"], str) else one["type"])]
        kinds = [kind for kind in dict.fromkeys(kinds) if not (kind == "integer" and "number" in kinds)]
        return {"type": sorted(kinds, key=lambda kind: kind == "null")}
    found = [one for one in schemas if one != {"type": "null"}]
    if len(found) == 1:
        return _or_null(found[0])
    return {"anyOf": list(schemas)}


def _descriptions(kind: type) -> dict[str, str]:
    """What stands below each field of a dataclass and of its bases."""
    told: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if not is_dataclass(one):
            continue
        (defined,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        assert isinstance(defined, ast.ClassDef)
        for field, below in zip(defined.body, defined.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                words = (
                    below.value.value if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) else None
                )
                if isinstance(words, str):
                    told[field.target.id] = " ".join(words.split())
    return told
