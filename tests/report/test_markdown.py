"""Markdown that a code-hosting page renders as meant."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from modclaims.report import render
from modclaims.report.markdown import escape
from modclaims.runs.run_folder import Run

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def tokens(text: str) -> list[Token]:
    return [t for token in PARSER.parse(text) for t in (token, *(token.children or ()))]


def columns(text: str) -> list[int]:
    """Cells in each row of each table, as split at unescaped pipes."""
    return [len(re.split(r"(?<!\\)\|", line.strip().strip("|"))) for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize(
    "text",
    [
        "<b>bold</b> & <script>alert(1)</script>",
        "*a* _b_ **c** __d__ `e` ~~f~~",
        "[link](http://x.y) ![image](x.png) [ref][1] <http://x.y>",
        "# heading",
        "- item",
        "+ item",
        "1. item",
        "2) item",
        "---",
        "a | b",
        "\\*not\\*",
        "$x^2$ @someone #12 http://x.y",
        "&lt;b&gt;",
        "snake_case_name and [0.29, 0.52]",
    ],
)
def test_text_stays_text(text: str) -> None:
    inline = PARSER.parse(escape(text))
    assert [t.type for t in inline] == ["paragraph_open", "inline", "paragraph_close"]
    children = inline[1].children or []
    assert {t.type for t in children} <= {"text", "text_special"}
    assert "".join(t.content for t in children) == text


def test_tables_are_whole(files: dict[str, bytes]) -> None:
    text = files["report.md"].decode()
    found = tokens(text)
    assert sum(t.type == "table_open" for t in found) > 40
    width, rows = 0, 0
    for line in text.splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        here = columns(line)[0]
        assert width in (0, here), line
        width, rows = here, rows + 1
    assert rows > 300
    assert sum(t.type == "tr_open" for t in found) == rows - sum(t.type == "table_open" for t in found)


def test_figures_are_relative_and_there(files: dict[str, bytes]) -> None:
    images = [t.attrs["src"] for t in tokens(files["report.md"].decode()) if t.type == "image"]
    assert sorted(images) == sorted(n for n in files if n.endswith(".svg"))
    assert all(t.content for t in tokens(files["report.md"].decode()) if t.type == "image")


def test_links_lead_to_claims_and_raw_numbers(files: dict[str, bytes]) -> None:
    text = files["report.md"].decode()
    links = [str(t.attrs["href"]) for t in tokens(text) if t.type == "link_open"]
    assert [link for link in links if link.startswith("#")] == [f"#claim-{i}" for i in range(1, 10)]
    assert all(f'<a id="{link[1:]}"></a>' in text for link in links if link.startswith("#"))
    assert links[-4:] == ["run.json", "cells.csv", "nulls.npz", "junit.xml"]


def test_only_our_own_html_passes(one_claim: Callable[..., Run], every_kind: Any) -> None:
    bad = "<script>alert(1)</script>|`x`"
    facts = {"command": "modclaims run ```x``` <b>", "corpus": {"name": bad, "texts": 64}}
    run = one_claim(*every_kind(ids=[bad] * 64), facts=facts, claim=bad, sentence=bad, message=bad, effect_name=bad)
    text = render(run)["report.md"].decode()
    allowed = {"<br>", "</details>", "<details>", "<summary>", "</summary>", "</a>"}
    for token in tokens(text):
        if token.type in ("html_inline", "html_block"):
            for tag in re.findall(r"<[^>]*>", token.content):
                assert tag in allowed or re.fullmatch(r'<a id="claim-\d+">', tag), tag
    assert "<script" not in text
    assert [t.content for t in tokens(text) if t.type == "fence"] == ["modclaims run ```x``` <b>\n"]
