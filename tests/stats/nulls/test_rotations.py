"""Random rotations: Haar in law, an explicit product of reflections in fact, and what is read off turned axes."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats as scipy_stats

from modclaims.stats.chance.actions import Arrangements, Design
from modclaims.stats.chance.permutation import degrees_of_freedom, f_null
from modclaims.stats.effects.omega_squared import omega_squared
from modclaims.stats.nulls import rotations
from modclaims.stats.nulls.rotations import (
    ULPS,
    BasisEffects,
    Coordinates,
    Scale,
    Space,
    Turning,
    UnitBasis,
    draws,
    gaussian_kurtosis,
    kurtosis,
    shares,
    summarised,
)

Floats = NDArray[np.float64]

DESIGNS = {
    "equal": Design.of(list("abcabcabcabc")),
    "unequal": Design.of(list("aaaaaaabbbccccc")),
    "two": Design.of(list("aaaabbbbbb")),
    "strata": Design.of(list("aaabbbccc" * 2), list("x" * 9 + "y" * 9)),
    "unequal strata": Design.of(list("aaabbcccc" + "abbbbcc" + "aacc"), list("x" * 9 + "y" * 7 + "z" * 4)),
    "strata without a comparison": Design.of(list("aabbaabbccc"), list("xxxxyyyyzzz")),
}


def haar(draws: int, width: int, rows: int | None = None, seed: int = 0) -> Floats:
    """(draw, row, width) rows of turned axes."""
    coordinates = Coordinates.of(np.eye(width)[: rows or width])
    rng = np.random.default_rng(seed)
    return np.stack([coordinates.turned(rng) for _ in range(draws)])


def reflected(rows: Floats, width: int, rng: np.random.Generator) -> Floats:
    """(row, width) rows in m coordinates times the first m rows of D H_m ... H_1, each H_k a matrix made in full."""
    used = rows.shape[1]
    normal = np.tril(rng.standard_normal((width, used)))
    matrix, signs = np.eye(width), np.ones(width)
    for k in range(used):
        x = normal[:, k].copy()
        signs[k] = -1.0 if x[k] < 0 else 1.0
        x[k] += signs[k] * np.linalg.norm(normal[k:, k])
        matrix = (np.eye(width) - 2 * np.outer(x, x) / (x @ x)) @ matrix
    return np.asarray(rows @ (-signs[:, None] * matrix)[:used])


def turning_of(vectors: Floats, design: Design) -> Turning:
    """In the vectors' own scale, all coordinates kept."""
    return Turning.of(vectors, np.ones((len(vectors), vectors.shape[2]), dtype=bool), design)


def observed_f(y: Floats, design: Design) -> Floats:
    return f_null(y, design, Arrangements(design.labels[None].astype(np.int16), True, 1))[0][0]


# ---- Coordinates


@pytest.mark.parametrize(("rows", "width"), [(1, 7), (4, 9), (9, 9), (30, 9), (300, 5), (5, 1), (120, 110)])
def test_turning_keeps_all_inner_products(rows: int, width: int) -> None:
    rng = np.random.default_rng(rows)
    vectors = rng.normal(size=(rows, width)) * rng.exponential(size=width)
    turned = Coordinates.of(vectors).turned(rng)
    assert turned.shape == (rows, width)
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, rtol=0, atol=1e-11 * (vectors**2).sum())
    assert not np.allclose(turned, vectors)


def test_coordinates_are_as_few_as_span_the_rows_and_keep_their_inner_products() -> None:
    vectors = np.random.default_rng(0).normal(size=(6, 20))
    few = Coordinates.of(vectors)
    assert (few.rows.shape, few.width) == ((6, 6), 20)
    np.testing.assert_allclose(few.rows @ few.rows.T, vectors @ vectors.T, atol=1e-12)
    assert Coordinates.of(vectors.T).rows.shape == (20, 6)


