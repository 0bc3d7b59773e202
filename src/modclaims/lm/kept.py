"""What transformers made of a model's configuration and tokenizer, kept in the store, so that it need not be loaded again.

Nothing of it is computed here: sizes, the number of parameters, token ids and the parts of texts that were read are what
transformers gave once for the very same files, under the same versions. What is damaged, or not there, is asked for anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from modclaims import __version__, numerics
from modclaims.lm.anatomy import ANATOMIES, Anatomy
from modclaims.lm.checkpoint import Checkpoint
from modclaims.lm.store import READINGS
from modclaims.lm.stored_files import replace_file
from modclaims.lm.tokens import ReadText
from modclaims.lm.torch_build import torch_version
from modclaims.lm.untyped import Untyped
from modclaims.recording.entries import KEY_LENGTH

FORMAT = 1
"""Of what is kept, and of how it is laid out."""
_READ_BY = ("transformers", "tokenizers", "sentencepiece", "tiktoken", "protobuf")
"""Libraries that make ids of texts."""
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Known:
    """What a configuration and a tokenizer say of a model."""

    settings: Mapping[str, Any]  # see `settings_of`
    """Of the part of the configuration that describes the trunk, those that the anatomy asks about."""
    parameters: int | None
    """See `ModelShape.parameters`."""
    leading: tuple[int, ...]
    """Special tokens that open every text."""

    @property
    def config(self) -> SimpleNamespace:
        """The settings as attributes, as configurations have them."""
        return SimpleNamespace(**self.settings)


def settings_of(anatomy: Anatomy, config: Any) -> dict[str, Any]:  # configurations, and settings, may be anything
    """Those settings of a configuration that the anatomy asks about."""
    return {name: getattr(config, name) for name in sorted(anatomy.settings) if hasattr(config, name)}


@dataclass(frozen=True)
class KeptReadings:
    """What is kept of one model; a store that cannot be written keeps nothing, and that is no fault."""

    folder: Path
    anatomy: Anatomy

    @classmethod
    def of(cls, root: Path, checkpoint: Checkpoint) -> KeptReadings | None:
        """What a store's root folder keeps of a checkpoint; None where its configuration names no known architecture."""
        try:
            content = (checkpoint.folder / "config.json").read_bytes()
            anatomy = ANATOMIES[json.loads(content)["model_type"]]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        identity = {
            "format": FORMAT,
            "modclaims": __version__,
            "numerics": numerics.EXTRACTOR,
            "torch": torch_version(),
            **{name: _version(name) for name in _READ_BY},
            "anatomy": repr(anatomy),
            "files": checkpoint.digest_beside_weights,
        }
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return cls(root / READINGS / key[:KEY_LENGTH], anatomy)

    def known(self) -> Known | None:
        """What configuration and tokenizer say, if it is kept."""
        for content in self._contents("model"):
            with suppress(ValueError, KeyError, TypeError):
                told = json.loads(content)
                return Known(told["settings"], told["parameters"], tuple(told["leading"]))
        return None

    def keep(self, known: Known) -> None:
        """Keep what they say, unless one of the settings is no plain value."""
        if all(type(value) in _PLAIN for value in known.settings.values()):
            self._write("model", json.dumps(asdict(known), sort_keys=True).encode())

    def texts(self, bodies: Sequence[str], tokens: int) -> tuple[ReadText, ...] | None:
        """These bodies as the model reads their first `tokens` tokens, if all of them are kept together."""
        found = self._arrays(_texts_key(bodies, tokens), ("ids", "lengths", "characters"))
        if found is None or not len(bodies) == len(found["lengths"]) == len(found["characters"]):
            return None
        rows = np.split(found["ids"].astype(np.int64), np.cumsum(found["lengths"])[:-1])
        ends = found["characters"].tolist()
        return tuple(ReadText(ids, body[:end]) for ids, body, end in zip(rows, bodies, ends, strict=True))

    def keep_texts(self, bodies: Sequence[str], tokens: int, read: Sequence[ReadText]) -> None:
        """Keep texts as they were read; none where a tokenizer spells what it read in its own way."""
        if not all(body.startswith(one.read) for body, one in zip(bodies, read, strict=True)):
            return
        arrays: dict[str, NDArray[Any]] = {  # of two kinds of integers
            "ids": np.concatenate([one.ids for one in read]).astype(np.int32),
            "lengths": np.array([len(one.ids) for one in read], dtype=np.int64),
            "characters": np.array([len(one.read) for one in read], dtype=np.int64),
        }
        self._write(_texts_key(bodies, tokens), safetensors.numpy.save(arrays))

    def ordinary(self, vocabulary: int) -> NDArray[np.int64] | None:
        """Ids below `vocabulary` of the tokens that are not special, if they are kept."""
        found = self._arrays(f"ordinary-{vocabulary}", ("ids",))
        return None if found is None else found["ids"].astype(np.int64)

    def keep_ordinary(self, vocabulary: int, ids: NDArray[np.int64]) -> None:
        """Keep them."""
        self._write(f"ordinary-{vocabulary}", safetensors.numpy.save({"ids": ids.astype(np.int32)}))

    def _arrays(self, name: str, parts: Sequence[str]) -> dict[str, NDArray[Untyped]] | None:
        for content in self._contents(name):
            with suppress(SafetensorError, ValueError):
                found = safetensors.numpy.load(content)
                if set(found) == set(parts):
                    return found
        return None

    def _contents(self, name: str) -> Iterator[bytes]:
        """Bytes of whole files of this name; one that is damaged is as good as none."""
        for path in sorted(self.folder.glob(f"{name}.*")):
            with suppress(OSError):
                content = path.read_bytes()
                if hashlib.sha256(content).hexdigest()[:KEY_LENGTH] == path.name.partition(".")[2]:
                    os.utime(path)
                    yield content

    def _write(self, name: str, content: bytes) -> None:
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(self.folder, f"{name}.{hashlib.sha256(content).hexdigest()[:KEY_LENGTH]}", content)


def _texts_key(bodies: Sequence[str], tokens: int) -> str:
    return hashlib.sha256(json.dumps([tokens, *bodies]).encode()).hexdigest()[:KEY_LENGTH]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
