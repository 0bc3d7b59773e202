"""The table of what copying explains: an effect before and after it is taken out, and the share that is left."""

from __future__ import annotations

from modclaims.drawing.exhibits import floats, names
from modclaims.drawing.numerals import interval, number, significant
from modclaims.drawing.rows import Table, cut
from modclaims.stats.evidence import Exhibit


def raw_and_partial(exhibit: Exhibit) -> Table:
    """Both effects with bounds, and the share that is left, a row a layer."""
    depth, layer, share = (floats(exhibit, key, 1) for key in ("depth", "layer", "share_left"))
    effect, low, high = (floats(exhibit, key, 2) for key in ("effect", "low", "high"))
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            *(f"{number(float(effect[k, i]))} {interval(float(low[k, i]), float(high[k, i]))}" for k in range(2)),
            number(float(share[i])),
        )
        for i in range(len(layer))
    ]
    kept, left = cut(rows, "layers")
    return Table(("layer", "relative depth", *names(exhibit, "sides", 2), "share left"), kept, words=(), left_out=left)
