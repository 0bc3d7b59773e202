"""AxesAgainstRotations: do the coordinate axes of the residual stream tell categories apart better than random ones?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.axis_streams import SITES, stream_of
from modclaims.families.halves import check_splits
from modclaims.families.null_histograms import null_histogram
from modclaims.families.selectivity import Cells
from modclaims.families.units import Units
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import Activations, ModelShape, Recording, Request
from modclaims.stats.actions import Design
from modclaims.stats.bootstrap import Bounds, Replicates, Resamples, bootstrap_t, resample, resample_groups
from modclaims.stats.evidence import Cell, Evidence, Exhibit, NullTest
from modclaims.stats.log_ratios import log_ratio
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.rotations import (
    SUMMARIES,
    WORKERS,
    Coordinates,
    Directions,
    Turning,
    UnitBasis,
    draws,
    shares,
    summarised,
)
from modclaims.stats.splits import Half, MedianBounds, picked_and_measured
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
RIVALS = 20
POINTS = 101
SUMMARY_WORDS = {
    "largest": "largest omega^2",
    "upper": "99th percentile of omega^2",
    "count": "share of directions with large omega^2",
}


class AxesAgainstRotations(Hypothesis):
    """The coordinate axes tell categories apart better than the axes of a random basis of the same space do.

    Two numbers that must agree. p: a summary of all axes' omega^2 at a layer (the largest; the 99th percentile; the share
    above a threshold) against the same summary after Haar-random rotations of the same activations, step-down over
    layers; under the null, rotating the activations in all layers alike does not change their law, given these texts.
    Effect: in 20 seeded splits, the axis with the largest omega^2 on one half of the texts, measured on the other, minus
    the mean over 20 random bases of their largest-picked direction, measured there in the same way; resampled crossed are
    texts and bases, and levels are twice the median over splits.

    Outliers are coordinates whose root mean square over texts exceeds `outliers` times the layer's median one; they are
    found anew in every basis and left out, of p and of the picking. omega^2 knows no scale, so standardising coordinates
    changes nothing.
    """

    site: str = "resid_post"
    """resid_post, resid_pre, attn_out, mlp_out, mlp_act or embed."""
    summary: str = "largest"
    """largest, upper (99th percentile) or count (share of directions at `threshold` or above)."""
    threshold: float = 0.14
    """omega^2 that counts, for summary = "count"."""
    rotations: int = 2999
    outliers: float | None = 5.0
    """None keeps all coordinates."""
    splits: int = 20
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "difference of omega^2"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.site not in SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(SITES)}.")
        if self.summary not in SUMMARIES:
            raise ClaimError(f"Summary {self.summary!r} is unknown; choose one of {', '.join(SUMMARIES)}.")
        if self.rotations < 99:
            raise ClaimError(
                f"rotations = {self.rotations}: p cannot fall below 1 / {self.rotations + 1}; take 99 or more."
            )
        if self.outliers is not None and self.outliers <= 1:
            raise ClaimError(f"outliers = {self.outliers:g}: half of the coordinates lie above 1 times their median.")
        check_splits(self.splits)

    def check(self, corpus: Corpus) -> None:
        Units.of(corpus, self.label, self.within).check_halves(self.label)

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        shape.resolve_layers(self._request())
        return (self._request(),)

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        units = Units.of(recording.corpus, self.label, self.within)
        design, name = units.design, type(self).__name__
        layers = recording.shape.resolve_layers(self._request())
        cells = tuple(Cell(layer=layer) for layer in layers)
        tokens = [np.asarray(recording.array(self._request(), layer), dtype=np.float64) for layer in layers]
        vectors = np.stack([units.responses(t.mean(axis=1)) for t in tokens])
        turning = Turning.of(vectors, design)
        own = turning.axes()
        kept = own.kept(self.outliers)
        at = np.linspace(0, max(1e-6, float(np.nanmax(np.where(kept, own.omega2, 0)))) * 1.05, POINTS)

        def one(rng: np.random.Generator) -> tuple[Floats, Floats]:
            found = turning.turned(rng)
            mask = found.kept(self.outliers)
            return summarised(found, mask, self.summary, self.threshold), shares(found, mask, at)

        drawn = draws(weighing.drawn(self.rotations), weighing.rng(name, design.digest, "rotations"), one)
        observed = summarised(own, kept, self.summary, self.threshold)
        null = np.concatenate([observed[None], np.stack([summary for summary, _ in drawn])])
        test = NullTest.of(
            f"{SUMMARY_WORDS[self.summary]} of {self.label}",
            null,
            1e-9 * np.abs(observed),
            exact=False,
            action="turning the coordinate axes at random",
            by=self.adjust,
        )
        bounds, picks = self._bounds(vectors, units, cells, weighing)
        bare = Evidence(cells, self.effect_name, bounds, test, units.n, n_units=units.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha).cell
        left_out = (own.varies & ~kept).sum(axis=1)
        favourite, often = _most_common([pick[named] for pick in picks])
        followed = np.stack([t[..., favourite] for t in tokens], axis=2)
        return Evidence(
            cells,
            self.effect_name,
            bounds,
            test,
            len(recording.corpus),
            unit=units.unit,
            n_units=units.n,
            resampled=f"{units.resampled} and random bases",
            exhibits=(
                _distributions(own, kept, [s for _, s in drawn], at, null, test, cells, self.summary, len(drawn)),
                stream_of(recording, self.label, followed, layers, f"axis {favourite}", self.site),
                null_histogram(test, named, cells),
            ),
            secondary={
                SUMMARY_WORDS[self.summary]: observed,
                f"{SUMMARY_WORDS[self.summary]}, median over rotations": np.median(null[1:], axis=0),
                "outlying coordinates left out": left_out.astype(np.float64),
            },
            warnings=units.warnings,
            note=(
                f"site {self.site}; outliers: root mean square above {self.outliers:g} x the median"
                if self.outliers is not None
                else f"site {self.site}; no coordinate left out"
            )
            + units.note,
            detail=f"On the first half of the texts axis {favourite} was picked most often there, in {often} of {self.splits} splits. "
            f"p is conditional on these texts; outlying coordinates left out: {int(left_out[named])}.",
        )

    def _bounds(
        self, vectors: Floats, units: Units, cells: Cells, weighing: Weighing
    ) -> tuple[MedianBounds, list[list[int]]]:
        """Best axis minus best random directions, picked and measured on disjoint halves; and the axes picked."""
        design, name = units.design, type(self).__name__
        layers, n, width = vectors.shape
        coordinates = Coordinates.of(vectors.reshape(-1, width))

        def one_split(split: int) -> tuple[list[NDArray[np.int64]], Bounds]:
            key = (name, design.digest, "split", str(split))
            turned = draws(RIVALS, stream(weighing.seed, *key, "bases"), coordinates.turned)
            bases = [vectors, *(t.reshape(layers, n, width) for t in turned)]

            def measured(half: Half, picked: list[NDArray[np.int64]]) -> Bounds:
                values = [array[:, np.arange(layers), best] for array, best in zip(half.arrays, picked, strict=True)]
                texts = resample(half.design, count=weighing.resamples, rng=weighing.rng(*key, "texts"))
                rivals = resample_groups(
                    np.zeros(RIVALS, dtype=np.int64),
                    count=weighing.resamples,
                    rng=weighing.rng(*key, "rivals"),
                )
                return _against_rivals(np.stack(values), half.design, texts, rivals)

            return picked_and_measured(
                [basis.transpose(1, 0, 2) for basis in bases],
                design,
                stream(weighing.seed, *key),
                lambda half: _best_directions(half, self.outliers),
                measured,
            )

        with ThreadPoolExecutor(WORKERS) as pool:  # splits have streams of their own, so that order is no matter
            picks, parts = zip(*pool.map(one_split, range(self.splits)), strict=True)
        return MedianBounds.of(parts), [[int(k) for k in picked[0]] for picked in picks]


def _best_directions(half: Half, outliers: float | None) -> list[NDArray[np.int64]]:
    """For each basis, from (unit, layer, direction) coordinates, each layer's direction with the largest omega^2."""
    basis, best = UnitBasis.of(half.design), []
    for array in half.arrays:
        directions = basis.directions(basis.rows(np.ascontiguousarray(array.transpose(1, 0, 2))))
        best.append(np.where(directions.kept(outliers), directions.omega2, -np.inf).argmax(axis=1))
    return best


