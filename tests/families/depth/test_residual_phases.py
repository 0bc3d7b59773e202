"""ResidualPhases on planted streams, whose cosines are known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, planted_corpus
from weighed import judging

from modclaims import ResidualPhases
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.depth.residual_phases import ResidualStream
from modclaims.look import TestSettings
from modclaims.recording import MemorySource, ModelShape, Recording
from modclaims.runs.weighing import weigh
from modclaims.stats.effects.phases import Phases, out_of_sample

LAYERS, WIDTH = 8, 6
SHAPE = ModelShape("planted", LAYERS, 2, 2, WIDTH, 3, 24, 512)
POSITIONS = (0, 5, 9)
WEIGHING = TestSettings(resamples=999, permutations=999)
CORPUS = planted_corpus(topics=2, styles=2, texts=4)
PHASED = np.array([0.3, 0.3, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5])
LINE = np.linspace(0.4, 0.9, LAYERS)


def recorded(claim, curve=PHASED, corpus=CORPUS, noise=0.03, positions=POSITIONS):
    """States in the plane of coordinates 0 and 1 that turn by angles of these cosines, scaled anew in every layer; the
    first token does as it likes, and untrained networks hardly turn."""
    arrays = {(r, i): [] for r in claim.requests(SHAPE) for i in SHAPE.resolve_layers(r)}
    for text in corpus.texts:
        for variant in {r.variant for r, _ in arrays}:
            rng = np.random.default_rng([*(variant or "").encode(), *text.id.encode()])
            cosines = np.clip((curve if variant is None else 0.98) + noise * rng.normal(size=LAYERS), -1, 1)
            angle = np.r_[0, np.cumsum(np.arccos(cosines))]
            size = np.exp(rng.normal(size=LAYERS + 1))
            states = np.zeros((LAYERS + 1, len(positions), WIDTH))
            states[:, :, 0], states[:, :, 1] = (f(angle)[:, None] * size[:, None] for f in (np.cos, np.sin))
            if positions[0] == 0:
                states[:, 0] = rng.normal(size=(LAYERS + 1, WIDTH))
            for (request, layer), rows in arrays.items():
                if request.variant == variant:
                    rows.append(states[0] if request.site == "embed" else states[layer + 1])
    source = MemorySource({key: np.array(rows) for key, rows in arrays.items()})
    return Recording(corpus, SHAPE, positions, tuple(t.body for t in corpus.texts), source)


outcome = judging(recorded, WEIGHING)


class Phased(ResidualPhases):
    """The stream is turned in phases."""


@pytest.fixture(scope="module")
def phased():
    return outcome(Phased())


def test_cosines_are_those_planted():
    claim = Phased()
    recording = recorded(claim, noise=0.0)
    found = ResidualStream.of(recording, None, "ResidualPhases").cosines()
    np.testing.assert_allclose(found, np.broadcast_to(PHASED, found.shape), atol=1e-12)


def test_planted_phases_are_supported(phased):
    verdict, weighed, (exhibit,) = phased
    assert verdict.outcome.word == "supported"
    assert weighed.effect > 0.8
    assert weighed.effect_low > 0.5
    assert weighed.action == "flipping the signs of each text's difference in error"
    assert re.search(
        r"cosine is 0\.[23]\d in layers 0 to 1, 0\.(89|9\d) in layers 2 to 6 and 0\.[45]\d in layer 7", verdict.sentence
    )
    assert exhibit.arrays["begins"][0, 2] > 0.95 and exhibit.arrays["begins"][1, 7] > 0.95
    np.testing.assert_allclose(exhibit.arrays["level"][:2], exhibit.arrays["mean"][:2].mean())
    x = np.arange(LAYERS)
    np.testing.assert_allclose(exhibit.arrays["line"], np.polyval(np.polyfit(x, exhibit.arrays["mean"], 1), x))


@pytest.mark.parametrize(
    "curve", [LINE, np.full(LAYERS, 0.7), 1.2 - PHASED], ids=["a slope", "flat", "the other way up"]
)
def test_what_is_no_phases_is_refuted(curve):
    """A slope rejects constancy, and so does a curve that is high at its ends."""
    verdict, weighed, _ = outcome(Phased(), curve=curve)
    assert verdict.outcome.word == "refuted", verdict.sentence
    assert weighed.effect < 0.1


@pytest.mark.parametrize("end", ["early", "last"])
def test_one_large_step_is_not_taken_for_three_phases(end):
    """It beats a line by far, and the claim with one end alone is supported."""
    curve = np.where(np.arange(LAYERS) < 2, 0.2, 0.9)
    curve = curve if end == "early" else np.where(np.arange(LAYERS) == LAYERS - 1, 0.2, 0.9)
    verdict, weighed, _ = outcome(type("Both", (Phased,), {"untrained": 0})(), curve=curve)
    assert verdict.outcome.word == "refuted", verdict.sentence
    secondary = {row["name"]: row["value"] for row in weighed.secondary}
    assert secondary["error reduction against line"] > 0.5 > 0.1 > weighed.effect
    other = "last" if end == "early" else "early one"
    assert f"without the {other}" in verdict.sentence
    alone, _, _ = outcome(type("Alone", (Phased,), {"untrained": 0, "ends": end})(), curve=curve)
    assert alone.outcome.word == "supported", alone.sentence


def test_effect_and_p_are_those_made_by_hand():
    claim = type("Bare", (Phased,), {"untrained": 0})()
    recording = recorded(claim).by_id()
    evidence = claim.weigh(recording, WEIGHING)
    curves = ResidualStream.of(recording, None, "ResidualPhases").cosines()
    phases = Phases(claim.divisions(SHAPE), LAYERS)
    errors = out_of_sample(curves, np.ones((1, len(curves))), {"phases": phases.drawing, **phases.rivals()})
    mean = {name: found.mean() for name, found in errors.items()}
    assert evidence.bounds.effect[0] == pytest.approx(
        min(1 - mean["phases"] / mean[name] for name in mean if name != "phases")
    )
    differences = (errors["line"] - errors["phases"])[0]
    assert evidence.test.joint.observed[0] == pytest.approx(differences.mean())
    assert evidence.test.joint.null[:, 0].max() <= np.abs(differences).mean() + 1e-15


def test_rivals_stand_beside_it(phased):
    controls = {c["name"]: c for c in phased[1].controls}
    assert set(controls) == {"parabola", "largest_coordinates", "untrained_baseline"}
    assert "phases, not any bend" in controls["parabola"]["sentence"]
    assert 0 < controls["parabola"]["numbers"]["parabola"] < phased[1].effect
    assert max(controls["untrained_baseline"]["numbers"]["untrained"]) < 0.2
    secondary = {row["name"]: row["value"] for row in phased[1].secondary}
    assert secondary["out-of-sample error, phases"] < secondary["out-of-sample error, parabola"]


def test_a_smooth_bend_beats_a_line_but_the_parabola_is_said_to_do_as_well():
    x = np.linspace(-1, 1, LAYERS)
    _, weighed, _ = outcome(Phased(), curve=0.9 - 0.5 * x**2, noise=0.01)
    parabola = next(c for c in weighed.controls if c["name"] == "parabola")
    assert "a smooth bend does as well" in parabola["sentence"]


def test_a_stream_of_few_coordinates_has_none_to_leave_out(phased):
    control = next(c for c in phased[1].controls if c["name"] == "largest_coordinates")
    assert "leave nothing of the stream" in control["sentence"]


def test_cosines_that_one_coordinate_makes_are_told():
    """Two of the coordinates hold the phases; without the largest three nothing is left of them."""
    claim = type("Loud", (Phased,), {"untrained": 0})()
    recording = recorded(claim)
    rng = np.random.default_rng(0)
    arrays = {
        key: array + 0.01 * rng.normal(size=array.shape) * (np.arange(WIDTH) > 1)
        for key, array in recording.source.arrays.items()
    }
    weighed, _ = weigh(claim, replace(recording, source=MemorySource(arrays)), WEIGHING)
    found = next(c for c in weighed.controls if c["name"] == "largest_coordinates")
    assert {0, 1} < set(found["numbers"]["coordinates"])
    assert found["numbers"]["without"] < 0.5 < weighed.effect


def test_order_of_texts_changes_nothing(phased):
    backwards = Corpus(CORPUS.name, CORPUS.texts[::-1])
    assert phased[1].as_dict() == outcome(Phased(), corpus=backwards)[1].as_dict()


def test_blocks_are_units():
    blocked = replace(CORPUS, texts=tuple(replace(t, block=f"b{i // 2}") for i, t in enumerate(CORPUS.texts)))
    _, weighed, _ = outcome(type("B", (Phased,), {"untrained": 0})(), corpus=blocked)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 8, 16)
    assert weighed.action == "flipping the signs of each block's difference in error"


def test_bare_decides_alike():
    assert_bare_decides_alike(Phased(), recorded(Phased()).by_id(), WEIGHING)


def test_curves_without_spread_settle_nothing():
    verdict, weighed, _ = outcome(type("S", (Phased,), {"untrained": 0})(), noise=0.0, curve=LINE**2)
    assert verdict.outcome.word == "inconclusive"
    assert not weighed.bounded


def test_what_cannot_be_weighed_is_refused():
    with pytest.raises(ClaimError, match="smallest_effect = 0: where the curve is flat"):
        type("Claim", (Phased,), {"smallest_effect": 0.0})().validate()
    with pytest.raises(ClaimError, match="has 4 layers; ResidualPhases needs at least 5"):
        Phased().requests(replace(SHAPE, layers=4))
    with pytest.raises(ClaimError, match=re.escape("leaves out the first token")):
        Phased().weigh(recorded(Phased(), positions=(0,)).by_id(), WEIGHING)
    recording = recorded(Phased())
    still = {key: np.zeros_like(array) for key, array in recording.source.arrays.items()}
    with pytest.raises(ClaimError, match="zero at some position"):
        Phased().weigh(replace(recording, source=MemorySource(still)), WEIGHING)
