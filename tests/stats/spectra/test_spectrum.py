"""Ranks and spectra: exact ones against numpy and scipy, estimated ones against dense truth within their stated errors."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, aslinearoperator
from threadpoolctl import threadpool_limits

from modclaims.errors import ClaimError
from modclaims.stats.spectra.estimated_spectra import Effort, estimated_spectrum
from modclaims.stats.spectra.quadrature import bidiagonalise
from modclaims.stats.spectra.spectrum import (
    Spectrum,
    exact_spectrum,
    gram_spectrum,
    gram_values,
    spectrum_of_values,
)

Floats = NDArray[np.float64]
ROOM = 1e9


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with threadpool_limits(limits=1):
        yield


def matrix(seed: int, values: Floats, rows: int | None = None) -> Floats:
    """A matrix with these singular values and Haar-random singular vectors; a stream of its own."""
    rng = np.random.default_rng([17, seed])
    n = len(values)
    left = np.linalg.qr(rng.standard_normal((rows or n, n)))[0]
    return np.asarray(left * values @ np.linalg.qr(rng.standard_normal((n, n)))[0])


def decays(n: int) -> dict[str, Floats]:
    i = np.arange(1, n + 1)
    return {
        "flat": np.sort(np.sqrt(np.random.default_rng(17).uniform(0.2, 1, n)))[::-1],
        "exponential": np.exp(-8 * i / n),
        "slow power": i**-0.5,
        "steep power": 1.0 / i,
        "low rank and noise": np.where(i <= n // 8, 1.0 / np.sqrt(i), 2e-3),
    }


def estimate(a: Any, seed: int = 0, **options: Any) -> Spectrum:
    effort = {"leading": 4, "probes": 8, "steps": 14} | {
        k: options.pop(k) for k in ("leading", "probes", "steps") if k in options
    }
    options = {"max_memory": ROOM} | options
    return estimated_spectrum(aslinearoperator(a), rng=np.random.default_rng(seed), effort=Effort(**effort), **options)


def agrees(found: float, truth: float, error: float) -> bool:
    return abs(found - truth) <= error


def same_bits(a: Spectrum, b: Spectrum) -> bool:
    names = [f.name for f in fields(Spectrum) if f.name not in ("sketch", "method")]
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in names) and a.above(0.1) == b.above(0.1)


# ---- bad input


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_counted_and_refused(poison: float) -> None:
    a = np.eye(3)
    a[0, 1] = poison
    for refused in (exact_spectrum, lambda x: gram_values(x[None])):
        with pytest.raises(ClaimError, match="1 of 9 entries of the matrix are not finite"):
            refused(a)


@pytest.mark.parametrize("wrong", [np.ones(3), np.ones((2, 2, 2)), np.ones((0, 3)), np.ones((2, 2)) * 1j])
def test_a_matrix_has_two_axes_and_real_entries(wrong: NDArray[Any]) -> None:
    with pytest.raises(ClaimError, match=r"axes \(row, column\), none empty; found"):
        exact_spectrum(wrong)


def test_known_values_must_be_as_many_as_the_shape_has() -> None:
    with pytest.raises(ClaimError, match="A 3 x 2 matrix has 2 singular values, none negative; 3 were given"):
        spectrum_of_values(np.ones(3), (3, 2))
    with pytest.raises(ClaimError, match="the smallest -1"):
        spectrum_of_values(np.array([1.0, -1.0]), (3, 2))


def test_an_operator_that_gives_what_is_not_finite_is_refused() -> None:
    a = np.eye(40)
    a[3, 3] = np.nan
    with pytest.raises(ClaimError, match=r"The 40 x 40 operator has no spectrum: \d+ of 560 numbers are not finite"):
        estimate(a)


def test_an_operator_needs_both_products_and_real_numbers() -> None:
    one_way = LinearOperator((30, 30), matvec=lambda x: x, dtype=np.float64)
    with pytest.raises(ClaimError, match="The 30 x 30 operator has no rmatmat"):
        estimated_spectrum(one_way, rng=np.random.default_rng(0), max_memory=ROOM)
    with pytest.raises(ClaimError, match="real operator that is not empty; found complex128"):
        estimate(np.eye(3) * 1j)
    with pytest.raises(ClaimError, match="str offers no products"):
        estimated_spectrum("J", rng=np.random.default_rng(0), max_memory=ROOM)


def test_arguments_out_of_range_are_named() -> None:
    for option, message in (
        ({"leading": 0}, "leading = 0: an estimated spectrum needs at least 1"),
        ({"probes": 1}, "probes = 1: an estimated spectrum needs at least 2"),
        ({"steps": 1}, "steps = 1: an estimated spectrum needs at least 2"),
        ({"rank_at_most": 6}, "rank_at_most = 6: a 5 x 5 operator has a rank from 0 to 5"),
    ):
        with pytest.raises(ClaimError, match=message):
            estimate(np.eye(5), **option)


def test_counts_below_the_floor_are_refused() -> None:
    with pytest.raises(
        ClaimError, match=r"above 1e-06 of the largest cannot be counted: the rounding floor .* 3\.6e-06"
    ):
        exact_spectrum(np.eye(30, dtype=np.float32)).above(1e-6)


def test_quadrature_refuses_to_count_where_squares_drown() -> None:
    found = estimate(matrix(0, decays(60)["exponential"]))
    assert found.above(1e-4).error > 0
    with pytest.raises(ClaimError, match="above 9e-05 of the largest cannot be counted from products"):
        found.above(9e-5)


def test_a_zero_matrix_has_zeros_throughout() -> None:
    zero = np.zeros((30, 20))
    for found in (exact_spectrum(zero), estimate(zero), gram_spectrum(zero)):
        assert found.effective_rank == found.stable_rank == found.above_tenth == found.largest == 0
        assert found.effective_rank_error == found.above_tenth_error == found.largest_error == 0
        assert found.rank == 0
    assert gram_spectrum(zero).effective_rank == gram_spectrum(zero).rank == 0


def test_certificates_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(
        ClaimError, match="At least 30 singular values lie above the floor, but the rank is said to be at"
    ):
        estimate(np.eye(30), diagonal_blocks=[np.eye(30)], rank_at_most=29)
    with pytest.raises(ClaimError, match="The diagonal blocks fill 32 x 32, more than the 30 x 30 operator"):
        estimate(np.eye(30), diagonal_blocks=np.ones((2, 16, 16)))


def test_too_little_memory_is_refused_before_anything_is_computed() -> None:
    calls: list[Floats] = []
    operator = LinearOperator((400, 400), matvec=calls.append, rmatvec=calls.append, dtype=np.float64)
    with pytest.raises(ClaimError, match=r"take [\d.]+ MB and 40 kB are allowed; not even one would fit\. Allow more"):
        estimated_spectrum(operator, rng=np.random.default_rng(0), max_memory=4e4, effort=Effort(leading=4))
    assert not calls


@pytest.mark.parametrize(("name", "asked"), [("leading", 60), ("steps", 300)])
def test_what_is_said_to_fit_into_memory_fits_and_no_more_does(name: str, asked: int) -> None:
    a = matrix(0, decays(400)["slow power"])
    options = {"leading": 4, "steps": 5, "max_memory": 2e6}
    with pytest.raises(ClaimError, match=f"{asked} .* takes? .* and 2 MB are allowed; {name} = ") as refused:
        estimate(a, **(options | {name: asked}))
    fits = int(re.findall(f"{name} = (\\d+) would fit", str(refused.value))[0])
    estimate(a, **(options | {name: fits}))
    with pytest.raises(ClaimError, match=f"{name} = {fits} would fit"):
        estimate(a, **(options | {name: fits + 1}))


# ---- by hand


def test_a_diagonal_matrix_by_hand() -> None:
    found = exact_spectrum(np.diag([1.0, 2.0, 0.1, 1.0, 0.0]))  # squares 4, 1, 1, .01, 0 of sum 6.01
    shares = np.array([4, 1, 1, 0.01]) / 6.01
    assert found.values.tolist() == [2, 1, 1, 0.1, 0]
    assert found.effective_rank == pytest.approx(np.prod(shares**-shares))
    assert found.stable_rank == pytest.approx(6.01 / 4)
    assert (found.above_tenth, found.above(0.5).value, found.above(0.049).value) == (3, 1, 4)
    assert found.rank == found.rank_at_least == found.rank_at_most == 4
    assert found.floor == 5 * 2.0**-52
    assert found.values_or_floor.tolist() == [2, 1, 1, 0.1, 10 * 2.0**-52]
    assert (found.largest, found.largest_error, found.effective_rank_error, found.above_tenth_error) == (2, 0, 0, 0)


def test_blocks_share_the_largest_value_and_the_floor_of_the_whole() -> None:
    found = spectrum_of_values(np.array([[1.0, 0.5], [4 * 2.0**-52, 3.0 * 2.0**-52]]).ravel(), (4, 4))
    assert found.shape == (4, 4)
    assert found.floor == 4 * 2.0**-52
    assert found.rank == 2  # alone, the second block would have rank 2
    assert found.stable_rank == pytest.approx(1.25)


def test_one_step_of_quadrature_by_hand() -> None:
    # J = diag(2, 1) from (1, 1)/sqrt 2: J'J has mass 1/2 on 4 and on 1, hence moments 1, 5/2 and 17/2
    j = np.diag([2.0, 1.0])
    found = bidiagonalise(lambda x: x @ j.T, lambda y: y @ j, np.array([[1.0, 1.0]]) / np.sqrt(2), 1)
    (nodes, weights), (nodes_at_0, weights_at_0) = found.gauss(), found.radau()
    assert (nodes[0, 0], weights[0, 0]) == pytest.approx((5 / 2, 1))
    assert (nodes_at_0[0, 0], weights_at_0[0, 0]) == pytest.approx((17 / 5, 25 / 34))  # the rest sits on 0
    low, high = found.x_ln_x()
    assert low[0] == pytest.approx(2.5 * np.log(2.5))
    assert high[0] == pytest.approx(2.5 * np.log(3.4))
    assert low[0] <= 2 * np.log(4) <= high[0]
    # with nodes at 2 and x: w + v = 1, 2w + xv = 5/2, 4w + x^2 v = 17/2, so x = 7 and w = 9/10, on 2 itself
    nodes_at_2, weights_at_2 = found.through(2.0)
    assert nodes_at_2[0] == pytest.approx([2, 7])
    assert weights_at_2[0] == pytest.approx([0.9, 0.1])
    least, most = found.mass_above(2.0)
    assert (least[0], most[0]) == pytest.approx((0.1, 1.0))


def test_a_recursion_that_is_done_is_exact_and_goes_on_with_zeros() -> None:
    j = np.diag([2.0, 1.0, 1.0])
    found = bidiagonalise(lambda x: x @ j.T, lambda y: y @ j, np.array([[0.6, 0.8, 0.0], [0, 0, 1.0]]), 3)
    assert found.alpha[:, 2].tolist() == found.beta[:, 1].tolist() == [0, 0]
    low, high = found.x_ln_x()
    assert low == pytest.approx([0.36 * 4 * np.log(4), 0], abs=1e-12)
    assert high == pytest.approx(low, abs=1e-12)
    assert found.mass_above(2.0)[0] == pytest.approx([0.36, 0])
    assert found.mass_above(2.0)[1] == pytest.approx([0.36, 0])


# ---- against a witness


@pytest.mark.parametrize("kind", decays(1))
def test_exact_numbers_are_those_of_numpy_and_scipy(kind: str) -> None:
    a = matrix(1, decays(90)[kind], rows=120)
    truth = scipy.linalg.svdvals(a, check_finite=True)
    found = exact_spectrum(a)
    np.testing.assert_allclose(found.values, truth, rtol=1e-10)
    assert found.effective_rank == pytest.approx(np.exp(scipy.stats.entropy(truth**2)), rel=1e-12)
    assert found.stable_rank == pytest.approx((np.linalg.norm(a) / np.linalg.norm(a, 2)) ** 2)
    assert found.rank == np.linalg.matrix_rank(a) == 90
    assert found.above_tenth == (truth > truth[0] / 10).sum()


def test_rank_deficiency_is_exact_in_every_precision_that_is_named() -> None:
    rng = np.random.default_rng(17)
    a = rng.standard_normal((150, 37)) @ rng.standard_normal((37, 100))
    assert exact_spectrum(a).rank == np.linalg.matrix_rank(a) == 37
    single = a.astype(np.float32)
    assert exact_spectrum(single).rank == np.linalg.matrix_rank(single) == 37
    widened = exact_spectrum(single.astype(np.float64))
    assert widened.rank == 100  # float32's noise, taken at float64's word
    assert 1e-9 < widened.values[37] / widened.largest < 1e-6
    told = exact_spectrum(single.astype(np.float64), computed_in=np.float32)
    assert told.rank == 37
    assert told.floor == pytest.approx(150 * 2.0**-23)
    assert (told.values_or_floor[37:] == told.floor * told.largest).all()


def test_blocks_are_the_block_diagonal_matrix() -> None:
    rng = np.random.default_rng(17)
    blocks = rng.standard_normal((4, 9, 7)) * np.array([1, 0.1, 1e-3, 1e-15])[:, None, None]
    whole = exact_spectrum(scipy.linalg.block_diag(*blocks))
    apart = spectrum_of_values(np.linalg.svd(blocks, compute_uv=False).ravel(), (36, 28))
    assert apart.shape == whole.shape and apart.floor == whole.floor and apart.rank == whole.rank == 21
    np.testing.assert_allclose(apart.values, whole.values, atol=1e-13)
    assert apart.effective_rank == pytest.approx(whole.effective_rank)


@pytest.mark.parametrize("kind", decays(1))
def test_values_from_gram_matrices_are_those_of_each_above_float32s_floor(kind: str) -> None:
    many = np.stack([matrix(seed, decays(40)[kind]) for seed in range(6)])
    found = gram_values(many @ many.swapaxes(-1, -2))
    for values, a in zip(found, many, strict=True):
        truth = exact_spectrum(a)
        above = truth.values > 40 * np.finfo(np.float32).eps * truth.largest
        np.testing.assert_allclose(values[above], truth.values[above], rtol=1e-5)
        assert (values[~above] < 40 * np.finfo(np.float32).eps * values[0]).all()
        whole = gram_spectrum(a[:, :30])
        tall = exact_spectrum(a[:, :30], computed_in=np.float32)
        assert (whole.shape, whole.rank, whole.floor) == (tall.shape, tall.rank, tall.floor)
        assert whole.effective_rank == pytest.approx(tall.effective_rank, rel=1e-9)
        assert gram_spectrum(a[:, :30].T).rank == tall.rank


@pytest.mark.parametrize("kind", ["flat", "slow power", "low rank and noise"])
def test_quadrature_brackets_quadratic_forms_and_masses(kind: str) -> None:
    a = matrix(2, decays(60)[kind])
    starts = np.random.default_rng(3).standard_normal((5, 60))
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)
    eigenvalues, vectors = np.linalg.eigh(a.T @ a)
    masses = (starts @ vectors) ** 2
    truth = masses @ (eigenvalues * np.log(eigenvalues))
    widths = []
    for steps in (1, 2, 5, 9, 14):
        found = bidiagonalise(lambda x: x @ a.T, lambda y: y @ a, starts, steps)
        low, high = found.x_ln_x()
        assert (low <= truth + 1e-14).all() and (truth <= high + 1e-14).all()
        widths.append((high - low).max())
        nodes, weights = found.gauss()
        for power in range(2 * steps):  # what a Gauss rule of so many nodes integrates exactly
            np.testing.assert_allclose((weights * nodes**power).sum(axis=1), masses @ eigenvalues**power, rtol=1e-9)
        for c in (*np.geomspace(1e-6, 1.1, 23), *nodes[0][nodes[0] > 1e-8]):
            least, most = found.mass_above(c)
            held = masses[:, eigenvalues > c * (1 + 1e-12)].sum(axis=1)
            assert (least <= held + 1e-10).all() and (held <= most + 1e-10).all()
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize("values", [np.arange(1, 501) ** -0.25, np.exp(-np.arange(1, 501) / 250)])
def test_the_leading_fifty_of_a_slow_decay_are_good_to_a_thousandth(values: Floats) -> None:
    found = estimate(matrix(3, values), leading=50, probes=2, steps=4)
    missing = values[:50] - found.values
    assert (missing >= -1e-12).all()
    assert (missing <= found.errors).all()
    assert (found.errors <= 1e-3 * values[:50]).all()
    assert found.above(values[29] * 0.999 / values[0]).value == 30  # known one by one
    assert found.above(values[29] * 0.999 / values[0]).error == 0


def test_the_error_of_a_leading_value_shrinks_with_the_square_of_its_residual() -> None:
    found = estimate(matrix(3, decays(200)["slow power"]))
    assert found.sketch is not None
    residual = found.sketch.residual[:4].max()
    assert found.errors[:4].max() < 10 * residual**2 < residual / 20


# ---- properties


@pytest.mark.parametrize("kind", ["flat", "exponential", "slow power"])
def test_the_same_stream_gives_the_same_bits(kind: str) -> None:
    a = matrix(4, decays(80)[kind])
    assert same_bits(estimate(a, 5), estimate(a, 5))
    assert not same_bits(estimate(a, 5), estimate(a, 6))


@given(st.integers(-300, 300))
def test_ranks_and_counts_do_not_depend_on_scale(power: int) -> None:
    a = matrix(5, decays(30)["exponential"])
    scale = 2.0**power
    one, other = exact_spectrum(a), exact_spectrum(a * scale)
    assert other.effective_rank == pytest.approx(one.effective_rank)
    assert other.stable_rank == pytest.approx(one.stable_rank)
    assert (other.rank, other.above_tenth) == (one.rank, one.above_tenth)
    np.testing.assert_allclose(gram_spectrum(a * scale).effective_rank, one.effective_rank)
    guess, other = estimate(a, probes=2, steps=4), estimate(a * scale, probes=2, steps=4)
    assert (other.effective_rank, other.effective_rank_error) == (guess.effective_rank, guess.effective_rank_error)
    assert (other.stable_rank, other.above(0.01)) == (guess.stable_rank, guess.above(0.01))
    np.testing.assert_array_equal(other.values, guess.values * scale)


def test_a_matrix_and_its_transpose_have_one_spectrum() -> None:
    a = matrix(6, decays(70)["slow power"], rows=90)
    one, other = exact_spectrum(a), exact_spectrum(a.T)
    assert (one.rank, one.floor, other.shape) == (other.rank, other.floor, (70, 90))
    assert one.effective_rank == pytest.approx(other.effective_rank)
    guess, turned = estimate(a), estimate(a.T)
    assert turned.shape == (70, 90)
    np.testing.assert_allclose(guess.values, turned.values)
    assert guess.effective_rank == pytest.approx(turned.effective_rank)
    assert guess.above(0.2).value == pytest.approx(turned.above(0.2).value)


def test_a_flat_spectrum_is_known_without_error() -> None:
    found = estimate(np.eye(200) * 3)
    assert found.effective_rank == pytest.approx(200)
    assert found.effective_rank_error < 1e-9
    assert found.above_tenth == pytest.approx(200)
    assert found.above_tenth_error < 1e-6


def test_an_operator_smaller_than_its_basis_is_known_whole() -> None:
    a = matrix(7, decays(9)["steep power"])
    found, truth = estimate(a), exact_spectrum(a)
    np.testing.assert_allclose(found.values, truth.values[:4])
    assert found.effective_rank == pytest.approx(truth.effective_rank)
    assert found.above_tenth == truth.above_tenth == 9
    assert found.above_tenth_error == 0


def test_memory_is_planned_and_kept() -> None:
    a = aslinearoperator(np.random.default_rng(17).standard_normal((700, 500)) * np.linspace(0, 1, 500) ** 2)
    widest: list[int] = []

    def counted(x: Floats) -> Floats:
        widest.append(x.shape[1])
        return np.asarray(a.matmat(x))

    operator = LinearOperator(a.shape, matvec=a.matvec, matmat=counted, rmatmat=a.rmatmat, dtype=np.float64)
    found = []
    for allowed, together in ((2e7, 8), (5e6, 4), (2.5e6, 1)):
        widest.clear()
        tracemalloc.start()
        found.append(
            estimated_spectrum(operator, rng=np.random.default_rng(1), max_memory=allowed, effort=Effort(4, 8, 100))
        )
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < allowed
        assert set(widest[-800 // together :]) == {together}
    for other in found[1:]:
        assert agrees(other.effective_rank, found[0].effective_rank, found[0].effective_rank_error)


def test_a_basis_cut_short_says_so() -> None:
    a = matrix(8, decays(300)["flat"])
    truth, found = exact_spectrum(a), estimate(a, leading=20, max_memory=1.7e6)
    assert len(found.sketch.values if found.sketch else ()) <= 120
    assert found.errors.max() > 1e-2 * found.largest
    assert (truth.values[:20] <= found.values + found.errors).all()
    assert agrees(found.effective_rank, truth.effective_rank, found.effective_rank_error)


def test_more_probes_and_steps_tell_more() -> None:
    a = matrix(9, decays(300)["slow power"])
    few, many = estimate(a, probes=4), estimate(a, probes=64)
    assert many.effective_rank_error < few.effective_rank_error / 3
    assert estimate(a, steps=60).above(0.1).error < estimate(a, steps=10).above(0.1).error / 2


# ---- the rank is certified or not determined


def block_triangular() -> tuple[Floats, Floats]:
    """Five tokens of width 60, each one's mean taken out: rank 295 of 300, and its diagonal blocks."""
    centre = np.eye(60) - 1 / 60
    blocks = np.random.default_rng(17).standard_normal((5, 5, 60, 60)) @ centre * np.tri(5)[:, :, None, None]
    return blocks.swapaxes(1, 2).reshape(300, 300), blocks[np.arange(5), np.arange(5)]


