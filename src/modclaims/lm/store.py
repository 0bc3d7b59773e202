"""Recordings on disk: one shelf a network, one or more safetensors files a text, several entries a file.

A file's name holds the SHA-256 of its bytes, so a damaged one is noticed, said, deleted and recorded anew. Files are
written beside their place and renamed, so that processes which record the same things never see half a file; where
two wrote the same entry, either is right.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from modclaims import numerics
from modclaims.errors import ClaimError, UsageError
from modclaims.recording import (
    Ablation,
    Array,
    InductionScores,
    Jacobian,
    LogOdds,
    Loss,
    ModelShape,
    Request,
    TokenIds,
    Weights,
)
from modclaims.runs.run_log import home

log = logging.getLogger(__name__)

KEY_LENGTH = 32
"""Hexadecimal digits of a SHA-256 that stand in file names: 128 bits."""
_SUFFIX = ".safetensors"
_ABOUT = "network.json"
_DTYPES: Mapping[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


@dataclass(frozen=True)
class Entry:
    """What is kept of one text and network under one name: a site of a layer, at some positions, perhaps reduced."""

    site: str
    """One of `recording.SITES`, `loss`, `jacobian.BLOCK` of a model, `weights.MATRIX`, `INDUCTION`, or one of `ABLATED` or `TOKENS`."""
    layer: int = 0
    positions: tuple[int, ...] = ()
    reduce: str = "none"

    @property
    def name(self) -> str:
        """What it is, whatever made it, such as `attn_out/3/475:512:4/none`."""
        if self.site == LOSS:
            return LOSS
        return f"{self.site}/{self.layer}/{_written(self.positions)}/{self.reduce}"

    @property
    def key(self) -> str:
        """The entry's name in its file: also which arithmetic made it, such as `attn_out/3/475:512:4/none#e1`, so that what
        another one made is not found."""
        return f"{self.name}{MADE_BY}{numerics.of_recording(jacobian=self.site.startswith(JACOBIAN))}"


LOSS = "loss"
JACOBIAN = "jacobian."
MADE_BY = "#"
"""Stands between an entry's name and the versions of `numerics` that made it. Older files have neither."""
ABLATED = ("loss.ablated", "log_odds")
"""Losses and log-odds of networks without some parts, or of a text's first tokens alone; which, says a digest."""
TOKENS = "token_ids"
INDUCTION = "induction"
"""Of a sequence of random tokens, kept as if it were a text; its positions are those of the second half."""
WEIGHTS = "weights."
NO_TEXT = hashlib.sha256(b"weights").hexdigest()
"""The key under which a network's own matrices are kept."""


@lru_cache
def _written(positions: tuple[int, ...]) -> str:
    if len(positions) > 2:
        step = positions[1] - positions[0]
        if step > 0 and positions == tuple(range(positions[0], positions[-1] + 1, step)):
            return f"{positions[0]}:{positions[-1] + 1}:{step}"
    return ",".join(map(str, positions))


@dataclass(frozen=True)
class Span:
    """Where one entry lies in its file."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the start of the file."""
    size: int
    """Bytes."""


Layout = Mapping[str, Span]
"""Spans by `Entry.key`. Files of texts that were recorded together share one layout."""


def _made_now(key: str) -> bool:
    """Whether an entry with this key was made by the arithmetic at hand."""
    name, _, made = key.partition(MADE_BY)
    return made == numerics.of_recording(jacobian=name.startswith(JACOBIAN))


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
    table: dict[str, Any] = json.loads(header)
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


def _read_layout(path: Path) -> Layout:
    with path.open("rb") as file:
        return _parse(file.read(int.from_bytes(file.read(8), "little")))


def _is_whole(path: Path) -> bool:
    """Whether the file's bytes have the SHA-256 in its name."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest().startswith(_digest_in(path.name))


def _digest_in(name: str) -> str:
    return name.removesuffix(_SUFFIX).partition(".")[2] or "no digest"


def text_key(ids: Sequence[int] | NDArray[np.integer]) -> str:
    """SHA-256 of a text's token ids, in hexadecimal."""
    return hashlib.sha256(np.asarray(ids, dtype="<i8").tobytes()).hexdigest()


