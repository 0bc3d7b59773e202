"""Decoded: which tokens linear maps of the stream find, in the task and in the control task, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.errors import ClaimError
from modclaims.families.common.units import Sample
from modclaims.families.tokens.token_maps import (
    Tokens,
)
from modclaims.stats.maps.retrieval import Vocabulary, one_cycle
from modclaims.stats.maps.ridge import cross_fitted

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Tried:
    """How many tokens lay closer to what was foretold than the one that was meant, in one task."""

    found: Codes
    """(text, position, layer) to what the maps foretell."""
    blind: Codes
    """(text, position) to the mean of the embeddings learned from, which takes no stream."""


@dataclass(frozen=True)
class Task:
    """Maps of some texts to the tokens read there, layer by layer, and to those of the control task."""

    tokens: Tokens
    meant: tuple[Codes, ...]
    """(row,) the token that each row is to give, in the task and in the control task where that is asked."""
    targets: tuple[Floats, ...]
    """(row, unit) their embeddings."""
    closer: tuple[list[Codes], ...]
    """For each, (text, position) of every layer learned so far, how many tokens lay closer than the one that was meant."""

    @classmethod
    def of(cls, tokens: Tokens, embedding: NDArray[np.generic], rng: np.random.Generator | None) -> Task:
        """With a control task drawn by `rng`, or without one."""
        ids = tokens.rows
        types, rows = np.unique(ids, return_inverse=True)
        if len(types) < 2:
            raise ClaimError("One and the same token stands at every position read; choose other --positions.")
        meant = (ids,) if rng is None else (ids, types[one_cycle(len(types), rng)][rows])
        targets = tuple(embedding[named].astype(np.float64) for named in meant)
        return cls(tokens, meant, targets, tuple([] for _ in meant))

    def learn(self, stream: Floats, vocabulary: Vocabulary) -> None:
        """Learn from a layer's (row, unit) stream of all texts."""
        fitted = cross_fitted(stream[self.tokens.stream_rows], self.targets, self.tokens.row_folds)
        for found, fit, named in zip(self.closer, fitted, self.meant, strict=True):
            found.append(vocabulary.closer(fit.foretold, named).reshape(self.tokens.ids.shape))

    def decoded(self, vocabulary: Vocabulary, types: int) -> Decoded:
        """What was learned at all layers."""
        folds, shape = self.tokens.row_folds, self.tokens.ids.shape
        tried = [
            Tried(np.stack(found, axis=2), vocabulary.closer(others_mean(y, folds), named).reshape(shape))
            for found, y, named in zip(self.closer, self.targets, self.meant, strict=True)
        ]
        return Decoded(self.tokens, tried[0], tried[1] if len(tried) > 1 else None, types)


@dataclass(frozen=True)
class Decoded:
    """What maps told of the tokens, in the task and in the control task, text by text."""

    tokens: Tokens
    task: Tried
    control: Tried | None
    """None where it was not asked for."""
    vocabulary: int
    """Tokens to choose from."""

    def found(self, nearest: int, *, control: bool = False) -> NDArray[np.bool_]:
        """(text, position, layer) whether each token is found, in the task or in the control task."""
        tried = self.control if control else self.task
        assert tried is not None, "the control task was not asked for"
        return np.asarray(tried.found < nearest)

    def compared(self, nearest: int) -> NDArray[np.bool_]:
        """(text, position) whether the token's type was learned from, and a guess that takes no stream finds it in neither
        task."""
        assert self.control is not None, "the control task was not asked for"
        return np.asarray(self.tokens.seen & (self.task.blind >= nearest) & (self.control.blind >= nearest))

    @property
    def sample(self) -> Sample:
        """The texts."""
        return self.tokens.sample

    @property
    def parts(self) -> int:
        """How many folds there are."""
        return int(self.tokens.folds.max()) + 1

    @property
    def positions(self) -> int:
        """Tokens a text."""
        return int(self.tokens.ids.shape[1])

    @property
    def total(self) -> int:
        """Tokens of all texts."""
        return int(self.tokens.ids.size)

    @property
    def unseen(self) -> int:
        """Tokens of types that maps never learned from."""
        return int((~self.tokens.seen).sum())

    def commonest(self, nearest: int) -> float:
        """Share of tokens that are among the most frequent ones learned from."""
        return float(self.tokens.commonest(nearest).mean())

    def curve(self, nearest: int) -> Floats:
        """(unit, layer) share of tokens found."""
        return self._shares(nearest, control=False)

    def control_curve(self, nearest: int) -> Floats:
        """(unit, layer) share found in the control task."""
        return self._shares(nearest, control=True)

    def _shares(self, nearest: int, *, control: bool) -> Floats:
        return np.asarray(self.tokens.sample.units(self.found(nearest, control=control).mean(axis=1)))

    def selectivity(self, nearest: int) -> Floats:
        """(unit, layer) share found minus that of the control task, over the unit's tokens that `compared` names.

        Units without such a token are left out.
        """
        compared = self.compared(nearest)
        gained = self.found(nearest).astype(np.float64) - self.found(nearest, control=True)
        rows = [gained[texts][compared[texts]].mean(axis=0) for texts in self.sample.groups if compared[texts].any()]
        if len(rows) < 2:
            raise ClaimError(
                "Hardly a token stands in two texts at the positions read, so nothing can be learned by heart; add texts."
            )
        return np.stack(rows)

    def among(self, seen: bool, nearest: int) -> Floats:
        """(layer,) share found of the tokens whose type was, or was never, learned from, all texts together; not a number
        where there are none."""
        which = self.tokens.seen == seen
        if not which.any():
            return np.full(self.task.found.shape[2], np.nan)
        return np.asarray(self.found(nearest)[which].mean(axis=0))


def others_mean(target: Floats, folds: Codes) -> Floats:
    """(row, unit) the mean target of the other folds."""
    out = np.empty_like(target)
    for fold in np.unique(folds):
        out[folds == fold] = target[folds != fold].mean(axis=0)
    return out
