"""The same work by others: activations by TransformerLens and nnsight, permutation tests by scikit-bio with and without numba.

    make bench, or: python -m pip install -c benchmarks/constraints.txt -e '.[bench]'; python benchmarks/peers.py

Extraction: residual streams, attention and MLP outputs and head outputs of 16 texts of 512 tokens at ten positions, a random
OPT of the embedded model's size, one thread. All of them run the same passes; ours also puts what was asked for into an empty store, with
checksums. Others keep what their hooks saw at the same sites, whole, as they do by default, and cut out positions. Tests: one
similarity matrix of 1,000 texts, 9,999 relabellings, one BLAS thread and one of numba's, compiled beforehand.
CPU time; work is interleaved, and a ratio is the median of those of each round.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "NUMBA_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import torch
from extract import TOKENS, bare, cpu_seconds, random_model, recording, some_texts, token_ids
from figures import figure
from threadpoolctl import threadpool_limits
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.utils import logging

from modclaims.lm.model import load_model
from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.chance.multiplicity import weigh_cells
from modclaims.stats.chance.permutation import Pairs, gap_null

TEXTS, BATCH, ROUNDS = 16, 8, 7
MANY, DRAWS = 1000, 9999
POSITIONS = slice(TOKENS - 37, TOKENS, 4)
NEEDED = ("transformer_lens", "nnsight", "numba", "skbio")


def by_transformer_lens(folder: Path, ids: torch.Tensor) -> Callable[[], None]:
    """`run_with_cache` of what a claim would ask for."""
    from transformer_lens.model_bridge import TransformerBridge

    model = TransformerBridge.boot_transformers(str(folder), device="cpu", dtype=torch.float32)
    names = ("hook_resid_post", "hook_attn_out", "hook_mlp_out", "attn.hook_z")

    def run() -> None:
        for part in ids.split(BATCH):
            with torch.inference_mode():
                _, cache = model.run_with_cache(part, names_filter=lambda name: name.endswith(names))
            assert {name: value[:, POSITIONS].clone() for name, value in cache.items()}

    return run


def by_nnsight(folder: Path, ids: torch.Tensor) -> Callable[[], None]:
    """A trace that saves the same."""
    from nnsight import TransformersModel

    model = TransformersModel(str(folder), task="text-generation", device_map="cpu", dispatch=True)

    def run() -> None:
        for part in ids.split(BATCH):
            with torch.inference_mode(), model.trace(part):
                kept = []
                for layer in model.model.decoder.layers:
                    kept.append(layer.self_attn.out_proj.input[:, POSITIONS].clone().save())
                    kept.append(layer.self_attn.output[0][:, POSITIONS].clone().save())
                    kept.append(layer.fc2.output[:, POSITIONS].clone().save())
                    kept.append(layer.output[:, POSITIONS].clone().save())

    return run


def extraction() -> None:
    """Every way once a round."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "opt"
        random_model(folder)
        AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
        corpus, model = some_texts(TEXTS), load_model(str(folder), batch_size=BATCH, device="cpu")
        ids = token_ids(model, corpus)
        ways = {
            "bare": bare(folder, ids, BATCH),
            "ours": recording(model, corpus, Path(temporary) / "store"),
            "TransformerLens": by_transformer_lens(folder, ids),
            "nnsight": by_nnsight(folder, ids),
        }
        rounds: dict[str, list[float]] = {name: [] for name in ways}
        for run in ways.values():
            run()
        for _ in range(ROUNDS):
            for name, run in ways.items():
                rounds[name].append(cpu_seconds(run))
    for name in ("ours", "TransformerLens", "nnsight"):
        over = statistics.median(a / b for a, b in zip(rounds[name], rounds["bare"], strict=True))
        figure(f"activations by {name}, over bare passes", over, at_most=1.1 if name == "ours" else None)


def tests() -> None:
    """ANOSIM and PERMANOVA of scikit-bio, and ours, at one matrix."""
    from skbio.stats.distance import DistanceMatrix, anosim, permanova

    rng = np.random.default_rng(0)
    x = rng.standard_normal((MANY, 64))
    labels = [f"c{i % 4}" for i in range(MANY)]
    distance = np.sqrt(np.maximum(((x[:, None] - x[None]) ** 2).sum(axis=2), 0.0))
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0.0)
    theirs, design = DistanceMatrix(distance), Design.of(labels)
    pairs = Pairs.of(design)
    similarities = pairs.matrix([-distance])

    def ours() -> None:
        drawn = relabellings(design, budget=DRAWS, rng=np.random.default_rng(0), blind="within_strata")
        weigh_cells(*gap_null(similarities, pairs, design, drawn))

    ways: dict[str, Callable[[], object]] = {
        "ours": ours,
        "permanova": lambda: permanova(theirs, labels, permutations=DRAWS),
        "anosim": lambda: anosim(theirs, labels, permutations=DRAWS),
    }
    permanova(theirs, labels, permutations=9)  # numba compiles
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):
        for name, run in ways.items():
            rounds[name].append(cpu_seconds(run))
    figure(
        f"one matrix of {MANY:,} texts, {DRAWS:,} relabellings", statistics.median(rounds["ours"]), "s", machine=True
    )
    for name in ("permanova", "anosim"):
        over = statistics.median(a / b for a, b in zip(rounds[name], rounds["ours"], strict=True))
        figure(f"scikit-bio's {name} (numba is there), over ours", over, at_least=1.0 if name == "permanova" else None)


def main() -> int:
    """All that are installed."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        print(
            f"Not installed: {', '.join(missing)}. `make bench` installs them, or: pip install -c benchmarks/constraints.txt -e '.[bench]'"
        )
        return 2
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        extraction()
        tests()
    return 0


if __name__ == "__main__":
    sys.exit(main())
