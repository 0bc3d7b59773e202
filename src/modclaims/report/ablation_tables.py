"""Tables of ablations: who loses what without which module, and what a module's texts lose by its size."""

from __future__ import annotations

from modclaims.drawing.exhibits import floats, names, word
from modclaims.drawing.numerals import interval, number
from modclaims.drawing.rows import Table, cut
from modclaims.stats.evidence import Exhibit


def dissociation(exhibit: Exhibit) -> Table:
    """A row a module and panel, a column a category of texts."""
    maps = floats(exhibit, "maps", 3)
    modules, categories = names(exhibit, "modules", maps.shape[1]), names(exhibit, "categories", maps.shape[2])
    panels = names(exhibit, "panels", len(maps))
    rows, left_out = cut(
        (
            (panel, module, *(number(float(v)) for v in line))
            for panel, values in zip(panels, maps, strict=True)
            for module, line in zip(modules, values, strict=True)
        ),
        "modules",
    )
    return Table(("panel", "module of", *(f"texts of {c}" for c in categories)), rows, words=(0, 1), left_out=left_out)


def dose_curve(exhibit: Exhibit) -> Table:
    """A row a category and size."""
    size = floats(exhibit, "size", 1)
    own, matched, low, high = (floats(exhibit, key, 2) for key in ("own", "matched", "matched_low", "matched_high"))
    categories = names(exhibit, "categories", len(own))
    rows, left_out = cut(
        (
            (
                category,
                number(round(float(size[j]))),
                number(float(own[i, j])),
                number(float(matched[i, j])),
                interval(float(low[i, j]), float(high[i, j])),
            )
            for i, category in enumerate(categories)
            for j in range(len(size))
        ),
        "modules",
    )
    head = (
        "module of",
        word(exhibit, "unit", "units"),
        "own texts lose",
        "without matched sets",
        "lowest and highest of them",
    )
    return Table(head, rows, left_out=left_out)
