"""So many cells that no table is held: every number is what the table gives, and memory stays what a few cells take."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance import multiplicity
from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.chance.multiplicity import ManyCells, combined, held, weigh_cells, weigh_many
from modclaims.stats.chance.permutation import f_null
from modclaims.stats.effects import many_cells
from modclaims.stats.effects.many_cells import Asked, many_scores, many_superior
from modclaims.stats.effects.normal_scores import normal_scores, score_bounds
from modclaims.stats.effects.superiority import superiority_bounds
from modclaims.stats.evidence import NullTest

SMALLEST, ALPHA, DRAWS = 0.1, 0.05, 199


def responses(texts: int = 32, cells: int = 37, seed: int = 0) -> tuple[np.ndarray, Design]:
    """Some cells answer, some are constant, some sparse: all but three texts silent."""
    rng = np.random.default_rng(seed)
    design = Design.of([f"c{i % 4}" for i in range(texts)])
    y = rng.standard_normal((texts, cells))
    y[:, 3] += 3.0 * (design.labels == 1)
    y[:, 20] -= 2.0 * (design.labels == 2)
    y[:, 7] = 1.5
    y[:, 11] = 0.0
    y[:3, 11] = [1.0, 2.0, 3.0]
    return y, design


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiplicity, "AT_ONCE", 8 * (DRAWS + 1) * 5)
    monkeypatch.setattr(many_cells, "AT_ONCE", 8 * (DRAWS + 1) * 5)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("by", ["maxT", "minP"])
def test_a_null_in_parts_gives_what_the_table_gives(by):
    y, design = responses()
    arrangements = relabellings(design, budget=DRAWS, rng=np.random.default_rng(1), blind="jointly")
    null, ties = f_null(normal_scores(y, design), design, arrangements)
    many = ManyCells(
        lambda cells: f_null(normal_scores(y[:, cells], design), design, arrangements), len(null), null.shape[1]
    )
    for cells in (np.arange(37), np.array([3, 7, 8, 20, 30])):
        table, parts = weigh_cells(null[:, cells], ties[cells], by), weigh_many(many, by, cells)
        for name in ("p", "p_adjusted", "exceed", "exceed_adjusted", "degenerate"):
            assert np.array_equal(getattr(table, name), getattr(parts, name)), name
        np.testing.assert_allclose(parts.max_null, table.max_null, rtol=1e-12)
        np.testing.assert_allclose(parts.observed, null[0, cells], rtol=1e-12)
        assert parts.combined == pytest.approx(combined(null[:, cells], ties[cells]))
    one, other = (
        NullTest.of("F", null, ties, exact=False, action="", by=by),
        NullTest.of_many("F", many, exact=False, action="", by=by),
    )
    np.testing.assert_allclose(other.column(20), one.column(20), rtol=1e-12)
    assert other.unvarying == one.unvarying == (7,)
    assert (other.floor, other.arrangements) == (one.floor, one.arrangements)
    np.testing.assert_array_equal(one.adjusted_among(np.array([3, 5])), other.adjusted_among(np.array([3, 5])))


QUESTIONS = [
    lambda b, able: b.effect,
    lambda b, able: b.p_lower(SMALLEST),
    lambda b, able: b.p_upper(SMALLEST),
    lambda b, able: b.p_lower(SMALLEST, able),
    lambda b, able: b.p_upper(SMALLEST, able),
    lambda b, able: b.lower(ALPHA),
    lambda b, able: b.upper(ALPHA),
    lambda b, able: b.lower(ALPHA, able),
    lambda b, able: b.upper(ALPHA, able),
    lambda b, able: b.p_lower(0.3),  # from here on nothing was known beforehand
    lambda b, able: b.p_lower(0.3, np.array([3, 5, 20])),
    lambda b, able: b.lower(0.2, np.array([3, 5, 20])),
    lambda b, able: b.undefined,
    lambda b, able: b.sparse(ALPHA),
    lambda b, able: b.silent,
    lambda b, able: b.bounded,
]


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("kind", ["scores", "more", "less", "either", "scores of clusters"])
def test_bounds_in_parts_give_what_the_table_gives(kind):
    y, design = responses()
    if "clusters" in kind:
        design = Design.of([f"c{i % 4}" for i in range(32)], clusters=[f"b{i // 8}" for i in range(32)])
    resamples = resample(design, count=DRAWS, rng=np.random.default_rng(2))
    asked = Asked(SMALLEST, ALPHA)
    if kind.startswith("scores"):
        table, parts = score_bounds(y, design, resamples), many_scores(y, design, resamples, asked)
    else:
        table = superiority_bounds(y, design, resamples, "c1", kind)
        parts = many_superior(y, design, resamples, "c1", kind, asked)
    assert table.held
    assert not parts.held
    assert parts.t.shape == (DRAWS, 0)
    able = np.flatnonzero(~(table.sparse(ALPHA) | table.silent))
    for i, question in enumerate(QUESTIONS):
        np.testing.assert_allclose(question(parts, able), question(table, able), rtol=1e-9, err_msg=str(i))


def test_what_a_verdict_asks_is_answered_in_one_pass(monkeypatch):
    y, design = responses()
    resamples = resample(design, count=DRAWS, rng=np.random.default_rng(2))
    passes = []
    made = many_cells.score_bounds
    monkeypatch.setattr(many_cells, "score_bounds", lambda *args: passes.append(args[0].shape[1]) or made(*args))
    bounds = many_scores(y, design, resamples, Asked(SMALLEST, ALPHA))
    first = sum(passes)
    able = np.flatnonzero(~(bounds.sparse(ALPHA) | bounds.silent))
    for question in QUESTIONS[1:4]:
        question(bounds, able)
    for question in (QUESTIONS[5], QUESTIONS[6], QUESTIONS[7]):
        question(bounds, able)
    again = int((bounds.undefined > 0).sum())  # cells that some resample leaves undefined are asked what it was
    assert first == 37
    assert sum(passes) <= first + 3 * again


def test_memory_is_that_of_some_cells(monkeypatch):
    """Five times as many cells take as much, but for what there is of each cell itself."""
    monkeypatch.setattr(multiplicity, "AT_ONCE", 2**21)
    monkeypatch.setattr(many_cells, "AT_ONCE", 2**21)
    most = []
    for cells in (600, 3000):
        y, design = responses(cells=cells)
        resamples = resample(design, count=999, rng=np.random.default_rng(2))
        tracemalloc.start()
        many_scores(y, design, resamples, Asked(SMALLEST, ALPHA)).p_lower(SMALLEST)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < 1.5 * most[0] + 3000 * 600


def test_tables_are_held_up_to_a_size():
    assert held(10_000, 3_000)
    assert not held(10_000, 4_000)
