"""What can be known before any pass is said before any pass, in the same words by a run and by a plan.

Every `raise ClaimError` of the families is either met here before any pass, or named in `WHILE_WEIGHED` with what it hangs on.
"""

from __future__ import annotations

import ast
import json
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import pytest
from planted import PlantedRecorder, planted_corpus
from terminal import call

import modclaims
from modclaims import (
    AblationSpecificity,
    AblationSufficiency,
    AttentionSinks,
    AxesAgainstRotations,
    AxisStreams,
    CategoryClustering,
    FirstTokenAttention,
    HeadMagnitudes,
    HeadsAgainstBlocks,
    HeadSelectivity,
    HeavyTails,
    Hypothesis,
    InductionExplanation,
    InductionHeads,
    InputOutsideUnembedding,
    InputReconstruction,
    LeadingValues,
    LowRankSimilarity,
    ModelsDiffer,
    OVDirections,
    ResidualPhases,
    ScaleTrend,
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
from modclaims.corpus import Corpus, Text
from modclaims.errors import ClaimError
from modclaims.outcome import Outcome
from modclaims.planning.context import PlanContext
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


def in_blocks(block, styles=2, texts=4):
    """A corpus whose texts lie in blocks, each called by what it makes of a text's number, topic and style."""
    found = planted_corpus(topics=2, styles=styles, texts=texts)
    texts = tuple(replace(t, block=block(i, t.labels["topic"], t.labels["style"])) for i, t in enumerate(found.texts))
    return Corpus("blocks", texts)


LONELY = Corpus("lonely", (*CORPUS.texts, Text("x", "one of its kind", {"topic": "t", "style": "z", "category": "z"})))
MIXED = in_blocks(lambda i, topic, style: "mixed" if i in (0, 4) else f"{topic} {style} {i}")
SPANNING = in_blocks(lambda i, topic, style: f"{style} {i % 4}")
TWO_BLOCKS = in_blocks(lambda i, topic, style: f"{style} {i % 2}")
INSIDE = in_blocks(lambda i, topic, style: f"block {i % 4}", texts=8)
BESIDE = replace(PlantedRecorder().shape, name="b")

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
    "a short context for induction": (InductionHeads, {}, {"context": 8}, "reads at most 8"),
    "a short context for sinks": (AttentionSinks, {}, {"context": 8}, "AttentionSinks reads"),
    "one head a layer": (HeadMagnitudes, {}, {"heads": 1}, "needs 2 of each"),
    "a chunk of all layers": (ResidualPhases, {"named": (0, 11)}, {"deep": True}, "leaves no layer to compare the middle"),
    "levels of layers that are not looked at": (SimilarityLevels, {"layers": (0, 1), "named": (2,)}, {}, "not among those looked at"),
    "subspaces wider than the stream": (SubspaceSeparation, {"dimensions": 2}, {"width": 1}, "exceed the 1 that"),
    "more values than there are": (LeadingValues, {"leading": 99}, {}, "too few to hold 99"),
    "fewer null objects than texts": (TightPass, {"texts": None}, {"corpus": planted_corpus()}, "each text needs one of its own"),
    "an encoder's unembedding": (InputOutsideUnembedding, {}, {"causal": False}, "is an encoder and has no"),
    "as much as is read": (InputOutsideUnembedding, {"leading": 0.01}, {}, "would be what the unembedding cares about"),
    "more clusters than neurons": (WeightClusterability, {"clusters": 99}, {}, "have at most 32 parts"),
    "a model of one layer": (ModelsDiffer, {}, {"beside": (replace(BESIDE, layers=1),)}, "lies at no relative depth"),
    "models of one size": (ModelsDiffer, {}, {"beside": (BESIDE,)}, "so none is larger than another"),
    "a text by itself": (CategoryClustering, {"label": "style"}, {"corpus": LONELY}, "has a single text"),
    "labels inside some blocks": (CategoryClustering, {"label": "style"}, {"corpus": MIXED}, "varies inside some blocks"),
    "strata inside blocks": (CategoryClustering, {"label": "style", "within": "topic"}, {"corpus": SPANNING}, "spans several values"),
    "two blocks of a category": (CategoryClustering, {"label": "style"}, {"corpus": TWO_BLOCKS}, "Blocks are the unit of chance"),
    "halves of four blocks": (HeadsAgainstBlocks, {"label": "style"}, {"corpus": INSIDE}, "blocks with each style"),
}  # fmt: skip


