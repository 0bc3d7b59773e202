"""InputReconstruction: can the token that was read be told from the stream by a linear map, and less so with depth?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common.controls import check_untrained, untrained_variants
from modclaims.families.common.null_histograms import null_histogram
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import Sample
from modclaims.families.tokens.decoded import Decoded, Task
from modclaims.families.tokens.figures.accuracy_by_depth import AccuracyByDepth
from modclaims.families.tokens.token_maps import (
    EMBEDDING,
    Spread,
    TokenMap,
    Tokens,
    bounds_of_means,
    resampled,
)
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan, flipped
from modclaims.recording import ModelShape, Request, for_variant
from modclaims.stats.bounds.halves import halvings
from modclaims.stats.chance.actions import sign_flips
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.maps.retrieval import Vocabulary
from modclaims.stats.maps.ridge import folds_of
from modclaims.stats.quantifiers import Holds, along_depth
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
MIN_FOLDS, HALVINGS = 3, 16
"""Parts that texts are dealt to at least, and divisions in halves that standard errors come from."""
FEW_ROWS = 2
"""Tokens to learn from for each unit of the stream, below which maps are hardly known."""


class InputReconstruction(TokenMap):
    """With depth, the token at a position can be decoded less and less well from the stream there.

    At every layer a ridge map, in closed form, leads from the stream at the positions read to the input
    embedding of the very token there. Maps are learned on the texts of all folds but one and tried on that
    one. A token is found where fewer than `nearest` others of the vocabulary lie as close (by cosine) to
    the embedding that was predicted. One number per text and layer: the share of its tokens that are found.

    Along depth (the default) the effect is the mean over texts of each text's slope of that share over
    relative depth, signed so that what the claim says is positive. Nothing is exchanged, since texts that
    share a map share what it learned by chance: p is read off the bound. With any other quantifier the
    effect is selectivity, the share found minus that of a control task in which every type of token is
    given another one's embedding; positive when the map tells more than it could learn by heart. p is then
    that of flipping the signs of the texts' differences, step-down over layers; exchangeable under the
    null: which of both tasks a text's tokens were found in. Bounds come from texts resampled, with
    the standard error of half-samples (everything is done again in both halves of 16 random divisions of
    the texts, maps included), which sees what learning from other texts would change. Too few tokens to learn from make every map poor: a flat
    curve at few texts says little.

    Attributes
    ----------
    nearest : int, default 10
        A token is found if fewer than so many others lie as close: at least 1.
    folds : int, default 5
        Parts of the texts, each tried with maps learned on the others: at least 3.
    untrained : int, default 0
        Untrained networks that the effect is compared with, each with maps of its own: 0 for none, or at least 5.
    holds : Holds, default along_depth("falls")
        along_depth("falls") or along_depth("rises") for the slope; for selectivity in single layers
        somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    smallest_effect : float, default 0.1
        Share of tokens, from 0 to below 1: 0.1 is one token in ten.

    Notes
    -----
    Source: the suggestion to reconstitute the input from activations at every layer, and to see whether
    that gets harder. Selectivity is taken over tokens whose type was learned from, and which the mean of
    the embeddings learned from would find in neither task; what is found of other types is reported.

    References
    ----------
    Hewitt & Liang (2019), Designing and interpreting probes with control tasks. McCarthy (1969),
    Pseudo-replication: half samples.

    Examples
    --------
    >>> from modclaims import InputReconstruction
    >>> from modclaims.calibration.examples import planted
    >>> class TheInputFades(InputReconstruction):
    ...     "The token read is harder to tell, the deeper the layer."
    >>> print(planted(TheInputFades, 3))
    SUPPORTED  fall of accuracy at 2 0.34 [0.13, 0.56] at the whole network
    """

    nearest: int = 10
    folds: int = 5
    untrained: int = 0
    holds: Holds = along_depth("falls")
    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "selectivity"
    largest_effect: ClassVar[float] = 1.0
    _takes_slopes: ClassVar[bool] = True

    def validate(self) -> None:
        super().validate()
        if self.nearest < 1:
            raise ClaimError(f"nearest = {self.nearest}: a token must be the closest at best; choose 1 or more.")
        if self.folds < MIN_FOLDS:
            raise ClaimError(
                f"folds = {self.folds}: a penalty is chosen among the other folds, so {MIN_FOLDS} are needed."
            )
        check_untrained(self.untrained)

    @property
    def along(self) -> bool:
        """Whether the claim is about the slope along depth."""
        return self.holds.contrasts

    @property
    def found_name(self) -> str:
        """What is measured, in words."""
        return f"accuracy at {self.nearest}"

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        layers = self.looked_at(shape)
        self.holds.contrast(layers)  # raises where they are too few for a slope
        untrained = untrained_variants(self.untrained)
        return (
            self.request(),
            EMBEDDING,
            *(self.request(variant) for variant in untrained),
            *(for_variant(EMBEDDING, variant) for variant in untrained),
        )

    def plan(self, before: PlanContext) -> TestPlan:
        made = unlabelled(self, Sample.of(before.corpus), before, self.request())
        if self.along:
            return replace(made, cells=1)
        return replace(flipped(made, before), action=f"flipping the signs of each {made.unit}'s differences")

    def measure(self, look: Look) -> Measured:
        sample, layers = Sample.of(look.corpus), self.looked_at(look.shape)
        ids, parts = self.tokens(look.recording), min(self.folds, sample.n)
        dealt = folds_of(sample.n, parts, look.lasting_rng("folds", design=sample.design(0)))
        whole = Tokens.of(sample, ids, dealt)
        control = not (self.along and look.settings.bare)
        told, *halves = self._decoded(look, [whole, *self._halves(look, ids, sample.n)], layers, control=control)
        contrast = self.holds.contrast(layers)
        found = Reconstructed(
            told, layers, self.nearest, contrast, [Reconstructed(h, layers, self.nearest, contrast) for h in halves]
        )
        values = found.values
        units = f"{len(values)} {sample.unit}s"
        return Measured(
            (Cell(),) if self.along else tuple(Cell(layer=layer) for layer in layers),
            f"{self._direction()} of {self.found_name}" if self.along else self.effect_name,
            bounds_of_means(
                values,
                resampled(look, len(values), units),
                (-np.inf, np.inf) if self.along else (-1.0, 1.0),
                found.spread(lambda some: some.values),
            ),
            None if self.along else self._flipped(look, values, sample.unit),
            sample.texts,
            len(values),
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            degenerate=tuple(int(c) for c in np.flatnonzero(np.ptp(values, axis=0) <= ROUNDING)),
            payload=found,
        )

    def _direction(self) -> str:
        """`fall` or `rise`, of a claim along depth."""
        return self.holds.words.split()[0].removesuffix("s")

    def _halves(self, look: Look, ids: Codes, units: int) -> list[Tokens]:
        """The tokens of both halves of some divisions of the texts, one after another; none where a half is too small."""
        if units // 2 < MIN_FOLDS:
            return []
        whole, found = Sample.of(look.corpus), list[Tokens]()
        rng = look.lasting_rng("halves", design=whole.design(0))
        for division in halvings(units, HALVINGS, rng):
            for half in division:
                texts = np.sort(np.concatenate([whole.groups[unit] for unit in half]))
                sample = Sample.of(look.corpus, texts.tolist())
                dealt = folds_of(sample.n, MIN_FOLDS, rng)
                found.append(Tokens.of(sample, ids[texts], dealt, texts))
        return found

    def _decoded(
        self,
        look: Look,
        asked: Sequence[Tokens],
        layers: tuple[int, ...],
        *,
        control: bool,
        variant: str | None = None,
    ) -> list[Decoded]:
        """How well the maps of every layer find tokens, in the task and, where `control`, in the control task.

        Of some sets of texts, each with maps of its own.
        """
        embedding = np.asarray(look.recording.array(for_variant(EMBEDDING, variant)))
        vocabulary = Vocabulary.of(embedding)
        rng = look.lasting_rng("control", design=asked[0].sample.design(0))
        tasks = [Task.of(tokens, embedding, rng if control else None) for tokens in asked]
        for layer in layers:
            rows = self.stream_rows(look.recording, layer, variant)
            for task in tasks:
                task.learn(rows, vocabulary)
        return [task.decoded(vocabulary, len(embedding)) for task in tasks]

    def _flipped(self, look: Look, values: Floats, unit: str) -> NullTest:
        """Sign flips of the units' differences from the control task, at all layers together."""
        rng = look.rng("flips", design=f"{len(values)} {unit}s")
        signs, exact = sign_flips(len(values), budget=look.settings.permutations, rng=rng)
        return NullTest.of(
            "mean difference from the control task",
            signs.astype(np.float64) @ values / len(values),
            np.full(values.shape[1], ROUNDING),
            exact=exact,
            action=f"flipping the signs of each {unit}'s differences",
            by=self.adjust,
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        found = measured.kept(Reconstructed)
        controls = [self._control_task(found), self._unseen_types(found), self._commonest_tokens(found)]
        if self.untrained:
            controls.append(self._untrained(look, found, named))
        return [RivalResult(control) for control in controls]

    def _control_task(self, found: Reconstructed) -> Control:
        """What maps find that could only be learned by heart."""
        task, control, selective = (c.mean(axis=0) for c in (found.accuracy, found.control, found.selectivity))
        return Control(
            "control_task",
            f"With every type of token given another's embedding, {self.found_name} is {found.ends_of(control)}, against "
            f"{found.ends_of(task)}; where both are compared, selectivity is {found.ends_of(selective)}.",
            {"control": control.tolist(), "selectivity": selective.tolist()},
        )

    def _unseen_types(self, found: Reconstructed) -> Control:
        """What maps find of tokens that they never learned from."""
        count, total = found.decoded.unseen, found.decoded.total
        return Control(
            "unseen_types",
            "Every token's type was learned from somewhere, so that nothing is known of others."
            if not count
            else f"Of {total:,} tokens {count:,} are of types that the maps never learned from; of these, {self.found_name} is "
            f"{found.ends_of(found.unseen)}.",
            {"tokens": count, "of": total, "found": found.unseen.tolist()},
        )

    def _commonest_tokens(self, found: Reconstructed) -> Control:
        """What is found by whoever answers with the commonest tokens."""
        commonest = found.decoded.commonest(self.nearest)
        return Control(
            "commonest_tokens",
            f"Whoever answers with the {_counted(self.nearest)} of the texts learned from, whatever the stream, finds "
            f"{commonest:.2f} of the tokens.",
            {"found": commonest},
        )

    def _untrained(self, look: Look, found: Reconstructed, named: int) -> Control:
        """The same number in untrained networks, by the same folds and control task."""
        tokens, layers = found.decoded.tokens, found.layers
        untrained = [
            replace(
                found, decoded=self._decoded(look, [tokens], layers, control=not self.along, variant=variant)[0]
            ).at(named)
            for variant in untrained_variants(self.untrained)
        ]
        own = found.at(named)
        what = (
            f"the {self._direction()} of {self.found_name}" if self.along else f"selectivity at layer {layers[named]}"
        )
        reached = sum(other >= own for other in untrained)
        return Control(
            "untrained_baseline",
            f"In {self.untrained} untrained networks {what} is {from_to(untrained, 2)}, against {own:.2f}: "
            + (f"{reached} of them show as much." if reached else "none shows as much."),
            {"own": own, "untrained": untrained},
        )

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        curves = self._by_depth(measured.kept(Reconstructed), look.shape.layers, look.alpha)
        return (curves, *(() if measured.test is None else (null_histogram(measured.test, named, measured.cells),)))

    def _by_depth(self, found: Reconstructed, depth: int, alpha: float) -> Exhibit:
        """Accuracy of task and control task by relative depth with bands over all layers, and selectivity."""
        share = (0.0, 1.0)
        curves: dict[str, tuple[Callable[[Reconstructed], Floats], tuple[float, float]]] = {
            self.found_name: (lambda some: some.accuracy, share),
            "accuracy at 1": (lambda some: some.at_one, share),
            f"control task, {self.found_name}": (lambda some: some.control, share),
            "selectivity": (lambda some: some.selectivity, (-1.0, 1.0)),
        }
        words: list[str] = []
        mean, low, high = [], [], []
        for name, (curve, ends) in curves.items():
            values = curve(found)
            law = found.spread(curve).law(values.mean(axis=0))
            mean.append(values.mean(axis=0))
            low.append(np.clip(law.limit(1 - alpha), *ends))
            high.append(np.clip(law.limit(alpha), *ends))
            words.append(f"{name}: {', '.join(f'{v:.2f}' for v in mean[-1])}")
        if np.isfinite(found.unseen).any():
            words.append(f"types never learned from: {', '.join(f'{v:.2f}' for v in found.unseen)}")
        return AccuracyByDepth(
            f"Tokens told from the stream by relative depth, {self.site}",
            "Share of tokens found among the vocabulary, mean over texts by layer, with each layer's own bounds (Student's t); "
            + "; ".join(words)
            + ".",
            depth=np.array(found.layers) / max(depth - 1, 1),
            layer=np.array(found.layers),
            mean=np.stack(mean),
            low=np.stack(low),
            high=np.stack(high),
            unseen=found.unseen,
            curves=tuple(curves),
            interval=f"{100 * (1 - 2 * alpha):g} % bounds of each layer",
        ).exhibit()

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Reconstructed)
        told = found.decoded
        return Words(
            note=f"site {self.site}, ridge maps learned on {told.parts - 1} of {told.parts} parts of the texts and tried on the "
            f"other; {told.positions} positions, {told.vocabulary:,} tokens to choose from",
            detail=self._detail(found, named),
            warnings=told.sample.warnings + _few(told, measured.n_units, look.shape.width),
            secondary=self._shares(found) if found.weights is None else self._slopes(found, found.weights),
        )

    def _shares(self, found: Reconstructed) -> dict[str, Floats]:
        """(layer,) secondary numbers of a claim about layers."""
        return {
            "accuracy at 1": found.at_one.mean(axis=0),
            self.found_name: found.accuracy.mean(axis=0),
            f"{self.found_name}, control task": found.control.mean(axis=0),
            f"{self.found_name}, types learned from": found.decoded.among(True, self.nearest),
            f"{self.found_name}, types never learned from": found.unseen,
        }

    def _slopes(self, found: Reconstructed, weights: Floats) -> dict[str, Floats]:
        """(1,) secondary numbers of a claim about the slope, all signed as the claim's own."""
        word = self._direction()
        return {
            f"{word} of accuracy at 1": found.at_one.mean(axis=0) @ weights,
            f"{word} of the control task's {self.found_name}": found.control.mean(axis=0) @ weights,
            f"{word} of selectivity": found.selectivity.mean(axis=0) @ weights,
            f"{word} among types never learned from": found.unseen @ weights,
        }

    def _detail(self, found: Reconstructed, named: int) -> str:
        """How many tokens are found at both ends of the depth, or at the named layer."""
        at_one, at_more = found.at_one.mean(axis=0), found.accuracy.mean(axis=0)
        if self.along:
            both = "" if self.nearest == 1 else f", at 1 {found.ends_of(at_one)}"
            return f"{self.found_name.capitalize()} is {found.ends_of(at_more)}{both}."
        control = found.control.mean(axis=0)
        both = "" if self.nearest == 1 else f" ({at_one[named]:.2f} at 1)"
        return f"At layer {found.layers[named]} {self.found_name} is {at_more[named]:.2f}{both}, in the control task {control[named]:.2f}."


