"""How many texts would decide: their own part of the error shrinks, that of null objects stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.end_of_scale import EndLaw
from modclaims.stats.bounds.resamples import Resamples, resample_groups
from modclaims.stats.bounds.splits import MedianBounds
from modclaims.stats.bounds.texts_needed import Needed, double, fewest, needed
from modclaims.stats.chance.actions import Design
from modclaims.stats.evidence import Cell, Evidence
from modclaims.stats.nulls.matched_sets import TextsAndSets, WeakestBounds, side_by_side
from modclaims.stats.nulls.null_objects import (
    against_null,
    mean_replicates,
    resample_texts_and_draws,
    side_by_side_null,
)
from modclaims.stats.quantifiers import everywhere, somewhere

Floats = NDArray[np.float64]
ONE = np.array([0])


def normal_t(rows: int = 9999, cells: int = 1) -> Floats:
    return np.repeat(norm.ppf(np.arange(1, rows + 1) / (rows + 1))[:, None], cells, axis=1)


def evidence(se: list[float], fixed: list[float] | None, texts: int = 64, draws: int = 40) -> Evidence:
    bounds = Bounds(
        np.full(len(se), 0.1),
        np.array(se),
        normal_t(cells=len(se)),
        ends=(-1.0, 1.0),
        fixed_share=None if fixed is None else np.array(fixed),
        null_objects=0 if fixed is None else draws,
    )
    return Evidence(tuple(Cell(layer=i) for i in range(len(se))), "narrowing", bounds, None, texts)


def taken(found: Evidence, smallest: float = 0.2) -> Needed:
    return needed(found, np.arange(len(found.cells)), smallest, 0.05, need_support=1, need_refute=len(found.cells))


# ---- by hand. One normal cell and power .8 at level .05: the standard error must be .2 / (1.645 + .842) = .0804 from either
# side, its square .6468 of that of .1, and .1617 of that of .2


def test_texts_shrink_the_whole_error_where_nothing_else_was_drawn() -> None:
    found = taken(evidence([0.1], None))
    assert found.texts_to_refute == pytest.approx(64 / 0.6468, rel=0.01)  # 98.9
    assert found.texts_to_support == pytest.approx(64 / 0.6468, rel=0.01)
    assert found[2:] == (None, None)


def test_texts_shrink_their_half_where_null_objects_bring_the_other() -> None:
    found = taken(evidence([0.1], [0.5]))
    # .6468 - .5 = .1468 is left for texts, who have .5 of it now
    assert found.texts_to_refute == pytest.approx(64 * 0.5 / 0.1468, rel=0.01)  # 218
    assert found.texts_to_support == pytest.approx(64 * 0.5 / 0.1468, rel=0.01)
    assert found[2:] == (None, None)


def test_where_null_objects_alone_forbid_it_more_of_them_are_told() -> None:
    found = taken(evidence([0.1], [0.7]))
    # their .7 exceeds .6468 however many texts there are; .6468 - .3 is left for them
    assert found[:2] == (None, None)
    assert found.draws_to_refute == pytest.approx(40 * 0.7 / 0.3468, rel=0.01)  # 81
    assert found.draws_to_support == pytest.approx(40 * 0.7 / 0.3468, rel=0.01)


def test_where_either_forbids_it_both_are_told() -> None:
    found = taken(evidence([0.2], [0.5]))
    # .1617 is less than either half: each is brought down to half of it
    assert found.texts_to_refute == pytest.approx(64 * 0.5 / 0.0809, rel=0.01)  # 396
    assert found.draws_to_refute == pytest.approx(40 * 0.5 / 0.0809, rel=0.01)  # 247
    assert found.texts_to_support == pytest.approx(found.texts_to_refute, rel=0.01)


def test_more_texts_at_an_unchanged_error_of_null_objects_are_not_asked_for_more() -> None:
    # 64, 640 and 2,560 texts whose own part shrinks as it should: 424, 4,314 and 16,967 were told at an unchanged error
    told = []
    for n in (64, 640, 2560):
        own, null = 0.01 * 0.5 * 64 / n, 0.01 * 0.5
        told.append(taken(evidence([np.sqrt(own + null)], [null / (own + null)], texts=n)).texts_to_refute)
    assert told[0] == pytest.approx(218, abs=3)
    assert told[1] == pytest.approx(218, abs=3)
    assert told[2] == pytest.approx(218, abs=3)


def test_each_cell_has_its_own_share() -> None:
    # both must be refuted: the second cell, all of texts, takes no more than alone; the first rules
    both = taken(evidence([0.1, 0.1], [0.5, 0.0]))
    assert both.texts_to_refute == taken(evidence([0.1], [0.5])).texts_to_refute
    one = needed(evidence([0.1, 0.1], [0.7, 0.0]), np.arange(2), 0.2, 0.05, need_support=2, need_refute=1)
    assert one.texts_to_refute == pytest.approx(64 / 0.6468, rel=0.01)
    assert one.draws_to_refute is None
    # both cells are needed: the first takes more null objects, the second more texts, and each part has half of .6468
    assert one.texts_to_support == pytest.approx(64 / 0.3234, rel=0.01)
    assert one.draws_to_support == pytest.approx(40 * 0.7 / 0.3234, rel=0.02)


def test_an_effect_many_errors_away_needs_the_fewest_texts_whatever_its_size() -> None:
    assert [fewest(10, shrink) for shrink in (0.5, 1.0, 3.0, 1e200)] == [40, 10, 4, 4]
    assert [fewest(10, shrink) for shrink in (1e-5, float("inf"), float("nan"))] == [None, None, None]


def test_twice_an_effect_stays_on_its_scale() -> None:
    assert double(0.2, 1.0) == 0.4
    assert double(0.5, 1.0) == 0.75


# ---- what bounds say of their parts


def crossed(rng: np.random.Generator, texts: int, draws: int, text_sd: float, draw_sd: float) -> tuple[Floats, Floats]:
    """(text, 1) of a network and (draw, text, 1) of null objects, whose difference varies by text and by draw."""
    own = text_sd * rng.standard_normal((texts, 1))
    return own, np.repeat(draw_sd * rng.standard_normal((draws, 1, 1)), texts, axis=1)


def test_null_objects_share_of_the_error_is_that_of_their_own_mean() -> None:
    rng = np.random.default_rng(0)
    own, null = crossed(rng, 12, 30, 1.0, 2.0)
    drawn = resample_texts_and_draws(12, 30, count=199, rng=rng)
    bounds = bootstrap_t(against_null(own, null, drawn), drawn, means=True)
    of_texts, of_draws = own.var(ddof=1) / 12, null[:, 0, 0].var(ddof=1) / 30
    assert bounds.se[0] ** 2 == pytest.approx(of_texts + of_draws)
    assert bounds.fixed_share == pytest.approx([of_draws / (of_texts + of_draws)])
    assert bounds.null_objects == 30
    several = side_by_side_null(np.repeat(own, 20, axis=1), np.repeat(null, 20, axis=2), drawn, (-np.inf, np.inf))
    np.testing.assert_allclose(several.fixed_share, bounds.fixed_share[0])
    assert several.null_objects == 30


def test_matched_sets_share_of_the_error_is_kept_by_medians_and_by_the_weakest() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 8)
    texts = resample_groups(labels, count=199, rng=rng)
    sets = resample_groups(np.zeros(25, dtype=np.int64), count=199, rng=rng)
    own, others = rng.standard_normal(16), np.repeat(rng.standard_normal((25, 1)), 16, axis=1)
    design = Design.of([str(x) for x in labels])
    parts = []
    for among in (sets, None):
        drawn = TextsAndSets.of(texts, among, design)
        used = others if among is not None else np.empty((0, 16))
        parts.append(bootstrap_t(drawn.contrast(own, used, np.array([1.0, 0.0])), drawn.resamples))
    of_texts, of_sets = own[:8].var(ddof=1) / 8, others[:, 0].var(ddof=1) / 25
    assert parts[0].fixed_share == pytest.approx([of_sets / (of_sets + of_texts)])
    assert parts[1].fixed_share is None
    both = side_by_side(parts)
    assert both.fixed_share == pytest.approx([of_sets / (of_sets + of_texts), 0.0])
    median = MedianBounds.of([both, both, both])
    weakest = WeakestBounds.of(median, [np.array([0, 1])])
    assert median.fixed_share == pytest.approx(both.fixed_share)
    assert weakest.fixed_share == pytest.approx([both.fixed_share[int(np.argmin(both.theta))]])
    assert (both.null_objects, median.null_objects, weakest.null_objects) == (25, 25, 25)


def test_texts_alone_have_no_other_part() -> None:
    rng = np.random.default_rng(2)
    drawn = resample_groups(np.zeros(9, dtype=np.int64), count=199, rng=rng)
    bounds = bootstrap_t(mean_replicates(rng.standard_normal((9, 2)), drawn), drawn)
    assert bounds.fixed_share is None and bounds.null_objects == 0
    assert Resamples(drawn.times, drawn.groups).fixed == ()


# ---- by simulation: at what is told, the claim decides in about four runs of five


def _scaled(values: Floats, sd: float) -> Floats:
    """Values whose sample spread is exactly the population's, so that the number told is the one of that spread."""
    return (values - values.mean()) * sd / values.std(ddof=1)


