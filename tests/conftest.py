"""Plugins of the tests themselves, and their order."""

import pytest

pytest_plugins = ["pytester"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `long` come first, so that no process waits for one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
