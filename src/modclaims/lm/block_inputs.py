"""What enters single blocks while a network reads a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

import torch
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.lm.network import Network
from modclaims.lm.untyped import Untyped
from modclaims.recording import BLOCKS


@dataclass(frozen=True, eq=False)
class BlockInput:
    """What enters one block while a network reads one text."""

    layer: int
    block: str
    """One of `BLOCKS`."""
    stream: torch.Tensor
    """(token, unit), as the network rounds it: before the block's normalisation, or what comes in after a post-norm."""
    arguments: tuple[Untyped, ...] = ()
    """What else the attention module is called with: masks, rotations."""
    keywords: Mapping[str, Untyped] = field(default_factory=dict)
    held: int = 0
    """Of the stream's tokens the first so many are held still: they are read, and not moved."""


class _Enough(Exception):
    """Raised inside the forward pass once all inputs have been taken."""


def block_inputs(
    network: Network, ids: NDArray[Untyped], layers: Iterable[int], block: str, *, held: int = 0
) -> dict[int, BlockInput]:
    """The inputs of a block at some layers, from one forward pass that ends at the last of them.

    The first `held` tokens are held still: attention reads them, an MLP does not.

    `ids` are the token ids of one text, (token,), as the network is to read them. The stream is the residual in pre-norm
    networks (for the MLP with attention added, unless the two run in parallel), and what the norm before gave in
    post-norm ones.
    Raises `ClaimError` for an unknown block.
    """
    if block not in BLOCKS:
        raise ClaimError(f"Block {block!r} is unknown; choose one of {', '.join(BLOCKS)}.")
    layers = sorted(set(layers))
    anatomy = network.anatomy
    reader = anatomy.attention if block == "attention" else anatomy.path("mlp_in")
    entrance = anatomy.norms[block] if anatomy.is_pre_norm(network.trunk.config) else reader
    tokens = torch.as_tensor(ids, device=network.device)[None]
    streams: dict[int, torch.Tensor] = {}
    taken: dict[int, BlockInput] = {}

    def take_stream(
        layer: int, _: torch.nn.Module, arguments: tuple[Untyped, ...], keywords: dict[str, Untyped]
    ) -> None:
        states = arguments[0] if arguments else keywords["hidden_states"]
        streams[layer] = states.detach().reshape(tokens.shape[1], -1).clone()

    def take_call(layer: int, _: torch.nn.Module, arguments: tuple[Untyped, ...], keywords: dict[str, Untyped]) -> None:
        if block == "mlp":
            taken[layer] = BlockInput(layer, block, streams[layer][held:].clone())
        else:
            others = {name: value for name, value in keywords.items() if name != "hidden_states"}
            taken[layer] = BlockInput(layer, block, streams[layer], arguments[1:], others, held)
        if len(taken) == len(layers):
            raise _Enough

    with ExitStack() as hooks, torch.no_grad():
        for layer in layers:
            for path, take in ((entrance, take_stream), (reader, take_call)):
                hook = network.part(layer, path).register_forward_pre_hook(partial(take, layer), with_kwargs=True)
                hooks.callback(hook.remove)
        with suppress(_Enough):
            network.trunk(input_ids=tokens, use_cache=False)
    return taken
