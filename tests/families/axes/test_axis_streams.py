"""AxisStreams, AxesAgainstRotations and HeavyTails on planted activations, whose answer is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from threading import get_ident
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from planted import assert_bare_decides_alike, before, planted_corpus, shuffled
from scipy import stats as scipy_stats

from modclaims import AxesAgainstRotations, AxisStreams, HeavyTails
from modclaims.corpus import Corpus
from modclaims.errors import ClaimError
from modclaims.families.axes import axes_against_rotations, axis_streams, turned_axes
from modclaims.families.common import controls
from modclaims.families.common.units import Units
from modclaims.hypothesis import Hypothesis
from modclaims.look import Look, TestSettings
from modclaims.recording import Activations, MemorySource, ModelShape, Recording, Request, Weights
from modclaims.runs.weighing import weigh
from modclaims.stats.bounds import splits
from modclaims.stats.bounds.bootstrap import Bounds
from modclaims.stats.bounds.replicates import Replicates, standard_errors
from modclaims.stats.bounds.resamples import Resamples, resample, resample_groups
from modclaims.stats.bounds.splits import halves, part
from modclaims.stats.chance.actions import Design
from modclaims.stats.effects.omega_squared import omega_squared_replicates
from modclaims.stats.evidence import Evidence, NullTest
from modclaims.stats.nulls import rotations
from modclaims.stats.nulls.rotations import (
    SUMMARIES,
    Coordinates,
    Scale,
    Turning,
    draws,
    gaussian_kurtosis,
    kurtosis,
    summarised,
)
from modclaims.stats.quantifiers import at
from modclaims.stats.streams import stream
from modclaims.summaries import TestSummary
from modclaims.verdict import Verdict, judge

Floats = NDArray[np.float64]
LAYERS, WIDTH, MLP, POSITIONS = 3, 16, 20, 3
AXIS, LAYER = 5, 1
WEIGHING = TestSettings(seed=1, permutations=199, resamples=399)
LONGER = replace(WEIGHING, permutations=499, resamples=499)
"""Twice the median of so many levels can be told from .05."""
SHAPE = ModelShape("planted", LAYERS, 2, 2, WIDTH, WIDTH // 2, MLP, 64, 512)


def axis(k: int = AXIS, width: int = WIDTH) -> Floats:
    return np.eye(width)[k]


def random_direction(seed: int = 3, width: int = WIDTH) -> Floats:
    found = np.random.default_rng(seed).normal(size=width)
    return np.asarray(found / np.linalg.norm(found))


def activations(direction: Floats | None = None, effect: float = 1.5) -> Callable[..., Floats]:
    """Noise of texts and of tokens, alike in all directions; at one layer the style along one direction."""

    def made(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        width = MLP if request.site == "mlp_act" else WIDTH
        x = 0.6 * rng.standard_normal(width) + 0.5 * rng.standard_normal((positions, width))
        if direction is not None and layer == LAYER and request.variant is None and request.site != "embed":
            x = x + effect * (style - 1.5) * direction
        return x

    return made


class Streams:
    """Answers requests with what `made` gives for each text, keyed by text so that the order of rows changes nothing."""

    def __init__(self, made: Callable[..., Floats], seed: int = 0) -> None:
        self.made, self.seed, self.shape = made, seed, SHAPE

    def record(self, corpus: Corpus, requests: tuple[Request, ...]) -> Recording:
        arrays: dict[tuple[Request, int], Any] = {}
        for request in requests:
            for layer in self.shape.resolve_layers(request):
                if isinstance(request, Weights):
                    rng = np.random.default_rng([self.seed, *(request.variant or "").encode()])
                    arrays[request, layer] = rng.standard_normal((64, WIDTH)) * np.linspace(2, 1, WIDTH)
                else:
                    assert isinstance(request, Activations)
                    arrays[request, layer] = self._activations(corpus, request, layer)
        bodies = tuple(t.body for t in corpus.texts)
        return Recording(corpus, self.shape, tuple(range(5, 5 + POSITIONS)), bodies, MemorySource(arrays))

    def _activations(self, corpus: Corpus, request: Activations, layer: int) -> Floats:
        out = []
        for text in corpus.texts:
            first = request.positions is not None
            key = [self.seed, layer, first, *request.site.encode(), *(request.variant or "").encode()]
            rng = np.random.default_rng([*key, *text.id.encode()])
            style = int(text.labels["style"][-1])
            out.append(self.made(rng, style, request, layer, 1 if first else POSITIONS))
        return np.stack(out)


@pytest.fixture(autouse=True)
def few_control_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controls, "CONTROL_DRAWS", 99)


class Planted(AxisStreams):
    """One coordinate answers style."""

    label, untrained, splits, components = "style", 0, 5, 3


class Against(AxesAgainstRotations):
    """The axes answer style better than random directions do."""

    label, splits, rotations = "style", 5, 199


class Heavy(HeavyTails):
    """Single coordinates hold much of a token."""


def prepared(
    base: type[Hypothesis], made: Callable[..., Floats], corpus: Corpus | None = None, **constants: Any
) -> tuple[Any, Recording]:
    """A claim that has been checked, and its recording."""
    claim = type(base.__name__, (base,), {"__doc__": "A variation.", **constants})()
    claim.validate()
    corpus = corpus or planted_corpus()
    claim.check(before(corpus))
    return claim, Streams(made).record(corpus, claim.requests(SHAPE))


def evidence(base: type[Hypothesis], made: Callable[..., Floats], **constants: Any) -> Evidence:
    claim, recording = prepared(base, made, **constants)
    found: Evidence = claim.weigh(recording.by_id(), WEIGHING)
    return found


def judged(claim: Hypothesis, recording: Recording, weighing: TestSettings = WEIGHING) -> tuple[Verdict, TestSummary]:
    weighed, _ = weigh(claim, recording, weighing)
    return judge({"claim": weighed}, alpha=0.05, correction="none")["claim"], weighed


def outcome(
    base: type[Hypothesis], made: Callable[..., Floats], weighing: TestSettings = WEIGHING, **constants: Any
) -> tuple[Verdict, TestSummary]:
    return judged(*prepared(base, made, **constants), weighing)


def lower_limit(count: int, sets: int) -> float:
    """One-sided 99.9 % Clopper-Pearson lower limit of a rate."""
    return 0.0 if count == 0 else float(scipy_stats.beta.ppf(0.001, count, sets - count + 1))


def omega_squared_by_hand(y: Floats, labels: NDArray[np.int64]) -> float:
    """Through scipy's F."""
    groups = [y[labels == k] for k in np.unique(labels)]
    f, df1 = scipy_stats.f_oneway(*groups).statistic, len(groups) - 1
    return float(df1 * (f - 1) / (df1 * (f - 1) + len(y)))


# ---- AxisStreams


def test_a_planted_axis_is_supported_and_named_and_no_other_is_found() -> None:
    verdict, weighed = outcome(Planted, activations(axis()))
    assert verdict.outcome.word == "supported"
    assert weighed.best == {"layer": LAYER, "head": None, "axis": AXIS}
    assert weighed.n_cells == LAYERS * WIDTH
    found = evidence(Planted, activations(axis()))
    small = [str(c) for c, p in zip(found.cells, found.test.p_adjusted, strict=True) if p <= 0.05]
    assert small == [f"layer {LAYER}, axis {AXIS}"]
    assert "omega^2" in verdict.sentence
    assert f"at layer {LAYER}, axis {AXIS}" in verdict.sentence


@pytest.mark.parametrize(
    ("site", "cells"), [("embed", WIDTH), ("resid_pre", LAYERS * WIDTH), ("mlp_act", LAYERS * MLP)]
)
def test_cells_are_the_coordinates_of_a_site_at_its_layers(site: str, cells: int) -> None:
    assert len(evidence(Planted, activations(), site=site).cells) == cells
    assert len(evidence(Planted, activations(), site=site, layers=(0,)).cells) == cells // (1 if site == "embed" else 3)


@pytest.mark.parametrize("basis", ["axes", "random", "unembedding_svd", "pca"])
def test_nothing_is_supported_where_nothing_is_planted(basis: str) -> None:
    verdict, weighed = outcome(Planted, activations(), basis=basis)
    assert verdict.outcome.word != "supported"
    assert weighed.p is not None and weighed.p > 0.05


