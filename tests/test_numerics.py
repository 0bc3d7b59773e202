"""Versions of the arithmetic: code that changed without its version is noticed, and what other arithmetic made is not served."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modclaims import numerics, runner
from modclaims.calibration import rates
from modclaims.corpus import Corpus, Text
from modclaims.errors import RunFolderError
from modclaims.recording import ModelShape
from modclaims.report.provenance import provenance_of
from modclaims.runs.run_folder import RunFolder
from modclaims.runs.settings import Settings
from scripts import numerics as script

ROOT = Path(__file__).parents[1]
EXTRACT, SPECTRA, RIVALS = "lm/extract.py", "stats/spectra/spectrum.py", "stats/effects/rivals.py"


# ---- code and its versions


def test_numeric_code_is_that_of_its_version() -> None:
    assert "\n\n".join(map(str, script.changed(ROOT))) == ""


def test_every_room_that_computes_belongs_to_a_part() -> None:
    package = ROOT / script.PACKAGE
    covered = {name for modules in script.fingerprints(ROOT).values() for name in modules}
    rooms = {
        p.relative_to(package).as_posix()
        for folder in ("lm", "stats", "families")
        for p in (package / folder).rglob("*.py")
        if p.parent.name != "figures" and not p.name.startswith(("__init__", "known_"))
    }
    assert rooms - covered == set(script.WITHOUT) - {"lm/__init__.py"}


def test_versions_are_read_as_they_are() -> None:
    assert script.versions(ROOT) == {name.upper(): number for name, number in numerics.versions().items()}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the package's code and of the table, which says that all is well."""
    for folder in ("lm", "stats", "families"):
        shutil.copytree(ROOT / script.PACKAGE / folder, tmp_path / script.PACKAGE / folder)
    for path in (ROOT / script.PACKAGE).glob("*.py"):
        shutil.copy(path, tmp_path / script.PACKAGE)
    (tmp_path / "scripts").mkdir()
    script.record(tmp_path)
    return tmp_path


def edit(tree: Path, name: str, change: Callable[[str], str]) -> None:
    path = tree / script.PACKAGE / name
    before = path.read_text("utf-8")
    assert change(before) != before
    path.write_text(change(before), "utf-8")


def raised(tree: Path, part: str, by: int = 1) -> None:
    edit(
        tree,
        "numerics.py",
        lambda text: re.sub(rf"^{part} = (\d+)$", lambda found: f"{part} = {int(found[1]) + by}", text, flags=re.M),
    )


@pytest.mark.parametrize(
    ("name", "parts"),
    [(EXTRACT, {"EXTRACTOR"}), ("lm/jacobian.py", {"JACOBIANS"}), (SPECTRA, {"JACOBIANS", "STATISTICS"}), (RIVALS, {"STATISTICS"})],
)  # fmt: skip
def test_a_changed_number_is_noticed_where_it_counts(name: str, parts: set[str], tree: Path) -> None:
    edit(tree, name, lambda text: text + "\nDOUBLED = 2\n")
    found = script.changed(tree)
    assert {one.part for one in found} == parts
    for one in found:
        assert one.modules == (name,)
        assert f"raise {one.part} in src/modclaims/numerics.py" in str(one)
        assert "python scripts/numerics.py --same" in str(one)


def test_a_new_module_and_one_that_went_are_noticed(tree: Path) -> None:
    (tree / script.PACKAGE / RIVALS).rename(tree / script.PACKAGE / "stats" / "foes.py")
    (found,) = script.changed(tree)
    assert found.modules == (RIVALS, "stats/foes.py")


def test_words_layout_and_annotations_change_no_number(tree: Path) -> None:
    edit(
        tree,
        RIVALS,
        lambda text: (
            "# a comment\n"
            + text.replace('"""Rival explanations', '"""Other explanations').replace(
                "    u, sizes, _ = ", "\n    u, sizes, _ = "
            )
        ),
    )
    edit(tree, EXTRACT, lambda text: text.replace(" -> None:", " -> object:"))
    assert script.changed(tree) == []


