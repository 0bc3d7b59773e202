"""What the embedded model needs for its held-out documents, beside xz and a trigram on the same bytes.

Bits per byte are total bits over total UTF-8 bytes of whole documents. Of each document every token is scored once, in
float32, in windows of `<s>` and up to 511 tokens that overlap: after the first window a token follows at least 255
others of its document, and the last window reaches back as far as it can. Beside the model stand

- `xz -9`: Python's lzma, .xz container with CRC64, preset 9, on the documents of a category joined without separator,
  and on those of all categories; the command of XZ Utils 5.4.1 gave the same sizes to the byte;
- a token trigram with interpolated Witten-Bell smoothing, counted on the model's training tokens, each once.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import math
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from train_embedded import CONTEXT, documents, encode, is_held_out
from transformers import OPTForCausalLM, PreTrainedTokenizerFast
from witten_bell import WittenBell, trigram_keys

ROOT = Path(__file__).resolve().parent.parent
RUN = 16
STEP = 256


def windows(ids: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """A document's tokens, opened by BOS, as BOS and up to 511 tokens each, and where in each the scoring begins.

    Every token after BOS is scored in one window; after the first, at most 256 of a window are.
    """
    found, scored, room = [], 1, CONTEXT - 1
    while scored < len(ids):
        end = min(len(ids), 1 + room if scored == 1 else scored + STEP)
        start = max(1, end - room)
        found.append((np.concatenate([ids[:1], ids[start:end]]), scored - start + 1))
        scored = end
    return found


@torch.no_grad()
def model_bits(model: OPTForCausalLM, docs: Sequence[np.ndarray], batch: int = 16) -> np.ndarray:
    """Bits that the model needs for each document; windows of one length share a batch, so nothing is padded."""
    by_length: dict[int, list[tuple[int, np.ndarray, int]]] = defaultdict(list)
    for number, ids in enumerate(docs):
        for window, first in windows(ids):
            by_length[len(window)].append((number, window, first))
    model.eval()
    bits = np.zeros(len(docs))
    done, of = 0, sum(len(found) for found in by_length.values())
    for found in by_length.values():
        for at in range(0, len(found), batch):
            numbers, rows, firsts = zip(*found[at : at + batch], strict=True)
            tokens = torch.from_numpy(np.stack(rows).astype(np.int64))
            logits = model(tokens, use_cache=False).logits[:, :-1].float()
            nats = torch.nn.functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
            scored = torch.arange(1, tokens.shape[1]) >= torch.tensor(firsts)[:, None]
            np.add.at(bits, list(numbers), (nats.double() * scored).sum(1).numpy() / math.log(2))
            if done // 200 < (done + len(rows)) // 200:
                print(f"window {done + len(rows)} of {of}", flush=True)
            done += len(rows)
    return bits


def trigram_bits(streams: dict[str, np.ndarray], docs: Sequence[np.ndarray], vocabulary: int) -> np.ndarray:
    """Bits that the trigram counted on the training streams needs for each document."""
    train = [trigram_keys(stream, vocabulary) for name, stream in streams.items() if name.startswith("train/")]
    keys = np.concatenate(train)
    model = WittenBell.of(keys[keys % vocabulary != 0], vocabulary)  # BOS opens a document, and is not part of it
    return np.array([-np.log2(model.probabilities(trigram_keys(ids, vocabulary))).sum() for ids in docs])


def run_hashes(tokens: np.ndarray) -> np.ndarray:
    """A 64-bit hash of every run of 16 tokens."""
    factors = np.random.default_rng(0).integers(2**64, size=RUN, dtype=np.uint64)
    runs = max(0, len(tokens) - RUN + 1)
    hashes = np.zeros(runs, dtype=np.uint64)
    for offset, factor in enumerate(factors):
        hashes += tokens[offset : offset + runs].astype(np.uint64) * factor
    return hashes


def repeated_tokens(streams: dict[str, np.ndarray], docs: Sequence[np.ndarray]) -> list[int]:
    """How many tokens of each document lie in a run of 16 that also stands in the training streams."""
    own = [run_hashes(ids[1:]) for ids in docs]
    wanted = np.unique(np.concatenate(own))
    met = np.zeros(len(wanted), dtype=bool)
    for name, stream in streams.items():
        if name.startswith("train/"):
            hashes = run_hashes(stream)
            at = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
            met[at[wanted[at] == hashes]] = True
    return [
        int((np.convolve(met[np.searchsorted(wanted, hashes)], np.ones(RUN)) > 0).sum()) if len(hashes) else 0
        for hashes in own
    ]


def xz_size(data: bytes) -> int:
    """Bytes that `xz -9` makes of it."""
    return len(lzma.compress(data, format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC64, preset=9))


def figures(texts: list[bytes], tokens: int, model: float, trigram: float, repeated: int) -> dict[str, float]:
    """What is told of one category, or of all, from totals in bits and tokens."""
    size = sum(len(text) for text in texts)
    xz = xz_size(b"".join(texts))
    return {
        "documents": len(texts),
        "bytes": size,
        "tokens": tokens,
        "model_bits_per_byte": round(model / size, 4),
        "trigram_bits_per_byte": round(trigram / size, 4),
        "xz_bits_per_byte": round(8 * xz / size, 4),
        "xz_bytes": xz,
        "repeated_share": round(repeated / tokens, 4),
    }


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[np.ndarray]:
    """Tokens of each text, opened by BOS."""
    return [np.asarray(found.ids) for found in tokenizer.encode_batch(list(texts))]


def held_out_figures(folder: Path, model: OPTForCausalLM, texts: Path, cache: Path) -> dict[str, Any]:
    """What `held_out.json` holds."""
    training = json.loads((folder / "training.json").read_text("utf-8"))
    fast = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer, vocabulary = fast.backend_tokenizer, model.config.vocab_size
    docs = documents(texts)
    cache.parent.mkdir(parents=True, exist_ok=True)
    streams = encode(docs, fast, cache)
    held = sorted((doc for doc in docs if is_held_out(doc[0])), key=lambda doc: doc[1])  # stable within a category
    ids = token_ids(tokenizer, [text for *_, text in held])
    check_same(training["training_tokens"], streams, held, ids, tokenizer, cache)

    print(f"{len(held)} held-out documents, {sum(len(i) - 1 for i in ids):,} tokens", flush=True)
    model_total = model_bits(model, ids)
    print("trigram", flush=True)
    trigram_total = trigram_bits(streams, ids, vocabulary)
    repeated = np.array(repeated_tokens(streams, ids))
    shipped = shipped_texts()
    shipped_ids = token_ids(tokenizer, shipped)

    categories = np.array([category for _, category, _ in held])

    def of(chosen: np.ndarray) -> dict[str, float]:
        rows = np.flatnonzero(chosen)
        return figures(
            [held[row][2].encode() for row in rows],
            sum(len(ids[row]) - 1 for row in rows),
            model_total[rows].sum(),
            trigram_total[rows].sum(),
            repeated[rows].sum(),
        )

    return {
        "weights_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "categories": {str(name): of(categories == name) for name in np.unique(categories)},
        "mixed": of(np.ones(len(held), dtype=bool)),
        "fresh": of(repeated < 0.1 * np.array([len(found) - 1 for found in ids])),
        "shipped_corpora": {
            "texts": len(shipped),
            "tokens": sum(len(found) - 1 for found in shipped_ids),
            "repeated_share": round(
                sum(repeated_tokens(streams, shipped_ids)) / sum(len(found) - 1 for found in shipped_ids), 4
            ),
        },
    }


def check_same(
    counts: dict[str, int],
    streams: dict[str, np.ndarray],
    held: list[tuple[str, str, str]],
    ids: list[np.ndarray],
    tokenizer: Tokenizer,
    cache: Path,
) -> None:
    """Exit unless texts, tokenizer and cached tokens are those of the training, and tokens give back their text."""
    found = {name.removeprefix("train/"): len(s) for name, s in streams.items() if name.startswith("train/")}
    if found != counts:
        differing = sorted(name for name in found.keys() | counts.keys() if found.get(name) != counts.get(name))
        sys.exit(
            f"Training tokens differ from training.json in {', '.join(differing)}. Give the texts it was trained on and "
            f"run the Python it was trained with, or remove {cache} if it is of another tokenizer."
        )
    for category in {category for _, category, _ in held}:
        own = np.concatenate([i for i, (_, other, _) in zip(ids, held, strict=True) if other == category])
        if not np.array_equal(own, streams[f"held/{category}"]):
            sys.exit(f"Held-out tokens of {category} are not those in {cache}; remove it to tokenise anew.")
    for tokens, (name, _, text) in zip(ids, held, strict=True):
        if tokenizer.decode(tokens[1:].tolist(), skip_special_tokens=False) != text:
            sys.exit(f"The tokens of held-out document {name} do not give back its text.")


def shipped_texts() -> list[str]:
    """The texts of the corpora in data/corpora."""
    files = sorted((ROOT / "data" / "corpora").glob("*.jsonl"))
    return [json.loads(line)["text"] for file in files for line in file.read_text("utf-8").splitlines()]
