"""Curves along depth: which layers have a band, and what is said of those that have none."""

from __future__ import annotations

import numpy as np
import pytest

from modclaims.families.common.depth_curves import curve_exhibit
from modclaims.stats.bounds.resamples import resample_groups

RNG = np.random.default_rng(0)
RESAMPLES = resample_groups(np.zeros(64, dtype=np.int64), count=999, rng=RNG)


def drawn(curves):
    return curve_exhibit("Title", "share", curves, RESAMPLES, 0.05, ends=(0.0, 1.0))


def test_a_layer_in_which_hardly_a_text_differs_leaves_the_others_their_band():
    curves = np.zeros((64, 4))
    curves[:, :2] = 0.5 + 0.05 * np.random.default_rng(1).standard_normal((64, 2))
    curves[5, 2] = 1.0  # one text in 64: more than a third of the resamples leave it out
    curves[:, 3] = 0.25
    found, alone = drawn(curves), drawn(curves[:, :2])
    for end in ("low", "high"):
        assert found.arrays[end][:2] == pytest.approx(alone.arrays[end])
        assert np.isnan(found.arrays[end][2:]).all()
    assert "no band in layers 2, 3, where too few texts differ for one" in found.description
    assert "no band" not in alone.description


def test_a_band_covers_the_means_of_all_layers_at_once():
    centre, inside = np.linspace(0.3, 0.7, 6), 0
    rng = np.random.default_rng(2)
    for _ in range(100):
        curves = centre + 0.1 * rng.standard_normal((64, 6))
        band = drawn(curves).arrays
        inside += bool(((band["low"] <= centre) & (centre <= band["high"])).all())
    assert inside >= 80, "90 % of bands do"
