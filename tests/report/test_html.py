"""The page: one safe file that stands alone."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from modclaims.report import render
from modclaims.report.figures import draw
from modclaims.runs.run_folder import ClaimRecord, Run
from modclaims.stats.evidence import Exhibit

VOID = {"meta", "br", "wbr"}


class Page(HTMLParser):
    """Tags with their attributes, in order; whether all close; the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(files: dict[str, bytes]) -> Page:
    return Page(files["report.html"].decode())


def test_every_tag_closes(page: Page) -> None:
    assert page.open == []


def test_ids_are_unique_and_every_reference_finds_one(page: Page) -> None:
    ids = Counter(a["id"] for _, a in page.tags if "id" in a)
    assert [i for i, n in ids.items() if n > 1] == []
    for _, attributes in page.tags:
        for key in ("href", "xlink:href"):
            if (attributes.get(key) or "").startswith("#"):
                assert attributes[key][1:] in ids
        for key in ("aria-labelledby", "aria-describedby"):
            if key in attributes:
                assert attributes[key] in ids
        for used in re.findall(r"url\(#([^)]*)\)", " ".join(v or "" for v in attributes.values())):
            assert used in ids


def test_nothing_is_fetched(page: Page, files: dict[str, bytes]) -> None:
    for _, attributes in page.tags:
        for key in ("src", "href", "xlink:href", "action", "srcset", "data"):
            assert not re.match(r"(https?:)?//", attributes.get(key) or "")
    text = files["report.html"].decode()
    assert set(re.findall(r"https?://[^\s\"'<>]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert not {"link", "img", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}


def test_the_policy_of_the_page_lets_its_own_script_run_and_no_other(page: Page, files: dict[str, bytes]) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", files["report.html"].decode(), re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    policy = next(
        a["content"] for t, a in page.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_every_figure_has_a_name_a_description_and_a_table(files: dict[str, bytes]) -> None:
    text = files["report.html"].decode()
    figures = re.findall(r"<figure.*?</figure>", text, re.DOTALL)
    assert len(figures) == 20
    assert sum("<svg" in f for f in figures) == 19
    for figure in figures:
        assert "<table" in figure
        assert "<figcaption>" in figure
        for svg in re.findall(r"<svg[^>]*>", figure):
            assert 'role="img"' in svg
            assert re.search(r'aria-label="[^"]+"', svg)
            described = re.search(r'aria-describedby="([^"]+)"', svg)
            assert described is not None
            assert f'id="{described[1]}"' in figure


def test_the_order_is_verdicts_reading_claims_tests_provenance_numbers(page: Page) -> None:
    headings = ["Verdicts", "How to read this page", "The claims", "What was tested", "Provenance", "Raw numbers"]
    found = [page.text.index(f"\n{h}\n") if f"\n{h}\n" in page.text else page.text.index(h) for h in headings]
    assert found == sorted(found)
    links = [a.get("href") for t, a in page.tags if t == "a"]
    assert {"run.json", "cells.csv", "nulls.npz", "junit.xml"} <= set(links)


def test_the_filter_is_hidden_until_the_script_runs_and_nothing_else_is(page: Page) -> None:
    assert [(t, a.get("id")) for t, a in page.tags if "hidden" in a] == [("div", "filter")]
    buttons = [a for t, a in page.tags if t == "button"]
    assert [b["value"] for b in buttons] == [
        "all",
        "supported",
        "refuted",
        "inconclusive",
        "error",
        "skipped",
        "against",
    ]
    assert [b["aria-pressed"] for b in buttons] == ["true"] + ["false"] * 6


def test_verdicts_are_words_and_not_colours_alone(page: Page) -> None:
    for word in ("SUPPORTED", "REFUTED", "INCONCLUSIVE", "ERROR", "SKIPPED"):
        assert word in page.text


def test_the_page_knows_dark_screens_print_and_a_keyboard(files: dict[str, bytes]) -> None:
    text = files["report.html"].decode()
    assert "@media screen and (prefers-color-scheme:dark)" in text
    assert "@media print" in text
    assert ":focus-visible" in text
    assert 'class="skip"' in text
    assert '<html lang="en-GB">' in text


def test_texts_from_claims_and_corpus_stay_text(one_claim: Callable[..., Run], every_kind: Any) -> None:
    bad = "<script>alert(1)</script>"
    ids = [bad, 'x" onload="alert(1)', "]]>", "<!--", "</style>", "</script>", "&lt;b&gt;", "\x00\x1b"] * 8
    facts = {
        "corpus": {"name": bad, "texts": 64, "counts": {bad: {bad: 1, "b": 2}}, "note": bad, bad: bad},
        "command": bad,
        "locked": bad,
    }
    run = one_claim(
        *every_kind(ids=ids),
        Exhibit(bad, bad, bad, {bad: np.zeros(2)}, {"note": bad}),
        facts=facts | {"model": {"name": bad}, "versions": {bad: bad}},
        id=f"{bad}::{bad}",
        claim=bad,
        sentence=bad,
        message=f"{bad}\n{bad}",
        warnings=[bad],
        effect_name=bad,
        best_words=bad,
        action=bad,
        controls=[{"name": bad, "sentence": bad, "numbers": {bad: bad}}],
        secondary=[{"name": bad, "value": 1.0}],
        constants={bad: [bad, {bad: bad}]},
        degenerate=[bad],
        note=bad,
    )
    text = render(run)["report.html"].decode()
    page = Page(text)
    assert page.open == []
    assert [t for t, _ in page.tags].count("script") == 1
    assert not any(key.startswith("on") for _, a in page.tags for key in a)
    assert text.count("<script") == text.count("</script") == 1
    assert page.text.count(bad) > 20
    assert "\x00" not in text


def test_a_drawing_that_several_figures_show_is_in_the_page_once(
    one_claim: Callable[..., Run], every_kind: Any
) -> None:
    strip = next(e for e in every_kind() if e.kind == "strip")
    single = one_claim(strip)
    twice = Run(single.facts, (*single.claims, *single.claims))
    once, both = (render(run)["report.html"].decode() for run in (single, twice))
    assert once.count("<defs>") < both.count("<defs>")
    page = Page(both)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    shown = [a["xlink:href"] for t, a in page.tags if t == "use" and (a.get("xlink:href") or "") == "#d0-"]
    assert len(shown) == 2
    alone = len(draw(strip).inline("d0-", "words"))
    assert len(both) - len(once) < alone / 2
    described = [a.get("aria-describedby") for t, a in page.tags if t == "svg" and a.get("role") == "img"]
    assert len(described) == len(set(described)) >= 2, "each has its own words"


def test_ten_claims_with_large_maps_stay_below_three_megabytes() -> None:
    rng = np.random.default_rng(0)
    names = [f"category {i // 32}" for i in range(256)]
    claims = []
    for i in range(10):
        maps = rng.normal(0.5, 0.2, (6, 256, 256)).astype(np.float32)
        labels = {"panels": [f"layer {k}" for k in range(6)], "categories": names}
        exhibit = Exhibit("heat_maps", "Maps", "Noise, which no compression helps.", {"maps": maps}, labels)
        claims.append(
            ClaimRecord({"id": f"f.py::C{i}", "outcome": "supported", "claim": "A claim."}, exhibits=(exhibit,))
        )
    files = render(Run({}, tuple(claims)))
    assert len(files["report.html"]) < 3_000_000
    assert "Painted as means over squares of 2 x 2 of the 256 x 256 values" in files["report.html"].decode()
