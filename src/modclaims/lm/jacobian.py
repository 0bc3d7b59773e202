"""Jacobians of single blocks at real inputs, in float64: exact where they are small, as operators where they are not.

A block is what it adds to the residual, as a function of its input stream: its own normalisation, a core (the MLP or
attention), and a sandwich norm where there is one. So is its Jacobian: a product of three, of which the outer two act on
each token by itself, and are a projection, a diagonal and a number there. An MLP acts on each token by itself too, and
is as many small Jacobians as there are tokens; attention joins them, and is seldom formed.

Weights are copied to float64 a block at a time. Beyond that the numbers are those that the network itself computes
with, which it may have rounded: streams, masks and rotations are taken from its own forward pass.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from modclaims.errors import ClaimError, ModelError
from modclaims.lm.anatomy import Network
from modclaims.lm.attention import Product, entering, register
from modclaims.recording import BLOCKS

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator

Float64 = NDArray[np.float64]

NUMBER = 8
"""Bytes of a float64."""
BATCH_MEMORY = 2**28
"""Bytes that a batch of columns may take while an operator is applied to it, if no less is allowed."""
MAX_MEMORY = 2**31
"""Bytes that a result may take if nothing else is said."""


@dataclass(frozen=True, eq=False)
class BlockInput:
    """What enters one block while a network reads one text."""

    layer: int
    block: str
    """One of `BLOCKS`."""
    stream: torch.Tensor
    """(token, unit), as the network rounds it: before the block's normalisation, or what comes in after a post-norm."""
    arguments: tuple[Any, ...] = ()
    """What else the attention module is called with: masks, rotations."""
    keywords: Mapping[str, Any] = field(default_factory=dict)


class _Enough(Exception):
    """Raised inside the forward pass once all inputs have been taken."""


