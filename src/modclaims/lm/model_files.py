"""A model as it lies on disk: its checkpoint, configuration and tokenizer, and where its networks would be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypedDict, Unpack

from modclaims.errors import ModelError, UsageError
from modclaims.lm.checkpoint import Checkpoint, find_checkpoint
from modclaims.lm.kept import KeptReadings, Known
from modclaims.lm.store import RecordingStore
from modclaims.lm.torch_build import cuda_is_available
from modclaims.lm.untyped import Untyped

DTYPES = ("float32", "float64", "bfloat16", "float16")
"""As torch calls them."""
_HALVES = ("bfloat16", "float16")
STORED = "stored"
"""Stands for the dtype of the weights, wherever they are run."""


class LoadingOptions(TypedDict, total=False):
    """How a model is found and loaded; each may be left out."""

    dtype: str | None
    """One of `DTYPES`, of weights and activations, or `stored` for what the weights are stored in. None for that too,
    but for float32 in place of half precision on the CPU: it holds the same weights, rounds less, and is several times
    faster there, except than bfloat16 on processors that have instructions for it."""
    device: str | None
    """As torch calls it; None for a CUDA device if there is one and else the CPU."""
    device_map: Any  # transformers takes names, tables of modules and devices, and what accelerate makes of them
    """None, or what transformers' `from_pretrained` takes: then accelerate spreads the weights."""
    offline: bool
    """Nothing is fetched."""
    allow_bin: bool
    """Weights may be pickles."""
    trust_remote_code: bool
    """Code that comes with a model may be run."""


@dataclass(frozen=True)
class Placement:
    """How and where networks are loaded."""

    dtype: str
    """One of `DTYPES`, of weights and activations as they are computed with."""
    stored_dtype: str | None
    """What the weights are stored in, by the name that `Checkpoint.dtype` gives; None where neither they nor the
    configuration tell."""
    device: str
    """Of networks without a device map."""
    device_map: Untyped
    """None, or what transformers' `from_pretrained` takes: then accelerate spreads the weights."""
    trust_remote_code: bool

    @property
    def halved(self) -> bool:
        """Whether numbers are rounded so coarsely that those of a text would depend on its batch."""
        return self.dtype in _HALVES

    @property
    def where(self) -> str:
        """The kind of device, on which the last digits depend."""
        return "device map" if self.device_map is not None else self.device.partition(":")[0]


@dataclass(frozen=True)
class Description:
    """Configuration and tokenizer as transformers reads them; it is loaded when first asked for either.

    Raises `ModelError` if one of them cannot be read.
    """

    checkpoint: Checkpoint
    trust_remote_code: bool

    @property
    def config(self) -> Any:  # transformers' configurations have what their architecture calls for
        """The configuration."""
        return self._both[0]

    @property
    def tokenizer(self) -> Any:  # and its tokenizers a class each
        """The tokenizer."""
        return self._both[1]

    @cached_property
    def _both(self) -> tuple[Untyped, Untyped]:
        return _config_and_tokenizer(self.checkpoint, self.trust_remote_code)


@dataclass(frozen=True)
class ModelFiles:
    """What is known of a model before its weights are read."""

    checkpoint: Checkpoint
    description: Description
    placement: Placement
    kept: KeptReadings | None
    """Where the store keeps what was found before; None of a model that may run its own code, and of pickles."""
    known: Known | None
    """What it keeps of configuration and tokenizer."""


def find_model(spec: str, store: RecordingStore, **options: Unpack[LoadingOptions]) -> ModelFiles:
    """The model that `spec` means, with the options of `LoadingOptions`, and what the store keeps of it.

    Raises what `load_model` raises.
    """
    dtype, trust_remote_code = options.get("dtype"), options.get("trust_remote_code", False)
    if dtype not in (None, STORED, *DTYPES):
        raise UsageError(f"--dtype {dtype!r} is unknown; choose one of {', '.join((STORED, *DTYPES))}.")
    device = _device(options.get("device"))
    checkpoint = find_checkpoint(spec, offline=options.get("offline", False), allow_bin=options.get("allow_bin", False))
    kept = None if trust_remote_code or not checkpoint.safetensors else KeptReadings.of(store.root, checkpoint)
    known = kept.known() if kept is not None else None
    description = Description(checkpoint, trust_remote_code)
    if known is None:
        _ = description.config  # what cannot be read is said before anything else is done
    stored = _stored_dtype(description)
    computed = _computed_dtype(dtype, stored, device, checkpoint)
    placement = Placement(computed, stored, device, options.get("device_map"), trust_remote_code)
    return ModelFiles(checkpoint, description, placement, kept, known)


def _stored_dtype(description: Description) -> str | None:
    """What the weights are stored in; of pickles, what the configuration says, if it says so."""
    if description.checkpoint.dtype is not None:
        return description.checkpoint.dtype
    said = str(description.config.dtype).removeprefix("torch.")
    return said if said in DTYPES else None


def _computed_dtype(asked: str | None, stored: str | None, device: str, checkpoint: Checkpoint) -> str:
    """What weights and activations are computed in. Raises `ModelError` where that is for the user to say."""
    if asked in DTYPES:
        return asked
    stored = stored or "float32"
    if stored not in DTYPES:
        raise ModelError(
            f"The weights of model {checkpoint.origin!r} are stored as {stored}, in which nothing is computed; "
            f"choose what to run them in with --dtype {', '.join(DTYPES)}."
        )
    upcast = asked is None and stored in _HALVES and device.partition(":")[0] == "cpu"
    return "float32" if upcast else stored


def _device(name: str | None) -> str:
    if name is None:
        return "cuda" if cuda_is_available() else "cpu"
    if name == "cpu":
        return name
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:  # torch raises each, by kind of device
        reason = str(fault).strip().splitlines() or ["no reason given"]
        raise UsageError(f"--device {name!r} cannot be used here: {reason[0]}") from None
    return name


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from talking and drawing bars; what matters of it is raised."""
    import transformers

    logging: Any = transformers.utils.logging  # parts of it are untyped
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _config_and_tokenizer(checkpoint: Checkpoint, trust_remote_code: bool) -> tuple[Untyped, Untyped]:
    from transformers import AutoConfig, AutoTokenizer

    options = {"local_files_only": True, "trust_remote_code": trust_remote_code}
    with quiet():
        try:
            config = AutoConfig.from_pretrained(checkpoint.folder, **options)
        except Exception as fault:  # a configuration may break anything in the code that it configures
            raise ModelError(
                f"The configuration of model {checkpoint.origin!r} cannot be read: {brief(fault)}"
            ) from fault
        try:
            tokenizer = AutoTokenizer.from_pretrained(checkpoint.folder, **options)
        except Exception as fault:  # so may a tokenizer's files
            raise ModelError(f"The tokenizer of model {checkpoint.origin!r} cannot be read: {brief(fault)}") from fault
    if method := getattr(config, "quantization_config", None):
        method = method.get("quant_method") if isinstance(method, dict) else getattr(method, "quant_method", None)
        raise ModelError(
            f"Model {checkpoint.origin!r} is quantised ({method or 'by a method without a name'}), and its matrices cannot be "
            "read as numbers; give the model with plain weights, in half precision if memory is short (--dtype bfloat16)."
        )
    return config, tokenizer


def brief(fault: Exception) -> str:
    """The first paragraph of an error, on one line."""
    return " ".join(str(fault).strip().split("\n\n")[0].split()) or type(fault).__name__
