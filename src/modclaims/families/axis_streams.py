"""AxisStreams: do the coordinate axes of the residual stream carry categories, and more than random directions?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families import controls
from modclaims.families.category_clustering import null_histogram
from modclaims.families.selectivity import Cells, Selectivity
from modclaims.families.units import Sample, Units
from modclaims.hypothesis import Hypothesis, Weighing
from modclaims.recording import (
    LAYER_SITES,
    Activations,
    ModelShape,
    Positions,
    Recording,
    Request,
    Weights,
    for_variant,
)
from modclaims.stats.actions import Arrangements, Design, relabellings
from modclaims.stats.bootstrap import Bounds, Replicates, Resamples, bootstrap_t, resample, resample_groups
from modclaims.stats.effects import log_ratio
from modclaims.stats.evidence import Cell, Evidence, Exhibit, NullTest
from modclaims.stats.null_objects import MIN_DRAWS, against_null, resample_texts_and_draws
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.rotations import (
    SUMMARIES,
    WORKERS,
    Coordinates,
    Directions,
    Turning,
    UnitBasis,
    draws,
    gaussian_kurtosis,
    kurtosis,
    shares,
    summarised,
)
from modclaims.stats.splits import Half, MedianBounds, halves, median_test, picked_and_measured, smallest_half
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
SITES = ("embed", *LAYER_SITES)
BASES = ("axes", "pca", "nmf", "random", "unembedding_svd")
LEARNED = ("pca", "nmf")
Transform = Callable[[Floats], Floats]
"""From (text, position, unit) to (text, position, component)."""
RIVALS = 20
POINTS = 101
FIRST = Positions("0")
MIN_UNITS = 6


class AxisStreams(Selectivity):
    """Single coordinates of the residual stream tell categories apart.

    A text's response is one coordinate, averaged over positions; cells are coordinates x layers. `basis` says along
    which directions the coordinates are taken: the network's own `axes`; `random` orthonormal ones; the right singular
    vectors of the unembedding (`unembedding_svd`), largest first; or `pca` and `nmf` components. Components are learned,
    blind to labels, from the tokens of one half of the texts (by layer) and tested on the other, in 20 seeded splits;
    levels are twice the median over splits; component k is the k-th strongest of each split. The effect is omega^2 of the response over categories, given strata; p is
    that of F under exchange of labels, studentised and step-down over all cells. Exchangeable under the null: the
    responses of texts, inside strata.
    """

    site: str = "resid_post"
    """resid_post, resid_pre, attn_out, mlp_out, mlp_act or embed."""
    basis: str = "axes"
    """axes, pca, nmf, random or unembedding_svd."""
    axes: tuple[int, ...] | None = None
    """Axes (of `basis` axes) named in advance, from 0; None for all."""
    components: int = 16
    """Components of a learned basis."""
    splits: int = 20
    """Splits in halves, for a learned basis."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""

    def validate(self) -> None:
        super().validate()
        if self.site not in SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(SITES)}.")
        if self.basis not in BASES:
            raise ClaimError(f"Basis {self.basis!r} is unknown; choose one of {', '.join(BASES)}.")
        if self.basis == "unembedding_svd" and self.site == "mlp_act":
            raise ClaimError("The unembedding reads the residual stream; basis = 'unembedding_svd' needs another site.")
        if self.axes is not None:
            numbers = all(isinstance(k, int) and k >= 0 for k in self.axes)
            if self.basis != "axes" or not self.axes or not numbers or len(set(self.axes)) < len(self.axes):
                raise ClaimError(f"axes = {self.axes} must name coordinates of basis 'axes', from 0, such as (13,).")
        if self.components < 1:
            raise ClaimError(f"components = {self.components}: at least 1 is needed.")
        _check_splits(self.splits)

    def check(self, corpus: Corpus) -> None:
        units = Units.of(corpus, self.label, self.within)
        if self.basis in LEARNED:
            units.check_halves(self.label)

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        width = shape.mlp_width if self.site == "mlp_act" else shape.width
        if self.axes is not None and max(self.axes) >= width:
            raise ClaimError(
                f"axes = {self.axes}: model {shape.name!r} has coordinates 0 to {width - 1} at site {self.site!r}."
            )
        asked: list[Request] = [mine]
        if self.basis == "unembedding_svd":
            asked.append(Weights("unembedding"))
        twins = [for_variant(request, v) for v in controls.twin_variants(self.twins) for request in asked]
        return (*asked, controls.EMBED, *twins)

    def _words(self) -> tuple[str, str, str]:
        note = f"site {self.site}, basis {self.basis}"
        if self.basis in LEARNED:
            note += f", {self.components} components learned on one half of the texts and tested on the other"
        what = "axis" if self.basis == "axes" else "component" if self.basis in LEARNED else "direction"
        return what, "coordinate", note

    def _responses(self, recording: Recording, weighing: Weighing, variant: str | None = None) -> tuple[Cells, Floats]:
        """Along fixed directions; along learned ones, those of the first split's first half."""
        layers = recording.shape.resolve_layers(self._request())
        units = Units.of(recording.corpus, self.label, self.within)
        columns = []
        for layer in layers:
            tokens = self._tokens(recording, layer, variant)
            if self.basis in LEARNED:
                learners = units.texts(self._halves(units.design, weighing.seed, 0)[0])
                self._check_sign(tokens)
                columns.append(self._learned(tokens[learners], self._count(units.design, tokens))(tokens))
            else:
                columns.append(self._along(tokens, recording, variant))
        found = np.concatenate([column.mean(axis=1) for column in columns], axis=1)
        return tuple(self._cells(layers, columns[0].shape[2])), found

    def _cells(self, layers: Sequence[int], directions: int) -> Iterator[Cell]:
        """Layers x directions, of the axes that were named if any were."""
        for layer in layers:
            for k in range(directions):
                yield Cell(layer=layer, axis=k if self.axes is None else self.axes[k])

    def _tokens(self, recording: Recording, layer: int, variant: str | None = None) -> Floats:
        """(text, position, unit)."""
        return np.asarray(recording.array(for_variant(self._request(), variant), layer), dtype=np.float64)

    def _along(self, tokens: Floats, recording: Recording, variant: str | None = None) -> Floats:
        """(text, position, direction) coordinates in a basis that no text decides."""
        if self.basis == "axes":
            return tokens if self.axes is None else tokens[..., list(self.axes)]
        return np.asarray(tokens @ self._fixed(recording, tokens.shape[-1], variant))

    def _fixed(self, recording: Recording, width: int, variant: str | None) -> Floats:
        """(unit, direction) of a basis that no text decides."""
        if self.basis == "random":
            return Coordinates.of(np.eye(width)).turned(stream(0, "random basis", str(width)))
        matrix = np.asarray(recording.array(Weights("unembedding", variant=variant)), dtype=np.float64)
        return np.asarray(np.linalg.eigh(matrix.T @ matrix)[1][:, ::-1])

    def _check_sign(self, tokens: Floats) -> None:
        """Raises `ClaimError` where a basis of non-negative parts meets negative activations."""
        if self.basis == "nmf" and tokens.min() < 0:
            raise ClaimError(
                f"Site {self.site!r} has negative activations (down to {tokens.min():.2g}); basis = 'nmf' needs non-negative "
                "ones, such as site = 'mlp_act' of a network with ReLU."
            )

    def _learned(self, tokens: Floats, count: int) -> Transform:
        """What turns (text, position, unit) into (text, position, component), `count` of them learned from these tokens."""
        from sklearn.decomposition import NMF, PCA

        seen = tokens.reshape(-1, tokens.shape[-1])
        if self.basis == "pca":
            model, order = PCA(count, svd_solver="full").fit(seen), np.arange(count)
        else:
            model = NMF(count, init="nndsvda", max_iter=400, tol=1e-3, random_state=0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a fit that has not converged is a direction like another
                weights = model.fit_transform(seen)
            order = np.argsort(
                -np.linalg.norm(model.components_, axis=1) * np.linalg.norm(weights, axis=0), kind="stable"
            )

        def transform(values: Floats) -> Floats:
            flat = values.reshape(-1, values.shape[-1])
            found = model.transform(flat)
            return np.asarray(found[:, order], dtype=np.float64).reshape(*values.shape[:2], -1)

        return transform

    def _count(self, design: Design, tokens: Floats) -> int:
        """Components that the tokens of the smallest half can carry."""
        return int(min(self.components, tokens.shape[2], tokens.shape[1] * smallest_half(design)))

    def _halves(self, design: Design, seed: int, split: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return halves(design, stream(seed, type(self).__name__, design.digest, "split", str(split)))

    def _tested(
        self, recording: Recording, units: Units, weighing: Weighing
    ) -> tuple[Cells, Floats, NullTest, Bounds, Arrangements]:
        """As for any cells; for a learned basis in splits, whose responses on show are those of the first."""
        if self.basis not in LEARNED:
            return super()._tested(recording, units, weighing)
        layers, name = recording.shape.resolve_layers(self._request()), type(self).__name__
        tokens = [self._tokens(recording, layer) for layer in layers]
        for t in tokens:
            self._check_sign(t)
        tests, parts = [], []
        for split in range(self.splits):

            def tested(half: Half, directions: list[Transform], key: str = str(split)) -> tuple[NullTest, Bounds]:
                values = np.concatenate(
                    [along(t).mean(axis=1) for along, t in zip(directions, half.arrays, strict=True)], axis=1
                )
                y = units.pooled(values, half.units)
                return self._weighed(half.design, y, units, weighing, name, "split", key)[:2]

            _, (test, bounds) = picked_and_measured(
                tokens,
                units.design,
                stream(weighing.seed, name, units.design.digest, "split", str(split)),
                lambda half: [self._learned(t, self._count(units.design, t)) for t in half.arrays],
                tested,
                rows=units.texts,
            )
            tests.append(test)
            parts.append(bounds)
        cells, shown = self._responses(recording, weighing)
        arrangements = relabellings(
            units.design,
            budget=min(weighing.permutations, controls.CONTROL_DRAWS),
            rng=stream(weighing.seed, name, units.design.digest, "relabellings"),
            blind="jointly",
        )
        return cells, units.responses(shown), median_test(tests, 0), MedianBounds.of(parts), arrangements

    def _beside(self, cells: Cells, y: Floats) -> dict[str, Floats]:
        if self.basis in LEARNED:
            return {}
        return {"correlation with the layer before": _persistence(cells, y)}

    def _followed(self, cells: Cells, test: NullTest, named: int, alpha: float) -> str:
        """Over which neighbouring layers the named coordinate carries the label."""
        if self.basis in LEARNED:
            return ""
        same = {c.layer or 0: i for i, c in enumerate(cells) if c.axis == cells[named].axis}
        layers = sorted(same)
        if len(layers) == 1:
            return ""
        here = layers.index(cells[named].layer or 0)
        if test.p_adjusted[named] > alpha:
            return ""
        low = high = here
        while low > 0 and test.p_adjusted[same[layers[low - 1]]] <= alpha:
            low -= 1
        while high + 1 < len(layers) and test.p_adjusted[same[layers[high + 1]]] <= alpha:
            high += 1
        level = f"{alpha:g}".removeprefix("0")
        if low == high:
            return f" In the layers beside it the same {self._words()[0]} does not (adjusted p above {level})."
        return f" The same {self._words()[0]} does so, with adjusted p at most {level}, from layer {layers[low]} to {layers[high]}."

    def _pictures(
        self,
        recording: Recording,
        units: Units,
        cells: Cells,
        y: Floats,
        bounds: Bounds,
        test: NullTest,
        named: int,
        weighing: Weighing,
    ) -> tuple[Exhibit, ...]:
        layers = recording.shape.resolve_layers(self._request())
        tokens = [self._tokens(recording, layer) for layer in layers]
        cell, k = cells[named], cells[named].axis or 0
        if self.basis in LEARNED:  # one direction, that of the named layer, followed through all of them
            learners = units.texts(self._halves(units.design, weighing.seed, 0)[0])
            here = tokens[layers.index(cell.layer or 0)]
            transform = self._learned(here[learners], self._count(units.design, here))
            values = [transform(t)[..., k] for t in tokens]
        else:
            which = k if self.axes is None else self.axes.index(k)
            values = [self._along(t, recording)[..., which] for t in tokens]
        return (
            stream_of(recording, self.label, np.stack(values, axis=2), layers, f"{self._words()[0]} {k}", self.site),
        )


def stream_of(
    recording: Recording, label: str, values: Floats, layers: Sequence[int], coordinate: str, site: str
) -> Exhibit:
    """One coordinate through the layers, from (text, position, layer) values: a line for each text and position."""
    texts, positions, _ = values.shape
    corpus = recording.corpus
    categories = list(corpus.values(label))
    means = {
        name: values[[c == name for c in categories]].mean(axis=(0, 1)) for name in sorted(dict.fromkeys(categories))
    }
    last = "; ".join(f"{name} {mean[-1]:.2g}" for name, mean in means.items())
    return Exhibit(
        "stream",
        f"The stream of {coordinate}",
        f"Value of {coordinate} of {site} by layer, a line for each of {texts} texts at each of {positions} positions, hue by "
        f"{label} and shade by text, zoomed on the middle 98 % and whole. Means at the last layer: {last}.",
        {
            "values": values.reshape(texts * positions, -1).astype(np.float32),
            "text": np.repeat(np.arange(texts), positions),
            "layer": np.array(layers),
            "depth": np.array(layers) / max(recording.shape.layers - 1, 1),
        },
        {"categories": categories, "ids": [t.id for t in corpus.texts], "coordinate": coordinate, "site": site},
    )


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
        _check_splits(self.splits)

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

        drawn = draws(self.rotations, stream(weighing.seed, name, design.digest, "rotations"), one)
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
                _distributions(own, kept, [s for _, s in drawn], at, null, test, cells, self.summary, self.rotations),
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
                texts = resample(half.design, count=weighing.resamples, rng=stream(weighing.seed, *key, "texts"))
                rivals = resample_groups(
                    np.zeros(RIVALS, dtype=np.int64),
                    count=weighing.resamples,
                    rng=stream(weighing.seed, *key, "rivals"),
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


SUMMARY_WORDS = {
    "largest": "largest omega^2",
    "upper": "99th percentile of omega^2",
    "count": "share of directions with large omega^2",
}


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
        f"{cell} {axes:.2f} against {m:.2f} [{a:.2f}, {b:.2f}]"
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


class HeavyTails(Hypothesis):
    """Single coordinates of the residual stream hold far more of a token than they would in a random basis.

    Kurtosis over the coordinates of one token, about their mean, averaged over positions, minus the same after
    Haar-random rotations of all activations. A rotated token has 3 (d - 1) / (d + 1) on average, which is the Gaussian
    value at finite width. Sampled, and resampled crossed, are texts and rotations; p is read off the bootstrap bound. The
    first token, on which many networks park large coordinates, is left out unless `first_token` is set, and shown apart.
    """

    site: str = "resid_post"
    """resid_post, resid_pre, attn_out, mlp_out, mlp_act or embed."""
    first_token: bool = False
    """Whether the first token of each text counts like the run's positions."""
    standardised: bool = False
    """Whether each coordinate is first brought to mean 0 and spread 1 over all tokens of its layer, in every basis anew."""
    draws: int = MIN_DRAWS
    """Random rotations."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    holds: Holds = somewhere()
    smallest_effect: float = 1.0
    effect_name: ClassVar[str] = "kurtosis above rotated"

    def validate(self) -> None:
        super().validate()
        if self.site not in SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(SITES)}.")
        if self.draws < MIN_DRAWS:
            raise ClaimError(f"draws = {self.draws}: a bound over rotations needs at least {MIN_DRAWS} of them.")

    def columns(self) -> tuple[str, ...]:
        """None: the claim compares bases, not categories."""
        return ()

    def check(self, corpus: Corpus) -> None:
        sample = Sample.of(corpus)
        if sample.n < MIN_UNITS:
            raise ClaimError(
                f"{sample.n} {sample.unit}s of corpus {corpus.name!r} carry this claim; it needs at least {MIN_UNITS} to say how "
                "much texts vary. Add texts."
            )

    def _requests(self) -> tuple[Activations, Activations]:
        return Activations(self.site, self.layers), Activations(self.site, self.layers, positions=FIRST)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        shape.resolve_layers(self._requests()[0])
        return self._requests()

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus)
        request, first = self._requests()
        layers = recording.shape.resolve_layers(request)
        cells = tuple(Cell(layer=layer) for layer in layers)
        name = type(self).__name__
        later = [i for i, position in enumerate(recording.positions) if position > 0]
        if not later:
            raise ClaimError("The run reads the first token alone; HeavyTails needs further --positions.")
        # (layer, text, 1 + position, unit), the first token first
        tokens = np.stack(
            [
                np.concatenate(
                    [
                        np.asarray(recording.array(first, layer), dtype=np.float64),
                        np.asarray(recording.array(request, layer), dtype=np.float64)[:, later],
                    ],
                    axis=1,
                )
                for layer in layers
            ]
        )
        coordinates = Coordinates.of(tokens.reshape(-1, tokens.shape[-1]))

        def measured(values: Floats) -> Floats:
            """(unit, layer, with and without the first token and it alone)."""
            if self.standardised:
                spread = values[:, :, 1:].std(axis=(1, 2), keepdims=True)
                values = (values - values[:, :, 1:].mean(axis=(1, 2), keepdims=True)) / np.where(spread > 0, spread, 1)
            found = kurtosis(values)
            each = np.stack([found[:, :, 1:].mean(axis=2), found.mean(axis=2), found[:, :, 0]], axis=2)
            return sample.units(each.transpose(1, 0, 2))

        own = measured(tokens)
        turned = draws(
            self.draws,
            stream(weighing.seed, name, sample.design(self.draws), "rotations"),
            lambda rng: measured(coordinates.turned(rng).reshape(tokens.shape)),
        )
        rotated = np.stack(turned)  # (draw, unit, layer, kind)
        kind = 1 if self.first_token else 0
        resamples = resample_texts_and_draws(
            sample.n,
            self.draws,
            count=weighing.resamples,
            rng=stream(weighing.seed, name, sample.design(self.draws), "resamples"),
        )
        bounds = bootstrap_t(against_null(-own[:, :, kind], -rotated[..., kind], resamples), resamples, means=True)
        gaussian = gaussian_kurtosis(tokens.shape[-1])
        bare = Evidence(cells, self.effect_name, bounds, None, sample.texts, n_units=sample.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha).cell
        mean = own.mean(axis=0)
        return Evidence(
            cells,
            self.effect_name,
            bounds,
            None,
            len(recording.corpus),
            unit=sample.unit,
            n_units=sample.n,
            resampled=f"{sample.unit}s and rotations",
            exhibits=(self._picture(own, rotated, kind, layers, recording.shape.layers, gaussian),),
            secondary={
                "kurtosis without the first token": mean[:, 0],
                "kurtosis with the first token": mean[:, 1],
                "kurtosis at the first token": mean[:, 2],
                "kurtosis rotated": rotated[..., kind].mean(axis=(0, 1)),
            },
            warnings=sample.warnings,
            note=f"site {self.site}, {'with' if self.first_token else 'without'} the first token"
            + (", coordinates standardised" if self.standardised else ""),
            detail=f"Kurtosis there is {mean[named, kind]:.2f}, {rotated[:, :, named, kind].mean():.2f} in rotated bases "
            f"(Gaussian at this width: {gaussian:.2f}), and {mean[named, 2]:.2f} at the first token alone.",
        )

    def _picture(
        self, own: Floats, rotated: Floats, kind: int, layers: Sequence[int], depth: int, gaussian: float
    ) -> Exhibit:
        by_draw = rotated[..., kind].mean(axis=1)
        mean = own[:, :, kind].mean(axis=0)
        return Exhibit(
            "kurtosis_by_depth",
            "Kurtosis over coordinates by relative depth",
            f"Mean kurtosis of a token's coordinates by layer, {'with' if self.first_token else 'without'} the first token: "
            f"{', '.join(f'{v:.1f}' for v in mean)}; rotated: {', '.join(f'{v:.2f}' for v in by_draw.mean(axis=0))}; at the first token: "
            f"{', '.join(f'{v:.1f}' for v in own[:, :, 2].mean(axis=0))}. Gaussian: {gaussian:.2f}.",
            {
                "depth": np.array(layers) / max(depth - 1, 1),
                "layer": np.array(layers),
                "own": mean,
                "low": own[:, :, kind].min(axis=0),
                "high": own[:, :, kind].max(axis=0),
                "rotated_mean": by_draw.mean(axis=0),
                "rotated_low": by_draw.min(axis=0),
                "rotated_high": by_draw.max(axis=0),
                "first": own[:, :, 2].mean(axis=0),
                "gaussian": np.array(gaussian),
            },
            {"site": self.site},
        )


def _persistence(cells: Cells, y: Floats) -> Floats:
    """(cell,) correlation over units of each coordinate with itself in the layer before; blank in the first."""
    at = {(c.layer, c.axis): i for i, c in enumerate(cells)}
    centred = y - y.mean(axis=0)
    size = np.linalg.norm(centred, axis=0)
    out = np.full(len(cells), np.nan)
    for i, c in enumerate(cells):
        before = at.get(((c.layer or 0) - 1, c.axis))
        if before is not None and size[i] > 0 and size[before] > 0:
            out[i] = float(centred[:, i] @ centred[:, before] / (size[i] * size[before]))
    return out


def _most_common(found: Sequence[int]) -> tuple[int, int]:
    """The most common entry, first come among equals, and how often it occurs."""
    best = max(dict.fromkeys(found), key=list(found).count)
    return best, list(found).count(best)


def _check_splits(splits: int) -> None:
    if splits < 5:
        raise ClaimError(f"splits = {splits}: one split is a lottery, at least 5 are needed.")
