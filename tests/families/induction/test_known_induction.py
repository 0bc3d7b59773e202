"""Two networks whose induction heads are known, through the front door: one made of two heads that copy, and its twin in
which the first of them says nothing.

Weights are set by hand. The stream holds every quantity twice, as +x and -x, so that LayerNorm's mean is zero, and one
large constant that fixes its length. A head of layer 0 looks one place back and notes which token stands there; one of
layer 1 looks for where its own token was noted, and copies the token there. Two more heads of layer 1 look at all tokens
alike and write what is of no account, and what markers say of their topic.
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
from modclaims.families.common.copying import PAID, READ, SCORES, Copying
from modclaims.lm.model import load_model
from modclaims.recording import Activations, Positions
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

Floats = NDArray[np.float64]

LAYERS, HEADS, CONTEXT = 2, 4, 96
TEXTS, TOKENS, READ_AT = 14, 72, "last:8:1"
BALLAST = 100.0
WAVES, TOKEN_ROOM, SMALL_ROOM = 48, 32, 8
ROOMS = {
    "ballast": 1,
    "place": 2 * WAVES,
    "token": TOKEN_ROOM,
    "opening": 1,
    "previous": TOKEN_ROOM,
    "copied": TOKEN_ROOM,
}
ROOMS |= {"filler": SMALL_ROOM, "topic": 4, "noise": SMALL_ROOM, "answer": 4}
STARTS = dict(zip(ROOMS, np.cumsum([0, *ROOMS.values()]).tolist(), strict=False))
QUANTITIES = -(-sum(ROOMS.values()) // 2) * 2
WIDE, HEAD_WIDTH = 2 * QUANTITIES, 2 * QUANTITIES // HEADS
SHARP = 40.0
"""By how much a score stands out where a head finds what it looks for."""
CATEGORIES = ("alder", "birch")
FOLLOWERS = {"common": [f"common{i}" for i in range(10)], **{c: [f"{c}{i}" for i in range(3)] for c in CATEGORIES}}
MARKERS = {c: [f"{c}topic{i}" for i in range(5)] for c in CATEGORIES}
ORDINARY = [f"word{i}" for i in range(150)]
CLAIMS = '''
"""What is known of the networks, said as claims."""

from modclaims import CategoryClustering, InductionExplanation, InductionHeads, at


class SomeHeadCopies(InductionHeads):
    """Some head attends like an induction head."""


class Alike(CategoryClustering):
    """Texts of a category look alike in layer 1."""

    holds = at(1)
    untrained = 0


class AlikeBeyondCopies(InductionExplanation):
    """Texts of a category look alike in layer 1 beyond what induction heads copy."""

    holds = at(1)
    untrained = 0
'''


def room(name: str) -> slice:
    return slice(STARTS[name], STARTS[name] + ROOMS[name])


WRITE: Floats = np.concatenate([np.eye(QUANTITIES), -np.eye(QUANTITIES)])
READ_OFF: Floats = WRITE.T / 2


def save_network(folder: Path, *, noting: bool = True) -> None:
    """The network and its tokenizer; without `noting` no token is told what stands before it."""
    followers = [word for group in FOLLOWERS.values() for word in group]
    vocabulary = ["<s>", "<pad>", "<unk>", *followers, *(w for group in MARKERS.values() for w in group), *ORDINARY]
    rng = np.random.default_rng(5)
    table = np.zeros((len(vocabulary), QUANTITIES))
    directions = rng.standard_normal((len(vocabulary), TOKEN_ROOM))
    directions[3 : 3 + len(followers)] = np.eye(TOKEN_ROOM)[: len(followers)]
    table[:, room("token")] = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    table[0, room("token")], table[0, room("opening")] = 0.0, 1.0
    for i, word in enumerate(vocabulary[3 + len(followers) :], start=3 + len(followers)):
        table[i, room("filler")] = rng.standard_normal(SMALL_ROOM)
        for axis, category in enumerate(CATEGORIES):
            if word in MARKERS[category]:
                table[i, STARTS["topic"] + axis] = rng.uniform(0.8, 1.2)
    config = OPTConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDE,
        word_embed_proj_dim=WIDE,
        ffn_dim=8,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    model = OPTForCausalLM(config).eval()
    frequencies = np.pi * (np.arange(WAVES) + 0.5) / WAVES  # orthogonal at all distances below 2 * WAVES
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(BALLAST / QUANTITIES**0.5 if "norm" in name and name.endswith("weight") else 0.0)
        decoder = model.model.decoder
        _set(decoder.embed_tokens.weight, table @ WRITE.T)
        places = np.zeros((len(decoder.embed_positions.weight), QUANTITIES))
        angles = np.outer(np.arange(len(places)), frequencies)
        places[:, 0] = BALLAST
        places[:, room("place")] = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) / np.sqrt(WAVES)
        _set(decoder.embed_positions.weight, places @ WRITE.T)
        _note(decoder.layers[0].self_attn, frequencies, noting)
        _copy(decoder.layers[1].self_attn)
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


def _note(attention: torch.nn.Module, frequencies: Floats, noting: bool) -> None:
    """Head 0 of layer 0 looks one place back, and writes the token there into the room for previous ones."""
    q, k, v, o = (np.zeros((WIDE, QUANTITIES)) for _ in range(4))
    back = np.zeros((2 * WAVES, 2 * WAVES))
    turn, first, second = frequencies, np.arange(WAVES), WAVES + np.arange(WAVES)
    back[first, first] = back[second, second] = np.cos(turn)
    back[first, second], back[second, first] = np.sin(turn), -np.sin(turn)
    q[: 2 * WAVES, room("place")] = SHARP * HEAD_WIDTH**0.5 * back
    k[: 2 * WAVES, room("place")] = np.eye(2 * WAVES)
    v[:TOKEN_ROOM, room("token")] = np.eye(TOKEN_ROOM)
    if noting:
        o[:TOKEN_ROOM, room("previous")] = np.eye(TOKEN_ROOM)
    _set_all(attention, q, k, v, o)


def _copy(attention: torch.nn.Module) -> None:
    """Head 0 of layer 1 copies what followed its own token, or rests on the opening token; 1 and 2 look at all alike."""
    q, k, v, o = (np.zeros((WIDE, QUANTITIES)) for _ in range(4))
    bias = np.zeros(WIDE)
    q[:TOKEN_ROOM, room("token")] = SHARP * HEAD_WIDTH**0.5 * np.eye(TOKEN_ROOM)
    k[:TOKEN_ROOM, room("previous")] = np.eye(TOKEN_ROOM)
    bias[TOKEN_ROOM], k[TOKEN_ROOM, STARTS["opening"]] = 0.85 * SHARP * HEAD_WIDTH**0.5, 1.0
    v[:TOKEN_ROOM, room("token")] = np.eye(TOKEN_ROOM)
    o[:TOKEN_ROOM, room("copied")] = np.eye(TOKEN_ROOM)
    for head, (read, written, gain) in enumerate((("filler", "noise", 2.5), ("topic", "answer", 10.0)), start=1):
        mine = slice(head * HEAD_WIDTH, head * HEAD_WIDTH + ROOMS[read])
        v[mine, room(read)] = np.eye(ROOMS[read])
        o[mine, room(written)] = gain * np.eye(ROOMS[read])
    _set_all(attention, q, k, v, o)
    _set(attention.q_proj.bias, bias)


def _set_all(attention: torch.nn.Module, q: Floats, k: Floats, v: Floats, o: Floats) -> None:
    for name, matrix in (("q_proj", q), ("k_proj", k), ("v_proj", v)):
        _set(getattr(attention, name).weight, matrix @ READ_OFF)
    _set(attention.out_proj.weight, WRITE @ o.T)


def _set(parameter: torch.Tensor, values: Floats) -> None:
    parameter.copy_(torch.from_numpy(values))


def texts(of: str) -> list[dict[str, str]]:
    """Pairs of words, whose first ones come again at the end; `copies` puts a category's own words behind them, `topics`
    its markers among the words that do not come again."""
    draw, rows = random.Random(of), []
    for number in range(2 * TEXTS):
        category = CATEGORIES[number % 2]
        ordinary = draw.sample(ORDINARY, 60)
        cues, rest = ordinary[:8], ordinary[8:]
        own = FOLLOWERS[category] if of == "copies" else []
        pairs = [[cue, draw.choice(own if own and draw.random() < 0.8 else FOLLOWERS["common"])] for cue in cues]
        if of == "topics":
            rest[:4] = draw.sample(MARKERS[category], 4)
        parts = [*pairs, *([word] for word in rest[: TOKENS - 1 - 24])]
        draw.shuffle(parts)
        body = " ".join([word for part in parts for word in part] + cues)
        rows.append({"id": f"{category}-{number:02d}", "text": body, "category": category})
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known_induction")
    save_network(found / "copying")
    save_network(found / "mute", noting=False)
    for of in ("copies", "topics"):
        (found / f"{of}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts(of)), encoding="utf-8")
    (found / "claims.py").write_text(CLAIMS, encoding="utf-8")
    return found


def run(folder: Path, network: str, of: str, *claims: str) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """The claims' objects in run.json, by class name, and how the run was made."""
    out = folder / f"{network} {of} {'-'.join(claims)}"
    execute(
        collect([f"claims.py::{claim}" for claim in claims], folder),
        corpus=read_corpus(folder / f"{of}.jsonl"),
        recorder=load_model(str(folder / network), batch_size=12),
        settings=Settings(tokens=TOKENS, positions=READ_AT, permutations=1999, resamples=1999),
        cwd=folder,
        out=out,
    )
    body = json.loads((out / "run.json").read_bytes())
    return {claim["id"].rpartition("::")[2]: claim for claim in body["claims"]}, body["made"]


