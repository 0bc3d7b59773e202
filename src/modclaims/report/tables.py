"""Tables, and the table that stands beside every figure: what an exhibit's arrays say, in at most some twenty rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modclaims.report.numerals import (
    NOTHING,
    count,
    decimals_for,
    interval,
    number,
    p_value,
    plain,
    said,
    significant,
)
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


def _spectra(exhibit: Exhibit) -> Table:
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


def _rank_by_depth(exhibit: Exhibit) -> Table:
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


def _stream(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "layers")
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


def _two_distributions(exhibit: Exhibit) -> Table:
    """Summaries of both distributions and the adjusted p, a row a panel."""
    own, chance = floats(exhibit, "summary_axes", 1), floats(exhibit, "summary_random", 2)
    p = floats(exhibit, "p_adjusted", 1)
    rows = []
    for name, mine, (low, middle, high), level in zip(names(exhibit, "panels", len(own)), own, chance, p, strict=True):
        decimals = decimals_for(high - low if np.isfinite(high - low) else None)
        within = f"{number(float(middle), decimals)} {interval(low, high, decimals)}"
        rows.append((name, number(float(mine), decimals), within, p_value(float(level))))
    kept, left = _cut(rows, "panels")
    summary = word(exhibit, "summary", "summary")
    head = ("panel", f"{summary}, axes", f"{summary}, random directions: median [5\u00a0%, 95\u00a0%]", "adjusted p")
    return Table(head, kept, left_out=left)


def _curve_by_depth(exhibit: Exhibit) -> Table:
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
        row = [number(float(layer[i])), number(float(depth[i])), number(float(mean[i]))]
        row.append(interval(float(low[i]), float(high[i])))
        if "chunk" in exhibit.arrays:
            which = int(np.asarray(exhibit.arrays["chunk"])[i])
            row += [("early", "middle", "last")[which], number(float(floats(exhibit, "level", 1)[i]))]
        rows.append((*row, *(number(float(values[i])) for values in further)))
    kept, left = _cut(rows, "layers")
    return Table(tuple(head), kept, words=(4,) if "chunk" in exhibit.arrays else (), left_out=left)


def _kurtosis_by_depth(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "layers")
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


def _against_draws(exhibit: Exhibit) -> Table:
    """The network's number and its null objects, a row a layer."""
    depth, layer, own, middle, low, high = (
        floats(exhibit, name, 1) for name in ("depth", "layer", "own", "null_mean", "null_low", "null_high")
    )
    decimals = decimals_for(float(np.ptp(finite(np.concatenate([own, low, high])))))
    rows = [
        (
            number(round(float(at))),
            number(float(place)),
            number(float(mine), decimals),
            number(float(mean), decimals),
            interval(float(a), float(b), decimals),
        )
        for at, place, mine, mean, a, b in zip(layer, depth, own, middle, low, high, strict=True)
    ]
    kept, left = _cut(rows, "layers")
    null = word(exhibit, "null", "null objects")
    head = ("layer", "relative depth", word(exhibit, "of", "value"), "null objects, mean", null)
    return Table(head, kept, words=(), left_out=left)


def _by_clusters(exhibit: Exhibit) -> Table:
    """The effect, a row a layer and a column a number of clusters."""
    counts, layer, effect = floats(exhibit, "clusters", 1), floats(exhibit, "layer", 1), floats(exhibit, "effect", 2)
    stated = scalar(exhibit, "stated")
    rows = [
        (number(round(float(at))), *(number(float(v), 3) for v in row)) for at, row in zip(layer, effect, strict=True)
    ]
    kept, left = _cut(rows, "layers")
    head = ["layer", *(f"{number(round(c))} clusters" + (", stated" if c == stated else "") for c in counts.tolist())]
    return Table(tuple(head), kept, words=(), left_out=left)


def _by_frequency(exhibit: Exhibit) -> Table:
    """Sizes at a few ranks, a row a layer."""
    rank, layer, found = floats(exhibit, "rank", 1), floats(exhibit, "layer", 1), floats(exhibit, "relative", 2)
    places = sorted({round(share * (len(rank) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)})
    rows = [
        (number(round(float(at))), *(number(float(row[p])) for p in places))
        for at, row in zip(layer, found, strict=True)
    ]
    kept, left = _cut(rows, "layers")
    return Table(
        ("layer", *(f"about token {number(round(float(rank[p])))}" for p in places)), kept, words=(), left_out=left
    )


def _dissociation(exhibit: Exhibit) -> Table:
    """A row a module and panel, a column a category of texts."""
    maps = floats(exhibit, "maps", 3)
    modules, categories = names(exhibit, "modules", maps.shape[1]), names(exhibit, "categories", maps.shape[2])
    panels = names(exhibit, "panels", len(maps))
    rows, left_out = _cut(
        (
            (panel, module, *(number(float(v)) for v in line))
            for panel, values in zip(panels, maps, strict=True)
            for module, line in zip(modules, values, strict=True)
        ),
        "modules",
    )
    return Table(("panel", "module of", *(f"texts of {c}" for c in categories)), rows, words=(0, 1), left_out=left_out)


def _dose_curve(exhibit: Exhibit) -> Table:
    """A row a category and size."""
    size = floats(exhibit, "size", 1)
    own, matched, low, high = (floats(exhibit, key, 2) for key in ("own", "matched", "matched_low", "matched_high"))
    categories = names(exhibit, "categories", len(own))
    rows, left_out = _cut(
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


def _principal_angles(exhibit: Exhibit) -> Table:
    """Separation and the mean squared sine of principal angles, a row a layer."""
    depth, layer, effect, low, high, observed, least, middle, most = (
        floats(exhibit, key, 1)
        for key in ("depth", "layer", "effect", "low", "high", "observed", "null_low", "null_mean", "null_high")
    )
    angles = floats(exhibit, "angles", 3)
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            f"{number(float(effect[i]))} {interval(float(low[i]), float(high[i]))}",
            number(float(observed[i])),
            f"{number(float(middle[i]))} {interval(float(least[i]), float(most[i]))}",
            f"{number(float(angles[i].min()), 0)} to {number(float(angles[i].max()), 0)}",
        )
        for i in range(len(layer))
    ]
    kept, left = _cut(rows, "layers")
    head = (
        "layer",
        "relative depth",
        word(exhibit, "effect_name", "effect"),
        "mean squared sine",
        "under exchanged labels",
        "principal angles, degrees",
    )
    return Table(head, kept, words=(), left_out=left)


