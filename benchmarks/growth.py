"""How costs grow with texts, cells, tokens and relabellings: fitted on log scales, and drawn.

    python benchmarks/growth.py

Seconds of one BLAS thread. Texts: CategoryClustering of 12 layers at 256 to 2,048 texts, without what stands beside the claim. Cells: the neurons of 1 to 8 layers of
3,072, HeadSelectivity at 64 texts. Tokens: an MLP's and attention's Jacobian (768 units) at 1 to 12 tokens. Relabellings: the test of
CategoryClustering at 256 texts, 999 to 15,999 of them. Exponents are slopes of least squares over the larger half of each. Draws
benchmarks/growth.svg.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from figures import figure
from matplotlib.figure import Figure as Drawing
from threadpoolctl import threadpool_limits

Curve = list[tuple[int, float]]
OUT = Path(__file__).resolve().parent / "growth.svg"
TEXTS, LAYERS, TOKENS, RELABELLINGS = (
    (256, 512, 1024, 2048),
    (1, 2, 4, 8),
    (1, 2, 4, 8, 12),
    (999, 1999, 3999, 7999, 15999),
)


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def over_texts() -> Curve:
    """The claim's own part: similarities, relabellings, bounds."""
    import many_texts

    from modclaims.look import TestSettings

    claim = many_texts.claim_of("CategoryClustering")
    made = [(n, many_texts.recording(n, 12, 768)) for n in TEXTS]
    return [(n, seconds(lambda r=one: claim.weigh(r, TestSettings(bare=True)))) for n, one in made]


def over_cells() -> Curve:
    """The same of neurons."""
    import many_texts

    from modclaims.look import TestSettings

    claim = many_texts.claim_of("HeadSelectivity, neurons")
    made = [(layers, many_texts.recording(64, layers, 768)) for layers in LAYERS]
    return [(3072 * n, seconds(lambda r=one: claim.weigh(r, TestSettings(bare=True)))) for n, one in made]


def over_tokens() -> dict[str, Curve]:
    """Spectra token by token, by block."""
    import jacobian

    from modclaims.lm.model import load_model

    with tempfile.TemporaryDirectory() as folder:
        jacobian.random_model(Path(folder))
        network = load_model(folder, device="cpu").network()
        return {
            block: [(n, seconds(lambda b=block, t=n: jacobian.token_spectra(network, b, t))) for n in TOKENS]
            for block in ("mlp", "attention")
        }


def over_relabellings() -> Curve:
    """The test alone."""
    import many_texts

    from modclaims.stats.chance.actions import Design, relabellings
    from modclaims.stats.chance.permutation import Pairs, gap_null

    design = Design.of([f"c{i % many_texts.CATEGORIES}" for i in range(256)])
    pairs = Pairs.of(design)
    similarities = np.random.default_rng(0).standard_normal((len(pairs), 12))
    found: Curve = []
    for count in RELABELLINGS:
        drawn = relabellings(design, budget=count, rng=np.random.default_rng(1), blind="within_strata")
        found.append((count, seconds(lambda d=drawn: gap_null(similarities, pairs, design, d))))
    return found


def exponent(curve: Curve) -> float:
    """Of the larger half of what was timed."""
    x, y = np.log(np.array(curve[len(curve) // 2 - 1 :])).T
    return float(np.polyfit(x, y, 1)[0])


def main() -> None:
    """Time, fit and draw."""
    with threadpool_limits(1):
        curves = {
            "texts, CategoryClustering": (over_texts(), 2.1),
            "cells, HeadSelectivity's neurons": (over_cells(), 1.1),
            **{f"tokens, Jacobian of {name}": (curve, 2.1) for name, curve in over_tokens().items()},
            "relabellings, 256 texts": (over_relabellings(), 1.1),
        }

    plotted = Drawing(figsize=(3.0 * len(curves), 2.8), layout="constrained")
    axes = plotted.subplots(1, len(curves))
    for ax, (name, (curve, at_most)) in zip(axes, curves.items(), strict=True):
        power = exponent(curve)
        figure(f"{name}: exponent of growth", power, at_most=at_most)
        for size, spent in curve:
            figure(f"{name}, {size:,}", spent, "s", machine=True)
        x, y = np.array(curve).T
        ax.loglog(x, y, "o-", color="#2f6f9f", markersize=4)
        ax.set_title(f"{name}\nexponent {power:.2f}", fontsize=8)
        ax.tick_params(labelsize=7)
        ax.set_ylabel("seconds", fontsize=7)
    plotted.savefig(OUT, metadata={"Date": None})


if __name__ == "__main__":
    main()
