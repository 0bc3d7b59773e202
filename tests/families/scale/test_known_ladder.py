"""Claims about scale from end to end, on networks of growing size whose categories stand as far apart as they are told to."""

from __future__ import annotations

import gc
import json
import os
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families.scale import known_ladder
from families.scale.known_ladder import LADDERS, POSITIONS, SIZES, TOKENS
from lm.tiny_opt import save_model
from terminal import call

from modclaims.corpus_files import read_corpus
from modclaims.errors import CorpusError, ModelError
from modclaims.lm.model import LanguageModel, load_model, load_models
from modclaims.lm.networks import NetworkLoader
from modclaims.lm.store import RecordingStore
from modclaims.recording import Activations, Positions, for_model
from modclaims.runner import Finished, execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

TEXTS = 24
WHERE = ("--corpus", "texts.jsonl", "--tokens", str(TOKENS), "--positions", POSITIONS, "--resamples", "499")


@pytest.fixture(autouse=True)
def no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Garbage is collected at each correction and whenever a network goes, which takes longer than all else."""
    monkeypatch.setattr(gc, "collect", lambda *_: 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("ladder")
    for name in LADDERS:
        known_ladder.save_ladder(found, name)
    known_ladder.save_texts(found / "texts.jsonl")
    (found / "claims.py").write_text(known_ladder.CLAIMS, encoding="utf-8")
    return found


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The ladder's folder to run commands in, with a store of the test's own."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MODCLAIMS_HOME", str(tmp_path / "home"))
    return folder


def run(
    folder: Path, names: list[str], claims: tuple[str, ...], store: RecordingStore | None = None, **options: Any
) -> Finished:
    own, *beside = [str(folder / name) for name in names]
    settings = Settings(
        **{"tokens": TOKENS, "positions": POSITIONS, "resamples": 499, "correction": "none", **options},
        model=own,
        beside=tuple(beside),
    )
    return execute(
        collect([f"claims.py::{claim}" for claim in claims], folder),
        corpus=read_corpus(folder / "texts.jsonl"),
        recorder=load_models(own, beside, store=store),
        settings=settings,
        cwd=folder,
        out=None,
    )


def outcomes(finished: Finished) -> dict[str, str]:
    return {c.summary["id"].rpartition("::")[2]: c.summary["outcome"] for c in finished.run.claims}


def ladder(name: str) -> list[str]:
    return [f"{name}-{i}" for i in range(len(SIZES))]


BOTH = ("LargerPartsFurther", "LargerIsMoreModular")


def test_a_growing_ladder_is_more_modular_the_larger_it_is(folder: Path) -> None:
    finished = run(folder, ladder("growing"), BOTH)
    assert outcomes(finished) == {"LargerPartsFurther": "supported", "LargerIsMoreModular": "supported"}
    trend = finished.run.claims[1].summary
    assert (trend["exact"], trend["draws"]) == (True, 120)
    assert trend["p"] == pytest.approx(1 / 120)
    assert finished.run.facts["made"]["passes"] == len(SIZES) * TEXTS


@pytest.mark.parametrize(
    ("name", "difference", "trend"),
    [
        ("flat", {"refuted", "inconclusive"}, {"refuted", "inconclusive"}),
        ("mixed", {"refuted", "inconclusive"}, {"refuted", "inconclusive"}),
        ("falling", {"refuted"}, {"refuted"}),
    ],
)
def test_no_other_ladder_is(folder: Path, name: str, difference: set[str], trend: set[str]) -> None:
    found = outcomes(run(folder, ladder(name), BOTH))
    assert found["LargerPartsFurther"] in difference
    assert found["LargerIsMoreModular"] in trend


def test_two_models_differ_where_a_difference_was_planted_and_a_trend_of_two_is_inconclusive_by_design(
    folder: Path,
) -> None:
    found = run(folder, ["growing-0", "growing-4"], BOTH)
    assert outcomes(found) == {"LargerPartsFurther": "supported", "LargerIsMoreModular": "inconclusive"}
    assert found.run.claims[1].summary["reason"] == "fewer than 5 models"
    assert outcomes(run(folder, ["flat-4", "flat-0"], BOTH[:1])) != {"LargerPartsFurther": "supported"}


def test_the_order_given_changes_no_number(folder: Path) -> None:
    one, other = (run(folder, names, BOTH) for names in (ladder("growing"), [f"growing-{i}" for i in (0, 3, 1, 4, 2)]))
    assert [c.summary for c in one.run.claims] == [c.summary for c in other.run.claims]
    assert one.run.facts["models"] == other.run.facts["models"]


def test_a_later_run_of_one_of_the_models_alone_makes_no_pass(folder: Path, tmp_path: Path) -> None:
    store = RecordingStore(tmp_path / "store")
    first = run(folder, ["growing-0", "growing-4"], BOTH, store)
    assert first.run.facts["made"]["passes"] == 2 * TEXTS
    alone = run(folder, ["growing-4"], ("Clusters",), store)
    assert alone.run.facts["made"]["passes"] == 0
    assert run(folder, ["growing-4", "growing-0"], BOTH, store).run.facts["made"]["passes"] == 0


def test_one_network_is_in_memory_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    load, release = NetworkLoader.load, LanguageModel.release

    def noted(self: NetworkLoader, *args: Any) -> Any:
        loaded.append(self.files.checkpoint.stem)
        assert len(loaded) == 1, loaded
        return load(self, *args)

    def let_go(self: LanguageModel) -> None:
        if self.checkpoint.stem in loaded:
            loaded.remove(self.checkpoint.stem)
        release(self)

    monkeypatch.setattr(NetworkLoader, "load", noted)
    monkeypatch.setattr(LanguageModel, "release", let_go)
    run(folder, ["growing-1", "growing-4", "growing-0"], BOTH)
    assert loaded == ["growing-1"]


def test_parameters_are_counted_as_the_loaded_network_has_them(folder: Path) -> None:
    for name in ("growing-0", "growing-4"):
        model = load_model(str(folder / name))
        network = model.network(head=True)
        assert network.head is not None
        distinct = {id(p): p.numel() for p in (*network.trunk.parameters(), *network.head.parameters())}
        assert model.shape.parameters == sum(distinct.values())


def test_models_may_read_the_same_texts_in_tokens_of_their_own(folder: Path) -> None:
    save_model(folder / "bytes")
    finished = run(folder, ["growing-4", "bytes"], BOTH[:1])
    assert outcomes(finished)["LargerPartsFurther"] in ("supported", "refuted", "inconclusive")
    assert any("2 different tokenizers" in warning for warning in finished.run.claims[0].summary["warnings"])


def test_a_text_too_short_for_one_model_is_named_with_that_model_before_any_pass(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "texts.jsonl").read_text().splitlines()]
    rows[3]["text"] = " ".join(rows[3]["text"].split()[:12])  # 12 words, and many more bytes
    (folder / "short").mkdir(exist_ok=True)
    (folder / "short" / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    own, other = str(save_model(folder / "bytes")), str(folder / "growing-4")
    recorder = load_models(own, [other])
    corpus = read_corpus(folder / "short" / "texts.jsonl")
    recorder.check(corpus, 12, Positions("5"))
    with pytest.raises(CorpusError, match=rf"'growing-4', given with --beside.*'{rows[3]['id']}' \(13\)"):
        recorder.check(corpus, TOKENS, Positions(POSITIONS))
    with pytest.raises(CorpusError, match=rf"'{rows[3]['id']}'"):
        recorder.record(
            corpus, [for_model(Activations("embed"), "growing-4")], tokens=TOKENS, positions=Positions(POSITIONS)
        )


# ---- the command line


def beside(*names: str) -> list[str]:
    return [word for name in names for word in ("--beside", name)]


def test_the_command_line_compares_models_and_plan_foretells_it(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    models = ["--model", "growing-2", *beside("growing-4", "growing-0", "growing-3", "growing-1")]
    code, out, err = call(monkeypatch, capsys, "plan", "claims.py", *models, *WHERE, "--json")
    assert code == 0, err
    plan = json.loads(out)
    assert [m["name"] for m in plan["models"]] == ladder("growing")
    assert (plan["passes"], plan["networks"]) == (5 * TEXTS, 5)
    code, out, err = call(monkeypatch, capsys, "run", "claims.py", *models, *WHERE, "--out", str(tmp_path / "out"))
    assert code == 0, out + err
    assert "LargerIsMoreModular  SUPPORTED" in out
    body = json.loads((tmp_path / "out" / "run.json").read_text())
    assert body["made"]["passes"] == plan["passes"]
    on_disk = sum(path.stat().st_size for path in (tmp_path / "home").rglob("*.safetensors"))
    assert plan["bytes"] == pytest.approx(on_disk, rel=0.05)
    assert [m["name"] for m in body["models"]] == ladder("growing")
    assert body["model"]["name"] == "growing-2"
    assert body["settings"]["beside"] == ["growing-0", "growing-1", "growing-3", "growing-4"]
    assert "--beside growing-0 --beside growing-1" in body["command"]
    for claim, planned in zip(body["claims"], plan["claims"], strict=True):
        # draws that went on as far as they do attain as little as was foretold of them
        tested = planned["draws"] is not None
        last = 1 / (planned["most_draws"] + 1) if tested else min(planned[p]["level"] for p in ("p_plus", "p_minus"))
        foretold = {0: planned["smallest_attainable_p"], 2: last}[claim["checkpoint"]]
        assert claim["smallest_attainable_p"] == pytest.approx(foretold)
        assert (claim["n_cells"], claim["n_units"]) == (planned["n_cells"], planned["n_units"])
    page = (tmp_path / "out" / "report.md").read_text()
    assert "beside growing-0 (" in page
    assert "Model beside it: growing-4" in page
    assert len(list((tmp_path / "out" / "figures").glob("*.svg"))) >= 4


def test_plan_says_that_few_models_settle_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claim = "claims.py::LargerIsMoreModular"
    code, out, err = call(monkeypatch, capsys, "plan", claim, "--model", "growing-0", *beside("growing-4"), *WHERE)
    assert code == 4
    assert "not SUPPORTED: fewer than 5 models; give more models with --beside" in out
    assert "fewer than 5 models" in err
    code, out, _ = call(monkeypatch, capsys, "plan", "claims.py", "--model", "growing-0", *WHERE)
    assert code == 0
    assert out.count("SKIPPED") == 2


def test_claims_about_scale_are_skipped_where_one_model_is_read(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out_folder = str(tmp_path / "out")
    code, out, _ = call(monkeypatch, capsys, "run", "claims.py", "--model", "growing-4", *WHERE, "--out", out_folder)
    assert code == 0
    assert out.count("SKIPPED") == 2
    assert "give others with --beside MODEL" in out
    one = call(
        monkeypatch,
        capsys,
        "run",
        "claims.py::LargerPartsFurther",
        "--model",
        "growing-4",
        *WHERE,
        "--out",
        f"{out_folder}2",
    )
    assert one[0] == 5


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["empty"], "has no config.json"),
        (["./missing"], "neither a folder"),
        (["growing-0", "growing-0"], "are the same"),
        (["growing-4"], "are the same"),
        (["growing-4#sideways"], "no variant"),
        (["terse"], "--tokens is 24, and model 'terse' reads at most 12"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_bad_model_beside_ends_as_a_bad_model_does(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    given: list[str],
    sentence: str,
) -> None:
    (here / "empty").mkdir(exist_ok=True)
    if not (here / "terse").exists():
        monkeypatch.setattr(known_ladder, "TOKENS", 12)
        known_ladder.save_network(here / "terse", 1, 0.5)
    code, out, err = call(monkeypatch, capsys, command, "claims.py", "--model", "growing-4", *beside(*given), *WHERE)
    assert code == 4
    assert sentence in err
    assert "Traceback" not in out + err


def test_a_hub_model_that_is_not_here_is_one_error_within_seconds_offline(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, os.environ.get(name, "0"))  # put back after the test
    begun = time.monotonic()
    more = [*beside("some/model-that-is-nowhere"), "--offline"]
    code, _, err = call(monkeypatch, capsys, "run", "claims.py", "--model", "growing-4", *more, *WHERE)
    assert code == 4
    assert "some/model-that-is-nowhere" in err
    assert time.monotonic() - begun < 10


def test_beside_may_stand_in_a_settings_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = here / "modclaims.toml"
    settings.write_text('beside = ["growing-0", "./missing"]\n', encoding="utf-8")
    try:
        code, _, err = call(monkeypatch, capsys, "plan", "claims.py", "--model", "growing-4", *WHERE)
        assert (code, "missing" in err) == (4, True)
        settings.write_text("beside = 3\n", encoding="utf-8")
        assert "it must be a list of strings" in call(monkeypatch, capsys, "plan", "claims.py", *WHERE)[2]
        settings.write_text('beside = "growing-0"\n', encoding="utf-8")
        code, out, _ = call(
            monkeypatch, capsys, "plan", "claims.py::LargerPartsFurther", "--model", "growing-4", *WHERE
        )
        assert (code, "growing-0 (" in out) == (0, True)
    finally:
        settings.unlink()


def test_variants_are_models_beside_each_other_of_one_size(folder: Path) -> None:
    same = [str(folder / "growing-4"), str(folder / "growing-4#untrained:0")]
    shape = load_models(same[0], same[1:]).shape
    assert [m.name for m in shape.models] == ["growing-4", "growing-4#untrained:0"]
    assert outcomes(run(folder, ["growing-4", "growing-4#untrained:0"], BOTH[:1])) == {"LargerPartsFurther": "error"}
    with pytest.raises(ModelError, match="are the same"):
        load_models(same[0], [same[0]])


def test_a_recording_of_several_models_reaches_processes_that_weigh_it(folder: Path) -> None:
    own, other = (str(folder / name) for name in ("growing-0", "growing-4"))
    asked = Activations("resid_post", (0, 1))
    requests = [asked, for_model(asked, "growing-4")]
    corpus, positions = read_corpus(folder / "texts.jsonl"), Positions(POSITIONS)
    recorder = load_models(own, [other])
    recording = recorder.record(corpus, requests, tokens=TOKENS, positions=positions)
    sent = pickle.loads(pickle.dumps(recording))
    for request in requests:
        np.testing.assert_array_equal(sent.by_id().array(request, 1), recording.by_id().array(request, 1))
    assert sent.shape == recording.shape
    assert not np.array_equal(*(sent.array(request, 1) for request in requests))
