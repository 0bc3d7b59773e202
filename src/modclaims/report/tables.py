"""Tables, and the table that stands beside every figure: what an exhibit's arrays say, in at most some twenty rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.report.numerals import NOTHING, count, interval, number, p_value, plain, said, significant
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]
MOST_ROWS = 20
MOST_PANELS = 4


@dataclass(frozen=True)
class Table:
    """Rows of text under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    words: tuple[int, ...] = (0,)
    """Columns that hold words; the others hold numbers and are set flush right."""
    left_out: str = ""
    """A sentence that counts what is not shown; empty where everything is."""


def floats(exhibit: Exhibit, name: str, ndim: int) -> Floats:
    """An array of an exhibit as float64 with `ndim` axes. Raises `ValueError` where it is empty or has another shape."""
    array = np.asarray(exhibit.arrays[name], dtype=np.float64)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name} of {exhibit.kind} has shape {array.shape}")
    return array


def scalar(exhibit: Exhibit, name: str) -> float:
    """A single number of an exhibit; not a number where it is absent."""
    array = np.asarray(exhibit.arrays.get(name, np.nan), dtype=np.float64).ravel()
    return float(array[0]) if array.size == 1 else float("nan")


def names(exhibit: Exhibit, key: str, n: int) -> list[str]:
    """`n` labels of an exhibit, each one line; numbered where the exhibit has none. Raises `ValueError` on a wrong count."""
    found = exhibit.labels.get(key, ())
    if isinstance(found, str) or not len(found):
        return [str(i) for i in range(n)]
    if len(found) != n:
        raise ValueError(f"{key} of {exhibit.kind} has {len(found)} entries for {n}")
    return [plain(name) for name in found]


def word(exhibit: Exhibit, key: str, default: str = "") -> str:
    """One label of an exhibit."""
    found = exhibit.labels.get(key, default)
    return said(found if isinstance(found, str) else ", ".join(found)) or default


def finite(values: NDArray[Any]) -> Floats:
    """The finite entries, flat."""
    flat = np.asarray(values, dtype=np.float64).ravel()
    return flat[np.isfinite(flat)]


def groups_in_order(values: Sequence[str]) -> list[str]:
    """The distinct values in the order in which they first come."""
    return list(dict.fromkeys(values))


def exhibit_table(exhibit: Exhibit) -> Table:
    """The table beside a figure; for an unknown kind, or arrays that do not fit theirs, the shapes of the arrays."""
    tell = _TABLES.get(exhibit.kind, shapes)
    try:
        return tell(exhibit)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return shapes(exhibit)


def shapes(exhibit: Exhibit) -> Table:
    """Names, shapes and types of an exhibit's arrays."""
    arrays = sorted(exhibit.arrays.items())
    rows = tuple((plain(k), " x ".join(map(str, np.shape(v))) or "single", str(np.asarray(v).dtype)) for k, v in arrays)
    return Table(("array", "shape", "type"), rows, words=(0, 1, 2))


def _cut(rows: Iterable[tuple[str, ...]], what: str) -> tuple[tuple[tuple[str, ...], ...], str]:
    every = tuple(rows)
    if len(every) <= MOST_ROWS + 2:
        return every, ""
    return every[:MOST_ROWS], f"{count(len(every) - MOST_ROWS, 'further row')} left out ({what})."


def _panels(labels: Sequence[str]) -> str:
    return f"{count(len(labels) - MOST_PANELS, 'further panel')} left out." if len(labels) > MOST_PANELS else ""


def _value(value: float) -> str:
    return (
        number(float(value))
        if np.isfinite(value) and (abs(value) >= 0.01 or value == 0)
        else significant(float(value), 2)
    )


def _heat_maps(exhibit: Exhibit) -> Table:
    maps = floats(exhibit, "maps", 3)
    category = np.array(names(exhibit, "categories", maps.shape[1]))
    same = category[:, None] == category[None, :]
    other = ~np.eye(len(category), dtype=bool)
    rows = []
    for name, values in zip(names(exhibit, "panels", len(maps)), maps, strict=True):
        alike, unlike, off = (finite(values[mask]) for mask in (same & other, ~same, other))
        cells = [float(v.mean()) if v.size else np.nan for v in (alike, unlike)]
        cells += [float(off.min()) if off.size else np.nan, float(off.max()) if off.size else np.nan]
        rows.append((name, *(_value(c) for c in cells)))
    kept, left = _cut(rows, "panels")
    several = f"{len(maps)} x {maps.shape[1]} x {maps.shape[2]}"
    return Table(
        ("panel", "mean, same category", "mean, different category", "lowest", "highest"),
        kept,
        left_out=f"The diagonal is not counted in these means; the {several} single values are not listed here. {left}".strip(),
    )


def _effect_by_depth(exhibit: Exhibit) -> Table:
    effect = floats(exhibit, "effect", 1)
    columns = {
        k: np.asarray(exhibit.arrays[k], dtype=float)
        for k in ("depth", "low", "high", "band_low", "null_low", "null_high")
    }
    layer = floats(exhibit, "layer", 1)
    twins = np.asarray(exhibit.arrays["twin"], dtype=float) if "twin" in exhibit.arrays else None
    rows = []
    for i in range(len(effect)):
        at = {k: float(v[i]) for k, v in columns.items()}
        row = [
            significant(float(layer[i])),
            number(at["depth"]),
            _value(effect[i]),
            interval(at["low"], at["high"]),
            _value(at["band_low"]),
            interval(at["null_low"], at["null_high"]),
        ]
        if twins is not None:
            seeds = finite(twins[:, i])
            row.append(interval(float(seeds.min()), float(seeds.max())) if seeds.size else NOTHING)
        rows.append(tuple(row))
    head = [
        "layer",
        "relative depth",
        word(exhibit, "effect_name", "effect"),
        "own bounds",
        "simultaneous lower bound",
        "range of chance",
    ]
    if twins is not None:
        head.append(f"{count(len(twins), 'untrained twin')}, lowest to highest")
    kept, left = _cut(rows, "layers")
    return Table(tuple(head), kept, words=(), left_out=left)


