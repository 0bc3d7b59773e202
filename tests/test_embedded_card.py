"""The embedded model's card: what it measures, what it tells, and the training that it tells of."""

from __future__ import annotations

import hashlib
import importlib
import json
import lzma
import math
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "data" / "models" / "opt-mini"
sys.path.append(str(ROOT / "scripts"))
collect_trials, embedded_card, held_out, train, witten_bell = (
    importlib.import_module(name)
    for name in ("collect_trials", "embedded_card", "held_out", "train_embedded", "witten_bell")
)


# ---- the trigram


def probability(model: Any, u: int, v: int, w: int) -> float:
    return float(model.probabilities(np.array([(u * model.vocabulary + v) * model.vocabulary + w]))[0])


def counted(stream: list[int], vocabulary: int) -> Any:
    keys = witten_bell.trigram_keys(np.array(stream), vocabulary)
    return witten_bell.WittenBell.of(keys[keys % vocabulary != 0], vocabulary)


def test_a_document_start_hides_what_stands_before_it() -> None:
    keys = witten_bell.trigram_keys(np.array([0, 3, 4, 0, 2, 1], dtype=np.uint16), 10)
    assert keys.tolist() == [3, 34, 340, 2, 21]


def test_a_document_without_tokens_has_no_trigrams() -> None:
    assert witten_bell.trigram_keys(np.array([0]), 10).size == 0


def test_probabilities_are_those_worked_by_hand() -> None:
    model = counted([0, 1, 2, 1, 2, 3], vocabulary=4)
    # unigrams: N = 5, T = 3, below them 1/4: P(1) = P(2) = (2 + 3/4) / 8, P(3) = (1 + 3/4) / 8
    # after 2: c = T = 2, one 1 and one 3: P(1 | 2) = (1 + 2 P(1)) / 4, P(3 | 2) = (1 + 2 P(3)) / 4
    assert probability(model, 3, 3, 1) == 2.75 / 8  # 3 was never followed
    assert probability(model, 3, 2, 1) == (1 + 2 * 2.75 / 8) / 4  # 3 2 was never followed, 2 was
    assert probability(model, 1, 2, 1) == (1 + 2 * 0.421875) / 4
    assert probability(model, 1, 2, 3) == (1 + 2 * 0.359375) / 4
    assert probability(model, 1, 2, 2) == 2 * 0.171875 / 4


def test_probabilities_after_any_history_sum_to_one() -> None:
    vocabulary = 6
    model = counted([0, *np.random.default_rng(1).integers(1, 5, size=30).tolist()], vocabulary)
    after = model.probabilities(np.arange(vocabulary**3)).reshape(-1, vocabulary)
    assert np.allclose(after.sum(1), 1, atol=1e-12)
    assert after.min() > 0


def test_probabilities_agree_with_counting_in_dictionaries() -> None:
    rng, vocabulary = np.random.default_rng(2), 9
    documents = [rng.geometric(0.4, size=n).clip(1, vocabulary - 1).tolist() for n in (1, 2, 40, 0, 70)]
    counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for document in documents:
        padded = [0, 0, *document]
        for i, w in enumerate(document):
            for n in range(3):
                counts[tuple(padded[i + 2 - n : i + 2])][w] += 1

    def witness(history: tuple[int, ...], w: int) -> float:
        lower = witness(history[1:], w) if history else 1 / vocabulary
        seen = counts.get(history)
        return (seen[w] + len(seen) * lower) / (seen.total() + len(seen)) if seen else lower

    model = counted([token for document in documents for token in (0, *document)], vocabulary)
    every = [(u, v, w) for u in range(vocabulary) for v in range(vocabulary) for w in range(vocabulary)]
    found = model.probabilities(np.array([(u * vocabulary + v) * vocabulary + w for u, v, w in every]))
    assert np.allclose(found, [witness((u, v), w) for u, v, w in every], rtol=1e-12)


def test_trigram_bits_count_every_training_category_once() -> None:
    streams = {"train/a": np.array([0, 1, 2]), "train/b": np.array([0, 1, 2, 3]), "held/a": np.array([0, 3, 3])}
    bits = held_out.trigram_bits(streams, [np.array([0, 1, 2])], vocabulary=4)
    model = counted([0, 1, 2, 0, 1, 2, 3], vocabulary=4)
    assert bits == pytest.approx([-math.log2(probability(model, 0, 0, 1)) - math.log2(probability(model, 0, 1, 2))])


# ---- the model's bits


