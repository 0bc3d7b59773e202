"""A GGUF file read with numpy alone: the witness that `smollm2.py` holds transformers' conversion against.

Only what SmolLM2's file holds is read: a Llama whose matrices are stored as F32, Q4_1 or Q8_0. Written from the format's
description, and sharing no code with the package `gguf`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
BLOCK = 32
"""Numbers that share a scale, in both kinds of quantisation."""
_STRING, _ARRAY = 8, 9
_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_ENDS = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


@dataclass(frozen=True)
class Tensor:
    """Where one tensor lies, and how."""

    shape: tuple[int, ...]
    """As torch has it: the axis whose numbers lie side by side comes last."""
    kind: int
    """GGML's number of its quantisation."""
    start: int
    """Its first byte in the file."""


@dataclass(frozen=True)
class GgufFile:
    """Settings and tensors of one file."""

    content: bytes
    settings: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @classmethod
    def read(cls, path: Path) -> GgufFile:
        """Raises `ValueError` for another kind of file, or a version that is not 3."""
        content = path.read_bytes()
        if content[:4] != b"GGUF" or (version := struct.unpack_from("<I", content, 4)[0]) != 3:
            raise ValueError(
                f"{path.name} is no GGUF file" + (f" of version 3: {version}" if content[:4] == b"GGUF" else "")
            )
        cursor = _Cursor(content, 8)
        tensors, settings = cursor.scalar("Q"), cursor.scalar("Q")
        told = {cursor.string(): cursor.value(cursor.scalar("I")) for _ in range(settings)}
        rows = [cursor.tensor() for _ in range(tensors)]
        step = told.get("general.alignment", 32)
        first = -(-cursor.place // step) * step
        return cls(content, told, {name: Tensor(shape, kind, first + start) for name, shape, kind, start in rows})

    def array(self, name: str) -> Array:
        """One tensor as numbers. Raises `ValueError` for a quantisation that is not read here."""
        tensor = self.tensors[name]
        if tensor.kind not in _KINDS:
            raise ValueError(f"Tensor {name} is stored as kind {tensor.kind}; read are {', '.join(map(str, _KINDS))}.")
        size, numbers, read = _KINDS[tensor.kind]
        count = int(np.prod(tensor.shape))
        content = self.content[tensor.start : tensor.start + count // numbers * size]
        return read(np.frombuffer(content, np.uint8).reshape(-1, size)).reshape(tensor.shape)

    def llama(self) -> dict[str, Array]:
        """All tensors by the names that transformers gives those of a Llama, queries and keys in its order."""
        heads = {"attn_q": self.settings["llama.attention.head_count"]}
        heads["attn_k"] = self.settings["llama.attention.head_count_kv"]
        found = {}
        for name in self.tensors:
            array = self.array(name)
            if name in _ENDS:
                found[_ENDS[name]] = array
                continue
            _, layer, part, what = name.split(".")
            if part in heads:
                array = halves_apart(array, heads[part])
            found[f"model.layers.{layer}.{_PARTS[part]}.{what}"] = array
        return found


@dataclass
class _Cursor:
    """A place in the file's head that moves on as it is read."""

    content: bytes
    place: int

    def scalar(self, code: str) -> Any:  # of whichever kind the code stands for
        (found,) = struct.unpack_from(f"<{code}", self.content, self.place)
        self.place += struct.calcsize(f"<{code}")
        return found

    def string(self) -> str:
        length = self.scalar("Q")
        self.place += length
        return self.content[self.place - length : self.place].decode("utf-8")

    def value(self, kind: int) -> Any:  # of whichever kind the file says
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            inner, length = self.scalar("I"), self.scalar("Q")
            return [self.value(inner) for _ in range(length)]
        return self.scalar(_SCALARS[kind])

    def tensor(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape, kind, and place after the head."""
        name = self.string()
        axes = [self.scalar("Q") for _ in range(self.scalar("I"))]
        return name, tuple(reversed(axes)), self.scalar("I"), self.scalar("Q")


def floats(blocks: NDArray[np.uint8]) -> Array:
    """F32: numbers as they are, (number, 4 bytes)."""
    return np.ascontiguousarray(blocks).view("<f4").astype(np.float32)


def q4_1(blocks: NDArray[np.uint8]) -> Array:
    """Q4_1, (block, 20 bytes): a scale and a least value in float16, then 32 numbers of four bits.

    Byte j holds number j in its lower half and number j + 16 in its upper one.
    """
    scale, least = (_halves(blocks[:, at : at + 2]) for at in (0, 2))
    nibbles = np.concatenate([blocks[:, 4:] & 15, blocks[:, 4:] >> 4], axis=1)
    return scale * nibbles.astype(np.float32) + least


def q8_0(blocks: NDArray[np.uint8]) -> Array:
    """Q8_0, (block, 34 bytes): a scale in float16, then 32 signed bytes."""
    return _halves(blocks[:, :2]) * np.ascontiguousarray(blocks[:, 2:]).view(np.int8).astype(np.float32)


def _halves(pairs: NDArray[np.uint8]) -> Array:
    return np.ascontiguousarray(pairs).view("<f2").astype(np.float32)


_KINDS: dict[int, tuple[int, int, Callable[[NDArray[np.uint8]], Array]]] = {
    0: (4, 1, floats),
    3: (20, BLOCK, q4_1),
    8: (34, BLOCK, q8_0),
}
"""Of each kind, by GGML's number: bytes of a block, numbers in it, and how they are read."""


def halves_apart(matrix: Array, heads: int) -> Array:
    """Rows of a query or key matrix as transformers rotates them.

    GGUF turns neighbouring rows of a head together, (0, 1), (2, 3) ...; transformers row i with row i + half.
    """
    rows, columns = matrix.shape
    pairs = matrix.reshape(heads, rows // heads // 2, 2, columns)
    return np.concatenate([pairs[:, :, 0], pairs[:, :, 1]], axis=1).reshape(rows, columns)
