"""Spectra of block Jacobians, text by text: exact where they fit, estimated where they do not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from modclaims.lm.block_inputs import BlockInput
from modclaims.lm.jacobian import BlockJacobian, block_jacobian
from modclaims.lm.network import Network
from modclaims.recording import SPECTRUM, Array, Entry, Jacobian
from modclaims.stats.spectra.estimated_spectra import estimated_spectrum
from modclaims.stats.spectra.spectrum import Spectrum, block_spectrum, effective_ranks, exact_spectrum
from modclaims.stats.streams import stream

DENSE_ROWS = 2048
"""Jacobians that join tokens are formed up to this size, and estimated beyond: 32 MiB, a few seconds to decompose."""
ESTIMATE_MEMORY = 2**30
"""Bytes that an estimate may hold."""

Inputs = Callable[[Jacobian], Mapping[int, BlockInput]]


def spectra(
    network: Network, entries: Iterable[Entry], jacobians: Mapping[Entry, Jacobian], inputs: Sequence[Inputs]
) -> dict[Entry, Array]:
    """Entries that are spectra, each with a leading text axis, in float64.

    `jacobians` tells what each entry is of, `inputs` what enters the model's own blocks, a function a text. Answers to
    one question about one block are made together. Raises `ModelError` and `ClaimError` as `block_jacobian` does.
    """
    questions: dict[tuple[Jacobian, int], dict[str, Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.name):
        request = replace(jacobians[entry], answer="summary", texts=None, layers=None)
        questions.setdefault((request, entry.layer), {})[entry.reduce] = entry
    found: dict[Entry, Array] = {}
    for (request, layer), answers in questions.items():
        of_layer = [of_text(request)[layer] for of_text in inputs]
        with _one_thread_each(len(inputs)) as pool:
            rows = _of_texts(network, request, of_layer, frozenset(answers), pool)
        for answer, entry in answers.items():
            found[entry] = np.stack([row[answer] for row in rows])
    return found


@contextmanager
def _one_thread_each(texts: int) -> Iterator[Executor]:
    """Texts side by side, each on one thread: matrices of this size are decomposed no faster, often slower, on several."""
    from threadpoolctl import threadpool_limits

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1), ThreadPoolExecutor(max(1, min(texts, cores))) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def _of_texts(
    network: Network, request: Jacobian, inputs: Sequence[BlockInput], answers: frozenset[str], pool: Executor
) -> list[dict[str, Array]]:
    """Answers of one layer, text by text. To an MLP the tokens of all texts are one text's."""
    if request.block == "attention":
        return list(pool.map(lambda one: _of_attention(network, request, one, answers), inputs))
    streams = torch.cat([one.stream for one in inputs])
    together = block_jacobian(network, replace(inputs[0], stream=streams), normalised=request.normalised)
    blocks = together.blocks()
    blocks = blocks.reshape(len(inputs), -1, *blocks.shape[1:])
    if answers == {"effective_rank"}:
        return [{"effective_rank": rank} for rank in pool.map(lambda one: effective_ranks(one[None])[0], blocks)]
    return list(pool.map(lambda one: _answered(block_spectrum(one), answers), blocks))


def _of_attention(network: Network, request: Jacobian, inputs: BlockInput, answers: frozenset[str]) -> dict[str, Array]:
    jacobian = block_jacobian(network, inputs, normalised=request.normalised)
    if jacobian.tokens * jacobian.width > DENSE_ROWS:
        return _answered(_estimated(jacobian, inputs, certify="summary" in answers), answers)
    if answers == {"effective_rank"}:
        return {"effective_rank": effective_ranks(jacobian.dense()[None])[0]}
    return _answered(exact_spectrum(jacobian.dense()), answers)


def _answered(spectrum: Spectrum, answers: frozenset[str]) -> dict[str, Array]:
    values = np.full(min(spectrum.shape), np.nan)
    values[: len(spectrum.values)] = spectrum.values
    made = {"summary": summary(spectrum), "values": values, "effective_rank": np.array(spectrum.effective_rank)}
    return {answer: made[answer] for answer in answers}


def _estimated(jacobian: BlockJacobian, inputs: BlockInput, *, certify: bool) -> Spectrum:
    """By products alone, the same for the same block whenever it is asked."""
    rng = stream(0, "spectrum", inputs.block, str(inputs.layer), str(jacobian.tokens))
    return estimated_spectrum(
        jacobian.operator(),
        rng=rng,
        max_memory=ESTIMATE_MEMORY,
        diagonal_blocks=jacobian.diagonal_blocks() if certify and jacobian.triangular else None,
        rank_at_most=jacobian.rank_at_most,
    )


def summary(spectrum: Spectrum) -> Array:
    """The numbers of `SPECTRUM`, in that order."""
    return np.array([float(getattr(spectrum, name)) for name in SPECTRUM])