WORD, UNKNOWN = "nonsense", "is unknown"
REFUSED = [
    *((CategoryClustering, {name: WORD}, UNKNOWN) for name in ("expect", "site", "similarity", "beyond")),
    (CategoryClustering, {"adjust": "minP", "holds": along_depth("rises")}, "has no effect along depth"),
    (CategoryClustering, {"smallest_effect": 1.0}, "must be at least 0 and below 1"),
    (CategoryClustering, {"label": "style", "within": "style"}, "chance would have nothing to exchange"),
    (CategoryClustering, {"untrained": 2}, "needs at least 5 seeds"),
    (InductionExplanation, {"beyond": None}, "leave beyond as it is"),
    (WithinVersusStyle, {"within": None}, "names no second factor"),
    *((SimilarityLevels, {name: WORD}, UNKNOWN) for name in ("site", "similarity", "level", "named")),
    (SimilarityLevels, {"against": SimilarityLevels.level}, "their difference is nothing"),
    (SimilarityLevels, {"smallest_effect": 1.0}, "must be below 1"),
    (SimilarityLevels, {"named": (0,), "holds": at(0)}, "makes one contrast of layers"),
    (SimilarityLevels, {"rest": (0,)}, "name them with named"),
    (LowRankSimilarity, {"site": WORD}, UNKNOWN),
    (LowRankSimilarity, {"draws": 9}, "at least 99 permutations"),
    (LowRankSimilarity, {"splits": 1}, "one split is a lottery"),
    *((SubspaceSeparation, {name: WORD}, UNKNOWN) for name in ("site", "centre")),
    (SubspaceSeparation, {"dimensions": 0}, "at least 1 is needed"),
    (SubspaceSeparation, {"relabellings": 9}, "at least 99 are needed"),
    *((HeadSelectivity, {name: WORD}, UNKNOWN) for name in ("unit", "site", "response", "answers")),
    (HeadSelectivity, {"answers": "more"}, "needs a category that is answered so"),
    (HeadsAgainstBlocks, {"unit": "neuron"}, "compares heads with blocks"),
    (HeadsAgainstBlocks, {"holds": at(0)}, "leave holds as it is"),
    (HeadsAgainstBlocks, {"category": "style0"}, "compares how far all categories"),
    (HeadsAgainstBlocks, {"splits": 1}, "one split is a lottery"),
    *((AxisStreams, {name: WORD}, UNKNOWN) for name in ("site", "basis")),
    (AxisStreams, {"basis": "unembedding_svd", "site": "mlp_act"}, "needs another site"),
    (AxisStreams, {"axes": ()}, "must name coordinates"),
    (AxisStreams, {"components": 0}, "at least 1 is needed"),
    *((AxesAgainstRotations, {name: WORD}, UNKNOWN) for name in ("site", "summary")),
    (AxesAgainstRotations, {"rotations": 9}, "take 99 or more"),
    (AxesAgainstRotations, {"outliers": 1.0}, "half of the coordinates lie above"),
    (HeavyTails, {"site": WORD}, UNKNOWN),
    (HeavyTails, {"draws": 9}, "a bound over rotations needs at least"),
    *((TargetedAblation, {name: WORD}, UNKNOWN) for name in ("unit", "how")),
    (TargetedAblation, {"sizes": (2, 1)}, "each once, ascending"),
    (TargetedAblation, {"modules": ()}, "names no category"),
    (TargetedAblation, {"tokens": 3}, "says too little"),
    (AblationSpecificity, {"sets": 3}, "the module among them"),
    (TargetedAblation, {"neighbours": 1}, "at least 2 are needed"),
    (TargetedAblation, {"splits": 1}, "one split is a lottery"),
    (TargetedAblation, {"sources": 1}, "at least 2 texts"),
    (AblationSufficiency, {"typical": 0}, "at least one token must be typical"),
    (AttentionSinks, {"holds": at(0)}, "speaks of all layers together"),
    (FirstTokenAttention, {"ends": WORD}, UNKNOWN),
    (FirstTokenAttention, {"early_most": 1.5}, "must be a share of the layers"),
    (ResidualPhases, {"smallest_effect": 0.0}, "say how much less phases must err"),
    (InductionHeads, {"null": WORD}, UNKNOWN),
    (InductionHeads, {"draws": 3}, "a bound over null objects needs at least"),
    (InductionHeads, {"sequences": 1}, "a bound over sequences needs at least"),
    *((TightPass, {name: WORD}, UNKNOWN) for name in ("block", "null", "quantity")),
    (TightPass, {"draws": 3}, "a bound over null objects needs at least"),
    (TightestAt, {"named": ()}, "names no layer"),
    (TightestAt, {"holds": at(0)}, "is one contrast of layers"),
    (TighterThanAttention, {"block": "attention"}, "leave block as it is"),
    (LeadingValues, {"leading": 0}, "at least 1 value is needed"),
    (ModelsDiffer, {"site": WORD}, "has no counterpart in another model"),
    (ModelsDiffer, {"similarity": WORD}, UNKNOWN),
    (ModelsDiffer, {"depths": (2.0,)}, "must be different numbers from 0"),
    (ModelsDiffer, {"holds": at(0)}, "is about layers of one model"),
    (ScaleTrend, {"holds": at(0)}, "a trend over models is one number"),
    (InputReconstruction, {"site": WORD}, "is not the stream"),
    (InputReconstruction, {"nearest": 0}, "choose 1 or more"),
    (InputReconstruction, {"folds": 1}, "a penalty is chosen among the other folds"),
    (InputOutsideUnembedding, {"dimensions": 0}, "at least 1 is needed"),
    (InputOutsideUnembedding, {"leading": 1.5}, "must be a share of the stream's width"),
    (InputOutsideUnembedding, {"draws": 9}, "p cannot fall below"),
    (OVDirections, {"matrix": WORD}, UNKNOWN),
    (OVDirections, {"side": WORD}, "side = 'nonsense'"),
    (OVDirections, {"tokens": 1}, "at least 2 have a cosine"),
    (OVDirections, {"level": 0.1}, "at least .5 and below 1"),
    (OVDirections, {"beyond": WORD}, UNKNOWN),
    (TokenNeuronCongruence, {"matrix": WORD}, UNKNOWN),
    (TokenNeuronCongruence, {"largest": 0}, "at least 1 token is needed"),
    (WeightClusterability, {"draws": 9}, "p cannot fall below"),
    *((WeightClusterability, {name: WORD}, UNKNOWN) for name in ("score", "null")),
    (WeightClusterability, {"clusters": 1}, "cut into at least 2 parts"),
]
"""Constants that no corpus and no network would make right."""
OF_ANOTHER_KIND = [
    (CategoryClustering, {"holds": WORD}, "is no quantifier"),
    (CategoryClustering, {"adjust": WORD}, UNKNOWN),
    (CategoryClustering, {"smallest_effect": True}, "is no number"),
    (CategoryClustering, {"label": None}, "must name columns of the corpus"),
    (HeadSelectivity, {"category": 3}, "must name one category"),
    (FirstTokenAttention, {"named": (1,)}, "must be the first and the last layer"),
]
"""Values of a wrong kind, which a run names before `validate` does."""
WHILE_WEIGHED = {
    "AblationSufficiency._typical": "the tokens of the texts",
    "AxisStreams._check_sign": "activations",
    "LeadingValues.measure": "singular values",
    "LeadingValues._steps": "which of them were worked out",
    "log_magnitudes": "activations",
    "ResidualStream.cosines": "activations",
    "InputOutsideUnembedding.measure": "the size of a matrix",
    "InputOutsideUnembedding._directions": "activations",
    "InputOutsideUnembedding._control_task": "the tokens of the texts",
    "Task.of": "the tokens of the texts",
    "Decoded.selectivity": "the tokens of the texts",
    "OVDirections._compared": "the sizes of matrices",
    "TokenNeuronCongruence._compared": "the size of a matrix",
}
"""Where a claim is refused that nobody could refuse before, and what of the recording shows it. What corpus, shape, positions
and constants show belongs into `check`, `requests` or `validate`."""


