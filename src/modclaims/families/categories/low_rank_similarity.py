"""LowRankSimilarity: do similarity matrices look diagonal plus low rank?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.categories.figures.scree import Scree
from modclaims.families.common import controls
from modclaims.families.common.halves import Halves, check_splits
from modclaims.families.common.null_histograms import null_histogram
from modclaims.families.common.plan_parts import degenerate_halves, labelled
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import CountedLevel, TestPlan, counted_bounds
from modclaims.recording import LAYER_SITES, Activations, ModelShape, Recording, Request, for_variant
from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.splits import MedianBounds
from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.chance.merging import FACTOR
from modclaims.stats.chance.permutation import between_ss_null, degrees_of_freedom, stratum_centred
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.nulls.rotations import draws
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.spectra.parallel_analysis import (
    LowRank,
    centred_directions,
    coordinate_orders,
    permuted,
    rank,
    ratio_of_sums,
    shares,
)

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

    Similarity is the cosine of centred activations (inside strata), averaged over positions; components
    are the eigenvectors of the (text, text) matrix. The effect (excess share) is the share of new
    texts' variance along the components that parallel analysis finds, minus the share that the same
    texts with permuted coordinates have there on average; at most 1, positive when few components hold
    more than independent coordinates would give them. Components are found on one half of the texts and
    measured on the other, in `splits` seeded splits. Cells are layers.

    p is that of the largest component's share of variance against permuted coordinates, step-down over
    layers. Exchangeable under the null, where coordinates are independent of each other: the texts of
    each coordinate by itself, inside strata, a text's positions moving together (moving whole texts
    would leave the spectrum as it is). Bounds are those of the bootstrap-t over the measured texts;
    levels are merged over splits. Coordinates that are correlated for reasons other than the texts'
    content (the network's own anisotropy) are low rank too: it is a statement on the matrix, not on
    categories. How far the components agree with the categories is shown beside it.

    Attributes
    ----------
    site : str, default 'resid_post'
        Where to look. One of 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre' and 'resid_post'.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    draws : int, default 399
        Permutations of the coordinates: at least 99. No p falls below 1 / (draws + 1).
    splits : int, default 20
        Splits of the texts in halves: at least 5.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    label : str, default 'category'
        Column of the categories: their spans are shown, and splits keep them as they are.
    within : str | None, default None
        Column inside whose values (strata) activations are centred and coordinates permuted; None for
        no strata. Another column than `label`.
    smallest_effect : float, default 0.2
        Share of variance, from 0 to below 1.
    untrained : int, default 5
        Untrained networks that the effect is compared with: 0 for none, or at least 5.

    Notes
    -----
    A component counts where it exceeds the upper 5 % point of the component of its rank in permuted
    coordinates; the first one always does. The rank itself decides nothing.

    References
    ----------
    Horn (1965), A rationale and test for the number of factors in factor analysis. Gasparin, Wang &
    Ramdas (2025), Combining exchangeable p-values.

    Examples
    --------
    >>> from modclaims import LowRankSimilarity
    >>> from modclaims.calibration.examples import planted
    >>> class FewComponents(LowRankSimilarity):
    ...     "A few components hold much of how alike texts are."
    >>> print(planted(FewComponents, 2))
    SUPPORTED  excess share 0.42 [0.27, 0.56] at layer 1
    >>> print(planted(FewComponents, 0))
    REFUTED  excess share -0.01 [-0.02, 0.02] at layer 1
    """

    site: str = "resid_post"
    layers: tuple[int, ...] | None = None
    draws: int = 399
    splits: int = 20
    holds: Holds = somewhere()
    smallest_effect: float = 0.2
    untrained: int = controls.UNTRAINED
    effect_name: ClassVar[str] = "excess share"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.site not in LAYER_SITES:
            raise ClaimError(f"Site {self.site!r} is unknown here; choose one of {', '.join(LAYER_SITES)}.")
        if self.draws < 99:
            raise ClaimError(f"draws = {self.draws}: at least 99 permutations of the coordinates are needed.")
        controls.check_untrained(self.untrained)
        check_splits(self.splits)

    def check(self, before: PlanContext) -> None:
        Units.of(before.corpus, self.label, self.within).check_halves(self.label)
        before.cells(self.holds, self._request())

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        return (mine, *(for_variant(mine, v) for v in controls.untrained_variants(self.untrained)))

    def plan(self, before: PlanContext) -> TestPlan:
        units = Units.of(before.corpus, self.label, self.within)
        return replace(
            labelled(self, units, before),
            action="permuting every coordinate across texts",
            bounds=counted_bounds(before, degenerate_halves(self, units, before, self.splits), FACTOR),
            cells=before.cells(self.holds, self._request()),
            test=CountedLevel(self.draws + 1, False, "draws"),
        )

    def measure(self, look: Look) -> Measured:
        units = Units.of(look.corpus, self.label, self.within)
        design = units.design
        cells = tuple(Cell(layer=layer) for layer in look.shape.resolve_layers(self._request()))
        tokens = [self._tokens(look.recording, units, cell) for cell in cells]
        vectors = [centred_directions(t, design) for t in tokens]
        observed = np.stack([shares(x) for x in vectors])
        null = self._permuted(
            vectors, design, look.settings.drawn(self.draws), look.rng("coordinates", design=design.digest)
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
        halves = Halves.all(look.claim, design, self.splits, look.settings)
        splits = [self._measured(look, tokens, half) for half in halves]
        return Measured(
            cells,
            self.effect_name,
            MedianBounds.of([split.bounds for split in splits]),
            test,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=tuple(int(c) for c in np.flatnonzero(observed.max(axis=1) == 0)),
            payload=Components(units, tuple(vectors), observed, null, test, tuple(splits)),
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        rivals = [self._agreement(look, measured.kept(Components), named, measured.cells[named])]
        if self.untrained:
            rivals.append(self._untrained(look, measured, named))
        return [RivalResult(control) for control in rivals]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found, cells = measured.kept(Components), measured.cells
        return (
            _scree(found, measured.bounds.effect, cells, self.site),
            null_histogram(found.test, named, cells),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Components)
        ranks, above, beyond = found.ranks, found.above, found.beyond
        return Words(
            note=f"site {self.site}, centred cosine; bounds of components found on one half of the texts and measured on the "
            f"other{found.units.note}",
            detail=f"There {int(ranks[named])} of {found.units.n} components stand above {len(found.null):,} permutations of the "
            f"coordinates; they hold {100 * above[named]:.0f} % of the variance, {100 * beyond[named]:.0f} % beyond what permuted "
            "ones hold.",
            warnings=found.units.warnings,
            secondary={
                "components above permuted coordinates": ranks.astype(np.float64),
                "the same in half of the texts, median": np.median([split.ranks for split in found.splits], axis=0),
                "their share of variance": above,
                "beyond that of permuted coordinates": beyond,
                "largest component's share": found.observed[:, 0],
                "the same, mean over permutations": found.null[:, :, 0].mean(axis=0),
            },
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

    def _measured(self, look: Look, tokens: list[Floats], half: Halves) -> LowRankSplit:
        """One split: components of the first half, measured on the second."""
        learned = [centred_directions(t[half.first], half.learning) for t in tokens]
        rng = look.lasting_rng("split", str(half.number), half.learning.digest, "coordinates")
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
        return LowRankSplit(bounds, np.array(ranks))

    def _agreement(self, look: Look, found: Components, named: int, cell: Cell) -> Control:
        """How far the span of the components, in the space of texts, is that of the categories: principal angles."""
        from scipy.linalg import subspace_angles

        design, x = found.units.design, found.vectors[named]
        df1, used = degrees_of_freedom(design)[0], max(1, int(found.ranks[named]))
        left = np.linalg.svd(x.reshape(design.n, -1), full_matrices=False)[0][:, :used]
        hot = stratum_centred(np.eye(design.k)[design.labels], design)
        span = np.linalg.svd(hot, full_matrices=False)[0][:, :df1]
        degrees = np.degrees(subspace_angles(left, span))
        arrangements = controls.fewer(
            relabellings(
                design,
                budget=look.settings.permutations,
                rng=look.lasting_rng("relabellings", design=design.digest),
                blind="jointly",
            )
        )
        # the sum of squares that categories explain of orthonormal components is the sum of squared cosines
        null = between_ss_null(left, design, arrangements)[0].sum(axis=1) / min(used, df1)
        p = float((null >= null[0] - 1e-9).mean())
        return Control(
            "category_agreement",
            f"At {cell} the {used} leading component{'s' if used > 1 else ''} and the {df1} of {self.label} meet at "
            f"{', '.join(f'{d:.0f}' for d in np.sort(degrees))} degrees: a mean squared cosine of {null[0]:.2f}, against "
            f"{null.mean():.2f} under exchange of labels (p {p:.2g}).",
            {
                "mean_squared_cosine": float(null[0]),
                "chance": float(null.mean()),
                "p": p,
                "angles": [float(d) for d in np.sort(degrees)],
            },
        )

    def _untrained(self, look: Look, measured: Measured, named: int) -> Control:
        """The excess share of each untrained network at the same layer, by the same splits."""
        units, cell, found = measured.kept(Components).units, measured.cells[named], []
        splits = list(Halves.all(look.claim, units.design, self.splits, replace(look.settings, resamples=0)))
        for variant in controls.untrained_variants(self.untrained):
            tokens = [self._tokens(look.recording, units, cell, variant)]
            values = [self._measured(look, tokens, half).bounds.effect[0] for half in splits]
            found.append(float(np.median(values)))
        effect = float(measured.bounds.effect[named])
        return Control(
            "untrained_baseline",
            f"Untrained networks ({self.untrained} seeds) reach an excess share of {from_to(found, 2)} at "
            f"{cell}, against {effect:.2f}: "
            + ("a network that learned nothing shows as much." if max(found) >= effect else "none reaches that."),
            {"excess_share": found},
        )


@dataclass(frozen=True)
class LowRankSplit:
    """What one split says."""

    bounds: Bounds
    ranks: NDArray[np.int64]
    """(cell,) components found."""


@dataclass(frozen=True)
class Components:
    """Components of the similarity matrix of every layer, beside those of permuted coordinates."""

    units: Units
    """Texts, or blocks of them."""
    vectors: tuple[Floats, ...]
    """By cell, (unit, position, coordinate) vectors whose inner products are the similarities."""
    observed: Floats
    """(cell, component) shares of variance, largest first."""
    null: Floats
    """(draw, cell, component) the same of permuted coordinates."""
    test: NullTest
    """The largest component against that of permuted coordinates."""
    splits: tuple[LowRankSplit, ...]
    """Components learned on one half of the units and measured on the other."""

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """(cell,) components above those of permuted coordinates."""
        each = zip(self.observed, self.null.swapaxes(0, 1), strict=True)
        return np.array([rank(own, chance, LEVEL) for own, chance in each])

    @cached_property
    def above(self) -> Floats:
        """(cell,) share of variance that these hold."""
        return np.array([own[:r].sum() for own, r in zip(self.observed, self.ranks, strict=True)])

    @cached_property
    def beyond(self) -> Floats:
        """(cell,) the same beyond what as many of permuted coordinates hold on average."""
        each = zip(self.null.swapaxes(0, 1), self.ranks, strict=True)
        return np.asarray(self.above - [chance[:, :r].mean(axis=0).sum() for chance, r in each])


def _scree(found: Components, effect: Floats, cells: tuple[Cell, ...], site: str) -> Exhibit:
    """Shares of variance of the leading components, with those of permuted coordinates."""
    observed, null, ranks = found.observed, found.null, found.ranks
    shown = min(SHOWN, observed.shape[1])
    low, middle, high = np.quantile(null[:, :, :shown], (LEVEL, 0.5, 1 - LEVEL), axis=0)
    told = "; ".join(f"{cell}: {r}" for cell, r in zip(cells, ranks, strict=True))
    return Scree(
        f"Components of the similarity matrix, {site}",
        f"Share of variance of the {shown} leading components, one panel per layer, against {len(null):,} permutations of the coordinates "
        f"(5 % to 95 %). Components above them: {told}.",
        share=observed[:, :shown],
        null_low=low,
        null_median=middle,
        null_high=high,
        rank=ranks,
        effect=effect,
        panels=tuple(str(c) for c in cells),
        effect_name="excess share",
    ).exhibit()
