"""From evidence to what is weighed: levels, the named cell, and rows of cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from modclaims.errors import ClaimError
from modclaims.hypothesis import Hypothesis
from modclaims.measured import Measured
from modclaims.outcome import Outcome
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.chance.multiplicity import clopper_pearson
from modclaims.stats.evidence import CategoryRow, Cell, Evidence, NullTest
from modclaims.stats.quantifiers import at, somewhere
from modclaims.summaries import TestSummary, place_of, summarise
from modclaims.verdict import judge

ALPHA = 0.05


class Claim(Hypothesis):
    """Texts of one topic look alike."""

    smallest_effect = 0.2

    def requests(self, shape: Any) -> tuple[Any, ...]:
        return ()

    def measure(self, look: Any) -> Measured:
        raise AssertionError("summarised from evidence at hand; never weighed")


def evidence(seed: int = 1) -> Evidence:
    rng = np.random.default_rng(seed)
    null = rng.normal(size=(200, 2))
    null[0] = (1.0, 5.0)
    test = NullTest.of("gap", null, np.zeros(2), exact=False, action="exchanging topic")
    bounds = Bounds(np.array([0.05, 0.6]), np.array([0.1, 0.1]), rng.normal(size=(399, 2)), ends=(-1.0, 1.0))
    return Evidence(
        (Cell(layer=0), Cell(layer=1)),
        "delta",
        bounds,
        test,
        48,
        secondary={"gap": np.array([0.01, 0.2])},
        categories=(CategoryRow(1, "law", 0.4, 0.6),),
        degenerate=(0,),
        location=True,
        warnings=("few texts",),
    )


def test_a_summary_carries_the_levels_the_named_cell_and_its_interval() -> None:
    claim, found = Claim(), evidence()
    levels = somewhere().levels(found, 0.2, ALPHA)
    summary = summarise(claim, found, ALPHA)
    assert (summary.p_plus, summary.p_minus, summary.p) == (levels.p_plus, levels.p_minus, levels.p)
    assert levels.cell == 1
    assert summary.best == {"layer": 1, "head": None, "axis": None}
    assert summary.effect == pytest.approx(0.6)
    assert summary.effect_low == found.bounds.lower(ALPHA, np.arange(2))[1]
    assert summary.effect_high == found.bounds.upper(ALPHA)[1]
    assert found.test is not None
    assert summary.observed == found.test.observed[1]
    assert summary.p is not None
    assert summary.p_interval == pytest.approx(clopper_pearson(round(200 * summary.p) - 1, 199))
    assert (summary.draws, summary.exact, summary.smallest_attainable_p) == (199, False, 1 / 200)
    assert summary.secondary == [{"name": "gap", "value": 0.2}]
    assert summary.degenerate == ["layer 0"]
    assert [row.status for row in summary.cells] == ["degenerate", "tested", "secondary", "secondary"]
    assert summary.n_units == summary.n_texts == 48
    assert judge({"Claim": summary}, alpha=ALPHA, correction="holm")["Claim"].outcome is Outcome.SUPPORTED


@pytest.mark.parametrize(
    ("cell", "more"),
    [
        (Cell(layer=3, head=1), {"layer": 3, "head": 1}),
        (Cell(layer=2, last_layer=4), {"layer": 2, "last_layer": 4}),
        (Cell(category="code", size=64), {"category": "code", "size": 64}),
        (Cell(depth=0.4), {"depth": 0.4}),
        (Cell(), {}),
    ],
    ids=str,
)
def test_a_place_has_all_that_names_it(cell: Cell, more: Mapping[str, Any]) -> None:
    assert place_of(cell) == {"layer": None, "head": None, "axis": None} | more


def test_a_summary_survives_json() -> None:
    summary = summarise(Claim(), evidence(), ALPHA)
    again = TestSummary.from_dict(json.loads(json.dumps(summary.as_dict())))
    assert again.as_dict() == summary.as_dict()
    blank = TestSummary.from_dict(json.loads(json.dumps(summary.as_dict() | {"effect_low": None})))
    assert np.isnan(blank.effect_low)


def test_a_contrast_is_summarised_from_its_bounds_alone() -> None:
    bounds = Bounds(np.array([0.6]), np.array([0.1]), np.random.default_rng(0).normal(size=(399, 1)))
    summary = summarise(Claim(), Evidence((Cell(),), "rise of delta", bounds, None, 48), ALPHA)
    assert summary.p is summary.p_interval is summary.observed is None
    assert summary.statistic == "bootstrap-t bound"
    assert summary.smallest_attainable_p == 1 / 400
    assert summary.p_plus == bounds.p_lower(0.2)[0]
    assert " p = " not in judge({"a": summary}, alpha=ALPHA, correction="holm")["a"].sentence


def test_a_claim_about_layers_that_are_not_there_cannot_be_summarised() -> None:
    claim = Claim()
    claim.holds = at(7)
    with pytest.raises(ClaimError, match="the cells have layers 0, 1"):
        summarise(claim, evidence(), ALPHA)
