"""The recording store: what is written is read, what is damaged is noticed, and nobody is in anybody's way."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from modclaims import numerics
from modclaims.errors import ClaimError, UsageError
from modclaims.lm.store import RecordingStore, text_key
from modclaims.lm.stored_source import StoredSource
from modclaims.recording import Activations, Entry, Loss, ModelShape, Reading
from modclaims.runs.run_log import home

KEY = "ab" * 32
SHAPE = ModelShape("m", layers=3, heads=2, kv_heads=2, width=4, head_width=2, mlp_width=8, context=32)
POSITIONS = (3, 5, 7)
TEXT = text_key([0, 5, 9])


def arrays(value: float = 1.0) -> dict[Entry, Any]:
    return {
        Entry("attn_out", 0, POSITIONS): np.full((3, 4), value, np.float32),
        Entry("attn_out", 2, POSITIONS, "mean"): np.full(4, value + 1, np.float64),
        Entry("loss"): np.array(value + 2.0),
    }


def source(store: RecordingStore, *texts: str) -> StoredSource:
    reading = Reading(SHAPE, (8,) * len(texts), 8, POSITIONS)
    return StoredSource(store, reading, texts, {None: store.shelf(KEY, {}).find(texts)})


def test_what_is_written_is_read(store: RecordingStore) -> None:
    other = text_key([1])
    shelf = store.shelf(KEY, {})
    shelf.write(TEXT, arrays(1.0))
    shelf.write(other, arrays(7.0))
    found = source(store, other, TEXT)
    first = found.array(Activations("attn_out"), 0)
    assert first.shape == (2, 3, 4)
    assert first.dtype == np.float32
    assert first[0, 0, 0] == 7.0
    assert first[1, 0, 0] == 1.0
    assert found.array(Activations("attn_out", reduce="mean"), 2).dtype == np.float64
    np.testing.assert_array_equal(found.array(Activations("attn_out", reduce="mean"), -1), [[8.0] * 4, [2.0] * 4])
    np.testing.assert_array_equal(found.array(Loss()), [9.0, 3.0])


def test_entries_of_one_text_may_lie_in_several_files(store: RecordingStore) -> None:
    shelf = store.shelf(KEY, {})
    for entry, array in arrays().items():
        shelf.write(TEXT, {entry: array})
    assert len(shelf.find([TEXT])[TEXT]) == 3
    assert source(store, TEXT).array(Loss())[0] == 3.0


def test_shorter_rows_of_a_pattern_are_filled_with_zeros(store: RecordingStore) -> None:
    short, long = text_key([1]), text_key([2])
    shelf = store.shelf(KEY, {})
    for key, keys in ((short, 9), (long, 12)):
        shelf.write(key, {Entry("attn_pattern", 0, POSITIONS): np.ones((3, 2, keys), np.float32)})
    found = source(store, short, long).array(Activations("attn_pattern"), 0)
    assert found.shape == (2, 3, 2, 12)
    assert found[0].sum() == 3 * 2 * 9
    assert not found[0, ..., 9:].any()
    assert found[1].all()


def test_what_was_not_recorded_is_said(store: RecordingStore) -> None:
    store.shelf(KEY, {}).write(TEXT, arrays())
    for request, layer in ((Activations("attn_out"), 1), (Activations("q"), 0), (Loss("untrained:0"), 0)):
        with pytest.raises(ClaimError, match="Nothing was recorded"):
            source(store, TEXT).array(request, layer)


def test_names_of_entries_tell_positions_apart() -> None:
    names = [Entry("q", 1, positions).name for positions in ((3, 5, 7), (3, 5, 8), (3, 5), (3,), (0, 1, 2, 3))]
    assert names == ["q/1/3:8:2/none", "q/1/3,5,8/none", "q/1/3,5/none", "q/1/3/none", "q/1/0:4:1/none"]


def test_what_made_an_entry_is_part_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        Entry("loss"),
        Entry("q", 1, (3,)),
        Entry("weights.q", 1),
        Entry("jacobian.mlp@untrained:0", 1, (0,), "values"),
    ]
    names = ["loss", "q/1/3/none", "weights.q/1//none", "jacobian.mlp@untrained:0/1/0/values"]
    assert [entry.name for entry in entries] == names
    assert [entry.key for entry in entries] == [
        *(f"{name}#e1" for name in names[:3]),
        f"{names[3]}#e1j{numerics.JACOBIANS}",
    ]
    monkeypatch.setattr(numerics, "JACOBIANS", 7)
    assert [entry.key for entry in entries] == [*(f"{name}#e1" for name in names[:3]), f"{names[3]}#e1j7"]
    monkeypatch.setattr(numerics, "EXTRACTOR", 2)
    assert [entry.key for entry in entries] == [*(f"{name}#e2" for name in names[:3]), f"{names[3]}#e2j7"]
    monkeypatch.setattr(numerics, "STATISTICS", 5)
    assert entries[0].key == "loss#e2", "recordings outlive statistics"


def test_what_another_extractor_made_is_found_by_name_only(
    store: RecordingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.shelf(KEY, {}).write(TEXT, arrays())
    monkeypatch.setattr(numerics, "EXTRACTOR", 2)
    (file,) = store.shelf(KEY, {}).find([TEXT])[TEXT]
    assert file.names == {entry.name for entry in arrays()}
    with pytest.raises(ClaimError, match="Nothing was recorded"):
        source(store, TEXT).array(Loss())


def test_only_what_can_be_served_counts_as_used(store: RecordingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what another extractor made goes with the rest that nobody reads."""
    old = store.shelf(KEY, {}).write(TEXT, arrays()).path
    monkeypatch.setattr(numerics, "EXTRACTOR", 2)
    new = store.shelf(KEY, {}).write(TEXT, arrays()).path
    for path in (old, new):
        os.utime(path, (time.time() - 40 * 86400,) * 2)
    assert len(store.shelf(KEY, {}).find([TEXT])[TEXT]) == 2
    assert store.prune(older_than_days=30) > 0
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("harm", ["flipped", "truncated", "emptied", "header"])
def test_a_damaged_file_is_noticed_said_and_deleted(
    harm: str, store: RecordingStore, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = store.shelf(KEY, {})
    kept, lost = shelf.write(TEXT, {Entry("loss"): np.array(1.0)}), shelf.write(TEXT, arrays())
    content = bytearray(lost.path.read_bytes())
    if harm == "flipped":
        content[-9] ^= 1
    if harm == "header":
        content[:8] = b"\xff" * 8
    lost.path.write_bytes({"truncated": content[:-20], "emptied": b""}.get(harm, content))
    with caplog.at_level(logging.WARNING, "modclaims"):
        found = shelf.find([TEXT])[TEXT]
    assert found == (kept,)
    assert not lost.path.exists()
    assert [str(lost.path) in message and "damaged" in message for message in caplog.messages] == [True]


def test_a_file_that_vanishes_after_it_was_found_is_said(store: RecordingStore) -> None:
    file = store.shelf(KEY, {}).write(TEXT, arrays())
    found = source(store, TEXT)
    content = file.path.read_bytes()
    for harm in (file.path.unlink, lambda: file.path.write_bytes(content[: len(content) // 2])):
        harm()
        with pytest.raises(UsageError, match="Run again"):
            found.array(Activations("attn_out", reduce="mean"), 2)


def test_a_store_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match=r"cannot be written .* MODCLAIMS_HOME .* --no-cache"):
        RecordingStore(tmp_path / "file" / "store").shelf(KEY, {})


def test_files_are_safetensors_and_nothing_else_is_left(store: RecordingStore) -> None:
    file = store.shelf(KEY, {"name": "m"}).write(TEXT, arrays())
    assert set(load_file(file.path)) == {entry.key for entry in arrays()}
    assert sorted(path.suffix for path in file.path.parent.iterdir()) == [".json", ".safetensors"]


def write_and_read(root: str, rounds: int) -> int:
    """How often another process' writing showed: what was found was not one whole file with what was written."""
    shelf, wrong = RecordingStore(root).shelf(KEY, {"name": "m"}), 0
    large = {Entry("attn_out", 0, POSITIONS): np.arange(100_000.0), Entry("loss"): np.array(1.0)}
    for round_ in range(rounds):
        key = text_key([round_ % 2])
        shelf.write(key, large)
        wrong += len(shelf.find([key])[key]) != 1
    return wrong


def test_processes_that_write_the_same_entries_never_see_half_a_file(store: RecordingStore) -> None:
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
        assert [*pool.map(write_and_read, [str(store.root)] * 3, [30] * 3)] == [0, 0, 0]
    (row,) = store.usage()
    assert (row.files, row.entries) == (2, 4)
    assert not [*row.folder.glob(".*")]


def test_usage_lists_networks_by_size(store: RecordingStore) -> None:
    small, large = store.shelf(KEY, {"name": "small"}), store.shelf("cd" * 32, {"name": "large"})
    small.write(TEXT, {Entry("loss"): np.array(1.0)})
    for text in range(3):
        large.write(text_key([text]), arrays())
    first, second = store.usage()
    assert (first.about["name"], first.files, first.entries) == ("large", 3, 9)
    assert (second.about["name"], second.files, second.entries) == ("small", 1, 1)
    assert first.bytes == sum(path.stat().st_size for path in first.folder.glob("*.safetensors"))
    assert abs(first.used - time.time()) < 60


def test_prune_frees_what_was_not_used_for_so_long(store: RecordingStore) -> None:
    shelf = store.shelf(KEY, {})
    old, used, new = (shelf.write(text_key([text]), arrays(text)).path for text in range(3))
    for path in (old, used):
        os.utime(path, (time.time() - 40 * 86400,) * 2)
    shelf.find([text_key([1])])
    size = old.stat().st_size
    assert store.prune(older_than_days=30) == size
    assert not old.exists()
    assert used.exists()
    assert new.exists()


def test_prune_without_an_age_frees_everything(store: RecordingStore) -> None:
    store.shelf(KEY, {}).write(TEXT, arrays())
    store.shelf("cd" * 32, {}).write(TEXT, arrays())
    assert store.prune() > 0
    assert store.usage() == []
    assert store.prune() == 0


def test_a_temporary_store_goes_with_its_last_user() -> None:
    store = RecordingStore.temporary()
    store.shelf(KEY, {}).write(TEXT, arrays())
    root, found = store.root, source(store, TEXT)
    del store
    assert found.array(Loss())[0] == 3.0
    del found
    assert not root.exists()


def test_a_source_can_be_sent_to_another_process(store: RecordingStore) -> None:
    store.shelf(KEY, {}).write(TEXT, arrays())
    copy = pickle.loads(pickle.dumps(source(store, TEXT)))
    assert copy.array(Loss())[0] == 3.0
    temporary = RecordingStore.temporary()
    copied = pickle.loads(pickle.dumps(temporary))
    del copied
    assert temporary.root.exists()


def test_the_root_is_the_users_cache_folder_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/someone"))
    for name in ("MODCLAIMS_HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    expected = {
        "linux": "/home/someone/.cache/modclaims",
        "darwin": "/home/someone/Library/Caches/modclaims",
        "win32": "/home/someone/AppData/Local/modclaims",
    }
    for platform, folder in expected.items():
        monkeypatch.setattr(sys, "platform", platform)
        assert home() == Path(folder)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert home() == Path("/caches/modclaims")
    monkeypatch.setenv("MODCLAIMS_HOME", str(tmp_path))
    assert RecordingStore().root == tmp_path


def test_reading_recordings_needs_no_torch() -> None:
    code = "import sys, modclaims.lm.stored_source; sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