def _against_rivals(responses: Floats, design: Design, texts: Resamples, rivals: Resamples) -> Bounds:
    """Bounds of omega^2 of row 0 minus the mean over the other rows of (1 + rival, unit, layer) responses.

    Texts (or their clusters) and rivals are resampled, crossed; influences by the chain rule from log(1 + f^2) to omega^2.
    """
    count, n, layers = len(responses) - 1, texts.times.shape[1], responses.shape[2]
    both = Resamples(
        np.hstack([texts.times, rivals.times]),
        np.concatenate([texts.groups, np.full(count, texts.groups.max() + 1)]),
        fixed=(int(texts.groups.max()) + 1,),
    )
    value, centre = np.empty((len(both.times), layers)), np.empty(layers)
    influence = np.empty((len(both.times), n + count, layers))
    for layer in range(layers):
        ratio = log_ratio(responses[:, :, layer].T, design, texts)
        plain = 1 - np.exp(-ratio.centre)
        centre[layer] = plain[0] - plain[1:].mean()
        for block in ratio.parts():
            rows = block.rows
            share, slope = rivals.times[rows] / count, np.exp(-block.value)
            omega2 = 1 - slope
            mean = (share * omega2[:, 1:]).sum(axis=1)
            value[rows, layer] = omega2[:, 0] - mean
            weights = np.hstack([slope[:, :1], -share * slope[:, 1:]])
            influence[rows, :n, layer] = block.influence(weights)
            influence[rows, n:, layer] = -(omega2[:, 1:] - mean[:, None]) / count
    return bootstrap_t(Replicates(value, influence, centre), both, ends=(-2.0, 2.0))


