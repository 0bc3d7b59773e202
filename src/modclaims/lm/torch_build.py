"""The installed torch, as far as it can be known without importing it, which takes seconds."""

from __future__ import annotations

import ast
import ctypes
import sys
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from modclaims.lm.untyped import Untyped


def torch_version() -> str:
    """What `torch.__version__` says, as a plain string."""
    found = None if "torch" in sys.modules else _build().get("__version__")
    if isinstance(found, str):
        return found
    import torch

    return str(torch.__version__)  # its own class would bring torch into every process that weighs


def cuda_is_available() -> bool:
    """What `torch.cuda.is_available()` says; torch is asked only where it was built for devices and a driver is there."""
    if "torch" not in sys.modules and _is_for_cpus_alone(_build()):
        return False
    import torch

    return torch.cuda.is_available()


def _is_for_cpus_alone(build: Mapping[str, Untyped]) -> bool:
    if build.get("hip", "unknown") is not None:
        return False
    return build.get("cuda", "unknown") is None or (sys.platform == "linux" and not _has_driver())


def _has_driver() -> bool:
    """Whether CUDA's driver library can be loaded, without which torch finds no device."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


@cache
def _build() -> Mapping[str, Any]:  # strings and None, as the file writes them
    """Constants that torch's file of versions sets; none where it is not as it always was."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return {}
    try:
        tree = ast.parse((Path(spec.origin).parent / "version.py").read_text("utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return {}
    found = {}
    for one in tree.body:
        target = one.targets[0] if isinstance(one, ast.Assign) else getattr(one, "target", None)
        value = getattr(one, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant):
            found[target.id] = value.value
    return found
