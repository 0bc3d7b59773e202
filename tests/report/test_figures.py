"""Drawings: every kind, awkward arrays, awkward names, the same bytes twice."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import modclaims
from modclaims.drawing.figure import kind_of
from modclaims.drawing.rows import MOST_ROWS
from modclaims.drawing.svg import COLOURS, Drawing
from modclaims.families.axes.figures.stream import MOST_LINES, SHADES, thinned
from modclaims.families.categories.figures.heat_maps import averaged
from modclaims.figures.null_histogram import bar_edges
from modclaims.report import render
from modclaims.report.figures import draw
from modclaims.report.tables import exhibit_table
from modclaims.runs.run_folder import Run
from modclaims.stats.evidence import Exhibit

SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"svg", "title", "desc", "rect", "g", "path", "use", "defs", "text", "image", "clipPath"}
HOSTILE = [
    "<script>alert(1)</script>",
    'x" onload="alert(1)',
    "$\\frac{a}{b}$",
    "_hidden",
    "a|b",
    "tab\there\x00",
    "漢字",
    "url(#r0)",
]
LAYERS = 6
"""Of the exhibits that have layers."""


@pytest.fixture(scope="module")
def drawings(every_kind: Any) -> dict[str, Drawing]:
    """Each kind, drawn once."""
    return {e.kind: draw(e) for e in every_kind()[:-1]}


HOME = Path(modclaims.__file__ or "").parent
KINDS = {path.stem for path in (*HOME.glob("figures/[a-z]*.py"), *HOME.glob("families/*/figures/[a-z]*.py"))}
"""Every kind has a file of its own."""


def test_a_kind_with_a_file_of_its_own_is_its_class_in_snake_case_and_documented() -> None:
    for name in KINDS:
        kind = kind_of(name)
        assert kind is not None
        assert kind.kind() == name
        assert kind.__doc__
    assert kind_of("no_such_kind") is None
    assert kind_of("../paper") is None


def drawn(exhibit: Exhibit) -> ET.Element:
    return ET.fromstring(draw(exhibit).file())


def words(root: ET.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}text")]


def with_arrays(exhibit: Exhibit, **arrays: Any) -> Exhibit:
    return Exhibit(exhibit.kind, exhibit.title, exhibit.description, {**exhibit.arrays, **arrays}, exhibit.labels)


def test_every_kind_is_drawn_with_text_as_text(drawings: dict[str, Drawing]) -> None:
    assert drawings.keys() == KINDS - {"forest"}
    for kind, drawing in drawings.items():
        root = ET.fromstring(drawing.file())
        assert root.find(f"{SVG}title").text
        assert root.find(f"{SVG}desc").text
        assert words(root), kind
        assert not list(root.iter(f"{SVG}style"))
        assert not list(root.iter(f"{SVG}script"))


def test_the_same_exhibit_gives_the_same_bytes(drawings: dict[str, Drawing], every_kind: Any) -> None:
    for exhibit in every_kind()[:-1]:
        assert draw(exhibit).file() == drawings[exhibit.kind].file()


def test_settings_of_the_reader_change_no_drawing_and_are_left_alone(every_kind: Any) -> None:
    exhibit = every_kind()[1]
    before = draw(exhibit).file()
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 30, "axes.grid": True}):
        assert draw(exhibit).file() == before
        assert mpl.rcParams["font.size"] == 30


def test_a_curve_is_drawn_with_whatever_is_known_of_it(every_kind: Any) -> None:
    exhibit = next(e for e in every_kind() if e.kind == "curve_by_depth")
    whole = words(drawn(exhibit))
    said = ("mean of each chunk", "straight line", "untrained networks", "the last chunk begins")
    assert set(said) <= set(whole)
    plain = ("depth", "layer", "mean", "low", "high")
    bare = Exhibit(exhibit.kind, "t", "d", {k: exhibit.arrays[k] for k in plain}, exhibit.labels)
    assert not set(said) & set(words(drawn(bare)))
    single = {k: np.asarray(exhibit.arrays[k])[..., :1] for k in exhibit.arrays}
    assert words(drawn(with_arrays(exhibit, **single)))
    table = exhibit_table(exhibit)
    assert table.rows[0][4] == "early" and table.rows[-1][4] == "last"
    assert len(table.rows) == len(exhibit.arrays["mean"])


def test_a_curve_without_a_band_is_drawn_without_one(every_kind: Any) -> None:
    exhibit = next(e for e in every_kind() if e.kind == "curve_by_depth")
    nowhere = np.full(len(exhibit.arrays["mean"]), np.nan)
    assert draw(with_arrays(exhibit, low=nowhere, high=nowhere)).file() != draw(exhibit).file()


def test_a_layer_with_a_band_between_layers_without_one_shows_it(every_kind: Any) -> None:
    curve = next(e for e in every_kind() if e.kind == "curve_by_depth")
    low, high = np.asarray(curve.arrays["low"]), np.asarray(curve.arrays["high"])
    alone = np.full_like(low, np.nan), np.full_like(high, np.nan)
    alone[0][2], alone[1][2] = low[2], high[2]

    def chance(exhibit: Exhibit) -> int:
        return draw(exhibit).file().decode().count(f"fill: {COLOURS['chance'][0]}")

    none = with_arrays(curve, low=np.full_like(low, np.nan), high=np.full_like(high, np.nan))
    assert chance(with_arrays(curve, low=alone[0], high=alone[1])) == chance(none) + 1


def test_an_unknown_kind_has_no_drawing(every_kind: Any) -> None:
    with pytest.raises(LookupError, match="No figure of kind"):
        draw(every_kind()[-1])


def test_names_from_the_corpus_stay_text(every_kind: Any) -> None:
    rng = np.random.default_rng(0)
    labels = {"panels": ["layer 0"], "categories": HOSTILE, "ids": HOSTILE, "response": "length", "note": HOSTILE[0]}
    exhibits = [
        Exhibit("text_map", HOSTILE[0], HOSTILE[1], {"xy": rng.normal(size=(1, 8, 2))}, labels),
        Exhibit("heat_maps", HOSTILE[0], HOSTILE[1], {"maps": rng.normal(size=(1, 8, 8))}, labels),
        Exhibit("strip", HOSTILE[0], HOSTILE[1], {"responses": rng.normal(size=(1, 8))}, labels),
    ]
    for exhibit in exhibits:
        root = drawn(exhibit)
        assert {e.tag.removeprefix(SVG) for e in root.iter()} <= TAGS
        assert not any(key.lower().startswith("on") for e in root.iter() for key in e.attrib)
        assert any(word.startswith("<script>") for word in words(root)), exhibit.kind
        assert any(word.startswith("$\\frac") for word in words(root)), "a dollar sign is no formula"
        assert any(word.startswith("_hidden") for word in words(root)), "an underscore hides nothing"


def test_references_resolve_inside_a_page_under_their_prefix(drawings: dict[str, Drawing]) -> None:
    for drawing in drawings.values():
        markup = drawing.inline("f7-", "f7-words")
        ids = re.findall(r' id="([^"]*)"', markup)
        used = re.findall(r'(?:href="#|url\(#)([^")]*)', markup)
        assert all(i.startswith("f7-") for i in ids)
        assert set(used) == set(ids)
        assert 'role="img"' in markup
        assert 'aria-describedby="f7-words"' in markup


def test_inlined_colours_are_variables_of_the_page(drawings: dict[str, Drawing]) -> None:
    lights = {light for light, _ in COLOURS.values()}
    assert len(lights) == len(COLOURS), "a colour that stands for two names could not be told apart"
    for drawing in drawings.values():
        markup = drawing.inline("f", "w")
        assert "var(--fig-" in markup
        assert not lights & set(re.findall(r"#[0-9a-f]{6}\b", markup))
        assert b"var(--" not in drawing.file()


def test_a_file_of_its_own_stands_on_white_paper(drawings: dict[str, Drawing]) -> None:
    root = ET.fromstring(drawings["effect_by_depth"].file())
    assert [e.tag.removeprefix(SVG) for e in list(root)[:3]] == ["title", "desc", "rect"]
    assert "#ffffff" in list(root)[2].attrib["style"]


@pytest.mark.parametrize("layers", [1, 2, 48])
def test_depth_is_drawn_for_any_number_of_layers(layers: int, every_kind: Any) -> None:
    exhibit = every_kind()[1]
    arrays = {k: np.resize(v, layers) for k, v in exhibit.arrays.items() if v.ndim == 1}
    arrays |= {
        "depth": np.arange(layers) / max(1, layers - 1),
        "layer": np.arange(layers),
        "twin": np.zeros((5, layers)),
    }
    found = words(drawn(with_arrays(exhibit, **arrays)))
    assert "relative depth" in found
    assert "layer" in found


def test_bounds_that_are_not_finite_are_drawn_to_the_edge(every_kind: Any) -> None:
    exhibit = every_kind()[1]
    low = np.array(exhibit.arrays["low"])
    low[0], low[1] = -np.inf, np.nan
    assert words(drawn(with_arrays(exhibit, low=low, band_low=np.full(len(low), -np.inf))))


def test_degenerate_arrays_are_drawn_or_refused_by_name() -> None:
    flat = np.ones((2, 6, 6))
    labels = {"panels": ["a", "b"], "categories": list("xxxyyy")}
    assert words(drawn(Exhibit("heat_maps", "t", "d", {"maps": flat}, labels)))
    half = np.random.default_rng(0).normal(size=(2, 6, 2))
    half[1] = np.nan
    assert words(drawn(Exhibit("text_map", "t", "d", {"xy": half}, labels)))
    assert words(drawn(Exhibit("strip", "t", "d", {"responses": half[:, :, 0]}, labels)))
    assert words(drawn(Exhibit("null_histogram", "t", "d", {"null": np.zeros(9), "observed": np.array([0.0])}, {})))
    with pytest.raises(ValueError, match="no finite similarity"):
        draw(Exhibit("heat_maps", "t", "d", {"maps": flat * np.nan}, labels))
    with pytest.raises(ValueError, match="categories of heat_maps has 6 entries for 5"):
        draw(Exhibit("heat_maps", "t", "d", {"maps": flat[:, :5, :5]}, labels))


def test_the_observed_value_does_not_stretch_the_bars_of_chance() -> None:
    null = np.concatenate([[100.0], np.linspace(-1, 1, 999)])
    exhibit = Exhibit(
        "null_histogram", "t", "d", {"null": null.astype(np.float32), "observed": np.array(100.0)}, {"exact": "1"}
    )
    found = words(drawn(exhibit))
    assert "all 1,000 distinct arrangements" in found
    assert "observed 100" in found
    numbers = [int(w.replace(",", "")) for w in found if w.replace(",", "").isdigit()]
    assert max(numbers) <= 100, "999 values spread over the bars, not stacked in one"


def test_bars_keep_step_with_what_moves_in_steps() -> None:
    shares = np.repeat(np.arange(6) / 24, [3, 0, 9, 5, 2, 1])  # no share of 1/24 was found
    assert bar_edges(shares, 1.0) == pytest.approx((np.arange(7) - 0.5) / 24)
    counts, _ = np.histogram(shares, bins=bar_edges(shares, 1.0))
    assert list(counts) == [3, 0, 9, 5, 2, 1]
    smooth = np.random.default_rng(0).normal(size=999)
    edges = bar_edges(smooth, 10.0)
    assert len(edges) == 20, "twice the cube root of 999, and one edge more"
    assert edges[0] < smooth.min() < smooth.max() < edges[-1]
    assert np.histogram(np.zeros(5), bins=bar_edges(np.zeros(5), 1.0))[0].sum() == 5


def test_a_long_line_keeps_its_shape_in_few_points(every_kind: Any) -> None:
    long = np.exp(-np.sqrt(np.arange(3000) / 4.0))[None, :]
    arrays = {"values": long, "floor": np.array([2e-14]), "layer": np.array([0])}
    arrays |= {"above_tenth": np.array([920.0]), "effective_rank": np.array([800.0])}
    drawing = draw(Exhibit("spectra", "t", "d", arrays, {"block": "mlp"}))
    assert len(drawing.file()) < 30_000
    lengths = [len(path.get("d", "").split("L")) for path in drawing.root.iter("path")]
    assert 20 <= max(lengths) <= 1500, "curved, and fewer points than values"


def test_large_maps_are_averaged_in_squares() -> None:
    matrix = np.arange(36.0).reshape(6, 6)
    assert averaged(matrix, 6) is matrix
    np.testing.assert_allclose(averaged(matrix, 3)[0], [3.5, 5.5, 7.5])
    matrix[0, 0] = np.nan
    np.testing.assert_allclose(averaged(matrix, 3)[0, 0], (1 + 6 + 7) / 3)
    assert averaged(np.zeros((7, 7)), 3).shape == (3, 3)


def test_a_figure_that_cannot_be_drawn_leaves_its_table_and_says_so(one_claim: Callable[..., Run]) -> None:
    broken = Exhibit("head_map", "A map", "Of nothing.", {"effect": np.full((2, 2), np.nan)}, {})
    files = render(one_claim(broken))
    assert "figures/OneClaim-head_map.svg" not in files
    for page in (files["report.md"].decode(), files["report.html"].decode()):
        assert "could not be drawn from its arrays" in page
        assert "OneClaim-head_map.svg" not in page


def test_the_table_of_spectra_writes_small_values_as_powers_of_ten(every_kind: Any) -> None:
    table = exhibit_table(of_kind(every_kind(), "spectra"))
    cells = dict(zip(table.head, table.rows[0], strict=True))
    assert cells["noise floor"] == "2\u00a0×\u00a010⁻¹⁴"
    assert (cells["value 1"], cells["value 96"]) == ("1", "10⁻¹⁷")
    assert cells["above a tenth"] == f"{cells['above a tenth'].split('.')[0]}.0"
    assert table.rows[-1][-1] == "–"


def of_kind(exhibits: tuple[Exhibit, ...], kind: str) -> Exhibit:
    return next(e for e in exhibits if e.kind == kind)


def strokes(root: ET.Element) -> list[tuple[str, str, str]]:
    """Colour, opacity and path of every line in a category's colour, keys left out (theirs are opaque)."""
    found = []
    for path in root.iter(f"{SVG}path"):
        style = dict(part.split(": ", 1) for part in path.get("style", "").split("; ") if ": " in part)
        opacity = style.get("opacity", style.get("stroke-opacity", ""))
        if style.get("fill") == "none" and opacity:
            found.append((style["stroke"], opacity, path.get("d", "")))
    return found