def test_without_a_version_nothing_is_written_but_where_numbers_stay(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(tree, RIVALS, lambda text: text.replace("1e-11", "1e-10"))
    table = (tree / script.TABLE).read_bytes()
    assert script.main([], tree) == 1
    assert "raise STATISTICS" in capsys.readouterr().out
    assert (tree / script.TABLE).read_bytes() == table
    assert script.main(["--same"], tree) == 0
    assert "every number stays what it is" in capsys.readouterr().out
    assert script.changed(tree) == []


def test_a_raised_version_is_recorded_and_only_then_is_all_well(tree: Path) -> None:
    edit(tree, EXTRACT, lambda text: text + "\nDOUBLED = 2\n")
    raised(tree, "EXTRACTOR")
    (found,) = script.changed(tree)
    assert "EXTRACTOR is version 2 now, and scripts/numerics.json knows version 1" in str(found)
    assert script.main([], tree) == 0
    assert script.changed(tree) == []
    assert json.loads((tree / script.TABLE).read_text())["EXTRACTOR"]["version"] == numerics.EXTRACTOR + 1


def test_one_raised_version_does_not_speak_for_another_part(tree: Path) -> None:
    edit(tree, SPECTRA, lambda text: text + "\nDOUBLED = 2\n")
    raised(tree, "JACOBIANS")
    assert script.main([], tree) == 1


def test_versions_never_go_back(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    raised(tree, "STATISTICS", 2)
    assert script.main([], tree) == 0
    raised(tree, "STATISTICS", -1)
    for arguments in ([], ["--same"]):
        assert script.main(arguments, tree) == 1
    assert "versions only grow" in capsys.readouterr().out


# ---- what they are part of

SHAPE = ModelShape("m", layers=1, heads=1, kv_heads=1, width=2, head_width=2, mlp_width=2, context=8)


@pytest.mark.parametrize("part", ["EXTRACTOR", "JACOBIANS", "STATISTICS"])
def test_a_part_that_other_arithmetic_left_in_a_run_folder_is_not_taken_up(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus("c", (Text("a", "one", {}), Text("b", "two", {})))
    before = runner.run_digest([], corpus, SHAPE, Settings())
    RunFolder(tmp_path / "out", before).write_claim("x", {}, [])
    assert RunFolder(tmp_path / "out", before).has("x")
    monkeypatch.setattr(numerics, part, getattr(numerics, part) + 1)
    after = runner.run_digest([], corpus, SHAPE, Settings())
    assert after != before
    with pytest.raises(RunFolderError, match="model or arithmetic"):
        RunFolder(tmp_path / "out", after)


@pytest.mark.parametrize("part", ["EXTRACTOR", "STATISTICS"])
def test_what_other_arithmetic_counted_is_no_progress(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates.measure([], sets=1, seed=0, out=tmp_path)
    rates.measure([], sets=1, seed=0, out=tmp_path)
    before = getattr(numerics, part)
    monkeypatch.setattr(numerics, part, before + 1)
    with pytest.raises(RunFolderError, match=f'begun with other settings .*"{part.lower()}": {before}'):
        rates.measure([], sets=1, seed=0, out=tmp_path)


def test_the_report_tells_the_versions_and_runs_without_them_are_read() -> None:
    def rows(facts: dict[str, object]) -> dict[str, str]:
        return dict(next(table.rows for table in provenance_of(facts) if table.caption == "Versions"))

    packages = {"modclaims": "0.1.0", "python": "3.11.7"}
    assert (
        rows({"versions": packages, "numerics": numerics.versions()})["arithmetic"]
        == f"extractor {numerics.EXTRACTOR}, jacobians {numerics.JACOBIANS}, statistics {numerics.STATISTICS}"
    )
    assert rows({"versions": packages}) == packages
