"""Two networks whose levels, magnitudes, spectra and axes are known, through the front door.

Blocks add so little to the stream that it stays the embedding of the token read. Attention is even, so that a head puts out
the mean of what it reads of the tokens so far, times a gain; what the block adds has one vector in common, of one length a
layer. MLPs are linear (their neurons are never silent), each with a matrix of a given spectrum. In the first network gains
and common vectors differ by layer and spectra have a step, words share a vector of their text, and the category lies along
axis 13; in the second the same gains differ by head, all layers are alike, spectra are flat, words share nothing, and the
category lies along axis 5.
"""

from __future__ import annotations

import json
import random
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

from modclaims.corpus_files import read_corpus
from modclaims.families.depth.head_magnitudes import between_layers
from modclaims.lm.model import load_model
from modclaims.recording import Activations, Jacobian, Positions
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

Floats = NDArray[np.float64]
LAYERS, HEADS, WIDTH = 6, 4, 32
HEAD = WIDTH // HEADS
LEVELS = {"alder": -2.1, "birch": -0.7, "cedar": 0.7, "maple": 2.1}
TEXTS, OWN, SHARED = 8, 12, 4
"""Texts of a category, words of its own and words that others have too in each."""
TOKENS, POSITIONS = 1 + SHARED + OWN, "last:6:2"
COMMON_WORDS = [f"common{i}" for i in range(40)]
TINY = 1e-3
CURVE = np.array([2.0, 2.0, 0.0, 0.0, 0.0, 1.5])
"""log2 of gains, by layer or by head."""
BESIDE = np.linspace(-0.2, 0.2, HEADS)
STEP, LEADING = 1.5, 4
"""Orders of magnitude by which so many values of each token stand above the others."""
CLAIMS = '''
"""What is known of the networks, said as claims."""

from modclaims import AxisStreams, HeadMagnitudes, LeadingValues, QuietMiddle, SimilarityLevels, at, everywhere


class EndsAlike(SimilarityLevels):
    """Different texts are more alike in the first and last layer than in the middle."""

    named = (0, -1)
    rest = "middle"


class MiddleAlike(EndsAlike):
    """They are more alike in the middle."""

    named = "middle"
    rest = None
    untrained = 0


class SameTextMore(SimilarityLevels):
    """In every layer positions of one text are more alike than those of others."""

    site = "resid_post"
    level = "same_text"
    against = "other_text"
    holds = everywhere()
    untrained = 0


class OfLayers(HeadMagnitudes):
    """How much a head puts out is a matter of its layer."""


class Quiet(QuietMiddle):
    """Middle layers put out less."""

    untrained = 0


class FirstValues(LeadingValues):
    """The first values of some MLP's Jacobian stand above the rest."""

    leading = 8


class AxisThirteen(AxisStreams):
    """Axis 13 carries the category."""

    axes = (13,)
    untrained = 0


class OneOfTwo(AxisThirteen):
    """Axis 5 or 13 carries the category."""

    axes = (13, 5)
'''


def own_words(category: str, number: int) -> list[str]:
    return [f"{category}{number}word{i}" for i in range(OWN)]


def texts() -> list[dict[str, str]]:
    draw = random.Random(0)
    return [
        {
            "id": f"{category}-{number}",
            "text": " ".join(draw.choices(COMMON_WORDS, k=SHARED) + own_words(category, number)),
            "category": category,
        }
        for category, number in product(LEVELS, range(TEXTS))
    ]


def embeddings(first: bool) -> dict[str, Floats]:
    """By word."""
    rng = np.random.default_rng(17)
    rows = {word: rng.normal(size=WIDTH) for word in ("<s>", "<pad>", "<unk>", *COMMON_WORDS)}
    for category, number in product(LEVELS, range(TEXTS)):
        shared = rng.normal(size=WIDTH)
        for word in own_words(category, number):
            rows[word] = rng.normal(size=WIDTH) + (shared if first else 0.0)
            rows[word][13 if first else 5] += LEVELS[category]
    return rows


