"""Worker processes: they have what takes long to import, and nothing of the process that asks for them."""

from __future__ import annotations

import sys
from functools import partial

from modclaims import workers

TOLD: list[str] = []


def imported(names: tuple[str, ...]) -> list[bool]:
    return [name in sys.modules for name in names]


def remember(word: str) -> None:
    TOLD.append(word)


def told(_: int) -> list[str]:
    return list(TOLD)


def test_workers_have_imported_what_claims_and_figures_need_where_they_are_forked() -> None:
    names = ("pingouin", "scipy.stats", "statsmodels.stats.multitest", "matplotlib.figure")
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
