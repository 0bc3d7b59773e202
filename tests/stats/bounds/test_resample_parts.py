"""Bounds worked out some resamples at a time are those of all of them together."""

from __future__ import annotations

from unittest import mock

import numpy as np

from modclaims.stats.bounds.bootstrap import bootstrap_t
from modclaims.stats.bounds.resample_parts import TOGETHER, in_parts
from modclaims.stats.bounds.resamples import Resamples, resample_groups
from modclaims.stats.nulls.null_objects import against_null, resample_texts_and_draws


def test_parts_are_together_what_all_resamples_are() -> None:
    rng = np.random.default_rng(0)
    own, null = rng.standard_normal((9, 3)), rng.standard_normal((20, 9, 3))
    drawn, seen = resample_texts_and_draws(9, 20, count=1003, rng=rng), []

    def bounds_of(some: Resamples):
        seen.append(some.count)
        assert some.fixed == drawn.fixed
        assert (some.times[0] == 1).all()
        return bootstrap_t(against_null(own, null, some), some, means=True)

    whole = bounds_of(drawn)
    with mock.patch("modclaims.stats.bounds.resample_parts.TOGETHER", 250):
        found = in_parts(bounds_of, drawn)
    assert seen == [1003, 250, 250, 250, 250, 3]
    for name in ("theta", "se", "t", "fixed_share"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)
    assert found.null_objects == 20
    np.testing.assert_allclose(found.student.df, whole.student.df)
    np.testing.assert_array_equal(found.p_lower(0.1), whole.p_lower(0.1))
    np.testing.assert_allclose(found.upper(0.05, np.arange(3)), whole.upper(0.05, np.arange(3)), rtol=1e-12)


def test_as_many_as_are_drawn_by_default_are_one_part() -> None:
    drawn = resample_groups(np.zeros(4, dtype=np.int64), count=9999, rng=np.random.default_rng(0))
    assert drawn.count <= TOGETHER
    seen: list[Resamples] = []
    in_parts(lambda some: seen.append(some), drawn)
    assert seen == [drawn]
