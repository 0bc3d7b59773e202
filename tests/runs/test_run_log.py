"""The log of runs: what else was weighed on a corpus and model is counted; a broken log breaks nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from modclaims.claim_set import KeptLevels
from modclaims.runs.run_log import RunLog


def test_other_claims_on_the_same_corpus_and_model_are_counted_once(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "new" / "home")
    assert log.others("corpus", "model", ["a"]) == 0
    log.add("corpus", "model", {"a": "supported", "b": "refuted"})
    log.add("corpus", "model", {"b": "refuted", "c": "inconclusive"})
    log.add("corpus", "twin", {"d": "refuted"})
    log.add("texts", "model", {"e": "refuted"})
    assert log.others("corpus", "model", ["a"]) == 2
    assert log.others("corpus", "model", ["a", "b", "c"]) == 0
    assert log.others("corpus", "twin", ["a"]) == 1
    assert json.loads(log.path.read_text().splitlines()[0])["claims"] == {"a": "supported", "b": "refuted"}


def test_the_latest_levels_of_a_claim_are_found_by_their_key(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    first, second = KeptLevels(0.01, 1.0, 0.02, 1.0), KeptLevels(0.3, 0.25, 0.3, 0.25)
    log.add("corpus", "model", {"a": "supported"}, {"key": first, "other": second})
    assert log.levels(["key", "absent"]) == {"key": first}
    log.add("corpus", "model", {"a": "inconclusive"}, {"key": second})
    assert log.levels(["key", "other"]) == {"key": second, "other": second}


def test_settings_under_which_a_claim_was_weighed_before_are_counted_once_each(tmp_path: Path) -> None:
    log, kept = RunLog(tmp_path), KeptLevels(0.01, 1.0, 0.02, 1.0)
    log.add("corpus", "model", {"a": "inconclusive"}, {"a, seed 0": kept})
    log.add("corpus", "model", {"a": "inconclusive", "b": "refuted"}, {"a, seed 1": kept, "b, seed 1": kept})
    log.add("corpus", "model", {"a": "inconclusive"}, {"a, seed 0": kept})
    log.add("corpus", "model", {"a": "inconclusive"})  # a run of old
    assert log.reruns("corpus", "model", ["a"], ["a, seed 2"]) == 2
    assert log.reruns("corpus", "model", ["a"], ["a, seed 0"]) == 1
    assert log.reruns("corpus", "model", ["b"], ["b, seed 1"]) == 0
    assert log.reruns("corpus", "twin", ["a"], ["a, seed 2"]) == log.reruns("texts", "model", ["a"], ["a"]) == 0


@pytest.mark.parametrize("levels", ["3", "[]", '{"key": 3}', '{"key": [0.1, 0.1, 0.1, 2]}', '{"key": [0, 0, null, 1]}'])
def test_levels_that_are_none_are_passed_over(tmp_path: Path, levels: str) -> None:
    log = RunLog(tmp_path)
    log.path.write_text(f'{{"corpus": "c", "model": "m", "claims": {{}}, "levels": {levels}}}\n', "utf-8")
    assert log.levels(["key"]) == {}


@pytest.mark.parametrize(
    "line", ["no json", "[1, 2]", '{"corpus": "corpus", "model": "model", "claims": 3}', "\x00\ufffd"]
)
def test_a_line_that_cannot_be_read_is_passed_over(tmp_path: Path, line: str) -> None:
    log = RunLog(tmp_path)
    log.path.write_text(line + "\n", "utf-8")
    log.add("corpus", "model", {"a": "supported"})
    assert log.others("corpus", "model", []) == 1


def test_a_log_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = RunLog(tmp_path / "file")
    log.add("corpus", "model", {"a": "supported"})
    assert log.others("corpus", "model", []) == 0
