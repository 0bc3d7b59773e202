"""Selectivity: one number a text for each of many units; does one of them answer a category?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.null_histograms import null_histogram
from modclaims.families.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Weighing
from modclaims.recording import Recording
from modclaims.stats.actions import Arrangements, Design, relabellings
from modclaims.stats.bootstrap import Bounds, Resamples, resample
from modclaims.stats.evidence import CategoryRow, Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.multiplicity import weigh_cells
from modclaims.stats.normal_scores import normal_scores, score_bounds
from modclaims.stats.omega_squared import omega_squared
from modclaims.stats.permutation import Pairs, degrees_of_freedom, f_null
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.superiority import check_compared, compares, rank_contrast, superior, superiority_bounds
from modclaims.stats.two_groups import hedges_g

Floats = NDArray[np.float64]
Cells = tuple[Cell, ...]
OMEGA = "omega^2 of normal scores"
ANSWERS = ("more", "less", "either")
SHOWN = 6
CONTROL_CELLS = 512


class Selectivity(Hypothesis):
    """One number a text for each of many cells, and how far categories tell these numbers apart.

    A claim that names a `category` is weighed by the probability of superiority: delta = 2 theta - 1, theta being the chance
    that a text of it responds more than one of another category; p is that of mean ranks, bounds are those of
    `stats/superiority`. A claim that names none is weighed by omega^2 of normal scores of the response over categories,
    given strata; p is that of F of these scores, bounds are those of the bootstrap-t: to search categories and signs as
    well as cells would cost more power than the scale is worth (of 60 cells at 48 texts one of omega^2 .5 would be SUPPORTED
    in .3 of data sets instead of .7). Both p by exchange of labels, step-down over all cells; exchangeable under the null: the
    responses of texts, inside strata. Neither effect hangs on a response's scale, nor on a few outliers.
    """

    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    """On the scale of omega^2; where a category is named on that of delta, of which .2 says that its texts outrank others in
    60 % of pairs."""
    category: str | None = None
    """The category that cells are said to answer; None where any may be told from the others."""
    answers: str = "either"
    """Where a category is named: whether cells answer it `more` than the others (light up), `less` (go dark), or `either` way."""
    twins: int = controls.TWINS
    """Untrained twins shown beside the claim; 0 for none."""
    effect_name: ClassVar[str] = OMEGA
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        controls.check_twins(self.twins)
        if self.answers not in ANSWERS:
            raise ClaimError(f"answers = {self.answers!r} is unknown; choose one of {', '.join(ANSWERS)}.")
        if self.category is None and self.answers != "either":
            raise ClaimError(
                f"answers = {self.answers!r} needs a category that is answered so; name one (category = ...)."
            )
        if not (self.category is None or isinstance(self.category, str)):
            raise ClaimError(f"category = {self.category!r} must name one {self.label}, or be left out.")

    def check(self, corpus: Corpus) -> None:
        self._check_category(Units.of(corpus, self.label, self.within).design)

    def _check_category(self, design: Design) -> None:
        """Raises `ClaimError` where the category that is named cannot be compared."""
        if self.category is not None:
            check_compared(design, self.category)

    @property
    def _effect(self) -> str:
        """The effect by name."""
        if self.category is None:
            return OMEGA
        word = {"more": "superiority", "less": "inferiority", "either": "superiority or inferiority"}[self.answers]
        return f"{word} of {self.category!r}"

    def _effects(self, y: Floats, design: Design) -> Floats:
        """(cell,) effects of (unit, cell) responses, without bounds."""
        if self.category is None:
            df1, _ = degrees_of_freedom(design)
            return np.asarray(omega_squared(observed_f(normal_scores(y, design), design), df1, design.n))
        delta = 2 * superior(y, design, self.category).theta[0] - 1
        return np.asarray(np.abs(delta) if self.answers == "either" else -delta if self.answers == "less" else delta)

    def _null(self, y: Floats, design: Design, arrangements: Arrangements) -> tuple[Floats, Floats]:
        """(arrangement, cell) statistics behind p, and (cell,) differences that count as ties."""
        if self.category is None:
            return f_null(normal_scores(y, design), design, arrangements)
        return rank_contrast(y, design, self.category, arrangements, self.answers)

    @property
    def _statistic(self) -> str:
        """The name of that statistic."""
        if self.category is None:
            return f"F of {self.label} on normal scores"
        return f"mean rank of {self.category!r} less that of others"

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
            blind="jointly" if self.category is None else "no",
        )
        resamples = resample(design, count=weighing.resamples, rng=weighing.rng(*key, design.digest, "resamples"))
        null, tolerance = self._null(y, design, arrangements)
        action = units.action(self.label, self.within)
        test = NullTest.of(self._statistic, null, tolerance, exact=arrangements.exact, action=action, by=self.adjust)
        return test, self._bounds(y, design, resamples), arrangements

    def _bounds(self, y: Floats, design: Design, resamples: Resamples) -> Bounds:
        """Bounds of the effects of (unit, cell) responses."""
        if self.category is None:
            return score_bounds(y, design, resamples)
        return superiority_bounds(y, design, resamples, self.category, self.answers)

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        units = Units.of(recording.corpus, self.label, self.within)
        design, name = units.design, type(self).__name__
        cells, y, test, bounds, arrangements = self._tested(recording, units, weighing)
        bare = Evidence(cells, self._effect, bounds, test, units.n, n_units=units.n)
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
        best = np.lexsort((-bounds.effect, test.p_adjusted))[:SHOWN]
        significant = np.flatnonzero(test.p_adjusted <= weighing.alpha)
        listed = sorted({*best.tolist(), *significant[:CONTROL_CELLS].tolist(), named})
        preferences = _preferences(y, design, listed)
        return Evidence(
            cells=cells,
            effect_name=self._effect,
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
            secondary={self._statistic: test.observed, **self._other_effects(y, design), **self._beside(cells, y)},
            categories=preferences,
            location=bool(spread.p_location[here] <= weighing.alpha),
            warnings=units.warnings,
            note=self._words()[2] + units.note,
            detail=self._told(preferences, named) + self._followed(cells, test, named, weighing.alpha),
        )

    def _other_effects(self, y: Floats, design: Design) -> dict[str, Floats]:
        """The effects that stand beside the claim's own, one a cell, without verdict."""
        df1, _ = degrees_of_freedom(design)
        found = {"omega^2 of raw responses": omega_squared(observed_f(y, design), df1, design.n)}
        if self.category is not None:
            scores = observed_f(normal_scores(y, design), design)
            found = {OMEGA: omega_squared(scores, df1, design.n), **found}
        return found

    def _told(self, preferences: Sequence[CategoryRow], named: int) -> str:
        """What the named cell answers: the category that the claim names, or those that it answers most and least."""
        mine = [r for r in preferences if r.cell == named and r.category == self.category]
        if not mine:
            return _preferred(preferences, named)
        (row,) = mine
        return (
            f"Texts of {row.category!r} outrank others in {outranks(row.superiority)} (Hedges' g {row.hedges_g:.2f})."
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
        for variant in controls.twin_variants(self.twins):
            _, values = self._responses(recording, weighing, variant)
            y = units.responses(values)
            null, tolerance = self._null(y, design, controls.fewer(arrangements))
            best.append(float(self._effects(y, design).max()))
            p.append(float(weigh_cells(null, tolerance, self.adjust).p_adjusted.min()))
        count, level = sum(value <= weighing.alpha for value in p), f"{weighing.alpha:g}".removeprefix("0")
        return Control(
            "untrained_twin",
            f"The strongest {self._words()[0]} of the untrained twins ({self.twins} seeds) reaches {self._effect} {from_to(best, 2)} "
            f"(adjusted p at most {level} in {count} of {self.twins}), against {effect:.2f} {where}: "
            + (
                "a network that learned nothing shows as much."
                if max(best) >= effect
                else "no untrained network reaches that."
            ),
            {"effect": best, "p_adjusted": p},
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
                {"cells": [str(c) for c in cells], "effect_name": self._effect},
            )
        )
        found.append(null_histogram(test, named, cells))
        return tuple(found)


