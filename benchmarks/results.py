"""Run all benchmarks, and write benchmarks/RESULTS.md.

    python benchmarks/results.py [NAME ...]

NAME is a benchmark without its `.py`; all by default, the long ones last. Each runs in a process of its own; its figures are added to
RESULTS.md as soon as it ends, and those of benchmarks that were not named stay. Ends with 1 where a figure misses its target
by half, or a benchmark fails. Seconds are those of the machine that is named there; ratios, bytes and exponents are not.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from figures import KEPT, Figure

from modclaims.workers import cores

HERE = Path(__file__).resolve().parent
RESULTS, TABLE = HERE / "RESULTS.md", HERE / "results.json"
BENCHMARKS: dict[str, list[list[str]]] = {
    "extract": [[]],
    "permutation": [[]],
    "peers": [[]],
    "rotations": [[]],
    "jacobian": [[]],
    "small_jobs": [[]],
    "evidence": [[]],
    "growth": [[]],
    "many_texts": [
        ["--texts", "1024", "--family", "CategoryClustering"],
        ["--texts", "4096", "--layers", "12", "--family", "HeadSelectivity"],
        ["--texts", "64", "--family", "HeadSelectivity, neurons"],
        ["--texts", "64", "--family", "AxisStreams", "--layers", "32", "--width", "2560"],
        ["--texts", "64", "256", "1024", "--family", "WithinVersusStyle", "LowRankSimilarity", "SubspaceSeparation"],
        ["--texts", "1024", "4096", "--family", "CategoryClustering"],
    ],
    "suites": [[]],
    "study_size": [[]],
}
"""Each with the arguments of its runs."""


def processor() -> str:
    """What the machine calls its processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def run(name: str, arguments: list[str]) -> tuple[list[Figure], int]:
    """One benchmark's figures, and how it ended."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "figures.jsonl"
        kept.touch()
        command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
        print(f"\n$ {' '.join(['python', f'benchmarks/{name}.py', *arguments])}", flush=True)
        code = subprocess.run(command, env=os.environ | {KEPT: str(kept)}, check=False).returncode
        return [Figure(**json.loads(line)) for line in kept.read_text(encoding="utf-8").splitlines()], code


@dataclass(frozen=True)
class Kept:
    """What one benchmark printed, where and when."""

    machine: str
    date: str
    figures: list[Figure]

    @classmethod
    def read(cls, values: dict[str, Any]) -> Kept:
        """From its JSON."""
        return cls(values["machine"], values["date"], [Figure(**one) for one in values["figures"]])


def written(table: dict[str, Kept]) -> str:
    """The page."""
    lines = [
        "# What things take",
        "",
        "Written by `make bench`, which anyone can run. Ratios are taken in one run, work interleaved; seconds are those of the machine",
        "that stands with each benchmark, one BLAS thread unless a run of the command line is timed, and vary by a third between runs.",
        "A target that is missed is said to be; one that is missed by half ends `make bench` with a failure.",
        "",
        "![Growth over texts, cells, tokens and relabellings](growth.svg)",
    ]
    for name in BENCHMARKS:
        if name not in table:
            continue
        kept = table[name]
        lines += ["", f"## {name}", "", f"{kept.machine}, {kept.date}.", ""]
        lines += ["| what | figure | target | |", "|---|---:|---|---|"]
        for one in kept.figures:
            value = f"{one.value:.3g} {one.unit}".rstrip()
            lines.append(f"| {one.what} | {value} | {one.target} | {one.standing} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="which (default: all)")
    asked = parser.parse_args().names or list(BENCHMARKS)
    before = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    table = {name: Kept.read(values) for name, values in before.items()}
    machine = f"{processor()}, {cores()} cores"
    failed = False
    for name in asked:
        found, codes = [], []
        for arguments in BENCHMARKS[name]:
            figures, code = run(name, arguments)
            found += figures
            codes.append(code)
        failed |= any(codes) or any(one.standing == "missed by half" for one in found)
        table[name] = Kept(machine, datetime.now(UTC).date().isoformat(), found)
        TABLE.write_text(json.dumps({of: asdict(one) for of, one in table.items()}, indent=1) + "\n", encoding="utf-8")
        RESULTS.write_text(written(table), encoding="utf-8")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
