"""InputOutsideUnembedding: is the token that was read kept in directions that the unembedding cares little about?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.null_histograms import null_histogram
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import Sample
from modclaims.families.tokens.figures.input_angles import InputAngles
from modclaims.families.tokens.token_maps import EMBEDDING, TokenMap, Tokens, bounds_of_means, resampled
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import CountedLevel, TestPlan
from modclaims.recording import ModelShape, Request, Weights
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.maps.retrieval import one_cycle
from modclaims.stats.maps.ridge import Inputs, Ridge, best_penalty, folds_of, leading_inputs
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.spectra.overlaps import jackknifed, leading_directions, overlap, random_overlaps

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
UNEMBEDDING = Weights("unembedding")
LEAST_DRAWS = 99
FOLDS, GROUPS = 5, 16
"""Parts of the texts that a penalty is chosen on, and groups of texts that are left out one by one (at most)."""


class InputOutsideUnembedding(TokenMap):
    """At some layer the token that was read can be decoded from directions of the stream that the unembedding cares little about.

    At every layer one ridge map leads from the stream at the positions read to the input embedding of the
    token there. What it reads are its `dimensions` leading singular directions on the stream's side. What
    the unembedding cares about is spanned by the leading `leading` share of the singular directions of the
    unembedding, less its mean over the vocabulary. Overlap is the mean squared cosine of the principal
    angles of both subspaces, `leading` on average for directions at random. The effect (avoidance) is 1 -
    overlap / that mean: 0 as at random, 1 where nothing of what is read lies in there, negative where more
    does than at random. Cells are layers.

    p counts random subspaces at least as far away, step-down over layers. Exchangeable under the null: the
    unembedding's leading subspace and one in Haar-random position, the same for all layers. Bounds are
    about new texts for this network: groups of texts are left out one by one, each time with a new map, and
    the jackknife's pseudo-values are resampled. Two cautions. A map is a filter and no pattern: it turns
    away from what else varies, however much of the token's trace lies there (a control shows where the
    stream puts the token). And where input and output embeddings are one matrix (tied weights), overlap in
    early layers comes with the weights; the verdict warns.

    Attributes
    ----------
    dimensions : int, default 16
        Directions of each map, stated in advance: at least 1.
    leading : float, default 0.5
        Share of the stream's width that counts as what the unembedding cares about, between 0 and 1.
    draws : int, default 999
        Random subspaces: at least 99. No p falls below 1 / (draws + 1).
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    smallest_effect : float, default 0.2
        Avoidance, from 0 to below 1: 0.2 is a fifth less overlap than at random.

    Notes
    -----
    Source: the question whether what is left of the input lies in parts of the stream of little relevance
    to the output.

    References
    ----------
    Haufe et al. (2014), On the interpretation of weight vectors of linear models in multivariate
    neuroimaging. Björck & Golub (1973), Numerical methods for computing angles between linear subspaces.

    Examples
    --------
    >>> from modclaims import InputOutsideUnembedding
    >>> from modclaims.calibration.examples import planted
    >>> class KeptOutOfSight(InputOutsideUnembedding):
    ...     "The token read is kept where the unembedding hardly looks."
    >>> print(planted(KeptOutOfSight, 3))
    SUPPORTED  avoidance 0.68 [0.48, 0.80] at layer 0
    """

    dimensions: int = 16
    leading: float = 0.5
    draws: int = 999
    holds: Holds = somewhere()
    smallest_effect: float = 0.2
    effect_name: ClassVar[str] = "avoidance"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.dimensions < 1:
            raise ClaimError(f"dimensions = {self.dimensions}: at least 1 is needed.")
        if isinstance(self.leading, bool) or not isinstance(self.leading, (int, float)) or not 0 < self.leading < 1:
            raise ClaimError(f"leading = {self.leading!r} must be a share of the stream's width, between 0 and 1.")
        if self.draws < LEAST_DRAWS:
            raise ClaimError(
                f"draws = {self.draws}: p cannot fall below 1 / {self.draws + 1}; take {LEAST_DRAWS} or more."
            )

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        if not shape.causal:
            raise ClaimError(f"Model {shape.name!r} is an encoder and has no unembedding.")
        self.looked_at(shape)
        if not self.dimensions <= (outer := self._outer(shape)) < shape.width:
            raise ClaimError(
                f"dimensions = {self.dimensions} and leading = {self.leading}: of the stream's {shape.width} dimensions {outer} would "
                "be what the unembedding cares about, and there must be as many as are read, and fewer than all."
            )
        return (self.request(), EMBEDDING, UNEMBEDDING)

    def _outer(self, shape: ModelShape) -> int:
        """Dimensions of what the unembedding cares about."""
        return round(self.leading * shape.width)

    def plan(self, before: PlanContext) -> TestPlan:
        return replace(
            unlabelled(self, Sample.of(before.corpus), before, self.request()),
            action="putting the unembedding's leading subspace in random position",
            test=CountedLevel(self.draws + 1, False, "draws"),
        )

    def measure(self, look: Look) -> Measured:
        sample, shape = Sample.of(look.corpus), look.shape
        design = sample.design(self.draws)
        ids, layers = self.tokens(look.recording), self.looked_at(shape)
        embedding, unembedding = (np.asarray(look.recording.array(request)) for request in (EMBEDDING, UNEMBEDDING))
        if unembedding.shape[1] != shape.width:
            raise ClaimError(
                f"The unembedding of model {shape.name!r} reads {unembedding.shape[1]} numbers, the stream has {shape.width}."
            )
        chosen, left_out = (
            Tokens.of(sample, ids, folds_of(sample.n, min(most, sample.n), look.lasting_rng(purpose, design=design)))
            for purpose, most in (("folds", FOLDS), ("groups", GROUPS))
        )
        outer, held = leading_directions(unembedding, self._outer(shape))
        target = embedding[chosen.rows].astype(np.float64)
        reads = tuple(
            self._read(self.stream_rows(look.recording, layer), target, chosen, left_out, outer) for layer in layers
        )
        found = Reads(
            chosen, layers, reads, embedding, unembedding, outer, held, self._random(look, design, reads, outer)
        )
        mean, own = found.mean, found.own
        values = jackknifed(1 - own / mean, np.stack([1 - read.without / mean for read in reads], axis=1))
        resamples = resampled(look, len(values), f"{len(values)} groups")
        return Measured(
            tuple(Cell(layer=layer) for layer in layers),
            self.effect_name,
            bounds_of_means(values, resamples, (1 - 1 / mean, 1.0)),
            NullTest.of(
                "avoidance",
                1 - np.concatenate([own[None], found.random]) / mean,
                np.full(len(layers), 1e-9),
                exact=False,
                action="putting the unembedding's leading subspace in random position",
                by=self.adjust,
            ),
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"groups of {sample.unit}s" if len(values) < sample.n else f"{sample.unit}s",
            payload=found,
        )

    def _random(self, look: Look, design: str, reads: Sequence[_Read], outer: Floats) -> Floats:
        """(draw, layer) overlaps of what is read with random subspaces."""
        return random_overlaps(
            [read.directions for read in reads],
            outer.shape[1],
            look.settings.drawn(self.draws),
            look.rng("subspaces", design=design),
        )

    def _read(self, x: Floats, target: Floats, chosen: Tokens, left_out: Tokens, outer: Floats) -> _Read:
        """What one layer's map reads, with and without each group of texts."""
        penalty = best_penalty(x, target, chosen.row_folds)
        groups = left_out.row_folds
        directions, share, ridge = self._directions(x, target, penalty)
        without = [
            overlap(self._directions(x[groups != g], target[groups != g], penalty)[0], outer)
            for g in range(int(groups.max()) + 1)
        ]
        return _Read(directions, share, overlap(directions, outer), np.array(without), ridge, penalty)

    def _directions(self, x: Floats, target: Floats, penalty: float) -> tuple[Floats, float, Ridge]:
        ridge = Ridge.of(Inputs.of(x), target)
        directions, share = leading_inputs(ridge.inputs, ridge.coefficients(penalty), self.dimensions)
        if directions.shape[1] < self.dimensions:
            raise ClaimError(
                f"The stream at the positions read varies in {directions.shape[1]} directions only; lower dimensions = "
                f"{self.dimensions}, or add texts."
            )
        return directions, share, ridge

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Reads)
        rows = self.stream_rows(look.recording, found.layers[named])
        rng = look.lasting_rng("control", design=found.chosen.sample.design(self.draws))
        return [
            RivalResult(self._pattern(found, named, rows)),
            RivalResult(self._control_task(found, named, rows, rng)),
        ]

    def _pattern(self, found: Reads, named: int, rows: Floats) -> Control:
        """Where the stream puts what the map foretells, and where it varies at all."""
        read, outer, mean = found.reads[named], found.outer, found.mean
        inputs = read.ridge.inputs
        pattern, _ = leading_inputs(
            inputs, inputs.roots[:, None] * read.ridge.coefficients(read.penalty), self.dimensions
        )
        put = overlap(pattern, outer)
        centred = rows - rows.mean(axis=0)
        varies = float(((centred @ outer) ** 2).sum() / (centred**2).sum())
        return Control(
            "pattern",
            f"Read is one thing, written another: of the {self.dimensions} directions along which the stream varies with what the map "
            f"foretells at layer {found.layers[named]}, {100 * put:.0f} % lie in the unembedding's leading subspace (avoidance {1 - put / mean:.2f}), "
            f"and {100 * varies:.0f} % of all variance of the stream does.",
            {"overlap": put, "avoidance": 1 - put / mean, "variance": varies},
        )

    def _control_task(self, found: Reads, named: int, rows: Floats, rng: np.random.Generator) -> Control:
        """Where a map reads that learned which token is which by heart."""
        types, which = np.unique(found.chosen.rows, return_inverse=True)
        if len(types) < 2:
            raise ClaimError("One and the same token stands at every position read; choose other --positions.")
        target = found.embedding[types[one_cycle(len(types), rng)][which]].astype(np.float64)
        penalty = best_penalty(rows, target, found.chosen.row_folds)
        shared = overlap(self._directions(rows, target, penalty)[0], found.outer)
        return Control(
            "control_task",
            f"A map learned to foretell other tokens' embeddings, one for each type, reads directions at layer {found.layers[named]} of which "
            f"{100 * shared:.0f} % lie in the unembedding's leading subspace (avoidance {1 - shared / found.mean:.2f}).",
            {"overlap": shared, "avoidance": 1 - shared / found.mean},
        )

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        assert measured.test is not None, "random subspaces are always drawn"
        angles = self._by_depth(measured.kept(Reads), measured.bounds, look.shape.layers, look.alpha)
        return (angles, null_histogram(measured.test, named, measured.cells))

    def _by_depth(self, found: Reads, bounds: Bounds, depth: int, alpha: float) -> Exhibit:
        """Squared cosines of the principal angles by relative depth, their mean, and that of random subspaces."""
        from scipy.linalg import subspace_angles

        layers, random, mean = found.layers, found.random, found.mean
        cosines = np.stack([np.cos(subspace_angles(read.directions, found.outer)) ** 2 for read in found.reads])
        low, high = np.quantile(random, (alpha, 1 - alpha), axis=0)
        told = "; ".join(
            f"layer {layer}: {own.mean():.2f}, random [{a:.2f}, {b:.2f}]"
            for layer, own, a, b in zip(layers, cosines, low, high, strict=True)
        )
        return InputAngles(
            f"Directions that tell the token against the unembedding's leading subspace, {self.site}",
            f"Squared cosines of the {self.dimensions} principal angles by layer as dots, their mean with {100 * (1 - 2 * alpha):g} % bounds, "
            f"and the mean of random subspaces ({mean:.2f}; band: {100 * alpha:g} % to {100 * (1 - alpha):g} % of {len(random):,} draws). {told}.",
            depth=np.array(layers) / max(depth - 1, 1),
            layer=np.array(layers),
            cosines=cosines,
            mean=cosines.mean(axis=1),
            low=(1 - bounds.upper(alpha)) * mean,
            high=(1 - bounds.lower(alpha)) * mean,
            null_low=low,
            null_high=high,
            null_mean=np.full(len(layers), mean),
            interval=f"{100 * (1 - 2 * alpha):g} % bounds",
        ).exhibit()

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Reads)
        read, layer, leading, width = found.reads[named], found.layers[named], found.outer.shape[1], look.shape.width
        return Words(
            note=f"site {self.site}, {self.dimensions} directions of a map learned from {found.tokens:,} tokens; the leading {leading} "
            f"of {width} directions hold {100 * found.held:.0f} % of the unembedding; bounds from leaving out {len(read.without)} groups",
            detail=f"Of the {self.dimensions} directions read at layer {layer}, which are {100 * read.share:.0f} % of the map, "
            f"{100 * read.overlap:.0f} % lie in the unembedding's leading {leading}, of random ones {100 * found.mean:.0f} %.",
            warnings=found.chosen.sample.warnings + _warnings(found, width),
            secondary={
                "mean squared cosine of principal angles": found.own,
                "the same of random subspaces, analytic mean": np.full(len(found.layers), found.mean),
                "share of the map in these directions": np.array([one.share for one in found.reads]),
            },
        )


