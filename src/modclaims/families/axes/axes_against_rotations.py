"""AxesAgainstRotations: do the coordinate axes of the residual stream tell categories apart better than random ones?"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import decimals_of_effect, rounded
from modclaims.errors import ClaimError
from modclaims.families.axes.axis_streams import SITES, stream_of
from modclaims.families.axes.figures.two_distributions import TwoDistributions
from modclaims.families.axes.turned_axes import PickedAxes, Reachable, TurnedAxes, UnitVectors
from modclaims.families.common import controls
from modclaims.families.common.halves import check_splits
from modclaims.families.common.null_histograms import null_histogram
from modclaims.families.common.plan_parts import labelled
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look
from modclaims.measured import Measured, RivalResult, Words
from modclaims.planning.context import PlanContext
from modclaims.planning.plan import CountedLevel, TestPlan, counted_bounds
from modclaims.recording import Activations, ModelShape, Request
from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.log_ratios import log_ratio
from modclaims.stats.bounds.replicates import Replicates
from modclaims.stats.bounds.resamples import Resamples, resample, resample_groups
from modclaims.stats.bounds.splits import Half, picked_and_measured
from modclaims.stats.chance.actions import Design
from modclaims.stats.chance.merging import FACTOR
from modclaims.stats.evidence import Cell, Control, Exhibit, NullTest
from modclaims.stats.nulls.rotations import (
    SUMMARIES,
    WORKERS,
    Scale,
    Space,
    Turning,
    UnitBasis,
    draws,
    shares,
    summarised,
)
from modclaims.stats.quantifiers import Holds, somewhere

Floats = NDArray[np.float64]
RIVALS = 20
POINTS = 101
LISTED = 5
"""Coordinates that a sentence names."""
OUTLIERS = "outlying_coordinates"
SUMMARY_WORDS = {
    "largest": "largest omega^2",
    "upper": "99th percentile of omega^2",
    "count": "share of directions with large omega^2",
}


class AxesAgainstRotations(Hypothesis):
    """The coordinate axes tell categories apart better than the axes of a random basis of the same space do.

    Coordinates are divided by their spread inside categories before anything is rotated: otherwise one
    large coordinate would be all that random directions are made of. The effect is omega^2 (share of
    variance that categories explain) of the axis with the largest omega^2 on one half of the texts,
    measured on the other half, minus the mean over 20 random bases of their best direction, picked and
    measured in the same way; between -1 and 1, positive when the axis tells categories apart better.
    Cells are layers.

    p is that of a `summary` of all axes' omega^2 at a layer, against the same summary after Haar-random
    rotations, step-down over layers. Exchangeable under the null: the axes and any rotation of them, the
    law of the scaled coordinates being the same in every basis (all layers are rotated alike); p is
    conditional on these texts and the scale they give.
    Bounds are those of the bootstrap-t over texts and bases, crossed; levels are merged over `splits`.
    Both must agree. Where an axis tells categories apart so well that any direction with a little of it
    does too, both omega^2 are near 1 and the difference is small: where it could not reach the smallest
    effect, nothing is refuted.

    Attributes
    ----------
    site : str, default 'resid_post'
        Where to look. One of 'embed', 'attn_out', 'mlp_out', 'mlp_act', 'resid_pre' and 'resid_post'.
    summary : str, default 'largest'
        What of a layer's omega^2 p compares. One of 'largest', 'upper' (99th percentile) and 'count'
        (share of directions at `threshold` or above). The first speaks of one axis, the others of how
        many there are.
    threshold : float, default 0.14
        omega^2 from which on a direction counts, for `summary = "count"`.
    rotations : int, default 2999
        Random rotations: at least 99. No p falls below 1 / (rotations + 1).
    outliers : float | None, default 5.0
        Spread inside categories, in medians of the layer, above which a control takes a coordinate out;
        above 1, or None for no control.
    splits : int, default 20
        Splits of the texts in halves: at least 5.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    holds : Holds, default somewhere()
        In which layers: somewhere(), everywhere(), in_fraction(0.5), at(9), everywhere(0, -1).
    label : str, default 'category'
        Column of the corpus whose values are the categories.
    within : str | None, default None
        Column whose values are strata, inside which omega^2 and spreads are taken; None for none.
        Another column than `label`.
    smallest_effect : float, default 0.1
        Difference of two omega^2, from 0 to below 1.

    Notes
    -----
    A coordinate that is the same in all texts is no part of the space. A layer in which one differs
    between categories and is constant inside each has no scale, and is not weighed.

    References
    ----------
    Elhage, Lasenby & Olah (2023), Privileged bases in the transformer residual stream. Stewart (1980),
    The efficient generation of random orthogonal matrices. Gasparin, Wang & Ramdas (2025), Combining
    exchangeable p-values.

    Examples
    --------
    >>> from modclaims import AxesAgainstRotations
    >>> from modclaims.calibration.examples import planted
    >>> class TheBasisIsPrivileged(AxesAgainstRotations):
    ...     "Some axis tells categories apart better than random directions."
    >>> print(planted(TheBasisIsPrivileged, 2))
    SUPPORTED  difference of omega^2 0.25 [0.22, 0.30] at layer 0
    >>> print(planted(TheBasisIsPrivileged, 0))
    INCONCLUSIVE  difference of omega^2 0.21 [0.02, 0.35] at layer 0
    """

    site: str = "resid_post"
    summary: str = "largest"
    threshold: float = 0.14
    rotations: int = 2999
    outliers: float | None = 5.0
    splits: int = 20
    layers: tuple[int, ...] | None = None
    holds: Holds = somewhere()
    smallest_effect: float = 0.1
    effect_name: ClassVar[str] = "difference of omega^2"
    largest_effect: ClassVar[float] = 1.0

    def validate(self) -> None:
        super().validate()
        if self.site not in SITES:
            raise ClaimError(f"Site {self.site!r} is unknown; choose one of {', '.join(SITES)}.")
        if self.summary not in SUMMARIES:
            raise ClaimError(f"Summary {self.summary!r} is unknown; choose one of {', '.join(SUMMARIES)}.")
        if self.rotations < 99:
            raise ClaimError(
                f"rotations = {self.rotations}: p cannot fall below 1 / {self.rotations + 1}; take 99 or more."
            )
        if self.outliers is not None and self.outliers <= 1:
            raise ClaimError(f"outliers = {self.outliers:g}: half of the coordinates lie above 1 times their median.")
        check_splits(self.splits)

    def check(self, before: PlanContext) -> None:
        Units.of(before.corpus, self.label, self.within).check_halves(self.label)
        before.cells(self.holds, self._request())

    def _request(self) -> Activations:
        return Activations(self.site, self.layers)

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        shape.resolve_layers(self._request())
        return (self._request(),)

    def plan(self, before: PlanContext) -> TestPlan:
        return replace(
            labelled(self, Units.of(before.corpus, self.label, self.within), before),
            action="turning the scaled coordinate axes at random",
            bounds=counted_bounds(before, [0], FACTOR),
            cells=before.cells(self.holds, self._request()),
            test=CountedLevel(self.rotations + 1, False, "rotations"),
        )

    def measure(self, look: Look) -> Measured:
        units = Units.of(look.corpus, self.label, self.within)
        layers = look.shape.resolve_layers(self._request())
        cells = tuple(Cell(layer=layer) for layer in layers)
        data = self._vectors(look, units, layers)
        turning = data.turning()
        own = turning.axes()
        at = np.linspace(0, max(1e-6, float(own.omega2.max())) * 1.05, POINTS)

        def one(rng: np.random.Generator) -> tuple[Floats, Floats]:
            found = turning.turned(rng)
            return summarised(found, self.summary, self.threshold), shares(found, at)

        count = look.settings.drawn(self.rotations)
        drawn = draws(count, look.rng("rotations", design=units.design.digest), one)
        test = self._test(turning, [summary for summary, _ in drawn])
        picked = self._picked(look, data)
        degenerate = tuple(int(c) for c in np.flatnonzero(~np.isfinite(test.observed)))
        lost, beyond = _without_scale(data.scale, cells, self.label), self._out_of_reach(picked, cells)
        return Measured(
            cells,
            self.effect_name,
            picked.bounds,
            test,
            len(look.corpus),
            units.n,
            unit=units.unit,
            resampled=f"{units.resampled} and random bases",
            degenerate=degenerate,
            undecided=_undecided(self.holds.chosen(cells), picked.bounds.beyond, degenerate, (*lost, *beyond)),
            payload=TurnedAxes(data, own, at, tuple(s for _, s in drawn), test, picked, (*lost, *beyond)),
        )

    def _vectors(self, look: Look, units: Units, layers: Sequence[int]) -> UnitVectors:
        """Activations of the units, averaged over positions."""
        arrays = [look.recording.array(self._request(), layer) for layer in layers]
        means = [units.responses(np.asarray(a, dtype=np.float64).mean(axis=1)) for a in arrays]
        return UnitVectors.of(np.stack(means), units, arrays[0].dtype)

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        return self._without_outliers(look, measured.kept(TurnedAxes), named, measured.cells)

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        found, cells = measured.kept(TurnedAxes), measured.cells
        layers, favourite = look.shape.resolve_layers(self._request()), found.picked.favourite(named)[0]
        arrays = (look.recording.array(self._request(), layer) for layer in layers)
        followed = np.stack([np.asarray(a[..., favourite], dtype=np.float64) for a in arrays], axis=2)
        pictures = [stream_of(look.recording, self.label, followed, layers, f"axis {favourite}", self.site)]
        if len(measured.degenerate) < len(cells):
            pictures.insert(0, _distributions(found, cells, self.summary))
        if named not in measured.degenerate:
            pictures.append(null_histogram(found.test, named, cells))
        return pictures

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        found = measured.kept(TurnedAxes)
        test, units, scale, omega2 = found.test, found.data.units, found.data.scale, found.picked.omega2
        summary, weighed = SUMMARY_WORDS[self.summary], named not in measured.degenerate
        return Words(
            note=f"site {self.site}; coordinates divided by their spread inside categories{units.note}",
            detail=self._detail(*found.picked.favourite(named), int(scale.still[named].sum())) if weighed else "",
            warnings=(*units.warnings, *found.warnings),
            secondary={
                summary: test.observed,
                f"{summary}, median over rotations": np.median(test.null[1:], axis=0),
                "omega^2 of the picked axis": omega2[0],
                "omega^2 of picked random directions": omega2[1],
                "coordinates that do not vary": scale.still.sum(axis=1).astype(np.float64),
                **self._outlying(scale),
            },
        )

    def _test(self, turning: Turning, drawn: Sequence[Floats]) -> NullTest:
        """The summary of the axes against that of turned axes, for every layer."""
        observed = summarised(turning.axes(), self.summary, self.threshold)
        return NullTest.of(
            f"{SUMMARY_WORDS[self.summary]} of {self.label}",
            np.concatenate([observed[None], np.stack(drawn)]),
            1e-9 * np.abs(observed),
            exact=False,
            action="turning the scaled coordinate axes at random",
            by=self.adjust,
        )

    def _picked(self, look: Look, data: UnitVectors, *purpose: str) -> PickedAxes:
        """Best axis and best random directions, picked and measured on disjoint halves; `purpose` sets streams apart."""
        with ThreadPoolExecutor(WORKERS) as pool:  # splits have streams of their own, so that order is no matter
            one_split = partial(self._one_split, look, data, purpose)
            picks, found = zip(*pool.map(one_split, range(self.splits)), strict=True)
        omega2 = np.median([both for _, both in found], axis=0)
        bounds = Reachable.of([bounds for bounds, _ in found])
        return PickedAxes(
            replace(bounds, beyond=omega2[1] + self.smallest_effect >= 1),
            [[int(k) for k in picked[0]] for picked in picks],
            omega2,
        )

    def _one_split(
        self, look: Look, data: UnitVectors, purpose: tuple[str, ...], split: int
    ) -> tuple[list[NDArray[np.int64]], tuple[Bounds, Floats]]:
        """The best directions (basis, layer) of one half, the axes first; on the other bounds and (axis and rivals, layer) omega^2."""
        design, layers, count = data.units.design, np.arange(len(data.vectors)), look.settings.resamples
        key, of = (*purpose, "split", str(split)), data.units.design.digest
        scale, _ = picked_and_measured(  # the same halves as below, so that the half that picks decides the scale
            [data.vectors.transpose(1, 0, 2)],
            design,
            look.lasting_rng(*key, design=of),
            lambda half: data.scale_of(half.arrays[0].transpose(1, 0, 2), half.design),
            lambda half, picked: None,
        )
        axes = scale.scaled(data.vectors)
        space = Space.of(axes, scale.kept)
        turned = draws(RIVALS, look.lasting_rng(*key, "bases", design=of), space.turned)

        def measured(half: Half, picked: list[NDArray[np.int64]]) -> tuple[Bounds, Floats]:
            values = np.stack([array[:, layers, best] for array, best in zip(half.arrays, picked, strict=True)])
            basis = UnitBasis.of(half.design)
            omega2 = basis.directions(basis.rows(values)).omega2
            texts = resample(half.design, count=count, rng=look.rng(*key, "texts", design=of))
            one_group = np.zeros(RIVALS, dtype=np.int64)
            rivals = resample_groups(one_group, count=count, rng=look.rng(*key, "rivals", design=of))
            both = np.stack([omega2[0], omega2[1:].mean(axis=0)])
            found = _against_rivals(values, half.design, texts, rivals)
            # an axis that is perfect in the half that picks has no scale, so that another one would be measured for it
            lost = scale.perfect.any(axis=1)
            return replace(found, theta=np.where(lost, np.nan, found.theta)), both

        return picked_and_measured(
            [basis.transpose(1, 0, 2) for basis in (axes, *turned)],
            design,
            look.lasting_rng(*key, design=of),
            _best_directions,
            measured,
        )

    def _out_of_reach(self, picked: PickedAxes, cells: Sequence[Cell]) -> tuple[str, ...]:
        """A warning for each layer where random directions leave no room for the smallest effect that matters."""
        return tuple(
            f"At {cell} random directions tell {self.label} apart nearly without error (omega^2 {rivals:.2f}): no axis can be "
            f"better by {self.smallest_effect:g}, so that this is not held against the claim."
            for cell, rivals, no in zip(cells, picked.omega2[1], picked.bounds.beyond, strict=True)
            if no
        )

    def _outlying(self, scale: Scale) -> dict[str, Floats]:
        """(layer,) number of outlying coordinates, where they are asked for."""
        if self.outliers is None:
            return {}
        return {"outlying coordinates": scale.outlying(self.outliers).sum(axis=1).astype(np.float64)}

    def _without_outliers(
        self, look: Look, found: TurnedAxes, named: int, cells: Sequence[Cell]
    ) -> tuple[RivalResult, ...]:
        """The same test and bounds at the named layer, without its outlying coordinates."""
        data = found.data
        if self.outliers is None or not data.scale.kept[named].any():
            return ()
        rule = f"spread inside categories above {self.outliers:g} times the layer's median"
        where, out = f"at {cells[named]}", np.flatnonzero(data.scale.outlying(self.outliers)[named])
        if not len(out):
            return (
                RivalResult(Control(OUTLIERS, f"No coordinate {where} is outlying ({rule}).", {"coordinates": []})),
            )
        rest = data.at(named, np.delete(np.arange(data.vectors.shape[2]), out))
        turning = rest.turning()
        drawn = draws(
            min(self.rotations, controls.CONTROL_DRAWS),
            look.lasting_rng("without outliers", "rotations", design=data.units.design.digest),
            lambda rng: summarised(turning.turned(rng), self.summary, self.threshold),
        )
        alone = self._test(turning, drawn)
        fewer = replace(look.settings, resamples=min(look.settings.resamples, controls.CONTROL_RESAMPLES))
        bounds = self._picked(replace(look, settings=fewer), rest, "without outliers").bounds
        effect, low, high = (float(v[0]) for v in (bounds.effect, bounds.lower(look.alpha), bounds.upper(look.alpha)))
        median, p, p_with = float(np.median(alone.null[1:])), float(alone.p[0]), float(found.test.p[named])
        decimals = decimals_of_effect(None, low, high)
        difference, *limits = (rounded(v, decimals) for v in (effect, low, high))
        one = len(out) == 1
        words = (
            f"Without {'coordinate' if one else f'{len(out)} coordinates'} {_listed(out)} ({rule}), taken out before anything "
            f"is turned, the {SUMMARY_WORDS[self.summary]} {where} is {float(alone.observed[0]):.2f}, {median:.2f} in the median random basis "
            f"(p {p:.2g}; with {'it' if one else 'them'}, at this layer by itself, {p_with:.2g}), and the {self.effect_name} is "
            f"{difference} [{', '.join(limits)}]."
        )
        numbers: dict[str, float | Sequence[float]] = {
            "coordinates": [int(k) for k in out],
            "summary": float(alone.observed[0]),
            "summary_random": median,
            "p": p,
            "p_with_outliers": p_with,
            "difference": effect,
            "low": low,
            "high": high,
        }
        return (RivalResult(Control(OUTLIERS, words, numbers)),)

    def _detail(self, favourite: int, often: int, still: int) -> str:
        left_out = "" if not still else f" Coordinates that do not vary there, left out: {still}."
        return (
            f"On the first half of the texts axis {favourite} was picked most often there, in {often} of {self.splits} splits. "
            f"p is conditional on these texts and the scale that they give each coordinate.{left_out}"
        )


def _without_scale(scale: Scale, cells: Sequence[Cell], label: str) -> tuple[str, ...]:
    """A warning for each layer that cannot be weighed."""
    return tuple(
        f"At {cell} coordinate{'' if len(found) == 1 else 's'} {_listed(found)} differ{'s' if len(found) == 1 else ''} between "
        f"values of {label} and {'is' if len(found) == 1 else 'are'} the same inside each, told apart without error: what random "
        "directions would tell has no scale then, and the layer is not weighed."
        for cell, mask in zip(cells, scale.perfect, strict=True)
        if len(found := np.flatnonzero(mask))
    )


def _undecided(
    chosen: NDArray[np.int64], beyond: NDArray[np.bool_], degenerate: Sequence[int], why: Sequence[str]
) -> str:
    """Why nothing is settled where no layer that the claim speaks of could have settled it; empty otherwise."""
    if not set(chosen.tolist()) <= {*degenerate, *np.flatnonzero(beyond).tolist()}:
        return ""
    few = "no coordinate with a scale" if set(chosen.tolist()) <= set(degenerate) else "no room above random directions"
    return f"{few}: {' '.join(why) or 'all texts have the same values.'}"


def _listed(coordinates: NDArray[np.int64]) -> str:
    """The first few numbers of coordinates."""
    more = "" if len(coordinates) <= LISTED else f" and {len(coordinates) - LISTED} more"
    return ", ".join(str(k) for k in coordinates[:LISTED]) + more


def _best_directions(half: Half) -> list[NDArray[np.int64]]:
    """For each basis, from (unit, layer, direction) coordinates, each layer's direction with the largest omega^2."""
    basis, best = UnitBasis.of(half.design), []
    for array in half.arrays:
        directions = basis.directions(basis.rows(np.ascontiguousarray(array.transpose(1, 0, 2))))
        best.append(np.where(directions.varies, directions.omega2, -np.inf).argmax(axis=1))
    return best


