"""Passes and bytes that a run would take are those that it takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planned import POSITIONS, SHAPE, reading_of
from planted import planted_corpus

from modclaims.corpus_files import read_corpus
from modclaims.lm.model import load_model
from modclaims.lm.store import RecordingStore
from modclaims.plans.cost import Cost, cost
from modclaims.recording import (
    MATRICES,
    SITES,
    Activations,
    InductionScores,
    Jacobian,
    Loss,
    Positions,
    Reading,
    TokenIds,
    Weights,
)
from modclaims.runs.settings import Settings


@pytest.mark.parametrize(
    ("model", "requests"),
    [
        (
            "embedded",
            [
                *(Activations(site, None, reduce) for site in SITES for reduce in ("none", "norm", "mean")),
                Activations("attn_pattern", None, "first"),
                Activations("attn_pattern", None, "induction"),
                TokenIds(),
                InductionScores(5, 8),
                InductionScores(3, 8, variant="gaussian:1"),
                *(Activations(site, (0,), positions=Positions("3,5"), variant="gaussian:1") for site in SITES),
                Activations("attn_out", (0, -1)),
                Loss(),
            ],
        ),
        ("embedded", [Weights(m) for m in MATRICES if m != "mlp_gate"]),
        (
            "embedded",
            [
                Jacobian("mlp", 2, None, True, 4),
                Jacobian("mlp", 2, None, True, 4, "values"),
                Jacobian("attention", 2, (0,), True, 2, "tokens", "permuted:0"),
            ],
        ),
        ("embedded#untrained:0", [Activations("q"), *(Activations("q", variant=f"untrained:{i}") for i in (0, 1))]),
    ],
    ids=["activations", "matrices", "Jacobians", "a variant"],
)
def test_passes_and_bytes_are_those_of_a_recording(tmp_path, model, requests):
    corpus, settings = read_corpus("study").select(range(4)), Settings(tokens=64, positions="last:5:2")
    recorder = load_model(model, **settings.loading(), store=RecordingStore(tmp_path))
    recording = recorder.record(corpus, requests, tokens=64, positions=Positions(settings.positions))
    found = cost(requests, corpus, reading_of(model, corpus, settings))
    matrices = any(isinstance(r, Weights) for r in requests)
    assert found.passes == (0 if matrices else recording.passes)
    on_disk = sum(path.stat().st_size for path in tmp_path.rglob("*.safetensors"))
    assert found.bytes == pytest.approx(on_disk, rel=0.02)


def test_a_text_is_read_once_however_many_claims_ask():
    corpus = planted_corpus(texts=1)
    reading = Reading(SHAPE, tuple(range(100, 116)), 512, POSITIONS)
    asked = [
        Activations("attn_out"),
        Activations("attn_out", (0,)),
        Activations("attn_out", positions=Positions("5:8:1")),
    ]
    assert cost(asked, corpus, reading) == Cost(16, 1, 16, sum(range(100, 116)), 16 * 3 * (3 * 8 * 4 + 96))
    few = Jacobian("mlp", 3, (0,), True, 4, last=2)
    assert cost([few], corpus, reading).tokens == 12
    assert cost([few, replace(few, answer="token_values")], corpus, reading).jacobians == 4
    both = cost([few, Activations("embed"), replace(few, variant="gaussian:0")], corpus, reading)
    assert (both.passes, both.networks, both.texts) == (20, 1, 16)
    assert both.jacobians == 8
    assert both.operations == 2 * 4 * few.operations(reading) > 0
