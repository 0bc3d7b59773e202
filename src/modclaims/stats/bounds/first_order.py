"""From how many texts on effects of pairs are resampled to first order: with the influences of the sample, held."""

from __future__ import annotations

from modclaims.stats.chance.actions import Design

MANY, MANY_OF_ONE = 128, 24
"""Texts of each stratum, and of each category in it, from which on it is done."""


def many_texts(design: Design) -> bool:
    """Whether there are so many texts of each category in each stratum that resampling to first order is enough.

    What is left out is of the second order in 1 / n, n being the texts of a category: with fewer the spread of a few texts' pairs
    is itself uncertain, and bounds from influences that are held would be too narrow. Clusters are resampled whole, always.
    """
    counts = design.counts[:, design.usable_strata]
    fewest = counts[counts > 0].min(initial=MANY)
    return not design.members and bool((counts.sum(axis=0) >= MANY).all() and fewest >= MANY_OF_ONE)
