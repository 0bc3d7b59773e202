"""Measure the embedded model on its held-out documents and write its card.

    python scripts/embedded_card.py data/models/opt-mini TEXTS

TEXTS is the folder that train_embedded.py was given; the Python must be the one it ran with, whose standard library
is the category `code`. The model's folder gets `held_out.json`, with every figure (see held_out.py), and `CARD.md`,
written from it, from `training.json`, from `trials.json` where there is one (see collect_trials.py), and from the rows
of TEXTS.
"""

from __future__ import annotations

import argparse
import json
import re
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from held_out import RUN, held_out_figures
from tokenizers import Tokenizer
from train_embedded import CONTEXT, PEAK_RATES, arguments, shares, standard_library
from transformers import OPTForCausalLM

PROMPTS = {
    "fiction": "The old man closed the door behind him, and",
    "encyclopedia": "Robert Ellis (12 March 1921 – 4 June 1988) was an English",
    "code": 'def read_lines(path, encoding="utf-8"):\n    """Return',
    "how_to": "TO MAKE A PLAIN PUDDING.\n\nINGREDIENTS.--",
}


@torch.no_grad()
def continuation(model: OPTForCausalLM, ids: list[int], tokens: int = 80, likeliest: int = 40) -> list[int]:
    """Tokens drawn after `ids`, without them: from the likeliest at each place, at temperature .8, seed 0."""
    draws = torch.Generator().manual_seed(0)
    out = list(ids)
    for _ in range(tokens):
        logits = model(torch.tensor([out]), use_cache=False).logits[0, -1].float()
        best = torch.topk(logits / 0.8, likeliest)
        out.append(int(best.indices[torch.multinomial(best.values.softmax(-1), 1, generator=draws)]))
    return out[len(ids) :]


@dataclass(frozen=True)
class Source:
    """Texts from one repository, or from several of one owner."""

    name: str
    """owner/repository, or owner/* with the number of repositories."""
    categories: tuple[str, ...]
    """What its texts were used as."""
    size: int
    """UTF-8 bytes of text."""
    licence: str
    """As the rows state it."""


def sources(texts: Path) -> list[Source]:
    """Where the texts come from, the largest first; `source` of a row reads github:OWNER/REPOSITORY@COMMIT..."""
    rows: dict[str, list[tuple[str, str, int, str]]] = defaultdict(list)
    for path in sorted(texts.glob("*.jsonl")):
        for line in path.read_text("utf-8").split("\n"):
            if line:
                row = json.loads(line)
                repository = row["source"].removeprefix("github:").split("@")[0]
                size = len(row["text"].encode())
                rows[repository.split("/")[0]].append((repository, row["category"], size, row["licence"]))
    found = []
    for owner, parts in rows.items():
        repositories = sorted({repository for repository, *_ in parts})
        several = len(repositories) > 1
        found.append(
            Source(
                f"{owner}/* ({len(repositories)} repositories)" if several else repositories[0],
                tuple(sorted({category for _, category, *_ in parts})),
                sum(size for *_, size, _ in parts),
                "; ".join(sorted({licence for *_, licence in parts})),
            )
        )
    return sorted(found, key=lambda source: -source.size)


def standard_library_source(python: str) -> Source:
    """What the running Python gave as the category `code`."""
    size = sum(len(text.encode()) for *_, text in standard_library())
    return Source(f"CPython {python}, standard library", ("code",), size, "Python Software Foundation licence")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def paragraph(text: str, width: int = 120) -> str:
    """Lines of at most `width`, never broken inside `code`."""
    glued = re.sub("`[^`]*`", lambda code: code[0].replace(" ", "\0"), text)
    return textwrap.fill(glued, width, break_long_words=False, break_on_hyphens=False).replace("\0", " ")


def points(texts: Sequence[str]) -> str:
    """A Markdown list."""
    return "\n".join(textwrap.indent(paragraph(text, 118), "  ").replace(" ", "-", 1) for text in texts)


def listed(names: Sequence[str], none: str = "none") -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else none


def bare(number: float) -> str:
    """.02 for 0.02."""
    return f"{number:g}".removeprefix("0") if number else "0"


