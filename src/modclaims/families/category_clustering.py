"""CategoryClustering: do texts of one category look alike inside the model, layer by layer?"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families import controls, copying
from modclaims.families.null_histograms import null_histogram
from modclaims.families.similarity_maps import similarity_maps
from modclaims.families.units import Units
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import HEAD_SITES, LAYER_SITES, Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.actions import Arrangements, Design, relabellings
from modclaims.stats.bootstrap import Bounds, Replicates, Resamples, resample
from modclaims.stats.delta_bounds import Part, combined_bounds, delta_bounds, lower_limits_under_any_law
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.pair_effects import cliffs_delta, cohens_d, gap, unweighable
from modclaims.stats.permutation import (
    ROUNDED,
    Pairs,
    anosim_null,
    cheaper_by_vectors,
    delta_null,
    gap_null,
    gap_null_from_vectors,
)
from modclaims.stats.quantifiers import AlongDepth, Holds, slope_weights, somewhere
from modclaims.stats.resample_parts import in_parts
from modclaims.stats.rivals import Beyond, permanova
from modclaims.stats.similarity import SIMILARITIES, Similarity, text_similarity
from modclaims.stats.streams import stream
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
    """One of `modclaims.stats.similarity.SIMILARITIES`."""
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
        if isinstance(self.holds, AlongDepth) and self.site in HEAD_SITES:
            raise ClaimError(f"along_depth needs one value a layer, but site {self.site!r} has one a head.")
        controls.check_twins(self.twins)

    def check(self, corpus: Corpus) -> None:
        Units.of(corpus, self.label, self.within)

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        rival = copying.requests(shape) if self.beyond == "induction" else ()
        return (mine, controls.EMBED, *rival, *(for_variant(mine, v) for v in controls.twin_variants(self.twins)))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        units = Units.of(recording.corpus, self.label, self.within)
        pairs = Pairs.of(units.design)
        name = type(self).__name__
        cells, per_cell = self._similarities(recording, None)
        similarities = pairs.matrix([units.similarity(s.values) for s in per_cell])
        resamples = resample(
            units.design,
            count=weighing.resamples,
            rng=weighing.rng(name, units.design.digest, "resamples"),
        )
        arrangements = relabellings(
            units.design,
            budget=weighing.permutations,
            rng=weighing.rng(name, units.design.digest, "relabellings"),
            blind="within_strata",
        )
        action, slack = units.action(self.label, self.within), rounding(similarities)
        if self.beyond:
            taken = self._beyond(recording, units, pairs, similarities, cells, weighing, weighing.permutations)
            test = NullTest.of(
                f"t beyond {self.beyond.replace('_', ' ')}",
                taken.null,
                np.zeros(len(cells)),
                exact=False,
                action=f"{action} given {GIVEN[self.beyond]}",
                by=self.adjust,
            )
            compared, flat = taken.adjusted, unweighable(taken.adjusted, pairs, slack)
        else:
            null, tolerance = _gap_null(per_cell, similarities, units, pairs, arrangements)
            test = NullTest.of(
                "gap within - between", null, tolerance, exact=arrangements.exact, action=action, by=self.adjust
            )
            compared, flat = similarities, unweighable(similarities, pairs)

        def bounds_of(values: Floats, flat: NDArray[np.int64] | None = None) -> Bounds:
            return in_parts(
                lambda drawn: delta_bounds(
                    cliffs_delta(values, units.design, pairs, drawn, slack=slack), units.design, drawn, flat=flat
                ),
                resamples,
            )

        by_cell = contrast = bounds_of(compared, flat)
        if isinstance(self.holds, AlongDepth):

            def slope_of(drawn: Resamples) -> Bounds:
                delta = cliffs_delta(compared, units.design, pairs, drawn, slack=slack)
                return self._slope(cells, delta, units.design, drawn)

            contrast = in_parts(slope_of, resamples)
        if weighing.bare:
            if isinstance(self.holds, AlongDepth):
                return Evidence((Cell(),), "rise of delta", contrast, None, units.n)
            return _bare(cells, by_cell, test, units)
        words = taken if self.beyond == "shared_words" else None
        if words is None:
            words = controls.beyond_words(recording, units, pairs, similarities, name, weighing, controls.CONTROL_DRAWS)
        named = int(np.argmax(np.nan_to_num(by_cell.theta, nan=-np.inf)))
        if not isinstance(self.holds, AlongDepth):
            named = self.holds.levels(
                _bare(cells, by_cell, test, units), self.smallest_effect, weighing.alpha, weighing.claims
            ).cell
        where = f"at {cells[named]}"

        few = Resamples(resamples.times[: controls.CONTROL_RESAMPLES + 1], resamples.groups)
        rivals: list[Control] = [
            controls.shared_words(words, named, where),
            controls.plain_measures(recording, units, pairs, similarities[:, named], name, weighing, where),
        ]
        beside: tuple[Exhibit, ...] = ()
        rival_warnings: tuple[str, ...] = ()
        apart = controls.activation_distances(recording, self._request(), units)
        asked = not self.beyond  # F2 knows nothing of what words or copying explain
        spread = controls.spread(apart, units, pairs, arrangements, named, where, weighing.alpha, asked=asked)
        rivals.append(spread.control)
        squared = [s.squared_distance for s in per_cell]
        secondary: dict[str, Floats] = {
            "gap within - between": gap(similarities, units.design, pairs),
            "Cohen's d over pairs": cohens_d(similarities, units.design, pairs),
        }
        if (free := lower_limits_under_any_law(by_cell.effect, units.design, weighing.alpha)) is not None:
            secondary["lower limit of delta under any law"] = free
        if self.beyond == "induction":
            copied = copying.Copying.of(recording)
            raw = bounds_of(similarities)
            both = float(raw.effect[named]), float(by_cell.effect[named])
            rivals.insert(0, copying.control(copied, taken, *both, self.site, named, cells))
            secondary |= {
                "delta, nothing taken out": raw.effect,
                "share of the gap beyond induction": taken.share_left,
                "variance of pairs that copying explains": taken.r2,
            }
            if copied.reached(cells[named].layer or 0, self.site) < 0:
                rival_warnings = (
                    f"No head that copies reaches {cells[named]}: nothing was taken out there. Name later layers, holds = at(...).",
                )
            beside = self._beside(copied, taken, raw, by_cell, cells, recording.shape, weighing.alpha)
        band = delta_null(similarities, pairs, units.design, controls.fewer(arrangements))
        pooled = anosim_null(similarities, pairs, units.design, controls.fewer(arrangements))
        secondary["ANOSIM R (all pairs alike)"] = pooled[0]
        secondary["ANOSIM p (ranks)"] = (pooled >= pooled[0] - ROUNDED).mean(axis=0)
        if all(s is not None for s in squared):
            unit_squared = [units.squared_distance(s) for s in squared if s is not None]
            analysis = permanova(pairs.matrix(unit_squared), pairs, units.design)
            secondary |= {"PERMANOVA F": analysis.f, "PERMANOVA omega^2": analysis.omega2}
            secondary["silhouette"] = _silhouettes(unit_squared, units)
        twins = None
        if self.twins:
            bounds, twins = self._twins(recording, units, pairs, similarities, few, name, weighing)
            rivals.append(controls.untrained_twin(bounds, twins[:, named], named, weighing.alpha, f"delta {where}"))

        exhibits = self._exhibits(recording, cells, per_cell, by_cell, band, twins, test, named, weighing.alpha)
        final_cells, final_bounds, degenerate, warnings = (
            cells,
            by_cell,
            tuple(flat.tolist()),
            units.warnings + rival_warnings + spread.warnings(units, self.label, where, weighing.alpha),
        )
        final_test: NullTest | None = test
        if isinstance(self.holds, AlongDepth):  # one cell, the contrast; layers that cannot enter it are named
            final_cells, final_bounds, final_test = (Cell(),), contrast, None
            warnings += tuple(f"Similarities do not vary at {cells[c]}." for c in degenerate)
            degenerate = ()
        return Evidence(
            cells=final_cells,
            effect_name="rise of delta" if isinstance(self.holds, AlongDepth) else "delta",
            bounds=final_bounds,
            test=final_test,
            n_texts=len(recording.corpus),
            unit=units.unit,
            n_units=units.n,
            resampled=units.resampled,
            degenerate=degenerate,
            controls=tuple(rivals),
            exhibits=beside + exhibits,
            secondary={} if isinstance(self.holds, AlongDepth) else secondary,
            location=bool(spread.p_location[named] <= weighing.alpha) if asked else None,
            warnings=warnings,
            note=f"similarity {self.similarity}, site {self.site}{units.note}",
        )

    def _beyond(
        self,
        recording: Recording,
        units: Units,
        pairs: Pairs,
        similarities: Floats,
        cells: tuple[Cell, ...],
        weighing: Weighing,
        draws: int,
    ) -> Beyond:
        """The effect on (pair, cell) similarities with the rival explanation taken out."""
        name = type(self).__name__
        if self.beyond == "induction":
            copied = copying.Copying.of(recording)
            return copying.beyond_copying(copied, self.site, cells, units, pairs, similarities, name, weighing, draws)
        return controls.beyond_words(recording, units, pairs, similarities, name, weighing, draws)

    def _beside(
        self,
        copied: copying.Copying,
        taken: Beyond,
        raw: Bounds,
        left: Bounds,
        cells: tuple[Cell, ...],
        shape: ModelShape,
        alpha: float,
    ) -> tuple[Exhibit, ...]:
        """Effects before and after by layer, with the share that is left, and the induction scores."""
        words = f"heads that count as copying, {copying.COUNTED:g} and more"
        scores = copying.score_map(copied.scores, copied.counted, words)
        if self.site in HEAD_SITES:
            return (scores,)
        layers = np.array([c.layer or 0 for c in cells])
        told = "; ".join(
            f"layer {layer}: {a:.2f} and {b:.2f}"
            for layer, a, b in zip(layers.tolist(), raw.effect, left.effect, strict=True)
        )
        return (
            Exhibit(
                "raw_and_partial",
                f"Cliff's delta of {self.label}, raw and beyond induction, by relative depth, {self.site}",
                f"Above, both deltas with their own {100 * (1 - 2 * alpha):g} % bounds; below, the share of the gap within - between "
                f"that is left. Raw and beyond induction: {told}.",
                {
                    "depth": layers / max(1, shape.layers - 1),
                    "layer": layers,
                    "effect": np.stack([b.effect for b in (raw, left)]),
                    "low": np.stack([b.lower(alpha) for b in (raw, left)]),
                    "high": np.stack([b.upper(alpha) for b in (raw, left)]),
                    "share_left": taken.share_left,
                    "smallest_effect": np.array(self.smallest_effect),
                },
                {"sides": ["raw", "beyond induction"], "effect_name": "delta"},
            ),
            scores,
        )

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

    def _twins(
        self,
        recording: Recording,
        units: Units,
        pairs: Pairs,
        similarities: Floats,
        few: Resamples,
        name: str,
        weighing: Weighing,
    ) -> tuple[Bounds, Floats]:
        """Bounds of trained - untrained delta by cell, and the twins' deltas (seed, cell)."""
        trained = cliffs_delta(similarities, units.design, pairs, few)
        replicates = []
        for variant in controls.twin_variants(self.twins):
            _, per_cell = self._similarities(recording, variant)
            theirs = pairs.matrix([units.similarity(s.values) for s in per_cell])
            replicates.append(cliffs_delta(theirs, units.design, pairs, few))
        rng = stream(weighing.seed, name, units.design.digest, "twin seeds")
        bounds = controls.trained_minus_untrained(trained, replicates, few, rng)
        return bounds, np.stack([r.value[0] for r in replicates])

    def _slope(self, cells: tuple[Cell, ...], effect: Replicates, design: Design, resamples: Resamples) -> Bounds:
        """Bounds of the least-squares rise of delta from the first to the last layer (or fall, if that is claimed)."""
        weights = slope_weights(self.holds, [c.layer or 0 for c in cells])
        return combined_bounds([Part(effect, design, weights)], resamples)

    def _exhibits(
        self,
        recording: Recording,
        cells: tuple[Cell, ...],
        per_cell: list[Similarity],
        bounds: Bounds,
        band: Floats,
        twins: Floats | None,
        test: NullTest,
        named: int,
        alpha: float,
    ) -> tuple[Exhibit, ...]:
        depth = max(1, recording.shape.layers - 1)
        found: list[Exhibit] = []
        layers = np.array([c.layer or 0 for c in cells])
        every = np.arange(len(cells))
        if self.site not in HEAD_SITES:
            arrays: dict[str, NDArray[Any]] = {
                "depth": layers / depth,
                "layer": layers,
                "effect": bounds.effect,
                "low": bounds.lower(alpha),
                "high": bounds.upper(alpha),
                "band_low": bounds.lower(alpha, every),
                "null_low": np.quantile(band, alpha, axis=0),
                "null_high": np.quantile(band, 1 - alpha, axis=0),
                "smallest_effect": np.array(self.smallest_effect),
            }
            if twins is not None:
                arrays["twin"] = twins
            found.append(
                Exhibit(
                    "effect_by_depth",
                    f"Cliff's delta of {self.label} by relative depth, {self.site}",
                    f"Delta at {len(cells)} layers with its own {100 * (1 - 2 * alpha):g} % bounds; the grey band is where {100 * (1 - 2 * alpha):g} % of "
                    f"relabellings fall. Largest at layer {int(layers[int(np.nanargmax(bounds.effect))])}: "
                    f"{float(np.nanmax(bounds.effect)):.2f}.",
                    arrays,
                    {"effect_name": "delta"},
                )
            )
            found += self._maps(recording, cells, per_cell, depth)
        else:
            shape = (len(set(layers.tolist())), int(max(c.head or 0 for c in cells)) + 1)
            found.append(
                Exhibit(
                    "head_map",
                    f"Cliff's delta of {self.label} by head, {self.site}",
                    f"Delta of {shape[0]} layers x {shape[1]} heads; marked where the adjusted p is at most {alpha:g}.",
                    {
                        "effect": bounds.effect.reshape(shape),
                        "p_adjusted": test.p_adjusted.reshape(shape),
                        "significant": (test.p_adjusted <= alpha).reshape(shape),
                    },
                    {"effect_name": "delta", "unit": "head"},
                )
            )
        found.append(null_histogram(test, named, cells))
        return tuple(found)

    def _maps(
        self, recording: Recording, cells: tuple[Cell, ...], per_cell: list[Similarity], depth: int
    ) -> list[Exhibit]:
        """Heat maps of texts x positions, similarity levels by depth, and a map of the texts, layer by layer."""
        return similarity_maps(
            recording, cells, per_cell, depth, self._request(), self.similarity, self.label, self.within
        )


