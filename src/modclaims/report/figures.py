"""Drawings: one SVG a figure, from the arrays of its exhibit. Nothing is computed but where ink goes.

Colours are names. In a file of its own a drawing is dark ink on white paper; inlined in a page the same names are
CSS variables, so that the page's light or dark scheme decides. All lengths are in points.
"""

from __future__ import annotations

import hashlib
import io
import warnings

import matplotlib as mpl
import numpy as np

from modclaims.drawing.figure import figure_of
from modclaims.drawing.numerals import said
from modclaims.drawing.paper import RC
from modclaims.drawing.svg import Drawing
from modclaims.stats.evidence import Exhibit


def identity(exhibit: Exhibit) -> str:
    """A hash of everything that a picture is drawn from."""
    parts = [exhibit.kind, exhibit.title, exhibit.description, repr(sorted(exhibit.labels.items()))]
    sha = hashlib.sha256("\x1f".join(parts).encode())
    for name in sorted(exhibit.arrays):
        array = np.asarray(exhibit.arrays[name])
        sha.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return sha.hexdigest()


def draw(exhibit: Exhibit, *, limit: int = 128) -> Drawing:
    """The drawing of an exhibit; matrices of more than `limit` rows are averaged in squares before they are painted.

    Raises `LookupError`, `TypeError` or `ValueError` where the kind is unknown or its arrays do not fit.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a reader's own matplotlibrc must not change the report
        mpl.rcParams.update(RC)
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = figure_of(exhibit).painted(limit)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        width, height = (float(v) * 72 for v in figure.get_size_inches())
    return Drawing.of(out.getvalue(), width, height, said(exhibit.title), said(exhibit.description))
