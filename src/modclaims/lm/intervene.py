"""Ablation: units of a loaded network are taken out for as long as a context lasts, by hooks alone; weights stay as they are.

What comes before the first ablated layer is as it was, so of many ablations at the same texts each is run from there on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modclaims.lm.extract import log_odds, next_token_loss
from modclaims.lm.network import Network
from modclaims.lm.untyped import Untyped
from modclaims.recording import Ablation, Array, LogOdds, Loss, Request

SITE_OF = {"head": "head_z", "neuron": "mlp_act", "mlp_block": "mlp_out", "attn_block": "attn_out"}
"""Where the output of each kind of unit is found, and replaced."""
KEPT_BYTES = 2**28
"""Outputs of blocks that are kept so that ablations need not be run from the first layer on."""

Values = Mapping[int, torch.Tensor]
"""By layer, what stands in place of the units' output: (unit of the site,), or (text, token, unit of the site)."""


@contextmanager
def ablated(network: Network, ablation: Ablation, values: Values | None = None) -> Iterator[None]:
    """The network without some units while the context lasts, and as it was afterwards, whatever happens inside.

    `values` are those of `mean` and `resample`, at least in the layers concerned; for `zero` there are none. Raises
    `ClaimError` for a unit that the network lacks, before anything is changed.
    """
    by_layer = ablation.by_layer(network.shape)
    with ExitStack() as stack:
        for layer, units in by_layer.items():
            value = None if values is None else values[layer]
            stack.callback(_replacing(network, layer, ablation.unit, units, value).remove)
        yield