@pytest.mark.parametrize("length", [0, 1, 510, 511, 512, 767, 768, 1022, 1200])
def test_windows_score_every_token_once_after_a_bos_and_enough_of_the_document(length: int) -> None:
    ids = np.arange(1000, 1000 + length)
    found = held_out.windows(np.array([0, *ids]))
    scored = [window[first:] for window, first in found]
    assert np.array_equal(np.concatenate(scored) if found else ids[:0], ids)
    for window, first in found:
        assert window[0] == 0
        assert np.array_equal(np.diff(window[1:]), np.ones(len(window) - 2))
        assert 1 < len(window) <= 512
        assert first == 1 or (first >= 256 and len(window) == 512)


@pytest.fixture(scope="module")
def tiny() -> OPTForCausalLM:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "word_embed_proj_dim": 8, "ffn_dim": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    return OPTForCausalLM(OPTConfig(vocab_size=32, max_position_embeddings=512, init_std=0.5, **sizes)).eval()


def test_bits_in_batches_are_those_of_windows_taken_alone(tiny: OPTForCausalLM) -> None:
    rng = np.random.default_rng(3)
    documents = [np.array([0, *rng.integers(2, 32, size=n)]) for n in (1100, 0, 7, 7, 511)]
    alone = []
    for document in documents:
        nats = 0.0
        for window, first in held_out.windows(document):
            with torch.no_grad():
                chances = tiny(torch.tensor([window.tolist()])).logits[0].double().log_softmax(-1)
            nats -= sum(float(chances[i - 1, token]) for i, token in enumerate(window) if i >= first)
        alone.append(nats / math.log(2))
    assert held_out.model_bits(tiny, documents, batch=3) == pytest.approx(alone, rel=1e-5)


@torch.no_grad()
def test_a_continuation_draws_from_the_likeliest_only_and_repeats(tiny: OPTForCausalLM) -> None:
    ids = [0, 5]
    for _ in range(6):
        ids.append(int(tiny(torch.tensor([ids])).logits[0, -1].argmax()))
    assert embedded_card.continuation(tiny, [0, 5], tokens=6, likeliest=1) == ids[2:]
    drawn = embedded_card.continuation(tiny, [0, 5], tokens=6, likeliest=9)
    assert drawn == embedded_card.continuation(tiny, [0, 5], tokens=6, likeliest=9) != ids[2:]


# ---- xz and repetition


def test_the_xz_size_is_that_of_the_command() -> None:
    data = " ".join(str(n * n) for n in range(5000)).encode()
    assert held_out.xz_size(data) == len(lzma.compress(data, preset=9))
    if command := shutil.which("xz"):
        packed = subprocess.run([command, "-9", "-c"], input=data, capture_output=True, check=True).stdout
        assert held_out.xz_size(data) == pytest.approx(len(packed), abs=64)


def test_figures_are_totals_over_bytes() -> None:
    told = held_out.figures(["aé".encode(), b"b"], tokens=4, model=8.0, trigram=12.0, repeated=1)
    assert (told["documents"], told["bytes"], told["tokens"]) == (2, 4, 4)
    assert (told["model_bits_per_byte"], told["trigram_bits_per_byte"], told["repeated_share"]) == (2.0, 3.0, 0.25)
    assert told["xz_bits_per_byte"] == 2 * told["xz_bytes"]


def test_only_runs_of_sixteen_tokens_count_as_repeated() -> None:
    rng = np.random.default_rng(4)
    stream, new = rng.integers(2, 4096, size=500).astype(np.uint16), rng.integers(2, 4096, size=60)
    documents = [
        np.array([0, *new[:20], *stream[100:120], *new[20:]]),
        np.array([0, *new[:20], *stream[100:115], *new[20:]]),
        np.array([0, *stream[:9]]),
    ]
    streams = {"train/a": stream, "held/a": new.astype(np.uint16)}
    assert held_out.repeated_tokens(streams, documents) == [20, 0, 0]


# ---- the card


CATEGORIES = ("code", "drama", "fiction")


def row(documents: int, model: float, trigram: float, xz: float) -> dict[str, float]:
    return {
        "documents": documents,
        "bytes": 1000 * documents,
        "tokens": 300 * documents,
        "model_bits_per_byte": model,
        "trigram_bits_per_byte": trigram,
        "xz_bits_per_byte": xz,
        "xz_bytes": round(125 * documents * xz),
        "repeated_share": 0.25,
    }


@pytest.fixture
def training() -> dict[str, Any]:
    return {
        "arguments": {"minutes": 40.0, "steps": 100, "seed": 0, "batch": 8, "width": 240, "temper": 0.7}
        | {"optimiser": "muon", "rate": None},
        "compiled": True,
        "parameters": 3_500_000,
        "device": "cpu",
        "hardware": "CPU, threads: 2",
        "steps": 100,
        "tokens_seen": 409_600,
        "minutes": 12.3,
        "training_tokens": dict.fromkeys(CATEGORIES, 200_000),
        "held_out_bits_per_byte": {"code": 1.25, "drama": 2.5},
        "loss_curve": [[50, 60.0, 5.5], [100, 120.0, 4.5]],
        "python": "3.11.7",
        "torch": "2.13.0",
    }