@dataclass(frozen=True)
class Reconstructed:
    """How well tokens are told at every layer; each curve is worked out once, where it is asked for."""

    decoded: Decoded
    layers: tuple[int, ...]
    """Layers looked at."""
    nearest: int
    """A token is found if fewer than so many others lie as close."""
    weights: Floats | None
    """(layer, 1) of the slope that is claimed; None for a claim about layers."""
    halves: Sequence[Reconstructed] = ()
    """The same of both halves of some divisions of the texts, one after another."""

    def spread(self, curve: Callable[[Reconstructed], Floats]) -> Spread:
        """How the mean over units of a (unit, column) curve varies, with other texts to learn from."""
        means: list[Floats | None] = []
        for half in self.halves:
            try:
                means.append(curve(half).mean(axis=0))
            except ClaimError:  # hardly a token stands in two of the half's texts
                means.append(None)
        pairs = [(a, b) for a, b in zip(means[::2], means[1::2], strict=True) if a is not None and b is not None]
        return Spread.of(curve(self), pairs if 2 * len(pairs) >= len(means) // 2 else (), self.decoded.parts)

    @property
    def values(self) -> Floats:
        """(unit, cell) what the claim is about: slopes of accuracy along depth, or selectivity by layer."""
        return self.selectivity if self.weights is None else np.asarray(self.accuracy @ self.weights)

    def at(self, cell: int) -> float:
        """The mean over units at a cell; slopes are those of the mean curve."""
        if self.weights is None:
            return float(self.selectivity.mean(axis=0)[cell])
        return float((self.accuracy.mean(axis=0) @ self.weights)[0])

    @cached_property
    def accuracy(self) -> Floats:
        """(unit, layer) share of tokens found."""
        return self.decoded.curve(self.nearest)

    @cached_property
    def at_one(self) -> Floats:
        """(unit, layer) share of tokens that lie closest of all."""
        return self.decoded.curve(1)

    @cached_property
    def control(self) -> Floats:
        """(unit, layer) share found in the control task."""
        return self.decoded.control_curve(self.nearest)

    @cached_property
    def selectivity(self) -> Floats:
        """(unit, layer) share found minus that of the control task, where both are compared; fewer units than texts may be."""
        return self.decoded.selectivity(self.nearest)

    @cached_property
    def unseen(self) -> Floats:
        """(layer,) share found of tokens whose type was never learned from."""
        return self.decoded.among(False, self.nearest)

    def ends_of(self, curve: Floats) -> str:
        """First and last value of a (layer,) curve in words."""
        first, last = self.layers[0], self.layers[-1]
        if len(self.layers) == 1:
            return f"{curve[0]:.2f} at layer {first}"
        return f"{curve[0]:.2f} at layer {first} and {curve[-1]:.2f} at layer {last}"


def _counted(nearest: int) -> str:
    return "commonest token" if nearest == 1 else f"{nearest} commonest tokens"


def _few(told: Decoded, units: int, width: int) -> tuple[str, ...]:
    """Warnings of texts that are left out, and of maps of `width` inputs that are learned from few tokens."""
    sample, out = told.sample, []
    if units < sample.n:
        out.append(
            f"{sample.n - units} of {sample.n} {sample.unit}s have no token that both tasks are compared on, and no selectivity; they "
            "are left out."
        )
    parts = told.parts
    learned = told.total * (parts - 1) // parts
    if learned < FEW_ROWS * width:
        out.append(
            f"Maps of {width} inputs are learned from {learned:,} tokens each: they tell less than the stream holds. More texts or "
            "positions would tell more."
        )
    return tuple(out)