def _distributions(
    own: Directions,
    kept: NDArray[np.bool_],
    drawn: Sequence[Floats],
    at: Floats,
    null: Floats,
    test: NullTest,
    cells: Cells,
    summary: str,
    rotations: int,
) -> Exhibit:
    """omega^2 of axes and of random directions, as the share of directions at least so large."""
    random = np.stack(drawn)  # (rotation, layer, point)
    drawable = np.nan if summary == "count" else 1.0  # a share has no place on the axis of omega^2
    low, middle, high = np.quantile(null[1:], (0.05, 0.5, 0.95), axis=0)
    told = "; ".join(
        f"{cell}: {axes:.2f} against {m:.2f} [{a:.2f}, {b:.2f}]"
        for cell, axes, a, m, b in zip(cells, null[0], low, middle, high, strict=True)
    )
    return Exhibit(
        "two_distributions",
        "omega^2 of the axes and of random directions",
        f"Share of directions whose omega^2 is at least so large: the network's axes, and {rotations:,} random bases of the same "
        f"space (mean, 5 % to 95 %). {SUMMARY_WORDS[summary].capitalize()}, axes against the median basis: {told}.",
        {
            "at": at,
            "axes": shares(own, kept, at),
            "random": random.mean(axis=0),
            "random_low": np.quantile(random, 0.05, axis=0),
            "random_high": np.quantile(random, 0.95, axis=0),
            "summary_axes": drawable * null[0],
            "summary_random": drawable * np.stack([low, middle, high], axis=1),
            "p_adjusted": test.p_adjusted,
        },
        {"panels": [str(c) for c in cells], "summary": SUMMARY_WORDS[summary], "effect_name": "omega^2"},
    )


def _most_common(found: Sequence[int]) -> tuple[int, int]:
    """The most common entry, first come among equals, and how often it occurs."""
    best = max(dict.fromkeys(found), key=list(found).count)
    return best, list(found).count(best)
