"""Finding a model: what wins, what is refused, and that a model which cannot be had is one error within seconds."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from lm.tiny_opt import save_model, save_tokenizer, texts
from safetensors.torch import load_file

from modclaims.errors import ModelError
from modclaims.lm import checkpoint as checkpoint_module
from modclaims.lm.checkpoint import find_checkpoint
from modclaims.lm.model import load_model
from modclaims.lm.variants import Variant
from modclaims.recording import Activations, Positions

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, a hub's cache with nothing in it, and a hub that no test may reach by accident."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(checkpoint_module, "_answers", lambda endpoint: pytest.fail(f"{endpoint} was called"))
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "0")  # put back after the test, whatever `offline` set
    return tmp_path / "here"


def copy(plain: Path, to: str) -> None:
    shutil.copytree(plain, to)


def pickle_weights(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def test_the_whole_string_wins_if_it_is_a_folder(here: Path, plain: Path) -> None:
    for name in ("model", "model#untrained", "model#untrained:2", "model@v2"):
        copy(plain, name)
    found = {spec: find_checkpoint(spec) for spec in ("model", "model#untrained", "model#untrained:2", "model@v2")}
    assert {spec: checkpoint.folder for spec, checkpoint in found.items()} == {spec: Path(spec) for spec in found}
    assert all(checkpoint.variant is None for checkpoint in found.values())


@pytest.mark.parametrize(
    ("word", "variant"),
    [("untrained", Variant("untrained")), ("gaussian:7", Variant("gaussian", 7)), ("permuted:0", Variant("permuted"))],
)
def test_a_known_variant_is_split_off_a_folder(word: str, variant: Variant, here: Path, plain: Path) -> None:
    copy(plain, "model#1")
    found = find_checkpoint(f"model#1#{word}")
    assert (found.folder, found.variant, found.origin) == (Path("model#1"), variant, "model#1")
    assert found.name == f"model#1#{variant}"


def test_embedded_is_the_shipped_model_and_a_path_to_it_is_a_folder(
    here: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint_module, "shipped", lambda *parts: plain)
    copy(plain, "embedded")
    assert find_checkpoint("embedded").folder == plain
    assert (find_checkpoint("embedded").origin, find_checkpoint("embedded").name) == ("embedded", plain.name)
    assert find_checkpoint("embedded#untrained:1").variant == Variant("untrained", 1)
    assert find_checkpoint("./embedded").folder == Path("embedded")


def test_a_folder_is_called_by_its_own_name(here: Path, plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy(plain, "some/model")
    monkeypatch.chdir("some/model")
    assert [find_checkpoint(spec).name for spec in (".", "../model/", "../model#untrained")] == [
        "model",
        "model",
        "model#untrained:0",
    ]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "No model is named"),
        ("#untrained", "No model is named"),
        ("model#trained", "'trained' is no variant; choose one of untrained, gaussian, permuted"),
        ("model#untrained:x", "'untrained:x' is no variant"),
        ("./nowhere", "neither a folder here nor the id of a hub model"),
        ("/nowhere/at/all", "neither a folder here nor the id of a hub model"),
        ("a file", "is a file; give the folder"),
    ],
)
def test_a_spec_that_means_nothing_is_refused(spec: str, message: str, here: Path) -> None:
    Path("a file").write_text("weights")
    with pytest.raises(ModelError, match=message):
        find_checkpoint(spec)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("config.json", "has no config.json"),
        ("model.safetensors", "has no weights: neither model.safetensors nor"),
        ("tokenizer.json", r"has no tokenizer \(tokenizer.json, or vocab.json with merges.txt"),
    ],
)
def test_a_folder_that_lacks_something_is_one_clear_error(lost: str, message: str, here: Path, plain: Path) -> None:
    copy(plain, "model")
    Path("model", lost).unlink()
    with pytest.raises(ModelError, match=message):
        load_model("model")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ("config.json", "configuration of model 'model' cannot be read"),
        ("tokenizer.json", "tokenizer of model 'model' cannot be read"),
        ("model.safetensors", "model.safetensors of model 'model' are damaged"),
    ],
)
def test_a_broken_file_is_one_clear_error(broken: str, message: str, here: Path, plain: Path) -> None:
    copy(plain, "model")
    content = Path("model", broken).read_bytes()
    Path("model", broken).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=message) as caught:
        load_model("model")
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_safetensors_are_named(here: Path, plain: Path) -> None:
    copy(plain, "model")
    Path("model/model.safetensors").rename("model/tf_model.h5")
    with pytest.raises(ModelError, match=r"only tf_model\.h5, which modclaims does not read"):
        find_checkpoint("model", allow_bin=True)


def test_pickled_weights_are_refused_unless_allowed(here: Path, plain: Path) -> None:
    copy(plain, "model")
    pickle_weights(Path("model"))
    with pytest.raises(ModelError, match=r"pytorch_model\.bin only, a pickle.*--allow-bin.*weights_only=True"):
        load_model("model")
    run: dict[str, Any] = {"tokens": 20, "positions": Positions("19")}
    request = Activations("resid_post")
    pickled, safe = (
        model.record(texts(20), [request], **run)
        for model in (load_model("model", allow_bin=True), load_model(str(plain)))
    )
    assert (pickled.array(request, 2) == safe.array(request, 2)).all()


def test_safetensors_are_read_where_there_are_both(here: Path, plain: Path) -> None:
    copy(plain, "model")
    Path("model/pytorch_model.bin").write_text("not even a pickle")
    assert find_checkpoint("model", allow_bin=True).safetensors
    load_model("model", allow_bin=True, device="cpu").network()


def test_a_pickle_that_runs_code_is_not_run(here: Path, plain: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return os.mkdir, ("trapped",)

    copy(plain, "model")
    torch.save({"weight": Trap()}, "model/pytorch_model.bin")
    Path("model/model.safetensors").unlink()
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model("model", allow_bin=True, device="cpu").network()
    assert not Path("trapped").exists()


def test_weights_in_several_files_are_found_by_their_index(here: Path) -> None:
    save_model(here / "whole")
    model = load_model("whole", device="cpu").network().trunk
    model.save_pretrained("sharded", max_shard_size="20KB")
    save_tokenizer(here / "sharded")
    found = find_checkpoint("sharded")
    assert len(found.weights) > 1
    assert all(path.suffix == ".safetensors" for path in found.weights)
    lines = "".join(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in found.weights)
    assert found.digests["weights"] == sha256(lines.encode()).hexdigest()
    load_model("sharded", device="cpu").network()
    found.weights[1].unlink()
    with pytest.raises(ModelError, match=f"lacks 1 of {len(found.weights)} files .* {found.weights[1].name}; fetch"):
        find_checkpoint("sharded")
    Path("sharded/model.safetensors.index.json").write_text("{")
    with pytest.raises(ModelError, match=r"Index model\.safetensors\.index\.json of model 'sharded' is damaged"):
        find_checkpoint("sharded")


def test_the_digest_of_one_file_is_its_sha256sum(plain: Path) -> None:
    found = find_checkpoint(str(plain))
    assert found.digests["weights"] == sha256((plain / "model.safetensors").read_bytes()).hexdigest()
    assert found.digests["code"] == ""


def in_cache(plain: Path, name: str = "some/model", commit: str = COMMIT) -> Path:
    """A model where the hub's client would have put it."""
    root = Path(constants.HF_HUB_CACHE, f"models--{name.replace('/', '--')}")
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    return Path(shutil.copytree(plain, root / "snapshots" / commit))


