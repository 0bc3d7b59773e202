"""WithinVersusStyle: of two crossed factors, which one is similarity about - what a text says, or how it says it?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.decimals import p_word
from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.category_clustering import CategoryClustering
from modclaims.families.units import Units
from modclaims.hypothesis import Weighing
from modclaims.recording import HEAD_SITES, Recording
from modclaims.stats.actions import relabellings
from modclaims.stats.bootstrap import Bounds, Replicates, Resamples, resample
from modclaims.stats.delta_bounds import Part, combined_bounds, delta_bounds
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.pair_effects import cliffs_delta, unweighable
from modclaims.stats.permutation import Pairs, gap_null
from modclaims.stats.quantifiers import AlongDepth, slope_weights
from modclaims.stats.resample_parts import in_parts
from modclaims.stats.similarity import Similarity
from modclaims.stats.streams import stream
from modclaims.stats.ties import tolerance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Side:
    """One factor compared inside the values of the other."""

    label: str
    within: str
    units: Units
    pairs: Pairs

    @classmethod
    def of(cls, corpus: Corpus, label: str, within: str) -> Side:
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

    The effect is Cliff's delta of `label` within `within` minus that of `within` within `label`: both compare pairs that
    share both values with pairs that share one of them alone, so the difference is positive where another `label` parts
    texts further than another `within`. Between -2 and 2, a value a layer (or head). It is a contrast of effects, which no
    exchange of labels leaves alone: p is read off the bootstrap bound, texts drawn anew inside each combination of both
    values, for both sides together. Each side's own effect, bound and p (labels exchanged inside the other factor's
    values) stand beside it and decide nothing. A claim of the contrary swaps `label` and `within`. With `beyond =
    "shared_words"` both sides are taken after the part that TF-IDF and input embeddings explain.
    """

    label: str = "topic"
    """The factor that is said to matter more."""
    within: str | None = "style"
    """The factor that it is crossed with."""
    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "delta difference"
    largest_effect: ClassVar[float] = 2.0

    def validate(self) -> None:
        super().validate()
        if self.within is None:
            raise ClaimError("within = None names no second factor; write within = 'style' or another column.")

    def check(self, corpus: Corpus) -> None:
        self._sides(corpus)

    def _sides(self, corpus: Corpus) -> tuple[Side, Side]:
        """Both factors. Raises `ClaimError` where one of them has no two values inside a value of the other."""
        assert self.within is not None
        return Side.of(corpus, self.label, self.within), Side.of(corpus, self.within, self.label)

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sides = self._sides(recording.corpus)
        units, name = sides[0].units, type(self).__name__
        cells, per_cell = self._similarities(recording, None)
        # both designs cut texts into the same groups, so that one set of resamples serves both
        resamples = resample(
            units.design,
            count=weighing.resamples,
            rng=weighing.rng(name, units.design.digest, "resamples"),
        )
        similarities = [side.similarities(per_cell) for side in sides]
        if self.beyond:
            draws = 1 if weighing.bare else controls.CONTROL_DRAWS
            taken = [
                self._beyond(recording, side.units, side.pairs, found, cells, weighing, draws).adjusted
                for side, found in zip(sides, similarities, strict=True)
            ]
        else:
            taken = similarities
        slacks = [tolerance(found) for found in similarities]  # of what they were, whatever was taken out

        def combined(weights: Floats, drawn: Resamples) -> Bounds:
            deltas = [side.delta(x, drawn, slack) for side, x, slack in zip(sides, taken, slacks, strict=True)]
            return _difference(sides, deltas, weights, drawn)

        by_cell = in_parts(partial(combined, np.eye(len(cells))), resamples)
        bare = Evidence(cells, self.effect_name, by_cell, None, len(recording.corpus), n_units=units.n)
        along = isinstance(self.holds, AlongDepth)
        slope = by_cell
        if along:
            over_depth = slope_weights(self.holds, [c.layer or 0 for c in cells])
            slope = in_parts(partial(combined, over_depth), resamples)
        whole = replace(bare, cells=(Cell(),), effect_name=f"rise of {self.effect_name}", bounds=slope)
        if weighing.bare:
            return whole if along else bare
        if along:
            named = int(np.argmax(np.nan_to_num(by_cell.theta, nan=-np.inf)))
        else:
            named = self.holds.levels(bare, self.smallest_effect, weighing.alpha, weighing.claims).cell
        own = [
            in_parts(partial(_own_bounds, side, x, slack), resamples)
            for side, x, slack in zip(sides, taken, slacks, strict=True)
        ]
        tests = [self._test(side, found, weighing) for side, found in zip(sides, similarities, strict=True)]
        flat = np.unique(
            np.concatenate([unweighable(x, s.pairs, slack) for s, x, slack in zip(sides, taken, slacks, strict=True)])
        )
        warnings = units.warnings + tuple(w for w in sides[1].units.warnings if w not in units.warnings)
        few = Resamples(resamples.times[: controls.CONTROL_RESAMPLES + 1], resamples.groups)
        rivals = [self._each(sides, own, tests, named, str(cells[named]), weighing.alpha)]
        rivals += self._rivals(recording, sides, similarities, few, named, str(cells[named]), weighing)
        twins = None
        if self.twins:
            difference, twins = self._trained(recording, sides, similarities, few, weighing)
            what = f"the difference at {cells[named]}"
            rivals.append(controls.untrained_twin(difference, twins[:, named], named, weighing.alpha, what))
        secondary: dict[str, Floats] = {}
        for side, bounds, test in zip(sides, own, tests, strict=True):
            secondary[f"delta of {side.words}"] = bounds.effect
            secondary[f"{p_word(len(test.p_adjusted))} of {side.words}"] = test.p_adjusted
        return replace(
            whole if along else bare,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=() if along else tuple(int(c) for c in flat),
            controls=tuple(rivals),
            exhibits=self._pictures(recording, cells, per_cell, sides, own, by_cell, twins, weighing.alpha),
            secondary={} if along else secondary,
            warnings=warnings + tuple(f"Similarities do not vary at {cells[c]}." for c in flat if along),
            note=f"similarity {self.similarity}, site {self.site}; {sides[0].words} minus {sides[1].words}{units.note}",
            detail=" ".join(
                f"Delta of {side.words} at {cells[named]} is {bounds.effect[named]:.2f}."
                for side, bounds in zip(sides, own, strict=True)
            ),
        )

    def _test(self, side: Side, similarities: Floats, weighing: Weighing) -> NullTest:
        """One side's own test: the gap within - between under exchange of its labels inside the other's values."""
        design = side.units.design
        arrangements = controls.fewer(
            relabellings(
                design,
                budget=weighing.permutations,
                rng=stream(weighing.seed, type(self).__name__, design.digest, "relabellings"),
                blind="within_strata",
            )
        )
        null, tolerance = gap_null(similarities, side.pairs, design, arrangements)
        action = side.units.action(side.label, side.within)
        return NullTest.of(
            "gap within - between", null, tolerance, exact=arrangements.exact, action=action, by=self.adjust
        )

    def _each(
        self, sides: tuple[Side, Side], own: list[Bounds], tests: list[NullTest], named: int, where: str, alpha: float
    ) -> Control:
        """Both sides by themselves, in words."""
        told, numbers = [], dict[str, float]()
        for side, bounds, test in zip(sides, own, tests, strict=True):
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

    def _rivals(
        self,
        recording: Recording,
        sides: tuple[Side, Side],
        similarities: list[Floats],
        few: Resamples,
        named: int,
        where: str,
        weighing: Weighing,
    ) -> list[Control]:
        """The difference beyond shared words, and what is left of each side beyond plain measures of the texts."""
        name, found, shares = type(self).__name__, [], []
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

    def _trained(
        self,
        recording: Recording,
        sides: tuple[Side, Side],
        similarities: list[Floats],
        few: Resamples,
        weighing: Weighing,
    ) -> tuple[Bounds, Floats]:
        """Bounds of trained - untrained difference by cell, and the twins' differences (seed, cell)."""

        def difference(found: list[Floats]) -> Replicates:
            return minus(*(side.delta(values, few) for side, values in zip(sides, found, strict=True)))

        replicates = []
        for variant in controls.twin_variants(self.twins):
            _, per_cell = self._similarities(recording, variant)
            replicates.append(difference([side.similarities(per_cell) for side in sides]))
        rng = stream(weighing.seed, type(self).__name__, sides[0].units.design.digest, "twin seeds")
        bounds = controls.trained_minus_untrained(difference(similarities), replicates, few, rng)
        return bounds, np.stack([r.value[0] for r in replicates])

    def _pictures(
        self,
        recording: Recording,
        cells: tuple[Cell, ...],
        per_cell: list[Similarity],
        sides: tuple[Side, Side],
        own: list[Bounds],
        contrast: Bounds,
        twins: Floats | None,
        alpha: float,
    ) -> tuple[Exhibit, ...]:
        layers, every = np.array([c.layer or 0 for c in cells]), np.arange(len(cells))
        if self.site in HEAD_SITES:
            shape = (len(set(layers.tolist())), int(max(c.head or 0 for c in cells)) + 1)
            level = contrast.p_lower(0.0, every)
            return (
                Exhibit(
                    "head_map",
                    f"Delta of {sides[0].words} minus {sides[1].words} by head, {self.site}",
                    f"The difference at {shape[0]} layers x {shape[1]} heads; marked where its simultaneous lower bound at "
                    f"{alpha:g} lies above 0.",
                    {
                        "effect": contrast.effect.reshape(shape),
                        "p_adjusted": level.reshape(shape),
                        "significant": (level <= alpha).reshape(shape),
                    },
                    {"effect_name": self.effect_name, "unit": "head"},
                ),
            )
        bounds = [*own, contrast]
        arrays: dict[str, NDArray[np.generic]] = {
            "depth": layers / max(1, recording.shape.layers - 1),
            "layer": layers,
            "effect": np.stack([b.effect for b in bounds]),
            "low": np.stack([b.lower(alpha) for b in bounds]),
            "high": np.stack([b.upper(alpha) for b in bounds]),
            "smallest_effect": np.array(self.smallest_effect),
        }
        if twins is not None:
            arrays["twin"] = twins
        told = "; ".join(
            f"layer {layer}: {a:.2f} and {b:.2f}"
            for layer, a, b in zip(layers.tolist(), own[0].effect, own[1].effect, strict=True)
        )
        return (
            Exhibit(
                "two_effects_by_depth",
                f"Cliff's delta of {sides[0].words} and of {sides[1].words} by relative depth, {self.site}",
                f"Above, both deltas with their own {100 * (1 - 2 * alpha):g} % bounds; below, the first minus the second. "
                f"{sides[0].words.capitalize()} and {sides[1].words}: {told}.",
                arrays,
                {"sides": [side.words for side in sides], "effect_name": "delta"},
            ),
            *self._maps(recording, cells, per_cell, max(1, recording.shape.layers - 1)),
        )


def _difference(sides: tuple[Side, Side], deltas: list[Replicates], weights: Floats, resamples: Resamples) -> Bounds:
    """Bounds of combinations (layer, cell) of the first side's deltas, minus the same of the second's."""
    parts = [
        Part(delta, side.units.design, sign * weights)
        for side, delta, sign in zip(sides, deltas, (1.0, -1.0), strict=True)
    ]
    return combined_bounds(parts, resamples)


def _own_bounds(side: Side, similarities: Floats, slack: Floats, drawn: Resamples) -> Bounds:
    """One side's delta by itself."""
    return delta_bounds(side.delta(similarities, drawn, slack), side.units.design, drawn)


def minus(first: Replicates, second: Replicates) -> Replicates:
    """One effect less another under the same resamples."""
    return Replicates(first.value - second.value, first.influence - second.influence, first.centre - second.centre)


def _percent(share: float) -> str:
    return "none" if not np.isfinite(share) or share <= 0 else f"{100 * min(share, 1):.0f} %"