def known(corpus=CORPUS, positions=LAST, deep=False, **shape):
    """A corpus, a recorder with a network of this shape, and settings."""
    recorder = PlantedRecorder()
    recorder.shape = replace(recorder.shape, layers=12 if deep else 3, **shape)
    return corpus, recorder, Settings(tokens=8, positions=positions, permutations=99, resamples=199)


def told(family, constants, **options):
    """What a run and a plan say of one claim, and how often the run recorded anything."""
    corpus, recorder, settings = known(**options)
    claim = claim_of(family, **constants)
    one = [Collected("t.py::It", Path("t.py"), claim)]
    ran = execute(one, corpus=corpus, recorder=recorder, settings=settings, cwd=Path(), out=None)
    reading = Reading(recorder.shape, (8,) * len(corpus), 8, settings.resolved_positions())
    with mock.patch.object(plans, "detectable", return_value=None):
        (planned,) = make_plan(one, corpus, reading, settings).claims
    (record,) = ran.run.claims
    return record.summary, planned, recorder.calls


EVERY = [*CASES.values(), *((family, constants, {}, message) for family, constants, message in REFUSED)]
NAMES = [*CASES, *(f"{family.__name__} with {constants}" for family, constants, _ in REFUSED)]


@pytest.mark.parametrize(("family", "constants", "options", "message"), EVERY, ids=NAMES)
def test_a_run_and_a_plan_say_the_same_before_any_pass(family, constants, options, message):
    ran, planned, calls = told(family, constants, **options)
    assert calls == 0
    assert (ran["outcome"], planned.outcome) == ("error", Outcome.ERROR) or planned.outcome is Outcome.SKIPPED
    assert message in ran["message"]
    assert planned.message == ran["message"]


