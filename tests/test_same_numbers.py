"""scripts/same_numbers.py: what may change between two runs, and what may not."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modclaims.runs.run_folder import npz_bytes
from scripts import same_numbers

CLAIM = {
    "claim": "Texts are alike.",
    "p": 0.004,
    "effect": 0.31,
    "best": {"axis": None, "head": 3, "layer": 1},
    "constants": {"holds": {"Somewhere": {"layers": None}}, "smallest_effect": 0.2},
}
RUN = {"hash": "a", "made": "2026-01-01", "format": 3, "settings": {"seed": 0}, "claims": [CLAIM]}


def written(folder: Path, change: Callable[[Any], None] = lambda run: None, null: float = 0.5) -> Path:
    """A folder of one run, changed."""
    run = copy.deepcopy(RUN)
    change(run)
    (folder / "card").mkdir(parents=True)
    (folder / "card" / "run.json").write_text(json.dumps(run), "utf-8")
    (folder / "card" / "cells.csv").write_text("claim,effect\na,0.31\n", "utf-8")
    (folder / "card" / "nulls.npz").write_bytes(npz_bytes({"0/0/null": np.array([0.1, null])}))
    return folder


def found(tmp_path: Path, change: Callable[[Any], None], **options: float) -> list[str]:
    """The differences that a change makes."""
    return list(same_numbers.differences(written(tmp_path / "old"), written(tmp_path / "new", change, **options)))


def rename(run: Any) -> None:
    run |= {"hash": "b", "made": "2026-02-02", "format": 4}
    run["claims"][0]["constants"]["holds"] = {"AnyCell": {"layers": None}}


def test_when_it_was_made_and_what_classes_are_called_may_change(tmp_path: Path) -> None:
    assert found(tmp_path, rename) == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda run: run["claims"][0].update(p=0.005), "card/run.json.claims[0].p: 0.004, now 0.005"),
        (lambda run: run["settings"].update(seed=1), "card/run.json.settings.seed: 0, now 1"),
        (lambda run: run["claims"][0]["constants"].update(smallest_effect=0.1), "smallest_effect: 0.2, now 0.1"),
        (lambda run: run["claims"][0]["constants"]["holds"]["Somewhere"].update(layers=[1]), "layers: None, now [1]"),
        (lambda run: run["claims"][0]["best"].update(layer=2), "best.layer: 1, now 2"),
        (lambda run: run["claims"][0].pop("effect"), "effect: is gone"),
        (lambda run: run["claims"][0].update(more=1), "more: is new"),
        (lambda run: run["claims"].append({}), "claims: 1 entries, now 2"),
        (lambda run: run["claims"][0].update(effect="0.31"), "effect: 0.31, now '0.31'"),
    ],
)
def test_any_other_field_is_named(tmp_path: Path, change: Callable[[Any], None], where: str) -> None:
    (line,) = found(tmp_path, change)
    assert where in line


def test_an_array_of_other_bytes_is_named(tmp_path: Path) -> None:
    assert found(tmp_path, lambda run: None, null=0.5 + 1e-17) == []  # that is 0.5
    other = list(same_numbers.differences(tmp_path / "old", written(tmp_path / "third", null=0.5 + 1e-15)))
    assert other == ["card/nulls.npz: 1 arrays differ: 0/0/null"]


def test_a_row_of_cells_is_named(tmp_path: Path) -> None:
    old, new = written(tmp_path / "old"), written(tmp_path / "new")
    (new / "card" / "cells.csv").write_text("claim,effect\na,0.32\n", "utf-8")
    assert list(same_numbers.differences(old, new)) == ["card/cells.csv: differs from line 2 on"]


def test_an_empty_best_may_be_filled(tmp_path: Path) -> None:
    def emptied(run: Any) -> None:
        run["claims"][0]["best"] = {"axis": None, "head": None, "layer": None}

    old = written(tmp_path / "old", emptied)
    assert list(same_numbers.differences(old, written(tmp_path / "new"))) == []
    assert len(list(same_numbers.differences(tmp_path / "new", old))) == 2


def test_runs_that_came_or_went_are_named(tmp_path: Path) -> None:
    old, new = written(tmp_path / "old"), written(tmp_path / "new")
    (new / "card").rename(new / "study")
    lines = list(same_numbers.differences(old, new))
    assert "card/run.json: is missing" in lines
    assert "study: was not there before" in lines


def test_levels_are_compared_digit_by_digit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    assert same_numbers.main(["--levels", str(old), "HeavyTails"]) == 0
    assert same_numbers.main(["--levels", str(new), "HeavyTails"]) == 0
    assert same_numbers.main([str(old), str(new)]) == 0
    levels = json.loads(new.read_text("utf-8"))
    assert len(levels) == 6
    name = next(iter(levels))
    levels[name]["digest"] = "0"
    new.write_text(json.dumps(levels), "utf-8")
    assert same_numbers.main([str(old), str(new)]) == 1
    assert f"{name}.digest" in capsys.readouterr().out


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert same_numbers.main(["--levels"]) == 2
    assert "python scripts/same_numbers.py OLD NEW" in capsys.readouterr().out
