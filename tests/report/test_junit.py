"""JUnit XML as test runners read it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest

from modclaims.report import render
from modclaims.runs.run_folder import Run


def cases(files: dict[str, bytes]) -> list[ET.Element]:
    return list(ET.fromstring(files["junit.xml"]).iter("testcase"))


def ending(case: ET.Element) -> str:
    return ",".join(child.tag for child in case if child.tag != "properties") or "passed"


def test_one_case_a_claim_with_its_ending(files: dict[str, bytes]) -> None:
    found = cases(files)
    assert [ending(c) for c in found] == [
        "passed",
        "passed",
        "skipped",
        "passed",
        "failure",
        "passed",
        "skipped",
        "skipped",
        "error",
    ]
    assert found[0].attrib == {"classname": "hypotheses/card.py", "name": "TopicsClusterInAttention"}


def test_the_counts_add_up(files: dict[str, bytes]) -> None:
    suite = ET.fromstring(files["junit.xml"]).find("testsuite")
    assert suite is not None
    assert {k: suite.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "9",
        "failures": "1",
        "errors": "1",
        "skipped": "3",
    }


def test_a_failure_holds_its_numbers_and_an_undecided_claim_its_reason(files: dict[str, bytes]) -> None:
    failure = next(c.find("failure") for c in cases(files) if ending(c) == "failure")
    assert failure is not None
    assert failure.get("message") == (
        "REFUTED, expected: inconclusive: difference of ω² 0.02 [−0.12, 0.08], smallest effect 0.10; p+ 1, p- .028 "
        "(alone .00012 and .004; corrected over 12 claims, of which 7 were weighed and 2 taken from an earlier run)"
    )
    undecided = cases(files)[2].find("skipped")
    assert undecided is not None
    assert str(undecided.get("message")).startswith("INCONCLUSIVE: It would take about 70 texts")


def test_there_is_no_time_in_it(files: dict[str, bytes]) -> None:
    assert not any(
        key in ("time", "timestamp", "hostname") for e in ET.fromstring(files["junit.xml"]).iter() for key in e.attrib
    )


@pytest.mark.parametrize(
    ("outcome", "expect", "tag"),
    [
        ("inconclusive", "inconclusive", "passed"),
        ("supported", "inconclusive", "failure"),
        ("refuted", "refuted", "passed"),
        ("supported", "refuted", "failure"),
        ("inconclusive", "refuted", "skipped"),
    ],
)
def test_expectation_decides_the_ending(one_claim: Callable[..., Run], outcome: str, expect: str, tag: str) -> None:
    run = one_claim(outcome=outcome, expect=expect, as_expected=outcome == expect)
    assert [ending(c) for c in cases(render(run))] == [tag]


def test_any_text_makes_valid_xml(one_claim: Callable[..., Run]) -> None:
    run = one_claim(id='a"<&>\x00.py::B\x1b', outcome="error", message="<script>\x00\ud800 ]]>\nline two")
    case = cases(render(run))[0]
    error = case.find("error")
    assert error is not None
    assert error.text == "<script>�� ]]>\nline two"
