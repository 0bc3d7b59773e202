"""Versions of the arithmetic, so that numbers made by other arithmetic are never served as if they were these.

There are three, because recordings outlive many changes of the statistics and Jacobians are costly. They stand in the names
of recordings, in the digests of runs and of what an interrupted run left, and at the head of what a calibration counted.
`scripts/numerics.py` holds the code against fingerprints of what each version was; a test runs it.
"""

from __future__ import annotations

EXTRACTOR = 1
"""What is read off a network: sites, losses, ablations, induction scores, token ids and matrices."""
JACOBIANS = 2
"""Block inputs, Jacobians and their spectra; their inputs come from the extractor, so both versions count."""
STATISTICS = 5
"""From recordings to outcomes: effects, bounds, draws, levels, corrections."""


SAME_WITHIN = 1e-4
"""What effects and their limits on two machines differ by at most, of themselves or of the unit of their scale, whichever is
more. Of the card's 22 claims on the embedded model, under the widest and the humblest kernels of one processor: 2.3e-5."""
SAME_DRAWS = 10
"""By how many draws p-values and levels on two machines differ at most. Under the same kernels: by one."""


def versions() -> dict[str, int]:
    """The three, by name, as they stand in run.json."""
    return {"extractor": EXTRACTOR, "jacobians": JACOBIANS, "statistics": STATISTICS}


def identity() -> str:
    """All that a verdict's numbers depend on besides data, model and settings, in one line."""
    return "numerics " + ", ".join(f"{name} {number}" for name, number in versions().items())


def of_extractor() -> str:
    """What records, in words."""
    return f"version {EXTRACTOR}, Jacobians {JACOBIANS}"


def of_recording(*, jacobian: bool) -> str:
    """What made an array that is kept, in short: `e1`, or `e1j1` for what is read off a Jacobian."""
    return f"e{EXTRACTOR}j{JACOBIANS}" if jacobian else f"e{EXTRACTOR}"