def observed_f(y: Floats, design: Design) -> Floats:
    """(cell,) F of (unit, cell) responses."""
    observed = Arrangements(design.labels[None].astype(np.int16), True, 1)
    return np.asarray(f_null(y, design, observed)[0][0])


def _preferences(y: Floats, design: Design, listed: Sequence[int]) -> tuple[CategoryRow, ...]:
    """Hedges' g against the rest, and superiority over every other category, of each category at the listed cells."""
    varied = [c for c in listed if np.ptp(y[:, c]) > 0]
    if not varied:
        return ()
    sides = [(y[design.labels == k][:, varied], y[design.labels != k][:, varied]) for k in range(design.k)]
    comparable = [name for name in design.names if compares(design, name)]
    deltas = {name: 2 * superior(y[:, varied], design, name).theta[0] - 1 for name in comparable}
    return tuple(
        CategoryRow(int(c), name, hedges_g(inside[:, i], outside[:, i]), float(deltas[name][i]))
        for i, c in enumerate(varied)
        for name, (inside, outside) in zip(design.names, sides, strict=True)
        if name in deltas
    )


def outranks(delta: float) -> str:
    """What delta says, in words: `81 % of pairs`."""
    return f"{100 * (1 + delta) / 2:.0f} % of pairs"


def _preferred(rows: Sequence[CategoryRow], cell: int) -> str:
    """Which categories one cell answers most and least, against the others."""
    mine = [r for r in rows if r.cell == cell]
    if not mine:
        return ""
    top, bottom = max(mine, key=lambda r: r.superiority), min(mine, key=lambda r: r.superiority)
    most, least = (
        f"{r.category!r} (outranking others in {outranks(r.superiority)}, Hedges' g {r.hedges_g:.2f})"
        for r in (top, bottom)
    )
    return f"It answers most to {most} and least to {least}."


def _extremes(rows: Sequence[CategoryRow], cell: int) -> str:
    """The same in a few words, for a picture of many cells."""
    mine = sorted((r for r in rows if r.cell == cell), key=lambda r: r.superiority)
    if not mine:
        return ""
    first, last = mine[-1], mine[0]
    return f" {first.category} ({outranks(first.superiority)}), {last.category} ({outranks(last.superiority)})"
