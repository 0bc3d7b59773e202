"""CategoryClustering: do texts of one category look alike inside the model, layer by layer?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.categories.clustered import Aside, Clustered, bounds_of_delta, gap_null_of, spread_of
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
from modclaims.stats.bounds.delta_bounds import Part, combined_bounds, lower_limits_under_any_law
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.resamples import Resamples, resample
from modclaims.stats.chance.actions import Arrangements, count_arrangements, relabellings
from modclaims.stats.chance.permutation import (
    ROUNDED,
    Pairs,
    anosim_null,
    delta_null,
)
from modclaims.stats.effects.pair_effects import cliffs_delta, cohens_d, gap, unweighable
from modclaims.stats.effects.rivals import Beyond
from modclaims.stats.effects.similarity import SIMILARITIES, Similarity, text_similarity
from modclaims.stats.evidence import Cell, Exhibit, NullTest
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.ties import tolerance as rounding

Floats = NDArray[np.float64]
GIVEN = {"shared_words": "the words", "induction": "what induction heads copy"}
"""Rival explanations that a claim may be beyond, and what is given then."""


class CategoryClustering(Hypothesis):
    """Texts of one category look alike inside the model.

    The similarity of two texts is the mean over positions of one similarity of their activations. The
    effect is Cliff's delta of these similarities, same-category pairs over different-category pairs:
    delta = 2 P(same > different) - 1, between -1 and 1, positive when same-category texts are more
    alike. Every category, and every pair of categories, weighs the same. Cells are layers, or layers x
    heads at sites that have heads.

    p is that of the gap, mean within - mean between, under exchange of labels, step-down over cells.
    Exchangeable under the null: the labels of texts, inside strata; with `within`, only pairs of one
    stratum are compared. Bounds are those of the bootstrap-t over texts, joined near the end of
    the scale by a law of independent comparisons, so that no sample tells more than a perfect one; the
    lower limit holds for all cells that were searched.

    The number is wrong where texts are not independent (one author, near-duplicates: give them one
    `block`), and means something else where categories differ in spread rather than place, or share
    words: both are weighed with every claim, and `beyond` takes the words out first.

    Attributes
    ----------
    site : str, default 'attn_out'
        Where to look. One of 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre', 'resid_post', or by head
        'head_z', 'head_write', 'q', 'k', 'v', 'attn_pattern'.
    similarity : str, default 'cosine'
        Similarity of two activations. One of 'cosine', 'centred_cosine' (less the texts' mean),
        'scaled_cosine' (dot product over the longest vector's squared length), 'centred_scaled_cosine',
        'magnitude_aware' (1 - distance over twice the longest vector), 'euclidean' (minus the
        distance) and 'correlation' (over coordinates).
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    beyond : str | None, default None
        The rival explanation that is taken out first: None, or one of 'shared_words' (what TF-IDF and
        input embeddings explain) and 'induction' (what induction heads copy).
    holds : Holds, default somewhere()
        In which cells: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1); or, at
        sites without heads, along_depth("rises") or along_depth("falls"): delta's slope over relative
        depth, a contrast whose p is read off its bound.
    smallest_effect : float, default 0.2
        Cliff's delta, from 0 to below 1; along depth, its change from the first layer to the last.
    untrained : int, default 5
        Untrained networks (fresh weights, seeds 0, 1, ...) that the effect is compared with: 0 for
        none, or at least 5.

    Notes
    -----
    With `beyond`, rows and columns of what cubic splines of the proxies leave are exchanged (Freedman
    and Lane's test, on pairs). A proxy removes only its own share: what is left is beyond these
    proxies, not beyond words. ANOSIM's R, PERMANOVA and the silhouette are reported and decide nothing.

    References
    ----------
    Cliff (1993), Dominance statistics: ordinal analyses to answer ordinal questions. Clarke (1993),
    Non-parametric multivariate analyses of changes in community structure. Freedman & Lane (1983), A
    nonstochastic interpretation of reported significance levels.

    Examples
    --------
    >>> from modclaims import CategoryClustering
    >>> from modclaims.calibration.examples import planted
    >>> class TopicsCluster(CategoryClustering):
    ...     "Attention outputs of same-topic texts point the same way in at least one layer."
    ...
    ...     site = "attn_out"
    >>> print(planted(TopicsCluster, 3))  # three times the smallest effect was planted
    SUPPORTED  delta 0.69 [0.56, 0.77] at layer 0
    >>> print(planted(TopicsCluster, 0))
    REFUTED  delta 0.01 [-0.11, 0.10] at layer 3
    """

    site: str = "attn_out"
    similarity: str = "cosine"
    layers: tuple[int, ...] | None = None
    beyond: str | None = None
    holds: Holds = somewhere()
    smallest_effect: float = 0.2
    untrained: int = controls.UNTRAINED
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
            raise ClaimError(f"along_depth needs one value per layer, but site {self.site!r} has one per head.")
        controls.check_untrained(self.untrained)

    def check(self, before: PlanContext) -> None:
        Units.of(before.corpus, self.label, self.within)
        before.cells(self.holds, self._request())

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        rival = copying.requests(shape) if self.beyond == "induction" else ()
        return (
            mine,
            controls.EMBED,
            *rival,
            *(for_variant(mine, v) for v in controls.untrained_variants(self.untrained)),
        )

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
        cells, per_cell, similarities, spread = self._whole(look, units, pairs)
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
            spread,
        )

    def _aside(self, look: Look, found: Clustered) -> Aside:
        """What rivals and figures are shown on."""
        draws, few = controls.CONTROL_DRAWS, found.few
        if (thinned := controls.aside(look, found.units, self.label, self.within)) is None:
            return Aside(look, found.units, found.pairs, found.per_cell, found.similarities, found.arrangements, few)
        some, units, note = thinned
        pairs, per_cell = Pairs.of(units.design), self._similarities(some.recording, None)[1]
        rng = look.lasting_rng("relabellings aside", design=units.design.digest)
        return Aside(
            some,
            units,
            pairs,
            tuple(per_cell),
            pairs.matrix([units.similarity(s.values) for s in per_cell]),
            relabellings(units.design, budget=draws, rng=rng, blind="within_strata"),
            resample(units.design, count=few.count, rng=look.lasting_rng("resamples aside")),
            note,
        )

    def _whole(
        self, look: Look, units: Units, pairs: Pairs
    ) -> tuple[tuple[Cell, ...], Sequence[Similarity], Floats, dict[str, Floats]]:
        """Cells with their similarities, (pair, cell) those that are compared, and secondary numbers of how units spread.

        Of very many units only what is compared is kept, one cell after another.
        """
        if units.n <= controls.MOST_ASIDE:
            cells, per_cell = self._similarities(look.recording, None)
            similarities = pairs.matrix([units.similarity(s.values) for s in per_cell])
            return cells, per_cell, similarities, {} if look.settings.bare else spread_of(per_cell, units, pairs)
        layers = look.shape.resolve_layers(self._request())
        compared = np.empty((len(pairs), len(layers) * heads_at(look.shape, self.site)))
        found, numbers = list[Cell](), []
        for cell, similarity in self._cell_by_cell(look.recording, None):
            compared[:, len(found)] = pairs.vector(units.similarity(similarity.values))
            found.append(cell)
            numbers.append({} if look.settings.bare else spread_of([similarity], units, pairs))
        together = {name: np.concatenate([one[name] for one in numbers]) for name in numbers[0]}
        return tuple(found), (), compared, together

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
                np.zeros(similarities.shape[1]),
                exact=False,
                action=f"{action} given {GIVEN[self.beyond]}",
                by=self.adjust,
            )
        null, tolerance = gap_null_of(per_cell, similarities, units, pairs, arrangements)
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
        aside, cell = found.aside(lambda: self._aside(look, found)), self._shown(found.by_cell, named)
        where = f"at {found.cells[cell]}{aside.note}"
        comparison = controls.Comparison(aside.units, aside.pairs, aside.similarities, cell, where)
        rivals: list[controls.Rival] = [
            controls.SharedWords(found.taken, f"at {found.cells[cell]}")
            if self.beyond == "shared_words"
            else controls.SharedWords(),
            controls.PlainMeasures(),
            controls.UnequalSpread(
                controls.activation_distances(aside.look.recording, self._request(), aside.units),
                aside.arrangements,
                controls.SCALED,
                asked=not self.beyond,  # F2 knows nothing of what words or copying explain
                label=self.label,
            ),
        ]
        if self.beyond == "induction":
            rivals.insert(0, self._induction(look, found.cells, found))
        if self.untrained:
            rivals.append(self._baselines(aside, f"delta {where}"))
        return [rival.against(aside.look, comparison) for rival in rivals]

    def _baselines(self, aside: Aside, what: str) -> controls.UntrainedBaselines:
        design = aside.units.design

        def delta(look: Look, variant: str | None) -> Replicates:
            if variant is None:
                return cliffs_delta(aside.similarities, design, aside.pairs, aside.few)
            _, per_cell = self._similarities(look.recording, variant)
            theirs = aside.pairs.matrix([aside.units.similarity(s.values) for s in per_cell])
            return cliffs_delta(theirs, design, aside.pairs, aside.few)

        return controls.UntrainedBaselines(self.untrained, delta, aside.few, what, design.digest)

    def _similarities(self, recording: Recording, variant: str | None) -> tuple[tuple[Cell, ...], list[Similarity]]:
        """Cells, and each cell's (text, text) similarities."""
        cells, found = zip(*self._cell_by_cell(recording, variant), strict=True)
        return cells, list(found)

    def _cell_by_cell(self, recording: Recording, variant: str | None) -> Iterator[tuple[Cell, Similarity]]:
        """Each cell with its (text, text) similarities, one after another."""
        request = self._request()
        for layer in recording.shape.resolve_layers(request):
            array = recording.array(for_variant(request, variant), layer)
            if array.ndim == 4:
                for head in range(array.shape[2]):
                    yield Cell(layer=layer, head=head), text_similarity(array[:, :, head], self.similarity)
            else:
                yield Cell(layer=layer), text_similarity(array, self.similarity)

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
        aside = found.aside(lambda: self._aside(look, found))
        return [curve.exhibit(), *self._maps(aside.look.recording, found.cells, list(aside.per_cell), depth)]

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
        numbers |= found.spread
        return numbers

    def _maps(
        self, recording: Recording, cells: tuple[Cell, ...], per_cell: list[Similarity], depth: int
    ) -> list[Exhibit]:
        """Heat maps of texts x positions, similarity levels by depth, and a map of the texts, layer by layer."""
        request = self._request()
        maps = SimilarityMaps(recording, request, cells, per_cell, self.similarity, self.label, self.within)
        return maps.exhibits(depth)
