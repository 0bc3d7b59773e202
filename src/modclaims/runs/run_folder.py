"""The only reader and writer of runs: run.json, cells.csv, nulls.npz and one part a claim, so that a kill loses little.

A run folder holds
    run.json        settings, provenance and one object per claim; time, host and commit stand only under `made`
    cells.csv       one row per tested cell
    nulls.npz       null samples and the arrays behind the figures, named `<claim number>/<exhibit number>/<array>`
    parts/          one folder per claim while the run is unfinished; gone when it is finished
    report.md, report.html, figures/*.svg, junit.xml    written by `report`
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modclaims.entries import JsonFields, JsonObject, body_of
from modclaims.errors import RunFolderError
from modclaims.runs.run_json import CELL_COLUMNS, FORMAT, ExhibitEntry
from modclaims.stats.evidence import Exhibit


@dataclass(frozen=True)
class ClaimRecord:
    """What a run keeps of one claim."""

    summary: JsonFields
    """The claim's object in run.json; the field names are a promise."""
    cells: Sequence[JsonFields] = ()
    """Rows of cells.csv."""
    exhibits: Sequence[Exhibit] = ()
    """Figures as data."""


@dataclass(frozen=True)
class Run:
    """A run, finished or read back."""

    facts: JsonFields
    """run.json without its claims."""
    claims: Sequence[ClaimRecord] = field(default_factory=tuple)


