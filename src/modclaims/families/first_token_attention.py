"""FirstTokenAttention: which layers park their attention on the first token; and AttentionSinks, how many heads do."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.controls import trained_minus_untrained, twin_variants
from modclaims.families.depth_curves import (
    AFTER,
    DepthCurve,
    Unlabelled,
    beyond,
    cell_of,
    changes_spelt,
    chunks_spelt,
    curve_exhibit,
)
from modclaims.families.units import Sample
from modclaims.hypothesis import Weighing
from modclaims.recording import Activations, ModelShape, Positions, Recording, Request
from modclaims.stats.actions import sign_flips
from modclaims.stats.bootstrap import Resamples
from modclaims.stats.chunks import (
    ROUNDING,
    Division,
    best_division,
    change_frequencies,
    contrasts,
    held_out,
    mean_bounds,
)
from modclaims.stats.conjunction import ConjoinedBounds, ConjoinedTest
from modclaims.stats.evidence import Cell, Control, Evidence, NullTest
from modclaims.stats.null_objects import mean_replicates
from modclaims.stats.streams import stream

Floats = NDArray[np.float64]
SITE = "attn_pattern"
SINK = 0.3
"""A head is a sink where the first token takes more than this share of its attention."""
SINK_TOKENS = 64
SPLITS = 20


class FirstTokenAttention(DepthCurve):
    """Early layers spread their attention more evenly than the middle ones, which park it on the first token, and so do the last.

    The curve is the share of attention that the first token takes, a number a text and layer: the mean over heads and over
    queries after the 32nd, the same queries in every layer, so that what an even spread would give the first token cancels.
    The layers are divided into an early chunk, a middle one and a last one, in every way that `early_most`, `last_most` and
    `middle_least` admit; a cell is a division, and its effect the lesser of two contrasts, the middle's mean minus the early
    chunk's and the middle's minus the last chunk's, between -1 and 1 (with `ends` early or last, one contrast against the
    rest). Both must hold, so p of a division is that of its weaker contrast.

    p by flipping the sign of each text's whole vector of contrasts. Exchangeable under the null: a text's contrasts and their
    negatives, so that the joint law of those that are null must be symmetric about 0; step-down maxT over both contrasts of
    all admissible divisions. Dividing by the flips' own spread or studentising every flip orders them alike, since a sum of
    squares knows no sign. The search is paid for in the bounds too: the lower limit is that of a simultaneous band, over both
    contrasts of all divisions, from the bootstrap-t over texts. Change points are descriptive.

    Source: the remark that GPT-2 XL attends evenly in a chunk of early layers and in the very last ones.
    """

    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "lesser contrast"
    largest_effect: ClassVar[float] = 1.0

    def _request(self, variant: str | None = None) -> Activations:
        return Activations(SITE, None, "first", variant=variant)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        self.divisions(shape)
        return (self._request(), *(self._request(variant) for variant in twin_variants(self.twins)))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus)
        heads = self._heads(recording, None)
        curves = sample.units(heads.mean(axis=2))
        layers = curves.shape[1]
        divisions = self.divisions(recording.shape)
        cells = tuple(cell_of(d) for d in divisions)
        weights = contrasts(divisions, layers, self.ends)
        parts = weights.shape[1]
        values = curves @ weights.reshape(layers, -1)  # (unit, part x division)
        resamples = self._resamples(sample, weighing)
        size = float(curves.max())
        bounds = ConjoinedBounds.of(mean_bounds(values, resamples, (-1.0, 1.0), size), parts)
        test = self._flipped(values, size, parts, sample, weighing)
        flat = (np.ptp(values, axis=0) <= ROUNDING * size).reshape(parts, -1).any(axis=0)
        degenerate = tuple(int(cell) for cell in np.flatnonzero(flat))
        bare = Evidence(cells, self.effect_name, bounds, test, sample.texts, n_units=sample.n, degenerate=degenerate)
        if weighing.bare:
            return bare
        named = self.holds.levels(bare, self.smallest_effect, weighing.alpha).cell
        division, mean = divisions[named], curves.mean(axis=0)
        picked = best_division(resamples.times[1:] @ curves / sample.n, weights)
        frequencies = change_frequencies(picked, divisions, layers)
        twins = [sample.units(self._heads(recording, v).mean(axis=2)) for v in twin_variants(self.twins)]
        sinks = (heads > SINK).mean(axis=2)
        share = sample.units(sinks).mean(axis=0)
        return replace(
            bare,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            controls=self._controls(sample, curves, twins, weights, bounds, named, weighing),
            exhibits=(
                curve_exhibit(
                    "Share of attention on the first token by relative depth",
                    "share of attention on the first token",
                    curves,
                    resamples,
                    weighing.alpha,
                    ends=(0.0, 1.0),
                    division=division,
                    frequencies=frequencies if len(divisions) > 1 else None,
                    twins=np.array([t.mean(axis=0) for t in twins]) if twins else None,
                ),
            ),
            secondary=_secondary(mean, share, divisions),
            warnings=sample.warnings,
            note=f"site {SITE}, mean over {recording.shape.heads} heads and the queries read after the first {AFTER}; "
            f"{len(divisions)} division{'s' if len(divisions) > 1 else ''} of {layers} layers",
            detail=f"The first token takes {chunks_spelt(division, mean)} of all attention. "
            + (changes_spelt(frequencies, division) if len(divisions) > 1 else "The division was named in advance."),
        )

    def _heads(self, recording: Recording, variant: str | None) -> Floats:
        """(text, layer, head) share on the first token, the mean over queries."""
        rows = beyond(recording.positions, AFTER, self.family())
        request = self._request(variant)
        found = [
            np.asarray(recording.array(request, layer), dtype=np.float64)[:, rows].mean(axis=1)
            for layer in range(recording.shape.layers)
        ]
        return np.stack(found, axis=1)

    def _flipped(self, values: Floats, size: float, parts: int, sample: Sample, weighing: Weighing) -> NullTest:
        """Sign flips of the units' contrasts, all parts of all divisions together; `size` is that of the curves."""
        name = type(self).__name__
        rng = stream(weighing.seed, name, sample.design(0), "flips")
        signs, exact = sign_flips(sample.n, budget=weighing.permutations, rng=rng)
        joint = NullTest.of(
            "mean paired contrast" + (", the weaker of two" if parts > 1 else ""),
            signs.astype(np.float64) @ values / sample.n,
            np.full(values.shape[1], ROUNDING * size),
            exact=exact,
            action="flipping the signs of each " + sample.unit + "'s contrasts",
            by=self.adjust,
        )
        return ConjoinedTest.conjoined(joint, parts)

    def _controls(
        self,
        sample: Sample,
        curves: Floats,
        twins: list[Floats],
        weights: Floats,
        bounds: ConjoinedBounds,
        named: int,
        weighing: Weighing,
    ) -> tuple[Control, ...]:
        name, found = type(self).__name__, []
        if weights.shape[2] > 1:
            rng = stream(weighing.seed, name, sample.design(0), "halves")
            effects, picked = held_out(curves, weights, SPLITS, rng)
            again = int((picked == named).sum())
            found.append(
                Control(
                    "held_out",
                    f"Picked on one half of the {sample.unit}s and measured on the other, in {SPLITS} splits, the lesser contrast is "
                    f"{np.median(effects):.2f} ({effects.min():.2f} to {effects.max():.2f}); {again} of them pick the same division.",
                    {
                        "median": float(np.median(effects)),
                        "lowest": float(effects.min()),
                        "highest": float(effects.max()),
                        "same": again,
                    },
                )
            )
        if twins:
            weight = weights[:, [bounds.least_part(named)], named]
            resamples = self._resamples(sample, replace(weighing, resamples=min(weighing.resamples, 999)))
            found.append(_twin_control(curves @ weight, [t @ weight for t in twins], resamples, name, sample, weighing))
        return tuple(found)


