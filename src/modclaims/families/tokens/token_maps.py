"""What claims share that map the stream back to the tokens that were read: which tokens, folds of texts, bounds of means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.units import MIN_UNITS, Sample
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look, TestSettings
from modclaims.planning.context import PlanContext
from modclaims.recording import Activations, ModelShape, Recording, Request, TokenIds, Weights
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.halves import half_sample_errors
from modclaims.stats.bounds.resamples import Resamples, resample_groups
from modclaims.stats.bounds.second_bounds import StudentT
from modclaims.stats.effects.chunks import mean_bounds
from modclaims.stats.nulls.null_objects import mean_replicates
from modclaims.stats.ties import ROUNDING

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
SITES = ("resid_pre", "resid_post")
EMBEDDING = Weights("embedding")


class TokenMap(Hypothesis):
    """A claim about linear maps from the stream, at the positions read, to the input embeddings of the tokens there.

    Units are texts, or the blocks that they belong to; no categories are compared.

    Attributes
    ----------
    site : str, default 'resid_post'
        The stream before or after each layer. One of 'resid_pre' and 'resid_post'.
    layers : tuple[int, ...] | None, default None
        Layers to look at, from 0, negative ones counted from the last; None for all.
    """

    site: str = "resid_post"
    layers: tuple[int, ...] | None = None
    least_units: ClassVar[int] = MIN_UNITS
    _without_effect: ClassVar[Mapping[str, str]] = {
        "label": "no categories are compared",
        "within": "no categories are compared",
    }

    def validate(self) -> None:
        super().validate()
        if self.site not in SITES:
            raise ClaimError(f"Site {self.site!r} is not the stream; choose one of {', '.join(SITES)}.")

    def columns(self) -> tuple[str, ...]:
        """None: the claim compares layers, not categories."""
        return ()

    def check(self, before: PlanContext) -> None:
        why = "to learn maps on some and try them on others. Add texts."
        Sample.of(before.corpus).require(self.least_units, before.corpus, why)
        before.cells(self.holds, self.request())

    def request(self, variant: str | None = None) -> Activations:
        """The stream, whole."""
        return Activations(self.site, self.layers, variant=variant)

    def further(self, recording: Recording, weighing: TestSettings) -> tuple[Request, ...]:
        """The tokens that were read; how many of them is known with the run's positions alone."""
        return (self.ids(recording),)

    @staticmethod
    def ids(recording: Recording) -> TokenIds:
        """Token ids as far as the last position read."""
        return TokenIds(max(2, max(recording.positions) + 1))

    def tokens(self, recording: Recording) -> Codes:
        """(text, position) ids of the tokens that stand at the positions read."""
        found = np.asarray(recording.array(self.ids(recording)))
        return found[:, list(recording.positions)].astype(np.int64)

    def stream_rows(self, recording: Recording, layer: int, variant: str | None = None) -> Floats:
        """(row, unit) the stream at one layer, a row per text and position."""
        found = np.asarray(recording.array(self.request(variant), layer), dtype=np.float64)
        return found.reshape(-1, found.shape[-1])

    def looked_at(self, shape: ModelShape) -> tuple[int, ...]:
        """Layers of the claim."""
        return shape.resolve_layers(self.request())


