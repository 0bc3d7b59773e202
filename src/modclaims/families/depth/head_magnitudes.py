"""HeadMagnitudes: are heads of one layer alike in how much they put out; and QuietMiddle, do middle layers put out less?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import from_to
from modclaims.errors import ClaimError
from modclaims.families.common.chunk_contrasts import ChunkContrast
from modclaims.families.common.controls import untrained_variants
from modclaims.families.common.depth_curves import Overlay, Unlabelled, curve_exhibit, untrained_curves
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import Sample
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.perfect_samples import bounded
from modclaims.planning.plan import TestPlan
from modclaims.recording import Activations, ModelShape, Recording, Request
from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.end_of_scale import EndLaw
from modclaims.stats.bounds.resamples import Resamples
from modclaims.stats.evidence import Cell, Control, Exhibit
from modclaims.stats.nulls.null_objects import mean_replicates
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
SITE = "head_z"
QUANTITY = "log2 magnitude of head outputs"


def _request(variant: str | None = None) -> Activations:
    return Activations(SITE, None, "norm", variant=variant)


def log_magnitudes(recording: Recording, variant: str | None) -> Floats:
    """(text, layer, head) log2 of the mean Euclidean norm over positions. Raises `ClaimError` where a head puts out nothing."""
    layers = range(recording.shape.layers)
    norms = [np.asarray(recording.array(_request(variant), x), dtype=np.float64).mean(axis=1) for x in layers]
    found = np.stack(norms, axis=1)
    if not (found > 0).all():
        _, layer, head = (int(i) for i in np.argwhere(~(found > 0))[0])
        raise ClaimError(
            f"Head {head} of layer {layer} puts out nothing for some text, so that magnitudes have no logarithm."
        )
    return np.asarray(np.log2(found))


def between_layers(values: Floats) -> Floats:
    """(unit,) share of the variance of (unit, layer, head) values that lies between layers, corrected for chance.

    The intraclass correlation ICC(1) of heads in layers, (MSB - MSW) / (MSB + (h - 1) MSW) of h heads a layer (Shrout & Fleiss
    1979): 1 where heads of one layer are the same, 0 where layers tell nothing, not a number where nothing varies.
    """
    heads = values.shape[2]
    between = heads * values.mean(axis=2).var(axis=1, ddof=1)
    within = values.var(axis=2, ddof=1).mean(axis=1)
    total = between + (heads - 1) * within
    # no more than rounding is no variance
    total[total <= (ROUNDING * np.abs(values).max()) ** 2] = np.nan
    return np.asarray((between - within) / total)


class HeadMagnitudes(Unlabelled):
    """How much a head puts out is a matter of its layer rather than of the head.

    A head's magnitude is the Euclidean norm of what it reads out (`head_z`), the mean over positions. The
    effect is the intraclass correlation of the log2 magnitudes of heads in layers, one number per text,
    the mean over texts: the share of their variance that lies between layers, corrected for chance.
    Positive when heads of one layer are alike, 1 where they are equal, 0 (or a little below) where the
    layer says nothing. There is one cell, the whole network.

    Nothing is exchanged: p is read off the bound, the wider of bootstrap-t and Student's t over texts. It
    speaks of new texts in this network; heads and layers are those it has. Heads of one
    network are of one width, so that their norms compare.

    Attributes
    ----------
    smallest_effect : float, default 0.5
        Share of variance, from 0 to below 1.

    References
    ----------
    Shrout & Fleiss (1979), Intraclass correlations: uses in assessing rater reliability.

    Examples
    --------
    >>> from modclaims import HeadMagnitudes
    >>> from modclaims.calibration.examples import planted
    >>> class LayersDecide(HeadMagnitudes):
    ...     "Half of what heads put out is a matter of their layer."
    ...
    ...     smallest_effect = 0.3
    >>> print(planted(LayersDecide, 2))
    SUPPORTED  share between layers 0.60 [0.57, 0.62] at the whole network
    >>> print(planted(LayersDecide, 0))
    REFUTED  share between layers 0.00 [-0.02, 0.04] at the whole network
    """

    smallest_effect: float = 0.5
    effect_name: ClassVar[str] = "share between layers"
    largest_effect: ClassVar[float] = 1.0
    _without_effect: ClassVar[Mapping[str, str]] = {**Unlabelled._without_effect, "adjust": "p is read off the bound"}

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        if shape.layers < 2 or shape.heads < 2:
            raise ClaimError(
                f"Model {shape.name!r} has {shape.layers} layers of {shape.heads} heads; variance between and within layers needs 2 of each."
            )
        return (_request(), *(_request(variant) for variant in untrained_variants(self.untrained)))

    def plan(self, before: PlanContext) -> TestPlan:
        request = self.requests(before.shape)[0]
        made = replace(unlabelled(self, Sample.of(before.corpus), before, request), cells=1)
        return bounded(made, EndLaw.of_means(np.zeros(1), units=made.units, ends=(-1.0, 1.0)), self.smallest_effect)

    def measure(self, look: Look) -> Measured:
        sample = Sample.of(look.corpus)
        values = sample.units(log_magnitudes(look.recording, None))
        shares = between_layers(values)
        resamples = self._resamples(look, sample)
        bounds = bootstrap_t(mean_replicates(shares[:, None], resamples), resamples, means=True, ends=(-1.0, 1.0))
        return Measured(
            (Cell(),),
            self.effect_name,
            replace(bounds, end=EndLaw.of_means(bounds.theta, units=sample.n, ends=bounds.ends)),
            None,
            sample.texts,
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            payload=Magnitudes(sample, values, shares, resamples),
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        if not self.untrained:
            return ()
        found = measured.kept(Magnitudes)
        untrained = [
            found.sample.units(log_magnitudes(look.recording, variant))
            for variant in untrained_variants(self.untrained)
        ]
        control = _untrained_share([float(between_layers(t).mean()) for t in untrained], float(found.shares.mean()))
        return (RivalResult(control, untrained=np.array([t.mean(axis=(0, 2)) for t in untrained])),)

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Magnitudes)
        return (
            curve_exhibit(
                f"{QUANTITY[:1].upper()}{QUANTITY[1:]} by relative depth",
                QUANTITY,
                found.values.mean(axis=2),
                found.resamples,
                look.alpha,
                ends=(-np.inf, np.inf),
                overlay=Overlay(untrained=untrained_curves(rivals)),
            ),
        )

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Magnitudes)
        spread = found.values.std(axis=2, ddof=1).mean(axis=0)
        means = found.values.mean(axis=(0, 2))
        return Words(
            note=f"site {SITE}, Euclidean norms, mean over {len(look.recording.positions)} positions; {look.shape.layers} layers x "
            f"{look.shape.heads} heads",
            detail=f"Layers' means differ by a factor of {2 ** np.ptp(means):.2g} at most; heads of one layer spread by a factor of "
            f"{2 ** spread.min():.2g} to {2 ** spread.max():.2g}.",
            warnings=found.sample.warnings,
            secondary={
                "spread between layers, log2": np.array([means.std(ddof=1)]),
                "spread between heads of a layer, log2": np.array([spread.mean()]),
            },
        )


@dataclass(frozen=True)
class Magnitudes:
    """How much heads put out, and how far that is a matter of their layer."""

    sample: Sample
    """The texts, or blocks, that were read."""
    values: Floats
    """(unit, layer, head) log2 magnitudes."""
    shares: Floats
    """(unit,) share of their variance between layers, as `between_layers` has it."""
    resamples: Resamples


class QuietMiddle(ChunkContrast):
    """Heads put out less in the middle layers than in an early chunk of layers and in the last ones.

    The curve is the log2 magnitude of what heads read out (Euclidean norm of `head_z`, mean over
    positions, then mean over heads), one number per text and layer. The layers are divided into an early,
    a middle and a last chunk. The effect (lesser contrast) is the smaller of two differences, the early
    chunk's mean minus the middle's and the last chunk's minus the middle's; positive when the middle is
    quieter than both ends, and 1 is half the magnitude. Cells are the divisions that `early_most`,
    `last_most` and `middle_least` admit, or the one that is `named`.

    p is that of flipping the signs of each text's contrasts, step-down over both contrasts of all divisions
    that are searched. Exchangeable under the null: a text's contrasts and their negatives, so that their
    joint law must be symmetric about 0 (skewed differences of few texts make p wrong). Bounds are the
    wider of bootstrap-t and Student's t over texts; the lower limit holds for all divisions. Where the
    chunks begin is descriptive.

    Attributes
    ----------
    smallest_effect : float, default 0.5
        log2 of a ratio of magnitudes, at least 0.

    References
    ----------
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling (both contrasts must hold).

    Examples
    --------
    >>> from modclaims import QuietMiddle
    >>> from modclaims.calibration.examples import planted
    >>> class MiddleIsQuiet(QuietMiddle):
    ...     "Heads put out less in the middle."
    >>> print(planted(MiddleIsQuiet, 3))
    SUPPORTED  lesser contrast 1.50 [1.25, 1.71] at layers 1 to 2
    >>> print(planted(MiddleIsQuiet, 0))
    REFUTED  lesser contrast -0.03 [-0.34, 0.32] at layer 2
    """

    smallest_effect: float = 0.5
    _sign: ClassVar[float] = -1.0
    _contrast_ends: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    _curve_ends: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    _quantity: ClassVar[str] = QUANTITY

    def request(self, variant: str | None = None) -> Activations:
        return _request(variant)

    def curve(self, recording: Recording, variant: str | None) -> Floats:
        return np.asarray(log_magnitudes(recording, variant).mean(axis=2))

    def told(self, recording: Recording) -> str:
        return f"site {SITE}, Euclidean norms, mean over {len(recording.positions)} positions and {recording.shape.heads} heads"


def _untrained_share(untrained: list[float], own: float) -> Control:
    return Control(
        "untrained_baseline",
        f"In {len(untrained)} untrained networks {from_to(untrained, 2)} of the variance lies between layers, here {own:.2f}.",
        {"own": own, "untrained": untrained},
    )
