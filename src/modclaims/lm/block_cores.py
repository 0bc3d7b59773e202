"""What stands between the norms of a block, the MLP or attention, and what it does to tangents and cotangents."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch

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

    def active(self, floor: float) -> torch.Tensor:
        """(token,) inner units with a slope above `floor`, in units of the token's largest."""
        largest = torch.stack([slopes.abs() for _, slopes in self.into]).amax(dim=0)
        return (largest > floor * largest.amax(dim=1, keepdim=True)).sum(dim=1)

    def block(self, token: int) -> torch.Tensor:
        """The Jacobian at one token, (output unit, input unit)."""
        slopes = [slopes[token] for _, slopes in self.into]
        used = torch.stack(slopes).any(dim=0).nonzero()[:, 0]  # a ReLU leaves out most of them
        into = _sum(
            matrix.index_select(0, used).mul_(slope[used, None])
            for (matrix, _), slope in zip(self.into, slopes, strict=True)
        )
        return self.out.index_select(0, used).T @ into


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
