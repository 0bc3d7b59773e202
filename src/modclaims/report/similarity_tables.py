"""Tables of similarity between texts: its means, its levels along depth, and places on a map."""

from __future__ import annotations

import numpy as np

from modclaims.drawing.exhibits import finite, floats, names
from modclaims.drawing.numerals import number, significant
from modclaims.drawing.rows import MOST_PANELS, Table, cut, panels_left_out, rounded
from modclaims.stats.evidence import Exhibit


def heat_maps(exhibit: Exhibit) -> Table:
    """Means of the same and of different categories and the extremes, a row a panel."""
    maps = floats(exhibit, "maps", 3)
    category = np.array(names(exhibit, "categories", maps.shape[1]))
    same = category[:, None] == category[None, :]
    other = ~np.eye(len(category), dtype=bool)
    rows = []
    for name, values in zip(names(exhibit, "panels", len(maps)), maps, strict=True):
        alike, unlike, off = (finite(values[mask]) for mask in (same & other, ~same, other))
        cells = [float(v.mean()) if v.size else np.nan for v in (alike, unlike)]
        cells += [float(off.min()) if off.size else np.nan, float(off.max()) if off.size else np.nan]
        rows.append((name, *(rounded(c) for c in cells)))
    kept, left = cut(rows, "panels")
    several = f"{len(maps)} x {maps.shape[1]} x {maps.shape[2]}"
    return Table(
        ("panel", "mean, same category", "mean, different category", "lowest", "highest"),
        kept,
        left_out=f"The diagonal is not counted in these means; the {several} single values are not listed here. {left}".strip(),
    )


def levels_by_depth(exhibit: Exhibit) -> Table:
    """The three levels, a row a layer."""
    depth = floats(exhibit, "depth", 1)
    keys = ("same_text", "same_category", "different_category")
    levels = [floats(exhibit, k, 1) for k in keys]
    layer = np.asarray(exhibit.arrays.get("layer", np.arange(len(depth))), dtype=float)
    rows = [
        (significant(float(layer[i])), number(float(depth[i])), *(rounded(level[i]) for level in levels))
        for i in range(len(depth))
    ]
    kept, left = cut(rows, "layers")
    return Table(("layer", "relative depth", *(k.replace("_", " ") for k in keys)), kept, words=(), left_out=left)


def text_map(exhibit: Exhibit) -> Table:
    """Places of texts in the first panels, a row a text."""
    xy = floats(exhibit, "xy", 3)
    n = xy.shape[1]
    panels, ids, category = names(exhibit, "panels", len(xy)), names(exhibit, "ids", n), names(exhibit, "categories", n)
    rows = [
        (
            ids[i],
            category[i],
            *(f"{significant(float(p[i, 0]), 2)}, {significant(float(p[i, 1]), 2)}" for p in xy[:MOST_PANELS]),
        )
        for i in range(n)
    ]
    kept, left = cut(rows, "texts")
    return Table(
        ("text", "category", *panels[:MOST_PANELS]),
        kept,
        words=(0, 1),
        left_out=f"{left} {panels_left_out(panels)}".strip(),
    )