@dataclass(frozen=True)
class Reads:
    """What the maps of all layers read, and what the unembedding cares about."""

    chosen: Tokens
    """The tokens that were read, with the folds that penalties were chosen on."""
    layers: tuple[int, ...]
    """Layers looked at."""
    reads: tuple[_Read, ...]
    """What is read at each of them."""
    embedding: NDArray[np.floating]
    """(token, unit)"""
    unembedding: NDArray[np.floating]
    """(token, unit)"""
    outer: Floats
    """(unit, axis) the unembedding's leading directions."""
    held: float
    """Share of the unembedding that they hold."""
    random: Floats
    """(draw, layer) overlaps of what is read with random subspaces."""

    @property
    def mean(self) -> float:
        """The overlap of directions at random, on average."""
        width, leading = self.outer.shape
        return float(leading / width)

    @property
    def own(self) -> Floats:
        """(layer,) the overlap of what is read with what the unembedding cares about."""
        return np.array([read.overlap for read in self.reads])

    @property
    def tokens(self) -> int:
        """How many tokens maps are learned from."""
        return int(self.chosen.ids.size)


@dataclass(frozen=True)
class _Read:
    """What one layer's map reads."""

    directions: Floats
    """(unit, axis)"""
    share: float
    """Of the map's squared coefficients that they hold."""
    overlap: float
    """With what the unembedding cares about."""
    without: Floats
    """(group,) the same of maps learned without each group of texts."""
    ridge: Ridge
    penalty: float


def _warnings(found: Reads, width: int) -> tuple[str, ...]:
    """Where overlap comes with the weights, and where maps of `width` inputs are learned from few tokens."""
    out = []
    if np.array_equal(found.embedding, found.unembedding):
        out.append(
            "Embedding and unembedding are one matrix here: the stream begins along the unembedding's own directions, so "
            "that overlap in early layers comes with the weights and says nothing of how tokens are kept."
        )
    if found.tokens < 2 * width:
        out.append(
            f"Maps of {width} inputs are learned from {found.tokens:,} tokens: what they read is hardly known, and lies the nearer to "
            "directions in which the stream varies most."
        )
    return tuple(out)
