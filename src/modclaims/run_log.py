"""The log of runs on this machine: what else was weighed on a corpus and a model, and so belongs to the family."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

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
    """Finished runs, a line each: hashes of corpus and model, and of every claim that was weighed, with its outcome.

    A line that cannot be read is passed over, and a log that cannot be written is none: a run's results never depend
    on it.
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

    def add(self, corpus: str, model: str, outcomes: Mapping[str, str]) -> None:
        """Note a finished run: the outcome of every claim weighed, by its hash."""
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = json.dumps({"time": made, "corpus": corpus, "model": model, "claims": dict(outcomes)}, sort_keys=True)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
        except OSError:
            return

    def _lines(self) -> list[dict[str, Any]]:
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
