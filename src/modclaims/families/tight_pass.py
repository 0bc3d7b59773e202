"""TightPass: does a block let through fewer directions than it could - is its Jacobian of low rank?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.units import MIN_UNITS, Sample
from modclaims.hypothesis import Hypothesis
from modclaims.look import Weighing
from modclaims.recording import BLOCKS, SPECTRUM, Jacobian, ModelShape, Recording, Request
from modclaims.stats.actions import sign_flips
from modclaims.stats.bootstrap import Bounds, bootstrap_t, resample_groups
from modclaims.stats.evidence import Cell, Control, Evidence, Exhibit, NullTest
from modclaims.stats.null_objects import MIN_DRAWS, against_null, mean_replicates, resample_texts_and_draws
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.resample_parts import in_parts

Floats = NDArray[np.float64]
NULLS = ("gaussian", "permuted", "untrained")
TITLES = {"mlp": "MLP", "attention": "attention block"}
OTHER_DRAWS = 5
OTHER_TEXTS = 2
"""Null objects of the other kinds are controls: so many of each, at so many texts."""
ALGEBRA = "its numerical rank is algebra, not evidence"


class TightPass(Hypothesis):
    """A block's Jacobian is of lower effective rank than that of the same block with other weights.

    J = d block(x) / d x, without the residual, at real inputs of `tokens` tokens, in float64. The quantity is the
    effective rank, exp of the entropy of sigma^2 / sum, as a fraction of tokens x width; the effect (narrowing) is the
    null objects' mean minus the network's own, by layer, so positive where the trained block is tighter. Null objects
    are networks whose blocks have other weights, at the same inputs: `gaussian` noise of each matrix' Frobenius norm,
    the matrix' own entries `permuted`, or the `untrained` architecture. Sampled, and resampled crossed, are texts and
    draws of null objects; p is read off the bootstrap bound, so that few draws serve. Numerical rank, stable rank and
    the count above a tenth of the largest value are shown beside it and decide nothing.
    """

    block: str = "mlp"
    """mlp or attention."""
    null: str = "gaussian"
    """gaussian, permuted or untrained."""
    draws: int = MIN_DRAWS
    """Null objects of that kind; each is a network of its own."""
    tokens: int = 3
    """Tokens at the start of a text at which the Jacobian is taken."""
    texts: int | None = 6
    """At most so many texts, spread evenly over the corpus; None for all."""
    normalised: bool = True
    """Whether the block's own normalisation is part of it."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    holds: Holds = somewhere()
    smallest_effect: float = 0.05
    effect_name: ClassVar[str] = "narrowing"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.block not in BLOCKS:
            raise ClaimError(f"Block {self.block!r} is unknown; choose one of {', '.join(BLOCKS)}.")
        if self.null not in NULLS:
            raise ClaimError(f"Null {self.null!r} is unknown; choose one of {', '.join(NULLS)}.")
        if self.draws < MIN_DRAWS:
            raise ClaimError(f"draws = {self.draws}: a bound over null objects needs at least {MIN_DRAWS} of them.")
        self._request()

    def columns(self) -> tuple[str, ...]:
        """None: the claim compares networks, not categories."""
        return ()

    def check(self, corpus: Corpus) -> None:
        sample = Sample.of(corpus, self._request().chosen(corpus))
        sample.require(MIN_UNITS, corpus, "to say how much texts vary. Add texts, or raise texts = ...")

    def _request(self, block: str | None = None) -> Jacobian:
        return Jacobian(block or self.block, self.tokens, self.layers, self.normalised, self.texts)

    def _nulls(self, kind: str) -> list[Jacobian]:
        """Null objects of one kind: the claim's own at its texts, others, fewer, at those of the controls."""
        mine = kind == self.null
        request = replace(self._request() if mine else self._few(), answer="effective_rank")
        return [replace(request, variant=f"{kind}:{seed}") for seed in range(self.draws if mine else OTHER_DRAWS)]

    def _few(self) -> Jacobian:
        return replace(self._request(), answer="effective_rank", texts=OTHER_TEXTS)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        mine = self._request()
        shape.resolve_layers(mine)
        return (mine, replace(mine, answer="values"), self._few(), *(r for kind in NULLS for r in self._nulls(kind)))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus, self._request().chosen(recording.corpus))
        layers = recording.shape.resolve_layers(self._request())
        cells = tuple(Cell(layer=layer) for layer in layers)
        size = self.tokens * recording.shape.width
        summary = summaries(recording, self._request(), layers, sample)
        measured = summary["effective_rank"] / size
        null = np.stack([sample.units(r) for r in self._ranks(recording, self._nulls(self.null), layers)]) / size
        resamples = resample_texts_and_draws(
            sample.n,
            self.draws,
            count=weighing.resamples,
            rng=weighing.rng(type(self).__name__, sample.design(self.draws), "resamples"),
        )
        bounds = in_parts(
            lambda drawn: bootstrap_t(against_null(measured, null, drawn), drawn, means=True, ends=(-1.0, 1.0)),
            resamples,
        )
        bare = Evidence(cells, self.effect_name, bounds, None, sample.texts, n_units=sample.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha, weighing.claims).cell
        (few,) = self._ranks(recording, [self._few()], layers) / size
        return replace(
            bare,
            unit=sample.unit,
            n_units=sample.n,
            resampled=f"{sample.unit}s and null objects",
            controls=tuple(
                _other_null(
                    kind,
                    few[:, named],
                    self._ranks(recording, self._nulls(kind), layers)[:, :, named] / size,
                    str(cells[named]),
                )
                for kind in NULLS
                if kind != self.null
            ),
            exhibits=(
                spectra(recording, self._request(), layers, sample, summary, self.block),
                _by_depth(
                    f"Effective rank of the {TITLES[self.block]}'s Jacobian by relative depth",
                    {self.block: measured},
                    layers,
                    recording.shape.layers,
                    null=null,
                    null_name=f"{self.draws} {self.null} null objects",
                ),
            ),
            secondary=_secondary(summary, size),
            warnings=sample.warnings + _imprecise(summary, size),
            note=f"block {self.block}, {self.tokens} tokens, null {self.null}, "
            + ("with" if self.normalised else "without")
            + " its normalisation; narrowing is effective rank over tokens x width, null's minus the network's own",
            detail=_detail(summary, named, size, self.block),
        )

    @staticmethod
    def _ranks(recording: Recording, requests: Sequence[Jacobian], layers: Sequence[int]) -> Floats:
        """(request, text, layer) effective ranks."""
        return np.stack(
            [
                np.stack([np.asarray(recording.array(r, layer), dtype=np.float64) for layer in layers], axis=1)
                for r in requests
            ]
        )


