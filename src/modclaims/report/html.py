"""The document as one HTML file: no network, light and dark, screen and print."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import BaseLoader, Environment, StrictUndefined
from markupsafe import Markup

from modclaims.drawing.svg import COLOURS, Drawing
from modclaims.report.claims import OUTCOMES
from modclaims.report.document import Document


def write(document: Document, drawings: Mapping[str, Drawing]) -> str:
    """`report.html`. Only this page's own script runs (its hash is in the page's policy), and nothing is fetched."""
    here = files(__package__)
    script = (here / "page.js").read_text("utf-8")
    environment = Environment(
        loader=BaseLoader(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["breakable"] = _breakable
    page = environment.from_string((here / "template.html.j2").read_text("utf-8"))
    names = [f.name for f in document.figures() if f.name in drawings]
    words = {name: f"f{i}-words" for i, name in enumerate(names)}
    shared = _shared([drawings[name] for name in names])
    svgs = {}
    for i, name in enumerate(names):
        drawing, prefix = drawings[name], shared.get(id(drawings[name]))
        svg = drawing.reference(prefix, words[name]) if prefix else drawing.inline(f"f{i}-", words[name])
        svgs[name] = Markup(svg)
    once = {shared[key]: drawing for drawing in drawings.values() if (key := id(drawing)) in shared}
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return page.render(
        document=document,
        svgs=svgs,
        shared=[Markup(drawing.definition(prefix)) for prefix, drawing in once.items()],
        keys=words,
        style=Markup(_colours() + (here / "page.css").read_text("utf-8")),
        script=Markup(script),
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        outcomes=[o for o in OUTCOMES if any(c.outcome == o for c in document.claims)],
    )


def _shared(drawings: Sequence[Drawing]) -> dict[int, str]:
    """Names of the drawings that several figures show, by identity: the page holds each of them once."""
    shown = Counter(map(id, drawings))
    return {which: f"d{i}-" for i, which in enumerate(which for which, times in shown.items() if times > 1)}


def _breakable(name: str) -> Markup:
    """A class name that may break before its capitals."""
    return Markup("<wbr>").join(re.findall(r"^[^A-Z]+|[A-Z][^A-Z]*", name) or [name])


def _colours() -> str:
    """The figures' colours as variables: light everywhere, dark on screens that ask for it."""
    light = "".join(f"--fig-{name}:{value};" for name, (value, _) in COLOURS.items())
    dark = "".join(f"--fig-{name}:{value};" for name, (_, value) in COLOURS.items())
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"
