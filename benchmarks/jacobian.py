"""What Jacobians of blocks cost beside automatic differentiation, and how that grows with the tokens.

    python benchmarks/jacobian.py [--tokens 34]

Blocks are those of a network of OPT-125M's size (768 units, 3,072 neurons, 12 heads) with one layer and random weights.
All work is done in float64 on one thread, and timed in CPU time. Peers differentiate the same function, the network's
own modules in float64, and decompose one matrix. Memory is what a process of its own grows by.
"""

from __future__ import annotations

import argparse
import copy
import gc
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from figures import figure
from threadpoolctl import threadpool_limits
from tokenizers import Tokenizer, models
from transformers import OPTConfig, OPTModel, PreTrainedTokenizerFast
from transformers.utils import logging

from modclaims.lm.block_inputs import block_inputs
from modclaims.lm.jacobian import BlockJacobian, block_jacobian
from modclaims.lm.model import load_model
from modclaims.lm.network import Network
from modclaims.lm.scrambling import scrambled_block
from modclaims.lm.spectra import spectra
from modclaims.lm.variants import Variant
from modclaims.recording import Jacobian
from modclaims.stats.spectra.estimated_spectra import estimated_spectrum
from modclaims.stats.spectra.spectrum import gram_values

TOKENS, FEW, COLUMNS, WINDOW_END = (2, 4, 8, 16, 32, 64), 2, 16, 475
LOOP_TARGET, BATCHED_TARGET = 20.0, 2.0
SECONDS_TARGET, MEMORY_TARGET = 20.0, 10**9


def random_model(folder: Path) -> None:
    """One layer of OPT-125M's size, few words, and a tokenizer of no use."""
    words = Tokenizer(models.WordLevel(vocab={"<s>": 0, "<pad>": 1}, unk_token="<s>"))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(folder)
    torch.manual_seed(0)
    OPTModel(OPTConfig(vocab_size=512, num_hidden_layers=1, init_std=0.05)).save_pretrained(folder)


def ids(tokens: int) -> np.ndarray:
    """Token ids of a text."""
    return np.random.default_rng(0).integers(2, 512, size=tokens)


def jacobian(network: Network, block: str, tokens: int) -> BlockJacobian:
    """Of one block at a text of so many tokens, its forward pass included."""
    return block_jacobian(network, block_inputs(network, ids(tokens), [0], block)[0])


def seconds(work: Callable[..., object], *arguments: object) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work(*arguments)
    return time.process_time() - start


def least_seconds(work: Callable[..., object], *arguments: object) -> float:
    """CPU time of the fastest of five calls."""
    return min(seconds(work, *arguments) for _ in range(5))