def _on_scale(value: Floats) -> Floats:
    """A difference of two omega^2, each of which is corrected for its bias and so may lie a little below 0."""
    return np.clip(value, -1.0, 1.0)


def _against_rivals(responses: Floats, design: Design, texts: Resamples, rivals: Resamples) -> Bounds:
    """Bounds of omega^2 of row 0 minus the mean over the other rows of (1 + rival, unit, layer) responses.

    Texts (or their clusters) and rivals are resampled, crossed; influences by the chain rule from log(1 + f^2) to omega^2.
    """
    count, n, layers = len(responses) - 1, texts.times.shape[1], responses.shape[2]
    both = Resamples(
        np.hstack([texts.times, rivals.times]),
        np.concatenate([texts.groups, np.full(count, texts.groups.max() + 1)]),
        fixed=(int(texts.groups.max()) + 1,),
    )
    value, centre = np.empty((len(both.times), layers)), np.empty(layers)
    influence = np.empty((len(both.times), n + count, layers))
    for layer in range(layers):
        ratio = log_ratio(responses[:, :, layer].T, design, texts)
        plain = 1 - np.exp(-ratio.centre)
        centre[layer] = plain[0] - plain[1:].mean()
        for block in ratio.parts():
            rows = block.rows
            share, slope = rivals.times[rows] / count, np.exp(-block.value)
            omega2 = 1 - slope
            mean = (share * omega2[:, 1:]).sum(axis=1)
            value[rows, layer] = omega2[:, 0] - mean
            weights = np.hstack([slope[:, :1], -share * slope[:, 1:]])
            influence[rows, :n, layer] = block.influence(weights)
            influence[rows, n:, layer] = -(omega2[:, 1:] - mean[:, None]) / count
    return bootstrap_t(Replicates(value, influence, centre), both, backward=_on_scale, ends=(-1.0, 1.0))


