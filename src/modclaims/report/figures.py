"""The register of drawings: one SVG a figure, from the arrays of its exhibit. Nothing is computed but where ink goes.

Kinds with a file of their own in `modclaims/figures/` say there what they hold. The others and their arrays (further labels
in brackets):
    spectra          values (layer, rank), relative to the first; floor, above_tenth, effective_rank, layer (layer,) [block]
    rank_by_depth    depth, layer (layer,); rank, low, high (block, layer); null_low, null_high, null_mean, marked
                     (layer,) where there are any                                       [blocks; null]
    stream           values (line, layer); text (line,), an index; depth, layer (layer,)
                                                                      [categories; ids: one a text; coordinate; site]
    two_distributions  at (point,); axes, random, random_low, random_high (panel, point), shares of directions;
                     summary_axes, p_adjusted (panel,); summary_random (panel, 3) = 5 %, median, 95 %
                                                                                 [panels; summary; effect_name; note]
    accuracy_by_depth  depth, layer, unseen (layer,); mean, low, high (curve, layer), the last curve selectivity
                                                                                                  [curves; interval]
    input_angles     depth, layer, mean, low, high, null_low, null_high, null_mean (layer,); cosines (layer, axis), squared
                                                                                                          [interval]
    kurtosis_by_depth  depth, layer, own, low, high, rotated_mean, rotated_low, rotated_high, first (layer,); gaussian
                                                                                                               [site]
    models_by_depth  depth (depth,); effect (model, depth); parameters (model,); difference, low, high (depth,) and
                     smallest_effect where two sides are compared                [models; sides; effect_name]
    effect_by_parameters  parameters, effect, low, high, line (model,)           [models; effect_name]
    against_draws    depth, layer, own, null_mean, null_low, null_high (layer,)        [of; null]
    by_clusters      clusters (count,), layer (layer,), effect (layer, count); stated, smallest        [effect_name]
    by_frequency     rank (bin,), layer (layer,), relative (layer, bin)                [of]
    dissociation     maps (panel, module, category)                           [panels; modules; categories; quantity]
    dose_curve       size (size,); own, matched, matched_low, matched_high, effect (category, size)  [categories; unit]

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
from modclaims.figures.heat_maps import HeatMaps
from modclaims.report.ablation_figures import dissociation, dose_curve
from modclaims.report.reconstruction_figures import accuracy_by_depth, input_angles
from modclaims.report.scale_figures import effect_by_parameters, models_by_depth
from modclaims.report.spectral_figures import rank_by_depth, spectra
from modclaims.report.stream_figures import kurtosis_by_depth, stream, two_distributions
from modclaims.report.weight_figures import against_draws, by_clusters, by_frequency
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
            found = kind.of(exhibit)
            figure = found.painted(limit) if isinstance(found, HeatMaps) else found.draw()
        else:
            figure = _KINDS[exhibit.kind](exhibit)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        width, height = (float(v) * 72 for v in figure.get_size_inches())
    return Drawing.of(out.getvalue(), width, height, said(exhibit.title), said(exhibit.description))


_KINDS: dict[str, Callable[[Exhibit], Figure]] = {
    "accuracy_by_depth": accuracy_by_depth,
    "against_draws": against_draws,
    "by_clusters": by_clusters,
    "by_frequency": by_frequency,
    "dissociation": dissociation,
    "dose_curve": dose_curve,
    "effect_by_parameters": effect_by_parameters,
    "input_angles": input_angles,
    "kurtosis_by_depth": kurtosis_by_depth,
    "models_by_depth": models_by_depth,
    "rank_by_depth": rank_by_depth,
    "spectra": spectra,
    "stream": stream,
    "two_distributions": two_distributions,
}
