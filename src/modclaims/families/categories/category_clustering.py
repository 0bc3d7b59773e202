"""CategoryClustering: do texts of one category look alike inside the model, layer by layer?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.categories.figures.effect_by_depth import EffectByDepth
from modclaims.families.categories.similarity_maps import SimilarityMaps
from modclaims.families.common import controls, copying
from modclaims.families.common.depth_curves import untrained_curves
from modclaims.families.common.null_histograms import null_histogram
from modclaims.families.common.plan_parts import drawn, heads_at, labelled
from modclaims.families.common.units import Units
from modclaims.figures.head_map import HeadMap
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_pairs
from modclaims.planning.perfect_samples import of_delta, of_sums
from modclaims.planning.plan import CountedLevel, TestPlan, counted_bounds, exchanged
from modclaims.recording import HEAD_SITES, LAYER_SITES, Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.delta_bounds import Part, combined_bounds, delta_bounds, lower_limits_under_any_law
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.chance.actions import Arrangements, count_arrangements, relabellings
from modclaims.stats.chance.permutation import (
    ROUNDED,
    Pairs,
    anosim_null,
    cheaper_by_vectors,
    delta_null,
    gap_null,
    gap_null_from_vectors,
)
from modclaims.stats.effects.pair_effects import cliffs_delta, cohens_d, gap, unweighable
from modclaims.stats.effects.rivals import Beyond, permanova
from modclaims.stats.effects.similarity import SIMILARITIES, Similarity, text_similarity
from modclaims.stats.evidence import Cell, Exhibit, NullTest
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.ties import tolerance as rounding

Floats = NDArray[np.float64]
GIVEN = {"shared_words": "the words", "induction": "what induction heads copy"}
"""Rival explanations that a claim may be beyond, and what is given then."""


class CategoryClustering(Hypothesis):
    """Texts of one category look alike inside the model.

    The effect is Cliff's delta of the similarities of same-category pairs over those of different-category pairs
    (2 AUC - 1, positive when same-category texts are more alike; every category, and every pair of categories, weighing the
    same); the p-value is that of the gap mean within - mean
    between under exchange of labels, studentised and step-down over cells (layers, or layers x heads for head
    sites). With `within`, only pairs inside one stratum are compared. Exchangeable under the null: the labels of
    texts, inside strata. With `beyond = "shared_words"` both are taken after the part that TF-IDF and input
    embeddings explain (Freedman-Lane on pairs); with `beyond = "induction"` after what induction heads copy (see
    `InductionExplanation`).
    """

    site: str = "attn_out"
    """attn_out, mlp_out, resid_pre, resid_post, mlp_act, or by head: head_z, q, k, v, attn_pattern."""
    similarity: str = "cosine"
    """One of `modclaims.stats.effects.similarity.SIMILARITIES`."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    beyond: str | None = None
    """The rival explanation that is taken out first: None, `shared_words` or `induction`."""
    holds: Holds = somewhere()
    smallest_effect: float = 0.2
    twins: int = controls.TWINS
    """Untrained twins shown beside the claim; 0 for none."""
    effect_name: ClassVar[str] = "delta"
    largest_effect: ClassVar[float] = 1.0
    _takes_slopes: ClassVar[bool] = True

    def validate(self) -> None:
        super().validate()
        if self.site not in (*LAYER_SITES, *HEAD_SITES):
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join((*LAYER_SITES, *HEAD_SITES))}.")
        if self.similarity not in SIMILARITIES:
            raise ClaimError(f"Similarity {self.similarity!r} is unknown; choose one of {', '.join(SIMILARITIES)}.")
        if self.beyond not in (None, *GIVEN):
            raise ClaimError(
                f"beyond = {self.beyond!r} is unknown; choose None or {' or '.join(repr(word) for word in GIVEN)}."
            )
        if self.holds.contrasts and self.site in HEAD_SITES:
            raise ClaimError(f"along_depth needs one value a layer, but site {self.site!r} has one a head.")
        controls.check_twins(self.twins)

    def check(self, before: PlanContext) -> None:
        Units.of(before.corpus, self.label, self.within)
        before.cells(self.holds, self._request())

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        rival = copying.requests(shape) if self.beyond == "induction" else ()
        return (mine, controls.EMBED, *rival, *(for_variant(mine, v) for v in controls.twin_variants(self.twins)))

    def plan(self, before: PlanContext) -> TestPlan:
        units = Units.of(before.corpus, self.label, self.within)
        design, streams = units.design, before.streams(type(self).__name__)
        spent = degenerate_pairs(design, before.weighing.resamples, lambda: drawn(design, streams))
        made = replace(labelled(self, units, before), bounds=counted_bounds(before, [spent]))
        contrast = self.holds.contrast(before.shape.resolve_layers(self._request()))
        if contrast is not None:
            made = replace(made, action=f"resampling {units.resampled}")
            return of_sums(made, [(design, contrast)], self.smallest_effect)
        cells = before.cells(self.holds, self._request(), heads_at(before.shape, self.site))
        made = of_delta(replace(made, cells=cells), design, self.smallest_effect, before.weighing.alpha)
        if self.beyond:  # rows of residuals are exchanged, which no swap of names leaves as they are
            test = CountedLevel(before.weighing.permutations + 1, False, "--permutations")
            return replace(made, action=f"{made.action} given {GIVEN[self.beyond]}", test=test)
        total = count_arrangements(design, blind="within_strata")
        return replace(
            made,
            test=exchanged([total], before),
            arrangements=total,
            simulated=None if design.members else (design, "delta"),
        )

    def measure(self, look: Look) -> Measured:
        found = self._compared(look)
        units, cells, by_cell = found.units, found.cells, found.by_cell
        contrast = self.holds.contrast([c.layer or 0 for c in cells])
        if contrast is None:
            named, bounds, test, degenerate = cells, by_cell, found.test, tuple(found.flat.tolist())
        else:  # one cell, the contrast; layers that cannot enter it are named among the warnings

            def slope_of(some: Resamples) -> Bounds:
                return combined_bounds([Part(found.delta(some), units.design, contrast)], some)

            named, bounds, test, degenerate = (Cell(),), in_parts(slope_of, found.resamples), None, ()
        return Measured(
            named,
            "delta" if contrast is None else "rise of delta",
            bounds,
            test,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=degenerate,
            payload=found,
        )

    def _compared(self, look: Look) -> Clustered:
        """Similarities with their delta at every cell, whatever the claim says of cells."""
        units = Units.of(look.corpus, self.label, self.within)
        pairs = Pairs.of(units.design)
        cells, per_cell = self._similarities(look.recording, None)
        similarities = pairs.matrix([units.similarity(s.values) for s in per_cell])
        resamples = drawn(units.design, look)
        arrangements = relabellings(
            units.design,
            budget=look.settings.permutations,
            rng=look.rng("relabellings", design=units.design.digest),
            blind="within_strata",
        )
        slack, compared, taken = rounding(similarities), similarities, None
        if (rival := self._taken_out(look, cells)) is not None:
            whole = controls.Comparison(units, pairs, similarities, 0, "")
            taken = rival.take_out(look, whole, look.settings.permutations)
            compared, flat = taken.adjusted, unweighable(taken.adjusted, pairs, slack)
        else:
            flat = unweighable(similarities, pairs)
        return Clustered(
            units,
            pairs,
            cells,
            tuple(per_cell),
            similarities,
            slack,
            compared,
            taken,
            flat,
            resamples,
            arrangements,
            self._test(per_cell, similarities, units, pairs, arrangements, taken),
            bounds_of_delta(compared, units, pairs, slack, resamples, flat),
        )

    def _test(
        self,
        per_cell: Sequence[Similarity],
        similarities: Floats,
        units: Units,
        pairs: Pairs,
        arrangements: Arrangements,
        taken: Beyond | None,
    ) -> NullTest:
        """The gap under exchange of labels, of what was compared."""
        action = units.action(self.label, self.within)
        if taken is not None and self.beyond is not None:
            return NullTest.of(
                f"t beyond {self.beyond.replace('_', ' ')}",
                taken.null,
                np.zeros(len(per_cell)),
                exact=False,
                action=f"{action} given {GIVEN[self.beyond]}",
                by=self.adjust,
            )
        null, tolerance = _gap_null(per_cell, similarities, units, pairs, arrangements)
        exact = arrangements.exact
        return NullTest.of("gap within - between", null, tolerance, exact=exact, action=action, by=self.adjust)

    def _taken_out(self, look: Look, cells: tuple[Cell, ...]) -> controls.Removable | None:
        """The rival explanation that is taken out first."""
        if self.beyond == "induction":
            return self._induction(look, cells)
        return controls.SharedWords() if self.beyond else None

    def _induction(self, look: Look, cells: tuple[Cell, ...], found: Clustered | None = None) -> copying.Induction:
        """The rival of what induction heads copy; beside the claim with what taking it out left."""
        copied = copying.Copying.of(look.recording)
        if found is None or found.taken is None:
            return copying.Induction(copied, self.site, cells)
        left = copying.Left(found.taken, found.raw, found.by_cell, self.label, self.smallest_effect)
        return copying.Induction(copied, self.site, cells, left)

    def _shown(self, by_cell: Bounds, named: int) -> int:
        """The cell that rivals are held against: the named one, or of a contrast the layer with the largest effect."""
        if self.holds.contrasts:
            return int(np.argmax(np.nan_to_num(by_cell.theta, nan=-np.inf)))
        return named

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Clustered)
        cell = self._shown(found.by_cell, named)
        where = f"at {found.cells[cell]}"
        comparison = controls.Comparison(found.units, found.pairs, found.similarities, cell, where)
        rivals: list[controls.Rival] = [
            controls.SharedWords(found.taken if self.beyond == "shared_words" else None),
            controls.PlainMeasures(),
            controls.UnequalSpread(
                controls.activation_distances(look.recording, self._request(), found.units),
                found.arrangements,
                controls.SCALED,
                asked=not self.beyond,  # F2 knows nothing of what words or copying explain
                label=self.label,
            ),
        ]
        if self.beyond == "induction":
            rivals.insert(0, self._induction(look, found.cells, found))
        if self.twins:
            rivals.append(self._baselines(found, f"delta {where}"))
        return [rival.against(look, comparison) for rival in rivals]

    def _baselines(self, found: Clustered, what: str) -> controls.UntrainedBaselines:
        few = found.few

        def delta(look: Look, variant: str | None) -> Replicates:
            if variant is None:
                return cliffs_delta(found.similarities, found.units.design, found.pairs, few)
            _, per_cell = self._similarities(look.recording, variant)
            theirs = found.pairs.matrix([found.units.similarity(s.values) for s in per_cell])
            return cliffs_delta(theirs, found.units.design, found.pairs, few)

        return controls.UntrainedBaselines(self.twins, delta, few, what, found.units.design.digest)

    def _similarities(self, recording: Recording, variant: str | None) -> tuple[tuple[Cell, ...], list[Similarity]]:
        """Cells, and each cell's (text, text) similarities."""
        request = self._request()
        cells, found = [], []
        for layer in recording.shape.resolve_layers(request):
            array = recording.array(for_variant(request, variant), layer)
            if array.ndim == 4:
                for head in range(array.shape[2]):
                    cells.append(Cell(layer=layer, head=head))
                    found.append(text_similarity(array[:, :, head], self.similarity))
            else:
                cells.append(Cell(layer=layer))
                found.append(text_similarity(array, self.similarity))
        return tuple(cells), found

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Clustered)
        own = self._head_map(found, look.alpha) if self.site in HEAD_SITES else self._curve(look, found, rivals)
        shown = self._shown(found.by_cell, named)
        return (*own, null_histogram(found.test, shown, found.cells))

    def _curve(self, look: Look, found: Clustered, rivals: Sequence[RivalResult]) -> list[Exhibit]:
        """Delta by relative depth, and maps of the similarities behind it."""
        depth, alpha, bounds = max(1, look.shape.layers - 1), look.alpha, found.by_cell
        band = delta_null(found.similarities, found.pairs, found.units.design, controls.fewer(found.arrangements))
        layers = np.array([c.layer or 0 for c in found.cells])
        level = f"{100 * (1 - 2 * alpha):g} %"
        best = int(np.nanargmax(bounds.effect))
        curve = EffectByDepth(
            f"Cliff's delta of {self.label} by relative depth, {self.site}",
            f"Delta at {len(layers)} layers with its own {level} bounds; the grey band is where {level} of "
            f"relabellings fall. Largest at layer {int(layers[best])}: {float(bounds.effect[best]):.2f}.",
            depth=layers / depth,
            layer=layers,
            effect=bounds.effect,
            low=bounds.lower(alpha),
            high=bounds.upper(alpha),
            band_low=bounds.lower(alpha, np.arange(len(layers))),
            null_low=np.quantile(band, alpha, axis=0),
            null_high=np.quantile(band, 1 - alpha, axis=0),
            smallest_effect=self.smallest_effect,
            twin=untrained_curves(rivals),
            effect_name="delta",
        )
        return [curve.exhibit(), *self._maps(look.recording, found.cells, list(found.per_cell), depth)]

    def _head_map(self, found: Clustered, alpha: float) -> list[Exhibit]:
        """Delta of every head."""
        shape = (len({c.layer for c in found.cells}), int(max(c.head or 0 for c in found.cells)) + 1)
        adjusted = found.test.p_adjusted
        return [
            HeadMap(
                f"Cliff's delta of {self.label} by head, {self.site}",
                f"Delta of {shape[0]} layers x {shape[1]} heads; marked where the adjusted p is at most {alpha:g}.",
                effect=found.by_cell.effect.reshape(shape),
                p_adjusted=adjusted.reshape(shape),
                significant=(adjusted <= alpha).reshape(shape),
                effect_name="delta",
                unit="head",
            ).exhibit()
        ]

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Clustered)
        flat = tuple(f"Similarities do not vary at {found.cells[c]}." for c in found.flat if self.holds.contrasts)
        return Words(
            note=f"similarity {self.similarity}, site {self.site}{found.units.note}",
            warnings=found.units.warnings + flat,
            secondary={} if self.holds.contrasts else self._secondary(look, found),
        )

    def _secondary(self, look: Look, found: Clustered) -> dict[str, Floats]:
        """(cell,) numbers that stand beside delta: of all pairs alike, and of the texts' places."""
        design, pairs, similarities = found.units.design, found.pairs, found.similarities
        numbers: dict[str, Floats] = {
            "gap within - between": gap(similarities, design, pairs),
            "Cohen's d over pairs": cohens_d(similarities, design, pairs),
        }
        if (free := lower_limits_under_any_law(found.by_cell.effect, design, look.alpha)) is not None:
            numbers["lower limit of delta under any law"] = free
        if self.beyond == "induction" and found.taken is not None:
            numbers |= {
                "delta, nothing taken out": found.raw.effect,
                "share of the gap beyond induction": found.taken.share_left,
                "variance of pairs that copying explains": found.taken.r2,
            }
        pooled = anosim_null(similarities, pairs, design, controls.fewer(found.arrangements))
        numbers["ANOSIM R (all pairs alike)"] = pooled[0]
        numbers["ANOSIM p (ranks)"] = (pooled >= pooled[0] - ROUNDED).mean(axis=0)
        squared = [s.squared_distance for s in found.per_cell if s.squared_distance is not None]
        if len(squared) == len(found.per_cell):
            unit_squared = [found.units.squared_distance(s) for s in squared]
            analysis = permanova(pairs.matrix(unit_squared), pairs, design)
            numbers |= {"PERMANOVA F": analysis.f, "PERMANOVA omega^2": analysis.omega2}
            numbers["silhouette"] = _silhouettes(unit_squared, found.units)
        return numbers

    def _maps(
        self, recording: Recording, cells: tuple[Cell, ...], per_cell: list[Similarity], depth: int
    ) -> list[Exhibit]:
        """Heat maps of texts x positions, similarity levels by depth, and a map of the texts, layer by layer."""
        request = self._request()
        maps = SimilarityMaps(recording, request, cells, per_cell, self.similarity, self.label, self.within)
        return maps.exhibits(depth)