def test_a_rank_is_determined_where_the_certificates_meet() -> None:
    a, blocks = block_triangular()
    found = estimate(a, diagonal_blocks=(b for b in blocks), rank_at_most=5 * 59)
    assert (found.rank_at_least, found.rank_at_most, found.rank) == (295, 295, 295)
    assert exact_spectrum(a).rank == 295


def test_a_rank_without_certificates_is_two_numbers() -> None:
    a, blocks = block_triangular()
    alone = estimate(a)
    assert 4 <= alone.rank_at_least < 295 < alone.rank_at_most == 300
    below, above = estimate(a, diagonal_blocks=blocks), estimate(a, rank_at_most=295)
    assert (below.rank_at_least, below.rank_at_most) == (295, 300)
    assert (above.rank_at_least, above.rank_at_most) == (alone.rank_at_least, 295)
    assert alone.rank is below.rank is above.rank is None


def test_squares_show_a_rank_that_is_not_there() -> None:
    rng = np.random.default_rng(17)
    a = rng.standard_normal((200, 100)) @ rng.standard_normal((100, 200))
    floor = exact_spectrum(a).floor
    squares = np.linalg.eigvalsh(a.T @ a)
    assert (squares > floor**2 * squares[-1]).sum() > 130  # the rank is 100; the rest is rounding of the squares
    found = estimate(a, leading=20)
    assert found.rank is None
    assert 20 <= found.rank_at_least <= 100 < found.rank_at_most == 200
    assert agrees(found.above(1e-3).value, exact_spectrum(a).above(1e-3).value, found.above(1e-3).error)


