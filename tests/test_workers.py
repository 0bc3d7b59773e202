"""Worker processes: they have what takes long to import, and nothing of the process that asks for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from modclaims import workers

TOLD: list[str] = []


def imported(names: tuple[str, ...]) -> list[bool]:
    return [name in sys.modules for name in names]


def remember(word: str) -> None:
    TOLD.append(word)


def told(_: int) -> list[str]:
    return list(TOLD)


def test_workers_have_imported_what_claims_and_figures_need_where_they_are_forked() -> None:
    names = ("pingouin", "scipy.stats", "sklearn.feature_extraction.text", "matplotlib.figure")
    with workers.pool(1) as pool:
        assert pool.submit(imported, names).result() == [sys.platform == "linux"] * len(names)
        assert pool.submit(imported, ("torch", "transformers")).result() == [False, False]


def test_workers_are_prepared_before_their_first_job() -> None:
    with workers.pool(1, partial(remember, "prepared")) as pool:
        assert pool.submit(told, 0).result() == ["prepared"]


def test_workers_share_nothing_with_the_process_that_asks_for_them() -> None:
    TOLD.append("here")
    with workers.pool(1) as pool:
        assert pool.submit(told, 0).result() == []


ASKS = """
import os, sys, time
from modclaims import workers
if __name__ == "__main__":
    with workers.pool(1) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


def running(process: int) -> bool:
    """Whether a process is there and has not ended; one that has and that nobody asked about is still listed on Linux."""
    try:
        os.kill(process, 0)
        return sys.platform != "linux" or Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][:1] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_end_in_the_middle_of_a_job_when_the_run_is_killed(tmp_path) -> None:
    (tmp_path / "asks.py").write_text(ASKS)
    with subprocess.Popen([sys.executable, tmp_path / "asks.py"], stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        worker = int(asking.stdout.readline())
        assert running(worker)
        asking.send_signal(signal.SIGKILL)
        asking.wait()
        deadline = time.monotonic() + 20
        while running(worker) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not running(worker)
