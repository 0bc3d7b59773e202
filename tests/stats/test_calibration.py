"""On noise nothing is found more often than promised, and a planted effect is found.

Sizes and bounds are checked apart: looking at SUPPORTED alone would let one hide a defect of the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import beta

from modclaims.stats.bounds.bootstrap import Bounds, bootstrap_t
from modclaims.stats.bounds.resamples import resample
from modclaims.stats.chance.actions import Design, relabellings
from modclaims.stats.chance.multiplicity import weigh_cells
from modclaims.stats.chance.permutation import Pairs, f_null, gap_null
from modclaims.stats.effects.omega_squared import omega_squared_bounds
from modclaims.stats.effects.pair_effects import cliffs_delta
from modclaims.stats.effects.rivals import pseudo_f2_null
from modclaims.stats.effects.similarity import text_similarity

Floats = NDArray[np.float64]
ALPHA = 0.05
SETS = 400
DRAWS = 199


def lower_limit(count: int, sets: int) -> float:
    """One-sided 99.9 % Clopper-Pearson lower limit of a rate."""
    return 0.0 if count == 0 else float(beta.ppf(0.001, count, sets - count + 1))


def rates(one: Callable[[np.random.Generator], tuple[bool, ...]], seed: int, sets: int = SETS) -> list[int]:
    """How often each event of `one` happened over seeded data sets."""
    hits = [one(np.random.default_rng([seed, i])) for i in range(sets)]
    return [int(sum(column)) for column in zip(*hits, strict=True)]


def similarities(x: Floats, pairs: Pairs) -> Floats:
    """(pair, cell) cosines of (text, cell, unit) activations."""
    return pairs.matrix([text_similarity(x[:, [c]]).values for c in range(x.shape[1])])


def delta_bounds(values: Floats, design: Design, pairs: Pairs, rng: np.random.Generator) -> Bounds:
    resamples = resample(design, count=DRAWS, rng=rng)
    return bootstrap_t(cliffs_delta(values, design, pairs, resamples), resamples, ends=(-1.0, 1.0))


def gap_p(values: Floats, design: Design, pairs: Pairs, rng: np.random.Generator) -> Floats:
    drawn = relabellings(design, budget=DRAWS, rng=rng, blind="within_strata")
    return weigh_cells(*gap_null(values, pairs, design, drawn)).p_adjusted


def shuffled(labels: str, rng: np.random.Generator) -> Design:
    return Design.of(list(rng.permutation(list(labels))))


# ---- noise


@pytest.mark.parametrize(("labels", "seed"), [("aaaabbbbcccc", 1), ("aaaaaaabbbbccc", 2)])
def test_on_shuffled_labels_neither_gap_nor_delta_finds_a_layer_too_often(labels: str, seed: int) -> None:
    def one(rng: np.random.Generator) -> tuple[bool, ...]:
        design = shuffled(labels, rng)
        pairs = Pairs.of(design)
        # layers of one text go together, and some texts lie far out
        x = rng.normal(size=(design.n, 6, 16)) + 0.7 * rng.standard_t(3, size=(design.n, 1, 16))
        values = similarities(x, pairs)
        bounds, every = delta_bounds(values, design, pairs, rng), np.arange(6)
        found = gap_p(values, design, pairs, rng).min() <= ALPHA
        return bool(found), bool((bounds.lower(ALPHA, every) > 0).any()), bool((bounds.upper(ALPHA, every) < 0).any())

    p, above, below = rates(one, seed)
    assert lower_limit(p, SETS) <= ALPHA
    assert lower_limit(above, SETS) <= ALPHA
    assert lower_limit(below, SETS) <= ALPHA
    assert p > 4  # the test is not merely silent


def test_on_labels_shuffled_in_strata_neither_gap_nor_delta_finds_a_layer_too_often() -> None:
    sizes = {"x": "aaaabbccc", "y": "aaabbbbcccc"}

    def one(rng: np.random.Generator) -> tuple[bool, ...]:
        labels = [str(v) for group in sizes.values() for v in rng.permutation(list(group))]
        strata = [h for h, group in sizes.items() for _ in group]
        design = Design.of(labels, strata)
        pairs = Pairs.of(design)
        x = rng.normal(size=(design.n, 6, 16))
        x += 2 * (design.strata == 0)[:, None, None] * rng.normal(size=(1, 6, 16))  # strata differ; labels do not
        values = similarities(x, pairs)
        bounds = delta_bounds(values, design, pairs, rng)
        return (
            bool(gap_p(values, design, pairs, rng).min() <= ALPHA),
            bool((bounds.lower(ALPHA, np.arange(6)) > 0).any()),
        )

    p, above = rates(one, 3)
    assert lower_limit(p, SETS) <= ALPHA
    assert lower_limit(above, SETS) <= ALPHA
    assert p > 4


@pytest.mark.parametrize(("heavy", "seed"), [(False, 4), (True, 5)])
def test_on_shuffled_labels_neither_f_nor_omega_squared_finds_a_head_too_often(heavy: bool, seed: int) -> None:
    def one(rng: np.random.Generator) -> tuple[bool, ...]:
        design = shuffled("aaaabbbbccccdddd", rng)
        y = rng.normal(size=(16, 36)) + rng.normal(size=(16, 1))
        y = np.exp(y) if heavy else y
        drawn = relabellings(design, budget=DRAWS, rng=rng, blind="jointly")
        bounds = omega_squared_bounds(y[:, :6], design, resample(design, count=DRAWS, rng=rng))
        return (
            bool(weigh_cells(*f_null(y, design, drawn)).p_adjusted.min() <= ALPHA),
            bool((bounds.lower(ALPHA, np.arange(6)) > 0).any()),
            bool(bounds.lower(ALPHA)[0] > 0),
        )

    p, band, own = rates(one, seed)
    assert lower_limit(p, SETS) <= ALPHA
    assert lower_limit(band, SETS) <= ALPHA
    assert lower_limit(own, SETS) <= ALPHA
    assert p > 4


def test_on_responses_shuffled_in_strata_f_finds_a_head_no_more_often_than_promised() -> None:
    def one(rng: np.random.Generator) -> tuple[bool]:
        labels = [str(v) for group in ("aaaabb", "aaabbbb", "abbbcc") for v in rng.permutation(list(group))]
        design = Design.of(labels, list("xxxxxxyyyyyyyzzzzzz"))
        y = rng.normal(size=(19, 36)) + 3 * design.strata[:, None]
        drawn = relabellings(design, budget=DRAWS, rng=rng, blind="jointly")
        return (bool(weigh_cells(*f_null(y, design, drawn)).p_adjusted.min() <= ALPHA),)

    (p,) = rates(one, 6)
    assert lower_limit(p, SETS) <= ALPHA
    assert p > 4


def test_p_over_noise_is_uniform() -> None:
    def one(rng: np.random.Generator) -> tuple[bool, ...]:
        design = shuffled("aaaabbbbccc", rng)
        pairs = Pairs.of(design)
        drawn = relabellings(design, budget=99, rng=rng, blind="within_strata")
        p = weigh_cells(*gap_null(similarities(rng.normal(size=(11, 1, 8)), pairs), pairs, design, drawn)).p[0]
        return tuple(bool(p <= level) for level in (0.1, 0.25, 0.5, 0.75, 0.9))

    for count, level in zip(rates(one, 7), (0.1, 0.25, 0.5, 0.75, 0.9), strict=True):
        assert abs(count / SETS - level) <= 3.3 * np.sqrt(level * (1 - level) / SETS)


# ---- a rival, and a real effect


def test_unequal_spread_fools_the_gap_and_not_f2() -> None:
    def one(rng: np.random.Generator) -> tuple[bool, ...]:
        design = Design.of(["a"] * 6 + ["b"] * 24)
        x = rng.normal(size=(30, 1, 10))
        x[:6] *= 3  # equal centroids
        pairs = Pairs.of(design)
        found = text_similarity(x, "euclidean")
        assert found.squared_distance is not None
        drawn = relabellings(design, budget=DRAWS, rng=rng, blind="within_strata")
        gap = weigh_cells(*gap_null(pairs.matrix([found.values]), pairs, design, drawn))
        location = weigh_cells(*pseudo_f2_null(pairs.matrix([found.squared_distance]), pairs, design, drawn))
        return bool(location.p[0] <= ALPHA), bool(gap.p[0] <= ALPHA)

    f2, gap = rates(one, 8)
    assert lower_limit(f2, SETS) <= ALPHA
    assert gap > SETS / 2


def test_an_effect_in_one_of_24_cells_is_found_there() -> None:
    sets = 15

    def one(rng: np.random.Generator) -> tuple[bool, ...]:
        design = Design.of(list("abcd" * 12))
        pairs = Pairs.of(design)
        x = rng.normal(size=(48, 24, 64))
        values = similarities(x, pairs)
        same = design.labels[pairs.i] == design.labels[pairs.j]
        # a shift of category means by c moves cosines inside a category by about c^2 / (c^2 + 64)
        wanted = 0.75 * values[:, 5].std()
        shift = np.sqrt(64 * wanted / (1 - wanted))
        centres = np.linalg.qr(rng.normal(size=(64, 4)))[0].T * shift
        values[:, 5] = similarities(x[:, [5]] + centres[design.labels][:, None], pairs)[:, 0]
        achieved = (values[same, 5].mean() - values[~same, 5].mean()) / values[~same, 5].std()
        p = gap_p(values, design, pairs, rng)
        bounds = delta_bounds(values, design, pairs, rng)
        band = bounds.lower(ALPHA, np.arange(24))
        return (
            bool(p[5] <= ALPHA),
            bool(p[5] <= ALPHA and band[5] > 0),
            bool((np.delete(p, 5) <= ALPHA).any()),
            bool(achieved < 1.2),
        )

    by_p, by_both, elsewhere, modest = rates(one, 9, sets)
    assert by_p >= 0.8 * sets
    assert by_both >= 0.8 * sets
    assert lower_limit(elsewhere, sets) <= ALPHA
    assert modest >= 0.9 * sets  # what was planted is .75 sd and not much more