@dataclass(frozen=True)
class Clustered:
    """What similarities say at every cell, and what they were compared with."""

    units: Units
    pairs: Pairs
    cells: tuple[Cell, ...]
    """Layers, or heads of layers."""
    per_cell: tuple[Similarity, ...]
    """(text, text) similarities of each cell."""
    similarities: Floats
    """(pair, cell) of units, as they are."""
    slack: Floats
    """(cell,) differences of these that are rounding."""
    compared: Floats
    """(pair, cell) with what the claim is beyond taken out."""
    taken: Beyond | None
    """What that left; None where nothing is taken out."""
    flat: NDArray[np.int64]
    """Cells in which similarities do not vary."""
    resamples: Resamples
    arrangements: Arrangements
    test: NullTest
    """That of every cell."""
    by_cell: Bounds
    """Delta at every cell."""

    @property
    def few(self) -> Resamples:
        """The first resamples, which suffice for what stands beside the claim."""
        return Resamples(self.resamples.times[: controls.CONTROL_RESAMPLES + 1], self.resamples.groups)

    @cached_property
    def raw(self) -> Bounds:
        """Delta at every cell with nothing taken out."""
        return bounds_of_delta(self.similarities, self.units, self.pairs, self.slack, self.resamples)

    def delta(self, resamples: Resamples) -> Replicates:
        """Cliff's delta of what is compared under every resample."""
        return cliffs_delta(self.compared, self.units.design, self.pairs, resamples, slack=self.slack)


