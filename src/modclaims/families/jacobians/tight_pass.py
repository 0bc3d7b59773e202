"""TightPass: does a block let through fewer directions than it could - is its Jacobian of low rank?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common.null_networks import NULLS
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import MIN_UNITS, Sample
from modclaims.families.jacobians.figures import spectra
from modclaims.families.jacobians.figures.rank_by_depth import RankByDepth
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan, flipped
from modclaims.recording import BLOCKS, SPECTRUM, Jacobian, ModelShape, Recording, Request
from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.bounds.resamples import resample_groups
from modclaims.stats.chance.actions import sign_flips
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.nulls.null_objects import MIN_DRAWS, against_null, mean_replicates, resample_texts_and_draws
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]
TITLES = {"mlp": "MLP", "attention": "attention block"}
OTHER_DRAWS = 5
OTHER_TEXTS = 2
"""Null objects of the other kinds are controls: so many of each, at so many texts."""
ALGEBRA = "its numerical rank is algebra, not evidence"


class TightPass(Hypothesis):
    """A block's Jacobian is of lower effective rank than that of the same block with other weights.

    J = d block(x) / d x, without the residual, at real inputs of `tokens` tokens, in float64, with
    singular values sigma. Effective rank is exp(H), H the entropy of sigma^2 / sum(sigma^2), as a fraction
    of tokens x width. The effect (narrowing) is the mean over null objects minus the network's own;
    positive when the trained block is tighter. Null objects are networks whose blocks have other weights,
    at the same inputs. Cells are layers.

    Nothing is exchanged: p is read off the bound of the bootstrap-t (or Student's t, whichever is wider),
    texts and null objects being resampled, crossed, so that few null objects serve. A normalisation alone
    removes one or two dimensions per token: it is algebra, and null objects have it too. Effective rank
    says where the energy of the spectrum sits, and not how many values lie above the noise floor:
    numerical rank, stable rank and the count above a tenth of the first value are reported and decide
    nothing.

    Attributes
    ----------
    block : str, default 'mlp'
        Whose Jacobian. One of 'mlp' and 'attention'.
    null : str, default 'gaussian'
        The null objects' weights. One of 'gaussian' (noise of each matrix' Frobenius norm), 'permuted'
        (each matrix' own entries in another order) and 'untrained' (the architecture, initialised).
    draws : int, default 20
        Null objects, each a network of its own: at least 20.
    tokens : int, default 3
        Tokens at the start of a text at which J is taken: at least 1. Costly: size grows with it.
    texts : int | None, default 6
        The most texts, spread evenly over the corpus, at which J is taken: at least 2, or None for all.
    normalised : bool, default True
        Whether the block's own normalisation is part of it.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    label : str, default 'category'
        Without effect here: no categories are compared.
    within : str | None, default None
        Without effect here, as for `label`.
    adjust : str, default 'maxT'
        Without effect here: p is read off the bound. One of 'maxT' and 'minP'.
    smallest_effect : float, default 0.05
        Fraction of tokens x width, from 0 to below 1.

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality (there of sigma, here
    of sigma^2). Owen (2007), The pigeonhole bootstrap.

    Examples
    --------
    >>> from modclaims import TightPass
    >>> from modclaims.calibration.examples import planted
    >>> class MLPIsTight(TightPass):
    ...     "Some MLP lets through fewer directions than random weights would."
    >>> print(planted(MLPIsTight, 3))
    SUPPORTED  narrowing 0.16 [0.10, 0.21] at layer 0
    >>> print(planted(MLPIsTight, 0))
    INCONCLUSIVE  narrowing 0.02 [-0.03, 0.05] at layer 2
    """

    block: str = "mlp"
    null: str = "gaussian"
    draws: int = MIN_DRAWS
    tokens: int = 3
    texts: int | None = 6
    normalised: bool = True
    layers: tuple[int, ...] | None = None
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

    def check(self, before: PlanContext) -> None:
        before.cells(self.holds, self._request())
        sample = Sample.of(before.corpus, self._request().chosen(before.corpus))
        sample.require(MIN_UNITS, before.corpus, "to say how much texts vary. Add texts, or raise texts = ...")

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

    def plan(self, before: PlanContext) -> TestPlan:
        return self._planned(before, f" and {self.draws} null objects")

    def _planned(self, before: PlanContext, beside: str = "") -> TestPlan:
        """What claims about Jacobians share: a cell per layer, and no test; units are the texts at which they are taken."""
        request = self._request()
        return unlabelled(self, Sample.of(before.corpus, request.chosen(before.corpus)), before, request, beside)

    def measure(self, look: Look) -> Measured:
        passed = MeasuredSpectra.of(look.recording, self._request())
        sample = passed.sample
        ranks = self._ranks(look.recording, self._nulls(self.null), passed.layers)
        null = np.stack([sample.units(r) for r in ranks]) / passed.size
        resamples = resample_texts_and_draws(
            sample.n,
            self.draws,
            count=look.settings.resamples,
            rng=look.rng("resamples", design=sample.design(self.draws)),
        )
        bounds = in_parts(
            lambda drawn: bootstrap_t(against_null(passed.ranks, null, drawn), drawn, means=True, ends=(-1.0, 1.0)),
            resamples,
        )
        return Measured(
            passed.cells,
            self.effect_name,
            bounds,
            None,
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s and null objects",
            payload=Narrowed(passed, null),
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        passed, at = measured.kept(Narrowed).passed, named
        (few,) = self._ranks(look.recording, [self._few()], passed.layers) / passed.size
        where = str(passed.cells[at])
        found = []
        for kind in NULLS:
            if kind != self.null:
                null = self._ranks(look.recording, self._nulls(kind), passed.layers)[:, :, at] / passed.size
                found.append(RivalResult(_other_null(kind, few[:, at], null, where)))
        return found

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        narrowed = measured.kept(Narrowed)
        return (
            narrowed.passed.exhibit(look.recording),
            _by_depth(
                f"Effective rank of the {TITLES[self.block]}'s Jacobian by relative depth",
                [narrowed.passed],
                look.shape.layers,
                null=narrowed.null,
                null_name=f"{self.draws} {self.null} null objects",
            ),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        passed = measured.kept(Narrowed).passed
        return Words(
            note=f"block {self.block}, {self.tokens} tokens, null {self.null}, "
            + ("with" if self.normalised else "without")
            + " its normalisation; narrowing is effective rank over tokens x width, null's minus the network's own",
            detail=passed.detail(named),
            warnings=passed.sample.warnings + passed.imprecise(),
            secondary=passed.secondary(),
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

    Effective rank is exp(H), H the entropy of sigma^2 / sum(sigma^2) over the singular values of the
    block's Jacobian, as a fraction of tokens x width (see `TightPass`). The effect (narrowing) is its mean
    over all other layers minus its mean over the `named` ones; positive when the named layers are tighter.
    There is one cell, the contrast.

    Nothing is exchanged and no null object takes part: p is read off the bound, texts being resampled; the
    weights are those of this network. Name the layers before looking: a contrast chosen after the
    spectrum was seen says nothing.

    Attributes
    ----------
    named : tuple[int, ...], default (1, 2)
        Layers said to be tighter, from 0, negative ones counted from the last.
    holds : Holds, default somewhere()
        Only somewhere(): the claim is one contrast of layers.
    null : str, default 'gaussian'
        Without effect here: no null object takes part. One of 'gaussian', 'permuted' and 'untrained'.
    draws : int, default 20
        Without effect here, as for `null`: at least 20.
    texts : int | None, default 12
        The most texts, spread evenly over the corpus, at which J is taken: at least 2, or None for all.
    smallest_effect : float, default 0.05
        Fraction of tokens x width, from 0 to below 1.

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality (there of sigma, here
    of sigma^2).

    Examples
    --------
    >>> from modclaims import TightestAt
    >>> from modclaims.calibration.examples import planted
    >>> class TightEarly(TightestAt):
    ...     "MLPs are tightest right after the first layer."
    ...
    ...     named = (1, 2)
    >>> print(planted(TightEarly, 3))
    SUPPORTED  narrowing 0.12 [0.07, 0.17] at the whole network
    >>> print(planted(TightEarly, 0))
    REFUTED  narrowing -0.01 [-0.04, 0.03] at the whole network
    """

    named: tuple[int, ...] = (1, 2)
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

    def plan(self, before: PlanContext) -> TestPlan:
        return replace(self._planned(before), cells=1)

    def measure(self, look: Look) -> Measured:
        passed = MeasuredSpectra.of(look.recording, self._request())
        named, others = self._parts(look.shape)
        weights = np.array([[-1 / len(named) if layer in named else 1 / len(others)] for layer in passed.layers])
        return Measured(
            (Cell(),),
            self.effect_name,
            text_bounds(passed.ranks @ weights, passed.sample, look),
            None,
            passed.sample.texts,
            passed.sample.n,
            unit=passed.sample.unit,
            resampled=f"{passed.sample.unit}s",
            payload=passed,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return ()

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        passed = measured.kept(MeasuredSpectra)
        tighter, _ = self._parts(look.shape)
        return (
            _by_depth(
                f"Effective rank of the {TITLES[self.block]}'s Jacobian by relative depth",
                [passed],
                look.shape.layers,
                marked=tighter,
            ),
            passed.exhibit(look.recording),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        passed = measured.kept(MeasuredSpectra)
        tighter, others = self._parts(look.shape)
        return Words(
            note=f"block {self.block}, {self.tokens} tokens; layers {_listed(tighter)} against {_listed(others)}, in this network",
            warnings=passed.sample.warnings + passed.imprecise(),
        )


class TighterThanAttention(TightPass):
    """The MLP's Jacobian is of lower effective rank than the attention block's in the same layer.

    Effective rank is exp(H), H the entropy of sigma^2 / sum(sigma^2) over the singular values of a block's
    Jacobian, as a fraction of tokens x width (see `TightPass`). The effect (narrowing) is attention's minus
    the MLP's, paired by text; positive when the MLP is tighter. Cells are layers.

    p is that of flipping the signs of the texts' differences, step-down over layers; exact where few, and
    no p falls below 2 to the minus the number of texts. Exchangeable under the null: a difference and its
    negative, so their law must be symmetric about 0. Bounds are the wider of bootstrap-t and Student's t
    over texts. The two blocks differ in more than training: an MLP acts token by token, so its Jacobian is
    block diagonal.

    Attributes
    ----------
    block : str, default 'mlp'
        Leave it: only 'mlp' is allowed here.
    null : str, default 'gaussian'
        Without effect here: no null object takes part. One of 'gaussian', 'permuted' and 'untrained'.
    draws : int, default 20
        Without effect here, as for `null`: at least 20.
    adjust : str, default 'maxT'
        How p is adjusted over layers. One of 'maxT' (step-down over studentised statistics) and 'minP'
        (step-down over p-values).
    texts : int | None, default 12
        The most texts, spread evenly over the corpus, at which J is taken: at least 2, or None for all.
    smallest_effect : float, default 0.05
        Fraction of tokens x width, from 0 to below 1.

    References
    ----------
    Roy & Vetterli (2007), The effective rank: a measure of effective dimensionality (there of sigma, here
    of sigma^2).

    Examples
    --------
    >>> from modclaims import TighterThanAttention
    >>> from modclaims.calibration.examples import planted
    >>> class MLPBelowAttention(TighterThanAttention):
    ...     "Some MLP is tighter than the attention block of its layer."
    >>> print(planted(MLPBelowAttention, 3))
    SUPPORTED  narrowing 0.16 [0.10, 0.20] at layer 3
    >>> print(planted(MLPBelowAttention, 0))
    INCONCLUSIVE  narrowing 0.01 [-0.07, 0.06] at layer 3
    """

    texts: int | None = 12
    smallest_effect: float = 0.05

    def validate(self) -> None:
        super().validate()
        if self.block != "mlp":
            raise ClaimError("TighterThanAttention compares the MLP with attention; leave block as it is.")

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        pair = (self._request("mlp"), self._request("attention"))
        shape.resolve_layers(pair[0])
        return (*pair, *(replace(request, answer="values") for request in pair))

    def plan(self, before: PlanContext) -> TestPlan:
        return replace(flipped(self._planned(before), before), action="flipping the signs of paired differences")

    def measure(self, look: Look) -> Measured:
        pair = Pair(
            MeasuredSpectra.of(look.recording, self._request("mlp")),
            MeasuredSpectra.of(look.recording, self._request("attention")),
        )
        sample, differences = pair.mlp.sample, pair.attention.ranks - pair.mlp.ranks
        signs, exact = sign_flips(
            sample.n, budget=look.settings.permutations, rng=look.rng("flips", design=sample.design(0))
        )
        test = NullTest.of(
            "mean paired difference",
            signs.astype(np.float64) @ differences / sample.n,
            100 * np.finfo(np.float64).eps * np.abs(differences).max(axis=0),
            exact=exact,
            action="flipping the signs of paired differences",
            by=self.adjust,
        )
        return Measured(
            pair.mlp.cells,
            self.effect_name,
            text_bounds(differences, sample, look),
            test,
            sample.texts,
            sample.n,
            unit=sample.unit,
            payload=pair,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return ()

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        both = measured.kept(Pair).both
        title = "Effective rank of both blocks' Jacobians by relative depth"
        return (_by_depth(title, both, look.shape.layers), *(passed.exhibit(look.recording) for passed in both))

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        pair = measured.kept(Pair)
        return Words(
            note=f"{self.tokens} tokens; attention's effective rank minus the MLP's, over tokens x width, paired by text",
            warnings=pair.mlp.sample.warnings + pair.attention.imprecise(),
            secondary={
                f"{passed.request.block}: {word}": values
                for passed in pair.both
                for word, values in passed.secondary().items()
            },
        )


@dataclass(frozen=True)
class MeasuredSpectra:
    """MeasuredSpectra of one block's Jacobians, summed up by unit and layer."""

    request: Jacobian
    """The one that asks for the summaries."""
    sample: Sample
    layers: tuple[int, ...]
    size: int
    """Tokens x width: the most directions that a Jacobian could let through."""
    quantities: Floats
    """(unit, layer, quantity) those of `SPECTRUM`, in its order."""

    @classmethod
    def of(cls, recording: Recording, request: Jacobian) -> MeasuredSpectra:
        """What was recorded of a block, at the texts that the request chooses."""
        sample = Sample.of(recording.corpus, request.chosen(recording.corpus))
        layers = recording.shape.resolve_layers(request)
        rows = np.stack([np.asarray(recording.array(request, layer), dtype=np.float64) for layer in layers], axis=1)
        return cls(request, sample, layers, request.tokens * recording.shape.width, sample.units(rows))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """One a layer."""
        return tuple(Cell(layer=layer) for layer in self.layers)

    def quantity(self, name: str) -> Floats:
        """(unit, layer) one of `SPECTRUM`."""
        return self.quantities[:, :, SPECTRUM.index(name)]

    @cached_property
    def ranks(self) -> Floats:
        """(unit, layer) effective rank over tokens x width, between 0 and 1."""
        return np.asarray(self.quantity("effective_rank") / self.size)

    def secondary(self) -> dict[str, Floats]:
        """(layer,) other counts of directions over tokens x width, means over units."""
        return {
            "effective rank / (tokens x width)": self._share("effective_rank"),
            "stable rank / (tokens x width)": self._share("stable_rank"),
            "values above a tenth of the first / (tokens x width)": self._share("above_tenth"),
            "numerical rank, at least / (tokens x width)": self._share("rank_at_least"),
            "numerical rank, at most / (tokens x width)": self._share("rank_at_most"),
        }

    def _share(self, name: str) -> Floats:
        return np.asarray(self.quantity(name).mean(axis=0) / self.size)

    def imprecise(self) -> tuple[str, ...]:
        """A warning where spectra were estimated with errors that may be seen."""
        worst = float(self.quantity("effective_rank_error").max()) / self.size
        if worst <= 0.005:
            return ()
        return (f"Effective ranks were estimated; their numerical error reaches {worst:.3f} of tokens x width.",)

    def detail(self, at: int) -> str:
        """Rank and counts at one of the layers, in words."""
        low, high = (float(self.quantity(f"rank_at_{side}")[:, at].mean()) for side in ("least", "most"))
        rank = f"{low:.0f}" if round(low) == round(high) else f"not determined ({low:.0f} to {high:.0f})"
        return (
            f"Of {self.size} directions its effective rank uses {self.quantity('effective_rank')[:, at].mean():.0f}; its numerical "
            f"rank is {rank}" + (f" ({ALGEBRA})" if self.request.block == "attention" else "") + "."
        )

    def exhibit(self, recording: Recording) -> Exhibit:
        """Singular values by layer on a log axis, relative to the first, with the noise floor and what was counted."""
        values, block = replace(self.request, answer="values"), self.request.block
        curves = []
        for layer in self.layers:
            found = np.asarray(recording.array(values, layer), dtype=np.float64)
            with np.errstate(divide="ignore", invalid="ignore"):
                curves.append(np.median(found / found[:, :1], axis=0))
        counted = self.quantity("above_tenth").mean(axis=0)
        return spectra.Spectra(
            f"Singular values of the {TITLES[block]}'s Jacobian",
            f"Singular values relative to the largest, median over {self.sample.n} {self.sample.unit}s, one line per layer; those above a tenth are "
            f"marked ({', '.join(f'{c:.0f}' for c in counted)}), and nothing is counted below the noise floor.",
            values=np.stack(curves),
            floor=self.quantity("floor").max(axis=0),
            layer=np.array(self.layers),
            above_tenth=counted,
            effective_rank=self.quantity("effective_rank").mean(axis=0),
            block=block,
        ).exhibit()


@dataclass(frozen=True)
class Narrowed:
    """One block's Jacobians in the network and in its null objects."""

    passed: MeasuredSpectra
    """The network's own."""
    null: Floats
    """(draw, unit, layer) effective rank over tokens x width of the null objects of the claim's kind."""


@dataclass(frozen=True)
class Pair:
    """Both blocks' Jacobians at the same texts."""

    mlp: MeasuredSpectra
    attention: MeasuredSpectra

    @property
    def both(self) -> tuple[MeasuredSpectra, MeasuredSpectra]:
        """As they are shown."""
        return self.mlp, self.attention


def text_bounds(values: Floats, sample: Sample, look: Look, ends: tuple[float, float] = (-1.0, 1.0)) -> Bounds:
    """Bounds of the mean over units of (unit, cell) values, which lie between `ends`; units are resampled."""
    resamples = resample_groups(
        np.zeros(sample.n, dtype=np.int64),
        count=look.settings.resamples,
        rng=look.rng("resamples", design=sample.design(0)),
    )
    return bootstrap_t(mean_replicates(values, resamples), resamples, means=True, ends=ends)


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


def _listed(layers: Sequence[int]) -> str:
    return ", ".join(map(str, layers))


def _by_depth(
    title: str,
    blocks: Sequence[MeasuredSpectra],
    depth: int,
    *,
    null: Floats | None = None,
    null_name: str = "",
    marked: Sequence[int] = (),
) -> Exhibit:
    """Effective rank as a fraction, a line for each block, with the band of (draw, unit, layer) null objects.

    `depth` is how many layers the network has; `marked` are layers that stand out.
    """
    layers, ranks = np.array(blocks[0].layers), [passed.ranks for passed in blocks]
    names = [passed.request.block for passed in blocks]
    words = [f"{name} {', '.join(f'{v:.2f}' for v in r.mean(axis=0))}" for name, r in zip(names, ranks, strict=True)]
    by_draw = None if null is None else null.mean(axis=1)
    if by_draw is not None:
        words.append(f"null {', '.join(f'{v:.2f}' for v in by_draw.mean(axis=0))}")
    return RankByDepth(
        title,
        "Effective rank over tokens x width, mean over texts by layer, thin lines from the lowest text to the highest: "
        + "; ".join(words)
        + ".",
        depth=layers / max(depth - 1, 1),
        layer=layers,
        rank=np.stack([r.mean(axis=0) for r in ranks]),
        low=np.stack([r.min(axis=0) for r in ranks]),
        high=np.stack([r.max(axis=0) for r in ranks]),
        marked=np.isin(layers, list(marked)),
        null_low=None if by_draw is None else by_draw.min(axis=0),
        null_high=None if by_draw is None else by_draw.max(axis=0),
        null_mean=None if by_draw is None else by_draw.mean(axis=0),
        blocks=tuple(names),
        null=null_name,
    ).exhibit()