@pytest.fixture
def measured() -> dict[str, Any]:
    return {
        "weights_sha256": "5" * 64,
        "categories": {"code": row(9, 1.5, 1.6, 1.4), "drama": row(2, 2.0, 1.9, 3.0)},
        "mixed": row(11, 1.6, 1.7, 2.0),
        "fresh": row(6, 1.9, 1.8, 2.1),
        "shipped_corpora": {"texts": 74, "tokens": 1000, "repeated_share": 0.0012},
    }


def render(training: dict[str, Any], measured: dict[str, Any], trials: dict[str, Any] | None = None) -> str:
    config = json.loads((MODEL / "config.json").read_text("utf-8"))
    found = [embedded_card.Source("someone/books", ("fiction", "drama"), 1_500_000, "CC0-1.0")]
    told = embedded_card.card("opt-mini", config, training, measured, trials or {}, found, {"drama": "Enter ⟶ a fool"})
    assert isinstance(told, str)
    return told


def test_the_card_names_every_category_and_every_source(training: dict[str, Any], measured: dict[str, Any]) -> None:
    told = render(training, measured)
    assert all(f"| {name} | 0.20 | 33.3 | 0.68 | " in told for name in CATEGORIES)
    assert "| code | 9 | 9,000 | 2,700 | 1.500 | 1.600 | 1.400 | 1,575 | 25.0 |" in told
    assert "| someone/books | fiction, drama | 1.50 | CC0-1.0 |" in told
    assert "Enter ⟶ a fool" in told
    assert "Trials" not in told


def test_the_card_says_where_the_model_is_no_better(training: dict[str, Any], measured: dict[str, Any]) -> None:
    told = " ".join(embedded_card.findings(measured, training).split())
    assert "needs 20.0 % fewer bits than `xz -9`. A fifth fewer or better: yes." in told
    assert "in which it needs no fewer: code." in told
    assert "It needs fewer in code; no fewer in drama." in told
    assert "9.5 % fewer bits than `xz -9` (a fifth fewer or better: no) and 5.6 % more bits than the trigram" in told
    assert "fewer than five documents, hence loosely: drama (2)." in told
    assert "of which nothing is claimed: fiction." in told


def test_the_card_gives_the_command_that_made_the_model(training: dict[str, Any], measured: dict[str, Any]) -> None:
    command = "python scripts/train_embedded.py TEXTS --out data/models/opt-mini --steps 100 --width 240 --compile"
    assert f"`{command}` (Python 3.11.7, torch 2.13.0)" in render(training, measured)


def test_a_remark_on_the_run_is_told(training: dict[str, Any], measured: dict[str, Any]) -> None:
    assert "512). Resumed once." in " ".join(render(training | {"remark": "Resumed once."}, measured).split())


def test_trials_stand_beside_the_model_with_what_differs(training: dict[str, Any], measured: dict[str, Any]) -> None:
    other = training | {"arguments": training["arguments"] | {"optimiser": "adamw"}, "compiled": False}
    told = render(training, measured, {"adamw": other})
    assert "| adamw | optimiser adamw, rate 0.003, compile False | 3.50 | 0.4 | 12 | 5.50 | 5.50 | 5.50 |" in told
    assert "| **opt-mini** | optimiser muon, rate 0.02, compile True | 3.50 |" in told
    assert "| drama | 2.500 | 2.500 |" in told


def test_no_line_breaks_inside_code() -> None:
    told = embedded_card.paragraph("one `xz -9` " * 40)
    assert told.count("`xz -9`") == 40 and max(map(len, told.splitlines())) <= 120


def test_sources_of_one_owner_are_one_row(tmp_path: Path) -> None:
    rows = [("o/a@1:x", "u", "é", "MIT"), ("o/b@1:y", "t", "bb", "CC0"), ("p/c@2:z", "t", "ccccc", "MIT")]
    (tmp_path / "rows.jsonl").write_text(
        "".join(
            json.dumps({"source": f"github:{source}", "category": category, "text": text, "licence": licence}) + "\n"
            for source, category, text, licence in rows
        )
    )
    assert embedded_card.sources(tmp_path) == [
        embedded_card.Source("p/c", ("t",), 5, "MIT"),
        embedded_card.Source("o/* (2 repositories)", ("t", "u"), 4, "CC0; MIT"),
    ]


