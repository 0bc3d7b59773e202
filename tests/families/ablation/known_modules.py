"""A network whose modules are known: per category a few neurons that alone predict its words, and twins without them.

As in `known_answer`, the residual stream holds each quantity as +x and -x, and a ballast makes up the length that LayerNorm
divides by. Words of a category carry its `said` quantity; in layer 1 four neurons a category read that and write its
`next` quantity; the head gives words of a category a logit that grows with it. All other neurons read and write fillers,
which move all logits a little. No token attends to another.

In the `mute` twin these neurons answer as before and write nothing: words carry the `next` quantity themselves, so that
prediction is the same and no neuron carries it. In the `common` twin the first category's neurons write, almost alike for
all texts, what keeps words that no text has from being predicted: all categories need them.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from known_answer import _save_tokenizer, _set
from numpy.typing import NDArray
from transformers import OPTConfig, OPTForCausalLM

Floats = NDArray[np.float64]

LAYERS, LAYER, NEURONS, QUANTITIES, WIDE = 3, 1, 128, 24, 48
TOKENS, BALLAST = 32, 100.0
SAID, NEXT, COMMON, FILLER = slice(1, 4), slice(4, 7), 7, slice(8, 24)
ROOM = FILLER.stop - FILLER.start
CATEGORIES = ("alder", "birch", "cedar")
MODULE = 4
"""Neurons of a category's module."""
OWN_WORDS, SHARED_WORDS, UNUSED_WORDS = 30, 40, 70
TEXTS = 12
WRITE: Floats = np.concatenate([np.eye(QUANTITIES), -np.eye(QUANTITIES)])
READ: Floats = WRITE.T / 2


def neurons(category: str) -> tuple[tuple[int, int], ...]:
    """(layer, index) of a category's module."""
    first = MODULE * CATEGORIES.index(category)
    return tuple((LAYER, first + i) for i in range(MODULE))


def words() -> dict[str, list[str]]:
    """Words by category, and those that all texts share, and those that none has."""
    made = (a + b + c for a in "bdfgklmn" for b in "aeiou" for c in ("ra", "lo", "mi", "tu", "ze"))
    counts = dict.fromkeys(CATEGORIES, OWN_WORDS) | {"shared": SHARED_WORDS, "unused": UNUSED_WORDS}
    return {kind: [next(made) for _ in range(count)] for kind, count in counts.items()}


def save_network(folder: Path, twin: Literal["mute", "common"] | None = None) -> Path:
    """The network, or one of its twins, and its tokenizer."""
    lexicon = words()
    vocabulary = ["<s>", "<pad>", "<unk>", *(word for group in lexicon.values() for word in group)]
    kind_of = {word: kind for kind, group in lexicon.items() for word in group}
    _save_tokenizer(folder, vocabulary)
    rng = np.random.default_rng(3)
    config = OPTConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDE,
        word_embed_proj_dim=WIDE,
        ffn_dim=NEURONS,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        max_position_embeddings=64,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
        tie_word_embeddings=False,
    )
    model = OPTForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.fill_(BALLAST / QUANTITIES**0.5 if "norm" in name and name.endswith("weight") else 0.0)
        decoder = model.model.decoder
        enters, leaves = (np.zeros((len(vocabulary), QUANTITIES)) for _ in range(2))
        enters[:, FILLER] = rng.normal(0, 0.4, (len(vocabulary), ROOM))
        leaves[:, FILLER] = rng.normal(0, 0.05, (len(vocabulary), ROOM))
        for i, word in enumerate(vocabulary):
            if (kind := kind_of.get(word)) in CATEGORIES:
                k = CATEGORIES.index(kind)
                enters[i, SAID.start + k] = rng.uniform(0.8, 1.2)
                leaves[i, NEXT.start + k] = 1
                if twin is not None:
                    enters[i, NEXT.start + k] = 1
            elif kind == "unused" or kind is None:
                leaves[i, COMMON] = -1
                leaves[i, NEXT] = 0 if twin == "common" else -2
        _set(decoder.embed_tokens.weight, enters @ WRITE.T)
        _set(model.lm_head.weight, leaves @ READ)
        places = _wide(rng.normal(0, 0.2, (len(decoder.embed_positions.weight), ROOM)))
        places[:, 0] = BALLAST
        _set(decoder.embed_positions.weight, places @ WRITE.T)
        for layer, block in enumerate(decoder.layers):
            reads, bias = _wide(rng.normal(0, 0.5, (NEURONS, ROOM))), rng.normal(0.2, 0.3, NEURONS)
            writes = _wide(rng.normal(0, 0.03, (NEURONS, ROOM)))
            if layer == LAYER:
                for k, category in enumerate(CATEGORIES):
                    for _, neuron in neurons(category):
                        reads[neuron] = 0
                        writes[neuron] = 0
                        reads[neuron, SAID.start + k] = 0.04 if twin == "common" else 1
                        bias[neuron] = 1.0 if twin == "common" else 0.5
                        if twin == "common" and k == 0:
                            writes[neuron, COMMON] = 0.5
                        elif twin is None:
                            writes[neuron, NEXT.start + k] = 0.5
            _set(block.fc1.weight, reads @ READ)
            _set(block.fc1.bias, bias)
            _set(block.fc2.weight, WRITE @ writes.T)
    model.save_pretrained(folder)
    return folder


def _wide(columns: Floats) -> Floats:
    """(row, quantity) that is zero outside the room for fillers."""
    out = np.zeros((len(columns), QUANTITIES))
    out[:, FILLER] = columns
    return out


def save_texts(path: Path) -> Path:
    """Texts of every category: mostly its own words, the rest words that all share."""
    draw, lexicon = random.Random(1), words()
    rows = []
    for category in CATEGORIES:
        for number in range(TEXTS):
            own = draw.uniform(0.6, 0.95)
            body = [draw.choice(lexicon[category if draw.random() < own else "shared"]) for _ in range(TOKENS + 4)]
            rows.append({"id": f"{category}-{number:02d}", "text": " ".join(body), "category": category})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


CLAIMS = '''
"""What is known of the network, said as claims."""

from modclaims import AblationSpecificity, AblationSufficiency, TargetedAblation, everywhere, somewhere


class ModulesMatter(TargetedAblation):
    """Every category's units carry it."""

    how = "zero"
    sizes = (4,)
    sets = 24
    holds = everywhere()


class SomeModuleMatters(ModulesMatter):
    """Some category's units carry it."""

    sets = 64
    holds = somewhere()


class ModulesDissociate(AblationSpecificity):
    """Every category's units carry it and no other."""

    how = "zero"
    sizes = (4,)
    holds = everywhere()


class ModulesSuffice(AblationSufficiency):
    """A category's units alone make texts like it."""

    how = "zero"
    sizes = (4,)
    holds = everywhere()
'''
