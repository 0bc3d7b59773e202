"""AblationSufficiency: does what answers a category carry it, with all other units taken out?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.ablation.ablation_specificity import AblationSpecificity
from modclaims.families.ablation.figures.dissociation import Dissociation
from modclaims.families.ablation.modules import NOUNS, Modules
from modclaims.families.common.units import Units
from modclaims.look import Look, TestSettings
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan, counted_bounds
from modclaims.recording import LogOdds, Recording, Request, TokenIds
from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.splits import MedianBounds
from modclaims.stats.chance.merging import FACTOR
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.nulls.matched_sets import Places, side_by_side, typical_tokens

Floats = NDArray[np.float64]
Odds = Mapping[tuple[int, str, Places | None], Floats]


class AblationSufficiency(AblationSpecificity):
    """With all units but a category's own taken out, texts of every category are continued more like that category.

    As `AblationSpecificity`, but the module's units are kept and all others of their kind, in all
    layers, are taken out. A text's prediction is the log-odds, in nats, of next tokens typical of the
    module's category. For texts of every category two contrasts must hold (intersection-union): the
    log-odds rise above those of the whole network, and above their mean over networks in which a matched
    set was kept instead. The effect (sufficiency) is the smallest of all these, positive when the module
    alone makes every text more like its category. Cells are categories x `sizes`.

    Nothing is exchanged: p is read off the bound of the bootstrap-t over texts and matched sets,
    crossed; levels are merged over `splits`. Typical tokens are found on the half of the texts that the
    module is picked on. The number says little where so few units are left that the network says the
    same of all texts: matched sets show it.

    Attributes
    ----------
    typical : int, default 50
        The most tokens that are typical of a category: at least 1.
    smallest_effect : float, default 0.1
        Nats of log-odds, at least 0.

    References
    ----------
    Monroe, Colaresi & Quinn (2008), Fightin' words: lexical feature selection and evaluation for
    identifying the content of political conflict (log-odds-ratio with a prior). Berger (1982),
    Multiparameter hypothesis testing and acceptance sampling.

    Examples
    --------
    >>> from modclaims import AblationSufficiency
    >>> from modclaims.calibration.examples import planted
    >>> class CodeNeuronsMakeCode(AblationSufficiency):
    ...     "A category's neurons alone make every text more like it."
    >>> print(planted(CodeNeuronsMakeCode, 0))
    REFUTED  sufficiency -0.06 [-0.88, 0.09] at 1 unit for 'c0'
    """

    smallest_effect: float = 0.1
    typical: int = 50
    effect_name: ClassVar[str] = "sufficiency"

    def validate(self) -> None:
        super().validate()
        if self.typical < 1:
            raise ClaimError(f"typical = {self.typical}: at least one token must be typical of a category.")

    def plan(self, before: PlanContext) -> TestPlan:
        """As of specificity; but how far log-odds rise is resampled over the texts of one category of a half alone, of which n
        are all the same one in a share n^-(n - 1) of the resamples."""
        counts = Units.of(before.corpus, self.label, self.within).design.counts
        spent = []
        for half in (counts // 2, (counts + 1) // 2):  # odd ones go to either half by chance
            alone = min(float(np.sum((n - 1) * np.log(n))) for n in (row[row > 0] for row in half))
            spent.append(math.floor(before.weighing.resamples * math.exp(-alone)))
        return replace(super().plan(before), bounds=counted_bounds(before, spent, FACTOR))

    def _whole(self) -> tuple[Request, ...]:
        return (TokenIds(self.tokens),)

    def _typical(self, modules: Modules, recording: Recording) -> dict[tuple[int, str], tuple[int, ...]]:
        """By split and category, the tokens that stand for it in the first half."""
        ids = np.asarray(recording.array(TokenIds(self.tokens)), dtype=np.int64)
        labels = recording.corpus.values(self.label)
        found = {}
        for number, split in enumerate(modules.splits):
            texts = modules.members(split.first)
            for category in modules.categories:
                own = np.array([labels[i] == category for i in texts])
                found[number, category] = typical_tokens(ids[list(texts)], own, self.typical)
                if not found[number, category]:
                    raise ClaimError(
                        f"No token is typical of {self.label} {category!r} in the first {self.tokens} tokens."
                    )
        return found

    def _asked(self, modules: Modules, recording: Recording) -> dict[tuple[int, str, Places | None], LogOdds]:
        """By split, module and set that is kept (None: the whole network)."""
        typical = self._typical(modules, recording)
        found: dict[tuple[int, str, Places | None], LogOdds] = {}
        for number, split in enumerate(modules.splits):
            texts = modules.named(split.second)
            for (category, _), places in split.modules.items():
                among = typical[number, category]
                found[number, category, None] = LogOdds(among, tokens=self.tokens, texts=texts)
                for kept in self.held_against(modules, places):
                    gone = self._without(kept, recording, keep=True)
                    found[number, category, kept] = LogOdds(among, ablation=gone, tokens=self.tokens, texts=texts)
        return found

    def further(self, recording: Recording, weighing: TestSettings) -> tuple[Request, ...]:
        return tuple(self._asked(self.picked(recording, weighing), recording).values())

    def measure(self, look: Look) -> Measured:
        modules = self.picked(look.recording, look.settings)
        odds, cells = self._odds(modules, look.recording), self._cells(modules)
        parts = [side_by_side(self._of_split(look, modules, odds, number)) for number in range(len(modules.splits))]
        found = KeptModule(modules, odds, MedianBounds.of(parts))
        return self._measured(look, modules, self._combined(found.bounds, len(cells)), None, found)

    def _odds(self, modules: Modules, recording: Recording) -> Odds:
        """Log-odds of the test units of every split, in the whole network and with each set kept."""
        at = {name: i for i, name in enumerate(modules.texts)}
        odds = {}
        for key, request in self._asked(modules, recording).items():
            values = np.full((len(at), 1), np.nan)
            values[[at[name] for name in request.texts or ()], 0] = recording.array(request)
            odds[key] = modules.units.responses(values)[modules.splits[key[0]].second, 0]
        return odds

    def _of_split(self, look: Look, modules: Modules, odds: Odds, number: int) -> list[Bounds]:
        """Of every cell and category of the texts, in one split: the rise of log-odds, and that beyond matched sets."""
        split, found = modules.splits[number], []
        for cell in self._cells(modules):
            category = cell.category or ""
            places = split.modules[category, cell.size or 0]
            own, whole = odds[number, category, places], odds[number, category, None]
            others = np.stack([odds[number, category, p] for p in self._others(modules, places)])
            alone = self._drawn(look, modules, number, 0)
            drawn = self._drawn(look, modules, number, len(others))
            for weights in np.eye(split.design.k):
                risen = alone.contrast(own - whole, np.empty((0, len(own))), weights)
                found += [
                    bootstrap_t(risen, alone.resamples),
                    bootstrap_t(drawn.contrast(own, others, weights), drawn.resamples),
                ]
        return found

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return self._of_modules(measured.kept(KeptModule).modules, measured.cells[named])

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(KeptModule)
        modules, names = found.modules, found.modules.splits[0].design.names
        order = [names.index(name) for name in sorted(names)]
        maps = found.bounds.effect.reshape(len(modules.categories), len(self.sizes), len(names), 2)[:, :, order]
        matrix = Dissociation(
            "Which way predictions move when only a module is kept",
            "Log-odds in nats of tokens typical of the module's category, by category of the texts, medians over splits: "
            "their rise over the whole network, and over networks with a matched set kept. "
            f"The smallest is {float(maps.min()):.2f}, the largest {float(maps.max()):.2f}.",
            maps=np.stack([maps[:, j, :, side] for j in range(len(self.sizes)) for side in (0, 1)]),
            panels=tuple(
                f"{m} {NOUNS[self.unit]} kept, {what}" for m in self.sizes for what in ("risen", "beyond matched sets")
            ),
            modules=tuple(modules.categories),
            categories=tuple(sorted(names)),
            quantity="log-odds",
        )
        return (matrix.exhibit(),)

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(KeptModule)
        share = found.risen(measured.cells)
        return Words(
            note=self._note(found.modules) + f"; log-odds of at most {self.typical} typical tokens",
            detail=f"With {measured.cells[named]} kept alone, {100 * share[named]:.0f} % of the texts move towards it.",
            warnings=found.modules.units.warnings + self._few(found.modules),
            secondary={"share of texts whose log-odds rise": share},
        )


@dataclass(frozen=True)
class KeptModule:
    """How likely tokens typical of a category are where its module alone is kept, or a matched set."""

    modules: Modules
    odds: Odds
    """By number of the split, category and set that is kept (None: the whole network), (test unit,) log-odds in nats."""
    bounds: MedianBounds
    """Of all contrasts of all cells: by module, size and category of the texts, the rise and that beyond matched sets."""

    def risen(self, cells: Sequence[Cell]) -> Floats:
        """(cell,) share of the test units whose log-odds rise over the whole network's, mean over splits."""
        shares = []
        for number, split in enumerate(self.modules.splits):
            kept = [(c.category or "", split.modules[c.category or "", c.size or 0]) for c in cells]
            shares.append([(self.odds[number, c, p] > self.odds[number, c, None]).mean() for c, p in kept])
        return np.asarray(np.mean(shares, axis=0))
