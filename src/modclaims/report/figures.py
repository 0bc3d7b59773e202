"""Drawings: one SVG a figure, from the arrays of its exhibit. Nothing is computed here but where ink goes.

Kinds and their arrays (further labels in brackets):
    heat_maps        maps (panel, row, row)             [panels; categories, one a row; note]
    effect_by_depth  depth, layer, effect, low, high, band_low, null_low, null_high (layer,); smallest_effect;
                     twin (seed, layer) where there is one                              [effect_name]
    levels_by_depth  depth, layer, same_text, same_category, different_category (layer,)          [similarity]
    text_map         xy (panel, text, 2)                [panels; categories; ids]
    null_histogram   null (arrangement,), observed      [statistic; cell; action; exact: 1 or 0]
    head_map         effect, significant, p_adjusted (layer, head)                      [effect_name; unit]
    strip            responses (panel, text)            [panels; categories; ids; response]
    volcano          effect, p_adjusted (cell,), alpha  [cells; effect_name]
    splits           effect, low, high (split,), smallest_effect                        [picks; effect_name]
    forest           effect, low, high, smallest (claim,)     [claims; outcomes; effect_names; interval]

Colours are names. In a file of its own a drawing is dark ink on white paper; inlined in a page the same names are
CSS variables, so that the page's light or dark scheme decides. All lengths are in points.
"""

from __future__ import annotations

import base64
import copy
import io
import math
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from modclaims.report.numerals import NOTHING, interval, number, p_value, plain, said, shortened, significant, tick
from modclaims.report.tables import finite, floats, groups_in_order, names, scalar, word
from modclaims.stats.evidence import Exhibit

Floats = NDArray[np.float64]

COLOURS: dict[str, tuple[str, str]] = {
    "paper": ("#fffffe", "#15181b"),
    "ink": ("#1c2126", "#e4e7ea"),
    "soft": ("#59626c", "#a4adb6"),
    "rule": ("#c3c9d0", "#4b535c"),
    "faint": ("#e4e7eb", "#2c3238"),
    "effect": ("#1d5b9c", "#79b4ee"),
    "bound": ("#6f9fd0", "#4d7fb3"),
    "chance": ("#d3d7dc", "#3c434b"),
    "twin": ("#98a0a9", "#79828c"),
    "threshold": ("#b1451a", "#f0966c"),
    "supported": ("#1d5b9d", "#79b4ef"),
    "refuted": ("#b1451b", "#f0966d"),
    "inconclusive": ("#59626d", "#a4adb7"),
    "category-1": ("#0b66a8", "#5aaee8"),
    "category-2": ("#cf5a00", "#f28f45"),
    "category-3": ("#00805e", "#3dc49a"),
    "category-4": ("#b0588f", "#e29cc8"),
    "category-5": ("#a07a00", "#e0bd55"),
    "category-6": ("#5b4b9f", "#ac9bea"),
    "category-7": ("#2a97a8", "#79d3e0"),
    "category-8": ("#7b5a3c", "#c9a583"),
}
"""Names of the colours: in light and in dark."""

WIDTH, HALF = 532.0, 258.0
MARKERS = "osD^vPX*"
FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TEXT, SMALL = 8.0, 7.0

_RC = {
    "svg.fonttype": "none",
    "svg.hashsalt": "modclaims",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": TEXT,
    "text.color": COLOURS["ink"][0],
    "axes.labelcolor": COLOURS["ink"][0],
    "axes.edgecolor": COLOURS["rule"][0],
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.labelsize": TEXT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "figure.dpi": 72,
    "savefig.facecolor": "none",
    "savefig.dpi": 144,
    "xtick.color": COLOURS["rule"][0],
    "ytick.color": COLOURS["rule"][0],
    "xtick.labelcolor": COLOURS["soft"][0],
    "ytick.labelcolor": COLOURS["soft"][0],
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.major.pad": 3,
    "ytick.major.pad": 3,
    "lines.linewidth": 1.4,
    "path.simplify": False,
}


@dataclass(frozen=True)
class Drawing:
    """One figure, drawn."""

    root: ET.Element
    """The SVG without ids but those it refers to itself."""
    width: float
    height: float
    title: str
    description: str

    def file(self) -> bytes:
        """An SVG file of its own: white paper, title and description inside."""
        root = copy.deepcopy(self.root)
        root.attrib |= {"width": f"{self.width:g}pt", "height": f"{self.height:g}pt", "role": "img"}
        paper = ET.Element("rect", {"width": "100%", "height": "100%", "style": "fill: #ffffff"})
        title, description = ET.Element("title"), ET.Element("desc")
        title.text, description.text = plain(self.title), plain(self.description)
        root[:0] = [title, description, paper]
        return b'<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="utf-8") + b"\n"

    def inline(self, prefix: str, described_by: str) -> str:
        """An element for a page: ids begin with `prefix`, colours are the page's variables `--fig-...`."""
        root = copy.deepcopy(self.root)
        for element in root.iter():
            for key, value in element.attrib.items():
                if key == "id":
                    element.set(key, prefix + value)
                elif key == "xlink:href" and value.startswith("#"):
                    element.set(key, f"#{prefix}{value[1:]}")
                elif value.startswith("url(#"):
                    element.set(key, f"url(#{prefix}{value[5:]}")
                elif key == "style":
                    element.set(key, _HEX.sub(lambda m: _VARIABLES.get(m[0], m[0]), value))
        root.attrib |= {
            "role": "img",
            "aria-label": plain(self.title),
            "aria-describedby": described_by,
            "style": f"{root.get('style', '')}; --pt: {self.width:g}",
        }
        return ET.tostring(root, encoding="unicode")


