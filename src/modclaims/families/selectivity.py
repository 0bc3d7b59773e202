"""Selectivity: one number a text for each of many units; does one of them answer a category?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.decimals import from_to
from modclaims.families import controls
from modclaims.families.null_histograms import null_histogram
from modclaims.families.units import Units
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import Recording
from modclaims.stats.actions import Arrangements, Design, relabellings
from modclaims.stats.bootstrap import Bounds, resample
from modclaims.stats.evidence import CategoryRow, Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.multiplicity import weigh_cells
from modclaims.stats.omega_squared import excess_kurtosis, omega_squared, omega_squared_bounds
from modclaims.stats.permutation import Pairs, degrees_of_freedom, f_null
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.two_groups import auc, hedges_g

Floats = NDArray[np.float64]
Cells = tuple[Cell, ...]
HEAVY_TAIL = 3.0
SHOWN = 6
CONTROL_CELLS = 512


class Selectivity(Hypothesis):
    """One number a text for each of many cells, and how far categories tell these numbers apart.

    The effect is omega^2 of the response over categories, given strata; the p-value is that of F under exchange of
    labels, studentised and step-down over all cells. Exchangeable under the null: the responses of texts, inside
    strata. Bounds: the wider of noncentral-F inversion (Gaussian residuals of equal spread) and bootstrap-t.
    """

    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    twins: int = controls.TWINS
    """Untrained twins shown beside the claim; 0 for none."""
    effect_name: ClassVar[str] = "omega^2"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        controls.check_twins(self.twins)

    def check(self, corpus: Corpus) -> None:
        Units.of(corpus, self.label, self.within)

    @abstractmethod
    def _responses(self, recording: Recording, weighing: Weighing, variant: str | None = None) -> tuple[Cells, Floats]:
        """Cells and (text, cell) responses of the network or of one of its variants."""

    @abstractmethod
    def _words(self) -> tuple[str, str, str]:
        """What a cell is (`head`), what is measured of it, for a figure (`norm`), and the evidence's note."""

    def _pictures(
        self,
        recording: Recording,
        units: Units,
        cells: Cells,
        y: Floats,
        bounds: Bounds,
        test: NullTest,
        named: int,
        weighing: Weighing,
    ) -> tuple[Exhibit, ...]:
        """Figures of the family's own, before the strip, the volcano and the null."""
        return ()

    def _beside(self, cells: Cells, y: Floats) -> dict[str, Floats]:
        """Secondary numbers of the family's own, one a cell."""
        return {}

    def _tested(
        self, recording: Recording, units: Units, weighing: Weighing
    ) -> tuple[Cells, Floats, NullTest, Bounds, Arrangements]:
        """Cells, (unit, cell) responses, their test and bounds."""
        cells, values = self._responses(recording, weighing)
        y = units.responses(values)
        test, bounds, arrangements = self._weighed(units.design, y, units, weighing, type(self).__name__)
        return cells, y, test, bounds, arrangements

    def _weighed(
        self, design: Design, y: Floats, units: Units, weighing: Weighing, *key: str
    ) -> tuple[NullTest, Bounds, Arrangements]:
        """Test and bounds of (unit, cell) responses of a design; draws are keyed by `key`."""
        arrangements = relabellings(
            design,
            budget=weighing.permutations,
            rng=weighing.rng(*key, design.digest, "relabellings"),
            blind="jointly",
        )
        resamples = resample(design, count=weighing.resamples, rng=weighing.rng(*key, design.digest, "resamples"))
        null, tolerance = f_null(y, design, arrangements)
        action = units.action(self.label, self.within)
        test = NullTest.of(
            f"F of {self.label}", null, tolerance, exact=arrangements.exact, action=action, by=self.adjust
        )
        return test, omega_squared_bounds(y, design, resamples), arrangements

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        units = Units.of(recording.corpus, self.label, self.within)
        design, name = units.design, type(self).__name__
        cells, y, test, bounds, arrangements = self._tested(recording, units, weighing)
        bare = Evidence(cells, "omega^2", bounds, test, units.n, n_units=units.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha, weighing.claims).cell
        where = f"at {cells[named]}"

        # rivals are weighed at the strongest cells: among thousands of neurons the rest adds nothing to read
        strongest = np.sort(np.argsort(-test.observed, kind="stable")[:CONTROL_CELLS])
        if named not in strongest:
            strongest = np.sort(np.append(strongest[1:], named))
        here = int(np.flatnonzero(strongest == named)[0])
        pairs = Pairs.of(design)
        squared = [(y[:, c][:, None] - y[:, c][None, :]) ** 2 for c in strongest]
        taken = controls.beyond_words(
            recording, units, pairs, -np.sqrt(pairs.matrix(squared)), name, weighing, controls.CONTROL_DRAWS
        )
        spread = controls.spread(squared, units, pairs, arrangements, here, where, weighing.alpha, of="responses")
        alike = -np.sqrt(pairs.vector(squared[here]))
        rivals = [
            controls.shared_words(taken, here, where),
            controls.plain_measures(recording, units, pairs, alike, name, weighing, where),
            spread.control,
        ]
        if self.twins:
            rivals.append(self._twin(recording, units, arrangements, float(bounds.effect[named]), where, weighing))
        kurtosis = excess_kurtosis(y, design)
        warnings = list(units.warnings)
        if kurtosis[named] > HEAVY_TAIL:
            warnings.append(
                f"Responses {where} have heavy tails (excess kurtosis {kurtosis[named]:.1f}), under which bounds for omega^2 are too narrow."
            )
        best = np.lexsort((-bounds.effect, test.p_adjusted))[:SHOWN]
        significant = np.flatnonzero(test.p_adjusted <= weighing.alpha)
        listed = sorted({*best.tolist(), *significant[:CONTROL_CELLS].tolist(), named})
        preferences = _preferences(y, design, listed)
        return Evidence(
            cells=cells,
            effect_name="omega^2",
            bounds=bounds,
            test=test,
            n_texts=len(recording.corpus),
            unit=units.unit,
            n_units=units.n,
            resampled=units.resampled,
            degenerate=tuple(
                int(c) for c in np.flatnonzero(~np.isfinite(test.null).all(axis=0) | (np.ptp(test.null, axis=0) == 0))
            ),
            controls=tuple(rivals),
            exhibits=(
                *self._pictures(recording, units, cells, y, bounds, test, named, weighing),
                *self._common(recording, units, cells, y, bounds, test, named, best, preferences, weighing.alpha),
            ),
            secondary={f"F of {self.label}": test.observed, "excess kurtosis": kurtosis, **self._beside(cells, y)},
            categories=preferences,
            location=bool(spread.p_location[here] <= weighing.alpha),
            warnings=tuple(warnings),
            note=self._words()[2] + units.note,
            detail=_preferred(preferences, named) + self._followed(cells, test, named, weighing.alpha),
        )

    def _followed(self, cells: Cells, test: NullTest, named: int, alpha: float) -> str:
        """A further sentence on the named cell, after its preferences."""
        return ""

    def _twin(
        self,
        recording: Recording,
        units: Units,
        arrangements: Arrangements,
        effect: float,
        where: str,
        weighing: Weighing,
    ) -> Control:
        """The strongest unit of each untrained twin, beside the claim's: searched in the same way, over as many cells."""
        design, best, p = units.design, [], []
        df1, _ = degrees_of_freedom(design)
        for variant in controls.twin_variants(self.twins):
            _, values = self._responses(recording, weighing, variant)
            null, tolerance = f_null(units.responses(values), design, controls.fewer(arrangements))
            best.append(float(omega_squared(null[0], df1, design.n).max()))
            p.append(float(weigh_cells(null, tolerance, self.adjust).p_adjusted.min()))
        count, level = sum(value <= weighing.alpha for value in p), f"{weighing.alpha:g}".removeprefix("0")
        return Control(
            "untrained_twin",
            f"The strongest {self._words()[0]} of the untrained twins ({self.twins} seeds) reaches omega^2 {from_to(best, 2)} "
            f"(adjusted p at most {level} in {count} of {self.twins}), against {effect:.2f} {where}: "
            + (
                "a network that learned nothing shows as much."
                if max(best) >= effect
                else "no untrained network reaches that."
            ),
            {"omega2": best, "p_adjusted": p},
        )

    def _common(
        self,
        recording: Recording,
        units: Units,
        cells: Cells,
        y: Floats,
        bounds: Bounds,
        test: NullTest,
        named: int,
        best: NDArray[np.int64],
        preferences: Sequence[CategoryRow],
        alpha: float,
    ) -> tuple[Exhibit, ...]:
        response = self._words()[1]
        found: list[Exhibit] = []
        effect = bounds.effect
        marked = test.p_adjusted <= alpha
        categories = units.categories()
        order = sorted(range(len(categories)), key=lambda i: categories[i])
        ids = [t.id for t in recording.corpus.texts] if units.groups is None else [f"block {b}" for b in range(units.n)]
        found.append(
            Exhibit(
                "strip",
                f"Responses of the {len(best)} strongest units, one point a {units.unit}",
                f"{response.capitalize()} by {units.unit} and {self.label}; most and least against the rest: "
                + "; ".join(f"{cells[c]}{_extremes(preferences, int(c))}" for c in best)
                + ".",
                {"responses": y[order][:, best].T},
                {
                    "panels": [str(cells[c]) for c in best],
                    "categories": [categories[i] for i in order],
                    "ids": [ids[i] for i in order],
                    "response": response,
                },
            )
        )
        found.append(
            Exhibit(
                "volcano",
                "Effect against adjusted p, one point a cell",
                f"{len(cells):,} cells; {int(marked.sum())} lie beyond adjusted p = {alpha:g}.",
                {"effect": effect, "p_adjusted": test.p_adjusted, "alpha": np.array(alpha)},
                {"cells": [str(c) for c in cells], "effect_name": "omega^2"},
            )
        )
        found.append(null_histogram(test, named, cells))
        return tuple(found)


