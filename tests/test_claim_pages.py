"""scripts/claim_pages.py: a page per family that says what help() says, and where it is linked."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import modclaims
from modclaims.docstrings import entries
from scripts import claim_pages

ROOT = Path(__file__).parents[1]
FAMILIES = tuple(name for name in claim_pages.classes() if name != "Hypothesis")
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A copy of the pages and of the index."""
    shutil.copytree(ROOT / claim_pages.PAGES, tmp_path / claim_pages.PAGES)
    shutil.copy(ROOT / claim_pages.INDEX, tmp_path / claim_pages.INDEX)
    return tmp_path


def test_the_pages_are_current() -> None:
    assert claim_pages.main(["--check"]) == 0, "run `python scripts/claim_pages.py`"


def test_a_page_that_is_not_current_is_named_and_written_anew(pages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed, new, gone = (pages / claim_pages.PAGES / f"{name}.md" for name in ("TightPass", "HeavyTails", "GoneSince"))
    changed.write_text("something else", "utf-8")
    new.unlink()
    gone.write_text("of a family that went", "utf-8")
    assert claim_pages.main(["--check"], pages) == 1
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "docs/claims/GoneSince.md",
        "docs/claims/HeavyTails.md",
        "docs/claims/TightPass.md",
    ]
    assert claim_pages.main([], pages) == 0
    assert claim_pages.main(["--check"], pages) == 0
    assert not gone.exists()


def test_the_index_keeps_what_else_it_says(pages: Path) -> None:
    index = pages / claim_pages.INDEX
    whole = index.read_text("utf-8")
    index.write_text(re.sub(r"(?s)(?<=claim_pages.py -->).*(?=<!-- end)", "", whole), "utf-8")
    assert claim_pages.stale(pages) == [index]
    claim_pages.write(pages)
    assert index.read_text("utf-8") == whole
    with pytest.raises(ValueError, match="between which families are listed"):
        claim_pages.index("A page without a list.")


def test_other_arguments_are_told_what_may_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert claim_pages.main(["--chekc"]) == 4
    assert "--check" in capsys.readouterr().out


@pytest.mark.parametrize("name", FAMILIES)
def test_a_page_has_every_constant_with_its_default_and_is_linked(name: str) -> None:
    page = (ROOT / claim_pages.PAGES / f"{name}.md").read_text("utf-8")
    for one in entries(getattr(modclaims, name).__doc__).values():
        assert f"- **`{one.name}`** (`{one.kind}`, default `{one.default}`): " in page
    assert f"](claims/{name}.md)" in (ROOT / claim_pages.INDEX).read_text("utf-8")
    assert f"](docs/claims/{name}.md)" in (ROOT / "README.md").read_text("utf-8")


def test_links_of_the_pages_lead_somewhere() -> None:
    for page in [ROOT / claim_pages.INDEX, *(ROOT / claim_pages.PAGES).glob("*.md")]:
        for target in LINK.findall(page.read_text("utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"