CLUSTERING = ("Alike", "AlikeBeyondCopies")


@pytest.fixture(scope="module")
def copied(folder: Path) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    return run(folder, "copying", "copies", "SomeHeadCopies", *CLUSTERING)


def test_the_head_that_copies_scores_1_and_all_others_what_an_even_spread_gives(folder: Path) -> None:
    for network, expected in (("copying", 1.0), ("mute", 0.0)):
        recording = load_model(str(folder / network)).record(
            read_corpus(folder / "copies.jsonl"), [SCORES], tokens=TOKENS, positions=Positions(READ_AT)
        )
        scores = np.stack([recording.array(SCORES, layer) for layer in range(LAYERS)])
        np.testing.assert_allclose(scores[1, :, 0], expected, atol=0.02)
        np.testing.assert_allclose(scores[0, :, 0], 0, atol=1e-6)
        even = np.mean(1 / (2 + np.arange(SCORES.period, 2 * SCORES.period)))
        np.testing.assert_allclose(scores[:, :, 1:], even, atol=1e-6)


def test_what_is_copied_is_what_stands_behind_the_first_occurrence(folder: Path) -> None:
    request = Activations("attn_out", (1,))
    recording = load_model(str(folder / "copying")).record(
        read_corpus(folder / "copies.jsonl"),
        [SCORES, PAID, READ, request],
        tokens=TOKENS,
        positions=Positions(READ_AT),
    )
    copying = Copying.of(recording)
    np.testing.assert_array_equal(np.argwhere(copying.counted), [[1, 0]])
    assert copying.paid[1].min() > 0.9 and not copying.paid[0].any()
    x = recording.array(request, 1).astype(float) @ READ_OFF.T
    brought = x[:, :, room("copied")]
    np.testing.assert_allclose(brought.max(axis=2), 1, atol=0.1)
    rows = [row["text"].split() for row in texts("copies")]
    order = [word for group in FOLLOWERS.values() for word in group]
    followers = [[order.index(body[body.index(cue) + 1]) for cue in body[-8:]] for body in rows]
    np.testing.assert_array_equal(brought.argmax(axis=2), followers)
    same = np.mean(np.array(followers)[:, None] == np.array(followers)[None], axis=2)
    np.testing.assert_allclose(copying.similarity(1), same, atol=0.1)