def draw(exhibit: Exhibit, *, limit: int = 128) -> Drawing:
    """The drawing of an exhibit; matrices of more than `limit` rows are averaged in squares before they are painted.

    Raises `LookupError`, `TypeError` or `ValueError` where the kind is unknown or its arrays do not fit.
    """
    with mpl.rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = _heat_maps(exhibit, limit) if exhibit.kind == "heat_maps" else _KINDS[exhibit.kind](exhibit)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        width, height = (float(v) * 72 for v in figure.get_size_inches())
    return Drawing(_tidied(out.getvalue()), width, height, exhibit.title, exhibit.description)


# --- from matplotlib's SVG to one that a page can hold -------------------------------------------------------------

_HEX = re.compile(r"#[0-9a-f]{6}\b")
_VARIABLES = {light: f"var(--fig-{name})" for name, (light, _) in COLOURS.items()}
_LONG = re.compile(r"-?\d+\.\d{3,}")
_FONT = re.compile(r"font-family: [^;]*;? ?")
_REFERENCE = re.compile(r"^(?:url\(#(.*)\)|#(.*))$")
_XLINK = "{http://www.w3.org/1999/xlink}href"


def _tidied(svg: bytes) -> ET.Element:
    """Shorter numbers, no names but those in use, no style sheet (it would leak into the page), palette images."""
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
        element.text = element.text if element.text and element.text.strip() else None
        element.tail = None
        if _XLINK in element.attrib:
            element.set("xlink:href", element.attrib.pop(_XLINK))
    used: dict[str, str] = {}
    for element in root.iter():
        for key in ("xlink:href", "clip-path"):
            found = _REFERENCE.match(element.get(key, ""))
            if found:
                used.setdefault(found[1] or found[2], f"r{len(used)}")
    for element in root.iter():
        _tidy(element, used)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("defs", "g") and not len(child):
                parent.remove(child)
    view = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {
        "xmlns": "http://www.w3.org/2000/svg",
        "xmlns:xlink": "http://www.w3.org/1999/xlink",
        "viewBox": view,
        "style": f"font-family: {FAMILY}; stroke-linejoin: round; stroke-linecap: butt",
    }
    return root


def _tidy(element: ET.Element, used: dict[str, str]) -> None:
    name = element.attrib.pop("id", None)
    if name in used:
        element.set("id", used[name])
    for key, value in list(element.attrib.items()):
        found = _REFERENCE.match(value)
        if key == "xlink:href" and value.startswith("data:"):
            element.set(key, _with_palette(value))
        elif found and (found[1] or found[2]) in used:
            new = used[found[1] or found[2]]
            element.set(key, f"url(#{new})" if found[1] else f"#{new}")
        elif key in ("d", "x", "y", "width", "height", "points"):
            element.set(key, " ".join(_LONG.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), value).split()))
        elif key == "style":
            element.set(key, _FONT.sub("", value).strip("; "))
        elif key == "transform" and value.startswith("rotate(-0 "):
            del element.attrib[key]


