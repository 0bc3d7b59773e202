"""What can be known before any pass is said before any pass, in the same words by a run and by a plan."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from planted import PlantedRecorder, planted_corpus
from terminal import call

from modclaims import (
    AblationSpecificity,
    AttentionSinks,
    AxesAgainstRotations,
    AxisStreams,
    CategoryClustering,
    FirstTokenAttention,
    HeadMagnitudes,
    HeadsAgainstBlocks,
    HeadSelectivity,
    HeavyTails,
    InductionExplanation,
    InductionHeads,
    InputOutsideUnembedding,
    InputReconstruction,
    LeadingValues,
    LowRankSimilarity,
    ModelsDiffer,
    OVDirections,
    ResidualPhases,
    SimilarityLevels,
    SubspaceSeparation,
    TargetedAblation,
    TighterThanAttention,
    TightestAt,
    TightPass,
    TokenNeuronCongruence,
    WeightClusterability,
    WithinVersusStyle,
    along_depth,
    at,
    everywhere,
    somewhere,
)
from modclaims.outcome import Outcome
from modclaims.plans import plans
from modclaims.plans.cost import Reading
from modclaims.plans.plans import make_plan
from modclaims.planting.family import claim_of
from modclaims.runner import execute
from modclaims.runs.collect import Collected
from modclaims.runs.settings import Settings

CORPUS = planted_corpus(topics=2, styles=2, texts=4)
FEW = planted_corpus(topics=1, styles=2, texts=2)
LONE = planted_corpus(topics=1, styles=1, texts=6)
LAST = "last:3:1"

CASES = {
    # quantifiers that name layers which are not looked at
    "clusters at 99": (CategoryClustering, {"holds": at(99)}, {}, "Layers [99] were named"),
    "clusters at every one of 1, 99": (
        CategoryClustering,
        {"holds": everywhere(1, 99)},
        {},
        "Layers [1, 99] were named",
    ),
    "factors at 99": (WithinVersusStyle, {"label": "topic", "within": "style", "holds": at(99)}, {}, "Layers [99]"),
    "heads at 99": (HeadSelectivity, {"holds": at(99)}, {}, "Layers [99] were named"),
    "axes at 99": (AxisStreams, {"holds": at(99)}, {}, "Layers [99] were named"),
    "rotations at 99": (AxesAgainstRotations, {"holds": at(99)}, {}, "Layers [99] were named"),
    "low rank at 99": (LowRankSimilarity, {"holds": at(99)}, {}, "Layers [99] were named"),
    "subspaces at 99": (SubspaceSeparation, {"dimensions": 1, "holds": at(99)}, {}, "Layers [99] were named"),
    "tails at 99": (HeavyTails, {"holds": at(99)}, {}, "Layers [99] were named"),
    "tokens at 99": (InputReconstruction, {"holds": at(99)}, {}, "Layers [99] were named"),
    "induction at 99": (InductionHeads, {"holds": at(99)}, {}, "Layers [99] were named"),
    "levels at 99": (SimilarityLevels, {"holds": at(99)}, {}, "Layers [99] were named"),
    "Jacobians at 99": (TightPass, {"holds": at(99)}, {}, "Layers [99] were named"),
    "weights at 99": (WeightClusterability, {"holds": at(99)}, {}, "Layers [99] were named"),
    "tokens and neurons at 99": (TokenNeuronCongruence, {"holds": at(99)}, {}, "Layers [99] were named"),
    # slopes of families that have none, weighed as if they were `somewhere` before
    **{
        f"{family.__name__} along depth": (
            family,
            {"holds": along_depth("rises")},
            {},
            f"{family.__name__} has none of",
        )
        for family in (
            HeadSelectivity,
            AxisStreams,
            AxesAgainstRotations,
            HeavyTails,
            LowRankSimilarity,
            SubspaceSeparation,
            InductionHeads,
            InputOutsideUnembedding,
            TightPass,
            TighterThanAttention,
            LeadingValues,
            TargetedAblation,
            AttentionSinks,
            HeadMagnitudes,
            ModelsDiffer,
        )
    },
    "slopes of two layers": (
        CategoryClustering,
        {"holds": along_depth("rises"), "layers": (0, 1)},
        {},
        "at least 3 layers",
    ),
    "slopes of heads": (CategoryClustering, {"holds": along_depth("rises"), "site": "q"}, {}, "one per head"),
    # positions
    "tails of the first token": (HeavyTails, {}, {"positions": "0"}, "The run reads the first token alone"),
    "levels of one position": (SimilarityLevels, {}, {"positions": "5"}, "the run reads one"),
    "sinks of early positions": (
        FirstTokenAttention,
        {},
        {"positions": "0,1", "deep": True},
        "choose later --positions",
    ),
    "phases of the first token": (ResidualPhases, {}, {"positions": "0", "deep": True}, "choose later --positions"),
    # corpora
    "one category": (CategoryClustering, {}, {"corpus": LONE}, "has one category only"),
    "small halves": (HeadsAgainstBlocks, {}, {"corpus": FEW}, "Splitting in halves needs 4 texts"),
    "few texts": (HeavyTails, {}, {"corpus": FEW}, "it needs at least 6"),
    "few texts for maps": (InputReconstruction, {}, {"corpus": FEW}, "it needs at least 6"),
    "no such category": (HeadSelectivity, {"category": "verse"}, {}, "verse"),
    "no such module": (
        AblationSpecificity,
        {"modules": ("verse",), "unit": "head", "sizes": (1,)},
        {},
        "modules names 'verse'",
    ),
    "no such label": (CategoryClustering, {"label": "colour"}, {}, "colour"),
    "large subspaces": (SubspaceSeparation, {"dimensions": 5}, {}, "a subspace of 5"),
    # networks
    "no such layer": (CategoryClustering, {"layers": (7,)}, {}, "Layer 7 of site 'attn_out' does not exist"),
    "no such axis": (AxisStreams, {"axes": (16,)}, {}, "has coordinates 0 to 15"),
    "no gate": (TokenNeuronCongruence, {"matrix": "mlp_gate"}, {}, "have no gate"),
    "one layer named, none left": (TightestAt, {"named": (0, 1, 2)}, {}, "leaves nothing to compare with"),
    "levels of all layers": (SimilarityLevels, {"named": (0, 1, 2)}, {}, "gives layers"),
    "too many units": (TargetedAblation, {"unit": "head", "sizes": (9,)}, {}, "a module takes at most half"),
    "an encoder without induction": (InductionExplanation, {}, {"causal": False}, "is not causal"),
    "an encoder without loss": (TargetedAblation, {"unit": "head", "sizes": (1,)}, {"causal": False}, "is not causal"),
    "an encoder without unembedding": (OVDirections, {}, {"causal": False}, "is an encoder"),
    "shallow": (ResidualPhases, {}, {}, "needs at least"),
}


def told(family, constants, *, corpus=CORPUS, positions=LAST, deep=False, causal=True):
    """What a run and a plan say of one claim, and how often the run recorded anything."""
    recorder = PlantedRecorder()
    recorder.shape = replace(recorder.shape, layers=12 if deep else 3, causal=causal)
    claim = claim_of(family, **constants)
    settings = Settings(tokens=8, positions=positions, permutations=99, resamples=199)
    one = [Collected("t.py::It", Path("t.py"), claim)]
    ran = execute(one, corpus=corpus, recorder=recorder, settings=settings, cwd=Path(), out=None)
    reading = Reading(recorder.shape, (8,) * len(corpus), 8, settings.resolved_positions())
    with mock.patch.object(plans, "detectable", return_value=None):
        (planned,) = make_plan(one, corpus, reading, settings).claims
    (record,) = ran.run.claims
    return record.summary, planned, recorder.calls


@pytest.mark.parametrize("case", CASES)
def test_a_run_and_a_plan_say_the_same_before_any_pass(case):
    family, constants, options, message = CASES[case]
    ran, planned, calls = told(family, constants, **options)
    assert calls == 0
    assert (ran["outcome"], planned.outcome) == ("error", Outcome.ERROR) or planned.outcome is Outcome.SKIPPED
    assert message in ran["message"]
    assert planned.message == ran["message"]


def test_the_same_claims_without_their_fault_are_planned():
    for family in (CategoryClustering, HeadSelectivity, HeavyTails, LowRankSimilarity, SimilarityLevels):
        claim = claim_of(family, holds=somewhere())
        reading = Reading(PlantedRecorder().shape, (8,) * len(CORPUS), 8, (5, 6, 7))
        with mock.patch.object(plans, "detectable", return_value=None):
            (planned,) = make_plan([Collected("t.py::It", None, claim)], CORPUS, reading, Settings()).claims
        assert planned.outcome is None, planned.message
        assert planned.plan.cells >= 1


FAULTS = """
from modclaims import CategoryClustering, HeavyTails, at


class NoSuchLayer(CategoryClustering):
    "A layer that is not there is named."
    holds = at(99)


class NoSuchLabel(CategoryClustering):
    "A column that is not there is compared."
    label = "colour"


class NotLookedAt(CategoryClustering):
    "A layer is looked at that the network lacks."
    layers = (77,)


class Sound(CategoryClustering):
    "Nothing is wrong."
"""


def test_a_list_on_a_corpus_says_what_a_plan_says(
    corner: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (corner / "claims.py").write_text(FAULTS)
    code, out, _ = call(monkeypatch, capsys, "list", "claims.py", "--corpus", "crossed", "--json")
    assert code == 3
    listed = {row["id"]: row["fault"] for row in json.loads(out)}
    _, out, _ = call(monkeypatch, capsys, "plan", "claims.py", "--json")
    planned = {row["id"]: row["message"] for row in json.loads(out)["claims"]}
    assert {name: fault for name, fault in listed.items() if fault} == {n: m for n, m in planned.items() if m}
    assert len([fault for fault in listed.values() if fault]) == 3
    code, out, _ = call(monkeypatch, capsys, "list", "claims.py")  # of the claims alone nothing is wrong
    assert code == 0
    assert "ERROR" not in out
