"""What someone waits for: `modclaims run` of the card's suite, cold and with its recording cached.

    python benchmarks/evidence.py

Run as `make evidence` runs it, with two processes that weigh. Wall seconds, and the peak memory of the largest process,
in folders of their own. The machine is part of these figures; the
ratio of cached to cold is not.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from figures import figure

CARD = Path(__file__).resolve().parent.parent / "hypotheses" / "card.py"


def timed(*args: str, home: Path) -> tuple[float, float]:
    """Wall seconds of one process, and the largest resident memory of any so far, in GB."""
    command = [sys.executable, "-m", "modclaims.cli", *args]
    started = time.perf_counter()
    done = subprocess.run(
        command, env=os.environ | {"MODCLAIMS_HOME": str(home)}, capture_output=True, text=True, check=False, cwd=home
    )
    seconds = time.perf_counter() - started
    if done.returncode not in (0, 1, 10):
        sys.exit(done.stderr)
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        cold, memory = timed("run", str(CARD), "-n", "2", "--out", "cold", home=home)
        figure("the card on the embedded model, cold", cold, "s", at_most=90, machine=True)
        figure("the same, memory of the largest process", memory, "GB", at_most=2)
        cached, _ = timed("run", str(CARD), "-n", "2", "--out", "cached", home=home)
        figure("the same, recorded before", cached, "s", at_most=20, machine=True)


if __name__ == "__main__":
    main()
