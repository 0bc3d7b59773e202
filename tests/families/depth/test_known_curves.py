"""Four networks whose curves along depth are known, through the front door: attention parked on the first token in the
middle layers, and in all alike; a stream that is turned in phases, and along a straight line.

Weights are set by hand. Queries are the same for every token, and keys read one coordinate of the stream, another in each
layer, where the first token stands out; values are zero, so that attention adds nothing. MLPs add one vector each.
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

LAYERS, HEADS, WIDTH = 8, 2, 32
TEXTS, TOKENS, POSITIONS = 14, 64, "last:8:4"
PARKED, SPREAD = 2.2, 0.5
"""Scores by which the first token stands out, in units of its coordinate."""
WAVERING = 1.4
"""A score at which some texts' heads are sinks and others are not."""
MIDDLE = range(3, 7)
CLAIMS = '''
"""What is known of the curves, said as claims."""

from modclaims import AttentionSinks, FirstTokenAttention, ResidualPhases


class ParkedInTheMiddle(FirstTokenAttention):
    """Middle layers park their attention on the first token."""


class ParkedThere(ParkedInTheMiddle):
    """Layers 3 to 6 park their attention on the first token."""

    named = (3, 6)
    untrained = 0


class ManySinks(AttentionSinks):
    """At least a tenth of all heads are sinks."""

    untrained = 0


class ThreePhases(ResidualPhases):
    """The stream is turned early, refined, and turned once more."""

    untrained = 0
'''


def save_network(folder: Path, scores: Floats, turns: Floats) -> None:
    """An OPT by layer: how the first token stands out in scores, and how far the MLP's vector reaches, in a direction of
    its own, relative to the stream's length."""
    rng = np.random.default_rng(3)
    first = np.where(np.arange(WIDTH) < LAYERS, 3.0, -1.0)
    rows = {"<s>": first, "<pad>": np.ones(WIDTH), "<unk>": np.ones(WIDTH)}
    for text in range(TEXTS):
        shared = rng.normal(size=WIDTH) * 0.5
        for word in words(text):
            row = shared + rng.normal(size=WIDTH)
            row[:LAYERS] *= 0.25
            rows[word] = row
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
    unit = WIDTH // HEADS
    length = np.sqrt(WIDTH)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
        model.model.decoder.embed_tokens.weight.copy_(torch.from_numpy(np.stack(list(rows.values()))))
        for layer, block in enumerate(model.model.decoder.layers):
            block.self_attn.q_proj.bias[::unit] = float(scores[layer] * np.sqrt(unit))
            block.self_attn.k_proj.weight[::unit, layer] = 1.0
            block.fc2.bias[LAYERS + layer] = float(turns[layer] * length)
            length *= np.sqrt(1 + turns[layer] ** 2)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(rows)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


def words(text: int) -> list[str]:
    return [f"text{text}word{i}" for i in range(20)]


