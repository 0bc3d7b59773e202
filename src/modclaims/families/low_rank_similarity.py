"""LowRankSimilarity: do similarity matrices look diagonal plus low rank?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.halves import Halves, check_splits
from modclaims.families.null_histograms import null_histogram
from modclaims.families.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Weighing
from modclaims.recording import LAYER_SITES, Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.actions import Design, relabellings
from modclaims.stats.bootstrap import Bounds, bootstrap_t
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.parallel_analysis import (
    LowRank,
    centred_directions,
    coordinate_orders,
    permuted,
    rank,
    ratio_of_sums,
    shares,
)
from modclaims.stats.permutation import between_ss_null, degrees_of_freedom, stratum_centred
from modclaims.stats.quantifiers import AlongDepth, Holds, somewhere
from modclaims.stats.resample_parts import in_parts
from modclaims.stats.rotations import draws
from modclaims.stats.splits import MedianBounds
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
LEVEL = 0.05
"""A component counts where it exceeds this upper point of the permuted ones of its place."""
IN_HALF = 19
"""Draws that find the rank in a half: their largest is the upper 5 % point."""
SHOWN = 24
"""Components on show."""
ENDS = (-1.0, 1.0)


class LowRankSimilarity(Hypothesis):
    """The similarity matrix of texts is diagonal plus low rank: a few components hold much of it.

    Similarity is the cosine of centred activations (inside strata), averaged over positions; its components are the
    eigenvectors of the (text, text) matrix. Chance permutes every coordinate across texts by itself, inside strata, a
    text's positions moving together, which keeps each coordinate's values and breaks what coordinates have to do with
    each other. Exchangeable under the null, where coordinates are independent of each other: the texts of each coordinate
    by itself. (Moving whole rows would leave the spectrum as it is.)

    p: the largest component's share of variance, against permuted coordinates, studentised and step-down over layers.

    Effect (excess share): the share of new texts' variance that lies along the components found by parallel analysis (those
    above the upper 5 % point of permuted coordinates, the first in any case), beyond what the same texts with permuted
    coordinates have there on average, which is known exactly. In 20 seeded splits components are found on one half of the
    texts and measured on the other, whose texts are resampled: a text and its copy would be a component of their own. Levels
    are merged over splits. The rank itself, and how far the components' span agrees with that of the categories
    (principal angles), stand beside it and decide nothing.
    """

    site: str = "resid_post"
    """attn_out, mlp_out, mlp_act, resid_pre or resid_post."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    draws: int = 399
    """Permutations of the coordinates."""
    splits: int = 20
    """Splits in halves."""
    holds: Holds = somewhere()
    smallest_effect: float = 0.2
    twins: int = controls.TWINS
    """Untrained twins shown beside the claim; 0 for none."""
    effect_name: ClassVar[str] = "excess share"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.site not in LAYER_SITES:
            raise ClaimError(f"Site {self.site!r} is unknown here; choose one of {', '.join(LAYER_SITES)}.")
        if self.draws < 99:
            raise ClaimError(f"draws = {self.draws}: at least 99 permutations of the coordinates are needed.")
        controls.check_twins(self.twins)
        if isinstance(self.holds, AlongDepth):
            raise ClaimError("LowRankSimilarity speaks of single layers; along_depth is not among its quantifiers.")
        check_splits(self.splits)

    def check(self, corpus: Corpus) -> None:
        Units.of(corpus, self.label, self.within).check_halves(self.label)

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        return (mine, *(for_variant(mine, v) for v in controls.twin_variants(self.twins)))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        units = Units.of(recording.corpus, self.label, self.within)
        design, name = units.design, type(self).__name__
        cells = tuple(Cell(layer=layer) for layer in recording.shape.resolve_layers(self._request()))
        tokens = [self._tokens(recording, units, cell) for cell in cells]
        found = [centred_directions(t, design) for t in tokens]
        observed = np.stack([shares(x) for x in found])  # (layer, component)
        null = self._permuted(
            found, design, weighing.drawn(self.draws), weighing.rng(name, design.digest, "coordinates")
        )
        largest = np.concatenate([observed[None, :, 0], null[:, :, 0]])
        test = NullTest.of(
            "largest component's share of variance",
            largest,
            1e-9 * np.ones(len(cells)),
            exact=False,
            action="permuting every coordinate across texts" + (f" within {self.within}" if self.within else ""),
            by=self.adjust,
        )
        measured = [
            self._measured(tokens, half, name, weighing.seed)
            for half in Halves.all(name, design, self.splits, weighing)
        ]
        bounds = MedianBounds.of([m.bounds for m in measured])
        bare = Evidence(cells, self.effect_name, bounds, test, len(recording.corpus), n_units=units.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha, weighing.claims).cell
        ranks = np.array([rank(own, chance, LEVEL) for own, chance in zip(observed, null.swapaxes(0, 1), strict=True)])
        in_halves = np.median([m.ranks for m in measured], axis=0)
        above = np.array([own[:r].sum() for own, r in zip(observed, ranks, strict=True)])
        beyond = above - np.array(
            [chance[:, :r].mean(axis=0).sum() for chance, r in zip(null.swapaxes(0, 1), ranks, strict=True)]
        )
        rivals = [self._agreement(found[named], units, int(ranks[named]), str(cells[named]), weighing)]
        if self.twins:
            rivals.append(self._twin(recording, units, cells, named, float(bounds.effect[named]), weighing))
        return replace(
            bare,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=tuple(int(c) for c in np.flatnonzero(observed.max(axis=1) == 0)),
            controls=tuple(rivals),
            exhibits=(
                _scree(observed, null, ranks, bounds.effect, cells, self.site, len(null)),
                null_histogram(test, named, cells),
            ),
            secondary={
                "components above permuted coordinates": ranks.astype(np.float64),
                "the same in half of the texts, median": in_halves,
                "their share of variance": above,
                "beyond that of permuted coordinates": beyond,
                "largest component's share": observed[:, 0],
                "the same, mean over permutations": null[:, :, 0].mean(axis=0),
            },
            warnings=units.warnings,
            note=f"site {self.site}, centred cosine; bounds of components found on one half of the texts and measured on the "
            f"other{units.note}",
            detail=f"There {int(ranks[named])} of {design.n} components stand above {len(null):,} permutations of the coordinates; "
            f"they hold {100 * above[named]:.0f} % of the variance, {100 * beyond[named]:.0f} % beyond what permuted ones hold.",
        )

    def _tokens(self, recording: Recording, units: Units, cell: Cell, variant: str | None = None) -> Floats:
        """(unit, position, coordinate)."""
        array = np.asarray(recording.array(for_variant(self._request(), variant), cell.layer or 0), dtype=np.float64)
        return units.responses(array)

    def _permuted(self, found: list[Floats], design: Design, count: int, rng: np.random.Generator) -> Floats:
        """(draw, layer, component) shares of variance of permuted coordinates, the same orders in all layers."""
        width = found[0].shape[2]

        def one(own: np.random.Generator) -> Floats:
            orders = coordinate_orders(design, width, own)
            return np.stack([shares(permuted(x, orders)) for x in found])

        return np.stack(draws(count, rng, one))

    def _measured(self, tokens: list[Floats], half: Halves, name: str, seed: int) -> _Measured:
        """One split: components of the first half, measured on the second."""
        learned = [centred_directions(t[half.first], half.learning) for t in tokens]
        rng = stream(seed, name, "split", str(half.number), half.learning.digest, "coordinates")
        null = self._permuted(learned, half.learning, IN_HALF, rng)
        ranks, above, below = [], [], []
        for layer, x in enumerate(learned):
            ranks.append(rank(shares(x), null[:, layer], LEVEL))
            components = LowRank.of(x, max(1, ranks[-1]))
            along, total = components.excess(centred_directions(tokens[layer][half.second], half.measuring))
            above.append(along)
            below.append(total)
        sums = np.stack(above, axis=1), np.stack(below, axis=1)
        bounds = in_parts(
            lambda drawn: bootstrap_t(ratio_of_sums(*sums, half.measuring, drawn), drawn, ends=ENDS), half.resamples
        )
        return _Measured(bounds, np.array(ranks))

    def _agreement(self, x: Floats, units: Units, count: int, where: str, weighing: Weighing) -> Control:
        """How far the span of the components, in the space of texts, is that of the categories: principal angles."""
        from scipy.linalg import subspace_angles

        design, df1 = units.design, degrees_of_freedom(units.design)[0]
        used = max(1, count)
        left = np.linalg.svd(x.reshape(design.n, -1), full_matrices=False)[0][:, :used]
        hot = stratum_centred(np.eye(design.k)[design.labels], design)
        span = np.linalg.svd(hot, full_matrices=False)[0][:, :df1]
        degrees = np.degrees(subspace_angles(left, span))
        arrangements = controls.fewer(
            relabellings(
                design,
                budget=weighing.permutations,
                rng=stream(weighing.seed, type(self).__name__, design.digest, "relabellings"),
                blind="jointly",
            )
        )
        # the sum of squares that categories explain of orthonormal components is the sum of squared cosines
        null = between_ss_null(left, design, arrangements)[0].sum(axis=1) / min(used, df1)
        p = float((null >= null[0] - 1e-9).mean())
        return Control(
            "category_agreement",
            f"At {where} the {used} leading component{'s' if used > 1 else ''} and the {df1} of {self.label} meet at "
            f"{', '.join(f'{d:.0f}' for d in np.sort(degrees))} degrees: a mean squared cosine of {null[0]:.2f}, against "
            f"{null.mean():.2f} under exchange of labels (p {p:.2g}).",
            {
                "mean_squared_cosine": float(null[0]),
                "chance": float(null.mean()),
                "p": p,
                "angles": [float(d) for d in np.sort(degrees)],
            },
        )

    def _twin(
        self, recording: Recording, units: Units, cells: tuple[Cell, ...], named: int, effect: float, weighing: Weighing
    ) -> Control:
        """The excess share of each untrained twin at the same layer, by the same splits."""
        name, found = type(self).__name__, []
        splits = list(Halves.all(name, units.design, self.splits, replace(weighing, resamples=0)))
        for variant in controls.twin_variants(self.twins):
            tokens = [self._tokens(recording, units, cells[named], variant)]
            values = [self._measured(tokens, half, name, weighing.seed).bounds.effect[0] for half in splits]
            found.append(float(np.median(values)))
        return Control(
            "untrained_twin",
            f"Untrained twins ({self.twins} seeds) reach an excess share of {from_to(found, 2)} at "
            f"{cells[named]}, against {effect:.2f}: "
            + ("a network that learned nothing shows as much." if max(found) >= effect else "none reaches that."),
            {"excess_share": found},
        )


@dataclass(frozen=True)
class _Measured:
    """What one split says."""

    bounds: Bounds
    ranks: NDArray[np.int64]
    """(cell,) components found."""


def _scree(
    observed: Floats,
    null: Floats,
    ranks: NDArray[np.int64],
    effect: Floats,
    cells: tuple[Cell, ...],
    site: str,
    count: int,
) -> Exhibit:
    """Shares of variance of the leading components, with those of permuted coordinates."""
    shown = min(SHOWN, observed.shape[1])
    low, middle, high = np.quantile(null[:, :, :shown], (LEVEL, 0.5, 1 - LEVEL), axis=0)
    told = "; ".join(f"{cell}: {r}" for cell, r in zip(cells, ranks, strict=True))
    return Exhibit(
        "scree",
        f"Components of the similarity matrix, {site}",
        f"Share of variance of the {shown} leading components, one panel a layer, against {count:,} permutations of the coordinates "
        f"(5 % to 95 %). Components above them: {told}.",
        {
            "share": observed[:, :shown],
            "null_low": low,
            "null_median": middle,
            "null_high": high,
            "rank": ranks,
            "effect": effect,
        },
        {"panels": [str(c) for c in cells], "effect_name": "excess share"},
    )
