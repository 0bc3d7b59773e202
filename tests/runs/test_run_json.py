"""run.json and cells.csv have the fields that their dataclasses say, and the schema says the same."""

import json
import re

import pytest

from modclaims.entries import names_of
from modclaims.runs.collect import Collected
from modclaims.runs.run_json import CELL_COLUMNS, ClaimWithExhibits, RunJson, cell_rows, run_schema, summary
from modclaims.shipped import PACKAGE
from modclaims.verdict import Outcome, Verdict
from scripts import run_schema as script

ROOT = PACKAGE.parent.parent
CARD = json.loads((ROOT / "reports" / "card" / "run.json").read_text())
CLAIM = run_schema()["properties"]["claims"]["items"]
LOST = Collected("here.py::Lost", ROOT / "here.py", None, fault="It does not load.")


def test_the_schema_that_is_shipped_is_the_one_that_the_command_prints(capsys):
    assert script.main([]) == 0
    assert (PACKAGE / "run.schema.json").read_text("utf-8") == capsys.readouterr().out


def test_the_command_refuses_what_it_does_not_know(capsys):
    assert script.main(["--wrong"]) == 4
    assert "--write" in capsys.readouterr().out


def test_a_run_has_the_fields_of_its_dataclasses_and_no_others():
    assert sorted(CARD) == sorted(names_of(RunJson))
    for claim in CARD["claims"]:
        assert sorted(claim) == sorted(names_of(ClaimWithExhibits))


def test_cells_csv_has_its_columns_in_the_promised_order():
    assert " ".join(CELL_COLUMNS) == (
        "claim model site layer last_layer head axis category size depth statistic effect effect_low effect_high p p_adjusted status"
    )
    first = (ROOT / "reports" / "card" / "cells.csv").read_text("utf-8").partition("\n")[0]
    assert tuple(first.split(",")) == CELL_COLUMNS


def test_a_claim_that_was_not_weighed_has_null_for_numbers_and_empty_lists():
    body = summary(LOST, Verdict(Outcome.ERROR, None, message=LOST.fault), None)
    assert (body["outcome"], body["message"], body["claim"]) == ("error", LOST.fault, LOST.id)
    assert body["effect"] is body["best"] is body["intersection"] is body["resamples"] is None
    assert body["controls"] == body["secondary"] == body["degenerate"] == []
    assert sorted([*body, "exhibits"]) == sorted(names_of(ClaimWithExhibits))
    assert cell_rows(LOST, "model", None) == []


@pytest.mark.parametrize("name", ["p_cell", "carrying", "best", "controls", "p_plus_adjusted", "as_expected"])
def test_what_was_promised_from_the_first_run_on_is_required(name):
    assert name in CLAIM["required"]


@pytest.mark.parametrize("name", ["resamples", "checkpoint", "splits", "intersection", "draws_to_refute"])
def test_what_came_later_may_be_absent(name):
    assert name in CLAIM["properties"]
    assert name not in CLAIM["required"]


def test_descriptions_are_what_stands_below_the_fields():
    assert CLAIM["properties"]["carrying"]["description"].startswith("Cells each of which carries the claim by itself")
    source = (PACKAGE / "summaries.py").read_text("utf-8")
    assert re.search(r'\n    """Cells each of which carries the claim by itself', source)
