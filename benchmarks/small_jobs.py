"""What small jobs cost: processor and wall seconds of the command line, beside those of importing numpy.

    python benchmarks/small_jobs.py [HOME]

HOME is a store (a temporary one by default); what it lacks is recorded first, and not counted. Processor seconds are those
of the process and its children, user and system together.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from figures import figure

ROOT = Path(__file__).resolve().parent.parent
CLAIM = "hypotheses/card.py::TopicsClusterInAttention"
CLI = ("-m", "modclaims.cli")


def cost(words: Sequence[str], home: Path) -> tuple[float, float]:
    """Processor and wall seconds of one Python process. Raises `CalledProcessError` where it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=os.environ | {"MODCLAIMS_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main(home: Path, out: Path) -> None:
    """Print a line for each job."""
    cost([*CLI, "run", CLAIM, "-n", "1", "--out", str(out / "first")], home)
    jobs = {
        "import numpy": ("-c", "import numpy"),
        "--help": (*CLI, "--help"),
        "list": (*CLI, "list"),
        "plan (card)": (*CLI, "plan", "hypotheses/card.py"),
        "one claim, recorded": (*CLI, "run", CLAIM, "-n", "1", "--out", str(out / "again")),
    }
    at_most = {"--help": 0.3, "list": 0.3, "plan (card)": 5.0, "one claim, recorded": 3.0}
    unit = 0.0
    for name, words in jobs.items():
        processor, wall = cost(words, home)
        unit = unit or processor
        figure(f"{name}, processor", processor, "s", machine=True)
        figure(f"{name}, wall", wall, "s", at_most=at_most.get(name), machine=True)
        figure(f"{name}, processor over importing numpy", processor / unit)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("home", nargs="?", type=Path, help="a store (default: a temporary one)")
    given = parser.parse_args().home
    with tempfile.TemporaryDirectory() as folder:
        main(given.resolve() if given else Path(folder) / "home", Path(folder))
