"""Where a model lies on disk: from what a user wrote to a folder with configuration, weights and tokenizer.

Nothing in `lm` imports transformers or huggingface_hub before a model has been asked for, so that `offline` takes effect
first; a folder is found without either.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError, safe_open

from modclaims.errors import ClaimError, ModelError
from modclaims.lm.variants import KINDS, Variant
from modclaims.shipped import shipped

_DTYPES = {"F64": "float64", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}
EMBEDDED = ("data", "models", "opt-mini")
TRY_SECONDS = 3.0
"""How long the hub may take to answer at all before a run goes on with local files."""
_TOKENIZERS = (
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("tokenizer.model",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
)
_TOKENIZER_FILES = (
    *(name for names in _TOKENIZERS for name in names),
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class Checkpoint:
    """A model's folder, found to hold a configuration, weights that may be read, and a tokenizer."""

    stem: str
    """The folder's or repository's own name."""
    origin: str
    """`embedded`, the folder as it was given, or the hub id."""
    folder: Path = field(repr=False)
    weights: tuple[Path, ...]
    variant: Variant | None = None
    revision: str | None = None
    """Of a hub model, the commit."""

    @property
    def name(self) -> str:
        """Short, for reports: with the variant, if it is one."""
        return self.called(self.variant)

    def called(self, variant: Variant | None) -> str:
        """The name of a variant of this model (None: of the weights as they are)."""
        return f"{self.stem}#{variant}" if variant else self.stem

    @property
    def safetensors(self) -> bool:
        """Whether the weights are safetensors; otherwise pickles, which the user allowed."""
        return self.weights[0].suffix == ".safetensors"

    @cached_property
    def dtype(self) -> str | None:
        """What most of the weights are stored in, as torch calls it (as safetensors does, if torch has no such
        floating-point numbers); None of pickles, which do not tell before they are read."""
        if not self.safetensors:
            return None
        sizes: Counter[str] = Counter()
        for path in self.weights:
            with safe_open(path, framework="numpy") as file:
                names = file.keys()  # the file itself is no mapping
                for name in names:
                    part = file.get_slice(name)
                    sizes[part.get_dtype()] += math.prod(part.get_shape())
        found = max(sizes, key=sizes.__getitem__, default="F32")
        return _DTYPES.get(found, found)

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """SHA-256, in hexadecimal, of `weights`, `config`, `tokenizer` and `code` (what a remote-code model runs, if any).

        Of several files, that of their `sha256sum` lines, sorted by name; of none, empty. Reads every byte of them.
        """
        return {
            "weights": _digest(self.weights),
            "config": _digest((self.folder / "config.json",)),
            "tokenizer": _digest(path for name in _TOKENIZER_FILES if (path := self.folder / name).is_file()),
            "code": _digest(self.folder.glob("*.py")),
        }

    @cached_property
    def digest_beside_weights(self) -> str:
        """SHA-256, in hexadecimal, of every file of the folder that cannot hold weights: all that configuration and
        tokenizer may be made of."""
        return _digest(path for path in self.folder.iterdir() if path.suffix not in _OTHER_WEIGHTS and path.is_file())


def _digest(paths: Iterable[Path]) -> str:
    lines = []
    for path in sorted(paths, key=lambda path: path.name):
        with path.open("rb") as file:
            lines.append((hashlib.file_digest(file, "sha256").hexdigest(), path.name))
    if len(lines) < 2:
        return lines[0][0] if lines else ""
    return hashlib.sha256("".join(f"{digest}  {name}\n" for digest, name in lines).encode()).hexdigest()


def find_checkpoint(spec: str, *, offline: bool = False, allow_bin: bool = False) -> Checkpoint:
    """The model that a user means: `embedded`, a folder, or a hub id; with `#variant`, or `@revision` of a hub id.

    An existing folder wins, the whole string first; then a known variant is split off and the rest tried again.
    Raises `ModelError`, once and within seconds, if there is no such model, or not all of it.
    """
    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    plain, hash_sign, word = spec.rpartition("#")
    if spec == "embedded" or Path(spec).is_dir() or not hash_sign:
        return _find(spec, None, offline, allow_bin)
    try:
        variant = Variant.parse(word)
    except ClaimError:
        raise ModelError(
            f"Model {spec!r} is not a folder, and {word!r} is no variant; choose one of {', '.join(KINDS)}, "
            f"with a seed if you like: {plain}#untrained:1."
        ) from None
    return _find(plain, variant, offline, allow_bin)