def test_rows_that_depend_on_each_other_and_rows_of_zeros_are_turned_too() -> None:
    vectors = np.zeros((5, 12))
    vectors[1] = vectors[3] = np.arange(12.0)
    turned = Coordinates.of(vectors).turned(np.random.default_rng(1))
    np.testing.assert_allclose(turned @ turned.T, vectors @ vectors.T, atol=1e-10)
    np.testing.assert_allclose(turned[1], turned[3], atol=1e-12)


def test_turned_axes_have_the_moments_of_haar() -> None:
    width, count = 5, 4000
    q = haar(count, width)
    second, fourth = 1 / width, 3 / (width * (width + 2))
    eighth = 105 / (width * (width + 2) * (width + 4) * (width + 6))
    np.testing.assert_allclose((q**2).mean(axis=0), second, rtol=0, atol=4.5 * np.sqrt((fourth - second**2) / count))
    np.testing.assert_allclose((q**4).mean(axis=0), fourth, rtol=0, atol=4.5 * np.sqrt((eighth - fourth**2) / count))
    np.testing.assert_allclose(q.mean(axis=0), 0, rtol=0, atol=4.5 * np.sqrt(second / count))
    # the trace of Haar on O(d) has the first four moments of a standard Gaussian
    trace = np.trace(q, axis1=1, axis2=2)
    assert trace.mean() == pytest.approx(0, abs=4 / np.sqrt(count))
    assert (trace**2).mean() == pytest.approx(1, abs=4 * np.sqrt(2 / count))


def test_reflections_and_rotations_are_drawn_alike() -> None:
    determinants = np.linalg.det(haar(2000, 4, seed=1))
    np.testing.assert_allclose(np.abs(determinants), 1, atol=1e-12)
    assert (determinants > 0).mean() == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(2000))


@pytest.mark.parametrize(("rows", "width"), [(1, 3), (3, 6), (5, 6), (6, 6), (2, 40)])
def test_turned_axes_have_the_law_of_the_first_rows_of_a_haar_matrix(rows: int, width: int) -> None:
    count = 1500
    ours = haar(count, width, rows, seed=rows)
    theirs = scipy_stats.ortho_group.rvs(width, size=count, random_state=np.random.default_rng(rows))[:, :rows]
    functionals = {
        "first entry": lambda q: q[:, 0, 0],
        "last entry": lambda q: q[:, -1, -1],
        "largest entry": lambda q: np.abs(q).max(axis=(1, 2)),
        "fourth powers": lambda q: (q**4).sum(axis=(1, 2)),
        "first column": lambda q: (q[:, :, 0] ** 2).sum(axis=1),
        "two columns": lambda q: (q[:, :, 0] * q[:, :, -1]).sum(axis=1),
        "diagonal": lambda q: np.einsum("nii->n", q[:, :, :rows]),
        "row by row": lambda q: q[:, 0, 0] * q[:, -1, 0],
    }
    for name, functional in functionals.items():
        one, other = (np.round(functional(q), 9) for q in (ours, theirs))  # some are constants when rows = width
        assert scipy_stats.ks_2samp(one, other).pvalue > 1e-3, name


@pytest.mark.parametrize("reflectors", [1, 2, 3, 4, 96])
@pytest.mark.parametrize("chunk", [2, 5, 256])
@pytest.mark.parametrize(("rows", "width"), [(1, 5), (4, 9), (6, 7), (9, 9), (11, 8)])
def test_blocks_of_reflections_equal_the_product_of_householder_matrices(
    rows: int, width: int, chunk: int, reflectors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotations, "REFLECTORS", reflectors)
    monkeypatch.setattr(rotations, "ROWS", chunk)
    coordinates = Coordinates.of(np.random.default_rng(0).normal(size=(rows, width)))
    expected = reflected(coordinates.rows, width, np.random.default_rng(3))
    np.testing.assert_allclose(coordinates.turned(np.random.default_rng(3)), expected, rtol=0, atol=1e-12)