def streamed(layers: int, positions: int, texts: int = 8, **labels: Any) -> Exhibit:
    rng = np.random.default_rng(1)
    arrays = {
        "values": rng.normal(size=(texts * positions, layers)),
        "text": np.repeat(np.arange(texts), positions),
        "layer": np.arange(layers),
        "depth": np.arange(layers) / max(1, layers - 1),
    }
    told = {"categories": ["a", "b"] * (texts // 2), "ids": [f"t{i}" for i in range(texts)], "coordinate": "axis 13"}
    return Exhibit("stream", "t", "d", arrays, {**told, "site": "resid_post", **labels})


def test_a_stream_is_drawn_zoomed_and_whole_with_hues_by_category_and_shades_by_text() -> None:
    exhibit = streamed(4, 3)
    values = np.array(exhibit.arrays["values"])
    values[0] = 800.0
    root = drawn(with_arrays(exhibit, values=values))
    found = words(root)
    assert found.count("axis 13 of resid_post") == found.count("relative depth") == 2
    assert {"zoomed: the 1\u00a0% to the 99\u00a0% quantile", "whole: lowest to highest", "a", "b"} <= set(found)
    assert not any("lines are drawn" in word for word in found)
    lines = strokes(root)
    assert len(lines) == 2 * 8, "one path per text and panel"
    assert {colour for colour, _, _ in lines} == {COLOURS["category-1"][0], COLOURS["category-2"][0]}
    for colour in {colour for colour, _, _ in lines}:
        shades = [float(opacity) for c, opacity, _ in lines if c == colour]
        assert shades == [*SHADES, *SHADES], "neighbouring texts of a category differ"


def test_a_stream_of_many_lines_is_thinned_by_position_and_says_so() -> None:
    rng = np.random.default_rng(0)
    many = streamed(13, 100, texts=10)
    drawing = draw(many)
    assert len(drawing.file()) < 300_000
    assert "500 of 1,000 lines are drawn: one position in 2 of every text" in words(ET.fromstring(drawing.file()))
    deep = draw(streamed(48, 100, texts=10))
    assert len(deep.file()) < 300_000
    assert "150 of 1,000 lines are drawn: one position in 7 of every text" in words(ET.fromstring(deep.file()))
    crowd = draw(streamed(13, 1, texts=600, categories=[f"category {i % 12}" for i in range(600)]))
    assert len(crowd.file()) < 300_000
    assert len(strokes(ET.fromstring(crowd.file()))) == 2 * 12 * len(SHADES), "one path per category and shade"
    text = rng.permutation(np.repeat(np.arange(7), 300))
    kept, _ = thinned(text, list("abababa"), MOST_LINES)
    assert len(kept) <= MOST_LINES
    assert all((np.flatnonzero(text == t)[0] in kept) for t in range(7)), "the first position is always there"
    alone, told = thinned(np.arange(2000), ["a", "b", "c", "d"] * 500, MOST_LINES)
    assert set((alone % 4).tolist()) == {0, 1, 2, 3}, "every category keeps some of its texts"
    assert len(alone) == 500
    assert told == "500 of 2,000 lines are drawn: one text in 4"
    everything, told = thinned(np.zeros(MOST_LINES, dtype=np.int64), ["a"], MOST_LINES)
    assert len(everything) == MOST_LINES and told == ""


@pytest.mark.parametrize("layers", [1, 2, 48])
def test_a_stream_is_drawn_for_any_number_of_layers(layers: int) -> None:
    exhibit = streamed(layers, 2)
    root = drawn(exhibit)
    assert all("L" in path for _, _, path in strokes(root)), "a line of one layer is a dash"
    assert words(root).count("layer") == 2
    table = exhibit_table(exhibit)
    assert len(table.rows) == (layers if layers <= MOST_ROWS else MOST_ROWS)
    assert table.left_out.startswith("16 lines of 8 texts; the 1\u00a0% and the 99\u00a0% quantile")


def test_a_stream_of_more_categories_than_colours_tells_them_apart_by_markers() -> None:
    exhibit = streamed(3, 2, texts=12, categories=[f"a category with a very long name, number {i}" for i in range(12)])
    found = words(drawn(exhibit))
    assert sum(word.startswith("a category with") and word.endswith("…") for word in found) == 12
    few, many = (len(list(drawn(e).iter(f"{SVG}use"))) for e in (streamed(3, 2, texts=12), exhibit))
    assert many > few
    assert "8 further categories left out." in exhibit_table(exhibit).left_out


def test_a_stream_without_some_values_is_drawn_and_says_so() -> None:
    exhibit = streamed(4, 2)
    values = np.array(exhibit.arrays["values"])
    values[0, :2], values[3, 1], values[:, 3] = np.nan, np.inf, np.nan
    broken = with_arrays(exhibit, values=values)
    assert "19 of 64 values are not finite" in words(drawn(broken))
    assert exhibit_table(broken).rows[3][2:] == ("–",) * 6
    assert words(drawn(with_arrays(exhibit, values=np.full((16, 4), 2.5))))
    with pytest.raises(ValueError, match="no finite value"):
        draw(with_arrays(exhibit, values=values * np.nan))
    with pytest.raises(ValueError, match="text of stream has no index for each of 16 lines"):
        draw(with_arrays(exhibit, text=np.arange(3)))
    with pytest.raises(ValueError, match="categories of stream has 8 entries for 9"):
        draw(with_arrays(exhibit, text=np.full(16, 8)))
    with pytest.raises(ValueError, match="a stream of 4 layers has 3 layers and 4 depths"):
        draw(with_arrays(exhibit, layer=np.arange(3)))


def test_a_long_coordinate_is_cut_to_its_panel() -> None:
    found = words(drawn(streamed(3, 2, coordinate="axis 13 of the frame " * 9)))
    assert [word[-1] for word in found if word.startswith("axis 13")] == ["…", "…"]


def test_two_distributions_have_a_panel_a_layer_with_its_adjusted_p(every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "two_distributions")
    found = words(drawn(exhibit))
    assert "layer 0: adjusted p\u00a0=\u00a01" in found
    assert "layer 5: adjusted p\u00a0=\u00a0.0000029" in found
    assert {"1", "0.1", "0.01", "ω²", "share of directions, log scale"} <= set(found)
    assert {"largest ω²: axes", "largest ω²: median of rotations"} <= set(found)
    table = exhibit_table(exhibit)
    assert table.head[1:3] == ("largest ω², axes", "largest ω², random directions: median [5\u00a0%, 95\u00a0%]")
    low, middle, high = exhibit.arrays["summary_random"][0]
    own = exhibit.arrays["summary_axes"][0]
    assert table.rows[0] == ("layer 0", f"{own:.2f}", f"{middle:.2f} [{low:.2f}, {high:.2f}]", "1")


def test_two_distributions_reach_down_to_half_of_one_direction() -> None:
    at = np.array([0.0, 0.1, 0.2, 0.3])
    shares = np.array([[1.0, 0.1, 0.001, 0.0]])
    arrays = {
        "at": at,
        "axes": shares,
        "random": shares,
        "random_low": shares * 0,
        "random_high": shares,
        "summary_axes": np.array([0.21]),
        "summary_random": np.array([[0.1, 0.15, 0.2]]),
        "p_adjusted": np.array([np.nan]),
    }
    exhibit = Exhibit("two_distributions", "t", "d", arrays, {"panels": ["layer 7"]})
    found = words(drawn(exhibit))
    assert {"1", "0.1", "0.01", "0.001", "layer 7"} <= set(found)
    assert "0.0001" not in found
    assert exhibit_table(exhibit).rows == (("layer 7", "0.21", "0.15 [0.10, 0.20]", "–"),)
    flat = {**arrays, "summary_random": np.full((1, 3), 0.2), "axes": np.ones((1, 4))}
    assert words(drawn(Exhibit("two_distributions", "t", "d", flat, {})))
    unknown = {**arrays, "summary_random": np.full((1, 3), np.nan), "random_high": shares * np.nan}
    assert words(drawn(Exhibit("two_distributions", "t", "d", unknown, {})))
    none = {**arrays, **dict.fromkeys(("axes", "random", "random_high"), shares * 0)}
    with pytest.raises(ValueError, match="no positive share"):
        draw(Exhibit("two_distributions", "t", "d", none, {}))
    with pytest.raises(ValueError, match="differ in panels or points"):
        draw(Exhibit("two_distributions", "t", "d", {**arrays, "at": at[:3]}, {}))
    with pytest.raises(ValueError, match="do not fit 1 panels"):
        draw(Exhibit("two_distributions", "t", "d", {**arrays, "p_adjusted": np.ones(2)}, {}))


@pytest.mark.parametrize("panels", [1, 13, 48])
def test_titles_of_two_distributions_take_a_second_line_where_panels_are_narrow(panels: int, every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "two_distributions")
    arrays = {k: v if k == "at" else np.resize(v, (panels, *v.shape[1:])) for k, v in exhibit.arrays.items()}
    labels = {**exhibit.labels, "panels": [f"layer {i}" for i in range(panels)]}
    found = words(drawn(Exhibit(exhibit.kind, "t", "d", arrays, labels)))
    assert sum(word.startswith("layer ") for word in found) == panels
    levels = [word for word in found if "p\u00a0=\u00a0" in word]
    assert len(levels) == panels
    assert all(("adjusted" in word) == (panels < 48) for word in levels)
    assert ("ω²;  p is adjusted" in found) == (panels == 48)


@pytest.mark.parametrize("layers", [1, 2, 48])
def test_kurtosis_is_drawn_for_any_number_of_layers(layers: int, every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "kurtosis_by_depth")
    arrays = {k: np.resize(v, layers) if v.ndim else v for k, v in exhibit.arrays.items()}
    arrays |= {"depth": np.arange(layers) / max(1, layers - 1), "layer": np.arange(layers)}
    found = words(drawn(with_arrays(exhibit, **arrays)))
    assert {"relative depth", "layer", "Gaussian, 2.98", "kurtosis of resid_post, log scale"} <= set(found)


def test_kurtosis_has_ticks_of_a_log_axis_and_its_table_a_row_a_layer(every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "kurtosis_by_depth")
    found = words(drawn(exhibit))
    assert {"5", "10", "20", "50", "100"} <= set(found)
    assert "own axes, first token" in found
    table = exhibit_table(exhibit)
    assert table.left_out == "The value of Gaussian coordinates is 2.98."
    assert len(table.rows) == 6
    assert table.rows[0][-1] == "–"
    wide = with_arrays(exhibit, first=np.array([np.nan, 3.0, 300.0, 3e4, 3e6, 3e8]))
    assert {"10", "1000", "10⁵", "10⁷"} <= set(words(drawn(wide)))


def test_kurtosis_that_is_constant_or_missing_is_drawn(every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "kurtosis_by_depth")
    curves = [k for k, v in exhibit.arrays.items() if v.ndim and k not in ("depth", "layer")]
    flat = with_arrays(exhibit, **{k: np.full(6, 3.0) for k in curves}, gaussian=np.array(3.0))
    assert "3" in words(drawn(flat))
    own = np.array(exhibit.arrays["own"])
    own[1], own[2] = np.nan, np.inf
    nothing = np.full(6, np.nan)
    found = words(drawn(with_arrays(exhibit, own=own, low=own, first=nothing, gaussian=np.array(np.nan))))
    assert not any(word.startswith(("own axes, first", "Gaussian")) for word in found)
    assert exhibit_table(with_arrays(exhibit, gaussian=np.array(np.nan))).left_out == ""
    with pytest.raises(ValueError, match="no finite value"):
        draw(with_arrays(exhibit, **dict.fromkeys(curves, nothing), gaussian=np.array(np.nan)))
    with pytest.raises(ValueError, match="differ in layers"):
        draw(with_arrays(exhibit, own=own[:3]))


@pytest.mark.parametrize("kind", ["against_draws", "by_clusters", "by_frequency"])
@pytest.mark.parametrize("layers", [1, 3, 24])
def test_figures_of_weights_are_drawn_for_any_number_of_layers(kind: str, layers: int, every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), kind)
    by_layer = {name: a for name, a in exhibit.arrays.items() if np.shape(a) and len(a) == len(exhibit.arrays["layer"])}
    repeated = {name: np.resize(a, (layers, *np.shape(a)[1:])) for name, a in by_layer.items()}
    repeated["layer"] = np.arange(layers)
    changed = replace(exhibit, arrays={**exhibit.arrays, **repeated})
    assert draw(changed).root is not None
    assert len(exhibit_table(changed).rows) == min(layers, MOST_ROWS)


def test_figures_of_weights_refuse_arrays_that_do_not_fit(every_kind: Any) -> None:
    for kind, name in (("against_draws", "own"), ("by_clusters", "layer"), ("by_frequency", "rank")):
        exhibit = of_kind(every_kind(), kind)
        short = replace(exhibit, arrays={**exhibit.arrays, name: exhibit.arrays[name][:-1]})
        with pytest.raises(ValueError, match=r"differ in|other layers"):
            draw(short)


def test_a_dissociation_matrix_says_who_loses_what_and_frames_own_texts(every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "dissociation")
    found = words(drawn(exhibit))
    assert {"8 neurons", "64 neurons", "code", "law", "news", "verse"} <= set(found)
    table = exhibit_table(exhibit)
    assert table.head[2:] == ("texts of code", "texts of law", "texts of news", "texts of verse")
    assert len(table.rows) == 6
    one = with_arrays(exhibit, maps=exhibit.arrays["maps"][:1])
    one = Exhibit(one.kind, one.title, one.description, one.arrays, {**exhibit.labels, "panels": ["8 neurons"]})
    assert "64 neurons" not in words(drawn(one))
    hole = np.array(exhibit.arrays["maps"])
    hole[0, 0, 1] = np.nan
    assert words(drawn(with_arrays(exhibit, maps=hole)))
    with pytest.raises(ValueError, match="no finite value"):
        draw(with_arrays(exhibit, maps=np.full((2, 3, 4), np.nan)))


@pytest.mark.parametrize("sizes", [1, 2, 7])
def test_a_dose_curve_is_drawn_for_any_number_of_sizes(sizes: int, every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "dose_curve")
    arrays = {k: np.resize(v, (3, sizes)) for k, v in exhibit.arrays.items() if np.ndim(v) == 2}
    arrays["size"] = 2 ** np.arange(sizes)
    found = words(drawn(with_arrays(exhibit, **arrays)))
    assert {"neurons in the module", "without the module", "1", str(2 ** (sizes - 1))} <= set(found)
    assert len(exhibit_table(with_arrays(exhibit, **arrays)).rows) in (3 * sizes, MOST_ROWS)
    with pytest.raises(ValueError, match="differ in shape"):
        draw(with_arrays(exhibit, own=arrays["own"][:2]))


@pytest.mark.parametrize("layers", [1, 2, 24])
@pytest.mark.parametrize("kind", ["principal_angles", "two_effects_by_depth", "raw_and_partial", "scree"])
def test_subspaces_are_drawn_for_any_number_of_layers(kind: str, layers: int, every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), kind)
    sided = ("effect", "low", "high", "twin") if kind in ("two_effects_by_depth", "raw_and_partial") else ()
    arrays = {
        name: np.take(array, np.arange(layers) % LAYERS, axis=int(name in sided)) if np.ndim(array) else array
        for name, array in exhibit.arrays.items()
    }
    if kind != "scree":
        arrays |= {"depth": np.arange(layers) / max(1, layers - 1), "layer": np.arange(layers)}
    panels = {"panels": [f"layer {i}" for i in range(layers)]} if kind == "scree" else {}
    other = Exhibit(kind, exhibit.title, exhibit.description, arrays, {**exhibit.labels, **panels})
    said = words(drawn(other))
    last = (layers - 1) // -(-layers // 16) * -(-layers // 16)  # at most 16 layers are named on an axis
    assert (f"layer {layers - 1}: rank 2" in " ".join(said)) if kind == "scree" else (f"{last}" in said)
    assert len(exhibit_table(other).rows) == min(layers, 20)


