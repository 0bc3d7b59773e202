"""Networks of growing size that hold a category as strongly as they are told to, and in the same way in every layer.

Words of a category share a direction, times the network's own strength, beside noise of each word's own; blocks read the
stream and write next to nothing into it. Texts end in words of their category, at which they are read, so that how alike
texts of one category are is known to grow with strength and with nothing else.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import torch
from known_answer import _save_tokenizer
from transformers import OPTConfig, OPTForCausalLM

TOKENS, POSITIONS = 24, "last:4:2"
CATEGORIES = ("alder", "birch", "cedar")
OWN, COMMON = 24, 120
WIDTH = 32
SIZES = ((2, 16), (3, 64), (3, 192), (4, 384), (4, 1024))
"""(layers, MLP units) from the smallest network to the largest."""
GROWING = (0.05, 0.13, 0.19, 0.26, 0.34)
"""Strengths of the networks, by size."""
LADDERS = {"growing": GROWING, "flat": (0.2,) * 5, "mixed": (0.19, 0.34, 0.05, 0.26, 0.13), "falling": GROWING[::-1]}


def vocabulary() -> list[str]:
    own = [f"{category}{i}" for category in CATEGORIES for i in range(OWN)]
    return ["<s>", "<pad>", "<unk>", *own, *(f"word{i}" for i in range(COMMON))]


def save_network(folder: Path, size: int, strength: float) -> Path:
    """One network of `SIZES` and its tokenizer; words have the same noise in networks of every size."""
    words, (layers, mlp) = vocabulary(), SIZES[size]
    _save_tokenizer(folder, words)
    config = OPTConfig(
        vocab_size=len(words),
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=mlp,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    rng = np.random.default_rng(1)
    table = rng.standard_normal((len(words), WIDTH)) / WIDTH**0.5
    for k in range(len(CATEGORIES)):
        table[3 + k * OWN : 3 + (k + 1) * OWN, k] += strength
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(size)
        model = OPTForCausalLM(config).eval()
    with torch.no_grad():
        decoder = model.model.decoder
        decoder.embed_tokens.weight.copy_(torch.from_numpy(table))
        decoder.embed_positions.weight.zero_()
        for block in decoder.layers:
            for matrix in (block.self_attn.out_proj.weight, block.fc2.weight):
                matrix.mul_(0.01)
    model.save_pretrained(folder)
    return folder


def save_ladder(folder: Path, name: str) -> list[Path]:
    """The networks of one of `LADDERS`, smallest first."""
    return [save_network(folder / f"{name}-{i}", i, strength) for i, strength in enumerate(LADDERS[name])]


def save_texts(path: Path, each: int = 8) -> Path:
    """`each` texts per category, common words first, then ten of the category's own."""
    draw, rows = random.Random(4), []
    for category in CATEGORIES:
        for i in range(each):
            body = [f"word{draw.randrange(COMMON)}" for _ in range(TOKENS - 11)]
            body += [f"{category}{draw.randrange(OWN)}" for _ in range(10)]
            rows.append({"id": f"{category}-{i}", "text": " ".join(body), "category": category})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


CLAIMS = '''
"""What is known of the ladder, said as claims."""

from modclaims import CategoryClustering, ModelsDiffer, ScaleTrend, everywhere


class LargerPartsFurther(ModelsDiffer):
    """The larger model sets categories further apart, at every depth."""

    untrained = 0
    holds = everywhere()


class LargerIsMoreModular(ScaleTrend):
    """The larger a model, the further apart it sets categories."""

    untrained = 0
    smallest_effect = 0.1


class Clusters(CategoryClustering):
    """Categories cluster at the ends of the stream."""

    site, layers, untrained = "resid_post", (0, -1), 0
'''