def _replacing(
    network: Network, layer: int, unit: str, units: Sequence[int], value: torch.Tensor | None
) -> torch.utils.hooks.RemovableHandle:
    before, path = network.anatomy.site(SITE_OF[unit])
    module = network.part(layer, path)
    count = network.shape.parts(unit)

    def replaced(states: torch.Tensor) -> torch.Tensor:
        gone = torch.zeros(count, dtype=torch.bool)
        gone[list(units)] = True
        gone = gone.repeat_interleave(states.shape[-1] // count).to(states.device)
        if value is None:
            return states.masked_fill(gone, 0.0)
        other = value.to(states.device, states.dtype)
        return torch.where(gone, other.reshape(states.shape) if other.ndim > 1 else other, states)

    def on_input(
        _: torch.nn.Module, args: tuple[Untyped, ...], kwargs: dict[str, Untyped]
    ) -> tuple[tuple[Untyped, ...], dict[str, Untyped]]:
        if args:
            return (replaced(args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": replaced(kwargs["hidden_states"])}

    def on_output(_: torch.nn.Module, __: tuple[Untyped, ...], output: Untyped) -> Untyped:
        return (replaced(output[0]), *output[1:]) if isinstance(output, tuple) else replaced(output)

    if before:
        return module.register_forward_pre_hook(on_input, with_kwargs=True)
    return module.register_forward_hook(on_output)


def outputs_of_units(
    network: Network, ids: NDArray[Untyped], unit: str, layers: Iterable[int]
) -> dict[int, torch.Tensor]:
    """By layer, the site of a kind of unit at all tokens of texts of equal length, (text, token, unit of the site)."""
    before, path = network.anatomy.site(SITE_OF[unit])
    tokens = torch.from_numpy(ids).to(network.device)
    found: dict[int, torch.Tensor] = {}

    def keeping(layer: int) -> Callable[..., None]:
        def hook(_: torch.nn.Module, args: tuple[Untyped, ...], kwargs: dict[str, Untyped], output: Untyped) -> None:
            states = (args[0] if args else kwargs["hidden_states"]) if before else output
            states = states[0] if isinstance(states, tuple) else states
            found[layer] = states.reshape(*tokens.shape, -1).detach().clone()

        return hook

    with ExitStack() as stack, torch.inference_mode():
        for layer in layers:
            handle = network.part(layer, path).register_forward_hook(keeping(layer), with_kwargs=True)
            stack.callback(handle.remove)
        network.trunk(input_ids=tokens, use_cache=False)
    return found


class Prefix:
    """The network as it is, run once at some texts, so that what follows a layer can be run again without what precedes it."""

    def __init__(self, network: Network, tokens: torch.Tensor) -> None:
        self.network = network
        self.outputs: list[Untyped] | None = []
        size = tokens.numel() * network.shape.width * network.shape.layers
        keep = size * next(network.trunk.parameters()).element_size() <= KEPT_BYTES
        with ExitStack() as stack:
            if keep:
                for block in network.blocks:
                    stack.callback(block.register_forward_hook(self._keep).remove)
            else:
                self.outputs = None
            self.hidden: torch.Tensor = network.trunk(input_ids=tokens, use_cache=False).last_hidden_state

    def _keep(self, _: torch.nn.Module, __: tuple[Untyped, ...], output: Untyped) -> None:
        assert self.outputs is not None
        self.outputs.append(output)

    @contextmanager
    def until(self, first: int, rows: torch.Tensor) -> Iterator[None]:
        """While the context lasts, blocks before `first` give what they gave for these texts, and are not run."""
        if self.outputs is None:
            yield
            return
        with ExitStack() as stack:
            for block, output in zip(list(self.network.blocks)[:first], self.outputs, strict=False):
                stack.enter_context(_answering(block, _rows(output, rows)))
            yield


def _rows(output: Untyped, rows: torch.Tensor) -> Untyped:
    if isinstance(output, torch.Tensor):
        return output.index_select(0, rows)
    return tuple(part.index_select(0, rows) if isinstance(part, torch.Tensor) else part for part in output)


@contextmanager
def _answering(module: torch.nn.Module, output: Untyped) -> Iterator[None]:
    """A module that gives this output instead of running, while the context lasts."""
    own = module.__dict__.get("forward")  # a device map puts one there
    module.forward = lambda *_, **__: output
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


def answers(
    network: Network,
    ids: NDArray[Untyped],
    asked: Sequence[tuple[Request, Sequence[int]]],
    values: Callable[[Ablation, Sequence[int]], Values | None],
) -> list[Array]:
    """What requests of `NUMBERS` are answered with and without parts, one number for each of the rows that each is about.

    `ids` is (text, token), texts of equal length. `values(ablation, rows)` gives what stands in place of the units that
    are taken out. Requests that differ only in what they ask share a pass. The network must have its head.
    """
    assert network.head is not None, "a network whose loss is wanted is loaded with its head"
    tokens = torch.from_numpy(ids).to(network.device)
    found: list[Array] = [np.empty(0)] * len(asked)
    trials: dict[Ablation | None, list[int]] = {}
    for i, (request, _) in enumerate(asked):
        trials.setdefault(request.ablation, []).append(i)
    with torch.inference_mode():
        intact = Prefix(network, tokens)
        for ablation, which in trials.items():
            rows = sorted({row for i in which for row in asked[i][1]})
            index = torch.tensor(rows, device=tokens.device)
            read = tokens.index_select(0, index)
            if ablation is None or not (by_layer := ablation.by_layer(network.shape)):
                hidden = intact.hidden.index_select(0, index)
            else:
                with ablated(network, ablation, values(ablation, rows)), intact.until(min(by_layer), index):
                    hidden = network.trunk(input_ids=read, use_cache=False).last_hidden_state
            for i in which:
                request = asked[i][0]
                mine = torch.tensor([rows.index(row) for row in asked[i][1]], device=tokens.device)
                states = hidden.index_select(0, mine)
                found[i] = NUMBERS[type(request)](network, states, read.index_select(0, mine), request).numpy()
    return found


def _loss(network: Network, hidden: torch.Tensor, ids: torch.Tensor, _: Loss) -> torch.Tensor:
    assert network.head is not None
    return next_token_loss(hidden, network.head, ids, network.logit_cap)


def _log_odds(network: Network, hidden: torch.Tensor, _: torch.Tensor, request: LogOdds) -> torch.Tensor:
    assert network.head is not None
    return log_odds(hidden, network.head, request.among, network.logit_cap)


NUMBERS: Mapping[
    type[Request], Callable[[Network, torch.Tensor, torch.Tensor, Any], torch.Tensor]  # Any: a request of that class
] = {Loss: _loss, LogOdds: _log_odds}
"""By kind of request, what makes one number for each text, (text,), of last states, (text, token, unit), and ids, (text, token)."""


class Replacements:
    """What stands in place of ablated units, taken from named texts as one network reads them; kept while it is of use."""

    def __init__(self, network: Network, ids: Mapping[str, NDArray[Untyped]], keys: Mapping[str, str]) -> None:
        self.network = network
        self.ids = ids
        """Token ids by text key."""
        self.keys = keys
        """Text keys by text id."""
        self.passes = 0
        """Forward passes that were made for it."""
        self._totals: dict[tuple[str, str, int], dict[int, torch.Tensor]] = {}
        self._means: dict[tuple[str, tuple[str, ...], int], Values] = {}
        self._whole: dict[tuple[str, str, int], dict[int, torch.Tensor]] = {}

    def of(self, ablation: Ablation, texts: Sequence[str], read: int) -> Values | None:
        """For texts of equal length (by key), of which so many tokens are read."""
        if ablation.how == "zero":
            return None
        if ablation.how == "mean":
            return self._mean(ablation, read)
        length = len(self.ids[texts[0]][:read])
        rows = [self._outputs(ablation.unit, self.donor(ablation, text), read) for text in texts]
        again = [torch.arange(length) % len(next(iter(row.values()))) for row in rows]
        layers = ablation.by_layer(self.network.shape)
        return {
            layer: torch.stack(
                [row[layer][which.to(row[layer].device)] for row, which in zip(rows, again, strict=True)]
            )
            for layer in layers
        }

    def donor(self, ablation: Ablation, text: str) -> str:
        """The text of `source` that a text takes values from, both by key: another one, by a hash of the two."""
        others = {self.keys[name] for name in ablation.source} - {text}
        return min(others, key=lambda other: hashlib.sha256(f"{text} {other}".encode()).digest())

    def _mean(self, ablation: Ablation, read: int) -> Values:
        place = (ablation.unit, ablation.source, read)
        if place not in self._means:
            sources = sorted({self.keys[name] for name in ablation.source})
            count = sum(len(self.ids[key][:read]) for key in sources)
            totals = [self._total(ablation.unit, key, read) for key in sources]
            self._means[place] = {
                layer: torch.stack([total[layer] for total in totals]).sum(dim=0) / count for layer in totals[0]
            }
        return self._means[place]

    def _total(self, unit: str, key: str, read: int) -> dict[int, torch.Tensor]:
        place = (unit, key, read)
        if place not in self._totals:
            found = self._run(unit, key, read)
            self._totals[place] = {layer: states.double().sum(dim=0) for layer, states in found.items()}
        return self._totals[place]

    def _outputs(self, unit: str, key: str, read: int) -> dict[int, torch.Tensor]:
        place = (unit, key, read)
        if place not in self._whole:
            found = self._run(unit, key, read)
            size = sum(states.numel() * states.element_size() for states in found.values())
            while self._whole and size * (len(self._whole) + 1) > KEPT_BYTES:
                del self._whole[next(iter(self._whole))]
            self._whole[place] = found
        return self._whole[place]

    def _run(self, unit: str, key: str, read: int) -> dict[int, torch.Tensor]:
        """One text by itself, so that its values depend on no batch: (token, unit of the site) by layer."""
        self.passes += 1
        found = outputs_of_units(self.network, self.ids[key][:read][None], unit, range(self.network.shape.layers))
        return {layer: states[0] for layer, states in found.items()}
