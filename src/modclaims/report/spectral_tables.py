"""Tables of singular values: the curve at a few places, and effective rank along depth."""

from __future__ import annotations

from modclaims.drawing.exhibits import floats, names, word
from modclaims.drawing.numerals import interval, number, significant
from modclaims.drawing.rows import Table
from modclaims.stats.evidence import Exhibit


def spectra(exhibit: Exhibit) -> Table:
    """Counts and the curve at a few places, a row a layer."""
    values, layer = floats(exhibit, "values", 2), floats(exhibit, "layer", 1)
    floor, tenth, effective = (floats(exhibit, key, 1) for key in ("floor", "above_tenth", "effective_rank"))
    size = values.shape[1]
    places = sorted({0, size // 10, size // 4, size // 2, (3 * size) // 4, size - 1})
    head = ["layer", "effective rank", "above a tenth", "noise floor", *(f"value {place + 1}" for place in places)]
    rows = [
        (
            number(round(float(layer[i]))),
            number(float(effective[i]), 1),
            number(float(tenth[i]), 1),
            significant(float(floor[i]), 2),
            *(significant(float(values[i, place]), 2) for place in places),
        )
        for i in range(len(layer))
    ]
    left = f"Values are relative to the largest; the other {size - len(places)} of each layer are not listed here."
    return Table(tuple(head), tuple(rows), words=(), left_out=left)


def rank_by_depth(exhibit: Exhibit) -> Table:
    """Effective rank as a fraction, a row a layer."""
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    ranks, low, high = (floats(exhibit, key, 2) for key in ("rank", "low", "high"))
    blocks = names(exhibit, "blocks", len(ranks))
    head = ["layer", "relative depth"]
    for block in blocks:
        head += [f"{block}, mean", f"{block}, lowest and highest text"]
    null = "null_low" in exhibit.arrays
    if null:
        head += ["null, mean", f"{word(exhibit, 'null', 'null objects')}, lowest and highest"]
    rows = []
    for i in range(len(layer)):
        row = [number(round(float(layer[i]))), number(float(depth[i]))]
        for b in range(len(ranks)):
            row += [number(float(ranks[b, i])), interval(float(low[b, i]), float(high[b, i]))]
        if null:
            least, most = (float(floats(exhibit, f"null_{side}", 1)[i]) for side in ("low", "high"))
            row += [number(float(floats(exhibit, "null_mean", 1)[i])), interval(least, most)]
        rows.append(tuple(row))
    return Table(tuple(head), tuple(rows))
