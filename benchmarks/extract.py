"""What recording costs beside the bare forward pass of the same texts, in CPU time and in memory.

    python benchmarks/extract.py [--model FOLDER] [--pairs 30]

A pair is bare passes over the texts (no head, no cache, sdpa) and a recording of them into an empty store: the requests
of a usual suite, hooks, copies, checksums and files included; tokens are at hand for both. Pairs are interleaved, on one
torch thread; the ratio printed is the median of the pairs'. Peak memory is the growth of a process over either,
each in a process of its own.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import torch
from figures import figure
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, OPTConfig, OPTModel, PreTrainedTokenizerFast
from transformers.utils import logging

from modclaims.corpus import Corpus, Text
from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.store import RecordingStore
from modclaims.recording import Activations, Positions

TOKENS = 512
POSITIONS = Positions("last:10:4")
REQUESTS = (
    Activations("embed"),
    Activations("attn_out"),
    Activations("mlp_out"),
    Activations("resid_post"),
    Activations("head_z", reduce="norm"),
)
TARGET = 1.05

# glibc's allocator, left to itself, gives freed memory back to the system or not by where a small block happens to lie:
# page faults then add 0 to 15 % to either side of a pair, for as long as the process lives. Both sides are timed with
# an allocator that keeps what is freed, and memory is measured with one that gives all of it back.
KEEPING = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**40)}
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": str(2**17)}


def random_model(folder: Path) -> None:
    """A random network of the embedded model's size, and a tokenizer of single bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    torch.manual_seed(0)
    config = OPTConfig(
        vocab_size=4096,
        hidden_size=192,
        ffn_dim=768,
        num_hidden_layers=6,
        num_attention_heads=6,
        word_embed_proj_dim=192,
        max_position_embeddings=TOKENS,
    )
    OPTModel(config).save_pretrained(folder)


def some_texts(number: int) -> Corpus:
    """Texts of random letters, long enough for any tokenizer."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz     "))
    bodies = ["x" + "".join(rng.choice(letters, size=8 * TOKENS)) for _ in range(number)]
    return Corpus("letters", tuple(Text(f"t{index}", body, {}) for index, body in enumerate(bodies)))


def recording(model: LanguageModel, corpus: Corpus, root: Path) -> Callable[[], None]:
    """Records the corpus into an empty store, a new one each time."""
    roots = (root / str(number) for number in count())

    def run() -> None:
        model.store = RecordingStore(next(roots))
        model.record(corpus, REQUESTS, tokens=TOKENS, positions=POSITIONS)

    return run


def bare(folder: Path, ids: torch.Tensor, batch: int) -> Callable[[], None]:
    """The forward passes alone."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa").eval()

    def run() -> None:
        with torch.inference_mode():
            for part in ids.split(batch):
                model(input_ids=part, use_cache=False)

    return run


def token_ids(model: LanguageModel, corpus: Corpus) -> torch.Tensor:
    reader = model.reader
    return torch.from_numpy(np.stack([text.ids for text in reader.read([text.body for text in corpus.texts], TOKENS)]))


def cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def peak(folder: Path, which: str, texts: int, batch: int, root: Path) -> None:
    """Print by how many bytes the process grows while it runs, beyond what it holds before."""
    model, corpus = load_model(str(folder), batch_size=batch, device="cpu"), some_texts(texts)
    ids = token_ids(model, corpus)
    run = bare(folder, ids, batch)
    if which == "recording":
        model.network()
        model.check(corpus, TOKENS, POSITIONS)  # reads the texts
        run = recording(model, corpus, root)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew (Linux)
    before = resident()
    run()
    print(resident() - before)


def resident() -> int:
    """The largest memory that this process has held, in bytes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["VmHWM"].split()[0])


def measured_peak(folder: Path, which: str, texts: int, batch: int) -> int:
    command = [
        sys.executable,
        __file__,
        "--model",
        str(folder),
        "--peak",
        which,
        "--texts",
        str(texts),
        "--batch",
        str(batch),
    ]
    environment = {name: value for name, value in os.environ.items() if name not in KEEPING} | GIVING_BACK
    return int(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="folder (default: a random OPT of the embedded model's size)")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--texts", type=int, default=16)
    parser.add_argument("--peak", choices=["bare", "recording"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.peak and any(os.environ.get(name) != value for name, value in KEEPING.items()):
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEPING}
        )  # it is read at the start only
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.model or Path(temporary)
        if args.model is None:
            random_model(folder)
        if args.peak:
            peak(folder, args.peak, args.texts, args.batch, Path(temporary) / "store")
            return
        model, corpus = load_model(str(folder), batch_size=args.batch, device="cpu"), some_texts(args.texts)
        passes = bare(folder, token_ids(model, corpus), args.batch)
        record = recording(model, corpus, Path(temporary) / "store")
        record()
        passes()
        kept = sum(row.bytes for row in model.store.usage())
        pairs = []
        for pair in range(args.pairs):  # each goes first in half of the pairs
            if pair % 2:
                recorded, plain = cpu_seconds(record), cpu_seconds(passes)
            else:
                plain, recorded = cpu_seconds(passes), cpu_seconds(record)
            pairs.append((recorded, plain))
        ratios = sorted(recorded / plain for recorded, plain in pairs)
        figure("recording over a bare pass, CPU time", statistics.median(ratios), at_most=TARGET)
        print(f"middle half {ratios[len(ratios) // 4]:.3f} to {ratios[-len(ratios) // 4]:.3f} of {len(pairs)} pairs")
        bare_pass = statistics.median(plain for _, plain in pairs)
        figure(f"bare pass of {args.texts} texts of {TOKENS} tokens", bare_pass, "s", machine=True)
        grown = {which: measured_peak(folder, which, args.texts, args.batch) for which in ("bare", "recording")}
        figure("memory of a recording beyond a bare pass", (grown["recording"] - grown["bare"]) / 2**20, "MiB")
        figure("of which kept", kept / 2**20, "MiB")


if __name__ == "__main__":
    main()