def dump_json(value: object) -> str:
    """JSON with sorted keys and no NaN: what is not a finite number becomes null."""
    return json.dumps(_plain(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, np.integer):
        return int(value)
    return value


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(data)
    os.replace(temporary, path)


def npz_bytes(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """A compressed .npz whose bytes depend on the arrays alone (no time stamps)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(arrays):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, np.asarray(arrays[name], order="C"), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, entry.getvalue())
    return out.getvalue()


class RunFolder:
    """One folder being written: claim by claim, then finished atomically."""

    def __init__(self, path: Path, settings_hash: str) -> None:
        """Open or make the folder. Raises `RunFolderError` where another run or foreign files are in the way."""
        self.path, self.settings_hash = path, settings_hash
        if path.exists() and not path.is_dir():
            raise RunFolderError(f"{path} is a file; give --out a folder.")
        found = self._found_hash()
        if found is None and path.exists() and any(path.iterdir()):
            raise RunFolderError(
                f"{path} is not empty and holds no run of modclaims; give --out an empty or new folder."
            )
        if found is not None and found != settings_hash:
            raise RunFolderError(
                f"{path} holds a run with other settings, claims, corpus, model or arithmetic (hash {found[:8]}, this run {settings_hash[:8]}); "
                "give another --out, or remove that folder."
            )
        self.finished = (path / "run.json").is_file()
        self.parts.mkdir(parents=True, exist_ok=True)
        write_atomically(self.parts / "hash", settings_hash.encode())

    @property
    def parts(self) -> Path:
        """Where claims wait until the run is finished."""
        return self.path / "parts"

    def _found_hash(self) -> str | None:
        if (self.path / "run.json").is_file():
            try:
                return str(json.loads((self.path / "run.json").read_text("utf-8"))["hash"])
            except (ValueError, KeyError, UnicodeDecodeError):
                raise RunFolderError(
                    f"{self.path / 'run.json'} is damaged; remove the folder or give another --out."
                ) from None
        mark = self.parts / "hash"
        return mark.read_text("utf-8") if mark.is_file() else None

    def _part(self, claim_id: str) -> Path:
        return self.parts / hashlib.sha256(claim_id.encode()).hexdigest()[:16]

    def has(self, claim_id: str) -> bool:
        """Whether an interrupted run left this claim's part."""
        return (self._part(claim_id) / "claim.json").is_file()

    def write_claim(self, claim_id: str, state: JsonFields, exhibits: Sequence[Exhibit]) -> None:
        """Keep one weighed claim; `claim.json` comes last, so that a part is whole or absent."""
        part = self._part(claim_id)
        part.mkdir(parents=True, exist_ok=True)
        arrays = {f"{i}/{k}": v for i, e in enumerate(exhibits) for k, v in e.arrays.items()}
        write_atomically(part / "arrays.npz", npz_bytes(arrays))
        body = {"state": state, "exhibits": [body_of(ExhibitEntry.of(e)) for e in exhibits]}
        write_atomically(part / "claim.json", dump_json(body).encode())

    def read_claim(self, claim_id: str) -> tuple[JsonObject, tuple[Exhibit, ...]]:
        """The part of one claim."""
        part = self._part(claim_id)
        body = json.loads((part / "claim.json").read_text("utf-8"))
        with np.load(part / "arrays.npz", allow_pickle=False) as stored:
            return body["state"], _exhibits(body["exhibits"], {k: stored[k] for k in stored.files})

    def finish(self, run: Run, extra: Mapping[str, bytes]) -> None:
        """Replace the folder's files by the finished run; `extra` are rendered files by relative path."""
        staging = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        for name, data in run_files(run, self.settings_hash).items():
            (staging / name).write_bytes(data)
        for name, data in extra.items():
            target = staging / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        old = self.path.with_name(f".{self.path.name}.{os.getpid()}.old")
        shutil.rmtree(old, ignore_errors=True)
        os.replace(self.path, old)
        os.replace(staging, self.path)
        shutil.rmtree(old, ignore_errors=True)


def run_files(run: Run, settings_hash: str) -> dict[str, bytes]:
    """run.json, cells.csv and nulls.npz as bytes."""
    body = dict(run.facts)
    body |= {
        "format": FORMAT,
        "hash": settings_hash,
        "claims": [
            dict(c.summary) | {"exhibits": [body_of(ExhibitEntry.of(e)) for e in c.exhibits]} for c in run.claims
        ],
    }
    table = io.StringIO()
    writer = csv.DictWriter(table, CELL_COLUMNS, lineterminator="\n", extrasaction="ignore", restval="")
    writer.writeheader()
    for claim in run.claims:
        for row in claim.cells:
            writer.writerow({k: _field(v) for k, v in row.items()})
    arrays = {
        f"{i}/{j}/{name}": array
        for i, claim in enumerate(run.claims)
        for j, exhibit in enumerate(claim.exhibits)
        for name, array in exhibit.arrays.items()
    }
    return {
        "run.json": dump_json(body).encode(),
        "cells.csv": table.getvalue().encode(),
        "nulls.npz": npz_bytes(arrays),
    }


def _field(value: object) -> object:
    if value is None or (isinstance(value, (float, np.floating)) and not np.isfinite(value)):
        return ""
    return repr(float(value)) if isinstance(value, (float, np.floating)) else value


def _exhibits(metas: Sequence[JsonFields], arrays: Mapping[str, NDArray[np.generic]]) -> tuple[Exhibit, ...]:
    found: list[dict[str, NDArray[np.generic]]] = [{} for _ in metas]
    for key, array in arrays.items():
        at, name = key.split("/", 1)
        found[int(at)][name] = array
    return tuple(
        Exhibit(m["kind"], m["title"], m["description"], a, m["labels"]) for m, a in zip(metas, found, strict=True)
    )


def read_run(path: Path) -> Run:
    """A finished run. Raises `RunFolderError` where there is none, or it is damaged."""
    if not (path / "run.json").is_file():
        raise RunFolderError(
            f"{path} holds no finished run (no run.json); give the folder that `modclaims run` printed."
        )
    try:
        body = json.loads((path / "run.json").read_text("utf-8"))
        with np.load(path / "nulls.npz", allow_pickle=False) as stored:
            arrays = {k: stored[k] for k in stored.files}
        rows = list(csv.DictReader((path / "cells.csv").read_text("utf-8").splitlines()))
        claims = []
        for i, summary in enumerate(body.pop("claims")):
            metas = summary.pop("exhibits")
            mine = {k.split("/", 1)[1]: v for k, v in arrays.items() if k.split("/", 1)[0] == str(i)}
            cells = [r for r in rows if r["claim"] == summary["id"]]
            claims.append(ClaimRecord(summary, cells, _exhibits(metas, mine)))
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as fault:
        raise RunFolderError(f"{path} is damaged ({fault}); run it again.") from None
    return Run(body, tuple(claims))
