"""A block's matrices, biases and norms, copied to float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from modclaims.errors import ModelError
from modclaims.lm.exact_norms import ExactNorm
from modclaims.lm.network import Network
from modclaims.lm.untyped import Untyped


def each_tensor(value: Untyped, change: Callable[[torch.Tensor], torch.Tensor | None]) -> Untyped:
    """What a module is called with, each tensor in it changed, wherever it is."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        return type(value)(each_tensor(part, change) for part in value)
    if isinstance(value, dict):
        return {name: each_tensor(part, change) for name, part in value.items()}
    return value


@dataclass(frozen=True, eq=False)
class ExactParts:
    """One block's parts in float64."""

    network: Network
    layer: int
    device: torch.device

    def all(self, value: Untyped) -> Untyped:
        """The floating-point tensors in something, wherever they are in it."""
        return each_tensor(
            value, lambda one: one.detach().to(self.device, torch.float64 if one.is_floating_point() else one.dtype)
        )

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
        module: Untyped = self.network.part(self.layer, path)
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