@pytest.mark.parametrize(("text_sd", "draw_sd"), [(1.0, 0.5), (0.6, 1.3), (1.4, 1.5)])
def test_what_is_told_decides_in_four_runs_of_five(text_sd: float, draw_sd: float) -> None:
    rng = np.random.default_rng(3)
    texts, draws, smallest = 30, 30, 0.4
    own, null = crossed(rng, texts, draws, 1.0, 1.0)
    own, null = _scaled(own, text_sd), np.repeat(_scaled(null[:, :1], draw_sd), texts, axis=1)
    resamples = resample_texts_and_draws(texts, draws, count=1999, rng=rng)
    bounds = side_by_side_null(own, null, resamples, (-np.inf, np.inf))
    told = needed(Evidence((Cell(),), "", bounds, None, texts), ONE, smallest, 0.05, need_support=1, need_refute=1)
    for effect, n, d in (
        (0.0, told.texts_to_refute, told.draws_to_refute),
        (2 * smallest, told.texts_to_support, told.draws_to_support),
    ):
        assert n is not None or d is not None
        decided = 0
        for _ in range(300):
            own, null = crossed(rng, n or texts, d or draws, text_sd, draw_sd)
            again = resample_texts_and_draws(n or texts, d or draws, count=199, rng=rng)
            found = Evidence(
                (Cell(),), "", side_by_side_null(own - effect, null, again, (-np.inf, np.inf)), None, n or texts
            )
            levels = somewhere().levels(found, smallest, 0.05)
            decided += (levels.p_plus if effect else levels.p_minus) <= 0.05
        assert 0.72 <= decided / 300 <= 0.88  # .8 give or take three standard errors


