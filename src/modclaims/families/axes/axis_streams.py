"""AxisStreams: do the coordinate axes of the residual stream carry categories?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.axes.figures.stream import Stream
from modclaims.families.common import controls
from modclaims.families.common.halves import check_splits
from modclaims.families.common.plan_parts import labelled, measured_halves
from modclaims.families.common.selectivity import Answers, Cells, Selectivity
from modclaims.families.common.units import Units
from modclaims.look import Look
from modclaims.planning.context import PlanContext
from modclaims.planning.degenerate import degenerate_fits
from modclaims.planning.plan import TestPlan, counted_bounds, exchanged
from modclaims.recording import LAYER_SITES, Activations, ModelShape, Recording, Request, Weights, for_variant
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.bounds.splits import Half, MedianBounds, halves, median_test, picked_and_measured, smallest_half
from modclaims.stats.chance.actions import Design, count_arrangements, relabellings
from modclaims.stats.chance.merging import FACTOR
from modclaims.stats.evidence import Cell, Exhibit, NullTest
from modclaims.stats.nulls.rotations import Coordinates
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
SITES = ("embed", *LAYER_SITES)
BASES = ("axes", "pca", "nmf", "random", "unembedding_svd")
LEARNED = ("pca", "nmf")
Transform = Callable[[Floats], Floats]
"""From (text, position, unit) to (text, position, component)."""


class AxisStreams(Selectivity):
    """Single coordinates of the residual stream tell categories apart.

    A text's response is one coordinate, averaged over positions; cells are coordinates x layers. `basis`
    says along which directions the coordinates are taken. With a `category` the effect is superiority,
    2 P(a text of it responds more than one of another) - 1, positive when its texts respond as `answers`
    says; without one it is omega^2 of normal scores over categories, the share of the variance of ranks
    that categories explain, at most 1.

    p is that of mean ranks, or of F of the scores, under exchange of labels, step-down over all cells.
    Exchangeable under the null: the responses of texts, inside strata. Bounds are those of a score by
    Student's t (superiority) or of the bootstrap-t (omega^2). Components of a learned basis are learned,
    blind to labels, from the tokens of one half of the texts and tested on the other, and levels are
    merged over `splits`; component k is the k-th strongest of each split. That some coordinate carries a
    category does not make the basis special: any direction with a little of a strong one does too (see
    `AxesAgainstRotations`).

    Attributes
    ----------
    site : str, default 'resid_post'
        Where to look. One of 'embed', 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre' and 'resid_post'.
    basis : str, default 'axes'
        BasisEffects of the coordinates. One of 'axes' (the network's own), 'pca', 'nmf' (for activations
        that are never negative), 'random' (orthonormal) and 'unembedding_svd' (right singular vectors of
        the unembedding, largest first; not at site mlp_act).
    axes : tuple[int, ...] | None, default None
        Coordinates of basis 'axes' named in advance, from 0, the only cells; None for all.
    components : int, default 16
        Components of a learned basis ('pca', 'nmf'): at least 1.
    splits : int, default 20
        Splits of the texts in halves, for a learned basis: at least 5.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.

    References
    ----------
    Brunner & Munzel (2000), The nonparametric Behrens-Fisher problem. Elhage, Lasenby & Olah (2023),
    Privileged bases in the transformer residual stream.

    Examples
    --------
    >>> from modclaims import AxisStreams
    >>> from modclaims.calibration.examples import planted
    >>> class AnAxisCarriesTopics(AxisStreams):
    ...     "Some coordinate tells topics apart."
    >>> print(planted(AnAxisCarriesTopics, 3))
    SUPPORTED  omega^2 of normal scores 0.46 [0.10, 0.62] at layer 3, axis 7
    """

    site: str = "resid_post"
    basis: str = "axes"
    axes: tuple[int, ...] | None = None
    components: int = 16
    splits: int = 20
    layers: tuple[int, ...] | None = None

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
        check_splits(self.splits)

    def check(self, before: PlanContext) -> None:
        super().check(before)
        if self.basis in LEARNED:
            Units.of(before.corpus, self.label, self.within).check_halves(self.label)

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
        untrained = [for_variant(request, v) for v in controls.untrained_variants(self.untrained) for request in asked]
        return (*asked, controls.EMBED, *untrained)

    def _told(self) -> tuple[str, str, str]:
        note = f"site {self.site}, basis {self.basis}"
        if self.basis in LEARNED:
            note += f", {self.components} components learned on one half of the texts and tested on the other"
        what = "axis" if self.basis == "axes" else "component" if self.basis in LEARNED else "direction"
        return what, "coordinate", note

    def places(self, shape: ModelShape) -> int:
        width = shape.mlp_width if self.site == "mlp_act" else shape.width
        return width if self.axes is None else len(self.axes)

    def plan(self, before: PlanContext) -> TestPlan:
        if self.basis not in LEARNED:
            return super().plan(before)
        units, streams = Units.of(before.corpus, self.label, self.within), before.streams(type(self).__name__)
        tested, spent = measured_halves(units.design, streams, self.splits), list[float]()
        found = [count_arrangements(half, blind=self._blind) for half in tested]
        for split, half in enumerate(tested if self.category is None else ()):

            def resamples(half: Design = half, key: str = str(split)) -> Resamples:
                return self._resampled(half, streams, "split", key)

            spent.append(degenerate_fits(half, before.weighing.resamples, resamples))
        made = labelled(self, units, before)
        count = min(self.components, self.places(before.shape), len(before.positions) * smallest_half(units.design))
        made = replace(
            made,
            action=f"{made.action} in halves",
            bounds=counted_bounds(before, spent, FACTOR)
            if self.category is None
            else self._least_of_order(before, tested, FACTOR),
            cells=before.cells(self.holds, self._request(), count),
            test=exchanged(found, before, FACTOR),
            arrangements=min(found),
        )
        return replace(made, perfect=self._refuting(made, tested, FACTOR))

    def responses(self, look: Look, variant: str | None = None) -> tuple[Cells, Floats]:
        """Along fixed directions; along learned ones, those of the first split's first half."""
        recording, layers = look.recording, look.shape.resolve_layers(self._request())
        units = Units.of(look.corpus, self.label, self.within)
        columns = []
        for layer in layers:
            tokens = self._tokens(recording, layer, variant)
            if self.basis in LEARNED:
                learners = units.texts(self._halves(look, units.design, 0)[0])
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

    def _halves(self, look: Look, design: Design, split: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        return halves(design, look.lasting_rng("split", str(split), design=design.digest))

    def _tested(self, look: Look, units: Units) -> Answers:
        """As for any cells; for a learned basis in splits, whose responses on show are those of the first."""
        if self.basis not in LEARNED:
            return super()._tested(look, units)
        tokens = [self._tokens(look.recording, layer) for layer in look.shape.resolve_layers(self._request())]
        for t in tokens:
            self._check_sign(t)
        tests, parts = [], []
        for split in range(self.splits):

            def tested(half: Half, directions: list[Transform], key: str = str(split)) -> tuple[NullTest, Bounds]:
                values = np.concatenate(
                    [along(t).mean(axis=1) for along, t in zip(directions, half.arrays, strict=True)], axis=1
                )
                y = units.pooled(values, half.units)
                return self._weighed(look, half.design, y, units, "split", key)[:2]

            _, (test, bounds) = picked_and_measured(
                tokens,
                units.design,
                look.lasting_rng("split", str(split), design=units.design.digest),
                lambda half: [self._learned(t, self._count(units.design, t)) for t in half.arrays],
                tested,
                rows=units.texts,
            )
            tests.append(test)
            parts.append(bounds)
        cells, shown = self.responses(look)
        arrangements = relabellings(
            units.design,
            budget=min(look.settings.permutations, controls.CONTROL_DRAWS),
            rng=look.lasting_rng("relabellings", design=units.design.digest),
            blind=self._blind,
        )
        y, test, bounds = units.responses(shown), median_test(tests, 0), MedianBounds.of(parts)
        return Answers(units, cells, y, test, bounds, arrangements)

    def _beside(self, found: Answers) -> dict[str, Floats]:
        if self.basis in LEARNED:
            return {}
        return {"correlation with the layer before": _persistence(found.cells, found.y)}

    def _followed(self, found: Answers, named: int, alpha: float) -> str:
        """Over which neighbouring layers the named coordinate carries the label."""
        cells, test = found.cells, found.test
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
            return f" In the layers beside it the same {self._told()[0]} does not (adjusted p above {level})."
        return f" The same {self._told()[0]} does so, with adjusted p at most {level}, from layer {layers[low]} to {layers[high]}."

    def _pictures(self, look: Look, found: Answers, named: int) -> tuple[Exhibit, ...]:
        recording, units, layers = look.recording, found.units, look.shape.resolve_layers(self._request())
        tokens = [self._tokens(recording, layer) for layer in layers]
        cell, k = found.cells[named], found.cells[named].axis or 0
        if self.basis in LEARNED:  # one direction, that of the named layer, followed through all of them
            learners = units.texts(self._halves(look, units.design, 0)[0])
            here = tokens[layers.index(cell.layer or 0)]
            transform = self._learned(here[learners], self._count(units.design, here))
            values = [transform(t)[..., k] for t in tokens]
        else:
            which = k if self.axes is None else self.axes.index(k)
            values = [self._along(t, recording)[..., which] for t in tokens]
        return (
            stream_of(recording, self.label, np.stack(values, axis=2), layers, f"{self._told()[0]} {k}", self.site),
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
    return Stream(
        f"The stream of {coordinate}",
        f"Value of {coordinate} of {site} by layer, a line for each of {texts} texts at each of {positions} positions, hue by "
        f"{label} and shade by text, zoomed on the middle 98 % and whole. Means at layer {layers[-1]}: {last}.",
        values=values.reshape(texts * positions, -1).astype(np.float32),
        text=np.repeat(np.arange(texts), positions),
        layer=np.array(layers),
        depth=np.array(layers) / max(recording.shape.layers - 1, 1),
        categories=tuple(categories),
        ids=tuple(t.id for t in corpus.texts),
        coordinate=coordinate,
        site=site,
    ).exhibit()


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
