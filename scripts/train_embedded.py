"""Train the embedded model: a small OPT and its byte-level BPE tokenizer, from a folder of JSONL texts.

    python scripts/train_embedded.py TEXTS --out data/models/opt-mini --minutes 40

TEXTS holds `*.jsonl` files whose rows have `id`, `category` and `text`. The Python standard library's own
source files are added as the category `code`, leaving out what must stay unseen: every top-level module whose
name's SHA-256 is odd, the package `test`, folders called `tests`, and `pydoc_data` (the language reference that
`--corpus python` reads). Whole documents are held out for evaluation: those whose id's SHA-256 is divisible by fifty.

The learning-rate schedule follows the clock under `--minutes` and the step count under `--steps`; only the
latter repeats exactly, on the same machine. SIGTERM and SIGINT end a run after the step at hand, with a checkpoint;
a killed run has one at most two minutes old. Either goes on with the same command, its clock stopped in between.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import signal
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import OPTConfig, OPTForCausalLM, PreTrainedTokenizerFast

BOS, PAD = "<s>", "<pad>"
CONTEXT = 512
HELD_OUT_ONE_IN = 50
PEAK_RATES = {"muon": 0.02, "adamw": 0.003}


def sha(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16)


def is_held_out(name: str) -> bool:
    """Whether the document of this id is kept from training."""
    return sha(name) % HELD_OUT_ONE_IN == 0


def standard_library() -> Iterator[tuple[str, str, str]]:
    """(id, category, text) of each standard-library source file that training may see."""
    root = Path(sysconfig.get_path("stdlib"))
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        top = parts[0].removesuffix(".py")
        if top in {"site-packages", "test", "pydoc_data"} or "tests" in parts or sha(top) % 2:
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if len(text) >= 400:
            yield "stdlib/" + "/".join(parts), "code", text


def documents(folder: Path) -> list[tuple[str, str, str]]:
    rows = []
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                rows.append((row["id"], row["category"], row["text"]))
    if not rows:
        sys.exit(f"{folder} holds no .jsonl rows; give a folder of JSONL files with id, category and text.")
    return rows + list(standard_library())


def train_tokenizer(docs: list[tuple[str, str, str]], vocabulary: int, out: Path) -> PreTrainedTokenizerFast:
    """Byte-level BPE learned from an equal share of every category's bytes, capped at 3 MB each."""
    sample: list[str] = []
    seen: dict[str, int] = {}
    for _, category, text in docs:
        if seen.get(category, 0) < 3_000_000:
            seen[category] = seen.get(category, 0) + len(text)
            sample.append(text)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        sample,
        trainers.BpeTrainer(
            vocab_size=vocabulary,
            special_tokens=[BOS, PAD],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, 0)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=BOS, pad_token=PAD, model_max_length=CONTEXT
    )
    save_tokenizer(fast, out)
    return fast


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """The tokenizer's files, without what `save_pretrained` notes of how the tokenizer was loaded."""
    tokenizer.save_pretrained(out)
    file = out / "tokenizer_config.json"
    kept = {k: v for k, v in json.loads(file.read_text("utf-8")).items() if k not in {"is_local", "local_files_only"}}
    file.write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def encode(docs: list[tuple[str, str, str]], tokenizer: PreTrainedTokenizerFast, cache: Path) -> dict[str, np.ndarray]:
    """Token streams `train/<category>` (documents joined, each opened by BOS) and `held/<category>`."""
    if cache.exists():
        with np.load(cache) as stored:
            return {name: stored[name] for name in stored.files}
    streams: dict[str, list[np.ndarray]] = {}
    backend = tokenizer.backend_tokenizer
    for start in range(0, len(docs), 256):
        part = docs[start : start + 256]
        for (name, category, text), enc in zip(part, backend.encode_batch([t for *_, t in part]), strict=True):
            half = "held" if is_held_out(name) else "train"
            streams.setdefault(f"{half}/{category}", []).append(np.asarray(enc.ids, dtype=np.uint16))
            if half == "held":
                streams.setdefault(f"bytes/{category}", []).append(np.asarray([len(text.encode())]))
    arrays = {k: np.concatenate(v) for k, v in streams.items()}
    unfinished = cache.with_suffix(".part.npz")
    np.savez(unfinished, **arrays)
    os.replace(unfinished, cache)
    return arrays


def prepare(texts: Path, work: Path, vocabulary: int) -> tuple[PreTrainedTokenizerFast, dict[str, np.ndarray]]:
    """Tokenizer and token streams: made once, then read from the work folder."""
    saved, cache = work / "tokenizer", work / "tokens.npz"
    docs = [] if saved.exists() and cache.exists() else documents(texts)
    tokenizer = (
        PreTrainedTokenizerFast.from_pretrained(saved) if saved.exists() else train_tokenizer(docs, vocabulary, saved)
    )
    return tokenizer, encode(docs, tokenizer, cache)


