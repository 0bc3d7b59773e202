"""LeadingValues on planted spectra, whose answer is known."""

import re
from dataclasses import replace

import numpy as np
import pytest
from planted import assert_bare_decides_alike, before, planted_corpus, shuffled
from weighed import judging

from modclaims import LeadingValues, at, everywhere
from modclaims.errors import ClaimError
from modclaims.look import TestSettings
from modclaims.recording import SPECTRUM, Jacobian, MemorySource, ModelShape, Recording

LAYERS, WIDTH, TOKENS, LEADING = 4, 16, 2, 4
SIZE = TOKENS * WIDTH
WEIGHING = TestSettings(resamples=999)
SHAPE = ModelShape("planted", LAYERS, 2, 2, WIDTH, 8, 64, 512)
CORPUS = planted_corpus()
STEPS = (0.2, 1.8, 0.2, 0.2)
"""Orders of magnitude by which the leading values stand above the rest, by layer."""


def spectrum(rng, step, silent=6):
    """Values that fall gently, the leading ones `step` orders above; the last are no more than noise."""
    values = 10 ** (-0.3 * np.sort(rng.random(SIZE)))
    values[:LEADING] *= 10 ** (step + 0.1 * rng.normal())
    values = np.sort(values)[::-1]
    values[SIZE - silent :] = values[0] * 1e-17
    return values


def recorded(claim, corpus=CORPUS, steps=STEPS, made=spectrum, null=0.3):
    arrays = {}
    for request in claim.requests(SHAPE):
        for layer in SHAPE.resolve_layers(request):
            rows = []
            for index in request.chosen(corpus):
                rng = np.random.default_rng(
                    [layer, *(request.variant or "").encode(), *corpus.texts[index].id.encode()]
                )
                values = made(rng, steps[layer] if request.variant is None else null)
                rows.append(values if request.answer == "values" else np.arange(1.0, len(SPECTRUM) + 1))
            arrays[request, layer] = np.array(rows)
    return Recording(corpus, SHAPE, (40,), tuple(t.body for t in corpus.texts), MemorySource(arrays))


class First(LeadingValues):
    """The first values stand above the rest."""

    leading = LEADING


def claim_with(**constants):
    return type("First", (First,), {"__doc__": "A variation.", **constants})()


outcome = judging(recorded, WEIGHING)


def test_the_effect_is_worked_by_hand():
    """Geometric mean 10^((2 + 1 + 3 + 2) / 4) over the median of 1, 1, 4, 8, 8 and so on, noise left out."""
    row = np.concatenate([[1000, 100, 100, 10], [8.0, 8, 4, 1, 1], np.full(SIZE - 9, 1e-14)])

    found = First().weigh(recorded(First(), made=lambda rng, step: row).by_id(), WEIGHING)
    np.testing.assert_allclose(found.bounds.effect, 2 - np.log10(4))
    assert found.bounds.bounded.all(), "that texts do not vary is no reason to know nothing"


def test_a_planted_step_is_supported_and_named():
    verdict, weighed, exhibits = outcome(First())
    assert verdict.outcome.word == "supported", verdict.sentence
    assert weighed.best["layer"] == 1
    assert weighed.effect == pytest.approx(1.8, abs=0.15)
    assert weighed.effect_low < weighed.effect < weighed.effect_high
    assert (weighed.p, weighed.action, weighed.n_texts) == (None, "taking the median over texts", 16)
    assert [e.kind for e in exhibits] == ["spectra", "curve_by_depth"]
    np.testing.assert_allclose(exhibits[1].arrays["mean"], STEPS, atol=0.2)
    assert exhibits[1].arrays["twin"].shape == (5, LAYERS)
    assert "The 4 largest values stand" in verdict.sentence


def test_steps_smaller_than_said_are_refuted():
    assert outcome(First(), steps=(0.2,) * 4)[0].outcome.word == "refuted"
    assert outcome(claim_with(holds=at(0)))[0].outcome.word == "refuted"
    assert outcome(claim_with(holds=everywhere()))[0].outcome.word == "refuted"


def test_networks_of_other_weights_stand_beside_it():
    controls = {c["name"]: c for c in outcome(First())[1].controls}
    assert set(controls) == {"gaussian_null", "untrained_null"}
    for control in controls.values():
        assert 0.1 < control["numbers"]["lowest"] < control["numbers"]["highest"] < 0.8
        assert "at 2 texts, the step in layer 1 is" in control["sentence"]


def test_a_network_beside_it_that_has_no_spectrum_is_no_fault_of_the_claim():
    def made(rng, step):
        return spectrum(rng, step, silent=SIZE - LEADING if step == 0.3 else 6)

    verdict, weighed, _ = outcome(First(), made=made)
    assert verdict.outcome.word == "supported"
    assert all("5 have too few values above the noise floor" in c["sentence"] for c in weighed.controls)


def test_values_within_noise_are_left_out():
    """However many there are, and whatever they are."""
    few, many = (
        First().weigh(recorded(First(), made=lambda rng, step, n=n: scaled(rng, step, n)).by_id(), WEIGHING)
        for n in (2, 12)
    )
    assert np.abs(few.bounds.effect - many.bounds.effect).max() < 0.1


def scaled(rng, step, silent):
    return spectrum(rng, step, silent) * 1e3


def test_a_spectrum_that_is_all_noise_is_refused():
    claim = First()
    recording = recorded(claim, made=lambda rng, step: spectrum(rng, step, silent=SIZE - LEADING))
    with pytest.raises(ClaimError, match="In layer 0 fewer than 5 singular values lie above the noise floor"):
        claim.weigh(recording.by_id(), WEIGHING)
    nothing = recorded(claim, made=lambda rng, step: np.zeros(SIZE))
    with pytest.raises(ClaimError, match="fewer than 5 singular values"):
        claim.weigh(nothing.by_id(), WEIGHING)


def test_values_that_were_not_worked_out_are_refused():
    claim = First()
    recording = recorded(claim)
    values = Jacobian("mlp", TOKENS, texts=16, answer="values")
    recording.source.arrays[values, 2][:, 5:] = np.nan
    with pytest.raises(ClaimError, match="not all singular values of layer 2 are worked out one by one; choose fewer"):
        claim.weigh(recording.by_id(), WEIGHING)


def test_blocks_are_units_and_order_changes_nothing():
    blocked = replace(CORPUS, texts=tuple(replace(t, block=f"b{i // 4}") for i, t in enumerate(CORPUS.texts)))
    _, weighed, _ = outcome(claim_with(texts=None), corpus=blocked)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 12, 48)
    assert outcome(First())[1].as_dict() == outcome(First(), corpus=shuffled(CORPUS))[1].as_dict()


def test_bare_decides_alike():
    assert_bare_decides_alike(First(), recorded(First()).by_id(), WEIGHING)


def test_constants_that_mean_nothing_are_refused():
    with pytest.raises(ClaimError, match="leading = 0: at least 1 value is needed"):
        claim_with(leading=0).validate()
    with pytest.raises(ClaimError, match=re.escape("has 32 singular values, too few to hold 17 of them against")):
        claim_with(leading=17).requests(SHAPE)
    with pytest.raises(ClaimError, match="Block 'head' is unknown"):
        claim_with(block="head").validate()
    with pytest.raises(ClaimError, match="Layer 9"):
        claim_with(layers=(9,)).requests(SHAPE)
    with pytest.raises(ClaimError, match="it needs at least 6"):
        First().check(before(CORPUS.select(range(5))))
    assert First().columns() == ()
