"""The log of runs on this machine: what else was weighed on a corpus and a model, and the levels that claims had."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Mapping
from dataclasses import astuple
from pathlib import Path

from modclaims.claim_set import KeptLevels
from modclaims.entries import JsonObject

NAME = "runs.jsonl"


def home() -> Path:
    """Where recordings and the log are kept: `$MODCLAIMS_HOME`, else `modclaims` in the user's cache folder."""
    if given := os.environ.get("MODCLAIMS_HOME"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "modclaims"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "modclaims"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modclaims"


class RunLog:
    """Finished runs, a line each: hashes of corpus and model, and of every claim that was weighed, with outcome and levels.

    A line that cannot be read is passed over, and a log that cannot be written is none. No level ever depends on it; the
    correction of a run that leaves claims out does, since it takes their levels from here.
    """

    def __init__(self, root: Path | None = None) -> None:
        """The log in `root`, by default that of this machine's user."""
        self.path = (root or home()) / NAME

    def others(self, corpus: str, model: str, claims: Collection[str]) -> int:
        """Claims weighed on this corpus and model in earlier runs that are not among `claims`; all are hashes."""
        found: set[str] = set()
        for line in self._lines():
            if line.get("corpus") == corpus and line.get("model") == model and isinstance(line.get("claims"), dict):
                found |= set(line["claims"])
        return len(found - set(claims))

    def reruns(self, corpus: str, model: str, claims: Collection[str], keys: Collection[str]) -> int:
        """Under how many other settings any of these claims was weighed before: another seed, say, or another version.

        `keys` are those of the claims' levels now; a run that left none tells nothing.
        """
        found: set[frozenset[str]] = set()
        for line in self._lines():
            of, left = (set(v) if isinstance(v := line.get(name), dict) else set() for name in ("claims", "levels"))
            if line.get("corpus") != corpus or line.get("model") != model:
                continue
            if left and of & set(claims) and not left & set(keys):
                found.add(frozenset(left))
        return len(found)

    def levels(self, keys: Collection[str]) -> dict[str, KeptLevels]:
        """The levels that the latest run left under each key that some run did."""
        wanted = set(keys)
        found: dict[str, KeptLevels] = {}
        for line in self._lines():
            kept = line.get("levels")
            if isinstance(kept, dict):
                read = {key: _read(kept[key]) for key in wanted & set(kept)}
                found |= {key: one for key, one in read.items() if one is not None}
        return found

    def add(
        self, corpus: str, model: str, outcomes: Mapping[str, str], levels: Mapping[str, KeptLevels] | None = None
    ) -> None:
        """Note a finished run: the outcome of every claim weighed by its hash, and its levels by all they depend on."""
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        noted = {key: astuple(kept) for key, kept in (levels or {}).items()}
        body = {"time": made, "corpus": corpus, "model": model, "claims": dict(outcomes), "levels": noted}
        line = json.dumps(body, sort_keys=True)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
        except OSError:
            return

    def _lines(self) -> list[JsonObject]:
        try:
            raw = self.path.read_text("utf-8", errors="replace")
        except OSError:
            return []
        found = []
        for line in raw.splitlines():
            try:
                parsed = json.loads(line)
            except ValueError:
                continue
            if isinstance(parsed, dict):
                found.append(parsed)
        return found


def _read(values: object) -> KeptLevels | None:
    """Four probabilities as levels; None for anything else."""
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(one, (int, float)) and not isinstance(one, bool) and 0 <= one <= 1 for one in values):
        return None
    return KeptLevels(*map(float, values))