def test_more_reflections_than_a_block_holds_equal_their_product_too() -> None:
    coordinates = Coordinates.of(np.random.default_rng(0).normal(size=(300, 200)))
    expected = reflected(coordinates.rows, 200, np.random.default_rng(3))
    np.testing.assert_allclose(coordinates.turned(np.random.default_rng(3)), expected, rtol=0, atol=1e-11)


# ---- draws


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_draws_come_in_order_whoever_finishes_first(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotations, "WORKERS", workers)
    expected = [float(child.random()) for child in np.random.default_rng(7).spawn(12)]

    def one(rng: np.random.Generator) -> float:
        found = float(rng.random())
        time.sleep(0.01 * found)
        return found

    assert draws(12, np.random.default_rng(7), one) == expected
    assert draws(5, np.random.default_rng(7), one) == expected[:5]


def test_turned_directions_do_not_hang_on_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    turning = turning_of(np.random.default_rng(0).normal(size=(2, 12, 10)), DESIGNS["equal"])
    found = []
    for workers in (1, 2, 4):
        monkeypatch.setattr(rotations, "WORKERS", workers)
        found.append(np.stack([d.omega2 for d in draws(20, np.random.default_rng(1), turning.turned)]))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


# ---- UnitBasis, Turning


@pytest.mark.parametrize("name", DESIGNS)
def test_the_basis_of_the_units_is_orthonormal(name: str) -> None:
    design = DESIGNS[name]
    basis = UnitBasis.of(design)
    assert basis.matrix.shape == (design.n, design.n)
    np.testing.assert_allclose(basis.matrix @ basis.matrix.T, np.eye(design.n), rtol=0, atol=1e-12)
    assert (basis.df1, design.n - basis.df1 - basis.strata) == degrees_of_freedom(design)


@pytest.mark.parametrize("name", DESIGNS)
def test_omega_squared_of_directions_is_that_of_f(name: str) -> None:
    design, rng = DESIGNS[name], np.random.default_rng(4)
    y = rng.normal(size=(2, design.n, 9)) + rng.normal(size=(2, 1, 9)) * 5
    y[1] += np.linspace(0, 3, 9) * design.labels[:, None] + 4 * design.strata[:, None]
    basis = UnitBasis.of(design)
    found = basis.directions(basis.rows(y))
    df1, _ = degrees_of_freedom(design)
    for layer in range(2):
        expected = omega_squared(observed_f(y[layer], design), df1, design.n)
        np.testing.assert_allclose(found.omega2[layer], expected, rtol=0, atol=1e-12)


def test_omega_squared_of_a_direction_by_hand() -> None:
    """Groups 1, 2, 3 and 5, 6, 7: SSA = 24 on 1, SSE = 4 on 4, F = 24, omega^2 = 23 / 29."""
    design = Design.of(list("aaabbb"))
    basis = UnitBasis.of(design)
    found = basis.directions(basis.rows(np.array([1.0, 2, 3, 5, 6, 7])[None, :, None]))
    assert found.omega2[0, 0] == pytest.approx(23 / 29)


def test_omega_squared_of_directions_does_not_hang_on_their_scale_and_place() -> None:
    design, rng = DESIGNS["unequal strata"], np.random.default_rng(5)
    y = rng.normal(size=(1, design.n, 6))
    basis = UnitBasis.of(design)
    one = basis.directions(basis.rows(y)).omega2
    other = basis.directions(basis.rows(y * rng.uniform(0.01, 100, 6) + rng.normal(size=6))).omega2
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0, 7.3, -1e4])
@pytest.mark.parametrize("name", ["equal", "unequal", "unequal strata"])
def test_a_constant_coordinate_gives_zero(name: str, value: float) -> None:
    design = DESIGNS[name]
    basis = UnitBasis.of(design)
    y = np.random.default_rng(6).normal(size=(1, design.n, 3))
    y[:, :, 1] = value
    assert basis.directions(basis.rows(y)).omega2[0, 1] == 0