def test_the_effect_of_an_axis_is_omega_squared_of_scores_of_means_over_positions() -> None:
    claim, recording = prepared(Planted, activations(axis()))
    found = claim.weigh(recording.by_id(), WEIGHING)
    ordered = recording.by_id()
    labels = np.array([int(t.labels["style"][-1]) for t in ordered.corpus.texts])
    for cell, effect in list(zip(found.cells, found.bounds.effect, strict=True))[WIDTH : WIDTH + 8]:
        y = ordered.array(Activations("resid_post"), cell.layer)[:, :, cell.axis].mean(axis=1)
        scores = scipy_stats.norm.ppf(scipy_stats.rankdata(y) / (len(y) + 1))
        assert effect == pytest.approx(omega_squared_by_hand(scores, labels))
        raw = found.secondary["omega^2 of raw responses"][found.cells.index(cell)]
        assert raw == pytest.approx(omega_squared_by_hand(y, labels))


@pytest.mark.parametrize("basis", ["axes", "pca"])
def test_an_axis_may_be_said_to_answer_one_category_in_one_direction(basis: str) -> None:
    planted = activations(axis() if basis == "axes" else random_direction(), effect=3.0)
    corpus = planted_corpus(texts=6 if basis == "axes" else 8)
    rows = evidence(Planted, planted, corpus=corpus, basis=basis).categories
    top = max(rows, key=lambda r: abs(r.superiority))
    way = "more" if top.superiority > 0 else "less"
    verdict, weighed = outcome(
        Planted,
        planted,
        LONGER,
        corpus=corpus,
        basis=basis,
        category=top.category,
        answers="either",
        smallest_effect=0.2,
    )
    assert verdict.outcome.word == "supported"
    assert weighed.effect_name == f"superiority or inferiority of {top.category!r}"
    if basis == "axes":  # a component's sign is nobody's
        assert outcome(
            Planted, planted, LONGER, corpus=corpus, category=top.category, answers=way, smallest_effect=0.2
        )[0].outcome.word == ("supported")
        other = "less" if way == "more" else "more"
        found = outcome(
            Planted, planted, LONGER, corpus=corpus, category=top.category, answers=other, smallest_effect=0.2
        )[1]
        assert found.p_plus > 0.05


@pytest.mark.parametrize("basis", ["pca", "random", "unembedding_svd"])
def test_a_category_along_a_random_direction_is_found_in_other_bases(basis: str) -> None:
    verdict, weighed = outcome(Planted, activations(random_direction(), effect=3.0), LONGER, basis=basis)
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == LAYER
    if basis == "pca":
        assert weighed.best["axis"] == 0
        assert weighed.n_cells == LAYERS * 3
        assert weighed.splits == 5
        assert weighed.effect > 0.8
    else:
        assert weighed.n_cells == LAYERS * WIDTH


def test_components_are_counted_and_never_more_than_there_can_be() -> None:
    assert len(evidence(Planted, activations(), basis="pca", components=2).cells) == 2 * LAYERS
    assert len(evidence(Planted, activations(), basis="pca", components=40).cells) == WIDTH * LAYERS


