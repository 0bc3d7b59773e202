"""Entries of files: an object of JSON, its columns and its schema follow from one dataclass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal

import jsonschema
import pytest

from modclaims.entries import FLAT, LATER, body_of, names_of, schema_of


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Place:
    layer: int | None = None
    """Counted
    from 0."""
    size: int | None = None


@dataclass(frozen=True)
class Part:
    """A part, which may be missing."""

    value: float
    words: Sequence[str] = ()


@dataclass(frozen=True)
class More(Part):
    hidden: str = "not of the part"


@dataclass(frozen=True)
class Entry:
    name: str
    """Whose it is."""
    colour: Colour
    kind: Literal["a", "b"] | None
    at: Annotated[Mapping[str, int | None], Place, {"required": ["layer"]}]
    part: Annotated[Part | None, FLAT]
    rest: Annotated[Mapping[str, str], FLAT]
    count: Annotated[int, {"minimum": 0}, LATER] = 0
    pair: tuple[float, float] | None = None
    inner: Sequence[Place] = ()


ENTRY = Entry("x", Colour.RED, None, {"layer": None}, More(0.5, ("w",)), {"extra": "e"}, inner=(Place(1),))
PLAIN = {
    **{"name": "x", "colour": "red", "kind": None, "at": {"layer": None}, "value": 0.5, "words": ["w"], "extra": "e"},
    **{"count": 0, "pair": None, "inner": [{"layer": 1, "size": None}]},
}


def test_an_entry_is_an_object_with_the_fields_of_its_parts_among_its_own() -> None:
    assert body_of(ENTRY) == PLAIN


def test_a_part_that_is_missing_leaves_null_and_empty_lists() -> None:
    body = body_of(Entry("x", Colour.BLUE, "a", {}, None, {}))
    assert (body["value"], body["words"]) == (None, [])


def test_columns_are_the_fields_in_their_order() -> None:
    @dataclass(frozen=True)
    class Row:
        first: str
        part: Annotated[Part, FLAT]

    assert names_of(Row) == ("first", "value", "words")


def test_the_schema_takes_what_is_written() -> None:
    schema = schema_of(Entry)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(PLAIN, schema)
    jsonschema.validate({k: v for k, v in PLAIN.items() if k != "count"}, schema)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"colour": "green"},
        {"kind": "c"},
        {"at": {}},
        {"at": {"layer": "1"}},
        {"value": "much"},
        {"words": None},
        {"extra": 2},
        {"count": -1},
        {"pair": [1.0]},
        {"inner": [{"layer": 1}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_schema_refuses_what_is_not(change: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(PLAIN | change, schema_of(Entry))


@pytest.mark.parametrize("name", ["name", "colour", "at", "value", "words"])
def test_what_is_not_marked_as_later_is_required(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError, match="required"):
        jsonschema.validate({k: v for k, v in PLAIN.items() if k != name}, schema_of(Entry))


def test_fields_are_described_by_the_string_below_them() -> None:
    properties = schema_of(Entry)["properties"]
    assert properties["name"]["description"] == "Whose it is."
    assert properties["at"]["properties"]["layer"]["description"] == "Counted from 0."
    assert "description" not in properties["count"]


def test_a_type_that_json_lacks_is_refused() -> None:
    @dataclass(frozen=True)
    class Wrong:
        value: complex

    with pytest.raises(TypeError, match="no place in a file of JSON"):
        schema_of(Wrong)
