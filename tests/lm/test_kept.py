"""What transformers made of a model is kept, served for the same files alone, and asked anew where it is damaged."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lm.tiny_architectures import TINY, save
from lm.tiny_opt import texts

from modclaims.lm import model_files, torch_build
from modclaims.lm.model import LanguageModel, load_model
from modclaims.lm.store import RecordingStore
from modclaims.recording import RandomTokens


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "_config_and_tokenizer", lambda *_: pytest.fail("transformers was asked"))


def seen(model: LanguageModel) -> tuple[object, ...]:
    """All that a model says before its weights are read."""
    corpus = texts(20, 70)
    drawn = model._drawn([RandomTokens(seed=0, period=5, number=n) for n in range(2)])
    read = [(one.ids.tolist(), one.read) for one in (*model._as_read([t.body for t in corpus.texts], 24), *drawn)]
    return model.shape, model.vocabulary, model.leading, read, model.reading(corpus, 24)


@pytest.mark.parametrize("name", TINY)
def test_what_is_kept_is_what_transformers_said(
    name: str, tmp_path: Path, store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save(tmp_path, name)
    first = seen(load_model(str(folder), device="cpu", store=store))
    unread(monkeypatch)
    assert seen(load_model(str(folder), device="cpu", store=store)) == first


def test_any_file_beside_the_weights_may_make_another_model(
    plain: Path, tmp_path: Path, store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(plain, tmp_path / "model"))
    load_model(str(folder), device="cpu", store=store)
    unread(monkeypatch)
    load_model(str(folder), device="cpu", store=store)
    (folder / "merges.txt").write_text("a b")
    with pytest.raises(pytest.fail.Exception, match="transformers was asked"):
        load_model(str(folder), device="cpu", store=store)


def test_what_is_damaged_is_asked_for_anew(plain: Path, store: RecordingStore) -> None:
    first = seen(load_model(str(plain), device="cpu", store=store))
    kept = [path for path in (store.root / "readings").rglob("*") if path.is_file()]
    assert len(kept) == 3  # the model, the texts, ordinary tokens
    for path in kept:
        path.write_bytes(path.read_bytes()[:-1])
    assert seen(load_model(str(plain), device="cpu", store=store)) == first


def test_readings_are_pruned_with_recordings(plain: Path, store: RecordingStore) -> None:
    load_model(str(plain), device="cpu", store=store)
    assert store.prune(1) == 0
    assert store.prune() > 0
    assert not list((store.root / "readings").iterdir())


def test_torch_says_of_itself_what_its_file_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setattr(torch_build, "find_spec", lambda name: torch.__spec__)
    torch_build._build.cache_clear()
    assert torch_build.torch_version() == str(torch.__version__)
    if torch.version.cuda is None and torch.version.hip is None:
        assert not torch_build.cuda_is_available()
    assert "torch" not in sys.modules
    np.testing.assert_equal(torch_build._build()["cuda"], torch.version.cuda)