def test_a_small_block_beside_a_large_one_is_no_certificate() -> None:
    blocks = np.stack([np.eye(15), np.eye(15) * 1e-16])
    found = estimate(scipy.linalg.block_diag(*blocks), diagonal_blocks=blocks)
    assert found.rank_at_least == exact_spectrum(scipy.linalg.block_diag(*blocks)).rank == 15


def test_single_precision_products_have_the_floor_of_their_dtype() -> None:
    a = matrix(10, decays(200)["slow power"]).astype(np.float32)
    truth, found = exact_spectrum(a), estimate(a)
    assert found.floor == truth.floor == pytest.approx(200 * 2.0**-23)
    assert agrees(found.effective_rank, truth.effective_rank, found.effective_rank_error)
    np.testing.assert_allclose(found.values, truth.values[:4], rtol=1e-4)


# ---- calibration


@pytest.mark.parametrize("kind", decays(1))
def test_errors_cover_the_truth_in_at_least_95_of_100_trials(kind: str) -> None:
    a = matrix(11, decays(300)[kind])
    truth, operator = exact_spectrum(a), aslinearoperator(a)
    hundredth = truth.above(0.01).value
    hits = np.zeros(5, dtype=int)
    for seed in range(100):
        found = estimate(operator, seed, leading=2, probes=6, steps=12)
        near, sketch = found.above(0.01), found.sketch
        assert sketch is not None
        hits += [
            agrees(found.effective_rank, truth.effective_rank, found.effective_rank_error),
            agrees(found.above_tenth, truth.above_tenth, found.above_tenth_error),
            agrees(near.value, hundredth, near.error),
            agrees(found.stable_rank, truth.stable_rank, found.stable_rank_error),
            bool((truth.values[: len(sketch.upper)] <= found.largest * sketch.upper).all()),
        ]
    assert (hits >= 95).all()
