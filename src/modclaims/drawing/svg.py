"""Drawings as SVG: what matplotlib writes, made small and safe to hold in a page, or whole in a file of its own.

Colours are names. In a file of its own a drawing is dark ink on white paper; inlined in a page the same names are
CSS variables, so that the page's light or dark scheme decides.
"""

from __future__ import annotations

import base64
import copy
import io
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np
from PIL import Image

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
    "size-1": ("#9cc3a5", "#2d5a43"),
    "size-2": ("#78ad8f", "#3c7457"),
    "size-3": ("#559578", "#4e8f6d"),
    "size-4": ("#377b62", "#68aa85"),
    "size-5": ("#1f604b", "#8cc5a2"),
    "size-6": ("#0d4534", "#b6e0c2"),
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
FAMILY = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Drawing:
    """One figure, drawn."""

    root: ET.Element
    """The SVG without ids but those it refers to itself."""
    width: float
    height: float
    title: str
    description: str

    @classmethod
    def of(cls, svg: bytes, width: float, height: float, title: str, description: str) -> Drawing:
        """A drawing from matplotlib's SVG."""
        return cls(_tidied(svg), width, height, title, description)

    def file(self) -> bytes:
        """An SVG file of its own: white paper, title and description inside."""
        root = copy.deepcopy(self.root)
        root.attrib |= {"width": f"{self.width:g}pt", "height": f"{self.height:g}pt", "role": "img"}
        paper = ET.Element("rect", {"width": "100%", "height": "100%", "style": "fill: #ffffff"})
        title, description = ET.Element("title"), ET.Element("desc")
        title.text, description.text = self.title, self.description
        root[:0] = [title, description, paper]
        return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'.encode()

    def inline(self, prefix: str, described_by: str) -> str:
        """An element for a page: ids begin with `prefix`, colours are the page's variables `--fig-...`."""
        root = self._in_page(prefix)
        self._told(root, described_by)
        return ET.tostring(root, encoding="unicode")

    def definition(self, prefix: str) -> str:
        """A group for a page's `<defs>`, named `prefix`, as `inline` has it; `reference` shows it."""
        group = ET.Element("g", {"id": prefix})
        group.extend(self._in_page(prefix))
        return ET.tostring(group, encoding="unicode")

    def reference(self, prefix: str, described_by: str) -> str:
        """An element for a page that shows the group named `prefix`."""
        root = ET.Element("svg", dict(self.root.attrib))
        ET.SubElement(root, "use", {"xlink:href": f"#{prefix}"})
        self._told(root, described_by)
        return ET.tostring(root, encoding="unicode")

    def _in_page(self, prefix: str) -> ET.Element:
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
        return root

    def _told(self, root: ET.Element, described_by: str) -> None:
        root.attrib |= {
            "role": "img",
            "aria-label": self.title,
            "aria-describedby": described_by,
            "style": f"{root.get('style', '')}; --pt: {self.width:g}",
        }


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
    marks = list(element)
    if (
        element.tag == "g"
        and marks
        and all(mark.tag == "use" for mark in marks)
        and len({mark.get("style") for mark in marks}) == 1
    ):
        element.set("style", marks[0].get("style", ""))
        for mark in marks:
            mark.attrib.pop("style", None)


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