def test_levels_carry_what_null_objects_it_would_take() -> None:
    for holds in (somewhere(), everywhere()):
        levels = holds.levels(evidence([0.1], [0.7]), 0.2, 0.05)
        assert (levels.texts_to_refute, levels.texts_to_support) == (None, None)
        assert levels.draws_to_refute == pytest.approx(81, abs=1)
        unknown = holds.levels(replace(evidence([0.1], [0.7]), n_texts=0), 0.2, 0.05)
        assert (unknown.draws_to_refute, unknown.draws_to_support) == (None, None)


def test_the_law_at_the_end_of_a_scale_says_how_few_texts_may_do_and_how_many_must() -> None:
    """40 texts worth 20 comparisons, s = .8: at effect 0 exp(-b KL(.5 || .9)) is .05 at 12 texts; to support, even perfect
    samples need .9^b at most .05, which is 57 texts."""
    t = np.random.default_rng(5).standard_normal((999, 1))
    delta = np.array([0.89])
    law = EndLaw.of(delta, b=20, ends=(-1.0, 1.0), fewest=20)
    bounds = Bounds(delta, np.array([0.6]), t, ends=(-1.0, 1.0), end=law)
    found = needed(
        Evidence((Cell(),), "delta", bounds, None, 40), np.arange(1), 0.8, 0.05, need_support=1, need_refute=1
    )
    assert found.texts_to_refute == 12
    assert found.texts_to_support is not None
    assert found.texts_to_support >= 57
