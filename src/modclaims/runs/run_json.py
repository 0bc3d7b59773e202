"""run.json and cells.csv as dataclasses: every field of a run that is promised, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from modclaims.entries import FLAT, JsonFields, JsonObject, body_of, names_of, schema_of
from modclaims.hypothesis import EXPECTATIONS
from modclaims.runs.collect import Collected
from modclaims.runs.facts import Facts
from modclaims.stats.evidence import Exhibit
from modclaims.summaries import CellRow, ClaimNumbers, TestSummary
from modclaims.verdict import Verdict

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A claim as it is stated, before anything is weighed."""

    id: str
    """path::Class, or modclaims:file.py::Class for a shipped claim."""
    family: str | None
    """Library class that the claim extends."""
    claim: str
    """The claim's sentence."""
    expect: Literal["supported", "refuted", "inconclusive"] | None
    constants: JsonFields
    """What the claim declares."""

    @classmethod
    def of(cls, one: Collected) -> Statement:
        """That of a claim collected; of one that does not load, its id alone."""
        claim = one.claim
        declared = claim.declared() if claim else {}
        return cls(
            id=one.id,
            family=claim.family() if claim else None,
            claim=claim.sentence() if claim else one.id,
            expect=declared["expect"] if declared.get("expect") in EXPECTATIONS else None,
            constants=declared,
        )


@dataclass(frozen=True)
class ExhibitEntry:
    """A figure without its arrays, which lie in nulls.npz."""

    kind: str
    title: str
    description: str
    """What is plotted, and what it shows."""
    labels: JsonFields
    """Texts by name, or lists of them."""

    @classmethod
    def of(cls, exhibit: Exhibit) -> ExhibitEntry:
        """That of one figure."""
        labels = {k: v if isinstance(v, str) else list(v) for k, v in exhibit.labels.items()}
        return cls(exhibit.kind, exhibit.title, exhibit.description, labels)


@dataclass(frozen=True)
class ClaimEntry:
    """One claim of a run: as it is stated, how it ended, and what it was read off."""

    statement: Annotated[Statement, FLAT]
    verdict: Annotated[Verdict, FLAT]
    numbers: Annotated[ClaimNumbers | None, FLAT]


@dataclass(frozen=True)
class ClaimWithExhibits(ClaimEntry):
    """The same, with its figures."""

    exhibits: Sequence[ExhibitEntry]


@dataclass(frozen=True)
class CellEntry:
    """One row of cells.csv."""

    claim: str
    model: str
    row: Annotated[CellRow, FLAT]


CELL_COLUMNS = names_of(CellEntry)


@dataclass(frozen=True)
class RunJson:
    """What a run was told, what it read, and how each claim ended."""

    format: Annotated[int, {"const": FORMAT}]
    hash: Annotated[str, {"pattern": "^[0-9a-f]{64}$"}]
    """SHA-256 of settings, claims, corpus, model and versions of the arithmetic."""
    facts: Annotated[Facts, FLAT]
    claims: Sequence[ClaimWithExhibits]


def summary(one: Collected, verdict: Verdict, numbers: ClaimNumbers | None) -> JsonObject:
    """The claim's object in run.json, without its figures."""
    return body_of(ClaimEntry(Statement.of(one), verdict, numbers))


def cell_rows(one: Collected, model: str, weighed: TestSummary | None) -> list[JsonObject]:
    """The claim's rows in cells.csv."""
    return [] if weighed is None else [body_of(CellEntry(one.id, model, row)) for row in weighed.cells]


def run_schema() -> JsonObject:
    """The JSON Schema of run.json."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "run.json of modclaims",
        "description": f"{RunJson.__doc__} Time, host, wall time and commit stand only under `made`.",
    } | schema_of(RunJson)