def test_a_cached_hub_model_is_used_without_asking_the_hub(here: Path, plain: Path) -> None:
    folder = in_cache(plain)
    for spec, variant in (("some/model", None), (f"some/model@{COMMIT}#untrained", Variant("untrained"))):
        found = find_checkpoint(spec)
        assert (found.folder, found.revision, found.origin, found.variant) == (folder, COMMIT, "some/model", variant)
        assert found.name == ("model#untrained:0" if variant else "model")


def test_a_folder_wins_over_a_cached_hub_model(here: Path, plain: Path) -> None:
    in_cache(plain)
    copy(plain, "some/model")
    assert find_checkpoint("some/model").folder == Path("some/model")


def test_an_absent_model_is_one_error_offline(here: Path) -> None:
    with pytest.raises(ModelError) as caught:
        find_checkpoint("some/model@v1", offline=True)
    assert str(caught.value) == (
        f"Model 'some/model@v1' is neither a folder here nor in the hub's cache {constants.HF_HUB_CACHE}, and --offline or "
        "HF_HUB_OFFLINE is set. Give --model a folder with config.json, weights and tokenizer, connect to the hub, or set HF_HOME to where "
        "the model is cached."
    )


def test_a_model_cached_in_part_tells_what_is_missing(here: Path, plain: Path) -> None:
    pickle_weights(in_cache(plain))
    with pytest.raises(ModelError, match=r"a pickle.*--allow-bin.*hub's cache.*--offline or"):
        find_checkpoint("some/model", offline=True)
    assert not find_checkpoint("some/model", offline=True, allow_bin=True).safetensors


@contextmanager
def silent_hub() -> Iterator[str]:
    """A hub that takes a connection and never answers, as behind a firewall."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def closed_port() -> str:
    with socket.socket() as once:
        once.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{once.getsockname()[1]}"


def find_elsewhere(
    spec: str, home: Path, endpoint: str, options: str = "", what: str = "load_model"
) -> tuple[str, float]:
    """What is found or said in a fresh process, and after how many seconds of its own."""
    code = f"""