def test_components_are_no_more_than_the_tokens_of_the_smallest_half() -> None:
    """Of 7 texts either half may have 3 or 4, so that halves differ; components must be as many in all splits."""
    corpus = planted_corpus(topics=7, texts=1)

    def one_position(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        return activations()(rng, style, request, layer, 1)

    found = evidence(Planted, one_position, corpus=corpus, basis="pca", components=WIDTH)
    assert len(found.cells) % LAYERS == 0


def test_the_same_category_in_other_bases_is_one_of_a_rotation() -> None:
    """The random basis is orthonormal: over all of it, the squared lengths are those over the axes."""
    claim, recording = prepared(Planted, activations(axis()), basis="random")
    plain = type("Plain", (Planted,), {"__doc__": "P."})()
    y = claim.responses(Look("Planted", recording, WEIGHING))[1].reshape(-1, LAYERS, WIDTH)
    x = plain.responses(Look("Plain", recording, WEIGHING))[1].reshape(-1, LAYERS, WIDTH)
    np.testing.assert_allclose((y**2).sum(axis=2), (x**2).sum(axis=2), rtol=1e-10)
    assert not np.allclose(np.sort(np.abs(y)), np.sort(np.abs(x)))


def test_directions_of_the_unembedding_are_its_right_singular_vectors_largest_first() -> None:
    claim, recording = prepared(Planted, activations(), basis="unembedding_svd")
    vectors = np.linalg.svd(recording.array(Weights("unembedding")))[2].T
    x = np.asarray(recording.array(Activations("resid_post"), 2)).mean(axis=1)
    found = claim.responses(Look("Planted", recording, WEIGHING))[1].reshape(-1, LAYERS, WIDTH)[:, 2]
    np.testing.assert_allclose(np.abs(found), np.abs(x @ vectors), atol=1e-9)


def test_the_floor_of_a_test_over_splits_is_that_of_their_merged_levels() -> None:
    """Twice the smallest lower median of the first splits, from half of them to all; no p falls below it, and the summary says it."""
    found = evidence(Planted, activations(axis()), basis="pca")
    assert found.test is not None
    floors = [1 / one.arrangements for one in found.test.parts]
    assert len(floors) > 1
    by_hand = 2 * min(sorted(floors[:k])[(k - 1) // 2] for k in range(-(-len(floors) // 2), len(floors) + 1))
    assert found.test.floor == pytest.approx(min(1.0, by_hand))
    assert (found.test.p >= found.test.floor - 1e-15).all()
    _, weighed = outcome(Planted, activations(axis()), basis="pca")
    assert weighed.smallest_attainable_p == found.test.floor
    assert weighed.p is not None
    assert weighed.p >= found.test.floor
    assert weighed.bound_floor > 0


def parts(plant: float) -> Callable[..., Floats]:
    """Non-negative activations: each token is two of six parts, of which style strengthens one at one layer."""
    table = np.random.default_rng(2).exponential(size=(6, MLP)) ** 2

    def made(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        weights = rng.exponential(size=(positions, 6)) + 0.3 * rng.exponential(size=6)
        if layer == LAYER and request.variant is None:
            weights[:, 4] += plant * style
        return weights @ table + 0.05 * rng.exponential(size=(positions, MLP))

    return made


def test_nmf_finds_a_planted_part_of_non_negative_activations() -> None:
    verdict, weighed = outcome(Planted, parts(4.0), LONGER, basis="nmf", site="mlp_act")
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == LAYER
    assert "basis nmf, 3 components learned on one half of the texts and tested on the other" in weighed.note
    assert outcome(Planted, parts(0.0), basis="nmf", site="mlp_act")[0].outcome.word != "supported"


def test_nmf_refuses_negative_activations() -> None:
    with pytest.raises(ClaimError, match=r"Site 'resid_post' has negative activations \(down to -.*non-negative"):
        evidence(Planted, activations(), basis="nmf")


@pytest.mark.parametrize("blocks", [False, True])
def test_learning_and_testing_never_see_the_same_texts(blocks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = blocked() if blocks else planted_corpus()
    given = activations(axis())
    _, recording = prepared(Planted, given, corpus=corpus, basis="pca")
    ordered = recording.by_id()
    tokens = np.asarray(ordered.array(Activations("resid_post"), LAYER), dtype=np.float64)
    text_of = {row.tobytes(): i for i, row in enumerate(tokens)}
    learned: list[set[int]] = []
    tested: list[set[int]] = []
    learn = Planted._learned

    def watched(self: Planted, seen: Floats, count: int) -> Any:
        transform = learn(self, seen, count)
        mine = [text_of.get(row.tobytes()) for row in seen]
        if None in mine:  # another layer
            return transform
        learned.append({i for i in mine if i is not None})

        def along(values: Floats) -> Floats:
            tested.append({text_of.get(row.tobytes(), -1) for row in values})
            return transform(values)

        return along

    monkeypatch.setattr(Planted, "_learned", watched)
    evidence(Planted, given, corpus=corpus, basis="pca")
    assert len(tested) >= 5
    for here, there in zip(learned[:5], tested[:5], strict=True):
        assert not here & there
        assert here | there == set(range(len(corpus)))
    assert len({frozenset(t) for t in tested[:5]}) == 5


def test_learned_components_do_not_hang_on_the_texts_that_they_are_tested_on() -> None:
    claim, recording = prepared(Planted, activations(axis()), basis="pca")
    tokens = np.asarray(recording.array(Activations("resid_post"), LAYER))
    learners = np.arange(0, 48, 2)
    other = tokens.copy()
    other[1::2] *= 100
    np.testing.assert_array_equal(
        claim._learned(tokens[learners], 16)(tokens[:4]), claim._learned(other[learners], 16)(tokens[:4])
    )


@pytest.mark.parametrize("basis", ["pca", "nmf"])
def test_too_few_texts_to_split_are_refused_where_a_basis_is_learned(basis: str) -> None:
    claim = type("Few", (Planted,), {"__doc__": "F.", "within": "topic", "basis": basis})()
    with pytest.raises(ClaimError, match="Splitting in halves needs 4 texts of each style in every stratum"):
        claim.check(before(planted_corpus(texts=3)))
    claim.check(before(planted_corpus(texts=4)))
    type("Axes", (Planted,), {"__doc__": "A.", "within": "topic"})().check(before(planted_corpus(texts=3)))


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"site": "head_z"}, "Site 'head_z' is unknown; choose one of embed, "),
        ({"basis": "ica"}, "Basis 'ica' is unknown; choose one of axes, pca, nmf, random, unembedding_svd"),
        ({"basis": "unembedding_svd", "site": "mlp_act"}, "The unembedding reads the residual stream"),
        ({"components": 0}, "components = 0"),
        ({"axes": ()}, "axes = () must name coordinates of basis 'axes', from 0, such as (13,)"),
        ({"axes": (-1,)}, "axes = (-1,) must name coordinates"),
        ({"axes": (3, 3)}, "axes = (3, 3) must name coordinates"),
        ({"axes": ("13",)}, "axes = ('13',) must name coordinates"),
        ({"axes": (3,), "basis": "pca"}, "axes = (3,) must name coordinates of basis 'axes'"),
        ({"splits": 4}, "splits = 4: one split is a lottery, at least 5 are needed"),
        ({"untrained": 3}, "untrained = 3"),
        ({"smallest_effect": 1.0}, "below 1, the end of the scale of omega^2"),
    ],
)
def test_constants_of_axis_streams_are_checked(constants: dict[str, Any], message: str) -> None:
    with pytest.raises(ClaimError, match=re.escape(message)):
        type("Wrong", (Planted,), {"__doc__": "Wrong.", **constants})().validate()


def test_a_layer_that_the_network_lacks_is_refused() -> None:
    for base in (Planted, Against, Heavy):
        with pytest.raises(ClaimError, match="Layer 7"):
            type("Deep", (base,), {"__doc__": "D.", "layers": (7,)})().requests(SHAPE)


@pytest.mark.parametrize("basis", ["axes", "pca", "unembedding_svd"])
def test_the_stream_has_a_line_for_each_text_and_position(basis: str) -> None:
    found = evidence(Planted, activations(axis(), effect=3.0), basis=basis)
    assert [e.kind for e in found.exhibits][:3] == ["stream", "strip", "volcano"]
    exhibit = found.exhibits[0]
    assert exhibit.arrays["values"].shape == (48 * POSITIONS, LAYERS)
    assert exhibit.arrays["text"].tolist() == [t for t in range(48) for _ in range(POSITIONS)]
    assert exhibit.arrays["layer"].tolist() == [0, 1, 2]
    assert exhibit.arrays["depth"].tolist() == [0, 0.5, 1]
    assert len(exhibit.labels["categories"]) == len(exhibit.labels["ids"]) == 48


def test_the_stream_is_that_of_the_named_axis() -> None:
    claim, recording = prepared(Planted, activations(axis()))
    ordered = recording.by_id()
    exhibit = claim.weigh(ordered, WEIGHING).exhibits[0]
    assert exhibit.labels["coordinate"] == f"axis {AXIS}"
    for layer in range(LAYERS):
        expected = ordered.array(Activations("resid_post"), layer)[:, :, AXIS].ravel()
        np.testing.assert_allclose(exhibit.arrays["values"][:, layer], expected, rtol=1e-6)


@pytest.mark.parametrize("base", [Planted, Against])
def test_the_caption_of_the_stream_names_the_layer_that_it_reads(base: type[Hypothesis]) -> None:
    streams = [e for e in evidence(base, activations(axis()), layers=(-3, -2)).exhibits if e.kind == "stream"]
    assert [("Means at layer 1: " in e.description, "last layer" in e.description) for e in streams] == [(True, False)]


def test_axes_named_in_advance_are_cells_of_their_own_with_the_numbers_that_they_have_among_all() -> None:
    every, few = evidence(Planted, activations(axis())), evidence(Planted, activations(axis()), axes=(9, AXIS))
    assert [(c.layer, c.axis) for c in few.cells] == [(i, k) for i in range(LAYERS) for k in (9, AXIS)]
    where = [every.cells.index(cell) for cell in few.cells]
    np.testing.assert_allclose(few.bounds.effect, every.bounds.effect[where])
    np.testing.assert_allclose(few.bounds.lower(0.05), every.bounds.lower(0.05)[where])
    np.testing.assert_allclose(few.test.observed, every.test.observed[where])
    np.testing.assert_array_equal(few.test.p, every.test.p[where])
    assert (few.test.p_adjusted <= every.test.p_adjusted[where] + 1e-12).all()
    beside = "correlation with the layer before"
    np.testing.assert_allclose(few.secondary[beside], every.secondary[beside][where])


def test_a_named_axis_is_supported_and_another_is_not() -> None:
    verdict, weighed = outcome(Planted, activations(axis()), axes=(AXIS,))
    assert verdict.outcome.word == "supported"
    assert weighed.best == {"layer": LAYER, "head": None, "axis": AXIS}
    assert weighed.n_cells == LAYERS
    assert outcome(Planted, activations(axis()), axes=(AXIS + 1,))[0].outcome.word != "supported"


def test_the_stream_on_show_is_that_of_the_axis_found_among_those_named() -> None:
    claim, recording = prepared(Planted, activations(axis()), axes=(9, AXIS, 2))
    ordered = recording.by_id()
    exhibit = claim.weigh(ordered, WEIGHING).exhibits[0]
    assert exhibit.labels["coordinate"] == f"axis {AXIS}"
    expected = ordered.array(Activations("resid_post"), LAYER)[:, :, AXIS].ravel()
    np.testing.assert_allclose(exhibit.arrays["values"][:, LAYER], expected, rtol=1e-6)


def test_an_axis_that_the_site_lacks_is_refused() -> None:
    wide = type("Wide", (Planted,), {"__doc__": "W.", "axes": (WIDTH,)})
    with pytest.raises(ClaimError, match="has coordinates 0 to 15 at site 'resid_post'"):
        wide().requests(SHAPE)
    type("Hidden", (wide,), {"__doc__": "H.", "site": "mlp_act"})().requests(SHAPE)


def test_the_stream_on_show_is_that_of_the_first_split() -> None:
    """Its values, averaged over positions, are the responses that the strip shows beside it."""
    found = evidence(Planted, activations(random_direction(), effect=3.0), basis="pca")
    followed, strip = (next(e for e in found.exhibits if e.kind == kind) for kind in ("stream", "strip"))
    panel = list(strip.labels["panels"]).index(f"layer {LAYER}, axis 0")
    values = followed.arrays["values"][:, LAYER].reshape(-1, POSITIONS).mean(axis=1)
    by_id = dict(zip(followed.labels["ids"], values, strict=True))
    shown = strip.arrays["responses"][panel]
    np.testing.assert_allclose(np.abs([by_id[i] for i in strip.labels["ids"]]), np.abs(shown), rtol=1e-5)


def blocked(corpus: Corpus | None = None) -> Corpus:
    """Blocks of three texts that share topic and style: four of each style."""
    corpus = corpus or planted_corpus()
    return replace(
        corpus, texts=tuple(replace(t, block=f"{t.labels['topic']} {t.labels['style']}") for t in corpus.texts)
    )


@pytest.mark.parametrize(("base", "basis"), [(Planted, "axes"), (Planted, "pca"), (Against, None), (Heavy, None)])
def test_blocks_of_texts_are_units(base: type[Hypothesis], basis: str | None) -> None:
    constants = {} if basis is None else {"basis": basis}
    _, weighed = outcome(base, activations(axis(), effect=3.0), corpus=blocked(), **constants)
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("block", 16, 48)
    if basis is not None:
        assert weighed.best["layer"] == LAYER


def in_books(topics: int = 10, texts: int = 2) -> Corpus:
    """Texts of four styles in each of so many books, which are blocks."""
    corpus = planted_corpus(topics=topics, texts=texts)
    return replace(corpus, texts=tuple(replace(t, block=t.labels["topic"]) for t in corpus.texts))


@pytest.mark.parametrize(
    ("base", "constants", "effect"), [(Planted, {}, 1.5), (Planted, {"basis": "pca"}, 3.0), (Against, {}, 1.5)]
)
def test_books_in_which_styles_vary_are_drawn_and_split_whole(
    base: type[Hypothesis], constants: dict[str, Any], effect: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, seen = in_books(16), []
    books = [t.block for t in sorted(corpus.texts, key=lambda t: t.id)]

    def watched(design: Design, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first, second = halves(design, rng)
        seen.append(({books[i] for i in first}, {books[i] for i in second}))
        return first, second

    monkeypatch.setattr(splits, "halves", watched)
    _, weighed = outcome(base, activations(axis(), effect), LONGER, corpus=corpus, **constants)
    assert weighed.p_plus <= 0.05
    assert weighed.best["layer"] == LAYER
    assert (weighed.unit, weighed.n_units, weighed.n_texts) == ("text", 128, 128)
    assert weighed.note.endswith("; bounds from resampling 16 whole blocks")
    assert bool(seen) == (base is Against or bool(constants))
    assert all(not first & second and len(first) == len(second) == 8 for first, second in seen)
    if base is Planted:
        assert weighed.action == "exchanging style inside each block"


@pytest.mark.parametrize(("base", "basis"), [(Planted, "nmf"), (Against, None)])
def test_too_few_books_to_split_are_refused(base: type[Hypothesis], basis: str | None) -> None:
    claim = type("Few", (base,), {"__doc__": "F."} | ({} if basis is None else {"basis": basis}))()
    claim.check(before(in_books(topics=8)))
    with pytest.raises(ClaimError, match="needs 8 blocks with each style"):
        claim.check(before(in_books(topics=7)))


def test_what_is_drawn_beside_bases_and_rotations_is_named() -> None:
    assert evidence(Against, activations(), corpus=in_books(topics=8)).resampled == "blocks and random bases"
    assert evidence(Against, activations()).resampled == "texts and random bases"
    assert evidence(Heavy, activations(), corpus=in_books(topics=8)).resampled == "blocks and rotations"
    assert evidence(Heavy, activations()).resampled == "texts and rotations"


VARIATIONS = [
    (Planted, {}),
    (Planted, {"basis": "pca"}),
    (Planted, {"basis": "random"}),
    (Against, {"rotations": 99}),
    (Heavy, {}),
]


@pytest.mark.parametrize(("base", "constants"), VARIATIONS)
def test_the_order_of_texts_changes_nothing(base: type[Hypothesis], constants: dict[str, Any]) -> None:
    made = activations(axis(), effect=0.6)
    one = outcome(base, made, **constants)[1].as_dict()
    other = outcome(base, made, corpus=shuffled(planted_corpus()), **constants)[1].as_dict()
    assert one == other


def test_neighbours_change_nothing() -> None:
    """Alone, and weighed after others from a recording that answers them too."""
    corpus, made = planted_corpus(), activations(axis(), effect=0.6)
    claims = [type(f"{base.__name__}{i}", (base,), {"__doc__": "N.", **c})() for i, (base, c) in enumerate(VARIATIONS)]
    alone = [weigh(c, Streams(made).record(corpus, c.requests(SHAPE)), WEIGHING)[0].as_dict() for c in claims]
    union = tuple(dict.fromkeys(r for c in reversed(claims) for r in c.requests(SHAPE)))
    together = Streams(made).record(corpus, union)
    beside = [weigh(c, together, WEIGHING)[0].as_dict() for c in reversed(claims)][::-1]
    assert alone == beside


def test_persistence_is_the_correlation_with_the_layer_before() -> None:
    def followed(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        return np.broadcast_to(rng.standard_normal(WIDTH), (positions, WIDTH))

    claim, recording = prepared(Planted, followed)
    ordered = recording.by_id()
    found = claim.weigh(ordered, WEIGHING)
    beside = found.secondary["correlation with the layer before"].reshape(LAYERS, WIDTH)
    values = [np.asarray(ordered.array(Activations("resid_post"), layer))[:, 0] for layer in range(LAYERS)]
    assert np.isnan(beside[0]).all()
    for layer, k in [(1, 0), (2, 7)]:
        assert beside[layer, k] == pytest.approx(np.corrcoef(values[layer][:, k], values[layer - 1][:, k])[0, 1])


def test_persistence_is_one_for_a_copy_and_blank_without_a_layer_before_or_spread() -> None:
    cells = tuple(axis_streams.Cell(layer=layer, axis=k) for layer in (0, 1, 3) for k in range(3))
    y = np.random.default_rng(0).normal(size=(9, 9))
    y[:, 3], y[:, 4], y[:, 2] = 2 * y[:, 0] + 1, -y[:, 1], 7.0
    found = axis_streams._persistence(cells, y)
    assert found[3] == pytest.approx(1)
    assert found[4] == pytest.approx(-1)
    assert np.isnan(found[[0, 1, 2, 5, 6, 7, 8]]).all()


def through(layers: tuple[int, ...]) -> Callable[..., Floats]:
    """Style along one axis at some layers."""

    def made(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        x = activations()(rng, style, request, layer, positions)
        return x + (layer in layers) * 1.5 * (style - 1.5) * axis()

    return made


def test_it_is_told_through_which_layers_the_named_axis_carries_the_label() -> None:
    assert "adjusted p at most .05, from layer 1 to 2." in evidence(Planted, through((1, 2))).detail
    assert "from layer 0 to 2." in evidence(Planted, through((0, 1, 2))).detail
    assert (
        "In the layers beside it the same axis does not (adjusted p above .05)."
        in evidence(Planted, through((1,))).detail
    )
    assert "same axis" not in evidence(Planted, through(())).detail


def test_nothing_is_told_of_layers_beside_where_none_was_looked_at() -> None:
    assert "layers beside" not in evidence(Planted, through((1,)), layers=(1,)).detail


@pytest.mark.parametrize("basis", ["axes", "pca", "unembedding_svd"])
def test_twins_that_learned_nothing_are_shown_beside_streams(basis: str) -> None:
    found = evidence(Planted, activations(random_direction(), effect=3.0), basis=basis, untrained=5)
    twin = next(c for c in found.controls if c.name == "untrained_baseline")
    assert "no untrained network reaches that" in twin.sentence
    assert len(twin.numbers["effect"]) == 5
    assert max(twin.numbers["effect"]) < 0.5


# ---- AxesAgainstRotations


@pytest.mark.parametrize("summary", SUMMARIES)
def test_a_planted_axis_beats_random_directions_and_is_named(summary: str) -> None:
    made = activations(axis(), effect=0.7)
    verdict, weighed = outcome(Against, made, LONGER, summary="largest", rotations=499)
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == LAYER
    assert weighed.p is not None and weighed.p <= 0.02
    found = evidence(Against, made, summary=summary)
    assert f"axis {AXIS} was picked most often there, in 5 of 5 splits" in found.detail
    if summary != "count":  # one axis of 16 is no large share
        assert found.test.p_adjusted.argmin() == LAYER


def test_a_category_along_a_random_direction_is_not_the_axes_own() -> None:
    outcomes = [
        outcome(Against, activations(random_direction(seed), effect=1.0), summary=summary)[0].outcome.word
        for seed, summary in enumerate(SUMMARIES)
    ]
    assert "supported" not in outcomes
    assert outcome(Against, activations())[0].outcome.word != "supported"


def test_coordinates_that_never_vary_are_no_axes_that_tell() -> None:
    """Most axes are alike in all texts, and the others do not answer style."""

    def constant(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        x = activations()(rng, style, request, layer, positions)
        x[:, :10] = 0.37 * np.arange(1, 11) / 7
        return x

    found = evidence(Against, constant)
    assert found.test.p_adjusted.min() > 0.05
    assert np.isfinite(found.bounds.effect).all()
    assert found.secondary["coordinates that do not vary"].tolist() == [10, 10, 10]
    assert "Coordinates that do not vary there, left out: 10." in found.detail


def test_a_planted_axis_is_found_where_most_coordinates_are_silent() -> None:
    """As of neurons that never fire: the median spread is 0, and no other coordinate is an outlier for it."""

    def silent(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        x = activations(axis(), effect=0.7)(rng, style, request, layer, positions)
        x[:, AXIS + 1 :] = 0
        return x

    found = evidence(Against, silent)
    assert found.secondary["outlying coordinates"].max() == 0
    assert found.secondary["coordinates that do not vary"].tolist() == [10, 10, 10]
    assert (found.bounds.lower(0.05) > 0).tolist() == [False, True, False]


def test_a_coordinate_that_tells_categories_apart_without_error_has_no_scale_and_its_layer_is_not_weighed() -> None:
    def exact(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        x = activations()(rng, style, request, layer, positions)
        x[:, AXIS] = style / 3 if layer == LAYER else x[:, AXIS]
        return x

    verdict, weighed = outcome(Against, exact)
    assert verdict.outcome.word == "inconclusive"
    assert weighed.degenerate == [f"layer {LAYER}"]
    assert any(f"At layer {LAYER} coordinate {AXIS} differs between values of style" in w for w in weighed.warnings)
    found = evidence(Against, exact)
    assert np.isnan(found.bounds.effect).tolist() == [False, True, False]
    assert found.test.p_adjusted[LAYER] == 1
    alone = evidence(Against, exact, layers=(LAYER,))
    assert (alone.controls, alone.detail) == ((), "")
    assert [e.kind for e in alone.exhibits] == ["stream"]
    assert alone.undecided.startswith("no coordinate with a scale: At layer 1 coordinate 5 differs")
    assert found.undecided == ""
    assert [e.kind for e in found.exhibits] == ["two_distributions", "stream", "null_histogram"]


def test_a_layer_in_which_all_texts_are_the_same_is_not_weighed_and_a_claim_about_it_stays_open() -> None:
    def same(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        return (
            np.full((positions, WIDTH), 0.7) if layer == LAYER else activations()(rng, style, request, layer, positions)
        )

    verdict, weighed = outcome(Against, same, holds=at(LAYER))
    assert (verdict.outcome.word, verdict.reason) == ("inconclusive", "no coordinate with a scale")
    assert verdict.message.endswith("all texts have the same values.")
    assert weighed.degenerate == [f"layer {LAYER}"]
    assert outcome(Against, same)[1].undecided == ""


def massive(
    made: Callable[..., Floats], coordinates: tuple[int, ...] = (AXIS + 1,), times: float = 30.0
) -> Callable[..., Floats]:
    """The same with some coordinates so many times as large."""

    def larger(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        x = made(rng, style, request, layer, positions)
        x[:, list(coordinates)] *= times
        return x

    return larger


def test_no_number_of_the_claim_hangs_on_the_scale_of_coordinates() -> None:
    """But for rounding."""
    one, other = (evidence(Against, made) for made in (activations(axis()), massive(activations(axis()), (2, 3, AXIS))))
    np.testing.assert_allclose(other.test.null, one.test.null, rtol=0, atol=1e-5)
    np.testing.assert_allclose(other.bounds.effect, one.bounds.effect, rtol=0, atol=1e-9)


def test_outlying_coordinates_stay_in_the_claim_and_are_taken_out_of_a_control() -> None:
    made = massive(activations(axis(), effect=0.7), (1, 2))
    found = evidence(Against, made)
    (control,) = found.controls
    assert found.secondary["outlying coordinates"].tolist() == [2, 2, 2]
    assert control.numbers["coordinates"] == [1, 2]
    assert control.sentence.startswith(
        "Without 2 coordinates 1, 2 (spread inside categories above 5 times the layer's median)"
    )
    # as if the two had never been recorded
    bare = found.test.observed[LAYER]
    assert control.numbers["summary"] == pytest.approx(bare)
    p, difference, low = (control.numbers[key] for key in ("p", "difference", "low"))
    assert isinstance(p, float) and isinstance(difference, float) and isinstance(low, float)
    assert p <= 0.02
    assert low > 0.1
    assert difference == pytest.approx(found.bounds.effect[LAYER], abs=0.1)
    assert evidence(Against, activations(axis())).controls[0].numbers == {"coordinates": []}
    assert evidence(Against, made, outliers=None).controls == ()


def test_an_outlying_axis_that_alone_tells_categories_apart_is_missed_by_the_control() -> None:
    found = evidence(Against, massive(activations(axis(), effect=0.7), (AXIS,)))
    assert found.test.p_adjusted[LAYER] <= 0.02
    (control,) = found.controls
    assert control.numbers["coordinates"] == [AXIS]
    p, difference = control.numbers["p"], control.numbers["difference"]
    assert isinstance(p, float) and isinstance(difference, float)
    assert p > 0.05
    assert difference < 0.1


def test_where_random_directions_leave_no_room_nothing_is_refuted_and_it_is_said() -> None:
    """A stronger axis is never worse evidence for the contrary."""
    made = activations(axis(), effect=30.0)
    found = evidence(Against, made)
    assert next(w for w in found.warnings if "no axis can be better by 0.1" in w).startswith(f"At layer {LAYER} ")
    assert (found.bounds.upper(0.05)[LAYER] < 0.1, found.bounds.p_upper(0.1)[LAYER]) == (True, 1.0)
    assert found.bounds.p_upper(0.1)[0] < 1
    assert found.undecided == ""
    verdict, _ = outcome(Against, made, layers=(LAYER,))
    assert (verdict.outcome.word, verdict.reason) == ("inconclusive", "no room above random directions")
    assert not any("no axis" in w for w in evidence(Against, activations(axis(), effect=1.0)).warnings)


def test_axes_against_rotations_inside_strata() -> None:
    verdict, weighed = outcome(
        Against, activations(axis(), effect=0.7), LONGER, corpus=planted_corpus(texts=6), within="topic", rotations=499
    )
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == LAYER


def test_the_secondary_numbers_are_the_summaries_of_axes_and_rotations() -> None:
    found = evidence(Against, activations(axis()))
    np.testing.assert_array_equal(found.secondary["largest omega^2"], found.test.observed)
    np.testing.assert_allclose(
        found.secondary["largest omega^2, median over rotations"], np.median(found.test.null[1:], axis=0)
    )
    assert found.test.null.shape == (200, LAYERS)
    plotted = found.exhibits[0]
    assert plotted.kind == "two_distributions"
    for name in ("axes", "random", "random_low", "random_high"):
        shares = plotted.arrays[name]
        assert shares.shape == (LAYERS, len(plotted.arrays["at"]))
        assert all(a >= b for row in shares for a, b in pairwise(row))
    followed = found.exhibits[1]
    assert followed.arrays["values"].shape == (48 * POSITIONS, LAYERS)
    assert followed.labels["coordinate"] == f"axis {AXIS}"


@pytest.mark.parametrize("summary", SUMMARIES)
def test_the_null_is_that_of_turned_axes_of_scaled_coordinates(summary: str) -> None:
    made = massive(activations(random_direction()), (3,))
    claim, recording = prepared(Against, made, summary=summary, threshold=0.05, rotations=99)
    ordered = recording.by_id()
    found = claim.weigh(ordered, WEIGHING)
    design = Units.of(ordered.corpus, "style", None).design
    vectors = np.stack([ordered.array(Activations("resid_post"), la).mean(axis=1) for la in range(LAYERS)])
    inside = vectors.copy()
    for k in range(design.k):
        inside[:, design.labels == k] -= vectors[:, design.labels == k].mean(axis=1, keepdims=True)
    vectors /= np.sqrt((inside**2).sum(axis=1, keepdims=True) / (design.n - design.k))
    turning = Turning.of(vectors, np.ones((LAYERS, WIDTH), dtype=bool), design)
    turned = draws(99, stream(WEIGHING.seed, "Against", design.digest, "rotations"), turning.turned)
    expected = [summarised(d, summary, 0.05) for d in (turning.axes(), *turned)]
    np.testing.assert_allclose(found.test.null, expected, atol=1e-5)


def test_picking_and_measuring_never_see_the_same_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, list[set[int]]] = {}

    def watched(design: Design, where: NDArray[np.int64]) -> Design:
        seen.setdefault(get_ident(), []).append(set(where.tolist()))
        return part(design, where)

    monkeypatch.setattr(splits, "part", watched)
    evidence(Against, activations(axis()), splits=6)
    assert sum(len(parts) for parts in seen.values()) == 24
    for parts in seen.values():  # a thread takes up one split after another
        for first, second, again, other in zip(parts[::4], parts[1::4], parts[2::4], parts[3::4], strict=True):
            assert not first & second
            assert len(first | second) == 48
            assert (again, other) == (first, second)  # the half that picks gives the scale


def test_what_is_picked_hangs_on_the_first_half_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    claim, recording = prepared(Against, activations(axis(), effect=0.4))
    ordered = recording.by_id()
    units = Units.of(ordered.corpus, "style", None)
    first, second = halves(units.design, np.random.default_rng(0))
    monkeypatch.setattr(splits, "halves", lambda design, rng: (first, second))
    vectors = np.stack([ordered.array(Activations("resid_post"), la).mean(axis=1) for la in range(LAYERS)])
    scales: list[Floats] = []

    def watched(space: Floats, kept: NDArray[np.bool_]) -> rotations.Space:
        scales.append(space)
        return rotations.Space.of(space, kept)

    def found(x: Floats) -> tuple[Floats, list[list[int]], Floats]:
        """Effect, axes picked, and scaled vectors of the first half."""
        scales.clear()
        data = turned_axes.UnitVectors.of(x, units, np.dtype(np.float64))
        picked = claim._picked(Look("Against", ordered, WEIGHING), data)
        return picked.bounds.effect, picked.axes, np.stack(scales)[:, :, first]

    monkeypatch.setattr(axes_against_rotations, "Space", type("Watched", (), {"of": staticmethod(watched)}))
    effect, picks, scaled = found(vectors)
    changed = vectors.copy()
    changed[:, second] = 10 * np.random.default_rng(1).normal(size=changed[:, second].shape)
    other, again, still = found(changed)
    assert picks == again
    np.testing.assert_array_equal(scaled, still)
    assert not np.allclose(effect, other)
    changed = vectors.copy()
    changed[:, first] = np.random.default_rng(1).normal(size=changed[:, first].shape)
    assert found(changed)[1] != picks


def test_the_same_data_are_turned_for_p_whatever_is_asked_beside() -> None:
    """The first rotations of many are the rotations of few."""
    few, many = (evidence(Against, activations(axis()), rotations=count) for count in (99, 199))
    np.testing.assert_array_equal(few.test.null, many.test.null[:100])


@pytest.mark.parametrize(
    ("constants", "message"),
    [
        ({"site": "q"}, "Site 'q' is unknown"),
        ({"summary": "mean"}, "Summary 'mean' is unknown; choose one of largest, upper, count"),
        ({"rotations": 98}, "rotations = 98: p cannot fall below 1 / 99"),
        ({"outliers": 1.0}, "outliers = 1: half of the coordinates"),
        ({"splits": 4}, "splits = 4"),
        ({"smallest_effect": 1.0}, "below 1"),
    ],
)
def test_constants_of_axes_against_rotations_are_checked(constants: dict[str, Any], message: str) -> None:
    with pytest.raises(ClaimError, match=re.escape(message)):
        type("Wrong", (Against,), {"__doc__": "Wrong.", **constants})().validate()


def test_too_few_texts_to_split_are_refused_by_axes_against_rotations() -> None:
    claim = type("Few", (Against,), {"__doc__": "F.", "within": "topic"})()
    with pytest.raises(ClaimError, match="Splitting in halves needs 4 texts of each style"):
        claim.check(before(planted_corpus(texts=3)))


# ---- AxesAgainstRotations: how often chance passes

SETS, TURNS, DIMENSIONS = 200, 99, 24


def findings(x: Floats, design: Design, rng: np.random.Generator) -> list[bool]:
    """Whether any layer is found, for each summary."""
    scale = Scale.of(x, design)
    turning = Turning.of(scale.scaled(x), scale.kept, design)

    def measured(directions: rotations.BasisEffects) -> list[Floats]:
        return [summarised(directions, summary, 0.14) for summary in SUMMARIES]

    null = np.array([measured(turning.axes()), *draws(TURNS, rng, lambda r: measured(turning.turned(r)))])
    tests = [
        NullTest.of("summary", null[:, k], 1e-9 * np.abs(null[0, k]), exact=False, action="turning")
        for k in range(len(SUMMARIES))
    ]
    return [bool(test.p_adjusted.min() <= 0.05) for test in tests]


@pytest.mark.parametrize("large", [0, 1, 3])
def test_coordinates_without_a_privilege_are_found_no_more_often_than_promised_however_large_some_are(
    large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every third data set knows no category; in the others it lies along a direction drawn anew."""
    monkeypatch.setattr(rotations, "WORKERS", 1)
    counts = np.zeros(len(SUMMARIES), dtype=int)
    for seed in range(SETS):
        rng = np.random.default_rng([41, seed, large])
        design = Design.of(list("abcd" * 6) if seed % 2 else list("a" * 9 + "b" * 15))
        x = rng.normal(size=(2, design.n, DIMENSIONS)) + 0.5 * rng.normal(size=(design.n, DIMENSIONS))
        if seed % 3:
            along = rng.normal(size=(design.k, DIMENSIONS)) / np.sqrt(DIMENSIONS)
            x += 2 * along[design.labels]
        x[:, :, :large] *= 30
        x *= 10.0 ** (0.3 * rng.normal(size=DIMENSIONS))
        counts += findings(x, design, rng)
    assert all(lower_limit(int(c), SETS) <= 0.05 for c in counts), counts
    assert counts[0] >= 1, "a test that never errs is silent"


@pytest.mark.parametrize(("telling", "f2", "by"), [(1, 1.5, "largest"), (DIMENSIONS // 2, 0.28, "count")])
def test_axes_that_are_privileged_are_found_by_the_summary_that_speaks_of_them(
    telling: int, f2: float, by: str
) -> None:
    """One axis tells categories apart, but not so well that all random directions do; or half of them tell as much as
    counts, and random directions half of that."""
    rng, design = np.random.default_rng(42), Design.of(list("abcd" * 60))
    unscaled = 10.0 ** (0.5 * rng.normal(size=DIMENSIONS))
    centres = rng.normal(size=(design.k, DIMENSIONS)) * (np.arange(DIMENSIONS) < telling)
    centres -= centres.mean(axis=0)
    centres[:, :telling] *= np.sqrt(f2) / centres[:, :telling].std(axis=0)
    x = (rng.normal(size=(2, design.n, DIMENSIONS)) + centres[design.labels]) * unscaled
    assert dict(zip(SUMMARIES, findings(x, design, rng), strict=True))[by]
    turned = Coordinates.of(np.eye(DIMENSIONS)).turned(rng)
    x = (rng.normal(size=(2, design.n, DIMENSIONS)) + (centres @ turned)[design.labels]) * unscaled
    assert not any(findings(x, design, rng))


# ---- AxesAgainstRotations: effect, error and influences


def against_rivals(
    responses: Floats, design: Design, texts: Resamples, rivals: Resamples, monkeypatch: pytest.MonkeyPatch
) -> tuple[Bounds, Replicates, Resamples]:
    """What is weighed, with the replicates that the bounds are made of."""
    kept = []
    original = axes_against_rotations.bootstrap_t

    def watched(replicates: Replicates, resamples: Resamples, **options: Any) -> Bounds:
        kept.append((replicates, resamples))
        return original(replicates, resamples, **options)

    monkeypatch.setattr(axes_against_rotations, "bootstrap_t", watched)
    bounds = axes_against_rotations._against_rivals(responses, design, texts, rivals)
    return bounds, *kept[0]


def made_rivals(design: Design, rivals: int = 6, layers: int = 2, seed: int = 0) -> Floats:
    """(1 + rival, unit, layer) responses, of which row 0 tells categories apart best."""
    rng = np.random.default_rng(seed)
    strength = np.r_[1.2, rng.uniform(0.2, 0.8, rivals)]
    y = rng.normal(size=(1 + rivals, design.n, layers)) + 2.0 * design.strata[:, None]
    return np.asarray(y + (strength[:, None] * (design.labels - 1.0))[:, :, None])


RIVAL_DESIGNS = [
    Design.of(list("abc" * 10)),
    Design.of(list("a" * 8 + "b" * 13 + "c" * 6)),
    Design.of(list("aaaabbbbcccc" + "aaaaabbbbbccc"), list("x" * 12 + "y" * 13)),
]


@pytest.mark.parametrize("design", RIVAL_DESIGNS)
def test_the_effect_is_omega_squared_of_the_picked_axis_minus_the_mean_of_its_rivals(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses, rng = made_rivals(design), np.random.default_rng(1)
    texts = resample(design, count=20, rng=rng)
    rivals = resample_groups(np.zeros(6, dtype=np.int64), count=20, rng=rng)
    bounds, replicates, _ = against_rivals(responses, design, texts, rivals, monkeypatch)
    if design.strata.any():
        each = 1 - np.exp(-np.stack([omega_squared_replicates(y, design, texts).value[0] for y in responses]))
    else:
        each = np.array([[omega_squared_by_hand(y[:, la], design.labels) for la in range(2)] for y in responses])
    np.testing.assert_allclose(bounds.effect, each[0] - each[1:].mean(axis=0), atol=1e-12)
    assert bounds.ends == (-1.0, 1.0)
    np.testing.assert_array_equal(replicates.value[0], bounds.theta)


@pytest.mark.parametrize("design", RIVAL_DESIGNS)
def test_replicates_and_influences_are_those_of_a_slow_reference(
    design: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses, rng = made_rivals(design), np.random.default_rng(2)
    texts = resample(design, count=30, rng=rng)
    rivals = resample_groups(np.zeros(6, dtype=np.int64), count=30, rng=rng)
    bounds, found, both = against_rivals(responses, design, texts, rivals, monkeypatch)
    slow = [omega_squared_replicates(y, design, texts) for y in responses]
    omega2 = np.stack([1 - np.exp(-s.value) for s in slow])  # (row, resample, layer)
    slopes = np.stack([np.exp(-s.value)[:, None] * s.influence for s in slow])
    centre = np.stack([1 - np.exp(-s.centre) for s in slow])
    share = rivals.times / 6
    for b in range(31):
        mean = np.einsum("r,rl->l", share[b], omega2[1:, b])
        np.testing.assert_allclose(found.value[b], omega2[0, b] - mean, atol=1e-10)
        by_text = slopes[0, b] - np.einsum("r,rnl->nl", share[b], slopes[1:, b])
        for g in np.unique(design.cells):  # equal but for a constant of the group, which no error sees
            drawn = np.flatnonzero((design.cells == g) & (texts.times[b] > 0))
            apart = found.influence[b, drawn] - by_text[drawn]
            np.testing.assert_allclose(apart, np.broadcast_to(apart[0], apart.shape), atol=1e-9)
        np.testing.assert_allclose(found.influence[b, design.n :], -(omega2[1:, b] - mean) / 6, atol=1e-10)
    np.testing.assert_allclose(found.centre, centre[0] - centre[1:].mean(axis=0), atol=1e-12)
    value = omega2[0] - np.einsum("br,rbl->bl", share, omega2[1:])
    by_text = slopes[0] - np.einsum("br,rbnl->bnl", share, slopes[1:])
    by_rival = -(omega2[1:] - (omega2[0] - value)).transpose(1, 0, 2) / 6
    slowly = standard_errors(Replicates(value, np.concatenate([by_text, by_rival], axis=1), found.centre), both)
    np.testing.assert_allclose(bounds.se, slowly[0], rtol=1e-9)
    np.testing.assert_allclose(bounds.t, (value[1:] - found.centre) / slowly[1:], rtol=1e-8)
    assert both.times.shape == (31, design.n + 6)
    assert set(both.groups[design.n :].tolist()).isdisjoint(both.groups[: design.n].tolist())


@pytest.mark.parametrize("design", RIVAL_DESIGNS)
def test_influences_of_texts_are_derivatives_by_multiplicity(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    responses, step = made_rivals(design), 1e-6
    times = np.ones((design.n + 1, design.n))
    times[np.arange(1, design.n + 1), np.arange(design.n)] += step

    # moving a text's weight moves its group's size; the plug-in F keeps sizes fixed, so weights move inside the group
    for i, row in enumerate(times[1:]):
        mates = np.flatnonzero(design.cells == design.cells[i])
        row[mates] -= step / len(mates)
    rivals = resample_groups(np.zeros(6, dtype=np.int64), count=design.n, rng=np.random.default_rng(0))
    alike = Resamples(np.ones_like(rivals.times), rivals.groups)
    _, found, _ = against_rivals(responses, design, Resamples(times, design.cells), alike, monkeypatch)
    slope = (found.value[1:] - found.value[0]) / step
    own = found.influence[0, : design.n]
    centred = own - np.stack([own[design.cells == g].mean(axis=0) for g in design.cells])
    np.testing.assert_allclose(slope, centred, atol=1e-5)


@pytest.mark.parametrize("design", RIVAL_DESIGNS)
def test_the_standard_error_is_near_that_of_a_jackknife(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    responses = made_rivals(design)
    texts, rivals = Resamples(np.ones((1, design.n)), design.cells), Resamples(np.ones((1, 6)), np.zeros(6, dtype=int))
    bounds, *_ = against_rivals(responses, design, texts, rivals, monkeypatch)

    def effect(units: NDArray[np.int64], rows: list[int]) -> Floats:
        half = part(design, units)
        plain = Resamples(np.ones((1, half.n)), half.cells)
        of = [1 - np.exp(-omega_squared_replicates(responses[r][units], half, plain).value[0]) for r in rows]
        return np.asarray(of[0] - np.mean(of[1:], axis=0))

    every, variance = np.arange(design.n), np.zeros(2)
    for g in np.unique(design.cells):
        where = np.flatnonzero(design.cells == g)
        left = np.stack([effect(np.delete(every, i), list(range(7))) for i in where])
        variance += (len(where) - 1) / len(where) * ((left - left.mean(axis=0)) ** 2).sum(axis=0)
    left = np.stack([effect(every, [0, *(r for r in range(1, 7) if r != out)]) for out in range(1, 7)])
    variance += 5 / 6 * ((left - left.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(bounds.se, np.sqrt(variance), rtol=0.2)


def test_limits_of_a_difference_stay_on_its_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight texts, of which the axis tells nothing and its rivals all, and the other way round: the limits would leave it."""
    design, rng = Design.of(list("aabb" * 2)), np.random.default_rng(30)
    noise = rng.normal(size=(7, design.n, 2))
    noise[1:, :, 0] += 20 * design.labels
    noise[0, :, 1] += 20 * design.labels
    texts = resample(design, count=99, rng=rng)
    rivals = resample_groups(np.zeros(6, dtype=np.int64), count=99, rng=rng)
    bounds, *_ = against_rivals(noise, design, texts, rivals, monkeypatch)
    for limit in (bounds.lower(0.05), bounds.upper(0.05), bounds.effect):
        assert (np.abs(limit[np.isfinite(limit)]) <= 1).all()
    free = replace(bounds, ends=(-np.inf, np.inf), backward=lambda value: value)
    assert np.nanmax(np.abs([free.lower(0.05), free.upper(0.05), free.effect])) > 1


def test_clusters_of_texts_and_random_bases_are_resampled_crossed(monkeypatch: pytest.MonkeyPatch) -> None:
    design = Design.of(list("aabbcc" * 9), None, np.repeat(np.arange(9).astype(str), 6).tolist())
    responses, rng = made_rivals(design), np.random.default_rng(6)
    texts = resample(design, count=30, rng=rng)
    rivals = resample_groups(np.zeros(6, dtype=np.int64), count=30, rng=rng)
    bounds, found, both = against_rivals(responses, design, texts, rivals, monkeypatch)
    slow = [omega_squared_replicates(y, design, texts) for y in responses]
    omega2 = np.stack([1 - np.exp(-s.value) for s in slow])  # (row, resample, layer)
    slopes = np.stack([np.exp(-s.value)[:, None] * s.influence for s in slow])
    share = rivals.times / 6
    mean = np.einsum("br,rbl->bl", share, omega2[1:])
    np.testing.assert_allclose(found.value, omega2[0] - mean, atol=1e-12)
    by_cluster = slopes[0] - np.einsum("br,rbcl->bcl", share, slopes[1:])
    np.testing.assert_allclose(found.influence[:, :9], by_cluster, atol=1e-10)
    assert both.times.shape == (31, 9 + 6)
    assert set(both.groups[9:].tolist()).isdisjoint(both.groups[:9].tolist())
    assert np.isfinite(bounds.se).all()


def test_texts_and_random_bases_are_resampled_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    design, rng = RIVAL_DESIGNS[0], np.random.default_rng(5)
    texts = resample(design, count=50, rng=rng)
    rivals = resample_groups(np.zeros(6, dtype=np.int64), count=50, rng=rng)
    _, _, both = against_rivals(made_rivals(design), design, texts, rivals, monkeypatch)
    assert (both.times[:, : design.n].sum(axis=1) == design.n).all()
    assert (both.times[:, design.n :].sum(axis=1) == 6).all()


# ---- HeavyTails


def tokens(
    heavy: tuple[int, ...] = (), first: float = 0.0, turned: bool = False, large: float = 12.0
) -> Callable[..., Floats]:
    """Gaussian tokens, one coordinate of which is large at some layers; `first` makes it large at the first token."""
    matrix = Coordinates.of(np.eye(WIDTH)).turned(np.random.default_rng(8))

    def made(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        x = rng.standard_normal((positions, WIDTH))
        size = first if request.positions is not None else large * (layer in heavy)
        x[:, 2] += size * (1 + 0.1 * rng.standard_normal())
        return x @ matrix if turned else x

    return made


def test_heavy_coordinates_are_supported_at_their_layer() -> None:
    verdict, weighed = outcome(Heavy, tokens(heavy=(1,)))
    assert verdict.outcome.word == "supported"
    assert weighed.best["layer"] == 1
    assert weighed.p is None
    assert weighed.effect > 5
    assert weighed.effect_low < weighed.effect < weighed.effect_high
    assert outcome(Heavy, tokens(heavy=(1,)), holds=at(0))[0].outcome.word == "refuted"


@pytest.mark.parametrize("turned", [False, True])
def test_gaussian_and_rotated_activations_are_refuted(turned: bool) -> None:
    made = tokens(heavy=(1,), turned=True, large=3.0) if turned else tokens()
    verdict, weighed = outcome(Heavy, made)
    assert verdict.outcome.word == "refuted"
    assert weighed.smallest_effect == 1
    assert abs(weighed.effect) < 1


@pytest.mark.parametrize("heavy", [(), (1,)])
def test_the_mean_kurtosis_of_rotated_tokens_is_the_gaussian_one(heavy: tuple[int, ...]) -> None:
    found = evidence(Heavy, tokens(heavy=heavy), draws=80)
    rotated = next(e for e in found.exhibits if e.kind == "kurtosis_by_depth")
    assert rotated.arrays["gaussian"] == pytest.approx(3 * (WIDTH - 1) / (WIDTH + 1))
    # all tokens of a draw turn alike, and tokens with a large coordinate in common nearly as one
    error = 0.05 if not heavy else 0.25
    np.testing.assert_allclose(found.secondary["kurtosis rotated"], gaussian_kurtosis(WIDTH), atol=error)
    assert (rotated.arrays["rotated_low"] <= rotated.arrays["rotated_mean"]).all()
    assert (rotated.arrays["rotated_mean"] <= rotated.arrays["rotated_high"]).all()


def test_kurtosis_of_a_layer_is_the_mean_over_texts_and_positions() -> None:
    claim, recording = prepared(Heavy, tokens(heavy=(1,), first=20.0))
    found = claim.weigh(recording, WEIGHING)
    rest, first = claim.requests(SHAPE)
    for layer in range(LAYERS):
        x, x0 = recording.array(rest, layer), recording.array(first, layer)
        k, k0 = (scipy_stats.kurtosis(v, axis=-1, fisher=False) for v in (x, x0))
        numbers = {name: float(values[layer]) for name, values in found.secondary.items()}
        assert numbers["kurtosis without the first token"] == pytest.approx(k.mean())
        assert numbers["kurtosis at the first token"] == pytest.approx(k0.mean())
        assert numbers["kurtosis with the first token"] == pytest.approx(np.concatenate([k0, k], axis=1).mean())
        assert found.bounds.effect[layer] == pytest.approx(k.mean() - numbers["kurtosis rotated"])


def test_the_first_token_counts_where_it_is_asked_for_only() -> None:
    made = tokens(first=40.0)
    assert outcome(Heavy, made)[0].outcome.word == "refuted"
    verdict, weighed = outcome(Heavy, made, first_token=True)
    assert verdict.outcome.word == "supported"
    assert "with the first token" in weighed.note


def test_the_first_token_is_left_out_where_the_run_reads_it_too() -> None:
    claim, recording = prepared(Heavy, tokens())
    rest, first = claim.requests(SHAPE)
    arrays = {}
    for layer in range(LAYERS):
        x = np.random.default_rng(layer).standard_normal((48, POSITIONS, WIDTH))
        x[:, 0, 2] += 40
        arrays[rest, layer], arrays[first, layer] = x, x[:, :1]
    both = replace(recording, positions=tuple(range(POSITIONS)), source=MemorySource(arrays))
    assert judged(claim, both)[0].outcome.word == "refuted"


def test_standardising_takes_a_heavy_tail_that_is_one_coordinates_scale() -> None:
    def wide(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        x = rng.standard_normal((positions, WIDTH))
        x[:, 2] = 20 * x[:, 2] + 7
        return x

    assert outcome(Heavy, wide)[0].outcome.word == "supported"
    verdict, weighed = outcome(Heavy, wide, standardised=True)
    assert verdict.outcome.word == "refuted"
    assert "coordinates standardised" in weighed.note


@pytest.mark.parametrize("times", [30.0, 1000.0])
def test_one_large_coordinate_changes_nothing_where_coordinates_are_standardised(times: float) -> None:
    """Standardised in every basis anew, it would be all that a turned token is made of."""
    plain = evidence(Heavy, tokens(), standardised=True)
    other = evidence(Heavy, massive(tokens(), (2,), times), standardised=True)
    np.testing.assert_allclose(other.bounds.effect, plain.bounds.effect, rtol=0, atol=1e-9)
    np.testing.assert_allclose(other.secondary["kurtosis rotated"], gaussian_kurtosis(WIDTH), atol=0.1)


def test_standardising_keeps_a_heavy_tail_that_is_no_coordinates_scale() -> None:
    def sparse(rng: np.random.Generator, style: int, request: Activations, layer: int, positions: int) -> Floats:
        return rng.standard_normal((positions, WIDTH)) * 10.0 ** rng.standard_normal((positions, WIDTH))

    assert outcome(Heavy, sparse, standardised=True)[0].outcome.word == "supported"


def test_constants_of_heavy_tails_are_checked_and_no_label_is_needed() -> None:
    with pytest.raises(ClaimError, match="Site 'k' is unknown"):
        type("Wrong", (Heavy,), {"__doc__": "W.", "site": "k"})().validate()
    with pytest.raises(ClaimError, match="draws = 19: a bound over rotations needs at least 20"):
        type("Wrong", (Heavy,), {"__doc__": "W.", "draws": 19})().validate()
    with pytest.raises(ClaimError, match="5 texts of corpus 'planted' carry this claim; it needs at least 6"):
        Heavy().check(before(planted_corpus().select(range(5))))
    assert Heavy().columns() == ()


def test_kurtosis_is_read_token_by_token() -> None:
    """Two tokens with different heavy coordinates are both heavy; their mean would be less so."""
    x = np.zeros((2, WIDTH))
    x[0, 1], x[1, 9] = 10, 10
    assert kurtosis(x).mean() > 1.5 * float(kurtosis(x.mean(axis=0)))


@pytest.mark.parametrize("base", [Planted, Against, Heavy])
def test_bare_evidence_decides_alike(base: type[Hypothesis]) -> None:
    claim, recording = prepared(base, activations(axis()))
    assert_bare_decides_alike(claim, recording.by_id(), WEIGHING)
