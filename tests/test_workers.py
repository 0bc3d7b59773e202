"""Worker processes: they have what takes long to import, and nothing of the process that asks for them."""

from __future__ import annotations

import sys

import pytest

from modclaims import workers

TOLD: list[str] = []


def imported(names: tuple[str, ...]) -> list[bool]:
    return [name in sys.modules for name in names]


def told(_: int) -> list[str]:
    return list(TOLD)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process imports for itself")
def test_workers_have_imported_what_claims_and_figures_need() -> None:
    names = ("pingouin", "scipy.stats", "statsmodels.stats.multitest", "matplotlib.figure")
    with workers.pool(1) as pool:
        assert pool.submit(imported, names).result() == [True] * len(names)
        assert pool.submit(imported, ("torch", "transformers")).result() == [False, False]


def test_workers_share_nothing_with_the_process_that_asks_for_them() -> None:
    TOLD.append("here")
    with workers.pool(1) as pool:
        assert pool.submit(told, 0).result() == []
