"""What all shipped suites take together, with the embedded model and corpus, cold.

    python benchmarks/suites.py

One run with two processes that weigh, in a folder of its own: wall seconds, and the peak of the memory of all its
processes together. The machine is part of these figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import figure

SUITES = Path(__file__).resolve().parent.parent / "hypotheses"
PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(group: int) -> int:
    """Bytes that the processes of one session hold for themselves; what they share with others is not counted twice."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[3]) == group:
                _, held, shared = (int(v) for v in (status.parent / "statm").read_text().split()[:3])
                total += PAGE * (held - shared)
        except (OSError, ValueError, IndexError):
            continue  # it has ended
    return total


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        command = [sys.executable, "-m", "modclaims.cli", "run", str(SUITES), "-n", "2", "--out", "all"]
        started, peak = time.perf_counter(), 0
        with (
            (Path(home) / "told").open("w") as told,
            subprocess.Popen(
                command, env=os.environ | {"MODCLAIMS_HOME": home}, cwd=home, start_new_session=True, stdout=told
            ) as run,
        ):
            while run.poll() is None:
                peak = max(peak, resident(run.pid))
                time.sleep(0.2)
        seconds = time.perf_counter() - started
        if run.returncode not in (0, 1, 10):
            sys.exit(f"modclaims run ended with {run.returncode}")
        lines = (Path(home) / "told").read_text().splitlines()
        print(next(line for line in reversed(lines) if " claims: " in line))
        figure("all suites, cold", seconds, "s", at_most=600, machine=True)
        figure("the same, memory of all processes", peak / 2**30, "GB", at_most=4)


if __name__ == "__main__":
    main()
