"""Networks whose streams keep their input in a known way: to the end, less with every layer, or less at once and then no more.

What blocks add is an even function of the token: each neuron has a twin that reads the opposite and writes the same, so that no
linear map makes anything of it. How much of it a layer adds is set by hand. In two networks embeddings, and what blocks read
and add, lie in one half of the coordinates and positions in the other; the unembedding cares about the same half, or about the other.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from modclaims.corpus_files import read_corpus
from modclaims.lm.model import load_model
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

LAYERS, WIDTH, NEURONS = 3, 24, 96
WORDS, TEXTS, TOKENS, POSITIONS = 300, 60, 11, "last:10:1"
NETWORKS: dict[str, dict[str, Any]] = {
    "keeps": {"adds": (0, 0, 0)},
    "forgets": {"adds": (0, 5, 20)},
    "forgot": {"adds": (3, 0.2, 0.2)},
    "outside": {"adds": (0.5, 0, 0.2), "input": 1, "cared": 0},
    "inside": {"adds": (0.5, 0, 0.2), "input": 0, "cared": 0},
}
"""How much the blocks of each layer add; which half of the coordinates holds the embeddings, and which the unembedding."""
ASKED_OF = {"told.py": ("keeps", "forgets", "forgot"), "aside.py": ("keeps", "outside", "inside")}
CLAIMS = '''
"""What is known of how the input is kept, said as claims."""

from modclaims import InputReconstruction, along_depth, everywhere


class Fades(InputReconstruction):
    """The token that was read can be told less and less with depth."""


class Sharpens(InputReconstruction):
    """The token that was read can be told better and better with depth."""

    holds = along_depth("rises")


class IsTold(InputReconstruction):
    """The token that was read can be told at every layer."""

    holds = everywhere()
    nearest = 1
'''
ASIDE = '''
"""What is known of where the input is kept."""

from modclaims import InputOutsideUnembedding


class IsPutAside(InputOutsideUnembedding):
    """At some layer the token is told from directions that the unembedding cares little about."""

    dimensions = 4
'''


def save_network(folder: Path, adds: Sequence[float], input: int | None = None, cared: int | None = None) -> Path:
    rng = np.random.default_rng(41)
    config = OPTConfig(
        vocab_size=WORDS + 3,
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=NEURONS,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
        tie_word_embeddings=cared is None,
    )
    half = np.arange(WIDTH) // (WIDTH // 2)
    mine = np.ones(WIDTH) if input is None else np.where(half == input, 1.0, 0.0)
    table = mine * rng.normal(size=(WORDS + 3, WIDTH))
    model = OPTForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        model.model.decoder.embed_tokens.weight.copy_(torch.from_numpy(table))
        places = model.model.decoder.embed_positions.weight
        places.copy_(torch.from_numpy((1 - mine) * rng.normal(size=tuple(places.shape))))
        if cared is not None:
            weight = rng.normal(size=table.shape) * np.where(half == cared, 1.0, 0.2)
            model.lm_head.weight.copy_(torch.from_numpy(weight))
        for layer, much in zip(model.model.decoder.layers, adds, strict=True):
            reads = mine * rng.normal(size=(NEURONS // 2, WIDTH)) / np.sqrt(WIDTH)
            writes = much * mine[:, None] * rng.normal(size=(WIDTH, NEURONS // 2)) / np.sqrt(NEURONS / 4)
            layer.fc1.weight.copy_(torch.from_numpy(np.concatenate([reads, -reads])))
            layer.fc2.weight.copy_(torch.from_numpy(np.concatenate([writes, writes], axis=1)))
    model.save_pretrained(folder)
    words = ["<s>", "<pad>", "<unk>", *(f"word{i}" for i in range(WORDS))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found, draw = tmp_path_factory.mktemp("known_inputs"), random.Random(3)
    rows = [
        {
            "id": f"text-{i:02d}",
            "text": " ".join(f"word{w}" for w in draw.choices(range(WORDS), k=TOKENS)),
            "category": f"c{i % 2}",
        }
        for i in range(TEXTS)
    ]
    (found / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (found / "told.py").write_text(CLAIMS, encoding="utf-8")
    (found / "aside.py").write_text(ASIDE, encoding="utf-8")
    for name, constants in NETWORKS.items():
        save_network(found / name, **constants)
    return found


@pytest.fixture(scope="module")
def runs(folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """The claims' objects in run.json, by network and class name."""
    found = {}
    for network in NETWORKS:
        out = folder / f"{network} run"
        execute(
            collect([name for name, networks in ASKED_OF.items() if network in networks], folder),
            corpus=read_corpus(folder / "texts.jsonl"),
            recorder=load_model(str(folder / network), batch_size=8),
            settings=Settings(tokens=TOKENS, positions=POSITIONS, permutations=999, resamples=999),
            cwd=folder,
            out=out,
        )
        claims = json.loads((out / "run.json").read_bytes())["claims"]
        found[network] = {claim["id"].rpartition("::")[2]: claim for claim in claims}
    return found


Runs = dict[str, dict[str, dict[str, Any]]]


def accuracies(claim: dict[str, Any]) -> list[float]:
    """At the first layer and at the last one, as the sentence has them."""
    words = claim["sentence"].partition("Accuracy at 10 is ")[2].split()
    return [float(words[0]), float(words[5])]


def test_a_stream_that_keeps_its_input_tells_every_token_at_every_layer(runs: Runs) -> None:
    fades, told = runs["keeps"]["Fades"], runs["keeps"]["IsTold"]
    assert accuracies(fades) == [1.0, 1.0]
    assert fades["outcome"] == "inconclusive", "no text varies, so that there is no bound"
    assert fades["effect"] == pytest.approx(0, abs=1e-9)
    assert told["outcome"] == "supported", told["sentence"]
    assert "accuracy at 1 is 1.00" in told["sentence"]


def test_blocks_that_write_over_the_input_make_it_fade(runs: Runs) -> None:
    fades, sharpens = runs["forgets"]["Fades"], runs["forgets"]["Sharpens"]
    assert fades["outcome"] == "supported", fades["sentence"]
    first, last = accuracies(fades)
    assert first > 0.97 and last < first - 0.3
    assert fades["effect"] == pytest.approx(-sharpens["effect"], abs=0.08)  # folds are dealt by the claim's name
    assert sharpens["outcome"] == "refuted", sharpens["sentence"]


def test_what_was_lost_at_once_does_not_fade(runs: Runs) -> None:
    fades = runs["forgot"]["Fades"]
    assert fades["outcome"] == "refuted", fades["sentence"]
    assert max(accuracies(fades)) < 0.9


def test_the_input_is_found_in_what_the_unembedding_cares_little_about_where_it_was_put_there(runs: Runs) -> None:
    outside, inside = (runs[network]["IsPutAside"] for network in ("outside", "inside"))
    assert outside["outcome"] == "supported", outside["sentence"]
    assert outside["effect"] > 0.6
    assert inside["outcome"] == "refuted", inside["sentence"]
    assert inside["effect"] < -0.6
    assert not any("one matrix" in warning for warning in outside["warnings"] + inside["warnings"])


def test_tied_embeddings_are_warned_of(runs: Runs) -> None:
    assert any("one matrix" in warning for warning in runs["keeps"]["IsPutAside"]["warnings"])
