"""Networks whose spaces are known: what texts share, and along which axes they vary, is set by hand in the embeddings.

Blocks add nothing, so that the stream is the embedding of the token read. Every text has words of its own, whose
embeddings share the text's vector. Each network has a twin with the same noise in which the answer is the contrary.
"""

from __future__ import annotations

import json
from collections.abc import Callable
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
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.settings import Settings

Floats = NDArray[np.float64]

LAYERS, WIDTH = 2, 32
TOPICS, STYLES, TEXTS = ("alder", "birch", "cedar"), ("left", "right"), 10
WORDS = 5
"""Words of its own in each text, the last 4 of which are read."""
TOKENS, POSITIONS = 1 + WORDS, "last:4:1"
CLAIMS = '''
"""What is known of the networks, said as claims."""

from modclaims import LowRankSimilarity, SubspaceSeparation, WithinVersusStyle


class TopicOutweighsStyle(WithinVersusStyle):
    """Similarity in the stream is more about topic than about style."""

    site = "resid_post"
    untrained = 0


class TopicsVaryApart(SubspaceSeparation):
    """Texts of different topics vary in different subspaces of the stream."""

    label = "topic"
    splits = 10
    relabellings = 499
    untrained = 0


class FewComponents(LowRankSimilarity):
    """A few components hold much of the similarity matrix of the stream."""

    label = "topic"
    splits = 10
    untrained = 0
'''


def rows() -> list[dict[str, str]]:
    """Rows of the corpus: every topic in every style."""
    found = []
    for topic in TOPICS:
        for style in STYLES:
            for number in range(TEXTS):
                name = f"{topic}{style}{number:02d}"
                text = " ".join(f"{name}w{i}" for i in range(WORDS))
                found.append({"id": name, "text": text, "topic": topic, "style": style, "category": topic})
    return found


def factors(topic: float, style: float) -> Callable[[int, int, np.random.Generator], Floats]:
    """Texts lie where their topic and their style are, so far out."""

    def vector(t: int, s: int, rng: np.random.Generator) -> Floats:
        return np.asarray(topic * np.eye(WIDTH)[t] + style * np.eye(WIDTH)[8 + s])

    return vector


def varying(own: bool) -> Callable[[int, int, np.random.Generator], Floats]:
    """Texts vary along two axes, of their topic's own or of all, and topics lie apart."""

    def vector(t: int, s: int, rng: np.random.Generator) -> Floats:
        first = 2 * t if own else 0
        return np.asarray(3 * rng.standard_normal(2) @ np.eye(WIDTH)[first : first + 2] + 2 * np.eye(WIDTH)[10 + t])

    return vector


def driven(size: float) -> Callable[[int, int, np.random.Generator], Floats]:
    """One factor drives all coordinates of a text."""

    def vector(t: int, s: int, rng: np.random.Generator) -> Floats:
        return size * rng.standard_normal() * np.where(np.arange(WIDTH) % 3, 1.0, -1.0) / np.sqrt(WIDTH)

    return vector


NETWORKS = {
    "topical": factors(2.0, 0.7),
    "stylish": factors(0.7, 2.0),
    "apart": varying(own=True),
    "together": varying(own=False),
    "low rank": driven(5.0),
    "full rank": driven(0.0),
}


def save_network(folder: Path, vector: Callable[[int, int, np.random.Generator], Floats]) -> None:
    """An OPT that passes embeddings through."""
    rng = np.random.default_rng(5)
    table: dict[str, Floats] = {word: rng.normal(size=WIDTH) for word in ("<s>", "<pad>", "<unk>")}
    for row in rows():
        draw = np.random.default_rng(list(row["id"].encode()))
        noise = 0.4 * draw.standard_normal((1 + WORDS, WIDTH))
        mean = noise[0] + vector(TOPICS.index(row["topic"]), STYLES.index(row["style"]), draw)
        table |= {word: mean + own for word, own in zip(row["text"].split(), noise[1:], strict=True)}
    config = OPTConfig(
        vocab_size=len(table),
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
        model.model.decoder.embed_tokens.weight.copy_(torch.from_numpy(np.stack(list(table.values()))))
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(table)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<s>", pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("known_spaces")
    (found / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()), encoding="utf-8")
    (found / "claims.py").write_text(CLAIMS, encoding="utf-8")
    return found


def weighed(folder: Path, claim: str, network: str) -> dict[str, Any]:
    """The claim's object in run.json."""
    save_network(folder / network, NETWORKS[network])
    out = folder / f"{network} run"
    execute(
        collect([f"claims.py::{claim}"], folder),
        corpus=read_corpus(folder / "texts.jsonl"),
        recorder=load_model(str(folder / network), batch_size=8),
        settings=Settings(tokens=TOKENS, positions=POSITIONS, permutations=499, resamples=999),
        cwd=folder,
        out=out,
    )
    (found,) = json.loads((out / "run.json").read_bytes())["claims"]
    return dict(found)


def test_similarity_is_about_the_factor_that_lies_further_out(folder: Path) -> None:
    claim = weighed(folder, "TopicOutweighsStyle", "topical")
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["effect"] > 0.3
    claim = weighed(folder, "TopicOutweighsStyle", "stylish")
    assert claim["outcome"] == "refuted", claim["sentence"]
    assert claim["effect"] < -0.3


def test_subspaces_of_their_own_are_told_from_one_that_all_share(folder: Path) -> None:
    claim = weighed(folder, "TopicsVaryApart", "apart")
    assert claim["outcome"] == "supported", claim["sentence"]
    assert claim["effect"] > 0.7
    claim = weighed(folder, "TopicsVaryApart", "together")
    assert claim["outcome"] == "refuted", claim["sentence"]
    assert claim["p"] > 0.05
    assert abs(claim["effect"]) < 0.1


def test_one_factor_is_one_component_and_noise_is_none(folder: Path) -> None:
    claim = weighed(folder, "FewComponents", "low rank")
    assert claim["outcome"] == "supported", claim["sentence"]
    assert "There 1 of 60 components stand above 399 permutations" in claim["sentence"]
    claim = weighed(folder, "FewComponents", "full rank")
    assert claim["outcome"] == "refuted", claim["sentence"]
    assert "There 0 of 60 components" in claim["sentence"]
    assert abs(claim["effect"]) < 0.05
