"""The rotation null of a network of OPT-125M's size: 999 random bases, 100 texts, 12 layers, width 768.

    python benchmarks/rotations.py

Against the same null made by the textbook, in double precision: QR of a Gaussian matrix, and the product. Each way turns 40 bases by two
threads and is timed in turn, three times; the ratio of medians is what a machine does not change.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import resource
import statistics
import time

import numpy as np
from figures import figure

from modclaims.stats.chance.actions import Design
from modclaims.stats.nulls.rotations import Scale, Turning, draws, summarised

LAYERS, TEXTS, WIDTH, BASES, ROTATIONS = 12, 100, 768, 40, 999


def main() -> None:
    rng = np.random.default_rng(0)
    design = Design.of(list("abcde") * (TEXTS // 5), None)
    vectors = rng.normal(size=(LAYERS, TEXTS, WIDTH))
    scale = Scale.of(vectors, design)
    turning = Turning.of(scale.scaled(vectors), scale.kept, design)
    rows = turning.vectors.reshape(-1, WIDTH)

    def by_reflections(stream: np.random.Generator) -> np.ndarray:
        found = turning.turned(stream)
        return summarised(found, "largest", 0.14)

    def by_textbook(stream: np.random.Generator) -> np.ndarray:
        q, r = np.linalg.qr(stream.normal(size=(WIDTH, WIDTH)))
        found = turning.basis.directions((rows @ (q * np.sign(np.diag(r)))).reshape(turning.vectors.shape))
        return summarised(found, "largest", 0.14)

    seconds: dict[str, list[float]] = {"reflections": [], "textbook": []}
    for _ in range(3):
        for name, one in (("reflections", by_reflections), ("textbook", by_textbook)):
            started = time.perf_counter()
            draws(BASES, np.random.default_rng(1), one)
            seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    figure("QR of a Gaussian matrix over reflections", medians["textbook"] / medians["reflections"], at_least=1)
    started = time.perf_counter()
    draws(ROTATIONS, np.random.default_rng(2), by_reflections)
    whole = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    what = f"{ROTATIONS} rotations, {TEXTS} texts, {LAYERS} layers, width {WIDTH}"
    figure(what, whole, "s", at_most=30, machine=True)
    figure(f"{what}, memory", memory, "GB", at_most=2)


if __name__ == "__main__":
    main()
