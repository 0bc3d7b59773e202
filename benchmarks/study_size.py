"""A network of OPT-125M's size with random weights, and what a suite takes on it: cold, then from the store.

    python benchmarks/study_size.py [SUITE ...] [--keep FOLDER]

Runs `modclaims run` (hypotheses/card.py by default) with the embedded corpus, 64 texts of 512 tokens, as a user would, in
processes of its own, twice. Prints the time to the first tick of the progress bar, the whole time, the processor time, and
the most memory that all its processes held together, each beside its target; `modclaims plan`'s estimate of the Jacobians
stands beside what they took. Ends with 1 where a target is missed by half.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from figures import figure
from transformers import AutoTokenizer, OPTConfig, OPTForCausalLM
from transformers.utils import logging

ROOT = Path(__file__).resolve().parent.parent
COLD, CACHED, TICK, MEMORY = 25 * 60.0, 120.0, 10.0, 3.0
"""Targets: minutes of the whole card cold and from the store, seconds to the first tick, and GB."""


@dataclass
class Took:
    """What a run took."""

    seconds: float
    tick: float | None
    """Until the first thing was recorded."""
    processor: float
    gigabytes: float


def random_model(folder: Path) -> None:
    """All weights drawn, and the embedded model's tokenizer."""
    torch.manual_seed(0)
    OPTForCausalLM(OPTConfig()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(ROOT / "data" / "models" / "opt-mini").save_pretrained(folder)


def descendants(pid: int) -> list[int]:
    """A process and all that it started (Linux)."""
    found, parents = [pid], {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def resident(pid: int) -> float:
    """GB that a process and all that it started hold, what they share counted once (Linux)."""
    total = 0
    for one in descendants(pid):
        try:
            rows = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(found[1]) for found in re.finditer(r"^Pss:\s+(\d+) kB", rows, re.MULTILINE))
    return total * 1024 / 1e9


def took(command: list[str], home: Path) -> Took:
    """Run `modclaims` as a user does, its progress on a terminal of its own."""
    started, ticks, most = time.monotonic(), list[float](), [0.0]
    before = os.times()
    running = subprocess.Popen(
        [sys.executable, "-c", "from modclaims.cli import main; import sys; sys.exit(main())", *command],
        cwd=ROOT,
        env=os.environ | {"MODCLAIMS_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    recordings = home / "recordings"

    def watch() -> None:
        while running.poll() is None:
            most[0] = max(most[0], resident(running.pid))
            if not ticks and any(recordings.glob("*/*.safetensors")):
                ticks.append(time.monotonic() - started)
            time.sleep(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = running.wait()
    watcher.join()
    if code not in (0, 1, 10):
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return Took(time.monotonic() - started, ticks[0] if ticks else None, processor, most[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("suites", nargs="*", default=["hypotheses/card.py"])
    parser.add_argument(
        "--keep", type=Path, help="folder for the network and its recordings (default: a temporary one)"
    )
    parser.add_argument("-k", default="", help="which claims, as modclaims run has it")
    args = parser.parse_args()
    logging.disable_progress_bar()
    missed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        model, home = folder / "opt125", folder / "home"
        if not model.exists():
            random_model(model)
        asked = [*args.suites, "--model", str(model), *(["-k", args.k] if args.k else [])]
        for name, target in (("cold", COLD), ("from the store", CACHED)):
            found = took(["run", *asked, "--out", str(folder / "report")], home)
            what = f"{' '.join(args.suites)} on a random OPT-125M, {name}"
            figure(what, found.seconds, "s", at_most=target, machine=True)
            figure(f"{what}, processor", found.processor, "s", machine=True)
            figure(f"{what}, memory of all processes", found.gigabytes, "GB", at_most=MEMORY)
            if found.tick is not None and name == "cold":
                figure(f"{what}, first recording after", found.tick, "s", at_most=TICK, machine=True)
            missed |= found.seconds > 1.5 * target or found.gigabytes > 1.5 * MEMORY
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
