"""WeightClusterability: do a network's MLPs fall into parts that few weights join?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.weights.figures.by_clusters import ByClusters
from modclaims.families.weights.weight_claims import NullComparison, WeightClaim, WeightMeasurement, by_depth, matrix
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.recording import ModelShape, Request, Weights
from modclaims.stats.evidence import Control, Exhibit
from modclaims.stats.maps.weight_graphs import SCORES, WeightGraph, clustered, shuffled

Floats = NDArray[np.float64]
Matrices = tuple[NDArray[np.float32], ...]
NULLS = {
    "matrix": "shuffling weights inside each matrix",
    "nonzero": "shuffling weights that are not zero among their own places",
    "neuron": "shuffling each neuron's own weights, in and out",
}
FEW = 20
"""Null objects for other numbers of clusters and for the other score, the first of the claim's own."""
OTHER_DRAWS = 20
"""Null objects of the other kinds, at the named layer."""
WORDS = {"n_cut": "n-cut", "modularity": "Newman's Q"}


class WeightClusterability(WeightClaim):
    """An MLP's weight graph falls into clusters that fewer weights join than in the same weights shuffled.

    The graph of one MLP joins inputs to neurons and neurons to outputs by absolute weights (in a gated MLP
    by the sum of both matrices'), without norms or biases. It is cut into `clusters` parts by spectral
    clustering, and so is every shuffle, anew. The effect (relative drop) is 1 - n-cut / mean n-cut of the
    shuffles; positive when fewer weights join the parts. With `score = "modularity"` it is Newman's Q minus
    its mean over shuffles, positive alike. Cells are layers.

    p counts shuffles at least as extreme. Exchangeable under the null: what `null` says. The interval is
    the Monte Carlo error of the shuffles' mean; nothing is said beyond this network. A shuffle that breaks
    more than the clusters (some neurons' large weights, zeros) lets any structure pass for clusters: the
    other kinds of shuffle are controls. A large z may go with a tiny drop: z is reported and decides
    nothing.

    Attributes
    ----------
    clusters : int, default 12
        Parts that each graph is cut into, stated in advance: at least 2.
    others : tuple[int, ...], default (2, 4, 8, 16)
        Other numbers of parts that are shown; each at least 2, () for none.
    score : str, default 'n_cut'
        One of 'n_cut' (normalised cut) and 'modularity' (Newman's Q).
    null : str, default 'matrix'
        What is shuffled, and inside what. One of 'matrix' (all weights of a matrix), 'nonzero' (those that
        are not zero, among their own places) and 'neuron' (each neuron's own).
    smallest_effect : float, default 0.05
        Share of the n-cut, or Newman's Q, from 0 to below 1.

    References
    ----------
    Filan et al. (2021), Clusterability in neural networks. Shi & Malik (2000), Normalized cuts and image
    segmentation. Newman (2006), Modularity and community structure in networks.

    Examples
    --------
    >>> from modclaims import WeightClusterability
    >>> from modclaims.calibration.examples import planted
    >>> class MLPsAreClusterable(WeightClusterability):
    ...     "Some MLP falls into twelve parts."
    >>> print(planted(MLPsAreClusterable, 0))
    REFUTED  relative drop -0.001 [-0.004, 0.002] at layer 0
    """

    clusters: int = 12
    others: tuple[int, ...] = (2, 4, 8, 16)
    score: str = "n_cut"
    null: str = "matrix"
    smallest_effect: float = 0.05
    effect_name: ClassVar[str] = "relative drop"
    largest_effect: ClassVar[float] = 1.0

    @property
    def action(self) -> str:
        return NULLS[self.null]

    def validate(self) -> None:
        super().validate()
        if self.score not in SCORES:
            raise ClaimError(f"Score {self.score!r} is unknown; choose one of {', '.join(SCORES)}.")
        if self.null not in NULLS:
            raise ClaimError(f"Null {self.null!r} is unknown; choose one of {', '.join(NULLS)}.")
        if few := [count for count in (self.clusters, *self.others) if count < 2]:
            raise ClaimError(f"clusters = {few[0]}: a graph is cut into at least 2 parts.")

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        most = min(2 * shape.width, shape.mlp_width)
        if large := [count for count in (self.clusters, *self.others) if count > most]:
            raise ClaimError(f"clusters = {large[0]}: the MLPs of model {shape.name!r} have at most {most} parts.")
        found = self._matrices(shape)
        shape.resolve_layers(found[0])
        return found

    def _matrices(self, shape: ModelShape) -> tuple[Weights, ...]:
        names = ("mlp_in", "mlp_gate", "mlp_out") if shape.gated else ("mlp_in", "mlp_out")
        return tuple(Weights(name, self.layers) for name in names)

    def _compared(self, look: Look) -> Cuts:
        recording = look.recording
        requests = self._matrices(recording.shape)
        layers = recording.shape.resolve_layers(requests[0])
        mlps = tuple(_by_neuron([matrix(recording, r, layer) for r in requests]) for layer in layers)
        counts = tuple(sorted({self.clusters, *self.others}))
        here, mine = counts.index(self.clusters), SCORES.index(self.score)
        own = np.stack([clustered(WeightGraph.of(*mlp), counts) for mlp in mlps])  # (layer, count, score)
        null = np.empty((self.draws, len(layers)))
        few = np.empty((0 if look.settings.bare else min(FEW, len(null)), *own.shape))
        rng = look.rng("shuffles", design=f"{mlps[0][0].shape} x {len(requests)}")
        for draw, orders in enumerate(_orders(mlps[0], len(null), rng)):
            for at, mlp in enumerate(mlps):
                graph = _graph(mlp, orders, self.null)
                if draw < len(few):
                    few[draw, at] = clustered(graph, counts)
                    null[draw, at] = few[draw, at, here, mine]
                else:
                    null[draw, at] = clustered(graph, (self.clusters,))[0, mine]
        beside = NullComparison(
            layers,
            own[:, here, mine],
            null,
            "drop" if self.score == "n_cut" else "difference",
            f"{WORDS[self.score]} of {self.clusters} clusters",
            rounding=1e-6,
            ends=(-np.inf, 1.0),
        )
        return Cuts(beside, self._resamples(look, null), mlps, counts, own, few)

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        cuts = measured.kept(Cuts)
        at, here = self._shown(cuts, named), cuts.counts.index(self.clusters)
        layer, own = cuts.beside.layers[at], cuts.own[at, here, SCORES.index(self.score)]
        found = [self._other(look, kind, cuts.mlps[at], own, layer) for kind in NULLS if kind != self.null]
        found.append(self._other_score(cuts.own[at, here], cuts.few[:, at, here], layer))
        return [RivalResult(control) for control in found]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        cuts, mine = measured.kept(Cuts), SCORES.index(self.score)
        draws = len(cuts.beside.null)
        return (
            by_depth(
                cuts.beside,
                look.shape.layers,
                title=f"{_capital(WORDS[self.score])} of the MLPs' weight graphs by relative depth",
                of=f"{WORDS[self.score]}, {self.clusters} clusters",
                null=f"{draws:,} null objects, 5 % to 95 %",
                description=f"{draws:,} null objects by {NULLS[self.null]}, clustered anew.",
            ),
            _sensitivity(
                cuts.beside.layers,
                cuts.counts,
                self._effects(cuts.own[:, :, mine], cuts.few[..., mine]),
                self.clusters,
                self.smallest_effect,
                self._effect(),
            ),
            *self._histogram(measured, self._shown(cuts, named)),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        cuts = measured.kept(Cuts)
        beside, at, z = cuts.beside, self._shown(cuts, named), cuts.beside.z()
        return Words(
            note=f"MLP weight graphs, {self.clusters} clusters, {WORDS[self.score]}, without norms and biases; in this network",
            detail=f"At layer {beside.layers[at]} {WORDS[self.score]} is {beside.own[at]:.3f}, {beside.null[:, at].mean():.3f} in "
            f"the null objects (z = {z[at]:.1f}, which is no effect size).",
            secondary={}
            if self.holds.contrasts
            else {
                WORDS[self.score]: beside.own,
                f"{WORDS[self.score]}, mean of the null objects": beside.null.mean(axis=0),
                "z": z,
            },
        )

    def _quantity(self) -> str:
        return "relative drop" if self.score == "n_cut" else "rise of Q"

    def _effects(self, own: Floats, null: Floats) -> Floats:
        """The effect of each of the network's numbers beside the mean of its null objects (draw, ...)."""
        mean = null.mean(axis=0)
        if self.score != "n_cut":
            return np.asarray(own - mean)
        # where nothing joins the parts of any null object there is nothing to drop from
        return np.asarray(1 - np.divide(own, mean, out=np.ones(np.shape(mean)), where=mean > 0))

    def _other(self, look: Look, kind: str, mlp: Matrices, own: float, layer: int) -> Control:
        """Another kind of shuffle beside the claim's own, at the named layer."""
        zeros = sum(int((m == 0).sum()) for m in mlp)
        if {kind, self.null} == {"matrix", "nonzero"} and not zeros:
            return Control(
                f"{kind}_null",
                f"No weight of the MLP at layer {layer} is zero, so {NULLS['nonzero']} is {NULLS['matrix']}.",
                {"zeros": 0},
            )
        mine = SCORES.index(self.score)
        rng = look.lasting_rng(kind, design=str(mlp[0].shape))
        found = np.array(
            [clustered(_graph(mlp, o, kind), (self.clusters,))[0, mine] for o in _orders(mlp, OTHER_DRAWS, rng)]
        )
        effect = float(self._effects(np.array(own), found))
        return Control(
            f"{kind}_null",
            f"Against {OTHER_DRAWS} null objects by {NULLS[kind]}, at layer {layer}, the {self._effect()} is {effect:.3f}: "
            f"{WORDS[self.score]} is {own:.3f}, theirs {from_to(found, 3)}.",
            {
                "effect": effect,
                "own": float(own),
                "lowest": float(found.min()),
                "highest": float(found.max()),
                "zeros": zeros,
            },
        )

    def _other_score(self, own: Floats, few: Floats, layer: int) -> Control:
        """The score that the claim is not about, of the same clusters."""
        at = 1 - SCORES.index(self.score)
        word, mean = WORDS[SCORES[at]], float(few[:, at].mean())
        return Control(
            "other_score",
            f"{_capital(word)} of the same clusters at layer {layer} is {own[at]:.4f}, and {mean:.4f} in {len(few)} null objects.",
            {"own": float(own[at]), "null mean": mean},
        )


@dataclass(frozen=True)
class Cuts(WeightMeasurement):
    """The MLPs' weight graphs, cut into several numbers of clusters."""

    mlps: tuple[Matrices, ...]
    """Sizes of weights by layer, those written by first, then those read by; (neuron, other unit) each."""
    counts: tuple[int, ...]
    """Numbers of clusters, ascending."""
    own: Floats
    """(layer, count, score) of the network, scores as `SCORES` has them."""
    few: Floats
    """(draw, layer, count, score) of the first null objects; none where the weighing is bare."""


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _by_neuron(matrices: Sequence[NDArray[np.floating]]) -> Matrices:
    """Sizes of what an MLP writes by, then of what it reads by, all as (neuron, other unit)."""
    *reads, writes = (np.abs(m).astype(np.float32, copy=False) for m in matrices)
    return (np.ascontiguousarray(writes.T), *reads)


def _orders(mlp: Matrices, draws: int, rng: np.random.Generator) -> Iterator[list[NDArray[np.int64]]]:
    """A random order of the entries of each matrix, draw by draw; the same for every layer."""
    for _ in range(draws):
        yield [rng.permutation(m.size) for m in mlp]


def _graph(mlp: Matrices, orders: Sequence[NDArray[np.int64]], kind: str) -> WeightGraph:
    return WeightGraph.of(*(shuffled(m, order, kind) for m, order in zip(mlp, orders, strict=True)))


def _sensitivity(
    layers: Sequence[int], counts: Sequence[int], effects: Floats, stated: int, smallest: float, name: str
) -> Exhibit:
    """The effect by number of clusters, a line per layer; the stated number is marked."""
    told = "; ".join(
        f"{count} clusters {from_to((low, high), 3)}"
        for count, low, high in zip(counts, effects.min(axis=0), effects.max(axis=0), strict=True)
    )
    return ByClusters(
        f"{_capital(name)} by number of clusters",
        f"{_capital(name)} by number of clusters, one line per layer; {stated} were stated in advance. Lowest and highest layer: {told}.",
        clusters=np.array(counts),
        layer=np.array(layers),
        effect=effects,
        stated=stated,
        smallest=smallest,
        effect_name=name,
    ).exhibit()
