"""What stands between the norms of a block, the MLP or attention, and what it does to tangents and cotangents."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from modclaims.lm.attention import Product, entering, register
from modclaims.lm.block_inputs import BlockInput
from modclaims.lm.exact_parts import ExactParts

NUMBER = 8
"""Bytes of a float64."""


class Core(ABC):
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
class Mlp(Core):
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
class Attention(Core):
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


def mlp_core(exact: ExactParts, read: torch.Tensor) -> Mlp:
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
    return Mlp(units @ out + exact.bias("mlp_out"), tuple(paths), out)


def _bent(activation: torch.nn.Module, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What an activation makes of each unit by itself, and its slope there."""
    with torch.enable_grad():
        units = units.detach().requires_grad_()
        acts = activation(units)
        (slopes,) = torch.autograd.grad(acts.sum(), units)
    return acts.detach(), slopes


def attention_core(exact: ExactParts, read: torch.Tensor, inputs: BlockInput) -> Attention:
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
    return Attention(run(read), read, enter, run, out, shape.heads, shape.kv_heads)
