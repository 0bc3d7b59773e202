"""What claims about one curve along depth share: texts as units, divisions of the layers into chunks, bands, untrained networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.controls import UNTRAINED, check_untrained
from modclaims.families.common.units import MIN_UNITS, Sample
from modclaims.figures.curve_by_depth import CurveByDepth
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import RivalResult
from modclaims.planning.context import PlanContext
from modclaims.recording import ModelShape
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples, resample_groups
from modclaims.stats.effects.chunks import ENDS, Division, Shares, mean_bounds
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]
AFTER = 32
"""Tokens that are not looked from: early ones have few others to attend to."""
MOST_UNDEFINED = 0.01
"""Share of resamples without spread from which on a layer of a curve has no band."""


class Unlabelled(Hypothesis):
    """A claim that compares no categories. Units are texts, or the blocks that they belong to.

    Attributes
    ----------
    untrained : int, default 5
        Untrained networks that the effect is compared with: 0 for none, or at least 5.
    holds : Holds, default somewhere()
        Only somewhere(): the claim speaks of all layers together.
    """

    untrained: int = UNTRAINED
    holds: Holds = somewhere()
    _without_effect: ClassVar[Mapping[str, str]] = {
        "label": "no categories are compared",
        "within": "no categories are compared",
    }

    def validate(self) -> None:
        super().validate()
        check_untrained(self.untrained)
        if self.holds != somewhere():
            raise ClaimError(f"{self.family()} speaks of all layers together; leave holds as it is.")

    def columns(self) -> tuple[str, ...]:
        """None: the claim compares layers, not categories."""
        return ()

    def check(self, before: PlanContext) -> None:
        Sample.of(before.corpus).require(MIN_UNITS, before.corpus)

    def _resamples(self, look: Look, sample: Sample, most: int | None = None) -> Resamples:
        """Units resampled in one group: as often as the run says, and at most so often."""
        count = look.settings.resamples if most is None else min(look.settings.resamples, most)
        rng = look.rng("resamples", design=sample.design(0))
        return resample_groups(np.zeros(sample.n, dtype=np.int64), count=count, rng=rng)


class DepthCurve(Unlabelled):
    """A claim about the shape of one curve along depth, which is divided into chunks of layers.

    Attributes
    ----------
    ends : str, default 'both'
        Which ends are set apart from the middle. One of 'both', 'early' and 'last'.
    early_most : float, default 0.5
        The largest share of the layers that the early chunk may take, between 0 and 1.
    last_most : float, default 0.25
        The largest share of the layers that the last chunk may take, between 0 and 1.
    middle_least : float, default 0.25
        The smallest share of the layers that the middle may take, between 0 and 1.
    named : tuple[int, int] | None, default None
        First and last layer of the middle, named in advance, so that nothing is searched; None for all
        divisions that the shares admit.
    """

    ends: str = "both"
    early_most: float = 0.5
    last_most: float = 0.25
    middle_least: float = 0.25
    named: tuple[int, int] | None = None
    least_layers: ClassVar[int] = 3
    """Layers without which the claim says nothing."""

    def validate(self) -> None:
        super().validate()
        if self.ends not in ENDS:
            raise ClaimError(f"ends = {self.ends!r} is unknown; choose one of {', '.join(ENDS)}.")
        for name in ("early_most", "last_most", "middle_least"):
            share = getattr(self, name)
            if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
                raise ClaimError(f"{name} = {share!r} must be a share of the layers, between 0 and 1.")
        if self.named is not None and not (len(self.named) == 2 and all(isinstance(v, int) for v in self.named)):
            raise ClaimError(f"named = {self.named!r} must be the first and the last layer of the middle.")

    def divisions(self, shape: ModelShape) -> tuple[Division, ...]:
        """The divisions of a network's layers that are searched, or the one that was named.

        Raises `ClaimError` where there is none.
        """
        layers = shape.layers
        if layers < self.least_layers:
            raise ClaimError(
                f"Model {shape.name!r} has {layers} layers; {self.family()} needs at least {self.least_layers}."
            )
        if self.named is None:
            return Shares(self.early_most, self.last_most, self.middle_least).divisions(layers, self.ends)
        first, last = (layer + layers if layer < 0 else layer for layer in self.named)
        starts, stops = (0, layers - 1) if self.ends != "both" else (1, layers - 2)
        starts, stops = (1 if self.ends == "early" else starts), (layers - 2 if self.ends == "last" else stops)
        if not starts <= first <= last <= stops:
            raise ClaimError(
                f"named = {self.named} leaves no layer to compare the middle with: model {shape.name!r} has layers 0 to "
                f"{layers - 1}, of which the middle may lie in {starts} to {stops}."
            )
        return (Division(first if self.ends != "last" else 0, last + 1 if self.ends != "early" else layers),)


def beyond(positions: Sequence[int], tokens: int, family: str) -> list[int]:
    """Which of the run's positions lie beyond the first `tokens`. Raises `ClaimError` where none does."""
    later = [i for i, position in enumerate(positions) if position >= tokens]
    if not later:
        first = "the first token" if tokens == 1 else f"the first {tokens} tokens"
        raise ClaimError(
            f"{family} leaves out {first}, and the run reads nothing after position {max(positions)}; choose later --positions."
        )
    return later


