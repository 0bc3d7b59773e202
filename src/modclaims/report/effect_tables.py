"""Tables of effects with bounds: along depth, beside chance, in splits, and of all claims."""

from __future__ import annotations

import numpy as np

from modclaims.decimals import decimals_of_effect
from modclaims.drawing.exhibits import finite, floats, names, scalar, word
from modclaims.drawing.numerals import NOTHING, count, interval, number, significant
from modclaims.drawing.rows import Table, cut, rounded
from modclaims.stats.evidence import Exhibit


def effect_by_depth(exhibit: Exhibit) -> Table:
    """The effect with its bounds and the range of chance, a row a layer."""
    effect = floats(exhibit, "effect", 1)
    columns = {
        k: np.asarray(exhibit.arrays[k], dtype=float)
        for k in ("depth", "low", "high", "band_low", "null_low", "null_high")
    }
    layer = floats(exhibit, "layer", 1)
    twins = np.asarray(exhibit.arrays["twin"], dtype=float) if "twin" in exhibit.arrays else None
    rows = []
    for i in range(len(effect)):
        at = {k: float(v[i]) for k, v in columns.items()}
        row = [
            significant(float(layer[i])),
            number(at["depth"]),
            rounded(effect[i]),
            interval(at["low"], at["high"]),
            rounded(at["band_low"]),
            interval(at["null_low"], at["null_high"]),
        ]
        if twins is not None:
            seeds = finite(twins[:, i])
            row.append(interval(float(seeds.min()), float(seeds.max())) if seeds.size else NOTHING)
        rows.append(tuple(row))
    head = [
        "layer",
        "relative depth",
        word(exhibit, "effect_name", "effect"),
        "own bounds",
        "simultaneous lower bound",
        "range of chance",
    ]
    if twins is not None:
        head.append(f"{count(len(twins), 'untrained twin')}, lowest to highest")
    kept, left = cut(rows, "layers")
    return Table(tuple(head), kept, words=(), left_out=left)


def null_histogram(exhibit: Exhibit) -> Table:
    """The observed value, and quantiles of chance."""
    null, observed = finite(exhibit.arrays["null"]), scalar(exhibit, "observed")
    if not null.size:
        raise ValueError("the null sample is empty")
    quantiles = np.quantile(null, (0, 0.05, 0.5, 0.95, 1))
    labels = ("lowest under chance", "5 % quantile", "median", "95 % quantile", "highest under chance")
    rows = [("observed", rounded(observed)), *((label, rounded(q)) for label, q in zip(labels, quantiles, strict=True))]
    rows += [("arrangements", number(int(np.asarray(exhibit.arrays["null"]).size)))]
    missing = int(np.asarray(exhibit.arrays["null"]).size) - null.size
    left = f"{count(missing, 'arrangement')} without a finite value." if missing else ""
    return Table((word(exhibit, "statistic", "statistic"), "value"), tuple(rows), left_out=left)


def splits(exhibit: Exhibit) -> Table:
    """The effect with its bounds, a row a split."""
    effect, low, high = (floats(exhibit, k, 1) for k in ("effect", "low", "high"))
    picks = names(exhibit, "picks", len(effect))
    rows = [
        (str(i + 1), picks[i], rounded(effect[i]), interval(float(low[i]), float(high[i]))) for i in range(len(effect))
    ]
    kept, left = cut(rows, "splits")
    return Table(("split", "picked", word(exhibit, "effect_name", "effect"), "bounds"), kept, words=(1,), left_out=left)


def forest(exhibit: Exhibit) -> Table:
    """The effect with its interval, a row a claim."""
    effect, low, high, smallest = (floats(exhibit, k, 1) for k in ("effect", "low", "high", "smallest"))
    n = len(effect)
    claim, scale, outcome = (names(exhibit, k, n) for k in ("claims", "effect_names", "outcomes"))
    rows = []
    for i in range(n):
        decimals = decimals_of_effect(*(float(v[i]) for v in (smallest, low, high)))
        told = number(float(effect[i]), decimals), interval(float(low[i]), float(high[i]), decimals)
        rows.append((claim[i], outcome[i], scale[i], *told, rounded(smallest[i])))
    return Table(
        ("claim", "verdict", "effect named", "effect", "interval", "smallest that matters"),
        tuple(rows),
        words=(0, 1, 2),
    )
