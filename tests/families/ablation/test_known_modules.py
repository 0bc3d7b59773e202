"""Ablation from end to end, on networks in which it is known which units carry a category."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families.ablation import known_modules
from families.ablation.known_modules import CATEGORIES, TOKENS, neurons

from modclaims import TargetedAblation
from modclaims.corpus_files import read_corpus
from modclaims.lm.model import LanguageModel, load_model
from modclaims.look import TestSettings
from modclaims.runner import Finished, execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

SETTINGS = {"tokens": TOKENS, "positions": "last:2:2", "resamples": 999, "correction": "none"}
ALL = ("ModulesMatter", "SomeModuleMatters", "ModulesDissociate", "ModulesSuffice")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known_modules")
    for twin in (None, "mute", "common"):
        known_modules.save_network(found / (twin or "known"), twin)
    known_modules.save_texts(found / "texts.jsonl")
    (found / "claims.py").write_text(known_modules.CLAIMS, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def recorders(folder: Path) -> dict[str, LanguageModel]:
    return {name: load_model(str(folder / name)) for name in ("known", "mute", "common")}


def run(folder: Path, recorder: LanguageModel, claims: tuple[str, ...] = ALL, **options: Any) -> Finished:
    return execute(
        collect([f"claims.py::{claim}" for claim in claims], folder),
        corpus=read_corpus(folder / "texts.jsonl"),
        recorder=recorder,
        settings=Settings(**{**SETTINGS, **options}),
        cwd=folder,
        out=None,
    )


@pytest.fixture(scope="module")
def known(folder: Path, recorders: dict[str, LanguageModel]) -> Finished:
    return run(folder, recorders["known"])


def outcomes(finished: Finished) -> dict[str, str]:
    return {claim.summary["id"].rpartition("::")[2]: claim.summary["outcome"] for claim in finished.run.claims}


def summary(finished: Finished, name: str) -> dict[str, Any]:
    return next(dict(c.summary) for c in finished.run.claims if c.summary["id"].endswith(f"::{name}"))


def test_modules_that_alone_predict_their_category_matter_dissociate_and_suffice(known: Finished) -> None:
    assert outcomes(known) == dict.fromkeys(ALL, "supported")
    matter = summary(known, "ModulesMatter")
    assert matter["exact"] is True
    assert matter["p"] == pytest.approx(1 / 24)
    assert matter["smallest_attainable_p"] == pytest.approx(1 / 24)
    assert matter["effect"] > 0.3


def test_the_neurons_that_were_set_by_hand_are_the_ones_that_are_picked(
    folder: Path, recorders: dict[str, LanguageModel]
) -> None:
    (one,) = collect(["claims.py::ModulesMatter"], folder)
    claim, model = one.claim, recorders["known"]
    assert isinstance(claim, TargetedAblation)
    settings = Settings(**SETTINGS)
    from modclaims.recording import Positions

    recording = model.record(
        read_corpus(folder / "texts.jsonl"),
        claim.requests(model.shape),
        tokens=TOKENS,
        positions=Positions(settings.positions),
    )
    modules = claim.picked(recording.by_id(), TestSettings())
    for split in modules.splits:
        assert {c: split.modules[c, 4] for c in CATEGORIES} == {c: neurons(c) for c in CATEGORIES}
        assert not set(split.first.tolist()) & set(split.second.tolist())


def test_the_dissociation_matrix_is_diagonal(known: Finished) -> None:
    (record,) = [c for c in known.run.claims if c.summary["id"].endswith("ModulesDissociate")]
    (maps,) = next(e.arrays["maps"] for e in record.exhibits if e.kind == "dissociation")
    own = np.diag(maps)
    assert (maps.argmax(axis=1) == np.arange(len(CATEGORIES))).all()
    assert own.min() > 0.3
    assert maps[~np.eye(len(CATEGORIES), dtype=bool)].max() < 0.05


def test_modules_that_write_nothing_are_refuted(folder: Path, recorders: dict[str, LanguageModel]) -> None:
    mute = run(folder, recorders["mute"])
    found = outcomes(mute)
    assert found["ModulesMatter"] == found["SomeModuleMatters"] == found["ModulesDissociate"] == "refuted"
    assert found["ModulesSuffice"] != "supported"
    assert abs(summary(mute, "SomeModuleMatters")["effect"]) < 0.02


def test_modules_that_all_categories_need_matter_and_are_not_specific(
    folder: Path, recorders: dict[str, LanguageModel]
) -> None:
    common = run(folder, recorders["common"], ("SomeModuleMatters", "ModulesDissociate"))
    assert outcomes(common) == {"SomeModuleMatters": "supported", "ModulesDissociate": "refuted"}
    assert summary(common, "SomeModuleMatters")["best_words"] == "4 units for 'alder'"


def test_passes_are_counted_and_kept(folder: Path, known: Finished, recorders: dict[str, LanguageModel]) -> None:
    made = known.run.facts["made"]
    texts = 3 * known_modules.TEXTS
    assert made["passes"] - made["ablation_passes"] == texts, "one pass per text and network, plus what ablation needs"
    again = run(folder, recorders["known"])
    assert (again.run.facts["made"]["passes"], again.run.facts["made"]["ablation_passes"]) == (0, 0)
    assert [c.summary for c in again.run.claims] == [c.summary for c in known.run.claims]


def test_a_claim_alone_takes_at_most_the_passes_that_were_foretold(folder: Path) -> None:
    model = load_model(str(folder / "known"))
    corpus = read_corpus(folder / "texts.jsonl")
    for name in ("ModulesMatter", "ModulesDissociate"):
        (one,) = collect([f"claims.py::{name}"], folder)
        made = run(folder, load_model(str(folder / "known")), (name,)).run.facts["made"]
        assert one.claim is not None
        assert 0 < made["passes"] <= len(corpus) + one.claim.further_passes(corpus, model.shape)