def singular_values(matrix: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(matrix.reshape(matrix.shape[0] * matrix.shape[1], -1))


def beside_differentiation(network: Network) -> None:
    """All singular values of the MLP at two tokens: block by block, and of one matrix made by backward passes."""
    stream = block_inputs(network, ids(FEW), [0], "mlp")[0].stream.double()
    layer = network.blocks[0]
    mlp = torch.nn.Sequential(layer.final_layer_norm, layer.fc1, layer.activation_fn, layer.fc2)
    mlp = copy.deepcopy(mlp).double()
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found["ours"] = np.sort(gram_values(jacobian(network, "mlp", FEW).grams()).ravel())[::-1]

    def looped() -> None:
        found["looped"] = singular_values(torch.autograd.functional.jacobian(mlp, stream)).numpy()

    def batched() -> None:
        found["batched"] = singular_values(torch.func.jacrev(mlp)(stream)).detach().numpy()

    own = least_seconds(ours)
    for name, work, target in (
        ("torch.autograd.functional.jacobian", looped, LOOP_TARGET),
        ("torch.func.jacrev", batched, BATCHED_TARGET),
    ):
        peer = (seconds if work is looped else least_seconds)(work)
        figure(
            f"MLP at {FEW} tokens, all singular values: {name} and a decomposition over ours",
            peer / own,
            at_least=target,
        )
    for peer in ("looped", "batched"):  # below 4e-7 of the largest ours are noise, a hundredth of float32's floor
        np.testing.assert_allclose(found[peer], found["ours"], rtol=0, atol=4e-7 * found["ours"][0])


def blocks(network: Network, tokens: int) -> np.ndarray:
    """The MLP's."""
    return jacobian(network, "mlp", tokens).blocks()


def whole_spectrum(network: Network, tokens: int) -> None:
    """All singular values of the MLP."""
    gram_values(jacobian(network, "mlp", tokens).grams())


def token_spectra(network: Network, block: Literal["mlp", "attention"], tokens: int) -> None:
    """Every token's singular values, of a window's last token on `WINDOW_END`."""
    inputs = block_inputs(network, ids(WINDOW_END + 1), [0], block, held=WINDOW_END + 1 - tokens)[0]
    spectra(network, Jacobian(block, tokens, last=WINDOW_END), inputs, ["tokens"], {})


def of_one_block(network: Network) -> None:
    """What a claim's unit costs: one block at one text, three tokens in its middle, every token's values."""
    asked = {block: Jacobian(block, 3, last=WINDOW_END) for block in ("mlp", "attention")}
    for block, request in asked.items():
        inputs = block_inputs(network, ids(WINDOW_END + 1), [0], block, held=WINDOW_END - 2)[0]
        kept: dict[int, torch.Tensor] = {}
        spectra(network, request, inputs, ["tokens"], kept)
        own = least_seconds(spectra, network, request, inputs, ["tokens"], kept)
        first = least_seconds(spectra, network, request, inputs, ["tokens"])
        drawn = {
            kind: least_seconds(scrambled_block, network, Variant(kind, 1), 0, block)
            for kind in ("gaussian", "permuted")
        }
        what = f"{block} at 3 tokens up to {WINDOW_END}, every token's values"
        figure(what, own, "s", machine=True)
        figure(f"{what}, of the first text of a layer", first, "s", machine=True)
        for kind, spent in drawn.items():
            figure(f"{block}, weights drawn anew ({kind})", spent, "s", machine=True)


def by_tokens(network: Network) -> None:
    """How the cost grows."""
    print("\ntokens  MLP's blocks  a token   attention: 16 columns forth   and back   forward pass   forth / pass")
    for tokens in TOKENS:
        made = min(seconds(blocks, network, tokens) for _ in range(2))
        operator = jacobian(network, "attention", tokens).operator()
        columns = np.random.default_rng(1).standard_normal((operator.shape[0], COLUMNS))
        forth, back = (least_seconds(product, columns) for product in (operator.matmat, operator.rmatmat))
        with torch.inference_mode():
            forward = least_seconds(network.trunk, torch.from_numpy(ids(tokens))[None])
        print(
            f"{tokens:6} {made:11.3f} s {made / tokens:7.3f} s {forth:27.3f} s {back:10.3f} s {forward:12.4f} s {forth / forward:14.1f}"
        )
    print("(the forward pass is of the whole layer, in float32)")


def estimate(network: Network, tokens: int) -> None:
    """Attention's spectrum without its matrix, its rank certified by the diagonal blocks."""
    found = jacobian(network, "attention", tokens)
    start = time.process_time()
    diagonal = found.diagonal_blocks()
    between = time.process_time()
    spectrum = estimated_spectrum(
        found.operator(),
        rng=np.random.default_rng(0),
        max_memory=MEMORY_TARGET,
        diagonal_blocks=diagonal,
        rank_at_most=found.rank_at_most,
    )
    size = found.tokens * found.width
    print(
        f"attention at {tokens} tokens ({size:,} x {size:,}, never formed): {time.process_time() - start:.1f} s, of which "
        f"{between - start:.1f} s for the diagonal blocks; effective rank {spectrum.effective_rank:.0f} +- "
        f"{spectrum.effective_rank_error:.0f}, rank {spectrum.rank_at_least:,} to {spectrum.rank_at_most:,}"
    )


def resident() -> int:
    """The largest memory that this process has held, in bytes."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["VmHWM"].split()[0])


def grown(work: Callable[[], object]) -> int:
    """By how many bytes the process grows while something runs, beyond what it holds before (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = resident()
    work()
    return resident() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=34, help="of the large examples")
    parser.add_argument("--peak", choices=["mlp", "attention"], help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    large = {"mlp": whole_spectrum, "attention": estimate}
    with tempfile.TemporaryDirectory() as temporary, threadpool_limits(1):
        folder = args.model or Path(temporary)
        if args.model is None:
            random_model(folder)
        network = load_model(str(folder), device="cpu").network()
        if args.peak:
            before = time.process_time()
            bytes_grown = grown(lambda: large[args.peak](network, args.tokens))
            mlp = args.peak == "mlp"
            what, spent = f"{args.peak} at {args.tokens} tokens", time.process_time() - before
            figure(what, spent, "s", at_most=SECONDS_TARGET if mlp else None, machine=True)
            figure(f"{what}, memory", bytes_grown / 1e6, "MB", at_most=MEMORY_TARGET / 1e6 if mlp else None)
            return
        beside_differentiation(network)
        for which in ("mlp", "attention"):
            command = [sys.executable, __file__, "--model", str(folder), "--peak", which, "--tokens", str(args.tokens)]
            subprocess.run(command, check=True)
        of_one_block(network)
        by_tokens(network)


if __name__ == "__main__":
    main()