def test_a_coordinate_that_is_its_category_gives_one() -> None:
    design = DESIGNS["equal"]
    basis = UnitBasis.of(design)
    found = basis.directions(basis.rows(design.labels[None, :, None].astype(np.float64)))
    assert found.omega2[0, 0] == pytest.approx(1)


@pytest.mark.parametrize("width", [5, 40])
def test_turning_axes_turns_the_activations_of_all_layers_alike(width: int) -> None:
    design = DESIGNS["unequal strata"]
    vectors = np.random.default_rng(8).normal(size=(2, design.n, width)) + 2.0
    turning = turning_of(vectors, design)
    np.testing.assert_allclose(
        turning.axes().omega2, turning.basis.directions(turning.basis.rows(vectors)).omega2, atol=1e-12
    )
    found = turning.turned(np.random.default_rng(9))
    if width == 5:
        matrix = Coordinates.of(np.eye(width)).turned(np.random.default_rng(9))
        expected = turning.basis.directions(turning.basis.rows(vectors @ matrix))
        np.testing.assert_allclose(found.omega2, expected.omega2, rtol=0, atol=1e-6)  # single precision


# ---- the scale of coordinates


@pytest.mark.parametrize("name", DESIGNS)
def test_the_scale_is_the_error_of_a_linear_model_of_category_and_stratum(name: str) -> None:
    design, rng = DESIGNS[name], np.random.default_rng(20)
    y = (
        rng.normal(size=(2, design.n, 5)) * rng.exponential(size=5)
        + 3 * design.labels[:, None]
        - 2 * design.strata[:, None]
    )
    hot = np.hstack([(v[:, None] == np.unique(v)).astype(float) for v in (design.labels, design.strata)])
    _, df2 = degrees_of_freedom(design)
    for layer, found in enumerate(Scale.of(y, design).spread):
        left = y[layer] - hot @ np.linalg.lstsq(hot, y[layer], rcond=None)[0]
        np.testing.assert_allclose(found, np.sqrt((left**2).sum(axis=0) / df2), rtol=1e-10)


def test_the_scale_of_two_categories_by_hand() -> None:
    """Groups 1, 2, 3 and 5, 6, 10: squares inside 2 + 14 on 4."""
    found = Scale.of(np.array([1.0, 2, 3, 5, 6, 10])[None, :, None], Design.of(list("aaabbb")))
    assert found.spread[0, 0] == pytest.approx(2)
    assert found.kept.all()


def test_a_scaled_coordinate_tells_as_much_as_before_and_has_error_one() -> None:
    design, rng = DESIGNS["unequal strata"], np.random.default_rng(21)
    y = rng.normal(size=(2, design.n, 6)) * 10.0 ** rng.normal(size=6) + design.labels[:, None]
    scale, basis = Scale.of(y, design), UnitBasis.of(design)
    scaled = scale.scaled(y)
    np.testing.assert_allclose(Scale.of(scaled, design).spread, 1, rtol=1e-10)
    np.testing.assert_allclose(
        basis.directions(basis.rows(scaled)).omega2, basis.directions(basis.rows(y)).omega2, rtol=0, atol=1e-9
    )


def test_the_scale_of_a_coordinate_does_not_hang_on_what_it_tells_or_where_it_lies() -> None:
    design, rng = DESIGNS["equal"], np.random.default_rng(22)
    y = rng.normal(size=(1, design.n, 3))
    told = y + 50.0 * design.labels[:, None] + 1000
    np.testing.assert_allclose(Scale.of(told, design).spread, Scale.of(y, design).spread, rtol=1e-9)


