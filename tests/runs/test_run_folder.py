"""Run folders: what is written is read back, whole or not at all, and run.json keeps its promises."""

import json

import jsonschema
import numpy as np
import pytest

from modclaims.errors import RunFolderError
from modclaims.runs.run_folder import Run, RunFolder, dump_json, npz_bytes, read_run
from modclaims.shipped import PACKAGE
from modclaims.stats.evidence import Exhibit

SCHEMA = json.loads((PACKAGE / "run.schema.json").read_text())
ROOT = PACKAGE.parent.parent


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "reports").glob("*/run.json")), ids=lambda path: path.parent.name)
def test_committed_reports_keep_to_the_schema(path):
    body = json.loads(path.read_text())
    jsonschema.validate(body, SCHEMA)
    assert body["claims"]


def test_the_schema_refuses_an_unknown_outcome():
    body = json.loads((ROOT / "reports" / "card" / "run.json").read_text())
    body["claims"][0]["outcome"] = "perhaps"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, SCHEMA)


def test_arrays_give_the_same_bytes_whenever_they_are_written():
    arrays = {"b": np.arange(3.0), "a": np.array(1.5)}
    assert npz_bytes(arrays) == npz_bytes(dict(reversed(arrays.items())))


def test_what_is_not_finite_becomes_null_in_json():
    assert json.loads(dump_json({"a": float("nan"), "b": [np.float64(1.5), np.inf], "c": np.int64(3)})) == {
        "a": None,
        "b": [1.5, None],
        "c": 3,
    }


def test_a_part_is_whole_or_absent(tmp_path):
    folder = RunFolder(tmp_path / "run", "h" * 64)
    exhibit = Exhibit("strip", "t", "d", {"x": np.arange(4)}, {"panels": ["a"]})
    assert not folder.has("claim")
    folder.write_claim("claim", {"effect": 1.0}, [exhibit])
    state, exhibits = RunFolder(tmp_path / "run", "h" * 64).read_claim("claim")
    assert state == {"effect": 1.0}
    assert np.array_equal(exhibits[0].arrays["x"], np.arange(4))


def test_foreign_files_are_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="holds no run"):
        RunFolder(tmp_path, "h" * 64)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_unfinished_run_of_other_settings_is_refused(tmp_path):
    RunFolder(tmp_path / "run", "a" * 64)
    with pytest.raises(RunFolderError, match="other settings"):
        RunFolder(tmp_path / "run", "b" * 64)


def test_a_damaged_run_is_said_to_be_damaged(tmp_path):
    RunFolder(tmp_path / "run", "a" * 64).finish(Run({}, ()), {})
    assert read_run(tmp_path / "run").claims == ()
    (tmp_path / "run" / "nulls.npz").write_bytes(b"no archive")
    with pytest.raises(RunFolderError, match="damaged"):
        read_run(tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    with pytest.raises(RunFolderError, match="damaged"):
        RunFolder(tmp_path / "run", "a" * 64)
