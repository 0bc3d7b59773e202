"""WithinVersusStyle: of two crossed factors, which one is similarity about - what a text says, or how it says it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.decimals import p_word
from modclaims.errors import ClaimError
from modclaims.families.categories.category_clustering import CategoryClustering
from modclaims.families.categories.figures.two_effects_by_depth import TwoEffectsByDepth
from modclaims.families.common import controls
from modclaims.families.common.depth_curves import untrained_curves
from modclaims.families.common.plan_parts import drawn, heads_at, labelled
from modclaims.families.common.units import Units
from modclaims.figures.head_map import HeadMap
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_pairs
from modclaims.planning.perfect_samples import of_sums
from modclaims.planning.plan import TestPlan, counted_bounds
from modclaims.recording import HEAD_SITES
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.delta_bounds import Part, combined_bounds, delta_bounds
from modclaims.stats.bounds.replicates import Replicates, minus
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import relabellings
from modclaims.stats.chance.permutation import Pairs, gap_null
from modclaims.stats.effects.pair_effects import cliffs_delta, unweighable
from modclaims.stats.effects.similarity import Similarity
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.ties import tolerance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CrossedFactor:
    """One factor compared inside the values of the other."""

    label: str
    within: str
    units: Units
    pairs: Pairs

    @classmethod
    def of(cls, corpus: Corpus, label: str, within: str) -> CrossedFactor:
        """Raises `ClaimError` where the corpus cannot carry this side."""
        units = Units.of(corpus, label, within)
        return cls(label, within, units, Pairs.of(units.design))

    @property
    def words(self) -> str:
        """Such as `topic within style`."""
        return f"{self.label} within {self.within}"

    def similarities(self, per_cell: list[Similarity]) -> Floats:
        """(pair, cell) similarities of the pairs that this side compares."""
        return self.pairs.matrix([self.units.similarity(s.values) for s in per_cell])

    def delta(self, similarities: Floats, resamples: Resamples, slack: Floats | None = None) -> Replicates:
        """Cliff's delta of this factor under every resample, of similarities that tie within `slack`."""
        return cliffs_delta(similarities, self.units.design, self.pairs, resamples, slack=slack)


