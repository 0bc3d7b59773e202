"""Plugins of the tests themselves, and their order."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

pytest_plugins = ["pytester"]
# Properties are checked on the same examples every time, and without a clock: a slow machine is no failure.
settings.register_profile("modclaims", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("modclaims")


def pytest_configure() -> None:
    """Torch is imported before any run inside a test, which forgets what it was the first to import, and twice is a crash."""
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `long` come first, so that no process waits for one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as small as those of tests are slower on several threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def corner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of one's own to run commands in, with recordings and a log of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODCLAIMS_HOME", str(tmp_path / "home"))
    return tmp_path
