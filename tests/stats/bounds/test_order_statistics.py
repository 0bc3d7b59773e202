"""Medians with bounds by order statistics: by hand, against scipy's quantile test, and on counts whose median is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from modclaims.stats.bounds.order_statistics import TypicalBounds, least_level, medians, most_beyond

ALL = np.array([0, 1, 2])


def rows(n: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 3)) * 0.1 + np.array([0.0, 0.1, 0.3])


def test_twelve_units_by_hand():
    """Of twelve, ten beyond: (1 + 12 + 66) / 4096; the limit at that level is the third smallest."""
    values = np.arange(1.0, 13.0)[:, None]
    found = medians(values)
    assert found.effect == pytest.approx(6.5)
    assert found.p_lower(2.5) == pytest.approx(79 / 4096)
    assert found.p_upper(10.5) == pytest.approx(79 / 4096)
    assert found.lower(79 / 4096) == pytest.approx(3.0)
    assert found.upper(79 / 4096) == pytest.approx(10.0)
    assert found.lower(78 / 4096) == pytest.approx(2.0)
    assert found.p_lower(1.0) == pytest.approx(13 / 4096), "a value at the smallest effect is not beyond it"
    assert found.lower(1 / 5000) == -np.inf
    assert medians(values / 20, (-1.0, 1.0)).upper(1 / 5000) == 1.0


@pytest.mark.parametrize("n", [6, 12, 33])
@pytest.mark.parametrize("smallest", [-0.05, 0.0, 0.2])
def test_levels_and_limits_are_those_of_scipys_quantile_test(n, smallest):
    values = rows(n)
    found = medians(values)
    for c in range(3):
        up = stats.quantile_test(values[:, c], q=smallest, p=0.5, alternative="greater")
        down = stats.quantile_test(values[:, c], q=smallest, p=0.5, alternative="less")
        # scipy's "greater": the quantile exceeds q, told by few values at or below it
        assert found.p_lower(smallest)[c] == pytest.approx(up.pvalue, rel=1e-12)
        assert found.p_upper(smallest)[c] == pytest.approx(down.pvalue, rel=1e-12)
        assert found.lower(0.05)[c] == pytest.approx(up.confidence_interval(0.95).low)
        assert found.upper(0.05)[c] == pytest.approx(down.confidence_interval(0.95).high)


def test_limits_and_levels_agree_cell_by_cell_and_together():
    found = medians(rows(16, seed=3))
    for cells in (None, ALL):
        for level in (0.001, 0.01, 0.05, 0.3):
            low, high = found.lower(level, cells), found.upper(level, cells)
            for c in range(3):
                assert found.p_lower(low[c] - 1e-9, cells)[c] <= level < found.p_lower(low[c] + 1e-9, cells)[c]
                assert found.p_upper(high[c] + 1e-9, cells)[c] <= level < found.p_upper(high[c] - 1e-9, cells)[c]
    many = medians(rows(17, seed=3))
    np.testing.assert_allclose(many.p_lower(0.0, ALL), np.minimum(1, 3 * many.p_lower(0.0)))


def test_units_that_all_agree_are_told_by_their_number():
    """No spread is needed, and one that differs by a hair changes nothing: agreement is never worth less than disagreement."""
    values = np.full((12, 1), 0.02)
    found, other = medians(values), medians(np.vstack([values[1:], [[0.021]]]))
    assert found.p_upper(0.05) == other.p_upper(0.05) == pytest.approx(2.0**-12)
    assert (found.lower(0.05), found.upper(0.05)) == (0.02, 0.02)
    assert found.bounded.all()
    assert not found.silent.any()


def test_no_unit_that_moves_up_makes_a_claim_less_supported():
    rng = np.random.default_rng(5)
    for _ in range(200):
        values = rng.standard_normal((9, 1))
        higher = values + rng.choice([0.0, 1.0], (9, 1)) * rng.random((9, 1))
        assert medians(higher).p_lower(0.2) <= medians(values).p_lower(0.2)
        assert medians(higher).p_upper(0.2) >= medians(values).p_upper(0.2)


MEDIAN = 3 / 64


def counts_of(rng: np.random.Generator, kind: str, shape: tuple[int, int]) -> np.ndarray:
    """Ranks of 64, as fractions, whose population has `MEDIAN`: no half lies above it, and none below."""
    if kind == "rounded":
        counts = np.rint(rng.normal(3.2, 2.0, shape))
    elif kind == "all but one alike":
        counts = np.where(rng.random(shape) < 1 / 12, 4.0, 3.0)
    elif kind == "rare others":
        counts = np.where(rng.random(shape) < 0.1, 41.0, 3.0 + np.rint(rng.normal(0, 0.6, shape)))
    else:
        counts = np.floor(np.exp(rng.normal(1.2, 1.0, shape)))
    return counts / 64


@pytest.mark.parametrize("kind", ["rounded", "all but one alike", "rare others", "skewed"])
@pytest.mark.parametrize("n", [6, 12, 24])
def test_no_level_is_too_small_whatever_the_law_of_counts(kind, n):
    """At the population's median neither side is claimed in more than 5 % of samples, but for Monte Carlo error (99.9 %)."""
    rng = np.random.default_rng([n, len(kind)])
    found = medians(counts_of(rng, kind, (n, 4000)))
    most = stats.binom.isf(0.001, 4000, 0.05)
    assert (found.p_lower(MEDIAN) <= 0.05).sum() <= most
    assert (found.p_upper(MEDIAN) <= 0.05).sum() <= most


