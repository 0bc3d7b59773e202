"""`--corpus python`: real text that nobody wrote for this project, found in the running Python installation.

    code         standard-library source that the embedded model was not trained on
    manual       the language reference in `pydoc_data/topics.py`
    legal        licence files of installed distributions
    mathematics  docstrings of numpy and scipy functions that state formulas

Files are parsed, never imported, and the texts stay on the machine: they are not ours to publish.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import platform
import re
import site
import sysconfig
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path

from modclaims.corpus import Corpus, Text, word_ngrams
from modclaims.errors import CorpusError

LONGEST = 4000
"""Characters kept of a text."""
SHORTEST = 2800
"""Characters that a text must have, a run of white space counted as one: 512 tokens have to be full."""
TEXTS = 24
"""Texts of a category, at most."""
TEXTS_OF_A_BLOCK = 4
FEWEST_BLOCKS = 4
NEAR_DUPLICATE = 0.2
"""Largest share of 8-grams that two texts may have in common."""


@dataclass(frozen=True)
class Piece:
    """Something to make texts of: a docstring, a licence, the definitions of a module."""

    body: str
    source: str
    """Where it was found."""
    document: str
    """What it is a part of. No block takes more of a document that another block has a text from."""


Blocks = dict[str, Callable[[], Iterator[Piece]]]
"""Pieces by block, the block to be served first in front. Called late: only the files that are needed get parsed."""


def build_python_corpus(stdlib: Path | None = None, sites: Sequence[Path] | None = None) -> Corpus:
    """Up to 24 texts in each of four categories; blocks are modules, topics, distributions and sub-packages.

    `stdlib` and `sites` are the folders to search, by default those of the running interpreter. The first text of
    a block comes before the second of any other, so that blocks are many. Near-duplicates, and parts of a document
    that another block has a text from, are dropped and counted in `facts`. Licences repeat one another: when fewer
    than four blocks of them remain, the category `legal` is left out, as the note then says.

    Raises `CorpusError` when another category has fewer than four blocks.
    """
    stdlib = Path(sysconfig.get_path("stdlib")) if stdlib is None else stdlib
    sites = _installed_sites() if sites is None else sites
    makers: dict[str, tuple[Blocks, str]] = {
        "code": (_code(stdlib), "the source of the standard library"),
        "manual": (_manual(stdlib), "pydoc_data/topics.py of the standard library"),
        "mathematics": (_mathematics(sites), "the source of numpy and scipy"),
        "legal": (_legal(sites), "licence files of installed distributions"),
    }
    seen = _Seen()
    texts: list[Text] = []
    notes = []
    for category, (blocks, origin) in makers.items():
        found = _gather(category, blocks, seen)
        count = len({text.block for text in found})
        if count >= FEWEST_BLOCKS:
            texts += found
        elif category == "legal":
            notes.append(
                f"Category 'legal' is left out: only {count} of {len(blocks)} distributions have {SHORTEST} characters "
                f"of licence text that no other repeats, and {FEWEST_BLOCKS} are needed."
            )
        else:
            raise CorpusError(
                f"Corpus 'python' cannot be built: category {category!r} has {count} blocks with enough text and needs "
                f"{FEWEST_BLOCKS}; it is made from {origin}, which this installation lacks in part."
            )
    facts = {
        "python": platform.python_version(),
        "numpy": _version("numpy", sites),
        "scipy": _version("scipy", sites),
        "near-duplicates dropped": str(seen.dropped),
    }
    return Corpus("python", tuple(texts), note=" ".join(notes), facts=facts)


def _gather(category: str, blocks: Blocks, seen: _Seen) -> list[Text]:
    """Texts of one category, a text of each block a round, sorted by block."""
    streams = {f"{category}/{name}": _texts(f"{category}/{name}", pieces(), seen) for name, pieces in blocks.items()}
    found: list[Text] = []
    for number in range(1, TEXTS_OF_A_BLOCK + 1):
        for block, stream in streams.items():
            if len(found) == TEXTS:
                break
            piece = next(stream, None)
            if piece is not None:
                labels = {"category": category}
                found.append(Text(f"{block}/{number}", piece.body, labels, block=block, source=piece.source))
    return sorted(found, key=lambda text: (text.block or "", text.id))


def _texts(block: str, pieces: Iterator[Piece], seen: _Seen) -> Iterator[Piece]:
    """Pieces of one block joined until they fill a text; what repeats an earlier text or piece is dropped."""
    parts: list[Piece] = []
    for piece in chain.from_iterable(map(_cut, pieces)):
        if seen.repeats(piece.body, block) or _repeats_one_of(parts, piece):
            seen.dropped += 1
            continue
        parts.append(piece)
        whole = _shortened("\n\n".join(part.body for part in parts))
        if _size(whole) < SHORTEST and len(whole) < LONGEST - 200:
            continue
        used, parts = parts, []
        if _size(whole) < SHORTEST:  # full, but of white space
            continue
        if seen.repeats(whole, block):
            seen.dropped += 1
            continue
        seen.add(whole)
        for document in dict.fromkeys(part.document for part in used):
            seen.add(document, block)
        yield Piece(whole, "; ".join(dict.fromkeys(part.source for part in used)), whole)


def _repeats_one_of(parts: Sequence[Piece], piece: Piece) -> bool:
    seen = _Seen()
    for part in parts:
        seen.add(part.body)
    return seen.repeats(piece.body)


def _cut(piece: Piece) -> Iterator[Piece]:
    """Successive parts of at most `LONGEST` characters, cut between lines."""
    rest = piece.body.strip("\n")
    while rest:
        part = _shortened(rest)
        yield Piece(part, piece.source, piece.document)
        rest = rest[len(part) :].strip("\n")


def _shortened(body: str) -> str:
    if len(body) <= LONGEST:
        return body
    end = body.rfind("\n", 0, LONGEST + 1)
    return body[: end if end > 0 else LONGEST]


def _size(body: str) -> int:
    return len(re.sub(r"\s+", " ", body))


class _Seen:
    """The 8-grams of texts and documents kept so far, and how many pieces were dropped because they repeat one."""

    def __init__(self) -> None:
        self.dropped = 0
        self._holders: defaultdict[int, list[int]] = defaultdict(list)
        self._sizes: list[int] = []
        self._owners: list[str | None] = []

    def add(self, body: str, owner: str | None = None) -> None:
        """Remember a body. With an owner it is a document, that this block alone may take more of."""
        grams = word_ngrams(body, 8).tolist()
        for gram in grams:
            self._holders[gram].append(len(self._sizes))
        self._sizes.append(len(grams))
        self._owners.append(owner)

    def repeats(self, body: str, owner: str | None = None) -> bool:
        """Whether the share of common 8-grams with some other body (of the one that has fewer) is above the limit."""
        grams = word_ngrams(body, 8).tolist()
        shared = Counter(holder for gram in grams for holder in self._holders.get(gram, ()))
        return any(
            times > NEAR_DUPLICATE * min(len(grams), self._sizes[holder])
            for holder, times in shared.items()
            if owner is None or self._owners[holder] != owner
        )


def _hashed(name: str) -> bytes:
    """A sorting key without meaning, so that the first blocks are no alphabetical corner."""
    return hashlib.sha256(name.encode()).digest()


def _code(stdlib: Path) -> Blocks:
    """Source from the first function or class on; a block is a top-level module or package.

    Left out are the modules that the embedded model was trained on (those whose name has an even SHA-256), and what
    stands above the first definition: headers and docstrings are licence or prose, not code.
    """
    left_out = {"test", "tests", "idle_test", "pydoc_data"}
    files: dict[str, list[Path]] = {}
    # Names that are no identifiers are folders beside the library: site-packages, lib-dynload, config-3.11.
    names = {entry.stem for entry in stdlib.iterdir() if entry.stem.isidentifier()} if stdlib.is_dir() else set()
    for name in filter(_held_out, names - left_out):
        found = [stdlib / f"{name}.py", *sorted((stdlib / name).rglob("*.py"))]
        files[name] = [path for path in found if path.is_file() and not left_out & set(path.relative_to(stdlib).parts)]

    def pieces(paths: Sequence[Path]) -> Iterator[Piece]:
        for path in paths:
            source, tree = _parsed(path)
            starts = [_first_line(node) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
            if starts:
                body = "\n".join(source.split("\n")[min(starts) - 1 :])
                name = ".".join(path.relative_to(stdlib).with_suffix("").parts)
                # One text a file: a block of several files is not filled with one of them.
                yield Piece(_shortened(body), f"module {name.removesuffix('.__init__')}", body)

    return {name: partial(pieces, paths) for name, paths in sorted(files.items(), key=lambda item: _hashed(item[0]))}


def _held_out(module: str) -> bool:
    """Whether training left this module of the standard library unseen."""
    return int(hashlib.sha256(module.encode()).hexdigest(), 16) % 2 == 1


def _first_line(node: ast.FunctionDef | ast.ClassDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _manual(stdlib: Path) -> Blocks:
    """The topics of `pydoc_data/topics.py`, one dictionary of string constants; a block is a topic."""
    _, tree = _parsed(stdlib / "pydoc_data" / "topics.py")
    topics: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                name, body = _string(key), _string(value)
                if name is not None and body is not None:
                    topics[name] = body
    return {
        name: partial(iter, [Piece(topics[name], f"topic {name}", topics[name])])
        for name in sorted(topics, key=_hashed)
    }


def _string(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _legal(sites: Sequence[Path]) -> Blocks:
    """Licences, copying terms and notices that a distribution lists among its files; a block is a distribution."""
    wanted = re.compile(r"licen[cs]e|copying|notice|eula", re.IGNORECASE)
    code = {".py", ".pyi", ".pyc", ".c", ".h", ".so", ".js", ".css", ".html", ".json", ".svg", ".png", ".xml"}
    files: dict[str, tuple[str, list[Path]]] = {}
    for found in metadata.distributions(path=[str(folder) for folder in sites]):
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"] or "").lower()
        listed = sorted(str(file) for file in found.files or [] if wanted.search(file.name) and file.suffix not in code)
        if name and listed and name not in files:
            files[name] = (found.version, [Path(str(found.locate_file(file))) for file in listed])

    def pieces(name: str) -> Iterator[Piece]:
        version, paths = files[name]
        for path in paths:
            body = _text(path)
            if body.strip():
                yield Piece(body, f"{name} {version}: {path.name}", body)

    # Those with little licence text first: a bundle of many licences would leave nothing to those who have only one.
    length = {name: sum(path.stat().st_size for path in paths if path.is_file()) for name, (_, paths) in files.items()}
    return {name: partial(pieces, name) for name in sorted(files, key=lambda name: (length[name], name))}


def _mathematics(sites: Sequence[Path]) -> Blocks:
    """Docstrings with formulas; a block is a sub-package, such as `scipy.signal`."""
    files: dict[str, list[Path]] = {}
    left_out = {"tests", "testing", "f2py", "distutils", "typing", "_lib", "_build_utils", "_pyinstaller"}
    for package in ("numpy", "scipy"):
        root = _package(package, sites)
        for path in sorted(root.rglob("*.py")) if root else ():
            parts = path.relative_to(root.parent).parts if root else ()
            if len(parts) > 2 and not left_out & set(parts):
                files.setdefault(".".join(parts[:2]), []).append(path)

    def pieces(block: str) -> Iterator[Piece]:
        for path in files[block]:
            if "math:" not in _text(path):
                continue
            for name, docstring in _docstrings(_parsed(path)[1]):
                # Examples are code, and would blur what sets this category apart.
                body = re.split(r"\nExamples?\n-+\n", inspect.cleandoc(docstring))[0].strip()
                if ":math:" in body or ".. math::" in body:
                    yield Piece(_shortened(body), f"{block}: {name}", body)

    return {block: partial(pieces, block) for block in sorted(files, key=_hashed)}


def _docstrings(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name, docstring) of public functions; compiled ones have theirs in calls `add_newdoc(..., name, docstring)`."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield node.name, docstring
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            called = call.func.id if isinstance(call.func, ast.Name) else ""
            strings = [string for argument in call.args if (string := _string(argument)) is not None]
            if called == "add_newdoc" and len(strings) >= 2 and len(strings) == len(call.args):
                yield strings[-2], strings[-1]


def _installed_sites() -> list[Path]:
    """Folders of installed distributions. The current folder is none, though it may be importable."""
    folders = [*site.getsitepackages(), *([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])]
    folders += [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    return [path for path in map(Path, dict.fromkeys(folders)) if path.is_dir()]


def _package(name: str, sites: Sequence[Path]) -> Path | None:
    return next((folder / name for folder in sites if (folder / name / "__init__.py").is_file()), None)


def _version(name: str, sites: Sequence[Path]) -> str:
    found = metadata.distributions(name=name, path=[str(folder) for folder in sites])
    return next((distribution.version for distribution in found), "not installed")


def _text(path: Path) -> str:
    """The file's text; nothing where it is absent or not UTF-8."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _parsed(path: Path) -> tuple[str, ast.Module]:
    """Source and syntax tree; an empty module where the file is absent or is not Python of this version."""
    source = _text(path)
    try:
        return source, ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return "", ast.Module(body=[], type_ignores=[])