@dataclass(frozen=True)
class Place:
    """A statement that refuses a claim."""

    file: str
    first: int
    last: int
    method: str

    def __str__(self):
        return f"{Path(self.file).name}, line {self.first}, in {self.method}"


def refusals() -> Iterator[Place]:
    """Every `raise ClaimError` of the families, and of what they extend."""
    package = Path(str(modclaims.__file__)).parent
    for path in (*sorted((package / "families").rglob("*.py")), package / "hypothesis.py"):
        yield from _refusals(ast.parse(path.read_text("utf-8")), str(path), "")


def _refusals(node, file, inside):
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, (ast.FunctionDef, ast.ClassDef))
        if isinstance(child, ast.Raise) and "ClaimError(" in ast.unparse(child):
            yield Place(file, child.lineno, child.end_lineno or 0, inside)
        yield from _refusals(child, file, f"{inside}.{child.name}".lstrip(".") if named else inside)


def refused_at(family, constants, options, message):
    """File and line of what refuses a claim, asked as before any pass."""
    corpus, recorder, settings = known(**options)
    claim = claim_of(family, **constants)
    by_id = corpus.select(sorted(range(len(corpus)), key=lambda i: corpus.texts[i].id))
    before = PlanContext(by_id, recorder.shape, settings.resolved_positions(), settings.weighing, settings.tokens)
    steps = (
        claim.validate,
        lambda: claim.check(before),
        lambda: claim.requests(before.shape),
        lambda: claim.plan(before),
    )
    with pytest.raises(ClaimError, match=re.escape(message)) as fault:
        [step() for step in steps]
    last = traceback.extract_tb(fault.value.__traceback__)[-1]
    return last.filename, last.lineno


def test_every_refusal_is_met_before_any_pass_or_hangs_on_what_is_recorded():
    met = {refused_at(*case) for case in EVERY}
    met |= {refused_at(family, constants, {}, message) for family, constants, message in OF_ANOTHER_KIND}
    unmet = [one for one in refusals() if not any(one.file == f and one.first <= at <= one.last for f, at in met)]
    late = [str(one) for one in unmet if one.method not in WHILE_WEIGHED and one.method != "Hypothesis.plan"]
    assert not late, "say before any pass what can be known then, and show here how it is met"
    assert {one.method for one in unmet} - {"Hypothesis.plan"} == set(WHILE_WEIGHED), "met before any pass after all"


def test_a_family_without_a_plan_says_so():
    class Bare(Hypothesis):
        """A family that says nothing of how it is weighed."""

        def requests(self, shape):
            return ()

        def measure(self, look):
            raise NotImplementedError  # it is planned, and not weighed

    with pytest.raises(ClaimError, match="Nothing is known of how claims of family Bare are weighed"):
        Bare().plan(PlanContext(CORPUS, PlantedRecorder().shape, (5,), Settings().weighing, 8))


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
