"""A network whose answer is known: its weights are set by hand so that one head answers a category and nothing else can.

All vectors live in a small space of 32 *quantities*; the residual stream holds each quantity twice, as +x and -x, so
that the mean that LayerNorm takes off is always zero. The quantities fall into five rooms:

    ballast   one large constant, the same in every token: it makes up the length that LayerNorm divides by, so that
              what stands in one room does not show in another (beyond LEAK, 1 part in 1,000)
    presence  1 in marker words, 0 in all others
    flavour   which marker word it is: the axis of its category, times a length of the category, times a grade
    answer    empty until the answering head writes there
    filler    meaning of ordinary words; every other head and all MLPs read it and write it, with random weights

The answering head looks for presence from wherever it stands, copies the flavour of the marker word that it finds, and
writes it into the room for answers. Nobody reads answers, so from there on they ride along in the stream. Each text has
one marker word near its start, which no other text has; positions are read half a text later, so that neither the words
that texts share nor the embeddings of the tokens read know the category.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

Floats = NDArray[np.float64]

LAYERS, HEADS, HEAD_WIDTH, QUANTITIES = 4, 4, 16, 32
LAYER, HEAD = 2, 1
"""The head that answers."""
TOKENS, POSITIONS = 64, "last:5:2"
BALLAST = 100.0
LEAK = 1e-3
"""The largest relative change that another marker word makes outside the head that answers."""

PRESENCE, FLAVOUR, ANSWER, FILLER = 1, slice(2, 10), slice(10, 18), slice(18, 32)
WIDE = HEADS * HEAD_WIDTH
ROOM = FLAVOUR.stop - FLAVOUR.start
ORDINARY = FILLER.stop - FILLER.start

CATEGORIES = {"alder": 1.2, "birch": 1.8, "cedar": 2.4, "maple": 3.0}
"""How strongly the head answers each."""
GRADES = np.linspace(0.7, 1.3, 12)
"""Marker words of one category differ in strength, so that no effect stands at the end of its scale."""
SHELVES = ("left", "right")
"""A second factor, crossed with the first, which nothing in a text tells."""
WORDS = 300


def words() -> tuple[dict[str, list[str]], list[str]]:
    """Marker words by category, weakest first, and ordinary words; none resembles another."""
    letters = random.Random(7)
    found: dict[str, None] = {}
    while len(found) < WORDS + len(CATEGORIES) * len(GRADES):
        found["".join(letters.choice("bdfgklmnprstvz") + letters.choice("aeiou") for _ in range(3))] = None
    made = iter(found)
    markers = {category: [next(made) for _ in GRADES] for category in CATEGORIES}
    return markers, list(made)


def save_network(folder: Path, without: Literal["v", "o"] | None = None) -> Path:
    """The network and its tokenizer. `without` a matrix (set to zero) the head is deaf (`v`) or mute (`o`)."""
    markers, ordinary = words()
    vocabulary = ["<s>", "<pad>", "<unk>", *(word for group in markers.values() for word in group), *ordinary]
    _save_tokenizer(folder, vocabulary)
    rng = np.random.default_rng(11)
    config = OPTConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDE,
        word_embed_proj_dim=WIDE,
        ffn_dim=WIDE,
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
            # norms: the gain undoes the division by a length that the ballast fixes
            parameter.fill_(BALLAST / QUANTITIES**0.5 if "norm" in name and name.endswith("weight") else 0.0)
        decoder = model.model.decoder
        _set(decoder.embed_tokens.weight, _embeddings(vocabulary, markers, rng) @ WRITE.T)
        _set(decoder.embed_positions.weight, _places(len(decoder.embed_positions.weight), rng) @ WRITE.T)
        for layer, block in enumerate(decoder.layers):
            _set_attention(block.self_attn, layer, without, rng)
            _set(block.fc1.weight, _room(FILLER, rng.normal(0, 0.6, (WIDE, ORDINARY))) @ READ)
            _set(block.fc1.bias, rng.normal(0, 0.3, WIDE))
            _set(block.fc2.weight, WRITE @ _room(FILLER, rng.normal(0, 0.02, (WIDE, ORDINARY))).T)
    model.save_pretrained(folder)
    return folder


WRITE: Floats = np.concatenate([np.eye(QUANTITIES), -np.eye(QUANTITIES)])
"""From quantities to the residual stream, (unit, quantity)."""
READ: Floats = WRITE.T / 2
"""And back."""


def _room(where: slice, columns: Floats) -> Floats:
    """(row, quantity) that is zero outside one room."""
    wide = np.zeros((len(columns), QUANTITIES))
    wide[:, where] = columns
    return wide


def _embeddings(vocabulary: list[str], markers: dict[str, list[str]], rng: np.random.Generator) -> Floats:
    """(word, quantity): ordinary words lie in the room for fillers, marker words in presence and flavour."""
    table = np.zeros((len(vocabulary), QUANTITIES))
    special = 3 + sum(map(len, markers.values()))
    table[special:, FILLER] = rng.normal(0, 0.3, (len(vocabulary) - special, ORDINARY))
    for axis, (category, group) in enumerate(markers.items()):
        for word, grade in zip(group, GRADES, strict=True):
            row = table[vocabulary.index(word)]
            row[PRESENCE] = 1
            direction = np.eye(ROOM)[axis] + rng.normal(0, 0.35, ROOM)
            row[FLAVOUR] = CATEGORIES[category] * grade * direction / np.linalg.norm(direction)
    return table


def _places(rows: int, rng: np.random.Generator) -> Floats:
    """(place, quantity) of OPT's learned positions, which carry the ballast."""
    table = _room(FILLER, rng.normal(0, 0.15, (rows, ORDINARY)))
    table[:, 0] = BALLAST
    return table


