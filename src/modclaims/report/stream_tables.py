"""Tables of single coordinates of the residual stream, and the lines that a drawing follows through the layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modclaims.decimals import decimals_for
from modclaims.drawing.exhibits import finite, floats, groups_in_order, names, scalar, word
from modclaims.drawing.numerals import NOTHING, count, interval, number, p_value, significant
from modclaims.drawing.rows import MOST_PANELS, Table, cut
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lines:
    """The lines of a `stream`: one coordinate at one position of a text, followed through the layers."""

    values: Floats
    """(line, layer)"""
    text: NDArray[np.int64]
    """(line,) index of each line's text."""
    category: list[str]
    """One a text."""
    ids: list[str]
    """One a text."""

    @classmethod
    def of(cls, exhibit: Exhibit) -> Lines:
        """The lines of an exhibit. Raises `ValueError` where its arrays do not fit."""
        values, text = floats(exhibit, "values", 2), floats(exhibit, "text", 1)
        if len(text) != len(values) or not np.isfinite(text).all() or text.min() < 0:
            raise ValueError(f"text of stream has no index for each of {len(values)} lines")
        labelled = [
            len(found) for key in ("categories", "ids") if not isinstance(found := exhibit.labels.get(key, ()), str)
        ]
        texts = max(int(text.max()) + 1, *labelled)
        return cls(values, text.astype(np.int64), names(exhibit, "categories", texts), names(exhibit, "ids", texts))

    def quantiles(self, *levels: float) -> list[float]:
        """Quantiles of all finite values. Raises `ValueError` where there are none."""
        known = finite(self.values)
        if not known.size:
            raise ValueError("no finite value to draw")
        return [float(v) for v in np.quantile(known, levels)]


def stream(exhibit: Exhibit) -> Table:
    """Spread over all lines and the median of each category, a row a layer."""
    lines = Lines.of(exhibit)
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    low, high = lines.quantiles(0.01, 0.99)
    decimals = decimals_for(high - low)
    category = np.array(lines.category)[lines.text]
    kinds = groups_in_order(lines.category)
    rows = []
    for i in range(lines.values.shape[1]):
        values = lines.values[:, i]
        row = [significant(float(layer[i])), number(float(depth[i]))]
        known = np.isfinite(values)
        if known.any():
            highest = int(np.where(known, values, -np.inf).argmax())
            spread = (float(values[known].min()), float(np.median(values[known])), float(values[highest]))
            row += [number(v, decimals) for v in spread]
        else:
            row += [NOTHING] * 3
        for kind in kinds[:MOST_PANELS]:
            mine = values[known & (category == kind)]
            row.append(number(float(np.median(mine)), decimals) if mine.size else NOTHING)
        rows.append((*row, lines.ids[lines.text[highest]] if known.any() else NOTHING))
    kept, left = cut(rows, "layers")
    head = ["layer", "relative depth", "lowest", "median", "highest"]
    head += [*(f"median, {kind}" for kind in kinds[:MOST_PANELS]), "text with the highest"]
    more = len(kinds) - MOST_PANELS
    told = [
        f"{count(len(lines.text), 'line')} of {count(len(set(lines.text.tolist())), 'text')}; "
        f"the 1\u00a0% and the 99\u00a0% quantile of all values are {number(low, decimals)} and {number(high, decimals)}.",
        f"{count(more, 'further category', 'further categories')} left out." if more > 0 else "",
        left,
    ]
    return Table(tuple(head), kept, words=(len(head) - 1,), left_out=" ".join(filter(None, told)))


def two_distributions(exhibit: Exhibit) -> Table:
    """Summaries of both distributions and the adjusted p, a row a panel."""
    own, chance = floats(exhibit, "summary_axes", 1), floats(exhibit, "summary_random", 2)
    p = floats(exhibit, "p_adjusted", 1)
    rows = []
    for name, mine, (low, middle, high), level in zip(names(exhibit, "panels", len(own)), own, chance, p, strict=True):
        decimals = decimals_for(high - low if np.isfinite(high - low) else None)
        within = f"{number(float(middle), decimals)} {interval(low, high, decimals)}"
        rows.append((name, number(float(mine), decimals), within, p_value(float(level))))
    kept, left = cut(rows, "panels")
    summary = word(exhibit, "summary", "summary")
    head = ("panel", f"{summary}, axes", f"{summary}, random directions: median [5\u00a0%, 95\u00a0%]", "adjusted p")
    return Table(head, kept, left_out=left)


def kurtosis_by_depth(exhibit: Exhibit) -> Table:
    """Kurtosis of own and of rotated axes, a row a layer."""
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    own, low, high, mean, least, most, first = (
        floats(exhibit, key, 1)
        for key in ("own", "low", "high", "rotated_mean", "rotated_low", "rotated_high", "first")
    )
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            number(float(own[i])),
            interval(float(low[i]), float(high[i])),
            number(float(mean[i])),
            interval(float(least[i]), float(most[i])),
            number(float(first[i])),
        )
        for i in range(len(layer))
    ]
    kept, left = cut(rows, "layers")
    head = (
        "layer",
        "relative depth",
        "own axes, mean",
        "lowest and highest text",
        "rotated axes, mean",
        "lowest and highest draw",
        "first token",
    )
    gaussian = scalar(exhibit, "gaussian")
    told = f"The value of Gaussian coordinates is {number(gaussian)}." if np.isfinite(gaussian) else ""
    return Table(head, kept, words=(), left_out=f"{told} {left}".strip())
