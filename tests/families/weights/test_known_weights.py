"""Two networks whose weights were set by hand: modules, token directions and token neurons in one, none in the other.

Tokens lie in clusters along directions of their own and differ in length inside a cluster. In the first network the MLP of
layer 0 falls into modules, the singular directions of what the heads of layer 0 write are the clusters' own, and the neurons
of layer 1 point at single tokens. The second network has the same numbers elsewhere: weights of that MLP are shuffled,
the heads write into the same subspaces along other directions, the neurons keep their lengths and point anywhere.
"""

from __future__ import annotations

import json
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
from modclaims.recording import Positions, Weights
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

Floats = NDArray[np.float64]
LAYERS, HEADS, WIDTH, NEURONS, PARTS = 3, 4, 32, 64, 4
DRAWS = 119
HEAD_WIDTH = WIDTH // HEADS
EACH = 12
"""Tokens of a cluster."""
TOKENS = 6
CLAIMS = '''
"""What is known of the weights, said as claims."""

from modclaims import OVDirections, QKDirections, TokenNeuronCongruence, WeightClusterability, along_depth, at


class Modules(WeightClusterability):
    """Some MLP falls into modules."""

    draws = 119
    clusters = 4
    others = (2, 3)


class ModulesByQ(Modules):
    """Some MLP falls into modules, by Newman's Q."""

    score = "modularity"


class ModulesOfEachNeuron(Modules):
    """Some MLP falls into modules, more than each neuron's own weights would make it."""

    null = "neuron"


class ModulesLater(Modules):
    """The MLPs of later layers fall into modules."""

    holds = at(1, 2)
    expect = "refuted"


class ModulesFade(Modules):
    """Modules fade along depth."""

    holds = along_depth("falls")


class HeadsWriteClusters(OVDirections):
    """What heads write speaks of tokens that belong together."""

    draws = 119
    tokens = 10


class HeadsWriteClustersBeyondFrequency(HeadsWriteClusters):
    """What heads write speaks of tokens that belong together, beyond how frequent they are."""

    beyond = "frequency"


class HeadsAskForNone(QKDirections):
    """What heads ask for speaks of tokens that belong together."""

    draws = 119
    tokens = 10


class NeuronsPoint(TokenNeuronCongruence):
    """Some layer's neurons point at tokens."""

    draws = 119
    largest = 2
'''


def orthogonal(rng: np.random.Generator, size: int) -> Floats:
    return np.asarray(np.linalg.qr(rng.standard_normal((size, size)))[0])


def token_table(rng: np.random.Generator) -> Floats:
    """(token, width): a cluster at each end of orthonormal directions, in random order, after three special tokens."""
    directions = orthogonal(rng, WIDTH)
    ends = np.concatenate([directions, -directions])
    lengths = rng.uniform(0.4, 1.6, (len(ends), EACH, 1))
    rows = (lengths * ends[:, None] + 0.02 * rng.standard_normal((len(ends), EACH, WIDTH))).reshape(-1, WIDTH)
    return np.concatenate([0.1 * rng.standard_normal((3, WIDTH)), rng.permutation(rows)])


