"""What the many-cell permutation test costs beside a bare matrix product, and beside looping scikit-bio's anosim.

    python benchmarks/permutation.py [--repeats 9] [--loops 2]

The work: 9,999 relabellings of 100 texts at 144 similarity matrices, drawn, weighed, exceedances counted, step-down maxT
included. The bare product multiplies, in one go, the (relabelling, pair) matrix of same-category pairs, ready in
float64, with the (pair, cell) similarities. Both run on one BLAS thread, interleaved, in CPU time; the ratio printed is
the median of the repeats'. scikit-bio tests one matrix a call, so that `--loops` calls are timed and scaled to 144.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from figures import figure
from numpy.typing import NDArray
from skbio.stats.distance import DistanceMatrix, anosim
from threadpoolctl import threadpool_limits

from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.chance.multiplicity import weigh_cells
from modclaims.stats.chance.permutation import Pairs, gap_null

Floats = NDArray[np.float64]

TEXTS, CELLS, DRAWS = 100, 144, 9_999
PRODUCT_TARGET, LOOP_TARGET = 3.0, 100.0
DESIGNS = {
    "4 categories of 25": (["a", "b", "c", "d"] * 25, None),
    "20, 22, 28 and 30 texts": (["a"] * 20 + ["b"] * 22 + ["c"] * 28 + ["d"] * 30, None),
    "4 categories in 4 strata": (["a", "b", "c", "d"] * 25, [str(i // 25) for i in range(TEXTS)]),
}


def seconds(work: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


def symmetric(rng: np.random.Generator) -> Floats:
    """A random similarity matrix."""
    matrix = rng.normal(size=(TEXTS, TEXTS))
    return np.asarray((matrix + matrix.T) / 2)


def weigh(similarities: Floats, pairs: Pairs, design: Design) -> None:
    """All that a claim does between its similarities and its adjusted p-values."""
    drawn = relabellings(design, budget=DRAWS, rng=np.random.default_rng(0), blind="within_strata")
    weigh_cells(*gap_null(similarities, pairs, design, drawn))


def ready_product(similarities: Floats, pairs: Pairs, design: Design) -> Callable[[], Floats]:
    """The bare product, its left side made beforehand."""
    drawn = relabellings(design, budget=DRAWS, rng=np.random.default_rng(0), blind="within_strata")
    same = (drawn.labels[:, pairs.i] == drawn.labels[:, pairs.j]).astype(np.float64)
    return lambda: same @ similarities


def beside_product(repeats: int, matrices: list[Floats]) -> float:
    """Print the ratio of each design; give the seconds of the first."""
    first = 0.0
    for name, (labels, strata) in DESIGNS.items():
        design = Design.of(labels, strata)
        pairs = Pairs.of(design)
        similarities = pairs.matrix(matrices)
        product = ready_product(similarities, pairs, design)
        weigh(similarities, pairs, design)
        product()
        bare, ours = [], []
        for _ in range(repeats):
            bare.append(seconds(product))
            ours.append(seconds(lambda s=similarities, p=pairs, d=design: weigh(s, p, d)))
        ratio = statistics.median(o / b for o, b in zip(ours, bare, strict=True))
        first = first or statistics.median(ours)
        figure(f"{name} ({len(pairs):,} pairs), over a bare product", ratio, at_most=PRODUCT_TARGET)
        figure(f"{name}, the test", statistics.median(ours), "s", machine=True)
    return first


def beside_loops(loops: int, matrices: list[Floats], ours: float) -> None:
    """Print how many times faster the first design is than one call of anosim a matrix."""
    labels, _ = next(iter(DESIGNS.values()))
    distances = []
    for matrix in matrices[:loops]:
        distance = matrix.max() - matrix
        np.fill_diagonal(distance, 0.0)
        distances.append(DistanceMatrix(distance))
    timed = [seconds(lambda d=d: anosim(d, labels, permutations=DRAWS)) for d in distances]
    looped = statistics.median(timed) * CELLS
    figure(f"scikit-bio's anosim, a call for each of {CELLS} matrices, over ours", looped / ours, at_least=LOOP_TARGET)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="interleaved repeats of ours and the bare product")
    parser.add_argument("--loops", type=int, default=2, help="calls of scikit-bio's anosim that are timed")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    matrices = [symmetric(rng) for _ in range(CELLS)]
    print(f"{DRAWS:,} relabellings x {CELLS} similarity matrices of {TEXTS} texts, one BLAS thread, CPU time")
    with threadpool_limits(limits=1):
        ours = beside_product(options.repeats, matrices)
        beside_loops(options.loops, matrices, ours)


if __name__ == "__main__":
    main()
