"""The facts of a run: run.json without its claims, what a run was told, what it read and what it counted."""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import Annotated, Literal

from modclaims import numerics
from modclaims.claim_set import ClaimSet
from modclaims.corpus import Corpus
from modclaims.entries import FLAT, LATER, JsonFields, JsonObject, body_of
from modclaims.recording import ModelShape
from modclaims.runs.settings import Settings

Count = Annotated[int, {"minimum": 0}]
LaterCount = Annotated[int, {"minimum": 0}, LATER]
LISTED = 50
"""Values of a column that are counted one by one; columns of more are left out."""
UNSAID = ("workers", "batch_size", "out", "no_cache", "offline", "strict")
"""Settings that change no number; two of them stand under `made`."""
SAID = tuple(one.name for one in fields(Settings) if one.name not in UNSAID)


@dataclass(frozen=True)
class Spent:
    """What a run took: forward passes, and time since it began."""

    started: float
    """Seconds since the epoch."""
    passes: int = 0
    ablation_passes: int = 0


@dataclass(frozen=True)
class Before:
    """What the log knows of earlier runs on the same corpus and model."""

    others: int = 0
    reruns: int = 0


@dataclass(frozen=True, kw_only=True)
class Made:
    """What may differ between two runs of the same thing."""

    time: str
    """When it began, in UTC."""
    host: str
    wall_seconds: float
    commit: str | None
    """Git commit of the folder that it was started in."""
    passes: int
    """Texts that were read by the model; what lay in the store was not read again."""
    ablation_passes: Annotated[int, LATER]
    """Of these, with units taken out."""
    workers: int
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What identifies one model."""

    name: str
    layers: int
    heads: int
    kv_heads: int
    width: int
    head_width: int
    mlp_width: int
    context: int
    """Largest number of tokens it can read."""
    causal: bool
    parameters: Annotated[int | None, LATER]
    """How many numbers were learned; null where nobody can tell."""
    provenance: Annotated[Mapping[str, str], FLAT]
    """Resolved id, revision, SHA-256 of weights and tokenizer, computed and stored dtype, attention implementation."""

    @classmethod
    def of(cls, shape: ModelShape) -> ModelFacts:
        """Those of a network that is recorded."""
        return cls(**{one.name: getattr(shape, one.name) for one in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class CorpusFacts:
    """What identifies the texts."""

    name: str
    sha256: str
    texts: int
    columns: Sequence[str]
    counts: Mapping[str, Mapping[str, int]]
    """Texts by value of each column that has few enough."""
    blocks: int | None
    """Blocks of texts that belong together; null where none are declared."""
    note: str
    facts: JsonFields
    """What was counted while the texts were read."""
    largest_overlap: float
    """Largest share of their 8-word sequences that two texts have in common."""

    @classmethod
    def of(cls, corpus: Corpus, overlap: float) -> CorpusFacts:
        """Those of texts whose largest overlap is known."""
        values = {column: corpus.values(column) for column in corpus.columns}
        return cls(
            name=corpus.name,
            sha256=corpus.digest,
            texts=len(corpus),
            columns=list(corpus.columns),
            counts={
                c: {v: got.count(v) for v in sorted(set(got))} for c, got in values.items() if len(set(got)) <= LISTED
            },
            blocks=len(set(corpus.blocks() or ())) or None,
            note=corpus.note,
            facts=dict(corpus.facts),
            largest_overlap=overlap,
        )


@dataclass(frozen=True, kw_only=True)
class ClaimCounts:
    """How much was tested."""

    claims: Count
    weighed: Count
    skipped: Count
    errors: Count
    corrected_over: LaterCount
    """Claims corrected together: all that were collected, selected or not, without skipped ones."""
    from_earlier_runs: LaterCount
    """Of these, claims not selected whose levels an earlier run left; the others that were not weighed count as p = 1."""
    cells: Count
    degenerate: Count
    """Cells that could not be tested."""
    weighed_before: Count
    """Other claims that were weighed before on this corpus and model, on this machine."""
    other_settings_before: LaterCount
    """Under how many other settings or versions any of these claims was weighed before on this corpus and model, on this machine."""

    @classmethod
    def of(cls, claims: Sequence[JsonFields], together: ClaimSet, before: Before) -> ClaimCounts:
        """Those of the claims' objects in run.json."""
        outcomes = [claim["outcome"] for claim in claims]
        return cls(
            claims=len(claims),
            weighed=sum(o not in ("error", "skipped") for o in outcomes),
            skipped=outcomes.count("skipped"),
            errors=outcomes.count("error"),
            corrected_over=together.size,
            from_earlier_runs=len(together.kept),
            cells=sum(claim["n_cells"] or 0 for claim in claims),
            degenerate=sum(len(claim["degenerate"]) for claim in claims),
            weighed_before=before.others,
            other_settings_before=before.reruns,
        )


@dataclass(frozen=True, kw_only=True)
class Facts:
    """run.json without its claims."""

    made: Made
    """What may differ between two runs of the same thing, and nothing else does."""
    versions: Annotated[Mapping[str, str], {"required": ["python", "modclaims"]}]
    """Versions of what the numbers depend on."""
    numerics: Annotated[
        Mapping[str, Annotated[int, {"minimum": 1}]], {"required": ["extractor", "jacobians", "statistics"]}, LATER
    ]
    """Versions of the arithmetic, part of `hash`."""
    model: ModelFacts
    models: Annotated[Sequence[ModelFacts], {"minItems": 1}, LATER]
    """All models of the run, by number of parameters."""
    corpus: CorpusFacts
    settings: Annotated[JsonFields, {"required": [name for name in SAID if name != "beside"]}]
    """What the run was told, resolved."""
    command: str
    """What repeats the run."""
    locked: Literal["locked", "exploratory"]
    tests: ClaimCounts


def facts_of(
    corpus: CorpusFacts,
    shape: ModelShape,
    settings: Settings,
    *,
    tests: ClaimCounts,
    spent: Spent,
    command: str,
    cwd: Path,
) -> JsonObject:
    """run.json without its claims. What differs between two runs of the same thing stands under `made` alone."""
    told = settings.as_dict()
    return body_of(
        Facts(
            made=Made(
                time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(spent.started)),
                host=platform.node(),
                wall_seconds=round(time.time() - spent.started, 2),
                commit=_commit(cwd),
                passes=spent.passes,
                ablation_passes=spent.ablation_passes,
                workers=settings.workers,
                batch_size=settings.batch_size,
            ),
            versions=versions(),
            numerics=numerics.versions(),
            model=ModelFacts.of(shape),
            models=[ModelFacts.of(other) for other in shape.models],
            corpus=corpus,
            settings={name: told[name] for name in SAID},
            command=command,
            locked="exploratory",
            tests=tests,
        )
    )


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    found = {"python": platform.python_version()}
    for name in ("modclaims", "torch", "transformers", "numpy", "scipy", "scikit-learn", "statsmodels", "pingouin"):
        try:
            found[name] = metadata.version(name).split("+")[0]
        except metadata.PackageNotFoundError:
            if name == "modclaims":
                found[name] = str(sys.modules["modclaims"].__version__)
    return found


def _commit(cwd: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=cwd, capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
