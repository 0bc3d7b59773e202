"""SubspaceSeparation: do categories occupy different subspaces of the activations?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to, p_word
from modclaims.errors import ClaimError
from modclaims.families.categories.figures.principal_angles import PrincipalAngles
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
from modclaims.stats.chance.actions import Arrangements, Design, count_arrangements, relabellings
from modclaims.stats.chance.merging import FACTOR
from modclaims.stats.effects.omega_squared import log_one_plus_f2, omega2_of_log
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.nulls.rotations import Coordinates
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.spectra.subspaces import (
    CENTRES,
    angles,
    bases,
    held,
    log_ratio_of_means,
    separation_null,
    spherical,
)

Floats = NDArray[np.float64]
ENDS = (-np.inf, 1.0)


class SubspaceSeparation(Hypothesis):
    """Texts of different categories vary in different subspaces.

    A category's subspace is spanned by the `dimensions` leading directions in which its texts'
    activations (averaged over positions) differ from their category's centre (the spatial median), each
    text entering by its direction alone. Where categories lie does not matter then, nor how far their
    texts spread. The effect (separation) is 1 - (share of a new text's variation that other categories'
    subspaces hold) / (share that its own category's holds), each category weighing the same: 0 where
    subspaces are the same, 1 where the others hold nothing, positive when categories differ. Subspaces
    are learned on one half of the texts and shares measured on the other. Cells are layers.

    p is that of the mean squared sine of the principal angles between every two categories' subspaces,
    under exchange of labels, step-down over layers. Exchangeable under the null: with `centre =
    "common"` the texts inside strata; with "own" the directions in which they lie from their category's
    centre, but for what estimating a centre takes from them. Bounds are those of the bootstrap-t over
    the measured texts; levels are merged over splits. The effect is the separation of subspaces as that
    many texts tell them: with few texts a subspace is hard to know, and the effect comes out smaller.

    Attributes
    ----------
    site : str, default 'resid_post'
        Where to look. One of 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre' and 'resid_post'.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    dimensions : int, default 2
        Dimensions of each category's subspace, stated in advance: at least 1.
    centre : str, default 'own'
        What is taken off before. One of 'own' (each category's centre) and 'common' (the centre of all,
        so that where categories lie, and how far they spread, becomes part of their subspaces).
    relabellings : int, default 1999
        The most exchanges of labels, each of which asks for every subspace anew: at least 99.
    splits : int, default 20
        Splits of the texts in halves: at least 5.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    smallest_effect : float, default 0.2
        Separation, from 0 to below 1.
    untrained : int, default 5
        Untrained networks that the effect is compared with: 0 for none, or at least 5.

    References
    ----------
    Elsayed et al. (2016), Reorganization between preparatory and movement population responses in motor
    cortex (the alignment index). Björck & Golub (1973), Numerical methods for computing angles between
    linear subspaces.

    Examples
    --------
    >>> from modclaims import SubspaceSeparation
    >>> from modclaims.calibration.examples import planted
    >>> class SubspacesDiffer(SubspaceSeparation):
    ...     "Each category varies along directions of its own."
    >>> print(planted(SubspacesDiffer, 0))
    INCONCLUSIVE  separation 0.10 [-0.30, 0.26] at layer 1
    """

    site: str = "resid_post"
    layers: tuple[int, ...] | None = None
    dimensions: int = 2
    centre: str = "own"
    relabellings: int = 1999
    splits: int = 20
    holds: Holds = somewhere()
    smallest_effect: float = 0.2
    untrained: int = controls.UNTRAINED
    effect_name: ClassVar[str] = "separation"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.site not in LAYER_SITES:
            raise ClaimError(f"Site {self.site!r} is unknown here; choose one of {', '.join(LAYER_SITES)}.")
        if self.centre not in CENTRES:
            raise ClaimError(f"centre = {self.centre!r} is unknown; choose one of {', '.join(CENTRES)}.")
        if self.dimensions < 1:
            raise ClaimError(f"dimensions = {self.dimensions}: at least 1 is needed.")
        if self.relabellings < 99:
            raise ClaimError(f"relabellings = {self.relabellings}: at least 99 are needed.")
        controls.check_untrained(self.untrained)
        check_splits(self.splits)

    def check(self, before: PlanContext) -> None:
        units = Units.of(before.corpus, self.label, self.within)
        units.check_halves(self.label)
        before.cells(self.holds, self._request())
        # of blocks in which labels vary whole ones are dealt to the halves, which need not be of one size
        counts = units.design.counts
        smallest = (counts // 2).sum(axis=1) if not units.design.members else counts.sum(axis=1) // 3
        k = int(np.argmin(smallest))
        if smallest[k] < self.dimensions + 2:
            raise ClaimError(
                f"Half of the {units.unit}s of {self.label} {units.design.names[k]!r} are {int(smallest[k])}, and a subspace of "
                f"{self.dimensions} dimensions needs {self.dimensions + 2} to be learned from. Add texts, or lower dimensions."
            )

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        if self.dimensions > (width := shape.mlp_width if self.site == "mlp_act" else shape.width):
            raise ClaimError(f"dimensions = {self.dimensions} exceed the {width} that site {self.site!r} has.")
        return (mine, *(for_variant(mine, v) for v in controls.untrained_variants(self.untrained)))

    def plan(self, before: PlanContext) -> TestPlan:
        units = Units.of(before.corpus, self.label, self.within)
        total = count_arrangements(units.design, blind="jointly")
        budget = min(before.weighing.permutations, self.relabellings)
        own = self.relabellings < before.weighing.permutations
        exact = total <= budget
        return replace(
            labelled(self, units, before),
            bounds=counted_bounds(before, degenerate_halves(self, units, before, self.splits), FACTOR),
            cells=before.cells(self.holds, self._request()),
            test=CountedLevel(
                total if exact else budget + 1,
                exact,
                "relabellings" if own else "--permutations",
                arrangements=None if exact else total,
            ),
            arrangements=total,
        )

    def measure(self, look: Look) -> Measured:
        units = Units.of(look.corpus, self.label, self.within)
        design = units.design
        cells = tuple(Cell(layer=layer) for layer in look.shape.resolve_layers(self._request()))
        vectors = [self._vectors(look.recording, units, cell) for cell in cells]
        arrangements = relabellings(
            design,
            budget=min(look.settings.permutations, look.settings.drawn(self.relabellings)),
            rng=look.rng("relabellings", design=design.digest),
            blind="jointly",
        )
        test = self._test(vectors, units, arrangements)
        halves = Halves.all(look.claim, design, self.splits, look.settings)
        splits = [self._measured(vectors, half) for half in halves]
        return Measured(
            cells,
            self.effect_name,
            MedianBounds.of([split.bounds for split in splits]),
            test,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=units.resampled,
            degenerate=tuple(int(c) for c in np.flatnonzero(np.ptp(test.null, axis=0) <= 1e-12)),
            payload=Separated(units, tuple(vectors), arrangements, test, tuple(splits), self.dimensions, self.centre),
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Separated)
        rivals = [self._other_centre(look, found, named, measured.cells[named])]
        if self.untrained:
            effect = float(measured.bounds.effect[named])
            rivals.append(self._untrained(look, found.units, measured.cells[named], effect))
        return [RivalResult(control) for control in rivals]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        test = measured.kept(Separated).test
        return (self._by_depth(look, measured), null_histogram(test, named, measured.cells))

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found, cell = measured.kept(Separated), measured.cells[named]
        units, test, own, other, degrees = found.units, found.test, found.own, found.other, found.degrees
        chance = self.dimensions / look.recording.array(self._request(), cell.layer or 0).shape[-1]
        widest = int(np.argmax(degrees[named].mean(axis=1)))
        return Words(
            note=f"site {self.site}, {self.dimensions} dimensions, centred on {_WORDS[self.centre]}; bounds of subspaces "
            f"learned on one half of the texts and measured on the other{units.note}",
            detail=f"A text's own category's subspace holds {100 * own[named]:.0f} % of its variation there and the others' hold "
            f"{100 * other[named]:.0f} % ({100 * chance:.1f} % for directions at random). The principal angles of "
            f"{found.pairs[widest]} are the widest: {', '.join(f'{a:.0f}' for a in degrees[named, widest])} degrees.",
            warnings=units.warnings + _unknown(own[named], chance, self.dimensions, str(cell)),
            secondary={
                "mean squared sine of principal angles": test.observed,
                "the same, mean over exchanges": test.null.mean(axis=0),
                "share held by the own subspace": own,
                "share held by others' subspaces": other,
                "smallest principal angle (degrees)": degrees.min(axis=(1, 2)),
            },
        )

    def _vectors(self, recording: Recording, units: Units, cell: Cell, variant: str | None = None) -> Floats:
        """(unit, dimension) activations averaged over positions, in as few coordinates as units and width allow."""
        array = np.asarray(recording.array(for_variant(self._request(), variant), cell.layer or 0), dtype=np.float64)
        return Coordinates.of(units.responses(array.mean(axis=1))).rows  # angles are the same in any basis

    def _test(self, vectors: Sequence[Floats], units: Units, arrangements: Arrangements, centre: str = "") -> NullTest:
        null, tolerance = separation_null(
            list(vectors), units.design, arrangements, dimensions=self.dimensions, centre=centre or self.centre
        )
        what = "" if (centre or self.centre) == "common" else "directions among "
        return NullTest.of(
            "mean squared sine of principal angles",
            null,
            tolerance,
            exact=arrangements.exact,
            action=units.action(self.label, self.within).replace("exchanging ", f"exchanging {what}", 1),
            by=self.adjust,
        )

    def _measured(self, vectors: Sequence[Floats], half: Halves) -> SeparationSplit:
        """One split: shares of the second half's variation in subspaces of the first, with bounds."""
        own, other = zip(*(self._held(v, half) for v in vectors), strict=True)
        mine, theirs = np.stack(own, axis=1), np.stack(other, axis=1)
        bounds = in_parts(
            lambda drawn: bootstrap_t(
                log_ratio_of_means(mine, theirs, half.measuring, drawn),
                drawn,
                forward=log_one_plus_f2,
                backward=omega2_of_log,
                ends=ENDS,
            ),
            half.resamples,
        )
        return SeparationSplit(bounds, _category_means(mine, half.measuring), _category_means(theirs, half.measuring))

    def _held(self, vectors: Floats, half: Halves) -> tuple[Floats, Floats]:
        """(unit,) shares of the second half's units in the subspaces of the first, the own category's and the others'."""
        learned = bases(spherical(vectors[half.first], half.learning, self.centre), half.learning, self.dimensions)
        return held(spherical(vectors[half.second], half.measuring, self.centre), half.measuring, learned)

    def _other_centre(self, look: Look, found: Separated, named: int, cell: Cell) -> Control:
        """The same angles with the other mean taken off: what a category's place has to do with them."""
        other = next(c for c in CENTRES if c != self.centre)
        test = self._test(found.vectors, found.units, controls.fewer(found.arrangements), other)
        p, observed, chance = (float(v[named]) for v in (test.p_adjusted, test.observed, test.null.mean(axis=0)))
        told = "categories' places and variation together" if other == "common" else "variation inside categories alone"
        return Control(
            "other_centre",
            f"Of {told} (centred on {_WORDS[other]}) the mean squared sine at {cell} is {observed:.2f}, under exchange "
            f"of labels {chance:.2f} ({p_word(len(test.p_adjusted))} {p:.2g}): "
            + ("subspaces differ so, too." if p <= look.alpha else "no difference is seen so."),
            {"observed": observed, "chance": chance, "p_adjusted": p},
        )

    def _untrained(self, look: Look, units: Units, cell: Cell, effect: float) -> Control:
        """The separation of each untrained network at the same layer, by the same splits."""
        found = []
        splits = list(Halves.all(look.claim, units.design, self.splits, replace(look.settings, resamples=0)))
        for variant in controls.untrained_variants(self.untrained):
            vectors = [self._vectors(look.recording, units, cell, variant)]
            found.append(float(np.median([self._measured(vectors, half).bounds.effect[0] for half in splits])))
        return Control(
            "untrained_baseline",
            f"Untrained networks ({self.untrained} seeds) reach a separation of {from_to(found, 2)} at {cell}, "
            f"against {effect:.2f}: "
            + ("a network that learned nothing shows as much." if max(found) >= effect else "none reaches that."),
            {"separation": found},
        )

    def _by_depth(self, look: Look, measured: Measured) -> Exhibit:
        """Separation, and angles beside those of exchanged labels, layer by layer."""
        found, bounds, alpha = measured.kept(Separated), measured.bounds, look.alpha
        test, layers = found.test, np.array([c.layer or 0 for c in measured.cells])
        low, middle, high = np.quantile(test.null, (alpha, 0.5, 1 - alpha), axis=0)
        told = "; ".join(
            f"layer {layer}: {observed:.2f} against {m:.2f} [{a:.2f}, {b:.2f}]"
            for layer, observed, a, m, b in zip(layers, test.observed, low, middle, high, strict=True)
        )
        return PrincipalAngles(
            f"Principal angles between the subspaces of {self.label} by relative depth, {self.site}",
            f"Above, the separation on texts unseen, with its own {100 * (1 - 2 * alpha):g} % bounds. Below, the angle whose squared "
            f"sine is the mean one, against exchanged labels, and every pair's own {self.dimensions} angles as dots. Mean squared "
            f"sine: {told}.",
            depth=layers / max(1, look.shape.layers - 1),
            layer=layers,
            effect=bounds.effect,
            low=bounds.lower(alpha),
            high=bounds.upper(alpha),
            smallest_effect=self.smallest_effect,
            angles=found.degrees,
            observed=test.observed,
            null_low=low,
            null_mean=middle,
            null_high=high,
            pairs=tuple(found.pairs),
            effect_name=self.effect_name,
        ).exhibit()


_WORDS = {"own": "each category's own centre", "common": "the centre of all categories"}


@dataclass(frozen=True)
class SeparationSplit:
    """What one split says."""

    bounds: Bounds
    own: Floats
    """(cell,) mean share held by the own category's subspace, categories weighing the same ..."""
    other: Floats
    """... and by the others'."""


@dataclass(frozen=True)
class Separated:
    """Categories' subspaces in every layer: their angles in all texts, and what they hold of texts unseen."""

    units: Units
    """Texts, or blocks of them."""
    vectors: tuple[Floats, ...]
    """By cell, (unit, coordinate) activations averaged over positions."""
    arrangements: Arrangements
    """Exchanges of labels."""
    test: NullTest
    """The mean squared sine of the principal angles, against that under these exchanges."""
    splits: tuple[SeparationSplit, ...]
    """Subspaces learned on one half of the units and measured on the other."""
    dimensions: int
    """Of each subspace."""
    centre: str
    """What is taken off: each category's `own` centre, or the `common` one."""

    @property
    def own(self) -> Floats:
        """(cell,) share that the own category's subspace holds of new texts, median over splits ..."""
        return np.median([split.own for split in self.splits], axis=0)

    @property
    def other(self) -> Floats:
        """... and that the others' hold."""
        return np.median([split.other for split in self.splits], axis=0)

    @property
    def pairs(self) -> list[str]:
        """Every two categories."""
        return [f"{a} and {b}" for a, b in combinations(self.units.design.names, 2)]

    @cached_property
    def degrees(self) -> Floats:
        """(cell, pair, axis) principal angles in all texts."""
        design = self.units.design
        spaces = [bases(spherical(v, design, self.centre), design, self.dimensions) for v in self.vectors]
        return np.degrees(np.stack([angles(space) for space in spaces]))


def _category_means(values: Floats, design: Design) -> Floats:
    return np.asarray(np.mean([values[design.labels == k].mean(axis=0) for k in range(design.k)], axis=0))


def _unknown(own: float, chance: float, dimensions: int, where: str) -> tuple[str, ...]:
    """A warning where subspaces hold so little of new texts that they were hardly learned."""
    if own >= 2 * chance:
        return ()
    return (
        f"Subspaces of {dimensions} dimensions hold {100 * own:.1f} % of new texts of their own category at {where}, little more "
        f"than directions at random ({100 * chance:.1f} %): they are hardly known, and a small separation says little.",
    )