class WithinVersusStyle(CategoryClustering):
    """Similarity is more about one factor than about the other that it is crossed with.

    The effect is Cliff's delta of `label` within `within`, minus Cliff's delta of `within` within
    `label` (delta = 2 P(same > different) - 1). Both compare pairs that share both values with pairs
    that share only one of them, so the difference is positive when another `label` sets texts further
    apart than another `within`. It lies between -2 and 2, with one value per layer (or head).

    It is a contrast of two effects, which no exchange of labels leaves alone: nothing is exchanged, and
    p is read off the bootstrap bound, texts being drawn anew inside each combination of both values, for
    both sides together; the limits of both deltas are combined, so that they never leave their scale.
    Each side's own effect, bound and p are shown beside it and decide nothing. A corpus in which the
    two factors are not crossed, or texts are not independent, makes the number wrong. A claim of the
    contrary swaps `label` and `within`.

    Attributes
    ----------
    label : str, default 'topic'
        Column of the factor that is said to matter more.
    within : str | None, default 'style'
        Column of the factor that it is crossed with; None is not allowed here.
    adjust : str, default 'maxT'
        For each side's own p, which is shown and decides nothing. One of 'maxT' and 'minP'.
    smallest_effect : float, default 0.1
        Difference of two deltas, from 0 to below 2.

    References
    ----------
    Cliff (1993), Dominance statistics: ordinal analyses to answer ordinal questions. Zou & Donner
    (2008), Construction of confidence limits about effect measures: a general approach.

    Examples
    --------
    >>> from modclaims import WithinVersusStyle
    >>> from modclaims.calibration.examples import planted
    >>> class KnowledgeBeforeStyle(WithinVersusStyle):
    ...     "Texts are alike by what they say, more than by how they say it."
    >>> print(planted(KnowledgeBeforeStyle, 3))
    SUPPORTED  delta difference 0.53 [0.37, 0.65] at layer 1
    >>> print(planted(KnowledgeBeforeStyle, 0))  # both factors matter equally
    INCONCLUSIVE  delta difference 0.08 [-0.08, 0.20] at layer 0
    """

    label: str = "topic"
    within: str | None = "style"
    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "delta difference"
    largest_effect: ClassVar[float] = 2.0

    def validate(self) -> None:
        super().validate()
        if self.within is None:
            raise ClaimError("within = None names no second factor; write within = 'style' or another column.")

    def check(self, before: PlanContext) -> None:
        self._sides(before.corpus)
        before.cells(self.holds, self._request())

    def _sides(self, corpus: Corpus) -> tuple[CrossedFactor, CrossedFactor]:
        """Both factors. Raises `ClaimError` where one of them has no two values inside a value of the other."""
        assert self.within is not None
        return CrossedFactor.of(corpus, self.label, self.within), CrossedFactor.of(corpus, self.within, self.label)

    def plan(self, before: PlanContext) -> TestPlan:
        sides = self._sides(before.corpus)
        units, streams = sides[0].units, before.streams(type(self).__name__)
        count = before.weighing.resamples
        # both sides are bounded by the resamples of the first
        spent = max(degenerate_pairs(side.units.design, count, lambda: drawn(units.design, streams)) for side in sides)
        contrast = self.holds.contrast(before.shape.resolve_layers(self._request()))
        weights, cells = contrast, 1
        if weights is None:
            weights, cells = np.eye(1), before.cells(self.holds, self._request(), heads_at(before.shape, self.site))
        made = replace(
            labelled(self, units, before),
            action=f"resampling {units.resampled}",
            bounds=counted_bounds(before, [spent]),
            cells=cells,
        )
        parts = [(side.units.design, sign * weights) for side, sign in zip(sides, (1.0, -1.0), strict=True)]
        return of_sums(made, parts, self.smallest_effect)

    def measure(self, look: Look) -> Measured:
        crossed = self._crossed(look)
        layers = [c.layer or 0 for c in crossed.cells]
        by_cell, units = crossed.by_cell, crossed.sides[0].units
        contrast = self.holds.contrast(layers)
        if contrast is None:
            cells, name, bounds, degenerate = crossed.cells, self.effect_name, by_cell, tuple(crossed.flat.tolist())
        else:
            cells, name, degenerate = (Cell(),), f"rise of {self.effect_name}", ()
            bounds = in_parts(partial(crossed.difference, contrast), crossed.resamples)
        return Measured(
            cells,
            name,
            bounds,
            None,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=degenerate,
            payload=crossed,
        )

    def _crossed(self, look: Look) -> Crossed:
        """Both sides' similarities, with what the claim is beyond taken out."""
        sides = self._sides(look.corpus)
        units = sides[0].units
        cells, per_cell = self._similarities(look.recording, None)
        # both designs cut texts into the same groups, so that one set of resamples serves both
        resamples = drawn(units.design, look)
        similarities = tuple(side.similarities(per_cell) for side in sides)
        taken = similarities
        if (rival := self._taken_out(look, cells)) is not None:
            draws = 1 if look.settings.bare else controls.CONTROL_DRAWS
            taken = tuple(
                rival.take_out(look, controls.Comparison(side.units, side.pairs, found, 0, ""), draws).adjusted
                for side, found in zip(sides, similarities, strict=True)
            )
        slacks = tuple(tolerance(found) for found in similarities)  # of what they were, whatever was taken out
        tests = () if look.settings.bare else self._tests(look, sides, similarities)
        return Crossed(sides, cells, tuple(per_cell), similarities, taken, slacks, resamples, tests)

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        crossed = measured.kept(Crossed)
        cell = self._shown(crossed.by_cell, named)
        where, few = str(crossed.cells[cell]), crossed.few
        found = [RivalResult(self._each(crossed, cell, where, look.alpha))]
        found += [RivalResult(control) for control in self._texts_alone(look, crossed, cell, where)]
        if self.untrained:
            sides = crossed.sides

            def difference(look: Look, variant: str | None) -> Replicates:
                if variant is None:
                    similarities = list(crossed.similarities)
                else:
                    _, per_cell = self._similarities(look.recording, variant)
                    similarities = [side.similarities(per_cell) for side in sides]
                return minus(*(side.delta(values, few) for side, values in zip(sides, similarities, strict=True)))

            untrained = controls.UntrainedBaselines(
                self.untrained,
                difference,
                few,
                f"the difference at {where}",
                sides[0].units.design.digest,
            )
            comparison = controls.Comparison(sides[0].units, sides[0].pairs, crossed.similarities[0], cell, where)
            found.append(untrained.against(look, comparison))
        return found

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        crossed = measured.kept(Crossed)
        sides, own, cell = crossed.sides, crossed.own, self._shown(crossed.by_cell, named)
        warnings = sides[0].units.warnings
        warnings += tuple(w for w in sides[1].units.warnings if w not in warnings)
        secondary: dict[str, Floats] = {}
        if not self.holds.contrasts:
            for side, bounds, test in zip(sides, own, crossed.tests, strict=True):
                secondary[f"delta of {side.words}"] = bounds.effect
                secondary[f"{p_word(len(test.p_adjusted))} of {side.words}"] = test.p_adjusted
        else:
            warnings += tuple(f"Similarities do not vary at {crossed.cells[c]}." for c in crossed.flat)
        return Words(
            note=f"similarity {self.similarity}, site {self.site}; {sides[0].words} minus {sides[1].words}"
            f"{sides[0].units.note}",
            detail=" ".join(
                f"Delta of {side.words} at {crossed.cells[cell]} is {bounds.effect[cell]:.2f}."
                for side, bounds in zip(sides, own, strict=True)
            ),
            warnings=warnings,
            secondary=secondary,
        )

    def _tests(
        self, look: Look, sides: Sequence[CrossedFactor], similarities: Sequence[Floats]
    ) -> tuple[NullTest, ...]:
        """Each side's own test."""
        return tuple(self._side_test(side, found, look) for side, found in zip(sides, similarities, strict=True))

    def _side_test(self, side: CrossedFactor, similarities: Floats, look: Look) -> NullTest:
        """One side's own test: the gap within - between under exchange of its labels inside the other's values."""
        design = side.units.design
        arrangements = controls.fewer(
            relabellings(
                design,
                budget=look.settings.permutations,
                rng=look.lasting_rng("relabellings", design=design.digest),
                blind="within_strata",
            )
        )
        null, tolerance = gap_null(similarities, side.pairs, design, arrangements)
        action = side.units.action(side.label, side.within)
        return NullTest.of(
            "gap within - between", null, tolerance, exact=arrangements.exact, action=action, by=self.adjust
        )

    def _each(self, crossed: Crossed, named: int, where: str, alpha: float) -> Control:
        """Both sides by themselves, in words."""
        told, numbers = [], dict[str, float]()
        for side, bounds, test in zip(crossed.sides, crossed.own, crossed.tests, strict=True):
            effect, p = float(bounds.effect[named]), float(test.p_adjusted[named])
            low, high = float(bounds.lower(alpha)[named]), float(bounds.upper(alpha)[named])
            word = p_word(len(test.p_adjusted))
            told.append(f"{side.words} reaches delta {effect:.2f} [{low:.2f}, {high:.2f}] ({word} {p:.2g})")
            numbers |= {
                f"delta_{side.label}": effect,
                f"low_{side.label}": low,
                f"high_{side.label}": high,
                f"p_{side.label}": p,
            }
        return Control("each_side", f"At {where}, {told[0]}; {told[1]}.", numbers)

    def _texts_alone(self, look: Look, crossed: Crossed, named: int, where: str) -> list[Control]:
        """The difference beyond shared words, and what is left of each side beyond plain measures of the texts."""
        recording, name, weighing, few = look.recording, look.claim, look.settings, crossed.few
        sides, similarities = crossed.sides, crossed.similarities
        found, shares = [], []
        rivals: list[Control] = []
        for side, values in zip(sides, similarities, strict=True):
            here = values[:, [named]]
            beyond = controls.beyond_words(recording, side.units, side.pairs, here, name, weighing, 1)
            found.append(side.delta(beyond.adjusted, few))
            shares.append(float(beyond.share_left[0]))
            plain = controls.plain_measures(
                recording, side.units, side.pairs, values[:, named], name, weighing, f"of {side.words} at {where}"
            )
            rivals.append(replace(plain, name=f"plain_measures_{side.label}"))
        bounds = _difference(sides, found, np.eye(1), few)
        low, high = float(bounds.lower(weighing.alpha)[0]), float(bounds.upper(weighing.alpha)[0])
        left = " and ".join(f"{_percent(share)} of {side.label}'s" for share, side in zip(shares, sides, strict=True))
        words = Control(
            "shared_words",
            f"Beyond these proxies (TF-IDF and input embeddings, cubic splines) the difference at {where} is "
            f"{float(bounds.effect[0]):.2f} [{low:.2f}, {high:.2f}]; {left} gap is left.",
            {
                "difference": float(bounds.effect[0]),
                "low": low,
                "high": high,
                **{f"share_left_{side.label}": share for share, side in zip(shares, sides, strict=True)},
            },
        )
        return [words, *rivals]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        crossed, alpha = measured.kept(Crossed), look.alpha
        sides, own, contrast, cells = crossed.sides, crossed.own, crossed.by_cell, crossed.cells
        layers, every = np.array([c.layer or 0 for c in cells]), np.arange(len(cells))
        if self.site in HEAD_SITES:
            shape = (len(set(layers.tolist())), int(max(c.head or 0 for c in cells)) + 1)
            level = contrast.p_lower(0.0, every)
            return (
                HeadMap(
                    f"Delta of {sides[0].words} minus {sides[1].words} by head, {self.site}",
                    f"The difference at {shape[0]} layers x {shape[1]} heads; marked where its simultaneous lower bound at "
                    f"{alpha:g} lies above 0.",
                    effect=contrast.effect.reshape(shape),
                    p_adjusted=level.reshape(shape),
                    significant=(level <= alpha).reshape(shape),
                    effect_name=self.effect_name,
                    unit="head",
                ).exhibit(),
            )
        bounds = [*own, contrast]
        told = "; ".join(
            f"layer {layer}: {a:.2f} and {b:.2f}"
            for layer, a, b in zip(layers.tolist(), own[0].effect, own[1].effect, strict=True)
        )
        return (
            TwoEffectsByDepth(
                f"Cliff's delta of {sides[0].words} and of {sides[1].words} by relative depth, {self.site}",
                f"Above, both deltas with their own {100 * (1 - 2 * alpha):g} % bounds; below, the first minus the second. "
                f"{sides[0].words.capitalize()} and {sides[1].words}: {told}.",
                depth=layers / max(1, look.shape.layers - 1),
                layer=layers,
                effect=np.stack([b.effect for b in bounds]),
                low=np.stack([b.lower(alpha) for b in bounds]),
                high=np.stack([b.upper(alpha) for b in bounds]),
                smallest_effect=self.smallest_effect,
                twin=untrained_curves(rivals),
                sides=tuple(side.words for side in sides),
                effect_name="delta",
            ).exhibit(),
            *self._maps(look.recording, cells, list(crossed.per_cell), max(1, look.shape.layers - 1)),
        )


