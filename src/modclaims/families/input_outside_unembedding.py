"""InputOutsideUnembedding: is the token that was read kept in directions that the unembedding cares little about?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.null_histograms import null_histogram
from modclaims.families.token_maps import EMBEDDING, TokenMap, Tokens, bounds_of_means, resampled
from modclaims.families.units import Sample
from modclaims.look import Weighing
from modclaims.recording import ModelShape, Recording, Request, Weights
from modclaims.stats.bootstrap import Bounds
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.overlaps import jackknifed, leading_directions, overlap, random_overlaps
from modclaims.stats.quantifiers import AlongDepth, Holds, somewhere
from modclaims.stats.retrieval import one_cycle
from modclaims.stats.ridge import Inputs, Ridge, best_penalty, folds_of, leading_inputs
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
UNEMBEDDING = Weights("unembedding")
LEAST_DRAWS = 99
FOLDS, GROUPS = 5, 16
"""Parts of the texts that a penalty is chosen on, and groups of texts that are left out one by one (at most)."""


class InputOutsideUnembedding(TokenMap):
    """At some layer the token that was read is told from directions of the stream that the unembedding cares little about.

    At every layer one ridge map (closed form, its penalty chosen by foretelling other texts) leads from the stream at
    the positions read to the input embedding of the token there. The directions that it reads are its `dimensions`
    leading singular directions on the stream's side. What the unembedding cares about is spanned by the leading
    `leading` share of the singular directions of the unembedding matrix, less its mean over the vocabulary, since what
    raises all logits alike changes no prediction; norms are left out. Overlap is the mean squared cosine of the
    principal angles of both: the share of what is read that lies in there, for directions at random `leading` on
    average. The effect (avoidance) is 1 - overlap / that mean, by layer: 0 where the token is read as from directions
    at random, 1 where nothing of them lies in what the unembedding cares about, negative where it is read from there
    more than at random. The smallest effect of 0.2 is a fifth less than at random.

    p counts random subspaces at least as far away. Exchangeable under the null: the unembedding's leading subspace and
    one in Haar-random position, the same for all layers. Bounds are about new texts for this network: groups of texts
    are left out one by one, each time with a new map, and what each adds (the jackknife's pseudo-values) is resampled;
    the penalty stays as it was chosen.

    Two cautions. A map reads where the token is told best, and that turns away from what else varies there, however
    much of the token's own trace lies in it: a filter, not a pattern (Haufe et al. 2014). Where the stream puts the
    token is a control, and so is where a map reads that learned the control task. And where both embeddings are one
    matrix (tied weights), the stream enters the first layer along the unembedding's own directions, most of all the
    leading ones: what overlap there is in early layers comes with the weights and is no sign of storage as a guess of
    the output (nor is its lack where a map near the identity reads all directions alike), and avoidance later on takes
    something that moved the token; the verdict warns.

    Source: the question whether what is left of the input lies in parts of the stream of little relevance to the
    output.
    """

    dimensions: int = 16
    """Directions of each map, stated in advance."""
    leading: float = 0.5
    """Share of the stream's width that counts as what the unembedding cares about, stated in advance."""
    draws: int = 999
    """Random subspaces."""
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
        if isinstance(self.holds, AlongDepth):
            raise ClaimError(
                "InputOutsideUnembedding speaks of single layers; along_depth is not among its quantifiers."
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

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample, shape, name = Sample.of(recording.corpus), recording.shape, type(self).__name__
        key = (name, sample.design(self.draws))
        ids, layers = self.tokens(recording), self.looked_at(shape)
        embedding, unembedding = (np.asarray(recording.array(request)) for request in (EMBEDDING, UNEMBEDDING))
        if unembedding.shape[1] != shape.width:
            raise ClaimError(
                f"The unembedding of model {shape.name!r} reads {unembedding.shape[1]} numbers, the stream has {shape.width}."
            )
        chosen = Tokens.of(sample, ids, folds_of(sample.n, min(FOLDS, sample.n), stream(weighing.seed, *key, "folds")))
        left_out = Tokens.of(
            sample, ids, folds_of(sample.n, min(GROUPS, sample.n), stream(weighing.seed, *key, "groups"))
        )
        outer, held = leading_directions(unembedding, self._outer(shape))
        target = embedding[chosen.rows].astype(np.float64)
        reads = [self._read(self.stream_rows(recording, layer), target, chosen, left_out, outer) for layer in layers]
        mean = outer.shape[1] / shape.width
        own = np.array([read.overlap for read in reads])
        values = jackknifed(1 - own / mean, np.stack([1 - read.without / mean for read in reads], axis=1))
        resamples = resampled(len(values), weighing, name, f"{len(values)} groups")
        bounds = bounds_of_means(values, resamples, (1 - 1 / mean, 1.0))
        random = random_overlaps(
            [read.directions for read in reads],
            outer.shape[1],
            weighing.drawn(self.draws),
            weighing.rng(*key, "subspaces"),
        )
        test = NullTest.of(
            "avoidance",
            1 - np.concatenate([own[None], random]) / mean,
            np.full(len(layers), 1e-9),
            exact=False,
            action="putting the unembedding's leading subspace in random position",
            by=self.adjust,
        )
        cells = tuple(Cell(layer=layer) for layer in layers)
        bare = Evidence(cells, self.effect_name, bounds, test, sample.texts, n_units=sample.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha, weighing.claims).cell
        rows = self.stream_rows(recording, layers[named])
        return replace(
            bare,
            unit=sample.unit,
            resampled=f"groups of {sample.unit}s" if len(values) < sample.n else f"{sample.unit}s",
            controls=(
                self._pattern(reads[named], rows, outer, mean, layers[named]),
                self._control_task(
                    rows, embedding, chosen, outer, mean, layers[named], stream(weighing.seed, *key, "control")
                ),
            ),
            exhibits=(
                self._by_depth(reads, layers, shape.layers, bounds, random, outer, weighing.alpha),
                null_histogram(test, named, cells),
            ),
            secondary={
                "mean squared cosine of principal angles": own,
                "the same of random subspaces, analytic mean": np.full(len(layers), mean),
                "share of the map in these directions": np.array([read.share for read in reads]),
            },
            warnings=sample.warnings + self._warnings(embedding, unembedding, len(target), shape),
            note=f"site {self.site}, {self.dimensions} directions of a map learned from {len(target):,} tokens; the leading {outer.shape[1]} "
            f"of {shape.width} directions hold {100 * held:.0f} % of the unembedding; bounds from leaving out {len(values)} groups",
            detail=f"Of the {self.dimensions} directions read at layer {layers[named]}, which are {100 * reads[named].share:.0f} % of the map, "
            f"{100 * own[named]:.0f} % lie in the unembedding's leading {outer.shape[1]}, of random ones {100 * mean:.0f} %.",
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

    def _pattern(self, read: _Read, rows: Floats, outer: Floats, mean: float, layer: int) -> Control:
        """Where the stream puts what the map foretells, and where it varies at all."""
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
            f"foretells at layer {layer}, {100 * put:.0f} % lie in the unembedding's leading subspace (avoidance {1 - put / mean:.2f}), "
            f"and {100 * varies:.0f} % of all variance of the stream does.",
            {"overlap": put, "avoidance": 1 - put / mean, "variance": varies},
        )

    def _control_task(
        self,
        rows: Floats,
        embedding: NDArray[np.floating],
        chosen: Tokens,
        outer: Floats,
        mean: float,
        layer: int,
        rng: np.random.Generator,
    ) -> Control:
        """Where a map reads that learned which token is which by heart."""
        types, which = np.unique(chosen.rows, return_inverse=True)
        if len(types) < 2:
            raise ClaimError("One and the same token stands at every position read; choose other --positions.")
        target = embedding[types[one_cycle(len(types), rng)][which]].astype(np.float64)
        penalty = best_penalty(rows, target, chosen.row_folds)
        found = overlap(self._directions(rows, target, penalty)[0], outer)
        return Control(
            "control_task",
            f"A map learned to foretell other tokens' embeddings, one for each type, reads directions at layer {layer} of which "
            f"{100 * found:.0f} % lie in the unembedding's leading subspace (avoidance {1 - found / mean:.2f}).",
            {"overlap": found, "avoidance": 1 - found / mean},
        )

    def _warnings(
        self, embedding: NDArray[np.floating], unembedding: NDArray[np.floating], rows: int, shape: ModelShape
    ) -> tuple[str, ...]:
        out = []
        if np.array_equal(embedding, unembedding):
            out.append(
                "Embedding and unembedding are one matrix here: the stream begins along the unembedding's own directions, so "
                "that overlap in early layers comes with the weights and says nothing of how tokens are kept."
            )
        if rows < 2 * shape.width:
            out.append(
                f"Maps of {shape.width} inputs are learned from {rows:,} tokens: what they read is hardly known, and lies the nearer to "
                "directions in which the stream varies most."
            )
        return tuple(out)

    def _by_depth(
        self,
        reads: list[_Read],
        layers: tuple[int, ...],
        depth: int,
        bounds: Bounds,
        random: Floats,
        outer: Floats,
        alpha: float,
    ) -> Exhibit:
        """Squared cosines of the principal angles by relative depth, their mean, and that of random subspaces."""
        from scipy.linalg import subspace_angles

        cosines = np.stack([np.cos(subspace_angles(read.directions, outer)) ** 2 for read in reads])
        mean = outer.shape[1] / outer.shape[0]
        low, high = np.quantile(random, (alpha, 1 - alpha), axis=0)
        told = "; ".join(
            f"layer {layer}: {own.mean():.2f}, random [{a:.2f}, {b:.2f}]"
            for layer, own, a, b in zip(layers, cosines, low, high, strict=True)
        )
        return Exhibit(
            "input_angles",
            f"Directions that tell the token against the unembedding's leading subspace, {self.site}",
            f"Squared cosines of the {self.dimensions} principal angles by layer as dots, their mean with {100 * (1 - 2 * alpha):g} % bounds, "
            f"and the mean of random subspaces ({mean:.2f}; band: {100 * alpha:g} % to {100 * (1 - alpha):g} % of {len(random):,} draws). {told}.",
            {
                "depth": np.array(layers) / max(depth - 1, 1),
                "layer": np.array(layers),
                "cosines": cosines,
                "mean": cosines.mean(axis=1),
                "low": (1 - bounds.upper(alpha)) * mean,
                "high": (1 - bounds.lower(alpha)) * mean,
                "null_low": low,
                "null_high": high,
                "null_mean": np.full(len(layers), mean),
            },
            {"interval": f"{100 * (1 - 2 * alpha):g} % bounds"},
        )


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