def _set_attention(attention: torch.nn.Module, layer: int, without: str | None, rng: np.random.Generator) -> None:
    """Heads at random in the room for fillers, but for the one that answers."""
    q, k, v = (_room(FILLER, rng.normal(0, size, (WIDE, ORDINARY))) for size in (0.6, 0.6, 0.8))
    o = _room(FILLER, rng.normal(0, 0.05, (WIDE, ORDINARY))).T
    bias = np.zeros(WIDE)
    if layer == LAYER:
        mine = slice(HEAD * HEAD_WIDTH, (HEAD + 1) * HEAD_WIDTH)
        first = mine.start
        for matrix in (q, k, v):
            matrix[mine] = 0
        o[:, mine] = 0
        bias[first] = 4 * HEAD_WIDTH**0.5  # with the next line, a score of 16 for the marker word and 0 for all others
        k[first, PRESENCE] = 4
        if without != "v":
            v[first : first + ROOM, FLAVOUR] = np.eye(ROOM)
        if without != "o":
            o[ANSWER, first : first + ROOM] = np.eye(ROOM)
    _set(attention.q_proj.weight, q @ READ)
    _set(attention.q_proj.bias, bias)
    _set(attention.k_proj.weight, k @ READ)
    _set(attention.v_proj.weight, v @ READ)
    _set(attention.out_proj.weight, WRITE @ o)


def _set(parameter: torch.Tensor, values: Floats) -> None:
    parameter.copy_(torch.from_numpy(values))


def _save_tokenizer(folder: Path, vocabulary: list[str]) -> None:
    """One token a word, after an opening <s>."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


def texts(seed: int = 0) -> list[dict[str, str]]:
    """Rows of the corpus: every category on every shelf, each text with its own marker word among its first eight."""
    draw = random.Random(seed)
    markers, ordinary = words()
    rows = []
    for category, group in markers.items():
        for number, marker in enumerate(draw.sample(group, len(group))):
            body = [draw.choice(ordinary) for _ in range(TOKENS)]
            body[draw.randrange(8)] = marker
            row = {"id": f"{category}-{number}", "text": " ".join(body), "category": category}
            rows.append(row | {"shelf": SHELVES[number % len(SHELVES)]})
    return rows


def swapped(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same texts, each with a marker word of the next category in place of its own."""
    groups = list(words()[0].values())
    other = {a: b for i, group in enumerate(groups) for a, b in zip(group, groups[i - 1], strict=True)}
    return [row | {"text": " ".join(other.get(word, word) for word in row["text"].split())} for row in rows]


def save_texts(path: Path, rows: list[dict[str, str]]) -> Path:
    """The rows as JSON lines, in their order."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


CLAIMS = '''
"""What is known of the network, said as claims."""

from modclaims import CategoryClustering, HeadSelectivity, at


class HeadAnswers(HeadSelectivity):
    """Some head reads out more for one category than for another."""

    untrained = 0


class HeadWrites(HeadAnswers):
    """Some head writes more for one category than for another."""

    site = "head_write"


class HeadAnswersShelf(HeadAnswers):
    """Some head reads out more for one shelf than for the other, inside categories."""

    label = "shelf"
    within = "category"
    expect = "inconclusive"


class AttentionClusters(CategoryClustering):
    """Attention outputs of one category are alike in at least one layer."""

    site = "attn_out"


class AttentionClustersBeyondWords(AttentionClusters):
    """Attention outputs of one category are alike beyond the words that they share, on either shelf."""

    untrained = 0
    within = "shelf"
    beyond = "shared_words"


class AttentionClustersAt0(AttentionClusters):
    """Attention outputs of one category are alike at layer 0."""

    untrained = 0
    holds = at(0)
    expect = "refuted"


class AttentionClustersAt1(AttentionClustersAt0):
    """Attention outputs of one category are alike at layer 1."""

    holds = at(1)


class AttentionClustersAt2(AttentionClustersAt0):
    """Attention outputs of one category are alike at layer 2."""

    holds = at(2)
    expect = "supported"


class AttentionClustersAt3(AttentionClustersAt0):
    """Attention outputs of one category are alike at layer 3."""

    holds = at(3)


class StreamClustersBefore2(CategoryClustering):
    """The stream keeps categories together before layer 2."""

    site = "resid_post"
    untrained = 0
    holds = at(0, 1)
    expect = "refuted"


class StreamClustersAt2(StreamClustersBefore2):
    """The stream keeps categories together at layer 2."""

    holds = at(2)
    expect = "supported"


class StreamClustersAt3(StreamClustersAt2):
    """The stream keeps categories together at layer 3."""

    holds = at(3)


class MlpsCluster(CategoryClustering):
    """MLP outputs of one category are alike in at least one layer."""

    site = "mlp_out"
    untrained = 0
    expect = "refuted"
'''
