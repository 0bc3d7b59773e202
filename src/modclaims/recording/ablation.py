"""Units that are taken out of a network, and what stands in their place."""

from __future__ import annotations

from dataclasses import dataclass

from modclaims.errors import ClaimError
from modclaims.recording.shape import ModelShape

PARTS = ("head", "neuron", "mlp_block", "attn_block")
"""Units that can be ablated."""
REMOVALS = ("zero", "mean", "resample")
"""What stands in place of an ablated unit's output."""


@dataclass(frozen=True)
class Ablation:
    """Which units of a network are taken out of it, and what stands in their place, at every token.

    A head's output is what enters attention's output matrix, a neuron's what enters the MLP's; a block's is what it adds
    to the residual. In its place stands 0 (`zero`); its mean over all tokens read of the texts of `source`, whatever the
    position (`mean`); or its output at the same position of one text of `source` (`resample`): another one than the text
    itself, chosen by a hash of what both say, its tokens from the first again where it is the shorter.
    """

    unit: str
    """One of `PARTS`."""
    places: tuple[tuple[int, int], ...]
    """(layer, index) of each unit; the index of a block is 0."""
    how: str = "zero"
    """One of `REMOVALS`."""
    source: tuple[str, ...] = ()
    """Ids of the texts that values are taken from."""
    keep: bool = False
    """Whether these units are the ones left, all others of their kind, in all layers, being ablated."""

    def __post_init__(self) -> None:
        if self.unit not in PARTS:
            raise ClaimError(f"Unit {self.unit!r} cannot be ablated; choose one of {', '.join(PARTS)}.")
        if self.how not in REMOVALS:
            raise ClaimError(f"Ablation by {self.how!r} is unknown; choose one of {', '.join(REMOVALS)}.")
        needed = {"zero": 0, "mean": 1, "resample": 2}[self.how]
        if len(set(self.source)) < needed or (self.how == "zero" and self.source):
            raise ClaimError(
                f"Ablation by {self.how!r} takes its values from {'no texts' if not needed else f'{needed} texts or more'}; "
                f"source names {len(set(self.source))}."
            )
        object.__setattr__(self, "places", tuple(sorted(set(self.places))))
        object.__setattr__(self, "source", tuple(sorted(set(self.source))))

    def by_layer(self, shape: ModelShape) -> dict[int, tuple[int, ...]]:
        """Indices of the ablated units, layer by layer. Raises `ClaimError` for a unit that the model lacks."""
        count = shape.parts(self.unit)
        for layer, index in self.places:
            if not (0 <= layer < shape.layers and 0 <= index < count):
                raise ClaimError(
                    f"Model {shape.name!r} has no {self.unit} {index} in layer {layer}; it has layers 0 to "
                    f"{shape.layers - 1} with {count} each."
                )
        named: dict[int, set[int]] = {}
        for layer, index in self.places:
            named.setdefault(layer, set()).add(index)
        if self.keep:
            named = {layer: set(range(count)) - named.get(layer, set()) for layer in range(shape.layers)}
        return {layer: tuple(sorted(units)) for layer, units in sorted(named.items()) if units}
