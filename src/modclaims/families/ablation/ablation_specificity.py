"""AblationSpecificity: does taking out what answers a category hurt that category more than every other one?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.families.ablation.figures.dissociation import Dissociation
from modclaims.families.ablation.modules import NOUNS
from modclaims.families.ablation.targeted_ablation import Ablated, TargetedAblation
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.stats.chance.actions import Design
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.nulls.null_objects import MIN_DRAWS

Floats = NDArray[np.float64]


class AblationSpecificity(TargetedAblation):
    """Taking out the units that answer a category hurts that category more than it hurts every other one.

    Modules are picked as in `TargetedAblation`, and all test texts are read without each module. Against
    every other category there is a contrast: the change of loss at own texts minus the change at that
    category's, in nats per token, each net of the mean change that matched sets make there. The effect
    (specificity) is the smallest of these contrasts, and all of them must hold (intersection-union);
    positive when own texts are hurt most. `everywhere()` with one size is the double dissociation of all
    categories. Cells are categories x `sizes`.

    Nothing is exchanged: p is read off the bound of the bootstrap-t over texts and matched sets,
    crossed, so that few sets serve; levels are merged over `splits`. The number is wrong where matched
    sets are no fair match, or where one category's loss can hardly change at all (a text that is
    predicted perfectly loses first).

    Attributes
    ----------
    sizes : tuple[int, ...], default (64,)
        Units of a module, each once and ascending: the doses.
    sets : int, default 21
        Matched sets, the module among them: at least 21.
    smallest_effect : float, default 0.02
        Nats per token, at least 0.

    References
    ----------
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling (intersection-union tests).
    Owen (2007), The pigeonhole bootstrap.

    Examples
    --------
    >>> from modclaims import AblationSpecificity, everywhere
    >>> from modclaims.calibration.examples import planted
    >>> class EachLosesItsOwn(AblationSpecificity):
    ...     "Without its neurons each category loses more than all others."
    ...
    ...     holds = everywhere()
    >>> print(planted(EachLosesItsOwn, 3))
    SUPPORTED  specificity 0.05 [0.03, 0.08] at 1 unit for 'c2'
    >>> print(planted(EachLosesItsOwn, 0))
    INCONCLUSIVE  specificity -0.01 [-0.04, 0.04] at 1 unit for 'c0'
    """

    sizes: tuple[int, ...] = (64,)
    sets: int = MIN_DRAWS + 1
    smallest_effect: float = 0.02
    effect_name: ClassVar[str] = "specificity"
    _without_effect: ClassVar[Mapping[str, str]] = {"adjust": "p is read off the bound"}
    least_sets: ClassVar[int] = MIN_DRAWS + 1
    every_text: ClassVar[bool] = True

    def plan(self, before: PlanContext) -> TestPlan:
        return self._planned(before)

    def _contrasts(self, design: Design, category: str) -> Floats:
        own = design.names.index(category)
        return np.stack([np.eye(design.k)[own] - np.eye(design.k)[k] for k in range(design.k) if k != own])

    def _test(self, ablated: Ablated, cells: Sequence[Cell]) -> None:
        return None

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        ablated = measured.kept(Ablated)
        return (self._dissociation(ablated), self._curve(ablated, measured.bounds))

    def _dissociation(self, ablated: Ablated) -> Exhibit:
        """What every category loses without every module, net of matched sets."""
        modules = ablated.modules
        names = sorted(modules.units.design.names)
        maps = np.stack([self._matrix(ablated, m) for m in self.sizes])
        own = np.array(
            [[maps[p, i, names.index(c)] for i, c in enumerate(modules.categories)] for p in range(len(maps))]
        )
        most = [
            sum(maps[p, i].argmax() == names.index(c) for i, c in enumerate(modules.categories))
            for p in range(len(maps))
        ]
        words = "; ".join(
            f"{m} units: {count} of {len(modules.categories)} modules hurt their own category most, by "
            f"{', '.join(f'{c} {v:.3f}' for c, v in zip(modules.categories, row, strict=True))}"
            for m, count, row in zip(self.sizes, most, own, strict=True)
        )
        return Dissociation(
            "Who loses what: change of loss by module taken out and category of the texts",
            f"Nats a token, net of matched sets, means over splits. {words}.",
            maps=maps,
            panels=tuple(f"{m} {NOUNS[self.unit]}" for m in self.sizes),
            modules=tuple(modules.categories),
            categories=tuple(names),
            quantity="change of loss, net",
        ).exhibit()

    def _matrix(self, ablated: Ablated, m: int) -> Floats:
        """(module, category of the texts) change net of matched sets, mean over splits."""
        modules, changes = ablated.modules, ablated.changes
        names = tuple(sorted(modules.units.design.names))
        out = np.zeros((len(modules.categories), len(names)))
        for split in modules.splits:
            for i, category in enumerate(modules.categories):
                places = split.modules[category, m]
                others = np.stack([changes[p] for p in self._others(modules, places)])
                for j, other in enumerate(names):
                    where = modules.of_category(split, other)
                    net = changes[places][where].mean() - others[:, where].mean()
                    out[i, j] += net / len(modules.splits)
        return out
