"""Worker processes: on Linux forked from a server that has imported, once for all of them, what claims and figures need."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import connection
from threading import Thread

PRELOADED = (
    "modclaims.families.axes.axis_streams",
    "modclaims.report.figures",
    "pingouin",
    "scipy.stats",
    "sklearn.feature_extraction.text",
)
"""What takes long to import. Importing starts no threads, so that forking afterwards is safe."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt, as glibc's malloc.h numbers them."""
MMAP_THRESHOLD, TRIM_THRESHOLD = 2**25, 2**30
"""Bytes; the first is the most that glibc takes."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ready() -> None:
    """Begin importing in the background, so that it is done when the first worker is asked for."""
    if sys.platform == "linux":
        from multiprocessing import forkserver

        multiprocessing.set_forkserver_preload(list(PRELOADED))
        forkserver.ensure_running()


def pool(workers: int, prepare: Callable[[], object] | None = None) -> ProcessPoolExecutor:
    """So many processes, none of which shares anything with this one; each calls `prepare` first, and none outlives it."""
    ready()
    method = "forkserver" if sys.platform == "linux" else "spawn"
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(prepare,))


def _begin(prepare: Callable[[], object] | None) -> None:
    _keep_memory()
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    if prepare is not None:
        prepare()


def _end_with(sentinel: int) -> None:
    """End this process once the one that asked for it is gone, in the middle of a job too: nobody waits for its answer."""
    connection.wait([sentinel])
    os._exit(1)


def _keep_memory() -> None:
    """Let glibc keep what is freed: to be given it again page by page takes up to a tenth of the time of large arrays."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
