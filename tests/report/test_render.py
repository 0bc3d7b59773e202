"""The report as a whole: the same bytes for the same run, and nothing that differs between two runs of one thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from modclaims.report import render
from modclaims.runs.run_folder import Run, RunFolder, read_run


def test_the_files_are_those_promised(files: dict[str, bytes]) -> None:
    assert [n for n in files if not n.startswith("figures/")] == ["report.md", "report.html", "junit.xml"]
    assert sum(n.endswith(".svg") for n in files) == 19


def test_a_run_read_back_renders_the_same(run: Run, files: dict[str, bytes], tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", "0" * 64)
    folder.finish(run, files)
    assert render(read_run(tmp_path / "run")) == files


def test_a_run_renders_byte_for_byte_the_same_whenever_it_was_made(run: Run, files: dict[str, bytes]) -> None:
    assert render(Run({k: v for k, v in run.facts.items() if k != "made"}, run.claims)) == files
    for made in ("a-host-name", "2026-01-02", "0123abcd"):
        assert not any(made.encode() in data for data in files.values())


def test_a_run_without_claims_or_facts_is_told() -> None:
    files = render(Run({}))
    assert sorted(files) == ["junit.xml", "report.html", "report.md"]
    assert "0 modularity claims" in files["report.md"].decode()


def test_matplotlib_is_imported_by_rendering_only() -> None:
    code = "import sys, modclaims.report; print(sorted({'matplotlib', 'jinja2', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
