"""What the house is like, in numbers: long functions, wide signatures, what is asked of classes, and imports between rooms.

    python scripts/counts.py [FOLDER]     counts in FOLDER/src/modclaims (here by default) and names what is counted

Lines of a function are those of its body without its docstring. Parameters are all that a caller may give, self apart. An
import between rooms is one of a package below `modclaims` by another, by pairs; topics are the folders of `families/`. What a family
costs is counted by `git diff --stat` of one that is added.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

LONG, WIDE = 60, 7
ASKED = ("AlongDepth", "Somewhere", "Everywhere", "InFraction", "Activations", "Weights", "Jacobian", "InductionScores")
"""Quantifiers and requests that code may ask whether something is one of."""
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Function:
    """One function of the package."""

    where: str
    lines: int
    parameters: int


def functions(root: Path) -> Iterator[Function]:
    """All functions and methods below a folder."""
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, FunctionNode):
                where = f"{path.relative_to(root)}:{node.lineno} {node.name}"
                yield Function(where, _lines(node), _parameters(node))


def _lines(node: FunctionNode) -> int:
    first = node.body[0]
    documented = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def _parameters(node: FunctionNode) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([name for name in names if name not in ("self", "cls")])


def asked(root: Path) -> Counter[str]:
    """`isinstance` tests by the class that they ask for."""
    found: Counter[str] = Counter()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
                names = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                found.update(names & set(ASKED))
    return found


def weighings(root: Path) -> list[str]:
    """Classes that define `weigh`."""
    return [
        f"{path.relative_to(root)} {node.name}"
        for path in sorted(root.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(inner, ast.FunctionDef) and inner.name == "weigh" for inner in node.body)
    ]


def between(root: Path) -> Counter[tuple[str, str]]:
    """Imports of one room by another."""
    found: Counter[tuple[str, str]] = Counter()
    for path in root.rglob("*.py"):
        room = _room(path.relative_to(root).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modclaims."):
                other = _room(tuple((node.module or "").split(".")[1:]))
                if other != room:
                    found[room, other] += 1
    return found


def between_topics(root: Path) -> Counter[tuple[str, str]]:
    """Imports of one topic of families by another, `common` apart."""
    found: Counter[tuple[str, str]] = Counter()
    for path in (root / "families").glob("*/**/*.py"):
        topic = path.relative_to(root / "families").parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("modclaims.families."):
                other = (node.module or "").split(".")[2]
                if "common" not in (topic, other) and other != topic:
                    found[topic, other] += 1
    return found


def _room(parts: tuple[str, ...]) -> str:
    return parts[0] if len(parts) > 1 else "(top level)"


def main(arguments: Sequence[str]) -> int:
    """Print the counts."""
    root = Path(arguments[0] if arguments else ".") / "src" / "modclaims"
    every = list(functions(root))
    long = sorted((f for f in every if f.lines > LONG), key=lambda f: -f.lines)
    wide = sorted((f for f in every if f.parameters > WIDE), key=lambda f: -f.parameters)
    files, kinds = len(list(root.rglob("*.py"))), asked(root)
    print(f"{files} files, {len(every)} functions, {sum(f.lines for f in every)} lines of them")
    print(f"{len(long)} functions of more than {LONG} lines: " + "; ".join(f"{f.where} ({f.lines})" for f in long))
    print(f"{len(wide)} signatures of more than {WIDE}: " + "; ".join(f"{f.where} ({f.parameters})" for f in wide))
    print(f"{len(weighings(root))} definitions of weigh: " + "; ".join(weighings(root)))
    print(
        f"{kinds.total()} isinstance tests of quantifiers and requests: "
        + ", ".join(f"{k} {n}" for k, n in kinds.items())
    )
    rooms = between(root)
    topics = between_topics(root)
    print(f"{rooms.total()} imports between rooms, {len(rooms)} pairs of rooms")
    print(f"{topics.total()} imports between topics of families")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
