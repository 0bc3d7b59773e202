"""HeavyTails: do single coordinates of the residual stream hold more of a token than they would in a random basis?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.axes.axis_streams import SITES
from modclaims.families.axes.figures.kurtosis_by_depth import KurtosisByDepth
from modclaims.families.common.plan_parts import unlabelled
from modclaims.families.common.units import MIN_UNITS, Sample
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import TestPlan
from modclaims.recording import Activations, ModelShape, Positions, Recording, Request
from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.resample_parts import in_parts
from modclaims.stats.evidence import Cell, Exhibit
from modclaims.stats.nulls.null_objects import MIN_DRAWS, against_null, resample_texts_and_draws
from modclaims.stats.nulls.rotations import ULPS, Coordinates, draws, gaussian_kurtosis, kurtosis
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]
FIRST = Positions("0")
WITHOUT_FIRST, WITH_FIRST, FIRST_ALONE = range(3)
"""Which tokens a mean is taken over."""


class HeavyTails(Hypothesis):
    """Single coordinates of the residual stream hold far more of a token than they would in a random basis.

    The effect is the kurtosis over the coordinates of one token, about their mean, averaged over
    positions, minus the same after Haar-random rotations of all activations; positive when single
    coordinates hold more. A rotated token has 3 (d - 1) / (d + 1) on average at width d, the Gaussian
    value at finite width. Cells are layers.

    No labels are exchanged: p is read off the bound of the bootstrap-t, texts and rotations being
    resampled, crossed (or Student's t over texts, whichever is wider). The number is wrong where few
    tokens rule it: the first token, on which many networks park large coordinates, is left out unless
    `first_token` is set, and shown apart.

    Attributes
    ----------
    site : str, default 'resid_post'
        Where to look. One of 'embed', 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre' and 'resid_post'.
    first_token : bool, default False
        Whether the first token of each text counts like the run's positions.
    standardised : bool, default False
        Whether each coordinate is first brought to mean 0 and spread 1 over all tokens of its layer.
    draws : int, default 20
        Random rotations: at least 20.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    smallest_effect : float, default 1.0
        Kurtosis (that of a Gaussian is 3), at least 0.

    References
    ----------
    Elhage, Lasenby & Olah (2023), Privileged bases in the transformer residual stream. Owen (2007), The
    pigeonhole bootstrap.

    Examples
    --------
    >>> from modclaims import HeavyTails
    >>> from modclaims.calibration.examples import planted
    >>> class StreamsHaveHeavyTails(HeavyTails):
    ...     "In some layer single coordinates hold much of a token."
    >>> print(planted(StreamsHaveHeavyTails, 2))
    SUPPORTED  kurtosis above rotated 2.08 [1.26, 2.50] at layer 2
    >>> print(planted(StreamsHaveHeavyTails, 0))
    REFUTED  kurtosis above rotated -0.09 [-0.46, 0.22] at layer 0
    """

    site: str = "resid_post"
    first_token: bool = False
    standardised: bool = False
    draws: int = MIN_DRAWS
    layers: tuple[int, ...] | None = None
    holds: Holds = somewhere()
    smallest_effect: float = 1.0
    effect_name: ClassVar[str] = "kurtosis above rotated"
    _without_effect: ClassVar[Mapping[str, str]] = {
        "label": "bases are compared, not categories",
        "within": "bases are compared, not categories",
        "adjust": "p is read off the bound",
    }

    def validate(self) -> None:
        super().validate()
        if self.site not in SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(SITES)}.")
        if self.draws < MIN_DRAWS:
            raise ClaimError(f"draws = {self.draws}: a bound over rotations needs at least {MIN_DRAWS} of them.")

    def columns(self) -> tuple[str, ...]:
        """None: the claim compares bases, not categories."""
        return ()

    def check(self, before: PlanContext) -> None:
        Sample.of(before.corpus).require(MIN_UNITS, before.corpus)
        before.cells(self.holds, self._requests()[0])
        _later(before.positions)

    def _requests(self) -> tuple[Activations, Activations]:
        return Activations(self.site, self.layers), Activations(self.site, self.layers, positions=FIRST)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        shape.resolve_layers(self._requests()[0])
        return self._requests()

    def plan(self, before: PlanContext) -> TestPlan:
        return unlabelled(self, Sample.of(before.corpus), before, self._requests()[0], f" and {self.draws} rotations")

    def measure(self, look: Look) -> Measured:
        sample = Sample.of(look.corpus)
        layers = look.shape.resolve_layers(self._requests()[0])
        tokens = self._tokens(look.recording, layers)
        coordinates = Coordinates.of(tokens.reshape(-1, tokens.shape[-1]))
        design = sample.design(self.draws)
        own = _by_kind(tokens, sample)
        turned = draws(
            self.draws,
            look.lasting_rng("rotations", design=design),
            lambda rng: _by_kind(coordinates.turned(rng).reshape(tokens.shape), sample),
        )
        rotated = np.stack(turned)
        rng, kind = look.rng("resamples", design=design), self._kind
        resamples = resample_texts_and_draws(sample.n, self.draws, count=look.settings.resamples, rng=rng)
        bounds = in_parts(
            lambda drawn: bootstrap_t(against_null(-own[:, :, kind], -rotated[..., kind], drawn), drawn, means=True),
            resamples,
        )
        return Measured(
            tuple(Cell(layer=layer) for layer in layers),
            self.effect_name,
            bounds,
            None,
            len(look.corpus),
            sample.n,
            unit=sample.unit,
            resampled=f"{sample.unit}s and rotations",
            payload=Kurtosis(sample, layers, own, rotated, gaussian_kurtosis(tokens.shape[-1])),
        )

    @property
    def _kind(self) -> int:
        """Which of `Kurtosis` is claimed."""
        return WITH_FIRST if self.first_token else WITHOUT_FIRST

    @property
    def _words(self) -> str:
        return f"{'with' if self.first_token else 'without'} the first token"

    def _tokens(self, recording: Recording, layers: Sequence[int]) -> Floats:
        """(layer, text, 1 + position, unit) activations, the first token first. Raises `ClaimError` where it is the only one."""
        later = _later(recording.positions)
        request, first = self._requests()
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
        return _standardised(tokens) if self.standardised else tokens

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(Kurtosis)
        mean, rotated = found.own.mean(axis=0), found.rotated[..., self._kind]
        return Words(
            note=f"site {self.site}, {self._words}" + (", coordinates standardised" if self.standardised else ""),
            detail=f"Kurtosis there is {mean[named, self._kind]:.2f}, {rotated[:, :, named].mean():.2f} in rotated bases "
            f"(Gaussian at this width: {found.gaussian:.2f}), and {mean[named, FIRST_ALONE]:.2f} at the first token alone.",
            warnings=found.sample.warnings,
            secondary={
                "kurtosis without the first token": mean[:, WITHOUT_FIRST],
                "kurtosis with the first token": mean[:, WITH_FIRST],
                "kurtosis at the first token": mean[:, FIRST_ALONE],
                "kurtosis rotated": rotated.mean(axis=(0, 1)),
            },
        )

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found = measured.kept(Kurtosis)
        claimed, first, layers = found.own[:, :, self._kind], found.own[:, :, FIRST_ALONE], np.array(found.layers)
        by_draw = found.rotated[..., self._kind].mean(axis=1)
        mean = claimed.mean(axis=0)
        curve = KurtosisByDepth(
            "Kurtosis over coordinates by relative depth",
            f"Mean kurtosis of a token's coordinates by layer, {self._words}: "
            f"{', '.join(f'{v:.1f}' for v in mean)}; rotated: {', '.join(f'{v:.2f}' for v in by_draw.mean(axis=0))}; at the first token: "
            f"{', '.join(f'{v:.1f}' for v in first.mean(axis=0))}. Gaussian: {found.gaussian:.2f}.",
            depth=layers / max(look.shape.layers - 1, 1),
            layer=layers,
            own=mean,
            low=claimed.min(axis=0),
            high=claimed.max(axis=0),
            rotated_mean=by_draw.mean(axis=0),
            rotated_low=by_draw.min(axis=0),
            rotated_high=by_draw.max(axis=0),
            first=first.mean(axis=0),
            gaussian=found.gaussian,
            site=self.site,
        )
        return (curve.exhibit(),)


@dataclass(frozen=True)
class Kurtosis:
    """Mean kurtosis of tokens: without the first one of each text, with it, and of it alone (in this order)."""

    sample: Sample
    """The texts, or blocks of them."""
    layers: tuple[int, ...]
    """Those of the cells."""
    own: Floats
    """(unit, layer, kind) in the network's own basis."""
    rotated: Floats
    """(draw, unit, layer, kind) in random bases."""
    gaussian: float
    """What Gaussian coordinates of this width have."""


def _later(positions: Sequence[int]) -> list[int]:
    """Which of the run's positions come after the first token. Raises `ClaimError` where none does."""
    later = [i for i, position in enumerate(positions) if position > 0]
    if not later:
        raise ClaimError("The run reads the first token alone; HeavyTails needs further --positions.")
    return later


def _by_kind(tokens: Floats, sample: Sample) -> Floats:
    """(unit, layer, kind) mean kurtosis of (layer, text, 1 + position, unit) tokens."""
    found = kurtosis(tokens)
    each = np.stack([found[:, :, 1:].mean(axis=2), found.mean(axis=2), found[:, :, 0]], axis=2)
    return sample.units(each.transpose(1, 0, 2))


def _standardised(tokens: Floats) -> Floats:
    """(layer, text, 1 + position, unit) tokens, each coordinate at mean 0 and spread 1 over all but the first ones.

    Once, before anything is turned: standardised in every basis anew, one large coordinate would be all that a turned token is
    made of, and its kurtosis 1. A coordinate that does not vary, within rounding, is 0.
    """
    later = tokens[:, :, 1:]
    centred = tokens - later.mean(axis=(1, 2), keepdims=True)
    spread = later.std(axis=(1, 2), keepdims=True)
    varies = spread > ULPS * np.finfo(np.float64).eps * np.abs(later).max(axis=(1, 2), keepdims=True)
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)
