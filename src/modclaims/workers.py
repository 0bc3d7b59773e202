"""Worker processes: on Linux forked from a server that has imported, once for all of them, what claims and figures need."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

PRELOADED = (
    "modclaims.families.axis_streams",
    "modclaims.report.figures",
    "pingouin",
    "scipy.stats",
    "sklearn.feature_extraction.text",
    "statsmodels.stats.multitest",
)
"""What takes long to import. Importing starts no threads, so that forking afterwards is safe."""


def ready() -> None:
    """Begin importing in the background, so that it is done when the first worker is asked for."""
    if sys.platform == "linux":
        from multiprocessing import forkserver

        multiprocessing.set_forkserver_preload(list(PRELOADED))
        forkserver.ensure_running()


def pool(workers: int) -> ProcessPoolExecutor:
    """So many processes, none of which shares anything with this one."""
    method = "forkserver" if sys.platform == "linux" else "spawn"
    if sys.platform == "linux":
        ready()
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(method))