@pytest.mark.parametrize("layers", [1, 2, 24])
@pytest.mark.parametrize("kind", ["accuracy_by_depth", "input_angles"])
def test_what_is_told_of_the_input_is_drawn_for_any_number_of_layers(kind: str, layers: int, every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), kind)
    sided = ("mean", "low", "high") if kind == "accuracy_by_depth" else ()
    arrays = {
        name: np.take(array, np.arange(layers) % LAYERS, axis=int(name in sided))
        for name, array in exhibit.arrays.items()
    }
    arrays |= {"depth": np.arange(layers) / max(1, layers - 1), "layer": np.arange(layers)}
    other = with_arrays(exhibit, **arrays)
    assert f"{(layers - 1) // -(-layers // 16) * -(-layers // 16)}" in words(drawn(other))
    assert len(exhibit_table(other).rows) == min(layers, MOST_ROWS)
    with pytest.raises(ValueError, match="layers"):
        draw(with_arrays(other, **{"layer": np.arange(layers + 1), "depth": np.arange(layers + 1)}))


def test_types_that_all_were_learned_from_are_not_drawn_apart(every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), "accuracy_by_depth")
    nowhere = with_arrays(exhibit, unseen=np.full(LAYERS, np.nan))
    assert "types never learned from" in words(drawn(exhibit))
    assert "types never learned from" not in words(drawn(nowhere))
    one = {key: np.delete(exhibit.arrays[key], 1, axis=0) for key in ("mean", "low", "high")}
    labels = {"curves": [c for c in exhibit.labels["curves"] if c != "accuracy at 1"]}
    single = Exhibit(exhibit.kind, "t", "d", {**exhibit.arrays, **one}, labels)
    assert {"accuracy at 10", "control task, accuracy at 10", "selectivity"} <= set(words(drawn(single)))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("principal_angles", "observed"),
        ("scree", "rank"),
        ("two_effects_by_depth", "layer"),
        ("raw_and_partial", "share_left"),
    ],
)
def test_layers_that_differ_in_number_are_not_drawn(kind: str, name: str, every_kind: Any) -> None:
    exhibit = of_kind(every_kind(), kind)
    with pytest.raises(ValueError, match="layer"):
        draw(with_arrays(exhibit, **{name: np.asarray(exhibit.arrays[name])[:-1]}))
