"""Recordings on disk: one shelf per network, one or more safetensors files a text, several entries a file.

A file's name holds the SHA-256 of its bytes, so a damaged one is noticed, said, deleted and recorded anew. Files are
written beside their place and renamed, so that processes which record the same things never see half a file; where
two wrote the same entry, either is right.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modclaims import numerics
from modclaims.errors import UsageError
from modclaims.lm.stored_files import StoredFile, files_in, is_whole, read_layout, replace_file, write_arrays
from modclaims.recording import Array, Entry
from modclaims.recording.entries import JACOBIAN, KEY_LENGTH, MADE_BY
from modclaims.runs.run_log import home

log = logging.getLogger(__name__)

_ABOUT = "network.json"
READINGS = "readings"
"""Folder of what configurations and tokenizers were found to say: see `kept`."""
NO_TEXT = hashlib.sha256(b"weights").hexdigest()
"""The key under which a network's own matrices are kept."""


def text_key(ids: Sequence[int] | NDArray[np.integer]) -> str:
    """SHA-256 of a text's token ids, in hexadecimal."""
    return hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes()).hexdigest()


def _made_now(key: str) -> bool:
    """Whether an entry with this key was made by the arithmetic at hand."""
    name, _, made = key.partition(MADE_BY)
    return made == numerics.of_recording(jacobian=name.startswith(JACOBIAN))


def _unwritable(root: Path, fault: OSError) -> UsageError:
    return UsageError(
        f"The recording store {root} cannot be written ({fault.strerror or fault}); set MODCLAIMS_HOME to a folder "
        "that can be, make room there, or pass --no-cache."
    )


@dataclass(frozen=True)
class Shelf:
    """The recordings of one network, by text."""

    root: Path
    folder: Path

    def find(self, texts: Sequence[str]) -> dict[str, tuple[StoredFile, ...]]:
        """Whole files of these texts (keys of `text_key`); each counts as used now if anything in it was made by the
        arithmetic at hand.

        A damaged file is logged and deleted. Files of one text come in the order of their names, so that of two
        files with the same entry the same one is read every time.
        """
        wanted = {key[:KEY_LENGTH]: key for key in texts}
        found: dict[str, list[StoredFile]] = {key: [] for key in texts}
        for path in files_in(self.folder):
            key = wanted.get(path.name.partition(".")[0])
            if key is None:
                continue
            try:
                layout = read_layout(path) if is_whole(path) else None
            except FileNotFoundError:  # another process found it damaged, or pruned it
                continue
            except (OSError, ValueError, KeyError, TypeError):
                layout = None
            if layout is None:
                log.warning("Recording %s is damaged (its bytes do not have the SHA-256 in its name): deleted.", path)
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                continue
            found[key].append(StoredFile(path, layout))
            if any(map(_made_now, layout)):
                with suppress(OSError):  # a store on a read-only disk is still good to read
                    os.utime(path)
        return {key: tuple(files) for key, files in found.items()}

    def write(self, text: str, arrays: Mapping[Entry, Array]) -> StoredFile:
        """Keep the arrays of one text. Raises `UsageError` if the store cannot be written."""
        try:
            return write_arrays(self.folder, text, arrays)
        except OSError as fault:
            raise _unwritable(self.root, fault) from fault


@dataclass(frozen=True)
class ShelfUsage:
    """What the recordings of one network take."""

    folder: Path
    about: Mapping[str, str]
    """What identifies the network: name, variant, digests, versions; empty if its description is lost."""
    bytes: int
    files: int
    entries: int
    used: float
    """When one of them was last recorded or read, in seconds since 1970."""


class RecordingStore:
    """Recordings of any number of networks under one root folder; nothing is made on disk before the first shelf.

    `root` defaults to `home()`. Safe for several processes at once. Never pickle.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root) if root is not None else home()

    @classmethod
    def temporary(cls) -> RecordingStore:
        """A store in a temporary folder, which goes when the store does: for runs that keep nothing."""
        store = cls(tempfile.mkdtemp(prefix="modclaims-"))
        weakref.finalize(store, _remove, store.root, os.getpid())
        return store

    def __reduce__(self) -> tuple[Callable[..., RecordingStore], tuple[Path]]:
        """A copy in another process reads the same folder, but does not own it."""
        return RecordingStore, (self.root,)

    def __repr__(self) -> str:
        return f"RecordingStore({str(self.root)!r})"

    def shelf(self, key: str, about: Mapping[str, str]) -> Shelf:
        """The shelf of the network with this key (a SHA-256 in hexadecimal), made if new.

        `about` is kept beside the recordings for whoever lists them. Raises `UsageError` if it cannot be made.
        """
        folder = self.root / "recordings" / key[:KEY_LENGTH]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / _ABOUT).exists():
                replace_file(folder, _ABOUT, json.dumps(dict(about), indent=1, sort_keys=True).encode())
        except OSError as fault:
            raise _unwritable(self.root, fault) from fault
        return Shelf(self.root, folder)

    def usage(self) -> list[ShelfUsage]:
        """What every network's recordings take, the largest first."""
        rows = []
        for folder in self._shelves():
            size = count = entries = 0
            used = 0.0
            for path in files_in(folder):
                with suppress(OSError, ValueError, KeyError, TypeError):
                    status = path.stat()
                    size, count, used = size + status.st_size, count + 1, max(used, status.st_mtime)
                    entries += len(read_layout(path))
            try:
                about = {str(name): str(value) for name, value in json.loads((folder / _ABOUT).read_bytes()).items()}
            except (OSError, ValueError, AttributeError):
                about = {}
            rows.append(ShelfUsage(folder, about, size, count, entries, used))
        return sorted(rows, key=lambda row: (-row.bytes, row.folder))

    def prune(self, older_than_days: float | None = None) -> int:
        """Delete recordings, and readings, neither made nor read for so many days (None: all of them); the bytes freed.

        A run that is reading them at this moment will say that they vanished.
        """
        limit = float("inf") if older_than_days is None else time.time() - 86400 * older_than_days
        stale_part = time.time() - 86400
        freed = 0
        for folder in self._shelves():
            for path in [*files_in(folder), *folder.glob(".*.part")]:
                freed += _unlinked(path, stale_part if path.suffix == ".part" else limit)
            if not any(files_in(folder)):
                with suppress(OSError):
                    (folder / _ABOUT).unlink(missing_ok=True)
                    folder.rmdir()
        for folder in (self.root / READINGS).glob("*"):
            freed += sum(_unlinked(path, stale_part if path.suffix == ".part" else limit) for path in folder.iterdir())
            with suppress(OSError):  # not empty
                folder.rmdir()
        return freed

    def _shelves(self) -> list[Path]:
        parent = self.root / "recordings"
        return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _unlinked(path: Path, limit: float) -> int:
    """Delete a file that was last used before `limit`; the bytes freed."""
    with suppress(OSError):
        status = path.stat()
        if status.st_mtime < limit:
            path.unlink()
            return status.st_size
    return 0


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child inherits the finalizer, but not the folder
        shutil.rmtree(folder, ignore_errors=True)
