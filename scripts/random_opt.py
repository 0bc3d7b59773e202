"""Weigh every shipped claim on a random network of OPT-125M's configuration, thinned: about two hours for all suites.

    python scripts/random_opt.py [-k EXPR] [SUITE ...]

The network has 12 layers of 12 heads, width 768, 3,072 neurons and a vocabulary of 50,272, all weights drawn. Thinned are
texts (16, of two topics and two styles; 6 where Jacobians are taken), tokens (96), draws, splits and, where a claim looks
at all of them, layers (the first two, the middle and the last; of Jacobians, the first and the last): what is looked for is
a claim that such a network breaks, not an outcome. Null objects are as many as a claim needs. What was recorded is kept
under $MODCLAIMS_HOME where that is set, so that an interrupted run goes on. Prints each claim's outcome and seconds; ends
with 1 if any is an ERROR.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import OPTConfig, OPTForCausalLM

from modclaims.corpus_files import read_corpus
from modclaims.families.common.units import MIN_UNITS
from modclaims.families.jacobians.jacobian_claim import JacobianClaim
from modclaims.families.weights.weight_claims import WeightClaim
from modclaims.hypothesis import Hypothesis
from modclaims.lm.model import load_model
from modclaims.lm.store import RecordingStore
from modclaims.runner import execute
from modclaims.runs.collect import Collected, collect
from modclaims.runs.settings import Settings
from modclaims.stats.nulls.null_objects import MIN_DRAWS

ROOT = Path(__file__).resolve().parent.parent
LAYERS, TOKENS, POSITIONS = (0, 1, 6, -1), 96, "last:4:4"


def save_network(folder: Path) -> None:
    """A random OPT-125M with the embedded model's tokenizer."""
    from transformers import AutoTokenizer

    torch.manual_seed(0)
    OPTForCausalLM(OPTConfig()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(ROOT / "data" / "models" / "opt-mini").save_pretrained(folder)


def thinned(one: Collected) -> Collected:
    """The claim with less of everything that only makes it surer."""
    claim = one.claim
    if claim is None:
        return one
    less: dict[str, Any] = {}
    by_jacobians = isinstance(claim, JacobianClaim)
    if hasattr(claim, "layers") and claim.layers is None and not hasattr(claim, "named"):
        less["layers"] = (LAYERS[0], LAYERS[-1]) if by_jacobians else LAYERS
    if by_jacobians:
        less["texts"] = MIN_UNITS
    for name, most in (
        ("draws", 99 if isinstance(claim, WeightClaim) or not hasattr(claim, "null") else MIN_DRAWS),
        ("rotations", 99),
        ("relabellings", 99),
        ("splits", 5),
        ("others", ()),
        ("sequences", 12),
    ):
        if hasattr(claim, name):
            less[name] = most if isinstance(most, tuple) else min(getattr(claim, name), most)
    if hasattr(claim, "sets"):
        less |= {"sets": claim.least_sets, "neighbours": 2 if claim.least_sets == 2 else claim.neighbours}
    made: type[Hypothesis] = type(type(claim).__name__, (type(claim),), {"__doc__": type(claim).__doc__, **less})
    return replace(one, claim=made())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help="card, study, beyond, published; all of them if none is named"
    )
    parser.add_argument(
        "-k", default="", metavar="EXPR", help="only claims whose id this expression matches, as in modclaims run"
    )
    asked = parser.parse_args(arguments)
    chosen = asked.suites or sorted(path.stem for path in (ROOT / "hypotheses").glob("*.py"))
    corpus = read_corpus("crossed")
    kept = [
        i
        for i, text in enumerate(corpus.texts)
        if text.labels["topic"] in ("astronomy", "law") and text.labels["style"] in ("code", "news")
    ]
    corpus = corpus.select(kept)
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        save_network(Path(folder) / "random-opt-125m")
        kept_in = RecordingStore() if "MODCLAIMS_HOME" in os.environ else None
        model = load_model(str(Path(folder) / "random-opt-125m"), store=kept_in)
        for suite in chosen:
            for one in collect([f"hypotheses/{suite}.py"], ROOT, asked.k):
                started = time.perf_counter()
                finished = execute(
                    [thinned(one)],
                    corpus=corpus,
                    recorder=model,
                    settings=Settings(tokens=TOKENS, positions=POSITIONS, permutations=199, resamples=399),
                    cwd=ROOT,
                    out=None,
                )
                (verdict,) = finished.verdicts.values()
                faults += verdict.outcome.word == "error"
                print(
                    f"{time.perf_counter() - started:7.1f} s  {verdict.outcome.word:12}  {one.id}  {verdict.message}",
                    flush=True,
                )
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
