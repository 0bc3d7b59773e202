"""Drawings: every kind, awkward arrays, awkward names, the same bytes twice."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from modclaims.report import render
from modclaims.report.figures import averaged, draw
from modclaims.report.svg import COLOURS, Drawing
from modclaims.run_folder import Run
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


@pytest.fixture(scope="module")
def drawings(every_kind: Any) -> dict[str, Drawing]:
    """Each kind, drawn once."""
    return {e.kind: draw(e) for e in every_kind()[:-1]}


def drawn(exhibit: Exhibit) -> ET.Element:
    return ET.fromstring(draw(exhibit).file())


def words(root: ET.Element) -> list[str]:
    return [e.text or "" for e in root.iter(f"{SVG}text")]


def with_arrays(exhibit: Exhibit, **arrays: Any) -> Exhibit:
    return Exhibit(exhibit.kind, exhibit.title, exhibit.description, {**exhibit.arrays, **arrays}, exhibit.labels)


def test_every_kind_is_drawn_with_text_as_text(drawings: dict[str, Drawing]) -> None:
    assert len(drawings) == 9
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


def test_an_unknown_kind_has_no_drawing(every_kind: Any) -> None:
    with pytest.raises(KeyError):
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
