"""HeadSelectivity: do single heads (neurons, blocks) light up or go dark for a category?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.category_clustering import null_histogram
from modclaims.families.units import Units
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.actions import Arrangements, Design, relabellings
from modclaims.stats.bootstrap import Bounds, Replicates, bootstrap_t, resample
from modclaims.stats.effects import (
    auc,
    excess_kurtosis,
    hedges_g,
    omega_squared,
    omega_squared_bounds,
    omega_squared_replicates,
)
from modclaims.stats.evidence import CategoryRow, Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.permutation import Pairs, degrees_of_freedom, f_null
from modclaims.stats.quantifiers import AcrossSplits, Holds, somewhere
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
UNITS = ("head", "neuron", "mlp_block", "attn_block")
RESPONSES = ("norm", "projection")
HEAVY_TAIL = 3.0
SHOWN = 6
CONTROL_CELLS = 512


class HeadSelectivity(Hypothesis):
    """Single heads answer a category more, or less, than the others.

    A text's response is the length of the unit's output, averaged over positions (`response = "norm"`), or its
    signed projection on the unit's first singular direction over all texts and positions. The effect is omega^2 of
    the response over categories, given strata; the p-value is that of F under exchange of labels, studentised and
    step-down over all cells (layers x units). Exchangeable under the null: the responses of texts, inside strata.
    Bounds: the wider of noncentral-F inversion (Gaussian residuals of equal spread) and bootstrap-t.
    """

    unit: str = "head"
    """head, neuron, mlp_block or attn_block."""
    site: str = "head_z"
    """For heads, head_z or head_write: what the head reads out, or what it writes to the stream."""
    response: str = "norm"
    """norm, or projection on the first singular direction (for neurons: the mean activation, always)."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    twins: int = controls.TWINS
    """Untrained twins shown beside the claim; 0 for none."""
    effect_name: ClassVar[str] = "omega^2"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.unit not in UNITS:
            raise ClaimError(f"Unit {self.unit!r} is unknown; choose one of {', '.join(UNITS)}.")
        if self.site not in ("head_z", "head_write"):
            raise ClaimError(f"Site {self.site!r} is unknown for heads; choose head_z or head_write.")
        if self.response not in RESPONSES:
            raise ClaimError(f"Response {self.response!r} is unknown; choose one of {', '.join(RESPONSES)}.")
        if self.twins != 0 and self.twins < 5:
            raise ClaimError(f"twins = {self.twins}: a twin comparison needs at least 5 seeds, or 0 for none.")

    def check(self, corpus: Corpus) -> None:
        Units.of(corpus, self.label, self.within)

    def _request(self, unit: str | None = None) -> Activations:
        unit = unit or self.unit
        if unit == "neuron":
            return Activations("mlp_act", self.layers, "mean")
        site = {"head": self.site, "mlp_block": "mlp_out", "attn_block": "attn_out"}[unit]
        return Activations(site, self.layers, "norm" if self.response == "norm" else "none")

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        return (mine, controls.EMBED, *(for_variant(mine, v) for v in controls.twin_variants(self.twins)))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        units = Units.of(recording.corpus, self.label, self.within)
        design, name = units.design, type(self).__name__
        cells, values = responses(recording, self._request(), self.unit)
        y = units.responses(values)
        arrangements = relabellings(
            design,
            budget=weighing.permutations,
            rng=stream(weighing.seed, name, design.digest, "relabellings"),
            blind="jointly",
        )
        resamples = resample(
            design, count=weighing.resamples, rng=stream(weighing.seed, name, design.digest, "resamples")
        )
        action = units.action(self.label, self.within)
        null, tolerance = f_null(y, design, arrangements)
        test = NullTest.of(f"F of {self.label}", null, tolerance, exact=arrangements.exact, action=action)
        bounds = omega_squared_bounds(y, design, resamples)
        bare = Evidence(cells, "omega^2", bounds, test, units.n, n_units=units.n)
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha).cell
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
        spread = controls.spread(squared, units, pairs, arrangements, here, where, weighing.alpha)
        rivals = [controls.shared_words(taken, here, where), spread.control]
        if self.twins:
            rivals.append(
                self._twin(recording, units, arrangements, float(bounds.effect[named]), where, weighing.alpha)
            )
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
            degenerate=tuple(
                int(c) for c in np.flatnonzero(~np.isfinite(null).all(axis=0) | (np.ptp(null, axis=0) == 0))
            ),
            controls=tuple(rivals),
            exhibits=self._exhibits(recording, units, cells, y, bounds, test, named, best, preferences, weighing.alpha),
            secondary={f"F of {self.label}": test.observed, "excess kurtosis": kurtosis},
            categories=preferences,
            location=bool(spread.p_location[here] <= weighing.alpha),
            warnings=tuple(warnings),
            note=f"response {self.response}, unit {self.unit}",
            detail=_preferred(preferences, named),
        )

    def _twin(
        self, recording: Recording, units: Units, arrangements: Arrangements, effect: float, where: str, alpha: float
    ) -> Control:
        """The strongest unit of each untrained twin, beside the claim's: searched in the same way, over as many cells."""
        design, best, p = units.design, [], []
        df1, _ = degrees_of_freedom(design)
        for variant in controls.twin_variants(self.twins):
            _, values = responses(recording, replace(self._request(), variant=variant), self.unit)
            null, tolerance = f_null(units.responses(values), design, controls.fewer(arrangements))
            test = NullTest.of("F", null, tolerance, exact=False, action="")
            best.append(float(omega_squared(test.observed, df1, design.n).max()))
            p.append(float(test.p_adjusted.min()))
        count, level = sum(value <= alpha for value in p), f"{alpha:g}".removeprefix("0")
        return Control(
            "untrained_twin",
            f"The strongest {self.unit} of the untrained twins ({self.twins} seeds) reaches omega^2 {min(best):.2f} to {max(best):.2f} "
            f"(adjusted p at most {level} in {count} of {self.twins}), against {effect:.2f} {where}: "
            + (
                "a network that learned nothing shows as much."
                if max(best) >= effect
                else "no untrained network reaches that."
            ),
            {"omega2": best, "p_adjusted": p},
        )

    def _exhibits(
        self,
        recording: Recording,
        units: Units,
        cells: tuple[Cell, ...],
        y: Floats,
        bounds: Bounds,
        test: NullTest,
        named: int,
        best: NDArray[np.int64],
        preferences: Sequence[CategoryRow],
        alpha: float,
    ) -> tuple[Exhibit, ...]:
        found = []
        effect = bounds.effect
        marked = test.p_adjusted <= alpha
        if self.unit != "neuron":
            layers = len({c.layer for c in cells})
            shape = (layers, len(cells) // layers)
            found.append(
                Exhibit(
                    "head_map",
                    f"omega^2 of {self.label} by {self.unit.replace('_', ' ')}",
                    f"{shape[0]} layers x {shape[1]} units; {int(marked.sum())} of {len(cells)} are marked: adjusted p at most {alpha:g}. "
                    f"The largest omega^2 is {float(effect.max()):.2f} at {cells[int(effect.argmax())]}.",
                    {
                        "effect": effect.reshape(shape),
                        "p_adjusted": test.p_adjusted.reshape(shape),
                        "significant": marked.reshape(shape),
                    },
                    {"effect_name": "omega^2", "unit": self.unit},
                )
            )
        categories = units.categories()
        order = sorted(range(len(categories)), key=lambda i: categories[i])
        ids = [t.id for t in recording.corpus.texts] if units.groups is None else [f"block {b}" for b in range(units.n)]
        found.append(
            Exhibit(
                "strip",
                f"Responses of the {len(best)} strongest units, one point a {units.unit}",
                f"{self.response.capitalize()} of each {units.unit}'s response by {self.label}; most and least against the rest: "
                + "; ".join(f"{cells[c]}{_extremes(preferences, int(c))}" for c in best)
                + ".",
                {"responses": y[order][:, best].T},
                {
                    "panels": [str(cells[c]) for c in best],
                    "categories": [categories[i] for i in order],
                    "ids": [ids[i] for i in order],
                    "response": self.response,
                },
            )
        )
        found.append(
            Exhibit(
                "volcano",
                "Effect against adjusted p, one point a cell",
                f"{len(cells)} cells; {int(marked.sum())} lie beyond adjusted p = {alpha:g}.",
                {"effect": effect, "p_adjusted": test.p_adjusted, "alpha": np.array(alpha)},
                {"cells": [str(c) for c in cells], "effect_name": "omega^2"},
            )
        )
        found.append(null_histogram(test, named, cells))
        return tuple(found)


class HeadsAgainstBlocks(HeadSelectivity):
    """The best single head distinguishes the categories better than the attention block it sits in.

    A contrast of effects: omega^2 of the best head minus omega^2 of its whole block. The head is picked on one
    half of the texts and both are measured on the other, in 20 seeded splits (by category and stratum); both sides
    of a split's contrast are resampled together, and p = 2 x the median over splits (Meinshausen, Meier &
    Buehlmann 2009). The block's response is the length of the attention output.
    """

    smallest_effect: float = 0.1
    splits: int = 20
    holds: Holds = AcrossSplits()
    twins: int = 0
    effect_name: ClassVar[str] = "difference of omega^2"

    def validate(self) -> None:
        super().validate()
        if self.unit != "head":
            raise ClaimError(f"HeadsAgainstBlocks compares heads with blocks; unit = {self.unit!r} has no place in it.")
        if not isinstance(self.holds, AcrossSplits):
            raise ClaimError("HeadsAgainstBlocks is weighed across splits; leave holds as it is.")
        if self.splits < 5:
            raise ClaimError(f"splits = {self.splits}: one split is a lottery, at least 5 are needed.")

    def check(self, corpus: Corpus) -> None:
        units = Units.of(corpus, self.label, self.within)
        design = units.design
        small = [design.names[k] for k in range(design.k) if any(0 < c < 4 for c in design.counts[k])]
        if small:
            raise ClaimError(
                f"Splitting in halves needs 4 {units.unit}s of each {self.label} in every stratum; "
                f"{', '.join(small)} has fewer. Add texts, or leave within= out."
            )

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        heads = self._request("head")
        shape.resolve_layers(heads)
        return (heads, self._request("attn_block"))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        units = Units.of(recording.corpus, self.label, self.within)
        design, name = units.design, type(self).__name__
        cells, head_values = responses(recording, self._request("head"), "head")
        block_cells, block_values = responses(recording, self._request("attn_block"), "attn_block")
        heads, blocks = units.responses(head_values), units.responses(block_values)
        block_of = {c.layer: i for i, c in enumerate(block_cells)}
        df1, _ = degrees_of_freedom(design)
        picked: list[int] = []
        parts: list[Bounds] = []
        for split in range(self.splits):
            rng = stream(weighing.seed, name, design.digest, "split", str(split))
            first, second = _halves(design, rng)
            where = int(np.argmax(omega_squared(_f(heads[first], _part(design, first)), df1, len(first))))
            half = _part(design, second)
            resamples = resample(
                half, count=weighing.resamples, rng=stream(weighing.seed, name, design.digest, "resamples", str(split))
            )
            both = np.stack([heads[second, where], blocks[second, block_of[cells[where].layer]]], axis=1)
            contrast = _on_omega_scale(omega_squared_replicates(both, half, resamples)).weighted(
                np.array([[1.0], [-1.0]])
            )
            parts.append(bootstrap_t(contrast, resamples, ends=(-2.0, 2.0)))
            picked.append(where)
        bounds = Bounds(
            np.concatenate([p.theta for p in parts]),
            np.concatenate([p.se for p in parts]),
            np.concatenate([p.t for p in parts], axis=1),
            ends=(-2.0, 2.0),
        )
        names = [str(cells[c]) for c in picked]
        return Evidence(
            cells=tuple(cells[c] for c in picked),
            effect_name="difference of omega^2",
            bounds=bounds,
            test=None,
            n_texts=len(recording.corpus),
            unit=units.unit,
            n_units=units.n,
            exhibits=(
                Exhibit(
                    "splits",
                    "Best head minus its block, split by split",
                    f"{self.splits} splits: the head picked on one half, the difference of omega^2 on the other with its own bounds. "
                    f"{len(set(picked))} different heads were picked.",
                    {
                        "effect": bounds.effect,
                        "low": bounds.lower(weighing.alpha),
                        "high": bounds.upper(weighing.alpha),
                        "smallest_effect": np.array(self.smallest_effect),
                    },
                    {"picks": names, "effect_name": "difference of omega^2"},
                ),
            ),
            warnings=units.warnings,
            note=f"response {self.response}; the effect is the median over splits",
        )


def responses(recording: Recording, request: Activations, unit: str) -> tuple[tuple[Cell, ...], Floats]:
    """Cells of a request and (text, cell) responses."""
    cells: list[Cell] = []
    columns: list[Floats] = []
    for layer in recording.shape.resolve_layers(request):
        array = np.asarray(recording.array(request, layer), dtype=np.float64)
        if request.reduce == "norm":
            column = array.mean(axis=1)
        elif request.reduce == "mean":
            column = array
        else:
            column = projections(array)
        column = column.reshape(len(column), -1)
        places = range(column.shape[1])
        if unit == "head":
            cells += [Cell(layer=layer, head=place) for place in places]
        elif unit == "neuron":
            cells += [Cell(layer=layer, axis=place) for place in places]
        else:
            cells.append(Cell(layer=layer))
        columns.append(column)
    return tuple(cells), np.concatenate(columns, axis=1)


def projections(array: Floats) -> Floats:
    """(text, head) mean projection of activations on each head's first singular direction, over all texts and positions.

    `array` is (text, position, [head,] unit). The direction knows no labels, so exchange of labels keeps it; its
    sign makes the largest loading positive.
    """
    wide = array if array.ndim == 4 else array[:, :, None, :]
    out = np.empty((wide.shape[0], wide.shape[2]))
    for head in range(wide.shape[2]):
        rows = wide[:, :, head].reshape(-1, wide.shape[3])
        _, vectors = np.linalg.eigh(rows.T @ rows)
        direction = vectors[:, -1]
        direction = direction * (np.sign(direction[np.abs(direction).argmax()]) or 1.0)
        out[:, head] = (wide[:, :, head] @ direction).mean(axis=1)
    return out


def _preferences(y: Floats, design: Design, listed: Sequence[int]) -> tuple[CategoryRow, ...]:
    """Hedges' g and AUC of each category against the rest at the listed cells."""
    rows = []
    for c in listed:
        if np.ptp(y[:, c]) == 0:
            continue
        for k, category in enumerate(design.names):
            inside, outside = y[design.labels == k, c], y[design.labels != k, c]
            rows.append(CategoryRow(int(c), category, hedges_g(inside, outside), auc(inside, outside)))
    return tuple(rows)


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


def _halves(design: Design, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two halves of the units, split inside each category x stratum; odd ones go to either side by chance."""
    first: list[int] = []
    for g in np.unique(design.cells):
        where = rng.permutation(np.flatnonzero(design.cells == g))
        take = len(where) // 2 + (len(where) % 2 and int(rng.integers(2)))
        first.extend(where[:take].tolist())
    mask = np.zeros(design.n, dtype=bool)
    mask[first] = True
    return np.flatnonzero(mask), np.flatnonzero(~mask)


def _part(design: Design, where: NDArray[np.int64]) -> Design:
    return Design(design.labels[where], design.strata[where], design.names)


def _f(y: Floats, design: Design) -> Floats:
    observed = Arrangements(design.labels[None].astype(np.int16), True, 1)
    return np.asarray(f_null(y, design, observed)[0][0])


def _on_omega_scale(replicates: Replicates) -> Replicates:
    """From log(1 + f^2) to omega^2 = 1 - exp(-log(1 + f^2)), influences by the chain rule."""
    slope = np.exp(-replicates.value)
    return Replicates(1 - slope, replicates.influence * slope[:, None, :], 1 - np.exp(-replicates.centre))