class AttentionSinks(Unlabelled):
    """At least a tenth of all heads give more than 0.3 of their attention to the first token.

    The published measure of sinks: attention to the first token, averaged over the queries of the first 64 tokens, head by
    head; the effect is the share of all heads of the network in which that average exceeds 0.3, a number a text, the mean
    over texts. An even spread would give each 0.07. A head that looks at near tokens passes for a sink among so few, so
    the share at the queries after the 32nd alone is said beside it. Resampled are texts, and p is read off their bound; nothing is
    exchanged. Untrained twins stand beside it. Source: Gu and others (2024), at threshold 0.3.
    """

    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "share of heads"
    largest_effect: ClassVar[float] = 1.0

    def _request(self, variant: str | None = None) -> Activations:
        return Activations(SITE, None, "first", Positions(f"0:{SINK_TOKENS}:1"), variant)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        if shape.context < SINK_TOKENS:
            raise ClaimError(
                f"AttentionSinks reads {SINK_TOKENS} tokens, and model {shape.name!r} at most {shape.context}."
            )
        return (self._request(), *(self._request(variant) for variant in twin_variants(self.twins)))

    def weigh(self, recording: Recording, weighing: Weighing) -> Evidence:
        sample = Sample.of(recording.corpus)
        by_layer = sample.units(self._sinks(recording, None))
        resamples = self._resamples(sample, weighing)
        bounds = mean_bounds(by_layer.mean(axis=1, keepdims=True), resamples, (0.0, 1.0))
        bare = Evidence((Cell(),), self.effect_name, bounds, None, sample.texts, n_units=sample.n)
        if weighing.bare:
            return bare
        twins = [sample.units(self._sinks(recording, v)) for v in twin_variants(self.twins)]
        mean, later = by_layer.mean(axis=0), float(sample.units(self._sinks(recording, None, AFTER)).mean())
        most = int(mean.argmax())
        return replace(
            bare,
            unit=sample.unit,
            resampled=f"{sample.unit}s",
            controls=(_twin_shares([float(t.mean()) for t in twins], float(mean.mean())),) if twins else (),
            exhibits=(
                curve_exhibit(
                    f"Heads with more than {SINK:g} of their attention on the first token, by relative depth",
                    "share of heads that are sinks",
                    by_layer,
                    resamples,
                    weighing.alpha,
                    ends=(0.0, 1.0),
                    twins=np.array([t.mean(axis=0) for t in twins]) if twins else None,
                ),
            ),
            warnings=sample.warnings,
            note=f"site {SITE}, mean over the queries of the first {SINK_TOKENS} tokens, threshold {SINK:g}; "
            f"{recording.shape.layers} x {recording.shape.heads} heads",
            secondary={f"share of heads, queries after the first {AFTER}": np.array([later])},
            detail=f"Most sinks are in layer {most}: {100 * float(mean[most]):.0f} % of its heads. At the queries after the first "
            f"{AFTER} alone, to which the first token is no neighbour, {100 * later:.0f} % of all heads are sinks.",
        )

    def _sinks(self, recording: Recording, variant: str | None, start: int = 0) -> Floats:
        """(text, layer) share of heads above the threshold, mean over queries from `start` on."""
        request = self._request(variant)
        found = [
            np.asarray(recording.array(request, layer), dtype=np.float64)[:, start:].mean(axis=1) > SINK
            for layer in range(recording.shape.layers)
        ]
        return np.asarray(np.stack(found, axis=1).mean(axis=2))


