"""Tables of cells that tell categories apart: effects of heads, responses of texts, effects with their p."""

from __future__ import annotations

import numpy as np

from modclaims.drawing.exhibits import floats, groups_in_order, names, word
from modclaims.drawing.numerals import NOTHING, p_value
from modclaims.drawing.rows import Table, cut, rounded
from modclaims.stats.evidence import Exhibit


def head_map(exhibit: Exhibit) -> Table:
    """Heads, or other units of layers, by falling effect."""
    effect = floats(exhibit, "effect", 2)
    p = np.asarray(exhibit.arrays.get("p_adjusted", np.full(effect.shape, np.nan)), dtype=float)
    marked = np.asarray(exhibit.arrays.get("significant", np.zeros(effect.shape)), dtype=bool)
    order = np.argsort(-np.nan_to_num(effect.ravel(), nan=-np.inf), kind="stable")
    at = [np.unravel_index(i, effect.shape) for i in order]
    rows = [
        (str(r), str(c), rounded(float(effect[r, c])), p_value(float(p[r, c])), "yes" if marked[r, c] else "no")
        for r, c in at
    ]
    kept, left = cut(rows, "smaller effects")
    head = ("layer", word(exhibit, "unit", "unit"), word(exhibit, "effect_name", "effect"), "adjusted p", "marked")
    return Table(head, kept, words=(4,), left_out=left)


def strip(exhibit: Exhibit) -> Table:
    """Spread of the responses, a row a panel and category."""
    responses = floats(exhibit, "responses", 2)
    n = responses.shape[1]
    category, ids = np.array(names(exhibit, "categories", n)), np.array(names(exhibit, "ids", n))
    rows: list[tuple[str, ...]] = []
    for panel, values in zip(names(exhibit, "panels", len(responses)), responses, strict=True):
        for name in groups_in_order(category.tolist()):
            kept_values = np.isfinite(values) & (category == name)
            if not kept_values.any():
                rows.append((panel, name, "0", NOTHING, NOTHING, NOTHING, NOTHING))
                continue
            mine, mine_ids = values[kept_values], ids[kept_values]
            spread = [rounded(v) for v in (mine.min(), float(np.median(mine)), mine.max())]
            rows.append((panel, name, str(len(mine)), *spread, str(mine_ids[int(mine.argmax())])))
    kept, left = cut(rows, "panels and categories")
    return Table(
        ("panel", "category", "texts", "lowest", "median", "highest", "text with the highest"),
        kept,
        words=(0, 1, 6),
        left_out=left,
    )


def volcano(exhibit: Exhibit) -> Table:
    """Cells by rising p."""
    effect, p = floats(exhibit, "effect", 1), floats(exhibit, "p_adjusted", 1)
    cells = names(exhibit, "cells", len(effect))
    order = np.lexsort((-np.nan_to_num(effect, nan=-np.inf), np.nan_to_num(p, nan=2.0)))
    kept, left = cut([(cells[i], rounded(effect[i]), p_value(float(p[i]))) for i in order], "larger p")
    return Table(("cell", word(exhibit, "effect_name", "effect"), "adjusted p"), kept, left_out=left)
