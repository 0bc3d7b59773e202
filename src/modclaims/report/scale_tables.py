"""Tables of claims about scale: effects of models by relative depth, and by size."""

from __future__ import annotations

from modclaims.drawing.exhibits import floats, names, word
from modclaims.drawing.numerals import count, interval, number
from modclaims.drawing.rows import MOST_PANELS, Table, cut
from modclaims.stats.evidence import Exhibit


def models_by_depth(exhibit: Exhibit) -> Table:
    """Every model's effect and the difference of two, a row a relative depth."""
    depth, effect = floats(exhibit, "depth", 1), floats(exhibit, "effect", 2)
    models = names(exhibit, "models", len(effect))
    shown = list(range(len(models)))
    if len(models) > 2 * MOST_PANELS:  # the largest and the smallest
        shown = [*shown[:MOST_PANELS], *shown[-MOST_PANELS:]]
    head = ["relative depth", *(models[m] for m in shown)]
    two = "difference" in exhibit.arrays
    if two:
        head.append(" minus ".join(names(exhibit, "sides", 2)))
        difference, low, high = (floats(exhibit, key, 1) for key in ("difference", "low", "high"))
    rows = []
    for i in range(len(depth)):
        row = [number(float(depth[i])), *(number(float(effect[m, i])) for m in shown)]
        if two:
            row.append(f"{number(float(difference[i]))} {interval(float(low[i]), float(high[i]))}")
        rows.append(tuple(row))
    kept, left = cut(rows, "depths")
    gone = len(models) - len(shown)
    told = f"{count(gone, 'model')} of middling size left out." if gone else ""
    return Table(tuple(head), kept, words=(), left_out=f"{told} {left}".strip())


def effect_by_parameters(exhibit: Exhibit) -> Table:
    """A row a model, by size."""
    parameters, effect, low, high, line = (
        floats(exhibit, key, 1) for key in ("parameters", "effect", "low", "high", "line")
    )
    rows = [
        (model, number(round(float(p))), number(float(e)), interval(float(a), float(b)), number(float(on)))
        for model, p, e, a, b, on in zip(
            names(exhibit, "models", len(effect)), parameters, effect, low, high, line, strict=True
        )
    ]
    kept, left = cut(rows, "larger models")
    head = ("model", "parameters", word(exhibit, "effect_name", "effect"), "its own interval over texts", "on the line")
    return Table(head, kept, left_out=left)
