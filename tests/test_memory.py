"""What memory there is, read from files as Linux writes them, and what does not fit into it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from planted import before, planted_corpus
from terminal import call

from modclaims import HeadSelectivity, asking, memory, somewhere
from modclaims.errors import ClaimError
from modclaims.recording import Jacobian, ModelShape, Reading


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8 GiB free, in no container."""
    (tmp_path / "meminfo").write_text("MemTotal:       16777216 kB\nMemAvailable:    8388608 kB\n", encoding="utf-8")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    return tmp_path


def limit(machine: Path, most: str, used: str) -> None:
    (machine / "memory.max").write_text(f"{most}\n", encoding="utf-8")
    (machine / "memory.current").write_text(f"{used}\n", encoding="utf-8")


def test_what_the_machine_has_free(machine: Path) -> None:
    assert memory.memory_free() == 8 * 2**30


@pytest.mark.parametrize(
    ("most", "used", "free"),
    [
        (str(3 * 2**30), str(2**30), 2 * 2**30),
        ("max", str(2**30), 8 * 2**30),
        (str(64 * 2**30), "0", 8 * 2**30),
        (str(2**30), str(2**31), 0),
        ("unreadable", "0", 8 * 2**30),
    ],
)
def test_a_containers_limit_counts_where_it_is_less(machine: Path, most: str, used: str, free: int) -> None:
    limit(machine, most, used)
    assert memory.memory_free() == free


def test_without_such_files_all_of_the_machine_counts(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert memory.memory_free() > 2**20


def test_what_fits_is_let_through_and_what_does_not_is_told(machine: Path) -> None:
    room = memory.SPARED * 8 * 2**30
    memory.check_fits(room, "A claim", lambda share: "")
    shares = list[float]()

    def remedy(share: float) -> str:
        shares.append(share)
        return "Name fewer layers."

    with pytest.raises(
        ClaimError, match=r"^A claim takes about 15\.5 GB of memory, and 7\.7 GB can be had\. Name fewer layers\.$"
    ):
        memory.check_fits(2 * room, "A claim", remedy)
    assert shares == [0.5]


@pytest.mark.parametrize(("number", "said"), [(2.34e9, "2.3 GB"), (5.06e6, "5.1 MB"), (1_001, "2 kB")])
def test_bytes_are_told_in_units_that_people_read(number: float, said: str) -> None:
    assert memory.told(number) == said


WIDE = ModelShape("wide", 2, 16, 16, 2048, 128, 8192, 2048)
CORPUS = planted_corpus(texts=1)


@pytest.mark.parametrize("block", ["mlp", "attention"])
def test_a_jacobian_that_does_not_fit_is_refused_with_the_tokens_that_do(machine: Path, block: str) -> None:
    limit(machine, str(2 * 2**30), "0")
    reading = Reading(WIDE, (512,) * len(CORPUS), 512, tuple(range(480, 512)))
    asked = Jacobian(block, 64, answer="summary" if block == "attention" else "tokens")
    with pytest.raises(ClaimError, match=r"takes about .* of memory, and 1\.9 GB can be had\. Lower tokens") as refused:
        asked.check(CORPUS, reading)
    (most,) = map(int, re.findall(r"to (\d+), or give it more memory", str(refused.value)))
    replace(asked, tokens=most).check(CORPUS, reading)
    with pytest.raises(ClaimError, match="of memory"):
        replace(asked, tokens=most + 1).check(CORPUS, reading)


def test_where_not_even_one_token_fits_a_narrower_network_is_asked_for(machine: Path) -> None:
    limit(machine, "2000000", "0")
    reading = Reading(WIDE, (512,) * len(CORPUS), 512, (511,))
    with pytest.raises(ClaimError, match="Not even one token fits: choose a narrower network"):
        Jacobian("mlp", 2).check(CORPUS, reading)


class Heavy(HeadSelectivity):
    """Some head answers the style, and weighing takes a petabyte."""

    label = "style"
    holds = somewhere()

    def memory(self, before: object) -> float:
        return 1e15


def test_a_claim_that_does_not_fit_is_refused_with_the_texts_that_do(machine: Path) -> None:
    with pytest.raises(ClaimError, match=r"Weighing HeadSelectivity on 16 texts takes about 1,000,000\.0 GB"):
        asking.check(Heavy(), before(CORPUS))


def test_it_is_refused_before_any_pass_by_plan_and_by_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "heavy.py"
    file.write_text(
        "from modclaims import HeadSelectivity\n\n\nclass Heavy(HeadSelectivity):\n"
        '    """Some head answers the style."""\n\n    label = "style"\n\n'
        "    def memory(self, before):\n        return 1e15\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("MODCLAIMS_HOME", str(tmp_path / "home"))
    for command in ("plan", "run"):
        options = ["--out", str(tmp_path / "out")] if command == "run" else []
        code, out, err = call(monkeypatch, capsys, command, str(file), *options)
        assert "Weighing HeadSelectivity on 64 texts takes about 1,000,000.0 GB of memory" in out + err
        assert code == 3
    assert not list((tmp_path / "home").rglob("*.safetensors"))
