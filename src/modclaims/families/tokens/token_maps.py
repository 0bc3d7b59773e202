"""What claims share that map the stream back to the tokens that were read: which tokens, folds of texts, bounds of means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.units import MIN_UNITS, Sample
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look, Weighing
from modclaims.planning.context import PlanContext
from modclaims.recording import Activations, ModelShape, Recording, Request, TokenIds, Weights
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.resamples import Resamples, resample_groups
from modclaims.stats.bounds.second_bounds import StudentT
from modclaims.stats.effects.chunks import mean_bounds
from modclaims.stats.nulls.null_objects import mean_replicates

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
SITES = ("resid_pre", "resid_post")
EMBEDDING = Weights("embedding")


class TokenMap(Hypothesis):
    """A claim about linear maps from the stream, at the positions read, to the input embeddings of the tokens there.

    Units are texts, or the blocks that they belong to; no categories are compared.
    """

    site: str = "resid_post"
    """resid_pre or resid_post: the stream before or after each layer."""
    layers: tuple[int, ...] | None = None
    """Layers to look at; None for all."""
    least_units: ClassVar[int] = MIN_UNITS

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

    def further(self, recording: Recording, weighing: Weighing) -> tuple[Request, ...]:
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
        """(row, unit) the stream at one layer, a row a text and position."""
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

    @classmethod
    def of(cls, sample: Sample, ids: Codes, of_units: Codes) -> Tokens:
        """From the fold of each unit."""
        folds = np.empty(len(ids), dtype=np.int64)
        for unit, texts in enumerate(sample.groups):
            folds[texts] = of_units[unit]
        return cls(sample, ids, folds)

    @property
    def rows(self) -> Codes:
        """(row,) ids, a row a text and position."""
        return self.ids.ravel()

    @property
    def row_folds(self) -> Codes:
        """(row,)"""
        return np.repeat(self.folds, self.ids.shape[1])

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


def student(values: Floats, widened: float = 1.0) -> StudentT:
    """Student's law of the mean over units of (unit, cell) values."""
    one = Resamples(np.ones((1, len(values))), np.zeros(len(values), dtype=np.int64))
    law = StudentT.of(mean_replicates(values, one), one)
    return replace(law, se=widened * law.se)


def bounds_of_means(values: Floats, resamples: Resamples, ends: tuple[float, float], widened: float = 1.0) -> Bounds:
    """The wider of bootstrap-t and Student's t for the mean over units of (unit, cell) values of size 1 or so.

    Standard errors are multiplied by `widened`.
    """
    bounds = mean_bounds(values, resamples, ends, 1.0)
    return replace(bounds, se=widened * bounds.se, student=student(values, widened))


def learning_factor(folds: int) -> float:
    """By what a standard error must grow that is to hold what learning on other texts would change, too.

    Of a mean over units each tried by a map learned on all other folds: maps share most of what they learned from, so that
    units vary together, and their own spread does not show it. Nadeau & Bengio (2003) take the variance of one fold by
    (1 / folds + test / training) in place of 1 / folds; here test / training is 1 / (folds - 1).
    """
    return float(np.sqrt(1 + folds / (folds - 1)))
