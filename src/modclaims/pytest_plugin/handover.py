"""The folder through which an xdist controller and its workers know of one another's claims and verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from modclaims.pytest_plugin.judged import STATE, Judged, Verdicts

Input = Any  # Any: what xdist hands over, untyped
SELECTION, VERDICTS = "selection.json", "verdicts.json"
"""Files of the handover folder: written by workers, and by the controller."""


def verdicts_of(config: pytest.Config) -> Verdicts:
    """What this process weighed, or the controller handed over to it."""
    state = config.stash[STATE]
    if state.judged is None and state.handover is not None and (state.handover / VERDICTS).is_file():
        rows = json.loads((state.handover / VERDICTS).read_text("utf-8"))
        state.judged = {(model, claim): Judged(*rest) for model, claim, *rest in rows}
    return state.judged or {}


def worker_input(config: pytest.Config) -> Mapping[str, Input]:
    """What an xdist controller told this worker; empty in any other process."""
    found: Mapping[str, Input] = getattr(config, "workerinput", {})
    return found


def hand_over(path: Path, value: object) -> None:
    """Write a file whole or not at all."""
    from modclaims.runs.run_folder import dump_json, write_atomically

    write_atomically(path, dump_json(value).encode())
