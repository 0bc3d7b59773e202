"""A family outside the package, as docs/new-family.md builds it: through every door, and held to known answers."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from planted import PlantedRecorder, planted_corpus

from modclaims import cli
from modclaims.calibration import grid
from modclaims.drawing.figure import kind_of
from modclaims.plans.cost import Reading
from modclaims.plans.plans import make_plan
from modclaims.recording import Activations
from modclaims.report import render
from modclaims.runner import execute
from modclaims.runs.collect import collect
from modclaims.runs.run_folder import RunFolder
from modclaims.runs.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "new-family.md"
CORPUS = planted_corpus(topics=4, styles=2, texts=6)
SETTINGS = Settings(tokens=8, positions="last:3:1", permutations=999, resamples=999)


@pytest.fixture
def written(corner: Path) -> Path:
    """The page's file, in a folder of its own, with a claim about the planted corpus beside it."""
    code, known = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    folder = corner / "hypotheses"
    folder.mkdir()
    path = folder / "position_drift.py"
    path.write_text(
        f"{code}\n\n{known}"
        + '\n\nclass StyleDrifts(PositionDrift):\n    """Texts of one style drift."""\n\n    category = "style1"\n',
        "utf-8",
    )
    return path


class Drifting(PlantedRecorder):
    """Noise, and in texts of one style a way that grows with the position, at one layer."""

    def __init__(self, strength: float) -> None:
        super().__init__(effect=0.0)
        self.strength = strength

    def _array(self, corpus, request, layer):
        array = super()._array(corpus, request, layer).copy()
        if isinstance(request, Activations) and layer == 1:
            for row, text in zip(array, corpus.texts, strict=True):
                if text.labels["style"] == "style1":
                    row += self.strength * np.arange(len(row))[:, None]
        return array


def weighed(path: Path, strength: float):
    claims = [one for one in collect([str(path)], path.parents[1]) if one.name == "StyleDrifts"]
    finished = execute(claims, corpus=CORPUS, recorder=Drifting(strength), settings=SETTINGS, cwd=path.parent, out=None)
    (record,) = finished.run.claims
    return record.summary, finished.run


def test_a_planted_drift_is_supported_where_it_is(written: Path) -> None:
    found, run = weighed(written, 1.0)
    assert found["outcome"] == "supported"
    assert found["family"] == "PositionDrift"
    assert found["best"]["layer"] == 1
    assert found["effect"] > 0.9
    assert found["note"] == "site resid_post, first against last position"
    pages = render(run)
    assert any(name.endswith("StyleDrifts-drift_by_depth.svg") for name in pages)
    assert "| layer" in pages["report.md"].decode()


def test_a_drift_the_other_way_has_its_sign_and_none_settles_nothing(written: Path) -> None:
    class Still(Drifting):
        def _array(self, corpus, request, layer):
            array = super()._array(corpus, request, layer)
            for row, text in zip(array, corpus.texts, strict=True):
                if text.labels["style"] == "style1":
                    row[-1] = row[0] + 0.1 * row[-1]  # ends near where it began
            return array

    claims = [one for one in collect([str(written)], written.parents[1]) if one.name == "StyleDrifts"]
    ran = execute(claims, corpus=CORPUS, recorder=Still(0.0), settings=SETTINGS, cwd=written.parent, out=None)
    (still,) = ran.run.claims
    assert still.summary["effect"] < -0.9
    assert still.summary["outcome"] == "refuted"
    assert weighed(written, 0.0)[0]["outcome"] != "supported"


def test_it_is_planned_and_its_faults_are_said_before_any_pass(written: Path) -> None:
    claims = collect([str(written)], written.parents[1])
    reading = Reading(PlantedRecorder().shape, (8,) * len(CORPUS), 8, (5, 6, 7))
    plans = {c.id.split("::")[1]: c for c in make_plan(claims, CORPUS, reading, SETTINGS).claims}
    assert plans["StyleDrifts"].plan is not None
    assert (plans["StyleDrifts"].plan.cells, plans["StyleDrifts"].reaches) == (3, ("supported", "refuted"))
    assert "category = 'code' is none of style0, style1" in plans["CodeDrifts"].message