def shares(sizes: np.ndarray, temper: float) -> np.ndarray:
    """How often each category is drawn, from its size in tokens."""
    return sizes**temper / (sizes**temper).sum()


class Batches:
    """Sequences of BOS + 511 tokens; a category is drawn in proportion to (its size) ** temper."""

    def __init__(self, streams: dict[str, np.ndarray], batch: int, temper: float, rng: np.random.Generator) -> None:
        self.streams = {k.removeprefix("train/"): v for k, v in streams.items() if k.startswith("train/")}
        self.names = sorted(self.streams)
        sizes = np.array([len(self.streams[n]) for n in self.names], dtype=float)
        self.share = shares(sizes, temper)
        self.batch, self.rng = batch, rng
        self.queues: dict[str, list[int]] = {n: [] for n in self.names}

    def __iter__(self) -> Iterator[torch.Tensor]:
        width = CONTEXT - 1
        while True:
            rows = np.zeros((self.batch, CONTEXT), dtype=np.int64)
            for row, pick in zip(rows, self.rng.choice(len(self.names), size=self.batch, p=self.share), strict=True):
                stream, queue = self.streams[self.names[pick]], self.queues[self.names[pick]]
                if not queue:  # a new pass over this category, from another offset
                    starts = np.arange(self.rng.integers(width), len(stream) - width, width)
                    queue.extend(self.rng.permutation(starts).tolist())
                start = queue.pop()
                row[1:] = stream[start : start + width]
            yield torch.from_numpy(rows)