def save_network(folder: Path, *, known: bool) -> Path:
    """The network in which all is known, or its twin in which nothing is."""
    rng, other = np.random.default_rng(29), np.random.default_rng(31)
    table = token_table(rng)
    directions = orthogonal(np.random.default_rng(29), WIDTH)
    config = OPTConfig(
        vocab_size=len(table),
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=NEURONS,
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
            gain = "norm" in name and name.endswith("weight")
            values = np.ones(parameter.shape) if gain else 0.1 * rng.standard_normal(parameter.shape)
            parameter.copy_(torch.from_numpy(values))
        model.model.decoder.embed_tokens.weight.copy_(torch.from_numpy(table))
        first, second = model.model.decoder.layers[:2]
        inside = np.arange(NEURONS)[:, None] % PARTS == np.arange(WIDTH) % PARTS
        for linear, mask in ((first.fc1, inside), (first.fc2, inside.T)):
            weight = rng.standard_normal(mask.shape) * np.where(mask, 1.0, 0.2)
            weight = weight if known else other.permutation(weight.ravel()).reshape(weight.shape)
            linear.weight.copy_(torch.from_numpy(weight))
        writes, reads = np.empty((WIDTH, WIDTH)), np.empty((WIDTH, WIDTH))
        for head in range(HEADS):
            mine = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
            clusters = directions[mine]
            # singular values are the head's sizes, singular directions the rows of `clusters`, or others of their span
            turn = np.eye(HEAD_WIDTH) if known else orthogonal(other, HEAD_WIDTH)
            writes[:, mine] = (turn @ clusters).T * np.linspace(2, 1, HEAD_WIDTH)
            reads[mine] = orthogonal(rng, WIDTH)[:HEAD_WIDTH]
        first.self_attn.out_proj.weight.copy_(torch.from_numpy(writes))
        first.self_attn.v_proj.weight.copy_(torch.from_numpy(reads))
        aimed = table[rng.choice(len(table), NEURONS, replace=False)]
        drawn = other.standard_normal(aimed.shape)
        lengths = np.linalg.norm(aimed, axis=1, keepdims=True) / np.linalg.norm(drawn, axis=1, keepdims=True)
        second.fc1.weight.copy_(torch.from_numpy(aimed if known else lengths * drawn))
    model.save_pretrained(folder)
    words = ["<s>", "<pad>", "<unk>", *(f"word{i}" for i in range(len(table) - 3))]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known_weights")
    for name, known in (("known", True), ("twin", False)):
        save_network(found / name, known=known)
    rows = [{"id": f"t{i}", "text": " ".join(f"word{7 * i + k}" for k in range(8))} for i in range(4)]
    (found / "texts.jsonl").write_text(
        "".join(json.dumps(row | {"category": f"c{i % 2}"}) + "\n" for i, row in enumerate(rows)), "utf-8"
    )
    (found / "claims.py").write_text(CLAIMS, encoding="utf-8")
    return found


def run(folder: Path, network: str) -> dict[str, dict[str, Any]]:
    """The claims' objects in run.json, by class name."""
    out = folder / f"{network} run"
    execute(
        collect(["claims.py"], folder),
        corpus=read_corpus(folder / "texts.jsonl"),
        recorder=load_model(str(folder / network)),
        settings=Settings(tokens=TOKENS, positions="last:1:1", resamples=999, correction="none"),
        cwd=folder,
        out=out,
    )
    claims = json.loads((out / "run.json").read_bytes())["claims"]
    return {claim["id"].rpartition("::")[2]: claim for claim in claims}


@pytest.fixture(scope="module")
def known(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "known")


@pytest.fixture(scope="module")
def twin(folder: Path) -> dict[str, dict[str, Any]]:
    return run(folder, "twin")


def test_both_networks_have_the_same_numbers_where_the_twin_has_them_elsewhere(folder: Path) -> None:
    requests = [Weights("mlp_in"), Weights("mlp_out"), Weights("o")]
    corpus = read_corpus(folder / "texts.jsonl")
    ours, theirs = (
        load_model(str(folder / name)).record(corpus, requests, tokens=TOKENS, positions=Positions("last:1:1"))
        for name in ("known", "twin")
    )
    for request in requests[:2]:
        one, other = (np.sort(r.array(request, 0), axis=None) for r in (ours, theirs))
        np.testing.assert_array_equal(one, other)
    for head in range(HEADS):
        mine = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
        one, other = (r.array(requests[2], 0)[:, mine] for r in (ours, theirs))
        np.testing.assert_allclose(*(np.linalg.svd(m, compute_uv=False) for m in (one, other)), atol=1e-5)
        np.testing.assert_allclose(*((b := np.linalg.qr(m)[0]) @ b.T for m in (one, other)), atol=1e-5)
    one, other = (np.linalg.norm(r.array(requests[0], 1), axis=1) for r in (ours, theirs))
    np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.parametrize(
    ("claim", "layer"),
    [
        ("Modules", 0),
        ("ModulesByQ", 0),
        ("ModulesOfEachNeuron", 0),
        ("HeadsWriteClusters", 0),
        ("HeadsWriteClustersBeyondFrequency", 0),
        ("NeuronsPoint", 1),
    ],
)
def test_what_was_planted_is_found_where_it_lies_and_not_in_the_twin(
    claim: str, layer: int, known: dict[str, dict[str, Any]], twin: dict[str, dict[str, Any]]
) -> None:
    found = known[claim]
    assert found["outcome"] == "supported", found["sentence"]
    assert found["best"]["layer"] == layer
    assert found["p"] == pytest.approx(1 / (1 + DRAWS))
    assert (found["n_texts"], found["n_units"], found["unit"]) == (0, DRAWS, "null object")
    assert "in this network" in found["sentence"]
    other = twin[claim]
    assert other["outcome"] == "refuted", other["sentence"]
    assert other["effect_high"] < other["smallest_effect"]


def test_modules_of_one_layer_are_none_of_the_others_and_fade(
    known: dict[str, dict[str, Any]], twin: dict[str, dict[str, Any]]
) -> None:
    assert known["ModulesLater"]["outcome"] == "refuted"
    assert known["ModulesFade"]["outcome"] == "supported"
    assert known["ModulesFade"]["p"] is None
    assert known["ModulesFade"]["effect_name"] == "rise of relative drop"
    assert twin["ModulesFade"]["outcome"] == "refuted"


def test_what_heads_ask_for_is_the_negative_control(known: dict[str, dict[str, Any]]) -> None:
    assert known["HeadsAskForNone"]["outcome"] == "refuted"
    assert known["HeadsAskForNone"]["as_expected"]


def test_nothing_is_said_of_more_texts(known: dict[str, dict[str, Any]], twin: dict[str, dict[str, Any]]) -> None:
    for claim in (*known.values(), *twin.values()):
        assert claim["texts_to_refute"] is claim["texts_to_support"] is None
        assert "text" not in claim["sentence"].partition("(somewhere")[0]
