"""The table of one quantity along depth: its band, its chunks, and where resamples divide it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from modclaims.report.exhibits import floats, word
from modclaims.report.numerals import interval, number, significant
from modclaims.report.rows import Table, cut
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]


def curve_by_depth(exhibit: Exhibit) -> Table:
    """A curve along depth with its band, a row a layer."""
    depth, layer, mean, low, high = (floats(exhibit, key, 1) for key in ("depth", "layer", "mean", "low", "high"))
    head = ["layer", "relative depth", f"{word(exhibit, 'quantity', 'mean')}, mean", word(exhibit, "interval", "band")]
    further: list[Floats] = []
    if "chunk" in exhibit.arrays:
        head += ["chunk", "mean of the chunk"]
    if "begins" in exhibit.arrays:
        begins = 100 * floats(exhibit, "begins", 2)
        head += ["middle begins here, % of resamples", "last chunk begins here, % of resamples"]
        further += [begins[0], begins[1]]
    if "line" in exhibit.arrays:
        head.append("straight line")
        further.append(floats(exhibit, "line", 1))
    if "twin" in exhibit.arrays:
        head.append("untrained twins, mean")
        further.append(floats(exhibit, "twin", 2).mean(axis=0))
    rows = []
    for i in range(len(layer)):
        row = [significant(float(layer[i])), number(float(depth[i])), number(float(mean[i]))]
        row.append(interval(float(low[i]), float(high[i])))
        if "chunk" in exhibit.arrays:
            which = int(np.asarray(exhibit.arrays["chunk"])[i])
            row += [("early", "middle", "last")[which], number(float(floats(exhibit, "level", 1)[i]))]
        rows.append((*row, *(number(float(values[i])) for values in further)))
    kept, left = cut(rows, "layers")
    return Table(tuple(head), kept, words=(4,) if "chunk" in exhibit.arrays else (), left_out=left)