def _distributions(found: TurnedAxes, cells: Sequence[Cell], summary: str) -> Exhibit:
    """omega^2 of axes and of random directions, as the share of directions at least so large."""
    test, at = found.test, found.at
    random = np.stack(found.shares)  # (rotation, layer, point)
    drawable = np.nan if summary == "count" else 1.0  # a share has no place on the axis of omega^2
    low, middle, high = np.quantile(test.null[1:], (0.05, 0.5, 0.95), axis=0)
    told = "; ".join(
        f"{cell}: {axes:.2f} against {m:.2f} [{a:.2f}, {b:.2f}]"
        for cell, axes, a, m, b in zip(cells, test.observed, low, middle, high, strict=True)
        if np.isfinite(axes)
    )
    return TwoDistributions(
        "omega^2 of the axes and of random directions",
        "Share of directions whose omega^2 is at least so large, coordinates being divided by their spread inside categories: the "
        f"network's axes, and {len(random):,} random bases of the same space (mean, 5 % to 95 %). {SUMMARY_WORDS[summary].capitalize()}, axes against the median basis: {told}.",
        at=at,
        axes=shares(found.own, at),
        random=random.mean(axis=0),
        random_low=np.quantile(random, 0.05, axis=0),
        random_high=np.quantile(random, 0.95, axis=0),
        summary_axes=drawable * test.observed,
        summary_random=drawable * np.stack([low, middle, high], axis=1),
        p_adjusted=test.p_adjusted,
        panels=tuple(str(c) for c in cells),
        summary=SUMMARY_WORDS[summary],
        effect_name="omega^2",
    ).exhibit()