@dataclass(frozen=True)
class Tokens:
    """The tokens that were read, and which text, unit and fold each row belongs to."""

    sample: Sample
    ids: Codes
    """(text, position)"""
    folds: Codes
    """(text,) the fold of each text; those of one unit share it."""
    texts: Codes
    """(text,) which of all texts these are."""

    @classmethod
    def of(cls, sample: Sample, ids: Codes, of_units: Codes, texts: Codes | None = None) -> Tokens:
        """From the fold of each unit; `texts`: which ones they are, None for all."""
        folds = np.empty(len(ids), dtype=np.int64)
        for unit, rows in enumerate(sample.groups):
            folds[rows] = of_units[unit]
        return cls(sample, ids, folds, np.arange(len(ids)) if texts is None else texts)

    @property
    def rows(self) -> Codes:
        """(row,) ids, a row per text and position."""
        return self.ids.ravel()

    @property
    def row_folds(self) -> Codes:
        """(row,)"""
        return np.repeat(self.folds, self.ids.shape[1])

    @property
    def stream_rows(self) -> Codes:
        """(row,) where these rows lie among those of all texts."""
        positions = self.ids.shape[1]
        return np.asarray((positions * self.texts[:, None] + np.arange(positions)).ravel())

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(text, position) whether the token occurs, at positions read, in another fold as well: maps learned from it."""
        out = np.zeros(self.ids.shape, dtype=bool)
        for fold in np.unique(self.folds):
            mine = self.folds == fold
            out[mine] = np.isin(self.ids[mine], self.ids[~mine])
        return out

    def commonest(self, count: int) -> NDArray[np.bool_]:
        """(text, position) whether the token is among the `count` most frequent ones of the other folds."""
        out = np.zeros(self.ids.shape, dtype=bool)
        for fold in np.unique(self.folds):
            mine = self.folds == fold
            types, times = np.unique(self.ids[~mine], return_counts=True)
            out[mine] = np.isin(self.ids[mine], types[np.argsort(-times, kind="stable")[:count]])
        return out


def resampled(look: Look, units: int, design: str) -> Resamples:
    """So many units resampled in one group; `design` says what they are."""
    rng = look.rng("resamples", design=design)
    return resample_groups(np.zeros(units, dtype=np.int64), count=look.settings.resamples, rng=rng)


def bounds_of_means(
    values: Floats, resamples: Resamples, ends: tuple[float, float], spread: Spread | None = None
) -> Bounds:
    """The wider of bootstrap-t and Student's t for the mean over units of (unit, cell) values of size 1 or so.

    With the standard errors of `spread`, or those of the units themselves.
    """
    bounds = mean_bounds(values, resamples, ends, 1.0)
    if spread is None:
        return replace(bounds, student=student(values))
    return replace(bounds, se=spread.se, student=spread.law(values.mean(axis=0)))


def student(values: Floats) -> StudentT:
    """Student's law of the mean over units of (unit, cell) values."""
    one = Resamples(np.ones((1, len(values))), np.zeros(len(values), dtype=np.int64))
    return StudentT.of(mean_replicates(values, one), one)


@dataclass(frozen=True)
class Spread:
    """How a mean over units varies, each unit being tried by a map that was learned on others."""

    se: Floats
    """(cell,) standard errors."""
    df: int
    """Degrees of freedom of the squares that they come from."""

    @classmethod
    def of(cls, values: Floats, halves: Sequence[tuple[Floats, Floats]], folds: int) -> Spread:
        """Of (unit, cell) values, from the (cell,) means that both halves of some halvings of the units give.

        Units that share a map vary together, and their own spread does not show it: halves, which share none, do. The error is
        never below the units' own. Where there are no halves it is that of the units times `learning_factor`.
        """
        own = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        own[np.ptp(values, axis=0) <= ROUNDING] = 0.0
        if not halves:
            return cls(learning_factor(folds) * own, len(values) - 1)
        return cls(np.maximum(own, half_sample_errors(halves)), len(values) // 2 - 1)

    def law(self, mean: Floats) -> StudentT:
        """Student's law of the (cell,) means."""
        return StudentT(mean, self.se, np.full(len(mean), float(self.df)))


def learning_factor(folds: int) -> float:
    """By what a standard error must grow that is to hold what learning on other texts would change, where nothing else tells.

    Of a mean over units each tried by a map learned on all other folds. Nadeau & Bengio (2003) take the variance of one fold
    by (1 / folds + test / training) in place of 1 / folds; here test / training is 1 / (folds - 1).
    """
    return float(np.sqrt(1 + folds / (folds - 1)))
