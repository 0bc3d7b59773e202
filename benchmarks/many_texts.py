"""What one claim takes with many texts, or many cells: seconds of one process, and its memory at most.

    python benchmarks/many_texts.py [--texts 256 1024] [--family CategoryClustering] [--layers 12] [--width 768]

Activations of as many texts as are asked for, of four categories and as many topics, at 12 layers of 768 units and 10 positions
(and four times as many neurons), are made as they are asked for, as a store would read them. Each claim is weighed whole, with figures, rival explanations and five
untrained networks, at 9,999 relabellings and 9,999 resamples, on one BLAS thread, in a process of its own. Growth is the exponent between each two numbers of texts.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
from figures import figure
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import modclaims
from modclaims.corpus import Corpus, Text
from modclaims.hypothesis import Hypothesis
from modclaims.look import TestSettings
from modclaims.recording import Activations, ModelShape, Recording, Request

HEADS, POSITIONS, CATEGORIES = 12, 10, 4
CLAIMS = {
    "CategoryClustering": {"site": "attn_out"},
    "CategoryClustering, within topics": {"site": "attn_out", "within": "topic"},
    "HeadSelectivity": {},
    "HeadSelectivity, of a category": {"category": "c0"},
    "HeadSelectivity, neurons": {"unit": "neuron"},
    "HeadSelectivity, neurons of a category": {"unit": "neuron", "category": "c0"},
    "AxisStreams": {},
    "AxisStreams, of a category": {"category": "c0"},
    "WithinVersusStyle": {"within": "topic"},
    "LowRankSimilarity": {},
    "SubspaceSeparation": {},
    "InputReconstruction": {},
}
"""Constants of the claims that are timed."""
TARGETS = {
    ("CategoryClustering", 1024): (60.0, 2.0),
    ("CategoryClustering", 4096): (900.0, 4.0),
    ("HeadSelectivity", 4096): (60.0, None),
    ("HeadSelectivity, neurons", 64): (300.0, 2.0),
    ("AxisStreams", 64): (300.0, 2.0),
}
"""Seconds and GB of a claim at so many texts (12 layers of 768; axes of 32 layers of 2,560)."""


@dataclass(frozen=True)
class Made:
    """Arrays made when they are asked for: noise of each text's own, and its category's direction in the network itself."""

    texts: int
    width: int

    def array(self, request: Request, layer: int) -> NDArray[np.floating]:
        """Of one site at one layer."""
        assert isinstance(request, Activations)
        rng = np.random.default_rng([layer, len(request.site), sum(map(ord, request.variant or ""))])
        by_head = request.site in ("head_z", "q", "k", "v")
        units = 4 * self.width if request.site == "mlp_act" else self.width
        shape = (self.texts, POSITIONS, *((HEADS, units // HEADS) if by_head else (units,)))
        if request.reduce == "norm":
            shape = shape[:-1]
        if request.reduce == "mean":
            shape = (self.texts, *shape[2:])
        x = rng.standard_normal(shape, dtype=np.float32)
        by_position = request.reduce != "mean"
        if by_position:
            x += rng.standard_normal((self.texts, 1, *shape[2:]), dtype=np.float32)
        if request.variant is None and request.site != "embed":
            lift = 0.3 * rng.standard_normal((CATEGORIES, *shape[1 + by_position :]), dtype=np.float32)
            lift = lift[np.arange(self.texts) % CATEGORIES]
            x += lift[:, None] if by_position else lift
        return np.asarray(np.abs(x) if request.reduce == "norm" else x)


def recording(texts: int, layers: int, width: int) -> Recording:
    """Texts of four crossed categories and topics, a few words each."""
    rng, words = np.random.default_rng(0), [f"word{i}" for i in range(500)]
    corpus = Corpus(
        "made",
        tuple(
            Text(
                f"t{i:06d}",
                " ".join(rng.choice(words, 20)),
                {"category": f"c{i % CATEGORIES}", "topic": f"s{i // CATEGORIES % CATEGORIES}"},
            )
            for i in range(texts)
        ),
    )
    shape = ModelShape("made", layers, HEADS, HEADS, width, width // HEADS, 4 * width, 2048)
    read = tuple(text.body for text in corpus.texts)
    return Recording(corpus, shape, tuple(range(POSITIONS)), read, Made(texts, width))


def claim_of(name: str) -> Hypothesis:
    """One of `CLAIMS`."""
    family = getattr(modclaims, name.partition(",")[0])
    claim: Hypothesis = type("Timed", (family,), {"__doc__": "A claim that is timed.", **CLAIMS[name]})()
    return claim


def weigh(name: str, texts: int, layers: int, width: int) -> tuple[float, float]:
    """Seconds and GB of one claim."""
    claim = claim_of(name)
    made = recording(texts, layers, width)
    started = time.perf_counter()
    with threadpool_limits(limits=1):
        claim.weigh(made, TestSettings())
    return time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Time each claim at each number of texts."""
    parser = argparse.ArgumentParser(description="Time claims about many texts.")
    parser.add_argument("--texts", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--family", choices=CLAIMS, nargs="+", default=["CategoryClustering"])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(*weigh(asked.family[0], asked.texts[0], asked.layers, asked.width))
        return
    for name in asked.family:
        before: tuple[int, float] | None = None
        for texts in asked.texts:
            command = [
                sys.executable,
                __file__,
                "--one",
                "--family",
                name,
                f"--layers={asked.layers}",
                f"--width={asked.width}",
            ]
            done = subprocess.run([*command, "--texts", str(texts)], capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{name}, {texts} texts: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
                break
            seconds, gigabytes = map(float, done.stdout.split())
            what = f"{name}, {texts} texts x {asked.layers} layers x {asked.width}"
            most = TARGETS.get((name, texts), (None, None))
            figure(what, seconds, "s", at_most=most[0], machine=True)
            figure(f"{what}, memory", gigabytes, "GB", at_most=most[1])
            if before is not None:
                grown = math.log(seconds / before[1]) / math.log(texts / before[0])
                figure(f"{name}, exponent of growth from {before[0]} to {texts} texts", grown, at_most=2.1)
            before = (texts, seconds)


if __name__ == "__main__":
    main()
