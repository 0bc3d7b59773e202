"""Tiny networks, and a store of each test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lm.tiny_opt import STYLES, save_model

from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.store import RecordingStore


@pytest.fixture(scope="session", params=sorted(STYLES))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network's folder, once a style."""
    return save_model(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pre-norm network's folder, for what does not depend on the style."""
    return save_model(tmp_path_factory.mktemp("plain"))


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    return RecordingStore(tmp_path / "store")


@pytest.fixture
def load(plain: Path, store: RecordingStore) -> Callable[..., LanguageModel]:
    """Loads the plain network into the test's own store."""

    def load(variant: str = "", **options: object) -> LanguageModel:
        return load_model(f"{plain}{variant}", **{"store": store, **options})

    return load
