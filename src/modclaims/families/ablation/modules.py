"""Modules: the units that answer a category, in every split, and the sets that they are held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.families.common.units import Units
from modclaims.stats.chance.actions import Design
from modclaims.stats.evidence import Cell, Control
from modclaims.stats.nulls.matched_sets import Moves, Places

SITES = {"head": "head_z", "neuron": "mlp_act", "mlp_block": "mlp_out", "attn_block": "attn_out"}
NOUNS = {"head": "heads", "neuron": "neurons", "mlp_block": "MLP blocks", "attn_block": "attention blocks"}


@dataclass(frozen=True)
class Split:
    """One division of the texts: what is picked on the first half, and where it is tested."""

    first: NDArray[np.int64]
    """Units (texts or blocks) that modules are picked on."""
    second: NDArray[np.int64]
    """Units that they are tested on."""
    design: Design
    """Of the second half."""
    modules: Mapping[tuple[str, int], Places]
    """By category and size."""


@dataclass(frozen=True)
class Modules:
    """What a claim's modules are in every split, and which sets they are held against."""

    units: Units
    splits: tuple[Split, ...]
    moves: Moves
    magnitude: Mapping[tuple[int, int], float]
    """By unit: its mean response over all texts, which knows no category."""
    categories: tuple[str, ...]
    """Those whose modules the claim speaks of."""
    texts: tuple[str, ...]
    """Ids of the recording's texts, in its order."""

    def members(self, units: NDArray[np.int64]) -> tuple[int, ...]:
        """Texts of some units, ascending."""
        groups = self.units.groups
        found = units if groups is None else np.concatenate([groups[int(u)] for u in units])
        return tuple(sorted(int(i) for i in found))

    def named(self, units: NDArray[np.int64]) -> tuple[str, ...]:
        """Ids of the texts of some units."""
        return tuple(self.texts[i] for i in self.members(units))

    def of_category(self, split: Split, category: str) -> NDArray[np.int64]:
        """Test units of one category."""
        k = self.units.design.names.index(category)
        return np.asarray(split.second[self.units.design.labels[split.second] == k])


def matching(modules: Modules, cell: Cell) -> Control:
    """How near in magnitude the matched sets are."""
    category, m = cell.category or "", cell.size or 0
    own, others = [], []
    for split in modules.splits:
        places = split.modules[category, m]
        own.append(np.mean([modules.magnitude[p] for p in places]))
        others.append(
            np.mean([modules.magnitude[p] for image in modules.moves.others(places) for p in image] or [np.nan])
        )
    ratio = float(np.mean(own) / np.mean(others)) if np.mean(others) else float("nan")
    told = "they are matched" if 0.8 <= ratio <= 1.25 else "the match is rough"
    return Control(
        "magnitude",
        f"Units of {cell} answer {ratio:.2f} times as strongly as those of the matched sets, over all texts: {told}.",
        {"module": float(np.mean(own)), "matched": float(np.mean(others)), "ratio": ratio},
    )


def stability(modules: Modules, cell: Cell, unit: str) -> Control:
    """How many of a module's units are picked again in another split."""
    category, m = cell.category or "", cell.size or 0
    picks = [set(split.modules[category, m]) for split in modules.splits]
    pairs = [len(a & b) / m for i, a in enumerate(picks) for b in picks[:i]]
    held = picks[0].intersection(*picks[1:])
    layers = {layer for pick in picks for layer, _ in pick}
    return Control(
        "stability",
        f"Two splits agree on {100 * float(np.mean(pairs)):.0f} % of the {NOUNS[unit]} of {cell}; {len(held)} are picked in all "
        f"{len(picks)}, and they lie in layers {listed(sorted(layers))}.",
        {"agreement": float(np.mean(pairs)), "in_all": len(held)},
    )


def listed(values: Sequence[int]) -> str:
    """`0, 4, 5`."""
    return ", ".join(map(str, values))
