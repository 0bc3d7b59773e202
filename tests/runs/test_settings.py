"""Settings: files, checks, and what decides the numbers."""

import pytest

from modclaims.errors import UsageError
from modclaims.runs.settings import Settings, from_files


def test_a_modclaims_toml_wins_over_pyproject(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.modclaims]\nseed = 1\n")
    assert from_files(tmp_path) == {"seed": 1}
    (tmp_path / "modclaims.toml").write_text("seed = 2\nbatch-size = 4\n")
    assert from_files(tmp_path) == {"seed": 2, "batch_size": 4}


def test_no_file_sets_nothing(tmp_path):
    assert from_files(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [("sead = 1", "no setting"), ("seed = 'one'", "type int"), ("alpha = true", "type float"), ("seed = ", "TOML")],
)
def test_a_wrong_setting_in_a_file_is_refused(tmp_path, text, message):
    (tmp_path / "modclaims.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        from_files(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": 0.0},
        {"alpha": 0.6},
        {"correction": "bonferroni"},
        {"permutations": 10},
        {"resamples": 10},
        {"tokens": 0},
        {"batch_size": 0},
        {"workers": 0},
        {"dtype": "int8"},
        {"positions": "last:10"},
        {"positions": "600"},
    ],
)
def test_a_value_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_the_stored_dtype_is_a_setting_of_its_own():
    assert Settings(dtype="stored").loading()["dtype"] == "stored"
    assert Settings(dtype="stored").digest() != Settings().digest()


def test_batch_size_and_workers_do_not_enter_the_hash_and_the_seed_does():
    assert Settings().digest("x") == Settings(batch_size=2, workers=3, out="elsewhere").digest("x")
    assert Settings().digest("x") != Settings(seed=1).digest("x")
    assert Settings().digest("x") != Settings().digest("y")


def test_models_beside_are_settings_in_no_order_and_change_the_hash(tmp_path):
    (tmp_path / "modclaims.toml").write_text('beside = ["b", "a"]\n')
    found = Settings(**from_files(tmp_path))
    assert found.beside == ("a", "b")
    assert found.digest() == Settings(beside=("b", "a")).digest()
    assert len({found.digest(), Settings().digest(), Settings(beside=("a",)).digest()}) == 3


@pytest.mark.parametrize("value", ["3", "[1]", "true"])
def test_models_beside_are_strings(tmp_path, value):
    (tmp_path / "modclaims.toml").write_text(f"beside = {value}\n")
    with pytest.raises(UsageError, match="must be a list of strings"):
        from_files(tmp_path)


def test_the_default_positions_are_those_of_the_study():
    assert Settings().resolved_positions() == tuple(range(475, 512, 4))
