"""The verdicts for a test runner: one test case a claim, without times."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from modclaims.drawing.numerals import NOTHING
from modclaims.report.claims import Claim
from modclaims.report.document import Document


def write(document: Document) -> str:
    """JUnit XML: as expected passes, against fails with the numbers, ERROR is an error; undecided or skipped is skipped."""
    suite = ET.Element("testsuite", {"name": document.title})
    tallies = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for claim in document.claims:
        module = claim.id.rsplit("::", 1)[0] if "::" in claim.id else claim.id
        case = ET.SubElement(suite, "testcase", {"classname": module, "name": claim.name})
        properties = ET.SubElement(case, "properties")
        for name, value in _properties(claim):
            ET.SubElement(properties, "property", {"name": name, "value": value})
        told = _ending(claim)
        tallies["tests"] += 1
        if told is not None:
            tag, message, text = told
            ET.SubElement(case, tag, {"message": message}).text = text
            tallies[{"failure": "failures", "error": "errors", "skipped": "skipped"}[tag]] += 1
    suite.attrib |= {name: str(value) for name, value in tallies.items()}
    suites = ET.Element("testsuites", {"name": "modclaims"} | {name: str(value) for name, value in tallies.items()})
    suites.append(suite)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _properties(claim: Claim) -> list[tuple[str, str]]:
    pairs = [
        ("outcome", claim.outcome),
        ("effect_name", claim.effect_name),
        ("effect", claim.effect),
        ("interval", claim.interval),
        ("smallest_effect", claim.smallest),
        ("p_plus_adjusted", claim.p_plus),
        ("p_minus_adjusted", claim.p_minus),
    ]
    return [(name, value) for name, value in pairs if value and value != NOTHING]


def _ending(claim: Claim) -> tuple[str, str, str] | None:
    reason = " ".join(claim.message)
    if claim.outcome == "error":
        return "error", reason or "could not be weighed", "\n".join(claim.message)
    if claim.outcome == "skipped":
        return "skipped", reason or "skipped", ""
    if claim.met:
        return None
    if claim.outcome == "inconclusive":
        return "skipped", f"INCONCLUSIVE: {reason or claim.sentence}", "\n".join([claim.sentence, claim.levels])
    numbers = f"{claim.effect_name} {claim.effect} {claim.interval}, smallest effect {claim.smallest}"
    return (
        "failure",
        f"{claim.verdict}, {claim.standing}: {numbers}; {claim.levels}",
        "\n".join([claim.claim, claim.sentence]),
    )
