"""Spectra of block Jacobians, one text and block at a time: exact where they fit, estimated where they do not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from modclaims.lm.block_inputs import BlockInput
from modclaims.lm.jacobian import BlockJacobian, block_jacobian
from modclaims.lm.network import Network
from modclaims.recording import BY_TOKEN, SPECTRUM, Array, Jacobian
from modclaims.stats.spectra.estimated_spectra import estimated_spectrum
from modclaims.stats.spectra.spectrum import Spectrum, gram_spectrum, gram_values, spectrum_of_values
from modclaims.stats.streams import stream

DENSE_ROWS = 2304
"""Where tokens meet, the Jacobian of all of them together is formed up to this size (3 tokens of width 768: 42 MB and a
second to decompose), and estimated beyond. Token by token it is always formed."""
ESTIMATE_MEMORY = 2**30
"""Bytes that an estimate may hold."""
OF_TOKENS, OF_ALL = frozenset({"tokens", "token_values"}), frozenset({"summary", "values"})
"""Answers about each token's output by itself, and about all of them together."""


def question(request: Jacobian) -> Jacobian:
    """What several requests ask, of one text and layer, that is worked out together."""
    return replace(request, answer="tokens", texts=None, layers=None, only=None, variant=None)


CHECKED = 2**62
"""Bytes: whether there is room for a Jacobian was asked before any pass."""


def spectra(
    network: Network,
    asked: Jacobian,
    inputs: BlockInput,
    answers: Iterable[str],
    kept: dict[int, torch.Tensor] | None = None,
) -> dict[str, Array]:
    """Answers about one block at one text, in float64. `kept` is that of `block_jacobian`.

    Raises `ModelError` and `ClaimError` as `block_jacobian` does.
    """
    wanted = frozenset(answers)
    jacobian = block_jacobian(network, inputs, normalised=asked.normalised, kept=kept, max_memory=CHECKED)
    found: dict[str, Array] = {}
    of_tokens = gram_values(jacobian.grams()) if wanted & OF_TOKENS or jacobian.tokenwise else None
    if of_tokens is not None:
        found |= {"tokens": by_token(jacobian, of_tokens), "token_values": of_tokens}
    if wanted & OF_ALL:
        whole = _of_all(jacobian, inputs, of_tokens, certify="summary" in wanted)
        values = np.full(min(whole.shape), np.nan)
        values[: len(whole.values)] = whole.values
        found |= {"summary": summary(whole), "values": values}
    return {answer: found[answer] for answer in wanted}


def by_token(jacobian: BlockJacobian, values: NDArray[np.float64]) -> Array:
    """(token, `BY_TOKEN`) from the singular values of each token, (token, value)."""
    floor = jacobian.width * float(np.finfo(np.float32).eps)
    rows = np.empty((len(values), len(BY_TOKEN)))
    rows[:, -2:] = -1.0
    for row, of_token in zip(rows, values, strict=True):
        spectrum = spectrum_of_values(of_token, (jacobian.width, jacobian.width), computed_in=np.float32)
        row[:-2] = (
            spectrum.rank_at_least,
            spectrum.effective_rank,
            spectrum.stable_rank,
            spectrum.above_tenth,
            spectrum.largest,
            floor,
        )
    if jacobian.tokenwise:
        active = jacobian.active(floor)
        rows[:, -2], rows[:, -1] = active, jacobian.explained(active, floor, values[:, 0])
    return rows


def _of_all(
    jacobian: BlockJacobian, inputs: BlockInput, of_tokens: NDArray[np.float64] | None, *, certify: bool
) -> Spectrum:
    """The spectrum of all tokens together: of an MLP the values of all its tokens."""
    size = jacobian.tokens * jacobian.width
    if jacobian.tokenwise:
        assert of_tokens is not None
        return spectrum_of_values(of_tokens.ravel(), (size, size), computed_in=np.float32)
    if size <= DENSE_ROWS:
        return gram_spectrum(jacobian.dense())
    # the same for the same block whenever it is asked
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