def _with_palette(uri: str) -> str:
    """The same picture as a palette PNG where it has at most 256 colours: a quarter of the bytes."""
    with Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))) as found:
        rgba = np.ascontiguousarray(np.asarray(found.convert("RGBA")))
    colours, at = np.unique(rgba.reshape(-1, 4).view(np.uint32).ravel(), return_inverse=True)
    height, width = rgba.shape[:2]
    out = io.BytesIO()
    if len(colours) <= 256:
        palette = colours.view(np.uint8).reshape(-1, 4)
        image = Image.frombytes("P", (width, height), at.astype(np.uint8).tobytes())
        image.putpalette(palette[:, :3].tobytes())
        see_through = {} if (palette[:, 3] == 255).all() else {"transparency": palette[:, 3].tobytes()}
        image.save(out, "PNG", optimize=True, **see_through)
    else:
        Image.fromarray(rgba).save(out, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode("ascii")


# --- paper, axes, keys ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Paper:
    """A figure measured in points from its lower left corner."""

    figure: Figure
    width: float
    height: float
    over: Axes
    """An axes over the whole paper, in points, for words and keys."""

    @classmethod
    def of(cls, width: float, height: float) -> Paper:
        """An empty sheet."""
        figure = Figure(figsize=(width / 72, height / 72))
        over = figure.add_axes((0, 0, 1, 1), zorder=5)
        over.set_axis_off()
        over.set(xlim=(0, width), ylim=(0, height))
        return cls(figure, width, height, over)

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes at a place."""
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def say(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = SMALL,
        colour: str = "soft",
        ha: str = "left",
        va: str = "baseline",
        weight: str = "normal",
        rotation: float = 0,
    ) -> None:
        """Words at a place."""
        self.over.text(
            x, y, text, size=size, color=_colour(colour), ha=ha, va=va, weight=weight, rotation=rotation, rotation_mode="anchor"
        )

    def key(self, x: float, y: float, entries: Sequence[tuple[str, str, str]], most: float) -> float:
        """A key of (`line` | `dashes` | `bar` | `band` | `tick` | a marker, colour, words); gives the height it took."""
        left, top = x, y
        for kind, colour, words in entries:
            wide = 12.0 if kind in ("line", "dashes", "bar", "band") else 7.0
            room = wide + 4 + text_width(words, SMALL)
            if left > x and left + room > x + most:
                left, y = x, y - 12
            self._sample(kind, colour, left, y + 2.4, wide)
            self.say(left + wide + 4, y, words)
            left += room + 14
        return top - y + 12

    def _sample(self, kind: str, colour: str, x: float, y: float, wide: float) -> None:
        ink = _colour(colour)
        if kind == "band":
            self.over.add_patch(Rectangle((x, y - 3), wide, 6, facecolor=ink, edgecolor="none"))
        elif kind in ("line", "dashes"):
            style = (0, (4, 2)) if kind == "dashes" else "solid"
            self.over.add_line(Line2D([x, x + wide], [y, y], color=ink, linewidth=1.3, linestyle=style))
        elif kind == "bar":
            self.over.add_line(Line2D([x, x + wide], [y, y], color=ink, linewidth=1.3))
            self.over.add_line(Line2D([x + wide / 2], [y], color=ink, marker="o", markersize=4))
        elif kind == "tick":
            self.over.add_line(Line2D([x + wide / 2] * 2, [y - 4, y + 4], color=ink, linewidth=1.6))
        else:
            hollow = kind.endswith(" hollow")
            self.over.add_line(
                Line2D([x + wide / 2], [y], color=ink, marker=kind.split()[0], markersize=5, markerfacecolor="none" if hollow else ink)
            )

    def colour_bar(self, x: float, y: float, height: float, colours: Colormap, scale: Normalize) -> None:
        """A colour bar with its numbers on the right."""
        axes = self.axes(x, y, 8, height)
        low, high = float(scale.vmin or 0), float(scale.vmax or 0)
        axes.imshow(
            np.linspace(low, high, 128)[:, None], aspect="auto", origin="lower", cmap=colours, norm=scale, interpolation="none",
            extent=(0, 1, low, high),
        )
        axes.yaxis.tick_right()
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(v))))
        axes.set_xticks([])
        for side in axes.spines.values():
            side.set_visible(False)


def _colour(name: str) -> str:
    return COLOURS[name][0] if name in COLOURS else name


def text_width(text: str, size: float) -> float:
    """The width of a text, as measured in the font that comes with matplotlib (wider than most)."""
    if not text:
        return 0.0
    return float(text_to_path.get_text_width_height_descent(text, FontProperties(family="DejaVu Sans", size=size), ismath=False)[0])


def fitted(text: str, size: float, most: float) -> str:
    """A text cut so that it is at most so wide."""
    length = len(text)
    while length > 2 and text_width(shortened(text, length), size) > most:
        length -= 1
    return shortened(text, length)


def _span(*values: NDArray[np.floating] | float, margin: float = 0.06) -> tuple[float, float]:
    """Limits that hold all finite values, with a margin. Raises `ValueError` where there are none."""
    flat = np.concatenate([finite(np.asarray(v, dtype=float)) for v in values])
    if not flat.size:
        raise ValueError("no finite value to draw")
    low, high = float(flat.min()), float(flat.max())
    pad = (high - low) * margin or max(abs(high), 1e-3) * 0.1
    return low - pad, high + pad


def _grid(axes: Axes, axis: str = "y") -> None:
    axes.grid(True, axis=axis, color=_colour("faint"), linewidth=0.7)  # type: ignore[arg-type]


def _tidy_numbers(axes: Axes, which: str, most: int = 6) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda v, _: tick(float(v))))


def _columns(panels: int) -> int:
    return {1: 1, 2: 2, 4: 2}.get(panels, 3 if panels <= 9 else 4 if panels <= 16 else 6)


def _category_style(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th category: the first eight differ in both."""
    return f"category-{i % 8 + 1}", MARKERS[(i + i // 8) % len(MARKERS)]


# --- the kinds -----------------------------------------------------------------------------------------------------


def averaged(matrix: Floats, limit: int) -> Floats:
    """A square matrix of at most `limit` rows: means over squares of neighbours, not-finite entries left out."""
    n = len(matrix)
    step = -(-n // limit)
    if step == 1:
        return matrix
    starts = np.arange(0, n, step)
    known = np.isfinite(matrix)
    total = np.add.reduceat(np.add.reduceat(np.where(known, matrix, 0.0), starts, axis=0), starts, axis=1)
    times = np.add.reduceat(np.add.reduceat(known.astype(float), starts, axis=0), starts, axis=1)
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)


def _heat_maps(exhibit: Exhibit, limit: int) -> Figure:
    maps = floats(exhibit, "maps", 3)
    n = maps.shape[1]
    if maps.shape[2] != n:
        raise ValueError("a heat map is not square")
    panels, category = names(exhibit, "panels", len(maps)), names(exhibit, "categories", n)
    scale = _similarity_scale(maps)
    colours = _sequential()
    columns = _columns(len(maps))
    rows = -(-len(maps) // columns)
    margin = _bracket_room(category)
    size = min((WIDTH - margin - 50 - 12 * (columns - 1)) / columns, 190.0 if columns > 1 else 250.0)
    paper = Paper.of(WIDTH, rows * (size + 20) + 14)
    for i, (name, values) in enumerate(zip(panels, maps, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = margin + column * (size + 12), paper.height - (row + 1) * (size + 20) - 2
        axes = paper.axes(left, bottom, size, size)
        axes.imshow(averaged(values, limit), cmap=colours, norm=scale, interpolation="none", extent=(0, n, n, 0), aspect="auto")
        axes.set(xticks=[], yticks=[], xlim=(0, n), ylim=(n, 0))
        for side in axes.spines.values():
            side.set_visible(False)
        paper.say(left, bottom + size + 5, fitted(name, TEXT, size), size=TEXT, colour="ink")
        _category_lines(axes, category)
        if column == 0:
            _brackets(paper, category, left, bottom, size)
    used = margin + min(columns, len(maps)) * (size + 12)
    bar = min(size * 0.8, 130)
    paper.colour_bar(used + 2, paper.height - 22 - size + (size - bar) - 10, bar, colours, scale)
    return paper.figure


def _similarity_scale(maps: Floats) -> Normalize:
    """One scale for all panels, from the 1 % to the 99 % quantile off the diagonal."""
    other = ~np.eye(maps.shape[1], dtype=bool)
    values = finite(maps[:, other])
    values = values if values.size else finite(maps)
    if not values.size:
        raise ValueError("no finite similarity to draw")
    low, high = (float(v) for v in np.quantile(values, (0.01, 0.99)))
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    return Normalize(low, high, clip=True)


def _sequential() -> Colormap:
    found = mpl.colormaps["viridis"].resampled(128)
    found.set_bad(_colour("rule"))
    return found


def _diverging() -> Colormap:
    found = LinearSegmentedColormap.from_list("signed", ["#8c3a12", "#d98a5f", "#f3f1ee", "#6d9fd1", "#174a83"], N=128)
    found.set_bad(_colour("rule"))
    return found


def _runs(category: Sequence[str]) -> list[tuple[str, int, int]]:
    """Runs of one category among the rows: name, first row, row after the last."""
    found, at = [], 0
    for name, members in groupby(category):
        length = len(list(members))
        found.append((name, at, at + length))
        at += length
    return found


def _two_level(category: Sequence[str]) -> bool:
    """Whether names read `inner / outer` and the outer ones stand together."""
    if not all(name.count(" / ") == 1 for name in category):
        return False
    outer = [name.split(" / ")[1] for name in category]
    return len(_runs(outer)) == len(set(outer)) < len(_runs(category))


def _inner(name: str, nested: bool) -> str:
    return name.split(" / ")[0] if nested else name


def _outer(name: str) -> list[str]:
    """The outer name of `inner / outer` on at most two lines of like length."""
    words = name.split(" / ")[1].split(" ")
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return list(min(cuts, key=lambda c: max(map(len, c)))) if cuts else words


def _bracket_room(category: Sequence[str]) -> float:
    nested = _two_level(category)
    widest = max(text_width(_inner(name, nested), 6.5) for name in set(category))
    outer = max(text_width(line, 6.5) for name in set(category) for line in _outer(name)) + 10 if nested else 0.0
    return min(widest, 92.0) + min(outer, 70.0) + 10


def _category_lines(axes: Axes, category: Sequence[str]) -> None:
    """Thin white lines between categories: they read on every colour of the map."""
    edges = [(end, 0.5) for _, _, end in _runs(category)[:-1]]
    if _two_level(category):
        outer = {end for _, _, end in _runs([name.split(" / ")[1] for name in category])}
        edges = [(end, 1.1 if end in outer else 0.4) for end, _ in edges]
    for end, width in edges if len(edges) < 60 else ():
        axes.axhline(end, color="#ffffff", linewidth=width)
        axes.axvline(end, color="#ffffff", linewidth=width)


def _brackets(paper: Paper, category: Sequence[str], left: float, bottom: float, size: float) -> None:
    """Names and brackets of the categories on the left; names that would touch their neighbour are left away."""
    nested, n, last = _two_level(category), len(category), math.inf
    for name, first, end in _runs(category):
        top, low = bottom + size * (1 - first / n), bottom + size * (1 - end / n)
        paper.over.add_line(Line2D([left - 3.5] * 2, [low + 0.8, top - 0.8], color=_colour("soft"), linewidth=0.9))
        middle = (top + low) / 2
        if last - middle >= 6.8:
            paper.say(left - 6, middle - 2.3, fitted(_inner(name, nested), 6.5, 92), size=6.5, ha="right")
            last = middle
    if nested:
        at = left - 10 - min(92.0, max(text_width(_inner(name, True), 6.5) for name in set(category)))
        for name, first, end in _runs([c.split(" / ")[1] for c in category]):
            top, low = bottom + size * (1 - first / n), bottom + size * (1 - end / n)
            paper.over.add_line(Line2D([at - 1] * 2, [low + 1.5, top - 1.5], color=_colour("rule"), linewidth=0.9))
            lines = _outer(f"inner / {name}") if top - low >= 15 else [name]
            for i, line in enumerate(lines if top - low >= 7 else ()):
                height = (top + low) / 2 - 2.3 + 4 * (len(lines) - 1) - 8 * i
                paper.say(at - 4, height, fitted(line, 6.5, 66), size=6.5, ha="right", colour="ink")


def _layer_axis(axes: Axes, depth: Floats, layer: Floats) -> None:
    """Relative depth below, layers above."""
    axes.set_xlim(*((-0.03, 1.03) if len(depth) > 1 else (depth[0] - 0.5, depth[0] + 0.5)))
    axes.xaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1] if len(depth) > 1 else [float(depth[0])]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.set_xlabel("relative depth", labelpad=3)
    shown = np.arange(0, len(layer), -(-len(layer) // 16))
    above = axes.secondary_xaxis("top")
    above.set_xticks(depth[shown], [f"{layer[i]:g}" for i in shown])
    above.tick_params(length=2)
    above.spines["top"].set_visible(False)
    above.set_xlabel("layer", labelpad=3)


def _effect_by_depth(exhibit: Exhibit) -> Figure:
    depth, layer, effect, low, high, band, null_low, null_high = (
        floats(exhibit, k, 1) for k in ("depth", "layer", "effect", "low", "high", "band_low", "null_low", "null_high")
    )
    twins = floats(exhibit, "twin", 2) if "twin" in exhibit.arrays else np.empty((0, len(depth)))
    smallest, name = scalar(exhibit, "smallest_effect"), word(exhibit, "effect_name", "effect")
    entries = [
        ("bar", "effect", f"{name}, own bounds"),
        ("line", "bound", "simultaneous lower bound"),
        ("band", "chance", "range of chance"),
        ("dashes", "threshold", f"smallest that matters, {number(smallest)}"),
    ]
    entries += [("line", "twin", f"untrained twins ({len(twins)})")] if len(twins) else []
    paper = Paper.of(WIDTH, 246)
    top = paper.height - 10 - paper.key(40, paper.height - 10, entries, WIDTH - 50)
    axes = paper.axes(40, 30, WIDTH - 50, top - 30 - 22)
    _grid(axes)
    if len(depth) > 1:
        axes.fill_between(depth, null_low, null_high, color=_colour("chance"), linewidth=0)
    else:
        axes.fill_between([depth[0] - 0.1, depth[0] + 0.1], [null_low[0]] * 2, [null_high[0]] * 2, color=_colour("chance"), linewidth=0)
    for twin in twins:
        axes.plot(depth, twin, color=_colour("twin"), linewidth=0.7, marker="." if len(depth) == 1 else None)
    axes.axhline(0, color=_colour("rule"), linewidth=0.8)
    if np.isfinite(smallest):
        axes.axhline(smallest, color=_colour("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    half = min(0.016, 0.3 / len(depth))
    axes.hlines(band, depth - half, depth + half, color=_colour("bound"), linewidth=1.6)
    limits = _span(effect, low, high, null_low, null_high, twins, band, smallest, 0.0)
    ends = np.where(np.isfinite(low), low, limits[0]), np.where(np.isfinite(high), high, limits[1])
    known = np.isfinite(effect)
    axes.vlines(depth[known], ends[0][known], ends[1][known], color=_colour("effect"), linewidth=1.1)
    axes.plot(depth, effect, color=_colour("effect"), marker="o", markersize=4)
    axes.set_ylim(*limits)
    _tidy_numbers(axes, "y")
    _layer_axis(axes, depth, layer)
    paper.say(8, 30 + (top - 52) / 2, name, rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure


def _levels_by_depth(exhibit: Exhibit) -> Figure:
    depth = floats(exhibit, "depth", 1)
    layer = floats(exhibit, "layer", 1) if "layer" in exhibit.arrays else np.arange(len(depth), dtype=float)
    keys = (("same_text", "category-1", "o"), ("same_category", "category-2", "s"), ("different_category", "category-3", "D"))
    levels = {key: floats(exhibit, key, 1) for key, _, _ in keys}
    paper = Paper.of(WIDTH, 200)
    shown = [(key, colour, marker) for key, colour, marker in keys if finite(levels[key]).size]
    entries = [(marker, colour, key.replace("_", " ")) for key, colour, marker in shown]
    top = paper.height - 10 - paper.key(40, paper.height - 10, entries, WIDTH - 50)
    axes = paper.axes(40, 30, WIDTH - 50, top - 30 - 22)
    _grid(axes)
    for key, colour, marker in shown:
        axes.plot(depth, levels[key], color=_colour(colour), marker=marker, markersize=4)
    axes.set_ylim(*_span(*levels.values()))
    _tidy_numbers(axes, "y", 5)
    _layer_axis(axes, depth, layer)
    words = word(exhibit, "similarity", "similarity").replace("_", " ")
    paper.say(8, 30 + (top - 52) / 2, fitted(words, TEXT, top - 40), rotation=90, ha="center", size=TEXT, colour="ink")
    return paper.figure


def _text_map(exhibit: Exhibit) -> Figure:
    xy = floats(exhibit, "xy", 3)
    n = xy.shape[1]
    if xy.shape[2] != 2:
        raise ValueError("a text map needs two coordinates")
    panels, category, ids = names(exhibit, "panels", len(xy)), names(exhibit, "categories", n), names(exhibit, "ids", n)
    kinds = groups_in_order(category)
    columns = _columns(len(xy))
    rows = -(-len(xy) // columns)
    size = min((WIDTH - 2 - 12 * (columns - 1)) / columns, 200.0 if columns > 1 else 260.0)
    entries = [(_category_style(i)[1], _category_style(i)[0], shortened(k, 36)) for i, k in enumerate(kinds)]
    scratch = Paper.of(WIDTH, 10)
    taken = scratch.key(0, 0, entries, WIDTH - 4)
    paper = Paper.of(WIDTH, rows * (size + 20) + taken + 6)
    paper.key(1, paper.height - 10, entries, WIDTH - 4)
    member = np.array(category)
    for i, (name, points) in enumerate(zip(panels, xy, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = 1 + column * (size + 12), paper.height - taken - 4 - (row + 1) * (size + 20) + 1
        axes = paper.axes(left, bottom, size, size)
        for side in axes.spines.values():
            side.set_visible(True)
        for k, kind in enumerate(kinds):
            colour, marker = _category_style(k)
            mine = points[member == kind]
            axes.plot(
                mine[:, 0], mine[:, 1], linestyle="none", marker=marker, markersize=4.2 if n <= 120 else 3,
                color=_colour(colour), markeredgewidth=0, alpha=0.85, rasterized=n > 400,
            )
        low, high = points.min(axis=0), points.max(axis=0)
        low, high = _span(points[:, 0]), _span(points[:, 1])
        reach = max(low[1] - low[0], high[1] - high[0]) / 2 * (1.12 if n <= 14 else 1)
        centre = (sum(low) / 2, sum(high) / 2)
        axes.set(xlim=(centre[0] - reach, centre[0] + reach), ylim=(centre[1] - reach, centre[1] + reach), xticks=[], yticks=[])
        paper.say(left, bottom + size + 5, fitted(name, TEXT, size), size=TEXT, colour="ink")
        if n <= 14:
            _name_points(paper, axes, points, ids, (left, bottom, size))
    return paper.figure


def _name_points(paper: Paper, axes: Axes, points: Floats, labels: Sequence[str], box: tuple[float, float, float]) -> None:
    """Names beside points, each left away where it would lie on another."""
    left, bottom, size = box
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    placed: list[tuple[float, float, float]] = []
    for (x, y), label in zip(points, labels, strict=True):
        if not (np.isfinite(x) and np.isfinite(y)):
            continue
        words = fitted(label, 6, 60)
        wide = text_width(words, 6)
        at, height = left + (x - x0) / (x1 - x0) * size + 4, bottom + (y - y0) / (y1 - y0) * size - 2
        if at + wide > left + size:
            at -= wide + 8
        if all(at + wide < a or at > b or abs(height - h) > 6.5 for a, b, h in placed):
            paper.say(at, height, words, size=6)
            placed.append((at, at + wide, height))


def _null_histogram(exhibit: Exhibit) -> Figure:
    null, observed = finite(exhibit.arrays["null"]), scalar(exhibit, "observed")
    if not null.size:
        raise ValueError("the null sample is empty")
    paper = Paper.of(HALF, 170)
    axes = paper.axes(34, 30, HALF - 44, 104)
    limits = _span(null, observed, margin=0.08)
    low, high = float(null.min()), float(null.max())
    pad = (high - low) * 1e-6 or (limits[1] - limits[0]) * 0.02
    bins = int(min(40, max(8, 2 * len(null) ** (1 / 3))))
    counts, edges = np.histogram(null, bins=bins, range=(low - pad, high + pad))
    axes.stairs(counts, edges, fill=True, color=_colour("chance"))
    axes.stairs(counts, edges, fill=False, color=_colour("twin"), linewidth=0.8)
    axes.set(xlim=limits, ylim=(0, counts.max() * 1.05))
    _tidy_numbers(axes, "x", 5)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(round(v))))
    axes.set_xlabel(fitted(word(exhibit, "statistic", "statistic"), TEXT, HALF - 44), labelpad=3)
    kind = "all distinct arrangements" if word(exhibit, "exact") == "1" else "arrangements drawn"
    paper.say(4, paper.height - 10, f"{kind}: {number(len(null))}")
    if np.isfinite(observed):
        axes.axvline(observed, color=_colour("threshold"), linewidth=1.5, ymax=1.0)
        at = 34 + (observed - limits[0]) / (limits[1] - limits[0]) * (HALF - 44)
        text = f"observed {significant(observed, 3)}"
        half = text_width(text, SMALL) / 2
        middle = min(max(at, 4 + half), HALF - 2 - half)
        paper.say(middle, 140, text, colour="threshold", ha="center")
    return paper.figure


def _head_map(exhibit: Exhibit) -> Figure:
    effect = floats(exhibit, "effect", 2)
    layers, heads = effect.shape
    marked = np.asarray(exhibit.arrays.get("significant", np.zeros(effect.shape)), dtype=bool)
    if marked.shape != effect.shape:
        raise ValueError("the marks of a head map do not fit its effects")
    name, unit = word(exhibit, "effect_name", "effect"), word(exhibit, "unit", "head").replace("_", " ")
    wide = min(46.0, (WIDTH - 90) / heads)
    tall = min(20.0, max(2.5, 430.0 / layers)) if wide >= 6 else min(16.0, max(2.5, 300.0 / layers))
    width, height = wide * heads, tall * layers
    paper = Paper.of(WIDTH, max(height, 70) + 62)
    bottom = 32 + max(0.0, (70 - height) / 2)
    axes = paper.axes(34, bottom, width, height)
    flat = finite(effect)
    if not flat.size:
        raise ValueError("no finite effect to draw")
    low, high = float(flat.min()), float(flat.max())
    signed = low < 0 and -low > 0.3 * high
    reach = max(abs(low), abs(high)) or 1.0
    scale = Normalize(-reach, reach) if signed else Normalize(min(low, 0.0), high if high > min(low, 0.0) else min(low, 0.0) + 1)
    colours = _diverging() if signed else _sequential()
    axes.imshow(effect, cmap=colours, norm=scale, interpolation="none", aspect="auto", origin="lower", extent=(-0.5, heads - 0.5, -0.5, layers - 0.5))
    axes.set(xlim=(-0.5, heads - 0.5), ylim=(-0.5, layers - 0.5))
    every = -(-heads // max(1, int(width // 16)))
    axes.set_xticks(range(0, heads, every))
    axes.set_yticks(range(0, layers, -(-layers // max(1, int(height // 9)))))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel(unit, labelpad=3)
    paper.say(10, bottom + height / 2, "layer", rotation=90, ha="center", size=TEXT, colour="ink")
    if wide >= 20 and tall >= 10 and effect.size <= 1200:
        _numbers_in_cells(axes, effect, scale, colours)
    _mark_cells(axes, marked, large=wide >= 8 and tall >= 7)
    paper.colour_bar(34 + width + 16, bottom, height if height >= 40 else 60, colours, scale)
    key = f"outlined: adjusted p at most the level ({int(marked.sum())} of {marked.size})"
    if not (wide >= 8 and tall >= 7):
        key = key.replace("outlined", "dot")
    paper.say(34, paper.height - 10, f"{name};  {key}")
    return paper.figure


def _numbers_in_cells(axes: Axes, effect: Floats, scale: Normalize, colours: Colormap) -> None:
    for row, column in np.ndindex(effect.shape):
        value = effect[row, column]
        if np.isfinite(value):
            red, green, blue, _ = colours(scale(value))
            dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5
            text = number(float(value)).replace("0.", ".", 1)
            axes.text(column, row, text, ha="center", va="center", size=6.3, color="#ffffff" if dark else "#111111")


def _mark_cells(axes: Axes, marked: NDArray[np.bool_], *, large: bool) -> None:
    """Outlines (white inside dark, to be seen on any colour), or dots where cells are small."""
    rows, columns = np.nonzero(marked)
    if not large:
        axes.plot(columns, rows, linestyle="none", marker="o", markersize=2.2, color="#ffffff", markeredgecolor="#111111", markeredgewidth=0.5)
        return
    for row, column in zip(rows, columns, strict=True):
        box = ((column - 0.5, row - 0.5), 1, 1)
        axes.add_patch(Rectangle(*box, fill=False, edgecolor="#111111", linewidth=2.4))
    for row, column in zip(rows, columns, strict=True):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#ffffff", linewidth=1.0))


def _strip(exhibit: Exhibit) -> Figure:
    responses = floats(exhibit, "responses", 2)
    n = responses.shape[1]
    panels, category = names(exhibit, "panels", len(responses)), np.array(names(exhibit, "categories", n))
    kinds = groups_in_order(category.tolist())
    margin = min(max(text_width(k, SMALL) for k in kinds), 110.0) + 8
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    lane = 16.0 if len(kinds) <= 8 else 12.0
    width, height = (WIDTH - margin - 16 * (columns - 1) - 6) / columns, lane * len(kinds) + 6
    width = min(width, 330.0)
    paper = Paper.of(WIDTH, rows * (height + 42) + 16)
    for i, (name, values) in enumerate(zip(panels, responses, strict=True)):
        row, column = divmod(i, columns)
        left, bottom = margin + column * (width + 16), paper.height - (row + 1) * (height + 42) + 22
        axes = paper.axes(left, bottom, width, height)
        _grid(axes, "x")
        for k, kind in enumerate(kinds):
            _lane(axes, values[category == kind], len(kinds) - 1 - k, *_category_style(k), dense=n > 600)
        axes.set(xlim=_span(values), ylim=(-0.6, len(kinds) - 0.4))
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        _tidy_numbers(axes, "x", 3)
        paper.say(left, bottom + height + 5, fitted(name, TEXT, width), size=TEXT, colour="ink")
        if column == 0:
            for k, kind in enumerate(kinds):
                y = bottom + height * (len(kinds) - 1 - k + 0.6) / len(kinds)
                paper.say(left - 6, y - 2.5, fitted(kind, SMALL, 110), ha="right")
    paper.say(margin, 10, fitted(word(exhibit, "response", "response"), TEXT, WIDTH - margin), size=TEXT, colour="ink")
    return paper.figure


def _lane(axes: Axes, values: Floats, lane: int, colour: str, marker: str, *, dense: bool) -> None:
    """One category's points, spread over the lane by a fixed pattern, and a line at their median."""
    shown = np.sort(finite(values))
    if not shown.size:
        return
    offset = (np.arange(len(shown)) * 0.618034 % 1 - 0.5) * 0.5
    axes.plot(
        shown, lane + offset, linestyle="none", marker=marker, markersize=3.2, color=_colour(colour), markeredgewidth=0,
        alpha=0.75, rasterized=dense,
    )
    axes.vlines(float(np.median(shown)), lane - 0.38, lane + 0.38, color=_colour("ink"), linewidth=1.3)


def _volcano(exhibit: Exhibit) -> Figure:
    effect, p = floats(exhibit, "effect", 1), floats(exhibit, "p_adjusted", 1)
    alpha, cells = scalar(exhibit, "alpha"), names(exhibit, "cells", len(effect))
    if len(p) != len(effect):
        raise ValueError("effects and p-values of a volcano differ in number")
    height = -np.log10(np.clip(p, 1e-300, 1))
    below = np.nan_to_num(p, nan=2.0) <= alpha
    paper = Paper.of(WIDTH * 0.78, 230)
    axes = paper.axes(44, 32, paper.width - 56, 166)
    _grid(axes, "both")
    for mine, colour, marker in ((~below, "twin", "o"), (below, "effect", "D")):
        axes.plot(
            effect[mine], height[mine], linestyle="none", marker=marker, markersize=3.6, color=_colour(colour), markeredgewidth=0,
            alpha=0.8, rasterized=len(effect) > 1500,
        )
    level = -math.log10(alpha) if 0 < alpha < 1 else float("nan")
    x, (_, top) = _span(effect), _span(height, level, 0.0)
    axes.set(xlim=x, ylim=(-top * 0.04, top))
    if np.isfinite(level):
        axes.axhline(level, color=_colour("threshold"), linewidth=1.1, linestyle=(0, (4, 2)))
    decades = range(0, math.ceil(top) + 1, max(1, math.ceil(top / 6)))
    axes.set_yticks([d for d in decades if d <= top], [p_value(10.0**-d) for d in decades if d <= top])
    _tidy_numbers(axes, "x")
    axes.set_xlabel(word(exhibit, "effect_name", "effect"), labelpad=3)
    paper.say(9, 32 + 83, "adjusted p", rotation=90, ha="center", size=TEXT, colour="ink")
    entries = [("D", "effect", "at most the level"), ("o", "twin", "above it"), ("dashes", "threshold", f"level {p_value(alpha)}")]
    paper.key(44, paper.height - 10, entries, paper.width - 50)
    best = np.lexsort((-np.nan_to_num(effect, nan=-np.inf), np.nan_to_num(p, nan=2.0)))[:6]
    _name_cells(paper, effect, height, [i for i in best if below[i]], cells, (x, (-top * 0.04, top)))
    return paper.figure


def _name_cells(
    paper: Paper, x: Floats, y: Floats, chosen: Sequence[int], cells: Sequence[str], limits: tuple[tuple[float, float], tuple[float, float]]
) -> None:
    """Names of the strongest cells, left of their points, each left away where it would lie on another."""
    (x0, x1), (y0, y1) = limits
    placed: list[tuple[float, float, float]] = []
    for i in chosen:
        words = fitted(cells[i], 6.3, 110)
        wide = text_width(words, 6.3)
        right = 44 + (x[i] - x0) / (x1 - x0) * (paper.width - 56) - 5
        at = 32 + (y[i] - y0) / (y1 - y0) * 166 - 2.2
        if right - wide > 44 and all(right < a or right - wide > b or abs(at - h) > 7 for a, b, h in placed):
            paper.say(right, at, words, size=6.3, ha="right", colour="ink")
            placed.append((right - wide, right, at))


@dataclass(frozen=True)
class Row:
    """One line of a plot of effects with intervals."""

    words: str
    effect: float
    low: float
    high: float
    smallest: float
    colour: str
    marker: str


def _rows_plot(paper: Paper, rows: Sequence[Row], box: tuple[float, float, float, float], label: str, *, pitch: float) -> None:
    """Rows of effect, interval and tick at the smallest effect; words on the left, numbers on the right."""
    left, bottom, width, height = box
    axes = paper.axes(left, bottom, width, height)
    _grid(axes, "x")
    x0, x1 = _span(*([r.effect, r.low, r.high, r.smallest] for r in rows), 0.0)
    axes.axvline(0, color=_colour("rule"), linewidth=0.9)
    for i, row in enumerate(rows):
        y = len(rows) - 1 - i
        if np.isfinite(row.smallest):
            axes.vlines(row.smallest, y - 0.36, y + 0.36, color=_colour("threshold"), linewidth=1.6)
        if np.isfinite(row.low) or np.isfinite(row.high):
            ends = [row.low if np.isfinite(row.low) else x0, row.high if np.isfinite(row.high) else x1]
            axes.plot(ends, [y, y], color=_colour(row.colour), linewidth=1.5)
        hollow = row.marker.endswith(" hollow")
        axes.plot(
            [row.effect], [y], color=_colour(row.colour), marker=row.marker.split()[0], markersize=5.2, markeredgewidth=1.3,
            markerfacecolor=_colour("paper") if hollow else _colour(row.colour),
        )
        at = bottom + height * (y + 0.5) / len(rows) - 2.5
        paper.say(left - 8, at, row.words, ha="right", size=min(TEXT, pitch * 0.5), colour="ink")
        bounds = interval(row.low, row.high)
        figures = f"{number(row.effect)}  {'no bound' if bounds == NOTHING else bounds}"
        paper.say(left + width + 10, at, figures, size=min(TEXT, pitch * 0.5), colour="ink")
    axes.set(xlim=(x0, x1), ylim=(-0.5, len(rows) - 0.5), yticks=[])
    axes.spines["left"].set_visible(False)
    _tidy_numbers(axes, "x", 6)
    axes.set_xlabel(label, labelpad=3)


def _splits(exhibit: Exhibit) -> Figure:
    effect, low, high = (floats(exhibit, k, 1) for k in ("effect", "low", "high"))
    smallest, picks = scalar(exhibit, "smallest_effect"), names(exhibit, "picks", len(effect))
    words = [f"{i + 1}  {shortened(p, 34)}" for i, p in enumerate(picks)]
    rows = [
        Row(w, float(e), float(a), float(b), smallest, "effect", "o") for w, e, a, b in zip(words, effect, low, high, strict=True)
    ]
    margin = max(text_width(w, 7) for w in words) + 14
    height = 13.0 * len(rows)
    paper = Paper.of(WIDTH, height + 60)
    entries = [("bar", "effect", "one split, own bounds"), ("tick", "threshold", "smallest that matters")]
    paper.key(margin, paper.height - 10, entries, WIDTH - margin)
    _rows_plot(paper, rows, (margin, 32, WIDTH - margin - 96, height), word(exhibit, "effect_name", "effect"), pitch=13)
    return paper.figure


_OUTCOMES = {"supported": ("supported", "o"), "refuted": ("refuted", "s"), "inconclusive": ("inconclusive", "D hollow")}


def _forest(exhibit: Exhibit) -> Figure:
    effect, low, high, smallest = (floats(exhibit, k, 1) for k in ("effect", "low", "high", "smallest"))
    n = len(effect)
    claims, outcomes, scales = (names(exhibit, k, n) for k in ("claims", "outcomes", "effect_names"))
    scales = [said(s) for s in scales]
    words = [fitted(c, TEXT, 205) for c in claims]
    panels = {s: [i for i in range(n) if scales[i] == s] for s in groups_in_order(scales)}
    margin, right, pitch = max(text_width(w, TEXT) for w in words) + 12, 102.0, 18.0
    paper = Paper.of(WIDTH, 24 + sum(pitch * len(m) + 40 for m in panels.values()))
    entries = [(_OUTCOMES[o][1], _OUTCOMES[o][0], o) for o in _OUTCOMES if o in outcomes]
    entries += [("line", "soft", word(exhibit, "interval", "interval")), ("tick", "threshold", "smallest effect that matters")]
    paper.key(2, paper.height - 10, entries, WIDTH - 4)
    top = paper.height - 24
    for scale, members in panels.items():
        height = pitch * len(members)
        rows = [
            Row(
                words[i], float(effect[i]), float(low[i]), float(high[i]), float(smallest[i]),
                *_OUTCOMES.get(outcomes[i], ("inconclusive", "o hollow")),
            )
            for i in members
        ]
        _rows_plot(paper, rows, (margin, top - height, WIDTH - margin - right, height), scale, pitch=pitch)
        top -= height + 40
    return paper.figure


_KINDS: dict[str, Callable[[Exhibit], Figure]] = {
    "effect_by_depth": _effect_by_depth,
    "forest": _forest,
    "head_map": _head_map,
    "levels_by_depth": _levels_by_depth,
    "null_histogram": _null_histogram,
    "splits": _splits,
    "strip": _strip,
    "text_map": _text_map,
    "volcano": _volcano,
}