def _find(spec: str, variant: Variant | None, offline: bool, allow_bin: bool) -> Checkpoint:
    if not spec.strip():
        raise ModelError("No model is named; give --model a folder, a hub id, or `embedded`.")
    if spec == "embedded":
        folder = shipped(*EMBEDDED)
        if not folder.is_dir():
            raise ModelError("The embedded model is missing from this installation; install modclaims anew.")
        return _checkpoint(folder, "embedded", None, variant, allow_bin)
    if Path(spec).is_dir():
        return _checkpoint(Path(spec), spec, None, variant, allow_bin)
    if Path(spec).exists():
        raise ModelError(f"Model {spec!r} is a file; give the folder that holds config.json, weights and tokenizer.")
    return _find_hub_model(spec, variant, offline, allow_bin)


def _checkpoint(
    folder: Path, origin: str, revision: str | None, variant: Variant | None, allow_bin: bool
) -> Checkpoint:
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"Model {origin!r} has no config.json; give a folder as transformers' save_pretrained writes it."
        )
    weights = _weights(folder, origin, allow_bin)
    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZERS):
        raise ModelError(
            f"Model {origin!r} has no tokenizer ({', or '.join(' with '.join(names) for names in _TOKENIZERS)}); "
            "save it beside the weights with the tokenizer's save_pretrained."
        )
    stem = origin.split("/")[-1] if revision else folder.resolve().name
    return Checkpoint(stem, origin, folder, weights, variant, revision)


def _weights(folder: Path, origin: str, allow_bin: bool) -> tuple[Path, ...]:
    safe = _shards(folder, origin, "model.safetensors")
    if safe:
        for path in safe:
            try:
                with safe_open(path, framework="numpy"):
                    pass
            except (SafetensorError, OSError) as fault:
                raise ModelError(
                    f"Weights {path.name} of model {origin!r} are damaged ({fault}); fetch them again."
                ) from None
        return safe
    pickled = _shards(folder, origin, "pytorch_model.bin")
    if pickled and allow_bin:
        return pickled
    if pickled:
        raise ModelError(
            f"Model {origin!r} has its weights in {pickled[0].name} only, a pickle, and no safetensors. Convert them, or "
            "pass --allow-bin to read them with torch.load(weights_only=True)."
        )
    other = sorted(path.name for path in folder.iterdir() if path.suffix in _OTHER_WEIGHTS)
    raise ModelError(
        f"Model {origin!r} has no weights: neither model.safetensors nor model.safetensors.index.json"
        + (f", only {', '.join(other[:3])}, which modclaims does not read." if other else ".")
        + " Give a folder as transformers' save_pretrained writes it."
    )


_OTHER_WEIGHTS = {".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".gguf", ".ckpt", ".onnx"}


def _shards(folder: Path, origin: str, name: str) -> tuple[Path, ...]:
    """The weights in one file, or in those that an index names; empty if there are none."""
    if (folder / name).is_file():
        return (folder / name,)
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return ()
    try:
        names = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
        shards = tuple(folder / shard for shard in names)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"Index {index.name} of model {origin!r} is damaged; fetch it again.") from None
    if missing := [path.name for path in shards if not path.is_file()]:
        raise ModelError(
            f"Model {origin!r} lacks {len(missing)} of {len(shards)} files of weights that {index.name} names, "
            f"the first {missing[0]}; fetch them."
        )
    return shards