def test_cells_turned_together_by_hand():
    """Three units, two cells, the second cell's third unit on the other side: eight ways, listed."""
    beyond = np.array([[True, True], [True, True], [True, False]])
    most = most_beyond(beyond)
    by_hand = []
    for ways in itertools.product((1, -1), repeat=3):
        sides = np.where(beyond, 1, -1) * np.array(ways)[:, None]
        by_hand.append(int((sides > 0).sum(axis=0).max()))
    assert sorted(most.tolist()) == sorted(by_hand) == [1, 1, 2, 2, 2, 2, 3, 3]
    values = np.where(beyond, 1.0, -1.0)
    assert medians(values).p_lower(0.0, np.array([0, 1])).tolist() == [2 / 8, 6 / 8]


def test_cells_that_all_say_the_same_are_no_search():
    alike = np.repeat(rows(10)[:, [2]], 6, axis=1)
    cells = np.arange(6)
    np.testing.assert_allclose(medians(alike).p_lower(0.05, cells), medians(alike).p_lower(0.05))
    np.testing.assert_allclose(medians(alike).lower(0.05, cells), medians(alike).lower(0.05))


@pytest.mark.parametrize("kind", ["apart", "shared", "skewed"])
def test_of_many_cells_none_is_claimed_too_often(kind):
    """Twelve texts, six cells whose medians are all 0: alike in part, apart, or skewed."""
    rng, hits, cells = np.random.default_rng(len(kind)), 0, np.arange(6)
    for _ in range(600):
        values = rng.standard_normal((12, 6)) + (2 * rng.standard_normal((12, 1)) if kind == "shared" else 0)
        if kind == "skewed":
            values = np.exp(rng.standard_normal((12, 6)) + rng.standard_normal((12, 1))) - 1
        hits += medians(values).p_lower(0.0, cells).min() <= 0.05
    assert hits <= stats.binom.isf(0.001, 600, 0.05)


def test_how_many_texts_would_decide_is_how_many_do():
    """Counted among samples of so many, drawn from values like those that were seen."""
    rng = np.random.default_rng(8)
    values = rng.normal(0.04, 0.12, (24, 1))
    found = medians(values, (-1.0, 1.0))
    refute, support = found.texts_needed(0.1, 0.05, np.array([0]), refute=1, support=1)
    around = (values - np.median(values))[:, 0]
    for n, true in ((refute, 0.0), (support, 0.2)):
        assert 5 < n < 60
        drawn = true + around[rng.integers(0, 24, (n, 4000))]
        level = medians(drawn).p_upper(0.1) if true == 0 else medians(drawn).p_lower(0.1)
        assert 0.76 < (level <= 0.05).mean() < 0.97
    assert medians(values, texts=48).texts_needed(0.1, 0.05, np.array([0]), refute=1, support=1)[0] == 2 * refute


def test_the_least_levels_are_those_of_units_that_all_lie_beyond():
    assert least_level(12, 4) == pytest.approx(1 / 4096)
    assert least_level(20, 4) == pytest.approx(4 / 2**20)
    found = medians(rows())
    assert found.least(0.05, ALL, (3, 1)) == (1 / 4096, 1 / 4096)
    assert found.floor(ALL) == 1 / 4096
    assert isinstance(found, TypicalBounds)
    assert found.capped