def _gap_null(
    per_cell: Sequence[Similarity], similarities: Floats, units: Units, pairs: Pairs, arrangements: Arrangements
) -> tuple[Floats, Floats]:
    """The gap under every arrangement, through pairs or through sums over categories, whichever costs less."""
    design, strata = units.design, len(pairs.slices)
    vectors = [s.vectors for s in per_cell if s.vectors is not None]
    if units.groups is None and len(vectors) == len(per_cell):
        dimensions = max(v.shape[1] for v in vectors)
        if len(pairs.members[0]) == design.n and cheaper_by_vectors(design.n, dimensions, design.k, strata):
            return gap_null_from_vectors(vectors, similarities, pairs, design, arrangements)
    return gap_null(similarities, pairs, design, arrangements)


def bounds_of_delta(
    values: Floats,
    units: Units,
    pairs: Pairs,
    slack: Floats,
    resamples: Resamples,
    flat: NDArray[np.int64] | None = None,
) -> Bounds:
    """Bounds of Cliff's delta of (pair, cell) similarities that tie within `slack`; `flat` are cells that do not vary."""
    return in_parts(
        lambda drawn: delta_bounds(
            cliffs_delta(values, units.design, pairs, drawn, slack=slack), units.design, drawn, flat=flat
        ),
        resamples,
    )


def _silhouettes(squared: list[Floats], units: Units) -> Floats:
    """(cell,) mean silhouette of the categories, from distances (scikit-learn)."""
    from sklearn.metrics import silhouette_score

    labels = units.design.labels
    return np.array([float(silhouette_score(np.sqrt(m), labels, metric="precomputed")) for m in squared])
