"""Two networks whose streams are known: a category on one axis of the stream, and the same along no axis at all.

Blocks add nothing, so that the stream is the embedding of the token read. Every text has words of its own, whose
embeddings share a vector of the text; both vary alike in all directions. On top of it lies the level of the text's
category: along one coordinate in one network, along a random direction of the same length in the other.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from modclaims.corpus_files import read_corpus
from modclaims.lm.model import load_model
from modclaims.recording import Activations, Positions
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

Floats = NDArray[np.float64]

LAYERS, WIDTH, AXIS = 2, 48, 13
LEVELS = {"alder": -2.1, "birch": -0.7, "cedar": 0.7, "maple": 2.1}
TEXTS, OWN, SHARED = 14, 8, 4
"""Texts of a category, words of its own and words that others have too in each."""
TOKENS, POSITIONS = 1 + SHARED + OWN, "last:6:1"
COMMON = [f"common{i}" for i in range(40)]
CLAIMS = '''
"""What is known of the streams, said as claims."""

from modclaims import AxesAgainstRotations, AxisStreams


class OneAxisTells(AxisStreams):
    """Some axis of the stream tells categories apart."""

    untrained = 0


class SomeComponentTells(OneAxisTells):
    """Some principal component of the stream tells categories apart."""

    basis = "pca"
    components = 3
    splits = 5


class AxesTellMore(AxesAgainstRotations):
    """The axes of the stream tell categories apart better than random directions do."""

    rotations = 499
    splits = 10
'''


def own_words(category: str, number: int) -> list[str]:
    return [f"{category}{number}word{i}" for i in range(OWN)]


def texts() -> list[dict[str, str]]:
    """Rows of the corpus: first words that texts share, then the text's own."""
    draw = random.Random(0)
    return [
        {
            "id": f"{category}-{number}",
            "text": " ".join(draw.choices(COMMON, k=SHARED) + own_words(category, number)),
            "category": category,
        }
        for category in LEVELS
        for number in range(TEXTS)
    ]


def save_network(folder: Path, direction: Floats) -> Path:
    """An OPT that passes embeddings through, with the category's level along a direction."""
    rng = np.random.default_rng(17)
    rows = {word: rng.normal(size=WIDTH) for word in ("<s>", "<pad>", "<unk>", *COMMON)}
    for category, level in LEVELS.items():
        for number in range(TEXTS):
            shared = 0.6 * rng.normal(size=WIDTH)
            for word in own_words(category, number):
                rows[word] = shared + 0.4 * rng.normal(size=WIDTH) + level * direction
    config = OPTConfig(
        vocab_size=len(rows),
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    model = OPTForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        model.model.decoder.embed_tokens.weight.copy_(torch.from_numpy(np.stack(list(rows.values()))))
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(rows)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


def directions() -> dict[str, Floats]:
    drawn = np.random.default_rng(23).normal(size=WIDTH)
    return {"axis": np.eye(WIDTH)[AXIS], "slanted": drawn / np.linalg.norm(drawn)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known_streams")
    for name, direction in directions().items():
        save_network(found / name, direction)
    (found / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts()), encoding="utf-8")
    (found / "claims.py").write_text(CLAIMS, encoding="utf-8")
    return found


def run(folder: Path, network: str) -> dict[str, dict[str, Any]]:
    """The claims' objects in run.json, by class name."""
    out = folder / f"{network} run"
    execute(
        collect(["claims.py"], folder),
        corpus=read_corpus(folder / "texts.jsonl"),
        recorder=load_model(str(folder / network), batch_size=8),
        settings=Settings(tokens=TOKENS, positions=POSITIONS, permutations=999, resamples=999),
        cwd=folder,
        out=out,
    )
    claims = json.loads((out / "run.json").read_bytes())["claims"]
    return {claim["id"].rpartition("::")[2]: claim for claim in claims}


@pytest.fixture(scope="module")
def on_an_axis(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "axis")


@pytest.fixture(scope="module")
def slanted(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "slanted")


def test_the_stream_is_the_embedding_and_the_networks_differ_along_their_directions_alone(folder: Path) -> None:
    corpus, request = read_corpus(folder / "texts.jsonl"), Activations("resid_post")
    ours, theirs = (
        load_model(str(folder / name)).record(corpus, [request], tokens=TOKENS, positions=Positions(POSITIONS))
        for name in directions()
    )
    axis, other = directions().values()
    levels = np.array([LEVELS[t.labels["category"]] for t in corpus.texts])[:, None, None]
    for layer in range(LAYERS):
        np.testing.assert_array_equal(ours.array(request, layer), ours.array(request, 0))
        apart = ours.array(request, layer) - theirs.array(request, layer)
        np.testing.assert_allclose(apart, np.broadcast_to(levels * (axis - other), apart.shape), atol=1e-5)


def test_no_two_texts_share_a_word_that_is_read() -> None:
    last = [row["text"].split()[-6:] for row in texts()]
    assert len({word for words in last for word in words}) == 6 * len(last)


def test_the_axis_that_carries_the_category_is_named(on_an_axis: dict[str, dict[str, Any]]) -> None:
    claim = on_an_axis["OneAxisTells"]
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["best"]["axis"] == AXIS
    assert claim["n_cells"] == LAYERS * WIDTH


def test_an_axis_that_carries_the_category_beats_random_directions(on_an_axis: dict[str, dict[str, Any]]) -> None:
    claim = on_an_axis["AxesTellMore"]
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["p"] <= 0.01
    assert claim["effect"] > 0.2
    assert f"axis {AXIS} was picked most often there, in 10 of 10 splits" in claim["sentence"]


def test_a_category_along_no_axis_is_found_by_principal_components(slanted: dict[str, dict[str, Any]]) -> None:
    claim = slanted["SomeComponentTells"]
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["best"]["axis"] == 0
    assert claim["effect"] > 0.5


def test_axes_do_not_beat_random_directions_where_the_category_lies_along_none(
    slanted: dict[str, dict[str, Any]],
) -> None:
    claim = slanted["AxesTellMore"]
    assert claim["outcome"] != "supported", claim["sentence"]
    assert claim["p"] > 0.05
    assert claim["effect"] < 0.1


def test_principal_components_find_the_category_wherever_it_lies(
    on_an_axis: dict[str, dict[str, Any]], slanted: dict[str, dict[str, Any]]
) -> None:
    """They do not know the axes: the two networks' streams are nearly a rotation of each other."""
    one, other = (run["SomeComponentTells"] for run in (on_an_axis, slanted))
    assert one["outcome"] == other["outcome"] == "supported"
    assert one["effect"] == pytest.approx(other["effect"], abs=0.1)
