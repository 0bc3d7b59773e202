"""Random numbers for tests."""

from __future__ import annotations

import numpy as np


def rng(seed: int = 0) -> np.random.Generator:
    """A generator of its own, the same for the same seed."""
    return np.random.default_rng(seed)