def held_out_bits(model: OPTForCausalLM, streams: dict[str, np.ndarray], device: str, windows: int) -> dict[str, float]:
    """Bits per byte by category on held-out documents: non-overlapping windows, at most `windows` each."""
    out, width = {}, CONTEXT - 1
    model.eval()
    for key in sorted(k for k in streams if k.startswith("held/")):
        name, stream = key.removeprefix("held/"), streams[key]
        count = min(windows, len(stream) // width)
        if not count:
            continue
        starts = np.linspace(0, len(stream) - width, count).astype(int)
        nats = 0.0
        with torch.no_grad():
            for start in starts:
                row = torch.zeros(1, CONTEXT, dtype=torch.long, device=device)
                row[0, 1:] = torch.from_numpy(stream[start : start + width].astype(np.int64))
                nats += float(model(row, labels=row).loss) * width
        bytes_per_token = streams[f"bytes/{name}"].sum() / len(stream)
        out[name] = nats / math.log(2) / (count * width * bytes_per_token)
    model.train()
    return out


def batch_loss(model: OPTForCausalLM, batch: torch.Tensor) -> torch.Tensor:
    """Mean loss in nats a token of (sequence, position) token ids, in bfloat16 where autocast allows it."""
    with torch.autocast(batch.device.type, dtype=torch.bfloat16):
        hidden = model.model(batch, use_cache=False).last_hidden_state
        logits = model.lm_head(hidden)
    # a sequence at a time: the float32 logits of a whole batch do not fit any cache
    return torch.stack(
        [torch.nn.functional.cross_entropy(row[:-1].float(), ids[1:]) for row, ids in zip(logits, batch, strict=True)]
    ).mean()


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """A list that takes down SIGTERM and SIGINT in place of dying of them."""
    taken: list[int] = []
    before = {s: signal.signal(s, lambda number, _: taken.append(number)) for s in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield taken
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("texts", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="checkpoints and encoded text (default: OUT with -work)")
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--steps", type=int, help="train exactly so many steps, whatever the clock says")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--width", type=int, default=192)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--temper", type=float, default=0.7)
    parser.add_argument("--optimiser", choices=sorted(PEAK_RATES), default="muon")
    parser.add_argument("--rate", type=float, default=None, help="peak learning rate (muon .02, adamw .003)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the loss (needs a C++ compiler)")
    return parser


def main(argv: list[str] | None = None) -> None:
    args = arguments().parse_args(argv)
    chosen = {k: v for k, v in vars(args).items() if k not in {"texts", "out", "work"}}
    work = args.work or args.out.with_name(args.out.name + "-work")
    work.mkdir(parents=True, exist_ok=True)
    args.out.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)

    tokenizer, streams = prepare(args.texts, work, args.vocabulary)
    counts = {k.removeprefix("train/"): len(v) for k, v in streams.items() if k.startswith("train/")}
    print("training tokens:", counts, "in all", sum(counts.values()), flush=True)

    model = OPTForCausalLM(
        OPTConfig(
            vocab_size=args.vocabulary,
            hidden_size=args.width,
            ffn_dim=4 * args.width,
            num_hidden_layers=args.layers,
            num_attention_heads=args.heads,
            word_embed_proj_dim=args.width,
            max_position_embeddings=CONTEXT,
            dropout=0.0,
            attention_dropout=0.0,
            activation_function="relu",
            do_layer_norm_before=True,
            bos_token_id=0,
            eos_token_id=0,
            pad_token_id=1,
            init_std=0.02,
        )
    ).to(device)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{parameters:,} parameters on {device}", flush=True)

    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n and "lm_head" not in n]
    taken = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in taken]
    rate = args.rate or PEAK_RATES[args.optimiser]
    optimisers: list[torch.optim.Optimizer]
    if args.optimiser == "muon":
        optimisers = [
            torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, momentum=0.95),
            torch.optim.AdamW(rest, lr=PEAK_RATES["adamw"], betas=(0.9, 0.95), weight_decay=0.0),
        ]
    else:
        optimisers = [
            torch.optim.AdamW(
                [{"params": matrices, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}],
                lr=rate,
                betas=(0.9, 0.95),
            )
        ]
    peaks = [[g["lr"] for g in o.param_groups] for o in optimisers]

    step, elapsed, running, curve = 0, 0.0, 0.0, []
    checkpoint = work / "checkpoint.pt"
    batches = Batches(streams, args.batch, args.temper, rng)
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if other := [k for k in chosen if state["arguments"].get(k) != chosen[k]]:
            found = ", ".join(f"{k} {state['arguments'].get(k)}, not {chosen[k]}" for k in other)
            sys.exit(f"{checkpoint} is of a run with {found}. Give its arguments to go on, or another --work.")
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        step, elapsed, running, curve = state["step"], state["elapsed"], state["running"], state["curve"]
        print(f"resumed at step {step}, {elapsed / 60:.1f} minutes in", flush=True)
    stream = iter(batches)
    for _ in range(step):  # the same batches as an unbroken run would have met
        next(stream)

    def progress() -> float:
        return step / args.steps if args.steps else elapsed / (60 * args.minutes)

    def save() -> None:
        state = {
            "arguments": chosen,
            "model": model.state_dict(),
            "optimisers": [o.state_dict() for o in optimisers],
            "step": step,
            "elapsed": elapsed,
            "running": running,
            "curve": curve,
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        os.replace(checkpoint.with_suffix(".tmp"), checkpoint)

    loss_of = torch.compile(batch_loss) if args.compile else batch_loss
    model.train()
    with stop_signals() as stopped:
        saved_at = last = time.monotonic()
        while progress() < 1 and not stopped:
            done = progress()
            factor = min(1.0, (step + 1) / 100) * (1.0 if done < 0.3 else max(0.0, (1 - done) / 0.7))
            for optimiser, peak in zip(optimisers, peaks, strict=True):
                for group, value in zip(optimiser.param_groups, peak, strict=True):
                    group["lr"] = value * factor
            loss = loss_of(model, next(stream).to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(rest if args.optimiser == "muon" else model.parameters(), 1.0)
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            step += 1
            running = loss.item() if running == 0 else 0.98 * running + 0.02 * loss.item()
            now = time.monotonic()
            elapsed, last = elapsed + now - last, now
            if step % 50 == 0:
                tokens = step * args.batch * CONTEXT
                curve.append([step, round(elapsed, 1), round(running, 4)])
                print(
                    f"step {step}  {tokens / 1e6:.2f} M tokens  {elapsed / 60:.1f} min  loss {running:.3f}  "
                    f"{tokens / elapsed:.0f} tokens/s  {100 * progress():.0f} %",
                    flush=True,
                )
            if now - saved_at > 120:
                save()
                saved_at = now
        save()
    if progress() < 1:
        sys.exit(f"Stopped after step {step}, {100 * progress():.0f} % done. The same command goes on from there.")

    bits = held_out_bits(model, streams, device, windows=60)
    print("held-out bits per byte:", {k: round(float(v), 3) for k, v in bits.items()}, flush=True)
    model.save_pretrained(args.out, safe_serialization=True)
    save_tokenizer(tokenizer, args.out)
    facts = {
        "arguments": {k: v for k, v in chosen.items() if k != "compile"},
        "compiled": args.compile,
        "parameters": parameters,
        "device": device,
        "hardware": torch.cuda.get_device_name() if device == "cuda" else f"CPU, threads: {torch.get_num_threads()}",
        "steps": step,
        "tokens_seen": step * args.batch * CONTEXT,
        "minutes": round(elapsed / 60, 1),
        "training_tokens": counts,
        "held_out_bits_per_byte": {k: round(float(v), 4) for k, v in bits.items()},
        "loss_curve": curve,
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
    }
    (args.out / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