class TightestAt(TightPass):
    """A block is tighter in named layers than in the others.

    A contrast of layers: the mean effective rank over all other layers minus that over the layers of `named`, as
    fractions of tokens x width; positive where the named layers are tighter. Resampled are texts; the weights are those
    of this network. No null object takes part.
    """

    named: tuple[int, ...] = (1, 2)
    """Layers said to be tighter, negative ones counted from the end."""
    texts: int | None = 12
    smallest_effect: float = 0.05

    def validate(self) -> None:
        super().validate()
        if not self.named:
            raise ClaimError("named = () names no layer.")
        if self.holds != somewhere():
            raise ClaimError("TightestAt is one contrast of layers; leave holds as it is.")

    def _parts(self, shape: ModelShape) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Named layers and the others. Raises `ClaimError` if either are none."""
        layers = shape.resolve_layers(self._request())
        named = shape.resolve_layers(replace(self._request(), layers=self.named))
        others = tuple(layer for layer in layers if layer not in named)
        if not set(named) <= set(layers) or not others:
            raise ClaimError(f"named = {self.named} of the layers {list(layers)} leaves nothing to compare with.")
        return named, others

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        self._parts(shape)
        return (self._request(), replace(self._request(), answer="values"))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus, self._request().chosen(recording.corpus))
        layers = recording.shape.resolve_layers(self._request())
        named, others = self._parts(recording.shape)
        size = self.tokens * recording.shape.width
        summary = summaries(recording, self._request(), layers, sample)
        measured = summary["effective_rank"] / size
        weights = np.array([[-1 / len(named) if layer in named else 1 / len(others)] for layer in layers])
        bounds = text_bounds(measured @ weights, sample, weighing, type(self).__name__)
        if weighing.bare:
            return Evidence((Cell(),), self.effect_name, bounds, None, sample.texts, n_units=sample.n)
        return Evidence(
            (Cell(),),
            self.effect_name,
            bounds,
            None,
            sample.texts,
            unit=sample.unit,
            n_units=sample.n,
            resampled=f"{sample.unit}s",
            exhibits=(
                _by_depth(
                    f"Effective rank of the {TITLES[self.block]}'s Jacobian by relative depth",
                    {self.block: measured},
                    layers,
                    recording.shape.layers,
                    marked=named,
                ),
                spectra(recording, self._request(), layers, sample, summary, self.block),
            ),
            warnings=sample.warnings + _imprecise(summary, size),
            note=f"block {self.block}, {self.tokens} tokens; layers {_listed(named)} against {_listed(others)}, in this network",
        )


class TighterThanAttention(TightPass):
    """The MLP's Jacobian is of lower effective rank than the attention block's in the same layer.

    The effect is attention's effective rank minus the MLP's, as fractions of tokens x width, paired by text, by layer.
    p by flipping the signs of the texts' differences (exchangeable under the null: a difference and its negative, so
    their law must be symmetric about 0), studentised and step-down over layers; bounds from the bootstrap over texts.
    """

    texts: int | None = 12
    """At most so many texts; p cannot fall below 2 to the minus their number."""
    smallest_effect: float = 0.05

    def validate(self) -> None:
        super().validate()
        if self.block != "mlp":
            raise ClaimError("TighterThanAttention compares the MLP with attention; leave block as it is.")

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        pair = (self._request("mlp"), self._request("attention"))
        shape.resolve_layers(pair[0])
        return (*pair, *(replace(request, answer="values") for request in pair))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus, self._request().chosen(recording.corpus))
        layers = recording.shape.resolve_layers(self._request())
        cells = tuple(Cell(layer=layer) for layer in layers)
        size = self.tokens * recording.shape.width
        found = {b: summaries(recording, self._request(b), layers, sample) for b in ("mlp", "attention")}
        ranks = {b: summary["effective_rank"] / size for b, summary in found.items()}
        differences = ranks["attention"] - ranks["mlp"]
        name = type(self).__name__
        signs, exact = sign_flips(
            sample.n, budget=weighing.permutations, rng=weighing.rng(name, sample.design(0), "flips")
        )
        null = signs.astype(np.float64) @ differences / sample.n
        tolerance = 100 * np.finfo(np.float64).eps * np.abs(differences).max(axis=0)
        test = NullTest.of(
            "mean paired difference",
            null,
            tolerance,
            exact=exact,
            action="flipping the signs of paired differences",
            by=self.adjust,
        )
        bounds = text_bounds(differences, sample, weighing, name)
        if weighing.bare:
            return Evidence(cells, self.effect_name, bounds, test, sample.texts, n_units=sample.n)
        return Evidence(
            cells,
            self.effect_name,
            bounds,
            test,
            sample.texts,
            unit=sample.unit,
            n_units=sample.n,
            exhibits=(
                _by_depth(
                    "Effective rank of both blocks' Jacobians by relative depth", ranks, layers, recording.shape.layers
                ),
                *(spectra(recording, self._request(b), layers, sample, found[b], b) for b in ("mlp", "attention")),
            ),
            secondary={
                f"{b}: {word}": values
                for b, summary in found.items()
                for word, values in _secondary(summary, size).items()
            },
            warnings=sample.warnings + _imprecise(found["attention"], size),
            note=f"{self.tokens} tokens; attention's effective rank minus the MLP's, over tokens x width, paired by text",
        )


def summaries(recording: Recording, request: Jacobian, layers: Sequence[int], sample: Sample) -> dict[str, Floats]:
    """(unit, layer) quantities of `SPECTRUM`, by name."""
    rows = np.stack([np.asarray(recording.array(request, layer), dtype=np.float64) for layer in layers], axis=1)
    means = sample.units(rows)
    return {name: means[:, :, i] for i, name in enumerate(SPECTRUM)}


def text_bounds(
    values: Floats, sample: Sample, weighing: Weighing, name: str, ends: tuple[float, float] = (-1.0, 1.0)
) -> Bounds:
    """Bounds of the mean over units of (unit, cell) values."""
    resamples = resample_groups(
        np.zeros(sample.n, dtype=np.int64),
        count=weighing.resamples,
        rng=weighing.rng(name, sample.design(0), "resamples"),
    )
    return bootstrap_t(mean_replicates(values, resamples), resamples, means=True, ends=ends)


def _secondary(summary: dict[str, Floats], size: int) -> dict[str, Floats]:
    return {
        "effective rank / (tokens x width)": summary["effective_rank"].mean(axis=0) / size,
        "stable rank / (tokens x width)": summary["stable_rank"].mean(axis=0) / size,
        "values above a tenth of the first / (tokens x width)": summary["above_tenth"].mean(axis=0) / size,
        "numerical rank, at least / (tokens x width)": summary["rank_at_least"].mean(axis=0) / size,
        "numerical rank, at most / (tokens x width)": summary["rank_at_most"].mean(axis=0) / size,
    }


def _imprecise(summary: dict[str, Floats], size: int) -> tuple[str, ...]:
    worst = float(summary["effective_rank_error"].max()) / size
    if worst <= 0.005:
        return ()
    return (f"Effective ranks were estimated; their numerical error reaches {worst:.3f} of tokens x width.",)


def _other_null(kind: str, measured: Floats, null: Floats, where: str) -> Control:
    """Another kind of null object beside the claim's own, at the named layer."""
    own, by_draw = float(measured.mean()), null.mean(axis=1)
    words = {"gaussian": "Gaussian weights", "permuted": "permuted weights", "untrained": "untrained networks"}[kind]
    tighter = int((own < by_draw).sum())
    return Control(
        f"{kind}_null",
        f"Against {len(by_draw)} {words}, at {len(measured)} texts, the block at {where} is tighter than {f'all {tighter}' if tighter == len(by_draw) else tighter or 'none'}: its effective "
        f"rank is {own:.3f} of tokens x width, theirs {from_to(by_draw, 3)}.",
        {"own": own, "lowest": float(by_draw.min()), "highest": float(by_draw.max()), "tighter_than": tighter},
    )


