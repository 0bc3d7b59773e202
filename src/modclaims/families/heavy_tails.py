"""HeavyTails: do single coordinates of the residual stream hold more of a token than they would in a random basis?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.axis_streams import SITES
from modclaims.families.units import MIN_UNITS, Sample
from modclaims.hypothesis import Hypothesis
from modclaims.look import Weighing
from modclaims.recording import Activations, ModelShape, Positions, Recording, Request
from modclaims.stats.bootstrap import bootstrap_t
from modclaims.stats.evidence import Cell, Evidence, Exhibit
from modclaims.stats.null_objects import MIN_DRAWS, against_null, resample_texts_and_draws
from modclaims.stats.quantifiers import Holds, somewhere
from modclaims.stats.resample_parts import in_parts
from modclaims.stats.rotations import ULPS, Coordinates, draws, gaussian_kurtosis, kurtosis
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
FIRST = Positions("0")


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
    """Whether each coordinate is first brought to mean 0 and spread 1 over all tokens of its layer, before anything is turned."""
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
        Sample.of(corpus).require(MIN_UNITS, corpus)

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
        if self.standardised:
            tokens = _standardised(tokens)
        coordinates = Coordinates.of(tokens.reshape(-1, tokens.shape[-1]))

        def measured(values: Floats) -> Floats:
            """(unit, layer, with and without the first token and it alone)."""
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
            rng=weighing.rng(name, sample.design(self.draws), "resamples"),
        )
        bounds = in_parts(
            lambda drawn: bootstrap_t(against_null(-own[:, :, kind], -rotated[..., kind], drawn), drawn, means=True),
            resamples,
        )
        gaussian = gaussian_kurtosis(tokens.shape[-1])
        bare = Evidence(cells, self.effect_name, bounds, None, sample.texts, n_units=sample.n)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha, weighing.claims).cell
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