def shown(value: object) -> str:
    """An option's value: 50, not 50.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def thinned(curve: list[list[float]], most: int = 18) -> list[list[float]]:
    """At most so many points, the first and the last among them."""
    return [curve[i] for i in np.unique(np.linspace(0, len(curve) - 1, most).round().astype(int))] if curve else []


def command(name: str, training: dict[str, Any]) -> str:
    """How train_embedded.py was called, without what is default."""
    given = {k: v for k, v in training["arguments"].items() if v != arguments().get_default(k)}
    if "steps" in given:
        given.pop("minutes", None)
    options = [f"--{k} {shown(v)}" for k, v in given.items()]
    options += ["--compile"] * bool(training.get("compiled"))
    return " ".join([f"python scripts/train_embedded.py TEXTS --out data/models/{name}", *options])


def optimiser(chosen: dict[str, Any]) -> str:
    rate = bare(chosen["rate"] or PEAK_RATES[chosen["optimiser"]])
    if chosen["optimiser"] == "muon":
        return f"Muon (rate {rate}) for matrices, AdamW ({bare(PEAK_RATES['adamw'])}) for the rest"
    return f"AdamW (rate {rate})"


def facts_table(name: str, config: dict[str, Any], training: dict[str, Any], weights: str) -> str:
    chosen = training["arguments"]
    passes = training["tokens_seen"] / sum(training["training_tokens"].values())
    compiled = ", compiled loss" if training.get("compiled") else ""
    return table(
        ["", ""],
        [
            [
                "architecture",
                f"`OPTForCausalLM`: {config['num_hidden_layers']} layers, {config['num_attention_heads']} heads, width "
                f"{config['hidden_size']}, ReLU MLP of {config['ffn_dim']}, learned positions "
                f"({config['max_position_embeddings']}), pre-norm",
            ],
            ["parameters", f"{training['parameters']:,}, float32, tied embeddings"],
            ["tokenizer", f"byte-level BPE of {config['vocab_size']:,}, one leading `<s>`"],
            [
                "trained on",
                f"{training['tokens_seen'] / 1e6:.1f} M tokens, {passes:.2f} times the training text, in "
                f"{training['minutes']:.0f} minutes ({training['steps']:,} steps of {chosen['batch']} x {CONTEXT})"
                + (f". {training['remark']}" if "remark" in training else ""),
            ],
            ["device", training.get("hardware", training["device"].upper())],
            [
                "optimiser",
                f"{optimiser(chosen)}, warm-up over 100 steps, linear decay over the last 70 %; seed {chosen['seed']}; "
                f"bfloat16 autocast{compiled}",
            ],
            [
                "made by",
                f"`{command(name, training)}` (Python {training['python']}, torch {training['torch']})",
            ],
            ["weights", f"`model.safetensors`, SHA-256 `{weights}`"],
            ["licence", "Apache-2.0, like the project; sources of its training text below"],
        ],
    )


def held_out_table(held_out: dict[str, Any]) -> str:
    rows = [*held_out["categories"].items(), ("**mixed**", held_out["mixed"]), ("**fresh**", held_out["fresh"])]
    return table(
        ["category", "documents", "bytes", "tokens", "model", "trigram", "`xz -9`", "xz bytes", "repeated, %"],
        [
            [
                name,
                *(f"{row[k]:,}" for k in ("documents", "bytes", "tokens")),
                *(f"{row[f'{k}_bits_per_byte']:.3f}" for k in ("model", "trigram", "xz")),
                f"{row['xz_bytes']:,}",
                f"{100 * row['repeated_share']:.1f}",
            ]
            for name, row in rows
        ],
    )


def findings(held_out: dict[str, Any], training: dict[str, Any]) -> str:
    """What the table of held-out text says, good or bad, as a list."""
    mixed, fresh, categories = held_out["mixed"], held_out["fresh"], held_out["categories"]

    def worse(rival: str) -> list[str]:
        """Categories in which the model needs no fewer bits than the rival."""
        return [k for k, v in categories.items() if v["model_bits_per_byte"] >= v[f"{rival}_bits_per_byte"]]

    def better(rival: str) -> list[str]:
        return [k for k in categories if k not in worse(rival)]

    def against(rival: str, row: dict[str, float]) -> str:
        """`26.9 % fewer bits than the trigram`."""
        gain = 1 - row["model_bits_per_byte"] / row[f"{rival}_bits_per_byte"]
        name = {"xz": "`xz -9`", "trigram": "the trigram"}[rival]
        return f"{abs(100 * gain):.1f} % {'fewer' if gain > 0 else 'more'} bits than {name}"

    def by_a_fifth(row: dict[str, float]) -> str:
        return "yes" if row["model_bits_per_byte"] <= 0.8 * row["xz_bits_per_byte"] else "no"

    few = [f"{name} ({row['documents']})" for name, row in categories.items() if row["documents"] < 5]
    unheld = [name for name in training["training_tokens"] if name not in categories]
    return points(
        [
            f"Mixed, the model needs {against('xz', mixed)}. A fifth fewer or better: {by_a_fifth(mixed)}. Categories in "
            f"which it needs no fewer: {listed(worse('xz'))}.",
            f"Mixed, the model needs {against('trigram', mixed)}. It needs fewer in "
            f"{listed(better('trigram'), 'no category')}; no fewer in {listed(worse('trigram'), 'no category')}.",
            f"Fresh are the {fresh['documents']} documents of which less than a tenth is repeated. There the model needs "
            f"{against('xz', fresh)} (a fifth fewer or better: {by_a_fifth(fresh)}) and {against('trigram', fresh)}.",
            "`xz` knows the held-out text alone, while model and trigram bring what they learned in training; the "
            "shorter a category, the more that tells against `xz`. The trigram reads a document through; the model "
            "at most 511 tokens back.",
            f"Measured on fewer than five documents, hence loosely: {listed(few)}.",
            f"Training categories without any held-out document, of which nothing is claimed: {listed(unheld)}.",
        ]
    )


def training_table(held_out: dict[str, Any], training: dict[str, Any]) -> str:
    counts = training["training_tokens"]
    names = sorted(counts)
    sizes = np.array([counts[name] for name in names], dtype=float)
    drawn = shares(sizes, training["arguments"]["temper"])
    passes = training["tokens_seen"] * drawn / sizes
    return table(
        ["category", "tokens, M", "share drawn, %", "times seen", "held-out documents"],
        [
            [
                name,
                f"{n / 1e6:.2f}",
                f"{100 * d:.1f}",
                f"{p:.2f}",
                held_out["categories"].get(name, {"documents": 0})["documents"],
            ]
            for name, n, d, p in zip(names, sizes, drawn, passes, strict=True)
        ],
    )


def source_table(found: Sequence[Source]) -> str:
    return table(
        ["source (repository)", "categories", "MB", "licence"],
        [[s.name, ", ".join(s.categories), f"{s.size / 1e6:.2f}", s.licence] for s in found],
    )


def trials_section(name: str, training: dict[str, Any], trials: dict[str, dict[str, Any]]) -> str:
    """Each trial of the recipe and this model: what differed, how the loss fell, and held-out bits."""
    runs = {**trials, f"**{name}**": training}
    options = {run: {**facts["arguments"], "compile": bool(facts.get("compiled"))} for run, facts in runs.items()}
    for chosen in options.values():
        chosen["rate"] = chosen["rate"] or PEAK_RATES[chosen["optimiser"]]
        del chosen["steps"], chosen["minutes"]  # told in columns of their own
    every = dict.fromkeys(k for chosen in options.values() for k in chosen)
    differing = [k for k in every if len({chosen.get(k) for chosen in options.values()}) > 1]
    marks = (0.1, 0.25, 0.5, 0.75, 1.0)

    def loss_at(facts: dict[str, Any], mark: float) -> str:
        near = min(facts["loss_curve"], key=lambda point: abs(point[0] - mark * facts["steps"]), default=None)
        return f"{near[2]:.2f}" if near else "–"

    def mean(facts: dict[str, Any]) -> float:
        return float(np.mean(list(facts["held_out_bits_per_byte"].values())))

    head = [
        "run",
        "options that differ",
        "parameters, M",
        "tokens, M",
        "minutes",
        *(f"loss at {100 * m:.0f} %" for m in marks),
    ]
    rows = [
        [
            run,
            ", ".join(f"{k} {shown(options[run][k])}" for k in differing if k in options[run]) or "none",
            f"{facts['parameters'] / 1e6:.2f}",
            f"{facts['tokens_seen'] / 1e6:.1f}",
            f"{facts['minutes']:.0f}",
            *(loss_at(facts, m) for m in marks),
            f"{mean(facts):.3f}",
        ]
        for run, facts in runs.items()
    ]
    categories = sorted({k for facts in runs.values() for k in facts["held_out_bits_per_byte"]})
    bits = [
        [k, *(f"{v:.3f}" if (v := facts["held_out_bits_per_byte"].get(k)) else "–" for facts in runs.values())]
        for k in categories
    ]
    return "\n\n".join(
        [
            "## Trials of the recipe",
            paragraph(
                "Running mean of the training loss (nats a token) at parts of each run, and bits per byte on held-out text "
                "as `train_embedded.py` takes them at its end: at most 60 windows per category, and their mean over "
                "categories, each with the same weight. The figures above are of all held-out text, and differ."
            ),
            table([*head, "held-out bits"], rows),
            table(["held-out bits", *runs], bits),
        ]
    )


def samples_section(samples: dict[str, str]) -> str:
    parts = [f"{name}:\n\n````text\n{text}\n````" for name, text in samples.items()]
    return "\n\n".join(
        [
            "## Samples",
            paragraph(
                "The first continuation of each prompt: 80 tokens at temperature .8 from the 40 likeliest, seed 0. The "
                "prompt is what stands before `⟶`."
            ),
            *parts,
        ]
    )


def card(
    name: str,
    config: dict[str, Any],
    training: dict[str, Any],
    held_out: dict[str, Any],
    trials: dict[str, dict[str, Any]],
    found: Sequence[Source],
    samples: dict[str, str],
) -> str:
    """The whole card in Markdown."""
    curve = [
        [f"{s:.0f}", f"{s * training['tokens_seen'] / training['steps'] / 1e6:.2f}", f"{t / 60:.1f}", f"{loss:.2f}"]
        for s, t, loss in thinned(training["loss_curve"])
    ]
    shipped = held_out["shipped_corpora"]
    parts = [
        f"# {name}",
        paragraph(
            "A small OPT trained for this project, so that the evidence report can be made without a download. It is a "
            "real trained transformer on real text, and a poor writer; its use is to have modularity claims tested on it."
        ),
        facts_table(name, config, training, held_out["weights_sha256"]),
        paragraph(
            "`training.json` holds arguments, tokens by category and the whole loss curve; `held_out.json` holds the "
            "figures of the next section. `scripts/embedded_card.py` measures those and writes this card."
        ),
        "## Held-out text",
        paragraph(
            "Bits per byte on whole documents that training never saw: those whose id's SHA-256 is divisible by 50. "
            "Every token is scored once, in windows of `<s>` and up to 511 tokens that overlap by half, in float32. The trigram (Witten-Bell, "
            "interpolated) is of the same tokens, counted once on the whole training text. `xz -9` compresses the "
            "documents of a line joined into one. *Mixed* is all documents together. *Repeated* is the share of tokens that lie in a run of "
            f"{RUN} tokens which also stands somewhere in the training text."
        ),
        held_out_table(held_out),
        findings(held_out, training),
        "## Loss curve",
        "Running mean of the training loss:",
        table(["step", "tokens, M", "minutes", "nats a token"], curve),
        *([trials_section(name, training, trials)] if trials else []),
        samples_section(samples),
        "## Training text",
        paragraph(
            f"{sum(s.size for s in found) / 1e6:.1f} MB, about one document in fifty of it held out. A category was "
            f"drawn in proportion to its tokens to the power {bare(training['arguments']['temper'])}:"
        ),
        training_table(held_out, training),
        paragraph(
            "`code` is the standard library of CPython, leaving out every top-level module whose name's SHA-256 is odd, "
            "the package `test`, folders `tests`, and `pydoc_data`: those serve `--corpus python` as text that the model has not seen. Of "
            f"the tokens of the {shipped['texts']} texts in `data/corpora`, {100 * shipped['repeated_share']:.2f} % lie "
            f"in a run of {RUN} that stands in the training text."
        ),
        source_table(found),
        "## Known limits",
        points(
            [
                "English and Python source only; how it writes is shown above.",
                "Trained in windows of 512 tokens that begin with `<s>`; positions beyond do not exist. `<s>` also "
                "stands between documents inside a window.",
                "Documents are held out one by one: their kin (chapters of one book, the same news at another reading "
                "level, pages that share a form) may be in the training text. *Repeated* counts verbatim kin only.",
                "The tokenizer's merges were learned from a sample of all documents, held-out ones included.",
                "One training seed: what holds in it need not hold in a sister trained from another.",
            ]
        ),
    ]
    return "\n\n".join(parts) + "\n"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--trials", type=Path, help="from collect_trials.py (default: MODEL/trials.json, if there)")
    parser.add_argument("--tokens", type=Path, help="train_embedded.py's tokens.npz (default: MODEL-work/tokens.npz)")
    args = parser.parse_args(argv)

    training = json.loads((args.model / "training.json").read_text("utf-8"))
    trials_file = args.trials or args.model / "trials.json"
    trials = json.loads(trials_file.read_text("utf-8")) if args.trials or trials_file.is_file() else {}
    name = args.model.resolve().name
    cache = args.tokens or args.model.with_name(name + "-work") / "tokens.npz"
    model = OPTForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    held_out = held_out_figures(args.model, model, args.texts, cache)
    (args.model / "held_out.json").write_text(json.dumps(held_out, indent=1) + "\n", encoding="utf-8")

    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    samples = {}
    for category, prompt in PROMPTS.items():
        drawn = continuation(model, tokenizer.encode(prompt).ids)
        samples[category] = f"{prompt} ⟶{tokenizer.decode(drawn, skip_special_tokens=False)}"
    config = json.loads((args.model / "config.json").read_text("utf-8"))
    found = [*sources(args.texts), standard_library_source(training["python"])]
    told = card(name, config, training, held_out, trials, found, samples)
    (args.model / "CARD.md").write_text(told, encoding="utf-8")
    print(told)


if __name__ == "__main__":
    main()
