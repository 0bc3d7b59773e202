"""Files of the recording store: whole or not there, their contents found by the header alone.

A file's name holds the SHA-256 of its bytes, so that a damaged one is noticed. It is written beside its place and renamed,
so that processes which record the same things never see half a file.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import safetensors.numpy

from modclaims.errors import UsageError
from modclaims.lm.untyped import Untyped
from modclaims.recording import Array, Entry
from modclaims.recording.entries import KEY_LENGTH, MADE_BY

SUFFIX = ".safetensors"
_DTYPES: Mapping[str, np.dtype[Untyped]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


@dataclass(frozen=True)
class Span:
    """Where one entry lies in its file."""

    dtype: np.dtype[Untyped]
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the start of the file."""
    size: int
    """Bytes."""


Layout = Mapping[str, Span]
"""Spans by `Entry.key`. Files of texts that were recorded together share one layout."""


@dataclass(frozen=True)
class StoredFile:
    """A file whose bytes were found to be whole, and what lies where in it."""

    path: Path
    layout: Layout

    @property
    def names(self) -> frozenset[str]:
        """Names of its entries, whatever made them."""
        return frozenset(key.partition(MADE_BY)[0] for key in self.layout)


@lru_cache(maxsize=1024)
def _parse(header: bytes) -> Layout:
    """Layout of a safetensors file from its header (of JSON): `data_offsets` count from the header's end."""
    table: dict[str, Untyped] = json.loads(header)
    table.pop("__metadata__", None)
    after = 8 + len(header)
    return {
        name: Span(
            _DTYPES[row["dtype"]],
            tuple(row["shape"]),
            after + row["data_offsets"][0],
            row["data_offsets"][1] - row["data_offsets"][0],
        )
        for name, row in table.items()
    }


def read_layout(path: Path) -> Layout:
    """What lies where in a file. Raises `OSError`, `ValueError`, `KeyError` or `TypeError` for one that is none of ours."""
    with path.open("rb") as file:
        return _parse(file.read(int.from_bytes(file.read(8), "little")))


def is_whole(path: Path) -> bool:
    """Whether the file's bytes have the SHA-256 in its name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(_digest_in(path.name))


def _digest_in(name: str) -> str:
    return name.removesuffix(SUFFIX).partition(".")[2] or "no digest"


def replace_file(folder: Path, name: str, content: bytes) -> Path:
    """Write a file that is either wholly there or not at all. Raises `OSError`."""
    part = folder / f".{os.getpid()}-{secrets.token_hex(8)}.part"
    path = folder / name
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return path


def write_arrays(folder: Path, text: str, arrays: Mapping[Entry, Array]) -> StoredFile:
    """Keep the arrays of one text (a key of `text_key`) in a folder. Raises `OSError`."""
    content = safetensors.numpy.save({entry.key: np.asarray(array, order="C") for entry, array in arrays.items()})
    digest = hashlib.sha256(content).hexdigest()
    path = replace_file(folder, f"{text[:KEY_LENGTH]}.{digest[:KEY_LENGTH]}{SUFFIX}", content)
    return StoredFile(path, _parse(content[8 : 8 + int.from_bytes(content[:8], "little")]))


def files_in(folder: Path) -> Iterator[Path]:
    """The recordings in a folder, by name; none if there is no folder."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(SUFFIX) and not name.startswith("."):
            yield folder / name


def read_into(path: Path, span: Span, row: Array) -> None:
    """Fill an array with one entry of a file. Raises `UsageError` if the file has gone or ends too early."""
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(span.start)
            if row.nbytes and file.readinto(row.data.cast("B")) != span.size:
                raise OSError("it ends too early")
    except OSError as fault:
        raise UsageError(
            f"Recording {path} was whole when this run began and cannot be read now ({fault}); "
            "was the store pruned meanwhile? Run again to record it anew."
        ) from fault
