"""Write docs/claims/, a page per claim family, and the list of them in docs/claims.md, from the docstrings that help() shows.

python scripts/claim_pages.py           writes the pages anew
python scripts/claim_pages.py --check   writes nothing, and names the pages that are not as the docstrings say
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import modclaims
from modclaims.docstrings import Entry, entries, sections

ROOT = Path(__file__).resolve().parents[1]
INDEX, PAGES = "docs/claims.md", "docs/claims"
BEGIN, END = "<!-- made by scripts/claim_pages.py -->", "<!-- end -->"
TOPICS = {
    "categories": "Categories of texts",
    "responses": "Heads, neurons, blocks",
    "axes": "Coordinates of the stream",
    "ablation": "What is lost without some units",
    "depth": "Curves along depth",
    "jacobians": "Jacobians of blocks",
    "weights": "Weights alone",
    "tokens": "Back to the tokens read",
    "induction": "Induction heads",
    "scale": "Several models",
}
"""Folders of `modclaims.families`, in the order in which the index tells them, with a title for each."""
QUANTIFIERS = "quantifiers"
QUOTED = re.compile(r"'\w+'")
"""A value of a constant, which a page sets as code."""


def classes() -> dict[str, type]:
    """Public classes by name: the families, and what all of them extend."""
    return {name: found for name in modclaims.__all__ if inspect.isclass(found := getattr(modclaims, name))}


def quantifiers() -> dict[str, Callable[..., object]]:
    """Public functions by name: what a claim's `holds` is set to."""
    return {name: found for name in modclaims.__all__ if inspect.isfunction(found := getattr(modclaims, name))}


def pages() -> dict[str, str]:
    """Every page's text by its name, without the ending."""
    return {name: page(name, cls) for name, cls in classes().items()} | {QUANTIFIERS: quantifier_page()}


def page(name: str, cls: type) -> str:
    """The page of one family."""
    parts = sections(cls.__doc__ or "")
    constants = "\n".join(map(constant, entries(cls.__doc__).values()))
    body = [f"# {name}", *paragraphs(parts[""]), "## Constants", constants, *after(parts)]
    body += [f"`help(modclaims.{name})` says the same. [All families](../claims.md)"]
    return "\n\n".join(body) + "\n"


def quantifier_page() -> str:
    """The page of all quantifiers."""
    body = [
        "# Quantifiers",
        "What a claim's `holds` is set to: in which of its cells (layers, heads, ...) it must hold.",
    ]
    for name, function in quantifiers().items():
        parts = sections(function.__doc__ or "")
        given = ", ".join(
            str(one.replace(annotation=one.empty)) for one in inspect.signature(function).parameters.values()
        )
        body += [f"## `{name}({given})`", *paragraphs(parts[""]), *after(parts, level=3)]
    return "\n\n".join([*body, "[All families](../claims.md)"]) + "\n"


def after(parts: Mapping[str, str], level: int = 2) -> list[str]:
    """What follows the constants: notes, references, an example."""
    if "Examples" not in parts:
        raise SystemExit(
            "A docstring has no Examples section (numpydoc): show one claim, weighed. "
            + " ".join(parts[""].split())[:80]
        )
    found = []
    for title in ("Notes", "References"):
        if title in parts:
            found += [f"{'#' * level} {title}", *paragraphs(parts[title])]
    return [*found, f"{'#' * level} Example", f"```pycon\n{parts['Examples']}\n```"]


def paragraphs(text: str) -> list[str]:
    """Paragraphs, each on one line, so that no line begins with what Markdown takes for a list."""
    return [" ".join(one.split()) for one in text.split("\n\n")]


def constant(one: Entry) -> str:
    """One constant as an item of a list."""
    default = "required" if one.default is None else f"default `{one.default}`"
    return f"- **`{one.name}`** (`{one.kind}`, {default}): " + QUOTED.sub(r"`\g<0>`", one.told)


def index(text: str) -> str:
    """The index page with the list of families as it is now. Raises `ValueError` where it has no place for one."""
    before, _, rest = text.partition(BEGIN)
    _, _, behind = rest.partition(END)
    if BEGIN not in text or END not in rest:
        raise ValueError(f"{INDEX} lacks the lines {BEGIN} and {END}, between which families are listed.")
    return f"{before}{BEGIN}\n\n{listed()}\n\n{END}{behind}"


def listed() -> str:
    """All families by topic, each with what it claims."""
    found = []
    for topic, title in TOPICS.items():
        here = {name: cls for name, cls in classes().items() if cls.__module__.split(".")[2:3] == [topic]}
        rows = [
            f"- [{name}](claims/{name}.md): {paragraphs(sections(cls.__doc__ or '')[''])[0]}"
            for name, cls in here.items()
        ]
        found += [f"**{title}**", "\n".join(rows)]
    return "\n\n".join(found)


def stale(root: Path = ROOT) -> list[Path]:
    """Files that are not as the docstrings say, or that no family has any more."""
    wanted = {root / PAGES / f"{name}.md": text for name, text in pages().items()}
    wanted[root / INDEX] = index((root / INDEX).read_text("utf-8"))
    changed = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    return sorted([*changed, *(set((root / PAGES).glob("*.md")) - set(wanted))])


def write(root: Path = ROOT) -> None:
    """Every page and the index; pages that no family has any more are removed."""
    wanted = pages()
    (root / PAGES).mkdir(parents=True, exist_ok=True)
    for path in (root / PAGES).glob("*.md"):
        if path.stem not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (root / PAGES / f"{name}.md").write_text(text, "utf-8")
    (root / INDEX).write_text(index((root / INDEX).read_text("utf-8")), "utf-8")


def main(arguments: Sequence[str], root: Path = ROOT) -> int:
    """0 where all pages are current or were written; 1 where a check found others; 4 for wrong usage."""
    if set(arguments) - {"--check"}:
        print(__doc__)
        return 4
    found = [path.relative_to(root).as_posix() for path in stale(root)]
    if "--check" in arguments:
        print(
            "\n".join(f"{name} is not as the docstrings say; run `python scripts/claim_pages.py`." for name in found)
            or "Current."
        )
        return int(bool(found))
    write(root)
    print("\n".join(f"{name} written" for name in found) or "All pages are current.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
