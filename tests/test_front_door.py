"""The front door: its names, what importing it costs, and where shipped files lie."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import modclaims
from modclaims.declarations import known_names
from modclaims.shipped import shipped

HEAVY = ("torch", "transformers", "scipy", "statsmodels", "pandas", "pingouin", "matplotlib", "sklearn")
ROOT = Path(__file__).resolve().parent.parent


def loaded_after(code):
    script = f"import sys\n{code}\nprint(*sorted(set(m.split('.')[0] for m in sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_the_names_at_the_front_door_are_sorted_and_exist():
    assert modclaims.__all__ == sorted(modclaims.__all__)
    assert all(hasattr(modclaims, name) for name in modclaims.__all__)


def command(words):
    """The command line, as a script that goes on after it ended."""
    return f"sys.argv = {['modclaims', *words]!r}\nimport modclaims.cli\ntry:\n    modclaims.cli.main()\nexcept SystemExit:\n    pass"


@pytest.mark.parametrize(
    "code",
    [
        "import modclaims.families.categories.category_clustering, modclaims.families.responses.head_selectivity",
        "import modclaims.stats.effects.pair_effects, modclaims.stats.effects.omega_squared, modclaims.stats.effects.rivals, modclaims.stats.quantifiers",
        "import modclaims.runs.collect, modclaims.runs.settings, modclaims.runner, modclaims.runs.run_folder, modclaims.report",
        "import modclaims.report.document, modclaims.report.tables",
        "from modclaims import *",
        command(["list"]),
    ],
)
def test_importing_costs_the_standard_library_and_numpy_only(code):
    assert loaded_after(code) == []


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import modclaims", set()),
        ("import modclaims; dir(modclaims); modclaims.__version__", set()),
        ("import modclaims.errors, modclaims.shipped, modclaims.claim_files, modclaims.claim_set", set()),
        ("import modclaims.pytest_plugin", {"pytest", "_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py"}),
        (command(["--help"]), {"click", "colorama"}),
        (command(["--version"]), {"click", "colorama"}),
        (command(["run", "--help"]), {"click", "colorama"}),
        (command(["list", "nowhere"]), {"click", "colorama"}),
    ],
)
def test_what_every_session_loads_is_the_standard_library_alone(code, allowed):
    """By `sys.modules` of a process of its own, less what Python itself had loaded when it began."""
    script = (
        "import sys\nbefore = set(sys.modules)\n" + code + "\n"
        "own = {m.split('.')[0] for m in set(sys.modules) - before}\nprint('LOADED', *sorted(own - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.splitlines()[-1].split()[1:]) - allowed == {"modclaims"}


def test_a_name_that_the_front_door_lacks_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'CategoryClusterin'"):
        _ = modclaims.CategoryClusterin
    assert set(modclaims.__all__) <= set(dir(modclaims))


@pytest.mark.parametrize("name", [name for name in modclaims.__all__ if name[0].isupper()])
def test_every_constant_of_every_family_is_in_its_page(name):
    listed = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "claims" / f"{name}.md").read_text("utf-8")))
    known = known_names(getattr(modclaims, name))
    assert {constant for constant, one in known.items() if not one.is_method and not one.is_fixed} <= listed


def test_only_lm_imports_torch():
    assert "torch" in loaded_after("import modclaims.lm.network")


def test_what_is_recorded_is_planned_and_weighed_without_torch_and_transformers(tmp_path, monkeypatch):
    monkeypatch.setenv("MODCLAIMS_HOME", str(tmp_path / "home"))
    claim = tmp_path / "claim.py"
    claim.write_text(
        "from modclaims import CategoryClustering\n\n\nclass Topics(CategoryClustering):\n"
        '    """Topics cluster."""\n\n    site = "resid_post"\n    layers = (0,)\n    label = "topic"\n    smallest_effect = 0.2\n'
    )
    options = ["--permutations", "199", "--resamples", "199"]
    run = [f"{claim}::Topics", *options, "--beside", "embedded#untrained"]
    assert "torch" in loaded_after(command(["run", *run, "--out", str(tmp_path / "first")]))
    costly = {"torch", "transformers", "statsmodels", "pingouin"}
    again = loaded_after(command(["run", *run, "--out", str(tmp_path / "again")]))
    assert "matplotlib" in again  # it was weighed and drawn
    assert not costly & set(again)
    assert not (costly | {"matplotlib", "pandas", "sklearn"}) & set(loaded_after(command(["plan", *run])))
    first, second = (json.loads((tmp_path / name / "run.json").read_text("utf-8")) for name in ("first", "again"))
    assert first["made"]["passes"] > second["made"]["passes"] == 0
    assert {**first, "made": 0, "command": 0} == {**second, "made": 0, "command": 0}


def test_a_checkout_uses_its_own_folders():
    assert shipped("hypotheses", "card.py") == ROOT / "hypotheses" / "card.py"
    assert shipped("data", "models", "opt-mini", "model.safetensors").is_file()


def test_the_wheel_carries_model_corpora_and_suites_and_lists_them(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(site)
    for part in ("hypotheses/card.py", "data/models/opt-mini/model.safetensors", "data/corpora/crossed.jsonl"):
        assert f"modclaims/_shipped/{part}" in names
    script = (
        "import sys, json; sys.path.insert(0, sys.argv.pop(1)); import modclaims, modclaims.shipped as s;"
        "assert '_shipped' in str(s.shipped('data')), s.shipped('data');"
        "from modclaims.corpus_files import read_corpus; assert len(read_corpus('embedded')) == 64;"
        "from modclaims.cli import main; sys.argv = ['modclaims', 'list', '--json']; main()"
    )
    listed = subprocess.run(
        [sys.executable, "-c", script, str(site)], cwd=empty, capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stderr
    ids = [row["id"] for row in json.loads(listed.stdout)]
    assert "modclaims:card.py::StylesClusterInAttention" in ids
