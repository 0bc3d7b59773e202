"""The register of drawings: one SVG a figure, from the arrays of its exhibit. Nothing is computed but where ink goes.

Kinds with a file of their own in `modclaims/figures/` say there what they hold. The others and their arrays (further labels
in brackets):
    heat_maps        maps (panel, row, row)             [panels; categories, one a row; note]
    effect_by_depth  depth, layer, effect, low, high, band_low, null_low, null_high (layer,); smallest_effect;
                     twin (seed, layer) where there is one                              [effect_name]
    levels_by_depth  depth, layer, same_text, same_category, different_category (layer,)          [similarity]
    text_map         xy (panel, text, 2)                [panels; categories; ids]
    null_histogram   null (arrangement,), observed      [statistic; cell; action; exact: 1 or 0]
    head_map         effect, significant, p_adjusted (layer, head)   [effect_name; unit; marked: what is outlined, if not p]
    strip            responses (panel, text)            [panels; categories; ids; response]
    volcano          effect, p_adjusted (cell,), alpha  [cells; effect_name]
    splits           effect, low, high (split,), smallest_effect                        [picks; effect_name]
    forest           effect, low, high, smallest (claim,)     [claims; outcomes; effect_names; interval]
    principal_angles  depth, layer, effect, low, high, observed, null_low, null_mean, null_high (layer,), the last four mean
                     squared sines; angles (layer, pair, axis) in degrees; smallest_effect        [pairs; effect_name]
    scree            share, null_low, null_median, null_high (panel, component); rank, effect (panel,)
                                                                                          [panels; effect_name]
    two_effects_by_depth  depth, layer (layer,); effect, low, high (3, layer): two sides and the first minus the second;
                     smallest_effect; twin (seed, layer) where there is one               [sides; effect_name]
    raw_and_partial  depth, layer, share_left (layer,); effect, low, high (2, layer): as it is, and with a rival explanation
                     taken out; smallest_effect                                           [sides; effect_name]

Colours are names. In a file of its own a drawing is dark ink on white paper; inlined in a page the same names are
CSS variables, so that the page's light or dark scheme decides. All lengths are in points.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from modclaims.drawing.figure import kind_of
from modclaims.drawing.numerals import said
from modclaims.drawing.paper import RC
from modclaims.drawing.svg import Drawing
from modclaims.report.effect_figures import effect_by_depth, forest, null_histogram, splits
from modclaims.report.induction_figures import raw_and_partial
from modclaims.report.selectivity_figures import head_map, strip, volcano
from modclaims.report.similarity_figures import heat_maps, levels_by_depth, text_map
from modclaims.report.subspace_figures import principal_angles, scree, two_effects_by_depth
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
        if (kind := kind_of(exhibit.kind)) is not None:
            figure = kind.from_exhibit(exhibit).draw()
        else:
            figure = heat_maps(exhibit, limit) if exhibit.kind == "heat_maps" else _KINDS[exhibit.kind](exhibit)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        width, height = (float(v) * 72 for v in figure.get_size_inches())
    return Drawing.of(out.getvalue(), width, height, said(exhibit.title), said(exhibit.description))


_KINDS: dict[str, Callable[[Exhibit], Figure]] = {
    "effect_by_depth": effect_by_depth,
    "forest": forest,
    "head_map": head_map,
    "levels_by_depth": levels_by_depth,
    "null_histogram": null_histogram,
    "principal_angles": principal_angles,
    "raw_and_partial": raw_and_partial,
    "scree": scree,
    "splits": splits,
    "strip": strip,
    "text_map": text_map,
    "two_effects_by_depth": two_effects_by_depth,
    "volcano": volcano,
}
