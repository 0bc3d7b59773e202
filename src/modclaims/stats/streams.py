"""Random streams keyed by what they are for, so that no verdict depends on neighbours, order or workers."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *key: str) -> np.random.Generator:
    """A generator that depends on nothing but `seed` and `key` (claim name, design hash, purpose)."""
    digest = hashlib.sha256("\x1f".join((str(seed), *key)).encode()).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(int.from_bytes(digest, "big"))))