def test_trials_are_gathered_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "training.json").write_text('{"steps": 3}')
    out = tmp_path / "trials.json"
    collect_trials.main([str(out), f"wide={tmp_path / 'run'}"])
    assert json.loads(out.read_text()) == {"wide": {"steps": 3}}
    with pytest.raises(SystemExit):
        collect_trials.main([str(out), f"wide={tmp_path}"])
    assert "is not NAME=FOLDER with a training.json in FOLDER" in capsys.readouterr().err


# ---- the card that is shipped


@pytest.fixture
def shipped() -> dict[str, Any]:
    file = MODEL / "held_out.json"
    if not file.exists():
        pytest.skip("data/models/opt-mini has no held_out.json")
    found = json.loads(file.read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def test_the_shipped_card_tells_the_shipped_figures(shipped: dict[str, Any]) -> None:
    told = (MODEL / "CARD.md").read_text("utf-8")
    facts = json.loads((MODEL / "training.json").read_text("utf-8"))
    assert embedded_card.held_out_table(shipped) in told
    assert embedded_card.findings(shipped, facts) in told
    assert embedded_card.training_table(shipped, facts) in told


def test_the_shipped_figures_are_of_the_shipped_weights(shipped: dict[str, Any]) -> None:
    weights = (MODEL / "model.safetensors").read_bytes()
    assert shipped["weights_sha256"] == hashlib.sha256(weights).hexdigest()


def test_the_shipped_categories_add_up_to_the_mixed_figures(shipped: dict[str, Any]) -> None:
    mixed, parts = shipped["mixed"], shipped["categories"].values()
    assert all(sum(part[k] for part in parts) == mixed[k] for k in ("documents", "bytes", "tokens"))
    for rate in ("model_bits_per_byte", "trigram_bits_per_byte"):
        total = sum(part[rate] * part["bytes"] for part in parts)
        assert total / mixed["bytes"] == pytest.approx(mixed[rate], abs=1e-4)


# ---- the training


@pytest.fixture(scope="module")
def tokenised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a tokenizer and the tokens of three texts, one of them held out."""
    rng = np.random.default_rng(5)
    words = np.array([f"w{n}" for n in range(40)])
    held = next(f"x{n}" for n in range(1000) if train.is_held_out(f"x{n}"))
    texts = [(name, "a", " ".join(rng.choice(words, 2000))) for name in ("train-1", "train-2", held)]
    work = tmp_path_factory.mktemp("work")
    train.encode(texts, train.train_tokenizer(texts, 300, work / "tokenizer"), work / "tokens.npz")
    return work


@pytest.fixture
def run(tokenised: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Trains a tiny model by a clock that moves a second at every look."""
    clock = iter(range(10**9))
    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=lambda: next(clock)))

    def start(name: str, *options: str) -> Path:
        out, work = tmp_path / name, tmp_path / f"{name}-work"
        if not work.exists():
            shutil.copytree(tokenised, work)
        sizes = "--vocabulary 300 --layers 1 --heads 2 --width 16 --batch 1 --steps 60"
        train.main([str(tmp_path), "--out", str(out), *sizes.split(), *options])
        return out

    return start


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(
    run: Callable[..., Path], by: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    whole = run("whole")
    plain, steps = train.batch_loss, iter(range(1000))

    def stopped_in_the_55th(*given: Any) -> torch.Tensor:
        if next(steps) == 54:
            signal.raise_signal(by)
        return plain(*given)

    before = signal.getsignal(by)
    monkeypatch.setattr(train, "batch_loss", stopped_in_the_55th)
    with pytest.raises(SystemExit, match=r"^Stopped after step 55, 92 % done\. The same command goes on"):
        run("broken")
    assert not (tmp_path / "broken" / "training.json").exists()
    assert signal.getsignal(by) is before
    train.time.monotonic = iter(range(10**6, 10**7)).__next__  # long after
    broken = run("broken")
    assert next(steps) == 60
    for file in ("model.safetensors", "training.json", "tokenizer_config.json"):
        assert (whole / file).read_bytes() == (broken / file).read_bytes()


def test_a_checkpoint_of_other_arguments_is_refused(run: Callable[..., Path]) -> None:
    run("whole", "--steps", "2")
    with pytest.raises(SystemExit, match=r"is of a run with temper 0\.7, not 0\.5\. Give its arguments"):
        run("whole", "--steps", "2", "--temper", "0.5")


def test_the_saved_tokenizer_does_not_say_how_it_was_loaded(run: Callable[..., Path]) -> None:
    told = json.loads((run("whole", "--steps", "2") / "tokenizer_config.json").read_text("utf-8"))
    assert {"is_local", "local_files_only"}.isdisjoint(told) and told["bos_token"] == "<s>"
