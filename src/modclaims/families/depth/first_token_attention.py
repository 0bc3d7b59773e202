"""FirstTokenAttention: which layers park their attention on the first token; and AttentionSinks, how many heads do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common.chunk_contrasts import ChunkContrast, by_chunk
from modclaims.families.common.controls import untrained_variants
from modclaims.families.common.depth_curves import AFTER, Overlay, Unlabelled, beyond, curve_exhibit, untrained_curves
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import Sample
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.perfect_samples import bounded
from modclaims.planning.plan import TestPlan
from modclaims.recording import Activations, ModelShape, Positions, Recording, Request
from modclaims.stats.bounds.end_of_scale import EndLaw
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.effects.chunks import Division, mean_bounds
from modclaims.stats.evidence import Cell, Control, Exhibit

Floats = NDArray[np.float64]
SITE = "attn_pattern"
SINK = 0.3
"""A head is a sink where the first token takes more than this share of its attention."""
SINK_TOKENS = 64


class FirstTokenAttention(ChunkContrast):
    """Early layers spread their attention more evenly than the middle ones, which park it on the first token, and so do the last.

    The curve is the share of attention that the first token takes, one number per text and layer: the
    mean over heads and over queries after the 32nd, the same in every layer. The layers are divided into
    an early, a middle and a last chunk. The effect (lesser contrast) is the smaller of two differences,
    the middle's mean share minus the early chunk's and minus the last chunk's; between -1 and 1,
    positive when the middle parks more than both ends. Cells are the divisions that `early_most`,
    `last_most` and `middle_least` admit, or the one that is `named`.

    p is that of flipping the signs of each text's contrasts, step-down over both contrasts of all divisions
    that are searched. Exchangeable under the null: a text's contrasts and their negatives, so that their
    joint law must be symmetric about 0 (skewed differences of few texts make p wrong). Bounds are the
    wider of bootstrap-t and Student's t over texts; the lower limit holds for all divisions. Where the
    chunks begin is descriptive.

    Attributes
    ----------
    smallest_effect : float, default 0.1
        Share of attention, from 0 to below 1.

    Notes
    -----
    Source: the remark that GPT-2 XL attends evenly in a chunk of early layers and in the very last ones.

    References
    ----------
    Xiao et al. (2024), Efficient streaming language models with attention sinks. Berger (1982),
    Multiparameter hypothesis testing and acceptance sampling (both contrasts must hold).

    Examples
    --------
    >>> from modclaims import FirstTokenAttention
    >>> from modclaims.calibration.examples import planted
    >>> class MiddleParks(FirstTokenAttention):
    ...     "Middle layers park attention on the first token."
    >>> print(planted(MiddleParks, 3))
    SUPPORTED  lesser contrast 0.29 [0.21, 0.36] at layer 2
    >>> print(planted(MiddleParks, 0))
    REFUTED  lesser contrast 0.01 [-0.07, 0.05] at layers 1 to 2
    """

    smallest_effect: float = 0.1
    largest_effect: ClassVar[float] = 1.0
    _quantity: ClassVar[str] = "share of attention on the first token"

    def check(self, before: PlanContext) -> None:
        super().check(before)
        beyond(before.positions, AFTER, self.family())

    def request(self, variant: str | None = None) -> Activations:
        return Activations(SITE, None, "first", variant=variant)

    def curve(self, recording: Recording, variant: str | None) -> Floats:
        return np.asarray(self._heads(recording, variant).mean(axis=2))

    def told(self, recording: Recording) -> str:
        return f"site {SITE}, mean over {recording.shape.heads} heads and the queries read after the first {AFTER}"

    def sentence_of(self, spelt: str) -> str:
        return f"The first token takes {spelt} of all attention."

    def beside(self, recording: Recording, sample: Sample, divisions: tuple[Division, ...]) -> dict[str, Floats]:
        share = sample.units((self._heads(recording, None) > SINK).mean(axis=2)).mean(axis=0)
        return by_chunk(f"heads above {SINK:g}", share, divisions)

    def _heads(self, recording: Recording, variant: str | None) -> Floats:
        """(text, layer, head) share on the first token, the mean over queries."""
        rows = beyond(recording.positions, AFTER, self.family())
        request = self.request(variant)
        found = [
            np.asarray(recording.array(request, layer), dtype=np.float64)[:, rows].mean(axis=1)
            for layer in range(recording.shape.layers)
        ]
        return np.stack(found, axis=1)


class AttentionSinks(Unlabelled):
    """At least a tenth of all heads give more than 0.3 of their attention to the first token.

    A head is a sink where its attention to the first token, averaged over the queries of the first 64
    tokens, exceeds 0.3. The effect is the share of all heads of the network that are sinks, one number
    per text, the mean over texts; between 0 and 1, and the claim is that it exceeds `smallest_effect`.
    There is one cell, the whole network.

    Nothing is exchanged: p is read off the bound, the wider of bootstrap-t and Student's t over texts,
    joined near 0 and 1 by Hoeffding's law of bounded numbers. An even spread would give the first token 0.07 of these
    queries' attention. Among so few tokens a head that looks at near ones passes for a sink: the share at
    the queries after the 32nd alone is reported with it.

    Attributes
    ----------
    smallest_effect : float, default 0.1
        Share of heads, from 0 to below 1.

    References
    ----------
    Gu et al. (2024), When attention sink emerges in language models: an empirical view (threshold 0.3).
    Hoeffding (1963), Probability inequalities for sums of bounded random variables.

    Examples
    --------
    >>> from modclaims import AttentionSinks
    >>> from modclaims.calibration.examples import planted
    >>> class ManyHeadsAreSinks(AttentionSinks):
    ...     "A tenth of the heads or more are attention sinks."
    >>> print(planted(ManyHeadsAreSinks, 3))
    SUPPORTED  share of heads 0.27 [0.22, 0.32] at the whole network
    >>> print(planted(ManyHeadsAreSinks, 1))
    INCONCLUSIVE  share of heads 0.14 [0.09, 0.17] at the whole network
    """

    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "share of heads"
    largest_effect: ClassVar[float] = 1.0
    _without_effect: ClassVar[Mapping[str, str]] = {**Unlabelled._without_effect, "adjust": "p is read off the bound"}

    def _request(self, variant: str | None = None) -> Activations:
        return Activations(SITE, None, "first", Positions(f"0:{SINK_TOKENS}:1"), variant)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        if shape.context < SINK_TOKENS:
            raise ClaimError(
                f"AttentionSinks reads {SINK_TOKENS} tokens, and model {shape.name!r} at most {shape.context}."
            )
        return (self._request(), *(self._request(variant) for variant in untrained_variants(self.untrained)))

    def plan(self, before: PlanContext) -> TestPlan:
        request = self.requests(before.shape)[0]
        made = replace(unlabelled(self, Sample.of(before.corpus), before, request), cells=1)
        return bounded(made, EndLaw.of_means(np.zeros(1), units=made.units, ends=(0.0, 1.0)), self.smallest_effect)

    def measure(self, look: Look) -> Measured:
        sample = Sample.of(look.corpus)
        by_layer = sample.units(self._sinks(look.recording, None))
        resamples = self._resamples(look, sample)
        shares = by_layer.mean(axis=1, keepdims=True)
        law = EndLaw.of_means(shares.mean(axis=0), units=sample.n, ends=(0.0, 1.0))
        return Measured(
            (Cell(),),
            self.effect_name,
            replace(mean_bounds(shares, resamples, (0.0, 1.0)), end=law),
            None,
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            payload=SinkShares(sample, by_layer, resamples),
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        if not self.untrained:
            return ()
        found = measured.kept(SinkShares)
        untrained = [
            found.sample.units(self._sinks(look.recording, variant)) for variant in untrained_variants(self.untrained)
        ]
        control = _untrained_share([float(t.mean()) for t in untrained], float(found.mean.mean()))
        return (RivalResult(control, untrained=np.array([t.mean(axis=0) for t in untrained])),)

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(SinkShares)
        return (
            curve_exhibit(
                f"Heads with more than {SINK:g} of their attention on the first token, by relative depth",
                "share of heads that are sinks",
                found.by_layer,
                found.resamples,
                look.alpha,
                ends=(0.0, 1.0),
                overlay=Overlay(untrained=untrained_curves(rivals)),
            ),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(SinkShares)
        mean, later = found.mean, float(found.sample.units(self._sinks(look.recording, None, AFTER)).mean())
        most = int(mean.argmax())
        return Words(
            note=f"site {SITE}, mean over the queries of the first {SINK_TOKENS} tokens, threshold {SINK:g}; "
            f"{look.shape.layers} x {look.shape.heads} heads",
            detail=f"Most sinks are in layer {most}: {100 * float(mean[most]):.0f} % of its heads. At the queries after the first "
            f"{AFTER} alone, to which the first token is no neighbour, {100 * later:.0f} % of all heads are sinks.",
            warnings=found.sample.warnings,
            secondary={f"share of heads, queries after the first {AFTER}": np.array([later])},
        )

    def _sinks(self, recording: Recording, variant: str | None, start: int = 0) -> Floats:
        """(text, layer) share of heads above the threshold, mean over queries from `start` on."""
        request = self._request(variant)
        found = [
            np.asarray(recording.array(request, layer), dtype=np.float64)[:, start:].mean(axis=1) > SINK
            for layer in range(recording.shape.layers)
        ]
        return np.asarray(np.stack(found, axis=1).mean(axis=2))


@dataclass(frozen=True)
class SinkShares:
    """How many heads of each layer are sinks."""

    sample: Sample
    """The texts, or blocks, that attention was read in."""
    by_layer: Floats
    """(unit, layer) share of the layer's heads."""
    resamples: Resamples

    @property
    def mean(self) -> Floats:
        """(layer,) the mean over units."""
        return np.asarray(self.by_layer.mean(axis=0))


def _untrained_share(untrained: list[float], own: float) -> Control:
    return Control(
        "untrained_baseline",
        f"Of the heads of {len(untrained)} untrained networks {from_to([100 * t for t in untrained], 0, ' %')} are sinks, of this "
        f"network's {100 * own:.0f} %.",
        {"own": own, "untrained": untrained},
    )