def cell_of(division: Division) -> Cell:
    """A division, named by its middle."""
    return Cell(layer=division.start, last_layer=division.stop - 1)


def spelt(layers: range) -> str:
    """Layers of a chunk in words."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    return f"layers {layers[0]} to {layers[-1]}"


def chunks_spelt(division: Division, curve: Floats, digits: int = 2) -> str:
    """The mean of a curve in each chunk, in words."""
    told = [f"{float(curve[list(c)].mean()):.{digits}f} in {spelt(c)}" for c in division.chunks(len(curve)) if len(c)]
    return ", ".join(told[:-1]) + f" and {told[-1]}"


def changes_spelt(frequencies: Floats, division: Division) -> str:
    """How often resamples put the changes where they were found; descriptive."""
    layers = frequencies.shape[1]
    told = []
    if division.start > 0:
        told.append(f"the middle at layer {division.start} in {100 * frequencies[0, division.start]:.0f} %")
    if division.stop < layers:
        told.append(f"the last chunk at layer {division.stop} in {100 * frequencies[1, division.stop]:.0f} %")
    return f"Of the resamples, {' and '.join(told)} begin there (descriptive)." if told else ""


def layer_curve(
    title: str,
    quantity: str,
    layers: Sequence[int],
    count: int,
    bounds: Bounds,
    alpha: float,
    *,
    untrained: Floats | None = None,
) -> CurveByDepth:
    """One quantity at some of a network's `count` layers, with a band for all of them at once.

    Layers in which too few texts differ have none, and take no part in that of the others: resamples without any spread
    would leave no layer with a limit.
    """
    varied = np.flatnonzero(bounds.bounded & (bounds.undefined <= MOST_UNDEFINED))
    low, high = np.full((2, len(layers)), np.nan)
    if len(varied):
        low[varied], high[varied] = bounds.lower(alpha, varied)[varied], bounds.upper(alpha, varied)[varied]
    words = [f"{quantity[:1].upper()}{quantity[1:]} by layer: {', '.join(f'{v:.2f}' for v in bounds.effect)}"]
    if len(varied) < len(layers):
        without = [str(layers[i]) for i in range(len(layers)) if i not in varied]
        words.append(
            f"no band in layer{'s' * (len(without) > 1)} {', '.join(without)}, where too few texts differ for one"
        )
    untrained = untrained if untrained is not None and len(untrained) else None
    if untrained is not None:
        words.append(f"untrained networks: {', '.join(f'{v:.2f}' for v in untrained.mean(axis=0))}")
    return CurveByDepth(
        title,
        "; ".join(words) + ".",
        depth=np.array(layers) / max(count - 1, 1),
        layer=np.array(layers),
        mean=bounds.effect,
        low=low,
        high=high,
        twin=untrained,
        quantity=quantity,
        interval=f"{100 * (1 - 2 * alpha):g} % band over all layers",
    )


@dataclass(frozen=True)
class Overlay:
    """What is drawn, and said, with a curve along depth; what is None, or has no network, is left out."""

    division: Division | None = None
    """Chunks of layers whose means are drawn as levels."""
    frequencies: Floats | None = None
    """(2, layer) how often resamples begin the middle, and the last chunk, at each layer."""
    line: Floats | None = None
    """(layer,) a straight line fitted to the curve."""
    untrained: Floats | None = None
    """(network, layer) the same curve of untrained networks."""


def untrained_curves(rivals: Sequence[RivalResult]) -> Floats | None:
    """(network, layer) curves of untrained networks, as a rival left them; None where none did."""
    return next((rival.untrained for rival in rivals if rival.untrained is not None), None)


def curve_exhibit(
    title: str,
    quantity: str,
    curves: Floats,
    resamples: Resamples,
    alpha: float,
    *,
    ends: tuple[float, float],
    overlay: Overlay | None = None,
) -> Exhibit:
    """The mean over units of (unit, layer) curves with a band for all layers at once, and what is said of its shape."""
    layers, drawn = curves.shape[1], overlay or Overlay()
    mean, every = curves.mean(axis=0), np.arange(layers)
    plain = layer_curve(title, quantity, range(layers), layers, mean_bounds(curves, resamples, ends), alpha)
    words, level, chunk = [plain.description.removesuffix(".")], None, None
    if (division := drawn.division) is not None:
        level = np.full(layers, np.nan)
        for part in division.chunks(layers):
            if len(part):
                level[list(part)] = mean[list(part)].mean()
        chunk = (every >= division.start).astype(np.int64) + (every >= division.stop)
        words.append(f"means {chunks_spelt(division, mean)}")
    if drawn.frequencies is not None:
        words.append("below, how often resamples begin the middle and the last chunk at each layer")
    if drawn.line is not None:
        words.append("dashed, the straight line")
    untrained = drawn.untrained if drawn.untrained is not None and len(drawn.untrained) else None
    if untrained is not None:
        words.append(f"untrained networks: {', '.join(f'{v:.2f}' for v in untrained.mean(axis=0))}")
    return replace(
        plain,
        description="; ".join(words) + ".",
        level=level,
        chunk=chunk,
        begins=drawn.frequencies,
        line=drawn.line,
        twin=untrained,
    ).exhibit()
