"""The front door: its names, what importing it costs, and where shipped files lie."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import modclaims
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


@pytest.mark.parametrize(
    "code",
    [
        "import modclaims",
        "import modclaims.families.category_clustering, modclaims.families.head_selectivity",
        "import modclaims.stats.pair_effects, modclaims.stats.omega_squared, modclaims.stats.rivals, modclaims.stats.quantifiers",
        "import modclaims.collect, modclaims.settings, modclaims.runner, modclaims.run_folder, modclaims.report",
        "import modclaims.report.document, modclaims.report.tables",
        "import modclaims.pytest_plugin",
        "sys.argv = ['modclaims', 'list']\nimport modclaims.cli\ntry:\n    modclaims.cli.main()\nexcept SystemExit:\n    pass",
        "sys.argv = ['modclaims', '--help']\nimport modclaims.cli\ntry:\n    modclaims.cli.main()\nexcept SystemExit:\n    pass",
    ],
)
def test_importing_costs_the_standard_library_and_numpy_only(code):
    assert loaded_after(code) == []


def test_only_lm_imports_torch():
    assert "torch" in loaded_after("import modclaims.lm.model")


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
