"""Tables of what the stream tells of its input: tokens found, and where the maps that find them read."""

from __future__ import annotations

from modclaims.drawing.exhibits import floats, names
from modclaims.drawing.numerals import interval, number, significant
from modclaims.drawing.rows import Table, cut
from modclaims.stats.evidence import Exhibit


def accuracy_by_depth(exhibit: Exhibit) -> Table:
    """Shares of tokens found in every task with their bands, a row a layer."""
    depth, layer, unseen = (floats(exhibit, key, 1) for key in ("depth", "layer", "unseen"))
    mean, low, high = (floats(exhibit, key, 2) for key in ("mean", "low", "high"))
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            *(
                f"{number(float(m[i]))} {interval(float(a[i]), float(b[i]))}"
                for m, a, b in zip(mean, low, high, strict=True)
            ),
            number(float(unseen[i])),
        )
        for i in range(len(layer))
    ]
    kept, left = cut(rows, "layers")
    head = ("layer", "relative depth", *names(exhibit, "curves", len(mean)), "types never learned from")
    return Table(head, kept, words=(), left_out=left)


def input_angles(exhibit: Exhibit) -> Table:
    """Squared cosines of principal angles against those of random subspaces, a row a layer."""
    depth, layer, mean, low, high, least, most, middle = (
        floats(exhibit, key, 1)
        for key in ("depth", "layer", "mean", "low", "high", "null_low", "null_high", "null_mean")
    )
    cosines = floats(exhibit, "cosines", 2)
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            f"{number(float(mean[i]))} {interval(float(low[i]), float(high[i]))}",
            f"{number(float(middle[i]))} {interval(float(least[i]), float(most[i]))}",
            f"{number(float(cosines[i].min()))} to {number(float(cosines[i].max()))}",
        )
        for i in range(len(layer))
    ]
    kept, left = cut(rows, "layers")
    head = ("layer", "relative depth", "mean squared cosine", "of random subspaces", "single angles")
    return Table(head, kept, words=(), left_out=left)