def _accuracy_by_depth(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "layers")
    head = ("layer", "relative depth", *names(exhibit, "curves", len(mean)), "types never learned from")
    return Table(head, kept, words=(), left_out=left)


def _input_angles(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "layers")
    head = ("layer", "relative depth", "mean squared cosine", "of random subspaces", "single angles")
    return Table(head, kept, words=(), left_out=left)


def _scree(exhibit: Exhibit) -> Table:
    """Rank and the shares of the first components against permuted coordinates, a row a panel."""
    share, high = floats(exhibit, "share", 2), floats(exhibit, "null_high", 2)
    rank, effect = floats(exhibit, "rank", 1), floats(exhibit, "effect", 1)
    shown = min(MOST_PANELS, share.shape[1])
    rows = [
        (
            panel,
            number(float(rank[i]), 0),
            number(float(effect[i])),
            *(f"{number(float(share[i, c]), 3)} ({number(float(high[i, c]), 3)})" for c in range(shown)),
        )
        for i, panel in enumerate(names(exhibit, "panels", len(share)))
    ]
    kept, left = _cut(rows, "panels")
    head = ("panel", "rank", word(exhibit, "effect_name", "effect"), *(f"component {c + 1}" for c in range(shown)))
    told = "Of each component its share of variance, and in brackets the 95\u00a0% point of permuted coordinates."
    return Table(head, kept, left_out=f"{told} {left}".strip())


def _two_effects_by_depth(exhibit: Exhibit) -> Table:
    """Both effects and their difference with bounds, a row a layer."""
    depth, layer = floats(exhibit, "depth", 1), floats(exhibit, "layer", 1)
    effect, low, high = (floats(exhibit, key, 2) for key in ("effect", "low", "high"))
    rows = [
        (
            significant(float(layer[i])),
            number(float(depth[i])),
            *(f"{number(float(effect[k, i]))} {interval(float(low[k, i]), float(high[k, i]))}" for k in range(3)),
        )
        for i in range(len(layer))
    ]
    kept, left = _cut(rows, "layers")
    return Table(("layer", "relative depth", *names(exhibit, "sides", 2), "difference"), kept, words=(), left_out=left)


def _raw_and_partial(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "layers")
    return Table(("layer", "relative depth", *names(exhibit, "sides", 2), "share left"), kept, words=(), left_out=left)


def _models_by_depth(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "depths")
    gone = len(models) - len(shown)
    told = f"{count(gone, 'model')} of middling size left out." if gone else ""
    return Table(tuple(head), kept, words=(), left_out=f"{told} {left}".strip())


def _effect_by_parameters(exhibit: Exhibit) -> Table:
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
    kept, left = _cut(rows, "larger models")
    head = ("model", "parameters", word(exhibit, "effect_name", "effect"), "its own interval over texts", "on the line")
    return Table(head, kept, left_out=left)


_TABLES: dict[str, Callable[[Exhibit], Table]] = {
    "accuracy_by_depth": _accuracy_by_depth,
    "against_draws": _against_draws,
    "by_clusters": _by_clusters,
    "by_frequency": _by_frequency,
    "dissociation": _dissociation,
    "dose_curve": _dose_curve,
    "curve_by_depth": _curve_by_depth,
    "effect_by_depth": _effect_by_depth,
    "effect_by_parameters": _effect_by_parameters,
    "forest": _forest,
    "head_map": _head_map,
    "heat_maps": _heat_maps,
    "input_angles": _input_angles,
    "kurtosis_by_depth": _kurtosis_by_depth,
    "levels_by_depth": _levels_by_depth,
    "models_by_depth": _models_by_depth,
    "null_histogram": _null_histogram,
    "principal_angles": _principal_angles,
    "rank_by_depth": _rank_by_depth,
    "raw_and_partial": _raw_and_partial,
    "scree": _scree,
    "spectra": _spectra,
    "splits": _splits,
    "stream": _stream,
    "strip": _strip,
    "text_map": _text_map,
    "two_distributions": _two_distributions,
    "two_effects_by_depth": _two_effects_by_depth,
    "volcano": _volcano,
}

DRAWN = frozenset(_TABLES)
"""Kinds of exhibits that are known: each has a table here and a drawing in `report/figures.py`."""