def test_its_figure_is_known_while_its_file_is_loaded(written: Path) -> None:
    assert collect([str(written)], written.parents[1])
    kind = kind_of("drift_by_depth")
    assert kind is not None
    assert kind.__name__ == "DriftByDepth"


def test_a_report_made_later_draws_it_where_its_file_is_at_hand_and_has_a_table_where_it_is_not(written: Path) -> None:
    _, run = weighed(written, 1.0)
    folder = RunFolder(Path("found"), "0" * 64)
    folder.finish(run, {})
    picture, page = Path("found/figures/StyleDrifts-drift_by_depth.svg"), Path("found/report.md")
    again = [sys.executable, "-m", "modclaims.cli", "report", "found"]
    subprocess.run(again, check=True, capture_output=True)
    assert picture.is_file()
    assert "is no figure of modclaims" not in page.read_text("utf-8")
    picture.unlink()
    written.write_text("raise SystemExit(3)\n")
    for gone in (False, True):
        if gone:
            written.unlink()
        subprocess.run(again, check=True, capture_output=True)
        assert not picture.exists()
        told = page.read_text("utf-8")
        assert "'drift_by_depth' is no figure of modclaims: hypotheses/position_drift.py draws it" in told
        assert "| delta" in told or "| array" in told


@pytest.mark.long
def test_the_commands_and_pytest_take_it(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def command(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(words))
        return int(ended.value.code or 0), capsys.readouterr().out

    only = ("hypotheses/position_drift.py::CodeDrifts",)
    code, out = command("list", *only)
    assert code == 0
    assert "PositionDrift, somewhere" in out
    assert command("plan", *only)[0] == 0
    code, _ = command("run", *only, "--permutations", "999", "--out", "found")
    assert code in (0, 1, 10)
    assert Path("found/figures/CodeDrifts-drift_by_depth.svg").is_file()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *only],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "CodeDrifts" in done.stdout + done.stderr
    assert done.returncode in (0, 1), done.stdout + done.stderr


def calibrated(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["calibrate", *words, "--sets", "25", "--out", "rates"])
    return int(ended.value.code or 0)


@pytest.fixture
def added() -> Iterator[None]:
    """Families of one's own are gone from the grid afterwards."""
    yield
    grid.OWN.clear()


@pytest.mark.usefixtures("added")
def test_it_is_held_to_its_known_answers(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrated("hypotheses/position_drift.py::StyleDrifts", "-n", "2") == 0  # of a claim, its family
    assert "0 broken" in capsys.readouterr().out
    with Path("rates/rates.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["family"] for row in rows} == {"PositionDrift"}
    powers = [float(row["estimate"]) for row in rows if row["rate"] == "supported" and row["alpha"] == "0.05"]
    assert len(powers) == 4
    assert min(powers) > 0.5
    assert "hypotheses/position_drift.py::StyleDrifts" in Path("rates/report.md").read_text("utf-8")


@pytest.mark.usefixtures("added")
def test_counts_of_changed_code_are_not_gone_on_from(written: Path) -> None:
    assert calibrated("hypotheses/position_drift.py::PositionDrift", "-n", "1") == 0
    first = Path("rates/progress.jsonl").read_text("utf-8").splitlines()
    assert calibrated("hypotheses/position_drift.py::PositionDrift", "-n", "1") == 0
    assert Path("rates/progress.jsonl").read_text("utf-8").splitlines() == first
    written.write_text(written.read_text("utf-8") + "\n# another thought\n", "utf-8")
    assert calibrated("hypotheses/position_drift.py::PositionDrift", "-n", "1") == 0
    assert len(Path("rates/progress.jsonl").read_text("utf-8").splitlines()) == 2 * len(first) - 1


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ("hypotheses/position_drift.py::PositionDrift", "holds no known answers of PositionDrift"),
        ("hypotheses/position_drift.py::Drifft", "has no claim or family 'Drifft'; it has: .*PositionDrift"),
        ("hypotheses/other.py::PositionDrift", "is no file"),
        ("PositionDrift", "write FILE.py::CLASS"),
    ],
)
def test_what_cannot_be_calibrated_is_said(
    written: Path, node: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = written.read_text("utf-8")
    written.write_text(text[: text.index("KNOWN = Family(")], "utf-8")
    assert calibrated(node) == 4
    assert re.search(words, capsys.readouterr().err)
