"""SimilarityLevels: how alike are activations of one text, of one category, of any two texts, and in which layers?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.depth_curves import layer_curve
from modclaims.families.units import Units
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import LAYER_SITES, Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.bootstrap import Replicates, Resamples, bootstrap_t, resample
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit
from modclaims.stats.levels import LEVELS, compared, level_replicates
from modclaims.stats.quantifiers import AlongDepth, Holds, somewhere
from modclaims.stats.similarity import INNER_PRODUCTS, SIMILARITIES, token_similarity
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
Layers = tuple[int, ...] | str
MIDDLE = "middle"
"""Layers between a quarter and three quarters of the depth."""


class SimilarityLevels(Hypothesis):
    """Activations are alike, or more alike than others, or in some layers more than in others.

    A level is a mean similarity of activations at different positions: of one text (`same_text`), of two texts of one
    category, of two categories, or of any two different texts, every pair weighing the same; pairs lie inside one stratum.
    The effect is a level, or its difference from the level `against`, on the similarity's own scale. It is asked for layer
    by layer, along depth, or, with `named`, as one contrast: the mean over named layers minus that over `rest`. Resampled
    are texts inside category x stratum, and p is read off the bound: that two texts are alike is no question that an
    exchange of labels answers. Untrained twins are shown beside it.
    """

    site: str = "attn_out"
    """attn_out, mlp_out, resid_pre, resid_post or mlp_act."""
    similarity: str = "cosine"
    """One of `modclaims.stats.similarity.SIMILARITIES`."""
    level: str = "other_text"
    """same_text, same_category, different_category or other_text."""
    against: str | None = None
    """The level that is taken off; None for none."""
    category: str | None = None
    """The category of which one text at least is in every pair; None for all pairs."""
    named: Layers | None = None
    """Layers said to have the higher level, negative ones counted from the end, or "middle" for those between a quarter and
    three quarters of the depth; None to ask layer by layer."""
    rest: Layers | None = None
    """Layers that the named ones are held against; None for all others."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    twins: int = controls.TWINS
    """Untrained twins shown beside the claim; 0 for none."""
    effect_name: ClassVar[str] = "similarity"
    largest_effect: ClassVar[float] = 2.0

    def validate(self) -> None:
        super().validate()
        if self.site not in LAYER_SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(LAYER_SITES)}.")
        if self.similarity not in SIMILARITIES:
            raise ClaimError(f"Similarity {self.similarity!r} is unknown; choose one of {', '.join(SIMILARITIES)}.")
        for level in (self.level, self.against):
            if level is not None and level not in LEVELS:
                raise ClaimError(f"Level {level!r} is unknown; choose one of {', '.join(LEVELS)}.")
        if self.against == self.level:
            raise ClaimError(f"level and against are both {self.level!r}; their difference is nothing.")
        if self.named is not None and self.holds != somewhere():
            raise ClaimError("named = ... makes one contrast of layers; leave holds as it is.")
        if self.rest is not None and self.named is None:
            raise ClaimError("rest = ... says what named layers are held against; name them with named = ...")
        if self.twins != 0 and self.twins < controls.TWINS:
            raise ClaimError(
                f"twins = {self.twins}: a twin comparison needs at least {controls.TWINS} seeds, or 0 for none."
            )

    def check(self, corpus: Corpus) -> None:
        design = Units.of(corpus, self.label, self.within).design
        for level in self.levels:
            compared(design, level, self.category)

    @property
    def levels(self) -> tuple[str, ...]:
        """The level, and the one that it is held against."""
        return (self.level,) if self.against is None else (self.level, self.against)

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def _layers(self, which: Layers, shape: ModelShape) -> tuple[int, ...]:
        """Layers of the network, in words or numbers. Raises `ClaimError` where there is none of these words."""
        looked_at = shape.resolve_layers(self._request())
        if which == MIDDLE:
            depth = max(shape.layers - 1, 1)
            return tuple(layer for layer in looked_at if 0.25 <= layer / depth <= 0.75)
        if isinstance(which, str):
            raise ClaimError(f"Layers {which!r} are unknown; write numbers, such as (0, -1), or {MIDDLE!r}.")
        found = shape.resolve_layers(replace(self._request(), layers=which))
        if not set(found) <= set(looked_at):
            raise ClaimError(f"Layers {list(found)} are not among those looked at, {list(looked_at)}.")
        return found

    def parts(self, shape: ModelShape) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Named layers and those that they are held against. Raises `ClaimError` if either are none, or both have one."""
        assert self.named is not None
        named = self._layers(self.named, shape)
        looked_at = shape.resolve_layers(self._request())
        rest = tuple(layer for layer in looked_at if layer not in named)
        if self.rest is not None:
            rest = self._layers(self.rest, shape)
        if not named or not rest or set(named) & set(rest):
            raise ClaimError(
                f"named = {self.named!r} gives layers {list(named)} and rest = {self.rest!r} layers {list(rest)} of model "
                f"{shape.name!r}; each needs one or more, and none may be in both."
            )
        return named, rest

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        layers = shape.resolve_layers(mine)
        if self.named is not None:
            self.parts(shape)
        elif isinstance(self.holds, AlongDepth) and len(layers) < 3:
            raise ClaimError(f"along_depth needs at least 3 layers, and {len(layers)} were asked for.")
        return (mine, *(for_variant(mine, v) for v in controls.twin_variants(self.twins)))

    def weights(self, shape: ModelShape) -> tuple[tuple[Cell, ...], Floats]:
        """Cells, and the (layer, cell) weights that make them of the layers looked at."""
        layers = shape.resolve_layers(self._request())
        if self.named is not None:
            named, rest = self.parts(shape)
            column = [(x in named) / len(named) - (x in rest) / len(rest) for x in layers]
            return (Cell(),), np.array(column)[:, None]
        if isinstance(self.holds, AlongDepth):
            depth = (np.array(layers, dtype=np.float64) - layers[0]) / (layers[-1] - layers[0])
            centred = depth - depth.mean()
            sign = 1.0 if self.holds.direction == "rises" else -1.0
            return (Cell(),), (sign * centred / (centred @ centred))[:, None]
        return tuple(Cell(layer=layer) for layer in layers), np.eye(len(layers))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        positions = len(recording.positions)
        if positions < 2:
            raise ClaimError(
                "Levels of similarity compare different positions, and the run reads one; choose more --positions."
            )
        units = Units.of(recording.corpus, self.label, self.within)
        layers, name = recording.shape.resolve_layers(self._request()), type(self).__name__
        cells, weights = self.weights(recording.shape)
        resamples = resample(
            units.design,
            count=weighing.resamples,
            rng=stream(weighing.seed, name, units.design.digest, "resamples"),
        )
        per_layer = self._similarities(recording, units, None)
        effect = self._effect(per_layer, units, resamples)
        bounds = bootstrap_t(effect.weighted(weights), resamples, ends=self._ends(weights))
        bare = Evidence(cells, self._effect_name(), bounds, None, len(recording.corpus), n_units=units.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha).cell
        curve = bootstrap_t(effect, resamples, ends=self._ends(np.eye(len(layers))))
        few = Resamples(resamples.times[: controls.CONTROL_RESAMPLES + 1], resamples.groups)
        twins = [
            self._effect(self._similarities(recording, units, v), units, few)
            for v in controls.twin_variants(self.twins)
        ]
        by_level = [self._level(units, per_layer, level, few).value[0] for level in LEVELS if self._has(units, level)]
        return replace(
            bare,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=() if cells == (Cell(),) else _flat(effect),
            controls=self._controls(recording, effect, twins, weights, named, few, units, str(cells[named]), weighing),
            exhibits=(
                layer_curve(
                    f"{self._words()[:1].upper()}{self._words()[1:]} by relative depth, {self.site}",
                    self._words(),
                    layers,
                    recording.shape.layers,
                    curve,
                    weighing.alpha,
                    twins=np.array([t.value[0] for t in twins]) if twins else None,
                ),
                *self._all_levels(units, per_layer, layers, recording.shape.layers, few),
            ),
            secondary=self._secondary(units, by_level, weights),
            warnings=units.warnings,
            note=f"similarity {self.similarity}, site {self.site}, {len(recording.positions)} positions a text, different ones compared{units.note}",
            detail=self._detail(effect.value[0], layers, recording.shape),
        )

    def _level(self, units: Units, per_layer: list[Floats], level: str, resamples: Resamples) -> Replicates:
        return level_replicates(per_layer, compared(units.design, level, self.category), units.design, resamples)

    def _has(self, units: Units, level: str) -> bool:
        try:
            compared(units.design, level, self.category)
        except ClaimError:
            return False
        return True

    def _words(self) -> str:
        """What the effect is, layer by layer."""
        words = f"similarity of {LEVELS[self.level]}"
        words = words if self.against is None else f"{words} minus that of {LEVELS[self.against]}"
        return words if self.category is None else f"{words}, one {self.category} at least"

    def _effect_name(self) -> str:
        if isinstance(self.holds, AlongDepth):
            return f"{'rise' if self.holds.direction == 'rises' else 'fall'} of similarity"
        return "similarity" if self.against is None and self.named is None else "similarity difference"

    def _ends(self, weights: Floats) -> tuple[float, float]:
        """Where the scale of a level ends, if it does; a similarity of 1 everywhere is an end, and has no bound."""
        single = self.against is None and self.named is None and len(weights.T) > 1
        return (-1.0, 1.0) if self.similarity in INNER_PRODUCTS and single else (-np.inf, np.inf)

    def _similarities(self, recording: Recording, units: Units, variant: str | None) -> list[Floats]:
        """A (unit, unit) matrix a layer: means over pairs of different positions; on the diagonal, those of one text."""
        request, found = for_variant(self._request(), variant), []
        for layer in recording.shape.resolve_layers(self._request()):
            array = np.asarray(recording.array(request, layer), dtype=np.float64)
            texts, positions = array.shape[:2]
            token = token_similarity(array, self.similarity).reshape(texts, positions, texts, positions)
            apart = token.sum(axis=(1, 3)) - np.einsum("ipjp->ij", token)
            apart /= positions * (positions - 1)
            whole = units.similarity(apart)
            own = units.responses(np.diag(apart)[:, None])[:, 0]
            found.append(np.where(np.eye(len(whole), dtype=bool), own[:, None], whole))
        return found

    def _effect(self, per_layer: list[Floats], units: Units, resamples: Resamples) -> Replicates:
        """The level, or its difference from the one it is held against, at every layer."""
        first, *second = (self._level(units, per_layer, level, resamples) for level in self.levels)
        if not second:
            return first
        other = second[0]
        return Replicates(first.value - other.value, first.influence - other.influence, first.centre - other.centre)

    def _controls(
        self,
        recording: Recording,
        effect: Replicates,
        twins: list[Replicates],
        weights: Floats,
        named: int,
        few: Resamples,
        units: Units,
        where: str,
        weighing: Weighing,
    ) -> tuple[Control, ...]:
        """What untrained twins show at the same place."""
        if not twins:
            return ()
        rows = len(few.times)
        mine = Replicates(effect.value[:rows], effect.influence[:rows], effect.centre)
        rng = stream(weighing.seed, type(self).__name__, units.design.digest, "twin seeds")
        bounds = controls.trained_minus_untrained(
            mine.weighted(weights), [t.weighted(weights) for t in twins], few, rng
        )
        theirs = np.array([(t.value[0] @ weights)[named] for t in twins])
        low, high = float(bounds.lower(weighing.alpha)[named]), float(bounds.upper(weighing.alpha)[named])
        told = (
            "training adds to it" if low > 0 else "training takes from it" if high < 0 else "what training adds is open"
        )
        return (
            Control(
                "untrained_twin",
                f"In {len(twins)} untrained twins the effect in {where} is {theirs.min():.2f} to {theirs.max():.2f}; trained - "
                f"untrained is {float(bounds.effect[named]):.2f} [{low:.2f}, {high:.2f}]: {told}.",
                {"difference": float(bounds.effect[named]), "low": low, "high": high, "twins": theirs.tolist()},
            ),
        )

    def _all_levels(
        self, units: Units, per_layer: list[Floats], layers: tuple[int, ...], count: int, few: Resamples
    ) -> tuple[Exhibit, ...]:
        """The three levels that the study looked at, where the corpus has them all."""
        kinds = ("same_text", "same_category", "different_category")
        if not all(self._has(units, kind) for kind in kinds):
            return ()
        found = {kind: self._level(units, per_layer, kind, few).value[0] for kind in kinds}
        last = ", ".join(f"{values[-1]:.2f}" for values in found.values())
        return (
            Exhibit(
                "levels_by_depth",
                "Same text, same category, different category",
                "Mean similarity by layer between activations at different positions of one text, of two texts of one category, "
                f"and of two categories. At the last layer: {last}.",
                {"depth": np.array(layers) / max(count - 1, 1), "layer": np.array(layers), **found},
                {"similarity": self.similarity},
            ),
        )

    def _secondary(self, units: Units, by_level: list[Floats], weights: Floats) -> dict[str, Floats]:
        kinds = [kind for kind in LEVELS if self._has(units, kind)]
        return {f"similarity, {LEVELS[kind]}": values @ weights for kind, values in zip(kinds, by_level, strict=True)}

    def _detail(self, curve: Floats, layers: tuple[int, ...], shape: ModelShape) -> str:
        words = f"The {self._words()}"
        if self.named is None:
            return f"{words} is {curve[0]:.2f} in layer {layers[0]} and {curve[-1]:.2f} in layer {layers[-1]}."
        named, rest = ([layers.index(x) for x in part] for part in self.parts(shape))
        here, there = (", ".join(str(layers[i]) for i in part) for part in (named, rest))
        return f"{words} is {curve[named].mean():.2f} in layers {here} and {curve[rest].mean():.2f} in layers {there}."


def check_positions(positions: Sequence[int]) -> None:
    """Raises `ClaimError` where a text has no two positions to compare."""
    if len(positions) < 2:
        raise ClaimError(
            "Levels of similarity compare different positions, and the run reads one; choose more --positions."
        )


def _flat(effect: Replicates) -> tuple[int, ...]:
    """Layers in which no text says anything else than another."""
    value = effect.value[0]
    still = np.abs(effect.influence[0]).max(axis=0) <= 1e-12
    return tuple(int(c) for c in np.flatnonzero(still | ~np.isfinite(value)))