def _preferences(y: Floats, design: Design, listed: Sequence[int]) -> tuple[CategoryRow, ...]:
    """Hedges' g and AUC of each category against the rest at the listed cells."""
    varied = [c for c in listed if np.ptp(y[:, c]) > 0]
    if not varied:
        return ()
    sides = [(y[design.labels == k][:, varied], y[design.labels != k][:, varied]) for k in range(design.k)]
    chances = [auc(*side) for side in sides]
    return tuple(
        CategoryRow(int(c), name, hedges_g(inside[:, i], outside[:, i]), float(chance[i]))
        for i, c in enumerate(varied)
        for name, (inside, outside), chance in zip(design.names, sides, chances, strict=True)
    )


def _preferred(rows: Sequence[CategoryRow], cell: int) -> str:
    """Which categories one cell answers most and least, against the rest."""
    mine = [r for r in rows if r.cell == cell]
    if not mine:
        return ""
    top, bottom = max(mine, key=lambda r: r.hedges_g), min(mine, key=lambda r: r.hedges_g)
    most, least = (f"{r.category!r} (Hedges' g {r.hedges_g:.2f}, AUC {r.auc:.2f})" for r in (top, bottom))
    return f"Against the rest it answers most to {most} and least to {least}."


def _extremes(rows: Sequence[CategoryRow], cell: int) -> str:
    """The same in a few words, for a picture of many cells."""
    mine = sorted((r for r in rows if r.cell == cell), key=lambda r: r.hedges_g)
    if not mine:
        return ""
    return f" {mine[-1].category} (g {mine[-1].hedges_g:.1f}), {mine[0].category} (g {mine[0].hedges_g:.1f})"