def _gap_null(
    per_cell: list[Similarity], similarities: Floats, units: Units, pairs: Pairs, arrangements: Arrangements
) -> tuple[Floats, Floats]:
    """The gap under every arrangement, through pairs or through sums over categories, whichever costs less."""
    design, strata = units.design, len(pairs.slices)
    vectors = [s.vectors for s in per_cell if s.vectors is not None]
    if units.groups is None and len(vectors) == len(per_cell):
        dimensions = max(v.shape[1] for v in vectors)
        if len(pairs.members[0]) == design.n and cheaper_by_vectors(design.n, dimensions, design.k, strata):
            return gap_null_from_vectors(vectors, similarities, pairs, design, arrangements)
    return gap_null(similarities, pairs, design, arrangements)


def _bare(cells: tuple[Cell, ...], bounds: Bounds, test: NullTest, units: Units) -> Evidence:
    """Just enough evidence to ask which cell a quantifier names."""
    return Evidence(cells, "delta", bounds, test, units.n, n_units=units.n)


def _silhouettes(squared: list[Floats], units: Units) -> Floats:
    """(cell,) mean silhouette of the categories, from distances (scikit-learn)."""
    from sklearn.metrics import silhouette_score

    labels = units.design.labels
    return np.array([float(silhouette_score(np.sqrt(m), labels, metric="precomputed")) for m in squared])
