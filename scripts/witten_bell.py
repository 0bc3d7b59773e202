"""A token n-gram with interpolated Witten-Bell smoothing, as arrays of sorted keys.

    P(w | h) = (c(h w) + T(h) P(w | h')) / (c(h) + T(h))

c counts, T(h) is the number of different tokens seen after h, and h' is h without its oldest token; below the single
token stands 1 / vocabulary. A history never seen has c = T = 0 and backs off wholly. [Witten & Bell 1991, method C]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def trigram_keys(stream: np.ndarray, vocabulary: int, bos: int = 0) -> np.ndarray:
    """(u V + v) V + w for every token w after the first, u and v being the two before it.

    A BOS in the history hides all that stands before it: the first token of a document has history (BOS, BOS).
    """
    tokens = stream.astype(np.int64)
    v, w = tokens[:-1], tokens[1:]
    u = np.concatenate([[bos], tokens[:-2]])
    return (np.where(v == bos, bos, u) * vocabulary + v) * vocabulary + w


@dataclass(frozen=True)
class Order:
    """What was counted of n-grams of one length."""

    keys: np.ndarray
    """Sorted n-grams, the oldest token as the highest digit."""
    counts: np.ndarray
    """c(h w) of each n-gram."""
    histories: np.ndarray
    """Sorted histories, which are keys without their lowest digit."""
    totals: np.ndarray
    """c(h) of each history."""
    types: np.ndarray
    """T(h) of each history."""

    @classmethod
    def of(cls, keys: np.ndarray, vocabulary: int) -> Order:
        """Counts of n-grams given once for every time they occurred."""
        keys, counts = np.unique(keys, return_counts=True)
        histories, first, types = np.unique(keys // vocabulary, return_index=True, return_counts=True)
        return cls(keys, counts, histories, np.add.reduceat(counts, first), types)


def look_up(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The value of each wanted key, 0 where it is not among the sorted keys."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)


@dataclass(frozen=True)
class WittenBell:
    """Interpolated Witten-Bell probabilities."""

    orders: tuple[Order, ...]
    """Unigrams first."""
    vocabulary: int
    """Tokens that there are, seen or not."""

    @classmethod
    def of(cls, keys: np.ndarray, vocabulary: int, order: int = 3) -> WittenBell:
        """Counted from the n-grams of the longest order; those of lower orders are their lowest digits."""
        return cls(tuple(Order.of(keys % vocabulary**n, vocabulary) for n in range(1, order + 1)), vocabulary)

    def probabilities(self, keys: np.ndarray) -> np.ndarray:
        """P(w | h) of each n-gram of the longest order; over all w of one history they sum to one."""
        p = np.full(len(keys), 1 / self.vocabulary)
        for n, order in enumerate(self.orders, start=1):
            grams = keys % self.vocabulary**n
            total = look_up(grams // self.vocabulary, order.histories, order.totals)
            types = look_up(grams // self.vocabulary, order.histories, order.types)
            count = look_up(grams, order.keys, order.counts)
            p = np.where(total > 0, (count + types * p) / np.maximum(total + types, 1), p)
        return p
