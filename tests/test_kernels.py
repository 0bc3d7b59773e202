"""The same claims with the kernels of another processor: what is promised across machines, and the script that tries them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from modclaims.numerics import SAME_DRAWS, SAME_WITHIN
from scripts import kernels

ROOT = Path(__file__).parents[1]
CLAIMS = (
    *(
        "AttentionOutputsFadeApart",
        "CategoriesFormBlocksLate",
        "CategoriesDriftApartAlongTheStream",
        "HeadsAnswerCategory",
    ),
    *(
        "AxisThirteenSeparatesCategories",
        "MiddleHeadsAreQuiet",
        "HeadsOfALayerAreAlikeInMagnitude",
        "OneCoordinateIsBright",
    ),
)
"""Of the study, on its ten texts: at little cost, and not all of them end alike."""
DRAWS = 999


def test_this_process_computes_with_the_kernels_that_the_script_found() -> None:
    told = os.environ.get(kernels.TAKEN)
    if told is None:
        pytest.skip("no kernels were asked for; see scripts/kernels.py")
    library, _, found = told.partition(" ")
    assert kernels.taken(library) == found


def weighed(folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    """Claims about the embedded model, in a process of its own that keeps no recordings."""
    command = ["run", "hypotheses/study.py", "--corpus", "data/corpora/study.jsonl", "-k", " or ".join(CLAIMS)]
    command += ["--no-cache", "--out", str(folder)]
    draws = ["--permutations", str(DRAWS), "--resamples", str(DRAWS)]
    done = subprocess.run(
        [sys.executable, "-m", "modclaims.cli", *command, *draws],
        cwd=ROOT, env=environment | {"MODCLAIMS_HOME": str(folder.parent)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1, 10), done.stderr
    body: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return {claim["id"]: claim for claim in body["claims"]}


def test_outcomes_are_equal_and_numbers_within_what_is_promised_under_the_humblest_kernels(tmp_path: Path) -> None:
    own, other = kernels.environment(kernels.Kernel("own", "torch")), kernels.environment(kernels.humblest())
    first, second = weighed(tmp_path / "own", own), weighed(tmp_path / "humble", other)
    assert first.keys() == second.keys()
    assert len(first) == len(CLAIMS)
    assert len({claim["outcome"] for claim in first.values()}) > 1, "claims that all end alike tell little"
    assert {name: claim["outcome"] for name, claim in first.items()} == {
        name: claim["outcome"] for name, claim in second.items()
    }
    digits = 0
    for name, claim in first.items():
        for number in ("effect", "effect_low", "effect_high"):
            digits += claim[number] != second[name][number]
            assert second[name][number] == pytest.approx(claim[number], rel=SAME_WITHIN, abs=SAME_WITHIN), (
                name,
                number,
            )
        for level in ("p", "p_plus", "p_minus"):
            assert second[name][level] == pytest.approx(claim[level], abs=SAME_DRAWS / (DRAWS + 1)), (name, level)
    if kernels.numpy_features():
        assert digits > 0, "other kernels were not taken: not one digit differs"


# ---- the script


def asked(*names: str) -> list[kernels.Kernel]:
    return [kernels.Kernel(name, "blas", {}, name) for name in names]


def test_a_kernel_that_is_not_there_is_said_and_what_stands_in_for_it_is_tried_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        kernels, "really", lambda kernel: {"Zen": "Haswell", "Old": "Older"}.get(kernel.name, kernel.name)
    )
    found = {kernel.name: (got, why) for kernel, got, why in kernels.to_try(asked("Haswell", "Zen", "Old"))}
    assert found["Haswell"] == ("Haswell", "")
    assert found["Zen"] == ("Haswell", "Zen: not honoured here, Haswell is taken instead, as by Haswell")
    assert found["Old"] == ("Older", ""), "nobody else tries what is taken for it"


def test_asking_for_kernels_leaves_none_that_were_asked_for_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    assert "OPENBLAS_CORETYPE" not in kernels.environment(kernels.Kernel("own", "torch"))
    assert kernels.environment(kernels.Kernel("x", "blas", {"OPENBLAS_CORETYPE": "Zen"}))["OPENBLAS_CORETYPE"] == "Zen"


def test_all_tests_that_are_named_are_there() -> None:
    for name in (*kernels.NUMERIC, *(one for tests in kernels.FAST.values() for one in tests)):
        assert (ROOT / name.partition("::")[0]).exists(), name