def _secondary(mean: Floats, sinks: Floats, divisions: tuple[Division, ...]) -> dict[str, Floats]:
    """Means of both curves in the chunks of every division; not a number where an end is not set apart."""
    out: dict[str, Floats] = {}
    for what, curve in (("share on the first token", mean), (f"heads above {SINK:g}", sinks)):
        for c, chunk in enumerate(("early", "middle", "last")):
            layers = [d.chunks(len(curve))[c] for d in divisions]
            if all(len(found) for found in layers):
                out[f"{what}, {chunk}"] = np.array([curve[list(found)].mean() for found in layers])
    return out


def _twin_control(
    own: Floats, twins: list[Floats], resamples: Resamples, name: str, sample: Sample, weighing: Weighing
) -> Control:
    """The weaker contrast of the named division in untrained twins, (unit, 1) each, and what training adds to it."""
    bounds = trained_minus_untrained(
        mean_replicates(own, resamples),
        [mean_replicates(t, resamples) for t in twins],
        resamples,
        stream(weighing.seed, name, sample.design(0), "twins"),
    )
    low, high = float(bounds.lower(weighing.alpha)[0]), float(bounds.upper(weighing.alpha)[0])
    means = [float(t.mean()) for t in twins]
    told = "training adds to it" if low > 0 else "training takes from it" if high < 0 else "what training adds is open"
    return Control(
        "untrained_twin",
        f"The lesser contrast is {float(own.mean()):.2f} here and {min(means):.2f} to {max(means):.2f} in {len(twins)} untrained twins; "
        f"trained - untrained is {float(bounds.effect[0]):.2f} [{low:.2f}, {high:.2f}]: {told}.",
        {"difference": float(bounds.effect[0]), "low": low, "high": high, "twins": means},
    )


def _twin_shares(twins: list[float], own: float) -> Control:
    return Control(
        "untrained_twin",
        f"Of the heads of {len(twins)} untrained twins {100 * min(twins):.0f} % to {100 * max(twins):.0f} % are sinks, of this "
        f"network's {100 * own:.0f} %.",
        {"own": own, "twins": twins},
    )