def test_a_coordinate_that_is_the_same_in_all_units_is_still_and_one_that_is_its_category_is_perfect() -> None:
    design, rng = DESIGNS["unequal"], np.random.default_rng(23)
    y = rng.normal(size=(2, design.n, 4))
    y[0, :, 1], y[0, :, 2] = 7.3, 0.1 + 0.2 * design.labels
    y[1, :, 3] = 0
    scale = Scale.of(y, design)
    assert scale.still.tolist() == [[False, True, False, False], [False, False, False, True]]
    assert scale.perfect.tolist() == [[False, False, True, False], [False] * 4]
    assert scale.kept.sum() == 5
    scaled = scale.scaled(y)
    assert not scaled[0, :, 1:3].any() and not scaled[1, :, 3].any()
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize(("roundings", "kept"), [(ULPS / 4, False), (ULPS * 4, True)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_varies_by_a_hundred_roundings_of_its_precision_varies_by_rounding(
    roundings: float, kept: bool, dtype: type[np.floating[Any]]
) -> None:
    design, eps = DESIGNS["two"], float(np.finfo(dtype).eps)
    y = 1 + roundings * eps * np.random.default_rng(24).standard_normal((1, design.n, 1))
    assert Scale.of(y, design, eps).kept.all() == kept


def test_an_outlier_exceeds_the_median_spread_so_many_times_and_no_less() -> None:
    spread = np.array([[1.0, 1.0, 2.0, 9.9, 10.1, 0.0], [0.0, 0.0, 1.0, 1.0, 5.0, 0.0]])
    scale = Scale(spread, spread > 0, np.zeros(spread.shape, dtype=bool))
    assert scale.outlying(5.0).tolist() == [[False] * 4 + [True, False], [False] * 6]
    assert Scale(np.zeros((1, 3)), np.zeros((1, 3), bool), np.zeros((1, 3), bool)).outlying(5.0).sum() == 0


def test_a_coordinate_large_in_every_unit_alike_is_no_outlier() -> None:
    design, rng = DESIGNS["equal"], np.random.default_rng(10)
    y = rng.normal(size=(3, design.n, 12))
    y[1, :, 4] *= 40
    y[2, :, 7] += 40
    assert [np.flatnonzero(row).tolist() for row in Scale.of(y, design).outlying(5.0)] == [[], [4], []]


# ---- the space that is turned


def test_coordinates_that_are_left_out_leave_as_many_directions_as_there_are_axes() -> None:
    design, rng = DESIGNS["equal"], np.random.default_rng(25)
    y = rng.normal(size=(3, design.n, 7))
    kept = np.ones((3, 7), dtype=bool)
    kept[1, [2, 5]] = kept[2] = False
    turned = Space.of(y, kept).turned(np.random.default_rng(1))
    assert turned.shape == y.shape
    assert not turned[1, :, 5:].any() and not turned[2].any()
    for layer, columns in enumerate(kept[:2]):
        own = y[layer][:, columns]
        np.testing.assert_allclose(turned[layer] @ turned[layer].T, own @ own.T, atol=1e-11)
    found = Turning.of(np.where(kept[:, None], y, 0.0), kept, design)
    assert found.axes().varies.tolist() == kept.tolist()
    assert found.turned(np.random.default_rng(1)).varies.sum(axis=1).tolist() == [7, 5, 0]


def test_layers_with_the_same_coordinates_are_turned_alike() -> None:
    y = np.random.default_rng(26).normal(size=(1, 12, 6))
    kept = np.array([[True] * 6, [True] * 5 + [False], [True] * 6])
    turned = Space.of(np.concatenate([y, y, y]), kept).turned(np.random.default_rng(2))
    np.testing.assert_array_equal(turned[0], turned[2])
    assert not np.allclose(turned[0], turned[1])


# ---- summaries


def directions(omega2: list[list[float]], varies: list[list[bool]] | None = None) -> BasisEffects:
    values = np.array(omega2)
    return BasisEffects(values, np.ones(values.shape, bool) if varies is None else np.array(varies))


@pytest.mark.parametrize(("shared", "outlying"), [(0.0, 1.0), (1e4, 1.0), (0.0, 1e4), (1e4, 1e4)])
def test_a_draw_in_single_precision_is_that_in_double_to_a_hundred_thousandth(shared: float, outlying: float) -> None:
    rng = np.random.default_rng(2)
    a = Design.of(list("aabbcc") * 5, None)
    vectors = rng.standard_normal((2, 30, 40))
    vectors[0, :, 3] += 2 * a.labels
    vectors[:, :, 5] *= outlying
    vectors += shared
    turning = turning_of(vectors, a)
    single = turning.turned(np.random.default_rng(4))
    double = turning.basis.directions(turning.space.turned(np.random.default_rng(4)))
    np.testing.assert_allclose(single.omega2, double.omega2, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(single.varies, double.varies)


def test_summaries_by_hand() -> None:
    given = directions(
        [[0.1, 0.5, 0.14, 0.9], [-0.1, 0.3, 0.2, 0.0], [0.0] * 4],
        [[True, True, True, False], [True] * 4, [False] * 4],
    )
    assert summarised(given, "largest", 0.14)[:2].tolist() == [0.5, 0.3]
    assert summarised(given, "count", 0.14)[:2] == pytest.approx([2 / 3, 2 / 4])
    # 99 % of the way from the first to the last of three, then of four
    upper = [0.14 + 0.98 * (0.5 - 0.14), 0.2 + 0.97 * (0.3 - 0.2)]
    assert summarised(given, "upper", 0.14)[:2] == pytest.approx(upper)
    assert all(np.isnan(summarised(given, summary, 0.14)[2]) for summary in rotations.SUMMARIES)


def test_shares_by_hand() -> None:
    at = np.array([0.0, 0.1, 0.12, 0.5, 0.51, 1.0])
    values = [[0.1, 0.5, 0.14, 0.9]]
    some = directions(values, [[True, True, True, False]])
    assert shares(some, at)[0] == pytest.approx([1, 1, 2 / 3, 1 / 3, 0, 0])
    assert shares(directions(values), at)[0] == pytest.approx([1, 1, 3 / 4, 2 / 4, 1 / 4, 0])
    assert not shares(directions(values, [[False] * 4]), at).any()


# ---- kurtosis


def test_kurtosis_by_hand() -> None:
    assert kurtosis(np.array([1.0, -1, 1, -1])) == pytest.approx(1)
    assert kurtosis(np.array([0.0, 0, 0, 4])) == pytest.approx(4 * (3 * 1 + 81) / (3 * 1 + 9) ** 2)
    assert kurtosis(np.array([1.0, 2, 3])) == pytest.approx(3 * 2 / 4)


def test_kurtosis_is_that_of_scipy() -> None:
    x = np.random.default_rng(11).standard_t(4, size=(3, 4, 25)) + 2
    np.testing.assert_allclose(kurtosis(x), scipy_stats.kurtosis(x, axis=-1, fisher=False, bias=True), rtol=1e-12)


def test_the_kurtosis_of_a_constant_vector_is_not_a_number() -> None:
    assert np.isnan(kurtosis(np.zeros((2, 5)))).all()
    assert np.isnan(kurtosis(np.full(6, 0.5)))


def test_kurtosis_does_not_hang_on_scale_and_place() -> None:
    x = np.random.default_rng(12).normal(size=(5, 16))
    np.testing.assert_allclose(kurtosis(-70 * x + 9), kurtosis(x), rtol=1e-10)


@pytest.mark.parametrize("width", [2, 3, 8, 32])
def test_the_gaussian_kurtosis_is_the_mean_over_rotations_of_any_vector(width: int) -> None:
    count = 3000 if width < 10 else 1500
    start = np.stack(
        [np.eye(width)[0], np.ones(width) + 0.5 * np.arange(width), np.random.default_rng(1).normal(size=width)]
    )
    coordinates, rng = Coordinates.of(start), np.random.default_rng(width)
    found = np.stack([kurtosis(coordinates.turned(rng)) for _ in range(count)])
    error = found.std(axis=0) / np.sqrt(count)
    assert (np.abs(found.mean(axis=0) - gaussian_kurtosis(width)) <= 4 * error + 1e-12).all()
    assert gaussian_kurtosis(width) == pytest.approx(3 * (width - 1) / (width + 1))