def gains(first: bool) -> Floats:
    """(layer, head)."""
    by_layer, by_head = (CURVE, BESIDE) if first else (np.zeros(LAYERS), np.linspace(-1.5, 1.5, HEADS))
    return np.asarray(2 ** (by_layer[:, None] + by_head))


def common(first: bool) -> Floats:
    """(layer,) length of the vector that all attention outputs have in common."""
    return np.array([9.0, 9, 0, 0, 0, 9]) if first else np.full(LAYERS, 4.0)


def orthogonal(rng: np.random.Generator) -> Floats:
    return np.asarray(np.linalg.qr(rng.normal(size=(WIDTH, WIDTH)))[0])


def save_network(folder: Path, first: bool) -> None:
    rng, rows = np.random.default_rng(5), embeddings(first)
    config = OPTConfig(
        vocab_size=len(rows),
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
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
        for layer, block in enumerate(model.model.decoder.layers):
            gain = np.repeat(gains(first)[layer], HEAD)
            block.self_attn.v_proj.weight.copy_(torch.from_numpy(gain[:, None] * orthogonal(rng)))
            block.self_attn.out_proj.weight.copy_(torch.from_numpy(TINY * orthogonal(rng) / gain))
            direction = rng.normal(size=WIDTH)
            shift = TINY * common(first)[layer] * direction / np.linalg.norm(direction)
            block.self_attn.out_proj.bias.copy_(torch.from_numpy(shift))
            sizes = np.where(np.arange(WIDTH) < LEADING, 1.0, 10**-STEP) if first else np.ones(WIDTH)
            block.fc1.weight.copy_(torch.from_numpy(orthogonal(rng) * sizes @ orthogonal(rng)))
            block.fc1.bias.fill_(10.0)
            block.fc2.weight.copy_(torch.from_numpy(TINY * np.eye(WIDTH)))
            block.fc2.bias.fill_(-10.0 * TINY)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(rows)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known_levels")
    for name in ("first", "second"):
        save_network(found / name, name == "first")
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
        settings=Settings(tokens=TOKENS, positions=POSITIONS, permutations=999, resamples=1999),
        cwd=folder,
        out=out,
    )
    claims = json.loads((out / "run.json").read_bytes())["claims"]
    return {claim["id"].rpartition("::")[2]: claim for claim in claims}


@pytest.fixture(scope="module")
def first(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "first")


@pytest.fixture(scope="module")
def second(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "second")


def recorded(folder: Path, network: str, request: Any, positions: str = POSITIONS) -> Any:
    return load_model(str(folder / network)).record(
        read_corpus(folder / "texts.jsonl"), [request], tokens=TOKENS, positions=Positions(positions)
    )


def beside(claim: dict[str, Any]) -> dict[str, float]:
    return {row["name"]: row["value"] for row in claim["secondary"]}


@pytest.mark.parametrize("network", ["first", "second"])
def test_the_networks_are_what_they_are_said_to_be(folder: Path, network: str) -> None:
    """The stream is the embedding, heads average what they read, and spectra are those of the matrices."""
    rows, stream = embeddings(network == "first"), Activations("resid_post")
    found = recorded(folder, network, stream, "0:17:1")
    for i in (0, 9, 31):
        expected = np.stack([rows[word] for word in ["<s>", *texts()[i]["text"].split()]])
        for layer in range(LAYERS):
            np.testing.assert_allclose(found.array(stream, layer)[i], expected, atol=0.15)
    heads = recorded(folder, network, Activations("head_z", None, "norm")).array(Activations("head_z", None, "norm"), 3)
    z = (expected - expected.mean(axis=1, keepdims=True)) / expected.std(axis=1, keepdims=True)
    whole = np.sqrt(((heads[31, -1] / gains(network == "first")[3]) ** 2).sum())
    assert whole == pytest.approx(np.linalg.norm(z.mean(axis=0)), rel=0.1)
    jacobian = Jacobian("mlp", 2, answer="values", texts=6)
    values = recorded(folder, network, jacobian).array(jacobian, 2)
    low = np.median(values[:, 2 * LEADING : 50], axis=1)
    step = np.log10(values[:, : 2 * LEADING - 2].mean(axis=1) / low)
    np.testing.assert_allclose(step, STEP if network == "first" else 0.0, atol=0.25)


