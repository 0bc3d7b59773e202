"""The whole house on a network whose answer is known: claims are settled as they must be, and by nothing else."""

from __future__ import annotations

import csv
import json
import os
import pickle
import pickletools
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import known_answer
import numpy as np
import pytest
from known_answer import HEAD, HEADS, LAYER, LAYERS, LEAK, POSITIONS, TOKENS

from modclaims.corpus_files import read_corpus
from modclaims.lm.model import LanguageModel, load_model
from modclaims.recording import Activations, Positions, Recording
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

ALPHA = 0.05
TRUE = (
    "HeadAnswers",
    "HeadWrites",
    "AttentionClustersBeyondWords",
    "AttentionClustersAt2",
    "StreamClustersAt2",
    "StreamClustersAt3",
)
FEW = ("HeadAnswers", "AttentionClustersAt2", "StreamClustersBefore2")
ANSWERING = (str(LAYER), str(HEAD))


@dataclass(frozen=True)
class Result:
    """A run folder, read without the package's own reader."""

    folder: Path

    @property
    def body(self) -> dict[str, Any]:
        """run.json."""
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_bytes())
        return found

    @property
    def claims(self) -> dict[str, dict[str, Any]]:
        """The claims' objects by class name."""
        return {claim["id"].rpartition("::")[2]: claim for claim in self.body["claims"]}

    @property
    def outcomes(self) -> dict[str, str]:
        return {name: claim["outcome"] for name, claim in self.claims.items()}

    def rows(self, name: str) -> list[dict[str, str]]:
        """Rows of cells.csv of one claim, those of single categories left out."""
        with (self.folder / "cells.csv").open(encoding="utf-8", newline="") as file:
            return [row for row in csv.DictReader(file) if row["claim"].endswith(f"::{name}") and not row["category"]]

    def significant(self, name: str) -> set[tuple[str, str]]:
        """Layer and head of the cells whose adjusted p is at most alpha; cells that a claim does not name have none."""
        tested = [row for row in self.rows(name) if row["status"] == "tested"]
        return {(row["layer"], row["head"]) for row in tested if float(row["p_adjusted"]) <= ALPHA}

    def nulls(self, name: str) -> dict[str, Any]:
        """Arrays of one claim in nulls.npz."""
        number = list(self.claims).index(name)
        with np.load(self.folder / "nulls.npz") as stored:
            return {key.partition("/")[2]: stored[key] for key in stored.files if key.startswith(f"{number}/")}


@dataclass
class House:
    """A folder with the networks, the corpora and the claims."""

    folder: Path
    recorders: dict[str, LanguageModel]

    def recorder(self, model: str, batch_size: int = 8) -> LanguageModel:
        """A model with a store of its own, loaded once."""
        key = f"{model} by {batch_size}"
        if key not in self.recorders:
            self.recorders[key] = load_model(str(self.folder / model), batch_size=batch_size)
        return self.recorders[key]

    def run(
        self, name: str, claims: tuple[str, ...] = FEW, *, model: str = "known", corpus: str = "texts", **options: Any
    ) -> Result:
        """Claims weighed in this process, without pictures, with fewer resamples unless told otherwise."""
        settings = Settings(**{"tokens": TOKENS, "positions": POSITIONS, "resamples": 999, **options})
        out = self.folder / name
        execute(
            collect([f"claims.py::{claim}" for claim in claims], self.folder),
            corpus=read_corpus(self.folder / f"{corpus}.jsonl"),
            recorder=self.recorder(model, settings.batch_size),
            settings=settings,
            cwd=self.folder,
            out=out,
        )
        return Result(out)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    folder = tmp_path_factory.mktemp("known_answer")
    known_answer.save_network(folder / "known")
    known_answer.save_network(folder / "deaf", without="v")
    known_answer.save_network(folder / "mute", without="o")
    rows = known_answer.texts()
    known_answer.save_texts(folder / "texts.jsonl", rows)
    known_answer.save_texts(folder / "backwards.jsonl", rows[::-1])
    known_answer.save_texts(folder / "swapped.jsonl", known_answer.swapped(rows))
    (folder / "claims.py").write_text(known_answer.CLAIMS, encoding="utf-8")
    return House(folder, {})


