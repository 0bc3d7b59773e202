"""The order in which every claim is weighed, and the streams that it draws from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from planted import planted_corpus

from modclaims.hypothesis import Hypothesis
from modclaims.look import Look, TestSettings
from modclaims.measured import Measured, RivalResult, Words
from modclaims.recording import MemorySource, ModelShape, Recording, Request
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.evidence import Cell, Control, Exhibit
from modclaims.stats.streams import stream

SHAPE = ModelShape("planted", 3, 2, 2, 16, 8, 32, 64)
CORPUS = planted_corpus(topics=2, styles=2, texts=2)
RECORDING = Recording(CORPUS, SHAPE, (1, 2), tuple(t.body for t in CORPUS.texts), MemorySource({}))


@dataclass(frozen=True)
class Kept:
    """What the claim below leaves for later."""

    number: int


class Told(Hypothesis):
    """Three layers with known effects; what was asked of it, in order."""

    def requests(self, shape: ModelShape) -> tuple[Request, ...]:
        return ()

    def measure(self, look: Look) -> Measured:
        ORDER.append("measure")
        cells = tuple(Cell(layer=layer) for layer in range(3))
        t = look.rng("resamples", design="d").normal(size=(499, 3))
        return Measured(
            cells, "effect", Bounds(np.array([0.1, 3.0, 1.0]), np.full(3, 0.1), t), None, 8, 8, payload=Kept(7)
        )

    def rivals(self, look: Look, measured: Measured, named: int) -> Sequence[RivalResult]:
        ORDER.append(f"rivals of cell {named}")
        first = RivalResult(Control("first", "One.", {}), {"a": np.zeros(3)}, ("late",), (figure("of a rival"),))
        return [first, RivalResult(Control("second", "Two.", {}), location=False)]

    def exhibits(self, look: Look, measured: Measured, named: int, rivals: Sequence[RivalResult]) -> Sequence[Exhibit]:
        ORDER.append(f"exhibits with {len(rivals)} rivals")
        return [figure("own")]

    def words(self, look: Look, measured: Measured, named: int) -> Words:
        ORDER.append("words")
        number = measured.kept(Kept).number
        return Words(f"note {number}", f"detail of {named}", ("early",), {"b": np.ones(3)})


ORDER: list[str] = []


def figure(title: str) -> Exhibit:
    return Exhibit("kind", title, "", {})


def test_a_claim_is_measured_then_told_of_the_named_cell() -> None:
    ORDER.clear()
    evidence = Told().weigh(RECORDING, TestSettings(resamples=499))
    assert ORDER == ["measure", "rivals of cell 1", "exhibits with 2 rivals", "words"]
    assert [c.name for c in evidence.controls] == ["first", "second"]
    assert [e.title for e in evidence.exhibits] == ["of a rival", "own"]
    assert evidence.warnings == ("early", "late")
    assert list(evidence.secondary) == ["b", "a"]
    assert evidence.location is False
    assert (evidence.note, evidence.detail) == ("note 7", "detail of 1")


def test_a_bare_weighing_measures_and_nothing_else() -> None:
    ORDER.clear()
    bare = Told().weigh(RECORDING, TestSettings(resamples=499, bare=True))
    assert ORDER == ["measure"]
    assert bare.controls == bare.exhibits == ()
    whole = Told().weigh(RECORDING, TestSettings(resamples=499))
    np.testing.assert_array_equal(bare.bounds.t, whole.bounds.t)


def test_a_payload_of_another_kind_is_refused() -> None:
    measured = Told().measure(Look("Told", RECORDING, TestSettings(resamples=99)))
    assert measured.kept(Kept) == Kept(7)
    with pytest.raises(TypeError, match="Cell was asked for, and measure\\(\\) left Kept"):
        measured.kept(Cell)


def test_a_stream_hangs_on_seed_claim_design_and_purpose() -> None:
    look = Look("Told", RECORDING, TestSettings(seed=3))
    drawn = look.rng("resamples", design="d").random(4).tolist()
    assert drawn == look.rng("resamples", design="d").random(4).tolist()  # fresh at each call
    assert drawn == stream(3, "Told", "d", "resamples").random(4).tolist()
    assert look.lasting_rng("splits", "0").random() == stream(3, "Told", "splits", "0").random()
    others = (
        replace(look, claim="Other").rng("resamples", design="d"),
        look.rng("resamples", design="e"),
        look.rng("relabellings", design="d"),
        replace(look, settings=TestSettings(seed=4)).rng("resamples", design="d"),
    )
    assert all(rng.random(4).tolist() != drawn for rng in others)


def test_what_is_drawn_to_count_is_drawn_anew_at_every_checkpoint_and_what_lasts_is_not() -> None:
    first = Look("Told", RECORDING, TestSettings())
    second = replace(first, settings=first.settings.at(1))
    assert first.rng("resamples", design="d").random() != second.rng("resamples", design="d").random()
    assert first.lasting_rng("split", design="d").random() == second.lasting_rng("split", design="d").random()
