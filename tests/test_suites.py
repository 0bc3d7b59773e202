"""The shipped suites: what they ask of networks and corpora, and that their committed reports are of the claims as they stand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from modclaims.corpus import Corpus
from modclaims.corpus_files import read_corpus
from modclaims.lm.model import load_model
from modclaims.lm.outline import read_outline
from modclaims.outcome import Outcome
from modclaims.planning.context import PlanContext
from modclaims.recording import ModelShape
from modclaims.runs.collect import Collected, collect
from modclaims.runs.digests import run_digest
from modclaims.runs.planned import prepare
from modclaims.runs.run_folder import dump_json
from modclaims.runs.settings import Settings
from modclaims.shipped import PACKAGE

ROOT = Path(__file__).parent.parent
SUITES = ("card", "study", "beyond", "published")
OPT_125M = ModelShape("opt-125m", 12, 12, 12, 768, 64, 3072, 2048, parameters=125_239_296)
REPORTS = {
    "card": ("card", "embedded"),
    "study": ("study", "embedded"),
    "study-ten-texts": ("study", "data/corpora/study.jsonl"),
    "beyond": ("beyond", "embedded"),
    "published": ("published", "embedded"),
}
"""Folder of each committed report of the embedded model: its suite and corpus."""
BESIDE = ("study",)
"""Those that read another model too, which comes with the test dependencies."""


def claims_of(suite: str) -> list[Collected]:
    return collect([f"hypotheses/{suite}.py"], ROOT)


def corpus_of(name: str) -> Corpus:
    return read_corpus(name if name == "embedded" else ROOT / name)


def test_every_shipped_suite_is_looked_at_here() -> None:
    assert {path.stem for path in (ROOT / "hypotheses").glob("*.py")} == set(SUITES)


@pytest.mark.parametrize("suite", SUITES)
def test_every_claim_of_a_suite_is_whole(suite: str) -> None:
    found = claims_of(suite)
    assert found
    assert [one.fault for one in found if one.claim is None] == []
    assert all(one.is_shipped for one in found)
    for one in found:
        assert one.claim is not None
        assert one.claim.smallest_effect > 0, "what matters is said in advance"
        assert one.claim.sentence().endswith(".")


@pytest.mark.parametrize("corpus", ["embedded", "data/corpora/study.jsonl"])
@pytest.mark.parametrize("suite", SUITES)
def test_no_claim_of_a_suite_is_at_fault_on_either_corpus_or_on_a_network_of_the_studys_size(
    suite: str, corpus: str
) -> None:
    texts = corpus_of(corpus)
    texts = texts.select(sorted(range(len(texts)), key=lambda i: texts.texts[i].id))
    for shape in (read_outline("embedded").shape, OPT_125M):
        before = PlanContext(
            texts, replace(shape, beside=()), Settings().resolved_positions(), Settings().weighing, Settings().tokens
        )
        planned = prepare(claims_of(suite), before)
        assert [(p.collected.name, p.message) for p in planned if p.outcome is Outcome.ERROR] == []
        assert all(p.message for p in planned if p.outcome is Outcome.SKIPPED)
        judged = [p for p in planned if p.outcome is None]
        assert judged
        for plan in judged:
            assert plan.collected.claim is not None
            assert plan.collected.claim.plan(replace(before, shape=shape)).cells >= 1


@pytest.mark.parametrize("report", REPORTS)
def test_a_committed_report_is_of_the_claims_as_they_stand(report: str) -> None:
    suite, corpus = REPORTS[report]
    body: dict[str, Any] = json.loads((ROOT / "reports" / report / "run.json").read_text())
    jsonschema.validate(body, json.loads((PACKAGE / "run.schema.json").read_text()))
    found = claims_of(suite)
    assert [claim["id"] for claim in body["claims"]] == [one.id for one in found]
    assert [claim["constants"] for claim in body["claims"]] == [
        json.loads(dump_json(one.claim.declared())) for one in found if one.claim is not None
    ]
    assert all(claim["outcome"] != "error" for claim in body["claims"])
    assert (ROOT / "reports" / report / "report.html").stat().st_size < 3_000_000
    if report not in BESIDE:
        settings, shape = Settings(corpus=corpus), load_model("embedded").shape
        assert body["hash"] == run_digest(found, corpus_of(corpus), shape, settings)