def test_the_head_is_found_and_its_mute_twin_has_none(folder: Path, copied: Any) -> None:
    copying = copied[0]["SomeHeadCopies"]
    assert copying["outcome"] == "supported", copying["sentence"]
    assert (copying["best"]["layer"], copying["best"]["head"]) == (1, 0)
    assert copying["effect"] == pytest.approx(0.97, abs=0.03)
    assert copied[1]["passes"] == 24 * 21 + 2 * TEXTS, (
        "sequences in the model and 20 null objects, and texts in the model"
    )
    mute = run(folder, "mute", "copies", "SomeHeadCopies")[0]["SomeHeadCopies"]
    assert mute["outcome"] == "refuted", mute["sentence"]
    assert abs(mute["effect"]) < 0.05


def test_texts_that_are_alike_by_copies_alone_are_alike_no_more(copied: Any) -> None:
    claims = copied[0]
    assert claims["Alike"]["outcome"] == "supported", claims["Alike"]["sentence"]
    beyond = claims["AlikeBeyondCopies"]
    assert beyond["outcome"] == "refuted", beyond["sentence"]
    assert claims["Alike"]["effect"] > 0.4 and abs(beyond["effect"]) < 0.1
    assert beyond["p"] > 0.05
    (told,) = [c for c in beyond["controls"] if c["name"] == "induction"]
    assert told["numbers"]["delta"] == pytest.approx(claims["Alike"]["effect"])
    assert told["numbers"]["share_left"] < 0.15 and told["numbers"]["heads_counted"] == 1


def test_a_topic_that_nobody_copies_is_left(folder: Path) -> None:
    claims, _ = run(folder, "copying", "topics", *CLUSTERING)
    beyond = claims["AlikeBeyondCopies"]
    assert beyond["outcome"] == "supported", beyond["sentence"]
    (told,) = [c for c in beyond["controls"] if c["name"] == "induction"]
    assert told["numbers"]["share_left"] > 0.8
    assert told["numbers"]["r2_copying"] > 0.05


def test_where_no_head_copies_nothing_is_taken_out(folder: Path) -> None:
    claims, _ = run(folder, "mute", "topics", *CLUSTERING)
    beyond = claims["AlikeBeyondCopies"]
    assert beyond["effect"] == pytest.approx(claims["Alike"]["effect"])
    (told,) = [c for c in beyond["controls"] if c["name"] == "induction"]
    assert "so nothing was taken out there" in told["sentence"] and told["numbers"]["heads_counted"] == 0