def _replace(folder: Path, name: str, content: bytes) -> Path:
    """Write a file that is either wholly there or not at all."""
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
        for path in _files(self.folder):
            key = wanted.get(path.name.partition(".")[0])
            if key is None:
                continue
            try:
                layout = _read_layout(path) if _is_whole(path) else None
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
        content = safetensors.numpy.save({entry.key: np.asarray(array, order="C") for entry, array in arrays.items()})
        digest = hashlib.sha256(content).hexdigest()
        try:
            path = _replace(self.folder, f"{text[:KEY_LENGTH]}.{digest[:KEY_LENGTH]}{_SUFFIX}", content)
        except OSError as fault:
            raise _unwritable(self.root, fault) from fault
        return StoredFile(path, _parse(content[8 : 8 + int.from_bytes(content[:8], "little")]))


def _files(folder: Path) -> Iterator[Path]:
    """The recordings in a shelf's folder, by name."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except FileNotFoundError:
        return
    for name in names:
        if name.endswith(_SUFFIX) and not name.startswith("."):
            yield folder / name


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
                _replace(folder, _ABOUT, json.dumps(dict(about), indent=1, sort_keys=True).encode())
        except OSError as fault:
            raise _unwritable(self.root, fault) from fault
        return Shelf(self.root, folder)

    def usage(self) -> list[ShelfUsage]:
        """What every network's recordings take, the largest first."""
        rows = []
        for folder in self._shelves():
            size = count = entries = 0
            used = 0.0
            for path in _files(folder):
                with suppress(OSError, ValueError, KeyError, TypeError):
                    status = path.stat()
                    size, count, used = size + status.st_size, count + 1, max(used, status.st_mtime)
                    entries += len(_read_layout(path))
            try:
                about = {str(name): str(value) for name, value in json.loads((folder / _ABOUT).read_bytes()).items()}
            except (OSError, ValueError, AttributeError):
                about = {}
            rows.append(ShelfUsage(folder, about, size, count, entries, used))
        return sorted(rows, key=lambda row: (-row.bytes, row.folder))

    def prune(self, older_than_days: float | None = None) -> int:
        """Delete recordings neither made nor read for so many days (None: all of them); the bytes freed.

        A run that is reading them at this moment will say that they vanished.
        """
        limit = float("inf") if older_than_days is None else time.time() - 86400 * older_than_days
        stale_part = time.time() - 86400
        freed = 0
        for folder in self._shelves():
            for path in [*_files(folder), *folder.glob(".*.part")]:
                with suppress(OSError):
                    status = path.stat()
                    if status.st_mtime < (stale_part if path.suffix == ".part" else limit):
                        path.unlink()
                        freed += status.st_size
            if not any(_files(folder)):
                with suppress(OSError):
                    (folder / _ABOUT).unlink(missing_ok=True)
                    folder.rmdir()
        return freed

    def _shelves(self) -> list[Path]:
        parent = self.root / "recordings"
        return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a forked child inherits the finalizer, but not the folder
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class StoredSource:
    """A recording's arrays, read from the store when asked for, so that memory holds only what is being weighed."""

    store: RecordingStore = field(repr=False, compare=False)
    """Held because a temporary store's files go with it."""
    shape: ModelShape
    positions: tuple[int, ...]
    """The run's positions, which requests without their own mean."""
    tokens: int
    texts: tuple[str, ...]
    """Keys of `text_key`, in the corpus' order."""
    files: Mapping[str | None, Mapping[str, tuple[StoredFile, ...]]] = field(repr=False)
    """By variant as requests write it, then by text key."""
    own: str = ""
    """The variant that the model itself is, if any."""
    chosen: Mapping[Request, tuple[int, ...]] = field(default_factory=dict, repr=False)
    """Of requests that ask for some texts only, which."""
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Keys of `text_key` by text id, for requests that name texts."""
    sequences: Mapping[Request, tuple[str, ...]] = field(default_factory=dict, repr=False)
    """Of requests about sequences that are no texts of the corpus, their keys."""
    leading: int = 0
    """Special tokens that open every text."""

    def array(self, request: Request, layer: int = 0) -> Array:
        """See `Recording.array`; where texts differ in length, missing keys of `attn_pattern` are zero.

        Raises `ClaimError` for what was not recorded and `UsageError` if a file has gone since.
        """
        entry = entry_of(request, layer, self.shape, self.positions, self.tokens, self.own, self.keys, self.leading)
        if isinstance(request, Weights):
            file = self._held(request, layer, NO_TEXT, entry.key)
            matrix = np.empty(file.layout[entry.key].shape, dtype=file.layout[entry.key].dtype)
            _read_into(file.path, file.layout[entry.key], matrix.reshape(-1))
            return matrix
        texts = self.sequences.get(request) or [
            self.texts[index] for index in self.chosen.get(request, range(len(self.texts)))
        ]
        held = [self._held(request, layer, key, entry.key) for key in texts]
        spans = [file.layout[entry.key] for file in held]
        shape = tuple(max(sizes) for sizes in zip(*(span.shape for span in spans), strict=True))
        values = np.zeros((len(spans), *shape), dtype=spans[0].dtype)
        flat = values.reshape(len(spans), -1)  # rows are views even where an entry is a single number
        for index, (file, span) in enumerate(zip(held, spans, strict=True)):
            if span.shape == shape:
                _read_into(file.path, span, flat[index])
            else:
                part = np.empty(span.shape, dtype=span.dtype)
                _read_into(file.path, span, part.reshape(-1))
                values[index][tuple(slice(size) for size in span.shape)] = part
        return values

    def _held(self, request: Request, layer: int, text: str, key: str) -> StoredFile:
        for file in self.files.get(request.variant, {}).get(text, ()):
            if key in file.layout:
                return file
        raise ClaimError(f"Nothing was recorded for {request} at layer {layer}.")


def entry_of(
    request: Request,
    layer: int,
    shape: ModelShape,
    positions: tuple[int, ...],
    tokens: int,
    own: str = "",
    keys: Mapping[str, str] | None = None,
    leading: int = 0,
) -> Entry:
    """The entry that answers a request at one layer, given the run's positions, the tokens kept of each text, what
    variant the model itself is, at whose inputs Jacobians are taken, the texts' keys by their ids, and how many special
    tokens open a text."""
    if isinstance(request, Loss) and request.ablation is None and request.tokens is None:
        return Entry(LOSS)
    if isinstance(request, (Loss, LogOdds)):
        read = min(request.tokens or tokens, tokens)
        among = request.among if isinstance(request, LogOdds) else ()
        return Entry(ABLATED[isinstance(request, LogOdds)], 0, (read,), _digest(request.ablation, among, keys or {}))
    if isinstance(request, TokenIds):
        return Entry(TOKENS, 0, (request.tokens or tokens,))
    once = shape.resolve_layers(replace(request, layers=None)) == (0,)
    at = max(layer, 0) if once else layer + shape.layers if layer < 0 else layer
    if isinstance(request, Weights):
        return Entry(WEIGHTS + request.matrix, at)
    if isinstance(request, Jacobian):
        site = f"{JACOBIAN}{request.block}{'' if request.normalised else '.bare'}{f'@{own}' if own else ''}"
        return Entry(site, at, tuple(range(request.tokens)), request.answer)
    if isinstance(request, InductionScores):
        start = leading + request.period
        return Entry(INDUCTION, at, tuple(range(start, start + request.period)), "mean")
    return Entry(
        request.site,
        at,
        request.positions.resolve(tokens) if request.positions is not None else positions,
        request.reduce,
    )


def entries_of(
    request: Request,
    shape: ModelShape,
    positions: tuple[int, ...],
    tokens: int,
    own: str = "",
    keys: Mapping[str, str] | None = None,
    leading: int = 0,
) -> tuple[Entry, ...]:
    """All entries that a request asks for. Raises `ClaimError` for a layer that the model lacks."""
    return tuple(
        entry_of(request, layer, shape, positions, tokens, own, keys, leading)
        for layer in shape.resolve_layers(request)
    )


def _digest(ablation: Ablation | None, among: tuple[int, ...], keys: Mapping[str, str]) -> str:
    """What is asked of a network and what is taken out of it, texts being what they say and not what they are called."""
    gone = None
    if ablation is not None:
        source = sorted(keys.get(name, name) for name in ablation.source)
        gone = [ablation.unit, ablation.places, ablation.how, source, ablation.keep]
    return hashlib.sha256(json.dumps([gone, among]).encode()).hexdigest()[:KEY_LENGTH]


def _read_into(path: Path, span: Span, row: Array) -> None:
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
