"""Corpora from files: JSONL, CSV, a folder of folders, or a shipped corpus by name. Every field stays a string.

Whatever is wrong with the input ends in one `CorpusError` that says where, what was found and what to do.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modclaims.corpus import Corpus, Text, check_categories, shown, some
from modclaims.errors import CorpusError
from modclaims.shipped import shipped

Field = Any  # Any: what JSON and csv hold
SHIPPED = ("crossed", "study")
"""Corpora in `data/corpora`; `embedded` is another name of the first, `python` is built from the installation."""

CATEGORY = "category"
LONGEST_LABEL = 80
"""A column is a label only if every value is one line of at most so many characters."""


def read_corpus(spec: str | os.PathLike[str], *, text_column: str | None = None, label: str | None = None) -> Corpus:
    """The corpus in a file or folder, or the one with that name; an existing file or folder wins.

    Columns: `text` (or `text_column`), `id` (else `row-1`, `row-2`, ...), `block`, `source`; `title` is for readers
    and is left out; every other column of short values is a label. `label` names the column that becomes the label
    `category`, the rest staying what they are. In a folder each sub-folder is a category and each file in it a text.

    Raises `CorpusError` when it is not there, cannot be read, lacks a column, a text or a label, repeats an id, or has
    one category only or a category with a single text.
    """
    name = os.fspath(spec)
    if os.path.isdir(name):
        table = _read_folder(Path(name))
    elif os.path.isfile(name):
        table = _read_file(Path(name))
    elif name in (*SHIPPED, "embedded"):
        table = _read_file(shipped("data", "corpora", f"{SHIPPED[0] if name == 'embedded' else name}.jsonl"))
    elif name == "python":
        from modclaims.python_corpus import build_python_corpus

        table = _table_of(build_python_corpus())
    else:
        raise CorpusError(
            f"There is no corpus {shown(name)}: no file or folder of this name, and the shipped corpora are "
            f"{', '.join(SHIPPED)} and python (embedded is {SHIPPED[0]})."
        )
    corpus = _corpus(table, text_column or "text", label)
    if CATEGORY in corpus.columns:
        check_categories(corpus, CATEGORY)
    return corpus


@dataclass(frozen=True)
class _Row:
    """One row of a table: where it stands, and its fields without the absent ones."""

    place: str
    fields: Mapping[str, Field]


@dataclass(frozen=True)
class _Table:
    """What every reader makes, before columns get their meaning."""

    name: str
    where: str
    columns: tuple[str, ...]
    rows: tuple[_Row, ...]
    note: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def _corpus(table: _Table, text_column: str, label: str | None) -> Corpus:
    """Give the columns their meaning and check every row."""
    _require(table, text_column, "--text")
    if label is not None:
        _require(table, label, "--label")
    reserved = {"id", "block", "source", "title", text_column}
    plain = [name for name in table.columns if name not in reserved and _is_label(table, name)]
    category = label or (CATEGORY if CATEGORY in table.columns else None)
    note = table.note
    if category is None:
        if not plain:
            raise CorpusError(
                f"{table.where} has no column 'category' and no other short column that could be a label; "
                f"columns found: {_listed(table.columns)}. Say which one holds the categories with --label COLUMN."
            )
        note = f"{note} No column is called 'category'; --label COLUMN can name one of: {', '.join(plain)}.".strip()
    texts = []
    for number, row in enumerate(table.rows, start=1):
        body = _field(table, row, text_column)
        if body is None:
            raise CorpusError(
                f"{row.place} of {table.where} has no text in column {text_column!r}; fill it or leave it out."
            )
        labels = {name: row.fields[name] for name in plain if name in row.fields and name != CATEGORY}
        if category is not None:
            value = _field(table, row, category)
            if value is None:
                raise CorpusError(
                    f"{row.place} of {table.where} has no label in column {category!r}; fill it or leave the row out."
                )
            labels[CATEGORY] = value
        texts.append(
            Text(
                id=_field(table, row, "id") or f"row-{number}",
                body=body,
                labels=labels,
                block=_field(table, row, "block"),
                source=_field(table, row, "source") or "",
            )
        )
    return Corpus(table.name, tuple(texts), note=note, facts=table.facts)


def _require(table: _Table, column: str, option: str) -> None:
    if column not in table.columns:
        raise CorpusError(
            f"{table.where} has no column {column!r}; columns found: {_listed(table.columns)}. "
            f"Name the right one with {option} COLUMN."
        )


def _field(table: _Table, row: _Row, column: str) -> str | None:
    """A field as a string; None where it is absent or blank."""
    value = row.fields.get(column)
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        raise CorpusError(f"{row.place} of {table.where} holds {kind} in column {column!r}; a string is needed.")
    return value if isinstance(value, str) and value.strip() else None


def _is_label(table: _Table, column: str) -> bool:
    values = [row.fields[column] for row in table.rows if column in row.fields]
    return bool(values) and all(
        isinstance(value, str) and value.strip() and len(value) <= LONGEST_LABEL and len(value.splitlines()) == 1
        for value in values
    )


def _listed(columns: Sequence[str]) -> str:
    return some([shown(name) for name in columns], limit=12) or "none"


def _read_file(path: Path) -> _Table:
    readers: dict[str, Callable[[str, str], tuple[tuple[str, ...], list[_Row]]]] = {
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".json": _read_jsonl,
        ".csv": _read_csv,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(
            f"The format of {shown(str(path))} is not known by its ending {path.suffix!r}; "
            "write JSON lines (.jsonl), CSV (.csv), or a folder with one sub-folder per category."
        )
    where = shown(str(path), width=200)
    columns, rows = reader(_decoded(path), where)
    if not rows:
        raise CorpusError(f"{where} has no rows.")
    return _Table(name=path.stem, where=where, columns=columns, rows=tuple(rows))


def _decoded(path: Path) -> str:
    """The file as text, without byte-order mark. Line ends stay what they are."""
    where = shown(str(path), width=200)
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise CorpusError(f"{where} cannot be read: {fault.strerror or fault}.") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    for mark in (b"\xff\xfe", b"\xfe\xff"):
        if data.startswith(mark):
            raise CorpusError(f"{where} is not UTF-8: it starts with the mark of UTF-16. Save it as UTF-8.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise CorpusError(
            f"{where} is not UTF-8: byte 0x{data[fault.start]:02x} at offset {fault.start} (line {line}). "
            "Save it as UTF-8, or leave it out if it is no text."
        ) from None
    if "\0" in text:
        offset = data.index(b"\0")
        raise CorpusError(
            f"{where} is no text: it holds a zero byte at offset {offset}, as binary files and UTF-16 do."
        )
    return text


def _read_jsonl(text: str, where: str) -> tuple[tuple[str, ...], list[_Row]]:
    columns: dict[str, None] = {}
    rows: list[_Row] = []
    # Only a line feed ends a line: JSON strings may hold the further line ends that splitlines() knows.
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            value = json.loads(content, parse_int=str, parse_float=str, parse_constant=str)
        except (ValueError, RecursionError) as fault:
            what = (
                f"{fault.msg}, column {fault.colno}" if isinstance(fault, json.JSONDecodeError) else "nested too deep"
            )
            whole = " Write one object per line, not one array over the file." if content.strip() in ("[", "{") else ""
            raise CorpusError(f"Line {line} of {where} is no JSON: {what}.{whole}") from None
        if not isinstance(value, dict):
            kind = "an array" if isinstance(value, list) else f"the value {shown(content.strip(), 30)}"
            raise CorpusError(f"Line {line} of {where} is {kind}, not an object; each line is one text: {{...}}.")
        columns.update(dict.fromkeys(value))
        rows.append(_Row(f"Line {line}", {k: _json_text(v) for k, v in value.items() if v is not None}))
    return tuple(columns), rows


def _json_text(value: Field) -> Field:
    """Booleans as JSON writes them; numbers are strings already, as they stood in the file."""
    return json.dumps(value) if isinstance(value, bool) else value


def _read_csv(text: str, where: str) -> tuple[tuple[str, ...], list[_Row]]:
    # strict: otherwise a quote that is never closed swallows the rest of the file without a word.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records = _csv_records(reader, where)
    header = next(records, None)
    if header is None:
        raise CorpusError(f"{where} is empty; its first line should name the columns.")
    columns = [name.strip() for name in header[1]]
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise CorpusError(f"{where} has two columns called {_listed(twice)}; rename one.")
    rows = []
    for number, (line, values) in enumerate(records, start=1):
        if len(values) > len(columns):
            raise CorpusError(
                f"Row {number} of {where} (it ends on line {line}) has {len(values)} fields, but there are "
                f"{len(columns)} columns; put quotes around a field that holds a comma."
            )
        fields = {name: value for name, value in zip(columns, values, strict=False) if name and value}
        rows.append(_Row(f"Row {number}", fields))
    return tuple(name for name in columns if name), rows


def _csv_records(reader: Field, where: str) -> Iterator[tuple[int, list[str]]]:
    """(last line, fields) of each record that is not an empty line."""
    while True:
        # The limit is the csv module's own global; it is put back before anybody else can read a file.
        limit = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            values = next(reader, None)
        except csv.Error as fault:
            raise CorpusError(f"Line {reader.line_num} of {where} is no CSV: {fault}.") from None
        finally:
            csv.field_size_limit(limit)
        if values is None:
            return
        if values:
            yield reader.line_num, values


def _read_folder(folder: Path) -> _Table:
    where = shown(str(folder), width=200)
    try:
        entries = sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=lambda e: e.name)
    except OSError as fault:
        raise CorpusError(f"Folder {where} cannot be read: {fault.strerror or fault}.") from None
    if not entries:
        raise CorpusError(f"Folder {where} is empty; put one sub-folder per category into it, each with its texts.")
    categories = [entry for entry in entries if entry.is_dir()]
    if not categories:
        raise CorpusError(f"Folder {where} has no sub-folders; each category needs one, with its texts as files in it.")
    rows = []
    for category in categories:
        files = sorted(_files_below(category), key=lambda path: path.relative_to(folder).parts)
        if not files:
            raise CorpusError(f"Folder {shown(str(category), 200)} holds no file; fill it or take it away.")
        for path in files:
            name = path.relative_to(folder).as_posix()
            body = _decoded(path).replace("\r\n", "\n")
            rows.append(_Row(f"File {shown(name, 200)}", {"id": name, "text": body, CATEGORY: category.name}))
    beside = len(entries) - len(categories)
    note = f"Files beside the category folders, left out: {beside}." if beside else ""
    return _Table(Path(os.path.abspath(folder)).name, where, ("id", "text", CATEGORY), tuple(rows), note)


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(parent, name) for name in files if not name.startswith("."))


def _table_of(corpus: Corpus) -> _Table:
    """A built corpus as a table, so that --text and --label mean the same for it."""
    rows = tuple(
        _Row(
            f"Text {shown(text.id)}",
            {"id": text.id, "text": text.body, **text.labels, "block": text.block, "source": text.source},
        )
        for text in corpus.texts
    )
    columns = ("id", "text", *corpus.columns, "block", "source")
    return _Table(corpus.name, f"corpus {corpus.name!r}", columns, rows, corpus.note, corpus.facts)
