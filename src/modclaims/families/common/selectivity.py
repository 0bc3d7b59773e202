"""Selectivity: one number per text for each of many units; does one of them answer a category?"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common import controls
from modclaims.families.common.null_histograms import null_histogram
from modclaims.families.common.plan_parts import labelled
from modclaims.families.common.units import Units
from modclaims.figures.strip import Strip
from modclaims.figures.volcano import Volcano
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look, Streams
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_fits
from modclaims.planning.plan import CountedLevel, TestPlan, counted_bounds, exchanged
from modclaims.planning.power import Effect
from modclaims.recording import Activations, ModelShape
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance.actions import Arrangements, Blind, Design, count_arrangements, relabellings
from modclaims.stats.chance.merging import least_middle
from modclaims.stats.chance.multiplicity import ManyCells, held, weigh_cells, weigh_many
from modclaims.stats.chance.permutation import Pairs, degrees_of_freedom, f_null
from modclaims.stats.effects.many_cells import Asked, many_scores, many_superior
from modclaims.stats.effects.normal_scores import normal_scores, score_bounds
from modclaims.stats.effects.omega_squared import omega_squared
from modclaims.stats.effects.superiority import (
    check_compared,
    compares,
    comparisons,
    rank_contrast,
    superior,
    superiority_bounds,
)
from modclaims.stats.effects.two_groups import hedges_g
from modclaims.stats.evidence import CategoryRow, Cell, Control, Exhibit, NullTest
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]
Cells = tuple[Cell, ...]
OMEGA = "omega^2 of normal scores"
ANSWERS = ("more", "less", "either")
SHOWN = 6
CONTROL_CELLS = 512


class Selectivity(Hypothesis):
    """One number per text for each of many cells, and how far categories tell these numbers apart.

    Cells are weighed by ranks, so that neither a response's unit nor a few outliers decide. A claim that
    names a `category` is weighed by superiority, without one by omega^2 of normal scores: to search
    categories and signs as well as cells would cost more power than the scale is worth. Exchangeable
    under the null: the responses of texts, inside strata.

    Attributes
    ----------
    category : str | None, default None
        The value of `label` that cells are said to answer; None where any values may be told apart.
    answers : str, default 'either'
        Which way texts of `category` respond. One of 'more' (cells light up), 'less' (go dark) and
        'either'. The first two need a `category`.
    holds : Holds, default somewhere()
        In which cells: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    smallest_effect : float, default 0.1
        On the scale of omega^2, from 0 to below 1; with a `category` on that of superiority, of which
        0.2 says that its texts outrank others in 60 % of pairs.
    untrained : int, default 5
        Untrained networks that the effect is compared with: 0 for none, or at least 5.
    """

    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    category: str | None = None
    answers: str = "either"
    untrained: int = controls.UNTRAINED
    effect_name: ClassVar[str] = OMEGA
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        controls.check_untrained(self.untrained)
        if self.answers not in ANSWERS:
            raise ClaimError(f"answers = {self.answers!r} is unknown; choose one of {', '.join(ANSWERS)}.")
        if self.category is None and self.answers != "either":
            raise ClaimError(
                f"answers = {self.answers!r} needs a category that is answered so; name one (category = ...)."
            )
        if not (self.category is None or isinstance(self.category, str)):
            raise ClaimError(f"category = {self.category!r} must name one {self.label}, or be left out.")

    def check(self, before: PlanContext) -> None:
        self._check_category(Units.of(before.corpus, self.label, self.within).design)
        before.cells(self.holds, self._request())

    def _check_category(self, design: Design) -> None:
        """Raises `ClaimError` where the category that is named cannot be compared."""
        if self.category is not None:
            check_compared(design, self.category)

    @property
    def effect(self) -> str:
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
    def _request(self) -> Activations:
        """What is read of the network itself."""

    @abstractmethod
    def places(self, shape: ModelShape) -> int:
        """Cells of one layer."""

    @abstractmethod
    def responses(self, look: Look, variant: str | None = None) -> tuple[Cells, Floats]:
        """Cells and (text, cell) responses of the network or of one of its variants."""

    @abstractmethod
    def _told(self) -> tuple[str, str, str]:
        """What a cell is (`head`), what is measured of it, for a figure (`norm`), and the evidence's note."""

    def _pictures(self, look: Look, found: Answers, named: int) -> tuple[Exhibit, ...]:
        """Figures of the family's own, before the strip, the volcano and the null."""
        return ()

    def _beside(self, found: Answers) -> dict[str, Floats]:
        """Secondary numbers of the family's own, one per cell."""
        return {}

    def _tested(self, look: Look, units: Units) -> Answers:
        """Responses, their test and bounds."""
        cells, values = self.responses(look)
        y = units.responses(values)
        return Answers(units, cells, y, *self._weighed(look, units.design, y, units))

    def _weighed(
        self, look: Look, design: Design, y: Floats, units: Units, *key: str
    ) -> tuple[NullTest, Bounds, Arrangements]:
        """Test and bounds of (unit, cell) responses of a design; `key` sets its draws apart from those of others."""
        arrangements = relabellings(
            design,
            budget=look.settings.permutations,
            rng=look.rng(*key, design.digest, "relabellings"),
            blind=self._blind,
        )
        resamples = self._resampled(design, look, *key)
        action, exact = units.action(self.label, self.within), arrangements.exact
        if held(len(arrangements.labels), y.shape[1]):
            null, tolerance = self._null(y, design, arrangements)
            test = NullTest.of(self._statistic, null, tolerance, exact=exact, action=action, by=self.adjust)
        else:
            many = self._many(y, design, arrangements)
            test = NullTest.of_many(self._statistic, many, exact=exact, action=action, by=self.adjust)
        return test, self._bounds(y, design, resamples, look.alpha), arrangements

    def _many(self, y: Floats, design: Design, arrangements: Arrangements) -> ManyCells:
        """The statistics behind p of so many cells that they are worked out some at a time."""
        return ManyCells(
            lambda cells: self._null(y[:, cells], design, arrangements), len(arrangements.labels), y.shape[1]
        )

    def _bounds(self, y: Floats, design: Design, resamples: Resamples, alpha: float) -> Bounds:
        """Bounds of the effects of (unit, cell) responses."""
        if held(len(resamples.times), y.shape[1]):
            if self.category is None:
                return score_bounds(y, design, resamples)
            return superiority_bounds(y, design, resamples, self.category, self.answers)
        asked = Asked(self.smallest_effect, alpha)
        if self.category is None:
            return many_scores(y, design, resamples, asked)
        return many_superior(y, design, resamples, self.category, self.answers, asked)

    @property
    def _blind(self) -> Blind:
        """What p cannot see: a renaming of all categories, unless one is named."""
        return "jointly" if self.category is None else "no"

    def plan(self, before: PlanContext) -> TestPlan:
        units = Units.of(before.corpus, self.label, self.within)
        design, total = units.design, count_arrangements(units.design, blind=self._blind)
        made = replace(
            labelled(self, units, before),
            cells=before.cells(self.holds, self._request(), self.places(before.shape)),
            test=exchanged([total], before),
            arrangements=total,
        )
        if self.category is None:
            streams = before.streams(type(self).__name__)
            spent = degenerate_fits(design, before.weighing.resamples, lambda: self._resampled(design, streams))
            simulated: tuple[Design, Effect] | None = None if design.members else (design, "omega^2")
            return replace(made, bounds=counted_bounds(before, [spent]), simulated=simulated)
        made = replace(
            made,
            bounds=self._least_of_order(before, [design]),
            simulated=None if design.members else (_first(design, self.category), "superiority"),
        )
        return replace(made, perfect=self._refuting(made, [design]))

    def _least_of_order(self, before: PlanContext, designs: Sequence[Design], factor: float = 1.0) -> CountedLevel:
        """Levels of superiority's bounds, none of which is less than that of a perfect order of so few texts."""
        assert self.category is not None
        rows = before.weighing.resamples + 1
        least = [((1 + self.smallest_effect) / 2) ** comparisons(design, self.category) * rows for design in designs]
        return counted_bounds(before, [max(0.0, value - 1) for value in least], factor)

    def _refuting(
        self, made: TestPlan, designs: Sequence[Design], factor: float = 1.0
    ) -> tuple[CountedLevel, CountedLevel] | None:
        """Superiority's bounds where they support, and where they refute, which a perfect order the other way round does best."""
        if self.category is None:
            return None
        least = [((1 - self.smallest_effect) / 2) ** comparisons(design, self.category) for design in designs]
        level = min(1.0, factor * float(least_middle(np.array(least))))
        return made.bounds, CountedLevel.by_law(level, f"that of a perfect sample of so many {made.unit}s")

    @staticmethod
    def _resampled(design: Design, streams: Streams, *key: str) -> Resamples:
        """What bounds are read off; `key` sets the draws of a split apart."""
        return resample(design, count=streams.settings.resamples, rng=streams.rng(*key, design.digest, "resamples"))

    def measure(self, look: Look) -> Measured:
        units = Units.of(look.corpus, self.label, self.within)
        found = self._tested(look, units)
        return Measured(
            found.cells,
            self.effect,
            found.bounds,
            found.test,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=found.test.unvarying,
            payload=found,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Answers)
        aside, units, y, arrangements, note = self._aside(look, found)
        where = f"at {found.cells[named]}{note}"
        # rivals are weighed at the strongest cells: among thousands of neurons the rest adds nothing to read
        strongest = np.sort(np.argsort(-found.test.observed, kind="stable")[:CONTROL_CELLS])
        if named not in strongest:
            strongest = np.sort(np.append(strongest[1:], named))
        here = int(np.flatnonzero(strongest == named)[0])
        pairs = Pairs.of(units.design)
        squared = [(y[:, c][:, None] - y[:, c][None, :]) ** 2 for c in strongest]
        comparison = controls.Comparison(units, pairs, -np.sqrt(pairs.matrix(squared)), here, where)
        rivals: list[controls.Rival] = [
            controls.SharedWords(),
            controls.PlainMeasures(),
            controls.UnequalSpread(squared, arrangements, "responses"),
        ]
        results = [rival.against(aside, comparison) for rival in rivals]
        if self.untrained:
            at = f"at {found.cells[named]}"
            results.append(RivalResult(self._baseline(look, found, float(found.bounds.effect[named]), at)))
        return results

    def _aside(self, look: Look, found: Answers) -> tuple[Look, Units, Floats, Arrangements, str]:
        """The texts that rivals are weighed on, all or some of very many: their units, (unit, cell) responses, relabellings,
        and what is to be said of it."""
        if (thinned := controls.aside(look, found.units, self.label, self.within)) is None:
            return look, found.units, found.y, found.arrangements, ""
        some, units, note = thinned
        arrangements = relabellings(
            units.design,
            budget=controls.CONTROL_DRAWS,
            rng=look.lasting_rng("relabellings aside", design=units.design.digest),
            blind="no",
        )
        y = units.responses(self.responses(some)[1])
        return some, units, y, arrangements, note

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Answers)
        return (
            *self._pictures(look, found, named),
            self._strip(look, found),
            self._volcano(found, look.alpha),
            null_histogram(found.test, named, found.cells),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Answers)
        significant = np.flatnonzero(found.test.p_adjusted <= look.alpha)[:CONTROL_CELLS]
        preferences = found.preferences([*found.best.tolist(), *significant.tolist(), named])
        return Words(
            note=self._told()[2] + found.units.note,
            detail=self._answered(preferences, named) + self._followed(found, named, look.alpha),
            warnings=found.units.warnings,
            secondary={
                self._statistic: found.test.observed,
                **self._other_effects(found.y, found.units.design),
                **self._beside(found),
            },
            categories=preferences,
        )

    def _other_effects(self, y: Floats, design: Design) -> dict[str, Floats]:
        """The effects that stand beside the claim's own, one per cell, without verdict."""
        df1, _ = degrees_of_freedom(design)
        found = {"omega^2 of raw responses": omega_squared(observed_f(y, design), df1, design.n)}
        if self.category is not None:
            scores = observed_f(normal_scores(y, design), design)
            found = {OMEGA: omega_squared(scores, df1, design.n), **found}
        return found

    def _answered(self, preferences: Sequence[CategoryRow], named: int) -> str:
        """What the named cell answers: the category that the claim names, or those that it answers most and least."""
        mine = [r for r in preferences if r.cell == named and r.category == self.category]
        if not mine:
            return _preferred(preferences, named)
        (row,) = mine
        return (
            f"Texts of {row.category!r} outrank others in {outranks(row.superiority)} (Hedges' g {row.hedges_g:.2f})."
        )

    def _followed(self, found: Answers, named: int, alpha: float) -> str:
        """A further sentence on the named cell, after its preferences."""
        return ""

    def _baseline(self, look: Look, found: Answers, effect: float, where: str) -> Control:
        """The strongest unit of each untrained network, beside the claim's: searched in the same way, over as many cells."""
        design, best, p, alpha = found.units.design, [], [], look.alpha
        for variant in controls.untrained_variants(self.untrained):
            _, values = self.responses(look, variant)
            y = found.units.responses(values)
            many = self._many(y, design, controls.fewer(found.arrangements))
            best.append(float(self._effects(y, design).max()))
            if held(many.rows, many.count):
                tests = weigh_cells(*many.work_out(np.arange(many.count)), self.adjust)
            else:
                tests = weigh_many(many, self.adjust)
            p.append(float(tests.p_adjusted.min()))
        count, level = sum(value <= alpha for value in p), f"{alpha:g}".removeprefix("0")
        return Control(
            "untrained_baseline",
            f"The strongest {self._told()[0]} of the untrained networks ({self.untrained} seeds) reaches {self.effect} {from_to(best, 2)} "
            f"(adjusted p at most {level} in {count} of {self.untrained}), against {effect:.2f} {where}: "
            + (
                "a network that learned nothing shows as much."
                if max(best) >= effect
                else "no untrained network reaches that."
            ),
            {"effect": best, "p_adjusted": p},
        )

    def _strip(self, look: Look, found: Answers) -> Exhibit:
        """Responses of the strongest cells, category by category."""
        units, cells, response, best = found.units, found.cells, self._told()[1], found.best
        preferences = found.preferences(best.tolist())
        categories = units.categories()
        order = sorted(range(len(categories)), key=lambda i: categories[i])
        ids = [t.id for t in look.corpus.texts] if units.groups is None else [f"block {b}" for b in range(units.n)]
        return Strip(
            f"Responses of the {len(best)} strongest units, one point a {units.unit}",
            f"{response.capitalize()} by {units.unit} and {self.label}; most and least against the rest: "
            + "; ".join(f"{cells[c]}{_extremes(preferences, int(c))}" for c in best)
            + ".",
            responses=found.y[order][:, best].T,
            panels=tuple(str(cells[c]) for c in best),
            categories=tuple(categories[i] for i in order),
            ids=tuple(ids[i] for i in order),
            response=response,
        ).exhibit()

    def _volcano(self, found: Answers, alpha: float) -> Exhibit:
        """Effect against adjusted p."""
        cells, adjusted = found.cells, found.test.p_adjusted
        return Volcano(
            "Effect against adjusted p, one point per cell",
            f"{len(cells):,} cells; {int((adjusted <= alpha).sum())} lie beyond adjusted p = {alpha:g}.",
            effect=found.bounds.effect,
            p_adjusted=adjusted,
            alpha=alpha,
            cells=tuple(str(c) for c in cells),
            effect_name=self.effect,
        ).exhibit()


@dataclass(frozen=True)
class Answers:
    """What cells answer: one response per unit and cell, with test and bounds."""

    units: Units
    cells: Cells
    y: Floats
    """(unit, cell) responses."""
    test: NullTest
    bounds: Bounds
    arrangements: Arrangements

    @property
    def best(self) -> NDArray[np.int64]:
        """The cells that are shown: the smallest adjusted p, largest effects first."""
        return np.lexsort((-self.bounds.effect, self.test.p_adjusted))[:SHOWN]

    def preferences(self, cells: Iterable[int]) -> tuple[CategoryRow, ...]:
        """How categories differ at some cells."""
        return _preferences(self.y, self.units.design, sorted(set(cells)))


def _first(design: Design, category: str) -> Design:
    """The same design with one category's code before all others."""
    order = [category, *(name for name in design.names if name != category)]
    labels = np.array([order.index(design.names[k]) for k in design.labels])
    return replace(design, labels=labels, names=tuple(order))


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