def _find_hub_model(spec: str, variant: Variant | None, offline: bool, allow_bin: bool) -> Checkpoint:
    """A model of the hub: from the local cache if it is there, else fetched if the hub answers."""
    repository, _, revision = spec.partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repository) or repository.startswith("."):
        raise ModelError(
            f"Model {spec!r} is neither a folder here nor the id of a hub model (such as facebook/opt-125m)."
        )

    import huggingface_hub
    from huggingface_hub import constants

    offline = offline or constants.HF_HUB_OFFLINE
    cached = huggingface_hub.try_to_load_from_cache(repository, "config.json", revision=revision or None)
    incomplete: ModelError | None = None
    if isinstance(cached, str):
        folder = Path(cached).parent
        try:
            return _checkpoint(folder, repository, folder.name, variant, allow_bin)
        except ModelError as fault:
            incomplete = fault
    if not offline and _answers(constants.ENDPOINT):
        folder = _fetch(repository, revision or None, allow_bin)
        return _checkpoint(folder, repository, folder.name, variant, allow_bin)
    why = (
        "--offline or HF_HUB_OFFLINE is set"
        if offline
        else f"{constants.ENDPOINT} did not answer within {TRY_SECONDS:.0f} s"
    )
    if incomplete is not None:
        raise ModelError(f"{incomplete} (This is the hub's cache {constants.HF_HUB_CACHE}, and {why}.)")
    raise ModelError(
        f"Model {spec!r} is neither a folder here nor in the hub's cache {constants.HF_HUB_CACHE}, and {why}. Give --model "
        "a folder with config.json, weights and tokenizer, connect to the hub, or set HF_HOME to where the model is cached."
    )


def _answers(endpoint: str) -> bool:
    """Whether the hub answers at all, tried once. In a thread, because looking up a name knows no time limit."""
    from huggingface_hub import get_session

    answered = threading.Event()

    def call() -> None:
        try:
            get_session().head(endpoint, timeout=TRY_SECONDS)
            answered.set()
        except Exception:  # whatever went wrong, the hub was not reached
            pass

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(TRY_SECONDS)
    return answered.is_set()


def _fetch(repository: str, revision: str | None, allow_bin: bool) -> Path:
    """Download what a recording needs of a hub model, and nothing else; the folder in the hub's cache."""
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    called = f"{repository}@{revision}" if revision else repository
    try:
        info = huggingface_hub.HfApi().model_info(repository, revision=revision, timeout=10)
        names = _needed({file.rfilename for file in info.siblings or ()}, called, allow_bin)
        return Path(huggingface_hub.snapshot_download(repository, revision=revision, allow_patterns=names))
    except ModelError:
        raise
    except GatedRepoError:
        raise ModelError(f"Model {called!r} is gated: ask for access on its hub page, then `hf auth login`.") from None
    except RevisionNotFoundError:
        raise ModelError(f"Hub model {repository!r} has no revision {revision!r}.") from None
    except RepositoryNotFoundError:
        raise ModelError(
            f"Model {called!r} is neither a folder here nor a model of the hub (if it is private, `hf auth login` first)."
        ) from None
    except Exception as fault:  # among them those of the HTTP library, which is the hub client's own affair
        raise ModelError(f"Model {called!r} could not be fetched from the hub: {fault}") from fault


def _needed(names: set[str], called: str, allow_bin: bool) -> list[str]:
    """Of a repository's files, those to download. Raises `ModelError` if there are no weights that may be read."""
    for weights, allowed in (("model.safetensors", True), ("pytorch_model.bin", allow_bin)):
        start, end = weights.split(".")
        index = f"{weights}.index.json"
        if allowed and (weights in names or index in names):
            parts = [weights] if weights in names else [index, f"{start}-*.{end}"]
            return ["config.json", *_TOKENIZER_FILES, *parts, "*.py"]
    if any(name.startswith("pytorch_model") for name in names):
        raise ModelError(
            f"Hub model {called!r} has pickled weights (pytorch_model.bin) only, and no safetensors. Choose a revision "
            "that has them, or pass --allow-bin to read the pickles with torch.load(weights_only=True)."
        )
    raise ModelError(f"Hub model {called!r} has no weights that modclaims reads (model.safetensors).")