def networks() -> dict[str, tuple[Floats, Floats]]:
    layer, still = np.arange(LAYERS), np.zeros(LAYERS)
    middle = np.isin(layer, list(MIDDLE))
    slope = np.tan(np.arccos(0.6 + 0.04 * layer))
    return {
        "parked": (np.where(middle, PARKED, SPREAD), still),
        "even": (np.full(LAYERS, WAVERING), still),
        "phased": (still, np.where(middle, 0.2, 1.0)),
        "sloped": (still, slope),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known_curves")
    for name, made in networks().items():
        save_network(found / name, *made)
    draw = random.Random(1)
    rows = [
        {"id": f"t{i:02d}", "text": " ".join(draw.choices(words(i), k=TOKENS)), "category": f"c{i % 2}"}
        for i in range(TEXTS)
    ]
    (found / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (found / "claims.py").write_text(CLAIMS, encoding="utf-8")
    return found


def run(folder: Path, network: str, *claims: str, tokens: int = TOKENS, **options: Any) -> dict[str, dict[str, Any]]:
    """The claims' objects in run.json, by class name."""
    out = folder / f"{network} {'-'.join(claims)} {tokens}"
    settings = {"positions": POSITIONS, "permutations": 1999, "resamples": 1999, **options}
    execute(
        collect([f"claims.py::{claim}" for claim in claims], folder),
        corpus=read_corpus(folder / "texts.jsonl"),
        recorder=load_model(str(folder / network), batch_size=7),
        settings=Settings(tokens=tokens, **settings),
        cwd=folder,
        out=out,
    )
    body = json.loads((out / "run.json").read_bytes())
    return {claim["id"].rpartition("::")[2]: claim for claim in body["claims"]}


ATTENTION = ("ParkedInTheMiddle", "ParkedThere", "ManySinks")


@pytest.fixture(scope="module")
def parked(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "parked", *ATTENTION)


@pytest.fixture(scope="module")
def even(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "even", *ATTENTION)


def test_the_first_tokens_share_is_the_one_that_the_weights_give(folder: Path) -> None:
    request = Activations("attn_pattern", None, "first")
    recording = load_model(str(folder / "parked")).record(
        read_corpus(folder / "texts.jsonl"),
        [request, Activations("resid_pre")],
        tokens=TOKENS,
        positions=Positions("0:64:1"),
    )
    for layer, score in enumerate(networks()["parked"][0]):
        x = recording.array(Activations("resid_pre"), layer).astype(float)
        z = (x - x.mean(axis=2, keepdims=True)) / np.sqrt(x.var(axis=2, keepdims=True) + 1e-5)
        weight = np.exp(score * z[:, :, layer])
        share = weight[:, :1] / np.cumsum(weight, axis=1)
        found = recording.array(request, layer)
        assert found.shape == (TEXTS, TOKENS, HEADS)
        np.testing.assert_allclose(found, np.repeat(share[:, :, None], HEADS, axis=2), atol=1e-5)


def test_the_middle_that_parks_its_attention_is_found(parked: dict[str, dict[str, Any]]) -> None:
    claim = parked["ParkedInTheMiddle"]
    assert claim["outcome"] == "supported", claim["sentence"]
    assert (claim["best"]["layer"], claim["best"]["last_layer"]) == (MIDDLE[0], MIDDLE[-1])
    assert claim["best_words"] == "layers 3 to 6"
    assert "the middle at layer 3 in 100 % and the last chunk at layer 7 in 100 %" in claim["sentence"]
    assert claim["effect"] > 0.2
    assert {c["name"] for c in claim["controls"]} == {"held_out", "untrained_baseline"}
    twin = next(c for c in claim["controls"] if c["name"] == "untrained_baseline")
    assert twin["numbers"]["low"] > 0.2 and max(np.abs(twin["numbers"]["untrained"])) < 0.02


def test_a_middle_named_in_advance_pays_for_no_search(parked: dict[str, dict[str, Any]]) -> None:
    searched, named = parked["ParkedInTheMiddle"], parked["ParkedThere"]
    assert (named["outcome"], named["n_cells"]) == ("supported", 1)
    assert named["effect"] == pytest.approx(searched["effect"])
    assert named["effect_low"] >= searched["effect_low"] - 0.005


def test_layers_that_attend_alike_are_refuted(even: dict[str, dict[str, Any]]) -> None:
    for name in ("ParkedInTheMiddle", "ParkedThere"):
        assert even[name]["outcome"] == "refuted", even[name]["sentence"]
        assert abs(even[name]["effect"]) < 0.08


def test_sinks_are_the_heads_of_the_middle(parked: dict[str, dict[str, Any]]) -> None:
    """The same ones in every text: the bootstrap has nothing to say, and the law of means bounds them by itself."""
    claim = parked["ManySinks"]
    assert claim["effect"] == len(MIDDLE) / LAYERS
    assert claim["outcome"] == "supported"
    # n texts of numbers from 0 to 1, all of them u, were their mean q: exp(-n KL(u || q)) at most
    u, q, n = len(MIDDLE) / LAYERS, claim["smallest_effect"], claim["n_texts"]
    likelihood = u * np.log(u / q) + (1 - u) * np.log((1 - u) / (1 - q))
    assert claim["p_plus"] == pytest.approx(np.exp(-n * likelihood))


def test_heads_that_are_sinks_in_some_texts_are_counted(folder: Path, even: dict[str, dict[str, Any]]) -> None:
    request = Activations("attn_pattern")
    recording = load_model(str(folder / "even")).record(
        read_corpus(folder / "texts.jsonl"), [request], tokens=TOKENS, positions=Positions("0:64:1")
    )
    shares = np.stack([recording.array(request, layer)[..., 0].mean(axis=1) for layer in range(LAYERS)])
    assert 0.15 < (shares > 0.3).mean() < 0.85
    claim = even["ManySinks"]
    assert claim["effect"] == pytest.approx((shares > 0.3).mean())
    assert claim["outcome"] == "supported", claim["sentence"]


def test_phases_are_told_from_a_straight_line(folder: Path) -> None:
    phased, sloped = (run(folder, name, "ThreePhases")["ThreePhases"] for name in ("phased", "sloped"))
    assert phased["outcome"] == "supported", phased["sentence"]
    assert phased["effect"] > 0.8
    assert "in layers 0 to 2" in phased["sentence"] and "in layer 7" in phased["sentence"]
    assert sloped["outcome"] == "refuted", sloped["sentence"]
    assert sloped["effect"] < 0


def test_positions_that_a_claim_declares_are_its_own_fault(folder: Path) -> None:
    found = run(folder, "phased", "ManySinks", "ThreePhases", tokens=48, positions="last:4:4")
    assert found["ManySinks"]["outcome"] == "error"
    assert "Position 63 of '0:64:1' lies beyond the 48 tokens" in found["ManySinks"]["message"]
    assert found["ThreePhases"]["outcome"] == "supported"


def test_queries_among_the_first_tokens_carry_no_claim(folder: Path) -> None:
    found = run(folder, "parked", "ParkedThere", tokens=40, positions="20:32:1")["ParkedThere"]
    assert found["outcome"] == "error"
    assert "leaves out the first 32 tokens, and the run reads nothing after position 31" in found["message"]