def _detail(summary: dict[str, Floats], named: int, size: int, block: str) -> str:
    """Rank and counts at the named layer, in words."""
    low, high = (float(summary[f"rank_at_{side}"][:, named].mean()) for side in ("least", "most"))
    rank = f"{low:.0f}" if round(low) == round(high) else f"not determined ({low:.0f} to {high:.0f})"
    return (
        f"Of {size} directions its effective rank uses {summary['effective_rank'][:, named].mean():.0f}; its numerical rank is "
        f"{rank}" + (f" ({ALGEBRA})" if block == "attention" else "") + "."
    )


def _listed(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers))


def _by_depth(
    title: str,
    ranks: dict[str, Floats],
    layers: Sequence[int],
    depth: int,
    *,
    null: Floats | None = None,
    null_name: str = "",
    marked: Sequence[int] = (),
) -> Exhibit:
    """Effective rank as a fraction, a line for each kind of block, with the band of the null objects."""
    arrays: dict[str, NDArray[np.generic]] = {
        "depth": np.array(layers) / max(depth - 1, 1),
        "layer": np.array(layers),
        "rank": np.stack([r.mean(axis=0) for r in ranks.values()]),
        "low": np.stack([r.min(axis=0) for r in ranks.values()]),
        "high": np.stack([r.max(axis=0) for r in ranks.values()]),
        "marked": np.isin(np.array(layers), list(marked)),
    }
    words = [f"{name} {', '.join(f'{v:.2f}' for v in r.mean(axis=0))}" for name, r in ranks.items()]
    if null is not None:
        by_draw = null.mean(axis=1)
        arrays |= {"null_low": by_draw.min(axis=0), "null_high": by_draw.max(axis=0), "null_mean": by_draw.mean(axis=0)}
        words.append(f"null {', '.join(f'{v:.2f}' for v in by_draw.mean(axis=0))}")
    return Exhibit(
        "rank_by_depth",
        title,
        "Effective rank over tokens x width, mean over texts by layer, thin lines from the lowest text to the highest: "
        + "; ".join(words)
        + ".",
        arrays,
        {"blocks": list(ranks), "null": null_name},
    )


def spectra(
    recording: Recording,
    request: Jacobian,
    layers: Sequence[int],
    sample: Sample,
    summary: dict[str, Floats],
    block: str,
) -> Exhibit:
    """Singular values by layer on a log axis, relative to the first, with the noise floor and what was counted."""
    values = replace(request, answer="values")
    curves = []
    for layer in layers:
        found = np.asarray(recording.array(values, layer), dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            curves.append(np.median(found / found[:, :1], axis=0))
    counted = summary["above_tenth"].mean(axis=0)
    return Exhibit(
        "spectra",
        f"Singular values of the {TITLES[block]}'s Jacobian",
        f"Singular values relative to the largest, median over {sample.n} {sample.unit}s, one line a layer; those above a tenth are "
        f"marked ({', '.join(f'{c:.0f}' for c in counted)}), and nothing is counted below the noise floor.",
        {
            "values": np.stack(curves),
            "floor": summary["floor"].max(axis=0),
            "layer": np.array(layers),
            "above_tenth": counted,
            "effective_rank": summary["effective_rank"].mean(axis=0),
        },
        {"block": block},
    )
