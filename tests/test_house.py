"""The house is as import-linter is told: no room and no topic stands outside its contracts."""

from __future__ import annotations

import ast
import tokenize
import tomllib
from pathlib import Path
from typing import Any

import modclaims

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(modclaims.__file__ or "").parent
CONTRACTS: dict[str, Any] = {
    one["name"].partition(":")[0].partition(";")[0]: one
    for one in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
}


def rooms(folder: Path, prefix: str) -> set[str]:
    """Modules and packages of a folder, dotted."""
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    return {f"{prefix}.{name}" for name in {path.stem for path in folder.glob("*.py")} - {"__init__"} | packages}


def layers() -> list[list[str]]:
    """Floors, each with its rooms."""
    return [[room.strip() for room in floor.split("|")] for floor in CONTRACTS["Arrows run down only"]["layers"]]


def test_every_room_has_a_floor() -> None:
    listed = {room for floor in layers() for room in floor}
    top = {room for room in listed if not room.startswith("modclaims.families.")}
    assert top == rooms(PACKAGE, "modclaims") - {"modclaims.families"}


def test_all_topics_stand_beside_each_other_on_one_floor() -> None:
    (topics,) = (floor for floor in layers() if "modclaims.families.categories" in floor)
    assert set(topics) == rooms(PACKAGE / "families", "modclaims.families") - {"modclaims.families.common"}


def test_every_room_but_the_models_is_held_from_torch() -> None:
    held = set(CONTRACTS["Only lm imports torch"]["source_modules"])
    assert held == rooms(PACKAGE, "modclaims") - {"modclaims.lm"}


def test_every_room_is_on_the_page_of_the_architecture() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    missing = [room for room in rooms(PACKAGE, "modclaims") if room.rpartition(".")[2] not in page]
    assert missing == []


RUNTIME = ("declarations.py", "entries.py")
"""Rooms that take type hints apart, and so speak of `Any` as a value."""


def test_whatever_has_no_type_says_why_on_its_line() -> None:
    bare = []
    for path in PACKAGE.rglob("*.py"):
        if path.name in RUNTIME:
            continue
        with path.open("rb") as file:
            tokens = list(tokenize.tokenize(file.readline))
        told = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
        imported = {
            row
            for statement in ast.walk(ast.parse(path.read_bytes()))
            if isinstance(statement, ast.ImportFrom)
            for row in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        }
        bare += [
            f"{path.relative_to(PACKAGE)}:{token.start[0]}"
            for token in tokens
            if token.type == tokenize.NAME and token.string == "Any" and token.start[0] not in told | imported
        ]
    assert not bare