@pytest.fixture(scope="module")
def spoken(house: House) -> subprocess.CompletedProcess[str]:
    """All claims about the known network, put to the command line."""
    (house.folder / "modclaims.toml").write_text("resamples = 1999\n", encoding="utf-8")
    where = ["--model", "known", "--corpus", "texts.jsonl", "--tokens", str(TOKENS), "--positions", POSITIONS]
    return subprocess.run(
        [sys.executable, "-m", "modclaims.cli", "run", "claims.py", *where, "--out", "told"],
        cwd=house.folder,
        env=os.environ | {"MODCLAIMS_HOME": str(house.folder / "home")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def told(house: House, spoken: subprocess.CompletedProcess[str]) -> Result:
    """What the command line left of it."""
    assert spoken.returncode in (0, 1), spoken.stdout + spoken.stderr
    return Result(house.folder / "told")


@pytest.fixture(scope="module")
def first(house: House) -> Result:
    """A few claims in this process, to hold others against."""
    return house.run("first")


# The network is what it is said to be.


def test_another_marker_word_changes_what_one_head_reads_out_and_the_stream_after_it_alone(house: House) -> None:
    requests = [Activations(site) for site in ("embed", "head_z", "attn_out", "mlp_out", "resid_post")]

    def record(corpus: str) -> Recording:
        texts = read_corpus(house.folder / f"{corpus}.jsonl")
        return house.recorder("known").record(texts, requests, tokens=TOKENS, positions=Positions(POSITIONS))

    ours, theirs = record("texts"), record("swapped")

    def change(site: str, layer: int, head: int | None = None) -> float:
        x, y = (run.array(Activations(site), layer).astype(np.float64) for run in (ours, theirs))
        if head is not None:
            x, y = x[:, :, head], y[:, :, head]
        return float(np.linalg.norm(x - y) / np.linalg.norm(x))

    assert change("embed", 0) == 0
    for layer in range(LAYERS):
        for head in range(HEADS):
            assert (change("head_z", layer, head) > 1) == ((layer, head) == (LAYER, HEAD))
            assert (layer, head) == (LAYER, HEAD) or change("head_z", layer, head) < LEAK
        assert (change("attn_out", layer) > 1) == (layer == LAYER)
        assert layer == LAYER or change("attn_out", layer) < LEAK
        assert change("mlp_out", layer) < LEAK
        assert (change("resid_post", layer) > LEAK) == (layer >= LAYER)


def test_no_two_texts_share_a_marker_word_and_none_stands_where_tokens_are_read() -> None:
    markers, _ = known_answer.words()
    every = {word for group in markers.values() for word in group}
    places = [[(i, w) for i, w in enumerate(row["text"].split()) if w in every] for row in known_answer.texts()]
    assert all(len(found) == 1 and found[0][0] < 8 for found in places)
    assert len({found[0][1] for found in places}) == len(places)
    assert min(Positions(POSITIONS).resolve(TOKENS)) > TOKENS / 2


# What must be found is found, and nothing else.


def test_every_claim_about_the_known_network_is_settled_as_it_must_be(
    told: Result, spoken: subprocess.CompletedProcess[str]
) -> None:
    assert told.outcomes == {name: claim["expect"] for name, claim in told.claims.items()}
    assert len(told.outcomes) == 13
    assert spoken.returncode == 0
    assert "13 claims: 7 supported, 1 inconclusive, 5 refuted; 0 against expectation." in spoken.stdout
    assert (told.folder / "report.html").is_file()


@pytest.mark.parametrize("claim", ["HeadAnswers", "HeadWrites"])
def test_the_head_that_answers_is_named_and_no_other_head(told: Result, claim: str) -> None:
    assert told.outcomes[claim] == "supported"
    assert told.claims[claim]["best"] == {"layer": LAYER, "head": HEAD, "axis": None}
    assert told.claims[claim]["n_cells"] == LAYERS * HEADS
    assert told.significant(claim) == {ANSWERING}


def test_no_head_answers_a_factor_that_no_text_tells(told: Result) -> None:
    assert told.outcomes["HeadAnswersShelf"] != "supported"
    assert told.significant("HeadAnswersShelf") == set()


def test_attention_outputs_cluster_at_the_answering_layer_alone(told: Result) -> None:
    found = [told.outcomes[f"AttentionClustersAt{layer}"] for layer in range(LAYERS)]
    assert found == ["refuted", "refuted", "supported", "refuted"]
    assert told.claims["AttentionClusters"]["best"]["layer"] == LAYER
    assert told.significant("AttentionClusters") == {(str(LAYER), "")}


def test_the_stream_clusters_from_the_answering_layer_on(told: Result) -> None:
    found = [told.outcomes[f"StreamClusters{where}"] for where in ("Before2", "At2", "At3")]
    assert found == ["refuted", "supported", "supported"]
    assert told.significant("StreamClustersBefore2") == set()
    assert told.significant("StreamClustersAt2") == {("2", "")}
    assert told.significant("StreamClustersAt3") == {("3", "")}


def test_mlp_outputs_cluster_nowhere(told: Result) -> None:
    assert told.outcomes["MlpsCluster"] == "refuted"
    assert told.significant("MlpsCluster") == set()


def test_rival_explanations_are_cleared_where_none_of_them_holds(told: Result) -> None:
    rivals = {control["name"]: control["numbers"] for control in told.claims["AttentionClusters"]["controls"]}
    assert set(rivals) == {"shared_words", "plain_measures", "spread", "untrained_baseline"}
    assert rivals["plain_measures"]["share_left"] > 0.8
    assert rivals["shared_words"]["share_left"] > 0.9
    assert rivals["shared_words"]["p_adjusted"] <= ALPHA
    assert rivals["spread"]["p_adjusted"] <= ALPHA
    assert max(np.abs(rivals["untrained_baseline"]["untrained"])) < 0.2
    assert rivals["untrained_baseline"]["low"] > 0.2
    assert told.claims["AttentionClusters"]["location"] is True


def test_nothing_is_supported_where_the_head_is_deaf(house: House) -> None:
    deaf = house.run("deaf run", TRUE, model="deaf", correction="none")
    assert set(deaf.outcomes.values()) <= {"refuted", "inconclusive"}
    assert all(deaf.significant(claim) == set() for claim in deaf.claims)
    assert deaf.claims["HeadAnswers"]["degenerate"] == [f"layer {LAYER}, head {HEAD}"]


def test_a_mute_head_still_reads_out_its_answer_but_nothing_after_it_knows(house: House) -> None:
    mute = house.run("mute run", TRUE, model="mute", correction="none")
    assert {name for name, outcome in mute.outcomes.items() if outcome == "supported"} == {"HeadAnswers"}
    assert {name for name in TRUE if mute.significant(name)} == {"HeadAnswers"}
    assert mute.significant("HeadAnswers") == {ANSWERING}
    assert mute.claims["HeadWrites"]["degenerate"] == [f"layer {LAYER}, head {HEAD}"]


# What must not matter does not matter.


def test_a_recording_reaches_processes_that_weigh_it_without_bringing_torch(house: House) -> None:
    texts = read_corpus(house.folder / "texts.jsonl")
    requests = [Activations("head_z", (LAYER,), "norm")]
    recording = house.recorder("known").record(texts, requests, tokens=TOKENS, positions=Positions(POSITIONS))
    written = [argument for _, argument, _ in pickletools.genops(pickle.dumps(recording)) if isinstance(argument, str)]
    assert "modclaims.recording.recorder" in written
    assert [word for word in written if word.startswith("torch.")] == []


def assert_same_verdicts(one: Mapping[str, dict[str, Any]], other: Mapping[str, dict[str, Any]]) -> None:
    """Outcomes and named cells are equal; numbers agree up to what rounding in a forward pass may move."""
    assert list(one) == list(other)
    for name, claim in one.items():
        exact = ("outcome", "best", "exact", "draws", "n_texts", "n_cells", "degenerate", "location")
        assert {key: claim[key] for key in exact} == {key: other[name][key] for key in exact}
        for key in ("effect", "effect_low", "effect_high", "p", "p_plus", "p_minus"):
            assert claim[key] == pytest.approx(other[name][key], abs=1e-3)


def test_verdicts_are_the_same_for_batches_of_one_text(house: House, first: Result) -> None:
    assert_same_verdicts(house.run("single", batch_size=1).claims, first.claims)


def test_verdicts_are_the_same_for_texts_in_reversed_order(house: House, first: Result) -> None:
    backwards = house.run("backwards", corpus="backwards")
    assert backwards.body["corpus"]["sha256"] != first.body["corpus"]["sha256"]
    assert_same_verdicts(backwards.claims, first.claims)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_on_the_same_recording_is_the_same_to_the_byte(house: House, first: Result, workers: int) -> None:
    again = house.run(f"again with {workers}", workers=workers)
    assert again.body["made"]["workers"] == workers
    assert again.body["made"]["passes"] == 0
    assert {k: v for k, v in again.body.items() if k != "made"} == {k: v for k, v in first.body.items() if k != "made"}
    for name in ("cells.csv", "nulls.npz"):
        assert (again.folder / name).read_bytes() == (first.folder / name).read_bytes()


@pytest.mark.parametrize("name", FEW)
def test_a_claim_alone_has_the_numbers_that_it_has_beside_its_neighbours(
    house: House, first: Result, name: str
) -> None:
    alone = house.run(f"{name} alone", (name,), correction="none")
    assert first.body["settings"]["correction"] == "holm"
    corrected = ("p_plus_adjusted", "p_minus_adjusted")
    mine, theirs = ({k: v for k, v in run.claims[name].items() if k not in corrected} for run in (alone, first))
    assert mine == theirs
    assert alone.claims[name]["p_plus_adjusted"] == alone.claims[name]["p_plus"]
    assert alone.rows(name) == first.rows(name)
    ours, others = alone.nulls(name), first.nulls(name)
    assert ours.keys() == others.keys()
    assert all(np.array_equal(ours[key], others[key], equal_nan=True) for key in ours)
