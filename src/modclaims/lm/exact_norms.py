"""Norms in the dtype of what they are given, and their Jacobians: a projection, a diagonal and a number per token."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


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

    def jacobian(self, states: torch.Tensor) -> NormJacobian:
        """At some states, (token, unit)."""
        directions, gains = self._standardised(states)
        return NormJacobian(self.weight, directions, gains, self.centred, int(self.centred) + (self.eps == 0))

    def _standardised(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of mean square one (less what eps takes), and what they were multiplied by."""
        if self.centred:
            states = states - states.mean(dim=-1, keepdim=True)
        gains = (states.square().mean(dim=-1, keepdim=True) + self.eps).rsqrt()
        return states * gains, gains


@dataclass(frozen=True, eq=False)
class NormJacobian:
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

    def at(self, token: int) -> NormJacobian:
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
