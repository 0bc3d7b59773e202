"""Tables of subspaces: principal angles along depth, components above chance, and two effects with their difference."""

from __future__ import annotations

from modclaims.drawing.exhibits import floats, names, word
from modclaims.drawing.numerals import interval, number, significant
from modclaims.drawing.rows import MOST_PANELS, Table, cut
from modclaims.stats.evidence import Exhibit


def principal_angles(exhibit: Exhibit) -> Table:
    """Separation and the mean squared sine of principal angles, a row a layer."""
    depth, layer, effect, low, high, observed, least, middle, most = (
        floats(exhibit, key, 1)
        for key in ("depth", "layer", "effect", "low", "high", "observed", "null_low", "null_mean", "null_high")
    )
    angles = floats(exhibit, "angles", 3)
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            f"{number(float(effect[i]))} {interval(float(low[i]), float(high[i]))}",
            number(float(observed[i])),
            f"{number(float(middle[i]))} {interval(float(least[i]), float(most[i]))}",
            f"{number(float(angles[i].min()), 0)} to {number(float(angles[i].max()), 0)}",
        )
        for i in range(len(layer))
    ]
    kept, left = cut(rows, "layers")
    head = (
        "layer",
        "relative depth",
        word(exhibit, "effect_name", "effect"),
        "mean squared sine",
        "under exchanged labels",
        "principal angles, degrees",
    )
    return Table(head, kept, words=(), left_out=left)


def two_effects_by_depth(exhibit: Exhibit) -> Table:
    """Both effects and their difference with bounds, a row a layer."""
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    effect, low, high = (floats(exhibit, key, 2) for key in ("effect", "low", "high"))
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            *(f"{number(float(effect[k, i]))} {interval(float(low[k, i]), float(high[k, i]))}" for k in range(3)),
        )
        for i in range(len(layer))
    ]
    kept, left = cut(rows, "layers")
    return Table(("layer", "relative depth", *names(exhibit, "sides", 2), "difference"), kept, words=(), left_out=left)


def scree(exhibit: Exhibit) -> Table:
    """Rank and the shares of the first components against permuted coordinates, a row a panel."""
    share, high = floats(exhibit, "share", 2), floats(exhibit, "null_high", 2)
    rank, effect = floats(exhibit, "rank", 1), floats(exhibit, "effect", 1)
    shown = min(MOST_PANELS, share.shape[1])
    rows = [
        (
            panel,
            number(float(rank[i]), 0),
            number(float(effect[i])),
            *(f"{number(float(share[i, c]), 3)} ({number(float(high[i, c]), 3)})" for c in range(shown)),
        )
        for i, panel in enumerate(names(exhibit, "panels", len(share)))
    ]
    kept, left = cut(rows, "panels")
    head = ("panel", "rank", word(exhibit, "effect_name", "effect"), *(f"component {c + 1}" for c in range(shown)))
    told = "Of each component its share of variance, and in brackets the 95\u00a0% point of permuted coordinates."
    return Table(head, kept, left_out=f"{told} {left}".strip())
