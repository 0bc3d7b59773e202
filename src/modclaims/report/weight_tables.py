"""Tables of weights alone: a network's own number beside its null objects, effects by clusters, sizes by frequency."""

from __future__ import annotations

import numpy as np

from modclaims.decimals import decimals_for
from modclaims.drawing.exhibits import finite, floats, scalar, word
from modclaims.drawing.numerals import interval, number
from modclaims.drawing.rows import Table, cut
from modclaims.stats.evidence import Exhibit


def against_draws(exhibit: Exhibit) -> Table:
    """The network's number and its null objects, a row a layer."""
    depth, layer, own, middle, low, high = (
        floats(exhibit, name, 1) for name in ("depth", "layer", "own", "null_mean", "null_low", "null_high")
    )
    decimals = decimals_for(float(np.ptp(finite(np.concatenate([own, low, high])))))
    rows = [
        (
            number(round(float(at))),
            number(float(place)),
            number(float(mine), decimals),
            number(float(mean), decimals),
            interval(float(a), float(b), decimals),
        )
        for at, place, mine, mean, a, b in zip(layer, depth, own, middle, low, high, strict=True)
    ]
    kept, left = cut(rows, "layers")
    null = word(exhibit, "null", "null objects")
    head = ("layer", "relative depth", word(exhibit, "of", "value"), "null objects, mean", null)
    return Table(head, kept, words=(), left_out=left)


def by_clusters(exhibit: Exhibit) -> Table:
    """The effect, a row a layer and a column a number of clusters."""
    counts, layer, effect = floats(exhibit, "clusters", 1), floats(exhibit, "layer", 1), floats(exhibit, "effect", 2)
    stated = scalar(exhibit, "stated")
    rows = [
        (number(round(float(at))), *(number(float(v), 3) for v in row)) for at, row in zip(layer, effect, strict=True)
    ]
    kept, left = cut(rows, "layers")
    head = ["layer", *(f"{number(round(c))} clusters" + (", stated" if c == stated else "") for c in counts.tolist())]
    return Table(tuple(head), kept, words=(), left_out=left)


def by_frequency(exhibit: Exhibit) -> Table:
    """Sizes at a few ranks, a row a layer."""
    rank, layer, found = floats(exhibit, "rank", 1), floats(exhibit, "layer", 1), floats(exhibit, "relative", 2)
    places = sorted({round(share * (len(rank) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})
    rows = [
        (number(round(float(at))), *(number(float(row[p])) for p in places))
        for at, row in zip(layer, found, strict=True)
    ]
    kept, left = cut(rows, "layers")
    return Table(
        ("layer", *(f"about token {number(round(float(rank[p])))}" for p in places)), kept, words=(), left_out=left
    )
