"""Hold the numeric code against the fingerprints that each version of `modclaims.numerics` had.

    python scripts/numerics.py          what changed; records new fingerprints where the versions were raised for it
    python scripts/numerics.py --same   records that what changed leaves every number as it was, to the bit

Why this is: recordings, run folders and calibrations keep numbers, and serve them again as long as the versions in
`src/modclaims/numerics.py` are those that made them. Code whose numbers changed without its version would be answered with
the numbers of before. Nothing but a person can tell whether a change moves numbers, so code that changed is asked for.

A fingerprint is the SHA-256 of a module as the parser sees it, without comments, layout, docstrings and annotations. A module
may belong to several parts: Jacobians are taken apart by some of the statistics. `scripts/numerics.json` is written by
this script alone; after a merge `--same` (or a raised version and no option) writes it anew.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, VERSIONS, TABLE = "src/modclaims", "src/modclaims/numerics.py", "scripts/numerics.json"
SPECTRAL = ("estimated_spectra", "krylov", "products", "quadrature", "spectral_sketch", "spectrum")
"""Rooms of stats/spectra/ that Jacobians are taken apart by while they are recorded."""
PARTS: Mapping[str, Sequence[str]] = {
    "EXTRACTOR": (
        *(f"lm/{room}.py" for room in ("anatomy", "attention", "extract", "intervene", "jobs", "measures", "model")),
        *(f"lm/{room}.py" for room in ("network", "networks", "passes", "scrambling", "tokens", "trials", "variants")),
        "lm/wanted.py",
    ),
    "JACOBIANS": (
        *(
            f"lm/{room}.py"
            for room in (
                "attention_core",
                "block_cores",
                "block_inputs",
                "block_spectra",
                "exact_norms",
                "exact_parts",
                "jacobian",
                "spectra",
            )
        ),
        *(f"stats/spectra/{room}.py" for room in SPECTRAL),
    ),
    "STATISTICS": (
        "stats/*.py",
        "stats/*/*.py",
        "families/*/*.py",
        "hypothesis.py",
        "look.py",
        "measured.py",
        "summaries.py",
        "verdict.py",
    ),
}
"""Modules of each part, under the package."""
WITHOUT = (
    "lm/__init__.py",
    *(f"lm/{room}.py" for room in ("checkpoint", "effort", "kept", "model_files", "outline", "pace")),
    *(f"lm/{room}.py" for room in ("store", "stored_files", "stored_source", "torch_build", "untyped")),
)
"""Rooms of lm/ that compute no number: they find weights, foretell costs, and keep arrays and readings."""
IGNORED = frozenset({"kind", "type_comment", "type_params", "annotation", "returns", "ctx"})
"""Fields of the parser's nodes that change no number, or are not the same in every version of Python."""


@dataclass(frozen=True)
class Changed:
    """A part whose code is not what was recorded of its version."""

    part: str
    version: int
    recorded: int
    modules: tuple[str, ...]
    """Those that are other, new or gone."""

    @property
    def raised(self) -> bool:
        """Whether the version says so."""
        return self.version > self.recorded

    def __str__(self) -> str:
        what = ", ".join(self.modules) or "nothing but its number"
        if self.version < self.recorded:
            return f"{self.part} went back from version {self.recorded} to {self.version} in {VERSIONS}; versions only grow."
        if self.raised:
            return (
                f"{self.part} is version {self.version} now, and {TABLE} knows version {self.recorded} (changed: {what}). "
                "Run `python scripts/numerics.py` and commit the table with it."
            )
        return (
            f"Code of {self.part} changed ({what}), and its version is still {self.version}. If any number that is recorded or "
            f"reported may come out otherwise, even in its last bit, raise {self.part} in {VERSIONS} and run "
            "`python scripts/numerics.py`: what the old code made is then computed anew and never served. If every number "
            "stays what it is (words, names, layout), run `python scripts/numerics.py --same`. Commit the table either way."
        )


def _without_docstrings(body: list[ast.stmt]) -> list[ast.stmt]:
    """Statements less strings that stand alone, which document what is above them."""
    return [
        one
        for one in body
        if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str))
    ]


def _told(node: Any) -> Iterator[str]:
    """A syntax tree as words, the same in every version of Python that the package runs on."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if name in IGNORED or value is None or value == []:
                continue
            yield name
            yield from _told(_without_docstrings(value) if name == "body" and isinstance(value, list) else value)
        yield ";"
    elif isinstance(node, list):
        for one in node:
            yield from _told(one)
    else:
        yield repr(node)


@cache
def fingerprint(source: str) -> str:
    """SHA-256, in hexadecimal, of what a module does."""
    return hashlib.sha256("\n".join(_told(ast.parse(source))).encode()).hexdigest()


def fingerprints(root: Path = ROOT) -> dict[str, dict[str, str]]:
    """Those of all modules, by part and path under the package."""
    package = root / PACKAGE
    return {
        part: {
            path.relative_to(package).as_posix(): fingerprint(path.read_text("utf-8"))
            for pattern in patterns
            for path in sorted(package.glob(pattern))
            if not path.name.startswith(("__init__", "known_"))
        }
        for part, patterns in PARTS.items()
    }


def versions(root: Path = ROOT) -> dict[str, int]:
    """What `numerics.py` says, read and not imported, so that the folder at hand speaks and not what is installed."""
    found = {}
    for one in ast.parse((root / VERSIONS).read_text("utf-8")).body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id in PARTS:
            found[one.targets[0].id] = int(ast.literal_eval(one.value))
    return found


def changed(root: Path = ROOT) -> list[Changed]:
    """Parts whose version or code is not what the table says."""
    table = json.loads((root / TABLE).read_text("utf-8")) if (root / TABLE).is_file() else {}
    found, prints = [], fingerprints(root)
    for part, version in versions(root).items():
        before = table.get(part, {"version": 0, "modules": {}})
        now, then = prints[part], before["modules"]
        modules = tuple(sorted(name for name in {*now, *then} if now.get(name) != then.get(name)))
        if modules or version != before["version"]:
            found.append(Changed(part, version, before["version"], modules))
    return found


def record(root: Path = ROOT) -> None:
    """Write the table as versions and code are now."""
    prints = fingerprints(root)
    table = {part: {"version": version, "modules": prints[part]} for part, version in versions(root).items()}
    (root / TABLE).write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", "utf-8")


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """0 where the table is as the code is, or was written; 1 where a version must be raised first; 4 for wrong usage."""
    if set(arguments) - {"--same"}:
        print(__doc__)
        return 4
    found = changed(root)
    if any(one.version < one.recorded for one in found) or (
        "--same" not in arguments and not all(one.raised for one in found)
    ):
        print("\n\n".join(map(str, found)))
        return 1
    for one in found:
        print(
            f"{one.part}: version {one.recorded} -> {one.version}, {len(one.modules)} modules"
            if one.raised
            else f"{one.part}: version {one.version}, {len(one.modules)} modules changed and every number stays what it is"
        )
    if found:
        record(root)
    else:
        print("The code is that of its versions.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