@dataclass(frozen=True)
class Crossed:
    """Both sides' similarities at every cell, and the difference of their deltas."""

    sides: tuple[CrossedFactor, CrossedFactor]
    cells: tuple[Cell, ...]
    per_cell: tuple[Similarity, ...]
    similarities: tuple[Floats, ...]
    """(pair, cell) of each side."""
    taken: tuple[Floats, ...]
    """The same with what the claim is beyond taken out."""
    slacks: tuple[Floats, ...]
    """(cell,) of each side, what is rounding."""
    resamples: Resamples
    tests: tuple[NullTest, ...]
    """Each side's own; none where the weighing is bare."""

    @cached_property
    def by_cell(self) -> Bounds:
        """The difference at every cell."""
        return in_parts(partial(self.difference, np.eye(len(self.cells))), self.resamples)

    def difference(self, weights: Floats, drawn: Resamples) -> Bounds:
        """Bounds of combinations (layer, cell) of the difference."""
        deltas = [
            side.delta(x, drawn, slack) for side, x, slack in zip(self.sides, self.taken, self.slacks, strict=True)
        ]
        return _difference(self.sides, deltas, weights, drawn)

    @cached_property
    def own(self) -> list[Bounds]:
        """Each side's delta by itself."""
        return [
            in_parts(partial(_own_bounds, side, x, slack), self.resamples)
            for side, x, slack in zip(self.sides, self.taken, self.slacks, strict=True)
        ]

    @property
    def flat(self) -> NDArray[np.int64]:
        """Cells in which either side's similarities do not vary."""
        each = zip(self.sides, self.taken, self.slacks, strict=True)
        return np.unique(np.concatenate([unweighable(x, side.pairs, slack) for side, x, slack in each]))

    @property
    def few(self) -> Resamples:
        """The first resamples, which suffice for what stands beside the claim."""
        return Resamples(self.resamples.times[: controls.CONTROL_RESAMPLES + 1], self.resamples.groups)


def _difference(
    sides: tuple[CrossedFactor, CrossedFactor], deltas: list[Replicates], weights: Floats, resamples: Resamples
) -> Bounds:
    """Bounds of combinations (layer, cell) of the first side's deltas, minus the same of the second's."""
    parts = [
        Part(delta, side.units.design, sign * weights)
        for side, delta, sign in zip(sides, deltas, (1.0, -1.0), strict=True)
    ]
    return combined_bounds(parts, resamples)


def _own_bounds(side: CrossedFactor, similarities: Floats, slack: Floats, drawn: Resamples) -> Bounds:
    """One side's delta by itself."""
    return delta_bounds(side.delta(similarities, drawn, slack), side.units.design, drawn)


def _percent(share: float) -> str:
    return "none" if not np.isfinite(share) or share <= 0 else f"{100 * min(share, 1):.0f} %"