def block_inputs(network: Network, ids: NDArray[Any], layers: Iterable[int], block: str) -> dict[int, BlockInput]:
    """The inputs of a block at some layers, from one forward pass that ends at the last of them.

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

    def take_stream(layer: int, _: torch.nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        states = arguments[0] if arguments else keywords["hidden_states"]
        streams[layer] = states.detach().reshape(tokens.shape[1], -1).clone()

    def take_call(layer: int, _: torch.nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        if block == "mlp":
            taken[layer] = BlockInput(layer, block, streams[layer])
        else:
            others = {name: value for name, value in keywords.items() if name != "hidden_states"}
            taken[layer] = BlockInput(layer, block, streams[layer], arguments[1:], others)
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


def block_jacobian(
    network: Network, inputs: BlockInput, *, normalised: bool = True, max_memory: int = MAX_MEMORY
) -> BlockJacobian:
    """d (what a block adds to the residual) / d (its input stream), at inputs that one text gave it.

    `network` may be a variant's, with other weights than those that made the inputs. What the block adds comes after a
    sandwich norm and before a post-norm. With `normalised` the block's own normalisation, with this network's weights, is
    part of it; without, the Jacobian is taken with respect to what that norm gives (a post-norm block has none: there it
    makes no difference). `max_memory` is in bytes.

    Raises `ModelError` where values are not finite, or the network is not as its anatomy says.
    """
    anatomy, layer = network.anatomy, inputs.layer
    device = network.part(layer, anatomy.path("o")).weight.device
    assert isinstance(device, torch.device)
    if device.type == "mps":  # has no float64
        device = torch.device("cpu")
    exact = _Exact(network, layer, device)
    with torch.no_grad():
        stream: torch.Tensor = exact.all(inputs.stream)
        before = None
        if anatomy.is_pre_norm(network.trunk.config):
            norm = exact.norm(anatomy.norms[inputs.block])
            stream, before = norm(stream), norm.jacobian(stream) if normalised else None
        core = _mlp(exact, stream) if inputs.block == "mlp" else _attention(exact, stream, inputs)
        output, after = core.output, None
        if path := anatomy.sandwich.get(inputs.block):
            norm = exact.norm(path)
            output, after = norm(output), norm.jacobian(output)
    if not torch.isfinite(output).all():
        raise ModelError(
            f"The {inputs.block} of layer {layer} of model {network.shape.name!r} gives values that are not finite; "
            "try --dtype float32."
        )
    name = f"the {inputs.block} of layer {layer} of model {network.shape.name!r}"
    return BlockJacobian(name, output.cpu().numpy(), core, before, after, max_memory)


@dataclass(frozen=True, eq=False)
class BlockJacobian:
    """A block's Jacobian at T tokens of width d: (T d, T d), rows and columns by token, then unit."""

    name: str
    """Of which block, as errors say it."""
    output: Float64
    """What the block adds to the residual, (token, unit)."""
    core: _Core
    before: _NormJacobian | None
    """Of the block's own normalisation, if it has one that is part of this."""
    after: _NormJacobian | None
    """Of the sandwich norm, if there is one."""
    max_memory: int = MAX_MEMORY
    """Bytes that a result may take, together with what it takes to make it; the block's own weights come on top."""

    @property
    def tokens(self) -> int:
        """T."""
        return len(self.output)

    @property
    def width(self) -> int:
        """d, the units of the residual."""
        return len(self.output[0])

    @property
    def tokenwise(self) -> bool:
        """Whether each token's output depends on that token alone, so that all blocks off the diagonal are zero."""
        return isinstance(self.core, _Mlp)

    @property
    def triangular(self) -> bool:
        """Whether each token's output depends on no later token, so that all blocks above the diagonal are zero.

        Then the ranks of the diagonal blocks add up to no more than the rank of the whole.
        """
        return not isinstance(self.core, _Attention) or self.core.triangular

    @property
    def rank_at_most(self) -> int:
        """What algebra alone allows, whatever the weights.

        Of its d dimensions a token loses one to a LayerNorm, the mean, and one to any norm whose eps is 0, its input's
        direction. No token gets more dimensions out of the core than this lets through, which is little at the first
        tokens of a text where heads share keys and values.
        """
        lost_before, lost_after = (0 if norm is None else norm.taken for norm in (self.before, self.after))
        through = sum(min(self.width - lost_after, most) for most in self.core.ranks(self.tokens))
        return min(self.tokens * (self.width - lost_before), through)

    def blocks(self) -> Float64:
        """All of a tokenwise Jacobian that is not zero: (token, output unit, input unit).

        Raises `ClaimError` for attention, which has more, and where `max_memory` does not allow it.
        """
        core = self.core
        if not isinstance(core, _Mlp):
            raise ClaimError(
                f"Tokens meet in {self.name}: its Jacobian is more than its diagonal blocks. Use dense(), diagonal_blocks() "
                "or operator()."
            )
        self._columns_beside("as a block a token", self._numbers_of_blocks)
        made = np.empty((self.tokens, self.width, self.width))
        for token, block in enumerate(made):
            found = core.block(token)
            if self.before is not None:
                found = self.before.at(token).vjp(found[:, None])[:, 0]
            if self.after is not None:
                found = self.after.at(token).jvp(found.T[:, None])[:, 0].T
            block[:] = found.cpu().numpy()
        return made

    def diagonal_blocks(self) -> Float64:
        """What each token's output owes to its own input: (token, output unit, input unit).

        In attention that is through its own query, key and value, with the other tokens as they are; the others' blocks
        are not formed. Raises `ClaimError` where `max_memory` does not allow it.
        """
        core = self.core
        if not isinstance(core, _Attention):
            return self.blocks()
        at_once = self._columns_beside("on its diagonal", lambda tokens: tokens * self.width**2)
        made = np.empty((self.tokens, self.width, self.width))
        units = torch.eye(self.width, dtype=torch.float64, device=core.device)
        for start in range(0, self.width, at_once):
            moved = units[start : start + at_once, None].expand(-1, self.tokens, -1)  # one unit, at every token
            with torch.no_grad():
                columns = self._through(core.own, moved)
            made[:, :, start : start + at_once] = columns.permute(1, 2, 0).cpu().numpy()
        return made

    def dense(self) -> Float64:
        """The whole matrix, (token and output unit, token and input unit).

        Raises `ClaimError` where `max_memory` does not allow it.
        """
        tokens, width = self.tokens, self.width
        if self.tokenwise:
            self._columns_beside(
                "as one matrix",
                lambda tokens: (tokens * width) ** 2 + self._numbers_of_blocks(tokens),
                "blocks(), which leave out the zeros",
            )
            made = np.zeros((tokens, width, tokens, width))
            each = np.arange(tokens)
            made[each, :, each] = self.blocks()
            return made.reshape(tokens * width, tokens * width)
        at_once = self._columns_beside("as one matrix", lambda tokens: (tokens * width) ** 2)
        made = np.empty((tokens * width, tokens * width))
        for start in range(0, tokens * width, at_once):
            columns = np.zeros((tokens * width, min(at_once, tokens * width - start)))
            columns[np.arange(start, start + columns.shape[1]), np.arange(columns.shape[1])] = 1
            made[:, start : start + at_once] = self._apply(self._jvp, at_once, columns)
        return made

    def operator(self) -> LinearOperator:
        """The same matrix, never formed: a scipy `LinearOperator` in float64, with its adjoint.

        Columns are taken some at a time, so that no more than `max_memory` (nor `BATCH_MEMORY`) is used beyond what goes
        in and what comes out. Raises `ClaimError` if that does not suffice for one column.
        """
        from scipy.sparse.linalg import LinearOperator  # here, because it takes most of a second

        at_once = self._columns_beside("for one column alone", lambda _: 0, instead=None)
        forward, backward = (partial(self._apply, through, at_once) for through in (self._jvp, self._vjp))
        size = self.tokens * self.width
        return LinearOperator(
            (size, size), matvec=forward, matmat=forward, rmatvec=backward, rmatmat=backward, dtype=np.float64
        )

    def _apply(
        self, through: Callable[[torch.Tensor], torch.Tensor], at_once: int, columns: NDArray[Any]
    ) -> NDArray[np.float64]:
        """Columns, (token and unit, column) or a single one, some at a time."""
        rows = np.asarray(columns, dtype=np.float64).reshape(self.tokens * self.width, -1).T
        made = np.empty((rows.shape[1], rows.shape[0]))
        for start in range(0, len(rows), at_once):
            some = np.ascontiguousarray(rows[start : start + at_once])
            tensor = torch.from_numpy(some.reshape(-1, self.tokens, self.width)).to(self.core.device)
            with torch.no_grad():
                made[:, start : start + at_once] = through(tensor).reshape(len(some), -1).T.cpu().numpy()
        return made.reshape(columns.shape)

    def _jvp(self, tangents: torch.Tensor) -> torch.Tensor:
        """Tangents of the input, (column, token, unit), to those of the output."""
        return self._through(self.core.jvp, tangents)

    def _vjp(self, cotangents: torch.Tensor) -> torch.Tensor:
        """Cotangents of the output, (column, token, unit), to those of the input."""
        if self.after is not None:
            cotangents = self.after.vjp(cotangents)
        cotangents = self.core.vjp(cotangents)
        return cotangents if self.before is None else self.before.vjp(cotangents)

    def _through(self, core: Callable[[torch.Tensor], torch.Tensor], tangents: torch.Tensor) -> torch.Tensor:
        """Tangents through the norms, and something between them."""
        if self.before is not None:
            tangents = self.before.jvp(tangents)
        tangents = core(tangents)
        return tangents if self.after is None else self.after.jvp(tangents)

    def _numbers_of_blocks(self, tokens: int) -> int:
        """Of all blocks of an MLP, and to make one of them."""
        return tokens * self.width**2 + (2 * self.core.inner + 4 * self.width) * self.width

    def _columns_beside(
        self,
        form: str,
        numbers: Callable[[int], int],
        instead: str | None = "operator(), which never holds it",
    ) -> int:
        """How many columns may be taken at a time, beside numbers that are held, by tokens.

        Raises `ClaimError` if there is room for none.
        """

        def least(tokens: int) -> int:
            return NUMBER * numbers(tokens) + 2 * self.core.column_bytes(tokens)  # one for what the core holds itself

        if least(self.tokens) > self.max_memory:
            fitting = [tokens for tokens in range(1, self.tokens) if least(tokens) <= self.max_memory]
            fewer = f"{fitting[-1]} would fit" if fitting else "not even one would fit"
            raise ClaimError(
                f"The Jacobian of {self.name} at {self.tokens} tokens of width {self.width} takes {_size(least(self.tokens))} "
                f"{form}, and {_size(self.max_memory)} are allowed. Use fewer tokens ({fewer}), allow more memory"
                f"{f', or use {instead}' if instead else ''}."
            )
        room = min(self.max_memory - NUMBER * numbers(self.tokens), BATCH_MEMORY)
        return max(1, room // self.core.column_bytes(self.tokens) - 1)


def _size(number: int) -> str:
    """Bytes, to be read by people."""
    for unit, bytes_each in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= bytes_each:
            return f"{number / bytes_each:.1f} {unit}"
    return f"{number} bytes"


class ExactNorm(torch.nn.Module):
    """A LayerNorm or RMSNorm in the dtype of what it is given, where the architecture's own would round to float32."""

    def __init__(self, weight: torch.Tensor | float, bias: torch.Tensor | float, eps: float, centred: bool) -> None:
        super().__init__()
        self.weight = weight
        self.bias = bias
        self.eps = eps
        self.centred = centred
        """Whether the mean is taken out first: a LayerNorm."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self._standardised(states)[0] * self.weight + self.bias

    def jacobian(self, states: torch.Tensor) -> _NormJacobian:
        """At some states, (token, unit)."""
        directions, gains = self._standardised(states)
        return _NormJacobian(self.weight, directions, gains, self.centred, int(self.centred) + (self.eps == 0))

    def _standardised(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of mean square one (less what eps takes), and what they were multiplied by."""
        if self.centred:
            states = states - states.mean(dim=-1, keepdim=True)
        gains = (states.square().mean(dim=-1, keepdim=True) + self.eps).rsqrt()
        return states * gains, gains


@dataclass(frozen=True, eq=False)
class _NormJacobian:
    """Of a norm at each token: weight * (1 - 1 1' / d - x x' / d) * gain, with x the standardised input."""

    weight: torch.Tensor | float
    """(unit,)"""
    directions: torch.Tensor
    """x, (token, unit)."""
    gains: torch.Tensor
    """(token, 1)"""
    centred: bool
    """Whether 1 1' / d is part of it."""
    taken: int
    """Dimensions that it takes from each token."""

    def at(self, token: int) -> _NormJacobian:
        """Of one token."""
        return replace(self, directions=self.directions[token : token + 1], gains=self.gains[token : token + 1])

    def jvp(self, tangents: torch.Tensor) -> torch.Tensor:
        """Tangents, (column, token, unit)."""
        return self._kept(tangents) * self.gains * self.weight

    def vjp(self, cotangents: torch.Tensor) -> torch.Tensor:
        """Cotangents, (column, token, unit)."""
        return self._kept(cotangents * self.weight) * self.gains

    def _kept(self, vectors: torch.Tensor) -> torch.Tensor:
        if self.centred:
            vectors = vectors - vectors.mean(dim=-1, keepdim=True)
        return vectors - self.directions * (vectors * self.directions).mean(dim=-1, keepdim=True)


class _Core(ABC):
    """What stands between the norms: a function of what it reads, (token, unit), at one value of it."""

    output: torch.Tensor
    """Its value, (token, unit)."""

    @property
    def device(self) -> torch.device:
        return self.output.device

    @property
    @abstractmethod
    def inner(self) -> int:
        """Units of a token that everything passes through."""

    def ranks(self, tokens: int) -> list[int]:
        """Token by token, how many dimensions the output may gain over that of the tokens before."""
        return [self.inner] * tokens

    @abstractmethod
    def column_bytes(self, tokens: int) -> int:
        """Memory that one column takes on its way through, norms included."""

    @abstractmethod
    def jvp(self, tangents: torch.Tensor) -> torch.Tensor:
        """Tangents, (column, token, unit)."""

    @abstractmethod
    def vjp(self, cotangents: torch.Tensor) -> torch.Tensor:
        """Cotangents, (column, token, unit)."""


@dataclass(frozen=True, eq=False)
class _Mlp(_Core):
    """Linear maps into the inner units, each unit times a slope of each token's, and a linear map out of them."""

    output: torch.Tensor
    into: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    """Matrices, (inner unit, unit), each with its slopes, (token, inner unit); two if gated."""
    out: torch.Tensor
    """(inner unit, unit)"""

    @property
    def inner(self) -> int:
        return len(self.out)

    def column_bytes(self, tokens: int) -> int:
        return NUMBER * tokens * (3 * self.inner + 6 * len(self.out.T))

    def jvp(self, tangents: torch.Tensor) -> torch.Tensor:
        return _sum((tangents @ matrix.T).mul_(slopes) for matrix, slopes in self.into) @ self.out

    def vjp(self, cotangents: torch.Tensor) -> torch.Tensor:
        cotangents = cotangents @ self.out.T
        return _sum((cotangents * slopes) @ matrix for matrix, slopes in self.into)

    def block(self, token: int) -> torch.Tensor:
        """The Jacobian at one token, (output unit, input unit)."""
        slopes = [slopes[token] for _, slopes in self.into]
        used = torch.stack(slopes).any(dim=0).nonzero()[:, 0]  # a ReLU leaves out most of them
        into = _sum(
            matrix.index_select(0, used).mul_(slope[used, None])
            for (matrix, _), slope in zip(self.into, slopes, strict=True)
        )
        return self.out.index_select(0, used).T @ into


@dataclass(frozen=True, eq=False)
class _Attention(_Core):
    """The architecture's own way from what is read to queries, keys and values; from there on, plain products."""

    output: torch.Tensor
    read: torch.Tensor
    """(token, unit)"""
    enter: Callable[[torch.Tensor], Product]
    """What enters the product, from what is read."""
    run: Callable[[torch.Tensor], torch.Tensor]
    """From what is read to the output."""
    out: torch.Tensor
    """(unit, head and its unit)"""
    heads: int
    kv_heads: int

    @property
    def inner(self) -> int:
        return len(self.out.T)

    def ranks(self, tokens: int) -> list[int]:
        """Where heads share values, less than is wide at the first tokens.

        Let W be the span, m = min(t, head width) dimensions at most, of what the values at tokens up to t differ by. The
        r heads that share them move by what their patterns do, each inside W (r m dimensions), and by what the values do,
        of which token t's own is new: beyond W, the same for all r but for a factor (head width - m dimensions). W
        only grows from token to token, so this adds up. In an encoder W is that of all tokens.
        """
        shared, head_width = self.heads - self.kv_heads, self.inner // self.heads
        others = range(tokens) if self.triangular else [tokens - 1] * tokens
        return [self.kv_heads * head_width + shared * min(other, head_width) for other in others]

    def column_bytes(self, tokens: int) -> int:
        return NUMBER * tokens * (6 * len(self.out) + 8 * self.inner + 5 * self.heads * tokens)

    def jvp(self, tangents: torch.Tensor) -> torch.Tensor:
        return self._derivative.push(tangents)

    def vjp(self, cotangents: torch.Tensor) -> torch.Tensor:
        return self._derivative.pull(cotangents)

    @cached_property
    def _derivative(self) -> _Derivative:
        return _Derivative(self.run, self.read)

    def own(self, tangents: torch.Tensor) -> torch.Tensor:
        """Tangents to those of the output as if each token moved by itself, the others standing still.

        For one head and token t, with o = sum_j A_tj v_j: do = A_tt dv_t + sum_j A_tj ds_j (v_j - o), where
        ds_j = slope_tj dq_t . k_j, to which ds_t adds slope_tt q_t . dk_t.
        """
        query, key, value = self._parts(self.read)  # (head, token, unit); tangents have a column before
        d_query, d_key, d_value = _Derivative(self._parts, self.read).push(tangents).unbind(1)
        pattern, slopes = self._pattern
        weights = pattern * slopes
        own_pattern, own_weights = (part.diagonal(dim1=1, dim2=2)[..., None] for part in (pattern, weights))
        mixed = pattern @ value
        moved = (d_query @ key.transpose(1, 2)).mul_(weights)
        d_mixed = moved @ value - moved.sum(dim=-1, keepdim=True) * mixed
        d_mixed += own_weights * (query * d_key).sum(dim=-1, keepdim=True) * (value - mixed)
        d_mixed += own_pattern * d_value
        joined: torch.Tensor = d_mixed.transpose(1, 2).flatten(2)
        return joined @ self.out.T

    def _parts(self, read: torch.Tensor) -> torch.Tensor:
        """Queries, keys and values, (which, query head, token, unit)."""
        product = self.enter(read)
        return torch.cat([product.query, product.by_query_head(product.key), product.by_query_head(product.value)])

    @property
    def triangular(self) -> bool:
        """Whether no token attends to what comes after it."""
        return not self._pattern[0].triu(diagonal=1).any()

    @cached_property
    def _pattern(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Probabilities, and slopes of the scores before them, (head, query, key)."""
        product, queries = self.enter(self.read), torch.arange(len(self.read), device=self.device)
        return product.pattern(queries)[0], product.slopes(queries)[0]


class _Derivative:
    """Of a function from one tensor to another, at a point; the function's own value is computed once for all columns.

    Forwards is backwards twice: what a cotangent gives is linear in it, so the derivative of that is the transpose. It
    costs as much as torch's forward mode, which cannot be loaded without a warning.
    """

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor], at: torch.Tensor) -> None:
        backwards: Any = torch.func.vjp  # its type allows for a third result
        output, pull = backwards(function, at)
        _, push = backwards(lambda cotangent: pull(cotangent)[0], torch.zeros_like(output))
        self._pull, self._push = pull, push

    def push(self, tangents: torch.Tensor) -> torch.Tensor:
        """Tangents of the input, (column, ...), to those of the output."""
        return self._each(self._push, tangents)

    def pull(self, cotangents: torch.Tensor) -> torch.Tensor:
        """Cotangents of the output, (column, ...), to those of the input."""
        return self._each(self._pull, cotangents)

    @staticmethod
    def _each(through: Any, columns: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = torch.func.vmap(lambda column: through(column)[0])(columns)
        return made


def _sum(parts: Iterable[torch.Tensor]) -> torch.Tensor:
    """At least one tensor, the others added to it in place."""
    first, *others = parts
    for other in others:
        first += other
    return first


@dataclass(frozen=True, eq=False)
class _Exact:
    """One block's parts in float64."""

    network: Network
    layer: int
    device: torch.device

    def all(self, value: Any) -> Any:
        """The floating-point tensors in something, wherever they are in it."""
        if isinstance(value, torch.Tensor):
            return value.detach().to(self.device, torch.float64 if value.is_floating_point() else value.dtype)
        if isinstance(value, tuple | list):
            return type(value)(self.all(part) for part in value)
        if isinstance(value, dict):
            return {name: self.all(part) for name, part in value.items()}
        return value

    def matrix(self, name: str) -> torch.Tensor:
        """(output unit, input unit)"""
        matrix: torch.Tensor = self.all(self.network.matrix(self.layer, name))
        return matrix

    def bias(self, name: str) -> torch.Tensor | float:
        """(output unit,), or none."""
        bias = self.network.bias(self.layer, name)
        return 0.0 if bias is None else self.all(bias)

    def linear(self, name: str, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """A matrix, and what its module makes of some states."""
        matrix = self.matrix(name)
        return matrix, states @ matrix.T + self.bias(name)

    def norm(self, path: str) -> ExactNorm:
        """A norm of the block. Raises `ModelError` for one of another kind than is known."""
        module: Any = self.network.part(self.layer, path)
        centred = isinstance(module, torch.nn.LayerNorm)
        eps = getattr(module, "eps", getattr(module, "variance_epsilon", None))
        if eps is None or not (centred or type(module).__name__.endswith("RMSNorm")):
            raise ModelError(
                f"The norm {path!r} of model {self.network.shape.name!r} is a {type(module).__name__}, which is neither a "
                "LayerNorm nor an RMSNorm with an eps; its Jacobian is not known."
            )
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        offset = 0.0 if centred else self.network.anatomy.norm_offset
        return ExactNorm(
            1.0 if weight is None else self.all(weight) + offset,
            0.0 if bias is None else self.all(bias),
            float(eps),
            centred,
        )


def _mlp(exact: _Exact, read: torch.Tensor) -> _Mlp:
    """The MLP at what it reads, (token, unit)."""
    activation = copy.deepcopy(exact.network.activation(exact.layer)).to(exact.device, torch.float64)
    into, units = exact.linear("mlp_in", read)
    if "mlp_gate" in exact.network.anatomy.matrices:
        gate, gates = exact.linear("mlp_gate", read)
        acts, slopes = _bent(activation, gates)
        paths = [(gate, slopes * units), (into, acts)]
        units = acts * units
    else:
        units, slopes = _bent(activation, units)
        paths = [(into, slopes)]
    out = exact.matrix("mlp_out").T.contiguous()
    return _Mlp(units @ out + exact.bias("mlp_out"), tuple(paths), out)


def _bent(activation: torch.nn.Module, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What an activation makes of each unit by itself, and its slope there."""
    with torch.enable_grad():
        units = units.detach().requires_grad_()
        acts = activation(units)
        (slopes,) = torch.autograd.grad(acts.sum(), units)
    return acts.detach(), slopes


def _attention(exact: _Exact, read: torch.Tensor, inputs: BlockInput) -> _Attention:
    """Attention at what it reads, (token, unit)."""
    anatomy = exact.network.anatomy
    module: Any = copy.deepcopy(exact.network.part(exact.layer, anatomy.attention)).to(exact.device, torch.float64)
    module.config._attn_implementation = register()  # its own copy
    for path in anatomy.head_norms:
        module.set_submodule(path.removeprefix(f"{anatomy.attention}."), exact.norm(path))
    arguments, keywords = exact.all(inputs.arguments), exact.all(dict(inputs.keywords))
    out, bias = exact.matrix("o"), exact.bias("o")

    def enter(read: torch.Tensor) -> Product:
        return entering(module, read[None], *arguments, **keywords)

    def run(read: torch.Tensor) -> torch.Tensor:
        return enter(read).mixed()[0].flatten(1) @ out.T + bias

    shape = exact.network.shape
    return _Attention(run(read), read, enter, run, out, shape.heads, shape.kv_heads)