def test_levels_by_layer_are_those_of_the_common_vector(
    first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]
) -> None:
    claim = first["EndsAlike"]
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["effect"] > 0.5
    untrained = claim["controls"][0]["numbers"]
    assert untrained["low"] > 0.2
    assert first["MiddleAlike"]["outcome"] == "refuted"
    for name in ("EndsAlike", "MiddleAlike"):
        assert second[name]["outcome"] == "refuted", second[name]["sentence"]
        assert abs(second[name]["effect"]) < 0.08


def by_hand(network: str) -> float:
    """Mean cosine of embeddings at different positions read, of one text minus of two."""
    rows = embeddings(network == "first")
    read = [["<s>", *row["text"].split()][-11::2] for row in texts()]
    units = [[rows[w] / np.linalg.norm(rows[w]) for w in words] for words in read]
    same, other = [], []
    for (i, a), (j, b) in product(enumerate(units), repeat=2):
        values = [x @ y for p, x in enumerate(a) for q, y in enumerate(b) if p != q]
        (same if i == j else other).append(np.mean(values))
    return float(np.mean(same) - np.mean(other))


def test_positions_of_one_text_are_alike_where_its_words_share_a_vector(
    first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]
) -> None:
    assert first["SameTextMore"]["outcome"] == "supported", first["SameTextMore"]["sentence"]
    assert second["SameTextMore"]["outcome"] == "refuted", second["SameTextMore"]["sentence"]
    for name, found in (("first", first), ("second", second)):
        assert found["SameTextMore"]["effect"] == pytest.approx(by_hand(name), abs=0.01)


def test_magnitudes_are_a_matter_of_layers_where_gains_are(
    folder: Path, first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]
) -> None:
    assert first["OfLayers"]["outcome"] == "supported", first["OfLayers"]["sentence"]
    assert second["OfLayers"]["outcome"] == "refuted", second["OfLayers"]["sentence"]
    for found, mine in ((first, True), (second, False)):
        share = float(between_layers(np.log2(gains(mine))[None])[0])
        assert found["OfLayers"]["effect"] == pytest.approx(share, abs=0.15)


def test_a_quiet_middle_is_found_where_gains_are_small_there(
    first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]
) -> None:
    claim = first["Quiet"]
    assert claim["outcome"] == "supported", claim["sentence"]
    assert (claim["best"]["layer"], claim["best"]["last_layer"]) == (2, 4)
    assert claim["effect"] == pytest.approx(1.5, abs=0.25)
    assert second["Quiet"]["outcome"] == "refuted", second["Quiet"]["sentence"]
    assert abs(second["Quiet"]["effect"]) < 0.3


def test_leading_values_are_told_from_a_flat_spectrum(
    first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]
) -> None:
    claim = first["FirstValues"]
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["effect"] == pytest.approx(STEP, abs=0.2)
    assert {c["name"] for c in claim["controls"]} == {"gaussian_null", "untrained_null"}
    assert all(c["numbers"]["highest"] < 1 for c in claim["controls"])
    assert second["FirstValues"]["outcome"] == "refuted", second["FirstValues"]["sentence"]
    assert second["FirstValues"]["effect"] < 0.3


def test_only_the_axis_that_carries_the_category_is_supported(
    first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]]
) -> None:
    assert first["AxisThirteen"]["outcome"] == "supported", first["AxisThirteen"]["sentence"]
    assert first["AxisThirteen"]["n_cells"] == LAYERS
    assert second["AxisThirteen"]["outcome"] != "supported" and second["AxisThirteen"]["p"] > 0.05
    assert [found["OneOfTwo"]["best"]["axis"] for found in (first, second)] == [13, 5]
    assert first["OneOfTwo"]["outcome"] == second["OneOfTwo"]["outcome"] == "supported"
