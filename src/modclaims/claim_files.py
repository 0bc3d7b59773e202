"""Which files hypotheses are looked for in; needs nothing but the standard library."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from modclaims.errors import UsageError
from modclaims.shipped import shipped


def claim_files(paths: Sequence[str], cwd: Path) -> list[tuple[Path, str | None]]:
    """Files to load with the class asked for (PATH::Class), or None for all. Raises `UsageError` for a missing path.

    No path: `hypotheses/` of the current folder, else the shipped `card.py`.
    """
    if not paths:
        if not (cwd / "hypotheses").is_dir():
            return [(shipped("hypotheses", "card.py"), None)]
        paths = ["hypotheses"]
    found: list[tuple[Path, str | None]] = []
    for given in paths:
        text, _, asked = given.partition("::")
        path = cwd / text
        if text.startswith("modclaims:"):
            path = shipped("hypotheses", text.removeprefix("modclaims:"))
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*.py") if not p.name.startswith(("_", "test_", "conftest")))
            if not inside:
                raise UsageError(f"Folder {given} holds no hypothesis files (*.py).")
            found += [(p, None) for p in inside]
        elif path.is_file() and path.suffix == ".py":
            found.append((path, asked or None))
        else:
            raise UsageError(f"No hypothesis file or folder {given}; give a .py file, a folder, or FILE.py::Class.")
    unique: dict[tuple[Path, str | None], tuple[Path, str | None]] = {}
    for path, name in found:
        unique.setdefault((path.resolve(), name), (path, name))
    return list(unique.values())