def _levels_by_depth(exhibit: Exhibit) -> Table:
    depth = floats(exhibit, "depth", 1)
    keys = ("same_text", "same_category", "different_category")
    levels = [floats(exhibit, k, 1) for k in keys]
    layer = np.asarray(exhibit.arrays.get("layer", np.arange(len(depth))), dtype=float)
    rows = [
        (significant(float(layer[i])), number(float(depth[i])), *(_value(level[i]) for level in levels))
        for i in range(len(depth))
    ]
    kept, left = _cut(rows, "layers")
    return Table(("layer", "relative depth", *(k.replace("_", " ") for k in keys)), kept, words=(), left_out=left)


def _text_map(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "texts")
    return Table(
        ("text", "category", *panels[:MOST_PANELS]), kept, words=(0, 1), left_out=f"{left} {_panels(panels)}".strip()
    )


def _null_histogram(exhibit: Exhibit) -> Table:
    null, observed = finite(exhibit.arrays["null"]), scalar(exhibit, "observed")
    if not null.size:
        raise ValueError("the null sample is empty")
    quantiles = np.quantile(null, (0, 0.05, 0.5, 0.95, 1))
    labels = ("lowest under chance", "5 % quantile", "median", "95 % quantile", "highest under chance")
    rows = [("observed", _value(observed)), *((label, _value(q)) for label, q in zip(labels, quantiles, strict=True))]
    rows += [("arrangements", number(int(np.asarray(exhibit.arrays["null"]).size)))]
    missing = int(np.asarray(exhibit.arrays["null"]).size) - null.size
    left = f"{count(missing, 'arrangement')} without a finite value." if missing else ""
    return Table((word(exhibit, "statistic", "statistic"), "value"), tuple(rows), left_out=left)


def _head_map(exhibit: Exhibit) -> Table:
    effect = floats(exhibit, "effect", 2)
    p = np.asarray(exhibit.arrays.get("p_adjusted", np.full(effect.shape, np.nan)), dtype=float)
    marked = np.asarray(exhibit.arrays.get("significant", np.zeros(effect.shape)), dtype=bool)
    order = np.argsort(-np.nan_to_num(effect.ravel(), nan=-np.inf), kind="stable")
    at = [np.unravel_index(i, effect.shape) for i in order]
    rows = [
        (str(r), str(c), _value(float(effect[r, c])), p_value(float(p[r, c])), "yes" if marked[r, c] else "no")
        for r, c in at
    ]
    kept, left = _cut(rows, "smaller effects")
    head = ("layer", word(exhibit, "unit", "unit"), word(exhibit, "effect_name", "effect"), "adjusted p", "marked")
    return Table(head, kept, words=(4,), left_out=left)


def _strip(exhibit: Exhibit) -> Table:
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
            spread = [_value(v) for v in (mine.min(), float(np.median(mine)), mine.max())]
            rows.append((panel, name, str(len(mine)), *spread, str(mine_ids[int(mine.argmax())])))
    kept, left = _cut(rows, "panels and categories")
    return Table(
        ("panel", "category", "texts", "lowest", "median", "highest", "text with the highest"),
        kept,
        words=(0, 1, 6),
        left_out=left,
    )


def _volcano(exhibit: Exhibit) -> Table:
    effect, p = floats(exhibit, "effect", 1), floats(exhibit, "p_adjusted", 1)
    cells = names(exhibit, "cells", len(effect))
    order = np.lexsort((-np.nan_to_num(effect, nan=-np.inf), np.nan_to_num(p, nan=2.0)))
    kept, left = _cut([(cells[i], _value(effect[i]), p_value(float(p[i]))) for i in order], "larger p")
    return Table(("cell", word(exhibit, "effect_name", "effect"), "adjusted p"), kept, left_out=left)


def _splits(exhibit: Exhibit) -> Table:
    effect, low, high = (floats(exhibit, k, 1) for k in ("effect", "low", "high"))
    picks = names(exhibit, "picks", len(effect))
    rows = [
        (str(i + 1), picks[i], _value(effect[i]), interval(float(low[i]), float(high[i]))) for i in range(len(effect))
    ]
    kept, left = _cut(rows, "splits")
    return Table(("split", "picked", word(exhibit, "effect_name", "effect"), "bounds"), kept, words=(1,), left_out=left)


def _forest(exhibit: Exhibit) -> Table:
    effect, low, high, smallest = (floats(exhibit, k, 1) for k in ("effect", "low", "high", "smallest"))
    n = len(effect)
    claim, scale, outcome = (names(exhibit, k, n) for k in ("claims", "effect_names", "outcomes"))
    rows = tuple(
        (
            claim[i],
            outcome[i],
            scale[i],
            _value(effect[i]),
            interval(float(low[i]), float(high[i])),
            _value(smallest[i]),
        )
        for i in range(n)
    )
    return Table(
        ("claim", "verdict", "effect named", "effect", "interval", "smallest that matters"), rows, words=(0, 1, 2)
    )


_TABLES: dict[str, Callable[[Exhibit], Table]] = {
    "effect_by_depth": _effect_by_depth,
    "forest": _forest,
    "head_map": _head_map,
    "heat_maps": _heat_maps,
    "levels_by_depth": _levels_by_depth,
    "null_histogram": _null_histogram,
    "splits": _splits,
    "strip": _strip,
    "text_map": _text_map,
    "volcano": _volcano,
}