import sys, time
start = time.monotonic()
from modclaims.errors import ModelError
from modclaims.lm.model import load_model
early = {{"huggingface_hub", "transformers"}} & set(sys.modules)
try:
    found = load_model({spec!r}, {options}).checkpoint
    print(found.revision, sorted(path.name for path in found.folder.iterdir()))
except ModelError as fault:
    print(fault)
print("early:", early)
print(time.monotonic() - start)
"""
    package = Path(checkpoint_module.__file__).parents[2]
    hub = {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"}
    environment = {**os.environ, **hub, "PYTHONPATH": str(package)}
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN"):
        environment.pop(name, None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said, early, seconds = done.stdout.splitlines()
    assert early == "early: set()", "offline must be set before either is imported"
    return said, float(seconds)


def test_a_hub_that_does_not_answer_costs_seconds_and_one_error(tmp_path: Path) -> None:
    with silent_hub() as endpoint:
        said, seconds = find_elsewhere("some/model", tmp_path, endpoint)
    assert f"nor in the hub's cache {tmp_path / 'hub'}, and {endpoint} did not answer within 3 s" in said
    assert seconds < 10


def test_offline_asks_no_hub(tmp_path: Path) -> None:
    with answering_hub({}) as (endpoint, asked):
        said, seconds = find_elsewhere("some/model", tmp_path, endpoint, "offline=True")
    assert "--offline or HF_HUB_OFFLINE is set" in said
    assert asked == []
    assert seconds < 10


def test_the_hub_is_tried_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    monkeypatch.setattr(checkpoint_module, "_answers", lambda endpoint: bool(tried.append(endpoint)))
    with pytest.raises(ModelError, match="did not answer within 3 s"):
        find_checkpoint("some/model")
    assert tried == [constants.ENDPOINT]


def test_a_refused_connection_is_no_answer() -> None:
    start = time.monotonic()
    assert not checkpoint_module._answers(closed_port())
    assert time.monotonic() - start < checkpoint_module.TRY_SECONDS


@contextmanager
def answering_hub(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """A hub with one model, `some/model`; its address, and what it was asked for."""
    asked: list[str] = []
    listing = [{"type": "file", "path": name, "size": len(content), "oid": sha256(content).hexdigest()[:40]}
               for name, content in files.items()]  # fmt: skip
    info = {"id": "some/model", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}

    class Hub(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            path = self.path.partition("?")[0]
            if path == "/":
                self.answer(b"a hub")
            elif path.startswith("/api/models/some/model/tree"):
                self.answer(json.dumps(listing).encode())
            elif path in ("/api/models/some/model", "/api/models/some/model/revision/main"):
                self.answer(json.dumps(info).encode())
            elif path.startswith(f"/some/model/resolve/{COMMIT}/") and path.rpartition("/")[2] in files:
                self.answer(files[path.rpartition("/")[2]])
            else:
                self.answer(
                    b'{"error": "not found"}', 404, "RevisionNotFound" if "some/model" in path else "RepoNotFound"
                )

        do_HEAD = do_GET

        def answer(self, content: bytes, status: int = 200, error: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{sha256(content).hexdigest()[:40]}"')
            if error:
                self.send_header("X-Error-Code", error)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_hub_model_is_fetched_once_and_only_what_is_needed_of_it(
    tmp_path: Path, here: Path, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {path.name: path.read_bytes() for path in plain.iterdir()}
    files |= {"pytorch_model.bin": b"a pickle", "README.md": b"hello", "tf_model.h5": b"other weights"}
    with answering_hub(files) as (endpoint, _):
        said, _ = find_elsewhere("some/model", tmp_path, endpoint)
    assert said == f"{COMMIT} {['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']}"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert find_checkpoint("some/model").revision == COMMIT  # and `here` lets nobody call the hub


@pytest.mark.parametrize(
    ("names", "spec", "message"),
    [
        (["config.json", "pytorch_model.bin"], "some/model", r"pickled weights .* only.*--allow-bin"),
        (["config.json", "flax_model.msgpack"], "some/model", "no weights that modclaims reads"),
        (["config.json"], "some/model@v9", "has no revision 'v9'"),
        (["config.json"], "other/model", "neither a folder here nor a model of the hub"),
    ],
)
def test_a_hub_model_that_cannot_be_used_is_refused(
    names: list[str], spec: str, message: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering_hub(dict.fromkeys(names, b"{}")) as (endpoint, asked):
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(checkpoint_module, "_answers", lambda _: True)
        with pytest.raises(ModelError, match=message):
            find_checkpoint(spec)
    assert not any("resolve" in request for request in asked)


def test_a_fault_of_the_hub_is_one_clear_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("the line went dead")

    monkeypatch.setattr(checkpoint_module, "_answers", lambda _: True)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    with pytest.raises(ModelError, match="'some/model' could not be fetched from the hub: the line went dead"):
        find_checkpoint("some/model")
